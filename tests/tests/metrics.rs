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
    for line in page.lines().filter(|line| line.starts_with("| `")) {
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

/// Keeps what a program exports for `scripts/check-exported`, which looks up there what rules and dashboards name.
fn keep(mode: Mode, told: &str) -> Result<()> {
    let name = if mode == Mode::AllInOne { "all-in-one" } else { "on-servers" };
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/exported");
    std::fs::create_dir_all(folder)?;
    Ok(std::fs::write(format!("{folder}/{name}.prom"), told)?)
}

/// Does a little of everything: also what rules and dashboards leave out, as it takes long or is about health.
async fn work(system: &System) -> Result<()> {
    let una = system.register("Una").await?;
    let _stream = Stream::open(&una, None).await?;
    let lead = una.lead("Ada").await?;
    let about = json!({ "leadId": lead["id"], "message": "Call", "dueAt": "2031-05-01T09:00:00Z" });
    una.post("/reminders", &about).await?.expect(201)?;
    Client::login(system.base(), &una.email).await?;
    let wrong = json!({ "email": una.email, "password": "not the password", "session": "token" });
    una.signed_out().post("/auth/login", &wrong).await?.expect(401)?;
    for path in ["//healthz", "//readyz", "/leads/export", "/reports/monthly?tz=UTC"] {
        una.get(path).await?.expect(200)?;
    }
    una.get("/downloads/none").await?.expect(410)?;
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
        let settings = [
            ("LEADLINE_METRICS_LISTEN", listen.as_str()),
            ("LEADLINE_OTLP_ENDPOINT", "http://127.0.0.1:9"),
            ("LEADLINE_RATE_LIMITS", "on"),
        ];
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
        keep(mode, told)?;
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
    let system = System::start_on(
        Mode::AllInOne,
        None,
        &[("LEADLINE_METRICS_LISTEN", listen.as_str()), ("LEADLINE_RATE_LIMITS", "on")],
    )
    .await?;
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
        let mut all = told.lines().filter_map(|line| line.rsplit_once(' '));
        Ok(all.find(|(name, _)| *name == series).map(|(_, value)| value.to_owned()))
    };
    let call = "grpc_service=\"leadline.leads.v1.LeadsService\",method=\"CreateLead\"";
    let wanted = [
        (format!("leadline_grpc_requests_total{{{call},code=\"OK\"}}"), "3"),
        (format!("leadline_grpc_requests_total{{{call},code=\"INVALID_ARGUMENT\"}}"), "1"),
        (format!("leadline_grpc_requests_seconds_count{{{call}}}"), "4"),
        ("leadline_streams_open".to_owned(), "1"),
        ("leadline_events_consumed_total{consumer=\"analytics\"}".to_owned(), "3"),
        ("leadline_events_parked_total{consumer=\"analytics\"}".to_owned(), "0"),
        ("leadline_reminders_late_seconds".to_owned(), "0"),
        ("leadline_consumer_lag_seconds{consumer=\"analytics\"}".to_owned(), "0"),
        ("leadline_turns".to_owned(), "256"),
        ("leadline_turns_used".to_owned(), "0"),
        ("leadline_turns_waiting".to_owned(), "0"),
        ("leadline_auth_hashes_running".to_owned(), "0"),
        ("leadline_http_requests_turned_away_total{limit=\"everybody\"}".to_owned(), "0"),
    ];
    eventually(SOON, "they agree", async || {
        for (series, wanted) in &wanted {
            let told = value(series).await?;
            ensure!(told.as_deref() == Some(*wanted), "{series} is {told:?}, not {wanted}");
        }
        Ok(())
    })
    .await?;
    // What the kernel says of the program itself.
    let number = async |name: &str| -> Result<f64> {
        Ok(value(name).await?.with_context(|| format!("no {name}"))?.parse()?)
    };
    let (memory, threads) =
        (number("process_resident_memory_bytes").await?, number("process_threads").await?);
    ensure!(memory > 4e6 && threads >= 2.0, "{memory} bytes, {threads} threads");
    let (open, most) = (number("process_open_fds").await?, number("process_max_fds").await?);
    ensure!(open > 5.0 && open < most, "{open} of {most}");
    number("process_cpu_seconds_total").await?;
    drop(stream);
    wait_until(SOON, "the stream has left", async || {
        value("leadline_streams_open").await.is_ok_and(|told| told.as_deref() == Some("0"))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_turned_away_is_counted_by_the_limit_that_was_reached() -> Result<()> {
    let listen = format!("127.0.0.1:{}", free_port()?);
    let settings = [
        ("LEADLINE_METRICS_LISTEN", listen.as_str()),
        ("LEADLINE_RATE_LIMITS", "on"),
        ("LEADLINE_REQUESTS_AT_ONCE", "1"),
        ("LEADLINE_WORKSPACE_REQUESTS_AT_ONCE", "1"),
    ];
    let system = System::start_on(Mode::AllInOne, None, &settings).await?;
    let una = system.register("Una").await?;
    // One is worked on and three wait; who comes then finds the line too long.
    let crowd: Vec<_> = (0..60)
        .map(|_| {
            let una = una.clone();
            tokio::spawn(async move { una.get("/leads").await })
        })
        .collect();
    let mut away: u64 = 0;
    for one in crowd {
        match one.await??.status.as_u16() {
            200 => {}
            429 => away += 1,
            status => anyhow::bail!("{status}"),
        }
    }
    ensure!(away > 0, "nobody was turned away");
    let metrics = Client::stranger(&format!("http://{listen}"));
    let told = metrics.get("//metrics").await?.expect(200)?;
    let told = told.body.as_str().context("no text")?.to_owned();
    let value = |series: &str| -> Result<u64> {
        let mut all = told.lines().filter_map(|line| line.rsplit_once(' '));
        let (_, value) = all.find(|(name, _)| *name == series).with_context(|| format!("no {series}"))?;
        Ok(value.parse()?)
    };
    let limit =
        |limit: &str| value(&format!("leadline_http_requests_turned_away_total{{limit=\"{limit}\"}}"));
    ensure!(limit("line")? + limit("workspace")? == away, "{away} were turned away:\n{told}");
    ensure!(limit("everybody")? == 0 && limit("gateway")? == 0);
    ensure!(value("leadline_turns")? == 1);
    ensure!(value("leadline_turns_used")? == 0 && value("leadline_turns_waiting")? == 0);
    Ok(())
}
