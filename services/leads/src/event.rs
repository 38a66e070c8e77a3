//! Leads, notes and events in the words of the contracts.

use leadline_proto::{
    events::{self, event::Body},
    leads as proto,
};
use leadline_runtime::ids::UserId;
use prost::Message;

use crate::{
    activity::{Activity, FieldValue, LeadEvent, Snapshot, What},
    lead::{Lead, Note},
    stage::{Source, Status},
    store::Logged,
};

/// Writes an event down as it is stored and published.
#[must_use]
pub fn encode(event: &LeadEvent) -> Vec<u8> {
    let activity = activity(&event.activity);
    events::Event {
        id: activity.id.clone(),
        workspace_id: event.workspace.to_string(),
        at_ms: activity.at_ms,
        actor_id: activity.actor_id.clone(),
        request_id: event.origin.request_id.clone(),
        traceparent: event.origin.traceparent.clone(),
        body: Some(Body::Lead(events::LeadEvent {
            activity: Some(activity),
            snapshot: Some(snapshot(&event.snapshot)),
        })),
    }
    .encode_to_vec()
}

/// The entry inside a stored event; `None` for bytes that hold none, which nobody writes.
#[must_use]
pub fn logged(stored: &Logged) -> Option<proto::Activity> {
    match events::Event::decode(stored.event.as_slice()).ok()?.body? {
        Body::Lead(lead) => lead.activity,
        _ => None,
    }
}

/// A stage.
#[must_use]
pub fn status(status: Status) -> proto::Status {
    match status {
        Status::New => proto::Status::New,
        Status::Contacted => proto::Status::Contacted,
        Status::Qualified => proto::Status::Qualified,
        Status::Converted => proto::Status::Converted,
        Status::Lost => proto::Status::Lost,
    }
}

/// A stage from the wire; `None`: unspecified or unknown.
#[must_use]
pub fn status_of(status: i32) -> Option<Status> {
    match proto::Status::try_from(status).ok()? {
        proto::Status::Unspecified => None,
        proto::Status::New => Some(Status::New),
        proto::Status::Contacted => Some(Status::Contacted),
        proto::Status::Qualified => Some(Status::Qualified),
        proto::Status::Converted => Some(Status::Converted),
        proto::Status::Lost => Some(Status::Lost),
    }
}

/// A source.
#[must_use]
pub fn source(source: Source) -> proto::Source {
    match source {
        Source::Website => proto::Source::Website,
        Source::Referral => proto::Source::Referral,
        Source::Ad => proto::Source::Ad,
        Source::Other => proto::Source::Other,
    }
}

/// A source from the wire; `None`: unspecified or unknown.
#[must_use]
pub fn source_of(source: i32) -> Option<Source> {
    match proto::Source::try_from(source).ok()? {
        proto::Source::Unspecified => None,
        proto::Source::Website => Some(Source::Website),
        proto::Source::Referral => Some(Source::Referral),
        proto::Source::Ad => Some(Source::Ad),
        proto::Source::Other => Some(Source::Other),
    }
}

/// A lead with these notes.
#[must_use]
pub fn lead(lead: &Lead, notes: &[Note]) -> proto::Lead {
    let fields = &lead.fields;
    proto::Lead {
        id: lead.id.to_string(),
        name: fields.name.as_str().to_owned(),
        email: fields.email.as_ref().map(|email| email.as_str().to_owned()),
        phone: fields.phone.as_ref().map(|phone| phone.as_str().to_owned()),
        company: fields.company.as_ref().map(|company| company.as_str().to_owned()),
        source: source(fields.source).into(),
        status: status(fields.status).into(),
        tags: fields.tags.to_texts(),
        owner_id: fields.owner.map(|owner| owner.to_string()),
        created_by: lead.created_by.to_string(),
        created_at_ms: lead.created_at.0,
        updated_at_ms: lead.updated_at.0,
        status_changed_at_ms: lead.status_changed_at.0,
        last_activity_at_ms: lead.last_activity_at.0,
        next_follow_up_at_ms: lead.next_follow_up_at.map(|at| at.0),
        version: lead.version.0,
        notes: notes.iter().map(note).collect(),
        note_count: lead.note_count,
        deleted_at_ms: lead.deleted_at.map(|at| at.0),
    }
}

/// A note.
#[must_use]
pub fn note(note: &Note) -> proto::Note {
    proto::Note {
        id: note.id.to_string(),
        text: note.text.as_str().to_owned(),
        author_id: note.author.to_string(),
        created_at_ms: note.created_at.0,
    }
}

/// A snapshot.
#[must_use]
pub fn snapshot(snapshot: &Snapshot) -> proto::LeadSnapshot {
    let stages = snapshot.stages.iter().map(|(stage, times)| proto::StageTimes {
        status: status(stage).into(),
        first_entered_at_ms: times.first.0,
        last_entered_at_ms: times.last.0,
    });
    proto::LeadSnapshot {
        lead_id: snapshot.lead.to_string(),
        version: snapshot.version.0,
        name: snapshot.name.clone(),
        status: status(snapshot.status).into(),
        source: source(snapshot.source).into(),
        created_at_ms: snapshot.created_at.0,
        status_changed_at_ms: snapshot.status_changed_at.0,
        stages: stages.collect(),
        deleted: snapshot.deleted,
        erased: snapshot.erased,
        merged_into: snapshot.merged_into.map(|id| id.to_string()),
    }
}

fn activity(activity: &Activity) -> proto::Activity {
    proto::Activity {
        id: activity.id.to_string(),
        lead_id: activity.lead.to_string(),
        lead_name: activity.lead_name.clone(),
        actor_id: activity.actor.as_ref().map(UserId::to_string).unwrap_or_default(),
        at_ms: activity.at.0,
        version: activity.version.0,
        undone_import_id: activity.undoes.map(|import| import.to_string()).unwrap_or_default(),
        what: Some(what(&activity.what)),
    }
}

fn what(what: &What) -> proto::activity::What {
    use proto::activity::{self, What as Wire};
    match what {
        What::Created { source, status } => Wire::Created(activity::Created {
            source: self::source(*source).into(),
            status: self::status(*status).into(),
        }),
        What::Updated(changes) => Wire::Updated(activity::Updated {
            changes: changes
                .iter()
                .map(|change| activity::FieldChange {
                    field: change.field.to_owned(),
                    from: Some(value(&change.from)),
                    to: Some(value(&change.to)),
                })
                .collect(),
        }),
        What::StatusChanged { from, to, reason } => Wire::StatusChanged(activity::StatusChanged {
            from: status(*from).into(),
            to: status(*to).into(),
            reason: reason.as_ref().map(|reason| reason.as_str().to_owned()),
        }),
        What::NoteAdded { note, text } => {
            Wire::NoteAdded(activity::NoteAdded { note_id: note.to_string(), text: text.clone() })
        }
        What::NoteDeleted { note } => Wire::NoteDeleted(activity::NoteDeleted { note_id: note.to_string() }),
        What::Deleted { permanent } => Wire::Deleted(activity::Deleted { permanent: *permanent }),
        What::Restored => Wire::Restored(activity::Restored {}),
        What::Merged { from, into, merge } => Wire::Merged(activity::Merged {
            from_ids: from.iter().map(ToString::to_string).collect(),
            into_id: into.map(|id| id.to_string()),
            merge_id: merge.to_string(),
        }),
        What::Unmerged { from, into, merge } => Wire::Unmerged(activity::Unmerged {
            from_ids: from.iter().map(ToString::to_string).collect(),
            into_id: into.map(|id| id.to_string()),
            merge_id: merge.to_string(),
        }),
        What::Imported { import, created } => {
            Wire::Imported(activity::Imported { import_id: import.to_string(), created: *created })
        }
    }
}

fn value(value: &FieldValue) -> proto::activity::FieldValue {
    match value {
        FieldValue::Text(text) => {
            proto::activity::FieldValue { text: text.clone(), list: Vec::new(), is_list: false }
        }
        FieldValue::List(list) => {
            proto::activity::FieldValue { text: None, list: list.clone(), is_list: true }
        }
    }
}
