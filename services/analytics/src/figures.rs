//! The figures, each a function of the leads as they stand now. Deleted leads count nowhere.

use std::ops::RangeInclusive;

use chrono::NaiveDate;
use leadline_runtime::zone::add_days;

use crate::{
    calendar::{Clock, Interval},
    counts::{Cohort, Counts, Span, Times},
    day::time_of_key,
    lead::Moment,
};

/// The most buckets that one answer has.
pub const MOST_BUCKETS: i64 = 1000;
/// The most months that a conversion can go back, this one included.
pub const MOST_MONTHS: u32 = 60;
/// The months that the dashboard shows.
const DASHBOARD_MONTHS: u32 = 12;

/// The four cards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Leads that are not deleted.
    pub total: u64,
    /// Of the present day, week and month.
    pub present: Cards,
    /// Of those before, up to the same point in them.
    pub previous: Cards,
}

/// What the cards compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cards {
    /// Leads created in the day.
    pub new_today: u64,
    /// Leads that entered Converted in the week and stand there.
    pub converted_this_week: u64,
    /// Leads that entered Lost in the month and stand there.
    pub lost_this_month: u64,
}

/// The four cards.
pub fn summary(clock: Clock, counts: &mut dyn Counts) -> Summary {
    let present = |interval: Interval| clock.period(interval, interval.start(clock.today()));
    Summary {
        total: counts.cohort(Span::always()).total(),
        present: cards(present, counts),
        previous: cards(|interval| clock.up_to_now_before(interval), counts),
    }
}

fn cards(span: impl Fn(Interval) -> Span, counts: &mut dyn Counts) -> Cards {
    Cards {
        new_today: counts.moments(Moment::Created, span(Interval::Day)),
        converted_this_week: counts.moments(Moment::Converted, span(Interval::Week)),
        lost_this_month: counts.moments(Moment::Lost, span(Interval::Month)),
    }
}

/// Leads created in a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// Its first civil day.
    pub start: NaiveDate,
    /// The leads.
    pub cohort: Cohort,
}

/// Leads created on some days, in the buckets that cover them, oldest first. Of a bucket at an edge only its days among them
/// count, so that the buckets add up to the leads of these days.
pub fn created(
    clock: Clock,
    interval: Interval,
    days: &RangeInclusive<NaiveDate>,
    counts: &mut dyn Counts,
) -> Vec<Bucket> {
    let end = add_days(*days.end(), 1);
    let bucket = |start: NaiveDate| {
        let span = clock.span(start.max(*days.start()), interval.step(start, 1).min(end));
        Bucket { start, cohort: counts.cohort(span) }
    };
    interval.starts(days).map(bucket).collect()
}

/// A month's conversions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Month {
    /// Its first day.
    pub start: NaiveDate,
    /// The leads created in it.
    pub cohort: Cohort,
    /// Leads that entered Converted in it and stand there, whenever they were created.
    pub converted: u64,
}

/// The conversions of so many months, the present one included, oldest first.
pub fn conversion(clock: Clock, months: u32, counts: &mut dyn Counts) -> Vec<Month> {
    let this_month = Interval::Month.start(clock.today());
    let months = i32::try_from(months.min(MOST_MONTHS)).unwrap_or(0);
    (1 - months..=0)
        .map(|back| {
            let start = Interval::Month.step(this_month, back);
            let span = clock.period(Interval::Month, start);
            Month { start, cohort: counts.cohort(span), converted: counts.moments(Moment::Converted, span) }
        })
        .collect()
}

/// How far leads got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Funnel {
    /// How many there are.
    pub total: u64,
    /// New, Contacted, Qualified, Converted.
    pub steps: [Step; 4],
}

/// One stage of the funnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Step {
    /// How many leads ever reached it or a later one of the four.
    pub reached: u64,
    /// The median time from creation to that, in tenths of an hour; `None`: nobody did. See [`median`].
    pub median: Option<u64>,
}

/// How far the leads created in a span got.
pub fn funnel(span: Span, counts: &mut dyn Counts) -> Funnel {
    let total = counts.cohort(span).total();
    let times = counts.times(span);
    let mut steps = [Step::default(); 4];
    for (stage, step) in steps.iter_mut().enumerate() {
        let values: Vec<(u32, u64)> = times_to(stage, &times).collect();
        step.reached = values.iter().map(|(_, count)| count).sum();
        step.median = median(&values);
    }
    Funnel { total, steps }
}

fn times_to(stage: usize, times: &Times) -> impl Iterator<Item = (u32, u64)> + '_ {
    times.iter().filter_map(move |(key, count)| {
        let (tenths, of) = time_of_key(*key);
        (of == stage && *count > 0).then(|| (tenths, count.unsigned_abs()))
    })
}

/// The median of values that are already rounded (see [`crate::lead::rounded_tenths_of_hours`]), given with how often each
/// occurs, in ascending order: the middle one, or the mean of the two middle ones, of which a half goes up.
#[must_use]
pub fn median(values: &[(u32, u64)]) -> Option<u64> {
    let count: u64 = values.iter().map(|(_, often)| often).sum();
    let at = |place: u64| {
        let mut passed = 0;
        values.iter().find_map(|(value, often)| {
            passed += often;
            (place < passed).then_some(u64::from(*value))
        })
    };
    let (lower, upper) = (at(count.checked_sub(1)? / 2)?, at(count / 2)?);
    Some((lower + upper).div_ceil(2))
}

/// A period beside the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// First day.
    pub start: NaiveDate,
    /// Last day.
    pub end: NaiveDate,
    /// Its figures.
    pub figures: Figures,
    /// Those of the whole period before.
    pub previous: Figures,
}

/// What happened in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// The leads created in it.
    pub cohort: Cohort,
    /// Leads that entered Contacted in it for the last time.
    pub contacted: u64,
    /// Leads that entered Qualified in it for the last time.
    pub qualified: u64,
    /// Leads that entered Converted in it and stand there.
    pub converted: u64,
    /// Leads that entered Lost in it and stand there.
    pub lost: u64,
}

/// The period that a date is in, beside the one before.
pub fn report(clock: Clock, interval: Interval, date: NaiveDate, counts: &mut dyn Counts) -> Report {
    let start = interval.start(date);
    let mut figures = |start: NaiveDate| {
        let span = clock.period(interval, start);
        Figures {
            cohort: counts.cohort(span),
            contacted: counts.moments(Moment::Contacted, span),
            qualified: counts.moments(Moment::Qualified, span),
            converted: counts.moments(Moment::Converted, span),
            lost: counts.moments(Moment::Lost, span),
        }
    };
    Report {
        start,
        end: Interval::Day.step(interval.step(start, 1), -1),
        figures: figures(start),
        previous: figures(interval.step(start, -1)),
    }
}

/// What the first paint needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dashboard {
    /// The cards.
    pub summary: Summary,
    /// All leads.
    pub all: Cohort,
    /// Creations in the default range of the interval.
    pub created: Vec<Bucket>,
    /// Twelve months.
    pub conversion: Vec<Month>,
    /// Of all leads.
    pub funnel: Funnel,
}

/// What the first paint needs.
pub fn dashboard(clock: Clock, interval: Interval, counts: &mut dyn Counts) -> Dashboard {
    Dashboard {
        summary: summary(clock, counts),
        all: counts.cohort(Span::always()),
        created: created(clock, interval, &interval.default_days(clock.today()), counts),
        conversion: conversion(clock, DASHBOARD_MONTHS, counts),
        funnel: funnel(Span::always(), counts),
    }
}

/// A share in tenths of a per cent, halves rounded up; `None` of nothing.
#[must_use]
pub fn share_in_tenths(part: u64, whole: u64) -> Option<u64> {
    let (part, whole) = (u128::from(part), u128::from(whole));
    u64::try_from((part * 2000 + whole).checked_div(whole * 2)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_rounded_half_up_to_tenths() {
        for (part, whole, tenths) in [
            (1, 3, Some(333)),
            (2, 3, Some(667)),
            (1, 2000, Some(1)),
            (1, 2001, Some(0)),
            (3, 2, Some(1500)),
            (0, 0, None),
        ] {
            assert_eq!(share_in_tenths(part, whole), tenths, "{part} of {whole}");
        }
    }

    #[test]
    fn the_median_of_an_even_number_is_the_mean_of_the_two_in_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[(7, 1)]), Some(7));
        assert_eq!(median(&[(3, 1), (4, 1)]), Some(4));
        assert_eq!(median(&[(0, 2), (10, 1), (500, 2)]), Some(10));
        assert_eq!(median(&[(0, 3), (500, 3)]), Some(250));
    }
}
