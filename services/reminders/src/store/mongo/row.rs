//! A reminder as a document, and the filters that find it.

use bson::{Document, doc};
use leadline_runtime::{caller::Scope, ids::parse_uuid, time::Millis, version::Version};
use leadline_storage::{StorageError, mongo::Count};

use super::{COUNTED, Query, StoreError};
use crate::reminder::{LeadId, Message, Reminder, ReminderId, Status};

#[allow(non_snake_case, reason = "a constant that bson can't make at compile time")]
pub(super) fn ORDER() -> Document {
    doc! { "dueAt": 1, "_id": 1 }
}

pub(super) fn key(scope: Scope, id: ReminderId) -> Document {
    doc! { "_id": id.to_string(), "workspaceId": scope.workspace().to_string() }
}

pub(super) fn lead_key(scope: Scope, lead: LeadId) -> String {
    format!("{}/{lead}", scope.workspace())
}

pub(super) fn armed(now: Millis) -> Document {
    doc! { "armed": true, "hidden": false, "dueAt": { "$lte": now.0 } }
}

pub(super) fn filter(scope: Scope, query: &Query) -> Document {
    let mut filter = doc! { "workspaceId": scope.workspace().to_string(), "hidden": false };
    if let Some(lead) = query.lead {
        filter.insert("leadId", lead.to_string());
    }
    if let Some(assignee) = query.assignee {
        filter.insert("assigneeId", assignee.to_string());
    }
    if let Some(pending) = query.pending {
        filter.insert("done", !pending);
    }
    let mut due = Document::new();
    if let Some(from) = query.due_from {
        due.insert("$gte", from.0);
    }
    if let Some(to) = query.due_to {
        due.insert("$lt", to.0);
    }
    if !due.is_empty() {
        filter.insert("dueAt", due);
    }
    filter
}

pub(super) fn page_filter(scope: Scope, query: &Query) -> Document {
    let base = filter(scope, query);
    let Some(after) = query.after else { return base };
    doc! { "$and": [base, { "$or": [
        { "dueAt": { "$gt": after.due_at.0 } },
        { "dueAt": after.due_at.0, "_id": { "$gt": after.id.to_string() } },
    ] }] }
}

/// How many a list has in all, from the index that knows most of its conditions.
pub(super) fn count(scope: Scope, query: &Query) -> Count {
    let index = match (query.lead, query.assignee, query.pending) {
        (Some(_), _, _) => "by_lead",
        (None, Some(_), _) => "by_assignee",
        (None, None, Some(_)) => "by_status",
        (None, None, None) => "by_due",
    };
    Count { collection: "reminders", filter: filter(scope, query), index, limit: COUNTED + 1 }
}

/// The reminders that are a lead's own, wherever they are shown.
pub(super) fn own(scope: Scope, origin: &str) -> Document {
    doc! { "workspaceId": scope.workspace().to_string(), "originId": origin }
}

pub(super) fn row(scope: Scope, reminder: &Reminder) -> Document {
    let done_at = match reminder.status {
        Status::Pending => None,
        Status::Done(at) => Some(at.0),
    };
    doc! {
        "_id": reminder.id.to_string(),
        "workspaceId": scope.workspace().to_string(),
        "leadId": reminder.lead.to_string(),
        "originId": reminder.lead.to_string(),
        "dueAt": reminder.due_at.0,
        "message": reminder.message.as_str(),
        "doneAt": done_at,
        "done": done_at.is_some(),
        "assigneeId": reminder.assignee.to_string(),
        "createdBy": reminder.created_by.to_string(),
        "createdAt": reminder.created_at.0,
        "version": reminder.version.0.cast_signed(),
        "armed": reminder.armed,
        "toldDueAt": reminder.told.map(|at| at.0),
        "hidden": false,
    }
}

pub(super) fn reminder(row: &Document) -> Result<Reminder, StoreError> {
    let read = || -> Option<Reminder> {
        let id = |name: &str| parse_uuid(row.get_str(name).ok()?).ok();
        Some(Reminder {
            id: id("_id")?.into(),
            lead: id("leadId")?.into(),
            due_at: Millis(row.get_i64("dueAt").ok()?),
            message: Message::stored(row.get_str("message").ok()?.to_owned()),
            status: row.get_i64("doneAt").map_or(Status::Pending, |at| Status::Done(Millis(at))),
            assignee: id("assigneeId")?.into(),
            created_by: id("createdBy")?.into(),
            created_at: Millis(row.get_i64("createdAt").ok()?),
            version: Version(row.get_i64("version").ok()?.cast_unsigned()),
            armed: row.get_bool("armed").ok()?,
            told: row.get_i64("toldDueAt").ok().map(Millis),
        })
    };
    read().ok_or_else(|| StorageError::Internal("a reminder's row can't be read".to_owned()).into())
}
