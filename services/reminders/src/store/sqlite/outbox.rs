//! The outbox in SQLite: what is yet to be published.

use async_trait::async_trait;
use leadline_bus::{Backlog, Outbox, OutboxError, OutboxRow, PendingEvent};
use leadline_storage::{StorageError, sqlite::leave_no_remains};
use rusqlite::params;
use tokio::sync::watch;

use super::{SqliteStore, count_of, whole};

#[async_trait]
impl Outbox for SqliteStore {
    async fn pending(
        &self,
        after: Option<&OutboxRow>,
        limit: usize,
    ) -> Result<Vec<PendingEvent>, OutboxError> {
        let after = after.and_then(OutboxRow::number).unwrap_or(0);
        let rows = self.db.read(move |conn| {
            let mut statement = conn.prepare_cached(
                "SELECT row, key, event FROM outbox WHERE published = 0 AND row > ?1 ORDER BY row LIMIT ?2",
            )?;
            let rows = statement.query_map(params![after, whole(limit)], |row| {
                Ok(PendingEvent::new(
                    row.get::<_, i64>(0)?,
                    row.get::<_, String>(1)?,
                    row.get::<_, Vec<u8>>(2)?,
                ))
            })?;
            rows.collect::<Result<Vec<_>, _>>().map_err(StorageError::from)
        });
        Ok(rows.await?)
    }

    async fn mark_published(&self, rows: &[OutboxRow]) -> Result<(), OutboxError> {
        let rows: Vec<i64> = rows.iter().filter_map(OutboxRow::number).collect();
        let db = self.db.clone();
        let marked = self.db.write(move |conn| {
            let mut gone = conn.prepare_cached("DELETE FROM outbox WHERE row = ?1 AND erased = 1")?;
            let mut mark = conn.prepare_cached("UPDATE outbox SET published = 1 WHERE row = ?1")?;
            for row in rows {
                if gone.execute([row])? == 0 {
                    mark.execute([row])?;
                } else {
                    leave_no_remains(conn)?;
                    db.empty_log();
                }
            }
            Ok::<_, StorageError>(())
        });
        Ok(marked.await?)
    }

    async fn park(&self, row: &OutboxRow, consumer: &str, reason: &str) -> Result<(), OutboxError> {
        let (row, consumer, reason) = (row.number(), consumer.to_owned(), reason.to_owned());
        let parked = self.db.write(move |conn| {
            conn.prepare_cached("INSERT OR IGNORE INTO parked (row, consumer, reason) VALUES (?1, ?2, ?3)")?
                .execute(params![row, consumer, reason])?;
            Ok::<_, StorageError>(())
        });
        Ok(parked.await?)
    }

    async fn backlog(&self) -> Result<Backlog, OutboxError> {
        let backlog = self.db.read(|conn| {
            conn.prepare_cached("SELECT count(*), min(at) FROM outbox WHERE published = 0")?
                .query_row([], |row| Ok(Backlog { depth: count_of(row, 0)?, oldest_at_ms: row.get(1)? }))
                .map_err(StorageError::from)
        });
        Ok(backlog.await?)
    }

    fn committed(&self) -> watch::Receiver<u64> {
        self.db.committed()
    }
}
