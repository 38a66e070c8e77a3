//! The log, read: as a feed, and as the outbox that it is.

use std::time::Duration;

use async_trait::async_trait;
use futures::TryStreamExt;
use leadline_bus::{Backlog, Outbox, OutboxError, OutboxRow, PendingEvent};
use leadline_runtime::{caller::Scope, ids::time_of, time::Millis};
use leadline_storage::{
    Mongo, StorageError,
    bson::{Document, doc},
    mongo::Count,
    mongodb::{Collection, options::Hint},
};
use tokio::sync::watch;
use uuid::Uuid;

use super::{document, limit_of, list::SERVER_DEADLINE, of_workspace};
use crate::{
    activity::{ActivityId, Kind},
    filter::{Page, Total},
    store::{LogQuery, Logged, StoreError, plan::PROBED},
};

/// A transaction may commit so long after it has made its entries' ids.
const LATE: Duration = Duration::from_secs(15);
/// The most entries that are repeated for it.
const MOST_LATE: i64 = 2_000;

/// A part of the log in the order of one index.
struct Part {
    filter: Document,
    index: &'static str,
}

/// The parts of which a page is merged: each kind of a workspace's log has its own order in the index, so that a rare kind is
/// found without reading past all others.
fn parts(scope: Scope, query: &LogQuery) -> Vec<Part> {
    let mut all = of_workspace(scope);
    all.insert("hidden", false);
    if let Some(lead) = query.lead {
        all.insert("leadId", lead.to_string());
        if !query.kinds.is_empty() {
            let kinds: Vec<&str> = query.kinds.iter().map(|kind| kind.name()).collect();
            all.insert("kind", doc! { "$in": kinds });
        }
        return vec![Part { filter: all, index: "by_lead" }];
    }
    if query.kinds.is_empty() {
        return vec![Part { filter: all, index: "by_workspace" }];
    }
    let of_kind = |kind: &Kind| {
        let mut filter = all.clone();
        filter.insert("kind", kind.name());
        Part { filter, index: "by_kind" }
    };
    query.kinds.iter().map(of_kind).collect()
}

/// A page, newest first.
pub(super) async fn page(db: &Mongo, scope: Scope, query: &LogQuery) -> Result<Page<Logged>, StoreError> {
    let read = |part: Part| async move {
        let Part { filter, index } = part;
        let all = Count { collection: "activity", filter: filter.clone(), index, limit: PROBED };
        let rows = rows(db, filter, index, query);
        // A lead's own log seldom fills a page: then its rows are its count.
        if query.lead.is_some() && query.before.is_none() {
            let rows = rows.await?;
            let count = if rows.len() > query.limit { db.count(&all).await? } else { rows.len() as u64 };
            return Ok((count, rows));
        }
        futures::try_join!(db.count(&all), rows)
    };
    let (mut items, mut counted) = (Vec::new(), 0);
    for (count, rows) in futures::future::try_join_all(parts(scope, query).into_iter().map(read)).await? {
        counted += count;
        for row in &rows {
            items.push(document::logged(row)?);
        }
    }
    items.sort_by_key(|entry: &Logged| std::cmp::Reverse(entry.id));
    Ok(Page::of(items, query.limit, Total::of(counted)))
}

async fn rows(
    db: &Mongo,
    mut filter: Document,
    index: &str,
    query: &LogQuery,
) -> Result<Vec<Document>, StorageError> {
    if let Some(before) = query.before {
        filter.insert("_id", doc! { "$lt": before.to_string() });
    }
    let activity: Collection<Document> = db.collection("activity");
    let found = activity
        .find(filter)
        .sort(doc! { "_id": -1 })
        .limit(limit_of(query.limit + 1))
        .projection(doc! { "event": 1 })
        .hint(Hint::Name(index.to_owned()))
        .max_time(SERVER_DEADLINE);
    db.run(async { found.await?.try_collect().await }).await
}

/// What comes after an entry, and before that what may have been committed late in front of it.
pub(super) async fn after(
    db: &Mongo,
    scope: Scope,
    after: ActivityId,
    limit: usize,
) -> Result<Vec<Logged>, StoreError> {
    let activity: Collection<Document> = db.collection("activity");
    let since = time_of(after.uuid()).unwrap_or(Millis(0)).before(LATE);
    let read = |range: Document, direction: i32, limit: i64| {
        let mut filter = of_workspace(scope);
        filter.extend(doc! { "hidden": false, "_id": range });
        let activity = activity.clone();
        db.run(async move {
            activity
                .find(filter)
                .sort(doc! { "_id": direction })
                .limit(limit)
                .hint(Hint::Name("by_workspace".to_owned()))
                .max_time(SERVER_DEADLINE)
                .await?
                .try_collect::<Vec<Document>>()
                .await
        })
    };
    let id = after.to_string();
    let (late, new) = futures::try_join!(
        read(doc! { "$gte": least_at(since).to_string(), "$lt": &id }, -1, MOST_LATE),
        read(doc! { "$gt": &id }, 1, limit_of(limit)),
    )?;
    late.iter().rev().chain(&new).map(document::logged).collect()
}

/// The least UUIDv7 of a millisecond.
fn least_at(at: Millis) -> Uuid {
    Uuid::from_u128(u128::from(u64::try_from(at.0).unwrap_or(0)) << 80)
}

/// The log as an outbox.
pub(super) struct MongoOutbox {
    db: Mongo,
    activity: Collection<Document>,
}

impl MongoOutbox {
    pub(super) fn new(db: Mongo) -> Self {
        let activity = db.collection("activity");
        Self { db, activity }
    }
}

fn by_unpublished() -> Hint {
    Hint::Name("unpublished".to_owned())
}

fn broken() -> OutboxError {
    StorageError::Internal("an entry of the log holds no good event".to_owned()).into()
}

#[async_trait]
impl Outbox for MongoOutbox {
    async fn pending(
        &self,
        after: Option<&OutboxRow>,
        limit: usize,
    ) -> Result<Vec<PendingEvent>, OutboxError> {
        let mut filter = doc! { "published": false };
        if let Some(after) = after.and_then(OutboxRow::text) {
            filter.insert("_id", doc! { "$gt": after });
        }
        let rows: Vec<Document> = self
            .db
            .run(async {
                self.activity
                    .find(filter)
                    .sort(doc! { "_id": 1 })
                    .limit(limit_of(limit))
                    .projection(doc! { "kind": 1, "event": 1 })
                    .hint(by_unpublished())
                    .max_time(SERVER_DEADLINE)
                    .await?
                    .try_collect()
                    .await
            })
            .await?;
        let pending = |row: &Document| {
            let (id, kind) = (row.get_str("_id").ok()?, row.get_str("kind").ok()?);
            Some(PendingEvent::new(id, kind, row.get_binary_generic("event").ok()?.clone()))
        };
        rows.iter().map(|row| pending(row).ok_or_else(broken)).collect()
    }

    async fn mark_published(&self, rows: &[OutboxRow]) -> Result<(), OutboxError> {
        let ids: Vec<&str> = rows.iter().filter_map(OutboxRow::text).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let these = doc! { "_id": { "$in": ids }, "published": false };
        let mark = doc! { "$set": { "published": true } };
        self.db.run(self.activity.update_many(these, mark).hint(document::by_id())).await?;
        Ok(())
    }

    async fn park(&self, row: &OutboxRow, consumer: &str, reason: &str) -> Result<(), OutboxError> {
        let Some(row) = row.text() else { return Ok(()) };
        let Some(entry) = self.db.run(self.activity.find_one(doc! { "_id": row })).await? else {
            return Ok(());
        };
        let event = entry.get("event").cloned().ok_or_else(broken)?;
        let parked = self.db.collection::<Document>("parked");
        let mut copy = doc! { "consumer": consumer, "reason": reason, "event": event };
        if let Ok(lead) = entry.get_str("leadId") {
            copy.insert("leadId", lead);
        }
        let copy = doc! { "$setOnInsert": copy };
        let id = doc! { "_id": format!("{row}/{consumer}") };
        match self.db.run(parked.update_one(id, copy).upsert(true)).await {
            // Somebody else has just parked it.
            Ok(_) | Err(StorageError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn backlog(&self) -> Result<Backlog, OutboxError> {
        let waiting = doc! { "published": false };
        let depth =
            self.activity.count_documents(waiting.clone()).hint(by_unpublished()).max_time(SERVER_DEADLINE);
        let oldest = self
            .activity
            .find_one(waiting)
            .sort(doc! { "_id": 1 })
            .hint(by_unpublished())
            .max_time(SERVER_DEADLINE);
        let (depth, oldest) = futures::try_join!(self.db.run(depth), self.db.run(oldest))?;
        let oldest_at_ms = oldest.and_then(|row| row.get_i64("writtenAt").ok());
        Ok(Backlog { depth, oldest_at_ms })
    }

    fn committed(&self) -> watch::Receiver<u64> {
        self.db.committed()
    }
}
