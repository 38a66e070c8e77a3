//! What a lead is, what can be done to it, and what is logged of that. Nothing here knows how leads are kept or sent.

use std::time::Duration;

use leadline_runtime::{
    caller::Origin,
    id_type,
    ids::{UserId, WorkspaceId, new_uuid, uuid_at},
    time::Millis,
    version::Version,
};
use uuid::Uuid;

use crate::{
    activity::{Activity, FieldChange, FieldValue, ImportId, LeadEvent, NOTE_EXCERPT, Snapshot, What},
    fields::{Fields, NoteText, Patch, Reason, Tags, Unacceptable},
    stage::{Stages, Status},
};

id_type!(LeadId, "A lead.");
id_type!(NoteId, "A note about a lead.");

/// How long a lead stays in the trash before it is erased.
pub const TRASH_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How many notes a lead is shown with.
pub const NOTES_SHOWN: usize = 50;

/// A lead as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lead {
    /// Its id.
    pub id: LeadId,
    /// What people set.
    pub fields: Fields,
    /// Who made it.
    pub created_by: UserId,
    /// When it was made.
    pub created_at: Millis,
    /// When anything of it changed last.
    pub updated_at: Millis,
    /// When it entered its present stage.
    pub status_changed_at: Millis,
    /// When somebody last did something with it.
    pub last_activity_at: Millis,
    /// When its next open reminder is due. Reminders tell; it raises no version.
    pub next_follow_up_at: Option<Millis>,
    /// Raised by exactly one with every write that changes anything.
    pub version: Version,
    /// How many notes there are.
    pub note_count: u32,
    /// When it was put into the trash.
    pub deleted_at: Option<Millis>,
    /// When it was in which stage.
    pub stages: Stages,
    /// Which imports had a hand in it.
    pub imported: Imported,
}

/// Which imports had a hand in a lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Imported {
    /// The one that made it.
    pub made_by: Option<ImportId>,
    /// The one that changed it last.
    pub changed_by: Option<ImportId>,
}

/// What somebody wrote down about a lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Its id.
    pub id: NoteId,
    /// What it says.
    pub text: NoteText,
    /// Who wrote it.
    pub author: UserId,
    /// When.
    pub created_at: Millis,
}

/// A lead to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLead {
    /// Its id.
    pub id: LeadId,
    /// Its fields.
    pub fields: Fields,
    /// Who makes it.
    pub created_by: UserId,
    /// A first note.
    pub note: Option<(NoteId, NoteText)>,
}

/// Who does something, when, and for which request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// Who; `None`: the clock.
    pub actor: Option<UserId>,
    /// When.
    pub at: Millis,
    /// For which request.
    pub origin: Origin,
    /// Told afterwards: the ids of its entries carry `at`, so that the log stays in the order of time.
    pub backdated: bool,
}

impl By {
    /// Somebody, now.
    #[must_use]
    pub fn now(actor: UserId, origin: Origin) -> Self {
        Self { actor: Some(actor), at: Millis::now(), origin, backdated: false }
    }

    /// The clock, now.
    #[must_use]
    pub fn the_clock() -> Self {
        Self { actor: None, at: Millis::now(), origin: Origin::new(), backdated: false }
    }

    fn entry_id(&self, at: Millis, nth: usize) -> Uuid {
        if !self.backdated {
            return new_uuid();
        }
        uuid_at(Millis(at.0.saturating_add(i64::try_from(nth).unwrap_or(0))))
    }
}

/// What can be done to a lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Set fields.
    Edit(Patch),
    /// Move it to a stage.
    Move {
        /// Which.
        to: Status,
        /// Why.
        reason: Option<Reason>,
    },
    /// Write a note.
    AddNote {
        /// Its id.
        id: NoteId,
        /// Its text.
        text: NoteText,
    },
    /// Take a note away.
    DeleteNote {
        /// Which.
        id: NoteId,
        /// Also one that somebody else wrote.
        anybodys: bool,
    },
    /// Put tags behind those that it has.
    AddTags(Tags),
    /// Take tags away.
    RemoveTags(Tags),
    /// Put it into the trash.
    Trash,
    /// Bring it back out of the trash.
    Restore,
    /// Erase it with its notes and its log, in the trash or not.
    Erase,
    /// Erase it if it has been in the trash for [`TRASH_KEPT`].
    Purge,
}

/// Why a command is not carried out. Nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// It is not there, or in the trash (or not in the trash, for a purge), or has been in it for too long.
    #[error("there is no such lead")]
    NoLead,
    /// The note is not there.
    #[error("there is no such note")]
    NoNote,
    /// Somebody else wrote the note.
    #[error(
        "somebody else wrote this note: only its author, an owner or an admin of the workspace may delete it"
    )]
    NotTheAuthor,
    /// The tags would become too many.
    #[error("{0}")]
    Tags(Unacceptable),
    /// It went into another lead.
    #[error("this lead was merged into another: take the merge back with POST /api/v1/leads/{into}/unmerge")]
    Merged {
        /// The one that it went into.
        into: LeadId,
    },
    /// There is no such merge, or none at all.
    #[error("no lead was merged into this one that could still be taken out again")]
    NothingMerged,
    /// The merge lies back for too long.
    #[error("this merge lies more than 30 days back and can't be taken back any more")]
    MergeTooOld,
}

/// A lead after something was done to it, and what is to be stored and told with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The lead now.
    pub lead: Lead,
    /// What becomes of its notes.
    pub note: NoteChange,
    /// One entry for each thing that was done, all with the lead's new version.
    pub log: Vec<Activity>,
    /// It is to be erased, with its notes and its log; only the log's new entry stays.
    pub erased: bool,
}

/// What a change does to the notes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoteChange {
    /// Nothing.
    None,
    /// This one is new.
    Added(Note),
    /// This one goes.
    Deleted(NoteId),
}

impl Change {
    /// What others are to be told: one event an entry, all with the same snapshot.
    #[must_use]
    pub fn events(&self, workspace: WorkspaceId, by: &By) -> Vec<LeadEvent> {
        let snapshot = if self.erased { Snapshot::of_erased(&self.lead) } else { Snapshot::of(&self.lead) };
        let event = |activity: &Activity| LeadEvent {
            workspace,
            activity: activity.clone(),
            snapshot: snapshot.clone(),
            origin: by.origin.clone(),
        };
        self.log.iter().map(event).collect()
    }
}

impl Lead {
    /// Makes a lead, at `by.at`.
    #[must_use]
    pub fn create(new: NewLead, by: &By) -> Change {
        let at = by.at;
        let mut stages = Stages::default();
        stages.enter(new.fields.status, at);
        let created = What::Created { source: new.fields.source, status: new.fields.status };
        let lead = Self {
            id: new.id,
            fields: new.fields,
            created_by: new.created_by,
            created_at: at,
            updated_at: at,
            status_changed_at: at,
            last_activity_at: at,
            next_follow_up_at: None,
            version: Version::FIRST,
            note_count: u32::from(new.note.is_some()),
            deleted_at: None,
            stages,
            imported: Imported::default(),
        };
        let mut did = vec![created];
        let mut note = NoteChange::None;
        if let Some((id, text)) = new.note {
            did.push(What::NoteAdded { note: id, text: text.cut(NOTE_EXCERPT) });
            note = NoteChange::Added(Note { id, text, author: new.created_by, created_at: at });
        }
        let log = lead.log(did, by);
        Change { lead, note, log, erased: false }
    }

    /// What a command does to this lead; `None` if it changes nothing. `note_author` is who wrote the note that a
    /// [`Command::DeleteNote`] names, if the lead has it.
    ///
    /// # Errors
    /// [`Denied`] if the rules forbid it.
    pub fn decide(
        &self,
        command: &Command,
        note_author: Option<UserId>,
        by: &By,
    ) -> Result<Option<Change>, Denied> {
        // Clocks of two machines differ; a lead's own times never go back.
        let at = by.at.max(self.updated_at);
        if self.deleted_at.is_some() && !matches!(command, Command::Restore | Command::Erase | Command::Purge)
        {
            return Err(Denied::NoLead);
        }
        let mut lead = self.clone();
        let mut note = NoteChange::None;
        let mut erased = false;
        let mut did = Vec::new();
        match command {
            Command::Edit(patch) => {
                let changes = lead.edit(patch);
                if !changes.is_empty() {
                    did.push(What::Updated(changes));
                }
                if let Some(to) = patch.status {
                    did.extend(lead.enter(to, None, at));
                }
            }
            Command::Move { to, reason } => did.extend(lead.enter(*to, reason.clone(), at)),
            Command::AddTags(tags) => {
                let tags = lead.fields.tags.with(tags).map_err(Denied::Tags)?;
                did.extend(lead.retag(tags));
            }
            Command::RemoveTags(tags) => {
                let tags = lead.fields.tags.without(tags);
                did.extend(lead.retag(tags));
            }
            Command::AddNote { id, text } => {
                lead.note_count = lead.note_count.saturating_add(1);
                did.push(What::NoteAdded { note: *id, text: text.cut(NOTE_EXCERPT) });
                // The clock writes no notes.
                let author = by.actor.unwrap_or(lead.created_by);
                note = NoteChange::Added(Note { id: *id, text: text.clone(), author, created_at: at });
            }
            Command::DeleteNote { id, anybodys } => {
                let author = note_author.ok_or(Denied::NoNote)?;
                if !anybodys && by.actor != Some(author) {
                    return Err(Denied::NotTheAuthor);
                }
                lead.note_count = lead.note_count.saturating_sub(1);
                did.push(What::NoteDeleted { note: *id });
                note = NoteChange::Deleted(*id);
            }
            Command::Trash => {
                lead.deleted_at = Some(at);
                did.push(What::Deleted { permanent: false });
            }
            Command::Restore => match self.deleted_at {
                Some(since) if since.after(TRASH_KEPT) <= by.at => return Err(Denied::NoLead),
                Some(_) => {
                    lead.deleted_at = None;
                    did.push(What::Restored);
                }
                None => {}
            },
            Command::Purge if self.deleted_at.is_none_or(|since| since.after(TRASH_KEPT) > by.at) => {
                return Err(Denied::NoLead);
            }
            Command::Erase | Command::Purge => {
                erased = true;
                did.push(What::Deleted { permanent: true });
            }
        }
        if did.is_empty() {
            return Ok(None);
        }
        lead.version = lead.version.next();
        lead.updated_at = at;
        lead.last_activity_at = at;
        let mut log = lead.log(did, by);
        if erased {
            log.iter_mut().for_each(|entry| entry.lead_name.clear());
        }
        Ok(Some(Change { lead, note, log, erased }))
    }

    /// Sets fields, all but the stage, and says what changed.
    fn edit(&mut self, patch: &Patch) -> Vec<FieldChange> {
        fn set<T: PartialEq + Clone>(
            changes: &mut Vec<FieldChange>,
            field: &'static str,
            value: &mut T,
            new: Option<&T>,
            show: impl Fn(&T) -> FieldValue,
        ) {
            if let Some(new) = new
                && new != value
            {
                changes.push(FieldChange { field, from: show(value), to: show(new) });
                *value = new.clone();
            }
        }
        let text = |text: Option<&str>| FieldValue::Text(text.map(str::to_owned));
        let fields = &mut self.fields;
        let mut changes = Vec::new();
        set(&mut changes, "name", &mut fields.name, patch.name.as_ref(), |v| text(Some(v.as_str())));
        set(&mut changes, "email", &mut fields.email, patch.email.as_ref(), |v| {
            text(v.as_ref().map(|v| v.as_str()))
        });
        set(&mut changes, "phone", &mut fields.phone, patch.phone.as_ref(), |v| {
            text(v.as_ref().map(|v| v.as_str()))
        });
        set(&mut changes, "company", &mut fields.company, patch.company.as_ref(), |v| {
            text(v.as_ref().map(|v| v.as_str()))
        });
        set(&mut changes, "source", &mut fields.source, patch.source.as_ref(), |v| text(Some(v.name())));
        set(&mut changes, "tags", &mut fields.tags, patch.tags.as_ref(), |v| FieldValue::List(v.to_texts()));
        set(&mut changes, "ownerId", &mut fields.owner, patch.owner.as_ref(), |v| {
            FieldValue::Text(v.map(|owner| owner.to_string()))
        });
        changes
    }

    fn enter(&mut self, to: Status, reason: Option<Reason>, at: Millis) -> Option<What> {
        let from = self.fields.status;
        if from == to {
            return None;
        }
        self.fields.status = to;
        self.status_changed_at = at;
        self.stages.enter(to, at);
        Some(What::StatusChanged { from, to, reason })
    }

    fn retag(&mut self, tags: Tags) -> Option<What> {
        let changes = self.edit(&Patch { tags: Some(tags), ..Patch::default() });
        (!changes.is_empty()).then_some(What::Updated(changes))
    }

    /// The one entry of a write that did one thing.
    pub(crate) fn entry(&self, what: What, by: &By) -> Activity {
        Activity {
            id: by.entry_id(self.updated_at, 0).into(),
            lead: self.id,
            lead_name: self.fields.name.as_str().to_owned(),
            actor: by.actor,
            at: self.updated_at,
            version: self.version,
            undoes: None,
            what,
        }
    }

    /// The entries of one write.
    fn log(&self, did: Vec<What>, by: &By) -> Vec<Activity> {
        let at = self.updated_at;
        let entry = |(nth, what)| Activity {
            id: by.entry_id(at, nth).into(),
            lead: self.id,
            lead_name: self.fields.name.as_str().to_owned(),
            actor: by.actor,
            at,
            version: self.version,
            undoes: None,
            what,
        };
        did.into_iter().enumerate().map(entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        fields::{Company, Email, Name, Phone},
        stage::Source,
    };

    fn by(at: i64) -> By {
        By { actor: Some(UserId::new()), at: Millis(at), origin: Origin::default(), backdated: false }
    }

    fn fields() -> Fields {
        Fields {
            name: Name::parse("Zoë").unwrap(),
            email: None,
            phone: None,
            company: None,
            source: Source::Other,
            status: Status::New,
            tags: Tags::default(),
            owner: None,
        }
    }

    fn lead() -> Lead {
        let new = NewLead { id: LeadId::new(), fields: fields(), created_by: UserId::new(), note: None };
        Lead::create(new, &by(1_000)).lead
    }

    #[test]
    fn a_first_note_is_a_second_thing_done_by_the_same_write() {
        let note = Some((NoteId::new(), NoteText::parse(&"n".repeat(300)).unwrap()));
        let new = NewLead { id: LeadId::new(), fields: fields(), created_by: UserId::new(), note };
        let change = Lead::create(new, &by(5));
        assert_eq!((change.lead.version, change.lead.note_count), (Version(1), 1));
        let [created, noted] = &change.log[..] else { panic!("{:?}", change.log) };
        assert_eq!(created.what, What::Created { source: Source::Other, status: Status::New });
        assert!(matches!(&noted.what, What::NoteAdded { text, .. } if text.chars().count() == NOTE_EXCERPT));
        assert_eq!((created.version, noted.version), (Version(1), Version(1)));
    }

    #[test]
    fn a_move_stamps_the_stage_and_keeps_when_it_was_entered_first() {
        let mut lead = lead();
        for (to, at) in [(Status::Converted, 2_000), (Status::Lost, 3_000), (Status::Converted, 4_000)] {
            lead = lead.decide(&Command::Move { to, reason: None }, None, &by(at)).unwrap().unwrap().lead;
        }
        let converted = lead.stages.of(Status::Converted).unwrap();
        assert_eq!((converted.first, converted.last), (Millis(2_000), Millis(4_000)));
        assert_eq!(lead.status_changed_at, Millis(4_000));
        assert_eq!(lead.stages.of(Status::Contacted), None);
    }

    #[test]
    fn what_is_told_of_an_erased_lead_is_nothing_personal() {
        let change = lead().decide(&Command::Erase, None, &by(2_000)).unwrap().unwrap();
        let events = change.events(WorkspaceId::new(), &by(2_000));
        assert_eq!((events.len(), events[0].activity.lead_name.as_str()), (1, ""));
        assert!(
            events[0].snapshot.erased && events[0].snapshot.deleted && events[0].snapshot.name.is_empty()
        );
        assert_eq!(events[0].snapshot.version, Version(2));
    }

    fn command() -> impl Strategy<Value = Command> {
        let name = "[a-c]{1,2}".prop_map(|text| Name::parse(&text).ok());
        let tags = || {
            proptest::collection::vec("[a-dA-D]{1,2}", 1..4).prop_map(|texts| Tags::parse(&texts).unwrap())
        };
        let status = || (1i64..=5).prop_map(|rank| Status::of_rank(rank).unwrap());
        let patch = (
            name,
            proptest::option::of(status()),
            proptest::option::of(tags()),
            any::<bool>(),
            any::<bool>(),
        )
            .prop_map(|(name, status, tags, text, none)| Patch {
                name,
                status,
                tags,
                email: text.then(|| Email::parse("a@b.de").ok()),
                phone: none.then_some(None),
                company: text.then(|| Company::parse("Acme").unwrap()),
                source: none.then_some(Source::Ad),
                owner: none.then_some(None),
            });
        prop_oneof![
            4 => patch.prop_map(Command::Edit),
            2 => status().prop_map(|to| Command::Move { to, reason: None }),
            1 => tags().prop_map(Command::AddTags),
            1 => tags().prop_map(Command::RemoveTags),
            1 => Just(()).prop_map(|()| Command::AddNote { id: NoteId::new(), text: NoteText::parse("n").unwrap() }),
            1 => Just(Command::Trash),
            1 => Just(Command::Restore),
        ]
    }

    proptest! {
        #[test]
        fn a_write_that_changes_something_raises_the_version_by_one_and_one_that_does_not_is_none(
            commands in proptest::collection::vec((command(), 0i64..5_000), 1..30),
        ) {
            let mut lead = lead();
            for (command, at) in commands {
                let decided = lead.decide(&command, None, &by(at));
                let Ok(Some(change)) = decided else { continue };
                let now = &change.lead;
                prop_assert_eq!(now.version, lead.version.next());
                prop_assert!(now.updated_at >= lead.updated_at && now.updated_at == now.last_activity_at);
                prop_assert!(!change.log.is_empty() && change.log.len() <= 2);
                let told = change.events(WorkspaceId::new(), &by(at));
                for event in &told {
                    prop_assert_eq!(event.activity.version, now.version);
                    prop_assert_eq!(&event.snapshot, &told[0].snapshot);
                    prop_assert_eq!(event.snapshot.status, now.fields.status);
                    prop_assert_eq!(event.snapshot.deleted, now.deleted_at.is_some());
                }
                let entered = now.stages.of(now.fields.status).map(|times| times.last);
                prop_assert_eq!(entered, Some(now.status_changed_at));
                prop_assert!(now.stages.iter().all(|(_, times)| times.first <= times.last));
                // What was logged of fields is what is different.
                let same = Lead {
                    version: lead.version,
                    updated_at: lead.updated_at,
                    last_activity_at: lead.last_activity_at,
                    ..now.clone()
                };
                prop_assert_ne!(same, lead);
                lead = change.lead;
            }
        }

        #[test]
        fn a_patch_applied_twice_is_as_once(command in command()) {
            let repeatable = !matches!(command, Command::AddNote { .. } | Command::Trash);
            let lead = lead();
            let once = lead.decide(&command, None, &by(2_000)).unwrap().map_or(lead, |change| change.lead);
            if repeatable {
                prop_assert_eq!(once.decide(&command, None, &by(3_000)).unwrap(), None);
            }
        }
    }

    #[test]
    fn a_cleared_field_is_logged_as_null() {
        let phone = Phone::parse("123").unwrap();
        let set = Command::Edit(Patch { phone: Some(phone), ..Patch::default() });
        let lead = lead().decide(&set, None, &by(2_000)).unwrap().unwrap().lead;
        let clear = Command::Edit(Patch { phone: Some(None), ..Patch::default() });
        let change = lead.decide(&clear, None, &by(3_000)).unwrap().unwrap();
        let expected = FieldChange {
            field: "phone",
            from: FieldValue::Text(Some("123".to_owned())),
            to: FieldValue::Text(None),
        };
        assert_eq!(change.log[0].what, What::Updated(vec![expected]));
    }
}
