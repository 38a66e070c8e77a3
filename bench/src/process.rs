//! What processes use up: memory, processor time, and the time until they are ready.

use std::{
    collections::BTreeMap,
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use leadline_storage::{
    bson::{Bson, doc},
    mongodb::{Client, options::ClientOptions},
};
use leadline_tests::{Mode, Part, System};

use crate::site::Site;

/// A clock tick of `/proc`, in microseconds: Linux has a hundred a second for programs.
const TICK: u64 = 10_000;

/// What some processes have used up.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Processor time, in microseconds.
    pub micros: u64,
}

impl Usage {
    /// Of these processes, since they were started.
    #[must_use]
    pub fn of(pids: &[u32]) -> Self {
        let ticks = |pid: &u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            // Behind the name, which may hold anything: user and system time are the 14th and 15th field of all.
            let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
            Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
        };
        Self { micros: pids.iter().filter_map(ticks).sum::<u64>() * TICK }
    }
}

/// What processes hold together, in KiB.
#[must_use]
pub fn resident(pids: &[u32]) -> u64 {
    let of = |pid: &u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    pids.iter().filter_map(of).sum()
}

/// Watches the memory of some processes until it is dropped.
pub struct Memory {
    before: u64,
    peak: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
}

impl Memory {
    /// Begins to.
    #[must_use]
    pub fn watch(pids: Vec<u32>) -> Self {
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

    /// The most that was held, in MiB.
    #[must_use]
    pub fn peak(&self) -> f64 {
        self.peak.load(Ordering::Relaxed) as f64 / 1024.0
    }

    /// How much more that is than was held before, in MiB.
    #[must_use]
    pub fn above(&self) -> f64 {
        (self.peak.load(Ordering::Relaxed) - self.before) as f64 / 1024.0
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// What every program of a site holds some time after a start, in MiB.
///
/// # Errors
/// If one is not running.
pub async fn idle(site: &mut Site) -> Result<BTreeMap<&'static str, f64>> {
    site.restart().await?;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let held = |system: &mut System, part: Part| {
        Ok((part.program(), resident(&[system.process(part)?.pid()]) as f64 / 1024.0))
    };
    site.system.parts().into_iter().map(|part| held(&mut site.system, part)).collect()
}

/// How long it takes from the start of the processes until the gateway says that every part is ready.
///
/// # Errors
/// If one does not start.
pub async fn cold_start(site: &mut Site) -> Result<Duration> {
    for part in site.system.parts() {
        site.system.terminate(part).await?;
    }
    let http = reqwest::Client::new();
    let url = format!("{}/readyz", site.system.base());
    let began = Instant::now();
    for part in site.system.parts() {
        site.system.launch(part)?;
    }
    while began.elapsed() < Duration::from_secs(60) {
        if matches!(http.get(&url).send().await, Ok(answer) if answer.status().is_success()) {
            return Ok(began.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    anyhow::bail!("not ready after a minute")
}

/// How large a program's file is, in MiB.
///
/// # Errors
/// If it is not built.
pub fn size(part: Part) -> Result<f64> {
    let command = leadline_tests::system::program(part)?;
    let file = fs::metadata(command.get_program()).context("a program's file")?;
    Ok(file.len() as f64 / (1024.0 * 1024.0))
}

/// What a site's stores take on the disk, by service, in bytes.
///
/// # Errors
/// If they can't be asked.
pub async fn stored(site: &Site) -> Result<Vec<(String, f64)>> {
    if site.mode == Mode::AllInOne {
        let mut sizes = Vec::new();
        for file in fs::read_dir(site.system.folder().join("data"))?.flatten() {
            let name = file.file_name().to_string_lossy().into_owned();
            if name.ends_with(".db") {
                sizes.push((name, file.metadata()?.len() as f64));
            }
        }
        return Ok(sizes);
    }
    let part = if site.mode == Mode::Distributed { Part::Leads } else { Part::Leadline };
    let uri = site.system.setting(part, "LEADLINE_STORE").context("no store is set")?;
    let client = Client::with_options(ClientOptions::parse(&uri).await?)?;
    let mut sizes = Vec::new();
    for service in ["auth", "leads", "reminders", "analytics"] {
        let database = client.database(&leadline_storage::Mongo::database_name(&uri, service)?);
        // Data and indexes as they lie on the disk, compressed.
        let stats = database.run_command(doc! { "dbStats": 1 }).await?;
        let size = stats.get("totalSize").and_then(Bson::as_f64).unwrap_or_default();
        sizes.push((service.to_owned(), size));
    }
    client.shutdown().await;
    Ok(sizes)
}
