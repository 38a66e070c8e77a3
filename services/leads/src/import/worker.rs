//! Carries imports on: claims one, reads its file from where it stands, and takes rows in, a batch a transaction.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use leadline_bus::Bus;
use leadline_failpoints::{Fault, Moment, reached};
use leadline_runtime::{caller::Scope, stop::Stop, time::Millis};
use leadline_storage::StorageError;
use tokio::sync::{Notify, Semaphore, mpsc};
use uuid::Uuid;

use super::{
    FailedRow, Import, KEPT, LARGEST_BATCH, State, Task, UPLOAD_TIME,
    batch::{Room, Rows},
    message::progress,
    row::{self, Row},
    spool::{self, SpoolError},
    table::{NotATable, Table},
    undo,
};
use crate::store::{
    StoreError,
    imports::{Imports, Lease},
};

/// So many imports are under way in a process.
const AT_ONCE: usize = 2;
/// How long a lease is good. Who has one writes, or renews it, far more often.
pub const LEASE: Duration = Duration::from_secs(30);
/// How often it is looked whether somebody else let go of an import.
const POLL: Duration = Duration::from_secs(2);
/// How often old files are looked for.
const SWEEP: Duration = Duration::from_secs(10 * 60);
/// How often progress is told.
const TOLD: Duration = Duration::from_millis(500);
/// How long a batch may take while others wait for it.
const PATIENCE: Duration = Duration::from_millis(150);
/// How long a batch may take as long as nobody does: far less than a transaction may, so that little is done again after a conflict, and
/// so that the first who comes does not wait for long. The larger it is, the more of its rows share a page of an index.
const UNHURRIED: Duration = Duration::from_millis(500);
/// The least rows of a batch, unless the file has no more.
const SMALLEST_BATCH: usize = 25;
/// Rows are handed over in portions of so many.
const PORTION: usize = 50;
/// A portion has no more rows than these bytes, and one.
const LARGEST_PORTION: usize = 256 * 1024;
/// A batch has no more rows than these bytes, and one.
const HEAVIEST_BATCH: usize = 4 * 1024 * 1024;
/// So many portions are read ahead.
const AHEAD: usize = 8;
/// After a failure of the store.
const REST: Duration = Duration::from_secs(1);
/// So many bytes of failed rows are read at once.
const FAILED_PAGE: usize = 1024 * 1024;
/// One import of a workbook is under way in a process: while it is, the workbook's texts are held.
static WORKBOOKS: Semaphore = Semaphore::const_new(1);
/// So much is swept at once.
const SWEPT: usize = 500;

/// Carries imports on.
#[derive(Clone)]
pub struct Worker {
    imports: Arc<dyn Imports>,
    bus: Bus,
    queued: Arc<Notify>,
    lease: Duration,
}

/// Why an import was left.
enum Left {
    /// Somebody else has it.
    Lost,
    /// The process ends.
    Stopping,
    /// It can't go on.
    Failed(String),
    /// The store does not answer.
    Store(StoreError),
}

impl From<StoreError> for Left {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<NotATable> for Left {
    fn from(error: NotATable) -> Self {
        match error {
            // The copy's disk: another try may do.
            NotATable::Io(error) => Self::Store(storage(&error)),
            error => Self::Failed(format!("the file {error}")),
        }
    }
}

impl From<SpoolError> for Left {
    fn from(error: SpoolError) -> Self {
        match error {
            SpoolError::Store(error) => Self::Store(error),
            SpoolError::Io(error) => Self::Store(storage(&error)),
            error @ SpoolError::Incomplete { .. } => Self::Failed(lost(&error)),
        }
    }
}

fn storage(error: &std::io::Error) -> StoreError {
    StorageError::Unavailable(error.to_string()).into()
}

impl Worker {
    /// Over imports; tells of them on a bus. `lease`: how long it may be silent before somebody else goes on; [`LEASE`] but in tests.
    #[must_use]
    pub fn new(imports: Arc<dyn Imports>, bus: Bus, lease: Duration) -> Self {
        Self { imports, bus, queued: Arc::default(), lease }
    }

    /// Says that there is something to do.
    pub fn wake(&self) {
        self.queued.notify_one();
    }

    /// Spawns its tasks until `stop`. What is under way then is left after its batch, and goes on elsewhere or later.
    pub fn spawn(&self, stop: &Stop) {
        running().set(0);
        // There from the start, so that the first one is seen to be one more.
        count_rows([0; 6]);
        for _ in 0..AT_ONCE {
            stop.spawn(self.clone().run(stop.clone()));
        }
        stop.spawn(self.clone().sweep(stop.clone()));
    }

    /// Carries on one import after the other until `stop`.
    pub async fn run(self, stop: Stop) {
        while !stop.is_stopping() {
            match self.step(&stop).await {
                Ok(true) => {}
                Ok(false) => {
                    tokio::select! {
                        () = self.queued.notified() => {}
                        _ = stop.sleep(POLL) => {}
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "imports are put off");
                    stop.sleep(REST).await;
                }
            }
        }
    }

    async fn sweep(self, stop: Stop) {
        loop {
            let now = Millis::now();
            loop {
                match self.imports.sweep(now.before(UPLOAD_TIME), now.before(KEPT), SWEPT).await {
                    Ok(true) if stop.sleep(Duration::from_millis(20)).await => {}
                    Ok(_) => break,
                    Err(error) => {
                        tracing::warn!(%error, "the sweep of imports is put off");
                        break;
                    }
                }
            }
            if !stop.sleep(SWEEP).await {
                return;
            }
        }
    }

    /// Carries on one import, if there is any, to its end; false: there is none.
    ///
    /// # Errors
    /// The store's; the import then goes on once its lease is over, or the store answers.
    pub async fn step(&self, stop: &Stop) -> Result<bool, StoreError> {
        let holder = Uuid::new_v4();
        let now = Millis::now();
        let Some((scope, import)) = self.imports.claim(holder, now, now.after(self.lease)).await? else {
            return Ok(false);
        };
        // Others may wait too.
        self.wake();
        let _running = Running::begin();
        let lease = Lease { scope, id: import.id, holder };
        let mut job = Job { worker: self, stop, lease, import, told: None, failed: 0 };
        if let Some(reason) = job.import.given_up() {
            tracing::error!(import = %job.import.id, "an import is given up: it ended its worker again and again");
            job.finish(State::Failed, Some(reason)).await?;
            return Ok(true);
        }
        job.tell(true);
        let left = match job.import.state {
            State::Undoing => job.undo().await,
            _ => job.take().await,
        };
        match left {
            Ok(state) => job.finish(state, None).await?,
            Err(Left::Failed(reason)) => job.finish(State::Failed, Some(reason)).await?,
            Err(Left::Lost) => tracing::info!(import = %job.import.id, "somebody else carries an import on"),
            Err(Left::Stopping) => self.imports.release(lease).await?,
            // Another try would meet it again.
            Err(Left::Store(error)) if !is_passing(&error) => {
                job.finish(State::Failed, Some(lost(&error))).await?;
            }
            Err(Left::Store(error)) => {
                // Best effort: without it, the lease runs out.
                let _ = self.imports.release(lease).await;
                return Err(error);
            }
        }
        Ok(true)
    }
}

/// Counts an import while it is carried on.
struct Running(metrics::Gauge);

impl Running {
    fn begin() -> Self {
        let running = running();
        running.increment(1);
        Self(running)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

fn running() -> metrics::Gauge {
    metrics::gauge!("leadline_imports_running")
}

/// How many rows came to each end so far.
fn rows(import: &Import) -> [u64; 6] {
    let counts = import.counts;
    [counts.created, counts.updated, counts.skipped, counts.failed, import.taken_back, import.kept]
}

/// Counts so many more.
fn count_rows(more: [u64; 6]) {
    let outcomes = ["created", "updated", "skipped", "failed", "taken back", "kept"];
    for (outcome, more) in outcomes.into_iter().zip(more) {
        metrics::counter!("leadline_import_rows_total", "outcome" => outcome).increment(more);
    }
}

/// An import under way.
struct Job<'w> {
    worker: &'w Worker,
    stop: &'w Stop,
    lease: Lease,
    import: Import,
    told: Option<Instant>,
    /// The bytes of rows that are kept because they could not be taken.
    failed: usize,
}

/// How many of these rows fill a batch; `None`: there is room for more.
fn full(rows: &[Row], size: usize) -> Option<usize> {
    let mut weight = 0;
    for (nth, row) in rows.iter().enumerate() {
        weight += row.cells.iter().map(String::len).sum::<usize>();
        if nth + 1 >= size || weight > HEAVIEST_BATCH {
            return Some(nth + 1);
        }
    }
    None
}

/// The bytes of the rows of a batch that can't be taken.
struct Weights {
    /// How many are bad.
    bad: u64,
    /// Theirs.
    bytes: usize,
    /// The most that one has which is bad only if there is no lead yet: it has no name.
    nameless: usize,
}

impl Weights {
    fn of(rows: &[Row]) -> Self {
        let mut weights = Self { bad: 0, bytes: 0, nameless: 0 };
        for row in rows {
            let cells: usize = row.cells.iter().map(String::len).sum();
            match &row.draft {
                Err(reasons) => {
                    weights.bad += 1;
                    weights.bytes += cells + reasons.iter().map(String::len).sum::<usize>();
                }
                Ok(draft) if draft.name.is_none() => weights.nameless = weights.nameless.max(cells),
                Ok(_) => {}
            }
        }
        weights
    }

    /// At least what those have of which so many could not be taken.
    fn failed(&self, count: u64) -> usize {
        let nameless = usize::try_from(count.saturating_sub(self.bad)).unwrap_or(usize::MAX);
        self.bytes.saturating_add(self.nameless.saturating_mul(nameless))
    }
}

/// What the file's reader hands over.
enum Read {
    Total(u64),
    Rows(Vec<Row>),
    Failed(NotATable),
}

/// Reads a file from a row on, in a thread of its own, no faster than its rows are taken: what they say is found out while
/// those before them are written.
fn reader(mut table: Table, task: &Task, count: bool, from: u64, to: &mpsc::Sender<Read>) {
    let read = |table: &mut Table| {
        if count {
            match table.count(&|| !to.is_closed())? {
                Some(total) if to.blocking_send(Read::Total(total)).is_ok() => {}
                _ => return Ok(()),
            }
        }
        let (mut nth, mut portion, mut size, mut heard) = (0, Vec::new(), 0, !to.is_closed());
        // The header is a row too.
        table.walk(&mut |row| {
            if nth > from {
                size += row.size();
                portion.push(row::read(task, nth - 1, row, Millis::now()));
            }
            nth += 1;
            if portion.len() >= PORTION || size > LARGEST_PORTION {
                size = 0;
                heard = to.blocking_send(Read::Rows(std::mem::take(&mut portion))).is_ok();
            }
            heard
        })?;
        if heard && !portion.is_empty() {
            let _ = to.blocking_send(Read::Rows(portion));
        }
        Ok(())
    };
    if let Err(error) = read(&mut table) {
        let _ = to.blocking_send(Read::Failed(error));
    }
}

impl Job<'_> {
    fn scope(&self) -> Scope {
        self.lease.scope
    }

    fn until(&self) -> Millis {
        Millis::now().after(self.worker.lease)
    }

    fn tell(&mut self, anyway: bool) {
        if anyway || self.told.is_none_or(|told| told.elapsed() >= TOLD) {
            self.told = Some(Instant::now());
            self.worker.bus.signal(progress(self.scope(), &self.import));
        }
    }

    /// What came of a batch.
    fn stands(&mut self, import: Import) {
        let (before, now) = (rows(&self.import), rows(&import));
        count_rows(std::array::from_fn(|nth| now[nth].saturating_sub(before[nth])));
        self.import = import;
    }

    async fn renew(&mut self, total: Option<u64>) -> Result<(), Left> {
        if !self.worker.imports.renew(self.lease, total, self.until()).await? {
            return Err(Left::Lost);
        }
        self.import.total = total.or(self.import.total);
        Ok(())
    }

    async fn finish(&mut self, state: State, reason: Option<String>) -> Result<(), StoreError> {
        let ended = self.worker.imports.finish(self.lease, state, reason, Millis::now()).await?;
        if let Some(import) = ended {
            let counts = import.counts;
            tracing::info!(import = %import.id, ?state, ?counts, "an import has ended");
            self.import = import;
            self.tell(true);
        }
        Ok(())
    }

    /// Waits for something and keeps the lease meanwhile.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Left> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                () = self.stop.stopping() => return Err(Left::Stopping),
                () = tokio::time::sleep(self.worker.lease / 3) => self.renew(None).await?,
            }
        }
    }

    /// Takes in what is left of the file.
    async fn take(&mut self) -> Result<State, Left> {
        let imports = self.worker.imports.clone();
        let (scope, id, size) = (self.scope(), self.import.id, self.import.size);
        let file = self.meanwhile(spool::copy(&*imports, scope, id, size)).await??;
        let opened = self.meanwhile(tokio::task::spawn_blocking(move || Table::open(file))).await?;
        let mut table = opened.map_err(|error| Left::Failed(lost(&error)))??;
        if table.is_workbook() {
            let place = self.meanwhile(WORKBOOKS.acquire()).await?;
            table.hold(place.map_err(|error| Left::Failed(lost(&error)))?);
        }
        self.failed = self.failed_before().await?;
        let (to, mut from) = mpsc::channel(AHEAD);
        let (count, done) = (self.import.total.is_none(), self.import.counts.rows());
        let task = self.import.task.clone();
        tokio::task::spawn_blocking(move || reader(table, &task, count, done, &to));
        let mut waiting: Vec<Row> = Vec::new();
        let mut size = SMALLEST_BATCH * 4;
        loop {
            match self.meanwhile(from.recv()).await? {
                Some(Read::Total(total)) => {
                    self.renew(Some(total)).await?;
                    self.tell(true);
                }
                Some(Read::Rows(rows)) => {
                    waiting.extend(rows);
                    while let Some(count) = full(&waiting, size) {
                        let rest = waiting.split_off(count);
                        size = self.batch(std::mem::replace(&mut waiting, rest)).await?;
                    }
                }
                Some(Read::Failed(error)) => return Err(error.into()),
                None => break,
            }
        }
        while !waiting.is_empty() {
            let rest = waiting.split_off(full(&waiting, size).unwrap_or(waiting.len()));
            size = self.batch(std::mem::replace(&mut waiting, rest)).await?;
        }
        ended(self.import.total, self.import.counts.rows())
    }

    /// How many bytes of failed rows others have kept, who had the import before.
    async fn failed_before(&mut self) -> Result<usize, Left> {
        let (imports, scope, id) = (self.worker.imports.clone(), self.scope(), self.import.id);
        let (mut bytes, mut after) = (0, None);
        while self.import.counts.failed > 0 {
            let rows = self.meanwhile(imports.failed(scope, id, after, FAILED_PAGE)).await??;
            let Some(last) = rows.last() else { break };
            after = Some(last.nth);
            bytes += rows.iter().map(FailedRow::size).sum::<usize>();
        }
        Ok(bytes)
    }

    /// Takes rows in; how many the next batch should have, so that nobody waits for long.
    async fn batch(&mut self, rows: Vec<Row>) -> Result<usize, Left> {
        let (begun, size) = (Instant::now(), rows.len());
        let (before, weights) = (self.import.counts.failed, Weights::of(&rows));
        let room = Room::of(&self.import, self.failed);
        let rows = Rows { import: self.import.clone(), rows, by: self.import.by(), room };
        let taken = self.worker.imports.take(self.lease, rows, self.until()).await?;
        self.stands(taken.ok_or(Left::Lost)?);
        self.failed = self.failed.saturating_add(weights.failed(self.import.counts.failed - before));
        passed(Moment::Imported).await?;
        self.tell(false);
        let took = begun.elapsed();
        if self.stop.is_stopping() {
            return Err(Left::Stopping);
        }
        let longest = if self.worker.imports.kept_others_waiting() { PATIENCE } else { UNHURRIED };
        let better = if took > longest { size / 2 } else { size + size / 2 };
        Ok(better.clamp(SMALLEST_BATCH, LARGEST_BATCH))
    }

    /// Takes back what is left of it.
    async fn undo(&mut self) -> Result<State, Left> {
        loop {
            let by = self.import.by();
            let step = self.worker.imports.take_back(self.lease, by, undo::BATCH, self.until()).await?;
            let step = step.ok_or(Left::Lost)?;
            self.stands(step.import);
            if !step.more {
                return Ok(State::Undone);
            }
            passed(Moment::TakenBack).await?;
            self.tell(false);
            if self.stop.is_stopping() {
                return Err(Left::Stopping);
            }
        }
    }
}

/// Between two parts of an import.
async fn passed(moment: Moment) -> Result<(), Left> {
    let fault = |fault: Fault| Left::Store(StorageError::Unavailable(fault.to_string()).into());
    reached(moment, "leads").await.map_err(fault)
}

/// How an import ends whose reader says no more, after so many rows.
fn ended(total: Option<u64>, rows: u64) -> Result<State, Left> {
    match total {
        Some(total) if total == rows => Ok(State::Done),
        // The reader ended without a word, as it does when its thread fails.
        Some(total) => Err(Left::Failed(lost(&format!("{rows} of {total} rows were read")))),
        None => Err(Left::Failed(lost(&"the rows were not counted"))),
    }
}

fn is_passing(error: &StoreError) -> bool {
    matches!(error, StoreError::Storage(error) if error.is_passing())
}

/// What is said of a fault of ours.
fn lost(error: &dyn std::fmt::Display) -> String {
    tracing::error!(%error, "an import was broken off");
    "something went wrong on our side: run the file again".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_whose_reader_fails_is_not_done() {
        assert!(matches!(ended(Some(3), 3), Ok(State::Done)));
        assert!(matches!(ended(Some(3), 2), Err(Left::Failed(_))));
        assert!(matches!(ended(None, 0), Err(Left::Failed(_))));
    }
}
