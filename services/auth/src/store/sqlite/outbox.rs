//! Events that wait, in SQLite: the order of rows is the order of commits.

use async_trait::async_trait;
use leadline_bus::{Backlog, Outbox, OutboxError, OutboxRow, PendingEvent};
use tokio::sync::watch;

use super::Sqlite;
use crate::store::StoreError;

#[async_trait]
impl Outbox for Sqlite {
    async fn pending(
        &self,
        after: Option<&OutboxRow>,
        limit: usize,
    ) -> Result<Vec<PendingEvent>, OutboxError> {
        let after = after.and_then(OutboxRow::number).unwrap_or(0);
        let limit = i64::try_from(limit)?;
        let rows = self.db.read(move |conn| -> Result<Vec<PendingEvent>, StoreError> {
            let mut statement = conn
                .prepare_cached("SELECT row, key, event FROM outbox WHERE row > ?1 ORDER BY row LIMIT ?2")?;
            let rows = statement.query_map((after, limit), |row| {
                Ok(PendingEvent::new(row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get(2)?))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        });
        Ok(rows.await?)
    }

    async fn mark_published(&self, rows: &[OutboxRow]) -> Result<(), OutboxError> {
        let rows: Vec<i64> = rows.iter().filter_map(OutboxRow::number).collect();
        let marked = self.db.write(move |conn| -> Result<(), StoreError> {
            let mut delete = conn.prepare_cached("DELETE FROM outbox WHERE row = ?1")?;
            for row in rows {
                delete.execute([row])?;
            }
            Ok(())
        });
        Ok(marked.await?)
    }

    async fn park(&self, row: &OutboxRow, consumer: &str, reason: &str) -> Result<(), OutboxError> {
        let (row, consumer, reason) = (row.number(), consumer.to_owned(), reason.to_owned());
        let parked = self.db.write(move |conn| -> Result<(), StoreError> {
            conn.prepare_cached(
                "INSERT OR IGNORE INTO parked (row, consumer, reason, event) SELECT row, ?2, ?3, event FROM outbox WHERE row = ?1",
            )?
            .execute((row, consumer, reason))?;
            Ok(())
        });
        Ok(parked.await?)
    }

    async fn backlog(&self) -> Result<Backlog, OutboxError> {
        let backlog = self.db.read(|conn| -> Result<Backlog, StoreError> {
            let (depth, oldest_at_ms): (i64, Option<i64>) = conn
                .prepare_cached("SELECT count(*), min(at) FROM outbox")?
                .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(Backlog { depth: depth.unsigned_abs(), oldest_at_ms })
        });
        Ok(backlog.await?)
    }

    fn committed(&self) -> watch::Receiver<u64> {
        self.db.committed()
    }
}
