//! Months, and times as documents write them.

use std::fmt;

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, SecondsFormat, TimeZone};
use chrono_tz::Tz;

/// A calendar month of the years 1 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct YearMonth {
    first: NaiveDate,
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

impl YearMonth {
    /// The month of a year; `None`: there is no such.
    pub fn new(year: i32, month: u32) -> Option<Self> {
        (1..=9999).contains(&year).then_some(())?;
        NaiveDate::from_ymd_opt(year, month, 1).map(|first| Self { first })
    }

    /// From `2026-10`; `None`: it is not written so.
    pub fn parse(text: &str) -> Option<Self> {
        let (year, month) = text.split_once('-')?;
        let digits = |text: &str, n: usize| text.len() == n && text.bytes().all(|b| b.is_ascii_digit());
        (digits(year, 4) && digits(month, 2)).then_some(())?;
        Self::new(year.parse().ok()?, month.parse().ok()?)
    }

    /// Its first day.
    pub fn first_day(self) -> NaiveDate {
        self.first
    }

    /// Its last day.
    pub fn last_day(self) -> NaiveDate {
        let next = self.first.checked_add_months(Months::new(1)).unwrap_or(self.first);
        next.checked_sub_days(Days::new(1)).unwrap_or(self.first)
    }

    /// How many days it has: 28 to 31.
    pub fn days(self) -> u32 {
        self.last_day().day()
    }

    /// The month before it.
    pub fn previous(self) -> Self {
        let first = self.first.checked_sub_months(Months::new(1)).unwrap_or(self.first);
        Self { first }
    }

    /// `October`.
    pub fn name(self) -> &'static str {
        MONTHS[self.first.month0() as usize % 12]
    }

    /// `October 2026`.
    pub fn title(self) -> String {
        format!("{} {}", self.name(), self.first.year())
    }

    /// `Oct`.
    pub(crate) fn short(self) -> &'static str {
        &self.name()[..3]
    }

    /// The month of a number, 1 to 12, as `Oct`.
    pub(crate) fn short_of(month: u32) -> &'static str {
        MONTHS.get(month.wrapping_sub(1) as usize).map_or("", |name| &name[..3])
    }

    /// How many of its days have begun at `now`: all of them once it is over, none before it.
    pub(crate) fn days_begun(self, today: NaiveDate) -> u32 {
        if today < self.first { 0 } else { (today.min(self.last_day()) - self.first).num_days() as u32 + 1 }
    }
}

impl fmt::Display for YearMonth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.first.year(), self.first.month())
    }
}

/// A time in a zone; `None`: it lies outside the years 1 to 9999, which no format here can hold.
pub(crate) fn local(at_ms: i64, zone: Tz) -> Option<DateTime<Tz>> {
    let at = zone.timestamp_millis_opt(at_ms).single()?;
    (1..=9999).contains(&at.year()).then_some(at)
}

/// A time in `zone` as the leads' CSV writes it: `2026-11-23T10:30:00.000+01:00`, exact to the millisecond and
/// unambiguous in the hour that a clock change repeats. Empty outside the years 1 to 9999.
pub fn written_time(at_ms: i64, zone: Tz) -> String {
    local(at_ms, zone).map(|at| at.to_rfc3339_opts(SecondsFormat::Millis, false)).unwrap_or_default()
}

/// The clock's reading as a spreadsheet counts it, in days since the end of 1899; `None` before March 1900, where
/// spreadsheets disagree.
pub(crate) fn serial(reading: NaiveDateTime) -> Option<f64> {
    let ms = reading.and_utc().timestamp_millis();
    let days = ms as f64 / 86_400_000.0 + 25_569.0;
    (days >= 61.0).then_some(days)
}

/// `15 October`.
pub(crate) fn day_and_month(day: NaiveDate) -> String {
    format!("{} {}", day.day(), MONTHS[day.month0() as usize % 12])
}

/// `Thursday`.
pub(crate) fn weekday(day: NaiveDate) -> &'static str {
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
        [day.weekday().num_days_from_monday() as usize % 7]
}

/// `1 November 2026, 08:05`.
pub(crate) fn spoken_time(at_ms: i64, zone: Tz) -> String {
    local(at_ms, zone)
        .map(|at| format!("{} {}, {}", day_and_month(at.date_naive()), at.year(), at.format("%H:%M")))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_parsed_only_as_it_is_written() {
        let month = YearMonth::parse("2026-10").unwrap();
        assert_eq!(month.to_string(), "2026-10");
        assert_eq!((month.title(), month.days()), ("October 2026".to_owned(), 31));
        for text in [
            "",
            "2026",
            "2026-13",
            "2026-00",
            "26-10",
            "2026-1",
            "0000-01",
            "+026-10",
            "2026-10-01",
            "２０２６-10",
        ] {
            assert_eq!(YearMonth::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_month_before_january_is_december() {
        let january = YearMonth::parse("2026-01").unwrap();
        assert_eq!(january.previous().to_string(), "2025-12");
        assert_eq!(YearMonth::parse("2028-02").unwrap().days(), 29);
        YearMonth::parse("0001-01").unwrap().previous().title();
        assert_eq!(YearMonth::parse("9999-12").unwrap().days(), 31);
    }

    #[test]
    fn days_begin_one_after_the_other() {
        let month = YearMonth::parse("2026-10").unwrap();
        let day = |text: &str| text.parse().unwrap();
        assert_eq!(month.days_begun(day("2026-09-30")), 0);
        assert_eq!(month.days_begun(day("2026-10-01")), 1);
        assert_eq!(month.days_begun(day("2026-12-01")), 31);
    }

    #[test]
    fn no_time_is_too_odd_to_be_written() {
        assert_eq!(written_time(0, Tz::UTC), "1970-01-01T00:00:00.000+00:00");
        assert_eq!(written_time(i64::MAX, Tz::UTC), "");
        assert_eq!(written_time(i64::MIN, Tz::UTC), "");
        assert_eq!(spoken_time(i64::MAX, Tz::UTC), "");
    }
}
