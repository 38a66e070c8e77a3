//! Where live events come in, are kept for a while, and go out to the streams of their workspace.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use leadline_bus::{Heard, Listener};
use leadline_proto::{
    events::{Event, account_event::What as Account, event::Body, reminder_event::Kind},
    leads::{Activity, Import},
    reminders::Reminder,
};
use leadline_runtime::{
    caller::{Caller, Scope},
    ids::{SessionId, UserId, WorkspaceId, parse_uuid, time_of},
    refusal::Refusal,
    time::Millis,
    trace,
};
use prost::Message;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::flood::Flood;
use crate::gateway::Gateway;

/// What the gateway hears.
pub(crate) const KEYS: &[&str] =
    &["lead.#", "reminder.due", "analytics.changed", "import.progress", "account.#"];
/// How many events wait for the hub at most.
pub(crate) const CAPACITY: usize = 4096;

/// How long events are kept for streams that resume.
const KEPT: Duration = Duration::from_secs(10 * 60);
/// How many of them at most, of one workspace.
const MOST_OF_ONE: usize = 1_000;
/// How many of them at most, of all.
const MOST_OF_ALL: usize = 50_000;
/// How large all of them may be together, in bytes.
const MOST_BYTES: usize = 64 * 1024 * 1024;
/// How many events a stream may be behind before it has to catch up from the log.
const BEHIND: usize = 256;
/// How many streams one user may have.
const MOST_STREAMS_OF_ONE: usize = 20;
/// How many streams there may be.
const MOST_STREAMS: usize = 2_000;
/// How far apart two gateways may hear the same two events.
const APART: Duration = Duration::from_secs(5);

/// Something that streams tell.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Live {
    /// The event's id.
    pub(crate) id: String,
    /// What happened.
    pub(crate) what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum What {
    /// Something was done to a lead.
    Activity(Activity),
    /// A reminder fell due.
    Due(Reminder),
    /// Figures have changed, up to this time.
    Figures(i64),
    /// An import went on.
    Import(Box<Import>),
}

impl Live {
    /// From an event of the bus, if streams tell it.
    fn of(event: &Event) -> Option<Self> {
        let what = match event.body.as_ref()? {
            Body::Lead(lead) => What::Activity(lead.activity.clone()?),
            Body::Reminder(reminder) if reminder.kind() == Kind::Due => What::Due(reminder.reminder.clone()?),
            Body::AnalyticsChanged(changed) => What::Figures(changed.as_of_ms),
            Body::ImportProgress(progress) => What::Import(Box::new(progress.import.clone()?)),
            Body::Reminder(_) | Body::Account(_) => return None,
        };
        Some(Self { id: event.id.clone(), what })
    }

    /// About how much memory it takes: its size on a wire, and what every event takes.
    fn bytes(&self) -> usize {
        let what = match &self.what {
            What::Activity(activity) => activity.encoded_len(),
            What::Due(reminder) => reminder.encoded_len(),
            What::Figures(_) => 0,
            What::Import(import) => import.encoded_len(),
        };
        size_of::<Self>() + size_of::<Entry>() + self.id.len() + what
    }
}

/// What a stream hears.
#[derive(Debug, Clone)]
pub(crate) enum Word {
    /// Something happened.
    Live(Arc<Live>),
    /// Something may have been missed: catch up from the log.
    Missed,
}

/// All streams, and what they may have to be told again.
pub(crate) struct Hub {
    state: Mutex<State>,
    replicas: bool,
}

#[derive(Default)]
struct State {
    /// Nothing is missing from what is kept since then, in milliseconds since the epoch.
    whole_since: i64,
    kept: HashMap<WorkspaceId, VecDeque<Entry>>,
    /// The workspaces of all kept events, oldest event first.
    order: VecDeque<(WorkspaceId, u64)>,
    /// How large all kept events are together.
    bytes: usize,
    next: u64,
    channels: HashMap<WorkspaceId, broadcast::Sender<Word>>,
    streams: HashMap<u64, Stream>,
    flood: Flood,
}

struct Entry {
    number: u64,
    heard: Instant,
    bytes: usize,
    live: Arc<Live>,
}

struct Stream {
    user: UserId,
    session: SessionId,
    workspace: WorkspaceId,
    end: CancellationToken,
}

/// A stream's place. Dropping it leaves.
pub(crate) struct Place {
    hub: Arc<Hub>,
    number: u64,
    /// The stream's person has lost their session or their place in the workspace.
    pub(crate) end: CancellationToken,
    /// What happens from now on.
    pub(crate) words: broadcast::Receiver<Word>,
    /// What was missed since the last event that the client has; `None`: the log has to tell.
    pub(crate) missed: Option<Vec<Arc<Live>>>,
    /// The newest event that is kept.
    pub(crate) newest: Option<String>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.hub.lock();
        let Some(stream) = state.streams.remove(&self.number) else { return };
        state.tell();
        // The one receiver left is this stream's own.
        if state.channels.get(&stream.workspace).is_some_and(|channel| channel.receiver_count() <= 1) {
            state.channels.remove(&stream.workspace);
        }
    }
}

impl Hub {
    /// A hub that nobody listens to. `replicas`: see [`crate::Config`].
    pub(crate) fn new(replicas: bool) -> Self {
        let state = State { whole_since: Millis::now().0, ..State::default() };
        state.tell();
        Self { state: Mutex::new(state), replicas }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a stream. `last` is the last event that the client has.
    ///
    /// # Errors
    /// [`Refusal::TooMany`] if the caller has too many streams, [`Refusal::Unavailable`] if all have.
    pub(crate) fn enter(self: &Arc<Self>, caller: &Caller, last: Option<&str>) -> Result<Place, Refusal> {
        let mut state = self.lock();
        if state.streams.len() >= MOST_STREAMS {
            return Err(Refusal::Unavailable("too many live streams at once: try again".to_owned()));
        }
        if state.streams.values().filter(|stream| stream.user == caller.user).count() >= MOST_STREAMS_OF_ONE {
            return Err(Refusal::TooMany { retry_after: Duration::from_secs(10) });
        }
        let workspace = caller.workspace;
        let number = state.number();
        let end = CancellationToken::new();
        let stream = Stream { user: caller.user, session: caller.session, workspace, end: end.clone() };
        state.streams.insert(number, stream);
        state.tell();
        let words =
            state.channels.entry(workspace).or_insert_with(|| broadcast::channel(BEHIND).0).subscribe();
        // An event from before may be kept all the same, published again after a crash; what was told after it may not.
        let last = last.filter(|last| state.is_whole_since(last));
        let kept = state.kept.get(&workspace);
        let newest = kept.and_then(|kept| kept.back()).map(|entry| entry.live.id.clone());
        let missed = match (last, kept) {
            (Some(last), Some(kept)) => since(kept, last, if self.replicas { APART } else { Duration::ZERO }),
            _ => None,
        };
        Ok(Place { hub: self.clone(), number, end, words, missed, newest })
    }

    /// Keeps an event and tells it to the streams of its workspace. How far an import is is told and not kept: it would push
    /// out what happened, and who comes back asks for it. Of the leads of an import only some are told, and kept.
    pub(crate) fn publish(&self, workspace: WorkspaceId, live: Live) {
        let mut state = self.lock();
        if let What::Activity(entry) = &live.what
            && !state.flood.passes(workspace, entry, Millis::now().0)
        {
            return;
        }
        let live = Arc::new(live);
        if !matches!(live.what, What::Import(_)) {
            state.keep(workspace, live.clone());
        }
        if let Some(channel) = state.channels.get(&workspace)
            && channel.send(Word::Live(live)).is_err()
        {
            // Its last stream has left.
            state.channels.remove(&workspace);
        }
    }

    /// Says that events may have been missed: what is kept has gaps, and every stream must ask the log.
    pub(crate) fn missed(&self) {
        let mut state = self.lock();
        state.whole_since = Millis::now().0;
        state.kept.clear();
        state.order.clear();
        state.bytes = 0;
        state.channels.retain(|_, channel| channel.send(Word::Missed).is_ok());
    }

    /// Ends the streams of a session.
    pub(crate) fn end_session(&self, session: SessionId) {
        self.end(|stream| stream.session == session);
    }

    /// Ends the streams of a member.
    pub(crate) fn end_member(&self, user: UserId, workspace: WorkspaceId) {
        self.end(|stream| stream.user == user && stream.workspace == workspace);
    }

    fn end(&self, meant: impl Fn(&Stream) -> bool) {
        self.lock().streams.values().filter(|stream| meant(stream)).for_each(|stream| stream.end.cancel());
    }
}

impl State {
    fn tell(&self) {
        #[allow(clippy::cast_precision_loss, reason = "a gauge")]
        metrics::gauge!("leadline_streams_open").set(self.streams.len() as f64);
    }

    /// Whether everything is kept that came after an event. Other machines' clocks may be a little ahead.
    fn is_whole_since(&self, event: &str) -> bool {
        let at = parse_uuid(event).ok().and_then(time_of);
        at.is_some_and(|at| at.before(APART).0 > self.whole_since)
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn keep(&mut self, workspace: WorkspaceId, live: Arc<Live>) {
        let (number, bytes) = (self.number(), live.bytes());
        self.bytes += bytes;
        let kept = self.kept.entry(workspace).or_default();
        kept.push_back(Entry { number, heard: Instant::now(), bytes, live });
        let too_many = if kept.len() > MOST_OF_ONE { kept.pop_front() } else { None };
        self.bytes -= too_many.map_or(0, |entry| entry.bytes);
        self.order.push_back((workspace, number));
        self.forget();
    }

    /// Drops what is too old or too much.
    fn forget(&mut self) {
        while let Some((workspace, number)) = self.order.front().copied() {
            let oldest = self.kept.get(&workspace).and_then(|kept| kept.front());
            // An entry that went because its workspace had too many is in no queue any more.
            let there = oldest.filter(|entry| entry.number == number);
            let old = there.is_none_or(|entry| entry.heard.elapsed() > KEPT);
            if !old && self.order.len() <= MOST_OF_ALL && self.bytes <= MOST_BYTES {
                return;
            }
            if there.is_some()
                && let Some(kept) = self.kept.get_mut(&workspace)
            {
                self.bytes -= kept.pop_front().map_or(0, |entry| entry.bytes);
                if kept.is_empty() {
                    self.kept.remove(&workspace);
                }
            }
            self.order.pop_front();
        }
    }
}

/// What was heard after an event, and up to `apart` before it; `None` if the event is not kept.
fn since(kept: &VecDeque<Entry>, last: &str, apart: Duration) -> Option<Vec<Arc<Live>>> {
    let place = kept.iter().rposition(|entry| entry.live.id == last)?;
    let heard = kept[place].heard;
    let missed = kept.iter().enumerate().filter(|(at, entry)| {
        *at > place || (*at < place && !apart.is_zero() && heard.duration_since(entry.heard) <= apart)
    });
    Some(missed.map(|(_, entry)| entry.live.clone()).collect())
}

/// Hears events until the process stops.
pub(crate) async fn run(gateway: Arc<Gateway>, mut listener: Listener) {
    loop {
        let heard = tokio::select! {
            heard = listener.recv() => heard,
            () = gateway.stop.stopping() => return,
        };
        match heard {
            Some(Heard::Event(event)) => hear(&gateway, &event),
            Some(Heard::Missed) => {
                gateway.renew_all();
                gateway.hub.missed();
            }
            None => return,
        }
    }
}

fn hear(gateway: &Gateway, event: &Event) {
    let _span = trace::consumer_span("live", &event.traceparent);
    let workspace = Scope::of_event(event).map(Scope::workspace);
    if let Some(Body::Account(account)) = &event.body {
        match workspace {
            Some(workspace) => gateway.renew(workspace),
            // Somebody's own matter: their name may stand in any workspace.
            None => gateway.renew_all(),
        }
        match (&account.what, workspace) {
            (Some(Account::SessionEnded(ended)), _) => {
                if let Ok(session) = parse_uuid(&ended.session_id) {
                    gateway.hub.end_session(session.into());
                }
            }
            (Some(Account::MemberRemoved(gone)), Some(workspace)) => {
                end_member(gateway, &gone.user_id, workspace);
            }
            (Some(Account::RoleChanged(changed)), Some(workspace)) => {
                end_member(gateway, &changed.user_id, workspace);
            }
            _ => {}
        }
    } else if let (Some(workspace), Some(live)) = (workspace, Live::of(event)) {
        gateway.hub.publish(workspace, live);
    }
}

fn end_member(gateway: &Gateway, user: &str, workspace: WorkspaceId) {
    if let Ok(user) = parse_uuid(user) {
        gateway.hub.end_member(user.into(), workspace);
    }
}

#[cfg(test)]
mod tests {
    use leadline_runtime::ids::uuid_at;

    use super::*;

    fn live(id: &str) -> Live {
        Live { id: id.to_owned(), what: What::Figures(0) }
    }

    fn imported(id: &str) -> Live {
        let import = leadline_proto::leads::activity::Imported { import_id: "i".into(), created: true };
        let what = Some(leadline_proto::leads::activity::What::Imported(import));
        Live { id: id.to_owned(), what: What::Activity(Activity { what, ..Activity::default() }) }
    }

    fn ids(missed: Option<Vec<Arc<Live>>>) -> Option<Vec<String>> {
        missed.map(|missed| missed.iter().map(|live| live.id.clone()).collect())
    }

    fn missed(hub: &Hub, workspace: WorkspaceId, last: &str) -> Option<Vec<String>> {
        let state = hub.lock();
        let apart = if hub.replicas { APART } else { Duration::ZERO };
        ids(since(state.kept.get(&workspace)?, last, apart))
    }

    #[test]
    fn a_stream_resumes_after_the_event_that_it_has() {
        let hub = Hub::new(false);
        let (one, other) = (WorkspaceId::new(), WorkspaceId::new());
        for id in ["a", "b", "c"] {
            hub.publish(one, live(id));
        }
        hub.publish(other, live("x"));
        assert_eq!(missed(&hub, one, "a"), Some(vec!["b".into(), "c".into()]));
        assert_eq!(missed(&hub, one, "c"), Some(vec![]));
        assert_eq!(missed(&hub, one, "x"), None, "an event of another workspace is not known here");
    }

    #[test]
    fn an_event_from_before_the_process_is_looked_up_in_the_log_though_it_is_kept() {
        let now = Millis::now();
        let state = State { whole_since: now.0, ..State::default() };
        let id = |at: Millis| uuid_at(at).to_string();
        assert!(!state.is_whole_since(&id(now.before(Duration::from_secs(1)))));
        assert!(!state.is_whole_since(&id(now)), "another machine's clock may be ahead");
        assert!(state.is_whole_since(&id(now.after(APART * 2))));
        assert!(!state.is_whole_since("x"));
    }

    #[test]
    fn beside_other_gateways_the_last_seconds_are_told_again() {
        let hub = Hub::new(true);
        let workspace = WorkspaceId::new();
        for id in ["a", "b", "c"] {
            hub.publish(workspace, live(id));
        }
        assert_eq!(missed(&hub, workspace, "b"), Some(vec!["a".into(), "c".into()]));
    }

    #[test]
    fn what_is_kept_is_bounded_by_workspace_and_in_all() {
        let hub = Hub::new(false);
        let busy = WorkspaceId::new();
        for number in 0..MOST_OF_ONE + 500 {
            hub.publish(busy, live(&number.to_string()));
        }
        assert_eq!(hub.lock().kept[&busy].len(), MOST_OF_ONE);
        for _ in 0..MOST_OF_ALL + 500 {
            hub.publish(WorkspaceId::new(), live("x"));
        }
        let state = hub.lock();
        assert!(state.order.len() <= MOST_OF_ALL);
        assert!(state.kept.values().map(VecDeque::len).sum::<usize>() <= MOST_OF_ALL);
        assert!(!state.kept.contains_key(&busy), "the oldest go first");
    }

    #[test]
    fn an_import_neither_floods_streams_nor_pushes_out_what_is_kept() {
        let hub = Hub::new(false);
        let workspace = WorkspaceId::new();
        let mut words =
            hub.lock().channels.entry(workspace).or_insert_with(|| broadcast::channel(4).0).subscribe();
        hub.publish(workspace, live("a"));
        let began = Instant::now();
        for number in 0..MOST_OF_ONE {
            let imported = imported(&format!("row {number}"));
            hub.publish(workspace, imported);
        }
        let most = 2 + usize::try_from(began.elapsed().as_millis() / 500).unwrap();
        hub.publish(workspace, live("z"));
        let told = missed(&hub, workspace, "a").unwrap();
        assert!(told.first().is_some_and(|first| first == "row 0"), "{told:?}");
        assert!(told.last().is_some_and(|last| last == "z") && told.len() <= most + 1, "{told:?}");
        assert!(
            matches!(words.try_recv(), Ok(Word::Live(live)) if live.id == "a"),
            "nothing was passed over"
        );
        assert!(matches!(words.try_recv(), Ok(Word::Live(live)) if live.id == "row 0"));
    }

    #[test]
    fn the_progress_of_an_import_is_told_and_not_kept() {
        let hub = Hub::new(false);
        let workspace = WorkspaceId::new();
        let mut words =
            hub.lock().channels.entry(workspace).or_insert_with(|| broadcast::channel(4).0).subscribe();
        hub.publish(workspace, live("a"));
        hub.publish(workspace, Live { id: "b".to_owned(), what: What::Import(Box::default()) });
        assert!(matches!(words.try_recv(), Ok(Word::Live(live)) if live.id == "a"));
        assert!(matches!(words.try_recv(), Ok(Word::Live(live)) if live.id == "b"));
        assert_eq!(missed(&hub, workspace, "a"), Some(vec![]));
    }

    #[test]
    fn large_events_are_bounded_by_their_size() {
        let hub = Hub::new(false);
        let (first, busy) = (WorkspaceId::new(), WorkspaceId::new());
        hub.publish(first, live("first"));
        let large = Activity { lead_name: "x".repeat(1024 * 1024), ..Activity::default() };
        for number in 0..100 {
            let what = What::Activity(large.clone());
            hub.publish(busy, Live { id: number.to_string(), what });
        }
        let state = hub.lock();
        let kept = |workspace| state.kept.get(&workspace).map_or(0, VecDeque::len);
        assert_eq!((kept(first), kept(busy)), (0, 63), "the oldest go first");
        let bytes: usize = state.kept.values().flatten().map(|entry| entry.bytes).sum();
        assert!(bytes == state.bytes && bytes <= MOST_BYTES, "{bytes}, {}", state.bytes);
        drop(state);
        hub.missed();
        assert_eq!(hub.lock().bytes, 0);
    }

    #[test]
    fn after_a_gap_nothing_is_resumed_from_memory() {
        let hub = Hub::new(false);
        let workspace = WorkspaceId::new();
        hub.publish(workspace, live("a"));
        hub.missed();
        hub.publish(workspace, live("b"));
        assert_eq!(missed(&hub, workspace, "a"), None);
    }
}
