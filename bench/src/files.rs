//! Files of leads, in and out, and figures counted anew.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use chrono::Utc;
use leadline_tests::{Client, Part, imports};
use reqwest::Method;

use crate::{people, process::Memory, settings::Settings, site::Site};

/// One thing that was measured.
pub struct Moved {
    /// What it was.
    pub what: &'static str,
    /// How long it took.
    pub took: Duration,
    /// The most memory above what was held before, in MiB.
    pub memory: f64,
}

/// Fills an empty site with one file after the other, and measures it; then gets all of it out again.
///
/// # Errors
/// If a file is not whole.
pub async fn in_and_out(site: &mut Site, leads: u64, settings: &Settings) -> Result<Vec<Moved>> {
    let base = site.system.base().to_owned();
    let mut person = Client::register(&base, "Files").await?;
    let memory = Memory::watch(site.pids()?);
    let (mut taken, mut took) = (0, Duration::ZERO);
    while taken < leads {
        let rows = (leads - taken).min(500_000);
        let csv = people::table(settings.seed, taken, rows, Utc::now());
        let began = Instant::now();
        person = crate::site::take_in(&base, person, csv, rows).await?;
        (taken, took) = (taken + rows, took + began.elapsed());
    }
    let mut all = vec![Moved { what: "import of CSV", took, memory: memory.above() }];
    drop(memory);
    person = Client::login(&base, &person.email).await?;
    let began = Instant::now();
    imports::counted(&person, leads).await?;
    all.push(Moved { what: "figures after it", took: began.elapsed(), memory: 0.0 });
    for (what, format) in [("export as CSV", "csv"), ("export as XLSX", "xlsx")] {
        tokio::time::sleep(Duration::from_secs(2)).await;
        person = Client::login(&base, &person.email).await?;
        let memory = Memory::watch(site.pids()?);
        let began = Instant::now();
        let request = person.request(Method::GET, &format!("/leads/export?format={format}"));
        let mut response = request.send().await?;
        ensure!(response.status() == 200, "{}", response.status());
        let (mut bytes, mut lines) = (0, 0);
        while let Some(piece) = response.chunk().await.context("the file was cut off")? {
            bytes += piece.len();
            lines += piece.iter().filter(|byte| **byte == b'\n').count() as u64;
        }
        ensure!(bytes > 0 && (format == "xlsx" || lines > leads), "{bytes} bytes, {lines} lines");
        all.push(Moved { what, took: began.elapsed(), memory: memory.above() });
    }
    Ok(all)
}

/// Counts all figures of a distributed system anew, as `leadline-analytics rebuild` does it.
///
/// # Errors
/// If it does not end well.
pub fn rebuild(site: &Site) -> Result<Duration> {
    let mut command: Command = leadline_tests::system::program(Part::Analytics)?;
    command.arg("rebuild");
    for name in ["LEADLINE_STORE", "LEADLINE_SERVICE_SECRET", "LEADLINE_LEADS"] {
        command.env(name, site.system.setting(Part::Analytics, name).with_context(|| format!("no {name}"))?);
    }
    let began = Instant::now();
    let output = command.output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(began.elapsed())
}
