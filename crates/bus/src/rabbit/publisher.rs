//! Publishing: outboxes with confirms, signals without.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use lapin::{
    BasicProperties, PublisherConfirm,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::{AMQPValue, FieldTable, LongString, ShortString},
};
use leadline_proto::events::Event;
use leadline_runtime::stop::Stop;
use prost::Message;
use tokio::{sync::mpsc, time::Instant};

use crate::{
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
    /// Nothing is bound for them.
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
        let mut reader = Reader::new(self.name, self.outbox.clone());
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
        let mut declared = Instant::now();
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
            let published = self.publish(&session, page).await;
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
            if published.returned > 0 && declared.elapsed() > LOOK {
                // A queue or a binding was deleted: put back what the product needs.
                self.declare(&session).await?;
                declared = Instant::now();
                reader.restart();
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

    /// Publishes a page, then awaits what the broker says to each.
    async fn publish(&self, session: &Session, page: Vec<PendingEvent>) -> Published {
        let mut result = Published::default();
        let subscriptions = self.subscriptions();
        let exchange: ShortString = declare::events(&self.link.broker().url.prefix).into();
        let mut waiting: Vec<(OutboxRow, String, PublisherConfirm)> = Vec::with_capacity(page.len());
        for pending in page {
            let (id, key, properties) = match envelope(&pending) {
                Ok(envelope) => envelope,
                Err(reason) => {
                    if self.park(&pending.row, &reason).await {
                        result.confirmed.push(pending.row);
                    }
                    continue;
                }
            };
            // Those that only listeners ask for may find nobody.
            let mandatory =
                subscriptions.iter().any(|subscription| any_matches(subscription.keys, &pending.key));
            let options = BasicPublishOptions { mandatory, ..BasicPublishOptions::default() };
            let publishing =
                session.channel.basic_publish(exchange.clone(), key, options, &pending.bytes, properties);
            match within("publishing", publishing).await {
                Ok(confirm) => waiting.push((pending.row, id, confirm)),
                Err(error) => {
                    result.failure = Some(error);
                    break;
                }
            }
        }
        let mut answers = Vec::with_capacity(waiting.len());
        for (row, id, confirm) in waiting {
            // After a failure only what has come already counts, but all of that: see `settle`.
            let limit = if result.failure.is_none() { LIMIT } else { Duration::ZERO };
            let confirmation = match tokio::time::timeout(limit, confirm).await {
                Ok(Ok(confirmation)) => confirmation,
                Ok(Err(error)) => {
                    result.failure.get_or_insert(error.into());
                    continue;
                }
                Err(_elapsed) => {
                    let why = format!("no answer to publishing within {} s", LIMIT.as_secs());
                    result.failure.get_or_insert(LinkError(why));
                    continue;
                }
            };
            let taken = confirmation.is_ack();
            let message = confirmation.take_message();
            let returned = message.and_then(|message| message.delivery.properties.message_id().clone());
            answers.push(Answer { row, id, taken, returned: returned.map(String::from) });
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
        if let Err(error) = self.outbox.mark_published(rows).await {
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

/// What the broker said to one message.
struct Answer {
    row: OutboxRow,
    /// The event's id.
    id: String,
    taken: bool,
    /// The event that was returned, if one came with this answer.
    returned: Option<String>,
}

/// The client hands a returned message to whichever answer comes next, not to its own; but it comes before its own.
/// So whose messages were returned is known only when all answers are seen.
fn settle(answers: Vec<Answer>, result: &mut Published) {
    let returned: HashSet<String> = answers.iter().filter_map(|answer| answer.returned.clone()).collect();
    for answer in answers {
        match (answer.taken, returned.contains(&answer.id)) {
            (true, false) => result.confirmed.push(answer.row),
            (_, true) => result.returned += 1,
            (false, false) => result.refused += 1,
        }
    }
}

/// Id, key and properties of a stored event; or why it can't be published.
fn envelope(pending: &PendingEvent) -> Result<(String, ShortString, BasicProperties), String> {
    let event =
        Event::decode(pending.bytes.as_slice()).map_err(|error| format!("cannot be read: {error}"))?;
    let short = |text: &str| ShortString::try_new(text).map_err(|_| "its id or key is too long".to_owned());
    let (id, key) = (short(&event.id)?, short(&pending.key)?);
    let properties = properties(&event).with_message_id(id).with_type(key.clone()).with_delivery_mode(2);
    Ok((event.id, key, properties))
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
    let exchange: ShortString = declare::events(prefix).into();
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
    fn a_returned_message_that_comes_with_anothers_answer_is_its_own() {
        let answer = |row: i64, taken, returned: Option<&str>| Answer {
            row: row.into(),
            id: row.to_string(),
            taken,
            returned: returned.map(str::to_owned),
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
