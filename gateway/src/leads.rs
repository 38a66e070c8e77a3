//! Leads: JSON in and out, the leads service behind it.

pub(crate) mod bulk;
pub(crate) mod duplicates;
pub(crate) mod fields;
pub(crate) mod filter;
pub(crate) mod lead;
pub(crate) mod merge;
pub(crate) mod notes;

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use leadline_proto::leads as proto;
use leadline_runtime::caller::Caller;
use utoipa::IntoParams;

use self::{
    fields::{LeadPatch, LeadPut, NewLead, StatusChange},
    filter::{Filter, LeadQuery},
    lead::{Lead, LeadPage, LeadRow, Status},
};
use crate::{
    body::{self, NoFields},
    caller::SignedIn,
    etag::{self, IfMatch, IfMatchHeader},
    gateway::Gateway,
    once::{self, Key},
    problem::Problem,
    query::{NoQuery, PageQuery, Query},
};

/// The order of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes a parameter in the OpenAPI document")]
pub(crate) struct SortQuery {
    /// What to sort by; `-` for descending. Ties are broken by id in the same direction; leads without a company come
    /// last; `status` is the order of the pipeline.
    #[param(
        pattern = "^-?(createdAt|updatedAt|name|company|status)$",
        default = "-createdAt",
        example = "-createdAt"
    )]
    sort: Option<String>,
}

/// How a lead is taken away.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes a parameter in the OpenAPI document")]
pub(crate) struct DeleteQuery {
    /// Erase it now and for good, with its notes and its log (owner, admin). Works on a lead in the trash too.
    #[param(default = false)]
    permanent: Option<bool>,
}

/// A lead, with its version as its tag.
pub(crate) async fn show(gateway: &Gateway, caller: &Caller, lead: proto::Lead) -> Response {
    let names = gateway.people.names(caller, &Lead::people(&lead)).await;
    let tag = etag::of(lead.version);
    ([(header::ETAG, tag)], Json(Lead::of(lead, &names))).into_response()
}

/// List leads
///
/// A page of the leads that match all filters. Notes are left out; `noteCount` is there instead.
#[utoipa::path(get, path = "/api/v1/leads", tag = "Leads", params(LeadQuery, SortQuery, PageQuery),
    responses((status = 200, description = "The page", body = LeadPage)))]
pub(crate) async fn list_leads(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    mut query: Query,
) -> Result<Json<LeadPage>, Problem> {
    let filter = Filter::read(&mut query, &caller);
    let sort = query.parsed("sort", sort);
    let page = query.page();
    query.finish()?;
    let filter = resolve(&gateway, &caller, filter).await?;
    let (sort, descending) = sort.unwrap_or((proto::SortField::CreatedAt, true));
    let request = proto::ListLeadsRequest {
        filter: Some(filter),
        sort: sort.into(),
        descending,
        limit: page.limit,
        cursor: page.cursor,
    };
    let answer = gateway.leads().list_leads(caller.request(request)).await?.into_inner();
    let people: Vec<&str> = answer.leads.iter().flat_map(Lead::people).collect();
    let names = gateway.people.names(&caller, &people).await;
    let rows = answer.leads.into_iter().map(|lead| LeadRow::of(lead, &names)).collect();
    Ok(Json(LeadPage::of(rows, answer.next_cursor, answer.total)))
}

/// The filter in the zone that it needs.
async fn resolve(gateway: &Gateway, caller: &Caller, filter: Filter) -> Result<proto::LeadFilter, Problem> {
    let zone = match filter.zone() {
        None if !filter.needs_zone() => leadline_runtime::zone::Zone::UTC,
        asked => gateway.zone(caller, asked).await?,
    };
    Ok(filter.within(zone))
}

pub(crate) fn sort(text: &str) -> Result<(proto::SortField, bool), &'static str> {
    let (field, descending) = match text.strip_prefix('-') {
        Some(field) => (field, true),
        None => (text, false),
    };
    let field = match field {
        "createdAt" => proto::SortField::CreatedAt,
        "updatedAt" => proto::SortField::UpdatedAt,
        "name" => proto::SortField::Name,
        "company" => proto::SortField::Company,
        "status" => proto::SortField::Status,
        _ => {
            return Err(
                "must be createdAt, updatedAt, name, company or status, with - before it for descending",
            );
        }
    };
    Ok((field, descending))
}

/// Create a lead
#[utoipa::path(post, path = "/api/v1/leads", tag = "Leads", request_body = NewLead,
    responses((status = 201, description = "The new lead", body = Lead)))]
pub(crate) async fn create_lead(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    _: NoQuery,
    key: Key,
    mut body: body::Json,
) -> Result<Response, Problem> {
    let fields = fields::read(&mut body.fields);
    let note = body.fields.text("note");
    let message = proto::CreateLeadRequest { fields: Some(fields), note, faults: body.fields.finish() };
    let answer = gateway.leads().create_lead(key.request(&caller, message, &body.raw)).await?;
    let replayed = once::replayed(&answer);
    let lead = answer.into_inner();
    let location = format!("/api/v1/leads/{}", lead.id);
    let mut response = show(&gateway, &caller, lead).await;
    *response.status_mut() = StatusCode::CREATED;
    response.headers_mut().extend(HeaderValue::try_from(location).map(|value| (header::LOCATION, value)));
    response.headers_mut().extend(replayed);
    Ok(response)
}

/// Get a lead
///
/// The lead with its newest 50 notes.
#[utoipa::path(get, path = "/api/v1/leads/{id}", tag = "Leads",
    responses((status = 200, description = "The lead", body = Lead)))]
pub(crate) async fn get_lead(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Response, Problem> {
    let lead = gateway.leads().get_lead(caller.request(proto::GetLeadRequest { id })).await?.into_inner();
    Ok(show(&gateway, &caller, lead).await)
}

/// Change a lead
///
/// A JSON merge patch (RFC 7396): what is absent stays, `null` empties a field or sets its default. A patch that changes
/// nothing raises no version and logs nothing.
#[utoipa::path(patch, path = "/api/v1/leads/{id}", tag = "Leads", params(IfMatchHeader), request_body = LeadPatch,
    responses((status = 200, description = "The lead", body = Lead)))]
pub(crate) async fn update_lead(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    Path(id): Path<String>,
    _: NoQuery,
    IfMatch(if_match): IfMatch,
    mut body: body::Json,
) -> Result<Response, Problem> {
    let paths = fields::NAMES.iter().filter(|(json, _)| body.fields.has(json));
    let mask = prost_types::FieldMask { paths: paths.map(|(_, path)| (*path).to_owned()).collect() };
    let fields = fields::read(&mut body.fields);
    let message = proto::UpdateLeadRequest {
        id,
        fields: Some(fields),
        mask: Some(mask),
        if_match,
        faults: body.fields.finish(),
    };
    let lead = gateway.leads().update_lead(caller.request(message)).await?.into_inner();
    Ok(show(&gateway, &caller, lead).await)
}

/// Replace a lead's fields
///
/// A field that is absent goes back to its default.
#[utoipa::path(put, path = "/api/v1/leads/{id}", tag = "Leads", params(IfMatchHeader), request_body = LeadPut,
    responses((status = 200, description = "The lead", body = Lead)))]
pub(crate) async fn replace_lead(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    Path(id): Path<String>,
    _: NoQuery,
    IfMatch(if_match): IfMatch,
    mut body: body::Json,
) -> Result<Response, Problem> {
    let mask =
        prost_types::FieldMask { paths: fields::NAMES.iter().map(|(_, path)| (*path).to_owned()).collect() };
    let fields = fields::read(&mut body.fields);
    let message = proto::UpdateLeadRequest {
        id,
        fields: Some(fields),
        mask: Some(mask),
        if_match,
        faults: body.fields.finish(),
    };
    let lead = gateway.leads().update_lead(caller.request(message)).await?.into_inner();
    Ok(show(&gateway, &caller, lead).await)
}

/// Delete a lead
///
/// It goes into the trash: gone from every list, count, chart and reminder at once. It can be restored for 30 days.
#[utoipa::path(delete, path = "/api/v1/leads/{id}", tag = "Leads", params(DeleteQuery, IfMatchHeader),
    responses((status = 204, description = "It is gone")))]
pub(crate) async fn delete_lead(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    Path(id): Path<String>,
    mut query: Query,
    IfMatch(if_match): IfMatch,
) -> Result<StatusCode, Problem> {
    let permanent = query.flag("permanent");
    query.finish()?;
    let message = proto::DeleteLeadRequest { id, permanent, if_match };
    gateway.leads().delete_lead(caller.request(message)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Restore a deleted lead
///
/// It is out of the trash, as it was. A lead that is not in the trash stays as it is and is answered all the same.
#[utoipa::path(post, path = "/api/v1/leads/{id}/restore", tag = "Leads", params(IfMatchHeader),
    responses((status = 200, description = "The lead", body = Lead)))]
pub(crate) async fn restore_lead(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    Path(id): Path<String>,
    _: NoQuery,
    IfMatch(if_match): IfMatch,
    key: Key,
    NoFields(raw): NoFields,
) -> Result<Response, Problem> {
    let message = proto::RestoreLeadRequest { id, if_match };
    let answer = gateway.leads().restore_lead(key.request(&caller, message, &raw)).await?;
    let replayed = once::replayed(&answer);
    let mut response = show(&gateway, &caller, answer.into_inner()).await;
    response.headers_mut().extend(replayed);
    Ok(response)
}

/// Move a lead to another stage
///
/// Every move between two different stages is allowed, is logged, and stamps `statusChangedAt`. A move to the present
/// stage changes nothing.
#[utoipa::path(patch, path = "/api/v1/leads/{id}/status", tag = "Leads", params(IfMatchHeader),
    request_body = StatusChange, responses((status = 200, description = "The lead", body = Lead)))]
pub(crate) async fn move_lead(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    Path(id): Path<String>,
    _: NoQuery,
    IfMatch(if_match): IfMatch,
    mut body: body::Json,
) -> Result<Response, Problem> {
    let status = body.fields.word("status", Status::parse, Status::ALLOWED);
    let reason = body.fields.text("reason");
    let message = proto::MoveLeadRequest {
        id,
        status: status.map_or(0, |status| status.to_proto().into()),
        reason,
        if_match,
        faults: body.fields.finish(),
    };
    let lead = gateway.leads().move_lead(caller.request(message)).await?.into_inner();
    Ok(show(&gateway, &caller, lead).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_sorted_by_five_fields_in_two_directions() {
        assert_eq!(sort("name"), Ok((proto::SortField::Name, false)));
        assert_eq!(sort("-createdAt"), Ok((proto::SortField::CreatedAt, true)));
        for bad in ["", "-", "--name", "Name", "email", "name,status"] {
            assert!(sort(bad).is_err(), "{bad}");
        }
    }
}
