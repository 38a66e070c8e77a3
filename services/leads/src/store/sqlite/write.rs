//! Writes: a lead, its notes, its tags, its grams and its log, always in the transaction of the caller.

use std::fmt::Write as _;

use leadline_runtime::{
    caller::Scope,
    ids::UserId,
    once::{KEPT, Once},
    time::Millis,
    version::Precondition,
};
use leadline_storage::{
    rusqlite::{Connection, OptionalExtension, params, params_from_iter, types::Value},
    sqlite::leave_no_remains,
};
use uuid::Uuid;

use super::{
    Number, number_of,
    row::{self, Place, stages_bytes},
};
use crate::{
    activity::{Encode, LeadEvent},
    fields::Tag,
    filter::{Filter, sort_text},
    lead::{By, Change, Command, Denied, Lead, LeadId, NOTES_SHOWN, NewLead, Note, NoteChange, NoteId},
    search::Haystack,
    store::{Bulk, History, Keyed, NextFollowUp, Reply, StoreError, Told, Written},
};

/// The writer's connection in one transaction.
pub(super) struct Writer<'c> {
    pub(super) conn: &'c Connection,
    pub(super) scope: Scope,
    pub(super) encode: Encode,
}

/// What was answered for a key. One that is past its time may still wait for the sweep.
pub(super) fn answered(conn: &Connection, once: &Once, now: Millis) -> Result<Option<Vec<u8>>, StoreError> {
    let stored: Option<(String, Vec<u8>, bool)> = conn
        .prepare_cached("SELECT fingerprint, answer, erased FROM once WHERE id = ?1 AND at > ?2")?
        .query_row((&once.id, now.before(KEPT).0), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((fingerprint, answer, erased)) = stored else { return Ok(None) };
    if erased {
        return Err(StoreError::AnswerErased);
    }
    once.check(&fingerprint).map_err(|_| StoreError::KeyReused)?;
    Ok(Some(answer))
}

/// Sets a follow-up, unless a newer one is known.
pub(super) const SET_FOLLOW_UP: &str = "UPDATE leads SET next_follow_up_at = ?1, follow_up_revision = ?2
    WHERE id = ?3 AND follow_up_revision < ?2 AND workspace = (SELECT number FROM workspaces WHERE id = ?4)";
/// The same of a lead that went into another: it may have been told late.
pub(super) const SET_FOLLOW_UP_ASIDE: &str =
    "UPDATE merged SET next_follow_up_at = ?1, follow_up_revision = ?2
    WHERE id = ?3 AND follow_up_revision < ?2 AND workspace = (SELECT number FROM workspaces WHERE id = ?4)";
/// Takes the log of a lead away.
pub(super) const FORGET_LOG: &str =
    "DELETE FROM activity INDEXED BY activity_by_lead WHERE workspace = ?1 AND lead = ?2 AND hidden = 0";
/// Empties the answers that told of a lead. The key stays, so that it makes nothing a second time.
pub(super) const FORGET_ANSWERS: &str = "UPDATE once SET fingerprint = '', answer = x'', erased = 1
    WHERE id IN (SELECT once FROM once_leads WHERE lead = ?1)";
/// What was answered of one lead tells of another too.
pub(super) const SHARE_ANSWERS: &str =
    "INSERT OR IGNORE INTO once_leads (once, lead) SELECT once, ?2 FROM once_leads WHERE lead = ?1";
/// Takes away what imports keep to give a lead back what it was; that they have touched it stays, for their counts.
pub(super) const FORGET_TRACES: &str = "UPDATE import_traces SET former = NULL WHERE lead = ?2 AND import IN
    (SELECT row FROM imports INDEXED BY imports_by_workspace WHERE workspace = ?1 AND state > 0 AND swept < 2)";
/// There is hardly ever any: events that no consumer could handle.
const FORGET_PARKED: &str = "DELETE FROM parked WHERE instr(event, ?1) > 0";

/// Takes in what reminders told.
pub(super) fn set_follow_ups(conn: &Connection, follow_ups: &[NextFollowUp]) -> Result<(), StoreError> {
    let mut set = conn.prepare_cached(SET_FOLLOW_UP)?;
    let mut set_aside = conn.prepare_cached(SET_FOLLOW_UP_ASIDE)?;
    for told in follow_ups {
        set.execute(params![
            told.at.map(|at| at.0),
            told.revision.cast_signed(),
            told.lead.uuid().as_bytes(),
            told.scope.workspace().uuid().as_bytes(),
        ])?;
        set_aside.execute(params![
            told.at.map(|at| at.0),
            told.revision.cast_signed(),
            told.lead.uuid().as_bytes(),
            told.scope.workspace().uuid().as_bytes(),
        ])?;
    }
    Ok(())
}

impl Writer<'_> {
    /// Does something once a key, and keeps the answer.
    pub(super) fn once<T: Told>(
        &self,
        keyed: Option<Keyed<T>>,
        at: Millis,
        work: impl FnOnce(&Self) -> Result<T, StoreError>,
    ) -> Result<Reply<T>, StoreError> {
        let Some(keyed) = keyed else { return work(self).map(Reply::Fresh) };
        if let Some(answer) = answered(self.conn, &keyed.once, at)? {
            return Ok(Reply::Replayed(answer));
        }
        let done = work(self)?;
        // One that is past its time.
        self.conn.prepare_cached("DELETE FROM once WHERE id = ?1")?.execute([&keyed.once.id])?;
        self.conn
            .prepare_cached("INSERT INTO once (id, fingerprint, answer, at) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![keyed.once.id, keyed.once.fingerprint, (keyed.answer)(&done), at.0])?;
        if let Some(lead) = done.lead() {
            self.conn
                .prepare_cached("INSERT INTO once_leads (once, lead) VALUES (?1, ?2)")?
                .execute((keyed.once.id, lead.uuid().as_bytes()))?;
        }
        Ok(Reply::Fresh(done))
    }

    pub(super) fn create(&self, new: NewLead, by: &By) -> Result<Written, StoreError> {
        let change = Lead::create(new, by);
        let number = self.number()?;
        let place = self.insert_lead(number, &change.lead)?;
        let note = self.change_notes(place, change.note.clone())?;
        self.log(number, &change.events(self.scope.workspace(), by))?;
        Ok(Written { lead: change.lead, notes: note.clone().into_iter().collect(), note, changed: true })
    }

    pub(super) fn change(
        &self,
        id: LeadId,
        command: &Command,
        condition: &Precondition,
        by: &By,
    ) -> Result<Written, StoreError> {
        let Some((place, lead)) = row::find(self.conn, self.scope, id)? else {
            let into = if matches!(command, Command::Restore) { self.went_into(id)? } else { None };
            return Err(into.map_or(Denied::NoLead, |into| Denied::Merged { into }).into());
        };
        let trash = matches!(command, Command::Restore | Command::Erase | Command::Purge);
        if lead.deleted_at.is_some() && !trash {
            return Err(Denied::NoLead.into());
        }
        condition.check(lead.version).map_err(|_| StoreError::VersionMismatch { present: lead.version })?;
        let author = match command {
            Command::DeleteNote { id, .. } => self.author(place, *id)?,
            _ => None,
        };
        let answers_with_notes =
            !matches!(command, Command::AddNote { .. } | Command::Trash | Command::Erase | Command::Purge);
        let (lead, note, changed) = match lead.decide(command, author, by)? {
            Some(change) => {
                let (lead, note) = self.save(place, &lead, change, by)?;
                (lead, note, true)
            }
            None => (lead, None, false),
        };
        let notes = match answers_with_notes {
            true => row::newest_notes(self.conn, place, &lead, NOTES_SHOWN)?,
            false => Vec::new(),
        };
        Ok(Written { lead, notes, note, changed })
    }

    pub(super) fn change_many(
        &self,
        ids: &[LeadId],
        only: Option<&Filter>,
        command: &Command,
        by: &By,
    ) -> Result<Bulk, StoreError> {
        let mut bulk = Bulk::default();
        for id in ids {
            let found = row::find(self.conn, self.scope, *id)?.filter(|(_, lead)| lead.deleted_at.is_none());
            let (place, lead) = match (found, only) {
                (Some((_, lead)), Some(only)) if !only.matches(&lead) => continue,
                (None, Some(_)) => continue,
                (None, None) => {
                    bulk.failed.push((*id, Denied::NoLead));
                    continue;
                }
                (Some(found), _) => found,
            };
            bulk.matched += 1;
            match lead.decide(command, None, by) {
                Ok(Some(change)) => {
                    self.save(place, &lead, change, by)?;
                    bulk.changed += 1;
                }
                Ok(None) => {}
                Err(denied) => bulk.failed.push((*id, denied)),
            }
        }
        Ok(bulk)
    }

    /// Stores a lead with all that was done to it.
    pub(super) fn insert(&self, history: &History) -> Result<(), StoreError> {
        let number = self.number()?;
        let place = self.insert_lead(number, &history.lead)?;
        for note in &history.notes {
            self.insert_note(place, note)?;
        }
        self.log(number, &history.events)
    }

    /// The workspace's number, given now if it has none.
    pub(super) fn number(&self) -> Result<Number, StoreError> {
        if let Some(number) = number_of(self.conn, self.scope)? {
            return Ok(number);
        }
        self.conn.prepare_cached("INSERT INTO workspaces (id) VALUES (?1)")?.execute([self
            .scope
            .workspace()
            .uuid()
            .as_bytes()])?;
        Ok(self.conn.last_insert_rowid())
    }

    fn author(&self, place: Place, id: NoteId) -> Result<Option<UserId>, StoreError> {
        let author: Option<[u8; 16]> = self
            .conn
            .prepare_cached("SELECT author FROM notes WHERE lead = ?1 AND id = ?2")?
            .query_row((place, id.uuid().as_bytes()), |row| row.get(0))
            .optional()?;
        Ok(author.map(|id| Uuid::from_bytes(id).into()))
    }

    fn save(
        &self,
        place: Place,
        old: &Lead,
        change: Change,
        by: &By,
    ) -> Result<(Lead, Option<Note>), StoreError> {
        let number = self.number()?;
        let events = change.events(self.scope.workspace(), by);
        if change.erased {
            self.erase(number, place, old)?;
            self.erase_merged(number, old.id, by)?;
            self.log(number, &events)?;
            return Ok((change.lead, None));
        }
        self.update_lead(number, place, old, &change.lead)?;
        let note = self.change_notes(place, change.note)?;
        self.log(number, &events)?;
        Ok((change.lead, note))
    }

    pub(super) fn insert_lead(&self, number: Number, lead: &Lead) -> Result<Place, StoreError> {
        let fields = &lead.fields;
        let haystack = Haystack::of(fields);
        // Without `RETURNING`, which would need a journal for the statement.
        self.conn
            .prepare_cached(
                "INSERT INTO leads (workspace, id, version, trashed, status, source, owner, created_by, created_at,
                    updated_at, status_changed_at, last_activity_at, deleted_at, note_count, stages, name, email, phone,
                    company, tags, name_key, company_key, search, digits, made_by_import, changed_by_import)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21,
                    ?22, ?23, ?24, ?25, ?26)",
            )?
            .execute(params![
                    number,
                    lead.id.uuid().as_bytes(),
                    lead.version.0.cast_signed(),
                    lead.deleted_at.is_some(),
                    fields.status.rank(),
                    fields.source.code(),
                    fields.owner.map(|id| id.uuid().into_bytes()),
                    lead.created_by.uuid().as_bytes(),
                    lead.created_at.0,
                    lead.updated_at.0,
                    lead.status_changed_at.0,
                    lead.last_activity_at.0,
                    lead.deleted_at.map(|at| at.0),
                    lead.note_count,
                    stages_bytes(&lead.stages),
                    fields.name.as_str(),
                    fields.email.as_ref().map(|email| email.as_str()),
                    fields.phone.as_ref().map(|phone| phone.as_str()),
                    fields.company.as_ref().map(|company| company.as_str()),
                    fields.tags.to_texts().join("\n"),
                    sort_text(fields.name.as_str()),
                    fields.company.as_ref().map(|company| sort_text(company.as_str())),
                    haystack.text,
                    haystack.digits,
                    lead.imported.made_by.map(|id| id.uuid().into_bytes()),
                    lead.imported.changed_by.map(|id| id.uuid().into_bytes()),
            ])?;
        let place = self.conn.last_insert_rowid();
        self.insert_tags(number, place, lead)?;
        self.insert_grams(number, place, &haystack)?;
        Ok(place)
    }

    /// Writes what is different, so that only the indexes concerned are touched.
    pub(super) fn update_lead(
        &self,
        number: Number,
        place: Place,
        old: &Lead,
        new: &Lead,
    ) -> Result<(), StoreError> {
        let mut sql = String::from("UPDATE leads SET version = ?, updated_at = ?, last_activity_at = ?");
        let mut values = vec![
            Value::Integer(new.version.0.cast_signed()),
            Value::Integer(new.updated_at.0),
            Value::Integer(new.last_activity_at.0),
        ];
        let mut set = |column: &str, value: Value| {
            // Writing to a string can't fail.
            let _ = write!(sql, ", {column} = ?");
            values.push(value);
        };
        let (was, is) = (&old.fields, &new.fields);
        let text = |text: Option<&str>| text.map_or(Value::Null, |text| Value::Text(text.to_owned()));
        if was.status != is.status {
            set("status", Value::Integer(is.status.rank().into()));
        }
        if old.status_changed_at != new.status_changed_at {
            set("status_changed_at", Value::Integer(new.status_changed_at.0));
        }
        if old.stages != new.stages {
            set("stages", Value::Blob(stages_bytes(&new.stages)));
        }
        if old.imported.changed_by != new.imported.changed_by {
            let import = new.imported.changed_by.map(|id| Value::Blob(id.uuid().as_bytes().to_vec()));
            set("changed_by_import", import.unwrap_or(Value::Null));
        }
        if was.source != is.source {
            set("source", Value::Integer(is.source.code().into()));
        }
        if was.owner != is.owner {
            set("owner", is.owner.map_or(Value::Null, |id| Value::Blob(id.uuid().as_bytes().to_vec())));
        }
        if was.name != is.name {
            set("name", text(Some(is.name.as_str())));
            set("name_key", text(Some(&sort_text(is.name.as_str()))));
        }
        if was.email != is.email {
            set("email", text(is.email.as_ref().map(|email| email.as_str())));
        }
        if was.phone != is.phone {
            set("phone", text(is.phone.as_ref().map(|phone| phone.as_str())));
        }
        if was.company != is.company {
            set("company", text(is.company.as_ref().map(|company| company.as_str())));
            set(
                "company_key",
                text(is.company.as_ref().map(|company| sort_text(company.as_str())).as_deref()),
            );
        }
        if was.tags != is.tags {
            set("tags", text(Some(&is.tags.to_texts().join("\n"))));
        }
        if old.note_count != new.note_count {
            set("note_count", Value::Integer(new.note_count.into()));
        }
        if old.deleted_at != new.deleted_at {
            set("trashed", Value::Integer(new.deleted_at.is_some().into()));
            set("deleted_at", new.deleted_at.map_or(Value::Null, |at| Value::Integer(at.0)));
        }
        let (searched, searches) = (Haystack::of(was), Haystack::of(is));
        if searched != searches {
            set("search", text(Some(&searches.text)));
            set("digits", text(Some(&searches.digits)));
        }
        sql.push_str(" WHERE row = ?");
        values.push(Value::Integer(place));
        self.conn.prepare_cached(&sql)?.execute(params_from_iter(values))?;

        if was.tags != is.tags || old.deleted_at.is_some() != new.deleted_at.is_some() {
            self.delete_tags(number, old)?;
            self.insert_tags(number, place, new)?;
        }
        if searched != searches {
            self.delete_grams(place)?;
            self.insert_grams(number, place, &searches)?;
        }
        Ok(())
    }

    /// Takes a lead away with its notes, tags, grams, and all that is told of it elsewhere.
    fn erase(&self, number: Number, place: Place, lead: &Lead) -> Result<(), StoreError> {
        self.delete_tags(number, lead)?;
        self.delete_grams(place)?;
        self.conn.prepare_cached("DELETE FROM notes WHERE lead = ?1")?.execute([place])?;
        self.conn.prepare_cached("DELETE FROM leads WHERE row = ?1")?.execute([place])?;
        leave_no_remains(self.conn)?;
        self.forget(number, lead.id)
    }

    /// Takes away what is told of a lead that is erased: in the log, in answers, by imports, in events that no one could handle.
    pub(super) fn forget(&self, number: Number, id: LeadId) -> Result<(), StoreError> {
        let bytes = id.uuid().into_bytes();
        self.conn.prepare_cached(FORGET_LOG)?.execute((number, bytes))?;
        self.conn.prepare_cached(FORGET_ANSWERS)?.execute([bytes])?;
        self.conn.prepare_cached(FORGET_TRACES)?.execute((number, bytes))?;
        self.conn.prepare_cached(FORGET_PARKED)?.execute([id.to_string().into_bytes()])?;
        Ok(())
    }

    fn insert_tags(&self, number: Number, place: Place, lead: &Lead) -> Result<(), StoreError> {
        if lead.fields.tags.is_empty() {
            return Ok(());
        }
        let mut insert = self.conn.prepare_cached(
            "INSERT INTO lead_tags (workspace, trashed, tag, created_at, id, row) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        let trashed = lead.deleted_at.is_some();
        for key in lead.fields.tags.iter().map(Tag::key) {
            insert.execute(params![
                number,
                trashed,
                key,
                lead.created_at.0,
                lead.id.uuid().as_bytes(),
                place
            ])?;
        }
        Ok(())
    }

    pub(super) fn delete_tags(&self, number: Number, lead: &Lead) -> Result<(), StoreError> {
        if lead.fields.tags.is_empty() {
            return Ok(());
        }
        let mut delete = self.conn.prepare_cached(
            "DELETE FROM lead_tags WHERE workspace = ?1 AND trashed = ?2 AND tag = ?3 AND created_at = ?4 AND id = ?5",
        )?;
        let trashed = lead.deleted_at.is_some();
        for key in lead.fields.tags.iter().map(Tag::key) {
            delete.execute(params![number, trashed, key, lead.created_at.0, lead.id.uuid().as_bytes()])?;
        }
        Ok(())
    }

    fn insert_grams(&self, number: Number, place: Place, haystack: &Haystack) -> Result<(), StoreError> {
        let mut tokens = String::with_capacity(2048);
        haystack.each_gram(|gram| {
            token(number, gram, &mut tokens);
            tokens.push(' ');
        });
        self.conn
            .prepare_cached("INSERT INTO grams (rowid, tokens) VALUES (?1, ?2)")?
            .execute((place, tokens))?;
        Ok(())
    }

    pub(super) fn delete_grams(&self, place: Place) -> Result<(), StoreError> {
        self.conn.prepare_cached("DELETE FROM grams WHERE rowid = ?1")?.execute([place])?;
        Ok(())
    }

    fn change_notes(&self, place: Place, change: NoteChange) -> Result<Option<Note>, StoreError> {
        match change {
            NoteChange::None => Ok(None),
            NoteChange::Added(note) => {
                self.insert_note(place, &note)?;
                Ok(Some(note))
            }
            NoteChange::Deleted(id) => {
                self.conn
                    .prepare_cached("DELETE FROM notes WHERE lead = ?1 AND id = ?2")?
                    .execute((place, id.uuid().as_bytes()))?;
                Ok(None)
            }
        }
    }

    pub(super) fn insert_note(&self, place: Place, note: &Note) -> Result<(), StoreError> {
        self.conn
            .prepare_cached(
                "INSERT INTO notes (lead, id, author, created_at, text) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                place,
                note.id.uuid().as_bytes(),
                note.author.uuid().as_bytes(),
                note.created_at.0,
                note.text.as_str(),
            ])?;
        Ok(())
    }

    pub(super) fn log(&self, number: Number, events: &[LeadEvent]) -> Result<(), StoreError> {
        let mut insert = self.conn.prepare_cached(
            "INSERT INTO activity (id, workspace, lead, kind, written_at, event) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        for event in events {
            let activity = &event.activity;
            insert.execute(params![
                activity.id.uuid().as_bytes(),
                number,
                activity.lead.uuid().as_bytes(),
                super::log::code(activity.what.kind()),
                Millis::now().0,
                (self.encode)(event),
            ])?;
        }
        Ok(())
    }
}

/// Appends the token of a gram: the workspace's number, then a hash of fixed length, so that both can be told apart. Two grams
/// of one hash only bring a few candidates more.
pub(super) fn token(number: Number, gram: &str, into: &mut String) {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    // FNV-1a
    let hash = gram
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let mut text = [b'0'; 20];
    let mut start = text.len();
    let mut write = |mut rest: u64, least: usize| {
        let end = start;
        while rest > 0 || end - start < least {
            start -= 1;
            text[start] = DIGITS[usize::try_from(rest % 36).unwrap_or(0)];
            rest /= 36;
        }
    };
    write((hash ^ (hash >> 32)) % 36_u64.pow(6), 6);
    write(number.cast_unsigned(), 1);
    into.extend(text[start..].iter().copied().map(char::from));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_two_workspaces_or_two_grams_differ() {
        let of = |number, gram: &str| {
            let mut text = String::new();
            token(number, gram, &mut text);
            text
        };
        assert_ne!(of(1, "abc"), of(11, "abc"));
        assert_ne!(of(1, "abc"), of(1, "abd"));
        assert!(of(36 * 36, "\" OR *").bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_eq!(of(35, "x").len(), 7);
        assert_eq!(of(36, "x").len(), 8);
    }
}
