//! Traces: one from the browser's request to the last consumer of the event that it raised.
//!
//! What carries a trace on is its `traceparent` (W3C Trace Context): in HTTP and gRPC headers, and in every event. There always is
//! one, so that log lines of one request can be found in all parts. Spans are made and sent only if `LEADLINE_OTLP_ENDPOINT` says
//! where to; they hold names of calls, never what was said in them.

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use opentelemetry::{
    Context,
    trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider},
};
use opentelemetry_proto::{
    tonic::collector::trace::v1::{ExportTraceServiceRequest, trace_service_client::TraceServiceClient},
    transform::{
        common::tonic::ResourceAttributesWithSchema, trace::tonic::group_spans_by_resource_and_scope,
    },
};
use opentelemetry_sdk::{
    Resource,
    error::{OTelSdkError, OTelSdkResult},
    trace::{
        BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider, SpanData, SpanExporter,
    },
};
use tokio::runtime::Handle;
use tracing::{Span, field::Empty};
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt};
use tracing_subscriber::{Layer, filter, registry::LookupSpan};

use crate::route::Route;

/// Whether spans are made.
static ON: AtomicBool = AtomicBool::new(false);
/// How often spans are sent.
const EVERY: Duration = Duration::from_secs(1);
/// How long the end of the process waits for the last of them.
const LAST: Duration = Duration::from_secs(2);

/// Where spans go, and how many.
#[derive(Debug, Clone)]
pub struct Collector {
    /// The way to a collector of OTLP over gRPC.
    pub route: Route,
    /// The share of traces that begin here and are sent, from 0 to 1.
    pub sample: f64,
}

/// Sends spans until it is closed.
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Begins. `program` is what the spans' service is called. Within the runtime.
    #[must_use]
    pub fn start(collector: Collector, program: &'static str) -> Self {
        let resource = Resource::builder_empty()
            .with_service_name(program)
            .with_attribute(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let sender = Sender {
            client: TraceServiceClient::new(collector.route),
            resource: ResourceAttributesWithSchema::from(&resource),
            runtime: Handle::current(),
            failing: AtomicBool::new(false),
        };
        let config = BatchConfigBuilder::default().with_scheduled_delay(EVERY).build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(BatchSpanProcessor::builder(sender).with_batch_config(config).build())
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(collector.sample))))
            .with_resource(resource)
            .build();
        ON.store(true, Ordering::Relaxed);
        Self(provider)
    }

    /// What makes spans of those of `tracing`: ours only, and no log lines.
    pub(crate) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: tracing::Subscriber + for<'span> LookupSpan<'span>,
    {
        let ours =
            filter::filter_fn(|metadata| metadata.is_span() && metadata.target().starts_with("leadline"));
        let layer: OpenTelemetryLayer<S, SdkTracer> =
            tracing_opentelemetry::layer().with_tracer(self.0.tracer("leadline"));
        layer
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(ours.with_max_level_hint(filter::LevelFilter::DEBUG))
    }

    /// Sends what is left.
    pub async fn close(self) {
        let closing = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(LAST));
        if let Ok(Err(error)) = closing.await {
            tracing::debug!(%error, "the last spans were not sent");
        }
    }
}

/// Sends spans over a route, as every call between parts goes.
struct Sender {
    client: TraceServiceClient<Route>,
    resource: ResourceAttributesWithSchema,
    /// The exporter is called on a thread of its own.
    runtime: Handle,
    failing: AtomicBool,
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sender")
    }
}

impl SpanExporter for Sender {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len() as u64;
        let resource_spans = group_spans_by_resource_and_scope(batch, &self.resource);
        let mut client = self.client.clone();
        let sending = self
            .runtime
            .spawn(async move { client.export(ExportTraceServiceRequest { resource_spans }).await });
        let failed = match sending.await {
            Ok(Ok(_)) => {
                metrics::counter!("leadline_spans_sent_total").increment(count);
                if self.failing.swap(false, Ordering::Relaxed) {
                    tracing::info!("the collector of traces answers again");
                }
                return Ok(());
            }
            Ok(Err(status)) => status.message().to_owned(),
            Err(error) => error.to_string(),
        };
        metrics::counter!("leadline_spans_lost_total").increment(count);
        if !self.failing.swap(true, Ordering::Relaxed) {
            tracing::warn!(why = failed, "the collector of traces does not answer: spans are lost");
        }
        Err(OTelSdkError::InternalFailure(failed))
    }
}

/// Whether spans are made at all: what costs more than a look is asked for only then.
#[must_use]
pub fn is_on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// Hangs a span under what `traceparent` names, and gives the one that is to be carried on: that of the span, or without spans
/// the given one, or a new one. The span's field `trace` is set.
pub fn follow(span: &Span, traceparent: &str) -> String {
    let given = parse(traceparent);
    let carried = if is_on() {
        if let Some(parent) = given.clone() {
            // Refused only for a span that has begun to be used: these are new.
            let _ = span.set_parent(Context::new().with_remote_span_context(parent));
        }
        of(span)
    } else {
        None
    };
    let carried = carried.unwrap_or_else(|| match given {
        Some(_) => traceparent.to_owned(),
        None => begin(),
    });
    span.record("trace", trace_id(&carried));
    carried
}

/// That of the span that this code runs in; `None` without spans.
#[must_use]
pub fn here() -> Option<String> {
    if is_on() { of(&Span::current()) } else { None }
}

/// A span of a consumer that handles an event; it has its own place in the event's trace.
#[must_use]
pub fn consumer_span(consumer: &'static str, traceparent: &str) -> Option<Span> {
    let parent = parse(traceparent).filter(|_| is_on())?;
    let span = tracing::debug_span!(
        parent: None,
        "handle",
        otel.name = format!("handle {consumer}"),
        otel.kind = "consumer",
        trace = Empty
    );
    let _ = span.set_parent(Context::new().with_remote_span_context(parent));
    Some(span)
}

/// A span for publishing an event.
#[must_use]
pub fn producer_span(outbox: &'static str, traceparent: &str) -> Option<Span> {
    let parent = parse(traceparent).filter(|_| is_on())?;
    let span = tracing::debug_span!(
        parent: None,
        "publish",
        otel.name = format!("publish {outbox}"),
        otel.kind = "producer"
    );
    let _ = span.set_parent(Context::new().with_remote_span_context(parent));
    Some(span)
}

/// A `traceparent` that nobody has, for work that nobody traces: not sampled.
#[must_use]
pub fn begin() -> String {
    let (trace, parent): (u128, u64) = (rand::random(), rand::random());
    format!("00-{:032x}-{:016x}-00", trace.max(1), parent.max(1))
}

/// The trace's id within a `traceparent`.
#[must_use]
pub fn trace_id(traceparent: &str) -> &str {
    traceparent.get(3..35).unwrap_or_default()
}

fn of(span: &Span) -> Option<String> {
    let context = span.context();
    let span = context.span();
    let context = span.span_context();
    context.is_valid().then(|| {
        let flags = context.trace_flags().to_u8();
        format!("00-{:032x}-{:016x}-{flags:02x}", context.trace_id(), context.span_id())
    })
}

fn parse(traceparent: &str) -> Option<SpanContext> {
    let mut parts = traceparent.split('-');
    let (Some("00"), Some(trace), Some(parent), Some(flags), None) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    if trace.len() != 32 || parent.len() != 16 || flags.len() != 2 {
        return None;
    }
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(parent).ok()?,
        TraceFlags::new(u8::from_str_radix(flags, 16).ok()?),
        true,
        TraceState::NONE,
    );
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_collector_a_trace_is_carried_on_as_it_is_or_made() {
        let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(follow(&Span::none(), given), given);
        for missing in ["", "junk", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"] {
            let made = follow(&Span::none(), missing);
            assert!(parse(&made).is_some_and(|context| !context.is_sampled()), "{made}");
            assert_eq!(trace_id(&made).len(), 32);
        }
    }
}
