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
        Self {
            id: ReminderId::new(),
            lead,
            due_at,
            message,
            status: Status::Pending,
            assignee,
            created_by: by,
            created_at: now,
            version: Version::FIRST,
            armed: arms(due_at, now),
        }
    }

    /// Carries out a change. `None`: it is so already; nothing changed, the version neither.
    pub fn apply(&mut self, change: &Change, now: Millis) -> Option<Kind> {
        let before = self.clone();
        let kind = match change {
            Change::Edit(edit) => {
                if let Some(due_at) = edit.due_at {
                    self.set_due(due_at, now);
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
                    self.armed = false;
                }
                Kind::Completed
            }
            Change::Reopen => {
                if self.status != Status::Pending {
                    self.status = Status::Pending;
                    self.armed = arms(self.due_at, now);
                }
                Kind::Reopened
            }
            Change::Snooze(until) => {
                self.status = Status::Pending;
                self.set_due(*until, now);
                Kind::Snoozed
            }
        };
        if *self == before {
            return None;
        }
        self.version = self.version.next();
        Some(kind)
    }

    /// When it is due, if it is still to be done.
    #[must_use]
    pub fn open_due(&self) -> Option<Millis> {
        (self.status == Status::Pending).then_some(self.due_at)
    }

    fn set_due(&mut self, due_at: Millis, now: Millis) {
        if self.due_at != due_at {
            self.due_at = due_at;
            self.armed = self.status == Status::Pending && arms(due_at, now);
        }
    }
}

fn arms(due_at: Millis, now: Millis) -> bool {
    due_at.0 > now.0 - GRACE_MS
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
