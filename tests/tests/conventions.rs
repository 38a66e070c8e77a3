//! What holds for every path: the form of errors, statuses, query parameters, times, request ids, bounds and headers.

use std::io::Write;

use anyhow::{Result, ensure};
use leadline_tests::{Client, System, in_every_mode, query, text, unknown_id};
use reqwest::Method;
use serde_json::{Value, json};

in_every_mode!(
    every_error_is_a_complete_problem,
    a_method_that_a_path_does_not_know_is_told_which_ones_it_does,
    every_bad_field_is_told_at_once,
    a_refused_write_has_written_nothing,
    an_allowed_word_is_named_when_another_was_given,
    fields_of_the_server_are_not_taken_from_a_body,
    a_body_that_is_not_json_is_told_from_one_that_is_wrong,
    a_body_has_a_media_type_and_a_largest_size,
    every_bad_query_parameter_is_told_at_once,
    a_query_parameter_can_be_given_only_once,
    times_are_taken_with_any_offset_and_given_in_utc,
    a_request_has_one_id_in_header_and_problem,
    a_list_has_items_a_cursor_and_a_total,
    every_answer_is_protected_by_its_headers,
    head_answers_as_get_without_a_body,
    identity_headers_of_strangers_are_ignored,
    identical_names_in_a_path_with_odd_escapes_are_not_found,
);

async fn every_error_is_a_complete_problem(system: &'static System) -> Result<()> {
    let owner = system.register("Una Owner").await?;
    let viewer = owner.invite("Vic Viewer", "viewer").await?;
    let stranger = Client::stranger(system.base());
    let lead = owner.lead("Ada").await?;
    let path = format!("/leads/{}", text(&lead, "id"));

    let raw =
        owner.request(Method::POST, "/leads").header("content-type", "application/json").body("{\"name\":");
    owner.send(raw).await?.problem(400, "not-json")?;
    let unauthorised = stranger.get("/leads").await?.problem(401, "unauthenticated")?;
    ensure!(unauthorised.header("www-authenticate").starts_with("Bearer"), "{:?}", unauthorised.headers);
    viewer.post("/leads", &json!({ "name": "Bob" })).await?.problem(403, "forbidden")?;
    owner.get(&format!("/leads/{}", unknown_id())).await?.problem(404, "not-found")?;
    owner.get("/leads/not-an-id").await?.problem(404, "not-found")?;
    owner.get("/nothing/here").await?.problem(404, "not-found")?;
    stranger.get("//api/v2/leads").await?.problem(404, "not-found")?;
    owner.delete("/leads").await?.problem(405, "method-not-allowed")?;
    let member = format!("/workspace/members/{}", owner.user);
    let conflict = owner.delete(&member).await?.expect(409)?;
    let kind = conflict.text("type").trim_start_matches("/problems/").to_owned();
    conflict.problem(409, &kind)?;
    let stale = owner.with(("if-match", "\"99\""), Method::PATCH, &path, &json!({ "name": "Eve" })).await?;
    stale.problem(412, "version-mismatch")?;
    let large = owner.request(Method::POST, "/leads").header("content-type", "application/json");
    owner.send(large.body(" ".repeat(1024 * 1024 + 1))).await?.problem(413, "too-large")?;
    let plain =
        owner.request(Method::POST, "/leads").header("content-type", "text/plain").body("{\"name\":\"Ada\"}");
    owner.send(plain).await?.problem(415, "unsupported-media-type")?;
    owner.post("/leads", &json!({})).await?.refused(422, &["name"])?;
    owner.get("/leads?limit=0").await?.refused(400, &["limit"])?;
    Ok(())
}

async fn a_method_that_a_path_does_not_know_is_told_which_ones_it_does(
    system: &'static System,
) -> Result<()> {
    let owner = system.register("Una").await?;
    let lead = format!("/leads/{}", text(&owner.lead("Ada").await?, "id"));
    for (method, path, allowed) in [
        ("DELETE", "/leads", vec!["GET", "POST"]),
        ("POST", lead.as_str(), vec!["DELETE", "GET", "PATCH", "PUT"]),
        ("BREW", "/leads", vec!["GET", "POST"]),
        ("PUT", "/auth/me", vec!["DELETE", "GET", "PATCH"]),
        ("GET", "/auth/login", vec!["POST"]),
        ("POST", "/analytics/summary", vec!["GET"]),
        ("DELETE", "/reminders", vec!["GET", "POST"]),
    ] {
        let method = Method::from_bytes(method.as_bytes())?;
        let answer = owner.send(owner.request(method, path)).await?.problem(405, "method-not-allowed")?;
        let mut allow: Vec<&str> = answer.header("allow").split(',').map(str::trim).collect();
        allow.retain(|method| !matches!(*method, "HEAD" | "OPTIONS"));
        allow.sort_unstable();
        ensure!(allow == allowed, "{}: {allow:?}", answer.asked);
    }
    Ok(())
}

async fn every_bad_field_is_told_at_once(system: &'static System) -> Result<()> {
    let owner = system.register("Una").await?;
    let lead = owner.lead("Ada").await?;
    let lead_path = format!("/leads/{}", text(&lead, "id"));
    // Unknown, mistyped and rule-breaking ones together.
    let bad_lead = json!({
        "name": "  ", "email": "nobody", "phone": 5, "company": "c".repeat(201), "source": "Moon", "status": 3,
        "tags": ["fine", "", "t".repeat(51)], "ownerId": unknown_id(), "bogus": 1,
    });
    let bad_lead_fields =
        ["bogus", "company", "email", "name", "ownerId", "phone", "source", "status", "tags[1]", "tags[2]"];
    let mut with_note = bad_lead.clone();
    with_note["note"] = "".into();
    let mut fields = bad_lead_fields.to_vec();
    fields.push("note");
    owner.post("/leads", &with_note).await?.refused(422, &fields)?;
    owner.put(&lead_path, &bad_lead).await?.refused(422, &bad_lead_fields)?;
    owner.patch(&lead_path, &bad_lead).await?.refused(422, &bad_lead_fields)?;
    owner
        .patch(&format!("{lead_path}/status"), &json!({ "status": "Gone", "reason": 5, "why": "x" }))
        .await?
        .refused(422, &["reason", "status", "why"])?;
    owner
        .post(&format!("{lead_path}/notes"), &json!({ "text": " ", "x": 1 }))
        .await?
        .refused(422, &["text", "x"])?;
    let bad_reminder = json!({ "leadId": 7, "dueAt": "tomorrow", "message": "", "assigneeId": unknown_id(), "status": "done" });
    let fields = ["assigneeId", "dueAt", "leadId", "message", "status"];
    owner.post("/reminders", &bad_reminder).await?.refused(422, &fields)?;
    let unknown_lead = json!({ "leadId": unknown_id(), "dueAt": "2026-12-01", "message": "m".repeat(1001) });
    owner.post("/reminders", &unknown_lead).await?.refused(422, &["dueAt", "leadId", "message"])?;
    let bad_workspace = json!({ "name": "", "timezone": "Mars/Olympus", "id": unknown_id(), "version": 7 });
    owner.patch("/workspace", &bad_workspace).await?.refused(422, &["id", "name", "timezone", "version"])?;
    let bad_invitation = json!({ "email": "x", "role": "king", "token": "t" });
    owner.post("/workspace/invitations", &bad_invitation).await?.refused(422, &["email", "role", "token"])?;
    let bad_account = json!({
        "name": "", "email": "x", "password": "short", "workspaceName": "w".repeat(201), "timezone": "Mars",
        "session": "forever", "role": "owner",
    });
    let fields = ["email", "name", "password", "role", "session", "timezone", "workspaceName"];
    Client::stranger(system.base()).post("/auth/register", &bad_account).await?.refused(422, &fields)?;
    let injected = json!({ "email": { "$gt": "" }, "password": { "$ne": "" } });
    Client::stranger(system.base())
        .post("/auth/login", &injected)
        .await?
        .refused(422, &["email", "password"])?;
    owner
        .post("/leads/bulk", &json!({ "ids": ["x", 5], "setStatus": "Gone", "force": true }))
        .await?
        .refused(422, &["force", "ids[1]", "setStatus"])?;
    Ok(())
}

async fn a_refused_write_has_written_nothing(system: &'static System) -> Result<()> {
    let owner = system.register("Una").await?;
    let lead = owner.lead("Ada").await?;
    let path = format!("/leads/{}", text(&lead, "id"));
    owner.post("/leads", &json!({ "name": "Bob", "note": " " })).await?.refused(422, &["note"])?;
    owner.patch(&path, &json!({ "company": "Acme", "bogus": 1 })).await?.refused(422, &["bogus"])?;
    owner.patch(&path, &json!({ "status": "Lost", "email": "no" })).await?.refused(422, &["email"])?;
    owner
        .post("/leads/bulk", &json!({ "filter": {}, "delete": true, "setStatus": "Lost" }))
        .await?
        .expect(422)?;
    let page = owner.get("/leads").await?.expect(200)?;
    ensure!(page.ids() == [text(&lead, "id")], "{}", page.body);
    ensure!(owner.get(&path).await?.expect(200)?.body == lead);
    let log = owner.get(&format!("{path}/activity")).await?.expect(200)?;
    ensure!(log.items().len() == 1, "{}", log.body);
    Ok(())
}

async fn an_allowed_word_is_named_when_another_was_given(system: &'static System) -> Result<()> {
    let owner = system.register("Una").await?;
    let answer = owner.post("/leads", &json!({ "name": "A", "source": "website", "status": "won" })).await?;
    let answer = answer.refused(422, &["source", "status"])?;
    for (field, words) in [
        ("source", &["Website", "Referral", "Ad", "Other"][..]),
        ("status", &["New", "Contacted", "Qualified", "Converted", "Lost"]),
    ] {
        let errors = answer.body["errors"].as_array().cloned().unwrap_or_default();
        let message = errors.iter().find(|error| error["field"] == field).map(|error| text(error, "message"));
        ensure!(
            message.is_some_and(|message| words.iter().all(|word| message.contains(word))),
            "{message:?}"
        );
    }
    Ok(())
}

async fn fields_of_the_server_are_not_taken_from_a_body(system: &'static System) -> Result<()> {
    let owner = system.register("Una").await?;
    let names = [
        "id",
        "version",
        "createdAt",
        "updatedAt",
        "statusChangedAt",
        "lastActivityAt",
        "nextFollowUpAt",
        "createdBy",
        "owner",
        "notes",
        "noteCount",
        "workspaceId",
        "deletedAt",
        "_id",
        "$where",
        "a.b",
        "__proto__",
    ];
    let mut body = json!({ "name": "Ada" });
    for name in names {
        body[name] = "x".into();
    }
    owner.post("/leads", &body).await?.refused(422, &names)?;
    let lead = owner.lead("Ada").await?;
    owner.patch(&format!("/leads/{}", text(&lead, "id")), &body).await?.refused(422, &names)?;
    Ok(())
}

async fn a_body_that_is_not_json_is_told_from_one_that_is_wrong(system: &'static System) -> Result<()> {
    let owner = system.register("Una").await?;
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    for bad in [
        &b""[..],
        b"name=Ada",
        b"{\"name\":\"Ada\",}",
        b"{\"name\":\"\\ud800\"}",
        b"{\"name\":\"\xff\"}",
        b"{name:1}",
        b"{\"name\":\"Ada\",\"name\":\"Eve\"}",
        b"{\"name\":1e400}",
        b"{\"name\":\"Ada\"} {}",
        deep.as_bytes(),
    ] {
        let request = owner.request(Method::POST, "/leads").header("content-type", "application/json");
        owner.send(request.body(bad.to_vec())).await?.problem(400, "not-json")?;
    }
    for wrong in ["[]", "\"Ada\"", "null", "7", "true"] {
        let request = owner.request(Method::POST, "/leads").header("content-type", "application/json");
        owner.send(request.body(wrong)).await?.problem(422, "validation")?;
    }
    Ok(())
}

async fn a_body_has_a_media_type_and_a_largest_size(system: &'static System) -> Result<()> {
    let owner = system.register("Una").await?;
    let post = |kind: &str| owner.request(Method::POST, "/leads").header("content-type", kind);
    for good in ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=\"UTF-8\""]
    {
        owner.send(post(good).body("{\"name\":\"Ada\"}")).await?.expect(201)?;
    }
    let kinds = [
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "application/jsonx",
        "application/json; charset=latin1",
        "multipart/form-data; boundary=x",
        "application/merge-patch+json",
    ];
    for bad in kinds {
        owner.send(post(bad).body("{\"name\":\"Ada\"}")).await?.problem(415, "unsupported-media-type")?;
    }
    let untyped = owner.request(Method::POST, "/leads").body("{\"name\":\"Ada\"}");
    owner.send(untyped).await?.problem(415, "unsupported-media-type")?;
    let packed = post("application/json").header("content-encoding", "gzip").body("{\"name\":\"Ada\"}");
    owner.send(packed).await?.problem(415, "unsupported-media-type")?;
    // A bomb: less than a mebibyte, which unpacks to nearly a gibibyte (members of gzip may follow each other). Nothing is unpacked.
    let mut member = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    member.write_all(&vec![b' '; 1024 * 1024])?;
    let bomb = member.finish()?.repeat(900);
    ensure!(bomb.len() < 1024 * 1024, "{} bytes", bomb.len());
    for encoding in ["gzip", "deflate", "br", "zstd", "gzip, gzip", "GZIP"] {
        for kind in ["application/json", "text/csv"] {
            let path = if kind == "text/csv" { "/leads/import" } else { "/leads" };
            let request = owner.request(Method::POST, path).header("content-type", kind);
            let bomb = request.header("content-encoding", encoding).body(bomb.clone());
            let began = std::time::Instant::now();
            match owner.send(bomb).await {
                Ok(answer) => drop(answer.problem(415, "unsupported-media-type")?),
                // The answer may come while the body is still being sent; the connection is then closed under it.
                Err(_) => drop(owner.get("/leads?limit=1").await?.expect(200)?),
            }
            ensure!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
        }
    }
    let lead = owner.lead("Ada").await?;
    let patch = owner.request(Method::PATCH, &format!("/leads/{}", text(&lead, "id")));
    let patch = patch.header("content-type", "application/merge-patch+json").body("{\"company\":\"Acme\"}");
    owner.send(patch).await?.expect(200)?;

    let mut largest = "{\"name\":\"Ada\"}".to_owned();
    largest.push_str(&" ".repeat(1024 * 1024 - largest.len()));
    owner.send(post("application/json").body(largest.clone())).await?.expect(201)?;
    largest.push(' ');
    owner.send(post("application/json").body(largest)).await?.problem(413, "too-large")?;
    // Without a Content-Length: it is found out while reading.
    let chunks = (0..1100).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1024]));
    let body = reqwest::Body::wrap_stream(futures::stream::iter(chunks));
    match owner.send(post("application/json").body(body)).await {
        Ok(answer) => drop(answer.problem(413, "too-large")?),
        // The answer may come while the body is still being sent; the connection is then closed under it.
        Err(_) => drop(owner.get("/leads?limit=1").await?.expect(200)?),
    }
    Ok(())
}

async fn every_bad_query_parameter_is_told_at_once(system: &'static System) -> Result<()> {
    let owner = system.register("Una").await?;
    let lead = text(&owner.lead("Ada").await?, "id").to_owned();
    let everything = query(&[
        ("status[$gt]", ""),
        ("limit", "1e9"),
        ("sort", "colour"),
        ("tz", "Mars/Olympus"),
        ("owner", "x"),
        ("createdFrom", "yesterday"),
        ("inactiveFor", "soon"),
        ("trashed", "maybe"),
        ("source", "Moon"),
        ("$where", "1"),
        ("followUp", "never"),
        ("status", "new"),
    ]);
    let names = [
        "status[$gt]",
        "limit",
        "sort",
        "tz",
        "owner",
        "createdFrom",
        "inactiveFor",
        "trashed",
        "source",
        "$where",
        "followUp",
        "status",
    ];
    owner.get(&format!("/leads{everything}")).await?.refused(400, &names)?;
    for (bad, name) in [
        ("entered=New", "entered"),
        ("entered=Lost,Qualified", "entered"),
        ("enteredFrom=2026-11-01", "entered"),
        ("entered=Lost&enteredTo=soon", "enteredTo"),
    ] {
        owner.get(&format!("/leads?{bad}")).await?.refused(400, &[name])?;
    }
    for path in [
        "/leads".to_owned(),
        format!("/leads/{lead}"),
        format!("/leads/{lead}/notes"),
        format!("/leads/{lead}/activity"),
        "/activity".to_owned(),
        "/reminders".to_owned(),
        "/reminders/today".to_owned(),
        "/reminders/overdue".to_owned(),
        "/analytics/summary".to_owned(),
        "/analytics/by-status".to_owned(),
        "/analytics/by-source".to_owned(),
        "/analytics/created".to_owned(),
        "/analytics/conversion".to_owned(),
        "/analytics/funnel".to_owned(),
        "/analytics/report".to_owned(),
        "/analytics/dashboard".to_owned(),
        "/auth/me".to_owned(),
        "/auth/sessions".to_owned(),
        "/workspace".to_owned(),
        "/workspace/members".to_owned(),
        "/workspace/invitations".to_owned(),
        "/events".to_owned(),
    ] {
        owner.get(&format!("{path}?bogus=1")).await?.refused(400, &["bogus"])?;
    }
    owner.post("/leads?bogus=1", &json!({ "name": "Ada" })).await?.refused(400, &["bogus"])?;
    for limit in ["0", "201", "-1", "1e9", "ten", "", "1.0", "+5", "99999999999999999999"] {
        owner.get(&format!("/leads{}", query(&[("limit", limit)]))).await?.refused(400, &["limit"])?;
    }
    for cursor in ["x", "", "AAAA", "../../etc/passwd", "%00"] {
        for path in ["/leads", "/activity", "/reminders", "/workspace/members", "/workspace/invitations"] {
            owner.get(&format!("{path}{}", query(&[("cursor", cursor)]))).await?.refused(400, &["cursor"])?;
        }
    }
    owner
        .get("/reminders?view=soon&status=late&tz=x&assignee=x&leadId=y")
        .await?
        .refused(400, &["view", "status", "tz", "assignee", "leadId"])?;
    owner
        .get("/analytics/created?interval=year&from=x&to=2026-13-01&tz=x")
        .await?
        .refused(400, &["interval", "from", "to", "tz"])?;
    owner.get("/analytics/conversion?months=0").await?.refused(400, &["months"])?;
    owner.get("/analytics/report?period=year&date=2026-02-30").await?.refused(400, &["period", "date"])?;
    owner.get("/activity?type=lead.exploded&leadId=x").await?.refused(400, &["type", "leadId"])?;
    Ok(())
}

async fn a_query_parameter_can_be_given_only_once(system: &'static System) -> Result<()> {
    let owner = system.register("Una").await?;
    owner.get("/leads?limit=5&limit=6&q=a&q=b&tz=UTC&tz=UTC").await?.refused(400, &["limit", "q", "tz"])?;
    // Lists may be repeated, or have commas, or both.
    owner.get("/leads?status=New&status=Lost,Contacted&source=Ad&tag=a,b&tag=c").await?.expect(200)?;
    Ok(())
}

async fn times_are_taken_with_any_offset_and_given_in_utc(system: &'static System) -> Result<()> {
    let owner = system.register("Una").await?;
    let lead = owner.lead("Ada").await?;
    let id = text(&lead, "id");
    for name in ["createdAt", "updatedAt", "statusChangedAt", "lastActivityAt"] {
        let at = text(&lead, name);
        ensure!(at.len() == 24 && at.ends_with('Z') && at.as_bytes()[19] == b'.', "{name}: {at}");
    }
    for (given, told) in [
        ("2031-03-01T10:00:00+02:00", "2031-03-01T08:00:00.000Z"),
        ("2031-03-01T00:30:00.1239-05:30", "2031-03-01T06:00:00.123Z"),
        ("2031-03-01T10:00:00z", "2031-03-01T10:00:00.000Z"),
    ] {
        let body = json!({ "leadId": id, "dueAt": given, "message": "Call" });
        let reminder = owner.post("/reminders", &body).await?.expect(201)?;
        ensure!(reminder.text("dueAt") == told, "{given}: {}", reminder.body);
    }
    for bad in
        ["2031-03-01T10:00:00", "2031-03-01", "1 March", "2031-02-30T10:00:00Z", "12031-01-01T00:00:00Z", ""]
    {
        let body = json!({ "leadId": id, "dueAt": bad, "message": "Call" });
        owner.post("/reminders", &body).await?.refused(422, &["dueAt"])?;
    }
    // The same instant in two zones, one of them with a `+` that has to be encoded.
    let created = chrono::DateTime::parse_from_rfc3339(text(&lead, "createdAt"))?;
    let elsewhere = created
        .with_timezone(&chrono::FixedOffset::east_opt(5 * 3600 + 45 * 60).unwrap_or(*created.offset()));
    for at in [created.to_rfc3339(), elsewhere.to_rfc3339()] {
        let from = owner.get(&format!("/leads{}", query(&[("createdFrom", &at)]))).await?.expect(200)?;
        ensure!(from.ids() == [id], "from {at}: {}", from.body);
        let to = owner.get(&format!("/leads{}", query(&[("createdTo", &at)]))).await?.expect(200)?;
        ensure!(to.ids().is_empty(), "to {at}: {}", to.body);
    }
    Ok(())
}

async fn a_request_has_one_id_in_header_and_problem(system: &'static System) -> Result<()> {
    let owner = system.register("Una").await?;
    let ask = async |id: &str| owner.with(("x-request-id", id), Method::GET, "/leads/x", &Value::Null).await;
    let answer = ask("my-request_7.a").await?.problem(404, "not-found")?;
    ensure!(answer.header("x-request-id") == "my-request_7.a");
    let long = "r".repeat(300);
    for insane in ["a b", "<script>", "a\"b", "{}", long.as_str()] {
        let answer = ask(insane).await?.problem(404, "not-found")?;
        let told = answer.header("x-request-id");
        ensure!(told != insane && uuid::Uuid::parse_str(told).is_ok(), "{insane}: {told}");
    }
    let first = owner.get("/leads").await?.header("x-request-id").to_owned();
    let second = owner.get("/leads").await?.header("x-request-id").to_owned();
    ensure!(!first.is_empty() && first != second);
    Ok(())
}

async fn a_list_has_items_a_cursor_and_a_total(system: &'static System) -> Result<()> {
    let owner = system.register("Una").await?;
    let id = text(&owner.lead_of(&json!({ "name": "Ada", "note": "First" })).await?, "id").to_owned();
    owner
        .post("/reminders", &json!({ "leadId": id, "dueAt": "2031-01-01T00:00:00Z", "message": "Call" }))
        .await?
        .expect(201)?;
    owner
        .post("/workspace/invitations", &json!({ "email": "ina@example.test", "role": "member" }))
        .await?
        .expect(201)?;
    for path in [
        "/leads".to_owned(),
        format!("/leads/{id}/notes"),
        format!("/leads/{id}/activity"),
        "/activity".to_owned(),
        "/reminders".to_owned(),
        "/workspace/members".to_owned(),
        "/workspace/invitations".to_owned(),
    ] {
        let page = owner.get(&path).await?.expect(200)?;
        let count = page.items().len();
        ensure!(count >= 1, "{path}: {}", page.body);
        ensure!(page.body["nextCursor"].is_null(), "{path}: {}", page.body);
        ensure!(page.body["total"] == json!({ "value": count, "relation": "eq" }), "{path}: {}", page.body);
        ensure!(page.body.as_object().is_some_and(|page| page.len() == 3), "{path}: {}", page.body);
    }
    Ok(())
}

async fn every_answer_is_protected_by_its_headers(system: &'static System) -> Result<()> {
    let owner = system.register("Una").await?;
    let stranger = Client::stranger(system.base());
    for answer in [
        owner.get("/leads").await?.expect(200)?,
        owner.post("/leads", &json!({ "name": "Ada" })).await?.expect(201)?,
        owner.get("/leads/x").await?.expect(404)?,
        stranger.get("/leads").await?.expect(401)?,
        owner.delete("/leads").await?.expect(405)?,
        owner.get("/analytics/dashboard").await?.expect(200)?,
        owner.get("/auth/me").await?.expect(200)?,
        stranger.get("//readyz").await?.expect(200)?,
    ] {
        ensure!(
            answer.header("cache-control").contains("no-store"),
            "{}: {:?}",
            answer.asked,
            answer.headers
        );
        ensure!(answer.header("content-security-policy").contains("default-src 'none'"), "{}", answer.asked);
    }
    for path in ["//", "//api/docs", "//api/openapi.json", "//healthz", "//leads", "//api/v1/leads"] {
        let answer = stranger.get(path).await?;
        let policy = answer.header("content-security-policy");
        ensure!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        let scripts = policy.split(';').find(|part| part.contains("script-src")).unwrap_or_default();
        ensure!(!scripts.contains("unsafe") && !scripts.contains('*'), "{path}: {policy}");
        ensure!(answer.header("x-content-type-options") == "nosniff", "{path}");
        ensure!(answer.header("referrer-policy") == "no-referrer", "{path}");
        ensure!(answer.header("access-control-allow-origin").is_empty(), "{path}");
    }
    Ok(())
}

async fn head_answers_as_get_without_a_body(system: &'static System) -> Result<()> {
    let owner = system.register("Una").await?;
    let lead = owner.lead("Ada").await?;
    let path = format!("/leads/{}", text(&lead, "id"));
    let head = owner.send(owner.request(Method::HEAD, &path)).await?.expect(200)?;
    ensure!(head.body.is_null() && head.header("etag") == "\"1\"", "{:?}", head.headers);
    let missing = owner.send(owner.request(Method::HEAD, "/leads/x")).await?.expect(404)?;
    ensure!(missing.body.is_null());
    Ok(())
}

async fn identity_headers_of_strangers_are_ignored(system: &'static System) -> Result<()> {
    let owner = system.register("Una").await?;
    let other = system.register("Otto").await?;
    owner.lead("Ada").await?;
    let pretend = |client: &Client, method: Method, path: &str| {
        client
            .request(method, path)
            .header("x-user-id", &owner.user)
            .header("x-workspace-id", &owner.workspace)
            .header("x-role", "owner")
            .header(
                "grpc-metadata-authorization",
                format!("Bearer {}", owner.token.as_deref().unwrap_or_default()),
            )
            .header("grpc-metadata-x-workspace-id", &owner.workspace)
            .header("leadline-service-secret", "x")
    };
    let page = other.send(pretend(&other, Method::GET, "/leads")).await?.expect(200)?;
    ensure!(page.items().is_empty(), "{}", page.body);
    let me = other.send(pretend(&other, Method::GET, "/auth/me")).await?.expect(200)?;
    ensure!(
        me.body["user"]["id"] == other.user.as_str()
            && me.body["workspace"]["id"] == other.workspace.as_str()
    );
    let made = other
        .send(pretend(&other, Method::POST, "/leads").json(&json!({ "name": "Eve" })))
        .await?
        .expect(201)?;
    ensure!(made.body["createdBy"]["id"] == other.user.as_str(), "{}", made.body);
    let stranger = Client::stranger(system.base());
    stranger.send(pretend(&stranger, Method::GET, "/leads")).await?.problem(401, "unauthenticated")?;
    Ok(())
}

async fn identical_names_in_a_path_with_odd_escapes_are_not_found(system: &'static System) -> Result<()> {
    let owner = system.register("Una").await?;
    let id = text(&owner.lead("Ada").await?, "id").to_owned();
    owner.get(&format!("/leads/{id}")).await?.expect(200)?;
    for odd in [
        "%00".to_owned(),
        "%2e%2e%2fauth%2fme".to_owned(),
        format!("{id}%00"),
        format!("{id}%0d%0aX: y"),
        format!("{id}%20"),
        format!("{{{id}}}"),
        id.replace('-', ""),
        "%ff".to_owned(),
        "x".repeat(5000),
        "'%20or%201=1--".to_owned(),
    ] {
        let answer = owner.get(&format!("/leads/{odd}")).await?;
        let status = answer.status.as_u16();
        ensure!(status == 404 || status == 400, "{odd}: {status} {}", answer.body);
    }
    Ok(())
}
