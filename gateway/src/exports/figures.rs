//! The dashboard's figures as a file; and figures as documents take them.

use std::sync::Arc;

use axum::response::Response;
use chrono::NaiveDate;
use leadline_documents::{
    Analytics, Bucket, ConversionMonth, Created, Figures, FileName, Format, FunnelStep, Interval, Report,
    SourceCount, Stage, StageCount, Summary, SummaryBefore, YearMonth,
};
use leadline_proto::{analytics as proto, auth::GetWorkspaceRequest};
use leadline_runtime::{caller::Caller, refusal::Refusal, time::Millis, zone::parse_date};

use super::{TableFormat, file, made, tz};
use crate::{
    analytics::{figures::Interval as Length, interval, range},
    gateway::Gateway,
    leads::lead::{Source, Status},
    problem::Problem,
    query::Query,
};

/// An export of figures as it was asked for.
pub(super) struct FiguresExport {
    format: Format,
    interval: i32,
    range: Option<proto::DateRange>,
    zone: Option<leadline_runtime::zone::Zone>,
}

/// What a service answers to a question about figures.
macro_rules! ask {
    ($gateway:expr, $caller:expr, $call:ident, $message:expr) => {
        async {
            let answer = $gateway.analytics().$call($caller.request($message)).await;
            answer.map(tonic::Response::into_inner).map_err(Problem::from)
        }
    };
}
pub(super) use ask;

impl FiguresExport {
    pub(super) fn read(query: &mut Query) -> Self {
        Self {
            format: TableFormat::read(query),
            interval: interval(query, "interval", Length::Day),
            range: range(query),
            zone: query.zone(),
        }
    }

    pub(super) async fn answer(self, gateway: &Arc<Gateway>, caller: &Caller) -> Result<Response, Problem> {
        let _place = gateway.exports.enter(caller.user)?;
        let zone = gateway.zone(caller, self.zone).await?;
        let Self { format, interval, range, .. } = self;
        let tz_name = || zone.name().to_owned();
        let week = proto::Interval::Week.into();
        let (summary, by_status, by_source, created, conversion, funnel, report, workspace) = tokio::try_join!(
            ask!(gateway, caller, get_summary, proto::GetSummaryRequest { tz: tz_name() }),
            ask!(
                gateway,
                caller,
                get_by_status,
                proto::GetByStatusRequest { tz: tz_name(), created: range.clone() }
            ),
            ask!(
                gateway,
                caller,
                get_by_source,
                proto::GetBySourceRequest { tz: tz_name(), created: range.clone() }
            ),
            ask!(
                gateway,
                caller,
                get_created,
                proto::GetCreatedRequest { tz: tz_name(), interval, range: range.clone() }
            ),
            ask!(gateway, caller, get_conversion, proto::GetConversionRequest { tz: tz_name(), months: 12 }),
            ask!(
                gateway,
                caller,
                get_funnel,
                proto::GetFunnelRequest { tz: tz_name(), created: range.clone() }
            ),
            ask!(
                gateway,
                caller,
                get_report,
                proto::GetReportRequest { tz: tz_name(), period: week, date: String::new() }
            ),
            workspace_name(gateway, caller),
        )?;
        let now = Millis::now();
        let analytics = Analytics {
            workspace,
            zone: tz(zone),
            generated_at: now.0,
            summary: of_summary(&summary),
            by_status: of_by_status(&by_status),
            by_source: of_by_source(&by_source),
            created: Created { interval: of_interval(created.interval), buckets: of_buckets(&created)? },
            conversion: of_conversion(&conversion)?,
            funnel: of_funnel(&funnel),
            report: of_report(&report)?,
        };
        let bytes = made(move || match format {
            Format::Xlsx => analytics.to_xlsx(),
            Format::Csv | Format::Pdf => analytics.to_csv(),
        })
        .await?;
        Ok(file(&FileName::analytics(zone.date(now), format), format, bytes))
    }
}

/// What the workspace is called.
pub(super) async fn workspace_name(gateway: &Gateway, caller: &Caller) -> Result<String, Problem> {
    let answer = gateway.auth().get_workspace(caller.request(GetWorkspaceRequest {})).await?;
    Ok(answer.into_inner().name)
}

fn day(text: &str) -> Result<NaiveDate, Problem> {
    parse_date(text).map_err(|_| Refusal::internal(format!("a figure has the day {text:?}")).into())
}

fn stage(status: i32) -> Stage {
    match Status::of(status) {
        Status::New => Stage::New,
        Status::Contacted => Stage::Contacted,
        Status::Qualified => Stage::Qualified,
        Status::Converted => Stage::Converted,
        Status::Lost => Stage::Lost,
    }
}

fn of_interval(interval: i32) -> Interval {
    match Length::of(interval) {
        Length::Day => Interval::Day,
        Length::Week => Interval::Week,
        Length::Month => Interval::Month,
    }
}

fn of_summary(summary: &proto::Summary) -> Summary {
    let previous = summary.previous.unwrap_or_default();
    Summary {
        total_leads: summary.total_leads,
        new_today: summary.new_today,
        converted_this_week: summary.converted_this_week,
        lost_this_month: summary.lost_this_month,
        previous: SummaryBefore {
            new_today: previous.new_today,
            converted_this_week: previous.converted_this_week,
            lost_this_month: previous.lost_this_month,
        },
        as_of: summary.as_of_ms,
    }
}

pub(super) fn of_by_status(figures: &proto::ByStatus) -> Vec<StageCount> {
    figures.items.iter().map(|item| StageCount { stage: stage(item.status), count: item.count }).collect()
}

pub(super) fn of_by_source(figures: &proto::BySource) -> Vec<SourceCount> {
    let count = |item: &proto::by_source::Item| SourceCount {
        source: Source::of(item.source).text().to_owned(),
        created: item.count,
        converted: item.converted,
    };
    figures.items.iter().map(count).collect()
}

fn of_buckets(created: &proto::Created) -> Result<Vec<Bucket>, Problem> {
    let by_source = |bucket: &proto::created::Bucket| {
        bucket.by_source.iter().map(|item| (Source::of(item.source).text().to_owned(), item.count)).collect()
    };
    created
        .items
        .iter()
        .map(|bucket| {
            Ok(Bucket { start: day(&bucket.start)?, count: bucket.count, by_source: by_source(bucket) })
        })
        .collect()
}

pub(super) fn of_conversion(conversion: &proto::Conversion) -> Result<Vec<ConversionMonth>, Problem> {
    conversion
        .items
        .iter()
        .map(|item| {
            let refuse = || Refusal::internal(format!("a figure has the month {:?}", item.month));
            Ok(ConversionMonth {
                month: YearMonth::parse(&item.month).ok_or_else(refuse)?,
                created: item.created,
                converted: item.converted,
                rate_tenths: item.rate_tenths,
                cohort_converted: item.cohort_converted,
                cohort_rate_tenths: item.cohort_rate_tenths,
            })
        })
        .collect()
}

pub(super) fn of_funnel(funnel: &proto::Funnel) -> Vec<FunnelStep> {
    let step = |step: &proto::funnel::Step| FunnelStep {
        stage: stage(step.status),
        reached: step.reached,
        rate_tenths: step.rate_tenths,
        step_rate_tenths: step.step_rate_tenths,
        median_tenths_of_hours: step.median_tenths_of_hours,
    };
    funnel.items.iter().map(step).collect()
}

pub(super) fn of_figures(figures: Option<&proto::report::Figures>) -> Figures {
    figures
        .map(|figures| Figures {
            created: figures.created,
            contacted: figures.contacted,
            qualified: figures.qualified,
            converted: figures.converted,
            lost: figures.lost,
            rate_tenths: figures.rate_tenths,
        })
        .unwrap_or_default()
}

fn of_report(report: &proto::Report) -> Result<Report, Problem> {
    Ok(Report {
        period: of_interval(report.period),
        start: day(&report.start)?,
        end: day(&report.end)?,
        figures: of_figures(report.figures.as_ref()),
        previous: of_figures(report.previous.as_ref()),
        by_status: report.by_status.as_ref().map(of_by_status).unwrap_or_default(),
        by_source: report.by_source.as_ref().map(of_by_source).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_the_service_in_its_words() {
        let item = proto::by_source::Item { source: 4, count: 3, converted: 1 };
        let figures = of_by_source(&proto::BySource { items: vec![item] });
        assert_eq!(figures, [SourceCount { source: "Other".into(), created: 3, converted: 1 }]);
        let figures =
            of_by_status(&proto::ByStatus { items: vec![proto::by_status::Item { status: 5, count: 2 }] });
        assert_eq!(figures, [StageCount { stage: Stage::Lost, count: 2 }]);
        let month =
            proto::conversion::Month { month: "2026-13".into(), ..proto::conversion::Month::default() };
        assert!(of_conversion(&proto::Conversion { items: vec![month] }).is_err());
    }
}
