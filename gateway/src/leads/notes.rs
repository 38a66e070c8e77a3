//! Notes of a lead.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use leadline_proto::leads as proto;
use leadline_runtime::refusal::Refusal;
use utoipa::ToSchema;

use super::lead::{Note, NotePage};
use crate::{
    body,
    caller::SignedIn,
    etag::{IfMatch, IfMatchHeader},
    gateway::Gateway,
    once::{self, Key},
    problem::Problem,
    query::{NoQuery, PageQuery, Query},
};

/// A new note.
#[derive(ToSchema)]
#[schema(example = json!({"text": "Wants a call on Thursday."}))]
#[allow(dead_code, reason = "describes a body in the OpenAPI document; bodies are read by hand")]
pub(crate) struct NewNote {
    /// 1 to 10,000 characters.
    #[schema(min_length = 1, max_length = 10_000, pattern = r"\S")]
    text: String,
}

/// List a lead's notes
///
/// Newest first.
#[utoipa::path(get, path = "/api/v1/leads/{id}/notes", tag = "Leads", params(PageQuery),
    responses((status = 200, description = "The page", body = NotePage)))]
pub(crate) async fn list_notes(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    Path(lead_id): Path<String>,
    mut query: Query,
) -> Result<Json<NotePage>, Problem> {
    let page = query.page();
    query.finish()?;
    let request = proto::ListNotesRequest { lead_id, limit: page.limit, cursor: page.cursor };
    let answer = gateway.leads().list_notes(caller.request(request)).await?.into_inner();
    let authors: Vec<&str> = answer.notes.iter().map(|note| note.author_id.as_str()).collect();
    let names = gateway.people.names(&caller, &authors).await;
    let notes = answer.notes.into_iter().map(|note| Note::of(note, &names)).collect();
    Ok(Json(NotePage::of(notes, answer.next_cursor, answer.total)))
}

/// Write a note
///
/// Raises the lead's version.
#[utoipa::path(post, path = "/api/v1/leads/{id}/notes", tag = "Leads", params(IfMatchHeader), request_body = NewNote,
    responses((status = 201, description = "The note", body = Note)))]
pub(crate) async fn add_note(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    Path(lead_id): Path<String>,
    _: NoQuery,
    IfMatch(if_match): IfMatch,
    key: Key,
    mut body: body::Json,
) -> Result<Response, Problem> {
    let text = body.fields.text("text");
    let message =
        proto::AddNoteRequest { lead_id: lead_id.clone(), text, if_match, faults: body.fields.finish() };
    let answer = gateway.leads().add_note(key.request(&caller, message, &body.raw)).await?;
    let replayed = once::replayed(&answer);
    let note = answer.into_inner().note.ok_or_else(|| Refusal::internal("a note without its note"))?;
    let names = gateway.people.names(&caller, &[note.author_id.as_str()]).await;
    // Written by the service: an id, which is always a valid header value.
    let location = format!("/api/v1/leads/{lead_id}/notes/{}", note.id);
    let mut response =
        (StatusCode::CREATED, [(header::LOCATION, location)], Json(Note::of(note, &names))).into_response();
    response.headers_mut().extend(replayed);
    Ok(response)
}

/// Delete a note
///
/// Its author, an admin or an owner may.
#[utoipa::path(delete, path = "/api/v1/leads/{id}/notes/{noteId}", tag = "Leads", params(IfMatchHeader),
    responses((status = 204, description = "It is gone")))]
pub(crate) async fn delete_note(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    Path((lead_id, note_id)): Path<(String, String)>,
    _: NoQuery,
    IfMatch(if_match): IfMatch,
) -> Result<StatusCode, Problem> {
    let message = proto::DeleteNoteRequest { lead_id, note_id, if_match };
    gateway.leads().delete_note(caller.request(message)).await?;
    Ok(StatusCode::NO_CONTENT)
}
