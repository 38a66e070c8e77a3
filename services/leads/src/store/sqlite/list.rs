//! Lists of leads: how the plan of a question becomes SQL.

use leadline_runtime::time::Millis;
use leadline_storage::rusqlite::{Connection, OptionalExtension, params_from_iter, types::Value};
use uuid::Uuid;

use super::{
    Number,
    row::{self, COLUMNS, sql_limit},
    write::token,
};
use crate::{
    filter::{
        Entered, Filter, FollowUp, Owner, Page, Position, Query, Range, Sort, SortBy, SortKey, Total, Totals,
    },
    lead::{Lead, LeadId},
    stage::Status,
    store::{
        StoreError, WalkMark,
        plan::{Access, PROBED, PageBy, TotalBy, WALKED, accesses, choose},
    },
};

/// A statement with its values.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Sql {
    pub(super) text: String,
    pub(super) values: Vec<Value>,
}

impl Sql {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn bind(&mut self, value: impl Into<Value>) {
        self.text.push('?');
        self.values.push(value.into());
    }

    fn bind_list(&mut self, values: impl IntoIterator<Item = Value>) {
        self.text.push('(');
        for (nth, value) in values.into_iter().enumerate() {
            if nth > 0 {
                self.text.push_str(", ");
            }
            self.bind(value);
        }
        self.text.push(')');
    }

    /// `column = ?` for one value, so that the index's order behind it is of use; else `column IN (…)`.
    fn one_of(&mut self, column: &str, values: Vec<Value>) {
        self.push(&format!(" AND {column} "));
        match <[Value; 1]>::try_from(values) {
            Ok([value]) => {
                self.push("= ");
                self.bind(value);
            }
            Err(values) => {
                self.push("IN ");
                self.bind_list(values);
            }
        }
    }

    fn within(&mut self, column: &str, range: Range) {
        if let Some(from) = range.from {
            self.push(&format!(" AND {column} >= "));
            self.bind(from.0);
        }
        if let Some(to) = range.to {
            self.push(&format!(" AND {column} < "));
            self.bind(to.0);
        }
    }

    /// `SELECT count(*)` of this, a statement that selects rows.
    fn counted(mut self) -> Self {
        self.text = format!("SELECT count(*) FROM ({} LIMIT {PROBED})", self.text);
        self
    }

    fn count(&self, conn: &Connection) -> Result<u64, StoreError> {
        let mut statement = conn.prepare_cached(&self.text)?;
        Ok(statement.query_row(params_from_iter(&self.values), row::count)?)
    }
}

fn blob(id: Uuid) -> Value {
    Value::Blob(id.as_bytes().to_vec())
}

/// The column and the index of when a stage was entered last.
fn of_stage(status: Status) -> (&'static str, &'static str) {
    match status {
        // No index is kept of those that are new, which all have been: nobody can ask for it.
        Status::New | Status::Contacted => ("l.contacted", "leads_by_contacted"),
        Status::Qualified => ("l.qualified", "leads_by_qualified"),
        Status::Converted => ("l.converted", "leads_by_converted"),
        Status::Lost => ("l.lost", "leads_by_lost"),
    }
}

/// A time as those columns have it: in the order of time as text, before 1970 too.
fn stage_key(at: Millis) -> String {
    format!("{}{:016X}", u8::from(at.0 >= 0), at.0)
}

/// The index that leads to the rows of a condition.
fn index_of(filter: &Filter, access: Access) -> &'static str {
    match access {
        Access::Entered => filter.entered.map_or("", |entered| of_stage(entered.status).1),
        Access::Status => "leads_by_status",
        Access::Reached => "leads_by_furthest",
        Access::Source => "leads_by_source",
        Access::Owner => "leads_by_owner",
        Access::FollowUp => "leads_by_follow_up",
        Access::Inactive => "leads_by_activity",
        Access::Created => "leads_by_created",
        Access::Updated => "leads_by_updated",
        Access::StatusChanged => "leads_by_status_changed",
        // Tables of their own, or two indexes.
        Access::Grams | Access::Tags | Access::Import => "",
    }
}

/// The index that has the order of a sort.
fn index_of_sort(by: SortBy) -> &'static str {
    match by {
        SortBy::CreatedAt => "leads_by_created",
        SortBy::UpdatedAt => "leads_by_updated",
        SortBy::Name => "leads_by_name",
        SortBy::Company => "leads_by_company",
        SortBy::Status => "leads_by_stage",
    }
}

fn column_of(by: SortBy) -> &'static str {
    match by {
        SortBy::CreatedAt => "l.created_at",
        SortBy::UpdatedAt => "l.updated_at",
        SortBy::Name => "l.name_key",
        SortBy::Company => "l.company_key",
        SortBy::Status => "l.status",
    }
}

/// Questions about one workspace of a file.
#[derive(Clone, Copy)]
pub(super) struct Lister<'f> {
    pub(super) number: Number,
    pub(super) filter: &'f Filter,
}

impl Lister<'_> {
    /// `FROM … WHERE …` up to the rows of the workspace, trashed or not.
    fn rows_of_index(self, sql: &mut Sql, index: &str) {
        sql.push(&format!(" FROM leads l INDEXED BY {index} WHERE l.workspace = "));
        sql.bind(self.number);
        sql.push(" AND l.trashed = ");
        sql.bind(i64::from(self.filter.trashed));
    }

    fn rows_of_access(self, sql: &mut Sql, access: Access) {
        match access {
            Access::Grams => {
                sql.push(" FROM grams CROSS JOIN leads l ON l.row = grams.rowid WHERE grams MATCH ");
                sql.bind(self.tokens());
                sql.push(" AND l.workspace = ");
                sql.bind(self.number);
                sql.push(" AND l.trashed = ");
                sql.bind(i64::from(self.filter.trashed));
            }
            Access::Tags if self.filter.tags.len() == 1 => {
                sql.push(" FROM lead_tags t CROSS JOIN leads l ON l.row = t.row WHERE ");
                self.tagged(sql);
            }
            Access::Tags => {
                sql.push(" FROM (SELECT DISTINCT t.row AS row FROM lead_tags t WHERE ");
                self.tagged(sql);
                sql.push(") t CROSS JOIN leads l ON l.row = t.row WHERE true");
            }
            Access::Import => {
                sql.push(" FROM (");
                self.imported(sql);
                sql.push(") i CROSS JOIN leads l ON l.row = i.row WHERE true");
            }
            other => self.rows_of_index(sql, index_of(self.filter, other)),
        }
    }

    /// The rows that an import has made, changed, or both.
    fn imported(self, sql: &mut Sql) {
        let Some(import) = self.filter.import else { return };
        let of = [
            (import.created, "l.made_by_import", "leads_by_made_by_import"),
            (import.updated, "l.changed_by_import", "leads_by_changed_by_import"),
        ];
        let mut among = "SELECT l.row AS row";
        for (_, column, index) in of.into_iter().filter(|(asked, ..)| *asked) {
            sql.push(among);
            self.rows_of_index(sql, index);
            sql.push(&format!(" AND {column} = "));
            sql.bind(blob(import.id.uuid()));
            among = " UNION SELECT l.row";
        }
    }

    fn tagged(self, sql: &mut Sql) {
        sql.push("t.workspace = ");
        sql.bind(self.number);
        sql.push(" AND t.trashed = ");
        sql.bind(i64::from(self.filter.trashed));
        sql.one_of("t.tag", self.filter.tags.iter().cloned().map(Value::Text).collect());
    }

    /// What the index of grams is asked for: tokens of letters and digits only, all of which a row must have.
    fn tokens(self) -> String {
        /// More of them hardly narrow any further.
        const MOST: usize = 40;
        let mut tokens = String::new();
        for gram in self.filter.words.iter().flat_map(crate::search::Word::grams).take(MOST) {
            if !tokens.is_empty() {
                tokens.push_str(" AND ");
            }
            token(self.number, &gram, &mut tokens);
        }
        tokens
    }

    fn statuses(self) -> Vec<Value> {
        self.filter.statuses.iter().map(|status| Value::Integer(status.rank().into())).collect()
    }

    fn owner(self, sql: &mut Sql) {
        match self.filter.owner {
            None => {}
            Some(Owner::Nobody) => sql.push(" AND l.owner IS NULL"),
            Some(Owner::User(user)) => {
                sql.push(" AND l.owner = ");
                sql.bind(blob(user.uuid()));
            }
        }
    }

    fn follow_up(self, sql: &mut Sql) {
        match self.filter.follow_up {
            None => {}
            Some(FollowUp::None) => sql.push(" AND l.next_follow_up_at IS NULL"),
            Some(FollowUp::Within(range)) => {
                sql.push(" AND l.next_follow_up_at IS NOT NULL");
                sql.within("l.next_follow_up_at", range);
            }
        }
    }

    /// Every condition that the rows of an access don't fulfil by themselves. Conditions on an indexed column are repeated:
    /// they are the bounds of the index.
    fn conditions(self, sql: &mut Sql, by: Option<Access>) {
        let filter = self.filter;
        if !filter.statuses.is_empty() {
            sql.one_of("l.status", self.statuses());
        } else if by == Some(Access::StatusChanged) {
            sql.one_of(
                "l.status",
                Status::ALL.iter().map(|status| Value::Integer(status.rank().into())).collect(),
            );
        }
        if filter.reached.is_some() {
            let stages = filter.furthest().map(|status| Value::Integer(status.rank().into()));
            sql.one_of("l.furthest", stages.collect());
        }
        if let Some(Entered { status, last }) = filter.entered {
            let (column, _) = of_stage(status);
            sql.push(&format!(" AND {column} IS NOT NULL"));
            for (bound, compared) in [(last.from, ">="), (last.to, "<")] {
                let Some(at) = bound else { continue };
                sql.push(&format!(" AND {column} {compared} "));
                sql.bind(stage_key(at));
            }
        }
        if let Some(import) = filter.import.filter(|_| by != Some(Access::Import)) {
            let mut or = " AND (";
            for (_, column) in [(import.created, "l.made_by_import"), (import.updated, "l.changed_by_import")]
                .into_iter()
                .filter(|(asked, _)| *asked)
            {
                sql.push(or);
                sql.push(column);
                sql.push(" = ");
                sql.bind(blob(import.id.uuid()));
                or = " OR ";
            }
            sql.push(")");
        }
        if !filter.sources.is_empty() {
            let sources = filter.sources.iter().map(|source| Value::Integer(source.code().into()));
            sql.one_of("l.source", sources.collect());
        }
        self.owner(sql);
        self.follow_up(sql);
        if let Some(since) = filter.inactive_since {
            sql.push(" AND l.last_activity_at <= ");
            sql.bind(since.0);
        }
        sql.within("l.created_at", filter.created);
        sql.within("l.updated_at", filter.updated);
        sql.within("l.status_changed_at", filter.status_changed);
        if !filter.tags.is_empty() && by != Some(Access::Tags) {
            sql.push(" AND EXISTS (SELECT 1 FROM lead_tags t WHERE ");
            self.tagged(sql);
            sql.push(" AND t.created_at = l.created_at AND t.id = l.id)");
        }
        for word in &filter.words {
            sql.push(" AND (instr(l.search, ");
            sql.bind(word.text.clone());
            sql.push(") > 0");
            if let Some(digits) = &word.digits {
                sql.push(" OR instr(l.digits, ");
                sql.bind(digits.clone());
                sql.push(") > 0");
            }
            sql.push(")");
        }
    }

    /// Counts the rows of one condition alone.
    pub(super) fn probe(self, access: Access) -> Sql {
        let mut sql = Sql::default();
        match access {
            Access::Grams => {
                sql.push("SELECT rowid FROM grams WHERE grams MATCH ");
                sql.bind(self.tokens());
            }
            Access::Tags => {
                sql.push("SELECT 1 FROM lead_tags t WHERE ");
                self.tagged(&mut sql);
            }
            Access::Import => self.imported(&mut sql),
            other => {
                sql.push("SELECT 1");
                self.rows_of_index(&mut sql, index_of(self.filter, other));
                let only = only(self.filter, other);
                Lister { number: self.number, filter: &only }.conditions(&mut sql, Some(other));
            }
        }
        sql.counted()
    }

    /// Counts what matches.
    pub(super) fn total(self, by: Option<Access>) -> Sql {
        let mut sql = Sql::default();
        sql.push("SELECT 1");
        match by {
            Some(access) => self.rows_of_access(&mut sql, access),
            None => self.rows_of_index(&mut sql, "leads_by_created"),
        }
        self.conditions(&mut sql, by);
        sql.counted()
    }

    /// The rows of a page, or of one part of it.
    pub(super) fn rows(self, what: &str, part: &Part<'_>, limit: usize) -> Sql {
        let mut sql = Sql::default();
        sql.push(&format!("SELECT {what}"));
        let by = part.by();
        match by {
            Some(access) => self.rows_of_access(&mut sql, access),
            None => self.rows_of_index(&mut sql, index_of_sort(part.sort.by)),
        }
        self.conditions(&mut sql, by);
        if let Some(among) = part.among {
            self.among(&mut sql, among);
        }
        part.bounds(&mut sql);
        part.order(&mut sql);
        sql.push(" LIMIT ");
        sql.bind(sql_limit(limit));
        sql
    }

    /// The place at which a walk over a part is given up, if it goes so far.
    pub(super) fn end_of_walk(self, part: &Part<'_>, walked: usize) -> Sql {
        let (key, id) = part.columns();
        let mut sql = Sql::default();
        sql.push(&format!("SELECT {key}, {id}"));
        match part.by() {
            Some(Access::Tags) => {
                sql.push(" FROM lead_tags t WHERE ");
                self.tagged(&mut sql);
            }
            Some(access) => {
                self.rows_of_index(&mut sql, index_of(self.filter, access));
                let only = only(self.filter, access);
                Lister { number: self.number, filter: &only }.conditions(&mut sql, Some(access));
            }
            None => self.rows_of_index(&mut sql, index_of_sort(part.sort.by)),
        }
        part.bounds(&mut sql);
        part.order(&mut sql);
        sql.push(" LIMIT 1 OFFSET ");
        sql.bind(sql_limit(walked));
        sql
    }

    /// Keeps the rows of a condition. The index of the sort knows the row: those that are not kept are never read.
    fn among(self, sql: &mut Sql, access: Access) {
        match access {
            Access::Grams => {
                sql.push(" AND l.row IN (SELECT rowid FROM grams WHERE grams MATCH ");
                sql.bind(self.tokens());
            }
            Access::Tags => {
                sql.push(" AND l.row IN (SELECT t.row FROM lead_tags t WHERE ");
                self.tagged(sql);
            }
            Access::Import => {
                sql.push(" AND l.row IN (");
                self.imported(sql);
            }
            other => {
                sql.push(" AND l.row IN (SELECT l.row");
                self.rows_of_index(sql, index_of(self.filter, other));
                let only = only(self.filter, other);
                Lister { number: self.number, filter: &only }.conditions(sql, Some(other));
            }
        }
        sql.push(")");
    }
}

/// A part of a list, in order: of companies, the leads that have one and those that have none are two.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'p> {
    pub(super) sort: Sort,
    pub(super) page: PageBy,
    /// Those without a company.
    pub(super) missing: bool,
    /// Behind this place.
    pub(super) after: Option<&'p Position>,
    /// Up to and with this place.
    pub(super) until: Option<&'p Position>,
    /// Among the rows of this condition.
    pub(super) among: Option<Access>,
}

impl Part<'_> {
    fn by(&self) -> Option<Access> {
        match self.page {
            PageBy::Walk(by) => by,
            PageBy::Gather(access) => Some(access),
        }
    }

    /// The table of tags has the order itself; the same columns of leads would have to be sorted.
    fn columns(&self) -> (&'static str, &'static str) {
        match self.page {
            PageBy::Walk(Some(Access::Tags)) => ("t.created_at", "t.id"),
            _ => (column_of(self.sort.by), "l.id"),
        }
    }

    fn bounds(&self, sql: &mut Sql) {
        let (key, id) = self.columns();
        if self.sort.by == SortBy::Company {
            sql.push(&format!(" AND {key} IS {}", if self.missing { "NULL" } else { "NOT NULL" }));
        }
        let (beyond, up_to) = if self.sort.descending { ("<", ">=") } else { (">", "<=") };
        for (place, compared) in [(self.after, beyond), (self.until, up_to)] {
            let Some(Position { key: place, id: last }) = place else { continue };
            let value = match place {
                SortKey::Missing => None,
                SortKey::Number(number) => Some(Value::Integer(*number)),
                SortKey::Text(text) => Some(Value::Text(text.clone())),
            };
            match value {
                None => sql.push(&format!(" AND {id} {compared} (")),
                Some(value) => {
                    sql.push(&format!(" AND ({key}, {id}) {compared} ("));
                    sql.bind(value);
                    sql.push(", ");
                }
            }
            sql.bind(blob(last.uuid()));
            sql.push(")");
        }
    }

    fn order(&self, sql: &mut Sql) {
        let (key, id) = self.columns();
        let direction = if self.sort.descending { "DESC" } else { "ASC" };
        match self.missing {
            true => sql.push(&format!(" ORDER BY {id} {direction}")),
            false => sql.push(&format!(" ORDER BY {key} {direction}, {id} {direction}")),
        }
    }
}

/// The filter with one condition only.
fn only(filter: &Filter, access: Access) -> Filter {
    let mut only = Filter { trashed: filter.trashed, ..Filter::default() };
    match access {
        Access::Status => only.statuses.clone_from(&filter.statuses),
        Access::Reached => only.reached = filter.reached,
        Access::Entered => only.entered = filter.entered,
        Access::Import => only.import = filter.import,
        Access::Source => only.sources.clone_from(&filter.sources),
        Access::Owner => only.owner = filter.owner,
        Access::FollowUp => only.follow_up = filter.follow_up,
        Access::Inactive => only.inactive_since = filter.inactive_since,
        Access::Created => only.created = filter.created,
        Access::Updated => only.updated = filter.updated,
        Access::StatusChanged => {
            only.status_changed = filter.status_changed;
            only.statuses.clone_from(&filter.statuses);
        }
        Access::Grams | Access::Tags => {}
    }
    only
}

fn probe_all(conn: &Connection, lister: Lister<'_>) -> Result<Vec<(Access, u64)>, StoreError> {
    accesses(lister.filter)
        .into_iter()
        .map(|access| Ok((access, lister.probe(access).count(conn)?)))
        .collect()
}

/// A page of leads.
pub(super) fn page(conn: &Connection, number: Number, query: &Query) -> Result<Page<Lead>, StoreError> {
    let lister = Lister { number, filter: &query.filter };
    let plan = choose(&query.filter, query.sort, &probe_all(conn, lister)?);
    let total = match (query.totals, plan.total) {
        (Totals::Left, _) => None,
        (Totals::Counted, TotalBy::Known(total)) => Some(total),
        (Totals::Counted, TotalBy::Count(by)) => Some(Total::of(lister.total(by).count(conn)?)),
    };
    if total.is_some_and(|total| total.value == 0) {
        return Ok(Page::empty());
    }
    let wanted = query.limit + 1;
    let mut leads: Vec<Lead> = Vec::new();
    let parts: &[bool] = if query.sort.by == SortBy::Company { &[false, true] } else { &[false] };
    for missing in parts {
        let after = query.after.as_ref();
        let is_missing = after.is_some_and(|after| after.key == SortKey::Missing);
        if leads.len() >= wanted || (is_missing && !missing) {
            continue;
        }
        // The second part begins where the first has ended.
        let after = after.filter(|_| is_missing == *missing);
        let part =
            Part { sort: query.sort, page: plan.page, missing: *missing, after, until: None, among: None };
        leads.extend(part_of(conn, lister, part, plan.instead, wanted - leads.len())?);
    }
    let total = total.unwrap_or_else(|| Total::of_page(&leads, query.limit));
    Ok(Page::of(leads, query.limit, total))
}

/// The first leads of a part.
fn part_of(
    conn: &Connection,
    lister: Lister<'_>,
    part: Part<'_>,
    instead: Option<Access>,
    wanted: usize,
) -> Result<Vec<Lead>, StoreError> {
    let Some(instead) = instead else { return read(conn, &lister.rows(COLUMNS, &part, wanted)) };
    let sql = lister.end_of_walk(&part, WALKED);
    let end = conn
        .prepare_cached(&sql.text)?
        .query_row(params_from_iter(&sql.values), |row| {
            let key = match row.get(0)? {
                Value::Integer(number) => SortKey::Number(number),
                Value::Text(text) => SortKey::Text(text),
                _ => SortKey::Missing,
            };
            Ok(Position { key, id: Uuid::from_bytes(row.get(1)?).into() })
        })
        .optional()?;
    let walked = read(conn, &lister.rows(COLUMNS, &Part { until: end.as_ref(), ..part }, wanted))?;
    if walked.len() >= wanted || end.is_none() {
        return Ok(walked);
    }
    let part = Part { page: PageBy::Walk(None), among: Some(instead), ..part };
    read(conn, &lister.rows(COLUMNS, &part, wanted))
}

fn read(conn: &Connection, sql: &Sql) -> Result<Vec<Lead>, StoreError> {
    let mut statement = conn.prepare_cached(&sql.text)?;
    let rows = statement.query_map(params_from_iter(&sql.values), |row| Ok(row::lead(row)?.1))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Ids of what matches, in no certain order.
pub(super) fn matching(
    conn: &Connection,
    number: Number,
    filter: &Filter,
    most: usize,
) -> Result<Vec<LeadId>, StoreError> {
    let lister = Lister { number, filter };
    let smallest = probe_all(conn, lister)?.into_iter().min_by_key(|(_, size)| *size);
    let by = smallest.map(|(access, _)| access);
    let mut sql = Sql::default();
    sql.push("SELECT l.id");
    match by {
        Some(access) => lister.rows_of_access(&mut sql, access),
        None => lister.rows_of_index(&mut sql, "leads_by_created"),
    }
    lister.conditions(&mut sql, by);
    sql.push(" LIMIT ");
    sql.bind(sql_limit(most));
    let mut statement = conn.prepare_cached(&sql.text)?;
    let rows =
        statement.query_map(params_from_iter(&sql.values), |row| Ok(Uuid::from_bytes(row.get(0)?).into()))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The statement that walks over a workspace, from the start or behind a place.
pub(super) fn walk_sql(behind: bool) -> String {
    let behind = if behind { " AND (l.trashed, l.created_at, l.id) > (?3, ?4, ?5)" } else { "" };
    format!(
        "SELECT {COLUMNS} FROM leads l INDEXED BY leads_by_created WHERE l.workspace = ?1{behind}
         ORDER BY l.trashed, l.created_at, l.id LIMIT ?2"
    )
}

/// All leads of a workspace, part by part.
pub(super) fn walk(
    conn: &Connection,
    number: Number,
    after: Option<WalkMark>,
    limit: usize,
) -> Result<Vec<Lead>, StoreError> {
    let mut values = vec![Value::Integer(number), Value::Integer(sql_limit(limit))];
    if let Some(after) = after {
        values.extend([
            Value::Integer(after.trashed.into()),
            Value::Integer(after.created_at.0),
            blob(after.id.uuid()),
        ]);
    }
    let mut statement = conn.prepare_cached(&walk_sql(after.is_some()))?;
    let rows = statement.query_map(params_from_iter(values), |row| Ok(row::lead(row)?.1))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
