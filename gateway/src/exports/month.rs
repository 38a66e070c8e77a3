//! A month's summary as a file.

use std::sync::Arc;

use axum::response::Response;
use chrono::Datelike;
use futures::{StreamExt, TryStreamExt};
use leadline_documents::{ConversionMonth, FileName, Format, Month, Outcome, YearMonth};
use leadline_proto::{
    analytics::{self as figures, DateRange},
    leads::{self as proto, activity::What},
    types::TimeRange,
};
use leadline_runtime::{
    caller::Caller,
    refusal::Refusal,
    time::Millis,
    zone::{Zone, add_days},
};

use super::{
    ReportFormat,
    figures::{ask, of_by_source, of_by_status, of_conversion, of_figures, of_funnel, workspace_name},
    file, made, tz,
};
use crate::{
    gateway::Gateway,
    leads::lead::{Lead, Source, Status},
    problem::Problem,
    query::{LARGEST_PAGE, Query},
};

/// The most leads won, and lost, that are listed.
const MOST: usize = 500;
/// Of so many the reason is looked up.
const REASONS: usize = 100;
/// So many reasons are looked up at once.
const AT_ONCE: usize = 16;
/// The most months of conversion that the service counts.
const MOST_MONTHS: u32 = 60;

/// A summary as it was asked for.
pub(super) struct MonthReport {
    month: Option<YearMonth>,
    format: Format,
    zone: Option<Zone>,
}

fn month(text: &str) -> Result<YearMonth, &'static str> {
    YearMonth::parse(text)
        .filter(|month| month.first_day().year() >= 1970)
        .ok_or("must be a month from 1970 on, such as 2026-10")
}

fn range(month: YearMonth) -> Option<DateRange> {
    Some(DateRange { from: month.first_day().to_string(), to: month.last_day().to_string() })
}

/// How many months a month lies before another; `None`: it lies after it.
fn months_between(month: YearMonth, other: YearMonth) -> Option<u32> {
    let number = |month: YearMonth| {
        month.first_day().year() * 12 + i32::try_from(month.first_day().month0()).unwrap_or(0)
    };
    u32::try_from(number(other) - number(month)).ok()
}

impl MonthReport {
    pub(super) fn read(query: &mut Query) -> Self {
        Self { month: query.parsed("month", month), format: ReportFormat::read(query), zone: query.zone() }
    }

    pub(super) async fn answer(self, gateway: &Arc<Gateway>, caller: &Caller) -> Result<Response, Problem> {
        let _place = gateway.exports.enter(caller.user)?;
        let zone = gateway.zone(caller, self.zone).await?;
        let now = Millis::now();
        let today = zone.date(now);
        let present = YearMonth::new(today.year(), today.month())
            .ok_or_else(|| Refusal::internal("the clock shows no month"))?;
        let month = self.month.unwrap_or(present);
        let past = months_between(month, present).ok_or_else(|| {
            Refusal::invalid("month", format!("must not be later than the present month, {present}"))
        })?;
        let format = self.format;
        let summary = summary(gateway, caller, month, past, zone, now).await?;
        let bytes = made(move || match format {
            Format::Pdf => summary.to_pdf(),
            Format::Xlsx => summary.to_xlsx(),
            Format::Csv => summary.to_csv(),
        })
        .await?;
        Ok(file(&FileName::report(month, format), format, bytes))
    }
}

/// Asks for all that a summary says.
async fn summary(
    gateway: &Arc<Gateway>,
    caller: &Caller,
    month: YearMonth,
    past: u32,
    zone: Zone,
    now: Millis,
) -> Result<Month, Problem> {
    let before = month.previous();
    let tz_name = || zone.name().to_owned();
    let (day, whole) = (figures::Interval::Day.into(), figures::Interval::Month.into());
    let date = month.first_day().to_string();
    let created = |month| figures::GetCreatedRequest { tz: tz_name(), interval: day, range: range(month) };
    let (report, by_source_before, per_day, per_day_before, conversion, funnel, won, lost, workspace) = tokio::try_join!(
        ask!(gateway, caller, get_report, figures::GetReportRequest { tz: tz_name(), period: whole, date }),
        ask!(
            gateway,
            caller,
            get_by_source,
            figures::GetBySourceRequest { tz: tz_name(), created: range(before) }
        ),
        ask!(gateway, caller, get_created, created(month)),
        ask!(gateway, caller, get_created, created(before)),
        conversion(gateway, caller, month, past, zone),
        ask!(gateway, caller, get_funnel, figures::GetFunnelRequest { tz: tz_name(), created: range(month) }),
        outcomes(gateway, caller, Status::Converted, month, zone),
        outcomes(gateway, caller, Status::Lost, month, zone),
        workspace_name(gateway, caller),
    )?;
    let counts =
        |created: &figures::Created| created.items.iter().map(|bucket| bucket.count).collect::<Vec<_>>();
    let figures = of_figures(report.figures.as_ref());
    let by_source = report.by_source.as_ref().map(of_by_source).unwrap_or_default();
    let conversion = if conversion.is_empty() {
        // Longer ago than the service counts month by month: this one, at least.
        let cohort_converted = by_source.iter().map(|item| item.converted).sum();
        vec![ConversionMonth {
            month,
            created: figures.created,
            converted: figures.converted,
            rate_tenths: figures.rate_tenths,
            cohort_converted,
            cohort_rate_tenths: (cohort_converted * 2_000 + figures.created).checked_div(2 * figures.created),
        }]
    } else {
        conversion
    };
    Ok(Month {
        workspace,
        month,
        zone: tz(zone),
        generated_at: now.0,
        figures,
        previous: of_figures(report.previous.as_ref()),
        by_status: report.by_status.as_ref().map(of_by_status).unwrap_or_default(),
        by_source,
        by_source_before: of_by_source(&by_source_before),
        created_per_day: counts(&per_day),
        created_per_day_before: counts(&per_day_before),
        conversion,
        funnel: of_funnel(&funnel),
        won_total: won.total,
        won: won.leads,
        lost_total: lost.total,
        lost: lost.leads,
    })
}

/// Conversion of up to twelve months, the last of them this one; none if it is too long ago.
async fn conversion(
    gateway: &Gateway,
    caller: &Caller,
    month: YearMonth,
    past: u32,
    zone: Zone,
) -> Result<Vec<ConversionMonth>, Problem> {
    if past >= MOST_MONTHS {
        return Ok(Vec::new());
    }
    let months = (past + 12).min(MOST_MONTHS);
    let request = figures::GetConversionRequest { tz: zone.name().to_owned(), months };
    let answer = gateway.analytics().get_conversion(caller.request(request)).await?.into_inner();
    let mut all = of_conversion(&answer)?;
    all.retain(|item| item.month <= month);
    Ok(all.split_off(all.len().saturating_sub(12)))
}

/// Leads that were won or lost.
struct Outcomes {
    leads: Vec<Outcome>,
    total: u64,
}

/// The leads that entered a stage in a month and stand there, the latest of them first.
async fn outcomes(
    gateway: &Arc<Gateway>,
    caller: &Caller,
    status: Status,
    month: YearMonth,
    zone: Zone,
) -> Result<Outcomes, Problem> {
    let (from, to) = (zone.start_of_day(month.first_day()), zone.start_of_day(add_days(month.last_day(), 1)));
    let filter = proto::LeadFilter {
        statuses: vec![status.to_proto().into()],
        status_changed: Some(TimeRange { from_ms: Some(from.0), to_ms: Some(to.0) }),
        ..proto::LeadFilter::default()
    };
    let (mut found, mut cursor, mut total) = (Vec::new(), String::new(), 0);
    while found.len() < MOST {
        let left = u32::try_from(MOST - found.len()).unwrap_or(LARGEST_PAGE);
        let request = proto::ListLeadsRequest {
            filter: Some(filter.clone()),
            sort: proto::SortField::UpdatedAt.into(),
            descending: true,
            limit: left.min(LARGEST_PAGE),
            cursor,
        };
        let page = gateway.leads().list_leads(caller.request(request)).await?.into_inner();
        total = page.total.map_or(0, |total| total.value).max(total);
        found.extend(page.leads);
        cursor = page.next_cursor;
        if cursor.is_empty() {
            break;
        }
    }
    found.sort_by_key(|lead| std::cmp::Reverse(lead.status_changed_at_ms));
    let people: Vec<&str> = found.iter().flat_map(Lead::people).collect();
    let names = gateway.people.names(caller, &people).await;
    let mut asked = Vec::new();
    for lead in found.iter().take(REASONS) {
        asked.push(reason(gateway.clone(), caller.clone(), lead.id.clone()));
    }
    let reasons: Vec<String> = futures::stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
    let mut reasons = reasons.into_iter();
    let total = total.max(found.len() as u64);
    let leads = found.into_iter().map(|lead| Outcome {
        owner: names.optional(lead.owner_id.as_deref()).map(|owner| owner.name).unwrap_or_default(),
        source: Source::of(lead.source).text().to_owned(),
        at: lead.status_changed_at_ms,
        reason: reasons.next().unwrap_or_default(),
        company: lead.company.unwrap_or_default(),
        name: lead.name,
    });
    Ok(Outcomes { leads: leads.collect(), total })
}

/// Why a lead was moved last; empty: nobody said.
async fn reason(gateway: Arc<Gateway>, caller: Caller, lead_id: String) -> Result<String, Problem> {
    let request = proto::ListActivityRequest {
        lead_id,
        types: vec!["lead.status_changed".to_owned()],
        limit: 1,
        ..proto::ListActivityRequest::default()
    };
    match gateway.leads().list_activity(caller.request(request)).await.map_err(Refusal::from) {
        Ok(page) => {
            let last = page.into_inner().activities.into_iter().next().and_then(|entry| entry.what);
            Ok(match last {
                Some(What::StatusChanged(moved)) => moved.reason.unwrap_or_default(),
                _ => String::new(),
            })
        }
        // It was deleted this moment.
        Err(Refusal::NotFound(_)) => Ok(String::new()),
        Err(refusal) => Err(refusal.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> YearMonth {
        YearMonth::parse(text).unwrap()
    }

    #[test]
    fn months_are_counted_over_years_and_never_into_the_future() {
        assert_eq!(months_between(of("2026-11"), of("2026-11")), Some(0));
        assert_eq!(months_between(of("2025-12"), of("2026-11")), Some(11));
        assert_eq!(months_between(of("2026-12"), of("2026-11")), None);
    }

    #[test]
    fn a_month_is_written_in_one_way() {
        assert_eq!(month("2026-10"), Ok(of("2026-10")));
        for bad in ["", "2026-1", "2026-13", "2026-10-01", "1969-12", "0001-01", "+026-10", "October"] {
            assert!(month(bad).is_err(), "{bad}");
        }
        assert_eq!(range(of("2024-02")).unwrap().to, "2024-02-29");
    }
}
