//! Reminders of the past, for sample data: by the same rules, at other times.

use leadline_runtime::{caller::Scope, ids::UserId, time::Millis};

use crate::{
    Service,
    reminder::{BadMessage, By, Change, KnownLead, LeadId, Message, Reminder},
    store::StoreError,
};

/// How many are put into the store at once.
const AT_ONCE: usize = 1000;

/// A reminder as it was made, and perhaps done, at some time.
#[derive(Debug, Clone)]
pub struct PastReminder {
    /// The lead.
    pub lead: LeadId,
    /// The lead's name and version as the leads service has them.
    pub lead_name: String,
    /// See `lead_name`.
    pub lead_version: u64,
    /// When it is due.
    pub due_at: Millis,
    /// What is to be done.
    pub message: String,
    /// Who is to do it.
    pub assignee: UserId,
    /// Who made it.
    pub created_by: UserId,
    /// When.
    pub created_at: Millis,
    /// When it was done, if it was.
    pub done_at: Option<Millis>,
}

/// Why sample data can't be kept.
#[derive(Debug, thiserror::Error)]
pub enum BackfillError {
    /// A message is none.
    #[error("message {0}")]
    Message(#[from] BadMessage),
    /// The store says no.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Service {
    /// Keeps reminders of the past in one workspace.
    ///
    /// # Errors
    /// [`BackfillError`]; what was kept before it stays.
    pub async fn backfill(&self, scope: Scope, past: &[PastReminder]) -> Result<(), BackfillError> {
        for chunk in past.chunks(AT_ONCE) {
            let mut items = Vec::with_capacity(chunk.len());
            for past in chunk {
                let message = Message::parse(&past.message)?;
                let mut reminder = Reminder::new(
                    past.lead,
                    past.due_at,
                    message,
                    past.assignee,
                    past.created_by,
                    past.created_at,
                );
                if let Some(done_at) = past.done_at {
                    reminder.apply(&Change::Complete, done_at);
                }
                // It would have been told then: only what is yet to come is the clock's.
                reminder.armed &= past.due_at > Millis::now();
                let lead = KnownLead {
                    id: past.lead,
                    version: past.lead_version,
                    name: past.lead_name.clone(),
                    deleted: false,
                    erased: false,
                    merged_into: None,
                };
                items.push((reminder, lead));
            }
            let by = By {
                actor: chunk.first().map(|past| past.created_by),
                at: Millis::now(),
                request_id: String::new(),
                traceparent: String::new(),
            };
            self.store.backfill(scope, items, by).await?;
        }
        Ok(())
    }
}
