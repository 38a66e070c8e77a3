//! The pipeline's stages, when a lead was in them, and where leads come from.

use leadline_runtime::time::Millis;

/// A stage of the pipeline. Every move between two of them is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Nobody has spoken to them yet.
    New,
    /// Somebody has.
    Contacted,
    /// They are worth the work.
    Qualified,
    /// They bought.
    Converted,
    /// They won't.
    Lost,
}

impl Status {
    /// All of them, in pipeline order.
    pub const ALL: [Self; 5] = [Self::New, Self::Contacted, Self::Qualified, Self::Converted, Self::Lost];

    /// Those that lead up to a conversion: who was in a later one has reached the earlier ones. Lost is none of them.
    pub const FUNNEL: [Self; 4] = [Self::New, Self::Contacted, Self::Qualified, Self::Converted];

    /// Those that can be asked for by when they were entered. A lead enters New by being made: all have, which no index is kept
    /// for.
    pub const ENTERED: [Self; 4] = [Self::Contacted, Self::Qualified, Self::Converted, Self::Lost];

    /// As the REST contract names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "New",
            Self::Contacted => "Contacted",
            Self::Qualified => "Qualified",
            Self::Converted => "Converted",
            Self::Lost => "Lost",
        }
    }

    /// Its place in the pipeline: 1 to 5. Stores keep and sort by it.
    #[must_use]
    pub fn rank(self) -> u8 {
        match self {
            Self::New => 1,
            Self::Contacted => 2,
            Self::Qualified => 3,
            Self::Converted => 4,
            Self::Lost => 5,
        }
    }

    /// The one at this place.
    #[must_use]
    pub fn of_rank(rank: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|status| i64::from(status.rank()) == rank)
    }
}

/// Where a lead came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The website.
    Website,
    /// Somebody recommended us.
    Referral,
    /// An advertisement.
    Ad,
    /// Anything else.
    Other,
}

impl Source {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Website, Self::Referral, Self::Ad, Self::Other];

    /// As the REST contract names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Website => "Website",
            Self::Referral => "Referral",
            Self::Ad => "Ad",
            Self::Other => "Other",
        }
    }

    /// The number that stores keep: 1 to 4.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Website => 1,
            Self::Referral => 2,
            Self::Ad => 3,
            Self::Other => 4,
        }
    }

    /// The one with this number.
    #[must_use]
    pub fn of_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|source| i64::from(source.code()) == code)
    }
}

/// When a lead entered a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageTimes {
    /// For the first time.
    pub first: Millis,
    /// Most recently.
    pub last: Millis,
}

/// Every stage that a lead ever was in, with its times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stages([Option<StageTimes>; 5]);

impl Stages {
    /// Notes that the lead enters a stage.
    pub fn enter(&mut self, status: Status, at: Millis) {
        let times = &mut self.0[usize::from(status.rank()) - 1];
        let first = times.map_or(at, |times| times.first);
        *times = Some(StageTimes { first, last: at });
    }

    /// Sets a stage's times as they were stored.
    pub fn set(&mut self, status: Status, times: StageTimes) {
        self.0[usize::from(status.rank()) - 1] = Some(times);
    }

    /// A stage's times, if the lead ever was in it.
    #[must_use]
    pub fn of(&self, status: Status) -> Option<StageTimes> {
        self.0[usize::from(status.rank()) - 1]
    }

    /// The last stage of [`Status::FUNNEL`] that the lead ever was in.
    #[must_use]
    pub fn furthest(&self) -> Option<Status> {
        Status::FUNNEL.into_iter().rev().find(|status| self.of(*status).is_some())
    }

    /// Those that the lead was in, in pipeline order.
    pub fn iter(&self) -> impl Iterator<Item = (Status, StageTimes)> + '_ {
        Status::ALL.into_iter().filter_map(|status| Some((status, self.of(status)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_keeps_when_it_was_entered_first_and_last() {
        let mut stages = Stages::default();
        stages.enter(Status::New, Millis(1));
        stages.enter(Status::Lost, Millis(2));
        stages.enter(Status::New, Millis(3));
        assert_eq!(stages.of(Status::New), Some(StageTimes { first: Millis(1), last: Millis(3) }));
        assert_eq!(stages.of(Status::Lost), Some(StageTimes { first: Millis(2), last: Millis(2) }));
        assert_eq!(stages.of(Status::Converted), None);
        assert_eq!(stages.iter().map(|(status, _)| status).collect::<Vec<_>>(), [Status::New, Status::Lost]);
    }

    #[test]
    fn the_furthest_stage_is_the_last_on_the_way_that_a_lead_ever_was_in() {
        let mut stages = Stages::default();
        stages.enter(Status::Lost, Millis(1));
        assert_eq!(stages.furthest(), None);
        stages.enter(Status::Qualified, Millis(2));
        stages.enter(Status::New, Millis(3));
        assert_eq!(stages.furthest(), Some(Status::Qualified));
    }

    #[test]
    fn stages_and_sources_survive_the_numbers_that_stores_keep() {
        for status in Status::ALL {
            assert_eq!(Status::of_rank(i64::from(status.rank())), Some(status));
        }
        for source in Source::ALL {
            assert_eq!(Source::of_code(i64::from(source.code())), Some(source));
        }
        assert_eq!(Status::of_rank(0), None);
        assert_eq!(Source::of_code(9), None);
    }
}
