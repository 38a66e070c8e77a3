//! A batch of rows, looked up and written; and what is left of it.

use std::collections::{BTreeMap, HashSet};

use leadline_runtime::time::Millis;
use leadline_storage::{
    rusqlite::{Connection, OptionalExtension, params},
    sqlite::leave_no_remains,
};
use uuid::Uuid;

use super::{BROKEN_OFF, OLD, Place, number, unsigned};
use crate::{
    import::{
        Trace,
        batch::{Batch, Found, Rows},
    },
    lead::NOTES_SHOWN,
    likeness::address,
    store::{
        StoreError,
        imports::{MOST_ALIKE, stored},
        sqlite::{
            Number,
            row::{self, COLUMNS, sql_limit},
            write::Writer,
        },
    },
};

pub(super) const TRACES: &str =
    "SELECT lead, before, after, former, notes FROM import_traces WHERE import = ?1 ORDER BY lead LIMIT ?2";

pub(super) fn by_email() -> String {
    format!(
        "SELECT {COLUMNS} FROM leads l INDEXED BY leads_by_email
         WHERE l.workspace = ?1 AND l.trashed = 0 AND l.email_key = ?2 ORDER BY l.row LIMIT {MOST_ALIKE}"
    )
}

pub(super) fn by_digits() -> String {
    format!(
        "SELECT {COLUMNS} FROM leads l INDEXED BY leads_by_digits
         WHERE l.workspace = ?1 AND l.trashed = 0 AND l.digits = ?2 AND length(l.digits) >= 6 ORDER BY l.row LIMIT 1"
    )
}

/// Who is there already.
pub(super) fn lookup(conn: &Connection, number: Number, rows: &Rows) -> Result<Vec<Found>, StoreError> {
    let keys = rows.keys();
    let mut leads = BTreeMap::new();
    let mut statement = conn.prepare_cached(&by_email())?;
    for (key, mut wanted) in keys.emails {
        let mut found = statement.query((number, key))?;
        // Most often the first is it.
        while !wanted.is_empty()
            && let Some(row) = found.next()?
        {
            let (place, lead) = row::lead(row)?;
            if lead.fields.email.as_ref().is_some_and(|email| wanted.remove(&address(email.as_str()))) {
                leads.insert(place, lead);
            }
        }
    }
    let mut statement = conn.prepare_cached(&by_digits())?;
    for key in &keys.digits {
        leads.extend(statement.query_row((number, key), row::lead).optional()?);
    }
    let noted = rows.has_notes();
    let mut all = Vec::new();
    for (place, lead) in leads {
        let notes = if noted { row::newest_notes(conn, place, &lead, NOTES_SHOWN)? } else { Vec::new() };
        all.push(Found { lead, notes });
    }
    Ok(all)
}

/// Which of the keys a dry run has seen.
pub(super) fn seen(conn: &Connection, place: Place, rows: &Rows) -> Result<HashSet<String>, StoreError> {
    let mut statement = conn.prepare_cached("SELECT 1 FROM import_seen WHERE import = ?1 AND key = ?2")?;
    let mut seen = HashSet::new();
    for key in rows.seen_keys() {
        if statement.exists((place, &key))? {
            seen.insert(key);
        }
    }
    Ok(seen)
}

/// Writes what came of a batch.
pub(super) fn write(writer: &Writer<'_>, place: Place, batch: &Batch) -> Result<(), StoreError> {
    let conn = writer.conn;
    if !batch.events.is_empty() {
        let number = writer.number()?;
        for (lead, notes) in &batch.inserts {
            let place = writer.insert_lead(number, lead)?;
            notes.iter().try_for_each(|note| writer.insert_note(place, note))?;
        }
        for (old, new, notes) in &batch.updates {
            let Some((place, _)) = row::find(conn, writer.scope, old.id)? else { continue };
            writer.update_lead(number, place, old, new)?;
            notes.iter().try_for_each(|note| writer.insert_note(place, note))?;
        }
        writer.log(number, &batch.events)?;
    }
    // A lead that rows of two batches changed is taken back to what it was before the first, unless somebody came between.
    let mut trace = conn.prepare_cached(
        "INSERT INTO import_traces (import, lead, before, after, former, notes) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (import, lead) DO UPDATE SET after = excluded.after, notes = CAST(notes || excluded.notes AS BLOB)
         WHERE after = excluded.before",
    )?;
    for one in &batch.traces {
        trace.execute(params![
            place,
            one.lead.uuid().as_bytes(),
            number(one.before),
            number(one.after),
            one.former.as_ref().map(stored::former_bytes),
            stored::notes_bytes(&one.notes),
        ])?;
    }
    let mut failed = conn.prepare_cached(
        "INSERT INTO import_failures (import, nth, line, cells, reason) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for row in &batch.failed {
        let cells = stored::texts_bytes(&row.cells);
        failed.execute(params![place, number(row.nth), number(row.line), cells, row.reason])?;
    }
    let mut seen = conn.prepare_cached("INSERT OR IGNORE INTO import_seen (import, key) VALUES (?1, ?2)")?;
    for key in &batch.seen {
        seen.execute((place, key))?;
    }
    if !batch.preview.is_empty() {
        conn.prepare_cached("UPDATE imports SET preview = CAST(preview || ?2 AS BLOB) WHERE row = ?1")?
            .execute((place, stored::preview_bytes(&batch.preview)))?;
    }
    Ok(())
}

/// Some of the leads that an import has touched.
pub(super) fn traces(conn: &Connection, place: Place, most: usize) -> Result<Vec<Trace>, StoreError> {
    let mut statement = conn.prepare_cached(TRACES)?;
    let mut rows = statement.query((place, sql_limit(most)))?;
    let mut traces = Vec::new();
    while let Some(row) = rows.next()? {
        let former: Option<Vec<u8>> = row.get(3)?;
        traces.push(Trace {
            lead: Uuid::from_bytes(row.get(0)?).into(),
            before: unsigned(row, 1)?,
            after: unsigned(row, 2)?,
            former: former.map(|bytes| stored::former(&bytes)).transpose()?,
            notes: stored::notes(&row.get::<_, Vec<u8>>(4)?),
        });
    }
    Ok(traces)
}

/// Takes away what belongs to an import, at most so many rows of each kind; whether that was all.
pub(in crate::store::sqlite) fn clear(
    conn: &Connection,
    place: Place,
    limit: usize,
) -> Result<bool, StoreError> {
    let mut all = true;
    // A piece is as large as a thousand rows.
    let some = (limit / 100).max(1);
    for (sql, limit) in [
        (
            "DELETE FROM import_pieces WHERE row IN (SELECT row FROM import_pieces WHERE import = ?1 LIMIT ?2)",
            some,
        ),
        (
            "DELETE FROM import_failures WHERE import = ?1 AND nth IN
                (SELECT nth FROM import_failures WHERE import = ?1 LIMIT ?2)",
            limit,
        ),
        (
            "DELETE FROM import_traces WHERE import = ?1 AND lead IN
                (SELECT lead FROM import_traces WHERE import = ?1 LIMIT ?2)",
            limit,
        ),
        (
            "DELETE FROM import_seen WHERE import = ?1 AND key IN
                (SELECT key FROM import_seen WHERE import = ?1 LIMIT ?2)",
            limit,
        ),
    ] {
        all &= conn.prepare_cached(sql)?.execute((place, sql_limit(limit)))? < limit;
    }
    Ok(all)
}

/// Sweeps one import; whether there may be more.
pub(super) fn sweep(
    conn: &Connection,
    begun: Millis,
    ended: Millis,
    limit: usize,
) -> Result<bool, StoreError> {
    let one = |sql: &str, at: Millis| -> Result<Option<Place>, StoreError> {
        Ok(conn.prepare_cached(sql)?.query_row([at.0], |row| row.get(0)).optional()?)
    };
    if let Some(place) = one(BROKEN_OFF, begun)? {
        leave_no_remains(conn)?;
        // Nothing more of it is kept, and it can't be queued.
        conn.prepare_cached("UPDATE imports SET created_at = 0 WHERE row = ?1")?.execute([place])?;
        if clear(conn, place, limit)? {
            conn.prepare_cached("DELETE FROM imports WHERE row = ?1")?.execute([place])?;
        }
        return Ok(true);
    }
    let Some(place) = one(OLD, ended)? else { return Ok(false) };
    let swept = if clear(conn, place, limit)? { 2 } else { 1 };
    // People may be told of in it that were erased meanwhile.
    leave_no_remains(conn)?;
    let task: Vec<u8> = conn
        .prepare_cached("SELECT task FROM imports WHERE row = ?1")?
        .query_row([place], |row| row.get(0))?;
    conn.prepare_cached("UPDATE imports SET swept = ?2, task = ?3, preview = x'' WHERE row = ?1")?
        .execute((place, swept, stored::nameless(&task)?))?;
    Ok(true)
}
