//! Workspaces can't see each other: an id of another one answers exactly as one that nobody has, wherever it is put.
//!
//! The API's own description says which routes, fields and parameters take ids: one without a case here fails.

use std::{
    collections::BTreeMap,
    io::{Cursor, Read},
};

use anyhow::{Context, Result, bail, ensure};
use leadline_tests::{
    Answer, Client, PASSWORD, System, encode, imports, in_every_mode,
    tenants::{World, description, id_fields, operations, values},
    text, unknown_id,
};
use reqwest::Method;
use serde_json::{Value, json};

in_every_mode!(
    every_route_answers_another_s_id_as_an_unknown_one,
    every_field_answers_another_s_id_as_an_unknown_one,
    every_parameter_answers_another_s_id_as_an_unknown_one,
    a_bulk_change_of_own_and_other_leads_changes_the_own_ones_only,
    no_list_shows_anything_of_another_workspace,
    a_link_to_another_s_file_is_as_one_to_an_unknown_one,
    a_cursor_of_another_workspace_is_as_a_broken_one,
    an_idempotency_key_of_another_workspace_says_nothing,
    a_person_of_two_workspaces_sees_one_at_a_time,
);

/// An answer without what differs between any two requests.
fn bare(answer: &Answer, of: &[&String]) -> Value {
    let mut body = answer.body.clone();
    if let Some(body) = body.as_object_mut() {
        body.remove("instance");
        body.remove("requestId");
    }
    let mut told = body.to_string();
    for id in of {
        told = told.replace(id.as_str(), "ID");
    }
    let headers: BTreeMap<&str, &str> = answer
        .headers
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "date" | "x-request-id" | "content-length"))
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default()))
        .collect();
    json!([answer.status.as_u16(), told, headers])
}

/// What the ids in a path are ids of, and good bodies for it.
fn route(method: &Method, path: &str) -> Option<(Vec<&'static str>, Vec<Value>)> {
    let none = vec![Value::Null];
    let lead = vec!["lead", "trashed", "merged"];
    let reminder = vec!["reminder", "done"];
    let path = path.strip_prefix("/api/v1")?;
    Some(match (method.as_str(), path) {
        ("GET" | "DELETE", "/leads/{id}") => (lead, none),
        ("PATCH", "/leads/{id}") => {
            (lead, vec![json!({ "name": "Eve" }), json!({}), json!({ "bogus": 1, "email": "no" })])
        }
        ("PUT", "/leads/{id}") => (lead, vec![json!({ "name": "Eve" })]),
        ("PATCH", "/leads/{id}/status") => {
            (lead, vec![json!({ "status": "Lost" }), json!({ "status": "New" })])
        }
        ("GET", "/leads/{id}/notes" | "/leads/{id}/activity") => (lead, none),
        ("POST", "/leads/{id}/notes") => (lead, vec![json!({ "text": "Hi" })]),
        ("DELETE", "/leads/{id}/notes/{noteId}") => (vec!["lead"], none),
        ("POST", "/leads/{id}/restore") => (lead, none),
        ("GET", "/leads/{id}/duplicates") => (lead, none),
        ("POST", "/leads/{id}/merge") => (lead, vec![json!({ "from": [unknown_id()] })]),
        ("POST", "/leads/{id}/unmerge") => (lead, vec![json!({}), json!({ "mergeId": unknown_id() })]),
        ("GET", "/leads/imports/{id}" | "/leads/imports/{id}/errors")
        | ("POST", "/leads/imports/{id}/undo") => (vec!["import"], none),
        ("GET" | "DELETE", "/reminders/{id}") => (reminder, none),
        ("PATCH", "/reminders/{id}") => (reminder, vec![json!({ "message": "x" }), json!({})]),
        ("POST", "/reminders/{id}/complete" | "/reminders/{id}/reopen") => (reminder, none),
        ("POST", "/reminders/{id}/snooze") => (reminder, vec![json!({ "until": "2031-01-01T00:00:00Z" })]),
        ("DELETE", "/workspace/members/{userId}") => (vec!["user", "member"], none),
        ("PATCH", "/workspace/members/{userId}") => {
            (vec!["user", "member"], vec![json!({ "role": "viewer" })])
        }
        ("DELETE", "/workspace/invitations/{id}") => (vec!["invitation"], none),
        ("DELETE", "/auth/sessions/{id}") => (vec!["session"], none),
        _ => return None,
    })
}

async fn every_route_answers_another_s_id_as_an_unknown_one(system: &'static System) -> Result<()> {
    let world = World::make(system).await?;
    let before = world.state().await?;
    let mut tried = 0;
    for (method, path, _) in operations(&description(system).await?) {
        if !path.contains('{') {
            continue;
        }
        if path == "/api/v1/downloads/{token}" {
            // No id, but a secret, bound to who made it (downloads.rs); a made-up one opens nothing.
            world.otto.get(&format!("/downloads/{}", unknown_id())).await?.problem(410, "gone")?;
            continue;
        }
        let (kinds, bodies) =
            route(&method, &path).with_context(|| format!("{method} {path} has no case: add one"))?;
        for kind in kinds {
            let Some(foreign) = world.hers.get(kind) else {
                bail!("there is no {kind} to try {method} {path} with")
            };
            let unknown = unknown_id();
            for body in &bodies {
                for header in
                    [("accept", "*/*"), ("if-match", "\"1\""), ("if-match", "*"), ("idempotency-key", "k-1")]
                {
                    for query in ["", "?permanent=true"] {
                        if !query.is_empty() && (method != Method::DELETE || !path.ends_with("/leads/{id}")) {
                            continue;
                        }
                        // Her note in her lead, and in one of his.
                        let mut pairs = vec![(foreign.clone(), world.hers["note"].clone(), unknown.clone())];
                        if path.contains("{noteId}") {
                            pairs.push((
                                world.his["lead"].clone(),
                                world.hers["note"].clone(),
                                world.his["lead"].clone(),
                            ));
                        }
                        for (id, note, other) in pairs {
                            let ask = async |id: &str, note: &str| {
                                let path = path
                                    .trim_start_matches("/api/v1")
                                    .replace("{id}", id)
                                    .replace("{userId}", id);
                                world
                                    .otto
                                    .with(
                                        header,
                                        method.clone(),
                                        &(path.replace("{noteId}", note) + query),
                                        body,
                                    )
                                    .await
                            };
                            let hers = ask(&id, &note).await?;
                            let nobodys = ask(&other, &unknown_id()).await?;
                            // A body that is bad for any lead may be told so first.
                            let told = hers.status == 404 || (hers.status == 422 && !body["bogus"].is_null());
                            ensure!(told, "{kind} {body} {header:?}: {}", hers.body);
                            let (one, two) = (bare(&hers, &[]), bare(&nobodys, &[]));
                            ensure!(one == two, "{method} {path}: {one} and {two}");
                            tried += 1;
                        }
                    }
                }
            }
        }
    }
    ensure!(tried > 100, "{tried}");
    let after = world.state().await?;
    ensure!(before == after, "{before}\nand\n{after}");
    Ok(())
}

async fn every_field_answers_another_s_id_as_an_unknown_one(system: &'static System) -> Result<()> {
    let world = World::make(system).await?;
    let before = world.state().await?;
    let lead = format!("/leads/{}", world.his["lead"]);
    let reminder = format!("/reminders/{}", world.his["reminder"]);
    let due = json!({ "leadId": world.his["lead"], "dueAt": "2031-01-01T00:00:00Z", "message": "Call" });
    let login = json!({ "email": world.otto.email, "password": PASSWORD });
    let bulk = json!({ "ids": [world.his["lead"]] });
    // Method, path in the description, path to ask, field, what it takes, the rest of the body.
    #[allow(clippy::type_complexity, reason = "a table is read by its rows")]
    let mut cases: Vec<(&str, &str, &str, &str, Vec<&str>, Value)> = vec![
        ("POST", "/leads", "/leads", "ownerId", vec!["user", "member"], json!({ "name": "Eve" })),
        ("PATCH", "/leads/{id}", &lead, "ownerId", vec!["user", "member"], json!({ "name": "Eve" })),
        ("PUT", "/leads/{id}", &lead, "ownerId", vec!["user", "member"], json!({ "name": "Eve" })),
        ("POST", "/reminders", "/reminders", "leadId", vec!["lead", "trashed", "merged"], due.clone()),
        ("POST", "/reminders", "/reminders", "assigneeId", vec!["user", "member"], due),
        ("PATCH", "/reminders/{id}", &reminder, "assigneeId", vec!["user", "member"], json!({})),
        (
            "POST",
            "/leads/bulk",
            "/leads/bulk",
            "ids",
            vec!["lead", "trashed", "merged"],
            json!({ "setStatus": "Lost" }),
        ),
        ("POST", "/leads/bulk", "/leads/bulk", "assignTo", vec!["user", "member"], bulk),
        (
            "POST",
            "/leads/bulk",
            "/leads/bulk",
            "filter.owner",
            vec!["user", "member"],
            json!({ "setStatus": "Lost" }),
        ),
        (
            "POST",
            "/leads/bulk",
            "/leads/bulk",
            "filter.import",
            vec!["import"],
            json!({ "setStatus": "Lost" }),
        ),
        ("POST", "/auth/login", "/auth/login", "workspaceId", vec!["workspace"], login),
        ("POST", "/auth/workspace", "/auth/workspace", "workspaceId", vec!["workspace"], json!({})),
    ];
    let (merge, unmerge) = (format!("{lead}/merge"), format!("{lead}/unmerge"));
    cases.extend([
        ("POST", "/leads/{id}/merge", merge.as_str(), "from", vec!["lead", "trashed", "merged"], json!({})),
        ("POST", "/leads/{id}/unmerge", &unmerge, "mergeId", vec!["merge"], json!({})),
    ]);
    let description = description(system).await?;
    let operations = operations(&description);
    for (method, path, operation) in &operations {
        for field in id_fields(&description, operation) {
            let has_case = cases.iter().any(|case| {
                *method == case.0 && path.trim_start_matches("/api/v1") == case.1 && field == case.3
            });
            ensure!(has_case, "{field} of {method} {path} has no case: add one");
        }
    }
    for (method, _, path, field, kinds, rest) in cases {
        for kind in kinds {
            let unknown = unknown_id();
            let ask = async |id: &str| {
                let mut body = rest.clone();
                let at = field.split('.').fold(&mut body, |body, name| &mut body[name]);
                *at = if field == "ids" || field == "from" { json!([id]) } else { id.into() };
                world.otto.with(("accept", "*/*"), Method::from_bytes(method.as_bytes())?, path, &body).await
            };
            let hers = ask(&world.hers[kind]).await?;
            let nobodys = ask(&unknown).await?;
            ensure!(!hers.body.to_string().contains(&world.mark), "{}", hers.body);
            let (one, two) = (bare(&hers, &[&world.hers[kind]]), bare(&nobodys, &[&unknown]));
            ensure!(one == two, "{field} of {method} {path}: {one} and {two}");
            // In bulk, it fails; everywhere else it is refused.
            ensure!(
                hers.status.is_client_error() || hers.body["matched"] == 0,
                "{field} of {method} {path}: {}",
                hers.body
            );
        }
    }
    ensure!(before == world.state().await?);
    Ok(())
}

async fn every_parameter_answers_another_s_id_as_an_unknown_one(system: &'static System) -> Result<()> {
    let world = World::make(system).await?;
    let takes = |name: &str| match name {
        "leadId" => Some(vec!["lead", "trashed", "merged"]),
        "owner" | "assignee" => Some(vec!["user", "member"]),
        "import" => Some(vec!["import"]),
        _ => None,
    };
    let description = description(system).await?;
    let mut tried = 0;
    for (method, path, operation) in operations(&description) {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = text(parameter, "name");
            let Some(kinds) = takes(name) else {
                ensure!(
                    !name.ends_with("Id") || parameter["in"] != "query",
                    "{name} of {method} {path} has no case: add one"
                );
                continue;
            };
            ensure!(method == Method::GET, "{name} of {method} {path}");
            for kind in kinds {
                let ask = async |id: &str| {
                    world
                        .otto
                        .get(&format!("{}?{name}={}", path.trim_start_matches("/api/v1"), encode(id)))
                        .await?
                        .expect(200)
                };
                let (hers, nobodys) = (ask(&world.hers[kind]).await?, ask(&unknown_id()).await?);
                ensure!(hers.body == nobodys.body, "{name} of {path}: {} and {}", hers.body, nobodys.body);
                ensure!(hers.items().is_empty(), "{name} of {path}: {}", hers.body);
                tried += 1;
            }
        }
    }
    ensure!(tried >= 8, "{tried}");
    Ok(())
}

async fn a_bulk_change_of_own_and_other_leads_changes_the_own_ones_only(
    system: &'static System,
) -> Result<()> {
    let world = World::make(system).await?;
    let before = world.state().await?;
    let unknown = unknown_id();
    for change in [
        json!({ "setStatus": "Lost" }),
        json!({ "addTags": ["x"] }),
        json!({ "removeTags": [world.mark] }),
        json!({ "assignTo": null }),
        json!({ "delete": true }),
    ] {
        let mut body = change.clone();
        body["ids"] = json!([world.hers["lead"], world.his["lead"], unknown, world.hers["trashed"]]);
        let done = world.otto.post("/leads/bulk", &body).await?.expect(200)?.body;
        ensure!(done["matched"] == 1, "{done}");
        let failed: Vec<(&str, &str)> = done["failed"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|lead| (text(lead, "id"), text(lead, "reason")))
            .collect();
        ensure!(failed.len() == 3 && failed.iter().all(|(_, reason)| *reason == failed[0].1), "{done}");
        for id in [&world.hers["lead"], &unknown, &world.hers["trashed"]] {
            ensure!(failed.iter().any(|(told, _)| told == id), "{done}");
        }
    }
    // A filter means his own leads only, whatever it says.
    for filter in [
        json!({}),
        json!({ "q": world.mark }),
        json!({ "owner": world.hers["member"] }),
        json!({ "tag": world.mark }),
    ] {
        let done = world
            .otto
            .post("/leads/bulk", &json!({ "filter": filter, "setStatus": "New" }))
            .await?
            .expect(200)?
            .body;
        // The one that is left.
        let right = u64::from(filter == json!({}));
        ensure!(done["matched"] == right, "{filter}: {done}");
    }
    ensure!(before == world.state().await?);
    Ok(())
}

/// The texts of a file or a body: a workbook is unpacked, and so is what of a PDF is packed (its pages show glyphs, whose texts
/// nobody reads here; they are made of the same month as the workbook).
fn texts(answer: &[u8], media_type: &str) -> Result<String> {
    let mut bytes = answer.to_vec();
    if media_type.starts_with(imports::XLSX) {
        bytes.clear();
        let mut workbook = zip::ZipArchive::new(Cursor::new(answer))?;
        for nth in 0..workbook.len() {
            workbook.by_index(nth)?.read_to_end(&mut bytes)?;
        }
    } else if media_type == "application/pdf" {
        let begins: Vec<usize> = answer
            .windows(7)
            .enumerate()
            .filter(|(_, at)| at == b"stream\n")
            .map(|(nth, _)| nth + 7)
            .collect();
        for begin in begins {
            // What is not packed is looked at as it stands.
            let _ = flate2::read::ZlibDecoder::new(&answer[begin..]).read_to_end(&mut bytes);
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The status of what is answered, its media type, and its texts.
async fn fetch(client: &Client, path: &str) -> Result<(u16, String, String)> {
    let answer = client.request(Method::GET, path).send().await?;
    let status = answer.status().as_u16();
    let kind = answer
        .headers()
        .get("content-type")
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let bytes = answer.bytes().await?;
    let texts = texts(&bytes, &kind).with_context(|| path.to_owned())?;
    Ok((status, kind, texts))
}

async fn no_list_shows_anything_of_another_workspace(system: &'static System) -> Result<()> {
    let world = World::make(system).await?;
    // A month's summary names leads that were won.
    let won =
        json!({ "name": format!("Wanda {}", world.mark), "status": "Converted", "company": world.mark });
    world.una.lead_of(&won).await?;
    let description = description(system).await?;
    let (mut asked, mut files) = (0, Vec::new());
    for (method, path, operation) in operations(&description) {
        if method != Method::GET || path.contains('{') || path.ends_with("/events") {
            continue;
        }
        let mut path = match path.strip_prefix("/api/v1") {
            Some(path) => path.to_owned(),
            None => format!("/{path}"),
        };
        if path == "/leads/duplicates" {
            path = format!("{path}?name=Ada%20{0}&company={0}&email={0}@example.test", world.mark);
        }
        let forms = values(&description, &operation, "format");
        let paths: Vec<String> = match forms.as_slice() {
            [] => vec![path],
            forms => forms.iter().map(|form| format!("{path}?format={form}")).collect(),
        };
        for path in paths {
            let (status, kind, told) = fetch(&world.otto, &path).await?;
            ensure!(status == 200, "{path}: {status}: {told}");
            ensure!(!told.contains(&world.mark), "{path} tells a text of hers");
            for (kind, id) in &world.hers {
                ensure!(!told.contains(id.as_str()), "{path} tells the id of her {kind}");
            }
            if path.contains("format=") {
                files.push((path, kind));
            }
            asked += 1;
        }
    }
    ensure!(asked > 25 && files.len() >= 7, "{asked}, {files:?}");
    for search in [
        format!("/leads?q={}", world.mark),
        format!("/leads?tag={}", world.mark),
        format!("/leads?trashed=true&q={}", world.mark),
        format!("/leads?q={}", &world.mark[..3]),
    ] {
        let found = world.otto.get(&search).await?.expect(200)?;
        ensure!(found.items().is_empty() && found.body["total"]["value"] == 0, "{search}: {}", found.body);
    }
    for form in ["csv", "xlsx"] {
        let found = fetch(&world.otto, &format!("/leads/export?format={form}&q={}", world.mark)).await?;
        ensure!(found.0 == 200 && !found.2.contains("Ada"), "{form}: {found:?}");
    }
    // She sees hers, so that the test would see them too.
    for list in [
        "/leads",
        "/leads/imports",
        "/activity",
        "/reminders",
        "/workspace",
        "/analytics/dashboard",
        "/leads/export?format=csv",
        "/leads/export?format=xlsx",
        "/reports/monthly?format=csv",
        "/reports/monthly?format=xlsx",
    ] {
        let (status, _, told) = fetch(&world.una, list).await?;
        ensure!(status == 200 && told.contains(&world.mark), "{list}: {told}");
    }
    Ok(())
}

async fn a_link_to_another_s_file_is_as_one_to_an_unknown_one(system: &'static System) -> Result<()> {
    let world = World::make(system).await?;
    let ask = async |id: &str| -> Result<(Value, Option<Value>)> {
        let path = format!("/api/v1/leads/imports/{id}/errors");
        let made = world.otto.post("/downloads", &json!({ "path": path })).await?;
        if made.status != 201 {
            return Ok((bare(&made, &[&id.to_owned()]), None));
        }
        // The link is made for whoever asks, and what it leads to is looked for when it is used.
        let got = world.otto.get(made.text("url").trim_start_matches("/api/v1")).await?;
        ensure!(got.status == 404 && !got.body.to_string().contains(&world.mark), "{}", got.body);
        Ok((Value::Null, Some(bare(&got, &[&id.to_owned()]))))
    };
    let (hers, nobodys) = (ask(&world.hers["import"]).await?, ask(&unknown_id()).await?);
    ensure!(hers == nobodys, "{hers:?} and {nobodys:?}");
    // Of his own it is given.
    let path = format!("/api/v1/leads/imports/{}/errors", world.his["import"]);
    let own = world.otto.post("/downloads", &json!({ "path": path })).await?.expect(201)?;
    world.otto.get(own.text("url").trim_start_matches("/api/v1")).await?.expect(200)?;
    Ok(())
}

async fn a_cursor_of_another_workspace_is_as_a_broken_one(system: &'static System) -> Result<()> {
    let world = World::make(system).await?;
    for (client, things) in [(&world.una, &world.hers), (&world.otto, &world.his)] {
        // Two of everything that is listed, so that there is a second page.
        let lead = &things["lead"];
        client.post(&format!("/leads/{lead}/notes"), &json!({ "text": "Again" })).await?.expect(201)?;
        let due = json!({ "leadId": lead, "dueAt": chrono::Utc::now().to_rfc3339(), "message": "Call" });
        client.post("/reminders", &due).await?.expect(201)?;
        imports::import(client, "Name\nEve\n", &[]).await?;
        let invitation = json!({ "email": format!("{}@example.test", unknown_id()), "role": "viewer" });
        client.post("/workspace/invitations", &invitation).await?.expect(201)?;
        client.invite("Second", "member").await?;
        Client::login(system.base(), &client.email).await?;
    }
    let mut tried = 0;
    for (method, path, operation) in operations(&description(system).await?) {
        let mut parameters = operation["parameters"].as_array().into_iter().flatten();
        if method != Method::GET || !parameters.any(|parameter| parameter["name"] == "cursor") {
            continue;
        }
        let path = path.trim_start_matches("/api/v1");
        ensure!(!path.contains('{') || path.starts_with("/leads/{id}/"), "{path} has no case: add one");
        let her_list = path.replace("{id}", &world.hers["lead"]);
        let his_list = path.replace("{id}", &world.his["lead"]);
        let page = world.una.get(&format!("{her_list}?limit=1")).await?.expect(200)?;
        let hers = page.text("nextCursor").to_owned();
        ensure!(!hers.is_empty(), "{path} has one page only: give it one more");
        let ask = async |cursor: &str| {
            world.otto.get(&format!("{his_list}?limit=1&cursor={}", encode(cursor))).await
        };
        let foreign = ask(&hers).await?.refused(400, &["cursor"])?;
        let broken = ask(&hers.chars().rev().collect::<String>()).await?.refused(400, &["cursor"])?;
        ensure!(bare(&foreign, &[]) == bare(&broken, &[]), "{}", foreign.body);
        // It is good in the list that it is of.
        world.una.get(&format!("{her_list}?limit=1&cursor={}", encode(&hers))).await?.expect(200)?;
        tried += 1;
    }
    ensure!(tried >= 10, "{tried}");
    Ok(())
}

/// What a POST with an idempotency key sends, and where, for one of both.
fn post(
    path: &str,
    client: &Client,
    things: &BTreeMap<&'static str, String>,
    mark: &str,
) -> Option<(String, Value)> {
    let lead = &things["lead"];
    let of = |path: &str, body: Value| Some((path.to_owned(), body));
    let at = |kind: &str| path.replace("{id}", &things[kind]);
    match path {
        "/leads" => of(path, json!({ "name": "Eve" })),
        "/leads/bulk" => of(path, json!({ "ids": [lead], "addTags": ["x"] })),
        "/leads/{id}/notes" => of(&at("lead"), json!({ "text": "Hi" })),
        "/leads/{id}/restore" => of(&at("trashed"), Value::Null),
        "/leads/{id}/merge" => of(&at("lead"), json!({ "from": [things["other"]] })),
        "/leads/{id}/unmerge" => of(&at("lead"), json!({})),
        "/leads/imports/{id}/undo" => of(&at("import"), Value::Null),
        "/reminders" => {
            of(path, json!({ "leadId": lead, "dueAt": "2031-01-01T00:00:00Z", "message": "Call" }))
        }
        "/reminders/{id}/complete" => of(&at("reminder"), Value::Null),
        "/reminders/{id}/reopen" => of(&at("done"), Value::Null),
        "/reminders/{id}/snooze" => of(&at("again"), json!({ "until": "2031-01-01T00:00:00Z" })),
        "/workspace/invitations" => {
            of(path, json!({ "email": format!("eve.{mark}@example.test"), "role": "viewer" }))
        }
        "/downloads" => of(path, json!({ "path": "/api/v1/leads/export?format=csv" })),
        "/auth/me/password" => {
            of(path, json!({ "currentPassword": PASSWORD, "newPassword": format!("{PASSWORD} {mark}") }))
        }
        "/auth/workspace" => of(path, json!({ "workspaceId": client.workspace })),
        _ => None,
    }
}

async fn an_idempotency_key_of_another_workspace_says_nothing(system: &'static System) -> Result<()> {
    // Nobody is signed in there, so no workspace has the key; and `/auth/logout` answers nothing.
    const NOBODYS: [&str; 5] =
        ["/auth/register", "/auth/login", "/auth/refresh", "/auth/invitations/accept", "/auth/logout"];
    let mut world = World::make(system).await?;
    let (una, otto) = (world.una.clone(), world.otto.clone());
    for (client, things) in [(&una, &mut world.hers), (&otto, &mut world.his)] {
        things.insert("other", text(&client.lead("Other").await?, "id").to_owned());
        let due = json!({ "leadId": things["lead"], "dueAt": "2031-01-01T00:00:00Z", "message": "Call" });
        things.insert("again", client.post("/reminders", &due).await?.expect(201)?.text("id").to_owned());
    }
    let mut posts: Vec<String> = operations(&description(system).await?)
        .into_iter()
        .filter(|(method, _, operation)| {
            let keys = operation["parameters"].as_array().into_iter().flatten();
            let takes_a_key = |one: &Value| {
                one["name"] == "Idempotency-Key" || text(one, "$ref").ends_with("/IdempotencyKey")
            };
            *method == Method::POST && keys.into_iter().any(takes_a_key)
        })
        .map(|(_, path, _)| path.trim_start_matches("/api/v1").to_owned())
        .collect();
    // A changed password ends other sessions, and a merge leaves less to do things to.
    posts.sort_by_key(|path| {
        (path.ends_with("/password"), path.ends_with("/unmerge"), path.ends_with("/merge"))
    });
    let mut tried = 0;
    for path in posts {
        if NOBODYS.contains(&path.as_str()) {
            continue;
        }
        let key = format!("for{}", path.replace(['{', '}'], ""));
        let key = ("idempotency-key", key.as_str());
        let ask =
            async |client: &Client, things: &BTreeMap<&'static str, String>, mark: &str| -> Result<Answer> {
                if path == "/leads/import" {
                    let csv = client
                        .request(Method::POST, &path)
                        .header("content-type", "text/csv")
                        .header(key.0, key.1);
                    return client.send(csv.body("Name\nEve\n")).await;
                }
                let asked = post(&path, client, things, mark);
                let (path, body) = asked.with_context(|| format!("POST {path} has no case: add one"))?;
                client.with(key, Method::POST, &path, &body).await
            };
        let hers = ask(&una, &world.hers, &world.mark).await?;
        ensure!(hers.status.is_success(), "hers of {path}: {} {}", hers.status, hers.body);
        // The same for him is done for him, and says nothing of hers.
        let his = ask(&otto, &world.his, "plain").await?;
        ensure!(his.status == hers.status, "his of {path}: {} {}", his.status, his.body);
        ensure!(his.header("idempotency-replayed").is_empty(), "{path} gives him hers: {}", his.body);
        let told = his.body.to_string();
        ensure!(!told.contains(&world.mark), "{path} tells a text of hers: {told}");
        for (kind, id) in &world.hers {
            ensure!(!told.contains(id.as_str()), "{path} tells the id of her {kind}: {told}");
        }
        // Where something is made, he has made one of his own.
        let made = his.status == 201 || his.status == 202;
        ensure!(!made || his.body != hers.body, "{path}: {told}");
        tried += 1;
    }
    ensure!(tried >= 16, "{tried}");
    // Another body under her key is no conflict for anybody else.
    let third = system.register("Tess").await?;
    let other = json!({ "name": "another" });
    third.with(("idempotency-key", "for/leads"), Method::POST, "/leads", &other).await?.expect(201)?;
    Ok(())
}

async fn a_person_of_two_workspaces_sees_one_at_a_time(system: &'static System) -> Result<()> {
    let world = World::make(system).await?;
    let invitation = json!({ "email": world.otto.email, "role": "viewer" });
    let invited = world.una.post("/workspace/invitations", &invitation).await?.expect(201)?;
    let mut guest = Client::stranger(system.base());
    let accept = json!({ "token": invited.text("token"), "password": PASSWORD, "session": "token" });
    guest.signed_in(&guest.post("/auth/invitations/accept", &accept).await?.expect(201)?);
    let hers = format!("/leads/{}", world.hers["lead"]);
    let his = format!("/leads/{}", world.his["lead"]);
    guest.get(&hers).await?.expect(200)?;
    guest.get(&his).await?.problem(404, "not-found")?;
    // He owns his workspace and only reads hers: the role is that of the workspace he is in.
    guest.patch(&hers, &json!({ "name": "Eve" })).await?.problem(403, "forbidden")?;
    guest.delete(&format!("/workspace/members/{}", world.una.user)).await?.problem(403, "forbidden")?;
    world.otto.get(&hers).await?.problem(404, "not-found")?;
    world.otto.get(&his).await?.expect(200)?;
    // Nobody of the other workspace can be given anything here, though he is in both.
    world.otto.patch(&his, &json!({ "ownerId": world.una.user })).await?.refused(422, &["ownerId"])?;
    Ok(())
}
