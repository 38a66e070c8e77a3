//! Leads that become one, and how that is taken back.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};
use leadline_proto::leads as proto;
use utoipa::ToSchema;

use super::{lead::Lead, show};
use crate::{
    body::{self, MaybeJson},
    caller::SignedIn,
    etag::{IfMatch, IfMatchHeader},
    gateway::Gateway,
    once::{self, Key},
    problem::Problem,
    query::NoQuery,
};

/// Leads that go into another.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes a body in the OpenAPI document; bodies are read by hand")]
pub(crate) struct LeadMerge {
    /// The leads that go into this one; what is named twice counts once.
    #[schema(min_items = 1, max_items = 20)]
    from: Vec<String>,
}

/// A merge that is taken back.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "describes a body in the OpenAPI document; bodies are read by hand")]
pub(crate) struct LeadUnmerge {
    /// The merge, as `lead.merged` in the log names it; the newest of this lead if absent.
    #[schema(format = "uuid")]
    merge_id: Option<String>,
}

/// Merge leads into one
///
/// Notes, tags, reminders and history of the leads in `from` move to this one; its empty fields fill from them in the order
/// given. They are gone from every list, count, chart and search, until the merge is taken back.
#[utoipa::path(post, path = "/api/v1/leads/{id}/merge", tag = "Leads", params(IfMatchHeader), request_body = LeadMerge,
    responses((status = 200, description = "The lead that the others went into", body = Lead)))]
pub(crate) async fn merge_leads(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    Path(id): Path<String>,
    _: NoQuery,
    IfMatch(if_match): IfMatch,
    key: Key,
    mut body: body::Json,
) -> Result<Response, Problem> {
    let from_ids = body.fields.texts("from").unwrap_or_default();
    let message = proto::MergeLeadsRequest { id, from_ids, if_match, faults: body.fields.finish() };
    let answer = gateway.leads().merge_leads(key.request(&caller, message, &body.raw)).await?;
    let replayed = once::replayed(&answer);
    let mut response = show(&gateway, &caller, answer.into_inner()).await;
    response.headers_mut().extend(replayed);
    Ok(response)
}

/// Take a merge back
///
/// Within 30 days, the leads that went into this one stand as before: fields, notes, tags, reminders and history. Fields and
/// tags that the merge filled are emptied again, unless they were edited since; notes written since stay here. 409 when there
/// is nothing, or nothing any more, to take back.
#[utoipa::path(post, path = "/api/v1/leads/{id}/unmerge", tag = "Leads", params(IfMatchHeader),
    request_body = LeadUnmerge,
    responses((status = 200, description = "The lead that the others had gone into", body = Lead)))]
pub(crate) async fn unmerge_leads(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    Path(id): Path<String>,
    _: NoQuery,
    IfMatch(if_match): IfMatch,
    key: Key,
    MaybeJson(mut body): MaybeJson,
) -> Result<Response, Problem> {
    let merge_id = body.fields.text("mergeId").unwrap_or_default();
    let message = proto::UnmergeLeadsRequest { id, merge_id, if_match, faults: body.fields.finish() };
    let answer = gateway.leads().unmerge_leads(key.request(&caller, message, &body.raw)).await?;
    let replayed = once::replayed(&answer);
    let mut response = show(&gateway, &caller, answer.into_inner()).await;
    response.headers_mut().extend(replayed);
    Ok(response)
}
