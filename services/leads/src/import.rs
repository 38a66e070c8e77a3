//! Imports: a file of leads that is taken in behind the scenes, in batches, and can be taken back.
//!
//! [`table`] reads files, [`header`] knows which column is which field, [`row`] makes fields of cells, [`batch`] decides what
//! becomes of rows. [`worker`] does the work: each batch is one transaction with its place in the file, so that a crash loses
//! nothing and doubles nothing.

pub mod batch;
mod charset;
mod csv;
pub mod header;
pub mod message;
mod parts;
pub mod people;
pub mod row;
pub mod spool;
pub mod table;
pub mod undo;
mod workbook;
pub mod worker;

use std::time::Duration;

use leadline_runtime::{caller::Origin, ids::UserId, time::Millis, zone::Zone};

pub use self::people::{Named, People};
pub use crate::activity::ImportId;
use crate::{
    lead::{By, LeadId},
    stage::Stages,
};

/// The largest file, in bytes.
pub const LARGEST_FILE: u64 = 100 * 1024 * 1024;
/// The largest piece of a file, in bytes.
pub const LARGEST_PIECE: usize = 1024 * 1024;
/// The most imports of a workspace that are not at their end.
pub const MOST_WAITING: u64 = 10;
/// The most rows of a file.
pub const MOST_ROWS: u64 = 2_000_000;
/// The most columns of a row.
pub const MOST_COLUMNS: usize = 200;
/// The longest cell, in code points, unless it holds notes.
pub const LONGEST_CELL: usize = 100_000;
/// The longest cell of notes, in code points: an export writes 50 of 10,000, with their headings.
pub const LONGEST_NOTES: usize = 600_000;
/// The longest name of a column, in code points.
pub const LONGEST_HEADER: usize = 200;
/// The most bytes of rows that are kept because they could not be taken.
pub const LARGEST_FAILED: usize = 200 * 1024 * 1024;
/// The most rows that are kept because they could not be taken.
pub const MOST_FAILED: u64 = 100_000;
/// The most rows of one transaction.
pub const LARGEST_BATCH: usize = 2_000;
/// So many rows are in a preview.
pub const PREVIEWED: usize = 20;
/// A cell of a preview is cut at so many code points.
pub const PREVIEWED_CELL: usize = 200;
/// The longest name of a file that is kept, in code points.
pub const LONGEST_FILE_NAME: usize = 255;
/// How long a file, what it takes to undo it, and its failed rows are kept after the end.
pub const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// An upload that has not ended after so long has broken off. Longer than the hour that the gateway gives a whole upload.
pub const UPLOAD_TIME: Duration = Duration::from_secs(90 * 60);
/// An import that ended its worker so often without coming further is given up.
pub const MOST_ATTEMPTS: u32 = 5;

/// How an import stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// It waits.
    Queued,
    /// It is under way.
    Running,
    /// Every row was looked at.
    Done,
    /// It could not go on.
    Failed,
    /// It is being taken back.
    Undoing,
    /// It was taken back.
    Undone,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Queued, Self::Running, Self::Done, Self::Failed, Self::Undoing, Self::Undone];

    /// The number that stores keep: 1 to 6.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Queued => 1,
            Self::Running => 2,
            Self::Done => 3,
            Self::Failed => 4,
            Self::Undoing => 5,
            Self::Undone => 6,
        }
    }

    /// The one with this number.
    #[must_use]
    pub fn of_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|state| i64::from(state.code()) == code)
    }

    /// Whether a worker has still something to do.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Queued | Self::Running | Self::Undoing)
    }
}

/// What is done with a row whose lead is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnDuplicate {
    /// The row is passed over.
    Skip,
    /// The lead takes the row's values.
    Update,
    /// A new lead is made.
    Create,
}

/// A column of the file, and what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// As the file calls it.
    pub header: String,
    /// Its field; `None`: it is passed over.
    pub field: Option<header::Field>,
}

/// What is to be done, and with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// The file's name, for show.
    pub file_name: String,
    /// What is done with duplicates.
    pub on_duplicate: OnDuplicate,
    /// Tell what would happen, and do nothing.
    pub dry_run: bool,
    /// The zone of times that have none.
    pub zone: Zone,
    /// The file's columns.
    pub columns: Vec<Column>,
    /// Whom the file may name.
    pub people: People,
    /// The request that started it.
    pub origin: Origin,
}

/// What became of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Leads that were made.
    pub created: u64,
    /// Leads that were changed.
    pub updated: u64,
    /// Rows that were passed over.
    pub skipped: u64,
    /// Rows that could not be taken.
    pub failed: u64,
}

impl Counts {
    /// How many rows were looked at: the place in the file.
    #[must_use]
    pub fn rows(self) -> u64 {
        self.created + self.updated + self.skipped + self.failed
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            created: self.created + other.created,
            updated: self.updated + other.updated,
            skipped: self.skipped + other.skipped,
            failed: self.failed + other.failed,
        }
    }
}

/// An import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Its id.
    pub id: ImportId,
    /// What is to be done.
    pub task: Task,
    /// How it stands.
    pub state: State,
    /// How far it has come.
    pub counts: Counts,
    /// How many rows the file has, once that is known.
    pub total: Option<u64>,
    /// Who started it.
    pub created_by: UserId,
    /// When.
    pub created_at: Millis,
    /// When it ended.
    pub finished_at: Option<Millis>,
    /// Why it failed.
    pub reason: Option<String>,
    /// How many leads an undo has taken back.
    pub taken_back: u64,
    /// How many it could not.
    pub kept: u64,
    /// Who takes it back.
    pub undone_by: Option<UserId>,
    /// The size of its file, in bytes; `None`: it was queued before that was kept.
    pub size: Option<u64>,
    /// How often it was claimed since it came further.
    pub attempts: u32,
}

impl Import {
    /// A new one, that waits.
    #[must_use]
    pub fn new(id: ImportId, task: Task, created_by: UserId) -> Self {
        Self {
            id,
            task,
            state: State::Queued,
            counts: Counts::default(),
            total: None,
            created_by,
            created_at: Millis::now(),
            finished_at: None,
            reason: None,
            taken_back: 0,
            kept: 0,
            undone_by: None,
            size: None,
            attempts: 0,
        }
    }

    /// In whose name its batches are written, now.
    #[must_use]
    pub fn by(&self) -> By {
        let actor = match self.state {
            State::Undoing => self.undone_by.unwrap_or(self.created_by),
            _ => self.created_by,
        };
        By::now(actor, self.task.origin.clone())
    }

    /// Why it is given up, if it was claimed too often: whoever had it before ended without a word.
    #[must_use]
    pub fn given_up(&self) -> Option<String> {
        let what = match self.state {
            State::Undoing => "taking it back",
            _ => "the import",
        };
        (self.attempts > MOST_ATTEMPTS).then(|| {
            format!(
                "{what} was broken off {MOST_ATTEMPTS} times at the same place: run the file again in smaller parts, or save it \
                 as a plain CSV first"
            )
        })
    }

    /// Asks for it to be taken back.
    ///
    /// # Errors
    /// A sentence that says why it can't be.
    pub fn undo(&self, by: UserId) -> Result<Self, &'static str> {
        if self.task.dry_run {
            return Err("a dry run has changed nothing: there is nothing to take back");
        }
        match self.state {
            State::Done | State::Failed => {
                let (state, undone_by) = (State::Undoing, Some(by));
                Ok(Self { state, finished_at: None, undone_by, attempts: 0, ..self.clone() })
            }
            State::Queued | State::Running => {
                Err("the import is still under way: take it back once it has ended")
            }
            State::Undoing => Err("the import is being taken back already"),
            State::Undone => Err("the import was taken back already"),
        }
    }
}

/// What becomes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A lead is made of it.
    Created,
    /// A lead is changed by it.
    Updated,
    /// It is passed over.
    Skipped,
    /// It can't be taken.
    Failed,
}

impl Outcome {
    /// The number that stores keep: 1 to 4.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Created => 1,
            Self::Updated => 2,
            Self::Skipped => 3,
            Self::Failed => 4,
        }
    }

    /// The one with this number.
    #[must_use]
    pub fn of_code(code: u32) -> Option<Self> {
        [Self::Created, Self::Updated, Self::Skipped, Self::Failed]
            .into_iter()
            .find(|outcome| u32::from(outcome.code()) == code)
    }
}

/// A row of a preview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewRow {
    /// Its line in the file; the header's is 1.
    pub line: u64,
    /// Its cells, cut at [`PREVIEWED_CELL`].
    pub cells: Vec<String>,
    /// What would become of it.
    pub outcome: Outcome,
    /// Why not, or what is the same.
    pub reason: String,
}

/// A row that could not be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedRow {
    /// Its number among the file's rows; the first is 0.
    pub nth: u64,
    /// Its line in the file; the header's is 1.
    pub line: u64,
    /// Its cells as they stand in the file.
    pub cells: Vec<String>,
    /// Every reason.
    pub reason: String,
}

/// What a lead was before an import changed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Former {
    /// Its fields.
    pub fields: crate::fields::Fields,
    /// Where it had been; `None`: the import is from before that was kept.
    pub past: Option<Past>,
}

impl Former {
    /// A lead as it stands.
    #[must_use]
    pub fn of(lead: &crate::lead::Lead) -> Self {
        Self { fields: lead.fields.clone(), past: Some(Past::of(lead)) }
    }
}

/// Where a lead has been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Past {
    /// When it was in which stage.
    pub stages: Stages,
    /// When it entered its stage.
    pub status_changed_at: Millis,
}

impl Past {
    /// That of a lead.
    #[must_use]
    pub fn of(lead: &crate::lead::Lead) -> Self {
        Self { stages: lead.stages, status_changed_at: lead.status_changed_at }
    }
}

impl FailedRow {
    /// The bytes of its texts.
    #[must_use]
    pub fn size(&self) -> usize {
        self.cells.iter().map(String::len).sum::<usize>() + self.reason.len()
    }
}

/// What it takes to take a lead back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// The lead.
    pub lead: LeadId,
    /// The version that it had before the import touched it; 0: it was not there.
    pub before: u64,
    /// The version that the import made.
    pub after: u64,
    /// What it was before; `None`: it was not there.
    pub former: Option<Former>,
    /// The notes that the import has written.
    pub notes: Vec<crate::lead::NoteId>,
}
