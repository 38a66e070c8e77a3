//! Live events: Server-Sent Events of the caller's workspace.

mod flood;
pub(crate) mod hub;
mod stream;

use std::{convert::Infallible, sync::Arc};

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use futures::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use leadline_runtime::ids::parse_uuid;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use utoipa::{IntoParams, ToSchema};

use self::stream::Stream;
use crate::{
    caller::{SignedIn, authorization},
    gateway::Gateway,
    leads::lead::at,
    problem::Problem,
    query::NoQuery,
};

/// How many events wait for a slow client before the stream itself waits.
const WAITING: usize = 64;

/// Figures have changed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Figures {
    /// Everything up to this time is counted.
    as_of: String,
}

impl Figures {
    fn of(as_of_ms: i64) -> Self {
        Self { as_of: at(as_of_ms) }
    }
}

/// Where a stream resumes.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "describes a header in the OpenAPI document")]
pub(crate) struct ResumeHeader {
    /// The `id` of the last event that the client has: the stream begins with what came after it.
    #[param(rename = "Last-Event-ID", format = "uuid")]
    last_event_id: Option<String>,
}

/// Live events
///
/// Server-Sent Events of the workspace. `activity`: something was done to a lead, as in the feed; of the leads that one import makes or
/// updates (`lead.imported`), and of those that are taken back with it, about one in half a second is told, and the feed has all of them. `reminder.due`: a reminder
/// fell due. `analytics`: figures have changed, `{asOf}`; one is sent after each connection, too. `import`: an import went on, as
/// from `GET /api/v1/leads/imports/{id}`; what is missed of it is not told again. `reload`: more was missed than can be told, load
/// everything anew. Each has an `id`, but for `reload`; `Last-Event-ID` resumes without loss, and may repeat the last half minute. A comment every 15 s keeps the stream open. It ends when the token does. A user may have 20
/// streams: more are 429.
#[utoipa::path(get, path = "/api/v1/events", tag = "Activity", params(ResumeHeader),
    responses((status = 200, description = "The stream", content_type = "text/event-stream", body = String,
        example = "id: 019ab0a2-7c1e-7d31-9a4e-0b1c2d3e4f50\nevent: analytics\ndata: {\"asOf\":\"2026-11-23T09:30:00.000Z\"}\n\n")))]
pub(crate) async fn get_events(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    _: NoQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let last = match headers.get("last-event-id") {
        Some(value) if !value.is_empty() => Some(
            value
                .to_str()
                .ok()
                .and_then(|text| parse_uuid(text).ok())
                .ok_or_else(|| Problem::bad_header("Last-Event-ID", "must be the id of an event"))?
                .to_string(),
        ),
        _ => None,
    };
    let place = gateway.hub.enter(&caller, last.as_deref())?;
    let (out, frames) = mpsc::channel(WAITING);
    let token = authorization(&headers).unwrap_or_default().to_owned();
    let (stream, resumes) = Stream::new(gateway.clone(), caller, token, place, out, last);
    gateway.stop.spawn(stream.run(resumes));
    let body = Body::from_stream(ReceiverStream::new(frames).map(Ok::<_, Infallible>));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((headers, body).into_response())
}
