//! Measures Leadline in its three modes, side by side on this machine, and prints a table in Markdown.
//!
//! `scripts/bench` builds and runs it. Programs are started as people start them, with logs on and limits on sign-ins off;
//! each connection sends its next request when it has read the answer to the last one. Settings, all optional:
//! `LEADLINE_BENCH_LEADS` (10000), `_SECONDS` a measurement (4), `_ROUNDS` (3), `_CONNECTIONS` (16), `_MEMORY_LEADS` (100000;
//! 0: don't measure memory), `_MODES` (`123`: which of the three, by number).

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, StatusCode,
    body::Bytes,
    client::conn::http1::{SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use leadline_tests::{
    Client, Mode, Part, System,
    ground::{MODES, number, wanted_modes},
};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};
use tokio::{net::TcpStream, task::JoinSet};

const STAGES: [&str; 5] = ["New", "Contacted", "Qualified", "Converted", "Lost"];
const SOURCES: [&str; 4] = ["Website", "Referral", "Ad", "Other"];
const FIRST: [&str; 12] = [
    "Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Tony", "Niklaus", "Radia", "Ken", "Frances",
    "Leslie",
];
const BEGINNINGS: [&str; 12] =
    ["Lov", "Hop", "Tur", "Dijk", "Lisk", "Knu", "Hoa", "Wir", "Perl", "Thom", "All", "Lamp"];
const ENDINGS: [&str; 12] =
    ["elace", "per", "ing", "stra", "ov", "th", "re", "th", "man", "son", "en", "ort"];

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    Get,
    List,
    Search,
    Dashboard,
    Create,
    Move,
}

impl Task {
    const ALL: [Self; 6] = [Self::Get, Self::List, Self::Search, Self::Dashboard, Self::Create, Self::Move];

    fn name(self) -> &'static str {
        match self {
            Self::Get => "get a lead",
            Self::List => "list 50 leads",
            Self::Search => "search leads",
            Self::Dashboard => "dashboard",
            Self::Create => "create a lead",
            Self::Move => "move a lead",
        }
    }

    /// The next request, and what it must be answered with.
    fn request(self, draw: &mut StdRng, place: &Place) -> Result<(Request<Full<Bytes>>, StatusCode)> {
        let lead = place.leads.choose(draw).map(String::as_str).unwrap_or_default();
        let (method, path, body) = match self {
            Self::Get => (Method::GET, format!("/leads/{lead}"), None),
            Self::List => (Method::GET, "/leads".to_owned(), None),
            Self::Search => {
                let (first, last) = (pick(draw, &FIRST), pick(draw, &BEGINNINGS));
                (Method::GET, format!("/leads?q={first}%20{last}{}", draw.random_range(0..10)), None)
            }
            Self::Dashboard => (Method::GET, "/analytics/dashboard".to_owned(), None),
            Self::Create => (Method::POST, "/leads".to_owned(), Some(a_lead(draw))),
            Self::Move => {
                let body = json!({ "status": pick(draw, &STAGES) });
                (Method::PATCH, format!("/leads/{lead}/status"), Some(body))
            }
        };
        let right = if self == Self::Create { StatusCode::CREATED } else { StatusCode::OK };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"))
            .header("host", &place.address)
            .header("authorization", &place.authorization);
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
        Ok((request.body(Full::new(body))?, right))
    }
}

fn pick<'a>(draw: &mut StdRng, of: &[&'a str]) -> &'a str {
    of.choose(draw).copied().unwrap_or_default()
}

fn a_lead(draw: &mut StdRng) -> Value {
    let number: u32 = draw.random_range(0..1_000_000);
    let last = format!("{}{number:06}{}", pick(draw, &BEGINNINGS), pick(draw, &ENDINGS));
    json!({
        "name": format!("{} {last}", pick(draw, &FIRST)),
        "email": format!("{}.{number}@example.test", last.to_lowercase()),
        "phone": format!("+44 20 {number:08}"),
        "company": format!("{last} & Sons"),
        "source": pick(draw, &SOURCES),
        "status": pick(draw, &STAGES),
        "tags": ["bench"],
    })
}

/// Where requests go, on whose behalf, and for which leads.
#[derive(Clone, Default)]
struct Place {
    address: String,
    authorization: String,
    leads: Arc<Vec<String>>,
}

impl Place {
    /// A connection of its own.
    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }
}

async fn ask(
    sender: &mut SendRequest<Full<Bytes>>,
    (request, right): (Request<Full<Bytes>>, StatusCode),
) -> Result<Bytes> {
    sender.ready().await?;
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    let body = answer.into_body().collect().await?.to_bytes();
    ensure!(status == right, "{status} instead of {right}: {}", String::from_utf8_lossy(&body));
    Ok(body)
}

/// A running system with somebody signed in.
struct Bench {
    mode: Mode,
    system: System,
    email: String,
    signed_in: Instant,
    place: Place,
}

impl Bench {
    async fn start(mode: Mode) -> Result<Self> {
        let system = System::start(mode).await?;
        let email = system.register("Bench").await?.email;
        let place =
            Place { address: system.base().trim_start_matches("http://").to_owned(), ..Place::default() };
        let mut bench = Self { mode, system, email, signed_in: Instant::now(), place };
        bench.sign_in().await?;
        Ok(bench)
    }

    /// Renews the token well before its time is over.
    async fn sign_in(&mut self) -> Result<()> {
        if self.place.authorization.is_empty() || self.signed_in.elapsed() > Duration::from_secs(300) {
            let person = Client::login(self.system.base(), &self.email).await?;
            self.signed_in = Instant::now();
            self.place.authorization = format!("Bearer {}", person.token.unwrap_or_default());
        }
        Ok(())
    }

    /// Makes leads through the API.
    async fn fill(&mut self, leads: usize, connections: usize) -> Result<()> {
        let began = Instant::now();
        let mut made = Vec::with_capacity(leads);
        while made.len() < leads {
            self.sign_in().await?;
            let left = Arc::new(AtomicUsize::new((leads - made.len()).min(2_000)));
            let mut workers = JoinSet::new();
            for number in 0..connections {
                let draw = StdRng::seed_from_u64((made.len() + number) as u64);
                workers.spawn(fill(self.place.clone(), left.clone(), draw));
            }
            while let Some(ids) = workers.join_next().await {
                made.extend(ids??);
            }
        }
        self.place.leads = Arc::new(made);
        eprintln!("{}: {leads} leads in {:.0?}", name(self.mode), began.elapsed());
        Ok(())
    }

    async fn measure(&mut self, task: Task, connections: usize, time: Duration) -> Result<Run> {
        self.sign_in().await?;
        let mut workers = JoinSet::new();
        let end = Instant::now() + time;
        for number in 0..connections {
            workers.spawn(work(self.place.clone(), task, end, StdRng::seed_from_u64(number as u64)));
        }
        let mut micros = Vec::new();
        while let Some(took) = workers.join_next().await {
            micros.extend(took??);
        }
        micros.sort_unstable();
        Ok(Run::of(&micros, time))
    }
}

fn name(mode: Mode) -> &'static str {
    MODES.iter().find(|(known, _)| *known == mode).map_or("", |(_, name)| name)
}

async fn fill(place: Place, left: Arc<AtomicUsize>, mut draw: StdRng) -> Result<Vec<String>> {
    let mut sender = place.connect().await?;
    let mut ids = Vec::new();
    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
        let body = ask(&mut sender, Task::Create.request(&mut draw, &place)?).await?;
        let lead: Value = serde_json::from_slice(&body)?;
        ids.push(lead["id"].as_str().context("a lead without an id")?.to_owned());
    }
    Ok(ids)
}

/// One connection's work: what each answer took, in microseconds.
async fn work(place: Place, task: Task, end: Instant, mut draw: StdRng) -> Result<Vec<u32>> {
    let mut sender = place.connect().await?;
    let mut micros = Vec::with_capacity(4_096);
    while Instant::now() < end {
        let request = task.request(&mut draw, &place)?;
        let began = Instant::now();
        ask(&mut sender, request).await?;
        micros.push(u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
    Ok(micros)
}

/// What a measurement came to.
#[derive(Debug, Clone, Copy)]
struct Run {
    per_second: f64,
    /// The median, the 95th and the 99th percentile, in milliseconds.
    millis: [f64; 3],
}

impl Run {
    /// From what each answer took, sorted.
    fn of(micros: &[u32], time: Duration) -> Self {
        let at = |share: usize| {
            micros.get(micros.len() * share / 100).map_or(0.0, |micros| f64::from(*micros) / 1e3)
        };
        Self { per_second: micros.len() as f64 / time.as_secs_f64(), millis: [at(50), at(95), at(99)] }
    }

    /// The median of each figure.
    fn median(runs: &[Self]) -> Self {
        let median = |of: &dyn Fn(&Self) -> f64| {
            let mut all: Vec<f64> = runs.iter().map(of).collect();
            all.sort_by(f64::total_cmp);
            all.get(all.len() / 2).copied().unwrap_or_default()
        };
        let millis = [0, 1, 2].map(|place| median(&|run| run.millis[place]));
        Self { per_second: median(&|run| run.per_second), millis }
    }
}

/// The memory that a process holds, in MiB.
fn resident(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
    let kib: u64 = line.split_whitespace().nth(1).context("no figure")?.parse()?;
    Ok(kib / 1024)
}

async fn memory(leads: usize, connections: usize) -> Result<()> {
    let mut bench = Bench::start(Mode::AllInOne).await?;
    bench.fill(leads, connections).await?;
    let after_filling = resident(bench.system.process(Part::Leadline)?.pid())?;
    bench.system.terminate(Part::Leadline).await?;
    bench.system.launch(Part::Leadline)?;
    bench.system.ready().await?;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let after_start = resident(bench.system.process(Part::Leadline)?.pid())?;
    bench.place.authorization.clear();
    bench.sign_in().await?;
    for task in [Task::Dashboard, Task::List, Task::Search] {
        bench.measure(task, connections, Duration::from_secs(2)).await?;
    }
    let after_reading = resident(bench.system.process(Part::Leadline)?.pid())?;
    println!(
        "\nResident memory of all in one with {leads} leads: {after_start} MiB idle after a start, \
              {after_filling} MiB after making them one by one, {after_reading} MiB after dashboards, lists and searches."
    );
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    let of = |name: &str, default| number(&format!("LEADLINE_BENCH_{name}"), default);
    let leads = usize::try_from(of("LEADS", 10_000))?;
    let connections = usize::try_from(of("CONNECTIONS", 16))?;
    let memory_leads = usize::try_from(of("MEMORY_LEADS", 100_000))?;
    let (time, rounds) = (Duration::from_secs(of("SECONDS", 4)), of("ROUNDS", 3));

    let modes = wanted_modes();

    let mut benches = Vec::new();
    for (mode, _) in modes.clone() {
        let mut bench = Bench::start(mode).await?;
        bench.fill(leads, connections).await?;
        benches.push(bench);
    }
    let mut runs: BTreeMap<(Task, Mode), Vec<Run>> = BTreeMap::new();
    for round in 1..=rounds {
        for task in Task::ALL {
            // The modes in turn: what else the machine does falls on all of them.
            for bench in &mut benches {
                bench.measure(task, connections, Duration::from_millis(500)).await?;
                let run = bench.measure(task, connections, time).await?;
                runs.entry((task, bench.mode)).or_default().push(run);
            }
        }
        eprintln!("round {round} of {rounds}");
    }
    drop(benches);

    let cores = std::thread::available_parallelism()?;
    println!(
        "{leads} leads, {connections} connections, {cores} cores shared by everything, medians of {rounds} runs."
    );
    println!(
        "Requests a second, and the median / 95th / 99th percentile of what an answer takes, in milliseconds.\n"
    );
    println!("| | {} |", modes.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(" | "));
    println!("| --- |{}", " --- |".repeat(modes.len()));
    for task in Task::ALL {
        let cells = modes.iter().map(|(mode, _)| {
            let Run { per_second, millis: [p50, p95, p99] } = Run::median(&runs[&(task, *mode)]);
            format!("{per_second:.0} · {p50:.1} / {p95:.1} / {p99:.1}")
        });
        let cells: Vec<String> = cells.collect();
        println!("| {} | {} |", task.name(), cells.join(" | "));
    }
    if memory_leads > 0 {
        memory(memory_leads, connections).await?;
    }
    Ok(())
}
