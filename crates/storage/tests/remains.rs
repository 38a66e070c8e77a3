//! What is erased leaves nothing in a SQLite file, wherever SQLite had moved it.

use std::path::Path;
use std::time::Duration;

use leadline_storage::sqlite::backup::{FileCopy, copy_as_of_one_moment};
use leadline_storage::sqlite::{self, Rewriting, leave_no_remains};
use leadline_storage::{Migration, Sqlite, SqliteOptions, StorageError};
use leadline_testbed::{Folder, SmallDisk, wait_until};
use rusqlite::Connection;

const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "people",
    sql: "CREATE TABLE people (row INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, name TEXT NOT NULL, about TEXT NOT NULL) STRICT;
          CREATE INDEX people_by_name ON people (tenant, name);
          CREATE TABLE tags (tenant INTEGER NOT NULL, tag TEXT NOT NULL, about TEXT NOT NULL, PRIMARY KEY (tenant, tag)) STRICT, WITHOUT ROWID;
          CREATE VIRTUAL TABLE words USING fts5 (tokens, content='', contentless_delete=1, detail=none, tokenize='ascii');",
}];
/// A word that is in every name of the tenant that goes.
const GONE: &str = "zorillo";
const SOON: Duration = Duration::from_secs(60);
/// As soon as nothing is written, and as often as is asked for.
const AT_ONCE: Rewriting = Rewriting {
    quiet: Duration::from_millis(20),
    patience: Duration::from_millis(50),
    rest: Duration::ZERO,
    share: 1,
    up_to: u64::MAX,
    limit: SOON,
};
/// Not while a test runs.
const LATER: Rewriting = Rewriting { quiet: SOON, patience: SOON, ..AT_ONCE };

fn open(path: &Path, rewriting: Rewriting) -> Sqlite {
    let options = SqliteOptions { rewriting, ..SqliteOptions::default() };
    Sqlite::open(path, MIGRATIONS, options).expect("a file")
}

/// Rows of two tenants that grow, in an order that has SQLite split and balance its pages all over.
async fn fill(db: &Sqlite) {
    db.write(|conn| -> Result<(), StorageError> {
        let mut add =
            conn.prepare("INSERT INTO people (row, tenant, name, about) VALUES (?1, ?2, ?3, ?4)")?;
        let mut tag = conn.prepare("INSERT INTO tags (tenant, tag, about) VALUES (?1, ?2, ?3)")?;
        let mut word = conn.prepare("INSERT INTO words (rowid, tokens) VALUES (?1, ?2)")?;
        let mut grow = conn.prepare("UPDATE people SET about = about || about WHERE row = ?1")?;
        let mut row: u32 = 1;
        for nth in 0..1_000_usize {
            let before = row;
            row = row.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let tenant = (row >> 16) & 1;
            let name = format!("{}{row}", if tenant == 1 { GONE } else { "okapi" });
            add.execute((row, tenant, &name, "x".repeat(nth * 7 % 300)))?;
            tag.execute((tenant, &name, "y".repeat(nth * 13 % 300)))?;
            word.execute((row, &name))?;
            if nth % 3 == 0 {
                grow.execute([before])?;
            }
        }
        Ok(())
    })
    .await
    .expect("rows of two tenants");
}

fn erase(conn: &Connection) -> Result<(), StorageError> {
    conn.execute("DELETE FROM words WHERE rowid IN (SELECT row FROM people WHERE tenant = 1)", [])?;
    conn.execute("DELETE FROM people WHERE tenant = 1", [])?;
    conn.execute("DELETE FROM tags WHERE tenant = 1", [])?;
    leave_no_remains(conn)
}

/// Whether the file or its log holds a word of the tenant that goes.
fn is_left(path: &Path) -> bool {
    let log = path.with_extension("db-wal");
    [path, &log]
        .into_iter()
        .filter_map(|path| std::fs::read(path).ok())
        .any(|bytes| bytes.windows(GONE.len()).any(|part| part == GONE.as_bytes()))
}

async fn nothing_is_left(path: &Path) {
    wait_until(SOON, "nothing is left in file and log", async || !is_left(path))
        .await
        .expect("nothing is left");
}

async fn count(db: &Sqlite, sql: &'static str) -> i64 {
    db.read(move |conn| -> Result<i64, StorageError> { Ok(conn.query_row(sql, [], |row| row.get(0))?) })
        .await
        .expect("a number")
}

async fn writes_go_on(db: &Sqlite) {
    db.write(|conn| -> Result<(), StorageError> {
        Ok(conn.execute("INSERT INTO tags VALUES (0, 'later', '')", []).map(drop)?)
    })
    .await
    .expect("writes go on");
}

#[tokio::test]
async fn what_is_erased_is_left_nowhere_and_the_rest_is_all_there() {
    let folder = Folder::new().expect("a folder");
    let path = folder.join("people.db");
    let db = open(&path, AT_ONCE);
    fill(&db).await;
    let kept = count(&db, "SELECT count(*) FROM people WHERE tenant = 0").await;
    db.write(erase).await.expect("an erasure");
    db.empty_log();
    nothing_is_left(&path).await;
    assert_eq!(count(&db, "SELECT count(*) FROM people").await, kept);
    assert_eq!(count(&db, "SELECT count(*) FROM tags").await, kept);
    let found =
        "SELECT count(*) FROM words JOIN people ON people.row = words.rowid WHERE words MATCH 'okapi*'";
    assert_eq!(count(&db, found).await, kept, "rows keep their numbers, by which others know them");
    assert_eq!(db.integrity_check().await, Ok(vec![]));
    db.close().await;
    assert!(!is_left(&path));
}

#[tokio::test]
async fn what_is_owed_when_a_file_is_closed_is_done_when_it_is_opened_again() {
    let folder = Folder::new().expect("a folder");
    let path = folder.join("people.db");
    let db = open(&path, LATER);
    fill(&db).await;
    db.write(erase).await.expect("an erasure");
    db.close().await;
    assert!(is_left(&path), "these rows show nothing: SQLite overwrites them by itself");
    let db = open(&path, AT_ONCE);
    nothing_is_left(&path).await;
    db.close().await;
    let file = Connection::open(&path).expect("the file");
    let marked = file.query_row("SELECT count(*) FROM remains", [], |row| row.get::<_, i64>(0));
    assert_eq!(marked, Ok(0), "it would be done at each start");
}

#[tokio::test]
async fn a_file_that_was_never_rewritten_is_when_it_is_opened() {
    let folder = Folder::new().expect("a folder");
    let path = folder.join("people.db");
    let db = open(&path, LATER);
    fill(&db).await;
    db.write(erase).await.expect("an erasure");
    db.close().await;
    Connection::open(&path).and_then(|file| file.execute_batch("DROP TABLE remains")).expect("an old file");
    let db = open(&path, AT_ONCE);
    nothing_is_left(&path).await;
    db.close().await;
}

#[tokio::test]
async fn an_erasure_that_is_undone_owes_nothing() {
    let folder = Folder::new().expect("a folder");
    let path = folder.join("people.db");
    let db = open(&path, AT_ONCE);
    fill(&db).await;
    let undone = db
        .write(|conn| {
            erase(conn)?;
            Err::<(), _>(StorageError::Internal("thought better of".to_owned()))
        })
        .await;
    assert!(undone.is_err());
    let version = "PRAGMA schema_version";
    let before = count(&db, version).await;
    tokio::time::sleep(10 * AT_ONCE.patience).await;
    assert_eq!(count(&db, version).await, before, "the file was rewritten");
    db.write(erase).await.expect("an erasure");
    wait_until(SOON, "the file is rewritten", async || count(&db, version).await > before)
        .await
        .expect("it is");
}

#[tokio::test]
async fn a_file_that_is_too_large_is_left_as_it_is_and_still_owed() {
    let folder = Folder::new().expect("a folder");
    let path = folder.join("people.db");
    let db = open(&path, Rewriting { up_to: 4096, ..AT_ONCE });
    fill(&db).await;
    let before = count(&db, "PRAGMA schema_version").await;
    db.write(erase).await.expect("an erasure");
    tokio::time::sleep(10 * AT_ONCE.patience).await;
    assert_eq!(count(&db, "PRAGMA schema_version").await, before, "the file was rewritten");
    assert_eq!(count(&db, "SELECT count(*) FROM remains").await, 1);
    db.close().await;
    assert!(is_left(&path));
    sqlite::rewrite(&path).expect("by hand");
    assert!(!is_left(&path));
    let db = open(&path, LATER);
    assert_eq!(count(&db, "SELECT count(*) FROM remains").await, 0);
    assert_eq!(db.integrity_check().await, Ok(vec![]));
    db.close().await;
}

#[tokio::test]
async fn one_that_takes_too_long_is_broken_off() {
    let folder = Folder::new().expect("a folder");
    let path = folder.join("people.db");
    let db = open(&path, Rewriting { limit: Duration::ZERO, ..AT_ONCE });
    fill(&db).await;
    let before = count(&db, "PRAGMA schema_version").await;
    db.write(erase).await.expect("an erasure");
    tokio::time::sleep(10 * AT_ONCE.patience).await;
    assert_eq!(count(&db, "PRAGMA schema_version").await, before, "the file was rewritten");
    assert_eq!(count(&db, "SELECT count(*) FROM remains").await, 1);
    assert_eq!(db.integrity_check().await, Ok(vec![]));
    writes_go_on(&db).await;
    db.close().await;
}

#[tokio::test]
async fn a_disk_without_room_leaves_all_as_it_is_and_still_owed() {
    let disk = SmallDisk::new(16).expect("a disk");
    let path = disk.path().join("people.db");
    let db = open(&path, LATER);
    fill(&db).await;
    let kept = count(&db, "SELECT count(*) FROM people WHERE tenant = 0").await;
    db.write(erase).await.expect("an erasure");
    db.close().await;
    let ballast = disk.path().join("ballast");
    // Room for a few writes, and not for the file once more.
    let mut size = 16 * 1024 * 1024;
    while std::fs::write(&ballast, vec![0; size]).is_err() {
        size -= 64 * 1024;
    }
    std::fs::write(&ballast, vec![0; size - 128 * 1024]).expect("less than it holds");

    let db = open(&path, AT_ONCE);
    let schema = count(&db, "PRAGMA schema_version").await;
    tokio::time::sleep(10 * AT_ONCE.patience).await;
    assert_eq!(count(&db, "PRAGMA schema_version").await, schema, "there was room enough");
    assert_eq!(count(&db, "SELECT count(*) FROM remains").await, 1);
    writes_go_on(&db).await;
    assert_eq!(count(&db, "SELECT count(*) FROM people").await, kept);
    assert_eq!(db.integrity_check().await, Ok(vec![]));
    db.close().await;
    std::fs::remove_file(ballast).expect("room");
    let db = open(&path, AT_ONCE);
    nothing_is_left(&path).await;
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_and_reads_and_backups_go_on_while_files_are_rewritten() {
    let folder = Folder::new().expect("a folder");
    let path = folder.join("people.db");
    let db = open(&path, AT_ONCE);
    fill(&db).await;
    let before = count(&db, "SELECT count(*) FROM people").await;
    let schema = count(&db, "PRAGMA schema_version").await;
    let writers: Vec<_> = (1..=4_i64)
        .map(|writer| {
            let db = db.clone();
            tokio::spawn(async move {
                for nth in 0..100 {
                    let row = -(writer * 1_000 + nth);
                    db.write(move |conn| -> Result<(), StorageError> {
                        conn.prepare_cached("INSERT INTO people (row, tenant, name, about) VALUES (?1, 0, 'okapi', '')")?
                            .execute([row])?;
                        conn.prepare_cached("INSERT INTO words (rowid, tokens) VALUES (?1, 'okapi')")?.execute([row])?;
                        leave_no_remains(conn)
                    })
                    .await
                    .expect("a write");
                    let seen = db
                        .read(move |conn| -> Result<bool, StorageError> {
                            Ok(conn.prepare_cached("SELECT 1 FROM words JOIN people ON people.row = words.rowid WHERE words MATCH 'okapi' AND people.row = ?1")?.exists([row])?)
                        })
                        .await;
                    assert_eq!(seen, Ok(true), "a write that was answered is seen");
                }
            })
        })
        .collect();
    for nth in 0..5 {
        let copy = FileCopy { from: path.clone(), to: folder.join(&format!("copy-{nth}.db")) };
        let copied =
            tokio::task::spawn_blocking(move || copy_as_of_one_moment(&[copy])).await.expect("no panic");
        assert_eq!(copied, Ok(()), "each copy is checked");
    }
    for writer in writers {
        writer.await.expect("no panic");
    }
    assert_eq!(count(&db, "SELECT count(*) FROM people").await, before + 400);
    assert!(count(&db, "PRAGMA schema_version").await > schema + 1, "it was not rewritten meanwhile");
    assert_eq!(db.integrity_check().await, Ok(vec![]));
    db.close().await;
}
