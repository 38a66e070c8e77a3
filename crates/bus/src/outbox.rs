//! What a store offers so that its events get out.

use std::sync::Arc;

use async_trait::async_trait;
use leadline_proto::events::Event;
use prost::Message;
use tokio::sync::watch;

use crate::routing::routing_key;

/// Whatever went wrong in the store.
pub type OutboxError = Box<dyn std::error::Error + Send + Sync>;

/// Names a row of an outbox, the way its store does. Only the store that made it reads it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutboxRow {
    /// A row id.
    Number(i64),
    /// A text key.
    Text(Arc<str>),
}

impl OutboxRow {
    /// The number, if the store named it so.
    #[must_use]
    pub fn number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(_) => None,
        }
    }

    /// The text, if the store named it so.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Number(_) => None,
            Self::Text(text) => Some(text),
        }
    }
}

impl From<i64> for OutboxRow {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<String> for OutboxRow {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<&str> for OutboxRow {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

/// An event that waits to be published, as it was stored.
#[derive(Debug, Clone)]
pub struct PendingEvent {
    /// Its row.
    pub row: OutboxRow,
    /// Its routing key, as [`routing_key`] gave it when the event was written.
    pub key: String,
    /// The encoded event. Kept as written, so that an older relay loses nothing of a newer event.
    pub bytes: Vec<u8>,
}

impl PendingEvent {
    /// A stored row with key and bytes.
    #[must_use]
    pub fn new(row: impl Into<OutboxRow>, key: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self { row: row.into(), key: key.into(), bytes }
    }

    /// For a store that makes the event from the row.
    #[must_use]
    pub fn of(row: impl Into<OutboxRow>, event: &Event) -> Self {
        Self::new(row, routing_key(event), event.encode_to_vec())
    }
}

/// How much waits in an outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// How many rows are not yet published.
    pub depth: u64,
    /// When the oldest of them was written, in milliseconds since the epoch.
    pub oldest_at_ms: Option<i64>,
}

/// The events that a store keeps with its state until they are published.
#[async_trait]
pub trait Outbox: Send + Sync + 'static {
    /// The first rows not yet published, at most `limit`, in the order of rows: commit order where the store has
    /// one, else any lasting order that time roughly follows (UUIDv7). With `after`, only rows that come after that
    /// one (which may be published by now). The relay begins from the start again every second or so: a row
    /// committed late behind `after` is found then.
    ///
    /// # Errors
    /// Asked again later, for ever.
    async fn pending(
        &self,
        after: Option<&OutboxRow>,
        limit: usize,
    ) -> Result<Vec<PendingEvent>, OutboxError>;

    /// Marks rows as published (or deletes them), in one go. Unknown and marked rows are passed over.
    ///
    /// # Errors
    /// Asked again later; the rows may be published twice then.
    async fn mark_published(&self, rows: &[OutboxRow]) -> Result<(), OutboxError>;

    /// Keeps, for a human, that `consumer` can't handle this row: a copy of the event with the reason, once for each
    /// row and consumer. Does not mark the row.
    ///
    /// # Errors
    /// Asked again later, for ever.
    async fn park(&self, row: &OutboxRow, consumer: &str, reason: &str) -> Result<(), OutboxError>;

    /// How much waits. Asked every few seconds, for metrics.
    ///
    /// # Errors
    /// The figure is left as it was.
    async fn backlog(&self) -> Result<Backlog, OutboxError>;

    /// Changes after every commit that wrote an event.
    fn committed(&self) -> watch::Receiver<u64>;
}
