//! Taking an import back, lead by lead.

use leadline_runtime::caller::Scope;

use super::{
    Past, Trace,
    batch::{events, written},
};
use crate::{
    activity::{ImportId, LeadEvent, What},
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
pub fn take_back(scope: Scope, import: ImportId, trace: &Trace, lead: &Lead, by: &By) -> Option<TakenBack> {
    let mut taken = as_before(scope, trace, lead, by)?;
    for event in &mut taken.events {
        event.activity.undoes = Some(import);
    }
    Some(taken)
}

fn as_before(scope: Scope, trace: &Trace, lead: &Lead, by: &By) -> Option<TakenBack> {
    if lead.version.0 != trace.after || lead.deleted_at.is_some() {
        return None;
    }
    let Some(was) = &trace.former else {
        let change = lead.decide(&Command::Trash, None, by).ok()??;
        let events = change.events(scope.workspace(), by);
        return Some(TakenBack { lead: change.lead, notes: Vec::new(), events });
    };
    let past = was.past.unwrap_or_else(|| Past::of(lead));
    let anyway = !trace.notes.is_empty() || past != Past::of(lead);
    let (mut lead, mut did) = written(lead, former(&was.fields), anyway, by)?;
    if let Some(past) = was.past {
        // As if it had never been where the import has put it: figures count stages that a lead has reached.
        lead.stages = past.stages;
        lead.status_changed_at = past.status_changed_at;
    }
    // Nobody has changed it since, so it is this import that changed it last.
    lead.imported.changed_by = None;
    lead.note_count = lead.note_count.saturating_sub(u32::try_from(trace.notes.len()).unwrap_or(u32::MAX));
    did.extend(trace.notes.iter().map(|note| What::NoteDeleted { note: *note }));
    if did.is_empty() {
        // Others have to hear of where it has been, though no field is different.
        did.push(What::Updated(Vec::new()));
    }
    let events = events(scope, &lead, did, by);
    Some(TakenBack { lead, notes: trace.notes.clone(), events })
}
