//! A program that is killed in the middle of an import goes on after its restart, without a row twice or one left out.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Result, ensure};
use leadline_tests::{
    Client, Mode, Part, System,
    imports::{counts, over, recounted, send},
    text,
};
use tokio::time::sleep;

const ROWS: u64 = 4_000;

#[tokio::test(flavor = "multi_thread")]
async fn all_in_one_killed_in_an_import_and_in_its_undo_goes_on() -> Result<()> {
    killed(System::start(Mode::AllInOne).await?, Part::Leadline).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leads_service_killed_in_an_import_and_in_its_undo_goes_on() -> Result<()> {
    killed(System::start(Mode::Distributed).await?, Part::Leads).await
}

/// How many rows an import has looked at, or leads its undo has taken back.
async fn progress(client: &Client, path: &str, name: &str) -> Result<u64> {
    let answer = client.get(path).await?;
    Ok(answer.body[name].as_u64().unwrap_or(0))
}

async fn kill_on_the_way(
    system: &mut System,
    part: Part,
    client: &Client,
    path: &str,
    name: &str,
    after: u64,
) -> Result<bool> {
    while progress(client, path, name).await? < after {
        let state = client.get(path).await?.text("state").to_owned();
        if matches!(state.as_str(), "done" | "undone") {
            return Ok(false);
        }
        sleep(Duration::from_millis(10)).await;
    }
    system.kill(part).await?;
    system.launch(part)?;
    system.ready().await?;
    Ok(true)
}

async fn killed(mut system: System, part: Part) -> Result<()> {
    let una = system.register("Una").await?;
    let rows: String = (0..ROWS).map(|n| format!("Lead {n},lead{n}@example.test,Lost\n")).collect();
    let sent = send(&una, format!("Name,Email,Status\n{rows}"), &[]).await?.expect(202)?;
    let path = format!("/leads/imports/{}", sent.text("id"));
    let killed = kill_on_the_way(&mut system, part, &una, &path, "rows", ROWS / 3).await?;
    ensure!(killed, "it was done before it could be killed");
    let done = over(&una, sent.text("id"), "done").await?;
    ensure!(counts(&done) == [ROWS, 0, 0, 0] && done["totalRows"] == ROWS, "{done}");
    let leads = una.all("/leads").await?;
    let names: BTreeSet<&str> = leads.iter().map(|lead| text(lead, "name")).collect();
    ensure!(
        leads.len() as u64 == ROWS && names.len() == leads.len(),
        "{} leads, {} names",
        leads.len(),
        names.len()
    );
    ensure!(recounted(&una).await? as u64 == ROWS);

    una.act(&format!("{path}/undo")).await?.expect(202)?;
    kill_on_the_way(&mut system, part, &una, &path, "takenBack", ROWS / 3).await?;
    let undone = over(&una, sent.text("id"), "undone").await?;
    ensure!(undone["kept"] == 0 && undone["takenBack"] == ROWS, "{undone}");
    ensure!(recounted(&una).await? == 0);
    Ok(())
}
