//! An outbox in memory, a consumer that keeps count, and events to send.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use leadline_bus::{
    Backlog, Bus, Consumer, HandleError, Outbox, OutboxError, OutboxRow, PendingEvent, Subscription,
};
use leadline_proto::{
    events::{AccountEvent, Event, LeadEvent, ReminderEvent, account_event, event, reminder_event},
    leads::{Activity, activity},
};
use leadline_runtime::stop::Stop;
use leadline_testbed::wait_until;
use tokio::sync::{Semaphore, watch};
use uuid::Uuid;

/// Long, for the slowest machine: whoever waits is woken as soon as it is true.
pub(crate) const SOON: Duration = Duration::from_secs(60);
pub(crate) const STOP: Duration = Duration::from_secs(10);

/// Rows like a store's, as durable as a test needs them: they outlive the bus.
#[derive(Debug)]
pub(crate) struct MemoryOutbox {
    rows: Mutex<BTreeMap<i64, PendingEvent>>,
    written: AtomicUsize,
    parked: Mutex<Vec<(OutboxRow, String, String)>>,
    committed: watch::Sender<u64>,
    /// Refuses to mark.
    pub(crate) marks_fail: AtomicBool,
}

impl MemoryOutbox {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            rows: Mutex::default(),
            written: AtomicUsize::new(0),
            parked: Mutex::default(),
            committed: watch::Sender::new(0),
            marks_fail: AtomicBool::new(false),
        })
    }

    /// Commits events, in one go.
    pub(crate) fn write(&self, events: &[Event]) {
        for event in events {
            let row = i64::try_from(self.written.fetch_add(1, Ordering::SeqCst)).expect("a small number") + 1;
            self.rows.lock().unwrap().insert(row, PendingEvent::of(row, event));
        }
        self.committed.send_modify(|count| *count += 1);
    }

    /// Commits a row that holds no event.
    pub(crate) fn write_garbage(&self, key: &str) {
        let row = i64::try_from(self.written.fetch_add(1, Ordering::SeqCst)).expect("a small number") + 1;
        self.rows.lock().unwrap().insert(row, PendingEvent::new(row, key, vec![0xff; 8]));
        self.committed.send_modify(|count| *count += 1);
    }

    pub(crate) fn depth(&self) -> usize {
        self.rows.lock().unwrap().len()
    }

    pub(crate) fn parked(&self) -> Vec<(OutboxRow, String, String)> {
        self.parked.lock().unwrap().clone()
    }

    pub(crate) async fn drained(&self) -> anyhow::Result<()> {
        wait_until(SOON, "the outbox is empty", async || self.depth() == 0).await
    }
}

#[async_trait]
impl Outbox for MemoryOutbox {
    async fn pending(
        &self,
        after: Option<&OutboxRow>,
        limit: usize,
    ) -> Result<Vec<PendingEvent>, OutboxError> {
        let after = after.and_then(OutboxRow::number).map_or(Bound::Unbounded, Bound::Excluded);
        let rows = self.rows.lock().unwrap();
        Ok(rows.range((after, Bound::Unbounded)).take(limit).map(|(_, pending)| pending.clone()).collect())
    }

    async fn mark_published(&self, rows: &[OutboxRow]) -> Result<(), OutboxError> {
        if self.marks_fail.load(Ordering::SeqCst) {
            return Err("no marks today".into());
        }
        let mut kept = self.rows.lock().unwrap();
        for row in rows.iter().filter_map(OutboxRow::number) {
            kept.remove(&row);
        }
        Ok(())
    }

    async fn park(&self, row: &OutboxRow, consumer: &str, reason: &str) -> Result<(), OutboxError> {
        let mut parked = self.parked.lock().unwrap();
        if !parked.iter().any(|(known, by, _)| known == row && by == consumer) {
            parked.push((row.clone(), consumer.to_owned(), reason.to_owned()));
        }
        Ok(())
    }

    async fn backlog(&self) -> Result<Backlog, OutboxError> {
        Ok(Backlog { depth: self.depth() as u64, oldest_at_ms: None })
    }

    fn committed(&self) -> watch::Receiver<u64> {
        self.committed.subscribe()
    }
}

/// Counts how often it handled each event, and behaves as it is told.
#[derive(Debug)]
pub(crate) struct Counter {
    handled: Mutex<HashMap<String, usize>>,
    pub(crate) largest: AtomicUsize,
    pub(crate) calls: AtomicUsize,
    /// Every call fails.
    pub(crate) down: AtomicBool,
    /// Every call takes a permit first and gives it back.
    pub(crate) permits: Semaphore,
    /// Events it names as poison.
    pub(crate) poison: Mutex<Vec<String>>,
}

impl Counter {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            handled: Mutex::default(),
            largest: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
            down: AtomicBool::new(false),
            permits: Semaphore::new(1),
            poison: Mutex::default(),
        })
    }

    pub(crate) fn times(&self, id: &str) -> usize {
        self.handled.lock().unwrap().get(id).copied().unwrap_or_default()
    }

    /// How many different events it has handled.
    pub(crate) fn distinct(&self) -> usize {
        self.handled.lock().unwrap().len()
    }

    /// How often it handled events.
    pub(crate) fn total(&self) -> usize {
        self.handled.lock().unwrap().values().sum()
    }

    pub(crate) async fn has(&self, events: &[Event]) -> anyhow::Result<()> {
        wait_until(SOON, "all events are handled", async || {
            let handled = self.handled.lock().unwrap();
            events.iter().all(|event| handled.contains_key(&event.id))
        })
        .await
    }
}

#[async_trait]
impl Consumer for Counter {
    async fn handle(&self, events: &[Arc<Event>]) -> Result<(), HandleError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.largest.fetch_max(events.len(), Ordering::SeqCst);
        let _permit = self.permits.acquire().await.map_err(HandleError::transient)?;
        if self.down.load(Ordering::SeqCst) {
            return Err(HandleError::Transient("down".to_owned()));
        }
        let poison = self.poison.lock().unwrap().clone();
        if let Some(event) = events.iter().find(|event| poison.contains(&event.id)) {
            return Err(HandleError::poison(event, "it is poison"));
        }
        let mut handled = self.handled.lock().unwrap();
        for event in events {
            *handled.entry(event.id.clone()).or_default() += 1;
        }
        Ok(())
    }
}

pub(crate) const ALL_LEADS: Subscription = Subscription { name: "counter", keys: &["lead.#"] };

/// A bus in process with one outbox, started.
pub(crate) fn started(
    consumers: &[(Subscription, &Arc<Counter>)],
    outbox: &Arc<MemoryOutbox>,
    stop: &Stop,
) -> Bus {
    let bus = Bus::memory();
    for (subscription, consumer) in consumers {
        bus.consume(*subscription, (*consumer).clone(), stop);
    }
    bus.relay("leads", outbox.clone(), stop);
    bus.start();
    bus
}

fn event(body: event::Body) -> Event {
    Event {
        id: Uuid::now_v7().to_string(),
        workspace_id: "a-workspace".to_owned(),
        at_ms: 1_790_000_000_000,
        request_id: "a-request".to_owned(),
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
        body: Some(body),
        ..Event::default()
    }
}

pub(crate) fn lead_event() -> Event {
    let what = Some(activity::What::Created(activity::Created::default()));
    let activity = Some(Activity { lead_name: "Ada Lovelace".to_owned(), what, ..Activity::default() });
    event(event::Body::Lead(LeadEvent { activity, snapshot: None }))
}

pub(crate) fn lead_events(count: usize) -> Vec<Event> {
    (0..count).map(|_| lead_event()).collect()
}

pub(crate) fn due_event() -> Event {
    let kind = reminder_event::Kind::Due.into();
    event(event::Body::Reminder(ReminderEvent { kind, ..ReminderEvent::default() }))
}

pub(crate) fn session_ended() -> Event {
    let what = Some(account_event::What::SessionEnded(account_event::SessionEnded::default()));
    event(event::Body::Account(AccountEvent { what }))
}
