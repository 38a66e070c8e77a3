//! Erasing the caller's own account.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use leadline_proto::auth as proto;
use utoipa::ToSchema;

use crate::{body, caller::SignedIn, cookies::Way, gateway::Gateway, problem::Problem, query::NoQuery};

/// The present password: who has only a session of somebody's can't erase them.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[allow(dead_code, reason = "describes a body in the OpenAPI document; bodies are read by hand")]
pub(crate) struct AccountErasure {
    password: String,
    /// Erase each workspace too in which nobody else is, with all leads, notes, reminders, imports and figures. Without it: 409.
    #[schema(default = false)]
    delete_workspace: Option<bool>,
}

/// Erase my account
///
/// For good: name, address, password, sessions, and invitations to the address. All tokens are void. What was done in a
/// workspace stays there and is shown as done by “Deleted user”. A wrong password: 422. Of a workspace in which others are
/// and which would be left without an owner (`last-owner`), somebody else has to be made an owner first: 409. A workspace in
/// which nobody else is goes too, with all that is in it, if `deleteWorkspace` is true; otherwise: 409 (`only-member`). Its
/// data are gone within about a minute, of a large workspace within minutes.
#[utoipa::path(delete, path = "/api/v1/auth/me", tag = "Auth", request_body = AccountErasure,
    responses((status = 204, description = "It is erased")))]
pub(crate) async fn delete_me(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    _: NoQuery,
    way: Way,
    mut body: body::Json,
) -> Result<Response, Problem> {
    let message = proto::DeleteMeRequest {
        password: body.fields.text("password"),
        delete_workspace: body.fields.flag("deleteWorkspace"),
        faults: body.fields.finish(),
    };
    gateway.auth().delete_me(caller.request(message)).await?;
    gateway.people.renew(caller.workspace);
    let mut response = StatusCode::NO_CONTENT.into_response();
    let cookie = gateway.cookies.clear(way.over_tls, way.host.as_deref());
    response.headers_mut().extend(cookie.map(|cookie| (header::SET_COOKIE, cookie)));
    Ok(response)
}
