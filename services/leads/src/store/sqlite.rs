//! Leads in a SQLite file.

mod alike;
mod erase;
mod imports;
mod list;
mod log;
mod merge;
#[cfg(test)]
mod plans;
mod row;
mod schema;
#[cfg(test)]
mod upgrade;
mod write;

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use leadline_bus::Outbox;
use leadline_runtime::{caller::Scope, ids::WorkspaceId, once::Once, time::Millis, version::Precondition};
use leadline_storage::{
    Sqlite, SqliteOptions, StorageError,
    rusqlite::{Connection, OptionalExtension},
};

use super::{
    Bulk, BulkPart, Erasing, History, Keyed, LogQuery, Logged, MergePart, NextFollowUp, Reply, Store,
    StoreError, UnmergePart, WalkMark, Written, imports::Imports,
};
use crate::{
    activity::{ActivityId, Encode},
    filter::{Filter, Page, Query, Total},
    lead::{By, Command, Lead, LeadId, NOTES_SHOWN, NewLead, Note, NoteId},
    likeness::Likeness,
};
use write::Writer;

/// A workspace's number in this file.
type Number = i64;

/// The store in a file.
pub(super) struct SqliteStore {
    db: Sqlite,
    encode: Encode,
}

impl SqliteStore {
    /// Opens the file.
    pub(super) async fn open(path: PathBuf, encode: Encode) -> Result<Self, StorageError> {
        let options = SqliteOptions {
            writer_cache_kib: 32 * 1024,
            reader_cache_kib: 16 * 1024,
            ..SqliteOptions::default()
        };
        let opened =
            tokio::task::spawn_blocking(move || Sqlite::open(&path, schema::MIGRATIONS, options)).await;
        let db = opened.map_err(|error| StorageError::Internal(error.to_string()))??;
        imports::free(&db).await?;
        Ok(Self { db, encode })
    }
}

/// What has been in the trash since before a time.
const TRASHED: &str = "SELECT w.id, l.id FROM leads l INDEXED BY leads_by_deleted
    CROSS JOIN workspaces w ON w.number = l.workspace
    WHERE l.trashed = 1 AND l.deleted_at <= ?1 ORDER BY l.deleted_at LIMIT ?2";
/// Takes old keys away.
const FORGET_KEYS: &str =
    "DELETE FROM once WHERE id IN (SELECT id FROM once WHERE at < ?1 ORDER BY at LIMIT ?2)";

/// The number of a workspace that has rows.
fn number_of(conn: &Connection, scope: Scope) -> Result<Option<Number>, StoreError> {
    Ok(conn
        .prepare_cached("SELECT number FROM workspaces WHERE id = ?1")?
        .query_row([scope.workspace().uuid().as_bytes()], |row| row.get(0))
        .optional()?)
}

#[async_trait]
impl Store for SqliteStore {
    async fn create(
        &self,
        scope: Scope,
        new: NewLead,
        by: By,
        once: Option<Keyed<Written>>,
    ) -> Result<Reply<Written>, StoreError> {
        let encode = self.encode;
        self.db
            .write(move |conn| {
                let writer = Writer { conn, scope, encode };
                writer.once(once, by.at, |writer| writer.create(new, &by))
            })
            .await
    }

    async fn change(
        &self,
        scope: Scope,
        id: LeadId,
        command: Command,
        condition: Precondition,
        by: By,
        once: Option<Keyed<Written>>,
    ) -> Result<Reply<Written>, StoreError> {
        let encode = self.encode;
        let erases = matches!(command, Command::Erase | Command::Purge);
        let changed = self
            .db
            .write(move |conn| {
                let writer = Writer { conn, scope, encode };
                writer.once(once, by.at, |writer| writer.change(id, &command, &condition, &by))
            })
            .await;
        if erases {
            // It still holds what the lead was.
            self.db.empty_log();
        }
        changed
    }

    async fn merge(
        &self,
        scope: Scope,
        part: MergePart,
        once: Option<Keyed<Written>>,
    ) -> Result<Reply<Written>, StoreError> {
        let encode = self.encode;
        self.db
            .write(move |conn| {
                let MergePart { into, id, from, condition, by } = part;
                let writer = Writer { conn, scope, encode };
                writer.once(once, by.at, |writer| writer.merge(into, id, &from, &condition, &by))
            })
            .await
    }

    async fn unmerge(
        &self,
        scope: Scope,
        part: UnmergePart,
        once: Option<Keyed<Written>>,
    ) -> Result<Reply<Written>, StoreError> {
        let encode = self.encode;
        self.db
            .write(move |conn| {
                let UnmergePart { into, id, condition, by } = part;
                let writer = Writer { conn, scope, encode };
                writer.once(once, by.at, |writer| writer.unmerge(into, id, &condition, &by))
            })
            .await
    }

    async fn change_many(&self, scope: Scope, part: BulkPart) -> Result<Reply<Bulk>, StoreError> {
        let encode = self.encode;
        self.db
            .write(move |conn| {
                let writer = Writer { conn, scope, encode };
                let BulkPart { ids, only, command, by, once } = part;
                writer.once(once, by.at, |writer| writer.change_many(&ids, only.as_ref(), &command, &by))
            })
            .await
    }

    async fn answered(&self, once: &Once, now: Millis) -> Result<Option<Vec<u8>>, StoreError> {
        let once = once.clone();
        self.db.read(move |conn| write::answered(conn, &once, now)).await
    }

    async fn matching(&self, scope: Scope, filter: Filter, most: usize) -> Result<Vec<LeadId>, StoreError> {
        self.db
            .read(move |conn| match number_of(conn, scope)? {
                Some(number) => list::matching(conn, number, &filter, most),
                None => Ok(Vec::new()),
            })
            .await
    }

    async fn lead(&self, scope: Scope, id: LeadId) -> Result<Option<(Lead, Vec<Note>)>, StoreError> {
        self.db
            .read(move |conn| {
                let Some((place, lead)) = row::find(conn, scope, id)? else { return Ok(None) };
                let notes = row::newest_notes(conn, place, &lead, NOTES_SHOWN)?;
                Ok(Some((lead, notes)))
            })
            .await
    }

    async fn leads(&self, scope: Scope, query: Query) -> Result<Page<Lead>, StoreError> {
        self.db
            .read(move |conn| match number_of(conn, scope)? {
                Some(number) => list::page(conn, number, &query),
                None => Ok(Page::empty()),
            })
            .await
    }

    async fn newest_notes(
        &self,
        scope: Scope,
        leads: Vec<(LeadId, u32)>,
    ) -> Result<Vec<(LeadId, Vec<Note>)>, StoreError> {
        self.db.read(move |conn| alike::newest_notes(conn, scope, &leads)).await
    }

    async fn alike(&self, scope: Scope, likeness: Likeness) -> Result<Vec<Lead>, StoreError> {
        self.db
            .read(move |conn| match number_of(conn, scope)? {
                Some(number) => alike::alike(conn, number, &likeness),
                None => Ok(Vec::new()),
            })
            .await
    }

    async fn notes(
        &self,
        scope: Scope,
        lead: LeadId,
        before: Option<NoteId>,
        limit: usize,
    ) -> Result<Option<Page<Note>>, StoreError> {
        self.db
            .read(move |conn| {
                let Some((place, lead)) = row::find(conn, scope, lead)? else { return Ok(None) };
                if lead.deleted_at.is_some() {
                    return Ok(None);
                }
                let total = Total { value: u64::from(lead.note_count), exact: true };
                let notes = row::notes(conn, place, before, limit + 1)?;
                Ok(Some(Page::of(notes, limit, total)))
            })
            .await
    }

    async fn log(&self, scope: Scope, query: LogQuery) -> Result<Option<Page<Logged>>, StoreError> {
        self.db
            .read(move |conn| {
                if let Some(id) = query.lead
                    && !query.gone
                    && row::find(conn, scope, id)?.is_none_or(|(_, lead)| lead.deleted_at.is_some())
                {
                    return Ok(None);
                }
                match number_of(conn, scope)? {
                    Some(number) => log::page(conn, number, &query).map(Some),
                    None => Ok(Some(Page::empty())),
                }
            })
            .await
    }

    async fn log_after(
        &self,
        scope: Scope,
        after: ActivityId,
        limit: usize,
    ) -> Result<Vec<Logged>, StoreError> {
        self.db
            .read(move |conn| match number_of(conn, scope)? {
                Some(number) => log::after(conn, number, after, limit),
                None => Ok(Vec::new()),
            })
            .await
    }

    async fn next_workspace(&self, after: Option<WorkspaceId>) -> Result<Option<WorkspaceId>, StoreError> {
        self.db
            .read(move |conn| {
                let after = after.map(|id| id.uuid().as_bytes().to_vec()).unwrap_or_default();
                let id: Option<[u8; 16]> = conn
                    .prepare_cached("SELECT id FROM workspaces WHERE id > ?1 ORDER BY id LIMIT 1")?
                    .query_row([after], |row| row.get(0))
                    .optional()?;
                Ok(id.map(|id| uuid::Uuid::from_bytes(id).into()))
            })
            .await
    }

    async fn walk(
        &self,
        scope: Scope,
        after: Option<WalkMark>,
        limit: usize,
    ) -> Result<Vec<Lead>, StoreError> {
        self.db
            .read(move |conn| match number_of(conn, scope)? {
                Some(number) => list::walk(conn, number, after, limit),
                None => Ok(Vec::new()),
            })
            .await
    }

    async fn set_follow_ups(&self, follow_ups: Vec<NextFollowUp>) -> Result<(), StoreError> {
        self.db.write(move |conn| write::set_follow_ups(conn, &follow_ups)).await
    }

    async fn trashed_before(&self, before: Millis, limit: usize) -> Result<Vec<(Scope, LeadId)>, StoreError> {
        self.db
            .read(move |conn| {
                let mut found = conn.prepare_cached(TRASHED)?;
                let rows = found.query_map((before.0, row::sql_limit(limit)), |row| {
                    let workspace = uuid::Uuid::from_bytes(row.get(0)?).into();
                    let lead = uuid::Uuid::from_bytes(row.get(1)?).into();
                    Ok((Scope::of_own_row(workspace), lead))
                })?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    async fn forget_keys(&self, before: Millis, limit: usize) -> Result<u64, StoreError> {
        self.db
            .write(move |conn| {
                let gone = conn.prepare_cached(FORGET_KEYS)?.execute((before.0, row::sql_limit(limit)))?;
                Ok(gone as u64)
            })
            .await
    }

    async fn forget_merges(&self, before: Millis, limit: usize) -> Result<u64, StoreError> {
        self.db.write(move |conn| merge::forget_old(conn, before, limit)).await
    }

    async fn mark_erased(&self, scope: Scope, at: Millis) -> Result<(), StoreError> {
        self.db.write(move |conn| erase::mark(conn, scope, at)).await
    }

    async fn to_erase(&self) -> Result<Vec<(Scope, Millis)>, StoreError> {
        self.db.read(erase::to_erase).await
    }

    async fn erase_some(&self, scope: Scope, limit: usize) -> Result<Erasing, StoreError> {
        self.db.write(move |conn| erase::some(conn, scope, limit)).await
    }

    async fn done_erasing(&self, scope: Scope) -> Result<(), StoreError> {
        self.db.write(move |conn| erase::done(conn, scope)).await
    }

    async fn empty_log(&self) {
        self.db.empty_log();
    }

    async fn insert(&self, scope: Scope, histories: Vec<History>) -> Result<(), StoreError> {
        let encode = self.encode;
        self.db
            .write(move |conn| {
                let writer = Writer { conn, scope, encode };
                histories.iter().try_for_each(|history| writer.insert(history))
            })
            .await
    }

    fn imports(&self) -> Arc<dyn Imports> {
        Arc::new(imports::SqliteImports::new(self.db.clone(), self.encode))
    }

    fn outbox(&self) -> Arc<dyn Outbox> {
        Arc::new(log::SqliteOutbox::new(self.db.clone()))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(self.db.ping().await?)
    }

    async fn close(&self) {
        self.db.close().await;
    }
}
