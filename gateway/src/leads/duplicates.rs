//! Leads that may be the same.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use leadline_proto::leads as proto;
use leadline_runtime::caller::Caller;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::lead::{Lead, LeadRow};
use crate::{
    caller::SignedIn,
    gateway::Gateway,
    problem::Problem,
    query::{NoQuery, Query},
    words::words,
};

words! {
    /// Why two leads may be the same.
    DuplicateReason = proto::DuplicateReason {
        /// The same address, whatever its case and accents.
        Email "email",
        /// The same phone by its digits, of which there are at least six.
        Phone "phone",
        /// Nearly the same name, at the same company or the same domain of the address.
        Name "name",
    }
}

/// Likely duplicates.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Duplicates {
    /// At most 20, the likeliest first.
    items: Vec<Duplicate>,
}

/// A likely duplicate.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Duplicate {
    lead: LeadRow,
    /// Why, the best reason first.
    #[schema(min_items = 1)]
    reasons: Vec<DuplicateReason>,
}

/// What is typed so far.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes parameters in the OpenAPI document")]
pub(crate) struct TypedQuery {
    /// An address; half an address is like nothing.
    #[param(max_length = 500)]
    email: Option<String>,
    /// A phone.
    #[param(max_length = 500)]
    phone: Option<String>,
    /// A name; it counts together with a company or an address.
    #[param(max_length = 500)]
    name: Option<String>,
    /// A company.
    #[param(max_length = 500)]
    company: Option<String>,
}

/// Likely duplicates of a lead
///
/// Leads that have the same address, the same phone, or nearly the same name (a slip, another order of its words) at the same
/// company or the same domain of the address; with why. Leads in the trash are left out.
#[utoipa::path(get, path = "/api/v1/leads/{id}/duplicates", tag = "Leads",
    responses((status = 200, description = "The leads", body = Duplicates)))]
pub(crate) async fn list_duplicates(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<Duplicates>, Problem> {
    // Without an id it would be another question.
    let id = if id.is_empty() { "none".to_owned() } else { id };
    ask(&gateway, &caller, proto::FindDuplicatesRequest { id, ..Default::default() }).await
}

/// Likely duplicates of a lead that is being typed
///
/// The same before there is a lead: of an address, a phone, a name and a company.
#[utoipa::path(get, path = "/api/v1/leads/duplicates", tag = "Leads", params(TypedQuery),
    responses((status = 200, description = "The leads", body = Duplicates)))]
pub(crate) async fn find_duplicates(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    mut query: Query,
) -> Result<Json<Duplicates>, Problem> {
    let mut text = |name| {
        let parse = |text: &str| match text.chars().count() {
            0..=500 => Ok(text.to_owned()),
            _ => Err("may have 500 characters"),
        };
        query.parsed(name, parse).unwrap_or_default()
    };
    let request = proto::FindDuplicatesRequest {
        id: String::new(),
        email: text("email"),
        phone: text("phone"),
        name: text("name"),
        company: text("company"),
    };
    query.finish()?;
    ask(&gateway, &caller, request).await
}

async fn ask(
    gateway: &Gateway,
    caller: &Caller,
    request: proto::FindDuplicatesRequest,
) -> Result<Json<Duplicates>, Problem> {
    let answer = gateway.leads().find_duplicates(caller.request(request)).await?.into_inner();
    let people: Vec<&str> =
        answer.items.iter().filter_map(|item| item.lead.as_ref()).flat_map(Lead::people).collect();
    let names = gateway.people.names(caller, &people).await;
    let items = answer.items.into_iter().filter_map(|item| {
        let reasons = item.reasons.iter().map(|reason| DuplicateReason::of(*reason)).collect();
        Some(Duplicate { lead: LeadRow::of(item.lead?, &names), reasons })
    });
    Ok(Json(Duplicates { items: items.collect() }))
}
