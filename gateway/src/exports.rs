//! Files to download: leads, figures, a month's summary; and links by which a browser fetches them.
//!
//! Leads are streamed row by row in memory that stays flat. A file is whole or it is broken off, never ended early: what
//! can't be finished ends the body with an error, which HTTP makes known to the client.

pub(crate) mod figures;
mod import_errors;
mod leads;
pub(crate) mod link;
mod month;
mod pieces;
mod places;

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use chrono_tz::Tz;
use http::{HeaderValue, header};
use leadline_documents::{FileName, Format};
use leadline_runtime::{caller::Caller, refusal::Refusal, zone::Zone};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use self::{figures::FiguresExport, import_errors::ImportErrors, leads::LeadsExport, month::MonthReport};
pub(crate) use self::{link::Links, places::Places};
use crate::{
    analytics::{IntervalQuery, RangeQuery, ZoneQuery},
    caller::SignedIn,
    gateway::Gateway,
    leads::{SortQuery, filter::LeadQuery},
    problem::Problem,
    query::{NoQuery, Query},
};

/// The form of a file of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TableFormat {
    /// Comma-separated values: UTF-8 with a byte order mark, CRLF.
    Csv,
    /// A workbook.
    Xlsx,
}

impl TableFormat {
    pub(crate) const ALL: &'static [Self] = &[Self::Csv, Self::Xlsx];

    fn format(self) -> Format {
        match self {
            Self::Csv => Format::Csv,
            Self::Xlsx => Format::Xlsx,
        }
    }

    fn read(query: &mut Query) -> Format {
        let parse = |text: &str| Self::ALL.iter().find(|word| word.format().extension() == text);
        query.word("format", parse, "csv, xlsx").copied().unwrap_or(Self::Csv).format()
    }
}

/// The form of a summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ReportFormat {
    /// Pages to be printed or forwarded.
    Pdf,
    /// A workbook.
    Xlsx,
    /// Comma-separated values, one table below the other.
    Csv,
}

impl ReportFormat {
    pub(crate) const ALL: &'static [Self] = &[Self::Pdf, Self::Xlsx, Self::Csv];

    fn format(self) -> Format {
        match self {
            Self::Pdf => Format::Pdf,
            Self::Xlsx => Format::Xlsx,
            Self::Csv => Format::Csv,
        }
    }

    fn read(query: &mut Query) -> Format {
        let parse = |text: &str| Self::ALL.iter().find(|word| word.format().extension() == text);
        query.word("format", parse, "pdf, xlsx, csv").copied().unwrap_or(Self::Pdf).format()
    }
}

/// In which form.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes a parameter in the OpenAPI document")]
pub(crate) struct TableQuery {
    /// The form of the file; `csv` if absent.
    format: Option<TableFormat>,
}

/// Which month, in which form.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes parameters in the OpenAPI document")]
pub(crate) struct MonthQuery {
    /// A calendar month from 1970 to the present one; absent: the present one, so far.
    #[param(pattern = "^[0-9]{4}-(0[1-9]|1[0-2])$", example = "2026-10")]
    month: Option<String>,
    /// The form of the file; `pdf` if absent.
    format: Option<ReportFormat>,
}

/// Export leads
///
/// Every lead that the filters match, in the order of the list, as it is streamed: nothing is left out, however many they are.
/// Columns: Id, Name, Email, Phone, Company, Source, Status, Tags, Owner, Created at, Updated at, Status changed at, Next
/// follow-up, Notes (the newest 50). Times are in `tz`. No cell can be taken for a formula. A body that breaks off, rather than
/// ends, is not the whole file. No lead is there twice, and each that the filters match throughout is there once: one that is
/// changed meanwhile, as it was before or is now, and, sorted by anything but `createdAt`, at its old place, its new one, or at the end.
/// In such an order all exports under way may have 3,000,000 rows together: one beyond that is broken off. A user may have 4
/// exports at once: more are 429.
#[utoipa::path(get, path = "/api/v1/leads/export", tag = "Leads", operation_id = "export_leads",
    params(TableQuery, LeadQuery, SortQuery), responses((status = 200, description = "The file")))]
pub(crate) async fn export_leads(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    mut query: Query,
) -> Result<Response, Problem> {
    let export = LeadsExport::read(&mut query, &caller);
    query.finish()?;
    export.answer(&gateway, &caller).await
}

/// Export figures
///
/// The figures of the dashboard as tables: as a workbook, a sheet each with a chart; as CSV, one table below the other. The range
/// is that of the counts by stage and source, of the funnel, and of the leads created over time; conversion is that of twelve
/// months, the report that of this week.
#[utoipa::path(get, path = "/api/v1/analytics/export", tag = "Analytics", operation_id = "export_figures",
    params(TableQuery, IntervalQuery, RangeQuery, ZoneQuery), responses((status = 200, description = "The file")))]
pub(crate) async fn export_figures(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    mut query: Query,
) -> Result<Response, Problem> {
    let export = FiguresExport::read(&mut query);
    query.finish()?;
    export.answer(&gateway, &caller).await
}

/// A month's summary
///
/// Cards, charts, the changes against the month before, the sources' performance, and the leads won and lost: up to 500 of
/// each, those won or lost last, with the reason if one was given, and how many they were in all. A lead is won or lost in the month in
/// which it entered the stage that it is in.
#[utoipa::path(get, path = "/api/v1/reports/monthly", tag = "Analytics", operation_id = "get_monthly_report",
    params(MonthQuery, ZoneQuery), responses((status = 200, description = "The file")))]
pub(crate) async fn get_monthly_report(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    mut query: Query,
) -> Result<Response, Problem> {
    let report = MonthReport::read(&mut query);
    query.finish()?;
    report.answer(&gateway, &caller).await
}

/// The rows that an import could not take
///
/// As CSV: the file's own columns, and behind them the line in the file and the reason. It can be mended and sent again. A body
/// that breaks off, rather than ends, is not the whole file.
#[utoipa::path(get, path = "/api/v1/leads/imports/{id}/errors", tag = "Leads", operation_id = "get_import_errors",
    responses((status = 200, description = "The file")))]
pub(crate) async fn get_import_errors(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Response, Problem> {
    ImportErrors::of(id).answer(&gateway, &caller).await
}

/// What a link can lead to.
enum Wanted {
    Leads(Box<LeadsExport>),
    Figures(FiguresExport),
    Month(MonthReport),
    ImportErrors(ImportErrors),
}

impl Wanted {
    /// Takes a path with its query apart.
    ///
    /// # Errors
    /// A sentence that says what it must be.
    fn read(path: &str, caller: &Caller) -> Result<Self, String> {
        let (path, text) = path.split_once('?').unwrap_or((path, ""));
        let mut query = Query::parse(text);
        let wanted = match path {
            "/api/v1/leads/export" => Self::Leads(Box::new(LeadsExport::read(&mut query, caller))),
            "/api/v1/analytics/export" => Self::Figures(FiguresExport::read(&mut query)),
            "/api/v1/reports/monthly" => Self::Month(MonthReport::read(&mut query)),
            path => Self::ImportErrors(ImportErrors::read(path).ok_or_else(|| {
                "must be /api/v1/leads/export, /api/v1/analytics/export or /api/v1/reports/monthly, with its \
                 query, or /api/v1/leads/imports/{id}/errors"
                    .to_owned()
            })?),
        };
        let faults = query.faults("is not a parameter of this path").into_vec();
        if faults.is_empty() {
            return Ok(wanted);
        }
        let told: Vec<String> =
            faults.iter().map(|fault| format!("{} {}", fault.field, fault.message)).collect();
        Err(format!("has a query that can't be accepted: {}", told.join("; ")))
    }

    async fn answer(self, gateway: &Arc<Gateway>, caller: &Caller) -> Result<Response, Problem> {
        match self {
            Self::Leads(export) => export.answer(gateway, caller).await,
            Self::Figures(export) => export.answer(gateway, caller).await,
            Self::Month(report) => report.answer(gateway, caller).await,
            Self::ImportErrors(errors) => errors.answer(gateway, caller).await,
        }
    }
}

/// A body as a file to be saved.
fn file(name: &FileName, format: Format, body: impl Into<Body>) -> Response {
    let mut response = body.into().into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.mime()));
    // The names are ours: ASCII.
    if let Ok(value) = HeaderValue::try_from(name.content_disposition()) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

/// Makes a document where it may take its time.
async fn made(
    make: impl FnOnce() -> Result<Vec<u8>, leadline_documents::Error> + Send + 'static,
) -> Result<Vec<u8>, Problem> {
    let made = tokio::task::spawn_blocking(make).await.map_err(Refusal::internal)?;
    Ok(made.map_err(Refusal::internal)?)
}

/// The zone as documents take it.
fn tz(zone: Zone) -> Tz {
    zone.name().parse().unwrap_or(Tz::UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_it_is_and_what_it_is_called() {
        let on = chrono::NaiveDate::from_ymd_opt(2026, 11, 23).unwrap();
        let response = file(&FileName::leads(on, Format::Xlsx), Format::Xlsx, Vec::new());
        assert_eq!(
            response.headers()[header::CONTENT_DISPOSITION],
            "attachment; filename=\"leads-2026-11-23.xlsx\""
        );
        assert!(response.headers()[header::CONTENT_TYPE].to_str().unwrap().ends_with("spreadsheetml.sheet"));
    }

    #[test]
    fn every_zone_is_known_to_documents() {
        for name in ["UTC", "Europe/Berlin", "Asia/Kolkata", "America/Argentina/Buenos_Aires"] {
            assert_eq!(tz(Zone::parse(name).unwrap()).name(), name);
        }
    }

    #[test]
    fn the_words_are_those_that_are_read() {
        let words = |all: serde_json::Value| all.as_array().unwrap().clone();
        for word in words(serde_json::to_value(TableFormat::ALL).unwrap()) {
            let mut query = Query::parse(&format!("format={}", word.as_str().unwrap()));
            assert_eq!(TableFormat::read(&mut query).extension(), word);
            assert!(query.faults("").is_empty());
        }
        for word in words(serde_json::to_value(ReportFormat::ALL).unwrap()) {
            let mut query = Query::parse(&format!("format={}", word.as_str().unwrap()));
            assert_eq!(ReportFormat::read(&mut query).extension(), word);
            assert!(query.faults("").is_empty());
        }
    }
}
