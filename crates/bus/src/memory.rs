//! The bus within one process: the outbox is read and handed to the consumers.
//!
//! Each consumer reads each outbox at its own pace, so that a slow or failing one holds up nobody. A row is marked
//! as published when all of them have handled it, and one reader more that tells the listeners.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use leadline_failpoints::{Moment, reached};
use leadline_proto::events::Event;
use leadline_runtime::stop::Stop;
use prost::Message;
use tokio::{sync::Notify, time::Instant};
use tokio_util::task::TaskTracker;

use crate::{
    BATCH, Consumer,
    backoff::Backoff,
    handing::{Hands, Verdict},
    listener::{Audience, Inbox, Listener},
    outbox::{Outbox, OutboxRow, PendingEvent},
    relay::{Gate, Reader, measure},
    routing::{any_matches, routing_key},
    topology::Subscription,
};

/// Marks are gathered for so long: each costs a commit.
const GATHER: Duration = Duration::from_millis(20);
/// Marked rows are remembered for longer than it takes to read a page.
const REMEMBER: Duration = Duration::from_secs(2);
/// So many rows wait for a slow consumer while others are ahead of it; then those wait, too. What is ahead is remembered.
const MOST_AHEAD: usize = 50_000;
/// The reader that tells the listeners.
const AUDIENCE: u64 = 1;

/// An in-process bus.
#[derive(Default)]
pub(crate) struct Memory {
    registry: Mutex<Registry>,
    audience: Arc<Audience>,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Registry {
    consumers: Vec<Arc<Reading>>,
    feeds: Vec<Arc<Feed>>,
}

/// Who reads outboxes: a consumer.
struct Reading {
    /// Its bit in the progress of a row; a consumer of the same name that comes later goes on with it.
    bit: u64,
    subscription: Subscription,
    hands: tokio::sync::Mutex<Hands>,
    stop: Stop,
}

/// An outbox that is relayed.
struct Feed {
    name: &'static str,
    outbox: Arc<dyn Outbox>,
    stop: Stop,
    progress: Mutex<Progress>,
    /// Something is ready to be marked.
    ready: Notify,
    readers: TaskTracker,
}

/// Who has handled which rows. A row leaves when it is marked.
struct Progress {
    /// The bits of all who must have handled a row.
    needed: u64,
    handled: HashMap<OutboxRow, u64>,
    ready: Vec<OutboxRow>,
    /// Rows marked lately, and those before: a page that was read before the mark still shows them.
    marked: [HashSet<OutboxRow>; 2],
    marked_since: Instant,
}

impl Progress {
    fn new() -> Self {
        Self {
            needed: AUDIENCE,
            handled: HashMap::new(),
            ready: Vec::new(),
            marked: Default::default(),
            marked_since: Instant::now(),
        }
    }

    fn is_handled(&self, row: &OutboxRow, bit: u64) -> bool {
        self.handled.get(row).is_some_and(|bits| bits & bit != 0)
            || self.marked.iter().any(|rows| rows.contains(row))
    }

    fn marked(&mut self, rows: &[OutboxRow]) {
        if self.marked_since.elapsed() > REMEMBER {
            self.marked.swap(0, 1);
            self.marked[0].clear();
            self.marked_since = Instant::now();
        }
        for row in rows {
            self.handled.remove(row);
            self.marked[0].insert(row.clone());
        }
    }
}

impl Memory {
    pub(crate) fn consume(&self, subscription: Subscription, consumer: Arc<dyn Consumer>, stop: &Stop) {
        let mut registry = self.registry();
        let known = registry.consumers.iter().position(|known| known.subscription.name == subscription.name);
        let reading = Arc::new(Reading {
            bit: AUDIENCE << (1 + known.unwrap_or(registry.consumers.len())),
            subscription,
            hands: tokio::sync::Mutex::new(Hands::new(subscription.name, consumer, BATCH)),
            stop: stop.clone(),
        });
        match known {
            Some(at) => registry.consumers[at] = reading.clone(),
            None => registry.consumers.push(reading.clone()),
        }
        for feed in &registry.feeds {
            self.join(feed, &reading);
        }
    }

    pub(crate) fn relay(&self, name: &'static str, outbox: Arc<dyn Outbox>, stop: &Stop) {
        let feed = Arc::new(Feed {
            name,
            outbox: outbox.clone(),
            stop: stop.clone(),
            progress: Mutex::new(Progress::new()),
            ready: Notify::new(),
            readers: TaskTracker::new(),
        });
        let mut registry = self.registry();
        registry.feeds.retain(|feed| !feed.stop.is_stopping());
        for reading in &registry.consumers {
            self.join(&feed, reading);
        }
        let (gate, audience, told) = (self.gate.clone(), self.audience.clone(), feed.clone());
        stop.spawn(feed.readers.track_future(async move {
            if gate.passed(told.name, &told.stop).await {
                told.tell(&audience).await;
            }
        }));
        stop.spawn(mark(feed.clone()));
        stop.spawn(measure(name, outbox, stop.clone()));
        registry.feeds.push(feed);
    }

    fn join(&self, feed: &Arc<Feed>, reading: &Arc<Reading>) {
        feed.progress().needed |= reading.bit;
        let (gate, feed, reading) = (self.gate.clone(), feed.clone(), reading.clone());
        let readers = feed.readers.clone();
        reading.stop.clone().spawn(readers.track_future(async move {
            if gate.passed(feed.name, &feed.stop).await {
                feed.hand(&reading).await;
            }
        }));
    }

    pub(crate) fn start(&self) {
        self.gate.open();
    }

    pub(crate) fn listen(&self, keys: &'static [&'static str], capacity: usize) -> Listener {
        let inbox = Inbox::new(keys, capacity);
        self.audience.add(&inbox);
        Listener::new(inbox)
    }

    pub(crate) fn signal(&self, event: Event) {
        self.audience.tell(routing_key(&event), &Arc::new(event));
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An event on its way to a consumer.
struct Held {
    row: OutboxRow,
    event: Arc<Event>,
}

impl Feed {
    /// Hands everything to one consumer, until either is told to stop.
    async fn hand(&self, reading: &Reading) {
        let mut reader = Reader::new(self.name, self.outbox.clone(), BATCH);
        let mut held: Vec<Held> = Vec::new();
        let mut held_until: Option<Instant> = None;
        while !self.stop.is_stopping() && !reading.stop.is_stopping() {
            let mut batch = Vec::new();
            if held_until.is_some_and(|until| until <= Instant::now()) {
                batch.append(&mut held);
            }
            // What is held is handed alone sooner or later; meanwhile there is room for others, but not endlessly.
            if held.len() < BATCH {
                let page = self.unhandled(reader.page().await, reading.bit, &held);
                let (wanted, others): (Vec<_>, Vec<_>) = page
                    .into_iter()
                    .partition(|pending| any_matches(reading.subscription.keys, &pending.key));
                self.handled(reading.bit, others.into_iter().map(|pending| pending.row));
                for pending in wanted {
                    match Event::decode(pending.bytes.as_slice()) {
                        Ok(event) => batch.push(Held { row: pending.row, event: Arc::new(event) }),
                        Err(error) => {
                            tracing::error!(outbox = self.name, row = ?pending.row, %error, "an event cannot be read and is parked");
                            let reason = format!("cannot be read: {error}");
                            self.park(&pending.row, reading, &reason).await;
                        }
                    }
                }
            }
            if batch.is_empty() {
                let full = held.len() >= BATCH;
                let until = if held.is_empty() { None } else { held_until };
                tokio::select! {
                    () = self.stop.stopping() => break,
                    () = reading.stop.stopping() => break,
                    () = reader.more(until), if !full => continue,
                    () = tokio::time::sleep_until(until.unwrap_or_else(Instant::now)), if full => continue,
                }
            }
            let events: Vec<Arc<Event>> = batch.iter().map(|held| held.event.clone()).collect();
            let round = reading.hands.lock().await.hand(&events).await;
            let mut done = Vec::new();
            let again_before = held.len();
            for (item, verdict) in batch.into_iter().zip(round.verdicts) {
                match verdict {
                    Verdict::Done => done.push(item.row),
                    Verdict::Again => held.push(item),
                    Verdict::Park(reason) => self.park(&item.row, reading, &reason).await,
                }
            }
            self.handled(reading.bit, done);
            if held.len() > again_before {
                held_until = Some(Instant::now() + round.pause);
            }
            if round.stuck {
                tokio::select! {
                    () = self.stop.stopping() => break,
                    () = reading.stop.stopping() => break,
                    () = tokio::time::sleep(round.pause) => {}
                }
            }
        }
    }

    /// Tells the listeners of everything.
    async fn tell(&self, audience: &Audience) {
        let mut reader = Reader::new(self.name, self.outbox.clone(), BATCH);
        while !self.stop.is_stopping() {
            let page = self.unhandled(reader.page().await, AUDIENCE, &[]);
            for pending in &page {
                if !audience.wants(&pending.key) {
                    continue;
                }
                match Event::decode(pending.bytes.as_slice()) {
                    Ok(event) => audience.tell(&pending.key, &Arc::new(event)),
                    Err(error) => {
                        tracing::error!(outbox = self.name, row = ?pending.row, %error, "an event cannot be read");
                    }
                }
            }
            self.handled(AUDIENCE, page.into_iter().map(|pending| pending.row));
            tokio::select! {
                () = self.stop.stopping() => break,
                () = reader.more(None) => {}
            }
        }
    }

    /// Those rows of a page that this reader has yet to handle. If somebody is too far behind, only rows that another
    /// reader has handled already: those who are ahead wait, and who is behind comes after.
    fn unhandled(&self, mut page: Vec<PendingEvent>, bit: u64, held: &[Held]) -> Vec<PendingEvent> {
        let progress = self.progress();
        let full = progress.handled.len() >= MOST_AHEAD;
        page.retain(|pending| {
            (!full || progress.handled.contains_key(&pending.row))
                && !progress.is_handled(&pending.row, bit)
                && !held.iter().any(|held| held.row == pending.row)
        });
        page
    }

    fn handled(&self, bit: u64, rows: impl IntoIterator<Item = OutboxRow>) {
        let mut progress = self.progress();
        let Progress { needed, handled, ready, .. } = &mut *progress;
        for row in rows {
            let bits = handled.entry(row.clone()).or_default();
            let before = *bits;
            *bits |= bit;
            if *bits & *needed == *needed && before != *bits {
                ready.push(row);
            }
        }
        if !ready.is_empty() {
            self.ready.notify_one();
        }
    }

    /// Keeps what a consumer can't handle; then the consumer counts as done with it.
    async fn park(&self, row: &OutboxRow, reading: &Reading, reason: &str) {
        let mut backoff = Backoff::new();
        while let Err(error) = self.outbox.park(row, reading.subscription.name, reason).await {
            tracing::warn!(outbox = self.name, %error, "an event cannot be parked; trying again");
            if !self.stop.sleep(backoff.next()).await {
                // It is still pending: the next start hands it again.
                return;
            }
        }
        self.handled(reading.bit, [row.clone()]);
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Marks what all have handled, until `stop` and all readers of the feed have ended.
async fn mark(feed: Arc<Feed>) {
    let published = metrics::counter!("leadline_events_published_total", "outbox" => feed.name);
    let mut backoff = Backoff::new();
    let mut failing = false;
    let mut last = false;
    loop {
        if !last {
            tokio::select! {
                () = feed.stop.stopping() => {
                    feed.readers.close();
                    feed.readers.wait().await;
                    last = true;
                }
                () = feed.ready.notified() => {
                    feed.stop.sleep(GATHER).await;
                }
            }
        }
        let rows = std::mem::take(&mut feed.progress().ready);
        let mut rows = rows.as_slice();
        while let Some(part) = rows.get(..BATCH.min(rows.len())).filter(|part| !part.is_empty()) {
            let marked = async {
                reached(Moment::Published, feed.name).await?;
                feed.outbox.mark_published(part).await
            };
            match marked.await {
                Ok(()) => {
                    rows = &rows[part.len()..];
                    published.increment(part.len() as u64);
                    feed.progress().marked(part);
                    backoff.reset();
                    if std::mem::take(&mut failing) {
                        tracing::info!(outbox = feed.name, "events are marked as published again");
                    }
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(outbox = feed.name, %error, "events cannot be marked as published; trying again");
                    }
                    if last || !feed.stop.sleep(backoff.next()).await {
                        // They are handed again at the next start.
                        break;
                    }
                }
            }
        }
        if last {
            return;
        }
    }
}
