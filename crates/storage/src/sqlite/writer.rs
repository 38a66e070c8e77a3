//! The writer thread: takes what waits, runs each write in a savepoint, commits once, then answers all. Between commits it
//! looks after the file: writes the log back, and rewrites what has remains of rows that were erased.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::{Duration, Instant};

use leadline_failpoints::{Moment, reached_here};
use rusqlite::Connection;
use tokio::sync::watch;

use super::call::{Done, Job};
use super::noted::{self, Noted};
use super::queue::{Queue, Taken};
use super::remains::{self, Remains};
use super::{Deadline, Fatal, IDLE, STEPS, SqliteOptions};
use crate::StorageError;

/// The log is written back into the file when it has this many pages (4 MiB).
const CHECKPOINT_PAGES: i32 = 1000;
/// How long the writer waits for readers when the log is to be emptied.
const EMPTYING: Duration = Duration::from_millis(100);
/// A batch takes no further write after this long, so that the first in it does not wait for ever.
const BATCH_TIME: Duration = Duration::from_millis(50);

pub(super) struct Writer {
    connection: Connection,
    deadline: Deadline,
    batch: usize,
    queue: Arc<Queue<Box<dyn Job>>>,
    fatal: Fatal,
    committed: watch::Sender<u64>,
    /// Set around the thread's own commit; every other one is turned into a rollback.
    may_commit: Arc<AtomicBool>,
    /// Pages in the log after the last commit.
    log_pages: Arc<AtomicI32>,
    /// Somebody wants the log to be emptied.
    empty_log: Arc<AtomicBool>,
    /// Others came while the last long write ran.
    waited_for: Arc<AtomicBool>,
    remains: Remains,
    rewrites: Rewrites,
    file: String,
}

/// The file is broken and the hook was told.
struct Broken;

impl Writer {
    pub(super) fn new(
        mut connection: Connection,
        options: &SqliteOptions,
        queue: Arc<Queue<Box<dyn Job>>>,
        fatal: Fatal,
        committed: watch::Sender<u64>,
        empty_log: Arc<AtomicBool>,
        waited_for: Arc<AtomicBool>,
    ) -> Result<Self, StorageError> {
        let deadline = Deadline::on(&mut connection)?;
        let may_commit = Arc::new(AtomicBool::new(false));
        let log_pages = Arc::new(AtomicI32::new(0));
        // When a statement's failure has rolled the whole transaction back, a closure that carries on regardless would
        // commit each further statement by itself: half a write. This says no, and also to a closure's own COMMIT.
        let allowed = may_commit.clone();
        connection.commit_hook(Some(move || !allowed.load(Ordering::Relaxed)))?;
        let pages = log_pages.clone();
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, count| {
            pages.store(count, Ordering::Relaxed);
            Ok(())
        }))?;
        let file = super::label(&fatal.path);
        Ok(Self {
            connection,
            deadline,
            batch: options.batch.max(1),
            queue,
            fatal,
            committed,
            may_commit,
            log_pages,
            empty_log,
            waited_for,
            remains: Remains::new(options.rewriting, Instant::now()),
            rewrites: Rewrites::of(&file),
            file,
        })
    }

    pub(super) fn run(mut self) {
        let mut last_write = Instant::now();
        // When it gives its page cache back, and tries again to empty the log.
        let mut idle = Some(last_write + IDLE);
        loop {
            let next = [idle, self.remains.due(last_write)].into_iter().flatten().min();
            let wait = next.map(|at| at.saturating_duration_since(Instant::now()));
            match self.queue.take(self.batch, wait) {
                Taken::Jobs(jobs) => {
                    if self.write(jobs).is_err() {
                        return;
                    }
                    last_write = Instant::now();
                    idle = Some(last_write + IDLE);
                }
                Taken::Idle if idle.is_some_and(|at| at <= Instant::now()) => {
                    let _ = self.connection.release_memory();
                    idle = None;
                    if self.empty_log.load(Ordering::Relaxed) {
                        if self.empty_log().is_err() {
                            return;
                        }
                        idle = self.empty_log.load(Ordering::Relaxed).then(|| Instant::now() + IDLE);
                    }
                }
                Taken::Idle => {}
                Taken::Closed => break,
            }
            let is_due = self.remains.due(last_write).is_some_and(|at| at <= Instant::now());
            if is_due && !self.queue.is_closed() {
                if self.leave_no_remains().is_err() {
                    return;
                }
                idle = Some(Instant::now() + IDLE);
            }
        }
        let _ = self.checkpoint("TRUNCATE");
    }

    /// Commits what waited, and looks after the log.
    fn write(&mut self, mut jobs: VecDeque<Box<dyn Job>>) -> Result<(), Broken> {
        while !jobs.is_empty() {
            self.commit_batch(&mut jobs)?;
        }
        if remains::was_marked() {
            self.remains.owe(Instant::now());
        }
        if self.empty_log.load(Ordering::Relaxed) {
            self.empty_log()
        } else if self.log_pages.load(Ordering::Relaxed) >= CHECKPOINT_PAGES {
            self.checkpoint("PASSIVE").map(drop)
        } else {
            Ok(())
        }
    }

    /// One transaction: takes jobs from the front until they, the time or the transaction end, and answers those it took.
    fn commit_batch(&mut self, jobs: &mut VecDeque<Box<dyn Job>>) -> Result<(), Broken> {
        noted::take();
        if let Err(error) = self.connection.execute_batch("BEGIN IMMEDIATE") {
            let error = self.explain("beginning a transaction", error)?;
            jobs.drain(..).for_each(|job| job.refuse(error.clone()));
            return Ok(());
        }
        let started = Instant::now();
        let mut done: Vec<Done> = Vec::with_capacity(jobs.len());
        while started.elapsed() < BATCH_TIME {
            let Some(job) = jobs.pop_front() else { break };
            if job.is_abandoned() {
                continue;
            }
            let alone = job.is_long();
            if alone && !done.is_empty() {
                jobs.push_front(job);
                break;
            }
            match self.run_one(job, alone)? {
                Ran::Kept(one) | Ran::Failed(one) => done.push(one),
                // Whatever becomes of the others, this one wrote nothing.
                Ran::Undone(one, error) => one.answer(Err(error)),
                Ran::TookAllDown(one, error) => {
                    done.push(one);
                    return self.give_up(done, &error);
                }
            }
            if alone {
                self.waited_for.store(!jobs.is_empty() || self.queue.is_waiting(), Ordering::Relaxed);
                break;
            }
        }
        let writes = done.iter().filter(|one| one.succeeded).count();
        if writes == 0 {
            return self.give_up(done, &StorageError::Contended);
        }
        self.may_commit.store(true, Ordering::Relaxed);
        let committing = Instant::now();
        let result = self.connection.execute_batch("COMMIT");
        self.may_commit.store(false, Ordering::Relaxed);
        if let Err(error) = result {
            let error = self.explain("committing", error)?;
            return self.give_up(done, &error);
        }
        metrics::histogram!("leadline_store_commit_seconds", "file" => self.file.clone())
            .record(committing.elapsed().as_secs_f64());
        metrics::counter!("leadline_store_commits_total", "file" => self.file.clone()).increment(1);
        metrics::counter!("leadline_store_writes_total", "file" => self.file.clone())
            .increment(writes as u64);
        self.committed.send_modify(|count| *count += 1);
        done.into_iter().for_each(|one| one.answer(Ok(())));
        Ok(())
    }

    /// Runs a write in a savepoint; one that is alone needs none, since nobody else's is undone with it.
    fn run_one(&self, job: Box<dyn Job>, alone: bool) -> Result<Ran, Broken> {
        let statement = |sql| if alone { Ok(()) } else { self.statement(sql) };
        if let Err(error) = statement("SAVEPOINT write_of_one") {
            let error = self.explain("opening a savepoint", error)?;
            job.refuse(error.clone());
            return Ok(Ran::TookAllDown(Done::nothing(), error));
        }
        self.deadline.set(job.deadline());
        let done = job.run(&self.connection);
        self.deadline.clear();
        let noted = noted::take();
        if let Some(Noted::Broken(what)) = noted {
            self.fatal.strike("writing", &what);
            return Err(Broken);
        }
        if self.connection.is_autocommit() {
            // SQLite undid the whole transaction, as it may when the disk is full or a statement is interrupted.
            let error = match noted {
                // The others were not slow; they may try again.
                None | Some(Noted::Interrupted) => StorageError::Contended,
                Some(noted) => self.cause(&noted),
            };
            return Ok(Ran::TookAllDown(done, error));
        }
        // A statement that failed for want of room or time may have been a part of the write, even if the closure says
        // that all is well.
        let keep = done.succeeded && noted.is_none();
        let ended = if keep { Ok(()) } else { statement("ROLLBACK TO write_of_one") };
        if let Err(error) = ended.and_then(|()| statement("RELEASE write_of_one")) {
            let error = self.explain("closing a savepoint", error)?;
            return Ok(Ran::TookAllDown(done, error));
        }
        Ok(match noted {
            None if keep => Ran::Kept(done),
            None => Ran::Failed(done),
            Some(noted) => Ran::Undone(done, self.cause(&noted)),
        })
    }

    fn cause(&self, noted: &Noted) -> StorageError {
        match noted {
            Noted::Full => {
                self.say_full();
                StorageError::Full
            }
            Noted::Busy => StorageError::Busy,
            Noted::Interrupted => StorageError::TimedOut,
            Noted::Broken(what) => StorageError::Unavailable(what.clone()),
        }
    }

    fn statement(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }

    /// Rolls back and answers: those that succeeded get `error`, the others their own.
    fn give_up(&self, done: Vec<Done>, error: &StorageError) -> Result<(), Broken> {
        if !self.connection.is_autocommit()
            && let Err(failed) = self.connection.execute_batch("ROLLBACK")
        {
            self.explain("rolling back", failed)?;
        }
        done.into_iter().for_each(|one| one.answer(Err(error.clone())));
        Ok(())
    }

    /// What an error of the thread's own statements means; strikes if the file is broken.
    fn explain(&self, doing: &str, error: rusqlite::Error) -> Result<StorageError, Broken> {
        match Noted::of(&error) {
            Some(Noted::Broken(what)) => {
                self.fatal.strike(doing, &what);
                Err(Broken)
            }
            Some(Noted::Full) => {
                self.say_full();
                Ok(StorageError::Full)
            }
            _ => {
                tracing::warn!(file = self.file, doing, %error, "writes were rolled back");
                Ok(error.into())
            }
        }
    }

    fn say_full(&self) {
        tracing::error!(file = %self.fatal.path.display(), "the disk is full: writes are refused until there is room");
    }

    /// Writes the log back into the file. Done here and not inside the commit, since there SQLite keeps its errors to itself.
    /// False: readers were in the way, and not all of it is done.
    fn checkpoint(&self, mode: &str) -> Result<bool, Broken> {
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        let service = super::stem(&self.fatal.path);
        if reached_here(Moment::Checkpointing, &service).is_err() {
            return Ok(false);
        }
        match self.connection.query_row(&sql, [], |row| row.get::<_, i64>(0)) {
            // What fails afterwards takes nothing back.
            Ok(busy) => Ok(reached_here(Moment::Checkpointed, &service).is_ok() && busy == 0),
            Err(error) => self.explain("writing the log back into the file", error).map(|_| false),
        }
    }

    /// Empties the log, unless readers hold on to it for longer than others should wait.
    fn empty_log(&self) -> Result<(), Broken> {
        let _ = self.connection.busy_timeout(EMPTYING);
        let emptied = self.checkpoint("TRUNCATE");
        let _ = self.connection.busy_timeout(super::schema::BUSY);
        if emptied? {
            self.empty_log.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Rewrites the file, so that nothing of what was erased is left in it. What fails takes nothing back: the mark stays, and
    /// it is tried again.
    fn leave_no_remains(&mut self) -> Result<(), Broken> {
        let started = Instant::now();
        // Others may hold the file for a time, but this need not be the time.
        let _ = self.connection.busy_timeout(EMPTYING);
        let rewritten = self.rewrite();
        let _ = self.connection.busy_timeout(super::schema::BUSY);
        if !matches!(rewritten, Ok(Rewrite::NotOwed)) {
            // The new pages, or what there came to be of them, take room in the log.
            self.empty_log.store(true, Ordering::Relaxed);
            self.empty_log()?;
        }
        let (now, took) = (Instant::now(), started.elapsed());
        let file = self.fatal.path.display();
        match rewritten {
            Ok(Rewrite::Done) => {
                self.rewrites.done.increment(1);
                tracing::info!(%file, seconds = took.as_secs_f64(), "rewritten, without what was erased");
                self.remains.done(now, took);
            }
            Ok(Rewrite::NotOwed) => self.remains.not_owed(),
            Ok(Rewrite::TooLarge) => {
                self.rewrites.left.increment(1);
                tracing::warn!(
                    %file,
                    "too large to be rewritten beside its work: something may be left in it of what was erased; stop the program and run leadline rewrite"
                );
                self.remains.left(now);
            }
            Err(_) if self.queue.is_closed() => {}
            Err(error) => {
                self.rewrites.failed.increment(1);
                tracing::warn!(
                    %file, %error, seconds = took.as_secs_f64(),
                    "can't be rewritten now, which takes free room of twice its size: something may be left in it of what was erased; it is tried again, or stop the program and run leadline rewrite"
                );
                self.remains.failed(now, took);
            }
        }
        Ok(())
    }

    fn rewrite(&mut self) -> rusqlite::Result<Rewrite> {
        if !remains::is_marked(&self.connection)? {
            return Ok(Rewrite::NotOwed);
        }
        if remains::in_use(&self.connection)? > self.remains.up_to() {
            return Ok(Rewrite::TooLarge);
        }
        let (queue, limit, started) = (self.queue.clone(), self.remains.limit(), Instant::now());
        let is_over = move || queue.is_closed() || started.elapsed() > limit;
        self.connection.progress_handler(STEPS, Some(is_over))?;
        self.may_commit.store(true, Ordering::Relaxed);
        let rewritten = remains::build_anew(&self.connection, &self.fatal.path);
        self.may_commit.store(false, Ordering::Relaxed);
        self.deadline.watch(&mut self.connection)?;
        match rewritten {
            Ok(()) => Ok(Rewrite::Done),
            Err(error) if Noted::of(&error) == Some(Noted::Interrupted) && !self.queue.is_closed() => {
                Ok(Rewrite::TooLarge)
            }
            Err(error) => Err(error),
        }
    }
}

/// What became of rewriting a file.
enum Rewrite {
    Done,
    /// Nothing was erased, or it was undone.
    NotOwed,
    /// It would take too long, or did.
    TooLarge,
}

/// Counts them.
struct Rewrites {
    done: metrics::Counter,
    failed: metrics::Counter,
    left: metrics::Counter,
}

impl Rewrites {
    fn of(file: &str) -> Self {
        let counter = |outcome: &'static str| {
            let counter = metrics::counter!("leadline_store_rewrites_total", "file" => file.to_owned(), "outcome" => outcome);
            counter.increment(0);
            counter
        };
        Self { done: counter("done"), failed: counter("failed"), left: counter("too large") }
    }
}

enum Ran {
    /// Its changes are part of the transaction.
    Kept(Done),
    /// It failed by itself and its changes are undone; the transaction goes on.
    Failed(Done),
    /// A statement of it failed for want of room or time and its changes are undone; the transaction goes on.
    Undone(Done, StorageError),
    /// The transaction is lost, and why.
    TookAllDown(Done, StorageError),
}
