//! What this service tells others, encoded.

use leadline_bus::routing_key;
use leadline_proto::{
    events::{Event, ReminderEvent, event::Body, reminder_event},
    reminders as wire,
};
use leadline_runtime::{caller::Scope, ids, time::Millis};
use prost::Message as _;

use crate::reminder::{By, Kind, Reminder, Status};

/// What a reminder's lead is to be followed up at next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FollowUp {
    /// When its next open reminder is due.
    pub next_due_at: Option<Millis>,
    /// The highest one is the truth.
    pub revision: u64,
}

/// A reminder that fell due, as it was told.
#[derive(Debug, Clone, PartialEq)]
pub struct Due {
    /// The event.
    pub event_id: String,
    /// When.
    pub at: Millis,
    /// The reminder then.
    pub reminder: wire::Reminder,
}

/// An event as the outbox keeps it.
#[derive(Debug, Clone)]
pub struct Encoded {
    /// Its id, a UUIDv7.
    pub id: String,
    /// Its routing key.
    pub key: &'static str,
    /// The message.
    pub bytes: Vec<u8>,
}

/// Makes the event of something that happened to a reminder. Call it inside the transaction: its id is made here, and later
/// ids sort after earlier ones.
#[must_use]
pub fn encode(
    scope: Scope,
    kind: Kind,
    reminder: &Reminder,
    lead_name: &str,
    follow_up: FollowUp,
    by: &By,
) -> Encoded {
    use reminder_event::Kind as Wire;
    let kind = match kind {
        Kind::Created => Wire::Created,
        Kind::Updated => Wire::Updated,
        Kind::Completed => Wire::Completed,
        Kind::Reopened => Wire::Reopened,
        Kind::Snoozed => Wire::Snoozed,
        Kind::Deleted => Wire::Deleted,
        Kind::Due => Wire::Due,
        Kind::Moved => Wire::Moved,
    };
    let event = Event {
        id: ids::new_uuid().to_string(),
        workspace_id: scope.workspace().to_string(),
        at_ms: by.at.0,
        actor_id: by.actor.map(|actor| actor.to_string()).unwrap_or_default(),
        request_id: by.request_id.clone(),
        traceparent: by.traceparent.clone(),
        body: Some(Body::Reminder(ReminderEvent {
            kind: kind.into(),
            reminder: Some(message(reminder, lead_name)),
            follow_up: Some(reminder_event::FollowUp {
                next_due_at_ms: follow_up.next_due_at.map(|at| at.0),
                revision: follow_up.revision,
            }),
        })),
    };
    Encoded { key: routing_key(&event), bytes: event.encode_to_vec(), id: event.id }
}

/// Reads back an event of the outbox that told of a due reminder.
#[must_use]
pub fn decode_due(bytes: &[u8]) -> Option<Due> {
    let event = Event::decode(bytes).ok()?;
    let Some(Body::Reminder(body)) = event.body else { return None };
    Some(Due { event_id: event.id, at: Millis(event.at_ms), reminder: body.reminder? })
}

/// A reminder on the wire.
#[must_use]
pub fn message(reminder: &Reminder, lead_name: &str) -> wire::Reminder {
    let (status, completed) = match reminder.status {
        Status::Pending => (wire::ReminderStatus::Pending, None),
        Status::Done(at) => (wire::ReminderStatus::Done, Some(at.0)),
    };
    wire::Reminder {
        id: reminder.id.to_string(),
        lead_id: reminder.lead.to_string(),
        lead_name: lead_name.to_owned(),
        due_at_ms: reminder.due_at.0,
        message: reminder.message.as_str().to_owned(),
        status: status.into(),
        assignee_id: reminder.assignee.to_string(),
        created_by: reminder.created_by.to_string(),
        created_at_ms: reminder.created_at.0,
        completed_at_ms: completed,
        version: reminder.version.0,
    }
}
