//! Every lead of a list, in parts; nothing is held but a part and the place.

use std::{collections::HashMap, pin::Pin, sync::Arc, vec};

use futures::Stream;
use leadline_proto::leads as proto;
use leadline_runtime::{
    caller::{Role, Scope},
    refusal::Refusal,
};
use tonic::{Request, Response, Status};

use super::{Leads, parse};
use crate::{
    event,
    filter::Query,
    lead::{Lead, LeadId, NOTES_SHOWN},
    store::{Store, StoreError},
};

/// So many leads are asked for at once.
const PAGE: usize = 1_000;
/// So many notes are in a message at most, or one lead's: each may have 40 kB.
const MOST_NOTES: usize = 100;

pub(super) type Parts = Pin<Box<dyn Stream<Item = Result<proto::ExportLeadsResponse, Status>> + Send>>;

impl Leads {
    pub(super) async fn export(
        &self,
        request: Request<proto::ExportLeadsRequest>,
    ) -> Result<Response<Parts>, Status> {
        let caller = self.admit(&request, Role::Viewer).await?;
        let proto::ExportLeadsRequest { filter, sort, descending } = request.into_inner();
        let list = proto::ListLeadsRequest { filter, sort, descending, ..Default::default() };
        let (query, _) = parse::query(caller.workspace, &list)?;
        let export = Export {
            store: self.store.clone(),
            scope: caller.scope(),
            next: Some(Query { limit: PAGE, ..query }),
            page: Vec::new().into_iter(),
            rows: 0,
            told: false,
        };
        let parts = futures::stream::try_unfold(export, |export| async move {
            export.part().await.map_err(|error| Status::from(Refusal::from(error)))
        });
        Ok(Response::new(Box::pin(parts)))
    }
}

struct Export {
    store: Arc<dyn Store>,
    scope: Scope,
    /// The question for the next page; none: the page at hand is the last.
    next: Option<Query>,
    /// What of the page at hand was not sent yet.
    page: vec::IntoIter<Lead>,
    rows: u64,
    /// The number of rows was told: this is the end.
    told: bool,
}

impl Export {
    async fn part(mut self) -> Result<Option<(proto::ExportLeadsResponse, Self)>, StoreError> {
        if self.told {
            return Ok(None);
        }
        if self.page.as_slice().is_empty()
            && let Some(query) = self.next.take()
        {
            let page = self.store.leads(self.scope, query.clone()).await?;
            if let Some(last) = page.items.last().filter(|_| page.more) {
                let after = Some(query.sort.position(last));
                self.next = Some(Query { after, ..query });
            }
            self.page = page.items.into_iter();
        }
        let leads = self.with_notes().await?;
        self.rows += leads.len() as u64;
        self.told = self.next.is_none() && self.page.as_slice().is_empty();
        let part = proto::ExportLeadsResponse { leads, rows_in_all: self.told.then_some(self.rows) };
        Ok(Some((part, self)))
    }

    /// The next leads of the page, so many that their notes fit into a message.
    async fn with_notes(&mut self) -> Result<Vec<proto::Lead>, StoreError> {
        let (mut leads, mut noted, mut sum) = (Vec::new(), Vec::new(), 0);
        while let Some(lead) = self.page.as_slice().first() {
            let count = usize::try_from(lead.note_count).unwrap_or(usize::MAX).min(NOTES_SHOWN);
            if sum > 0 && sum + count > MOST_NOTES {
                break;
            }
            sum += count;
            if count > 0 {
                noted.push((lead.id, lead.note_count));
            }
            leads.extend(self.page.next());
        }
        let mut notes: HashMap<LeadId, _> = match noted.is_empty() {
            true => HashMap::new(),
            false => self.store.newest_notes(self.scope, noted).await?.into_iter().collect(),
        };
        let shown = |lead: Lead| event::lead(&lead, &notes.remove(&lead.id).unwrap_or_default());
        Ok(leads.into_iter().map(shown).collect())
    }
}
