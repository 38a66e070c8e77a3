//! Workspaces, their members, invitations, and what each role may do.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use leadline_testbed::wait_until;
use leadline_tests::{
    Client, PASSWORD, System, imports, in_every_mode,
    tenants::{description, operations, values},
    text, unknown_id,
};
use reqwest::Method;
use serde_json::{Value, json};

in_every_mode!(
    a_workspace_has_a_name_and_a_zone,
    an_invitation_makes_a_member_once,
    an_invitation_for_a_known_address_takes_the_password_of_the_account,
    an_invitation_that_is_withdrawn_or_replaced_is_gone,
    a_member_is_not_invited_again,
    members_are_listed_and_change_their_roles,
    a_changed_role_counts_at_once,
    a_removed_member_is_out_within_a_minute,
    somebody_may_leave,
    the_last_owner_stays,
    of_two_owners_who_leave_at_once_one_stays,
    each_role_may_do_what_it_may,
    an_admin_has_no_say_over_owners,
    a_viewer_reads_everything,
);

const MINUTE: Duration = Duration::from_secs(60);

async fn is_out(client: &Client) -> Result<()> {
    wait_until(MINUTE, "the tokens of somebody who is out are void", async || {
        let mut out = true;
        for path in ["/auth/me", "/leads", "/reminders", "/analytics/summary", "/workspace/members"] {
            out &= client.get(path).await.is_ok_and(|answer| answer.status == 401);
        }
        out
    })
    .await
}

/// The person with a new access token.
async fn renewed(client: &Client) -> Result<Client> {
    let body = json!({ "refreshToken": client.refresh_token });
    let answer = client.signed_out().post("/auth/refresh", &body).await?.expect(200)?;
    let mut client = client.clone();
    client.signed_in(&answer);
    Ok(client)
}

async fn a_workspace_has_a_name_and_a_zone(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let changed = una
        .patch("/workspace", &json!({ "name": " Acme ", "timezone": "America/Santiago" }))
        .await?
        .expect(200)?;
    ensure!(
        changed.body["name"] == "Acme" && changed.body["timezone"] == "America/Santiago",
        "{}",
        changed.body
    );
    ensure!(una.get("/workspace").await?.expect(200)?.body == changed.body);
    ensure!(una.patch("/workspace", &json!({})).await?.expect(200)?.body == changed.body);
    for (bad, field) in [
        (json!({ "name": null }), "name"),
        (json!({ "name": " " }), "name"),
        (json!({ "timezone": "" }), "timezone"),
        (json!({ "timezone": "europe/berlin " }), "timezone"),
        (json!({ "timezone": "+02:00" }), "timezone"),
    ] {
        una.patch("/workspace", &bad).await?.refused(422, &[field])?;
    }
    Ok(())
}

async fn an_invitation_makes_a_member_once(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let email = format!("{}@example.test", uuid::Uuid::new_v4().simple());
    let invited = una
        .post("/workspace/invitations", &json!({ "email": email, "role": "member" }))
        .await?
        .expect(201)?;
    ensure!(invited.text("email") == email && invited.text("role") == "member", "{}", invited.body);
    ensure!(chrono::DateTime::parse_from_rfc3339(invited.text("expiresAt"))? > chrono::Utc::now());
    let listed = una.get("/workspace/invitations").await?.expect(200)?;
    ensure!(listed.ids() == [invited.text("id")] && listed.items()[0]["token"].is_null(), "{}", listed.body);

    let stranger = Client::stranger(system.base());
    let mut body =
        json!({ "token": invited.text("token"), "name": "", "password": "short", "role": "owner" });
    stranger.post("/auth/invitations/accept", &body).await?.refused(422, &["name", "password", "role"])?;
    body = json!({ "token": invited.text("token"), "name": "Mel", "password": PASSWORD });
    let joined = stranger.post("/auth/invitations/accept", &body).await?.expect(201)?;
    ensure!(
        joined.body["workspace"]["id"] == una.workspace.as_str()
            && joined.body["user"]["email"] == email.as_str()
    );
    ensure!(!joined.header("set-cookie").is_empty() && joined.body["refreshToken"].is_null());
    let mel = stranger.with_token(joined.text("accessToken"));
    ensure!(mel.get("/auth/me").await?.expect(200)?.body["role"] == "member");
    ensure!(una.get("/workspace/invitations").await?.expect(200)?.items().is_empty());
    ensure!(una.get("/workspace/members").await?.expect(200)?.items().len() == 2);
    // Spent, or never one: the same.
    stranger.post("/auth/invitations/accept", &body).await?.problem(410, "gone")?;
    let token = invited.text("token");
    for no_token in ["x", "", &token[1..], &format!("{token}A"), &unknown_id()] {
        let body = json!({ "token": no_token, "name": "Eve", "password": PASSWORD });
        stranger.post("/auth/invitations/accept", &body).await?.problem(410, "gone")?;
    }
    Ok(())
}

async fn an_invitation_for_a_known_address_takes_the_password_of_the_account(
    system: &'static System,
) -> Result<()> {
    let una = system.register("Una").await?;
    let otto = system.register("Otto").await?;
    let body = json!({ "email": otto.email.to_uppercase(), "role": "admin" });
    let invited = una.post("/workspace/invitations", &body).await?.expect(201)?;
    let stranger = Client::stranger(system.base());
    let accept = async |password: &str| {
        stranger
            .post(
                "/auth/invitations/accept",
                &json!({ "token": invited.text("token"), "password": password }),
            )
            .await
    };
    accept("not the right password").await?.problem(401, "unauthenticated")?;
    ensure!(una.get("/workspace/members").await?.expect(200)?.items().len() == 1);
    let joined = accept(PASSWORD).await?.expect(201)?;
    ensure!(
        joined.body["user"]["id"] == otto.user.as_str() && joined.body["user"]["name"] == "Otto",
        "{}",
        joined.body
    );
    let me = stranger.with_token(joined.text("accessToken")).get("/auth/me").await?.expect(200)?.body;
    ensure!(me["workspaces"].as_array().is_some_and(|all| all.len() == 2) && me["role"] == "admin", "{me}");
    // The session that he had goes on where it was.
    ensure!(otto.get("/auth/me").await?.expect(200)?.body["workspace"]["id"] == otto.workspace.as_str());
    Ok(())
}

async fn an_invitation_that_is_withdrawn_or_replaced_is_gone(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let stranger = Client::stranger(system.base());
    let invite = async |role: &str| {
        let body = json!({ "email": format!("ina.{}@example.test", una.user), "role": role });
        una.post("/workspace/invitations", &body).await?.expect(201)
    };
    let accept = async |token: &str| {
        stranger
            .post("/auth/invitations/accept", &json!({ "token": token, "name": "Ina", "password": PASSWORD }))
            .await
    };
    let first = invite("admin").await?;
    let second = invite("viewer").await?;
    ensure!(una.get("/workspace/invitations").await?.expect(200)?.ids() == [second.text("id")]);
    accept(first.text("token")).await?.problem(410, "gone")?;
    let path = format!("/workspace/invitations/{}", second.text("id"));
    una.delete(&path).await?.expect(204)?;
    una.delete(&path).await?.problem(404, "not-found")?;
    accept(second.text("token")).await?.problem(410, "gone")?;
    ensure!(una.get("/workspace/invitations").await?.expect(200)?.items().is_empty());
    ensure!(una.get("/workspace/members").await?.expect(200)?.items().len() == 1);
    Ok(())
}

async fn a_member_is_not_invited_again(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let mel = una.invite("Mel", "member").await?;
    for email in [una.email.clone(), mel.email.clone(), mel.email.to_uppercase()] {
        let body = json!({ "email": email, "role": "viewer" });
        una.post("/workspace/invitations", &body).await?.problem(409, "already-member")?;
    }
    Ok(())
}

async fn members_are_listed_and_change_their_roles(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let mel = una.invite("Mel", "member").await?;
    let members = mel.get("/workspace/members").await?.expect(200)?;
    ensure!(members.ids() == [una.user.as_str(), mel.user.as_str()], "{}", members.body);
    let row = &members.items()[1];
    ensure!(row["name"] == "Mel" && row["role"] == "member" && row["email"] == mel.email.as_str(), "{row}");
    let path = format!("/workspace/members/{}", mel.user);
    let changed = una.patch(&path, &json!({ "role": "admin" })).await?.expect(200)?;
    ensure!(changed.text("id") == mel.user && changed.text("role") == "admin", "{}", changed.body);
    for (bad, fields) in [
        (json!({}), vec!["role"]),
        (json!({ "role": "king" }), vec!["role"]),
        (json!({ "role": 5, "name": "x" }), vec!["name", "role"]),
    ] {
        una.patch(&path, &bad).await?.refused(422, &fields)?;
    }
    for id in [unknown_id(), "x".to_owned()] {
        una.patch(&format!("/workspace/members/{id}"), &json!({ "role": "viewer" }))
            .await?
            .problem(404, "not-found")?;
        una.delete(&format!("/workspace/members/{id}")).await?.problem(404, "not-found")?;
    }
    Ok(())
}

async fn a_changed_role_counts_at_once(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let mel = una.invite("Mel", "member").await?;
    mel.lead("Ada").await?;
    una.patch(&format!("/workspace/members/{}", mel.user), &json!({ "role": "viewer" }))
        .await?
        .expect(200)?;
    // The old token says member still: it is void; the next one says viewer.
    wait_until(MINUTE, "the token of the old role is void", async || {
        mel.post("/leads", &json!({ "name": "Bob" })).await.is_ok_and(|answer| answer.status == 401)
    })
    .await?;
    let viewer = renewed(&mel).await?;
    ensure!(viewer.get("/auth/me").await?.expect(200)?.body["role"] == "viewer");
    viewer.get("/leads").await?.expect(200)?;
    viewer.post("/leads", &json!({ "name": "Bob" })).await?.problem(403, "forbidden")?;
    Ok(())
}

async fn a_removed_member_is_out_within_a_minute(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let mel = una.invite("Mel", "admin").await?;
    let lead = mel.lead_of(&json!({ "name": "Ada", "ownerId": mel.user, "note": "Mine" })).await?;
    una.delete(&format!("/workspace/members/{}", mel.user)).await?.expect(204)?;
    is_out(&mel).await?;
    let body = json!({ "refreshToken": mel.refresh_token });
    mel.signed_out().post("/auth/refresh", &body).await?.problem(401, "unauthenticated")?;
    let login = json!({ "email": mel.email, "password": PASSWORD });
    Client::stranger(system.base()).post("/auth/login", &login).await?.problem(401, "unauthenticated")?;
    ensure!(una.get("/workspace/members").await?.expect(200)?.ids() == [una.user.as_str()]);
    // What they did stays, under their name; but nothing new can be given to them.
    let path = format!("/leads/{}", text(&lead, "id"));
    let kept = una.get(&path).await?.expect(200)?.body;
    ensure!(kept["createdBy"]["name"] == "Mel" && kept["notes"][0]["author"]["name"] == "Mel", "{kept}");
    una.post("/leads", &json!({ "name": "Bob", "ownerId": mel.user })).await?.refused(422, &["ownerId"])?;
    let reminder = json!({ "leadId": lead["id"], "dueAt": "2031-01-01T00:00:00Z", "message": "Call", "assigneeId": mel.user });
    una.post("/reminders", &reminder).await?.refused(422, &["assigneeId"])?;
    // A write that leaves the owner as it is does not fall over it.
    una.patch(&path, &json!({ "company": "Acme" })).await?.expect(200)?;
    Ok(())
}

async fn somebody_may_leave(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    for role in ["viewer", "member", "admin", "owner"] {
        let mel = una.invite("Mel", role).await?;
        mel.delete(&format!("/workspace/members/{}", mel.user)).await?.expect(204)?;
        is_out(&mel).await?;
    }
    ensure!(una.get("/workspace/members").await?.expect(200)?.items().len() == 1);
    Ok(())
}

async fn the_last_owner_stays(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    una.invite("Ada", "admin").await?;
    let path = format!("/workspace/members/{}", una.user);
    una.delete(&path).await?.problem(409, "last-owner")?;
    for role in ["admin", "member", "viewer"] {
        una.patch(&path, &json!({ "role": role })).await?.problem(409, "last-owner")?;
    }
    una.patch(&path, &json!({ "role": "owner" })).await?.expect(200)?;
    una.get("/auth/me").await?.expect(200)?;
    let second = una.invite("Zoe", "owner").await?;
    una.delete(&path).await?.expect(204)?;
    second.delete(&format!("/workspace/members/{}", second.user)).await?.problem(409, "last-owner")?;
    Ok(())
}

async fn of_two_owners_who_leave_at_once_one_stays(system: &'static System) -> Result<()> {
    for _ in 0..3 {
        let una = system.register("Una").await?;
        let zoe = una.invite("Zoe", "owner").await?;
        let (first, second) =
            (format!("/workspace/members/{}", una.user), format!("/workspace/members/{}", zoe.user));
        let (first, second) = tokio::join!(una.delete(&first), zoe.delete(&second));
        let mut statuses = [first?.status.as_u16(), second?.status.as_u16()];
        statuses.sort_unstable();
        ensure!(statuses == [204, 409], "{statuses:?}");
    }
    Ok(())
}

/// What writes and is everybody's own: sessions, account, links to files that they may read; and what nobody is signed in for.
const VIEWERS_OWN: [(&str, &str); 11] = [
    ("POST", "/auth/invitations/accept"),
    ("POST", "/auth/login"),
    ("POST", "/auth/logout"),
    ("DELETE", "/auth/me"),
    ("PATCH", "/auth/me"),
    ("POST", "/auth/me/password"),
    ("POST", "/auth/refresh"),
    ("POST", "/auth/register"),
    ("DELETE", "/auth/sessions/{id}"),
    ("POST", "/auth/workspace"),
    ("POST", "/downloads"),
];

async fn each_role_may_do_what_it_may(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let mel = una.invite("Mel", "member").await?;
    let vic = una.invite("Vic", "viewer").await?;
    let ann = una.invite("Ann", "admin").await?;
    let lead = una.lead_of(&json!({ "name": "Ada", "note": "Una's" })).await?;
    let (path, note) = (format!("/leads/{}", text(&lead, "id")), text(&lead["notes"][0], "id").to_owned());
    let due = json!({ "leadId": lead["id"], "dueAt": "2031-01-01T00:00:00Z", "message": "Call" });
    let reminder_id = una.post("/reminders", &due).await?.expect(201)?.text("id").to_owned();
    let reminder = format!("/reminders/{reminder_id}");
    let invitation = json!({ "email": "ina@example.test", "role": "viewer" });
    let open = json!({ "email": "otto@example.test", "role": "viewer" });
    let open = una.post("/workspace/invitations", &open).await?.expect(201)?;
    let other = una.lead("Other").await?;
    let write = json!({ "name": "Bob" });
    let (move_on, bulk) = (json!({ "status": "Lost" }), json!({ "ids": [lead["id"]], "addTags": ["x"] }));
    let (until, role, zone) = (
        json!({ "until": "2031-01-01T00:00:00Z" }),
        json!({ "role": "viewer" }),
        json!({ "timezone": "UTC" }),
    );

    // What a viewer may not: all that writes, but what is their own. A route that is new has no case here, and fails.
    let import = imports::import(&una, "Name\nEve\n", &[]).await?;
    let mut tried = 0;
    for (method, route, _) in operations(&description(system).await?) {
        let Some(route) = route.strip_prefix("/api/v1") else { continue };
        if method == Method::GET || VIEWERS_OWN.contains(&(method.as_str(), route)) {
            continue;
        }
        let (id, body) = match (method.as_str(), route) {
            ("POST", "/leads") | ("PATCH" | "PUT", "/leads/{id}") => (text(&lead, "id"), write.clone()),
            ("DELETE", "/leads/{id}") | ("POST", "/leads/{id}/restore") => (text(&lead, "id"), Value::Null),
            ("PATCH", "/leads/{id}/status") => (text(&lead, "id"), move_on.clone()),
            ("POST", "/leads/{id}/notes") => (text(&lead, "id"), json!({ "text": "Hi" })),
            ("DELETE", "/leads/{id}/notes/{noteId}") => (text(&lead, "id"), Value::Null),
            ("POST", "/leads/{id}/merge") => (text(&lead, "id"), json!({ "from": [text(&other, "id")] })),
            ("POST", "/leads/{id}/unmerge") => (text(&lead, "id"), json!({})),
            ("POST", "/leads/bulk") => ("", bulk.clone()),
            ("POST", "/leads/import") => ("", Value::Null),
            ("POST", "/leads/imports/{id}/undo") => (text(&import, "id"), Value::Null),
            ("POST", "/reminders") => ("", due.clone()),
            ("PATCH", "/reminders/{id}") => (reminder_id.as_str(), json!({ "message": "x" })),
            ("DELETE", "/reminders/{id}")
            | ("POST", "/reminders/{id}/complete" | "/reminders/{id}/reopen") => {
                (reminder_id.as_str(), Value::Null)
            }
            ("POST", "/reminders/{id}/snooze") => (reminder_id.as_str(), until.clone()),
            ("PATCH", "/workspace") => ("", zone.clone()),
            ("POST", "/workspace/invitations") => ("", invitation.clone()),
            ("DELETE", "/workspace/invitations/{id}") => (open.text("id"), Value::Null),
            ("PATCH", "/workspace/members/{userId}") => (mel.user.as_str(), role.clone()),
            ("DELETE", "/workspace/members/{userId}") => (mel.user.as_str(), Value::Null),
            _ => anyhow::bail!("{method} {route} has no case: may a viewer? Add one"),
        };
        let path = route.replace("{id}", id).replace("{userId}", id).replace("{noteId}", &note);
        let request = vic.request(method.clone(), &path);
        let request = match (route, body.is_null()) {
            ("/leads/import", _) => request.header("content-type", "text/csv").body("Name\nEve\n"),
            (_, true) => request,
            (_, false) => request.json(&body),
        };
        vic.send(request).await?.problem(403, "forbidden").with_context(|| format!("{method} {route}"))?;
        tried += 1;
    }
    ensure!(tried >= 22, "{tried}");
    // A viewer is told so before being told what else is wrong.
    vic.post("/leads", &json!({ "bogus": 1 })).await?.problem(403, "forbidden")?;
    // What neither a viewer nor a member may.
    for person in [&vic, &mel] {
        person.patch("/workspace", &zone).await?.problem(403, "forbidden")?;
        person.get("/workspace/invitations").await?.problem(403, "forbidden")?;
        person.post("/workspace/invitations", &invitation).await?.problem(403, "forbidden")?;
        person
            .delete(&format!("/workspace/invitations/{}", unknown_id()))
            .await?
            .problem(403, "forbidden")?;
        person.patch(&format!("/workspace/members/{}", ann.user), &role).await?.problem(403, "forbidden")?;
        person.delete(&format!("/workspace/members/{}", ann.user)).await?.problem(403, "forbidden")?;
        person.delete(&format!("{path}?permanent=true")).await?.problem(403, "forbidden")?;
    }
    // A member works, and takes back their own notes only.
    mel.delete(&format!("{path}/notes/{note}")).await?.problem(403, "forbidden")?;
    let own = mel.post(&format!("{path}/notes"), &json!({ "text": "Mel's" })).await?.expect(201)?;
    mel.delete(&format!("{path}/notes/{}", own.text("id"))).await?.expect(204)?;
    mel.post(&format!("{reminder}/complete"), &json!({})).await?.expect(200)?;
    mel.patch(&format!("{path}/status"), &move_on).await?.expect(200)?;
    mel.post("/leads/bulk", &bulk).await?.expect(200)?;
    mel.delete(&path).await?.expect(204)?;
    mel.act(&format!("{path}/restore")).await?.expect(200)?;
    // An admin manages, and takes back anybody's.
    ann.delete(&format!("{path}/notes/{note}")).await?.expect(204)?;
    ann.patch("/workspace", &zone).await?.expect(200)?;
    let invited = ann.post("/workspace/invitations", &invitation).await?.expect(201)?;
    ann.delete(&format!("/workspace/invitations/{}", invited.text("id"))).await?.expect(204)?;
    ann.patch(&format!("/workspace/members/{}", mel.user), &role).await?.expect(200)?;
    ann.delete(&format!("/workspace/members/{}", mel.user)).await?.expect(204)?;
    ann.delete(&format!("{path}?permanent=true")).await?.expect(204)?;
    una.act(&format!("{path}/restore")).await?.problem(404, "not-found")?;
    Ok(())
}

async fn an_admin_has_no_say_over_owners(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let ann = una.invite("Ann", "admin").await?;
    let mel = una.invite("Mel", "member").await?;
    let owner = format!("/workspace/members/{}", una.user);
    ann.patch(&owner, &json!({ "role": "viewer" })).await?.problem(403, "forbidden")?;
    ann.delete(&owner).await?.problem(403, "forbidden")?;
    for person in [&ann, &mel] {
        let path = format!("/workspace/members/{}", person.user);
        ann.patch(&path, &json!({ "role": "owner" })).await?.problem(403, "forbidden")?;
    }
    let body = json!({ "email": "ina@example.test", "role": "owner" });
    ann.post("/workspace/invitations", &body).await?.problem(403, "forbidden")?;
    ensure!(ann.get("/auth/me").await?.expect(200)?.body["role"] == "admin");
    Ok(())
}

async fn a_viewer_reads_everything(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let vic = una.invite("Vic", "viewer").await?;
    let lead = una.lead_of(&json!({ "name": "Ada", "note": "Hello" })).await?;
    let due = json!({ "leadId": lead["id"], "dueAt": "2031-01-01T00:00:00Z", "message": "Call" });
    let reminder = una.post("/reminders", &due).await?.expect(201)?;
    let import = imports::import(&una, "Name,Email\nEve,none\n", &[]).await?;
    let description = description(system).await?;
    let mut read = 0;
    for (method, route, operation) in operations(&description) {
        let Some(route) = route.strip_prefix("/api/v1") else { continue };
        // Live events never end, a link is for once, and who is invited is for those who invite.
        if method != Method::GET
            || ["/events", "/downloads/{token}", "/workspace/invitations"].contains(&route)
        {
            continue;
        }
        let id = match route.split('/').nth(1) {
            Some("reminders") => reminder.text("id"),
            _ if route.starts_with("/leads/imports/") => text(&import, "id"),
            _ => text(&lead, "id"),
        };
        let mut path = route.replace("{id}", id);
        if route == "/leads/duplicates" {
            path.push_str("?name=Ada");
        }
        vic.get(&path).await?.expect(200)?;
        for form in values(&description, &operation, "format") {
            vic.get(&format!("{path}?format={form}")).await?.expect(200)?;
        }
        read += 1;
    }
    ensure!(read >= 28, "{read}");
    Ok(())
}
