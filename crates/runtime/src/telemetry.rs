//! Logs to standard error, metrics in Prometheus form on a listener of their own.

use std::net::SocketAddr;

use axum::{Router, routing::get};
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::net::TcpListener;
use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{
    process,
    stop::Stop,
    trace::{self, Traces},
};

/// The form of the logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging, and making spans for `traces`. `filter` is `info`, `debug` or directives such as `info,leadline_leads=debug`.
///
/// # Errors
/// A sentence if the filter can't be read.
pub fn start_logs(filter: &str, format: LogFormat, traces: Option<&Traces>) -> Result<(), String> {
    // Libraries that tell their own life at debug would bury ours; lapin writes whole messages, with personal data in them;
    // h2 warns of each odd frame, of which a stranger may send as many as there is room for on the disk.
    let filter =
        EnvFilter::try_new(format!("{filter},hyper=warn,h2=error,lapin=off,mongodb=warn,rustls=warn"))
            .map_err(|error| format!("LEADLINE_LOG: {error}"))?;
    let registry = tracing_subscriber::registry().with(traces.map(Traces::layer));
    let started = match format {
        LogFormat::Json => registry
            .with(
                tracing_subscriber::fmt::layer()
                    .json()
                    .flatten_event(true)
                    .with_writer(std::io::stderr)
                    .with_filter(filter),
            )
            .try_init(),
        LogFormat::Text => {
            use std::io::IsTerminal;
            let colours = std::io::stderr().is_terminal();
            registry
                .with(
                    tracing_subscriber::fmt::layer()
                        .with_ansi(colours)
                        .with_target(false)
                        .with_writer(std::io::stderr)
                        .with_filter(filter),
                )
                .try_init()
        }
    };
    // Tests start several programs in one process: the first one's logging stays.
    drop(started);
    Ok(())
}

/// Starts counting, and serves `/metrics` at `address`.
///
/// # Errors
/// If the address can't be listened on.
pub async fn serve_metrics(address: SocketAddr, stop: &Stop) -> std::io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    let recorder = PrometheusBuilder::new()
        .set_buckets(&[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
        .map_err(std::io::Error::other)?
        .build_recorder();
    let handle = recorder.handle();
    if metrics::set_global_recorder(recorder).is_err() {
        return Ok(());
    }
    describe();
    metrics::gauge!("leadline_info", "version" => env!("CARGO_PKG_VERSION")).set(1);
    if trace::is_on() {
        // There from the start, so that a first loss is seen to be one more.
        metrics::counter!("leadline_spans_sent_total").increment(0);
        metrics::counter!("leadline_spans_lost_total").increment(0);
    }
    let upkeep = handle.clone();
    let ended = stop.clone();
    stop.spawn(async move {
        while ended.sleep(std::time::Duration::from_secs(5)).await {
            upkeep.run_upkeep();
        }
    });
    let told = move || {
        process::measure();
        std::future::ready(handle.render())
    };
    let routes = Router::new().route("/metrics", get(told));
    tracing::info!(address = %listener.local_addr()?, "metrics");
    let ended = stop.clone();
    stop.spawn(crate::serve::http(listener, routes, ended));
    Ok(())
}

/// Has each metric told with what the page says of it.
fn describe() {
    for (name, kind, meaning) in described() {
        match kind {
            "counter" => metrics::describe_counter!(name, meaning),
            "gauge" => metrics::describe_gauge!(name, meaning),
            _ => metrics::describe_histogram!(name, meaning),
        }
    }
}

/// The rows of its tables: name, kind, meaning.
fn described() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let rows = include_str!("../../../docs/METRICS.md").lines().filter(|line| line.starts_with("| `"));
    rows.filter_map(|row| {
        let mut cells = row.split('|').skip(1).map(str::trim);
        let (name, kind, _labels) = (cells.next()?, cells.next()?, cells.next()?);
        Some((name.trim_matches('`'), kind, cells.next()?))
    })
}
