//! How files come in: as a body or in a form, fast, slowly, twice, too large, broken off, and not tables at all.

use std::{io, time::Duration};

use anyhow::{Result, ensure};
use futures::{StreamExt, stream};
use leadline_testbed::wait_until;
use leadline_tests::{
    Answer, Client, System,
    imports::{XLSX, counts, over, send, send_as},
    in_every_mode, query, text,
};
use reqwest::{Body, Method};
use serde_json::Value;

in_every_mode!(
    a_form_is_taken_whatever_its_order,
    every_bad_option_is_told_at_once,
    what_is_no_table_is_refused_with_a_clear_sentence,
    the_same_file_with_the_same_key_is_taken_once,
    a_client_that_breaks_off_leaves_nothing,
    a_client_slower_than_the_deadline_of_requests_is_waited_for,
    a_file_of_more_than_100_mib_is_refused,
);

const CSV: &str = "Name,Email\nAda,ada@example.test\nBob,bob@example.test\n";

/// The body of a form with these fields; the one called `file` has a name.
fn form(fields: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in fields {
        let file =
            if *name == "file" { "; filename=\"Kunden Köln.csv\"\r\nContent-Type: text/csv" } else { "" };
        text += &format!("--b0\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{value}\r\n");
    }
    text + "--b0--\r\n"
}

async fn send_form(client: &Client, fields: &[(&str, &str)]) -> Result<Answer> {
    send_as(client, "multipart/form-data; boundary=b0", form(fields), &[]).await
}

async fn imports(client: &Client) -> Result<Vec<Value>> {
    client.all("/leads/imports").await
}

async fn a_form_is_taken_whatever_its_order(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let first =
        [("file", CSV), ("onDuplicate", "create"), ("mapping", "{\"email\": null}"), ("tz", "Asia/Tokyo")];
    let mut last = first;
    last.reverse();
    for fields in [first, last] {
        let sent = send_form(&una, &fields).await?.expect(202)?;
        let done = over(&una, sent.text("id"), "done").await?;
        ensure!(counts(&done) == [2, 0, 0, 0] && done["onDuplicate"] == "create", "{done}");
        ensure!(done["fileName"] == "Kunden Köln.csv" && done["columns"][1]["field"].is_null(), "{done}");
    }
    ensure!(una.all("/leads").await?.iter().all(|lead| lead["email"].is_null()));
    Ok(())
}

async fn every_bad_option_is_told_at_once(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let bad = [
        ("mapping", "[]"),
        ("onDuplicate", "merge"),
        ("dryRun", "yes"),
        ("tz", "Mars/Olympus"),
        ("shoe", "1"),
    ];
    let mut fields = vec![("file", CSV)];
    fields.extend(bad);
    send_form(&una, &fields).await?.refused(422, &["mapping", "onDuplicate", "dryRun", "tz", "shoe"])?;
    send_form(&una, &[("tz", "Mars"), ("dryRun", "true")]).await?.refused(422, &["tz", "file"])?;
    send_form(&una, &[("file", CSV), ("file", CSV)]).await?.refused(422, &["file"])?;
    send(&una, CSV, &bad).await?.refused(400, &["mapping", "onDuplicate", "dryRun", "tz", "shoe"])?;
    let both = una.request(Method::POST, "/leads/import?dryRun=true");
    let both = both.header("content-type", "multipart/form-data; boundary=b0").body(form(&[("file", CSV)]));
    una.send(both).await?.refused(400, &["dryRun"])?;
    ensure!(imports(&una).await?.is_empty() && una.all("/leads").await?.is_empty());
    Ok(())
}

async fn what_is_no_table_is_refused_with_a_clear_sentence(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let png = [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".as_slice(), &[0, 1, 2, 3, 255, 254]].concat();
    let tables: [(&str, Vec<u8>); 7] = [
        ("text/csv", Vec::new()),
        ("text/csv", b"\n\n\n".to_vec()),
        ("text/csv", b"Name,Email\n".to_vec()),
        ("text/csv", b"Shoe,Size\n1,2\n".to_vec()),
        ("text/csv", png.clone()),
        (XLSX, png),
        (XLSX, b"PK\x03\x04 and nothing more".to_vec()),
    ];
    for (media_type, file) in tables {
        let asked = String::from_utf8_lossy(&file).into_owned();
        let refused = send_as(&una, media_type, file, &[]).await?.problem(422, "validation")?;
        let message = text(&refused.body["errors"][0], "message").to_owned();
        ensure!(message.contains(' ') && !message.contains("Error"), "{asked:?}: {}", refused.body);
    }
    for media_type in ["application/json", "text/plain", "application/zip", "application/octet-stream"] {
        send_as(&una, media_type, CSV, &[]).await?.problem(415, "unsupported-media-type")?;
    }
    let broken = send_as(&una, "multipart/form-data; boundary=b0", "no form at all", &[]).await?;
    broken.problem(400, "malformed")?;
    ensure!(imports(&una).await?.is_empty());
    Ok(())
}

async fn the_same_file_with_the_same_key_is_taken_once(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let keyed = async |media_type: &str, body: String, options: &[(&str, &str)]| {
        let request = una.request(Method::POST, &format!("/leads/import{}", query(options)));
        una.send(request.header("content-type", media_type).header("idempotency-key", "k-1").body(body)).await
    };
    let one = keyed("text/csv", CSV.to_owned(), &[("dryRun", "false")]).await?.expect(202)?;
    over(&una, one.text("id"), "done").await?;
    let again = keyed("text/csv", CSV.to_owned(), &[("dryRun", "false")]).await?.expect(202)?;
    ensure!(again.header("idempotency-replayed") == "true", "{:?}", again.headers);
    ensure!(again.body["id"] == one.body["id"], "{} and {}", again.body, one.body);
    for (body, options) in
        [(CSV.to_owned(), [("dryRun", "true")]), (CSV.replace("Bob", "Eve"), [("dryRun", "false")])]
    {
        keyed("text/csv", body, &options).await?.problem(422, "key-reused")?;
    }
    ensure!(imports(&una).await?.len() == 1 && una.all("/leads").await?.len() == 2);
    Ok(())
}

async fn a_client_that_breaks_off_leaves_nothing(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let rows: String = (0..20_000).map(|n| format!("Lead {n},lead{n}@example.test\n")).collect();
    let broken = |head: String| {
        let pieces = [Ok(format!("{head}{rows}")), Err(io::Error::other("the client is gone"))];
        Body::wrap_stream(stream::iter(pieces))
    };
    ensure!(send(&una, broken("Name,Email\n".to_owned()), &[]).await.is_err());
    let head = "--b0\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nName,Email\n".to_owned();
    ensure!(send_as(&una, "multipart/form-data; boundary=b0", broken(head), &[]).await.is_err());
    // A form that ends in good order but has no end of its own.
    let cut = form(&[("file", CSV)]).replace("--b0--\r\n", "");
    send_as(&una, "multipart/form-data; boundary=b0", cut, &[]).await?.problem(400, "malformed")?;
    // A later one is queued behind whatever might be left of them.
    let done = over(&una, send(&una, CSV, &[]).await?.expect(202)?.text("id"), "done").await?;
    ensure!(imports(&una).await?.len() == 1 && una.all("/leads").await?.len() == 2, "{done}");
    Ok(())
}

async fn a_client_slower_than_the_deadline_of_requests_is_waited_for(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let pieces = CSV.as_bytes().chunks(4).map(|piece| Ok::<_, io::Error>(piece.to_vec())).collect::<Vec<_>>();
    let slowly = stream::iter(pieces).then(|piece| async {
        tokio::time::sleep(Duration::from_millis(1_000)).await;
        piece
    });
    let sent = send(&una, Body::wrap_stream(slowly), &[]).await?.expect(202)?;
    ensure!(counts(&over(&una, sent.text("id"), "done").await?) == [2, 0, 0, 0]);
    Ok(())
}

async fn a_file_of_more_than_100_mib_is_refused(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let piece = vec![b'x'; 1024 * 1024];
    let body = || {
        let pieces = std::iter::repeat_n(piece.clone(), 100).chain([b"x".to_vec()]);
        Body::wrap_stream(stream::iter(pieces.map(Ok::<_, io::Error>).collect::<Vec<_>>()))
    };
    let refused = send(&una, body(), &[]).await?.problem(413, "too-large")?;
    ensure!(refused.text("detail").contains("100 MiB"), "{}", refused.body);
    let whole = vec![b'x'; 100 * 1024 * 1024 + 1];
    send(&una, whole, &[]).await?.problem(413, "too-large")?;
    wait_until(Duration::from_secs(20), "nothing is left", async || {
        imports(&una).await.is_ok_and(|imports| imports.is_empty())
    })
    .await?;
    Ok(())
}
