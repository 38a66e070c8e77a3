//! Counters packed by day in UTC, and their encoding.
//!
//! A [`Page`] holds what happened in one UTC day: how often, by the quarter-hour. Every offset of today's time zones is a
//! multiple of a quarter-hour, so any zone's days, weeks and months are sums of quarters. One page more ([`Slot::All`]) holds
//! the sums over all time.

use std::collections::BTreeMap;

use leadline_runtime::time::Millis;

use crate::lead::{Facts, Moment, Source, Status, rounded_tenths_of_hours};

/// A quarter-hour in milliseconds.
pub const QUARTER: i64 = 900_000;
/// A day in milliseconds.
pub const DAY: i64 = 86_400_000;
/// How many kinds of counts a quarter-hour has: created by stage and source, and the four moments of entering a stage.
pub const CELLS: usize = 24;
const CREATED_CELLS: u32 = 20;
/// Keys of [`Page::counts`] are quarter × this + cell.
const STRIDE: u32 = 32;
/// The first byte of every encoded map that is not empty.
const FORMAT: u8 = 1;

/// A day in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i32);

impl Day {
    /// The day of [`Millis::MIN`]: nothing happened before it.
    pub const FIRST: Self = Self(-719_162);
    /// The day after that of [`Millis::MAX`].
    pub const END: Self = Self(2_932_897);

    /// The day of an instant; instants are kept to the calendar.
    #[must_use]
    pub fn of(at: Millis) -> Self {
        let bounded = at.clamp(Millis::MIN, Millis(Millis::MAX.0 + 1));
        Self(i32::try_from(bounded.0.div_euclid(DAY)).unwrap_or(0))
    }

    /// The day with this number, counted from 1970-01-01; `None` outside the calendar.
    #[must_use]
    pub fn from_number(number: i32) -> Option<Self> {
        (Self::FIRST.0..Self::END.0).contains(&number).then_some(Self(number))
    }

    /// Its number, counted from 1970-01-01.
    #[must_use]
    pub fn number(self) -> i32 {
        self.0
    }

    /// Its first instant.
    #[must_use]
    pub fn start(self) -> Millis {
        Millis(i64::from(self.0) * DAY)
    }

    /// The day after it.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// What a page is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// All time.
    All,
    /// One day.
    Day(Day),
}

/// The cell of leads created, by their stage and source now.
#[must_use]
pub fn created_cell(status: Status, source: Source) -> u32 {
    u32::try_from(status.index() * Source::ALL.len() + source.index()).unwrap_or(0)
}

/// The cells that together count a moment.
#[must_use]
pub fn cells_of(moment: Moment) -> std::ops::Range<u32> {
    let entered = |place: u32| CREATED_CELLS + place..CREATED_CELLS + place + 1;
    match moment {
        Moment::Created => 0..CREATED_CELLS,
        Moment::Contacted => entered(0),
        Moment::Qualified => entered(1),
        Moment::Converted => entered(2),
        Moment::Lost => entered(3),
    }
}

/// The key of a time to a stage in [`Page::times`]; `stage` is a place in [`Status::FUNNEL`].
fn time_key(tenths_of_hours: u32, stage: usize) -> u32 {
    tenths_of_hours.saturating_mul(4).saturating_add(u32::try_from(stage).unwrap_or(0))
}

/// The time in tenths of an hour and the place in [`Status::FUNNEL`] that a key of [`Page::times`] stands for.
#[must_use]
pub fn time_of_key(key: u32) -> (u32, usize) {
    (key / 4, (key % 4) as usize)
}

/// Counts by key, without zeros, sorted by key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sparse(Vec<(u32, i64)>);

/// Bytes that are not an encoded [`Sparse`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("stored counters can't be read: rebuild them")]
pub struct Unreadable;

impl Sparse {
    /// All keys and counts.
    pub fn iter(&self) -> impl Iterator<Item = (u32, i64)> + '_ {
        self.0.iter().copied()
    }

    /// The keys in a range, and their counts.
    pub fn range(&self, keys: std::ops::Range<u32>) -> impl Iterator<Item = (u32, i64)> + '_ {
        let from = self.0.partition_point(|(key, _)| *key < keys.start);
        self.0.iter().skip(from).copied().take_while(move |(key, _)| *key < keys.end)
    }

    /// Whether all counts are zero.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The sum of these counts and changes to them.
    #[must_use]
    pub fn plus(&self, changes: &BTreeMap<u32, i64>) -> Self {
        let mut merged = Vec::with_capacity(self.0.len() + changes.len());
        let mut old = self.0.iter().copied().peekable();
        for (&key, &by) in changes {
            while let Some(before) = old.next_if(|(known, _)| *known < key) {
                merged.push(before);
            }
            let count = old.next_if(|(known, _)| *known == key).map_or(0, |(_, count)| count) + by;
            if count != 0 {
                merged.push((key, count));
            }
        }
        merged.extend(old);
        Self(merged)
    }

    /// A format byte, then for each entry the distance of its key from the one before and the count (zigzag), both as
    /// varints. Nothing at all when there are no entries.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let mut bytes = Vec::with_capacity(1 + self.0.len() * 2);
        bytes.push(FORMAT);
        let mut before = 0;
        for (key, count) in &self.0 {
            put_varint(&mut bytes, u64::from(key - before));
            put_varint(&mut bytes, ((count << 1) ^ (count >> 63)).cast_unsigned());
            before = *key;
        }
        bytes
    }

    /// Reads what [`Sparse::encode`] wrote.
    ///
    /// # Errors
    /// [`Unreadable`] for anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut rest = match bytes.split_first() {
            None => return Ok(Self::default()),
            Some((&FORMAT, rest)) => rest,
            Some(_) => return Err(Unreadable),
        };
        let mut entries: Vec<(u32, i64)> = Vec::with_capacity(rest.len() / 2);
        while !rest.is_empty() {
            let distance = u32::try_from(take_varint(&mut rest)?).map_err(|_| Unreadable)?;
            let zigzag = take_varint(&mut rest)?;
            let count = (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed();
            let key = match entries.last() {
                None => distance,
                Some(_) if distance == 0 => return Err(Unreadable),
                Some((before, _)) => before.checked_add(distance).ok_or(Unreadable)?,
            };
            entries.push((key, count));
        }
        Ok(Self(entries))
    }
}

fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push((value & 0x7f) as u8);
}

fn take_varint(bytes: &mut &[u8]) -> Result<u64, Unreadable> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(Unreadable)?;
        *bytes = rest;
        let part = u64::from(byte & 0x7f);
        if shift == 63 && part > 1 {
            return Err(Unreadable);
        }
        value |= part << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Unreadable)
}

/// The counters of a [`Slot`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// By cell, over the whole slot.
    pub sum: Sparse,
    /// By quarter-hour and cell: key = quarter of the day × 32 + cell. Empty in [`Slot::All`].
    pub counts: Sparse,
    /// How many leads created in the slot took how long to reach each stage: key = tenths of an hour × 4 + stage
    /// (see [`rounded_tenths_of_hours`]).
    pub times: Sparse,
}

impl Page {
    /// Whether everything in it is zero: such a page is not stored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sum.is_empty() && self.counts.is_empty() && self.times.is_empty()
    }

    /// How many leads were created in the slot.
    #[must_use]
    pub fn leads(&self) -> u64 {
        let count: i64 = self.sum.range(cells_of(Moment::Created)).map(|(_, count)| count).sum();
        u64::try_from(count).unwrap_or(0)
    }

    /// The page after a change.
    #[must_use]
    pub fn plus(&self, change: &Change) -> Self {
        Self {
            sum: self.sum.plus(&change.sum),
            counts: self.counts.plus(&change.counts),
            times: self.times.plus(&change.times),
        }
    }
}

/// What is to be added to a [`Page`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// To [`Page::sum`].
    pub sum: BTreeMap<u32, i64>,
    /// To [`Page::counts`].
    pub counts: BTreeMap<u32, i64>,
    /// To [`Page::times`].
    pub times: BTreeMap<u32, i64>,
}

/// What is to be added to the pages of a workspace: the difference that some leads make.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Delta(BTreeMap<Slot, Change>);

impl Delta {
    /// Takes a lead from one state to another; `None` counts nowhere.
    pub fn change(&mut self, old: Option<&Facts>, new: Option<&Facts>) {
        if old != new {
            old.into_iter().for_each(|facts| self.add(facts, -1));
            new.into_iter().for_each(|facts| self.add(facts, 1));
        }
    }

    /// Adds another difference to this one.
    pub fn merge(&mut self, other: Self) {
        for (slot, change) in other.0 {
            let mine = self.0.entry(slot).or_default();
            for (mine, theirs) in [
                (&mut mine.sum, change.sum),
                (&mut mine.counts, change.counts),
                (&mut mine.times, change.times),
            ] {
                theirs.into_iter().for_each(|(key, by)| *mine.entry(key).or_default() += by);
            }
        }
    }

    /// How many counters it is about: a measure of the memory it takes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.values().map(|change| change.sum.len() + change.counts.len() + change.times.len()).sum()
    }

    /// The changes by slot, without those that cancel each other out.
    #[must_use]
    pub fn into_changes(self) -> BTreeMap<Slot, Change> {
        let mut changes = self.0;
        for change in changes.values_mut() {
            for map in [&mut change.sum, &mut change.counts, &mut change.times] {
                map.retain(|_, by| *by != 0);
            }
        }
        changes.retain(|_, change| *change != Change::default());
        changes
    }

    fn add(&mut self, facts: &Facts, by: i64) {
        self.count(facts.created, created_cell(facts.status, facts.source), by);
        for moment in Moment::ENTERED {
            if let Some(at) = facts.at(moment) {
                self.count(at, cells_of(moment).start, by);
            }
        }
        for slot in [Slot::All, Slot::Day(Day::of(facts.created))] {
            let times = &mut self.0.entry(slot).or_default().times;
            for key in time_keys(facts) {
                *times.entry(key).or_default() += by;
            }
        }
    }

    fn count(&mut self, at: Millis, cell: u32, by: i64) {
        let day = Day::of(at);
        let quarter = u32::try_from((at.0 - day.start().0) / QUARTER).unwrap_or(0);
        let page = self.0.entry(Slot::Day(day)).or_default();
        *page.counts.entry(quarter * STRIDE + cell).or_default() += by;
        *page.sum.entry(cell).or_default() += by;
        *self.0.entry(Slot::All).or_default().sum.entry(cell).or_default() += by;
    }
}

/// The keys of [`Page::counts`] in some quarters of a day.
#[must_use]
pub fn quarter_keys(quarters: std::ops::Range<u32>) -> std::ops::Range<u32> {
    quarters.start * STRIDE..quarters.end * STRIDE
}

/// The cell that a key of [`Page::counts`] stands for.
#[must_use]
pub fn cell_of_key(key: u32) -> u32 {
    key % STRIDE
}

/// The times to each stage of one lead, as keys of [`Page::times`].
pub fn time_keys(facts: &Facts) -> impl Iterator<Item = u32> + '_ {
    facts.reached.iter().enumerate().filter_map(|(stage, reached)| {
        reached.map(|reached| time_key(rounded_tenths_of_hours(facts.created, reached), stage))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_calendar_begins_and_ends_with_what_times_are_accepted() {
        assert_eq!(Day::of(Millis::MIN), Day::FIRST);
        assert_eq!(Day::of(Millis::MAX).next(), Day::END);
        assert_eq!(Day::of(Millis(-1)).number(), -1);
        assert_eq!(Day::from_number(Day::END.number()), None);
    }

    #[test]
    fn a_quarter_with_one_lead_takes_a_few_bytes() {
        let one = Sparse::default().plus(&BTreeMap::from([(95 * STRIDE + 3, 1)]));
        assert!(one.encode().len() <= 4, "{:?}", one.encode());
    }

    #[test]
    fn what_no_encoder_wrote_is_refused() {
        for bad in
            [&[2_u8][..], &[1, 0x80], &[1, 1], &[1, 1, 2, 0, 2], &[1, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 2]]
        {
            assert_eq!(Sparse::decode(bad), Err(Unreadable), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn counts_survive_their_encoding(changes in proptest::collection::btree_map(any::<u32>(), any::<i64>(), 0..200)) {
            let counts = Sparse::default().plus(&changes);
            prop_assert_eq!(Sparse::decode(&counts.encode()), Ok(counts));
        }

        #[test]
        fn adding_and_taking_away_leaves_nothing(
            first in proptest::collection::btree_map(0_u32..50, -5_i64..5, 0..30),
            second in proptest::collection::btree_map(0_u32..50, -5_i64..5, 0..30),
        ) {
            let negative = |changes: &BTreeMap<u32, i64>| changes.iter().map(|(key, by)| (*key, -by)).collect();
            let sum = Sparse::default().plus(&first).plus(&second);
            prop_assert_eq!(&sum, &Sparse::default().plus(&second).plus(&first));
            prop_assert!(sum.plus(&negative(&first)).plus(&negative(&second)).is_empty());
        }
    }
}
