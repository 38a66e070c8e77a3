//! Accounts in a SQLite file.

mod accounts;
mod erasure;
mod invitations;
mod outbox;
mod rows;
mod sessions;
mod workspaces;

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use leadline_bus::Outbox;
use leadline_runtime::{once::Once, time::Millis};
use leadline_storage::{
    Migration, SqliteOptions, StorageError,
    rusqlite::{Connection, OptionalExtension},
};

use super::{Answer, ENDED_KEPT, SETTLED_KEPT, Store, StoreError};
use crate::{account::Happened, events};

const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "accounts", sql: include_str!("sqlite/0001_accounts.sql") },
    Migration { version: 2, name: "erasure", sql: include_str!("sqlite/0002_erasure.sql") },
    Migration {
        version: 3,
        name: "erased workspaces",
        sql: include_str!("sqlite/0003_erased_workspaces.sql"),
    },
];

/// The adapter.
#[derive(Clone, Debug)]
pub(super) struct Sqlite {
    db: leadline_storage::Sqlite,
}

impl Sqlite {
    /// Opens the file. Blocks while it is brought up to date.
    pub(super) fn open(path: &Path) -> Result<Self, StorageError> {
        Ok(Self { db: leadline_storage::Sqlite::open(path, MIGRATIONS, SqliteOptions::default())? })
    }
}

/// Writes an event into the outbox, in the transaction of what it tells of.
fn tell(conn: &Connection, happened: &Happened) -> Result<(), StoreError> {
    let (key, bytes) = events::encode(happened);
    conn.prepare_cached("INSERT INTO outbox (at, key, event) VALUES (?1, ?2, ?3)")?.execute((
        happened.at.0,
        key,
        bytes,
    ))?;
    Ok(())
}

/// Remembers an answer.
///
/// # Errors
/// [`StoreError::Answered`] if there is one.
fn remember(conn: &Connection, answer: Option<&Answer>, now: Millis) -> Result<(), StoreError> {
    let Some(answer) = answer else { return Ok(()) };
    if let Some(known) = recall(conn, &answer.once, now.before(leadline_runtime::once::KEPT))? {
        return Err(StoreError::Answered(known));
    }
    conn.prepare_cached("INSERT OR REPLACE INTO once (id, fingerprint, answer, at) VALUES (?1, ?2, ?3, ?4)")?
        .execute((&answer.once.id, &answer.once.fingerprint, &answer.bytes, now.0))?;
    Ok(())
}

/// Remembers a key for its request, which may be carried out again.
///
/// # Errors
/// [`StoreError::Answered`] if it was used for another one.
fn claim(conn: &Connection, once: Option<&Once>, now: Millis) -> Result<(), StoreError> {
    let Some(once) = once else { return Ok(()) };
    super::again(once, remember(conn, Some(&Answer::nothing(once.clone())), now))
}

fn recall(conn: &Connection, once: &Once, since: Millis) -> Result<Option<Answer>, StoreError> {
    let known = conn
        .prepare_cached("SELECT fingerprint, answer FROM once WHERE id = ?1 AND at >= ?2")?
        .query_row((&once.id, since.0), |row| {
            let once = Once { id: once.id.clone(), fingerprint: row.get(0)? };
            Ok(Answer { once, bytes: row.get(1)? })
        })
        .optional()?;
    Ok(known)
}

/// What [`Store::sweep`] deletes: each finds its rows by an index over all workspaces and people, as only a sweep may.
const SWEEPS: [&str; 4] = [
    "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < ?1 LIMIT ?2)",
    "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE ended_at < ?1 LIMIT ?2)",
    "DELETE FROM invitations WHERE id IN (SELECT id FROM invitations WHERE expires_at < ?1 LIMIT ?2)",
    "DELETE FROM once WHERE id IN (SELECT id FROM once WHERE at < ?1 LIMIT ?2)",
];

#[async_trait]
impl Store for Sqlite {
    async fn answered(&self, once: &Once, since: Millis) -> Result<Option<Answer>, StoreError> {
        let once = once.clone();
        self.db.read(move |conn| recall(conn, &once, since)).await
    }

    async fn sweep(&self, now: Millis, limit: u32) -> Result<u64, StoreError> {
        let before =
            [now, now.before(ENDED_KEPT), now.before(SETTLED_KEPT), now.before(leadline_runtime::once::KEPT)];
        self.db
            .write(move |conn| {
                let mut swept = 0;
                for (sql, before) in SWEEPS.iter().zip(before) {
                    swept += conn.prepare_cached(sql)?.execute((before.0, limit))?;
                }
                Ok(swept as u64)
            })
            .await
    }

    fn outbox(&self) -> Arc<dyn Outbox> {
        Arc::new(self.clone())
    }

    async fn ping(&self) -> Result<(), StorageError> {
        self.db.ping().await
    }

    async fn close(&self) {
        self.db.close().await;
    }
}

#[cfg(test)]
mod tests {
    use leadline_storage::rusqlite::types::Value;

    use super::*;

    #[tokio::test]
    async fn every_query_of_a_request_finds_its_rows_by_an_index() {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&folder.path().join("auth.db")).unwrap();
        let texts = || std::iter::repeat_with(|| Value::Text(String::new()));
        for sql in [
            accounts::QUERIES,
            erasure::QUERIES,
            sessions::QUERIES,
            workspaces::QUERIES,
            invitations::QUERIES,
            &SWEEPS,
        ]
        .concat()
        {
            let places = (1..10).take_while(|place| sql.contains(&format!("?{place}"))).count();
            let plan = store.db.explain(sql, texts().take(places).collect()).await.unwrap();
            for line in &plan {
                // A sub-query's few rows may be gone through; a table's may not.
                assert!(!line.starts_with("SCAN") || line.starts_with("SCAN ("), "{sql}\n{plan:?}");
                assert!(!line.contains("USE TEMP B-TREE"), "{sql}\n{plan:?}");
            }
        }
        store.close().await;
    }
}
