//! Leads that become one, and how that is taken back, always in the transaction of the caller.

use leadline_runtime::{time::Millis, version::Precondition};
use leadline_storage::rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::{
    Number,
    row::{self, COLUMNS, Place, sql_limit},
    write::{SHARE_ANSWERS, Writer},
};
use crate::{
    fields::{Company, Email, Phone, Tags},
    lead::{By, Command, Denied, Lead, LeadId, NOTES_SHOWN},
    merge::{self, Filled, Merge, MergeId, Unmerging},
    store::{StoreError, Written},
};

/// Puts a lead aside.
pub(super) const SET_ASIDE: &str = "INSERT INTO merged (id, workspace, merge, into_lead, version, status, source, owner,
        created_by, created_at, updated_at, status_changed_at, last_activity_at, next_follow_up_at, follow_up_revision,
        deleted_at, note_count, stages, name, email, phone, company, tags, made_by_import, changed_by_import)
    SELECT id, workspace, ?2, ?3, ?4, status, source, owner, created_by, created_at, ?5, status_changed_at,
        last_activity_at, next_follow_up_at, follow_up_revision, deleted_at, note_count, stages, name, email, phone,
        company, tags, made_by_import, changed_by_import
    FROM leads WHERE row = ?1";
/// Remembers the notes of a lead, before they get another.
pub(super) const REMEMBER_NOTES: &str =
    "INSERT INTO moved_notes (merge, lead, note) SELECT ?1, ?2, id FROM notes WHERE lead = ?3";
pub(super) const MOVE_NOTES: &str = "UPDATE notes SET lead = ?2 WHERE lead = ?1";
/// Remembers the log of a lead, before it is listed with another.
pub(super) const REMEMBER_LOG: &str = "INSERT INTO moved_log (merge, lead, row) SELECT ?1, ?2, row
    FROM activity INDEXED BY activity_by_lead WHERE workspace = ?3 AND lead = ?2 AND hidden = 0";
pub(super) const MOVE_LOG: &str = "UPDATE activity INDEXED BY activity_by_lead SET lead = ?3
    WHERE workspace = ?1 AND lead = ?2 AND hidden = 0";
pub(super) const MERGE: &str = "SELECT id, at, email, phone, company, owner, tags FROM merges
    WHERE workspace = ?1 AND into_lead = ?2 AND id = ?3";
pub(super) const NEWEST: &str = "SELECT id, at, email, phone, company, owner, tags FROM merges
    WHERE workspace = ?1 AND into_lead = ?2 ORDER BY id DESC LIMIT 1";
pub(super) const COUNT_NOTES: &str = "SELECT count(*) FROM moved_notes m CROSS JOIN notes n
    ON n.lead = ?3 AND n.id = m.note WHERE m.merge = ?1 AND m.lead = ?2";
pub(super) const NOTES_BACK: &str = "UPDATE notes SET lead = ?4
    WHERE lead = ?3 AND id IN (SELECT note FROM moved_notes WHERE merge = ?1 AND lead = ?2)";
pub(super) const LOG_BACK: &str = "UPDATE activity SET lead = ?2
    WHERE row IN (SELECT row FROM moved_log WHERE merge = ?1 AND lead = ?2) AND workspace = ?3 AND lead = ?4";
/// Where a lead went.
pub(super) const WENT: &str = "SELECT into_lead FROM merged
    WHERE id = ?1 AND workspace = (SELECT number FROM workspaces WHERE id = ?2)";
/// Takes away all that is kept of a merge.
pub(super) const FORGET: [&str; 4] = [
    "DELETE FROM moved_notes WHERE merge = ?1",
    "DELETE FROM moved_log WHERE merge = ?1",
    "DELETE FROM merged WHERE merge = ?1",
    "DELETE FROM merges WHERE id = ?1",
];
/// Merges from before a time.
pub(super) const OLD: &str = "SELECT id, workspace FROM merges WHERE at <= ?1 ORDER BY at LIMIT ?2";

/// The leads of a merge, in its order.
pub(super) fn of_merge() -> String {
    format!("SELECT {COLUMNS} FROM merged l WHERE l.merge = ?1 ORDER BY l.row")
}

/// The leads that went into one, or into one of those.
pub(super) fn swallowed() -> String {
    format!(
        "WITH RECURSIVE gone (id) AS (
            SELECT m.id FROM merged m WHERE m.workspace = ?1 AND m.into_lead = ?2
            UNION SELECT m.id FROM gone g CROSS JOIN merged m ON m.workspace = ?1 AND m.into_lead = g.id
         ) SELECT {COLUMNS} FROM gone CROSS JOIN merged l ON l.id = gone.id"
    )
}

fn id_of(row: &Row<'_>, index: usize) -> leadline_storage::rusqlite::Result<Uuid> {
    row.get(index).map(Uuid::from_bytes)
}

fn record(row: &Row<'_>, into: LeadId) -> leadline_storage::rusqlite::Result<Merge> {
    let text = |index| row.get::<_, Option<String>>(index);
    let tags: String = row.get(6)?;
    let filled = Filled {
        email: text(2)?.map(Email::stored),
        phone: text(3)?.map(Phone::stored),
        company: text(4)?.map(Company::stored),
        owner: row.get::<_, Option<[u8; 16]>>(5)?.map(|id| Uuid::from_bytes(id).into()),
        tags: Tags::stored(tags.lines().map(str::to_owned).collect()),
    };
    Ok(Merge { id: id_of(row, 0)?.into(), into, at: Millis(row.get(1)?), filled })
}

impl Writer<'_> {
    /// Where a lead went, if it was merged into another.
    pub(super) fn went_into(&self, id: LeadId) -> Result<Option<LeadId>, StoreError> {
        let went = self
            .conn
            .prepare_cached(WENT)?
            .query_row((id.uuid().as_bytes(), self.scope.workspace().uuid().as_bytes()), |row| id_of(row, 0))
            .optional()?;
        Ok(went.map(LeadId::from))
    }

    fn live(&self, id: LeadId) -> Result<Option<(Place, Lead)>, StoreError> {
        Ok(row::find(self.conn, self.scope, id)?.filter(|(_, lead)| lead.deleted_at.is_none()))
    }

    /// Merges leads into one.
    pub(super) fn merge(
        &self,
        into: LeadId,
        id: MergeId,
        from: &[LeadId],
        condition: &Precondition,
        by: &By,
    ) -> Result<Written, StoreError> {
        let (place, lead) = self.live(into)?.ok_or(Denied::NoLead)?;
        condition.check(lead.version).map_err(|_| StoreError::VersionMismatch { present: lead.version })?;
        let (mut places, mut others, mut missing) = (Vec::new(), Vec::new(), Vec::new());
        for id in from {
            match self.live(*id)?.filter(|(other, _)| *other != place) {
                Some((place, lead)) => {
                    places.push(place);
                    others.push(lead);
                }
                None => missing.push(*id),
            }
        }
        if !missing.is_empty() {
            return Err(StoreError::Unmergeable(missing));
        }
        let merging = merge::merge(&lead, &others, id, by, self.scope.workspace());
        let number = self.number()?;
        let (merge, into) = (id.uuid().into_bytes(), into.uuid().into_bytes());
        let filled = &merging.merge.filled;
        self.conn
            .prepare_cached(
                "INSERT INTO merges (id, workspace, into_lead, at, email, phone, company, owner, tags)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                merge,
                number,
                into,
                merging.merge.at.0,
                filled.email.as_ref().map(Email::as_str),
                filled.phone.as_ref().map(Phone::as_str),
                filled.company.as_ref().map(Company::as_str),
                filled.owner.map(|id| id.uuid().into_bytes()),
                filled.tags.to_texts().join("\n"),
            ])?;
        for ((from, old), gone) in places.iter().zip(&others).zip(&merging.gone) {
            let other = old.id.uuid().into_bytes();
            self.conn.prepare_cached(SET_ASIDE)?.execute(params![
                from,
                merge,
                into,
                gone.version.0.cast_signed(),
                gone.updated_at.0,
            ])?;
            self.conn.prepare_cached(REMEMBER_NOTES)?.execute(params![merge, other, from])?;
            self.conn.prepare_cached(MOVE_NOTES)?.execute((from, place))?;
            self.conn.prepare_cached(REMEMBER_LOG)?.execute(params![merge, other, number])?;
            self.conn.prepare_cached(MOVE_LOG)?.execute(params![number, other, into])?;
            self.delete_tags(number, old)?;
            self.delete_grams(*from)?;
            self.conn.prepare_cached("DELETE FROM leads WHERE row = ?1")?.execute([from])?;
        }
        self.update_lead(number, place, &lead, &merging.lead)?;
        self.log(number, &merging.events)?;
        let notes = row::newest_notes(self.conn, place, &merging.lead, NOTES_SHOWN)?;
        Ok(Written { lead: merging.lead, notes, note: None, changed: true })
    }

    /// Takes a merge back: the one named, or the newest of the lead.
    pub(super) fn unmerge(
        &self,
        into: LeadId,
        id: Option<MergeId>,
        condition: &Precondition,
        by: &By,
    ) -> Result<Written, StoreError> {
        let (place, lead) = self.live(into)?.ok_or(Denied::NoLead)?;
        condition.check(lead.version).map_err(|_| StoreError::VersionMismatch { present: lead.version })?;
        let number = self.number()?;
        let bytes = into.uuid().into_bytes();
        let found = match id {
            Some(id) => self
                .conn
                .prepare_cached(MERGE)?
                .query_row((number, bytes, id.uuid().into_bytes()), |row| record(row, into))
                .optional()?,
            None => self
                .conn
                .prepare_cached(NEWEST)?
                .query_row((number, bytes), |row| record(row, into))
                .optional()?,
        };
        let merge = found.ok_or(Denied::NothingMerged)?;
        let id = merge.id.uuid().into_bytes();
        let gone = self.aside(&of_merge(), [id])?;
        let mut counted = Vec::new();
        for lead in gone {
            let other = lead.id.uuid().into_bytes();
            let notes =
                self.conn.prepare_cached(COUNT_NOTES)?.query_row((id, other, place), |row| row.get(0))?;
            counted.push((lead, notes));
        }
        let Unmerging { lead: now, back, events } =
            merge::unmerge(&lead, &merge, &counted, by, self.scope.workspace())?;
        for other in &back {
            let bytes_of_other = other.id.uuid().into_bytes();
            let home = self.insert_lead(number, other)?;
            self.conn
                .prepare_cached(
                    "UPDATE leads SET (next_follow_up_at, follow_up_revision) =
                        (SELECT next_follow_up_at, follow_up_revision FROM merged WHERE id = ?2) WHERE row = ?1",
                )?
                .execute((home, bytes_of_other))?;
            self.conn.prepare_cached(NOTES_BACK)?.execute((id, bytes_of_other, place, home))?;
            self.conn.prepare_cached(LOG_BACK)?.execute((id, bytes_of_other, number, bytes))?;
            // While the lead was part of the other, answers of that one told of it.
            self.conn.prepare_cached(SHARE_ANSWERS)?.execute((bytes, bytes_of_other))?;
        }
        forget(self.conn, id)?;
        self.update_lead(number, place, &lead, &now)?;
        self.log(number, &events)?;
        let notes = row::newest_notes(self.conn, place, &now, NOTES_SHOWN)?;
        Ok(Written { lead: now, notes, note: None, changed: true })
    }

    /// Erases what went into a lead that is erased.
    pub(super) fn erase_merged(&self, number: Number, into: LeadId, by: &By) -> Result<(), StoreError> {
        for lead in self.aside(&swallowed(), (number, into.uuid().into_bytes()))? {
            let id = lead.id.uuid().into_bytes();
            if let Some(change) = lead.decide(&Command::Erase, None, by)? {
                self.forget(number, lead.id)?;
                self.log(number, &change.events(self.scope.workspace(), by))?;
            }
            let merge: [u8; 16] = self
                .conn
                .prepare_cached("SELECT merge FROM merged WHERE id = ?1")?
                .query_row([id], |row| row.get(0))?;
            self.conn.prepare_cached("DELETE FROM merged WHERE id = ?1")?.execute([id])?;
            let left = self.conn.prepare_cached("SELECT 1 FROM merged WHERE merge = ?1")?.exists([merge])?;
            if !left {
                forget(self.conn, merge)?;
            }
        }
        Ok(())
    }

    fn aside(
        &self,
        sql: &str,
        values: impl leadline_storage::rusqlite::Params,
    ) -> Result<Vec<Lead>, StoreError> {
        let mut found = self.conn.prepare_cached(sql)?;
        let rows = found.query_map(values, |row| Ok(row::lead(row)?.1))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// Takes away all that is kept of a merge.
pub(super) fn forget(conn: &Connection, merge: [u8; 16]) -> Result<(), StoreError> {
    for sql in FORGET {
        conn.prepare_cached(sql)?.execute([merge])?;
    }
    Ok(())
}

/// Makes merges from before a time final, at most so many.
pub(super) fn forget_old(conn: &Connection, before: Millis, limit: usize) -> Result<u64, StoreError> {
    let old: Vec<([u8; 16], Number)> = conn
        .prepare_cached(OLD)?
        .query_map((before.0, sql_limit(limit)), |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (merge, number) in &old {
        // What was logged of the leads themselves since they went is the other's history from now on.
        let mut gone = conn.prepare_cached("SELECT id, into_lead FROM merged WHERE merge = ?1")?;
        let gone: Vec<([u8; 16], [u8; 16])> =
            gone.query_map([merge], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        for (id, into) in gone {
            conn.prepare_cached(MOVE_LOG)?.execute((number, id, into))?;
        }
        forget(conn, *merge)?;
    }
    Ok(old.len() as u64)
}
