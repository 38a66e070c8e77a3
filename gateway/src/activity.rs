//! The log: what was done to the leads, by whom and when.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use leadline_proto::leads::{self as proto, activity::What};
use leadline_runtime::caller::Caller;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use crate::{
    caller::SignedIn,
    gateway::Gateway,
    leads::lead::{Source, Status, at, page},
    people::{Names, Person},
    problem::Problem,
    query::{Page, PageQuery, Query},
};

/// Makes the types of one list, so that none can be left out of the filter or of the OpenAPI document.
macro_rules! types {
    ($($kind:ident = $name:tt,)*) => {
        /// What can be done to a lead, as the contract names it.
        pub(crate) const TYPES: [&str; [$($name),*].len()] = [$($name),*];

        /// What was done to a lead.
        #[derive(Debug, Clone, Copy, Serialize, ToSchema)]
        pub(crate) enum ActivityType {
            $(#[serde(rename = $name)] $kind,)*
        }
    };
}

types! {
    Created = "lead.created",
    Updated = "lead.updated",
    StatusChanged = "lead.status_changed",
    NoteAdded = "lead.note_added",
    NoteDeleted = "lead.note_deleted",
    Deleted = "lead.deleted",
    Restored = "lead.restored",
    Merged = "lead.merged",
    Imported = "lead.imported",
    Unmerged = "lead.unmerged",
}

/// An entry of the log: one thing that was done to one lead. Entries never change.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "019ab0a2-7c1e-7d31-9a4e-0b1c2d3e4f50",
    "lead": {"id": "019ab0a2-7c1e-7d31-9a4e-0b1c2d3e4f51", "name": "Ada Lovelace"},
    "type": "lead.status_changed",
    "actor": {"id": "019ab0a2-7c1e-7d31-9a4e-0b1c2d3e4f52", "name": "Una Persson"},
    "at": "2026-11-23T09:30:00.000Z", "version": 4,
    "data": {"from": "New", "to": "Contacted", "reason": null}
}))]
pub(crate) struct Activity {
    /// UUIDv7; also the id of the live event that told it.
    #[schema(format = "uuid")]
    id: String,
    /// The lead, with its name at that time; an empty one once it is erased.
    lead: Person,
    #[serde(rename = "type")]
    kind: ActivityType,
    /// Who did it.
    actor: Person,
    #[schema(format = "date-time")]
    at: String,
    /// The lead's version that it made.
    version: u64,
    /// `lead.created`: `{source, status}`. `lead.updated`: `{changes: {field: {from, to}}}`. `lead.status_changed`:
    /// `{from, to, reason}`. `lead.note_added`: `{noteId, text}`, the text cut at 200 characters. `lead.note_deleted`:
    /// `{noteId}`. `lead.deleted`: `{permanent}`; true: it is erased, and this entry is all that is left of it. `lead.restored`: `{}`. `lead.merged` and `lead.unmerged`: `{fromIds, intoId, mergeId}`.
    /// `lead.imported`: `{importId, created}`. While an import is taken back, `undoneImportId` in each.
    #[schema(value_type = Object)]
    data: Value,
}

page! {
    /// A page of the log, newest first.
    ActivityPage of Activity
}

impl Activity {
    /// From the contracts; `None` for what a newer version has written.
    pub(crate) fn of(activity: proto::Activity, names: &Names) -> Option<Self> {
        let (kind, mut data) = told(activity.what?);
        if !activity.undone_import_id.is_empty() {
            data["undoneImportId"] = activity.undone_import_id.into();
        }
        Some(Self {
            id: activity.id,
            lead: Person { id: activity.lead_id, name: activity.lead_name },
            kind,
            actor: names.person(&activity.actor_id),
            at: at(activity.at_ms),
            version: activity.version,
            data,
        })
    }
}

fn told(what: What) -> (ActivityType, Value) {
    use ActivityType as Type;
    match what {
        What::Created(made) => {
            (Type::Created, json!({"source": Source::of(made.source), "status": Status::of(made.status)}))
        }
        What::Updated(edited) => {
            let changes = edited.changes.into_iter();
            let changes: serde_json::Map<String, Value> = changes
                .map(|change| (change.field, json!({"from": value(change.from), "to": value(change.to)})))
                .collect();
            (Type::Updated, json!({"changes": changes}))
        }
        What::StatusChanged(moved) => {
            let (from, to) = (Status::of(moved.from), Status::of(moved.to));
            (Type::StatusChanged, json!({"from": from, "to": to, "reason": moved.reason}))
        }
        What::NoteAdded(note) => (Type::NoteAdded, json!({"noteId": note.note_id, "text": note.text})),
        What::NoteDeleted(note) => (Type::NoteDeleted, json!({"noteId": note.note_id})),
        What::Deleted(deleted) => (Type::Deleted, json!({"permanent": deleted.permanent})),
        What::Restored(_) => (Type::Restored, json!({})),
        What::Merged(merged) => (
            Type::Merged,
            json!({"fromIds": merged.from_ids, "intoId": merged.into_id, "mergeId": merged.merge_id}),
        ),
        What::Unmerged(merged) => (
            Type::Unmerged,
            json!({"fromIds": merged.from_ids, "intoId": merged.into_id, "mergeId": merged.merge_id}),
        ),
        What::Imported(import) => {
            (Type::Imported, json!({"importId": import.import_id, "created": import.created}))
        }
    }
}

fn value(value: Option<proto::activity::FieldValue>) -> Value {
    match value {
        Some(value) if value.is_list => json!(value.list),
        Some(value) => json!(value.text),
        None => Value::Null,
    }
}

/// Which entries.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes parameters in the OpenAPI document")]
pub(crate) struct TypeQuery {
    /// Only these types. Repeated, or with commas between.
    #[param(rename = "type")]
    kind: Option<Vec<ActivityType>>,
}

/// Of which lead.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes parameters in the OpenAPI document")]
pub(crate) struct OfLeadQuery {
    /// Only what was done to this lead, also if it is in the trash or erased.
    #[param(rename = "leadId", format = "uuid")]
    lead_id: Option<String>,
}

/// The feed of the workspace
///
/// What was done to all leads, newest first.
#[utoipa::path(get, path = "/api/v1/activity", tag = "Activity", params(TypeQuery, OfLeadQuery, PageQuery),
    responses((status = 200, description = "The page", body = ActivityPage)))]
pub(crate) async fn list_activity(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    mut query: Query,
) -> Result<Json<ActivityPage>, Problem> {
    let types = types(&mut query);
    let lead_id = query.id("leadId").unwrap_or_default();
    let page = query.page();
    query.finish()?;
    // Here the lead is a filter: the log is shown as it is, and one that is not there matches nothing.
    Ok(Json(fetch(&gateway, &caller, Of { lead_id, gone: true }, types, page).await?))
}

/// The log of a lead
///
/// What was done to it, newest first.
#[utoipa::path(get, path = "/api/v1/leads/{id}/activity", tag = "Leads", params(TypeQuery, PageQuery),
    responses((status = 200, description = "The page", body = ActivityPage)))]
pub(crate) async fn list_lead_activity(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    Path(id): Path<String>,
    mut query: Query,
) -> Result<Json<ActivityPage>, Problem> {
    let types = types(&mut query);
    let page = query.page();
    query.finish()?;
    Ok(Json(fetch(&gateway, &caller, Of { lead_id: id, gone: false }, types, page).await?))
}

fn types(query: &mut Query) -> Vec<String> {
    let find = |text: &str| TYPES.into_iter().find(|known| *known == text).map(str::to_owned);
    query.words("type", find, &TYPES.join(", "))
}

/// Whose log.
#[derive(Default)]
pub(crate) struct Of {
    /// The lead; empty: all.
    lead_id: String,
    /// If it is in the trash, erased or unknown too, which is not found else.
    gone: bool,
}

/// A page of the log.
pub(crate) async fn fetch(
    gateway: &Gateway,
    caller: &Caller,
    of: Of,
    types: Vec<String>,
    page: Page,
) -> Result<ActivityPage, Problem> {
    let Of { lead_id, gone } = of;
    let request = proto::ListActivityRequest { lead_id, gone, types, limit: page.limit, cursor: page.cursor };
    let answer = gateway.leads().list_activity(caller.request(request)).await?.into_inner();
    let actors: Vec<&str> = answer.activities.iter().map(|activity| activity.actor_id.as_str()).collect();
    let names = gateway.people.names(caller, &actors).await;
    let items = answer.activities.into_iter().filter_map(|activity| Activity::of(activity, &names)).collect();
    Ok(ActivityPage::of(items, answer.next_cursor, answer.total))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(what: What) -> Value {
        let activity = proto::Activity { actor_id: "u".into(), what: Some(what), ..Default::default() };
        let shown = Activity::of(activity, &Names::of_test([("u", "Una")])).unwrap();
        serde_json::to_value(shown).unwrap()
    }

    #[test]
    fn each_thing_done_is_told_with_its_data() {
        let text = |text: &str| proto::activity::FieldValue { text: Some(text.into()), ..Default::default() };
        let updated = shown(What::Updated(proto::activity::Updated {
            changes: vec![
                proto::activity::FieldChange { field: "company".into(), from: None, to: Some(text("ACME")) },
                proto::activity::FieldChange {
                    field: "tags".into(),
                    from: Some(proto::activity::FieldValue { is_list: true, ..Default::default() }),
                    to: Some(proto::activity::FieldValue {
                        is_list: true,
                        list: vec!["a".into()],
                        ..Default::default()
                    }),
                },
            ],
        }));
        assert_eq!(updated["type"], "lead.updated");
        assert_eq!(updated["actor"], json!({"id": "u", "name": "Una"}));
        assert_eq!(
            updated["data"],
            json!({"changes": {"company": {"from": null, "to": "ACME"}, "tags": {"from": [], "to": ["a"]}}})
        );
        let moved =
            shown(What::StatusChanged(proto::activity::StatusChanged { from: 1, to: 5, reason: None }));
        assert_eq!(moved["data"], json!({"from": "New", "to": "Lost", "reason": null}));
    }

    #[test]
    fn an_entry_of_a_newer_version_is_passed_over() {
        assert!(Activity::of(proto::Activity::default(), &Names::of_test([])).is_none());
    }
}
