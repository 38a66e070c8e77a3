//! A lead and its notes, as the contract shows them.

use leadline_proto::{leads as proto, types};
use leadline_runtime::time::Millis;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    people::{Names, Person},
    words::words,
};

words! {
    /// Where a lead came from.
    Source = proto::Source {
        /// The website.
        Website "Website",
        /// Somebody's word.
        Referral "Referral",
        /// An advertisement.
        Ad "Ad",
        /// Anything else.
        Other "Other",
    }
}

words! {
    /// The stages of the pipeline, in order. Every move between two of them is allowed.
    Status = proto::Status {
        /// Nobody has spoken to them yet.
        New "New",
        /// Somebody has.
        Contacted "Contacted",
        /// They may buy.
        Qualified "Qualified",
        /// They have bought.
        Converted "Converted",
        /// They won't.
        Lost "Lost",
    }
}

/// An instant as every answer has it.
pub(crate) fn at(ms: i64) -> String {
    Millis(ms).to_string()
}

/// A lead with its newest notes.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Lead {
    /// UUIDv7.
    #[schema(format = "uuid")]
    id: String,
    /// 1 to 200 characters.
    name: String,
    /// As typed; compared case-insensitively.
    #[schema(required)]
    email: Option<String>,
    /// As typed; compared and searched by its digits.
    #[schema(required)]
    phone: Option<String>,
    /// As typed.
    #[schema(required)]
    company: Option<String>,
    source: Source,
    status: Status,
    /// At most 50, in the order in which they were given.
    tags: Vec<String>,
    /// The newest 50, newest first; `/leads/{id}/notes` has all.
    notes: Vec<Note>,
    /// The member who looks after it.
    #[schema(required)]
    owner: Option<Person>,
    created_by: Person,
    #[schema(format = "date-time")]
    created_at: String,
    /// When anything of it changed last.
    #[schema(format = "date-time")]
    updated_at: String,
    /// When it entered its present stage.
    #[schema(format = "date-time")]
    status_changed_at: String,
    /// When somebody last did something with it.
    #[schema(format = "date-time")]
    last_activity_at: String,
    /// When its next open reminder is due.
    #[schema(required, format = "date-time")]
    next_follow_up_at: Option<String>,
    /// Raised by exactly one with every write that changes anything.
    #[schema(minimum = 1)]
    version: u64,
}

/// A lead in a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LeadRow {
    /// UUIDv7.
    #[schema(format = "uuid")]
    id: String,
    /// 1 to 200 characters.
    name: String,
    /// As typed; compared case-insensitively.
    #[schema(required)]
    email: Option<String>,
    /// As typed; compared and searched by its digits.
    #[schema(required)]
    phone: Option<String>,
    /// As typed.
    #[schema(required)]
    company: Option<String>,
    source: Source,
    status: Status,
    /// At most 50, in the order in which they were given.
    tags: Vec<String>,
    /// How many notes there are.
    note_count: u32,
    /// The member who looks after it.
    #[schema(required)]
    owner: Option<Person>,
    created_by: Person,
    #[schema(format = "date-time")]
    created_at: String,
    /// When anything of it changed last.
    #[schema(format = "date-time")]
    updated_at: String,
    /// When it entered its present stage.
    #[schema(format = "date-time")]
    status_changed_at: String,
    /// When somebody last did something with it.
    #[schema(format = "date-time")]
    last_activity_at: String,
    /// When its next open reminder is due.
    #[schema(required, format = "date-time")]
    next_follow_up_at: Option<String>,
    /// Raised by exactly one with every write that changes anything.
    #[schema(minimum = 1)]
    version: u64,
}

/// What somebody wrote down about a lead.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Note {
    /// UUIDv7.
    #[schema(format = "uuid")]
    id: String,
    /// 1 to 10,000 characters.
    text: String,
    author: Person,
    #[schema(format = "date-time")]
    created_at: String,
}

impl Lead {
    /// From the contracts.
    pub(crate) fn of(lead: proto::Lead, names: &Names) -> Self {
        Self {
            name: lead.name,
            email: lead.email,
            phone: lead.phone,
            company: lead.company,
            source: Source::of(lead.source),
            status: Status::of(lead.status),
            tags: lead.tags,
            notes: lead.notes.into_iter().map(|note| Note::of(note, names)).collect(),
            owner: names.optional(lead.owner_id.as_deref()),
            created_by: names.person(&lead.created_by),
            created_at: at(lead.created_at_ms),
            updated_at: at(lead.updated_at_ms),
            status_changed_at: at(lead.status_changed_at_ms),
            last_activity_at: at(lead.last_activity_at_ms),
            next_follow_up_at: lead.next_follow_up_at_ms.map(at),
            version: lead.version,
            id: lead.id,
        }
    }

    /// Everybody whose name is shown with it.
    pub(crate) fn people(lead: &proto::Lead) -> Vec<&str> {
        let authors = lead.notes.iter().map(|note| note.author_id.as_str());
        lead.owner_id.as_deref().into_iter().chain([lead.created_by.as_str()]).chain(authors).collect()
    }
}

impl LeadRow {
    /// From the contracts.
    pub(crate) fn of(lead: proto::Lead, names: &Names) -> Self {
        Self {
            name: lead.name,
            email: lead.email,
            phone: lead.phone,
            company: lead.company,
            source: Source::of(lead.source),
            status: Status::of(lead.status),
            tags: lead.tags,
            note_count: lead.note_count,
            owner: names.optional(lead.owner_id.as_deref()),
            created_by: names.person(&lead.created_by),
            created_at: at(lead.created_at_ms),
            updated_at: at(lead.updated_at_ms),
            status_changed_at: at(lead.status_changed_at_ms),
            last_activity_at: at(lead.last_activity_at_ms),
            next_follow_up_at: lead.next_follow_up_at_ms.map(at),
            version: lead.version,
            id: lead.id,
        }
    }
}

impl Note {
    /// From the contracts.
    pub(crate) fn of(note: proto::Note, names: &Names) -> Self {
        Self {
            id: note.id,
            text: note.text,
            author: names.person(&note.author_id),
            created_at: at(note.created_at_ms),
        }
    }
}

/// How many items match.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Total {
    /// The count, or where counting stopped.
    value: u64,
    relation: Relation,
}

/// What a total says.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Relation {
    /// Exactly so many.
    Eq,
    /// At least so many: counting stopped.
    Gte,
}

impl Total {
    /// From the contracts; a list without one has what it shows.
    pub(crate) fn of(total: Option<types::Total>, shown: usize) -> Self {
        match total {
            Some(total) => {
                Self { value: total.value, relation: if total.exact { Relation::Eq } else { Relation::Gte } }
            }
            None => Self { value: shown as u64, relation: Relation::Eq },
        }
    }
}

/// Declares a page of a list.
macro_rules! page {
    ($(#[$doc:meta])* $name:ident of $item:ty) => {
        $(#[$doc])*
        #[derive(Debug, serde::Serialize, utoipa::ToSchema)]
        #[serde(rename_all = "camelCase")]
        pub(crate) struct $name {
            /// At most `limit`.
            items: Vec<$item>,
            /// What to send as `cursor` for the next page; `null`: this is the last.
            #[schema(required)]
            next_cursor: Option<String>,
            /// How many match in all.
            total: $crate::leads::lead::Total,
        }

        impl $name {
            /// Of the items shown, the cursor as a service gives it, and the total.
            pub(crate) fn of(
                items: Vec<$item>,
                next_cursor: String,
                total: Option<leadline_proto::types::Total>,
            ) -> Self {
                let total = $crate::leads::lead::Total::of(total, items.len());
                Self { items, next_cursor: (!next_cursor.is_empty()).then_some(next_cursor), total }
            }
        }
    };
}

pub(crate) use page;

page! {
    /// A page of leads.
    LeadPage of LeadRow
}
page! {
    /// A page of a lead's notes, newest first.
    NotePage of Note
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_lead_is_shown_with_nulls_for_what_is_not_set() {
        let lead = proto::Lead {
            id: "l".into(),
            name: "Ada".into(),
            source: proto::Source::Referral as i32,
            status: proto::Status::Qualified as i32,
            created_by: "u".into(),
            created_at_ms: 1_795_426_200_123,
            next_follow_up_at_ms: Some(0),
            version: 3,
            notes: vec![proto::Note {
                id: "n".into(),
                text: "Hi".into(),
                author_id: "u".into(),
                created_at_ms: 0,
            }],
            note_count: 1,
            ..proto::Lead::default()
        };
        let names = Names::of_test([("u", "Una")]);
        let shown = serde_json::to_value(Lead::of(lead.clone(), &names)).unwrap();
        let epoch = "1970-01-01T00:00:00.000Z";
        assert_eq!(
            shown,
            json!({
                "id": "l", "name": "Ada", "email": null, "phone": null, "company": null, "source": "Referral",
                "status": "Qualified", "tags": [], "owner": null, "createdBy": {"id": "u", "name": "Una"},
                "notes": [{"id": "n", "text": "Hi", "author": {"id": "u", "name": "Una"}, "createdAt": epoch}],
                "createdAt": "2026-11-23T09:30:00.123Z", "updatedAt": epoch, "statusChangedAt": epoch,
                "lastActivityAt": epoch, "nextFollowUpAt": epoch, "version": 3
            })
        );
        let row = serde_json::to_value(LeadRow::of(lead, &names)).unwrap();
        assert_eq!(row["noteCount"], 1);
        assert!(row.get("notes").is_none());
    }

    #[test]
    fn the_last_page_has_no_cursor_and_a_cut_count_says_so() {
        let total = types::Total { value: 10_000, exact: false };
        let page = serde_json::to_value(LeadPage::of(vec![], String::new(), Some(total))).unwrap();
        assert_eq!(
            page,
            json!({"items": [], "nextCursor": null, "total": {"value": 10_000, "relation": "gte"}})
        );
    }
}
