//! The description of the API: made from the handlers, completed by rules that hold for all of them.

use std::sync::OnceLock;

use bytes::Bytes;
use leadline_documents::Format;
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use crate::{
    exports::{ReportFormat, TableFormat},
    problem::{Document, FieldError},
    reminders::View,
    routes,
};

const ABOUT: &str = "Leads, reminders and figures of a sales team.

Every answer is JSON in UTF-8, but for live events and files. Every error is `application/problem+json` (RFC 9457); a 422 and a 400 name \
every bad field or parameter at once. Times are RFC 3339 in UTC with milliseconds; an offset is accepted in requests. \
A body may have 1 MiB (a file 100 MiB), and no member twice. In bodies, `null` is the same as leaving a field out where the field may be `null`. \
Unknown fields of a body and unknown query parameters are refused.

**Signing in**: send the access token as `Authorization: Bearer …`; it is good for 15 minutes and renewed with \
`POST /api/v1/auth/refresh`.

**Concurrency**: leads, reminders and workspaces carry a `version`, told as `ETag` too; `If-Match` makes a write conditional.

**Retries**: a POST with an `Idempotency-Key` may be sent again within 24 hours and is carried out once. Only what gives out or
ends sessions (register, login, refresh, accept, workspace, logout) is carried out each time: no answer with a token in it is kept. Of those, workspace and logout refuse a key that came with another body.

Every path answers `HEAD` where it answers `GET`; another method is 405 with `Allow`.";

/// What the handlers can't say: the frame of the document.
#[derive(OpenApi)]
#[openapi(
    info(title = "Leadline", license(name = "Apache-2.0", identifier = "Apache-2.0")),
    components(schemas(Document<'static>, FieldError<'static>, View, TableFormat, ReportFormat)),
    tags(
        (name = "Auth", description = "Accounts, sessions, passwords"),
        (name = "Workspace", description = "The workspace, its members and invitations"),
        (name = "Leads", description = "Leads and their notes"),
        (name = "Activity", description = "What was done, and live events"),
        (name = "Reminders", description = "Promises to do something about a lead"),
        (name = "Analytics", description = "Figures: exact, and no more than two seconds behind"),
        (name = "Downloads", description = "Links by which a browser fetches files"),
        (name = "Operations", description = "Health, keys, this description"),
    )
)]
pub(crate) struct Frame;

/// The document, as it is served.
pub(crate) fn document() -> Bytes {
    static DOCUMENT: OnceLock<Bytes> = OnceLock::new();
    DOCUMENT.get_or_init(|| Bytes::from(text())).clone()
}

/// The document, as it is checked in.
pub(crate) fn text() -> String {
    let mut text = serde_json::to_string_pretty(&build()).unwrap_or_default();
    text.push('\n');
    text
}

fn build() -> Value {
    let mut document = serde_json::to_value(routes::api().1).unwrap_or_default();
    document["info"]["description"] = ABOUT.into();
    document["info"]["version"] = "1".into();
    document["servers"] = json!([{"url": "/"}]);
    document["security"] = json!([{"bearer": []}]);
    let components = &mut document["components"];
    components["securitySchemes"] = json!({
        "bearer": {
            "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
            "description": "The access token: EdDSA, 15 minutes."
        },
        "refreshCookie": {
            "type": "apiKey", "in": "cookie", "name": "leadline_refresh",
            "description": "The refresh token: set at sign-in, HttpOnly, SameSite=Strict, good for one use."
        },
    });
    components["headers"] = headers();
    components["parameters"] = parameters();
    components["responses"] = responses();

    let mut bodies = Vec::new();
    if let Some(paths) = document["paths"].as_object_mut() {
        for (path, item) in paths {
            for (method, operation) in item.as_object_mut().into_iter().flatten() {
                complete(path, method, operation);
                bodies.extend(body_schema(operation));
            }
        }
    }
    for name in bodies {
        close(&mut document["components"]["schemas"], &name);
    }
    document
}

/// A body has no other members than those described.
fn close(schemas: &mut Value, name: &str) {
    let schema = &mut schemas[name];
    if schema["type"] == "object" {
        schema["additionalProperties"] = false.into();
    }
    if name == "BulkChange" {
        close(schemas, "LeadQuery");
    }
}

fn body_schema(operation: &mut Value) -> Option<String> {
    let content = operation["requestBody"]["content"].as_object()?;
    let schema = &content.get("application/json")?["schema"];
    let reference = schema["$ref"]
        .as_str()
        .or_else(|| schema["oneOf"].as_array()?.iter().find_map(|one| one["$ref"].as_str()))?;
    reference.rsplit('/').next().map(str::to_owned)
}

/// Adds what every operation of its kind has.
fn complete(path: &str, method: &str, operation: &mut Value) {
    let v1 = path.starts_with("/api/v1/");
    let reads = method == "get";
    let public = operation.get("security").is_some();
    let has_body = operation.get("requestBody").is_some();
    let conditional = operation["parameters"]
        .as_array()
        .is_some_and(|parameters| parameters.iter().any(|parameter| parameter["name"] == "If-Match"));

    let mut parameters = path_parameters(path);
    let described = operation["parameters"].as_array().cloned().unwrap_or_default();
    // Those of the path are told better here than the handlers' extractors do.
    parameters.extend(described.into_iter().filter(|parameter| parameter["in"] != "path").map(without_null));
    if v1 && method == "post" {
        parameters.push(json!({"$ref": "#/components/parameters/IdempotencyKey"}));
    }
    if v1 {
        parameters.push(json!({"$ref": "#/components/parameters/RequestId"}));
    }
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    if method == "patch"
        && let Some(json) = operation["requestBody"]["content"].get("application/json").cloned()
    {
        operation["requestBody"]["content"]["application/merge-patch+json"] = json;
    }

    if path.ends_with("/refresh") || path.ends_with("/unmerge") {
        operation["requestBody"]["required"] = false.into();
    }

    if let Some(kinds) = file_kinds(path)
        && reads
    {
        operation["responses"]["200"]["content"] = file_content(kinds);
    }

    let answers = &mut operation["responses"];
    for (status, answer) in answers.as_object_mut().into_iter().flatten() {
        if status.starts_with('2') {
            add_headers(answer, status, v1 && method == "post", path);
        }
    }
    if !v1 {
        if path.ends_with(".json") {
            add(answers, "400");
        }
        if path.ends_with("jwks.json") {
            add(answers, "503");
        }
        return;
    }
    add(answers, "400");
    let by_link = path.starts_with("/api/v1/downloads/");
    if !public
        || path.ends_with("/login")
        || path.ends_with("/refresh")
        || path.ends_with("/accept")
        || by_link
    {
        add(answers, "401");
    }
    // Viewers only read; some things are for admins and owners; the cookie counts from our own page only.
    if (!public && (!reads || path.ends_with("/invitations"))) || path.ends_with("/refresh") {
        add(answers, "403");
    }
    if path.contains('{') && !by_link {
        add(answers, "404");
    }
    if !reads {
        add(answers, "409");
    }
    // The answer to a key may have told of a lead that is erased since.
    let of_leads = path.starts_with("/api/v1/leads") && !path.contains("/import") && !path.ends_with("/bulk");
    let of_lead = method == "post" && (of_leads || path.starts_with("/api/v1/reminders"));
    if path.ends_with("/accept") || by_link || of_lead {
        add(answers, "410");
    }
    if conditional {
        add(answers, "412");
    }
    if has_body || method == "post" {
        add(answers, "413");
        add(answers, "415");
        add(answers, "422");
    }
    add(answers, "429");
    add(answers, "500");
    add(answers, "503");
}

/// The media types of the files that a path gives.
fn file_kinds(path: &str) -> Option<&'static [Format]> {
    match path {
        "/api/v1/leads/export" | "/api/v1/analytics/export" => Some(&[Format::Csv, Format::Xlsx]),
        "/api/v1/leads/imports/{id}/errors" => Some(&[Format::Csv]),
        "/api/v1/reports/monthly" | "/api/v1/downloads/{token}" => {
            Some(&[Format::Pdf, Format::Xlsx, Format::Csv])
        }
        _ => None,
    }
}

fn file_content(kinds: &[Format]) -> Value {
    let content = kinds.iter().map(|kind| {
        let schema = match kind {
            Format::Csv => json!({"type": "string"}),
            Format::Xlsx | Format::Pdf => json!({"type": "string", "format": "binary"}),
        };
        (kind.mime().split(';').next().unwrap_or_default().to_owned(), json!({"schema": schema}))
    });
    Value::Object(content.collect())
}

/// A parameter is there or not, and never `null`.
fn without_null(mut parameter: Value) -> Value {
    if let Some(kind) = parameter.pointer_mut("/schema/type")
        && let Some(only) = kind.as_array().and_then(|kinds| kinds.iter().find(|kind| **kind != "null"))
    {
        *kind = only.clone();
    }
    parameter
}

fn path_parameters(path: &str) -> Vec<Value> {
    path.split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| {
            let schema = match name {
                "token" => json!({"type": "string"}),
                _ => json!({"type": "string", "format": "uuid"}),
            };
            json!({"name": name, "in": "path", "required": true, "schema": schema})
        })
        .collect()
}

fn add_headers(answer: &mut Value, status: &str, post: bool, path: &str) {
    let schema = answer["content"]["application/json"]["schema"]["$ref"].as_str().unwrap_or_default();
    let tagged = ["/Lead", "/Reminder", "/Workspace"].iter().any(|name| schema.ends_with(name));
    let mut set = |name: &str, component: &str| {
        answer["headers"][name] = json!({"$ref": format!("#/components/headers/{component}")});
    };
    set("X-Request-Id", "RequestId");
    if file_kinds(path).is_some() {
        set("Content-Disposition", "ContentDisposition");
    }
    if tagged {
        set("ETag", "ETag");
    }
    if status == "201" || path.ends_with("/import") {
        set("Location", "Location");
    }
    if post && (!path.starts_with("/api/v1/auth/") || path.ends_with("/password")) {
        set("Idempotency-Replayed", "IdempotencyReplayed");
    }
    if post && path.starts_with("/api/v1/auth/") && !path.ends_with("/password") {
        set("Set-Cookie", "SetCookie");
    }
    if post && path == "/api/v1/downloads" {
        set("Set-Cookie", "DownloadCookie");
    }
    // An answer without a body has none of a type either.
    if answer["content"].is_null()
        && let Some(answer) = answer.as_object_mut()
    {
        answer.remove("content");
    }
}

fn add(answers: &mut Value, status: &str) {
    if answers.get(status).is_none() {
        let (_, name, _) = ERRORS.iter().find(|(code, ..)| *code == status).copied().unwrap_or(ERRORS[0]);
        answers[status] = json!({"$ref": format!("#/components/responses/{name}")});
    }
}

const ERRORS: [(&str, &str, &str); 14] = [
    ("400", "BadRequest", "The body is not JSON, or a query parameter or header has a bad value"),
    ("401", "Unauthenticated", "There is no token, or it is not good (any more)"),
    ("403", "Forbidden", "The caller's role is too low"),
    ("404", "NotFound", "There is no such thing in the caller's workspace"),
    (
        "409",
        "Conflict",
        "It does not fit with things as they stand, or the same request is still being carried out",
    ),
    ("410", "Gone", "It was there and is spent, withdrawn, out of date or erased"),
    ("412", "VersionMismatch", "`If-Match` named other versions"),
    ("413", "TooLarge", "The body has more than 1 MiB, or the file more than 100 MiB"),
    (
        "415",
        "UnsupportedMediaType",
        "The body is not of a media type that can be taken here (mostly `application/json`), or is compressed",
    ),
    (
        "422",
        "Invalid",
        "Fields that can't be accepted, each named; or an `Idempotency-Key` used with another body",
    ),
    ("429", "TooManyRequests", "Too many tries, or too many requests of the workspace at once"),
    ("500", "InternalError", "A fault of ours"),
    (
        "503",
        "Unavailable",
        "A part is down or overloaded, or the request took longer than 10 s, or a file came too slowly",
    ),
    ("405", "MethodNotAllowed", "The method can't be used here"),
];

fn responses() -> Value {
    let mut responses = Map::new();
    for (status, name, description) in ERRORS {
        let mut headers = json!({"X-Request-Id": {"$ref": "#/components/headers/RequestId"}});
        match status {
            "401" => headers["WWW-Authenticate"] = json!({"$ref": "#/components/headers/WwwAuthenticate"}),
            "405" => headers["Allow"] = json!({"$ref": "#/components/headers/Allow"}),
            "429" | "503" => headers["Retry-After"] = json!({"$ref": "#/components/headers/RetryAfter"}),
            _ => {}
        }
        let schema = json!({"$ref": "#/components/schemas/Problem"});
        let answer = json!({
            "description": description, "headers": headers,
            "content": {"application/problem+json": {"schema": schema}}
        });
        responses.insert(name.to_owned(), answer);
    }
    responses.into()
}

fn headers() -> Value {
    let text = |description: &str, example: &str| json!({"description": description, "schema": {"type": "string"}, "example": example});
    json!({
        "RequestId": text("The request's id: the one sent, if it was sane, or a new one.", "019ab0a2-7c1e-7d31-9a4e-0b1c2d3e4f50"),
        "ETag": text("The version, as a strong entity tag.", "\"7\""),
        "Location": text("Where the new thing is.", "/api/v1/leads/019ab0a2-7c1e-7d31-9a4e-0b1c2d3e4f50"),
        "IdempotencyReplayed": text("`true` if this answer was given before, for the same `Idempotency-Key`.", "true"),
        "ContentDisposition": text("What the file is called.", "attachment; filename=\"leads-2026-11-23.csv\""),
        "SetCookie": text("The refresh token, where it is kept in the cookie `leadline_refresh`.",
            "leadline_refresh=…; HttpOnly; Secure; SameSite=Strict; Path=/api/v1/auth; Max-Age=2592000"),
        "DownloadCookie": text("What binds the link to the browser that asked for it: good for the link's path, as long as the link.",
            "leadline_download=…; HttpOnly; Secure; SameSite=Strict; Path=/api/v1/downloads/kq0Yd2…; Max-Age=60"),
        "WwwAuthenticate": text("How to sign in.", "Bearer realm=\"leadline\""),
        "Allow": text("The methods that can be used here.", "GET,HEAD,POST"),
        "RetryAfter": {"description": "In how many seconds to try again.", "schema": {"type": "integer", "minimum": 1}},
    })
}

fn parameters() -> Value {
    json!({
        "IdempotencyKey": {
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "Makes it safe to send the request again: the same key and body within 24 hours, by the same user in \
                the same workspace and to the same path, have the first answer again. The same key with another body: 422; \
                while the first is being carried out: 409; once a lead that the answer told of is erased: 410. Calls that need no sign-in check it and pass it over.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]{1,255}$"}
        },
        "RequestId": {
            "name": "X-Request-Id", "in": "header", "required": false,
            "description": "An id for this request, of 1 to 128 letters, digits, `.`, `_` and `-`; another is replaced.",
            "schema": {"type": "string"}
        },
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn operations(document: &Value) -> Vec<(String, String, Value)> {
        let mut found = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                found.push((path.clone(), method.clone(), operation.clone()));
            }
        }
        found
    }

    #[test]
    fn the_checked_in_description_is_that_of_the_handlers() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
        let made = text();
        if std::env::var_os("UPDATE_SNAPSHOT").is_some() {
            std::fs::write(&path, &made).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == made, "gateway/openapi.json is out of date: run this test with UPDATE_SNAPSHOT=1");
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn check(value: &Value, document: &Value) {
            match value {
                Value::Object(members) => {
                    if let Some(Value::String(reference)) = members.get("$ref") {
                        let pointer = reference.trim_start_matches('#');
                        assert!(document.pointer(pointer).is_some(), "{reference}");
                    }
                    members.values().for_each(|member| check(member, document));
                }
                Value::Array(items) => items.iter().for_each(|item| check(item, document)),
                _ => {}
            }
        }
        let document = build();
        check(&document, &document);
    }

    #[test]
    fn every_operation_has_an_id_of_its_own_a_summary_and_its_errors() {
        let document = build();
        let mut ids = std::collections::HashSet::new();
        for (path, method, operation) in operations(&document) {
            let id = operation["operationId"].as_str().unwrap().to_owned();
            assert!(ids.insert(id), "{method} {path}: its id is another's");
            assert!(operation["summary"].is_string(), "{method} {path} has no summary");
            let mut names = std::collections::HashSet::new();
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let name = parameter.to_string();
                let name = parameter["name"].as_str().unwrap_or(&name).to_owned();
                assert!(names.insert(name.clone()), "{method} {path}: {name} is there twice");
                assert!(!parameter["schema"]["type"].is_array(), "{method} {path}: {name} may be null");
            }
            let answers = operation["responses"].as_object().unwrap();
            assert!(answers.keys().any(|status| status.starts_with('2')), "{method} {path}");
            if path.starts_with("/api/v1/") {
                assert!(answers.contains_key("400") && answers.contains_key("503"), "{method} {path}");
                let public = operation.get("security").is_some();
                assert!(public || answers.contains_key("401"), "{method} {path}");
            }
        }
        assert!(ids.len() > 50, "{}", ids.len());
    }

    #[test]
    fn every_call_of_the_contract_is_described() {
        let document = build();
        for (method, path) in [
            ("post", "/api/v1/auth/register"),
            ("post", "/api/v1/auth/login"),
            ("post", "/api/v1/auth/refresh"),
            ("post", "/api/v1/auth/logout"),
            ("get", "/api/v1/auth/me"),
            ("patch", "/api/v1/auth/me"),
            ("delete", "/api/v1/auth/me"),
            ("post", "/api/v1/auth/workspace"),
            ("post", "/api/v1/auth/me/password"),
            ("get", "/api/v1/auth/sessions"),
            ("delete", "/api/v1/auth/sessions/{id}"),
            ("post", "/api/v1/auth/invitations/accept"),
            ("get", "/.well-known/jwks.json"),
            ("get", "/api/v1/workspace"),
            ("patch", "/api/v1/workspace"),
            ("get", "/api/v1/workspace/members"),
            ("patch", "/api/v1/workspace/members/{userId}"),
            ("delete", "/api/v1/workspace/members/{userId}"),
            ("get", "/api/v1/workspace/invitations"),
            ("post", "/api/v1/workspace/invitations"),
            ("delete", "/api/v1/workspace/invitations/{id}"),
            ("post", "/api/v1/leads"),
            ("get", "/api/v1/leads"),
            ("get", "/api/v1/leads/{id}"),
            ("patch", "/api/v1/leads/{id}"),
            ("put", "/api/v1/leads/{id}"),
            ("delete", "/api/v1/leads/{id}"),
            ("post", "/api/v1/leads/{id}/restore"),
            ("patch", "/api/v1/leads/{id}/status"),
            ("get", "/api/v1/leads/{id}/notes"),
            ("post", "/api/v1/leads/{id}/notes"),
            ("delete", "/api/v1/leads/{id}/notes/{noteId}"),
            ("get", "/api/v1/leads/{id}/activity"),
            ("post", "/api/v1/leads/bulk"),
            ("get", "/api/v1/activity"),
            ("post", "/api/v1/reminders"),
            ("get", "/api/v1/reminders"),
            ("get", "/api/v1/reminders/today"),
            ("get", "/api/v1/reminders/overdue"),
            ("get", "/api/v1/reminders/{id}"),
            ("patch", "/api/v1/reminders/{id}"),
            ("delete", "/api/v1/reminders/{id}"),
            ("post", "/api/v1/reminders/{id}/complete"),
            ("post", "/api/v1/reminders/{id}/reopen"),
            ("post", "/api/v1/reminders/{id}/snooze"),
            ("get", "/api/v1/analytics/summary"),
            ("get", "/api/v1/analytics/by-status"),
            ("get", "/api/v1/analytics/by-source"),
            ("get", "/api/v1/analytics/created"),
            ("get", "/api/v1/analytics/conversion"),
            ("get", "/api/v1/analytics/funnel"),
            ("get", "/api/v1/analytics/report"),
            ("get", "/api/v1/analytics/dashboard"),
            ("get", "/api/v1/leads/export"),
            ("post", "/api/v1/leads/import"),
            ("get", "/api/v1/leads/imports"),
            ("get", "/api/v1/leads/imports/{id}"),
            ("get", "/api/v1/leads/imports/{id}/errors"),
            ("post", "/api/v1/leads/imports/{id}/undo"),
            ("get", "/api/v1/leads/{id}/duplicates"),
            ("get", "/api/v1/leads/duplicates"),
            ("get", "/api/v1/analytics/export"),
            ("get", "/api/v1/reports/monthly"),
            ("post", "/api/v1/downloads"),
            ("get", "/api/v1/downloads/{token}"),
            ("get", "/api/v1/events"),
            ("get", "/healthz"),
            ("get", "/readyz"),
            ("get", "/api/openapi.json"),
        ] {
            assert!(document["paths"][path][method].is_object(), "{method} {path} is not described");
        }
    }

    #[test]
    fn every_enumeration_is_described_by_the_words_that_are_read_and_written() {
        fn check<T: serde::Serialize>(document: &Value, name: &str, all: &[T]) {
            let words: Vec<Value> = all.iter().map(|word| serde_json::to_value(word).unwrap()).collect();
            assert_eq!(document["components"]["schemas"][name]["enum"], Value::from(words), "{name}");
        }
        let document = build();
        check(&document, "Status", crate::leads::lead::Status::ALL);
        check(&document, "Source", crate::leads::lead::Source::ALL);
        check(&document, "FollowUp", crate::leads::filter::FollowUp::ALL);
        check(&document, "Role", crate::workspace::Role::ALL);
        check(&document, "View", View::ALL);
        check(&document, "ReminderStatus", crate::reminders::ReminderStatus::ALL);
        check(&document, "TableFormat", TableFormat::ALL);
        check(&document, "ReportFormat", ReportFormat::ALL);
        check(&document, "DuplicateReason", crate::leads::duplicates::DuplicateReason::ALL);
        check(&document, "Interval", crate::analytics::figures::Interval::ALL);
        check(&document, "ImportState", crate::imports::import::ImportState::ALL);
        check(&document, "OnDuplicate", crate::imports::import::OnDuplicate::ALL);
        check(&document, "RowOutcome", crate::imports::import::RowOutcome::ALL);
        check(&document, "ActivityType", &crate::activity::TYPES);
        assert_eq!(View::Today.text(), "today");
        assert_eq!(serde_json::to_value(View::Today).unwrap(), "today");
    }

    #[test]
    fn no_body_takes_members_that_are_not_described() {
        let document = build();
        for (path, method, mut operation) in operations(&document) {
            if let Some(name) = body_schema(&mut operation) {
                let schema = &document["components"]["schemas"][&name];
                assert_eq!(schema["additionalProperties"], false, "{method} {path}: {name}");
            }
        }
        assert_eq!(document["components"]["schemas"]["LeadQuery"]["additionalProperties"], false);
        assert_eq!(document["openapi"], "3.1.0");
    }
}
