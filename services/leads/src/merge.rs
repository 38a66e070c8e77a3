//! Leads that become one, and how that is taken back.

use std::time::Duration;

use leadline_runtime::{
    id_type,
    ids::{UserId, WorkspaceId},
    time::Millis,
};

use crate::{
    activity::{LeadEvent, Snapshot, What},
    fields::{Company, Email, MOST_TAGS, Phone, Tags},
    lead::{By, Denied, Lead, LeadId, TRASH_KEPT},
};

id_type!(MergeId, "A merge: one or more leads that went into another at once.");

/// How long a merge can be taken back.
pub const MERGE_KEPT: Duration = TRASH_KEPT;
/// The most leads that go into another at once.
pub const MOST_MERGED: usize = 20;

/// What a lead got of those that went into it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filled {
    /// The address, if it had none.
    pub email: Option<Email>,
    /// The phone, if it had none.
    pub phone: Option<Phone>,
    /// The company, if it had none.
    pub company: Option<Company>,
    /// The owner, if it was nobody's.
    pub owner: Option<UserId>,
    /// The tags that it did not have.
    pub tags: Tags,
}

/// A merge, as it is kept until it can't be taken back any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merge {
    /// Its id.
    pub id: MergeId,
    /// The lead that the others went into.
    pub into: LeadId,
    /// When.
    pub at: Millis,
    /// What that lead got.
    pub filled: Filled,
}

/// What a merge does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merging {
    /// The lead that the others went into.
    pub lead: Lead,
    /// The others, in the order given, as they are put aside.
    pub gone: Vec<Lead>,
    /// What is kept to take it back.
    pub merge: Merge,
    /// What is logged and told, one entry for each lead.
    pub events: Vec<LeadEvent>,
}

/// What taking a merge back does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmerging {
    /// The lead that the others had gone into.
    pub lead: Lead,
    /// The others, in the order given.
    pub back: Vec<Lead>,
    /// What is logged and told, one entry for each lead.
    pub events: Vec<LeadEvent>,
}

fn event(workspace: WorkspaceId, lead: &Lead, what: What, merged_into: Option<LeadId>, by: &By) -> LeadEvent {
    let snapshot = match merged_into {
        None => Snapshot::of(lead),
        Some(into) => Snapshot { deleted: true, merged_into: Some(into), ..Snapshot::of(lead) },
    };
    LeadEvent { workspace, activity: lead.entry(what, by), snapshot, origin: by.origin.clone() }
}

/// Merges leads into one: its empty fields fill from them in the order given, tags come behind its own as far as there is room,
/// notes are counted together. Its name, source, stage and times stay.
#[must_use]
pub fn merge(into: &Lead, from: &[Lead], id: MergeId, by: &By, workspace: WorkspaceId) -> Merging {
    let seen = |lead: &Lead| lead.updated_at.max(lead.last_activity_at);
    // Clocks of two machines differ; a lead's own times never go back.
    let at = from.iter().map(seen).fold(by.at.max(seen(into)), Millis::max);
    let mut lead = into.clone();
    let mut filled = Filled::default();
    for other in from {
        let (own, theirs) = (&mut lead.fields, &other.fields);
        fill(&mut own.email, &theirs.email, &mut filled.email);
        fill(&mut own.phone, &theirs.phone, &mut filled.phone);
        fill(&mut own.company, &theirs.company, &mut filled.company);
        fill(&mut own.owner, &theirs.owner, &mut filled.owner);
        own.tags = own.tags.with_as_many(&theirs.tags, MOST_TAGS);
        lead.note_count = lead.note_count.saturating_add(other.note_count);
    }
    filled.tags = lead.fields.tags.without(&into.fields.tags);
    lead.version = lead.version.next();
    lead.updated_at = at;
    lead.last_activity_at = at;
    let ids: Vec<LeadId> = from.iter().map(|lead| lead.id).collect();
    let what = What::Merged { from: ids, into: None, merge: id };
    let mut events = vec![event(workspace, &lead, what, None, by)];
    let mut gone = Vec::new();
    for other in from {
        let other = Lead { version: other.version.next(), updated_at: at, ..other.clone() };
        let what = What::Merged { from: Vec::new(), into: Some(into.id), merge: id };
        events.push(event(workspace, &other, what, Some(into.id), by));
        gone.push(other);
    }
    Merging { lead, gone, merge: Merge { id, into: into.id, at, filled }, events }
}

fn fill<T: Clone>(own: &mut Option<T>, theirs: &Option<T>, filled: &mut Option<T>) {
    if own.is_none() && theirs.is_some() {
        own.clone_from(theirs);
        filled.clone_from(theirs);
    }
}

/// Takes a merge back. What the lead got is taken away again, unless it is another by now. With each of the others comes how
/// many of its notes are still there and go back with it.
///
/// # Errors
/// [`Denied::MergeTooOld`] when its time is over.
pub fn unmerge(
    lead: &Lead,
    merge: &Merge,
    gone: &[(Lead, u32)],
    by: &By,
    workspace: WorkspaceId,
) -> Result<Unmerging, Denied> {
    if merge.at.after(MERGE_KEPT) <= by.at {
        return Err(Denied::MergeTooOld);
    }
    let at = gone.iter().map(|(lead, _)| lead.updated_at).fold(by.at.max(lead.updated_at), Millis::max);
    let mut lead = lead.clone();
    let (own, filled) = (&mut lead.fields, &merge.filled);
    empty(&mut own.email, &filled.email);
    empty(&mut own.phone, &filled.phone);
    empty(&mut own.company, &filled.company);
    empty(&mut own.owner, &filled.owner);
    own.tags = own.tags.without(&filled.tags);
    let notes = gone.iter().map(|(_, notes)| *notes).fold(0, u32::saturating_add);
    lead.note_count = lead.note_count.saturating_sub(notes);
    lead.version = lead.version.next();
    lead.updated_at = at;
    lead.last_activity_at = at;
    let ids: Vec<LeadId> = gone.iter().map(|(lead, _)| lead.id).collect();
    let what = What::Unmerged { from: ids, into: None, merge: merge.id };
    let mut events = vec![event(workspace, &lead, what, None, by)];
    let mut back = Vec::new();
    for (other, notes) in gone {
        let other = Lead {
            version: other.version.next(),
            updated_at: at,
            last_activity_at: at,
            note_count: *notes,
            ..other.clone()
        };
        let what = What::Unmerged { from: Vec::new(), into: Some(lead.id), merge: merge.id };
        events.push(event(workspace, &other, what, None, by));
        back.push(other);
    }
    Ok(Unmerging { lead, back, events })
}

fn empty<T: PartialEq>(own: &mut Option<T>, filled: &Option<T>) {
    if filled.is_some() && own == filled {
        *own = None;
    }
}

#[cfg(test)]
mod tests {
    use leadline_runtime::caller::Origin;
    use proptest::prelude::*;

    use super::*;
    use crate::{
        fields::{Fields, Name},
        lead::NewLead,
        stage::{Source, Status},
    };

    fn by(at: i64) -> By {
        By { actor: Some(UserId::new()), at: Millis(at), origin: Origin::default(), backdated: false }
    }

    fn lead(fields: Fields) -> Lead {
        let new = NewLead { id: LeadId::new(), fields, created_by: UserId::new(), note: None };
        Lead::create(new, &by(1_000)).lead
    }

    fn fields() -> impl Strategy<Value = Fields> {
        let some = |text: &'static str| proptest::option::of(text);
        let tags = proptest::collection::vec("[a-dA-D]{1,2}", 0..40);
        (some("[ab]@c.de"), some("[0-9]{3}"), some("[A-C]{1,2}"), any::<bool>(), tags, 1i64..=5).prop_map(
            |(email, phone, company, owned, tags, rank)| Fields {
                name: Name::parse("Zoë").unwrap(),
                email: email.and_then(|text| Email::parse(&text).ok()),
                phone: phone.and_then(|text| Phone::parse(&text).unwrap()),
                company: company.and_then(|text| Company::parse(&text).unwrap()),
                source: Source::Other,
                status: Status::of_rank(rank).unwrap(),
                tags: Tags::parse(&tags).unwrap_or_default(),
                owner: owned.then(UserId::new),
            },
        )
    }

    proptest! {
        #[test]
        fn a_merge_taken_back_leaves_every_lead_as_it_was(
            into in fields(),
            from in proptest::collection::vec((fields(), 0u32..9), 1..5),
            notes in 0u32..9,
        ) {
            let into = Lead { note_count: notes, ..lead(into) };
            let from: Vec<Lead> =
                from.into_iter().map(|(fields, notes)| Lead { note_count: notes, ..lead(fields) }).collect();
            let workspace = WorkspaceId::new();
            let merged = merge(&into, &from, MergeId::new(), &by(2_000), workspace);
            prop_assert_eq!(merged.lead.fields.status, into.fields.status);
            prop_assert!(merged.lead.fields.tags.iter().count() <= MOST_TAGS);
            prop_assert_eq!(merged.events.len(), from.len() + 1);
            let gone: Vec<(Lead, u32)> =
                merged.gone.iter().map(|lead| (lead.clone(), lead.note_count)).collect();
            let taken_back = unmerge(&merged.lead, &merged.merge, &gone, &by(3_000), workspace).unwrap();
            for (was, is) in std::iter::once((&into, &taken_back.lead)).chain(from.iter().zip(&taken_back.back)) {
                prop_assert_eq!((&was.fields, was.note_count, was.stages), (&is.fields, is.note_count, is.stages));
                prop_assert_eq!((was.created_at, was.status_changed_at), (is.created_at, is.status_changed_at));
                prop_assert_eq!(is.version.0, was.version.0 + 2);
            }
            prop_assert!(taken_back.events.iter().all(|event| !event.snapshot.deleted));
        }
    }

    #[test]
    fn what_was_edited_since_stays() {
        let bare = Fields {
            name: Name::parse("Zoë").unwrap(),
            email: None,
            phone: None,
            company: None,
            source: Source::Ad,
            status: Status::New,
            tags: Tags::parse(&["own"]).unwrap(),
            owner: None,
        };
        let full = Fields {
            email: Email::parse("a@b.de").ok(),
            phone: Phone::parse("123").unwrap(),
            tags: Tags::parse(&["vip", "OWN"]).unwrap(),
            ..bare.clone()
        };
        let (into, from) = (lead(bare), lead(full));
        let merged =
            merge(&into, std::slice::from_ref(&from), MergeId::new(), &by(2_000), WorkspaceId::new());
        assert_eq!(merged.lead.fields.tags.to_texts(), ["own", "vip"]);
        assert_eq!(merged.events[1].snapshot.merged_into, Some(into.id));
        let mut lead = merged.lead;
        lead.fields.phone = Phone::parse("456").unwrap();
        let gone = [(merged.gone[0].clone(), 0)];
        let back = unmerge(&lead, &merged.merge, &gone, &by(3_000), WorkspaceId::new()).unwrap();
        assert_eq!(back.lead.fields.phone.unwrap().as_str(), "456");
        assert_eq!(
            (back.lead.fields.email, back.lead.fields.tags.to_texts()),
            (None, vec!["own".to_owned()])
        );
        let late = Millis(2_000).after(MERGE_KEPT);
        let too_late = unmerge(&lead, &merged.merge, &gone, &by(late.0), WorkspaceId::new());
        assert_eq!(too_late, Err(Denied::MergeTooOld));
    }
}
