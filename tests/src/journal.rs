//! What clients asked for and what became of it, written down before it was asked.
//!
//! Each write carries a mark of its own that the system keeps in its log (a lead's name, a company, a reason, a note, a tag, a
//! message): afterwards [`crate::recount`] finds every one of them again, or shows that it is nowhere.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// What a write asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// A lead named by the mark, in this stage, with a first note or without one.
    Create {
        /// The stage.
        status: &'static str,
        /// Whether the first note is the mark too.
        note: bool,
    },
    /// A lead's company is the mark, and perhaps it moves in the same write.
    Edit {
        /// The lead.
        lead: String,
        /// Where to.
        status: Option<&'static str>,
    },
    /// A lead moves; the reason is the mark.
    Move {
        /// The lead.
        lead: String,
        /// Where to.
        to: &'static str,
    },
    /// A note, which is the mark.
    Note {
        /// The lead.
        lead: String,
    },
    /// Several leads get a tag, which is the mark.
    Tag {
        /// The leads.
        leads: Vec<String>,
    },
    /// A lead goes into the trash. It leaves no mark: it is counted.
    Delete {
        /// The lead.
        lead: String,
    },
    /// A lead comes back. It leaves no mark: it is counted.
    Restore {
        /// The lead.
        lead: String,
    },
    /// A reminder, whose message is the mark.
    Remind {
        /// The lead.
        lead: String,
        /// When, in milliseconds since the epoch.
        due: i64,
    },
    /// The reminder with this mark is done.
    Complete {
        /// That mark.
        of: String,
    },
    /// An account.
    Register {
        /// Its address.
        email: String,
    },
}

impl Asked {
    /// What kind of write it is.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Edit { .. } => "edit",
            Self::Move { .. } => "move",
            Self::Note { .. } => "note",
            Self::Tag { .. } => "tag",
            Self::Delete { .. } => "delete",
            Self::Restore { .. } => "restore",
            Self::Remind { .. } => "remind",
            Self::Complete { .. } => "complete",
            Self::Register { .. } => "register",
        }
    }
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Asked for; nobody knows.
    Unknown,
    /// A 2xx was read to its end.
    Ok {
        /// What the answer names: the lead, the note, the reminder.
        id: String,
        /// The version in the answer, where there is one.
        version: Option<u64>,
        /// The stage in the answer, where there is one.
        status: Option<String>,
        /// The leads of several that could not be changed, as the answer names them.
        failed: Vec<String>,
    },
    /// A 4xx: nothing changed. 0: it never left.
    Refused(u16),
}

/// A write.
#[derive(Debug, Clone)]
pub struct Write {
    /// Its mark, which no other write has. Also its idempotency key.
    pub mark: String,
    /// What it asked for.
    pub asked: Asked,
    /// What became of it.
    pub outcome: Outcome,
}

impl Write {
    /// Whether it was acknowledged.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        matches!(self.outcome, Outcome::Ok { .. })
    }

    /// Whether it may have happened.
    #[must_use]
    pub fn may_be(&self) -> bool {
        !matches!(self.outcome, Outcome::Refused(_))
    }
}

#[derive(Debug, Default)]
struct State {
    writes: Vec<Write>,
    leads: Vec<String>,
    tries_on: HashMap<String, usize>,
}

/// The writes of one workspace, in the order in which they were asked for.
#[derive(Debug, Default)]
pub struct Journal(Mutex<State>);

/// How many writes of a kind came to what.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Acknowledged.
    pub ok: usize,
    /// Refused, or never sent.
    pub refused: usize,
    /// Neither.
    pub unknown: usize,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ok, {} refused, {} unknown", self.ok, self.refused, self.unknown)
    }
}

impl Journal {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a write before it is sent, and gives its number and its mark. It is unknown until [`Journal::settle`].
    pub fn note(&self, asked: Asked) -> (usize, String) {
        let mut state = self.state();
        let number = state.writes.len();
        let mark = format!("mark-{number:06}");
        state.writes.push(Write { mark: mark.clone(), asked, outcome: Outcome::Unknown });
        (number, mark)
    }

    /// Notes what became of it.
    pub fn settle(&self, number: usize, outcome: Outcome) {
        let mut state = self.state();
        let write = &mut state.writes[number];
        write.outcome = outcome;
        if let (Asked::Create { .. }, Outcome::Ok { id, .. }) = (&write.asked, &write.outcome) {
            let id = id.clone();
            state.leads.push(id);
        }
    }

    /// The leads that were made for sure, oldest first.
    #[must_use]
    pub fn leads(&self) -> Vec<String> {
        self.state().leads.clone()
    }

    /// One of those leads, by a number below `of` that the caller drew: the newest come first, and more often if
    /// `near` is set. `None` while there is none.
    #[must_use]
    pub fn lead(&self, drawn: usize, near: bool) -> Option<String> {
        let state = self.state();
        let among = if near { state.leads.len().min(4) } else { state.leads.len() };
        let back = drawn.checked_rem(among)?;
        state.leads.get(state.leads.len() - 1 - back).cloned()
    }

    /// Counts a try at something that a lead can take only so often; gives how many there were before.
    pub fn tries_on(&self, lead: &str) -> usize {
        let mut state = self.state();
        let tries = state.tries_on.entry(lead.to_owned()).or_default();
        *tries += 1;
        *tries - 1
    }

    /// The reminders that were made for sure, as mark and id.
    #[must_use]
    pub fn reminders(&self) -> Vec<(String, String)> {
        let state = self.state();
        let reminders = state.writes.iter().filter_map(|write| match (&write.asked, &write.outcome) {
            (Asked::Remind { .. }, Outcome::Ok { id, .. }) => Some((write.mark.clone(), id.clone())),
            _ => None,
        });
        reminders.collect()
    }

    /// Everything, as it stands.
    #[must_use]
    pub fn writes(&self) -> Vec<Write> {
        self.state().writes.clone()
    }

    /// How many were acknowledged so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for write in &self.state().writes {
            match write.outcome {
                Outcome::Ok { .. } => tally.ok += 1,
                Outcome::Refused(_) => tally.refused += 1,
                Outcome::Unknown => tally.unknown += 1,
            }
        }
        tally
    }

    /// Of each kind: how many were asked for, and how many were acknowledged.
    #[must_use]
    pub fn kinds(&self) -> BTreeMap<&'static str, (usize, usize)> {
        let mut kinds = BTreeMap::<_, (usize, usize)>::new();
        for write in &self.state().writes {
            let (asked, ok) = kinds.entry(write.asked.kind()).or_default();
            *asked += 1;
            *ok += usize::from(write.is_ok());
        }
        kinds
    }
}
