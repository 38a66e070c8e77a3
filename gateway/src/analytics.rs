//! Figures: query parameters in, JSON out, the analytics service behind it.

pub(crate) mod figures;

use std::sync::Arc;

use axum::{Json, extract::State};
use leadline_proto::analytics as proto;
use utoipa::IntoParams;

use self::figures::{
    BySource, ByStatus, Conversion, Created, Dashboard, DashboardReminders, Funnel, Interval, Report, Summary,
};
use crate::{
    activity,
    caller::SignedIn,
    gateway::Gateway,
    problem::Problem,
    query::{Page, Query},
    reminders::{self, View},
};

/// In which zone.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes parameters in the OpenAPI document")]
pub(crate) struct ZoneQuery {
    /// IANA time zone of civil days; absent: the workspace's.
    #[param(example = "Europe/Berlin")]
    tz: Option<String>,
}

/// Created when.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes parameters in the OpenAPI document")]
pub(crate) struct RangeQuery {
    /// The first civil day.
    #[param(format = "date", example = "2026-11-01")]
    from: Option<String>,
    /// The last civil day.
    #[param(format = "date", example = "2026-11-30")]
    to: Option<String>,
}

/// In buckets of which length.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes parameters in the OpenAPI document")]
pub(crate) struct IntervalQuery {
    /// `day` if absent.
    interval: Option<Interval>,
}

/// How many months.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes parameters in the OpenAPI document")]
pub(crate) struct MonthsQuery {
    /// How many months, this one included.
    #[param(minimum = 1, maximum = 60, default = 12)]
    months: Option<u32>,
}

/// Which period.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes parameters in the OpenAPI document")]
pub(crate) struct PeriodQuery {
    /// `week` if absent.
    period: Option<Interval>,
    /// A civil day in the period; absent: today.
    #[param(format = "date", example = "2026-11-23")]
    date: Option<String>,
}

pub(crate) fn range(query: &mut Query) -> Option<proto::DateRange> {
    Some(proto::DateRange { from: query.date("from"), to: query.date("to") })
}

pub(crate) fn interval(query: &mut Query, name: &str, usual: Interval) -> i32 {
    let interval = query.word(name, Interval::parse, Interval::ALLOWED).unwrap_or(usual);
    interval.to_proto().into()
}

/// The four cards
#[utoipa::path(get, path = "/api/v1/analytics/summary", tag = "Analytics", params(ZoneQuery),
    responses((status = 200, description = "The figures", body = Summary)))]
pub(crate) async fn get_summary(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    mut query: Query,
) -> Result<Json<Summary>, Problem> {
    let zone = query.zone();
    query.finish()?;
    let tz = gateway.zone(&caller, zone).await?.name().to_owned();
    let request = caller.request(proto::GetSummaryRequest { tz });
    Ok(Json(Summary::of(gateway.analytics().get_summary(request).await?.into_inner())))
}

/// Leads by stage
///
/// Of the leads created in the range.
#[utoipa::path(get, path = "/api/v1/analytics/by-status", tag = "Analytics", params(RangeQuery, ZoneQuery),
    responses((status = 200, description = "The figures", body = ByStatus)))]
pub(crate) async fn get_by_status(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    mut query: Query,
) -> Result<Json<ByStatus>, Problem> {
    let (zone, created) = (query.zone(), range(&mut query));
    query.finish()?;
    let tz = gateway.zone(&caller, zone).await?.name().to_owned();
    let request = caller.request(proto::GetByStatusRequest { tz, created });
    Ok(Json(ByStatus::of(gateway.analytics().get_by_status(request).await?.into_inner())))
}

/// Leads by source
///
/// Of the leads created in the range.
#[utoipa::path(get, path = "/api/v1/analytics/by-source", tag = "Analytics", params(RangeQuery, ZoneQuery),
    responses((status = 200, description = "The figures", body = BySource)))]
pub(crate) async fn get_by_source(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    mut query: Query,
) -> Result<Json<BySource>, Problem> {
    let (zone, created) = (query.zone(), range(&mut query));
    query.finish()?;
    let tz = gateway.zone(&caller, zone).await?.name().to_owned();
    let request = caller.request(proto::GetBySourceRequest { tz, created });
    Ok(Json(BySource::of(gateway.analytics().get_by_source(request).await?.into_inner())))
}

/// Leads created over time
///
/// Every bucket, zeros included; without a range the last 30 days, 16 weeks or 12 months; at most 1,000 buckets. A week or a
/// month at an edge of the range is told with its own first day, and counts only what was created from `from` to `to`.
#[utoipa::path(get, path = "/api/v1/analytics/created", tag = "Analytics",
    params(IntervalQuery, RangeQuery, ZoneQuery),
    responses((status = 200, description = "The figures", body = Created)))]
pub(crate) async fn get_created(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    mut query: Query,
) -> Result<Json<Created>, Problem> {
    let (zone, range) = (query.zone(), range(&mut query));
    let interval = interval(&mut query, "interval", Interval::Day);
    query.finish()?;
    let tz = gateway.zone(&caller, zone).await?.name().to_owned();
    let request = caller.request(proto::GetCreatedRequest { tz, interval, range });
    Ok(Json(Created::of(gateway.analytics().get_created(request).await?.into_inner())))
}

/// Conversion by month
#[utoipa::path(get, path = "/api/v1/analytics/conversion", tag = "Analytics", params(MonthsQuery, ZoneQuery),
    responses((status = 200, description = "The figures", body = Conversion)))]
pub(crate) async fn get_conversion(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    mut query: Query,
) -> Result<Json<Conversion>, Problem> {
    let zone = query.zone();
    let months = query.parsed("months", |text| match text.parse() {
        Ok(months) if (1..=60).contains(&months) && !text.starts_with('+') => Ok(months),
        _ => Err("must be a whole number from 1 to 60"),
    });
    query.finish()?;
    let tz = gateway.zone(&caller, zone).await?.name().to_owned();
    let request = caller.request(proto::GetConversionRequest { tz, months: months.unwrap_or(12) });
    Ok(Json(Conversion::of(gateway.analytics().get_conversion(request).await?.into_inner())))
}

/// How far leads got
///
/// Of the leads created in the range: how many ever reached each stage, and how long it took them.
#[utoipa::path(get, path = "/api/v1/analytics/funnel", tag = "Analytics", params(RangeQuery, ZoneQuery),
    responses((status = 200, description = "The figures", body = Funnel)))]
pub(crate) async fn get_funnel(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    mut query: Query,
) -> Result<Json<Funnel>, Problem> {
    let (zone, created) = (query.zone(), range(&mut query));
    query.finish()?;
    let tz = gateway.zone(&caller, zone).await?.name().to_owned();
    let request = caller.request(proto::GetFunnelRequest { tz, created });
    Ok(Json(Funnel::of(gateway.analytics().get_funnel(request).await?.into_inner())))
}

/// A day, week or month beside the one before
#[utoipa::path(get, path = "/api/v1/analytics/report", tag = "Analytics", params(PeriodQuery, ZoneQuery),
    responses((status = 200, description = "The figures", body = Report)))]
pub(crate) async fn get_report(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    mut query: Query,
) -> Result<Json<Report>, Problem> {
    let (zone, date) = (query.zone(), query.date("date"));
    let period = interval(&mut query, "period", Interval::Week);
    query.finish()?;
    let tz = gateway.zone(&caller, zone).await?.name().to_owned();
    let request = caller.request(proto::GetReportRequest { tz, period, date });
    Ok(Json(Report::of(gateway.analytics().get_report(request).await?.into_inner())))
}

/// All that the dashboard's first paint needs
///
/// In one answer; each part has the shape that its own call answers.
#[utoipa::path(get, path = "/api/v1/analytics/dashboard", tag = "Analytics", params(IntervalQuery, ZoneQuery),
    responses((status = 200, description = "The figures, today's work and the feed", body = Dashboard)))]
pub(crate) async fn get_dashboard(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    mut query: Query,
) -> Result<Json<Dashboard>, Problem> {
    let zone = query.zone();
    let interval = interval(&mut query, "interval", Interval::Day);
    query.finish()?;
    let zone = gateway.zone(&caller, zone).await?;
    let page = |limit| Page { limit, cursor: String::new() };
    let figures = async {
        let request = proto::GetDashboardRequest { tz: zone.name().to_owned(), interval };
        let answer = gateway.analytics().get_dashboard(caller.request(request)).await;
        answer.map(tonic::Response::into_inner).map_err(Problem::from)
    };
    let (figures, today, overdue, feed) = tokio::try_join!(
        figures,
        reminders::first(&gateway, &caller, View::Today, zone, page(50)),
        reminders::first(&gateway, &caller, View::Overdue, zone, page(50)),
        activity::fetch(&gateway, &caller, activity::Of::default(), Vec::new(), page(20)),
    )?;
    Ok(Json(Dashboard::of(figures, DashboardReminders { today, overdue }, feed)))
}
