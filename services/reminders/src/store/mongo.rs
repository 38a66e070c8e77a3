//! The store in MongoDB.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bson::{Binary, Document, doc, spec::BinarySubtype};
use futures::TryStreamExt;
use leadline_bus::Outbox;
use leadline_runtime::{
    caller::Scope,
    ids::{WorkspaceId, time_of, uuid_at},
    once::{self, Once},
    refusal::Refusal,
    stop::Stop,
    time::Millis,
    version::{Precondition, Version},
};
use leadline_storage::{Mongo, StorageError};
use mongodb::{ClientSession, Collection, Database};

use super::{
    Answer, COUNTED, Erasing, Named, Page, Query, Store, StoreError,
    sqlite::{PUBLISHED_KEPT, SWEPT, whole},
};
use crate::{
    event::{self, Due, Encoded, FollowUp},
    reminder::{By, Change, Kind, KnownLead, LeadId, Reminder, ReminderId},
};

mod erase;
mod leads;
mod migrations;
mod outbox;
mod row;

use row::{ORDER, armed, key, lead_key, page_filter, reminder, row};

/// Replicas commit in another order than they make ids: a resumed stream reads so much again.
const OVERLAP: Duration = Duration::from_secs(15);
/// The most events that it reads again.
const MOST_LATE: i64 = 2_000;

/// Reminders in MongoDB.
#[derive(Clone)]
pub(super) struct MongoStore {
    mongo: Mongo,
    tables: Tables,
}

/// The collections. Cheap to clone: transactions own what they use.
#[derive(Clone)]
struct Tables {
    database: Database,
    reminders: Collection<Document>,
    leads: Collection<Document>,
    outbox: Collection<Document>,
    parked: Collection<Document>,
    once: Collection<Document>,
    erased: Collection<Document>,
}

impl MongoStore {
    /// Deletes what matches, so many at once that each call ends in time.
    async fn sweep_of(&self, from: &Collection<Document>, old: Document) -> Result<(), StoreError> {
        loop {
            let found = from.find(old.clone()).projection(doc! { "_id": 1 }).limit(whole(SWEPT));
            let found: Vec<Document> = self.mongo.run(async { found.await?.try_collect().await }).await?;
            let ids: Vec<_> = found.iter().filter_map(|row| row.get("_id").cloned()).collect();
            if !ids.is_empty() {
                self.mongo.run(from.delete_many(doc! { "_id": { "$in": ids } })).await?;
            }
            if found.len() < SWEPT {
                return Ok(());
            }
        }
    }

    pub(super) async fn open(uri: &str, stop: &Stop) -> Result<Self, StorageError> {
        let database = Mongo::database_name(uri, "reminders")?;
        let mongo = Mongo::open(uri, &database, "leadline-reminders").await?;
        let stop = stop.clone();
        mongo.wait_ready(async move { stop.stopping().await }).await?;
        mongo.migrate(migrations::MIGRATIONS).await?;
        let tables = Tables {
            database: mongo.database().clone(),
            reminders: mongo.collection("reminders"),
            leads: mongo.collection("leads"),
            outbox: mongo.collection("outbox"),
            parked: mongo.collection("parked"),
            once: mongo.collection("once"),
            erased: mongo.collection("erased"),
        };
        Ok(Self { mongo, tables })
    }

    /// Gives each reminder its lead's name, with one query for all.
    async fn name(&self, scope: Scope, reminders: Vec<Reminder>) -> Result<Vec<Named>, StoreError> {
        if reminders.is_empty() {
            return Ok(Vec::new());
        }
        let mut leads: Vec<String> =
            reminders.iter().map(|reminder| lead_key(scope, reminder.lead)).collect();
        leads.sort_unstable();
        leads.dedup();
        let rows: Vec<Document> = self
            .mongo
            .run(async {
                self.tables.leads.find(doc! { "_id": { "$in": leads } }).await?.try_collect().await
            })
            .await?;
        let names: std::collections::HashMap<&str, &str> = rows
            .iter()
            .filter_map(|row| Some((row.get_str("_id").ok()?, row.get_str("name").ok()?)))
            .collect();
        Ok(reminders
            .into_iter()
            .map(|reminder| {
                let name = names.get(lead_key(scope, reminder.lead).as_str()).copied().unwrap_or_default();
                Named { lead_name: name.to_owned(), reminder }
            })
            .collect())
    }
}

#[async_trait]
impl Store for MongoStore {
    async fn create(
        &self,
        scope: Scope,
        reminder: Reminder,
        lead: KnownLead,
        by: By,
        once: Option<Once>,
    ) -> Result<Answer, StoreError> {
        let tables = self.tables.clone();
        self.mongo
            .transact(async move |session| {
                if let Some(answer) = tables.replay(session, once.as_ref(), by.at).await? {
                    return Ok(answer);
                }
                tables.know(session, scope, &lead).await?;
                let known = tables.known(session, scope, lead.id).await?;
                let known = known.filter(|known| !known.deleted).ok_or(StoreError::NoLead)?;
                tables.reminders.insert_one(row(scope, &reminder)).session(&mut *session).await?;
                tables.tell(session, scope, Kind::Created, &reminder, &known.name, &by).await?;
                let named = Named { reminder: reminder.clone(), lead_name: known.name };
                tables.answered(session, scope, named, once.as_ref(), by.at).await
            })
            .await
    }

    async fn change(
        &self,
        scope: Scope,
        id: ReminderId,
        condition: Precondition,
        change: Change,
        by: By,
        once: Option<Once>,
    ) -> Result<Answer, StoreError> {
        let tables = self.tables.clone();
        self.mongo
            .transact(async move |session| {
                if let Some(answer) = tables.replay(session, once.as_ref(), by.at).await? {
                    return Ok(answer);
                }
                let mut named = tables.find(session, scope, id).await?.ok_or(StoreError::NotFound)?;
                let before = named.reminder.version;
                condition.check(before)?;
                if let Some(kind) = named.reminder.apply(&change, by.at) {
                    tables.update(session, scope, &named.reminder, before).await?;
                    tables.tell(session, scope, kind, &named.reminder, &named.lead_name, &by).await?;
                }
                tables.answered(session, scope, named, once.as_ref(), by.at).await
            })
            .await
    }

    async fn delete(
        &self,
        scope: Scope,
        id: ReminderId,
        condition: Precondition,
        by: By,
    ) -> Result<(), StoreError> {
        let tables = self.tables.clone();
        self.mongo
            .transact(async move |session| {
                let named = tables.find(session, scope, id).await?.ok_or(StoreError::NotFound)?;
                condition.check(named.reminder.version)?;
                tables.reminders.delete_one(key(scope, id)).session(&mut *session).await?;
                tables.tell(session, scope, Kind::Deleted, &named.reminder, &named.lead_name, &by).await
            })
            .await
    }

    async fn answered(&self, once: &Once, now: Millis) -> Result<Option<Answer>, StoreError> {
        let stored = self.mongo.run(self.tables.once.find_one(of_key(once, now))).await?;
        stored.map(|stored| replayed(once, &stored)).transpose()
    }

    async fn get(&self, scope: Scope, id: ReminderId) -> Result<Option<Named>, StoreError> {
        let mut filter = key(scope, id);
        filter.insert("hidden", false);
        let Some(found) = self.mongo.run(self.tables.reminders.find_one(filter)).await? else {
            return Ok(None);
        };
        Ok(self.name(scope, vec![reminder(&found)?]).await?.pop())
    }

    async fn list(&self, scope: Scope, query: Query) -> Result<Page, StoreError> {
        let limit = i64::try_from(query.limit).unwrap_or(i64::MAX).saturating_add(1);
        let find = self.tables.reminders.find(page_filter(scope, &query)).sort(ORDER()).limit(limit);
        let mut rows: Vec<Document> = self.mongo.run(async { find.await?.try_collect().await }).await?;
        let more = rows.len() > query.limit;
        rows.truncate(query.limit);
        let counted = match more || query.after.is_some() {
            true => self.mongo.count(&row::count(scope, &query)).await?,
            // They are all there are.
            false => rows.len() as u64,
        };
        let reminders = rows.iter().map(reminder).collect::<Result<_, _>>()?;
        let items = self.name(scope, reminders).await?;
        Ok(Page { items, total: counted.min(COUNTED), exact: counted <= COUNTED, more })
    }

    async fn due_after(
        &self,
        scope: Scope,
        event_id: uuid::Uuid,
        limit: usize,
    ) -> Result<Vec<Due>, StoreError> {
        let read = |range: Document, direction: i32, limit: i64| {
            let filter = doc! {
                "workspaceId": scope.workspace().to_string(),
                "key": "reminder.due",
                "_id": range,
            };
            let outbox = self.tables.outbox.clone();
            self.mongo.run(async move {
                let found = outbox.find(filter).sort(doc! { "_id": direction }).limit(limit).await?;
                found.try_collect::<Vec<Document>>().await
            })
        };
        // Each has a limit of its own: what is repeated must not take the place of what is new.
        let from = time_of(event_id).unwrap_or_default().before(OVERLAP);
        let (from, own) = (uuid_at(from).to_string()[..13].to_owned(), event_id.to_string());
        let (late, new) = futures::try_join!(
            read(doc! { "$gte": from, "$lt": &own }, -1, MOST_LATE),
            read(doc! { "$gt": &own }, 1, i64::try_from(limit).unwrap_or(i64::MAX)),
        )?;
        Ok(late
            .iter()
            .rev()
            .chain(&new)
            .filter_map(|row| event::decode_due(row.get_binary_generic("event").ok()?))
            .collect())
    }

    async fn learn(&self, news: Vec<(Scope, KnownLead)>) -> Result<(), StoreError> {
        let tables = self.tables.clone();
        self.mongo.transact(async move |session| tables.learn(session, &news).await).await
    }

    async fn fire(&self, now: Millis, limit: usize) -> Result<usize, StoreError> {
        let due: Vec<Document> = self
            .mongo
            .run(async {
                let limit = i64::try_from(limit).unwrap_or(i64::MAX);
                self.tables
                    .reminders
                    .find(armed(now))
                    .sort(doc! { "dueAt": 1 })
                    .limit(limit)
                    .await?
                    .try_collect()
                    .await
            })
            .await?;
        let mut fired = 0;
        for row in &due {
            let workspace = row.get_str("workspaceId").ok().and_then(|text| WorkspaceId::parse(text).ok());
            let Some(workspace) = workspace else { continue };
            let (scope, id) = (Scope::of_own_row(workspace), reminder(row)?.id);
            let tables = self.tables.clone();
            // One transaction a reminder: of several replicas that see it, one finds it still armed.
            let told = self
                .mongo
                .transact(async move |session| {
                    let mut claim = key(scope, id);
                    claim.extend(armed(now));
                    let claimed = tables
                        .reminders
                        .update_one(claim, vec![doc! { "$set": { "armed": false, "toldDueAt": "$dueAt" } }])
                        .session(&mut *session)
                        .await?;
                    if claimed.modified_count == 0 {
                        return Ok::<_, StoreError>(false);
                    }
                    let Some(named) = tables.find(session, scope, id).await? else { return Ok(false) };
                    let lead = named.reminder.lead;
                    let follow_up = FollowUp {
                        next_due_at: tables.next_due(session, scope, lead).await?,
                        revision: tables.known(session, scope, lead).await?.map_or(0, |known| known.revision),
                    };
                    let by =
                        By { actor: None, at: now, request_id: String::new(), traceparent: String::new() };
                    let event =
                        event::encode(scope, Kind::Due, &named.reminder, &named.lead_name, follow_up, &by);
                    tables.put_event(session, scope, lead, now, &event).await?;
                    Ok(true)
                })
                .await?;
            fired += usize::from(told);
        }
        Ok(fired)
    }

    async fn backfill(
        &self,
        scope: Scope,
        items: Vec<(Reminder, KnownLead)>,
        by: By,
    ) -> Result<(), StoreError> {
        for chunk in items.chunks(200) {
            let (tables, chunk, by) = (self.tables.clone(), chunk.to_vec(), by.clone());
            self.mongo
                .transact(async move |session| {
                    for (reminder, lead) in &chunk {
                        tables.know(session, scope, lead).await?;
                        tables.reminders.insert_one(row(scope, reminder)).session(&mut *session).await?;
                        tables.tell(session, scope, Kind::Created, reminder, &lead.name, &by).await?;
                    }
                    Ok::<_, StoreError>(())
                })
                .await?;
        }
        Ok(())
    }

    async fn mark_erased(&self, scope: Scope, at: Millis) -> Result<(), StoreError> {
        erase::mark(&self.mongo, &self.tables, scope, at).await
    }

    async fn to_erase(&self) -> Result<Vec<(Scope, Millis)>, StoreError> {
        erase::to_erase(&self.mongo, &self.tables).await
    }

    async fn erase_some(&self, scope: Scope, limit: usize) -> Result<Erasing, StoreError> {
        erase::some(&self.mongo, &self.tables, scope, limit).await
    }

    async fn done_erasing(&self, scope: Scope) -> Result<(), StoreError> {
        erase::done(&self.mongo, &self.tables, scope).await
    }

    async fn empty_log(&self) {}

    async fn sweep(&self, now: Millis) -> Result<(), StoreError> {
        let keys = doc! { "at": { "$lt": now.before(once::KEPT).0 } };
        self.sweep_of(&self.tables.once, keys).await?;
        let events = doc! { "published": true, "at": { "$lt": now.before(PUBLISHED_KEPT).0 } };
        self.sweep_of(&self.tables.outbox, events).await
    }

    async fn ping(&self) -> Result<(), StorageError> {
        self.mongo.ping().await
    }

    async fn close(&self) {
        self.mongo.close().await;
    }

    fn outbox(self: Arc<Self>) -> Arc<dyn Outbox> {
        self
    }
}

/// What may stand under a key. One that is past its time may still wait for the sweep.
fn of_key(once: &Once, now: Millis) -> Document {
    doc! { "_id": &once.id, "at": { "$gt": now.before(once::KEPT).0 } }
}

/// What stands under a key, for the same request.
fn replayed(once: &Once, stored: &Document) -> Result<Answer, StoreError> {
    if stored.get_bool("erased").unwrap_or(false) {
        return Err(Refusal::answer_erased().into());
    }
    once.check(stored.get_str("fingerprint").unwrap_or_default())?;
    Ok(Answer::Replayed(stored.get_binary_generic("answer").cloned().unwrap_or_default()))
}

impl Tables {
    async fn find(
        &self,
        session: &mut ClientSession,
        scope: Scope,
        id: ReminderId,
    ) -> Result<Option<Named>, StoreError> {
        let mut filter = key(scope, id);
        filter.insert("hidden", false);
        let Some(found) = self.reminders.find_one(filter).session(&mut *session).await? else {
            return Ok(None);
        };
        let reminder = reminder(&found)?;
        let lead_name =
            self.known(session, scope, reminder.lead).await?.map(|known| known.name).unwrap_or_default();
        Ok(Some(Named { reminder, lead_name }))
    }

    async fn update(
        &self,
        session: &mut ClientSession,
        scope: Scope,
        reminder: &Reminder,
        before: Version,
    ) -> Result<(), StoreError> {
        let mut filter = key(scope, reminder.id);
        filter.insert("version", before.0.cast_signed());
        // Where it is shown, and whether, is for the news of leads to say.
        let mut set = row(scope, reminder);
        for kept in ["_id", "workspaceId", "leadId", "originId", "hidden"] {
            set.remove(kept);
        }
        let written = self.reminders.update_one(filter, doc! { "$set": set }).session(&mut *session).await?;
        if written.matched_count == 1 {
            Ok(())
        } else {
            // The snapshot of this transaction had it: somebody else was faster, and a new try will see theirs.
            Err(StorageError::Contended.into())
        }
    }

    async fn next_due(
        &self,
        session: &mut ClientSession,
        scope: Scope,
        lead: LeadId,
    ) -> Result<Option<Millis>, StoreError> {
        let filter =
            doc! { "workspaceId": scope.workspace().to_string(), "leadId": lead.to_string(), "done": false };
        let first = self.reminders.find_one(filter).sort(ORDER()).session(&mut *session).await?;
        Ok(first.and_then(|row| row.get_i64("dueAt").ok()).map(Millis))
    }

    /// Puts the event of a change into the outbox, with what it makes of the lead's next follow-up.
    async fn tell(
        &self,
        session: &mut ClientSession,
        scope: Scope,
        kind: Kind,
        reminder: &Reminder,
        lead_name: &str,
        by: &By,
    ) -> Result<(), StoreError> {
        self.leads
            .update_one(
                doc! { "_id": lead_key(scope, reminder.lead) },
                doc! { "$inc": { "revision": 1_i64 } },
            )
            .session(&mut *session)
            .await?;
        let revision = self.known(session, scope, reminder.lead).await?.map_or(0, |known| known.revision);
        let follow_up =
            FollowUp { next_due_at: self.next_due(session, scope, reminder.lead).await?, revision };
        let event = event::encode(scope, kind, reminder, lead_name, follow_up, by);
        self.put_event(session, scope, reminder.lead, by.at, &event).await
    }

    async fn put_event(
        &self,
        session: &mut ClientSession,
        scope: Scope,
        lead: LeadId,
        at: Millis,
        event: &Encoded,
    ) -> Result<(), StoreError> {
        self.outbox
            .insert_one(doc! {
                "_id": &event.id,
                "workspaceId": scope.workspace().to_string(),
                "leadId": lead.to_string(),
                "key": event.key,
                "at": at.0,
                "event": binary(&event.bytes),
                "published": false,
            })
            .session(&mut *session)
            .await?;
        Ok(())
    }

    /// The answer that was given before under this key, if there was one.
    async fn replay(
        &self,
        session: &mut ClientSession,
        once: Option<&Once>,
        now: Millis,
    ) -> Result<Option<Answer>, StoreError> {
        let Some(once) = once else { return Ok(None) };
        let stored = self.once.find_one(of_key(once, now)).session(&mut *session).await?;
        stored.map(|stored| replayed(once, &stored)).transpose()
    }

    async fn answered(
        &self,
        session: &mut ClientSession,
        scope: Scope,
        named: Named,
        once: Option<&Once>,
        at: Millis,
    ) -> Result<Answer, StoreError> {
        use prost::Message as _;
        if let Some(once) = once {
            let answer = event::message(&named.reminder, &named.lead_name).encode_to_vec();
            // It tells of the lead that shows the reminder, and of its own.
            let id = doc! { "_id": named.reminder.id.to_string() };
            let own = self.reminders.find_one(id).session(&mut *session).await?;
            let own = own.as_ref().and_then(|row| row.get_str("originId").ok());
            let shown = named.reminder.lead.to_string();
            let leads: Vec<&str> =
                [Some(shown.as_str()), own.filter(|own| *own != shown)].into_iter().flatten().collect();
            let row = doc! {
                "workspaceId": scope.workspace().to_string(),
                "leads": leads,
                "fingerprint": &once.fingerprint,
                "answer": binary(&answer),
                "at": at.0,
            };
            // In place of one that is past its time.
            let key = doc! { "_id": &once.id };
            self.once.replace_one(key, row).upsert(true).session(&mut *session).await?;
        }
        Ok(Answer::Fresh(named))
    }
}

fn binary(bytes: &[u8]) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() }
}

#[cfg(test)]
mod tests {
    use leadline_runtime::ids::UserId;
    use leadline_storage::mongo::plan_stages;

    use super::*;
    use crate::store::Position;

    #[tokio::test]
    async fn no_query_scans_the_collection() -> anyhow::Result<()> {
        let server = leadline_testbed::mongo().await?;
        let store = MongoStore::open(&server.fresh_uri(), &Stop::new()).await?;
        let scope = Scope::of_own_row(WorkspaceId::new());
        let after = Some(Position { due_at: Millis(1), id: ReminderId::new() });
        let mut queries =
            vec![doc! { "find": "reminders", "filter": armed(Millis(1)), "sort": { "dueAt": 1 } }];
        for lead in [None, Some(LeadId::new())] {
            for assignee in [None, Some(UserId::new())] {
                for pending in [None, Some(true)] {
                    for (due_from, after) in [(None, None), (Some(Millis(1)), after)] {
                        let query =
                            Query { due_from, due_to: due_from, pending, lead, assignee, after, limit: 50 };
                        queries.push(
                            doc! { "find": "reminders", "filter": page_filter(scope, &query), "sort": ORDER() },
                        );
                        queries.push(row::count(scope, &query).command());
                    }
                }
            }
        }
        queries.push(doc! { "find": "reminders", "filter": row::own(scope, "x") });
        queries.push(doc! { "find": "leads", "filter": { "workspaceId": "w", "mergedInto": "x" } });
        queries.push(doc! { "find": "outbox", "filter": { "published": false }, "sort": { "_id": 1 } });
        let told = |of: &str| doc! { "find": of, "filter": leads::told(scope, of, LeadId::new()), "hint": "by_lead" };
        queries.extend([told("once"), told("outbox")]);
        for query in queries {
            let stages = plan_stages(&store.mongo.explain(query.clone()).await?);
            assert!(!stages.iter().any(|stage| stage.contains("COLLSCAN")), "{stages:?}: {query}");
            assert!(
                stages.iter().any(|stage| stage.contains("IXSCAN") || stage.contains("COUNT_SCAN")),
                "{stages:?}: {query}"
            );
        }
        store.close().await;
        Ok(())
    }
}
