//! A SQLite file: one writer thread that commits waiting writes together, a few reader threads, migrations.
//!
//! ```no_run
//! use std::path::Path;
//! use leadline_storage::{Migration, Sqlite, SqliteOptions, StorageError};
//!
//! const MIGRATIONS: &[Migration] = &[Migration {
//!     version: 1,
//!     name: "notes",
//!     sql: "CREATE TABLE notes (id TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT, WITHOUT ROWID;",
//! }];
//!
//! # async fn example() -> Result<(), StorageError> {
//! let db = Sqlite::open(Path::new("./data/notes.db"), MIGRATIONS, SqliteOptions::default())?;
//! db.write(|conn| -> Result<(), StorageError> {
//!     conn.prepare_cached("INSERT INTO notes (id, text) VALUES (?1, ?2)")?.execute(("1", "hello"))?;
//!     Ok(())
//! })
//! .await?;
//! let text: String = db
//!     .read(|conn| -> Result<String, StorageError> {
//!         Ok(conn.prepare_cached("SELECT text FROM notes WHERE id = ?1")?.query_row(["1"], |row| row.get(0))?)
//!     })
//!     .await?;
//! # drop(text);
//! db.close().await;
//! # Ok(())
//! # }
//! ```

pub mod backup;
mod call;
pub(crate) mod noted;
mod queue;
mod readers;
mod remains;
mod schema;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rusqlite::types::Value;
use tokio::sync::{oneshot, watch};

use crate::StorageError;
use call::{Call, Job};
use queue::Queue;
pub use remains::{Rewriting, leave_no_remains, rewrite};

/// One step of a file's schema. Steps are numbered 1, 2, 3, … and never change once released.
///
/// Each runs once, in a transaction of its own together with the new `user_version`. Foreign keys are not enforced while it
/// runs (so that a table can be rebuilt) but checked before its commit. It may not contain `BEGIN` or `COMMIT`.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// 1 for the first, one more for each next.
    pub version: u32,
    /// For the log.
    pub name: &'static str,
    /// Statements, separated by semicolons.
    pub sql: &'static str,
}

/// What happens when the disk fails under a file. Gets one line that says what and where.
pub type OnFatal = Arc<dyn Fn(&str) + Send + Sync>;

/// How a file is opened. The defaults are right for the services.
#[derive(Clone)]
pub struct SqliteOptions {
    /// Reader threads, each with a connection; at least 1. Default 2.
    pub readers: usize,
    /// Page cache of the writer in KiB. Default 8192. An idle connection gives its cache back after half a minute.
    pub writer_cache_kib: u32,
    /// Page cache of each reader in KiB. Default 4096.
    pub reader_cache_kib: u32,
    /// Calls that may wait, for the writer and for the readers each. Default 1024.
    pub queue: usize,
    /// The most writes in one commit. Default 256.
    pub batch: usize,
    /// How long a call waits for a place in a full queue before it answers [`StorageError::Busy`]. Default 3 s.
    pub patience: Duration,
    /// How long the statements of one [`Sqlite::read`] may run. Default 10 s.
    pub read_deadline: Duration,
    /// How long the statements of one [`Sqlite::write`] may run. Default 30 s.
    pub write_deadline: Duration,
    /// When the file is rewritten in which a write has called [`leave_no_remains`].
    pub rewriting: Rewriting,
    /// Called when the file can no longer be trusted (an I/O error, a damaged page): the default logs and ends the process
    /// with code 70, since an acknowledged write must never rest on a failed sync. For tests: if the hook returns, the store
    /// closes and every waiting call answers [`StorageError::Unavailable`].
    pub on_fatal: OnFatal,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            readers: 2,
            writer_cache_kib: 8 * 1024,
            reader_cache_kib: 4 * 1024,
            queue: 1024,
            batch: 256,
            patience: Duration::from_secs(3),
            read_deadline: Duration::from_secs(10),
            write_deadline: Duration::from_secs(30),
            rewriting: Rewriting::default(),
            on_fatal: Arc::new(|_| std::process::exit(70)),
        }
    }
}

impl fmt::Debug for SqliteOptions {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SqliteOptions")
            .field("readers", &self.readers)
            .field("batch", &self.batch)
            .finish_non_exhaustive()
    }
}

/// An open SQLite file. Clones share it; it closes when [`close`](Self::close) is called or the last clone is dropped.
#[derive(Clone)]
pub struct Sqlite {
    inner: Arc<Inner>,
}

struct Inner {
    path: Arc<Path>,
    options: SqliteOptions,
    writes: Arc<Queue<Box<dyn Job>>>,
    reads: Arc<Queue<Box<dyn Job>>>,
    committed: watch::Receiver<u64>,
    empty_log: Arc<AtomicBool>,
    waited_for: Arc<AtomicBool>,
    writer: Mutex<Vec<JoinHandle<()>>>,
    readers: Mutex<Vec<JoinHandle<()>>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The threads drain what waits and end on their own.
        self.reads.close();
        self.writes.close();
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Sqlite").field("path", &self.inner.path).finish_non_exhaustive()
    }
}

impl Sqlite {
    /// Opens the file, creating it and its folder if they are missing, and brings its schema up to date.
    ///
    /// Blocks for as long as the migrations take: call it at start. Take the folder with [`DataDir::lock`](crate::DataDir::lock) first.
    ///
    /// # Errors
    /// [`StorageError::Newer`] for a file of a newer release and [`StorageError::Unreadable`] for a file that is not a database
    /// of Leadline (both leave it untouched), [`StorageError::Busy`] if another program holds it, and
    /// [`StorageError::Internal`] for a migration that fails (it is rolled back; earlier ones stay).
    pub fn open(path: &Path, migrations: &[Migration], options: SqliteOptions) -> Result<Self, StorageError> {
        let connection = schema::open(path, migrations, &options)?;
        let path: Arc<Path> = path.into();
        let file = stem(&path);
        let waiting = |queue: &'static str| metrics::gauge!("leadline_store_waiting", "file" => file.clone(), "queue" => queue);
        let writes = Arc::new(Queue::new(options.queue, waiting("write")));
        let reads = Arc::new(Queue::new(options.queue, waiting("read")));
        #[allow(clippy::cast_precision_loss, reason = "a gauge")]
        metrics::gauge!("leadline_store_readers", "file" => file.clone()).set(options.readers as f64);
        let fatal = Fatal {
            path: path.clone(),
            hook: options.on_fatal.clone(),
            queues: [writes.clone(), reads.clone()],
        };
        let (announce, committed) = watch::channel(0);
        let mut readers = Vec::new();
        for _ in 0..options.readers.max(1) {
            let reader = readers::Reader::open(&path, &options, reads.clone(), fatal.clone())?;
            readers.push(spawn("sqlite-read", move || reader.run())?);
        }
        // A process that was ended before it could do so may have left what was deleted in the log.
        let empty_log = Arc::new(AtomicBool::new(true));
        let waited_for = Arc::new(AtomicBool::new(false));
        let writer = writer::Writer::new(
            connection,
            &options,
            writes.clone(),
            fatal,
            announce,
            empty_log.clone(),
            waited_for.clone(),
        )?;
        let writer = spawn("sqlite-write", move || writer.run())?;
        let inner = Inner {
            path,
            options,
            writes,
            reads,
            committed,
            empty_log,
            waited_for,
            writer: Mutex::new(vec![writer]),
            readers: Mutex::new(readers),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Runs a write and answers once it is on the disk.
    ///
    /// The closure runs on the writer thread, alone, inside a savepoint: if it returns `Err` or panics, all it did is rolled
    /// back and nothing else is. Writes that wait at the same time share one commit, so that a burst costs one sync; they run in
    /// the order of the calls, and row order is commit order. Keep closures short and do nothing in them but the write:
    /// everybody waits for them.
    ///
    /// Use [`Connection::prepare_cached`] for every statement. The closure must not begin, commit or roll back transactions
    /// (the attempt fails the write). Foreign keys are checked at each statement; don't declare them `DEFERRABLE`, since one
    /// that fails at the commit would fail the other writes of the batch too.
    ///
    /// If the returned future is dropped, the write may still happen.
    ///
    /// # Errors
    /// What the closure returned; or, with nothing written, [`StorageError::Busy`], [`Full`](StorageError::Full),
    /// [`TimedOut`](StorageError::TimedOut), [`Contended`](StorageError::Contended) (it was rolled back together with a
    /// neighbour that ran out of time), [`Internal`](StorageError::Internal) (it panicked) or
    /// [`Unavailable`](StorageError::Unavailable) (the store is closed).
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        self.write_as(false, work).await
    }

    /// [`write`](Self::write) of very many rows: it has a transaction of its own, so that writes which came before it don't
    /// wait for it. Those that come after it do.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub async fn write_long<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        self.write_as(true, work).await
    }

    /// Whether others came while the last [long write](Self::write_long) ran, and had to wait: the next one should be shorter.
    #[must_use]
    pub fn long_write_was_waited_for(&self) -> bool {
        self.inner.waited_for.load(Ordering::Relaxed)
    }

    async fn write_as<T, E, F>(&self, long: bool, work: F) -> Result<T, E>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        let _span = tracing::debug_span!("store write", db.system = "sqlite", otel.kind = "client");
        self.call(&self.inner.writes, self.inner.options.write_deadline, long, work).await
    }

    /// Runs a read inside one snapshot: it sees every write that was answered before it began, and none that happens meanwhile.
    ///
    /// The closure runs on a reader thread with a connection that cannot write. If the returned future is dropped before
    /// its turn, it does not run.
    ///
    /// # Errors
    /// What the closure returned; or [`StorageError::TimedOut`] when its statements ran longer than `read_deadline`,
    /// [`Busy`](StorageError::Busy), [`Internal`](StorageError::Internal) (it panicked) or
    /// [`Unavailable`](StorageError::Unavailable) (the store is closed).
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        self.read_within(self.inner.options.read_deadline, work).await
    }

    /// [`read`](Self::read) with a deadline of its own, for exports and recounts. A long snapshot keeps the log from shrinking:
    /// prefer several short reads.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn read_within<T, E, F>(&self, deadline: Duration, work: F) -> Result<T, E>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        let _span = tracing::debug_span!("store read", db.system = "sqlite", otel.kind = "client");
        self.call(&self.inner.reads, deadline, false, work).await
    }

    async fn call<T, E, F>(
        &self,
        queue: &Queue<Box<dyn Job>>,
        deadline: Duration,
        long: bool,
        work: F,
    ) -> Result<T, E>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        queue.push(Box::new(Call { work, deadline, long, answer }), self.inner.options.patience).await?;
        match answered.await {
            Ok(result) => result,
            Err(_) => Err(closed().into()),
        }
    }

    /// The number of commits since the file was opened, as a signal: it changes after each commit that wrote something,
    /// after the writes were answered. A relay waits on `changed()` and then reads what is new.
    pub fn committed(&self) -> watch::Receiver<u64> {
        self.inner.committed.clone()
    }

    /// Writes the log back into the file and empties it, soon: what was deleted stands in the log until then. While readers
    /// hold on to it, it is tried again after every write, and when there is nothing else to do. What is left in the file
    /// itself is [`leave_no_remains`]'s.
    pub fn empty_log(&self) {
        self.inner.empty_log.store(true, Ordering::Relaxed);
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Whether the file answers: for readiness.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn ping(&self) -> Result<(), StorageError> {
        self.read(|conn| {
            Ok(conn.prepare_cached("SELECT count(*) FROM sqlite_schema")?.query_row([], |_| Ok(()))?)
        })
        .await
    }

    /// Looks for damage in the whole file (minutes for gigabytes). Empty if it is sound, else a line for each finding.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn integrity_check(&self) -> Result<Vec<String>, StorageError> {
        self.read_within(Duration::from_secs(3600), |conn| {
            let mut findings: Vec<String> = conn
                .prepare("PRAGMA integrity_check")?
                .query_map([], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            findings.retain(|line| line != "ok");
            let mut orphans = conn.prepare("PRAGMA foreign_key_check")?;
            let orphans = orphans.query_map([], |row| {
                Ok(format!(
                    "a row of {} has no parent in {}",
                    row.get::<_, String>(0)?,
                    row.get::<_, String>(2)?
                ))
            })?;
            for orphan in orphans {
                findings.push(orphan?);
            }
            Ok(findings)
        })
        .await
    }

    /// The lines of `EXPLAIN QUERY PLAN`, such as `SEARCH leads USING INDEX leads_by_status (workspace=? AND status=?)`: for
    /// tests that a statement uses the index meant for it.
    ///
    /// # Errors
    /// [`StorageError::Internal`] for a statement that does not compile.
    pub async fn explain(&self, sql: &str, params: Vec<Value>) -> Result<Vec<String>, StorageError> {
        let sql = format!("EXPLAIN QUERY PLAN {sql}");
        self.read(move |conn| {
            let mut statement = conn.prepare(&sql)?;
            let lines = statement.query_map(rusqlite::params_from_iter(params), |row| row.get(3))?;
            Ok(lines.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Refuses new calls, finishes those that wait, writes the log back into the file and ends the threads. Every clone
    /// answers [`StorageError::Unavailable`] from then on. Calling it again does nothing.
    pub async fn close(&self) {
        let inner = self.inner.clone();
        let joined = tokio::task::spawn_blocking(move || {
            // Readers first: the writer's last checkpoint then finds the file to itself.
            inner.reads.close();
            join(&inner.readers);
            inner.writes.close();
            join(&inner.writer);
        });
        if let Err(error) = joined.await {
            tracing::error!(file = %self.inner.path.display(), %error, "closing the store failed");
        }
    }
}

fn join(threads: &Mutex<Vec<JoinHandle<()>>>) {
    let threads = std::mem::take(&mut *threads.lock().unwrap_or_else(PoisonError::into_inner));
    for thread in threads {
        if thread.join().is_err() {
            tracing::error!("a store's thread had panicked");
        }
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StorageError> {
    std::thread::Builder::new().name(name.to_owned()).spawn(body).map_err(|error| {
        StorageError::Unavailable(format!("a thread for the store cannot be started: {error}"))
    })
}

fn closed() -> StorageError {
    StorageError::Unavailable("the store is closed".to_owned())
}

/// Ends the process (or tells the test) when the file can no longer be trusted.
#[derive(Clone)]
struct Fatal {
    path: Arc<Path>,
    hook: OnFatal,
    queues: [Arc<Queue<Box<dyn Job>>>; 2],
}

impl Fatal {
    fn strike(&self, doing: &str, what: &str) {
        let line = format!(
            "{} failed while {doing} ({what}): the program stops, so that nothing is acknowledged that is not on the disk; check the disk, then start again or restore a backup",
            self.path.display()
        );
        tracing::error!("{line}");
        (self.hook)(&line);
        // Only a test's hook comes back.
        for queue in &self.queues {
            queue.close();
            queue.clear();
        }
    }
}

/// The moment at which a connection's running statement is interrupted.
#[derive(Clone)]
struct Deadline {
    start: Instant,
    /// Milliseconds after `start`; 0 for none.
    at: Arc<AtomicU64>,
}

impl Deadline {
    /// Installs itself on a connection.
    fn on(connection: &mut Connection) -> Result<Self, StorageError> {
        let deadline = Self { start: Instant::now(), at: Arc::new(AtomicU64::new(0)) };
        deadline.watch(connection)?;
        Ok(deadline)
    }

    /// Installs itself again, where something else watched a connection for a time.
    fn watch(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        let watched = self.clone();
        connection.progress_handler(
            STEPS,
            Some(move || {
                let at = watched.at.load(Ordering::Relaxed);
                at != 0 && watched.now() >= at
            }),
        )
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn set(&self, limit: Duration) {
        let limit = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        self.at.store(self.now().saturating_add(limit).max(1), Ordering::Relaxed);
    }

    fn clear(&self) {
        self.at.store(0, Ordering::Relaxed);
    }
}

/// So many steps of a statement lie between two looks at whether it is to be interrupted.
const STEPS: i32 = 1000;
/// After this long without work a connection gives its page cache back.
const IDLE: Duration = Duration::from_secs(30);

/// A file's name without folder and extension, which is its service's.
fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// The label of a file in metrics: its name without the folder.
fn label(path: &Path) -> String {
    path.file_name()
        .map_or_else(|| PathBuf::from(path).display().to_string(), |name| name.to_string_lossy().into_owned())
}
