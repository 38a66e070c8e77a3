//! No query of a request or an event looks at more documents than it needs.

use bson::{Document, doc};
use leadline_runtime::{caller::Scope, ids::WorkspaceId, time::Millis};
use leadline_storage::mongo::plan_stages;
use leadline_testbed as testbed;

use super::{
    MongoStore,
    documents::{Generation, page_ids, within},
    schema::index_of,
};
use crate::{
    counts::Span,
    day::{Day, Slot},
    lead::{LeadId, Moment},
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
