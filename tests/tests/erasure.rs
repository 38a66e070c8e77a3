//! Somebody erases their account: what goes, what stays, and who can't.

use std::time::Duration;

use anyhow::{Result, ensure};
use leadline_testbed::wait_until;
use leadline_tests::{
    Answer, Client, Mode, PASSWORD, Part, System,
    imports::{counted, import, recounted, send},
    in_every_mode,
    remains::is_kept,
    text,
};
use reqwest::Method;
use serde_json::json;

in_every_mode!(
    an_erased_lead_leaves_nothing_of_the_person_behind,
    an_erased_account_leaves_nothing_behind_but_an_id,
    nobody_leaves_a_workspace_to_nobody,
    an_account_is_erased_with_its_password_only,
    a_workspace_goes_with_its_last_member_if_they_say_so,
);

const MINUTE: Duration = Duration::from_secs(60);
/// A SQLite file is rewritten within a minute, and once more after some rest if somebody else was erased then.
const REWRITTEN: Duration = Duration::from_secs(4 * 60);

async fn erase(client: &Client, password: &str) -> Result<Answer> {
    client.send(client.request(Method::DELETE, "/auth/me").json(&json!({ "password": password }))).await
}

/// With the workspaces in which nobody else is.
async fn erase_all(client: &Client) -> Result<Answer> {
    let body = json!({ "password": PASSWORD, "deleteWorkspace": true });
    client.send(client.request(Method::DELETE, "/auth/me").json(&body)).await
}

async fn an_erased_account_leaves_nothing_behind_but_an_id(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    // Of one system only: two may share a server.
    let name = &format!("Zebulon Unmistakable-Quagga {:?}", system.mode);
    let mut zed = una.invite(name, "member").await?;
    let local = zed.email.split('@').next().unwrap_or_default().to_owned();
    let lead = zed.lead_of(&json!({ "name": "Somebody else", "ownerId": zed.user })).await?;
    let lead = text(&lead, "id").to_owned();
    // A few sign-ins and another name, so that pages and log hold old versions too.
    for _ in 0..3 {
        zed = Client::login(system.base(), &zed.email).await?;
        zed.patch("/auth/me", &json!({ "name": format!("{name} the Younger") })).await?.expect(200)?;
        zed.patch("/auth/me", &json!({ "name": name })).await?.expect(200)?;
    }
    ensure!(
        is_kept(system, name).await? && is_kept(system, &local).await?,
        "the search finds nothing at all"
    );

    erase(&zed, PASSWORD).await?.expect(204)?;
    wait_until(MINUTE, "the tokens of an erased person are void", async || {
        let mut out = true;
        for path in ["/auth/me", "/leads", "/reminders", "/analytics/summary"] {
            out &= zed.get(path).await.is_ok_and(|answer| answer.status == 401);
        }
        out
    })
    .await?;
    let renewed =
        zed.signed_out().post("/auth/refresh", &json!({ "refreshToken": zed.refresh_token })).await?;
    ensure!(renewed.status == 401, "{}", renewed.status);
    let login = json!({ "email": zed.email, "password": PASSWORD });
    ensure!(zed.signed_out().post("/auth/login", &login).await?.status == 401, "signed in");

    // What they did stays, and names nobody.
    wait_until(MINUTE, "the name is gone from what stays", async || {
        let answer = una.get(&format!("/leads/{lead}")).await;
        answer.is_ok_and(|answer| answer.body["owner"]["name"] == "Deleted user")
    })
    .await?;
    let answer = una.get(&format!("/leads/{lead}")).await?.expect(200)?;
    ensure!(answer.body["owner"]["id"] == zed.user, "{}", answer.body);
    let log = una.get(&format!("/leads/{lead}/activity")).await?.expect(200)?;
    ensure!(
        log.body.to_string().contains("Deleted user") && !log.body.to_string().contains(name),
        "{}",
        log.body
    );
    ensure!(una.get("/workspace/members").await?.items().len() == 1, "still a member");

    wait_until(REWRITTEN, "nothing that is kept holds anything of an erased person", async || {
        matches!((is_kept(system, name).await, is_kept(system, &local).await), (Ok(false), Ok(false)))
    })
    .await?;

    let anew = json!({ "name": "Zed", "email": zed.email, "password": PASSWORD });
    let anew = zed.signed_out().post("/auth/register", &anew).await?.expect(201)?;
    ensure!(anew.body["user"]["id"] != zed.user, "{}", anew.body);
    Ok(())
}

/// Whatever it was that told of the person: fields, a note, reminders, one that fell due, a merge, an import that changed the
/// lead, answers to keys.
async fn an_erased_lead_leaves_nothing_of_the_person_behind(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    // Of one system only: two may share a server.
    let mode = format!("{:?}", system.mode);
    let (name, local) = (&format!("Quentin Quokka-{mode}"), &format!("quentin.quokka.{mode}").to_lowercase());
    let phone = &format!("+44 20 7946 {}", 1_000 + mode.bytes().map(u32::from).sum::<u32>());
    let fields = json!({ "name": name, "email": format!("{local}@example.com"), "phone": phone });
    let keyed = async |key: &str, path: &str, body: &serde_json::Value| {
        una.with(("Idempotency-Key", key), Method::POST, path, body).await
    };
    let lead = keyed("made", "/leads", &fields).await?.expect(201)?.body;
    let lead = text(&lead, "id").to_owned();
    let note = json!({ "text": format!("{name} called") });
    keyed("noted", &format!("/leads/{lead}/notes"), &note).await?.expect(201)?;
    let due = json!({ "leadId": lead, "dueAt": chrono::Utc::now().to_rfc3339(), "message": format!("Call {name} on {phone}") });
    let reminder = keyed("reminded", "/reminders", &due).await?.expect(201)?.body;
    let complete = format!("/reminders/{}/complete", text(&reminder, "id"));
    wait_until(MINUTE, "the reminder has fallen due", async || {
        let shown = una.get("/reminders/overdue").await;
        shown.is_ok_and(|shown| shown.items().len() == 1)
    })
    .await?;
    keyed("completed", &complete, &json!({})).await?.expect(200)?;
    let other = una.lead_of(&json!({ "name": name, "company": "Quokka Ltd" })).await?;
    let merge = json!({ "from": [other["id"]] });
    keyed("merged", &format!("/leads/{lead}/merge"), &merge).await?.expect(200)?;
    una.patch(&format!("/leads/{lead}"), &json!({ "company": format!("{name} & Sons") }))
        .await?
        .expect(200)?;
    let kept = una.lead("Somebody else").await?;
    for what in [name, local, phone] {
        ensure!(is_kept(system, what).await?, "the search finds nothing of {what}");
    }

    una.delete(&format!("/leads/{lead}?permanent=true")).await?.expect(204)?;
    // The keys make nothing a second time, and give nothing back.
    for (key, path, body) in [
        ("made", "/leads".to_owned(), &fields),
        ("noted", format!("/leads/{lead}/notes"), &note),
        ("merged", format!("/leads/{lead}/merge"), &merge),
    ] {
        keyed(key, &path, body).await?.problem(410, "gone")?;
    }
    wait_until(MINUTE, "reminders know that it is erased", async || {
        let again = keyed("reminded", "/reminders", &due).await;
        again.is_ok_and(|again| again.problem(410, "gone").is_ok())
    })
    .await?;
    keyed("completed", &complete, &json!({})).await?.problem(410, "gone")?;
    ensure!(una.get("/leads").await?.ids() == [text(&kept, "id")], "a second lead was made");
    wait_until(REWRITTEN, "nothing that is kept holds anything of the person", async || {
        let mut gone = true;
        for what in [name, local, phone] {
            gone &= matches!(is_kept(system, what).await, Ok(false));
        }
        gone
    })
    .await?;
    // What stays: that leads were erased, by whom and when.
    let feed = una.get("/activity?type=lead.deleted").await?.expect(200)?;
    ensure!(feed.items().len() == 2, "{}", feed.body);
    for entry in feed.items() {
        ensure!(entry["data"] == json!({ "permanent": true }) && entry["lead"]["name"] == "", "{entry}");
        ensure!(entry["actor"]["id"] == una.user.as_str(), "{entry}");
    }
    let of_lead = una.get(&format!("/activity?leadId={lead}")).await?.expect(200)?;
    ensure!(of_lead.items().len() == 1, "{}", of_lead.body);
    Ok(())
}

async fn nobody_leaves_a_workspace_to_nobody(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let alone = erase(&una, PASSWORD).await?;
    alone.problem(409, "only-member")?;
    let bob = una.invite("Bob", "member").await?;
    let owner = erase(&una, PASSWORD).await?;
    owner.problem(409, "last-owner")?;
    una.get("/auth/me").await?.expect(200)?;
    let path = format!("/workspace/members/{}", bob.user);
    una.patch(&path, &json!({ "role": "owner" })).await?.expect(200)?;
    erase(&una, PASSWORD).await?.expect(204)?;
    Ok(())
}

async fn an_account_is_erased_with_its_password_only(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let bob = una.invite("Bob", "member").await?;
    erase(&bob, "not the password at all").await?.refused(422, &["password"])?;
    bob.send(bob.request(Method::DELETE, "/auth/me").json(&json!({}))).await?.refused(422, &["password"])?;
    bob.get("/auth/me").await?.expect(200)?;
    erase(&bob, PASSWORD).await?.expect(204)?;
    Ok(())
}

/// Fills a workspace: leads with notes and tags, one in the trash, two merged, reminders, an import, an invitation, an answer. Each
/// lead is changed once: rows that grow are moved to other pages, and leave what they were where they stood.
async fn fill(client: &Client, mark: &str) -> Result<()> {
    let mut leads = Vec::new();
    for nth in 0..12 {
        let fields = json!({
            "name": format!("{mark} lead {nth}"), "company": format!("{mark} Ltd"), "tags": [format!("{mark}-tag")],
            "email": format!("{mark}-{nth}@example.com"),
        });
        let lead = client.lead_of(&fields).await?;
        leads.push(text(&lead, "id").to_owned());
    }
    for lead in &leads[..6] {
        let note = json!({ "text": format!("{mark} note") });
        client.post(&format!("/leads/{lead}/notes"), &note).await?.expect(201)?;
        let due =
            json!({ "leadId": lead, "dueAt": "2099-01-01T10:00:00Z", "message": format!("{mark} call") });
        client.post("/reminders", &due).await?.expect(201)?;
    }
    client.delete(&format!("/leads/{}", leads[0])).await?.expect(204)?;
    let from = json!({ "from": [leads[2]] });
    client.post(&format!("/leads/{}/merge", leads[1]), &from).await?.expect(200)?;
    let keyed = json!({ "name": format!("{mark} keyed") });
    client.with(("Idempotency-Key", "k-1"), Method::POST, "/leads", &keyed).await?.expect(201)?;
    let rows: String = (0..300)
        .map(|nth| {
            let notes = "called. ".repeat(nth % 50);
            format!("{mark} row {nth},{mark}-row-{nth}@example.com,{mark}-{},{mark} {notes}\n", nth % 7)
        })
        .collect();
    import(client, format!("Name,Email,Tags,Notes\n{rows}"), &[]).await?;
    let every = json!({ "filter": {}, "addTags": [format!("{mark}-changed")] });
    client.post("/leads/bulk", &every).await?.expect(200)?;
    let invited = json!({ "email": format!("{mark}-invited@example.com"), "role": "member" });
    client.post("/workspace/invitations", &invited).await?.expect(201)?;
    Ok(())
}

/// What a workspace shows: to be the same later.
async fn shown(client: &Client) -> Result<Vec<String>> {
    let mut shown = Vec::new();
    for path in ["/leads?limit=200", "/reminders?limit=200", "/workspace/invitations", "/leads/imports"] {
        shown.push(client.get(path).await?.expect(200)?.body.to_string());
    }
    Ok(shown)
}

async fn a_workspace_goes_with_its_last_member_if_they_say_so(system: &'static System) -> Result<()> {
    // Of one system only: two may share a server.
    let (mark, other) = (&format!("zorillo{:?}", system.mode), &format!("okapi{:?}", system.mode));
    let (una, eve) = (system.register(&format!("Una {mark}")).await?, system.register("Eve").await?);
    // At once, so that the rows of both share pages.
    futures::future::try_join(fill(&una, mark), fill(&eve, other)).await?;
    counted(&una, 311).await?;
    counted(&eve, 311).await?;
    wait_until(MINUTE, "reminders know what was merged and what was deleted", async || {
        let Ok(reminders) = eve.get("/reminders?limit=200").await else { return false };
        for reminder in reminders.items() {
            let lead = eve.get(&format!("/leads/{}", text(reminder, "leadId"))).await;
            if !lead.is_ok_and(|lead| lead.status == 200 && lead.body["id"] == reminder["leadId"]) {
                return false;
            }
        }
        !reminders.items().is_empty()
    })
    .await?;
    let before = shown(&eve).await?;
    ensure!(is_kept(system, mark).await?, "the search finds nothing at all");

    erase(&una, PASSWORD).await?.problem(409, "only-member")?;
    let body = json!({ "password": PASSWORD, "deleteWorkspace": "yes" });
    let mistyped = una.send(una.request(Method::DELETE, "/auth/me").json(&body)).await?;
    mistyped.refused(422, &["deleteWorkspace"])?;
    una.get("/leads").await?.expect(200)?;
    // An import that waits or is under way.
    let rows: String =
        (0..3_000).map(|nth| format!("{mark} late {nth},{mark}-late-{nth}@example.com\n")).collect();
    send(&una, format!("Name,Email\n{rows}"), &[]).await?.expect(202)?;
    erase_all(&una).await?.expect(204)?;
    wait_until(MINUTE, "the tokens of an erased workspace are void", async || {
        let mut out = true;
        for path in ["/auth/me", "/leads", "/reminders", "/analytics/summary"] {
            out &= una.get(path).await.is_ok_and(|answer| answer.status == 401);
        }
        out
    })
    .await?;

    wait_until(REWRITTEN, "nothing that is kept holds anything of an erased workspace", async || {
        matches!(is_kept(system, mark).await, Ok(false))
    })
    .await?;
    ensure!(shown(&eve).await? == before, "another workspace was touched");
    ensure!(recounted(&eve).await? == 311, "figures of another workspace");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn all_in_one_killed_while_it_erases_goes_on() -> Result<()> {
    killed(System::start(Mode::AllInOne).await?, &[Part::Leadline]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn services_killed_while_they_erase_go_on() -> Result<()> {
    killed(System::start(Mode::Distributed).await?, &[Part::Leads, Part::Reminders, Part::Analytics]).await
}

async fn killed(mut system: System, parts: &[Part]) -> Result<()> {
    let mark = &format!("tarsier{:?}", system.mode);
    let (una, eve) = (system.register("Una").await?, system.register("Eve").await?);
    fill(&una, mark).await?;
    let rows: String = (0..4_000).map(|nth| format!("{mark} row {nth},{mark}-{nth}@example.org\n")).collect();
    import(&una, format!("Name,Email\n{rows}"), &[]).await?;
    let kept = eve.lead("Somebody").await?;
    erase_all(&una).await?.expect(204)?;
    for _ in 0..3 {
        for part in parts {
            system.kill(*part).await?;
        }
        for part in parts {
            system.launch(*part)?;
        }
        system.ready().await?;
    }
    wait_until(REWRITTEN, "nothing that is kept holds anything of an erased workspace", async || {
        matches!(is_kept(&system, mark).await, Ok(false))
    })
    .await?;
    eve.get(&format!("/leads/{}", text(&kept, "id"))).await?.expect(200)?;
    counted(&eve, 1).await?;
    Ok(())
}
