//! Hearing events without durability.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use leadline_proto::events::Event;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::routing::any_matches;

/// What a listener hears.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// Something happened.
    Event(Arc<Event>),
    /// Some events may have passed unheard, because the reader was slow or the broker was away: load what you keep
    /// again. On RabbitMQ this is also the first thing heard, once events do arrive.
    Missed,
}

/// Hears events, see [`Bus::listen`](crate::Bus::listen). Dropping it ends it.
pub struct Listener {
    inbox: Arc<Inbox>,
}

impl Listener {
    pub(crate) fn new(inbox: Arc<Inbox>) -> Self {
        Self { inbox }
    }

    /// The next thing heard; none when the bus has ended. Dropping the future loses nothing.
    pub async fn recv(&mut self) -> Option<Heard> {
        loop {
            if let Some(heard) = self.inbox.take() {
                return Some(heard);
            }
            if self.inbox.is_ended() {
                return None;
            }
            self.inbox.filled.notified().await;
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.inbox.gone.cancel();
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("keys", &self.inbox.keys).finish()
    }
}

/// A listener's bounded queue.
pub(crate) struct Inbox {
    keys: &'static [&'static str],
    capacity: usize,
    state: Mutex<State>,
    /// One reader waits for it; a permit stays if nobody does.
    filled: Notify,
    /// The reader is gone.
    gone: CancellationToken,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Arc<Event>>,
    missed: bool,
    ended: bool,
}

impl Inbox {
    pub(crate) fn new(keys: &'static [&'static str], capacity: usize) -> Arc<Self> {
        Arc::new(Self {
            keys,
            capacity: capacity.max(1),
            state: Mutex::default(),
            filled: Notify::new(),
            gone: CancellationToken::new(),
        })
    }

    pub(crate) fn keys(&self) -> &'static [&'static str] {
        self.keys
    }

    /// Awaits that the reader is gone.
    pub(crate) async fn gone(&self) {
        self.gone.cancelled().await;
    }

    pub(crate) fn push(&self, event: Arc<Event>) {
        self.change(|state| {
            if state.queue.len() >= self.capacity {
                state.queue.pop_front();
                state.missed = true;
            }
            state.queue.push_back(event);
        });
    }

    pub(crate) fn missed(&self) {
        self.change(|state| state.missed = true);
    }

    /// Nothing will come any more.
    pub(crate) fn end(&self) {
        self.change(|state| state.ended = true);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.filled.notify_one();
    }

    fn take(&self) -> Option<Heard> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut state.missed) {
            return Some(Heard::Missed);
        }
        state.queue.pop_front().map(Heard::Event)
    }

    fn is_ended(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.ended && state.queue.is_empty() && !state.missed
    }
}

/// The listeners of an in-process bus.
#[derive(Default)]
pub(crate) struct Audience(Mutex<Vec<Weak<Inbox>>>);

impl Audience {
    pub(crate) fn add(&self, inbox: &Arc<Inbox>) {
        let mut all = self.lock();
        all.retain(|inbox| inbox.strong_count() > 0);
        all.push(Arc::downgrade(inbox));
    }

    /// Whether anybody listens for this key.
    pub(crate) fn wants(&self, key: &str) -> bool {
        self.lock().iter().filter_map(Weak::upgrade).any(|inbox| any_matches(inbox.keys, key))
    }

    pub(crate) fn tell(&self, key: &str, event: &Arc<Event>) {
        for inbox in self.lock().iter().filter_map(Weak::upgrade) {
            if any_matches(inbox.keys, key) {
                inbox.push(event.clone());
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Inbox>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Audience {
    fn drop(&mut self) {
        for inbox in self.lock().iter().filter_map(Weak::upgrade) {
            inbox.end();
        }
    }
}
