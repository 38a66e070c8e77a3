//! Which leads are meant: the filters of a list, which are those of a bulk change too.

use leadline_proto::{leads as proto, types::TimeRange};
use leadline_runtime::{caller::Caller, ids::UserId, time::Millis, zone::Zone};
use utoipa::{IntoParams, ToSchema};

use super::{
    fields::Tag,
    lead::{Source, Status},
};
use crate::{
    query::{Bound, Query},
    words::words,
};

words! {
    /// The state of a lead's next follow-up.
    FollowUp = proto::FollowUp {
        /// There is none.
        None "none",
        /// It was due before now.
        Overdue "overdue",
        /// It is due today, in `tz`.
        Today "today",
        /// It is due after today.
        Later "later",
    }
}

words! {
    /// The stages on the way to a conversion, in order.
    Reachable = proto::Status {
        /// Nobody has spoken to them yet.
        New "New",
        /// Somebody has.
        Contacted "Contacted",
        /// They may buy.
        Qualified "Qualified",
        /// They have bought.
        Converted "Converted",
    }
}

words! {
    /// The stages that are entered by moves.
    Enterable = proto::Status {
        /// Somebody has spoken to them.
        Contacted "Contacted",
        /// They may buy.
        Qualified "Qualified",
        /// They have bought.
        Converted "Converted",
        /// They won't.
        Lost "Lost",
    }
}

words! {
    /// What an import did to a lead.
    ImportOutcome = proto::ImportOutcome {
        /// It made the lead.
        Created "created",
        /// It changed the lead, and no import has since.
        Updated "updated",
    }
}

/// Which leads are meant: all conditions hold at once.
#[derive(IntoParams, ToSchema)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "describes parameters and a body in the OpenAPI document")]
pub(crate) struct LeadQuery {
    /// Words that must each be found, case- and accent-insensitively, in name, email or company; a word of digits and
    /// `+()-.` only: in the digits of the phone. Everything is literal.
    #[param(max_length = 200)]
    #[schema(max_length = 200)]
    q: Option<String>,
    /// One of these stages. Repeated, or with commas between.
    #[schema(min_items = 1)]
    status: Option<Vec<Status>>,
    /// Ever was in one of these stages, or in a later one of New, Contacted, Qualified and Converted: what the funnel counts.
    /// Repeated, or with commas between.
    #[schema(min_items = 1)]
    reached: Option<Vec<Reachable>>,
    /// Ever entered this stage, wherever they are now. With `enteredFrom` and `enteredTo`: the leads that a report counts as
    /// contacted or qualified, each once, at the time when it entered the stage last.
    entered: Option<Enterable>,
    /// Entered the stage of `entered` most recently at or after this instant or day.
    #[param(example = "2026-11-01")]
    #[schema(example = "2026-11-01")]
    entered_from: Option<String>,
    /// Entered the stage of `entered` most recently before this instant, or on this day or earlier.
    #[param(example = "2026-11-30")]
    #[schema(example = "2026-11-30")]
    entered_to: Option<String>,
    /// Made by this import, or changed by it and by none since.
    #[param(format = "uuid")]
    #[schema(format = "uuid")]
    import: Option<String>,
    /// Only what the import made, or only what it changed.
    import_outcome: Option<ImportOutcome>,
    /// One of these sources. Repeated, or with commas between.
    #[schema(min_items = 1)]
    source: Option<Vec<Source>>,
    /// One of these tags, compared case-insensitively. Repeated, or with commas between; a comma that is part of a tag is
    /// written `%2C`.
    #[schema(min_items = 1)]
    tag: Option<Vec<Tag>>,
    /// Whose: a member's id, `me`, or `none`.
    #[param(example = "me")]
    #[schema(example = "me")]
    owner: Option<String>,
    /// The state of the next follow-up.
    follow_up: Option<FollowUp>,
    /// No activity for at least so long: a number of hours (`h`), days (`d`) or weeks (`w`), up to ten years.
    #[param(pattern = "^[1-9][0-9]{0,4}[hdw]$", example = "14d")]
    #[schema(pattern = "^[1-9][0-9]{0,4}[hdw]$", example = "14d")]
    inactive_for: Option<String>,
    /// Created at or after this instant, or on this civil day in `tz` or later.
    #[param(example = "2026-11-01")]
    #[schema(example = "2026-11-01")]
    created_from: Option<String>,
    /// Created before this instant, or on this civil day in `tz` or earlier.
    #[param(example = "2026-11-23")]
    #[schema(example = "2026-11-23")]
    created_to: Option<String>,
    /// Changed last at or after this instant or day.
    updated_from: Option<String>,
    /// Changed last before this instant, or on this day or earlier.
    updated_to: Option<String>,
    /// Entered its present stage at or after this instant or day.
    status_changed_from: Option<String>,
    /// Entered its present stage before this instant, or on this day or earlier.
    status_changed_to: Option<String>,
    /// Only leads in the trash.
    #[param(default = false)]
    #[schema(default = false)]
    trashed: Option<bool>,
    /// IANA time zone of civil days and of "today"; absent: the workspace's.
    #[param(example = "Europe/Berlin")]
    #[schema(example = "Europe/Berlin")]
    tz: Option<String>,
}

/// A filter as it was asked for: civil days have no zone yet.
pub(crate) struct Filter {
    filter: proto::LeadFilter,
    zone: Option<Zone>,
    created: Range,
    updated: Range,
    status_changed: Range,
    entered: Range,
}

#[derive(Clone, Copy)]
struct Range {
    from: Option<Bound>,
    to: Option<Bound>,
}

impl Range {
    fn read(query: &mut Query, from: &str, to: &str) -> Self {
        Self { from: query.bound(from), to: query.bound(to) }
    }

    fn is_bounded(self) -> bool {
        self.from.is_some() || self.to.is_some()
    }

    fn has_days(self) -> bool {
        [self.from, self.to].iter().any(|bound| matches!(bound, Some(Bound::Day(_))))
    }

    fn of(self, zone: Zone) -> Option<TimeRange> {
        let ms = |at: Millis| at.0;
        let (from_ms, to_ms) =
            (self.from.map(|bound| ms(bound.from(zone))), self.to.map(|bound| ms(bound.to(zone))));
        (from_ms.is_some() || to_ms.is_some()).then_some(TimeRange { from_ms, to_ms })
    }
}

impl Filter {
    /// Takes the filters out of a query.
    pub(crate) fn read(query: &mut Query, caller: &Caller) -> Self {
        Self::read_for(query, caller.user)
    }

    /// The same, asked by somebody.
    pub(crate) fn read_for(query: &mut Query, asker: UserId) -> Self {
        let owner = query.parsed("owner", |text| match text {
            "me" => Ok(proto::lead_filter::Owner::OwnerId(asker.to_string())),
            "none" => Ok(proto::lead_filter::Owner::Unowned(true)),
            id => leadline_runtime::ids::parse_uuid(id)
                .map(|id| proto::lead_filter::Owner::OwnerId(id.to_string()))
                .map_err(|_| "must be a member's id, me, or none"),
        });
        let follow_up = query.word("followUp", FollowUp::parse, FollowUp::ALLOWED);
        let tags = query.list("tag");
        if tags.iter().any(|tag| tag.is_empty() || tag.chars().count() > 50) {
            query.fault("tag", "must be one or more tags of 1 to 50 characters");
        }
        let statuses = query.words("status", Status::parse, Status::ALLOWED);
        let reached = query.words("reached", Reachable::parse, Reachable::ALLOWED);
        let sources = query.words("source", Source::parse, Source::ALLOWED);
        let entered = query.word("entered", Enterable::parse, Enterable::ALLOWED);
        let entered_at = Range::read(query, "enteredFrom", "enteredTo");
        if entered.is_none() && entered_at.is_bounded() && !query.is_faulty("entered") {
            query.fault("entered", "is required with enteredFrom and enteredTo");
        }
        let import = query.id("import");
        let import_outcome = query.word("importOutcome", ImportOutcome::parse, ImportOutcome::ALLOWED);
        if import.is_none() && import_outcome.is_some() && !query.is_faulty("import") {
            query.fault("import", "is required with importOutcome");
        }
        let filter = proto::LeadFilter {
            entered: entered.map_or(0, |status| status.to_proto().into()),
            import_id: import.unwrap_or_default(),
            import_outcome: import_outcome.map_or(0, |outcome| outcome.to_proto().into()),
            q: query.parsed("q", search).unwrap_or_default(),
            statuses: statuses.into_iter().map(|status| status.to_proto().into()).collect(),
            reached: reached.into_iter().map(|status| status.to_proto().into()).collect(),
            sources: sources.into_iter().map(|source| source.to_proto().into()).collect(),
            tags,
            owner,
            follow_up: follow_up.map_or(0, |state| state.to_proto().into()),
            inactive_for_ms: query.parsed("inactiveFor", duration),
            trashed: query.flag("trashed"),
            ..proto::LeadFilter::default()
        };
        Self {
            filter,
            zone: query.zone(),
            created: Range::read(query, "createdFrom", "createdTo"),
            updated: Range::read(query, "updatedFrom", "updatedTo"),
            status_changed: Range::read(query, "statusChangedFrom", "statusChangedTo"),
            entered: entered_at,
        }
    }

    /// Whether it can only be said in a zone.
    pub(crate) fn needs_zone(&self) -> bool {
        let days =
            [self.created, self.updated, self.status_changed, self.entered].into_iter().any(Range::has_days);
        days || self.filter.follow_up != 0
    }

    /// The zone that was asked for.
    pub(crate) fn zone(&self) -> Option<Zone> {
        self.zone
    }

    /// The filter, in a zone.
    pub(crate) fn within(self, zone: Zone) -> proto::LeadFilter {
        proto::LeadFilter {
            tz: zone.name().to_owned(),
            created: self.created.of(zone),
            updated: self.updated.of(zone),
            status_changed: self.status_changed.of(zone),
            entered_at: self.entered.of(zone),
            ..self.filter
        }
    }
}

fn search(text: &str) -> Result<String, &'static str> {
    if text.chars().count() > 200 { Err("may have 200 characters") } else { Ok(text.to_owned()) }
}

/// `14d`.
fn duration(text: &str) -> Result<i64, &'static str> {
    const REFUSAL: &str = "must be a number of hours, days or weeks such as 36h, 14d or 2w, up to ten years";
    let (number, hours) = match text.as_bytes().last() {
        Some(b'h') => (&text[..text.len() - 1], 1),
        Some(b'd') => (&text[..text.len() - 1], 24),
        Some(b'w') => (&text[..text.len() - 1], 24 * 7),
        _ => return Err(REFUSAL),
    };
    let digits = (1..=5).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
    let number: i64 = if digits { number.parse().map_err(|_| REFUSAL)? } else { return Err(REFUSAL) };
    let hours = number * hours;
    if (1..=24 * 3660).contains(&hours) && !text.starts_with('0') {
        Ok(hours * 3_600_000)
    } else {
        Err(REFUSAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_hours_days_or_weeks() {
        assert_eq!(duration("14d"), Ok(14 * 86_400_000));
        assert_eq!(duration("36h"), Ok(36 * 3_600_000));
        assert_eq!(duration("2w"), Ok(14 * 86_400_000));
        for bad in ["", "d", "14", "0d", "-1d", "1.5d", "99999d", "14D", "01d", "١d", "14 d"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_day_needs_a_zone_and_an_instant_does_not() {
        let read = |text| {
            let mut query = Query::parse(text);
            Range::read(&mut query, "createdFrom", "createdTo")
        };
        assert!(read("createdFrom=2026-11-23").has_days());
        assert!(!read("createdTo=2026-11-23T00:00:00Z").has_days());
        let range = read("createdFrom=2026-11-23&createdTo=2026-11-23").of(Zone::UTC).unwrap();
        assert_eq!(range.to_ms.unwrap() - range.from_ms.unwrap(), 86_400_000);
    }
}
