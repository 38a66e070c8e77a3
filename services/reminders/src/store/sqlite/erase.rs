//! Erased workspaces in a SQLite file.

use leadline_runtime::{caller::Scope, once::Once, time::Millis};
use leadline_storage::sqlite::leave_no_remains;
use rusqlite::Connection;

use super::{whole, workspace_id};
use crate::store::{Erasing, StoreError};

const TO_ERASE: &str = "SELECT workspace, at FROM erased WHERE done = 0 ORDER BY at LIMIT 100";
/// Rows by their workspace. What waits to be published stays until it is: the relay counts on finding again what some
/// consumers have handled and others not.
pub(super) const ROWS: [&str; 3] = [
    "DELETE FROM reminders WHERE id IN (SELECT id FROM reminders WHERE workspace = ?1 LIMIT ?2)",
    "DELETE FROM leads WHERE workspace = ?1 AND id IN (SELECT id FROM leads WHERE workspace = ?1 LIMIT ?2)",
    "DELETE FROM outbox WHERE row IN
        (SELECT row FROM outbox INDEXED BY outbox_by_workspace WHERE workspace = ?1 AND published = 1 LIMIT ?2)",
];
pub(super) const WAITING: &str =
    "SELECT 1 FROM outbox INDEXED BY outbox_by_workspace WHERE workspace = ?1 LIMIT 1";
pub(super) const KEYS: &str =
    "DELETE FROM once WHERE id IN (SELECT id FROM once WHERE id >= ?1 AND id < ?2 LIMIT 500)";

/// Marks a workspace; a second time changes nothing.
pub(super) fn mark(conn: &Connection, scope: Scope, at: Millis) -> Result<(), StoreError> {
    conn.prepare_cached("INSERT OR IGNORE INTO erased (workspace, at) VALUES (?1, ?2)")?
        .execute((scope.workspace().to_string(), at.0))?;
    Ok(())
}

pub(super) fn is_marked(conn: &Connection, scope: Scope) -> Result<bool, StoreError> {
    let mut found = conn.prepare_cached("SELECT 1 FROM erased WHERE workspace = ?1")?;
    Ok(found.exists([scope.workspace().to_string()])?)
}

pub(super) fn to_erase(conn: &Connection) -> Result<Vec<(Scope, Millis)>, StoreError> {
    let mut found = conn.prepare_cached(TO_ERASE)?;
    let rows = found.query_map([], |row| Ok((row.get::<_, String>(0)?, Millis(row.get(1)?))))?;
    rows.map(|row| {
        let (workspace, at) = row?;
        Ok((Scope::of_own_row(workspace_id(&workspace)?), at))
    })
    .collect()
}

pub(super) fn done(conn: &Connection, scope: Scope) -> Result<(), StoreError> {
    conn.prepare_cached("UPDATE erased SET done = 1 WHERE workspace = ?1")?
        .execute([scope.workspace().to_string()])?;
    Ok(())
}

/// Takes some rows away, in the transaction of the caller.
pub(super) fn some(conn: &Connection, scope: Scope, limit: usize) -> Result<Erasing, StoreError> {
    let workspace = scope.workspace().to_string();
    let keys = Once::of_workspace(scope.workspace());
    let mut gone = conn.prepare_cached(KEYS)?.execute((keys.start, keys.end))?;
    for sql in ROWS {
        gone += conn.prepare_cached(sql)?.execute((&workspace, whole(limit)))?;
    }
    if gone > 0 {
        leave_no_remains(conn)?;
    }
    Ok(match gone {
        1.. => Erasing::More,
        0 if conn.prepare_cached(WAITING)?.exists([&workspace])? => Erasing::Waiting,
        0 => Erasing::Gone,
    })
}
