//! `leadline rebuild` and `leadline verify`: counters that are wrong are found and mended, by the one program too.

use std::{process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use leadline_storage::{Mongo, rusqlite::Connection};
use leadline_testbed::{Process, wait_until};
use leadline_tests::{Client, Mode, Part, System, system::shared_servers};
use mongodb::bson::{Document, doc};

const SOON: Duration = Duration::from_secs(45);

/// Runs a command of `leadline` with the settings of the system; its exit code and what it said.
async fn run(system: &System, arguments: &[&str]) -> Result<(i32, String)> {
    let health = system.health(Part::Leadline)?;
    let mut command = Command::new(health.get_program());
    command.envs(health.get_envs().filter_map(|(name, value)| Some((name, value?)))).args(arguments);
    let mut process = Process::start(&command, system.folder().join("command.log"))?;
    wait_until(SOON, "the command ends by itself", async || process.exit_code().is_some())
        .await
        .with_context(|| process.output())?;
    Ok((process.exit_code().unwrap_or_default(), process.output()))
}

async fn is_counted(una: &Client, leads: u64) -> Result<()> {
    wait_until(SOON, "the leads are counted", async || {
        una.get("/analytics/summary").await.is_ok_and(|summary| summary.body["totalLeads"] == leads)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_counters_of_the_embedded_store_are_found_and_mended_while_it_is_stopped() -> Result<()> {
    let mut system = System::start(Mode::AllInOne).await?;
    let una = system.register("Una").await?;
    for _ in 0..3 {
        una.lead("Ada").await?;
    }
    is_counted(&una, 3).await?;
    let told = una.get("/analytics/funnel").await?.expect(200)?.body;
    for command in ["verify", "rebuild"] {
        let (code, said) = run(&system, &[command]).await?;
        ensure!(code == 1 && said.contains("in use by process"), "{command}, {code}: {said}");
    }
    ensure!(system.terminate(Part::Leadline).await? == 0);

    let (code, said) = run(&system, &["verify"]).await?;
    ensure!(code == 0 && said.contains("the counters of 1 workspaces equal a recount"), "{code}: {said}");
    let file = system.folder().join("data/analytics.db");
    ensure!(Connection::open(&file)?.execute("DELETE FROM pages", ())? > 0, "there were no counters");
    let (code, said) = run(&system, &["verify"]).await?;
    ensure!(code == 1 && said.contains("run leadline rebuild"), "{code}: {said}");
    let (code, said) = run(&system, &["rebuild"]).await?;
    ensure!(code == 0 && said.contains("3 leads of 1 workspaces were counted anew"), "{code}: {said}");
    let (code, said) = run(&system, &["verify"]).await?;
    ensure!(code == 0, "{code}: {said}");

    system.launch(Part::Leadline)?;
    system.ready().await?;
    is_counted(&una, 3).await?;
    let again = una.get("/analytics/funnel").await?.expect(200)?.body;
    ensure!(told["items"].is_array() && told["items"] == again["items"], "{told} became {again}");

    let (code, said) = run(&system, &["verify", "--workspace", "nobody's"]).await?;
    ensure!(code == 2 && said.contains("LEADLINE_WORKSPACE"), "{code}: {said}");
    let none = system.folder().join("none").to_string_lossy().into_owned();
    let (code, said) = run(&system, &["rebuild", "--data-dir", &none]).await?;
    ensure!(code == 1 && said.contains("no data folder of Leadline's"), "{code}: {said}");
    ensure!(!std::fs::exists(&none)?, "a folder was made");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_counters_on_servers_are_found_and_mended_while_people_work() -> Result<()> {
    let system = System::start_on(Mode::OnServers, Some(shared_servers().await?), &[]).await?;
    let una = system.register("Una").await?;
    for _ in 0..3 {
        una.lead("Ada").await?;
    }
    is_counted(&una, 3).await?;
    let (code, said) = run(&system, &["verify"]).await?;
    ensure!(code == 0 && said.contains("equal a recount"), "{code}: {said}");

    let store = system.setting(Part::Leadline, "LEADLINE_STORE").context("no store")?;
    let client = mongodb::Client::with_uri_str(&store).await?;
    let pages = client.database(&Mongo::database_name(&store, "analytics")?).collection::<Document>("pages");
    ensure!(pages.delete_many(doc! {}).await?.deleted_count > 0, "there were no counters");
    let (code, said) = run(&system, &["verify"]).await?;
    ensure!(code == 1 && said.contains("run leadline rebuild"), "{code}: {said}");

    let at_work = una.with_own_connections();
    let work = tokio::spawn(async move {
        for _ in 0..40 {
            at_work.lead("Grace").await?;
        }
        anyhow::Ok(())
    });
    let (code, said) = run(&system, &["rebuild"]).await?;
    ensure!(code == 0 && said.contains("of 1 workspaces were counted anew"), "{code}: {said}");
    work.await??;
    is_counted(&una, 43).await?;
    let (code, said) = run(&system, &["verify"]).await?;
    ensure!(code == 0, "{code}: {said}");
    Ok(())
}
