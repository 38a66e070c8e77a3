//! Somebody erases their account: what goes, what stays, and who can't.

use std::{path::Path, time::Duration};

use anyhow::{Result, ensure};
use leadline_storage::{
    bson::{RawDocumentBuf, doc},
    mongodb,
};
use leadline_testbed::wait_until;
use leadline_tests::{Answer, Client, Mode, PASSWORD, System, in_every_mode, text};
use reqwest::Method;
use serde_json::json;

in_every_mode!(
    an_erased_account_leaves_nothing_behind_but_an_id,
    nobody_leaves_a_workspace_to_nobody,
    an_account_is_erased_with_its_password_only,
);

const MINUTE: Duration = Duration::from_secs(60);

async fn erase(client: &Client, password: &str) -> Result<Answer> {
    client.send(client.request(Method::DELETE, "/auth/me").json(&json!({ "password": password }))).await
}

/// Whether these bytes are in a file below a folder.
fn stands_in(folder: &Path, what: &str) -> std::io::Result<bool> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let found = match path.is_dir() {
            true => stands_in(&path, what)?,
            // One that went meanwhile holds nothing.
            false => std::fs::read(&path)
                .is_ok_and(|bytes| bytes.windows(what.len()).any(|part| part == what.as_bytes())),
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether these bytes are in a document of any database, but for the servers' own.
async fn stands_in_documents(what: &str) -> Result<bool> {
    let client = mongodb::Client::with_uri_str(leadline_testbed::mongo().await?.uri()).await?;
    for name in client.list_database_names().await? {
        if ["admin", "config", "local"].contains(&name.as_str()) {
            continue;
        }
        let database = client.database(&name);
        for collection in database.list_collection_names().await? {
            let mut rows = database.collection::<RawDocumentBuf>(&collection).find(doc! {}).await?;
            while rows.advance().await? {
                if rows.current().as_bytes().windows(what.len()).any(|part| part == what.as_bytes()) {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}

/// Whether these bytes are anywhere that this system keeps things.
async fn is_kept(system: &System, what: &str) -> Result<bool> {
    match system.mode {
        Mode::AllInOne => Ok(stands_in(system.folder(), what)?),
        Mode::OnServers | Mode::Distributed => stands_in_documents(what).await,
    }
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

    wait_until(MINUTE, "nothing that is kept holds anything of an erased person", async || {
        matches!((is_kept(system, name).await, is_kept(system, &local).await), (Ok(false), Ok(false)))
    })
    .await?;

    let anew = json!({ "name": "Zed", "email": zed.email, "password": PASSWORD });
    let anew = zed.signed_out().post("/auth/register", &anew).await?.expect(201)?;
    ensure!(anew.body["user"]["id"] != zed.user, "{}", anew.body);
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
