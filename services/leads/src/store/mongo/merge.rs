//! Leads that become one, and how that is taken back, always in the transaction of the caller.

use leadline_runtime::{time::Millis, version::Precondition};
use leadline_storage::{
    Mongo, StorageError,
    bson::{Bson, Document, doc},
    mongodb::ClientSession,
};

use super::{
    document::{self, Stored},
    of_workspace,
    write::Writer,
};
use crate::{
    lead::{By, Command, Denied, Lead, LeadId},
    merge::{self, MergeId},
    store::{StoreError, Written},
};

/// What is kept of a note or an entry of the log that moved: which merge moved it, and from which lead.
fn origin(merge: MergeId, lead: LeadId) -> Document {
    doc! { "merge": merge.to_string(), "lead": lead.to_string() }
}

impl Writer {
    fn of_lead(&self, lead: LeadId) -> Document {
        let mut filter = of_workspace(self.scope);
        filter.insert("leadId", lead.to_string());
        filter
    }

    fn log_of(&self, lead: LeadId) -> Document {
        let mut filter = self.of_lead(lead);
        filter.insert("hidden", false);
        filter
    }

    /// Where a lead went, if it was merged into another.
    pub(super) async fn went_into(
        &self,
        session: &mut ClientSession,
        id: LeadId,
    ) -> Result<Option<LeadId>, StoreError> {
        let found = self.merged.find_one(document::of_id(self.scope, id)).session(&mut *session).await?;
        Ok(found.and_then(|row| LeadId::parse(row.get_str("intoId").ok()?).ok()))
    }

    async fn live(&self, session: &mut ClientSession, id: LeadId) -> Result<Option<Stored>, StoreError> {
        let found = self
            .leads
            .find_one(document::of_id(self.scope, id))
            .projection(document::shown())
            .hint(document::by_id())
            .session(&mut *session)
            .await?;
        let stored = found.as_ref().map(document::lead).transpose()?;
        Ok(stored.filter(|stored| stored.lead.deleted_at.is_none()))
    }

    /// Merges leads into one.
    pub(super) async fn merge(
        &self,
        session: &mut ClientSession,
        into: LeadId,
        id: MergeId,
        from: &[LeadId],
        condition: &Precondition,
        by: &By,
    ) -> Result<Written, StoreError> {
        let Stored { lead, revision } = self.live(session, into).await?.ok_or(Denied::NoLead)?;
        condition.check(lead.version).map_err(|_| StoreError::VersionMismatch { present: lead.version })?;
        let (mut others, mut revisions, mut missing) = (Vec::new(), Vec::new(), Vec::new());
        for id in from {
            match self.live(session, *id).await?.filter(|_| *id != into) {
                Some(stored) => {
                    others.push(stored.lead);
                    revisions.push(stored.revision);
                }
                None => missing.push(*id),
            }
        }
        if !missing.is_empty() {
            return Err(StoreError::Unmergeable(missing));
        }
        let merging = merge::merge(&lead, &others, id, by, self.scope.workspace());
        self.merges.insert_one(document::of_merge(self.scope, &merging.merge)).session(&mut *session).await?;
        let aside = merging.gone.iter().zip(revisions).zip(0_i32..).map(|((gone, revision), nth)| {
            let mut row = document::of_lead(self.scope, gone, revision);
            row.extend(doc! { "mergeId": id.to_string(), "intoId": into.to_string(), "nth": nth });
            row
        });
        self.merged.insert_many(aside).session(&mut *session).await?;
        for other in &others {
            let mut present = document::of_id(self.scope, other.id);
            present.insert("version", other.version.0.cast_signed());
            let gone = self.leads.delete_one(present).hint(document::by_id()).session(&mut *session).await?;
            if gone.deleted_count != 1 {
                return Err(StorageError::Contended.into());
            }
            let moved = doc! {
                "$set": { "leadId": into.to_string() },
                "$push": { "moved": origin(id, other.id) },
            };
            let notes = self.notes.update_many(self.of_lead(other.id), moved.clone());
            notes.hint(document::by_lead()).session(&mut *session).await?;
            let log = self.activity.update_many(self.log_of(other.id), moved);
            log.hint(document::by_lead()).session(&mut *session).await?;
        }
        self.replace(session, vec![self.replacement(&lead, revision, &merging.lead)]).await?;
        self.log(session, &merging.events).await?;
        let notes = self.newest_notes(session, into).await?;
        Ok(Written { lead: merging.lead, notes, note: None, changed: true })
    }

    /// Takes a merge back: the one named, or the newest of the lead.
    pub(super) async fn unmerge(
        &self,
        session: &mut ClientSession,
        into: LeadId,
        id: Option<MergeId>,
        condition: &Precondition,
        by: &By,
    ) -> Result<Written, StoreError> {
        let Stored { lead, revision } = self.live(session, into).await?.ok_or(Denied::NoLead)?;
        condition.check(lead.version).map_err(|_| StoreError::VersionMismatch { present: lead.version })?;
        let mut filter = of_workspace(self.scope);
        filter.insert("intoId", into.to_string());
        if let Some(id) = id {
            filter.insert("_id", id.to_string());
        }
        let found = self.merges.find_one(filter).sort(doc! { "_id": -1 }).session(&mut *session).await?;
        let merge = document::merge(&found.ok_or(Denied::NothingMerged)?)?;
        let mut asked = of_workspace(self.scope);
        asked.insert("mergeId", merge.id.to_string());
        let aside = self.aside(session, asked.clone(), "nth").await?;
        let mut counted = Vec::new();
        for stored in &aside {
            let home = stored.lead.id;
            let back = doc! {
                "$set": { "leadId": home.to_string() },
                "$pull": { "moved": origin(merge.id, home) },
            };
            let (mut notes, mut log) = (self.of_lead(into), self.log_of(into));
            notes.insert("moved", origin(merge.id, home));
            log.insert("moved", origin(merge.id, home));
            let moved = self.notes.update_many(notes, back.clone());
            let moved = moved.hint(document::by_lead()).session(&mut *session).await?;
            let log = self.activity.update_many(log, back);
            log.hint(document::by_lead()).session(&mut *session).await?;
            counted.push((stored.lead.clone(), u32::try_from(moved.modified_count).unwrap_or(u32::MAX)));
        }
        let unmerging = merge::unmerge(&lead, &merge, &counted, by, self.scope.workspace())?;
        let back = unmerging.back.iter().zip(&aside);
        let back: Vec<Document> =
            back.map(|(lead, stored)| document::of_lead(self.scope, lead, stored.revision)).collect();
        self.leads.insert_many(back).session(&mut *session).await?;
        self.merged.delete_many(asked).session(&mut *session).await?;
        self.merges.delete_one(doc! { "_id": merge.id.to_string() }).session(&mut *session).await?;
        self.replace(session, vec![self.replacement(&lead, revision, &unmerging.lead)]).await?;
        self.log(session, &unmerging.events).await?;
        // While the leads were part of the other, answers of that one told of them.
        self.share_answers(session, into, unmerging.back.iter().map(|lead| lead.id)).await?;
        let notes = self.newest_notes(session, into).await?;
        Ok(Written { lead: unmerging.lead, notes, note: None, changed: true })
    }

    async fn aside(
        &self,
        session: &mut ClientSession,
        filter: Document,
        order: &str,
    ) -> Result<Vec<Stored>, StoreError> {
        let mut cursor = self.merged.find(filter).sort(doc! { order: 1 }).session(&mut *session).await?;
        let mut found = Vec::new();
        while let Some(row) = cursor.next(&mut *session).await.transpose()? {
            found.push(document::lead(&row)?);
        }
        Ok(found)
    }

    /// Erases what went into a lead that is erased.
    pub(super) async fn erase_merged(
        &self,
        session: &mut ClientSession,
        into: LeadId,
        by: &By,
    ) -> Result<(), StoreError> {
        let mut waiting = vec![into];
        while let Some(into) = waiting.pop() {
            let mut filter = of_workspace(self.scope);
            filter.insert("intoId", into.to_string());
            let gone: Vec<Lead> = self
                .aside(session, filter.clone(), "_id")
                .await?
                .into_iter()
                .map(|stored| stored.lead)
                .collect();
            for lead in gone {
                if let Some(change) = lead.decide(&Command::Erase, None, by)? {
                    self.forget(session, lead.id).await?;
                    self.log(session, &change.events(self.scope.workspace(), by)).await?;
                }
                waiting.push(lead.id);
            }
            self.merged.delete_many(filter.clone()).session(&mut *session).await?;
            self.merges.delete_many(filter).session(&mut *session).await?;
        }
        Ok(())
    }
}

/// Makes merges from before a time final, at most so many.
pub(super) async fn forget_old(db: &Mongo, before: Millis, limit: usize) -> Result<u64, StoreError> {
    let (merges, merged, activity) = (
        db.collection::<Document>("merges"),
        db.collection::<Document>("merged"),
        db.collection::<Document>("activity"),
    );
    let mut forgotten = 0;
    while forgotten < limit as u64 {
        let old = merges.find_one(doc! { "at": { "$lte": before.0 } }).sort(doc! { "at": 1 });
        let Some(old) = db.run(old).await? else { break };
        let id = old.get("_id").cloned().unwrap_or(Bson::Null);
        let (merges, merged, activity) = (merges.clone(), merged.clone(), activity.clone());
        db.transact(async move |session| {
            let of_merge = doc! { "workspaceId": old.get("workspaceId").cloned().unwrap_or(Bson::Null), "mergeId": id.clone() };
            let mut cursor = merged.find(of_merge.clone()).session(&mut *session).await?;
            let mut gone = Vec::new();
            while let Some(row) = cursor.next(&mut *session).await.transpose()? {
                gone.push(row);
            }
            // What was logged of the leads themselves since they went is the other's history from now on.
            for row in gone {
                let text = |key: &str| row.get(key).cloned().unwrap_or(Bson::Null);
                let own = doc! { "workspaceId": text("workspaceId"), "leadId": text("_id"), "hidden": false };
                activity
                    .update_many(own, doc! { "$set": { "leadId": text("intoId") } })
                    .hint(document::by_lead())
                    .session(&mut *session)
                    .await?;
            }
            merged.delete_many(of_merge).session(&mut *session).await?;
            merges.delete_one(doc! { "_id": id.clone() }).session(&mut *session).await?;
            Ok::<_, StoreError>(())
        })
        .await?;
        forgotten += 1;
    }
    Ok(forgotten)
}
