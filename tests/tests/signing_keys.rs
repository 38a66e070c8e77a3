//! Signing keys are changed as docs/OPERATING.md tells it, on two replicas of auth, while people work: nobody is signed out.

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use leadline_testbed::{Process, wait_until};
use leadline_tests::{Answer, Client, Mode, Part, System, system::shared_servers, text};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

const SOON: Duration = Duration::from_secs(45);
/// How many people work.
const PEOPLE: usize = 4;

/// Which key signed a token.
fn kid(token: &str) -> Result<String> {
    let head = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap_or_default())?;
    Ok(text(&serde_json::from_slice::<Value>(&head)?, "kid").to_owned())
}

/// A person who reads, writes and has their tokens renewed without a rest.
struct Busy {
    over: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    work: JoinHandle<Result<()>>,
}

#[derive(Default)]
struct Seen {
    /// Which key signed the token in use.
    kid: String,
    refreshes: u64,
    answers: u64,
    unauthorized: Vec<String>,
    failed: Vec<String>,
}

impl Busy {
    fn begin(mut person: Client) -> Self {
        let (over, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Seen::default())));
        let (ended, noted) = (over.clone(), seen.clone());
        let work = tokio::spawn(async move {
            while !ended.load(Ordering::Relaxed) {
                // Auth itself, a write that asks auth who is a member, and a service that has to know the keys.
                let answers = [
                    ("/auth/me", person.get("/auth/me").await?),
                    (
                        "/leads",
                        person.post("/leads", &json!({ "name": "Ada", "ownerId": person.user })).await?,
                    ),
                    ("/reminders", person.get("/reminders").await?),
                    ("/analytics/summary", person.get("/analytics/summary").await?),
                ];
                // One whose answer got lost is sent again, as a browser does it.
                let renewed = loop {
                    let renewed = person
                        .post("/auth/refresh", &json!({ "refreshToken": person.refresh_token }))
                        .await?;
                    if renewed.status != 503 || ended.load(Ordering::Relaxed) {
                        break renewed;
                    }
                };
                note(&noted, "/auth/refresh", &renewed);
                for (path, answer) in &answers {
                    note(&noted, path, answer);
                }
                if renewed.status == 200 {
                    person.signed_in(&renewed);
                    let mut seen = noted.lock().expect("no other has panicked");
                    seen.kid = kid(person.token.as_deref().unwrap_or_default())?;
                    seen.refreshes += 1;
                }
            }
            Ok(())
        });
        Self { over, seen, work }
    }

    fn kid(&self) -> String {
        self.seen.lock().expect("no other has panicked").kid.clone()
    }
}

fn note(seen: &Mutex<Seen>, path: &str, answer: &Answer) {
    let mut seen = seen.lock().expect("no other has panicked");
    seen.answers += 1;
    match answer.status.as_u16() {
        200..300 => {}
        401 => seen.unauthorized.push(format!("{path}: {}", answer.body)),
        status => seen.failed.push(format!("{path}: {status} {}", answer.body)),
    }
}

/// Two replicas of auth, both of which everybody knows, and both of which read the same file of keys.
struct Auth {
    port: String,
    second: Process,
}

impl Auth {
    /// Restarts both, one after the other.
    async fn restart(&mut self, system: &mut System) -> Result<()> {
        ensure!(system.terminate(Part::Auth).await? == 0);
        system.launch(Part::Auth)?;
        system.process(Part::Auth)?.wait_for_line("listening on", SOON).await?;
        ensure!(self.second.terminate(Duration::from_secs(15)).await? == 0);
        let listen = format!("127.0.0.1:{}", self.port);
        let (_, mut again) = system.replica(Part::Auth, &[("LEADLINE_GRPC_LISTEN", &listen)])?;
        again.wait_for_line("listening on", SOON).await?;
        self.second = again;
        Ok(())
    }
}

fn new_key(path: &Path) -> Result<String> {
    leadline_auth::SigningKeys::load_or_create(path).map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(std::fs::read_to_string(path)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_changed_in_three_steps_on_two_replicas_and_nobody_is_refused() -> Result<()> {
    let mut system = System::prepare(Mode::Distributed, Some(shared_servers().await?), &[])?;
    let (address, second) = system.replica(Part::Auth, &[])?;
    let port = address.rsplit(':').next().context("a port")?.to_owned();
    let mut auth = Auth { port, second };
    let both = format!("{},{address}", system.grpc(Part::Auth));
    for part in [Part::Gateway, Part::Leads, Part::Reminders, Part::Analytics] {
        system.set(part, "LEADLINE_AUTH", &both);
    }
    for part in system.parts() {
        system.launch(part)?;
    }
    system.ready().await?;
    auth.second.wait_for_line("listening on", SOON).await?;
    let file = system.setting(Part::Auth, "LEADLINE_SIGNING_KEYS_FILE").context("no keys")?;
    let old = std::fs::read_to_string(&file)?;
    let new = new_key(&system.folder().join("new-key.pem"))?;

    let mut busy = Vec::new();
    for number in 0..PEOPLE {
        let person = system.register(&format!("Person {number}")).await?;
        busy.push(Busy::begin(person.with_own_connections()));
    }
    wait_until(SOON, "all work", async || busy.iter().all(|one| !one.kid().is_empty())).await?;
    let first = busy[0].kid();

    // Behind the old one: known before it signs.
    std::fs::write(&file, format!("{old}{new}"))?;
    auth.restart(&mut system).await?;
    ensure!(busy.iter().all(|one| one.kid() == first), "the new key signs before all know it");

    // In front: it signs, by the one replica sooner than by the other.
    std::fs::write(&file, format!("{new}{old}"))?;
    auth.restart(&mut system).await?;
    let changed = async || busy.iter().all(|one| one.kid() != first);
    wait_until(SOON, "the new key signs", changed).await?;

    // No token of the old one is in use any more, as after an hour.
    std::fs::write(&file, &new)?;
    auth.restart(&mut system).await?;
    let before: Vec<u64> = busy.iter().map(|one| one.seen.lock().expect("no panic").refreshes).collect();
    wait_until(SOON, "all go on", async || {
        busy.iter()
            .zip(&before)
            .all(|(one, before)| one.seen.lock().expect("no panic").refreshes > before + 2)
    })
    .await?;

    for one in busy {
        one.over.store(true, Ordering::Relaxed);
        one.work.await??;
        let seen = one.seen.lock().expect("no other has panicked");
        ensure!(
            seen.unauthorized.is_empty(),
            "{} of {}: {:?}",
            seen.unauthorized.len(),
            seen.answers,
            seen.unauthorized
        );
        ensure!(seen.failed.is_empty(), "{} of {}: {:?}", seen.failed.len(), seen.answers, seen.failed);
        ensure!(seen.refreshes > 10, "only {} refreshes", seen.refreshes);
    }
    ensure!(auth.second.terminate(Duration::from_secs(15)).await? == 0);
    Ok(())
}
