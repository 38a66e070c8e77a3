//! What `docs/METRICS.md` promises is what the programs export, and the reverse.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use leadline_testbed::{eventually, free_port, wait_until};
use leadline_tests::{Client, Mode, Stream, System, system::shared_servers};
use serde_json::json;

const SOON: Duration = Duration::from_secs(45);

/// Names and kinds in the tables of the page.
fn promised() -> Result<BTreeMap<String, String>> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/METRICS.md"))?;
    let mut promised = BTreeMap::new();
    for line in page.lines().filter(|line| line.starts_with("| `leadline_")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, name, kind, _, meaning, _] = cells[..] else { anyhow::bail!("not a row: {line}") };
        ensure!(meaning.len() > 5, "no meaning: {line}");
        let again = promised.insert(name.trim_matches('`').to_owned(), kind.to_owned());
        ensure!(again.is_none(), "{name} stands there twice");
    }
    Ok(promised)
}

/// Names and kinds that a program exports.
async fn exported(metrics: &Client) -> Result<BTreeMap<String, String>> {
    let told = metrics.get("//metrics").await?.expect(200)?;
    let told = told.body.as_str().context("no text")?.to_owned();
    let types = told.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    Ok(types
        .filter_map(|line| line.split_once(' '))
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .collect())
}

/// Does a little of everything.
async fn work(system: &System) -> Result<()> {
    let una = system.register("Una").await?;
    let _stream = Stream::open(&una, None).await?;
    let lead = una.lead("Ada").await?;
    let about = json!({ "leadId": lead["id"], "message": "Call", "dueAt": "2031-05-01T09:00:00Z" });
    una.post("/reminders", &about).await?.expect(201)?;
    Client::login(system.base(), &una.email).await?;
    wait_until(SOON, "the lead is counted", async || {
        una.get("/analytics/summary").await.is_ok_and(|summary| summary.body["totalLeads"] == 1)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_is_described_and_every_description_is_true() -> Result<()> {
    let promised = promised()?;
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for mode in [Mode::AllInOne, Mode::OnServers] {
        let servers = if mode == Mode::AllInOne { None } else { Some(shared_servers().await?) };
        let listen = format!("127.0.0.1:{}", free_port()?);
        // Nobody listens there: its spans are lost, which is what is counted.
        let settings =
            [("LEADLINE_METRICS_LISTEN", listen.as_str()), ("LEADLINE_OTLP_ENDPOINT", "http://127.0.0.1:9")];
        let system = System::start_on(mode, servers, &settings).await?;
        work(&system).await?;
        let metrics = Client::stranger(&format!("http://{listen}"));
        // What belongs to the other kind of store and bus alone.
        let absent = |name: &str| match mode {
            Mode::AllInOne => {
                name.starts_with("leadline_mongodb_")
                    || ["leadline_bus_links", "leadline_store_transaction_retries_total"].contains(&name)
            }
            _ => name.starts_with("leadline_store_") && name != "leadline_store_transaction_retries_total",
        };
        let expected: BTreeSet<&String> = promised.keys().filter(|name| !absent(name)).collect();
        eventually(SOON, "everything is exported", async || {
            let exported = exported(&metrics).await?;
            let missing: Vec<_> = expected.iter().filter(|name| !exported.contains_key(**name)).collect();
            ensure!(missing.is_empty(), "{mode:?} does not export {missing:?}");
            Ok(())
        })
        .await?;
        let told = metrics.get("//metrics").await?.expect(200)?;
        let told = told.body.as_str().context("no text")?;
        for name in &expected {
            ensure!(told.contains(&format!("# HELP {name} ")), "{name} is not described where it is told");
        }
        seen.extend(exported(&metrics).await?);
    }
    for (name, kind) in &seen {
        let described = promised.get(name).with_context(|| format!("{name} is not in docs/METRICS.md"))?;
        ensure!(described == kind, "{name} is a {kind}, not a {described}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_of_metrics_are_those_of_what_was_done() -> Result<()> {
    let listen = format!("127.0.0.1:{}", free_port()?);
    let system =
        System::start_on(Mode::AllInOne, None, &[("LEADLINE_METRICS_LISTEN", listen.as_str())]).await?;
    let una = system.register("Una").await?;
    let stream = Stream::open(&una, None).await?;
    for _ in 0..3 {
        una.lead("Ada").await?;
    }
    una.post("/leads", &json!({})).await?.expect(422)?;
    let metrics = Client::stranger(&format!("http://{listen}"));
    let value = async |series: &str| -> Result<Option<String>> {
        let told = metrics.get("//metrics").await?.expect(200)?;
        let told = told.body.as_str().unwrap_or_default().to_owned();
        let line = told.lines().find(|line| line.starts_with(series));
        Ok(line.and_then(|line| line.rsplit(' ').next()).map(str::to_owned))
    };
    let call = "service=\"leadline.leads.v1.LeadsService\",method=\"CreateLead\"";
    let wanted = [
        (format!("leadline_grpc_requests_total{{{call},code=\"OK\"}}"), "3"),
        (format!("leadline_grpc_requests_total{{{call},code=\"INVALID_ARGUMENT\"}}"), "1"),
        (format!("leadline_grpc_requests_seconds_count{{{call}}}"), "4"),
        ("leadline_streams_open".to_owned(), "1"),
        ("leadline_events_consumed_total{consumer=\"analytics\"}".to_owned(), "3"),
        ("leadline_events_parked_total{consumer=\"analytics\"}".to_owned(), "0"),
        ("leadline_reminders_late_seconds".to_owned(), "0"),
        ("leadline_consumer_lag_seconds{consumer=\"analytics\"}".to_owned(), "0"),
    ];
    eventually(SOON, "they agree", async || {
        for (series, wanted) in &wanted {
            let told = value(series).await?;
            ensure!(told.as_deref() == Some(*wanted), "{series} is {told:?}, not {wanted}");
        }
        Ok(())
    })
    .await?;
    drop(stream);
    wait_until(SOON, "the stream has left", async || {
        value("leadline_streams_open").await.is_ok_and(|told| told.as_deref() == Some("0"))
    })
    .await
}
