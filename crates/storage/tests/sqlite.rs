//! What a SQLite file promises.

use std::path::Path;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use leadline_storage::{Migration, Sqlite, SqliteOptions, StorageError};
use rusqlite::Connection;
use tempfile::TempDir;

const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "notes", sql: "CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL UNIQUE) STRICT;" },
    Migration {
        version: 2,
        name: "replies and search",
        sql: "CREATE TABLE replies (id INTEGER PRIMARY KEY, note INTEGER NOT NULL REFERENCES notes (id)) STRICT;
              CREATE VIRTUAL TABLE notes_search USING fts5 (text, content='notes', content_rowid='id', tokenize='trigram');
              CREATE TRIGGER notes_added AFTER INSERT ON notes BEGIN
                  INSERT INTO notes_search (rowid, text) VALUES (new.id, new.text);
              END;",
    },
];

fn open_with(change: impl FnOnce(&mut SqliteOptions)) -> (TempDir, Sqlite) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut options = SqliteOptions::default();
    change(&mut options);
    let db = Sqlite::open(&folder.path().join("deep/notes.db"), MIGRATIONS, options).expect("a new file");
    (folder, db)
}

fn open() -> (TempDir, Sqlite) {
    open_with(|_| ())
}

fn insert(conn: &Connection, text: &str) -> Result<i64, StorageError> {
    conn.prepare_cached("INSERT INTO notes (text) VALUES (?1)")?.execute([text])?;
    Ok(conn.last_insert_rowid())
}

async fn add(db: &Sqlite, text: impl Into<String>) -> Result<i64, StorageError> {
    let text = text.into();
    db.write(move |conn| insert(conn, &text)).await
}

async fn texts(db: &Sqlite) -> Vec<String> {
    db.read(|conn| -> Result<_, StorageError> {
        Ok(conn
            .prepare_cached("SELECT text FROM notes ORDER BY id")?
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?)
    })
    .await
    .expect("the notes")
}

/// Holds the writer inside a write of nothing until the sender is used; gives that write's future back.
async fn hold_writer(db: &Sqlite) -> (mpsc::Sender<()>, tokio::task::JoinHandle<Result<(), StorageError>>) {
    let (release, held) = mpsc::channel::<()>();
    let (entered, is_in) = tokio::sync::oneshot::channel();
    let db = db.clone();
    let holding = tokio::spawn(async move {
        db.write(move |_| {
            let _ = entered.send(());
            // Longer than a batch takes further writes: what waits comes in the next one.
            let _ = held.recv();
            std::thread::sleep(Duration::from_millis(60));
            Ok(())
        })
        .await
    });
    is_in.await.expect("the writer is in");
    (release, holding)
}

/// Polls a future once, so that its call stands in the queue.
async fn begin<F: Future + Unpin>(future: &mut F) {
    futures::future::poll_fn(|context| {
        assert!(std::pin::Pin::new(&mut *future).poll(context).is_pending(), "it cannot be done yet");
        std::task::Poll::Ready(())
    })
    .await;
}

#[tokio::test]
async fn writes_that_wait_together_share_one_commit_in_the_order_of_their_calls() {
    let (_folder, db) = open();
    let committed = db.committed();
    let (release, holding) = hold_writer(&db).await;
    let mut waiting: Vec<_> = (0..100).map(|n| Box::pin(add(&db, format!("note {n:03}")))).collect();
    for call in &mut waiting {
        begin(call).await;
    }
    release.send(()).expect("the writer is held");
    for (n, call) in waiting.into_iter().enumerate() {
        assert_eq!(call.await, Ok(n as i64 + 1));
    }
    holding.await.expect("no panic").expect("the holding write");
    // One for the write that held the thread and one for the hundred; a machine that stalls may cut a batch short.
    let commits = *committed.borrow();
    assert!((2..10).contains(&commits), "{commits} commits for 101 writes");
    assert!(texts(&db).await.is_sorted());
}

#[tokio::test]
async fn a_long_write_keeps_none_waiting_that_came_before_it() {
    let (_folder, db) = open();
    let committed = db.committed();
    let (release, holding) = hold_writer(&db).await;
    let mut before = Box::pin(add(&db, "before"));
    begin(&mut before).await;
    let (end, held) = mpsc::channel::<()>();
    let mut long = Box::pin(db.write_long(move |conn| {
        let row = insert(conn, "long")?;
        let _ = held.recv();
        Ok::<_, StorageError>(row)
    }));
    begin(&mut long).await;
    let mut after = Box::pin(add(&db, "after"));
    begin(&mut after).await;
    release.send(()).expect("the writer is held");
    assert_eq!(before.await, Ok(1), "while the long one is under way");
    end.send(()).expect("the long write is under way");
    assert_eq!((long.await, after.await), (Ok(2), Ok(3)));
    assert!(db.long_write_was_waited_for());
    db.write_long(|conn| insert(conn, "long again")).await.expect("a long write");
    assert!(!db.long_write_was_waited_for());
    holding.await.expect("no panic").expect("the holding write");
    assert_eq!(*committed.borrow(), 5, "each has a transaction of its own");
}

#[tokio::test]
async fn a_long_write_that_fails_leaves_nothing_of_itself() {
    let (_folder, db) = open();
    let failed = db.write_long(|conn| {
        insert(conn, "half")?;
        Err::<(), _>(StorageError::Internal("no".to_owned()))
    });
    assert_eq!(failed.await, Err(StorageError::Internal("no".to_owned())));
    let panicked = db.write_long(|conn| -> Result<(), StorageError> {
        insert(conn, "half")?;
        panic!("a fault")
    });
    assert!(matches!(panicked.await, Err(StorageError::Internal(_))));
    add(&db, "whole").await.expect("writes go on");
    assert_eq!(texts(&db).await, ["whole"]);
}

#[tokio::test]
async fn a_failing_write_takes_nothing_of_its_neighbours_and_leaves_nothing_of_itself() {
    let (_folder, db) = open();
    let (release, holding) = hold_writer(&db).await;
    let mut before = Box::pin(add(&db, "before"));
    let mut failing = Box::pin(db.write(|conn| {
        insert(conn, "half")?;
        insert(conn, "before").map(drop)
    }));
    let mut changed_its_mind = Box::pin(db.write(|conn| -> Result<(), StorageError> {
        insert(conn, "thought better of")?;
        Err(StorageError::Internal("mine".to_owned()))
    }));
    let mut after = Box::pin(add(&db, "after"));
    begin(&mut before).await;
    begin(&mut failing).await;
    begin(&mut changed_its_mind).await;
    begin(&mut after).await;
    release.send(()).expect("the writer is held");
    assert!(before.await.is_ok());
    assert_eq!(failing.await, Err(StorageError::Conflict { constraint: "notes.text".to_owned() }));
    assert_eq!(changed_its_mind.await, Err(StorageError::Internal("mine".to_owned())));
    assert!(after.await.is_ok());
    holding.await.expect("no panic").expect("the holding write");
    assert_eq!(texts(&db).await, ["before", "after"]);
}

#[tokio::test]
async fn a_panicking_write_answers_with_an_error_and_the_writer_lives() {
    let (_folder, db) = open();
    let panicked = db
        .write(|conn| -> Result<(), StorageError> {
            insert(conn, "lost")?;
            panic!("on purpose")
        })
        .await;
    assert!(
        matches!(panicked, Err(StorageError::Internal(ref why)) if why.contains("on purpose")),
        "{panicked:?}"
    );
    let panicked = db.read(|_| -> Result<(), StorageError> { panic!("on purpose") }).await;
    assert!(matches!(panicked, Err(StorageError::Internal(_))), "{panicked:?}");
    add(&db, "kept").await.expect("the writer lives");
    assert_eq!(texts(&db).await, ["kept"]);
}

#[tokio::test]
async fn a_reader_sees_what_is_committed_and_one_moment_only() {
    let (_folder, db) = open();
    add(&db, "first").await.expect("a write");
    let (release, held) = mpsc::channel::<()>();
    let (entered, is_in) = tokio::sync::oneshot::channel();
    let reader = db.clone();
    let reading = tokio::spawn(async move {
        reader
            .read(move |conn| -> Result<(i64, i64), StorageError> {
                let count =
                    |conn: &Connection| conn.query_row("SELECT count(*) FROM notes", [], |row| row.get(0));
                let before = count(conn)?;
                let _ = entered.send(());
                let _ = held.recv();
                Ok((before, count(conn)?))
            })
            .await
    });
    is_in.await.expect("the reader is in");
    add(&db, "second").await.expect("a write while a reader reads");
    assert_eq!(texts(&db).await, ["first", "second"], "another reader sees an answered write");
    release.send(()).expect("the reader is held");
    assert_eq!(reading.await.expect("no panic"), Ok((1, 1)));

    let (release, holding) = hold_writer(&db).await;
    let mut uncommitted = Box::pin(add(&db, "third"));
    begin(&mut uncommitted).await;
    assert_eq!(texts(&db).await.len(), 2, "a write that was not answered is not seen");
    release.send(()).expect("the writer is held");
    uncommitted.await.expect("a write");
    holding.await.expect("no panic").expect("the holding write");
    assert_eq!(texts(&db).await.len(), 3);
}

#[tokio::test]
async fn a_reader_cannot_write() {
    let (_folder, db) = open();
    let refused = db.read(|conn| insert(conn, "sneaked in")).await;
    assert!(matches!(refused, Err(StorageError::Internal(_))), "{refused:?}");
    assert!(texts(&db).await.is_empty());
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_recovers_when_there_is_room() {
    let (_folder, db) = open();
    let limit = |pages: i64| {
        let db = db.clone();
        async move {
            db.write(move |conn| -> Result<i64, StorageError> {
                Ok(conn.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |row| row.get(0))?)
            })
            .await
            .expect("the limit")
        }
    };
    add(&db, "before").await.expect("a write");
    limit(1).await;
    let refused = add(&db, "x".repeat(100_000)).await;
    assert_eq!(refused, Err(StorageError::Full));

    // In one batch: whoever shares it with a write that finds the disk full is either stored whole or told so.
    let (release, holding) = hold_writer(&db).await;
    let mut small = Box::pin(add(&db, "small"));
    let mut stubborn = Box::pin(db.write(|conn| -> Result<(), StorageError> {
        let first = insert(conn, &"y".repeat(100_000));
        assert_eq!(first, Err(StorageError::Full));
        // Carries on as if nothing had happened: must not become half a write.
        let _ = insert(conn, "the second half");
        Ok(())
    }));
    begin(&mut small).await;
    begin(&mut stubborn).await;
    release.send(()).expect("the writer is held");
    let small = small.await;
    assert!(matches!(small, Ok(_) | Err(StorageError::Full)), "{small:?}");
    assert_eq!(stubborn.await, Err(StorageError::Full));
    let _ = holding.await.expect("no panic");
    let stored = texts(&db).await;
    assert_eq!(stored.contains(&"small".to_owned()), small.is_ok());
    assert!(!stored.contains(&"the second half".to_owned()));

    limit(1_000_000).await;
    add(&db, "z".repeat(100_000)).await.expect("there is room again");
    assert_eq!(db.integrity_check().await, Ok(vec![]));
}

#[tokio::test]
async fn a_closure_cannot_commit_or_roll_back_by_itself() {
    let (_folder, db) = open();
    for statement in ["COMMIT", "ROLLBACK"] {
        let refused = db
            .write(move |conn| -> Result<(), StorageError> {
                insert(conn, "one")?;
                let _ = conn.execute_batch(statement);
                let _ = insert(conn, "two");
                Ok(())
            })
            .await;
        assert!(refused.is_err(), "{statement}: {refused:?}");
        assert!(texts(&db).await.is_empty(), "{statement}");
    }
    add(&db, "fine").await.expect("the writer lives");
}

#[tokio::test]
async fn a_runaway_query_ends_at_its_deadline() {
    let (_folder, db) = open_with(|options| {
        options.read_deadline = Duration::from_millis(100);
        options.write_deadline = Duration::from_millis(100);
    });
    const RUNAWAY: &str =
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let started = Instant::now();
    let read = db
        .read(|conn| -> Result<i64, StorageError> { Ok(conn.query_row(RUNAWAY, [], |row| row.get(0))?) })
        .await;
    assert_eq!(read, Err(StorageError::TimedOut));
    let write = db
        .write(|conn| -> Result<(), StorageError> {
            insert(conn, "half")?;
            conn.execute(&format!("INSERT INTO notes (text) {RUNAWAY}"), [])?;
            Ok(())
        })
        .await;
    assert_eq!(write, Err(StorageError::TimedOut));
    assert!(started.elapsed() < Duration::from_secs(10));
    add(&db, "fine").await.expect("the writer lives");
    assert_eq!(texts(&db).await, ["fine"]);
}

#[tokio::test]
async fn a_full_queue_answers_busy_after_some_patience() {
    let (_folder, db) = open_with(|options| {
        options.queue = 2;
        options.patience = Duration::from_millis(50);
    });
    let (release, holding) = hold_writer(&db).await;
    let mut waiting = [Box::pin(add(&db, "one")), Box::pin(add(&db, "two"))];
    for call in &mut waiting {
        begin(call).await;
    }
    assert_eq!(add(&db, "three").await, Err(StorageError::Busy));
    release.send(()).expect("the writer is held");
    for call in waiting {
        call.await.expect("a write");
    }
    holding.await.expect("no panic").expect("the holding write");
    add(&db, "three").await.expect("there is a place again");
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_any_more_does_not_run() {
    let (_folder, db) = open();
    let (release, holding) = hold_writer(&db).await;
    let mut left = Box::pin(add(&db, "left"));
    begin(&mut left).await;
    drop(left);
    release.send(()).expect("the writer is held");
    holding.await.expect("no panic").expect("the holding write");
    add(&db, "stayed").await.expect("a write");
    assert_eq!(texts(&db).await, ["stayed"]);
}

#[tokio::test]
async fn closing_finishes_what_waits_and_leaves_one_file() {
    let (folder, db) = open();
    let (release, holding) = hold_writer(&db).await;
    let mut waiting = Box::pin(add(&db, "in time"));
    begin(&mut waiting).await;
    let closing = tokio::spawn({
        let db = db.clone();
        async move { db.close().await }
    });
    release.send(()).expect("the writer is held");
    waiting.await.expect("what waits is finished");
    holding.await.expect("no panic").expect("the holding write");
    closing.await.expect("no panic");
    assert!(matches!(add(&db, "too late").await, Err(StorageError::Unavailable(_))));
    assert!(matches!(db.ping().await, Err(StorageError::Unavailable(_))));
    let files: Vec<_> = std::fs::read_dir(folder.path().join("deep"))
        .expect("the folder")
        .map(|file| file.expect("a file").file_name())
        .collect();
    assert_eq!(files, ["notes.db"], "neither log nor shared memory stays");
    let again = Sqlite::open(&folder.path().join("deep/notes.db"), MIGRATIONS, SqliteOptions::default())
        .expect("opens again");
    assert_eq!(texts(&again).await, ["in time"]);
    again.close().await;
}

#[tokio::test]
async fn a_migration_that_fails_leaves_the_version_before_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notes.db");
    let broken = [
        MIGRATIONS[0],
        Migration {
            version: 2,
            name: "broken",
            sql: "CREATE TABLE kept_not (id INTEGER); INSERT INTO nowhere VALUES (1);",
        },
    ];
    let failed = Sqlite::open(&path, &broken, SqliteOptions::default()).expect_err("the second step fails");
    assert!(failed.to_string().contains("migration 2 (broken)"), "{failed}");
    let orphaning = [
        MIGRATIONS[0],
        Migration {
            version: 2,
            name: "orphans",
            sql: "CREATE TABLE replies (note INTEGER REFERENCES notes (id)); INSERT INTO replies VALUES (7);",
        },
    ];
    let failed = Sqlite::open(&path, &orphaning, SqliteOptions::default())
        .expect_err("the second step leaves an orphan");
    assert!(failed.to_string().contains("without their parents"), "{failed}");
    let db =
        Sqlite::open(&path, MIGRATIONS, SqliteOptions::default()).expect("the right second step applies");
    add(&db, "searchable").await.expect("a write through a trigger into the search index");
    let orphan = db
        .write(|conn| -> Result<(), StorageError> {
            Ok(conn.execute("INSERT INTO replies (note) VALUES (99)", []).map(drop)?)
        })
        .await;
    assert!(matches!(orphan, Err(StorageError::Internal(_))), "foreign keys are enforced: {orphan:?}");
    assert_eq!(db.integrity_check().await, Ok(vec![]));
}

fn write_header(path: &Path, sql: &str) {
    Connection::open(path).and_then(|conn| conn.execute_batch(sql)).expect("a file of somebody else");
}

#[test]
fn a_file_that_is_not_ours_or_newer_is_refused_and_untouched() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name);
    std::fs::write(file("text.db"), "Dear diary, today I was mistaken for a database.\n".repeat(50))
        .expect("a file");
    std::fs::write(file("short.db"), "SQLite").expect("a file");
    write_header(
        &file("newer.db"),
        &format!(
            "PRAGMA application_id = {}; PRAGMA user_version = 9; CREATE TABLE notes (id);",
            0x4c64_6c6e
        ),
    );
    write_header(&file("foreign.db"), "PRAGMA application_id = 77; CREATE TABLE stamps (id);");
    write_header(&file("unmarked.db"), "CREATE TABLE stamps (id);");
    for name in ["text.db", "short.db", "newer.db", "foreign.db", "unmarked.db"] {
        let before = std::fs::read(file(name)).expect("the file");
        let refused = Sqlite::open(&file(name), MIGRATIONS, SqliteOptions::default()).expect_err(name);
        match (&refused, name) {
            (StorageError::Newer { found: 9, known: 2, path }, "newer.db") => {
                assert_eq!(*path, file("newer.db"));
            }
            (StorageError::Unreadable(_), name) if name != "newer.db" => {}
            _ => panic!("{name}: {refused:?}"),
        }
        assert!(refused.to_string().contains(name) && !refused.to_string().contains('\n'), "{refused}");
        assert_eq!(std::fs::read(file(name)).expect("the file"), before, "{name} is untouched");
    }
    let files = std::fs::read_dir(folder.path()).expect("the folder").count();
    assert_eq!(files, 5, "no log was left beside them");
}

#[tokio::test]
async fn a_damaged_file_stops_the_program_and_acknowledges_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notes.db");
    let db = Sqlite::open(&path, MIGRATIONS, SqliteOptions::default()).expect("a new file");
    for n in 0..500 {
        add(&db, format!("{n:05} {}", "filler ".repeat(20))).await.expect("a write");
    }
    db.close().await;
    let mut bytes = std::fs::read(&path).expect("the file");
    let pages = bytes.len() / 4096;
    for page in 3..pages {
        bytes[page * 4096..page * 4096 + 200].fill(0xa5);
    }
    std::fs::write(&path, bytes).expect("damage");

    let struck = Arc::new(Mutex::new(Vec::new()));
    let hook = struck.clone();
    let options = SqliteOptions {
        on_fatal: Arc::new(move |line| hook.lock().expect("no panic").push(line.to_owned())),
        ..SqliteOptions::default()
    };
    let db = Sqlite::open(&path, MIGRATIONS, options).expect("the first pages are sound");
    let answer = add(&db, "on sand").await;
    assert!(matches!(answer, Err(StorageError::Unavailable(_))), "{answer:?}");
    let lines = struck.lock().expect("no panic").clone();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("notes.db") && lines[0].contains("writing"), "{lines:?}");
    assert!(matches!(add(&db, "later").await, Err(StorageError::Unavailable(_))));
    db.close().await;
}

#[tokio::test]
async fn a_plan_names_the_index() {
    let (_folder, db) = open();
    let plan = db
        .explain("SELECT id FROM notes WHERE text = ?1", vec!["x".to_owned().into()])
        .await
        .expect("a plan");
    assert!(
        plan.iter().any(|line| line.contains("USING COVERING INDEX sqlite_autoindex_notes_1")),
        "{plan:?}"
    );
    let plan = db.explain("UPDATE replies SET note = 1 WHERE note = 2", vec![]).await.expect("a plan");
    assert!(plan.iter().any(|line| line.starts_with("SCAN replies")), "{plan:?}");
}

#[tokio::test]
async fn the_log_stays_bounded_under_many_writes() {
    let (folder, db) = open();
    for n in 0..40 {
        let filler = "x".repeat(2000);
        db.write(move |conn| -> Result<(), StorageError> {
            for part in 0..100 {
                insert(conn, &format!("{n} {part} {filler}"))?;
            }
            Ok(())
        })
        .await
        .expect("a write");
    }
    let log = std::fs::metadata(folder.path().join("deep/notes.db-wal")).expect("the log").len();
    assert!(log < 24 * 1024 * 1024, "{log} bytes");
    db.close().await;
}
