//! Two workspaces that are not to see each other, with something of every kind in both; and what the API says of itself, so that
//! what is new in it is tried too.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{client::Client, imports, system::System, text};

/// Two workspaces: hers, and that of somebody who tries.
pub struct World {
    /// She.
    pub una: Client,
    /// He.
    pub otto: Client,
    /// Her things, by what they are: `lead`, `note`, `trashed`, `reminder`, `done`, `invitation`, `member`, …
    pub hers: BTreeMap<&'static str, String>,
    /// His, by the same names.
    pub his: BTreeMap<&'static str, String>,
    /// A word in every text of hers.
    pub mark: String,
}

impl World {
    /// Makes both, and furnishes them.
    ///
    /// # Errors
    /// If anything of it does not work.
    pub async fn make(system: &System) -> Result<Self> {
        let mark = format!("zq{}", &uuid::Uuid::new_v4().simple().to_string()[..12]);
        let una = system.register(&format!("Una {mark}")).await?;
        let otto = system.register("Otto").await?;
        let hers = Self::furnish(&una, &mark).await?;
        let his = Self::furnish(&otto, "plain").await?;
        Ok(Self { una, otto, hers, his, mark })
    }

    /// Something of every kind in a workspace, with a word in every text.
    ///
    /// # Errors
    /// If anything of it does not work.
    pub async fn furnish(client: &Client, mark: &str) -> Result<BTreeMap<&'static str, String>> {
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
    ///
    /// # Errors
    /// If a part of it can't be read.
    pub async fn state(&self) -> Result<Value> {
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

/// What the API says of itself.
///
/// # Errors
/// If it does not.
pub async fn description(system: &System) -> Result<Value> {
    Ok(Client::stranger(system.base()).get("//api/openapi.json").await?.expect(200)?.body)
}

/// The operations of the description: method, path, and what is said of them.
#[must_use]
pub fn operations(description: &Value) -> Vec<(Method, String, Value)> {
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

/// The fields of a body that take ids, in every branch and at any depth: `ids`, `filter.owner`.
#[must_use]
pub fn id_fields(description: &Value, operation: &Value) -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    for kind in operation["requestBody"]["content"].as_object().into_iter().flat_map(|kinds| kinds.values()) {
        id_fields_of(description, &kind["schema"], "", 0, &mut fields);
    }
    fields
}

fn id_fields_of(
    description: &Value,
    schema: &Value,
    within: &str,
    depth: usize,
    fields: &mut BTreeSet<String>,
) {
    // No body is so deep; a schema may hold itself.
    if depth > 8 {
        return;
    }
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        id_fields_of(description, &description["components"]["schemas"][name], within, depth + 1, fields);
    }
    for branches in ["oneOf", "anyOf", "allOf"] {
        for branch in schema[branches].as_array().into_iter().flatten() {
            id_fields_of(description, branch, within, depth + 1, fields);
        }
    }
    for inner in [&schema["items"], &schema["additionalProperties"]] {
        id_fields_of(description, inner, within, depth + 1, fields);
    }
    for (name, of) in schema["properties"].as_object().into_iter().flatten() {
        let path = if within.is_empty() { name.clone() } else { format!("{within}.{name}") };
        let takes_ids = name.ends_with("Id")
            || name.ends_with("Ids")
            || ["ids", "id", "assignTo", "from", "owner", "assignee"].contains(&name.as_str())
            || of["format"] == "uuid"
            || of["items"]["format"] == "uuid";
        if takes_ids {
            fields.insert(path.clone());
        }
        id_fields_of(description, of, &path, depth + 1, fields);
    }
}

/// The values that a parameter may have, if they are told: the forms of a file, say.
#[must_use]
pub fn values<'a>(description: &'a Value, operation: &'a Value, name: &str) -> Vec<&'a str> {
    let parameter = operation["parameters"].as_array().into_iter().flatten().find(|one| one["name"] == name);
    let Some(parameter) = parameter else { return Vec::new() };
    let mut schema = &parameter["schema"];
    if let Some(one) = schema["oneOf"].as_array().into_iter().flatten().find(|one| one["$ref"].is_string()) {
        schema = one;
    }
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        schema = &description["components"]["schemas"][name];
    }
    schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}
