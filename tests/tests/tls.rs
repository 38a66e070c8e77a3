//! Five programs that show each other certificates, a MongoDB and a RabbitMQ over TLS; and a service with two replicas.

use std::{
    collections::BTreeSet,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use leadline_testbed::{Certificates, Folder, Mongo, Process, Rabbit, wait_until};
use leadline_tests::{
    Client, Mode, Part, Stream, System,
    system::{Servers, shared_servers},
    text,
};
use serde_json::{Value, json};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

const SOON: Duration = Duration::from_secs(45);

/// Runs the script that makes an authority and certificates.
fn authority(folder: &Path) -> Result<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/private-ca");
    let made = Command::new(script).arg(folder).output()?;
    ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    Ok(())
}

fn named(folder: &Path, name: &str) -> Result<String> {
    Ok(folder.join(name).to_str().context("a path in UTF-8")?.to_owned())
}

/// Where a program's own certificate is.
fn certify(system: &mut System, folder: &Path) -> Result<()> {
    for part in Part::DISTRIBUTED {
        system.set(part, "LEADLINE_TLS_CA_FILE", &named(folder, "ca.pem")?);
        system.set(part, "LEADLINE_TLS_CERT_FILE", &named(folder, &format!("{}.pem", part.program()))?);
        system.set(part, "LEADLINE_TLS_KEY_FILE", &named(folder, &format!("{}.key", part.program()))?);
        system.set(part, "LEADLINE_BUS_CA_FILE", &named(folder, "ca.pem")?);
        for (other, name) in [
            (Part::Auth, "LEADLINE_AUTH"),
            (Part::Leads, "LEADLINE_LEADS"),
            (Part::Reminders, "LEADLINE_REMINDERS"),
            (Part::Analytics, "LEADLINE_ANALYTICS"),
        ] {
            let address = system.grpc(other).replace("http://", "https://");
            system.set(part, name, &address);
        }
    }
    Ok(())
}

/// Asks a service its health, as a client with this set-up of TLS; none: without TLS.
async fn ask(address: &str, tls: Option<ClientTlsConfig>) -> Result<()> {
    let endpoint: Endpoint = match tls {
        Some(tls) => Channel::from_shared(address.replace("http://", "https://"))?.tls_config(tls)?,
        None => Channel::from_shared(address.to_owned())?,
    };
    let channel =
        endpoint.connect_timeout(Duration::from_secs(5)).timeout(Duration::from_secs(5)).connect().await?;
    HealthClient::new(channel).check(HealthCheckRequest::default()).await?;
    Ok(())
}

fn identity(folder: &Path, name: &str) -> Result<Identity> {
    let read = |ending: &str| std::fs::read(folder.join(format!("{name}.{ending}")));
    Ok(Identity::from_pem(read("pem")?, read("key")?))
}

/// What a program says, and its exit code.
fn run(command: &mut Command) -> Result<(Option<i32>, String)> {
    let ended = command.output()?;
    let said = [ended.stdout, ended.stderr].concat();
    Ok((ended.status.code(), String::from_utf8_lossy(&said).into_owned()))
}

/// Which key signed a token.
fn kid(token: &str) -> Result<String> {
    let head = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap_or_default())?;
    Ok(text(&serde_json::from_slice::<Value>(&head)?, "kid").to_owned())
}

async fn is_counted(person: &Client, leads: u64) -> Result<()> {
    wait_until(SOON, "the leads are counted", async || {
        person.get("/analytics/summary").await.is_ok_and(|summary| summary.body["totalLeads"] == leads)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn five_programs_trust_each_other_by_certificates_and_nobody_else() -> Result<()> {
    let (ours, foreign) = (Folder::new()?, Folder::new()?);
    authority(ours.path())?;
    authority(foreign.path())?;
    let server = |name: &str, certificate: &str| Certificates {
        ca: ours.join("ca.pem"),
        certificate: ours.join(certificate),
        key: ours.join(&format!("{name}.key")),
    };
    let for_rabbit = server("rabbitmq", "rabbitmq.pem");
    let (mongo, rabbit) = tokio::try_join!(
        Mongo::start_with(server("mongodb", "mongodb.both.pem")),
        Rabbit::start_with(&for_rabbit)
    )?;
    let servers = Servers { mongodb: mongo.fresh_uri(), amqp: rabbit.tls_uri() };
    ensure!(servers.mongodb.contains("tls=true") && servers.amqp.starts_with("amqps://"));
    let mut system = System::prepare(Mode::Distributed, Some(servers), &[])?;
    certify(&mut system, ours.path())?;
    for part in system.parts() {
        system.launch(part)?;
    }
    system.ready().await?;

    // What people do, through every part.
    let una = system.register("Una").await?;
    let mut stream = Stream::open(&una, None).await?;
    let lead = una.lead("Ada").await?;
    let about = json!({ "leadId": lead["id"], "message": "Call", "dueAt": "2031-05-01T09:00:00Z" });
    una.post("/reminders", &about).await?.expect(201)?;
    is_counted(&una, 1).await?;
    stream.find(SOON, "the activity", |event| event.kind == "activity").await?;

    // Only who shows a certificate of this authority is spoken to.
    let ca = Certificate::from_pem(std::fs::read(ours.join("ca.pem"))?);
    let trusting = ClientTlsConfig::new().ca_certificate(ca);
    for part in [Part::Auth, Part::Leads, Part::Reminders, Part::Analytics] {
        let address = system.grpc(part).to_owned();
        let known = trusting.clone().identity(identity(ours.path(), "leadline-gateway")?);
        ask(&address, Some(known)).await.with_context(|| format!("{} refuses a part", part.program()))?;
        ensure!(ask(&address, None).await.is_err(), "{} speaks without TLS", part.program());
        ensure!(ask(&address, Some(trusting.clone())).await.is_err(), "{} takes anybody", part.program());
        let stranger = trusting.clone().identity(identity(foreign.path(), "leadline-gateway")?);
        ensure!(ask(&address, Some(stranger)).await.is_err(), "{} takes a stranger", part.program());
    }
    // Nor is a server spoken to that another authority vouches for, or that has another name.
    for part in Part::DISTRIBUTED {
        let (code, said) = run(&mut system.health(part)?)?;
        ensure!(code == Some(0) && said.lines().count() == 1, "{}: {code:?}: {said}", part.program());
        let (code, said) = run(system.health(part)?.env("LEADLINE_CHECK", "ready"))?;
        ensure!(code == Some(0) && said.contains("ready"), "{}: {code:?}: {said}", part.program());
    }
    let (code, said) = run(system.health(Part::Leads)?.env("LEADLINE_TLS_CA_FILE", foreign.join("ca.pem")))?;
    ensure!(code == Some(1), "{code:?}: {said}");
    let (code, said) = run(system.health(Part::Leads)?.env("LEADLINE_TLS_SERVER_NAME", "leadline-auth"))?;
    ensure!(code == Some(1), "{code:?}: {said}");
    let (code, said) = run(system.health(Part::Leads)?.env("LEADLINE_TLS_SERVER_NAME", "leadline-leads"))?;
    ensure!(code == Some(0), "{code:?}: {said}");

    // Renewed certificates are taken without a restart: soon the old ones could be of no use.
    authority(ours.path())?;
    let (code, said) = run(&mut system.health(Part::Leads)?)?;
    ensure!(code == Some(0), "{code:?}: {said}");
    let process = system.process(Part::Leads)?;
    process.wait_for_line("certificates were renewed", SOON).await?;
    una.lead("Grace").await?;
    is_counted(&una, 2).await?;

    keys_are_changed_without_anybody_noticing(&mut system, &una).await
}

/// A new key that signs, beside the old one; later the old one goes.
async fn keys_are_changed_without_anybody_noticing(system: &mut System, una: &Client) -> Result<()> {
    let file = system.setting(Part::Auth, "LEADLINE_SIGNING_KEYS_FILE").context("no keys")?;
    let old = std::fs::read_to_string(&file)?;
    let new_file = system.folder().join("new-key.pem");
    leadline_auth::SigningKeys::load_or_create(&new_file).map_err(|error| anyhow::anyhow!("{error}"))?;
    let new = std::fs::read_to_string(&new_file)?;
    let first = una.token.clone().context("nobody is signed in")?;

    std::fs::write(&file, format!("{new}{old}"))?;
    ensure!(system.terminate(Part::Auth).await? == 0);
    system.launch(Part::Auth)?;
    system.ready().await?;
    // The old token is good everywhere, and so is the session.
    una.get("/auth/me").await?.expect(200)?;
    una.lead("Edith").await?;
    let renewed =
        una.post("/auth/refresh", &json!({ "refreshToken": una.refresh_token })).await?.expect(200)?;
    let mut later = una.clone();
    later.signed_in(&renewed);
    let second = later.token.clone().context("no token")?;
    ensure!(kid(&first)? != kid(&second)?, "the old key still signs");
    // Verifiers that had loaded the old keys only learn of the new one.
    wait_until(SOON, "the new key is known everywhere", async || {
        let made = later.post("/leads", &json!({ "name": "Lise" })).await;
        made.is_ok_and(|answer| answer.status == 201)
            && later.get("/reminders").await.is_ok_and(|answer| answer.status == 200)
            && later.get("/analytics/summary").await.is_ok_and(|answer| answer.status == 200)
    })
    .await?;
    una.get("/leads").await?.expect(200)?;

    // When the last token of the old key has run out, that key goes; the sessions of then stay.
    std::fs::write(&file, new)?;
    ensure!(system.terminate(Part::Auth).await? == 0);
    system.launch(Part::Auth)?;
    system.ready().await?;
    later.get("/auth/me").await?.expect(200)?;
    later.post("/auth/refresh", &json!({ "refreshToken": later.refresh_token })).await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn half_a_set_up_of_tls_is_refused_with_what_is_missing() -> Result<()> {
    let folder = Folder::new()?;
    authority(folder.path())?;
    let servers = Servers { mongodb: "mongodb://127.0.0.1:1/x".into(), amqp: "amqps://127.0.0.1:1/".into() };
    let mut system = System::prepare(Mode::Distributed, Some(servers), &[])?;
    let mut starts = |part: Part, settings: &[(&str, &str)]| -> Result<String> {
        for (name, value) in settings {
            system.set(part, name, value);
        }
        // The program itself, not its command.
        let health = system.health(part)?;
        let mut command = Command::new(health.get_program());
        command.envs(health.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let (code, said) = run(&mut command)?;
        ensure!(code == Some(2), "{}: {code:?}: {said}", part.program());
        Ok(said)
    };
    let ca = named(folder.path(), "ca.pem")?;
    let said =
        starts(Part::Leads, &[("LEADLINE_TLS_CA_FILE", &ca), ("LEADLINE_AUTH", "https://auth:50051")])?;
    for setting in ["LEADLINE_TLS_CERT_FILE", "LEADLINE_TLS_KEY_FILE", "LEADLINE_BUS_CA_FILE"] {
        ensure!(said.lines().filter(|line| line.contains(setting)).count() >= 1, "no {setting}:\n{said}");
    }
    let certificate = named(folder.path(), "leadline-leads.pem")?;
    let foreign_key = named(folder.path(), "leadline-auth.key")?;
    let whole = [
        ("LEADLINE_TLS_CERT_FILE", certificate.as_str()),
        ("LEADLINE_TLS_KEY_FILE", foreign_key.as_str()),
        ("LEADLINE_BUS_CA_FILE", "/nowhere/ca.pem"),
    ];
    let said = starts(Part::Leads, &whole)?;
    ensure!(said.contains("LEADLINE_TLS_CERT_FILE") && said.contains("/nowhere/ca.pem"), "{said}");
    let key = named(folder.path(), "leadline-leads.key")?;
    let plain = [("LEADLINE_TLS_KEY_FILE", key.as_str()), ("LEADLINE_AUTH", "http://auth:50051")];
    let said = starts(Part::Leads, &plain)?;
    ensure!(said.lines().any(|line| line.contains("LEADLINE_AUTH") && line.contains("https")), "{said}");
    Ok(())
}

/// Two leads services behind one list of addresses; one is killed, and later started again, while many write.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_replicas_one_may_be_killed_under_load() -> Result<()> {
    let mut system = System::prepare(Mode::Distributed, Some(shared_servers().await?), &[])?;
    let (address, replica) = system.replica(Part::Leads, &[])?;
    let both = format!("{},{address}", system.grpc(Part::Leads));
    for part in [Part::Gateway, Part::Reminders, Part::Analytics] {
        system.set(part, "LEADLINE_LEADS", &both);
    }
    for part in system.parts() {
        system.launch(part)?;
    }
    system.ready().await?;
    let mut replica: Process = replica;
    replica.wait_for_line("listening on", SOON).await?;
    let una = system.register("Una").await?;
    let over = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..6)
        .map(|writer| {
            let (una, over) = (una.with_own_connections(), over.clone());
            tokio::spawn(async move {
                let (mut acknowledged, mut failed_writes, mut failed_reads) = (Vec::new(), 0, 0);
                while !over.load(Ordering::Relaxed) {
                    match una.post("/leads", &json!({ "name": format!("Writer {writer}") })).await {
                        Ok(answer) if answer.status == 201 => acknowledged.push(answer.text("id").to_owned()),
                        _ => failed_writes += 1,
                    }
                    if !una.get("/leads?limit=1").await.is_ok_and(|answer| answer.status == 200) {
                        failed_reads += 1;
                    }
                }
                (acknowledged, failed_writes, failed_reads)
            })
        })
        .collect();
    let many = async |least: u64| {
        wait_until(SOON, "many have written", async || {
            let page = una.get("/leads?limit=1").await;
            page.is_ok_and(|page| page.body["total"]["value"].as_u64() > Some(least))
        })
        .await
    };
    many(60).await?;
    replica.kill().await?;
    many(140).await?;
    // The other one too, when the first is back: so both have had calls.
    let port = address.rsplit(':').next().context("a port")?.to_owned();
    let (again, mut back) =
        system.replica(Part::Leads, &[("LEADLINE_GRPC_LISTEN", &format!("127.0.0.1:{port}"))])?;
    drop(again);
    back.wait_for_line("listening on", SOON).await?;
    many(200).await?;
    system.kill(Part::Leads).await?;
    many(280).await?;
    over.store(true, Ordering::Relaxed);
    let (mut acknowledged, mut failed_writes, mut failed_reads) = (BTreeSet::new(), 0, 0);
    for writer in writers {
        let (ids, writes, reads) = writer.await?;
        acknowledged.extend(ids);
        failed_writes += writes;
        failed_reads += reads;
    }
    // Under way at a kill were at most as many as there are writers.
    ensure!(failed_writes <= 12, "{failed_writes} writes were not answered");
    ensure!(failed_reads == 0, "{failed_reads} reads were not answered");
    let leads = una.all("/leads").await?;
    let there: BTreeSet<String> = leads.iter().map(|lead| text(lead, "id").to_owned()).collect();
    let lost: Vec<&String> = acknowledged.difference(&there).collect();
    ensure!(lost.is_empty(), "{} of {} acknowledged leads are lost", lost.len(), acknowledged.len());
    ensure!(back.terminate(Duration::from_secs(15)).await? == 0);
    Ok(())
}
