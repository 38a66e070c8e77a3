//! The log, read: as a feed, and as the outbox that it is.

use async_trait::async_trait;
use leadline_bus::{Backlog, Outbox, OutboxError, OutboxRow, PendingEvent};
use leadline_storage::{
    Sqlite,
    rusqlite::{Connection, Row, params_from_iter, types::Value},
};
use tokio::sync::watch;
use uuid::Uuid;

use super::{
    Number,
    row::{count, sql_limit},
};
use crate::{
    activity::{ActivityId, Kind},
    filter::{Page, Total},
    store::{LogQuery, Logged, StoreError, plan::PROBED},
};

/// The number of a kind in its column.
pub(super) fn code(kind: Kind) -> i64 {
    match kind {
        Kind::Created => 1,
        Kind::Updated => 2,
        Kind::StatusChanged => 3,
        Kind::NoteAdded => 4,
        Kind::NoteDeleted => 5,
        Kind::Deleted => 6,
        Kind::Restored => 7,
        Kind::Merged => 8,
        Kind::Imported => 9,
        Kind::Unmerged => 10,
    }
}

fn key(code: i64) -> &'static str {
    Kind::ALL.into_iter().find(|kind| self::code(*kind) == code).map_or("lead.unknown", Kind::name)
}

/// A statement that reads the log, for tests of its plan too.
pub(super) fn select(what: &str, lead: bool, kind: bool, residual: usize) -> String {
    let index = match (lead, kind) {
        (true, _) => "activity_by_lead",
        (false, true) => "activity_by_kind",
        (false, false) => "activity_by_workspace",
    };
    let mut sql =
        format!("SELECT {what} FROM activity INDEXED BY {index} WHERE workspace = ? AND hidden = 0");
    if lead {
        sql.push_str(" AND lead = ?");
    }
    if kind {
        sql.push_str(" AND kind = ?");
    }
    if residual > 0 {
        let marks = vec!["?"; residual].join(", ");
        sql.push_str(&format!(" AND kind IN ({marks})"));
    }
    sql
}

fn logged(row: &Row<'_>) -> leadline_storage::rusqlite::Result<Logged> {
    Ok(Logged { id: Uuid::from_bytes(row.get(0)?).into(), event: row.get(1)? })
}

/// A page, newest first. Each kind of a workspace's log has its own order in the index: they are merged here, so that a rare
/// kind is found without reading past all others.
pub(super) fn page(conn: &Connection, number: Number, query: &LogQuery) -> Result<Page<Logged>, StoreError> {
    let before = query.before.map_or([0xff; 16], |id| id.uuid().into_bytes());
    let kinds: Vec<i64> = query.kinds.iter().copied().map(code).collect();
    let base = |kind: Option<i64>| {
        let mut values = vec![Value::Integer(number)];
        values.extend(query.lead.map(|id| Value::Blob(id.uuid().as_bytes().to_vec())));
        match kind {
            Some(kind) => values.push(Value::Integer(kind)),
            None => values.extend(kinds.iter().copied().map(Value::Integer)),
        }
        values
    };
    let parts: Vec<Option<i64>> = match query.lead.is_some() || kinds.is_empty() {
        true => vec![None],
        false => kinds.iter().copied().map(Some).collect(),
    };
    let (mut items, mut counted) = (Vec::new(), 0);
    for kind in parts {
        let residual = if kind.is_some() { 0 } else { kinds.len() };
        let rows = select("id, event", query.lead.is_some(), kind.is_some(), residual);
        let rows = format!("{rows} AND id < ? ORDER BY id DESC LIMIT ?");
        let mut values = base(kind);
        values.extend([Value::Blob(before.to_vec()), Value::Integer(sql_limit(query.limit + 1))]);
        let mut statement = conn.prepare_cached(&rows)?;
        for row in statement.query_map(params_from_iter(values), logged)? {
            items.push(row?);
        }
        let all = select("1", query.lead.is_some(), kind.is_some(), residual);
        let all = format!("SELECT count(*) FROM ({all} LIMIT {PROBED})");
        counted += conn.prepare_cached(&all)?.query_row(params_from_iter(base(kind)), count)?;
    }
    items.sort_by_key(|entry: &Logged| std::cmp::Reverse(entry.id));
    Ok(Page::of(items, query.limit, Total::of(counted)))
}

/// What comes after an entry. Ids are made by the one writer, in the order of its commits: nothing comes late.
pub(super) fn after(
    conn: &Connection,
    number: Number,
    after: ActivityId,
    limit: usize,
) -> Result<Vec<Logged>, StoreError> {
    let sql = select("id, event", false, false, 0);
    let mut statement = conn.prepare_cached(&format!("{sql} AND id > ? ORDER BY id LIMIT ?"))?;
    let rows = statement.query_map((number, after.uuid().as_bytes(), sql_limit(limit)), logged)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The statement that reads the outbox.
pub(super) const PENDING: &str = "SELECT row, kind, event FROM activity INDEXED BY activity_unpublished
    WHERE published = 0 AND row > ?1 ORDER BY row LIMIT ?2";
/// The statements that measure it.
pub(super) const DEPTH: &str =
    "SELECT count(*) FROM activity INDEXED BY activity_unpublished WHERE published = 0";
pub(super) const OLDEST: &str =
    "SELECT min(written_at) FROM (SELECT written_at FROM activity INDEXED BY activity_unpublished
     WHERE published = 0 ORDER BY row LIMIT 1)";

/// The log as an outbox.
pub(super) struct SqliteOutbox {
    db: Sqlite,
}

impl SqliteOutbox {
    pub(super) fn new(db: Sqlite) -> Self {
        Self { db }
    }
}

#[async_trait]
impl Outbox for SqliteOutbox {
    async fn pending(
        &self,
        after: Option<&OutboxRow>,
        limit: usize,
    ) -> Result<Vec<PendingEvent>, OutboxError> {
        let after = after.and_then(OutboxRow::number).unwrap_or(0);
        let rows = self
            .db
            .read(move |conn| -> Result<_, StoreError> {
                let mut statement = conn.prepare_cached(PENDING)?;
                let rows = statement.query_map((after, sql_limit(limit)), |row| {
                    Ok(PendingEvent::new(row.get::<_, i64>(0)?, key(row.get(1)?), row.get(2)?))
                })?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await?;
        Ok(rows)
    }

    async fn mark_published(&self, rows: &[OutboxRow]) -> Result<(), OutboxError> {
        let rows: Vec<i64> = rows.iter().filter_map(OutboxRow::number).collect();
        self.db
            .write(move |conn| -> Result<(), StoreError> {
                let mut mark = conn
                    .prepare_cached("UPDATE activity SET published = 1 WHERE row = ?1 AND published = 0")?;
                for row in rows {
                    mark.execute([row])?;
                }
                Ok(())
            })
            .await?;
        Ok(())
    }

    async fn park(&self, row: &OutboxRow, consumer: &str, reason: &str) -> Result<(), OutboxError> {
        let Some(row) = row.number() else { return Ok(()) };
        let (consumer, reason) = (consumer.to_owned(), reason.to_owned());
        self.db
            .write(move |conn| -> Result<(), StoreError> {
                conn.prepare_cached(
                    "INSERT OR IGNORE INTO parked (row, consumer, reason, event)
                     SELECT row, ?2, ?3, event FROM activity WHERE row = ?1",
                )?
                .execute((row, consumer, reason))?;
                Ok(())
            })
            .await?;
        Ok(())
    }

    async fn backlog(&self) -> Result<Backlog, OutboxError> {
        let backlog = self
            .db
            .read(|conn| -> Result<_, StoreError> {
                let depth = conn.prepare_cached(DEPTH)?.query_row([], count)?;
                let oldest_at_ms = conn.prepare_cached(OLDEST)?.query_row([], |row| row.get(0))?;
                Ok(Backlog { depth, oldest_at_ms })
            })
            .await?;
        Ok(backlog)
    }

    fn committed(&self) -> watch::Receiver<u64> {
        self.db.committed()
    }
}
