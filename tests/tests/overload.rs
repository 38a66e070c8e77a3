//! More than it can carry: it turns away what it can't begin soon, says when to come again, goes on with the rest, and a busy
//! workspace takes nothing from the others.
//!
//! `LEADLINE_TEST_DEFAULTS=yes` tries the limits that it is shipped with, to see figures, in place of small ones that a small
//! load exceeds anywhere.

#![allow(clippy::print_stdout, reason = "figures are shown to who asks for them")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use futures::future::{join_all, try_join_all};
use leadline_testbed::wait_until;
use leadline_tests::{Client, Mode, Part, System, ground::number};
use serde_json::json;
use tokio::{sync::Semaphore, task::JoinSet, time::sleep};

/// Two at once: what they measure is not to be each other.
static TURN: Semaphore = Semaphore::const_new(2);

/// How long clients ask for too much.
const BUSY: Duration = Duration::from_secs(4);
/// The time within which it is as before.
const BACK: Duration = Duration::from_secs(5);
/// What may be waited for a turn: the gateway's `PATIENCE`.
const LONGEST_WAIT: Duration = Duration::from_millis(500);
/// What `deploy/compose.yaml` gives a program, in MiB.
const MOST_MEMORY: u64 = 512;

/// Whether the limits are those that it is shipped with; they take more clients to reach.
fn shipped() -> bool {
    std::env::var_os("LEADLINE_TEST_DEFAULTS").is_some()
}

/// How many clients of each person are too many for the limits that it is shipped with: `LEADLINE_TEST_CLIENTS`, or this.
fn clients(each: u64) -> usize {
    usize::try_from(number("LEADLINE_TEST_CLIENTS", each)).unwrap_or(usize::MAX)
}

async fn limited() -> Result<System> {
    let small = [
        ("LEADLINE_RATE_LIMITS", "on"),
        ("LEADLINE_REQUESTS_AT_ONCE", "16"),
        ("LEADLINE_WORKSPACE_REQUESTS_AT_ONCE", "4"),
    ];
    System::start_on(Mode::AllInOne, None, if shipped() { &small[..1] } else { &small }).await
}

/// What became of requests.
#[derive(Default)]
struct Seen {
    /// How long those took that were carried out.
    carried_out: Vec<Duration>,
    too_many: usize,
    unavailable: usize,
}

impl Seen {
    fn with(mut self, other: Self) -> Self {
        self.carried_out.extend(other.carried_out);
        self.too_many += other.too_many;
        self.unavailable += other.unavailable;
        self
    }

    /// The time within which so many of a hundred were answered.
    fn within(&mut self, percent: usize) -> Duration {
        self.carried_out.sort_unstable();
        let place = (self.carried_out.len() * percent / 100).min(self.carried_out.len().saturating_sub(1));
        self.carried_out.get(place).copied().unwrap_or_default()
    }

    async fn ask(&mut self, client: &Client, number: usize) -> Result<()> {
        let began = Instant::now();
        let answer = match number % 3 {
            0 => client.get("/analytics/dashboard").await?,
            1 => client.get("/leads?q=ada").await?,
            _ => client.post("/leads", &json!({ "name": "Ada" })).await?,
        };
        match answer.status.as_u16() {
            200 | 201 => self.carried_out.push(began.elapsed()),
            status @ (429 | 503) => {
                let again: u64 = answer.header("retry-after").parse().context("no Retry-After")?;
                ensure!((1..=60).contains(&again), "{status}: again after {again} s");
                let kind = if status == 429 { "too-many-requests" } else { "unavailable" };
                ensure!(answer.body["type"] == format!("/problems/{kind}"), "{status}: {}", answer.body);
                if status == 429 { self.too_many += 1 } else { self.unavailable += 1 }
            }
            status => anyhow::bail!("{}: {status}: {}", answer.asked, answer.body),
        }
        Ok(())
    }
}

/// Clients of one person who ask again and again until they are stopped, many at once.
struct Crowd {
    stop: Arc<AtomicBool>,
    clients: JoinSet<Result<Seen>>,
}

impl Crowd {
    fn of(people: &[Client], each: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut clients = JoinSet::new();
        for (person, number) in people.iter().flat_map(|person| (0..each).map(move |number| (person, number)))
        {
            let (client, stop) = (person.clone(), stop.clone());
            clients.spawn(async move {
                let mut seen = Seen::default();
                for step in number.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    seen.ask(&client, step).await?;
                }
                Ok(seen)
            });
        }
        Self { stop, clients }
    }

    async fn stop(self) -> Result<Seen> {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.join_all().await.into_iter().try_fold(Seen::default(), |all, seen| Ok(all.with(seen?)))
    }
}

/// The most memory that it ever had, in MiB.
fn peak(system: &mut System) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", system.process(Part::Leadline)?.pid()))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no peak")?;
    Ok(peak.trim().trim_end_matches(" kB").parse::<u64>()? / 1024)
}

async fn people(system: &System, count: usize) -> Result<Vec<Client>> {
    try_join_all((0..count).map(|_| system.register("Somebody"))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_is_turned_away_and_the_rest_carried_out_in_time() -> Result<()> {
    let _turn = TURN.acquire().await?;
    let mut system = limited().await?;
    let people = people(&system, 8).await?;
    let crowd = Crowd::of(&people, if shipped() { clients(300) } else { 60 });
    sleep(BUSY).await;
    // Health is told under any load.
    let health = Client::stranger(system.base()).get("//healthz").await?;
    let mut seen = crowd.stop().await?;
    let ended = Instant::now();
    health.expect(200)?;
    wait_until(BACK, "everybody is answered again", async || {
        let answers = join_all(people.iter().map(|person| person.get("/leads?limit=1"))).await;
        answers.into_iter().all(|answer| answer.is_ok_and(|answer| answer.status == 200))
    })
    .await?;
    let (back, middle, slow) = (ended.elapsed(), seen.within(50), seen.within(99));
    println!(
        "{} carried out in {BUSY:?}, 50 % within {middle:?}, 99 % within {slow:?}; {} x 429, {} x 503; {} MiB; back after {back:?}",
        seen.carried_out.len(),
        seen.too_many,
        seen.unavailable,
        peak(&mut system)?
    );
    ensure!(seen.carried_out.len() > 30, "only {} were carried out", seen.carried_out.len());
    ensure!(seen.too_many + seen.unavailable > 0, "nothing was turned away");
    // Measured quietly it is well under a second: the bound is for machines that do other things, too. Without limits, a
    // request would wait for all those before it. `twice_of_what_…` measures what it means.
    ensure!(slow < Duration::from_secs(5), "99 % within {slow:?}");
    let peak = peak(&mut system)?;
    ensure!(peak < MOST_MEMORY, "{peak} MiB");
    // What was acknowledged is there.
    for person in &people {
        person.lead("Bo").await?;
    }
    Ok(())
}

/// Requests at fixed times, so many a second, whether or not those before are answered: as many people do, and unlike clients
/// who wait for their answers.
async fn at_a_rate(people: &[Client], a_second: f64, how_long: Duration) -> Result<Seen> {
    let began = Instant::now();
    let mut requests = JoinSet::new();
    for (number, person) in people.iter().cycle().enumerate() {
        #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
        let at = Duration::from_secs_f64(number as f64 / a_second);
        if at > how_long {
            break;
        }
        tokio::time::sleep_until((began + at).into()).await;
        let person = person.clone();
        requests.spawn(async move {
            let mut seen = Seen::default();
            seen.ask(&person, number).await?;
            Ok(seen)
        });
    }
    requests
        .join_all()
        .await
        .into_iter()
        .try_fold(Seen::default(), |all, seen: Result<Seen>| Ok(all.with(seen?)))
}

#[tokio::test(flavor = "multi_thread")]
async fn twice_of_what_it_can_carry_is_carried_out_in_time_or_turned_away() -> Result<()> {
    let _turn = TURN.acquire().await?;
    let mut system = limited().await?;
    let people = people(&system, 8).await?;
    // What it can carry: as many clients as have a turn at once, each asking when it is answered.
    let began = Instant::now();
    let crowd = Crowd::of(&people, if shipped() { 8 } else { 2 });
    sleep(BUSY).await;
    let mut carried = crowd.stop().await?;
    #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
    let capacity = carried.carried_out.len() as f64 / began.elapsed().as_secs_f64();
    let calm = carried.within(99);
    let flood = at_a_rate(&people, capacity * 2.0, BUSY);
    let health = async {
        sleep(BUSY / 2).await;
        Client::stranger(system.base()).get("//healthz").await?.expect(200)
    };
    let (flood, health) = tokio::join!(flood, health);
    health?;
    let ended = Instant::now();
    let mut seen = flood?;
    wait_until(BACK, "everybody is answered again, as fast as before", async || {
        let began = Instant::now();
        let answers = join_all(people.iter().map(|person| person.get("/leads?limit=1"))).await;
        answers.into_iter().all(|answer| answer.is_ok_and(|answer| answer.status == 200))
            && began.elapsed() < calm * 4
    })
    .await?;
    let (back, middle, slow) = (ended.elapsed(), seen.within(50), seen.within(99));
    let peak = peak(&mut system)?;
    println!(
        "it carries {capacity:.0} a second, 99 % within {calm:?}; of twice as many {} carried out, 50 % within {middle:?}, \
         99 % within {slow:?}; {} x 429, {} x 503; {peak} MiB; back after {back:?}",
        seen.carried_out.len(),
        seen.too_many,
        seen.unavailable,
    );
    ensure!(seen.too_many + seen.unavailable > 0, "nothing was turned away");
    #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
    let carried_on = seen.carried_out.len() as f64 / BUSY.as_secs_f64();
    ensure!(carried_on > capacity / 4.0, "{carried_on:.0} a second of {capacity:.0} were carried out");
    // Half a second may be waited for a turn, and then it is carried out beside as many others as before. The programs that ship
    // are measured by the clock; a debug build, by what it did a moment ago: there the flood itself takes most of the machine.
    let longest = if cfg!(debug_assertions) {
        (LONGEST_WAIT + calm * 16).min(Duration::from_secs(5))
    } else {
        Duration::from_secs(1)
    };
    ensure!(slow < longest, "99 % within {slow:?}, and not {longest:?}; before within {calm:?}");
    ensure!(peak < MOST_MEMORY, "{peak} MiB");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn busy_workspaces_take_nothing_from_another() -> Result<()> {
    let _turn = TURN.acquire().await?;
    let system = limited().await?;
    let (busy, quiet) = (people(&system, 3).await?, system.register("Quiet").await?);
    let crowd = Crowd::of(&busy, if shipped() { clients(250) } else { 80 });
    let began = Instant::now();
    let mut own = Seen::default();
    for number in 0.. {
        if began.elapsed() > BUSY && number >= 20 {
            break;
        }
        own.ask(&quiet, number).await?;
    }
    let theirs = crowd.stop().await?;
    println!(
        "quiet: {} carried out, 50 % within {:?}, 99 % within {:?}; busy: {} carried out, {} x 429, {} x 503",
        own.carried_out.len(),
        own.within(50),
        own.within(99),
        theirs.carried_out.len(),
        theirs.too_many,
        theirs.unavailable
    );
    ensure!(own.too_many + own.unavailable == 0, "{} x 429, {} x 503", own.too_many, own.unavailable);
    ensure!(theirs.too_many > 0 && !theirs.carried_out.is_empty(), "the busy ones were not held back");
    Ok(())
}
