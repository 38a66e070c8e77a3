//! `leadline backup` and `leadline restore`: a copy taken under load is one moment of the whole, and comes back as that.

use std::{process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use leadline_testbed::{Folder, Process, wait_until};
use leadline_tests::{
    Client, Mode, Part, System, files,
    ground::{Ground, SETTLE},
    journal::Outcome,
    recount, system,
};

const TIME: Duration = Duration::from_secs(60);

/// Runs `leadline` with a command that ends by itself; its exit code and what it said.
async fn run(arguments: &[&str], folder: &Folder) -> Result<(i32, String)> {
    let mut command = system::program(Part::Leadline)?;
    command.args(arguments);
    run_command(&command, folder).await
}

async fn run_command(command: &Command, folder: &Folder) -> Result<(i32, String)> {
    let mut process = Process::start(command, folder.join("run.log"))?;
    wait_until(TIME, "the command ends by itself", async || process.exit_code().is_some())
        .await
        .with_context(|| process.output())?;
    Ok((process.exit_code().unwrap_or_default(), process.output()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_taken_under_load_comes_back_whole_and_with_figures_that_are_right() -> Result<()> {
    let folder = Folder::new()?;
    let running = System::start(Mode::AllInOne).await?;
    let mut before = Ground::new(&running).await?;
    before.begin(4, 1);
    wait_until(TIME, "there is something to keep", async || before.journal.tally().ok >= 100).await?;
    before.rest().await?;
    before.check(&running).await?;

    let mut during = Ground::new(&running).await?;
    during.begin(6, 2);
    wait_until(TIME, "clients are at work", async || during.journal.tally().ok >= 50).await?;
    let (data, copy) = (running.folder().join("data"), folder.join("copy"));
    let (data, copy) = (data.to_string_lossy().into_owned(), copy.to_string_lossy().into_owned());
    let settled = during.journal.writes();
    let (code, said) = run(&["backup", "--data-dir", &data, "--to", &copy], &folder).await?;
    ensure!(code == 0, "{said}");
    let (begun, ok) = (during.journal.writes().len(), during.journal.tally().ok);
    wait_until(TIME, "writing goes on", async || during.journal.tally().ok > ok + 50).await?;
    during.rest().await?;
    during.check(&running).await?;
    files::check_sound(copy.as_ref())?;

    let mut restored = System::prepare(Mode::AllInOne, None, &[])?;
    let new_data = restored.folder().join("data").to_string_lossy().into_owned();
    let (code, said) = run(&["restore", "--data-dir", &new_data, "--from", &copy], &folder).await?;
    ensure!(code == 0, "{said}");
    restored.launch(Part::Leadline)?;
    restored.ready().await?;
    // What was at rest is there to the last entry.
    before.check(&restored).await?;
    // Of what was on the move: all that was acknowledged before, nothing that was begun after, and anything between.
    let mut writes = during.journal.writes();
    writes.truncate(begun);
    for (at, write) in writes.iter_mut().enumerate() {
        match settled.get(at).map(|write| &write.outcome) {
            Some(Outcome::Ok { .. } | Outcome::Refused(_)) => {}
            Some(Outcome::Unknown) | None => write.outcome = Outcome::Unknown,
        }
    }
    let person = Client::login(restored.base(), &during.person.email).await?;
    recount::check_writes(&person, &writes, SETTLE).await?;
    let code = restored.terminate(Part::Leadline).await?;
    ensure!(code == 0, "it ended with {code}");
    files::check(new_data.as_ref())?;
    Ok(())
}

#[tokio::test]
async fn what_a_backup_or_a_restore_would_overwrite_or_miss_is_refused_in_a_line() -> Result<()> {
    let folder = Folder::new()?;
    let mut system = System::start(Mode::AllInOne).await?;
    let data = system.folder().join("data").to_string_lossy().into_owned();
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();

    let (code, said) = run(&["backup", "--data-dir", &data, "--to", &path("copy")], &folder).await?;
    ensure!(code == 0, "{said}");
    let (code, said) = run(&["backup", "--data-dir", &data, "--to", &path("copy")], &folder).await?;
    ensure!(code == 1 && said.contains("not empty"), "{code}: {said}");
    let (code, said) = run(&["backup", "--data-dir", &path("none"), "--to", &path("b")], &folder).await?;
    ensure!(code == 1 && said.contains("no data folder"), "{code}: {said}");
    let (code, said) = run(&["backup", "--data-dir", &data], &folder).await?;
    ensure!(code == 2 && said.contains("LEADLINE_TO"), "{code}: {said}");

    let (code, said) = run(&["restore", "--data-dir", &data, "--from", &path("copy")], &folder).await?;
    ensure!(code == 1 && said.contains("in use by process"), "{code}: {said}");
    ensure!(system.terminate(Part::Leadline).await? == 0);
    let (code, said) = run(&["restore", "--data-dir", &data, "--from", &path("copy")], &folder).await?;
    ensure!(code == 1 && said.contains("holds data already"), "{code}: {said}");
    let (code, said) = run(&["restore", "--data-dir", &path("new"), "--from", &path("b")], &folder).await?;
    ensure!(code == 1 && said.contains("no whole backup"), "{code}: {said}");

    std::fs::remove_file(format!("{data}/signing-key.pem"))?;
    system.launch(Part::Leadline)?;
    wait_until(TIME, "it ends by itself", async || {
        system.process(Part::Leadline).is_ok_and(|process| process.exit_code().is_some())
    })
    .await?;
    ensure!(system.output().contains("a restore that was cut off"), "{}", system.output());
    std::fs::create_dir(path("left"))?;
    std::fs::write(path("left/leads.db-wal"), "pages of another file")?;
    let (code, said) =
        run(&["restore", "--data-dir", &path("left"), "--from", &path("copy")], &folder).await?;
    ensure!(code == 1 && said.contains("leads.db-wal"), "{code}: {said}");

    let leads = folder.join("copy").join("leads.db");
    let mut bytes = std::fs::read(&leads)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&leads, bytes)?;
    let (code, said) =
        run(&["restore", "--data-dir", &path("new"), "--from", &path("copy")], &folder).await?;
    ensure!(code == 1 && said.contains("not as it was backed up"), "{code}: {said}");
    ensure!(!folder.join("new").join("auth.db").exists(), "nothing was written");
    Ok(())
}
