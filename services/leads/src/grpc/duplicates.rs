//! Leads that may be the same.

use leadline_proto::leads as proto;
use leadline_runtime::{caller::Role, refusal::Refusal};
use tonic::{Request, Response, Status};

use super::{Leads, parse};
use crate::{
    event,
    likeness::{Likeness, Reason},
};

impl Leads {
    pub(super) async fn duplicates(
        &self,
        request: Request<proto::FindDuplicatesRequest>,
    ) -> Result<Response<proto::FindDuplicatesResponse>, Status> {
        let caller = self.admit(&request, Role::Viewer).await?;
        let request = request.into_inner();
        let likeness = match request.id.as_str() {
            "" => Likeness::typed(&request.email, &request.phone, &request.name, &request.company),
            id => {
                let id = parse::path_id(id, "lead")?;
                let found = self.store.lead(caller.scope(), id).await.map_err(Refusal::from)?;
                let live = found.filter(|(lead, _)| lead.deleted_at.is_none());
                Likeness::of(&live.ok_or(Refusal::NotFound("lead"))?.0)
            }
        };
        let alike = self.store.alike(caller.scope(), likeness.clone()).await.map_err(Refusal::from)?;
        let items = likeness.judge(alike).into_iter().map(|(lead, reasons)| {
            let reasons = reasons.into_iter().map(|reason| reason_of(reason).into()).collect();
            proto::find_duplicates_response::Item { lead: Some(event::lead(&lead, &[])), reasons }
        });
        Ok(Response::new(proto::FindDuplicatesResponse { items: items.collect() }))
    }
}

fn reason_of(reason: Reason) -> proto::DuplicateReason {
    match reason {
        Reason::Email => proto::DuplicateReason::Email,
        Reason::Phone => proto::DuplicateReason::Phone,
        Reason::Name => proto::DuplicateReason::Name,
    }
}
