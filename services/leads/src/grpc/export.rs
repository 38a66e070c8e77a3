//! Every lead of a list, in parts. Nothing is held but a part and the place, and, where a change may move a lead in the order, the
//! ids of those that were sent: so none is sent twice, and those that moved past the place are found in the end.

mod seen;

use std::{collections::HashMap, pin::Pin, sync::Arc, time::Duration, vec};

use futures::Stream;
use leadline_proto::leads as proto;
use leadline_runtime::{
    caller::{Role, Scope},
    refusal::Refusal,
    time::Millis,
};
use tonic::{Request, Response, Status};

pub(super) use self::seen::Room;
use self::seen::Seen;
use super::{Leads, parse};
use crate::{
    event,
    filter::{Query, Range, Sort, SortBy, Totals},
    lead::{Lead, LeadId, NOTES_SHOWN},
    store::Store,
};

/// So many leads are asked for at once.
const PAGE: usize = 1_000;
/// So many notes are in a message at most, or one lead's: each may have 40 kB.
const MOST_NOTES: usize = 100;
/// How much earlier than it is seen a change may say that it was made: a transaction takes its time, and clocks differ.
const APART: Duration = Duration::from_secs(30);

pub(super) type Parts = Pin<Box<dyn Stream<Item = Result<proto::ExportLeadsResponse, Status>> + Send>>;

impl Leads {
    pub(super) async fn export(
        &self,
        request: Request<proto::ExportLeadsRequest>,
    ) -> Result<Response<Parts>, Status> {
        let caller = self.admit(&request, Role::Viewer).await?;
        let proto::ExportLeadsRequest { filter, sort, descending, without_notes } = request.into_inner();
        let list = proto::ListLeadsRequest { filter, sort, descending, ..Default::default() };
        let (query, _) = parse::query(caller.workspace, &list)?;
        let query = Query { limit: PAGE, totals: Totals::Left, ..query };
        // When a lead was made never changes.
        let moves = query.sort.by != SortBy::CreatedAt;
        let export = Export {
            store: self.store.clone(),
            scope: caller.scope(),
            seen: moves.then(|| Seen::new(self.exported.clone())),
            late: moves.then(|| late(&query, Millis::now())).flatten(),
            is_late: false,
            next: Some(query),
            page: Vec::new().into_iter(),
            without_notes,
            rows: 0,
            told: false,
        };
        let parts =
            futures::stream::try_unfold(
                export,
                |export| async move { export.part().await.map_err(Status::from) },
            );
        Ok(Response::new(Box::pin(parts)))
    }
}

/// The question for what was changed since then, in an order in which nothing moves; none if nothing of it can match.
fn late(query: &Query, began: Millis) -> Option<Query> {
    let Range { from, to } = query.filter.updated;
    let since = began.before(APART).max(from.unwrap_or(Millis::MIN));
    let mut filter = query.filter.clone();
    filter.updated = Range { from: Some(since), to };
    let sort = Sort { by: SortBy::CreatedAt, descending: false };
    to.is_none_or(|to| since < to).then(|| Query { filter, sort, ..query.clone() })
}

struct Export {
    store: Arc<dyn Store>,
    scope: Scope,
    /// What was sent, if changes can move leads in this order.
    seen: Option<Seen>,
    /// The question for leads that may have moved past the place meanwhile; none: it was asked, or need not be.
    late: Option<Query>,
    /// The page at hand is an answer to it.
    is_late: bool,
    /// The question for the next page; none: the page at hand is the last.
    next: Option<Query>,
    /// What of the page at hand was not sent yet.
    page: vec::IntoIter<Lead>,
    without_notes: bool,
    rows: u64,
    /// The number of rows was told: this is the end.
    told: bool,
}

impl Export {
    async fn part(mut self) -> Result<Option<(proto::ExportLeadsResponse, Self)>, Refusal> {
        if self.told {
            return Ok(None);
        }
        self.fill().await?;
        let leads = self.with_notes().await?;
        self.rows += leads.len() as u64;
        if self.next.is_none() && self.page.as_slice().is_empty() && self.late.is_some() {
            (self.next, self.is_late) = (self.late.take(), true);
            self.fill().await?;
        }
        self.told = self.next.is_none() && self.page.as_slice().is_empty();
        let part = proto::ExportLeadsResponse { leads, rows_in_all: self.told.then_some(self.rows) };
        Ok(Some((part, self)))
    }

    /// Reads on until there is something to be sent, or nothing is left.
    async fn fill(&mut self) -> Result<(), Refusal> {
        while self.page.as_slice().is_empty()
            && let Some(query) = self.next.take()
        {
            let mut page = self.store.leads(self.scope, query.clone()).await?;
            if let Some(last) = page.items.last().filter(|_| page.more) {
                let after = Some(query.sort.position(last));
                self.next = Some(Query { after, ..query });
            }
            match &mut self.seen {
                Some(seen) if self.is_late => page.items.retain(|lead| !seen.has(lead.id)),
                Some(seen) => {
                    seen.reserve(page.items.len())?;
                    page.items.retain(|lead| seen.add(lead.id));
                }
                None => {}
            }
            self.page = page.items.into_iter();
        }
        Ok(())
    }

    /// The next leads of the page, so many that their notes fit into a message; without notes, all of them.
    async fn with_notes(&mut self) -> Result<Vec<proto::Lead>, Refusal> {
        let (mut leads, mut noted, mut sum) = (Vec::new(), Vec::new(), 0);
        while let Some(lead) = self.page.as_slice().first() {
            let noted_of = |lead: &Lead| usize::try_from(lead.note_count).unwrap_or(usize::MAX);
            let count = if self.without_notes { 0 } else { noted_of(lead).min(NOTES_SHOWN) };
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
