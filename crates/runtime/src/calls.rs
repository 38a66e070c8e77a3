//! What is noted of every gRPC call that a service answers, in process or over the network: how many, how long, how they end.

use std::{
    collections::HashMap,
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::LazyLock,
    task::{Context, Poll},
    time::Instant,
};

use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use prost::Message;
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service};
use tracing::{Instrument, Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::trace;

/// A call of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Method {
    service: &'static str,
    method: &'static str,
    path: &'static str,
}

/// Every method of our contracts, by its path: what is not among them makes no time series.
static METHODS: LazyLock<HashMap<&'static str, Method>> = LazyLock::new(|| {
    let described = prost_types::FileDescriptorSet::decode(leadline_proto::DESCRIPTORS).unwrap_or_default();
    let mut methods = HashMap::new();
    for file in described.file {
        let package = file.package().to_owned();
        for service in &file.service {
            let name: &'static str = format!("{package}.{}", service.name()).leak();
            for method in &service.method {
                let path: &'static str = format!("/{name}/{}", method.name()).leak();
                let (_, method) = path.rsplit_once('/').unwrap_or_default();
                methods.insert(path, Method { service: name, method, path });
            }
        }
    }
    methods
});

/// Watches the calls of a server.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Watch;

/// A service whose calls are watched.
#[derive(Debug, Clone)]
pub(crate) struct Watched<S> {
    service: S,
}

impl<S> Layer<S> for Watch {
    type Service = Watched<S>;

    fn layer(&self, service: S) -> Watched<S> {
        Watched { service }
    }
}

type Answer = Result<Response<Body>, Infallible>;

impl<S> Service<Request<Body>> for Watched<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        // Health and reflection are not counted: they would drown the rest.
        let Some(method) = METHODS.get(request.uri().path()).copied() else {
            return Box::pin(self.service.call(request));
        };
        let mut counted = Counted { method, started: Instant::now(), code: None };
        let span = span(method, request.headers_mut());
        let answering = {
            let _in = span.enter();
            self.service.call(request)
        };
        let inner = span.clone();
        Box::pin(
            async move {
                let answer = match answering.await {
                    Ok(answer) => answer,
                    Err(never) => match never {},
                };
                // An error without a body says so in the headers, everything else behind the body.
                if counted.tell(answer.headers()) {
                    if let Some(code) = counted.code.filter(|_| trace::is_on()) {
                        inner.set_attribute("rpc.grpc.status_code", code as i64);
                    }
                    return Ok(answer);
                }
                Ok(answer.map(|body| {
                    Body::new(body.map_frame(move |frame| {
                        if let Some(trailers) = frame.trailers_ref() {
                            counted.tell(trailers);
                        }
                        frame
                    }))
                }))
            }
            .instrument(span),
        )
    }
}

/// The call's span, and its place in the trace that the headers tell; they tell this one from then on.
fn span(method: Method, headers: &mut HeaderMap) -> Span {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let name = method.path.trim_start_matches('/');
    // In process, the lines of the log have the gateway's span already.
    let span = match (Span::current().is_none(), trace::is_on()) {
        (true, false) => tracing::info_span!("request", id = text("x-request-id"), trace = Empty),
        (true, true) => tracing::info_span!(
            "request",
            id = text("x-request-id"),
            trace = Empty,
            otel.name = name,
            otel.kind = "server"
        ),
        (false, _) => tracing::debug_span!("call", trace = Empty, otel.name = name, otel.kind = "server"),
    };
    let carried = trace::follow(&span, text("traceparent"));
    if trace::is_on() {
        for (key, value) in
            [("rpc.system", "grpc"), ("rpc.service", method.service), ("rpc.method", method.method)]
        {
            span.set_attribute(key, value);
        }
    }
    if let Ok(value) = carried.try_into() {
        headers.insert("traceparent", value);
    }
    span
}

/// Counts a call when it is over: answered, refused, or dropped by whoever asked.
struct Counted {
    method: Method,
    started: Instant,
    code: Option<Code>,
}

impl Counted {
    /// Whether these headers say how it ended.
    fn tell(&mut self, headers: &HeaderMap) -> bool {
        if let Some(status) = Status::from_header_map(headers) {
            self.code = Some(status.code());
        }
        self.code.is_some()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let (service, method) = (self.method.service, self.method.method);
        let code = name(self.code.unwrap_or(Code::Cancelled));
        metrics::counter!("leadline_grpc_requests_total", "grpc_service" => service, "method" => method, "code" => code)
            .increment(1);
        metrics::histogram!("leadline_grpc_requests_seconds", "grpc_service" => service, "method" => method)
            .record(self.started.elapsed().as_secs_f64());
    }
}

/// As the gRPC specification writes it.
fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_of_the_contracts_is_known() {
        let known = METHODS["/leadline.leads.v1.LeadsService/CreateLead"];
        assert_eq!((known.service, known.method), ("leadline.leads.v1.LeadsService", "CreateLead"));
        assert!(METHODS.len() > 40 && !METHODS.contains_key("/grpc.health.v1.Health/Check"));
    }
}
