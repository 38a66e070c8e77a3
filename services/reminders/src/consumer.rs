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
            let Some(Body::Lead(body)) = &event.body else { continue };
            let Some(snapshot) = &body.snapshot else {
                return Err(HandleError::poison(event, "a lead's event has no snapshot"));
            };
            let Some(scope) = Scope::of_event(event) else {
                return Err(HandleError::poison(event, "a lead's event names no workspace"));
            };
            let Ok(id) = LeadId::parse(&snapshot.lead_id) else {
                return Err(HandleError::poison(event, "a lead's event names no lead"));
            };
            let merged_into = match snapshot.merged_into.as_deref().map(LeadId::parse) {
                None => None,
                Some(Ok(into)) => Some(into),
                Some(Err(_)) => {
                    return Err(HandleError::poison(event, "a lead's event names no lead that it went into"));
                }
            };
            news.push((
                scope,
                KnownLead {
                    id,
                    version: snapshot.version,
                    name: snapshot.name.clone(),
                    deleted: snapshot.deleted,
                    erased: snapshot.erased,
                    merged_into,
                },
            ));
        }
        self.store.learn(news).await.map_err(HandleError::transient)
    }
}
