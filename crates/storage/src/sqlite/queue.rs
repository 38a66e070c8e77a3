//! A bounded queue between async callers and threads.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::StorageError;

pub(super) struct Queue<J> {
    state: Mutex<State<J>>,
    arrived: Condvar,
    room: Arc<Semaphore>,
    /// How many wait.
    depth: metrics::Gauge,
}

struct State<J> {
    waiting: VecDeque<(J, OwnedSemaphorePermit)>,
    closed: bool,
}

pub(super) enum Taken<J> {
    /// At least one, in the order of their arrival.
    Jobs(VecDeque<J>),
    /// None came in the time given.
    Idle,
    /// The queue is closed and empty.
    Closed,
}

impl<J> Queue<J> {
    pub(super) fn new(capacity: usize, depth: metrics::Gauge) -> Self {
        Self {
            depth,
            state: Mutex::new(State { waiting: VecDeque::new(), closed: false }),
            arrived: Condvar::new(),
            room: Arc::new(Semaphore::new(capacity.clamp(1, Semaphore::MAX_PERMITS))),
        }
    }

    /// Adds a job; waits for a place for at most `patience`.
    pub(super) async fn push(&self, job: J, patience: Duration) -> Result<(), StorageError> {
        let place = match tokio::time::timeout(patience, self.room.clone().acquire_owned()).await {
            Ok(Ok(place)) => place,
            Ok(Err(_)) => return Err(super::closed()),
            Err(_) => return Err(StorageError::Busy),
        };
        let mut state = self.state();
        if state.closed {
            return Err(super::closed());
        }
        state.waiting.push_back((job, place));
        self.tell(&state);
        drop(state);
        self.arrived.notify_one();
        Ok(())
    }

    /// Whether there is a job.
    pub(super) fn is_waiting(&self) -> bool {
        !self.state().waiting.is_empty()
    }

    /// Takes up to `most` jobs, waiting for the first (for at most `idle`, if given). The rest of a closed queue is given out first.
    pub(super) fn take(&self, most: usize, idle: Option<Duration>) -> Taken<J> {
        let mut state = self.state();
        while state.waiting.is_empty() {
            if state.closed {
                return Taken::Closed;
            }
            state = match idle {
                None => self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(idle) => {
                    let (state, waited) =
                        self.arrived.wait_timeout(state, idle).unwrap_or_else(PoisonError::into_inner);
                    if waited.timed_out() && state.waiting.is_empty() && !state.closed {
                        return Taken::Idle;
                    }
                    state
                }
            };
        }
        let most = most.clamp(1, state.waiting.len());
        let jobs = state.waiting.drain(..most).map(|(job, _place)| job).collect();
        self.tell(&state);
        Taken::Jobs(jobs)
    }

    fn tell(&self, state: &State<J>) {
        #[allow(clippy::cast_precision_loss, reason = "a gauge")]
        self.depth.set(state.waiting.len() as f64);
    }

    /// Whether further jobs are refused.
    pub(super) fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// Refuses further jobs and wakes every thread.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.room.close();
        self.arrived.notify_all();
    }

    /// Drops what waits; its callers are told that the store is closed.
    pub(super) fn clear(&self) {
        let dropped = std::mem::take(&mut self.state().waiting);
        drop(dropped);
    }

    fn state(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
