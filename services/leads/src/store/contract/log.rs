//! The log, and the outbox that it is.

use leadline_bus::OutboxRow;
use leadline_proto::leads::{Activity, activity::What};
use leadline_runtime::{ids::uuid_at, version::Version};

use super::*;
use crate::{
    activity::{ActivityId, Kind},
    backfill::{Past, Step, StepKind, backfill},
    fields::{Patch, Reason},
    filter::Total,
};

fn activity(event: &LeadEvent) -> &Activity {
    event.activity.as_ref().unwrap()
}

pub(super) async fn one_write_logs_one_entry_for_each_thing_that_it_did(team: Team) -> anyhow::Result<()> {
    let made = team.make_with(named("x"), Some(&"n".repeat(300)), &team.by()).await?;
    let patch = Patch {
        company: Some(Company::parse("Acme").unwrap()),
        tags: Some(tags(&["a"])),
        status: Some(Status::Contacted),
        ..Patch::default()
    };
    team.change(made.id, Command::Edit(patch)).await?;
    let reason = Reason::parse("too dear").unwrap();
    team.change(made.id, Command::Move { to: Status::Lost, reason }).await?;
    let log = team.log(Some(made.id)).await?;
    let versions: Vec<u64> = log.iter().map(|event| activity(event).version).collect();
    assert_eq!(versions, [1, 1, 2, 2, 3]);
    // Entries of one write are told with the same, final state.
    let snapshots: Vec<u64> = log.iter().map(|event| event.snapshot.as_ref().unwrap().version).collect();
    assert_eq!(snapshots, versions);
    assert_eq!(log[2].snapshot, log[3].snapshot);
    let whats: Vec<&What> = log.iter().map(|event| activity(event).what.as_ref().unwrap()).collect();
    assert!(matches!(whats[0], What::Created(_)));
    assert!(matches!(whats[1], What::NoteAdded(note) if note.text.len() == 200));
    let What::Updated(updated) = whats[2] else { panic!("{:?}", whats[2]) };
    let fields: Vec<&str> = updated.changes.iter().map(|change| change.field.as_str()).collect();
    assert_eq!(fields, ["company", "tags"]);
    let company = &updated.changes[0];
    assert_eq!(company.from.as_ref().unwrap().text, None);
    assert_eq!(company.to.as_ref().unwrap().text.as_deref(), Some("Acme"));
    assert!(updated.changes[1].from.as_ref().unwrap().is_list);
    assert!(matches!(whats[3], What::StatusChanged(moved) if (moved.from, moved.to) == (1, 2)));
    assert!(matches!(whats[4], What::StatusChanged(moved) if moved.reason.as_deref() == Some("too dear")));
    assert!(log.iter().all(|event| activity(event).actor_id == team.anna.to_string()));
    Ok(())
}

pub(super) async fn the_feed_is_newest_first_and_narrowed_by_kind(team: Team) -> anyhow::Result<()> {
    let others = team.others();
    others.make(named("theirs")).await?;
    let mut leads = Vec::new();
    for nth in 0..12 {
        let lead = team.make(named(&format!("lead {nth}"))).await?;
        team.change(lead.id, Command::Move { to: Status::Lost, reason: None }).await?;
        leads.push(lead.id);
    }
    team.change(leads[0], Command::Trash).await?;
    let ids = |lead, kinds: Vec<Kind>, limit| {
        let team = team.clone();
        async move {
            let (mut before, mut ids, mut pages) = (None, Vec::new(), 0);
            loop {
                let query = LogQuery { lead, kinds: kinds.clone(), before, limit, gone: false };
                let page = team.store.log(team.scope, query).await.unwrap().unwrap();
                ids.extend(page.items.iter().map(|entry| entry.id));
                before = page.items.last().map(|entry| entry.id);
                pages += 1;
                if !page.more {
                    return (ids, page.total, pages);
                }
            }
        }
    };
    let (all, total, pages) = ids(None, vec![], 10).await;
    assert_eq!((all.len(), total, pages), (25, Total { value: 25, exact: true }, 3));
    assert!(all.is_sorted_by(|a, b| a > b));
    let (moves, total, _) = ids(None, vec![Kind::StatusChanged], 5).await;
    assert_eq!((moves.len(), total.value), (12, 12));
    let (both, total, _) = ids(None, vec![Kind::Deleted, Kind::Created, Kind::Merged], 5).await;
    assert_eq!((both.len(), total.value), (13, 13));
    assert!(both.is_sorted_by(|a, b| a > b));
    let (of_one, total, _) = ids(Some(leads[3]), vec![], 1).await;
    assert_eq!((of_one.len(), total.value), (2, 2));
    let (of_kind, total, _) = ids(Some(leads[3]), vec![Kind::Created, Kind::Deleted], 1).await;
    assert_eq!((of_kind.len(), total.value), (1, 1));
    let trashed = LogQuery { lead: Some(leads[0]), limit: 5, ..LogQuery::default() };
    assert_eq!(team.store.log(team.scope, trashed.clone()).await?, None);
    // The feed shows the log as it is.
    let of_trashed = team.store.log(team.scope, LogQuery { gone: true, ..trashed }).await?.unwrap();
    assert!(of_trashed.items.len() >= 2);
    assert!(of_trashed.items.iter().all(|entry| all.contains(&entry.id)));
    let unknown = LogQuery { lead: Some(LeadId::new()), gone: true, limit: 5, ..LogQuery::default() };
    assert!(team.store.log(team.scope, unknown).await?.unwrap().items.is_empty());
    Ok(())
}

pub(super) async fn a_stream_resumes_behind_what_it_has(team: Team) -> anyhow::Result<()> {
    let lead = team.make(named("x")).await?;
    for nth in 0..9 {
        let patch = Patch { name: Some(Name::parse(&format!("name {nth}")).unwrap()), ..Patch::default() };
        team.change(lead.id, Command::Edit(patch)).await?;
    }
    team.others().make(named("theirs")).await?;
    let newest_first = LogQuery { limit: 99, ..LogQuery::default() };
    let mut all: Vec<ActivityId> =
        team.store.log(team.scope, newest_first).await?.unwrap().items.iter().map(|entry| entry.id).collect();
    all.reverse();
    let (mut seen, mut after) = (all[..3].to_vec(), all[2]);
    for _ in 0..9 {
        let more = team.store.log_after(team.scope, after, 4).await?;
        let new: Vec<ActivityId> =
            more.iter().map(|entry| entry.id).filter(|id| !seen.contains(id)).collect();
        assert!(new.len() <= 4);
        let Some(last) = new.iter().max() else { break };
        after = *last;
        seen.extend(new);
    }
    assert_eq!(seen, all);
    let now = ActivityId::from(uuid_at(Millis(Millis::now().0 + 60_000)));
    let ahead = team.store.log_after(team.scope, now, 9).await?;
    assert!(ahead.is_empty(), "{ahead:?}");
    Ok(())
}

pub(super) async fn every_entry_waits_in_the_outbox_until_it_is_published(team: Team) -> anyhow::Result<()> {
    let outbox = team.store.outbox();
    let mut committed = outbox.committed();
    committed.borrow_and_update();
    for nth in 0..7 {
        team.make(named(&format!("lead {nth}"))).await?;
    }
    tokio::time::timeout(std::time::Duration::from_secs(5), committed.changed()).await??;
    let first = outbox.pending(None, 3).await.unwrap();
    let second = outbox.pending(first.last().map(|event| &event.row), 10).await.unwrap();
    assert_eq!((first.len(), second.len()), (3, 4));
    assert!(first.iter().chain(&second).all(|event| event.key == "lead.created"));
    assert!(
        first
            .iter()
            .chain(&second)
            .all(|event| event_of(&event.bytes).workspace_id == team.scope.workspace().to_string())
    );
    let backlog = outbox.backlog().await.unwrap();
    assert_eq!(backlog.depth, 7);
    assert!(backlog.oldest_at_ms.is_some_and(|at| (Millis::now().0 - at).abs() < 60_000));
    let rows: Vec<OutboxRow> = first.iter().map(|event| event.row.clone()).collect();
    outbox.mark_published(&rows).await.unwrap();
    outbox.mark_published(&rows).await.unwrap();
    outbox.mark_published(&[OutboxRow::from(999_999), OutboxRow::from("unknown")]).await.unwrap();
    let left = outbox.pending(None, 10).await.unwrap();
    assert_eq!(
        left.iter().map(|event| &event.row).collect::<Vec<_>>(),
        second.iter().map(|event| &event.row).collect::<Vec<_>>()
    );
    // What is published stays in the log.
    assert_eq!(team.log(None).await?.len(), 7);
    let rows: Vec<OutboxRow> = left.iter().map(|event| event.row.clone()).collect();
    outbox.mark_published(&rows).await.unwrap();
    assert_eq!(outbox.backlog().await.unwrap(), leadline_bus::Backlog { depth: 0, oldest_at_ms: None });
    Ok(())
}

pub(super) async fn a_parked_event_is_kept_once_for_each_consumer(team: Team) -> anyhow::Result<()> {
    team.make(named("x")).await?;
    let outbox = team.store.outbox();
    let row = outbox.pending(None, 1).await.unwrap()[0].row.clone();
    for consumer in ["analytics", "analytics", "reminders"] {
        outbox.park(&row, consumer, "poison").await.unwrap();
    }
    assert_eq!(outbox.pending(None, 9).await.unwrap().len(), 1);
    Ok(())
}

pub(super) async fn leads_with_a_past_have_their_log_and_their_events(team: Team) -> anyhow::Result<()> {
    let (day, ben) = (86_400_000, UserId::new());
    let created_at = ago(100 * day);
    let past = |nth: i64| Past {
        id: LeadId::from(uuid_at(Millis(created_at.0 + nth))),
        fields: full(team.anna),
        created_by: team.anna,
        created_at: Millis(created_at.0 + nth),
        steps: vec![
            Step { at: ago(90 * day), actor: ben, what: StepKind::Note(NoteText::parse("called").unwrap()) },
            Step {
                at: ago(80 * day),
                actor: ben,
                what: StepKind::Move { to: Status::Converted, reason: None },
            },
            // Too early, and to the same stage: nothing.
            Step {
                at: ago(99 * day),
                actor: ben,
                what: StepKind::Move { to: Status::Converted, reason: None },
            },
        ],
    };
    let leads = backfill(team.store.as_ref(), team.scope, (0..450).map(past)).await?;
    assert_eq!(leads.len(), 450);
    let (lead, notes) = team.lead(leads[7].id).await?.unwrap();
    assert_eq!(lead, leads[7]);
    assert_eq!((lead.version, lead.fields.status), (Version(3), Status::Converted));
    assert!((lead.status_changed_at.0 - ago(80 * day).0).abs() < 60_000);
    assert_eq!(lead.stages.of(Status::Converted).unwrap().last, lead.status_changed_at);
    assert_eq!((notes.len(), notes[0].author), (1, ben));
    let log = team.log(Some(lead.id)).await?;
    let at: Vec<i64> = log.iter().map(|event| activity(event).at_ms).collect();
    assert_eq!(at.len(), 3);
    assert!(at.is_sorted() && at[0] == lead.created_at.0);
    assert_eq!(team.store.outbox().backlog().await.unwrap().depth, 1350);
    // The feed is in the order of time, not of storing.
    let today = team.make(named("today")).await?;
    let newest = team.store.log(team.scope, LogQuery { limit: 1, ..LogQuery::default() }).await?.unwrap();
    assert_eq!(activity(&lead_event(&newest.items[0])).lead_id, today.id.to_string());
    Ok(())
}
