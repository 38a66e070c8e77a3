//! A recount of the leads, straightforward and slow: what every figure must equal.
//!
//! It knows nothing of counters, quarters or spans: it looks at each lead's civil dates.

use std::ops::RangeInclusive;

use chrono::{Datelike, NaiveDate, NaiveTime, Weekday};
use leadline_proto::{
    analytics as proto,
    leads::{LeadSnapshot, Source, Status},
};
use leadline_runtime::{time::Millis, zone::Zone};

use crate::calendar::Interval;

const STAGES: [Status; 5] =
    [Status::New, Status::Contacted, Status::Qualified, Status::Converted, Status::Lost];
const SOURCES: [Source; 4] = [Source::Website, Source::Referral, Source::Ad, Source::Other];

/// Leads as they stand now, seen from a zone.
pub(crate) struct Oracle {
    leads: Vec<LeadSnapshot>,
    zone: Zone,
    now: Millis,
}

impl Oracle {
    /// Of any versions of any leads: the newest of each counts, unless it is deleted.
    pub(crate) fn new(snapshots: &[LeadSnapshot], zone: Zone, now: Millis) -> Self {
        let newest = |lead: &LeadSnapshot| {
            !snapshots.iter().any(|other| other.lead_id == lead.lead_id && other.version > lead.version)
        };
        let mut leads: Vec<LeadSnapshot> = snapshots.iter().filter(|lead| newest(lead)).cloned().collect();
        leads.sort_by(|one, other| one.lead_id.cmp(&other.lead_id));
        leads.dedup_by(|one, other| one.lead_id == other.lead_id);
        leads.retain(|lead| !lead.deleted);
        Self { leads, zone, now }
    }

    fn date(&self, at: i64) -> NaiveDate {
        self.zone.date(Millis(at))
    }

    fn today(&self) -> NaiveDate {
        self.zone.date(self.now)
    }

    fn created(&self, on: impl Fn(NaiveDate) -> bool) -> Vec<&LeadSnapshot> {
        self.leads.iter().filter(|lead| on(self.date(lead.created_at_ms))).collect()
    }

    fn stand_in(&self, status: Status, since: impl Fn(i64) -> bool) -> u64 {
        let stand = |lead: &&LeadSnapshot| lead.status() == status && since(lead.status_changed_at_ms);
        self.leads.iter().filter(stand).count() as u64
    }

    fn last_entered(&self, status: Status, on: impl Fn(NaiveDate) -> bool) -> u64 {
        let entered = |lead: &&LeadSnapshot| {
            lead.stages.iter().any(|stay| stay.status() == status && on(self.date(stay.last_entered_at_ms)))
        };
        self.leads.iter().filter(entered).count() as u64
    }

    pub(crate) fn summary(&self, as_of_ms: i64) -> proto::Summary {
        let today = self.today();
        let time: NaiveTime = self.zone.local(self.now).time();
        let before = |date: NaiveDate, at: i64| at < self.zone.instant(date.and_time(time)).0;
        let (yesterday, last_week) = (days_before(today, 1), days_before(today, 7));
        let last_month = month_before(month(today));
        let same_day = NaiveDate::from_ymd_opt(last_month.0, last_month.1, today.day());
        let in_last_month =
            |at: i64| month(self.date(at)) == last_month && same_day.is_none_or(|day| before(day, at));
        proto::Summary {
            total_leads: self.leads.len() as u64,
            new_today: self.created(|date| date == today).len() as u64,
            converted_this_week: self
                .stand_in(Status::Converted, |at| self.date(at).iso_week() == today.iso_week()),
            lost_this_month: self.stand_in(Status::Lost, |at| month(self.date(at)) == month(today)),
            previous: Some(proto::summary::Previous {
                new_today: self
                    .leads
                    .iter()
                    .filter(|lead| {
                        self.date(lead.created_at_ms) == yesterday && before(yesterday, lead.created_at_ms)
                    })
                    .count() as u64,
                converted_this_week: self.stand_in(Status::Converted, |at| {
                    self.date(at).iso_week() == last_week.iso_week() && before(last_week, at)
                }),
                lost_this_month: self.stand_in(Status::Lost, in_last_month),
            }),
            as_of_ms,
        }
    }

    fn between(&self, from: Option<NaiveDate>, to: Option<NaiveDate>) -> Vec<&LeadSnapshot> {
        self.created(|date| from.is_none_or(|from| from <= date) && to.is_none_or(|to| date <= to))
    }

    pub(crate) fn by_status(&self, from: Option<NaiveDate>, to: Option<NaiveDate>) -> proto::ByStatus {
        by_status(&self.between(from, to))
    }

    pub(crate) fn by_source(&self, from: Option<NaiveDate>, to: Option<NaiveDate>) -> proto::BySource {
        proto::BySource { items: by_source(&self.between(from, to)) }
    }

    pub(crate) fn created_over(
        &self,
        interval: Interval,
        days: &RangeInclusive<NaiveDate>,
    ) -> proto::Created {
        let mut starts: Vec<NaiveDate> = days
            .start()
            .iter_days()
            .take_while(|day| day <= days.end())
            .map(|day| start(interval, day))
            .collect();
        starts.dedup();
        let bucket = |first: NaiveDate| {
            let leads = self.created(|date| start(interval, date) == first && days.contains(&date));
            proto::created::Bucket {
                start: first.to_string(),
                count: leads.len() as u64,
                by_source: by_source(&leads),
            }
        };
        proto::Created { interval: number(interval), items: starts.into_iter().map(bucket).collect() }
    }

    pub(crate) fn conversion(&self, months: u32) -> proto::Conversion {
        let mut wanted = vec![month(self.today())];
        while wanted.len() < months as usize {
            wanted.insert(0, month_before(wanted[0]));
        }
        let item = |wanted: (i32, u32)| {
            let cohort = self.created(|date| month(date) == wanted);
            let converted = self.stand_in(Status::Converted, |at| month(self.date(at)) == wanted);
            let of_cohort = cohort.iter().filter(|lead| lead.status() == Status::Converted).count() as u64;
            proto::conversion::Month {
                month: format!("{:04}-{:02}", wanted.0, wanted.1),
                created: cohort.len() as u64,
                converted,
                rate_tenths: share(converted, cohort.len() as u64),
                cohort_converted: of_cohort,
                cohort_rate_tenths: share(of_cohort, cohort.len() as u64),
            }
        };
        proto::Conversion { items: wanted.into_iter().map(item).collect() }
    }

    pub(crate) fn funnel(&self, from: Option<NaiveDate>, to: Option<NaiveDate>) -> proto::Funnel {
        let leads = self.between(from, to);
        let mut before = None;
        let step = |status: Status| {
            let mut times: Vec<u64> = leads.iter().filter_map(|lead| time_to(lead, status)).collect();
            times.sort_unstable();
            let reached = times.len() as u64;
            let step_rate_tenths = before.and_then(|before| share(reached, before));
            before = Some(reached);
            let median = match times.len() {
                0 => None,
                odd if odd % 2 == 1 => Some(times[odd / 2]),
                even => Some((times[even / 2 - 1] + times[even / 2]).div_ceil(2)),
            };
            proto::funnel::Step {
                status: status.into(),
                reached,
                rate_tenths: share(reached, leads.len() as u64),
                step_rate_tenths,
                median_tenths_of_hours: median,
            }
        };
        proto::Funnel { items: STAGES[..4].iter().copied().map(step).collect() }
    }

    pub(crate) fn report(&self, interval: Interval, date: NaiveDate) -> proto::Report {
        let first = start(interval, date);
        let in_period = |day: NaiveDate| start(interval, day) == first;
        let before = start(interval, days_before(first, 1));
        let end = first.iter_days().take_while(|day| in_period(*day)).last().unwrap();
        let leads = self.created(in_period);
        proto::Report {
            period: number(interval),
            start: first.to_string(),
            end: end.to_string(),
            figures: Some(self.figures(in_period)),
            previous: Some(self.figures(|day| start(interval, day) == before)),
            by_status: Some(by_status(&leads)),
            by_source: Some(proto::BySource { items: by_source(&leads) }),
        }
    }

    fn figures(&self, in_period: impl Fn(NaiveDate) -> bool) -> proto::report::Figures {
        let created = self.created(&in_period).len() as u64;
        let converted = self.stand_in(Status::Converted, |at| in_period(self.date(at)));
        proto::report::Figures {
            created,
            contacted: self.last_entered(Status::Contacted, &in_period),
            qualified: self.last_entered(Status::Qualified, &in_period),
            converted,
            lost: self.stand_in(Status::Lost, |at| in_period(self.date(at))),
            rate_tenths: share(converted, created),
        }
    }

    pub(crate) fn dashboard(&self, interval: Interval, as_of_ms: i64) -> proto::Dashboard {
        let today = self.today();
        let first = match interval {
            Interval::Day => days_before(today, 29),
            Interval::Week => days_before(start(interval, today), 15 * 7),
            Interval::Month => {
                let (year, month) = (0..11).fold(month(today), |known, _| month_before(known));
                NaiveDate::from_ymd_opt(year, month, 1).unwrap()
            }
        };
        proto::Dashboard {
            summary: Some(self.summary(as_of_ms)),
            by_status: Some(self.by_status(None, None)),
            by_source: Some(self.by_source(None, None)),
            created: Some(self.created_over(interval, &(first..=today))),
            conversion: Some(self.conversion(12)),
            funnel: Some(self.funnel(None, None)),
        }
    }
}

fn days_before(date: NaiveDate, days: u64) -> NaiveDate {
    date.checked_sub_days(chrono::Days::new(days)).unwrap()
}

fn month(date: NaiveDate) -> (i32, u32) {
    (date.year(), date.month())
}

fn month_before((year, month): (i32, u32)) -> (i32, u32) {
    if month == 1 { (year - 1, 12) } else { (year, month - 1) }
}

fn start(interval: Interval, mut date: NaiveDate) -> NaiveDate {
    let first = |date: NaiveDate| match interval {
        Interval::Day => true,
        Interval::Week => date.weekday() == Weekday::Mon,
        Interval::Month => date.day() == 1,
    };
    while !first(date) {
        date = date.pred_opt().unwrap();
    }
    date
}

fn number(interval: Interval) -> i32 {
    match interval {
        Interval::Day => 1,
        Interval::Week => 2,
        Interval::Month => 3,
    }
}

fn by_status(leads: &[&LeadSnapshot]) -> proto::ByStatus {
    let item = |status: Status| proto::by_status::Item {
        status: status.into(),
        count: leads.iter().filter(|lead| lead.status() == status).count() as u64,
    };
    proto::ByStatus { items: STAGES.map(item).to_vec() }
}

fn by_source(leads: &[&LeadSnapshot]) -> Vec<proto::by_source::Item> {
    let item = |source: Source| {
        let of_source = leads.iter().filter(|lead| lead.source() == source);
        proto::by_source::Item {
            source: source.into(),
            count: of_source.clone().count() as u64,
            converted: of_source.filter(|lead| lead.status() == Status::Converted).count() as u64,
        }
    };
    SOURCES.map(item).to_vec()
}

/// In tenths of an hour, rounded as the contract says.
fn time_to(lead: &LeadSnapshot, status: Status) -> Option<u64> {
    let later = |stay: Status| stay != Status::Lost && stay as i32 >= status as i32;
    let reached =
        lead.stages.iter().filter(|stay| later(stay.status())).map(|stay| stay.first_entered_at_ms).min()?;
    let hours = (reached - lead.created_at_ms).max(0) as f64 / 3_600_000.0;
    let tenths = if hours < 24.0 {
        (hours * 10.0).round()
    } else if hours < 30.0 * 24.0 {
        hours.round() * 10.0
    } else {
        (hours / 24.0).round() * 240.0
    };
    Some(tenths as u64)
}

/// In tenths of a per cent.
fn share(part: u64, whole: u64) -> Option<u64> {
    (whole > 0).then(|| (part as f64 / whole as f64 * 1000.0).round() as u64)
}
