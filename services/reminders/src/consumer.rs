//! What this service learns from others: names of leads, and which are deleted, restored or erased.

use std::sync::Arc;

use async_trait::async_trait;
use leadline_bus::{Consumer, HandleError};
use leadline_proto::events::{Event, event::Body};
use leadline_runtime::caller::Scope;

use crate::{
    reminder::{KnownLead, LeadId},
    store::Store,
};

/// Follows the events of leads.
pub struct LeadNews {
    store: Arc<dyn Store>,
}

impl LeadNews {
    /// One that keeps what it learns in `store`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }
}

#[async_trait]
impl Consumer for LeadNews {
    async fn handle(&self, events: &[Arc<Event>]) -> Result<(), HandleError> {
        let mut news = Vec::with_capacity(events.len());
        for event in events {
            news.extend(read(event)?);
        }
        self.store.learn(news).await.map_err(HandleError::transient)
    }
}

/// What an event says of a lead, if it says anything.
fn read(event: &Event) -> Result<Option<(Scope, KnownLead)>, HandleError> {
    let Some(Body::Lead(body)) = &event.body else { return Ok(None) };
    let poison = |what: &str| HandleError::poison(event, format!("a lead's event {what}"));
    let snapshot = body.snapshot.as_ref().ok_or_else(|| poison("has no snapshot"))?;
    let scope = Scope::of_event(event).ok_or_else(|| poison("names no workspace"))?;
    let id = LeadId::parse(&snapshot.lead_id).map_err(|_| poison("names no lead"))?;
    let merged_into = snapshot.merged_into.as_deref().map(LeadId::parse).transpose();
    let merged_into = merged_into.map_err(|_| poison("names no lead that it went into"))?;
    // Stores count to 2^63 - 1.
    if snapshot.version > i64::MAX.unsigned_abs() {
        return Err(poison("tells a version that there is not"));
    }
    let known = KnownLead {
        id,
        version: snapshot.version,
        name: snapshot.name.clone(),
        deleted: snapshot.deleted,
        erased: snapshot.erased,
        merged_into,
    };
    Ok(Some((scope, known)))
}

#[cfg(test)]
mod tests {
    use leadline_testbed::throw;
    use prost::Message;

    use super::*;

    #[test]
    fn no_event_of_a_lead_breaks_what_is_learned_from_it() {
        let corpus = format!("{}/../../fuzz/corpus/event", env!("CARGO_MANIFEST_DIR"));
        throw(&corpus, 3_000, |bytes| {
            let Ok(event) = Event::decode(bytes) else { return };
            match read(&event) {
                Ok(Some((scope, lead))) => {
                    assert_eq!(Some(scope), Scope::of_event(&event), "it goes to another workspace");
                    assert!(i64::try_from(lead.version).is_ok(), "{}", lead.version);
                }
                Ok(None) => {}
                Err(error) => {
                    assert!(matches!(error, HandleError::Poison { .. }), "it comes again for ever: {error}");
                }
            }
        });
    }
}
