//! Whether anything is still on its way: events in an outbox, messages in a queue, and what was put aside.

use anyhow::{Context, Result, ensure};
use leadline_bus::topology;
use leadline_storage::{
    Mongo,
    bson::{Document, doc},
    mongodb,
};
use leadline_testbed::{eventually, messages};

use crate::{
    files,
    ground::SETTLE,
    system::{Mode, Part, System},
};

/// The address of a system's broker, and what its names of exchanges and queues begin with.
///
/// # Errors
/// If it has none.
pub fn broker(system: &System) -> Result<(String, String)> {
    let url = system.setting(home(system, Part::Leads), "LEADLINE_BUS").context("no broker")?;
    let (address, query) = url.split_once('?').unwrap_or((&url, ""));
    let prefix = query.strip_prefix("prefix=").unwrap_or("leadline");
    Ok((address.to_owned(), prefix.to_owned()))
}

/// The program of a mode that a part of the system is in.
#[must_use]
pub fn home(system: &System, part: Part) -> Part {
    if system.mode == Mode::Distributed { part } else { Part::Leadline }
}

/// Awaits that every event of every outbox is published, that none is parked, that no message waits in a queue, and that
/// there are exactly so many dead letters.
///
/// # Errors
/// With what is left.
pub async fn are_empty(system: &System, dead: u32) -> Result<()> {
    const WHAT: &str = "nothing is on its way any more";
    if system.mode == Mode::AllInOne {
        let data = system.setting(Part::Leadline, "LEADLINE_DATA_DIR").context("no data folder")?;
        return eventually(SETTLE, WHAT, async || files::check_outboxes(data.as_ref()).map(drop)).await;
    }
    let uri = system.setting(home(system, Part::Leads), "LEADLINE_STORE").context("no store")?;
    let client = mongodb::Client::with_uri_str(&uri).await?;
    eventually(SETTLE, WHAT, async || {
        check_collections(&client, &uri).await?;
        check_queues(system, dead).await
    })
    .await
}

async fn check_collections(client: &mongodb::Client, uri: &str) -> Result<()> {
    let waits = doc! { "published": false };
    // What auth has published it deletes.
    for (service, outbox, waits) in
        [("auth", "outbox", doc! {}), ("leads", "activity", waits.clone()), ("reminders", "outbox", waits)]
    {
        let database = client.database(&Mongo::database_name(uri, service)?);
        let count = async |name: &str, filter: Document| {
            database.collection::<Document>(name).count_documents(filter).await
        };
        let there = database.list_collection_names().await?;
        ensure!(there.iter().any(|name| name == outbox), "{service} has no {outbox}: {there:?}");
        let (left, parked) = (count(outbox, waits).await?, count("parked", doc! {}).await?);
        ensure!(left + parked == 0, "{service}: {left} events are not published, {parked} parked");
    }
    Ok(())
}

async fn check_queues(system: &System, dead: u32) -> Result<()> {
    let (uri, prefix) = broker(system)?;
    let queues: Vec<String> =
        topology::ALL.iter().map(|subscription| format!("{prefix}.{}", subscription.name)).collect();
    let left = messages::waiting(&uri, &queues).await?;
    ensure!(left.iter().all(|left| *left == 0), "messages wait: {queues:?}: {left:?}");
    let queues: Vec<String> = queues.iter().map(|queue| format!("{queue}.dead")).collect();
    let letters = messages::waiting(&uri, &queues).await?;
    let all: u32 = letters.iter().sum();
    ensure!(all == dead, "{all} dead letters instead of {dead}: {queues:?}: {letters:?}");
    Ok(())
}
