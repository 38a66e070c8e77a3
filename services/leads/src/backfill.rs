//! Leads with a past: sample data is made by the service's own rules, at the times at which it is said to have happened.

use std::time::Duration;

use leadline_runtime::{
    caller::{Origin, Scope},
    ids::{UserId, uuid_at},
    time::Millis,
};

use crate::{
    fields::{Fields, NoteText, Patch, Reason},
    lead::{By, Command, Denied, Lead, LeadId, NewLead, NoteChange, NoteId},
    stage::Status,
    store::{History, Store, StoreError},
};

/// So many leads are stored in one transaction.
const BATCH: usize = 100;
/// Between transactions, so that others can write.
const PAUSE: Duration = Duration::from_millis(2);

/// A lead and what was done to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// Its id; [`LeadId::from`]`(`[`uuid_at`]`(created_at))` sorts as if it had been made then.
    pub id: LeadId,
    /// Its fields at first.
    pub fields: Fields,
    /// Who made it.
    pub created_by: UserId,
    /// When.
    pub created_at: Millis,
    /// What was done then, oldest first. A step that lies before the one ahead of it counts as at the same time.
    pub steps: Vec<Step>,
}

/// Something that was done to a lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub at: Millis,
    /// Who did it.
    pub actor: UserId,
    /// What.
    pub what: StepKind,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepKind {
    /// It was moved to a stage.
    Move {
        /// Which.
        to: Status,
        /// Why.
        reason: Option<Reason>,
    },
    /// A note was written.
    Note(NoteText),
    /// Fields were edited.
    Edit(Patch),
}

/// Stores leads with their past: in large transactions, each lead with its log, whose events are published as any other.
/// Gives the leads as they stand now, in the order given; of their past only one batch at a time is in memory.
///
/// # Errors
/// The store's; leads of earlier batches stay.
pub async fn backfill<P>(store: &dyn Store, scope: Scope, past: P) -> Result<Vec<Lead>, StoreError>
where
    P: IntoIterator<Item = Past> + Send,
    P::IntoIter: Send,
{
    let mut past = past.into_iter();
    let mut leads = Vec::new();
    loop {
        let batch =
            past.by_ref().take(BATCH).map(|past| history(scope, past)).collect::<Result<Vec<_>, _>>()?;
        if batch.is_empty() {
            return Ok(leads);
        }
        leads.extend(batch.iter().map(|history| history.lead.clone()));
        store.insert(scope, batch).await?;
        tokio::time::sleep(PAUSE).await;
    }
}

fn history(scope: Scope, past: Past) -> Result<History, Denied> {
    let origin = Origin::new();
    let by = |actor, at| By { actor: Some(actor), at, origin: origin.clone(), backdated: true };
    let created_by = by(past.created_by, past.created_at);
    let new = NewLead { id: past.id, fields: past.fields, created_by: past.created_by, note: None };
    let created = Lead::create(new, &created_by);
    let mut history = History {
        events: created.events(scope.workspace(), &created_by),
        lead: created.lead,
        notes: Vec::new(),
    };
    for step in past.steps {
        let by = by(step.actor, step.at.max(history.lead.updated_at));
        let command = match step.what {
            StepKind::Move { to, reason } => Command::Move { to, reason },
            StepKind::Note(text) => Command::AddNote { id: NoteId::from(uuid_at(by.at)), text },
            StepKind::Edit(patch) => Command::Edit(patch),
        };
        if let Some(change) = history.lead.decide(&command, None, &by)? {
            history.events.extend(change.events(scope.workspace(), &by));
            if let NoteChange::Added(note) = change.note {
                history.notes.push(note);
            }
            history.lead = change.lead;
        }
    }
    Ok(history)
}
