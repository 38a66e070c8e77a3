use axum::body::Body;
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::HeaderMap;
use leadline_proto::leads::start_import_request::Part;

use super::*;

/// What came of an upload: the file, the options, or the status of a refusal.
type Came = Result<(Vec<u8>, proto::ImportOptions), u16>;

async fn upload(content_type: &str, body: Body) -> Came {
    upload_within(content_type, body, Duration::from_secs(60)).await
}

async fn upload_within(content_type: &str, body: Body, idle: Duration) -> Came {
    let headers =
        HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap())]);
    let form = Form::of(&headers).map_err(|problem| problem.status().as_u16())?;
    let (out, mut pieces) = mpsc::channel(upload::WAITING);
    let mut upload = Upload::new(out, Options::of_form(true));
    upload.idle = idle;
    let given = tokio::spawn(upload.run(form, body));
    let (mut file, mut options) = (Vec::new(), None);
    while let Some(message) = pieces.recv().await {
        match message.part.unwrap() {
            Part::Chunk(chunk) => {
                assert!(options.is_none() && (1..=1024 * 1024).contains(&chunk.len()));
                file.extend_from_slice(&chunk);
            }
            Part::Options(last) => assert!(options.replace(last).is_none()),
        }
    }
    match given.await.unwrap() {
        Ok(()) => Ok((file, options.unwrap())),
        Err(Cut::Client(problem)) => {
            assert!(options.is_none(), "there are options behind half a file");
            Err(problem.status().as_u16())
        }
        Err(Cut::Service) => panic!("nobody has left"),
    }
}

/// A body that comes in pieces of this size.
fn pieces(bytes: &[u8], size: usize) -> Body {
    let pieces: Vec<_> =
        bytes.chunks(size).map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece))).collect();
    Body::from_stream(stream::iter(pieces))
}

fn form(fields: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in fields {
        let file =
            if *name == "file" { "; filename=\"Kunden Köln.csv\"\r\nContent-Type: text/csv" } else { "" };
        text += &format!("--b0\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{value}\r\n");
    }
    text + "--b0--\r\n"
}

const FORM: &str = "multipart/form-data; boundary=b0";

fn faults(options: &proto::ImportOptions) -> Vec<&str> {
    options.faults.iter().map(|fault| fault.field.as_str()).collect()
}

#[tokio::test]
async fn a_file_goes_through_as_it_is_and_its_options_behind_it() {
    let csv = "name\r\n".repeat(400_000);
    let (file, options) = upload("text/csv", Body::from(csv.clone())).await.unwrap();
    assert!(file == csv.as_bytes());
    let again = upload("text/csv; charset=UTF-8", pieces(csv.as_bytes(), 1000)).await.unwrap();
    assert_eq!(again.1.body_fingerprint, options.body_fingerprint);
    let other = upload(XLSX, pieces(b"PK", 1)).await.unwrap();
    assert_ne!(other.1.body_fingerprint, options.body_fingerprint);
}

#[tokio::test]
async fn a_form_is_read_whatever_its_order_and_wherever_its_pieces_end() {
    let csv = "name\r\n--b\r\n--b1\rAda\n".repeat(50);
    let text = form(&[("dryRun", "true"), ("file", &csv), ("onDuplicate", "update"), ("tz", "UTC")]);
    let mut prints = std::collections::HashSet::new();
    for size in [1, 2, 7, 1000, text.len()] {
        let (file, options) = upload(FORM, pieces(text.as_bytes(), size)).await.unwrap();
        assert_eq!(String::from_utf8(file).unwrap(), csv.trim_end_matches("\r\n"));
        assert_eq!(
            (options.file_name.as_str(), options.dry_run, options.tz.as_str()),
            ("Kunden Köln.csv", true, "UTC")
        );
        assert!(faults(&options).is_empty());
        prints.insert(options.body_fingerprint);
    }
    assert_eq!(prints.len(), 1);
}

#[tokio::test]
async fn all_that_is_wrong_with_a_form_is_told_at_its_end() {
    let text =
        form(&[("x", "1"), ("dryRun", "yes"), ("file", "a"), ("file", "b"), ("tz", "UTC"), ("tz", "UTC")]);
    let (file, options) = upload(FORM, Body::from(text)).await.unwrap();
    assert_eq!((file.as_slice(), faults(&options)), (&b"a"[..], vec!["x", "dryRun", "file", "tz"]));
    let (_, options) = upload(FORM, Body::from(form(&[("mapping", &" ".repeat(70_000))]))).await.unwrap();
    assert_eq!(faults(&options), ["mapping", "file"]);
}

#[tokio::test]
async fn a_body_that_ends_early_or_is_no_form_is_no_import() {
    let text = form(&[("file", "name\r\nAda")]);
    for end in [0, 5, 40, 90, text.len() - 6] {
        assert_eq!(upload(FORM, pieces(&text.as_bytes()[..end], 16)).await, Err(400), "{end}");
    }
    let broken = stream::iter([Ok(Bytes::from_static(b"name\r\n")), Err(std::io::Error::other("reset"))]);
    assert_eq!(upload("text/csv", Body::from_stream(broken)).await, Err(400));
    assert_eq!(upload("multipart/form-data", Body::empty()).await, Err(400));
    let endless = format!("--b0\r\nX-Long: {}", "x".repeat(2 * 1024 * 1024));
    assert_eq!(upload(FORM, pieces(endless.as_bytes(), 16 * 1024)).await, Err(400));
    let many: Vec<_> = std::iter::repeat_n(("x", ""), 60).collect();
    assert_eq!(upload(FORM, Body::from(form(&many))).await, Err(400));
}

#[tokio::test]
async fn what_is_neither_a_table_nor_a_form_is_not_taken() {
    for bad in ["application/json", "text/plain", "text/csv; charset=utf-16", "application/zip", "image/png"]
    {
        assert_eq!(upload(bad, Body::empty()).await, Err(415), "{bad}");
    }
    let mut headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("text/csv"))]);
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    assert_eq!(Form::of(&headers).err().unwrap().status(), 415);
}

#[tokio::test]
async fn more_than_the_limit_is_refused_told_or_not() {
    let piece = Bytes::from(vec![b'x'; 1024 * 1024]);
    let body = |count: usize, more: &'static [u8]| {
        let pieces = std::iter::repeat_n(piece.clone(), count).chain([Bytes::from_static(more)]);
        Body::from_stream(stream::iter(pieces.map(Ok::<_, std::io::Error>)))
    };
    assert_eq!(upload("text/csv", body(100, b"")).await.map(|came| came.0.len()), Ok(upload::LARGEST));
    assert_eq!(upload("text/csv", body(100, b"x")).await.map(drop), Err(413));
    let mut headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("text/csv"))]);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(upload::LARGEST + 1));
    assert_eq!(Form::of(&headers).err().unwrap().status(), 413);
}

#[tokio::test]
async fn a_client_that_sends_nothing_more_is_cut_off() {
    let idle = Duration::from_millis(50);
    let stuck =
        stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"name\r\n"))]).chain(stream::pending());
    assert_eq!(upload_within("text/csv", Body::from_stream(stuck), idle).await, Err(503));
    let head = "--b0\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nname";
    let stuck = stream::iter([Ok::<_, std::io::Error>(Bytes::from(head))]).chain(stream::pending());
    assert_eq!(upload_within(FORM, Body::from_stream(stuck), idle).await, Err(503));
}

#[test]
fn only_the_sending_of_a_file_takes_its_time() {
    assert!(
        is_upload(&Method::POST, "/api/v1/leads/import") && is_upload(&Method::POST, "/api/v1/leads/import/")
    );
    assert!(!is_upload(&Method::GET, "/api/v1/leads/import"));
    assert!(!is_upload(&Method::POST, "/api/v1/leads/imports/x/undo"));
}
