//! Consuming a durable queue.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use lapin::{
    Acker,
    message::Delivery,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicQosOptions, BasicRejectOptions, QueueDeclareOptions,
    },
    types::FieldTable,
};
use leadline_proto::events::Event;
use leadline_runtime::stop::Stop;
use prost::Message;
use tokio::time::Instant;

use crate::{
    LARGEST_BATCH,
    backoff::Backoff,
    handing::{Hands, Verdict},
    rabbit::{
        declare,
        link::{Link, LinkError, Session, within},
    },
    topology::Subscription,
};

/// So many messages are out at once: while a batch is handled, the next one comes.
const PREFETCH: u16 = 2_000;
/// For so long a batch waits for more.
const LINGER: Duration = Duration::from_millis(2);
/// A batch of so many is one of many that come, as of an import,
const FLOOD: usize = 100;
/// and the next waits so long to be filled: a batch costs much by itself, and nobody sees so many events one by one.
const FLOOD_LINGER: Duration = Duration::from_millis(400);
/// After so long without a message a consumer asks whether any waits for it.
const LOOK: Duration = Duration::from_secs(5);
/// A connection that lasted so long was a good one.
const LASTED: Duration = Duration::from_secs(5);

/// Consumes until `stop`, after the batch under way.
pub(super) async fn run(link: Link, subscription: Subscription, mut hands: Hands, stop: Stop) {
    let mut backoff = Backoff::new();
    loop {
        let began = Instant::now();
        match session(&link, &subscription, &mut hands, &stop).await {
            Ok(()) => return,
            Err(error) => link.down(&error),
        }
        if began.elapsed() > LASTED {
            backoff.reset();
        }
        if !stop.sleep(backoff.next()).await {
            return;
        }
    }
}

/// How long nothing has come. Told to look twice that messages wait, while none was handed out between, a consumer
/// takes its connection for broken: a broker was seen to tie consumers to a queue in a way that hands them nothing.
struct Quiet {
    look_at: Instant,
    waited: bool,
}

impl Quiet {
    fn new() -> Self {
        Self { look_at: Instant::now() + LOOK, waited: false }
    }

    fn looked(&mut self, waiting: bool) -> Result<(), LinkError> {
        if waiting && self.waited {
            return Err(LinkError("messages wait and none is handed out".to_owned()));
        }
        *self = Self { waited: waiting, ..Self::new() };
        Ok(())
    }
}

/// How many messages wait in the queue. An error if it is gone.
async fn waiting(link: &Link, session: &Session, subscription: &Subscription) -> Result<u32, LinkError> {
    let queue = declare::queue(&link.broker().url.prefix, subscription).into();
    let asking =
        session.channel.queue_declare(queue, QueueDeclareOptions::durable().passive(), FieldTable::default());
    Ok(within("looking at a queue", asking).await?.message_count())
}

/// A message that is not yet settled.
struct Held {
    tag: u64,
    acker: Acker,
    event: Arc<Event>,
}

async fn session(
    link: &Link,
    subscription: &Subscription,
    hands: &mut Hands,
    stop: &Stop,
) -> Result<(), LinkError> {
    let (session, mut deliveries) = tokio::select! {
        () = stop.stopping() => return Ok(()),
        connected = connect(link, subscription) => connected?,
    };
    link.up();
    let mut held: Vec<Held> = Vec::new();
    let mut held_until: Option<Instant> = None;
    let mut quiet = Quiet::new();
    let mut linger = LINGER;
    loop {
        let due = async {
            match held_until {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        let first = tokio::select! {
            biased;
            () = stop.stopping() => break,
            () = due => None,
            delivery = deliveries.next() => Some(arrived(delivery)?),
            () = tokio::time::sleep_until(quiet.look_at) => {
                let waiting = waiting(link, &session, subscription).await?;
                quiet.looked(waiting > 0 && held.is_empty())?;
                continue;
            }
        };
        quiet = Quiet::new();
        let mut batch: Vec<Held> = Vec::new();
        if first.is_none() {
            batch.append(&mut held);
            held_until = None;
        }
        let mut next = first;
        let deadline = Instant::now() + linger;
        loop {
            if let Some(delivery) = next.take() {
                batch.extend(readable(subscription, delivery).await?);
            }
            if batch.len() >= LARGEST_BATCH {
                break;
            }
            match tokio::time::timeout_at(deadline, deliveries.next()).await {
                Ok(delivery) => next = Some(arrived(delivery)?),
                Err(_elapsed) => break,
            }
        }
        linger = if batch.len() >= FLOOD { FLOOD_LINGER } else { LINGER };
        if batch.is_empty() {
            continue;
        }
        let events: Vec<Arc<Event>> = batch.iter().map(|held| held.event.clone()).collect();
        let round = hands.hand(&events).await;
        let again_before = held.len();
        let mut done = Vec::new();
        for (item, verdict) in batch.into_iter().zip(round.verdicts) {
            match verdict {
                Verdict::Done => done.push((item.tag, item.acker)),
                Verdict::Again => held.push(item),
                Verdict::Park(_) => reject(&item.acker).await?,
            }
        }
        acknowledge(&done, held.is_empty()).await?;
        if held.len() > again_before {
            held_until = Some(Instant::now() + round.pause);
        }
        if round.stuck {
            tokio::select! {
                () = stop.stopping() => break,
                () = tokio::time::sleep(round.pause) => session.check()?,
            }
        }
    }
    // What was handed out and not settled goes back into the queue.
    session.close().await;
    Ok(())
}

async fn connect(link: &Link, subscription: &Subscription) -> Result<(Session, lapin::Consumer), LinkError> {
    let session = link.connect().await?;
    let (channel, prefix) = (&session.channel, &link.broker().url.prefix);
    within("declaring a queue", declare::durable(channel, prefix, subscription)).await?;
    within("limiting what is out", channel.basic_qos(PREFETCH, BasicQosOptions::default())).await?;
    let queue = declare::queue(prefix, subscription).into();
    let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
    let deliveries = within("consuming", channel.basic_consume(queue, "".into(), options, none)).await?;
    Ok((session, deliveries))
}

/// A delivery, or why there will be no more.
pub(super) fn arrived(delivery: Option<lapin::Result<Delivery>>) -> Result<Delivery, LinkError> {
    match delivery {
        Some(delivery) => Ok(delivery?),
        None => Err(LinkError("the queue is gone".to_owned())),
    }
}

/// The event in a message. A message that holds none goes to the dead letters.
async fn readable(subscription: &Subscription, delivery: Delivery) -> Result<Option<Held>, LinkError> {
    match Event::decode(delivery.data.as_slice()) {
        Ok(event) => {
            Ok(Some(Held { tag: delivery.delivery_tag, acker: delivery.acker, event: Arc::new(event) }))
        }
        Err(error) => {
            let consumer = subscription.name;
            tracing::error!(consumer, %error, "a message cannot be read and is parked");
            metrics::counter!("leadline_events_parked_total", "consumer" => consumer).increment(1);
            reject(&delivery.acker).await?;
            Ok(None)
        }
    }
}

/// Acknowledges messages; in one go if nothing before the last of them is unsettled.
async fn acknowledge(done: &[(u64, Acker)], nothing_held: bool) -> Result<(), LinkError> {
    if nothing_held {
        let Some((_, last)) = done.iter().max_by_key(|(tag, _)| *tag) else { return Ok(()) };
        return settled(within("acknowledging", last.ack(BasicAckOptions { multiple: true })).await?);
    }
    for (_, acker) in done {
        settled(within("acknowledging", acker.ack(BasicAckOptions::default())).await?)?;
    }
    Ok(())
}

async fn reject(acker: &Acker) -> Result<(), LinkError> {
    settled(within("rejecting", acker.reject(BasicRejectOptions { requeue: false })).await?)
}

fn settled(sent: bool) -> Result<(), LinkError> {
    if sent { Ok(()) } else { Err(LinkError("the connection was lost".to_owned())) }
}
