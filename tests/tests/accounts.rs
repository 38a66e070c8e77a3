//! Accounts and what they sign in with: registering, signing in, names, passwords.

use std::time::Duration;

use anyhow::{Result, ensure};
use leadline_testbed::wait_until;
use leadline_tests::{Answer, Client, PASSWORD, System, in_every_mode, text, unknown_id};
use reqwest::Method;
use serde_json::{Value, json};

in_every_mode!(
    whoever_registers_owns_a_workspace_of_their_own,
    a_registration_takes_a_workspace_name_and_a_zone,
    a_taken_address_is_told_whatever_its_case,
    a_password_is_bounded_in_code_points_and_common_ones_are_refused,
    a_huge_password_costs_nothing,
    signing_in_gives_a_session_in_the_workspace_used_last_or_named,
    an_unknown_address_and_a_wrong_password_have_one_answer,
    the_refresh_token_comes_in_a_cookie_that_scripts_and_other_sites_cannot_use,
    the_refresh_token_comes_in_the_answer_where_that_is_asked_for,
    a_person_is_known_by_their_new_name_everywhere,
    a_new_password_ends_every_other_session,
    a_wrong_present_password_changes_nothing,
    no_answer_holds_a_secret,
    hostile_names_come_back_as_they_are_or_are_refused,
);

/// How long it may take until a session that is over is over everywhere.
const MINUTE: Duration = Duration::from_secs(60);

fn address() -> String {
    format!("{}@example.test", uuid::Uuid::new_v4().simple())
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    keys
}

async fn whoever_registers_owns_a_workspace_of_their_own(system: &'static System) -> Result<()> {
    let stranger = Client::stranger(system.base());
    let email = address();
    let body = json!({ "name": " Una Persson ", "email": email, "password": PASSWORD });
    let answer = stranger.post("/auth/register", &body).await?.expect(201)?;
    ensure!(
        keys(&answer.body) == ["accessToken", "expiresIn", "tokenType", "user", "workspace"],
        "{}",
        answer.body
    );
    let (user, workspace) = (&answer.body["user"], &answer.body["workspace"]);
    ensure!(keys(user) == ["createdAt", "email", "id", "name"], "{user}");
    ensure!(user["name"] == "Una Persson" && user["email"] == email.as_str(), "{user}");
    ensure!(keys(workspace) == ["createdAt", "id", "name", "timezone", "version"], "{workspace}");
    ensure!(workspace["timezone"] == "UTC" && !text(workspace, "name").is_empty(), "{workspace}");
    ensure!(answer.text("tokenType") == "Bearer" && answer.body["expiresIn"] == 900, "{}", answer.body);
    for id in [text(user, "id"), text(workspace, "id")] {
        ensure!(uuid::Uuid::parse_str(id).is_ok_and(|id| id.get_version_num() == 7), "{id}");
    }
    let una = stranger.with_token(answer.text("accessToken"));
    let me = una.get("/auth/me").await?.expect(200)?.body;
    ensure!(me["user"] == *user && me["workspace"] == *workspace && me["role"] == "owner", "{me}");
    let own = json!([{ "id": workspace["id"], "name": workspace["name"], "role": "owner" }]);
    ensure!(me["workspaces"] == own, "{me}");
    ensure!(una.get("/workspace").await?.expect(200)?.body == *workspace);
    let members = una.get("/workspace/members").await?.expect(200)?;
    ensure!(members.items().len() == 1 && members.items()[0]["role"] == "owner", "{}", members.body);
    Ok(())
}

async fn a_registration_takes_a_workspace_name_and_a_zone(system: &'static System) -> Result<()> {
    let stranger = Client::stranger(system.base());
    let body = json!({
        "name": "Una", "email": address(), "password": PASSWORD, "workspaceName": "Persson & Söhne", "timezone": "Asia/Kathmandu",
    });
    let answer = stranger.post("/auth/register", &body).await?.expect(201)?;
    let workspace = &answer.body["workspace"];
    ensure!(
        workspace["name"] == "Persson & Söhne" && workspace["timezone"] == "Asia/Kathmandu",
        "{workspace}"
    );
    Ok(())
}

async fn a_taken_address_is_told_whatever_its_case(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let stranger = Client::stranger(system.base());
    for email in [una.email.clone(), una.email.to_uppercase()] {
        let body = json!({ "name": "Eve", "email": email, "password": PASSWORD });
        stranger.post("/auth/register", &body).await?.problem(409, "email-taken")?;
    }
    // At once, too: one of many gets it.
    let body = json!({ "name": "Eve", "email": address(), "password": PASSWORD });
    let answers =
        futures::future::try_join_all((0..6).map(|_| stranger.post("/auth/register", &body))).await?;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    let taken = answers.iter().filter(|answer| answer.status == 409).count();
    ensure!(made == 1 && taken == 5, "{answers:?}");
    Ok(())
}

async fn a_password_is_bounded_in_code_points_and_common_ones_are_refused(
    system: &'static System,
) -> Result<()> {
    let stranger = Client::stranger(system.base());
    let register = async |password: &str| {
        stranger
            .post("/auth/register", &json!({ "name": "Una", "email": address(), "password": password }))
            .await
    };
    for good in ["🦊 fox jumps!", "twelve chars", &"x7 ".repeat(42), "            spaces count "] {
        ensure!((12..=128).contains(&good.chars().count()), "{good}");
        register(good).await?.expect(201)?;
    }
    let too_long = "x7 ".repeat(43);
    for bad in [
        "",
        "eleven char",
        "🦊🦊🦊🦊🦊🦊🦊🦊🦊🦊🦊",
        too_long.as_str(),
        "password1234",
        "123456789012",
        "aaaaaaaaaaaaaaa",
    ] {
        register(bad).await?.refused(422, &["password"])?;
    }
    Ok(())
}

async fn a_huge_password_costs_nothing(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let huge = "p".repeat(1024 * 1024 - 200);
    let stranger = Client::stranger(system.base());
    let started = std::time::Instant::now();
    for body in [
        json!({ "email": una.email, "password": huge }),
        json!({ "email": "nobody@example.test", "password": huge }),
    ] {
        let answer = stranger.post("/auth/login", &body).await?;
        ensure!(answer.status == 401 || answer.status == 422, "{}", answer.body);
    }
    let register = json!({ "name": "Eve", "email": address(), "password": huge });
    stranger.post("/auth/register", &register).await?.refused(422, &["password"])?;
    ensure!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    Ok(())
}

async fn signing_in_gives_a_session_in_the_workspace_used_last_or_named(
    system: &'static System,
) -> Result<()> {
    let una = system.register("Una").await?;
    let host = system.register("Otto").await?;
    let invited = host
        .post("/workspace/invitations", &json!({ "email": una.email, "role": "viewer" }))
        .await?
        .expect(201)?;
    let stranger = Client::stranger(system.base());
    let accept = json!({ "token": invited.text("token"), "password": PASSWORD });
    stranger.post("/auth/invitations/accept", &accept).await?.expect(201)?;

    let login = async |body: Value| stranger.post("/auth/login", &body).await?.expect(200);
    let last = login(json!({ "email": una.email, "password": PASSWORD })).await?;
    ensure!(last.body["workspace"]["id"] == host.workspace.as_str(), "{}", last.body);
    let shouting = una.email.to_uppercase();
    let named =
        login(json!({ "email": shouting, "password": PASSWORD, "workspaceId": una.workspace })).await?;
    ensure!(
        keys(&named.body) == ["accessToken", "expiresIn", "tokenType", "user", "workspace"],
        "{}",
        named.body
    );
    ensure!(
        named.body["workspace"]["id"] == una.workspace.as_str()
            && named.body["user"]["id"] == una.user.as_str()
    );
    let me = stranger.with_token(named.text("accessToken")).get("/auth/me").await?.expect(200)?.body;
    ensure!(me["role"] == "owner" && me["workspaces"].as_array().is_some_and(|all| all.len() == 2), "{me}");
    let last = login(json!({ "email": una.email, "password": PASSWORD })).await?;
    ensure!(last.body["workspace"]["id"] == una.workspace.as_str(), "{}", last.body);
    // A workspace of others is as one that there is not.
    let other = system.register("Eve").await?;
    for workspace in [other.workspace.clone(), unknown_id(), "x".to_owned()] {
        let body = json!({ "email": una.email, "password": PASSWORD, "workspaceId": workspace });
        stranger.post("/auth/login", &body).await?.refused(422, &["workspaceId"])?;
    }
    Ok(())
}

async fn an_unknown_address_and_a_wrong_password_have_one_answer(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let stranger = Client::stranger(system.base());
    let login = async |email: &str, password: &str| -> Result<Answer> {
        stranger
            .post("/auth/login", &json!({ "email": email, "password": password }))
            .await?
            .problem(401, "unauthenticated")
    };
    let told = |answer: &Answer| {
        let mut body = answer.body.clone();
        body["requestId"] = Value::Null;
        body
    };
    let wrong = login(&una.email, "not the right one at all").await?;
    for (email, password) in [
        ("nobody@example.test", PASSWORD),
        ("no address", PASSWORD),
        (una.email.as_str(), "short"),
        (una.email.as_str(), "a long enough passphrase 7 "),
    ] {
        let answer = login(email, password).await?;
        ensure!(told(&answer) == told(&wrong), "{} and {}", answer.body, wrong.body);
        ensure!(answer.header("set-cookie").is_empty());
    }
    for body in [
        json!({ "email": una.email }),
        json!({ "email": una.email, "password": null }),
        json!({ "email": una.email, "password": { "$ne": "" } }),
        json!({ "email": una.email, "password": ["x"] }),
    ] {
        stranger.post("/auth/login", &body).await?.refused(422, &["password"])?;
    }
    Ok(())
}

async fn the_refresh_token_comes_in_a_cookie_that_scripts_and_other_sites_cannot_use(
    system: &'static System,
) -> Result<()> {
    let stranger = Client::stranger(system.base());
    let email = address();
    let body = json!({ "name": "Una", "email": email, "password": PASSWORD });
    let registered = stranger.post("/auth/register", &body).await?.expect(201)?;
    let signed_in =
        stranger.post("/auth/login", &json!({ "email": email, "password": PASSWORD })).await?.expect(200)?;
    for answer in [&registered, &signed_in] {
        ensure!(answer.body["refreshToken"].is_null());
        let cookie = answer.header("set-cookie");
        let mut parts = cookie.split("; ");
        ensure!(
            parts.next().and_then(|pair| pair.split_once('=')).is_some_and(|(_, token)| token.len() >= 40),
            "{cookie}"
        );
        let mut attributes: Vec<String> = parts.map(str::to_lowercase).collect();
        attributes.sort();
        // No `Secure`: this is plain HTTP to the own machine.
        ensure!(
            attributes == ["httponly", "max-age=2592000", "path=/api/v1/auth", "samesite=strict"],
            "{cookie}"
        );
    }
    // For any other host, a cookie goes over TLS only.
    let elsewhere = stranger.request(Method::POST, "/auth/login").header("host", "crm.example.test");
    let elsewhere =
        stranger.send(elsewhere.json(&json!({ "email": email, "password": PASSWORD }))).await?.expect(200)?;
    ensure!(
        elsewhere.header("set-cookie").to_lowercase().contains("; secure"),
        "{}",
        elsewhere.header("set-cookie")
    );

    let pair = |answer: &Answer| answer.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
    let refresh = async |cookie: &str, header: (&str, &str)| {
        let request = stranger
            .request(Method::POST, "/auth/refresh")
            .header("cookie", cookie)
            .header(header.0, header.1);
        stranger.send(request).await
    };
    let cookie = pair(&signed_in);
    // A page of another site has no use of it.
    refresh(&cookie, ("sec-fetch-site", "cross-site")).await?.problem(403, "forbidden")?;
    refresh(&cookie, ("origin", "https://evil.example")).await?.problem(403, "forbidden")?;
    let refreshed = refresh(&cookie, ("sec-fetch-site", "same-origin")).await?.expect(200)?;
    ensure!(keys(&refreshed.body) == ["accessToken", "expiresIn", "tokenType"], "{}", refreshed.body);
    ensure!(pair(&refreshed) != cookie && !pair(&refreshed).is_empty());
    let una = stranger.with_token(refreshed.text("accessToken"));
    let logout = una.request(Method::POST, "/auth/logout").header("cookie", pair(&refreshed));
    let logout = una.send(logout).await?.expect(204)?;
    ensure!(
        logout.header("set-cookie").to_lowercase().contains("max-age=0"),
        "{}",
        logout.header("set-cookie")
    );
    refresh(&pair(&refreshed), ("accept", "*/*")).await?.problem(401, "unauthenticated")?;
    stranger.act("/auth/refresh").await?.problem(401, "unauthenticated")?;
    Ok(())
}

async fn the_refresh_token_comes_in_the_answer_where_that_is_asked_for(
    system: &'static System,
) -> Result<()> {
    let una = system.register("Una").await?;
    let stranger = Client::stranger(system.base());
    let body = json!({ "email": una.email, "password": PASSWORD, "session": "token" });
    let answer = stranger.post("/auth/login", &body).await?.expect(200)?;
    ensure!(
        answer.header("set-cookie").is_empty() && answer.text("refreshToken").len() >= 40,
        "{}",
        answer.body
    );
    let body = json!({ "refreshToken": answer.text("refreshToken") });
    let refreshed = stranger.post("/auth/refresh", &body).await?.expect(200)?;
    ensure!(
        keys(&refreshed.body) == ["accessToken", "expiresIn", "refreshToken", "tokenType"],
        "{}",
        refreshed.body
    );
    ensure!(
        refreshed.header("set-cookie").is_empty()
            && refreshed.text("refreshToken") != answer.text("refreshToken")
    );
    stranger.with_token(refreshed.text("accessToken")).get("/auth/me").await?.expect(200)?;
    Ok(())
}

async fn a_person_is_known_by_their_new_name_everywhere(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let mel = una.invite("Mel", "member").await?;
    let lead = mel.lead_of(&json!({ "name": "Ada", "ownerId": mel.user, "note": "Hello" })).await?;
    let path = format!("/leads/{}", text(&lead, "id"));
    let me = mel.patch("/auth/me", &json!({ "name": " Melanie " })).await?.expect(200)?.body;
    ensure!(me["user"]["name"] == "Melanie" && me["role"] == "member", "{me}");
    wait_until(Duration::from_secs(10), "everybody sees the new name", async || {
        let Ok(lead) = una.get(&path).await else { return false };
        let lead = lead.body;
        let names = [&lead["createdBy"], &lead["owner"], &lead["notes"][0]["author"]];
        names.into_iter().all(|person| person["name"] == "Melanie")
    })
    .await?;
    let log = una.get(&format!("{path}/activity")).await?.expect(200)?;
    ensure!(log.items().iter().all(|entry| entry["actor"]["name"] == "Melanie"), "{}", log.body);
    ensure!(mel.patch("/auth/me", &json!({})).await?.expect(200)?.body["user"]["name"] == "Melanie");
    for bad in [
        json!({ "name": "" }),
        json!({ "name": null }),
        json!({ "name": 5 }),
        json!({ "name": "x".repeat(201) }),
    ] {
        mel.patch("/auth/me", &bad).await?.refused(422, &["name"])?;
    }
    mel.patch("/auth/me", &json!({ "email": "x@y.zz", "role": "owner" }))
        .await?
        .refused(422, &["email", "role"])?;
    Ok(())
}

async fn a_new_password_ends_every_other_session(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let elsewhere = Client::login(system.base(), &una.email).await?;
    elsewhere.get("/auth/me").await?.expect(200)?;
    let new = "another long passphrase 8";
    let change = json!({ "currentPassword": PASSWORD, "newPassword": new });
    una.post("/auth/me/password", &change).await?.expect(204)?;
    wait_until(MINUTE, "the other session is over", async || {
        elsewhere.get("/auth/me").await.is_ok_and(|answer| answer.status == 401)
    })
    .await?;
    elsewhere
        .post("/auth/refresh", &json!({ "refreshToken": elsewhere.refresh_token }))
        .await?
        .expect(401)?;
    una.get("/auth/me").await?.expect(200)?;
    una.post("/auth/refresh", &json!({ "refreshToken": una.refresh_token })).await?.expect(200)?;
    let stranger = Client::stranger(system.base());
    stranger.post("/auth/login", &json!({ "email": una.email, "password": PASSWORD })).await?.expect(401)?;
    stranger.post("/auth/login", &json!({ "email": una.email, "password": new })).await?.expect(200)?;
    Ok(())
}

async fn a_wrong_present_password_changes_nothing(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let change = async |current: &str, new: &str| {
        una.post("/auth/me/password", &json!({ "currentPassword": current, "newPassword": new })).await
    };
    change("not the right one", "another long passphrase 8").await?.refused(422, &["currentPassword"])?;
    change("not the right one", "short").await?.refused(422, &["currentPassword", "newPassword"])?;
    change(PASSWORD, "password1234").await?.refused(422, &["newPassword"])?;
    una.post("/auth/me/password", &json!({})).await?.refused(422, &["currentPassword", "newPassword"])?;
    Client::login(system.base(), &una.email).await?;
    Ok(())
}

async fn no_answer_holds_a_secret(system: &'static System) -> Result<()> {
    fn search(value: &Value, place: &str) -> Result<()> {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    let low = name.to_lowercase();
                    let named = ["password", "hash", "secret", "salt", "privatekey"]
                        .iter()
                        .any(|word| low.contains(word));
                    ensure!(!named && low != "d", "{place} tells {name}");
                    search(value, place)?;
                }
            }
            Value::Array(items) => items.iter().try_for_each(|item| search(item, place))?,
            Value::String(text) => {
                ensure!(!text.contains("$argon2") && !text.contains(PASSWORD), "{place} tells {text}");
            }
            _ => {}
        }
        Ok(())
    }
    let una = system.register("Una").await?;
    una.invite("Mel", "member").await?;
    una.lead("Ada").await?;
    una.post("/workspace/invitations", &json!({ "email": address(), "role": "viewer" }))
        .await?
        .expect(201)?;
    let login = json!({ "email": una.email, "password": PASSWORD });
    search(&una.post("/auth/login", &login).await?.expect(200)?.body, "login")?;
    let refused = json!({ "name": "", "email": "x", "password": PASSWORD });
    search(&una.post("/auth/register", &refused).await?.expect(422)?.body, "register")?;
    for path in [
        "/auth/me",
        "/auth/sessions",
        "/workspace",
        "/workspace/members",
        "/workspace/invitations",
        "/leads",
        "/activity",
        "/analytics/dashboard",
        "//.well-known/jwks.json",
        "//readyz",
        "//healthz",
    ] {
        let answer = una.get(path).await?.expect(200)?;
        search(&answer.body, path)?;
        ensure!(!answer.body.to_string().contains("token"), "{path}: {}", answer.body);
    }
    Ok(())
}

async fn hostile_names_come_back_as_they_are_or_are_refused(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let emoji = "🦊".repeat(200);
    for name in [
        "<script>alert(1)</script>",
        "'; DROP TABLE users; --",
        "{\"$where\": \"1\"}",
        "\u{202e}gnitirw",
        "Zoë 'O''Brien'",
        "=HYPERLINK(\"x\")",
        "%00%0d%0a",
        "javascript:alert(1)",
        "../../etc/passwd",
        emoji.as_str(),
    ] {
        let me = una.patch("/auth/me", &json!({ "name": name })).await?.expect(200)?;
        ensure!(me.body["user"]["name"] == name, "{}", me.body);
        let workspace = una.patch("/workspace", &json!({ "name": name })).await?.expect(200)?;
        ensure!(workspace.body["name"] == name, "{}", workspace.body);
    }
    for name in ["a\0b", "a\r\nSet-Cookie: x=y", "\u{7f}", &"🦊".repeat(201)] {
        una.patch("/auth/me", &json!({ "name": name })).await?.refused(422, &["name"])?;
        una.patch("/workspace", &json!({ "name": name })).await?.refused(422, &["name"])?;
    }
    Ok(())
}
