//! For those who run Leadline: health, readiness, keys, and the description of the API.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use futures::future::join_all;
use http::{HeaderValue, StatusCode, header};
use leadline_proto::auth::GetJwksRequest;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{caller::Sender, gateway::Gateway, problem::Problem, query::NoQuery};

/// Whether something works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Health {
    /// It does.
    Ok,
    /// It does not.
    Unavailable,
}

/// The gateway lives.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Alive {
    #[schema(inline)]
    status: Health,
}

/// Whether every part can do its work.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Readiness {
    #[schema(inline)]
    status: Health,
    parts: Vec<Part>,
}

/// A part and its state.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Part {
    /// Such as `leads`.
    name: &'static str,
    #[schema(inline)]
    status: Health,
    /// Why it can't work.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    detail: Option<String>,
}

/// Is the process alive
///
/// Whatever a probe adds as query parameters is ignored.
#[utoipa::path(get, path = "/healthz", tag = "Operations", security(()),
    responses((status = 200, description = "It is", body = Alive)))]
pub(crate) async fn healthz() -> Json<Alive> {
    Json(Alive { status: Health::Ok })
}

/// Can every part do its work
///
/// Whatever a probe adds as query parameters is ignored.
#[utoipa::path(get, path = "/readyz", tag = "Operations", security(()),
    responses(
        (status = 200, description = "Every part can", body = Readiness),
        (status = 503, description = "A part can't", body = Readiness, headers(("Retry-After" = u32))),
    ))]
pub(crate) async fn readyz(State(gateway): State<Arc<Gateway>>) -> Response {
    let parts = join_all(gateway.health.iter().map(async |(name, check)| {
        let detail = check.ask().await.err();
        let status = if detail.is_none() { Health::Ok } else { Health::Unavailable };
        Part { name, status, detail }
    }))
    .await;
    if parts.iter().all(|part| part.status == Health::Ok) {
        return Json(Readiness { status: Health::Ok, parts }).into_response();
    }
    let body = Json(Readiness { status: Health::Unavailable, parts });
    let retry = [(header::RETRY_AFTER, HeaderValue::from_static("2"))];
    (StatusCode::SERVICE_UNAVAILABLE, retry, body).into_response()
}

/// The public keys of access tokens
///
/// A JWK set (RFC 7517).
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "Operations", security(()),
    responses((status = 200, description = "The keys", body = JwkSet)))]
pub(crate) async fn jwks(
    State(gateway): State<Arc<Gateway>>,
    _: NoQuery,
    sender: Sender,
) -> Result<Response, Problem> {
    let answer = gateway.auth().get_jwks(sender.origin.request(GetJwksRequest {})).await?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300")),
    ];
    Ok((headers, answer.into_inner().json).into_response())
}

/// A JWK set.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes an answer in the OpenAPI document")]
pub(crate) struct JwkSet {
    keys: Vec<JwkKey>,
}

/// An Ed25519 public key (RFC 8037).
#[derive(ToSchema)]
#[schema(as = Jwk)]
#[allow(dead_code, reason = "describes an answer in the OpenAPI document")]
pub(crate) struct JwkKey {
    /// `OKP`.
    kty: String,
    /// `Ed25519`.
    crv: String,
    /// The key, base64url.
    x: String,
    /// Its name in the tokens' headers.
    kid: String,
    /// `EdDSA`.
    alg: String,
    /// `sig`.
    #[schema(rename = "use")]
    usage: String,
}

/// The description of this API
///
/// OpenAPI 3.1.
#[utoipa::path(get, path = "/api/openapi.json", tag = "Operations", security(()),
    responses((status = 200, description = "The description", body = serde_json::Value)))]
pub(crate) async fn openapi(_: NoQuery) -> Response {
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json)], crate::openapi::document()).into_response()
}
