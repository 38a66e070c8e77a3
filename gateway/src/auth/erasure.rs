//! Erasing the caller's own account.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use leadline_proto::auth as proto;
use utoipa::ToSchema;

use super::Way;
use crate::{body, caller::SignedIn, gateway::Gateway, problem::Problem, query::NoQuery};

/// The present password: who has only a session of somebody's can't erase them.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes a body in the OpenAPI document; bodies are read by hand")]
pub(crate) struct AccountErasure {
    password: String,
}

/// Erase my account
///
/// For good: name, address, password, sessions, and invitations to the address. All tokens are void. What was done in a
/// workspace stays there and is shown as done by “Deleted user”. A wrong password: 422. Of a workspace that would be left
/// without a member (`only-member`) or an owner (`last-owner`), somebody else has to be made an owner first: 409.
#[utoipa::path(delete, path = "/api/v1/auth/me", tag = "Auth", request_body = AccountErasure,
    responses((status = 204, description = "It is erased")))]
pub(crate) async fn delete_me(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    _: NoQuery,
    way: Way,
    mut body: body::Json,
) -> Result<Response, Problem> {
    let message =
        proto::DeleteMeRequest { password: body.fields.text("password"), faults: body.fields.finish() };
    gateway.auth().delete_me(caller.request(message)).await?;
    gateway.people.renew(caller.workspace);
    let mut response = StatusCode::NO_CONTENT.into_response();
    let cookie = gateway.cookies.clear(way.over_tls, way.host.as_deref());
    response.headers_mut().extend(cookie.map(|cookie| (header::SET_COOKIE, cookie)));
    Ok(response)
}
