//! The servers keep what they confirmed, whatever is done to them.

use std::time::Duration;

use anyhow::{Context, Result};
use lapin::options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use leadline_testbed::{Mongo, Rabbit, eventually, mongo, rabbit, wait_until};
use mongodb::Client;
use mongodb::bson::{Document, doc};
use tokio::net::TcpStream;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn mongo_keeps_a_document_through_a_kill_and_through_a_stop() -> Result<()> {
    let mut mongo = Mongo::start_private().await?;
    let client = Client::with_uri_str(mongo.uri()).await?;
    let notes = client.database("kept").collection::<Document>("notes");
    notes.insert_one(doc! { "_id": 1 }).await?;

    mongo.kill().await?;
    assert!(TcpStream::connect(mongo.addr()).await.is_err(), "it listens after SIGKILL");
    mongo.start_again().await?;
    notes.insert_one(doc! { "_id": 2 }).await?;

    mongo.stop().await?;
    assert!(TcpStream::connect(mongo.addr()).await.is_err(), "it listens after its end");
    mongo.start_again().await?;
    let count = eventually(SOON, "both notes are read", async || Ok(notes.count_documents(doc! {}).await?));
    assert_eq!(count.await?, 2);
    client.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn a_paused_mongo_is_silent_until_it_is_resumed() -> Result<()> {
    let mongo = Mongo::start_private().await?;
    mongo.pause()?;
    let asked = timeout(Duration::from_millis(300), mongo.run(doc! { "ping": 1 })).await;
    assert!(asked.is_err(), "it answered");
    mongo.resume()?;
    mongo.run(doc! { "ping": 1 }).await?;
    Ok(())
}

#[tokio::test]
async fn a_lone_mongo_steps_down_and_comes_back() -> Result<()> {
    let mongo = Mongo::start_private().await?;
    mongo.step_down(1).await?;
    wait_until(SOON, "it is primary again", async || {
        let hello = mongo.run(doc! { "hello": 1 }).await;
        hello.is_ok_and(|hello| hello.get_bool("isWritablePrimary").unwrap_or(false))
    })
    .await
}

#[tokio::test]
async fn tests_of_one_process_share_a_mongo_and_no_database() -> Result<()> {
    let (one, other) = (mongo().await?, mongo().await?);
    assert_eq!(one.uri(), other.uri());
    assert_ne!(one.fresh_uri(), other.fresh_uri());
    let client = Client::with_uri_str(one.fresh_uri()).await?;
    let database = client.default_database().context("the URI has no path")?;
    let mut session = client.start_session().await?;
    session.start_transaction().await?;
    let notes = database.collection::<Document>("notes");
    notes.insert_one(doc! { "_id": 1 }).session(&mut session).await?;
    session.commit_transaction().await?;
    // The client's shutdown would wait for it for ever.
    drop(session);
    assert_eq!(notes.count_documents(doc! {}).await?, 1);
    database.drop().await?;
    client.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn a_replica_set_outlives_its_primary() -> Result<()> {
    let mut set = Mongo::start_replica_set(3).await?;
    let client = Client::with_uri_str(set.fresh_uri()).await?;
    let database = client.default_database().context("the URI has no path")?;
    let notes = database.collection::<Document>("notes");
    notes.insert_one(doc! { "_id": 1 }).await?;

    let before = set.wait_for_primary().await?;
    assert_ne!(set.step_down().await?, before);
    let (dead, next) = set.kill_primary().await?;
    assert_ne!(dead, next);
    eventually(SOON, "the note is read from the new primary", async || {
        anyhow::ensure!(notes.count_documents(doc! {}).await? == 1);
        Ok(())
    })
    .await?;
    set.member(dead)?.start_again().await?;
    client.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn rabbit_keeps_confirmed_messages_through_a_kill_and_through_a_stop() -> Result<()> {
    let mut rabbit = Rabbit::start_private().await?;
    let channel = declare(&rabbit.uri(), "kept").await?;
    publish(&channel, "kept", b"one").await?;

    rabbit.kill().await?;
    assert!(TcpStream::connect(rabbit.addr()).await.is_err(), "it listens after SIGKILL");
    rabbit.start_again().await?;
    let channel = declare(&rabbit.uri(), "kept").await?;
    publish(&channel, "kept", b"two").await?;

    rabbit.stop().await?;
    rabbit.start_again().await?;
    let channel = declare(&rabbit.uri(), "kept").await?;
    assert_eq!(take(&channel, "kept").await?, b"one");
    assert_eq!(take(&channel, "kept").await?, b"two");
    assert!(rabbit.ctl(&["list_queues", "name"]).await?.contains("kept"));
    Ok(())
}

#[tokio::test]
async fn tests_of_one_process_share_a_rabbit_and_no_name() -> Result<()> {
    let (one, other) = (rabbit().await?, rabbit().await?);
    assert_eq!(one.uri(), other.uri());
    assert_ne!(one.fresh_prefix(), other.fresh_prefix());
    let queue = one.fresh_prefix();
    let channel = declare(one.uri(), &queue).await?;
    publish(&channel, &queue, b"one").await?;
    assert_eq!(take(&channel, &queue).await?, b"one");
    channel.queue_delete(queue.as_str().into(), Default::default()).await?;
    Ok(())
}

async fn declare(uri: &str, queue: &str) -> Result<Channel> {
    let connection = Connection::connect(uri, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(queue.into(), durable, arguments).await?;
    Ok(channel)
}

async fn publish(channel: &Channel, queue: &str, body: &[u8]) -> Result<()> {
    let durable = BasicProperties::default().with_delivery_mode(2);
    let mandatory = BasicPublishOptions { mandatory: true, ..Default::default() };
    let confirmed = channel.basic_publish("".into(), queue.into(), mandatory, body, durable).await?.await?;
    anyhow::ensure!(confirmed.is_ack(), "not confirmed: {confirmed:?}");
    Ok(())
}

/// Takes the next message; a queue that has just been recovered may need a moment to have it.
async fn take(channel: &Channel, queue: &str) -> Result<Vec<u8>> {
    eventually(SOON, "the message is there", async || {
        let got = channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await?;
        Ok(got.context("the queue is empty")?.delivery.data)
    })
    .await
}
