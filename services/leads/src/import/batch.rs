//! What becomes of the rows of a batch. A store looks up who is there already, and writes what comes out, in one transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use leadline_runtime::{caller::Scope, time::Millis, version::Version};

use super::{
    Counts, FailedRow, Former, Import, LARGEST_FAILED, MOST_FAILED, OnDuplicate, Outcome, PREVIEWED,
    PREVIEWED_CELL, PreviewRow, Trace,
    row::{Draft, NO_NAME, Row},
};
use crate::{
    activity::{Activity, ActivityId, LeadEvent, Snapshot, What},
    fields::{Fields, Patch},
    lead::{By, Change, Command, Lead, LeadId, NewLead, Note, NoteId},
    likeness::{LEAST_DIGITS, address, email_keys},
    search::digits,
    stage::{Source, Stages, Status},
};

/// Rows that follow each other in the file, of an import as it stands before them.
#[derive(Debug, Clone)]
pub struct Rows {
    /// The import.
    pub import: Import,
    /// At most [`LARGEST_BATCH`](super::LARGEST_BATCH), behind those that were looked at.
    pub rows: Vec<Row>,
    /// Who takes them in, and when.
    pub by: By,
    /// How much may be kept of those that can't be taken.
    pub room: Room,
}

/// How much may still be kept of rows that can't be taken. What has no room is counted, and no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// So many rows.
    pub rows: u64,
    /// So many bytes of them.
    pub bytes: usize,
}

impl Room {
    /// That of an import whose kept rows have so many bytes.
    #[must_use]
    pub fn of(import: &Import, bytes: usize) -> Self {
        Self {
            rows: MOST_FAILED.saturating_sub(import.counts.failed),
            bytes: LARGEST_FAILED.saturating_sub(bytes),
        }
    }

    /// Takes the place of a row, if there is one.
    fn takes(&mut self, row: &FailedRow) -> bool {
        let fits = self.rows > 0 && row.size() <= self.bytes;
        if fits {
            self.rows -= 1;
            self.bytes -= row.size();
        }
        fits
    }
}

/// By what leads are the same: as stores keep it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Keys {
    /// Addresses, normalised; under each, as they are [the same](address).
    pub emails: BTreeMap<String, BTreeSet<String>>,
    /// The digits of phones, at least [`LEAST_DIGITS`], each once.
    pub digits: Vec<String>,
}

/// A lead that is there, with its newest notes if a row has any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The lead.
    pub lead: Lead,
    /// Its notes.
    pub notes: Vec<Note>,
}

/// What is to be written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// Leads that are new.
    pub inserts: Vec<(Lead, Vec<Note>)>,
    /// Leads that change: before, after, and new notes.
    pub updates: Vec<(Lead, Lead, Vec<Note>)>,
    /// What is told, in order.
    pub events: Vec<LeadEvent>,
    /// What became of the rows.
    pub counts: Counts,
    /// Those that could not be taken.
    pub failed: Vec<FailedRow>,
    /// What it takes to take the leads back.
    pub traces: Vec<Trace>,
    /// The first rows of the file, of a dry run.
    pub preview: Vec<PreviewRow>,
    /// Keys of leads that a dry run would have made: the rows behind have to know them.
    pub seen: Vec<String>,
}

fn email_key(draft: &Draft) -> Option<String> {
    draft.email.as_ref().map(|email| address(email.as_str()))
}

fn digits_key(draft: &Draft) -> Option<String> {
    draft.phone.as_ref().map(|phone| digits(phone.as_str())).filter(|digits| digits.len() >= LEAST_DIGITS)
}

/// A key in the list of those that a dry run has seen.
fn seen_email(key: &str) -> String {
    format!("e{key}")
}

fn seen_digits(key: &str) -> String {
    format!("d{key}")
}

/// A lead that rows of this batch made, changed, or only found.
struct Slot {
    before: Option<Lead>,
    lead: Lead,
    notes: Vec<Note>,
    added: Vec<Note>,
}

/// By what two leads are the same.
#[derive(Clone, Copy)]
enum Same {
    Email,
    Phone,
}

impl Same {
    fn word(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
        }
    }
}

impl Rows {
    /// By what the rows' leads are to be looked up; nothing if duplicates are wanted.
    #[must_use]
    pub fn keys(&self) -> Keys {
        if self.import.task.on_duplicate == OnDuplicate::Create {
            return Keys::default();
        }
        let drafts = || self.rows.iter().filter_map(|row| row.draft.as_ref().ok());
        let mut keys = Keys { digits: drafts().filter_map(digits_key).collect(), ..Keys::default() };
        for email in drafts().filter_map(|draft| draft.email.as_ref()) {
            let (loose, _) = email_keys(email.as_str());
            if !loose.is_empty() {
                keys.emails.entry(loose).or_default().insert(address(email.as_str()));
            }
        }
        keys.digits.sort_unstable();
        keys.digits.dedup();
        keys
    }

    /// The keys under which a dry run keeps what it has seen.
    #[must_use]
    pub fn seen_keys(&self) -> Vec<String> {
        if !self.import.task.dry_run {
            return Vec::new();
        }
        let keys = self.keys();
        let emails = keys.emails.values().flatten().map(|key| seen_email(key));
        emails.chain(keys.digits.iter().map(|key| seen_digits(key))).collect()
    }

    /// Whether a lead's notes have to be known.
    #[must_use]
    pub fn has_notes(&self) -> bool {
        let noted = |row: &Row| row.draft.as_ref().is_ok_and(|draft| !draft.notes.is_empty());
        self.import.task.on_duplicate == OnDuplicate::Update && self.rows.iter().any(noted)
    }

    /// Decides what becomes of them. `found` are leads with one of the [`keys`](Self::keys), and `seen` those of the
    /// [`seen_keys`](Self::seen_keys) that a dry run has stored.
    #[must_use]
    pub fn decide(&self, scope: Scope, found: Vec<Found>, seen: &HashSet<String>) -> Batch {
        let mut pile = Pile {
            rows: self,
            scope,
            slots: Vec::new(),
            by_email: HashMap::new(),
            by_digits: HashMap::new(),
            room: self.room,
            batch: Batch::default(),
        };
        let mut found = found;
        // Of several leads that are the same, the first one is it.
        found.sort_by_key(|found| (found.lead.created_at, found.lead.id));
        found.dedup_by_key(|found| found.lead.id);
        for Found { lead, notes } in found {
            pile.put(Slot { before: Some(lead.clone()), lead, notes, added: Vec::new() });
        }
        for row in &self.rows {
            let (outcome, reason) = match &row.draft {
                Ok(draft) => pile.take(draft, seen),
                Err(reasons) => (Outcome::Failed, reasons.join("; ")),
            };
            pile.count(row, outcome, reason);
        }
        pile.finish()
    }
}

struct Pile<'r> {
    rows: &'r Rows,
    scope: Scope,
    slots: Vec<Slot>,
    by_email: HashMap<String, usize>,
    by_digits: HashMap<String, usize>,
    room: Room,
    batch: Batch,
}

impl Pile<'_> {
    fn put(&mut self, slot: Slot) {
        self.know(self.slots.len(), &slot.lead.fields);
        self.slots.push(slot);
    }

    fn know(&mut self, place: usize, fields: &Fields) {
        if let Some(email) = &fields.email {
            self.by_email.entry(address(email.as_str())).or_insert(place);
        }
        if let Some(phone) = &fields.phone {
            let digits = digits(phone.as_str());
            if digits.len() >= LEAST_DIGITS {
                self.by_digits.entry(digits).or_insert(place);
            }
        }
    }

    /// What becomes of a row, and why it does not become a lead.
    fn take(&mut self, draft: &Draft, seen: &HashSet<String>) -> (Outcome, String) {
        let choice = self.rows.import.task.on_duplicate;
        let (email, digits) = (email_key(draft), digits_key(draft));
        if choice != OnDuplicate::Create {
            let by_email = email.as_ref().and_then(|key| self.by_email.get(key)).map(|at| (*at, Same::Email));
            let by_digits =
                || digits.as_ref().and_then(|key| self.by_digits.get(key)).map(|at| (*at, Same::Phone));
            if let Some((place, same)) = by_email.or_else(by_digits) {
                let slot = &self.slots[place];
                let reason = format!("the same {} as {}", same.word(), slot.lead.fields.name.as_str());
                return match choice {
                    OnDuplicate::Update if self.update(place, draft) => (Outcome::Updated, reason),
                    OnDuplicate::Update => (Outcome::Skipped, format!("{reason}: nothing to change")),
                    _ => (Outcome::Skipped, reason),
                };
            }
            let before = |key: Option<String>| key.is_some_and(|key| seen.contains(&key));
            let same = if before(email.as_deref().map(seen_email)) {
                Some(Same::Email)
            } else if before(digits.as_deref().map(seen_digits)) {
                Some(Same::Phone)
            } else {
                None
            };
            if let Some(same) = same {
                let outcome = if choice == OnDuplicate::Update { Outcome::Updated } else { Outcome::Skipped };
                return (outcome, format!("the same {} as a row before it", same.word()));
            }
        }
        match self.create(draft) {
            true => {
                if self.rows.import.task.dry_run {
                    self.batch.seen.extend(email.as_deref().map(seen_email));
                    self.batch.seen.extend(digits.as_deref().map(seen_digits));
                }
                (Outcome::Created, String::new())
            }
            false => (Outcome::Failed, NO_NAME.to_owned()),
        }
    }

    /// False: a row without a name makes none.
    fn create(&mut self, draft: &Draft) -> bool {
        let Some(name) = draft.name.clone() else { return false };
        let by = &self.rows.by;
        let fields = Fields {
            name,
            email: draft.email.clone(),
            phone: draft.phone.clone(),
            company: draft.company.clone(),
            source: draft.source.unwrap_or(Source::Other),
            status: draft.status.unwrap_or(Status::New),
            tags: draft.tags.clone().unwrap_or_default(),
            owner: draft.owner,
        };
        let created_by = self.rows.import.created_by;
        let new = NewLead { id: LeadId::new(), fields, created_by, note: None };
        let mut lead = Lead::create(new, by).lead;
        // Whoever was in a stage then was there by then.
        if let Some(at) = draft.created_at.or(draft.status_changed_at) {
            let entered = draft.status_changed_at.unwrap_or(at);
            lead.created_at = at;
            lead.status_changed_at = entered;
            let mut stages = Stages::default();
            stages.enter(lead.fields.status, entered);
            lead.stages = stages;
        }
        lead.imported.made_by = Some(self.rows.import.id);
        let added = self.new_notes(draft, &[], lead.updated_at);
        lead.note_count = u32::try_from(added.len()).unwrap_or(u32::MAX);
        self.tell(&lead, vec![What::Imported { import: self.rows.import.id, created: true }]);
        self.put(Slot { before: None, lead, notes: Vec::new(), added });
        true
    }

    /// Whether anything changed.
    fn update(&mut self, place: usize, draft: &Draft) -> bool {
        let by = &self.rows.by;
        let patch = Patch {
            name: draft.name.clone(),
            email: draft.email.clone().map(Some),
            phone: draft.phone.clone().map(Some),
            company: draft.company.clone().map(Some),
            source: draft.source,
            status: draft.status,
            tags: draft.tags.clone(),
            owner: draft.owner.map(Some),
        };
        let slot = &self.slots[place];
        let known: Vec<Note> = slot.notes.iter().chain(&slot.added).cloned().collect();
        let notes = self.new_notes(draft, &known, by.at.max(slot.lead.updated_at));
        let Some((mut lead, did)) = written(&slot.lead, patch, !notes.is_empty(), by) else { return false };
        lead.note_count = lead.note_count.saturating_add(u32::try_from(notes.len()).unwrap_or(u32::MAX));
        lead.imported.changed_by = Some(self.rows.import.id);
        let mut told = vec![What::Imported { import: self.rows.import.id, created: false }];
        told.extend(did.into_iter().filter(|what| !matches!(what, What::Updated(_))));
        self.tell(&lead, told);
        self.know(place, &lead.fields);
        let slot = &mut self.slots[place];
        slot.lead = lead;
        slot.added.extend(notes);
        true
    }

    /// The notes of a row that a lead does not have yet.
    fn new_notes(&self, draft: &Draft, known: &[Note], now: Millis) -> Vec<Note> {
        let new = |text: &crate::fields::NoteText| !known.iter().any(|note| note.text == *text);
        let mut notes: Vec<Note> = Vec::new();
        // Oldest first, so that the ids of those without a time follow it too.
        for note in draft.notes.iter().rev().filter(|note| new(&note.text)) {
            let at = note.at.unwrap_or(now).min(now);
            let id = note.at.map_or_else(NoteId::new, |at| NoteId::from(leadline_runtime::ids::uuid_at(at)));
            let author = note.author.unwrap_or(self.rows.import.created_by);
            notes.push(Note { id, text: note.text.clone(), author, created_at: at });
        }
        notes
    }

    fn tell(&mut self, lead: &Lead, did: Vec<What>) {
        if !self.rows.import.task.dry_run {
            self.batch.events.extend(events(self.scope, lead, did, &self.rows.by));
        }
    }

    fn count(&mut self, row: &Row, outcome: Outcome, reason: String) {
        let counts = &mut self.batch.counts;
        match outcome {
            Outcome::Created => counts.created += 1,
            Outcome::Updated => counts.updated += 1,
            Outcome::Skipped => counts.skipped += 1,
            Outcome::Failed => counts.failed += 1,
        }
        if self.rows.import.task.dry_run && row.nth < PREVIEWED as u64 {
            let cut = |cell: &String| cell.chars().take(PREVIEWED_CELL).collect();
            let cells = row.cells.iter().map(cut).collect();
            self.batch.preview.push(PreviewRow { line: row.line, cells, outcome, reason: reason.clone() });
        }
        if outcome == Outcome::Failed {
            let (nth, line, cells) = (row.nth, row.line, row.cells.clone());
            let failed = FailedRow { nth, line, cells, reason };
            if self.room.takes(&failed) {
                self.batch.failed.push(failed);
            }
        }
    }

    fn finish(mut self) -> Batch {
        if self.rows.import.task.dry_run {
            return self.batch;
        }
        for Slot { before, lead, added, .. } in self.slots {
            let trace = |before: u64, former: Option<Former>| Trace {
                lead: lead.id,
                before,
                after: lead.version.0,
                former,
                notes: added.iter().map(|note| note.id).collect(),
            };
            match before {
                None => {
                    self.batch.traces.push(trace(0, None));
                    self.batch.inserts.push((lead, added));
                }
                Some(old) if old.version != lead.version => {
                    self.batch.traces.push(trace(old.version.0, Some(Former::of(&old))));
                    self.batch.updates.push((old, lead, added));
                }
                Some(_) => {}
            }
        }
        self.batch
    }
}

/// A lead with new values, its version raised once, and what was done to it; `None` if nothing is different. `anyway`: something
/// beside the fields is.
pub(super) fn written(lead: &Lead, patch: Patch, anyway: bool, by: &By) -> Option<(Lead, Vec<What>)> {
    let edited = lead.decide(&Command::Edit(patch), None, by).ok().flatten();
    match edited {
        Some(Change { lead, log, .. }) => Some((lead, log.into_iter().map(|entry| entry.what).collect())),
        None if anyway => {
            let at = by.at.max(lead.updated_at);
            let version = Version(lead.version.0 + 1);
            Some((Lead { version, updated_at: at, last_activity_at: at, ..lead.clone() }, Vec::new()))
        }
        None => None,
    }
}

/// What is told of a lead after one write.
pub(super) fn events(scope: Scope, lead: &Lead, did: Vec<What>, by: &By) -> Vec<LeadEvent> {
    let snapshot = Snapshot::of(lead);
    let event = |what| LeadEvent {
        workspace: scope.workspace(),
        activity: Activity {
            id: ActivityId::new(),
            lead: lead.id,
            lead_name: lead.fields.name.as_str().to_owned(),
            actor: by.actor,
            at: lead.updated_at,
            version: lead.version,
            undoes: None,
            what,
        },
        snapshot: snapshot.clone(),
        origin: by.origin.clone(),
    };
    did.into_iter().map(event).collect()
}
