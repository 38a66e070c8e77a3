//! Between the contract and the types of this service.

use std::fmt::Display;

use leadline_proto::{auth as proto, types};
use leadline_runtime::{
    caller::{Role, Scope},
    cursor,
    refusal::Refusal,
    time::Millis,
    violations::Violations,
};
use uuid::Uuid;

use crate::{
    account::{Member, Membership, User, Workspace},
    invitation::Invitation,
    session::{Client, Session},
    store::{MOST_COUNTED, Page, Position},
};

/// A field that must be there; what is wrong with it is noted.
pub(super) fn required<T, E: Display>(
    violations: &mut Violations,
    field: &'static str,
    value: Option<&str>,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Option<T> {
    match value {
        Some(text) => violations.take(field, parse(text)),
        None => {
            violations.add(field, "is required");
            None
        }
    }
}

/// A field that may be absent; what is wrong with it is noted.
pub(super) fn optional<T, E: Display>(
    violations: &mut Violations,
    field: &'static str,
    value: Option<&str>,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Option<T> {
    value.and_then(|text| violations.take(field, parse(text)))
}

/// A role that must be there.
pub(super) fn role(violations: &mut Violations, field: &'static str, role: proto::Role) -> Option<Role> {
    match role {
        proto::Role::Owner => Some(Role::Owner),
        proto::Role::Admin => Some(Role::Admin),
        proto::Role::Member => Some(Role::Member),
        proto::Role::Viewer => Some(Role::Viewer),
        proto::Role::Unspecified => {
            violations.add(field, "must be one of owner, admin, member, viewer");
            None
        }
    }
}

/// What can only be missing after [`Violations::check`] found nothing if this program is wrong.
pub(super) fn checked<T>(value: Option<T>) -> Result<T, Refusal> {
    value.ok_or_else(|| Refusal::internal("a field was neither there nor named as missing"))
}

pub(super) fn client(client: Option<&proto::Client>) -> Client {
    client.map(|client| Client::new(&client.address, &client.user_agent)).unwrap_or_default()
}

pub(super) fn role_to_proto(role: Role) -> proto::Role {
    match role {
        Role::Owner => proto::Role::Owner,
        Role::Admin => proto::Role::Admin,
        Role::Member => proto::Role::Member,
        Role::Viewer => proto::Role::Viewer,
    }
}

pub(super) fn user(user: &User) -> proto::User {
    proto::User {
        id: user.id.to_string(),
        name: user.name.as_str().to_owned(),
        email: user.email.as_str().to_owned(),
        created_at_ms: user.created_at.0,
    }
}

pub(super) fn workspace(workspace: &Workspace) -> proto::Workspace {
    proto::Workspace {
        id: workspace.id.to_string(),
        name: workspace.name.as_str().to_owned(),
        timezone: workspace.zone.name().to_owned(),
        created_at_ms: workspace.created_at.0,
        version: workspace.version.0,
    }
}

pub(super) fn membership(membership: &Membership) -> proto::Membership {
    proto::Membership {
        workspace_id: membership.workspace.to_string(),
        workspace_name: membership.name.as_str().to_owned(),
        role: role_to_proto(membership.role).into(),
    }
}

pub(super) fn member(member: &Member) -> proto::Member {
    proto::Member {
        user: Some(user(&member.user)),
        role: role_to_proto(member.role).into(),
        joined_at_ms: member.joined_at.0,
    }
}

pub(super) fn session(session: &Session, current: bool) -> proto::Session {
    proto::Session {
        id: session.id.to_string(),
        created_at_ms: session.created_at.0,
        last_used_at_ms: session.last_used_at.0,
        expires_at_ms: session.expires_at.0,
        client: Some(proto::Client {
            address: session.client.address.clone(),
            user_agent: session.client.agent.clone(),
        }),
        current,
    }
}

/// Without its token.
pub(super) fn invitation(invitation: &Invitation) -> proto::Invitation {
    proto::Invitation {
        id: invitation.id.to_string(),
        email: invitation.email.as_str().to_owned(),
        role: role_to_proto(invitation.role).into(),
        expires_at_ms: invitation.expires_at.0,
        token: None,
        created_at_ms: invitation.created_at.0,
        created_by: invitation.created_by.to_string(),
    }
}

pub(super) fn total<T>(page: &Page<T>) -> types::Total {
    types::Total { value: page.total.into(), exact: page.total < MOST_COUNTED }
}

/// What a list is asked for.
pub(super) struct Asked {
    pub(super) limit: u32,
    pub(super) after: Option<Position>,
}

/// Reads limit and cursor; both are query parameters of the REST contract.
pub(super) fn page_of(list: &str, scope: Scope, limit: u32, text: &str) -> Result<Asked, Refusal> {
    let mut violations = Violations::default();
    if limit > 200 {
        violations.add("limit", "must be 1 to 200");
    }
    let limit = if limit == 0 { 50 } else { limit };
    let after = if text.is_empty() { None } else { violations.take("cursor", position(list, scope, text)) };
    violations.check()?;
    Ok(Asked { limit, after })
}

fn query(list: &str, scope: Scope) -> Vec<u8> {
    format!("{list} {}", scope.workspace()).into_bytes()
}

fn position(list: &str, scope: Scope, text: &str) -> Result<Position, cursor::BadCursor> {
    let bytes = cursor::open(&query(list, scope), text)?;
    let (at, id) = bytes.split_at_checked(8).ok_or(cursor::BadCursor)?;
    let at = <[u8; 8]>::try_from(at).map_err(|_| cursor::BadCursor)?;
    let id = Uuid::from_slice(id).map_err(|_| cursor::BadCursor)?;
    Ok(Position { at: Millis(i64::from_be_bytes(at)), id })
}

/// The cursor of the page after one that ended there; empty if it was the last.
pub(super) fn next<T>(list: &str, scope: Scope, page: &Page<T>, of: impl Fn(&T) -> Position) -> String {
    let Some(last) = page.items.last().filter(|_| page.more) else { return String::new() };
    let Position { at, id } = of(last);
    let bytes: Vec<u8> = at.0.to_be_bytes().into_iter().chain(*id.as_bytes()).collect();
    cursor::seal(&query(list, scope), &bytes)
}
