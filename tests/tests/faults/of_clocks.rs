//! The clock jumps under load, an hour on and an hour back: versions have no gap, and figures equal a recount.
//!
//! `LEADLINE_TEST_JUMPS` says how often it jumps on and back, and back and on (1), `LEADLINE_TEST_SEED` which draws.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use leadline_testbed::{eventually, wait_until};
use leadline_tests::{
    Client, Mode, Part, System,
    ground::{Ground, number, seed},
    recount::time,
};
use serde_json::json;

/// What gives a program another time: Debian's package libfaketime.
fn library() -> Result<String> {
    let folders = std::fs::read_dir("/usr/lib")?.flatten().map(|entry| entry.path().join("faketime"));
    let libraries = folders.map(|folder| folder.join("libfaketimeMT.so.1"));
    let found = libraries.into_iter().find(|library| library.is_file());
    let found = found.context("libfaketime is not installed: scripts/install-test-servers does it")?;
    Ok(found.to_string_lossy().into_owned())
}

fn set_clock(file: &Path, hours: i64) -> Result<()> {
    // Put in its place in one go: it is read every second.
    let new = file.with_extension("new");
    std::fs::write(&new, format!("{hours:+}h\n"))?;
    Ok(std::fs::rename(new, file)?)
}

async fn goes_on(ground: &Ground) -> Result<()> {
    let before = ground.journal.tally().ok;
    wait_until(Duration::from_secs(30), "writes are acknowledged", async || {
        ground.journal.tally().ok > before + 100
    })
    .await
}

/// How many seconds the program's clock is before the test's, as a lead that is made tells.
async fn ahead(system: &System, email: &str) -> Result<i64> {
    let person = Client::login(system.base(), email).await?;
    let body = json!({ "name": "What time is it?" });
    let lead = person.post("/leads", &body).await?.expect(201)?.body;
    let at = time(&lead["createdAt"]).context("a lead without a time")?;
    Ok((at - chrono::Utc::now().timestamp_millis()) / 1000)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_leaves_no_gap_in_versions_and_figures_that_equal_a_recount() -> Result<()> {
    let mut system = System::prepare(Mode::AllInOne, None, &[])?;
    let clock = system.folder().join("clock");
    set_clock(&clock, 0)?;
    for (name, value) in [
        ("LD_PRELOAD", library()?.as_str()),
        ("FAKETIME_TIMESTAMP_FILE", &clock.to_string_lossy()),
        ("FAKETIME_CACHE_DURATION", "1"),
        // What measures how long something takes is not to jump, and files keep the times that they have.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("NO_FAKE_STAT", "1"),
    ] {
        system.set(Part::Leadline, name, value);
    }
    system.launch(Part::Leadline)?;
    system.ready().await?;
    let mut ground = Ground::new(&system).await?;
    let other = system.register("Somebody else").await?;
    ground.begin(5, seed());
    goes_on(&ground).await?;
    for hours in [1, 0, -1, 0].repeat(usize::try_from(number("LEADLINE_TEST_JUMPS", 1))?) {
        set_clock(&clock, hours)?;
        eventually(Duration::from_secs(20), "the clock has jumped", async || {
            let ahead = ahead(&system, &other.email).await?;
            ensure!((ahead - hours * 3600).abs() < 60, "it is {ahead} s ahead instead of {hours} h");
            Ok(())
        })
        .await?;
        goes_on(&ground).await?;
    }
    ground.rest().await?;
    ground.was_busy(300)?;
    ground.check(&system).await
}
