//! What a person may set on a lead.

use leadline_proto::leads as proto;
use utoipa::ToSchema;

use super::lead::{Source, Status};
use crate::body::Fields;

/// The fields by their names in JSON and in the contracts.
pub(crate) const NAMES: [(&str, &str); 8] = [
    ("name", "name"),
    ("email", "email"),
    ("phone", "phone"),
    ("company", "company"),
    ("source", "source"),
    ("status", "status"),
    ("tags", "tags"),
    ("ownerId", "owner_id"),
];

/// Takes the fields out of a body. What is absent or `null` stays unset.
pub(crate) fn read(body: &mut Fields) -> proto::LeadFields {
    proto::LeadFields {
        name: body.text("name"),
        email: body.text("email"),
        phone: body.text("phone"),
        company: body.text("company"),
        source: body
            .word("source", Source::parse, Source::ALLOWED)
            .map_or(0, |source| source.to_proto().into()),
        status: body
            .word("status", Status::parse, Status::ALLOWED)
            .map_or(0, |status| status.to_proto().into()),
        tags: body.texts("tags").unwrap_or_default(),
        owner_id: body.text("ownerId"),
    }
}

/// A tag of a lead; compared case-insensitively.
#[derive(ToSchema)]
#[schema(min_length = 1, max_length = 50, pattern = r"\S", example = "vip")]
#[allow(dead_code, reason = "describes a field in the OpenAPI document")]
pub(crate) struct Tag(String);

/// A new lead.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "name": "Ada Lovelace", "email": "ada@example.com", "phone": "+44 20 7946 0958", "company": "Analytical Engines",
    "source": "Referral", "tags": ["vip"], "note": "Met at the fair."
}))]
#[allow(dead_code, reason = "describes a body in the OpenAPI document; bodies are read by hand")]
pub(crate) struct NewLead {
    /// 1 to 200 characters after trimming.
    #[schema(min_length = 1, max_length = 200, pattern = r"\S")]
    name: String,
    /// A syntactically valid address.
    #[schema(format = "email", max_length = 254)]
    email: Option<String>,
    /// Kept as typed.
    #[schema(max_length = 50)]
    phone: Option<String>,
    #[schema(max_length = 200)]
    company: Option<String>,
    /// `Other` if absent.
    source: Option<Source>,
    /// `New` if absent.
    status: Option<Status>,
    /// Each 1 to 50 characters; duplicates are dropped.
    #[schema(max_items = 50)]
    tags: Option<Vec<Tag>>,
    /// A member of the workspace.
    #[schema(format = "uuid")]
    owner_id: Option<String>,
    /// A first note of 1 to 10,000 characters.
    #[schema(min_length = 1, max_length = 10_000)]
    note: Option<String>,
}

/// A JSON merge patch of a lead.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"company": "Difference Ltd", "email": null}))]
#[allow(dead_code, reason = "describes a body in the OpenAPI document; bodies are read by hand")]
pub(crate) struct LeadPatch {
    /// 1 to 200 characters after trimming.
    #[schema(min_length = 1, max_length = 200, pattern = r"\S", nullable = false)]
    name: Option<String>,
    /// A syntactically valid address.
    #[schema(format = "email", max_length = 254)]
    email: Option<String>,
    /// Kept as typed.
    #[schema(max_length = 50)]
    phone: Option<String>,
    #[schema(max_length = 200)]
    company: Option<String>,
    /// `null`: back to `Other`.
    source: Option<Source>,
    /// `null`: back to `New`.
    status: Option<Status>,
    /// All tags; `null`: none.
    #[schema(max_items = 50)]
    tags: Option<Vec<Tag>>,
    /// A member of the workspace, or `null` for nobody.
    #[schema(format = "uuid")]
    owner_id: Option<String>,
}

/// All fields of a lead; one that is absent goes back to its default.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "describes a body in the OpenAPI document; bodies are read by hand")]
pub(crate) struct LeadPut {
    /// 1 to 200 characters after trimming.
    #[schema(min_length = 1, max_length = 200, pattern = r"\S")]
    name: String,
    /// A syntactically valid address.
    #[schema(format = "email", max_length = 254)]
    email: Option<String>,
    /// Kept as typed.
    #[schema(max_length = 50)]
    phone: Option<String>,
    #[schema(max_length = 200)]
    company: Option<String>,
    source: Option<Source>,
    status: Option<Status>,
    #[schema(max_items = 50)]
    tags: Option<Vec<Tag>>,
    /// A member of the workspace.
    #[schema(format = "uuid")]
    owner_id: Option<String>,
}

/// A move to another stage.
#[derive(ToSchema)]
#[schema(example = json!({"status": "Lost", "reason": "Went with somebody else"}))]
#[allow(dead_code, reason = "describes a body in the OpenAPI document; bodies are read by hand")]
pub(crate) struct StatusChange {
    status: Status,
    /// Why.
    #[schema(max_length = 500)]
    reason: Option<String>,
}
