//! Every figure equals the recount, whatever happened to the leads, in whatever order it was heard, in whatever zone it is asked for.

use std::{
    collections::{BTreeMap, HashMap},
    ops::RangeInclusive,
};

use chrono::NaiveDate;
use leadline_proto::{
    analytics as proto,
    leads::{LeadSnapshot, Source, StageTimes, Status},
};
use leadline_runtime::{
    time::Millis,
    zone::{Zone, add_days},
};
use proptest::prelude::*;

use crate::{
    calendar::{Clock, Interval},
    counts::{Counted, Counts, Need, Tally},
    day::{Delta, Page, Slot},
    figures, grpc,
    lead::{LeadId, Moment, Snapshot, newest},
    oracle::Oracle,
    projection::snapshot_of,
};

const DAY: i64 = 86_400_000;
const ZONES: [&str; 6] =
    ["Europe/Berlin", "America/Santiago", "Asia/Kathmandu", "Pacific/Apia", "Australia/Lord_Howe", "UTC"];

/// Stretches of time in which the clocks of these zones do remarkable things: today's changes of the clock; the day that Samoa
/// left out; offsets of odd minutes and seconds. From, in milliseconds, and for so many days.
const STRETCHES: [(&str, i64); 3] =
    [("2026-02-20T00:00:00Z", 280), ("2011-12-01T00:00:00Z", 60), ("1909-11-20T00:00:00Z", 420)];

/// What is done to a lead after so much time.
#[derive(Debug, Clone)]
enum Deed {
    Move(Status),
    Change(Source),
    Note,
    Delete,
    Restore,
}

#[derive(Debug, Clone)]
struct History {
    status: Status,
    source: Source,
    /// When it was created and when each deed was done, after the beginning of the stretch; ascending.
    times: Vec<i64>,
    deeds: Vec<Deed>,
}

fn statuses() -> impl Strategy<Value = Status> {
    use Status::{Contacted, Converted, Lost, New, Qualified};
    prop_oneof![3 => Just(New), 3 => Just(Contacted), 2 => Just(Qualified), 2 => Just(Converted), 2 => Just(Lost)]
}

fn sources() -> impl Strategy<Value = Source> {
    use Source::{Ad, Other, Referral, Website};
    prop_oneof![Just(Website), Just(Referral), Just(Ad), Just(Other)]
}

/// The offsets of the zones in seconds, those of today and the odd ones of 1910: where civil days begin.
const OFFSETS: [i64; 14] = [
    0, 3600, 7200, -10_800, -14_400, 20_700, 46_800, 50_400, 37_800, 39_600, -16_965, 20_476, -41_216, 45_184,
];

/// Any instant of a stretch, often one where something ends: a quarter-hour, a civil day, the same time of day as `now`.
fn times(most: i64, now: i64) -> impl Strategy<Value = i64> {
    let beside = || prop_oneof![Just(0), -1_i64..=1, -20 * 60_000_i64..20 * 60_000];
    let quarters = (0..most / 900_000, beside()).prop_map(|(quarter, beside)| quarter * 900_000 + beside);
    let midnights = (0..most / DAY, 0..OFFSETS.len(), beside())
        .prop_map(|(day, offset, beside)| day * DAY - OFFSETS[offset] * 1000 + beside);
    let days_ago = prop_oneof![Just(0_i64), Just(1), Just(7), 28_i64..=31];
    let same_points = (days_ago, beside()).prop_map(move |(days, beside)| now - days * DAY + beside);
    prop_oneof![2 => 0..most, 1 => quarters, 2 => midnights, 2 => same_points].prop_map(|at| at.max(0))
}

fn deeds() -> impl Strategy<Value = Deed> {
    prop_oneof![
        6 => statuses().prop_map(Deed::Move),
        2 => sources().prop_map(Deed::Change),
        1 => Just(Deed::Note),
        1 => Just(Deed::Delete),
        1 => Just(Deed::Restore),
    ]
}

fn histories(most: i64, now: i64) -> impl Strategy<Value = History> {
    (1_usize..8).prop_flat_map(move |count| {
        let times = proptest::collection::vec(times(most, now), count);
        let deeds = proptest::collection::vec(deeds(), count - 1);
        (times, statuses(), sources(), deeds).prop_map(|(mut times, status, source, deeds)| {
            times.sort_unstable();
            History { status, source, times, deeds }
        })
    })
}

impl History {
    /// All versions of the lead.
    fn versions(&self, begin: i64) -> Vec<LeadSnapshot> {
        let created = begin + self.times[0];
        let stay = |status: Status, at: i64| StageTimes {
            status: status.into(),
            first_entered_at_ms: at,
            last_entered_at_ms: at,
        };
        let mut lead = LeadSnapshot {
            lead_id: LeadId::new().to_string(),
            version: 1,
            name: "Ada".into(),
            status: self.status.into(),
            source: self.source.into(),
            created_at_ms: created,
            status_changed_at_ms: created,
            stages: vec![stay(self.status, created)],
            deleted: false,
            erased: false,
            merged_into: None,
        };
        let mut versions = vec![lead.clone()];
        for (at, deed) in self.times[1..].iter().zip(&self.deeds) {
            let now = begin + at;
            match deed {
                Deed::Move(status) if !lead.deleted && lead.status() != *status => {
                    lead.set_status(*status);
                    lead.status_changed_at_ms = now;
                    match lead.stages.iter_mut().find(|stay| stay.status() == *status) {
                        Some(stay) => stay.last_entered_at_ms = now,
                        None => lead.stages.push(stay(*status, now)),
                    }
                }
                Deed::Change(source) if !lead.deleted => lead.set_source(*source),
                Deed::Note if !lead.deleted => {}
                Deed::Delete if !lead.deleted => lead.deleted = true,
                Deed::Restore if lead.deleted => lead.deleted = false,
                _ => continue,
            }
            lead.version += 1;
            versions.push(lead.clone());
        }
        versions
    }
}

/// Leads of one stretch of time, the order in which their versions are heard of, and when figures are asked for.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    /// Every version of every lead.
    pub(crate) versions: Vec<LeadSnapshot>,
    /// The newest version of each lead for sure, others perhaps, some twice; shuffled, in batches.
    pub(crate) heard: Vec<Vec<Snapshot>>,
    /// When figures are asked for.
    pub(crate) now: Millis,
    begin: i64,
    days: i64,
}

/// Stories of up to so many leads.
pub(crate) fn stories(leads: usize) -> impl Strategy<Value = Story> {
    (0..STRETCHES.len()).prop_flat_map(move |stretch| {
        let (begin, days) = STRETCHES[stretch];
        let begin = Millis::parse(begin).unwrap().0;
        (0..days * DAY).prop_flat_map(move |now| {
            let lives = proptest::collection::vec(histories(days * DAY, now), 1..leads);
            (lives, any::<u64>()).prop_map(move |(lives, order)| {
                let lives: Vec<Vec<LeadSnapshot>> = lives.iter().map(|life| life.versions(begin)).collect();
                let heard = heard(&lives, order);
                let versions = lives.into_iter().flatten().collect();
                Story { versions, heard, now: Millis(begin + now), begin, days }
            })
        })
    })
}

/// Drops, repeats and shuffles, but keeps the newest version of each.
fn heard(lives: &[Vec<LeadSnapshot>], order: u64) -> Vec<Vec<Snapshot>> {
    let mut state = order | 1;
    let mut random = move |below: usize| {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % below as u64).unwrap()
    };
    let mut all = Vec::new();
    for life in lives {
        let (last, earlier) = life.split_last().unwrap();
        for version in earlier.iter().chain([last]) {
            let copies = if version == last { 1 + random(2) } else { random(3) };
            all.extend(std::iter::repeat_n(snapshot_of(version).unwrap(), copies));
        }
    }
    for place in (1..all.len()).rev() {
        all.swap(place, random(place + 1));
    }
    let mut batches = Vec::new();
    while !all.is_empty() {
        let rest = all.split_off(all.len() - all.len().min(1 + random(20)));
        batches.push(newest(rest));
    }
    batches
}

/// All that can be asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answers {
    dashboards: Vec<proto::Dashboard>,
    created: Vec<proto::Created>,
    conversion: proto::Conversion,
    ranges: Vec<(proto::ByStatus, proto::BySource, proto::Funnel)>,
    reports: Vec<proto::Report>,
}

const INTERVALS: [Interval; 3] = [Interval::Day, Interval::Week, Interval::Month];

impl Story {
    fn ranges(&self, zone: Zone) -> Vec<(Option<NaiveDate>, Option<NaiveDate>)> {
        let date = |day: i64| Some(zone.date(Millis(self.begin + day * DAY)));
        let days = self.days;
        vec![
            (None, None),
            (date(days / 3), date(days / 2)),
            (date(days / 2), None),
            (None, date(days / 2)),
            (date(days / 2), date(days / 2)),
        ]
    }

    fn reports(&self, zone: Zone) -> Vec<(Interval, NaiveDate)> {
        let middle = zone.date(Millis(self.begin + self.days / 2 * DAY));
        let dates = [zone.date(self.now), middle, add_days(middle, 7)];
        INTERVALS.into_iter().flat_map(|interval| dates.map(|date| (interval, date))).collect()
    }

    /// All days, and a few within them that begin and end anywhere in a week or a month.
    fn stretches(&self, zone: Zone) -> [RangeInclusive<NaiveDate>; 2] {
        let (first, last) = (zone.date(Millis(self.begin)), zone.date(Millis(self.begin + self.days * DAY)));
        let within = add_days(first, self.days / 3)..=add_days(first, self.days * 2 / 3);
        [first..=last, within]
    }

    /// By the figures, from any counts: called twice, as the service does.
    pub(crate) fn figures(&self, zone: Zone, as_of: Millis, counts: &mut dyn Counts) -> Answers {
        let clock = Clock { zone, now: self.now };
        Answers {
            dashboards: INTERVALS
                .map(|interval| {
                    grpc::dashboard_of(interval, &figures::dashboard(clock, interval, counts), as_of)
                })
                .to_vec(),
            created: self
                .stretches(zone)
                .map(|days| {
                    INTERVALS.map(|interval| {
                        grpc::created_of(interval, &figures::created(clock, interval, &days, counts))
                    })
                })
                .concat(),
            conversion: grpc::conversion_of(&figures::conversion(clock, 30, counts)),
            ranges: self
                .ranges(zone)
                .into_iter()
                .map(|(from, to)| {
                    let span = clock.days(from, to);
                    let cohort = counts.cohort(span);
                    let funnel = figures::funnel(span, counts);
                    (grpc::by_status(&cohort), grpc::by_source(&cohort), grpc::funnel_of(&funnel))
                })
                .collect(),
            reports: self
                .reports(zone)
                .into_iter()
                .map(|(interval, date)| {
                    grpc::report_of(interval, &figures::report(clock, interval, date, counts))
                })
                .collect(),
        }
    }

    /// By the oracle.
    pub(crate) fn recount(&self, zone: Zone, as_of: Millis) -> Answers {
        let oracle = Oracle::new(&self.versions, zone, self.now);
        Answers {
            dashboards: INTERVALS.map(|interval| oracle.dashboard(interval, as_of.0)).to_vec(),
            created: self
                .stretches(zone)
                .map(|days| INTERVALS.map(|interval| oracle.created_over(interval, &days)))
                .concat(),
            conversion: oracle.conversion(30),
            ranges: self
                .ranges(zone)
                .into_iter()
                .map(|(from, to)| {
                    (oracle.by_status(from, to), oracle.by_source(from, to), oracle.funnel(from, to))
                })
                .collect(),
            reports: self
                .reports(zone)
                .into_iter()
                .map(|(interval, date)| oracle.report(interval, date))
                .collect(),
        }
    }
}

/// The zones that are asked for.
pub(crate) fn zones() -> impl Iterator<Item = Zone> {
    ZONES.into_iter().map(|name| Zone::parse(name).unwrap())
}

/// What a store does, in memory.
#[derive(Default)]
struct Ledger {
    rows: HashMap<LeadId, Snapshot>,
    pages: BTreeMap<Slot, Page>,
}

impl Ledger {
    fn apply(&mut self, snapshots: &[Snapshot]) {
        let mut delta = Delta::default();
        for snapshot in snapshots {
            let old = self.rows.get(&snapshot.lead);
            if old.is_none_or(|old| old.version < snapshot.version) {
                delta.change(old.and_then(|old| old.facts.as_ref()), snapshot.facts.as_ref());
                self.rows.insert(snapshot.lead, *snapshot);
            }
        }
        for (slot, change) in delta.into_changes() {
            let page = self.pages.entry(slot).or_default();
            *page = page.plus(&change);
        }
        self.pages.retain(|_, page| !page.is_empty());
    }

    fn read(&self, need: &Need) -> Tally {
        let facts = || self.rows.values().filter_map(|row| row.facts.as_ref());
        let page = |slot| self.pages.get(&slot).cloned().unwrap_or_default();
        let days = |range: &Option<std::ops::Range<crate::day::Day>>| -> Vec<_> {
            let Some(range) = range else { return Vec::new() };
            let pages = self.pages.range(Slot::Day(range.start)..Slot::Day(range.end));
            pages
                .filter_map(|(slot, page)| match slot {
                    Slot::Day(day) => Some((*day, page.clone())),
                    Slot::All => None,
                })
                .collect()
        };
        let moment = |moment: Moment, span: crate::counts::Span| {
            facts().filter(|facts| facts.at(moment).is_some_and(|at| span.contains(at))).count() as u64
        };
        let cohort = |span: crate::counts::Span| {
            let mut counted = Counted::default();
            facts().filter(|facts| span.contains(facts.created)).for_each(|facts| counted.add(facts));
            counted
        };
        Tally {
            as_of: None,
            all: page(Slot::All),
            sums: days(&need.sums).into_iter().map(|(day, page)| (day, page.sum)).collect(),
            cut: need.cut.iter().map(|day| (*day, page(Slot::Day(*day)).counts)).collect(),
            times: days(&need.times).into_iter().map(|(day, page)| (day, page.times)).collect(),
            moments: need.moments.iter().map(|(what, span)| ((*what, *span), moment(*what, *span))).collect(),
            cohorts: need.cohorts.iter().map(|span| (*span, cohort(*span))).collect(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn every_figure_equals_the_recount_however_the_events_came(story in stories(60)) {
        let mut ledger = Ledger::default();
        story.heard.iter().for_each(|batch| ledger.apply(batch));
        for zone in zones() {
            let mut need = Need::default();
            story.figures(zone, story.now, &mut need);
            let figures = story.figures(zone, story.now, &mut ledger.read(&need));
            prop_assert_eq!(figures, story.recount(zone, story.now), "{}", zone.name());
        }
    }

    #[test]
    fn a_workspace_whose_leads_are_all_deleted_has_empty_counters(story in stories(30)) {
        let mut ledger = Ledger::default();
        story.heard.iter().for_each(|batch| ledger.apply(batch));
        let ends: Vec<Snapshot> =
            ledger.rows.values().map(|row| Snapshot { version: row.version + 1, facts: None, ..*row }).collect();
        ledger.apply(&ends);
        prop_assert!(ledger.pages.is_empty());
        story.heard.iter().for_each(|batch| ledger.apply(batch));
        prop_assert!(ledger.pages.is_empty(), "an old version came back");
    }
}

/// Asks a figure of one kind alone, to see what it needs.
fn need_of<T>(figure: impl Fn(&mut dyn Counts) -> T) -> Need {
    let mut need = Need::default();
    figure(&mut need);
    need
}

#[test]
fn a_dashboard_reads_a_bounded_number_of_days_and_counts_few_rows() {
    for zone in zones() {
        for interval in INTERVALS {
            let clock = Clock { zone, now: Millis::parse("2026-11-23T09:37:12.345Z").unwrap() };
            let need = need_of(|counts| figures::dashboard(clock, interval, counts));
            let sums = need.sums.map_or(0, |days| days.end.number() - days.start.number());
            assert!(sums <= 400, "{sums} days in {}", zone.name());
            assert!(need.cut.len() <= 60, "{} days by the quarter in {}", need.cut.len(), zone.name());
            assert!(need.times.is_none() && need.cohorts.is_empty(), "{}", zone.name());
            // The three ends of "up to the same point before".
            assert_eq!(need.moments.len(), 3, "{}", zone.name());
        }
    }
}
