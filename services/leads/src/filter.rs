//! Which leads a list shows and in what order: the meaning of filters, apart from how a store finds what they mean.

use std::collections::BTreeSet;

use leadline_runtime::{ids::UserId, time::Millis, zone::Zone};
use uuid::Uuid;

use crate::{
    activity::ImportId,
    fields::Tag,
    lead::{Lead, LeadId},
    search::{Haystack, Word, normalise},
    stage::{Source, Status},
};

/// Counting stops here.
pub const COUNTED: u64 = 10_000;
/// The most rows on a page.
pub const MOST_ON_A_PAGE: u32 = 200;
/// The rows on a page if nobody says.
pub const USUAL_ON_A_PAGE: u32 = 50;

/// A half-open interval of instants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Range {
    /// The first instant in it.
    pub from: Option<Millis>,
    /// The first instant after it.
    pub to: Option<Millis>,
}

impl Range {
    /// Whether an instant is in it.
    #[must_use]
    pub fn contains(&self, at: Millis) -> bool {
        self.from.is_none_or(|from| from <= at) && self.to.is_none_or(|to| at < to)
    }

    /// Whether it bounds anything.
    #[must_use]
    pub fn is_bounded(&self) -> bool {
        self.from.is_some() || self.to.is_some()
    }
}

/// Whose leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// This member's.
    User(UserId),
    /// Nobody's.
    Nobody,
}

/// When the next follow-up of a lead must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FollowUp {
    /// There is none.
    None,
    /// Within this interval.
    Within(Range),
}

impl FollowUp {
    /// Due before now.
    #[must_use]
    pub fn overdue(now: Millis) -> Self {
        Self::Within(Range { from: None, to: Some(now) })
    }

    /// Due within today's civil day, the part of it that is over included.
    #[must_use]
    pub fn today(now: Millis, zone: Zone) -> Self {
        let (from, to) = zone.day(zone.date(now));
        Self::Within(Range { from: Some(from), to: Some(to) })
    }

    /// Due after today's civil day.
    #[must_use]
    pub fn later(now: Millis, zone: Zone) -> Self {
        let (_, end) = zone.day(zone.date(now));
        Self::Within(Range { from: Some(end), to: None })
    }
}

/// Which stage a lead must have entered, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entered {
    /// One of [`Status::ENTERED`].
    pub status: Status,
    /// When it entered it most recently: what a report counts.
    pub last: Range,
}

impl Entered {
    /// Whether a lead has.
    #[must_use]
    pub fn matches(&self, lead: &Lead) -> bool {
        lead.stages.of(self.status).is_some_and(|times| self.last.contains(times.last))
    }
}

/// What an import must have done to a lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByImport {
    /// The import.
    pub id: ImportId,
    /// It made the lead, if that counts.
    pub created: bool,
    /// It changed the lead, and no import has since, if that counts.
    pub updated: bool,
}

impl ByImport {
    /// Whether it did that to a lead.
    #[must_use]
    pub fn matches(&self, lead: &Lead) -> bool {
        (self.created && lead.imported.made_by == Some(self.id))
            || (self.updated && lead.imported.changed_by == Some(self.id))
    }
}

/// Which leads are meant: all conditions at once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Each must be found.
    pub words: Vec<Word>,
    /// One of these; empty: any.
    pub statuses: BTreeSet<Status>,
    /// Was ever in this stage, one of [`Status::FUNNEL`], or in a later one of them: what the funnel counts.
    pub reached: Option<Status>,
    /// Entered this stage, and when.
    pub entered: Option<Entered>,
    /// Made or changed by this import.
    pub import: Option<ByImport>,
    /// One of these; empty: any.
    pub sources: BTreeSet<Source>,
    /// One of these keys ([`Tag::key`]); empty: any.
    pub tags: BTreeSet<String>,
    /// Whose.
    pub owner: Option<Owner>,
    /// When the next follow-up is.
    pub follow_up: Option<FollowUp>,
    /// Nobody has done anything since.
    pub inactive_since: Option<Millis>,
    /// When they were made.
    pub created: Range,
    /// When they were changed last.
    pub updated: Range,
    /// When they entered their present stage.
    pub status_changed: Range,
    /// Those in the trash, rather than those that are not.
    pub trashed: bool,
}

impl Filter {
    /// The stages of which a lead was in one, if it has [`Filter::reached`] what is asked for.
    pub fn furthest(&self) -> impl Iterator<Item = Status> + use<> {
        let least = self.reached;
        Status::FUNNEL.into_iter().filter(move |status| least.is_some_and(|least| least <= *status))
    }

    /// Whether a lead is meant.
    #[must_use]
    pub fn matches(&self, lead: &Lead) -> bool {
        let owner = match self.owner {
            None => true,
            Some(Owner::Nobody) => lead.fields.owner.is_none(),
            Some(Owner::User(user)) => lead.fields.owner == Some(user),
        };
        let follow_up = match self.follow_up {
            None => true,
            Some(FollowUp::None) => lead.next_follow_up_at.is_none(),
            Some(FollowUp::Within(range)) => lead.next_follow_up_at.is_some_and(|at| range.contains(at)),
        };
        let found = || {
            let haystack = Haystack::of(&lead.fields);
            self.words.iter().all(|word| word.is_in(&haystack))
        };
        lead.deleted_at.is_some() == self.trashed
            && (self.statuses.is_empty() || self.statuses.contains(&lead.fields.status))
            && self.reached.is_none_or(|least| lead.stages.furthest() >= Some(least))
            && self.entered.is_none_or(|entered| entered.matches(lead))
            && self.import.is_none_or(|import| import.matches(lead))
            && (self.sources.is_empty() || self.sources.contains(&lead.fields.source))
            && (self.tags.is_empty()
                || lead.fields.tags.iter().map(Tag::key).any(|key| self.tags.contains(&key)))
            && owner
            && follow_up
            && self.inactive_since.is_none_or(|since| lead.last_activity_at <= since)
            && self.created.contains(lead.created_at)
            && self.updated.contains(lead.updated_at)
            && self.status_changed.contains(lead.status_changed_at)
            && (self.words.is_empty() || found())
    }
}

/// What a list is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SortBy {
    /// When the lead was made.
    CreatedAt,
    /// When it was changed last.
    UpdatedAt,
    /// Its name, without regard to case and accents.
    Name,
    /// Its company, likewise; leads without one come last in both directions.
    Company,
    /// Its stage, in pipeline order.
    Status,
}

/// The order of a list. Ties are broken by id in the same direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sort {
    /// By what.
    pub by: SortBy,
    /// Largest or latest first.
    pub descending: bool,
}

/// What a lead is sorted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SortKey {
    /// A time or a rank.
    Number(i64),
    /// [`sort_text`]
    Text(String),
    /// No company.
    Missing,
}

/// The form in which names and companies are sorted: normalised, and cut at 200 characters.
#[must_use]
pub fn sort_text(text: &str) -> String {
    normalise(text).chars().take(200).collect()
}

impl Sort {
    /// What it sorts this lead by.
    #[must_use]
    pub fn key(self, lead: &Lead) -> SortKey {
        match self.by {
            SortBy::CreatedAt => SortKey::Number(lead.created_at.0),
            SortBy::UpdatedAt => SortKey::Number(lead.updated_at.0),
            SortBy::Status => SortKey::Number(i64::from(lead.fields.status.rank())),
            SortBy::Name => SortKey::Text(sort_text(lead.fields.name.as_str())),
            SortBy::Company => match &lead.fields.company {
                Some(company) => SortKey::Text(sort_text(company.as_str())),
                None => SortKey::Missing,
            },
        }
    }

    /// The place of this lead in the list.
    #[must_use]
    pub fn position(self, lead: &Lead) -> Position {
        Position { key: self.key(lead), id: lead.id }
    }
}

/// A place in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// What the lead there is sorted by.
    pub key: SortKey,
    /// The lead.
    pub id: LeadId,
}

impl Position {
    /// In bytes, for a cursor.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.id.uuid().as_bytes().to_vec();
        match &self.key {
            SortKey::Missing => bytes.push(0),
            SortKey::Number(number) => {
                bytes.push(1);
                bytes.extend(number.to_be_bytes());
            }
            SortKey::Text(text) => {
                bytes.push(2);
                bytes.extend(text.as_bytes());
            }
        }
        bytes
    }

    /// From those bytes; `None` for others, or for a key that this order does not sort by.
    #[must_use]
    pub fn of_bytes(bytes: &[u8], by: SortBy) -> Option<Self> {
        let (id, rest) = bytes.split_at_checked(16)?;
        let id = LeadId::from(Uuid::from_slice(id).ok()?);
        let (tag, rest) = rest.split_first()?;
        let key = match (tag, by) {
            (0, SortBy::Company) if rest.is_empty() => SortKey::Missing,
            (1, SortBy::CreatedAt | SortBy::UpdatedAt | SortBy::Status) => {
                SortKey::Number(i64::from_be_bytes(rest.try_into().ok()?))
            }
            (2, SortBy::Name | SortBy::Company) => SortKey::Text(String::from_utf8(rest.to_vec()).ok()?),
            _ => return None,
        };
        Some(Self { key, id })
    }
}

/// Whether a page says how many leads there are in all: to count them may cost more than the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Totals {
    /// It does.
    Counted,
    /// It says only that there are at least those on it.
    Left,
}

/// A question for a page of leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Which.
    pub filter: Filter,
    /// In what order.
    pub sort: Sort,
    /// Behind this place; `None`: from the start.
    pub after: Option<Position>,
    /// At most so many.
    pub limit: usize,
    /// Whether they are counted.
    pub totals: Totals,
}

/// How many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Total {
    /// The count, or where counting stopped.
    pub value: u64,
    /// False: there are at least so many.
    pub exact: bool,
}

impl Total {
    /// What a page says that is not counted.
    #[must_use]
    pub(crate) fn of_page<T>(rows: &[T], limit: usize) -> Self {
        Self { value: rows.len().min(limit) as u64, exact: false }
    }

    /// From a count that stopped beyond [`COUNTED`].
    #[must_use]
    pub fn of(counted: u64) -> Self {
        Self { value: counted.min(COUNTED), exact: counted <= COUNTED }
    }
}

/// A page of something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Whether there are more behind them.
    pub more: bool,
    /// How many there are on all pages.
    pub total: Total,
}

impl<T> Page<T> {
    /// One without rows.
    #[must_use]
    pub fn empty() -> Self {
        Self { items: Vec::new(), more: false, total: Total { value: 0, exact: true } }
    }

    /// From one row more than fit, if there are so many.
    #[must_use]
    pub fn of(mut items: Vec<T>, limit: usize, total: Total) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        Self { items, more, total }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives_a_cursor_of_its_own_order_only() {
        let id = LeadId::new();
        for (key, by, other) in [
            (SortKey::Number(-5), SortBy::CreatedAt, SortBy::Name),
            (SortKey::Text("zoë".into()), SortBy::Name, SortBy::Status),
            (SortKey::Text(String::new()), SortBy::Company, SortBy::UpdatedAt),
            (SortKey::Missing, SortBy::Company, SortBy::Name),
        ] {
            let position = Position { key, id };
            assert_eq!(Position::of_bytes(&position.to_bytes(), by), Some(position.clone()));
            assert_eq!(Position::of_bytes(&position.to_bytes(), other), None);
        }
        assert_eq!(Position::of_bytes(b"short", SortBy::Name), None);
    }

    #[test]
    fn today_is_the_civil_day_of_the_zone() {
        // 23:30 in Berlin on the day on which clocks go back.
        let now = Millis::parse("2026-10-25T22:30:00Z").unwrap();
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        let FollowUp::Within(today) = FollowUp::today(now, berlin) else { panic!("not a range") };
        assert_eq!(today.from.unwrap().to_string(), "2026-10-24T22:00:00.000Z");
        assert_eq!(today.to.unwrap().to_string(), "2026-10-25T23:00:00.000Z");
        let FollowUp::Within(later) = FollowUp::later(now, berlin) else { panic!("not a range") };
        assert_eq!((later.from, later.to), (today.to, None));
        let FollowUp::Within(overdue) = FollowUp::overdue(now) else { panic!("not a range") };
        assert_eq!((overdue.from, overdue.to), (None, Some(now)));
    }
}
