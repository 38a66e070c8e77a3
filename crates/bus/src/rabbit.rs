//! The bus on RabbitMQ: a quorum queue for each durable consumer, published to by name; a topic exchange for listeners,
//! each of which has a short-lived queue.
//!
//! Every relay, consumer and listener has a connection of its own, which its task builds again after any error: the
//! client's own recovery was seen to hang.

mod consumer;
mod declare;
mod link;
mod listener;
mod publisher;

use std::sync::{Arc, Mutex, PoisonError};

use leadline_proto::events::Event;
use leadline_runtime::stop::Stop;
use tokio::sync::mpsc;

use crate::{
    BusHealth, Consumer, LARGEST_BATCH,
    handing::Hands,
    listener::{Inbox, Listener},
    outbox::Outbox,
    rabbit::link::{Broker, Link},
    relay::{Gate, measure},
    topology::{self, Subscription},
    url::RabbitUrl,
};

/// So many signals wait while the broker is away; more are lost.
const SIGNALS: usize = 1024;

/// A bus on RabbitMQ.
pub(crate) struct Rabbit {
    broker: Arc<Broker>,
    gate: Arc<Gate>,
    signals: mpsc::Sender<publisher::Signal>,
    /// The product's durable consumers, and those registered here.
    subscriptions: Arc<Mutex<Vec<Subscription>>>,
    /// Ends the listeners.
    stop: Stop,
}

impl Rabbit {
    pub(crate) fn open(url: &RabbitUrl, process: &str, stop: &Stop) -> Arc<Self> {
        let broker = Arc::new(Broker::new(url.clone(), process.to_owned()));
        let (signals, waiting) = mpsc::channel(SIGNALS);
        stop.spawn(publisher::signals(Link::new(&broker, "signals"), waiting, stop.clone()));
        Arc::new(Self {
            broker,
            gate: Arc::default(),
            signals,
            subscriptions: Arc::new(Mutex::new(topology::ALL.to_vec())),
            stop: stop.clone(),
        })
    }

    pub(crate) fn consume(&self, subscription: Subscription, consumer: Arc<dyn Consumer>, stop: &Stop) {
        {
            let mut subscriptions = self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner);
            subscriptions.retain(|known| known.name != subscription.name);
            subscriptions.push(subscription);
        }
        let hands = Hands::new(subscription.name, consumer, LARGEST_BATCH);
        stop.spawn(consumer::run(
            Link::new(&self.broker, subscription.name),
            subscription,
            hands,
            stop.clone(),
        ));
    }

    pub(crate) fn listen(&self, keys: &'static [&'static str], capacity: usize) -> Listener {
        let inbox = Inbox::new(keys, capacity);
        self.stop.spawn(listener::run(Link::new(&self.broker, "listener"), inbox.clone(), self.stop.clone()));
        Listener::new(inbox)
    }

    pub(crate) fn signal(&self, event: &Event) {
        // Full: it may be lost.
        let _ = self.signals.try_send(publisher::Signal::of(event));
    }

    pub(crate) fn relay(&self, name: &'static str, outbox: Arc<dyn Outbox>, stop: &Stop) {
        let relay = publisher::Relay {
            name,
            link: Link::new(&self.broker, name),
            outbox: outbox.clone(),
            subscriptions: self.subscriptions.clone(),
            gate: self.gate.clone(),
            stop: stop.clone(),
        };
        stop.spawn(relay.run());
        stop.spawn(measure(name, outbox, stop.clone()));
    }

    pub(crate) fn start(&self) {
        self.gate.open();
    }

    pub(crate) fn health(&self) -> BusHealth {
        self.broker.health()
    }
}
