//! One change to many leads.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use leadline_proto::leads::{self as proto, change_leads_request::Change};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    fields::Tag,
    filter::{Filter, LeadQuery},
    lead::Status,
    resolve,
};
use crate::{
    body::{self, Fields},
    caller::SignedIn,
    gateway::Gateway,
    once::{self, Key},
    problem::Problem,
    query::{NoQuery, Query},
};

/// Which leads, by `ids` or by `filter`, and exactly one change; a move may have a reason.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(min_properties = 2, max_properties = 3, example = json!({"filter": {"status": ["New"], "inactiveFor": "90d"}, "setStatus": "Lost", "reason": "No answer"}))]
#[allow(dead_code, reason = "describes a body in the OpenAPI document; bodies are read by hand")]
pub(crate) struct BulkChange {
    /// These leads. Unknown ids are told as failed.
    #[schema(min_items = 1, max_items = 1000, nullable = false)]
    ids: Option<Vec<String>>,
    /// Every lead that this filter matches: the query parameters of the list, by the same names.
    #[schema(nullable = false)]
    filter: Option<LeadQuery>,
    /// Move them to this stage.
    #[schema(nullable = false)]
    set_status: Option<Status>,
    /// Why they are moved; with `setStatus` only. It is logged with each.
    #[schema(max_length = 500)]
    reason: Option<String>,
    /// Add these tags.
    #[schema(min_items = 1, max_items = 50, nullable = false)]
    add_tags: Option<Vec<Tag>>,
    /// Take these tags away.
    #[schema(min_items = 1, max_items = 50, nullable = false)]
    remove_tags: Option<Vec<Tag>>,
    /// Give them to this member, or to nobody (`null`).
    #[schema(format = "uuid")]
    assign_to: Option<String>,
    /// Put them into the trash.
    #[schema(nullable = false)]
    delete: Option<bool>,
}

/// What became of a change to many leads.
#[derive(Serialize, ToSchema)]
pub(crate) struct BulkResult {
    /// How many leads were meant and found.
    matched: u64,
    /// How many of them are different now.
    changed: u64,
    /// Those that could not be changed.
    failed: Vec<BulkFailure>,
}

/// A lead that could not be changed.
#[derive(Serialize, ToSchema)]
pub(crate) struct BulkFailure {
    /// As it was given.
    id: String,
    /// Why, in one sentence.
    reason: String,
}

/// Change many leads at once
///
/// A filter may mean 20,000 leads; more are refused with 422, and nothing is changed. They are changed in parts: a 503 may come
/// when some are changed already, and the same request, or its `Idempotency-Key`, goes on with the others.
#[utoipa::path(post, path = "/api/v1/leads/bulk", tag = "Leads", request_body = BulkChange,
    responses((status = 200, description = "What became of it", body = BulkResult)))]
pub(crate) async fn change_leads(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    _: NoQuery,
    key: Key,
    mut body: body::Json,
) -> Result<Response, Problem> {
    let fields = &mut body.fields;
    if fields.has("ids") == fields.has("filter") {
        fields.fault("ids", "give either ids or filter");
    }
    let ids = ids(fields);
    let filter = match fields.any("filter") {
        None | Some(Value::Null) => None,
        Some(Value::Object(members)) => {
            let mut query = Query::of_object(members, "filter.");
            let filter = Filter::read(&mut query, &caller);
            for fault in query.faults("is not a filter").into_vec() {
                fields.fault(fault.field, fault.message);
            }
            Some(filter)
        }
        Some(_) => {
            fields.fault("filter", "must be an object");
            None
        }
    };
    let filter = match filter {
        Some(filter) => Some(resolve(&gateway, &caller, filter).await?),
        None => None,
    };
    let change = change(fields);
    let reason = fields.text("reason");
    let message = proto::ChangeLeadsRequest { ids, filter, change, reason, faults: body.fields.finish() };
    let answer = gateway.leads().change_leads(key.request(&caller, message, &body.raw)).await?;
    let replayed = once::replayed(&answer);
    let answer = answer.into_inner();
    let failed = answer.failed.into_iter();
    let result = BulkResult {
        matched: answer.matched,
        changed: answer.changed,
        failed: failed.map(|lead| BulkFailure { id: lead.id, reason: lead.reason }).collect(),
    };
    let mut response = Json(result).into_response();
    response.headers_mut().extend(replayed);
    Ok(response)
}

fn ids(fields: &mut Fields) -> Vec<String> {
    let given = fields.has("ids");
    let ids = fields.texts("ids").unwrap_or_default();
    // With an empty list, the service would take the filter: every lead.
    if given && ids.is_empty() {
        fields.fault("ids", "must name 1 to 1,000 leads");
    }
    ids
}

const CHANGES: [&str; 5] = ["setStatus", "addTags", "removeTags", "assignTo", "delete"];

fn change(fields: &mut Fields) -> Option<Change> {
    let given: Vec<&str> = CHANGES.into_iter().filter(|name| fields.has(name)).collect();
    if given.len() != 1 {
        let message = "give exactly one of setStatus, addTags, removeTags, assignTo and delete";
        fields.fault(given.first().copied().unwrap_or("setStatus"), message);
    }
    let mut change = None;
    for name in given {
        let tags = |tags| proto::change_leads_request::Tags { tags };
        change = match name {
            "setStatus" => fields
                .word(name, Status::parse, Status::ALLOWED)
                .map(|status| Change::SetStatus(status.to_proto().into())),
            "addTags" => fields.texts(name).map(|list| Change::AddTags(tags(list))),
            "removeTags" => fields.texts(name).map(|list| Change::RemoveTags(tags(list))),
            "assignTo" => match fields.any(name) {
                Some(Value::Null) => Some(Change::AssignTo(String::new())),
                Some(Value::String(id)) if !id.is_empty() => Some(Change::AssignTo(id)),
                _ => None,
            },
            _ => (fields.any(name) == Some(Value::Bool(true))).then_some(Change::Delete(true)),
        };
        if change.is_none() {
            fields.fault(
                name,
                match name {
                    "assignTo" => "must be a member's id, or null for nobody",
                    "delete" => "must be true",
                    "setStatus" => "must be a stage",
                    _ => "must be a list of tags",
                },
            );
        }
    }
    change
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> (Option<Change>, Vec<String>) {
        let mut fields = Fields::of_test(json);
        let change = change(&mut fields);
        (change, fields.finish().into_iter().map(|fault| fault.field).collect())
    }

    #[test]
    fn exactly_one_change_is_asked_for() {
        assert_eq!(read(r#"{"assignTo": null}"#), (Some(Change::AssignTo(String::new())), vec![]));
        assert_eq!(read(r#"{"delete": true}"#), (Some(Change::Delete(true)), vec![]));
        assert_eq!(read("{}").1, ["setStatus"]);
        assert_eq!(read(r#"{"delete": false}"#).1, ["delete"]);
        assert!(read(r#"{"delete": true, "setStatus": "Lost"}"#).1.contains(&"setStatus".to_owned()));
        assert!(read(r#"{"assignTo": 7}"#).1.contains(&"assignTo".to_owned()));
    }

    #[test]
    fn an_empty_list_of_ids_never_means_every_lead() {
        let mut fields = Fields::of_test(r#"{"ids": []}"#);
        assert!(ids(&mut fields).is_empty());
        assert_eq!(fields.finish().len(), 1);
    }
}
