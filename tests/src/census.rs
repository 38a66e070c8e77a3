//! Every figure of `/analytics`, counted anew, in any zone, from the leads and their log as the REST API shows them.
//!
//! Written against the contract and not against the service: it uses none of the service's code.

use std::collections::HashMap;

use anyhow::{Context, Result};
use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde_json::{Map, Value, json};

use crate::{client::Client, text};

/// The stages, in pipeline order.
pub const STAGES: [&str; 5] = ["New", "Contacted", "Qualified", "Converted", "Lost"];
/// The sources, in the contract's order.
pub const SOURCES: [&str; 4] = ["Website", "Referral", "Ad", "Other"];

type Instant = DateTime<Utc>;

/// A lead, as far as figures are concerned.
#[derive(Debug)]
struct Lead {
    created: Instant,
    source: usize,
    stage: usize,
    since: Instant,
    /// When it entered each stage for the first and for the last time.
    stays: [Option<(Instant, Instant)>; 5],
}

/// All leads of a workspace that are not deleted.
#[derive(Debug)]
pub struct Census {
    leads: Vec<Lead>,
}

/// Instants from the first to before the second.
#[derive(Debug, Clone, Copy)]
struct Span(Instant, Instant);

impl Span {
    fn has(self, at: Instant) -> bool {
        self.0 <= at && at < self.1
    }
}

/// The length of a bucket or a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interval {
    /// A civil day.
    Day,
    /// From Monday to Sunday.
    Week,
    /// A calendar month.
    Month,
}

impl Interval {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Day, Self::Week, Self::Month];

    /// As the contract names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    fn start(self, day: NaiveDate) -> NaiveDate {
        match self {
            Self::Day => day,
            Self::Week => day - Days::new(day.weekday().num_days_from_monday().into()),
            Self::Month => day.with_day(1).unwrap_or(day),
        }
    }

    fn step(self, start: NaiveDate, count: i32) -> NaiveDate {
        match self {
            Self::Day => start + TimeDelta::days(count.into()),
            Self::Week => start + TimeDelta::days(i64::from(count) * 7),
            Self::Month if count < 0 => start - Months::new(count.unsigned_abs()),
            Self::Month => start + Months::new(count.unsigned_abs()),
        }
    }

    fn usual(self) -> i32 {
        match self {
            Self::Day => 30,
            Self::Week => 16,
            Self::Month => 12,
        }
    }
}

/// The instant of a wall clock: the first of two, or the end of the gap that swallowed it.
fn instant(zone: Tz, mut local: NaiveDateTime) -> Instant {
    loop {
        if let Some(at) = local.and_local_timezone(zone).earliest() {
            return at.to_utc();
        }
        // Clocks jump by whole quarters of an hour, to whole minutes.
        local = local.with_second_zero() + TimeDelta::minutes(1);
    }
}

trait WholeMinute {
    fn with_second_zero(self) -> Self;
}

impl WholeMinute for NaiveDateTime {
    fn with_second_zero(self) -> Self {
        let millis = self.and_utc().timestamp_millis();
        DateTime::from_timestamp_millis(millis - millis.rem_euclid(60_000)).unwrap_or_default().naive_utc()
    }
}

fn midnight(zone: Tz, day: NaiveDate) -> Instant {
    instant(zone, day.and_time(chrono::NaiveTime::MIN))
}

fn time(value: &Value, member: &str) -> Result<Instant> {
    let text = text(value, member);
    Ok(DateTime::parse_from_rfc3339(text).with_context(|| format!("{member}: {value}"))?.to_utc())
}

fn place(names: &[&str], name: &str) -> Result<usize> {
    names.iter().position(|known| *known == name).with_context(|| format!("an unknown word: {name}"))
}

/// A share in per cent with one decimal, halves rounded up; `null` of nothing.
fn share(part: usize, whole: usize) -> Value {
    if whole == 0 { Value::Null } else { tenths((part * 2000 + whole) / (whole * 2)) }
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
fn tenths(value: usize) -> Value {
    json!(value as f64 / 10.0)
}

impl Census {
    /// Reads all leads and the whole log.
    ///
    /// # Errors
    /// If they can't be read, or the log does not fit the leads.
    pub async fn take(client: &Client) -> Result<Self> {
        let mut stays: HashMap<String, [Option<(Instant, Instant)>; 5]> = HashMap::new();
        let mut log = client.all("/activity?type=lead.created,lead.imported,lead.status_changed").await?;
        log.reverse();
        for entry in &log {
            let at = time(entry, "at")?;
            let stays = stays.entry(text(&entry["lead"], "id").to_owned()).or_default();
            let entered = entry["data"]["to"].as_str().or(entry["data"]["status"].as_str());
            if let Some(stage) = entered {
                let stay = &mut stays[place(&STAGES, stage)?];
                *stay = Some((stay.map_or(at, |(first, _)| first), at));
            }
        }
        let leads = client.all("/leads").await?;
        let leads = leads.iter().map(|lead| {
            Ok(Lead {
                created: time(lead, "createdAt")?,
                source: place(&SOURCES, text(lead, "source"))?,
                stage: place(&STAGES, text(lead, "status"))?,
                since: time(lead, "statusChangedAt")?,
                stays: stays.remove(text(lead, "id")).with_context(|| format!("no log of {lead}"))?,
            })
        });
        Ok(Self { leads: leads.collect::<Result<_>>()? })
    }

    /// How many leads there are.
    #[must_use]
    pub fn total(&self) -> usize {
        self.leads.len()
    }

    fn count(&self, is: impl Fn(&Lead) -> bool) -> usize {
        self.leads.iter().filter(|lead| is(lead)).count()
    }

    fn created_in(&self, span: Span) -> usize {
        self.count(|lead| span.has(lead.created))
    }

    /// Leads that entered a stage in a span and stand there.
    fn stand(&self, stage: usize, span: Span) -> usize {
        self.count(|lead| lead.stage == stage && span.has(lead.since))
    }

    /// Leads that entered a stage in a span for the last time, wherever they stand now.
    fn entered(&self, stage: usize, span: Span) -> usize {
        self.count(|lead| lead.stays[stage].is_some_and(|(_, last)| span.has(last)))
    }

    /// The cards at an instant; `asOf` as it was told.
    #[must_use]
    pub fn summary(&self, zone: Tz, now: Instant, as_of: &Value) -> Value {
        let local = now.with_timezone(&zone);
        let today = local.date_naive();
        let whole = |interval: Interval, start: NaiveDate| period(zone, interval, start);
        let present = |interval: Interval| whole(interval, interval.start(today));
        // The period before, up to the same point in it; one that has no such point is meant whole.
        let before = |interval: Interval| {
            let start = interval.start(today);
            let earlier = interval.step(start, -1);
            let day = earlier + (today - start);
            if day >= start {
                return whole(interval, earlier);
            }
            Span(midnight(zone, earlier), instant(zone, day.and_time(local.time())))
        };
        let cards = |span: &dyn Fn(Interval) -> Span| {
            json!({
                "newToday": self.created_in(span(Interval::Day)),
                "convertedThisWeek": self.stand(3, span(Interval::Week)),
                "lostThisMonth": self.stand(4, span(Interval::Month)),
            })
        };
        let mut summary = cards(&present);
        summary["totalLeads"] = self.leads.len().into();
        summary["previous"] = cards(&before);
        summary["asOf"] = as_of.clone();
        summary
    }

    /// Leads by stage.
    #[must_use]
    pub fn by_status(&self, zone: Tz, from: Option<NaiveDate>, to: Option<NaiveDate>) -> Value {
        self.by_status_in(days(zone, from, to))
    }

    fn by_status_in(&self, span: Span) -> Value {
        let item = |(stage, name): (usize, &&str)| json!({ "status": name, "count": self.count(|lead| lead.stage == stage && span.has(lead.created)) });
        json!({ "items": STAGES.iter().enumerate().map(item).collect::<Vec<_>>() })
    }

    /// Leads by source, and how many of them are converted.
    #[must_use]
    pub fn by_source(&self, zone: Tz, from: Option<NaiveDate>, to: Option<NaiveDate>) -> Value {
        self.by_source_in(days(zone, from, to))
    }

    fn by_source_in(&self, span: Span) -> Value {
        let item = |(source, name): (usize, &&str)| {
            let of = |lead: &&Lead| lead.source == source && span.has(lead.created);
            let leads: Vec<&Lead> = self.leads.iter().filter(of).collect();
            let converted = leads.iter().filter(|lead| lead.stage == 3).count();
            json!({ "source": name, "count": leads.len(), "converted": converted })
        };
        json!({ "items": SOURCES.iter().enumerate().map(item).collect::<Vec<_>>() })
    }

    /// Creations over the days from `from` to `to`, or over the usual ones up to today.
    #[must_use]
    pub fn created(
        &self,
        zone: Tz,
        interval: Interval,
        range: Option<(NaiveDate, NaiveDate)>,
        now: Instant,
    ) -> Value {
        let today = now.with_timezone(&zone).date_naive();
        let (from, to) = range.unwrap_or((interval.step(interval.start(today), 1 - interval.usual()), today));
        let mut items = Vec::new();
        let mut start = interval.start(from);
        while start <= to {
            // Of a bucket at an edge only the days of the range count.
            let Span(first, end) = period(zone, interval, start);
            let (from, to) = (period(zone, Interval::Day, from).0, period(zone, Interval::Day, to).1);
            let span = Span(first.max(from), end.min(to));
            let of = |source: usize| self.count(|lead| lead.source == source && span.has(lead.created));
            let by_source: Map<String, Value> = SOURCES
                .iter()
                .enumerate()
                .map(|(source, name)| ((*name).to_owned(), of(source).into()))
                .collect();
            items.push(
                json!({ "start": start.to_string(), "count": self.created_in(span), "bySource": by_source }),
            );
            start = interval.step(start, 1);
        }
        json!({ "interval": interval.name(), "items": items })
    }

    /// Conversion by month, the present one included.
    #[must_use]
    pub fn conversion(&self, zone: Tz, months: i32, now: Instant) -> Value {
        let this = Interval::Month.start(now.with_timezone(&zone).date_naive());
        let item = |back: i32| {
            let start = Interval::Month.step(this, -back);
            let span = period(zone, Interval::Month, start);
            let (created, converted) = (self.created_in(span), self.stand(3, span));
            let cohort = self.count(|lead| lead.stage == 3 && span.has(lead.created));
            json!({
                "month": start.format("%Y-%m").to_string(), "created": created, "converted": converted,
                "rate": share(converted, created), "cohortConverted": cohort, "cohortRate": share(cohort, created),
            })
        };
        json!({ "items": (0..months).rev().map(item).collect::<Vec<_>>() })
    }

    /// How far the leads of a range got.
    #[must_use]
    pub fn funnel(&self, zone: Tz, from: Option<NaiveDate>, to: Option<NaiveDate>) -> Value {
        let span = days(zone, from, to);
        let leads: Vec<&Lead> = self.leads.iter().filter(|lead| span.has(lead.created)).collect();
        let mut before = None;
        let item = |stage: usize| {
            // A later stage counts for the earlier ones; Lost is none of the four.
            let times = leads.iter().filter_map(|lead| {
                let first = lead.stays[stage..4].iter().filter_map(|stay| Some(stay.as_ref()?.0)).min()?;
                Some(rounded((first - lead.created).num_milliseconds()))
            });
            let mut times: Vec<usize> = times.collect();
            times.sort_unstable();
            let reached = times.len();
            let median = match reached {
                0 => Value::Null,
                _ => tenths((times[(reached - 1) / 2] + times[reached / 2]).div_ceil(2)),
            };
            let step = before.replace(reached).map_or(Value::Null, |before| share(reached, before));
            json!({
                "status": STAGES[stage], "reached": reached, "rate": share(reached, leads.len()), "stepRate": step,
                "medianHours": median,
            })
        };
        json!({ "items": (0..4).map(item).collect::<Vec<_>>() })
    }

    /// A period beside the one before.
    #[must_use]
    pub fn report(&self, zone: Tz, interval: Interval, date: NaiveDate) -> Value {
        let start = interval.start(date);
        let figures = |start: NaiveDate| {
            let span = period(zone, interval, start);
            let (created, converted) = (self.created_in(span), self.stand(3, span));
            json!({
                "created": created, "contacted": self.entered(1, span), "qualified": self.entered(2, span),
                "converted": converted, "lost": self.stand(4, span), "rate": share(converted, created),
            })
        };
        let span = period(zone, interval, start);
        json!({
            "period": interval.name(), "start": start.to_string(),
            "end": (interval.step(start, 1) - Days::new(1)).to_string(), "figures": figures(start),
            "previous": figures(interval.step(start, -1)), "byStatus": self.by_status_in(span),
            "bySource": self.by_source_in(span),
        })
    }
}

fn period(zone: Tz, interval: Interval, start: NaiveDate) -> Span {
    Span(midnight(zone, start), midnight(zone, interval.step(start, 1)))
}

fn days(zone: Tz, from: Option<NaiveDate>, to: Option<NaiveDate>) -> Span {
    let first = from.map_or(DateTime::<Utc>::MIN_UTC, |day| midnight(zone, day));
    Span(first, to.map_or(DateTime::<Utc>::MAX_UTC, |day| midnight(zone, day + Days::new(1))))
}

/// A time in tenths of an hour: below a day rounded to those, below 30 days to hours, beyond to days; halves go up.
fn rounded(millis: i64) -> usize {
    const HOUR: usize = 3_600_000;
    let millis = usize::try_from(millis).unwrap_or_default();
    let (step, tenths) = match millis / HOUR {
        ..24 => (HOUR / 10, 1),
        24..720 => (HOUR, 10),
        _ => (24 * HOUR, 240),
    };
    (millis + step / 2) / step * tenths
}
