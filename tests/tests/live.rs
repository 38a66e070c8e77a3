//! Live events: what happens in a workspace reaches its people, once, without loss, and nobody else.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context, Result, ensure};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer, SigningKey, pkcs8::DecodePrivateKey};
use leadline_tests::{Client, Mode, Stream, System, in_every_mode, stream::Event, text, unknown_id};
use reqwest::Method;
use serde_json::{Value, json};

in_every_mode!(
    what_is_done_to_a_lead_is_told_as_in_the_feed,
    a_reminder_that_falls_due_is_told_once,
    changed_figures_are_told_after_they_have_changed,
    every_stream_of_the_workspace_is_told_and_no_other,
    a_stream_resumes_without_loss,
    a_stream_resumes_from_before_the_gateway_s_memory,
    a_stream_that_was_never_there_resumes_from_now,
    a_comment_keeps_the_stream_open,
    a_stream_ends_with_the_session,
    a_stream_ends_when_its_token_does,
    a_removed_member_s_stream_ends,
    a_stream_needs_a_token_and_a_sane_place,
);

const SOON: Duration = Duration::from_secs(15);
const MINUTE: Duration = Duration::from_secs(60);

fn is_activity(event: &Event) -> bool {
    event.kind == "activity"
}

async fn what_is_done_to_a_lead_is_told_as_in_the_feed(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let mut stream = Stream::open(&una, None).await?;
    ensure!(stream.headers().get("cache-control").is_some_and(|value| value == "no-store"));
    let lead = una
        .lead_of(&json!({ "name": "Zoë <b>\nMüller".replace('\n', " "), "note": "Line one\nline two" }))
        .await?;
    let path = format!("/leads/{}", text(&lead, "id"));
    una.patch(&path, &json!({ "company": "Acme", "status": "Contacted" })).await?.expect(200)?;
    una.delete(&path).await?.expect(204)?;
    let mut told = Vec::new();
    for _ in 0..5 {
        told.push(stream.find(SOON, "an activity", is_activity).await?);
    }
    let mut feed = una.all("/activity").await?;
    feed.reverse();
    for entry in &feed {
        let event = told
            .iter()
            .find(|event| event.id == text(entry, "id"))
            .with_context(|| format!("{entry} is not told"))?;
        ensure!(event.data == *entry, "{} and {entry}", event.data);
    }
    Ok(())
}

async fn a_reminder_that_falls_due_is_told_once(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let lead = una.lead("Ada").await?;
    let mut stream = Stream::open(&una, None).await?;
    let remind = async |seconds: i64, message: &str| -> Result<Value> {
        let at = (chrono::Utc::now() + chrono::Duration::seconds(seconds)).to_rfc3339();
        let body = json!({ "leadId": lead["id"], "dueAt": at, "message": message });
        Ok(una.post("/reminders", &body).await?.expect(201)?.body)
    };
    remind(-86_400, "long ago: it never fell due").await?;
    let done = remind(2, "done before").await?;
    una.act(&format!("/reminders/{}/complete", text(&done, "id"))).await?.expect(200)?;
    let gone = remind(2, "taken away before").await?;
    una.delete(&format!("/reminders/{}", text(&gone, "id"))).await?.expect(204)?;
    let later = remind(2, "put off before").await?;
    let until = json!({ "until": "2031-01-01T00:00:00Z" });
    una.post(&format!("/reminders/{}/snooze", text(&later, "id")), &until).await?.expect(200)?;
    let due = remind(3, "falls due").await?;
    let last = remind(5, "falls due last").await?;
    let mut told = Vec::new();
    while told.last().is_none_or(|event: &Event| event.data["id"] != last["id"]) {
        told.push(stream.find(MINUTE, "reminders fall due", |event| event.kind == "reminder.due").await?);
    }
    let messages: Vec<&str> = told.iter().map(|event| text(&event.data, "message")).collect();
    ensure!(messages == ["falls due", "falls due last"], "{messages:?}");
    // It is told as it is answered.
    let shown = una.get(&format!("/reminders/{}", text(&due, "id"))).await?.expect(200)?.body;
    ensure!(told[0].data == shown, "{} and {shown}", told[0].data);
    // Put off, it falls due again.
    let until = (chrono::Utc::now() + chrono::Duration::seconds(2)).to_rfc3339();
    una.post(&format!("/reminders/{}/snooze", text(&due, "id")), &json!({ "until": until }))
        .await?
        .expect(200)?;
    stream
        .find(MINUTE, "it falls due again", |event| {
            event.kind == "reminder.due" && event.data["id"] == due["id"]
        })
        .await?;
    Ok(())
}

async fn changed_figures_are_told_after_they_have_changed(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let mut stream = Stream::open(&una, None).await?;
    for count in 1..=3 {
        let before = chrono::Utc::now();
        una.lead("Ada").await?;
        // The one whose figures have the lead: those told before it was made don't count.
        loop {
            let event = stream.find(SOON, "figures changed", |event| event.kind == "analytics").await?;
            let as_of = chrono::DateTime::parse_from_rfc3339(text(&event.data, "asOf"))?;
            let summary = una.get("/analytics/summary").await?.expect(200)?;
            if summary.body["totalLeads"] == count {
                ensure!(!event.id.is_empty());
                break;
            }
            ensure!(chrono::Utc::now() - before < chrono::Duration::seconds(15), "{as_of}: {}", summary.body);
        }
    }
    Ok(())
}

async fn every_stream_of_the_workspace_is_told_and_no_other(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let vic = una.invite("Vic", "viewer").await?;
    let otto = system.register("Otto").await?;
    let mut hers =
        [Stream::open(&una, None).await?, Stream::open(&una, None).await?, Stream::open(&vic, None).await?];
    let mut his = Stream::open(&otto, None).await?;
    let lead = una.lead("Hers").await?;
    for stream in &mut hers {
        let event = stream.find(SOON, "the lead is made", is_activity).await?;
        ensure!(event.data["lead"]["id"] == lead["id"], "{}", event.data);
    }
    // His stream tells of his lead, and nothing of hers came before it.
    otto.lead("His").await?;
    let event = his.find(SOON, "his lead is made", is_activity).await?;
    ensure!(event.data["lead"]["name"] == "His", "{}", event.data);
    // Nor can he have it by naming her event.
    let hers = una.get("/activity").await?.expect(200)?.ids()[0].to_owned();
    una.lead("Hers too").await?;
    let mut his = Stream::open(&otto, Some(&hers)).await?;
    otto.lead("His too").await?;
    loop {
        let event = his.find(SOON, "his second lead is made", is_activity).await?;
        ensure!(text(&event.data["lead"], "name").starts_with("His"), "{}", event.data);
        if event.data["lead"]["name"] == "His too" {
            return Ok(());
        }
    }
}

async fn a_stream_resumes_without_loss(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let mut stream = Stream::open(&una, None).await?;
    una.lead("First").await?;
    let mut last = stream.find(SOON, "the first lead", is_activity).await?.id;
    let mut told = BTreeSet::from([last.clone()]);
    for round in 0..4 {
        drop(stream);
        // While nobody listens, and while the stream is being opened again.
        let made = (0..10).map(async |number| {
            una.lead_of(&json!({ "name": format!("{round}.{number}"), "note": "Hi" })).await
        });
        let before = futures::future::try_join_all(made).await?;
        let (opened, during) = tokio::join!(Stream::open(&una, Some(&last)), una.lead("during"));
        stream = opened?;
        during?;
        ensure!(before.len() == 10);
        for _ in 0..21 {
            // It may repeat the last few seconds: what is known is dropped, as a reader does.
            loop {
                let event = stream.find(SOON, "what was missed", is_activity).await?;
                last.clone_from(&event.id);
                if told.insert(event.id) {
                    break;
                }
            }
        }
    }
    let feed = una.all("/activity").await?;
    let feed: BTreeSet<String> = feed.iter().map(|entry| text(entry, "id").to_owned()).collect();
    ensure!(told == feed, "{} told, {} done", told.len(), feed.len());
    Ok(())
}

async fn a_stream_resumes_from_before_the_gateway_s_memory(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    for number in 0..20 {
        una.lead(&format!("Lead {number}")).await?;
    }
    // From an event that this gateway may never have told anybody.
    let feed = una.all("/activity").await?;
    let mut stream = Stream::open(&una, Some(text(&feed[14], "id"))).await?;
    let mut missing: BTreeSet<&str> = feed[..14].iter().map(|entry| text(entry, "id")).collect();
    while !missing.is_empty() {
        let event = stream.find(SOON, "the rest of the log", is_activity).await?;
        missing.remove(event.id.as_str());
    }
    Ok(())
}

async fn a_stream_that_was_never_there_resumes_from_now(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    una.lead("Before").await?;
    let mut stream = Stream::open(&una, Some(&unknown_id())).await?;
    una.lead("After").await?;
    stream.find(SOON, "the new lead", |event| event.data["lead"]["name"] == "After").await?;
    Ok(())
}

async fn a_comment_keeps_the_stream_open(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let mut stream = Stream::open(&una, None).await?;
    // The first may come at once; the next after fifteen seconds at the latest.
    stream.comment(Duration::from_secs(20)).await?;
    stream.comment(Duration::from_secs(20)).await?;
    una.lead("Ada").await?;
    stream.find(SOON, "the stream still tells", is_activity).await?;
    Ok(())
}

async fn a_stream_ends_with_the_session(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let elsewhere = Client::login(system.base(), &una.email).await?;
    let mut stream = Stream::open(&una, None).await?;
    let mut other = Stream::open(&elsewhere, None).await?;
    una.act("/auth/logout").await?.expect(204)?;
    stream.ended(MINUTE).await?;
    elsewhere.lead("Ada").await?;
    other.find(SOON, "the other session's stream goes on", is_activity).await?;
    Ok(())
}

async fn a_stream_ends_when_its_token_does(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let token = una.token.clone().unwrap_or_default();
    let parts: Vec<&str> = token.split('.').collect();
    let mut claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[1])?)?;
    claims["exp"] = (chrono::Utc::now().timestamp() + 3).into();
    // Signed as auth does: nobody waits fifteen minutes for a test.
    let file = if system.mode == Mode::Distributed { "signing-key.pem" } else { "data/signing-key.pem" };
    let pem = std::fs::read_to_string(system.folder().join(file))?;
    let der: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = base64::engine::general_purpose::STANDARD.decode(der)?;
    let key = SigningKey::from_pkcs8_der(&der).map_err(|error| anyhow::anyhow!("{error}"))?;
    let signed = format!("{}.{}", parts[0], URL_SAFE_NO_PAD.encode(claims.to_string()));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()).to_bytes());
    let short = una.with_token(&format!("{signed}.{signature}"));
    let mut stream = Stream::open(&short, None).await?;
    una.lead("Ada").await?;
    stream.find(SOON, "an activity", is_activity).await?;
    stream.ended(Duration::from_secs(30)).await?;
    Ok(())
}

async fn a_removed_member_s_stream_ends(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let mel = una.invite("Mel", "member").await?;
    let mut stream = Stream::open(&mel, None).await?;
    una.lead("Ada").await?;
    stream.find(SOON, "an activity", is_activity).await?;
    una.delete(&format!("/workspace/members/{}", mel.user)).await?.expect(204)?;
    stream.ended(MINUTE).await
}

async fn a_stream_needs_a_token_and_a_sane_place(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    Client::stranger(system.base()).get("/events").await?.problem(401, "unauthenticated")?;
    for place in ["x", "1", "../../x", "' OR 1=1"] {
        let answer = una.with(("last-event-id", place), Method::GET, "/events", &Value::Null).await?;
        answer.refused(400, &["Last-Event-ID"])?;
    }
    una.post("/events", &json!({})).await?.expect(405)?;
    // A person has twenty streams; the next is told to wait. Those that are closed make room.
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(Stream::open(&una, None).await?);
    }
    let refused = una.get("/events").await?.problem(429, "too-many-requests")?;
    ensure!(!refused.header("retry-after").is_empty());
    drop(streams);
    leadline_testbed::eventually(SOON, "there is room again", async || {
        Stream::open(&una, None).await.map(drop)
    })
    .await
}
