//! Getting events out of a service and into others: at least once, in no certain order.
//!
//! A service writes an event with its state in one transaction and hands its [`Outbox`] to [`Bus::relay`]; whoever
//! wants to know registers a [`Consumer`] with [`Bus::consume`]. Between them is either this process ([`Bus::memory`])
//! or RabbitMQ; neither side can tell.

mod backoff;
mod handing;
mod listener;
mod memory;
mod outbox;
mod rabbit;
mod relay;
mod routing;
pub mod topology;
mod url;

use std::{sync::Arc, time::SystemTime};

use async_trait::async_trait;
use leadline_proto::events::Event;
use leadline_runtime::{revoked::Revocations, stop::Stop};

pub use crate::{
    listener::{Heard, Listener},
    outbox::{Backlog, Outbox, OutboxError, OutboxRow, PendingEvent},
    routing::{matches, routing_key},
    topology::Subscription,
    url::{BusUrl, BusUrlError},
};

/// The most events a [`Consumer`] is handed at once in process, and a relay reads at once there: its store is one that others
/// write to between.
pub const BATCH: usize = 256;
/// The most of both where a broker is between: the larger, the less an event costs.
pub const LARGEST_BATCH: usize = 1_000;
/// How many account events wait for who hears of revocations.
const ACCOUNT_EVENTS: usize = 1024;

/// Where events go and come from. A clone is the same bus.
#[derive(Clone)]
pub struct Bus {
    adapter: Adapter,
}

#[derive(Clone)]
enum Adapter {
    Memory(Arc<memory::Memory>),
    Rabbit(Arc<rabbit::Rabbit>),
}

impl Bus {
    /// A bus within this process.
    #[must_use]
    pub fn memory() -> Self {
        Self { adapter: Adapter::Memory(Arc::default()) }
    }

    /// The bus at `url`. Returns at once: a broker is connected to in the background, for ever if need be, and
    /// [`Bus::health`] tells how that goes. `process` names this process in the broker's list of connections.
    /// Must be called within the async runtime.
    #[must_use]
    pub fn open(url: &BusUrl, process: &str, stop: &Stop) -> Self {
        match url.rabbit() {
            None => Self::memory(),
            Some(rabbit) => Self { adapter: Adapter::Rabbit(rabbit::Rabbit::open(rabbit, process, stop)) },
        }
    }

    /// Registers a durable consumer: every event that matches the subscription reaches it at least once, also what
    /// was written while it was away. Register before [`Bus::start`]. Ends with `stop`, after the batch under way.
    pub fn consume(&self, subscription: Subscription, consumer: Arc<dyn Consumer>, stop: &Stop) {
        match &self.adapter {
            Adapter::Memory(memory) => memory.consume(subscription, consumer, stop),
            Adapter::Rabbit(rabbit) => rabbit.consume(subscription, consumer, stop),
        }
    }

    /// Hears every event from now on that matches one of `keys`, without durability: what happens while the process
    /// is away, or the broker is, is not heard; the listener is then told [`Heard::Missed`]. Keeps the newest
    /// `capacity` events for a slow reader.
    #[must_use]
    pub fn listen(&self, keys: &'static [&'static str], capacity: usize) -> Listener {
        match &self.adapter {
            Adapter::Memory(memory) => memory.listen(keys, capacity),
            Adapter::Rabbit(rabbit) => rabbit.listen(keys, capacity),
        }
    }

    /// Lets every account event that voids tokens reach `revoked` at once, until `stop`. What is missed comes with the list
    /// that [`Revocations::keep_loaded`] loads every few seconds.
    pub fn hear_revocations(&self, revoked: &Revocations, stop: &Stop) {
        let (mut listener, revoked, ended) =
            (self.listen(&["account.#"], ACCOUNT_EVENTS), revoked.clone(), stop.clone());
        stop.spawn(async move {
            loop {
                let heard = tokio::select! {
                    heard = listener.recv() => heard,
                    () = ended.stopping() => return,
                };
                match heard {
                    Some(Heard::Event(event)) => revoked.apply(&event),
                    Some(Heard::Missed) => {}
                    None => return,
                }
            }
        });
    }

    /// Publishes something that may be lost, for listeners: it must have a key that no durable consumer asks for.
    /// Never waits.
    pub fn signal(&self, event: Event) {
        match &self.adapter {
            Adapter::Memory(memory) => memory.signal(event),
            Adapter::Rabbit(rabbit) => rabbit.signal(&event),
        }
    }

    /// Drains an outbox until `stop`, beginning at [`Bus::start`]; the batch under way at `stop` is finished. Several
    /// processes may relay the same outbox. `name` is for logs and metrics.
    pub fn relay(&self, name: &'static str, outbox: Arc<dyn Outbox>, stop: &Stop) {
        match &self.adapter {
            Adapter::Memory(memory) => memory.relay(name, outbox, stop),
            Adapter::Rabbit(rabbit) => rabbit.relay(name, outbox, stop),
        }
    }

    /// Lets the relays begin. Call it once, when every consumer of the program is registered: in process, an event
    /// counts as published when all consumers *that are registered* have handled it.
    pub fn start(&self) {
        match &self.adapter {
            Adapter::Memory(memory) => memory.start(),
            Adapter::Rabbit(rabbit) => rabbit.start(),
        }
    }

    /// Whether events flow. In process they always do.
    #[must_use]
    pub fn health(&self) -> BusHealth {
        match &self.adapter {
            Adapter::Memory(_) => BusHealth::Up,
            Adapter::Rabbit(rabbit) => rabbit.health(),
        }
    }
}

impl std::fmt::Debug for Bus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.adapter {
            Adapter::Memory(_) => "Bus(memory)",
            Adapter::Rabbit(_) => "Bus(RabbitMQ)",
        })
    }
}

/// Whether events flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusHealth {
    /// They do.
    Up,
    /// The broker is out of reach. Writes go on; their events wait in the outbox.
    Down {
        /// Since when.
        since: SystemTime,
        /// What the last try said.
        why: String,
    },
}

/// Who does something about events.
#[async_trait]
pub trait Consumer: Send + Sync + 'static {
    /// Handles a batch: 1 to [`LARGEST_BATCH`] events, in no certain order, repeats possible (also of events long handled,
    /// also within the batch). Commits effect and mark in one transaction. One batch at a time is handed; a panic,
    /// or more than a minute, counts as [`HandleError::Transient`].
    ///
    /// # Errors
    /// Nothing of the batch counts as handled then.
    async fn handle(&self, events: &[Arc<Event>]) -> Result<(), HandleError>;
}

/// Why a batch was not handled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandleError {
    /// One event can never be handled: it is parked, and the others are handed again at once.
    #[error("event {event_id} cannot be handled: {reason}")]
    Poison {
        /// Which one of the batch.
        event_id: String,
        /// Why; goes into the log: no personal data.
        reason: String,
    },
    /// It may work later: the same batch again, for ever, with back-off. An event that keeps failing alone while
    /// others succeed is parked after twenty tries.
    #[error("{0}")]
    Transient(String),
}

impl HandleError {
    /// [`HandleError::Transient`] of what went wrong, for `map_err`.
    #[must_use]
    #[allow(clippy::needless_pass_by_value, reason = "fits map_err")]
    pub fn transient(error: impl std::fmt::Display) -> Self {
        Self::Transient(error.to_string())
    }

    /// [`HandleError::Poison`] of this event.
    #[must_use]
    pub fn poison(event: &Event, reason: impl Into<String>) -> Self {
        Self::Poison { event_id: event.id.clone(), reason: reason.into() }
    }
}
