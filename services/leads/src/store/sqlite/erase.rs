//! Erased workspaces in a SQLite file.

use leadline_runtime::{caller::Scope, once::Once, time::Millis};
use leadline_storage::{
    rusqlite::{Connection, OptionalExtension},
    sqlite::leave_no_remains,
};

use super::{Number, imports, merge, number_of, row::sql_limit};
use crate::store::{Erasing, StoreError};

pub(super) const TO_ERASE: &str = "SELECT workspace, at FROM erased WHERE done = 0 ORDER BY at LIMIT 100";
pub(super) const IMPORTS: [&str; 2] = [
    "SELECT row FROM imports INDEXED BY imports_by_workspace WHERE workspace = ?1 AND state > 0 LIMIT 1",
    "SELECT row FROM imports INDEXED BY imports_coming WHERE state = 0 AND workspace = ?1 LIMIT 1",
];
pub(super) const LEADS: &str =
    "SELECT row, note_count FROM leads INDEXED BY leads_by_created WHERE workspace = ?1 LIMIT ?2";
pub(super) const MERGES: &str = "SELECT id FROM merges WHERE workspace = ?1 LIMIT ?2";
/// Rows that nothing else hangs on, by the number of their workspace. What of the log waits to be published stays until it
/// is: the relay counts on finding again what some consumers have handled and others not.
pub(super) const LOOSE: [&str; 3] = [
    "DELETE FROM lead_tags WHERE (workspace, trashed, tag, created_at, id) IN
        (SELECT workspace, trashed, tag, created_at, id FROM lead_tags WHERE workspace = ?1 LIMIT ?2)",
    "DELETE FROM merged WHERE row IN (SELECT row FROM merged WHERE workspace = ?1 LIMIT ?2)",
    "DELETE FROM activity WHERE row IN (SELECT row FROM activity INDEXED BY activity_by_workspace
        WHERE workspace = ?1 AND hidden = 0 AND published = 1 LIMIT ?2)",
];
pub(super) const WAITING: &str =
    "SELECT 1 FROM activity INDEXED BY activity_by_workspace WHERE workspace = ?1 AND hidden = 0 LIMIT 1";
pub(super) const KEYS: &str =
    "DELETE FROM once WHERE id IN (SELECT id FROM once WHERE id >= ?1 AND id < ?2 LIMIT ?3)";
/// There is hardly ever any: events that no consumer could handle.
const PARKED: &str = "DELETE FROM parked WHERE instr(event, ?1) > 0";

/// Marks a workspace; a second time changes nothing.
pub(super) fn mark(conn: &Connection, scope: Scope, at: Millis) -> Result<(), StoreError> {
    conn.prepare_cached("INSERT OR IGNORE INTO erased (workspace, at) VALUES (?1, ?2)")?
        .execute((scope.workspace().uuid().as_bytes(), at.0))?;
    Ok(())
}

pub(super) fn to_erase(conn: &Connection) -> Result<Vec<(Scope, Millis)>, StoreError> {
    let mut found = conn.prepare_cached(TO_ERASE)?;
    let rows = found.query_map([], |row| {
        let workspace = uuid::Uuid::from_bytes(row.get(0)?).into();
        Ok((Scope::of_own_row(workspace), Millis(row.get(1)?)))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn done(conn: &Connection, scope: Scope) -> Result<(), StoreError> {
    conn.prepare_cached("UPDATE erased SET done = 1 WHERE workspace = ?1")?
        .execute([scope.workspace().uuid().as_bytes()])?;
    Ok(())
}

/// Takes some rows away, in the transaction of the caller.
pub(super) fn some(conn: &Connection, scope: Scope, limit: usize) -> Result<Erasing, StoreError> {
    let keys = Once::of_workspace(scope.workspace());
    let mut gone = conn.prepare_cached(KEYS)?.execute((keys.start, keys.end, sql_limit(limit)))?;
    gone += conn.prepare_cached(PARKED)?.execute([scope.workspace().to_string().into_bytes()])?;
    let mut waits = false;
    if let Some(number) = number_of(conn, scope)? {
        // First: an import that is under way stops.
        if an_import(conn, number, limit)? {
            leave_no_remains(conn)?;
            return Ok(Erasing::More);
        }
        gone += leads(conn, number, limit)?;
        gone += merges(conn, number, limit)?;
        for sql in LOOSE {
            gone += conn.prepare_cached(sql)?.execute((number, sql_limit(limit)))?;
        }
        waits = conn.prepare_cached(WAITING)?.exists([number])?;
    }
    if gone > 0 {
        leave_no_remains(conn)?;
    }
    Ok(match (gone, waits) {
        (1.., _) => Erasing::More,
        (0, true) => Erasing::Waiting,
        (0, false) => Erasing::Gone,
    })
}

/// Takes a part of an import away. Whoever carries it on has lost it; a file that is coming in is not waited for any more.
fn an_import(conn: &Connection, number: Number, limit: usize) -> Result<bool, StoreError> {
    for sql in IMPORTS {
        let found: Option<i64> =
            conn.prepare_cached(sql)?.query_row([number], |row| row.get(0)).optional()?;
        let Some(place) = found else { continue };
        conn.prepare_cached(
            "UPDATE imports SET created_at = 0, holder = NULL, leased_until = 0,
                state = CASE WHEN state IN (1, 2, 5) THEN 4 ELSE state END WHERE row = ?1",
        )?
        .execute([place])?;
        if imports::clear(conn, place, limit)? {
            conn.prepare_cached("DELETE FROM imports WHERE row = ?1")?.execute([place])?;
        }
        return Ok(true);
    }
    Ok(false)
}

/// Takes some leads away with their notes and grams.
fn leads(conn: &Connection, number: Number, limit: usize) -> Result<usize, StoreError> {
    let mut found = conn.prepare_cached(LEADS)?;
    let found = found
        .query_map((number, sql_limit(limit)), |row| Ok((row.get::<_, i64>(0)?, row.get::<_, u32>(1)?)))?;
    let (mut gone, mut notes) = (0, 0);
    for found in found.collect::<Result<Vec<_>, _>>()? {
        for sql in ["DELETE FROM grams WHERE rowid = ?1", "DELETE FROM notes WHERE lead = ?1"] {
            conn.prepare_cached(sql)?.execute([found.0])?;
        }
        gone += conn.prepare_cached("DELETE FROM leads WHERE row = ?1")?.execute([found.0])?;
        notes += found.1 as usize;
        if notes > limit {
            break;
        }
    }
    Ok(gone)
}

fn merges(conn: &Connection, number: Number, limit: usize) -> Result<usize, StoreError> {
    let some = (limit / 10).max(1);
    let found: Vec<[u8; 16]> = conn
        .prepare_cached(MERGES)?
        .query_map((number, sql_limit(some)), |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    found.iter().try_for_each(|merge| merge::forget(conn, *merge))?;
    Ok(found.len())
}
