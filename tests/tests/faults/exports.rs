//! A file is whole, or it is seen to be broken off: a service that goes away in the middle of an export never leaves a shorter file.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use leadline_tests::{Client, Mode, Part, System, imports::import, text};
use reqwest::{Method, Response};
use serde_json::json;
use tokio::time::timeout;

/// So many rows of so many characters are more than all that lies between the service and its client takes in.
const ROWS: usize = 2_600;
const LONG: usize = 9_500;

async fn asked(client: &Client, path: &str) -> Result<Response> {
    let response = client.request(Method::GET, path).send().await?;
    ensure!(response.status() == 200, "{path}: {}", response.status());
    Ok(response)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_whose_service_is_killed_in_the_middle_is_seen_to_be_broken_off() -> Result<()> {
    let mut system = System::start(Mode::Distributed).await?;
    let una = system.register("Una").await?;
    let note = "n".repeat(LONG);
    let rows: String = (0..ROWS).map(|n| format!("Lead {n},{note}\n")).collect();
    let done = import(&una, format!("Name,Notes\n{rows}"), &[]).await?;
    ensure!(done["created"] == ROWS, "{done}");
    for format in ["csv", "xlsx"] {
        let path = format!("/leads/export?format={format}&tz=UTC");
        let whole = asked(&una, &path).await?.bytes().await.context("the whole file")?;
        let mut response = asked(&una, &path).await?;
        let mut read = 0;
        if format == "csv" {
            // The first rows are there, and the rest is on its way. A workbook begins to come when all rows are in it.
            read += response.chunk().await?.context("no rows came")?.len();
        }
        system.kill(Part::Leads).await?;
        let rest = timeout(Duration::from_secs(60), async {
            while let Some(bytes) = response.chunk().await? {
                read += bytes.len();
            }
            anyhow::Ok(())
        });
        let ended = rest.await.context("the file does not end")?;
        ensure!(
            ended.is_err(),
            "{format}: it ended as if it were whole, after {read} of {} bytes",
            whole.len()
        );
        ensure!(format == "xlsx" || read < whole.len(), "{read} bytes came: too few rows for this test");
        system.launch(Part::Leads)?;
        system.ready().await?;
        ensure!(asked(&una, &path).await?.bytes().await?.len() > whole.len() / 2, "it can't be had again");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_names_people_waits_for_auth() -> Result<()> {
    let mut system = System::start(Mode::Distributed).await?;
    let una = system.register("Una").await?;
    let lead = una.lead_of(&json!({ "name": "Ada", "note": "Called." })).await?;
    let id = text(&lead, "id");
    una.patch(&format!("/leads/{id}"), &json!({ "status": "Lost", "ownerId": una.user }))
        .await?
        .expect(200)?;
    // A gateway that has not shown anybody yet: it knows no names.
    let (base, _gateway) = system.replica(Part::Gateway, &[])?;
    let there = una.at(&base);
    leadline_testbed::eventually(Duration::from_secs(60), "the gateway is ready", async || {
        there.get("/analytics/summary").await?.expect(200).map(drop)
    })
    .await?;
    system.kill(Part::Auth).await?;
    let files = ["/leads/export?tz=UTC", "/leads/export?tz=UTC&format=xlsx"];
    for path in files {
        let refused = there.get(path).await?.problem(503, "unavailable")?;
        ensure!(!refused.header("retry-after").is_empty(), "{path}");
    }
    system.launch(Part::Auth)?;
    system.ready().await?;
    leadline_testbed::eventually(Duration::from_secs(60), "the file is there", async || {
        let csv = asked(&there, files[0]).await?.text().await?;
        ensure!(csv.contains(",Una,") && csv.contains("Una: Called."), "{csv}");
        Ok(())
    })
    .await
}
