//! Nothing that was started remains, however the process that started it ends.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use leadline_testbed::{AMQP_URL, Folder, MONGODB_URL, Process, free_port, wait_until};

const SOON: Duration = Duration::from_secs(30);
const START: Duration = Duration::from_secs(120);

/// `testbed exec sh -c script`, with a temporary folder of its own that also marks all it starts.
fn testbed(temp: &Folder, script: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_testbed"));
    command
        .args(["exec", "sh", "-c", script])
        .env("TMPDIR", temp.path())
        .env_remove(MONGODB_URL)
        .env_remove(AMQP_URL);
    command
}

/// The command lines of the processes that have `folder` as their temporary folder.
fn processes_of(folder: &Path) -> Vec<String> {
    let mark = format!("TMPDIR={}\0", folder.display());
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter(|entry| {
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            String::from_utf8_lossy(&environment).contains(&mark)
        })
        .map(|entry| {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).replace('\0', " ")
        })
        .collect()
}

async fn nothing_remains(temp: &Folder) -> Result<()> {
    let waited = wait_until(SOON, "nothing remains", async || {
        let files = fs::read_dir(temp.path()).map_or(0, Iterator::count);
        processes_of(temp.path()).is_empty() && files == 0
    });
    waited.await.with_context(|| format!("there is still {:#?}", processes_of(temp.path())))
}

#[tokio::test]
async fn servers_and_their_folders_go_when_their_owner_is_killed() -> Result<()> {
    let temp = Folder::new()?;
    let log = Folder::new()?;
    let mut owner = Process::start(&testbed(&temp, "echo up; exec sleep 600"), log.join("log"))?;
    owner.wait_for_line("up", START).await?;
    let running = processes_of(temp.path()).join("\n");
    for server in ["mongod --dbpath", "beam", "epmd"] {
        assert!(running.contains(server), "{server} does not run: {running}");
    }

    // It and the command with it: so do Ctrl-C and test runners. The servers are in no group of theirs.
    owner.kill().await?;
    assert_eq!(owner.exit_code(), Some(128 + 9));
    nothing_remains(&temp).await
}

#[tokio::test]
async fn exec_gives_the_command_both_servers_and_its_exit_code_back() -> Result<()> {
    let temp = Folder::new()?;
    let script =
        r#"case "$TEST_MONGODB_URL $TEST_AMQP_URL" in "mongodb://127"*" amqp://guest"*) exit 7 ;; esac"#;
    let log = Folder::new()?;
    let mut run = Process::start(&testbed(&temp, script), log.join("log"))?;
    assert_eq!(run.wait(START).await?, 7, "{}", run.output());
    nothing_remains(&temp).await
}

#[tokio::test]
async fn exec_passes_a_signal_on_and_starts_no_server_that_is_named() -> Result<()> {
    let temp = Folder::new()?;
    let log = Folder::new()?;
    let script = "trap 'echo asked to end; exit 3' TERM; echo up; while :; do sleep 0.1; done";
    let mut command = testbed(&temp, script);
    command.env(MONGODB_URL, "mongodb://named").env(AMQP_URL, "amqp://named");
    let mut run = Process::start(&command, log.join("log"))?;
    run.wait_for_line("up", SOON).await?;
    assert_eq!(fs::read_dir(temp.path())?.count(), 0, "it started a server");
    assert_eq!(run.terminate(SOON).await?, 3, "{}", run.output());
    run.wait_for_line("asked to end", SOON).await?;
    nothing_remains(&temp).await
}

#[tokio::test]
async fn a_dropped_process_takes_what_it_started_with_it() -> Result<()> {
    let folder = Folder::new()?;
    let mut command = Command::new("sh");
    command.args(["-c", "sleep 600 & echo child; wait"]).env("TMPDIR", folder.path());
    let mut process = Process::start(&command, folder.join("log"))?;
    process.wait_for_line("child", SOON).await?;
    drop(process);
    wait_until(SOON, "all are gone", async || processes_of(folder.path()).is_empty()).await
}

#[tokio::test]
async fn a_program_that_ends_early_is_told_with_its_last_words() -> Result<()> {
    let folder = Folder::new()?;
    let mut command = Command::new("sh");
    command.args(["-c", "echo out of paper; exit 5"]);
    let mut process = Process::start(&command, folder.join("log"))?;
    let error = process.wait_for_port(free_port()?, SOON).await.unwrap_err().to_string();
    assert!(error.contains("ended with 5") && error.contains("out of paper"), "{error}");
    assert_eq!(process.exit_code(), Some(5));

    let error = process.wait_for_line("ink", SOON).await.unwrap_err().to_string();
    assert!(error.contains("\"ink\"") && error.contains("out of paper"), "{error}");

    let mut missing = Process::start(&Command::new("/no/such/program"), folder.join("log"))?;
    assert_eq!(missing.wait(SOON).await?, 127);
    assert!(!missing.output().contains("paper"), "an earlier run's output is shown");
    Ok(())
}

#[tokio::test]
async fn a_process_has_the_environment_and_the_folder_it_was_given() -> Result<()> {
    let folder = Folder::new()?;
    let mut command = Command::new("sh");
    command
        .args(["-c", r#"echo "$COLOUR in $(pwd)"; kill -TERM $$"#])
        .env("COLOUR", "green")
        .current_dir(folder.path());
    let mut process = Process::start(&command, folder.join("log"))?;
    let line = process.wait_for_line("green", SOON).await?;
    assert_eq!(line, format!("green in {}", folder.path().display()));
    assert_eq!(process.wait(SOON).await?, 128 + 15);
    Ok(())
}
