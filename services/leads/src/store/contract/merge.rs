//! Leads that become one, and how that is taken back.

use leadline_proto::leads::activity::What;
use leadline_runtime::version::{Precondition, Version};

use super::*;
use crate::{
    fields::Patch,
    filter::{Filter, Query, Sort, SortBy, Totals},
    lead::Denied,
    merge::{MERGE_KEPT, MergeId},
    store::{MergePart, NextFollowUp, UnmergePart},
};

fn note(text: &str) -> Command {
    Command::AddNote { id: NoteId::new(), text: NoteText::parse(text).unwrap() }
}

impl Team {
    async fn merge(&self, into: LeadId, from: &[LeadId]) -> Result<(MergeId, Written), StoreError> {
        let id = MergeId::new();
        let part = MergePart { into, id, from: from.to_vec(), condition: Precondition::None, by: self.by() };
        Ok((id, fresh(self.store.merge(self.scope, part, None).await?)))
    }

    async fn unmerge(&self, into: LeadId, id: Option<MergeId>) -> Result<Written, StoreError> {
        let part = UnmergePart { into, id, condition: Precondition::None, by: self.by() };
        self.store.unmerge(self.scope, part, None).await.map(fresh)
    }

    async fn names(&self, trashed: bool) -> anyhow::Result<Vec<String>> {
        let query = Query {
            filter: Filter { trashed, ..Filter::default() },
            sort: Sort { by: SortBy::Name, descending: false },
            after: None,
            limit: 50,
            totals: Totals::Counted,
        };
        let page = self.store.leads(self.scope, query).await?;
        Ok(page.items.iter().map(|lead| lead.fields.name.as_str().to_owned()).collect())
    }

    async fn texts(&self, lead: LeadId) -> anyhow::Result<Vec<String>> {
        let page = self.store.notes(self.scope, lead, None, 50).await?.expect("the lead is there");
        assert_eq!(page.total.value, page.items.len() as u64);
        Ok(page.items.iter().map(|note| note.text.as_str().to_owned()).collect())
    }

    async fn whats(&self, lead: LeadId) -> anyhow::Result<Vec<What>> {
        Ok(self
            .log(Some(lead))
            .await?
            .into_iter()
            .map(|event| event.activity.unwrap().what.unwrap())
            .collect())
    }
}

pub(super) async fn a_merge_moves_notes_and_history_and_gives_them_back(team: Team) -> anyhow::Result<()> {
    let a = team.make_with(full(team.anna), Some("of a"), &team.by()).await?;
    let b = team.make_with(named("Bob"), Some("of b"), &team.by()).await?;
    let told = NextFollowUp { scope: team.scope, lead: a.id, at: Some(Millis(7)), revision: 3 };
    team.store.set_follow_ups(vec![told]).await?;
    let (id, written) = team.merge(b.id, &[a.id]).await?;
    assert_eq!(written.lead.fields.email, a.fields.email);
    assert_eq!((written.lead.fields.status, written.lead.version), (Status::New, Version(2)));
    assert_eq!(team.lead(b.id).await?.unwrap(), (written.lead.clone(), written.notes));
    assert_eq!(team.lead(a.id).await?, None);
    assert_eq!(team.names(false).await?, ["Bob"]);
    assert!(team.names(true).await?.is_empty());
    assert_eq!(team.texts(b.id).await?, ["of b", "of a"]);
    assert_eq!(team.whats(b.id).await?.len(), 5);
    assert_eq!(team.change(a.id, note("n")).await, Err(StoreError::Denied(Denied::NoLead)));
    let went = StoreError::Denied(Denied::Merged { into: b.id });
    assert_eq!(team.change(a.id, Command::Restore).await, Err(went));
    let all = team.log(None).await?;
    let told: Vec<_> = all
        .iter()
        .filter(|event| matches!(event.activity.as_ref().unwrap().what, Some(What::Merged(_))))
        .map(|event| event.snapshot.clone().unwrap())
        .collect();
    assert_eq!(told.len(), 2);
    assert!(!told[0].deleted && told[0].merged_into.is_none());
    assert!(told[1].deleted && told[1].merged_into == Some(b.id.to_string()));

    team.change(b.id, note("written since")).await?;
    let phone = Phone::parse("555").unwrap();
    team.change(b.id, Command::Edit(Patch { phone: Some(phone.clone()), ..Patch::default() })).await?;
    let late = NextFollowUp { scope: team.scope, lead: a.id, at: Some(Millis(9)), revision: 4 };
    team.store.set_follow_ups(vec![late]).await?;
    let now = team.unmerge(b.id, Some(id)).await?.lead;
    assert_eq!((&now.fields.email, &now.fields.phone, now.note_count), (&None, &phone, 2));
    assert!(now.fields.tags.is_empty());
    assert_eq!(team.texts(b.id).await?, ["written since", "of b"]);
    let (back, notes) = team.lead(a.id).await?.unwrap();
    assert_eq!((&back.fields, back.version, back.note_count), (&a.fields, Version(3), 1));
    assert_eq!((notes.len(), back.next_follow_up_at), (1, Some(Millis(9))));
    assert!(matches!(
        &team.whats(a.id).await?[..],
        [What::Created(_), What::NoteAdded(_), What::Merged(_), What::Unmerged(_)]
    ));
    assert_eq!(team.names(false).await?.len(), 2);
    // Found and edited as if nothing had been.
    let words = crate::search::words("straße");
    let found = team.store.matching(team.scope, Filter { words, ..Filter::default() }, 9).await?;
    assert_eq!(found, [a.id]);
    team.change(a.id, Command::RemoveTags(a.fields.tags.clone())).await?;
    assert_eq!(team.unmerge(b.id, None).await, Err(StoreError::Denied(Denied::NothingMerged)));
    Ok(())
}

pub(super) async fn chains_of_merges_are_taken_back_one_by_one(team: Team) -> anyhow::Result<()> {
    let mut leads = Vec::new();
    for name in ["A", "B", "C"] {
        leads.push(team.make_with(named(name), Some(name), &team.by()).await?.id);
    }
    let [a, b, c] = leads[..] else { panic!("{leads:?}") };
    let (first, _) = team.merge(b, &[a]).await?;
    team.merge(c, &[b]).await?;
    assert_eq!(team.texts(c).await?, ["C", "B", "A"]);
    assert_eq!(team.unmerge(c, Some(first)).await, Err(StoreError::Denied(Denied::NothingMerged)));
    team.unmerge(c, None).await?;
    assert_eq!(
        (team.texts(b).await?, team.texts(c).await?),
        (vec!["B".to_owned(), "A".to_owned()], vec!["C".to_owned()])
    );
    team.unmerge(b, None).await?;
    assert_eq!(team.texts(a).await?, ["A"]);
    assert_eq!(team.names(false).await?, ["A", "B", "C"]);
    Ok(())
}

pub(super) async fn what_is_not_there_is_not_merged(team: Team) -> anyhow::Result<()> {
    let (a, b) = (team.make(named("A")).await?, team.make(named("B")).await?);
    let trashed = team.make(named("T")).await?;
    team.change(trashed.id, Command::Trash).await?;
    let theirs = team.others().make(named("theirs")).await?;
    let unknown = LeadId::new();
    let refused = team.merge(a.id, &[b.id, theirs.id, unknown, trashed.id, a.id]).await.unwrap_err();
    assert_eq!(refused, StoreError::Unmergeable(vec![theirs.id, unknown, trashed.id, a.id]));
    assert_eq!(team.merge(theirs.id, &[a.id]).await.unwrap_err(), StoreError::Denied(Denied::NoLead));
    assert_eq!(team.unmerge(theirs.id, None).await, Err(StoreError::Denied(Denied::NoLead)));
    let stale = MergePart {
        into: a.id,
        id: MergeId::new(),
        from: vec![b.id],
        condition: Precondition::OneOf(vec![Version(7)]),
        by: team.by(),
    };
    let refused = team.store.merge(team.scope, stale, None).await.unwrap_err();
    assert_eq!(refused, StoreError::VersionMismatch { present: Version(1) });
    assert_eq!(team.lead(a.id).await?.unwrap().0, a);
    assert_eq!(team.lead(b.id).await?.unwrap().0, b);
    Ok(())
}

pub(super) async fn a_merge_is_final_when_its_time_is_over(team: Team) -> anyhow::Result<()> {
    let a = team.make_with(named("A"), Some("a"), &team.by()).await?;
    let b = team.make(named("B")).await?;
    team.merge(b.id, &[a.id]).await?;
    assert_eq!(team.store.forget_merges(Millis::now().before(MERGE_KEPT), 9).await?, 0);
    let later = By { at: Millis::now().after(MERGE_KEPT), ..team.by() };
    let part = UnmergePart { into: b.id, id: None, condition: Precondition::None, by: later };
    let refused = team.store.unmerge(team.scope, part, None).await.unwrap_err();
    assert_eq!(refused, StoreError::Denied(Denied::MergeTooOld));
    assert_eq!(team.store.forget_merges(Millis::now(), 9).await?, 1);
    assert_eq!(team.store.forget_merges(Millis::now(), 9).await?, 0);
    assert_eq!(team.unmerge(b.id, None).await, Err(StoreError::Denied(Denied::NothingMerged)));
    assert_eq!(team.change(a.id, Command::Restore).await, Err(StoreError::Denied(Denied::NoLead)));
    assert_eq!(team.texts(b.id).await?, ["a"]);
    assert_eq!(team.whats(b.id).await?.len(), 5);
    Ok(())
}

pub(super) async fn an_erased_lead_takes_what_went_into_it_along(team: Team) -> anyhow::Result<()> {
    let a = team.make_with(named("A"), Some("a"), &team.by()).await?;
    let (b, c) = (team.make(named("B")).await?, team.make(named("C")).await?);
    team.merge(b.id, &[a.id]).await?;
    team.merge(c.id, &[b.id]).await?;
    team.change(c.id, Command::Erase).await?;
    let log = team.log(None).await?;
    assert_eq!(log.len(), 3);
    let erasure = |event: &LeadEvent| matches!(event.activity.as_ref().unwrap().what, Some(What::Deleted(deleted)) if deleted.permanent);
    assert!(log.iter().all(erasure));
    let waiting = team.store.outbox().pending(None, 99).await.unwrap();
    let mut erased = Vec::new();
    for row in &waiting {
        let Some(Body::Lead(lead)) = event_of(&row.bytes).body else { panic!("not of a lead") };
        let snapshot = lead.snapshot.unwrap();
        assert!(snapshot.erased && snapshot.name.is_empty() && snapshot.merged_into.is_none());
        erased.push(snapshot.lead_id);
    }
    erased.sort();
    let mut expected = [a.id, b.id, c.id].map(|id| id.to_string());
    expected.sort();
    assert_eq!(erased, expected);
    assert_eq!(team.change(a.id, Command::Restore).await, Err(StoreError::Denied(Denied::NoLead)));
    Ok(())
}

pub(super) async fn a_merge_and_edits_at_once_lose_nothing(team: Team) -> anyhow::Result<()> {
    let (a, b) = (team.make(named("A")).await?, team.make(named("B")).await?);
    let mut writers = tokio::task::JoinSet::new();
    for nth in 0..20 {
        let team = team.clone();
        let id = if nth % 2 == 0 { a.id } else { b.id };
        writers.spawn(async move { team.change(id, note(&format!("note {nth}"))).await.is_ok() });
    }
    let merged = team.merge(b.id, &[a.id]).await;
    let mut written = 0;
    while let Some(done) = writers.join_next().await {
        written += usize::from(done?);
    }
    merged?;
    assert_eq!(team.texts(b.id).await?.len(), written);
    Ok(())
}
