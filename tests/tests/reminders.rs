//! Reminders: what they are, the views of a day in a zone, and how they follow their lead.

use std::time::Duration;

use anyhow::{Result, ensure};
use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use chrono_tz::Tz;
use leadline_testbed::wait_until;
use leadline_tests::{Client, System, in_every_mode, query, text, unknown_id};
use serde_json::{Value, json};

in_every_mode!(
    a_new_reminder_is_the_caller_s_and_pending,
    a_reminder_is_changed_in_its_time_message_and_assignee,
    a_reminder_is_completed_reopened_and_put_off,
    the_views_are_those_of_the_zone_s_day,
    a_list_is_filtered_and_oldest_due_first,
    a_deleted_lead_s_reminders_vanish_and_come_back,
    an_erased_lead_s_reminders_are_gone_for_good,
    a_renamed_lead_s_reminders_show_the_new_name,
    a_lead_knows_its_next_open_reminder,
    a_reminder_takes_a_message_a_time_and_a_lead_that_is_there,
    hostile_messages_come_back_as_they_are_or_are_refused,
    an_unknown_reminder_is_not_found,
);

/// How long what one service tells another may take to be seen.
const SOON: Duration = Duration::from_secs(15);

async fn remind(client: &Client, lead: &Value, due: &str, message: &str) -> Result<Value> {
    let body = json!({ "leadId": lead["id"], "dueAt": due, "message": message });
    Ok(client.post("/reminders", &body).await?.expect(201)?.body)
}

fn path(reminder: &Value) -> String {
    format!("/reminders/{}", text(reminder, "id"))
}

async fn messages(client: &Client, path: &str) -> Result<Vec<String>> {
    let page = client.get(path).await?.expect(200)?;
    ensure!(page.body["total"]["value"] == page.items().len(), "{}", page.body);
    Ok(page.items().iter().map(|reminder| text(reminder, "message").to_owned()).collect())
}

async fn a_new_reminder_is_the_caller_s_and_pending(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let mel = una.invite("Mel", "member").await?;
    let lead = una.lead("Ada").await?;
    let body = json!({ "leadId": lead["id"], "dueAt": "2031-05-01T09:00:00+02:00", "message": " Call about the offer \n" });
    let answer = una.post("/reminders", &body).await?.expect(201)?;
    let reminder = &answer.body;
    ensure!(answer.header("location") == format!("/api/v1{}", path(reminder)), "{:?}", answer.headers);
    let person = json!({ "id": una.user, "name": "Una" });
    let right = json!({
        "id": reminder["id"], "lead": { "id": lead["id"], "name": "Ada" }, "dueAt": "2031-05-01T07:00:00.000Z",
        "message": "Call about the offer", "status": "pending", "assignee": person, "createdBy": person,
        "createdAt": reminder["createdAt"], "completedAt": null, "version": 1,
    });
    ensure!(*reminder == right, "{reminder} and not {right}");
    ensure!(una.get(&path(reminder)).await?.expect(200)?.body == right);
    ensure!(una.get("/reminders").await?.expect(200)?.items() == [right]);
    let body = json!({ "leadId": lead["id"], "dueAt": "2020-01-01T00:00:00Z", "message": "Past", "assigneeId": mel.user });
    let past = una.post("/reminders", &body).await?.expect(201)?.body;
    ensure!(
        past["assignee"] == json!({ "id": mel.user, "name": "Mel" }) && past["createdBy"] == person,
        "{past}"
    );
    Ok(())
}

async fn a_reminder_is_changed_in_its_time_message_and_assignee(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let mel = una.invite("Mel", "member").await?;
    let lead = una.lead("Ada").await?;
    let reminder = remind(&una, &lead, "2031-05-01T09:00:00Z", "Call").await?;
    let patch = json!({ "dueAt": "2031-06-01T09:00:00Z", "message": "Write", "assigneeId": mel.user });
    let changed = una.patch(&path(&reminder), &patch).await?.expect(200)?.body;
    let mut right = reminder.clone();
    right["dueAt"] = "2031-06-01T09:00:00.000Z".into();
    right["message"] = "Write".into();
    right["assignee"] = json!({ "id": mel.user, "name": "Mel" });
    right["version"] = 2.into();
    ensure!(changed == right, "{changed} and not {right}");
    ensure!(una.patch(&path(&reminder), &json!({})).await?.expect(200)?.body == right);
    ensure!(una.patch(&path(&reminder), &patch).await?.expect(200)?.body == right);
    for (bad, fields) in [
        (
            json!({ "dueAt": null, "message": null, "assigneeId": null }),
            vec!["assigneeId", "dueAt", "message"],
        ),
        (
            json!({ "dueAt": 5, "message": " ", "assigneeId": unknown_id() }),
            vec!["assigneeId", "dueAt", "message"],
        ),
        (
            json!({ "status": "done", "leadId": unknown_id(), "version": 1 }),
            vec!["leadId", "status", "version"],
        ),
    ] {
        una.patch(&path(&reminder), &bad).await?.refused(422, &fields)?;
    }
    una.delete(&path(&reminder)).await?.expect(204)?;
    una.delete(&path(&reminder)).await?.problem(404, "not-found")?;
    ensure!(una.get("/reminders").await?.items().is_empty());
    Ok(())
}

async fn a_reminder_is_completed_reopened_and_put_off(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let lead = una.lead("Ada").await?;
    let reminder = remind(&una, &lead, "2031-05-01T09:00:00Z", "Call").await?;
    let act = async |what: &str| {
        Ok::<_, anyhow::Error>(una.act(&format!("{}/{what}", path(&reminder))).await?.expect(200)?.body)
    };
    let done = act("complete").await?;
    ensure!(done["status"] == "done" && done["version"] == 2, "{done}");
    let at = DateTime::parse_from_rfc3339(text(&done, "completedAt"))?.to_utc();
    ensure!((at - Utc::now()).abs() < chrono::Duration::seconds(60), "{done}");
    ensure!(act("complete").await? == done, "completed twice");
    let open = act("reopen").await?;
    ensure!(open["status"] == "pending" && open["completedAt"].is_null() && open["version"] == 3, "{open}");
    ensure!(act("reopen").await? == open, "reopened twice");
    act("complete").await?;
    // Put off, it is to be done again.
    let snooze = format!("{}/snooze", path(&reminder));
    let later = una.post(&snooze, &json!({ "until": "2031-07-01T00:00:00+05:45" })).await?.expect(200)?.body;
    ensure!(
        later["status"] == "pending" && later["completedAt"].is_null() && later["version"] == 5,
        "{later}"
    );
    ensure!(later["dueAt"] == "2031-06-30T18:15:00.000Z", "{later}");
    for (bad, fields) in [
        (json!({}), vec!["until"]),
        (json!({ "until": null }), vec!["until"]),
        (json!({ "until": "tomorrow", "x": 1 }), vec!["until", "x"]),
    ] {
        una.post(&snooze, &bad).await?.refused(422, &fields)?;
    }
    una.post(&format!("{}/complete", path(&reminder)), &json!({ "at": "now" }))
        .await?
        .refused(422, &["at"])?;
    Ok(())
}

/// An instant of a civil day.
fn instant(zone: Tz, day: NaiveDate, hour: u32, minute: u32) -> DateTime<Utc> {
    let time = NaiveTime::from_hms_opt(hour, minute, 0).unwrap_or_default();
    day.and_time(time).and_local_timezone(zone).earliest().map(|at| at.to_utc()).unwrap_or_default()
}

async fn the_views_are_those_of_the_zone_s_day(system: &'static System) -> Result<()> {
    for name in ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Kathmandu", "Europe/Berlin"] {
        let una = system.register("Una").await?;
        let lead = una.lead("Ada").await?;
        let zone: Tz = name.parse()?;
        let now = Utc::now();
        let today = now.with_timezone(&zone).date_naive();
        let (before, after) = (today - Days::new(1), today + Days::new(1));
        let mut all = vec![
            ("last minute of yesterday", instant(zone, before, 23, 59), false),
            ("first minute of today", instant(zone, today, 0, 0), false),
            ("done in the first minute of today", instant(zone, today, 0, 1), true),
            ("last minute of today", instant(zone, today, 23, 59), false),
            ("done in the last minute of today", instant(zone, today, 23, 58), true),
            ("first minute of tomorrow", instant(zone, after, 0, 0), false),
            ("done tomorrow", instant(zone, after, 9, 0), true),
            ("long ago", now - chrono::Duration::days(400), false),
        ];
        for (message, due, done) in &all {
            let reminder = remind(&una, &lead, &due.to_rfc3339(), message).await?;
            if *done {
                una.act(&format!("{}/complete", path(&reminder))).await?.expect(200)?;
            }
        }
        all.sort_by_key(|(_, due, _)| *due);
        let of = |is: &dyn Fn(DateTime<Utc>, bool) -> bool| -> Vec<&str> {
            all.iter().filter(|(_, due, done)| is(*due, *done)).map(|(message, _, _)| *message).collect()
        };
        let (start, end) = (instant(zone, today, 0, 0), instant(zone, after, 0, 0));
        let tz = query(&[("tz", name)]);
        let (and_tz, at) = (tz.replace('?', "&"), Utc::now());
        for (path, right) in [
            (format!("/reminders?view=today{and_tz}"), of(&|due, _| due >= start && due < end)),
            (format!("/reminders/today{tz}"), of(&|due, _| due >= start && due < end)),
            (format!("/reminders?view=overdue{and_tz}"), of(&|due, done| !done && due < at)),
            (format!("/reminders/overdue{tz}"), of(&|due, done| !done && due < at)),
            (format!("/reminders?view=upcoming{and_tz}"), of(&|due, done| !done && due >= end)),
            (format!("/reminders?view=all{and_tz}"), of(&|_, _| true)),
            ("/reminders".to_owned(), of(&|_, _| true)),
            (
                format!("/reminders?view=today&status=pending{and_tz}"),
                of(&|due, done| !done && due >= start && due < end),
            ),
            (
                format!("/reminders/today?status=done{and_tz}"),
                of(&|due, done| done && due >= start && due < end),
            ),
        ] {
            let shown = messages(&una, &path).await?;
            // Should midnight, or the minute of one of them, have passed meanwhile, the question was another.
            if Utc::now().with_timezone(&zone).date_naive() == today
                && at.timestamp() / 60 == Utc::now().timestamp() / 60
            {
                ensure!(shown == right, "{path}: {shown:?} and not {right:?}");
            }
        }
        // Without `tz`, the workspace's zone decides.
        una.patch("/workspace", &json!({ "timezone": name })).await?.expect(200)?;
        wait_until(SOON, "the workspace's zone counts", async || {
            messages(&una, "/reminders/today").await.ok()
                == messages(&una, &format!("/reminders/today{tz}")).await.ok()
        })
        .await?;
    }
    Ok(())
}

async fn a_list_is_filtered_and_oldest_due_first(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let mel = una.invite("Mel", "member").await?;
    let (ada, bob) = (una.lead("Ada").await?, una.lead("Bob").await?);
    for (number, (lead, who, month)) in
        [(&ada, &una, 3), (&bob, &mel, 1), (&ada, &mel, 2), (&bob, &una, 4), (&ada, &una, 1)]
            .into_iter()
            .enumerate()
    {
        let due = format!("2031-{month:02}-01T00:00:00Z");
        let body = json!({ "leadId": lead["id"], "dueAt": due, "message": format!("R{number}"), "assigneeId": who.user });
        let reminder = una.post("/reminders", &body).await?.expect(201)?.body;
        if number == 3 {
            una.act(&format!("{}/complete", path(&reminder))).await?.expect(200)?;
        }
    }
    for (asked, right) in [
        (String::new(), vec!["R1", "R4", "R2", "R0", "R3"]),
        (format!("?leadId={}", text(&ada, "id")), vec!["R4", "R2", "R0"]),
        ("?assignee=me".to_owned(), vec!["R4", "R0", "R3"]),
        (format!("?assignee={}", mel.user), vec!["R1", "R2"]),
        ("?status=done".to_owned(), vec!["R3"]),
        (format!("?status=pending&assignee=me&leadId={}", text(&ada, "id")), vec!["R4", "R0"]),
        (format!("?leadId={}", unknown_id()), vec![]),
        (format!("?assignee={}", unknown_id()), vec![]),
    ] {
        let shown = messages(&una, &format!("/reminders{asked}")).await?;
        ensure!(shown == right, "{asked}: {shown:?}");
    }
    let hers = messages(&mel, "/reminders?assignee=me").await?;
    ensure!(hers == ["R1", "R2"], "{hers:?}");
    Ok(())
}

async fn a_deleted_lead_s_reminders_vanish_and_come_back(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let (ada, bob) = (una.lead("Ada").await?, una.lead("Bob").await?);
    let hers = remind(&una, &ada, "2031-01-01T00:00:00Z", "Hers").await?;
    let overdue = remind(&una, &ada, "2020-01-01T00:00:00Z", "Overdue").await?;
    remind(&una, &bob, "2031-02-01T00:00:00Z", "His").await?;
    let lead = format!("/leads/{}", text(&ada, "id"));
    una.delete(&lead).await?.expect(204)?;
    wait_until(SOON, "her reminders have vanished", async || {
        messages(&una, "/reminders").await.is_ok_and(|shown| shown == ["His"])
    })
    .await?;
    ensure!(messages(&una, "/reminders/overdue").await?.is_empty());
    for reminder in [&hers, &overdue] {
        una.get(&path(reminder)).await?.problem(404, "not-found")?;
        una.patch(&path(reminder), &json!({ "message": "x" })).await?.problem(404, "not-found")?;
        una.act(&format!("{}/complete", path(reminder))).await?.problem(404, "not-found")?;
        una.delete(&path(reminder)).await?.problem(404, "not-found")?;
    }
    una.act(&format!("{lead}/restore")).await?.expect(200)?;
    wait_until(SOON, "her reminders are back", async || {
        messages(&una, "/reminders").await.is_ok_and(|shown| shown == ["Overdue", "Hers", "His"])
    })
    .await?;
    ensure!(una.get(&path(&hers)).await?.expect(200)?.body == hers);
    Ok(())
}

async fn an_erased_lead_s_reminders_are_gone_for_good(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let lead = una.lead("Ada").await?;
    let reminder = remind(&una, &lead, "2031-01-01T00:00:00Z", "Call").await?;
    una.delete(&format!("/leads/{}?permanent=true", text(&lead, "id"))).await?.expect(204)?;
    wait_until(SOON, "the reminder is gone", async || {
        una.get(&path(&reminder)).await.is_ok_and(|answer| answer.status == 404)
    })
    .await?;
    ensure!(una.get("/reminders").await?.items().is_empty());
    Ok(())
}

async fn a_renamed_lead_s_reminders_show_the_new_name(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let lead = una.lead("Before").await?;
    let reminder = remind(&una, &lead, "2031-01-01T00:00:00Z", "Call").await?;
    for name in ["Between", "After"] {
        una.patch(&format!("/leads/{}", text(&lead, "id")), &json!({ "name": name })).await?.expect(200)?;
    }
    wait_until(SOON, "the reminder shows the new name", async || {
        una.get(&path(&reminder)).await.is_ok_and(|answer| answer.body["lead"]["name"] == "After")
    })
    .await?;
    let shown = una.get("/reminders").await?.expect(200)?;
    ensure!(
        shown.items()[0]["lead"]["name"] == "After" && shown.items()[0]["version"] == 1,
        "{}",
        shown.body
    );
    Ok(())
}

async fn a_lead_knows_its_next_open_reminder(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let lead = una.lead("Ada").await?;
    let lead_path = format!("/leads/{}", text(&lead, "id"));
    let next = async |right: Value| {
        wait_until(SOON, &format!("the next follow-up is {right}"), async || {
            una.get(&lead_path).await.is_ok_and(|answer| answer.body["nextFollowUpAt"] == right)
        })
        .await
    };
    let march = remind(&una, &lead, "2031-03-01T00:00:00Z", "March").await?;
    next(json!("2031-03-01T00:00:00.000Z")).await?;
    let january = remind(&una, &lead, "2031-01-01T00:00:00Z", "January").await?;
    next(json!("2031-01-01T00:00:00.000Z")).await?;
    una.act(&format!("{}/complete", path(&january))).await?.expect(200)?;
    next(json!("2031-03-01T00:00:00.000Z")).await?;
    una.act(&format!("{}/reopen", path(&january))).await?.expect(200)?;
    next(json!("2031-01-01T00:00:00.000Z")).await?;
    una.post(&format!("{}/snooze", path(&january)), &json!({ "until": "2031-06-01T00:00:00Z" }))
        .await?
        .expect(200)?;
    next(json!("2031-03-01T00:00:00.000Z")).await?;
    una.patch(&path(&march), &json!({ "dueAt": "2031-09-01T00:00:00Z" })).await?.expect(200)?;
    next(json!("2031-06-01T00:00:00.000Z")).await?;
    una.delete(&path(&january)).await?.expect(204)?;
    next(json!("2031-09-01T00:00:00.000Z")).await?;
    una.delete(&path(&march)).await?.expect(204)?;
    next(Value::Null).await?;
    let now = una.get(&lead_path).await?.expect(200)?.body;
    ensure!(now["version"] == 1 && now["updatedAt"] == lead["updatedAt"], "{now}");
    Ok(())
}

async fn a_reminder_takes_a_message_a_time_and_a_lead_that_is_there(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let otto = system.register("Otto").await?;
    let lead = una.lead("Ada").await?;
    una.post("/reminders", &json!({})).await?.refused(422, &["dueAt", "leadId", "message"])?;
    remind(&una, &lead, "2031-01-01T00:00:00Z", &"🦊".repeat(1000)).await?;
    for (field, value) in [
        ("message", json!("🦊".repeat(1001))),
        ("message", json!(" \n ")),
        ("message", json!("a\0b")),
        ("message", json!(null)),
        ("leadId", json!(unknown_id())),
        ("leadId", json!("x")),
        ("leadId", json!(null)),
        ("leadId", json!({ "$ne": "" })),
        ("assigneeId", json!(unknown_id())),
        ("assigneeId", json!(otto.user)),
        ("assigneeId", json!("me")),
        ("dueAt", json!("2031-01-01")),
        ("dueAt", json!(1_900_000_000)),
        ("dueAt", json!("99999-01-01T00:00:00Z")),
    ] {
        let mut body = json!({ "leadId": lead["id"], "dueAt": "2031-01-01T00:00:00Z", "message": "Call" });
        body[field] = value;
        una.post("/reminders", &body).await?.refused(422, &[field])?;
    }
    ensure!(una.get("/reminders").await?.items().len() == 1);
    Ok(())
}

async fn hostile_messages_come_back_as_they_are_or_are_refused(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let lead = una.lead("Ada").await?;
    for hostile in [
        "<script>alert(1)</script>",
        "'; DROP TABLE reminders; --",
        "{\"$gt\": \"\"}",
        "\u{202e}txet",
        "line one\r\n\tline two",
        "👩‍👩‍👧‍👦",
        "%00",
        "=1+1",
        "javascript:alert(1)",
        "\\u0000",
    ] {
        let reminder = remind(&una, &lead, "2031-01-01T00:00:00Z", hostile).await?;
        ensure!(reminder["message"] == hostile, "{reminder}");
        let again =
            una.patch(&path(&reminder), &json!({ "message": format!("x{hostile}") })).await?.expect(200)?;
        ensure!(again.body["message"] == format!("x{hostile}"), "{}", again.body);
    }
    for refused in ["a\0b", "\u{1b}[2J", "\u{7f}x\u{7f}x"] {
        let body = json!({ "leadId": lead["id"], "dueAt": "2031-01-01T00:00:00Z", "message": refused });
        una.post("/reminders", &body).await?.refused(422, &["message"])?;
    }
    Ok(())
}

async fn an_unknown_reminder_is_not_found(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    for id in [unknown_id(), "x".to_owned(), "%27".to_owned()] {
        let path = format!("/reminders/{id}");
        una.get(&path).await?.problem(404, "not-found")?;
        una.patch(&path, &json!({ "message": "x" })).await?.problem(404, "not-found")?;
        una.delete(&path).await?.problem(404, "not-found")?;
        for act in ["complete", "reopen"] {
            una.act(&format!("{path}/{act}")).await?.problem(404, "not-found")?;
        }
        una.post(&format!("{path}/snooze"), &json!({ "until": "2031-01-01T00:00:00Z" }))
            .await?
            .problem(404, "not-found")?;
    }
    Ok(())
}
