//! Imports in the file of leads.

mod batch;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod restart;

use async_trait::async_trait;
use leadline_runtime::{caller::Scope, ids::UserId, time::Millis};
use leadline_storage::{
    Sqlite, StorageError,
    rusqlite::{self, Connection, OptionalExtension, Row, params},
};
use uuid::Uuid;

pub(super) use batch::clear;

use super::{
    number_of,
    row::{self, count, sql_limit},
    write::{Writer, answered},
};
use crate::{
    activity::Encode,
    filter::{Page, Total},
    import::{
        Counts, FailedRow, Import, ImportId, MOST_WAITING, PreviewRow, State, batch::Rows, undo::take_back,
    },
    lead::By,
    store::{
        Keyed, Reply, StoreError,
        imports::{Imports, Lease, MOST_FAILED_READ, Step, TOO_LATE, Undo, stored},
    },
};

/// Imports, beside the leads that they write.
pub(super) struct SqliteImports {
    db: Sqlite,
    encode: Encode,
}

/// An import's row.
type Place = i64;

/// What [`import`] reads.
const IMPORT: &str =
    "i.row, i.id, i.state, i.task, i.created, i.updated, i.skipped, i.failed, i.total, i.created_by,
    i.created_at, i.finished_at, i.reason, i.taken_back, i.kept, i.undone_by, i.size, i.attempts";
const HERE: &str = "workspace = (SELECT number FROM workspaces WHERE id = ?2)";
/// Its file is coming in, and nobody has given it up.
const COMING: &str = "state = 0 AND created_at > 0";
const CLAIMABLE: &str = "SELECT i.row FROM imports i INDEXED BY imports_open
    WHERE i.state IN (1, 2, 5) AND i.leased_until <= ?1 AND NOT EXISTS (
        SELECT 1 FROM imports o INDEXED BY imports_of_workspace_open
        WHERE o.workspace = i.workspace AND o.state IN (1, 2, 5) AND o.leased_until > ?1)
    ORDER BY i.id LIMIT 1";
const WAITING: &str = "SELECT count(*) FROM imports INDEXED BY imports_of_workspace_open
    WHERE workspace = ?1 AND state IN (1, 2, 5)";
const UPLOADING: &str = "SELECT count(*) FROM imports INDEXED BY imports_coming
    WHERE state = 0 AND created_at > ?2 AND workspace = ?1";
const LIST: &str =
    "FROM imports i INDEXED BY imports_by_workspace WHERE i.workspace = ?1 AND i.state > 0 AND i.id < ?2";
const ALL: &str = "SELECT count(*) FROM (SELECT 1 FROM imports INDEXED BY imports_by_workspace
    WHERE workspace = ?1 AND state > 0 LIMIT 10001)";
const PIECE: &str = "SELECT p.piece FROM import_pieces p WHERE p.import = ?1 AND p.nth = ?2";
const FAILED: &str = "SELECT nth, line, cells, reason FROM import_failures
    WHERE import = ?1 AND nth > ?2 ORDER BY nth LIMIT ?3";
const BROKEN_OFF: &str =
    "SELECT row FROM imports INDEXED BY imports_coming WHERE state = 0 AND created_at < ?1
    ORDER BY created_at LIMIT 1";
const OLD: &str = "SELECT row FROM imports INDEXED BY imports_ended WHERE swept < 2 AND finished_at < ?1
    ORDER BY finished_at LIMIT 1";

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.cast_unsigned())
}

fn user(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<UserId>> {
    Ok(row.get::<_, Option<[u8; 16]>>(column)?.map(|id| Uuid::from_bytes(id).into()))
}

/// An import of [`IMPORT`], with its task still as bytes.
fn raw(row: &Row<'_>) -> rusqlite::Result<(Place, Vec<u8>, i64, RawImport)> {
    let raw = RawImport {
        id: Uuid::from_bytes(row.get(1)?).into(),
        counts: Counts {
            created: unsigned(row, 4)?,
            updated: unsigned(row, 5)?,
            skipped: unsigned(row, 6)?,
            failed: unsigned(row, 7)?,
        },
        total: row.get::<_, Option<i64>>(8)?.map(i64::cast_unsigned),
        created_by: user(row, 9)?,
        created_at: Millis(row.get(10)?),
        finished_at: row.get::<_, Option<i64>>(11)?.map(Millis),
        reason: row.get(12)?,
        taken_back: unsigned(row, 13)?,
        kept: unsigned(row, 14)?,
        undone_by: user(row, 15)?,
        size: row.get::<_, Option<i64>>(16)?.map(i64::cast_unsigned),
        attempts: row.get(17)?,
    };
    Ok((row.get(0)?, row.get(3)?, row.get(2)?, raw))
}

struct RawImport {
    id: ImportId,
    counts: Counts,
    total: Option<u64>,
    created_by: Option<UserId>,
    created_at: Millis,
    finished_at: Option<Millis>,
    reason: Option<String>,
    taken_back: u64,
    kept: u64,
    undone_by: Option<UserId>,
    size: Option<u64>,
    attempts: u32,
}

fn import(
    (place, task, state, raw): (Place, Vec<u8>, i64, RawImport),
) -> Result<(Place, Import), StoreError> {
    let broken = |what: &str| StorageError::Internal(format!("an import holds no good {what}"));
    let import = Import {
        id: raw.id,
        task: stored::task(&task)?,
        state: State::of_code(state).ok_or_else(|| broken("state"))?,
        counts: raw.counts,
        total: raw.total,
        created_by: raw.created_by.ok_or_else(|| broken("user"))?,
        created_at: raw.created_at,
        finished_at: raw.finished_at,
        reason: raw.reason,
        taken_back: raw.taken_back,
        kept: raw.kept,
        undone_by: raw.undone_by,
        size: raw.size,
        attempts: raw.attempts,
    };
    Ok((place, import))
}

/// An import that is queued, or was.
fn find(conn: &Connection, scope: Scope, id: ImportId) -> Result<Option<(Place, Import)>, StoreError> {
    conn.prepare_cached(&format!(
        "SELECT {IMPORT} FROM imports i WHERE i.id = ?1 AND i.{HERE} AND i.state > 0"
    ))?
    .query_row((id.uuid().as_bytes(), scope.workspace().uuid().as_bytes()), raw)
    .optional()?
    .map(import)
    .transpose()
}

/// An import that is open, if this lease is good.
fn leased(conn: &Connection, lease: Lease) -> Result<Option<(Place, Import)>, StoreError> {
    conn.prepare_cached(&format!(
        "SELECT {IMPORT} FROM imports i WHERE i.id = ?1 AND i.{HERE} AND i.holder = ?3 AND i.state IN (1, 2, 5)"
    ))?
    .query_row(
        (lease.id.uuid().as_bytes(), lease.scope.workspace().uuid().as_bytes(), lease.holder.as_bytes()),
        raw,
    )
    .optional()?
    .map(import)
    .transpose()
}

/// Writes down how an import stands; with `until`, under its lease.
fn save(conn: &Connection, place: Place, import: &Import, until: Option<Millis>) -> Result<(), StoreError> {
    conn.prepare_cached(
        "UPDATE imports SET state = ?2, created = ?3, updated = ?4, skipped = ?5, failed = ?6, total = ?7,
            finished_at = ?8, reason = ?9, taken_back = ?10, kept = ?11, undone_by = ?12,
            attempts = ?14, leased_until = coalesce(?13, 0), holder = CASE WHEN ?13 IS NULL THEN NULL ELSE holder END
         WHERE row = ?1",
    )?
    .execute(params![
        place,
        import.state.code(),
        number(import.counts.created),
        number(import.counts.updated),
        number(import.counts.skipped),
        number(import.counts.failed),
        import.total.map(number),
        import.finished_at.map(|at| at.0),
        import.reason,
        number(import.taken_back),
        number(import.kept),
        import.undone_by.map(|id| id.uuid().into_bytes()),
        until.map(|at| at.0),
        import.attempts,
    ])?;
    Ok(())
}

/// Frees every import: whoever held one before this process has ended, as the file is one process's.
pub(super) async fn free(db: &Sqlite) -> Result<(), StorageError> {
    db.write(move |conn| {
        conn.execute(
            "UPDATE imports SET leased_until = 0, holder = NULL WHERE state IN (1, 2, 5) AND leased_until > 0",
            [],
        )?;
        Ok(())
    })
    .await
}

impl SqliteImports {
    pub(super) fn new(db: Sqlite, encode: Encode) -> Self {
        Self { db, encode }
    }
}

#[async_trait]
impl Imports for SqliteImports {
    async fn begin(
        &self,
        scope: Scope,
        id: ImportId,
        now: Millis,
        since: Millis,
    ) -> Result<bool, StoreError> {
        let encode = self.encode;
        self.db
            .write(move |conn| {
                let number = Writer { conn, scope, encode }.number()?;
                let waiting = conn.prepare_cached(WAITING)?.query_row([number], count)?;
                let coming = conn.prepare_cached(UPLOADING)?.query_row((number, since.0), count)?;
                if waiting + coming >= MOST_WAITING {
                    return Ok(false);
                }
                conn.prepare_cached(
                    "INSERT INTO imports (id, workspace, state, created_at, task, preview) VALUES (?1, ?2, 0, ?3, x'', x'')",
                )?
                .execute((id.uuid().as_bytes(), number, now.0))?;
                Ok(true)
            })
            .await
    }

    async fn keep(&self, scope: Scope, id: ImportId, nth: u32, piece: Vec<u8>) -> Result<bool, StoreError> {
        self.db
            .write(move |conn| {
                let kept = conn
                    .prepare_cached(&format!(
                        "INSERT INTO import_pieces (import, nth, piece)
                         SELECT row, ?3, ?4 FROM imports WHERE id = ?1 AND {HERE} AND {COMING}"
                    ))?
                    .execute((id.uuid().as_bytes(), scope.workspace().uuid().as_bytes(), nth, piece))?;
                Ok(kept == 1)
            })
            .await
    }

    async fn forget(&self, scope: Scope, id: ImportId) -> Result<(), StoreError> {
        // The pieces are the sweep's: many at once would keep others from writing.
        self.db
            .write(move |conn| {
                conn.prepare_cached(&format!(
                    "UPDATE imports SET created_at = 0 WHERE id = ?1 AND {HERE} AND state = 0"
                ))?
                .execute((id.uuid().as_bytes(), scope.workspace().uuid().as_bytes()))?;
                Ok(())
            })
            .await
    }

    async fn queue(
        &self,
        scope: Scope,
        import: Import,
        once: Option<Keyed<Import>>,
    ) -> Result<Reply<Import>, StoreError> {
        let encode = self.encode;
        self.db
            .write(move |conn| {
                let writer = Writer { conn, scope, encode };
                writer.once(once, import.created_at, |_| {
                    let queued = conn
                        .prepare_cached(&format!(
                            "UPDATE imports SET state = 1, task = ?3, created_by = ?4, created_at = ?5, size = ?6
                             WHERE id = ?1 AND {HERE} AND {COMING}"
                        ))?
                        .execute(params![
                            import.id.uuid().as_bytes(),
                            scope.workspace().uuid().as_bytes(),
                            stored::task_bytes(&import.task),
                            import.created_by.uuid().as_bytes(),
                            import.created_at.0,
                            import.size.map(number),
                        ])?;
                    match queued {
                        1 => Ok(import),
                        _ => {
                            Err(StorageError::Unavailable("the file took too long to come".to_owned()).into())
                        }
                    }
                })
            })
            .await
    }

    async fn piece(&self, scope: Scope, id: ImportId, nth: u32) -> Result<Option<Vec<u8>>, StoreError> {
        self.db
            .read(move |conn| {
                let place: Option<Place> = conn
                    .prepare_cached(&format!("SELECT row FROM imports WHERE id = ?1 AND {HERE}"))?
                    .query_row((id.uuid().as_bytes(), scope.workspace().uuid().as_bytes()), |row| row.get(0))
                    .optional()?;
                let Some(place) = place else { return Ok(None) };
                Ok(conn.prepare_cached(PIECE)?.query_row((place, nth), |row| row.get(0)).optional()?)
            })
            .await
    }

    async fn import(
        &self,
        scope: Scope,
        id: ImportId,
    ) -> Result<Option<(Import, Vec<PreviewRow>)>, StoreError> {
        self.db
            .read(move |conn| {
                let Some((place, import)) = find(conn, scope, id)? else { return Ok(None) };
                let preview: Vec<u8> = conn
                    .prepare_cached("SELECT preview FROM imports WHERE row = ?1")?
                    .query_row([place], |row| row.get(0))?;
                Ok(Some((import, stored::preview(&preview)?)))
            })
            .await
    }

    async fn imports(
        &self,
        scope: Scope,
        before: Option<ImportId>,
        limit: usize,
    ) -> Result<Page<Import>, StoreError> {
        self.db
            .read(move |conn| {
                let Some(number) = number_of(conn, scope)? else { return Ok(Page::empty()) };
                let before = before.map_or([0xff; 16], |id| id.uuid().into_bytes());
                let mut list =
                    conn.prepare_cached(&format!("SELECT {IMPORT} {LIST} ORDER BY i.id DESC LIMIT ?3"))?;
                let rows = list.query_map((number, before, sql_limit(limit + 1)), raw)?;
                let mut imports = Vec::new();
                for row in rows {
                    imports.push(import(row?)?.1);
                }
                let total = Total::of(conn.prepare_cached(ALL)?.query_row([number], count)?);
                Ok(Page::of(imports, limit, total))
            })
            .await
    }

    async fn failed(
        &self,
        scope: Scope,
        id: ImportId,
        after: Option<u64>,
        bytes: usize,
    ) -> Result<Vec<FailedRow>, StoreError> {
        self.db
            .read(move |conn| {
                let Some((place, _)) = find(conn, scope, id)? else { return Ok(Vec::new()) };
                let mut statement = conn.prepare_cached(FAILED)?;
                let after = after.map_or(-1, number);
                let mut rows = statement.query((place, after, sql_limit(MOST_FAILED_READ)))?;
                let (mut failed, mut size) = (Vec::new(), 0);
                while size < bytes
                    && let Some(row) = rows.next()?
                {
                    let row = FailedRow {
                        nth: unsigned(row, 0)?,
                        line: unsigned(row, 1)?,
                        cells: stored::texts(&row.get::<_, Vec<u8>>(2)?)?,
                        reason: row.get(3)?,
                    };
                    size += row.size();
                    failed.push(row);
                }
                Ok(failed)
            })
            .await
    }

    async fn undo(
        &self,
        scope: Scope,
        id: ImportId,
        by: UserId,
        once: Option<Keyed<Import>>,
    ) -> Result<Option<Undo>, StoreError> {
        let (encode, now) = (self.encode, Millis::now());
        self.db
            .write(move |conn| {
                if let Some(Keyed { once, .. }) = &once
                    && let Some(answer) = answered(conn, once, now)?
                {
                    return Ok(Some(Ok(Reply::Replayed(answer))));
                }
                let Some((place, import)) = find(conn, scope, id)? else { return Ok(None) };
                let swept: i64 = conn
                    .prepare_cached("SELECT swept FROM imports WHERE row = ?1")?
                    .query_row([place], |row| row.get(0))?;
                let undone = match import.undo(by) {
                    Ok(_) if swept > 0 => Err(TOO_LATE),
                    undone => undone,
                };
                let undone = match undone {
                    Ok(undone) => undone,
                    Err(why) => return Ok(Some(Err(why))),
                };
                let reply = Writer { conn, scope, encode }.once(once, now, |_| {
                    save(conn, place, &undone, None)?;
                    Ok(undone)
                })?;
                Ok(Some(Ok(reply)))
            })
            .await
    }

    async fn claim(
        &self,
        holder: Uuid,
        now: Millis,
        until: Millis,
    ) -> Result<Option<(Scope, Import)>, StoreError> {
        // Mostly there is none, and the writer is left alone.
        let some = self.db.read(move |conn| -> Result<_, StoreError> {
            Ok(conn.prepare_cached(CLAIMABLE)?.exists([now.0])?)
        });
        if !some.await? {
            return Ok(None);
        }
        self.db
            .write(move |conn| {
                let place: Option<Place> =
                    conn.prepare_cached(CLAIMABLE)?.query_row([now.0], |row| row.get(0)).optional()?;
                let Some(place) = place else { return Ok(None) };
                conn.prepare_cached(
                    "UPDATE imports SET holder = ?2, leased_until = ?3, attempts = attempts + 1,
                        state = CASE state WHEN 1 THEN 2 ELSE state END
                     WHERE row = ?1",
                )?
                .execute((place, holder.as_bytes(), until.0))?;
                let workspace: [u8; 16] = conn
                    .prepare_cached(
                        "SELECT w.id FROM imports i JOIN workspaces w ON w.number = i.workspace WHERE i.row = ?1",
                    )?
                    .query_row([place], |row| row.get(0))?;
                let found = conn
                    .prepare_cached(&format!("SELECT {IMPORT} FROM imports i WHERE i.row = ?1"))?
                    .query_row([place], raw)?;
                let scope = Scope::of_own_row(Uuid::from_bytes(workspace).into());
                Ok(Some((scope, import(found)?.1)))
            })
            .await
    }

    async fn renew(&self, lease: Lease, total: Option<u64>, until: Millis) -> Result<bool, StoreError> {
        self.db
            .write(move |conn| {
                let Some((place, import)) = leased(conn, lease)? else { return Ok(false) };
                save(conn, place, &Import { total: total.or(import.total), ..import }, Some(until))?;
                Ok(true)
            })
            .await
    }

    async fn release(&self, lease: Lease) -> Result<(), StoreError> {
        self.db
            .write(move |conn| match leased(conn, lease)? {
                Some((place, import)) => {
                    let attempts = import.attempts.saturating_sub(1);
                    save(conn, place, &Import { attempts, ..import }, None)
                }
                None => Ok(()),
            })
            .await
    }

    fn kept_others_waiting(&self) -> bool {
        self.db.long_write_was_waited_for()
    }

    async fn take(&self, lease: Lease, rows: Rows, until: Millis) -> Result<Option<Import>, StoreError> {
        let encode = self.encode;
        self.db
            .write_long(move |conn| {
                let Some((place, import)) = leased(conn, lease)? else { return Ok(None) };
                if import.counts.rows() != rows.import.counts.rows() || import.state != State::Running {
                    return Ok(None);
                }
                let writer = Writer { conn, scope: lease.scope, encode };
                let found = batch::lookup(conn, writer.number()?, &rows)?;
                let decided = rows.decide(lease.scope, found, &batch::seen(conn, place, &rows)?);
                batch::write(&writer, place, &decided)?;
                let import = Import { counts: import.counts.plus(decided.counts), attempts: 0, ..import };
                save(conn, place, &import, Some(until))?;
                Ok(Some(import))
            })
            .await
    }

    async fn take_back(
        &self,
        lease: Lease,
        by: By,
        most: usize,
        until: Millis,
    ) -> Result<Option<Step>, StoreError> {
        let encode = self.encode;
        self.db
            .write_long(move |conn| {
                let Some((place, mut import)) = leased(conn, lease)? else { return Ok(None) };
                if import.state != State::Undoing {
                    return Ok(None);
                }
                let writer = Writer { conn, scope: lease.scope, encode };
                let number = writer.number()?;
                import.attempts = 0;
                let traces = batch::traces(conn, place, most)?;
                let mut gone =
                    conn.prepare_cached("DELETE FROM import_traces WHERE import = ?1 AND lead = ?2")?;
                for trace in &traces {
                    let found = row::find(conn, lease.scope, trace.lead)?;
                    let taken = found.and_then(|(at, old)| {
                        take_back(lease.scope, lease.id, trace, &old, &by).map(|taken| (at, old, taken))
                    });
                    match taken {
                        Some((at, old, taken)) => {
                            writer.update_lead(number, at, &old, &taken.lead)?;
                            let mut note =
                                conn.prepare_cached("DELETE FROM notes WHERE lead = ?1 AND id = ?2")?;
                            for id in &taken.notes {
                                note.execute((at, id.uuid().as_bytes()))?;
                            }
                            writer.log(number, &taken.events)?;
                            import.taken_back += 1;
                        }
                        None => import.kept += 1,
                    }
                    gone.execute((place, trace.lead.uuid().as_bytes()))?;
                }
                save(conn, place, &import, Some(until))?;
                Ok(Some(Step { import, more: traces.len() == most }))
            })
            .await
    }

    async fn finish(
        &self,
        lease: Lease,
        state: State,
        reason: Option<String>,
        at: Millis,
    ) -> Result<Option<Import>, StoreError> {
        self.db
            .write(move |conn| {
                let Some((place, import)) = leased(conn, lease)? else { return Ok(None) };
                let import = Import {
                    state,
                    reason: reason.or(import.reason.clone()),
                    finished_at: Some(at),
                    ..import
                };
                save(conn, place, &import, None)?;
                Ok(Some(import))
            })
            .await
    }

    async fn sweep(&self, begun: Millis, ended: Millis, limit: usize) -> Result<bool, StoreError> {
        self.db.write(move |conn| batch::sweep(conn, begun, ended, limit)).await
    }
}
