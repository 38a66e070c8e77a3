//! A client who carries a sequence out, on the system and on the model.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use leadline_testbed::eventually;
use leadline_tests::{
    Answer, Client, encode,
    model::{self, FIELDS, Filter, Model, Place, plain, whole},
    query, text, unknown_id,
};
use reqwest::Method;
use serde_json::{Value, json};

use super::ops::{Change, Fields, Op, SORTS, STAGES, Tag};

/// A write to the lead that all clients share: what was asked for, and the version and fields after it.
pub type Contended = (Fields, u64, Value);

/// One client with leads of its own, and the model of those.
pub struct Player<'a> {
    pub client: &'a Client,
    pub model: Model,
    pub mark: &'static str,
    /// The program dies now and then: a write is sent again, with its key, until there is an answer.
    pub patient: bool,
    /// Nobody else writes in the workspace: lists and the log are the model's alone.
    pub alone: bool,
    /// By the number of a lead: its version, stage and times when it was seen last.
    pub seen: BTreeMap<usize, Value>,
    pub shared: &'a str,
    pub contended: &'a Mutex<Vec<Contended>>,
}

fn id_of(answer: &Answer) -> String {
    answer.text("id").to_owned()
}

impl Player<'_> {
    /// The lead that a number chooses: one of those that were made, or, rarely, one that never was.
    fn choose(&self, number: u8) -> (usize, String) {
        let leads = self.model.leads();
        let place = usize::from(number) % (leads.len() + usize::from(number >= 250 || leads.is_empty()));
        (place, leads.get(place).map_or_else(unknown_id, |lead| lead.id.clone()))
    }

    /// Fields as they are sent.
    fn given(&self, fields: &Fields) -> Fields {
        let mut given = fields.clone();
        if let Some(name) = fields.get("name").and_then(Value::as_str) {
            given["name"] = json!(format!("{name} {}", self.mark));
        }
        if given.get("ownerId").is_some_and(Value::is_string) {
            given["ownerId"] = json!(self.client.user);
        }
        given
    }

    /// The version that a tag asks for, and its header.
    fn condition(&self, lead: usize, tag: Tag) -> (Option<u64>, Option<String>) {
        let version = self.model.leads().get(lead).map_or(1, |lead| lead.version);
        match tag {
            Tag::None => (None, None),
            Tag::Any => (None, Some("*".to_owned())),
            Tag::Right => (Some(version), Some(format!("\"0\", \"{version}\""))),
            Tag::Stale => (Some(version + 1), Some(format!("\"{}\"", version + 1))),
        }
    }

    /// Sends a write. A POST is sent twice with one key: the second time, the first answer comes again.
    async fn send(&self, method: Method, path: &str, tag: Option<String>, body: &Value) -> Result<Answer> {
        let twice = method == Method::POST;
        let key = unknown_id();
        let send = async || {
            let mut request = self.client.request(method.clone(), path);
            if let Some(tag) = &tag {
                request = request.header("if-match", tag);
            }
            if twice {
                request = request.header("idempotency-key", &key);
            }
            if !body.is_null() {
                request = request.json(body);
            }
            self.client.send(request).await
        };
        let first = match send().await {
            Ok(answer) if !self.patient || !answer.status.is_server_error() => answer,
            Err(error) if !self.patient => return Err(error),
            _ => {
                ensure!(twice, "{path}: nobody knows what became of it");
                eventually(Duration::from_secs(60), "the write is answered", async || {
                    let answer = send().await?;
                    ensure!(!answer.status.is_server_error(), "{}", answer.body);
                    Ok(answer)
                })
                .await?
            }
        };
        if twice && first.status.is_success() {
            let again = send().await?.expect(first.status.as_u16())?;
            ensure!(again.header("idempotency-replayed") == "true", "{path}: carried out again");
            ensure!(again.body == first.body, "{path}: {} and then {}", first.body, again.body);
        }
        Ok(first)
    }

    /// Compares a status with the model's verdict; whether both say that it was carried out.
    fn settled<T>(answer: &Answer, done: Result<T, model::Refused>, right: u16) -> Result<Option<T>> {
        let expected = done.as_ref().map_or_else(model::Refused::as_u16, |_| right);
        ensure!(
            answer.status.as_u16() == expected,
            "{}: {} instead of {expected}: {}",
            answer.asked,
            answer.status,
            answer.body
        );
        Ok(done.ok())
    }

    /// Compares a lead, as an answer shows it, with the model's, and its times with those that it had.
    fn compare(&mut self, lead: usize, shown: &Value) -> Result<()> {
        let right = &self.model.leads()[lead];
        for name in FIELDS.iter().filter(|name| **name != "ownerId") {
            ensure!(shown[*name] == right.fields[*name], "{name}: {} in {shown}", right.fields[*name]);
        }
        ensure!(shown["owner"]["id"] == right.fields["ownerId"], "{}: {shown}", right.fields["ownerId"]);
        ensure!(
            shown["id"] == right.id && shown["version"] == right.version,
            "version {}: {shown}",
            right.version
        );
        let notes = self.model.notes(lead);
        if let Some(shown) = shown["notes"].as_array() {
            let shown: Vec<(&str, &str)> =
                shown.iter().map(|note| (text(note, "id"), text(note, "text"))).collect();
            ensure!(shown == notes, "notes {notes:?}: {shown:?}");
        } else {
            ensure!(shown["noteCount"] == notes.len(), "{} notes: {shown}", notes.len());
        }
        if let Some(before) = self.seen.get(&lead) {
            let same = |name: &str| shown[name] == before[name];
            ensure!(same("createdAt") && same("createdBy"), "{shown} and before {before}");
            ensure!(
                !same("version") || (same("updatedAt") && same("lastActivityAt")),
                "{shown} and before {before}"
            );
            ensure!(text(shown, "updatedAt") >= text(before, "updatedAt"), "{shown} and before {before}");
            let once_more = text(shown, "statusChangedAt") > text(before, "updatedAt");
            ensure!(!same("status") || same("statusChangedAt") || once_more, "{shown} and before {before}");
        }
        self.seen.insert(lead, shown.clone());
        Ok(())
    }

    /// Compares the lead that a write answers with.
    fn answered(&mut self, lead: usize, answer: &Answer) -> Result<()> {
        ensure!(answer.header("etag") == format!("\"{}\"", answer.body["version"]), "{:?}", answer.headers);
        self.compare(lead, &answer.body)
    }

    /// Carries one out, and compares what comes of it.
    pub async fn play(&mut self, op: &Op) -> Result<()> {
        match op {
            Op::Create(fields, note) => {
                let mut given = self.given(fields);
                given.entry("name").or_insert_with(|| json!(format!("Nn {}", self.mark)));
                let mut body = given.clone();
                body.extend(note.map(|text| ("note".to_owned(), json!(text))));
                let answer = self.send(Method::POST, "/leads", None, &body.into()).await?.expect(201)?;
                let lead = self.model.create(&id_of(&answer), &given, *note);
                if note.is_some() {
                    self.model.name_note(text(&answer.body["notes"][0], "id"));
                }
                self.answered(lead, &answer)
            }
            Op::Patch(lead, fields, tag) => {
                let ((lead, id), given) = (self.choose(*lead), self.given(fields));
                let (version, tag) = self.condition(lead, *tag);
                let answer =
                    self.send(Method::PATCH, &format!("/leads/{id}"), tag, &given.clone().into()).await?;
                match Self::settled(&answer, self.model.patch(lead, &given, version), 200)? {
                    Some(_) => self.answered(lead, &answer),
                    None => Ok(()),
                }
            }
            Op::Put(lead, fields, tag) => {
                let ((lead, id), mut given) = (self.choose(*lead), self.given(fields));
                given.entry("name").or_insert_with(|| json!(format!("Nn {}", self.mark)));
                let (version, tag) = self.condition(lead, *tag);
                let answer =
                    self.send(Method::PUT, &format!("/leads/{id}"), tag, &given.clone().into()).await?;
                match Self::settled(&answer, self.model.patch(lead, &whole(&given), version), 200)? {
                    Some(_) => self.answered(lead, &answer),
                    None => Ok(()),
                }
            }
            Op::Move(lead, to, reason, tag) => {
                let (lead, id) = self.choose(*lead);
                let (version, tag) = self.condition(lead, *tag);
                let body = json!({ "status": to, "reason": reason });
                let answer = self.send(Method::PATCH, &format!("/leads/{id}/status"), tag, &body).await?;
                match Self::settled(&answer, self.model.move_to(lead, to, *reason, version), 200)? {
                    Some(_) => self.answered(lead, &answer),
                    None => Ok(()),
                }
            }
            Op::AddNote(lead, note, tag) => {
                let (lead, id) = self.choose(*lead);
                let (version, tag) = self.condition(lead, *tag);
                let answer = self
                    .send(Method::POST, &format!("/leads/{id}/notes"), tag, &json!({ "text": note }))
                    .await?;
                if Self::settled(&answer, self.model.add_note(lead, note, version), 201)?.is_some() {
                    self.model.name_note(answer.text("id"));
                }
                Ok(())
            }
            Op::DeleteNote(lead, note, tag) => {
                let (lead, id) = self.choose(*lead);
                let (version, tag) = self.condition(lead, *tag);
                let notes: Vec<String> =
                    self.model.notes(lead).into_iter().map(|(id, _)| id.to_owned()).collect();
                let note =
                    notes.get(usize::from(*note) % (notes.len() + 1)).cloned().unwrap_or_else(unknown_id);
                let path = format!("/leads/{id}/notes/{note}");
                let answer = self.send(Method::DELETE, &path, tag, &Value::Null).await?;
                Self::settled(&answer, self.model.delete_note(lead, &note, version), 204).map(|_| ())
            }
            Op::Trash(lead, tag) => {
                let (lead, id) = self.choose(*lead);
                let (version, tag) = self.condition(lead, *tag);
                let answer = self.send(Method::DELETE, &format!("/leads/{id}"), tag, &Value::Null).await?;
                Self::settled(&answer, self.model.trash(lead, version), 204).map(|_| ())
            }
            Op::Erase(lead) => {
                let (lead, id) = self.choose(*lead);
                let path = format!("/leads/{id}?permanent=true");
                let answer = self.send(Method::DELETE, &path, None, &Value::Null).await?;
                Self::settled(&answer, self.model.erase(lead), 204).map(|_| ())
            }
            Op::Restore(lead, tag) => {
                let (lead, id) = self.choose(*lead);
                let (version, tag) = self.condition(lead, *tag);
                let answer =
                    self.send(Method::POST, &format!("/leads/{id}/restore"), tag, &Value::Null).await?;
                match Self::settled(&answer, self.model.restore(lead, version), 200)? {
                    Some(_) => self.answered(lead, &answer),
                    None => Ok(()),
                }
            }
            Op::Bulk(leads, change) => {
                let chosen: Vec<(usize, String)> = leads.iter().map(|lead| self.choose(*lead)).collect();
                let ids: Vec<&str> = chosen.iter().map(|(_, id)| id.as_str()).collect();
                let known = self.model.leads().len();
                let unknown: BTreeSet<&str> =
                    chosen.iter().filter(|(lead, _)| *lead >= known).map(|(_, id)| id.as_str()).collect();
                let change = self.asked(change);
                let mut body = change.clone();
                body["ids"] = json!(ids);
                let answer = self.send(Method::POST, "/leads/bulk", None, &body).await?.expect(200)?;
                let leads: Vec<usize> =
                    chosen.iter().map(|(lead, _)| *lead).filter(|lead| *lead < known).collect();
                let (matched, changed, failed) = self.model.bulk(&leads, &change);
                let told = answer.body["failed"].as_array().context("no list")?;
                let told: BTreeSet<&str> = told.iter().map(|lead| text(lead, "id")).collect();
                let mut right: BTreeSet<&str> =
                    failed.iter().map(|lead| self.model.leads()[*lead].id.as_str()).collect();
                right.extend(unknown);
                ensure!(told == right, "{right:?}: {}", answer.body);
                ensure!(
                    answer.body["matched"] == matched && answer.body["changed"] == changed,
                    "{matched} and {changed}: {}",
                    answer.body
                );
                Ok(())
            }
            Op::BulkBy(filter, change) => {
                // Words of other clients' leads are not asked for.
                let words = filter.words.filter(|_| self.alone);
                let filter = Filter { words: words.or(Some(self.mark)), trashed: false, ..filter.clone() };
                let change = self.asked(change);
                let mut body = change.clone();
                let pairs = filter.query().into_iter();
                body["filter"] =
                    pairs.map(|(name, value)| (name.to_owned(), json!(value))).collect::<Fields>().into();
                if !filter.tags.is_empty() {
                    body["filter"]["tag"] = json!(filter.tags);
                }
                let answer = self.send(Method::POST, "/leads/bulk", None, &body).await?.expect(200)?;
                let meant = self.model.list(&filter);
                let leads = self.model.leads().iter().enumerate();
                let leads: Vec<usize> = leads
                    .filter(|(_, lead)| meant.contains(lead.id.as_str()))
                    .map(|(place, _)| place)
                    .collect();
                let (matched, changed, _) = self.model.bulk(&leads, &change);
                let right = json!({ "matched": matched, "changed": changed, "failed": [] });
                ensure!(answer.body == right, "{right}: {}", answer.body);
                Ok(())
            }
            Op::Merge(into, from, tag) => {
                let (into, id) = self.choose(*into);
                let (version, tag) = self.condition(into, *tag);
                let chosen: Vec<(usize, String)> = from.iter().map(|lead| self.choose(*lead)).collect();
                let ids: Vec<&str> = chosen.iter().map(|(_, id)| id.as_str()).collect();
                let path = format!("/leads/{id}/merge");
                let answer = self.send(Method::POST, &path, tag, &json!({ "from": ids })).await?;
                let from: Vec<usize> = chosen.iter().map(|(lead, _)| *lead).collect();
                if Self::settled(&answer, self.model.merge(into, &from, version), 200)?.is_some() {
                    let log = self.client.get(&format!("/leads/{id}/activity?limit=1")).await?.expect(200)?;
                    let merge = text(&log.items()[0]["data"], "mergeId");
                    ensure!(!merge.is_empty(), "{}", log.body);
                    self.model.name_merge(into, merge);
                    self.answered(into, &answer)?;
                }
                Ok(())
            }
            Op::Unmerge(into, merge, tag) => {
                let (into, id) = self.choose(*into);
                let (version, tag) = self.condition(into, *tag);
                let merges = self.model.leads().get(into).map_or(&[][..], |lead| &lead.merges[..]);
                let named = merge.map(|number| {
                    merges
                        .get(usize::from(number) % (merges.len() + 1))
                        .map_or_else(unknown_id, |merge| merge.id.clone())
                });
                let body = named.as_ref().map_or(Value::Null, |id| json!({ "mergeId": id }));
                let answer = self.send(Method::POST, &format!("/leads/{id}/unmerge"), tag, &body).await?;
                match Self::settled(&answer, self.model.unmerge(into, named.as_deref(), version), 200)? {
                    Some(()) => self.answered(into, &answer),
                    None => Ok(()),
                }
            }
            Op::List(filter, sort, down, limit) => self.list(filter, SORTS[*sort], *down, *limit).await,
            Op::Look(lead) => {
                let (lead, id) = self.choose(*lead);
                self.look(lead, &id).await
            }
            Op::Contend(fields, tag) => self.contend(fields, *tag).await,
        }
    }

    fn asked(&self, change: &Change) -> Value {
        match change {
            Change::Status(to) => json!({ "setStatus": to }),
            Change::Add(tags) => json!({ "addTags": tags }),
            Change::Remove(tags) => json!({ "removeTags": tags }),
            Change::Assign(to_me) => json!({ "assignTo": to_me.then_some(&self.client.user) }),
            Change::Trash => json!({ "delete": true }),
        }
    }

    /// Compares a list, page by page: who is on it, in what order, and how many there are.
    pub async fn list(&mut self, filter: &Filter, sort: &str, down: bool, limit: usize) -> Result<()> {
        let sorted = format!("{}{sort}", if down { "-" } else { "" });
        let mut pairs = filter.query();
        pairs.extend([("sort", sorted), ("limit", limit.to_string())]);
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let path = format!("/leads{}", query(&pairs));
        let (mut rows, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.client.get(&format!("{path}{cursor}")).await?.expect(200)?;
            ensure!(page.items().len() <= limit, "{path}: {} rows", page.items().len());
            if self.alone {
                let right = json!({ "value": self.model.list(filter).len(), "relation": "eq" });
                ensure!(page.body["total"] == right, "{path}: {} instead of {right}", page.body["total"]);
            }
            rows.extend_from_slice(page.items());
            match page.body["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={}", encode(next)),
                None => break,
            }
        }
        let own: BTreeMap<String, usize> =
            self.model.leads().iter().enumerate().map(|(place, lead)| (lead.id.clone(), place)).collect();
        rows.retain(|row| self.alone || own.contains_key(text(row, "id")));
        let found: BTreeSet<&str> = rows.iter().map(|row| text(row, "id")).collect();
        ensure!(found == self.model.list(filter), "{path}: {found:?} and not {:?}", self.model.list(filter));
        // Others may have moved a row of theirs, but not these.
        ensure!(found.len() == rows.len(), "{path}: a row twice");
        let key = |row: &Value| {
            let rank = STAGES.iter().position(|stage| row["status"] == *stage);
            let key = match sort {
                "status" => format!("{rank:?}"),
                _ => plain(text(row, sort)),
            };
            (key, text(row, "id").to_owned())
        };
        for pair in rows.windows(2) {
            let missing = |row: &Value| sort == "company" && row["company"].is_null();
            let (first, second) = (key(&pair[0]), key(&pair[1]));
            let right = match (missing(&pair[0]), missing(&pair[1])) {
                (false, true) => true,
                (true, false) => false,
                _ => (first < second) != down,
            };
            ensure!(right, "{path}: {first:?} before {second:?}");
        }
        for row in &rows {
            self.compare(own[text(row, "id")], row)?;
        }
        Ok(())
    }

    /// Compares a lead, its notes and its history.
    pub async fn look(&mut self, lead: usize, id: &str) -> Result<()> {
        let paths = ["", "/notes", "/activity"].map(|of| format!("/leads/{id}{of}"));
        if self.model.leads().get(lead).is_none_or(|lead| lead.place != Place::Live) {
            for path in &paths {
                self.client.get(path).await?.expect(404)?;
            }
            return Ok(());
        }
        let answer = self.client.get(&paths[0]).await?.expect(200)?;
        self.answered(lead, &answer)?;
        let notes = self.client.all(&paths[1]).await?;
        let shown: Vec<(&str, &str)> =
            notes.iter().map(|note| (text(note, "id"), text(note, "text"))).collect();
        ensure!(
            shown == self.model.notes(lead),
            "{}: {shown:?} and not {:?}",
            paths[1],
            self.model.notes(lead)
        );
        same_log(&paths[2], &self.client.all(&paths[2]).await?, &self.model.log(Some(lead)))
    }

    /// Writes to the lead that everybody writes to; in what order that was, its versions will tell.
    async fn contend(&mut self, fields: &Fields, tag: Tag) -> Result<()> {
        if self.alone {
            return Ok(());
        }
        let path = format!("/leads/{}", self.shared);
        // Its name bears nobody's mark: no filter of theirs means it.
        let mut given = self.given(fields);
        if let Some(name) = fields.get("name") {
            given["name"] = name.clone();
        }
        let known = match tag {
            Tag::None => None,
            _ => self.client.get(&path).await?.expect(200)?.body["version"].as_u64(),
        };
        let header = known.map(|version| format!("\"{version}\""));
        let answer = self.send(Method::PATCH, &path, header, &given.clone().into()).await?;
        if known.is_some() && answer.status == 412 {
            return Ok(());
        }
        let body = answer.expect(200)?.body;
        let version = body["version"].as_u64().context("no version")?;
        ensure!(
            known.is_none_or(|known| (known..=known + 1).contains(&version)),
            "written on {known:?}: {body}"
        );
        self.contended.lock().unwrap_or_else(PoisonError::into_inner).push((given, version, body));
        Ok(())
    }
}

/// Compares a log, newest first, with the model's groups, oldest first.
pub fn same_log(what: &str, shown: &[Value], right: &[model::Group]) -> Result<()> {
    let mut entries = shown.iter().rev().map(model::entry);
    let order = |entries: &mut Vec<Value>| entries.sort_by_key(Value::to_string);
    for group in right {
        let mut group = group.clone();
        let mut found: Vec<Value> = entries.by_ref().take(group.len()).collect();
        order(&mut group);
        order(&mut found);
        ensure!(found == group, "{what}: {} and not {}", json!(found), json!(group));
    }
    ensure!(entries.next().is_none(), "{what}: more than was done: {}", json!(shown));
    Ok(())
}
