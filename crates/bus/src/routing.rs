//! Routing keys and the patterns that match them.

use leadline_proto::{
    events::{Event, account_event, event, reminder_event},
    leads::activity,
};

/// The key under which an event is published: the type's name. `event.unknown` for one of a newer version.
#[must_use]
pub fn routing_key(event: &Event) -> &'static str {
    use account_event::What as Account;
    use activity::What as Lead;
    use event::Body;
    use reminder_event::Kind as Reminder;

    const UNKNOWN: &str = "event.unknown";
    match &event.body {
        Some(Body::Lead(lead)) => match lead.activity.as_ref().and_then(|activity| activity.what.as_ref()) {
            Some(Lead::Created(_)) => "lead.created",
            Some(Lead::Updated(_)) => "lead.updated",
            Some(Lead::StatusChanged(_)) => "lead.status_changed",
            Some(Lead::NoteAdded(_)) => "lead.note_added",
            Some(Lead::NoteDeleted(_)) => "lead.note_deleted",
            Some(Lead::Deleted(_)) => "lead.deleted",
            Some(Lead::Restored(_)) => "lead.restored",
            Some(Lead::Merged(_)) => "lead.merged",
            Some(Lead::Unmerged(_)) => "lead.unmerged",
            Some(Lead::Imported(_)) => "lead.imported",
            // Its snapshot still counts.
            None => "lead.unknown",
        },
        Some(Body::Reminder(reminder)) => match reminder.kind() {
            Reminder::Created => "reminder.created",
            Reminder::Updated => "reminder.updated",
            Reminder::Completed => "reminder.completed",
            Reminder::Reopened => "reminder.reopened",
            Reminder::Snoozed => "reminder.snoozed",
            Reminder::Deleted => "reminder.deleted",
            Reminder::Due => "reminder.due",
            Reminder::Moved => "reminder.moved",
            Reminder::Unspecified => "reminder.unknown",
        },
        Some(Body::Account(account)) => match &account.what {
            Some(Account::SessionEnded(_)) => "account.session_ended",
            Some(Account::MemberJoined(_)) => "account.member_joined",
            Some(Account::MemberRemoved(_)) => "account.member_removed",
            Some(Account::RoleChanged(_)) => "account.role_changed",
            Some(Account::PersonRenamed(_)) => "account.person_renamed",
            Some(Account::WorkspaceChanged(_)) => "account.workspace_changed",
            Some(Account::WorkspaceErased(_)) => "account.workspace_erased",
            None => "account.unknown",
        },
        Some(Body::AnalyticsChanged(_)) => "analytics.changed",
        Some(Body::ImportProgress(_)) => "import.progress",
        None => UNKNOWN,
    }
}

/// Whether a topic pattern matches a key, as RabbitMQ sees it: words between dots, `*` is one word, `#` any number.
#[must_use]
pub fn matches(pattern: &str, key: &str) -> bool {
    fn words(pattern: &[&str], key: &[&str]) -> bool {
        match pattern.split_first() {
            None => key.is_empty(),
            Some((&"#", rest)) => (0..=key.len()).any(|taken| words(rest, &key[taken..])),
            Some((&word, rest)) => key
                .split_first()
                .is_some_and(|(first, tail)| (word == "*" || word == *first) && words(rest, tail)),
        }
    }
    let pattern: Vec<&str> = pattern.split('.').collect();
    let key: Vec<&str> = key.split('.').collect();
    words(&pattern, &key)
}

/// Whether any of the patterns does.
pub(crate) fn any_matches(patterns: &[&str], key: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use leadline_proto::{
        events::{AccountEvent, AnalyticsChanged, LeadEvent, ReminderEvent},
        leads::{Activity, activity::What},
    };

    #[test]
    fn patterns_match_as_topics_do() {
        for (pattern, key, expected) in [
            ("lead.#", "lead.created", true),
            ("lead.#", "lead", true),
            ("lead.#", "lead.note.added", true),
            ("lead.#", "leads.created", false),
            ("lead.*", "lead.created", true),
            ("lead.*", "lead", false),
            ("lead.*", "lead.note.added", false),
            ("#", "reminder.due", true),
            ("#.due", "reminder.due", true),
            ("*.due", "reminder.created", false),
            ("reminder.due", "reminder.due", true),
            ("reminder.due", "reminder.due.again", false),
            ("a.#.z", "a.z", true),
            ("a.#.z", "a.b.c.z", true),
        ] {
            assert_eq!(matches(pattern, key), expected, "{pattern} and {key}");
        }
    }

    #[test]
    fn the_key_is_the_name_of_what_happened() {
        let event = |body| Event { body: Some(body), ..Event::default() };
        let lead = |what| {
            event(event::Body::Lead(LeadEvent {
                activity: Some(Activity { what, ..Activity::default() }),
                snapshot: None,
            }))
        };
        assert_eq!(
            routing_key(&lead(Some(What::StatusChanged(activity::StatusChanged::default())))),
            "lead.status_changed"
        );
        assert_eq!(routing_key(&lead(None)), "lead.unknown");
        let due = ReminderEvent { kind: reminder_event::Kind::Due.into(), ..ReminderEvent::default() };
        assert_eq!(routing_key(&event(event::Body::Reminder(due))), "reminder.due");
        let ended = account_event::What::SessionEnded(account_event::SessionEnded::default());
        assert_eq!(
            routing_key(&event(event::Body::Account(AccountEvent { what: Some(ended) }))),
            "account.session_ended"
        );
        assert_eq!(
            routing_key(&event(event::Body::AnalyticsChanged(AnalyticsChanged::default()))),
            "analytics.changed"
        );
        assert_eq!(routing_key(&Event::default()), "event.unknown");
    }
}
