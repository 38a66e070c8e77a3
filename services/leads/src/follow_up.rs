//! Learns from reminders when a lead's next follow-up is.

use std::sync::Arc;

use async_trait::async_trait;
use leadline_bus::{Consumer, HandleError};
use leadline_proto::events::{Event, event::Body};
use leadline_runtime::{caller::Scope, time::Millis};

use crate::{
    lead::LeadId,
    store::{NextFollowUp, Store},
};

/// Takes in what reminders tell. Twice, late or shuffled, the highest revision of each lead stays.
pub struct FollowUps {
    store: Arc<dyn Store>,
}

impl FollowUps {
    /// Into a store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }
}

#[async_trait]
impl Consumer for FollowUps {
    async fn handle(&self, events: &[Arc<Event>]) -> Result<(), HandleError> {
        let mut told: Vec<NextFollowUp> = Vec::new();
        for event in events {
            let Some(follow_up) = read(event)? else { continue };
            match told.iter_mut().find(|known| known.scope == follow_up.scope && known.lead == follow_up.lead)
            {
                Some(known) if known.revision >= follow_up.revision => {}
                Some(known) => *known = follow_up,
                None => told.push(follow_up),
            }
        }
        if told.is_empty() {
            return Ok(());
        }
        self.store.set_follow_ups(told).await.map_err(HandleError::transient)
    }
}

/// What an event says of a lead's next follow-up, if it says anything.
///
/// # Errors
/// Poison, if it can't be right.
pub(crate) fn read(event: &Event) -> Result<Option<NextFollowUp>, HandleError> {
    let Some(Body::Reminder(told)) = &event.body else { return Ok(None) };
    let Some(follow_up) = &told.follow_up else { return Ok(None) };
    let scope = Scope::of_event(event).ok_or_else(|| HandleError::poison(event, "names no workspace"))?;
    let lead = told.reminder.as_ref().and_then(|reminder| LeadId::parse(&reminder.lead_id).ok());
    let lead = lead.ok_or_else(|| HandleError::poison(event, "names no lead"))?;
    let at = follow_up.next_due_at_ms.map(Millis);
    if at.is_some_and(|at| !(Millis::MIN..=Millis::MAX).contains(&at)) {
        return Err(HandleError::poison(event, "tells a time that there is not"));
    }
    // Stores count to 2^63 - 1.
    if follow_up.revision > i64::MAX.unsigned_abs() {
        return Err(HandleError::poison(event, "tells a revision that there is not"));
    }
    Ok(Some(NextFollowUp { scope, lead, at, revision: follow_up.revision }))
}
