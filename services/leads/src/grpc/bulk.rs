//! One change to many leads.

use std::{
    collections::{HashMap, HashSet},
    time::Instant,
};

use leadline_proto::leads::{self as proto, change_leads_request::Change};
use leadline_runtime::{
    caller::{DEADLINE, Role},
    ids::UserId,
    refusal::Refusal,
    time::Millis,
    violations::Violations,
};
use prost::Message;
use tonic::{Request, Response, Status};

use super::{Admitted, Leads, committed, parse, replay};
use crate::{
    event,
    fields::{Patch, Reason},
    filter::Filter,
    lead::{Command, Denied, LeadId},
    store::{Bulk, BulkPart, Reply},
};

/// The most leads that may be named.
const MOST_NAMED: usize = 1_000;
/// The most leads that a filter may mean.
const MOST_MEANT: usize = 20_000;
/// So many are changed in one transaction: the others who write wait for it.
const PART: usize = 250;

/// The leads that are named, in the order given, each once.
#[derive(Default)]
struct Named {
    ids: Vec<LeadId>,
    /// As they were given.
    texts: HashMap<LeadId, String>,
    /// Those that are no ids, and so no leads.
    unknown: Vec<String>,
}

impl Named {
    fn of(given: Vec<String>) -> Self {
        let mut named = Self::default();
        let mut seen = HashSet::new();
        for text in given {
            match LeadId::parse(&text) {
                Ok(id) if seen.insert(id.to_string()) => {
                    named.ids.push(id);
                    named.texts.insert(id, text);
                }
                Err(_) if seen.insert(text.clone()) => named.unknown.push(text),
                _ => {}
            }
        }
        named
    }

    fn len(&self) -> usize {
        self.ids.len() + self.unknown.len()
    }

    fn answer(&self, bulk: &Bulk) -> proto::ChangeLeadsResponse {
        let failure = |(id, denied): &(LeadId, Denied)| proto::change_leads_response::Failure {
            id: self.texts.get(id).cloned().unwrap_or_else(|| id.to_string()),
            reason: denied.to_string(),
        };
        let unknown = |text: &String| proto::change_leads_response::Failure {
            id: text.clone(),
            reason: Denied::NoLead.to_string(),
        };
        proto::ChangeLeadsResponse {
            matched: bulk.matched,
            changed: bulk.changed,
            failed: bulk.failed.iter().map(failure).chain(self.unknown.iter().map(unknown)).collect(),
        }
    }
}

/// What is done to each lead, and whom it is given to.
fn command(
    violations: &mut Violations,
    change: Option<Change>,
    reason: Option<&String>,
) -> (Command, Option<UserId>) {
    let nothing = Command::Edit(Patch::default());
    if reason.is_some() && !matches!(change, Some(Change::SetStatus(_))) {
        violations.add("reason", "is of use with setStatus only");
    }
    let reason = reason.and_then(|text| violations.take("reason", Reason::parse(text))).flatten();
    match change {
        Some(Change::SetStatus(status)) => match event::status_of(status) {
            Some(to) => (Command::Move { to, reason }, None),
            None => {
                violations.add("setStatus", parse::statuses());
                (nothing, None)
            }
        },
        Some(Change::AddTags(tags)) => {
            (Command::AddTags(parse::some_tags(violations, "addTags", &tags)), None)
        }
        Some(Change::RemoveTags(tags)) => {
            (Command::RemoveTags(parse::some_tags(violations, "removeTags", &tags)), None)
        }
        Some(Change::AssignTo(user)) => {
            let owner = if user.is_empty() { None } else { parse::user(violations, "assignTo", &user) };
            (Command::Edit(Patch { owner: Some(owner), ..Patch::default() }), owner)
        }
        Some(Change::Delete(true)) => (Command::Trash, None),
        Some(Change::Delete(false)) => {
            violations.add("delete", "must be true, or left out");
            (nothing, None)
        }
        None => {
            if violations.is_empty() {
                violations.add(
                    "setStatus",
                    "exactly one of setStatus, addTags, removeTags, assignTo and delete is required",
                );
            }
            (nothing, None)
        }
    }
}

impl Leads {
    pub(super) async fn change_many(
        &self,
        request: Request<proto::ChangeLeadsRequest>,
    ) -> Result<Response<proto::ChangeLeadsResponse>, Status> {
        let begun = Instant::now();
        let admitted = self.admit_once(&request, Role::Member).await?;
        if let Some(answer) = &admitted.answered {
            return replay(answer);
        }
        let request = request.into_inner();
        let mut violations = Violations::from_edge(request.faults);
        let named = Named::of(request.ids);
        if named.len() > MOST_NAMED {
            violations.add("ids", "must be at most 1,000 ids");
        }
        let filter = match (named.len(), request.filter) {
            (0, Some(given)) => {
                let mut inner = Violations::default();
                let filter = parse::filter(&mut inner, &given, Millis::now());
                for violation in inner.into_vec() {
                    violations.add(format!("filter.{}", violation.field), violation.message);
                }
                Some(filter)
            }
            (0, None) => {
                if !violations.has("filter") {
                    violations.add("ids", "either ids or filter is required");
                }
                None
            }
            _ => None,
        };
        if filter.as_ref().is_some_and(|filter| filter.trashed) {
            violations.add("filter.trashed", "leads in the trash can't be changed");
        }
        let (command, owner) = command(&mut violations, request.change, request.reason.as_ref());
        self.check_owner(&admitted.caller, owner, None, "assignTo", &mut violations).await?;
        violations.check()?;
        match filter {
            None => self.change_named(&admitted, named, command).await,
            Some(filter) => self.change_meant(&admitted, filter, command, begun).await,
        }
    }

    /// All in one transaction.
    async fn change_named(
        &self,
        admitted: &Admitted,
        named: Named,
        command: Command,
    ) -> Result<Response<proto::ChangeLeadsResponse>, Status> {
        let named = std::sync::Arc::new(named);
        let answer = named.clone();
        let part = BulkPart {
            ids: named.ids.clone(),
            only: None,
            command,
            by: admitted.by(),
            once: admitted.keyed(move |bulk| answer.answer(bulk).encode_to_vec()),
        };
        let changed = self.store.change_many(admitted.scope(), part).await.map_err(Refusal::from)?;
        committed().await?;
        match changed {
            Reply::Fresh(bulk) => Ok(Response::new(named.answer(&bulk))),
            Reply::Replayed(answer) => replay(&answer),
        }
    }

    /// Part by part, each a transaction; the key is stored with the last. What is cut off in the middle can be asked for
    /// again: what was changed already is then found as it should be.
    async fn change_meant(
        &self,
        admitted: &Admitted,
        filter: Filter,
        command: Command,
        begun: Instant,
    ) -> Result<Response<proto::ChangeLeadsResponse>, Status> {
        let scope = admitted.scope();
        let ids = self.store.matching(scope, filter.clone(), MOST_MEANT + 1).await.map_err(Refusal::from)?;
        if ids.len() > MOST_MEANT {
            let refusal = Refusal::invalid("filter", "means more than 20,000 leads: narrow it");
            return Err(refusal.into());
        }
        let mut whole = Bulk::default();
        let mut parts = ids.chunks(PART).peekable();
        loop {
            let ids = parts.next().unwrap_or_default().to_vec();
            let last = parts.peek().is_none();
            if begun.elapsed() > DEADLINE.mul_f32(0.8) && !last {
                let refusal = Refusal::Unavailable(format!(
                    "there was time for {} leads only: ask again for the others",
                    whole.matched
                ));
                return Err(refusal.into());
            }
            let before = whole.clone();
            let answer = move |bulk: &Bulk| {
                Named::default().answer(&together(before.clone(), bulk.clone())).encode_to_vec()
            };
            let part = BulkPart {
                ids,
                only: Some(filter.clone()),
                command: command.clone(),
                by: admitted.by(),
                once: if last { admitted.keyed(answer) } else { None },
            };
            match self.store.change_many(scope, part).await.map_err(Refusal::from)? {
                Reply::Fresh(bulk) => whole = together(whole, bulk),
                Reply::Replayed(answer) => return replay(&answer),
            }
            if last {
                return Ok(Response::new(Named::default().answer(&whole)));
            }
        }
    }
}

fn together(mut whole: Bulk, part: Bulk) -> Bulk {
    whole.matched += part.matched;
    whole.changed += part.changed;
    whole.failed.extend(part.failed);
    whole
}
