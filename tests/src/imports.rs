//! Files of leads, sent and awaited.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use leadline_testbed::eventually;
use reqwest::{Body, Method};
use serde_json::Value;

use crate::{
    client::{Answer, Client, query},
    recount::{Faults, time},
    text,
};

/// The media type of a workbook.
pub const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
/// How long a file of a test may take, on a busy machine.
const LONG: Duration = Duration::from_secs(120);

/// Sends a CSV.
///
/// # Errors
/// If no answer comes.
pub async fn send(client: &Client, csv: impl Into<Body>, options: &[(&str, &str)]) -> Result<Answer> {
    send_as(client, "text/csv", csv, options).await
}

/// Sends a file of a media type.
///
/// # Errors
/// If no answer comes.
pub async fn send_as(
    client: &Client,
    media_type: &str,
    file: impl Into<Body>,
    options: &[(&str, &str)],
) -> Result<Answer> {
    let request = client.request(Method::POST, &format!("/leads/import{}", query(options)));
    client.send(request.header("content-type", media_type).body(file)).await
}

/// Takes a CSV in, and gives the import when it is over.
///
/// # Errors
/// If it is refused, or is not done in the end.
pub async fn import(client: &Client, csv: impl Into<Body>, options: &[(&str, &str)]) -> Result<Value> {
    let sent = send(client, csv, options).await?.expect(202)?;
    over(client, sent.text("id"), "done").await
}

/// Awaits the end of an import, in this state.
///
/// # Errors
/// If it ends in another one, or not at all.
pub async fn over(client: &Client, id: &str, state: &str) -> Result<Value> {
    let path = format!("/leads/imports/{id}");
    let ended = tokio::time::timeout(LONG, async {
        loop {
            let import = client.get(&path).await?.expect(200)?.body;
            match text(&import, "state") {
                "queued" | "running" | "undoing" => tokio::time::sleep(Duration::from_millis(50)).await,
                found if found == state => return Ok(import),
                _ => bail!("not {state}: {import}"),
            }
        }
    });
    let import = match ended.await {
        Ok(import) => import?,
        Err(_) => bail!("not {state} in time: {}", client.get(&path).await?.body),
    };
    let count = |name: &str| import[name].as_u64().unwrap_or(u64::MAX);
    let sum = ["created", "updated", "skipped", "failed"].map(count).iter().sum::<u64>();
    ensure!(count("rows") == sum && time(&import["finishedAt"]).is_some(), "{import}");
    Ok(import)
}

/// Takes an import back.
///
/// # Errors
/// If it is refused, or not taken back in the end.
pub async fn undo(client: &Client, id: &str) -> Result<Value> {
    client.act(&format!("/leads/imports/{id}/undo")).await?.expect(202)?;
    over(client, id, "undone").await
}

/// Its counts: created, updated, skipped, failed.
#[must_use]
pub fn counts(import: &Value) -> [u64; 4] {
    ["created", "updated", "skipped", "failed"].map(|name| import[name].as_u64().unwrap_or(u64::MAX))
}

/// Awaits that the figures are those of a recount of the leads, and gives how many leads there are.
///
/// # Errors
/// With the differences that are left.
pub async fn recounted(client: &Client) -> Result<usize> {
    eventually(LONG, "the figures are those of the leads", async || {
        let leads = client.all("/leads").await?;
        let mut faults = Faults::default();
        let summary = client.get("/analytics/summary?tz=UTC").await?.expect(200)?.body;
        faults.same("totalLeads", &summary["totalLeads"], &leads.len().into());
        for (path, member) in [("by-status", "status"), ("by-source", "source")] {
            let shown = client.get(&format!("/analytics/{path}?tz=UTC")).await?.expect(200)?;
            for item in shown.items() {
                let right = leads.iter().filter(|lead| lead[member] == item[member]).count();
                faults.same(format!("{path} {}", item[member]), &item["count"], &right.into());
            }
        }
        let created =
            client.get("/analytics/created?interval=month&from=2024-01-01&tz=UTC").await?.expect(200)?;
        for item in created.items() {
            let month = &text(item, "start")[..7];
            let right = leads.iter().filter(|lead| text(lead, "createdAt").starts_with(month)).count();
            faults.same(format!("created in {month}"), &item["count"], &right.into());
        }
        faults.none()?;
        Ok(leads.len())
    })
    .await
}

/// Awaits that the figures count so many leads.
///
/// # Errors
/// With what they count, if that does not come.
pub async fn counted(client: &Client, leads: u64) -> Result<()> {
    eventually(LONG, "every lead is counted", async || {
        let summary = client.get("/analytics/summary?tz=UTC").await?.expect(200)?.body;
        ensure!(summary["totalLeads"] == leads, "{}", summary["totalLeads"]);
        Ok(())
    })
    .await
}
