//! One change to many leads: by ids and by filter, told exactly, and each lead logged as if it were alone.

use anyhow::{Result, ensure};
use futures::future::try_join_all;
use leadline_tests::{Client, System, in_every_mode, text, unknown_id};
use serde_json::{Value, json};

in_every_mode!(
    each_change_is_carried_out_on_each_lead_that_is_named,
    what_is_already_so_is_matched_and_not_changed,
    unknown_and_deleted_leads_are_told_as_failed,
    a_filter_means_the_leads_that_its_list_shows,
    an_empty_filter_means_every_lead,
    exactly_one_change_to_exactly_one_choice_is_asked_for,
    a_thousand_ids_are_taken_and_one_more_is_not,
    too_many_tags_fail_for_that_lead_only,
    leads_are_given_to_members_only,
    every_lead_has_its_own_version_and_entry,
    a_reason_is_logged_with_each_move,
    a_bulk_change_beside_single_ones_loses_none,
);

async fn leads(client: &Client, count: usize) -> Result<Vec<String>> {
    let made =
        try_join_all((0..count).map(async |number| client.lead(&format!("Lead {number}")).await)).await?;
    Ok(made.iter().map(|lead| text(lead, "id").to_owned()).collect())
}

async fn bulk(client: &Client, body: Value) -> Result<Value> {
    Ok(client.post("/leads/bulk", &body).await?.expect(200)?.body)
}

fn result(matched: usize, changed: usize) -> Value {
    json!({ "matched": matched, "changed": changed, "failed": [] })
}

async fn row(client: &Client, id: &str) -> Result<Value> {
    Ok(client.get(&format!("/leads/{id}")).await?.expect(200)?.body)
}

async fn each_change_is_carried_out_on_each_lead_that_is_named(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let mel = una.invite("Mel", "member").await?;
    let ids = leads(&una, 4).await?;
    let (named, other) = (&ids[..3], &ids[3]);
    for (change, field, right) in [
        (json!({ "setStatus": "Qualified" }), "status", json!("Qualified")),
        (json!({ "addTags": ["vip", " cold ", "VIP"] }), "tags", json!(["vip", "cold"])),
        (json!({ "addTags": ["Vip", "new"] }), "tags", json!(["vip", "cold", "new"])),
        (json!({ "removeTags": ["VIP", "absent"] }), "tags", json!(["cold", "new"])),
        (json!({ "assignTo": mel.user }), "owner", json!({ "id": mel.user, "name": "Mel" })),
        (json!({ "assignTo": null }), "owner", Value::Null),
    ] {
        let mut body = change.clone();
        body["ids"] = json!(named);
        ensure!(bulk(&una, body).await? == result(3, 3), "{change}");
        for id in named {
            let lead = row(&una, id).await?;
            ensure!(lead[field] == right, "{change}: {lead}");
        }
        ensure!(row(&una, other).await?["version"] == 1, "{change} has changed another lead");
    }
    ensure!(bulk(&una, json!({ "ids": named, "delete": true })).await? == result(3, 3));
    ensure!(una.get("/leads").await?.ids() == [other.as_str()]);
    ensure!(una.get("/leads?trashed=true").await?.items().len() == 3);
    una.act(&format!("/leads/{}/restore", named[0])).await?.expect(200)?;
    Ok(())
}

async fn what_is_already_so_is_matched_and_not_changed(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let ids = leads(&una, 3).await?;
    una.patch(&format!("/leads/{}", ids[0]), &json!({ "status": "Lost", "tags": ["x"] }))
        .await?
        .expect(200)?;
    ensure!(bulk(&una, json!({ "ids": ids, "setStatus": "Lost" })).await? == result(3, 2));
    ensure!(bulk(&una, json!({ "ids": ids, "setStatus": "Lost" })).await? == result(3, 0));
    ensure!(bulk(&una, json!({ "ids": ids, "addTags": ["X"] })).await? == result(3, 2));
    ensure!(bulk(&una, json!({ "ids": ids, "removeTags": ["absent"] })).await? == result(3, 0));
    ensure!(bulk(&una, json!({ "ids": ids, "assignTo": null })).await? == result(3, 0));
    // The same id twice is one lead.
    ensure!(bulk(&una, json!({ "ids": [ids[0], ids[0]], "setStatus": "New" })).await? == result(1, 1));
    ensure!(row(&una, &ids[1]).await?["version"] == 3);
    Ok(())
}

async fn unknown_and_deleted_leads_are_told_as_failed(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let ids = leads(&una, 2).await?;
    una.delete(&format!("/leads/{}", ids[1])).await?.expect(204)?;
    let unknown = unknown_id();
    let named = json!([ids[0], ids[1], unknown, "x", ""]);
    let done = bulk(&una, json!({ "ids": named, "setStatus": "Lost" })).await?;
    ensure!(done["matched"] == 1 && done["changed"] == 1, "{done}");
    let failed = done["failed"].as_array().cloned().unwrap_or_default();
    let mut told: Vec<&str> = failed.iter().map(|lead| text(lead, "id")).collect();
    told.sort_unstable();
    let mut right = vec![ids[1].as_str(), &unknown, "x", ""];
    right.sort_unstable();
    ensure!(told == right, "{done}");
    // One reason for all: that a lead was deleted, or is another's, is not shown.
    ensure!(
        failed.iter().all(|lead| lead["reason"] == failed[0]["reason"] && !text(lead, "reason").is_empty()),
        "{done}"
    );
    Ok(())
}

async fn a_filter_means_the_leads_that_its_list_shows(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    for number in 0..12 {
        let stage = ["New", "Contacted", "Lost"][number % 3];
        let tags = if number % 2 == 0 { json!(["a,b"]) } else { json!(["cold"]) };
        una.lead_of(
            &json!({ "name": format!("Zoë {number}"), "status": stage, "tags": tags, "source": "Ad" }),
        )
        .await?;
    }
    let filter = json!({ "status": ["New", "Contacted"], "tag": ["COLD", "absent"], "q": "zoe", "source": "Ad", "owner": "none" });
    ensure!(bulk(&una, json!({ "filter": filter, "addTags": ["hit"] })).await? == result(4, 4));
    let hits = una.get("/leads?tag=hit").await?.expect(200)?;
    let listed =
        una.get("/leads?status=New,Contacted&tag=cold&q=ZOE&source=Ad&owner=none").await?.expect(200)?;
    ensure!(hits.ids() == listed.ids() && hits.items().len() == 4, "{} and {}", hits.body, listed.body);
    // A tag with a comma can be meant in a body's list.
    let done =
        bulk(&una, json!({ "filter": { "tag": ["a,b", "none such"] }, "setStatus": "Converted" })).await?;
    ensure!(done == result(6, 6), "{done}");
    for (bad, fields) in [
        (json!({ "status": ["Gone"] }), vec!["filter.status"]),
        (json!({ "limit": "5", "sort": "name" }), vec!["filter.limit", "filter.sort"]),
        (json!({ "$where": "1", "createdFrom": "never" }), vec!["filter.$where", "filter.createdFrom"]),
        (json!({ "trashed": true }), vec!["filter.trashed"]),
    ] {
        una.post("/leads/bulk", &json!({ "filter": bad, "delete": true })).await?.refused(422, &fields)?;
    }
    ensure!(una.get("/leads").await?.items().len() == 12);
    Ok(())
}

async fn an_empty_filter_means_every_lead(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let otto = system.register("Otto").await?;
    leads(&una, 5).await?;
    otto.lead("His").await?;
    ensure!(bulk(&una, json!({ "filter": {}, "setStatus": "Lost" })).await? == result(5, 5));
    ensure!(bulk(&una, json!({ "filter": {}, "delete": true })).await? == result(5, 5));
    ensure!(bulk(&una, json!({ "filter": {}, "delete": true })).await? == result(0, 0));
    let his = otto.get("/leads").await?.expect(200)?;
    ensure!(his.items().len() == 1 && his.items()[0]["version"] == 1, "{}", his.body);
    Ok(())
}

async fn exactly_one_change_to_exactly_one_choice_is_asked_for(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let ids = leads(&una, 2).await?;
    for bad in [
        json!({ "ids": ids }),
        json!({ "setStatus": "Lost" }),
        json!({ "ids": ids, "filter": {}, "setStatus": "Lost" }),
        json!({ "ids": ids, "setStatus": "Lost", "delete": true }),
        json!({ "ids": ids, "addTags": ["x"], "removeTags": ["x"] }),
        json!({ "ids": [], "delete": true }),
        json!({ "ids": null, "delete": true }),
        json!({ "filter": null, "delete": true }),
        json!({ "filter": [], "delete": true }),
        json!({ "filter": "everything", "delete": true }),
        json!({ "ids": ids, "delete": false }),
        json!({ "ids": ids, "delete": "true" }),
        json!({ "ids": ids, "addTags": [] }),
        json!({ "ids": ids, "addTags": ["ok", ""] }),
        json!({ "ids": ids, "removeTags": "x" }),
        json!({ "ids": ids, "setStatus": null }),
        json!({ "ids": ids, "setStatus": "lost" }),
        json!({ "ids": "all", "delete": true }),
        json!({ "ids": [{ "$ne": "" }], "delete": true }),
    ] {
        let answer = una.post("/leads/bulk", &bad).await?.problem(422, "validation")?;
        ensure!(!answer.bad_fields().is_empty(), "{bad}: {}", answer.body);
    }
    for id in &ids {
        ensure!(row(&una, id).await?["version"] == 1);
    }
    Ok(())
}

async fn a_thousand_ids_are_taken_and_one_more_is_not(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let mut ids = leads(&una, 3).await?;
    ids.extend((3..1000).map(|_| unknown_id()));
    let done = bulk(&una, json!({ "ids": ids, "setStatus": "Lost" })).await?;
    ensure!(done["matched"] == 3 && done["changed"] == 3, "{}", done["matched"]);
    ensure!(done["failed"].as_array().is_some_and(|failed| failed.len() == 997));
    ids.push(unknown_id());
    una.post("/leads/bulk", &json!({ "ids": ids, "setStatus": "New" })).await?.refused(422, &["ids"])?;
    ensure!(una.get("/leads?status=Lost").await?.items().len() == 3);
    Ok(())
}

async fn too_many_tags_fail_for_that_lead_only(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let fifty: Vec<String> = (0..50).map(|number| format!("tag {number}")).collect();
    let full = una.lead_of(&json!({ "name": "Full", "tags": fifty })).await?;
    let free = una.lead("Free").await?;
    let done = bulk(&una, json!({ "ids": [full["id"], free["id"]], "addTags": ["one more"] })).await?;
    ensure!(done["matched"] == 2 && done["changed"] == 1, "{done}");
    ensure!(
        done["failed"][0]["id"] == full["id"]
            && done["failed"].as_array().is_some_and(|failed| failed.len() == 1),
        "{done}"
    );
    ensure!(row(&una, text(&free, "id")).await?["tags"] == json!(["one more"]));
    ensure!(row(&una, text(&full, "id")).await?["version"] == 1);
    Ok(())
}

async fn leads_are_given_to_members_only(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let otto = system.register("Otto").await?;
    let ids = leads(&una, 2).await?;
    for stranger in [json!(otto.user), json!(unknown_id()), json!("me"), json!(""), json!(5), json!(["x"])] {
        una.post("/leads/bulk", &json!({ "ids": ids, "assignTo": stranger }))
            .await?
            .refused(422, &["assignTo"])?;
    }
    Ok(())
}

async fn every_lead_has_its_own_version_and_entry(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let ids = leads(&una, 30).await?;
    bulk(&una, json!({ "ids": ids, "setStatus": "Contacted" })).await?;
    bulk(&una, json!({ "filter": { "status": "Contacted" }, "addTags": ["x"] })).await?;
    for id in &ids {
        let log = una.get(&format!("/leads/{id}/activity")).await?.expect(200)?;
        let told: Vec<Value> =
            log.items().iter().map(|entry| json!([entry["version"], entry["type"], entry["data"]])).collect();
        let right = [
            json!([3, "lead.updated", { "changes": { "tags": { "from": [], "to": ["x"] } } }]),
            json!([2, "lead.status_changed", { "from": "New", "to": "Contacted", "reason": null }]),
            json!([1, "lead.created", { "source": "Other", "status": "New" }]),
        ];
        ensure!(told == right, "{}", log.body);
    }
    Ok(())
}

async fn a_bulk_change_beside_single_ones_loses_none(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let ids = leads(&una, 20).await?;
    let tags = (0..5).map(async |round| {
        let done = bulk(&una, json!({ "ids": ids, "addTags": [format!("tag {round}")] })).await?;
        ensure!(done["changed"] == 20, "{done}");
        anyhow::Ok(())
    });
    let companies = ids
        .iter()
        .map(async |id| una.patch(&format!("/leads/{id}"), &json!({ "company": id })).await?.expect(200));
    let (tags, companies) = tokio::join!(try_join_all(tags), try_join_all(companies));
    tags?;
    companies?;
    for id in &ids {
        let lead = row(&una, id).await?;
        ensure!(lead["version"] == 7 && lead["company"] == id.as_str(), "{lead}");
        ensure!(lead["tags"].as_array().is_some_and(|tags| tags.len() == 5), "{lead}");
    }
    Ok(())
}

async fn a_reason_is_logged_with_each_move(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let ids = leads(&una, 3).await?;
    let change = json!({ "ids": ids, "setStatus": "Lost", "reason": "Too expensive" });
    ensure!(bulk(&una, change).await? == result(3, 3));
    let log = una.get("/activity?type=lead.status_changed").await?.expect(200)?;
    ensure!(log.items().len() == 3, "{}", log.body);
    for entry in log.items() {
        let data = json!({ "from": "New", "to": "Lost", "reason": "Too expensive" });
        ensure!(entry["data"] == data, "{entry}");
    }
    let blank = json!({ "filter": { "status": ["Lost"] }, "setStatus": "New", "reason": null });
    ensure!(bulk(&una, blank).await? == result(3, 3));
    for body in [
        json!({ "ids": ids, "addTags": ["x"], "reason": "why" }),
        json!({ "ids": ids, "setStatus": "Lost", "reason": "r".repeat(501) }),
        json!({ "ids": ids, "setStatus": "Lost", "reason": 7 }),
    ] {
        una.post("/leads/bulk", &body).await?.refused(422, &["reason"])?;
    }
    Ok(())
}
