//! Taking an import back, lead by lead.

use leadline_runtime::caller::Scope;

use super::{
    Trace,
    batch::{events, written},
};
use crate::{
    activity::{LeadEvent, What},
    fields::{Fields, Patch},
    lead::{By, Command, Lead, NoteId},
};

/// So many leads are taken back in one transaction.
pub const BATCH: usize = 200;

/// A lead that is taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenBack {
    /// The lead then.
    pub lead: Lead,
    /// The notes that go.
    pub notes: Vec<NoteId>,
    /// What is told.
    pub events: Vec<LeadEvent>,
}

fn former(fields: &Fields) -> Patch {
    let Fields { name, email, phone, company, source, status, tags, owner } = fields.clone();
    Patch {
        name: Some(name),
        email: Some(email),
        phone: Some(phone),
        company: Some(company),
        source: Some(source),
        status: Some(status),
        tags: Some(tags),
        owner: Some(owner),
    }
}

/// Takes back what an import did to a lead: what it made goes into the trash, what it changed is as it was. `None`: somebody
/// has edited it since, and it stays.
#[must_use]
pub fn take_back(scope: Scope, trace: &Trace, lead: &Lead, by: &By) -> Option<TakenBack> {
    if lead.version.0 != trace.after || lead.deleted_at.is_some() {
        return None;
    }
    let Some(fields) = &trace.former else {
        let change = lead.decide(&Command::Trash, None, by).ok()??;
        let events = change.events(scope.workspace(), by);
        return Some(TakenBack { lead: change.lead, notes: Vec::new(), events });
    };
    let (mut lead, mut did) = written(lead, former(fields), !trace.notes.is_empty(), by)?;
    lead.note_count = lead.note_count.saturating_sub(u32::try_from(trace.notes.len()).unwrap_or(u32::MAX));
    did.extend(trace.notes.iter().map(|note| What::NoteDeleted { note: *note }));
    let events = events(scope, &lead, did, by);
    Some(TakenBack { lead, notes: trace.notes.clone(), events })
}
