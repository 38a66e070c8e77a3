//! Leads that become one, and how that is taken back.

use std::fmt::Display;

use leadline_proto::leads as proto;
use leadline_runtime::{
    caller::Role, ids::parse_uuid, refusal::Refusal, version::Precondition, violations::Violations,
};
use prost::Message;
use tonic::{Request, Response, Status};

use super::{Leads, committed, parse, replay, shown};
use crate::{
    lead::{Denied, LeadId},
    merge::{MOST_MERGED, MergeId},
    store::{MergePart, Reply, StoreError, UnmergePart, Written},
};

/// What is said of leads that can't be merged because they are not there.
pub(super) fn missing(ids: &[impl Display]) -> String {
    let ids: Vec<String> = ids.iter().map(|id| id.to_string().chars().take(36).collect()).collect();
    format!("there are no such leads: {}", ids.join(", "))
}

async fn answer(reply: Reply<Written>) -> Result<Response<proto::Lead>, Status> {
    committed().await?;
    match reply {
        Reply::Fresh(written) => Ok(Response::new(shown(&written))),
        Reply::Replayed(answer) => replay(&answer),
    }
}

impl Leads {
    pub(super) async fn merge(
        &self,
        request: Request<proto::MergeLeadsRequest>,
    ) -> Result<Response<proto::Lead>, Status> {
        let admitted = self.admit_once(&request, Role::Member).await?;
        if let Some(answer) = &admitted.answered {
            return replay(answer);
        }
        let request = request.into_inner();
        let into: LeadId = parse::path_id(&request.id, "lead")?;
        let scope = admitted.scope();
        let there = async |id: LeadId| -> Result<bool, StoreError> {
            Ok(self.store.lead(scope, id).await?.is_some_and(|(lead, _)| lead.deleted_at.is_none()))
        };
        if !there(into).await.map_err(Refusal::from)? {
            return Err(Refusal::from(StoreError::from(Denied::NoLead)).into());
        }
        // Of a list of which nothing could be read, each item was told already.
        let unread = request.faults.iter().any(|fault| fault.field.starts_with("from["));
        let mut violations = Violations::from_edge(request.faults);
        let mut texts = request.from_ids;
        let mut seen = std::collections::HashSet::new();
        texts.retain(|text| seen.insert(text.clone()));
        let mut from = Vec::new();
        if violations.has("from") || (unread && texts.is_empty()) {
        } else if !(1..=MOST_MERGED).contains(&texts.len()) {
            violations.add("from", format!("must name 1 to {MOST_MERGED} leads"));
        } else {
            // All that are wrong are told at once; the store looks again, in its transaction.
            let mut unknown = Vec::new();
            for text in &texts {
                match parse_uuid(text).map(LeadId::from) {
                    // However it is written, it counts once.
                    Ok(id) if from.contains(&id) => {}
                    Ok(id) if id == into || there(id).await.map_err(Refusal::from)? => from.push(id),
                    _ => unknown.push(text),
                }
            }
            let mut faults = Vec::new();
            if from.contains(&into) {
                faults.push("must not name the lead itself".to_owned());
            }
            if !unknown.is_empty() {
                faults.push(missing(&unknown));
            }
            if !faults.is_empty() {
                violations.add("from", faults.join("; "));
            }
        }
        violations.check()?;
        let part = MergePart {
            into,
            id: MergeId::new(),
            from,
            condition: Precondition::from_proto(request.if_match),
            by: admitted.by(),
        };
        let keyed = admitted.keyed(|written| shown(written).encode_to_vec());
        answer(self.store.merge(scope, part, keyed).await.map_err(Refusal::from)?).await
    }

    pub(super) async fn unmerge(
        &self,
        request: Request<proto::UnmergeLeadsRequest>,
    ) -> Result<Response<proto::Lead>, Status> {
        let admitted = self.admit_once(&request, Role::Member).await?;
        if let Some(answer) = &admitted.answered {
            return replay(answer);
        }
        let request = request.into_inner();
        let into: LeadId = parse::path_id(&request.id, "lead")?;
        Violations::from_edge(request.faults).check()?;
        let id = match request.merge_id.as_str() {
            "" => None,
            // What is no id names no merge, as an unknown one.
            text => Some(parse_uuid(text).map_or_else(|_| MergeId::new(), MergeId::from)),
        };
        let condition = Precondition::from_proto(request.if_match);
        let part = UnmergePart { into, id, condition, by: admitted.by() };
        let keyed = admitted.keyed(|written| shown(written).encode_to_vec());
        answer(self.store.unmerge(admitted.scope(), part, keyed).await.map_err(Refusal::from)?).await
    }
}
