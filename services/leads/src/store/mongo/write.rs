//! Writes: a lead, its notes and its log, always in the transaction of the caller.

use std::collections::HashMap;

use leadline_runtime::{
    caller::Scope,
    ids::{UserId, parse_uuid},
    once::{KEPT, Once},
    time::Millis,
    version::Precondition,
};
use leadline_storage::{
    StorageError,
    bson::{Bson, Document, doc},
    mongodb::{ClientSession, Collection, Database},
};

use super::{
    document::{self, Stored, binary},
    imports::trace_id,
    limit_of, of_workspace,
};
use crate::{
    activity::{Encode, ImportId, LeadEvent},
    lead::{By, Change, Command, Denied, Lead, LeadId, NOTES_SHOWN, NewLead, Note, NoteChange, NoteId},
    store::{Bulk, BulkPart, History, Keyed, StoreError, Told, Written},
};

/// The collections of one workspace's writes.
#[derive(Clone)]
pub(super) struct Writer {
    database: Database,
    pub(super) leads: Collection<Document>,
    pub(super) notes: Collection<Document>,
    pub(super) activity: Collection<Document>,
    pub(super) merges: Collection<Document>,
    pub(super) merged: Collection<Document>,
    once: Collection<Document>,
    parked: Collection<Document>,
    traces: Collection<Document>,
    imports: Collection<Document>,
    pub(super) scope: Scope,
    encode: Encode,
}

/// The answer that may be stored with a key. One that is past its time may still wait for the sweep.
pub(super) fn of_key(once: &Once, now: Millis) -> Document {
    doc! { "_id": &once.id, "at": { "$gt": now.before(KEPT).0 } }
}

/// The answer that is stored with a key.
pub(super) fn answer(once: &Once, stored: &Document) -> Result<Vec<u8>, StoreError> {
    if stored.get_bool("erased").unwrap_or(false) {
        return Err(StoreError::AnswerErased);
    }
    once.check(stored.get_str("fingerprint").unwrap_or_default()).map_err(|_| StoreError::KeyReused)?;
    let answer = stored.get_binary_generic("answer").cloned();
    answer.map_err(|_| StorageError::Internal("a key holds no good answer".to_owned()).into())
}

impl Writer {
    pub(super) fn new(database: &Database, scope: Scope, encode: Encode) -> Self {
        Self {
            database: database.clone(),
            leads: database.collection("leads"),
            notes: database.collection("notes"),
            activity: database.collection("activity"),
            merges: database.collection("merges"),
            merged: database.collection("merged"),
            once: database.collection("once"),
            parked: database.collection("parked"),
            traces: database.collection("import_traces"),
            imports: database.collection("imports"),
            scope,
            encode,
        }
    }

    /// The answer that was given for a key.
    pub(super) async fn answered<T>(
        &self,
        session: &mut ClientSession,
        keyed: Option<&Keyed<T>>,
        now: Millis,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(keyed) = keyed else { return Ok(None) };
        let stored = self.once.find_one(of_key(&keyed.once, now)).session(&mut *session).await?;
        stored.map(|stored| answer(&keyed.once, &stored)).transpose()
    }

    /// Keeps the answer to a key.
    pub(super) async fn remember<T: Told>(
        &self,
        session: &mut ClientSession,
        keyed: Option<&Keyed<T>>,
        done: &T,
        at: Millis,
    ) -> Result<(), StoreError> {
        let Some(keyed) = keyed else { return Ok(()) };
        let mut row = doc! {
            "fingerprint": &keyed.once.fingerprint,
            "answer": binary((keyed.answer)(done)),
            "at": at.0,
        };
        if let Some(lead) = done.lead() {
            row.insert("leads", vec![lead.to_string()]);
        }
        // In place of one that is past its time.
        let key = doc! { "_id": &keyed.once.id };
        self.once.replace_one(key, row).upsert(true).session(&mut *session).await?;
        Ok(())
    }

    /// What was answered of one lead tells of others too.
    pub(super) async fn share_answers(
        &self,
        session: &mut ClientSession,
        of: LeadId,
        with: impl Iterator<Item = LeadId>,
    ) -> Result<(), StoreError> {
        let with: Vec<String> = with.map(|id| id.to_string()).collect();
        let more = doc! { "$addToSet": { "leads": { "$each": with } } };
        let answers = self.once.update_many(doc! { "leads": of.to_string() }, more);
        answers.hint(document::by_lead()).session(&mut *session).await?;
        Ok(())
    }

    pub(super) async fn create(
        &self,
        session: &mut ClientSession,
        new: NewLead,
        by: &By,
    ) -> Result<Written, StoreError> {
        let change = Lead::create(new, by);
        self.leads.insert_one(document::of_lead(self.scope, &change.lead, 0)).session(&mut *session).await?;
        let note = self.change_notes(session, change.lead.id, change.note.clone()).await?;
        self.log(session, &change.events(self.scope.workspace(), by)).await?;
        Ok(Written { lead: change.lead, notes: note.clone().into_iter().collect(), note, changed: true })
    }

    pub(super) async fn change(
        &self,
        session: &mut ClientSession,
        id: LeadId,
        command: &Command,
        condition: &Precondition,
        by: &By,
    ) -> Result<Written, StoreError> {
        let found = self
            .leads
            .find_one(document::of_id(self.scope, id))
            .projection(document::shown())
            .hint(document::by_id())
            .session(&mut *session)
            .await?;
        let Some(found) = found else {
            let into = match command {
                Command::Restore => self.went_into(session, id).await?,
                _ => None,
            };
            return Err(into.map_or(Denied::NoLead, |into| Denied::Merged { into }).into());
        };
        let Stored { lead, revision } = document::lead(&found)?;
        let trash = matches!(command, Command::Restore | Command::Erase | Command::Purge);
        if lead.deleted_at.is_some() && !trash {
            return Err(Denied::NoLead.into());
        }
        condition.check(lead.version).map_err(|_| StoreError::VersionMismatch { present: lead.version })?;
        let author = match command {
            Command::DeleteNote { id, .. } => self.author(session, lead.id, *id).await?,
            _ => None,
        };
        let answers_with_notes =
            !matches!(command, Command::AddNote { .. } | Command::Trash | Command::Erase | Command::Purge);
        let (lead, note, changed) = match lead.decide(command, author, by)? {
            Some(change) => {
                let (lead, note) = self.save(session, &lead, revision, change, by).await?;
                (lead, note, true)
            }
            None => (lead, None, false),
        };
        let notes = match answers_with_notes && lead.note_count > 0 {
            true => self.newest_notes(session, lead.id).await?,
            false => Vec::new(),
        };
        Ok(Written { lead, notes, note, changed })
    }

    pub(super) async fn change_many(
        &self,
        session: &mut ClientSession,
        part: &BulkPart,
    ) -> Result<Bulk, StoreError> {
        let mut bulk = Bulk::default();
        let ids: Vec<String> = part.ids.iter().map(LeadId::to_string).collect();
        if ids.is_empty() {
            return Ok(bulk);
        }
        let mut filter = doc! { "_id": { "$in": ids } };
        filter.extend(of_workspace(self.scope));
        let mut cursor = self
            .leads
            .find(filter)
            .projection(document::shown())
            .hint(document::by_id())
            .session(&mut *session)
            .await?;
        let mut found = HashMap::new();
        while let Some(row) = cursor.next(&mut *session).await.transpose()? {
            let stored = document::lead(&row)?;
            if stored.lead.deleted_at.is_none() {
                found.insert(stored.lead.id, stored);
            }
        }
        let (mut updates, mut events) = (Vec::new(), Vec::new());
        for id in &part.ids {
            let Some(Stored { lead, revision }) = found.remove(id) else {
                if part.only.is_none() {
                    bulk.failed.push((*id, Denied::NoLead));
                }
                continue;
            };
            if part.only.as_ref().is_some_and(|only| !only.matches(&lead)) {
                continue;
            }
            bulk.matched += 1;
            match lead.decide(&part.command, None, &part.by) {
                Ok(Some(change)) => {
                    updates.push(self.replacement(&lead, revision, &change.lead));
                    events.extend(change.events(self.scope.workspace(), &part.by));
                    bulk.changed += 1;
                }
                Ok(None) => {}
                Err(denied) => bulk.failed.push((*id, denied)),
            }
        }
        self.replace(session, updates).await?;
        self.log(session, &events).await?;
        Ok(bulk)
    }

    /// Stores leads with all that was done to them.
    pub(super) async fn insert(
        &self,
        session: &mut ClientSession,
        histories: &[History],
    ) -> Result<(), StoreError> {
        let leads: Vec<Document> =
            histories.iter().map(|history| document::of_lead(self.scope, &history.lead, 0)).collect();
        if leads.is_empty() {
            return Ok(());
        }
        self.leads.insert_many(leads).session(&mut *session).await?;
        let notes: Vec<Document> = histories
            .iter()
            .flat_map(|history| {
                history.notes.iter().map(|note| document::of_note(self.scope, history.lead.id, note))
            })
            .collect();
        if !notes.is_empty() {
            self.notes.insert_many(notes).session(&mut *session).await?;
        }
        let events: Vec<LeadEvent> =
            histories.iter().flat_map(|history| history.events.iter().cloned()).collect();
        self.log(session, &events).await
    }

    async fn author(
        &self,
        session: &mut ClientSession,
        lead: LeadId,
        note: NoteId,
    ) -> Result<Option<UserId>, StoreError> {
        let found = self.notes.find_one(self.of_note(lead, note)).session(&mut *session).await?;
        let author = found.as_ref().and_then(|note| note.get_str("authorId").ok());
        Ok(author.and_then(|id| parse_uuid(id).ok()).map(UserId::from))
    }

    fn of_note(&self, lead: LeadId, note: NoteId) -> Document {
        let mut filter = of_workspace(self.scope);
        filter.extend(doc! { "leadId": lead.to_string(), "_id": note.to_string() });
        filter
    }

    pub(super) async fn newest_notes(
        &self,
        session: &mut ClientSession,
        lead: LeadId,
    ) -> Result<Vec<Note>, StoreError> {
        let mut filter = of_workspace(self.scope);
        filter.insert("leadId", lead.to_string());
        let mut cursor = self
            .notes
            .find(filter)
            .sort(doc! { "_id": -1 })
            .limit(limit_of(NOTES_SHOWN))
            .session(&mut *session)
            .await?;
        let mut notes = Vec::new();
        while let Some(row) = cursor.next(&mut *session).await.transpose()? {
            notes.push(document::note(&row)?);
        }
        Ok(notes)
    }

    async fn save(
        &self,
        session: &mut ClientSession,
        old: &Lead,
        revision: i64,
        change: Change,
        by: &By,
    ) -> Result<(Lead, Option<Note>), StoreError> {
        let events = change.events(self.scope.workspace(), by);
        if change.erased {
            self.erase(session, old).await?;
            self.erase_merged(session, old.id, by).await?;
            self.log(session, &events).await?;
            return Ok((change.lead, None));
        }
        self.replace(session, vec![self.replacement(old, revision, &change.lead)]).await?;
        let note = self.change_notes(session, change.lead.id, change.note).await?;
        self.log(session, &events).await?;
        Ok((change.lead, note))
    }

    /// Only the version that the change was made from is replaced.
    pub(super) fn replacement(&self, old: &Lead, revision: i64, new: &Lead) -> Document {
        let mut present = document::of_id(self.scope, old.id);
        present.insert("version", old.version.0.cast_signed());
        doc! { "q": present, "u": document::of_lead(self.scope, new, revision), "hint": "_id_" }
    }

    /// Replaces leads with one command, however many they are.
    pub(super) async fn replace(
        &self,
        session: &mut ClientSession,
        updates: Vec<Document>,
    ) -> Result<(), StoreError> {
        if updates.is_empty() {
            return Ok(());
        }
        let count = i64::try_from(updates.len()).unwrap_or(i64::MAX);
        let command = doc! { "update": self.leads.name(), "updates": updates };
        let done = self.database.run_command(command).session(&mut *session).await?;
        let replaced = done.get_i32("n").map(i64::from).or_else(|_| done.get_i64("n")).unwrap_or(0);
        if replaced == count && !done.contains_key("writeErrors") {
            return Ok(());
        }
        let errors = done.get_array("writeErrors").map(Vec::len).unwrap_or(0);
        Err(StorageError::Internal(format!(
            "{replaced} of {count} leads were replaced, with {errors} errors"
        ))
        .into())
    }

    /// Takes a lead away with its notes, and all that is told of it elsewhere.
    async fn erase(&self, session: &mut ClientSession, lead: &Lead) -> Result<(), StoreError> {
        let mut present = document::of_id(self.scope, lead.id);
        present.insert("version", lead.version.0.cast_signed());
        self.leads.delete_one(present).hint(document::by_id()).session(&mut *session).await?;
        let mut of_lead = of_workspace(self.scope);
        of_lead.insert("leadId", lead.id.to_string());
        let notes = self.notes.delete_many(of_lead);
        notes.hint(document::by_lead()).session(&mut *session).await?;
        self.forget(session, lead.id).await
    }

    /// Takes away what is told of a lead that is erased: in the log, in answers, by imports, in events that no one could handle.
    pub(super) async fn forget(&self, session: &mut ClientSession, id: LeadId) -> Result<(), StoreError> {
        let text = id.to_string();
        let mut log = of_workspace(self.scope);
        log.extend(doc! { "leadId": &text, "hidden": false });
        let log = self.activity.delete_many(log);
        log.hint(document::by_lead()).session(&mut *session).await?;
        // The key stays, so that it makes nothing a second time.
        let empty = doc! { "$set": { "fingerprint": "", "answer": binary(Vec::new()), "erased": true } };
        let answers = self.once.update_many(doc! { "leads": &text }, empty);
        answers.hint(document::by_lead()).session(&mut *session).await?;
        let parked = self.parked.delete_many(doc! { "leadId": &text });
        parked.hint(document::by_lead()).session(&mut *session).await?;
        // That imports have touched it stays, for their counts.
        let mut kept = of_workspace(self.scope);
        kept.insert("swept", doc! { "$lt": 2 });
        let mut imports =
            self.imports.find(kept).projection(doc! { "_id": 1 }).session(&mut *session).await?;
        let mut traces = Vec::new();
        while let Some(import) = imports.next(&mut *session).await.transpose()? {
            let import = import.get_str("_id").ok().and_then(|id| ImportId::parse(id).ok());
            traces.extend(import.map(|import| trace_id(import, id)));
        }
        if !traces.is_empty() {
            let nothing = doc! { "$set": { "former": Bson::Null } };
            let traces = self.traces.update_many(doc! { "_id": { "$in": traces } }, nothing);
            traces.hint(document::by_id()).session(&mut *session).await?;
        }
        Ok(())
    }

    async fn change_notes(
        &self,
        session: &mut ClientSession,
        lead: LeadId,
        change: NoteChange,
    ) -> Result<Option<Note>, StoreError> {
        match change {
            NoteChange::None => Ok(None),
            NoteChange::Added(note) => {
                self.notes
                    .insert_one(document::of_note(self.scope, lead, &note))
                    .session(&mut *session)
                    .await?;
                Ok(Some(note))
            }
            NoteChange::Deleted(id) => {
                self.notes.delete_one(self.of_note(lead, id)).session(&mut *session).await?;
                Ok(None)
            }
        }
    }

    pub(super) async fn log(
        &self,
        session: &mut ClientSession,
        events: &[LeadEvent],
    ) -> Result<(), StoreError> {
        if events.is_empty() {
            return Ok(());
        }
        self.activity.insert_many(self.entries(events)).session(&mut *session).await?;
        Ok(())
    }

    /// Entries of the log.
    pub(super) fn entries(&self, events: &[LeadEvent]) -> Vec<Document> {
        events.iter().map(|event| document::of_event(event, self.encode)).collect()
    }
}
