//! Several clients at once, who write at random and note it in a [`Journal`].

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, ensure};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::sleep};

use crate::{
    client::{Answer, Client, PASSWORD},
    journal::{Asked, Journal, Outcome},
};

/// Longer than any deadline of the system: a request that takes longer was not cut off as it should have been.
const PATIENCE: Duration = Duration::from_secs(20);
/// The stages, in the order of the pipeline.
pub const STAGES: [&str; 5] = ["New", "Contacted", "Qualified", "Converted", "Lost"];
const SOURCES: [&str; 4] = ["Website", "Referral", "Ad", "Other"];

/// What the clients of a load have in common.
struct Load {
    journal: Arc<Journal>,
    stop: AtomicBool,
    /// Requests, again those that were sent again.
    asked: AtomicU64,
    /// Writes of which a part was down: a 5xx.
    failed: AtomicU64,
    /// What a client would call a failure: see [`Traffic::troubles`].
    troubled: AtomicU64,
    /// The first of them.
    troubles: std::sync::Mutex<Vec<String>>,
    /// Answers that should never come, for the test to see.
    wrong: std::sync::Mutex<Vec<String>>,
    slowest: AtomicU64,
}

/// Clients at work until [`Traffic::stop`].
pub struct Traffic {
    load: Arc<Load>,
    workers: JoinSet<()>,
}

impl Traffic {
    /// Starts `workers` clients with the person's token. The same seed draws the same writes (not the same interleaving).
    #[must_use]
    pub fn start(person: &Client, journal: &Arc<Journal>, workers: u64, seed: u64) -> Self {
        let load = Arc::new(Load {
            journal: journal.clone(),
            stop: AtomicBool::new(false),
            asked: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            troubled: AtomicU64::new(0),
            troubles: std::sync::Mutex::default(),
            wrong: std::sync::Mutex::default(),
            slowest: AtomicU64::new(0),
        });
        let mut set = JoinSet::new();
        for number in 0..workers {
            let worker = Worker {
                load: load.clone(),
                person: person.with_own_connections(),
                draw: StdRng::seed_from_u64(seed.wrapping_mul(1009).wrapping_add(number)),
            };
            set.spawn(worker.work());
        }
        Self { load, workers: set }
    }

    /// How many writes were answered with a 5xx so far.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.load.failed.load(Ordering::Relaxed)
    }

    /// How many requests were sent so far.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.load.asked.load(Ordering::Relaxed)
    }

    /// What failed so far in a client's eyes, how often, and the first of it: a 5xx, a connection that broke, a token that does
    /// not hold.
    #[must_use]
    pub fn troubles(&self) -> (u64, Vec<String>) {
        let first = self.load.troubles.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        (self.load.troubled.load(Ordering::Relaxed), first)
    }

    /// The longest that an answer took so far.
    #[must_use]
    pub fn slowest(&self) -> Duration {
        Duration::from_millis(self.load.slowest.load(Ordering::Relaxed))
    }

    /// Lets every client finish what it is at.
    ///
    /// # Errors
    /// If any of them got an answer that the contract does not know.
    pub async fn stop(mut self) -> Result<()> {
        self.load.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.workers.join_next().await {
            ended?;
        }
        let wrong = self.load.wrong.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        ensure!(wrong.is_empty(), "answers that should never come:\n{}", wrong.join("\n"));
        Ok(())
    }
}

impl Load {
    fn look_at(&self, answer: &Result<Answer>) {
        let trouble = match answer {
            Ok(answer) if answer.status.is_server_error() || answer.status.as_u16() == 401 => {
                format!("{}: {} {}", answer.asked, answer.status, answer.body)
            }
            Ok(_) => return,
            Err(error) => format!("{error:#}"),
        };
        self.troubled.fetch_add(1, Ordering::Relaxed);
        let mut troubles = self.troubles.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if troubles.len() < 20 {
            troubles.push(format!("{} {trouble}", chrono::Utc::now().format("%H:%M:%S%.3f")));
        }
    }
}

struct Worker {
    load: Arc<Load>,
    person: Client,
    draw: StdRng,
}

impl Worker {
    async fn work(mut self) {
        while !self.stopped() {
            let sent = self.one().await;
            if !sent {
                // Nobody there: a program is starting again.
                sleep(Duration::from_millis(20)).await;
            }
        }
    }

    fn stopped(&self) -> bool {
        self.load.stop.load(Ordering::Relaxed)
    }

    /// Draws a write and carries it out; whether it left at all.
    async fn one(&mut self) -> bool {
        let journal = self.load.journal.clone();
        let near = self.draw.random_bool(0.4);
        let stage = *STAGES.choose(&mut self.draw).unwrap_or(&"New");
        let Some(lead) = journal.lead(self.draw.random_range(0..1_000_000), near) else {
            return self.create(stage).await;
        };
        match self.draw.random_range(0..100) {
            0..22 => self.create(stage).await,
            22..40 => {
                let status = self.draw.random_bool(0.25).then_some(stage);
                self.edit(lead, status).await
            }
            40..60 => {
                let (number, mark) = journal.note(Asked::Move { lead: lead.clone(), to: stage });
                let body = json!({ "status": stage, "reason": mark });
                self.send(number, &mark, Method::PATCH, &format!("/leads/{lead}/status"), body).await
            }
            60..72 => {
                let (number, mark) = journal.note(Asked::Note { lead: lead.clone() });
                let body = json!({ "text": mark });
                self.send(number, &mark, Method::POST, &format!("/leads/{lead}/notes"), body).await
            }
            72..80 => {
                let soon = self.draw.random_bool(0.5);
                let wait = if soon { 1_000..4_000 } else { 3_600_000..90_000_000 };
                let due = chrono::Utc::now().timestamp_millis() + self.draw.random_range(wait);
                let (number, mark) = journal.note(Asked::Remind { lead: lead.clone(), due });
                let due = chrono::DateTime::from_timestamp_millis(due).unwrap_or_default().to_rfc3339();
                let body = json!({ "leadId": lead, "dueAt": due, "message": mark });
                self.send(number, &mark, Method::POST, "/reminders", body).await
            }
            80..84 => {
                let Some((of, id)) = journal.reminders().choose(&mut self.draw).cloned() else { return true };
                let (number, mark) = journal.note(Asked::Complete { of });
                self.send(number, &mark, Method::POST, &format!("/reminders/{id}/complete"), Value::Null)
                    .await
            }
            84..90 => self.tag().await,
            90..93 => {
                let (number, mark) = journal.note(Asked::Delete { lead: lead.clone() });
                self.send(number, &mark, Method::DELETE, &format!("/leads/{lead}"), Value::Null).await
            }
            93..96 => {
                let (number, mark) = journal.note(Asked::Restore { lead: lead.clone() });
                self.send(number, &mark, Method::POST, &format!("/leads/{lead}/restore"), Value::Null).await
            }
            96 => self.register().await,
            _ => self.refused(lead).await,
        }
    }

    async fn create(&mut self, status: &'static str) -> bool {
        let note = self.draw.random_bool(0.2);
        let source = SOURCES.choose(&mut self.draw);
        let (number, mark) = self.load.journal.note(Asked::Create { status, note });
        let mut body = json!({ "name": mark, "status": status, "source": source });
        if note {
            body["note"] = mark.as_str().into();
        }
        self.send(number, &mark, Method::POST, "/leads", body).await
    }

    async fn edit(&mut self, lead: String, status: Option<&'static str>) -> bool {
        let (number, mark) = self.load.journal.note(Asked::Edit { lead: lead.clone(), status });
        let mut body = json!({ "company": mark });
        if let Some(status) = status {
            body["status"] = status.into();
        }
        self.send(number, &mark, Method::PATCH, &format!("/leads/{lead}"), body).await
    }

    async fn register(&mut self) -> bool {
        let email = format!("{}@example.test", uuid::Uuid::new_v4().simple());
        let body = json!({ "name": "Newcomer", "email": email, "password": PASSWORD, "session": "token" });
        let (number, _) = self.load.journal.note(Asked::Register { email });
        self.carry_out(number, Method::POST, "/auth/register", &body, None).await
    }

    async fn tag(&mut self) -> bool {
        let journal = self.load.journal.clone();
        let known = journal.leads();
        let mut leads: Vec<String> = known.sample(&mut self.draw, 8).cloned().collect();
        // A lead takes fifty.
        leads.retain(|lead| journal.tries_on(lead) < 50);
        if leads.is_empty() {
            return true;
        }
        let (number, mark) = journal.note(Asked::Tag { leads: leads.clone() });
        self.send(number, &mark, Method::POST, "/leads/bulk", json!({ "ids": leads, "addTags": [mark] }))
            .await
    }

    /// What must be refused, and must leave nothing behind.
    async fn refused(&mut self, lead: String) -> bool {
        let journal = self.load.journal.clone();
        if self.draw.random_bool(0.5) {
            let (number, mark) = journal.note(Asked::Create { status: "New", note: false });
            let body = json!({ "name": mark, "status": "Elsewhere" });
            self.send(number, &mark, Method::POST, "/leads", body).await
        } else {
            let (number, mark) = journal.note(Asked::Edit { lead: lead.clone(), status: None });
            let (path, body) = (format!("/leads/{lead}"), json!({ "company": mark }));
            let stale = ("if-match", "\"999999\"");
            self.carry_out(number, Method::PATCH, &path, &body, Some(stale)).await
        }
    }

    async fn send(&mut self, number: usize, key: &str, method: Method, path: &str, body: Value) -> bool {
        let key = (method == Method::POST).then_some(("idempotency-key", key));
        self.carry_out(number, method, path, &body, key).await
    }

    /// Sends a request, and again with the same key while nobody knows what became of it; one in four is left unknown on
    /// purpose, as are those whose method takes no key. Gives whether any of it left.
    async fn carry_out(
        &mut self,
        number: usize,
        method: Method,
        path: &str,
        body: &Value,
        header: Option<(&str, &str)>,
    ) -> bool {
        let keyed = header.is_some_and(|(name, _)| name == "idempotency-key");
        let again = keyed && !self.draw.random_bool(0.25);
        let mut left = false;
        loop {
            let mut request = self.person.request(method.clone(), path).timeout(PATIENCE);
            if let Some((name, value)) = header {
                request = request.header(name, value);
            }
            if !body.is_null() {
                request = request.json(body);
            }
            let began = std::time::Instant::now();
            let answer = self.person.send(request).await;
            self.load.asked.fetch_add(1, Ordering::Relaxed);
            let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.load.slowest.fetch_max(took, Ordering::Relaxed);
            self.load.look_at(&answer);
            left |= !answer.as_ref().is_err_and(never_left);
            let status = answer.as_ref().map_or(0, |answer| answer.status.as_u16());
            match (&answer, status) {
                (Ok(answer), 200..300) => {
                    self.load.journal.settle(number, outcome(answer));
                    return true;
                }
                // What is left of a try before is still at it.
                (Ok(answer), 409) if keyed && answer.body["type"] == "/problems/in-flight" => {}
                (Ok(_), 401) => {
                    // The token's time is over: no write was even looked at.
                    if !self.stopped() && self.sign_in_again().await {
                        continue;
                    }
                }
                (Ok(answer), 400..500) => {
                    self.load.journal.settle(number, Outcome::Refused(status));
                    if !matches!(status, 404 | 412 | 422) {
                        self.complain(answer);
                    }
                    return true;
                }
                (Ok(answer), _) => {
                    self.load.failed.fetch_add(1, Ordering::Relaxed);
                    // Who is told to come again is told when.
                    if status != 503 || answer.header("retry-after").is_empty() {
                        self.complain(answer);
                    }
                }
                (Err(_), _) if !left => {
                    self.load.journal.settle(number, Outcome::Refused(0));
                    return false;
                }
                (Err(_), _) => {}
            }
            if !again || self.stopped() {
                return left;
            }
            sleep(Duration::from_millis(self.draw.random_range(20..80))).await;
        }
    }

    async fn sign_in_again(&mut self) -> bool {
        let body = json!({ "email": self.person.email, "password": PASSWORD, "session": "token" });
        match self.person.post("/auth/login", &body).await {
            Ok(answer) if answer.status == 200 => {
                self.person.signed_in(&answer);
                true
            }
            _ => false,
        }
    }

    fn complain(&self, answer: &Answer) {
        let mut wrong = self.load.wrong.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if wrong.len() < 20 {
            wrong.push(format!("{}: {} {}", answer.asked, answer.status, answer.body));
        }
    }
}

/// Whether a request failed before any of it was sent.
fn never_left(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<reqwest::Error>()).any(reqwest::Error::is_connect)
}

fn outcome(answer: &Answer) -> Outcome {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Outcome::Ok {
        id: text(&answer.body["id"]).unwrap_or_default(),
        version: answer.body["version"].as_u64(),
        status: text(&answer.body["status"]),
        failed: answer.body["failed"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|lead| text(&lead["id"]))
            .collect(),
    }
}
