//! What is logged of a lead, and what others are told of it.

use leadline_runtime::{
    caller::Origin,
    id_type,
    ids::{UserId, WorkspaceId},
    time::Millis,
    version::Version,
};

use crate::{
    fields::Reason,
    lead::{Lead, LeadId, NoteId},
    merge::MergeId,
    stage::{Source, Stages, Status},
};

id_type!(ActivityId, "An entry of the log, and the event that tells others of it.");
id_type!(ImportId, "An import of a file.");

/// How much of a note's text the log repeats, in code points.
pub const NOTE_EXCERPT: usize = 200;

/// An entry of the log: one thing that was done to one lead. Entries never change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// Its id. Later ones of one process sort after earlier ones.
    pub id: ActivityId,
    /// The lead.
    pub lead: LeadId,
    /// The lead's name then; empty once it is erased.
    pub lead_name: String,
    /// Who did it; `None`: the clock.
    pub actor: Option<UserId>,
    /// When.
    pub at: Millis,
    /// The version that this write made.
    pub version: Version,
    /// The import that was being taken back.
    pub undoes: Option<ImportId>,
    /// What was done.
    pub what: What,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The lead was made.
    Created {
        /// Its source then.
        source: Source,
        /// Its stage then.
        status: Status,
    },
    /// Fields were edited; in the contract's order of fields.
    Updated(Vec<FieldChange>),
    /// It moved to another stage.
    StatusChanged {
        /// The stage before.
        from: Status,
        /// The stage since.
        to: Status,
        /// Why, if somebody said.
        reason: Option<Reason>,
    },
    /// A note was written.
    NoteAdded {
        /// The note.
        note: NoteId,
        /// Its text, cut at [`NOTE_EXCERPT`].
        text: String,
    },
    /// A note was taken away.
    NoteDeleted {
        /// The note.
        note: NoteId,
    },
    /// It went into the trash, or was erased.
    Deleted {
        /// Erased: it can't come back.
        permanent: bool,
    },
    /// It came back out of the trash.
    Restored,
    /// Other leads were merged into it, or it into another.
    Merged {
        /// Those that went into it.
        from: Vec<LeadId>,
        /// The one that it went into.
        into: Option<LeadId>,
        /// The merge.
        merge: MergeId,
    },
    /// A merge was taken back.
    Unmerged {
        /// Those that had gone into it.
        from: Vec<LeadId>,
        /// The one that it had gone into.
        into: Option<LeadId>,
        /// The merge.
        merge: MergeId,
    },
    /// An import made or changed it.
    Imported {
        /// The import.
        import: ImportId,
        /// Made it, rather than changed it.
        created: bool,
    },
}

impl What {
    /// Which kind it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Created { .. } => Kind::Created,
            Self::Updated(_) => Kind::Updated,
            Self::StatusChanged { .. } => Kind::StatusChanged,
            Self::NoteAdded { .. } => Kind::NoteAdded,
            Self::NoteDeleted { .. } => Kind::NoteDeleted,
            Self::Deleted { .. } => Kind::Deleted,
            Self::Restored => Kind::Restored,
            Self::Merged { .. } => Kind::Merged,
            Self::Unmerged { .. } => Kind::Unmerged,
            Self::Imported { .. } => Kind::Imported,
        }
    }
}

/// Makes the kinds of one list, so that none can be left out of [`Kind::ALL`], by which the log is narrowed.
macro_rules! kinds {
    ($($kind:ident = $name:literal,)*) => {
        /// The kinds of entries.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $(#[doc = concat!("[`What::", stringify!($kind), "`]")] $kind,)*
        }

        impl Kind {
            /// All of them.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$kind),*];

            /// As the REST contract names it; also the routing key of its event.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }
        }
    };
}

kinds! {
    Created = "lead.created",
    Updated = "lead.updated",
    StatusChanged = "lead.status_changed",
    NoteAdded = "lead.note_added",
    NoteDeleted = "lead.note_deleted",
    Deleted = "lead.deleted",
    Restored = "lead.restored",
    Merged = "lead.merged",
    Unmerged = "lead.unmerged",
    Imported = "lead.imported",
}

impl Kind {
    /// The one with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One edited field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldChange {
    /// As the REST contract names it.
    pub field: &'static str,
    /// The value before.
    pub from: FieldValue,
    /// The value after.
    pub to: FieldValue,
}

/// A field's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldValue {
    /// Text, a source, a user's id, or nothing.
    Text(Option<String>),
    /// Tags.
    List(Vec<String>),
}

/// A lead's reportable state after one write: all that figures are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The lead.
    pub lead: LeadId,
    /// The version that it describes.
    pub version: Version,
    /// Its name, for those who show it; empty once it is erased.
    pub name: String,
    /// Its stage.
    pub status: Status,
    /// Its source.
    pub source: Source,
    /// When it was made.
    pub created_at: Millis,
    /// When it entered its present stage.
    pub status_changed_at: Millis,
    /// When it was in which stage.
    pub stages: Stages,
    /// In the trash or erased: counts nowhere.
    pub deleted: bool,
    /// Erased for good.
    pub erased: bool,
    /// The lead that it went into; it is deleted then.
    pub merged_into: Option<LeadId>,
}

impl Snapshot {
    /// That of a lead as it stands.
    #[must_use]
    pub fn of(lead: &Lead) -> Self {
        Self {
            lead: lead.id,
            version: lead.version,
            name: lead.fields.name.as_str().to_owned(),
            status: lead.fields.status,
            source: lead.fields.source,
            created_at: lead.created_at,
            status_changed_at: lead.status_changed_at,
            stages: lead.stages,
            deleted: lead.deleted_at.is_some(),
            erased: false,
            merged_into: None,
        }
    }

    /// That of a lead which is erased: nothing of it that is personal.
    #[must_use]
    pub fn of_erased(lead: &Lead) -> Self {
        Self { name: String::new(), deleted: true, erased: true, ..Self::of(lead) }
    }
}

/// What others are told of one entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeadEvent {
    /// Where.
    pub workspace: WorkspaceId,
    /// The entry.
    pub activity: Activity,
    /// The lead after the whole write.
    pub snapshot: Snapshot,
    /// The request that did it.
    pub origin: Origin,
}

/// Writes an event down as it is stored and published.
pub type Encode = fn(&LeadEvent) -> Vec<u8>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_known_by_their_names() {
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.name()), Some(kind));
        }
        assert_eq!(Kind::parse("lead.exploded"), None);
    }
}
