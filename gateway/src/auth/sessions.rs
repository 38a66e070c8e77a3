//! The caller's sessions.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;
use leadline_proto::{auth as proto, types::Total};
use leadline_runtime::cursor;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    caller::SignedIn,
    gateway::Gateway,
    leads::lead::{at, page},
    problem::Problem,
    query::{NoQuery, PageQuery, Query},
};

/// A sign-in of the caller's.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionInfo {
    /// UUIDv7.
    #[schema(format = "uuid")]
    id: String,
    #[schema(format = "date-time")]
    created_at: String,
    #[schema(format = "date-time")]
    last_used_at: String,
    /// When it ends if it is not used.
    #[schema(format = "date-time")]
    expires_at: String,
    /// From where.
    #[schema(required)]
    address: Option<String>,
    /// With what.
    #[schema(required)]
    user_agent: Option<String>,
    /// Whether it is the one of this request.
    current: bool,
}

page! {
    /// The caller's sessions, newest first; at most 100: one more ends the oldest.
    Sessions of SessionInfo
}

/// List my sessions
#[utoipa::path(get, path = "/api/v1/auth/sessions", tag = "Auth", params(PageQuery),
    responses((status = 200, description = "The sessions", body = Sessions)))]
pub(crate) async fn list_sessions(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    mut query: Query,
) -> Result<Json<Sessions>, Problem> {
    let page = query.page();
    let question = format!("sessions {}", caller.user);
    let after = match page.cursor.as_str() {
        "" => None,
        cursor => {
            let place = cursor::open(question.as_bytes(), cursor).ok().and_then(|place| Place::parse(&place));
            if place.is_none() {
                query.fault("cursor", cursor::BadCursor.to_string());
            }
            place
        }
    };
    query.finish()?;
    let answer = gateway.auth().list_sessions(caller.request(proto::ListSessionsRequest {})).await?;
    // There are never many: the service tells all of them.
    let all = answer.into_inner().sessions;
    let total = Total { value: all.len() as u64, exact: true };
    let mut rest =
        all.into_iter().filter(|session| after.as_ref().is_none_or(|after| after.is_before(session)));
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let shown: Vec<proto::Session> = rest.by_ref().take(limit).collect();
    let next = shown.last().filter(|_| rest.next().is_some()).map(|last| Place::of(last).to_bytes());
    let next = next.map(|place| cursor::seal(question.as_bytes(), &place)).unwrap_or_default();
    let sessions = shown.into_iter().map(|session| {
        let client = session.client.unwrap_or_default();
        let known = |text: String| Some(text).filter(|text| !text.is_empty());
        SessionInfo {
            id: session.id,
            created_at: at(session.created_at_ms),
            last_used_at: at(session.last_used_at_ms),
            expires_at: at(session.expires_at_ms),
            address: known(client.address),
            user_agent: known(client.user_agent),
            current: session.current,
        }
    });
    Ok(Json(Sessions::of(sessions.collect(), next, Some(total))))
}

/// Where a page of sessions ended, in their order: newest first.
struct Place {
    created_at_ms: i64,
    id: String,
}

impl Place {
    fn of(session: &proto::Session) -> Self {
        Self { created_at_ms: session.created_at_ms, id: session.id.clone() }
    }

    fn is_before(&self, session: &proto::Session) -> bool {
        (session.created_at_ms, &session.id) < (self.created_at_ms, &self.id)
    }

    fn to_bytes(&self) -> Vec<u8> {
        [&self.created_at_ms.to_be_bytes()[..], self.id.as_bytes()].concat()
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (at, id) = bytes.split_first_chunk()?;
        Some(Self { created_at_ms: i64::from_be_bytes(*at), id: String::from_utf8(id.to_vec()).ok()? })
    }
}

/// End a session of mine
#[utoipa::path(delete, path = "/api/v1/auth/sessions/{id}", tag = "Auth",
    responses((status = 204, description = "It is over")))]
pub(crate) async fn end_session(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<StatusCode, Problem> {
    gateway.auth().end_session(caller.request(proto::EndSessionRequest { id })).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_begins_behind_the_session_that_ended_the_one_before() {
        let session =
            |created_at_ms, id: &str| proto::Session { created_at_ms, id: id.into(), ..Default::default() };
        let place = Place::parse(&Place::of(&session(5, "b")).to_bytes()).unwrap();
        let behind = [session(6, "a"), session(5, "c"), session(5, "b"), session(5, "a"), session(4, "z")]
            .map(|session| place.is_before(&session));
        assert_eq!(behind, [false, false, false, true, true]);
        assert!(Place::parse(b"short").is_none());
    }
}
