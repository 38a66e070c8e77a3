//! Reading and changing a workspace's documents inside a transaction.

use std::collections::{BTreeMap, HashMap, HashSet};

use bson::{Document, doc};
use leadline_runtime::{caller::Scope, time::Millis};
use mongodb::{ClientSession, Collection, options::Hint};

use super::documents::{Generation, binary, facts, page, page_ids, row, slot_of, sparse, version, within};
use crate::{
    counts::{Counted, Need, Tally},
    day::{Change, Delta, Page, Slot},
    lead::{Facts, Moment, Snapshot},
    store::{Building, STEP, StoreError},
};

/// Pages that the server sends at once: the days of more than two years.
const PAGES: u32 = 1_000;

/// The index of ids: the planner need not look for another.
fn by_id() -> Hint {
    Hint::Name("_id_".to_owned())
}

/// A workspace's generations.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    pub(super) live: i64,
    pub(super) building: Option<i64>,
    pub(super) newest: i64,
    pub(super) as_of: Option<Millis>,
    /// Another one after every change.
    pub(super) revision: i64,
    pub(super) erased: bool,
}

impl State {
    pub(super) fn of(document: &Document) -> Self {
        let number = |name: &str| document.get_i64(name).ok();
        Self {
            live: number("live").unwrap_or(1),
            building: number("building"),
            newest: number("newest").unwrap_or(1),
            as_of: number("asOf").map(Millis),
            revision: number("revision").unwrap_or(0),
            erased: number("erasedAt").is_some(),
        }
    }
}

/// The collections; a clone of it moves into each transaction.
#[derive(Clone)]
pub(super) struct Rows {
    pub(super) workspaces: Collection<Document>,
    pub(super) leads: Collection<Document>,
    pub(super) pages: Collection<Document>,
    pub(super) discarded: Collection<Document>,
}
impl Rows {
    /// Takes hold of a workspace for a transaction and gives its state as it was: two transactions that do so can't both
    /// be committed unless one saw the other's work.
    pub(super) async fn hold(
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
    pub(super) async fn hold_building(
        &self,
        session: &mut ClientSession,
        building: Building,
    ) -> Result<State, StoreError> {
        let touch = doc! { "$set": { "touchedAt": Millis::now().0 } };
        let state = self.hold(session, building.scope, touch).await?;
        state.filter(|state| state.building == Some(building.generation)).ok_or(StoreError::Superseded)
    }

    pub(super) async fn discard(
        &self,
        session: &mut ClientSession,
        generation: Generation,
    ) -> Result<(), StoreError> {
        let id = generation.prefix();
        let discarded = self.discarded.update_one(doc! { "_id": &id }, doc! { "$set": { "_id": &id } });
        discarded.upsert(true).session(&mut *session).await?;
        Ok(())
    }

    /// Takes snapshots into a generation; gives the difference that is to be counted.
    pub(super) async fn take(
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
    pub(super) async fn count(
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

    /// How the workspace stands.
    pub(super) async fn state(
        &self,
        session: &mut ClientSession,
        scope: Scope,
    ) -> Result<Option<State>, StoreError> {
        let id = doc! { "_id": scope.workspace().to_string() };
        let found = self.workspaces.find_one(id).session(&mut *session).await?;
        Ok(found.as_ref().map(State::of))
    }

    /// Some fields of some pages.
    async fn pages(
        &self,
        session: &mut ClientSession,
        live: Generation,
        ids: Document,
        fields: Document,
    ) -> Result<Vec<Document>, StoreError> {
        let found = self.pages.find(live.those(ids)).projection(fields).hint(by_id()).batch_size(PAGES);
        let mut found = found.session(&mut *session).await?;
        let mut pages = Vec::new();
        while let Some(row) = found.next(&mut *session).await.transpose()? {
            pages.push(row);
        }
        Ok(pages)
    }

    /// The counters that a need asks for, as they are in this state.
    pub(super) async fn counters(
        &self,
        session: &mut ClientSession,
        live: Generation,
        need: &Need,
    ) -> Result<Tally, StoreError> {
        let mut tally = Tally::default();
        let all = need.all.then(|| live.page_id(Slot::All));
        let cut = need.cut.iter().map(|day| live.page_id(Slot::Day(*day)));
        let whole: Vec<String> = all.into_iter().chain(cut).collect();
        if !whole.is_empty() {
            for row in self.pages(session, live, doc! { "$in": whole }, doc! { "workspaceId": 0 }).await? {
                match slot_of(row.get_str("_id").unwrap_or_default()) {
                    Some(Slot::All) => tally.all = page(&row)?,
                    Some(Slot::Day(day)) => drop(tally.cut.insert(day, sparse(&row, "counts")?)),
                    None => {}
                }
            }
        }
        for (days, field, into) in
            [(&need.sums, "sum", &mut tally.sums), (&need.times, "times", &mut tally.times)]
        {
            let Some(days) = days else { continue };
            for row in self.pages(session, live, page_ids(live, days), doc! { field: 1 }).await? {
                if let Some(Slot::Day(day)) = slot_of(row.get_str("_id").unwrap_or_default()) {
                    into.insert(day, sparse(&row, field)?);
                }
            }
        }
        Ok(tally)
    }

    /// Counts the rows that a need asks for.
    pub(super) async fn count_rows(
        &self,
        session: &mut ClientSession,
        live: Generation,
        need: &Need,
        tally: &mut Tally,
    ) -> Result<(), StoreError> {
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
        Ok(())
    }

    /// Enters leads that only the live generation knows into a new one as deleted; up to [`STEP`] leads after `after`.
    /// Gives the last one looked at, if there may be more.
    pub(super) async fn bury(
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
        let mut known = HashSet::new();
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
