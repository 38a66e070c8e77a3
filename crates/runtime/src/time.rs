//! Instants: milliseconds since the epoch in UTC, and RFC 3339 at the edges.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

/// An instant, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Millis(pub i64);

/// What is not an instant in RFC 3339 between the years 1 and 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a time in RFC 3339 such as 2026-11-23T09:30:00.000Z or 2026-11-23T10:30:00+01:00")]
pub struct NotATime;

impl Millis {
    /// 0001-01-01T00:00:00Z, the earliest instant that is accepted.
    pub const MIN: Self = Self(-62_135_596_800_000);
    /// 9999-12-31T23:59:59.999Z, the latest instant that is accepted.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// Now, by the system's clock.
    #[must_use]
    pub fn now() -> Self {
        Self(Utc::now().timestamp_millis())
    }

    /// Parses RFC 3339 with any offset; digits beyond milliseconds are cut off.
    ///
    /// # Errors
    /// [`NotATime`] for anything else, a time without an offset included.
    pub fn parse(text: &str) -> Result<Self, NotATime> {
        let parsed = DateTime::parse_from_rfc3339(text).map_err(|_| NotATime)?;
        let at = Self(parsed.timestamp_millis());
        if (Self::MIN..=Self::MAX).contains(&at) { Ok(at) } else { Err(NotATime) }
    }

    /// The same instant for chrono; bounds are kept to [`Millis::MIN`] and [`Millis::MAX`].
    #[must_use]
    pub fn to_utc(self) -> DateTime<Utc> {
        let bounded = self.clamp(Self::MIN, Self::MAX);
        DateTime::from_timestamp_millis(bounded.0).unwrap_or_default()
    }

    /// Later by `duration`.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Earlier by `duration`.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }
}

/// RFC 3339 in UTC with milliseconds: `2026-11-23T09:30:00.000Z`.
impl std::fmt::Display for Millis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_utc().to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_offset_is_accepted_and_utc_with_milliseconds_is_given() {
        let at = Millis::parse("2026-11-23T10:30:00.1239+01:00").unwrap();
        assert_eq!(at.to_string(), "2026-11-23T09:30:00.123Z");
    }

    #[test]
    fn a_time_without_offset_or_out_of_bounds_is_refused() {
        for bad in ["2026-11-23", "2026-11-23T10:30:00", "0000-01-01T00:00:00Z", "", "now"] {
            assert_eq!(Millis::parse(bad), Err(NotATime), "{bad}");
        }
    }
}
