//! A reader thread: one connection that cannot write, one snapshot a call.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rusqlite::{Connection, OpenFlags};

use super::call::Job;
use super::noted::{self, Noted};
use super::queue::{Queue, Taken};
use super::{Deadline, Fatal, IDLE, SqliteOptions, schema};
use crate::StorageError;

pub(super) struct Reader {
    connection: Connection,
    deadline: Deadline,
    queue: Arc<Queue<Box<dyn Job>>>,
    fatal: Fatal,
    /// How long it was busy.
    busy: metrics::Histogram,
}

impl Reader {
    pub(super) fn open(
        path: &Path,
        options: &SqliteOptions,
        queue: Arc<Queue<Box<dyn Job>>>,
        fatal: Fatal,
    ) -> Result<Self, StorageError> {
        let mut connection = Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        schema::settle(&connection, options.reader_cache_kib)?;
        connection.pragma_update(None, "query_only", true)?;
        let deadline = Deadline::on(&mut connection)?;
        let file = super::stem(path);
        let busy = metrics::histogram!("leadline_store_read_seconds", "file" => file);
        Ok(Self { connection, deadline, queue, fatal, busy })
    }

    pub(super) fn run(self) {
        let mut idle = Some(IDLE);
        loop {
            match self.queue.take(1, idle) {
                Taken::Jobs(jobs) => {
                    idle = Some(IDLE);
                    for job in jobs {
                        if !job.is_abandoned() && self.read(job).is_err() {
                            return;
                        }
                    }
                }
                Taken::Idle => {
                    let _ = self.connection.release_memory();
                    idle = None;
                }
                Taken::Closed => return,
            }
        }
    }

    fn read(&self, job: Box<dyn Job>) -> Result<(), Broken> {
        noted::take();
        let started = Instant::now();
        self.deadline.set(job.deadline());
        if let Err(error) = self.connection.execute_batch("BEGIN DEFERRED") {
            job.refuse(error.into());
            return self.trust();
        }
        let done = job.run(&self.connection);
        self.deadline.clear();
        // A read transaction has nothing to lose: whatever state the closure left, the next one begins afresh.
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            noted::note(&error);
        }
        self.trust()?;
        self.busy.record(started.elapsed().as_secs_f64());
        done.answer(Ok(()));
        Ok(())
    }

    /// Strikes if the file was found broken.
    fn trust(&self) -> Result<(), Broken> {
        match noted::take() {
            Some(Noted::Broken(what)) => {
                self.fatal.strike("reading", &what);
                Err(Broken)
            }
            _ => Ok(()),
        }
    }
}

/// The file is broken and the hook was told.
struct Broken;
