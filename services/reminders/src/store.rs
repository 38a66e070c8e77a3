//! What the service needs of a store. Every write and its event are one transaction.

#[cfg(test)]
mod contract;
mod mongo;
mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;
use leadline_bus::Outbox;
use leadline_runtime::{
    caller::Scope, ids::UserId, once::Once, refusal::Refusal, stop::Stop, time::Millis, version::Precondition,
};
use leadline_storage::{StorageError, StoreUrl};

use crate::{
    event::Due,
    reminder::{By, Change, KnownLead, LeadId, Reminder, ReminderId},
};

/// Counting of a list stops here.
pub const COUNTED: u64 = 10_000;

/// Why a store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No such reminder in the scope, or one of a deleted lead.
    #[error("no such reminder")]
    NotFound,
    /// The lead is gone.
    #[error("no such lead")]
    NoLead,
    /// A condition or an idempotency key says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store itself.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        StorageError::from(error).into()
    }
}

impl From<mongodb::error::Error> for StoreError {
    fn from(error: mongodb::error::Error) -> Self {
        StorageError::from(error).into()
    }
}

/// What is left of an erased workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erasing {
    /// Some went, and there may be more.
    More,
    /// Nothing but what waits to be published.
    Waiting,
    /// Nothing.
    Gone,
}

/// A reminder with its lead's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The reminder.
    pub reminder: Reminder,
    /// Its lead's name now.
    pub lead_name: String,
}

/// The answer to a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It was carried out now, or nothing was to be changed.
    Fresh(Named),
    /// It was carried out before under the same idempotency key: the encoded answer of then.
    Replayed(Vec<u8>),
}

/// Where a page ended: the last row's place in the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// When that reminder is due.
    pub due_at: Millis,
    /// Which it is.
    pub id: ReminderId,
}

/// Which reminders to list, oldest due first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// Due at or after this.
    pub due_from: Option<Millis>,
    /// Due before this.
    pub due_to: Option<Millis>,
    /// Still to be done (true), or done (false).
    pub pending: Option<bool>,
    /// Of this lead.
    pub lead: Option<LeadId>,
    /// This person's.
    pub assignee: Option<UserId>,
    /// After this place.
    pub after: Option<Position>,
    /// At most so many.
    pub limit: usize,
}

/// A page of reminders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// In order.
    pub items: Vec<Named>,
    /// How many match in all, counted to [`COUNTED`].
    pub total: u64,
    /// False: there are more than `total`.
    pub exact: bool,
    /// Whether rows follow the last one.
    pub more: bool,
}

/// Keeps reminders, and what is to be told about them.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Keeps a new reminder. `lead` is what the leads service said of its lead a moment ago.
    async fn create(
        &self,
        scope: Scope,
        reminder: Reminder,
        lead: KnownLead,
        by: By,
        once: Option<Once>,
    ) -> Result<Answer, StoreError>;

    /// Changes one. A change of nothing raises no version and tells nobody.
    async fn change(
        &self,
        scope: Scope,
        id: ReminderId,
        condition: Precondition,
        change: Change,
        by: By,
        once: Option<Once>,
    ) -> Result<Answer, StoreError>;

    /// Takes one away.
    async fn delete(
        &self,
        scope: Scope,
        id: ReminderId,
        condition: Precondition,
        by: By,
    ) -> Result<(), StoreError>;

    /// The answer that was given under a key. Writes look for it too; asked before the rest of the request is looked at, it
    /// is found even if the request could not be carried out any more. It is remembered for [`KEPT`](leadline_runtime::once::KEPT), and refused with
    /// [`Refusal::Gone`] once the lead is erased.
    async fn answered(&self, once: &Once, now: Millis) -> Result<Option<Answer>, StoreError>;

    /// One of them; `None` also for one whose lead is deleted.
    async fn get(&self, scope: Scope, id: ReminderId) -> Result<Option<Named>, StoreError>;

    /// A page of them.
    async fn list(&self, scope: Scope, query: Query) -> Result<Page, StoreError>;

    /// What fell due after an event, oldest first; on a store without commit order a few are repeated rather than missed.
    async fn due_after(
        &self,
        scope: Scope,
        event_id: uuid::Uuid,
        limit: usize,
    ) -> Result<Vec<Due>, StoreError>;

    /// Takes in what the leads service told. News of erased workspaces are passed over. Old news is passed over; the same again changes nothing.
    async fn learn(&self, news: Vec<(Scope, KnownLead)>) -> Result<(), StoreError>;

    /// Tells of up to `limit` reminders that have fallen due, each once, whatever number of replicas ask. Gives how many.
    /// Works across workspaces, as only the clock does.
    async fn fire(&self, now: Millis, limit: usize) -> Result<usize, StoreError>;

    /// Puts reminders of the past into one workspace, told as if they had just been made.
    async fn backfill(
        &self,
        scope: Scope,
        items: Vec<(Reminder, KnownLead)>,
        by: By,
    ) -> Result<(), StoreError>;

    /// Marks a workspace as erased, for ever; a second time changes nothing.
    async fn mark_erased(&self, scope: Scope, at: Millis) -> Result<(), StoreError>;

    /// Erased workspaces of which rows may be left, those that were marked first, and since when; at most 100.
    async fn to_erase(&self) -> Result<Vec<(Scope, Millis)>, StoreError>;

    /// Takes about so many rows of a workspace away, whatever they are.
    async fn erase_some(&self, scope: Scope, limit: usize) -> Result<Erasing, StoreError>;

    /// No rows of an erased workspace need be looked for any more.
    async fn done_erasing(&self, scope: Scope) -> Result<(), StoreError>;

    /// Sees to it that what was deleted is not in the store's own log any more either, soon.
    async fn empty_log(&self);

    /// Forgets idempotency keys and published events that are past their time.
    async fn sweep(&self, now: Millis) -> Result<(), StoreError>;

    /// Whether it answers.
    async fn ping(&self) -> Result<(), StorageError>;

    /// Ends it.
    async fn close(&self);

    /// What is to be published.
    fn outbox(self: Arc<Self>) -> Arc<dyn Outbox>;
}

/// Opens the store that a URL names, and brings it up to date.
///
/// # Errors
/// What is wrong with it, in a line.
pub async fn open(url: &StoreUrl, stop: &Stop) -> Result<Arc<dyn Store>, StorageError> {
    Ok(match url {
        StoreUrl::Sqlite(path) => Arc::new(sqlite::SqliteStore::open(path)?),
        StoreUrl::Mongo(uri) => Arc::new(mongo::MongoStore::open(uri.reveal(), stop).await?),
    })
}
