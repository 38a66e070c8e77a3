//! What this service tells the others, in the form of the contracts.

use leadline_bus::routing_key;
use leadline_proto::{
    auth::Revocation,
    events::{AccountEvent, Event, account_event, event::Body},
};
use prost::Message;

use crate::account::{Happened, Void, What};

/// An event as it is published.
#[must_use]
pub fn to_proto(happened: &Happened) -> Event {
    use account_event::{
        MemberJoined, MemberRemoved, PersonRenamed, RoleChanged, SessionEnded, What as Proto,
        WorkspaceChanged, WorkspaceErased,
    };
    let what = match happened.what {
        What::SessionEnded { session, user } => {
            Proto::SessionEnded(SessionEnded { session_id: session.to_string(), user_id: user.to_string() })
        }
        What::MemberJoined(user) => Proto::MemberJoined(MemberJoined { user_id: user.to_string() }),
        What::MemberRemoved(user) => Proto::MemberRemoved(MemberRemoved { user_id: user.to_string() }),
        What::RoleChanged(user) => Proto::RoleChanged(RoleChanged { user_id: user.to_string() }),
        What::PersonRenamed(user) => Proto::PersonRenamed(PersonRenamed { user_id: user.to_string() }),
        What::WorkspaceChanged => Proto::WorkspaceChanged(WorkspaceChanged {}),
        What::WorkspaceErased => Proto::WorkspaceErased(WorkspaceErased {}),
    };
    Event {
        id: happened.id.to_string(),
        workspace_id: happened.workspace.map(|id| id.to_string()).unwrap_or_default(),
        at_ms: happened.at.0,
        actor_id: happened.actor.to_string(),
        request_id: happened.origin.request_id.clone(),
        traceparent: happened.origin.traceparent.clone(),
        body: Some(Body::Account(AccountEvent { what: Some(what) })),
    }
}

/// An event as it is stored: its routing key and its bytes.
#[must_use]
pub fn encode(happened: &Happened) -> (&'static str, Vec<u8>) {
    let event = to_proto(happened);
    (routing_key(&event), event.encode_to_vec())
}

/// Void tokens as other services are told of them.
#[must_use]
pub fn revocation(void: &Void) -> Revocation {
    match *void {
        Void::Session(session, at) => {
            Revocation { session_id: session.to_string(), before_ms: at.0, ..Revocation::default() }
        }
        Void::Member(user, workspace, before) => Revocation {
            user_id: user.to_string(),
            workspace_id: workspace.to_string(),
            before_ms: before.0,
            ..Revocation::default()
        },
    }
}
