//! The service's calls: who may, what they mean, what is answered.

mod bulk;
mod duplicates;
mod export;
pub mod imports;
mod merge;
mod parse;
#[cfg(test)]
mod tests;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use parse::filter as filter_of;
use std::{pin::Pin, sync::Arc, time::Duration};

use futures::Stream;
use leadline_failpoints::{Moment, reached};
use leadline_proto::{
    leads::{self as proto, leads_service_server::LeadsService},
    types,
};
use leadline_runtime::{
    caller::{Caller, Role, Scope, ServiceSecret},
    cursor,
    ids::{UserId, WorkspaceId, parse_uuid, time_of},
    once::{self, InFlight, InFlightGuard, Once},
    refusal::Refusal,
    time::Millis,
    tokens::Verifier,
    version::Precondition,
    violations::Violations,
};
use prost::Message;
use tonic::{Request, Response, Status};

use crate::{
    activity::{ActivityId, Snapshot},
    event,
    fields::{NoteText, Patch, Reason},
    filter::{Page, Total},
    lead::{By, Command, Denied, LeadId, NewLead, NoteId},
    members::{Members, NOT_A_MEMBER},
    store::{Keyed, LogQuery, Reply, Store, StoreError, WalkMark, Written},
};

/// How far back a stream can be resumed.
const RESUMED: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The most entries of one answer to a stream that resumes.
const MOST_RESUMED: u32 = 1_000;
/// The most snapshots of one message.
const SNAPSHOTS: usize = 1_000;

/// The leads service.
#[derive(Clone)]
pub struct Leads {
    store: Arc<dyn Store>,
    verifier: Verifier,
    secret: ServiceSecret,
    members: Members,
    flight: InFlight,
    exported: export::Room,
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Denied(Denied::NoLead) => Self::NotFound("lead"),
            StoreError::Denied(Denied::NoNote) => Self::NotFound("note"),
            StoreError::Denied(denied @ Denied::NotTheAuthor) => Self::Forbidden(denied.to_string()),
            StoreError::Denied(Denied::Tags(fault)) => Self::invalid("tags", fault.to_string()),
            StoreError::Denied(
                denied @ (Denied::Merged { .. } | Denied::NothingMerged | Denied::MergeTooOld),
            ) => Self::conflict("MERGED", denied.to_string()),
            StoreError::Unmergeable(ids) => Self::invalid("from", merge::missing(&ids)),
            StoreError::VersionMismatch { present } => Self::VersionMismatch { present },
            StoreError::KeyReused => Self::KeyReused,
            StoreError::AnswerErased => Self::answer_erased(),
            StoreError::Storage(error) if error.is_passing() => {
                tracing::warn!(%error, "the store of leads does not answer");
                Self::Unavailable("leads can't be read or written at the moment: try again".to_owned())
            }
            StoreError::Storage(error) => Self::internal(error),
        }
    }
}

impl From<Total> for types::Total {
    fn from(total: Total) -> Self {
        Self { value: total.value, exact: total.exact }
    }
}

/// A caller with what their idempotency key stands for.
struct Admitted {
    caller: Caller,
    once: Option<Once>,
    /// The answer to the key, if it was given before.
    answered: Option<Vec<u8>>,
    /// Keeps others with the same key out until the answer is given.
    _guard: Option<InFlightGuard>,
}

impl Admitted {
    fn scope(&self) -> Scope {
        self.caller.scope()
    }

    fn by(&self) -> By {
        By::now(self.caller.user, self.caller.origin.clone())
    }

    fn keyed<T>(&self, answer: impl Fn(&T) -> Vec<u8> + Send + Sync + 'static) -> Option<Keyed<T>> {
        self.once.clone().map(|once| Keyed { once, answer: Arc::new(answer) })
    }
}

/// The answer that was given before.
fn replay<M: Message + Default>(answer: &[u8]) -> Result<Response<M>, Status> {
    let message = M::decode(answer).map_err(Refusal::internal)?;
    let mut response = Response::new(message);
    once::mark_replayed(&mut response);
    Ok(response)
}

impl Leads {
    /// Over a store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, verifier: Verifier, secret: ServiceSecret, members: Members) -> Self {
        let (flight, exported) = (InFlight::default(), export::Room::default());
        Self { store, verifier, secret, members, flight, exported }
    }

    /// Who calls, if their role is enough.
    async fn admit<T>(&self, request: &Request<T>, least: Role) -> Result<Caller, Refusal> {
        let caller = self.verifier.admit(request.metadata()).await?;
        caller.require(least)?;
        Ok(caller)
    }

    /// As [`Leads::admit`], for a call that honours an idempotency key.
    async fn admit_once<T>(&self, request: &Request<T>, least: Role) -> Result<Admitted, Refusal> {
        let caller = self.admit(request, least).await?;
        let once = Once::of(request.metadata(), &caller);
        let guard = self.flight.begin(once.as_ref())?;
        let answered = match &once {
            Some(once) => self.store.answered(once, Millis::now()).await?,
            None => None,
        };
        Ok(Admitted { caller, once, answered, _guard: guard })
    }

    /// Notes a violation if a user is no member, unless a lead has them as its owner already.
    async fn check_owner(
        &self,
        caller: &Caller,
        owner: Option<UserId>,
        of: Option<LeadId>,
        field: &str,
        violations: &mut Violations,
    ) -> Result<(), Refusal> {
        let Some(owner) = owner else { return Ok(()) };
        if self.members.has(caller, owner).await? {
            return Ok(());
        }
        let present = match of {
            Some(id) => self.store.lead(caller.scope(), id).await?,
            None => None,
        };
        if present.is_none_or(|(lead, _)| lead.fields.owner != Some(owner)) {
            violations.add(field, NOT_A_MEMBER);
        }
        Ok(())
    }

    /// Does something to a lead for a call without idempotency key.
    async fn change(
        &self,
        caller: &Caller,
        id: LeadId,
        command: Command,
        condition: Option<types::Precondition>,
    ) -> Result<Written, Refusal> {
        let by = By::now(caller.user, caller.origin.clone());
        let condition = Precondition::from_proto(condition);
        let changed = self.store.change(caller.scope(), id, command, condition, by, None).await?;
        committed().await?;
        match changed {
            Reply::Fresh(written) => Ok(written),
            Reply::Replayed(_) => Err(Refusal::internal("an answer was replayed that has no key")),
        }
    }
}

/// Between commit and answer.
async fn committed() -> Result<(), Refusal> {
    reached(Moment::Committed, "leads").await.map_err(|fault| Refusal::Unavailable(fault.to_string()))
}

fn shown(written: &Written) -> proto::Lead {
    event::lead(&written.lead, &written.notes)
}

#[tonic::async_trait]
impl LeadsService for Leads {
    async fn create_lead(
        &self,
        request: Request<proto::CreateLeadRequest>,
    ) -> Result<Response<proto::Lead>, Status> {
        let admitted = self.admit_once(&request, Role::Member).await?;
        if let Some(answer) = &admitted.answered {
            return replay(answer);
        }
        let request = request.into_inner();
        let mut violations = Violations::from_edge(request.faults);
        let (owner, fields) = parse::fields(&mut violations, &request.fields.unwrap_or_default());
        let note = request.note.and_then(|text| violations.take("note", NoteText::parse(&text)));
        self.check_owner(&admitted.caller, owner, None, "ownerId", &mut violations).await?;
        violations.check()?;
        let fields = fields.ok_or_else(|| Refusal::internal("fields without violation are missing"))?;
        let new = NewLead {
            id: LeadId::new(),
            fields,
            created_by: admitted.caller.user,
            note: note.map(|text| (NoteId::new(), text)),
        };
        let keyed = admitted.keyed(|written| shown(written).encode_to_vec());
        let created =
            self.store.create(admitted.scope(), new, admitted.by(), keyed).await.map_err(Refusal::from)?;
        committed().await?;
        match created {
            Reply::Fresh(written) => Ok(Response::new(shown(&written))),
            Reply::Replayed(answer) => replay(&answer),
        }
    }

    async fn get_lead(
        &self,
        request: Request<proto::GetLeadRequest>,
    ) -> Result<Response<proto::Lead>, Status> {
        let caller = self.admit(&request, Role::Viewer).await?;
        let id = parse::path_id(&request.get_ref().id, "lead")?;
        let found = self.store.lead(caller.scope(), id).await.map_err(Refusal::from)?;
        let (lead, notes) =
            found.filter(|(lead, _)| lead.deleted_at.is_none()).ok_or(Refusal::NotFound("lead"))?;
        Ok(Response::new(event::lead(&lead, &notes)))
    }

    async fn update_lead(
        &self,
        request: Request<proto::UpdateLeadRequest>,
    ) -> Result<Response<proto::Lead>, Status> {
        let caller = self.admit(&request, Role::Member).await?;
        let request = request.into_inner();
        let id: LeadId = parse::path_id(&request.id, "lead")?;
        let mut violations = Violations::from_edge(request.faults);
        let mask = request.mask.unwrap_or_default().paths;
        let patch: Patch = parse::patch(&mut violations, &request.fields.unwrap_or_default(), &mask)?;
        self.check_owner(&caller, patch.owner.flatten(), Some(id), "ownerId", &mut violations).await?;
        violations.check()?;
        let written = self.change(&caller, id, Command::Edit(patch), request.if_match).await?;
        Ok(Response::new(shown(&written)))
    }

    async fn move_lead(
        &self,
        request: Request<proto::MoveLeadRequest>,
    ) -> Result<Response<proto::Lead>, Status> {
        let caller = self.admit(&request, Role::Member).await?;
        let request = request.into_inner();
        let id = parse::path_id(&request.id, "lead")?;
        let mut violations = Violations::from_edge(request.faults);
        let to = event::status_of(request.status);
        if to.is_none() {
            violations.add("status", parse::statuses());
        }
        let reason =
            request.reason.and_then(|text| violations.take("reason", Reason::parse(&text)).flatten());
        violations.check()?;
        let to = to.ok_or_else(|| Refusal::internal("a stage without violation is missing"))?;
        let written = self.change(&caller, id, Command::Move { to, reason }, request.if_match).await?;
        Ok(Response::new(shown(&written)))
    }

    async fn delete_lead(
        &self,
        request: Request<proto::DeleteLeadRequest>,
    ) -> Result<Response<proto::DeleteLeadResponse>, Status> {
        let permanent = request.get_ref().permanent;
        let caller = self.admit(&request, if permanent { Role::Admin } else { Role::Member }).await?;
        let request = request.into_inner();
        let id = parse::path_id(&request.id, "lead")?;
        let command = if permanent { Command::Erase } else { Command::Trash };
        self.change(&caller, id, command, request.if_match).await?;
        Ok(Response::new(proto::DeleteLeadResponse {}))
    }

    async fn restore_lead(
        &self,
        request: Request<proto::RestoreLeadRequest>,
    ) -> Result<Response<proto::Lead>, Status> {
        let admitted = self.admit_once(&request, Role::Member).await?;
        if let Some(answer) = &admitted.answered {
            return replay(answer);
        }
        let request = request.into_inner();
        let id = parse::path_id(&request.id, "lead")?;
        let condition = Precondition::from_proto(request.if_match);
        let keyed = admitted.keyed(|written| shown(written).encode_to_vec());
        let restored = self
            .store
            .change(admitted.scope(), id, Command::Restore, condition, admitted.by(), keyed)
            .await
            .map_err(Refusal::from)?;
        committed().await?;
        match restored {
            Reply::Fresh(written) => Ok(Response::new(shown(&written))),
            Reply::Replayed(answer) => replay(&answer),
        }
    }

    async fn merge_leads(
        &self,
        request: Request<proto::MergeLeadsRequest>,
    ) -> Result<Response<proto::Lead>, Status> {
        self.merge(request).await
    }

    async fn unmerge_leads(
        &self,
        request: Request<proto::UnmergeLeadsRequest>,
    ) -> Result<Response<proto::Lead>, Status> {
        self.unmerge(request).await
    }

    async fn list_leads(
        &self,
        request: Request<proto::ListLeadsRequest>,
    ) -> Result<Response<proto::ListLeadsResponse>, Status> {
        let caller = self.admit(&request, Role::Viewer).await?;
        let (query, question) = parse::query(caller.workspace, request.get_ref())?;
        let sort = query.sort;
        let page = self.store.leads(caller.scope(), query).await.map_err(Refusal::from)?;
        let next = page.items.last().filter(|_| page.more).map(|lead| sort.position(lead).to_bytes());
        Ok(Response::new(proto::ListLeadsResponse {
            leads: page.items.iter().map(|lead| event::lead(lead, &[])).collect(),
            next_cursor: next.map(|place| cursor::seal(&question, &place)).unwrap_or_default(),
            total: Some(page.total.into()),
        }))
    }

    type ExportLeadsStream = export::Parts;

    async fn export_leads(
        &self,
        request: Request<proto::ExportLeadsRequest>,
    ) -> Result<Response<Self::ExportLeadsStream>, Status> {
        self.export(request).await
    }

    async fn find_duplicates(
        &self,
        request: Request<proto::FindDuplicatesRequest>,
    ) -> Result<Response<proto::FindDuplicatesResponse>, Status> {
        self.duplicates(request).await
    }

    async fn change_leads(
        &self,
        request: Request<proto::ChangeLeadsRequest>,
    ) -> Result<Response<proto::ChangeLeadsResponse>, Status> {
        self.change_many(request).await
    }

    async fn list_notes(
        &self,
        request: Request<proto::ListNotesRequest>,
    ) -> Result<Response<proto::ListNotesResponse>, Status> {
        let caller = self.admit(&request, Role::Viewer).await?;
        let request = request.into_inner();
        let lead: LeadId = parse::path_id(&request.lead_id, "lead")?;
        let mut violations = Violations::default();
        let limit = parse::limit(&mut violations, request.limit);
        let question = parse::question(caller.workspace, "notes", &request.lead_id);
        let before = parse::place(&mut violations, &question, &request.cursor, parse::id_of_bytes::<NoteId>);
        violations.check()?;
        let page = self.store.notes(caller.scope(), lead, before, limit).await.map_err(Refusal::from)?;
        let page = page.ok_or(Refusal::NotFound("lead"))?;
        let next = page.items.last().filter(|_| page.more);
        Ok(Response::new(proto::ListNotesResponse {
            next_cursor: next
                .map(|note| cursor::seal(&question, note.id.uuid().as_bytes()))
                .unwrap_or_default(),
            notes: page.items.iter().map(event::note).collect(),
            total: Some(page.total.into()),
        }))
    }

    async fn add_note(
        &self,
        request: Request<proto::AddNoteRequest>,
    ) -> Result<Response<proto::AddNoteResponse>, Status> {
        let admitted = self.admit_once(&request, Role::Member).await?;
        if let Some(answer) = &admitted.answered {
            return replay(answer);
        }
        let request = request.into_inner();
        let lead = parse::path_id(&request.lead_id, "lead")?;
        let mut violations = Violations::from_edge(request.faults);
        let text = match request.text {
            Some(text) => violations.take("text", NoteText::parse(&text)),
            None => {
                violations.add("text", "is required");
                None
            }
        };
        violations.check()?;
        let text = text.ok_or_else(|| Refusal::internal("a note without violation is missing"))?;
        let answer = |written: &Written| proto::AddNoteResponse {
            note: written.note.as_ref().map(event::note),
            lead_version: written.lead.version.0,
        };
        let keyed = admitted.keyed(move |written| answer(written).encode_to_vec());
        let command = Command::AddNote { id: NoteId::new(), text };
        let condition = Precondition::from_proto(request.if_match);
        let added = self
            .store
            .change(admitted.scope(), lead, command, condition, admitted.by(), keyed)
            .await
            .map_err(Refusal::from)?;
        committed().await?;
        match added {
            Reply::Fresh(written) => Ok(Response::new(answer(&written))),
            Reply::Replayed(stored) => replay(&stored),
        }
    }

    async fn delete_note(
        &self,
        request: Request<proto::DeleteNoteRequest>,
    ) -> Result<Response<proto::Lead>, Status> {
        let caller = self.admit(&request, Role::Member).await?;
        let request = request.into_inner();
        let lead = parse::path_id(&request.lead_id, "lead")?;
        let id = parse::path_id(&request.note_id, "note")?;
        let command = Command::DeleteNote { id, anybodys: caller.role >= Role::Admin };
        let written = self.change(&caller, lead, command, request.if_match).await?;
        Ok(Response::new(shown(&written)))
    }

    async fn list_activity(
        &self,
        request: Request<proto::ListActivityRequest>,
    ) -> Result<Response<proto::ListActivityResponse>, Status> {
        let caller = self.admit(&request, Role::Viewer).await?;
        let request = request.into_inner();
        let lead = match request.lead_id.as_str() {
            "" => None,
            id => Some(parse::path_id(id, "lead")?),
        };
        let mut violations = Violations::default();
        let limit = parse::limit(&mut violations, request.limit);
        let kinds = parse::kinds(&mut violations, &request.types);
        let asked = proto::ListActivityRequest { limit: 0, cursor: String::new(), ..request.clone() };
        let question = parse::question(caller.workspace, "activity", &asked);
        let before =
            parse::place(&mut violations, &question, &request.cursor, parse::id_of_bytes::<ActivityId>);
        violations.check()?;
        let query = LogQuery { lead, gone: request.gone, kinds, before, limit };
        let page: Option<Page<_>> = self.store.log(caller.scope(), query).await.map_err(Refusal::from)?;
        let page = page.ok_or(Refusal::NotFound("lead"))?;
        let next = page.items.last().filter(|_| page.more);
        Ok(Response::new(proto::ListActivityResponse {
            next_cursor: next
                .map(|entry| cursor::seal(&question, entry.id.uuid().as_bytes()))
                .unwrap_or_default(),
            activities: page.items.iter().filter_map(event::logged).collect(),
            total: Some(page.total.into()),
        }))
    }

    async fn list_activity_after(
        &self,
        request: Request<proto::ListActivityAfterRequest>,
    ) -> Result<Response<proto::ListActivityAfterResponse>, Status> {
        let caller = self.admit(&request, Role::Viewer).await?;
        let request = request.into_inner();
        let kept = |after: &uuid::Uuid| time_of(*after).is_some_and(|at| at > Millis::now().before(RESUMED));
        let Some(after) = parse_uuid(&request.after_id).ok().filter(kept) else {
            return Ok(Response::new(proto::ListActivityAfterResponse {
                activities: Vec::new(),
                complete: false,
            }));
        };
        let limit = if request.limit == 0 { MOST_RESUMED } else { request.limit.min(MOST_RESUMED) };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let entries = self
            .store
            .log_after(caller.scope(), ActivityId::from(after), limit)
            .await
            .map_err(Refusal::from)?;
        Ok(Response::new(proto::ListActivityAfterResponse {
            activities: entries.iter().filter_map(event::logged).collect(),
            complete: true,
        }))
    }

    type StreamSnapshotsStream = Snapshots;

    async fn stream_snapshots(
        &self,
        request: Request<proto::StreamSnapshotsRequest>,
    ) -> Result<Response<Self::StreamSnapshotsStream>, Status> {
        self.secret.admit(request.metadata())?;
        let only = match request.into_inner().workspace_id.as_str() {
            "" => None,
            id => Some(WorkspaceId::from(parse_uuid(id).map_err(|_| Refusal::NotFound("workspace"))?)),
        };
        Ok(Response::new(snapshots(self.store.clone(), only)))
    }
}

/// Batches of snapshots.
pub type Snapshots = Pin<Box<dyn Stream<Item = Result<proto::StreamSnapshotsResponse, Status>> + Send>>;

/// The newest snapshot of every lead, of one workspace or of all: for this deployment's own programs, which count them anew.
#[must_use]
pub fn snapshots(store: Arc<dyn Store>, only: Option<WorkspaceId>) -> Snapshots {
    let walk = SnapshotWalk { store, only, at: only, begun: false, after: None };
    Box::pin(futures::stream::try_unfold(walk, |walk| async move {
        walk.next().await.map_err(|error| Status::from(Refusal::from(error)))
    }))
}

/// Goes through every workspace, part by part; nothing is held but the place.
struct SnapshotWalk {
    store: Arc<dyn Store>,
    only: Option<WorkspaceId>,
    /// The workspace under way.
    at: Option<WorkspaceId>,
    begun: bool,
    after: Option<WalkMark>,
}

impl SnapshotWalk {
    async fn next(mut self) -> Result<Option<(proto::StreamSnapshotsResponse, Self)>, StoreError> {
        loop {
            if self.only.is_none() && !self.begun {
                self.at = self.store.next_workspace(self.at).await?;
                self.after = None;
            }
            self.begun = true;
            let Some(workspace) = self.at else { return Ok(None) };
            // The service secret was shown, or this is a command of the program that has the store: the deployment's own question
            // about its own rows.
            let scope = Scope::of_own_row(workspace);
            let leads = self.store.walk(scope, self.after, SNAPSHOTS).await?;
            if let Some(last) = leads.last() {
                self.after = Some(WalkMark::of(last));
                let snapshots = leads.iter().map(|lead| event::snapshot(&Snapshot::of(lead))).collect();
                let part = proto::StreamSnapshotsResponse { workspace_id: workspace.to_string(), snapshots };
                return Ok(Some((part, self)));
            }
            if self.only.is_some() {
                return Ok(None);
            }
            self.begun = false;
        }
    }
}
