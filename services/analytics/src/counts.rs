//! Asking for counts and getting them: which counters and rows a figure needs, and their sums.
//!
//! A figure is a function over [`Counts`]. It is called twice: first over a [`Need`], which notes what the figure asks for
//! and answers nothing but zeros; then, when the store has read all that from one snapshot, over the [`Tally`]. So which spans
//! a figure asks for may not depend on the answers.
//!
//! A span of time is cut into whole UTC days, whole quarter-hours, and remainders at its ends that are shorter than a
//! quarter. Days and quarters are counters; remainders are counted from the leads' rows, through an index. Remainders occur where a
//! figure ends at a certain minute ("up to the same time yesterday") and in zones whose offset was once an odd one.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use leadline_runtime::time::Millis;

use crate::{
    day::{
        CELLS, DAY, Day, Page, QUARTER, Sparse, cell_of_key, cells_of, created_cell, quarter_keys, time_keys,
    },
    lead::{Facts, Moment, Source, Status},
};

/// A half-open interval of instants. Empty if it does not end after it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The first instant that belongs to it.
    pub from: Millis,
    /// The first instant that no longer does.
    pub to: Millis,
}

impl Span {
    /// All time.
    #[must_use]
    pub fn always() -> Self {
        Self { from: Day::FIRST.start(), to: Day::END.start() }
    }

    /// Whether an instant belongs to it.
    #[must_use]
    pub fn contains(self, at: Millis) -> bool {
        self.from <= at && at < self.to
    }

    fn is_empty(self) -> bool {
        self.from >= self.to
    }

    /// The whole units of so many milliseconds inside, and what is left over before and after them.
    fn cut(self, unit: i64) -> (Option<Self>, [Self; 2]) {
        let nothing = Self { from: self.to, to: self.to };
        if self.is_empty() {
            return (None, [nothing; 2]);
        }
        let from = Millis((self.from.0 + unit - 1).div_euclid(unit) * unit);
        let to = Millis(self.to.0.div_euclid(unit) * unit);
        if from >= to {
            // It lies inside one unit, or around the border of two.
            return (None, [self, nothing]);
        }
        (Some(Self { from, to }), [Self { from: self.from, to: from }, Self { from: to, to: self.to }])
    }

    /// As a range of whole days, of which it must consist.
    fn days(self) -> Range<Day> {
        Day::of(self.from)..Day::of(self.to)
    }
}

/// Leads by their stage and source now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cohort([i64; 20]);

impl Cohort {
    /// How many of a stage and source.
    #[must_use]
    pub fn of(&self, status: Status, source: Source) -> u64 {
        self.0.get(created_cell(status, source) as usize).map_or(0, |count| positive(*count))
    }

    /// How many in a stage.
    #[must_use]
    pub fn in_status(&self, status: Status) -> u64 {
        Source::ALL.into_iter().map(|source| self.of(status, source)).sum()
    }

    /// How many from a source.
    #[must_use]
    pub fn from_source(&self, source: Source) -> u64 {
        Status::ALL.into_iter().map(|status| self.of(status, source)).sum()
    }

    /// How many in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        Status::ALL.into_iter().map(|status| self.in_status(status)).sum()
    }

    fn add(&mut self, cell: u32, by: i64) {
        if let Some(count) = self.0.get_mut(cell as usize) {
            *count += by;
        }
    }
}

/// How many leads took how long to reach each stage: keys as in [`Page::times`].
pub type Times = BTreeMap<u32, i64>;

/// Answers what figures are made of.
pub trait Counts {
    /// How many leads had a moment in a span.
    fn moments(&mut self, moment: Moment, span: Span) -> u64;
    /// The leads created in a span.
    fn cohort(&mut self, span: Span) -> Cohort;
    /// The times to each stage of the leads created in a span.
    fn times(&mut self, span: Span) -> Times;
}

/// What figures ask for: what a store has to read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Need {
    /// The page of all time.
    pub all: bool,
    /// [`Page::sum`] of these days.
    pub sums: Option<Range<Day>>,
    /// [`Page::counts`] of these days.
    pub cut: BTreeSet<Day>,
    /// [`Page::times`] of these days.
    pub times: Option<Range<Day>>,
    /// How many leads had a moment in a span, from the rows.
    pub moments: BTreeSet<(Moment, Span)>,
    /// The leads created in a span, from the rows.
    pub cohorts: BTreeSet<Span>,
}

impl Need {
    /// The counters alone, without rows.
    #[must_use]
    pub fn pages(&self) -> Self {
        Self { moments: BTreeSet::new(), cohorts: BTreeSet::new(), ..self.clone() }
    }

    /// Notes the quarters around a remainder that is shorter than one: where they hold nothing, no row need be looked for.
    fn note_around(&mut self, remainder: Span) {
        self.cut.extend(pieces(around(remainder)).map(|(day, _)| day));
    }

    /// Notes days and quarters; gives the remainders.
    fn note(&mut self, span: Span) -> [Span; 2] {
        let (quarters, remainders) = span.cut(QUARTER);
        if let Some(quarters) = quarters {
            let (days, parts) = quarters.cut(DAY);
            if let Some(days) = days {
                widen(&mut self.sums, days.days());
            }
            for part in parts.into_iter().filter(|part| !part.is_empty()) {
                self.cut.extend(pieces(part).map(|(day, _)| day));
            }
        }
        remainders
    }
}

fn widen(known: &mut Option<Range<Day>>, days: Range<Day>) {
    *known = Some(match known.take() {
        None => days,
        Some(known) => known.start.min(days.start)..known.end.max(days.end),
    });
}

/// The quarters of the one or two days that a span of less than two days, made of whole quarters, touches.
fn pieces(span: Span) -> impl Iterator<Item = (Day, Range<u32>)> {
    let first = Day::of(span.from);
    let quarter = |day: Day, at: Millis| u32::try_from((at.0 - day.start().0) / QUARTER).unwrap_or(0);
    [first, first.next()].into_iter().filter_map(move |day| {
        let from = span.from.max(day.start());
        let to = span.to.min(day.next().start());
        (from < to).then(|| (day, quarter(day, from)..quarter(day, to)))
    })
}

/// The whole quarters that a span touches.
fn around(span: Span) -> Span {
    let to = (span.to.0 + QUARTER - 1).div_euclid(QUARTER) * QUARTER;
    Span { from: Millis(span.from.0.div_euclid(QUARTER) * QUARTER), to: Millis(to) }
}

impl Counts for Need {
    fn moments(&mut self, moment: Moment, span: Span) -> u64 {
        for part in self.note(span).into_iter().filter(|part| !part.is_empty()) {
            self.note_around(part);
            self.moments.insert((moment, part));
        }
        0
    }

    fn cohort(&mut self, span: Span) -> Cohort {
        if span == Span::always() {
            self.all = true;
        } else {
            for part in self.note(span).into_iter().filter(|part| !part.is_empty()) {
                self.note_around(part);
                self.cohorts.insert(part);
            }
        }
        Cohort::default()
    }

    fn times(&mut self, span: Span) -> Times {
        if span == Span::always() {
            self.all = true;
            return Times::new();
        }
        let (days, remainders) = span.cut(DAY);
        if let Some(days) = days {
            widen(&mut self.times, days.days());
        }
        self.cohorts.extend(remainders.into_iter().filter(|part| !part.is_empty()));
        Times::new()
    }
}

/// What a store has read for a [`Need`], all from one snapshot.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// The time of the newest event that is counted; `None`: none ever was.
    pub as_of: Option<Millis>,
    /// The page of all time.
    pub all: Page,
    /// [`Page::sum`] by day.
    pub sums: BTreeMap<Day, Sparse>,
    /// [`Page::counts`] by day.
    pub cut: BTreeMap<Day, Sparse>,
    /// [`Page::times`] by day.
    pub times: BTreeMap<Day, Sparse>,
    /// Counted from the rows.
    pub moments: BTreeMap<(Moment, Span), u64>,
    /// Counted from the rows.
    pub cohorts: BTreeMap<Span, Counted>,
}

/// The leads created in a span, counted one by one.
#[derive(Debug, Clone, Default)]
pub struct Counted {
    cohort: Cohort,
    times: Times,
}

impl Counted {
    /// Counts one more.
    pub fn add(&mut self, facts: &Facts) {
        self.cohort.add(created_cell(facts.status, facts.source), 1);
        for key in time_keys(facts) {
            *self.times.entry(key).or_default() += 1;
        }
    }
}

impl Tally {
    /// Whether the counters that were read say that a moment did not happen in a span: then no row need be looked for. Of
    /// spans whose quarters were not read, nothing is said.
    #[must_use]
    pub fn excludes(&self, need: &Need, moment: Moment, span: Span) -> bool {
        let cells = cells_of(moment);
        pieces(around(span)).all(|(day, quarters)| {
            need.cut.contains(&day)
                && self.cut.get(&day).is_none_or(|counts| {
                    counts.range(quarter_keys(quarters)).all(|(key, _)| !cells.contains(&cell_of_key(key)))
                })
        })
    }

    /// The rows that a need asks for and that these counters don't exclude.
    #[must_use]
    pub fn rows_of(&self, need: &Need) -> Need {
        let mut rows =
            Need { moments: need.moments.clone(), cohorts: need.cohorts.clone(), ..Need::default() };
        rows.moments.retain(|(moment, span)| !self.excludes(need, *moment, *span));
        rows.cohorts.retain(|span| !self.excludes(need, Moment::Created, *span));
        rows
    }

    /// Adds the counters of some cells in a span's whole quarters, by cell; gives the remainders.
    fn sum(&self, span: Span, cells: &Range<u32>, totals: &mut [i64; CELLS]) -> [Span; 2] {
        let mut add = |cell: u32, by: i64| {
            if cells.contains(&cell)
                && let Some(total) = totals.get_mut(cell as usize)
            {
                *total += by;
            }
        };
        let (quarters, remainders) = span.cut(QUARTER);
        if let Some(quarters) = quarters {
            let (days, parts) = quarters.cut(DAY);
            if let Some(days) = days {
                for (_, sum) in self.sums.range(days.days()) {
                    sum.iter().for_each(|(cell, by)| add(cell, by));
                }
            }
            for (day, quarters) in parts.into_iter().flat_map(pieces) {
                if let Some(counts) = self.cut.get(&day) {
                    counts.range(quarter_keys(quarters)).for_each(|(key, by)| add(cell_of_key(key), by));
                }
            }
        }
        remainders
    }
}

impl Counts for Tally {
    fn moments(&mut self, moment: Moment, span: Span) -> u64 {
        let mut totals = [0; CELLS];
        let remainders = self.sum(span, &cells_of(moment), &mut totals);
        let rows = remainders.iter().filter_map(|part| self.moments.get(&(moment, *part))).sum::<u64>();
        positive(totals.iter().sum()) + rows
    }

    fn cohort(&mut self, span: Span) -> Cohort {
        let mut cohort = Cohort::default();
        if span == Span::always() {
            self.all.sum.iter().for_each(|(cell, by)| cohort.add(cell, by));
            return cohort;
        }
        let mut totals = [0; CELLS];
        let remainders = self.sum(span, &cells_of(Moment::Created), &mut totals);
        for (cell, by) in (0..).zip(totals) {
            cohort.add(cell, by);
        }
        for counted in remainders.iter().filter_map(|part| self.cohorts.get(part)) {
            (0..).zip(counted.cohort.0).for_each(|(cell, by)| cohort.add(cell, by));
        }
        cohort
    }

    fn times(&mut self, span: Span) -> Times {
        let mut times = Times::new();
        let mut add = |key: u32, by: i64| *times.entry(key).or_default() += by;
        if span == Span::always() {
            self.all.times.iter().for_each(|(key, by)| add(key, by));
            return times;
        }
        let (days, remainders) = span.cut(DAY);
        if let Some(days) = days {
            for (_, page) in self.times.range(days.days()) {
                page.iter().for_each(|(key, by)| add(key, by));
            }
        }
        for counted in remainders.iter().filter_map(|part| self.cohorts.get(part)) {
            counted.times.iter().for_each(|(key, by)| add(*key, *by));
        }
        times
    }
}

/// A count as it is told. Counters are never negative but through a fault, which `verify` finds.
fn positive(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_cut_into_whole_units_and_what_is_left_over() {
        let span = |from: i64, to: i64| Span { from: Millis(from), to: Millis(to) };
        let left_over = |cut: [Span; 2]| cut.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
        for (whole, parts, of) in [
            (Some(span(10, 30)), vec![span(5, 10), span(30, 34)], span(5, 34)),
            (Some(span(10, 20)), vec![], span(10, 20)),
            (None, vec![span(12, 19)], span(12, 19)),
            (None, vec![span(12, 25)], span(12, 25)),
            (None, vec![], span(20, 20)),
            (None, vec![], span(21, 20)),
            (Some(span(-20, -10)), vec![span(-21, -20), span(-10, -9)], span(-21, -9)),
        ] {
            let (units, rest) = of.cut(10);
            assert_eq!((units, left_over(rest)), (whole, parts), "{of:?}");
        }
    }

    #[test]
    fn a_day_of_utc_needs_no_quarters_and_one_of_kathmandu_needs_no_rows() {
        let mut need = Need::default();
        need.cohort(Span { from: Millis(0), to: Millis(DAY) });
        assert!(need.cut.is_empty() && need.sums.is_some());

        let mut need = Need::default();
        let start = Millis(-5 * 3_600_000 - 45 * 60_000);
        need.cohort(Span { from: start, to: Millis(start.0 + DAY) });
        assert_eq!(need.cut.len(), 2);
        assert!(need.sums.is_none() && need.cohorts.is_empty());
    }
}
