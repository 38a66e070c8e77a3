//! What is known of leads, and which of them shows whose reminders: a lead's own go with it where it is merged.

use bson::doc;
use leadline_runtime::{caller::Scope, time::Millis};
use mongodb::ClientSession;

use super::{
    StoreError, Tables,
    row::{lead_key, own, reminder},
};
use crate::reminder::{By, Kind, KnownLead, LeadId, Reminder};

/// What is known of a lead.
pub(super) struct Known {
    pub(super) name: String,
    version: i64,
    pub(super) deleted: bool,
    pub(super) revision: u64,
    merged_into: Option<LeadId>,
}

impl Tables {
    pub(super) async fn known(
        &self,
        session: &mut ClientSession,
        scope: Scope,
        lead: LeadId,
    ) -> Result<Option<Known>, StoreError> {
        let found = self.leads.find_one(doc! { "_id": lead_key(scope, lead) }).session(&mut *session).await?;
        Ok(found.map(|row| Known {
            name: row.get_str("name").unwrap_or_default().to_owned(),
            version: row.get_i64("version").unwrap_or(0),
            deleted: row.get_bool("deleted").unwrap_or(false),
            revision: row.get_i64("revision").unwrap_or(0).cast_unsigned(),
            merged_into: row.get_str("mergedInto").ok().and_then(|id| LeadId::parse(id).ok()),
        }))
    }

    /// Takes in news of a lead, unless something newer is known.
    pub(super) async fn know(
        &self,
        session: &mut ClientSession,
        scope: Scope,
        lead: &KnownLead,
    ) -> Result<(), StoreError> {
        let before = self.known(session, scope, lead.id).await?;
        let version = lead.version.cast_signed();
        if before.as_ref().is_some_and(|before| before.version >= version) {
            return Ok(());
        }
        // An erased lead leaves its watermark, and nothing about the person.
        let name = if lead.erased { "" } else { lead.name.as_str() };
        self.leads
            .update_one(
                doc! { "_id": lead_key(scope, lead.id) },
                doc! {
                    "$set": {
                        "workspaceId": scope.workspace().to_string(),
                        "version": version,
                        "name": name,
                        "deleted": lead.deleted,
                        "mergedInto": lead.merged_into.map(|into| into.to_string()),
                    },
                    "$setOnInsert": { "revision": 0_i64 },
                },
            )
            .upsert(true)
            .session(&mut *session)
            .await?;
        let of_lead = doc! { "workspaceId": scope.workspace().to_string(), "leadId": lead.id.to_string() };
        if lead.erased {
            self.reminders.delete_many(of_lead).session(&mut *session).await?;
            self.reminders.delete_many(own(scope, &lead.id.to_string())).session(&mut *session).await?;
        } else if before
            .is_none_or(|before| before.deleted != lead.deleted || before.merged_into != lead.merged_into)
        {
            self.settle(session, scope, lead.id).await?;
        }
        Ok(())
    }

    /// The lead that shows a lead's reminders: itself, or where it went, however far.
    async fn shown_by(
        &self,
        session: &mut ClientSession,
        scope: Scope,
        lead: LeadId,
    ) -> Result<LeadId, StoreError> {
        let mut seen = vec![lead];
        let mut at = lead;
        while let Some(into) = self.known(session, scope, at).await?.and_then(|known| known.merged_into) {
            at = into;
            if seen.contains(&at) {
                break;
            }
            seen.push(at);
        }
        Ok(at)
    }

    /// A lead, and all that went into it, however far.
    async fn under(
        &self,
        session: &mut ClientSession,
        scope: Scope,
        lead: LeadId,
    ) -> Result<Vec<String>, StoreError> {
        let mut all = vec![lead.to_string()];
        let mut next = 0;
        while let Some(into) = all.get(next).cloned() {
            next += 1;
            let went = doc! { "workspaceId": scope.workspace().to_string(), "mergedInto": into };
            let mut cursor = self.leads.find(went).session(&mut *session).await?;
            while let Some(row) = cursor.next(&mut *session).await.transpose()? {
                let id = row.get_str("_id").ok().and_then(|key| key.rsplit('/').next()).unwrap_or_default();
                if !all.iter().any(|known| known == id) {
                    all.push(id.to_owned());
                }
            }
        }
        Ok(all)
    }

    /// Puts the reminders of a lead, and of those that went into it, where they belong, and tells of the leads concerned.
    async fn settle(
        &self,
        session: &mut ClientSession,
        scope: Scope,
        lead: LeadId,
    ) -> Result<(), StoreError> {
        let root = self.shown_by(session, scope, lead).await?;
        // It may be told of later; its reminders can be counted already.
        let placeholder = doc! {
            "workspaceId": scope.workspace().to_string(), "version": 0_i64, "name": "", "deleted": true,
            "revision": 0_i64,
        };
        self.leads
            .update_one(doc! { "_id": lead_key(scope, root) }, doc! { "$setOnInsert": placeholder })
            .upsert(true)
            .session(&mut *session)
            .await?;
        let hidden = self.known(session, scope, root).await?.is_none_or(|known| known.deleted);
        let mut moved: Vec<Reminder> = Vec::new();
        for origin in self.under(session, scope, lead).await? {
            let first = self.reminders.find_one(own(scope, &origin)).session(&mut *session).await?;
            let Some(first) = first else { continue };
            let first = reminder(&first)?;
            let set = doc! { "$set": { "leadId": root.to_string(), "hidden": hidden } };
            self.reminders.update_many(own(scope, &origin), set).session(&mut *session).await?;
            if first.lead != root {
                for of in [first.lead, root] {
                    if !moved.iter().any(|told| told.lead == of) {
                        moved.push(Reminder { lead: of, ..first.clone() });
                    }
                }
            }
        }
        let by = By { actor: None, at: Millis::now(), request_id: String::new(), traceparent: String::new() };
        for reminder in moved {
            let name = self.known(session, scope, reminder.lead).await?.map(|known| known.name);
            self.tell(session, scope, Kind::Moved, &reminder, &name.unwrap_or_default(), &by).await?;
        }
        Ok(())
    }
}
