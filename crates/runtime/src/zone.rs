//! Civil days, weeks and months in an IANA time zone, whatever its clock changes do.

use chrono::{DateTime, Datelike, Days, LocalResult, Months, NaiveDate, NaiveDateTime, TimeDelta, TimeZone};
use chrono_tz::Tz;

use crate::time::Millis;

/// An IANA time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone(Tz);

/// What is not the name of an IANA time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an IANA time zone such as Europe/Berlin or UTC")]
pub struct NotAZone;

/// What is not a civil date between the years 1 and 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a date such as 2026-11-23")]
pub struct NotADate;

/// Parses `2026-11-23`.
///
/// # Errors
/// [`NotADate`] for anything else, and for years outside 1 to 9999.
pub fn parse_date(text: &str) -> Result<NaiveDate, NotADate> {
    if text.len() != 10 {
        return Err(NotADate);
    }
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| NotADate)?;
    if (1..=9999).contains(&date.year()) { Ok(date) } else { Err(NotADate) }
}

/// The Monday of the week of `date`.
#[must_use]
pub fn monday_of(date: NaiveDate) -> NaiveDate {
    date.checked_sub_days(Days::new(u64::from(date.weekday().num_days_from_monday()))).unwrap_or(date)
}

/// The first day of the month of `date`.
#[must_use]
pub fn first_of_month(date: NaiveDate) -> NaiveDate {
    date.with_day(1).unwrap_or(date)
}

/// `date` moved by so many days, kept inside the calendar.
#[must_use]
pub fn add_days(date: NaiveDate, days: i64) -> NaiveDate {
    TimeDelta::try_days(days).and_then(|delta| date.checked_add_signed(delta)).unwrap_or(date)
}

/// `date` moved by so many months; a day that the month does not have becomes its last.
#[must_use]
pub fn add_months(date: NaiveDate, months: i32) -> NaiveDate {
    let size = Months::new(months.unsigned_abs());
    let moved = if months < 0 { date.checked_sub_months(size) } else { date.checked_add_months(size) };
    moved.unwrap_or(date)
}

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Self = Self(Tz::UTC);

    /// Parses an IANA name, letter for letter.
    ///
    /// # Errors
    /// [`NotAZone`] for a name that is not in the database.
    pub fn parse(name: &str) -> Result<Self, NotAZone> {
        name.parse().map(Self).map_err(|_| NotAZone)
    }

    /// Its IANA name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// The wall clock at an instant.
    #[must_use]
    pub fn local(self, at: Millis) -> DateTime<Tz> {
        at.to_utc().with_timezone(&self.0)
    }

    /// The civil date at an instant.
    #[must_use]
    pub fn date(self, at: Millis) -> NaiveDate {
        self.local(at).date_naive()
    }

    /// The first instant of a civil day. Where the clock jumps over midnight, the day begins after the jump;
    /// where midnight comes twice, it begins at the first.
    #[must_use]
    pub fn start_of_day(self, date: NaiveDate) -> Millis {
        self.instant(date.and_time(chrono::NaiveTime::MIN))
    }

    /// The instant at which a wall clock shows `local`: the first of two, or the end of the gap that swallowed it.
    #[must_use]
    pub fn instant(self, local: NaiveDateTime) -> Millis {
        match self.0.from_local_datetime(&local) {
            LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => Millis(at.timestamp_millis()),
            LocalResult::None => self.end_of_gap(local),
        }
    }

    /// The first instant after the clock jumped over `local`. Gaps are found by bisection: inside a day around `local` the
    /// offset changes once, from a smaller to a larger one.
    fn end_of_gap(self, local: NaiveDateTime) -> Millis {
        let offset_at = |at: i64| {
            use chrono::Offset;
            self.0.offset_from_utc_datetime(&Millis(at).to_utc().naive_utc()).fix().local_minus_utc()
        };
        let guess = local.and_utc().timestamp_millis();
        let (mut before, mut after) = (guess - 36 * 3_600_000, guess + 36 * 3_600_000);
        let old = offset_at(before);
        while after - before > 1 {
            let middle = before + (after - before) / 2;
            if offset_at(middle) == old { before = middle } else { after = middle }
        }
        Millis(after)
    }

    /// The civil day `date` as a half-open interval of instants.
    #[must_use]
    pub fn day(self, date: NaiveDate) -> (Millis, Millis) {
        (self.start_of_day(date), self.start_of_day(add_days(date, 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(zone: &str, date: &str) -> i64 {
        let (start, end) = Zone::parse(zone).unwrap().day(parse_date(date).unwrap());
        (end.0 - start.0) / 3_600_000
    }

    #[test]
    fn days_are_as_long_as_the_clock_makes_them() {
        assert_eq!(hours("Europe/Berlin", "2026-03-29"), 23);
        assert_eq!(hours("Europe/Berlin", "2026-10-25"), 25);
        assert_eq!(hours("Europe/Berlin", "2026-11-23"), 24);
    }

    #[test]
    fn a_day_whose_midnight_does_not_exist_begins_after_the_jump() {
        // Chile's clocks go from 24:00 to 01:00.
        let zone = Zone::parse("America/Santiago").unwrap();
        let start = zone.start_of_day(parse_date("2026-09-06").unwrap());
        assert_eq!(start.to_string(), "2026-09-06T04:00:00.000Z");
        assert_eq!(zone.local(start).to_string(), "2026-09-06 01:00:00 -03");
    }

    #[test]
    fn days_follow_each_other_without_a_gap_in_every_zone_of_the_database() {
        for tz in chrono_tz::TZ_VARIANTS {
            let zone = Zone(tz);
            let mut date = parse_date("2026-01-01").unwrap();
            for _ in 0..365 {
                let (start, end) = zone.day(date);
                assert!(start < end, "{tz} {date}");
                assert_eq!(zone.date(start), date, "{tz}");
                assert_eq!(zone.date(Millis(end.0 - 1)), date, "{tz}");
                date = add_days(date, 1);
            }
        }
    }

    #[test]
    fn weeks_start_on_monday_and_months_on_the_first() {
        let date = parse_date("2026-11-22").unwrap();
        assert_eq!(monday_of(date).to_string(), "2026-11-16");
        assert_eq!(first_of_month(date).to_string(), "2026-11-01");
        assert_eq!(add_months(parse_date("2026-03-31").unwrap(), -1).to_string(), "2026-02-28");
    }
}
