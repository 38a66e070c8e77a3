//! `make bench`: how fast Leadline is on this machine, and what it costs, beside what the machine gives without it.
//!
//! Data and requests are drawn from a fixed seed. Programs are started as people start them, with logs on and limits on sign-ins
//! off. What is compared is measured in turn, A B A B, and told as a median, since whatever else the machine does falls on all
//! of it. `docs/PERFORMANCE.md` explains each figure; `settings.rs` has the settings.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

mod figures;
mod files;
mod limits;
mod live;
mod load;
mod people;
mod process;
mod scenario;
mod settings;
mod site;

use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::Result;
use figures::{Figure, Figures};
use leadline_tests::Mode;
use limits::Hello;
use load::{Run, closed, median, open};
use process::Memory;
use scenario::{Asking, Scenario};
use settings::{Part, Settings};
use site::Site;

/// An open loop asks for so many things a second at most: more would measure the generator.
const MOST_PACED: f64 = 500.0;
/// At least so many answers make a 99th percentile, if that takes no longer than [`LONGEST`].
const ENOUGH: f64 = 1_000.0;
const LONGEST: Duration = Duration::from_secs(10);
/// Connections of an open loop: who waits for one is counted as waiting.
const PACED_CONNECTIONS: usize = 32;

#[tokio::main]
async fn main() -> Result<()> {
    if std::env::args().nth(1).as_deref() == Some(limits::HELLO) {
        return limits::hello().await;
    }
    let settings = Settings::read()?;
    let mut figures = Figures::open(Path::new("target/bench"))?;
    for leads in settings.leads.clone() {
        for mode in settings.modes.clone() {
            Bench { leads, settings: &settings, figures: &mut figures, mode: mode.1 }.run(mode).await?;
        }
    }
    let report = figures.tell()?;
    println!("{}", std::fs::read_to_string(&report)?);
    eprintln!("Written to {}, with figures.json and plots beside it.", report.display());
    Ok(())
}

/// One size in one mode.
struct Bench<'b> {
    leads: u64,
    settings: &'b Settings,
    figures: &'b mut Figures,
    mode: &'static str,
}

impl Bench<'_> {
    async fn run(&mut self, mode: (Mode, &'static str)) -> Result<()> {
        let settings = self.settings;
        if settings.wants(Part::Files) {
            let mut site = Site::start(mode.0).await?;
            for moved in files::in_and_out(&mut site, self.leads, settings).await? {
                let seconds = moved.took.as_secs_f64();
                let rows = self.leads as f64 / seconds;
                let values = [("s", seconds), ("rows/s", rows), ("MiB above", moved.memory)];
                self.tell("Files", moved.what, &values)?;
            }
            if mode.0 == Mode::Distributed {
                let seconds = files::rebuild(&site)?.as_secs_f64();
                let values = [("s", seconds), ("leads/s", self.leads as f64 / seconds)];
                self.tell("Files", "figures counted anew (rebuild)", &values)?;
            }
        }
        let others = [Part::Requests, Part::Paced, Part::Live, Part::Process];
        if !others.into_iter().any(|part| settings.wants(part)) {
            return Ok(());
        }
        let mut site = Site::start(mode.0).await?;
        if settings.wants(Part::Process) {
            self.empty(&mut site).await?;
        }
        let took = site.fill(self.leads, settings).await?;
        eprintln!("{}: {} leads in {took:.0?}", self.mode, self.leads);
        if settings.wants(Part::Requests) || settings.wants(Part::Paced) {
            self.requests(&mut site).await?;
        }
        if settings.wants(Part::Live) && settings.workspaces == 1 {
            self.live(&mut site).await?;
        }
        if settings.wants(Part::Process) {
            self.full(&mut site).await?;
        }
        Ok(())
    }

    fn tell(&mut self, table: &str, what: &str, values: &[(&str, f64)]) -> Result<()> {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), *value));
        let values: BTreeMap<String, f64> = values.collect();
        eprintln!("{} · {table} · {what} · {values:?}", self.mode);
        self.figures.add(Figure {
            table: table.to_owned(),
            what: what.to_owned(),
            mode: self.mode.to_owned(),
            leads: self.leads,
            workspaces: self.settings.workspaces,
            values,
        })
    }

    /// Every scenario in a closed loop, in turn with the bare server, and then at a fixed rate.
    async fn requests(&mut self, site: &mut Site) -> Result<()> {
        let settings = self.settings;
        let wanted = |one: &&Scenario| one.name.contains(&settings.only);
        let scenarios: Vec<Scenario> = scenario::ALL.iter().filter(wanted).copied().collect();
        let hello = Hello::start().await?;
        let mut bare = Vec::new();
        let mut runs: Vec<Vec<(Run, f64)>> = vec![Vec::new(); scenarios.len()];
        let mut stores: BTreeMap<&str, Vec<Run>> = BTreeMap::new();
        for round in 0..settings.rounds {
            bare.push(hello.measure(settings).await?);
            for (one, runs) in scenarios.iter().zip(&mut runs) {
                let short = Settings { time: Duration::from_millis(300), ..settings.clone() };
                if round == 0 {
                    ask(site, *one, &short).await?;
                }
                let before = site.usage()?.micros;
                let run = ask(site, *one, settings).await?;
                let used = (site.usage()?.micros - before) as f64 / run.answers.max(1) as f64;
                runs.push((run, used));
            }
            if settings.only.is_empty() || settings.only == "get" {
                for (name, run) in limits::of_store(site, settings).await? {
                    stores.entry(name).or_default().push(run);
                }
            }
            eprintln!("{}: round {} of {}", self.mode, round + 1, settings.rounds);
        }
        let table = "Requests a second";
        let rate = |runs: &[Run]| median(runs.iter().map(|run| run.per_second));
        let bare = rate(&bare);
        self.tell(table, "(limit) a bare axum server", &[("/s", bare)])?;
        for (name, runs) in stores {
            self.tell(table, &format!("(limit) {name}"), &[("/s", rate(&runs))])?;
        }
        for (one, runs) in scenarios.iter().zip(&runs) {
            let per_second = median(runs.iter().map(|(run, _)| run.per_second));
            let micros = median(runs.iter().map(|(_, micros)| *micros));
            let values = [("/s", per_second), ("µs CPU", micros), ("% of bare", per_second / bare * 100.0)];
            self.tell(table, one.name, &values)?;
        }
        if settings.wants(Part::Paced) {
            for (one, runs) in scenarios.iter().zip(&runs) {
                let carried = median(runs.iter().map(|(run, _)| run.per_second));
                self.paced(site, *one, (carried / 4.0).clamp(5.0, MOST_PACED)).await?;
            }
        }
        Ok(())
    }

    /// A scenario at a fixed rate: a quarter of what it carries, at most [`MOST_PACED`].
    async fn paced(&mut self, site: &mut Site, scenario: Scenario, rate: f64) -> Result<()> {
        site.sign_in().await?;
        let time = Duration::from_secs_f64(ENOUGH / rate).clamp(self.settings.time, LONGEST);
        let (address, places, seed) = (site.address(), site.places.clone(), self.settings.seed);
        let run = open(PACED_CONNECTIONS, rate, time, |number| {
            Asking::new(scenario, address.clone(), places.clone(), seed ^ 3, number)
        });
        let Run { millis: [p50, p95, p99], .. } = run.await?;
        let values = [("p50 ms", p50), ("p95 ms", p95), ("p99 ms", p99), ("a second", rate.round())];
        self.tell("Paced", scenario.name, &values)
    }

    async fn live(&mut self, site: &mut Site) -> Result<()> {
        let heard = live::one(site, self.settings).await?;
        let [p50, p95, p99] = heard.events.millis;
        let values =
            [("p50 ms", p50), ("p95 ms", p95), ("p99 ms", p99), ("events", heard.events.answers as f64)];
        self.tell("Live", &format!("event to one browser, {} writes a second", live::WRITES), &values)?;
        let [p50, p95, p99] = heard.writes.millis;
        let values =
            [("p50 ms", p50), ("p95 ms", p95), ("p99 ms", p99), ("writes", heard.writes.answers as f64)];
        self.tell("Live", "the writes themselves", &values)?;
        let heard = live::many(site, self.settings).await?;
        let [p50, p95, p99] = heard.events.millis;
        let values = [
            ("p50 ms", p50),
            ("p95 ms", p95),
            ("p99 ms", p99),
            ("events", heard.events.answers as f64),
            ("MiB above", heard.memory),
        ];
        let what = format!("event to {} browsers, {} writes a second", live::LISTENERS, live::WRITES_TO_ALL);
        self.tell("Live", &what, &values)
    }

    /// Memory and start of an empty system.
    async fn empty(&mut self, site: &mut Site) -> Result<()> {
        for program in site.system.parts() {
            let size = process::size(program)?;
            self.tell("Processes", &format!("size of {}", program.program()), &[("MiB", size)])?;
        }
        for (program, held) in process::idle(site).await? {
            self.tell("Processes", &format!("{program}, empty and idle"), &[("MiB", held)])?;
        }
        Ok(())
    }

    /// Memory and start of a full one.
    async fn full(&mut self, site: &mut Site) -> Result<()> {
        let memory = Memory::watch(site.pids()?);
        for name in
            ["dashboard", "list, newest first", "search: three letters", "create a lead", "move a lead"]
        {
            ask(site, scenario::named(name)?, self.settings).await?;
        }
        self.tell("Processes", "all together, most under load", &[("MiB", memory.peak())])?;
        drop(memory);
        for (store, bytes) in process::stored(site).await? {
            let each = bytes / self.leads as f64;
            self.tell("Processes", &format!("{store} on the disk"), &[("bytes a lead", each)])?;
        }
        let mut starts = Vec::new();
        for _ in 0..self.settings.rounds {
            starts.push(process::cold_start(site).await?.as_secs_f64() * 1e3);
        }
        self.tell("Processes", "start until ready", &[("ms", median(starts))])?;
        for (program, held) in process::idle(site).await? {
            self.tell("Processes", &format!("{program}, full and idle"), &[("MiB", held)])?;
        }
        Ok(())
    }
}

/// A scenario in a closed loop; writers are twice as many, since they wait for disks.
async fn ask(site: &mut Site, scenario: Scenario, settings: &Settings) -> Result<Run> {
    site.sign_in().await?;
    let (address, places, seed) = (site.address(), site.places.clone(), settings.seed);
    let workers = if scenario.writes { settings.connections * 2 } else { settings.connections };
    closed(workers, settings.time, |number| {
        Asking::new(scenario, address.clone(), places.clone(), seed, number)
    })
    .await
}
