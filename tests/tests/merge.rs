//! Leads that are one person: merged, and taken apart again.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use leadline_testbed::eventually;
use leadline_tests::{
    Answer, Client, Mode, Part, Stream, System, files, ground, imports::recounted, in_every_mode, query,
    text, unknown_id,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::sleep};

in_every_mode!(
    notes_tags_reminders_and_history_move_and_empty_fields_fill,
    a_merge_taken_back_leaves_every_lead_as_before,
    what_was_edited_since_stays,
    merges_are_taken_back_one_by_one_the_newest_first_or_the_one_named,
    a_merged_lead_is_nowhere_and_its_restore_tells_the_way_back,
    leads_that_are_not_there_are_refused_foreign_ones_like_unknown_ones,
    a_viewer_may_not_merge,
    a_merge_is_carried_out_only_on_the_version_that_it_names,
    the_same_key_merges_once,
    of_ten_merges_of_the_same_lead_at_once_one_wins,
    a_stream_tells_what_is_done_to_both_leads,
);

/// How long what one service tells another may take to be seen.
const SOON: Duration = Duration::from_secs(30);

fn id(lead: &Value) -> &str {
    text(lead, "id")
}

async fn merge(client: &Client, into: &str, from: &[&str]) -> Result<Answer> {
    client.post(&format!("/leads/{into}/merge"), &json!({ "from": from })).await
}

async fn unmerge(client: &Client, into: &str) -> Result<Answer> {
    client.act(&format!("/leads/{into}/unmerge")).await
}

async fn lead(client: &Client, id: &str) -> Result<Value> {
    Ok(client.get(&format!("/leads/{id}")).await?.expect(200)?.body)
}

async fn remind(client: &Client, lead: &str, due: &str) -> Result<()> {
    let body = json!({ "leadId": lead, "dueAt": due, "message": format!("Due {due}") });
    client.post("/reminders", &body).await?.expect(201)?;
    Ok(())
}

async fn notes(client: &Client, lead: &str) -> Result<Vec<String>> {
    let notes = client.all(&format!("/leads/{lead}/notes")).await?;
    Ok(notes.iter().map(|note| text(note, "text").to_owned()).collect())
}

/// The times of a lead's reminders, in their order.
async fn reminders(client: &Client, lead: &str) -> Result<Vec<String>> {
    let reminders = client.all(&format!("/reminders?view=all&leadId={lead}")).await?;
    Ok(reminders.iter().map(|reminder| text(reminder, "dueAt").to_owned()).collect())
}

/// The ids of the entries of a lead's log, newest first.
async fn history(client: &Client, lead: &str) -> Result<Vec<String>> {
    let log = client.all(&format!("/leads/{lead}/activity")).await?;
    Ok(log.iter().map(|entry| id(entry).to_owned()).collect())
}

const EARLY: &str = "2031-01-01T09:00:00.000Z";
const LATE: &str = "2031-02-01T09:00:00.000Z";

/// A bare lead and a full one, with a note and a reminder each.
async fn pair(client: &Client) -> Result<(String, String)> {
    let bare = client.lead_of(&json!({ "name": "Ada", "tags": ["own"], "note": "hers" })).await?;
    let full = json!({
        "name": "Ada L.", "email": "ada@example.test", "phone": "+49 30 1234567", "company": "Engines",
        "source": "Referral", "status": "Qualified", "tags": ["vip", "OWN"], "ownerId": client.user, "note": "the other's",
    });
    let full = client.lead_of(&full).await?;
    remind(client, id(&bare), LATE).await?;
    remind(client, id(&full), EARLY).await?;
    let (bare, full) = (id(&bare).to_owned(), id(&full).to_owned());
    follows_up(client, &bare, Some(LATE)).await?;
    follows_up(client, &full, Some(EARLY)).await?;
    Ok((bare, full))
}

/// Awaits a lead's next follow-up.
async fn follows_up(client: &Client, id: &str, at: Option<&str>) -> Result<()> {
    eventually(SOON, "the next follow-up is known", async || {
        let lead = lead(client, id).await?;
        ensure!(lead["nextFollowUpAt"] == json!(at), "{at:?}: {lead}");
        Ok(())
    })
    .await
}

/// Awaits that a lead shows the reminders of these times.
async fn reminded(client: &Client, lead: &str, times: &[&str]) -> Result<()> {
    eventually(SOON, "the reminders are where they belong", async || {
        let found = reminders(client, lead).await?;
        ensure!(found == times, "{found:?} and not {times:?}");
        Ok(())
    })
    .await
}

async fn notes_tags_reminders_and_history_move_and_empty_fields_fill(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let (bare, full) = pair(&una).await?;
    let before = lead(&una, &bare).await?;
    let histories = [history(&una, &bare).await?, history(&una, &full).await?];
    let answer = merge(&una, &bare, &[&full]).await?.expect(200)?;
    let merged = &answer.body;
    ensure!(answer.header("etag") == format!("\"{}\"", merged["version"]), "{:?}", answer.headers);
    ensure!(
        merged["version"] == before["version"].as_u64().map(|version| version + 1).context("no version")?
    );
    for name in ["id", "name", "source", "status", "createdAt", "createdBy", "statusChangedAt"] {
        ensure!(merged[name] == before[name], "{name}: {merged} and not {before}");
    }
    let filled = json!({ "email": "ada@example.test", "phone": "+49 30 1234567", "company": "Engines", "tags": ["own", "vip"] });
    for (name, value) in filled.as_object().into_iter().flatten() {
        ensure!(merged[name] == *value, "{name}: {merged}");
    }
    ensure!(merged["owner"]["id"] == una.user, "{merged}");
    ensure!(notes(&una, &bare).await? == ["the other's", "hers"], "{merged}");
    let shown = merged["notes"].as_array().map_or(0, Vec::len);
    ensure!(shown == 2, "{merged}");
    let rows = una.all("/leads").await?;
    ensure!(rows.len() == 1 && rows[0]["noteCount"] == 2, "{rows:?}");

    let log = una.all(&format!("/leads/{bare}/activity")).await?;
    ensure!(text(&log[0], "type") == "lead.merged", "{log:?}");
    ensure!(log[0]["data"]["fromIds"] == json!([full]), "{}", log[0]);
    let ids: BTreeSet<&str> = log.iter().map(id).collect();
    ensure!(histories.iter().flatten().all(|entry| ids.contains(entry.as_str())), "{log:?}");
    ensure!(log.len() == histories[0].len() + histories[1].len() + 1, "{log:?}");

    reminded(&una, &bare, &[EARLY, LATE]).await?;
    follows_up(&una, &bare, Some(EARLY)).await?;
    let all = una.all("/reminders?view=all").await?;
    ensure!(all.len() == 2 && all.iter().all(|one| one["lead"]["name"] == "Ada"), "{all:?}");
    ensure!(recounted(&una).await? == 1);
    Ok(())
}

/// What merges must leave alone: not the version, and not when it was last written.
async fn kept(client: &Client, id: &str) -> Result<Value> {
    let mut lead = lead(client, id).await?;
    if let Some(lead) = lead.as_object_mut() {
        for name in ["version", "updatedAt", "lastActivityAt"] {
            lead.remove(name);
        }
    }
    Ok(lead)
}

async fn a_merge_taken_back_leaves_every_lead_as_before(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let (bare, full) = pair(&una).await?;
    let third = una.lead_of(&json!({ "name": "Adah", "status": "Lost", "note": "third's" })).await?;
    let all = [bare.as_str(), full.as_str(), id(&third)];
    let mut before = Vec::new();
    for id in all {
        before.push((kept(&una, id).await?, notes(&una, id).await?, history(&una, id).await?));
    }
    merge(&una, &bare, &[id(&third), &full]).await?.expect(200)?;
    reminded(&una, &bare, &[EARLY, LATE]).await?;
    ensure!(recounted(&una).await? == 1);
    let back = unmerge(&una, &bare).await?.expect(200)?;
    ensure!(back.header("etag") == format!("\"{}\"", back.body["version"]), "{:?}", back.headers);
    reminded(&una, &bare, &[LATE]).await?;
    reminded(&una, &full, &[EARLY]).await?;
    follows_up(&una, &bare, Some(LATE)).await?;
    follows_up(&una, &full, Some(EARLY)).await?;
    follows_up(&una, id(&third), None).await?;
    for (id, (fields, noted, log)) in all.into_iter().zip(&before) {
        let now = kept(&una, id).await?;
        ensure!(now == *fields, "{now}\nand not\n{fields}");
        ensure!(notes(&una, id).await? == *noted);
        // Its own, with the merge and the way back before it.
        let now = history(&una, id).await?;
        ensure!(now.len() == log.len() + 2 && now.ends_with(log), "{now:?} and not {log:?}");
        let kinds = una.get(&format!("/leads/{id}/activity?limit=2")).await?.expect(200)?;
        let kinds: Vec<&str> = kinds.items().iter().map(|entry| text(entry, "type")).collect();
        ensure!(kinds == ["lead.unmerged", "lead.merged"], "{kinds:?}");
    }
    ensure!(recounted(&una).await? == 3);
    unmerge(&una, &bare).await?.expect(409)?;
    Ok(())
}

async fn what_was_edited_since_stays(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let (bare, full) = pair(&una).await?;
    merge(&una, &bare, &[&full]).await?.expect(200)?;
    let path = format!("/leads/{bare}");
    let patch = json!({ "phone": "456", "status": "Lost", "tags": ["own", "vip", "later"] });
    una.patch(&path, &patch).await?.expect(200)?;
    una.post(&format!("{path}/notes"), &json!({ "text": "since" })).await?.expect(201)?;
    reminded(&una, &bare, &[EARLY, LATE]).await?;
    let middle = "2031-01-15T09:00:00.000Z";
    remind(&una, &bare, middle).await?;
    unmerge(&una, &bare).await?.expect(200)?;
    let now = lead(&una, &bare).await?;
    ensure!(
        now["phone"] == "456" && now["status"] == "Lost" && now["tags"] == json!(["own", "later"]),
        "{now}"
    );
    ensure!(now["email"].is_null() && now["company"].is_null() && now["owner"].is_null(), "{now}");
    ensure!(notes(&una, &bare).await? == ["since", "hers"]);
    ensure!(notes(&una, &full).await? == ["the other's"]);
    let back = lead(&una, &full).await?;
    ensure!(back["phone"] == "+49 30 1234567" && back["status"] == "Qualified", "{back}");
    reminded(&una, &bare, &[middle, LATE]).await?;
    reminded(&una, &full, &[EARLY]).await?;
    follows_up(&una, &bare, Some(middle)).await?;
    ensure!(recounted(&una).await? == 2);
    Ok(())
}

async fn merges_are_taken_back_one_by_one_the_newest_first_or_the_one_named(
    system: &'static System,
) -> Result<()> {
    let una = system.register("Una").await?;
    let mut ids = Vec::new();
    for name in ["A", "B", "C", "D"] {
        ids.push(id(&una.lead_of(&json!({ "name": name, "note": name, "tags": [name] })).await?).to_owned());
    }
    let [a, b, c, d] = &ids[..] else { anyhow::bail!("not four") };
    // D went into C, and C with all it had into A; B went into A by itself.
    merge(&una, c, &[d]).await?.expect(200)?;
    merge(&una, a, &[c]).await?.expect(200)?;
    merge(&una, a, &[b]).await?.expect(200)?;
    ensure!(notes(&una, a).await?.len() == 4 && recounted(&una).await? == 1);
    let merges = una.all(&format!("/leads/{a}/activity?type=lead.merged")).await?;
    let of_c = merges.iter().find(|entry| entry["data"]["fromIds"] == json!([c])).context("no merge of C")?;
    let named = json!({ "mergeId": of_c["data"]["mergeId"] });
    una.post(&format!("/leads/{b}/unmerge"), &named).await?.problem(404, "not-found")?;
    una.post(&format!("/leads/{a}/unmerge"), &json!({ "mergeId": unknown_id() })).await?.expect(409)?;
    una.post(&format!("/leads/{a}/unmerge"), &json!({ "mergeId": "nonsense" })).await?.expect(409)?;
    una.post(&format!("/leads/{a}/unmerge"), &named).await?.expect(200)?;
    una.post(&format!("/leads/{a}/unmerge"), &named).await?.expect(409)?;
    ensure!(notes(&una, c).await? == ["D", "C"] && notes(&una, a).await? == ["B", "A"]);
    unmerge(&una, a).await?.expect(200)?;
    unmerge(&una, c).await?.expect(200)?;
    for (id, name) in ids.iter().zip(["A", "B", "C", "D"]) {
        let now = lead(&una, id).await?;
        ensure!(now["name"] == name && now["tags"] == json!([name]), "{now}");
        ensure!(notes(&una, id).await? == [name], "{now}");
    }
    ensure!(recounted(&una).await? == 4);
    Ok(())
}

async fn a_merged_lead_is_nowhere_and_its_restore_tells_the_way_back(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let (bare, full) = pair(&una).await?;
    let twin = una.lead_of(&json!({ "name": "Twin", "email": "ada@example.test" })).await?;
    let alike = async || -> Result<Vec<String>> {
        let found = una.get(&format!("/leads/{}/duplicates", id(&twin))).await?.expect(200)?;
        Ok(found.items().iter().map(|one| id(&one["lead"]).to_owned()).collect())
    };
    ensure!(alike().await? == [full.as_str()]);
    merge(&una, &bare, &[&full]).await?.expect(200)?;
    ensure!(alike().await? == [bare.as_str()]);
    let path = format!("/leads/{full}");
    for (method, path, body) in [
        (Method::GET, path.clone(), Value::Null),
        (Method::GET, format!("{path}/notes"), Value::Null),
        (Method::GET, format!("{path}/activity"), Value::Null),
        (Method::GET, format!("{path}/duplicates"), Value::Null),
        (Method::PATCH, path.clone(), json!({ "name": "Eve" })),
        (Method::PATCH, format!("{path}/status"), json!({ "status": "New" })),
        (Method::POST, format!("{path}/notes"), json!({ "text": "Hello" })),
        (Method::POST, format!("{path}/merge"), json!({ "from": [bare] })),
        (Method::POST, format!("{path}/unmerge"), json!({})),
        (Method::DELETE, path.clone(), Value::Null),
        (Method::DELETE, format!("{path}?permanent=true"), Value::Null),
    ] {
        una.with(("accept", "*/*"), method, &path, &body).await?.problem(404, "not-found")?;
    }
    let due = json!({ "leadId": full, "dueAt": EARLY, "message": "Call" });
    una.post("/reminders", &due).await?.refused(422, &["leadId"])?;
    let refused = una.act(&format!("{path}/restore")).await?.expect(409)?;
    ensure!(refused.text("detail").contains(&format!("/api/v1/leads/{bare}/unmerge")), "{}", refused.body);
    for list in
        ["/leads".to_owned(), "/leads?trashed=true".into(), format!("/leads{}", query(&[("q", "Ada L.")]))]
    {
        let found = una.all(&list).await?;
        ensure!(found.iter().all(|lead| id(lead) != full), "{list}: {found:?}");
    }
    // Erased for good with the lead that it went into.
    una.delete(&format!("/leads/{bare}?permanent=true")).await?.expect(204)?;
    una.act(&format!("{path}/restore")).await?.problem(404, "not-found")?;
    let told = una.all("/activity").await?;
    let told: Vec<&Value> = told.iter().filter(|entry| id(&entry["lead"]) == full).collect();
    ensure!(told.iter().all(|entry| !entry.to_string().contains("the other's")), "{told:?}");
    ensure!(recounted(&una).await? == 1);
    eventually(SOON, "its reminders are gone", async || {
        ensure!(una.all("/reminders?view=all").await?.is_empty());
        Ok(())
    })
    .await
}

async fn leads_that_are_not_there_are_refused_foreign_ones_like_unknown_ones(
    system: &'static System,
) -> Result<()> {
    let (una, other) = (system.register("Una").await?, system.register("Other").await?);
    let (bare, full) = pair(&una).await?;
    let theirs = other.lead("Theirs").await?;
    let trashed = una.lead("Gone").await?;
    una.delete(&format!("/leads/{}", id(&trashed))).await?.expect(204)?;
    let unknown = unknown_id();
    let bodies = async |name: &str| -> Result<String> {
        let refused = merge(&una, &bare, &[&full, name]).await?.refused(422, &["from"])?;
        Ok(refused.body["errors"].to_string().replace(name, "ID"))
    };
    let right = bodies(&unknown).await?;
    for name in [id(&theirs), id(&trashed)] {
        ensure!(bodies(name).await? == right, "{} and not {right}", bodies(name).await?);
    }
    merge(&una, &bare, &[&bare]).await?.refused(422, &["from"])?;
    merge(&una, &bare, &["nonsense"]).await?.refused(422, &["from"])?;
    merge(&una, &bare, &[]).await?.refused(422, &["from"])?;
    let many: Vec<String> = (0..21).map(|_| unknown_id()).collect();
    merge(&una, &bare, &many.iter().map(String::as_str).collect::<Vec<_>>())
        .await?
        .refused(422, &["from"])?;
    for body in [json!({}), json!({ "from": null }), json!({ "from": full })] {
        una.post(&format!("/leads/{bare}/merge"), &body).await?.refused(422, &["from"])?;
    }
    una.post(&format!("/leads/{bare}/merge"), &json!({ "from": [7] })).await?.refused(422, &["from[0]"])?;
    let body = json!({ "from": [unknown], "bogus": 1 });
    una.post(&format!("/leads/{bare}/merge"), &body).await?.refused(422, &["bogus", "from"])?;
    una.post(&format!("/leads/{bare}/unmerge"), &json!({ "mergeId": 1, "x": 1 }))
        .await?
        .refused(422, &["mergeId", "x"])?;
    merge(&other, &bare, &[id(&theirs)]).await?.problem(404, "not-found")?;
    unmerge(&other, &bare).await?.problem(404, "not-found")?;
    unmerge(&una, &bare).await?.expect(409)?;
    ensure!(una.all("/leads").await?.len() == 2);

    // However it is written, a lead that is named twice counts once.
    merge(&una, &bare, &[&full, &full.to_uppercase(), &full]).await?.expect(200)?;
    ensure!(notes(&una, &bare).await?.len() == 2);
    unmerge(&una, &bare).await?.expect(200)?;
    ensure!(recounted(&una).await? == 2);
    Ok(())
}

async fn a_viewer_may_not_merge(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let (vera, max) = (una.invite("Vera", "viewer").await?, una.invite("Max", "member").await?);
    let (bare, full) = pair(&una).await?;
    merge(&vera, &bare, &[&full]).await?.problem(403, "forbidden")?;
    merge(&una.signed_out(), &bare, &[&full]).await?.problem(401, "unauthenticated")?;
    merge(&max, &bare, &[&full]).await?.expect(200)?;
    unmerge(&vera, &bare).await?.problem(403, "forbidden")?;
    unmerge(&una.signed_out(), &bare).await?.problem(401, "unauthenticated")?;
    unmerge(&max, &bare).await?.expect(200)?;
    Ok(())
}

async fn a_merge_is_carried_out_only_on_the_version_that_it_names(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let (bare, full) = pair(&una).await?;
    let (path, body) = (format!("/leads/{bare}/merge"), json!({ "from": [full] }));
    let stale = una.with(("if-match", "\"7\""), Method::POST, &path, &body).await?;
    stale.problem(412, "version-mismatch")?;
    una.with(("if-match", "7"), Method::POST, &path, &body).await?.refused(400, &["If-Match"])?;
    lead(&una, &full).await?;
    let tag = una.get(&format!("/leads/{bare}")).await?.header("etag").to_owned();
    let merged = una.with(("if-match", &tag), Method::POST, &path, &body).await?.expect(200)?;
    let path = format!("/leads/{bare}/unmerge");
    let stale = una.with(("if-match", &tag), Method::POST, &path, &json!({})).await?;
    stale.problem(412, "version-mismatch")?;
    let tag = merged.header("etag");
    una.with(("if-match", tag), Method::POST, &path, &json!({})).await?.expect(200)?;
    Ok(())
}

async fn the_same_key_merges_once(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let (bare, full) = pair(&una).await?;
    let (path, body) = (format!("/leads/{bare}/merge"), json!({ "from": [full] }));
    let first = una.with(("idempotency-key", "m-1"), Method::POST, &path, &body).await?.expect(200)?;
    let again = una.with(("idempotency-key", "m-1"), Method::POST, &path, &body).await?.expect(200)?;
    ensure!(
        first.body == again.body && again.header("idempotency-replayed") == "true",
        "{:?}",
        again.headers
    );
    let other = json!({ "from": [unknown_id()] });
    una.with(("idempotency-key", "m-1"), Method::POST, &path, &other).await?.expect(422)?;
    let path = format!("/leads/{bare}/unmerge");
    let first = una.with(("idempotency-key", "u-1"), Method::POST, &path, &json!({})).await?.expect(200)?;
    let again = una.with(("idempotency-key", "u-1"), Method::POST, &path, &json!({})).await?.expect(200)?;
    ensure!(
        first.body == again.body && again.header("idempotency-replayed") == "true",
        "{:?}",
        again.headers
    );
    ensure!(lead(&una, &bare).await?["version"] == first.body["version"]);
    let merges = una.all("/activity?type=lead.merged,lead.unmerged").await?;
    ensure!(merges.len() == 4, "{merges:?}");
    Ok(())
}

async fn of_ten_merges_of_the_same_lead_at_once_one_wins(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let (bare, full) = pair(&una).await?;
    let mut targets = vec![bare; 5];
    for nth in 0..5 {
        targets.push(id(&una.lead(&format!("Target {nth}")).await?).to_owned());
    }
    let from = [full.as_str()];
    let answers = try_join_all(targets.iter().map(|into| merge(&una, into, &from))).await?;
    let mut winners = Vec::new();
    for (answer, into) in answers.into_iter().zip(&targets) {
        match answer.status.as_u16() {
            200 => winners.push(into),
            _ => drop(answer.refused(422, &["from"])?),
        }
    }
    let [winner] = winners[..] else { anyhow::bail!("{winners:?}") };
    let leads = una.all("/leads").await?;
    ensure!(leads.len() == 6, "{leads:?}");
    for lead in &leads {
        let own = usize::from(id(lead) == targets[0]);
        let right = own + usize::from(id(lead) == winner);
        ensure!(lead["noteCount"] == right && notes(&una, id(lead)).await?.len() == right, "{lead}");
    }
    ensure!(una.all("/activity?type=lead.merged").await?.len() == 2);
    ensure!(recounted(&una).await? == 6);
    // Of ten ways back, one is taken, too.
    let answers = try_join_all((0..10).map(|_| unmerge(&una, winner))).await?;
    let done = answers.iter().filter(|answer| answer.status == 200).count();
    ensure!(
        done == 1 && answers.iter().all(|answer| [200, 409].contains(&answer.status.as_u16())),
        "{answers:?}"
    );
    ensure!(recounted(&una).await? == 7);
    Ok(())
}

async fn a_stream_tells_what_is_done_to_both_leads(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let (bare, full) = pair(&una).await?;
    let mut stream = Stream::open(&una, None).await?;
    merge(&una, &bare, &[&full]).await?.expect(200)?;
    unmerge(&una, &bare).await?.expect(200)?;
    let mut told = BTreeMap::new();
    for _ in 0..4 {
        let event = stream
            .find(SOON, "a merge or its way back", |event| {
                event.kind == "activity" && text(&event.data, "type").ends_with("merged")
            })
            .await?;
        told.insert((id(&event.data["lead"]).to_owned(), text(&event.data, "type").to_owned()), event.data);
    }
    for kind in ["lead.merged", "lead.unmerged"] {
        let of =
            |lead: &String| told.get(&(lead.clone(), kind.to_owned())).with_context(|| format!("{told:?}"));
        let (into, from) = (of(&bare)?, of(&full)?);
        ensure!(
            into["data"]["fromIds"] == json!([full]) && from["data"]["intoId"] == json!(bare),
            "{told:?}"
        );
        ensure!(into["data"]["mergeId"] == from["data"]["mergeId"], "{told:?}");
        ensure!(into["actor"]["id"] == una.user, "{into}");
    }
    Ok(())
}

const LEADS: usize = 24;

/// Merges and takes back at random until told to stop.
async fn shuffle(
    client: Client,
    ids: Arc<Vec<String>>,
    mut draw: StdRng,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
) -> Result<()> {
    while !stop.load(Ordering::Relaxed) {
        let (into, from) = (&ids[draw.random_range(0..LEADS)], &ids[draw.random_range(0..LEADS)]);
        let answer = match draw.random_bool(0.6) {
            true => merge(&client, into, &[from]).await,
            false => unmerge(&client, into).await,
        };
        match answer.map(|answer| answer.status.as_u16()) {
            Ok(200) => drop(done.fetch_add(1, Ordering::Relaxed)),
            Ok(404 | 409 | 422) => {}
            // It is killed, or starts.
            Ok(500..) | Err(_) => sleep(Duration::from_millis(20)).await,
            Ok(other) => anyhow::bail!("{other}"),
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_leads_are_merged_and_taken_apart_no_lead_is_half_merged() -> Result<()> {
    let mut system = System::start(Mode::AllInOne).await?;
    let una = system.register("Una").await?;
    let mut ids = Vec::new();
    for nth in 0..LEADS {
        let email = (nth % 3 == 0).then(|| format!("lead{nth}@example.test"));
        let fields = json!({ "name": format!("Lead {nth}"), "email": email, "tags": [format!("t{nth}")], "note": format!("of {nth}") });
        ids.push(id(&una.lead_of(&fields).await?).to_owned());
    }
    let mut before = Vec::new();
    for id in &ids {
        before.push(kept(&una, id).await?);
    }
    let ids = Arc::new(ids);
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut workers = JoinSet::new();
    let seed = ground::seed();
    for nth in 0..4 {
        let draw = StdRng::seed_from_u64(seed.wrapping_add(nth));
        workers.spawn(shuffle(una.with_own_connections(), ids.clone(), draw, stop.clone(), done.clone()));
    }
    for _ in 0..6 {
        let enough = done.load(Ordering::Relaxed) + 10;
        eventually(SOON, "leads are merged", async || {
            ensure!(done.load(Ordering::Relaxed) >= enough);
            Ok(())
        })
        .await?;
        system.kill(Part::Leadline).await?;
        system.launch(Part::Leadline)?;
        system.ready().await?;
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = workers.join_next().await {
        ended??;
    }
    // Each lead is either there or in another, and every note is in one place.
    let live = recounted(&una).await?;
    let (mut there, mut noted) = (0, BTreeSet::new());
    for id in ids.iter() {
        let answer = una.get(&format!("/leads/{id}")).await?;
        if answer.status == 200 {
            there += 1;
            let found = notes(&una, id).await?;
            let rows = una.get(&format!("/leads/{id}/notes")).await?.expect(200)?;
            ensure!(rows.body["total"]["value"] == found.len(), "{}", rows.body);
            for note in found {
                ensure!(noted.insert(note.clone()), "{note} is there twice");
            }
        } else {
            answer.problem(404, "not-found")?;
            una.act(&format!("/leads/{id}/restore")).await?.expect(409)?;
        }
    }
    let counts = una.all("/leads").await?.iter().filter_map(|lead| lead["noteCount"].as_u64()).sum::<u64>();
    ensure!(
        there == live && noted.len() == LEADS && counts == LEADS as u64,
        "{there} {live} {counts} {noted:?}"
    );
    // All taken apart, each is what it was.
    let mut back = true;
    while back {
        back = false;
        for id in ids.iter() {
            while unmerge(&una, id).await?.status == 200 {
                back = true;
            }
        }
    }
    for (id, right) in ids.iter().zip(&before) {
        let now = kept(&una, id).await?;
        ensure!(now == *right, "{now}\nand not\n{right}");
    }
    ensure!(recounted(&una).await? == LEADS);
    ensure!(system.terminate(Part::Leadline).await? == 0);
    files::check(&system.folder().join("data"))?;
    Ok(())
}
