//! What a MongoDB database promises, against a real server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::TryStreamExt;
use futures::future::{join_all, pending, ready};
use leadline_storage::bson::{Document, doc};
use leadline_storage::mongodb::options::FindOneOptions;
use leadline_storage::mongodb::{Collection, Database};
use leadline_storage::{Mongo, MongoMigration, StorageError, mongo};
use leadline_testbed as testbed;

/// A database of the test's own, on the server that the tests share.
async fn open() -> anyhow::Result<Mongo> {
    let uri = testbed::mongo().await?.fresh_uri();
    Ok(open_at(&uri).await?)
}

async fn open_at(uri: &str) -> Result<Mongo, StorageError> {
    let mongo = Mongo::open(uri, &Mongo::database_name(uri, "notes")?, "storage-test").await?;
    mongo.wait_ready(pending()).await?;
    Ok(mongo)
}

/// Takes the test's database away and closes.
async fn end(mongo: Mongo) -> anyhow::Result<()> {
    mongo.run(mongo.database().drop()).await?;
    mongo.close().await;
    Ok(())
}

#[derive(Debug, PartialEq)]
enum NoteError {
    Gone,
    Storage(StorageError),
}

impl From<StorageError> for NoteError {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl From<leadline_storage::mongodb::error::Error> for NoteError {
    fn from(error: leadline_storage::mongodb::error::Error) -> Self {
        StorageError::from(error).into()
    }
}

/// A port as the services write theirs, to show that transactions fit behind it (their futures must be `Send`).
#[async_trait]
trait Notes: Send + Sync {
    async fn bump(&self, id: &str) -> Result<i64, NoteError>;
}

struct MongoNotes {
    mongo: Mongo,
    attempts: Arc<AtomicU32>,
}

#[async_trait]
impl Notes for MongoNotes {
    async fn bump(&self, id: &str) -> Result<i64, NoteError> {
        let notes: Collection<Document> = self.mongo.collection("notes");
        let log: Collection<Document> = self.mongo.collection("log");
        let id = id.to_owned();
        let attempts = self.attempts.clone();
        self.mongo
            .transact(async move |session| {
                attempts.fetch_add(1, Ordering::Relaxed);
                let note = notes
                    .find_one(doc! { "_id": &id })
                    .session(&mut *session)
                    .await?
                    .ok_or(NoteError::Gone)?;
                let version = note.get_i64("version").unwrap_or_default() + 1;
                log.insert_one(doc! { "note": &id, "version": version }).session(&mut *session).await?;
                notes
                    .update_one(doc! { "_id": &id }, doc! { "$set": { "version": version } })
                    .session(&mut *session)
                    .await?;
                Ok(version)
            })
            .await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contended_transactions_lose_nothing_and_do_nothing_twice() -> anyhow::Result<()> {
    let mongo = open().await?;
    let mut committed = mongo.committed();
    let notes: Collection<Document> = mongo.collection("notes");
    mongo.run(notes.insert_one(doc! { "_id": "a", "version": 0_i64 })).await?;
    let port = Arc::new(MongoNotes { mongo: mongo.clone(), attempts: Arc::default() });
    let tasks = (0..8).map(|_| {
        let port: Arc<MongoNotes> = port.clone();
        tokio::spawn(async move {
            let mut versions = Vec::new();
            for _ in 0..10 {
                let port: &dyn Notes = &*port;
                versions.push(port.bump("a").await?);
            }
            Ok::<_, NoteError>(versions)
        })
    });
    let mut versions = Vec::new();
    for task in join_all(tasks).await {
        versions.extend(task?.expect("every bump commits"));
    }
    versions.sort_unstable();
    assert_eq!(versions, (1..=80).collect::<Vec<i64>>());
    let log: Collection<Document> = mongo.collection("log");
    assert_eq!(mongo.run(log.count_documents(doc! {})).await?, 80);
    assert!(port.attempts.load(Ordering::Relaxed) > 80, "they did contend");
    assert!(committed.has_changed()?);
    assert_eq!(*committed.borrow_and_update(), 80);
    end(mongo).await
}

#[tokio::test]
async fn an_error_of_the_closure_aborts_and_comes_back_as_it_is() -> anyhow::Result<()> {
    let mongo = open().await?;
    let notes: Collection<Document> = mongo.collection("notes");
    let inside = notes.clone();
    let refused = mongo
        .transact(async move |session| -> Result<(), NoteError> {
            inside.insert_one(doc! { "_id": "half" }).session(&mut *session).await?;
            Err(NoteError::Gone)
        })
        .await;
    assert_eq!(refused, Err(NoteError::Gone));
    assert_eq!(mongo.run(notes.find_one(doc! {})).await?, None);
    assert_eq!(*mongo.committed().borrow(), 0);
    end(mongo).await
}

#[tokio::test]
async fn a_duplicate_names_the_index_and_not_the_value() -> anyhow::Result<()> {
    let mongo = open().await?;
    mongo::ensure_index(
        mongo.database(),
        "notes",
        mongo::unique_index("by_email", doc! { "email": 1 }, None),
    )
    .await?;
    let notes: Collection<Document> = mongo.collection("notes");
    mongo.run(notes.insert_one(doc! { "email": "anna@example.org" })).await?;
    let conflict = Err(StorageError::Conflict { constraint: "by_email".to_owned() });
    assert_eq!(mongo.run(notes.insert_one(doc! { "email": "anna@example.org" })).await.map(drop), conflict);
    assert_eq!(
        mongo.run(notes.insert_many([doc! { "email": "anna@example.org" }])).await.map(drop),
        conflict
    );
    let inside = notes.clone();
    let refused = mongo
        .transact(async move |session| -> Result<(), StorageError> {
            inside.insert_one(doc! { "email": "anna@example.org" }).session(&mut *session).await?;
            Ok(())
        })
        .await;
    assert_eq!(refused, conflict);
    end(mongo).await
}

#[tokio::test]
async fn contention_that_does_not_end_answers_contended_in_time() -> anyhow::Result<()> {
    let mongo = open().await?;
    let notes: Collection<Document> = mongo.collection("notes");
    mongo.run(notes.insert_one(doc! { "_id": "a" })).await?;
    let mut session = mongo.client().start_session().await?;
    session.start_transaction().await?;
    notes
        .update_one(doc! { "_id": "a" }, doc! { "$set": { "by": "the first" } })
        .session(&mut session)
        .await?;
    let started = tokio::time::Instant::now();
    let inside = notes.clone();
    let refused = mongo
        .transact(async move |session| -> Result<(), StorageError> {
            inside
                .update_one(doc! { "_id": "a" }, doc! { "$set": { "by": "the second" } })
                .session(&mut *session)
                .await?;
            Ok(())
        })
        .await;
    assert_eq!(refused, Err(StorageError::Contended));
    assert!(started.elapsed() < mongo::DEADLINE + Duration::from_secs(3));
    session.abort_transaction().await?;
    drop(session);
    end(mongo).await
}

#[tokio::test]
async fn a_closure_that_takes_too_long_is_stopped_and_writes_nothing() -> anyhow::Result<()> {
    let mongo = open().await?;
    let notes: Collection<Document> = mongo.collection("notes");
    mongo.run(mongo.database().create_collection("notes")).await?;
    let inside = notes.clone();
    let refused = mongo
        .transact(async move |session| -> Result<(), StorageError> {
            inside.insert_one(doc! { "_id": "half" }).session(&mut *session).await?;
            pending().await
        })
        .await;
    assert_eq!(refused, Err(StorageError::TimedOut));
    assert_eq!(mongo.run(notes.find_one(doc! {})).await?, None);
    mongo.run(notes.insert_one(doc! { "_id": "one" })).await?;
    let mut options = FindOneOptions::default();
    options.max_time = Some(Duration::from_millis(20));
    let slow =
        mongo.run(notes.find_one(doc! { "$where": "sleep(2000) || true" }).with_options(options)).await;
    assert_eq!(slow, Err(StorageError::TimedOut));
    end(mongo).await
}

static RUNS: AtomicU32 = AtomicU32::new(0);

const MIGRATIONS: &[MongoMigration] = &[
    MongoMigration { name: "0001 notes", run: |db| Box::pin(notes(db)) },
    MongoMigration { name: "0002 by time", run: |db| Box::pin(by_time(db)) },
];

async fn notes(db: &Database) -> Result<(), StorageError> {
    RUNS.fetch_add(1, Ordering::SeqCst);
    let schema = doc! { "$jsonSchema": { "bsonType": "object", "required": ["workspaceId"] } };
    mongo::ensure_collection(db, "notes", schema).await
}

async fn by_time(db: &Database) -> Result<(), StorageError> {
    RUNS.fetch_add(100, Ordering::SeqCst);
    mongo::ensure_index(db, "notes", mongo::index("by_time", doc! { "workspaceId": 1, "time": -1 })).await
}

#[tokio::test]
async fn migrations_run_once_however_many_replicas_start() -> anyhow::Result<()> {
    let uri = testbed::mongo().await?.fresh_uri();
    let replicas =
        join_all((0..4).map(|_| open_at(&uri))).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    for result in join_all(replicas.iter().map(|replica| replica.migrate(MIGRATIONS))).await {
        result?;
    }
    assert_eq!(RUNS.load(Ordering::SeqCst), 101);
    let first = &replicas[0];
    let applied: Vec<Document> = first
        .run(async {
            first
                .collection::<Document>("migrations")
                .find(doc! {})
                .sort(doc! { "appliedAt": 1 })
                .await?
                .try_collect()
                .await
        })
        .await?;
    let mut names: Vec<_> =
        applied.iter().filter_map(|one| one.get_str("_id").ok()).filter(|name| *name != "lock").collect();
    names.sort_unstable();
    assert_eq!(names, ["0001 notes", "0002 by time"]);

    // An older replica knows fewer, and works on.
    replicas[1].migrate(&MIGRATIONS[..1]).await?;
    assert_eq!(RUNS.load(Ordering::SeqCst), 101);

    let notes: Collection<Document> = first.collection("notes");
    let refused = first.run(notes.insert_one(doc! { "nobody's": true })).await;
    assert!(matches!(refused, Err(StorageError::Internal(_))), "the validator holds: {refused:?}");
    mongo::ensure_collection(first.database(), "notes", doc! { "$jsonSchema": { "required": ["_id"] } })
        .await?;
    first.run(notes.insert_one(doc! { "nobody's": true })).await?;

    let plan = first
        .explain(doc! { "find": "notes", "filter": { "workspaceId": "w" }, "sort": { "time": -1 } })
        .await?;
    let stages = mongo::plan_stages(&plan);
    assert_eq!(stages, ["FETCH", "IXSCAN by_time"]);
    let plan = first.explain(doc! { "find": "notes", "filter": { "text": "x" } }).await?;
    assert_eq!(mongo::plan_stages(&plan), ["COLLSCAN"]);
    let plan = first
        .explain(doc! { "aggregate": "notes", "pipeline": [{ "$match": { "workspaceId": "w" } }, { "$group": { "_id": "$text", "n": { "$sum": 1 } } }], "cursor": {} })
        .await?;
    let stages = mongo::plan_stages(&plan);
    assert!(stages.iter().any(|stage| stage == "IXSCAN by_time"), "{stages:?}");
    for replica in &replicas[1..] {
        replica.close().await;
    }
    end(first.clone()).await
}

#[tokio::test]
async fn a_migration_that_failed_runs_again_and_frees_the_lock() -> anyhow::Result<()> {
    static FIRST: AtomicU32 = AtomicU32::new(0);
    let flaky: &[MongoMigration] = &[MongoMigration {
        name: "0001 flaky",
        run: |_| {
            Box::pin(async {
                match FIRST.fetch_add(1, Ordering::SeqCst) {
                    0 => Err(StorageError::Internal("once".to_owned())),
                    _ => Ok(()),
                }
            })
        },
    }];
    let mongo = open().await?;
    assert_eq!(mongo.migrate(flaky).await, Err(StorageError::Internal("once".to_owned())));
    tokio::time::timeout(Duration::from_secs(10), mongo.migrate(flaky)).await.expect("the lock is free")?;
    end(mongo).await
}

#[tokio::test]
async fn a_lock_of_a_dead_replica_expires() -> anyhow::Result<()> {
    let mongo = open().await?;
    let records: Collection<Document> = mongo.collection("migrations");
    let soon = leadline_storage::bson::DateTime::from_millis(
        leadline_storage::bson::DateTime::now().timestamp_millis() + 1500,
    );
    mongo.run(records.insert_one(doc! { "_id": "lock", "expiresAt": soon })).await?;
    let migrations: &[MongoMigration] =
        &[MongoMigration { name: "0001 nothing", run: |_| Box::pin(ready(Ok(()))) }];
    mongo.migrate(migrations).await?;
    assert!(leadline_storage::bson::DateTime::now() >= soon, "it waited for the lease to end");
    end(mongo).await
}

#[tokio::test]
async fn an_absent_server_is_waited_for_and_named() -> anyhow::Result<()> {
    let port = testbed::free_port()?;
    let uri = format!("mongodb://127.0.0.1:{port}/x?replicaSet=rs0");
    let mongo = Mongo::open(&uri, "x_notes", "storage-test").await?;
    let stopped =
        mongo.wait_ready(tokio::time::sleep(Duration::from_secs(6))).await.expect_err("nobody is there");
    let line = stopped.to_string();
    assert!(matches!(stopped, StorageError::Unavailable(_)), "{stopped:?}");
    assert!(line.contains(&format!("127.0.0.1:{port}")) && line.ends_with("connection refused"), "{line}");
    let refused = mongo.run(mongo.collection::<Document>("notes").find_one(doc! {})).await;
    assert!(
        matches!(refused, Err(StorageError::Unavailable(ref why)) if why.contains("connection refused")),
        "{refused:?}"
    );
    let inside = mongo.collection::<Document>("notes");
    let refused = mongo
        .transact(async move |session| -> Result<(), StorageError> {
            inside.insert_one(doc! { "_id": "a" }).session(&mut *session).await?;
            Ok(())
        })
        .await;
    assert!(
        matches!(refused, Err(StorageError::Unavailable(ref why)) if why.contains("connection refused")),
        "{refused:?}"
    );
    mongo.close().await;
    Ok(())
}

#[tokio::test]
async fn a_new_primary_is_found_without_an_error_for_the_caller() -> anyhow::Result<()> {
    let server = testbed::Mongo::start_private().await?;
    let uri = server.fresh_uri();
    let mongo = open_at(&uri).await?;
    let notes: Collection<Document> = mongo.collection("notes");
    mongo.run(notes.insert_one(doc! { "_id": "a", "n": 0 })).await?;
    let attempts = AtomicU32::new(0);
    let counted = &attempts;
    let primary = &server;
    let inside = notes.clone();
    mongo
        .transact(async move |session| -> Result<(), StorageError> {
            inside
                .update_one(doc! { "_id": "a" }, doc! { "$inc": { "n": 1 } })
                .session(&mut *session)
                .await?;
            if counted.fetch_add(1, Ordering::SeqCst) == 0 {
                let step_down = doc! { "replSetStepDown": 3, "secondaryCatchUpPeriodSecs": 0, "force": true };
                primary.run(step_down).await.map_err(|error| StorageError::Internal(error.to_string()))?;
            }
            Ok(())
        })
        .await?;
    assert!(attempts.load(Ordering::SeqCst) > 1, "the first attempt lost its primary");
    let note = mongo.run(notes.find_one(doc! {})).await?.expect("the note");
    assert_eq!(note.get_i32("n").ok(), Some(1));
    mongo.close().await;
    Ok(())
}

#[tokio::test]
async fn a_server_that_comes_back_within_the_deadline_costs_the_caller_only_time() -> anyhow::Result<()> {
    let mut server = testbed::Mongo::start_private().await?;
    let mongo = open_at(&server.fresh_uri()).await?;
    let notes: Collection<Document> = mongo.collection("notes");
    mongo.run(notes.insert_one(doc! { "_id": "a", "n": 0 })).await?;
    server.kill().await?;
    // The driver has seen the server go, and forgets what it could do.
    assert!(matches!(mongo.ping().await, Err(StorageError::Unavailable(_))));
    let inside = notes.clone();
    let bump = mongo.transact(async move |session| -> Result<(), StorageError> {
        inside.update_one(doc! { "_id": "a" }, doc! { "$inc": { "n": 1 } }).session(&mut *session).await?;
        Ok(())
    });
    let (bumped, started) = tokio::join!(bump, server.start_again());
    started?;
    // A machine under load may need longer than the deadline; then nothing may have been written.
    let n = mongo.run(notes.find_one(doc! {})).await?.and_then(|note| note.get_i32("n").ok());
    match bumped {
        Ok(()) => assert_eq!(n, Some(1)),
        Err(StorageError::Unavailable(_)) => assert!(n < Some(2)),
        Err(other) => panic!("{other:?}"),
    }
    mongo.close().await;
    Ok(())
}

#[tokio::test]
async fn closing_does_not_wait_for_ever_for_a_session_that_is_open() -> anyhow::Result<()> {
    let mongo = open().await?;
    let session = mongo.client().start_session().await?;
    tokio::time::timeout(Duration::from_secs(20), mongo.close()).await?;
    drop(session);
    let refused = mongo.run(mongo.collection::<Document>("notes").find_one(doc! {})).await;
    assert!(matches!(refused, Err(StorageError::Unavailable(_))), "{refused:?}");
    Ok(())
}

#[tokio::test]
async fn addresses_name_databases() {
    assert_eq!(Mongo::database_name("mongodb://h/acme?replicaSet=rs0", "leads"), Ok("acme_leads".to_owned()));
    assert_eq!(Mongo::database_name("mongodb://h", "leads"), Ok("leadline_leads".to_owned()));
    assert_eq!(Mongo::database_name("mongodb://h/?replicaSet=rs0", "leads"), Ok("leadline_leads".to_owned()));
    assert!(matches!(Mongo::database_name("mongodb://h/acme.x", "leads"), Err(StorageError::BadUrl(_))));
    let refused =
        Mongo::open("mongodb://anna:hunter2@:no:port", "x", "y").await.expect_err("no address").to_string();
    assert!(!refused.contains("hunter2") && !refused.contains('\n'), "{refused}");
    assert!(!refused.contains("Kind:") && !refused.contains("labels:"), "{refused}");
}
