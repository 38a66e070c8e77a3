//! Abuse of a running system: guesses, floods, slow and malformed connections. It says no, and goes on.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use futures::future::{join_all, try_join_all};
use leadline_testbed::wait_until;
use leadline_tests::{Client, Mode, PASSWORD, Part, System, text, unknown_id};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
    time::timeout,
};

/// Two at once: what they measure is not to be each other.
static TURN: Semaphore = Semaphore::const_new(2);

/// All-in-one as people run it, its limits on.
async fn limited(settings: &[(&str, &str)]) -> Result<System> {
    let mut all = vec![("LEADLINE_RATE_LIMITS", "on")];
    all.extend_from_slice(settings);
    System::start_on(Mode::AllInOne, None, &all).await
}

/// Signs in from an address of this machine; the status and after how many seconds to try again.
async fn login(
    system: &System,
    from: Ipv4Addr,
    forwarded: Option<&str>,
    email: &str,
    password: &str,
) -> Result<(u16, Option<u64>)> {
    let http = reqwest::Client::builder()
        .local_address(IpAddr::V4(from))
        .timeout(Duration::from_secs(60))
        .build()?;
    let mut request = http
        .post(format!("{}/api/v1/auth/login", system.base()))
        .json(&json!({ "email": email, "password": password, "session": "token" }));
    if let Some(address) = forwarded {
        request = request.header("x-forwarded-for", address).header("forwarded", format!("for={address}"));
    }
    let answer = request.send().await?;
    let again = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
    Ok((answer.status().as_u16(), again))
}

#[tokio::test]
async fn a_hundred_guesses_are_stopped_and_the_right_password_works_again_later() -> Result<()> {
    let system = limited(&[]).await?;
    let una = system.register("Una").await?;
    let other = system.register("Otto").await?;
    let mut tried = 0;
    for guess in 0..100_u8 {
        // Who claims to come from elsewhere gains nothing.
        let (from, claimed) = (Ipv4Addr::new(127, 0, 0, 2 + guess % 8), format!("203.0.113.{guess}"));
        let (status, again) =
            login(&system, from, Some(&claimed), &una.email, &format!("a wrong guess number {guess}"))
                .await?;
        match status {
            401 => tried += 1,
            429 => ensure!(again.is_some_and(|seconds| (1..=120).contains(&seconds)), "{again:?}"),
            _ => anyhow::bail!("{status}"),
        }
    }
    ensure!((1..=15).contains(&tried), "{tried} of 100 guesses were tried");
    // Nobody learns from the limit that they have it right; others sign in as ever.
    let fresh = Ipv4Addr::new(127, 0, 1, 1);
    let (status, again) = login(&system, fresh, None, &una.email, PASSWORD).await?;
    ensure!(status == 429 && again.is_some_and(|seconds| seconds <= 120), "{status} {again:?}");
    ensure!(login(&system, fresh, None, &other.email, PASSWORD).await?.0 == 200);
    // Those who are signed in stay so.
    una.get("/auth/me").await?.expect(200)?;
    wait_until(Duration::from_secs(150), "the right password works again", async || {
        // One try for each address: the limit by address is not what this is about.
        let from = Ipv4Addr::new(127, 1, rand::random(), 1 + rand::random::<u8>() % 250);
        login(&system, from, None, &una.email, PASSWORD).await.is_ok_and(|(status, _)| status == 200)
    })
    .await
}

#[tokio::test]
async fn an_address_has_so_many_tries_whoever_it_claims_to_be() -> Result<()> {
    let system = limited(&[]).await?;
    let from = Ipv4Addr::new(127, 0, 2, 1);
    let mut tried = 0;
    for try_number in 0..60 {
        let email = format!("nobody{try_number}@example.test");
        let claimed = format!("198.51.100.{try_number}");
        let (status, _) = login(&system, from, Some(&claimed), &email, "a password that nobody has").await?;
        tried += usize::from(status == 401);
        ensure!(matches!(status, 401 | 429), "{status}");
    }
    ensure!((10..=30).contains(&tried), "{tried} of 60 were tried");
    ensure!(login(&system, Ipv4Addr::new(127, 0, 2, 2), None, "x@example.test", "x").await?.0 == 401);
    drop(system);
    // Behind a proxy that is trusted, the address that it tells counts, and no other one of the list.
    let system = limited(&[("LEADLINE_TRUSTED_PROXIES", "127.0.2.9")]).await?;
    let proxy = Ipv4Addr::new(127, 0, 2, 9);
    let mut tried = 0;
    for try_number in 0..40 {
        let claimed = format!("203.0.113.{try_number}, 198.51.100.7");
        let (status, _) = login(&system, proxy, Some(&claimed), "x@example.test", "a password").await?;
        tried += usize::from(status == 401);
    }
    ensure!(tried < 35, "{tried} of 40 were tried");
    ensure!(login(&system, proxy, Some("198.51.100.8"), "y@example.test", "a password").await?.0 == 401);
    Ok(())
}

#[tokio::test]
async fn an_unknown_address_takes_as_long_as_a_wrong_password() -> Result<()> {
    let _turn = TURN.acquire().await?;
    let system = System::start_on(Mode::AllInOne, None, &[]).await?;
    let una = system.register("Una").await?;
    let stranger = Client::stranger(system.base());
    let mut seen = Vec::new();
    let mut ratios = Vec::new();
    // A machine that is busy with other tests may have a bad minute: more pairs make up for it, and make a difference plainer.
    for _ in 0..6 {
        for round in 0..30 {
            let unknown = format!("nobody{round}@example.test");
            let ask = async |email: &str| -> Result<(f64, Value)> {
                let body = json!({ "email": email, "password": "not the right one at all" });
                let started = Instant::now();
                let mut answer =
                    stranger.post("/auth/login", &body).await?.problem(401, "unauthenticated")?;
                let took = started.elapsed().as_secs_f64();
                answer.body["requestId"] = Value::Null;
                Ok((took, answer.body))
            };
            // One after the other, so that whatever else this machine does falls on both alike, and each is first as often.
            let (known, nobodys) = if round % 2 == 0 {
                let known = ask(&una.email).await?;
                (known, ask(&unknown).await?)
            } else {
                let nobodys = ask(&unknown).await?;
                (ask(&una.email).await?, nobodys)
            };
            ensure!(known.1 == nobodys.1, "{} and {}", known.1, nobodys.1);
            ratios.push(nobodys.0 / known.0);
        }
        ratios.sort_unstable_by(f64::total_cmp);
        let median = ratios[ratios.len() / 2];
        if (0.91..1.10).contains(&median) {
            return Ok(());
        }
        seen.push(median);
    }
    anyhow::bail!("an unknown address takes {seen:?} times as long")
}

#[tokio::test]
async fn another_s_id_takes_as_long_as_an_unknown_one_on_sqlite() -> Result<()> {
    ids_take_as_long(Mode::AllInOne).await
}

#[tokio::test]
async fn another_s_id_takes_as_long_as_an_unknown_one_on_mongodb() -> Result<()> {
    ids_take_as_long(Mode::OnServers).await
}

async fn ids_take_as_long(mode: Mode) -> Result<()> {
    let _turn = TURN.acquire().await?;
    const IDS: usize = 25;
    let system = System::start(mode).await?;
    let (una, otto) = (system.register("Una").await?, system.register("Otto").await?);
    let (mut leads, mut reminders) = (Vec::new(), Vec::new());
    for nth in 0..IDS {
        let lead = una.lead(&format!("Lead {nth}")).await?;
        let due = json!({ "leadId": lead["id"], "dueAt": "2099-01-01T00:00:00Z", "message": "Call" });
        reminders.push(una.post("/reminders", &due).await?.expect(201)?.text("id").to_owned());
        leads.push(text(&lead, "id").to_owned());
    }
    // As many, and asked for as often, so that whatever is kept in memory is kept of both.
    let unknown: Vec<String> = (0..IDS).map(|_| unknown_id()).collect();
    let due = |id: &str| json!({ "leadId": id, "dueAt": "2099-01-01T00:00:00Z", "message": "Call" });
    let none = |_: &str| Value::Null;
    #[allow(clippy::type_complexity, reason = "a table is read by its rows")]
    let routes: [(Method, &str, &[String], &dyn Fn(&str) -> Value); 8] = [
        (Method::GET, "/leads/ID", &leads, &none),
        (Method::PATCH, "/leads/ID", &leads, &|_| json!({ "name": "Eve" })),
        (Method::DELETE, "/leads/ID", &leads, &none),
        (Method::POST, "/leads/ID/notes", &leads, &|_| json!({ "text": "Hello" })),
        (Method::GET, "/leads/ID/activity", &leads, &none),
        (Method::POST, "/reminders", &leads, &due),
        (Method::GET, "/reminders/ID", &reminders, &none),
        (Method::POST, "/reminders/ID/complete", &reminders, &none),
    ];
    for (method, path, foreign, body) in routes {
        let ask = async |id: &str| -> Result<(f64, u16, String)> {
            let path = path.replace("ID", id);
            let started = Instant::now();
            let answer = otto.with(("accept", "*/*"), method.clone(), &path, &body(id)).await?;
            let took = started.elapsed().as_secs_f64();
            let mut body = answer.body;
            body["requestId"] = Value::Null;
            Ok((took, answer.status.as_u16(), body.to_string().replace(id, "ID")))
        };
        let mut seen = Vec::new();
        // As with sign-ins: a busy machine may have a bad minute, a difference would show in every series.
        let alike = 'alike: {
            for _ in 0..4 {
                let (mut longer, mut ratios) = (0, Vec::new());
                for round in 0..200 {
                    let (foreign, unknown) = (&foreign[round % IDS], &unknown[round % IDS]);
                    // Whoever comes second finds everything warm: each does so as often.
                    let (hers, nobodys) = if round.is_multiple_of(2) {
                        let hers = ask(foreign).await?;
                        (hers, ask(unknown).await?)
                    } else {
                        let nobodys = ask(unknown).await?;
                        (ask(foreign).await?, nobodys)
                    };
                    ensure!(hers.1 == nobodys.1 && hers.2 == nobodys.2, "{path}: {hers:?}, {nobodys:?}");
                    ensure!(matches!(hers.1, 404 | 422), "{path}: {hers:?}");
                    longer += usize::from(hers.0 > nobodys.0);
                    ratios.push(hers.0 / nobodys.0);
                }
                ratios.sort_unstable_by(f64::total_cmp);
                let median = ratios[ratios.len() / 2];
                // Where nothing differs, 72 to 128 of 200 are longer but once in fifteen thousand series.
                if (72..=128).contains(&longer) && (0.9..1.12).contains(&median) {
                    break 'alike true;
                }
                seen.push((longer, median));
            }
            false
        };
        ensure!(
            alike,
            "{method} {path}: another's id takes longer in so many of 200, so many times as long: {seen:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn two_hundred_sign_ins_at_once_need_no_more_memory_than_a_few() -> Result<()> {
    let _turn = TURN.acquire().await?;
    let mut system = System::start_on(Mode::AllInOne, None, &[]).await?;
    let una = system.register("Una").await?;
    let pid = system.process(Part::Leadline)?.pid();
    let stranger = Client::stranger(system.base());
    let body = json!({ "email": una.email, "password": PASSWORD, "session": "token" });
    let answers = try_join_all((0..200).map(|_| stranger.post("/auth/login", &body))).await?;
    let good = answers.iter().filter(|answer| answer.status == 200).count();
    ensure!(good > 20, "{good} of 200 signed in");
    for answer in answers.into_iter().filter(|answer| answer.status != 200) {
        ensure!(!answer.expect(503)?.header("retry-after").is_empty());
    }
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no peak")?;
    let kib: u64 = peak.trim().trim_end_matches(" kB").parse()?;
    // Two hundred hashes at once would need 3.8 GiB; deploy/compose.yaml gives a program 512 MiB.
    ensure!(kib < 512 * 1024, "{} MiB", kib / 1024);
    // Her first session was the oldest of more than a hundred: it has ended.
    Client::login(system.base(), &una.email).await?.lead("Ada").await?;
    Ok(())
}

#[tokio::test]
async fn five_hundred_connections_that_drip_hold_nobody_up() -> Result<()> {
    let _turn = TURN.acquire().await?;
    let system = limited(&[]).await?;
    let una = system.register("Una").await?;
    let address = system.base().trim_start_matches("http://").to_owned();
    let open = (0..500).map(async |number: usize| -> Result<TcpStream> {
        let mut connection = TcpStream::connect(&address).await?;
        // Half of them within the headers, half within a body that never comes.
        let start = if number.is_multiple_of(2) {
            "GET /api/v1/leads HTTP/1.1\r\nHost: x\r\nX-Slow: a".to_owned()
        } else {
            let token = una.token.as_deref().unwrap_or_default();
            format!(
                "POST /api/v1/leads HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
                 Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n{{\"name\": \""
            )
        };
        connection.write_all(start.as_bytes()).await?;
        Ok(connection)
    });
    let mut slow = try_join_all(open).await?;
    for _ in 0..20 {
        join_all(slow.iter_mut().map(|connection| connection.write_all(b"a"))).await;
        let started = Instant::now();
        una.get("/leads").await?.expect(200)?;
        una.lead("Ada").await?;
        ensure!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    }
    // Those that never send their headers, or their body, are not waited for.
    let ended = slow.iter_mut().map(async |connection| {
        let mut answer = Vec::new();
        timeout(Duration::from_secs(40), connection.read_to_end(&mut answer)).await.is_ok()
    });
    let ended = join_all(ended).await.into_iter().filter(|ended| *ended).count();
    ensure!(ended == 500, "{ended} of 500 were ended");
    ensure!(una.get("/leads").await?.expect(200)?.body["total"]["value"] == 20);
    Ok(())
}

/// What is answered to these very bytes, until the connection is closed or quiet; and whether it was closed.
async fn raw(system: &System, bytes: &[u8]) -> Result<(String, bool)> {
    let mut connection = TcpStream::connect(system.base().trim_start_matches("http://")).await?;
    connection.write_all(bytes).await?;
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    let closed = loop {
        match timeout(Duration::from_secs(2), connection.read(&mut piece)).await {
            Ok(Ok(0) | Err(_)) => break true,
            Ok(Ok(count)) => answer.extend_from_slice(&piece[..count]),
            Err(_elapsed) => break false,
        }
    };
    Ok((String::from_utf8_lossy(&answer).into_owned(), closed))
}

#[tokio::test]
async fn malformed_requests_are_refused_and_nothing_is_smuggled() -> Result<()> {
    let system = System::start_on(Mode::AllInOne, None, &[]).await?;
    let una = system.register("Una").await?;
    let token = una.token.as_deref().unwrap_or_default();
    let head = format!(
        "POST /api/v1/leads HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
    );
    let smuggled = format!(
        "DELETE /api/v1/workspace/members/{} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n",
        una.user
    );
    let body = r#"{"name":"Ada"}"#;
    for framing in [
        // Two lengths, or a length and chunks: readers differ on where such a request ends.
        format!("Content-Length: 4\r\nContent-Length: {}\r\n\r\n{body}{smuggled}", body.len()),
        format!(
            "Content-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}",
            5 + smuggled.len()
        ),
        format!("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("Content-Length: -1\r\n\r\n{body}{smuggled}"),
        format!("Content-Length: 99999999999999999999\r\n\r\n{body}"),
        format!("Content-Length : {}\r\n\r\n{body}", body.len()),
        "Transfer-Encoding: chunked\r\n\r\nZZ\r\n".to_owned() + body,
    ] {
        let (answer, closed) = raw(&system, format!("{head}{framing}").as_bytes()).await?;
        ensure!(
            !answer.contains(" 201 ") && !answer.contains(" 204 ") && !answer.contains(" 409 "),
            "{framing:?}: {answer}"
        );
        ensure!(!answer.contains(" 500 ") && closed, "{framing:?}: {answer}");
    }
    // A length and chunks with a body that is good: the chunks count, and the connection is closed behind them, so that nothing
    // that follows is read (RFC 9112, section 6.3). hyper drops the length before the gateway could refuse the request for it.
    let both = [
        format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n", body.len()),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {}\r\n", body.len()),
    ];
    for framing in both {
        let chunks = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        let (answer, closed) =
            raw(&system, format!("{head}{framing}\r\n{chunks}{smuggled}").as_bytes()).await?;
        ensure!(answer.matches("HTTP/1.1 ").count() == 1, "{framing:?}: {answer}");
        ensure!(answer.to_lowercase().contains("connection: close") && closed, "{framing:?}: {answer}");
    }
    for lead in una.get("/leads").await?.expect(200)?.ids() {
        una.delete(&format!("/leads/{lead}")).await?.expect(204)?;
    }
    for odd in [
        "GET / HTTP/9.9\r\n\r\n".to_owned(),
        "NOT HTTP AT ALL\r\n\r\n".to_owned(),
        "\0\0\0\0\r\n\r\n".to_owned(),
        format!("GET /api/v1/leads HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-A: b\r\n".repeat(2000)),
        format!("GET /api/v1/leads HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "a".repeat(200_000)),
        format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(200_000)),
        "GET /api/v1/leads HTTP/1.1\r\nHost: x\r\nX-Odd: a\0b\r\n\r\n".to_owned(),
    ] {
        let (answer, closed) = raw(&system, odd.as_bytes()).await?;
        ensure!(
            !answer.contains(" 200 ") && !answer.contains(" 500 ") && closed,
            "{:?}: {answer}",
            &odd[..40.min(odd.len())]
        );
    }
    ensure!(una.get("/leads").await?.expect(200)?.items().is_empty());
    una.get("/auth/me").await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn a_flood_of_requests_is_answered_or_turned_away_and_passes() -> Result<()> {
    let _turn = TURN.acquire().await?;
    let system = System::start_on(Mode::AllInOne, None, &[]).await?;
    let una = system.register("Una").await?;
    let ask = (0..1500).map(async |number: usize| -> Result<u16> {
        let answer = match number % 3 {
            0 => una.get("/analytics/dashboard").await?,
            1 => una.get("/leads?q=ada").await?,
            _ => una.post("/leads", &json!({ "name": "Ada" })).await?,
        };
        if answer.status == 503 {
            ensure!(!answer.header("retry-after").is_empty(), "{}", answer.body);
        }
        Ok(answer.status.as_u16())
    });
    let mut made = 0;
    for status in try_join_all(ask).await? {
        ensure!(matches!(status, 200 | 201 | 503 | 429), "{status}");
        made += usize::from(status == 201);
    }
    // It comes back by itself, with what it acknowledged.
    wait_until(Duration::from_secs(10), "it answers again", async || {
        una.get("/leads?limit=1").await.is_ok_and(|page| page.status == 200)
    })
    .await?;
    let page = una.get("/leads?limit=1").await?.expect(200)?;
    ensure!(
        page.body["total"]["value"].as_u64() >= Some(made as u64) && made > 50,
        "{made}: {}",
        page.body["total"]
    );
    let nothing = una.with(("accept", "*/*"), Method::GET, "/auth/me", &Value::Null).await?;
    nothing.expect(200)?;
    Ok(())
}
