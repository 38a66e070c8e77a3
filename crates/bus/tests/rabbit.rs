//! The bus on a real RabbitMQ.

mod outbox;

use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use anyhow::{Context, Result};
use leadline_bus::{
    Bus, BusHealth, BusUrl, Heard, Listener,
    topology::{ANALYTICS, REMINDERS},
};
use leadline_proto::events::Event;
use leadline_runtime::stop::Stop;
use leadline_testbed::{Proxy, Rabbit, rabbit, wait_until};
use prost::Message;

use outbox::{
    ALL_LEADS, Counter, MemoryOutbox, SOON, STOP, due_event, lead_event, lead_events, session_ended,
};

/// Names of a test's own on the shared broker.
struct Names {
    url: BusUrl,
    prefix: String,
    uri: String,
}

impl Names {
    async fn fresh() -> Result<Self> {
        let rabbit = rabbit().await?;
        Self::on(rabbit.uri(), rabbit.fresh_prefix())
    }

    fn on(uri: &str, prefix: String) -> Result<Self> {
        Ok(Self { url: BusUrl::parse(&format!("{uri}?prefix={prefix}"))?, prefix, uri: uri.to_owned() })
    }

    async fn channel(&self) -> Result<(lapin::Connection, lapin::Channel)> {
        let connection =
            lapin::Connection::connect(&self.uri, lapin::ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        Ok((connection, channel))
    }

    /// How many messages wait in a queue.
    async fn length(&self, queue: &str) -> Result<u32> {
        let (_connection, channel) = self.channel().await?;
        let options = lapin::options::QueueDeclareOptions::durable().passive();
        let queue = format!("{}.{queue}", self.prefix);
        Ok(channel
            .queue_declare(queue.into(), options, lapin::types::FieldTable::default())
            .await?
            .message_count())
    }

    /// Publishes what a relay would not.
    async fn publish(&self, queue: &str, bytes: &[u8]) -> Result<()> {
        let (connection, channel) = self.channel().await?;
        let queue = format!("{}.{queue}", self.prefix).into();
        let options = lapin::options::BasicPublishOptions::default();
        let durable = lapin::BasicProperties::default().with_delivery_mode(2);
        channel.basic_publish("".into(), queue, options, bytes, durable).await?.await?;
        connection.close(200, "done".into()).await?;
        Ok(())
    }

    async fn delete(&self, queue: &str) -> Result<()> {
        let (_connection, channel) = self.channel().await?;
        let queue = format!("{}.{queue}", self.prefix).into();
        channel.queue_delete(queue, lapin::options::QueueDeleteOptions::default()).await?;
        Ok(())
    }
}

async fn is_up(bus: &Bus) -> Result<()> {
    wait_until(SOON, "the bus is up", async || bus.health() == BusHealth::Up).await
}

/// How many threads the client keeps in this process: one a connection.
fn client_threads() -> usize {
    let names = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let names = names.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|name| name.starts_with("lapin")).count()
}

async fn next_event(listener: &mut Listener) -> Result<Arc<Event>> {
    loop {
        let heard = tokio::time::timeout(SOON, listener.recv()).await?;
        if let Heard::Event(event) = heard.context("the bus has ended")? {
            return Ok(event);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_go_through_the_broker_once_with_what_belongs_to_them() -> Result<()> {
    let (names, outbox, counter, stop) =
        (Names::fresh().await?, MemoryOutbox::new(), Counter::new(), Stop::new());
    let bus = Bus::open(&names.url, "a test", &stop);
    assert!(matches!(bus.health(), BusHealth::Down { .. }), "it has not connected yet");
    bus.consume(ALL_LEADS, counter.clone(), &stop);
    bus.relay("leads", outbox.clone(), &stop);
    bus.start();
    let events = lead_events(1000);
    for part in events.chunks(50) {
        outbox.write(part);
    }
    counter.has(&events).await?;
    outbox.drained().await?;
    assert_eq!(counter.total(), 1000);
    is_up(&bus).await?;

    // The envelope, seen by a plain client in the queue of a consumer that has not come yet.
    let (_connection, channel) = names.channel().await?;
    let queue = format!("{}.analytics", names.prefix);
    let options = lapin::options::BasicGetOptions::default();
    let message =
        channel.basic_get(queue.into(), options).await?.context("no message waits for analytics")?;
    assert_eq!(message.message_count, 999, "all wait for a consumer that has not come yet");
    let event = Event::decode(message.data.as_slice())?;
    let properties = &message.properties;
    let text = |value: &Option<lapin::types::ShortString>| value.as_ref().map(ToString::to_string);
    assert_eq!(text(properties.message_id()), Some(event.id));
    assert_eq!(text(properties.kind()), Some("lead.created".to_owned()));
    assert_eq!(text(properties.content_type()), Some("application/protobuf".to_owned()));
    assert_eq!((properties.delivery_mode(), properties.timestamp()), (&Some(2), &Some(1_790_000_000)));
    let headers = properties.headers().as_ref().context("it has no headers")?;
    assert!(headers.contains_key("traceparent") && headers.contains_key("x-request-id"));

    stop.now();
    assert!(stop.finished(STOP).await);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn listeners_hear_events_and_signals_and_events_for_them_alone_do_not_stick() -> Result<()> {
    let (names, outbox, stop) = (Names::fresh().await?, MemoryOutbox::new(), Stop::new());
    let bus = Bus::open(&names.url, "a test", &stop);
    let mut listener = bus.listen(&["account.#", "lead.#"], 100);
    assert_eq!(tokio::time::timeout(SOON, listener.recv()).await?, Some(Heard::Missed), "load what you keep");
    bus.relay("auth", outbox.clone(), &stop);
    bus.start();
    let ended = session_ended();
    outbox.write(&[due_event(), ended.clone()]);
    assert_eq!(*next_event(&mut listener).await?, ended);
    is_up(&bus).await?;
    let signal = lead_event();
    bus.signal(signal.clone());
    assert_eq!(*next_event(&mut listener).await?, signal);
    drop(listener);
    // Nobody is bound for it now: published to nobody.
    outbox.write(&[session_ended()]);
    outbox.drained().await?;
    stop.now();
    assert!(stop.finished(STOP).await);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_broker_loses_nothing_and_blocks_no_write() -> Result<()> {
    let mut broker = Rabbit::start_private().await?;
    let names = Names::on(&broker.uri(), "killed".to_owned())?;
    let (outbox, counter, stop) = (MemoryOutbox::new(), Counter::new(), Stop::new());
    let bus = Bus::open(&names.url, "a test", &stop);
    bus.consume(ALL_LEADS, counter.clone(), &stop);
    bus.relay("leads", outbox.clone(), &stop);
    let mut listener = bus.listen(&["account.#"], 100);
    bus.start();
    is_up(&bus).await?;
    assert_eq!(listener.recv().await, Some(Heard::Missed));
    let mut all = Vec::new();
    for _ in 0..3 {
        // Killed amid publishing and consuming.
        for _ in 0..40 {
            let events = lead_events(25);
            outbox.write(&events);
            all.extend(events);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        broker.kill().await?;
        let events = lead_events(50);
        outbox.write(&events);
        all.extend(events);
        wait_until(SOON, "the bus is down", async || bus.health() != BusHealth::Up).await?;
        broker.start_again().await?;
        is_up(&bus).await?;
        assert_eq!(tokio::time::timeout(SOON, listener.recv()).await?, Some(Heard::Missed), "it was away");
    }
    outbox.drained().await?;
    counter.has(&all).await?;
    assert_eq!(counter.distinct(), all.len(), "nothing was lost, nothing invented");
    assert_eq!(names.length("counter.dead").await?, 0);
    stop.now();
    assert!(stop.finished(STOP).await);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_hangs_is_left_and_found_again() -> Result<()> {
    let broker = Rabbit::start_private().await?;
    let proxy = Proxy::start(broker.addr()).await?;
    let names = Names::on(&broker.uri_at(proxy.addr()), "hangs".to_owned())?;
    let (outbox, counter, stop) = (MemoryOutbox::new(), Counter::new(), Stop::new());
    let bus = Bus::open(&names.url, "a test", &stop);
    bus.consume(ALL_LEADS, counter.clone(), &stop);
    bus.relay("leads", outbox.clone(), &stop);
    bus.start();
    is_up(&bus).await?;
    let before = client_threads();
    proxy.stall();
    let events = lead_events(300);
    outbox.write(&events);
    wait_until(SOON, "the bus is down", async || bus.health() != BusHealth::Up).await?;
    // Several tries to connect hang, too; none of them leaves a thread behind.
    tokio::time::sleep(Duration::from_secs(20)).await;
    wait_until(STOP, "there are no more threads than before", async || client_threads() <= before).await?;
    proxy.pass();
    counter.has(&events).await?;
    outbox.drained().await?;
    proxy.reset();
    let events = lead_events(300);
    outbox.write(&events);
    counter.has(&events).await?;
    outbox.drained().await?;
    stop.now();
    assert!(stop.finished(STOP).await);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_comes_later_is_waited_for() -> Result<()> {
    let broker = Rabbit::start_private().await?;
    let mut proxy = Proxy::start(broker.addr()).await?;
    proxy.refuse().await;
    let names = Names::on(&broker.uri_at(proxy.addr()), "later".to_owned())?;
    let (outbox, counter, stop) = (MemoryOutbox::new(), Counter::new(), Stop::new());
    let bus = Bus::open(&names.url, "a test", &stop);
    bus.consume(ALL_LEADS, counter.clone(), &stop);
    bus.relay("leads", outbox.clone(), &stop);
    bus.start();
    let events = lead_events(10);
    outbox.write(&events);
    wait_until(
        SOON,
        "it says why",
        async || matches!(bus.health(), BusHealth::Down { why, .. } if why != "not connected yet"),
    )
    .await?;
    proxy.accept_again().await?;
    counter.has(&events).await?;
    outbox.drained().await?;
    stop.now();
    assert!(stop.finished(STOP).await);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn events_for_a_queue_that_is_gone_stay_pending_and_the_queue_is_put_back() -> Result<()> {
    let (names, outbox, stop) = (Names::fresh().await?, MemoryOutbox::new(), Stop::new());
    let bus = Bus::open(&names.url, "a test", &stop);
    bus.relay("reminders", outbox.clone(), &stop);
    bus.start();
    outbox.write(&[due_event()]);
    outbox.drained().await?;
    assert_eq!(names.length("leads").await?, 1);

    names.delete("leads").await?;
    // A batch in which some are returned: just those stay.
    let mut events = Vec::new();
    for _ in 0..50 {
        events.extend([due_event(), lead_event(), session_ended()]);
    }
    outbox.write(&events);
    outbox.drained().await?;
    assert_eq!(names.length("leads").await?, 50, "none was lost or doubled");
    assert_eq!(names.length("analytics").await?, 50, "what was taken is not published again");
    stop.now();
    assert!(stop.finished(STOP).await);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_queue_of_one_consumer_costs_neither_it_nor_another_an_event_that_comes_later() -> Result<()>
{
    let (names, outbox, stop) = (Names::fresh().await?, MemoryOutbox::new(), Stop::new());
    let (here, away) = (Counter::new(), Counter::new());
    let bus = Bus::open(&names.url, "a test", &stop);
    bus.consume(REMINDERS, here.clone(), &stop);
    bus.relay("leads", outbox.clone(), &stop);
    bus.start();
    let mut all = lead_events(20);
    outbox.write(&all);
    outbox.drained().await?;
    assert_eq!(names.length("analytics").await?, 20, "one consumer is away");

    // Nobody but the relay can see that its queue is gone, and the other's takes every event.
    names.delete("analytics").await?;
    let events = lead_events(30);
    outbox.write(&events);
    outbox.drained().await?;
    assert_eq!(names.length("analytics").await?, 30, "what comes after the deletion is there");
    all.extend(events);

    // Both are there, and queues go in the midst of publishing.
    bus.consume(ANALYTICS, away.clone(), &stop);
    for queue in ["analytics", "reminders", "analytics"] {
        for round in 0..40 {
            let events = lead_events(10);
            outbox.write(&events);
            all.extend(events);
            if round == 20 {
                // What is in a queue goes with it.
                outbox.drained().await?;
                here.has(&all).await?;
                away.has(&all[20..]).await?;
                names.delete(queue).await?;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    outbox.drained().await?;
    here.has(&all).await?;
    away.has(&all[20..]).await?;
    assert_eq!((here.distinct(), away.distinct()), (all.len(), all.len() - 20), "and nothing was invented");
    stop.now();
    assert!(stop.finished(STOP).await);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_binding_is_needed_that_somebody_could_delete() -> Result<()> {
    let (names, outbox, stop) = (Names::fresh().await?, MemoryOutbox::new(), Stop::new());
    let (one, other) = (Counter::new(), Counter::new());
    let bus = Bus::open(&names.url, "a test", &stop);
    bus.consume(ANALYTICS, one.clone(), &stop);
    bus.consume(REMINDERS, other.clone(), &stop);
    bus.relay("leads", outbox.clone(), &stop);
    bus.start();
    let mut all = lead_events(10);
    outbox.write(&all);
    one.has(&all).await?;

    let (_connection, channel) = names.channel().await?;
    for exchange in ["live", "events"] {
        let exchange = format!("{}.{exchange}", names.prefix);
        let (kind, options) = (lapin::ExchangeKind::Topic, lapin::options::ExchangeDeclareOptions::default());
        let options = lapin::options::ExchangeDeclareOptions { durable: true, ..options };
        channel.exchange_declare(exchange.as_str().into(), kind, options, Default::default()).await?;
        for queue in ["analytics", "reminders"] {
            let queue = format!("{}.{queue}", names.prefix).into();
            let (exchange, none) = (exchange.as_str().into(), lapin::types::FieldTable::default());
            channel.queue_unbind(queue, exchange, "lead.#".into(), none).await?;
        }
    }
    let events = lead_events(200);
    outbox.write(&events);
    all.extend(events);
    outbox.drained().await?;
    one.has(&all).await?;
    other.has(&all).await?;
    assert_eq!((one.total(), other.total()), (210, 210), "each came once");
    stop.now();
    assert!(stop.finished(STOP).await);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_queue_is_put_back_by_its_consumer() -> Result<()> {
    let (names, outbox, counter, stop) =
        (Names::fresh().await?, MemoryOutbox::new(), Counter::new(), Stop::new());
    let bus = Bus::open(&names.url, "a test", &stop);
    bus.consume(ALL_LEADS, counter.clone(), &stop);
    bus.relay("leads", outbox.clone(), &stop);
    bus.start();
    is_up(&bus).await?;
    let (_connection, channel) = names.channel().await?;
    let queue = format!("{}.counter", names.prefix);
    channel.queue_delete(queue.into(), lapin::options::QueueDeleteOptions::default()).await?;
    wait_until(SOON, "the queue is there again", async || names.length("counter").await.is_ok()).await?;
    is_up(&bus).await?;
    let events = lead_events(10);
    outbox.write(&events);
    counter.has(&events).await?;
    stop.now();
    assert!(stop.finished(STOP).await);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_goes_to_the_dead_letters_and_later_events_flow() -> Result<()> {
    let (names, outbox, counter, stop) =
        (Names::fresh().await?, MemoryOutbox::new(), Counter::new(), Stop::new());
    let events = lead_events(100);
    counter.poison.lock().unwrap().extend([events[3].id.clone(), events[60].id.clone()]);
    let bus = Bus::open(&names.url, "a test", &stop);
    bus.consume(ALL_LEADS, counter.clone(), &stop);
    bus.relay("leads", outbox.clone(), &stop);
    bus.start();
    is_up(&bus).await?;
    outbox.write(&events);
    names.publish("counter", &[0xff; 8]).await?;
    let later = lead_events(10);
    outbox.write(&later);
    counter.has(&later).await?;
    wait_until(SOON, "all is handled", async || counter.distinct() == 108).await?;
    wait_until(SOON, "three are parked", async || {
        names.length("counter.dead").await.is_ok_and(|length| length == 3)
    })
    .await?;

    let (_connection, channel) = names.channel().await?;
    let mut dead = HashSet::new();
    for _ in 0..3 {
        let queue = format!("{}.counter.dead", names.prefix).into();
        let message = channel
            .basic_get(queue, lapin::options::BasicGetOptions::default())
            .await?
            .context("no third")?;
        dead.insert(Event::decode(message.data.as_slice()).map_or("garbage".to_owned(), |event| event.id));
    }
    assert_eq!(dead, HashSet::from([events[3].id.clone(), events[60].id.clone(), "garbage".to_owned()]));
    stop.now();
    assert!(stop.finished(STOP).await);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_deaths_of_a_consumer_with_messages_in_flight_dead_letter_none() -> Result<()> {
    let broker = Rabbit::start_private().await?;
    let mut proxy = Proxy::start(broker.addr()).await?;
    let direct = Names::on(&broker.uri(), "deaths".to_owned())?;
    let through = Names::on(&broker.uri_at(proxy.addr()), "deaths".to_owned())?;
    let (outbox, stop) = (MemoryOutbox::new(), Stop::new());
    let publishing = Bus::open(&direct.url, "publisher", &stop);
    publishing.relay("leads", outbox.clone(), &stop);
    let counter = Counter::new();
    publishing.start();
    let events = lead_events(200);
    outbox.write(&events);
    outbox.drained().await?;

    let held = counter.permits.acquire().await?;
    for _ in 0..30 {
        let stop = Stop::new();
        let bus = Bus::open(&through.url, "dies", &stop);
        let calls = counter.calls.load(Ordering::SeqCst);
        bus.consume(ANALYTICS, counter.clone(), &stop);
        wait_until(SOON, "a batch is in flight", async || counter.calls.load(Ordering::SeqCst) > calls)
            .await?;
        // What it was handed is never answered for.
        proxy.refuse().await;
        proxy.accept_again().await?;
        stop.now();
    }
    drop(held);
    let bus = Bus::open(&direct.url, "lives", &stop);
    bus.consume(ANALYTICS, counter.clone(), &stop);
    counter.has(&events).await?;
    wait_until(SOON, "the queue is empty", async || {
        direct.length("analytics").await.is_ok_and(|length| length == 0)
    })
    .await?;
    assert_eq!(direct.length("analytics.dead").await?, 0, "no healthy message was given up");
    stop.now();
    assert!(stop.finished(STOP).await);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_finishes_and_acknowledges_the_batch_under_way() -> Result<()> {
    let (names, outbox, counter, stop) =
        (Names::fresh().await?, MemoryOutbox::new(), Counter::new(), Stop::new());
    let bus = Bus::open(&names.url, "a test", &stop);
    bus.consume(ALL_LEADS, counter.clone(), &stop);
    bus.relay("leads", outbox.clone(), &stop);
    bus.start();
    is_up(&bus).await?;
    let held = counter.permits.acquire().await?;
    outbox.write(&lead_events(5));
    wait_until(SOON, "a batch is under way", async || counter.calls.load(Ordering::SeqCst) > 0).await?;
    outbox.drained().await?;
    stop.now();
    drop(held);
    assert!(stop.finished(STOP).await);
    let left = usize::try_from(names.length("counter").await?)?;
    assert_eq!(counter.total() + left, 5, "what was handled is acknowledged, the rest is in the queue");
    assert!(counter.total() > 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_relay_of_the_same_outbox_loses_nothing() -> Result<()> {
    let (names, outbox, counter, stop) =
        (Names::fresh().await?, MemoryOutbox::new(), Counter::new(), Stop::new());
    for process in ["first", "second"] {
        let bus = Bus::open(&names.url, process, &stop);
        bus.consume(ALL_LEADS, counter.clone(), &stop);
        bus.relay("leads", outbox.clone(), &stop);
        bus.start();
    }
    let events = lead_events(500);
    for part in events.chunks(10) {
        outbox.write(part);
        tokio::task::yield_now().await;
    }
    counter.has(&events).await?;
    outbox.drained().await?;
    assert_eq!(counter.distinct(), 500);
    stop.now();
    assert!(stop.finished(STOP).await);
    Ok(())
}
