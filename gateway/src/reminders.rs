//! Reminders: JSON in and out, the reminders service behind it.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use leadline_proto::reminders as proto;
use leadline_runtime::{caller::Caller, zone::Zone};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::{
    body::{self, NoFields},
    caller::SignedIn,
    etag::{self, IfMatch, IfMatchHeader},
    gateway::Gateway,
    leads::lead::{at, page},
    once::{self, Key},
    people::{Names, Person},
    problem::Problem,
    query::{NoQuery, Page, PageQuery, Query},
    words::words,
};

words! {
    /// Whether a reminder is still to be done.
    ReminderStatus = proto::ReminderStatus {
        /// It is.
        Pending "pending",
        /// It is done.
        Done "done",
    }
}

words! {
    /// Which reminders a list shows.
    View = proto::View {
        /// All of them.
        All "all",
        /// Due within today's civil day, whatever their status.
        Today "today",
        /// Pending and due before now.
        Overdue "overdue",
        /// Pending and due after today.
        Upcoming "upcoming",
    }
}

/// A promise to do something about a lead at a time.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reminder {
    /// UUIDv7.
    #[schema(format = "uuid")]
    id: String,
    /// The lead, with its name now.
    lead: Person,
    /// May lie in the past: it is then overdue.
    #[schema(format = "date-time")]
    due_at: String,
    /// 1 to 1,000 characters.
    message: String,
    status: ReminderStatus,
    /// Who is to do it.
    assignee: Person,
    created_by: Person,
    #[schema(format = "date-time")]
    created_at: String,
    /// When it was done.
    #[schema(required, format = "date-time")]
    completed_at: Option<String>,
    /// Raised by exactly one with every write that changes anything.
    #[schema(minimum = 1)]
    version: u64,
}

page! {
    /// A page of reminders, oldest due first.
    ReminderPage of Reminder
}

impl Reminder {
    /// From the contracts.
    pub(crate) fn of(reminder: proto::Reminder, names: &Names) -> Self {
        Self {
            id: reminder.id,
            lead: Person { id: reminder.lead_id, name: reminder.lead_name },
            due_at: at(reminder.due_at_ms),
            message: reminder.message,
            status: ReminderStatus::of(reminder.status),
            assignee: names.person(&reminder.assignee_id),
            created_by: names.person(&reminder.created_by),
            created_at: at(reminder.created_at_ms),
            completed_at: reminder.completed_at_ms.map(at),
            version: reminder.version,
        }
    }

    /// Everybody whose name is shown with it.
    pub(crate) fn people(reminder: &proto::Reminder) -> [&str; 2] {
        [&reminder.assignee_id, &reminder.created_by]
    }
}

/// A new reminder.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"leadId": "019ab0a2-7c1e-7d31-9a4e-0b1c2d3e4f50", "dueAt": "2026-11-24T09:00:00.000Z",
    "message": "Call about the offer"}))]
#[allow(dead_code, reason = "describes a body in the OpenAPI document; bodies are read by hand")]
pub(crate) struct NewReminder {
    #[schema(format = "uuid")]
    lead_id: String,
    #[schema(format = "date-time")]
    due_at: String,
    /// 1 to 1,000 characters.
    #[schema(min_length = 1, max_length = 1000, pattern = r"\S")]
    message: String,
    /// A member of the workspace; the caller if absent.
    #[schema(format = "uuid")]
    assignee_id: Option<String>,
}

/// A change of a reminder; what is absent stays.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "describes a body in the OpenAPI document; bodies are read by hand")]
pub(crate) struct ReminderPatch {
    #[schema(format = "date-time", nullable = false)]
    due_at: Option<String>,
    /// 1 to 1,000 characters.
    #[schema(min_length = 1, max_length = 1000, pattern = r"\S", nullable = false)]
    message: Option<String>,
    /// A member of the workspace.
    #[schema(format = "uuid", nullable = false)]
    assignee_id: Option<String>,
}

/// Until when to put a reminder off.
#[derive(ToSchema)]
#[schema(example = json!({"until": "2026-11-30T09:00:00.000Z"}))]
#[allow(dead_code, reason = "describes a body in the OpenAPI document; bodies are read by hand")]
pub(crate) struct Snooze {
    #[schema(format = "date-time")]
    until: String,
}

/// Which view.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes parameters in the OpenAPI document")]
pub(crate) struct ViewQuery {
    /// `all` if absent.
    view: Option<View>,
}

/// Which reminders of a view.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[allow(dead_code, reason = "describes parameters in the OpenAPI document")]
pub(crate) struct ReminderQuery {
    /// Only those of this status.
    status: Option<ReminderStatus>,
    /// Only those of this lead.
    #[param(format = "uuid")]
    lead_id: Option<String>,
    /// Only those of this member: an id, or `me`.
    #[param(example = "me")]
    assignee: Option<String>,
    /// IANA time zone of "today"; absent: the workspace's.
    #[param(example = "Europe/Berlin")]
    tz: Option<String>,
}

async fn show(gateway: &Gateway, caller: &Caller, reminder: proto::Reminder) -> Response {
    let names = gateway.people.names(caller, &Reminder::people(&reminder)).await;
    let tag = etag::of(reminder.version);
    ([(header::ETAG, tag)], Json(Reminder::of(reminder, &names))).into_response()
}

/// Create a reminder
#[utoipa::path(post, path = "/api/v1/reminders", tag = "Reminders", request_body = NewReminder,
    responses((status = 201, description = "The new reminder", body = Reminder)))]
pub(crate) async fn create_reminder(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    _: NoQuery,
    key: Key,
    mut body: body::Json,
) -> Result<Response, Problem> {
    let message = proto::CreateReminderRequest {
        lead_id: body.fields.text("leadId"),
        due_at_ms: body.fields.time("dueAt"),
        message: body.fields.text("message"),
        assignee_id: body.fields.text("assigneeId"),
        faults: body.fields.finish(),
    };
    let answer = gateway.reminders().create_reminder(key.request(&caller, message, &body.raw)).await?;
    let replayed = once::replayed(&answer);
    let reminder = answer.into_inner();
    let location = format!("/api/v1/reminders/{}", reminder.id);
    let shown = show(&gateway, &caller, reminder).await;
    let mut response = (StatusCode::CREATED, [(header::LOCATION, location)], shown).into_response();
    response.headers_mut().extend(replayed);
    Ok(response)
}

/// List reminders
///
/// Oldest due first.
#[utoipa::path(get, path = "/api/v1/reminders", tag = "Reminders", params(ViewQuery, ReminderQuery, PageQuery),
    responses((status = 200, description = "The page", body = ReminderPage)))]
pub(crate) async fn list_reminders(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    mut query: Query,
) -> Result<Json<ReminderPage>, Problem> {
    let view = query.word("view", View::parse, View::ALLOWED).unwrap_or(View::All);
    list(&gateway, &caller, view, query).await
}

/// List today's reminders
///
/// Due within today's civil day, whatever their status: the same as `view=today`.
#[utoipa::path(get, path = "/api/v1/reminders/today", tag = "Reminders", params(ReminderQuery, PageQuery),
    responses((status = 200, description = "The page", body = ReminderPage)))]
pub(crate) async fn list_today(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    query: Query,
) -> Result<Json<ReminderPage>, Problem> {
    list(&gateway, &caller, View::Today, query).await
}

/// List overdue reminders
///
/// Pending and due before now: the same as `view=overdue`.
#[utoipa::path(get, path = "/api/v1/reminders/overdue", tag = "Reminders", params(ReminderQuery, PageQuery),
    responses((status = 200, description = "The page", body = ReminderPage)))]
pub(crate) async fn list_overdue(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    query: Query,
) -> Result<Json<ReminderPage>, Problem> {
    list(&gateway, &caller, View::Overdue, query).await
}

async fn list(
    gateway: &Gateway,
    caller: &Caller,
    view: View,
    mut query: Query,
) -> Result<Json<ReminderPage>, Problem> {
    let status = query.word("status", ReminderStatus::parse, ReminderStatus::ALLOWED);
    let lead_id = query.id("leadId").unwrap_or_default();
    let assignee = query.parsed("assignee", |text| match text {
        "me" => Ok(caller.user.to_string()),
        id => leadline_runtime::ids::parse_uuid(id)
            .map(|id| id.to_string())
            .map_err(|_| "must be a member's id, or me"),
    });
    let zone = query.zone();
    let page = query.page();
    query.finish()?;
    let zone = match view {
        View::Today | View::Upcoming => gateway.zone(caller, zone).await?,
        View::All | View::Overdue => zone.unwrap_or(Zone::UTC),
    };
    let request = proto::ListRemindersRequest {
        view: view.to_proto().into(),
        status: status.map_or(0, |status| status.to_proto().into()),
        lead_id,
        assignee_id: assignee.unwrap_or_default(),
        tz: zone.name().to_owned(),
        limit: page.limit,
        cursor: page.cursor,
    };
    fetch(gateway, caller, request).await.map(Json)
}

/// The first page of a view, for the dashboard.
pub(crate) async fn first(
    gateway: &Gateway,
    caller: &Caller,
    view: View,
    zone: Zone,
    page: Page,
) -> Result<ReminderPage, Problem> {
    let request = proto::ListRemindersRequest {
        view: view.to_proto().into(),
        tz: zone.name().to_owned(),
        limit: page.limit,
        ..proto::ListRemindersRequest::default()
    };
    fetch(gateway, caller, request).await
}

async fn fetch(
    gateway: &Gateway,
    caller: &Caller,
    request: proto::ListRemindersRequest,
) -> Result<ReminderPage, Problem> {
    let answer = gateway.reminders().list_reminders(caller.request(request)).await?.into_inner();
    let people: Vec<&str> = answer.reminders.iter().flat_map(Reminder::people).collect();
    let names = gateway.people.names(caller, &people).await;
    let items = answer.reminders.into_iter().map(|reminder| Reminder::of(reminder, &names)).collect();
    Ok(ReminderPage::of(items, answer.next_cursor, answer.total))
}

/// Get a reminder
#[utoipa::path(get, path = "/api/v1/reminders/{id}", tag = "Reminders",
    responses((status = 200, description = "The reminder", body = Reminder)))]
pub(crate) async fn get_reminder(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Response, Problem> {
    let request = caller.request(proto::GetReminderRequest { id });
    let reminder = gateway.reminders().get_reminder(request).await?.into_inner();
    Ok(show(&gateway, &caller, reminder).await)
}

/// Change a reminder
#[utoipa::path(patch, path = "/api/v1/reminders/{id}", tag = "Reminders", params(IfMatchHeader),
    request_body = ReminderPatch, responses((status = 200, description = "The reminder", body = Reminder)))]
pub(crate) async fn update_reminder(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    Path(id): Path<String>,
    _: NoQuery,
    IfMatch(if_match): IfMatch,
    mut body: body::Json,
) -> Result<Response, Problem> {
    let message = proto::UpdateReminderRequest {
        id,
        due_at_ms: body.fields.patch_time("dueAt"),
        message: body.fields.patch_text("message"),
        assignee_id: body.fields.patch_text("assigneeId"),
        if_match,
        faults: body.fields.finish(),
    };
    let reminder = gateway.reminders().update_reminder(caller.request(message)).await?.into_inner();
    Ok(show(&gateway, &caller, reminder).await)
}

/// Delete a reminder
#[utoipa::path(delete, path = "/api/v1/reminders/{id}", tag = "Reminders", params(IfMatchHeader),
    responses((status = 204, description = "It is gone")))]
pub(crate) async fn delete_reminder(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    Path(id): Path<String>,
    _: NoQuery,
    IfMatch(if_match): IfMatch,
) -> Result<StatusCode, Problem> {
    gateway
        .reminders()
        .delete_reminder(caller.request(proto::DeleteReminderRequest { id, if_match }))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Mark a reminder done
///
/// Done already: nothing changes.
#[utoipa::path(post, path = "/api/v1/reminders/{id}/complete", tag = "Reminders", params(IfMatchHeader),
    responses((status = 200, description = "The reminder", body = Reminder)))]
pub(crate) async fn complete_reminder(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    Path(id): Path<String>,
    _: NoQuery,
    IfMatch(if_match): IfMatch,
    key: Key,
    NoFields(raw): NoFields,
) -> Result<Response, Problem> {
    let message = proto::CompleteReminderRequest { id, if_match };
    let answer = gateway.reminders().complete_reminder(key.request(&caller, message, &raw)).await?;
    done(&gateway, &caller, answer).await
}

/// Mark a reminder pending again
///
/// Pending already: nothing changes.
#[utoipa::path(post, path = "/api/v1/reminders/{id}/reopen", tag = "Reminders", params(IfMatchHeader),
    responses((status = 200, description = "The reminder", body = Reminder)))]
pub(crate) async fn reopen_reminder(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    Path(id): Path<String>,
    _: NoQuery,
    IfMatch(if_match): IfMatch,
    key: Key,
    NoFields(raw): NoFields,
) -> Result<Response, Problem> {
    let message = proto::ReopenReminderRequest { id, if_match };
    let answer = gateway.reminders().reopen_reminder(key.request(&caller, message, &raw)).await?;
    done(&gateway, &caller, answer).await
}

/// Put a reminder off
///
/// One that is done becomes pending again.
#[utoipa::path(post, path = "/api/v1/reminders/{id}/snooze", tag = "Reminders", params(IfMatchHeader),
    request_body = Snooze, responses((status = 200, description = "The reminder", body = Reminder)))]
pub(crate) async fn snooze_reminder(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    Path(id): Path<String>,
    _: NoQuery,
    IfMatch(if_match): IfMatch,
    key: Key,
    mut body: body::Json,
) -> Result<Response, Problem> {
    let until_ms = body.fields.time("until");
    let message = proto::SnoozeReminderRequest { id, until_ms, if_match, faults: body.fields.finish() };
    let answer = gateway.reminders().snooze_reminder(key.request(&caller, message, &body.raw)).await?;
    done(&gateway, &caller, answer).await
}

async fn done(
    gateway: &Gateway,
    caller: &Caller,
    answer: tonic::Response<proto::Reminder>,
) -> Result<Response, Problem> {
    let replayed = once::replayed(&answer);
    let mut response = show(gateway, caller, answer.into_inner()).await;
    response.headers_mut().extend(replayed);
    Ok(response)
}
