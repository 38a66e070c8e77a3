//! HTTP/2 on the public port, frame by frame: floods that no library would send. The connection ends, or is held back; others are
//! answered meanwhile, and memory stays bounded.

#![allow(clippy::print_stdout, reason = "figures are shown to who asks for them")]

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures::future::{join_all, try_join_all};
use leadline_tests::{Client, Mode, Part, System};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Semaphore,
    task::JoinHandle,
    time::{sleep, timeout},
};

/// Others' calls take milliseconds; in a debug build on a machine that does the flooding too, no longer than this.
const BARELY: Duration = Duration::from_secs(2);
/// What a flood may cost in memory, in MiB.
const MOST_MEMORY: u64 = 48;
/// A client that doesn't answer is given up after 20 s and 20 s more.
const GIVEN_UP: Duration = Duration::from_secs(60);

/// Two at once: what they measure is not to be each other.
static TURN: Semaphore = Semaphore::const_new(2);

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// RFC 9113, section 4.1.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let mut frame = length.to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A text in HPACK, without Huffman's code (RFC 7541, section 5.2).
fn hpack_text(text: &str, block: &mut Vec<u8>) {
    let mut length = text.len();
    if length < 127 {
        block.extend(u8::try_from(length));
    } else {
        block.push(127);
        length -= 127;
        while length >= 128 {
            block.extend(u8::try_from(length % 128 + 128));
            length /= 128;
        }
        block.extend(u8::try_from(length));
    }
    block.extend(text.as_bytes());
}

/// Headers in HPACK, each with its name, in no table.
fn headers(headers: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(0);
        hpack_text(name, &mut block);
        hpack_text(value, &mut block);
    }
    block
}

/// The headers of a request of somebody's.
fn request(client: &Client, method: &str, path: &str) -> Vec<u8> {
    let token = format!("Bearer {}", client.token.as_deref().unwrap_or_default());
    headers(&[
        (":method", method),
        (":scheme", "http"),
        (":authority", "x"),
        (":path", path),
        ("authorization", &token),
        ("content-type", "application/json"),
    ])
}

fn address(system: &System) -> String {
    system.base().trim_start_matches("http://").to_owned()
}

/// A client that has opened HTTP/2.
async fn opened(address: &str) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await?;
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await?;
    Ok(stream)
}

/// The same, with somebody who reads all that is answered and throws it away, until the end.
async fn read_away(address: &str) -> Result<(OwnedWriteHalf, JoinHandle<()>)> {
    let (mut from, to) = opened(address).await?.into_split();
    let reader = tokio::spawn(async move {
        let mut piece = vec![0; 64 * 1024];
        while matches!(from.read(&mut piece).await, Ok(1..)) {}
    });
    Ok((to, reader))
}

/// The next frame: kind, flags, stream, payload.
async fn next_frame(from: &mut (impl AsyncReadExt + Unpin)) -> Result<(u8, u8, u32, Vec<u8>)> {
    let mut head = [0; 9];
    from.read_exact(&mut head).await?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; usize::try_from(length)?];
    from.read_exact(&mut payload).await?;
    Ok((head[3], head[4], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload))
}

/// Resident and peak memory of the program, in MiB.
fn memory(system: &mut System) -> Result<(u64, u64)> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", system.process(Part::Leadline)?.pid()))?;
    let read = |name: &str| -> Result<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).context("no such figure")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1024)
    };
    Ok((read("VmRSS:")?, read("VmHWM:")?))
}

/// Somebody who does no harm reads and writes while others do, and never waits long. Gives what the others came to.
async fn beside<T>(una: &Client, harm: impl Future<Output = Result<T>>) -> Result<T> {
    let mut slowest = Duration::ZERO;
    let mut calls = 0;
    let work = async {
        loop {
            let started = Instant::now();
            una.get("/leads?limit=1").await?.expect(200)?;
            una.lead("Ada").await?;
            slowest = slowest.max(started.elapsed());
            calls += 1;
            ensure!(slowest < BARELY, "somebody else waited {slowest:?}");
            sleep(Duration::from_millis(20)).await;
        }
    };
    let done = tokio::select! {
        done = harm => done?,
        failed = work => match failed {
            Ok(never) => never,
            Err(error) => return Err(error),
        },
    };
    println!("{calls} pairs of others' calls, the slowest {slowest:?}");
    Ok(done)
}

async fn limited() -> Result<(System, Client, Client)> {
    let system = System::start_on(Mode::AllInOne, None, &[("LEADLINE_RATE_LIMITS", "on")]).await?;
    let (una, eve) = (system.register("Una").await?, system.register("Eve").await?);
    una.lead("Ada").await?;
    Ok((system, una, eve))
}

/// As it was before: it answers, over HTTP/2 as well, and its memory is bounded.
async fn recovered(system: &mut System, una: &Client, before: u64) -> Result<()> {
    una.get("/leads").await?.expect(200)?;
    is_answered(&address(system), una).await?;
    let (now, peak) = memory(system)?;
    println!("{before} MiB before, {now} MiB after, {peak} MiB at most");
    ensure!(peak < before + MOST_MEMORY, "{before} MiB before, {peak} MiB at most");
    Ok(())
}

/// These frames are understood: a good request is answered 200.
async fn is_answered(address: &str, una: &Client) -> Result<()> {
    let mut stream = opened(address).await?;
    let block = request(una, "GET", "/api/v1/leads?limit=1");
    stream.write_all(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &block)).await?;
    let answer = timeout(Duration::from_secs(10), async {
        loop {
            match next_frame(&mut stream).await? {
                (HEADERS, _, 1, block) => return Ok(block),
                (RST_STREAM | 7, ..) => bail!("refused"),
                _ => {}
            }
        }
    });
    // 200 has a number of its own (RFC 7541, appendix A).
    ensure!(answer.await??.first() == Some(&0x88), "not answered 200");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_requests_that_are_begun_and_reset_hold_nobody_up() -> Result<()> {
    let _turn = TURN.acquire().await?;
    const REQUESTS: u32 = 10_000;
    const AT_ONCE: u32 = 100;
    let (mut system, una, eve) = limited().await?;
    let (address, before) = (address(&system), memory(&mut system)?.0);
    is_answered(&address, &eve).await?;
    let cancel = 8_u32.to_be_bytes();
    let flood = async {
        let (mut sent, mut connections) = (0, 0);
        while sent < REQUESTS {
            connections += 1;
            ensure!(connections < 2_000, "{sent} requests took {connections} connections");
            let (mut to, reader) = read_away(&address).await?;
            let mut stream = 1;
            while sent < REQUESTS {
                let mut frames = Vec::new();
                for nth in 0..AT_ONCE {
                    let (method, path) =
                        if nth % 2 == 0 { ("GET", "/api/v1/leads") } else { ("GET", "/api/v1/activity") };
                    let block = request(&eve, method, path);
                    frames.extend(frame(HEADERS, END_STREAM | END_HEADERS, stream, &block));
                    frames.extend(frame(RST_STREAM, 0, stream, &cancel));
                    stream += 2;
                }
                // It may close the connection; then on with the next.
                if !matches!(timeout(Duration::from_secs(5), to.write_all(&frames)).await, Ok(Ok(()))) {
                    break;
                }
                sent += AT_ONCE;
            }
            drop(to);
            let _ = timeout(Duration::from_secs(5), reader).await;
        }
        Ok((sent, connections))
    };
    let (sent, connections) = beside(&una, flood).await?;
    println!("{sent} requests begun and reset on {connections} connections");
    recovered(&mut system, &una, before).await
}

/// Writes these frames again and again, for so long or until the connection is closed; gives how many bytes went out, and whether
/// it was closed.
async fn pour(to: &mut OwnedWriteHalf, frames: &[u8], how_long: Duration) -> (usize, bool) {
    let (began, mut bytes) = (Instant::now(), 0);
    while began.elapsed() < how_long {
        match timeout(how_long, to.write_all(frames)).await {
            Ok(Ok(())) => bytes += frames.len(),
            Ok(Err(_closed)) => return (bytes, true),
            Err(_held_back) => return (bytes, false),
        }
    }
    (bytes, false)
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_of_frames_end_the_connection_or_are_held_back() -> Result<()> {
    let _turn = TURN.acquire().await?;
    const POUR: Duration = Duration::from_millis(1500);
    let (mut system, una, eve) = limited().await?;
    let (address, before) = (address(&system), memory(&mut system)?.0);
    let begun = request(&eve, "POST", "/api/v1/leads");
    let one_more = frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes());
    // What opens it, what is then poured, and whether the connection must not outlive it.
    let floods = [
        ("settings", vec![], frame(SETTINGS, 0, 0, &[]), false),
        ("settings that change", vec![], frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 255, 255]), false),
        ("acknowledged settings", vec![], frame(SETTINGS, ACK, 0, &[]), true),
        ("pings", vec![], frame(PING, 0, 0, b"12345678"), false),
        ("answers to pings that nobody sent", vec![], frame(PING, ACK, 0, b"12345678"), false),
        ("priorities", vec![], frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 1]), false),
        ("room for more", vec![], one_more, false),
        ("unknown frames", vec![], frame(0x42, 0, 0, b"x"), false),
        ("bodies of nothing", frame(HEADERS, END_HEADERS, 1, &begun), frame(DATA, 0, 1, &[]), true),
        ("headers of nothing", frame(HEADERS, 0, 1, &begun), frame(CONTINUATION, 0, 1, &[]), true),
        (
            "headers without end",
            frame(HEADERS, 0, 1, &begun),
            frame(CONTINUATION, 0, 1, &headers(&[("x-more", &"a".repeat(16_000))])),
            true,
        ),
        ("resets of nothing", vec![], frame(RST_STREAM, 0, 1, &8_u32.to_be_bytes()), true),
    ];
    for (name, opening, flood, must_end) in floods {
        let flood = flood.repeat((64 * 1024 / flood.len()).max(1));
        let logged = system.output().len();
        let harm = async {
            // One reads what is answered, one doesn't: what is to be answered must not heap up.
            let (mut reads, reader) = read_away(&address).await?;
            let (unread, mut ignores): (OwnedReadHalf, OwnedWriteHalf) = opened(&address).await?.into_split();
            reads.write_all(&opening).await?;
            ignores.write_all(&opening).await?;
            let poured = tokio::join!(pour(&mut reads, &flood, POUR), pour(&mut ignores, &flood, POUR));
            drop((reads, ignores, unread));
            let _ = timeout(Duration::from_secs(5), reader).await;
            Ok(poured)
        };
        let (reads, ignores) = beside(&una, harm).await?;
        println!(
            "{name}: {} KiB, {} KiB unread; {:?}",
            reads.0 / 1024,
            ignores.0 / 1024,
            (reads.1, ignores.1)
        );
        ensure!(reads.1 || !must_end, "{name} go on for ever: {} KiB", reads.0 / 1024);
        let logged = system.output().len() - logged;
        ensure!(logged < 64 * 1024, "{name} wrote {logged} bytes into the log");
        recovered(&mut system, &una, before).await.with_context(|| name.to_owned())?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_unpack_to_too_much_are_refused() -> Result<()> {
    let _turn = TURN.acquire().await?;
    let (mut system, una, eve) = limited().await?;
    let (address, before) = (address(&system), memory(&mut system)?.0);
    let harm = async {
        for _ in 0..20 {
            let (mut to, reader) = read_away(&address).await?;
            // A header that is kept in the table, and then named again and again: a byte each.
            let mut block = request(&eve, "GET", "/api/v1/leads");
            block.push(0x40);
            hpack_text("x-bomb", &mut block);
            hpack_text(&"b".repeat(3_900), &mut block);
            block.resize(16_000, 0x80 | 62);
            for stream in (1..400).step_by(2) {
                let frame = frame(HEADERS, END_STREAM | END_HEADERS, stream, &block);
                if !matches!(timeout(Duration::from_secs(5), to.write_all(&frame)).await, Ok(Ok(()))) {
                    break;
                }
            }
            drop(to);
            let _ = timeout(Duration::from_secs(5), reader).await;
        }
        Ok(())
    };
    beside(&una, harm).await?;
    recovered(&mut system, &una, before).await
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_half_open_connections_hold_nobody_up_and_are_given_up() -> Result<()> {
    let _turn = TURN.acquire().await?;
    const KINDS: [&str; 5] = ["nothing", "half of the preface", "silence", "half of the headers", "no body"];
    let (mut system, una, eve) = limited().await?;
    let (address, before) = (address(&system), memory(&mut system)?.0);
    let block = request(&eve, "POST", "/api/v1/leads");
    let open = (0..500).map(async |number: usize| -> Result<(usize, TcpStream)> {
        let kind = number % KINDS.len();
        let stream = match kind {
            0 => TcpStream::connect(&address).await?,
            1 => {
                let mut stream = TcpStream::connect(&address).await?;
                stream.write_all(b"PRI * HTTP/2.0\r\n").await?;
                stream
            }
            2 => opened(&address).await?,
            3 => {
                let mut stream = opened(&address).await?;
                stream.write_all(&frame(HEADERS, 0, 1, &block[..block.len() / 2])).await?;
                stream
            }
            _ => {
                let mut stream = opened(&address).await?;
                stream.write_all(&frame(HEADERS, END_HEADERS, 1, &block)).await?;
                stream
            }
        };
        Ok((kind, stream))
    });
    let half_open = beside(&una, async { try_join_all(open).await }).await;
    let half_open = half_open.with_context(|| system.last_words(20))?;
    let ended = half_open.into_iter().map(async |(kind, mut stream)| {
        let mut answer = Vec::new();
        (kind, timeout(GIVEN_UP, stream.read_to_end(&mut answer)).await.is_ok())
    });
    let ended = beside(&una, async { Ok(join_all(ended).await) }).await?;
    for (kind, name) in KINDS.iter().enumerate() {
        let kept = ended.iter().filter(|(of, ended)| *of == kind && !ended).count();
        ensure!(kept == 0, "{kept} of 100 that sent {name} are still there after {GIVEN_UP:?}");
    }
    recovered(&mut system, &una, before).await
}
