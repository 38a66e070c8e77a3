//! What is measured: each setting is an environment variable, and has a default; all of them take about an hour on two cores.

use std::{env, time::Duration};

use anyhow::{Context, Result, bail};
use leadline_tests::{Mode, ground::number};

/// The modes, as tables name them.
const MODES: [(Mode, &str); 3] = [
    (Mode::AllInOne, "all in one (SQLite)"),
    (Mode::OnServers, "all in one (MongoDB, RabbitMQ)"),
    (Mode::Distributed, "distributed (five processes)"),
];

/// A part of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Every scenario, as fast as a number of connections can ask (a closed loop): requests a second.
    Requests,
    /// Every scenario at a rate that does not depend on the answers (an open loop): percentiles.
    Paced,
    /// From a write to the event in a browser, and a thousand browsers.
    Live,
    /// Files in and out, and figures counted anew.
    Files,
    /// Memory, and how long a start takes.
    Process,
}

impl Part {
    const ALL: [(Self, &str); 5] = [
        (Self::Requests, "requests"),
        (Self::Paced, "paced"),
        (Self::Live, "live"),
        (Self::Files, "files"),
        (Self::Process, "process"),
    ];
}

/// All settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `LEADLINE_BENCH_LEADS`: how many leads, one size after the other (`10000,100000`).
    pub leads: Vec<u64>,
    /// `LEADLINE_BENCH_WORKSPACES`: over how many workspaces those are spread (1).
    pub workspaces: u64,
    /// `LEADLINE_BENCH_MODES`: which of the three, by number (`123`).
    pub modes: Vec<(Mode, &'static str)>,
    /// `LEADLINE_BENCH_PARTS`: `requests,paced,live,files,process`.
    pub parts: Vec<Part>,
    /// `LEADLINE_BENCH_ONLY`: only scenarios whose name holds this (all).
    pub only: String,
    /// `LEADLINE_BENCH_SECONDS`: how long one measurement takes (2).
    pub time: Duration,
    /// `LEADLINE_BENCH_ROUNDS`: medians are of so many (3).
    pub rounds: u64,
    /// `LEADLINE_BENCH_CONNECTIONS`: of readers in the closed loop (16); writers have twice as many.
    pub connections: usize,
    /// `LEADLINE_BENCH_SEED`: what the leads and the requests are drawn from (2026).
    pub seed: u64,
}

impl Settings {
    /// Reads them all.
    ///
    /// # Errors
    /// With the first that can't be read.
    pub fn read() -> Result<Self> {
        let of = |name: &str, default| number(&format!("LEADLINE_BENCH_{name}"), default);
        let leads = env::var("LEADLINE_BENCH_LEADS").unwrap_or_else(|_| "10000,100000".to_owned());
        let leads = leads.split(',').map(|size| size.trim().parse::<u64>());
        let leads: Vec<u64> = leads.collect::<Result<_, _>>().context("LEADLINE_BENCH_LEADS: not numbers")?;
        let parts = env::var("LEADLINE_BENCH_PARTS");
        let parts = match parts.as_deref() {
            Err(_) => Part::ALL.map(|(part, _)| part).to_vec(),
            Ok(names) => names.split(',').map(|name| part(name.trim())).collect::<Result<_>>()?,
        };
        Ok(Self {
            leads,
            workspaces: of("WORKSPACES", 1).max(1),
            modes: modes(&env::var("LEADLINE_BENCH_MODES").unwrap_or_else(|_| "123".to_owned())),
            parts,
            only: env::var("LEADLINE_BENCH_ONLY").unwrap_or_default(),
            time: Duration::from_secs(of("SECONDS", 2).max(1)),
            rounds: of("ROUNDS", 3).max(1),
            connections: usize::try_from(of("CONNECTIONS", 16).max(1))?,
            seed: of("SEED", 2026),
        })
    }

    /// Whether a part is to be measured.
    #[must_use]
    pub fn wants(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }
}

fn modes(numbers: &str) -> Vec<(Mode, &'static str)> {
    ('1'..).zip(MODES).filter(|(number, _)| numbers.contains(*number)).map(|(_, mode)| mode).collect()
}

fn part(name: &str) -> Result<Part> {
    match Part::ALL.iter().find(|(_, known)| *known == name) {
        Some((part, _)) => Ok(*part),
        None => bail!("LEADLINE_BENCH_PARTS: {name} is none of requests, paced, live, files, process"),
    }
}
