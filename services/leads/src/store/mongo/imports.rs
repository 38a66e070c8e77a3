//! Imports in the database of leads.

mod batch;
mod row;

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures::TryStreamExt;
use leadline_runtime::{
    caller::Scope,
    ids::{UserId, parse_uuid},
    time::Millis,
};
use leadline_storage::{
    Mongo, StorageError,
    bson::{Bson, Document, doc},
    mongodb::{ClientSession, Collection, options::Hint},
};
use uuid::Uuid;

pub(super) use self::batch::trace_id;
use self::{
    batch::{row_id, trace},
    row::{COMING, broken, by_id, bytes, coming, import, leased, long, number, of_id, open, saved, shown},
};
use super::{
    document::{self, Stored, binary},
    limit_of,
    list::SERVER_DEADLINE,
    of_workspace,
    write::Writer,
};
use crate::{
    activity::Encode,
    filter::{COUNTED, Page, Total},
    import::{FailedRow, Import, ImportId, MOST_WAITING, PreviewRow, State, batch::Rows, undo::take_back},
    lead::By,
    store::{
        Keyed, Reply, StoreError,
        imports::{Imports, Lease, MOST_FAILED_READ, Step, TOO_LATE, Undo, stored},
    },
};

/// So many imports are tried when one is claimed: others may hold their workspaces.
const TRIED: i64 = 20;

/// Imports, beside the leads that they write.
#[derive(Clone)]
pub(super) struct MongoImports {
    db: Mongo,
    encode: Encode,
    imports: Collection<Document>,
    pieces: Collection<Document>,
    failures: Collection<Document>,
    traces: Collection<Document>,
    seen: Collection<Document>,
}

impl MongoImports {
    pub(super) fn new(db: Mongo, encode: Encode) -> Self {
        let collection = |name: &str| db.collection(name);
        Self {
            imports: collection("imports"),
            pieces: collection("import_pieces"),
            failures: collection("import_failures"),
            traces: collection("import_traces"),
            seen: collection("import_seen"),
            db,
            encode,
        }
    }

    async fn leased(&self, session: &mut ClientSession, lease: Lease) -> Result<Option<Import>, StoreError> {
        let found =
            self.imports.find_one(leased(lease)).projection(shown()).hint(by_id()).session(session).await?;
        found.as_ref().map(import).transpose()
    }

    /// Writes down how a leased import stands. The lease is in the filter, so that of two holders one conflicts.
    async fn save(
        &self,
        session: &mut ClientSession,
        lease: Lease,
        import: &Import,
        until: Option<Millis>,
    ) -> Result<bool, StoreError> {
        let done = self
            .imports
            .update_one(leased(lease), saved(import, until))
            .hint(by_id())
            .session(session)
            .await?;
        Ok(done.matched_count == 1)
    }
}

#[async_trait]
impl Imports for MongoImports {
    async fn begin(
        &self,
        scope: Scope,
        id: ImportId,
        now: Millis,
        since: Millis,
    ) -> Result<bool, StoreError> {
        let mut waiting = of_workspace(scope);
        waiting.insert("state", open());
        let mut coming = of_workspace(scope);
        coming.extend(doc! { "state": COMING, "createdAt": { "$gt": since.0 } });
        let count = |filter| {
            let of_state = Hint::Name("by_state".to_owned());
            self.db.run(self.imports.count_documents(filter).hint(of_state).max_time(SERVER_DEADLINE))
        };
        // Two that come at once may both be let in: it is a bound, not a rule.
        if count(waiting).await? + count(coming).await? >= MOST_WAITING {
            return Ok(false);
        }
        let row = doc! {
            "_id": id.to_string(),
            "workspaceId": scope.workspace().to_string(),
            "state": COMING,
            "createdAt": now.0,
            "leasedUntil": 0_i64,
            "swept": 0,
        };
        self.db.run(self.imports.insert_one(row)).await?;
        Ok(true)
    }

    async fn keep(&self, scope: Scope, id: ImportId, nth: u32, piece: Vec<u8>) -> Result<bool, StoreError> {
        let own = self.clone();
        let row = doc! {
            "_id": row_id(id, nth.into()),
            "workspaceId": scope.workspace().to_string(),
            "importId": id.to_string(),
            "piece": binary(piece),
        };
        self.db
            .transact(async move |session| {
                // A change, so that this and the sweep are one before the other: it leaves no piece without an import.
                let more = doc! { "$set": { "pieces": i64::from(nth) + 1 } };
                let found = own
                    .imports
                    .update_one(coming(scope, id), more)
                    .hint(by_id())
                    .session(&mut *session)
                    .await?;
                if found.matched_count == 0 {
                    return Ok(false);
                }
                own.pieces.insert_one(&row).session(&mut *session).await?;
                Ok(true)
            })
            .await
    }

    async fn forget(&self, scope: Scope, id: ImportId) -> Result<(), StoreError> {
        let old = doc! { "$set": { "createdAt": 0_i64 } };
        self.db.run(self.imports.update_one(coming(scope, id), old).hint(by_id())).await?;
        Ok(())
    }

    async fn queue(
        &self,
        scope: Scope,
        import: Import,
        once: Option<Keyed<Import>>,
    ) -> Result<Reply<Import>, StoreError> {
        let (own, writer) = (self.clone(), Writer::new(self.db.database(), scope, self.encode));
        self.db
            .transact(async move |session| {
                if let Some(answer) = writer.answered(session, once.as_ref(), import.created_at).await? {
                    return Ok(Reply::Replayed(answer));
                }
                let mut change = saved(&import, None);
                if let Ok(set) = change.get_document_mut("$set") {
                    set.extend(doc! {
                        "task": binary(stored::task_bytes(&import.task)),
                        "createdBy": import.created_by.to_string(),
                        "createdAt": import.created_at.0,
                    });
                }
                let done = own
                    .imports
                    .update_one(coming(scope, import.id), change)
                    .hint(by_id())
                    .session(&mut *session)
                    .await?;
                if done.matched_count == 0 {
                    return Err(StorageError::Unavailable("the file took too long to come".to_owned()).into());
                }
                writer.remember(session, once.as_ref(), &import, import.created_at).await?;
                Ok(Reply::Fresh(import.clone()))
            })
            .await
    }

    async fn piece(&self, scope: Scope, id: ImportId, nth: u32) -> Result<Option<Vec<u8>>, StoreError> {
        let mut filter = doc! { "_id": row_id(id, nth.into()) };
        filter.extend(of_workspace(scope));
        let found = self.db.run(self.pieces.find_one(filter).hint(by_id())).await?;
        found.map(|found| bytes(&found, "piece").cloned()).transpose()
    }

    async fn import(
        &self,
        scope: Scope,
        id: ImportId,
    ) -> Result<Option<(Import, Vec<PreviewRow>)>, StoreError> {
        let mut filter = of_id(scope, id);
        filter.insert("state", doc! { "$gt": COMING });
        let Some(found) = self.db.run(self.imports.find_one(filter).hint(by_id())).await? else {
            return Ok(None);
        };
        let mut preview = Vec::new();
        for part in found.get_array("preview").into_iter().flatten() {
            if let Bson::Binary(part) = part {
                preview.extend(stored::preview(&part.bytes)?);
            }
        }
        Ok(Some((import(&found)?, preview)))
    }

    async fn imports(
        &self,
        scope: Scope,
        before: Option<ImportId>,
        limit: usize,
    ) -> Result<Page<Import>, StoreError> {
        let mut all = of_workspace(scope);
        all.insert("state", doc! { "$gt": COMING });
        let by_workspace = || Hint::Name("by_workspace".to_owned());
        let count = self
            .imports
            .count_documents(all.clone())
            .hint(by_workspace())
            .limit(COUNTED + 1)
            .max_time(SERVER_DEADLINE);
        let mut filter = all;
        if let Some(before) = before {
            filter.insert("_id", doc! { "$lt": before.to_string() });
        }
        let rows = async {
            self.imports
                .find(filter)
                .projection(shown())
                .sort(doc! { "_id": -1 })
                .limit(limit_of(limit + 1))
                .hint(by_workspace())
                .max_time(SERVER_DEADLINE)
                .await?
                .try_collect::<Vec<Document>>()
                .await
        };
        let (count, rows) = futures::try_join!(self.db.run(count), self.db.run(rows))?;
        let imports = rows.iter().map(import).collect::<Result<_, _>>()?;
        Ok(Page::of(imports, limit, Total::of(count)))
    }

    async fn failed(
        &self,
        scope: Scope,
        id: ImportId,
        after: Option<u64>,
        size: usize,
    ) -> Result<Vec<FailedRow>, StoreError> {
        let from = after.map_or_else(|| format!("{id}/"), |nth| row_id(id, nth));
        let mut filter = of_workspace(scope);
        // `0` comes behind `/`.
        filter.insert("_id", doc! { "$gt": from, "$lt": format!("{id}0") });
        let rows = async {
            let mut found = self
                .failures
                .find(filter)
                .sort(doc! { "_id": 1 })
                .limit(limit_of(MOST_FAILED_READ))
                .hint(by_id())
                .max_time(SERVER_DEADLINE)
                .await?;
            let (mut rows, mut read) = (Vec::new(), 0);
            while read < size
                && let Some(row) = found.try_next().await?
            {
                let cells = row.get_binary_generic("cells").map_or(0, Vec::len);
                read += cells + row.get_str("reason").map_or(0, str::len);
                rows.push(row);
            }
            Ok(rows)
        };
        let row = |found: &Document| {
            Ok(FailedRow {
                nth: number(found, "nth")?,
                line: number(found, "line")?,
                cells: stored::texts(bytes(found, "cells")?)?,
                reason: found.get_str("reason").unwrap_or_default().to_owned(),
            })
        };
        self.db.run(rows).await?.iter().map(row).collect()
    }

    async fn undo(
        &self,
        scope: Scope,
        id: ImportId,
        by: UserId,
        once: Option<Keyed<Import>>,
    ) -> Result<Option<Undo>, StoreError> {
        let (own, writer) = (self.clone(), Writer::new(self.db.database(), scope, self.encode));
        let now = Millis::now();
        self.db
            .transact(async move |session| {
                if let Some(answer) = writer.answered(session, once.as_ref(), now).await? {
                    return Ok(Some(Ok(Reply::Replayed(answer))));
                }
                let mut filter = of_id(scope, id);
                filter.insert("state", doc! { "$gt": COMING });
                let found = own
                    .imports
                    .find_one(filter.clone())
                    .projection(shown())
                    .hint(by_id())
                    .session(&mut *session)
                    .await?;
                let Some(found) = found else { return Ok(None) };
                let undone = match import(&found)?.undo(by) {
                    Ok(_) if found.get_i32("swept").unwrap_or(0) > 0 => Err(TOO_LATE),
                    undone => undone,
                };
                let undone = match undone {
                    Ok(undone) => undone,
                    Err(why) => return Ok(Some(Err(why))),
                };
                own.imports
                    .update_one(filter, saved(&undone, None))
                    .hint(by_id())
                    .session(&mut *session)
                    .await?;
                writer.remember(session, once.as_ref(), &undone, now).await?;
                Ok(Some(Ok(Reply::Fresh(undone))))
            })
            .await
    }

    async fn claim(
        &self,
        holder: Uuid,
        now: Millis,
        until: Millis,
    ) -> Result<Option<(Scope, Import)>, StoreError> {
        let free = doc! { "state": open(), "leasedUntil": { "$lte": now.0 } };
        let found = async {
            self.imports
                .find(free.clone())
                .projection(doc! { "workspaceId": 1 })
                .sort(doc! { "_id": 1 })
                .limit(TRIED)
                .hint(Hint::Name("open".to_owned()))
                .max_time(SERVER_DEADLINE)
                .await?
                .try_collect::<Vec<Document>>()
                .await
        };
        for candidate in self.db.run(found).await? {
            let mut one = free.clone();
            one.insert("_id", candidate.get_str("_id").unwrap_or_default());
            one.insert("workspaceId", candidate.get_str("workspaceId").unwrap_or_default());
            let take = vec![doc! { "$set": {
                "holder": holder.to_string(),
                "leasedUntil": until.0,
                "attempts": { "$add": [{ "$ifNull": ["$attempts", 0] }, 1] },
                "state": { "$cond": [{ "$eq": ["$state", 1] }, 2, "$state"] },
            } }];
            let taken = self.db.run(
                self.imports
                    .find_one_and_update(one, take)
                    .projection(shown())
                    .return_document(leadline_storage::mongodb::options::ReturnDocument::After)
                    .hint(by_id()),
            );
            match taken.await {
                Ok(Some(found)) => {
                    let workspace = found.get_str("workspaceId").ok().and_then(|id| parse_uuid(id).ok());
                    let workspace = workspace.ok_or_else(|| broken("workspaceId"))?;
                    return Ok(Some((Scope::of_own_row(workspace.into()), import(&found)?)));
                }
                // Somebody was faster, or has another import of this workspace.
                Ok(None) | Err(StorageError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    async fn renew(&self, lease: Lease, total: Option<u64>, until: Millis) -> Result<bool, StoreError> {
        let mut set = doc! { "leasedUntil": until.0 };
        set.extend(total.map(|total| ("total".to_owned(), Bson::Int64(long(total)))));
        let done = self.imports.update_one(leased(lease), doc! { "$set": set }).hint(by_id());
        Ok(self.db.run(done).await?.matched_count == 1)
    }

    async fn release(&self, lease: Lease) -> Result<(), StoreError> {
        let free = doc! {
            "$set": { "leasedUntil": 0_i64 }, "$inc": { "attempts": -1 }, "$unset": { "holder": "" },
        };
        self.db.run(self.imports.update_one(leased(lease), free).hint(by_id())).await?;
        Ok(())
    }

    fn kept_others_waiting(&self) -> bool {
        false
    }

    async fn take(&self, lease: Lease, rows: Rows, until: Millis) -> Result<Option<Import>, StoreError> {
        let (own, scope) = (self.clone(), lease.scope);
        let writer = Writer::new(self.db.database(), scope, self.encode);
        self.db
            .transact(async move |session| {
                let Some(import) = own.leased(session, lease).await? else { return Ok(None) };
                if import.counts.rows() != rows.import.counts.rows() || import.state != State::Running {
                    return Ok(None);
                }
                let (found, revisions) = own.lookup(session, &writer, scope, &rows).await?;
                let seen = own.seen(session, scope, &rows).await?;
                let batch = rows.decide(scope, found, &seen);
                let import = Import { counts: import.counts.plus(batch.counts), attempts: 0, ..import };
                if !own.save(session, lease, &import, Some(until)).await? {
                    return Ok(None);
                }
                own.write(session, &writer, scope, lease.id, &batch, &revisions).await?;
                if !batch.preview.is_empty() {
                    let part = doc! { "$push": { "preview": binary(stored::preview_bytes(&batch.preview)) } };
                    own.imports.update_one(leased(lease), part).hint(by_id()).session(&mut *session).await?;
                }
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
        let (own, scope) = (self.clone(), lease.scope);
        let writer = Writer::new(self.db.database(), scope, self.encode);
        self.db
            .transact(async move |session| {
                let Some(mut import) = own.leased(session, lease).await? else { return Ok(None) };
                if import.state != State::Undoing {
                    return Ok(None);
                }
                import.attempts = 0;
                let mut traces = BTreeMap::new();
                let mut cursor = own
                    .traces
                    .find(doc! { "importId": lease.id.to_string() })
                    .limit(limit_of(most))
                    .hint(Hint::Name("by_import".to_owned()))
                    .session(&mut *session)
                    .await?;
                while let Some(row) = cursor.next(&mut *session).await.transpose()? {
                    let trace = trace(&row)?;
                    traces.insert(trace.lead, trace);
                }
                let ids: Vec<String> = traces.keys().map(ToString::to_string).collect();
                let mut filter = doc! { "_id": { "$in": ids } };
                filter.extend(of_workspace(scope));
                let mut cursor = writer
                    .leads
                    .find(filter)
                    .projection(document::shown())
                    .hint(document::by_id())
                    .session(&mut *session)
                    .await?;
                let (mut updates, mut events, mut notes) = (Vec::new(), Vec::new(), Vec::new());
                while let Some(row) = cursor.next(&mut *session).await.transpose()? {
                    let Stored { lead, revision } = document::lead(&row)?;
                    let taken =
                        traces.get(&lead.id).and_then(|trace| take_back(scope, lease.id, trace, &lead, &by));
                    let Some(taken) = taken else { continue };
                    updates.push(writer.replacement(&lead, revision, &taken.lead));
                    events.extend(taken.events);
                    notes.extend(taken.notes.iter().map(ToString::to_string));
                }
                import.taken_back += updates.len() as u64;
                import.kept += (traces.len() - updates.len()) as u64;
                if !own.save(session, lease, &import, Some(until)).await? {
                    return Ok(None);
                }
                writer.replace(session, updates).await?;
                writer.log(session, &events).await?;
                if !notes.is_empty() {
                    let mut filter = doc! { "_id": { "$in": notes } };
                    filter.extend(of_workspace(scope));
                    writer.notes.delete_many(filter).hint(by_id()).session(&mut *session).await?;
                }
                let done: Vec<String> = traces.keys().map(|lead| trace_id(lease.id, *lead)).collect();
                if !done.is_empty() {
                    own.traces
                        .delete_many(doc! { "_id": { "$in": done } })
                        .hint(by_id())
                        .session(&mut *session)
                        .await?;
                }
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
        let own = self.clone();
        self.db
            .transact(async move |session| {
                let Some(import) = own.leased(session, lease).await? else { return Ok(None) };
                let reason = reason.clone().or(import.reason.clone());
                let import = Import { state, reason, finished_at: Some(at), ..import };
                let saved = own.save(session, lease, &import, None).await?;
                Ok(saved.then_some(import))
            })
            .await
    }

    async fn sweep(&self, begun: Millis, ended: Millis, limit: usize) -> Result<bool, StoreError> {
        let one = |filter: Document, sort: &str, index: &str| {
            let found = self
                .imports
                .find_one(filter)
                .projection(doc! { "_id": 1 })
                .sort(doc! { sort: 1 })
                .hint(Hint::Name(index.to_owned()))
                .max_time(SERVER_DEADLINE);
            async {
                Ok::<_, StoreError>(
                    self.db.run(found).await?.and_then(|row| row.get_str("_id").ok().map(str::to_owned)),
                )
            }
        };
        let coming = doc! { "state": COMING, "createdAt": { "$lt": begun.0 } };
        if let Some(id) = one(coming, "createdAt", "coming").await? {
            // First this is said, then it is done: from now on nothing more of it is kept, and it can't be queued.
            let given_up = self
                .imports
                .update_one(doc! { "_id": &id, "state": COMING }, doc! { "$set": { "createdAt": 0_i64 } });
            if self.db.run(given_up).await?.matched_count == 1 && self.clear(&id, limit).await? {
                self.db.run(self.imports.delete_one(doc! { "_id": &id, "state": COMING })).await?;
            }
            return Ok(true);
        }
        let old = doc! { "swept": { "$lt": 2 }, "finishedAt": { "$lt": ended.0 } };
        let Some(id) = one(old, "finishedAt", "ended").await? else { return Ok(false) };
        // From now on it can't be taken back: first this is said, then it is done.
        let swept = doc! { "$set": { "swept": 1 } };
        let marked = self
            .db
            .run(self.imports.update_one(doc! { "_id": &id, "state": { "$in": [3, 4, 6] } }, swept))
            .await?;
        if marked.matched_count == 1 && self.clear(&id, limit).await? {
            let found = self.imports.find_one(doc! { "_id": &id }).projection(doc! { "task": 1 });
            let Some(found) = self.db.run(found).await? else { return Ok(true) };
            let task = stored::nameless(bytes(&found, "task")?)?;
            let last = doc! { "$set": { "swept": 2, "task": binary(task), "preview": [] } };
            self.db.run(self.imports.update_one(doc! { "_id": &id }, last)).await?;
        }
        Ok(true)
    }
}
