//! Five programs, or one, on a MongoDB and a RabbitMQ, each of which is killed or stopped: the others go on, and afterwards
//! everything is there once.
//!
//! `LEADLINE_TEST_KILLS` says how often services are killed (a quarter of it, in each mode; 45), `LEADLINE_TEST_STOPPED` for how
//! many seconds a relay is stopped (4), `LEADLINE_TEST_BROKER_DOWN` for how many the broker is down (as long as a hundred
//! writes take), `LEADLINE_TEST_SEED` which draws.

#![allow(clippy::print_stdout, reason = "a seed is shown with the failure that it leads to")]

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use leadline_testbed::{Mongo, Process, Proxy, Rabbit, eventually, fresh_prefix, wait_until};
use leadline_tests::{
    Answer, Client, Mode, Part, System,
    ground::{Ground, SETTLE, number, seed},
    journal::{Asked, Journal},
    system::Servers,
    traffic::Traffic,
    watcher::Watcher,
};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::json;
use tokio::{sync::Semaphore, time::sleep};

/// What a call may take until it is cut off with 503, and what a busy machine adds.
const CUT_OFF: Duration = Duration::from_secs(13);

/// So many at once that have servers of their own.
static TURN: Semaphore = Semaphore::const_new(3);

/// Servers that a test is done with, for the next: they start slowly. Those of a test that failed are not used again.
static IDLE: Mutex<Vec<(Mongo, Rabbit)>> = Mutex::new(Vec::new());

async fn own_servers() -> Result<(Mongo, Rabbit)> {
    let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
    match idle {
        Some(servers) => Ok(servers),
        None => tokio::try_join!(Mongo::start_private(), Rabbit::start_private()),
    }
}

struct Stage {
    // Programs end before their servers.
    system: System,
    mongo: Mongo,
    rabbit: Rabbit,
    /// What the names of its queues begin with.
    prefix: String,
}

impl Stage {
    async fn set() -> Result<Self> {
        Self::set_in(Mode::Distributed).await
    }

    async fn set_in(mode: Mode) -> Result<Self> {
        let (mongo, rabbit) = own_servers().await?;
        let prefix = fresh_prefix();
        let amqp = format!("{}?prefix={prefix}", rabbit.uri());
        let servers = Servers { mongodb: mongo.fresh_uri(), amqp };
        let system = System::start_on(mode, Some(servers), &[]).await?;
        Ok(Self { system, mongo, rabbit, prefix })
    }

    /// Ends its programs, and leaves its servers to the next.
    fn leave(self) {
        drop(self.system);
        IDLE.lock().unwrap_or_else(PoisonError::into_inner).push((self.mongo, self.rabbit));
    }

    /// How many messages each of its queues has, those included that are with a consumer.
    async fn queues(&self) -> Result<BTreeMap<String, u64>> {
        let said = self.rabbit.ctl(&["list_queues", "name", "messages"]).await?;
        let own = |line: &str| {
            let (name, messages) = line.strip_prefix(&self.prefix)?.strip_prefix('.')?.split_once('\t')?;
            Some((name.to_owned(), messages.trim().parse().ok()?))
        };
        Ok(said.lines().filter_map(own).collect())
    }

    /// As [`Ground::check`]; and nothing that was handed to a consumer is left unsettled.
    async fn check(&self, ground: &Ground) -> Result<()> {
        let checked = async {
            ground.check(&self.system).await?;
            eventually(SETTLE, "every queue is empty", async || {
                let queues = self.queues().await?;
                let empty = queues.values().all(|messages| *messages == 0);
                ensure!(empty && queues.contains_key("analytics"), "{queues:?}");
                Ok(())
            })
            .await
        };
        if let Err(error) = checked.await {
            let told = ["name", "messages_ready", "messages_unacknowledged", "consumers", "state"];
            return Err(error.context(self.rabbit.ctl(&[&["list_queues"][..], &told].concat()).await?));
        }
        Ok(())
    }
}

/// Lets clients write for a while that a fault may fall into.
async fn work_for(time: Duration) {
    sleep(time).await;
}

async fn timed(asked: impl Future<Output = Result<Answer>>) -> Result<(Answer, Duration)> {
    let began = Instant::now();
    Ok((asked.await?, began.elapsed()))
}

fn is_cut_off(answer: &Answer, took: Duration) -> Result<()> {
    ensure!(answer.status == 503, "{}: {} {}", answer.asked, answer.status, answer.body);
    ensure!(!answer.header("retry-after").is_empty(), "{}: no Retry-After", answer.asked);
    ensure!(took < CUT_OFF, "{}: it took {took:?}", answer.asked);
    Ok(())
}

/// A write that can't be carried out is cut off in time. Whether it was, all the same, nobody knows: the journal has it so.
async fn a_write_is_cut_off(person: &Client, journal: &Journal) -> Result<()> {
    let (_, mark) = journal.note(Asked::Create { status: "New", note: false });
    let (answer, took) = timed(person.post("/leads", &json!({ "name": mark }))).await?;
    is_cut_off(&answer, took)
}

async fn down_part(system: &System) -> Result<Vec<String>> {
    let answer = Client::stranger(system.base()).get("//readyz").await?;
    let parts = answer.body["parts"].as_array().cloned().unwrap_or_default();
    let down = parts.iter().filter(|part| part["status"] != "ok").filter_map(|part| part["name"].as_str());
    Ok(down.map(str::to_owned).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn any_service_may_be_killed_and_started_again_under_load() -> Result<()> {
    killed_again_and_again(Mode::Distributed).await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_program_on_servers_may_be_killed_and_started_again_under_load() -> Result<()> {
    killed_again_and_again(Mode::OnServers).await
}

async fn killed_again_and_again(mode: Mode) -> Result<()> {
    let _turn = TURN.acquire().await?;
    let (seed, kills) = (seed(), number("LEADLINE_TEST_KILLS", 45) / 4);
    let mut draw = StdRng::seed_from_u64(seed);
    let mut stage = Stage::set_in(mode).await?;
    let parts = stage.system.parts();
    let began = Instant::now();
    let mut ground = Ground::new(&stage.system).await?;
    let watcher = Watcher::start(&ground.person).await?;
    ground.begin(6, seed);
    for kill in 0..kills {
        work_for(Duration::from_millis(draw.random_range(100..1_500))).await;
        // Each at least once, then at random.
        let drawn = parts.choose(&mut draw).copied();
        let part = parts.get(usize::try_from(kill)?).copied().or(drawn).unwrap_or(Part::Leads);
        stage.system.kill(part).await?;
        work_for(Duration::from_millis(draw.random_range(0..700))).await;
        stage.system.launch(part)?;
        if draw.random_bool(0.6) {
            stage.system.ready().await?;
        }
    }
    stage.system.ready().await?;
    ground.rest().await?;
    let took = began.elapsed();
    ground.was_busy(usize::try_from(kills)? * 3)?;
    stage.check(&ground).await?;
    let person = Client::login(stage.system.base(), &ground.person.email).await?;
    let told = watcher.check(&person, SETTLE).await?;
    println!("{kills} kills in {took:?}, {told} live events");
    for part in parts {
        let code = stage.system.terminate(part).await?;
        ensure!(code == 0, "{} ended with {code}", part.program());
    }
    stage.leave();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_go_on_while_the_broker_is_dead_and_figures_settle_when_it_is_back() -> Result<()> {
    let _turn = TURN.acquire().await?;
    let mut stage = Stage::set().await?;
    let mut ground = Ground::new(&stage.system).await?;
    ground.begin(5, seed());
    for _ in 0..2 {
        work_for(Duration::from_secs(1)).await;
        stage.rabbit.kill().await?;
        let before = ground.journal.tally().ok;
        wait_until(Duration::from_secs(20), "a hundred writes without a broker", async || {
            ground.journal.tally().ok > before + 100
        })
        .await?;
        work_for(Duration::from_secs(number("LEADLINE_TEST_BROKER_DOWN", 0))).await;
        let down = down_part(&stage.system).await?;
        ensure!(down.contains(&"bus".to_owned()), "readyz says that only {down:?} is down");
        stage.rabbit.start_again().await?;
    }
    let failed = ground.traffic().map_or(0, |traffic| traffic.failed());
    ensure!(failed == 0, "{failed} writes were answered with a 5xx");
    ground.rest().await?;
    stage.system.ready().await?;
    stage.check(&ground).await?;
    stage.leave();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_queue_of_one_consumer_is_put_back_and_figures_equal_a_recount() -> Result<()> {
    let _turn = TURN.acquire().await?;
    let mut stage = Stage::set().await?;
    let mut ground = Ground::new(&stage.system).await?;
    for _ in 0..2 {
        // What is in a queue goes with it: nothing may be. And nobody but who publishes can put it back in time.
        eventually(SETTLE, "the queue is empty", async || {
            let queues = stage.queues().await?;
            ensure!(queues.get("analytics") == Some(&0), "{queues:?}");
            Ok(())
        })
        .await?;
        stage.system.process(Part::Analytics)?.pause()?;
        stage.rabbit.ctl(&["delete_queue", &format!("{}.analytics", stage.prefix)]).await?;
        ground.begin(4, seed());
        let before = ground.journal.tally().ok;
        wait_until(Duration::from_secs(20), "a hundred writes without the queue", async || {
            ground.journal.tally().ok > before + 100
        })
        .await?;
        stage.system.process(Part::Analytics)?.resume()?;
        ground.rest().await?;
        stage.system.ready().await?;
        stage.check(&ground).await?;
    }
    stage.leave();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_is_stopped_under_load_and_continued_loses_nothing() -> Result<()> {
    let stopped = Duration::from_secs(number("LEADLINE_TEST_STOPPED", 4));
    let mut system = System::start(Mode::Distributed).await?;
    let mut ground = Ground::new(&system).await?;
    ground.begin(5, seed());
    for part in [Part::Leads, Part::Reminders] {
        writes_go_on(&ground).await?;
        system.process(part)?.pause()?;
        work_for(stopped).await;
        system.process(part)?.resume()?;
        system.ready().await?;
        writes_go_on(&ground).await?;
    }
    let slowest = ground.traffic().map_or(Duration::ZERO, |traffic| traffic.slowest());
    ensure!(slowest < CUT_OFF, "a client waited {slowest:?} for an answer");
    ground.rest().await?;
    ground.was_busy(200)?;
    ground.check(&system).await
}

/// A broker counts how often it has handed out a message, and puts it aside when that is too often: a consumer that dies with
/// healthy ones in its hands is no reason.
#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_dies_thirty_times_with_messages_in_its_hands_puts_none_aside() -> Result<()> {
    let mut system = System::start(Mode::Distributed).await?;
    let mut ground = Ground::new(&system).await?;
    ground.begin(2, seed());
    system.plan(Part::Analytics, "handled/analytics=abort");
    system.kill(Part::Analytics).await?;
    for _ in 0..30 {
        system.launch(Part::Analytics)?;
        let code = system.ended(Part::Analytics, Duration::from_secs(60)).await?;
        ensure!(code == 134, "it ended with {code}");
    }
    system.plan(Part::Analytics, "");
    system.launch(Part::Analytics)?;
    ground.rest().await?;
    system.ready().await?;
    ground.was_busy(200)?;
    ground.check(&system).await
}

/// Awaits that fifty more writes are acknowledged.
async fn writes_go_on(ground: &Ground) -> Result<()> {
    let before = ground.journal.tally().ok;
    wait_until(Duration::from_secs(30), "writes are acknowledged again", async || {
        ground.journal.tally().ok > before + 50
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_database_costs_503_and_nothing_that_was_acknowledged() -> Result<()> {
    let _turn = TURN.acquire().await?;
    let mut stage = Stage::set().await?;
    let mut ground = Ground::new(&stage.system).await?;
    ground.begin(5, seed());
    for _ in 0..2 {
        work_for(Duration::from_millis(1_500)).await;
        stage.mongo.kill().await?;
        a_write_is_cut_off(&ground.person, &ground.journal).await?;
        stage.mongo.start_again().await?;
        stage.system.ready().await?;
        writes_go_on(&ground).await?;
    }
    let slowest = ground.traffic().map_or(Duration::ZERO, |traffic| traffic.slowest());
    ensure!(slowest < CUT_OFF, "a client waited {slowest:?} for an answer");
    ground.rest().await?;
    stage.check(&ground).await?;
    stage.leave();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_service_hangs_the_others_answer_and_its_routes_are_cut_off() -> Result<()> {
    let _turn = TURN.acquire().await?;
    let mut stage = Stage::set().await?;
    let person = stage.system.register("Somebody").await?;
    let lead = person.lead("Ada").await?;
    let lead = format!("/leads/{}", lead["id"].as_str().unwrap_or_default());
    let all: [(Part, &str, &str); 4] = [
        (Part::Analytics, "analytics", "/analytics/summary"),
        (Part::Reminders, "reminders", "/reminders?view=all"),
        (Part::Leads, "leads", &lead),
        (Part::Auth, "auth", "/workspace/members"),
    ];
    for (part, name, path) in all {
        stage.system.process(part)?.pause()?;
        // The others first: they need no deadline.
        for (other, _, path) in all.into_iter().filter(|(other, ..)| *other != part) {
            // The names of people come from auth: known ones are shown, or none, in a moment.
            let (answer, took) = timed(person.get(path)).await?;
            ensure!(
                answer.status == 200,
                "{}, {name} hangs: {} {}",
                answer.asked,
                answer.status,
                answer.body
            );
            let most = Duration::from_secs(3);
            ensure!(took < most, "{other:?} took {took:?} while {name} hangs");
        }
        let (answer, took) = timed(person.get(path)).await?;
        is_cut_off(&answer, took)?;
        let down = down_part(&stage.system).await?;
        ensure!(down == [name], "{name} hangs, readyz says {down:?}");
        stage.system.process(part)?.resume()?;
        stage.system.ready().await?;
        eventually(Duration::from_secs(10), "it answers again", async || person.get(path).await?.expect(200))
            .await?;
    }
    stage.leave();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_network_between_gateway_and_services_costs_503_and_nothing_that_was_acknowledged() -> Result<()>
{
    let _turn = TURN.acquire().await?;
    let seed = seed();
    let mut draw = StdRng::seed_from_u64(seed);
    let stage = Stage::set().await?;
    let address = |name: &str| -> Result<std::net::SocketAddr> {
        let address = stage.system.setting(Part::Gateway, name).unwrap_or_default();
        Ok(address.trim_start_matches("http://").parse()?)
    };
    let mut leads = Proxy::start(address("LEADLINE_LEADS")?).await?;
    let mut reminders = Proxy::start(address("LEADLINE_REMINDERS")?).await?;
    let (to_leads, to_reminders) =
        (format!("http://{}", leads.addr()), format!("http://{}", reminders.addr()));
    let routes = [("LEADLINE_LEADS", to_leads.as_str()), ("LEADLINE_REMINDERS", &to_reminders)];
    let (gateway, mut process) = stage.system.replica(Part::Gateway, &routes)?;
    ready(&gateway, &mut process).await?;

    let ground = Ground::new(&stage.system).await?;
    let through = Client::login(&gateway, &ground.person.email).await?;
    let traffic = Traffic::start(&through, &ground.journal, 6, seed);
    for _ in 0..6 {
        for proxy in [&mut leads, &mut reminders] {
            work_for(Duration::from_millis(draw.random_range(100..500))).await;
            proxy.reset();
            work_for(Duration::from_millis(draw.random_range(100..500))).await;
            proxy.delay(Duration::from_millis(150));
            work_for(Duration::from_millis(draw.random_range(300..800))).await;
            proxy.pass();
        }
    }
    leads.refuse().await;
    work_for(Duration::from_secs(1)).await;
    a_write_is_cut_off(&through, &ground.journal).await?;
    leads.accept_again().await?;
    // Nobody is told that nothing arrives any more.
    leads.stall();
    a_write_is_cut_off(&through, &ground.journal).await?;
    leads.reset();
    leads.pass();
    writes_go_on(&ground).await?;
    ensure!(traffic.slowest() < CUT_OFF, "a client waited {:?} for an answer", traffic.slowest());
    traffic.stop().await?;
    stage.check(&ground).await?;
    stage.leave();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_share_the_work_and_tell_of_a_due_reminder_once() -> Result<()> {
    let _turn = TURN.acquire().await?;
    let (seed, stage) = (seed(), Stage::set().await?);
    let system = &stage.system;
    let (auth, _auth) = system.replica(Part::Auth, &[])?;
    let (leads, _leads) = system.replica(Part::Leads, &[("LEADLINE_AUTH", &auth)])?;
    let routes = [("LEADLINE_AUTH", auth.as_str()), ("LEADLINE_LEADS", &leads)];
    let (reminders, _reminders) = system.replica(Part::Reminders, &routes)?;
    let (analytics, _analytics) = system.replica(Part::Analytics, &routes)?;
    let routes =
        [&routes[..], &[("LEADLINE_REMINDERS", &reminders), ("LEADLINE_ANALYTICS", &analytics)]].concat();
    let (gateway, mut second) = system.replica(Part::Gateway, &routes)?;
    ready(&gateway, &mut second).await?;

    let mut ground = Ground::new(system).await?;
    let here = Watcher::start(&ground.person).await?;
    // The same person and the same leads, through the other gateway and the other services.
    let elsewhere = Client::login(&gateway, &ground.person.email).await?;
    let there = Watcher::start(&elsewhere).await?;
    ground.begin(3, seed);
    let traffic = Traffic::start(&elsewhere, &ground.journal, 3, seed.wrapping_add(1));
    work_for(Duration::from_secs(6)).await;
    ground.rest().await?;
    traffic.stop().await?;
    ground.check(system).await?;
    // Those that were just made fall due while nobody writes any more.
    work_for(Duration::from_secs(4)).await;
    let told = here.check(&ground.person, SETTLE).await?;
    let told_there = there.check(&elsewhere, SETTLE).await?;
    println!("{told} and {told_there} live events");
    stage.leave();
    Ok(())
}

async fn ready(base: &str, process: &mut Process) -> Result<()> {
    let nobody = Client::stranger(base);
    wait_until(Duration::from_secs(60), "the second gateway is ready", async || {
        nobody.get("//readyz").await.is_ok_and(|answer| answer.status == 200) || process.exit_code().is_some()
    })
    .await?;
    ensure!(process.exit_code().is_none(), "it ended:\n{}", process.output());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_and_servers_start_in_any_order() -> Result<()> {
    let _turn = TURN.acquire().await?;
    let (mut mongo, mut rabbit) = own_servers().await?;
    let amqp = format!("{}?prefix={}", rabbit.uri(), fresh_prefix());
    let servers = Servers { mongodb: mongo.fresh_uri(), amqp };
    mongo.kill().await?;
    rabbit.kill().await?;
    let mut system = System::prepare(Mode::Distributed, Some(servers), &[])?;
    // From the one that needs most to the one that needs least; the servers come last.
    for part in [Part::Gateway, Part::Analytics, Part::Reminders, Part::Leads, Part::Auth] {
        system.launch(part)?;
        sleep(Duration::from_millis(300)).await;
    }
    rabbit.start_again().await?;
    // They wait, and say for what.
    let says = |system: &System| system.output().to_lowercase().contains("mongodb");
    wait_until(Duration::from_secs(20), "a program says that it waits for MongoDB", async || says(&system))
        .await?;
    for part in Part::DISTRIBUTED {
        let code = system.process(part)?.exit_code();
        ensure!(code.is_none(), "{} ended with {code:?}:\n{}", part.program(), system.output());
    }
    mongo.start_again().await?;
    system.ready().await?;
    let person = system.register("Somebody").await?;
    let lead = person.lead("Ada").await?;
    eventually(SETTLE, "the lead is counted", async || {
        let summary = person.get("/analytics/summary").await?.expect(200)?.body;
        ensure!(summary["totalLeads"] == 1, "{summary}");
        Ok(())
    })
    .await?;
    ensure!(lead["version"] == 1, "{lead}");
    Ok(())
}
