//! What stands in a file of rows that are gone.
//!
//! SQLite overwrites a row where it is deleted (`secure_delete`). But when it balances a tree, it moves rows to other pages,
//! and what they were stays in the gaps of the old ones; a search index keeps what is deleted until its parts are merged.
//! Only building all of it anew is rid of that. Writes wait while that is done: so it comes in a quiet moment, seldom, and
//! not at all for a large file.
//!
//! That it is owed is written into the file, in the transaction that erases: it outlives the process.

use std::cell::Cell;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::{backup, schema};
use crate::StorageError;

/// The place for the mark: one row, or none.
const TABLE: &str = "CREATE TABLE remains (owed INTEGER PRIMARY KEY CHECK (owed = 1)) STRICT";
const MARK: &str = "INSERT OR IGNORE INTO remains (owed) VALUES (1)";
const IS_MARKED: &str = "SELECT 1 FROM remains";
const CLEAR: &str = "DELETE FROM remains";
const HAS_TABLE: &str = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'remains'";
const INDEXES: &str =
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL TABLE % USING fts5%'";

/// The rest after the first that failed; twice as long after each next,
const RETRY: Duration = Duration::from_secs(60);
/// but no longer than this.
const RETRY_EVERY: Duration = Duration::from_secs(60 * 60);
/// Page cache while a file is rewritten by hand.
const BY_HAND_CACHE_KIB: u32 = 64 * 1024;
/// How often it is said that a file is too large.
const REMINDED: Duration = Duration::from_secs(24 * 60 * 60);

thread_local! {
    static MARKED: Cell<bool> = const { Cell::new(false) };
}

/// When a file is rewritten in which something was erased.
#[derive(Clone, Copy, Debug)]
pub struct Rewriting {
    /// Nothing was written for so long. Default 5 s.
    pub quiet: Duration,
    /// After this long it needs no quiet moment any more. Default 1 minute.
    pub patience: Duration,
    /// The least time between two. Default 20 s.
    pub rest: Duration,
    /// After one comes a time without, so many times as long. Default 100.
    pub share: u32,
    /// A file of which more bytes are in use is not rewritten. Default 512 MiB.
    pub up_to: u64,
    /// One that takes longer is broken off, and the file is taken for too large. Default 5 s.
    pub limit: Duration,
}

impl Default for Rewriting {
    fn default() -> Self {
        Self {
            quiet: Duration::from_secs(5),
            patience: Duration::from_secs(60),
            rest: Duration::from_secs(20),
            share: 100,
            up_to: 512 * 1024 * 1024,
            limit: Duration::from_secs(5),
        }
    }
}

/// Sees to it that the file is rewritten soon, so that nothing of what this write erases is left in it. Part of the write:
/// it is owed if and only if the write is committed, and even if the process ends before.
///
/// # Errors
/// As every statement.
pub fn leave_no_remains(conn: &Connection) -> Result<(), StorageError> {
    conn.prepare_cached(MARK)?.execute([])?;
    MARKED.set(true);
    Ok(())
}

/// Whether a write on this thread has set the mark since this was asked last. It may have been undone since.
pub(super) fn was_marked() -> bool {
    MARKED.take()
}

pub(super) fn is_marked(conn: &Connection) -> rusqlite::Result<bool> {
    conn.prepare_cached(IS_MARKED)?.exists([])
}

/// Makes the place for the mark. A file that was without one until now may have remains already.
pub(super) fn prepare(conn: &mut Connection, is_new: bool) -> Result<(), StorageError> {
    if conn.prepare(HAS_TABLE)?.exists([])? {
        return Ok(());
    }
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute(TABLE, [])?;
    if !is_new {
        transaction.execute(MARK, [])?;
    }
    Ok(transaction.commit()?)
}

/// The bytes of the pages in use: what there is to write.
pub(super) fn in_use(conn: &Connection) -> rusqlite::Result<u64> {
    let number = |pragma: &str| conn.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, u32>(0));
    let pages = number("page_count")?.saturating_sub(number("freelist_count")?);
    Ok(u64::from(pages) * u64::from(number("page_size")?))
}

/// Builds search indexes and pages anew, and takes the mark away. All of it is in the log then, in this order: whoever finds the
/// mark gone finds the new pages too. The old ones are in the file until the log is emptied.
pub(super) fn build_anew(conn: &Connection, path: &Path) -> rusqlite::Result<()> {
    let indexes: Vec<String> =
        conn.prepare_cached(INDEXES)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for index in indexes {
        conn.execute(&format!("INSERT INTO \"{index}\" (\"{index}\") VALUES ('optimize')"), [])?;
    }
    // SQLite would hold all of it in memory otherwise, or put it where there may be no room. If the folder can't be named, it
    // looks for another.
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let _ = conn.pragma_update(None, "temp_store_directory", folder.to_string_lossy());
    }
    conn.pragma_update(None, "temp_store", "FILE")?;
    let rewritten = conn.execute_batch("VACUUM");
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    rewritten?;
    conn.execute(CLEAR, []).map(drop)
}

/// Rewrites a file that no process uses, whatever its size, so that nothing of what was erased is left in it.
///
/// # Errors
/// [`StorageError::Unreadable`] for a file that is not ours; else as every statement, with nothing changed.
pub fn rewrite(path: &Path) -> Result<(), StorageError> {
    let mut conn = backup::open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    schema::settle(&conn, BY_HAND_CACHE_KIB)?;
    conn.pragma_update(None, "secure_delete", true)?;
    prepare(&mut conn, false)?;
    build_anew(&conn, path)?;
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| match row.get(0)? {
        0 => Ok(Ok(())),
        _ => Ok(Err(StorageError::Busy)),
    })?
}

/// Whether and when a file is to be rewritten.
pub(super) struct Remains {
    when: Rewriting,
    /// Since when, as far as this process knows.
    owed: Option<Instant>,
    /// Not before.
    from: Instant,
    /// How often it failed since it was done last.
    failed: u32,
}

impl Remains {
    /// Of a file that was just opened: it may be owed from before.
    pub(super) fn new(when: Rewriting, now: Instant) -> Self {
        Self { when, owed: Some(now), from: now, failed: 0 }
    }

    pub(super) fn up_to(&self) -> u64 {
        self.when.up_to
    }

    pub(super) fn limit(&self) -> Duration {
        self.when.limit
    }

    /// Takes in that it is owed.
    pub(super) fn owe(&mut self, now: Instant) {
        self.owed.get_or_insert(now);
    }

    /// When it is to be done, if nothing is written until then.
    pub(super) fn due(&self, last_write: Instant) -> Option<Instant> {
        let since = self.owed?;
        Some((last_write + self.when.quiet).min(since + self.when.patience).max(self.from))
    }

    /// It was not.
    pub(super) fn not_owed(&mut self) {
        self.owed = None;
    }

    pub(super) fn done(&mut self, now: Instant, took: Duration) {
        self.owed = None;
        self.failed = 0;
        self.rest(now, took, self.when.rest);
    }

    /// It was tried in vain.
    pub(super) fn failed(&mut self, now: Instant, took: Duration) {
        let retry = RETRY.saturating_mul(1 << self.failed.min(10)).min(RETRY_EVERY);
        self.failed += 1;
        self.rest(now, took, retry);
    }

    /// There is no use in trying.
    pub(super) fn left(&mut self, now: Instant) {
        self.from = now + REMINDED;
    }

    fn rest(&mut self, now: Instant, took: Duration, least: Duration) {
        self.from = now + took.saturating_mul(self.when.share).max(least);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_rewriting_waits_for_quiet_or_loses_its_patience() {
        let start = Instant::now();
        let mut remains = Remains::new(Rewriting::default(), start);
        remains.not_owed();
        assert_eq!(remains.due(start), None, "nothing is owed");
        remains.owe(start);
        remains.owe(start + SECOND);
        assert_eq!(remains.due(start + SECOND), Some(start + 6 * SECOND));
        assert_eq!(remains.due(start + 200 * SECOND), Some(start + 60 * SECOND));
    }

    #[test]
    fn rewritings_take_a_hundredth_of_the_time_and_failures_come_ever_more_seldom() {
        let start = Instant::now();
        let mut remains = Remains::new(Rewriting::default(), start);
        remains.done(start, SECOND / 10);
        assert_eq!(remains.due(start), None);
        remains.owe(start);
        assert_eq!(remains.due(start), Some(start + 20 * SECOND), "the least");
        remains.done(start, 3 * SECOND);
        remains.owe(start);
        assert_eq!(remains.due(start), Some(start + 300 * SECOND), "a hundred times as long");
        let mut rests = Vec::new();
        for _ in 0..9 {
            remains.failed(start, SECOND / 10);
            rests.push(remains.due(start).map(|due| (due - start).as_secs()));
        }
        let doubled = [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600];
        assert_eq!(rests, doubled.map(Some), "it stays owed");
        remains.left(start);
        assert_eq!(remains.due(start), Some(start + REMINDED));
    }
}
