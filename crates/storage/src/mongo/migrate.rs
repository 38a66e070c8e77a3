//! Migrations of a MongoDB database: once each, in order, by one replica at a time.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use bson::oid::ObjectId;
use bson::{DateTime, Document, doc};
use futures::TryStreamExt;
use futures::future::BoxFuture;
use leadline_failpoints::{Moment, reached};
use mongodb::{Collection, Database};

use super::Mongo;
use crate::StorageError;

/// The collection that remembers them; it also holds the lock.
const COLLECTION: &str = "migrations";
const LOCK: &str = "lock";
/// A replica that dies while it migrates holds the others up for at most this long.
const LEASE: Duration = Duration::from_secs(30);
const RENEWAL: Duration = Duration::from_secs(8);
/// How often a replica looks whether another one is done.
const POLL: Duration = Duration::from_millis(250);

/// One step of a database's schema.
///
/// A step is recorded after it ran, so a crash makes it run again: write it with [`ensure_collection`](super::ensure_collection),
/// [`ensure_index`](super::ensure_index) and updates that may be repeated. Older replicas go on working meanwhile: add, and take away
/// only what no running release uses.
///
/// ```
/// use leadline_storage::{MongoMigration, StorageError, bson::doc, mongo, mongodb::Database};
///
/// const MIGRATIONS: &[MongoMigration] = &[MongoMigration { name: "0001 notes", run: |db| Box::pin(notes(db)) }];
///
/// async fn notes(db: &Database) -> Result<(), StorageError> {
///     mongo::ensure_collection(db, "notes", doc! { "$jsonSchema": { "required": ["workspaceId"] } }).await?;
///     mongo::ensure_index(db, "notes", mongo::index("by_time", doc! { "workspaceId": 1, "time": -1 })).await
/// }
/// ```
#[derive(Clone, Copy)]
pub struct MongoMigration {
    /// Unique, never changed once released; `0001 what it makes`.
    pub name: &'static str,
    /// What it does.
    pub run: for<'d> fn(&'d Database) -> BoxFuture<'d, Result<(), StorageError>>,
}

impl fmt::Debug for MongoMigration {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("MongoMigration").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Mongo {
    /// Brings the database's schema up to date: runs what was never run, in the order given.
    ///
    /// Several replicas may call it at once: one works (it holds a lock that expires 30 s after it died), the others wait for
    /// it. Migrations that this program does not know (a newer release's) are left alone. A database that is up to date costs one read.
    ///
    /// # Errors
    /// The first failing migration's error; those before it stay.
    pub async fn migrate(&self, migrations: &[MongoMigration]) -> Result<(), StorageError> {
        let records = self.collection::<Document>(COLLECTION);
        let holder = ObjectId::new();
        let mut lock = Lock { records: &records, holder };
        loop {
            if missing(self, &records, migrations).await?.is_empty() {
                return Ok(());
            }
            if lock.take(self).await? {
                break;
            }
            tokio::time::sleep(POLL).await;
        }
        let result = self.apply_missing(&records, migrations, &lock).await;
        // If this fails the lease runs out.
        let _ = lock.release(self).await;
        result
    }

    async fn apply_missing(
        &self,
        records: &Collection<Document>,
        migrations: &[MongoMigration],
        lock: &Lock<'_>,
    ) -> Result<(), StorageError> {
        // Again, now that nobody else works: another replica may have finished since.
        for migration in missing(self, records, migrations).await? {
            tokio::select! {
                result = (migration.run)(self.database()) => result?,
                lost = lock.keep(self) => return Err(lost),
            }
            let record = doc! { "_id": migration.name, "appliedAt": DateTime::now() };
            match self.run(records.insert_one(record)).await {
                Ok(_) | Err(StorageError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
            let database = self.database().name();
            tracing::info!(database, name = migration.name, "migrated");
            // A database is named for its service, behind a prefix.
            let service = database.rsplit('_').next().unwrap_or_default();
            reached(Moment::Migrated, service)
                .await
                .map_err(|fault| StorageError::Internal(fault.to_string()))?;
        }
        Ok(())
    }
}

async fn missing<'m>(
    mongo: &Mongo,
    records: &Collection<Document>,
    migrations: &'m [MongoMigration],
) -> Result<Vec<&'m MongoMigration>, StorageError> {
    let applied: Vec<Document> =
        mongo.run(async { records.find(doc! {}).await?.try_collect().await }).await?;
    let applied: HashSet<&str> = applied.iter().filter_map(|record| record.get_str("_id").ok()).collect();
    Ok(migrations.iter().filter(|migration| !applied.contains(migration.name)).collect())
}

/// A lock with an expiry. All times are the server's: replicas' clocks may differ.
struct Lock<'c> {
    records: &'c Collection<Document>,
    holder: ObjectId,
}

impl Lock<'_> {
    async fn take(&mut self, mongo: &Mongo) -> Result<bool, StorageError> {
        // $expr is not allowed in an upsert, so the document comes first.
        match mongo
            .run(self.records.insert_one(doc! { "_id": LOCK, "expiresAt": DateTime::from_millis(0) }))
            .await
        {
            Ok(_) | Err(StorageError::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
        let free = doc! { "_id": LOCK, "$expr": { "$lt": ["$expiresAt", "$$NOW"] } };
        let taken = mongo.run(self.records.update_one(free, vec![self.lease()])).await?;
        Ok(taken.modified_count == 1)
    }

    /// Renews the lease for as long as it is polled; returns only when it is lost.
    async fn keep(&self, mongo: &Mongo) -> StorageError {
        let mut last_held = tokio::time::Instant::now();
        loop {
            tokio::time::sleep(RENEWAL).await;
            let mine = doc! { "_id": LOCK, "holder": self.holder };
            match mongo.run(self.records.update_one(mine, vec![self.lease()])).await {
                Ok(renewed) if renewed.matched_count == 1 => last_held = tokio::time::Instant::now(),
                Err(_) if last_held.elapsed() < LEASE / 2 => {}
                _ => {
                    return StorageError::Unavailable(
                        "the lock for migrations was lost while one ran: start again".to_owned(),
                    );
                }
            }
        }
    }

    fn lease(&self) -> Document {
        let lease = i64::try_from(LEASE.as_millis()).unwrap_or(i64::MAX);
        doc! { "$set": { "holder": self.holder, "expiresAt": { "$add": ["$$NOW", lease] } } }
    }

    async fn release(&self, mongo: &Mongo) -> Result<(), StorageError> {
        let mine = doc! { "_id": LOCK, "holder": self.holder };
        mongo
            .run(self.records.update_one(mine, doc! { "$set": { "expiresAt": DateTime::from_millis(0) } }))
            .await?;
        Ok(())
    }
}
