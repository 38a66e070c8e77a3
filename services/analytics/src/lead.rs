//! What figures are made of: the reportable state of a lead, and which version of it is the newest.

use leadline_runtime::{id_type, time::Millis};

id_type!(LeadId, "A lead.");

/// The stages of the pipeline, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Nobody has spoken with them yet.
    New,
    /// Somebody has.
    Contacted,
    /// They are worth the effort.
    Qualified,
    /// Won.
    Converted,
    /// Lost.
    Lost,
}

impl Status {
    /// All of them, in pipeline order.
    pub const ALL: [Self; 5] = [Self::New, Self::Contacted, Self::Qualified, Self::Converted, Self::Lost];
    /// Those that lead up to a conversion: a later one counts as having reached the earlier ones. Lost is none of them.
    pub const FUNNEL: [Self; 4] = [Self::New, Self::Contacted, Self::Qualified, Self::Converted];

    /// Its place in [`Status::ALL`].
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }
}

/// Where a lead came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The website.
    Website,
    /// A recommendation.
    Referral,
    /// An advertisement.
    Ad,
    /// Anything else.
    Other,
}

impl Source {
    /// All of them, in the contract's order.
    pub const ALL: [Self; 4] = [Self::Website, Self::Referral, Self::Ad, Self::Other];

    /// Its place in [`Source::ALL`].
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }
}

/// Something that happened to a lead at one instant and is counted at that instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Moment {
    /// It was created.
    Created,
    /// It entered Contacted for the last time, wherever it stands now.
    Contacted,
    /// It entered Qualified for the last time, wherever it stands now.
    Qualified,
    /// It entered Converted, where it stands now.
    Converted,
    /// It entered Lost, where it stands now.
    Lost,
}

impl Moment {
    /// All but the creation.
    pub const ENTERED: [Self; 4] = [Self::Contacted, Self::Qualified, Self::Converted, Self::Lost];
}

/// A stay in a stage: when the lead entered it for the first and for the last time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stay {
    /// The stage.
    pub status: Status,
    /// For the first time.
    pub first: Millis,
    /// For the last time.
    pub last: Millis,
}

/// All that is counted of a lead which is not deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Its stage.
    pub status: Status,
    /// Its source.
    pub source: Source,
    /// When it was created.
    pub created: Millis,
    /// When it first reached each stage of [`Status::FUNNEL`] or a later one of them; `None`: it never did.
    pub reached: [Option<Millis>; 4],
    /// When each of [`Moment::ENTERED`] happened; `None`: it did not, or no longer counts.
    pub entered: [Option<Millis>; 4],
}

impl Facts {
    /// Derives what is counted from a lead's present state and its history of stages.
    #[must_use]
    pub fn new(status: Status, source: Source, created: Millis, since: Millis, stays: &[Stay]) -> Self {
        let reached = Status::FUNNEL.map(|stage| {
            stays
                .iter()
                .filter(|stay| stay.status >= stage && stay.status != Status::Lost)
                .map(|stay| stay.first)
                .min()
        });
        let last = |stage| stays.iter().filter(|stay| stay.status == stage).map(|stay| stay.last).max();
        let stands = |stage| (status == stage).then_some(since);
        let entered = [
            last(Status::Contacted),
            last(Status::Qualified),
            stands(Status::Converted),
            stands(Status::Lost),
        ];
        Self { status, source, created, reached, entered }
    }

    /// When a moment happened.
    #[must_use]
    pub fn at(&self, moment: Moment) -> Option<Millis> {
        match moment {
            Moment::Created => Some(self.created),
            Moment::Contacted => self.entered[0],
            Moment::Qualified => self.entered[1],
            Moment::Converted => self.entered[2],
            Moment::Lost => self.entered[3],
        }
    }
}

/// One version of a lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    /// The lead.
    pub lead: LeadId,
    /// Which version. Of several the highest is the truth, in whatever order they come.
    pub version: u64,
    /// What counts of it; `None`: it is deleted and counts nowhere. The version stays known, so that older ones don't come back.
    pub facts: Option<Facts>,
}

/// Keeps the newest snapshot of each lead.
#[must_use]
pub fn newest(snapshots: impl IntoIterator<Item = Snapshot>) -> Vec<Snapshot> {
    let mut newest = std::collections::HashMap::new();
    for snapshot in snapshots {
        let known = newest.entry(snapshot.lead).or_insert(snapshot);
        if snapshot.version > known.version {
            *known = snapshot;
        }
    }
    newest.into_values().collect()
}

/// A lead's time to a stage in tenths of an hour, by the rule that every figure about such times follows:
/// below 24 hours rounded to tenths of an hour, below 30 days (of 24 hours) to whole hours, beyond to whole days; halves go
/// up. A lead that reached the stage before it was created (an import can say so) took no time.
///
/// The rounding comes before any median is taken, so that figures can be kept as counts of equal values.
#[must_use]
pub fn rounded_tenths_of_hours(created: Millis, reached: Millis) -> u32 {
    const HOUR: i64 = 3_600_000;
    const DAY: i64 = 24 * HOUR;
    let took = reached.0.saturating_sub(created.0).max(0);
    let (step, tenths) = match took {
        ..DAY => (HOUR / 10, 1),
        DAY..2_592_000_000 => (HOUR, 10),
        _ => (DAY, 240),
    };
    u32::try_from((took + step / 2) / step * tenths).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn a_lead_that_jumped_to_qualified_reached_contacted_on_the_way() {
        let stays = [
            Stay { status: Status::New, first: Millis(0), last: Millis(0) },
            Stay { status: Status::Qualified, first: Millis(50), last: Millis(90) },
            Stay { status: Status::Contacted, first: Millis(70), last: Millis(70) },
            Stay { status: Status::Lost, first: Millis(20), last: Millis(95) },
        ];
        let facts = Facts::new(Status::Lost, Source::Ad, Millis(0), Millis(95), &stays);
        assert_eq!(facts.reached, [Some(Millis(0)), Some(Millis(50)), Some(Millis(50)), None]);
        assert_eq!(facts.entered, [Some(Millis(70)), Some(Millis(90)), None, Some(Millis(95))]);
    }

    #[test]
    fn a_lead_made_in_lost_has_reached_no_stage() {
        let stays = [Stay { status: Status::Lost, first: Millis(5), last: Millis(5) }];
        let facts = Facts::new(Status::Lost, Source::Other, Millis(5), Millis(5), &stays);
        assert_eq!(facts.reached, [None; 4]);
    }

    #[test]
    fn times_are_rounded_half_up_to_what_their_length_deserves() {
        let rounded = |took: i64| rounded_tenths_of_hours(Millis(1000), Millis(1000 + took));
        assert_eq!(rounded(-5), 0);
        assert_eq!(rounded(179_999), 0);
        assert_eq!(rounded(180_000), 1);
        assert_eq!(rounded(24 * HOUR - 1), 240);
        assert_eq!(rounded(24 * HOUR + HOUR / 2 - 1), 240);
        assert_eq!(rounded(24 * HOUR + HOUR / 2), 250);
        assert_eq!(rounded(30 * 24 * HOUR - 1), 7200);
        assert_eq!(rounded(30 * 24 * HOUR + 12 * HOUR - 1), 7200);
        assert_eq!(rounded(30 * 24 * HOUR + 12 * HOUR), 7440);
        assert!(rounded(Millis::MAX.0 - Millis::MIN.0) < u32::MAX / 4);
    }
}
