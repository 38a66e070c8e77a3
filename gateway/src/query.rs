//! Query parameters, taken strictly: an unknown one, a second one and a bad value are all refused, together.

use axum::extract::FromRequestParts;
use http::request::Parts;
use leadline_runtime::{
    time::Millis,
    violations::{MORE, Violations},
    zone::{Zone, parse_date},
};
use serde_json::{Map, Value};
use utoipa::IntoParams;

use crate::problem::Problem;

/// The largest page.
pub(crate) const LARGEST_PAGE: u32 = 200;
/// The page that nobody asked to be larger or smaller.
pub(crate) const USUAL_PAGE: u32 = 50;
const LONGEST_NAME: usize = 40;
/// The most unknown names that are told.
const MOST_UNKNOWN: usize = 20;
/// The most parameters of one request; each is compared with those before it.
const MOST: usize = 1_000;

/// The query parameters of a request. Each reader takes its parameter out; [`Query::finish`] tells all that is wrong.
#[derive(Debug, Default)]
pub(crate) struct Query {
    values: Vec<(String, Given)>,
    faults: Violations,
    /// What stands before a name where it is told: `filter.` in a body.
    prefix: &'static str,
}

/// What was given for a name.
#[derive(Debug)]
enum Given {
    /// Parameters, still percent-encoded: commas divide several values, and one that is encoded is part of a value.
    Encoded(Vec<String>),
    /// Text in a body, in which commas may divide several values.
    Text(String),
    /// A list in a body: there, a comma is part of the text.
    List(Vec<String>),
}

impl Given {
    fn into_vec(self) -> Vec<String> {
        match self {
            Self::Encoded(values) => values.iter().filter_map(|value| decode(value)).collect(),
            Self::Text(value) => vec![value],
            Self::List(values) => values,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default()))
    }
}

/// A request that has no query parameters.
pub(crate) struct NoQuery;

impl<S: Sync> FromRequestParts<S> for NoQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Query::parse(parts.uri.query().unwrap_or_default()).finish().map(|()| Self)
    }
}

/// A page of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes parameters in the OpenAPI document")]
pub(crate) struct PageQuery {
    /// How many items the page has at most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// Where the page before ended: its `nextCursor`. Good for the same query only.
    #[param(min_length = 1)]
    cursor: Option<String>,
}

/// Where a page begins and how long it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    /// 1 to [`LARGEST_PAGE`].
    pub(crate) limit: u32,
    /// Empty: the first page.
    pub(crate) cursor: String,
}

impl Query {
    /// Takes a query string apart.
    pub(crate) fn parse(query: &str) -> Self {
        let mut parsed = Self::default();
        for (number, pair) in query.split('&').filter(|pair| !pair.is_empty()).enumerate() {
            if number >= MOST {
                parsed.fault("query", format!("has more than {MOST} parameters"));
                break;
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match (decode(name), decode(value)) {
                (Some(name), Some(_)) => parsed.push(name, value.to_owned()),
                (Some(name), None) => parsed.fault(&name, "is not percent-encoded UTF-8"),
                _ => parsed.fault("query", "is not percent-encoded UTF-8"),
            }
        }
        parsed
    }

    /// The same names in a body, where they stand in an object; lists are as good as repeated parameters.
    pub(crate) fn of_object(members: Map<String, Value>, prefix: &'static str) -> Self {
        let mut parsed = Self { prefix, ..Self::default() };
        for (name, value) in members {
            let values = match value {
                Value::Null => continue,
                Value::String(text) => Some(Given::Text(text)),
                Value::Bool(flag) => Some(Given::Text(flag.to_string())),
                Value::Array(items) if items.is_empty() => {
                    parsed.fault(&name, "is an empty list");
                    continue;
                }
                Value::Array(items) => {
                    let texts = items.into_iter().map(|item| match item {
                        Value::String(text) => Some(text),
                        _ => None,
                    });
                    texts.collect::<Option<_>>().map(Given::List)
                }
                Value::Number(_) | Value::Object(_) => None,
            };
            match values {
                Some(values) => parsed.values.push((name, values)),
                None => parsed.fault(&name, "must be text or a list of texts"),
            }
        }
        parsed
    }

    fn push(&mut self, name: String, encoded: String) {
        match self.values.iter_mut().find(|(known, _)| *known == name) {
            Some((_, Given::Encoded(values))) => values.push(encoded),
            _ => self.values.push((name, Given::Encoded(vec![encoded]))),
        }
    }

    /// Notes that a parameter can't be accepted.
    pub(crate) fn fault(&mut self, name: &str, message: impl Into<String>) {
        let name: String = name.chars().take(LONGEST_NAME).collect();
        self.faults.add(format!("{}{name}", self.prefix), message);
    }

    /// Whether something is wrong with a parameter already.
    pub(crate) fn is_faulty(&self, name: &str) -> bool {
        self.faults.has(&format!("{}{name}", self.prefix))
    }

    fn take(&mut self, name: &str) -> Given {
        match self.values.iter().position(|(known, _)| known == name) {
            Some(place) => self.values.swap_remove(place).1,
            None => Given::List(Vec::new()),
        }
    }

    /// A parameter that may be given once.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        let mut values = self.take(name).into_vec();
        if values.len() > 1 {
            self.fault(name, "can be given only once");
            return None;
        }
        values.pop()
    }

    /// The same, parsed.
    pub(crate) fn parsed<T, E: std::fmt::Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(name)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.fault(name, error.to_string());
                None
            }
        }
    }

    /// One of some words.
    pub(crate) fn word<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Option<T>,
        allowed: &str,
    ) -> Option<T> {
        self.parsed(name, |text| parse(text).ok_or_else(|| format!("must be one of {allowed}")))
    }

    /// A parameter that may be repeated or hold several values with commas between. A comma that is part of a value is
    /// written `%2C`.
    pub(crate) fn list(&mut self, name: &str) -> Vec<String> {
        match self.take(name) {
            Given::Encoded(values) => values
                .iter()
                .flat_map(|value| value.split(','))
                .filter_map(decode)
                .map(|value| value.trim().to_owned())
                .collect(),
            Given::Text(value) => value.split(',').map(|value| value.trim().to_owned()).collect(),
            Given::List(values) => values,
        }
    }

    /// The same, each parsed into one of some words. No word has a comma, so that one may be encoded.
    pub(crate) fn words<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Option<T>,
        allowed: &str,
    ) -> Vec<T> {
        let values = match self.take(name) {
            Given::List(values) => values,
            given => {
                let values = given.into_vec();
                values
                    .iter()
                    .flat_map(|value| value.split(','))
                    .map(|value| value.trim().to_owned())
                    .collect()
            }
        };
        let found: Vec<T> = values.iter().filter_map(|value| parse(value)).collect();
        if found.len() != values.len() {
            self.fault(name, format!("must be one or more of {allowed}"));
        }
        found
    }

    /// `true` or `false`; absent: false.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        let parse = |text: &str| match text {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        };
        self.word(name, parse, "true, false").unwrap_or_default()
    }

    /// An id.
    pub(crate) fn id(&mut self, name: &str) -> Option<String> {
        self.parsed(name, |text| leadline_runtime::ids::parse_uuid(text).map(|id| id.to_string()))
    }

    /// `tz`.
    pub(crate) fn zone(&mut self) -> Option<Zone> {
        self.parsed("tz", Zone::parse)
    }

    /// A civil date, checked and given on as it is; absent: empty.
    pub(crate) fn date(&mut self, name: &str) -> String {
        self.parsed(name, |text| parse_date(text).map(|_| text.to_owned())).unwrap_or_default()
    }

    /// An instant or a civil day.
    pub(crate) fn bound(&mut self, name: &str) -> Option<Bound> {
        self.parsed(name, |text| {
            if let Ok(date) = parse_date(text) {
                return Ok(Bound::Day(date));
            }
            // A `+` that nobody encoded has become a space.
            Millis::parse(&text.replace(' ', "+")).map(Bound::Instant).map_err(|_| {
                "must be a date such as 2026-11-23 or a time such as 2026-11-23T09:30:00.000Z".to_owned()
            })
        })
    }

    /// `limit` and `cursor`.
    pub(crate) fn page(&mut self) -> Page {
        let limit = self.parsed("limit", |text| match text.parse() {
            Ok(limit) if (1..=LARGEST_PAGE).contains(&limit) && !text.starts_with('+') => Ok(limit),
            _ => Err(format!("must be a whole number from 1 to {LARGEST_PAGE}")),
        });
        let cursor = self.parsed("cursor", |text| {
            if text.is_empty() {
                Err("is empty: leave it out for the first page")
            } else {
                Ok(text.to_owned())
            }
        });
        Page { limit: limit.unwrap_or(USUAL_PAGE), cursor: cursor.unwrap_or_default() }
    }

    /// All that is wrong, unknown names included.
    pub(crate) fn faults(mut self, unknown: &str) -> Violations {
        let names = std::mem::take(&mut self.values);
        for (name, _) in names.iter().take(MOST_UNKNOWN) {
            self.fault(name, unknown);
        }
        if names.len() > MOST_UNKNOWN {
            let whole = if self.prefix.is_empty() { "query" } else { "body" };
            self.faults.add(whole, MORE);
        }
        self.faults
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// 400 with all that is wrong.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        let faults = self.faults("is not a parameter of this request").into_vec();
        if faults.is_empty() { Ok(()) } else { Err(Problem::bad_request(faults)) }
    }
}

/// One end of a range of time, as it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    /// An instant.
    Instant(Millis),
    /// A civil day, in a zone that is not known yet.
    Day(chrono::NaiveDate),
}

impl Bound {
    /// The first instant that belongs to a range from here.
    pub(crate) fn from(self, zone: Zone) -> Millis {
        match self {
            Self::Instant(at) => at,
            Self::Day(date) => zone.start_of_day(date),
        }
    }

    /// The first instant that no longer belongs to a range up to here: a day belongs to it, an instant does not.
    pub(crate) fn to(self, zone: Zone) -> Millis {
        match self {
            Self::Instant(at) => at,
            Self::Day(date) => zone.day(date).1,
        }
    }
}

/// Undoes percent-encoding, and `+` for a space; `None` for what is malformed or not UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(query: Query) -> Vec<String> {
        query.faults("is unknown").into_vec().into_iter().map(|fault| fault.field).collect()
    }

    #[test]
    fn unknown_repeated_and_bad_parameters_are_told_together() {
        let mut query = Query::parse("status%5B%24gt%5D=&limit=1e9&limit=2&tz=Mars/Olympus&q=a&sort=%zz");
        query.page();
        query.zone();
        assert_eq!(query.text("q").as_deref(), Some("a"));
        query.text("sort");
        let mut found = faults(query);
        found.sort();
        assert_eq!(found, ["limit", "sort", "status[$gt]", "tz"]);
    }

    #[test]
    fn a_list_is_repeated_or_has_commas() {
        let mut query = Query::parse("tag=a,b&tag=c+d");
        assert_eq!(query.list("tag"), ["a", "b", "c d"]);
        assert!(faults(query).is_empty());
        let mut query = Query::parse("tag=");
        assert_eq!(query.words("tag", |text| (text == "a").then_some(()), "a"), []);
        assert_eq!(faults(query), ["tag"]);
    }

    #[test]
    fn an_encoded_comma_is_part_of_a_value_but_of_no_word() {
        assert_eq!(Query::parse("tag=a%2Cb,c&tag=d%2c+e").list("tag"), ["a,b", "c", "d, e"]);
        let word = |text: &str| ["a", "b"].contains(&text).then(|| text.to_owned());
        let mut query = Query::parse("status=a%2Cb&status=b,a");
        assert_eq!(query.words("status", word, "a, b"), ["a", "b", "b", "a"]);
        assert_eq!(Query::parse("q=a%2Cb,c").text("q").as_deref(), Some("a,b,c"));
        assert!(faults(query).is_empty());
    }

    #[test]
    fn that_there_are_more_unknown_names_is_told() {
        let of = |count: usize| {
            let names: Vec<String> = (0..count).map(|number| format!("p{number}")).collect();
            faults(Query::parse(&names.join("&")))
        };
        assert_eq!(of(MOST_UNKNOWN).len(), MOST_UNKNOWN);
        assert_eq!(of(MOST_UNKNOWN + 1).last().map(String::as_str), Some("query"));
    }

    #[test]
    fn a_page_has_bounds() {
        assert_eq!(Query::parse("").page(), Page { limit: 50, cursor: String::new() });
        assert_eq!(Query::parse("limit=200&cursor=x").page(), Page { limit: 200, cursor: "x".into() });
        for bad in ["limit=0", "limit=201", "limit=-1", "limit=", "limit=%2B5", "limit=1.0", "cursor="] {
            let mut query = Query::parse(bad);
            query.page();
            assert_eq!(faults(query).len(), 1, "{bad}");
        }
    }

    #[test]
    fn a_civil_day_belongs_wholly_to_a_range_and_an_instant_at_its_end_does_not() {
        let zone = Zone::parse("Europe/Berlin").unwrap();
        let mut query = Query::parse("from=2026-03-29&to=2026-03-29&at=2026-03-29T01:00:00+02:00");
        let (from, to) = (query.bound("from").unwrap(), query.bound("to").unwrap());
        // The clock goes forward on that day: it has 23 hours.
        assert_eq!(to.to(zone).0 - from.from(zone).0, 23 * 3_600_000);
        let at = query.bound("at").unwrap();
        assert_eq!(at.to(zone).to_string(), "2026-03-28T23:00:00.000Z");
        assert!(faults(query).is_empty());
    }

    #[test]
    fn the_names_work_in_a_body_too() {
        let body =
            serde_json::json!({"status": ["New", "Lost"], "trashed": true, "q": "a,b", "x": 1, "y": "z"});
        let Value::Object(members) = body else { unreachable!() };
        let mut query = Query::of_object(members, "filter.");
        assert_eq!(query.list("status"), ["New", "Lost"]);
        assert!(query.flag("trashed"));
        assert_eq!(query.text("q").as_deref(), Some("a,b"));
        assert_eq!(faults(query), ["filter.x", "filter.y"]);
    }

    #[test]
    fn in_a_list_of_a_body_a_comma_is_part_of_the_text() {
        let read = |tags: Value| {
            let Value::Object(members) = serde_json::json!({"tag": tags}) else { unreachable!() };
            Query::of_object(members, "filter.").list("tag")
        };
        assert_eq!(read(serde_json::json!(["a,b"])), ["a,b"]);
        assert_eq!(read(serde_json::json!(["a,b", "c"])), ["a,b", "c"]);
        assert_eq!(read(serde_json::json!("a,b")), ["a", "b"]);
    }

    #[test]
    fn a_flood_of_parameters_is_refused() {
        let names: Vec<String> = (0..5_000).map(|number| format!("p{number}")).collect();
        assert!(faults(Query::parse(&names.join("&"))).contains(&"query".to_owned()));
    }

    #[test]
    fn what_is_not_utf8_is_refused() {
        let mut query = Query::parse("q=%ff");
        assert_eq!(query.text("q"), None);
        assert_eq!(faults(query), ["q"]);
    }
}
