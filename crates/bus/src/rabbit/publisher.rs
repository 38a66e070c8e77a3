//! Publishing: outboxes with confirms, signals without.
//!
//! An event of an outbox goes straight to the queue of each durable consumer that asks for its key, and to the
//! listeners' exchange. It counts as published when each of these copies is confirmed and none was returned: so a queue
//! that is gone is found by the first event for it, put back, and given the event again. The other consumers get it
//! twice then, which they must bear anyway.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use lapin::{
    BasicProperties, PublisherConfirm,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::{AMQPValue, FieldTable, LongString, ShortString},
};
use leadline_failpoints::{Moment, reached};
use leadline_proto::events::{Event, event::Body};
use leadline_runtime::{stop::Stop, trace};
use prost::Message;
use tokio::{sync::mpsc, time::Instant};

use crate::{
    LARGEST_BATCH,
    backoff::Backoff,
    outbox::{Outbox, OutboxRow, PendingEvent},
    rabbit::{
        declare,
        link::{LIMIT, Link, LinkError, Session, within},
    },
    relay::{Gate, Reader},
    routing::{any_matches, routing_key},
    topology::Subscription,
};

/// How often an idle connection is looked after.
const LOOK: Duration = Duration::from_secs(1);
/// How far apart listeners hear of two leads of one import: more often than a gateway tells of it, so that it has always one.
const APART: Duration = Duration::from_millis(250);
/// A connection that lasted so long was a good one.
const LASTED: Duration = Duration::from_secs(5);

/// Drains one outbox.
pub(super) struct Relay {
    pub(super) name: &'static str,
    pub(super) link: Link,
    pub(super) outbox: Arc<dyn Outbox>,
    pub(super) subscriptions: Arc<Mutex<Vec<Subscription>>>,
    pub(super) gate: Arc<Gate>,
    pub(super) stop: Stop,
}

/// What became of a page.
#[derive(Default)]
struct Published {
    confirmed: Vec<OutboxRow>,
    /// A queue that they are for is not there.
    returned: usize,
    /// The broker would not have them.
    refused: usize,
    /// Why the connection must go.
    failure: Option<LinkError>,
}

impl Relay {
    pub(super) async fn run(self) {
        if !self.gate.passed(self.name, &self.stop).await {
            return;
        }
        let mut reader = Reader::new(self.name, self.outbox.clone(), LARGEST_BATCH);
        let mut backoff = Backoff::new();
        loop {
            let began = Instant::now();
            match self.session(&mut reader).await {
                Ok(()) => return,
                Err(error) => self.link.down(&error),
            }
            if began.elapsed() > LASTED {
                backoff.reset();
            }
            if !self.stop.sleep(backoff.next()).await {
                return;
            }
        }
    }

    /// Connects and publishes until `stop`.
    async fn session(&self, reader: &mut Reader) -> Result<(), LinkError> {
        let session = tokio::select! {
            () = self.stop.stopping() => return Ok(()),
            session = self.connect() => session?,
        };
        self.link.up();
        reader.restart();
        let mut told = Told::default();
        // Since when events come back because a queue is gone.
        let mut gone: Option<Instant> = None;
        let mut troubled = false;
        while !self.stop.is_stopping() {
            session.check()?;
            let page = reader.page().await;
            if page.is_empty() {
                tokio::select! {
                    () = self.stop.stopping() => break,
                    () = reader.more(Some(Instant::now() + LOOK)) => continue,
                }
            }
            let published = self.publish(&session, page, &mut told).await;
            self.mark(&published.confirmed).await;
            if let Some(failure) = published.failure {
                return Err(failure);
            }
            let trouble = published.returned + published.refused > 0;
            if trouble && !troubled {
                let (returned, refused) = (published.returned, published.refused);
                tracing::warn!(
                    outbox = self.name,
                    returned,
                    refused,
                    "the broker did not take events; trying again"
                );
            } else if troubled && !trouble && !published.confirmed.is_empty() {
                tracing::info!(outbox = self.name, "the broker takes events again");
            }
            troubled = trouble || (troubled && published.confirmed.is_empty());
            if published.returned > 0 && gone.get_or_insert_with(Instant::now).elapsed() > LOOK {
                // A queue was deleted: put it back. Not at once: a consumer that the broker has not yet told that its
                // queue is gone would be tied to the new one, and be handed nothing for ever.
                self.declare(&session).await?;
                gone = None;
                reader.restart();
            } else if !trouble && !published.confirmed.is_empty() {
                gone = None;
            }
        }
        session.close().await;
        Ok(())
    }

    async fn connect(&self) -> Result<Session, LinkError> {
        let session = self.link.connect().await?;
        within("turning confirms on", session.channel.confirm_select(ConfirmSelectOptions::default()))
            .await?;
        self.declare(&session).await?;
        Ok(session)
    }

    /// The exchange, and the queues of all durable consumers: what is published before one's first start waits there.
    async fn declare(&self, session: &Session) -> Result<(), LinkError> {
        let prefix = &self.link.broker().url.prefix;
        within("declaring the exchange", declare::exchange(&session.channel, prefix)).await?;
        for subscription in self.subscriptions() {
            within("declaring a queue", declare::durable(&session.channel, prefix, &subscription)).await?;
        }
        Ok(())
    }

    /// Publishes a page, then awaits what the broker says to each copy.
    async fn publish(&self, session: &Session, page: Vec<PendingEvent>, told: &mut Told) -> Published {
        let mut result = Published::default();
        let mut spans = Vec::new();
        let prefix = &self.link.broker().url.prefix;
        let listeners: ShortString = declare::live(prefix).into();
        let subscriptions = self.subscriptions();
        let queues: Vec<(&Subscription, ShortString)> = subscriptions
            .iter()
            .map(|subscription| (subscription, declare::queue(prefix, subscription).into()))
            .collect();
        let mut waiting: Vec<(Answer, Vec<PublisherConfirm>)> = Vec::with_capacity(page.len());
        for pending in page {
            if result.failure.is_some() {
                break;
            }
            let (id, key, properties, heard) = match envelope(&pending) {
                Ok((event, key, properties)) => {
                    // Until the broker has said what became of it.
                    spans.extend(trace::producer_span(self.name, &event.traceparent));
                    let heard = told.passes(&event, Instant::now());
                    (event.id, key, properties, heard)
                }
                Err(reason) => {
                    if self.park(&pending.row, &reason).await {
                        result.confirmed.push(pending.row);
                    }
                    continue;
                }
            };
            let asking =
                queues.iter().filter(|(subscription, _)| any_matches(subscription.keys, &pending.key));
            // Listeners may be none; a queue must be there. Its name is its key in the exchange that every broker has.
            let to_listeners = heard.then(|| (listeners.clone(), key, false));
            let copies =
                asking.map(|(_, queue)| (ShortString::default(), queue.clone(), true)).chain(to_listeners);
            let mut confirms = Vec::with_capacity(queues.len() + 1);
            for (exchange, key, mandatory) in copies {
                let options = BasicPublishOptions { mandatory, ..BasicPublishOptions::default() };
                let (bytes, properties) = (&pending.bytes, properties.clone());
                let publishing = session.channel.basic_publish(exchange, key, options, bytes, properties);
                match within("publishing", publishing).await {
                    Ok(confirm) => confirms.push(confirm),
                    Err(error) => {
                        result.failure = Some(error);
                        break;
                    }
                }
            }
            // Also if a copy could not go out: what comes with the answers to the others may be another event's.
            let taken = result.failure.is_none();
            waiting.push((Answer { row: pending.row, id, taken, returned: Vec::new() }, confirms));
        }
        let mut answers = Vec::with_capacity(waiting.len());
        for (mut answer, confirms) in waiting {
            for confirm in confirms {
                // After a failure only what has come already counts, but all of that: see `settle`.
                let limit = if result.failure.is_none() { LIMIT } else { Duration::ZERO };
                let confirmation = match tokio::time::timeout(limit, confirm).await {
                    Ok(Ok(confirmation)) => confirmation,
                    Ok(Err(error)) => {
                        result.failure.get_or_insert(error.into());
                        answer.taken = false;
                        continue;
                    }
                    Err(_elapsed) => {
                        let why = format!("no answer to publishing within {} s", LIMIT.as_secs());
                        result.failure.get_or_insert(LinkError(why));
                        answer.taken = false;
                        continue;
                    }
                };
                answer.taken &= confirmation.is_ack();
                let message = confirmation.take_message();
                let returned = message.and_then(|message| message.delivery.properties.message_id().clone());
                answer.returned.extend(returned.map(String::from));
            }
            answers.push(answer);
        }
        settle(answers, &mut result);
        result
    }

    async fn mark(&self, rows: &[OutboxRow]) {
        if rows.is_empty() {
            return;
        }
        metrics::counter!("leadline_events_published_total", "outbox" => self.name)
            .increment(rows.len() as u64);
        let marked = async {
            reached(Moment::Published, self.name).await?;
            self.outbox.mark_published(rows).await
        };
        if let Err(error) = marked.await {
            tracing::warn!(outbox = self.name, %error, "events cannot be marked as published; they go out again");
        }
    }

    async fn park(&self, row: &OutboxRow, reason: &str) -> bool {
        tracing::error!(outbox = self.name, ?row, reason, "an event cannot be read and is parked");
        metrics::counter!("leadline_events_parked_total", "consumer" => "relay").increment(1);
        match self.outbox.park(row, "relay", reason).await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(outbox = self.name, %error, "an event cannot be parked; trying again");
                false
            }
        }
    }

    fn subscriptions(&self) -> Vec<Subscription> {
        self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Which imports listeners were told of lately. An import does the same to very many leads, as does taking it back, and streams tell
/// one of them in half a second: the broker need not carry the others to every gateway. The durable consumers get each.
#[derive(Default)]
struct Told(HashMap<(String, String), Instant>);

impl Told {
    /// Whether listeners hear an event. Whatever is not of an import they always do.
    fn passes(&mut self, event: &Event, now: Instant) -> bool {
        let Some(Body::Lead(lead)) = &event.body else { return true };
        let Some(import) = lead.activity.as_ref().and_then(|entry| entry.of_import()) else { return true };
        self.0.retain(|_, told| now.duration_since(*told) < APART);
        let key = (event.workspace_id.clone(), import.to_owned());
        if self.0.contains_key(&key) {
            return false;
        }
        self.0.insert(key, now);
        true
    }
}

/// What the broker said to the copies of one event.
struct Answer {
    row: OutboxRow,
    /// The event's id.
    id: String,
    /// It took all of them.
    taken: bool,
    /// The events that were returned, if any came with these answers.
    returned: Vec<String>,
}

/// The client hands a returned message to whichever answer comes next, not to its own; but it comes before its own.
/// So whose messages were returned is known only when all answers are seen.
fn settle(answers: Vec<Answer>, result: &mut Published) {
    let returned: HashSet<String> =
        answers.iter().flat_map(|answer| answer.returned.iter().cloned()).collect();
    for answer in answers {
        match (answer.taken, returned.contains(&answer.id)) {
            (true, false) => result.confirmed.push(answer.row),
            (_, true) => result.returned += 1,
            (false, false) => result.refused += 1,
        }
    }
}

/// Event, key and properties of a stored event; or why it can't be published.
fn envelope(pending: &PendingEvent) -> Result<(Event, ShortString, BasicProperties), String> {
    let event =
        Event::decode(pending.bytes.as_slice()).map_err(|error| format!("cannot be read: {error}"))?;
    let short = |text: &str| ShortString::try_new(text).map_err(|_| "its id or key is too long".to_owned());
    let (id, key) = (short(&event.id)?, short(&pending.key)?);
    let properties = properties(&event).with_message_id(id).with_type(key.clone()).with_delivery_mode(2);
    Ok((event, key, properties))
}

fn properties(event: &Event) -> BasicProperties {
    let mut headers = FieldTable::default();
    for (name, value) in [("traceparent", &event.traceparent), ("x-request-id", &event.request_id)] {
        if !value.is_empty() {
            headers.insert(name.into(), AMQPValue::LongString(LongString::from(value.as_str())));
        }
    }
    BasicProperties::default()
        .with_content_type("application/protobuf".into())
        .with_timestamp(u64::try_from(event.at_ms / 1000).unwrap_or_default())
        .with_headers(headers)
}

/// An event that may be lost.
pub(super) struct Signal {
    key: &'static str,
    bytes: Vec<u8>,
    properties: BasicProperties,
}

impl Signal {
    pub(super) fn of(event: &Event) -> Self {
        let key = routing_key(event);
        Self { key, bytes: event.encode_to_vec(), properties: properties(event).with_type(key.into()) }
    }
}

/// Publishes signals until `stop`.
pub(super) async fn signals(link: Link, mut waiting: mpsc::Receiver<Signal>, stop: Stop) {
    let mut backoff = Backoff::new();
    loop {
        let began = Instant::now();
        let result = tokio::select! {
            () = stop.stopping() => return,
            result = send(&link, &mut waiting) => result,
        };
        let Err(error) = result else { return };
        link.down(&error);
        if began.elapsed() > LASTED {
            backoff.reset();
        }
        if !stop.sleep(backoff.next()).await {
            return;
        }
    }
}

/// Ends well when the bus is gone.
async fn send(link: &Link, waiting: &mut mpsc::Receiver<Signal>) -> Result<(), LinkError> {
    let session = link.connect().await?;
    let prefix = &link.broker().url.prefix;
    within("declaring the exchange", declare::exchange(&session.channel, prefix)).await?;
    link.up();
    let exchange: ShortString = declare::live(prefix).into();
    loop {
        let signal = match tokio::time::timeout(LOOK, waiting.recv()).await {
            Ok(Some(signal)) => signal,
            Ok(None) => return Ok(()),
            Err(_elapsed) => {
                session.check()?;
                continue;
            }
        };
        let publishing = session.channel.basic_publish(
            exchange.clone(),
            signal.key.into(),
            BasicPublishOptions::default(),
            &signal.bytes,
            signal.properties,
        );
        within("publishing", publishing).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_hear_of_few_leads_of_an_import_and_of_everything_else() {
        use leadline_proto::{
            events::LeadEvent,
            leads::{
                Activity,
                activity::{Deleted, Imported, What},
            },
        };
        let event = |workspace: &str, what| {
            let activity = Some(Activity { what: Some(what), ..Activity::default() });
            let body = Some(Body::Lead(LeadEvent { activity, snapshot: None }));
            Event { workspace_id: workspace.to_owned(), body, ..Event::default() }
        };
        let of = |workspace: &str, import: &str| {
            event(workspace, What::Imported(Imported { import_id: import.to_owned(), created: true }))
        };
        let (mut told, now) = (Told::default(), Instant::now());
        let heard = |told: &mut Told, event: &Event, ms| told.passes(event, now + Duration::from_millis(ms));
        let times: Vec<u64> =
            (0..1_000).step_by(10).filter(|at| heard(&mut told, &of("a", "1"), *at)).collect();
        assert_eq!(times, [0, 250, 500, 750]);
        assert!(heard(&mut told, &of("a", "2"), 760), "another import");
        assert!(heard(&mut told, &of("b", "1"), 760), "another workspace");
        let mut deleted = event("a", What::Deleted(Deleted { permanent: false }));
        assert!((0..9).all(|_| heard(&mut told, &deleted, 760)));
        if let Some(Body::Lead(LeadEvent { activity: Some(entry), .. })) = &mut deleted.body {
            entry.undone_import_id = "3".to_owned();
        }
        assert_eq!((0..9).filter(|_| heard(&mut told, &deleted, 760)).count(), 1, "one that is taken back");
        assert!(heard(&mut told, &of("a", "1"), 5_000) && told.0.len() == 1, "what is long ago is forgotten");
    }

    #[test]
    fn a_returned_message_that_comes_with_anothers_answer_is_its_own() {
        let answer = |row: i64, taken, returned: Option<&str>| Answer {
            row: row.into(),
            id: row.to_string(),
            taken,
            returned: returned.map(str::to_owned).into_iter().collect(),
        };
        let mut result = Published::default();
        settle(
            vec![
                answer(1, true, None),
                answer(2, true, Some("1")),
                answer(3, false, None),
                answer(4, true, None),
            ],
            &mut result,
        );
        assert_eq!(result.confirmed, [OutboxRow::from(2), OutboxRow::from(4)]);
        assert_eq!((result.returned, result.refused), (1, 1));
    }
}
