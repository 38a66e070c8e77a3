//! Measures files of leads, in and out, in the three modes: rows a second, and the memory that it takes. Prints a table in Markdown.
//!
//! `scripts/bench` runs it after the requests. Settings, both optional: `LEADLINE_BENCH_ROWS` (100000), `_MODES` (`123`:
//! which of the three, by number). Memory is the peak of what all of Leadline's processes hold, above what they held before.

#![allow(clippy::print_stdout, reason = "a program for a terminal")]

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use leadline_tests::{
    Client, Mode, System,
    ground::{number, wanted_modes},
    imports, text,
};
use reqwest::Method;

const STAGES: [&str; 5] = ["New", "Contacted", "Qualified", "Converted", "Lost"];
const SOURCES: [&str; 4] = ["Website", "Referral", "Ad", "Other"];
/// One file holds so many rows at most, so that it stays under the limit of a body.
const ROWS_A_FILE: u64 = 500_000;

/// A table of people who don't exist; each row is one of a kind.
fn table(from: u64, rows: u64) -> String {
    let mut csv = String::from("Name,Email,Phone,Company,Source,Status,Tags,Created at\r\n");
    for row in from..from + rows {
        let (stage, source) = (STAGES[(row % 5) as usize], SOURCES[(row % 4) as usize]);
        let day = 1 + row % 28;
        let month = 1 + row % 12;
        // Writing to a string can't fail.
        let _ = write!(
            csv,
            "Ada Lovelace {row},ada.{row}@example.test,+44 20 {row:08},\"Engines, {} & Sons\",{source},{stage},bench,2025-{month:02}-{day:02}T09:30:00Z\r\n",
            row % 5_000
        );
    }
    csv
}

/// Watches the memory of some processes until it is dropped.
struct Memory {
    before: u64,
    peak: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
}

impl Memory {
    fn watch(pids: Vec<u32>) -> Self {
        let before = resident(&pids);
        let (peak, over) = (Arc::new(AtomicU64::new(before)), Arc::new(AtomicBool::new(false)));
        let (seen, ended) = (peak.clone(), over.clone());
        std::thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                seen.fetch_max(resident(&pids), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        Self { before, peak, over }
    }

    /// In MiB.
    fn above(&self) -> u64 {
        (self.peak.load(Ordering::Relaxed) - self.before) / 1024
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// What processes hold together, in KiB.
fn resident(pids: &[u32]) -> u64 {
    let of = |pid: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    pids.iter().filter_map(of).sum()
}

/// One thing that was measured.
struct Figure {
    what: &'static str,
    rows: u64,
    took: Duration,
    memory: u64,
}

async fn measure(mode: Mode, rows: u64) -> Result<Vec<Figure>> {
    let mut system = System::start(mode).await?;
    let email = system.register("Bench").await?.email;
    let pids = system.parts().into_iter().map(|part| Ok(system.process(part)?.pid()));
    let pids = pids.collect::<Result<Vec<_>>>()?;
    let mut figures = Vec::new();

    let mut taken = 0;
    // Signing in has taken memory that is not an import's.
    Client::login(system.base(), &email).await?;
    let (mut took, memory) = (Duration::ZERO, Memory::watch(pids.clone()));
    while taken < rows {
        let now = (rows - taken).min(ROWS_A_FILE);
        let (csv, person) = (table(taken, now), Client::login(system.base(), &email).await?);
        let began = Instant::now();
        let sent = imports::send(&person, csv, &[("onDuplicate", "skip")]).await?.expect(202)?;
        let id = sent.text("id").to_owned();
        let (mut person, mut signed_in) = (person, Instant::now());
        let import = loop {
            // A long import outlives a token. A password's hash takes memory, too: not more often than needed.
            if signed_in.elapsed() > Duration::from_secs(600) {
                (person, signed_in) = (Client::login(system.base(), &email).await?, Instant::now());
            }
            let import = person.get(&format!("/leads/imports/{id}")).await?.expect(200)?.body;
            if !matches!(text(&import, "state"), "queued" | "running") {
                break import;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        took += began.elapsed();
        ensure!(text(&import, "state") == "done" && import["created"] == now, "{import}");
        taken += now;
    }
    figures.push(Figure { what: "import of a CSV", rows, took, memory: memory.above() });
    drop(memory);
    let person = Client::login(system.base(), &email).await?;
    let began = Instant::now();
    imports::counted(&person, rows).await?;
    figures.push(Figure { what: "figures caught up after it", rows, took: began.elapsed(), memory: 0 });

    for (what, format) in [("export as CSV", "csv"), ("export as XLSX", "xlsx")] {
        let person = Client::login(system.base(), &email).await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let memory = Memory::watch(pids.clone());
        let began = Instant::now();
        let mut response =
            person.request(Method::GET, &format!("/leads/export?format={format}")).send().await?;
        ensure!(response.status() == 200, "{}", response.status());
        let (mut bytes, mut lines) = (0, 0);
        while let Some(piece) = response.chunk().await.context("the file was cut off")? {
            bytes += piece.len();
            lines += piece.iter().filter(|byte| **byte == b'\n').count() as u64;
        }
        ensure!(bytes > 0 && (format == "xlsx" || lines > rows), "{bytes} bytes, {lines} lines");
        figures.push(Figure { what, rows, took: began.elapsed(), memory: memory.above() });
    }
    Ok(figures)
}

#[tokio::main]
async fn main() -> Result<()> {
    let rows = number("LEADLINE_BENCH_ROWS", 100_000);
    let modes = wanted_modes();
    println!("\n{rows} leads in files; memory is the peak above what was held before.\n");
    println!("| | | seconds | rows a second | MiB above |\n| --- | --- | --- | --- | --- |");
    for (mode, name) in modes {
        for Figure { what, rows, took, memory } in measure(mode, rows).await? {
            let seconds = took.as_secs_f64();
            println!("| {name} | {what} | {seconds:.1} | {:.0} | {memory} |", rows as f64 / seconds);
        }
    }
    Ok(())
}
