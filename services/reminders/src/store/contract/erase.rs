//! What goes: with its time, with its lead, with its workspace.

use super::*;

/// A key of somebody in a workspace.
fn key(scope: Scope) -> Once {
    Once {
        id: format!("{}x", Once::of_person(scope.workspace(), UserId::new()).start),
        fingerprint: "f".into(),
    }
}

async fn publish(store: &Arc<dyn Store>) {
    let pending = store.clone().outbox().pending(None, 10_000).await.unwrap();
    let rows: Vec<_> = pending.into_iter().map(|pending| pending.row).collect();
    store.clone().outbox().mark_published(&rows).await.unwrap();
}

pub(super) async fn a_key_is_forgotten_after_its_time_whether_swept_or_not(store: Arc<dyn Store>) {
    let (scope, lead) = (scope(), lead(1));
    let once = Once { id: new_uuid().to_string(), fingerprint: "f".into() };
    store.create(scope, reminder(&lead, NOW), lead.clone(), by(), Some(once.clone())).await.unwrap();
    let last = NOW.after(HOUR * 24 - Duration::from_millis(1));
    assert!(store.answered(&once, last).await.unwrap().is_some());
    assert!(store.answered(&once, NOW.after(HOUR * 24)).await.unwrap().is_none());
    let late = By { at: NOW.after(HOUR * 24), ..by() };
    let other = Once { fingerprint: "g".into(), ..once.clone() };
    let new =
        store.create(scope, reminder(&lead, NOW), lead.clone(), late.clone(), Some(other.clone())).await;
    let Ok(Answer::Fresh(new)) = new else { panic!("{new:?}") };
    let complete =
        store.change(scope, new.reminder.id, Precondition::None, Change::Complete, late, Some(other));
    assert!(matches!(complete.await, Ok(Answer::Replayed(_))));
}

pub(super) async fn an_erased_leads_reminders_are_erased(store: Arc<dyn Store>) {
    let (scope, lead) = (scope(), lead(1));
    let kept = keep(&store, scope, &lead, NOW).await;
    let erased = KnownLead { version: 2, deleted: true, erased: true, ..lead.clone() };
    store.learn(vec![(scope, erased)]).await.unwrap();
    store.learn(vec![(scope, KnownLead { version: 3, ..lead })]).await.unwrap();
    assert_eq!(store.get(scope, kept.id).await.unwrap(), None);
}

pub(super) async fn an_erased_leads_answers_and_events_go_with_it(store: Arc<dyn Store>) {
    let (scope, gone, stays) = (scope(), lead(1), lead(1));
    let keyed = |nth: usize| Once { id: format!("{}{nth}", key(scope).id), fingerprint: "f".into() };
    let (made, done, other) = (keyed(1), keyed(2), keyed(3));
    let kept = reminder(&gone, NOW);
    store.create(scope, kept.clone(), gone.clone(), by(), Some(made.clone())).await.unwrap();
    // While it is part of another lead, that one shows its reminder.
    let news = |version, merged_into: Option<LeadId>, erased| {
        let deleted = merged_into.is_some() || erased;
        vec![(scope, KnownLead { version, merged_into, deleted, erased, ..gone.clone() })]
    };
    store.create(scope, reminder(&stays, NOW), stays.clone(), by(), Some(other.clone())).await.unwrap();
    store.learn(news(2, Some(stays.id), false)).await.unwrap();
    let change = store.change(scope, kept.id, Precondition::None, Change::Complete, by(), Some(done.clone()));
    change.await.unwrap();
    store.learn(news(3, None, false)).await.unwrap();
    publish(&store).await;
    // One event of it waits, others are published.
    keep(&store, scope, &KnownLead { version: 3, ..gone.clone() }, NOW).await;
    store.learn(news(4, None, true)).await.unwrap();
    for once in [&made, &done] {
        let answered = store.answered(once, NOW).await;
        assert!(matches!(answered, Err(StoreError::Refused(Refusal::Gone(_)))), "{answered:?}");
        let again =
            store.create(scope, reminder(&stays, NOW), stays.clone(), by(), Some((*once).clone())).await;
        assert!(matches!(again, Err(StoreError::Refused(Refusal::Gone(_)))), "{again:?}");
    }
    assert!(store.answered(&other, NOW).await.unwrap().is_some());
    let waits = told(&store).await;
    assert_eq!(waits.len(), 1, "what is not published stays until it is");
    publish(&store).await;
    assert!(told(&store).await.is_empty());
}

pub(super) async fn an_erased_workspace_leaves_nothing_and_late_news_bring_nothing_back(
    store: Arc<dyn Store>,
) {
    let (gone, stays, stop) = (scope(), scope(), Stop::new());
    let known = lead(1);
    let (gone_key, stays_key) = (key(gone), key(stays));
    for (scope, once) in [(gone, &gone_key), (stays, &stays_key)] {
        for hours in 1..4 {
            keep(&store, scope, &known, NOW.after(HOUR * hours)).await;
        }
        let reminder = reminder(&known, NOW);
        store.create(scope, reminder, known.clone(), by(), Some(once.clone())).await.unwrap();
    }
    let before = store.list(stays, all(10)).await.unwrap();
    let now = Millis::now();
    store.mark_erased(gone, now).await.unwrap();
    store.mark_erased(gone, Millis(now.0 + 5)).await.unwrap();
    assert_eq!(store.to_erase().await.unwrap(), [(gone, now)]);
    let left = loop {
        match store.erase_some(gone, 2).await.unwrap() {
            Erasing::More => {}
            left => break left,
        }
    };
    // What waits to be published stays until it is.
    assert_eq!(left, Erasing::Waiting);
    publish(&store).await;
    crate::erasure::once(&store, now, &stop).await.unwrap();
    assert_eq!(store.erase_some(gone, 2).await.unwrap(), Erasing::Gone);
    assert_eq!(store.list(gone, all(10)).await.unwrap().items, []);
    assert!(store.answered(&gone_key, NOW).await.unwrap().is_none());
    assert_eq!(store.list(stays, all(10)).await.unwrap(), before);
    assert!(store.answered(&stays_key, NOW).await.unwrap().is_some());

    // Late news: of the lead, of one that is erased, of one that went into another.
    let newer = KnownLead { version: 9, ..known.clone() };
    let erased = KnownLead { erased: true, ..lead(3) };
    let merged = KnownLead { merged_into: Some(LeadId::new()), ..lead(3) };
    let news = [&newer, &erased, &merged].map(|lead| (gone, lead.clone())).to_vec();
    store.learn(news).await.unwrap();
    assert_eq!(store.erase_some(gone, 2).await.unwrap(), Erasing::Gone);
    // Others are heard in the same batch.
    store
        .learn(vec![(gone, newer.clone()), (stays, KnownLead { name: "Eve".into(), ..newer })])
        .await
        .unwrap();
    assert_eq!(store.list(stays, all(10)).await.unwrap().items[0].lead_name, "Eve");
    assert_eq!(store.erase_some(gone, 2).await.unwrap(), Erasing::Gone);

    // Rows are looked for as long as tokens live, and then no more; the event may come again.
    crate::erasure::once(&store, now, &stop).await.unwrap();
    assert_eq!(store.to_erase().await.unwrap().len(), 1);
    crate::erasure::once(&store, now.after(leadline_runtime::revoked::KEPT), &stop).await.unwrap();
    store.mark_erased(gone, now).await.unwrap();
    assert_eq!(store.to_erase().await.unwrap(), []);
}
