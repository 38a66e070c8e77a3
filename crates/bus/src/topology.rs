//! Who durably consumes what, in one place.
//!
//! Every relay that publishes to a broker declares the queues of all of these first: what is published before a
//! consumer's first start waits for it. An event that none of them asks for may be published to nobody.
//!
//! A relay publishes to these queues by name, so it must know them: the events of a subscription that is added here
//! begin when the relays are of that version, and the new consumer has to ask for what was before. If somebody deletes a
//! queue, what was in it is gone with it (`leadline-analytics rebuild` counts anew); what is published after is not.

/// A durable consumer's name and what it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscription {
    /// The service's name; on RabbitMQ its queue is `<prefix>.<name>`.
    pub name: &'static str,
    /// Topic patterns: words between dots, `*` for one word, `#` for any number.
    pub keys: &'static [&'static str],
}

/// Analytics counts leads.
pub const ANALYTICS: Subscription = Subscription { name: "analytics", keys: &["lead.#"] };

/// Reminders learn of deleted, restored, merged and renamed leads.
pub const REMINDERS: Subscription = Subscription { name: "reminders", keys: &["lead.#"] };

/// Leads learn of the next open reminder.
pub const LEADS: Subscription = Subscription { name: "leads", keys: &["reminder.#"] };

/// Erased workspaces. Queues of their own: a process of an older version, which knows nothing of erasures, takes nothing out
/// of them while others are of this one already.
const ERASURE: &[&str] = &["account.workspace_erased"];
/// Leads of erased workspaces are to go.
pub const LEADS_ERASURE: Subscription = Subscription { name: "leads-erasure", keys: ERASURE };
/// Reminders of erased workspaces are to go.
pub const REMINDERS_ERASURE: Subscription = Subscription { name: "reminders-erasure", keys: ERASURE };
/// Figures of erased workspaces are to go.
pub const ANALYTICS_ERASURE: Subscription = Subscription { name: "analytics-erasure", keys: ERASURE };

/// All of them.
pub const ALL: [Subscription; 6] =
    [ANALYTICS, REMINDERS, LEADS, LEADS_ERASURE, REMINDERS_ERASURE, ANALYTICS_ERASURE];
