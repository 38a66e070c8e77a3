//! Files of leads that come in: streamed through to the leads service, which takes them in behind the scenes.

pub(crate) mod import;
pub(crate) mod options;
mod upload;

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, Method, StatusCode, header};
use leadline_proto::leads as proto;
use leadline_runtime::caller::Caller;
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;

use self::{
    import::{Import, ImportPage},
    options::{ImportForm, ImportQuery, Options},
    upload::{Cut, Form, Upload},
};
use crate::{
    body::NoFields,
    caller::SignedIn,
    gateway::Gateway,
    once::{self, Key},
    problem::Problem,
    query::{NoQuery, PageQuery, Query},
};

/// Where files are sent.
const PATH: &str = "/api/v1/leads/import";
/// The media type of a workbook.
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
/// How long the service may look at a file that it has whole.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether a request takes the time that its client takes to send a file: it has bounds of its own.
pub(crate) fn is_upload(method: &Method, path: &str) -> bool {
    *method == Method::POST && path.trim_end_matches('/') == PATH
}

/// Import leads
///
/// Takes a CSV (divided by `,`, `;` or tabs, in UTF-8 or Windows-1252) or an XLSX (its first sheet) of at most 100 MiB, and answers
/// as soon as the whole file is kept: it is taken in behind the scenes, in batches, whatever is restarted meanwhile. Its progress
/// is told by `GET /api/v1/leads/imports/{id}` and as `import` on the event stream. Columns are recognised by their headers, and
/// `mapping` says it better. A row that can't be taken never stops the others. The options stand in the query, or, with
/// `multipart/form-data`, in fields beside the file, in any order. An `Idempotency-Key` is compared by options and file. A
/// workspace may have 10 imports that wait, and a user may send 4 files at once: more are 429.
#[utoipa::path(post, path = "/api/v1/leads/import", tag = "Leads", operation_id = "start_import", params(ImportQuery),
    request_body(description = "The file", content(
        (String = "text/csv"),
        (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        (ImportForm = "multipart/form-data"))),
    responses((status = 202, description = "The import, which is queued", body = Import)))]
pub(crate) async fn start_import(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    query: Query,
    key: Key,
    request: Request,
) -> Result<Response, Problem> {
    let form = Form::of(request.headers())?;
    let keyed = key.text().is_some();
    let options = match &form {
        Form::Bare => Options::of_query(query, keyed)?,
        Form::Multipart(_) => {
            query.finish()?;
            Options::of_form(keyed)
        }
    };
    let _place = gateway.uploads.enter(caller.user)?;
    let (out, pieces) = mpsc::channel(upload::WAITING);
    let mut imports = gateway.imports();
    let call = imports.start_import(key.upload(&caller, ReceiverStream::new(pieces)));
    tokio::pin!(call);
    let answer = tokio::select! {
        // Before the file's end: it is refused.
        answer = &mut call => answer?,
        given = Upload::new(out, options).run(form, request.into_body()) => match given {
            // Dropping the call is to break it off: there is no import.
            Err(Cut::Client(problem)) => return Err(problem),
            Ok(()) | Err(Cut::Service) => {
                let late = |_| Problem::unavailable("the file could not be kept in time: try again");
                timeout(PATIENCE, call).await.map_err(late)??
            }
        },
    };
    let replayed = once::replayed(&answer);
    let import = answer.into_inner();
    let location = HeaderValue::try_from(format!("/api/v1/leads/imports/{}", import.id));
    let mut response = (StatusCode::ACCEPTED, show(&gateway, &caller, import).await).into_response();
    response.headers_mut().extend(location.map(|value| (header::LOCATION, value)));
    response.headers_mut().extend(replayed);
    Ok(response)
}

async fn show(gateway: &Gateway, caller: &Caller, import: proto::Import) -> Json<Import> {
    let names = gateway.people.names(caller, &[import.created_by.as_str()]).await;
    Json(Import::of(import, &names))
}

/// List imports
///
/// A page of the workspace's imports, newest first.
#[utoipa::path(get, path = "/api/v1/leads/imports", tag = "Leads", operation_id = "list_imports", params(PageQuery),
    responses((status = 200, description = "The page", body = ImportPage)))]
pub(crate) async fn list_imports(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    mut query: Query,
) -> Result<Json<ImportPage>, Problem> {
    let page = query.page();
    query.finish()?;
    let request = proto::ListImportsRequest { limit: page.limit, cursor: page.cursor };
    let answer = gateway.imports().list_imports(caller.request(request)).await?.into_inner();
    let people: Vec<&str> = answer.imports.iter().map(|import| import.created_by.as_str()).collect();
    let names = gateway.people.names(&caller, &people).await;
    let imports = answer.imports.into_iter().map(|import| Import::of(import, &names)).collect();
    Ok(Json(ImportPage::of(imports, answer.next_cursor, answer.total)))
}

/// Get an import
///
/// The import as far as it has come; of a dry run that is done, with its first rows and what would become of them.
#[utoipa::path(get, path = "/api/v1/leads/imports/{id}", tag = "Leads", operation_id = "get_import",
    responses((status = 200, description = "The import", body = Import)))]
pub(crate) async fn get_import(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<Import>, Problem> {
    let answer = gateway.imports().get_import(caller.request(proto::GetImportRequest { id })).await?;
    Ok(show(&gateway, &caller, answer.into_inner()).await)
}

/// Take an import back
///
/// What it made goes to the trash, and what it changed is as it was before, but for leads that were edited since: `kept` counts
/// them. Whoever started it may, and admins and owners. It is done behind the scenes: `state` tells how far it is.
#[utoipa::path(post, path = "/api/v1/leads/imports/{id}/undo", tag = "Leads", operation_id = "undo_import",
    responses((status = 202, description = "The import, which is being taken back", body = Import)))]
pub(crate) async fn undo_import(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    Path(id): Path<String>,
    _: NoQuery,
    key: Key,
    NoFields(raw): NoFields,
) -> Result<Response, Problem> {
    let request = key.request(&caller, proto::UndoImportRequest { id }, &raw);
    let answer = gateway.imports().undo_import(request).await?;
    let replayed = once::replayed(&answer);
    let import = show(&gateway, &caller, answer.into_inner()).await;
    let mut response = (StatusCode::ACCEPTED, import).into_response();
    response.headers_mut().extend(replayed);
    Ok(response)
}

#[cfg(test)]
mod tests;
