//! Errors as people and programs read them: RFC 9457, one table from [`Refusal`] to problem+json.

use std::{borrow::Cow, time::Duration};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use leadline_runtime::{
    refusal::Refusal,
    violations::{MORE, Violation},
};
use serde::Serialize;
use utoipa::ToSchema;

/// The media type of every error.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// An error on its way to the client. It becomes a response without a body at first; [`crate::frame`], which knows the
/// request, writes the body.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    kind: Cow<'static, str>,
    status: StatusCode,
    title: &'static str,
    detail: String,
    errors: Vec<Violation>,
    retry_after: Option<Duration>,
}

/// An error, as RFC 9457 has it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem, example = json!({
    "type": "/problems/validation", "title": "Some fields can't be accepted", "status": 422,
    "detail": "1 field can't be accepted", "instance": "/api/v1/leads",
    "requestId": "019ab0a2-7c1e-7d31-9a4e-0b1c2d3e4f50",
    "errors": [{"field": "name", "message": "is required"}]
}))]
pub(crate) struct Document<'a> {
    /// A stable URI reference that names the kind of error.
    #[serde(rename = "type")]
    #[schema(format = "uri-reference")]
    kind: &'a str,
    /// The kind of error in a few words.
    title: &'a str,
    /// The status code of the answer.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong with this request, and what to do.
    detail: &'a str,
    /// The path that was asked for.
    instance: &'a str,
    /// The request's id: the same as in the header `X-Request-Id`, and in the log.
    request_id: &'a str,
    /// Every field, query parameter or header that can't be accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    errors: Option<Vec<FieldError<'a>>>,
}

/// A field, query parameter or header that can't be accepted.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FieldError<'a> {
    /// Its name, such as `email`, `tags[3]` or `If-Match`.
    field: &'a str,
    /// One sentence: what it must be.
    message: &'a str,
}

impl Problem {
    fn new(
        kind: impl Into<Cow<'static, str>>,
        status: StatusCode,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        let (kind, detail) = (kind.into(), detail.into());
        Self { kind, status, title, detail, errors: Vec::new(), retry_after: None }
    }

    fn retry_after(self, time: Duration) -> Self {
        Self { retry_after: Some(time), ..self }
    }

    fn with(self, errors: Vec<Violation>) -> Self {
        Self { errors, ..self }
    }

    /// A query parameter or header with a bad value.
    pub(crate) fn bad_request(errors: Vec<Violation>) -> Self {
        let detail = count(&errors, "parameter");
        Self::new("bad-request", StatusCode::BAD_REQUEST, "The request can't be understood", detail)
            .with(errors)
    }

    /// One header with a bad value.
    pub(crate) fn bad_header(name: &'static str, message: impl Into<String>) -> Self {
        Self::bad_request(vec![Violation { field: name.to_owned(), message: message.into() }])
    }

    /// A body that is not JSON.
    pub(crate) fn not_json(detail: impl Into<String>) -> Self {
        Self::new("not-json", StatusCode::BAD_REQUEST, "The body is not JSON", detail)
    }

    /// A body that can't be read.
    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new("malformed", StatusCode::BAD_REQUEST, "The body can't be read", detail)
    }

    /// A part is down or too slow.
    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        Refusal::Unavailable(detail.into()).into()
    }

    /// A body that is too large.
    pub(crate) fn too_large(limit: usize) -> Self {
        let detail = format!("the body may have {limit} bytes");
        Self::new("too-large", StatusCode::PAYLOAD_TOO_LARGE, "The body is too large", detail)
    }

    /// A file that is too large.
    pub(crate) fn file_too_large(limit_in_mib: usize) -> Self {
        let detail = format!(
            "a file may have {limit_in_mib} MiB: divide it, each part with the header, and import them one after the other"
        );
        Self::new("too-large", StatusCode::PAYLOAD_TOO_LARGE, "The file is too large", detail)
    }

    /// A body in a form that is not taken.
    pub(crate) fn unsupported(detail: impl Into<String>) -> Self {
        Self::new(
            "unsupported-media-type",
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "The body's media type can't be taken",
            detail,
        )
    }

    /// Nothing has this address.
    pub(crate) fn no_such_path() -> Self {
        Self::new(
            "not-found",
            StatusCode::NOT_FOUND,
            "There is no such thing",
            "nothing has this address: /api/docs lists what there is",
        )
    }

    /// What stands behind a bare status code, such as one that the router made.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::no_such_path(),
            StatusCode::METHOD_NOT_ALLOWED => Self::new(
                "method-not-allowed",
                status,
                "The method can't be used here",
                "the header Allow names the methods that can",
            ),
            StatusCode::BAD_REQUEST => Self::new(
                "bad-request",
                status,
                "The request can't be understood",
                "the path or a header is malformed",
            ),
            StatusCode::SERVICE_UNAVAILABLE => Self::unavailable("a part of the system is down: try again"),
            status if status.is_client_error() => {
                let title = status.canonical_reason().unwrap_or("The request can't be carried out");
                Self::new("bad-request", status, title, "the request can't be carried out")
            }
            _ => Refusal::Internal.into(),
        }
    }

    /// As told to this request. What a service calls a bad field is a query parameter where there is no body.
    pub(crate) fn told(self, method: &Method) -> Self {
        let reads = matches!(*method, Method::GET | Method::HEAD);
        if reads && self.kind == "validation" { Self::bad_request(self.errors) } else { self }
    }

    /// The status code.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// The body.
    pub(crate) fn document(&self, instance: &str, request_id: &str) -> Body {
        let errors: Vec<_> = self
            .errors
            .iter()
            .map(|violation| FieldError { field: &violation.field, message: &violation.message })
            .collect();
        let kind = format!("/problems/{}", self.kind);
        let document = Document {
            kind: &kind,
            title: self.title,
            status: self.status.as_u16(),
            detail: &self.detail,
            instance,
            request_id,
            errors: (!errors.is_empty()).then_some(errors),
        };
        // Text and numbers always serialise.
        Body::from(serde_json::to_vec(&document).unwrap_or_default())
    }

    /// The headers that belong to it.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let challenge = (self.status == StatusCode::UNAUTHORIZED)
            .then(|| (header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"leadline\"")));
        let retry = self.retry_after.map(|time| {
            let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
            (header::RETRY_AFTER, HeaderValue::from(seconds.max(1)))
        });
        challenge.into_iter().chain(retry)
    }
}

/// The table.
impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::Invalid(errors) => Self::new(
                "validation",
                StatusCode::UNPROCESSABLE_ENTITY,
                "Some fields can't be accepted",
                count(&errors, "field"),
            )
            .with(errors),
            Refusal::Unauthenticated(why) => {
                Self::new("unauthenticated", StatusCode::UNAUTHORIZED, "Sign in to do this", why)
            }
            Refusal::Forbidden(_) => {
                Self::new("forbidden", StatusCode::FORBIDDEN, "You may not do this", detail)
            }
            Refusal::NotFound(_) => {
                Self::new("not-found", StatusCode::NOT_FOUND, "There is no such thing", detail)
            }
            Refusal::Conflict { reason, detail } => Self::new(
                reason.to_lowercase().replace('_', "-"),
                StatusCode::CONFLICT,
                "It does not fit with things as they stand",
                detail,
            ),
            Refusal::VersionMismatch { .. } => Self::new(
                "version-mismatch",
                StatusCode::PRECONDITION_FAILED,
                "It was changed in the meantime",
                detail,
            ),
            Refusal::Gone(_) => Self::new("gone", StatusCode::GONE, "It is no longer good", detail),
            Refusal::TooMany { retry_after } => {
                Self::new("too-many-requests", StatusCode::TOO_MANY_REQUESTS, "Too many requests", detail)
                    .retry_after(retry_after)
            }
            Refusal::Unavailable(_) => Self::new(
                "unavailable",
                StatusCode::SERVICE_UNAVAILABLE,
                "A part of the system is down or overloaded",
                detail,
            )
            .retry_after(Duration::from_secs(2)),
            Refusal::InFlight => Self::new(
                "in-flight",
                StatusCode::CONFLICT,
                "The same request is still being carried out",
                detail,
            )
            .retry_after(Duration::from_secs(1)),
            Refusal::KeyReused => Self::new(
                "key-reused",
                StatusCode::UNPROCESSABLE_ENTITY,
                "The Idempotency-Key was used before",
                detail.clone(),
            )
            .with(vec![Violation { field: "Idempotency-Key".to_owned(), message: detail }]),
            Refusal::Internal => Self::new(
                "internal",
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something went wrong on our side",
                "the request's id helps to find out what",
            ),
        }
    }
}

impl From<tonic::Status> for Problem {
    fn from(status: tonic::Status) -> Self {
        Refusal::from(status).into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

fn count(errors: &[Violation], what: &str) -> String {
    let told = errors.iter().filter(|error| error.message != MORE).count();
    match told {
        _ if told < errors.len() => format!("more than {told} {what}s can't be accepted"),
        1 => format!("1 {what} can't be accepted"),
        _ => format!("{told} {what}s can't be accepted"),
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use leadline_runtime::version::Version;

    use super::*;

    async fn read(problem: &Problem) -> serde_json::Value {
        let body = problem.document("/api/v1/leads", "r-1").collect().await.unwrap().to_bytes();
        serde_json::from_slice(&body).unwrap()
    }

    #[test]
    fn every_refusal_has_the_status_that_the_contract_names() {
        let table = [
            (Refusal::invalid("name", "is required"), 422),
            (Refusal::Unauthenticated("no token".into()), 401),
            (Refusal::Forbidden("no".into()), 403),
            (Refusal::NotFound("lead"), 404),
            (Refusal::conflict("EMAIL_TAKEN", "taken"), 409),
            (Refusal::VersionMismatch { present: Version(3) }, 412),
            (Refusal::Gone("spent".into()), 410),
            (Refusal::TooMany { retry_after: Duration::from_millis(1500) }, 429),
            (Refusal::Unavailable("down".into()), 503),
            (Refusal::InFlight, 409),
            (Refusal::KeyReused, 422),
            (Refusal::Internal, 500),
        ];
        for (refusal, status) in table {
            let problem = Problem::from(refusal);
            assert_eq!(problem.status().as_u16(), status, "{problem:?}");
            let retries = problem.headers().any(|(name, _)| name == header::RETRY_AFTER);
            assert!(retries || !matches!(status, 429 | 503), "{problem:?} does not say when to try again");
            let challenges = problem.headers().any(|(name, _)| name == header::WWW_AUTHENTICATE);
            assert_eq!(challenges, status == 401);
        }
    }

    #[tokio::test]
    async fn a_problem_names_every_field_the_path_and_the_request() {
        let document = read(&Refusal::invalid("name", "is required").into()).await;
        assert_eq!(document["type"], "/problems/validation");
        assert_eq!(document["status"], 422);
        assert_eq!(document["instance"], "/api/v1/leads");
        assert_eq!(document["requestId"], "r-1");
        assert_eq!(document["errors"][0]["field"], "name");
    }

    #[tokio::test]
    async fn that_more_is_wrong_than_is_told_stands_in_the_detail() {
        let violation =
            |field: &str, message: &str| Violation { field: field.into(), message: message.into() };
        let told = vec![violation("a", "is bad"), violation("b", "is bad"), violation("body", MORE)];
        let document = read(&Refusal::Invalid(told.clone()).into()).await;
        assert_eq!(document["detail"], "more than 2 fields can't be accepted");
        let document = read(&Refusal::Invalid(told[..2].to_vec()).into()).await;
        assert_eq!(document["detail"], "2 fields can't be accepted");
    }

    #[tokio::test]
    async fn a_conflict_has_a_type_of_its_own_and_no_list_of_fields() {
        let document = read(&Refusal::conflict("EMAIL_TAKEN", "somebody has it").into()).await;
        assert_eq!(document["type"], "/problems/email-taken");
        assert_eq!(document["detail"], "somebody has it");
        assert!(document.get("errors").is_none());
    }

    #[test]
    fn what_a_service_finds_wrong_with_a_read_is_a_bad_parameter() {
        let refusal = || Problem::from(Refusal::invalid("cursor", "is not one"));
        assert_eq!(refusal().told(&Method::GET).status(), StatusCode::BAD_REQUEST);
        assert_eq!(refusal().told(&Method::POST).status(), StatusCode::UNPROCESSABLE_ENTITY);
    }

    #[test]
    fn a_wait_is_rounded_up_to_whole_seconds() {
        let problem = Problem::from(Refusal::TooMany { retry_after: Duration::from_millis(1500) });
        let (_, value) = problem.headers().next().unwrap();
        assert_eq!(value, "2");
    }
}
