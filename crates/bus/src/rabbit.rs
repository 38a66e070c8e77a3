//! The bus on RabbitMQ.

use std::sync::Arc;

use leadline_proto::events::Event;
use leadline_runtime::stop::Stop;

use crate::{BusHealth, Consumer, Listener, listener::Inbox, outbox::Outbox, topology::Subscription, url::RabbitUrl};

pub(crate) struct Rabbit {
    _url: RabbitUrl,
}

impl Rabbit {
    pub(crate) fn open(url: &RabbitUrl, _process: &str, _stop: &Stop) -> Arc<Self> {
        Arc::new(Self { _url: url.clone() })
    }
    pub(crate) fn consume(&self, _subscription: Subscription, _consumer: Arc<dyn Consumer>, _stop: &Stop) {}
    pub(crate) fn listen(&self, keys: &'static [&'static str], capacity: usize) -> Listener {
        Listener::new(Inbox::new(keys, capacity))
    }
    pub(crate) fn signal(&self, _event: &Event) {}
    pub(crate) fn relay(&self, _name: &'static str, _outbox: Arc<dyn Outbox>, _stop: &Stop) {}
    pub(crate) fn start(&self) {}
    pub(crate) fn health(&self) -> BusHealth {
        BusHealth::Up
    }
}
