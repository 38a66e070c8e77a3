//! Workspaces can't see each other: an id of another one answers exactly as one that nobody has, wherever it is put.
//!
//! The API's own description says which routes, fields and parameters take ids: one without a case here fails.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use leadline_tests::{Answer, Client, PASSWORD, System, encode, imports, in_every_mode, text, unknown_id};
use reqwest::Method;
use serde_json::{Value, json};

in_every_mode!(
    every_route_answers_another_s_id_as_an_unknown_one,
    every_field_answers_another_s_id_as_an_unknown_one,
    every_parameter_answers_another_s_id_as_an_unknown_one,
    a_bulk_change_of_own_and_other_leads_changes_the_own_ones_only,
    no_list_shows_anything_of_another_workspace,
    a_cursor_of_another_workspace_is_as_a_broken_one,
    an_idempotency_key_of_another_workspace_says_nothing,
    a_person_of_two_workspaces_sees_one_at_a_time,
);

/// Two workspaces: hers, and that of somebody who tries.
struct World {
    una: Client,
    otto: Client,
    /// Her things and his, by what they are: `lead`, `note`, `trashed`, `reminder`, `done`, `invitation`, `member`, …
    hers: BTreeMap<&'static str, String>,
    his: BTreeMap<&'static str, String>,
    /// A word in every text of hers.
    mark: String,
}

impl World {
    async fn make(system: &System) -> Result<Self> {
        let mark = format!("zq{}", &uuid::Uuid::new_v4().simple().to_string()[..12]);
        let una = system.register(&format!("Una {mark}")).await?;
        let otto = system.register("Otto").await?;
        let hers = Self::furnish(&una, &mark).await?;
        let his = Self::furnish(&otto, "plain").await?;
        Ok(Self { una, otto, hers, his, mark })
    }

    async fn furnish(client: &Client, mark: &str) -> Result<BTreeMap<&'static str, String>> {
        let mut things = BTreeMap::new();
        client.patch("/workspace", &json!({ "name": mark })).await?.expect(200)?;
        let member = client.invite(&format!("Mel {mark}"), "member").await?;
        let lead = json!({
            "name": format!("Ada {mark}"), "company": mark, "email": format!("{mark}@example.test"), "tags": [mark], "note": mark,
            "ownerId": member.user,
        });
        let made = client.lead_of(&lead).await?;
        let trashed = client.lead(&format!("Bob {mark}")).await?;
        client.delete(&format!("/leads/{}", text(&trashed, "id"))).await?.expect(204)?;
        let merged = client.lead_of(&json!({ "name": format!("Cora {mark}"), "note": mark })).await?;
        let into = client.lead(&format!("Dora {mark}")).await?;
        let path = format!("/leads/{}", text(&into, "id"));
        client.post(&format!("{path}/merge"), &json!({ "from": [merged["id"]] })).await?.expect(200)?;
        let log = client.get(&format!("{path}/activity?type=lead.merged")).await?.expect(200)?;
        things.insert("merged", text(&merged, "id").to_owned());
        things.insert("merge", text(&log.items()[0]["data"], "mergeId").to_owned());
        let due = json!({ "leadId": made["id"], "dueAt": chrono::Utc::now().to_rfc3339(), "message": mark });
        let reminder = client.post("/reminders", &due).await?.expect(201)?;
        let done = client.post("/reminders", &due).await?.expect(201)?;
        client.act(&format!("/reminders/{}/complete", done.text("id"))).await?.expect(200)?;
        let invitation = json!({ "email": format!("ina.{mark}@example.test"), "role": "viewer" });
        let invitation = client.post("/workspace/invitations", &invitation).await?.expect(201)?;
        let csv = format!("Name,Email\n{mark},not an address\n");
        let import = imports::import(client, csv, &[("fileName", mark)]).await?;
        let sessions = client.get("/auth/sessions").await?.expect(200)?;
        things.insert("lead", text(&made, "id").to_owned());
        things.insert("note", text(&made["notes"][0], "id").to_owned());
        things.insert("trashed", text(&trashed, "id").to_owned());
        things.insert("reminder", reminder.text("id").to_owned());
        things.insert("done", done.text("id").to_owned());
        things.insert("invitation", invitation.text("id").to_owned());
        things.insert("import", text(&import, "id").to_owned());
        things.insert("member", member.user.clone());
        things.insert("session", sessions.ids()[0].to_owned());
        things.insert("user", client.user.clone());
        things.insert("workspace", client.workspace.clone());
        Ok(things)
    }

    /// All that she can see of hers.
    async fn state(&self) -> Result<Value> {
        let mut state = json!({});
        let lead = &self.hers["lead"];
        for path in [
            "/leads?limit=200",
            "/leads?trashed=true",
            "/reminders?limit=200",
            "/activity?limit=200",
            "/leads/imports",
            "/workspace",
            "/workspace/members",
            "/workspace/invitations",
            "/auth/me",
            &format!("/leads/{lead}"),
            &format!("/leads/{lead}/notes"),
        ] {
            state[path] = self.una.get(path).await?.expect(200)?.body;
        }
        Ok(state)
    }
}

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

async fn description(system: &System) -> Result<Value> {
    Ok(Client::stranger(system.base()).get("//api/openapi.json").await?.expect(200)?.body)
}

/// The operations of the description: method, path, and what is said of them.
fn operations(description: &Value) -> Vec<(Method, String, Value)> {
    let mut operations = Vec::new();
    for (path, item) in description["paths"].as_object().into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            if let Ok(method) = Method::from_bytes(method.to_uppercase().as_bytes())
                && ["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&method.as_str())
            {
                operations.push((method, path.clone(), operation.clone()));
            }
        }
    }
    operations
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

/// The fields of a body that take ids.
fn id_fields<'a>(description: &'a Value, operation: &'a Value) -> Vec<&'a str> {
    let content = &operation["requestBody"]["content"]["application/json"]["schema"];
    let reference = content["$ref"]
        .as_str()
        .or_else(|| content["oneOf"].as_array().into_iter().flatten().find_map(|one| one["$ref"].as_str()));
    let schema = match reference.and_then(|reference| reference.rsplit('/').next()) {
        Some(name) => &description["components"]["schemas"][name],
        None => content,
    };
    let takes_ids = |name: &str| {
        name.ends_with("Id")
            || name.ends_with("Ids")
            || ["ids", "id", "assignTo", "from", "owner", "assignee"].contains(&name)
    };
    let names = schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    names.filter(|name| takes_ids(name)).collect()
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
                body[field] = if field == "ids" || field == "from" { json!([id]) } else { id.into() };
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

async fn no_list_shows_anything_of_another_workspace(system: &'static System) -> Result<()> {
    let world = World::make(system).await?;
    let mut asked = 0;
    for (method, path, _) in operations(&description(system).await?) {
        if method != Method::GET || path.contains('{') || path.ends_with("/events") {
            continue;
        }
        let path = match path.strip_prefix("/api/v1") {
            Some(path) => path.to_owned(),
            None => format!("/{path}"),
        };
        let answer = world.otto.get(&path).await?;
        let told = answer.body.to_string();
        ensure!(!told.contains(&world.mark), "{path} tells a text of hers: {told}");
        for (kind, id) in &world.hers {
            ensure!(!told.contains(id.as_str()), "{path} tells the id of her {kind}: {told}");
        }
        asked += 1;
    }
    ensure!(asked > 15, "{asked}");
    for search in [
        format!("/leads?q={}", world.mark),
        format!("/leads?tag={}", world.mark),
        format!("/leads?trashed=true&q={}", world.mark),
        format!("/leads?q={}", &world.mark[..3]),
    ] {
        let found = world.otto.get(&search).await?.expect(200)?;
        ensure!(found.items().is_empty() && found.body["total"]["value"] == 0, "{search}: {}", found.body);
    }
    // She sees hers, so that the test would see them too.
    for list in ["/leads", "/leads/imports", "/activity", "/reminders", "/workspace", "/analytics/dashboard"]
    {
        ensure!(world.una.get(list).await?.expect(200)?.body.to_string().contains(&world.mark), "{list}");
    }
    Ok(())
}

async fn a_cursor_of_another_workspace_is_as_a_broken_one(system: &'static System) -> Result<()> {
    let world = World::make(system).await?;
    for client in [&world.una, &world.otto] {
        for _ in 0..2 {
            client.lead("Ada").await?;
        }
        let invitation = json!({ "email": format!("{}@example.test", unknown_id()), "role": "viewer" });
        client.post("/workspace/invitations", &invitation).await?.expect(201)?;
        client.invite("Second", "member").await?;
    }
    for path in ["/leads", "/activity", "/reminders", "/workspace/members", "/workspace/invitations"] {
        let hers =
            world.una.get(&format!("{path}?limit=1")).await?.expect(200)?.text("nextCursor").to_owned();
        ensure!(!hers.is_empty(), "{path} has one page only");
        let ask =
            async |cursor: &str| world.otto.get(&format!("{path}?limit=1&cursor={}", encode(cursor))).await;
        let foreign = ask(&hers).await?.refused(400, &["cursor"])?;
        let broken = ask(&hers.chars().rev().collect::<String>()).await?.refused(400, &["cursor"])?;
        ensure!(bare(&foreign, &[]) == bare(&broken, &[]), "{}", foreign.body);
    }
    Ok(())
}

async fn an_idempotency_key_of_another_workspace_says_nothing(system: &'static System) -> Result<()> {
    let world = World::make(system).await?;
    let post = async |client: &Client, name: &str| {
        client
            .with(("idempotency-key", "a-shared-key"), Method::POST, "/leads", &json!({ "name": name }))
            .await?
            .expect(201)
    };
    let hers = post(&world.una, &world.mark).await?;
    // The same body is a lead of his own, and another body is no conflict.
    let his = post(&world.otto, &world.mark).await?;
    ensure!(
        his.text("id") != hers.text("id") && his.header("idempotency-replayed").is_empty(),
        "{}",
        his.body
    );
    let third = system.register("Tess").await?;
    let other = post(&third, "another").await?;
    ensure!(other.header("idempotency-replayed").is_empty());
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
