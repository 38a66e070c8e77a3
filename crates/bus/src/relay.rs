//! What both relays share: reading an outbox, waiting for more, and telling how much waits.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use leadline_runtime::stop::Stop;
use tokio::{sync::watch, time::Instant};

use crate::{
    backoff::{Backoff, jittered},
    outbox::{Outbox, OutboxError, OutboxRow, PendingEvent},
};

/// So often an outbox is read from its start, commits or not.
const POLL: Duration = Duration::from_secs(1);
/// So late at most it is read from its start again: a row that was committed late behind the last page waits for that.
const LATEST: Duration = Duration::from_secs(10);
/// So often the gauges are set.
const GAUGES: Duration = Duration::from_secs(5);

/// Holds the relays back until every consumer is registered.
pub(crate) struct Gate(watch::Sender<bool>);

impl Default for Gate {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Gate {
    pub(crate) fn open(&self) {
        self.0.send_replace(true);
    }

    /// Awaits that it is open. False: told to stop before.
    pub(crate) async fn passed(&self, name: &'static str, stop: &Stop) -> bool {
        let mut opened = self.0.subscribe();
        let opened = async {
            let passed = opened.wait_for(|open| *open);
            tokio::pin!(passed);
            if tokio::time::timeout(Duration::from_secs(10), &mut passed).await.is_err() {
                tracing::warn!(outbox = name, "events wait: the bus was not started");
                let _ = passed.await;
            }
        };
        tokio::select! {
            () = stop.stopping() => false,
            () = opened => true,
        }
    }
}

/// Reads an outbox page by page, and again from its start every second: so a row that failed is tried again, and one
/// that was committed late behind the last page is found.
pub(crate) struct Reader {
    name: &'static str,
    outbox: Arc<dyn Outbox>,
    /// So many rows make a page.
    page: usize,
    committed: watch::Receiver<u64>,
    after: Option<OutboxRow>,
    more: bool,
    /// Time spent reading since the start of the present scan; none when it has reached the end.
    scan: Option<Duration>,
    scan_at: Instant,
    backoff: Backoff,
    failing: bool,
}

impl Reader {
    pub(crate) fn new(name: &'static str, outbox: Arc<dyn Outbox>, page: usize) -> Self {
        let committed = outbox.committed();
        Self {
            name,
            outbox,
            page,
            committed,
            after: None,
            more: true,
            scan: Some(Duration::ZERO),
            scan_at: Instant::now(),
            backoff: Backoff::new(),
            failing: false,
        }
    }

    /// The next rows; none: read on after [`Reader::more`].
    pub(crate) async fn page(&mut self) -> Vec<PendingEvent> {
        // Seen before reading, so that a commit during it wakes again.
        self.committed.borrow_and_update();
        let began = Instant::now();
        match self.outbox.pending(self.after.as_ref(), self.page).await {
            Ok(page) => {
                self.backoff.reset();
                let mut took = began.elapsed();
                if std::mem::take(&mut self.failing) {
                    tracing::info!(outbox = self.name, "the outbox is read again");
                    // That was waiting for the store, not reading.
                    took = Duration::ZERO;
                }
                self.more = page.len() >= self.page;
                if let Some(last) = page.last() {
                    self.after = Some(last.row.clone());
                }
                if let Some(spent) = self.scan {
                    let spent = spent + took;
                    self.scan = Some(spent);
                    if !self.more {
                        // About a tenth of the time goes into reading again what is stuck, more only where that takes long.
                        self.scan = None;
                        self.scan_at = Instant::now() + jittered((spent * 10).clamp(POLL, LATEST));
                    }
                }
                page
            }
            Err(error) => {
                self.trouble(&error);
                self.more = false;
                self.scan_at = Instant::now() + self.backoff.next();
                Vec::new()
            }
        }
    }

    /// Awaits that there may be more, at most until `until`.
    pub(crate) async fn more(&mut self, until: Option<Instant>) {
        if self.more {
            return;
        }
        let wake = until.map_or(self.scan_at, |until| until.min(self.scan_at));
        let committed = async {
            if self.committed.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = committed, if !self.failing => {}
            () = tokio::time::sleep_until(wake) => {
                if Instant::now() >= self.scan_at {
                    self.restart();
                }
            }
        }
    }

    /// Reads from the start next.
    pub(crate) fn restart(&mut self) {
        self.after = None;
        self.more = true;
        self.scan = Some(Duration::ZERO);
    }

    fn trouble(&mut self, error: &OutboxError) {
        if !std::mem::replace(&mut self.failing, true) {
            tracing::warn!(outbox = self.name, %error, "the outbox cannot be read; trying again");
        }
    }
}

/// Sets the gauges of an outbox until `stop`.
pub(crate) async fn measure(name: &'static str, outbox: Arc<dyn Outbox>, stop: Stop) {
    let age = metrics::gauge!("leadline_outbox_age_seconds", "outbox" => name);
    let depth = metrics::gauge!("leadline_outbox_depth", "outbox" => name);
    metrics::counter!("leadline_events_published_total", "outbox" => name).increment(0);
    loop {
        let backlog = tokio::select! {
            () = stop.stopping() => return,
            backlog = outbox.backlog() => backlog,
        };
        if let Ok(backlog) = backlog {
            #[allow(clippy::cast_precision_loss, reason = "a gauge")]
            depth.set(backlog.depth as f64);
            let oldest =
                backlog.oldest_at_ms.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis);
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            age.set(oldest.map_or(0.0, |oldest| now.saturating_sub(oldest).as_secs_f64()));
        }
        if !stop.sleep(GAUGES).await {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;

    use super::*;
    use crate::outbox::Backlog;

    /// Rows that all wait, of a store that may be slow to answer.
    #[derive(Default)]
    struct Slow {
        rows: Mutex<Vec<i64>>,
        answers: Mutex<Vec<(Duration, bool)>>,
    }

    #[async_trait]
    impl Outbox for Slow {
        async fn pending(
            &self,
            after: Option<&OutboxRow>,
            limit: usize,
        ) -> Result<Vec<PendingEvent>, OutboxError> {
            let answer = self.answers.lock().unwrap().pop();
            if let Some((pause, good)) = answer {
                tokio::time::sleep(pause).await;
                if !good {
                    return Err("away".into());
                }
            }
            let after = after.and_then(OutboxRow::number).unwrap_or(0);
            let mut rows = self.rows.lock().unwrap().clone();
            rows.retain(|row| *row > after);
            rows.sort_unstable();
            Ok(rows
                .into_iter()
                .take(limit)
                .map(|row| PendingEvent::new(row, "lead.created", Vec::new()))
                .collect())
        }

        async fn mark_published(&self, _rows: &[OutboxRow]) -> Result<(), OutboxError> {
            Ok(())
        }

        async fn park(&self, _row: &OutboxRow, _consumer: &str, _reason: &str) -> Result<(), OutboxError> {
            Ok(())
        }

        async fn backlog(&self) -> Result<Backlog, OutboxError> {
            Ok(Backlog::default())
        }

        fn committed(&self) -> watch::Receiver<u64> {
            watch::channel(0).1
        }
    }

    /// How long it takes until a row is read that was committed behind the last one, after answers like these.
    async fn late_row_found_after(answers: &[(Duration, bool)]) -> Duration {
        let outbox = Arc::new(Slow::default());
        outbox.rows.lock().unwrap().push(2);
        outbox.answers.lock().unwrap().extend(answers.iter().rev());
        let mut reader = Reader::new("test", outbox.clone(), 256);
        while reader.page().await.is_empty() {
            reader.more(None).await;
        }
        outbox.rows.lock().unwrap().push(1);
        let since = Instant::now();
        loop {
            reader.more(Some(Instant::now() + POLL)).await;
            if reader.page().await.iter().any(|event| event.row == OutboxRow::Number(1)) {
                return since.elapsed();
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_row_committed_late_is_found_within_seconds_also_after_the_store_was_away() {
        let second = Duration::from_secs(1);
        assert!(late_row_found_after(&[]).await < 2 * second);
        assert!(late_row_found_after(&[(second / 10, false), (9 * second, true)]).await < 3 * second);
        assert!(late_row_found_after(&[(9 * second, true)]).await < 15 * second);
    }
}
