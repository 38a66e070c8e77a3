//! Where leads, notes and the log are kept: the port that the service speaks to, and the choice of an adapter.
//!
//! Every call takes a [`Scope`]: rows of another workspace are as if they were not there.

#[cfg(test)]
mod contract;
pub mod imports;
mod mongo;
mod plan;
mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;
use leadline_bus::Outbox;
use leadline_runtime::{
    caller::Scope,
    ids::WorkspaceId,
    once::Once,
    stop::Stop,
    time::Millis,
    version::{Precondition, Version},
};
use leadline_storage::{StorageError, StoreUrl};

use crate::{
    activity::{ActivityId, Encode, Kind, LeadEvent},
    filter::{Filter, Page, Query},
    lead::{By, Command, Denied, Lead, LeadId, NewLead, Note, NoteId},
    likeness::Likeness,
    merge::MergeId,
};

/// Opens the store at an address and brings its schema up to date. Waits for MongoDB until `stop`.
///
/// # Errors
/// One line for the person who starts the program.
pub async fn open(url: &StoreUrl, encode: Encode, stop: &Stop) -> Result<Arc<dyn Store>, StorageError> {
    Ok(match url {
        StoreUrl::Sqlite(path) => Arc::new(sqlite::SqliteStore::open(path.clone(), encode).await?),
        StoreUrl::Mongo(uri) => Arc::new(mongo::MongoStore::open(uri.reveal(), encode, stop).await?),
    })
}

/// Why a call was not carried out. Nothing was written, unless a [`StorageError`] says that nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The rules of leads forbid it.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The lead has another version than those that may be changed.
    #[error("the lead has version {}", present.0)]
    VersionMismatch {
        /// The version that it has.
        present: Version,
    },
    /// Leads that are to go into another are not there, or are that one.
    #[error("{} leads can't be merged", .0.len())]
    Unmergeable(Vec<LeadId>),
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// What was answered for the idempotency key told of a lead that is erased since.
    #[error("what was answered for the idempotency key is erased")]
    AnswerErased,
    /// The store itself.
    #[error(transparent)]
    Storage(StorageError),
}

impl From<StorageError> for StoreError {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl From<leadline_storage::rusqlite::Error> for StoreError {
    fn from(error: leadline_storage::rusqlite::Error) -> Self {
        Self::Storage(error.into())
    }
}

impl From<leadline_storage::mongodb::error::Error> for StoreError {
    fn from(error: leadline_storage::mongodb::error::Error) -> Self {
        Self::Storage(error.into())
    }
}

/// What a write gave back, and so what is kept as the answer to an idempotency key.
pub trait Told {
    /// The lead of which it tells more than an id.
    fn lead(&self) -> Option<LeadId>;
}

impl Told for Written {
    fn lead(&self) -> Option<LeadId> {
        Some(self.lead.id)
    }
}

impl Told for Bulk {
    fn lead(&self) -> Option<LeadId> {
        None
    }
}

/// Encodes what a write gave back.
pub type Answer<T> = Arc<dyn Fn(&T) -> Vec<u8> + Send + Sync>;

/// An idempotency key, and how the answer that is kept with it is made.
#[derive(Clone)]
pub struct Keyed<T> {
    /// The key.
    pub once: Once,
    /// Encodes the answer.
    pub answer: Answer<T>,
}

/// What a write with an idempotency key gives back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply<T> {
    /// It was done now.
    Fresh(T),
    /// It was done before; this was answered then.
    Replayed(Vec<u8>),
}

/// A lead after a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The lead now.
    pub lead: Lead,
    /// Its newest notes, newest first; left out after [`Command::AddNote`], a deletion and an erasure.
    pub notes: Vec<Note>,
    /// The note that was written.
    pub note: Option<Note>,
    /// Whether anything changed.
    pub changed: bool,
}

/// What became of a change to many leads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bulk {
    /// How many were found.
    pub matched: u64,
    /// How many are different now.
    pub changed: u64,
    /// Those that could not be changed, with why.
    pub failed: Vec<(LeadId, Denied)>,
}

/// A part of a change to many leads: one transaction.
#[derive(Clone)]
pub struct BulkPart {
    /// At most 1,000, each once.
    pub ids: Vec<LeadId>,
    /// Only those of them that (still) match; others count nowhere.
    pub only: Option<Filter>,
    /// What is done to each.
    pub command: Command,
    /// Who does it.
    pub by: By,
    /// The key that is stored with it.
    pub once: Option<Keyed<Bulk>>,
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

/// Leads that are to become one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergePart {
    /// The lead that the others go into.
    pub into: LeadId,
    /// The merge.
    pub id: MergeId,
    /// The others, each once.
    pub from: Vec<LeadId>,
    /// The versions that may be changed.
    pub condition: Precondition,
    /// Who does it.
    pub by: By,
}

/// A merge that is to be taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnmergePart {
    /// The lead that the others went into.
    pub into: LeadId,
    /// The merge; `None`: the newest.
    pub id: Option<MergeId>,
    /// The versions that may be changed.
    pub condition: Precondition,
    /// Who does it.
    pub by: By,
}

/// An entry of the log as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// Its id.
    pub id: ActivityId,
    /// The event, as [`Encode`] wrote it.
    pub event: Vec<u8>,
}

/// A question for a page of the log, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogQuery {
    /// Of this lead; `None`: of the workspace.
    pub lead: Option<LeadId>,
    /// Only these kinds, each once; empty: all.
    pub kinds: Vec<Kind>,
    /// Of a lead that is in the trash, erased or unknown too, as the log has it.
    pub gone: bool,
    /// Older than this one.
    pub before: Option<ActivityId>,
    /// At most so many.
    pub limit: usize,
}

/// A lead's next follow-up, as reminders told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextFollowUp {
    /// Where.
    pub scope: Scope,
    /// The lead.
    pub lead: LeadId,
    /// When the next reminder is due; `None`: there is none.
    pub at: Option<Millis>,
    /// The highest one is the truth.
    pub revision: u64,
}

/// A lead with all that was done to it, told afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The lead as it stands after all of it.
    pub lead: Lead,
    /// Its notes.
    pub notes: Vec<Note>,
    /// Its log, oldest first.
    pub events: Vec<LeadEvent>,
}

/// A place in the walk over all leads of a workspace: that of the lead seen last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalkMark {
    /// In the trash.
    pub trashed: bool,
    /// When it was made.
    pub created_at: Millis,
    /// The lead.
    pub id: LeadId,
}

impl WalkMark {
    /// The place of a lead.
    #[must_use]
    pub fn of(lead: &Lead) -> Self {
        Self { trashed: lead.deleted_at.is_some(), created_at: lead.created_at, id: lead.id }
    }
}

/// Keeps leads. Every write and the events that tell of it are stored in one transaction, or neither is.
#[async_trait]
pub trait Store: Send + Sync {
    /// Makes a lead.
    async fn create(
        &self,
        scope: Scope,
        new: NewLead,
        by: By,
        once: Option<Keyed<Written>>,
    ) -> Result<Reply<Written>, StoreError>;

    /// Does something to a lead, by the rules of [`Lead::decide`], on its newest version.
    async fn change(
        &self,
        scope: Scope,
        id: LeadId,
        command: Command,
        condition: Precondition,
        by: By,
        once: Option<Keyed<Written>>,
    ) -> Result<Reply<Written>, StoreError>;

    /// Merges leads into one, all in one transaction: [`StoreError::Unmergeable`] names all that are not there, in the trash, or
    /// the lead itself.
    async fn merge(
        &self,
        scope: Scope,
        part: MergePart,
        once: Option<Keyed<Written>>,
    ) -> Result<Reply<Written>, StoreError>;

    /// Takes a merge back, the newest of the lead unless one is named, all in one transaction.
    async fn unmerge(
        &self,
        scope: Scope,
        part: UnmergePart,
        once: Option<Keyed<Written>>,
    ) -> Result<Reply<Written>, StoreError>;

    /// Does the same to many leads, in one transaction; the ids that are not there fail with [`Denied::NoLead`].
    async fn change_many(&self, scope: Scope, part: BulkPart) -> Result<Reply<Bulk>, StoreError>;

    /// What was answered for a key within [`KEPT`](leadline_runtime::once::KEPT) before `now`, if it is known: [`StoreError::AnswerErased`] if that
    /// told of a lead that is erased since.
    async fn answered(&self, once: &Once, now: Millis) -> Result<Option<Vec<u8>>, StoreError>;

    /// The leads that a filter means, in no certain order, at most so many.
    async fn matching(&self, scope: Scope, filter: Filter, most: usize) -> Result<Vec<LeadId>, StoreError>;

    /// A lead with its newest notes, newest first; one in the trash too.
    async fn lead(&self, scope: Scope, id: LeadId) -> Result<Option<(Lead, Vec<Note>)>, StoreError>;

    /// A page of leads.
    async fn leads(&self, scope: Scope, query: Query) -> Result<Page<Lead>, StoreError>;

    /// The newest notes of each of some leads, newest first, in the order of the leads; none for a lead that is not there. With
    /// each lead, about how many notes it has.
    async fn newest_notes(
        &self,
        scope: Scope,
        leads: Vec<(LeadId, u32)>,
    ) -> Result<Vec<(LeadId, Vec<Note>)>, StoreError>;

    /// Leads, none of them in the trash, that may be the same as one: all that [`Likeness::judge`] would choose, and perhaps more.
    async fn alike(&self, scope: Scope, likeness: Likeness) -> Result<Vec<Lead>, StoreError>;

    /// Notes of a lead that is not in the trash, newest first, older than `before`; `None`: there is no such lead.
    async fn notes(
        &self,
        scope: Scope,
        lead: LeadId,
        before: Option<NoteId>,
        limit: usize,
    ) -> Result<Option<Page<Note>>, StoreError>;

    /// A page of the log; `None`: there is no such lead, or it is in the trash, and [`LogQuery::gone`] was not asked for.
    async fn log(&self, scope: Scope, query: LogQuery) -> Result<Option<Page<Logged>>, StoreError>;

    /// The log behind an entry, oldest first, at most so many. What may have been committed late before the entry comes
    /// first, beyond `limit`.
    async fn log_after(
        &self,
        scope: Scope,
        after: ActivityId,
        limit: usize,
    ) -> Result<Vec<Logged>, StoreError>;

    /// The first workspace after this one, in the order of ids.
    async fn next_workspace(&self, after: Option<WorkspaceId>) -> Result<Option<WorkspaceId>, StoreError>;

    /// All leads of a workspace, those in the trash too, behind a place, at most so many.
    async fn walk(
        &self,
        scope: Scope,
        after: Option<WalkMark>,
        limit: usize,
    ) -> Result<Vec<Lead>, StoreError>;

    /// Takes in what reminders told: of each lead the highest revision stays. Unknown leads are passed over.
    async fn set_follow_ups(&self, follow_ups: Vec<NextFollowUp>) -> Result<(), StoreError>;

    /// Leads of any workspace that have been in the trash since before a time, at most so many.
    async fn trashed_before(&self, before: Millis, limit: usize) -> Result<Vec<(Scope, LeadId)>, StoreError>;

    /// Forgets idempotency keys from before a time, at most so many; how many they were.
    async fn forget_keys(&self, before: Millis, limit: usize) -> Result<u64, StoreError>;

    /// Makes merges from before a time final, at most so many; how many they were.
    async fn forget_merges(&self, before: Millis, limit: usize) -> Result<u64, StoreError>;

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

    /// Stores leads with all that was done to them, in one transaction.
    async fn insert(&self, scope: Scope, histories: Vec<History>) -> Result<(), StoreError>;

    /// Imports, which are kept in the same transactions.
    fn imports(&self) -> Arc<dyn imports::Imports>;

    /// The events that are to be published.
    fn outbox(&self) -> Arc<dyn Outbox>;

    /// Whether the store answers.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Finishes what is under way and closes.
    async fn close(&self);
}
