//! Somebody who follows the live events through every fault, as a browser does: again from the last one seen.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use leadline_testbed::eventually;
use serde_json::Value;
use tokio::{task::JoinHandle, time::sleep};

use crate::{
    client::Client,
    recount::{Faults, Ledger, time},
    stream::{Event, Stream},
    text,
};

/// A comment comes every 15 seconds: a stream that is silent for longer is dead.
const SILENCE: Duration = Duration::from_secs(20);

/// What a watcher saw.
#[derive(Debug, Default)]
struct Seen {
    events: Vec<Event>,
    /// Reminders that were due already when it loaded everything anew: those need not be told.
    shown_due: BTreeSet<String>,
    /// When it connected again, and after which event, for messages.
    resumed: Vec<String>,
}

/// Follows the events of a workspace until it is asked for what it saw.
pub struct Watcher {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Watcher {
    /// Begins. The person's first lead is made on the way, so that there is an event to resume from.
    ///
    /// # Errors
    /// If the stream can't be opened or does not tell of that lead.
    pub async fn start(person: &Client) -> Result<Self> {
        let person = person.with_own_connections();
        let mut stream = Stream::open(&person, None).await?;
        let id = text(&person.lead("The first").await?, "id").to_owned();
        let is_it = |event: &Event| event.kind == "activity" && text(&event.data["lead"], "id") == id;
        let first = stream.find(Duration::from_secs(10), "the first lead", is_it).await?;
        // Taken away again: whoever compares a journal must not find it.
        person.delete(&format!("/leads/{id}?permanent=true")).await?.expect(204)?;

        let seen = Arc::new(Mutex::new(Seen { events: vec![first], ..Seen::default() }));
        let stop = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(follow(person, stream, seen.clone(), stop.clone()));
        Ok(Self { seen, stop, task })
    }

    /// Compares what it saw with what the workspace shows: every entry of the log, and each reminder that fell due, once.
    ///
    /// # Errors
    /// With what is missing or told twice.
    pub async fn check(self, person: &Client, limit: Duration) -> Result<usize> {
        let ledger = Ledger::read(person).await?;
        let now = chrono::Utc::now().timestamp_millis();
        let told = eventually(limit, "the live events tell of everything", async || {
            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let mut faults = Faults::default();
            compare(&ledger, &seen, now, &mut faults);
            faults.none().with_context(|| format!("it resumed:\n{}", seen.resumed.join("\n")))?;
            Ok(seen.events.len())
        })
        .await;
        self.stop.store(true, Ordering::Relaxed);
        self.task.abort();
        told
    }
}

fn compare(ledger: &Ledger, seen: &Seen, now: i64, faults: &mut Faults) {
    let activities: BTreeSet<&str> =
        seen.events.iter().filter(|event| event.kind == "activity").map(|event| event.id.as_str()).collect();
    // What was done before it began to watch it need not be told.
    let began = seen.events.first().map_or("", |first| text(&first.data, "at"));
    for entry in &ledger.log {
        if text(entry, "at") >= began && !activities.contains(text(entry, "id")) {
            faults.add(format!("never told: {entry}"));
        }
    }
    let mut due: HashMap<&str, BTreeSet<&str>> = HashMap::new();
    for event in seen.events.iter().filter(|event| event.kind == "reminder.due") {
        due.entry(text(&event.data, "id")).or_default().insert(&event.id);
    }
    for reminder in &ledger.reminders {
        let times = due.get(text(reminder, "id")).map_or(0, BTreeSet::len);
        let past = time(&reminder["dueAt"]).is_some_and(|due| due < now - 3_000);
        let shown = seen.shown_due.contains(text(reminder, "id"));
        if times > 1 || (past && reminder["status"] == "pending" && times != 1 && !shown) {
            faults.add(format!("told {times} times that it is due: {reminder}"));
        }
    }
}

async fn follow(person: Client, stream: Stream, seen: Arc<Mutex<Seen>>, stop: Arc<AtomicBool>) {
    let mut person = person;
    let mut open = Some(stream);
    while !stop.load(Ordering::Relaxed) {
        if let Some(stream) = &mut open
            && let Ok(Some(event)) = stream.next(SILENCE).await
        {
            if event.kind == "reload" {
                // More was missed than can be told: a client loads everything anew.
                let (log, reminders) = everything(&person, &stop).await;
                let known = log.into_iter().map(|entry| Event {
                    id: text(&entry, "id").to_owned(),
                    kind: "activity".to_owned(),
                    data: entry,
                });
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                let last = seen.events.last().cloned();
                seen.events.extend(known);
                let now = chrono::Utc::now().timestamp_millis();
                let due =
                    reminders.iter().filter(|reminder| time(&reminder["dueAt"]).is_some_and(|due| due < now));
                seen.shown_due.extend(due.map(|reminder| text(reminder, "id").to_owned()));
                // It goes on where it was.
                seen.events.extend(last);
                seen.resumed.push("it was told to reload".to_owned());
            } else if !event.id.is_empty() {
                seen.lock().unwrap_or_else(PoisonError::into_inner).events.push(event);
            }
            continue;
        }
        let last = seen.lock().unwrap_or_else(PoisonError::into_inner).events.last().cloned();
        open = Stream::open(&person, last.as_ref().map(|event| event.id.as_str())).await.ok();
        if open.is_some() {
            let now = chrono::Utc::now();
            let told =
                last.map(|event| format!("{now} after {} {}", event.kind, event.id)).unwrap_or_default();
            seen.lock().unwrap_or_else(PoisonError::into_inner).resumed.push(told);
        } else {
            sleep(Duration::from_millis(50)).await;
            if let Ok(again) = sign_in_if_needed(&person).await {
                person = again;
            }
        }
    }
}

/// The log and the reminders, as soon as they can be read.
async fn everything(person: &Client, stop: &AtomicBool) -> (Vec<Value>, Vec<Value>) {
    while !stop.load(Ordering::Relaxed) {
        if let (Ok(log), Ok(reminders)) =
            (person.all("/activity").await, person.all("/reminders?view=all").await)
        {
            return (log, reminders);
        }
        sleep(Duration::from_millis(50)).await;
    }
    (Vec::new(), Vec::new())
}

/// The same person with a token that still holds.
async fn sign_in_if_needed(person: &Client) -> Result<Client> {
    let status = person.get("/auth/me").await?.status;
    if status.as_u16() != 401 {
        return Ok(person.clone());
    }
    let base = person.url("//");
    let again = Client::login(base.trim_end_matches('/'), &person.email).await.context("signing in again")?;
    ensure!(again.workspace == person.workspace, "another workspace");
    Ok(again)
}
