//! What a reminder is and what can be done with it. No wire, no store.

use leadline_runtime::{id_type, ids::UserId, time::Millis, version::Version};

id_type!(ReminderId, "A reminder.");
id_type!(LeadId, "A lead; the leads service keeps it.");

/// The longest message, in Unicode code points.
pub const LONGEST_MESSAGE: usize = 1000;
/// A time this far in the past is an entry made afterwards: it is overdue at once, and nobody is told that it fell due.
const GRACE_MS: i64 = 60_000;

/// Whether it is still to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// It is.
    Pending,
    /// It was done at this time.
    Done(Millis),
}

/// What a reminder says: 1 to 1,000 code points after trimming.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message(String);

/// What can't be a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadMessage {
    /// Nothing but white space.
    #[error("is required: say in 1 to 1,000 characters what is to be done")]
    Empty,
    /// Too long.
    #[error("must have at most 1,000 characters")]
    TooLong,
    /// Not for people's eyes.
    #[error("must not contain control characters other than line breaks and tabs")]
    Control,
}

impl Message {
    /// Takes a text that can be one.
    ///
    /// # Errors
    /// [`BadMessage`] says why it can't.
    pub fn parse(text: &str) -> Result<Self, BadMessage> {
        let text = text.trim();
        if text.is_empty() {
            return Err(BadMessage::Empty);
        }
        if text.chars().count() > LONGEST_MESSAGE {
            return Err(BadMessage::TooLong);
        }
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            return Err(BadMessage::Control);
        }
        Ok(Self(text.to_owned()))
    }

    /// A text out of the store, where it was put as a message.
    #[must_use]
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A promise to do something about a lead at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reminder {
    /// Its id.
    pub id: ReminderId,
    /// The lead.
    pub lead: LeadId,
    /// When it is due; may lie in the past.
    pub due_at: Millis,
    /// What is to be done.
    pub message: Message,
    /// Whether it is done.
    pub status: Status,
    /// Who is to do it.
    pub assignee: UserId,
    /// Who made it.
    pub created_by: UserId,
    /// When.
    pub created_at: Millis,
    /// Raised by one with every change.
    pub version: Version,
    /// The clock is to tell when it falls due. Off once it has, so that it is told once for each time set.
    pub armed: bool,
    /// The due time that the clock told last.
    pub told: Option<Millis>,
}

/// What somebody changes; `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edit {
    /// When it is due.
    pub due_at: Option<Millis>,
    /// What it says.
    pub message: Option<Message>,
    /// Who is to do it.
    pub assignee: Option<UserId>,
}

/// Something to do with a reminder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Edit its fields.
    Edit(Edit),
    /// It is done.
    Complete,
    /// It is not done after all.
    Reopen,
    /// Put it off; a done one is pending again.
    Snooze(Millis),
}

/// What happened to a reminder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It was made.
    Created,
    /// It was edited.
    Updated,
    /// It was done.
    Completed,
    /// It was not done after all.
    Reopened,
    /// It was put off.
    Snoozed,
    /// It was taken away.
    Deleted,
    /// It fell due.
    Due,
    /// It is another lead's now, as leads were merged or a merge was taken back.
    Moved,
}

impl Reminder {
    /// A new one, pending.
    #[must_use]
    pub fn new(
        lead: LeadId,
        due_at: Millis,
        message: Message,
        assignee: UserId,
        by: UserId,
        now: Millis,
    ) -> Self {
        let mut new = Self {
            id: ReminderId::new(),
            lead,
            due_at,
            message,
            status: Status::Pending,
            assignee,
            created_by: by,
            created_at: now,
            version: Version::FIRST,
            armed: false,
            told: None,
        };
        new.armed = new.arms(now);
        new
    }

    /// Carries out a change. `None`: it is so already; nothing changed, the version neither.
    pub fn apply(&mut self, change: &Change, now: Millis) -> Option<Kind> {
        let before = self.clone();
        let kind = match change {
            Change::Edit(edit) => {
                if let Some(due_at) = edit.due_at {
                    self.due_at = due_at;
                }
                if let Some(message) = &edit.message {
                    self.message = message.clone();
                }
                if let Some(assignee) = edit.assignee {
                    self.assignee = assignee;
                }
                Kind::Updated
            }
            Change::Complete => {
                if self.status == Status::Pending {
                    self.status = Status::Done(now);
                }
                Kind::Completed
            }
            Change::Reopen => {
                self.status = Status::Pending;
                Kind::Reopened
            }
            Change::Snooze(until) => {
                self.status = Status::Pending;
                self.due_at = *until;
                Kind::Snoozed
            }
        };
        if *self == before {
            return None;
        }
        if self.status != before.status || self.due_at != before.due_at {
            self.armed = self.arms(now);
        }
        self.version = self.version.next();
        Some(kind)
    }

    /// When it is due, if it is still to be done.
    #[must_use]
    pub fn open_due(&self) -> Option<Millis> {
        (self.status == Status::Pending).then_some(self.due_at)
    }

    /// Whether the clock is to tell of it: it is to be done, its time is not long past, and was not told already.
    fn arms(&self, now: Millis) -> bool {
        let due = self.due_at;
        // Of the times told only the last is known: a past one before it may have been another.
        let told = self.told.is_some_and(|told| due == told || (due < told && due <= now));
        self.status == Status::Pending && due.0 > now.0 - GRACE_MS && !told
    }
}

/// Who wrote, and in which request.
#[derive(Debug, Clone)]
pub struct By {
    /// Who; `None`: the clock.
    pub actor: Option<UserId>,
    /// When.
    pub at: Millis,
    /// The request's id.
    pub request_id: String,
    /// Its trace.
    pub traceparent: String,
}

/// A lead as this service knows it: from the leads service's answer or its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownLead {
    /// Which.
    pub id: LeadId,
    /// Its version: a higher one is newer.
    pub version: u64,
    /// Its name.
    pub name: String,
    /// In the trash: its reminders are hidden.
    pub deleted: bool,
    /// Erased for good: its reminders go too.
    pub erased: bool,
    /// The lead that it went into: its reminders are that one's until the merge is taken back.
    pub merged_into: Option<LeadId>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Millis = Millis(1_795_426_200_000);

    fn reminder(due_at: Millis) -> Reminder {
        let message = Message::parse("call back").unwrap();
        Reminder::new(LeadId::new(), due_at, message, UserId::new(), UserId::new(), NOW)
    }

    fn changes() -> impl Strategy<Value = Change> {
        let time = (-100_000i64..100_000).prop_map(|by| Millis(NOW.0 + by));
        prop_oneof![
            time.clone().prop_map(|due_at| Change::Edit(Edit { due_at: Some(due_at), ..Edit::default() })),
            Just(Change::Edit(Edit::default())),
            Just(Change::Complete),
            Just(Change::Reopen),
            time.prop_map(Change::Snooze),
        ]
    }

    #[derive(Debug, Clone)]
    enum Step {
        Change(Change),
        Wait(i64),
        Tick,
    }

    /// A few times, again and again: what was set before comes back.
    fn steps() -> impl Strategy<Value = Step> {
        let time = (-5i64..5).prop_map(|nth| Millis(NOW.0 + nth * 20_000));
        let change = prop_oneof![
            time.clone().prop_map(|due_at| Change::Edit(Edit { due_at: Some(due_at), ..Edit::default() })),
            time.prop_map(Change::Snooze),
            Just(Change::Complete),
            Just(Change::Reopen),
        ];
        prop_oneof![
            3 => change.prop_map(Step::Change),
            2 => (0i64..15_000).prop_map(Step::Wait),
            2 => Just(Step::Tick),
        ]
    }

    proptest! {
        #[test]
        fn a_change_raises_the_version_by_one_and_the_same_change_again_by_none(
            before in prop::collection::vec(changes(), 0..6),
            change in changes(),
        ) {
            let mut reminder = reminder(NOW.after(std::time::Duration::from_secs(3600)));
            for change in &before {
                reminder.apply(change, NOW);
            }
            let version = reminder.version;
            let changed = reminder.apply(&change, NOW).is_some();
            prop_assert_eq!(reminder.version.0, version.0 + u64::from(changed));
            prop_assert_eq!(reminder.apply(&change, NOW), None);
        }

        #[test]
        fn each_due_time_is_told_at_most_once_and_one_that_comes_is_told(
            due in -100_000i64..100_000,
            steps in prop::collection::vec(steps(), 0..30),
        ) {
            let mut now = NOW;
            let mut reminder = reminder(Millis(NOW.0 + due));
            let mut told = Vec::new();
            // Whether its time was still to come when it was set, or when it was to be done again.
            let mut ahead = reminder.due_at > now;
            for step in steps {
                match step {
                    Step::Change(change) => {
                        let before = (reminder.due_at, reminder.status);
                        reminder.apply(&change, now);
                        if (reminder.due_at, reminder.status) != before {
                            ahead = reminder.due_at > now;
                        }
                    }
                    Step::Wait(milliseconds) => now = Millis(now.0 + milliseconds),
                    Step::Tick => {
                        if reminder.armed && reminder.due_at <= now {
                            (reminder.armed, reminder.told) = (false, Some(reminder.due_at));
                            prop_assert!(!told.contains(&reminder.due_at), "{:?} twice", reminder.due_at);
                            told.push(reminder.due_at);
                        }
                        let comes = reminder.status == Status::Pending && reminder.due_at <= now && ahead;
                        prop_assert!(!comes || told.contains(&reminder.due_at), "{:?} not", reminder.due_at);
                    }
                }
            }
        }

        #[test]
        fn a_done_reminder_is_never_armed(all in prop::collection::vec(changes(), 0..10)) {
            let mut reminder = reminder(NOW);
            for change in &all {
                reminder.apply(change, NOW);
                prop_assert!(reminder.status == Status::Pending || !reminder.armed);
            }
        }
    }

    #[test]
    fn a_snoozed_reminder_is_told_again_and_a_completed_one_is_not() {
        let mut reminder = reminder(NOW);
        reminder.armed = false;
        reminder.apply(&Change::Snooze(Millis(NOW.0 + 3_600_000)), NOW);
        assert!(reminder.armed);
        reminder.apply(&Change::Complete, NOW);
        assert!(!reminder.armed);
        assert_eq!(reminder.status, Status::Done(NOW));
    }

    #[test]
    fn a_done_reminder_that_is_snoozed_to_its_own_time_is_told() {
        let due = Millis(NOW.0 + 3_600_000);
        let mut reminder = reminder(due);
        reminder.apply(&Change::Complete, NOW);
        reminder.apply(&Change::Snooze(due), NOW);
        assert!(reminder.armed);
    }

    #[test]
    fn a_reminder_that_was_told_is_not_told_again_when_it_is_reopened() {
        let mut reminder = reminder(NOW);
        (reminder.armed, reminder.told) = (false, Some(NOW));
        let soon = Millis(NOW.0 + 10_000);
        reminder.apply(&Change::Complete, soon);
        reminder.apply(&Change::Reopen, soon);
        assert!(!reminder.armed);
        // One that was done before its time came, and is reopened after, is told.
        let mut other = self::reminder(Millis(NOW.0 + 5_000));
        other.apply(&Change::Complete, NOW);
        other.apply(&Change::Reopen, soon);
        assert!(other.armed);
    }

    #[test]
    fn a_reminder_entered_for_long_ago_is_overdue_without_being_told() {
        assert!(!reminder(Millis(NOW.0 - 3_600_000)).armed);
        assert!(reminder(Millis(NOW.0 - 1_000)).armed);
    }

    #[test]
    fn messages_are_trimmed_and_bounded_in_code_points() {
        assert_eq!(Message::parse("  call \n").unwrap().as_str(), "call");
        assert_eq!(Message::parse(" \t"), Err(BadMessage::Empty));
        assert!(Message::parse(&"😀".repeat(1000)).is_ok());
        assert_eq!(Message::parse(&"a".repeat(1001)), Err(BadMessage::TooLong));
        assert_eq!(Message::parse("a\0b"), Err(BadMessage::Control));
    }
}
