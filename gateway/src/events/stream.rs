//! One stream: tells what happens, and never silently passes anything over.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use leadline_proto::{leads::ListActivityAfterRequest, reminders::ListDueAfterRequest};
use leadline_runtime::{
    caller::Caller,
    ids::{new_uuid, parse_uuid, time_of, uuid_at},
    refusal::Refusal,
    time::Millis,
};
use serde::Serialize;
use tokio::{
    sync::{broadcast::error::RecvError, mpsc},
    time::{Instant, MissedTickBehavior, interval_at, sleep},
};

use super::{
    Figures,
    flood::Flood,
    hub::{Live, Place, What, Word},
};
use crate::{activity::Activity, gateway::Gateway, imports::import::Import, reminders::Reminder};

/// How often a stream shows that it lives, and checks that its token still counts.
const BEAT: Duration = Duration::from_secs(15);
/// How long a client may leave what it was sent unread.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many events are told from the log at most; whoever missed more has to load everything anew.
const MOST_MISSED: usize = 5_000;
/// How many events are asked for at once.
const PAGE: u32 = 500;
/// How many ids a stream remembers to have told.
const REMEMBERED: usize = 8_192;
/// How far back the log is asked beyond the last event. A transaction may commit ten seconds after it made its ids, and a
/// service that was killed tells what it had committed only when it is back, while others tell newer things.
const BACK: Duration = Duration::from_secs(30);

/// A stream, told by a task of its own.
pub(crate) struct Stream {
    gateway: Arc<Gateway>,
    caller: Caller,
    authorization: String,
    place: Place,
    out: mpsc::Sender<Bytes>,
    told: Told,
    /// The last event that the client has.
    position: String,
}

/// Why a stream ends; there is nobody to tell it to.
struct Ended;

impl Stream {
    /// A stream to `out`. `last` is the last event that the client has.
    pub(crate) fn new(
        gateway: Arc<Gateway>,
        caller: Caller,
        authorization: String,
        place: Place,
        out: mpsc::Sender<Bytes>,
        last: Option<String>,
    ) -> (Self, bool) {
        let resumes = last.is_some();
        let mut told = Told::default();
        if let Some(last) = &last {
            told.add(last);
        }
        let position = last.or_else(|| place.newest.clone()).unwrap_or_else(|| new_uuid().to_string());
        (Self { gateway, caller, authorization, place, out, told, position }, resumes)
    }

    /// Tells until the client leaves, the token ends, or the process stops.
    pub(crate) async fn run(mut self, resumes: bool) {
        let stop = self.gateway.stop.clone();
        let (end, out) = (self.place.end.clone(), self.out.clone());
        let left = Duration::from_millis(u64::try_from(self.caller.expires.0 - Millis::now().0).unwrap_or(0));
        tokio::select! {
            () = stop.stopping() => {}
            () = end.cancelled() => {}
            () = sleep(left) => {}
            () = out.closed() => {}
            _ = self.tell(resumes) => {}
        }
    }

    async fn tell(&mut self, resumes: bool) -> Result<(), Ended> {
        self.push(Bytes::from_static(b"retry: 2000\n: connected\n\n")).await?;
        if resumes {
            match self.place.missed.take() {
                Some(missed) => {
                    for live in missed {
                        if !matches!(live.what, What::Figures(_)) {
                            self.emit(&live).await?;
                        }
                    }
                }
                None => self.catch_up(before(&self.position)).await?,
            }
        }
        self.figures().await?;
        let mut beat = interval_at(Instant::now() + BEAT, BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                word = self.place.words.recv() => match word {
                    Ok(Word::Live(live)) => self.emit(&live).await?,
                    Ok(Word::Missed) | Err(RecvError::Lagged(_)) => {
                        self.catch_up(before(&self.position)).await?;
                        self.figures().await?;
                    }
                    Err(RecvError::Closed) => return Err(Ended),
                },
                _ = beat.tick() => self.beat().await?,
            }
        }
    }

    /// A comment keeps the connection; a token that was voided unheard ends it.
    async fn beat(&mut self) -> Result<(), Ended> {
        let origin = self.caller.origin.clone();
        let admitted = self.gateway.verifier.admit_header(Some(&self.authorization), origin).await;
        if matches!(admitted, Err(Refusal::Unauthenticated(_))) {
            return Err(Ended);
        }
        self.push(Bytes::from_static(b": alive\n\n")).await
    }

    /// Makes the page load its figures anew, at the place where the client is.
    async fn figures(&mut self) -> Result<(), Ended> {
        let position = self.position.clone();
        self.send(&position, "analytics", &Figures::of(Millis::now().0)).await
    }

    async fn emit(&mut self, live: &Live) -> Result<(), Ended> {
        if !self.told.add(&live.id) {
            return Ok(());
        }
        match &live.what {
            What::Activity(activity) => {
                let names = self.gateway.people.names(&self.caller, &[activity.actor_id.as_str()]).await;
                if let Some(activity) = Activity::of(activity.clone(), &names) {
                    self.send(&live.id, "activity", &activity).await?;
                }
            }
            What::Due(reminder) => {
                let names = self.gateway.people.names(&self.caller, &Reminder::people(reminder)).await;
                self.send(&live.id, "reminder.due", &Reminder::of(reminder.clone(), &names)).await?;
            }
            // Its own id is newer than those of changes that are still on their way here: who resumed there would miss them.
            What::Figures(as_of) => {
                let position = self.position.clone();
                return self.send(&position, "analytics", &Figures::of(*as_of)).await;
            }
            What::Import(import) => {
                let names = self.gateway.people.names(&self.caller, &[import.created_by.as_str()]).await;
                let position = self.position.clone();
                return self.send(&position, "import", &Import::of((**import).clone(), &names)).await;
            }
        }
        self.position.clone_from(&live.id);
        Ok(())
    }

    async fn send(&mut self, id: &str, name: &str, data: &impl Serialize) -> Result<(), Ended> {
        // JSON has no line breaks in it: one data line is enough.
        let data = serde_json::to_string(data).map_err(|_| Ended)?;
        self.push(Bytes::from(format!("id: {id}\nevent: {name}\ndata: {data}\n\n"))).await
    }

    async fn push(&mut self, frame: Bytes) -> Result<(), Ended> {
        self.out.send_timeout(frame, PATIENCE).await.map_err(|_| Ended)
    }

    /// Tells what the log has after an event.
    async fn catch_up(&mut self, after: String) -> Result<(), Ended> {
        let missed = loop {
            match self.missed_since(&after).await {
                Ok(missed) => break missed,
                Err(Refusal::Unauthenticated(_) | Refusal::Forbidden(_)) => return Err(Ended),
                // The service is away: nothing may be passed over, so the stream waits for it, and says that it lives.
                Err(_) => {
                    self.push(Bytes::from_static(b": waiting\n\n")).await?;
                    sleep(Duration::from_secs(2)).await;
                }
            }
        };
        let Some(missed) = missed else {
            self.push(Bytes::from_static(b"event: reload\ndata: {}\n\n")).await?;
            return Ok(());
        };
        // The log has each lead of an import: as few of them are told as when it ran.
        let (workspace, mut flood) = (self.caller.workspace, Flood::default());
        for live in missed {
            if let What::Activity(entry) = &live.what
                && !flood.passes(workspace, entry, entry.at_ms)
            {
                continue;
            }
            self.emit(&live).await?;
        }
        Ok(())
    }

    /// `None`: more than can be told.
    async fn missed_since(&self, after: &str) -> Result<Option<Vec<Live>>, Refusal> {
        let (activities, due) = tokio::try_join!(self.activities_since(after), self.due_since(after))?;
        let (Some(mut missed), Some(mut due)) = (activities, due) else { return Ok(None) };
        missed.0.append(&mut due.0);
        Ok((missed.0.len() <= MOST_MISSED).then(|| missed.0.into_values().collect()))
    }

    async fn activities_since(&self, after: &str) -> Result<Option<Missed>, Refusal> {
        let (mut missed, mut after_id) = (Missed::default(), after.to_owned());
        loop {
            let request = ListActivityAfterRequest { after_id: after_id.clone(), limit: PAGE };
            let answer =
                self.gateway.leads().list_activity_after(self.caller.request(request)).await?.into_inner();
            let page = answer.activities.into_iter();
            let newest = missed
                .add(&after_id, page.map(|entry| Live { id: entry.id.clone(), what: What::Activity(entry) }));
            if !answer.complete || missed.0.len() > MOST_MISSED {
                return Ok(None);
            }
            match newest {
                Some(newest) => after_id = newest,
                None => return Ok(Some(missed)),
            }
        }
    }

    async fn due_since(&self, after: &str) -> Result<Option<Missed>, Refusal> {
        let (mut missed, mut after_id) = (Missed::default(), after.to_owned());
        loop {
            let request = ListDueAfterRequest { after_id: after_id.clone(), limit: PAGE };
            let answer =
                self.gateway.reminders().list_due_after(self.caller.request(request)).await?.into_inner();
            let page = answer.items.into_iter();
            let newest = missed.add(
                &after_id,
                page.filter_map(|due| Some(Live { id: due.event_id, what: What::Due(due.reminder?) })),
            );
            if missed.0.len() > MOST_MISSED {
                return Ok(None);
            }
            match newest {
                Some(newest) => after_id = newest,
                None => return Ok(Some(missed)),
            }
        }
    }
}

/// What was missed, by id: UUIDv7 sorts by time. Pages repeat what may have been committed late, and nothing counts twice.
#[derive(Default)]
struct Missed(BTreeMap<String, Live>);

impl Missed {
    /// Adds a page of what comes after an event. Gives the event after which to ask for more; `None`: that was all.
    fn add(&mut self, after: &str, page: impl Iterator<Item = Live>) -> Option<String> {
        let (mut new, mut newest) = (0, String::new());
        for live in page {
            if live.id.as_str() > after {
                new += 1;
                newest = newest.max(live.id.clone());
            }
            self.0.insert(live.id.clone(), live);
        }
        (new >= PAGE as usize).then_some(newest)
    }
}

/// An id that is a few seconds older.
fn before(id: &str) -> String {
    let at = parse_uuid(id).ok().and_then(time_of);
    at.map_or_else(|| id.to_owned(), |at| uuid_at(at.before(BACK)).to_string())
}

/// The ids that were told lately.
#[derive(Default)]
struct Told {
    ids: HashSet<Arc<str>>,
    order: VecDeque<Arc<str>>,
}

impl Told {
    /// False: it was told already.
    fn add(&mut self, id: &str) -> bool {
        let id: Arc<str> = id.into();
        if !self.ids.insert(id.clone()) {
            return false;
        }
        self.order.push_back(id);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_told_once_and_what_is_remembered_is_bounded() {
        let mut told = Told::default();
        assert!(told.add("a"));
        assert!(!told.add("a"));
        for number in 0..REMEMBERED {
            told.add(&number.to_string());
        }
        assert_eq!(told.ids.len(), REMEMBERED);
        assert!(told.add("a"), "forgotten long ago");
    }

    #[test]
    fn what_pages_repeat_counts_once_and_asks_for_no_more() {
        let live = |number: usize| Live { id: format!("{number:06}"), what: What::Figures(0) };
        let (mut missed, page) = (Missed::default(), PAGE as usize);
        assert_eq!(missed.add("000000", (1..=page).map(live)).as_deref(), Some("000500"));
        // The second repeats the first, and has three new ones.
        assert_eq!(missed.add("000500", (1..=page + 3).map(live)), None);
        assert_eq!(missed.0.len(), page + 3);
    }

    #[test]
    fn the_log_is_asked_from_a_little_before_the_last_event() {
        let id = uuid_at(Millis(1_795_426_200_000)).to_string();
        let earlier = before(&id);
        assert!(earlier < id);
        assert_eq!(time_of(parse_uuid(&earlier).unwrap()), Some(Millis(1_795_426_170_000)));
        assert_eq!(before("x"), "x");
    }
}
