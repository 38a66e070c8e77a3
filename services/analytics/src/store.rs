//! The port to the counters and the rows behind them.
//!
//! A workspace's figures are kept in *generations*: numbered sets of rows (one a lead: the newest snapshot seen) and pages
//! (counters). One generation is live and answers every question. While a rebuild is under way there is a second one that is
//! being built; events go to both. Whatever changes a workspace begins by taking hold of the workspace's own row, so changes to one
//! workspace follow each other, whichever replica makes them.

#[cfg(test)]
mod contract;
mod mongo;
mod sqlite;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use leadline_runtime::{caller::Scope, ids::WorkspaceId, time::Millis};
use leadline_storage::{StorageError, StoreUrl};

use crate::{
    counts::{Need, Tally},
    day::{Change, Delta, Page, Slot, Unreadable},
    lead::Snapshot,
};

/// A rebuild that has not gone on for so long is dead: its generation is thrown away.
pub const ABANDONED: Duration = Duration::from_secs(10 * 60);
/// Rows that one step of tidying up, or of finishing a rebuild, takes at once.
pub const STEP: usize = 1000;

/// Why the store did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another rebuild of the workspace has begun since, or this one was given up.
    #[error(
        "another rebuild of the workspace has taken over, or this one stood still for too long: start it again"
    )]
    Superseded,
    /// The workspace is erased.
    #[error("the workspace is erased")]
    Erased,
    /// The database.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<leadline_storage::rusqlite::Error> for StoreError {
    fn from(error: leadline_storage::rusqlite::Error) -> Self {
        StorageError::from(error).into()
    }
}

impl From<leadline_storage::mongodb::error::Error> for StoreError {
    fn from(error: leadline_storage::mongodb::error::Error) -> Self {
        StorageError::from(error).into()
    }
}

impl From<Unreadable> for StoreError {
    fn from(error: Unreadable) -> Self {
        StorageError::Internal(error.to_string()).into()
    }
}

/// What became of some snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    /// Whether any figure can be another one now.
    pub changed: bool,
    /// The time of the newest event that is counted in the workspace.
    pub as_of: Millis,
}

/// A generation that is being built, until it is finished, given up or superseded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Building {
    /// Whose figures it will be.
    pub scope: Scope,
    /// Its number.
    pub generation: i64,
}

/// Keeps rows and counters. Every call sees one workspace only, but for those of background tasks.
#[async_trait]
pub trait Store: Send + Sync {
    /// Takes in snapshots that events brought, of which the newest happened at `at`: those that are newer than what is known
    /// replace it, and the difference goes to the counters, in one transaction. Snapshots in any order, repeated, and long
    /// known ones change nothing, nor does anything of an erased workspace. A lead must not occur twice in `snapshots` (see [`crate::lead::newest`]).
    async fn apply(&self, scope: Scope, snapshots: Vec<Snapshot>, at: Millis) -> Result<Applied, StoreError>;

    /// Reads all that figures need, from one snapshot of the live generation.
    async fn read(&self, scope: Scope, need: Need) -> Result<Tally, StoreError>;

    /// Begins a rebuild: from its return on, every event goes to the new generation too. A rebuild of the same workspace that
    /// was under way is superseded.
    ///
    /// # Errors
    /// [`StoreError::Erased`].
    async fn begin(&self, scope: Scope) -> Result<Building, StoreError>;

    /// Takes snapshots of the leads service into a new generation, as [`Store::apply`] would, but gives the difference back
    /// instead of counting it: many batches touch the same days, and are counted together by [`Store::count`].
    ///
    /// # Errors
    /// [`StoreError::Superseded`]. After any other error the rebuild must be given up: it is not known what was taken in.
    async fn load(&self, building: Building, snapshots: Vec<Snapshot>) -> Result<Delta, StoreError>;

    /// Adds what [`Store::load`] gave to the counters of a new generation, in one transaction.
    ///
    /// # Errors
    /// As [`Store::load`].
    async fn count(&self, building: Building, changes: BTreeMap<Slot, Change>) -> Result<(), StoreError>;

    /// Ends a rebuild: leads of the live generation that the new one does not know are entered there as deleted, so that a
    /// late event does not bring them back; then the new generation goes live at once, and the old one is to be swept.
    /// Gives the number of leads that count.
    ///
    /// # Errors
    /// [`StoreError::Superseded`].
    async fn finish(&self, building: Building) -> Result<u64, StoreError>;

    /// Gives a rebuild up; its generation is to be swept. Does nothing if it was superseded.
    async fn give_up(&self, building: Building) -> Result<(), StoreError>;

    /// Marks a workspace as erased, for ever, and leaves all that is kept of it to be swept; a rebuild of it is superseded.
    async fn erase(&self, scope: Scope, at: Millis) -> Result<(), StoreError>;

    /// Takes away a bounded number of rows of generations that nobody needs, of any workspace, and gives up rebuilds that did
    /// not go on since `abandoned_before`. True: there is more to do. Safe beside other replicas.
    async fn sweep(&self, abandoned_before: Millis) -> Result<bool, StoreError>;

    /// The workspaces that have figures, erased ones left out, in the order of their ids, after `after`, at most [`STEP`]. For rebuilds and checks.
    async fn workspaces(&self, after: Option<WorkspaceId>) -> Result<Vec<WorkspaceId>, StoreError>;

    /// Counts the rows of the live generation anew and compares: gives the slots whose counters are not what the rows say.
    /// Reads everything, from one snapshot; may take minutes.
    async fn verify(&self, scope: Scope) -> Result<Vec<Slot>, StoreError>;

    /// Whether the store can be used now.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Finishes what is under way and closes.
    async fn close(&self);
}

/// Opens and migrates a store. Waits for MongoDB until `stopping` resolves.
///
/// # Errors
/// One line that says what is wrong and what to do.
pub async fn open(
    url: &StoreUrl,
    stopping: impl Future<Output = ()> + Send,
) -> Result<Arc<dyn Store>, StorageError> {
    Ok(match url {
        StoreUrl::Sqlite(path) => Arc::new(sqlite::SqliteStore::open(path)?),
        StoreUrl::Mongo(uri) => Arc::new(mongo::MongoStore::open(uri.reveal(), stopping).await?),
    })
}

/// The slots in which stored pages differ from a recount.
fn differences(recount: Delta, mut stored: BTreeMap<Slot, Page>) -> Vec<Slot> {
    let mut wrong = Vec::new();
    for (slot, change) in recount.into_changes() {
        if stored.remove(&slot).unwrap_or_default() != Page::default().plus(&change) {
            wrong.push(slot);
        }
    }
    wrong.extend(stored.into_iter().filter(|(_, page)| !page.is_empty()).map(|(slot, _)| slot));
    wrong.sort_unstable();
    wrong
}
