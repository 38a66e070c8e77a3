//! Accounts and sessions: signing in and out, and the refresh token's way in a cookie or in the body.

pub(crate) mod erasure;
pub(crate) mod sessions;

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use leadline_proto::auth as proto;
use leadline_runtime::{ids::parse_uuid, refusal::Refusal};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    body::{self, Fields, MaybeJson, NoFields},
    caller::{Sender, SignedIn},
    cookies::{self, Cookies, Way},
    gateway::Gateway,
    leads::lead::at,
    limits::{RefreshLimit, SignInLimit},
    once::{self, Key},
    problem::Problem,
    query::NoQuery,
    workspace::{Role, Workspace},
};

/// A person with an account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    /// UUIDv7.
    #[schema(format = "uuid")]
    id: String,
    name: String,
    email: String,
    #[schema(format = "date-time")]
    created_at: String,
}

impl User {
    fn of(user: proto::User) -> Self {
        Self { id: user.id, name: user.name, email: user.email, created_at: at(user.created_at_ms) }
    }
}

/// Somebody is signed in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Session {
    user: User,
    workspace: Workspace,
    #[serde(flatten)]
    token: Token,
}

/// A new access token.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Token {
    /// A JWT, for the header `Authorization: Bearer …`.
    access_token: String,
    /// `Bearer`.
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// For how many seconds it is good.
    #[schema(example = 900)]
    expires_in: u32,
    /// The refresh token, good for one use; only where it is not in the cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    refresh_token: Option<String>,
}

/// How a session's refresh token is kept.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code, reason = "describes a field in the OpenAPI document")]
pub(crate) enum SessionKind {
    /// In a cookie that scripts can't read.
    Cookie,
    /// In the answer, for programs.
    Token,
}

/// A new account.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"name": "Una Persson", "email": "una@example.com", "password": "correct horse battery",
    "workspaceName": "Persson Ltd", "timezone": "Europe/Berlin"}))]
#[allow(dead_code, reason = "describes a body in the OpenAPI document; bodies are read by hand")]
pub(crate) struct Registration {
    /// 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200, pattern = r"\S")]
    name: String,
    #[schema(format = "email", max_length = 254)]
    email: String,
    /// 12 to 128 characters, counted as code points; common ones are refused.
    #[schema(min_length = 12, max_length = 128)]
    password: String,
    /// Made from the name if absent.
    #[schema(max_length = 200)]
    workspace_name: Option<String>,
    /// IANA name; `UTC` if absent.
    timezone: Option<String>,
    /// `cookie` if absent.
    session: Option<SessionKind>,
}

/// Email and password.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"email": "una@example.com", "password": "correct horse battery"}))]
#[allow(dead_code, reason = "describes a body in the OpenAPI document; bodies are read by hand")]
pub(crate) struct Credentials {
    email: String,
    password: String,
    /// The workspace to go to; the one used last if absent.
    #[schema(format = "uuid")]
    workspace_id: Option<String>,
    /// `cookie` if absent.
    session: Option<SessionKind>,
}

/// The refresh token, where it is not in the cookie.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "describes a body in the OpenAPI document; bodies are read by hand")]
pub(crate) struct RefreshBody {
    refresh_token: Option<String>,
}

/// An invitation's token, and the account that accepts it.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes a body in the OpenAPI document; bodies are read by hand")]
pub(crate) struct Acceptance {
    /// The token that was shown to the inviter.
    token: String,
    /// The new account's name; not needed where the invited address has an account.
    #[schema(max_length = 200)]
    name: Option<String>,
    /// The new account's password (12 to 128 characters), or the known account's.
    password: String,
    /// `cookie` if absent.
    session: Option<SessionKind>,
}

/// Where to go on.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "describes a body in the OpenAPI document; bodies are read by hand")]
pub(crate) struct WorkspaceChoice {
    /// One of the caller's workspaces.
    #[schema(format = "uuid")]
    workspace_id: String,
}

/// Who the caller is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Me {
    user: User,
    /// The workspace of the token.
    workspace: Workspace,
    /// The caller's role in it.
    role: Role,
    /// All workspaces of the caller.
    workspaces: Vec<Membership>,
}

/// A workspace of the caller's.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Membership {
    #[schema(format = "uuid")]
    id: String,
    name: String,
    role: Role,
}

impl Me {
    fn of(me: proto::Me) -> Self {
        let workspaces = me.workspaces.into_iter().map(|membership| Membership {
            id: membership.workspace_id,
            name: membership.workspace_name,
            role: Role::of(membership.role),
        });
        Self {
            user: User::of(me.user.unwrap_or_default()),
            workspace: Workspace::of(me.workspace.unwrap_or_default()),
            role: Role::of(me.role),
            workspaces: workspaces.collect(),
        }
    }
}

/// A change of the caller; what is absent stays.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes a body in the OpenAPI document; bodies are read by hand")]
pub(crate) struct MePatch {
    /// 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200, pattern = r"\S", nullable = false)]
    name: Option<String>,
}

/// The present password and a new one.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "describes a body in the OpenAPI document; bodies are read by hand")]
pub(crate) struct PasswordChange {
    current_password: String,
    /// 12 to 128 characters, counted as code points; common ones are refused.
    #[schema(min_length = 12, max_length = 128)]
    new_password: String,
}

/// Takes `session` out of a body. True: the refresh token goes into the answer.
fn in_answer(body: &mut Fields) -> bool {
    let parse = |text: &str| match text {
        "token" => Some(true),
        "cookie" => Some(false),
        _ => None,
    };
    body.word("session", parse, "cookie, token").unwrap_or_default()
}

/// Takes the refresh token out of an answer: into the cookie, or for the body.
fn deliver(
    gateway: &Gateway,
    way: &Way,
    signed_in: &mut proto::SignedIn,
    in_answer: bool,
) -> (Token, Option<HeaderValue>) {
    let refresh = Some(std::mem::take(&mut signed_in.refresh_token)).filter(|token| !token.is_empty());
    let (cookie, refresh_token) = match refresh {
        Some(token) if in_answer => (None, Some(token)),
        Some(token) => {
            let seconds = signed_in.refresh_expires_in;
            (gateway.cookies.set(&token, seconds, way.over_tls, way.host.as_deref()), None)
        }
        None => (None, None),
    };
    let token = Token {
        access_token: std::mem::take(&mut signed_in.access_token),
        token_type: "Bearer",
        expires_in: signed_in.expires_in,
        refresh_token,
    };
    (token, cookie)
}

fn session(
    gateway: &Gateway,
    way: &Way,
    status: StatusCode,
    mut signed_in: proto::SignedIn,
    in_answer: bool,
) -> Response {
    let (token, cookie) = deliver(gateway, way, &mut signed_in, in_answer);
    if let Some(workspace) = &signed_in.workspace
        && let Ok(id) = parse_uuid(&workspace.id)
    {
        // Somebody may be new there.
        gateway.people.renew(id.into());
    }
    let session = Session {
        user: User::of(signed_in.user.unwrap_or_default()),
        workspace: Workspace::of(signed_in.workspace.unwrap_or_default()),
        token,
    };
    let mut response = (status, Json(session)).into_response();
    let headers = response.headers_mut();
    headers.extend(cookie.map(|cookie| (header::SET_COOKIE, cookie)));
    if status == StatusCode::CREATED {
        headers.insert(header::LOCATION, HeaderValue::from_static("/api/v1/auth/me"));
    }
    response
}

fn token(gateway: &Gateway, way: &Way, mut signed_in: proto::SignedIn, in_answer: bool) -> Response {
    let (token, cookie) = deliver(gateway, way, &mut signed_in, in_answer);
    let mut response = Json(token).into_response();
    response.headers_mut().extend(cookie.map(|cookie| (header::SET_COOKIE, cookie)));
    response
}

/// Register
///
/// Makes a person and a workspace of their own, of which they are the owner, and signs them in. A taken email: 409.
///
/// An `Idempotency-Key` is taken, and no answer kept for it: tokens are not given out twice.
#[utoipa::path(post, path = "/api/v1/auth/register", tag = "Auth", request_body = Registration, security(()),
    responses((status = 201, description = "Signed in", body = Session)))]
pub(crate) async fn register(
    State(gateway): State<Arc<Gateway>>,
    _: NoQuery,
    _: Key,
    _: SignInLimit,
    way: Way,
    from: Sender,
    mut body: body::Json,
) -> Result<Response, Problem> {
    let in_answer = in_answer(&mut body.fields);
    let message = proto::RegisterRequest {
        name: body.fields.text("name"),
        email: body.fields.text("email"),
        password: body.fields.text("password"),
        workspace_name: body.fields.text("workspaceName"),
        timezone: body.fields.text("timezone"),
        client: Some(from.client),
        faults: body.fields.finish(),
    };
    let answer = gateway.auth().register(from.origin.request(message)).await?;
    Ok(session(&gateway, &way, StatusCode::CREATED, answer.into_inner(), in_answer))
}

/// Sign in
///
/// In the workspace named, or the one used last. An unknown email and a wrong password have the same answer: 401.
///
/// An `Idempotency-Key` is taken, and no answer kept for it: tokens are not given out twice.
#[utoipa::path(post, path = "/api/v1/auth/login", tag = "Auth", request_body = Credentials, security(()),
    responses((status = 200, description = "Signed in", body = Session)))]
pub(crate) async fn login(
    State(gateway): State<Arc<Gateway>>,
    _: NoQuery,
    _: Key,
    _: SignInLimit,
    way: Way,
    from: Sender,
    mut body: body::Json,
) -> Result<Response, Problem> {
    let in_answer = in_answer(&mut body.fields);
    let message = proto::LoginRequest {
        email: body.fields.text("email"),
        password: body.fields.text("password"),
        workspace_id: body.fields.text("workspaceId"),
        client: Some(from.client),
        faults: body.fields.finish(),
    };
    let answer = gateway.auth().login(from.origin.request(message)).await?;
    Ok(session(&gateway, &way, StatusCode::OK, answer.into_inner(), in_answer))
}

/// Refresh the session
///
/// Gives a new access token and a new refresh token for the refresh token in the cookie, or in the body. A refresh token is
/// good for one use: one that was used already ends the session.
///
/// An `Idempotency-Key` is taken, and no answer kept for it: tokens are not given out twice.
#[utoipa::path(post, path = "/api/v1/auth/refresh", tag = "Auth", security(("refreshCookie" = []), ()),
    request_body = RefreshBody,
    responses((status = 200, description = "A new token", body = Token)))]
pub(crate) async fn refresh(
    State(gateway): State<Arc<Gateway>>,
    _: NoQuery,
    _: Key,
    _: RefreshLimit,
    way: Way,
    from: Sender,
    MaybeJson(mut body): MaybeJson,
) -> Result<Response, Problem> {
    let given = body.fields.text("refreshToken");
    body.fields.check()?;
    let in_answer = given.is_some();
    let refresh_token = match given {
        Some(token) => token,
        None => {
            let cookie = Cookies::read(&way.headers).ok_or_else(|| {
                Refusal::Unauthenticated("there is no refresh token, in the cookie or the body".to_owned())
            })?;
            cookies::check_origin(&way.headers, way.host.as_deref())?;
            cookie
        }
    };
    let message = proto::RefreshRequest { refresh_token, client: Some(from.client) };
    let answer = gateway.auth().refresh(from.origin.request(message)).await?;
    Ok(token(&gateway, &way, answer.into_inner(), in_answer))
}

/// Sign out
///
/// Ends the session: its tokens are void within a minute. An `Idempotency-Key` that was used with another body is refused; with
/// the same one, the session of this request ends all the same.
#[utoipa::path(post, path = "/api/v1/auth/logout", tag = "Auth",
    responses((status = 204, description = "The session is over")))]
pub(crate) async fn logout(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    _: NoQuery,
    key: Key,
    way: Way,
    NoFields(raw): NoFields,
) -> Result<Response, Problem> {
    gateway.auth().logout(key.request(&caller, proto::LogoutRequest {}, &raw)).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    let cookie = gateway.cookies.clear(way.over_tls, way.host.as_deref());
    response.headers_mut().extend(cookie.map(|cookie| (header::SET_COOKIE, cookie)));
    Ok(response)
}

/// Who am I
#[utoipa::path(get, path = "/api/v1/auth/me", tag = "Auth",
    responses((status = 200, description = "The caller", body = Me)))]
pub(crate) async fn get_me(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    _: NoQuery,
) -> Result<Json<Me>, Problem> {
    let answer = gateway.auth().get_me(caller.request(proto::GetMeRequest {})).await?;
    Ok(Json(Me::of(answer.into_inner())))
}

/// Change my name
#[utoipa::path(patch, path = "/api/v1/auth/me", tag = "Auth", request_body = MePatch,
    responses((status = 200, description = "The caller", body = Me)))]
pub(crate) async fn update_me(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    _: NoQuery,
    mut body: body::Json,
) -> Result<Json<Me>, Problem> {
    let message =
        proto::UpdateMeRequest { name: body.fields.patch_text("name"), faults: body.fields.finish() };
    let answer = gateway.auth().update_me(caller.request(message)).await?;
    gateway.people.renew(caller.workspace);
    Ok(Json(Me::of(answer.into_inner())))
}

/// Go on in another workspace
///
/// The session goes on in another workspace of the caller's. The new refresh token comes in the cookie if the request
/// brought one, else in the answer.
///
/// An `Idempotency-Key` that was used with another body is refused. With the same one the request is carried out again, as
/// tokens are not kept: it leads to the same workspace, with new tokens.
#[utoipa::path(post, path = "/api/v1/auth/workspace", tag = "Auth", request_body = WorkspaceChoice,
    responses((status = 200, description = "A token for it", body = Token)))]
pub(crate) async fn switch_workspace(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    _: NoQuery,
    key: Key,
    way: Way,
    from: Sender,
    mut body: body::Json,
) -> Result<Response, Problem> {
    let workspace_id = body.fields.text("workspaceId");
    let message = proto::SwitchWorkspaceRequest {
        workspace_id,
        client: Some(from.client),
        faults: body.fields.finish(),
    };
    let answer = gateway.auth().switch_workspace(key.request(&caller, message, &body.raw)).await?;
    let in_answer = Cookies::read(&way.headers).is_none();
    Ok(token(&gateway, &way, answer.into_inner(), in_answer))
}

/// Change my password
///
/// Every other session ends. A wrong present password: 422.
#[utoipa::path(post, path = "/api/v1/auth/me/password", tag = "Auth", request_body = PasswordChange,
    responses((status = 204, description = "It is changed")))]
pub(crate) async fn change_password(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    _: NoQuery,
    key: Key,
    mut body: body::Json,
) -> Result<Response, Problem> {
    let message = proto::ChangePasswordRequest {
        current_password: body.fields.text("currentPassword"),
        new_password: body.fields.text("newPassword"),
        faults: body.fields.finish(),
    };
    let answer = gateway.auth().change_password(key.request(&caller, message, &body.raw)).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    response.headers_mut().extend(once::replayed(&answer));
    Ok(response)
}

/// Accept an invitation
///
/// Joins the inviting workspace, with a new account or a known one, and signs in. Spent, withdrawn or out of date: 410.
///
/// An `Idempotency-Key` is taken, and no answer kept for it: tokens are not given out twice.
#[utoipa::path(post, path = "/api/v1/auth/invitations/accept", tag = "Auth", request_body = Acceptance, security(()),
    responses((status = 201, description = "Signed in", body = Session)))]
pub(crate) async fn accept_invitation(
    State(gateway): State<Arc<Gateway>>,
    _: NoQuery,
    _: Key,
    _: SignInLimit,
    way: Way,
    from: Sender,
    mut body: body::Json,
) -> Result<Response, Problem> {
    let in_answer = in_answer(&mut body.fields);
    let message = proto::AcceptInvitationRequest {
        token: body.fields.text("token"),
        name: body.fields.text("name"),
        password: body.fields.text("password"),
        client: Some(from.client),
        faults: body.fields.finish(),
    };
    let answer = gateway.auth().accept_invitation(from.origin.request(message)).await?;
    Ok(session(&gateway, &way, StatusCode::CREATED, answer.into_inner(), in_answer))
}
