//! What must hold after any fault: the system holds what it acknowledged, nothing that nobody asked for, and its figures are
//! those of its leads.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use chrono::{DateTime, Utc};
use leadline_testbed::eventually;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    client::{Client, PASSWORD},
    figures,
    journal::{Asked, Journal, Outcome, Write},
    replay::{self, Replayed},
    text,
};

/// How many accounts are signed in to; each costs a password's hash.
const ACCOUNTS_TRIED: usize = 20;

/// All that a workspace shows.
#[derive(Debug)]
pub struct Ledger {
    /// Leads as lists have them, those of the trash too.
    pub leads: BTreeMap<String, Value>,
    /// Which of them are in the trash.
    pub trashed: BTreeSet<String>,
    /// The log, newest first.
    pub log: Vec<Value>,
    /// Reminders.
    pub reminders: Vec<Value>,
}

/// How much was compared.
#[derive(Debug, Clone, Copy)]
pub struct Compared {
    /// Leads, with those in the trash.
    pub leads: usize,
    /// Entries of the log.
    pub entries: usize,
    /// Reminders that are shown.
    pub reminders: usize,
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} leads, {} log entries, {} reminders", self.leads, self.entries, self.reminders)
    }
}

/// Compares the journal with what the system shows, and the figures with a recount. Tries again until `limit` has passed:
/// figures may lag, and what was cut off may take a moment to end.
///
/// # Errors
/// With the differences that are left.
pub async fn check(person: &Client, journal: &Journal, limit: Duration) -> Result<Compared> {
    check_writes(person, &journal.writes(), limit).await
}

/// As [`check`], with writes of which some may have another outcome than the journal's: what a copy of the system should hold.
///
/// # Errors
/// With the differences that are left.
pub async fn check_writes(person: &Client, writes: &[Write], limit: Duration) -> Result<Compared> {
    let mut took = Duration::ZERO;
    eventually(limit, "the system holds what it acknowledged and no more, and counts it right", async || {
        // To tell everything is work for it, too: it has as long for what it is at.
        sleep(took).await;
        let began = Instant::now();
        let ledger = Ledger::read(person).await?;
        let mut faults = Faults::default();
        let replayed = replay::replay(&ledger.log, writes, &mut faults);
        ledger.compare_leads(&replayed, &mut faults);
        ledger.compare_reminders(writes, &replayed, &mut faults);
        figures::compare(person, &ledger, &replayed, &mut faults).await?;
        took = began.elapsed();
        faults.none()?;
        Ok(Compared {
            leads: ledger.leads.len(),
            entries: ledger.log.len(),
            reminders: ledger.reminders.len(),
        })
    })
    .await
}

/// Signs in to the newest accounts of the journal: those that were acknowledged are there, those that were refused are not.
///
/// # Errors
/// With every account for which that does not hold.
pub async fn check_accounts(base: &str, journal: &Journal) -> Result<()> {
    let nobody = Client::stranger(base);
    let writes = journal.writes();
    let accounts = writes.iter().rev().filter_map(|write| match &write.asked {
        Asked::Register { email } => Some((email, &write.outcome)),
        _ => None,
    });
    let mut faults = Faults::default();
    for (email, outcome) in accounts.take(ACCOUNTS_TRIED) {
        let body = json!({ "email": email, "password": PASSWORD, "session": "token" });
        let status = nobody.post("/auth/login", &body).await?.status.as_u16();
        let right = match outcome {
            Outcome::Ok { .. } => status == 200,
            Outcome::Refused(_) => status == 401,
            Outcome::Unknown => matches!(status, 200 | 401),
        };
        if !right {
            faults.add(format!("signing in to an account that is {outcome:?}: {status}"));
        }
    }
    faults.none()
}

/// Differences, gathered.
#[derive(Debug, Default)]
pub struct Faults(Vec<String>);

impl Faults {
    /// One more.
    pub fn add(&mut self, fault: String) {
        self.0.push(fault);
    }

    /// One more, if two things are not the same.
    pub fn same<T: PartialEq + fmt::Debug + ?Sized>(
        &mut self,
        what: impl fmt::Display,
        shown: &T,
        right: &T,
    ) {
        if shown != right {
            self.add(format!("{what}: {shown:?} instead of {right:?}"));
        }
    }

    /// Whether there are none.
    ///
    /// # Errors
    /// If there are any, with the first of them.
    pub fn none(&self) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let first: Vec<&str> = self.0.iter().take(20).map(String::as_str).collect();
        bail!("{} differences:\n  {}", self.0.len(), first.join("\n  "))
    }
}

impl Ledger {
    /// Reads all of the workspace.
    ///
    /// # Errors
    /// If any of it can't be read.
    pub async fn read(person: &Client) -> Result<Self> {
        let mut leads = BTreeMap::new();
        let mut trashed = BTreeSet::new();
        for lead in person.all("/leads").await? {
            leads.insert(text(&lead, "id").to_owned(), lead);
        }
        for lead in person.all("/leads?trashed=true").await? {
            trashed.insert(text(&lead, "id").to_owned());
            leads.insert(text(&lead, "id").to_owned(), lead);
        }
        let log = person.all("/activity").await?;
        let reminders = person.all("/reminders?view=all").await?;
        Ok(Self { leads, trashed, log, reminders })
    }

    /// The leads that count.
    pub fn live(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.leads.iter().filter(|(id, _)| !self.trashed.contains(*id))
    }

    fn compare_leads(&self, replayed: &BTreeMap<String, Replayed>, faults: &mut Faults) {
        let (shown, right) = (self.leads.len(), replayed.len());
        faults.same("leads, listed and in the log", &shown, &right);
        let mut open: HashMap<&str, i64> = HashMap::new();
        for reminder in self.reminders.iter().filter(|reminder| reminder["status"] == "pending") {
            let due = open.entry(text(&reminder["lead"], "id")).or_insert(i64::MAX);
            *due = (*due).min(time(&reminder["dueAt"]).unwrap_or_default());
        }
        for (id, row) in &self.leads {
            let Some(lead) = replayed.get(id) else {
                faults.add(format!("lead {id} has no log"));
                continue;
            };
            faults.same(format!("lead {id}: version"), &row["version"], &lead.version.into());
            faults.same(format!("lead {id}: status"), &row["status"], &lead.status.clone().into());
            faults.same(format!("lead {id}: company"), &row["company"], &lead.company);
            faults.same(format!("lead {id}: tags"), &row["tags"], &lead.tags.clone().into());
            faults.same(format!("lead {id}: notes"), &row["noteCount"], &lead.notes.into());
            faults.same(format!("lead {id}: in the trash"), &self.trashed.contains(id), &lead.deleted);
            if !lead.deleted {
                let next = time(&row["nextFollowUpAt"]);
                faults.same(format!("lead {id}: next follow-up"), &next, &open.get(id.as_str()).copied());
            }
        }
    }

    fn compare_reminders(&self, writes: &[Write], leads: &BTreeMap<String, Replayed>, faults: &mut Faults) {
        let mut by_mark: HashMap<&str, Vec<&Value>> = HashMap::new();
        for reminder in &self.reminders {
            by_mark.entry(text(reminder, "message")).or_default().push(reminder);
            if leads.get(text(&reminder["lead"], "id")).is_none_or(|lead| lead.deleted) {
                faults.add(format!("a reminder of a lead that is not there: {reminder}"));
            }
        }
        let mut completed: HashMap<&str, (bool, bool)> = HashMap::new();
        for write in writes {
            if let Asked::Complete { of } = &write.asked {
                let (surely, perhaps) = completed.entry(of).or_default();
                *surely |= write.is_ok();
                *perhaps |= write.may_be();
            }
        }
        for write in writes {
            let Asked::Remind { lead, due } = &write.asked else { continue };
            let shown = by_mark.remove(write.mark.as_str()).unwrap_or_default();
            let hidden = leads.get(lead).is_none_or(|lead| lead.deleted);
            let right = match write.outcome {
                Outcome::Ok { .. } if hidden => 0..=0,
                Outcome::Ok { .. } => 1..=1,
                Outcome::Unknown => 0..=1,
                Outcome::Refused(_) => 0..=0,
            };
            if !right.contains(&shown.len()) {
                faults.add(format!("shown {} times: {write:?}", shown.len()));
            }
            let (surely, perhaps) = completed.get(write.mark.as_str()).copied().unwrap_or_default();
            for reminder in shown {
                let done = reminder["status"] == "done";
                let fits = (done || !surely)
                    && (perhaps || !done)
                    && time(&reminder["dueAt"]) == Some(*due)
                    && text(&reminder["lead"], "id") == lead
                    && reminder["version"] == 1 + u64::from(done);
                if !fits {
                    faults.add(format!("{reminder} does not come from {write:?}"));
                }
            }
        }
        for (mark, _) in by_mark {
            faults.add(format!("nobody asked for the reminder {mark}"));
        }
    }
}

/// A time of an answer, in milliseconds since the epoch.
#[must_use]
pub fn time(value: &Value) -> Option<i64> {
    Some(DateTime::parse_from_rfc3339(value.as_str()?).ok()?.with_timezone(&Utc).timestamp_millis())
}
