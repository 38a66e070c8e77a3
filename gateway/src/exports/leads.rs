//! Leads as a file, row by row.

use std::{
    collections::HashMap,
    io::{BufWriter, Seek},
    sync::Arc,
    time::Duration,
};

use axum::response::Response;
use leadline_documents::{self as documents, FileName, Format, LeadsCsv, LeadsXlsx};
use leadline_proto::leads as proto;
use leadline_runtime::{caller::Caller, refusal::Refusal, time::Millis, zone::Zone};
use tokio::{io::AsyncReadExt, sync::mpsc, time::timeout};
use tonic::Streaming;

use super::{
    TableFormat, file,
    pieces::{Cut, Out, channel},
    places::Place,
    tz,
};
use crate::{
    gateway::Gateway,
    leads::{
        filter::Filter,
        lead::{Source, Status},
        sort,
    },
    people::Names,
    problem::Problem,
    query::Query,
};

/// How long the service may be silent.
const PATIENCE: Duration = Duration::from_secs(30);
/// A workbook is sent in pieces of so many bytes.
const PIECE: usize = 64 * 1024;
/// How many messages wait to be written into a workbook.
const AHEAD: usize = 2;

/// An export as it was asked for.
pub(super) struct LeadsExport {
    filter: Filter,
    sort: Option<(proto::SortField, bool)>,
    format: Format,
}

impl LeadsExport {
    pub(super) fn read(query: &mut Query, caller: &Caller) -> Self {
        let format = TableFormat::read(query);
        Self { filter: Filter::read(query, caller), sort: query.parsed("sort", sort), format }
    }

    pub(super) async fn answer(self, gateway: &Arc<Gateway>, caller: &Caller) -> Result<Response, Problem> {
        let Self { filter, sort, format } = self;
        let place = gateway.exports.enter(caller.user)?;
        let zone = gateway.zone(caller, filter.zone()).await?;
        let (sort, descending) = sort.unwrap_or((proto::SortField::CreatedAt, true));
        let request = proto::ExportLeadsRequest {
            filter: Some(filter.within(zone)),
            sort: sort.into(),
            descending,
            without_notes: false,
        };
        let stream = gateway.leads().export_leads(caller.request(request)).await?.into_inner();
        let mut rows = Rows::of(stream);
        // What can be refused is refused before the answer begins.
        let first = rows.first().await?;
        let mut writers = Writers::new(gateway.clone(), caller.clone());
        writers.learn(&first).await?;
        let (out, body) = channel();
        let now = Millis::now();
        let export = Export { writers, zone, now, rows, out };
        tokio::spawn(export.run(format, first, place, caller.origin.request_id.clone()));
        Ok(file(&FileName::leads(zone.date(now), format), format, body))
    }
}

/// The service's stream, checked.
pub(super) struct Rows {
    stream: Streaming<proto::ExportLeadsResponse>,
    read: u64,
    /// How many it says there are.
    told: Option<u64>,
}

impl Rows {
    pub(super) fn of(stream: Streaming<proto::ExportLeadsResponse>) -> Self {
        Self { stream, read: 0, told: None }
    }

    /// What comes first: if anything is refused, it is that.
    pub(super) async fn first(&mut self) -> Result<Vec<proto::Lead>, Problem> {
        match self.stream.message().await? {
            Some(part) => Ok(self.take(part)),
            None => Err(Problem::unavailable("the export could not be begun: try again")),
        }
    }

    /// The next rows; `None`: that was all, as many as the service says.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<proto::Lead>>, Cut> {
        let silent = |_| Cut::Service("the service of leads is silent".to_owned());
        let part = timeout(PATIENCE, self.stream.message()).await.map_err(silent)?;
        match part.map_err(|status| Cut::Service(format!("the service of leads broke off: {status}")))? {
            Some(part) if self.told.is_none() => Ok(Some(self.take(part))),
            None if self.told == Some(self.read) => Ok(None),
            _ => {
                let told = self.told;
                Err(Cut::Service(format!("{} rows came, and {told:?} were told", self.read)))
            }
        }
    }

    fn take(&mut self, part: proto::ExportLeadsResponse) -> Vec<proto::Lead> {
        self.read += part.leads.len() as u64;
        self.told = part.rows_in_all;
        part.leads
    }
}

/// Who owns leads and wrote notes, by name: the same names from the first row to the last. They are asked for again only for
/// somebody new, so that neither an auth service that is away nor a token that has ended meanwhile breaks a file off in vain.
struct Writers {
    gateway: Arc<Gateway>,
    caller: Caller,
    names: Option<Arc<Names>>,
    /// The addresses of members, by id, once somebody's name does not tell who they are.
    addresses: Option<Arc<HashMap<String, String>>>,
}

impl Writers {
    fn new(gateway: Arc<Gateway>, caller: Caller) -> Self {
        Self { gateway, caller, names: None, addresses: None }
    }

    /// Sees to it that everybody whom these rows name has a name, and an address where that is needed.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`] if somebody's can't be had now: a file would say something else for ever.
    async fn learn(&mut self, leads: &[proto::Lead]) -> Result<(), Refusal> {
        let authors = leads.iter().flat_map(|lead| &lead.notes).map(|note| note.author_id.as_str());
        let owners = leads.iter().filter_map(|lead| lead.owner_id.as_deref());
        let mut people: Vec<&str> = owners.chain(authors).filter(|id| !id.is_empty()).collect();
        people.sort_unstable();
        people.dedup();
        let known = match &self.names {
            Some(names) => names.know(people.iter().copied()),
            None => people.is_empty(),
        };
        if !known {
            self.names = Some(self.gateway.people.whole_names(&self.caller, &people).await?);
        }
        let is_namesake = |id: &&str| self.names.as_ref().is_some_and(|names| names.is_namesake(id));
        if self.addresses.is_none() && people.iter().any(is_namesake) {
            self.addresses = Some(Arc::new(self.gateway.people.addresses(&self.caller).await?));
        }
        Ok(())
    }

    /// What those are called whom any row so far names.
    fn called(&self) -> Called {
        Called {
            names: self.names.clone().unwrap_or_else(|| Arc::new(Names::none())),
            addresses: self.addresses.clone().unwrap_or_default(),
        }
    }
}

/// An export under way.
struct Export {
    writers: Writers,
    zone: Zone,
    now: Millis,
    rows: Rows,
    out: Out,
}

/// People as cells name them: so that each can be told from the others when the file is imported again.
struct Called {
    names: Arc<Names>,
    addresses: Arc<HashMap<String, String>>,
}

impl Called {
    fn person(&self, id: &str) -> String {
        let name = self.names.person(id).name;
        // Who is no member any more has no address here.
        let key = || self.addresses.get(id).map_or(id, String::as_str);
        documents::write_person(&name, self.names.is_namesake(id).then(key))
    }
}

impl Export {
    async fn run(self, format: Format, first: Vec<proto::Lead>, place: Place, request_id: String) {
        let done = match format {
            Format::Xlsx => self.xlsx(first).await,
            Format::Csv | Format::Pdf => self.csv(first).await,
        };
        drop(place);
        match done {
            Ok(rows) => tracing::debug!(rows, request_id, "leads were exported"),
            Err(cut @ Cut::Client) => tracing::debug!(%cut, request_id, "an export was broken off"),
            Err(cut) => tracing::warn!(%cut, request_id, "an export was broken off"),
        }
    }

    /// The next rows, with a name for everybody in them.
    async fn next(&mut self) -> Result<Option<Vec<proto::Lead>>, Cut> {
        let next = self.rows.next().await?;
        if let Some(leads) = &next {
            let unknown =
                |refusal: Refusal| Cut::Service(format!("who is who could not be learnt: {refusal}"));
            self.writers.learn(leads).await.map_err(unknown)?;
        }
        Ok(next)
    }

    async fn csv(mut self, mut leads: Vec<proto::Lead>) -> Result<u64, Cut> {
        let mut csv = LeadsCsv::new(Vec::new(), tz(self.zone))?;
        loop {
            let called = self.writers.called();
            for lead in &leads {
                with_row(lead, &called, self.zone, |row| csv.row(row))?;
            }
            self.out.send(csv.take()?).await?;
            match self.next().await? {
                Some(next) => leads = next,
                None => break,
            }
        }
        self.out.send(csv.finish()?).await?;
        self.out.end().await?;
        Ok(self.rows.read)
    }

    async fn xlsx(mut self, mut leads: Vec<proto::Lead>) -> Result<u64, Cut> {
        let (ahead, waiting) = mpsc::channel(AHEAD);
        let (zone, now) = (self.zone, self.now);
        let made = tokio::task::spawn_blocking(move || workbook(waiting, zone, now));
        loop {
            self.out.check()?;
            let called = self.writers.called();
            if ahead.send(Part::Rows(leads, called)).await.is_err() {
                break;
            }
            match self.next().await? {
                Some(next) => leads = next,
                None => break,
            }
        }
        // Refused only if the workbook failed already, which is told below.
        let _ = ahead.send(Part::End).await;
        let made = made.await.map_err(|error| Cut::Service(error.to_string()))??;
        let mut made = tokio::fs::File::from_std(made);
        loop {
            let mut piece = Vec::with_capacity(PIECE);
            (&mut made).take(PIECE as u64).read_to_end(&mut piece).await?;
            if piece.is_empty() {
                break;
            }
            self.out.send(piece).await?;
        }
        self.out.end().await?;
        Ok(self.rows.read)
    }
}

enum Part {
    Rows(Vec<proto::Lead>, Called),
    End,
}

/// Writes a workbook into a file that nobody else sees, and that is gone when it is closed.
fn workbook(mut waiting: mpsc::Receiver<Part>, zone: Zone, now: Millis) -> Result<std::fs::File, Cut> {
    let mut book = LeadsXlsx::new(tz(zone), now.0, None)?;
    loop {
        match waiting.blocking_recv() {
            Some(Part::Rows(leads, called)) => {
                for lead in &leads {
                    with_row(lead, &called, zone, |row| book.row(row))?;
                }
            }
            Some(Part::End) => break,
            None => return Err(Cut::Service("not all rows came".to_owned())),
        }
    }
    let mut file = tempfile::tempfile()?;
    book.finish(BufWriter::new(&mut file))?;
    file.rewind()?;
    Ok(file)
}

/// Shows a lead as its row.
fn with_row<T>(
    lead: &proto::Lead,
    called: &Called,
    zone: Zone,
    write: impl FnOnce(&documents::Lead<'_>) -> T,
) -> T {
    let owner = lead.owner_id.as_deref().filter(|id| !id.is_empty());
    let owner = owner.map(|id| called.person(id)).unwrap_or_default();
    let authors: Vec<String> = lead.notes.iter().map(|note| called.person(&note.author_id)).collect();
    let notes = lead.notes.iter().zip(&authors).map(|(note, author)| documents::Note {
        at: note.created_at_ms,
        author,
        text: &note.text,
    });
    let notes = documents::join_notes(notes, tz(zone));
    write(&documents::Lead {
        id: &lead.id,
        name: &lead.name,
        email: lead.email.as_deref().unwrap_or_default(),
        phone: lead.phone.as_deref().unwrap_or_default(),
        company: lead.company.as_deref().unwrap_or_default(),
        source: Source::of(lead.source).text(),
        status: Status::of(lead.status).text(),
        tags: &lead.tags,
        owner: &owner,
        created_at: lead.created_at_ms,
        updated_at: lead.updated_at_ms,
        status_changed_at: lead.status_changed_at_ms,
        next_follow_up: lead.next_follow_up_at_ms,
        notes: &notes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_names_owner_and_authors_and_tells_the_newest_note_first() {
        let note = |text: &str, at| proto::Note {
            id: "n".into(),
            text: text.into(),
            author_id: "u".into(),
            created_at_ms: at,
        };
        let lead = proto::Lead {
            id: "l".into(),
            name: "Ada".into(),
            owner_id: Some("u".into()),
            source: proto::Source::Ad as i32,
            status: proto::Status::Lost as i32,
            notes: vec![note("=later", 1_795_426_200_000), note("earlier", 0)],
            ..proto::Lead::default()
        };
        let called = Called { names: Arc::new(Names::of_test([("u", "Una")])), addresses: Arc::default() };
        let zone = Zone::parse("Europe/Berlin").unwrap();
        with_row(&lead, &called, zone, |row| {
            assert_eq!((row.owner, row.source, row.status, row.email), ("Una", "Ad", "Lost", ""));
            assert_eq!(row.notes, "2026-11-23 10:30 Una: =later\n\n1970-01-01 01:00 Una: earlier");
        });
    }

    #[test]
    fn people_of_one_name_are_told_apart() {
        let names = Names::of_test([("a", "Una"), ("b", "Una"), ("c", "Ben")]).with_namesakes(["a", "b"]);
        let addresses = Arc::new(HashMap::from([("a".to_owned(), "una@x.test".to_owned())]));
        let called = Called { names: Arc::new(names), addresses };
        let cells = ["a", "b", "c", "d"].map(|id| called.person(id));
        assert_eq!(cells, ["Una <una@x.test>", "Una <b>", "Ben", "Former member"]);
    }

    #[test]
    fn a_workbook_of_which_rows_are_missing_is_none() {
        let (ahead, waiting) = mpsc::channel(1);
        let called = Called { names: Arc::new(Names::of_test([])), addresses: Arc::default() };
        ahead.try_send(Part::Rows(vec![proto::Lead::default()], called)).map_err(drop).unwrap();
        drop(ahead);
        assert!(workbook(waiting, Zone::UTC, Millis(0)).is_err());
    }
}
