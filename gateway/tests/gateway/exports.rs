//! An export is whole or broken off: what the service of leads sends is counted.

use axum::{Router, body::Body, routing::post};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use leadline_proto::leads::{ExportLeadsResponse, Lead};
use leadline_runtime::route::Route;
use prost::Message;
use tonic::service::Routes;

use crate::setup::{Gateway, json, request};

fn leads(count: usize, told: Option<u64>) -> ExportLeadsResponse {
    let leads = (0..count).map(|n| Lead { id: format!("{n}"), name: "Ada".into(), ..Lead::default() });
    ExportLeadsResponse { leads: leads.collect(), rows_in_all: told }
}

/// A service of leads that knows one answer.
fn service(parts: Vec<ExportLeadsResponse>, status: &'static str) -> Route {
    let answer = move || {
        let mut frames: Vec<Result<Frame<Bytes>, std::convert::Infallible>> = Vec::new();
        for part in &parts {
            let message = part.encode_to_vec();
            let mut framed = vec![0];
            framed.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
            framed.extend(message);
            frames.push(Ok(Frame::data(framed.into())));
        }
        let trailers = HeaderMap::from_iter([(
            http::HeaderName::from_static("grpc-status"),
            HeaderValue::from_static(status),
        )]);
        frames.push(Ok(Frame::trailers(trailers)));
        let body = Body::new(StreamBody::new(futures::stream::iter(frames)));
        let response = Response::builder().header("content-type", "application/grpc").body(body);
        std::future::ready(response.unwrap())
    };
    let routes = Router::new().route("/leadline.leads.v1.LeadsService/ExportLeads", post(answer));
    Route::in_process("leads", Routes::from(routes))
}

async fn export(format: &str, parts: Vec<ExportLeadsResponse>, status: &'static str) -> Response<Body> {
    let gateway = Gateway::in_front_of(service(parts, status)).await;
    let path = format!("/api/v1/leads/export?tz=UTC&format={format}");
    let response =
        gateway.send(request("GET", &path, Some(&gateway.somebody())).body(Body::empty()).unwrap()).await;
    let (parts, body) = response.into_parts();
    // The gateway ends with this function: what is under way is awaited here.
    let bytes = body.collect().await;
    match bytes {
        Ok(bytes) => Response::from_parts(parts, Body::from(bytes.to_bytes())),
        Err(_) => {
            let mut response = Response::from_parts(parts, Body::empty());
            response.headers_mut().insert("broken-off", HeaderValue::from_static("true"));
            response
        }
    }
}

#[tokio::test]
async fn a_file_ends_only_if_all_rows_came() {
    for format in ["csv", "xlsx"] {
        let whole = export(format, vec![leads(3, None), leads(2, None), leads(0, Some(5))], "0").await;
        assert_eq!(whole.status(), StatusCode::OK, "{format}");
        assert!(!whole.headers().contains_key("broken-off"), "{format}");
        let bytes = whole.into_body().collect().await.unwrap().to_bytes();
        assert!(bytes.starts_with(if format == "csv" { b"\xEF\xBB\xBF" } else { b"PK\x03" }), "{format}");

        for (what, parts, status) in [
            ("one too few", vec![leads(3, None), leads(1, Some(5))], "0"),
            ("one too many", vec![leads(3, None), leads(3, Some(5))], "0"),
            ("no count", vec![leads(3, None), leads(2, None)], "0"),
            ("a message after the last", vec![leads(3, Some(3)), leads(2, Some(5))], "0"),
            ("a failure", vec![leads(3, None)], "14"),
            ("a failure at the end", vec![leads(3, Some(3))], "13"),
        ] {
            let cut = export(format, parts, status).await;
            assert_eq!(cut.status(), StatusCode::OK, "{format}: {what}");
            assert!(cut.headers().contains_key("broken-off"), "{format}: {what}");
        }
    }
}

/// Leads of somebody's, whose name nobody knows while auth is away.
fn owned(count: usize, told: Option<u64>) -> ExportLeadsResponse {
    let mut part = leads(count, told);
    part.leads.iter_mut().for_each(|lead| lead.owner_id = Some("u".into()));
    part
}

#[tokio::test]
async fn no_file_calls_somebody_unknown_while_auth_is_away() {
    for format in ["csv", "xlsx"] {
        let refused = export(format, vec![owned(3, Some(3))], "0").await;
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE, "{format}");
        assert!(refused.headers().contains_key("retry-after"), "{format}");
        assert_eq!(json(refused).await["type"], "/problems/unavailable");
        let cut = export(format, vec![leads(3, None), owned(2, Some(5))], "0").await;
        assert_eq!(cut.status(), StatusCode::OK, "{format}");
        assert!(cut.headers().contains_key("broken-off"), "{format}");
    }
}

#[tokio::test]
async fn what_fails_before_the_first_row_is_a_problem() {
    for format in ["csv", "xlsx"] {
        let refused = export(format, Vec::new(), "14").await;
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE, "{format}");
        assert_eq!(json(refused).await["type"], "/problems/unavailable");
        let silent = export(format, Vec::new(), "0").await;
        assert_eq!(silent.status(), StatusCode::SERVICE_UNAVAILABLE, "{format}");
    }
}
