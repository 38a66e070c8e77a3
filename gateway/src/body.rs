//! JSON bodies, read by hand: whatever is wrong with a field is noted and told together with everything else.

use axum::{
    body::Body,
    extract::{FromRequest, Request},
};
use bytes::Bytes;
use http::{HeaderMap, Method, header, request::Parts};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use leadline_proto::types::FieldViolation;
use leadline_runtime::{
    refusal::Refusal,
    time::Millis,
    violations::{MORE, Violation},
};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::{problem::Problem, turns};

/// The largest body, in bytes.
pub(crate) const LARGEST: usize = 1024 * 1024;
/// The most faults of one body that are told. They travel in gRPC trailers, which have to stay small.
const MOST_FAULTS: usize = 20;
/// So many of them are for unknown fields, however much is wrong with known ones.
const MOST_UNKNOWN: usize = 5;
/// The most faults of one list that are told: the others are mostly the same.
const MOST_OF_A_LIST: usize = 5;
/// An unknown field's name is told up to this many characters.
const LONGEST_NAME: usize = 40;

/// A body of JSON.
pub(crate) struct Json {
    /// As it came in: the fingerprint of an idempotent request is made of it.
    pub(crate) raw: Bytes,
    /// What it holds.
    pub(crate) fields: Fields,
}

impl<S: Sync> FromRequest<S> for Json {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let typed = media_type(&parts.headers, &parts.method)?;
        let raw = read(&parts, body).await?;
        if raw.is_empty() {
            return Err(Problem::not_json("a body is needed, of the media type application/json"));
        }
        if !typed {
            return Err(Problem::unsupported("send the header `Content-Type: application/json`"));
        }
        let fields = Fields::parse(&raw)?;
        Ok(Self { raw, fields })
    }
}

/// The body of a request that needs none: empty, or an object of JSON.
pub(crate) struct MaybeJson(pub(crate) Json);

impl<S: Sync> FromRequest<S> for MaybeJson {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let raw = read(&parts, body).await?;
        if raw.is_empty() {
            return Ok(Self(Json { raw, fields: Fields::default() }));
        }
        if !media_type(&parts.headers, &parts.method)? {
            return Err(Problem::unsupported("send the header `Content-Type: application/json`"));
        }
        let fields = Fields::parse(&raw)?;
        Ok(Self(Json { raw, fields }))
    }
}

/// A request that takes no fields at all; its raw body, for the fingerprint.
pub(crate) struct NoFields(pub(crate) Bytes);

impl<S: Sync> FromRequest<S> for NoFields {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let MaybeJson(Json { raw, fields }) = MaybeJson::from_request(request, state).await?;
        fields.check()?;
        Ok(Self(raw))
    }
}

/// Whether there is a content type; a wrong one is refused.
fn media_type(headers: &HeaderMap, method: &Method) -> Result<bool, Problem> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(false) };
    let refuse = || {
        let merge = if method == Method::PATCH { " or application/merge-patch+json" } else { "" };
        Problem::unsupported(format!("the body must be application/json{merge}, in UTF-8"))
    };
    let mut parts = value.to_str().map_err(|_| refuse())?.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let welcome = essence == "application/json"
        || (essence == "application/merge-patch+json" && method == Method::PATCH);
    let utf8 = parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.eq_ignore_ascii_case("charset") => {
            value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    });
    if welcome && utf8 { Ok(true) } else { Err(refuse()) }
}

async fn read(parts: &Parts, body: Body) -> Result<Bytes, Problem> {
    let headers = &parts.headers;
    if let Some(coding) = headers.get(header::CONTENT_ENCODING)
        && !coding.as_bytes().eq_ignore_ascii_case(b"identity")
    {
        return Err(Problem::unsupported("compressed bodies are not taken: leave out Content-Encoding"));
    }
    let told = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if told.is_some_and(|length| length > LARGEST as u64) {
        return Err(Problem::too_large(LARGEST));
    }
    let body = match Limited::new(body, LARGEST).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(Problem::too_large(LARGEST)),
        Err(_) => return Err(Problem::not_json("the body ended early")),
    };
    turns::ready(&parts.extensions).await?;
    Ok(body)
}

/// JSON in which no object has a member twice.
///
/// # Errors
/// If it is not.
pub(crate) fn parse(raw: &[u8]) -> serde_json::Result<Value> {
    serde_json::from_slice(raw).map(|Strict(value)| value)
}

/// The members of an object of JSON. Each reader takes its member out; what is left at the end is unknown.
///
/// `null` stands for a member that is not there, except with [`Fields::patch_text`] and its like.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    members: Map<String, Value>,
    faults: Vec<FieldViolation>,
    /// There was more than is told.
    more: bool,
}

impl Fields {
    pub(crate) fn parse(raw: &[u8]) -> Result<Self, Problem> {
        let value = parse(raw).map_err(|error| {
            // The message of the parser tells a place, and nothing of what stands there.
            Problem::not_json(format!("the body can't be read: {error}"))
        })?;
        Ok(match value {
            Value::Object(members) => Self { members, ..Self::default() },
            _ => {
                let mut fields = Self::default();
                fields.fault("body", "must be a JSON object");
                fields
            }
        })
    }

    #[cfg(test)]
    pub(crate) fn of_test(json: &str) -> Self {
        Self::parse(json.as_bytes()).unwrap()
    }

    /// Notes that a field can't be accepted.
    pub(crate) fn fault(&mut self, field: impl Into<String>, message: impl Into<String>) {
        if self.faults.len() < MOST_FAULTS - MOST_UNKNOWN {
            self.faults.push(FieldViolation { field: field.into(), message: message.into() });
        } else {
            self.more = true;
        }
    }

    /// Whether there is such a member, `null` or not.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name).filter(|value| !value.is_null())
    }

    /// Text.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        match self.take(name)? {
            Value::String(text) => Some(text),
            _ => {
                self.fault(name, "must be text");
                None
            }
        }
    }

    /// Yes or no; no if it is left out.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        match self.take(name) {
            None => false,
            Some(Value::Bool(flag)) => flag,
            Some(_) => {
                self.fault(name, "must be true or false");
                false
            }
        }
    }

    /// Text that may be left out but not be `null`.
    pub(crate) fn patch_text(&mut self, name: &str) -> Option<String> {
        if self.members.get(name).is_some_and(Value::is_null) {
            self.members.remove(name);
            self.fault(name, "can't be null: leave it out to keep what is there");
            return None;
        }
        self.text(name)
    }

    /// One of some words; `parse` knows them, `allowed` lists them.
    pub(crate) fn word<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Option<T>,
        allowed: &str,
    ) -> Option<T> {
        let found = match self.take(name)? {
            Value::String(text) => parse(&text),
            _ => None,
        };
        if found.is_none() {
            self.fault(name, format!("must be one of {allowed}"));
        }
        found
    }

    /// An instant, in milliseconds since the epoch.
    pub(crate) fn time(&mut self, name: &str) -> Option<i64> {
        let text = self.text(name)?;
        match Millis::parse(&text) {
            Ok(at) => Some(at.0),
            Err(error) => {
                self.fault(name, error.to_string());
                None
            }
        }
    }

    /// An instant that may be left out but not be `null`.
    pub(crate) fn patch_time(&mut self, name: &str) -> Option<i64> {
        let null = self.members.get(name).is_some_and(Value::is_null);
        if null { self.patch_text(name).and(None) } else { self.time(name) }
    }

    /// A list of texts.
    pub(crate) fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        let Value::Array(items) = self.take(name)? else {
            self.fault(name, "must be a list of texts");
            return None;
        };
        let mut texts = Vec::with_capacity(items.len());
        let mut bad = 0;
        for (place, item) in items.into_iter().enumerate() {
            match item {
                Value::String(text) => texts.push(text),
                _ if bad < MOST_OF_A_LIST => {
                    bad += 1;
                    self.fault(format!("{name}[{place}]"), "must be text");
                }
                _ => self.more = true,
            }
        }
        Some(texts)
    }

    /// Whatever it is, `null` too.
    pub(crate) fn any(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name)
    }

    /// All that can't be accepted, unknown members included; that there is more than is told is told last.
    pub(crate) fn finish(self) -> Vec<FieldViolation> {
        let unknown = self.members.keys().map(|name| FieldViolation {
            field: name.chars().take(LONGEST_NAME).collect(),
            message: "is not a field of this request".to_owned(),
        });
        let more = self.more || self.faults.len() + self.members.len() > MOST_FAULTS;
        let mut faults = self.faults;
        faults.extend(unknown.take(MOST_FAULTS));
        if more {
            faults.truncate(MOST_FAULTS - 1);
            faults.push(FieldViolation { field: "body".to_owned(), message: MORE.to_owned() });
        }
        faults
    }

    /// For requests that no service checks further.
    ///
    /// # Errors
    /// 422 with all that can't be accepted.
    pub(crate) fn check(self) -> Result<(), Problem> {
        let faults = self.finish();
        if faults.is_empty() {
            return Ok(());
        }
        let violations =
            faults.into_iter().map(|fault| Violation { field: fault.field, message: fault.message });
        Err(Refusal::Invalid(violations.collect()).into())
    }
}

/// A value in which no object has a member twice: readers differ on which one counts (RFC 8259, section 4).
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Strict(item)) = access.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some((name, Strict(value))) = access.next_entry::<String, Strict>()? {
            if members.insert(name, value).is_some() {
                return Err(serde::de::Error::custom("a member occurs twice in one object"));
            }
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    fn fields(json: &str) -> Fields {
        Fields::parse(json.as_bytes()).unwrap()
    }

    fn names(faults: &[FieldViolation]) -> Vec<&str> {
        faults.iter().map(|fault| fault.field.as_str()).collect()
    }

    async fn post(content_type: &str, body: impl Into<Body>) -> Result<Json, Problem> {
        let request = Request::post("/").header("content-type", content_type).body(body.into()).unwrap();
        Json::from_request(request, &()).await
    }

    async fn refused(content_type: &str, body: impl Into<Body>) -> StatusCode {
        match post(content_type, body).await {
            Ok(_) => StatusCode::OK,
            Err(problem) => problem.status(),
        }
    }

    #[test]
    fn every_bad_field_is_told_unknown_ones_too() {
        let mut body =
            fields(r#"{"name": 7, "tags": ["a", 2], "status": "Won", "dueAt": "soon", "$where": 1}"#);
        assert_eq!(body.text("name"), None);
        assert_eq!(body.texts("tags"), Some(vec!["a".to_owned()]));
        assert_eq!(body.word("status", |_| None::<()>, "New, Lost"), None);
        assert_eq!(body.time("dueAt"), None);
        assert_eq!(names(&body.finish()), ["name", "tags[1]", "status", "dueAt", "$where"]);
    }

    #[test]
    fn null_is_as_good_as_absent_but_not_in_a_patch() {
        let mut body = fields(r#"{"email": null, "name": null, "dueAt": null}"#);
        assert!(body.has("email"));
        assert_eq!(body.text("email"), None);
        assert_eq!(body.patch_text("name"), None);
        assert_eq!(body.patch_time("dueAt"), None);
        assert_eq!(names(&body.finish()), ["name", "dueAt"]);
    }

    #[test]
    fn what_is_not_an_object_is_a_bad_field() {
        for json in ["[]", "1", "\"a\"", "null", "true"] {
            assert_eq!(names(&fields(json).finish()), ["body"], "{json}");
        }
    }

    #[test]
    fn what_is_not_json_is_refused() {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        let bad = [
            "",
            "{",
            "{\"a\": NaN}",
            "{\"a\": 1e400}",
            "{\"a\": \"\\ud800\"}",
            "{'a': 1}",
            "{\"a\": 1,}",
            "{} {}",
            "{\"a\": 1, \"a\": 2}",
            "{\"a\": {\"b\": 1, \"b\": 1}}",
            "\u{feff}{}",
            &deep,
        ];
        for json in bad {
            let problem = Fields::parse(json.as_bytes()).unwrap_err();
            assert_eq!(problem.status(), StatusCode::BAD_REQUEST, "{json}");
        }
        assert!(Fields::parse(b"{\"a\": \"\xff\"}").is_err());
    }

    #[test]
    fn the_faults_of_a_flood_of_unknown_fields_stay_few_and_short() {
        let members: Vec<String> = (0..5000).map(|n| format!("\"{}{n}\": 1", "x".repeat(100))).collect();
        let faults = fields(&format!("{{{}}}", members.join(","))).finish();
        assert_eq!(faults.len(), MOST_FAULTS);
        assert!(faults.iter().all(|fault| fault.field.len() <= LONGEST_NAME));
        assert_eq!((faults[19].field.as_str(), faults[19].message.as_str()), ("body", MORE));
    }

    #[test]
    fn a_flood_of_bad_items_hides_neither_other_fields_nor_unknown_ones() {
        let items = vec!["1"; 1_000].join(",");
        let mut body = fields(&format!(r#"{{"tags": [{items}], "status": 7, "$where": 1}}"#));
        body.texts("tags");
        body.word("status", |_| None::<()>, "New, Lost");
        let faults = body.finish();
        let fields = names(&faults);
        assert_eq!(fields[5..], ["status", "$where", "body"], "{fields:?}");
        let mut body = Fields::of_test(r#"{"$where": 1}"#);
        for nth in 0..50 {
            body.fault(format!("f{nth}"), "is bad");
        }
        let faults = body.finish();
        assert!(faults.len() <= MOST_FAULTS && names(&faults).ends_with(&["$where", "body"]), "{faults:?}");
    }

    #[test]
    fn as_many_faults_as_fit_are_told_without_more() {
        let members: Vec<String> = (0..MOST_FAULTS).map(|n| format!("\"f{n}\": 1")).collect();
        let faults = fields(&format!("{{{}}}", members.join(","))).finish();
        assert!(faults.len() == MOST_FAULTS && !names(&faults).contains(&"body"), "{faults:?}");
    }

    #[tokio::test]
    async fn only_json_in_utf8_is_taken() {
        assert!(post("application/json", "{}").await.is_ok());
        assert!(post("Application/JSON; charset=UTF-8", "{}").await.is_ok());
        for bad in [
            "text/plain",
            "application/json; charset=latin1",
            "application/x-www-form-urlencoded",
            "application/merge-patch+json",
        ] {
            assert_eq!(refused(bad, "{}").await, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{bad}");
        }
    }

    #[tokio::test]
    async fn a_patch_may_be_a_merge_patch() {
        let request = Request::patch("/")
            .header("content-type", "application/merge-patch+json")
            .body(Body::from("{}"))
            .unwrap();
        assert!(Json::from_request(request, &()).await.is_ok());
    }

    #[tokio::test]
    async fn a_body_over_a_mebibyte_is_too_large_and_a_compressed_one_not_taken() {
        let large = format!("\"{}\"", "a".repeat(LARGEST));
        assert_eq!(refused("application/json", large).await, StatusCode::PAYLOAD_TOO_LARGE);
        let request = Request::post("/")
            .header("content-type", "application/json")
            .header("content-encoding", "gzip")
            .body(Body::from("{}"))
            .unwrap();
        let problem = Json::from_request(request, &()).await.err().unwrap();
        assert_eq!(problem.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }

    #[tokio::test]
    async fn a_request_without_fields_takes_nothing_or_an_empty_object() {
        let send = async |body: &'static str| {
            let request =
                Request::post("/").header("content-type", "application/json").body(Body::from(body)).unwrap();
            NoFields::from_request(request, &())
                .await
                .map(|_| ())
                .map_err(|problem| problem.status().as_u16())
        };
        assert_eq!(send("").await, Ok(()));
        assert_eq!(send("{}").await, Ok(()));
        assert_eq!(send("{\"a\": 1}").await, Err(422));
        assert_eq!(send("x").await, Err(400));
    }
}
