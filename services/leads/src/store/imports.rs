//! Where imports are kept: the port that calls and worker speak to. Behind it is the store of leads itself, as a batch of rows
//! and its place in the file are one transaction.

pub(super) mod stored;

use async_trait::async_trait;
use leadline_runtime::{caller::Scope, ids::UserId, time::Millis};
use uuid::Uuid;

use super::{Keyed, Reply, StoreError, Told};
use crate::{
    filter::Page,
    import::{FailedRow, Import, ImportId, PreviewRow, State, batch::Rows},
    lead::{By, LeadId},
};

/// The right to carry an import on. It ends with its time: whatever its holder writes then is not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Where.
    pub scope: Scope,
    /// The import.
    pub id: ImportId,
    /// Who has it.
    pub holder: Uuid,
}

/// What came of a step of taking an import back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The import now.
    pub import: Import,
    /// Whether there are more leads.
    pub more: bool,
}

/// What came of asking for an import to be taken back; or why it can't be.
pub type Undo = Result<Reply<Import>, &'static str>;

impl Told for Import {
    fn lead(&self) -> Option<LeadId> {
        None
    }
}

/// Keeps imports and their files. A call with a [`Lease`] gives `None`, and has written nothing, when somebody else has it.
#[async_trait]
pub trait Imports: Send + Sync {
    /// Makes room for a file; false: too many imports of the workspace wait. An upload that began before `since` counts no more.
    async fn begin(&self, scope: Scope, id: ImportId, now: Millis, since: Millis)
    -> Result<bool, StoreError>;

    /// Keeps a piece of a file; false: it took too long, and is no longer waited for.
    async fn keep(&self, scope: Scope, id: ImportId, nth: u32, piece: Vec<u8>) -> Result<bool, StoreError>;

    /// Forgets a file that was never queued.
    async fn forget(&self, scope: Scope, id: ImportId) -> Result<(), StoreError>;

    /// Queues an import whose file is kept.
    async fn queue(
        &self,
        scope: Scope,
        import: Import,
        once: Option<Keyed<Import>>,
    ) -> Result<Reply<Import>, StoreError>;

    /// A piece of a file; `None`: that was the last.
    async fn piece(&self, scope: Scope, id: ImportId, nth: u32) -> Result<Option<Vec<u8>>, StoreError>;

    /// An import, with its preview.
    async fn import(
        &self,
        scope: Scope,
        id: ImportId,
    ) -> Result<Option<(Import, Vec<PreviewRow>)>, StoreError>;

    /// A page of imports, newest first, older than `before`.
    async fn imports(
        &self,
        scope: Scope,
        before: Option<ImportId>,
        limit: usize,
    ) -> Result<Page<Import>, StoreError>;

    /// Rows that could not be taken, in the file's order, behind one of them: as many as first come to so many bytes, or
    /// fewer. None: there are no more.
    async fn failed(
        &self,
        scope: Scope,
        id: ImportId,
        after: Option<u64>,
        bytes: usize,
    ) -> Result<Vec<FailedRow>, StoreError>;

    /// Asks for an import to be taken back; `None`: there is none. The sentence says why it can't be.
    async fn undo(
        &self,
        scope: Scope,
        id: ImportId,
        by: UserId,
        once: Option<Keyed<Import>>,
    ) -> Result<Option<Undo>, StoreError>;

    /// Takes the import that has waited longest, or that whoever had it let go of, in a workspace of which nobody has another. It
    /// counts as an attempt until the import comes further, or is let go of.
    async fn claim(
        &self,
        holder: Uuid,
        now: Millis,
        until: Millis,
    ) -> Result<Option<(Scope, Import)>, StoreError>;

    /// Keeps a lease for longer, and the number of rows, once it is known.
    async fn renew(&self, lease: Lease, total: Option<u64>, until: Millis) -> Result<bool, StoreError>;

    /// Lets go of an import that is not at its end.
    async fn release(&self, lease: Lease) -> Result<(), StoreError>;

    /// Whether the last batch kept others who write waiting, as it may where one writes at a time.
    fn kept_others_waiting(&self) -> bool;

    /// Takes rows in, if the import has come just so far, and keeps the lease for longer.
    async fn take(&self, lease: Lease, rows: Rows, until: Millis) -> Result<Option<Import>, StoreError>;

    /// Takes some leads back, and keeps the lease for longer.
    async fn take_back(
        &self,
        lease: Lease,
        by: By,
        most: usize,
        until: Millis,
    ) -> Result<Option<Step>, StoreError>;

    /// Ends an import.
    async fn finish(
        &self,
        lease: Lease,
        state: State,
        reason: Option<String>,
        at: Millis,
    ) -> Result<Option<Import>, StoreError>;

    /// Takes away uploads that began before a time, and what belongs to imports that ended before another, some of it; whether
    /// there may be more.
    async fn sweep(&self, begun: Millis, ended: Millis, limit: usize) -> Result<bool, StoreError>;
}

/// The most failed rows that are read at once.
pub(super) const MOST_FAILED_READ: usize = 1_000;

/// So many leads whose addresses differ in accents only are looked at, to find the one with a row's own.
pub(super) const MOST_ALIKE: usize = 1_000;

/// Why an import can't be taken back for ever.
pub(super) const TOO_LATE: &str = "an import can be taken back for 7 days only";
