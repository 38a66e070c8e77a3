//! A replica set of three under one program: its primary steps down, and is killed. Writes go on, and what was acknowledged stays.
//!
//! `LEADLINE_TEST_PRIMARIES` says how many primaries are killed (1), `LEADLINE_TEST_SEED` which draws.

use std::time::Duration;

use anyhow::{Result, ensure};
use leadline_testbed::{Mongo, wait_until};
use leadline_tests::{
    Mode, System,
    ground::{Ground, number, seed},
    system::{Servers, shared_servers},
};
use tokio::time::sleep;

/// What a call may take until it is cut off with 503, and what a busy machine adds.
const CUT_OFF: Duration = Duration::from_secs(13);

async fn goes_on(ground: &Ground) -> Result<()> {
    let before = ground.journal.tally().ok;
    wait_until(Duration::from_secs(30), "writes are acknowledged again", async || {
        ground.journal.tally().ok > before + 50
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_steps_down_or_is_killed_costs_a_moment_and_nothing_that_was_acknowledged()
-> Result<()> {
    let mut set = Mongo::start_replica_set(3).await?;
    let servers = Servers { mongodb: set.fresh_uri(), ..shared_servers().await? };
    let mut system = System::start_on(Mode::OnServers, Some(servers), &[]).await?;
    let mut ground = Ground::new(&system).await?;
    ground.begin(5, seed());
    goes_on(&ground).await?;
    for _ in 0..2 {
        set.step_down().await?;
        goes_on(&ground).await?;
    }
    for _ in 0..number("LEADLINE_TEST_PRIMARIES", 1) {
        let (dead, next) = set.kill_primary().await?;
        ensure!(dead != next, "the dead one is primary");
        goes_on(&ground).await?;
        // It comes back, and gives up what the others never had.
        set.member(dead)?.start_again().await?;
        goes_on(&ground).await?;
        // The others need it: of three, two are to have a write.
        sleep(Duration::from_secs(1)).await;
    }
    let slowest = ground.traffic().map_or(Duration::ZERO, |traffic| traffic.slowest());
    ensure!(slowest < CUT_OFF, "a client waited {slowest:?} for an answer");
    ground.rest().await?;
    system.ready().await?;
    ground.was_busy(200)?;
    ground.check(&system).await
}
