//! The pages.

use axum::body::Body;
use http::StatusCode;
use http_body_util::BodyExt;

use crate::setup::{Gateway, request};

#[tokio::test]
async fn the_pages_have_a_policy_that_lets_no_foreign_script_run() {
    let gateway = Gateway::start().await;
    for path in ["/", "/leads?status=New", "/api/docs"] {
        let request = request("GET", path, None).header("accept", "text/html").body(Body::empty()).unwrap();
        let response = gateway.send(request).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(
            policy.contains("script-src 'self';") && policy.contains("object-src 'none'"),
            "{path}: {policy}"
        );
        assert!(response.headers().contains_key("permissions-policy"), "{path}");
        assert_eq!(response.headers()["cross-origin-opener-policy"], "same-origin", "{path}");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let page = String::from_utf8(body.to_vec()).unwrap();
        // What the policy forbids is not in the page.
        assert!(!page.contains("<style") && !page.contains(" style="), "{path}");
        let inline =
            page.split("<script").skip(1).any(|script| !script.split('>').next().unwrap().contains("src="));
        assert!(!inline, "{path} has a script in it");
    }
}

#[tokio::test]
async fn a_missing_asset_is_not_found() {
    let gateway = Gateway::start().await;
    let request =
        request("GET", "/assets/gone.js", None).header("accept", "*/*").body(Body::empty()).unwrap();
    let response = gateway.send(request).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
}
