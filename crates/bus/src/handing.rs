//! Handing batches to a consumer, and finding the one event that spoils them.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use futures::FutureExt;
use leadline_failpoints::{Moment, reached};
use leadline_proto::events::Event;
use leadline_runtime::trace;
use rand::seq::SliceRandom;
use tracing::{Instrument, Span};

use crate::{Consumer, HandleError, backoff::Backoff};

/// So often the gauge of how far a consumer is behind is set, and so soon it is not behind when nothing comes.
const GAUGES: Duration = Duration::from_secs(5);
/// So often an event may fail while others succeed, before it is parked.
const TRIES: u32 = 20;
/// So often a batch may fail before its events are tried one by one.
const STRIKES: u32 = 3;
/// So many of them failing first, with none succeeding, mean that it is not the events.
const ALONE: usize = 3;
/// A store call has a shorter limit of its own; this one is for a consumer that hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Handled.
    Done,
    /// To be parked, with the reason.
    Park(String),
    /// To be handed again.
    Again,
}

/// What became of a batch.
#[derive(Debug)]
pub(crate) struct Round {
    /// For each event, in order.
    pub(crate) verdicts: Vec<Verdict>,
    /// How long to keep those to be handed again.
    pub(crate) pause: Duration,
    /// Nothing at all was handled: more would fare no better.
    pub(crate) stuck: bool,
}

/// Hands events to one consumer and remembers those that spoil batches.
pub(crate) struct Hands {
    name: &'static str,
    consumer: Arc<dyn Consumer>,
    /// So many events are handed at once.
    most: usize,
    /// Events that failed alone. They are handed apart from the others.
    suspects: HashMap<String, Suspect>,
    /// How many calls have succeeded: an event's failure counts against it only if others succeed meanwhile.
    successes: u64,
    /// How often in a row whole batches failed.
    strikes: u32,
    backoff: Backoff,
    failing: bool,
    lag: Arc<Lag>,
}

/// How far a consumer is behind, as its gauge tells it.
struct Lag {
    consumer: &'static str,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// When the oldest event that is still to be handled was written, in milliseconds since the epoch.
    waits_since_ms: Option<i64>,
    /// How old the oldest of the last batch was when it was handled, and when that was.
    handled: Option<(Duration, Instant)>,
}

impl Lag {
    /// Sets the gauge every few seconds, as long as somebody hands events.
    fn watch(consumer: &'static str) -> Arc<Self> {
        let lag = Arc::new(Self { consumer, seen: Mutex::default() });
        let watched = Arc::downgrade(&lag);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                while let Some(lag) = watched.upgrade() {
                    lag.tell();
                    drop(lag);
                    tokio::time::sleep(GAUGES).await;
                }
            });
        }
        lag
    }

    fn saw(&self, oldest_ms: Option<i64>, waits: bool) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = match oldest_ms {
            Some(written) if waits => Seen { waits_since_ms: Some(written), handled: None },
            Some(written) => Seen { waits_since_ms: None, handled: Some((age(written), Instant::now())) },
            None => Seen::default(),
        };
        drop(seen);
        self.tell();
    }

    /// Behind by the age of what waits; by what was just handled; by nothing when nothing came for a while.
    fn tell(&self) {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let behind = match (seen.waits_since_ms, seen.handled) {
            (Some(written), _) => age(written),
            (None, Some((behind, at))) if at.elapsed() < GAUGES => behind,
            (None, _) => Duration::ZERO,
        };
        metrics::gauge!("leadline_consumer_lag_seconds", "consumer" => self.consumer)
            .set(behind.as_secs_f64());
    }
}

/// For how long something has been written.
fn age(written_ms: i64) -> Duration {
    let written = Duration::from_millis(u64::try_from(written_ms).unwrap_or_default());
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(written)
}

#[derive(Debug)]
struct Suspect {
    failures: u32,
    successes_seen: u64,
}

enum Failure {
    Poison { event_id: String, reason: String },
    Failed { reason: String, panicked: bool },
}

impl Hands {
    pub(crate) fn new(name: &'static str, consumer: Arc<dyn Consumer>, most: usize) -> Self {
        // There from the start, so that a first one is seen to be one more.
        metrics::counter!("leadline_events_parked_total", "consumer" => name).increment(0);
        metrics::counter!("leadline_events_consumed_total", "consumer" => name).increment(0);
        Self {
            name,
            consumer,
            most,
            suspects: HashMap::new(),
            successes: 0,
            strikes: 0,
            backoff: Backoff::new(),
            failing: false,
            lag: Lag::watch(name),
        }
    }

    /// Hands the events over, once each or a few times in parts.
    pub(crate) async fn hand(&mut self, events: &[Arc<Event>]) -> Round {
        let mut verdicts = vec![Verdict::Again; events.len()];
        let (suspects, clean): (Vec<usize>, Vec<usize>) =
            (0..events.len()).partition(|&at| self.suspects.contains_key(&events[at].id));
        let mut trouble = None;
        for part in clean.chunks(self.most) {
            trouble = self.batch(events, part.to_vec(), &mut verdicts).await;
            if trouble.is_some() {
                break;
            }
        }
        if trouble.is_none() {
            self.one_by_one(events, suspects, &mut verdicts, &mut trouble).await;
        }
        self.judged(events, &verdicts, trouble)
    }

    /// All at once; when that keeps failing, one by one. Gives the reason if more would fare no better.
    async fn batch(
        &mut self,
        events: &[Arc<Event>],
        mut part: Vec<usize>,
        verdicts: &mut [Verdict],
    ) -> Option<String> {
        while !part.is_empty() {
            let batch: Vec<Arc<Event>> = part.iter().map(|&at| events[at].clone()).collect();
            match self.call(&batch).await {
                Ok(()) => {
                    self.strikes = 0;
                    for &at in &part {
                        verdicts[at] = Verdict::Done;
                    }
                    return None;
                }
                Err(Failure::Poison { event_id, reason }) => {
                    for &at in part.iter().filter(|&&at| events[at].id == event_id) {
                        verdicts[at] = Verdict::Park(reason.clone());
                    }
                    part.retain(|&at| events[at].id != event_id);
                }
                Err(Failure::Failed { reason, panicked }) => {
                    self.strikes += 1;
                    if part.len() == 1 {
                        verdicts[part[0]] = self.blame(&events[part[0]].id, &reason, panicked);
                    } else if panicked || self.strikes >= STRIKES {
                        let mut trouble = None;
                        self.one_by_one(events, part, verdicts, &mut trouble).await;
                        return trouble;
                    }
                    return Some(reason);
                }
            }
        }
        None
    }

    /// Each alone, in random order, so that a few bad ones don't stand before the others for ever.
    async fn one_by_one(
        &mut self,
        events: &[Arc<Event>],
        mut part: Vec<usize>,
        verdicts: &mut [Verdict],
        trouble: &mut Option<String>,
    ) {
        part.shuffle(&mut rand::rng());
        let before = self.successes;
        let mut failed = Vec::new();
        for at in part {
            match self.call(std::slice::from_ref(&events[at])).await {
                Ok(()) => verdicts[at] = Verdict::Done,
                Err(Failure::Poison { reason, .. }) => verdicts[at] = Verdict::Park(reason),
                Err(Failure::Failed { reason, panicked }) => failed.push((at, reason, panicked)),
            }
            if self.successes == before && failed.len() >= ALONE {
                break;
            }
        }
        for (at, reason, panicked) in failed {
            verdicts[at] = self.blame(&events[at].id, &reason, panicked);
            *trouble = Some(reason);
        }
    }

    /// Counts a failure of one event alone.
    fn blame(&mut self, id: &str, reason: &str, panicked: bool) -> Verdict {
        let suspect = self
            .suspects
            .entry(id.to_owned())
            .or_insert(Suspect { failures: 0, successes_seen: self.successes });
        if panicked || self.successes > suspect.successes_seen {
            suspect.failures += 1;
            suspect.successes_seen = self.successes;
        }
        if suspect.failures >= TRIES {
            return Verdict::Park(format!("failed alone {TRIES} times: {reason}"));
        }
        Verdict::Again
    }

    async fn call(&mut self, events: &[Arc<Event>]) -> Result<(), Failure> {
        // Each event has a span in its own trace; the work is done once for all, under the first of them.
        let spans: Vec<Span> =
            events.iter().filter_map(|event| trace::consumer_span(self.name, &event.traceparent)).collect();
        let first = spans.first().cloned().unwrap_or_else(Span::current);
        let handling = async {
            self.consumer.handle(events).await?;
            reached(Moment::Handled, self.name).await.map_err(HandleError::transient)
        };
        let handling = AssertUnwindSafe(handling).catch_unwind().instrument(first);
        let failed = |reason, panicked| Err(Failure::Failed { reason, panicked });
        match tokio::time::timeout(LIMIT, handling).await {
            Ok(Ok(Ok(()))) => {
                self.successes += 1;
                Ok(())
            }
            Ok(Ok(Err(HandleError::Poison { event_id, reason }))) => {
                // Of an event that is not in the batch nothing would be parked, and the batch handed for ever.
                if events.iter().any(|event| event.id == event_id) {
                    Err(Failure::Poison { event_id, reason })
                } else {
                    failed(format!("poison that was not handed: {reason}"), false)
                }
            }
            Ok(Ok(Err(HandleError::Transient(reason)))) => failed(reason, false),
            Ok(Err(_panic)) => failed("it panicked".to_owned(), true),
            Err(_elapsed) => failed(format!("it took more than {} s", LIMIT.as_secs()), false),
        }
    }

    fn judged(&mut self, events: &[Arc<Event>], verdicts: &[Verdict], trouble: Option<String>) -> Round {
        let consumer = self.name;
        let (mut done, mut again) = (0_u64, 0_u64);
        for (event, verdict) in events.iter().zip(verdicts) {
            match verdict {
                Verdict::Again => again += 1,
                Verdict::Done => done += 1,
                Verdict::Park(reason) => {
                    tracing::error!(consumer, event = %event.id, reason, "an event cannot be handled and is parked");
                    metrics::counter!("leadline_events_parked_total", "consumer" => consumer).increment(1);
                }
            }
            if *verdict != Verdict::Again {
                self.suspects.remove(&event.id);
            }
        }
        metrics::counter!("leadline_events_consumed_total", "consumer" => consumer).increment(done);
        let waiting = |again: bool| {
            let those =
                events.iter().zip(verdicts).filter(|(_, verdict)| (**verdict == Verdict::Again) == again);
            those.map(|(event, _)| event.at_ms).min()
        };
        self.lag.saw(waiting(again > 0), again > 0);
        let stuck = again > 0 && again == verdicts.len() as u64;
        match trouble {
            Some(reason) if stuck && !self.failing => {
                tracing::warn!(consumer, reason, "events cannot be handled; trying again");
                self.failing = true;
            }
            _ if done > 0 => {
                if self.failing {
                    tracing::info!(consumer, "events are handled again");
                    self.failing = false;
                }
                self.backoff.reset();
            }
            _ => {}
        }
        let pause = if again > 0 { self.backoff.next() } else { Duration::ZERO };
        Round { verdicts: verdicts.to_vec(), pause, stuck }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    };

    use async_trait::async_trait;

    use super::*;

    /// Fails whenever it sees certain events.
    #[derive(Default)]
    struct Moody {
        fails_at: &'static [&'static str],
        panics_at: &'static [&'static str],
        foreign_poison: bool,
        down: AtomicBool,
        handled: Mutex<Vec<String>>,
    }

    #[async_trait]
    impl Consumer for Moody {
        async fn handle(&self, events: &[Arc<Event>]) -> Result<(), HandleError> {
            let any = |ids: &[&str]| events.iter().any(|event| ids.contains(&event.id.as_str()));
            assert!(!any(self.panics_at), "as told");
            if any(self.fails_at) || self.down.load(Ordering::SeqCst) {
                return Err(HandleError::transient("as told"));
            }
            if self.foreign_poison {
                return Err(HandleError::Poison {
                    event_id: "another".to_owned(),
                    reason: "as told".to_owned(),
                });
            }
            self.handled.lock().unwrap().extend(events.iter().map(|event| event.id.clone()));
            Ok(())
        }
    }

    fn events(ids: &[String]) -> Vec<Arc<Event>> {
        ids.iter().map(|id| Arc::new(Event { id: id.clone(), ..Event::default() })).collect()
    }

    /// Hands events until none is to be handed again, with new ones every round. Gives the rounds and the parked.
    async fn hand_all(consumer: &Arc<Moody>, first: &[&str]) -> (usize, Vec<String>) {
        let mut hands = Hands::new("moody", consumer.clone(), 256);
        let mut waiting: Vec<String> = first.iter().map(|id| (*id).to_owned()).collect();
        let mut parked = Vec::new();
        for round in 1..=200 {
            waiting.push(format!("new in round {round}"));
            let verdicts = hands.hand(&events(&waiting)).await.verdicts;
            let mut again = Vec::new();
            for (id, verdict) in waiting.into_iter().zip(verdicts) {
                match verdict {
                    Verdict::Done => {}
                    Verdict::Park(_) => parked.push(id),
                    Verdict::Again => again.push(id),
                }
            }
            waiting = again;
            if waiting.is_empty() {
                return (round, parked);
            }
        }
        panic!("it never ended, waiting for {waiting:?}");
    }

    #[tokio::test]
    async fn an_event_that_panics_is_parked_and_the_others_are_handled() {
        let consumer = Arc::new(Moody { panics_at: &["bad"], ..Moody::default() });
        let (_, parked) = hand_all(&consumer, &["a", "b", "bad", "c"]).await;
        assert_eq!(parked, ["bad"]);
        let handled = consumer.handled.lock().unwrap().clone();
        assert!(
            ["a", "b", "c", "new in round 5"].iter().all(|id| handled.contains(&(*id).to_owned())),
            "{handled:?}"
        );
    }

    #[tokio::test]
    async fn an_event_that_fails_alone_is_parked_only_after_many_tries() {
        let consumer = Arc::new(Moody { fails_at: &["bad", "worse"], ..Moody::default() });
        let (rounds, parked) = hand_all(&consumer, &["a", "bad", "b", "worse"]).await;
        assert_eq!(parked, ["bad", "worse"]);
        assert!(rounds >= TRIES as usize, "{rounds} rounds are not many tries");
    }

    #[tokio::test]
    async fn no_event_is_blamed_while_nothing_succeeds() {
        let consumer = Arc::new(Moody::default());
        consumer.down.store(true, Ordering::SeqCst);
        let mut hands = Hands::new("moody", consumer.clone(), 256);
        let batch = events(&["a", "b", "c", "d", "e"].map(str::to_owned));
        for _ in 0..100 {
            let round = hands.hand(&batch).await;
            assert!(round.stuck && round.verdicts.iter().all(|verdict| *verdict == Verdict::Again));
            assert!(round.pause > Duration::ZERO && round.pause < Duration::from_secs(3));
        }
        consumer.down.store(false, Ordering::SeqCst);
        let round = hands.hand(&batch).await;
        assert!(!round.stuck && round.verdicts.iter().all(|verdict| *verdict == Verdict::Done));
    }

    #[tokio::test]
    async fn poison_that_was_not_handed_parks_nothing() {
        let consumer = Arc::new(Moody { foreign_poison: true, ..Moody::default() });
        let round = Hands::new("moody", consumer, 256).hand(&events(&["a".to_owned(), "b".to_owned()])).await;
        assert_eq!(round.verdicts, [Verdict::Again, Verdict::Again]);
    }
}
