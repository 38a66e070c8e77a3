//! The frame around every request: its id, its deadline, the headers that every answer has, the log and the counts.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use leadline_runtime::{caller::Origin, ids::new_uuid, refusal::Refusal, trace};
use tracing::{Instrument, Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::{
    gateway::Gateway,
    imports,
    limits::{Peer, client_address},
    problem::{self, Problem},
    turns::{Away, Counted, Seat},
    unread,
};

/// How long a request may take until its answer begins.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);
/// How long the sending of a file may take.
const UPLOAD_DEADLINE: Duration = Duration::from_secs(60 * 60);
/// How many requests to the API are worked on at once; more are turned away at once.
pub(crate) const MOST_AT_ONCE: usize = 1024;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What a path belongs to: each has security headers of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Area {
    /// Answers for programs.
    Api,
    /// The browsable description of the API.
    Docs,
    /// The dashboard and its files.
    Page,
}

impl Area {
    /// That of a path.
    pub(crate) fn of(path: &str) -> Self {
        if path == "/api/docs" || path.starts_with("/api/docs/") {
            Self::Docs
        } else if path == "/api" || path.starts_with("/api/") || is_operation(path) {
            Self::Api
        } else {
            Self::Page
        }
    }
}

fn is_operation(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz" | "/.well-known/jwks.json")
}

/// The middleware.
pub(crate) async fn frame(State(gateway): State<Arc<Gateway>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let mut origin =
        Origin { request_id: request_id(request.headers()), traceparent: traceparent(request.headers()) };
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let area = Area::of(&path);
    let route = request.extensions().get::<MatchedPath>().map(|matched| matched.as_str().to_owned());
    let connection = request.extensions().get::<SocketAddr>().map(SocketAddr::ip);
    let address = client_address(
        connection.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        request.headers(),
        &gateway.trusted_proxies,
    );
    request.extensions_mut().insert(Peer(address));
    let label = route.unwrap_or_else(|| if area == Area::Page { "files" } else { "unknown" }.to_owned());
    // The services that run in this process log under it too.
    let span = span(&method, &label, &origin);
    origin.traceparent = trace::follow(&span, &origin.traceparent);
    request.extensions_mut().insert(origin.clone());

    let upload = imports::is_upload(&method, &path);
    let (request, unread) = unread::keep(request);

    let mut response = bounded(&gateway, area, upload, request, next).instrument(span.clone()).await;

    if let Some(unread) = unread
        && response.status().is_client_error()
    {
        unread.discard(upload).await;
    }
    response = tell_problem(response, &method, &path, &origin.request_id);
    protect(response.headers_mut(), area);
    if let Ok(value) = HeaderValue::try_from(&origin.request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    if trace::is_on() {
        span.set_attribute("http.response.status_code", i64::from(response.status().as_u16()));
    }
    span.in_scope(|| note(&method, &label, response.status(), started.elapsed(), &origin.request_id));
    response
}

/// A request's span: what its lines in the log have in common, and the root of the trace if no client has begun one.
fn span(method: &Method, route: &str, origin: &Origin) -> Span {
    let id = &origin.request_id;
    if !trace::is_on() {
        return tracing::info_span!("request", id, trace = Empty);
    }
    if matches!(route, "/healthz" | "/readyz" | "files") {
        return Span::none();
    }
    let name = format!("{} {route}", told(method));
    let span = tracing::info_span!("request", id, trace = Empty, otel.name = name, otel.kind = "server");
    span.set_attribute("http.request.method", told(method));
    span.set_attribute("http.route", route.to_owned());
    span
}

/// Carries the request out within its bounds: of number, of time, and without a panic that gets out.
async fn bounded(gateway: &Gateway, area: Area, upload: bool, mut request: Request, next: Next) -> Response {
    // Health is told under any load.
    let counted = area == Area::Api && !is_operation(request.uri().path());
    let place = counted.then(|| gateway.places.try_acquire());
    if let Some(Err(_)) = place {
        Away::Gateway.count(1);
        return Problem::unavailable("too many requests at once: try again").into_response();
    }
    let _working = counted.then(|| Counted::begin(metrics::gauge!("leadline_http_requests_under_way")));
    // Files have places of their own.
    let seat = gateway.turns.as_ref().filter(|_| counted && !upload).map(Seat::new);
    if let Some(seat) = &seat {
        request.extensions_mut().insert(seat.clone());
    }
    let work = AssertUnwindSafe(next.run(request)).catch_unwind();
    // A file takes the time that its client takes to send it; its handler has bounds of its own.
    let time = if upload { UPLOAD_DEADLINE } else { DEADLINE };
    let done = tokio::time::timeout(time, work).await;
    if let Some(seat) = &seat {
        seat.leave();
    }
    match done {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => Problem::from(Refusal::internal("a request panicked")).into_response(),
        Err(_) => Problem::unavailable("the request took too long and was cut off").into_response(),
    }
}

/// Gives every error the body that RFC 9457 asks for: those of the handlers, and bare ones of the router.
fn tell_problem(mut response: Response, method: &Method, path: &str, request_id: &str) -> Response {
    let status = response.status();
    let problem = match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem.told(method),
        None if !(status.is_client_error() || status.is_server_error()) => return response,
        // An answer of ours that is meant to be as it is: /readyz.
        None if is_json(response.headers()) => return response,
        None => Problem::of_status(status),
    };
    let allow = response.headers().get(header::ALLOW).cloned();
    let mut told = Response::new(match *method {
        Method::HEAD => Body::empty(),
        _ => problem.document(path, request_id),
    });
    *told.status_mut() = problem.status();
    let headers = told.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(problem::MEDIA_TYPE));
    headers.extend(problem.headers());
    headers.extend(allow.map(|methods| (header::ALLOW, methods)));
    told
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/json"))
}

const PAGE_POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
     connect-src 'self'; manifest-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
/// swagger-ui sets styles on elements and shows icons from its own style sheet.
const DOCS_POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     font-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const API_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

fn protect(headers: &mut HeaderMap, area: Area) {
    let mut set = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    set(
        HeaderName::from_static("permissions-policy"),
        "camera=(), microphone=(), geolocation=(), payment=(), usb=(), browsing-topics=()",
    );
    let policy = match area {
        Area::Api => API_POLICY,
        Area::Docs => DOCS_POLICY,
        Area::Page => PAGE_POLICY,
    };
    set(header::CONTENT_SECURITY_POLICY, policy);
    if area == Area::Api && !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// The request's id: the client's if it is sane, or a new one.
pub(crate) fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(|id| {
        (1..=128).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
    });
    given.map_or_else(|| new_uuid().to_string(), str::to_owned)
}

/// `traceparent` (W3C Trace Context, version 00) if it is well-formed, or nothing.
pub(crate) fn traceparent(headers: &HeaderMap) -> String {
    let sane = |text: &&str| {
        let parts: Vec<&str> = text.split('-').collect();
        let hex = |part: &str, length: usize| {
            part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let set = |part: &str| part.bytes().any(|byte| byte != b'0');
        match parts[..] {
            ["00", trace, parent, flags] => {
                hex(trace, 32) && set(trace) && hex(parent, 16) && set(parent) && hex(flags, 2)
            }
            _ => false,
        }
    };
    headers
        .get("traceparent")
        .and_then(|value| value.to_str().ok())
        .filter(sane)
        .unwrap_or_default()
        .to_owned()
}

/// Whoever invents methods must not invent time series.
fn told(method: &Method) -> String {
    match *method {
        Method::GET | Method::HEAD | Method::POST | Method::PUT | Method::PATCH | Method::DELETE => {
            method.as_str().to_owned()
        }
        Method::OPTIONS => "OPTIONS".to_owned(),
        _ => "other".to_owned(),
    }
}

fn note(method: &Method, route: &str, status: StatusCode, time: Duration, request_id: &str) {
    let method = told(method);
    let labels =
        [("method", method.clone()), ("route", route.to_owned()), ("status", status.as_u16().to_string())];
    metrics::counter!("leadline_http_requests_total", &labels).increment(1);
    metrics::histogram!("leadline_http_requests_seconds", &labels).record(time.as_secs_f64());
    let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let status = status.as_u16();
    if matches!(route, "/healthz" | "/readyz" | "files") && status < 400 {
        tracing::debug!(method, route, status, ms, request_id, "request");
    } else {
        tracing::info!(method, route, status, ms, request_id, "request");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))])
    }

    #[test]
    fn a_sane_request_id_is_taken_and_another_replaced() {
        assert_eq!(request_id(&with("x-request-id", "abc-1._Z")), "abc-1._Z");
        for bad in ["", "a b", "a\"b", "<script>"] {
            assert_ne!(request_id(&with("x-request-id", bad)), bad);
        }
        assert_eq!(request_id(&HeaderMap::new()).len(), 36);
    }

    #[test]
    fn a_trace_is_carried_on_only_if_it_is_well_formed() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(traceparent(&with("traceparent", good)), good);
        for bad in [
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "junk",
        ] {
            assert_eq!(traceparent(&with("traceparent", bad)), "", "{bad}");
        }
    }

    #[test]
    fn no_page_may_run_a_script_that_stands_in_it() {
        for policy in [PAGE_POLICY, DOCS_POLICY, API_POLICY] {
            let scripts = policy
                .split(';')
                .find(|part| part.trim().starts_with("script-src"))
                .or_else(|| policy.split(';').find(|part| part.trim().starts_with("default-src")))
                .unwrap();
            assert!(!scripts.contains("unsafe") && policy.contains("frame-ancestors 'none'"), "{policy}");
        }
        assert!(!PAGE_POLICY.contains("unsafe"));
    }

    #[test]
    fn every_path_has_the_headers_of_its_area() {
        assert_eq!(Area::of("/api/v1/leads"), Area::Api);
        assert_eq!(Area::of("/readyz"), Area::Api);
        assert_eq!(Area::of("/api/docs/docs.js"), Area::Docs);
        assert_eq!(Area::of("/leads"), Area::Page);
        assert_eq!(Area::of("/apish"), Area::Page);
    }
}
