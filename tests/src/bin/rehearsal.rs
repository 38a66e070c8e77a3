//! The parts of `scripts/rehearse` that are no matter of a shell: people at work while every program is replaced, and MongoDB's
//! users.
//!
//! `rehearsal load FOLDER`: writes, reads and follows live events through what a Service of Kubernetes is, at the gateways that
//! FOLDER names, a file each with an address in it. Says `at work` when it is. Each line `NAME REPLICAS` that it reads ends a row of
//! the table that it prints after the line `end`, when it has looked whether everything that was acknowledged is there. Ends
//! with 1 if any request failed.
//!
//! `rehearsal mongodb HOST:PORT`: makes a replica set of one, a root, and carries out the commands that it reads, in JSON, a
//! line each. To be run where MongoDB runs: without users it takes commands from its own machine only.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use leadline_testbed::{eventually, wait_until};
use leadline_tests::{
    Client,
    ground::{SETTLE, number, seed},
    journal::Journal,
    recount,
    traffic::Traffic,
    watcher::Watcher,
};
use mongodb::bson::{Document, doc};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
    time::sleep,
};

/// Longer than any deadline of the system.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["load", folder] => load(Path::new(folder)).await,
        ["mongodb", host] => users(host).await,
        _ => bail!("usage: rehearsal load FOLDER | rehearsal mongodb HOST:PORT"),
    }
}

/// What a Service of Kubernetes does: a connection goes to one of the replicas that are ready when it is opened, and stays there.
async fn service(listener: TcpListener, ready: PathBuf) {
    let turn = Arc::new(AtomicUsize::new(0));
    while let Ok((mut caller, _)) = listener.accept().await {
        let (ready, turn) = (ready.clone(), turn.clone());
        tokio::spawn(async move {
            let Some(address) = one_of(&ready, &turn) else { return };
            let Ok(mut gateway) = TcpStream::connect(address).await else { return };
            let _ = (caller.set_nodelay(true), gateway.set_nodelay(true));
            let _ = copy_bidirectional(&mut caller, &mut gateway).await;
        });
    }
}

fn one_of(folder: &Path, turn: &AtomicUsize) -> Option<SocketAddr> {
    let files = std::fs::read_dir(folder).ok()?;
    // One that is being removed is none.
    let mut addresses: Vec<SocketAddr> = files
        .filter_map(|file| std::fs::read_to_string(file.ok()?.path()).ok()?.trim().parse().ok())
        .collect();
    addresses.sort();
    let turn = turn.fetch_add(1, Ordering::Relaxed).checked_rem(addresses.len())?;
    addresses.get(turn).copied()
}

/// What those who read have in common.
struct Readers {
    journal: Arc<Journal>,
    stop: AtomicBool,
    asked: AtomicU64,
    troubled: AtomicU64,
    troubles: Mutex<Vec<String>>,
}

impl Readers {
    /// Reads one thing after another, with a pause between that a person or a program may make.
    async fn read(self: Arc<Self>, person: Client, pause: Duration, seed: u64) {
        let mut draw = StdRng::seed_from_u64(seed);
        while !self.stop.load(Ordering::Relaxed) {
            let lead = self.journal.lead(draw.random_range(0..1_000_000), draw.random_bool(0.5));
            let lead = lead.unwrap_or_else(leadline_tests::unknown_id);
            let paths = [
                "/leads".to_owned(),
                "/leads?status=Converted&sort=-createdAt".to_owned(),
                format!("/leads?q=mark-{:06}", draw.random_range(0..1_000)),
                format!("/leads/{lead}"),
                format!("/leads/{lead}/activity"),
                "/analytics/summary".to_owned(),
                "/analytics/dashboard?interval=day".to_owned(),
                "/reminders?view=all".to_owned(),
                "/workspace/members".to_owned(),
                "/auth/me".to_owned(),
            ];
            let Some(path) = paths.choose(&mut draw) else { return };
            let request = person.request(reqwest::Method::GET, path).timeout(PATIENCE);
            let answer = person.send(request).await;
            self.asked.fetch_add(1, Ordering::Relaxed);
            let trouble = match answer {
                Ok(answer) if answer.status.is_success() || answer.status.as_u16() == 404 => None,
                Ok(answer) => Some(format!("{}: {} {}", answer.asked, answer.status, answer.body)),
                Err(error) => Some(format!("{error:#}")),
            };
            if let Some(trouble) = trouble {
                self.troubled.fetch_add(1, Ordering::Relaxed);
                let now = chrono::Utc::now().format("%H:%M:%S%.3f");
                let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
                troubles.push(format!("{now} {trouble}"));
            }
            sleep(pause.mul_f64(draw.random_range(0.5..1.5))).await;
        }
    }
}

/// Standard input, line by line as it comes.
fn lines() -> mpsc::UnboundedReceiver<String> {
    let (tell, lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if tell.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// A row of the table.
struct Row {
    name: String,
    replicas: String,
    asked: u64,
    failed: u64,
}

async fn load(ready: &Path) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let base = format!("http://{}", listener.local_addr()?);
    tokio::spawn(service(listener, ready.to_owned()));
    let seed = seed();
    let person =
        eventually(SETTLE, "somebody can register", async || Client::register(&base, "Somebody").await)
            .await?;
    let watcher = Watcher::start(&person).await?;
    let journal: Arc<Journal> = Arc::default();
    let traffic = Traffic::start(&person, &journal, number("LEADLINE_REHEARSE_WRITERS", 4), seed);
    let readers = Arc::new(Readers {
        journal: journal.clone(),
        stop: AtomicBool::new(false),
        asked: AtomicU64::new(0),
        troubled: AtomicU64::new(0),
        troubles: Mutex::default(),
    });
    let mut reading = JoinSet::new();
    let busy = number("LEADLINE_REHEARSE_READERS", 4);
    let quiet = number("LEADLINE_REHEARSE_QUIET_READERS", 12);
    for number in 0..busy + quiet {
        // Most of the time the connection of a quiet one is open and nothing is under way on it.
        let pause = if number < busy { Duration::from_millis(20) } else { Duration::from_secs(1) };
        let draw = seed.wrapping_add(number);
        reading.spawn(readers.clone().read(person.with_own_connections(), pause, draw));
    }
    wait_until(SETTLE, "work is under way", async || journal.tally().ok > 50).await?;
    println!("at work");

    let so_far = || {
        let asked = traffic.asked() + readers.asked.load(Ordering::Relaxed);
        (asked, traffic.troubles().0 + readers.troubled.load(Ordering::Relaxed))
    };
    let (mut rows, mut before) = (Vec::new(), (0, 0));
    let mut lines = lines();
    while let Some(line) = lines.recv().await {
        if line == "end" {
            break;
        }
        let (name, replicas) = line.split_once(' ').unwrap_or((&line, ""));
        let now = so_far();
        let (asked, failed) = (now.0 - before.0, now.1 - before.1);
        rows.push(Row { name: name.to_owned(), replicas: replicas.to_owned(), asked, failed });
        before = now;
    }
    readers.stop.store(true, Ordering::Relaxed);
    while let Some(ended) = reading.join_next().await {
        ended?;
    }
    let slowest = traffic.slowest();
    let (_, mut troubles) = traffic.troubles();
    let wrong = traffic.stop().await;
    troubles.extend(readers.troubles.lock().unwrap_or_else(PoisonError::into_inner).drain(..).take(20));
    troubles.sort();
    for trouble in &troubles {
        eprintln!("{trouble}");
    }

    let owner = Client::login(&base, &person.email).await?;
    let compared = recount::check(&owner, &journal, SETTLE).await?;
    recount::check_accounts(&base, &journal).await?;
    let told = watcher.check(&owner, SETTLE).await?;
    println!("\n| replaced | replicas | requests meanwhile | failed |\n| --- | ---: | ---: | ---: |");
    for Row { name, replicas, asked, failed } in &rows {
        println!("| {name} | {replicas} | {asked} | {failed} |");
    }
    println!("\nWrites: {}; the slowest took {slowest:.1?}.", journal.tally());
    println!("What was acknowledged is there: {compared}; {told} live events came.");
    wrong?;
    let failed: u64 = rows.iter().map(|row| row.failed).sum();
    ensure!(failed == 0, "{failed} requests failed");
    Ok(())
}

/// A replica set of one, a root, and what standard input says.
async fn users(host: &str) -> Result<()> {
    let nobody = mongodb::Client::with_uri_str("mongodb://127.0.0.1:27017/?directConnection=true").await?;
    let admin = nobody.database("admin");
    let members = vec![doc! { "_id": 0, "host": host }];
    let set = std::env::var("MONGODB_REPLICA_SET").context("MONGODB_REPLICA_SET names none")?;
    admin.run_command(doc! { "replSetInitiate": { "_id": set, "members": members } }).await?;
    wait_until(SETTLE, "MongoDB takes writes", async || {
        let hello = admin.run_command(doc! { "hello": 1 }).await;
        hello.is_ok_and(|hello| hello.get_bool("isWritablePrimary").unwrap_or(false))
    })
    .await?;
    let password = leadline_tests::unknown_id();
    admin.run_command(doc! { "createUser": "root", "pwd": &password, "roles": ["root"] }).await?;
    let uri = format!("mongodb://root:{password}@127.0.0.1:27017/?directConnection=true&authSource=admin");
    let admin = mongodb::Client::with_uri_str(uri).await?.database("admin");
    for line in std::io::stdin().lines() {
        let line = line?;
        let command: Document = serde_json::from_str(&line)?;
        admin.run_command(command).await?;
    }
    Ok(())
}
