//! Figures in a SQLite file.

use std::{collections::BTreeMap, ops::Range, path::Path, time::Duration};

use async_trait::async_trait;
use leadline_runtime::{caller::Scope, ids::WorkspaceId, time::Millis};
use leadline_storage::{
    Migration, Sqlite, SqliteOptions, StorageError,
    rusqlite::{Connection, OptionalExtension, Row, params},
};
use uuid::Uuid;

use super::{Applied, Building, STEP, Store, StoreError, differences};
use crate::{
    counts::{Counted, Need, Span, Tally},
    day::{Change, Day, Delta, Page, Slot, Sparse},
    lead::{Facts, LeadId, Moment, Snapshot, Source, Status},
};

/// The time that a recount of everything may take.
const RECOUNT: Duration = Duration::from_secs(3600);
/// [`Slot::All`] in the column `day`: before every day.
const ALL: i64 = i64::MIN;

// Ids are stored as 16 bytes: four indexes begin with one, and as text they would be twice as large. `live`, `building` and
// `newest` are generations. `leads.status` is null when the lead is deleted: then only its version is kept.
const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "figures",
    sql: "
    CREATE TABLE workspaces (
        id BLOB PRIMARY KEY CHECK (length(id) = 16),
        live INTEGER NOT NULL,
        building INTEGER,
        newest INTEGER NOT NULL,
        touched_at INTEGER,
        as_of INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX workspaces_by_touch ON workspaces (touched_at) WHERE touched_at IS NOT NULL;

    CREATE TABLE leads (
        workspace BLOB NOT NULL,
        generation INTEGER NOT NULL,
        lead BLOB NOT NULL CHECK (length(lead) = 16),
        version INTEGER NOT NULL,
        status INTEGER CHECK (status BETWEEN 1 AND 5),
        source INTEGER CHECK (source BETWEEN 1 AND 4),
        created_at INTEGER,
        reached_new INTEGER,
        reached_contacted INTEGER,
        reached_qualified INTEGER,
        reached_converted INTEGER,
        contacted_at INTEGER,
        qualified_at INTEGER,
        converted_at INTEGER,
        lost_at INTEGER,
        PRIMARY KEY (workspace, generation, lead),
        CHECK ((status IS NULL) = (source IS NULL) AND (status IS NULL) = (created_at IS NULL))
    ) STRICT;
    CREATE INDEX leads_by_created ON leads (workspace, generation, created_at) WHERE created_at IS NOT NULL;
    CREATE INDEX leads_by_contacted ON leads (workspace, generation, contacted_at) WHERE contacted_at IS NOT NULL;
    CREATE INDEX leads_by_qualified ON leads (workspace, generation, qualified_at) WHERE qualified_at IS NOT NULL;
    CREATE INDEX leads_by_converted ON leads (workspace, generation, converted_at) WHERE converted_at IS NOT NULL;
    CREATE INDEX leads_by_lost ON leads (workspace, generation, lost_at) WHERE lost_at IS NOT NULL;

    CREATE TABLE pages (
        workspace BLOB NOT NULL,
        generation INTEGER NOT NULL,
        day INTEGER NOT NULL,
        sum BLOB NOT NULL,
        counts BLOB NOT NULL,
        times BLOB NOT NULL,
        PRIMARY KEY (workspace, generation, day)
    ) STRICT;

    CREATE TABLE discarded (
        workspace BLOB NOT NULL,
        generation INTEGER NOT NULL,
        PRIMARY KEY (workspace, generation)
    ) STRICT, WITHOUT ROWID;
    ",
}];

const FACTS: &str = "status, source, created_at, reached_new, reached_contacted, reached_qualified, \
                     reached_converted, contacted_at, qualified_at, converted_at, lost_at";

/// A SQLite file with figures.
pub(super) struct SqliteStore {
    db: Sqlite,
}

impl SqliteStore {
    pub(super) fn open(path: &Path) -> Result<Self, StorageError> {
        Ok(Self { db: Sqlite::open(path, MIGRATIONS, SqliteOptions::default())? })
    }
}

/// A workspace's generations.
#[derive(Clone, Copy)]
struct State {
    live: i64,
    building: Option<i64>,
    newest: i64,
    as_of: Option<i64>,
}

/// A workspace's rows in one connection.
struct Rows<'c> {
    conn: &'c Connection,
    workspace: [u8; 16],
}

impl<'c> Rows<'c> {
    fn new(conn: &'c Connection, scope: Scope) -> Self {
        Self { conn, workspace: scope.workspace().uuid().into_bytes() }
    }

    fn state(&self) -> Result<Option<State>, StoreError> {
        let sql = "SELECT live, building, newest, as_of FROM workspaces WHERE id = ?1";
        let state = self.conn.prepare_cached(sql)?.query_row(params![self.workspace], |row| {
            Ok(State { live: row.get(0)?, building: row.get(1)?, newest: row.get(2)?, as_of: row.get(3)? })
        });
        Ok(state.optional()?)
    }

    /// The state of a workspace that is about to have figures.
    fn state_to_change(&self) -> Result<State, StoreError> {
        let sql = "INSERT OR IGNORE INTO workspaces (id, live, newest) VALUES (?1, 1, 1)";
        self.conn.prepare_cached(sql)?.execute(params![self.workspace])?;
        Ok(self.state()?.unwrap_or(State { live: 1, building: None, newest: 1, as_of: None }))
    }

    /// That of a rebuild which goes on.
    fn state_of(&self, building: Building) -> Result<State, StoreError> {
        let state = self.state()?.filter(|state| state.building == Some(building.generation));
        state.ok_or(StoreError::Superseded)
    }

    fn set_state(&self, state: State, touched_at: Option<Millis>) -> Result<(), StoreError> {
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

    fn discard(&self, generation: i64) -> Result<(), StoreError> {
        let sql = "INSERT OR IGNORE INTO discarded (workspace, generation) VALUES (?1, ?2)";
        self.conn.prepare_cached(sql)?.execute(params![self.workspace, generation])?;
        Ok(())
    }

    /// Takes snapshots into a generation; gives the difference that is to be counted.
    fn take(&self, generation: i64, snapshots: &[Snapshot]) -> Result<Delta, StoreError> {
        let sql = format!(
            "SELECT version, {FACTS} FROM leads WHERE workspace = ?1 AND generation = ?2 AND lead = ?3"
        );
        let mut find = self.conn.prepare_cached(&sql)?;
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
    fn count(&self, generation: i64, changes: &BTreeMap<Slot, Change>) -> Result<bool, StoreError> {
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
    fn page(&self, generation: i64, slot: Slot) -> Result<Page, StoreError> {
        let sql =
            "SELECT sum, counts, times FROM pages WHERE workspace = ?1 AND generation = ?2 AND day = ?3";
        let mut find = self.conn.prepare_cached(sql)?;
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
        let sql = format!("SELECT day, {column} FROM pages WHERE {DAYS}");
        let mut statement = self.conn.prepare_cached(&sql)?;
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

    fn tally(&self, need: &Need) -> Result<Tally, StoreError> {
        let mut tally = Tally::default();
        let Some(State { live, as_of, .. }) = self.state()? else { return Ok(tally) };
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
    fn bury(
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
fn limit(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The bounds of a range of days.
const DAYS: &str = "workspace = ?1 AND generation = ?2 AND day >= ?3 AND day < ?4";

fn count_sql(moment: Moment) -> String {
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

fn cohort_sql() -> String {
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

fn slot(number: i64) -> Option<Slot> {
    if number == ALL {
        return Some(Slot::All);
    }
    i32::try_from(number).ok().and_then(Day::from_number).map(Slot::Day)
}

fn type_fault(error: leadline_storage::rusqlite::types::FromSqlError) -> StoreError {
    StorageError::Internal(error.to_string()).into()
}

/// Three columns as a page; what they hold may be unreadable.
fn page(
    row: &Row<'_>,
    first: usize,
) -> leadline_storage::rusqlite::Result<Result<Page, crate::day::Unreadable>> {
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
fn facts(row: &Row<'_>, first: usize) -> leadline_storage::rusqlite::Result<Option<Facts>> {
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

#[async_trait]
impl Store for SqliteStore {
    async fn apply(&self, scope: Scope, snapshots: Vec<Snapshot>, at: Millis) -> Result<Applied, StoreError> {
        self.db
            .write(move |conn| {
                let rows = Rows::new(conn, scope);
                let state = rows.state_to_change()?;
                let mut changed = false;
                for generation in [Some(state.live), state.building].into_iter().flatten() {
                    let delta = rows.take(generation, &snapshots)?;
                    changed |= rows.count(generation, &delta.into_changes())?;
                }
                let as_of = state.as_of.map_or(at, |known| at.max(Millis(known)));
                if state.as_of != Some(as_of.0) {
                    let sql = "UPDATE workspaces SET as_of = ?2 WHERE id = ?1";
                    conn.prepare_cached(sql)?.execute(params![rows.workspace, as_of.0])?;
                }
                Ok(Applied { changed, as_of })
            })
            .await
    }

    async fn read(&self, scope: Scope, need: Need) -> Result<Tally, StoreError> {
        self.db.read(move |conn| Rows::new(conn, scope).tally(&need)).await
    }

    async fn begin(&self, scope: Scope) -> Result<Building, StoreError> {
        self.db
            .write(move |conn| {
                let rows = Rows::new(conn, scope);
                let state = rows.state_to_change()?;
                if let Some(superseded) = state.building {
                    rows.discard(superseded)?;
                }
                let generation = state.newest + 1;
                let begun = State { building: Some(generation), newest: generation, ..state };
                rows.set_state(begun, Some(Millis::now()))?;
                Ok(Building { scope, generation })
            })
            .await
    }

    async fn load(&self, building: Building, snapshots: Vec<Snapshot>) -> Result<Delta, StoreError> {
        self.db
            .write(move |conn| {
                let rows = Rows::new(conn, building.scope);
                let state = rows.state_of(building)?;
                rows.set_state(state, Some(Millis::now()))?;
                rows.take(building.generation, &snapshots)
            })
            .await
    }

    async fn count(&self, building: Building, changes: BTreeMap<Slot, Change>) -> Result<(), StoreError> {
        self.db
            .write(move |conn| {
                let rows = Rows::new(conn, building.scope);
                let state = rows.state_of(building)?;
                rows.set_state(state, Some(Millis::now()))?;
                rows.count(building.generation, &changes)?;
                Ok(())
            })
            .await
    }

    async fn finish(&self, building: Building) -> Result<u64, StoreError> {
        let mut after = None;
        loop {
            let step = move |conn: &Connection| -> Result<_, StoreError> {
                let rows = Rows::new(conn, building.scope);
                let state = rows.state_of(building)?;
                rows.set_state(state, Some(Millis::now()))?;
                rows.bury(state, building.generation, after)
            };
            after = self.db.write(step).await?;
            if after.is_none() {
                break;
            }
        }
        self.db
            .write(move |conn| {
                let rows = Rows::new(conn, building.scope);
                let state = rows.state_of(building)?;
                rows.discard(state.live)?;
                rows.set_state(State { live: building.generation, building: None, ..state }, None)?;
                Ok(rows.page(building.generation, Slot::All)?.leads())
            })
            .await
    }

    async fn give_up(&self, building: Building) -> Result<(), StoreError> {
        self.db
            .write(move |conn| {
                let rows = Rows::new(conn, building.scope);
                if let Ok(state) = rows.state_of(building) {
                    rows.discard(building.generation)?;
                    rows.set_state(State { building: None, ..state }, None)?;
                }
                Ok(())
            })
            .await
    }

    async fn sweep(&self, abandoned_before: Millis) -> Result<bool, StoreError> {
        self.db
            .write(move |conn| {
                conn.prepare_cached(
                    "INSERT OR IGNORE INTO discarded (workspace, generation) SELECT id, building FROM workspaces \
                     WHERE touched_at < ?1 AND building IS NOT NULL",
                )?
                .execute([abandoned_before.0])?;
                conn.prepare_cached(
                    "UPDATE workspaces SET building = NULL, touched_at = NULL WHERE touched_at < ?1",
                )?
                .execute([abandoned_before.0])?;
                let found = conn
                    .prepare_cached("SELECT workspace, generation FROM discarded LIMIT 1")?
                    .query_row([], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?)))
                    .optional()?;
                let Some((workspace, generation)) = found else { return Ok(false) };
                let mut left = STEP;
                for table in ["leads", "pages"] {
                    let sql = format!(
                        "DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} WHERE workspace = ?1 AND generation = ?2 LIMIT ?3)"
                    );
                    left -= conn.prepare_cached(&sql)?.execute(params![workspace, generation, limit(left)])?.min(left);
                }
                if left > 0 {
                    conn.prepare_cached("DELETE FROM discarded WHERE workspace = ?1 AND generation = ?2")?
                        .execute(params![workspace, generation])?;
                }
                Ok(true)
            })
            .await
    }

    async fn workspaces(&self, after: Option<WorkspaceId>) -> Result<Vec<WorkspaceId>, StoreError> {
        let after = after.map(|id| id.uuid().into_bytes().to_vec()).unwrap_or_default();
        self.db
            .read(move |conn| {
                let mut statement =
                    conn.prepare_cached("SELECT id FROM workspaces WHERE id > ?1 ORDER BY id LIMIT ?2")?;
                let ids =
                    statement.query_map(params![after, limit(STEP)], |row| row.get::<_, [u8; 16]>(0))?;
                let ids: Result<Vec<[u8; 16]>, _> = ids.collect();
                Ok(ids?.into_iter().map(|id| Uuid::from_bytes(id).into()).collect())
            })
            .await
    }

    async fn verify(&self, scope: Scope) -> Result<Vec<Slot>, StoreError> {
        self.db
            .read_within(RECOUNT, move |conn| {
                let rows = Rows::new(conn, scope);
                let Some(state) = rows.state()? else { return Ok(Vec::new()) };
                let mut recount = Delta::default();
                let sql = format!("SELECT {FACTS} FROM leads WHERE workspace = ?1 AND generation = ?2");
                let mut statement = conn.prepare_cached(&sql)?;
                let mut found = statement.query(params![rows.workspace, state.live])?;
                while let Some(row) = found.next()? {
                    recount.change(None, facts(row, 0)?.as_ref());
                }
                let sql =
                    "SELECT day, sum, counts, times FROM pages WHERE workspace = ?1 AND generation = ?2";
                let mut statement = conn.prepare_cached(sql)?;
                let mut found = statement.query(params![rows.workspace, state.live])?;
                let mut stored = BTreeMap::new();
                while let Some(row) = found.next()? {
                    if let Some(slot) = slot(row.get(0)?) {
                        stored.insert(slot, page(row, 1)??);
                    }
                }
                Ok(differences(recount, stored))
            })
            .await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(self.db.ping().await?)
    }

    async fn close(&self) {
        self.db.close().await;
    }
}
