//! All in one, killed at random moments under load: what was acknowledged stays, nothing else comes.
//!
//! `LEADLINE_TEST_KILLS` says how often (45), `LEADLINE_TEST_SEED` which draws; the seed of a run is printed.

#![allow(clippy::print_stdout, reason = "a seed is shown with the failure that it leads to")]

use std::{
    io::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use leadline_tests::{
    Client, Mode, Part, System, files,
    ground::{Ground, SETTLE, number, seed},
    watcher::Watcher,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::time::sleep;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_every_kill_and_nothing_else_comes() -> Result<()> {
    let (seed, kills) = (seed(), number("LEADLINE_TEST_KILLS", 45));
    let mut draw = StdRng::seed_from_u64(seed);
    let mut system = System::start(Mode::AllInOne).await?;
    let mut grounds = [Ground::new(&system).await?, Ground::new(&system).await?];
    // In the quieter one: where more happens in half a minute than can be told again, a client is told to reload.
    let watcher = Watcher::start(&grounds[1].person).await?;
    let began = Instant::now();
    for (ground, workers) in grounds.iter_mut().zip([6, 2]) {
        ground.begin(workers, seed.wrapping_add(workers));
    }
    for kill in 1..=kills {
        sleep(Duration::from_millis(draw.random_range(100..1_500))).await;
        system.kill(Part::Leadline).await?;
        if draw.random_bool(0.25) {
            tear_the_logs(&system.folder().join("data"), &mut draw)?;
        }
        system.launch(Part::Leadline)?;
        if draw.random_bool(0.3) {
            // Killed while it starts.
            sleep(Duration::from_millis(draw.random_range(0..300))).await;
            continue;
        }
        system.ready().await?;
        // A long run is looked at on the way.
        if kill % 50 == 0 && kill < kills {
            for ground in &mut grounds {
                ground.rest().await?;
                ground.check(&system).await?;
                ground.begin(4, seed.wrapping_add(kill));
            }
        }
    }
    if system.process(Part::Leadline).is_err() {
        system.launch(Part::Leadline)?;
    }
    system.ready().await?;
    for ground in &mut grounds {
        ground.rest().await?;
    }
    println!("{kills} kills in {:?}", began.elapsed());
    for ground in &grounds {
        ground.was_busy(usize::try_from(kills)? * 4)?;
    }
    for ground in &grounds {
        ground.check(&system).await?;
    }
    let person = Client::login(system.base(), &grounds[1].person.email).await?;
    let told = watcher.check(&person, SETTLE).await?;
    println!("{told} live events");
    let code = system.terminate(Part::Leadline).await?;
    ensure!(code == 0, "it ended with {code}");
    let sound = files::check(&system.folder().join("data"))?;
    println!("{sound} files are sound");
    Ok(())
}

/// As if the power had gone in the middle of appending to a write-ahead log: something follows its last frame.
fn tear_the_logs(data: &Path, draw: &mut StdRng) -> Result<()> {
    for entry in std::fs::read_dir(data)? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(".db-wal") {
            let torn: Vec<u8> = (0..draw.random_range(1..6_000)).map(|_| draw.random()).collect();
            std::fs::File::options().append(true).open(&path)?.write_all(&torn)?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_under_load_ends_in_good_order_and_loses_nothing() -> Result<()> {
    let seed = seed();
    let mut draw = StdRng::seed_from_u64(seed);
    let mut system = System::start(Mode::AllInOne).await?;
    let mut ground = Ground::new(&system).await?;
    ground.begin(6, seed);
    for _ in 0..number("LEADLINE_TEST_STOPS", 4) {
        sleep(Duration::from_millis(draw.random_range(300..1_200))).await;
        let began = Instant::now();
        let code = system.terminate(Part::Leadline).await?;
        let took = began.elapsed();
        ensure!(code == 0, "it ended with {code}");
        ensure!(took < Duration::from_secs(10), "it took {took:?}");
        files::check_sound(&system.folder().join("data"))?;
        system.launch(Part::Leadline)?;
        system.ready().await?;
    }
    ground.rest().await?;
    ground.was_busy(100)?;
    ground.check(&system).await?;
    ensure!(system.terminate(Part::Leadline).await? == 0, "the last stop");
    files::check(&system.folder().join("data"))?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_that_is_cut_off_is_made_good_by_the_next() -> Result<()> {
    let mut draw = StdRng::seed_from_u64(seed());
    for _ in 0..number("LEADLINE_TEST_FIRST_STARTS", 8) {
        let mut system = System::prepare(Mode::AllInOne, None, &[])?;
        for _ in 0..2 {
            system.launch(Part::Leadline)?;
            // The time in which it makes its folder, its key and its tables.
            sleep(Duration::from_millis(draw.random_range(0..120))).await;
            system.kill(Part::Leadline).await?;
        }
        system.launch(Part::Leadline)?;
        system.ready().await?;
        let person = system.register("Somebody").await?;
        person.lead("Ada").await?;
        let code = system.terminate(Part::Leadline).await?;
        ensure!(code == 0, "it ended with {code}");
        files::check_sound(&system.folder().join("data"))?;
    }
    Ok(())
}
