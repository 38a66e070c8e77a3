//! Looking into a RabbitMQ's queues, listening in, and publishing what nobody would.

use anyhow::{Context, Result};
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};

/// A message on its way to an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// Its routing key.
    pub key: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

async fn open(uri: &str) -> Result<(Connection, Channel)> {
    let connection = Connection::connect(uri, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    Ok((connection, channel))
}

async fn close(connection: Connection) {
    // What was done stands, however the connection ends.
    connection.close(200, "done".into()).await.ok();
}

/// How many messages wait in each of these queues; those that are handed out and not yet settled are not among them.
///
/// # Errors
/// If the broker is away, or a queue is not there.
pub async fn waiting(uri: &str, queues: &[String]) -> Result<Vec<u32>> {
    let (connection, channel) = open(uri).await?;
    let mut counts = Vec::new();
    for name in queues {
        let passive = QueueDeclareOptions::durable().passive();
        let queue = channel.queue_declare(name.as_str().into(), passive, FieldTable::default()).await;
        counts.push(queue.with_context(|| format!("there is no queue {name}"))?.message_count());
    }
    close(connection).await;
    Ok(counts)
}

/// Publishes messages to queues by their names, and awaits that the broker has them.
///
/// # Errors
/// If it does not take one.
pub async fn post(uri: &str, messages: impl IntoIterator<Item = (String, Vec<u8>)>) -> Result<()> {
    let (connection, channel) = open(uri).await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let mut confirms = Vec::new();
    for (queue, bytes) in messages {
        let properties = BasicProperties::default().with_delivery_mode(2);
        let options = BasicPublishOptions::default();
        confirms.push(
            channel.basic_publish("".into(), queue.as_str().into(), options, &bytes, properties).await?,
        );
    }
    for confirm in confirms {
        anyhow::ensure!(confirm.await?.is_ack(), "the broker did not take a message");
    }
    close(connection).await;
    Ok(())
}

/// Hears everything that is published to a topic exchange.
#[derive(Debug)]
pub struct Tap {
    connection: Connection,
    channel: Channel,
    queue: String,
}

impl Tap {
    /// Begins.
    ///
    /// # Errors
    /// If the broker is away.
    pub async fn begin(uri: &str, exchange: &str) -> Result<Self> {
        let (connection, channel) = open(uri).await?;
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let none = FieldTable::default;
        channel.exchange_declare(exchange.into(), ExchangeKind::Topic, durable, none()).await?;
        let queue = format!("{exchange}.tap");
        let own = QueueDeclareOptions::exclusive().auto_delete();
        channel.queue_declare(queue.as_str().into(), own, none()).await?;
        let bind = QueueBindOptions::default();
        channel.queue_bind(queue.as_str().into(), exchange.into(), "#".into(), bind, none()).await?;
        Ok(Self { connection, channel, queue })
    }

    /// Ends, and gives what was published meanwhile, in order.
    ///
    /// # Errors
    /// If the broker is away.
    pub async fn end(self) -> Result<Vec<Posted>> {
        let mut heard = Vec::new();
        let no_ack = BasicGetOptions { no_ack: true };
        while let Some(message) = self.channel.basic_get(self.queue.as_str().into(), no_ack).await? {
            let delivery = message.delivery;
            heard.push(Posted { key: delivery.routing_key.to_string(), bytes: delivery.data });
        }
        close(self.connection).await;
        Ok(heard)
    }
}
