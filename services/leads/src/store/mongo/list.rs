//! Lists of leads: how the plan of a question becomes the server's commands. Every one names its index.

use std::time::Duration;

use futures::TryStreamExt;
use leadline_runtime::{
    caller::Scope,
    ids::{WorkspaceId, parse_uuid},
    time::Millis,
};
use leadline_storage::{
    Mongo,
    bson::{Bson, Document, doc},
    mongodb::{Collection, options::Hint},
};

use super::{
    document::{self, Hand},
    limit_of, of_workspace,
    probe::{self, count},
};
use crate::{
    filter::{Filter, FollowUp, Owner, Page, Position, Query, Range, Sort, SortBy, SortKey, Total, Totals},
    lead::{Lead, LeadId, Note, NoteId},
    search::{LONGEST_GRAM, Word},
    stage::Status,
    store::{
        StoreError, WalkMark,
        plan::{Access, PROBED, PageBy, Plan, TotalBy, WALKED, accesses},
    },
};

/// How long the server works on one question; a little less than the client waits.
pub(super) const SERVER_DEADLINE: Duration = Duration::from_secs(9);

/// What the server is asked: a filter and the index that leads to it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Find {
    pub(super) filter: Document,
    pub(super) index: &'static str,
}

impl Find {
    fn hint(&self) -> Hint {
        Hint::Name(self.index.to_owned())
    }
}

fn index_of(access: Access) -> &'static str {
    match access {
        Access::Grams => "by_gram",
        Access::Tags => "by_tag",
        Access::Status => "by_status",
        Access::Reached => "by_reached",
        Access::Entered => "by_entered",
        Access::Import => "by_import",
        Access::Source => "by_source",
        Access::Owner => "by_owner",
        Access::FollowUp => "by_follow_up",
        Access::Inactive => "by_activity",
        Access::Created => "by_created",
        Access::Updated => "by_updated",
        Access::StatusChanged => "by_status_changed",
    }
}

fn index_of_sort(by: SortBy) -> &'static str {
    match by {
        SortBy::CreatedAt => "by_created",
        SortBy::UpdatedAt => "by_updated",
        SortBy::Name => "by_name",
        SortBy::Company => "by_company",
        SortBy::Status => "by_stage",
    }
}

fn field_of(by: SortBy) -> &'static str {
    match by {
        SortBy::CreatedAt => "createdAt",
        SortBy::UpdatedAt => "updatedAt",
        SortBy::Name => "nameKey",
        SortBy::Company => "companyKey",
        SortBy::Status => "status",
    }
}

/// One value, or one of several.
fn one_of(field: &str, values: impl IntoIterator<Item = Bson>) -> Document {
    let mut values: Vec<Bson> = values.into_iter().collect();
    match values.len() {
        1 => doc! { field: values.remove(0) },
        _ => doc! { field: { "$in": values } },
    }
}

fn within(field: &str, range: Range) -> Document {
    let mut bounds = Document::new();
    if let Some(from) = range.from {
        bounds.insert("$gte", from.0);
    }
    if let Some(to) = range.to {
        bounds.insert("$lt", to.0);
    }
    // Without bounds: whatever is a time, and not null.
    if bounds.is_empty() {
        bounds.insert("$gte", i64::MIN);
    }
    doc! { field: bounds }
}

/// A lead has a gram. The longest ones are indexed; shorter ones are what those begin with.
fn has_gram(gram: &str) -> Document {
    if gram.chars().count() >= LONGEST_GRAM {
        return doc! { "grams": gram };
    }
    // The server finds no bounds in an expression with a bar, and takes none with a zero.
    if gram.contains(['|', '\0']) {
        // Of an array two conditions may be met by two elements: this is one condition.
        return doc! { "grams": { "$elemMatch": { "$gte": gram, "$lt": format!("{gram}{}", char::MAX) } } };
    }
    let mut beginning = String::from("^");
    for c in gram.chars() {
        if c.is_ascii_punctuation() {
            beginning.push('\\');
        }
        beginning.push(c);
    }
    doc! { "grams": { "$regex": beginning } }
}

fn status_codes<'s>(statuses: impl IntoIterator<Item = &'s Status>) -> impl Iterator<Item = Bson> {
    statuses.into_iter().map(|status| Bson::Int32(status.rank().into())).collect::<Vec<_>>().into_iter()
}

/// Questions about one workspace.
#[derive(Clone, Copy)]
pub(super) struct Lister<'f> {
    pub(super) scope: Scope,
    pub(super) filter: &'f Filter,
}

impl Lister<'_> {
    /// The conditions of one access.
    fn condition(self, access: Access) -> Vec<Document> {
        let filter = self.filter;
        match access {
            Access::Grams => Vec::new(),
            Access::Tags => {
                vec![one_of("tagKeys", filter.tags.iter().cloned().map(Bson::String))]
            }
            Access::Status => vec![one_of("status", status_codes(&filter.statuses))],
            Access::Reached => {
                let stages: Vec<Status> = filter.furthest().collect();
                vec![one_of("stages.status", status_codes(&stages))]
            }
            Access::Entered => filter.entered.map_or_else(Vec::new, |entered| {
                let code = i32::from(entered.status.rank());
                let mut stage = doc! { "status": code };
                stage.extend(within("last", entered.last));
                // Said twice: by the first the server sees that its index has all of them.
                vec![doc! { "stages.status": code }, doc! { "stages": { "$elemMatch": stage } }]
            }),
            Access::Import => filter.import.map_or_else(Vec::new, |import| {
                let marks = [(import.created, Hand::Made), (import.updated, Hand::Changed)];
                let marks = marks.into_iter().filter(|(asked, _)| *asked);
                vec![one_of("imports", marks.map(|(_, hand)| document::import_mark(hand, import.id)))]
            }),
            Access::Source => {
                vec![one_of("source", filter.sources.iter().map(|source| Bson::Int32(source.code().into())))]
            }
            Access::Owner => vec![match filter.owner {
                Some(Owner::User(user)) => doc! { "ownerId": user.to_string() },
                Some(Owner::Nobody) | None => doc! { "ownerId": Bson::Null },
            }],
            Access::FollowUp => vec![match filter.follow_up {
                Some(FollowUp::Within(range)) => within("nextFollowUpAt", range),
                Some(FollowUp::None) | None => doc! { "nextFollowUpAt": Bson::Null },
            }],
            Access::Inactive => filter
                .inactive_since
                .map(|since| doc! { "lastActivityAt": { "$lte": since.0 } })
                .into_iter()
                .collect(),
            Access::Created => vec![within("createdAt", filter.created)],
            Access::Updated => vec![within("updatedAt", filter.updated)],
            Access::StatusChanged => {
                let statuses: Vec<Status> = match filter.statuses.is_empty() {
                    true => Status::ALL.to_vec(),
                    false => filter.statuses.iter().copied().collect(),
                };
                vec![
                    one_of("status", status_codes(&statuses)),
                    within("statusChangedAt", filter.status_changed),
                ]
            }
        }
    }

    fn find(self, index: &'static str, conditions: Vec<Document>) -> Find {
        let mut filter = of_workspace(self.scope);
        filter.insert("trashed", self.filter.trashed);
        if !conditions.is_empty() {
            filter.insert("$and", conditions);
        }
        Find { filter, index }
    }

    /// All conditions. Words are compared exactly, as [`Word::is_in`] does, in documents that other conditions have led to.
    fn conditions(self, gram: Option<&str>) -> Vec<Document> {
        let mut all: Vec<Document> =
            accesses(self.filter).into_iter().flat_map(|access| self.condition(access)).collect();
        all.extend(gram.map(has_gram));
        let holds = |field: &str, text: &str| {
            doc! { "$gte": [{ "$indexOfBytes": [field, { "$literal": text }] }, 0] }
        };
        for word in &self.filter.words {
            let Word { text, digits } = word;
            if word.is_gram() && gram == Some(text) {
                continue;
            }
            all.push(match digits {
                None => doc! { "$expr": holds("$search", text) },
                Some(digits) => {
                    doc! { "$expr": { "$or": [holds("$search", text), holds("$digits", digits)] } }
                }
            });
        }
        all
    }

    /// The rows of one condition alone.
    pub(super) fn probe(self, access: Access) -> Find {
        self.find(index_of(access), self.condition(access))
    }

    /// The rows of one gram alone.
    pub(super) fn probe_gram(self, gram: &str) -> Find {
        self.find("by_gram", vec![has_gram(gram)])
    }

    /// Everything that matches.
    pub(super) fn all(self, by: Option<Access>, gram: Option<&str>) -> Find {
        let gram = gram.filter(|_| by == Some(Access::Grams));
        self.find(by.map_or("by_created", index_of), self.conditions(gram))
    }

    /// The rows of a page, or of one part of it.
    pub(super) fn rows(self, part: &Part<'_>, gram: Option<&str>) -> Find {
        let by = part.by();
        let mut conditions = self.conditions(gram.filter(|_| by == Some(Access::Grams)));
        conditions.extend(part.bounds());
        self.find(part.index(), conditions)
    }

    /// The rows that a walk over a part goes past, whether they match or not.
    pub(super) fn walked(self, part: &Part<'_>) -> Find {
        let mut conditions = part.by().map(|access| self.condition(access)).unwrap_or_default();
        conditions.extend(part.bounds());
        self.find(part.index(), conditions)
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
}

impl Part<'_> {
    fn by(&self) -> Option<Access> {
        match self.page {
            PageBy::Walk(by) => by,
            PageBy::Gather(access) => Some(access),
        }
    }

    fn index(&self) -> &'static str {
        self.by().map_or_else(|| index_of_sort(self.sort.by), index_of)
    }

    fn bounds(&self) -> Vec<Document> {
        let field = field_of(self.sort.by);
        let mut bounds = Vec::new();
        if self.sort.by == SortBy::Company {
            bounds.push(match self.missing {
                true => doc! { field: Bson::Null },
                false => doc! { field: { "$gte": "" } },
            });
        }
        let (beyond, short_of) = if self.sort.descending { ("$lt", "$gt") } else { ("$gt", "$lt") };
        for (place, strictly, or_same) in [(self.after, beyond, false), (self.until, short_of, true)] {
            let Some(Position { key, id }) = place else { continue };
            let loosely = if strictly == "$lt" { "$lte" } else { "$gte" };
            let of_id = doc! { if or_same { loosely } else { strictly }: id.to_string() };
            let key = match key {
                SortKey::Missing => None,
                SortKey::Number(rank) if self.sort.by == SortBy::Status => {
                    i32::try_from(*rank).ok().map(Bson::Int32)
                }
                SortKey::Number(number) => Some(Bson::Int64(*number)),
                SortKey::Text(text) => Some(Bson::String(text.clone())),
            };
            let Some(key) = key else {
                bounds.push(doc! { "_id": of_id });
                continue;
            };
            // Said twice: the first is the bound of the index, the second is exact.
            bounds.push(doc! { field: { loosely: key.clone() } });
            bounds.push(doc! { "$or": [{ field: { strictly: key.clone() } }, { field: key, "_id": of_id }] });
        }
        bounds
    }

    pub(super) fn order(&self) -> Document {
        let direction = if self.sort.descending { -1 } else { 1 };
        match self.missing {
            true => doc! { "_id": direction },
            false => doc! { field_of(self.sort.by): direction, "_id": direction },
        }
    }
}

fn leads_of(db: &Mongo) -> Collection<Document> {
    db.collection("leads")
}

async fn rows(
    db: &Mongo,
    find: Find,
    projection: Document,
    sort: Option<Document>,
    limit: usize,
) -> Result<Vec<Document>, StoreError> {
    let leads = leads_of(db);
    let hint = find.hint();
    let mut asked = leads
        .find(find.filter)
        .projection(projection)
        .hint(hint)
        .limit(limit_of(limit))
        .max_time(SERVER_DEADLINE);
    if let Some(sort) = sort {
        asked = asked.sort(sort);
    }
    Ok(db.run(async { asked.await?.try_collect().await }).await?)
}

/// A page of leads.
pub(super) async fn page(db: &Mongo, scope: Scope, query: &Query) -> Result<Page<Lead>, StoreError> {
    let lister = Lister { scope, filter: &query.filter };
    let Some((plan, gram)) = probe::plan(db, lister, query.sort).await? else { return Ok(Page::empty()) };
    let gram = gram.as_deref();
    let total = async {
        match plan.total {
            TotalBy::Known(total) => Ok(total),
            TotalBy::Count(by) => count(db, lister.all(by, gram), PROBED).await.map(Total::of),
        }
    };
    let items = page_rows(db, lister, query, &plan, gram);
    if query.totals == Totals::Left {
        let items = items.await?;
        let total = Total::of_page(&items, query.limit);
        return Ok(Page::of(items, query.limit, total));
    }
    // Few are found with all of them looked at: often they are fewer than a page, and need no count.
    if query.after.is_none() && matches!(plan.page, PageBy::Gather(_)) {
        let items = items.await?;
        let total = match items.len() > query.limit {
            true => total.await?,
            false => Total { value: items.len() as u64, exact: true },
        };
        return Ok(Page::of(items, query.limit, total));
    }
    let (total, items) = futures::try_join!(total, items)?;
    Ok(Page::of(items, query.limit, total))
}

async fn page_rows(
    db: &Mongo,
    lister: Lister<'_>,
    query: &Query,
    plan: &Plan,
    gram: Option<&str>,
) -> Result<Vec<Lead>, StoreError> {
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
        let part = Part { sort: query.sort, page: plan.page, missing: *missing, after, until: None };
        leads.extend(part_of(db, lister, part, plan.instead, gram, wanted - leads.len()).await?);
    }
    Ok(leads)
}

/// The first leads of a part.
async fn part_of(
    db: &Mongo,
    lister: Lister<'_>,
    part: Part<'_>,
    instead: Option<Access>,
    gram: Option<&str>,
    wanted: usize,
) -> Result<Vec<Lead>, StoreError> {
    let Some(instead) = instead else { return read(db, lister, &part, gram, wanted).await };
    let field = field_of(part.sort.by);
    let walked = lister.walked(&part);
    let leads = leads_of(db);
    let end = leads
        .find_one(walked.filter.clone())
        .sort(part.order())
        .skip(WALKED as u64)
        .projection(doc! { "_id": 1, field: 1 })
        .hint(walked.hint())
        .max_time(SERVER_DEADLINE);
    let end = db.run(end).await?.as_ref().map(|row| document::position(row, field)).transpose()?;
    let found = read(db, lister, &Part { until: end.as_ref(), ..part }, gram, wanted).await?;
    if found.len() >= wanted || end.is_none() {
        return Ok(found);
    }
    read(db, lister, &Part { page: PageBy::Gather(instead), ..part }, gram, wanted).await
}

async fn read(
    db: &Mongo,
    lister: Lister<'_>,
    part: &Part<'_>,
    gram: Option<&str>,
    wanted: usize,
) -> Result<Vec<Lead>, StoreError> {
    let find = lister.rows(part, gram);
    let found = rows(db, find, document::shown(), Some(part.order()), wanted).await?;
    found.iter().map(|row| Ok(document::lead(row)?.lead)).collect()
}

/// Ids of what matches, in no certain order.
pub(super) async fn matching(
    db: &Mongo,
    scope: Scope,
    filter: &Filter,
    most: usize,
) -> Result<Vec<LeadId>, StoreError> {
    let lister = Lister { scope, filter };
    let (by, gram) = match accesses(filter).is_empty() {
        true => (None, None),
        false => {
            let probed = probe::probe(db, lister).await?;
            (probed.rarest(), probed.gram)
        }
    };
    let find = lister.all(by, gram.as_deref());
    let found = rows(db, find, doc! { "_id": 1, "workspaceId": 1 }, None, most).await?;
    found.iter().map(|row| Ok(document::place(row)?.1)).collect()
}

/// All leads of a workspace, part by part.
pub(super) async fn walk(
    db: &Mongo,
    scope: Scope,
    after: Option<WalkMark>,
    limit: usize,
) -> Result<Vec<Lead>, StoreError> {
    let mut leads = Vec::new();
    for trashed in [false, true] {
        if leads.len() >= limit || after.is_some_and(|after| after.trashed && !trashed) {
            continue;
        }
        let filter = Filter { trashed, ..Filter::default() };
        let lister = Lister { scope, filter: &filter };
        let sort = Sort { by: SortBy::CreatedAt, descending: false };
        let place = after
            .filter(|after| after.trashed == trashed)
            .map(|after| Position { key: SortKey::Number(after.created_at.0), id: after.id });
        let part =
            Part { sort, page: PageBy::Walk(None), missing: false, after: place.as_ref(), until: None };
        leads.extend(read(db, lister, &part, None, limit - leads.len()).await?);
    }
    Ok(leads)
}

/// The first workspace after this one.
pub(super) async fn next_workspace(
    db: &Mongo,
    after: Option<WorkspaceId>,
) -> Result<Option<WorkspaceId>, StoreError> {
    let after = after.map(|id| id.to_string()).unwrap_or_default();
    let leads = leads_of(db);
    let next = leads
        .find_one(doc! { "workspaceId": { "$gt": after } })
        .sort(doc! { "workspaceId": 1 })
        .projection(doc! { "_id": 0, "workspaceId": 1 })
        .hint(Hint::Name("by_created".to_owned()))
        .max_time(SERVER_DEADLINE);
    let found = db.run(next).await?;
    let id = found.as_ref().and_then(|row| row.get_str("workspaceId").ok());
    Ok(id.and_then(|id| parse_uuid(id).ok()).map(WorkspaceId::from))
}

/// Notes of a lead older than `before`, newest first.
pub(super) async fn notes(
    db: &Mongo,
    scope: Scope,
    lead: LeadId,
    before: Option<NoteId>,
    limit: usize,
) -> Result<Vec<Note>, StoreError> {
    let mut filter = of_workspace(scope);
    filter.insert("leadId", lead.to_string());
    if let Some(before) = before {
        filter.insert("_id", doc! { "$lt": before.to_string() });
    }
    let notes: Collection<Document> = db.collection("notes");
    let found: Vec<Document> = db
        .run(async {
            notes
                .find(filter)
                .sort(doc! { "_id": -1 })
                .limit(limit_of(limit))
                .hint(Hint::Name("by_lead".to_owned()))
                .max_time(SERVER_DEADLINE)
                .await?
                .try_collect()
                .await
        })
        .await?;
    found.iter().map(document::note).collect()
}

/// What has been in the trash since before a time.
pub(super) async fn trashed_before(
    db: &Mongo,
    before: Millis,
    limit: usize,
) -> Result<Vec<(Scope, LeadId)>, StoreError> {
    let filter = doc! { "trashed": true, "deletedAt": { "$lte": before.0 } };
    let find = Find { filter, index: "by_deleted" };
    let shown = doc! { "_id": 1, "workspaceId": 1 };
    let found = rows(db, find, shown, Some(doc! { "deletedAt": 1 }), limit).await?;
    found.iter().map(document::place).collect()
}

/// Takes keys from before a time away.
pub(super) async fn forget_keys(db: &Mongo, before: Millis, limit: usize) -> Result<u64, StoreError> {
    let once: Collection<Document> = db.collection("once");
    let old: Vec<Document> = db
        .run(async {
            once.find(doc! { "at": { "$lt": before.0 } })
                .projection(doc! { "_id": 1 })
                .limit(limit_of(limit))
                .hint(Hint::Name("by_time".to_owned()))
                .max_time(SERVER_DEADLINE)
                .await?
                .try_collect()
                .await
        })
        .await?;
    let ids: Vec<&str> = old.iter().filter_map(|row| row.get_str("_id").ok()).collect();
    if ids.is_empty() {
        return Ok(0);
    }
    Ok(db.run(once.delete_many(doc! { "_id": { "$in": ids } })).await?.deleted_count)
}
