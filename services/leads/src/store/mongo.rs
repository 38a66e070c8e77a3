//! Leads in MongoDB.

mod alike;
#[cfg(test)]
mod costs;
mod document;
mod erase;
mod imports;
mod list;
mod log;
mod merge;
#[cfg(test)]
mod plans;
mod probe;
mod schema;
mod write;

use std::sync::Arc;

use async_trait::async_trait;
use leadline_bus::Outbox;
use leadline_runtime::{
    caller::Scope, ids::WorkspaceId, once::Once, stop::Stop, time::Millis, version::Precondition,
};
use leadline_storage::{
    Mongo, StorageError,
    bson::{Bson, Document, doc},
    mongo,
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

/// The store in a database.
pub(super) struct MongoStore {
    db: Mongo,
    encode: Encode,
    turns: Turns,
}

/// Lets the writers of one lead in this process go one after the other. MongoDB would let one commit and turn the others
/// away, each to begin again; with many of them most time would go into that. What another process writes still conflicts.
struct Turns(Vec<tokio::sync::Mutex<()>>);

impl Turns {
    fn new() -> Self {
        Self((0..256).map(|_| tokio::sync::Mutex::new(())).collect())
    }

    /// Waits for the turn of a lead, as long as a transaction may take.
    async fn of(&self, id: LeadId) -> Result<tokio::sync::MutexGuard<'_, ()>, StorageError> {
        // The last bytes of an id are random.
        let place = usize::from(id.uuid().as_bytes()[15]) % self.0.len();
        let turn = tokio::time::timeout(mongo::DEADLINE, self.0[place].lock()).await;
        turn.map_err(|_| StorageError::Contended)
    }
}

impl MongoStore {
    /// Opens the database, once it answers.
    pub(super) async fn open(uri: &str, encode: Encode, stop: &Stop) -> Result<Self, StorageError> {
        let db = Mongo::open(uri, &Mongo::database_name(uri, "leads")?, "leadline-leads").await?;
        db.wait_ready(stop.stopping()).await?;
        db.migrate(schema::MIGRATIONS).await?;
        Ok(Self { db, encode, turns: Turns::new() })
    }

    fn writer(&self, scope: Scope) -> Writer {
        Writer::new(self.db.database(), scope, self.encode)
    }
}

/// `{ workspaceId, … }`: what every question begins with.
fn of_workspace(scope: Scope) -> Document {
    doc! { "workspaceId": scope.workspace().to_string() }
}

/// A limit as the driver takes it.
fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

#[async_trait]
impl Store for MongoStore {
    async fn create(
        &self,
        scope: Scope,
        new: NewLead,
        by: By,
        once: Option<Keyed<Written>>,
    ) -> Result<Reply<Written>, StoreError> {
        let writer = self.writer(scope);
        self.db
            .transact(async move |session| {
                if let Some(answer) = writer.answered(session, once.as_ref(), by.at).await? {
                    return Ok(Reply::Replayed(answer));
                }
                let written = writer.create(session, new.clone(), &by).await?;
                writer.remember(session, once.as_ref(), &written, by.at).await?;
                Ok(Reply::Fresh(written))
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
        let writer = self.writer(scope);
        let _turn = self.turns.of(id).await?;
        self.db
            .transact(async move |session| {
                if let Some(answer) = writer.answered(session, once.as_ref(), by.at).await? {
                    return Ok(Reply::Replayed(answer));
                }
                let written = writer.change(session, id, &command, &condition, &by).await?;
                writer.remember(session, once.as_ref(), &written, by.at).await?;
                Ok(Reply::Fresh(written))
            })
            .await
    }

    async fn merge(
        &self,
        scope: Scope,
        part: MergePart,
        once: Option<Keyed<Written>>,
    ) -> Result<Reply<Written>, StoreError> {
        let writer = self.writer(scope);
        let _turn = self.turns.of(part.into).await?;
        self.db
            .transact(async move |session| {
                if let Some(answer) = writer.answered(session, once.as_ref(), part.by.at).await? {
                    return Ok(Reply::Replayed(answer));
                }
                let MergePart { into, id, from, condition, by } = &part;
                let written = writer.merge(session, *into, *id, from, condition, by).await?;
                writer.remember(session, once.as_ref(), &written, by.at).await?;
                Ok(Reply::Fresh(written))
            })
            .await
    }

    async fn unmerge(
        &self,
        scope: Scope,
        part: UnmergePart,
        once: Option<Keyed<Written>>,
    ) -> Result<Reply<Written>, StoreError> {
        let writer = self.writer(scope);
        let _turn = self.turns.of(part.into).await?;
        self.db
            .transact(async move |session| {
                if let Some(answer) = writer.answered(session, once.as_ref(), part.by.at).await? {
                    return Ok(Reply::Replayed(answer));
                }
                let UnmergePart { into, id, condition, by } = &part;
                let written = writer.unmerge(session, *into, *id, condition, by).await?;
                writer.remember(session, once.as_ref(), &written, by.at).await?;
                Ok(Reply::Fresh(written))
            })
            .await
    }

    async fn change_many(&self, scope: Scope, part: BulkPart) -> Result<Reply<Bulk>, StoreError> {
        let writer = self.writer(scope);
        self.db
            .transact(async move |session| {
                if let Some(answer) = writer.answered(session, part.once.as_ref(), part.by.at).await? {
                    return Ok(Reply::Replayed(answer));
                }
                let bulk = writer.change_many(session, &part).await?;
                writer.remember(session, part.once.as_ref(), &bulk, part.by.at).await?;
                Ok(Reply::Fresh(bulk))
            })
            .await
    }

    async fn answered(&self, once: &Once, now: Millis) -> Result<Option<Vec<u8>>, StoreError> {
        let keys = self.db.collection::<Document>("once");
        match self.db.run(keys.find_one(write::of_key(once, now))).await? {
            Some(stored) => write::answer(once, &stored).map(Some),
            None => Ok(None),
        }
    }

    async fn matching(&self, scope: Scope, filter: Filter, most: usize) -> Result<Vec<LeadId>, StoreError> {
        list::matching(&self.db, scope, &filter, most).await
    }

    async fn lead(&self, scope: Scope, id: LeadId) -> Result<Option<(Lead, Vec<Note>)>, StoreError> {
        let leads = self.db.collection::<Document>("leads");
        let found =
            leads.find_one(document::of_id(scope, id)).projection(document::shown()).hint(document::by_id());
        let Some(found) = self.db.run(found).await? else { return Ok(None) };
        let lead = document::lead(&found)?.lead;
        let notes = match lead.note_count {
            0 => Vec::new(),
            _ => list::notes(&self.db, scope, id, None, NOTES_SHOWN).await?,
        };
        Ok(Some((lead, notes)))
    }

    async fn leads(&self, scope: Scope, query: Query) -> Result<Page<Lead>, StoreError> {
        list::page(&self.db, scope, &query).await
    }

    async fn newest_notes(
        &self,
        scope: Scope,
        leads: Vec<(LeadId, u32)>,
    ) -> Result<Vec<(LeadId, Vec<Note>)>, StoreError> {
        alike::newest_notes(&self.db, scope, &leads).await
    }

    async fn alike(&self, scope: Scope, likeness: Likeness) -> Result<Vec<Lead>, StoreError> {
        alike::alike(&self.db, scope, &likeness).await
    }

    async fn notes(
        &self,
        scope: Scope,
        lead: LeadId,
        before: Option<NoteId>,
        limit: usize,
    ) -> Result<Option<Page<Note>>, StoreError> {
        let Some(lead) = self.live(scope, lead).await? else { return Ok(None) };
        let notes = list::notes(&self.db, scope, lead.id, before, limit + 1).await?;
        let total = Total { value: u64::from(lead.note_count), exact: true };
        Ok(Some(Page::of(notes, limit, total)))
    }

    async fn log(&self, scope: Scope, query: LogQuery) -> Result<Option<Page<Logged>>, StoreError> {
        if let Some(lead) = query.lead
            && !query.gone
            && self.live(scope, lead).await?.is_none()
        {
            return Ok(None);
        }
        log::page(&self.db, scope, &query).await.map(Some)
    }

    async fn log_after(
        &self,
        scope: Scope,
        after: ActivityId,
        limit: usize,
    ) -> Result<Vec<Logged>, StoreError> {
        log::after(&self.db, scope, after, limit).await
    }

    async fn next_workspace(&self, after: Option<WorkspaceId>) -> Result<Option<WorkspaceId>, StoreError> {
        list::next_workspace(&self.db, after).await
    }

    async fn walk(
        &self,
        scope: Scope,
        after: Option<WalkMark>,
        limit: usize,
    ) -> Result<Vec<Lead>, StoreError> {
        list::walk(&self.db, scope, after, limit).await
    }

    async fn set_follow_ups(&self, follow_ups: Vec<NextFollowUp>) -> Result<(), StoreError> {
        use futures::{StreamExt, TryStreamExt};
        let (leads, merged) =
            (self.db.collection::<Document>("leads"), self.db.collection::<Document>("merged"));
        let set = |told: NextFollowUp| {
            let mut newer = document::of_id(told.scope, told.lead);
            newer.insert("followUpRevision", doc! { "$lt": told.revision.cast_signed() });
            let at = told.at.map_or(Bson::Null, |at| Bson::Int64(at.0));
            let change =
                doc! { "$set": { "nextFollowUpAt": at, "followUpRevision": told.revision.cast_signed() } };
            let (db, leads, merged) = (self.db.clone(), leads.clone(), merged.clone());
            async move {
                let aside = merged.update_one(newer.clone(), change.clone()).hint(document::by_id());
                db.run(leads.update_one(newer, change).hint(document::by_id())).await?;
                // It may have been told late, of a lead that went into another meanwhile.
                db.run(aside).await
            }
        };
        // Each is idempotent by itself: no transaction has to hold them together.
        futures::stream::iter(follow_ups.into_iter().map(set))
            .buffer_unordered(16)
            .try_for_each(|_| std::future::ready(Ok(())))
            .await?;
        Ok(())
    }

    async fn trashed_before(&self, before: Millis, limit: usize) -> Result<Vec<(Scope, LeadId)>, StoreError> {
        list::trashed_before(&self.db, before, limit).await
    }

    async fn forget_keys(&self, before: Millis, limit: usize) -> Result<u64, StoreError> {
        list::forget_keys(&self.db, before, limit).await
    }

    async fn forget_merges(&self, before: Millis, limit: usize) -> Result<u64, StoreError> {
        merge::forget_old(&self.db, before, limit).await
    }

    async fn mark_erased(&self, scope: Scope, at: Millis) -> Result<(), StoreError> {
        erase::mark(&self.db, scope, at).await
    }

    async fn to_erase(&self) -> Result<Vec<(Scope, Millis)>, StoreError> {
        erase::to_erase(&self.db).await
    }

    async fn erase_some(&self, scope: Scope, limit: usize) -> Result<Erasing, StoreError> {
        let imports = imports::MongoImports::new(self.db.clone(), self.encode);
        erase::some(&self.db, &imports, scope, limit).await
    }

    async fn done_erasing(&self, scope: Scope) -> Result<(), StoreError> {
        erase::done(&self.db, scope).await
    }

    async fn empty_log(&self) {}

    async fn insert(&self, scope: Scope, histories: Vec<History>) -> Result<(), StoreError> {
        let writer = self.writer(scope);
        self.db.transact(async move |session| writer.insert(session, &histories).await).await
    }

    fn imports(&self) -> Arc<dyn Imports> {
        Arc::new(imports::MongoImports::new(self.db.clone(), self.encode))
    }

    fn outbox(&self) -> Arc<dyn Outbox> {
        Arc::new(log::MongoOutbox::new(self.db.clone()))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(self.db.ping().await?)
    }

    async fn close(&self) {
        self.db.close().await;
    }
}

impl MongoStore {
    /// A lead that is not in the trash.
    async fn live(&self, scope: Scope, id: LeadId) -> Result<Option<Lead>, StoreError> {
        let leads = self.db.collection::<Document>("leads");
        let found =
            leads.find_one(document::of_id(scope, id)).projection(document::shown()).hint(document::by_id());
        let Some(found) = self.db.run(found).await? else { return Ok(None) };
        let lead = document::lead(&found)?.lead;
        Ok(Some(lead).filter(|lead| lead.deleted_at.is_none()))
    }
}
