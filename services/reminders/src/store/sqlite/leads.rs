//! What is known of leads, and which of them shows whose reminders: a lead's own go with it where it is merged.

use leadline_runtime::{caller::Scope, time::Millis};
use leadline_storage::{StorageError, sqlite::leave_no_remains};
use rusqlite::{Connection, OptionalExtension, params};

use super::{Named, StoreError, erase, named, tell};
use crate::reminder::{By, Kind, KnownLead, LeadId, Reminder};

/// What is known of a lead.
pub(super) struct Known {
    pub(super) name: String,
    version: i64,
    pub(super) deleted: bool,
    merged_into: Option<String>,
}

pub(super) fn known(conn: &Connection, scope: Scope, lead: LeadId) -> Result<Option<Known>, rusqlite::Error> {
    conn.prepare_cached(
        "SELECT name, version, deleted, merged_into FROM leads WHERE workspace = ?1 AND id = ?2",
    )?
    .query_row([scope.workspace().to_string(), lead.to_string()], |row| {
        Ok(Known { name: row.get(0)?, version: row.get(1)?, deleted: row.get(2)?, merged_into: row.get(3)? })
    })
    .optional()
}

/// Takes in news of a lead, unless something newer is known.
pub(super) fn know(conn: &Connection, scope: Scope, lead: &KnownLead) -> Result<(), StoreError> {
    let (workspace, id) = (scope.workspace().to_string(), lead.id.to_string());
    // Late news of an erased workspace bring nothing back.
    if erase::is_marked(conn, scope)? {
        return Ok(());
    }
    let before = known(conn, scope, lead.id)?;
    let version = lead.version.cast_signed();
    if before.as_ref().is_some_and(|before| before.version >= version) {
        return Ok(());
    }
    let merged_into = lead.merged_into.map(|into| into.to_string());
    // An erased lead leaves its watermark, and nothing about the person.
    let name = if lead.erased { "" } else { lead.name.as_str() };
    conn.prepare_cached(
        "INSERT INTO leads (workspace, id, version, name, deleted, revision, merged_into)
         VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6)
         ON CONFLICT (workspace, id) DO UPDATE SET version = ?3, name = ?4, deleted = ?5, merged_into = ?6",
    )?
    .execute(params![workspace, id, version, name, lead.deleted, merged_into])?;
    if lead.erased {
        for sql in FORGET {
            conn.prepare_cached(sql)?.execute([&workspace, &id])?;
        }
        leave_no_remains(conn)?;
    } else if before.is_none_or(|before| before.deleted != lead.deleted || before.merged_into != merged_into)
    {
        settle(conn, scope, lead.id)?;
    }
    Ok(())
}

/// Takes away what is told of a lead that is erased. A key stays, so that it makes nothing a second time; what waits to be
/// published goes once it is: the relay counts on finding again what some consumers have handled and others not.
pub(super) const FORGET: [&str; 5] = [
    "DELETE FROM reminders WHERE workspace = ?1 AND lead = ?2",
    "DELETE FROM reminders WHERE workspace = ?1 AND origin = ?2",
    "UPDATE once SET fingerprint = '', answer = x'', erased = 1
        WHERE id IN (SELECT once FROM once_leads WHERE workspace = ?1 AND lead = ?2)",
    "DELETE FROM outbox WHERE workspace = ?1 AND lead = ?2 AND published = 1",
    "UPDATE outbox SET erased = 1 WHERE workspace = ?1 AND lead = ?2",
];

/// The lead that shows a lead's reminders: itself, or where it went, however far.
fn shown_by(conn: &Connection, scope: Scope, lead: LeadId) -> Result<LeadId, StoreError> {
    let mut seen = vec![lead];
    let mut at = lead;
    while let Some(into) = known(conn, scope, at)?.and_then(|known| known.merged_into) {
        at = LeadId::parse(&into)
            .map_err(|_| StorageError::Internal("a lead went into what is not one".to_owned()))?;
        if seen.contains(&at) {
            break;
        }
        seen.push(at);
    }
    Ok(at)
}

/// A lead, and all that went into it, however far.
pub(super) const UNDER: &str = "WITH RECURSIVE under (id) AS (
        SELECT ?2 UNION SELECT l.id FROM under u CROSS JOIN leads l ON l.workspace = ?1 AND l.merged_into = u.id
    ) SELECT id FROM under";
/// The reminders that are a lead's own.
pub(super) const OWN: &str =
    "SELECT r.id, r.lead, r.due_at, r.message, r.done_at, r.assignee, r.created_by, r.created_at, r.version,
    r.armed, r.told_due_at, '' FROM reminders r WHERE r.workspace = ?1 AND r.origin = ?2 ORDER BY r.id LIMIT 1";

/// Puts the reminders of a lead, and of those that went into it, where they belong, and tells of the leads concerned.
fn settle(conn: &Connection, scope: Scope, lead: LeadId) -> Result<(), StoreError> {
    let workspace = scope.workspace().to_string();
    let root = shown_by(conn, scope, lead)?;
    // It may be told of later; its reminders can be counted already.
    conn.prepare_cached(
        "INSERT OR IGNORE INTO leads (workspace, id, version, name, deleted, revision) VALUES (?1, ?2, 0, '', 1, 0)",
    )?
    .execute([workspace.clone(), root.to_string()])?;
    let hidden = known(conn, scope, root)?.is_none_or(|known| known.deleted);
    let under = conn
        .prepare_cached(UNDER)?
        .query_map([workspace.clone(), lead.to_string()], |row| row.get::<_, String>(0))?
        .collect::<Result<Vec<_>, _>>()?;
    let mut moved: Vec<Reminder> = Vec::new();
    for origin in under {
        let first = conn.prepare_cached(OWN)?.query_row([&workspace, &origin], named).optional()?;
        let Some(Named { reminder, .. }) = first else { continue };
        conn.prepare_cached(
            "UPDATE reminders SET lead = ?3, hidden = ?4 WHERE workspace = ?1 AND origin = ?2",
        )?
        .execute(params![workspace, origin, root.to_string(), hidden])?;
        if reminder.lead != root {
            for of in [reminder.lead, root] {
                if !moved.iter().any(|told| told.lead == of) {
                    moved.push(Reminder { lead: of, ..reminder.clone() });
                }
            }
        }
    }
    let by = By { actor: None, at: Millis::now(), request_id: String::new(), traceparent: String::new() };
    for reminder in moved {
        let name = known(conn, scope, reminder.lead)?.map(|known| known.name).unwrap_or_default();
        tell(conn, scope, Kind::Moved, &reminder, &name, &by)?;
    }
    Ok(())
}
