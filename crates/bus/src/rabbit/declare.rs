//! Exchanges, queues and bindings. Declaring what is there already changes nothing.
//!
//! A durable consumer's queue is published to by its name and bound to nothing that events go through: a binding that
//! is deleted would lose events unseen, as the broker returns only what no queue at all has taken.

use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable, LongString},
};

use crate::topology::Subscription;

/// A message may be handed out this many times. High: each time a consumer dies, all it was handed counts one more.
const DELIVERIES: i32 = 100;
/// What a listener's queue holds at most while its process hangs.
const LISTENER_LENGTH: i32 = 100_000;

/// Where listeners hear of events.
pub(super) fn live(prefix: &str) -> String {
    format!("{prefix}.live")
}

/// Where what can't be handled goes.
fn dead(prefix: &str) -> String {
    format!("{prefix}.dead")
}

/// A durable consumer's queue.
pub(super) fn queue(prefix: &str, subscription: &Subscription) -> String {
    format!("{prefix}.{}", subscription.name)
}

/// The exchange of listeners.
pub(super) async fn exchange(channel: &Channel, prefix: &str) -> lapin::Result<()> {
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare(live(prefix).into(), ExchangeKind::Topic, durable, FieldTable::default()).await
}

/// A durable consumer's queue, and the queue for what it can't handle.
pub(super) async fn durable(
    channel: &Channel,
    prefix: &str,
    subscription: &Subscription,
) -> lapin::Result<()> {
    let (name, dead) = (queue(prefix, subscription), dead(prefix));
    let dead_name = format!("{name}.dead");
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    channel
        .exchange_declare(dead.as_str().into(), ExchangeKind::Direct, durable, FieldTable::default())
        .await?;

    let mut arguments = quorum();
    channel
        .queue_declare(dead_name.as_str().into(), QueueDeclareOptions::durable(), arguments.clone())
        .await?;
    let (bind, none) = (QueueBindOptions::default(), FieldTable::default());
    channel
        .queue_bind(dead_name.as_str().into(), dead.as_str().into(), subscription.name.into(), bind, none)
        .await?;

    arguments.insert("x-dead-letter-exchange".into(), text(&dead));
    arguments.insert("x-dead-letter-routing-key".into(), text(subscription.name));
    arguments.insert("x-dead-letter-strategy".into(), text("at-least-once"));
    arguments.insert("x-overflow".into(), text("reject-publish"));
    arguments.insert("x-delivery-limit".into(), DELIVERIES.into());
    channel.queue_declare(name.as_str().into(), QueueDeclareOptions::durable(), arguments).await?;
    Ok(())
}

/// A listener's queue: this connection's, and gone with it.
pub(super) async fn short_lived(
    channel: &Channel,
    prefix: &str,
    name: &str,
    keys: &[&str],
) -> lapin::Result<()> {
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), LISTENER_LENGTH.into());
    channel.queue_declare(name.into(), QueueDeclareOptions::exclusive().auto_delete(), arguments).await?;
    for key in keys {
        let (bind, none) = (QueueBindOptions::default(), FieldTable::default());
        channel.queue_bind(name.into(), live(prefix).into(), (*key).into(), bind, none).await?;
    }
    Ok(())
}

fn quorum() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text("quorum"));
    arguments
}

fn text(value: &str) -> AMQPValue {
    LongString::from(value).into()
}
