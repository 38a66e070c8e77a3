//! Every question that a request can ask is answered through the index that is meant for it.

use leadline_runtime::{
    caller::Scope,
    ids::{UserId, WorkspaceId},
    time::Millis,
};
use leadline_storage::{
    Mongo,
    bson::{Document, doc},
    mongo::plan_stages,
};

use super::{
    list::{Find, Lister, Part},
    schema,
};
use crate::{
    activity::ImportId,
    filter::{ByImport, Entered, Filter, FollowUp, Owner, Position, Range, Sort, SortBy, SortKey},
    lead::LeadId,
    search::words,
    stage::{Source, Status},
    store::plan::{Access, PageBy},
};

const SORTS: [SortBy; 5] =
    [SortBy::CreatedAt, SortBy::UpdatedAt, SortBy::Name, SortBy::Company, SortBy::Status];

async fn database() -> anyhow::Result<Mongo> {
    let uri = leadline_testbed::mongo().await?.fresh_uri();
    let db = Mongo::open(&uri, &Mongo::database_name(&uri, "leads")?, "leadline-leads-test").await?;
    db.migrate(schema::MIGRATIONS).await?;
    Ok(db)
}

async fn stages(db: &Mongo, find: &Find, sort: Document) -> anyhow::Result<Vec<String>> {
    let command = doc! { "find": "leads", "filter": find.filter.clone(), "sort": sort, "hint": find.index, "limit": 51 };
    let stages = plan_stages(&db.explain(command).await?);
    assert!(!stages.iter().any(|stage| stage.contains("COLLSCAN")), "{find:?}: {stages:?}");
    assert!(stages.contains(&format!("IXSCAN {}", find.index)), "{find:?}: {stages:?}");
    Ok(stages)
}

fn everything() -> Vec<(Access, Filter)> {
    let range = Range { from: Some(Millis(1)), to: Some(Millis(2)) };
    let all = Filter::default;
    vec![
        (Access::Grams, Filter { words: words("zoe müller 030"), ..all() }),
        (Access::Grams, Filter { words: words("zo"), ..all() }),
        (Access::Grams, Filter { words: words("ü"), ..all() }),
        (Access::Grams, Filter { words: words("a."), ..all() }),
        (Access::Grams, Filter { words: words("|"), ..all() }),
        (Access::Tags, Filter { tags: ["vip".to_owned()].into(), ..all() }),
        (Access::Tags, Filter { tags: ["vip".to_owned(), "cold".to_owned()].into(), ..all() }),
        (Access::Status, Filter { statuses: [Status::New].into(), ..all() }),
        (Access::Status, Filter { statuses: [Status::New, Status::Lost].into(), ..all() }),
        (Access::Reached, Filter { reached: Some(Status::Qualified), ..all() }),
        (Access::Reached, Filter { reached: Some(Status::Converted), ..all() }),
        (
            Access::Entered,
            Filter { entered: Some(Entered { status: Status::Contacted, last: range }), ..all() },
        ),
        (
            Access::Entered,
            Filter { entered: Some(Entered { status: Status::Lost, last: Range::default() }), ..all() },
        ),
        (
            Access::Import,
            Filter { import: Some(ByImport { id: ImportId::new(), created: true, updated: true }), ..all() },
        ),
        (
            Access::Import,
            Filter { import: Some(ByImport { id: ImportId::new(), created: false, updated: true }), ..all() },
        ),
        (Access::Source, Filter { sources: [Source::Ad].into(), ..all() }),
        (Access::Owner, Filter { owner: Some(Owner::Nobody), ..all() }),
        (Access::Owner, Filter { owner: Some(Owner::User(UserId::new())), trashed: true, ..all() }),
        (Access::FollowUp, Filter { follow_up: Some(FollowUp::None), ..all() }),
        (Access::FollowUp, Filter { follow_up: Some(FollowUp::Within(range)), ..all() }),
        (Access::Inactive, Filter { inactive_since: range.to, ..all() }),
        (Access::Created, Filter { created: range, ..all() }),
        (Access::Updated, Filter { updated: range, ..all() }),
        (Access::StatusChanged, Filter { status_changed: range, ..all() }),
    ]
}

fn place(by: SortBy) -> Position {
    let key = match by {
        SortBy::Name | SortBy::Company => SortKey::Text("m".to_owned()),
        _ => SortKey::Number(3),
    };
    Position { key, id: LeadId::new() }
}

#[tokio::test]
async fn every_sort_walks_its_own_index_whatever_is_filtered() -> anyhow::Result<()> {
    let db = database().await?;
    let scope = Scope::of_own_row(WorkspaceId::new());
    let mut filters: Vec<Filter> = everything().into_iter().map(|(_, filter)| filter).collect();
    filters.extend([Filter::default(), Filter { trashed: true, ..Filter::default() }]);
    for filter in &filters {
        let lister = Lister { scope, filter };
        for (by, descending) in SORTS.into_iter().flat_map(|by| [(by, false), (by, true)]) {
            for (missing, after) in [(false, None), (false, Some(place(by))), (true, None)] {
                if missing && by != SortBy::Company {
                    continue;
                }
                let sort = Sort { by, descending };
                let until = after.clone().map(|after| Position { id: LeadId::new(), ..after });
                let part = Part {
                    sort,
                    page: PageBy::Walk(None),
                    missing,
                    after: after.as_ref(),
                    until: until.as_ref(),
                };
                let found = stages(&db, &lister.rows(&part, None), part.order()).await?;
                let walked = stages(&db, &lister.walked(&part), part.order()).await?;
                for stages in [found, walked] {
                    assert!(!stages.iter().any(|stage| stage == "SORT"), "{filter:?} {sort:?}: {stages:?}");
                }
            }
        }
    }
    db.close().await;
    Ok(())
}

#[tokio::test]
async fn every_condition_is_probed_counted_and_gathered_through_its_index() -> anyhow::Result<()> {
    let db = database().await?;
    let scope = Scope::of_own_row(WorkspaceId::new());
    for (access, filter) in everything() {
        let lister = Lister { scope, filter: &filter };
        let gram = lister.grams().pop();
        let sort = Sort { by: SortBy::Name, descending: false };
        let part = Part { sort, page: PageBy::Gather(access), missing: false, after: None, until: None };
        let probe = match &gram {
            Some(gram) => lister.probe_gram(gram),
            None => lister.probe(access),
        };
        stages(&db, &lister.rows(&part, gram.as_deref()), part.order()).await?;
        stages(&db, &probe, doc! {}).await?;
        stages(&db, &lister.all(Some(access), gram.as_deref()), doc! {}).await?;
        // The condition is a bound of its index.
        let command = doc! { "find": "leads", "filter": probe.filter, "hint": probe.index };
        let explained = db.explain(command).await?.to_string();
        let bounds = explained
            .split("indexBounds")
            .nth(1)
            .unwrap_or_default()
            .split('}')
            .next()
            .unwrap_or_default()
            .to_owned();
        let open = bounds.matches("[MinKey, MaxKey]").count();
        let behind = match access {
            Access::Tags | Access::Status | Access::Reached => 2,
            Access::Source | Access::Owner | Access::FollowUp => 2,
            Access::Created | Access::Updated => 1,
            _ => 0,
        };
        assert_eq!(open, behind, "{access:?}: {bounds}");
    }
    db.close().await;
    Ok(())
}

#[tokio::test]
async fn one_value_of_a_common_filter_is_walked_in_the_order_of_creation() -> anyhow::Result<()> {
    let db = database().await?;
    let scope = Scope::of_own_row(WorkspaceId::new());
    let sort = Sort { by: SortBy::CreatedAt, descending: true };
    for (access, filter) in everything() {
        let single = match access {
            Access::Tags => filter.tags.len() == 1,
            Access::Status => filter.statuses.len() == 1,
            Access::Reached => filter.reached == Some(Status::Converted),
            Access::Source | Access::Owner => true,
            Access::FollowUp => filter.follow_up == Some(FollowUp::None),
            _ => false,
        };
        for after in [None, Some(place(SortBy::CreatedAt))] {
            if single {
                let lister = Lister { scope, filter: &filter };
                let page = PageBy::Walk(Some(access));
                let part = Part { sort, page, missing: false, after: after.as_ref(), until: None };
                let stages = stages(&db, &lister.rows(&part, None), part.order()).await?;
                assert!(!stages.iter().any(|stage| stage == "SORT"), "{access:?}: {stages:?}");
            }
        }
    }
    db.close().await;
    Ok(())
}

#[tokio::test]
async fn leads_notes_and_log_are_looked_up_by_their_own_indexes() -> anyhow::Result<()> {
    let db = database().await?;
    let workspace = WorkspaceId::new().to_string();
    let all = doc! { "workspaceId": &workspace };
    let with = |more: Document| {
        let mut filter = all.clone();
        filter.extend(more);
        filter
    };
    let newest = doc! { "_id": -1 };
    for (collection, filter, sort, index) in [
        ("leads", with(doc! { "_id": "x" }), doc! {}, "_id_"),
        ("leads", doc! { "workspaceId": { "$gt": "x" } }, doc! { "workspaceId": 1 }, "by_created"),
        (
            "leads",
            doc! { "trashed": true, "deletedAt": { "$lte": 1_i64 } },
            doc! { "deletedAt": 1 },
            "by_deleted",
        ),
        ("notes", with(doc! { "leadId": "x", "_id": { "$lt": "y" } }), newest.clone(), "by_lead"),
        ("activity", with(doc! { "hidden": false, "_id": { "$lt": "y" } }), newest.clone(), "by_workspace"),
        ("activity", with(doc! { "hidden": false, "leadId": "x" }), newest.clone(), "by_lead"),
        ("activity", with(doc! { "hidden": false, "kind": "lead.created" }), newest, "by_kind"),
        ("activity", doc! { "published": false, "_id": { "$gt": "x" } }, doc! { "_id": 1 }, "unpublished"),
        ("once", doc! { "at": { "$lt": 1_i64 } }, doc! {}, "by_time"),
        ("once", doc! { "leads": "x" }, doc! {}, "by_lead"),
        ("parked", doc! { "leadId": "x" }, doc! {}, "by_lead"),
    ] {
        let command = doc! { "find": collection, "filter": filter, "sort": sort, "hint": index };
        let stages = plan_stages(&db.explain(command).await?);
        assert!(stages.contains(&format!("IXSCAN {index}")), "{collection} {index}: {stages:?}");
        assert!(!stages.iter().any(|stage| stage == "SORT"), "{collection} {index}: {stages:?}");
    }
    db.close().await;
    Ok(())
}

#[tokio::test]
async fn imports_are_looked_up_by_their_own_indexes() -> anyhow::Result<()> {
    let db = database().await?;
    let workspace = WorkspaceId::new().to_string();
    let with = |more: Document| {
        let mut filter = doc! { "workspaceId": &workspace };
        filter.extend(more);
        filter
    };
    let open = || doc! { "$in": [1, 2, 5] };
    for (collection, filter, sort, index) in [
        ("imports", with(doc! { "_id": "x", "holder": "y", "state": open() }), doc! {}, "_id_"),
        (
            "imports",
            with(doc! { "state": { "$gt": 0 }, "_id": { "$lt": "y" } }),
            doc! { "_id": -1 },
            "by_workspace",
        ),
        ("imports", with(doc! { "state": open() }), doc! {}, "by_state"),
        ("imports", with(doc! { "state": 0, "createdAt": { "$gt": 1_i64 } }), doc! {}, "by_state"),
        ("imports", doc! { "state": 0, "createdAt": { "$lt": 1_i64 } }, doc! { "createdAt": 1 }, "coming"),
        (
            "imports",
            doc! { "swept": { "$lt": 2 }, "finishedAt": { "$lt": 1_i64 } },
            doc! { "finishedAt": 1 },
            "ended",
        ),
        ("import_pieces", with(doc! { "_id": "x" }), doc! {}, "_id_"),
        ("import_failures", with(doc! { "_id": { "$gt": "x", "$lt": "y" } }), doc! { "_id": 1 }, "_id_"),
        ("import_traces", doc! { "importId": "x" }, doc! {}, "by_import"),
        ("import_seen", with(doc! { "_id": { "$in": ["x", "y"] } }), doc! {}, "_id_"),
        ("leads", with(doc! { "trashed": false, "emailKey": { "$in": ["x", "y"] } }), doc! {}, "by_email"),
        ("leads", with(doc! { "trashed": false, "digits": { "$in": ["1", "2"] } }), doc! {}, "by_digits"),
    ] {
        let command = doc! { "find": collection, "filter": filter, "sort": sort, "hint": index };
        let stages = plan_stages(&db.explain(command).await?);
        assert!(stages.contains(&format!("IXSCAN {index}")), "{collection} {index}: {stages:?}");
        assert!(!stages.iter().any(|stage| stage == "SORT"), "{collection} {index}: {stages:?}");
    }
    // Those that are open are few: they are sorted.
    let command = doc! { "find": "imports", "filter": { "state": open(), "leasedUntil": { "$lte": 1_i64 } }, "hint": "open" };
    assert!(plan_stages(&db.explain(command).await?).contains(&"IXSCAN open".to_owned()));
    db.close().await;
    Ok(())
}

#[tokio::test]
async fn merges_and_what_they_moved_are_looked_up_by_their_own_indexes() -> anyhow::Result<()> {
    let db = database().await?;
    let workspace = WorkspaceId::new().to_string();
    let with = |more: Document| {
        let mut filter = doc! { "workspaceId": &workspace };
        filter.extend(more);
        filter
    };
    let moved = || doc! { "merge": "x", "lead": "y" };
    for (collection, filter, sort, index) in [
        ("merges", with(doc! { "intoId": "x" }), doc! { "_id": -1 }, "by_lead"),
        ("merges", doc! { "at": { "$lte": 1_i64 } }, doc! { "at": 1 }, "by_time"),
        ("merged", with(doc! { "mergeId": "x" }), doc! { "nth": 1 }, "by_merge"),
        ("merged", with(doc! { "intoId": "x" }), doc! { "_id": 1 }, "by_lead"),
        ("notes", with(doc! { "leadId": "x" }), doc! {}, "by_lead"),
        ("notes", with(doc! { "leadId": "x", "moved": moved() }), doc! {}, "by_lead"),
        ("activity", with(doc! { "leadId": "x", "hidden": false }), doc! {}, "by_lead"),
        ("activity", with(doc! { "leadId": "x", "hidden": false, "moved": moved() }), doc! {}, "by_lead"),
    ] {
        let mut command = doc! { "find": collection, "filter": filter, "sort": sort };
        // Of the log, the planner might walk all that the workspace has.
        if ["notes", "activity"].contains(&collection) {
            command.insert("hint", index);
        }
        let stages = plan_stages(&db.explain(command).await?);
        assert!(stages.contains(&format!("IXSCAN {index}")), "{collection} {index}: {stages:?}");
        assert!(!stages.iter().any(|stage| stage == "SORT"), "{collection} {index}: {stages:?}");
    }
    // The one named, whatever else is asked of it.
    for filter in [with(doc! { "_id": "x", "intoId": "y" }), with(doc! { "_id": "x" })] {
        let command = doc! { "find": "merges", "filter": filter, "sort": { "_id": -1 } };
        let stages = plan_stages(&db.explain(command).await?);
        assert!(!stages.iter().any(|stage| stage.contains("COLLSCAN") || stage == "SORT"), "{stages:?}");
    }
    db.close().await;
    Ok(())
}

#[tokio::test]
async fn rows_of_an_erased_workspace_are_found_by_indexes() -> anyhow::Result<()> {
    let db = database().await?;
    let scope = leadline_runtime::caller::Scope::of_own_row(WorkspaceId::new());
    let mut log = super::erase::shown(scope);
    log.insert("published", true);
    let all = super::of_workspace;
    for (collection, filter) in [
        ("erased", super::erase::open()),
        ("leads", all(scope)),
        ("notes", all(scope)),
        ("merged", all(scope)),
        ("merges", all(scope)),
        ("imports", all(scope)),
        ("activity", super::erase::shown(scope)),
        ("activity", log),
    ] {
        let sort = if collection == "erased" {
            doc! { "at": 1 }
        } else {
            doc! {}
        };
        let command = doc! { "find": collection, "filter": filter, "sort": sort };
        let stages = plan_stages(&db.explain(command).await?);
        assert!(stages.iter().any(|stage| stage.starts_with("IXSCAN")), "{collection}: {stages:?}");
        assert!(!stages.iter().any(|stage| stage == "COLLSCAN"), "{collection}: {stages:?}");
    }
    db.close().await;
    Ok(())
}
