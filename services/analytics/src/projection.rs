//! Turns events of leads into counted snapshots: at least once, in any order, always with the same result.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt};
use leadline_bus::{Consumer, HandleError};
use leadline_proto::{
    events::{Event, event::Body},
    leads as proto,
};
use leadline_runtime::{caller::Scope, time::Millis};

use crate::{
    lead::{Facts, LeadId, Snapshot, Source, Status, Stay, newest},
    signal::Signals,
    store::{Store, StoreError},
};

/// How many workspaces of one batch are written at the same time.
const ABREAST: usize = 8;

/// Takes the events in.
pub struct Projection {
    store: Arc<dyn Store>,
    signals: Signals,
}

impl Projection {
    /// One that writes to `store` and tells through `signals` that figures have changed.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, signals: Signals) -> Self {
        Self { store, signals }
    }

    async fn apply(&self, scope: Scope, news: News) -> Result<(), StoreError> {
        let applied = self.store.apply(scope, newest(news.snapshots), news.at).await?;
        let behind = Millis::now().0.saturating_sub(news.at.0).max(0);
        metrics::histogram!("leadline_figures_behind_seconds")
            .record(Duration::from_millis(behind.unsigned_abs()));
        if applied.changed {
            self.signals.changed(scope.workspace(), applied.as_of);
        }
        Ok(())
    }
}

/// What a batch says about one workspace.
struct News {
    snapshots: Vec<Snapshot>,
    /// When the newest of it happened.
    at: Millis,
}

#[async_trait]
impl Consumer for Projection {
    async fn handle(&self, events: &[Arc<Event>]) -> Result<(), HandleError> {
        let mut news: HashMap<Scope, News> = HashMap::new();
        for event in events {
            let Some(Body::Lead(lead)) = &event.body else { continue };
            let scope =
                Scope::of_event(event).ok_or_else(|| HandleError::poison(event, "it names no workspace"))?;
            let snapshot =
                lead.snapshot.as_ref().ok_or_else(|| HandleError::poison(event, "it has no snapshot"))?;
            let snapshot = snapshot_of(snapshot)
                .map_err(|malformed| HandleError::poison(event, malformed.to_string()))?;
            let at = Millis(event.at_ms);
            let of_workspace = news.entry(scope).or_insert_with(|| News { snapshots: Vec::new(), at });
            of_workspace.snapshots.push(snapshot);
            of_workspace.at = of_workspace.at.max(at);
        }
        futures::stream::iter(news)
            .map(|(scope, news)| self.apply(scope, news))
            .buffer_unordered(ABREAST)
            .try_collect()
            .await
            .map_err(HandleError::transient)
    }
}

/// What is not a snapshot of a lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the snapshot's {0} can't be read")]
pub struct Malformed(&'static str);

/// Reads a snapshot from the wire.
///
/// # Errors
/// [`Malformed`] with the field; of a deleted lead only id and version are looked at.
pub fn snapshot_of(snapshot: &proto::LeadSnapshot) -> Result<Snapshot, Malformed> {
    let lead = LeadId::parse(&snapshot.lead_id).map_err(|_| Malformed("lead id"))?;
    let version = snapshot.version;
    // SQLite and MongoDB count to 2^63 - 1.
    if version > i64::MAX.unsigned_abs() {
        return Err(Malformed("version"));
    }
    let facts = if snapshot.deleted || snapshot.erased { None } else { Some(facts_of(snapshot)?) };
    Ok(Snapshot { lead, version, facts })
}

fn facts_of(snapshot: &proto::LeadSnapshot) -> Result<Facts, Malformed> {
    let stays: Result<Vec<Stay>, Malformed> = snapshot
        .stages
        .iter()
        .map(|stay| {
            Ok(Stay {
                status: status_of(stay.status())?,
                first: instant(stay.first_entered_at_ms, "time of first entering a stage")?,
                last: instant(stay.last_entered_at_ms, "time of last entering a stage")?,
            })
        })
        .collect();
    Ok(Facts::new(
        status_of(snapshot.status())?,
        source_of(snapshot.source())?,
        instant(snapshot.created_at_ms, "time of creation")?,
        instant(snapshot.status_changed_at_ms, "time of entering its stage")?,
        &stays?,
    ))
}

fn instant(at: i64, what: &'static str) -> Result<Millis, Malformed> {
    let at = Millis(at);
    if (Millis::MIN..=Millis::MAX).contains(&at) { Ok(at) } else { Err(Malformed(what)) }
}

fn status_of(status: proto::Status) -> Result<Status, Malformed> {
    match status {
        proto::Status::New => Ok(Status::New),
        proto::Status::Contacted => Ok(Status::Contacted),
        proto::Status::Qualified => Ok(Status::Qualified),
        proto::Status::Converted => Ok(Status::Converted),
        proto::Status::Lost => Ok(Status::Lost),
        proto::Status::Unspecified => Err(Malformed("stage")),
    }
}

fn source_of(source: proto::Source) -> Result<Source, Malformed> {
    match source {
        proto::Source::Website => Ok(Source::Website),
        proto::Source::Referral => Ok(Source::Referral),
        proto::Source::Ad => Ok(Source::Ad),
        proto::Source::Other => Ok(Source::Other),
        proto::Source::Unspecified => Err(Malformed("source")),
    }
}
