//! All in one on a disk that is full, on one that fails to keep what it was given, without file descriptors, and on files as a
//! crash of the machine leaves them.
//!
//! `LEADLINE_TEST_FILLINGS` says how often a disk is filled (2), `LEADLINE_TEST_SYNCS` how often it fails (2),
//! `LEADLINE_TEST_COPIES` how often files are copied under load (2), `LEADLINE_TEST_SEED` which draws.

#![allow(clippy::print_stdout, reason = "a seed is shown with the failure that it leads to")]

use std::{
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use leadline_storage::rusqlite::{Connection, OpenFlags};
use leadline_testbed::{Folder, SmallDisk, wait_until};
use leadline_tests::{
    Client, Mode, Part, System, files,
    ground::{Ground, SETTLE, number, seed},
    journal::{Outcome, Write},
    recount, text,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{net::TcpStream, time::sleep};

/// For so long something may be awaited, on a busy machine.
const AWAITED: Duration = Duration::from_secs(60);

/// Awaits that so many more writes are acknowledged.
async fn goes_on(ground: &Ground, more: usize) -> Result<()> {
    let before = ground.journal.tally().ok;
    wait_until(AWAITED, "writes are acknowledged", async || ground.journal.tally().ok >= before + more).await
}

/// Takes the room that is left on a disk.
fn fill(disk: &SmallDisk) -> Result<PathBuf> {
    let path = disk.path().join("ballast");
    let mut file = std::fs::File::create(&path)?;
    loop {
        match file.write(&[0; 4096]) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(path),
            Err(error) => return Err(error.into()),
        }
    }
}

async fn ends_sound(mut system: System, data: &Path) -> Result<()> {
    let code = system.terminate(Part::Leadline).await?;
    ensure!(code == 0, "it ended with {code}");
    files::check(data)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_costs_503_and_nothing_that_was_acknowledged_and_room_mends_it() -> Result<()> {
    let seed = seed();
    let mut disk = SmallDisk::new(16)?;
    let data = disk.path().join("data");
    let mut system = System::prepare(Mode::AllInOne, None, &[])?;
    system.set(Part::Leadline, "LEADLINE_DATA_DIR", &data.to_string_lossy());
    system.launch(Part::Leadline)?;
    system.ready().await?;
    let mut ground = Ground::new(&system).await?;
    ground.begin(6, seed);
    goes_on(&ground, 100).await?;
    for filling in 1..=number("LEADLINE_TEST_FILLINGS", 2) {
        let ballast = fill(&disk)?;
        let refused = ground.traffic().map_or(0, |traffic| traffic.failed());
        wait_until(AWAITED, "writes find the disk full", async || {
            ground.traffic().is_some_and(|traffic| traffic.failed() > refused + 50)
        })
        .await
        .with_context(|| system.last_words(20))?;
        // What is there is still shown.
        ground.person.get("/leads?limit=1").await?.expect(200)?;
        let running = system.process(Part::Leadline)?;
        ensure!(running.exit_code().is_none(), "a full disk ends it:\n{}", running.output());
        // Killed on the full disk, it starts when there is room, at the latest.
        if filling % 2 == 0 {
            system.kill(Part::Leadline).await?;
            system.launch(Part::Leadline)?;
            sleep(Duration::from_secs(2)).await;
        }
        std::fs::remove_file(ballast)?;
        let running = system.process(Part::Leadline)?;
        if let Some(code) = running.exit_code() {
            let said = running.output();
            ensure!(code == 1 && said.contains("full"), "it ended with {code}:\n{said}");
            system.launch(Part::Leadline)?;
        }
        system.ready().await?;
        goes_on(&ground, 50).await?;
        if filling == 1 {
            disk.resize(48)?;
        }
    }
    ground.rest().await?;
    ground.was_busy(200)?;
    ground.check(&system).await?;
    ends_sound(system, &data).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fails_to_sync_ends_the_program_and_nothing_that_was_acknowledged_is_lost() -> Result<()>
{
    let seed = seed();
    let mut draw = StdRng::seed_from_u64(seed);
    let mut system = System::start(Mode::AllInOne).await?;
    let mut ground = Ground::new(&system).await?;
    ground.begin(6, seed);
    goes_on(&ground, 50).await?;
    for _ in 0..number("LEADLINE_TEST_SYNCS", 2) {
        system.terminate(Part::Leadline).await?;
        // From this one on they all fail, of each thread: each file has one that writes.
        let nth = draw.random_range(10..80);
        let inject = format!("inject=fsync,fdatasync:error=EIO:when={nth}+");
        let strace =
            ["strace", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null", "-e", "trace=fsync,fdatasync"];
        system.start_by(Part::Leadline, &[&strace[..], &["-e", &inject]].concat());
        system.launch(Part::Leadline)?;
        let running = system.process(Part::Leadline)?;
        let code = running.wait(AWAITED).await?;
        let said = running.output();
        ensure!(code == 70 && said.contains("the program stops"), "it ended with {code}:\n{said}");
        system.start_by(Part::Leadline, &[]);
        system.launch(Part::Leadline)?;
        system.ready().await?;
        goes_on(&ground, 50).await?;
    }
    ground.rest().await?;
    ground.was_busy(100)?;
    ground.check(&system).await?;
    let data = system.folder().join("data");
    ends_sound(system, &data).await
}

/// Sets how many file descriptors a process may have, and gives how many it might have before.
fn limit_descriptors(pid: u32, limit: &str) -> Result<String> {
    let prlimit = |arguments: &[&str]| -> Result<String> {
        let ran = Command::new("prlimit").args(["--pid", &pid.to_string()]).args(arguments).output()?;
        ensure!(ran.status.success(), "prlimit: {}", String::from_utf8_lossy(&ran.stderr));
        Ok(String::from_utf8_lossy(&ran.stdout).trim().to_owned())
    };
    let before = prlimit(&["--nofile", "--noheadings", "--raw", "--output", "SOFT"])?;
    prlimit(&[&format!("--nofile={limit}:")])?;
    Ok(before)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_file_descriptors_it_serves_whom_it_knows_and_others_when_there_are_some() -> Result<()> {
    let mut system = System::start(Mode::AllInOne).await?;
    let mut ground = Ground::new(&system).await?;
    ground.begin(4, seed());
    goes_on(&ground, 50).await?;
    let pid = system.process(Part::Leadline)?.pid();
    // Fewer than it has: there are no more.
    let before = limit_descriptors(pid, "16")?;
    let address = system.base().trim_start_matches("http://").to_owned();
    let mut strangers = Vec::new();
    for _ in 0..100 {
        strangers.push(TcpStream::connect(&address).await?);
    }
    let newcomer = Client::stranger(system.base());
    let asked = tokio::time::timeout(Duration::from_secs(2), newcomer.get("//readyz")).await;
    ensure!(asked.is_err(), "a connection was accepted without a descriptor: {asked:?}");
    goes_on(&ground, 100).await?;
    let said = system.output().lines().filter(|line| line.contains("can't accept a connection")).count();
    ensure!((1..200).contains(&said), "it says {said} times that it can't accept a connection");

    limit_descriptors(pid, &before)?;
    drop(strangers);
    wait_until(AWAITED, "newcomers are answered", async || {
        newcomer.get("//readyz").await.is_ok_and(|answer| answer.status == 200)
    })
    .await?;
    goes_on(&ground, 50).await?;
    ensure!(ground.traffic().is_some_and(|traffic| traffic.failed() == 0), "writes were answered with a 5xx");
    ground.rest().await?;
    ground.was_busy(200)?;
    ground.check(&system).await?;
    let data = system.folder().join("data");
    ends_sound(system, &data).await
}

/// Copies what a crash of the machine would leave: the files and their logs, without what is only in memory.
fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let path = entry?.path();
        if !path.to_string_lossy().ends_with("-shm") {
            std::fs::copy(&path, to.join(path.file_name().unwrap_or_default()))?;
        }
    }
    Ok(())
}

/// The size of a frame of a log: its header and a page.
const FRAME: usize = 24 + 4096;
/// The size of a log's own header.
const HEADER: usize = 32;

/// How many frames of a log count: those behind them are of a log before, in whose place this one was begun.
fn frames(log: &[u8]) -> usize {
    let salts = log.get(16..24);
    let is_of_this = |frame: &&[u8]| frame.get(8..16) == salts;
    log.get(HEADER..).unwrap_or_default().chunks_exact(FRAME).take_while(is_of_this).count()
}

/// Lets each log end within a frame that came after the last one.
fn begin_another_frame(data: &Path, draw: &mut StdRng) -> Result<()> {
    let mut logs = 0;
    for entry in std::fs::read_dir(data)? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(".db-wal") {
            let mut log = std::fs::read(&path)?;
            let frames = frames(&log);
            log.truncate(HEADER + frames * FRAME);
            if let Some(last) = frames.checked_sub(1) {
                let last = HEADER + last * FRAME;
                log.extend_from_within(last..last + draw.random_range(1..FRAME));
            }
            std::fs::write(&path, log)?;
            logs += usize::from(frames > 0);
        }
    }
    ensure!(logs > 0, "no log has a frame");
    Ok(())
}

/// Cuts a log off in the middle of a frame.
fn cut(path: &Path, draw: &mut StdRng) -> Result<()> {
    let mut log = std::fs::read(path)?;
    let frames = frames(&log);
    ensure!(frames > 0, "{} has no frame", path.display());
    log.truncate(HEADER + draw.random_range(0..frames) * FRAME + draw.random_range(1..FRAME));
    std::fs::write(path, log)?;
    Ok(())
}

/// Starts a program on a copy.
async fn start_on(copied: &Path) -> Result<System> {
    let mut system = System::prepare(Mode::AllInOne, None, &[])?;
    copy(copied, &system.folder().join("data"))?;
    system.launch(Part::Leadline)?;
    system.ready().await?;
    Ok(system)
}

/// The writes of a journal as a copy should have them that was made between two looks at it: all that was acknowledged before,
/// nothing that was begun after, and anything between.
fn as_copied(settled: &[Write], mut writes: Vec<Write>, begun: usize) -> Vec<Write> {
    writes.truncate(begun);
    for (at, write) in writes.iter_mut().enumerate() {
        match settled.get(at).map(|write| &write.outcome) {
            Some(Outcome::Ok { .. } | Outcome::Refused(_)) => {}
            Some(Outcome::Unknown) | None => write.outcome = Outcome::Unknown,
        }
    }
    writes
}

/// The log of the leads in a file: rows and ids, in the order of their commits.
fn log_of(data: &Path) -> Result<Vec<(i64, Vec<u8>)>> {
    let file = Connection::open_with_flags(data.join("leads.db"), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let mut rows = file.prepare("SELECT row, id FROM activity ORDER BY row")?;
    let rows = rows.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_ends_within_a_frame_holds_all_that_was_acknowledged_and_one_that_is_cut_a_part_from_the_start()
-> Result<()> {
    let seed = seed();
    let mut draw = StdRng::seed_from_u64(seed);
    let folder = Folder::new()?;
    let mut system = System::start(Mode::AllInOne).await?;
    let mut ground = Ground::new(&system).await?;
    ground.begin(6, seed);
    for nth in 0..number("LEADLINE_TEST_COPIES", 2) {
        goes_on(&ground, draw.random_range(100..400)).await?;
        let whole = folder.join(&format!("whole-{nth}"));
        // All files as they are at one moment, which is none that the program chose.
        let settled = ground.journal.writes();
        system.process(Part::Leadline)?.pause()?;
        copy(&system.folder().join("data"), &whole)?;
        let begun = ground.journal.writes().len();
        system.process(Part::Leadline)?.resume()?;

        let torn = folder.join(&format!("torn-{nth}"));
        copy(&whole, &torn)?;
        begin_another_frame(&torn, &mut draw)?;
        let started = start_on(&torn).await?;
        let writes = as_copied(&settled, ground.journal.writes(), begun);
        let person = Client::login(started.base(), &ground.person.email).await?;
        recount::check_writes(&person, &writes, SETTLE).await?;
        let data = started.folder().join("data");
        ends_sound(started, &data).await?;

        // A disk that keeps its promises does not lose what was synced. One that does costs what came last, and no more.
        let cut_off = folder.join(&format!("cut-{nth}"));
        copy(&whole, &cut_off)?;
        cut(&cut_off.join("leads.db-wal"), &mut draw)?;
        let mut started = start_on(&cut_off).await?;
        let person = Client::login(started.base(), &ground.person.email).await?;
        let leads = person.all("/leads").await?;
        for lead in leads.iter().take(20) {
            person.get(&format!("/leads/{}", text(lead, "id"))).await?.expect(200)?;
        }
        ensure!(started.terminate(Part::Leadline).await? == 0);
        let data = started.folder().join("data");
        files::check_sound(&data)?;
        let (all, kept) = (log_of(&whole)?, log_of(&data)?);
        ensure!(all.starts_with(&kept), "{} entries are not the first of {}", kept.len(), all.len());
        println!("{} of {} entries are left", kept.len(), all.len());
    }
    ground.rest().await?;
    ground.was_busy(200)?;
    ground.check(&system).await
}
