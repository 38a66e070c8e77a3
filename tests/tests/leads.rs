//! Leads, one at a time: making, changing, moving, deleting; notes; the log that tells exactly what was done.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use leadline_testbed::wait_until;
use leadline_tests::{Client, System, encode, in_every_mode, text, unknown_id};
use serde_json::{Value, json};

in_every_mode!(
    a_new_lead_has_defaults_and_is_where_its_location_says,
    a_new_lead_has_all_that_was_given,
    texts_are_kept_as_typed_within_their_bounds,
    tags_are_trimmed_unique_and_in_order,
    a_merge_patch_changes_what_it_names,
    a_patch_of_nothing_changes_nothing,
    a_replacement_sets_what_is_absent_to_its_default,
    every_move_between_two_stages_is_logged_with_its_reason,
    one_write_logs_one_entry_for_each_thing_that_it_did,
    the_log_tells_the_values_before_and_after,
    notes_are_newest_first_and_fifty_are_shown,
    a_note_s_text_is_bounded_and_cut_in_the_log,
    a_deleted_lead_is_gone_everywhere_and_comes_back_whole,
    an_erased_lead_is_gone_for_good,
    the_feed_is_filtered_by_type_and_lead,
    the_log_can_t_be_written,
    the_owner_is_a_member_or_nobody,
    hostile_texts_come_back_as_they_are_or_are_refused,
);

fn path(lead: &Value) -> String {
    format!("/leads/{}", text(lead, "id"))
}

/// The log of a lead, oldest first: version, type and data.
async fn log(client: &Client, lead: &Value) -> Result<Vec<Value>> {
    let mut entries = client.all(&format!("{}/activity", path(lead))).await?;
    entries.reverse();
    for entry in &entries {
        ensure!(entry["lead"]["id"] == lead["id"], "{entry}");
    }
    Ok(entries.iter().map(|entry| json!([entry["version"], entry["type"], entry["data"]])).collect())
}

async fn a_new_lead_has_defaults_and_is_where_its_location_says(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let before = chrono::Utc::now();
    let answer = una.post("/leads", &json!({ "name": "  Ada Lovelace \n" })).await?.expect(201)?;
    let lead = &answer.body;
    ensure!(
        answer.header("location") == format!("/api/v1/leads/{}", text(lead, "id")),
        "{:?}",
        answer.headers
    );
    let at = lead["createdAt"].clone();
    let person = json!({ "id": una.user, "name": "Una" });
    let right = json!({
        "id": lead["id"], "name": "Ada Lovelace", "email": null, "phone": null, "company": null, "source": "Other",
        "status": "New", "tags": [], "notes": [], "owner": null, "createdBy": person, "createdAt": at, "updatedAt": at,
        "statusChangedAt": at, "lastActivityAt": at, "nextFollowUpAt": null, "version": 1,
    });
    ensure!(*lead == right, "{lead} and not {right}");
    let created = chrono::DateTime::parse_from_rfc3339(text(lead, "createdAt"))?;
    ensure!((created.to_utc() - before).abs() < chrono::Duration::seconds(60), "{created}");
    ensure!(uuid::Uuid::parse_str(text(lead, "id"))?.get_version_num() == 7);
    ensure!(una.get(&path(lead)).await?.expect(200)?.body == *lead);
    ensure!(log(&una, lead).await? == [json!([1, "lead.created", { "source": "Other", "status": "New" }])]);
    let mut row = lead.clone();
    row.as_object_mut().map(|row| row.remove("notes"));
    row["noteCount"] = 0.into();
    ensure!(una.get("/leads").await?.expect(200)?.items() == [row]);
    Ok(())
}

async fn a_new_lead_has_all_that_was_given(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let given = json!({
        "name": "Ada", "email": "Ada.L+crm@Example.COM", "phone": " +44 (0)20 7946-0958 ", "company": "Analytical Engines",
        "source": "Referral", "status": "Qualified", "tags": ["vip", "London"], "ownerId": una.user, "note": "Met at the fair.",
    });
    let lead = una.lead_of(&given).await?;
    for name in ["name", "email", "company", "source", "status", "tags"] {
        ensure!(lead[name] == given[name], "{name}: {lead}");
    }
    ensure!(
        lead["phone"] == "+44 (0)20 7946-0958" && lead["owner"] == json!({ "id": una.user, "name": "Una" }),
        "{lead}"
    );
    let note = &lead["notes"][0];
    ensure!(note["text"] == "Met at the fair." && note["author"]["id"] == una.user.as_str(), "{lead}");
    ensure!(lead["version"] == 1, "{lead}");
    let right = [
        json!([1, "lead.created", { "source": "Referral", "status": "Qualified" }]),
        json!([1, "lead.note_added", { "noteId": note["id"], "text": "Met at the fair." }]),
    ];
    let entries = log(&una, &lead).await?;
    ensure!(entries == right, "{entries:?}");
    // `null` is as absent.
    let nulls = json!({
        "name": "Bob", "email": null, "phone": null, "company": null, "source": null, "status": null, "tags": null,
        "ownerId": null, "note": null,
    });
    let lead = una.lead_of(&nulls).await?;
    ensure!(lead["source"] == "Other" && lead["status"] == "New" && lead["tags"] == json!([]), "{lead}");
    Ok(())
}

async fn texts_are_kept_as_typed_within_their_bounds(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let (fox200, fox201) = ("🦊".repeat(200), "🦊".repeat(201));
    let (local64, local65) =
        (format!("{}@example.test", "a".repeat(64)), format!("{}@example.test", "a".repeat(65)));
    for (field, good, bad) in [
        ("name", vec!["x", &fox200, "İstanbul ıIß"], vec!["", "  ", "\u{a0}", &fox201]),
        ("company", vec![&fox200, "A"], vec![&fox201]),
        ("phone", vec!["+", "ext. 7", &"1".repeat(50)], vec![&"1".repeat(51)]),
        (
            "email",
            vec!["a@b.de", "o'neil+tag@sub.example.org", "用户@例子.广告", &local64],
            vec![
                "",
                "a",
                "a@b",
                "@b.de",
                "a b@c.de",
                "a@@b.de",
                "<a@b.de>",
                "a@b..de",
                "javascript:alert(1)",
                &local65,
            ],
        ),
    ] {
        for value in good {
            let mut body = json!({ "name": "Ada" });
            body[field] = value.into();
            let lead = una.lead_of(&body).await?;
            ensure!(lead[field] == value, "{field}: {lead}");
        }
        for value in bad {
            let mut body = json!({ "name": "Ada" });
            body[field] = value.into();
            una.post("/leads", &body).await?.refused(422, &[field]).with_context(|| value.to_owned())?;
        }
    }
    // A blank phone or company is none.
    let lead = una.lead_of(&json!({ "name": "Ada", "phone": " ", "company": "\t" })).await?;
    ensure!(lead["phone"].is_null() && lead["company"].is_null(), "{lead}");
    Ok(())
}

async fn tags_are_trimmed_unique_and_in_order(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let lead = una
        .lead_of(&json!({ "name": "Ada", "tags": [" VIP ", "vip", "Zürich", "a,b", "ZÜRICH", "b"] }))
        .await?;
    ensure!(lead["tags"] == json!(["VIP", "Zürich", "a,b", "b"]), "{lead}");
    let fifty: Vec<String> = (0..50).map(|number| format!("tag {number}")).collect();
    let lead = una.lead_of(&json!({ "name": "Ada", "tags": fifty })).await?;
    ensure!(lead["tags"] == json!(fifty), "{lead}");
    let fifty_one: Vec<String> = (0..51).map(|number| format!("tag {number}")).collect();
    una.post("/leads", &json!({ "name": "Ada", "tags": fifty_one })).await?.refused(422, &["tags"])?;
    for (bad, fields) in [
        (json!(["ok", " "]), vec!["tags[1]"]),
        (json!(["t".repeat(51)]), vec!["tags[0]"]),
        (json!("vip"), vec!["tags"]),
        (json!([5, "ok", null]), vec!["tags[0]", "tags[2]"]),
        (json!(["a\nb"]), vec!["tags[0]"]),
    ] {
        una.post("/leads", &json!({ "name": "Ada", "tags": bad })).await?.refused(422, &fields)?;
    }
    una.lead_of(&json!({ "name": "Ada", "tags": ["🦊".repeat(50)] })).await?;
    Ok(())
}

async fn a_merge_patch_changes_what_it_names(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let lead =
        una.lead_of(&json!({ "name": "Ada", "email": "a@b.de", "company": "Acme", "tags": ["x"] })).await?;
    let patched = una
        .patch(&path(&lead), &json!({ "email": null, "phone": "+49 1", "tags": ["y", "z"] }))
        .await?
        .expect(200)?;
    let mut right = lead.clone();
    right["email"] = Value::Null;
    right["phone"] = "+49 1".into();
    right["tags"] = json!(["y", "z"]);
    right["version"] = 2.into();
    for name in ["updatedAt", "lastActivityAt"] {
        right[name] = patched.body[name].clone();
        ensure!(text(&patched.body, name) >= text(&lead, name), "{}", patched.body);
    }
    ensure!(patched.body == right, "{} and not {right}", patched.body);
    ensure!(una.get(&path(&lead)).await?.expect(200)?.body == right);
    una.patch(&path(&lead), &json!({ "name": null })).await?.refused(422, &["name"])?;
    let emptied = json!({ "phone": null, "company": null, "source": null, "status": null, "tags": null, "ownerId": null });
    let emptied = una.patch(&path(&lead), &emptied).await?.expect(200)?.body;
    ensure!(
        emptied["company"].is_null() && emptied["tags"] == json!([]) && emptied["version"] == 3,
        "{emptied}"
    );
    Ok(())
}

async fn a_patch_of_nothing_changes_nothing(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let lead =
        una.lead_of(&json!({ "name": "Ada", "email": "a@b.de", "tags": ["x"], "ownerId": una.user })).await?;
    for patch in [
        json!({}),
        json!({ "name": " Ada ", "email": "a@b.de" }),
        json!({ "tags": ["x", "X"] }),
        json!({ "status": "New", "source": null, "phone": null, "ownerId": una.user }),
    ] {
        let answer = una.patch(&path(&lead), &patch).await?.expect(200)?;
        ensure!(answer.body == lead && answer.header("etag") == "\"1\"", "{patch}: {}", answer.body);
    }
    let moved = una
        .patch(&format!("{}/status", path(&lead)), &json!({ "status": "New", "reason": "why" }))
        .await?
        .expect(200)?;
    ensure!(moved.body == lead, "{}", moved.body);
    ensure!(log(&una, &lead).await?.len() == 1);
    Ok(())
}

async fn a_replacement_sets_what_is_absent_to_its_default(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let given = json!({
        "name": "Ada", "email": "a@b.de", "phone": "1", "company": "Acme", "source": "Ad", "status": "Lost", "tags": ["x"],
        "ownerId": una.user, "note": "Kept",
    });
    let lead = una.lead_of(&given).await?;
    let put = una.put(&path(&lead), &json!({ "name": "Eve" })).await?.expect(200)?.body;
    ensure!(
        put["name"] == "Eve"
            && put["source"] == "Other"
            && put["status"] == "New"
            && put["tags"] == json!([]),
        "{put}"
    );
    for name in ["email", "phone", "company", "owner"] {
        ensure!(put[name].is_null(), "{name}: {put}");
    }
    ensure!(
        put["notes"] == lead["notes"] && put["createdAt"] == lead["createdAt"] && put["version"] == 2,
        "{put}"
    );
    una.put(&path(&lead), &json!({ "email": "a@b.de" })).await?.refused(422, &["name"])?;
    una.put(&path(&lead), &json!({ "name": "Eve", "note": "x" })).await?.refused(422, &["note"])?;
    let log = log(&una, &lead).await?;
    let kinds: Vec<&Value> = log.iter().map(|entry| &entry[1]).collect();
    ensure!(kinds == ["lead.created", "lead.note_added", "lead.updated", "lead.status_changed"], "{log:?}");
    Ok(())
}

async fn every_move_between_two_stages_is_logged_with_its_reason(system: &'static System) -> Result<()> {
    const STAGES: [&str; 5] = ["New", "Contacted", "Qualified", "Converted", "Lost"];
    let una = system.register("Una").await?;
    let mut lead = una.lead("Ada").await?;
    let moves = format!("{}/status", path(&lead));
    let mut right = log(&una, &lead).await?;
    let (mut at, mut version) = ("New", 1);
    for from in STAGES {
        for to in STAGES {
            for (stage, reason) in [(from, None), (to, Some(format!("{from} → {to}, said \"so\"\n<b>")))] {
                if stage == at {
                    continue;
                }
                version += 1;
                let moved =
                    una.patch(&moves, &json!({ "status": stage, "reason": reason })).await?.expect(200)?.body;
                ensure!(moved["status"] == stage && moved["version"] == version, "{moved}");
                ensure!(moved["statusChangedAt"] == moved["updatedAt"], "{moved}");
                ensure!(text(&moved, "statusChangedAt") >= text(&lead, "statusChangedAt"), "{moved}");
                right.push(
                    json!([version, "lead.status_changed", { "from": at, "to": stage, "reason": reason }]),
                );
                (lead, at) = (moved, stage);
            }
        }
    }
    ensure!(version > 20, "{version}");
    ensure!(log(&una, &lead).await? == right);
    una.patch(&moves, &json!({})).await?.refused(422, &["status"])?;
    una.patch(&moves, &json!({ "status": "New", "reason": "r".repeat(501) }))
        .await?
        .refused(422, &["reason"])?;
    // Another change leaves the time of the move alone.
    let patched = una.patch(&path(&lead), &json!({ "company": "Acme" })).await?.expect(200)?.body;
    ensure!(patched["statusChangedAt"] == lead["statusChangedAt"], "{patched}");
    Ok(())
}

async fn one_write_logs_one_entry_for_each_thing_that_it_did(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let lead = una.lead("Ada").await?;
    una.patch(&path(&lead), &json!({ "company": "Acme", "status": "Lost", "source": "Ad" }))
        .await?
        .expect(200)?;
    una.patch(&path(&lead), &json!({ "status": "New" })).await?.expect(200)?;
    let note = una.post(&format!("{}/notes", path(&lead)), &json!({ "text": "Hi" })).await?.expect(201)?.body;
    una.delete(&format!("{}/notes/{}", path(&lead), text(&note, "id"))).await?.expect(204)?;
    una.delete(&path(&lead)).await?.expect(204)?;
    una.act(&format!("{}/restore", path(&lead))).await?.expect(200)?;
    let changes =
        json!({ "company": { "from": null, "to": "Acme" }, "source": { "from": "Other", "to": "Ad" } });
    let right = [
        json!([1, "lead.created", { "source": "Other", "status": "New" }]),
        json!([2, "lead.updated", { "changes": changes }]),
        json!([2, "lead.status_changed", { "from": "New", "to": "Lost", "reason": null }]),
        json!([3, "lead.status_changed", { "from": "Lost", "to": "New", "reason": null }]),
        json!([4, "lead.note_added", { "noteId": note["id"], "text": "Hi" }]),
        json!([5, "lead.note_deleted", { "noteId": note["id"] }]),
        json!([6, "lead.deleted", { "permanent": false }]),
        json!([7, "lead.restored", {}]),
    ];
    let entries = log(&una, &lead).await?;
    ensure!(entries == right, "{entries:#?}");
    let feed = una.get("/activity").await?.expect(200)?;
    for entry in feed.items() {
        ensure!(
            entry["actor"] == json!({ "id": una.user, "name": "Una" }) && entry["lead"]["name"] == "Ada",
            "{entry}"
        );
        ensure!(chrono::DateTime::parse_from_rfc3339(text(entry, "at")).is_ok(), "{entry}");
        ensure!(entry.as_object().is_some_and(|entry| entry.len() == 7), "{entry}");
    }
    Ok(())
}

async fn the_log_tells_the_values_before_and_after(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let mel = una.invite("Mel", "member").await?;
    let lead =
        una.lead_of(&json!({ "name": "Ada", "email": "a@b.de", "tags": ["x"], "ownerId": una.user })).await?;
    let patch = json!({ "name": "Eve", "email": null, "phone": "1", "tags": [], "ownerId": mel.user });
    mel.patch(&path(&lead), &patch).await?.expect(200)?;
    let entries = mel.get(&format!("{}/activity", path(&lead))).await?.expect(200)?;
    let entry = &entries.items()[0];
    let right = json!({ "changes": {
        "name": { "from": "Ada", "to": "Eve" }, "email": { "from": "a@b.de", "to": null }, "phone": { "from": null, "to": "1" },
        "tags": { "from": ["x"], "to": [] }, "ownerId": { "from": una.user, "to": mel.user },
    }});
    ensure!(entry["data"] == right && entry["actor"]["name"] == "Mel", "{entry}");
    // Each entry has the name that the lead had then.
    let names: Vec<&str> = entries.items().iter().map(|entry| text(&entry["lead"], "name")).collect();
    ensure!(names == ["Eve", "Ada"], "{names:?}");
    Ok(())
}

async fn notes_are_newest_first_and_fifty_are_shown(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let lead = una.lead("Ada").await?;
    let notes = format!("{}/notes", path(&lead));
    for number in 0..55 {
        let note = una.post(&notes, &json!({ "text": format!("Note {number}") })).await?.expect(201)?;
        ensure!(
            note.header("location") == format!("/api/v1{notes}/{}", note.text("id")),
            "{:?}",
            note.headers
        );
        ensure!(note.body["author"] == json!({ "id": una.user, "name": "Una" }), "{}", note.body);
    }
    let listed = una.all(&notes).await?;
    let texts: Vec<&str> = listed.iter().map(|note| text(note, "text")).collect();
    ensure!(texts == (0..55).rev().map(|number| format!("Note {number}")).collect::<Vec<_>>(), "{texts:?}");
    let shown = una.get(&path(&lead)).await?.expect(200)?.body;
    ensure!(shown["notes"].as_array().map(Vec::as_slice) == Some(&listed[..50]), "{shown}");
    ensure!(una.get("/leads").await?.items()[0]["noteCount"] == 55);
    let first = text(&listed[54], "id");
    una.delete(&format!("{notes}/{first}")).await?.expect(204)?;
    una.delete(&format!("{notes}/{first}")).await?.problem(404, "not-found")?;
    una.delete(&format!("{notes}/{}", unknown_id())).await?.problem(404, "not-found")?;
    // A note of another lead is not this one's.
    let other = una.lead("Bob").await?;
    una.delete(&format!("{}/notes/{}", path(&other), text(&listed[0], "id")))
        .await?
        .problem(404, "not-found")?;
    ensure!(una.get(&notes).await?.expect(200)?.body["total"] == json!({ "value": 54, "relation": "eq" }));
    Ok(())
}

async fn a_note_s_text_is_bounded_and_cut_in_the_log(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let lead = una.lead("Ada").await?;
    let notes = format!("{}/notes", path(&lead));
    let longest = "ü".repeat(10_000);
    let note = una.post(&notes, &json!({ "text": longest })).await?.expect(201)?.body;
    ensure!(note["text"] == longest);
    let entries = log(&una, &lead).await?;
    ensure!(entries[1] == json!([2, "lead.note_added", { "noteId": note["id"], "text": "ü".repeat(200) }]));
    for bad in ["", " \n ", &"ü".repeat(10_001), "a\0b"] {
        una.post(&notes, &json!({ "text": bad })).await?.refused(422, &["text"])?;
    }
    una.post(&notes, &json!({})).await?.refused(422, &["text"])?;
    ensure!(una.get(&path(&lead)).await?.expect(200)?.body["version"] == 2);
    Ok(())
}

async fn a_deleted_lead_is_gone_everywhere_and_comes_back_whole(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let lead = una.lead_of(&json!({ "name": "Ada", "company": "Acme", "tags": ["x"], "note": "Hi" })).await?;
    let path = path(&lead);
    let note = text(&lead["notes"][0], "id").to_owned();
    una.delete(&path).await?.expect(204)?;
    una.get(&path).await?.problem(404, "not-found")?;
    una.patch(&path, &json!({ "name": "Eve" })).await?.problem(404, "not-found")?;
    una.put(&path, &json!({ "name": "Eve" })).await?.problem(404, "not-found")?;
    una.patch(&format!("{path}/status"), &json!({ "status": "Lost" })).await?.problem(404, "not-found")?;
    una.post(&format!("{path}/notes"), &json!({ "text": "x" })).await?.problem(404, "not-found")?;
    una.delete(&format!("{path}/notes/{note}")).await?.problem(404, "not-found")?;
    una.get(&format!("{path}/notes")).await?.problem(404, "not-found")?;
    una.delete(&path).await?.problem(404, "not-found")?;
    for list in ["/leads", "/leads?q=Ada", "/leads?tag=x", "/leads?status=New"] {
        let page = una.get(list).await?.expect(200)?;
        ensure!(page.items().is_empty() && page.body["total"]["value"] == 0, "{list}: {}", page.body);
    }
    let due = json!({ "leadId": lead["id"], "dueAt": "2031-01-01T00:00:00Z", "message": "Call" });
    una.post("/reminders", &due).await?.refused(422, &["leadId"])?;
    let trash = una.get("/leads?trashed=true").await?.expect(200)?;
    ensure!(trash.ids() == [text(&lead, "id")], "{}", trash.body);

    let restored = una.act(&format!("{path}/restore")).await?.expect(200)?;
    let mut right = lead.clone();
    right["version"] = 3.into();
    for name in ["updatedAt", "lastActivityAt"] {
        right[name] = restored.body[name].clone();
    }
    ensure!(restored.body == right, "{} and not {right}", restored.body);
    ensure!(una.get("/leads?trashed=true").await?.items().is_empty());
    ensure!(una.get("/leads?q=Ada").await?.items().len() == 1);
    una.act(&format!("/leads/{}/restore", unknown_id())).await?.problem(404, "not-found")?;
    Ok(())
}

async fn an_erased_lead_is_gone_for_good(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let (first, second) = (una.lead("Ada Secret").await?, una.lead("Bob Secret").await?);
    una.delete(&format!("{}?permanent=true", path(&first))).await?.expect(204)?;
    // One that is in the trash can be erased, too.
    una.delete(&path(&second)).await?.expect(204)?;
    una.delete(&format!("{}?permanent=true", path(&second))).await?.expect(204)?;
    for lead in [&first, &second] {
        una.get(&path(lead)).await?.problem(404, "not-found")?;
        una.act(&format!("{}/restore", path(lead))).await?.problem(404, "not-found")?;
        una.delete(&format!("{}?permanent=true", path(lead))).await?.problem(404, "not-found")?;
    }
    ensure!(una.get("/leads?trashed=true").await?.items().is_empty());
    wait_until(Duration::from_secs(10), "nothing that is personal is left", async || {
        una.get("/activity").await.is_ok_and(|feed| !feed.body.to_string().contains("Secret"))
    })
    .await?;
    for lead in [&first, &second] {
        let feed = una.get(&format!("/activity?leadId={}", text(lead, "id"))).await?.expect(200)?;
        let [entry] = feed.items() else { bail!("{}", feed.body) };
        let told = json!([entry["data"], entry["lead"]["name"], entry["actor"]["name"]]);
        ensure!(told == json!([{ "permanent": true }, "", "Una"]), "{entry}");
    }
    una.delete(&format!("{}?permanent=maybe", path(&first))).await?.refused(400, &["permanent"])?;
    Ok(())
}

async fn the_feed_is_filtered_by_type_and_lead(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let (ada, bob) = (una.lead("Ada").await?, una.lead("Bob").await?);
    una.patch(&path(&ada), &json!({ "status": "Lost", "company": "Acme" })).await?.expect(200)?;
    una.post(&format!("{}/notes", path(&bob)), &json!({ "text": "Hi" })).await?.expect(201)?;
    let kinds = async |query: &str| -> Result<Vec<String>> {
        let feed = una.get(&format!("/activity{query}")).await?.expect(200)?;
        ensure!(feed.body["total"]["value"] == feed.items().len(), "{}", feed.body);
        let told = |entry: &Value| format!("{} {}", text(&entry["lead"], "name"), text(entry, "type"));
        Ok(feed.items().iter().map(told).collect())
    };
    let all = kinds("").await?;
    ensure!(all.len() == 5 && all[0] == "Bob lead.note_added" && all[4] == "Ada lead.created", "{all:?}");
    ensure!(kinds("?type=lead.created").await? == ["Bob lead.created", "Ada lead.created"]);
    let both = kinds("?type=lead.note_added&type=lead.status_changed").await?;
    ensure!(both == ["Bob lead.note_added", "Ada lead.status_changed"], "{both:?}");
    ensure!(kinds("?type=lead.updated,lead.deleted").await? == ["Ada lead.updated"]);
    let of_bob = kinds(&format!("?leadId={}", encode(text(&bob, "id")))).await?;
    ensure!(of_bob == ["Bob lead.note_added", "Bob lead.created"], "{of_bob:?}");
    ensure!(kinds(&format!("?leadId={}&type=lead.updated", text(&bob, "id"))).await?.is_empty());
    let own = una.get(&format!("{}/activity?type=lead.created", path(&ada))).await?.expect(200)?;
    ensure!(own.items().len() == 1, "{}", own.body);
    una.delete(&path(&bob)).await?.expect(204)?;
    let of_bob = kinds(&format!("?leadId={}", text(&bob, "id"))).await?;
    ensure!(of_bob == ["Bob lead.deleted", "Bob lead.note_added", "Bob lead.created"], "{of_bob:?}");
    ensure!(kinds(&format!("?leadId={}", unknown_id())).await?.is_empty());
    Ok(())
}

async fn the_log_can_t_be_written(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let lead = una.lead("Ada").await?;
    let log = una.get("/activity").await?.expect(200)?;
    let entry = log.ids()[0].to_owned();
    una.post("/activity", &json!({ "type": "lead.created" })).await?.expect(405)?;
    una.post(&format!("{}/activity", path(&lead)), &json!({})).await?.expect(405)?;
    for (answer, what) in [
        (una.delete(&format!("/activity/{entry}")).await?, "deleted"),
        (una.patch(&format!("/activity/{entry}"), &json!({ "data": {} })).await?, "changed"),
        (una.delete(&format!("{}/activity/{entry}", path(&lead))).await?, "deleted"),
    ] {
        ensure!(answer.status == 404 || answer.status == 405, "{what}: {}", answer.body);
    }
    ensure!(una.get("/activity").await?.body == log.body);
    Ok(())
}

async fn the_owner_is_a_member_or_nobody(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let mel = una.invite("Mel", "viewer").await?;
    let other = system.register("Otto").await?;
    let lead = una.lead_of(&json!({ "name": "Ada", "ownerId": mel.user })).await?;
    ensure!(lead["owner"] == json!({ "id": mel.user, "name": "Mel" }), "{lead}");
    for stranger in [other.user.as_str(), &unknown_id(), "x", "", "me"] {
        una.post("/leads", &json!({ "name": "Ada", "ownerId": stranger }))
            .await?
            .refused(422, &["ownerId"])?;
        una.patch(&path(&lead), &json!({ "ownerId": stranger })).await?.refused(422, &["ownerId"])?;
    }
    let nobody = una.patch(&path(&lead), &json!({ "ownerId": null })).await?.expect(200)?.body;
    ensure!(nobody["owner"].is_null(), "{nobody}");
    Ok(())
}

async fn hostile_texts_come_back_as_they_are_or_are_refused(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let lead = una.lead("Ada").await?;
    let emoji = "👩‍👩‍👧‍👦".repeat(28);
    for hostile in [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "javascript:alert(1)",
        "'; DROP TABLE leads; --",
        "\" OR \"\"=\"",
        "{\"$gt\": \"\"}",
        "$where: sleep(1000)",
        "a.b.c",
        "__proto__",
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\u{202e}gnp.exe",
        "\u{feff}bom",
        "%00",
        "%0d%0aSet-Cookie:x",
        "${jndi:ldap://x}",
        "{{7*7}}",
        "../../../etc/passwd",
        "Ω≈ç√∫",
        "é e\u{301}",
        "\\\\",
        "null",
        "0",
        "ﷺ",
        emoji.as_str(),
    ] {
        let fields = json!({
            "name": hostile, "company": hostile, "phone": hostile.chars().take(50).collect::<String>(),
            "tags": [hostile.chars().take(50).collect::<String>()],
        });
        let patched = una.patch(&path(&lead), &fields).await?.expect(200)?.body;
        // White space at the ends is not part of it.
        for (name, value) in fields.as_object().into_iter().flatten() {
            ensure!(patched[name] == *value, "{hostile:?}: {name}: {}", patched[name]);
        }
        let shown = una.get(&path(&lead)).await?.expect(200)?.body;
        ensure!(shown["name"] == patched["name"] && shown["tags"] == patched["tags"], "{shown}");
        let note =
            una.post(&format!("{}/notes", path(&lead)), &json!({ "text": hostile })).await?.expect(201)?;
        ensure!(note.body["text"] == hostile, "{}", note.body);
        let stage = if patched["status"] == "New" { "Lost" } else { "New" };
        let moved = json!({ "status": stage, "reason": hostile });
        una.patch(&format!("{}/status", path(&lead)), &moved).await?.expect(200)?;
        let feed = una.get("/activity?limit=2").await?.expect(200)?;
        ensure!(feed.items()[0]["data"]["reason"] == hostile, "{}", feed.body);
        ensure!(feed.items()[1]["data"]["text"] == hostile, "{}", feed.body);
        let due = json!({ "leadId": lead["id"], "dueAt": "2031-01-01T00:00:00Z", "message": hostile });
        ensure!(una.post("/reminders", &due).await?.expect(201)?.body["message"] == hostile, "{hostile:?}");
    }
    for refused in ["a\0b", "a\r\nX-Evil: 1", "\u{1b}[31m", "\u{85}x\u{85}y"] {
        for name in ["name", "company", "phone"] {
            let mut body = json!({});
            body[name] = refused.into();
            una.patch(&path(&lead), &body)
                .await?
                .refused(422, &[name])
                .with_context(|| format!("{refused:?}"))?;
        }
        una.patch(&path(&lead), &json!({ "tags": [refused] })).await?.refused(422, &["tags[0]"])?;
        una.patch(&path(&lead), &json!({ "email": format!("a{refused}@b.de") }))
            .await?
            .refused(422, &["email"])?;
    }
    Ok(())
}
