//! What holds for every operation that is described.

use std::time::Duration;

use axum::body::Body;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;

use crate::setup::{Gateway, json, request};

/// An operation of the description.
struct Operation {
    method: String,
    path: String,
    described: Value,
}

impl Operation {
    fn public(&self) -> bool {
        self.described.get("security").is_some()
    }

    fn has_body(&self) -> bool {
        self.described.get("requestBody").is_some()
    }

    /// A media type of its body: JSON, but for tables.
    fn media_type(&self) -> &'static str {
        let table = self.described["requestBody"]["content"].get("text/csv").is_some();
        if table { "text/csv" } else { "application/json" }
    }

    fn takes_json(&self) -> bool {
        self.has_body() && self.media_type() == "application/json"
    }

    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    fn answers(&self, status: StatusCode) -> bool {
        self.described["responses"].get(status.as_str()).is_some()
    }
}

/// All operations under `/api/v1`, with an id in place of each parameter.
fn operations() -> Vec<Operation> {
    let text = include_str!("../../openapi.json");
    let document: Value = serde_json::from_str(text).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        if !path.starts_with("/api/v1/") {
            continue;
        }
        for (method, described) in item.as_object().unwrap() {
            let filled: Vec<&str> = path
                .split('/')
                .map(|part| if part.starts_with('{') { "019ab0a2-7c1e-7d31-9a4e-0b1c2d3e4f50" } else { part })
                .collect();
            found.push(Operation {
                method: method.to_uppercase(),
                path: filled.join("/"),
                described: described.clone(),
            });
        }
    }
    assert!(found.len() > 45);
    found
}

fn is_problem(headers: &HeaderMap) -> bool {
    headers.get("content-type").is_some_and(|value| value == "application/problem+json")
}

async fn fields(response: Response<Body>) -> Vec<String> {
    let problem = json(response).await;
    let errors = problem["errors"].as_array().cloned().unwrap_or_default();
    errors.iter().map(|error| error["field"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn without_a_token_every_operation_that_needs_one_says_so() {
    let gateway = Gateway::start().await;
    for operation in operations().iter().filter(|operation| !operation.public()) {
        for token in [None, Some("Bearer x.y.z"), Some("Basic dXNlcjpwYXNz"), Some("Bearer")] {
            let request = request(&operation.method, &operation.path, token).body(Body::empty()).unwrap();
            let response = gateway.send(request).await;
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{}", operation.name());
            assert!(response.headers().contains_key("www-authenticate"), "{}", operation.name());
            assert!(is_problem(response.headers()), "{}", operation.name());
        }
    }
}

#[tokio::test]
async fn every_operation_refuses_a_query_parameter_that_it_does_not_know() {
    let gateway = Gateway::start().await;
    let token = gateway.somebody();
    for operation in operations() {
        let path = format!("{}?%24where=1&limit2=3&_=0", operation.path);
        let body = if operation.has_body() { Body::from("{}") } else { Body::empty() };
        let request = request(&operation.method, &path, Some(&token))
            .header("content-type", operation.media_type())
            .body(body)
            .unwrap();
        let response = gateway.send(request).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{}", operation.name());
        let mut named = fields(response).await;
        named.sort();
        assert_eq!(named, ["$where", "_", "limit2"], "{}", operation.name());
    }
}

#[tokio::test]
async fn every_operation_with_a_body_takes_json_only_but_for_tables() {
    let gateway = Gateway::start().await;
    let token = gateway.somebody();
    let large = "x".repeat(1024 * 1024 + 1);
    let operations = operations();
    assert_eq!(operations.iter().filter(|one| one.has_body() && !one.takes_json()).count(), 1);
    for operation in operations.iter().filter(|operation| operation.takes_json()) {
        let send = async |kind: &str, coding: &str, body: String| {
            let request = request(&operation.method, &operation.path, Some(&token))
                .header("content-type", kind)
                .header("content-encoding", coding)
                .body(Body::from(body))
                .unwrap();
            let response = gateway.send(request).await;
            assert!(is_problem(response.headers()), "{}", operation.name());
            assert!(operation.answers(response.status()), "{}: {}", operation.name(), response.status());
            response.status().as_u16()
        };
        let name = operation.name();
        assert_eq!(send("text/plain", "identity", "{}".into()).await, 415, "{name}");
        assert_eq!(send("application/json", "gzip", "{}".into()).await, 415, "{name}");
        assert_eq!(send("application/json", "identity", "{\"a\":".into()).await, 400, "{name}");
        assert_eq!(send("application/json", "identity", large.clone()).await, 413, "{name}");
    }
}

#[tokio::test]
async fn with_its_service_away_every_operation_gives_a_described_answer_in_time() {
    let gateway = Gateway::start().await;
    let token = gateway.somebody();
    for operation in operations() {
        if operation.path == "/api/v1/events" {
            continue;
        }
        let body = if operation.has_body() { Body::from("{}") } else { Body::empty() };
        let request = request(&operation.method, &operation.path, Some(&token))
            .header("content-type", operation.media_type())
            .body(body)
            .unwrap();
        let response = tokio::time::timeout(Duration::from_secs(11), gateway.send(request)).await.unwrap();
        let status = response.status();
        assert!(operation.answers(status), "{}: {status}", operation.name());
        if operation.path.ends_with("/refresh") {
            assert_eq!(status, StatusCode::UNAUTHORIZED, "there is no refresh token");
        } else if operation.path.ends_with("/downloads") {
            assert_eq!(
                status,
                StatusCode::UNPROCESSABLE_ENTITY,
                "links are kept here, and nothing was named"
            );
        } else if operation.path.contains("/downloads/") {
            assert_eq!(status, StatusCode::GONE, "there is no such link");
        } else {
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{}", operation.name());
            assert!(response.headers().contains_key("retry-after"), "{}", operation.name());
        }
        let problem = json(response).await;
        assert_eq!(problem["instance"], operation.path);
        let text = problem.to_string();
        assert!(!text.contains("127.0.0.1") && !text.contains("onnect"), "it tells of the inside: {text}");
    }
}

#[tokio::test]
async fn every_answer_of_the_api_is_kept_by_nobody_and_has_an_id() {
    let gateway = Gateway::start().await;
    for path in ["/api/v1/leads", "/api/nothing", "/healthz", "/api/openapi.json"] {
        let request =
            request("GET", path, None).header("x-request-id", "my-id.1").body(Body::empty()).unwrap();
        let headers = gateway.send(request).await.headers().clone();
        assert_eq!(headers["cache-control"], "no-store", "{path}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["x-request-id"], "my-id.1", "{path}");
        assert!(headers["content-security-policy"].to_str().unwrap().contains("frame-ancestors 'none'"));
    }
}

#[tokio::test]
async fn another_method_is_told_which_ones_there_are() {
    let gateway = Gateway::start().await;
    let token = gateway.somebody();
    let paths = [
        ("PUT", "/api/v1/leads"),
        ("BREW", "/api/v1/leads"),
        ("DELETE", "/api/v1/auth/login"),
        ("OPTIONS", "/api/v1/reminders"),
        ("POST", "/healthz"),
    ];
    for (method, path) in paths {
        let request = request(method, path, Some(&token)).body(Body::empty()).unwrap();
        let response = gateway.send(request).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        assert!(!response.headers()["allow"].is_empty(), "{method} {path}");
        assert!(is_problem(response.headers()), "{method} {path}");
    }
}

#[tokio::test]
async fn what_is_nowhere_is_a_problem_too() {
    let gateway = Gateway::start().await;
    for path in
        ["/api", "/api/v1", "/api/v2/leads", "/api/v1/leads/a/b/c", "/api/docs/gone.js", "/api/v1/lead"]
    {
        let request = request("GET", path, None).body(Body::empty()).unwrap();
        let response = gateway.send(request).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        let problem = json(response).await;
        assert_eq!(
            (&problem["type"], &problem["status"]),
            (&"/problems/not-found".into(), &404.into()),
            "{path}"
        );
    }
}

#[tokio::test]
async fn head_is_get_without_its_body_errors_too() {
    let gateway = Gateway::start().await;
    for (path, status) in [("/healthz", StatusCode::OK), ("/api/v1/leads", StatusCode::UNAUTHORIZED)] {
        let request = request("HEAD", path, None).body(Body::empty()).unwrap();
        let response = gateway.send(request).await;
        assert_eq!(response.status(), status, "{path}");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(body.is_empty(), "{path}: {body:?}");
    }
}

#[tokio::test]
async fn every_bad_parameter_and_header_is_named_at_once() {
    let gateway = Gateway::start().await;
    let token = gateway.somebody();
    let path = "/api/v1/leads?limit=1e9&limit=2&status=Won&owner=nobody&createdFrom=soon&tz=Mars&sort=age&cursor=\
                &inactiveFor=-1d&trashed=maybe&status%5B%24gt%5D=&followUp=never&tag=";
    let response = gateway.send(request("GET", path, Some(&token)).body(Body::empty()).unwrap()).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let mut named = fields(response).await;
    named.sort();
    assert_eq!(
        named,
        [
            "createdFrom",
            "cursor",
            "followUp",
            "inactiveFor",
            "limit",
            "owner",
            "sort",
            "status",
            "status[$gt]",
            "tag",
            "trashed",
            "tz"
        ]
    );

    let path = "/api/v1/leads/019ab0a2-7c1e-7d31-9a4e-0b1c2d3e4f50";
    let request = request("DELETE", path, Some(&token)).header("if-match", "7").body(Body::empty()).unwrap();
    let response = gateway.send(request).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(fields(response).await, ["If-Match"]);
}

#[tokio::test]
async fn tries_to_sign_in_are_limited_by_address() {
    let gateway = Gateway::with(|config| config.rate_limits = true).await;
    let login = async || {
        let request = request("POST", "/api/v1/auth/login", None)
            .header("content-type", "application/json")
            // Nobody trusts this header.
            .header("x-forwarded-for", format!("10.0.0.{}", rand_byte()))
            .body(Body::from("{}"))
            .unwrap();
        gateway.send(request).await
    };
    for _ in 0..20 {
        assert_eq!(login().await.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    let limited = login().await;
    assert_eq!(limited.status(), StatusCode::TOO_MANY_REQUESTS);
    let wait: u64 = limited.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=3).contains(&wait), "{wait}");
}

fn rand_byte() -> u8 {
    leadline_runtime::ids::new_uuid().as_bytes()[15]
}

#[tokio::test]
async fn readiness_tells_every_part_and_is_503_when_one_is_down() {
    let gateway = Gateway::start().await;
    let response = gateway.send(request("GET", "/readyz", None).body(Body::empty()).unwrap()).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key("retry-after"));
    let told = json(response).await;
    assert_eq!(told["status"], "unavailable");
    assert_eq!(told["parts"][0]["detail"], "does not answer");
    assert_eq!(told["parts"][1], serde_json::json!({"name": "bus", "status": "ok"}));
}

#[tokio::test]
async fn a_slash_behind_a_collection_changes_nothing() {
    let gateway = Gateway::start().await;
    let response =
        gateway.send(request("GET", "/api/v1/leads/?x=1", None).body(Body::empty()).unwrap()).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}
