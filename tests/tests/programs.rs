//! The programs, started and stopped: what they say when they can't start, what they wait for, and how they end.

use std::{
    collections::BTreeSet,
    net::TcpListener,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use leadline_testbed::{Folder, Mongo, Process, Proxy, Rabbit, free_port, wait_until};
use leadline_tests::{
    Client, Mode, Part, System, files, query,
    system::{Servers, program, shared_servers},
    text,
};
use serde_json::json;
use tokio::io::AsyncWriteExt;

const START: Duration = Duration::from_secs(60);

/// All-in-one in a folder, on a port.
fn leadline(folder: &Folder, port: u16) -> Result<Command> {
    let mut command = program(Part::Leadline)?;
    command
        .env("LEADLINE_DATA_DIR", folder.join("data"))
        .env("LEADLINE_LISTEN", format!("127.0.0.1:{port}"))
        .env("LEADLINE_METRICS_LISTEN", "off")
        .env("LEADLINE_RATE_LIMITS", "off");
    Ok(command)
}

/// Runs a program that is to end by itself; its exit code and what it said.
async fn run(command: &Command, folder: &Folder) -> Result<(i32, String)> {
    let mut process = Process::start(command, folder.join("run.log"))?;
    wait_until(START, "the program ends by itself", async || process.exit_code().is_some())
        .await
        .with_context(|| process.output())?;
    Ok((process.exit_code().unwrap_or_default(), process.output()))
}

async fn is_ready(port: u16) -> bool {
    // The port is taken before the servers are awaited: until then, nobody answers there.
    let client = Client::stranger(&format!("http://127.0.0.1:{port}"));
    let answer = tokio::time::timeout(Duration::from_secs(2), client.get("//readyz")).await;
    matches!(answer, Ok(Ok(answer)) if answer.status == 200)
}

#[tokio::test]
async fn help_lists_every_setting_of_every_program() -> Result<()> {
    let folder = Folder::new()?;
    let common = ["LEADLINE_LOG", "LEADLINE_LOG_FORMAT", "LEADLINE_METRICS_LISTEN"];
    let alone = ["LEADLINE_STORE", "LEADLINE_BUS", "LEADLINE_GRPC_LISTEN", "LEADLINE_SERVICE_SECRET"];
    for (part, own) in [
        (
            Part::Leadline,
            &[
                "LEADLINE_LISTEN",
                "LEADLINE_DATA_DIR",
                "LEADLINE_STORE",
                "LEADLINE_BUS",
                "LEADLINE_RATE_LIMITS",
                "LEADLINE_REQUESTS_AT_ONCE",
                "LEADLINE_WORKSPACE_REQUESTS_AT_ONCE",
                "LEADLINE_GRPC_LISTEN",
                "LEADLINE_SIGNING_KEYS",
                "LEADLINE_SERVICE_SECRET",
            ][..],
        ),
        (Part::Auth, &["LEADLINE_SIGNING_KEYS", "LEADLINE_RATE_LIMITS"]),
        (Part::Leads, &["LEADLINE_AUTH"]),
        (Part::Reminders, &["LEADLINE_AUTH", "LEADLINE_LEADS"]),
        (Part::Analytics, &["LEADLINE_AUTH", "LEADLINE_LEADS"]),
        (
            Part::Gateway,
            &[
                "LEADLINE_LISTEN",
                "LEADLINE_AUTH",
                "LEADLINE_LEADS",
                "LEADLINE_REMINDERS",
                "LEADLINE_ANALYTICS",
                "LEADLINE_BUS",
            ],
        ),
    ] {
        let (code, help) = run(program(part)?.arg("--help"), &folder).await?;
        ensure!(code == 0, "{}: {code}", part.program());
        let services = if matches!(part, Part::Leadline | Part::Gateway) { &[][..] } else { &alone };
        for setting in common.iter().chain(own).chain(services) {
            ensure!(help.contains(setting), "{} --help does not tell {setting}:\n{help}", part.program());
        }
        let (code, said) = run(program(part)?.arg("--no-such-flag"), &folder).await?;
        ensure!(code == 2 && said.contains("--no-such-flag"), "{}: {code}: {said}", part.program());
        let (code, version) = run(program(part)?.arg("--version"), &folder).await?;
        ensure!(code == 0 && version.contains(env!("CARGO_PKG_VERSION")), "{version}");
    }
    Ok(())
}

#[tokio::test]
async fn every_wrong_setting_is_told_at_once_and_no_password_with_it() -> Result<()> {
    let folder = Folder::new()?;
    let mut command = leadline(&folder, 1)?;
    command
        .env("LEADLINE_STORE", "postgres://una:hunter2@db/leads")
        .env("LEADLINE_BUS", "http://una:hunter2@broker")
        .env("LEADLINE_LISTEN", "nowhere")
        .env("LEADLINE_RATE_LIMITS", "perhaps")
        .env("LEADLINE_LOG_FORMAT", "xml")
        .env("LEADLINE_GRPC_LISTEN", "x");
    let (code, said) = run(&command, &folder).await?;
    ensure!(code == 2, "{code}: {said}");
    for setting in [
        "LEADLINE_STORE",
        "LEADLINE_BUS",
        "LEADLINE_LISTEN",
        "LEADLINE_RATE_LIMITS",
        "LEADLINE_LOG_FORMAT",
        "LEADLINE_GRPC_LISTEN",
    ] {
        let lines = said.lines().filter(|line| line.contains(setting)).count();
        ensure!(lines == 1, "{setting} is told on {lines} lines:\n{said}");
    }
    ensure!(!said.contains("hunter2"), "{said}");
    ensure!(!folder.join("data").exists(), "it has touched its data folder");
    // A flag wins over the environment.
    let port = free_port()?;
    let mut command = leadline(&folder, 1)?;
    command.env("LEADLINE_LISTEN", "nowhere").args(["--listen", &format!("127.0.0.1:{port}")]);
    let mut process = Process::start(&command, folder.join("flag.log"))?;
    let line = process.wait_for_line("listening on http://", START).await?;
    ensure!(line.contains(&format!("127.0.0.1:{port}")), "{line}");
    ensure!(process.terminate(Duration::from_secs(15)).await? == 0);
    Ok(())
}

#[tokio::test]
async fn a_part_of_a_distributed_system_has_no_default_secret() -> Result<()> {
    let folder = Folder::new()?;
    for part in Part::DISTRIBUTED {
        let (code, said) = run(&program(part)?, &folder).await?;
        ensure!(code == 2 && said.contains("LEADLINE_SERVICE_SECRET"), "{}: {code}: {said}", part.program());
    }
    let (_, said) = run(&program(Part::Auth)?, &folder).await?;
    ensure!(said.contains("LEADLINE_SIGNING_KEYS") && said.contains("LEADLINE_STORE"), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_busy_port_is_told_with_its_setting() -> Result<()> {
    let folder = Folder::new()?;
    let busy = TcpListener::bind("127.0.0.1:0")?;
    let address = busy.local_addr()?.to_string();
    for setting in ["LEADLINE_LISTEN", "LEADLINE_GRPC_LISTEN", "LEADLINE_METRICS_LISTEN"] {
        let mut command = leadline(&folder, free_port()?)?;
        command.env(setting, &address);
        let (code, said) = run(&command, &folder).await?;
        let line = said.lines().find(|line| line.contains(&address)).unwrap_or_default();
        ensure!(code != 0 && line.contains(setting), "{setting}: {code}: {said}");
        ensure!(said.lines().count() <= 2, "{said}");
    }
    Ok(())
}

#[tokio::test]
async fn a_second_process_on_the_same_data_folder_refuses() -> Result<()> {
    let folder = Folder::new()?;
    let port = free_port()?;
    let mut first = Process::start(&leadline(&folder, port)?, folder.join("first.log"))?;
    first.wait_for_line("listening on", START).await?;
    let base = format!("http://127.0.0.1:{port}");
    let una = Client::register(&base, "Una").await?;
    let (code, said) = run(&leadline(&folder, free_port()?)?, &folder).await?;
    ensure!(code == 1 && said.contains("data"), "{code}: {said}");
    ensure!(said.contains(&folder.join("data").display().to_string()), "{said}");
    let mut demo = leadline(&folder, free_port()?)?;
    let (code, said) = run(demo.arg("demo"), &folder).await?;
    ensure!(code == 1, "{said}");
    una.lead("Ada").await?;
    ensure!(una.get("/leads").await?.expect(200)?.items().len() == 1);
    ensure!(first.terminate(Duration::from_secs(15)).await? == 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_rewritten_by_hand_while_no_process_uses_them() -> Result<()> {
    let folder = Folder::new()?;
    let mut system = System::start(Mode::AllInOne).await?;
    let una = system.register("Una").await?;
    let lead = una.lead("Ada").await?;
    let data = system.folder().join("data");
    let rewrite = async |data: &std::path::Path| {
        let mut command = program(Part::Leadline)?;
        command.arg("rewrite").arg("--data-dir").arg(data);
        run(&command, &folder).await
    };
    let (code, said) = rewrite(&data).await?;
    ensure!(code == 1 && said.contains("in use by process"), "{code}: {said}");
    ensure!(system.terminate(Part::Leadline).await? == 0);
    let (code, said) = rewrite(&data).await?;
    ensure!(code == 0 && said.matches("Rewrote").count() == 4, "{code}: {said}");
    files::check(&data)?;
    system.launch(Part::Leadline)?;
    system.ready().await?;
    una.get(&format!("/leads/{}", text(&lead, "id"))).await?.expect(200)?;
    let (code, said) = rewrite(&folder.join("none")).await?;
    ensure!(code == 1 && said.contains("no data folder of Leadline's"), "{code}: {said}");
    Ok(())
}

#[tokio::test]
async fn data_that_can_t_be_read_is_told_and_not_touched() -> Result<()> {
    let folder = Folder::new()?;
    let port = free_port()?;
    let mut first = Process::start(&leadline(&folder, port)?, folder.join("first.log"))?;
    first.wait_for_line("listening on", START).await?;
    ensure!(first.terminate(Duration::from_secs(15)).await? == 0);
    for file in ["leads.db", "signing-key.pem"] {
        let path = folder.join("data").join(file);
        let good = std::fs::read(&path)?;
        let garbage = vec![b'x'; 8192];
        std::fs::write(&path, &garbage)?;
        let (code, said) = run(&leadline(&folder, port)?, &folder).await?;
        ensure!(code == 1 && said.contains(file), "{file}: {code}: {said}");
        ensure!(std::fs::read(&path)? == garbage, "{file} was touched");
        std::fs::write(&path, good)?;
    }
    let mut again = Process::start(&leadline(&folder, port)?, folder.join("again.log"))?;
    again.wait_for_line("listening on", START).await?;
    ensure!(again.terminate(Duration::from_secs(15)).await? == 0);
    Ok(())
}

#[tokio::test]
async fn the_signing_key_is_for_its_owner_only_and_stays() -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new()?;
    let port = free_port()?;
    let mut first = Process::start(&leadline(&folder, port)?, folder.join("first.log"))?;
    first.wait_for_line("listening on", START).await?;
    let una = Client::register(&format!("http://127.0.0.1:{port}"), "Una").await?;
    let mode = std::fs::metadata(folder.join("data/signing-key.pem"))?.permissions().mode();
    ensure!(mode & 0o077 == 0, "{mode:o}");
    ensure!(first.terminate(Duration::from_secs(15)).await? == 0);
    let mut again = Process::start(&leadline(&folder, port)?, folder.join("again.log"))?;
    again.wait_for_line("listening on", START).await?;
    // Nobody has to sign in again because of a restart; whoever signed out stays out.
    una.get("/auth/me").await?.expect(200)?;
    una.act("/auth/logout").await?.expect(204)?;
    again.kill().await?;
    let mut third = Process::start(&leadline(&folder, port)?, folder.join("third.log"))?;
    third.wait_for_line("listening on", START).await?;
    una.get("/auth/me").await?.problem(401, "unauthenticated")?;
    ensure!(third.terminate(Duration::from_secs(15)).await? == 0);
    Ok(())
}

async fn starting_before_a_server_is_up_waits_and_says_so(
    proxy: &mut Proxy,
    servers: Servers,
    name: &str,
) -> Result<()> {
    let folder = Folder::new()?;
    let port = free_port()?;
    proxy.refuse().await;
    let mut command = leadline(&folder, port)?;
    command.env("LEADLINE_STORE", &servers.mongodb).env("LEADLINE_BUS", &servers.amqp);
    let mut process = Process::start(&command, folder.join("leadline.log"))?;
    let line = process.wait_for_line(&proxy.addr().to_string(), START).await?;
    ensure!(line.contains(name), "{line}");
    ensure!(!is_ready(port).await, "it says that it is ready");
    proxy.accept_again().await?;
    wait_until(START, "it is ready", async || is_ready(port).await)
        .await
        .with_context(|| process.output())?;
    let una = Client::register(&format!("http://127.0.0.1:{port}"), "Una").await?;
    una.lead("Ada").await?;
    wait_until(START, "the lead is counted", async || {
        una.get("/analytics/summary").await.is_ok_and(|summary| summary.body["totalLeads"] == 1)
    })
    .await?;
    ensure!(process.terminate(Duration::from_secs(15)).await? == 0);
    Ok(())
}

#[tokio::test]
async fn starting_before_mongodb_is_up_waits_and_says_so() -> Result<()> {
    let mongo = Mongo::start_private().await?;
    let mut proxy = Proxy::start(mongo.addr()).await?;
    let shared = shared_servers().await?;
    let servers = Servers { mongodb: mongo.fresh_uri_at(proxy.addr()), amqp: shared.amqp };
    starting_before_a_server_is_up_waits_and_says_so(&mut proxy, servers, "MongoDB").await
}

#[tokio::test]
async fn starting_before_rabbitmq_is_up_waits_and_says_so() -> Result<()> {
    let rabbit = Rabbit::start_private().await?;
    let mut proxy = Proxy::start(rabbit.addr()).await?;
    let shared = shared_servers().await?;
    let servers = Servers { mongodb: shared.mongodb, amqp: rabbit.uri_at(proxy.addr()) };
    starting_before_a_server_is_up_waits_and_says_so(&mut proxy, servers, "RabbitMQ").await
}

#[tokio::test]
async fn metrics_are_on_a_listener_of_their_own_and_hold_no_personal_data() -> Result<()> {
    let folder = Folder::new()?;
    let (port, metrics) = (free_port()?, free_port()?);
    let mut command = leadline(&folder, port)?;
    command.env("LEADLINE_METRICS_LISTEN", format!("127.0.0.1:{metrics}"));
    let mut process = Process::start(&command, folder.join("leadline.log"))?;
    process.wait_for_line("listening on http://", START).await?;
    let una = Client::register(&format!("http://127.0.0.1:{port}"), "Una Persson").await?;
    let lead = una.lead("Ada Lovelace").await?;
    una.get(&format!("/leads/{}", text(&lead, "id"))).await?.expect(200)?;
    una.get(&format!("/leads{}", query(&[("q", "Lovelace")]))).await?.expect(200)?;
    una.get("/nothing/like/this").await?.expect(404)?;
    let told =
        Client::stranger(&format!("http://127.0.0.1:{metrics}")).get("//metrics").await?.expect(200)?;
    let told = told.body.as_str().context("no text")?;
    ensure!(told.contains("leadline_http_requests_total") && told.contains("/api/v1/leads/{id}"), "{told}");
    for secret in
        ["Lovelace", "Una", una.email.as_str(), text(&lead, "id"), una.workspace.as_str(), "like/this"]
    {
        ensure!(!told.contains(secret), "{secret} is in the metrics");
    }
    ensure!(una.get("//metrics").await?.body.as_str().is_none_or(|page| !page.contains("leadline_http")));
    ensure!(process.terminate(Duration::from_secs(15)).await? == 0);
    Ok(())
}

/// Ends every program while many write: what was acknowledged is there after the next start, and nobody waits long.
async fn sigterm_ends_in_good_order(mode: Mode) -> Result<()> {
    let servers = if mode == Mode::AllInOne { None } else { Some(shared_servers().await?) };
    let mut system = System::start_on(mode, servers, &[]).await?;
    let una = system.register("Una").await?;
    let over = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let (una, over) = (una.clone(), over.clone());
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    // Refused, cut off or unavailable: it was not acknowledged.
                    if let Ok(answer) =
                        una.post("/leads", &json!({ "name": format!("Writer {writer}") })).await
                        && answer.status == 201
                    {
                        acknowledged.push(answer.text("id").to_owned());
                    }
                }
                acknowledged
            })
        })
        .collect();
    wait_until(START, "many have written", async || {
        una.get("/leads?limit=1").await.is_ok_and(|page| page.body["total"]["value"].as_u64() > Some(40))
    })
    .await?;
    let _stream = leadline_tests::Stream::open(&una, None).await?;
    // The gateway first, as whoever stops a system does; requests and a stream are under way.
    let mut parts = system.parts();
    parts.reverse();
    for part in parts {
        let started = Instant::now();
        let code = system.terminate(part).await?;
        ensure!(code == 0, "{}: {code}\n{}", part.program(), system.output());
        ensure!(started.elapsed() < Duration::from_secs(10), "{}: {:?}", part.program(), started.elapsed());
    }
    over.store(true, Ordering::Relaxed);
    let mut acknowledged = BTreeSet::new();
    for writer in writers {
        acknowledged.extend(writer.await?);
    }
    ensure!(acknowledged.len() > 40, "{}", acknowledged.len());
    for part in system.parts() {
        system.launch(part)?;
    }
    system.ready().await?;
    let leads = una.all("/leads").await?;
    let there: BTreeSet<String> = leads.iter().map(|lead| text(lead, "id").to_owned()).collect();
    let lost: Vec<&String> = acknowledged.difference(&there).collect();
    ensure!(lost.is_empty(), "{} of {} acknowledged leads are lost", lost.len(), acknowledged.len());
    wait_until(START, "all are counted", async || {
        una.get("/analytics/summary").await.is_ok_and(|summary| summary.body["totalLeads"] == there.len())
    })
    .await?;
    for part in system.parts() {
        ensure!(system.terminate(part).await? == 0, "{}", part.program());
    }
    Ok(())
}

#[tokio::test]
async fn sigterm_ends_all_in_one_in_good_order() -> Result<()> {
    sigterm_ends_in_good_order(Mode::AllInOne).await
}

#[tokio::test]
async fn sigterm_ends_all_in_one_on_servers_in_good_order() -> Result<()> {
    sigterm_ends_in_good_order(Mode::OnServers).await
}

#[tokio::test]
async fn sigterm_ends_five_programs_in_good_order() -> Result<()> {
    sigterm_ends_in_good_order(Mode::Distributed).await
}

#[tokio::test]
async fn sigterm_ends_in_ten_seconds_whatever_hangs() -> Result<()> {
    let (mongo, rabbit) = tokio::try_join!(Mongo::start_private(), Rabbit::start_private())?;
    let servers = Servers { mongodb: mongo.fresh_uri(), amqp: rabbit.uri() };
    let mut system = System::start_on(Mode::OnServers, Some(servers), &[]).await?;
    let una = system.register("Una").await?;
    let _stream = leadline_tests::Stream::open(&una, None).await?;
    // A client that never ends its body, and one that never ends its headers.
    let address = system.base().trim_start_matches("http://").to_owned();
    let token = una.token.as_deref().unwrap_or_default();
    let head = format!(
        "POST /api/v1/leads HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n{{\"name\": \""
    );
    for start in [head.as_str(), "GET /api/v1/leads HTTP/1.1\r\nHost: x\r\nX-Slow: a"] {
        let mut connection = tokio::net::TcpStream::connect(&address).await?;
        connection.write_all(start.as_bytes()).await?;
        tokio::spawn(async move {
            while connection.write_all(b"a").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
    }
    // Requests, relays, the clock: all of them wait for a database that hangs.
    mongo.pause()?;
    let waiting = tokio::spawn(async move { una.post("/leads", &json!({ "name": "Ada" })).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let started = Instant::now();
    let code = system.terminate(Part::Leadline).await?;
    let took = started.elapsed();
    mongo.resume()?;
    ensure!(code == 0, "{code}: {}", system.output());
    ensure!(took < Duration::from_secs(10), "it took {took:?}");
    ensure!(took > Duration::from_secs(2), "nothing hung: {took:?}");
    let _ = waiting.await?;
    Ok(())
}

#[tokio::test]
async fn several_processes_on_the_same_servers_work_together() -> Result<()> {
    let folder = Folder::new()?;
    let key = folder.join("signing-key.pem");
    leadline_auth::SigningKeys::load_or_create(&key).map_err(|error| anyhow::anyhow!("{error}"))?;
    let (key, secret) = (key.display().to_string(), "a-secret-of-one-deployment-long-enough");
    let settings = [("LEADLINE_SIGNING_KEYS_FILE", key.as_str()), ("LEADLINE_SERVICE_SECRET", secret)];
    let system = System::start_on(Mode::OnServers, Some(shared_servers().await?), &settings).await?;
    let (port, data) = (free_port()?, folder.join("data").display().to_string());
    let listen = format!("127.0.0.1:{port}");
    let own = [("LEADLINE_DATA_DIR", data.as_str()), ("LEADLINE_LISTEN", &listen)];
    let (_grpc, mut second) = system.replica(Part::Leadline, &own)?;
    wait_until(START, "the second is ready", async || is_ready(port).await || second.exit_code().is_some())
        .await?;
    ensure!(second.exit_code().is_none(), "{}", second.output());
    ensure!(!folder.join("data").join("signing-key.pem").exists(), "it has made a key of its own");

    let here = system.register("Una").await?;
    // The token of one is good at the other, and a stream at one hears of a write at the other.
    let there = here.at(&format!("http://{listen}"));
    there.get("/leads").await?.expect(200)?;
    let mut stream = leadline_tests::Stream::open(&there, None).await?;
    let lead = here.lead("Ada").await?;
    let id = text(&lead, "id").to_owned();
    stream.find(START, "the lead", |event| event.data.to_string().contains(&id)).await?;
    there.get(&format!("/leads/{id}")).await?.expect(200)?;
    wait_until(START, "it is counted, once", async || {
        let counted = |answer: Result<leadline_tests::Answer>| {
            answer.is_ok_and(|answer| answer.body["totalLeads"] == 1)
        };
        counted(here.get("/analytics/summary").await) && counted(there.get("/analytics/summary").await)
    })
    .await?;
    // Who signs out at one is out at the other.
    here.act("/auth/logout").await?.expect(204)?;
    wait_until(START, "the token is void there, too", async || {
        there.get("/leads").await.is_ok_and(|answer| answer.status == 401)
    })
    .await?;
    ensure!(second.terminate(Duration::from_secs(15)).await? == 0);
    Ok(())
}

#[tokio::test]
async fn a_database_for_several_with_events_for_one_is_warned_of() -> Result<()> {
    let system =
        System::start_on(Mode::OnServers, Some(shared_servers().await?), &[("LEADLINE_BUS", "memory")])
            .await?;
    let warned = system.output();
    let lines: Vec<&str> = warned.lines().filter(|line| line.contains("only one process")).collect();
    ensure!(lines.len() == 1 && lines[0].contains("LEADLINE_BUS"), "{lines:?}: {warned}");
    Ok(())
}
