//! Every question that a request can ask is answered through the index that is meant for it.

use leadline_storage::{Sqlite, SqliteOptions, rusqlite::types::Value};

use super::{
    Number, erase,
    list::{Lister, Part, Sql, walk_sql},
    log, merge, row, schema, write,
};
use crate::{
    activity::ImportId,
    filter::{ByImport, Entered, Filter, FollowUp, Owner, Position, Range, Sort, SortBy, SortKey},
    lead::LeadId,
    search::words,
    stage::{Source, Status},
    store::plan::{Access, PageBy, accesses},
};

const HERE: Number = 1;
const SORTS: [SortBy; 5] =
    [SortBy::CreatedAt, SortBy::UpdatedAt, SortBy::Name, SortBy::Company, SortBy::Status];

struct File {
    db: Sqlite,
    _folder: leadline_testbed::Folder,
}

impl File {
    fn new() -> anyhow::Result<Self> {
        let folder = leadline_testbed::Folder::new()?;
        let db = Sqlite::open(&folder.join("leads.db"), schema::MIGRATIONS, SqliteOptions::default())?;
        Ok(Self { db, _folder: folder })
    }

    async fn explain(&self, text: &str, values: Vec<Value>) -> anyhow::Result<Vec<String>> {
        let lines = self.db.explain(text, values).await?;
        // The index of what waits to be published is small, and counting it means reading it.
        let scans = lines.iter().filter(|line| !line.contains("activity_unpublished")).find(|line| {
            let table = line.strip_prefix("SCAN ").and_then(|rest| rest.split(' ').next());
            table.is_some_and(|table| {
                [
                    "l",
                    "leads",
                    "activity",
                    "notes",
                    "lead_tags",
                    "once",
                    "once_leads",
                    "import_traces",
                    "merges",
                    "merged",
                    "moved_notes",
                    "moved_log",
                    "m",
                    "n",
                ]
                .contains(&table)
            })
        });
        assert_eq!(scans, None, "{text}\n{lines:#?}");
        Ok(lines)
    }

    async fn explain_sql(&self, sql: Sql) -> anyhow::Result<Vec<String>> {
        self.explain(&sql.text, sql.values).await
    }
}

fn everything() -> Vec<(Access, Filter)> {
    let range = Range { from: Some(super::Millis(1)), to: Some(super::Millis(2)) };
    let user = leadline_runtime::ids::UserId::new();
    let all = Filter::default;
    vec![
        (Access::Grams, Filter { words: words("zoe müller 030"), ..all() }),
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
        (Access::Owner, Filter { owner: Some(Owner::User(user)), trashed: true, ..all() }),
        (Access::FollowUp, Filter { follow_up: Some(FollowUp::None), ..all() }),
        (Access::FollowUp, Filter { follow_up: Some(FollowUp::Within(range)), ..all() }),
        (Access::Inactive, Filter { inactive_since: range.to, ..all() }),
        (Access::Created, Filter { created: range, ..all() }),
        (Access::Updated, Filter { updated: range, ..all() }),
        (Access::StatusChanged, Filter { status_changed: range, ..all() }),
    ]
}

fn places(by: SortBy) -> Vec<Option<Position>> {
    let id = LeadId::new();
    let key = match by {
        SortBy::Name | SortBy::Company => SortKey::Text("m".to_owned()),
        _ => SortKey::Number(3),
    };
    vec![None, Some(Position { key, id })]
}

fn part(sort: Sort, page: PageBy) -> Part<'static> {
    Part { sort, page, missing: false, after: None, until: None, among: None }
}

fn sorts_afterwards(lines: &[String]) -> bool {
    lines.iter().any(|line| line.contains("TEMP B-TREE FOR ORDER BY"))
}

#[tokio::test]
async fn every_sort_walks_its_own_index_whatever_is_filtered() -> anyhow::Result<()> {
    let file = File::new()?;
    let mut filters: Vec<Filter> = everything().into_iter().map(|(_, filter)| filter).collect();
    filters.extend([Filter::default(), Filter { trashed: true, ..Filter::default() }]);
    for filter in filters {
        let lister = Lister { number: HERE, filter: &filter };
        for (by, descending) in SORTS.into_iter().flat_map(|by| [(by, false), (by, true)]) {
            let sort = Sort { by, descending };
            let missing: &[bool] = if by == SortBy::Company { &[false, true] } else { &[false] };
            for (missing, after) in
                missing.iter().flat_map(|missing| places(by).into_iter().map(move |at| (*missing, at)))
            {
                let after = after.filter(|_| !missing);
                let sql = lister.rows(
                    "l.id",
                    &Part { missing, after: after.as_ref(), ..part(sort, PageBy::Walk(None)) },
                    50,
                );
                let lines = file.explain_sql(sql).await?;
                assert!(!sorts_afterwards(&lines), "{filter:?} {sort:?}: {lines:#?}");
                let begins = "(workspace=? AND trashed=?";
                assert!(
                    lines.iter().any(|line| line.contains("SEARCH l USING") && line.contains(begins)),
                    "{lines:#?}"
                );
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_place_in_a_list_is_a_bound_of_the_index() -> anyhow::Result<()> {
    let file = File::new()?;
    for by in SORTS {
        let (filter, sort) = (Filter::default(), Sort { by, descending: true });
        let lister = Lister { number: HERE, filter: &filter };
        let [_, Some(place)] = &places(by)[..] else { continue };
        let sql = lister.rows(
            "l.id",
            &Part { missing: false, after: Some(place), ..part(sort, PageBy::Walk(None)) },
            50,
        );
        let lines = file.explain_sql(sql).await?;
        assert!(lines[0].contains("trashed=? AND (") || lines[0].contains("<("), "{by:?}: {lines:#?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_walk_has_an_end_and_then_keeps_to_the_rows_of_the_rarest_condition() -> anyhow::Result<()> {
    let file = File::new()?;
    for (access, filter) in everything() {
        let lister = Lister { number: HERE, filter: &filter };
        for by in SORTS {
            let sort = Sort { by, descending: false };
            let end = file.explain_sql(lister.end_of_walk(&part(sort, PageBy::Walk(None)), 2_000)).await?;
            assert!(end.len() == 1 && end[0].contains("USING COVERING INDEX"), "{end:#?}");
            let among = Part { among: Some(access), ..part(sort, PageBy::Walk(None)) };
            let lines = file.explain_sql(lister.rows("l.id", &among, 50)).await?;
            assert!(!sorts_afterwards(&lines), "{access:?} {sort:?}: {lines:#?}");
            assert!(lines.iter().any(|line| line.contains("LIST SUBQUERY")), "{lines:#?}");
        }
        let newest = Sort { by: SortBy::CreatedAt, descending: true };
        if matches!(access, Access::Tags | Access::Status | Access::Source | Access::Owner) {
            let walk = part(newest, PageBy::Walk(Some(access)));
            let end = file.explain_sql(lister.end_of_walk(&walk, 2_000)).await?;
            assert!(end[0].contains("COVERING INDEX") || end[0].contains("PRIMARY KEY"), "{end:#?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn every_condition_is_probed_counted_and_gathered_through_its_index() -> anyhow::Result<()> {
    let file = File::new()?;
    let sort = Sort { by: SortBy::Name, descending: false };
    for (access, filter) in everything() {
        assert!(accesses(&filter).contains(&access));
        let lister = Lister { number: HERE, filter: &filter };
        let narrowed = |lines: &[String]| match access {
            Access::Grams => lines.iter().any(|line| line.contains("VIRTUAL TABLE")),
            Access::Tags => lines.iter().any(|line| line.contains("tag=?")),
            // More than the workspace is known of the index.
            _ => lines.iter().any(|line| line.contains("trashed=? AND ")),
        };
        for sql in [
            lister.probe(access),
            lister.total(Some(access)),
            lister.rows(
                "l.id",
                &Part { missing: false, after: None, ..part(sort, PageBy::Gather(access)) },
                50,
            ),
        ] {
            let lines = file.explain_sql(sql.clone()).await?;
            assert!(narrowed(&lines), "{}\n{lines:#?}", sql.text);
        }
    }
    Ok(())
}

#[tokio::test]
async fn one_value_of_a_common_filter_is_walked_in_the_order_of_creation() -> anyhow::Result<()> {
    let file = File::new()?;
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
        if !single {
            continue;
        }
        for after in places(SortBy::CreatedAt) {
            let lister = Lister { number: HERE, filter: &filter };
            let sql = lister.rows(
                "l.id",
                &Part { missing: false, after: after.as_ref(), ..part(sort, PageBy::Walk(Some(access))) },
                50,
            );
            let lines = file.explain_sql(sql.clone()).await?;
            assert!(!sorts_afterwards(&lines), "{}\n{lines:#?}", sql.text);
        }
    }
    Ok(())
}

#[tokio::test]
async fn everything_else_is_looked_up_too() -> anyhow::Result<()> {
    let file = File::new()?;
    let id = || Value::Blob(vec![0; 16]);
    let number = || Value::Integer(1);
    for (text, values) in [
        (row::OF_ID.to_owned(), vec![id(), id()]),
        (row::NOTES.to_owned(), vec![number(), id(), number()]),
        (write::SET_FOLLOW_UP.to_owned(), vec![number(), number(), id(), id()]),
        (write::FORGET_LOG.to_owned(), vec![number(), id()]),
        (write::FORGET_ANSWERS.to_owned(), vec![id()]),
        (write::SHARE_ANSWERS.to_owned(), vec![id(), id()]),
        (write::FORGET_TRACES.to_owned(), vec![number(), id()]),
        (super::TRASHED.to_owned(), vec![number(), number()]),
        (super::FORGET_KEYS.to_owned(), vec![number(), number()]),
        (log::PENDING.to_owned(), vec![number(), number()]),
        (log::DEPTH.to_owned(), vec![]),
        (log::OLDEST.to_owned(), vec![]),
        (walk_sql(false), vec![number(), number()]),
        (walk_sql(true), vec![number(), number(), number(), number(), id()]),
    ] {
        let lines = file.explain(&text, values).await?;
        assert!(!sorts_afterwards(&lines), "{text}\n{lines:#?}");
    }
    for (lead, kind, residual) in [(false, false, 0), (false, true, 0), (true, false, 0), (true, false, 2)] {
        let text = format!(
            "{} AND id < ? ORDER BY id DESC LIMIT 51",
            log::select("id, event", lead, kind, residual)
        );
        let mut values = vec![number()];
        values.extend(lead.then(id));
        values.extend((0..usize::from(kind) + residual).map(|_| number()));
        values.push(id());
        let lines = file.explain(&text, values).await?;
        assert!(!sorts_afterwards(&lines), "{text}\n{lines:#?}");
        assert!(lines[0].contains("id<?"), "{lines:#?}");
    }
    Ok(())
}

#[tokio::test]
async fn merges_and_what_they_moved_are_looked_up_by_their_own_indexes() -> anyhow::Result<()> {
    let file = File::new()?;
    let (id, number) = (|| Value::Blob(vec![1; 16]), || Value::Integer(1));
    for (sql, values, indexes) in [
        (merge::REMEMBER_NOTES, vec![id(), id(), number()], vec!["notes USING PRIMARY KEY (lead=?"]),
        (merge::MOVE_NOTES, vec![number(), number()], vec!["notes USING PRIMARY KEY (lead=?"]),
        (merge::REMEMBER_LOG, vec![id(), id(), number()], vec!["activity_by_lead"]),
        (merge::MOVE_LOG, vec![number(), id(), id()], vec!["activity_by_lead"]),
        (merge::MERGE, vec![number(), id(), id()], vec!["merges"]),
        (merge::NEWEST, vec![number(), id()], vec!["merges_by_lead"]),
        (merge::COUNT_NOTES, vec![id(), id(), number()], vec!["m USING PRIMARY KEY (merge=? AND lead=?)"]),
        (merge::NOTES_BACK, vec![id(), id(), number(), number()], vec!["PRIMARY KEY (merge=? AND lead=?)"]),
        (merge::LOG_BACK, vec![id(), id(), number(), id()], vec!["PRIMARY KEY (merge=? AND lead=?)"]),
        (merge::WENT, vec![id(), id()], vec!["merged"]),
        (merge::OLD, vec![number(), number()], vec!["merges_by_time"]),
        (&merge::of_merge(), vec![id()], vec!["merged_by_merge"]),
        (&merge::swallowed(), vec![number(), id()], vec!["merged_by_lead"]),
        (merge::SET_ASIDE, vec![number(), id(), id(), number(), number()], vec!["leads"]),
    ] {
        let lines = file.explain(sql, values).await?;
        for index in indexes {
            assert!(
                lines.iter().any(|line| line.starts_with("SEARCH") && line.contains(index)),
                "{sql}\n{lines:#?}"
            );
        }
        assert!(!sorts_afterwards(&lines), "{sql}\n{lines:#?}");
    }
    for sql in merge::FORGET {
        let lines = file.explain(sql, vec![id()]).await?;
        assert!(lines.iter().all(|line| line.starts_with("SEARCH")), "{sql}\n{lines:#?}");
    }
    Ok(())
}

#[tokio::test]
async fn rows_of_an_erased_workspace_are_found_by_indexes() -> anyhow::Result<()> {
    let file = File::new()?;
    let number = || Value::Integer(1);
    let text = || Value::Text("x".to_owned());
    let mut asked = vec![
        (erase::TO_ERASE, vec![]),
        (erase::LEADS, vec![number(), number()]),
        (erase::MERGES, vec![number(), number()]),
        (erase::WAITING, vec![number()]),
        (erase::KEYS, vec![text(), text(), number()]),
    ];
    asked.extend(erase::IMPORTS.map(|sql| (sql, vec![number()])));
    asked.extend(erase::LOOSE.map(|sql| (sql, vec![number(), number()])));
    for (sql, values) in asked {
        let lines = file.explain(sql, values).await?;
        // Uploads that are coming in, and what is yet to be erased, are few in any file.
        let few = ["imports_coming", "erased_open"];
        assert!(
            lines.iter().all(|line| !line.starts_with("SCAN ") || few.iter().any(|few| line.contains(few))),
            "{sql}\n{lines:#?}"
        );
    }
    Ok(())
}
