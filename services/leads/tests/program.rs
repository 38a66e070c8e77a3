//! The program as an operator meets it.

use std::{process::Command, time::Duration};

use leadline_testbed::{Folder, Process, free_port, wait_until};

const PATIENCE: Duration = Duration::from_secs(30);

/// The program with settings that work, its store in `folder`, listening on `port`.
fn program(folder: &Folder, port: u16) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leadline-leads"));
    command
        .env("LEADLINE_STORE", format!("file:{}", folder.join("leads.db").display()))
        .env("LEADLINE_BUS", "memory:")
        .env("LEADLINE_SERVICE_SECRET", "0123456789abcdef0123456789abcdef")
        .env("LEADLINE_GRPC_LISTEN", format!("127.0.0.1:{port}"))
        .env("LEADLINE_METRICS_LISTEN", "off")
        // Nobody listens there.
        .env("LEADLINE_AUTH", "http://127.0.0.1:9");
    command
}

async fn end_of(command: &Command, folder: &Folder, name: &str) -> anyhow::Result<(i32, String)> {
    let mut process = Process::start(command, folder.join(name))?;
    wait_until(PATIENCE, "the program ends", async || process.exit_code().is_some()).await?;
    Ok((process.exit_code().unwrap_or(-1), process.output()))
}

#[tokio::test]
async fn it_says_where_it_listens_and_ends_cleanly_and_starts_again_after_a_kill() -> anyhow::Result<()> {
    let folder = Folder::new()?;
    let port = free_port()?;
    let mut process = Process::start(&program(&folder, port), folder.join("log"))?;
    let line = process.wait_for_line("listening on", PATIENCE).await?;
    assert!(line.ends_with(&format!("leadline-leads listening on 127.0.0.1:{port}")), "{line}");

    // A second one on the same address says so in one line.
    let (code, told) = end_of(&program(&folder, port), &folder, "second").await?;
    assert_eq!(code, 1);
    assert!(told.contains(&format!("can't listen on 127.0.0.1:{port}")), "{told}");
    assert!(told.contains("LEADLINE_GRPC_LISTEN"), "{told}");

    process.kill().await?;
    let mut process = Process::start(&program(&folder, port), folder.join("again"))?;
    process.wait_for_line("listening on", PATIENCE).await?;
    assert_eq!(process.terminate(Duration::from_secs(10)).await?, 0);
    Ok(())
}

#[tokio::test]
async fn it_waits_for_its_database_and_ends_cleanly_meanwhile() -> anyhow::Result<()> {
    let folder = Folder::new()?;
    let mut command = program(&folder, free_port()?);
    command.env("LEADLINE_STORE", "mongodb://127.0.0.1:9/leadline?replicaSet=rs0");
    let mut process = Process::start(&command, folder.join("log"))?;
    process.wait_for_line("waiting for MongoDB", PATIENCE).await?;
    assert_eq!(process.terminate(Duration::from_secs(10)).await?, 0);
    Ok(())
}

#[tokio::test]
async fn every_wrong_setting_is_told_at_once() -> anyhow::Result<()> {
    let folder = Folder::new()?;
    let mut command = program(&folder, 0);
    command
        .env_remove("LEADLINE_STORE")
        .env("LEADLINE_BUS", "kafka://x")
        .env("LEADLINE_SERVICE_SECRET", "short-but-secret")
        .env("LEADLINE_AUTH", "auth");
    let (code, told) = end_of(&command, &folder, "log").await?;
    assert_eq!(code, 2);
    for name in ["LEADLINE_STORE", "LEADLINE_BUS", "LEADLINE_SERVICE_SECRET", "LEADLINE_AUTH"] {
        assert!(told.contains(name), "{name} is not in {told}");
    }
    assert!(!told.contains("short-but-secret"), "{told}");
    Ok(())
}

#[tokio::test]
async fn a_file_that_is_no_database_is_named_and_left_alone() -> anyhow::Result<()> {
    let folder = Folder::new()?;
    std::fs::write(folder.join("leads.db"), "dear diary")?;
    let (code, told) = end_of(&program(&folder, 0), &folder, "log").await?;
    assert_eq!(code, 1);
    assert!(told.contains("the store of leads") && told.contains("leads.db"), "{told}");
    assert_eq!(std::fs::read_to_string(folder.join("leads.db"))?, "dear diary");
    Ok(())
}
