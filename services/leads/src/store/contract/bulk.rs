//! Many leads at once.

use leadline_runtime::version::Version;

use super::*;
use crate::{
    fields::{MOST_TAGS, Patch, Unacceptable},
    filter::Filter,
    lead::Denied,
    store::{Bulk, BulkPart},
};

fn part(team: &Team, ids: &[LeadId], command: Command) -> BulkPart {
    BulkPart { ids: ids.to_vec(), only: None, command, by: team.by(), once: None }
}

async fn run(team: &Team, ids: &[LeadId], command: Command) -> anyhow::Result<Bulk> {
    Ok(fresh(team.store.change_many(team.scope, part(team, ids, command)).await?))
}

pub(super) async fn many_leads_change_each_with_its_own_version_and_event(team: Team) -> anyhow::Result<()> {
    let mut ids = Vec::new();
    for nth in 0..300 {
        ids.push(team.make(named(&format!("lead {nth}"))).await?.id);
    }
    let bulk = run(&team, &ids, Command::Move { to: Status::Contacted, reason: None }).await?;
    assert_eq!(bulk, Bulk { matched: 300, changed: 300, failed: vec![] });
    assert_eq!(run(&team, &ids, Command::Move { to: Status::Contacted, reason: None }).await?.changed, 0);
    let ben = UserId::new();
    let assign = Command::Edit(Patch { owner: Some(Some(ben)), ..Patch::default() });
    assert_eq!(run(&team, &ids, assign).await?.changed, 300);
    for id in [ids[0], ids[299]] {
        let (lead, _) = team.lead(id).await?.unwrap();
        assert_eq!(
            (lead.version, lead.fields.status, lead.fields.owner),
            (Version(3), Status::Contacted, Some(ben))
        );
        assert_eq!(team.log(Some(id)).await?.len(), 3);
    }
    assert_eq!(team.store.outbox().backlog().await.unwrap().depth, 900);
    assert_eq!(run(&team, &ids, Command::Trash).await?.changed, 300);
    assert_eq!(run(&team, &ids[..1], Command::Trash).await?.failed, [(ids[0], Denied::NoLead)]);
    assert_eq!(run(&team, &[], Command::Trash).await?, Bulk::default());
    Ok(())
}

pub(super) async fn leads_that_can_not_change_are_told_with_why(team: Team) -> anyhow::Result<()> {
    let many: Vec<String> = (0..MOST_TAGS).map(|nth| format!("tag {nth}")).collect();
    let crowded = team.make(Fields { tags: Tags::parse(&many).unwrap(), ..named("crowded") }).await?;
    let free = team.make(named("free")).await?;
    let theirs = team.others().make(named("theirs")).await?;
    let unknown = LeadId::new();
    let ids = [crowded.id, theirs.id, free.id, unknown];
    let bulk = run(&team, &ids, Command::AddTags(tags(&["one more"]))).await?;
    assert_eq!((bulk.matched, bulk.changed), (2, 1));
    let mut failed = bulk.failed;
    failed.sort_by_key(|(id, _)| *id);
    let mut expected = vec![
        (crowded.id, Denied::Tags(Unacceptable::TooManyTags)),
        (theirs.id, Denied::NoLead),
        (unknown, Denied::NoLead),
    ];
    expected.sort_by_key(|(id, _)| *id);
    assert_eq!(failed, expected);
    assert_eq!(team.lead(crowded.id).await?.unwrap().0, crowded);
    assert_eq!(team.lead(free.id).await?.unwrap().0.fields.tags, tags(&["one more"]));
    Ok(())
}

pub(super) async fn what_no_longer_matches_is_left_alone(team: Team) -> anyhow::Result<()> {
    let new = team.make(named("new")).await?;
    let lost = team.make(Fields { status: Status::Lost, ..named("lost") }).await?;
    let only = Filter { statuses: [Status::New].into(), ..Filter::default() };
    let part = BulkPart {
        only: Some(only),
        ..part(&team, &[new.id, lost.id, LeadId::new()], Command::AddTags(tags(&["t"])))
    };
    let bulk = fresh(team.store.change_many(team.scope, part).await?);
    assert_eq!(bulk, Bulk { matched: 1, changed: 1, failed: vec![] });
    assert_eq!(team.lead(lost.id).await?.unwrap().0, lost);
    Ok(())
}

pub(super) async fn a_bulk_change_with_a_key_is_done_once(team: Team) -> anyhow::Result<()> {
    let lead = team.make(named("x")).await?;
    let once = keyed("bulk", "body").once;
    let answer = Arc::new(|bulk: &Bulk| bulk.changed.to_string().into_bytes());
    let part = BulkPart {
        once: Some(Keyed { once, answer }),
        ..part(&team, &[lead.id], Command::AddTags(tags(&["t"])))
    };
    assert_eq!(fresh(team.store.change_many(team.scope, part.clone()).await?).changed, 1);
    assert_eq!(team.store.change_many(team.scope, part).await?, Reply::Replayed(b"1".to_vec()));
    assert_eq!(team.lead(lead.id).await?.unwrap().0.version, Version(2));
    Ok(())
}
