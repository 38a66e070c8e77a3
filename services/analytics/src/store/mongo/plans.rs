//! No query of a request or an event looks at more documents than it needs.

use bson::{Bson, Document, doc};
use futures::TryStreamExt;
use leadline_runtime::{caller::Scope, ids::WorkspaceId, time::Millis, zone::Zone};
use leadline_storage::mongo::plan_stages;
use leadline_testbed as testbed;

use super::{
    MongoStore,
    documents::{Generation, page_ids, within},
    schema::index_of,
};
use crate::{
    calendar::{Clock, Interval},
    counts::{Counts, Need, Span},
    day::{DAY, Day, Slot},
    figures::dashboard,
    lead::{Facts, LeadId, Moment, Snapshot, Source, Status},
    store::Store,
};

#[tokio::test]
async fn every_query_of_a_request_or_an_event_goes_through_an_index() -> anyhow::Result<()> {
    let uri = testbed::mongo().await?.fresh_uri();
    let store = MongoStore::open(&uri, std::future::pending()).await?;
    let live = Generation { scope: Scope::of_own_row(WorkspaceId::new()), number: 1 };
    let lead = LeadId::new();
    let days = Day::of(Millis(0))..Day::of(Millis(1_000_000_000));
    let mut queries: Vec<(&str, Document, String)> = vec![
        ("pages", live.those(live.page_id(Slot::All)), "_id_".into()),
        ("pages", live.those(page_ids(live, &days)), "_id_".into()),
        (
            "pages",
            live.those(doc! { "$in": [live.page_id(Slot::All), live.page_id(Slot::Day(days.start))] }),
            "_id_".into(),
        ),
        (
            "leads",
            live.those(doc! { "$in": [live.lead_id(lead), live.lead_id(LeadId::new())] }),
            "_id_".into(),
        ),
        ("leads", live.those(live.ids()), "_id_".into()),
    ];
    for moment in [Moment::Created].into_iter().chain(Moment::ENTERED) {
        let span = Span { from: Millis(0), to: Millis(5) };
        queries.push(("leads", within(live, moment, span), index_of(moment).into()));
    }
    for (collection, filter, index) in queries {
        let plan = store.mongo.explain(doc! { "find": collection, "filter": filter.clone() }).await?;
        let stages = plan_stages(&plan);
        assert!(stages.contains(&format!("IXSCAN {index}")), "{collection} {filter}: {stages:?}");
        assert!(!stages.iter().any(|stage| stage == "COLLSCAN"), "{collection} {filter}: {stages:?}");
    }
    // The number of leads is counted in the index alone.
    let span = Span { from: Millis(0), to: Millis(5) };
    let count = doc! {
        "aggregate": "leads",
        "pipeline": [{ "$match": within(live, Moment::Created, span) }, { "$group": { "_id": 1, "n": { "$sum": 1 } } }],
        "cursor": {},
    };
    let stages = plan_stages(&store.mongo.explain(count).await?);
    assert!(!stages.iter().any(|stage| stage.starts_with("COLLSCAN")), "{stages:?}");
    store.mongo.close().await;
    Ok(())
}

/// What the server was asked meanwhile: commands, and documents looked at.
async fn asked<T>(store: &MongoStore, read: impl Future<Output = T>) -> anyhow::Result<(T, usize, i32)> {
    let (database, profile) = (store.mongo.database(), store.mongo.collection::<Document>("system.profile"));
    database.run_command(doc! { "profile": 0 }).await?;
    profile.drop().await?;
    database.run_command(doc! { "profile": 2 }).await?;
    let read = read.await;
    database.run_command(doc! { "profile": 0 }).await?;
    let seen: Vec<Document> =
        profile.find(doc! { "command.profile": Bson::Null }).await?.try_collect().await?;
    let documents = seen.iter().map(|one| one.get_i32("docsExamined").unwrap_or(0)).sum();
    Ok((read, seen.len(), documents))
}

/// Leads of forty days, so many a day, all at noon.
fn leads(a_day: i64) -> Vec<Snapshot> {
    let start = Millis::parse("2026-10-15T12:00:00Z").map_or(0, |start| start.0);
    let at = |number: i64| Millis(start + number / a_day * DAY + number % a_day);
    let facts = |at| Facts::new(Status::New, Source::Ad, at, at, &[]);
    (0..40 * a_day)
        .map(|number| Snapshot { lead: LeadId::new(), version: 1, facts: Some(facts(at(number))) })
        .collect()
}

#[tokio::test]
async fn a_dashboard_costs_the_same_however_many_leads_there_are_and_next_to_nothing_when_none_has_changed()
-> anyhow::Result<()> {
    let uri = testbed::mongo().await?.fresh_uri();
    let store = MongoStore::open(&uri, std::future::pending()).await?;
    let clock = Clock { zone: Zone::UTC, now: Millis::parse("2026-11-23T09:37:12.345Z")? };
    let figure = |counts: &mut dyn Counts| dashboard(clock, Interval::Day, counts);
    let mut costs = Vec::new();
    for a_day in [1, 50] {
        let scope = Scope::of_own_row(WorkspaceId::new());
        for some in leads(a_day).chunks(500) {
            store.apply(scope, some.to_vec(), Millis(1)).await?;
        }
        let mut need = Need::default();
        figure(&mut need);
        let (read, commands, documents) = asked(&store, store.read(scope, need.clone())).await?;
        assert_eq!(figure(&mut read?).summary.total, 40 * a_day.unsigned_abs());
        costs.push((commands, documents));
        // Again: only whether anything has changed is asked.
        let (read, commands, documents) = asked(&store, store.read(scope, need.clone())).await?;
        assert_eq!(figure(&mut read?).summary.total, 40 * a_day.unsigned_abs());
        assert_eq!((commands, documents), (1, 1));
        // What somebody else writes is seen.
        let other = MongoStore::open(&uri, std::future::pending()).await?;
        other.apply(scope, leads(1)[..1].to_vec(), Millis(2)).await?;
        other.mongo.close().await;
        let mut read = store.read(scope, need).await?;
        assert_eq!(figure(&mut read).summary.total, 40 * a_day.unsigned_abs() + 1);
        assert_eq!(read.as_of, Some(Millis(2)));
    }
    assert_eq!(costs[0], costs[1], "with one lead a day and with fifty");
    assert!(costs[0].0 <= 3 && costs[0].1 <= 60, "{costs:?}");
    store.mongo.close().await;
    Ok(())
}
