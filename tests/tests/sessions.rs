//! Sessions: refreshing, signing out, going on in another workspace; the tokens of what is over stop working.

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use leadline_testbed::wait_until;
use leadline_tests::{Answer, Client, PASSWORD, System, in_every_mode, text, unknown_id};
use serde_json::{Value, json};

in_every_mode!(
    a_refresh_token_is_good_for_one_use_and_gives_the_next,
    the_last_token_is_honoured_once_more_while_its_successor_is_unused,
    a_token_used_again_after_its_successor_ends_the_session,
    a_token_used_three_times_ends_the_session,
    twenty_refreshes_at_once_leave_the_session_alive,
    what_is_no_refresh_token_is_refused_and_ends_nothing,
    whoever_signs_out_is_out_everywhere,
    a_person_sees_and_ends_their_sessions,
    a_session_of_another_person_is_unknown,
    a_session_goes_on_in_another_workspace,
);

const MINUTE: Duration = Duration::from_secs(60);

async fn refresh(client: &Client, token: &str) -> Result<Answer> {
    client.signed_out().post("/auth/refresh", &json!({ "refreshToken": token })).await
}

fn token(client: &Client) -> &str {
    client.refresh_token.as_deref().unwrap_or_default()
}

/// Waits until an access token is void.
async fn is_void(client: &Client) -> Result<()> {
    wait_until(MINUTE, "the access token is void", async || {
        client.get("/auth/me").await.is_ok_and(|answer| answer.status == 401)
    })
    .await?;
    // Also where another service has to know it.
    wait_until(MINUTE, "the access token is void for every service", async || {
        let mut void = true;
        for path in ["/leads", "/reminders", "/analytics/summary"] {
            void &= client.get(path).await.is_ok_and(|answer| answer.status == 401);
        }
        void
    })
    .await
}

async fn a_refresh_token_is_good_for_one_use_and_gives_the_next(system: &'static System) -> Result<()> {
    let mut una = system.register("Una").await?;
    for _ in 0..5 {
        let before = token(&una).to_owned();
        let answer = refresh(&una, &before).await?.expect(200)?;
        ensure!(answer.text("tokenType") == "Bearer" && answer.body["expiresIn"] == 900, "{}", answer.body);
        ensure!(answer.text("refreshToken") != before);
        una.signed_in(&answer);
        una.get("/auth/me").await?.expect(200)?;
    }
    ensure!(una.get("/auth/sessions").await?.expect(200)?.items().len() == 1);
    Ok(())
}

async fn the_last_token_is_honoured_once_more_while_its_successor_is_unused(
    system: &'static System,
) -> Result<()> {
    let una = system.register("Una").await?;
    let first = refresh(&una, token(&una)).await?.expect(200)?;
    // The answer was lost: the same successor is given again.
    let again = refresh(&una, token(&una)).await?.expect(200)?;
    ensure!(again.text("refreshToken") == first.text("refreshToken"));
    una.with_token(first.text("accessToken")).get("/auth/me").await?.expect(200)?;
    una.with_token(again.text("accessToken")).get("/auth/me").await?.expect(200)?;
    refresh(&una, first.text("refreshToken")).await?.expect(200)?;
    Ok(())
}

async fn a_token_used_again_after_its_successor_ends_the_session(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let elsewhere = Client::login(system.base(), &una.email).await?;
    let second = refresh(&una, token(&una)).await?.expect(200)?;
    let third = refresh(&una, second.text("refreshToken")).await?.expect(200)?;
    refresh(&una, token(&una)).await?.problem(401, "unauthenticated")?;
    // The whole family is over: the newest refresh token and every access token of it.
    refresh(&una, third.text("refreshToken")).await?.problem(401, "unauthenticated")?;
    for access in
        [una.token.as_deref().unwrap_or_default(), second.text("accessToken"), third.text("accessToken")]
    {
        is_void(&una.with_token(access)).await?;
    }
    // Another session of the same person is not.
    elsewhere.get("/auth/me").await?.expect(200)?;
    refresh(&elsewhere, token(&elsewhere)).await?.expect(200)?;
    Ok(())
}

async fn a_token_used_three_times_ends_the_session(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let first = refresh(&una, token(&una)).await?.expect(200)?;
    refresh(&una, token(&una)).await?.expect(200)?;
    refresh(&una, token(&una)).await?.problem(401, "unauthenticated")?;
    refresh(&una, first.text("refreshToken")).await?.problem(401, "unauthenticated")?;
    is_void(&una).await
}

/// Sends the same refresh over so many connections, the last byte of each within one burst: what reaches the service is there
/// at once, however slowly this process gets its turn. Answers with status and new refresh and access token of each.
fn refresh_at_once(base: &str, token: &str, times: usize) -> Result<Vec<(u16, String, String)>> {
    let body = json!({ "refreshToken": token }).to_string();
    let (last, start) = body.as_bytes().split_last().context("no body")?;
    let address = base.trim_start_matches("http://");
    let head = format!(
        "POST /api/v1/auth/refresh HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut connections = Vec::new();
    for _ in 0..times {
        let mut connection = TcpStream::connect(address)?;
        connection.set_nodelay(true)?;
        connection.set_read_timeout(Some(MINUTE))?;
        connection.write_all(head.as_bytes())?;
        connection.write_all(start)?;
        connections.push(connection);
    }
    for connection in &mut connections {
        connection.write_all(&[*last])?;
    }
    let mut answers = Vec::new();
    for mut connection in connections {
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        let status = answer.split(' ').nth(1).context("no status")?.parse()?;
        let body: Value = serde_json::from_str(answer.split_once("\r\n\r\n").context("no body")?.1)?;
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        answers.push((status, text("refreshToken"), text("accessToken")));
    }
    Ok(answers)
}

async fn twenty_refreshes_at_once_leave_the_session_alive(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    for _ in 0..3 {
        let una = Client::login(system.base(), &una.email).await?;
        let (base, spent) = (system.base().to_owned(), token(&una).to_owned());
        let answers = tokio::task::spawn_blocking(move || refresh_at_once(&base, &spent, 20)).await??;
        ensure!(answers.iter().all(|(status, ..)| [200, 401].contains(status)), "{answers:?}");
        let good: Vec<_> = answers.iter().filter(|(status, ..)| *status == 200).collect();
        let successors: BTreeSet<&str> = good.iter().map(|(_, refresh, _)| refresh.as_str()).collect();
        ensure!(successors.len() == 1, "{} chains", successors.len());
        for (_, _, access) in &good {
            una.with_token(access).get("/auth/me").await?.expect(200)?;
        }
        refresh(&una, &good[0].1).await?.expect(200)?;
    }
    Ok(())
}

async fn what_is_no_refresh_token_is_refused_and_ends_nothing(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let other = system.register("Otto").await?;
    let good = token(&una).to_owned();
    let mut spoiled = good.clone().into_bytes();
    if let Some(byte) = spoiled.last_mut() {
        *byte = if *byte == b'A' { b'Q' } else { b'A' };
    }
    let mut mixed = good[..24].to_owned();
    mixed.push_str(&token(&other)[24..]);
    let access = una.token.clone().unwrap_or_default();
    for bad in [
        "",
        "x",
        &access,
        &String::from_utf8(spoiled)?,
        &mixed,
        &good[1..],
        &format!("{good}A"),
        &unknown_id(),
    ] {
        refresh(&una, bad).await?.problem(401, "unauthenticated")?;
    }
    let client = una.signed_out();
    client
        .post("/auth/refresh", &json!({ "refreshToken": { "$ne": "" } }))
        .await?
        .refused(422, &["refreshToken"])?;
    client.post("/auth/refresh", &json!({ "refreshToken": good, "x": 1 })).await?.refused(422, &["x"])?;
    refresh(&una, &good).await?.expect(200)?;
    Ok(())
}

async fn whoever_signs_out_is_out_everywhere(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let elsewhere = Client::login(system.base(), &una.email).await?;
    let renewed = refresh(&una, token(&una)).await?.expect(200)?;
    una.act("/auth/logout").await?.expect(204)?;
    is_void(&una).await?;
    is_void(&una.with_token(renewed.text("accessToken"))).await?;
    refresh(&una, renewed.text("refreshToken")).await?.problem(401, "unauthenticated")?;
    una.act("/auth/logout").await?.problem(401, "unauthenticated")?;
    elsewhere.get("/auth/me").await?.expect(200)?;
    Ok(())
}

async fn a_person_sees_and_ends_their_sessions(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let elsewhere = Client::login(system.base(), &una.email).await?;
    let sessions = una.get("/auth/sessions").await?.expect(200)?;
    ensure!(sessions.items().len() == 2, "{}", sessions.body);
    // A list as any other.
    let first = una.get("/auth/sessions?limit=1").await?.expect(200)?;
    let total = json!({ "value": 2, "relation": "eq" });
    ensure!(first.ids() == sessions.ids()[..1] && first.body["total"] == total, "{}", first.body);
    let cursor = text(&first.body, "nextCursor");
    let second = una.get(&format!("/auth/sessions?limit=1&cursor={cursor}")).await?.expect(200)?;
    ensure!(second.ids() == sessions.ids()[1..] && second.body["nextCursor"].is_null(), "{}", second.body);
    una.get("/auth/sessions?cursor=x").await?.refused(400, &["cursor"])?;
    let is_current = |session: &&serde_json::Value| session["current"] == true;
    ensure!(sessions.items().iter().filter(is_current).count() == 1, "{}", sessions.body);
    for session in sessions.items() {
        for name in ["createdAt", "lastUsedAt", "expiresAt"] {
            ensure!(chrono::DateTime::parse_from_rfc3339(text(session, name)).is_ok(), "{session}");
        }
    }
    let other = sessions
        .items()
        .iter()
        .find(|session| session["current"] == false)
        .map(|session| text(session, "id"));
    let path = format!("/auth/sessions/{}", other.unwrap_or_default());
    una.delete(&path).await?.expect(204)?;
    is_void(&elsewhere).await?;
    refresh(&elsewhere, token(&elsewhere)).await?.problem(401, "unauthenticated")?;
    una.delete(&path).await?.problem(404, "not-found")?;
    ensure!(una.get("/auth/sessions").await?.expect(200)?.items().len() == 1);
    Ok(())
}

async fn a_session_of_another_person_is_unknown(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let mel = una.invite("Mel", "member").await?;
    let sessions = una.get("/auth/sessions").await?.expect(200)?;
    // Not even that of somebody in the same workspace.
    mel.delete(&format!("/auth/sessions/{}", sessions.ids()[0])).await?.problem(404, "not-found")?;
    una.get("/auth/me").await?.expect(200)?;
    ensure!(mel.get("/auth/sessions").await?.expect(200)?.items().len() == 1);
    Ok(())
}

async fn a_session_goes_on_in_another_workspace(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    una.lead("Hers").await?;
    let host = system.register("Otto").await?;
    host.lead("His").await?;
    let invited = host
        .post("/workspace/invitations", &json!({ "email": una.email, "role": "viewer" }))
        .await?
        .expect(201)?;
    let accept = json!({ "token": invited.text("token"), "password": PASSWORD, "session": "token" });
    let mut guest = Client::stranger(system.base());
    guest.signed_in(&guest.post("/auth/invitations/accept", &accept).await?.expect(201)?);
    ensure!(guest.workspace == host.workspace);

    let switched =
        guest.post("/auth/workspace", &json!({ "workspaceId": una.workspace })).await?.expect(200)?;
    let mut back = guest.clone();
    back.signed_in(&switched);
    ensure!(token(&back) != token(&guest), "{}", switched.body);
    let me = back.get("/auth/me").await?.expect(200)?.body;
    ensure!(me["workspace"]["id"] == una.workspace.as_str() && me["role"] == "owner", "{me}");
    let leads = back.get("/leads").await?.expect(200)?;
    ensure!(leads.items().len() == 1 && leads.items()[0]["name"] == "Hers", "{}", leads.body);
    // A refresh stays where the session went.
    let renewed = refresh(&back, token(&back)).await?.expect(200)?;
    back.signed_in(&renewed);
    ensure!(back.get("/auth/me").await?.expect(200)?.body["workspace"]["id"] == una.workspace.as_str());
    let other = system.register("Eve").await?;
    for workspace in [other.workspace.clone(), unknown_id(), "x".to_owned()] {
        back.post("/auth/workspace", &json!({ "workspaceId": workspace }))
            .await?
            .refused(422, &["workspaceId"])?;
    }
    ensure!(back.get("/auth/me").await?.expect(200)?.body["workspace"]["id"] == una.workspace.as_str());
    Ok(())
}
