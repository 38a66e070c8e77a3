//! Erased workspaces in MongoDB. A step is not one transaction: each deletion is right alone, and the next step takes what
//! is left.

use futures::TryStreamExt;
use leadline_runtime::{caller::Scope, ids::parse_uuid, once::Once, time::Millis};
use leadline_storage::{
    Mongo, StorageError,
    bson::{Bson, Document, doc},
    mongodb::Collection,
};

use super::{imports::MongoImports, limit_of, list::SERVER_DEADLINE, of_workspace};
use crate::store::{Erasing, StoreError};

/// So many are worked on in one round.
const MARKED: i64 = 100;

/// Marks a workspace; a second time changes nothing.
pub(super) async fn mark(db: &Mongo, scope: Scope, at: Millis) -> Result<(), StoreError> {
    let id = doc! { "_id": scope.workspace().to_string() };
    let new = doc! { "$setOnInsert": { "at": at.0, "done": false } };
    match db.run(db.collection::<Document>("erased").update_one(id, new).upsert(true)).await {
        // Another replica was faster.
        Ok(_) | Err(StorageError::Conflict { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn open() -> Document {
    doc! { "done": false }
}

pub(super) async fn to_erase(db: &Mongo) -> Result<Vec<(Scope, Millis)>, StoreError> {
    let rows: Collection<Document> = db.collection("erased");
    let found = rows.find(open()).sort(doc! { "at": 1 }).limit(MARKED);
    let found: Vec<Document> = db.run(async { found.await?.try_collect().await }).await?;
    let read = |row: &Document| {
        let workspace = parse_uuid(row.get_str("_id").ok()?).ok()?;
        Some((Scope::of_own_row(workspace.into()), Millis(row.get_i64("at").ok()?)))
    };
    Ok(found.iter().filter_map(read).collect())
}

pub(super) async fn done(db: &Mongo, scope: Scope) -> Result<(), StoreError> {
    let id = doc! { "_id": scope.workspace().to_string() };
    db.run(db.collection::<Document>("erased").update_one(id, doc! { "$set": { "done": true } })).await?;
    Ok(())
}

/// Takes some rows away.
pub(super) async fn some(
    db: &Mongo,
    imports: &MongoImports,
    scope: Scope,
    limit: usize,
) -> Result<Erasing, StoreError> {
    // First: an import that is under way stops.
    if imports.erase_one(scope, limit).await? {
        return Ok(Erasing::More);
    }
    let keys = Once::of_workspace(scope.workspace());
    let mut gone = parked(db, scope).await?;
    gone += few(db, "once", doc! { "_id": { "$gte": keys.start, "$lt": keys.end } }, limit).await?;
    for collection in ["leads", "notes", "merged", "merges"] {
        gone += few(db, collection, of_workspace(scope), limit).await?;
    }
    // What waits to be published stays until it is: the relay counts on finding again what some consumers have handled and
    // others not.
    let mut log = shown(scope);
    log.insert("published", true);
    gone += few(db, "activity", log, limit).await?;
    let waits = async {
        let log = db.collection::<Document>("activity");
        db.run(log.find_one(shown(scope)).projection(doc! { "_id": 1 }).max_time(SERVER_DEADLINE)).await
    };
    Ok(match gone {
        1.. => Erasing::More,
        0 if waits.await?.is_some() => Erasing::Waiting,
        0 => Erasing::Gone,
    })
}

/// The log of a workspace; what is hidden in it goes by itself, once it is published.
pub(super) fn shown(scope: Scope) -> Document {
    let mut filter = of_workspace(scope);
    filter.insert("hidden", false);
    filter
}

/// Deletes at most so many.
async fn few(db: &Mongo, collection: &str, filter: Document, limit: usize) -> Result<u64, StoreError> {
    let rows: Collection<Document> = db.collection(collection);
    let found =
        rows.find(filter).projection(doc! { "_id": 1 }).limit(limit_of(limit)).max_time(SERVER_DEADLINE);
    let found: Vec<Document> = db.run(async { found.await?.try_collect().await }).await?;
    let ids: Vec<&Bson> = found.iter().filter_map(|row| row.get("_id")).collect();
    if ids.is_empty() {
        return Ok(0);
    }
    Ok(db.run(rows.delete_many(doc! { "_id": { "$in": ids } })).await?.deleted_count)
}

/// Deletes events that no consumer could handle, of which there is hardly ever any: they tell their workspace inside only.
async fn parked(db: &Mongo, scope: Scope) -> Result<u64, StoreError> {
    let rows: Collection<Document> = db.collection("parked");
    let found = rows.find(doc! {}).max_time(SERVER_DEADLINE);
    let workspace = scope.workspace().to_string();
    let tells = |row: &Document| {
        let event = row.get_binary_generic("event");
        event.is_ok_and(|event| event.windows(workspace.len()).any(|part| part == workspace.as_bytes()))
    };
    let ids: Vec<Bson> = db
        .run(async {
            let mut found = found.await?;
            let mut ids = Vec::new();
            while let Some(row) = found.try_next().await? {
                ids.extend(row.get("_id").filter(|_| tells(&row)).cloned());
            }
            Ok(ids)
        })
        .await?;
    if ids.is_empty() {
        return Ok(0);
    }
    Ok(db.run(rows.delete_many(doc! { "_id": { "$in": ids } })).await?.deleted_count)
}
