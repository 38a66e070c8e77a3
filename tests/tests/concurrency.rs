//! Versions and `If-Match`, idempotency keys, paging while others write: what many callers at once may rely on.

use std::collections::{BTreeSet, HashMap};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use leadline_tests::{Answer, Client, System, in_every_mode, query, text};
use reqwest::Method;
use serde_json::{Value, json};

in_every_mode!(
    a_version_is_told_as_a_tag_and_raised_by_every_write,
    a_write_is_carried_out_only_on_the_version_that_it_names,
    a_malformed_condition_is_refused,
    of_two_patches_with_one_tag_one_is_refused,
    patches_of_different_fields_at_once_both_survive,
    a_hundred_writers_on_one_lead_leave_versions_without_a_gap,
    the_same_post_with_the_same_key_is_carried_out_once,
    every_post_can_have_a_key,
    a_key_with_another_body_is_refused,
    a_key_belongs_to_its_user_workspace_and_path,
    a_malformed_key_is_refused,
    fifty_posts_at_once_with_one_key_make_one_lead,
    completing_and_deleting_a_reminder_at_once_leaves_it_deleted,
    paging_never_repeats_or_skips_what_was_there_throughout,
    a_cursor_is_good_for_its_own_query_only,
    every_list_can_be_paged,
);

async fn a_version_is_told_as_a_tag_and_raised_by_every_write(system: &'static System) -> Result<()> {
    let owner = system.register("Una").await?;
    let made = owner.post("/leads", &json!({ "name": "Ada" })).await?.expect(201)?;
    let path = format!("/leads/{}", made.text("id"));
    let check = |answer: &Answer, version: u64| -> Result<()> {
        ensure!(answer.body["version"] == version, "{}: {}", answer.asked, answer.body);
        ensure!(answer.header("etag") == format!("\"{version}\""), "{}: {:?}", answer.asked, answer.headers);
        Ok(())
    };
    check(&made, 1)?;
    check(&owner.patch(&path, &json!({ "company": "Acme" })).await?.expect(200)?, 2)?;
    check(&owner.patch(&path, &json!({ "company": "Acme" })).await?.expect(200)?, 2)?;
    check(&owner.put(&path, &json!({ "name": "Ada", "status": "Lost" })).await?.expect(200)?, 3)?;
    check(&owner.patch(&format!("{path}/status"), &json!({ "status": "New" })).await?.expect(200)?, 4)?;
    let note = owner.post(&format!("{path}/notes"), &json!({ "text": "Hello" })).await?.expect(201)?;
    check(&owner.get(&path).await?.expect(200)?, 5)?;
    owner.delete(&format!("{path}/notes/{}", note.text("id"))).await?.expect(204)?;
    owner.delete(&path).await?.expect(204)?;
    check(&owner.act(&format!("{path}/restore")).await?.expect(200)?, 8)?;

    let body = json!({ "leadId": made.text("id"), "dueAt": "2031-01-01T00:00:00Z", "message": "Call" });
    let reminder = owner.post("/reminders", &body).await?.expect(201)?;
    check(&reminder, 1)?;
    let path = format!("/reminders/{}", reminder.text("id"));
    check(&owner.get(&path).await?.expect(200)?, 1)?;
    check(&owner.patch(&path, &json!({ "message": "Write" })).await?.expect(200)?, 2)?;
    check(&owner.act(&format!("{path}/complete")).await?.expect(200)?, 3)?;
    check(&owner.act(&format!("{path}/complete")).await?.expect(200)?, 3)?;
    check(&owner.act(&format!("{path}/reopen")).await?.expect(200)?, 4)?;
    let until = json!({ "until": "2031-02-01T00:00:00Z" });
    check(&owner.post(&format!("{path}/snooze"), &until).await?.expect(200)?, 5)?;

    let workspace = owner.get("/workspace").await?.expect(200)?;
    let version = workspace.body["version"].as_u64().context("no version")?;
    check(&workspace, version)?;
    check(&owner.patch("/workspace", &json!({ "name": "Another" })).await?.expect(200)?, version + 1)?;
    check(&owner.patch("/workspace", &json!({ "name": "Another" })).await?.expect(200)?, version + 1)
}

/// Every write that a condition can be put on, each on a fresh thing of version 1, with what it answers when it is met.
async fn conditional_writes(owner: &Client) -> Result<Vec<(Method, String, Value, u16)>> {
    let lead = async || -> Result<String> { Ok(format!("/leads/{}", text(&owner.lead("Ada").await?, "id"))) };
    let reminder = async || -> Result<String> {
        let lead = owner.lead("Ada").await?;
        let body = json!({ "leadId": lead["id"], "dueAt": "2031-01-01T00:00:00Z", "message": "Call" });
        Ok(format!("/reminders/{}", owner.post("/reminders", &body).await?.expect(201)?.text("id")))
    };
    let until = json!({ "until": "2032-01-01T00:00:00Z" });
    Ok(vec![
        (Method::PATCH, lead().await?, json!({ "company": "Acme" }), 200),
        (Method::PUT, lead().await?, json!({ "name": "Eve" }), 200),
        (Method::PATCH, lead().await? + "/status", json!({ "status": "Lost" }), 200),
        (Method::POST, lead().await? + "/notes", json!({ "text": "Hello" }), 201),
        (Method::DELETE, lead().await?, Value::Null, 204),
        (Method::PATCH, reminder().await?, json!({ "message": "Write" }), 200),
        (Method::POST, reminder().await? + "/complete", Value::Null, 200),
        (Method::POST, reminder().await? + "/snooze", until, 200),
        (Method::DELETE, reminder().await?, Value::Null, 204),
    ])
}

async fn a_write_is_carried_out_only_on_the_version_that_it_names(system: &'static System) -> Result<()> {
    let owner = system.register("Una").await?;
    for good in ["\"1\"", "*", "\"7\", \"1\"", "\"x\" , ,\"1\""] {
        for (method, path, body, status) in conditional_writes(&owner).await? {
            for bad in
                ["\"2\"", "\"0\"", "W/\"1\"", "\"01\"", "\"2\", \"3\"", "\"one\"", "\"18446744073709551616\""]
            {
                let answer = owner.with(("if-match", bad), method.clone(), &path, &body).await?;
                answer.problem(412, "version-mismatch").with_context(|| bad.to_owned())?;
            }
            owner.with(("if-match", good), method, &path, &body).await?.expect(status).context(good)?;
        }
    }
    let version = owner.get("/workspace").await?.header("etag").to_owned();
    let rename = json!({ "name": "Other" });
    owner
        .with(("if-match", "\"99\""), Method::PATCH, "/workspace", &rename)
        .await?
        .problem(412, "version-mismatch")?;
    owner.with(("if-match", &version), Method::PATCH, "/workspace", &rename).await?.expect(200)?;
    Ok(())
}

async fn a_malformed_condition_is_refused(system: &'static System) -> Result<()> {
    let owner = system.register("Una").await?;
    let writes = conditional_writes(&owner).await?;
    for malformed in ["1", "\"1", "1\"", "*, \"1\"", "\"1\" \"2\"", "", ",", "w/\"1\"", "\"a b\""] {
        for (method, path, body, _) in &writes {
            let answer = owner.with(("if-match", malformed), method.clone(), path, body).await?;
            answer.refused(400, &["If-Match"]).with_context(|| format!("{malformed:?}"))?;
        }
    }
    Ok(())
}

async fn of_two_patches_with_one_tag_one_is_refused(system: &'static System) -> Result<()> {
    let owner = system.register("Una").await?;
    for round in 0..5 {
        let path = format!("/leads/{}", text(&owner.lead("Ada").await?, "id"));
        let patches = (0..8).map(async |writer: u32| {
            let body = json!({ "company": format!("Company {writer} of {round}") });
            owner.with(("if-match", "\"1\""), Method::PATCH, &path, &body).await
        });
        let answers = try_join_all(patches).await?;
        let done: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 200).collect();
        let refused = answers.iter().filter(|answer| answer.status == 412).count();
        ensure!(done.len() == 1 && refused == 7, "{answers:?}");
        ensure!(owner.get(&path).await?.body["company"] == done[0].body["company"]);
    }
    Ok(())
}

async fn patches_of_different_fields_at_once_both_survive(system: &'static System) -> Result<()> {
    let owner = system.register("Una").await?;
    for _ in 0..4 {
        let path = format!("/leads/{}", text(&owner.lead("Ada").await?, "id"));
        let fields = [
            ("name", json!("Eve")),
            ("email", json!("eve@example.test")),
            ("phone", json!("+49 30 1")),
            ("company", json!("Acme")),
            ("source", json!("Ad")),
            ("status", json!("Qualified")),
            ("tags", json!(["vip"])),
            ("ownerId", json!(owner.user)),
        ];
        let patches = fields
            .iter()
            .map(async |(name, value)| owner.patch(&path, &json!({ *name: value })).await?.expect(200));
        try_join_all(patches).await?;
        let lead = owner.get(&path).await?.expect(200)?.body;
        for (name, value) in &fields[..7] {
            ensure!(lead[name] == *value, "{name}: {lead}");
        }
        ensure!(lead["owner"]["id"] == owner.user.as_str() && lead["version"] == 9, "{lead}");
    }
    Ok(())
}

async fn a_hundred_writers_on_one_lead_leave_versions_without_a_gap(system: &'static System) -> Result<()> {
    let owner = system.register("Una").await?;
    let path = format!("/leads/{}", text(&owner.lead("Ada").await?, "id"));
    let writes = (0..100).map(async |writer: u32| match writer % 3 {
        0 => owner
            .post(&format!("{path}/notes"), &json!({ "text": format!("Note {writer}") }))
            .await?
            .expect(201),
        1 => owner.patch(&path, &json!({ "company": format!("Company {writer}") })).await?.expect(200),
        _ => owner.patch(&path, &json!({ "tags": [format!("tag {writer}")] })).await?.expect(200),
    });
    try_join_all(writes).await?;
    let lead = owner.get(&path).await?.expect(200)?.body;
    ensure!(lead["version"] == 101, "{}", lead["version"]);
    let log = owner.all(&format!("{path}/activity")).await?;
    let versions: Vec<u64> = log.iter().filter_map(|entry| entry["version"].as_u64()).collect();
    ensure!(versions == (1..=101).rev().collect::<Vec<u64>>(), "{versions:?}");
    ensure!(owner.all(&format!("{path}/notes")).await?.len() == 34);
    // Each change begins where the one before ended.
    let mut company = Value::Null;
    for change in
        log.iter().rev().map(|entry| &entry["data"]["changes"]["company"]).filter(|change| !change.is_null())
    {
        ensure!(change["from"] == company, "{change} after {company}");
        company = change["to"].clone();
    }
    ensure!(lead["company"] == company);
    Ok(())
}

async fn keyed(client: &Client, key: &str, path: &str, body: &Value) -> Result<Answer> {
    client.with(("idempotency-key", key), Method::POST, path, body).await
}

async fn the_same_post_with_the_same_key_is_carried_out_once(system: &'static System) -> Result<()> {
    let owner = system.register("Una").await?;
    let body = json!({ "name": "Ada", "note": "Hello" });
    let first = keyed(&owner, "key-1", "/leads", &body).await?.expect(201)?;
    ensure!(first.header("idempotency-replayed").is_empty());
    // The answer is the first one, though the lead is another now.
    owner.patch(&format!("/leads/{}", first.text("id")), &json!({ "name": "Eve" })).await?.expect(200)?;
    for _ in 0..3 {
        let again = keyed(&owner, "key-1", "/leads", &body).await?.expect(201)?;
        ensure!(again.header("idempotency-replayed") == "true", "{:?}", again.headers);
        ensure!(again.body == first.body, "{} and {}", again.body, first.body);
        ensure!(
            again.header("location") == first.header("location")
                && again.header("etag") == first.header("etag")
        );
    }
    ensure!(owner.get("/leads").await?.items().len() == 1);
    // Without a key, the same body is another lead.
    owner.post("/leads", &body).await?.expect(201)?;
    ensure!(owner.get("/leads").await?.items().len() == 2);
    Ok(())
}

async fn every_post_can_have_a_key(system: &'static System) -> Result<()> {
    let owner = system.register("Una").await?;
    let lead = text(&owner.lead("Ada").await?, "id").to_owned();
    let trashed = text(&owner.lead("Bob").await?, "id").to_owned();
    owner.delete(&format!("/leads/{trashed}")).await?.expect(204)?;
    let due = json!({ "leadId": lead, "dueAt": "2031-01-01T00:00:00Z", "message": "Call" });
    let reminder = owner.post("/reminders", &due).await?.expect(201)?.text("id").to_owned();
    for (path, body) in [
        (format!("/leads/{lead}/notes"), json!({ "text": "Hello" })),
        ("/reminders".to_owned(), due.clone()),
        (format!("/reminders/{reminder}/complete"), Value::Null),
        (format!("/reminders/{reminder}/reopen"), Value::Null),
        (format!("/reminders/{reminder}/snooze"), json!({ "until": "2032-01-01T00:00:00Z" })),
        ("/leads/bulk".to_owned(), json!({ "ids": [lead], "addTags": ["vip"] })),
        (format!("/leads/{trashed}/restore"), Value::Null),
        ("/workspace/invitations".to_owned(), json!({ "email": "ina@example.test", "role": "member" })),
        (
            "/auth/me/password".to_owned(),
            json!({ "currentPassword": leadline_tests::PASSWORD, "newPassword": "another quiet heron" }),
        ),
    ] {
        let key = format!("key of {path}").replace(' ', "-");
        let first = keyed(&owner, &key, &path, &body).await?;
        ensure!(first.status.is_success(), "{}: {}", first.asked, first.body);
        let again = keyed(&owner, &key, &path, &body).await?.expect(first.status.as_u16())?;
        ensure!(again.body == first.body, "{path}: {} and {}", again.body, first.body);
        ensure!(again.header("idempotency-replayed") == "true", "{path}: {:?}", again.headers);
    }
    ensure!(owner.get(&format!("/leads/{lead}/notes")).await?.items().len() == 1);
    ensure!(owner.get("/reminders").await?.items().len() == 2);
    // Even if it could not be carried out any more.
    owner.delete(&format!("/leads/{lead}")).await?.expect(204)?;
    let again = keyed(&owner, "key-of-/reminders", "/reminders", &due).await?.expect(201)?;
    ensure!(again.header("idempotency-replayed") == "true", "{:?}", again.headers);
    Ok(())
}

async fn a_key_with_another_body_is_refused(system: &'static System) -> Result<()> {
    let owner = system.register("Una").await?;
    keyed(&owner, "k", "/leads", &json!({ "name": "Ada" })).await?.expect(201)?;
    for other in [json!({ "name": "Eve" }), json!({ "name": "Ada", "company": "Acme" })] {
        let refused = keyed(&owner, "k", "/leads", &other).await?.problem(422, "key-reused")?;
        ensure!(refused.bad_fields() == ["Idempotency-Key"], "{}", refused.body);
    }
    ensure!(owner.get("/leads").await?.items().len() == 1);
    Ok(())
}

async fn a_key_belongs_to_its_user_workspace_and_path(system: &'static System) -> Result<()> {
    let owner = system.register("Una").await?;
    let colleague = owner.invite("Mel", "member").await?;
    let other = system.register("Otto").await?;
    let body = json!({ "name": "Ada" });
    let mut made = BTreeSet::new();
    for person in [&owner, &colleague, &other] {
        let answer = keyed(person, "the-key", "/leads", &body).await?.expect(201)?;
        ensure!(answer.header("idempotency-replayed").is_empty());
        made.insert(answer.text("id").to_owned());
    }
    ensure!(made.len() == 3, "{made:?}");
    let page = owner.get("/leads").await?;
    let ids: Vec<&str> = page.ids();
    let note = json!({ "text": "Hello" });
    for id in ids {
        let answer = keyed(&owner, "the-key", &format!("/leads/{id}/notes"), &note).await?.expect(201)?;
        ensure!(answer.header("idempotency-replayed").is_empty());
    }
    // In another workspace of the same user, too.
    let invited = other
        .post("/workspace/invitations", &json!({ "email": owner.email, "role": "member" }))
        .await?
        .expect(201)?;
    let mut guest = Client::stranger(system.base());
    let accept =
        json!({ "token": invited.text("token"), "password": leadline_tests::PASSWORD, "session": "token" });
    let accepted = guest.post("/auth/invitations/accept", &accept).await?.expect(201)?;
    guest.signed_in(&accepted);
    ensure!(guest.user == owner.user && guest.workspace == other.workspace, "{}", accepted.body);
    let there = keyed(&guest, "the-key", "/leads", &body).await?.expect(201)?;
    ensure!(there.header("idempotency-replayed").is_empty() && !made.contains(there.text("id")));
    Ok(())
}

async fn a_malformed_key_is_refused(system: &'static System) -> Result<()> {
    let owner = system.register("Una").await?;
    let longest = "k".repeat(255);
    keyed(&owner, &longest, "/leads", &json!({ "name": "Ada" })).await?.expect(201)?;
    let too_long = "k".repeat(256);
    for bad in ["", "a b", too_long.as_str()] {
        keyed(&owner, bad, "/leads", &json!({ "name": "Ada" })).await?.refused(400, &["Idempotency-Key"])?;
    }
    let twice =
        owner.request(Method::POST, "/leads").header("idempotency-key", "a").header("idempotency-key", "b");
    owner.send(twice.json(&json!({ "name": "Ada" }))).await?.refused(400, &["Idempotency-Key"])?;
    ensure!(owner.get("/leads").await?.items().len() == 1);
    Ok(())
}

async fn fifty_posts_at_once_with_one_key_make_one_lead(system: &'static System) -> Result<()> {
    let owner = system.register("Una").await?;
    let body = json!({ "name": "Ada", "note": "Hello" });
    let answers = try_join_all((0..50).map(|_| keyed(&owner, "fifty", "/leads", &body))).await?;
    let mut ids = BTreeSet::new();
    for answer in answers {
        if answer.status == 409 {
            let answer = answer.problem(409, "in-flight")?;
            ensure!(!answer.header("retry-after").is_empty(), "{:?}", answer.headers);
        } else {
            ids.insert(answer.expect(201)?.text("id").to_owned());
        }
    }
    ensure!(ids.len() == 1, "{ids:?}");
    let page = owner.get("/leads").await?.expect(200)?;
    ensure!(page.ids() == ids.iter().map(String::as_str).collect::<Vec<_>>(), "{}", page.body);
    ensure!(page.items()[0]["noteCount"] == 1);
    let again = keyed(&owner, "fifty", "/leads", &body).await?.expect(201)?;
    ensure!(again.header("idempotency-replayed") == "true");
    Ok(())
}

async fn completing_and_deleting_a_reminder_at_once_leaves_it_deleted(system: &'static System) -> Result<()> {
    let owner = system.register("Una").await?;
    let lead = owner.lead("Ada").await?;
    for _ in 0..5 {
        let body = json!({ "leadId": lead["id"], "dueAt": "2031-01-01T00:00:00Z", "message": "Call" });
        let path = format!("/reminders/{}", owner.post("/reminders", &body).await?.expect(201)?.text("id"));
        let complete = format!("{path}/complete");
        let (completed, deleted) = tokio::join!(owner.act(&complete), owner.delete(&path));
        let completed = completed?;
        ensure!(completed.status == 200 || completed.status == 404, "{}", completed.body);
        deleted?.expect(204)?;
        owner.get(&path).await?.expect(404)?;
    }
    ensure!(owner.get("/reminders").await?.items().is_empty());
    Ok(())
}

async fn paging_never_repeats_or_skips_what_was_there_throughout(system: &'static System) -> Result<()> {
    let owner = system.register("Una").await?;
    let make = async |number: usize| -> Result<String> {
        let status = ["New", "Contacted", "Qualified", "Converted", "Lost"][number % 5];
        let company =
            if number.is_multiple_of(3) { Value::Null } else { format!("Company {}", number % 7).into() };
        let body = json!({ "name": format!("Lead {}", number % 11), "company": company, "status": status });
        Ok(text(&owner.lead_of(&body).await?, "id").to_owned())
    };
    let kept: BTreeSet<String> = try_join_all((0..60).map(make)).await?.into_iter().collect();
    let doomed = try_join_all((60..80).map(make)).await?;
    for sort in [
        "createdAt",
        "-createdAt",
        "updatedAt",
        "-updatedAt",
        "name",
        "-name",
        "company",
        "-company",
        "status",
        "-status",
    ] {
        let mut doomed = doomed.iter();
        let mut seen: HashMap<String, usize> = HashMap::new();
        let mut cursor = String::new();
        let mut others = 0;
        loop {
            let page = owner.get(&format!("/leads?sort={sort}&limit=7{cursor}")).await?.expect(200)?;
            ensure!(page.items().len() <= 7);
            for id in page.ids() {
                *seen.entry(id.to_owned()).or_default() += 1;
            }
            let Some(next) = page.body["nextCursor"].as_str() else { break };
            cursor = query(&[("cursor", next)]).replace('?', "&");
            // Meanwhile others write: before and behind the place where this reader is.
            others += 1;
            make(others).await?;
            if let Some(id) = doomed.next() {
                owner
                    .patch(&format!("/leads/{id}"), &json!({ "name": format!("Lead {sort} {others}") }))
                    .await?
                    .expect(200)?;
            }
        }
        for id in &kept {
            ensure!(seen.get(id) == Some(&1), "sorted by {sort}: {id} came {:?} times", seen.get(id));
        }
    }
    Ok(())
}

async fn a_cursor_is_good_for_its_own_query_only(system: &'static System) -> Result<()> {
    let owner = system.register("Una").await?;
    let other = system.register("Otto").await?;
    for client in [&owner, &other] {
        try_join_all((0..5).map(|number| client.lead(if number % 2 == 0 { "Ada" } else { "Bob" }))).await?;
    }
    let cursor = owner.get("/leads?limit=2&sort=name").await?.expect(200)?.text("nextCursor").to_owned();
    let ask = async |client: &Client, path: &str, cursor: &str| -> Result<Answer> {
        client.get(&format!("{path}&cursor={}", leadline_tests::encode(cursor))).await
    };
    ask(&owner, "/leads?limit=2&sort=name", &cursor).await?.expect(200)?;
    // Another size of page is the same query.
    ask(&owner, "/leads?limit=200&sort=name", &cursor).await?.expect(200)?;
    for other_query in [
        "/leads?sort=-name",
        "/leads?sort=company",
        "/leads?limit=2",
        "/leads?sort=name&q=Ada",
        "/leads?sort=name&trashed=true",
        "/activity?limit=2",
        "/reminders?limit=2",
        "/workspace/members?limit=2",
    ] {
        ask(&owner, other_query, &cursor).await?.refused(400, &["cursor"])?;
    }
    ask(&other, "/leads?limit=2&sort=name", &cursor).await?.refused(400, &["cursor"])?;
    for place in [0, cursor.len() / 2, cursor.len() - 1] {
        let mut spoiled = cursor.clone().into_bytes();
        spoiled[place] = if spoiled[place] == b'A' { b'B' } else { b'A' };
        let spoiled = String::from_utf8(spoiled)?;
        ask(&owner, "/leads?limit=2&sort=name", &spoiled).await?.refused(400, &["cursor"])?;
    }
    ask(&owner, "/leads?limit=2&sort=name", &cursor[..cursor.len() - 4]).await?.refused(400, &["cursor"])?;
    Ok(())
}

async fn every_list_can_be_paged(system: &'static System) -> Result<()> {
    let owner = system.register("Una").await?;
    let id = text(&owner.lead("Ada").await?, "id").to_owned();
    for number in 0..7 {
        owner
            .post(&format!("/leads/{id}/notes"), &json!({ "text": format!("Note {number}") }))
            .await?
            .expect(201)?;
        let due =
            json!({ "leadId": id, "dueAt": "2031-01-01T00:00:00Z", "message": format!("Call {number}") });
        owner.post("/reminders", &due).await?.expect(201)?;
        let email = format!("guest{number}@example.test");
        owner
            .post("/workspace/invitations", &json!({ "email": email, "role": "viewer" }))
            .await?
            .expect(201)?;
        if number < 4 {
            owner.invite(&format!("Member {number}"), "member").await?;
        }
    }
    for path in [
        format!("/leads/{id}/notes"),
        format!("/leads/{id}/activity"),
        "/activity".to_owned(),
        "/reminders".to_owned(),
        "/workspace/members".to_owned(),
        "/workspace/invitations".to_owned(),
    ] {
        let whole = owner.get(&format!("{path}?limit=200")).await?.expect(200)?;
        ensure!(whole.items().len() >= 5, "{path}: {}", whole.body);
        let (mut paged, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = owner.get(&format!("{path}?limit=2{cursor}")).await?.expect(200)?;
            ensure!(
                page.items().len() <= 2 && page.body["total"] == whole.body["total"],
                "{path}: {}",
                page.body
            );
            paged.extend_from_slice(page.items());
            let Some(next) = page.body["nextCursor"].as_str() else { break };
            ensure!(page.items().len() == 2, "{path}: a page in the middle is not full: {}", page.body);
            cursor = query(&[("cursor", next)]).replace('?', "&");
        }
        ensure!(paged == whole.items(), "{path}: {paged:?} and {}", whole.body);
    }
    Ok(())
}
