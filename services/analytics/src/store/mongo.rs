//! Figures in a MongoDB database.
//!
//! Every `_id` begins with the workspace and the generation (`workspace/generation/…`), so that the rows of one are a range of
//! the index that MongoDB keeps anyway; `workspaceId` stands beside it for sharding.

mod documents;
mod kept;
#[cfg(test)]
mod plans;
mod rows;
mod schema;

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use bson::{Document, doc};
use futures::TryStreamExt;
use leadline_runtime::{caller::Scope, ids::WorkspaceId, time::Millis};
use leadline_storage::{Coalesce, Mongo, StorageError};
use mongodb::ClientSession;

use self::{
    documents::{Generation, facts, ids_with, page, slot_of},
    kept::Kept,
    rows::{Rows, State},
    schema::MIGRATIONS,
};
use super::{Applied, Building, STEP, Store, StoreError, differences};
use crate::{
    counts::{Need, Tally},
    day::{Change, Delta, Slot},
    lead::Snapshot,
};

/// A MongoDB database with figures.
pub(super) struct MongoStore {
    mongo: Mongo,
    rows: Rows,
    kept: Arc<Kept>,
    /// Reads of counters under way.
    reads: Coalesce<(WorkspaceId, Need), Result<Read, StoreError>>,
}

/// The state of a workspace and what was read in it; a workspace without figures has none.
type Read = Option<(State, Arc<Tally>)>;

impl MongoStore {
    pub(super) async fn open(
        uri: &str,
        stopping: impl Future<Output = ()> + Send,
    ) -> Result<Self, StorageError> {
        let database = Mongo::database_name(uri, "analytics")?;
        let mongo = Mongo::open(uri, &database, "leadline-analytics").await?;
        mongo.wait_ready(stopping).await?;
        mongo.migrate(MIGRATIONS).await?;
        let rows = Rows {
            workspaces: mongo.collection("workspaces"),
            leads: mongo.collection("leads"),
            pages: mongo.collection("pages"),
            discarded: mongo.collection("discarded"),
        };
        Ok(Self { mongo, rows, kept: Arc::default(), reads: Coalesce::default() })
    }

    /// Reads the state of the workspace, the counters, unless they are kept as they are in this state, and the rows that the
    /// counters don't exclude.
    async fn read_at_one_moment(&self, scope: Scope, need: &Need) -> Result<Read, StoreError> {
        let (rows, kept, need) = (self.rows.clone(), self.kept.clone(), need.clone());
        let read = async move |session: &mut ClientSession| -> Result<Read, StoreError> {
            let state = rows.state(session, scope).await?.filter(|state| !state.erased);
            let Some(state) = state else { return Ok(None) };
            let live = Generation { scope, number: state.live };
            let key = (scope.workspace(), need.pages());
            let pages = match kept.get(&key, state) {
                Some(pages) => pages,
                None => {
                    let pages = Arc::new(rows.counters(session, live, &need).await?);
                    kept.put(key, state, pages.clone());
                    pages
                }
            };
            let wanted = pages.rows_of(&need);
            if wanted.moments.is_empty() && wanted.cohorts.is_empty() {
                return Ok(Some((state, pages)));
            }
            let mut tally = Arc::unwrap_or_clone(pages);
            rows.count_rows(session, live, &wanted, &mut tally).await?;
            Ok(Some((state, Arc::new(tally))))
        };
        self.mongo.at_one_moment(read).await
    }

    /// Sees to it that the workspace has a row to take hold of. Outside of transactions: two that insert it at once would
    /// hinder each other.
    async fn ensure(&self, scope: Scope) -> Result<(), StoreError> {
        let id = scope.workspace().to_string();
        let fresh = doc! { "$setOnInsert": { "live": 1_i64, "newest": 1_i64, "revision": 0_i64 } };
        let upsert = self.rows.workspaces.update_one(doc! { "_id": id }, fresh).upsert(true);
        match self.mongo.run(upsert).await {
            Ok(_) | Err(StorageError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

#[async_trait]
impl Store for MongoStore {
    async fn apply(&self, scope: Scope, snapshots: Vec<Snapshot>, at: Millis) -> Result<Applied, StoreError> {
        loop {
            let (rows, snapshots) = (self.rows.clone(), snapshots.clone());
            let applied = self
                .mongo
                .transact(async move |session| -> Result<Option<Applied>, StoreError> {
                    let newer = doc! { "$max": { "asOf": at.0 } };
                    let Some(state) = rows.hold(session, scope, newer).await? else { return Ok(None) };
                    if state.erased {
                        return Ok(Some(Applied { changed: false, as_of: at }));
                    }
                    let mut changed = false;
                    for number in [Some(state.live), state.building].into_iter().flatten() {
                        let generation = Generation { scope, number };
                        let delta = rows.take(session, generation, &snapshots).await?;
                        changed |= rows.count(session, generation, &delta.into_changes()).await?;
                    }
                    Ok(Some(Applied { changed, as_of: state.as_of.map_or(at, |known| at.max(known)) }))
                })
                .await?;
            match applied {
                Some(applied) => return Ok(applied),
                None => self.ensure(scope).await?,
            }
        }
    }

    async fn read(&self, scope: Scope, need: Need) -> Result<Tally, StoreError> {
        // Whoever asks for the same counters at once has them together: a change tells every open dashboard to ask anew.
        let key = (scope.workspace(), need.pages());
        let read = self.reads.ask(key, async || self.read_at_one_moment(scope, &need.pages()).await).await?;
        let told = |read: Read| match read {
            Some((state, tally)) => Tally { as_of: state.as_of, ..Arc::unwrap_or_clone(tally) },
            None => Tally::default(),
        };
        let rows = read.as_ref().map(|(_, tally)| tally.rows_of(&need)).unwrap_or_default();
        match rows.moments.is_empty() && rows.cohorts.is_empty() {
            true => Ok(told(read)),
            false => self.read_at_one_moment(scope, &need).await.map(told),
        }
    }

    async fn begin(&self, scope: Scope) -> Result<Building, StoreError> {
        self.ensure(scope).await?;
        let rows = self.rows.clone();
        self.mongo
            .transact(async move |session| {
                let touch = doc! { "$set": { "touchedAt": Millis::now().0 } };
                let state = rows.hold(session, scope, touch).await?.ok_or(StoreError::Superseded)?;
                if state.erased {
                    return Err(StoreError::Erased);
                }
                if let Some(number) = state.building {
                    rows.discard(session, Generation { scope, number }).await?;
                }
                let generation = state.newest + 1;
                let begun = doc! { "$set": { "building": generation, "newest": generation } };
                rows.hold(session, scope, begun).await?;
                Ok(Building { scope, generation })
            })
            .await
    }

    async fn load(&self, building: Building, snapshots: Vec<Snapshot>) -> Result<Delta, StoreError> {
        let rows = self.rows.clone();
        self.mongo
            .transact(async move |session| {
                rows.hold_building(session, building).await?;
                let generation = Generation { scope: building.scope, number: building.generation };
                rows.take(session, generation, &snapshots).await
            })
            .await
    }

    async fn count(&self, building: Building, changes: BTreeMap<Slot, Change>) -> Result<(), StoreError> {
        let rows = self.rows.clone();
        self.mongo
            .transact(async move |session| {
                rows.hold_building(session, building).await?;
                let generation = Generation { scope: building.scope, number: building.generation };
                rows.count(session, generation, &changes).await?;
                Ok(())
            })
            .await
    }

    async fn finish(&self, building: Building) -> Result<u64, StoreError> {
        let new = Generation { scope: building.scope, number: building.generation };
        let mut after: Option<String> = None;
        loop {
            let rows = self.rows.clone();
            let step = async move |session: &mut ClientSession| {
                let state = rows.hold_building(session, building).await?;
                let live = Generation { scope: building.scope, number: state.live };
                rows.bury(session, live, new, after.as_deref()).await
            };
            after = self.mongo.transact(step).await?;
            if after.is_none() {
                break;
            }
        }
        let rows = self.rows.clone();
        self.mongo
            .transact(async move |session| {
                let state = rows.hold_building(session, building).await?;
                rows.discard(session, Generation { scope: building.scope, number: state.live }).await?;
                let switch = doc! {
                    "$set": { "live": building.generation },
                    "$unset": { "building": "", "touchedAt": "" },
                };
                rows.hold(session, building.scope, switch).await?;
                let all =
                    rows.pages.find_one(new.those(new.page_id(Slot::All))).session(&mut *session).await?;
                Ok(all.as_ref().map(page).transpose()?.unwrap_or_default().leads())
            })
            .await
    }

    async fn give_up(&self, building: Building) -> Result<(), StoreError> {
        let rows = self.rows.clone();
        let given_up = self
            .mongo
            .transact(async move |session| {
                rows.hold_building(session, building).await?;
                rows.discard(session, Generation { scope: building.scope, number: building.generation })
                    .await?;
                let end = doc! { "$unset": { "building": "", "touchedAt": "" } };
                rows.hold(session, building.scope, end).await?;
                Ok(())
            })
            .await;
        match given_up {
            Err(StoreError::Superseded) => Ok(()),
            other => other,
        }
    }

    async fn erase(&self, scope: Scope, at: Millis) -> Result<(), StoreError> {
        self.ensure(scope).await?;
        let rows = self.rows.clone();
        self.mongo
            .transact(async move |session| {
                let mark = doc! {
                    "$set": { "erasedAt": at.0 },
                    "$unset": { "building": "", "touchedAt": "", "asOf": "" },
                };
                let state = rows.hold(session, scope, mark).await?.ok_or(StoreError::Superseded)?;
                for number in [Some(state.live), state.building].into_iter().flatten() {
                    rows.discard(session, Generation { scope, number }).await?;
                }
                Ok(())
            })
            .await
    }

    async fn sweep(&self, abandoned_before: Millis) -> Result<bool, StoreError> {
        let dead = doc! { "touchedAt": { "$lt": abandoned_before.0 } };
        if let Some(found) = self.mongo.run(self.rows.workspaces.find_one(dead)).await?
            && let Some(workspace) = found.get_str("_id").ok().and_then(|id| WorkspaceId::parse(id).ok())
            && let Some(generation) = State::of(&found).building
        {
            let rows = self.rows.clone();
            let scope = Scope::of_own_row(workspace);
            let give_up = async move |session: &mut ClientSession| -> Result<(), StoreError> {
                let end = doc! { "$unset": { "building": "", "touchedAt": "" } };
                let id = doc! {
                    "_id": workspace.to_string(),
                    "building": generation,
                    "touchedAt": { "$lt": abandoned_before.0 },
                };
                let gone = rows.workspaces.update_one(id, end).session(&mut *session).await?;
                if gone.modified_count == 1 {
                    rows.discard(session, Generation { scope, number: generation }).await?;
                }
                Ok(())
            };
            self.mongo.transact(give_up).await?;
            return Ok(true);
        }
        let Some(found) = self.mongo.run(self.rows.discarded.find_one(doc! {})).await? else {
            return Ok(false);
        };
        let prefix = found.get_str("_id").unwrap_or_default();
        let workspace = prefix.split('/').next().unwrap_or_default();
        let mut left = STEP;
        for collection in [&self.rows.leads, &self.rows.pages] {
            if left == 0 {
                break;
            }
            let rows = collection
                .find(doc! { "_id": ids_with(prefix), "workspaceId": workspace })
                .projection(doc! { "_id": 1 });
            let rows = rows.limit(i64::try_from(left).unwrap_or(i64::MAX));
            let rows: Vec<Document> = self.mongo.run(async { rows.await?.try_collect().await }).await?;
            let ids: Vec<&str> = rows.iter().filter_map(|row| row.get_str("_id").ok()).collect();
            left -= ids.len().min(left);
            self.mongo
                .run(collection.delete_many(doc! { "_id": { "$in": ids }, "workspaceId": workspace }))
                .await?;
        }
        if left > 0 {
            self.mongo.run(self.rows.discarded.delete_one(doc! { "_id": prefix })).await?;
        }
        Ok(true)
    }

    async fn workspaces(&self, after: Option<WorkspaceId>) -> Result<Vec<WorkspaceId>, StoreError> {
        let after = after.map_or_else(String::new, |id| id.to_string());
        let found = self
            .rows
            .workspaces
            .find(doc! { "_id": { "$gt": after }, "erasedAt": null })
            .sort(doc! { "_id": 1 });
        let found = found.projection(doc! { "_id": 1 }).limit(i64::try_from(STEP).unwrap_or(i64::MAX));
        let found: Vec<Document> = self.mongo.run(async { found.await?.try_collect().await }).await?;
        Ok(found.iter().filter_map(|row| WorkspaceId::parse(row.get_str("_id").ok()?).ok()).collect())
    }

    async fn verify(&self, scope: Scope) -> Result<Vec<Slot>, StoreError> {
        // Longer than a transaction may take, so a snapshot session.
        let mut session = self.mongo.client().start_session().snapshot(true).await?;
        let session = &mut session;
        let id = doc! { "_id": scope.workspace().to_string() };
        let Some(state) = self.rows.workspaces.find_one(id).session(&mut *session).await? else {
            return Ok(Vec::new());
        };
        if State::of(&state).erased {
            return Ok(Vec::new());
        }
        let live = Generation { scope, number: State::of(&state).live };
        let mut recount = Delta::default();
        let mut found = self.rows.leads.find(live.those(live.ids())).session(&mut *session).await?;
        while let Some(row) = found.next(&mut *session).await.transpose()? {
            recount.change(None, facts(&row).as_ref());
        }
        let mut stored = BTreeMap::new();
        let mut found = self.rows.pages.find(live.those(live.ids())).session(&mut *session).await?;
        while let Some(row) = found.next(&mut *session).await.transpose()? {
            if let Some(slot) = slot_of(row.get_str("_id").unwrap_or_default()) {
                stored.insert(slot, page(&row)?);
            }
        }
        Ok(differences(recount, stored))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(self.mongo.ping().await?)
    }

    async fn close(&self) {
        self.mongo.close().await;
    }
}
