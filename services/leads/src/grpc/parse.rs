//! What comes in, parsed: every field that can't be accepted is found before any of it is refused.

use std::fmt::Display;

use leadline_proto::{leads as proto, types};
use leadline_runtime::{
    cursor,
    ids::{UserId, WorkspaceId, parse_uuid},
    refusal::Refusal,
    time::Millis,
    violations::Violations,
    zone::Zone,
};
use prost::Message;

use crate::{
    activity::{ImportId, Kind},
    event::{source_of, status_of},
    fields::{Company, Email, Fields, MOST_TAGS, Name, Patch, Phone, Tags, tag_key},
    filter::{
        ByImport, Entered, Filter, FollowUp, MOST_ON_A_PAGE, Owner, Position, Query, Range, Sort, SortBy,
        Totals, USUAL_ON_A_PAGE,
    },
    search::words,
    stage::{Source, Status},
};

/// The longest question of a search, in code points.
const LONGEST_QUESTION: usize = 200;
/// The most values in one condition of a filter.
const MOST_VALUES: usize = 100;

/// An id in a path: a malformed one is one that is not there.
pub(super) fn path_id<T: From<uuid::Uuid>>(text: &str, thing: &'static str) -> Result<T, Refusal> {
    parse_uuid(text).map(T::from).map_err(|_| Refusal::NotFound(thing))
}

/// `must be one of New, Contacted, …`
fn one_of(names: impl Iterator<Item = &'static str>) -> String {
    format!("must be one of {}", names.collect::<Vec<_>>().join(", "))
}

pub(super) fn statuses() -> String {
    one_of(Status::ALL.into_iter().map(Status::name))
}

fn sources() -> String {
    one_of(Source::ALL.into_iter().map(Source::name))
}

fn status_or(violations: &mut Violations, status: i32, usual: Status) -> Status {
    if status == 0 {
        return usual;
    }
    status_of(status).unwrap_or_else(|| {
        violations.add("status", statuses());
        usual
    })
}

fn source_or(violations: &mut Violations, source: i32, usual: Source) -> Source {
    if source == 0 {
        return usual;
    }
    source_of(source).unwrap_or_else(|| {
        violations.add("source", sources());
        usual
    })
}

fn optional<T, E: Display>(
    violations: &mut Violations,
    field: &str,
    text: Option<&String>,
    parse: impl FnOnce(&str) -> Result<Option<T>, E>,
) -> Option<T> {
    violations.take(field, parse(text?)).flatten()
}

fn name(violations: &mut Violations, text: Option<&String>) -> Option<Name> {
    match text {
        Some(text) => violations.take("name", Name::parse(text)),
        None => {
            violations.add("name", "is required");
            None
        }
    }
}

/// Tags; each bad one is named by its place.
pub(super) fn tags(violations: &mut Violations, field: &str, texts: &[String]) -> Option<Tags> {
    match Tags::parse(texts) {
        Ok(tags) => Some(tags),
        Err(faults) => {
            for (place, fault) in faults {
                let field = place.map_or_else(|| field.to_owned(), |place| format!("{field}[{place}]"));
                violations.add(field, fault.to_string());
            }
            None
        }
    }
}

/// A user named in a body; whether they are a member is asked later.
pub(super) fn user(violations: &mut Violations, field: &str, text: &str) -> Option<UserId> {
    violations.take(field, UserId::parse(text))
}

/// Whose a lead shall be, with the fields of a new lead; those are `None` if any is bad.
pub(super) fn fields(
    violations: &mut Violations,
    given: &proto::LeadFields,
) -> (Option<UserId>, Option<Fields>) {
    let name = name(violations, given.name.as_ref());
    let email = optional(violations, "email", given.email.as_ref(), |text| Email::parse(text).map(Some));
    let phone = optional(violations, "phone", given.phone.as_ref(), Phone::parse);
    let company = optional(violations, "company", given.company.as_ref(), Company::parse);
    let source = source_or(violations, given.source, Source::Other);
    let status = status_or(violations, given.status, Status::New);
    let tags = tags(violations, "tags", &given.tags);
    let owner = given.owner_id.as_ref().and_then(|id| user(violations, "ownerId", id));
    let fields = name.zip(tags).map(|(name, tags)| Fields {
        name,
        email,
        phone,
        company,
        source,
        status,
        tags,
        owner,
    });
    (owner, fields)
}

/// New values for the fields in a mask.
pub(super) fn patch(
    violations: &mut Violations,
    given: &proto::LeadFields,
    mask: &[String],
) -> Result<Patch, Refusal> {
    let mut patch = Patch::default();
    for field in mask {
        match field.as_str() {
            "name" => patch.name = name(violations, given.name.as_ref()),
            "email" => {
                let parse = |text: &str| Email::parse(text).map(Some);
                patch.email = Some(optional(violations, "email", given.email.as_ref(), parse));
            }
            "phone" => {
                patch.phone = Some(optional(violations, "phone", given.phone.as_ref(), Phone::parse));
            }
            "company" => {
                patch.company = Some(optional(violations, "company", given.company.as_ref(), Company::parse));
            }
            "source" => patch.source = Some(source_or(violations, given.source, Source::Other)),
            "status" => patch.status = Some(status_or(violations, given.status, Status::New)),
            "tags" => patch.tags = tags(violations, "tags", &given.tags),
            "owner_id" => {
                patch.owner = Some(given.owner_id.as_ref().and_then(|id| user(violations, "ownerId", id)));
            }
            other => return Err(Refusal::internal(format!("a mask names the unknown field {other:?}"))),
        }
    }
    Ok(patch)
}

fn range(range: Option<types::TimeRange>) -> Range {
    let range = range.unwrap_or_default();
    Range { from: range.from_ms.map(Millis), to: range.to_ms.map(Millis) }
}

fn entered(violations: &mut Violations, given: &proto::LeadFilter) -> Option<Entered> {
    let last = range(given.entered_at);
    match (given.entered, status_of(given.entered)) {
        (0, _) if last.is_bounded() => {
            violations.add("entered", "is required with enteredFrom and enteredTo");
            None
        }
        (0, _) => None,
        (_, Some(status)) if Status::ENTERED.contains(&status) => Some(Entered { status, last }),
        _ => {
            violations.add("entered", one_of(Status::ENTERED.into_iter().map(Status::name)));
            None
        }
    }
}

fn import(violations: &mut Violations, given: &proto::LeadFilter) -> Option<ByImport> {
    let outcome = given.import_outcome();
    if given.import_id.is_empty() {
        if outcome != proto::ImportOutcome::Unspecified {
            violations.add("import", "is required with importOutcome");
        }
        return None;
    }
    let id = violations.take("import", ImportId::parse(&given.import_id))?;
    Some(ByImport {
        id,
        created: outcome != proto::ImportOutcome::Updated,
        updated: outcome != proto::ImportOutcome::Created,
    })
}

/// A filter, as it is meant now.
pub(crate) fn filter(violations: &mut Violations, given: &proto::LeadFilter, now: Millis) -> Filter {
    if given.q.chars().nth(LONGEST_QUESTION).is_some() {
        violations.add("q", format!("must be at most {LONGEST_QUESTION} characters long"));
    }
    for (field, count) in [
        ("status", given.statuses.len()),
        ("reached", given.reached.len()),
        ("source", given.sources.len()),
        ("tag", given.tags.len()),
    ] {
        if count > MOST_VALUES {
            violations.add(field, format!("must be at most {MOST_VALUES} values"));
        }
    }
    let mut filter = Filter { trashed: given.trashed, ..Filter::default() };
    if violations.is_empty() {
        filter.words = words(&given.q);
        filter.tags = given.tags.iter().map(|tag| tag_key(tag)).collect();
    }
    for status in &given.statuses {
        match status_of(*status) {
            Some(status) => _ = filter.statuses.insert(status),
            None => violations.add("status", statuses()),
        }
    }
    for status in &given.reached {
        match status_of(*status).filter(|status| Status::FUNNEL.contains(status)) {
            // Who reached the later of two has reached the earlier one.
            Some(status) => filter.reached = Some(filter.reached.map_or(status, |least| least.min(status))),
            None => violations.add("reached", one_of(Status::FUNNEL.into_iter().map(Status::name))),
        }
    }
    filter.entered = entered(violations, given);
    filter.import = import(violations, given);
    for source in &given.sources {
        match source_of(*source) {
            Some(source) => _ = filter.sources.insert(source),
            None => violations.add("source", sources()),
        }
    }
    filter.owner = match &given.owner {
        Some(proto::lead_filter::Owner::OwnerId(id)) => user(violations, "owner", id).map(Owner::User),
        Some(proto::lead_filter::Owner::Unowned(true)) => Some(Owner::Nobody),
        Some(proto::lead_filter::Owner::Unowned(false)) | None => None,
    };
    let zone = |violations: &mut Violations| violations.take("tz", Zone::parse(&given.tz));
    filter.follow_up = match given.follow_up() {
        proto::FollowUp::Unspecified => None,
        proto::FollowUp::None => Some(FollowUp::None),
        proto::FollowUp::Overdue => Some(FollowUp::overdue(now)),
        proto::FollowUp::Today => zone(violations).map(|zone| FollowUp::today(now, zone)),
        proto::FollowUp::Later => zone(violations).map(|zone| FollowUp::later(now, zone)),
    };
    filter.inactive_since = given.inactive_for_ms.and_then(|span| {
        if span < 0 {
            violations.add("inactiveFor", "must not be negative");
        }
        now.0.checked_sub(span).map(Millis)
    });
    filter.created = range(given.created);
    filter.updated = range(given.updated);
    filter.status_changed = range(given.status_changed);
    filter
}

/// How many rows a page has.
pub(super) fn limit(violations: &mut Violations, limit: u32) -> usize {
    if limit > MOST_ON_A_PAGE {
        violations.add("limit", format!("must be a number from 1 to {MOST_ON_A_PAGE}"));
    }
    let limit = if limit == 0 { USUAL_ON_A_PAGE } else { limit };
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// What a cursor of a question is sealed with: the workspace and all that decides which rows there are.
pub(super) fn question(workspace: WorkspaceId, what: &str, message: &impl Message) -> Vec<u8> {
    let mut bytes = workspace.uuid().as_bytes().to_vec();
    bytes.extend(what.as_bytes());
    bytes.push(0);
    bytes.extend(message.encode_to_vec());
    bytes
}

/// The place that a cursor names; none for the first page.
pub(super) fn place<T>(
    violations: &mut Violations,
    question: &[u8],
    text: &str,
    read: impl FnOnce(&[u8]) -> Option<T>,
) -> Option<T> {
    if text.is_empty() {
        return None;
    }
    let opened = cursor::open(question, text).and_then(|bytes| read(&bytes).ok_or(cursor::BadCursor));
    violations.take("cursor", opened)
}

/// An id as a place.
pub(super) fn id_of_bytes<T: From<uuid::Uuid>>(bytes: &[u8]) -> Option<T> {
    uuid::Uuid::from_slice(bytes).ok().map(T::from)
}

/// A question for a page of leads, with what its cursors are sealed with.
pub(super) fn query(
    workspace: WorkspaceId,
    request: &proto::ListLeadsRequest,
) -> Result<(Query, Vec<u8>), Refusal> {
    let mut violations = Violations::default();
    let by = match request.sort() {
        proto::SortField::Unspecified | proto::SortField::CreatedAt => SortBy::CreatedAt,
        proto::SortField::UpdatedAt => SortBy::UpdatedAt,
        proto::SortField::Name => SortBy::Name,
        proto::SortField::Company => SortBy::Company,
        proto::SortField::Status => SortBy::Status,
    };
    let given = request.filter.clone().unwrap_or_default();
    let filter = filter(&mut violations, &given, Millis::now());
    let limit = limit(&mut violations, request.limit);
    let asked = proto::ListLeadsRequest { limit: 0, cursor: String::new(), ..request.clone() };
    let question = question(workspace, "leads", &asked);
    let after = place(&mut violations, &question, &request.cursor, |bytes| Position::of_bytes(bytes, by));
    violations.check()?;
    let sort = Sort { by, descending: request.descending };
    Ok((Query { filter, sort, after, limit, totals: Totals::Counted }, question))
}

/// The kinds of entries that are asked for, each once.
pub(super) fn kinds(violations: &mut Violations, names: &[String]) -> Vec<Kind> {
    let mut kinds = Vec::new();
    for name in names {
        match Kind::parse(name) {
            Some(kind) if !kinds.contains(&kind) => kinds.push(kind),
            Some(_) => {}
            None => violations.add("type", one_of(Kind::ALL.into_iter().map(Kind::name))),
        }
    }
    kinds
}

/// 1 to 50 tags of a change to many leads.
pub(super) fn some_tags(
    violations: &mut Violations,
    field: &str,
    given: &proto::change_leads_request::Tags,
) -> Tags {
    if given.tags.is_empty() {
        violations.add(field, format!("must be 1 to {MOST_TAGS} tags"));
    }
    tags(violations, field, &given.tags).unwrap_or_default()
}
