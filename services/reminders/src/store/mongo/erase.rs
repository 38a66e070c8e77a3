//! Erased workspaces in MongoDB. A step is not one transaction: each deletion is right alone, and the next step takes what
//! is left.

use std::collections::HashSet;

use bson::{Bson, Document, doc};
use futures::TryStreamExt;
use leadline_runtime::{caller::Scope, ids::WorkspaceId, once::Once, time::Millis};
use leadline_storage::{Mongo, StorageError};
use mongodb::{ClientSession, Collection};

use super::{Tables, whole};
use crate::store::{Erasing, StoreError};

/// So many are worked on in one round.
const MARKED: i64 = 100;

/// Marks a workspace; a second time changes nothing.
pub(super) async fn mark(db: &Mongo, tables: &Tables, scope: Scope, at: Millis) -> Result<(), StoreError> {
    let id = doc! { "_id": scope.workspace().to_string() };
    let new = doc! { "$setOnInsert": { "at": at.0, "done": false } };
    match db.run(tables.erased.update_one(id, new).upsert(true)).await {
        // Another replica was faster.
        Ok(_) | Err(StorageError::Conflict { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn to_erase(db: &Mongo, tables: &Tables) -> Result<Vec<(Scope, Millis)>, StoreError> {
    let found = tables.erased.find(doc! { "done": false }).sort(doc! { "at": 1 }).limit(MARKED);
    let found: Vec<Document> = db.run(async { found.await?.try_collect().await }).await?;
    let read = |row: &Document| {
        let workspace = WorkspaceId::parse(row.get_str("_id").ok()?).ok()?;
        Some((Scope::of_own_row(workspace), Millis(row.get_i64("at").ok()?)))
    };
    Ok(found.iter().filter_map(read).collect())
}

pub(super) async fn done(db: &Mongo, tables: &Tables, scope: Scope) -> Result<(), StoreError> {
    let id = doc! { "_id": scope.workspace().to_string() };
    db.run(tables.erased.update_one(id, doc! { "$set": { "done": true } })).await?;
    Ok(())
}

/// Takes some rows away.
pub(super) async fn some(
    db: &Mongo,
    tables: &Tables,
    scope: Scope,
    limit: usize,
) -> Result<Erasing, StoreError> {
    let keys = Once::of_workspace(scope.workspace());
    let keys = doc! { "_id": { "$gte": keys.start, "$lt": keys.end } };
    let mut gone = few(db, &tables.once, keys, limit).await?;
    gone += few(db, &tables.reminders, of_workspace(scope), limit).await?;
    gone += few(db, &tables.leads, keys_of_leads(scope), limit).await?;
    // What waits to be published stays until it is: the relay counts on finding again what some consumers have handled and
    // others not.
    let mut told = of_workspace(scope);
    told.insert("published", true);
    gone += few(db, &tables.outbox, told, limit).await?;
    Ok(match gone {
        1.. => Erasing::More,
        0 if db.run(tables.outbox.find_one(of_workspace(scope))).await?.is_some() => Erasing::Waiting,
        0 => Erasing::Gone,
    })
}

pub(super) fn of_workspace(scope: Scope) -> Document {
    doc! { "workspaceId": scope.workspace().to_string() }
}

/// What is known of leads has the workspace in front of its ids. The character after a slash is a zero.
pub(super) fn keys_of_leads(scope: Scope) -> Document {
    let workspace = scope.workspace();
    doc! { "_id": { "$gte": format!("{workspace}/"), "$lt": format!("{workspace}0") } }
}

/// Deletes at most so many.
async fn few(
    db: &Mongo,
    rows: &Collection<Document>,
    filter: Document,
    limit: usize,
) -> Result<u64, StoreError> {
    let found = rows.find(filter).projection(doc! { "_id": 1 }).limit(whole(limit));
    let found: Vec<Document> = db.run(async { found.await?.try_collect().await }).await?;
    let ids: Vec<&Bson> = found.iter().filter_map(|row| row.get("_id")).collect();
    if ids.is_empty() {
        return Ok(0);
    }
    Ok(db.run(rows.delete_many(doc! { "_id": { "$in": ids } })).await?.deleted_count)
}

impl Tables {
    /// Which of these workspaces are erased. A mark that is set meanwhile is not seen, and what is written then is found
    /// when rows are looked for again.
    pub(super) async fn erased_among(
        &self,
        session: &mut ClientSession,
        scopes: impl Iterator<Item = Scope>,
    ) -> Result<HashSet<Scope>, StoreError> {
        let scopes: HashSet<Scope> = scopes.collect();
        let ids: Vec<String> = scopes.iter().map(|scope| scope.workspace().to_string()).collect();
        let mut marked = HashSet::new();
        let mut found = self.erased.find(doc! { "_id": { "$in": ids } }).session(&mut *session).await?;
        while let Some(row) = found.next(&mut *session).await.transpose()? {
            if let Some(workspace) = row.get_str("_id").ok().and_then(|id| WorkspaceId::parse(id).ok()) {
                marked.insert(Scope::of_own_row(workspace));
            }
        }
        Ok(marked)
    }
}
