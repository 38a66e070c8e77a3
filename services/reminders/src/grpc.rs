//! The RPCs: who may, what the fields mean, what the store is asked, and what is answered.

use std::sync::Arc;

use leadline_failpoints::{Moment, reached};
use leadline_proto::{
    auth::{CheckMembersRequest, auth_service_client::AuthServiceClient},
    leads::{GetLeadRequest, leads_service_client::LeadsServiceClient},
    reminders::{
        CompleteReminderRequest, CreateReminderRequest, DeleteReminderRequest, DeleteReminderResponse,
        GetReminderRequest, ListDueAfterRequest, ListDueAfterResponse, ListRemindersRequest,
        ListRemindersResponse, Reminder as Wire, ReminderStatus, ReopenReminderRequest,
        SnoozeReminderRequest, UpdateReminderRequest, View, list_due_after_response::Due,
        reminders_service_server::RemindersService,
    },
    types::{self, Total},
};
use leadline_runtime::{
    caller::{Caller, Role},
    cursor,
    ids::{NotAnId, UserId, parse_uuid},
    once::{self, InFlight, Once},
    refusal::Refusal,
    route::Route,
    time::Millis,
    tokens::Verifier,
    version::Precondition,
    violations::Violations,
    zone::{Zone, add_days},
};
use prost::Message as _;
use tonic::{Request, Response, Status, metadata::MetadataMap};

use crate::{
    event,
    reminder::{By, Change, Edit, KnownLead, LeadId, Message, Reminder, ReminderId},
    store::{Answer, Named, Position, Query, Store, StoreError},
};

/// The largest page.
const LARGEST_PAGE: u32 = 200;

/// The service over a store.
pub struct Grpc {
    store: Arc<dyn Store>,
    verifier: Verifier,
    auth: Route,
    leads: Route,
    in_flight: InFlight,
}

impl Grpc {
    /// Puts it together.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, verifier: Verifier, auth: Route, leads: Route) -> Self {
        Self { store, verifier, auth, leads, in_flight: InFlight::default() }
    }

    async fn admit(&self, metadata: &MetadataMap, least: Role) -> Result<Caller, Refusal> {
        let caller = self.verifier.admit(metadata).await?;
        caller.require(least)?;
        Ok(caller)
    }

    /// The person as an assignee, if they are a member now.
    async fn check_member(
        &self,
        caller: &Caller,
        id: Option<&str>,
        violations: &mut Violations,
    ) -> Result<Option<UserId>, Refusal> {
        let Some(text) = id else { return Ok(None) };
        let unknown = "is not a member of this workspace";
        let Ok(user) = UserId::parse(text) else {
            violations.add("assigneeId", unknown);
            return Ok(None);
        };
        if user == caller.user {
            return Ok(Some(user));
        }
        let question = CheckMembersRequest { user_ids: vec![user.to_string()] };
        let answer =
            AuthServiceClient::new(self.auth.clone()).check_members(caller.request(question)).await?;
        if answer.into_inner().member_ids.is_empty() {
            violations.add("assigneeId", unknown);
            return Ok(None);
        }
        Ok(Some(user))
    }

    /// The lead, as the leads service has it for this caller: another workspace's is unknown to them.
    async fn look_up_lead(
        &self,
        caller: &Caller,
        id: Option<&str>,
        violations: &mut Violations,
    ) -> Result<Option<KnownLead>, Refusal> {
        let Some(text) = id else {
            violations.add("leadId", "is required: the lead that this is about");
            return Ok(None);
        };
        let unknown = "there is no such lead";
        let Ok(id) = LeadId::parse(text) else {
            violations.add("leadId", unknown);
            return Ok(None);
        };
        let question = GetLeadRequest { id: id.to_string() };
        match LeadsServiceClient::new(self.leads.clone()).get_lead(caller.request(question)).await {
            Ok(answer) => {
                let lead = answer.into_inner();
                Ok(Some(KnownLead {
                    id,
                    version: lead.version,
                    name: lead.name,
                    deleted: false,
                    erased: false,
                    merged_into: None,
                }))
            }
            Err(status) => match Refusal::from(status) {
                Refusal::NotFound(_) => {
                    violations.add("leadId", unknown);
                    Ok(None)
                }
                other => Err(other),
            },
        }
    }

    /// The answer that was given under a key: looked for first, since what the request needs may be gone since.
    async fn answered(&self, once: Option<&Once>) -> Result<Option<Response<Wire>>, Refusal> {
        let Some(once) = once else { return Ok(None) };
        self.store.answered(once, Millis::now()).await.map_err(refuse)?.map(respond).transpose()
    }

    async fn change(
        &self,
        caller: &Caller,
        metadata: &MetadataMap,
        id: &str,
        condition: Option<types::Precondition>,
        change: Change,
    ) -> Result<Response<Wire>, Refusal> {
        let once = Once::of(metadata, caller);
        let _guard = self.in_flight.begin(once.as_ref())?;
        let id = reminder_id(id)?;
        let condition = Precondition::from_proto(condition);
        let answer = self.store.change(caller.scope(), id, condition, change, by(caller), once).await;
        let answer = answer.map_err(refuse)?;
        committed().await?;
        respond(answer)
    }
}

fn by(caller: &Caller) -> By {
    By {
        actor: Some(caller.user),
        at: Millis::now(),
        request_id: caller.origin.request_id.clone(),
        traceparent: caller.origin.traceparent.clone(),
    }
}

fn reminder_id(text: &str) -> Result<ReminderId, Refusal> {
    // What is not an id names nothing, exactly as an unknown one.
    ReminderId::parse(text).map_err(|NotAnId| Refusal::NotFound("reminder"))
}

fn refuse(error: StoreError) -> Refusal {
    match error {
        StoreError::NotFound => Refusal::NotFound("reminder"),
        StoreError::NoLead => Refusal::invalid("leadId", "there is no such lead"),
        StoreError::Refused(refusal) => refusal,
        StoreError::Storage(error) if error.is_passing() => {
            tracing::warn!(%error, "the store did not answer");
            Refusal::Unavailable("reminders can't be reached right now: try again".to_owned())
        }
        StoreError::Storage(error) => Refusal::internal(error),
    }
}

/// Between commit and answer.
async fn committed() -> Result<(), Refusal> {
    reached(Moment::Committed, "reminders").await.map_err(|fault| Refusal::Unavailable(fault.to_string()))
}

fn respond(answer: Answer) -> Result<Response<Wire>, Refusal> {
    match answer {
        Answer::Fresh(named) => Ok(Response::new(wire(&named))),
        Answer::Replayed(bytes) => {
            let mut response = Response::new(Wire::decode(bytes.as_slice()).map_err(Refusal::internal)?);
            once::mark_replayed(&mut response);
            Ok(response)
        }
    }
}

fn wire(named: &Named) -> Wire {
    event::message(&named.reminder, &named.lead_name)
}

fn due(violations: &mut Violations, field: &str, at_ms: Option<i64>) -> Option<Millis> {
    let Some(at) = at_ms.map(Millis) else {
        violations.add(field, "is required: a time in RFC 3339 such as 2026-11-23T09:30:00Z");
        return None;
    };
    if !(Millis::MIN..=Millis::MAX).contains(&at) {
        violations.add(field, "must lie between the years 1 and 9999");
        return None;
    }
    Some(at)
}

/// Parses all that is not looked up elsewhere; what the edge found wrong comes first.
fn edit(violations: &mut Violations, request: &UpdateReminderRequest) -> Edit {
    Edit {
        due_at: request.due_at_ms.and_then(|at| due(violations, "dueAt", Some(at))),
        message: request.message.as_deref().and_then(|text| violations.take("message", Message::parse(text))),
        assignee: None,
    }
}

fn only_if_sound<'a>(violations: &Violations, field: &str, value: Option<&'a str>) -> Option<&'a str> {
    if violations.has(field) { None } else { value }
}

#[tonic::async_trait]
impl RemindersService for Grpc {
    async fn create_reminder(
        &self,
        request: Request<CreateReminderRequest>,
    ) -> Result<Response<Wire>, Status> {
        let caller = self.admit(request.metadata(), Role::Member).await?;
        let once = Once::of(request.metadata(), &caller);
        let _guard = self.in_flight.begin(once.as_ref())?;
        if let Some(answer) = self.answered(once.as_ref()).await? {
            return Ok(answer);
        }
        let request = request.into_inner();
        let mut violations = Violations::from_edge(request.faults);
        let message = match request.message.as_deref() {
            Some(text) => violations.take("message", Message::parse(text)),
            None => violations.take("message", Message::parse("")),
        };
        let due_at = due(&mut violations, "dueAt", request.due_at_ms);
        let assignee = only_if_sound(&violations, "assigneeId", request.assignee_id.as_deref());
        let assignee = self.check_member(&caller, assignee, &mut violations).await?.unwrap_or(caller.user);
        let lead = if violations.has("leadId") {
            None
        } else {
            self.look_up_lead(&caller, request.lead_id.as_deref(), &mut violations).await?
        };
        violations.check()?;
        let (Some(message), Some(due_at), Some(lead)) = (message, due_at, lead) else {
            return Err(Refusal::internal("a field is neither sound nor at fault").into());
        };
        let by = by(&caller);
        let reminder = Reminder::new(lead.id, due_at, message, assignee, caller.user, by.at);
        let answer = self.store.create(caller.scope(), reminder, lead, by, once).await.map_err(refuse)?;
        committed().await?;
        Ok(respond(answer)?)
    }

    async fn get_reminder(&self, request: Request<GetReminderRequest>) -> Result<Response<Wire>, Status> {
        let caller = self.admit(request.metadata(), Role::Viewer).await?;
        let id = reminder_id(&request.get_ref().id)?;
        let found = self.store.get(caller.scope(), id).await.map_err(refuse)?;
        Ok(Response::new(wire(&found.ok_or(Refusal::NotFound("reminder"))?)))
    }

    async fn update_reminder(
        &self,
        request: Request<UpdateReminderRequest>,
    ) -> Result<Response<Wire>, Status> {
        let caller = self.admit(request.metadata(), Role::Member).await?;
        let (metadata, _, mut request) = request.into_parts();
        let id = reminder_id(&request.id)?;
        // An unknown reminder is told before its fields are looked at: a bad field must not hide that it is not there.
        self.store.get(caller.scope(), id).await.map_err(refuse)?.ok_or(Refusal::NotFound("reminder"))?;
        let mut violations = Violations::from_edge(std::mem::take(&mut request.faults));
        let mut edit = edit(&mut violations, &request);
        let assignee = only_if_sound(&violations, "assigneeId", request.assignee_id.as_deref());
        edit.assignee = self.check_member(&caller, assignee, &mut violations).await?;
        violations.check()?;
        Ok(self.change(&caller, &metadata, &request.id, request.if_match, Change::Edit(edit)).await?)
    }

    async fn delete_reminder(
        &self,
        request: Request<DeleteReminderRequest>,
    ) -> Result<Response<DeleteReminderResponse>, Status> {
        let caller = self.admit(request.metadata(), Role::Member).await?;
        let request = request.into_inner();
        let condition = Precondition::from_proto(request.if_match);
        let id = reminder_id(&request.id)?;
        self.store.delete(caller.scope(), id, condition, by(&caller)).await.map_err(refuse)?;
        Ok(Response::new(DeleteReminderResponse {}))
    }

    async fn complete_reminder(
        &self,
        request: Request<CompleteReminderRequest>,
    ) -> Result<Response<Wire>, Status> {
        let caller = self.admit(request.metadata(), Role::Member).await?;
        let (metadata, _, request) = request.into_parts();
        Ok(self.change(&caller, &metadata, &request.id, request.if_match, Change::Complete).await?)
    }

    async fn reopen_reminder(
        &self,
        request: Request<ReopenReminderRequest>,
    ) -> Result<Response<Wire>, Status> {
        let caller = self.admit(request.metadata(), Role::Member).await?;
        let (metadata, _, request) = request.into_parts();
        Ok(self.change(&caller, &metadata, &request.id, request.if_match, Change::Reopen).await?)
    }

    async fn snooze_reminder(
        &self,
        request: Request<SnoozeReminderRequest>,
    ) -> Result<Response<Wire>, Status> {
        let caller = self.admit(request.metadata(), Role::Member).await?;
        let (metadata, _, request) = request.into_parts();
        if let Some(answer) = self.answered(Once::of(&metadata, &caller).as_ref()).await? {
            return Ok(answer);
        }
        let id = reminder_id(&request.id)?;
        self.store.get(caller.scope(), id).await.map_err(refuse)?.ok_or(Refusal::NotFound("reminder"))?;
        let mut violations = Violations::from_edge(request.faults);
        let until = due(&mut violations, "until", request.until_ms);
        violations.check()?;
        let until = until.ok_or_else(|| Refusal::internal("a field is neither sound nor at fault"))?;
        Ok(self.change(&caller, &metadata, &request.id, request.if_match, Change::Snooze(until)).await?)
    }

    async fn list_reminders(
        &self,
        request: Request<ListRemindersRequest>,
    ) -> Result<Response<ListRemindersResponse>, Status> {
        let caller = self.admit(request.metadata(), Role::Viewer).await?;
        let request = request.into_inner();
        let mut violations = Violations::default();
        let sealed = question(&caller, &request);
        let query = query(&request, &sealed, Millis::now(), &mut violations);
        violations.check()?;
        let Some(query) = query else {
            return Ok(Response::new(ListRemindersResponse {
                total: Some(Total { value: 0, exact: true }),
                ..ListRemindersResponse::default()
            }));
        };
        let page = self.store.list(caller.scope(), query).await.map_err(refuse)?;
        let next_cursor = match page.items.last() {
            Some(last) if page.more => cursor::seal(&sealed, &position(&last.reminder)),
            _ => String::new(),
        };
        Ok(Response::new(ListRemindersResponse {
            reminders: page.items.iter().map(wire).collect(),
            next_cursor,
            total: Some(Total { value: page.total, exact: page.exact }),
        }))
    }

    async fn list_due_after(
        &self,
        request: Request<ListDueAfterRequest>,
    ) -> Result<Response<ListDueAfterResponse>, Status> {
        let caller = self.admit(request.metadata(), Role::Viewer).await?;
        let request = request.into_inner();
        let after =
            parse_uuid(&request.after_id).map_err(|error| Refusal::invalid("afterId", error.to_string()))?;
        let limit = request.limit.clamp(1, 1000) as usize;
        let found = self.store.due_after(caller.scope(), after, limit).await.map_err(refuse)?;
        let items = found
            .into_iter()
            .map(|due| Due { event_id: due.event_id, at_ms: due.at.0, reminder: Some(due.reminder) })
            .collect();
        Ok(Response::new(ListDueAfterResponse { items }))
    }
}

/// All that decides which rows a list has: what its cursors are sealed with.
fn question(caller: &Caller, request: &ListRemindersRequest) -> Vec<u8> {
    let mut sealed = caller.workspace.to_string().into_bytes();
    let question = ListRemindersRequest { limit: 0, cursor: String::new(), ..request.clone() };
    sealed.extend(question.encode_to_vec());
    sealed
}

fn position(reminder: &Reminder) -> Vec<u8> {
    let mut bytes = reminder.due_at.0.to_be_bytes().to_vec();
    bytes.extend_from_slice(reminder.id.uuid().as_bytes());
    bytes
}

fn read_position(bytes: &[u8]) -> Option<Position> {
    let (due_at, id) = bytes.split_at_checked(8)?;
    Some(Position {
        due_at: Millis(i64::from_be_bytes(due_at.try_into().ok()?)),
        id: uuid::Uuid::from_slice(id).ok()?.into(),
    })
}

/// What the store is to be asked; `None`: nothing can match (an id that is none).
fn query(
    request: &ListRemindersRequest,
    sealed: &[u8],
    now: Millis,
    violations: &mut Violations,
) -> Option<Query> {
    let mut query = Query { limit: request.limit as usize, ..Query::default() };
    if !(1..=LARGEST_PAGE).contains(&request.limit) {
        violations.add("limit", "must be a number from 1 to 200");
    }
    if !request.cursor.is_empty() {
        let place = cursor::open(sealed, &request.cursor).ok().and_then(|bytes| read_position(&bytes));
        query.after = violations.take("cursor", place.ok_or(cursor::BadCursor));
    }
    let zone = match request.tz.as_str() {
        "" => Some(Zone::UTC),
        name => violations.take("tz", Zone::parse(name)),
    };
    let tomorrow = zone.map(|zone| zone.start_of_day(add_days(zone.date(now), 1)));
    match request.view() {
        View::Unspecified | View::All => {}
        View::Today => {
            query.due_from = zone.map(|zone| zone.start_of_day(zone.date(now)));
            query.due_to = tomorrow;
        }
        View::Overdue => {
            query.pending = Some(true);
            query.due_to = Some(now);
        }
        View::Upcoming => {
            query.pending = Some(true);
            query.due_from = tomorrow;
        }
    }
    let mut possible = true;
    match request.status() {
        ReminderStatus::Unspecified => {}
        status => {
            let wanted = status == ReminderStatus::Pending;
            // Overdue and upcoming ones are pending: no done one is among them.
            possible &= query.pending.is_none_or(|pending| pending == wanted);
            query.pending = Some(wanted);
        }
    }
    let mut id = |text: &str| match text {
        "" => None,
        text => {
            let parsed = parse_uuid(text).ok();
            possible &= parsed.is_some();
            parsed
        }
    };
    query.lead = id(&request.lead_id).map(LeadId::from);
    query.assignee = id(&request.assignee_id).map(UserId::from);
    possible.then_some(query)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_795_426_200_000); // 2026-11-23T09:30:00Z

    fn ask(view: View, tz: &str) -> (Option<Query>, Vec<String>) {
        let request = ListRemindersRequest {
            view: view.into(),
            tz: tz.into(),
            limit: 50,
            ..ListRemindersRequest::default()
        };
        let mut violations = Violations::default();
        let query = query(&request, b"sealed", NOW, &mut violations);
        (query, violations.into_vec().into_iter().map(|violation| violation.field).collect())
    }

    #[test]
    fn today_is_the_civil_day_of_the_zone() {
        let (query, _) = ask(View::Today, "Pacific/Auckland");
        let query = query.unwrap();
        assert_eq!(query.due_from.unwrap().to_string(), "2026-11-22T11:00:00.000Z");
        assert_eq!(query.due_to.unwrap().to_string(), "2026-11-23T11:00:00.000Z");
        assert_eq!(query.pending, None);
    }

    #[test]
    fn overdue_is_what_is_pending_and_due_before_now() {
        let query = ask(View::Overdue, "UTC").0.unwrap();
        assert_eq!((query.due_from, query.due_to, query.pending), (None, Some(NOW), Some(true)));
    }

    #[test]
    fn upcoming_begins_tomorrow() {
        let query = ask(View::Upcoming, "UTC").0.unwrap();
        assert_eq!(query.due_from.unwrap().to_string(), "2026-11-24T00:00:00.000Z");
    }

    #[test]
    fn everything_that_is_wrong_with_a_list_is_told_at_once() {
        let request = ListRemindersRequest {
            tz: "Mars/Olympus".into(),
            limit: 1_000_000,
            cursor: "broken".into(),
            ..ListRemindersRequest::default()
        };
        let mut violations = Violations::default();
        query(&request, b"sealed", NOW, &mut violations);
        let fields: Vec<_> = violations.into_vec().into_iter().map(|violation| violation.field).collect();
        assert_eq!(fields, ["limit", "cursor", "tz"]);
    }

    #[test]
    fn done_reminders_are_never_overdue() {
        let request = ListRemindersRequest {
            view: View::Overdue.into(),
            status: ReminderStatus::Done.into(),
            limit: 50,
            ..ListRemindersRequest::default()
        };
        assert_eq!(query(&request, b"sealed", NOW, &mut Violations::default()), None);
    }
}
