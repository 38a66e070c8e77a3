//! What every store must do: the same rules, run on each.

mod erase;

use std::{collections::HashSet, sync::Arc, time::Duration};

use leadline_proto::events::{Event, ReminderEvent, event::Body, reminder_event::Kind as WireKind};
use leadline_runtime::{
    caller::Scope,
    ids::{UserId, WorkspaceId, new_uuid},
    once::Once,
    refusal::Refusal,
    stop::Stop,
    time::Millis,
    version::{Precondition, Version},
};
use leadline_storage::StoreUrl;
use prost::Message as _;

use super::*;
use crate::reminder::{Change, Edit, Message};
use erase::{
    a_key_is_forgotten_after_its_time_whether_swept_or_not, an_erased_leads_answers_and_events_go_with_it,
    an_erased_leads_reminders_are_erased,
    an_erased_workspace_leaves_nothing_and_late_news_bring_nothing_back,
};

const NOW: Millis = Millis(1_795_426_200_000);
const HOUR: Duration = Duration::from_secs(3600);

fn scope() -> Scope {
    Scope::of_own_row(WorkspaceId::new())
}

fn lead(version: u64) -> KnownLead {
    KnownLead {
        id: LeadId::new(),
        version,
        name: "Ada".into(),
        deleted: false,
        erased: false,
        merged_into: None,
    }
}

fn by() -> By {
    By { actor: Some(UserId::new()), at: NOW, request_id: "r".into(), traceparent: String::new() }
}

fn reminder(lead: &KnownLead, due_at: Millis) -> Reminder {
    Reminder::new(lead.id, due_at, Message::parse("call").unwrap(), UserId::new(), UserId::new(), NOW)
}

/// Keeps a reminder of a lead that is due at a time.
async fn keep(store: &Arc<dyn Store>, scope: Scope, lead: &KnownLead, due_at: Millis) -> Reminder {
    let reminder = reminder(lead, due_at);
    let answer = store.create(scope, reminder.clone(), lead.clone(), by(), None).await.unwrap();
    assert!(matches!(answer, Answer::Fresh(_)));
    reminder
}

/// All events in the outbox.
async fn told(store: &Arc<dyn Store>) -> Vec<(Event, ReminderEvent)> {
    let pending = store.clone().outbox().pending(None, 10_000).await.unwrap();
    pending
        .into_iter()
        .map(|pending| {
            let event = Event::decode(pending.bytes.as_ref()).unwrap();
            let Some(Body::Reminder(body)) = event.body.clone() else { panic!("not a reminder's event") };
            (event, body)
        })
        .collect()
}

fn all(limit: usize) -> Query {
    Query { limit, ..Query::default() }
}

async fn a_reminder_comes_back_as_it_was_put(store: Arc<dyn Store>) {
    let (scope, lead) = (scope(), lead(3));
    let kept = keep(&store, scope, &lead, NOW.after(HOUR)).await;
    let found = store.get(scope, kept.id).await.unwrap().unwrap();
    assert_eq!(found, Named { reminder: kept, lead_name: "Ada".into() });
}

async fn another_workspace_sees_nothing(store: Arc<dyn Store>) {
    let (own, other, lead) = (scope(), scope(), lead(1));
    let kept = keep(&store, own, &lead, NOW).await;
    assert_eq!(store.get(other, kept.id).await.unwrap(), None);
    assert_eq!(store.list(other, all(10)).await.unwrap().items, []);
    let change = store.change(other, kept.id, Precondition::None, Change::Complete, by(), None).await;
    assert!(matches!(change, Err(StoreError::NotFound)));
    let delete = store.delete(other, kept.id, Precondition::None, by()).await;
    assert!(matches!(delete, Err(StoreError::NotFound)));
    assert_eq!(store.get(own, kept.id).await.unwrap().unwrap().reminder, kept);
}

async fn every_change_is_told_with_the_next_follow_up_and_a_rising_revision(store: Arc<dyn Store>) {
    let (scope, lead) = (scope(), lead(1));
    let late = keep(&store, scope, &lead, NOW.after(HOUR * 2)).await;
    let soon = keep(&store, scope, &lead, NOW.after(HOUR)).await;
    store.change(scope, soon.id, Precondition::None, Change::Complete, by(), None).await.unwrap();
    store.delete(scope, late.id, Precondition::None, by()).await.unwrap();
    let told = told(&store).await;
    let follow_ups: Vec<_> = told
        .iter()
        .map(|(_, body)| {
            (body.kind(), body.follow_up.unwrap().next_due_at_ms, body.follow_up.unwrap().revision)
        })
        .collect();
    assert_eq!(
        follow_ups,
        [
            (WireKind::Created, Some(late.due_at.0), 1),
            (WireKind::Created, Some(soon.due_at.0), 2),
            (WireKind::Completed, Some(late.due_at.0), 3),
            (WireKind::Deleted, None, 4),
        ]
    );
}

async fn a_change_of_nothing_is_not_told(store: Arc<dyn Store>) {
    let (scope, lead) = (scope(), lead(1));
    let kept = keep(&store, scope, &lead, NOW).await;
    for change in [Change::Reopen, Change::Edit(Edit::default())] {
        let answer = store.change(scope, kept.id, Precondition::None, change, by(), None).await.unwrap();
        let Answer::Fresh(named) = answer else { panic!("replayed") };
        assert_eq!(named.reminder.version, Version::FIRST);
    }
    assert_eq!(told(&store).await.len(), 1);
}

async fn a_condition_on_another_version_changes_nothing(store: Arc<dyn Store>) {
    let (scope, lead) = (scope(), lead(1));
    let kept = keep(&store, scope, &lead, NOW).await;
    let stale = Precondition::OneOf(vec![Version(7)]);
    let change = store.change(scope, kept.id, stale.clone(), Change::Complete, by(), None).await;
    assert!(matches!(change, Err(StoreError::Refused(Refusal::VersionMismatch { present: Version(1) }))));
    assert!(store.delete(scope, kept.id, stale, by()).await.is_err());
    assert_eq!(store.get(scope, kept.id).await.unwrap().unwrap().reminder, kept);
}

async fn writers_at_once_leave_gapless_versions(store: Arc<dyn Store>) {
    let (scope, lead) = (scope(), lead(1));
    let kept = keep(&store, scope, &lead, NOW).await;
    let writers = (0..20).map(|n| {
        let store = store.clone();
        let change = Change::Snooze(NOW.after(HOUR * (n + 1)));
        tokio::spawn(async move {
            store.change(scope, kept.id, Precondition::None, change, by(), None).await.unwrap()
        })
    });
    let mut versions = HashSet::new();
    for writer in writers.collect::<Vec<_>>() {
        let Answer::Fresh(named) = writer.await.unwrap() else { panic!("replayed") };
        versions.insert(named.reminder.version.0);
    }
    assert_eq!(versions, (2..=21).collect());
    assert_eq!(told(&store).await.len(), 21);
}

async fn an_idempotency_key_is_answered_again_and_done_once(store: Arc<dyn Store>) {
    let (scope, lead) = (scope(), lead(1));
    let once = Once { id: new_uuid().to_string(), fingerprint: "same".into() };
    let first = reminder(&lead, NOW);
    store.create(scope, first.clone(), lead.clone(), by(), Some(once.clone())).await.unwrap();
    let second = reminder(&lead, NOW);
    let again = store.create(scope, second.clone(), lead.clone(), by(), Some(once.clone())).await.unwrap();
    let Answer::Replayed(bytes) = again else { panic!("carried out twice") };
    let answer = leadline_proto::reminders::Reminder::decode(bytes.as_slice()).unwrap();
    assert_eq!(answer.id, first.id.to_string());
    assert_eq!(store.get(scope, second.id).await.unwrap(), None);

    let Some(Answer::Replayed(known)) = store.answered(&once, NOW).await.unwrap() else {
        panic!("forgotten")
    };
    assert_eq!(known, bytes);
    let unknown = Once { id: new_uuid().to_string(), ..once.clone() };
    assert!(store.answered(&unknown, NOW).await.unwrap().is_none());

    let other = Once { fingerprint: "other".into(), ..once };
    assert!(matches!(store.answered(&other, NOW).await, Err(StoreError::Refused(Refusal::KeyReused))));
    let reused = store.create(scope, second, lead, by(), Some(other)).await;
    assert!(matches!(reused, Err(StoreError::Refused(Refusal::KeyReused))));
}

async fn a_deleted_leads_reminders_disappear_and_come_back_with_it(store: Arc<dyn Store>) {
    let (scope, lead) = (scope(), lead(1));
    let kept = keep(&store, scope, &lead, NOW).await;
    let deleted = KnownLead { version: 2, deleted: true, ..lead.clone() };
    let restored = KnownLead { version: 3, name: "Ada L.".into(), ..lead.clone() };
    store.learn(vec![(scope, deleted.clone())]).await.unwrap();
    assert_eq!(store.get(scope, kept.id).await.unwrap(), None);
    assert_eq!(store.list(scope, all(10)).await.unwrap().total, 0);
    assert_eq!(store.fire(NOW.after(HOUR), 10).await.unwrap(), 0);
    let late = store.create(scope, reminder(&lead, NOW), lead.clone(), by(), None).await;
    assert!(matches!(late, Err(StoreError::NoLead)));

    // News that come late or twice change nothing.
    store.learn(vec![(scope, restored), (scope, deleted), (scope, lead)]).await.unwrap();
    assert_eq!(store.get(scope, kept.id).await.unwrap().unwrap().lead_name, "Ada L.");
    assert_eq!(store.fire(NOW.after(HOUR), 10).await.unwrap(), 1);
}

/// The follow-up that was told last of a lead.
async fn follow_up(store: &Arc<dyn Store>, lead: &KnownLead) -> Option<i64> {
    let id = lead.id.to_string();
    let told = told(store).await;
    let of_lead =
        told.iter().filter(|(_, body)| body.reminder.as_ref().is_some_and(|kept| kept.lead_id == id));
    let newest = of_lead.filter_map(|(_, body)| body.follow_up).max_by_key(|told| told.revision);
    newest.and_then(|told| told.next_due_at_ms)
}

async fn reminders_go_with_a_merged_lead_and_come_back_with_it(store: Arc<dyn Store>) {
    let scope = scope();
    let [a, b, c] = ["Ada", "Bob", "Cy"].map(|name| KnownLead { name: name.into(), ..lead(1) });
    let (of_a, of_b) =
        (keep(&store, scope, &a, NOW.after(HOUR)).await, keep(&store, scope, &b, NOW.after(HOUR * 2)).await);
    store.learn(vec![(scope, c.clone())]).await.unwrap();
    let into = |lead: &KnownLead, version, into: Option<&KnownLead>| {
        let merged_into = into.map(|lead| lead.id);
        (scope, KnownLead { version, deleted: merged_into.is_some(), merged_into, ..lead.clone() })
    };
    let shown = async |id| {
        let named = store.get(scope, id).await.unwrap().unwrap();
        (named.reminder.lead, named.lead_name)
    };
    // Told in the wrong order: first that B went into C, then that A went into B.
    store.learn(vec![into(&b, 3, Some(&c)), into(&a, 2, Some(&b))]).await.unwrap();
    assert_eq!(shown(of_a.id).await, (c.id, "Cy".to_owned()));
    assert_eq!(shown(of_b.id).await, (c.id, "Cy".to_owned()));
    assert_eq!(follow_up(&store, &c).await, Some(NOW.after(HOUR).0));
    let listed = store.list(scope, Query { lead: Some(c.id), ..all(9) }).await.unwrap();
    assert_eq!(listed.total, 2);
    let done = store.change(scope, of_a.id, Precondition::None, Change::Complete, by(), None).await.unwrap();
    assert!(matches!(done, Answer::Fresh(named) if named.reminder.lead == c.id));
    assert_eq!(follow_up(&store, &c).await, Some(NOW.after(HOUR * 2).0));

    // Taken back, and old news once more.
    store.learn(vec![into(&b, 4, None), into(&b, 3, Some(&c))]).await.unwrap();
    assert_eq!(shown(of_a.id).await, (b.id, "Bob".to_owned()));
    assert_eq!(shown(of_b.id).await, (b.id, "Bob".to_owned()));
    assert_eq!(follow_up(&store, &c).await, None);
    assert_eq!(follow_up(&store, &b).await, Some(NOW.after(HOUR * 2).0));
    store.learn(vec![into(&a, 3, None)]).await.unwrap();
    assert_eq!(shown(of_a.id).await, (a.id, "Ada".to_owned()));
    // In the trash together, and erased with the lead that they went to.
    store.learn(vec![into(&a, 4, Some(&b))]).await.unwrap();
    let trashed = KnownLead { version: 5, deleted: true, ..b.clone() };
    store.learn(vec![(scope, trashed.clone())]).await.unwrap();
    assert_eq!(store.get(scope, of_a.id).await.unwrap(), None);
    store.learn(vec![(scope, KnownLead { version: 6, erased: true, ..trashed })]).await.unwrap();
    store.learn(vec![into(&a, 5, None)]).await.unwrap();
    assert_eq!(store.get(scope, of_a.id).await.unwrap(), None);
}

async fn news_of_many_leads_at_once_leave_what_they_leave_one_by_one(store: Arc<dyn Store>) {
    let scopes = [scope(), scope()];
    // What the first nine are told of has reminders already; the others are new.
    let leads: Vec<KnownLead> =
        (0..60).map(|nth| KnownLead { name: format!("Lead {nth}"), ..lead(1) }).collect();
    let mut kept = Vec::new();
    for lead in &leads[..9] {
        for scope in scopes {
            kept.push((scope, keep(&store, scope, lead, NOW.after(HOUR)).await.id));
        }
    }
    let root = leads[3].id;
    let news = |scope: Scope| {
        let told = leads.iter().enumerate().flat_map(move |(nth, lead)| {
            let named = KnownLead { version: 2, name: format!("{} Ltd", lead.name), ..lead.clone() };
            let last = match nth % 5 {
                0 => KnownLead { version: 3, deleted: true, ..named.clone() },
                1 => KnownLead { version: 3, deleted: true, erased: true, ..named.clone() },
                2 => KnownLead { version: 3, deleted: true, merged_into: Some(root), ..named.clone() },
                _ => KnownLead { version: 3, name: format!("{} again", lead.name), ..named.clone() },
            };
            [lead.clone(), last, named]
        });
        told.map(move |lead| (scope, lead))
    };
    store.learn(news(scopes[0]).collect()).await.unwrap();
    for one in news(scopes[1]) {
        store.learn(vec![one]).await.unwrap();
    }
    let mut shown = [Vec::new(), Vec::new()];
    for (scope, id) in kept {
        let named = store.get(scope, id).await.unwrap();
        shown[usize::from(scope == scopes[1])]
            .push(named.map(|named| (named.reminder.lead, named.lead_name)));
    }
    assert_eq!(shown[0], shown[1]);
    assert!(shown[0].contains(&None) && shown[0].contains(&Some((root, "Lead 3 again".to_owned()))));
    // A reminder of each that was new says what is known of it now.
    for lead in &leads[9..] {
        let mut said = Vec::new();
        for scope in scopes {
            let new = reminder(lead, NOW.after(HOUR));
            let answer = store.create(scope, new, lead.clone(), by(), None).await;
            said.push(answer.map(|answer| match answer {
                Answer::Fresh(named) => named.lead_name,
                Answer::Replayed(_) => String::new(),
            }));
        }
        let said: Vec<String> = said.into_iter().map(|said| format!("{said:?}")).collect();
        assert_eq!(said[0], said[1]);
    }
}

async fn a_reminder_that_falls_due_is_told_once_by_many_clocks(store: Arc<dyn Store>) {
    let (scope, lead) = (scope(), lead(1));
    let due = keep(&store, scope, &lead, NOW.after(HOUR)).await;
    keep(&store, scope, &lead, NOW.after(HOUR * 3)).await;
    assert_eq!(store.fire(NOW, 10).await.unwrap(), 0);
    let clocks: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.fire(NOW.after(HOUR * 2), 10).await.unwrap() })
        })
        .collect();
    let mut fired = 0;
    for clock in clocks {
        fired += clock.await.unwrap();
    }
    assert_eq!(fired, 1);
    let told = told(&store).await;
    let dues: Vec<_> = told.iter().filter(|(_, body)| body.kind() == WireKind::Due).collect();
    assert_eq!(dues.len(), 1);
    assert_eq!(dues[0].1.reminder.as_ref().unwrap().id, due.id.to_string());

    // Put off, it is told again.
    let later = Change::Snooze(NOW.after(HOUR * 4));
    store.change(scope, due.id, Precondition::None, later, by(), None).await.unwrap();
    assert_eq!(store.fire(NOW.after(HOUR * 5), 10).await.unwrap(), 2);
}

async fn a_resumed_stream_gets_what_fell_due_since(store: Arc<dyn Store>) {
    let (scope, lead) = (scope(), lead(1));
    for hours in 1..=3 {
        keep(&store, scope, &lead, NOW.after(HOUR * hours)).await;
        store.fire(NOW.after(HOUR * hours), 10).await.unwrap();
    }
    let before = uuid::Uuid::from_u128(0);
    let all = store.due_after(scope, before, 10).await.unwrap();
    assert_eq!(all.len(), 3);
    assert!(all.is_sorted_by_key(|due| due.event_id.clone()));
    let first: uuid::Uuid = all[0].event_id.parse().unwrap();
    let rest = store.due_after(scope, first, 10).await.unwrap();
    assert!(all[1..].iter().all(|due| rest.contains(due)), "none is missed");
    let second: uuid::Uuid = all[1].event_id.parse().unwrap();
    let next = store.due_after(scope, second, 1).await.unwrap();
    assert!(next.contains(&all[2]), "what is repeated takes the place of nothing new");
    assert_eq!(store.due_after(self::scope(), before, 10).await.unwrap(), []);
}

async fn pages_give_every_row_once_in_order(store: Arc<dyn Store>) {
    let (scope, lead) = (scope(), lead(1));
    let mut kept = Vec::new();
    for n in 0..25 {
        // Several are due at the same time: the id decides.
        kept.push(keep(&store, scope, &lead, NOW.after(HOUR * (n / 4))).await);
    }
    kept.sort_by_key(|reminder| (reminder.due_at, reminder.id.to_string()));
    let mut seen = Vec::new();
    let mut query = all(7);
    loop {
        let page = store.list(scope, query.clone()).await.unwrap();
        assert_eq!((page.total, page.exact), (25, true));
        seen.extend(page.items.iter().map(|named| named.reminder.clone()));
        let Some(last) = seen.last() else { break };
        query.after = Some(Position { due_at: last.due_at, id: last.id });
        if !page.more {
            break;
        }
    }
    assert_eq!(seen, kept);
}

async fn filters_are_combined(store: Arc<dyn Store>) {
    let (scope, one, two) = (scope(), lead(1), lead(1));
    let first = keep(&store, scope, &one, NOW).await;
    let second = keep(&store, scope, &one, NOW.after(HOUR)).await;
    let third = keep(&store, scope, &two, NOW.after(HOUR * 2)).await;
    store.change(scope, second.id, Precondition::None, Change::Complete, by(), None).await.unwrap();
    let ids = async |query: Query| {
        let page = store.list(scope, query).await.unwrap();
        page.items.into_iter().map(|named| named.reminder.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(Query { lead: Some(one.id), ..all(9) }).await, [first.id, second.id]);
    assert_eq!(ids(Query { pending: Some(true), ..all(9) }).await, [first.id, third.id]);
    assert_eq!(ids(Query { pending: Some(false), ..all(9) }).await, [second.id]);
    assert_eq!(ids(Query { assignee: Some(third.assignee), ..all(9) }).await, [third.id]);
    let due = Query { due_from: Some(NOW.after(HOUR)), due_to: Some(NOW.after(HOUR * 2)), ..all(9) };
    assert_eq!(ids(due.clone()).await, [second.id]);
    assert_eq!(ids(Query { pending: Some(true), ..due }).await, []);
}

async fn published_events_leave_the_outbox(store: Arc<dyn Store>) {
    let (scope, lead) = (scope(), lead(1));
    keep(&store, scope, &lead, NOW).await;
    keep(&store, scope, &lead, NOW).await;
    let outbox = store.clone().outbox();
    let pending = outbox.pending(None, 1).await.unwrap();
    let rest = outbox.pending(Some(&pending[0].row), 10).await.unwrap();
    assert_eq!((pending.len(), rest.len()), (1, 1));
    assert_eq!(outbox.backlog().await.unwrap().depth, 2);
    outbox.mark_published(&[pending[0].row.clone(), rest[0].row.clone()]).await.unwrap();
    assert_eq!(outbox.backlog().await.unwrap().depth, 0);
    assert!(outbox.pending(None, 10).await.unwrap().is_empty());
}

async fn a_sweep_forgets_old_keys_and_published_events_only(store: Arc<dyn Store>) {
    let (scope, lead) = (scope(), lead(1));
    let once = Once { id: new_uuid().to_string(), fingerprint: "f".into() };
    store.create(scope, reminder(&lead, NOW), lead.clone(), by(), Some(once.clone())).await.unwrap();
    store.sweep(NOW.after(HOUR)).await.unwrap();
    let again =
        store.create(scope, reminder(&lead, NOW), lead.clone(), by(), Some(once.clone())).await.unwrap();
    assert!(matches!(again, Answer::Replayed(_)));
    store.sweep(NOW.after(HOUR * 25)).await.unwrap();
    let again = store.create(scope, reminder(&lead, NOW), lead.clone(), by(), Some(once)).await.unwrap();
    assert!(matches!(again, Answer::Fresh(_)));
    assert_eq!(told(&store).await.len(), 2, "what is not published stays");
}

async fn a_reminder_that_was_told_is_not_told_again_when_it_is_reopened(store: Arc<dyn Store>) {
    let (scope, lead) = (scope(), lead(1));
    let kept = keep(&store, scope, &lead, NOW).await;
    assert_eq!(store.fire(NOW, 10).await.unwrap(), 1);
    let found = store.get(scope, kept.id).await.unwrap().unwrap().reminder;
    assert_eq!((found.armed, found.told), (false, Some(NOW)));
    let soon = By { at: NOW.after(Duration::from_secs(20)), ..by() };
    for change in [Change::Complete, Change::Reopen] {
        store.change(scope, kept.id, Precondition::None, change, soon.clone(), None).await.unwrap();
    }
    assert_eq!(store.fire(NOW.after(HOUR), 10).await.unwrap(), 0);
    // Done, and put off to another time, it is told of that one.
    let later = NOW.after(HOUR * 2);
    for change in [Change::Complete, Change::Snooze(later)] {
        store.change(scope, kept.id, Precondition::None, change, soon.clone(), None).await.unwrap();
    }
    assert_eq!(store.fire(later, 10).await.unwrap(), 1);
    assert_eq!(store.fire(later, 10).await.unwrap(), 0);
}

macro_rules! contract {
    ($($rule:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $rule() {
                let folder = tempfile::tempdir().unwrap();
                let url = StoreUrl::Sqlite(folder.path().join("reminders.db"));
                let store = super::open(&url, &super::Stop::new()).await.unwrap();
                super::$rule(store.clone()).await;
                store.close().await;
            })*
            use super::StoreUrl;
        }
        mod on_mongodb {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $rule() -> anyhow::Result<()> {
                let server = leadline_testbed::mongo().await?;
                let url = super::StoreUrl::parse(&server.fresh_uri())?;
                let store = super::open(&url, &super::Stop::new()).await?;
                super::$rule(store.clone()).await;
                store.close().await;
                Ok(())
            })*
        }
    };
}

contract!(
    an_erased_workspace_leaves_nothing_and_late_news_bring_nothing_back,
    a_reminder_comes_back_as_it_was_put,
    another_workspace_sees_nothing,
    every_change_is_told_with_the_next_follow_up_and_a_rising_revision,
    a_change_of_nothing_is_not_told,
    a_condition_on_another_version_changes_nothing,
    writers_at_once_leave_gapless_versions,
    an_idempotency_key_is_answered_again_and_done_once,
    a_deleted_leads_reminders_disappear_and_come_back_with_it,
    an_erased_leads_reminders_are_erased,
    reminders_go_with_a_merged_lead_and_come_back_with_it,
    news_of_many_leads_at_once_leave_what_they_leave_one_by_one,
    a_reminder_that_falls_due_is_told_once_by_many_clocks,
    a_resumed_stream_gets_what_fell_due_since,
    pages_give_every_row_once_in_order,
    filters_are_combined,
    published_events_leave_the_outbox,
    a_sweep_forgets_old_keys_and_published_events_only,
    a_key_is_forgotten_after_its_time_whether_swept_or_not,
    an_erased_leads_answers_and_events_go_with_it,
    a_reminder_that_was_told_is_not_told_again_when_it_is_reopened,
);
