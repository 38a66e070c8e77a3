//! A month's summary as a file.

use std::{sync::Arc, time::Duration};

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
    file,
    leads::Rows,
    made,
    pieces::Cut,
    tz,
};
use crate::{
    gateway::Gateway,
    leads::lead::{Source, Status},
    people::Names,
    problem::Problem,
    query::{LARGEST_PAGE, Query},
};

/// The most leads won, and lost, that are listed.
const MOST: usize = 500;
/// So many reasons are looked up at once.
const AT_ONCE: usize = 16;
/// So many moves of one lead are looked through for its last one, however many others went into it.
const MOVES: u32 = 1_000;
/// The last leads won and lost are looked for in the last so many hours, and then in twice as many each time.
const FIRST_WINDOW: Duration = Duration::from_secs(6 * 60 * 60);
/// So many leads are looked at for them at most in one window, those that were edited last: more are in one day only if they were
/// moved all at once, and then it tells little which of them was the last.
const SEEN: usize = 50_000;
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
        outcomes(gateway, caller, Status::Converted, month, zone, now),
        outcomes(gateway, caller, Status::Lost, month, zone, now),
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
        // The figures may be a moment behind the leads.
        won_total: figures.converted.max(won.len() as u64),
        won,
        lost_total: figures.lost.max(lost.len() as u64),
        lost,
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

/// The leads that entered a stage in a month and stand there, the latest of them first.
async fn outcomes(
    gateway: &Arc<Gateway>,
    caller: &Caller,
    status: Status,
    month: YearMonth,
    zone: Zone,
    now: Millis,
) -> Result<Vec<Outcome>, Problem> {
    let (from, to) = (zone.start_of_day(month.first_day()), zone.start_of_day(add_days(month.last_day(), 1)));
    let mut found = Vec::new();
    for window in windows(from, to, now) {
        found.extend(entered(gateway, caller, status, window).await?);
        if found.len() >= MOST {
            break;
        }
    }
    found.truncate(MOST);
    let owners: Vec<&str> = found.iter().filter_map(|lead| lead.owner_id.as_deref()).collect();
    let names = match owners.is_empty() {
        true => Arc::new(Names::none()),
        false => gateway.people.whole_names(caller, &owners).await?,
    };
    let asked = found.iter().map(|lead| reason(gateway.clone(), caller.clone(), Move::of(lead)));
    let asked: Vec<_> = asked.collect();
    let reasons: Vec<String> = futures::stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
    let outcome = |(lead, reason): (proto::Lead, String)| Outcome {
        owner: names.optional(lead.owner_id.as_deref()).map(|owner| owner.name).unwrap_or_default(),
        source: Source::of(lead.source).text().to_owned(),
        at: lead.status_changed_at_ms,
        reason,
        company: lead.company.unwrap_or_default(),
        name: lead.name,
    };
    Ok(found.into_iter().zip(reasons).map(outcome).collect())
}

/// A time in parts, the latest first, so that who looks for what was last need not look at all of it. The first reaches to the
/// end: another machine's clock may be ahead.
fn windows(from: Millis, to: Millis, now: Millis) -> Vec<TimeRange> {
    let (mut windows, mut length) = (Vec::new(), FIRST_WINDOW);
    let (mut end, mut start) = (to, now.min(to).before(length));
    while end > from {
        let began = start.max(from);
        windows.push(TimeRange { from_ms: Some(began.0), to_ms: Some(end.0) });
        length *= 2;
        (end, start) = (began, began.before(length));
    }
    windows
}

/// The leads that entered a stage in a time and stand there, the latest first and at most [`MOST`].
async fn entered(
    gateway: &Gateway,
    caller: &Caller,
    status: Status,
    window: TimeRange,
) -> Result<Vec<proto::Lead>, Problem> {
    let filter = proto::LeadFilter {
        statuses: vec![status.to_proto().into()],
        status_changed: Some(window),
        ..proto::LeadFilter::default()
    };
    let request = proto::ExportLeadsRequest {
        filter: Some(filter),
        sort: proto::SortField::UpdatedAt.into(),
        descending: true,
        without_notes: true,
    };
    let mut rows = Rows::of(gateway.leads().export_leads(caller.request(request)).await?.into_inner());
    let (mut latest, mut seen) = (rows.first().await?, 0);
    let mut fresh = latest.len();
    loop {
        seen += fresh;
        latest.sort_by(|one, other| last(other).cmp(&last(one)));
        latest.truncate(MOST);
        if seen >= SEEN {
            return Ok(latest);
        }
        let broken_off = |cut: Cut| {
            tracing::warn!(%cut, request_id = caller.origin.request_id, "a report was broken off");
            Problem::unavailable("the leads of the month could not be read: try again")
        };
        match rows.next().await.map_err(broken_off)? {
            Some(next) => {
                fresh = next.len();
                latest.extend(next);
            }
            None => return Ok(latest),
        }
    }
}

/// What leads are sorted by: when they entered their stage; by id, if at once.
fn last(lead: &proto::Lead) -> (i64, &str) {
    (lead.status_changed_at_ms, &lead.id)
}

/// The move by which a lead came to the stage that it is in.
struct Move {
    lead_id: String,
    to: i32,
    at_ms: i64,
}

impl Move {
    fn of(lead: &proto::Lead) -> Self {
        Self { lead_id: lead.id.clone(), to: lead.status, at_ms: lead.status_changed_at_ms }
    }

    /// What the log says of it. Other moves may be newer: they came with leads that went into this one.
    fn is_told_by(&self, entry: &proto::Activity) -> Option<String> {
        match &entry.what {
            Some(What::StatusChanged(moved)) if moved.to == self.to && entry.at_ms == self.at_ms => {
                Some(moved.reason.clone().unwrap_or_default())
            }
            _ => None,
        }
    }
}

/// Why a lead was moved to its stage; empty: nobody said, or it was never moved there.
async fn reason(gateway: Arc<Gateway>, caller: Caller, wanted: Move) -> Result<String, Problem> {
    let (mut cursor, mut seen, mut limit) = (String::new(), 0, 10);
    while seen < MOVES {
        let request = proto::ListActivityRequest {
            lead_id: wanted.lead_id.clone(),
            types: vec!["lead.status_changed".to_owned()],
            limit,
            cursor,
            gone: false,
        };
        let page = match gateway.leads().list_activity(caller.request(request)).await.map_err(Refusal::from) {
            Ok(page) => page.into_inner(),
            // It was deleted this moment.
            Err(Refusal::NotFound(_)) => break,
            Err(refusal) => return Err(refusal.into()),
        };
        if let Some(reason) = page.activities.iter().find_map(|entry| wanted.is_told_by(entry)) {
            return Ok(reason);
        }
        // Newest first: what comes behind is older than the move.
        let past = page.activities.last().is_none_or(|entry| entry.at_ms < wanted.at_ms);
        if past || page.next_cursor.is_empty() {
            break;
        }
        (cursor, seen, limit) = (page.next_cursor, seen + limit, LARGEST_PAGE);
    }
    Ok(String::new())
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
    fn the_last_hours_are_looked_at_first_and_no_moment_twice() {
        let hour = 3_600_000;
        let of = |now| -> Vec<(i64, i64)> {
            let windows = windows(Millis(0), Millis(100 * hour), Millis(now));
            windows.iter().map(|one| (one.from_ms.unwrap() / hour, one.to_ms.unwrap() / hour)).collect()
        };
        assert_eq!(of(200 * hour), [(94, 100), (82, 94), (58, 82), (10, 58), (0, 10)]);
        assert_eq!(of(20 * hour), [(14, 100), (2, 14), (0, 2)], "up to the end, whatever the clock says");
        assert_eq!(of(hour), [(0, 100)]);
    }

    #[test]
    fn a_reason_is_that_of_the_present_move() {
        let entry = |to, at_ms, reason: &str| proto::Activity {
            at_ms,
            what: Some(What::StatusChanged(proto::activity::StatusChanged {
                from: 1,
                to,
                reason: Some(reason.to_owned()),
            })),
            ..proto::Activity::default()
        };
        let wanted = Move { lead_id: "l".into(), to: 5, at_ms: 30 };
        assert_eq!(wanted.is_told_by(&entry(5, 30, "too dear")).as_deref(), Some("too dear"));
        for other in [entry(5, 40, "of one that went into it"), entry(4, 30, "another stage")] {
            assert_eq!(wanted.is_told_by(&other), None);
        }
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
