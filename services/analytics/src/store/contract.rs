//! What every store must do. Each rule runs on SQLite and on MongoDB.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use futures::StreamExt;
use leadline_proto::leads::{LeadSnapshot, StreamSnapshotsResponse};
use leadline_runtime::{caller::Scope, ids::WorkspaceId, time::Millis};
use leadline_testbed::{self as testbed, Folder};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use tonic::Status;

use super::{Store, StoreError};
use crate::{
    counts::{Counts, Need, Span},
    day::{Delta, Slot},
    lead::{Facts, LeadId, Snapshot, Source, Status as Stage},
    proof::{Story, stories, zones},
    rebuild::{Leads, RebuildError, Snapshots, rebuild},
};

/// A store that two processes have open.
struct Opened {
    one: Arc<dyn Store>,
    other: Arc<dyn Store>,
    _folder: Option<Folder>,
}

impl Opened {
    async fn sqlite() -> anyhow::Result<Self> {
        let folder = Folder::new()?;
        let url = super::StoreUrl::Sqlite(folder.join("analytics.db"));
        Self::open(&url, Some(folder)).await
    }

    async fn mongo() -> anyhow::Result<Self> {
        let uri = testbed::mongo().await?.fresh_uri();
        Self::open(&super::StoreUrl::parse(&uri)?, None).await
    }

    async fn open(url: &super::StoreUrl, folder: Option<Folder>) -> anyhow::Result<Self> {
        let one = super::open(url, std::future::pending()).await?;
        let other = super::open(url, std::future::pending()).await?;
        Ok(Self { one, other, _folder: folder })
    }

    async fn close(self) {
        self.one.close().await;
        self.other.close().await;
    }
}

macro_rules! rules {
    ($($rule:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $rule() -> anyhow::Result<()> {
                let store = super::Opened::sqlite().await?;
                super::$rule(&store.one, &store.other).await?;
                store.close().await;
                Ok(())
            })*
        }
        mod mongo {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $rule() -> anyhow::Result<()> {
                let store = super::Opened::mongo().await?;
                super::$rule(&store.one, &store.other).await?;
                store.close().await;
                Ok(())
            })*
        }
    };
}

rules!(
    every_figure_equals_the_recount,
    another_workspace_sees_nothing,
    what_was_heard_before_changes_nothing,
    a_version_that_changes_no_figure_is_not_a_change,
    two_consumers_of_one_workspace_lose_nothing,
    a_rebuild_beside_consumers_ends_with_the_recount,
    a_rebuild_corrects_counters_and_forgets_leads_that_are_gone,
    a_deleted_lead_does_not_come_back_by_an_old_event_not_even_after_a_rebuild,
    a_rebuild_that_fails_leaves_the_figures_as_they_were,
    the_later_of_two_rebuilds_wins,
    a_rebuild_that_stands_still_is_given_up,
    wrong_counters_are_found,
    an_erased_workspace_leaves_nothing_and_late_events_bring_nothing_back,
);

fn sample(seed: u8, leads: usize) -> Story {
    let mut runner = TestRunner::deterministic();
    let mut story = None;
    for _ in 0..=seed {
        story = Some(stories(leads).new_tree(&mut runner).unwrap().current());
    }
    story.unwrap()
}

fn workspace() -> Scope {
    Scope::of_own_row(WorkspaceId::new())
}

async fn hear(store: &Arc<dyn Store>, scope: Scope, batches: &[Vec<Snapshot>]) -> Result<(), StoreError> {
    for batch in batches {
        loop {
            match store.apply(scope, batch.clone(), Millis(1)).await {
                // As the bus would: again.
                Err(StoreError::Storage(error)) if error.is_passing() => tokio::task::yield_now().await,
                other => break other.map(drop)?,
            }
        }
    }
    Ok(())
}

/// Asks for everything, as the service does, and compares.
async fn assert_recount(store: &Arc<dyn Store>, scope: Scope, story: &Story) -> anyhow::Result<()> {
    for zone in zones() {
        let mut need = Need::default();
        story.figures(zone, story.now, &mut need);
        let mut tally = store.read(scope, need).await?;
        let figures = story.figures(zone, story.now, &mut tally);
        assert!(figures == story.recount(zone, story.now), "{} differs from the recount", zone.name());
    }
    assert_eq!(store.verify(scope).await?, []);
    Ok(())
}

async fn total(store: &Arc<dyn Store>, scope: Scope) -> Result<u64, StoreError> {
    let mut need = Need::default();
    need.cohort(Span::always());
    Ok(store.read(scope, need).await?.cohort(Span::always()).total())
}

async fn every_figure_equals_the_recount(
    store: &Arc<dyn Store>,
    other: &Arc<dyn Store>,
) -> anyhow::Result<()> {
    for seed in 0..4 {
        let (scope, story) = (workspace(), sample(seed, 40));
        hear(store, scope, &story.heard).await?;
        assert_recount(other, scope, &story).await?;
    }
    Ok(())
}

async fn another_workspace_sees_nothing(store: &Arc<dyn Store>, _: &Arc<dyn Store>) -> anyhow::Result<()> {
    let (scope, neighbour) = (workspace(), workspace());
    let (story, other) = (sample(0, 20), sample(1, 20));
    hear(store, scope, &story.heard).await?;
    assert_eq!(total(store, neighbour).await?, 0);
    // The same lead ids in two workspaces, which nobody should ever make, are two leads.
    hear(store, neighbour, &story.heard).await?;
    hear(store, scope, &other.heard).await?;
    assert_recount(store, neighbour, &story).await
}

async fn what_was_heard_before_changes_nothing(
    store: &Arc<dyn Store>,
    _: &Arc<dyn Store>,
) -> anyhow::Result<()> {
    let (scope, story) = (workspace(), sample(2, 30));
    hear(store, scope, &story.heard).await?;
    for batch in story.heard.iter().rev() {
        let applied = store.apply(scope, batch.clone(), Millis(5)).await?;
        assert!(!applied.changed);
        assert_eq!(applied.as_of, Millis(5));
    }
    // Something older does not turn back the time up to which all is counted.
    let applied = store.apply(scope, Vec::new(), Millis(3)).await?;
    assert_eq!(applied.as_of, Millis(5));
    assert_eq!(store.read(scope, Need::default()).await?.as_of, Some(Millis(5)));
    assert_recount(store, scope, &story).await
}

fn facts(created: Millis) -> Facts {
    Facts::new(Stage::New, Source::Ad, created, created, &[])
}

async fn a_version_that_changes_no_figure_is_not_a_change(
    store: &Arc<dyn Store>,
    _: &Arc<dyn Store>,
) -> anyhow::Result<()> {
    let (scope, lead) = (workspace(), LeadId::new());
    let version = |version, facts| vec![Snapshot { lead, version, facts }];
    let facts = facts(Millis(7));
    assert!(store.apply(scope, version(1, Some(facts)), Millis(1)).await?.changed);
    assert!(!store.apply(scope, version(3, Some(facts)), Millis(2)).await?.changed);
    // It is remembered all the same: the deletion of version 2 is old news.
    assert!(!store.apply(scope, version(2, None), Millis(3)).await?.changed);
    assert_eq!(total(store, scope).await?, 1);
    Ok(())
}

async fn two_consumers_of_one_workspace_lose_nothing(
    store: &Arc<dyn Store>,
    other: &Arc<dyn Store>,
) -> anyhow::Result<()> {
    let (scope, story) = (workspace(), sample(3, 40));
    // Each batch is handed to two of them, in opposite order.
    let backwards: Vec<_> = story.heard.iter().rev().cloned().collect();
    let (one, two) = tokio::join!(hear(store, scope, &story.heard), hear(other, scope, &backwards));
    one?;
    two?;
    assert_recount(store, scope, &story).await
}

/// A leads service. It knows of each lead the version that was last committed there: an event is heard after that.
struct Known {
    scope: Scope,
    versions: Vec<LeadSnapshot>,
    committed: Mutex<HashMap<String, u64>>,
    /// Fails after the first batch.
    fails: bool,
}

impl Known {
    fn new(scope: Scope, story: &Story) -> Self {
        let versions = story.versions.clone();
        Self { scope, versions, committed: Mutex::default(), fails: false }
    }

    fn commit(&self, snapshots: &[Snapshot]) {
        let mut committed = self.committed.lock().unwrap();
        for snapshot in snapshots {
            let version = committed.entry(snapshot.lead.to_string()).or_default();
            *version = snapshot.version.max(*version);
        }
    }

    async fn commit_and_hear(
        &self,
        store: &Arc<dyn Store>,
        batches: &[Vec<Snapshot>],
    ) -> Result<(), StoreError> {
        for batch in batches {
            self.commit(batch);
            hear(store, self.scope, std::slice::from_ref(batch)).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Leads for Known {
    async fn snapshots(&self, only: Option<WorkspaceId>) -> Result<Snapshots, Status> {
        let committed = self.committed.lock().unwrap().clone();
        let mut leads = self.versions.clone();
        leads.retain(|lead| committed.get(&lead.lead_id) == Some(&lead.version));
        if only.is_some_and(|id| id != self.scope.workspace()) {
            leads.clear();
        }
        let workspace_id = self.scope.workspace().to_string();
        let mut batches: Vec<Result<StreamSnapshotsResponse, Status>> = leads
            .chunks(7)
            .map(|part| {
                Ok(StreamSnapshotsResponse { workspace_id: workspace_id.clone(), snapshots: part.to_vec() })
            })
            .collect();
        if self.fails {
            batches.truncate(1);
            batches.push(Err(Status::unavailable("gone away")));
        }
        Ok(futures::stream::iter(batches).boxed())
    }
}

async fn a_rebuild_beside_consumers_ends_with_the_recount(
    store: &Arc<dyn Store>,
    other: &Arc<dyn Store>,
) -> anyhow::Result<()> {
    for seed in 0..3 {
        let (scope, story) = (workspace(), sample(seed, 60));
        let leads = Known::new(scope, &story);
        let (before, during) = story.heard.split_at(story.heard.len() / 3);
        leads.commit_and_hear(store, before).await?;
        let (first, second) = during.split_at(during.len() / 2);
        let (rebuilt, one, two) = tokio::join!(
            rebuild(store, &leads, Some(scope.workspace())),
            leads.commit_and_hear(store, first),
            leads.commit_and_hear(other, second),
        );
        rebuilt?;
        one?;
        two?;
        assert_recount(other, scope, &story).await?;
    }
    Ok(())
}

async fn a_rebuild_corrects_counters_and_forgets_leads_that_are_gone(
    store: &Arc<dyn Store>,
    _: &Arc<dyn Store>,
) -> anyhow::Result<()> {
    let (scope, story) = (workspace(), sample(1, 40));
    let stale: Vec<Snapshot> = (0..2500)
        .map(|at| Snapshot { lead: LeadId::new(), version: 9, facts: Some(facts(Millis(at * 1_000_000))) })
        .collect();
    hear(store, scope, std::slice::from_ref(&stale)).await?;
    let known = Known::new(scope, &story);
    story.heard.iter().for_each(|batch| known.commit(batch));
    // All workspaces: found through the leads service and through the store.
    let emptied = workspace();
    hear(store, emptied, std::slice::from_ref(&stale)).await?;
    let rebuilt = rebuild(store, &known, None).await?;
    assert_eq!(rebuilt.workspaces, 1);
    assert_eq!(rebuilt.leads, total(store, scope).await?);
    assert_eq!(total(store, emptied).await?, 0);
    assert_recount(store, scope, &story).await?;
    assert!(!store.sweep(Millis(0)).await?, "something is left over");
    // A late copy of an old event.
    hear(store, scope, &[stale]).await?;
    assert_recount(store, scope, &story).await
}

async fn a_deleted_lead_does_not_come_back_by_an_old_event_not_even_after_a_rebuild(
    store: &Arc<dyn Store>,
    _: &Arc<dyn Store>,
) -> anyhow::Result<()> {
    let (scope, lead) = (workspace(), LeadId::new());
    let version = |version, facts| vec![Snapshot { lead, version, facts }];
    let facts = facts(Millis(7));
    store.apply(scope, version(4, Some(facts)), Millis(1)).await?;
    store.apply(scope, version(5, None), Millis(1)).await?;
    store.apply(scope, version(4, Some(facts)), Millis(1)).await?;
    assert_eq!(total(store, scope).await?, 0);
    rebuild(store, &Known::new(scope, &sample(0, 5)), Some(scope.workspace())).await?;
    store.apply(scope, version(4, Some(facts)), Millis(1)).await?;
    assert_eq!(total(store, scope).await?, 0);
    // Out of the trash it counts again.
    store.apply(scope, version(6, Some(facts)), Millis(1)).await?;
    assert_eq!(total(store, scope).await?, 1);
    Ok(())
}

async fn a_rebuild_that_fails_leaves_the_figures_as_they_were(
    store: &Arc<dyn Store>,
    _: &Arc<dyn Store>,
) -> anyhow::Result<()> {
    let (scope, story) = (workspace(), sample(0, 40));
    let known = Known { fails: true, ..Known::new(scope, &story) };
    known.commit_and_hear(store, &story.heard).await?;
    let failed = rebuild(store, &known, Some(scope.workspace())).await;
    assert!(matches!(failed, Err(RebuildError::Leads(_))), "{failed:?}");
    hear(store, scope, &story.heard).await?;
    assert_recount(store, scope, &story).await?;
    while store.sweep(Millis(0)).await? {}
    assert_recount(store, scope, &story).await
}

async fn the_later_of_two_rebuilds_wins(
    store: &Arc<dyn Store>,
    other: &Arc<dyn Store>,
) -> anyhow::Result<()> {
    let (scope, story) = (workspace(), sample(2, 30));
    let first = store.begin(scope).await?;
    let second = other.begin(scope).await?;
    let wrong = vec![Snapshot { lead: LeadId::new(), version: 1, facts: Some(facts(Millis(1))) }];
    assert_eq!(store.load(first, wrong).await, Err(StoreError::Superseded));
    assert_eq!(store.finish(first).await, Err(StoreError::Superseded));
    store.give_up(first).await?;
    hear(store, scope, &story.heard).await?;
    other.finish(second).await?;
    assert_recount(store, scope, &story).await
}

async fn a_rebuild_that_stands_still_is_given_up(
    store: &Arc<dyn Store>,
    other: &Arc<dyn Store>,
) -> anyhow::Result<()> {
    let (scope, story) = (workspace(), sample(1, 30));
    let building = store.begin(scope).await?;
    hear(store, scope, &story.heard).await?;
    assert!(!other.sweep(Millis::now().before(super::ABANDONED)).await?, "it was not abandoned yet");
    store.count(building, Delta::default().into_changes()).await?;
    while other.sweep(Millis(i64::MAX)).await? {}
    assert_eq!(store.finish(building).await, Err(StoreError::Superseded));
    assert_recount(store, scope, &story).await
}

async fn wrong_counters_are_found(store: &Arc<dyn Store>, _: &Arc<dyn Store>) -> anyhow::Result<()> {
    let (scope, story) = (workspace(), sample(0, 20));
    let building = store.begin(scope).await?;
    hear(store, scope, &story.heard).await?;
    let mut wrong = Delta::default();
    wrong.change(None, Some(&facts(Millis(86_400_000 * 5))));
    store.count(building, wrong.into_changes()).await?;
    store.finish(building).await?;
    let found = store.verify(scope).await?;
    assert_eq!(found.first(), Some(&Slot::All));
    assert_eq!(found.len(), 2, "{found:?}");
    let known = Known::new(scope, &story);
    story.heard.iter().for_each(|batch| known.commit(batch));
    rebuild(store, &known, Some(scope.workspace())).await?;
    assert_recount(store, scope, &story).await
}

async fn an_erased_workspace_leaves_nothing_and_late_events_bring_nothing_back(
    store: &Arc<dyn Store>,
    other: &Arc<dyn Store>,
) -> anyhow::Result<()> {
    let (gone, stays, story) = (workspace(), workspace(), sample(1, 30));
    hear(store, gone, &story.heard).await?;
    hear(store, stays, &story.heard).await?;
    let building = store.begin(gone).await?;
    other.erase(gone, Millis(7)).await?;
    store.erase(gone, Millis(8)).await?;
    assert_eq!(total(store, gone).await?, 0);
    // A rebuild that is under way ends, and none begins.
    assert_eq!(store.count(building, Default::default()).await, Err(StoreError::Superseded));
    assert_eq!(store.begin(gone).await, Err(StoreError::Erased));
    // Events that come late.
    hear(other, gone, &story.heard).await?;
    while store.sweep(Millis::MIN).await? {}
    hear(other, gone, &story.heard).await?;
    assert_eq!(total(other, gone).await?, 0);
    assert!(!store.sweep(Millis::MIN).await?, "something came back");
    assert_eq!(store.read(gone, Need::default()).await?.as_of, None);
    assert_eq!(store.workspaces(None).await?, [stays.workspace()]);
    assert_recount(store, stays, &story).await
}
