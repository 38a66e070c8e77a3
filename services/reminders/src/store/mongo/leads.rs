//! What is known of leads, and which of them shows whose reminders: a lead's own go with it where it is merged.

use std::collections::{HashMap, HashSet};

use bson::{Document, doc};
use leadline_runtime::{caller::Scope, time::Millis};
use leadline_storage::StorageError;
use mongodb::{ClientSession, options::Hint};

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

impl Known {
    fn of(row: &Document) -> Self {
        Self {
            name: row.get_str("name").unwrap_or_default().to_owned(),
            version: row.get_i64("version").unwrap_or(0),
            deleted: row.get_bool("deleted").unwrap_or(false),
            revision: row.get_i64("revision").unwrap_or(0).cast_unsigned(),
            merged_into: row.get_str("mergedInto").ok().and_then(|id| LeadId::parse(id).ok()),
        }
    }

    fn is_older(&self, news: &KnownLead) -> bool {
        self.version < news.version.cast_signed()
    }

    fn is_moved_by(&self, news: &KnownLead) -> bool {
        self.deleted != news.deleted || self.merged_into != news.merged_into
    }
}

/// What is written of a lead.
fn row_of(scope: Scope, lead: &KnownLead) -> Document {
    // An erased lead leaves its watermark, and nothing about the person.
    let name = if lead.erased { "" } else { lead.name.as_str() };
    doc! {
        "workspaceId": scope.workspace().to_string(),
        "version": lead.version.cast_signed(),
        "name": name,
        "deleted": lead.deleted,
        "mergedInto": lead.merged_into.map(|into| into.to_string()),
    }
}

/// News of a lead that may be known.
fn news_of(scope: Scope, lead: &KnownLead) -> Document {
    doc! { "$set": row_of(scope, lead), "$setOnInsert": { "revision": 0_i64 } }
}

/// The answers, or events, that tell of a lead.
pub(super) fn told(scope: Scope, collection: &str, lead: LeadId) -> Document {
    let key = if collection == "once" { "leads" } else { "leadId" };
    doc! { "workspaceId": scope.workspace().to_string(), key: lead.to_string() }
}

fn by_lead() -> Hint {
    Hint::Name("by_lead".to_owned())
}

fn by_id() -> Hint {
    Hint::Name("_id_".to_owned())
}

impl Tables {
    pub(super) async fn known(
        &self,
        session: &mut ClientSession,
        scope: Scope,
        lead: LeadId,
    ) -> Result<Option<Known>, StoreError> {
        let found = self.leads.find_one(doc! { "_id": lead_key(scope, lead) }).session(&mut *session).await?;
        Ok(found.as_ref().map(Known::of))
    }

    /// Takes in news of many leads. Those that move no reminder, as nearly all do, cost a few commands together: an import
    /// tells of thousands.
    pub(super) async fn learn(
        &self,
        session: &mut ClientSession,
        news: &[(Scope, KnownLead)],
    ) -> Result<(), StoreError> {
        let erased = self.erased_among(session, news.iter().map(|(scope, _)| *scope)).await?;
        let mut newest: HashMap<String, &(Scope, KnownLead)> = HashMap::new();
        for told in news {
            let (scope, lead) = told;
            // Late news of an erased workspace bring nothing back.
            if erased.contains(scope) {
                continue;
            }
            let known = newest.entry(lead_key(*scope, lead.id)).or_insert(told);
            if known.1.version < lead.version {
                *known = told;
            }
        }
        let keys: Vec<&String> = newest.keys().collect();
        let mut before = HashMap::new();
        let mut cursor =
            self.leads.find(doc! { "_id": { "$in": keys } }).hint(by_id()).session(&mut *session).await?;
        while let Some(row) = cursor.next(&mut *session).await.transpose()? {
            before.insert(row.get_str("_id").unwrap_or_default().to_owned(), Known::of(&row));
        }
        newest.retain(|key, (_, lead)| before.get(key).is_none_or(|known| known.is_older(lead)));
        let unknown: Vec<&(Scope, KnownLead)> =
            newest.iter().filter(|(key, _)| !before.contains_key(*key)).map(|(_, told)| *told).collect();
        let awaited = self.awaited(session, &unknown).await?;
        let (mut new, mut plain, mut moving) = (Vec::new(), Vec::new(), Vec::new());
        for (key, told) in newest {
            let (scope, lead) = told;
            let moves = match before.get(&key) {
                Some(known) => known.is_moved_by(lead),
                None => lead.merged_into.is_some() || awaited.contains(&key),
            };
            match moves || lead.erased {
                true => moving.push(told),
                false if before.contains_key(&key) => {
                    plain.push(doc! { "q": { "_id": key }, "u": news_of(*scope, lead) });
                }
                false => {
                    let mut row = doc! { "_id": key, "revision": 0_i64 };
                    row.extend(row_of(*scope, lead));
                    new.push(row);
                }
            }
        }
        // If somebody else tells of one at the same time, one of both is turned away, and tries again.
        if !new.is_empty() {
            self.leads.insert_many(new).session(&mut *session).await?;
        }
        if !plain.is_empty() {
            let count = plain.len();
            let command = doc! { "update": self.leads.name(), "updates": plain };
            let done = self.database.run_command(command).session(&mut *session).await?;
            if done.contains_key("writeErrors") {
                return Err(
                    StorageError::Internal(format!("news of {count} leads were not all taken in")).into()
                );
            }
        }
        for (scope, lead) in moving {
            self.know(session, *scope, lead).await?;
        }
        Ok(())
    }

    /// The keys of those unknown leads that have reminders already, or into which others went.
    async fn awaited(
        &self,
        session: &mut ClientSession,
        unknown: &[&(Scope, KnownLead)],
    ) -> Result<HashSet<String>, StoreError> {
        let mut by_workspace: HashMap<Scope, Vec<String>> = HashMap::new();
        for (scope, lead) in unknown {
            by_workspace.entry(*scope).or_default().push(lead.id.to_string());
        }
        let mut awaited = HashSet::new();
        for (scope, leads) in by_workspace {
            let workspace = scope.workspace().to_string();
            for (rows, field, index) in
                [(&self.reminders, "originId", "by_origin"), (&self.leads, "mergedInto", "by_merged")]
            {
                let filter = doc! { "workspaceId": &workspace, field: { "$in": &leads } };
                let found = rows.find(filter).projection(doc! { "_id": 0, field: 1 });
                let mut cursor = found.hint(Hint::Name(index.to_owned())).session(&mut *session).await?;
                while let Some(row) = cursor.next(&mut *session).await.transpose()? {
                    awaited.insert(format!("{workspace}/{}", row.get_str(field).unwrap_or_default()));
                }
            }
        }
        Ok(awaited)
    }

    /// Takes in news of a lead, unless something newer is known.
    pub(super) async fn know(
        &self,
        session: &mut ClientSession,
        scope: Scope,
        lead: &KnownLead,
    ) -> Result<(), StoreError> {
        let before = self.known(session, scope, lead.id).await?;
        if before.as_ref().is_some_and(|before| !before.is_older(lead)) {
            return Ok(());
        }
        self.leads
            .update_one(doc! { "_id": lead_key(scope, lead.id) }, news_of(scope, lead))
            .upsert(true)
            .session(&mut *session)
            .await?;
        let of_lead = doc! { "workspaceId": scope.workspace().to_string(), "leadId": lead.id.to_string() };
        if lead.erased {
            self.reminders.delete_many(of_lead).session(&mut *session).await?;
            self.reminders.delete_many(own(scope, &lead.id.to_string())).session(&mut *session).await?;
            self.forget(session, scope, lead.id).await?;
        } else if before.is_none_or(|before| before.is_moved_by(lead)) {
            self.settle(session, scope, lead.id).await?;
        }
        Ok(())
    }

    /// Takes away what is told of a lead that is erased.
    async fn forget(
        &self,
        session: &mut ClientSession,
        scope: Scope,
        lead: LeadId,
    ) -> Result<(), StoreError> {
        // The key stays, so that it makes nothing a second time.
        let nothing = bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: Vec::new() };
        let empty = doc! { "$set": { "fingerprint": "", "answer": nothing, "erased": true } };
        let answers = self.once.update_many(told(scope, "once", lead), empty);
        answers.hint(by_lead()).session(&mut *session).await?;
        // What waits to be published goes once it is: the relay counts on finding again what some consumers have handled and
        // others not.
        let mut published = told(scope, "outbox", lead);
        published.insert("published", true);
        self.outbox.delete_many(published).hint(by_lead()).session(&mut *session).await?;
        let goes = doc! { "$set": { "erased": true } };
        let waits = self.outbox.update_many(told(scope, "outbox", lead), goes);
        waits.hint(by_lead()).session(&mut *session).await?;
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
