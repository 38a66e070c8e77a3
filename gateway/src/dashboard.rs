//! The dashboard's files, built into the program, and the page of the API's description.

use std::{borrow::Cow, collections::HashMap, io::Read, sync::OnceLock};

use axum::{
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use flate2::read::GzDecoder;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use rust_embed::RustEmbed;

use crate::{problem::Problem, query::NoQuery};

#[derive(RustEmbed)]
#[folder = "dashboard/dist"]
struct Built;

/// Shown where the dashboard was not built. It has no script and no style, so that it fits the page's policy.
const UNBUILT: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Leadline</title></head><body>\
    <h1>Leadline is running</h1><p>The dashboard was not built into this program. Build it, then the program again:</p>\
    <pre>npm --prefix gateway/dashboard ci\nnpm --prefix gateway/dashboard run build\ncargo build</pre>\
    <p>The API is at <a href=\"/api/openapi.json\">/api/openapi.json</a>.</p></body></html>";
const UNBUILT_DOCS: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Leadline API</title></head>\
    <body><h1>Leadline API</h1><p>This page is built with the dashboard, which was not built into this program:</p>\
    <pre>npm --prefix gateway/dashboard ci\nnpm --prefix gateway/dashboard run build\ncargo build</pre>\
    <p>The description itself is at <a href=\"/api/openapi.json\">/api/openapi.json</a>.</p></body></html>";

/// A file in all the codings that it was built in.
struct File {
    kind: HeaderValue,
    tag: HeaderValue,
    brotli: Option<Bytes>,
    gzip: Option<Bytes>,
    /// Scripts and styles are not built in as they are: nearly everybody takes them coded. Once one is asked for, it is kept.
    plain: OnceLock<Bytes>,
}

impl File {
    fn plain(&self) -> Bytes {
        let unpack = || {
            let mut bytes = Vec::new();
            let packed = self.gzip.clone().unwrap_or_default();
            if let Err(error) = GzDecoder::new(packed.as_ref()).read_to_end(&mut bytes) {
                tracing::error!(%error, "a file of the dashboard is damaged");
            }
            bytes.into()
        };
        self.plain.get_or_init(unpack).clone()
    }
}

type Files = HashMap<Cow<'static, str>, File>;

fn files() -> &'static Files {
    static FILES: OnceLock<Files> = OnceLock::new();
    FILES.get_or_init(|| {
        let mut files = Files::new();
        for path in Built::iter() {
            let Some(built) = Built::get(&path) else { continue };
            let name = path.strip_suffix(".br").or_else(|| path.strip_suffix(".gz")).unwrap_or(&path);
            let Ok(tag) = HeaderValue::try_from(format!("\"{}\"", hex(&built.metadata.sha256_hash()[..12])))
            else {
                continue;
            };
            let file = files.entry(name.to_owned().into()).or_insert_with(|| File {
                kind: media_type(name),
                tag: tag.clone(),
                brotli: None,
                gzip: None,
                plain: OnceLock::new(),
            });
            let bytes = into_bytes(built.data);
            match path.rsplit_once('.') {
                Some((_, "br")) => file.brotli = Some(bytes),
                // What it is, without the coding, follows from this one: so does its tag.
                Some((_, "gz")) => (file.gzip, file.tag) = (Some(bytes), tag),
                _ => drop(file.plain.set(bytes)),
            }
        }
        files
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn into_bytes(data: Cow<'static, [u8]>) -> Bytes {
    match data {
        Cow::Borrowed(data) => Bytes::from_static(data),
        Cow::Owned(data) => Bytes::from(data),
    }
}

fn media_type(path: &str) -> HeaderValue {
    if path.ends_with(".webmanifest") {
        return HeaderValue::from_static("application/manifest+json");
    }
    let guess = mime_guess::from_path(path).first_or_octet_stream();
    let text = guess.type_() == mime_guess::mime::TEXT || guess.subtype() == mime_guess::mime::JAVASCRIPT;
    let value = if text { format!("{}; charset=utf-8", guess.essence_str()) } else { guess.to_string() };
    HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

/// Whatever no route has: files, the page, or nothing.
pub(crate) async fn fallback(request: Request) -> Response {
    let path = request.uri().path();
    if path == "/api" || path.starts_with("/api/") {
        return Problem::no_such_path().into_response();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let allow = [(header::ALLOW, HeaderValue::from_static("GET,HEAD"))];
        return (allow, Problem::of_status(StatusCode::METHOD_NOT_ALLOWED)).into_response();
    }
    let name = path.trim_start_matches('/');
    let headers = request.headers();
    match files().get(name) {
        Some(file) if !name.starts_with("docs/") && name != "index.html" => {
            serve(file, headers, if name.starts_with("assets/") { Life::Immutable } else { Life::Checked })
        }
        // A script that is not there must not be a page.
        _ if name.starts_with("assets/") || !accepts_html(headers) => Problem::no_such_path().into_response(),
        _ => page("index.html", UNBUILT, headers),
    }
}

/// The page of the API's description, and its files.
pub(crate) async fn docs(_: NoQuery, request: Request) -> Response {
    let name = request.uri().path().trim_start_matches("/api/docs").trim_matches('/');
    if name.is_empty() {
        return page("docs/index.html", UNBUILT_DOCS, request.headers());
    }
    match files().get(format!("docs/{name}").as_str()) {
        Some(file) => serve(file, request.headers(), Life::Checked),
        None => Problem::no_such_path().into_response(),
    }
}

fn page(name: &str, unbuilt: &'static str, headers: &HeaderMap) -> Response {
    match files().get(name) {
        Some(file) => serve(file, headers, Life::Checked),
        None => {
            let kind = HeaderValue::from_static("text/html; charset=utf-8");
            let life = HeaderValue::from_static("no-store");
            ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, life)], unbuilt).into_response()
        }
    }
}

/// How long a browser may keep a file.
#[derive(Debug, Clone, Copy)]
enum Life {
    /// For ever: its name has its hash in it.
    Immutable,
    /// It asks each time whether there is a newer one.
    Checked,
}

fn serve(file: &File, headers: &HeaderMap, life: Life) -> Response {
    let life = match life {
        Life::Immutable => "public, max-age=31536000, immutable",
        Life::Checked => "no-cache",
    };
    let coding = choose(headers, file.brotli.is_some(), file.gzip.is_some());
    // Another coding is another representation: its tag differs.
    let tag = match coding {
        Coding::Identity => file.tag.clone(),
        other => suffixed(&file.tag, other.name()),
    };
    let known = headers.get_all(header::IF_NONE_MATCH).iter().any(|value| matches_tag(value, &tag));
    let body = match coding {
        _ if known => Bytes::new(),
        Coding::Brotli => file.brotli.clone().unwrap_or_default(),
        Coding::Gzip => file.gzip.clone().unwrap_or_default(),
        Coding::Identity => file.plain(),
    };
    let mut response = Response::new(Body::from(body));
    let answer = response.headers_mut();
    answer.insert(header::ETAG, tag);
    answer.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static(life));
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    answer.insert(header::CONTENT_TYPE, file.kind.clone());
    if !matches!(coding, Coding::Identity) {
        answer.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    }
    response
}

fn suffixed(tag: &HeaderValue, coding: &str) -> HeaderValue {
    let opaque = tag.to_str().unwrap_or_default().trim_matches('"');
    HeaderValue::try_from(format!("\"{opaque}-{coding}\"")).unwrap_or_else(|_| tag.clone())
}

/// `If-None-Match`, which compares weakly: a proxy may have weakened the tag.
fn matches_tag(value: &HeaderValue, tag: &HeaderValue) -> bool {
    let (Ok(list), Ok(tag)) = (value.to_str(), tag.to_str()) else { return false };
    list.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Identity,
    Brotli,
    Gzip,
}

impl Coding {
    fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }
}

/// The best coding that there is and that the client takes; the smallest file wins a tie.
fn choose(headers: &HeaderMap, brotli: bool, gzip: bool) -> Coding {
    let mut weights: HashMap<String, f32> = HashMap::new();
    for value in headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()) {
        for part in value.split(',') {
            let mut pieces = part.split(';').map(str::trim);
            let name = pieces.next().unwrap_or_default().to_ascii_lowercase();
            let weight = pieces.find_map(|piece| piece.strip_prefix("q=")?.parse().ok()).unwrap_or(1.0);
            weights.insert(name, weight);
        }
    }
    let weight = |name: &str| weights.get(name).or_else(|| weights.get("*")).copied().unwrap_or(0.0);
    let identity = weights.get("identity").copied();
    let mut best = (Coding::Identity, identity.unwrap_or(f32::MIN_POSITIVE));
    for (coding, there) in [(Coding::Gzip, gzip), (Coding::Brotli, brotli)] {
        let weight = weight(coding.name());
        if there && weight > 0.0 && weight >= best.1 {
            best = (coding, weight);
        }
    }
    best.0
}

fn accepts_html(headers: &HeaderMap) -> bool {
    let Some(accept) = headers.get(header::ACCEPT) else { return true };
    let accept = accept.to_str().unwrap_or_default();
    accept
        .split(',')
        .filter_map(|range| range.split(';').next())
        .map(str::trim)
        .any(|range| matches!(range, "text/html" | "text/*" | "*/*" | "application/xhtml+xml"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};
    use http_body_util::BodyExt;

    use super::*;

    fn with(name: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    fn file() -> File {
        File {
            kind: HeaderValue::from_static("text/javascript; charset=utf-8"),
            tag: HeaderValue::from_static("\"abc\""),
            brotli: Some(Bytes::from_static(b"brotli")),
            gzip: Some(Bytes::from_static(b"gzip")),
            plain: OnceLock::from(Bytes::from_static(b"plain")),
        }
    }

    #[test]
    fn the_client_says_which_coding_it_takes() {
        let chosen = |accept| choose(&with(header::ACCEPT_ENCODING, accept), true, true);
        assert_eq!(choose(&HeaderMap::new(), true, true), Coding::Identity);
        assert_eq!(chosen("gzip, deflate, br, zstd"), Coding::Brotli);
        assert_eq!(chosen("gzip"), Coding::Gzip);
        assert_eq!(chosen("br;q=0, gzip;q=0.5"), Coding::Gzip);
        assert_eq!(chosen("br;q=0.2, gzip;q=0.8"), Coding::Gzip);
        assert_eq!(chosen("*"), Coding::Brotli);
        assert_eq!(chosen("identity"), Coding::Identity);
        assert_eq!(chosen("br;q=0, gzip;q=0"), Coding::Identity);
        assert_eq!(choose(&with(header::ACCEPT_ENCODING, "br, gzip"), false, true), Coding::Gzip);
    }

    #[tokio::test]
    async fn a_file_is_served_in_its_coding_with_a_tag_of_its_own() {
        let response = serve(&file(), &with(header::ACCEPT_ENCODING, "br"), Life::Immutable);
        assert_eq!(response.headers()[header::CONTENT_ENCODING], "br");
        assert_eq!(response.headers()[header::ETAG], "\"abc-br\"");
        assert_eq!(response.headers()[header::VARY], "Accept-Encoding");
        assert_eq!(response.headers()[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "brotli");
    }

    #[tokio::test]
    async fn who_takes_no_coding_gets_the_file_itself() {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(b"let a = 1").unwrap();
        let gzip = Some(packed.finish().unwrap().into());
        let file = File { gzip, plain: OnceLock::new(), ..file() };
        let response = serve(&file, &HeaderMap::new(), Life::Immutable);
        assert!(!response.headers().contains_key(header::CONTENT_ENCODING));
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "let a = 1");
    }

    #[test]
    fn a_file_that_the_browser_has_is_not_sent_again() {
        let asked = with(header::IF_NONE_MATCH, "W/\"abc\", \"x\"");
        assert_eq!(serve(&file(), &asked, Life::Checked).status(), StatusCode::NOT_MODIFIED);
        let asked = with(header::IF_NONE_MATCH, "\"abc-br\"");
        assert_eq!(serve(&file(), &asked, Life::Checked).status(), StatusCode::OK);
    }

    async fn get(path: &str, accept: &'static str) -> Response {
        let request = Request::get(path).header(header::ACCEPT, accept).body(Body::empty()).unwrap();
        fallback(request).await
    }

    #[tokio::test]
    async fn a_place_in_the_dashboard_is_its_page_and_a_missing_file_is_not() {
        for path in ["/", "/leads", "/pipeline/deep"] {
            let response = get(path, "text/html,application/xhtml+xml").await;
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            let life = response.headers()[header::CACHE_CONTROL].to_str().unwrap();
            assert!(life == "no-cache" || life == "no-store", "{life}");
        }
        for (path, accept) in [
            ("/assets/gone-123.js", "*/*"),
            ("/assets/gone-123.js", "text/html"),
            ("/leads", "application/json"),
            ("/api/nothing", "text/html"),
        ] {
            assert_eq!(get(path, accept).await.status(), StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[tokio::test]
    async fn a_page_is_only_read() {
        let request = Request::post("/leads").body(Body::empty()).unwrap();
        let response = fallback(request).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(response.headers()[header::ALLOW], "GET,HEAD");
    }

    #[test]
    fn the_page_of_an_unbuilt_dashboard_has_nothing_that_its_policy_forbids() {
        for page in [UNBUILT, UNBUILT_DOCS] {
            assert!(!page.contains("<script") && !page.contains("style"), "{page}");
        }
    }

    #[test]
    fn scripts_have_the_type_that_browsers_ask_for() {
        assert_eq!(media_type("assets/a.js"), "text/javascript; charset=utf-8");
        assert_eq!(media_type("a.css"), "text/css; charset=utf-8");
        assert_eq!(media_type("manifest.webmanifest"), "application/manifest+json");
        assert_eq!(media_type("a.woff2"), "font/woff2");
    }
}
