//! Civil days, weeks and months of a zone as spans of instants.

use std::ops::RangeInclusive;

use chrono::{Datelike, NaiveDate};
use leadline_runtime::{
    time::Millis,
    zone::{Zone, add_days, add_months, first_of_month, monday_of},
};

use crate::counts::Span;

/// The length of a bucket or a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interval {
    /// A civil day.
    Day,
    /// Monday to Sunday.
    Week,
    /// A calendar month.
    Month,
}

impl Interval {
    /// The first day of the period that a date is in.
    #[must_use]
    pub fn start(self, date: NaiveDate) -> NaiveDate {
        match self {
            Self::Day => date,
            Self::Week => monday_of(date),
            Self::Month => first_of_month(date),
        }
    }

    /// The first day of the period so many periods after the one that begins on `start`.
    #[must_use]
    pub fn step(self, start: NaiveDate, periods: i32) -> NaiveDate {
        match self {
            Self::Day => add_days(start, i64::from(periods)),
            Self::Week => add_days(start, i64::from(periods) * 7),
            Self::Month => add_months(start, periods),
        }
    }

    /// How many periods a chart shows unless it is told.
    #[must_use]
    pub fn default_buckets(self) -> i32 {
        match self {
            Self::Day => 30,
            Self::Week => 16,
            Self::Month => 12,
        }
    }

    /// How many whole periods cover the days from `from` to `to`.
    #[must_use]
    pub fn buckets(self, days: &RangeInclusive<NaiveDate>) -> i64 {
        let (first, last) = (self.start(*days.start()), self.start(*days.end()));
        match self {
            Self::Day => (last - first).num_days() + 1,
            Self::Week => (last - first).num_days() / 7 + 1,
            Self::Month => {
                i64::from(last.year() - first.year()) * 12 + i64::from(last.month())
                    - i64::from(first.month())
                    + 1
            }
        }
    }

    /// The first days of the whole periods that cover some days, oldest first.
    pub fn starts(self, days: &RangeInclusive<NaiveDate>) -> impl Iterator<Item = NaiveDate> + use<> {
        let first = self.start(*days.start());
        let count = i32::try_from(self.buckets(days)).unwrap_or(0);
        (0..count).map(move |number| self.step(first, number))
    }

    /// The days that a chart shows unless it is told, up to `last`.
    #[must_use]
    pub fn default_days(self, last: NaiveDate) -> RangeInclusive<NaiveDate> {
        self.step(self.start(last), 1 - self.default_buckets())..=last
    }
}

/// A moment in a zone.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// The zone.
    pub zone: Zone,
    /// The moment.
    pub now: Millis,
}

impl Clock {
    /// The civil date.
    #[must_use]
    pub fn today(self) -> NaiveDate {
        self.zone.date(self.now)
    }

    /// The days from `first` to the one before `end`.
    #[must_use]
    pub fn span(self, first: NaiveDate, end: NaiveDate) -> Span {
        Span { from: self.zone.start_of_day(first), to: self.zone.start_of_day(end) }
    }

    /// The period that begins on `start`.
    #[must_use]
    pub fn period(self, interval: Interval, start: NaiveDate) -> Span {
        self.span(start, interval.step(start, 1))
    }

    /// Civil days, both ends inclusive; `None`: no bound.
    #[must_use]
    pub fn days(self, from: Option<NaiveDate>, to: Option<NaiveDate>) -> Span {
        let always = Span::always();
        Span {
            from: from.map_or(always.from, |date| self.zone.start_of_day(date)),
            to: to.map_or(always.to, |date| self.zone.start_of_day(add_days(date, 1))),
        }
    }

    /// The period before the present one, up to the same point in it: the same wall-clock time of yesterday, of the same
    /// weekday, or of the same day of the month. A point that the period before does not have is its end.
    #[must_use]
    pub fn up_to_now_before(self, interval: Interval) -> Span {
        let today = self.today();
        let start = interval.step(interval.start(today), -1);
        let whole = self.period(interval, start);
        let into = (today - interval.start(today)).num_days();
        let day = add_days(start, into);
        if day >= interval.start(today) {
            return whole;
        }
        let point = self.zone.instant(day.and_time(self.zone.local(self.now).time()));
        Span { from: whole.from, to: point.min(whole.to) }
    }
}

#[cfg(test)]
mod tests {
    use leadline_runtime::zone::parse_date;

    use super::*;

    fn clock(zone: &str, now: &str) -> Clock {
        Clock { zone: Zone::parse(zone).unwrap(), now: Millis::parse(now).unwrap() }
    }

    fn before(zone: &str, now: &str, interval: Interval) -> (String, String) {
        let span = clock(zone, now).up_to_now_before(interval);
        (span.from.to_string(), span.to.to_string())
    }

    #[test]
    fn the_same_point_before_goes_by_the_wall_clock() {
        // Berlin's clocks went back on the night before: yesterday 10:30 was at UTC+2.
        assert_eq!(
            before("Europe/Berlin", "2026-10-25T09:30:00Z", Interval::Day),
            ("2026-10-23T22:00:00.000Z".into(), "2026-10-24T08:30:00.000Z".into())
        );
        assert_eq!(
            before("UTC", "2026-11-25T09:30:00.123Z", Interval::Week),
            ("2026-11-16T00:00:00.000Z".into(), "2026-11-18T09:30:00.123Z".into())
        );
    }

    #[test]
    fn a_month_that_is_too_short_is_counted_whole() {
        let february = ("2026-02-01T00:00:00.000Z".to_owned(), "2026-03-01T00:00:00.000Z".to_owned());
        assert_eq!(before("UTC", "2026-03-29T00:00:00Z", Interval::Month), february);
        assert_eq!(before("UTC", "2026-03-31T23:00:00Z", Interval::Month), february);
        assert_eq!(before("UTC", "2026-03-28T23:00:00Z", Interval::Month).1, "2026-02-28T23:00:00.000Z");
    }

    #[test]
    fn buckets_are_whole_and_cover_both_ends() {
        let days = parse_date("2026-11-04").unwrap()..=parse_date("2026-11-16").unwrap();
        let starts: Vec<_> = Interval::Week.starts(&days).map(|date| date.to_string()).collect();
        assert_eq!(starts, ["2026-11-02", "2026-11-09", "2026-11-16"]);
        assert_eq!(Interval::Month.starts(&days).count(), 1);
        assert_eq!(Interval::Day.starts(&days).count(), 13);
    }

    #[test]
    fn a_chart_ends_today_unless_it_is_told() {
        let today = parse_date("2026-11-23").unwrap();
        for (interval, first, count) in [
            (Interval::Day, "2026-10-25", 30),
            (Interval::Week, "2026-08-10", 16),
            (Interval::Month, "2025-12-01", 12),
        ] {
            let days = interval.default_days(today);
            assert_eq!((days.start().to_string().as_str(), interval.buckets(&days)), (first, count));
        }
    }
}
