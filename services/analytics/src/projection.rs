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
            let Some((scope, snapshot, at)) = read(event)? else { continue };
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

/// What an event says that is counted, of which workspace, and when it happened; `None`: nothing.
///
/// # Errors
/// Poison, if it can't be right.
fn read(event: &Event) -> Result<Option<(Scope, Snapshot, Millis)>, HandleError> {
    let Some(Body::Lead(lead)) = &event.body else { return Ok(None) };
    let scope = Scope::of_event(event).ok_or_else(|| HandleError::poison(event, "it names no workspace"))?;
    let snapshot = lead.snapshot.as_ref().ok_or_else(|| HandleError::poison(event, "it has no snapshot"))?;
    let poison = |malformed: Malformed| HandleError::poison(event, malformed.to_string());
    let snapshot = snapshot_of(snapshot).map_err(poison)?;
    // Figures are as of the latest: one that lies beyond all times would stay the latest for ever.
    let at = instant(event.at_ms, "time of the event").map_err(poison)?;
    Ok(Some((scope, snapshot, at)))
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

#[cfg(test)]
mod tests {
    use leadline_testbed::throw;
    use prost::Message;

    use super::*;
    use crate::lead::Moment;

    #[test]
    fn no_event_of_a_lead_breaks_what_is_counted_of_it() {
        let corpus = format!("{}/../../fuzz/corpus/event", env!("CARGO_MANIFEST_DIR"));
        let times = Millis::MIN..=Millis::MAX;
        throw(&corpus, 3_000, |bytes| {
            let Ok(event) = Event::decode(bytes) else { return };
            match read(&event) {
                Ok(Some((scope, snapshot, at))) => {
                    assert_eq!(Some(scope), Scope::of_event(&event), "it goes to another workspace");
                    assert!(times.contains(&at) && i64::try_from(snapshot.version).is_ok(), "{snapshot:?}");
                    let moments = [Moment::Created].into_iter().chain(Moment::ENTERED);
                    let mut told = moments.filter_map(|moment| snapshot.facts?.at(moment));
                    assert!(told.all(|at| times.contains(&at)), "{snapshot:?}");
                }
                Ok(None) => {}
                Err(error) => {
                    assert!(matches!(error, HandleError::Poison { .. }), "it comes again for ever: {error}");
                }
            }
        });
    }
}
