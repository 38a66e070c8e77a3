//! Calls about imports: a file comes in, is looked at, and queued; the worker does the rest.

use std::{pin::Pin, sync::Arc, time::Duration};

use futures::Stream;
use leadline_documents::{defuse, defuse_phone, undefuse};
use leadline_proto::leads::{
    self as proto, imports_service_server::ImportsService, start_import_request::Part,
};
use leadline_runtime::{
    caller::{Caller, Role, Scope},
    cursor,
    once::Once,
    refusal::Refusal,
    time::Millis,
    violations::Violations,
    zone::Zone,
};
use prost::Message;
use tokio::{io::AsyncWriteExt, sync::Semaphore};
use tonic::{Request, Response, Status, Streaming};

use super::{Leads, parse, replay};
use crate::{
    import::{
        Column, Import, ImportId, LARGEST_FILE, LARGEST_PIECE, LONGEST_FILE_NAME, OnDuplicate, People, Task,
        UPLOAD_TIME,
        header::{self, Field},
        message,
        table::{NotATable, Table},
        worker::Worker,
    },
    store::{self, Keyed, Reply, StoreError},
};

/// How long an upload may be silent.
const SILENCE: Duration = Duration::from_secs(60);
/// When to ask again, if too many imports wait.
const LATER: Duration = Duration::from_secs(30);
/// About so many bytes of failed rows are read at once, and at most so many are sent.
const PAGE: usize = 1024 * 1024;
/// One workbook that came in is looked at in a process: its texts are held meanwhile.
static WORKBOOKS: Semaphore = Semaphore::const_new(1);
/// How long one waits for the others.
const PATIENCE: Duration = Duration::from_secs(60);
/// What failed rows are told with, behind the file's own columns.
const BEHIND: [&str; 2] = ["Line", "Reason"];

/// The calls about imports.
#[derive(Clone)]
pub struct Imports {
    leads: Leads,
    imports: Arc<dyn store::imports::Imports>,
    worker: Worker,
}

/// A file on its way in. Unless it is queued, nothing of it stays.
struct Upload {
    imports: Arc<dyn store::imports::Imports>,
    scope: Scope,
    id: ImportId,
    queued: bool,
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.queued {
            return;
        }
        let (imports, scope, id) = (self.imports.clone(), self.scope, self.id);
        // Without a runtime the process ends, and the sweep does it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = imports.forget(scope, id).await {
                    tracing::debug!(%error, "an upload is left to the sweep");
                }
            });
        }
    }
}

/// What came in.
struct Received {
    options: proto::ImportOptions,
    file: std::fs::File,
    size: u64,
}

impl Upload {
    /// Keeps what comes, and a copy of it to look at.
    async fn receive(&self, mut parts: Streaming<proto::StartImportRequest>) -> Result<Received, Refusal> {
        let broken = |error: std::io::Error| Refusal::internal(error);
        let mut copy = tokio::fs::File::from_std(tempfile::tempfile().map_err(broken)?);
        let (mut options, mut piece, mut nth, mut size) = (None, Vec::new(), 0, 0_u64);
        loop {
            let silent = |_| Refusal::Unavailable("the file stopped coming: send it again".to_owned());
            let part = tokio::time::timeout(SILENCE, parts.message()).await.map_err(silent)??;
            let Some(part) = part.map(|message| message.part) else { break };
            match part {
                Some(Part::Options(given)) => {
                    let again = options.replace(given).is_some();
                    if again {
                        return Err(Refusal::invalid("options", "must come once"));
                    }
                }
                Some(Part::Chunk(chunk)) => {
                    size += chunk.len() as u64;
                    if size > LARGEST_FILE {
                        return Err(Refusal::invalid("file", "must be at most 100 MiB"));
                    }
                    copy.write_all(&chunk).await.map_err(broken)?;
                    piece.extend_from_slice(&chunk);
                    while piece.len() >= LARGEST_PIECE {
                        let rest = piece.split_off(LARGEST_PIECE);
                        self.keep(nth, std::mem::replace(&mut piece, rest)).await?;
                        nth += 1;
                    }
                }
                None => {}
            }
        }
        if !piece.is_empty() {
            self.keep(nth, piece).await?;
        }
        copy.flush().await.map_err(broken)?;
        Ok(Received { options: options.unwrap_or_default(), file: copy.into_std().await, size })
    }

    async fn keep(&self, nth: u32, piece: Vec<u8>) -> Result<(), Refusal> {
        if self.imports.keep(self.scope, self.id, nth, piece).await? {
            return Ok(());
        }
        Err(Refusal::Unavailable("the file took too long to come: send it again".to_owned()))
    }
}

fn unreadable(violations: &mut Violations, error: NotATable) -> Result<(), Refusal> {
    match error {
        NotATable::Io(error) => Err(Refusal::internal(error)),
        error => {
            violations.add("file", error.to_string());
            Ok(())
        }
    }
}

/// What of the file's name is kept: no folder, nothing that is not seen.
fn file_name(given: &str) -> String {
    let name = given.rsplit(['/', '\\']).next().unwrap_or_default();
    name.trim().chars().filter(|c| !c.is_control()).take(LONGEST_FILE_NAME).collect()
}

impl Imports {
    /// Over the same store as the calls about leads.
    #[must_use]
    pub fn new(leads: Leads, worker: Worker) -> Self {
        let imports = leads.store.imports();
        Self { leads, imports, worker }
    }

    async fn start(
        &self,
        request: Request<Streaming<proto::StartImportRequest>>,
    ) -> Result<Response<proto::Import>, Status> {
        let (metadata, extensions, parts) = request.into_parts();
        let request = Request::from_parts(metadata, extensions, ());
        let caller = self.leads.admit(&request, Role::Member).await?;
        let once = Once::of(request.metadata(), &caller);
        let _guard = self.leads.flight.begin(once.as_ref())?;
        let (scope, id, now) = (caller.scope(), ImportId::new(), Millis::now());
        let room =
            self.imports.begin(scope, id, now, now.before(UPLOAD_TIME)).await.map_err(Refusal::from)?;
        if !room {
            return Err(Refusal::TooMany { retry_after: LATER }.into());
        }
        let mut upload = Upload { imports: self.imports.clone(), scope, id, queued: false };
        let Received { options, file, size } = upload.receive(parts).await?;
        // The file was behind the metadata: what the key stands for is told with the options.
        let once = once.map(|once| match options.body_fingerprint.as_str() {
            "" => once,
            print => Once { fingerprint: print.to_owned(), ..once },
        });
        if let Some(once) = &once
            && let Some(answer) =
                self.leads.store.answered(once, Millis::now()).await.map_err(Refusal::from)?
        {
            return replay(&answer);
        }
        let task = self.task(&caller, options, file, size).await?;
        let import = Import { size: Some(size), ..Import::new(id, task, caller.user) };
        let answer = |import: &Import| message::import(import, Vec::new()).encode_to_vec();
        let keyed = once.map(|once| Keyed { once, answer: Arc::new(answer) });
        match self.imports.queue(scope, import, keyed).await.map_err(Refusal::from)? {
            Reply::Fresh(import) => {
                upload.queued = true;
                self.worker.wake();
                Ok(Response::new(message::import(&import, Vec::new())))
            }
            Reply::Replayed(answer) => replay(&answer),
        }
    }

    /// What the columns of a file are called.
    async fn headers(&self, file: std::fs::File) -> Result<Result<Vec<String>, NotATable>, Refusal> {
        let opened =
            tokio::task::spawn_blocking(move || Table::open(file)).await.map_err(Refusal::internal)?;
        let mut table = match opened {
            Ok(table) => table,
            Err(error) => return Ok(Err(error)),
        };
        if table.is_workbook() {
            let place = tokio::time::timeout(PATIENCE, WORKBOOKS.acquire()).await;
            let place = place.map_err(|_| Refusal::TooMany { retry_after: LATER })?;
            table.hold(place.map_err(Refusal::internal)?);
        }
        tokio::task::spawn_blocking(move || table.header()).await.map_err(Refusal::internal)
    }

    /// What is to be done with a file; everything that is wrong with it, or with the options, at once.
    async fn task(
        &self,
        caller: &Caller,
        options: proto::ImportOptions,
        file: std::fs::File,
        size: u64,
    ) -> Result<Task, Refusal> {
        let mut violations = Violations::from_edge(options.faults);
        let on_duplicate = message::on_duplicate_of(options.on_duplicate).unwrap_or_else(|| {
            violations.add("onDuplicate", "must be one of skip, update, create");
            OnDuplicate::Skip
        });
        let mut zone = match options.tz.as_str() {
            "" => None,
            name => violations.take("tz", Zone::parse(name)),
        };
        let mut columns = Vec::new();
        if size == 0 {
            violations.add("file", "is required: a CSV file or an Excel workbook (.xlsx)");
        } else {
            match self.headers(file).await? {
                Ok(headers) => {
                    let mapping = options.mapping.into_iter().map(|one| (one.header, one.field));
                    match header::columns(&headers, &mapping.collect::<Vec<_>>()) {
                        Ok(found) => columns = found,
                        Err(faults) => {
                            faults.file.into_iter().for_each(|fault| violations.add("file", fault));
                            faults.mapping.into_iter().for_each(|fault| violations.add("mapping", fault));
                        }
                    }
                }
                Err(error) => unreadable(&mut violations, error)?,
            }
        }
        violations.check()?;
        if zone.is_none()
            && columns.iter().any(|column| {
                matches!(column.field, Some(Field::CreatedAt | Field::StatusChangedAt | Field::Note))
            })
        {
            zone = Some(self.leads.members.zone(caller).await?);
        }
        let names = columns.iter().any(|column| matches!(column.field, Some(Field::Owner | Field::Note)));
        let people = if names { self.leads.members.people(caller).await? } else { People::new() };
        Ok(Task {
            file_name: file_name(&options.file_name),
            on_duplicate,
            dry_run: options.dry_run,
            zone: zone.unwrap_or(Zone::UTC),
            columns,
            people,
            origin: caller.origin.clone(),
        })
    }
}

/// An import in a list: many of them have many columns, so they are told of one only.
fn listed(import: &Import) -> proto::Import {
    proto::Import { columns: Vec::new(), ..message::import(import, Vec::new()) }
}

/// The rows that failed, on their way out.
struct Failures {
    imports: Arc<dyn store::imports::Imports>,
    scope: Scope,
    import: Import,
    /// The row sent last.
    after: Option<u64>,
    /// How many were sent; `None`: how many are missing was told too.
    sent: Option<u64>,
    begun: bool,
    /// What is still to be sent of the rows that were read.
    rest: Vec<u8>,
}

impl Failures {
    async fn part(mut self) -> Result<Option<(proto::StreamImportErrorsResponse, Self)>, StoreError> {
        while self.rest.is_empty() {
            if !self.read().await? {
                return Ok(None);
            }
        }
        let rest = self.rest.split_off(self.rest.len().min(PAGE));
        let csv = std::mem::replace(&mut self.rest, rest);
        Ok(Some((proto::StreamImportErrorsResponse { csv }, self)))
    }

    /// Reads more rows; false: there are no more.
    async fn read(&mut self) -> Result<bool, StoreError> {
        let mut out = csv::WriterBuilder::new()
            .terminator(csv::Terminator::CRLF)
            .flexible(true)
            .from_writer(Vec::new());
        let columns = &self.import.task.columns;
        if !self.begun {
            let own = columns.iter().map(|column| harmless(&column.header, None));
            write(&mut out, own.chain(BEHIND.map(str::to_owned)))?;
        }
        let rows = self.imports.failed(self.scope, self.import.id, self.after, PAGE).await?;
        if rows.is_empty() && self.begun {
            let Some(sent) = self.sent.take() else { return Ok(false) };
            // Of an import that ended long ago nothing is kept.
            let missing = self.import.counts.failed.saturating_sub(sent);
            if sent == 0 || missing == 0 {
                return Ok(false);
            }
            let told = [String::new(), left_out(missing)];
            write(&mut out, columns.iter().map(|_| String::new()).chain(told))?;
        }
        self.sent = self.sent.map(|sent| sent + rows.len() as u64);
        self.after = rows.last().map(|row| row.nth).or(self.after);
        for row in rows {
            let mut cells = row.cells;
            if cells.len() > columns.len() {
                // Nothing is lost of a row that has too many.
                let rest = cells.split_off(columns.len());
                if let Some(last) = cells.last_mut() {
                    *last = std::iter::once(undefuse(last))
                        .chain(rest.iter().map(String::as_str))
                        .collect::<Vec<_>>()
                        .join(",");
                }
            }
            cells.resize(columns.len(), String::new());
            let told = [row.line.to_string(), row.reason];
            let harmless = |(cell, column): (&String, &Column)| harmless(cell, column.field);
            write(&mut out, cells.iter().zip(columns).map(harmless).chain(told))?;
        }
        let rows = out.into_inner().map_err(|error| internal(&error))?;
        if !self.begun {
            self.rest.extend("\u{feff}".as_bytes());
        }
        self.rest.extend(rows);
        self.begun = true;
        Ok(true)
    }
}

fn internal(error: &dyn std::fmt::Display) -> StoreError {
    leadline_storage::StorageError::Internal(error.to_string()).into()
}

fn write(out: &mut csv::Writer<Vec<u8>>, row: impl Iterator<Item = String>) -> Result<(), StoreError> {
    out.write_record(row.map(String::into_bytes)).map_err(|error| internal(&error))
}

#[tonic::async_trait]
impl ImportsService for Imports {
    async fn start_import(
        &self,
        request: Request<Streaming<proto::StartImportRequest>>,
    ) -> Result<Response<proto::Import>, Status> {
        self.start(request).await
    }

    async fn get_import(
        &self,
        request: Request<proto::GetImportRequest>,
    ) -> Result<Response<proto::Import>, Status> {
        let caller = self.leads.admit(&request, Role::Viewer).await?;
        let id: ImportId = parse::path_id(&request.get_ref().id, "import")?;
        let found = self.imports.import(caller.scope(), id).await.map_err(Refusal::from)?;
        let (import, preview) = found.ok_or(Refusal::NotFound("import"))?;
        Ok(Response::new(message::import(&import, preview)))
    }

    async fn list_imports(
        &self,
        request: Request<proto::ListImportsRequest>,
    ) -> Result<Response<proto::ListImportsResponse>, Status> {
        let caller = self.leads.admit(&request, Role::Viewer).await?;
        let request = request.into_inner();
        let mut violations = Violations::default();
        let limit = parse::limit(&mut violations, request.limit);
        let question = parse::question(caller.workspace, "imports", &proto::ListImportsRequest::default());
        let before =
            parse::place(&mut violations, &question, &request.cursor, parse::id_of_bytes::<ImportId>);
        violations.check()?;
        let page = self.imports.imports(caller.scope(), before, limit).await.map_err(Refusal::from)?;
        let next = page.items.last().filter(|_| page.more);
        Ok(Response::new(proto::ListImportsResponse {
            next_cursor: next
                .map(|import| cursor::seal(&question, import.id.uuid().as_bytes()))
                .unwrap_or_default(),
            imports: page.items.iter().map(listed).collect(),
            total: Some(page.total.into()),
        }))
    }

    type StreamImportErrorsStream =
        Pin<Box<dyn Stream<Item = Result<proto::StreamImportErrorsResponse, Status>> + Send>>;

    async fn stream_import_errors(
        &self,
        request: Request<proto::StreamImportErrorsRequest>,
    ) -> Result<Response<Self::StreamImportErrorsStream>, Status> {
        let caller = self.leads.admit(&request, Role::Viewer).await?;
        let id: ImportId = parse::path_id(&request.get_ref().id, "import")?;
        let scope = caller.scope();
        let found = self.imports.import(scope, id).await.map_err(Refusal::from)?;
        let (import, _) = found.ok_or(Refusal::NotFound("import"))?;
        let imports = self.imports.clone();
        let failures =
            Failures { imports, scope, import, after: None, sent: Some(0), begun: false, rest: Vec::new() };
        let parts = futures::stream::try_unfold(failures, |failures| async move {
            failures.part().await.map_err(|error| Status::from(Refusal::from(error)))
        });
        Ok(Response::new(Box::pin(parts)))
    }

    async fn undo_import(
        &self,
        request: Request<proto::UndoImportRequest>,
    ) -> Result<Response<proto::Import>, Status> {
        let admitted = self.leads.admit_once(&request, Role::Member).await?;
        if let Some(answer) = &admitted.answered {
            return replay(answer);
        }
        let caller = &admitted.caller;
        let id: ImportId = parse::path_id(&request.get_ref().id, "import")?;
        let found = self.imports.import(caller.scope(), id).await.map_err(Refusal::from)?;
        let (import, _) = found.ok_or(Refusal::NotFound("import"))?;
        if import.created_by != caller.user && caller.role < Role::Admin {
            let why = "only who started this import, or an owner or admin of the workspace, may take it back";
            return Err(Refusal::Forbidden(why.to_owned()).into());
        }
        let keyed = admitted.keyed(|import| message::import(import, Vec::new()).encode_to_vec());
        let undone =
            self.imports.undo(caller.scope(), id, caller.user, keyed).await.map_err(Refusal::from)?;
        let reply = undone
            .ok_or(Refusal::NotFound("import"))?
            .map_err(|why| Refusal::conflict("IMPORT_STATE", why))?;
        match reply {
            Reply::Fresh(import) => {
                self.worker.wake();
                Ok(Response::new(message::import(&import, Vec::new())))
            }
            Reply::Replayed(answer) => replay(&answer),
        }
    }
}

/// A cell that does no harm in a spreadsheet, whether it came in defused or not; the number in a column of phones stays as it is.
fn harmless(cell: &str, field: Option<Field>) -> String {
    let cell = undefuse(cell);
    if field == Some(Field::Phone) { defuse_phone(cell) } else { defuse(cell) }
}

/// What stands at the end of rows of which not all were kept.
fn left_out(missing: u64) -> String {
    format!(
        "{missing} more rows could not be taken, and there was no room to keep them: mend the file and send it again"
    )
}
