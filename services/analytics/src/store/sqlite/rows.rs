//! Reading and changing a workspace's rows inside a transaction.

use std::{collections::BTreeMap, ops::Range};

use leadline_runtime::{caller::Scope, time::Millis};
use leadline_storage::{
    StorageError,
    rusqlite::{self, Connection, OptionalExtension, Row, params},
};

use crate::{
    counts::{Counted, Need, Span, Tally},
    day::{Change, Day, Delta, Page, Slot, Sparse, Unreadable},
    lead::{Facts, LeadId, Moment, Snapshot, Source, Status},
    store::{Building, STEP, StoreError},
};

/// [`Slot::All`] in the column `day`: before every day.
const ALL: i64 = i64::MIN;

pub(super) const FACTS: &str = "status, source, created_at, reached_new, reached_contacted, reached_qualified, \
                     reached_converted, contacted_at, qualified_at, converted_at, lost_at";

/// What is known of a workspace.
pub(super) const FIND_STATE: &str =
    "SELECT live, building, newest, as_of, erased_at IS NOT NULL FROM workspaces WHERE id = ?1";
/// One page.
pub(super) const FIND_PAGE: &str =
    "SELECT sum, counts, times FROM pages WHERE workspace = ?1 AND generation = ?2 AND day = ?3";

/// A workspace's generations.
#[derive(Clone, Copy)]
pub(super) struct State {
    pub(super) live: i64,
    pub(super) building: Option<i64>,
    pub(super) newest: i64,
    pub(super) as_of: Option<i64>,
    pub(super) erased: bool,
}

/// A workspace's rows in one connection.
pub(super) struct Rows<'c> {
    conn: &'c Connection,
    pub(super) workspace: [u8; 16],
}

impl<'c> Rows<'c> {
    pub(super) fn new(conn: &'c Connection, scope: Scope) -> Self {
        Self { conn, workspace: scope.workspace().uuid().into_bytes() }
    }

    pub(super) fn state(&self) -> Result<Option<State>, StoreError> {
        let state = self.conn.prepare_cached(FIND_STATE)?.query_row(params![self.workspace], |row| {
            Ok(State {
                live: row.get(0)?,
                building: row.get(1)?,
                newest: row.get(2)?,
                as_of: row.get(3)?,
                erased: row.get(4)?,
            })
        });
        Ok(state.optional()?)
    }

    /// The state of a workspace that is about to have figures.
    pub(super) fn state_to_change(&self) -> Result<State, StoreError> {
        let sql = "INSERT OR IGNORE INTO workspaces (id, live, newest) VALUES (?1, 1, 1)";
        self.conn.prepare_cached(sql)?.execute(params![self.workspace])?;
        Ok(self.state()?.unwrap_or(State { live: 1, building: None, newest: 1, as_of: None, erased: false }))
    }

    /// That of a rebuild which goes on.
    pub(super) fn state_of(&self, building: Building) -> Result<State, StoreError> {
        let state = self.state()?.filter(|state| state.building == Some(building.generation));
        state.ok_or(StoreError::Superseded)
    }

    pub(super) fn set_state(&self, state: State, touched_at: Option<Millis>) -> Result<(), StoreError> {
        let sql = "UPDATE workspaces SET live = ?2, building = ?3, newest = ?4, touched_at = ?5, as_of = ?6 WHERE id = ?1";
        self.conn.prepare_cached(sql)?.execute(params![
            self.workspace,
            state.live,
            state.building,
            state.newest,
            touched_at.map(|at| at.0),
            state.as_of
        ])?;
        Ok(())
    }

    pub(super) fn discard(&self, generation: i64) -> Result<(), StoreError> {
        let sql = "INSERT OR IGNORE INTO discarded (workspace, generation) VALUES (?1, ?2)";
        self.conn.prepare_cached(sql)?.execute(params![self.workspace, generation])?;
        Ok(())
    }

    /// Takes snapshots into a generation; gives the difference that is to be counted.
    pub(super) fn take(&self, generation: i64, snapshots: &[Snapshot]) -> Result<Delta, StoreError> {
        let mut find = self.conn.prepare_cached(&find_lead())?;
        let mut delta = Delta::default();
        for snapshot in snapshots {
            let known = find
                .query_row(params![self.workspace, generation, id(snapshot.lead)], |row| {
                    Ok((row.get::<_, i64>(0)?.cast_unsigned(), facts(row, 1)?))
                })
                .optional()?;
            let old = match known {
                Some((version, _)) if version >= snapshot.version => continue,
                Some((_, facts)) => facts,
                None => None,
            };
            self.put(generation, snapshot)?;
            delta.change(old.as_ref(), snapshot.facts.as_ref());
        }
        Ok(delta)
    }

    fn put(&self, generation: i64, snapshot: &Snapshot) -> Result<(), StoreError> {
        let sql = "INSERT INTO leads (workspace, generation, lead, version, status, source, created_at, reached_new, \
             reached_contacted, reached_qualified, reached_converted, contacted_at, qualified_at, converted_at, lost_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15) \
             ON CONFLICT (workspace, generation, lead) DO UPDATE SET version = excluded.version, status = excluded.status, \
             source = excluded.source, created_at = excluded.created_at, reached_new = excluded.reached_new, \
             reached_contacted = excluded.reached_contacted, reached_qualified = excluded.reached_qualified, \
             reached_converted = excluded.reached_converted, contacted_at = excluded.contacted_at, \
             qualified_at = excluded.qualified_at, converted_at = excluded.converted_at, lost_at = excluded.lost_at";
        let facts = snapshot.facts.as_ref();
        let reached = |stage: usize| facts.and_then(|facts| facts.reached[stage]).map(|at| at.0);
        let entered = |moment: usize| facts.and_then(|facts| facts.entered[moment]).map(|at| at.0);
        self.conn.prepare_cached(sql)?.execute(params![
            self.workspace,
            generation,
            id(snapshot.lead),
            snapshot.version.cast_signed(),
            facts.map(|facts| limit(facts.status.index() + 1)),
            facts.map(|facts| limit(facts.source.index() + 1)),
            facts.map(|facts| facts.created.0),
            reached(0),
            reached(1),
            reached(2),
            reached(3),
            entered(0),
            entered(1),
            entered(2),
            entered(3),
        ])?;
        Ok(())
    }

    /// Adds a difference to the pages. True: there was one.
    pub(super) fn count(
        &self,
        generation: i64,
        changes: &BTreeMap<Slot, Change>,
    ) -> Result<bool, StoreError> {
        let mut put = self.conn.prepare_cached(
            "INSERT INTO pages (workspace, generation, day, sum, counts, times) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT (workspace, generation, day) DO UPDATE SET sum = excluded.sum, counts = excluded.counts, times = excluded.times",
        )?;
        let mut drop = self
            .conn
            .prepare_cached("DELETE FROM pages WHERE workspace = ?1 AND generation = ?2 AND day = ?3")?;
        for (slot, change) in changes {
            let day = number(*slot);
            let new = self.page(generation, *slot)?.plus(change);
            if new.is_empty() {
                drop.execute(params![self.workspace, generation, day])?;
            } else {
                let blobs = (new.sum.encode(), new.counts.encode(), new.times.encode());
                put.execute(params![self.workspace, generation, day, blobs.0, blobs.1, blobs.2])?;
            }
        }
        Ok(!changes.is_empty())
    }

    /// A page; an empty one if there is none.
    pub(super) fn page(&self, generation: i64, slot: Slot) -> Result<Page, StoreError> {
        let mut find = self.conn.prepare_cached(FIND_PAGE)?;
        let found = find
            .query_row(params![self.workspace, generation, number(slot)], |row| page(row, 0))
            .optional()?;
        Ok(found.transpose()?.unwrap_or_default())
    }

    /// One column of the pages of some days.
    fn pages(
        &self,
        generation: i64,
        column: &str,
        days: &Range<Day>,
    ) -> Result<BTreeMap<Day, Sparse>, StoreError> {
        let mut statement = self.conn.prepare_cached(&pages_sql(column))?;
        let range = params![self.workspace, generation, days.start.number(), days.end.number()];
        let mut rows = statement.query(range)?;
        let mut pages = BTreeMap::new();
        while let Some(row) = rows.next()? {
            if let Some(Slot::Day(day)) = slot(row.get(0)?) {
                pages.insert(day, Sparse::decode(row.get_ref(1)?.as_blob().map_err(type_fault)?)?);
            }
        }
        Ok(pages)
    }

    pub(super) fn tally(&self, need: &Need) -> Result<Tally, StoreError> {
        let mut tally = Tally::default();
        let state = self.state()?.filter(|state| !state.erased);
        let Some(State { live, as_of, .. }) = state else { return Ok(tally) };
        tally.as_of = as_of.map(Millis);
        if need.all {
            tally.all = self.page(live, Slot::All)?;
        }
        if let Some(days) = &need.sums {
            tally.sums = self.pages(live, "sum", days)?;
        }
        for day in &need.cut {
            tally.cut.extend(self.pages(live, "counts", &(*day..day.next()))?);
        }
        if let Some(days) = &need.times {
            tally.times = self.pages(live, "times", days)?;
        }
        for (moment, span) in &need.moments {
            let mut count = self.conn.prepare_cached(&count_sql(*moment))?;
            let counted: i64 =
                count.query_row(params![self.workspace, live, span.from.0, span.to.0], |row| row.get(0))?;
            tally.moments.insert((*moment, *span), counted.cast_unsigned());
        }
        for span in &need.cohorts {
            tally.cohorts.insert(*span, self.cohort(live, *span)?);
        }
        Ok(tally)
    }

    fn cohort(&self, generation: i64, span: Span) -> Result<Counted, StoreError> {
        let mut statement = self.conn.prepare_cached(&cohort_sql())?;
        let mut rows = statement.query(params![self.workspace, generation, span.from.0, span.to.0])?;
        let mut counted = Counted::default();
        while let Some(row) = rows.next()? {
            facts(row, 0)?.iter().for_each(|facts| counted.add(facts));
        }
        Ok(counted)
    }

    /// Enters leads that only the live generation knows into a new one as deleted; up to [`STEP`] leads after `after`.
    /// Gives the last one looked at, if there may be more.
    pub(super) fn bury(
        &self,
        state: State,
        building: i64,
        after: Option<Vec<u8>>,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let last: Option<Vec<u8>> = self
            .conn
            .prepare_cached(
                "SELECT lead FROM leads WHERE workspace = ?1 AND generation = ?2 AND lead > ?3 ORDER BY lead LIMIT 1 OFFSET ?4",
            )?
            .query_row(params![self.workspace, state.live, after.clone().unwrap_or_default(), limit(STEP - 1)], |row| row.get(0))
            .optional()?;
        let until = last.clone().unwrap_or_else(|| vec![u8::MAX; 17]);
        self.conn
            .prepare_cached(
                "INSERT OR IGNORE INTO leads (workspace, generation, lead, version) \
                 SELECT workspace, ?3, lead, version FROM leads \
                 WHERE workspace = ?1 AND generation = ?2 AND lead > ?4 AND lead <= ?5",
            )?
            .execute(params![self.workspace, state.live, building, after.unwrap_or_default(), until])?;
        Ok(last)
    }
}

/// A small number as SQLite takes it.
pub(super) fn limit(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// One column of the pages of a range of days.
pub(super) fn pages_sql(column: &str) -> String {
    format!(
        "SELECT day, {column} FROM pages WHERE workspace = ?1 AND generation = ?2 AND day >= ?3 AND day < ?4"
    )
}

/// What is known of a lead.
pub(super) fn find_lead() -> String {
    format!("SELECT version, {FACTS} FROM leads WHERE workspace = ?1 AND generation = ?2 AND lead = ?3")
}

pub(super) fn count_sql(moment: Moment) -> String {
    let column = match moment {
        Moment::Created => "created_at",
        Moment::Contacted => "contacted_at",
        Moment::Qualified => "qualified_at",
        Moment::Converted => "converted_at",
        Moment::Lost => "lost_at",
    };
    format!(
        "SELECT count(*) FROM leads WHERE workspace = ?1 AND generation = ?2 AND {column} >= ?3 AND {column} < ?4"
    )
}

pub(super) fn cohort_sql() -> String {
    format!(
        "SELECT {FACTS} FROM leads WHERE workspace = ?1 AND generation = ?2 AND created_at >= ?3 AND created_at < ?4"
    )
}

fn id(lead: LeadId) -> [u8; 16] {
    lead.uuid().into_bytes()
}

fn number(slot: Slot) -> i64 {
    match slot {
        Slot::All => ALL,
        Slot::Day(day) => day.number().into(),
    }
}

pub(super) fn slot(number: i64) -> Option<Slot> {
    if number == ALL {
        return Some(Slot::All);
    }
    i32::try_from(number).ok().and_then(Day::from_number).map(Slot::Day)
}

fn type_fault(error: rusqlite::types::FromSqlError) -> StoreError {
    StorageError::Internal(error.to_string()).into()
}

/// Three columns as a page; what they hold may be unreadable.
pub(super) fn page(row: &Row<'_>, first: usize) -> rusqlite::Result<Result<Page, Unreadable>> {
    let blob = |column: usize| row.get::<_, Vec<u8>>(first + column);
    let (sum, counts, times) = (blob(0)?, blob(1)?, blob(2)?);
    let read = || {
        Ok(Page {
            sum: Sparse::decode(&sum)?,
            counts: Sparse::decode(&counts)?,
            times: Sparse::decode(&times)?,
        })
    };
    Ok(read())
}

/// The columns of [`FACTS`]; `None` if the lead is deleted.
pub(super) fn facts(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<Facts>> {
    let at = |column: usize| row.get::<_, Option<i64>>(first + column).map(|at| at.map(Millis));
    let place = |column: usize| {
        row.get::<_, Option<i64>>(first + column).map(|number| usize::try_from(number.unwrap_or(0) - 1).ok())
    };
    let status = place(0)?.and_then(|place| Status::ALL.get(place).copied());
    let source = place(1)?.and_then(|place| Source::ALL.get(place).copied());
    let (Some(status), Some(source), Some(created)) = (status, source, at(2)?) else { return Ok(None) };
    Ok(Some(Facts {
        status,
        source,
        created,
        reached: [at(3)?, at(4)?, at(5)?, at(6)?],
        entered: [at(7)?, at(8)?, at(9)?, at(10)?],
    }))
}
