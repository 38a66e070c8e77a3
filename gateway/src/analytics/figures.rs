//! Figures, as the contract shows them.

use leadline_proto::analytics as proto;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    activity::ActivityPage,
    leads::lead::{Source, Status, at},
    reminders::ReminderPage,
    words::words,
};

words! {
    /// The length of a bucket or a period. Weeks start on Monday.
    Interval = proto::Interval {
        /// A civil day.
        Day "day",
        /// From Monday to Sunday.
        Week "week",
        /// A calendar month.
        Month "month",
    }
}

/// Tenths as a number with one decimal.
fn tenths(value: Option<u64>) -> Option<f64> {
    #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
    value.map(|tenths| tenths as f64 / 10.0)
}

/// The four cards.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Summary {
    /// Leads that are not deleted.
    total_leads: u64,
    /// Created today.
    new_today: u64,
    /// Entered Converted this week and stand there.
    converted_this_week: u64,
    /// Entered Lost this month and stand there.
    lost_this_month: u64,
    previous: PreviousSummary,
    /// Everything up to this time is counted.
    #[schema(format = "date-time")]
    as_of: String,
}

/// The same of the day, week and month before, up to the same point in it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PreviousSummary {
    new_today: u64,
    converted_this_week: u64,
    lost_this_month: u64,
}

impl Summary {
    pub(crate) fn of(summary: proto::Summary) -> Self {
        let previous = summary.previous.unwrap_or_default();
        Self {
            total_leads: summary.total_leads,
            new_today: summary.new_today,
            converted_this_week: summary.converted_this_week,
            lost_this_month: summary.lost_this_month,
            previous: PreviousSummary {
                new_today: previous.new_today,
                converted_this_week: previous.converted_this_week,
                lost_this_month: previous.lost_this_month,
            },
            as_of: at(summary.as_of_ms),
        }
    }
}

/// Leads by stage, in pipeline order, zeros included.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ByStatus {
    items: Vec<StatusCount>,
}

/// The leads of a stage.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatusCount {
    status: Status,
    count: u64,
}

impl ByStatus {
    pub(crate) fn of(figures: proto::ByStatus) -> Self {
        let items = figures.items.into_iter();
        Self {
            items: items
                .map(|item| StatusCount { status: Status::of(item.status), count: item.count })
                .collect(),
        }
    }
}

/// Leads by source, zeros included.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BySource {
    items: Vec<SourceCount>,
}

/// The leads of a source.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SourceCount {
    source: Source,
    count: u64,
    /// How many of them are Converted now.
    converted: u64,
}

impl BySource {
    pub(crate) fn of(figures: proto::BySource) -> Self {
        let items = figures.items.into_iter();
        Self {
            items: items
                .map(|item| SourceCount {
                    source: Source::of(item.source),
                    count: item.count,
                    converted: item.converted,
                })
                .collect(),
        }
    }
}

/// Leads created over time.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Created {
    interval: Interval,
    /// Every bucket, zeros included.
    items: Vec<CreatedBucket>,
}

/// The leads created in a bucket.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreatedBucket {
    /// Its first civil day; it may lie before `from`.
    #[schema(format = "date")]
    start: String,
    count: u64,
    by_source: SourceCounts,
}

/// A count for each source.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SourceCounts {
    website: u64,
    referral: u64,
    ad: u64,
    other: u64,
}

impl Created {
    pub(crate) fn of(created: proto::Created) -> Self {
        let bucket = |bucket: proto::created::Bucket| {
            let mut by_source = SourceCounts::default();
            for item in bucket.by_source {
                *match Source::of(item.source) {
                    Source::Website => &mut by_source.website,
                    Source::Referral => &mut by_source.referral,
                    Source::Ad => &mut by_source.ad,
                    Source::Other => &mut by_source.other,
                } = item.count;
            }
            CreatedBucket { start: bucket.start, count: bucket.count, by_source }
        };
        Self {
            interval: Interval::of(created.interval),
            items: created.items.into_iter().map(bucket).collect(),
        }
    }
}

/// Conversion by month, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Conversion {
    items: Vec<ConversionMonth>,
}

/// Conversion in a month.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConversionMonth {
    /// Such as `2026-11`.
    #[schema(pattern = "^[0-9]{4}-[0-9]{2}$")]
    month: String,
    /// Leads created in it.
    created: u64,
    /// Leads that entered Converted in it and stand there.
    converted: u64,
    /// `converted` ÷ `created`, per cent, with one decimal; `null`: none were created.
    #[schema(required)]
    rate: Option<f64>,
    /// Of the leads created in it, those that are Converted now.
    cohort_converted: u64,
    /// `cohortConverted` ÷ `created`, per cent, with one decimal.
    #[schema(required)]
    cohort_rate: Option<f64>,
}

impl Conversion {
    pub(crate) fn of(conversion: proto::Conversion) -> Self {
        let month = |month: proto::conversion::Month| ConversionMonth {
            month: month.month,
            created: month.created,
            converted: month.converted,
            rate: tenths(month.rate_tenths),
            cohort_converted: month.cohort_converted,
            cohort_rate: tenths(month.cohort_rate_tenths),
        };
        Self { items: conversion.items.into_iter().map(month).collect() }
    }
}

/// How far leads got.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Funnel {
    /// New, Contacted, Qualified, Converted.
    items: Vec<FunnelStep>,
}

/// A step of the funnel.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FunnelStep {
    status: Status,
    /// How many ever reached it or a later one of the four.
    reached: u64,
    /// Their share of all, per cent; `null`: there are none.
    #[schema(required)]
    rate: Option<f64>,
    /// Their share of the stage before, per cent.
    #[schema(required)]
    step_rate: Option<f64>,
    /// The median time from creation to reaching it; `null`: nobody did. Before the median is taken, a time below 24 hours is
    /// rounded to tenths of an hour, one below 30 days to whole hours, and any other to whole days.
    #[schema(required)]
    median_hours: Option<f64>,
}

impl Funnel {
    pub(crate) fn of(funnel: proto::Funnel) -> Self {
        let step = |step: proto::funnel::Step| FunnelStep {
            status: Status::of(step.status),
            reached: step.reached,
            rate: tenths(step.rate_tenths),
            step_rate: tenths(step.step_rate_tenths),
            median_hours: tenths(step.median_tenths_of_hours),
        };
        Self { items: funnel.items.into_iter().map(step).collect() }
    }
}

/// A day, week or month beside the one before.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    period: Interval,
    /// First day.
    #[schema(format = "date")]
    start: String,
    /// Last day.
    #[schema(format = "date")]
    end: String,
    figures: Figures,
    /// Those of the whole period before.
    previous: Figures,
    /// Leads created in it, by their stage now.
    by_status: ByStatus,
    /// Leads created in it, by source.
    by_source: BySource,
}

/// The figures of a period.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Figures {
    /// Leads created in it.
    created: u64,
    /// Leads that entered Contacted in it for the last time.
    contacted: u64,
    /// Leads that entered Qualified in it for the last time.
    qualified: u64,
    /// Leads that entered Converted in it and stand there.
    converted: u64,
    /// Leads that entered Lost in it and stand there.
    lost: u64,
    /// `converted` ÷ `created`, per cent, with one decimal; `null`: none were created.
    #[schema(required)]
    rate: Option<f64>,
}

impl Figures {
    fn of(figures: Option<proto::report::Figures>) -> Self {
        let figures = figures.unwrap_or_default();
        Self {
            created: figures.created,
            contacted: figures.contacted,
            qualified: figures.qualified,
            converted: figures.converted,
            lost: figures.lost,
            rate: tenths(figures.rate_tenths),
        }
    }
}

impl Report {
    pub(crate) fn of(report: proto::Report) -> Self {
        Self {
            period: Interval::of(report.period),
            start: report.start,
            end: report.end,
            figures: Figures::of(report.figures),
            previous: Figures::of(report.previous),
            by_status: ByStatus::of(report.by_status.unwrap_or_default()),
            by_source: BySource::of(report.by_source.unwrap_or_default()),
        }
    }
}

/// All that the first paint needs. Each part has the shape that its own call answers.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Dashboard {
    summary: Summary,
    by_status: ByStatus,
    by_source: BySource,
    /// In the default range of the interval.
    created: Created,
    /// Twelve months.
    conversion: Conversion,
    funnel: Funnel,
    reminders: DashboardReminders,
    /// The newest 20 entries of the feed.
    activity: ActivityPage,
}

/// The first 50 of each.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DashboardReminders {
    /// Due within today's civil day, whatever their status.
    pub(crate) today: ReminderPage,
    /// Pending and due before now.
    pub(crate) overdue: ReminderPage,
}

impl Dashboard {
    pub(crate) fn of(
        figures: proto::Dashboard,
        reminders: DashboardReminders,
        activity: ActivityPage,
    ) -> Self {
        Self {
            summary: Summary::of(figures.summary.unwrap_or_default()),
            by_status: ByStatus::of(figures.by_status.unwrap_or_default()),
            by_source: BySource::of(figures.by_source.unwrap_or_default()),
            created: Created::of(figures.created.unwrap_or_default()),
            conversion: Conversion::of(figures.conversion.unwrap_or_default()),
            funnel: Funnel::of(figures.funnel.unwrap_or_default()),
            reminders,
            activity,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rate_has_one_decimal_and_is_null_when_nothing_was_created() {
        let month = |created, tenths| proto::conversion::Month {
            month: "2026-11".into(),
            created,
            rate_tenths: tenths,
            ..Default::default()
        };
        let shown = Conversion::of(proto::Conversion { items: vec![month(3, Some(333)), month(0, None)] });
        let shown = serde_json::to_value(shown).unwrap();
        assert_eq!(shown["items"][0]["rate"], json!(33.3));
        assert_eq!(shown["items"][1]["rate"], json!(null));
        assert!(shown["items"][1].as_object().unwrap().contains_key("cohortRate"));
    }

    #[test]
    fn a_bucket_has_a_count_for_every_source() {
        let item = |source: i32, count| proto::by_source::Item { source, count, converted: 0 };
        let bucket = proto::created::Bucket {
            start: "2026-11-23".into(),
            count: 3,
            by_source: vec![item(1, 1), item(4, 2)],
        };
        let shown = Created::of(proto::Created { interval: 2, items: vec![bucket] });
        assert_eq!(
            serde_json::to_value(shown).unwrap(),
            json!({"interval": "week", "items": [{"start": "2026-11-23", "count": 3,
                "bySource": {"Website": 1, "Referral": 0, "Ad": 0, "Other": 2}}]})
        );
    }
}
