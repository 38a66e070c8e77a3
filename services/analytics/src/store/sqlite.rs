//! Figures in a SQLite file.

#[cfg(test)]
mod plans;
mod rows;
mod schema;

use std::{collections::BTreeMap, path::Path, time::Duration};

use async_trait::async_trait;
use leadline_runtime::{caller::Scope, ids::WorkspaceId, time::Millis};
use leadline_storage::{
    Sqlite, SqliteOptions, StorageError,
    rusqlite::{Connection, OptionalExtension, params},
};
use uuid::Uuid;

use self::{
    rows::{FACTS, Rows, State, facts, limit, page, slot},
    schema::MIGRATIONS,
};
use super::{Applied, Building, STEP, Store, StoreError, differences};
use crate::{
    counts::{Need, Tally},
    day::{Change, Delta, Slot},
    lead::Snapshot,
};

/// The time that a recount of everything may take.
const RECOUNT: Duration = Duration::from_secs(3600);

/// A SQLite file with figures.
pub(super) struct SqliteStore {
    db: Sqlite,
}

impl SqliteStore {
    pub(super) fn open(path: &Path) -> Result<Self, StorageError> {
        Ok(Self { db: Sqlite::open(path, MIGRATIONS, SqliteOptions::default())? })
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn apply(&self, scope: Scope, snapshots: Vec<Snapshot>, at: Millis) -> Result<Applied, StoreError> {
        self.db
            .write(move |conn| {
                let rows = Rows::new(conn, scope);
                let state = rows.state_to_change()?;
                if state.erased {
                    return Ok(Applied { changed: false, as_of: at });
                }
                let mut changed = false;
                for generation in [Some(state.live), state.building].into_iter().flatten() {
                    let delta = rows.take(generation, &snapshots)?;
                    changed |= rows.count(generation, &delta.into_changes())?;
                }
                let as_of = state.as_of.map_or(at, |known| at.max(Millis(known)));
                if state.as_of != Some(as_of.0) {
                    let sql = "UPDATE workspaces SET as_of = ?2 WHERE id = ?1";
                    conn.prepare_cached(sql)?.execute(params![rows.workspace, as_of.0])?;
                }
                Ok(Applied { changed, as_of })
            })
            .await
    }

    async fn read(&self, scope: Scope, need: Need) -> Result<Tally, StoreError> {
        self.db.read(move |conn| Rows::new(conn, scope).tally(&need)).await
    }

    async fn begin(&self, scope: Scope) -> Result<Building, StoreError> {
        self.db
            .write(move |conn| {
                let rows = Rows::new(conn, scope);
                let state = rows.state_to_change()?;
                if state.erased {
                    return Err(StoreError::Erased);
                }
                if let Some(superseded) = state.building {
                    rows.discard(superseded)?;
                }
                let generation = state.newest + 1;
                let begun = State { building: Some(generation), newest: generation, ..state };
                rows.set_state(begun, Some(Millis::now()))?;
                Ok(Building { scope, generation })
            })
            .await
    }

    async fn load(&self, building: Building, snapshots: Vec<Snapshot>) -> Result<Delta, StoreError> {
        self.db
            .write(move |conn| {
                let rows = Rows::new(conn, building.scope);
                let state = rows.state_of(building)?;
                rows.set_state(state, Some(Millis::now()))?;
                rows.take(building.generation, &snapshots)
            })
            .await
    }

    async fn count(&self, building: Building, changes: BTreeMap<Slot, Change>) -> Result<(), StoreError> {
        self.db
            .write(move |conn| {
                let rows = Rows::new(conn, building.scope);
                let state = rows.state_of(building)?;
                rows.set_state(state, Some(Millis::now()))?;
                rows.count(building.generation, &changes)?;
                Ok(())
            })
            .await
    }

    async fn finish(&self, building: Building) -> Result<u64, StoreError> {
        let mut after = None;
        loop {
            let step = move |conn: &Connection| -> Result<_, StoreError> {
                let rows = Rows::new(conn, building.scope);
                let state = rows.state_of(building)?;
                rows.set_state(state, Some(Millis::now()))?;
                rows.bury(state, building.generation, after)
            };
            after = self.db.write(step).await?;
            if after.is_none() {
                break;
            }
        }
        self.db
            .write(move |conn| {
                let rows = Rows::new(conn, building.scope);
                let state = rows.state_of(building)?;
                rows.discard(state.live)?;
                rows.set_state(State { live: building.generation, building: None, ..state }, None)?;
                Ok(rows.page(building.generation, Slot::All)?.leads())
            })
            .await
    }

    async fn give_up(&self, building: Building) -> Result<(), StoreError> {
        self.db
            .write(move |conn| {
                let rows = Rows::new(conn, building.scope);
                if let Ok(state) = rows.state_of(building) {
                    rows.discard(building.generation)?;
                    rows.set_state(State { building: None, ..state }, None)?;
                }
                Ok(())
            })
            .await
    }

    async fn erase(&self, scope: Scope, at: Millis) -> Result<(), StoreError> {
        self.db
            .write(move |conn| {
                let rows = Rows::new(conn, scope);
                let state = rows.state_to_change()?;
                if state.erased {
                    return Ok(());
                }
                for generation in [Some(state.live), state.building].into_iter().flatten() {
                    rows.discard(generation)?;
                }
                rows.set_state(State { building: None, as_of: None, ..state }, None)?;
                let sql = "UPDATE workspaces SET erased_at = ?2 WHERE id = ?1";
                conn.prepare_cached(sql)?.execute(params![rows.workspace, at.0])?;
                Ok(())
            })
            .await
    }

    async fn sweep(&self, abandoned_before: Millis) -> Result<bool, StoreError> {
        self.db
            .write(move |conn| {
                conn.prepare_cached(
                    "INSERT OR IGNORE INTO discarded (workspace, generation) SELECT id, building FROM workspaces \
                     WHERE touched_at < ?1 AND building IS NOT NULL",
                )?
                .execute([abandoned_before.0])?;
                conn.prepare_cached(
                    "UPDATE workspaces SET building = NULL, touched_at = NULL WHERE touched_at < ?1",
                )?
                .execute([abandoned_before.0])?;
                let found = conn
                    .prepare_cached("SELECT workspace, generation FROM discarded LIMIT 1")?
                    .query_row([], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?)))
                    .optional()?;
                let Some((workspace, generation)) = found else { return Ok(false) };
                let mut left = STEP;
                for table in ["leads", "pages"] {
                    let sql = format!(
                        "DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} WHERE workspace = ?1 AND generation = ?2 LIMIT ?3)"
                    );
                    left -= conn.prepare_cached(&sql)?.execute(params![workspace, generation, limit(left)])?.min(left);
                }
                if left > 0 {
                    conn.prepare_cached("DELETE FROM discarded WHERE workspace = ?1 AND generation = ?2")?
                        .execute(params![workspace, generation])?;
                }
                Ok(true)
            })
            .await
    }

    async fn workspaces(&self, after: Option<WorkspaceId>) -> Result<Vec<WorkspaceId>, StoreError> {
        let after = after.map(|id| id.uuid().into_bytes().to_vec()).unwrap_or_default();
        self.db
            .read(move |conn| {
                let mut statement = conn.prepare_cached(
                    "SELECT id FROM workspaces WHERE id > ?1 AND erased_at IS NULL ORDER BY id LIMIT ?2",
                )?;
                let ids =
                    statement.query_map(params![after, limit(STEP)], |row| row.get::<_, [u8; 16]>(0))?;
                let ids: Result<Vec<[u8; 16]>, _> = ids.collect();
                Ok(ids?.into_iter().map(|id| Uuid::from_bytes(id).into()).collect())
            })
            .await
    }

    async fn verify(&self, scope: Scope) -> Result<Vec<Slot>, StoreError> {
        self.db
            .read_within(RECOUNT, move |conn| {
                let rows = Rows::new(conn, scope);
                let state = rows.state()?.filter(|state| !state.erased);
                let Some(state) = state else { return Ok(Vec::new()) };
                let mut recount = Delta::default();
                let sql = format!("SELECT {FACTS} FROM leads WHERE workspace = ?1 AND generation = ?2");
                let mut statement = conn.prepare_cached(&sql)?;
                let mut found = statement.query(params![rows.workspace, state.live])?;
                while let Some(row) = found.next()? {
                    recount.change(None, facts(row, 0)?.as_ref());
                }
                let sql =
                    "SELECT day, sum, counts, times FROM pages WHERE workspace = ?1 AND generation = ?2";
                let mut statement = conn.prepare_cached(sql)?;
                let mut found = statement.query(params![rows.workspace, state.live])?;
                let mut stored = BTreeMap::new();
                while let Some(row) = found.next()? {
                    if let Some(slot) = slot(row.get(0)?) {
                        stored.insert(slot, page(row, 1)??);
                    }
                }
                Ok(differences(recount, stored))
            })
            .await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(self.db.ping().await?)
    }

    async fn close(&self) {
        self.db.close().await;
    }
}
