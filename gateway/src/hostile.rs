//! What reads strangers' bytes, given any bytes at all: for tests and fuzzers. Each of these may refuse, and must not panic.

use std::net::{IpAddr, Ipv4Addr};

use http::{HeaderMap, HeaderValue, header};
use leadline_runtime::{ids::UserId, zone::Zone};
use serde_json::Value;

use crate::{
    body::{self, Fields},
    cookies::Cookies,
    etag, frame,
    imports::options,
    leads::{fields, filter::Filter},
    limits::{Network, client_address},
    query::Query,
};

/// The query string of a list of leads.
pub fn query(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut query = Query::parse(&text);
    let filter = Filter::read_for(&mut query, UserId::new());
    let page = query.page();
    assert!((1..=200).contains(&page.limit), "{} on a page", page.limit);
    let needs_zone = filter.needs_zone();
    let zone = filter.zone().unwrap_or(Zone::UTC);
    let filter = filter.within(zone);
    // What is refused is not sent.
    if query.finish().is_ok() {
        assert!(needs_zone || filter.follow_up == 0);
    }
}

/// A body: that of a lead, of a bulk change's filter, and of an import's mapping.
pub fn body(bytes: &[u8]) {
    if let Ok(mut fields) = Fields::parse(bytes) {
        let _ = fields::read(&mut fields);
        let _ = (fields.time("dueAt"), fields.texts("ids"), fields.finish());
    }
    if let Ok(Value::Object(mut members)) = body::parse(bytes) {
        let inner = match members.remove("filter") {
            Some(Value::Object(inner)) => inner,
            _ => members,
        };
        let mut query = Query::of_object(inner, "filter.");
        let _ = Filter::read_for(&mut query, UserId::new()).within(Zone::UTC);
        let _ = query.finish();
    }
    let _ = options::mapping(&String::from_utf8_lossy(bytes));
}

/// A header, as each of those that are read by hand.
pub fn header(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let mut headers = HeaderMap::new();
    for name in [header::IF_MATCH, header::COOKIE] {
        headers.insert(name, value.clone());
    }
    for name in ["x-forwarded-for", "traceparent", "x-request-id"] {
        headers.insert(name, value.clone());
    }
    if let Some(Some(condition)) = etag::parse(&headers) {
        assert!(!condition.any || condition.versions.is_empty());
    }
    let _ = Cookies::read(&headers);
    let id = frame::request_id(&headers);
    assert!((1..=128).contains(&id.len()) && id.is_ascii());
    assert!(matches!(frame::traceparent(&headers).len(), 0 | 55));
    let connection = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let everybody = Network::parse_list("0.0.0.0/0, ::/0").unwrap_or_default();
    let _ = client_address(connection, &headers, &everybody);
    assert_eq!(client_address(connection, &headers, &[]), connection);
    let _ = Network::parse_list(&String::from_utf8_lossy(bytes));
}

#[cfg(test)]
mod tests {
    use leadline_testbed::throw;

    fn corpus(name: &str) -> String {
        format!("{}/../fuzz/corpus/{name}", env!("CARGO_MANIFEST_DIR"))
    }

    #[test]
    fn no_query_breaks_a_list() {
        throw(&corpus("query"), 3_000, super::query);
    }

    #[test]
    fn no_body_breaks_its_reading() {
        throw(&corpus("body"), 3_000, super::body);
    }

    #[test]
    fn no_header_breaks_its_reading() {
        throw(&corpus("header"), 3_000, super::header);
    }
}
