//! The clock: tells of reminders as they fall due.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use leadline_runtime::{stop::Stop, time::Millis};

use crate::store::Store;

/// How often it looks. A reminder is told at most so late while the store answers.
const TICK: Duration = Duration::from_millis(500);
/// How many it tells in one go.
const AT_ONCE: usize = 100;
/// How often what is past its time is swept away.
const SWEEP: Duration = Duration::from_secs(10 * 60);

/// Tells of due reminders until `stop`. Any number of replicas may run it: each reminder is told by one.
pub async fn run(store: Arc<dyn Store>, stop: Stop) {
    let mut failing = false;
    let told_reminders = metrics::counter!("leadline_reminders_told_total");
    told_reminders.increment(0);
    // Whatever falls due while the store does not answer, or while a backlog is worked off, is told late.
    let late = metrics::gauge!("leadline_reminders_late_seconds");
    let mut caught_up = Instant::now();
    while stop.sleep(TICK).await {
        late.set(caught_up.elapsed().saturating_sub(TICK * 2).as_secs_f64());
        // A backlog is worked off without waiting for the next tick.
        loop {
            match store.fire(Millis::now(), AT_ONCE).await {
                Ok(told) => {
                    told_reminders.increment(told as u64);
                    if failing {
                        tracing::info!("the clock goes on");
                        failing = false;
                    }
                    if told < AT_ONCE {
                        caught_up = Instant::now();
                        break;
                    }
                }
                Err(error) => {
                    if !failing {
                        tracing::warn!(%error, "the clock stands still: the store does not answer");
                        failing = true;
                    }
                    break;
                }
            }
        }
    }
}

/// Sweeps away what is past its time until `stop`.
pub async fn sweep(store: Arc<dyn Store>, stop: Stop) {
    loop {
        if let Err(error) = store.sweep(Millis::now()).await {
            tracing::warn!(%error, "old idempotency keys and events were not swept away; tried again later");
        }
        if !stop.sleep(SWEEP).await {
            return;
        }
    }
}
