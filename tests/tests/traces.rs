//! One trace from the browser's request to the last consumer of its event, in a collector of the test's own.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use leadline_testbed::{eventually, wait_until};
use leadline_tests::{Client, Mode, System, system::shared_servers};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::any_value::Value,
    trace::v1::{Span, span::SpanKind},
};
use reqwest::Method;
use serde_json::json;
use tokio::net::TcpListener;
use tonic::{Request, Response, Status, transport::server::TcpIncoming};

const SOON: Duration = Duration::from_secs(30);

/// A collector that keeps what it is sent.
#[derive(Clone, Default)]
struct Collector {
    /// With the name of the program.
    spans: Arc<Mutex<Vec<(String, Span)>>>,
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        for resource in request.into_inner().resource_spans {
            let attributes = resource.resource.map(|resource| resource.attributes).unwrap_or_default();
            let program = attributes.into_iter().find(|attribute| attribute.key == "service.name");
            let program = match program.and_then(|attribute| attribute.value?.value) {
                Some(Value::StringValue(name)) => name,
                _ => String::new(),
            };
            for scope in resource.scope_spans {
                spans.extend(scope.spans.into_iter().map(|span| (program.clone(), span)));
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    /// Starts it, and gives its address.
    async fn start() -> Result<(Self, String)> {
        let collector = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        let service = TraceServiceServer::new(collector.clone());
        let serving = tonic::transport::Server::builder().add_service(service);
        tokio::spawn(serving.serve_with_incoming(TcpIncoming::from(listener)));
        Ok((collector, address))
    }

    fn all(&self) -> Vec<(String, Span)> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The spans of a trace.
    fn of(&self, trace: &str) -> Vec<(String, Span)> {
        self.all().into_iter().filter(|(_, span)| hex(&span.trace_id) == trace).collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A `traceparent` of somebody's browser: trace, span, and the header.
fn browser() -> (String, String, String) {
    let trace = hex(uuid::Uuid::new_v4().as_bytes());
    let span = hex(&uuid::Uuid::new_v4().as_bytes()[..8]);
    let header = format!("00-{trace}-{span}-01");
    (trace, span, header)
}

/// What a trace must hold: in which program, and under what name.
type Wanted = &'static [(&'static str, &'static str)];

async fn one_trace(mode: Mode, wanted: Wanted) -> Result<()> {
    let (collector, address) = Collector::start().await?;
    let servers = if mode == Mode::AllInOne { None } else { Some(shared_servers().await?) };
    let settings = [("LEADLINE_OTLP_ENDPOINT", address.as_str()), ("LEADLINE_METRICS_LISTEN", "off")];
    let system = System::start_on(mode, servers, &settings).await?;
    let una = system.register("Una Persson").await?;
    let (trace, from, header) = browser();
    let about = json!({ "name": "Ada Lovelace", "email": "ada@example.test" });
    una.with(("traceparent", &header), Method::POST, "/leads", &about).await?.expect(201)?;

    eventually(SOON, "the trace is whole", async || {
        let there: BTreeSet<(String, String)> =
            collector.of(&trace).into_iter().map(|(program, span)| (program, span.name)).collect();
        for (program, name) in wanted {
            let wanted = ((*program).to_owned(), (*name).to_owned());
            ensure!(there.contains(&wanted), "no {wanted:?} among {there:#?}");
        }
        Ok(())
    })
    .await?;
    let spans = collector.of(&trace);
    let ids: BTreeSet<String> = spans.iter().map(|(_, span)| hex(&span.span_id)).collect();
    let roots: Vec<&Span> =
        spans.iter().map(|(_, span)| span).filter(|span| hex(&span.parent_span_id) == from).collect();
    ensure!(roots.len() == 1, "{} spans hang under the browser's", roots.len());
    ensure!(roots[0].name == "POST /api/v1/leads" && roots[0].kind() == SpanKind::Server, "{:?}", roots[0]);
    for (program, span) in &spans {
        let parent = hex(&span.parent_span_id);
        ensure!(parent == from || ids.contains(&parent), "{program}: {} hangs nowhere", span.name);
        ensure!(span.end_time_unix_nano >= span.start_time_unix_nano, "{program}: {span:?}");
    }
    // The store's call and what follows from the event hang under the call that wrote it.
    let call = spans.iter().find(|(_, span)| span.name.ends_with("/CreateLead")).context("no call")?;
    for name in ["store write", "handle analytics", "handle reminders", "handle live"] {
        let hangs = spans.iter().any(|(_, span)| span.name == name && span.parent_span_id == call.1.span_id);
        ensure!(hangs, "{name} does not hang under the call: {spans:#?}");
    }
    // Nobody's data is in any span, nor what was asked of health.
    let all = format!("{:?}", collector.all());
    for private in ["Lovelace", "ada@example", "Persson", una.email.as_str(), una.user.as_str()] {
        ensure!(!all.contains(private), "{private} is in a span");
    }
    ensure!(!all.contains("grpc.health"), "health makes spans");

    // A request without a trace begins one, that the log tells.
    una.lead("Grace").await?;
    wait_until(SOON, "a trace was begun", async || {
        collector
            .all()
            .iter()
            .any(|(_, span)| span.name == "POST /api/v1/leads" && span.parent_span_id.is_empty())
    })
    .await?;
    let lines = system.output();
    ensure!(
        lines.contains(&format!("trace={trace}")) || lines.contains(&trace),
        "the log does not tell the trace"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_one_trace_through_one_program() -> Result<()> {
    one_trace(
        Mode::AllInOne,
        &[
            ("leadline", "POST /api/v1/leads"),
            ("leadline", "leadline.leads.v1.LeadsService/CreateLead"),
            ("leadline", "store write"),
            ("leadline", "handle analytics"),
            ("leadline", "handle reminders"),
            ("leadline", "handle live"),
        ],
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_one_trace_through_five_programs() -> Result<()> {
    one_trace(
        Mode::Distributed,
        &[
            ("leadline-gateway", "POST /api/v1/leads"),
            ("leadline-leads", "leadline.leads.v1.LeadsService/CreateLead"),
            ("leadline-leads", "store write"),
            ("leadline-leads", "publish leads"),
            ("leadline-analytics", "handle analytics"),
            ("leadline-analytics", "store write"),
            ("leadline-reminders", "handle reminders"),
            ("leadline-gateway", "handle live"),
        ],
    )
    .await
}

#[tokio::test]
async fn without_a_collector_every_request_has_a_trace_in_the_log_all_the_same() -> Result<()> {
    // Nobody listens there: nothing waits for it either.
    let settings = [("LEADLINE_OTLP_ENDPOINT", ""), ("LEADLINE_LOG_FORMAT", "json")];
    let system = System::start_on(Mode::AllInOne, None, &settings).await?;
    let stranger = Client::stranger(system.base());
    stranger.get("/leads").await?.expect(401)?;
    let (trace, _, header) = browser();
    stranger
        .with(("traceparent", &header), Method::GET, "/reminders", &serde_json::Value::Null)
        .await?
        .expect(401)?;
    wait_until(SOON, "both are in the log", async || {
        let lines = system.output();
        let told: Vec<String> = lines
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .filter_map(|line| line["span"]["trace"].as_str().map(str::to_owned))
            .collect();
        told.iter().all(|told| told.len() == 32)
            && told.contains(&trace)
            && told.iter().any(|told| *told != trace)
    })
    .await
}

#[tokio::test]
async fn a_collector_that_is_away_harms_nothing() -> Result<()> {
    let settings = [("LEADLINE_OTLP_ENDPOINT", "http://127.0.0.1:9"), ("LEADLINE_TRACE_SAMPLE", "0.5")];
    let mut system = System::start_on(Mode::AllInOne, None, &settings).await?;
    let una = system.register("Una").await?;
    for _ in 0..20 {
        una.lead("Ada").await?;
    }
    wait_until(SOON, "it is said once", async || {
        system.output().contains("collector of traces does not answer")
    })
    .await?;
    let began = std::time::Instant::now();
    ensure!(system.terminate(leadline_tests::Part::Leadline).await? == 0);
    ensure!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    Ok(())
}
