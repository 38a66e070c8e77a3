//! Figures in a MongoDB database.
//!
//! Every `_id` begins with the workspace and the generation (`workspace/generation/…`), so that the rows of one are a range of
//! the index that MongoDB keeps anyway; `workspaceId` stands beside it for sharding.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
};

use async_trait::async_trait;
use bson::{Bson, Document, doc, spec::BinarySubtype};
use futures::TryStreamExt;
use leadline_runtime::{caller::Scope, ids::WorkspaceId, time::Millis};
use leadline_storage::{Mongo, MongoMigration, StorageError, mongo as schema};
use mongodb::{ClientSession, Collection, Database, IndexModel, options::IndexOptions};

use super::{Applied, Building, STEP, Store, StoreError, differences};
use crate::{
    counts::{Counted, Need, Span, Tally},
    day::{Change, Day, Delta, Page, Slot, Sparse},
    lead::{Facts, LeadId, Moment, Snapshot, Source, Status},
};

const MIGRATIONS: &[MongoMigration] =
    &[MongoMigration { name: "0001 figures", run: |db| Box::pin(figures(db)) }];

async fn figures(db: &Database) -> Result<(), StorageError> {
    let long = doc! { "bsonType": "long" };
    schema::ensure_collection(
        db,
        "workspaces",
        doc! { "$jsonSchema": {
            "bsonType": "object",
            "required": ["_id", "live", "newest", "revision"],
            "additionalProperties": false,
            "properties": {
                "_id": { "bsonType": "string" },
                "live": &long,
                "building": &long,
                "newest": &long,
                "touchedAt": &long,
                "asOf": &long,
                "revision": &long,
            },
        } },
    )
    .await?;
    schema::ensure_collection(
        db,
        "leads",
        doc! { "$jsonSchema": {
            "bsonType": "object",
            "required": ["_id", "workspaceId", "generation", "version"],
            "additionalProperties": false,
            "properties": {
                "_id": { "bsonType": "string" },
                "workspaceId": { "bsonType": "string" },
                "generation": &long,
                "version": &long,
                "status": { "bsonType": "int", "minimum": 1, "maximum": 5 },
                "source": { "bsonType": "int", "minimum": 1, "maximum": 4 },
                "createdAt": &long,
                "reached": {
                    "bsonType": "array", "minItems": 4, "maxItems": 4,
                    "items": { "bsonType": ["long", "null"] },
                },
                "contactedAt": &long,
                "qualifiedAt": &long,
                "convertedAt": &long,
                "lostAt": &long,
            },
            // A deleted lead keeps its version only.
            "dependencies": { "status": ["source", "createdAt", "reached"], "createdAt": ["status"] },
        } },
    )
    .await?;
    schema::ensure_collection(
        db,
        "pages",
        doc! { "$jsonSchema": {
            "bsonType": "object",
            "required": ["_id", "workspaceId", "sum", "counts", "times"],
            "additionalProperties": false,
            "properties": {
                "_id": { "bsonType": "string" },
                "workspaceId": { "bsonType": "string" },
                "sum": { "bsonType": "binData" },
                "counts": { "bsonType": "binData" },
                "times": { "bsonType": "binData" },
            },
        } },
    )
    .await?;
    schema::ensure_collection(
        db,
        "discarded",
        doc! { "$jsonSchema": {
            "bsonType": "object",
            "required": ["_id"],
            "additionalProperties": false,
            "properties": { "_id": { "bsonType": "string" } },
        } },
    )
    .await?;
    for moment in [Moment::Created].into_iter().chain(Moment::ENTERED) {
        let (name, field) = (index_of(moment), field_of(moment));
        let options = IndexOptions::builder()
            .name(name.to_owned())
            .partial_filter_expression(doc! { field: { "$exists": true } })
            .build();
        let keys = doc! { "workspaceId": 1, "generation": 1, field: 1 };
        let index = IndexModel::builder().keys(keys).options(options).build();
        schema::ensure_index(db, "leads", index).await?;
    }
    // Asked by the task that gives up dead rebuilds, which works across workspaces.
    let touched = IndexOptions::builder()
        .name("by_touch".to_owned())
        .partial_filter_expression(doc! { "touchedAt": { "$exists": true } })
        .build();
    let index = IndexModel::builder().keys(doc! { "touchedAt": 1 }).options(touched).build();
    schema::ensure_index(db, "workspaces", index).await
}

fn field_of(moment: Moment) -> &'static str {
    match moment {
        Moment::Created => "createdAt",
        Moment::Contacted => "contactedAt",
        Moment::Qualified => "qualifiedAt",
        Moment::Converted => "convertedAt",
        Moment::Lost => "lostAt",
    }
}

fn index_of(moment: Moment) -> &'static str {
    match moment {
        Moment::Created => "by_created",
        Moment::Contacted => "by_contacted",
        Moment::Qualified => "by_qualified",
        Moment::Converted => "by_converted",
        Moment::Lost => "by_lost",
    }
}

/// A MongoDB database with figures.
pub(super) struct MongoStore {
    mongo: Mongo,
    rows: Rows,
}

impl MongoStore {
    pub(super) async fn open(
        uri: &str,
        stopping: impl Future<Output = ()> + Send,
    ) -> Result<Self, StorageError> {
        let database = Mongo::database_name(uri, "analytics")?;
        let mongo = Mongo::open(uri, &database, "leadline-analytics").await?;
        mongo.wait_ready(stopping).await?;
        mongo.migrate(MIGRATIONS).await?;
        let rows = Rows {
            workspaces: mongo.collection("workspaces"),
            leads: mongo.collection("leads"),
            pages: mongo.collection("pages"),
            discarded: mongo.collection("discarded"),
        };
        Ok(Self { mongo, rows })
    }

    /// Sees to it that the workspace has a row to take hold of. Outside of transactions: two that insert it at once would
    /// hinder each other.
    async fn ensure(&self, scope: Scope) -> Result<(), StoreError> {
        let id = scope.workspace().to_string();
        let fresh = doc! { "$setOnInsert": { "live": 1_i64, "newest": 1_i64, "revision": 0_i64 } };
        let upsert = self.rows.workspaces.update_one(doc! { "_id": id }, fresh).upsert(true);
        match self.mongo.run(upsert).await {
            Ok(_) | Err(StorageError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// A workspace's generations.
#[derive(Clone, Copy)]
struct State {
    live: i64,
    building: Option<i64>,
    newest: i64,
    as_of: Option<Millis>,
}

impl State {
    fn of(document: &Document) -> Self {
        let number = |name: &str| document.get_i64(name).ok();
        Self {
            live: number("live").unwrap_or(1),
            building: number("building"),
            newest: number("newest").unwrap_or(1),
            as_of: number("asOf").map(Millis),
        }
    }
}

/// The collections; a clone of it moves into each transaction.
#[derive(Clone)]
struct Rows {
    workspaces: Collection<Document>,
    leads: Collection<Document>,
    pages: Collection<Document>,
    discarded: Collection<Document>,
}

/// One workspace's figures of one generation.
#[derive(Clone, Copy)]
struct Generation {
    scope: Scope,
    number: i64,
}

impl Generation {
    /// What every `_id` of it begins with.
    fn prefix(self) -> String {
        format!("{}/{}/", self.scope.workspace(), self.number)
    }

    fn lead_id(self, lead: LeadId) -> String {
        format!("{}{lead}", self.prefix())
    }

    /// Days sort as text: `0719162…` counted from the first day of the calendar.
    fn page_id(self, slot: Slot) -> String {
        match slot {
            Slot::All => format!("{}all", self.prefix()),
            Slot::Day(day) => format!("{}{:07}", self.prefix(), day.number() - Day::FIRST.number()),
        }
    }

    /// All ids of it.
    fn ids(self) -> Document {
        ids_with(&self.prefix())
    }

    /// The documents with these ids, on the shard of the workspace.
    fn those(self, ids: impl Into<Bson>) -> Document {
        doc! { "_id": ids, "workspaceId": self.scope.workspace().to_string() }
    }
}

/// All ids that begin with `prefix`, which ends in a slash: the character after it is a zero.
fn ids_with(prefix: &str) -> Document {
    doc! { "$gte": prefix, "$lt": format!("{}0", prefix.trim_end_matches('/')) }
}

fn slot_of(id: &str) -> Option<Slot> {
    match id.rsplit_once('/')?.1 {
        "all" => Some(Slot::All),
        number => {
            let number: i32 = number.parse().ok()?;
            Day::from_number(number + Day::FIRST.number()).map(Slot::Day)
        }
    }
}

impl Rows {
    /// Takes hold of a workspace for a transaction and gives its state as it was: two transactions that do so can't both
    /// be committed unless one saw the other's work.
    async fn hold(
        &self,
        session: &mut ClientSession,
        scope: Scope,
        and_set: Document,
    ) -> Result<Option<State>, StoreError> {
        let mut change = doc! { "$inc": { "revision": 1_i64 } };
        change.extend(and_set);
        let id = doc! { "_id": scope.workspace().to_string() };
        let held = self.workspaces.find_one_and_update(id, change).session(&mut *session).await?;
        Ok(held.as_ref().map(State::of))
    }

    /// Takes hold of a workspace whose rebuild goes on.
    async fn hold_building(
        &self,
        session: &mut ClientSession,
        building: Building,
    ) -> Result<State, StoreError> {
        let touch = doc! { "$set": { "touchedAt": Millis::now().0 } };
        let state = self.hold(session, building.scope, touch).await?;
        state.filter(|state| state.building == Some(building.generation)).ok_or(StoreError::Superseded)
    }

    async fn discard(&self, session: &mut ClientSession, generation: Generation) -> Result<(), StoreError> {
        let id = generation.prefix();
        let discarded = self.discarded.update_one(doc! { "_id": &id }, doc! { "$set": { "_id": &id } });
        discarded.upsert(true).session(&mut *session).await?;
        Ok(())
    }

    /// Takes snapshots into a generation; gives the difference that is to be counted.
    async fn take(
        &self,
        session: &mut ClientSession,
        generation: Generation,
        snapshots: &[Snapshot],
    ) -> Result<Delta, StoreError> {
        let ids: Vec<String> = snapshots.iter().map(|snapshot| generation.lead_id(snapshot.lead)).collect();
        let mut known: HashMap<String, (u64, Option<Facts>)> = HashMap::new();
        let mut found =
            self.leads.find(generation.those(doc! { "$in": &ids })).session(&mut *session).await?;
        while let Some(row) = found.next(&mut *session).await.transpose()? {
            known.insert(row.get_str("_id").unwrap_or_default().to_owned(), (version(&row), facts(&row)));
        }
        let mut delta = Delta::default();
        let (mut replaced, mut rows) = (Vec::new(), Vec::new());
        for (id, snapshot) in ids.into_iter().zip(snapshots) {
            let old = match known.get(&id) {
                Some((version, _)) if *version >= snapshot.version => continue,
                Some((_, facts)) => {
                    replaced.push(id.clone());
                    facts.as_ref()
                }
                None => None,
            };
            delta.change(old, snapshot.facts.as_ref());
            rows.push(row(id, generation, snapshot));
        }
        if !replaced.is_empty() {
            self.leads.delete_many(generation.those(doc! { "$in": replaced })).session(&mut *session).await?;
        }
        if !rows.is_empty() {
            self.leads.insert_many(rows).session(&mut *session).await?;
        }
        Ok(delta)
    }

    /// Adds a difference to the pages. True: there was one.
    async fn count(
        &self,
        session: &mut ClientSession,
        generation: Generation,
        changes: &BTreeMap<Slot, Change>,
    ) -> Result<bool, StoreError> {
        if changes.is_empty() {
            return Ok(false);
        }
        let ids: Vec<String> = changes.keys().map(|slot| generation.page_id(*slot)).collect();
        let mut known: HashMap<String, Page> = HashMap::new();
        let mut found =
            self.pages.find(generation.those(doc! { "$in": &ids })).session(&mut *session).await?;
        while let Some(row) = found.next(&mut *session).await.transpose()? {
            known.insert(row.get_str("_id").unwrap_or_default().to_owned(), page(&row)?);
        }
        let replaced: Vec<&String> = known.keys().collect();
        if !replaced.is_empty() {
            self.pages.delete_many(generation.those(doc! { "$in": replaced })).session(&mut *session).await?;
        }
        let pages: Vec<Document> = ids
            .into_iter()
            .zip(changes.values())
            .map(|(id, change)| {
                let page =
                    known.get(&id).map_or_else(|| Page::default().plus(change), |page| page.plus(change));
                (id, page)
            })
            .filter(|(_, page)| !page.is_empty())
            .map(|(id, page)| {
                doc! {
                    "_id": id,
                    "workspaceId": generation.scope.workspace().to_string(),
                    "sum": binary(&page.sum),
                    "counts": binary(&page.counts),
                    "times": binary(&page.times),
                }
            })
            .collect();
        if !pages.is_empty() {
            self.pages.insert_many(pages).session(&mut *session).await?;
        }
        Ok(true)
    }

    /// One field of some pages.
    async fn pages(
        &self,
        session: &mut ClientSession,
        generation: Generation,
        ids: Document,
        field: &str,
    ) -> Result<BTreeMap<Day, Sparse>, StoreError> {
        let mut pages = BTreeMap::new();
        let found = self.pages.find(generation.those(ids)).projection(doc! { field: 1 });
        let mut found = found.session(&mut *session).await?;
        while let Some(row) = found.next(&mut *session).await.transpose()? {
            if let Some(Slot::Day(day)) = slot_of(row.get_str("_id").unwrap_or_default()) {
                pages.insert(day, sparse(&row, field)?);
            }
        }
        Ok(pages)
    }

    async fn tally(
        &self,
        session: &mut ClientSession,
        scope: Scope,
        need: &Need,
    ) -> Result<Tally, StoreError> {
        let mut tally = Tally::default();
        let id = doc! { "_id": scope.workspace().to_string() };
        let Some(state) = self.workspaces.find_one(id).session(&mut *session).await? else {
            return Ok(tally);
        };
        let state = State::of(&state);
        let live = Generation { scope, number: state.live };
        tally.as_of = state.as_of;
        if need.all {
            if let Some(row) =
                self.pages.find_one(live.those(live.page_id(Slot::All))).session(&mut *session).await?
            {
                tally.all = page(&row)?;
            }
        }
        if let Some(days) = &need.sums {
            tally.sums = self.pages(session, live, page_ids(live, days), "sum").await?;
        }
        if !need.cut.is_empty() {
            let ids: Vec<String> = need.cut.iter().map(|day| live.page_id(Slot::Day(*day))).collect();
            tally.cut = self.pages(session, live, doc! { "$in": ids }, "counts").await?;
        }
        if let Some(days) = &need.times {
            tally.times = self.pages(session, live, page_ids(live, days), "times").await?;
        }
        for (moment, span) in &need.moments {
            let counted =
                self.leads.count_documents(within(live, *moment, *span)).session(&mut *session).await?;
            tally.moments.insert((*moment, *span), counted);
        }
        for span in &need.cohorts {
            let mut counted = Counted::default();
            let mut found =
                self.leads.find(within(live, Moment::Created, *span)).session(&mut *session).await?;
            while let Some(row) = found.next(&mut *session).await.transpose()? {
                facts(&row).iter().for_each(|facts| counted.add(facts));
            }
            tally.cohorts.insert(*span, counted);
        }
        Ok(tally)
    }

    /// Enters leads that only the live generation knows into a new one as deleted; up to [`STEP`] leads after `after`.
    /// Gives the last one looked at, if there may be more.
    async fn bury(
        &self,
        session: &mut ClientSession,
        live: Generation,
        building: Generation,
        after: Option<&str>,
    ) -> Result<Option<String>, StoreError> {
        let mut ids = live.ids();
        if let Some(after) = after {
            ids.remove("$gte");
            ids.insert("$gt", after);
        }
        let limit = i64::try_from(STEP).unwrap_or(i64::MAX);
        let found = self.leads.find(live.those(ids)).sort(doc! { "_id": 1 }).limit(limit);
        let mut found = found.projection(doc! { "version": 1 }).session(&mut *session).await?;
        let mut old: Vec<(String, u64)> = Vec::new();
        while let Some(row) = found.next(&mut *session).await.transpose()? {
            old.push((row.get_str("_id").unwrap_or_default().to_owned(), version(&row)));
        }
        let lead = |id: &str| id.rsplit_once('/').map_or("", |(_, lead)| lead).to_owned();
        let ids: Vec<String> =
            old.iter().map(|(id, _)| format!("{}{}", building.prefix(), lead(id))).collect();
        let mut known = std::collections::HashSet::new();
        let found = self.leads.find(building.those(doc! { "$in": &ids })).projection(doc! { "_id": 1 });
        let mut found = found.session(&mut *session).await?;
        while let Some(row) = found.next(&mut *session).await.transpose()? {
            known.insert(row.get_str("_id").unwrap_or_default().to_owned());
        }
        let buried: Vec<Document> = ids
            .into_iter()
            .zip(&old)
            .filter(|(id, _)| !known.contains(id))
            .map(|(id, (_, version))| {
                doc! {
                    "_id": id,
                    "workspaceId": building.scope.workspace().to_string(),
                    "generation": building.number,
                    "version": version.cast_signed(),
                }
            })
            .collect();
        if !buried.is_empty() {
            self.leads.insert_many(buried).session(&mut *session).await?;
        }
        let full = old.len() >= STEP;
        Ok(old.pop().map(|(id, _)| id).filter(|_| full))
    }
}

fn page_ids(generation: Generation, days: &Range<Day>) -> Document {
    doc! { "$gte": generation.page_id(Slot::Day(days.start)), "$lt": generation.page_id(Slot::Day(days.end)) }
}

/// The leads of a generation that had a moment in a span.
fn within(generation: Generation, moment: Moment, span: Span) -> Document {
    doc! {
        "workspaceId": generation.scope.workspace().to_string(),
        "generation": generation.number,
        field_of(moment): { "$gte": span.from.0, "$lt": span.to.0 },
    }
}

fn binary(counts: &Sparse) -> Bson {
    Bson::Binary(bson::Binary { subtype: BinarySubtype::Generic, bytes: counts.encode() })
}

fn sparse(row: &Document, field: &str) -> Result<Sparse, StoreError> {
    let bytes = row.get_binary_generic(field).map_err(|_| crate::day::Unreadable)?;
    Ok(Sparse::decode(bytes)?)
}

fn page(row: &Document) -> Result<Page, StoreError> {
    Ok(Page { sum: sparse(row, "sum")?, counts: sparse(row, "counts")?, times: sparse(row, "times")? })
}

fn version(row: &Document) -> u64 {
    row.get_i64("version").unwrap_or(0).cast_unsigned()
}

fn row(id: String, generation: Generation, snapshot: &Snapshot) -> Document {
    let mut row = doc! {
        "_id": id,
        "workspaceId": generation.scope.workspace().to_string(),
        "generation": generation.number,
        "version": snapshot.version.cast_signed(),
    };
    if let Some(facts) = &snapshot.facts {
        let number = |place: usize| i32::try_from(place + 1).unwrap_or(0);
        row.insert("status", number(facts.status.index()));
        row.insert("source", number(facts.source.index()));
        row.insert("reached", facts.reached.map(|at| at.map_or(Bson::Null, |at| Bson::Int64(at.0))).to_vec());
        for moment in [Moment::Created].into_iter().chain(Moment::ENTERED) {
            if let Some(at) = facts.at(moment) {
                row.insert(field_of(moment), at.0);
            }
        }
    }
    row
}

/// What counts of a row; `None` if the lead is deleted.
fn facts(row: &Document) -> Option<Facts> {
    let at = |name: &str| row.get_i64(name).ok().map(Millis);
    let place = |name: &str| row.get_i32(name).ok().and_then(|number| usize::try_from(number - 1).ok());
    let reached = row.get_array("reached").ok()?;
    let reached = |stage: usize| reached.get(stage).and_then(Bson::as_i64).map(Millis);
    Some(Facts {
        status: *Status::ALL.get(place("status")?)?,
        source: *Source::ALL.get(place("source")?)?,
        created: at("createdAt")?,
        reached: [reached(0), reached(1), reached(2), reached(3)],
        entered: Moment::ENTERED.map(|moment| at(field_of(moment))),
    })
}

#[async_trait]
impl Store for MongoStore {
    async fn apply(&self, scope: Scope, snapshots: Vec<Snapshot>, at: Millis) -> Result<Applied, StoreError> {
        loop {
            let (rows, snapshots) = (self.rows.clone(), snapshots.clone());
            let applied = self
                .mongo
                .transact(async move |session| -> Result<Option<Applied>, StoreError> {
                    let newer = doc! { "$max": { "asOf": at.0 } };
                    let Some(state) = rows.hold(session, scope, newer).await? else { return Ok(None) };
                    let mut changed = false;
                    for number in [Some(state.live), state.building].into_iter().flatten() {
                        let generation = Generation { scope, number };
                        let delta = rows.take(session, generation, &snapshots).await?;
                        changed |= rows.count(session, generation, &delta.into_changes()).await?;
                    }
                    Ok(Some(Applied { changed, as_of: state.as_of.map_or(at, |known| at.max(known)) }))
                })
                .await?;
            match applied {
                Some(applied) => return Ok(applied),
                None => self.ensure(scope).await?,
            }
        }
    }

    async fn read(&self, scope: Scope, need: Need) -> Result<Tally, StoreError> {
        let rows = self.rows.clone();
        self.mongo.transact(async move |session| rows.tally(session, scope, &need).await).await
    }

    async fn begin(&self, scope: Scope) -> Result<Building, StoreError> {
        self.ensure(scope).await?;
        let rows = self.rows.clone();
        self.mongo
            .transact(async move |session| {
                let touch = doc! { "$set": { "touchedAt": Millis::now().0 } };
                let state = rows.hold(session, scope, touch).await?.ok_or(StoreError::Superseded)?;
                if let Some(number) = state.building {
                    rows.discard(session, Generation { scope, number }).await?;
                }
                let generation = state.newest + 1;
                let begun = doc! { "$set": { "building": generation, "newest": generation } };
                rows.hold(session, scope, begun).await?;
                Ok(Building { scope, generation })
            })
            .await
    }

    async fn load(&self, building: Building, snapshots: Vec<Snapshot>) -> Result<Delta, StoreError> {
        let rows = self.rows.clone();
        self.mongo
            .transact(async move |session| {
                rows.hold_building(session, building).await?;
                let generation = Generation { scope: building.scope, number: building.generation };
                rows.take(session, generation, &snapshots).await
            })
            .await
    }

    async fn count(&self, building: Building, changes: BTreeMap<Slot, Change>) -> Result<(), StoreError> {
        let rows = self.rows.clone();
        self.mongo
            .transact(async move |session| {
                rows.hold_building(session, building).await?;
                let generation = Generation { scope: building.scope, number: building.generation };
                rows.count(session, generation, &changes).await?;
                Ok(())
            })
            .await
    }

    async fn finish(&self, building: Building) -> Result<u64, StoreError> {
        let new = Generation { scope: building.scope, number: building.generation };
        let mut after: Option<String> = None;
        loop {
            let rows = self.rows.clone();
            let step = async move |session: &mut ClientSession| {
                let state = rows.hold_building(session, building).await?;
                let live = Generation { scope: building.scope, number: state.live };
                rows.bury(session, live, new, after.as_deref()).await
            };
            after = self.mongo.transact(step).await?;
            if after.is_none() {
                break;
            }
        }
        let rows = self.rows.clone();
        self.mongo
            .transact(async move |session| {
                let state = rows.hold_building(session, building).await?;
                rows.discard(session, Generation { scope: building.scope, number: state.live }).await?;
                let switch = doc! {
                    "$set": { "live": building.generation },
                    "$unset": { "building": "", "touchedAt": "" },
                };
                rows.hold(session, building.scope, switch).await?;
                let all =
                    rows.pages.find_one(new.those(new.page_id(Slot::All))).session(&mut *session).await?;
                Ok(all.as_ref().map(page).transpose()?.unwrap_or_default().leads())
            })
            .await
    }

    async fn give_up(&self, building: Building) -> Result<(), StoreError> {
        let rows = self.rows.clone();
        let given_up = self
            .mongo
            .transact(async move |session| {
                rows.hold_building(session, building).await?;
                rows.discard(session, Generation { scope: building.scope, number: building.generation })
                    .await?;
                let end = doc! { "$unset": { "building": "", "touchedAt": "" } };
                rows.hold(session, building.scope, end).await?;
                Ok(())
            })
            .await;
        match given_up {
            Err(StoreError::Superseded) => Ok(()),
            other => other,
        }
    }

    async fn sweep(&self, abandoned_before: Millis) -> Result<bool, StoreError> {
        let dead = doc! { "touchedAt": { "$lt": abandoned_before.0 } };
        if let Some(found) = self.mongo.run(self.rows.workspaces.find_one(dead)).await?
            && let Some(workspace) = found.get_str("_id").ok().and_then(|id| WorkspaceId::parse(id).ok())
            && let Some(generation) = State::of(&found).building
        {
            let rows = self.rows.clone();
            let scope = Scope::of_own_row(workspace);
            let give_up = async move |session: &mut ClientSession| -> Result<(), StoreError> {
                let end = doc! { "$unset": { "building": "", "touchedAt": "" } };
                let id = doc! {
                    "_id": workspace.to_string(),
                    "building": generation,
                    "touchedAt": { "$lt": abandoned_before.0 },
                };
                let gone = rows.workspaces.update_one(id, end).session(&mut *session).await?;
                if gone.modified_count == 1 {
                    rows.discard(session, Generation { scope, number: generation }).await?;
                }
                Ok(())
            };
            self.mongo.transact(give_up).await?;
            return Ok(true);
        }
        let Some(found) = self.mongo.run(self.rows.discarded.find_one(doc! {})).await? else {
            return Ok(false);
        };
        let prefix = found.get_str("_id").unwrap_or_default();
        let workspace = prefix.split('/').next().unwrap_or_default();
        let mut left = STEP;
        for collection in [&self.rows.leads, &self.rows.pages] {
            if left == 0 {
                break;
            }
            let rows = collection
                .find(doc! { "_id": ids_with(prefix), "workspaceId": workspace })
                .projection(doc! { "_id": 1 });
            let rows = rows.limit(i64::try_from(left).unwrap_or(i64::MAX));
            let rows: Vec<Document> = self.mongo.run(async { rows.await?.try_collect().await }).await?;
            let ids: Vec<&str> = rows.iter().filter_map(|row| row.get_str("_id").ok()).collect();
            left -= ids.len().min(left);
            self.mongo
                .run(collection.delete_many(doc! { "_id": { "$in": ids }, "workspaceId": workspace }))
                .await?;
        }
        if left > 0 {
            self.mongo.run(self.rows.discarded.delete_one(doc! { "_id": prefix })).await?;
        }
        Ok(true)
    }

    async fn workspaces(&self, after: Option<WorkspaceId>) -> Result<Vec<WorkspaceId>, StoreError> {
        let after = after.map_or_else(String::new, |id| id.to_string());
        let found = self.rows.workspaces.find(doc! { "_id": { "$gt": after } }).sort(doc! { "_id": 1 });
        let found = found.projection(doc! { "_id": 1 }).limit(i64::try_from(STEP).unwrap_or(i64::MAX));
        let found: Vec<Document> = self.mongo.run(async { found.await?.try_collect().await }).await?;
        Ok(found.iter().filter_map(|row| WorkspaceId::parse(row.get_str("_id").ok()?).ok()).collect())
    }

    async fn verify(&self, scope: Scope) -> Result<Vec<Slot>, StoreError> {
        // Longer than a transaction may take, so a snapshot session.
        let mut session = self.mongo.client().start_session().snapshot(true).await?;
        let session = &mut session;
        let id = doc! { "_id": scope.workspace().to_string() };
        let Some(state) = self.rows.workspaces.find_one(id).session(&mut *session).await? else {
            return Ok(Vec::new());
        };
        let live = Generation { scope, number: State::of(&state).live };
        let mut recount = Delta::default();
        let mut found = self.rows.leads.find(live.those(live.ids())).session(&mut *session).await?;
        while let Some(row) = found.next(&mut *session).await.transpose()? {
            recount.change(None, facts(&row).as_ref());
        }
        let mut stored = BTreeMap::new();
        let mut found = self.rows.pages.find(live.those(live.ids())).session(&mut *session).await?;
        while let Some(row) = found.next(&mut *session).await.transpose()? {
            if let Some(slot) = slot_of(row.get_str("_id").unwrap_or_default()) {
                stored.insert(slot, page(&row)?);
            }
        }
        Ok(differences(recount, stored))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(self.mongo.ping().await?)
    }

    async fn close(&self) {
        self.mongo.close().await;
    }
}
