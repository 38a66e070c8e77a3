//! Everything that was ever published comes again, twice and shuffled, with garbage between: the programs' own consumers count
//! it once, put the garbage aside, and go on.

#![allow(clippy::print_stdout, reason = "a seed is shown with the failure that it leads to")]

use std::time::Duration;

use anyhow::{Result, ensure};
use leadline_bus::{matches, topology};
use leadline_proto::{
    events::{Event, LeadEvent, event::Body},
    leads::Activity,
};
use leadline_testbed::{
    messages::{self, Posted, Tap},
    wait_until,
};
use leadline_tests::{
    Mode, Part, System,
    ground::{Ground, seed},
    outboxes,
};
use prost::Message;
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};

async fn goes_on(ground: &Ground, more: usize) -> Result<()> {
    let before = ground.journal.tally().ok;
    wait_until(Duration::from_secs(60), "writes are acknowledged", async || {
        ground.journal.tally().ok >= before + more
    })
    .await
}

/// What the queues get when an event is published again.
fn copies(prefix: &str, posted: &Posted) -> Vec<(String, Vec<u8>)> {
    let asking = topology::ALL.iter().filter(|one| one.keys.iter().any(|key| matches(key, &posted.key)));
    asking.map(|one| (format!("{prefix}.{}", one.name), posted.bytes.clone())).collect()
}

/// An event of a lead that says nothing about it, as a faulty program might publish.
fn without_snapshot(posted: &Posted) -> Option<Vec<u8>> {
    let mut event = Event::decode(posted.bytes.as_slice()).ok()?;
    let Some(Body::Lead(_)) = event.body else { return None };
    event.id = uuid::Uuid::now_v7().to_string();
    event.body = Some(Body::Lead(LeadEvent { activity: Some(Activity::default()), snapshot: None }));
    Some(event.encode_to_vec())
}

async fn replayed(mode: Mode) -> Result<()> {
    let seed = seed();
    let mut draw = StdRng::seed_from_u64(seed);
    let mut system = System::start(mode).await?;
    let (uri, prefix) = outboxes::broker(&system)?;
    let tap = Tap::begin(&uri, &format!("{prefix}.live")).await?;
    let mut ground = Ground::new(&system).await?;
    ground.begin(4, seed);
    goes_on(&ground, 300).await?;
    ground.rest().await?;
    ground.check(&system).await?;
    let posted = tap.end().await?;
    let mut again: Vec<(String, Vec<u8>)> = posted.iter().flat_map(|one| copies(&prefix, one)).collect();
    ensure!(again.len() > 600, "only {} copies of {} messages", again.len(), posted.len());
    again.extend_from_within(..);
    // To every consumer what nobody can read, and to those who hear of leads what tells nothing of one.
    let mut planted: Vec<(String, Vec<u8>)> =
        topology::ALL.iter().map(|one| (format!("{prefix}.{}", one.name), vec![0xff; 40])).collect();
    let hollow = posted.iter().find_map(without_snapshot);
    for one in [topology::ANALYTICS, topology::REMINDERS] {
        planted.extend(hollow.iter().map(|bytes| (format!("{prefix}.{}", one.name), bytes.clone())));
    }
    ensure!(planted.len() == topology::ALL.len() + 2, "no event of a lead was published");
    let dead = u32::try_from(planted.len())?;
    println!("{} copies again, and {dead} that nobody can handle", again.len());
    again.append(&mut planted);
    again.shuffle(&mut draw);
    // What a consumer remembers is in its store: it may be another process that meets them again.
    let counting = outboxes::home(&system, Part::Analytics);
    system.kill(counting).await?;
    system.launch(counting)?;
    system.ready().await?;

    ground.begin(4, seed.wrapping_add(1));
    messages::post(&uri, again).await?;
    goes_on(&ground, 100).await?;
    ground.rest().await?;
    ground.was_busy(400)?;
    ground.check_with_dead(&system, dead).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_five_programs_published_comes_again_twice_and_shuffled_and_counts_once() -> Result<()> {
    replayed(Mode::Distributed).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_on_servers_published_comes_again_twice_and_shuffled_and_counts_once() -> Result<()> {
    replayed(Mode::OnServers).await
}
