//! `leadline-auth` as a process of its own: what it says when it can't start, what it keeps, how it ends.

use std::{path::Path, process::Command, time::Duration};

use leadline_auth::SigningKeys;
use leadline_proto::auth::{
    GetMeRequest, LoginRequest, LogoutRequest, RefreshRequest, RegisterRequest, SignedIn,
    auth_service_client::AuthServiceClient,
};
use leadline_runtime::{caller::Origin, health::HealthCheck, refusal::Refusal, route::Route};
use leadline_testbed::{Folder, Process, free_port};
use tonic::{Code, Request};

const PASSWORD: &str = "a quiet heron at noon";
const SECRET: &str = "a-service-secret-for-tests-long-enough";
const LIMIT: Duration = Duration::from_secs(30);

fn command(folder: &Folder, port: u16) -> anyhow::Result<Command> {
    let keys = folder.join("signing-key.pem");
    SigningKeys::load_or_create(&keys)?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_leadline-auth"));
    command
        .env("LEADLINE_STORE", format!("file:{}", folder.join("auth.db").display()))
        .env("LEADLINE_BUS", "memory:")
        .env("LEADLINE_SIGNING_KEYS_FILE", keys)
        .env("LEADLINE_SERVICE_SECRET", SECRET)
        .env("LEADLINE_GRPC_LISTEN", format!("127.0.0.1:{port}"))
        .env("LEADLINE_METRICS_LISTEN", "off");
    Ok(command)
}

async fn started(command: &Command, folder: &Folder) -> anyhow::Result<Process> {
    let mut process = Process::start(command, folder.join("auth.log"))?;
    process.wait_for_line("leadline-auth listening on 127.0.0.1:", LIMIT).await?;
    Ok(process)
}

async fn ended(command: &Command, log: &Path) -> anyhow::Result<(Option<i32>, String)> {
    let mut process = Process::start(command, log)?;
    let deadline = tokio::time::Instant::now() + LIMIT;
    while process.exit_code().is_none() && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok((process.exit_code(), process.output()))
}

fn client(port: u16) -> anyhow::Result<AuthServiceClient<Route>> {
    Ok(AuthServiceClient::new(Route::remote(&format!("http://127.0.0.1:{port}"))?))
}

fn with<T>(token: &str, message: T) -> anyhow::Result<Request<T>> {
    let mut request = Origin::new().request(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse()?);
    Ok(request)
}

async fn register(port: u16) -> anyhow::Result<SignedIn> {
    let request = RegisterRequest {
        name: Some("Ada".into()),
        email: Some("ada@example.com".into()),
        password: Some(PASSWORD.into()),
        ..RegisterRequest::default()
    };
    Ok(client(port)?.register(request).await?.into_inner())
}

async fn login(port: u16) -> anyhow::Result<SignedIn> {
    let request = LoginRequest {
        email: Some("ada@example.com".into()),
        password: Some(PASSWORD.into()),
        ..LoginRequest::default()
    };
    Ok(client(port)?.login(request).await?.into_inner())
}

#[tokio::test]
async fn every_missing_setting_is_named_at_once() -> anyhow::Result<()> {
    let folder = Folder::new()?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_leadline-auth"));
    command
        .env("LEADLINE_METRICS_LISTEN", "off")
        .env("LEADLINE_SIGNING_KEYS", "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----")
        .env_remove("LEADLINE_STORE");
    let (code, output) = ended(&command, &folder.join("auth.log")).await?;
    assert!(code.is_some_and(|code| code != 0), "{output}");
    for name in ["LEADLINE_STORE", "LEADLINE_BUS", "LEADLINE_SIGNING_KEYS", "LEADLINE_SERVICE_SECRET"] {
        assert!(output.contains(name), "{name} in {output}");
    }
    assert!(!output.contains("hunter2"), "{output}");
    Ok(())
}

#[tokio::test]
async fn a_busy_port_is_named_in_one_line() -> anyhow::Result<()> {
    let folder = Folder::new()?;
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let port = taken.local_addr()?.port();
    let (code, output) = ended(&command(&folder, port)?, &folder.join("auth.log")).await?;
    assert_eq!(code, Some(1));
    let line = output.lines().last().unwrap_or_default();
    assert!(line.contains("LEADLINE_GRPC_LISTEN") && line.contains(&port.to_string()), "{output}");
    assert!(!folder.join("auth.db").exists());
    Ok(())
}

#[tokio::test]
async fn a_store_that_is_none_is_left_alone() -> anyhow::Result<()> {
    let folder = Folder::new()?;
    std::fs::write(folder.join("auth.db"), "this is no database")?;
    let (code, output) = ended(&command(&folder, free_port()?)?, &folder.join("auth.log")).await?;
    assert_eq!(code, Some(1));
    assert!(output.contains("auth.db"), "{output}");
    assert_eq!(std::fs::read_to_string(folder.join("auth.db"))?, "this is no database");
    Ok(())
}

#[tokio::test]
async fn what_was_answered_survives_a_kill_and_what_was_ended_stays_so() -> anyhow::Result<()> {
    let folder = Folder::new()?;
    let port = free_port()?;
    let command = command(&folder, port)?;
    let mut auth = started(&command, &folder).await?;
    let ada = register(port).await?;
    let other = login(port).await?;
    client(port)?.logout(with(&other.access_token, LogoutRequest {})?).await?;
    auth.kill().await?;

    let mut auth = started(&command, &folder).await?;
    let me = client(port)?.get_me(with(&ada.access_token, GetMeRequest {})?).await?.into_inner();
    assert_eq!(me.user, ada.user);
    let void = client(port)?.get_me(with(&other.access_token, GetMeRequest {})?).await;
    assert_eq!(void.unwrap_err().code(), Code::Unauthenticated);
    let request = RefreshRequest { refresh_token: ada.refresh_token, client: None };
    client(port)?.refresh(request).await?;
    login(port).await?;
    let output = auth.output();
    for secret in [PASSWORD, SECRET, "ada@example.com", &ada.access_token, "argon2"] {
        assert!(!output.contains(secret), "{secret} in the log");
    }
    assert_eq!(auth.terminate(LIMIT).await?, 0);
    Ok(())
}

#[tokio::test]
async fn it_tells_its_health_and_ends_in_good_order() -> anyhow::Result<()> {
    let folder = Folder::new()?;
    let port = free_port()?;
    let mut auth = started(&command(&folder, port)?, &folder).await?;
    let route = Route::remote(&format!("http://127.0.0.1:{port}"))?;
    HealthCheck::of_service(route, leadline_auth::NAME).ask().await.map_err(anyhow::Error::msg)?;
    let refused = client(port)?.get_me(GetMeRequest {}).await.map_err(Refusal::from);
    assert!(matches!(refused, Err(Refusal::Unauthenticated(_))));
    assert_eq!(auth.terminate(LIMIT).await?, 0);
    Ok(())
}

#[tokio::test]
async fn it_waits_for_a_database_that_is_not_up_yet_and_says_so() -> anyhow::Result<()> {
    let folder = Folder::new()?;
    let mut mongo = leadline_testbed::Mongo::start_private().await?;
    let uri = mongo.fresh_uri();
    mongo.kill().await?;
    let port = free_port()?;
    let mut command = command(&folder, port)?;
    command.env("LEADLINE_STORE", uri);
    let mut auth = Process::start(&command, folder.join("auth.log"))?;
    auth.wait_for_line("waiting for MongoDB", LIMIT).await?;
    mongo.start_again().await?;
    auth.wait_for_line("leadline-auth listening on", LIMIT).await?;
    register(port).await?;
    // What is void reaches the other processes of the service, and those that start later.
    let ada = login(port).await?;
    let second_port = free_port()?;
    let mut second = command;
    second.env("LEADLINE_GRPC_LISTEN", format!("127.0.0.1:{second_port}"));
    let mut second = Process::start(&second, folder.join("second.log"))?;
    second.wait_for_line("leadline-auth listening on", LIMIT).await?;
    client(second_port)?.get_me(with(&ada.access_token, GetMeRequest {})?).await?;
    client(port)?.logout(with(&ada.access_token, LogoutRequest {})?).await?;
    leadline_testbed::wait_until(LIMIT, "the other process knows", async || {
        let Ok(request) = with(&ada.access_token, GetMeRequest {}) else { return false };
        let Ok(mut client) = client(second_port) else { return false };
        client.get_me(request).await.is_err_and(|status| status.code() == Code::Unauthenticated)
    })
    .await?;
    assert_eq!(second.terminate(LIMIT).await?, 0);
    assert_eq!(auth.terminate(LIMIT).await?, 0);
    Ok(())
}
