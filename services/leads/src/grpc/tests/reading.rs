//! Calls that read, and what reminders tell.

use std::{sync::Arc, time::Duration};

use futures::TryStreamExt;
use leadline_bus::Consumer;
use leadline_proto::{
    events::{Event, ReminderEvent, event::Body, reminder_event::FollowUp},
    leads as proto,
    reminders::Reminder,
};
use leadline_runtime::{
    caller::Role,
    ids::{WorkspaceId, new_uuid},
    refusal::Refusal,
    time::Millis,
};
use leadline_testbed::eventually;
use tonic::Request;

use super::house::{House, Person, answer, bad_fields, named};
use crate::follow_up::FollowUps;

async fn page(
    person: &mut Person,
    request: proto::ListLeadsRequest,
) -> Result<proto::ListLeadsResponse, Refusal> {
    let request = person.ask(request);
    answer(person.client.list_leads(request).await)
}

#[tokio::test]
async fn a_list_is_read_page_by_page_with_a_cursor_of_its_own() -> anyhow::Result<()> {
    let house = House::start().await?;
    let mut anna = house.person(WorkspaceId::new(), Role::Member).await?;
    let mut theirs = house.person(WorkspaceId::new(), Role::Member).await?;
    for nth in 0..7 {
        anna.make(named(&format!("lead {nth}"))).await?;
    }
    theirs.make(named("theirs")).await?;
    let request =
        proto::ListLeadsRequest { sort: proto::SortField::Name.into(), limit: 3, ..Default::default() };
    let first = page(&mut anna, request.clone()).await?;
    assert_eq!(
        first.leads.iter().map(|lead| lead.name.as_str()).collect::<Vec<_>>(),
        ["lead 0", "lead 1", "lead 2"]
    );
    assert_eq!(first.total.unwrap().value, 7);
    let next = proto::ListLeadsRequest { cursor: first.next_cursor.clone(), limit: 200, ..request.clone() };
    let second = page(&mut anna, next.clone()).await?;
    assert_eq!((second.leads.len(), second.next_cursor.as_str()), (4, ""));
    for foreign in [
        proto::ListLeadsRequest { descending: true, ..next.clone() },
        proto::ListLeadsRequest {
            filter: Some(proto::LeadFilter { q: "x".into(), ..Default::default() }),
            ..next.clone()
        },
        proto::ListLeadsRequest { cursor: format!("{}x", next.cursor), ..next.clone() },
    ] {
        assert_eq!(bad_fields(page(&mut anna, foreign).await), ["cursor"]);
    }
    assert_eq!(bad_fields(page(&mut theirs, next).await), ["cursor"]);
    let endless = proto::ListLeadsRequest { limit: 1_000_000_000, ..Default::default() };
    assert_eq!(bad_fields(page(&mut anna, endless).await), ["limit"]);
    let filter = proto::LeadFilter {
        follow_up: proto::FollowUp::Today.into(),
        tz: "Mars/Olympus".into(),
        inactive_for_ms: Some(-1),
        statuses: vec![77],
        reached: vec![3, 5],
        owner: Some(proto::lead_filter::Owner::OwnerId("me".into())),
        ..Default::default()
    };
    assert_eq!(bad_fields(anna.list(filter).await), ["inactiveFor", "owner", "reached", "status", "tz"]);
    let bounded = Some(leadline_proto::types::TimeRange { from_ms: Some(1), to_ms: None });
    let created = proto::ImportOutcome::Created.into();
    for (filter, fields) in [
        // New is entered by being made.
        (proto::LeadFilter { entered: 1, entered_at: bounded, ..Default::default() }, vec!["entered"]),
        (proto::LeadFilter { entered: 77, ..Default::default() }, vec!["entered"]),
        (proto::LeadFilter { entered_at: bounded, ..Default::default() }, vec!["entered"]),
        (
            proto::LeadFilter { import_id: "x".into(), import_outcome: created, ..Default::default() },
            vec!["import"],
        ),
        (proto::LeadFilter { import_outcome: created, ..Default::default() }, vec!["import"]),
    ] {
        assert_eq!(bad_fields(anna.list(filter).await), fields);
    }
    house.end().await
}

#[tokio::test]
async fn the_trash_is_listed_apart_and_given_back() -> anyhow::Result<()> {
    let house = House::start().await?;
    let mut anna = house.person(WorkspaceId::new(), Role::Member).await?;
    let lead = anna.make(named("x")).await?;
    let request = anna.ask(proto::DeleteLeadRequest { id: lead.id.clone(), ..Default::default() });
    answer(anna.client.delete_lead(request).await)?;
    assert_eq!(anna.list(proto::LeadFilter::default()).await?.leads.len(), 0);
    let trash = anna.list(proto::LeadFilter { trashed: true, ..Default::default() }).await?;
    assert_eq!(trash.leads[0].id, lead.id);
    assert!(trash.leads[0].deleted_at_ms.is_some());
    let request = anna.ask(proto::ListNotesRequest { lead_id: lead.id.clone(), ..Default::default() });
    assert_eq!(answer(anna.client.list_notes(request).await), Err(Refusal::NotFound("lead")));
    let request = anna.ask(proto::ListActivityRequest { lead_id: lead.id.clone(), ..Default::default() });
    assert_eq!(answer(anna.client.list_activity(request).await), Err(Refusal::NotFound("lead")));
    let request = anna.ask(proto::RestoreLeadRequest { id: lead.id.clone(), if_match: None });
    assert_eq!(answer(anna.client.restore_lead(request).await)?.version, 3);
    assert_eq!(anna.get(&lead.id).await?.deleted_at_ms, None);
    house.end().await
}

#[tokio::test]
async fn the_feed_is_paged_narrowed_and_resumed() -> anyhow::Result<()> {
    let house = House::start().await?;
    let mut anna = house.person(WorkspaceId::new(), Role::Member).await?;
    let mut theirs = house.person(WorkspaceId::new(), Role::Member).await?;
    theirs.make(named("theirs")).await?;
    for nth in 0..5 {
        anna.make(named(&format!("lead {nth}"))).await?;
    }
    let list = |limit, cursor: &str, types: &[&str]| proto::ListActivityRequest {
        limit,
        cursor: cursor.to_owned(),
        types: types.iter().map(|kind| (*kind).to_owned()).collect(),
        ..Default::default()
    };
    let request = anna.ask(list(3, "", &[]));
    let first = answer(anna.client.list_activity(request).await)?;
    let request = anna.ask(list(3, &first.next_cursor, &[]));
    let second = answer(anna.client.list_activity(request).await)?;
    let all: Vec<&proto::Activity> = first.activities.iter().chain(&second.activities).collect();
    assert_eq!(
        all.iter().map(|entry| entry.lead_name.as_str()).collect::<Vec<_>>(),
        ["lead 4", "lead 3", "lead 2", "lead 1", "lead 0"]
    );
    assert!(all.iter().all(|entry| entry.actor_id == anna.user.to_string()));
    let request = anna.ask(list(3, "", &["lead.deleted"]));
    assert_eq!(answer(anna.client.list_activity(request).await)?.total.unwrap().value, 0);
    let request = anna.ask(list(3, "", &["lead.created", "lead.exploded"]));
    assert_eq!(bad_fields(answer(anna.client.list_activity(request).await)), ["type"]);

    let after = |id: &str| proto::ListActivityAfterRequest { after_id: id.to_owned(), limit: 100 };
    let request = anna.ask(after(&all[2].id));
    let resumed = answer(anna.client.list_activity_after(request).await)?;
    assert!(resumed.complete);
    assert_eq!(
        resumed.activities.iter().map(|entry| entry.lead_name.as_str()).collect::<Vec<_>>(),
        ["lead 3", "lead 4"]
    );
    let old =
        leadline_runtime::ids::uuid_at(Millis::now().before(Duration::from_secs(31 * 86_400))).to_string();
    for lost in ["", "x", &old, "6ba7b810-9dad-41d1-80b4-00c04fd430c8"] {
        let request = anna.ask(after(lost));
        let resumed = answer(anna.client.list_activity_after(request).await)?;
        assert!(!resumed.complete && resumed.activities.is_empty(), "{lost}");
    }
    house.end().await
}

#[tokio::test]
async fn snapshots_of_every_workspace_are_streamed_to_who_knows_the_secret() -> anyhow::Result<()> {
    let house = House::start().await?;
    let (ours, theirs) = (WorkspaceId::new(), WorkspaceId::new());
    let mut anna = house.person(ours, Role::Owner).await?;
    let mut ben = house.person(theirs, Role::Owner).await?;
    for nth in 0..5 {
        anna.make(named(&format!("lead {nth}"))).await?;
    }
    let (kept, erased) = (ben.make(named("kept")).await?, ben.make(named("erased")).await?);
    let request = ben.ask(proto::DeleteLeadRequest { id: kept.id.clone(), ..Default::default() });
    answer(ben.client.delete_lead(request).await)?;
    let request = ben.ask(proto::DeleteLeadRequest { id: erased.id, permanent: true, if_match: None });
    answer(ben.client.delete_lead(request).await)?;

    let mut client = house.client.clone();
    let asked = |workspace: &str| proto::StreamSnapshotsRequest { workspace_id: workspace.to_owned() };
    let all: Vec<proto::StreamSnapshotsResponse> =
        client.stream_snapshots(house.secret.request(asked(""))).await?.into_inner().try_collect().await?;
    let count = |workspace: WorkspaceId| {
        all.iter()
            .filter(|part| part.workspace_id == workspace.to_string())
            .map(|part| part.snapshots.len())
            .sum::<usize>()
    };
    assert_eq!((count(ours), count(theirs)), (5, 1));
    let one: Vec<proto::StreamSnapshotsResponse> = client
        .stream_snapshots(house.secret.request(asked(&theirs.to_string())))
        .await?
        .into_inner()
        .try_collect()
        .await?;
    let snapshot = &one[0].snapshots[0];
    assert_eq!((snapshot.lead_id.as_str(), snapshot.version, snapshot.deleted), (kept.id.as_str(), 2, true));
    assert_eq!(snapshot.stages.len(), 1);
    for refused in [anna.ask(asked("")), Request::new(asked(""))] {
        let answered = answer(client.stream_snapshots(refused).await).map(|_| ());
        assert!(matches!(answered, Err(Refusal::Unauthenticated(_))), "{answered:?}");
    }
    house.end().await
}

#[tokio::test]
async fn what_reminders_tell_shows_in_any_order_and_events_go_out() -> anyhow::Result<()> {
    let house = House::start().await?;
    let workspace = WorkspaceId::new();
    let mut anna = house.person(workspace, Role::Member).await?;
    let lead = anna.make(named("x")).await?;
    let told = |at: Option<i64>, revision: u64, lead: &str| {
        Arc::new(Event {
            id: new_uuid().to_string(),
            workspace_id: workspace.to_string(),
            body: Some(Body::Reminder(ReminderEvent {
                reminder: Some(Reminder { lead_id: lead.to_owned(), ..Reminder::default() }),
                follow_up: Some(FollowUp { next_due_at_ms: at, revision }),
                ..ReminderEvent::default()
            })),
            ..Event::default()
        })
    };
    let consumer = FollowUps::new(house.store.clone());
    let unknown = new_uuid().to_string();
    let batch = [
        told(Some(30), 3, &lead.id),
        told(Some(20), 2, &lead.id),
        told(Some(1), 9, &unknown),
        Arc::new(Event::default()),
    ];
    consumer.handle(&batch).await?;
    consumer.handle(&[told(Some(10), 1, &lead.id)]).await?;
    let now = anna.get(&lead.id).await?;
    assert_eq!((now.next_follow_up_at_ms, now.version), (Some(30), 1));
    consumer.handle(&[told(None, 4, &lead.id)]).await?;
    assert_eq!(anna.get(&lead.id).await?.next_follow_up_at_ms, None);
    assert!(consumer.handle(&[told(None, 5, "x")]).await.is_err());

    // The relay begins once the bus is started, and what waits then goes out.
    assert_eq!(house.store.outbox().backlog().await.map_err(anyhow::Error::from_boxed)?.depth, 1);
    house.bus.start();
    eventually(Duration::from_secs(10), "the outbox is empty", async || {
        let backlog = house.store.outbox().backlog().await.map_err(anyhow::Error::from_boxed)?;
        anyhow::ensure!(backlog.depth == 0, "{backlog:?}");
        Ok(())
    })
    .await?;
    house.end().await
}
