//! The workspace, its members and invitations.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use leadline_proto::auth as proto;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    body,
    caller::SignedIn,
    etag::{self, IfMatch, IfMatchHeader},
    gateway::Gateway,
    leads::lead::{at, page},
    once::{self, Key},
    problem::Problem,
    query::{NoQuery, PageQuery, Query},
    words::words,
};

words! {
    /// What a member may do: owners and admins manage people and settings, members work, viewers read.
    Role = proto::Role {
        /// Reads, and exports.
        Viewer "viewer",
        /// Works with leads and reminders.
        Member "member",
        /// Manages people and settings.
        Admin "admin",
        /// Everything; there is always at least one.
        Owner "owner",
    }
}

/// A team's own space: every row belongs to one.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Workspace {
    /// UUIDv7.
    #[schema(format = "uuid")]
    id: String,
    name: String,
    /// IANA name.
    #[schema(example = "Europe/Berlin")]
    timezone: String,
    #[schema(format = "date-time")]
    created_at: String,
    /// Raised by one with every change.
    #[schema(minimum = 1)]
    version: u64,
}

impl Workspace {
    /// From the contracts.
    pub(crate) fn of(workspace: proto::Workspace) -> Self {
        Self {
            id: workspace.id,
            name: workspace.name,
            timezone: workspace.timezone,
            created_at: at(workspace.created_at_ms),
            version: workspace.version,
        }
    }
}

/// A change of the workspace; what is absent stays.
#[derive(ToSchema)]
#[schema(example = json!({"timezone": "Europe/Berlin"}))]
#[allow(dead_code, reason = "describes a body in the OpenAPI document; bodies are read by hand")]
pub(crate) struct WorkspacePatch {
    /// 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200, pattern = r"\S", nullable = false)]
    name: Option<String>,
    /// IANA name.
    #[schema(nullable = false)]
    timezone: Option<String>,
}

/// A member of the workspace.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Member {
    /// The user's id.
    #[schema(format = "uuid")]
    id: String,
    name: String,
    email: String,
    role: Role,
    #[schema(format = "date-time")]
    joined_at: String,
}

impl Member {
    fn of(member: proto::Member) -> Self {
        let user = member.user.unwrap_or_default();
        Self {
            id: user.id,
            name: user.name,
            email: user.email,
            role: Role::of(member.role),
            joined_at: at(member.joined_at_ms),
        }
    }
}

page! {
    /// A page of members, oldest first.
    Members of Member
}

/// Another role.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes a body in the OpenAPI document; bodies are read by hand")]
pub(crate) struct RoleChange {
    role: Role,
}

/// An open invitation.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Invitation {
    /// UUIDv7.
    #[schema(format = "uuid")]
    id: String,
    email: String,
    role: Role,
    /// Until when it can be accepted.
    #[schema(format = "date-time")]
    expires_at: String,
}

impl Invitation {
    fn of(invitation: proto::Invitation) -> Self {
        Self {
            id: invitation.id,
            email: invitation.email,
            role: Role::of(invitation.role),
            expires_at: at(invitation.expires_at_ms),
        }
    }
}

page! {
    /// A page of open invitations, newest first.
    Invitations of Invitation
}

/// An invitation just made.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewInvitation {
    /// UUIDv7.
    #[schema(format = "uuid")]
    id: String,
    email: String,
    role: Role,
    /// Until when it can be accepted.
    #[schema(format = "date-time")]
    expires_at: String,
    /// What the invited person needs to accept it. It is shown this once.
    token: String,
}

/// Whom to invite, and as what.
#[derive(ToSchema)]
#[schema(example = json!({"email": "grace@example.com", "role": "member"}))]
#[allow(dead_code, reason = "describes a body in the OpenAPI document; bodies are read by hand")]
pub(crate) struct InvitationRequest {
    #[schema(format = "email", max_length = 254)]
    email: String,
    role: Role,
}

fn show(workspace: proto::Workspace) -> Response {
    let tag = etag::of(workspace.version);
    ([(header::ETAG, tag)], Json(Workspace::of(workspace))).into_response()
}

/// Get the workspace
#[utoipa::path(get, path = "/api/v1/workspace", tag = "Workspace",
    responses((status = 200, description = "The workspace", body = Workspace)))]
pub(crate) async fn get_workspace(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    _: NoQuery,
) -> Result<Response, Problem> {
    let answer = gateway.auth().get_workspace(caller.request(proto::GetWorkspaceRequest {})).await?;
    Ok(show(answer.into_inner()))
}

/// Change the workspace
///
/// Its name or time zone (owner, admin).
#[utoipa::path(patch, path = "/api/v1/workspace", tag = "Workspace", params(IfMatchHeader),
    request_body = WorkspacePatch, responses((status = 200, description = "The workspace", body = Workspace)))]
pub(crate) async fn update_workspace(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    _: NoQuery,
    IfMatch(if_match): IfMatch,
    mut body: body::Json,
) -> Result<Response, Problem> {
    let message = proto::UpdateWorkspaceRequest {
        name: body.fields.patch_text("name"),
        timezone: body.fields.patch_text("timezone"),
        if_match,
        faults: body.fields.finish(),
    };
    let answer = gateway.auth().update_workspace(caller.request(message)).await?;
    gateway.renew(caller.workspace);
    Ok(show(answer.into_inner()))
}

/// List members
#[utoipa::path(get, path = "/api/v1/workspace/members", tag = "Workspace", params(PageQuery),
    responses((status = 200, description = "The page", body = Members)))]
pub(crate) async fn list_members(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    mut query: Query,
) -> Result<Json<Members>, Problem> {
    let page = query.page();
    query.finish()?;
    let request = proto::ListMembersRequest { limit: page.limit, cursor: page.cursor };
    let answer = gateway.auth().list_members(caller.request(request)).await?.into_inner();
    let members = answer.members.into_iter().map(Member::of).collect();
    Ok(Json(Members::of(members, answer.next_cursor, answer.total)))
}

/// Give a member another role
///
/// Owner, admin. The last owner can't be demoted: 409.
#[utoipa::path(patch, path = "/api/v1/workspace/members/{userId}", tag = "Workspace", request_body = RoleChange,
    responses((status = 200, description = "The member", body = Member)))]
pub(crate) async fn change_role(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    Path(user_id): Path<String>,
    _: NoQuery,
    mut body: body::Json,
) -> Result<Json<Member>, Problem> {
    let role = body.fields.word("role", Role::parse, Role::ALLOWED);
    let message = proto::ChangeRoleRequest {
        user_id,
        role: role.map_or(0, |role| role.to_proto().into()),
        faults: body.fields.finish(),
    };
    let answer = gateway.auth().change_role(caller.request(message)).await?;
    Ok(Json(Member::of(answer.into_inner())))
}

/// Remove a member
///
/// Owner, admin; or the caller themselves, who leave. The last owner can't leave: 409. The tokens of a removed member stop
/// working within a minute.
#[utoipa::path(delete, path = "/api/v1/workspace/members/{userId}", tag = "Workspace",
    responses((status = 204, description = "They are gone")))]
pub(crate) async fn remove_member(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    Path(user_id): Path<String>,
    _: NoQuery,
) -> Result<StatusCode, Problem> {
    gateway.auth().remove_member(caller.request(proto::RemoveMemberRequest { user_id })).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List open invitations
///
/// Owner, admin. Their tokens are not shown again.
#[utoipa::path(get, path = "/api/v1/workspace/invitations", tag = "Workspace", params(PageQuery),
    responses((status = 200, description = "The page", body = Invitations)))]
pub(crate) async fn list_invitations(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    mut query: Query,
) -> Result<Json<Invitations>, Problem> {
    let page = query.page();
    query.finish()?;
    let request = proto::ListInvitationsRequest { limit: page.limit, cursor: page.cursor };
    let answer = gateway.auth().list_invitations(caller.request(request)).await?.into_inner();
    let invitations = answer.invitations.into_iter().map(Invitation::of).collect();
    Ok(Json(Invitations::of(invitations, answer.next_cursor, answer.total)))
}

/// Invite somebody
///
/// Owner, admin. Somebody who is a member already: 409.
#[utoipa::path(post, path = "/api/v1/workspace/invitations", tag = "Workspace", request_body = InvitationRequest,
    responses((status = 201, description = "The invitation, with its token", body = NewInvitation)))]
pub(crate) async fn create_invitation(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    _: NoQuery,
    key: Key,
    mut body: body::Json,
) -> Result<Response, Problem> {
    let email = body.fields.text("email");
    let role = body.fields.word("role", Role::parse, Role::ALLOWED);
    let message = proto::CreateInvitationRequest {
        email,
        role: role.map_or(0, |role| role.to_proto().into()),
        faults: body.fields.finish(),
    };
    let answer = gateway.auth().create_invitation(key.request(&caller, message, &body.raw)).await?;
    let replayed = once::replayed(&answer);
    let invitation = answer.into_inner();
    let location = format!("/api/v1/workspace/invitations/{}", invitation.id);
    let shown = NewInvitation {
        id: invitation.id,
        email: invitation.email,
        role: Role::of(invitation.role),
        expires_at: at(invitation.expires_at_ms),
        token: invitation.token.unwrap_or_default(),
    };
    let mut response = (StatusCode::CREATED, [(header::LOCATION, location)], Json(shown)).into_response();
    response.headers_mut().extend(replayed);
    Ok(response)
}

/// Withdraw an invitation
#[utoipa::path(delete, path = "/api/v1/workspace/invitations/{id}", tag = "Workspace",
    responses((status = 204, description = "It is withdrawn")))]
pub(crate) async fn withdraw_invitation(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<StatusCode, Problem> {
    gateway.auth().withdraw_invitation(caller.request(proto::WithdrawInvitationRequest { id })).await?;
    Ok(StatusCode::NO_CONTENT)
}
