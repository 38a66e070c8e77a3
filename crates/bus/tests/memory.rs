//! The bus within one process.

mod outbox;

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use anyhow::Result;
use leadline_bus::{Bus, Heard, OutboxRow, Subscription};
use leadline_runtime::stop::Stop;
use leadline_testbed::wait_until;

use outbox::{ALL_LEADS, Counter, MemoryOutbox, SOON, STOP, due_event, lead_event, lead_events, started};

const OTHER: Subscription = Subscription { name: "other", keys: &["lead.*"] };
const REMINDED: Subscription = Subscription { name: "reminded", keys: &["reminder.#"] };

#[tokio::test]
async fn every_consumer_gets_what_it_asks_for_in_batches() -> Result<()> {
    let (outbox, stop) = (MemoryOutbox::new(), Stop::new());
    let (first, second, reminded) = (Counter::new(), Counter::new(), Counter::new());
    let events = lead_events(1000);
    outbox.write(&events);
    outbox.write(&[due_event()]);
    started(&[(ALL_LEADS, &first), (OTHER, &second), (REMINDED, &reminded)], &outbox, &stop);
    first.has(&events).await?;
    second.has(&events).await?;
    outbox.drained().await?;
    assert_eq!((first.total(), second.total(), reminded.total()), (1000, 1000, 1), "each once");
    assert!(first.calls.load(Ordering::SeqCst) <= 10, "a thousand events need few batches");
    assert!(first.largest.load(Ordering::SeqCst) <= leadline_bus::BATCH);
    stop.now();
    assert!(stop.finished(STOP).await);
    Ok(())
}

#[tokio::test]
async fn a_write_is_handled_within_milliseconds() -> Result<()> {
    let (outbox, stop, counter) = (MemoryOutbox::new(), Stop::new(), Counter::new());
    started(&[(ALL_LEADS, &counter)], &outbox, &stop);
    let mut took = Vec::new();
    for _ in 0..50 {
        let event = lead_event();
        let began = Instant::now();
        outbox.write(std::slice::from_ref(&event));
        while counter.times(&event.id) == 0 {
            tokio::task::yield_now().await;
            anyhow::ensure!(began.elapsed() < SOON, "it was never handled");
        }
        took.push(began.elapsed());
    }
    took.sort();
    assert!(
        took[25] < Duration::from_millis(50),
        "not by the poll of each second, but at once: {:?}",
        took[25]
    );
    Ok(())
}

#[tokio::test]
async fn nothing_is_handed_or_marked_before_the_bus_is_started() -> Result<()> {
    let (outbox, stop, early, late) = (MemoryOutbox::new(), Stop::new(), Counter::new(), Counter::new());
    let bus = Bus::memory();
    let events = lead_events(3);
    outbox.write(&events);
    bus.relay("leads", outbox.clone(), &stop);
    bus.consume(ALL_LEADS, early.clone(), &stop);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!((outbox.depth(), early.total()), (3, 0));
    bus.consume(OTHER, late.clone(), &stop);
    bus.start();
    early.has(&events).await?;
    late.has(&events).await?;
    outbox.drained().await
}

#[tokio::test]
async fn a_failing_consumer_starves_nobody_and_is_not_passed_over() -> Result<()> {
    let (outbox, stop, failing, healthy) = (MemoryOutbox::new(), Stop::new(), Counter::new(), Counter::new());
    failing.down.store(true, Ordering::SeqCst);
    started(&[(ALL_LEADS, &failing), (OTHER, &healthy)], &outbox, &stop);
    // Far more than a page: the healthy one must get past what the other leaves pending.
    let events = lead_events(3000);
    for part in events.chunks(100) {
        outbox.write(part);
    }
    healthy.has(&events).await?;
    assert_eq!((outbox.depth(), failing.total()), (3000, 0), "nothing counts as published");
    failing.down.store(false, Ordering::SeqCst);
    failing.has(&events).await?;
    outbox.drained().await?;
    assert_eq!(healthy.total(), 3000, "what it had handled was not handed again");
    assert!(outbox.parked().is_empty(), "a failure of all is nobody's fault");
    Ok(())
}

#[tokio::test]
async fn a_slow_consumer_holds_up_nobody() -> Result<()> {
    let (outbox, stop, slow, quick) = (MemoryOutbox::new(), Stop::new(), Counter::new(), Counter::new());
    let held = slow.permits.acquire().await?;
    started(&[(ALL_LEADS, &slow), (OTHER, &quick)], &outbox, &stop);
    let events = lead_events(1000);
    outbox.write(&events);
    quick.has(&events).await?;
    assert_eq!(outbox.depth(), 1000, "marked only when all have handled it");
    drop(held);
    slow.has(&events).await?;
    outbox.drained().await
}

#[tokio::test]
async fn poison_is_parked_for_its_consumer_and_later_events_flow() -> Result<()> {
    let (outbox, stop, picky, other) = (MemoryOutbox::new(), Stop::new(), Counter::new(), Counter::new());
    let events = lead_events(100);
    picky.poison.lock().unwrap().extend([events[3].id.clone(), events[60].id.clone()]);
    started(&[(ALL_LEADS, &picky), (OTHER, &other)], &outbox, &stop);
    outbox.write(&events);
    let later = lead_events(10);
    outbox.write(&later);
    picky.has(&later).await?;
    other.has(&events).await?;
    outbox.drained().await?;
    assert_eq!((picky.distinct(), other.distinct()), (108, 110));
    let mut parked = outbox.parked();
    parked.sort();
    let parked_as = |row: i64| (OutboxRow::from(row), "counter".to_owned(), "it is poison".to_owned());
    assert_eq!(parked, [parked_as(4), parked_as(61)]);
    Ok(())
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_parked() -> Result<()> {
    let (outbox, stop, counter) = (MemoryOutbox::new(), Stop::new(), Counter::new());
    outbox.write_garbage("lead.created");
    let event = lead_event();
    outbox.write(std::slice::from_ref(&event));
    started(&[(ALL_LEADS, &counter)], &outbox, &stop);
    counter.has(&[event]).await?;
    outbox.drained().await?;
    assert_eq!(outbox.parked().len(), 1);
    Ok(())
}

#[tokio::test]
async fn what_was_pending_at_the_end_is_handed_again_after_a_restart() -> Result<()> {
    let (outbox, first, second) = (MemoryOutbox::new(), Counter::new(), Counter::new());
    let events = lead_events(500);
    {
        let stop = Stop::new();
        second.down.store(true, Ordering::SeqCst);
        started(&[(ALL_LEADS, &first), (OTHER, &second)], &outbox, &stop);
        outbox.write(&events);
        first.has(&events).await?;
        stop.now();
        assert!(stop.finished(STOP).await);
    }
    assert_eq!(outbox.depth(), 500);
    second.down.store(false, Ordering::SeqCst);
    let stop = Stop::new();
    started(&[(ALL_LEADS, &first), (OTHER, &second)], &outbox, &stop);
    second.has(&events).await?;
    outbox.drained().await
}

#[tokio::test]
async fn stopping_finishes_the_batch_under_way_and_marks_it() -> Result<()> {
    let (outbox, stop, counter) = (MemoryOutbox::new(), Stop::new(), Counter::new());
    let held = counter.permits.acquire().await?;
    started(&[(ALL_LEADS, &counter)], &outbox, &stop);
    outbox.write(&lead_events(5));
    wait_until(SOON, "a batch is under way", async || counter.calls.load(Ordering::SeqCst) > 0).await?;
    stop.now();
    drop(held);
    assert!(stop.finished(STOP).await);
    assert_eq!((counter.total(), outbox.depth()), (5, 0));
    Ok(())
}

#[tokio::test]
async fn marks_that_fail_are_made_later_without_handing_again() -> Result<()> {
    let (outbox, stop, counter) = (MemoryOutbox::new(), Stop::new(), Counter::new());
    outbox.marks_fail.store(true, Ordering::SeqCst);
    started(&[(ALL_LEADS, &counter)], &outbox, &stop);
    let events = lead_events(300);
    outbox.write(&events);
    counter.has(&events).await?;
    // Longer than the poll that reads from the start again.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(outbox.depth(), 300);
    outbox.marks_fail.store(false, Ordering::SeqCst);
    outbox.drained().await?;
    assert_eq!(counter.total(), 300);
    Ok(())
}

#[tokio::test]
async fn a_listener_hears_its_keys_and_signals_and_is_told_when_it_lags() -> Result<()> {
    let (outbox, stop) = (MemoryOutbox::new(), Stop::new());
    let bus = started(&[], &outbox, &stop);
    let mut leads = bus.listen(&["lead.#"], 100);
    let mut slow = bus.listen(&["lead.#", "reminder.due"], 3);
    let (lead, due) = (lead_event(), due_event());
    outbox.write(&[due.clone(), lead.clone()]);
    assert_eq!(leads.recv().await, Some(Heard::Event(Arc::new(lead))));
    let signal = lead_event();
    bus.signal(signal.clone());
    assert_eq!(leads.recv().await, Some(Heard::Event(Arc::new(signal.clone()))));
    let more = lead_events(5);
    outbox.write(&more);
    for event in &more {
        assert_eq!(leads.recv().await, Some(Heard::Event(Arc::new(event.clone()))));
    }
    assert_eq!(slow.recv().await, Some(Heard::Missed), "it kept three of eight");
    for event in &more[2..] {
        assert_eq!(slow.recv().await, Some(Heard::Event(Arc::new(event.clone()))));
    }
    outbox.drained().await?;
    stop.now();
    assert!(stop.finished(STOP).await);
    drop(bus);
    assert_eq!((leads.recv().await, slow.recv().await), (None, None), "the bus has ended");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_far_behind_is_waited_for_and_comes_after() -> Result<()> {
    let (outbox, fast, stuck, stop) = (MemoryOutbox::new(), Counter::new(), Counter::new(), Stop::new());
    stuck.down.store(true, Ordering::SeqCst);
    let events = lead_events(52_000);
    outbox.write(&events);
    let slow = Subscription { name: "stuck", keys: &["lead.#"] };
    let _bus = started(&[(ALL_LEADS, &fast), (slow, &stuck)], &outbox, &stop);
    wait_until(SOON, "fifty thousand are handled", async || fast.distinct() >= 50_000).await?;
    // Long enough for several times what is left.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let ahead = fast.distinct();
    assert!(ahead < 51_000, "{ahead} rows are remembered");
    stuck.down.store(false, Ordering::SeqCst);
    stuck.has(&events).await?;
    fast.has(&events).await?;
    outbox.drained().await?;
    stop.now();
    assert!(stop.finished(STOP).await);
    Ok(())
}
