//! A running system, filled with leads as people fill it: with files.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use chrono::{DateTime, SecondsFormat, Utc};
use leadline_tests::{Client, Mode, Part, System, imports, text};
use serde_json::json;
use tokio::task::JoinSet;

use crate::{people, process::Usage, settings::Settings};

/// One file holds so many rows at most, so that it stays under the limit of a body.
const ROWS_A_FILE: u64 = 500_000;
/// Requests go to so many workspaces at most, each of as many leads as the others.
const ASKED: u64 = 64;
/// A token is good for fifteen minutes.
const FRESH: Duration = Duration::from_secs(300);
/// So many people sign up or send files at the same time.
const AT_ONCE: u64 = 2;
/// So many pages deep are the pages that are asked for.
const PAGES: usize = 100;

/// A workspace that requests go to.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its owner, signed in.
    pub person: Client,
    /// Somebody else, who signs in again and again: whoever does that too often loses their oldest sessions.
    pub visitor: String,
    /// Some of its leads.
    pub leads: Arc<Vec<String>>,
    /// Cursors of pages far from the first.
    pub cursors: Arc<Vec<String>>,
    /// Its people are drawn from this,
    pub seed: u64,
    /// and have numbers from here.
    pub first: u64,
    /// And so many leads it has.
    pub count: u64,
}

/// A running system with leads in it.
pub struct Site {
    /// How it runs.
    pub mode: Mode,
    /// Its programs.
    pub system: System,
    /// Workspaces to ask.
    pub places: Vec<Place>,
    signed_in: Instant,
}

impl Site {
    /// Starts it, empty.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn start(mode: Mode) -> Result<Self> {
        let system = System::start(mode).await?;
        Ok(Self { mode, system, places: Vec::new(), signed_in: Instant::now() })
    }

    /// Fills it with this many leads, and gives how long their files took.
    ///
    /// # Errors
    /// If a file is not taken whole.
    pub async fn fill(&mut self, leads: u64, settings: &Settings) -> Result<Duration> {
        let each = (leads / settings.workspaces).max(1);
        let began = Instant::now();
        let (mut set, now) = (JoinSet::new(), Utc::now());
        let step = (settings.workspaces / ASKED).max(1);
        let mut taken = Vec::new();
        for number in 0..settings.workspaces {
            if set.len() as u64 >= AT_ONCE
                && let Some(place) = set.join_next().await
            {
                taken.extend(place??);
            }
            let (base, seed) = (self.system.base().to_owned(), settings.seed);
            let asked = number % step == 0 && number / step < ASKED;
            set.spawn(async move {
                let place = settle(&base, seed, number * each, each, now).await?;
                anyhow::Ok(asked.then_some(place))
            });
        }
        while let Some(place) = set.join_next().await {
            taken.extend(place??);
        }
        let took = began.elapsed();
        for place in &mut taken {
            place.look_around().await?;
        }
        self.places = taken;
        self.signed_in = Instant::now();
        Ok(took)
    }

    /// Renews the tokens well before their time is over.
    ///
    /// # Errors
    /// If signing in does not work.
    pub async fn sign_in(&mut self) -> Result<()> {
        if self.signed_in.elapsed() > FRESH {
            for place in &mut self.places {
                place.person = Client::login(self.system.base(), &place.person.email).await?;
            }
            self.signed_in = Instant::now();
        }
        Ok(())
    }

    /// Where it answers, without `http://`.
    #[must_use]
    pub fn address(&self) -> String {
        self.system.base().trim_start_matches("http://").to_owned()
    }

    /// The ids of its processes.
    ///
    /// # Errors
    /// If one is not running.
    pub fn pids(&mut self) -> Result<Vec<u32>> {
        self.system.parts().into_iter().map(|part| Ok(self.system.process(part)?.pid())).collect()
    }

    /// What its processes have used up.
    ///
    /// # Errors
    /// If one is not running.
    pub fn usage(&mut self) -> Result<Usage> {
        Ok(Usage::of(&self.pids()?))
    }

    /// Ends all programs and starts them again on what they have stored.
    ///
    /// # Errors
    /// If one does not end or start.
    pub async fn restart(&mut self) -> Result<()> {
        let parts: Vec<Part> = self.system.parts();
        for part in &parts {
            self.system.terminate(*part).await?;
        }
        for part in parts {
            self.system.launch(part)?;
        }
        self.system.ready().await
    }
}

/// Somebody with a workspace of so many leads.
async fn settle(base: &str, seed: u64, first: u64, count: u64, now: DateTime<Utc>) -> Result<Place> {
    let mut person = Client::register(base, "Bench").await?;
    let mut taken = 0;
    while taken < count {
        let rows = (count - taken).min(ROWS_A_FILE);
        person = take_in(base, person, people::table(seed, first + taken, rows, now), rows).await?;
        taken += rows;
    }
    let visitor = Client::register(base, "Visitor").await?.email;
    Ok(Place { person, visitor, leads: Arc::default(), cursors: Arc::default(), seed, first, count })
}

/// Sends a file and waits until it is in, with a new token before the old one's time is over.
///
/// # Errors
/// If not every row made a lead.
pub async fn take_in(base: &str, mut person: Client, csv: String, rows: u64) -> Result<Client> {
    let sent = imports::send(&person, csv, &[("onDuplicate", "skip")]).await?.expect(202)?;
    let path = format!("/leads/imports/{}", sent.text("id"));
    let mut signed_in = Instant::now();
    loop {
        if signed_in.elapsed() > FRESH {
            (person, signed_in) = (Client::login(base, &person.email).await?, Instant::now());
        }
        let import = person.get(&path).await?.expect(200)?.body;
        if !matches!(text(&import, "state"), "queued" | "running") {
            ensure!(text(&import, "state") == "done" && import["created"] == rows, "{import}");
            return Ok(person);
        }
        tokio::time::sleep(Duration::from_millis(if rows > 5_000 { 100 } else { 10 })).await;
    }
}

impl Place {
    /// Learns ids and cursors, and leaves some notes and reminders.
    async fn look_around(&mut self) -> Result<()> {
        let mut leads = Vec::new();
        let mut cursors = Vec::new();
        for sort in ["-createdAt", "name"] {
            let mut cursor = String::new();
            for page in 0..PAGES {
                let path = format!("/leads?sort={sort}&limit=200{cursor}");
                let page_of = self.person.get(&path).await?.expect(200)?;
                if page < 10 {
                    leads.extend(page_of.ids().into_iter().map(str::to_owned));
                }
                let Some(next) = page_of.body["nextCursor"].as_str() else { break };
                cursor = format!("&cursor={next}");
                if sort == "-createdAt" && page >= 10 {
                    cursors.push(next.to_owned());
                }
            }
        }
        let day = Duration::from_secs(86_400);
        for (nth, lead) in leads.iter().take(120).enumerate() {
            let due = Utc::now() + day * u32::try_from(nth % 3)? - day;
            let due = due.to_rfc3339_opts(SecondsFormat::Millis, true);
            let reminder = json!({ "leadId": lead, "dueAt": due, "message": "Call again" });
            self.person.post("/reminders", &reminder).await?.expect(201)?;
            let note = json!({ "text": "Asked for the price of a hundred." });
            self.person.post(&format!("/leads/{lead}/notes"), &note).await?.expect(201)?;
        }
        (self.leads, self.cursors) = (leads.into(), cursors.into());
        Ok(())
    }
}
