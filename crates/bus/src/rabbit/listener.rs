//! Hearing events through a short-lived queue.

use std::sync::Arc;

use futures::StreamExt;
use lapin::{options::BasicConsumeOptions, types::FieldTable};
use leadline_proto::events::Event;
use leadline_runtime::stop::Stop;
use prost::Message;
use uuid::Uuid;

use crate::{
    backoff::Backoff,
    listener::Inbox,
    rabbit::{
        consumer::arrived,
        declare,
        link::{Link, LinkError, Session, within},
    },
};

/// Fills an inbox until `stop`, or until its reader is gone.
pub(super) async fn run(link: Link, inbox: Arc<Inbox>, stop: Stop) {
    let mut backoff = Backoff::new();
    loop {
        let error = tokio::select! {
            () = stop.stopping() => break,
            () = inbox.gone() => return,
            error = hear(&link, &inbox, &mut backoff) => error,
        };
        link.down(&error);
        tokio::select! {
            slept = stop.sleep(backoff.next()) => if !slept { break },
            () = inbox.gone() => return,
        }
    }
    inbox.end();
}

async fn hear(link: &Link, inbox: &Inbox, backoff: &mut Backoff) -> LinkError {
    let (_session, mut deliveries) = match connect(link, inbox).await {
        Ok(connected) => connected,
        Err(error) => return error,
    };
    link.up();
    // What happened before the queue stood was not heard.
    inbox.missed();
    loop {
        match arrived(deliveries.next().await) {
            Ok(delivery) => {
                backoff.reset();
                match Event::decode(delivery.data.as_slice()) {
                    Ok(event) => inbox.push(Arc::new(event)),
                    Err(error) => tracing::error!(%error, "a message cannot be read"),
                }
            }
            Err(error) => return error,
        }
    }
}

async fn connect(link: &Link, inbox: &Inbox) -> Result<(Session, lapin::Consumer), LinkError> {
    let session = link.connect().await?;
    let (channel, prefix) = (&session.channel, &link.broker().url.prefix);
    within("declaring the exchange", declare::exchange(channel, prefix)).await?;
    let name = format!("{prefix}.listener.{}.{}", link.broker().process(), Uuid::now_v7());
    within("declaring a queue", declare::short_lived(channel, prefix, &name, inbox.keys())).await?;
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let deliveries =
        within("consuming", channel.basic_consume(name.into(), "".into(), options, FieldTable::default()))
            .await?;
    Ok((session, deliveries))
}
