//! `ETag` and `If-Match`: a thing's version, as RFC 9110 has it.

use axum::extract::FromRequestParts;
use http::{HeaderMap, HeaderValue, header, request::Parts};
use leadline_proto::types::Precondition;
use utoipa::IntoParams;

use crate::problem::Problem;

/// `If-Match`, parsed.
pub(crate) struct IfMatch(pub(crate) Option<Precondition>);

/// The condition of a write.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "describes a header in the OpenAPI document")]
pub(crate) struct IfMatchHeader {
    /// The write is carried out only if the thing has one of these versions, as told by `ETag`: `"7"`, a list of tags,
    /// or `*` for any. Otherwise the answer is 412.
    #[param(
        rename = "If-Match",
        pattern = r#"^(\*|(W/)?"[!#-~]*"( *, *(W/)?"[!#-~]*")*)$"#,
        example = "\"7\""
    )]
    if_match: Option<String>,
}

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parse(&parts.headers).map(Self).ok_or_else(|| {
            Problem::bad_header("If-Match", "must be *, or entity tags such as \"7\" with commas between")
        })
    }
}

/// The value of `ETag` for a version.
pub(crate) fn of(version: u64) -> HeaderValue {
    // Digits in quotes are always a valid value.
    HeaderValue::try_from(format!("\"{version}\"")).unwrap_or(HeaderValue::from_static("\"0\""))
}

/// `None`: malformed. `Some(None)`: there is no condition.
#[allow(clippy::option_option, reason = "one for the syntax, one for the presence")]
pub(crate) fn parse(headers: &HeaderMap) -> Option<Option<Precondition>> {
    let mut lines = headers.get_all(header::IF_MATCH).iter().peekable();
    if lines.peek().is_none() {
        return Some(None);
    }
    // Several lines of one header are one list.
    let mut tags = Vec::new();
    for line in lines {
        tags.extend(parse_list(line.as_bytes())?);
    }
    if tags.as_slice() == [Tag::Any] {
        return Some(Some(Precondition { any: true, versions: Vec::new() }));
    }
    if tags.is_empty() || tags.contains(&Tag::Any) {
        return None;
    }
    let versions = tags.into_iter().filter_map(|tag| match tag {
        Tag::Version(version) => Some(version),
        // A weak or foreign tag matches nothing, in the strong comparison that If-Match asks for.
        Tag::Other | Tag::Any => None,
    });
    Some(Some(Precondition { any: false, versions: versions.collect() }))
}

#[derive(Debug, PartialEq)]
enum Tag {
    Any,
    Version(u64),
    Other,
}

/// `#entity-tag`; empty elements are passed over, as section 5.6.1 demands of readers.
fn parse_list(line: &[u8]) -> Option<Vec<Tag>> {
    let mut tags = Vec::new();
    let mut rest = line.trim_ascii();
    loop {
        while let Some(after) = rest.strip_prefix(b",") {
            rest = after.trim_ascii_start();
        }
        if rest.is_empty() {
            return Some(tags);
        }
        let tag;
        (tag, rest) = parse_tag(rest)?;
        tags.push(tag);
        rest = rest.trim_ascii_start();
        if !rest.is_empty() && !rest.starts_with(b",") {
            return None;
        }
    }
}

fn parse_tag(text: &[u8]) -> Option<(Tag, &[u8])> {
    if let Some(rest) = text.strip_prefix(b"*") {
        return Some((Tag::Any, rest));
    }
    let (weak, quoted) = match text.strip_prefix(b"W/") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let inner = quoted.strip_prefix(b"\"")?;
    let end = inner.iter().position(|byte| *byte == b'"')?;
    let (opaque, rest) = (&inner[..end], &inner[end + 1..]);
    if !opaque.iter().all(|byte| matches!(byte, 0x21 | 0x23..=0x7e | 0x80..)) {
        return None;
    }
    let version = std::str::from_utf8(opaque)
        .ok()
        .filter(|digits| !weak && digits.bytes().all(|byte| byte.is_ascii_digit()))
        // `"07"` is another tag than `"7"`.
        .filter(|digits| *digits == "0" || !digits.starts_with('0'))
        .and_then(|digits| digits.parse().ok());
    Some((version.map_or(Tag::Other, Tag::Version), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&'static str]) -> Option<Option<Precondition>> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::IF_MATCH, HeaderValue::from_static(line));
        }
        parse(&headers)
    }

    fn one_of(versions: &[u64]) -> Option<Option<Precondition>> {
        Some(Some(Precondition { any: false, versions: versions.to_vec() }))
    }

    #[test]
    fn tags_are_versions_alone_or_in_lists() {
        assert_eq!(read(&[]), Some(None));
        assert_eq!(read(&["\"7\""]), one_of(&[7]));
        assert_eq!(read(&["\"7\", \"8\" ,, \"9\""]), one_of(&[7, 8, 9]));
        assert_eq!(read(&["\"7\"", "\"8\""]), one_of(&[7, 8]));
        assert_eq!(read(&[" * "]), Some(Some(Precondition { any: true, versions: vec![] })));
    }

    #[test]
    fn weak_and_foreign_tags_match_nothing() {
        assert_eq!(read(&["W/\"7\""]), one_of(&[]));
        assert_eq!(read(&["\"abc\", \"07\", \"a,b\", \"\""]), one_of(&[]));
        assert_eq!(read(&["\"99999999999999999999\", \"2\""]), one_of(&[2]));
    }

    #[test]
    fn what_is_malformed_is_no_condition() {
        for bad in ["7", "\"7", "7\"", "\"7\" \"8\"", "*, \"7\"", "", ",", "w/\"7\"", "\"a b\"", "\"7\";x"] {
            assert_eq!(read(&[bad]), None, "{bad}");
        }
    }

    #[test]
    fn a_version_is_told_as_a_strong_tag() {
        assert_eq!(of(12), "\"12\"");
    }
}
