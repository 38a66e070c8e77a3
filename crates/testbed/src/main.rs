//! `testbed exec COMMAND…` runs a command with a MongoDB and a RabbitMQ that live as long as it does.

use std::env;
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode, ExitStatus};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result};
use leadline_testbed::{AMQP_URL, MONGODB_URL, Mongo, Rabbit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

const USAGE: &str = "usage: testbed exec COMMAND [ARGUMENT…]

Starts MongoDB and RabbitMQ, runs COMMAND with their URIs in TEST_MONGODB_URL and TEST_AMQP_URL, stops both, and ends
with COMMAND's exit code. A server whose variable is set already is not started.
";

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let verb = arguments.next();
    let command: Vec<OsString> = arguments.collect();
    let asked = verb.as_deref().and_then(|verb| verb.to_str());
    match (asked, command.split_first()) {
        (Some("exec"), Some((program, arguments))) => match exec(program, arguments).await {
            Ok(code) => ExitCode::from(code),
            Err(error) => {
                say(&format!("{error:#}"));
                ExitCode::FAILURE
            }
        },
        (Some("--help" | "-h"), _) => {
            std::io::stdout().write_all(USAGE.as_bytes()).ok();
            ExitCode::SUCCESS
        }
        _ => {
            std::io::stderr().write_all(USAGE.as_bytes()).ok();
            ExitCode::from(2)
        }
    }
}

async fn exec(program: &OsString, arguments: &[OsString]) -> Result<u8> {
    let mut signals = Signals::listen()?;
    let began = Instant::now();
    let (mongo, rabbit) = tokio::select! {
        started = async { tokio::try_join!(start_mongo(), start_rabbit()) } => started?,
        number = signals.next() => return Ok(128 + number),
    };

    let mut command = Command::new(program);
    command.args(arguments);
    forget_cargo(&mut command);
    if let Some(mongo) = &mongo {
        command.env(MONGODB_URL, mongo.uri());
    }
    if let Some(rabbit) = &rabbit {
        command.env(AMQP_URL, rabbit.uri());
    }
    say(&format!("servers are up after {:.1} s", began.elapsed().as_secs_f32()));

    let mut child = command.spawn().with_context(|| format!("cannot run {}", program.display()))?;
    let pid = child.id();
    let (tell, mut ended) = oneshot::channel();
    thread::spawn(move || tell.send(child.wait()));
    loop {
        tokio::select! {
            status = &mut ended => return Ok(code_of(status.context("lost the command")??)),
            number = signals.next() => {
                // Ctrl-C reaches the command by itself: the terminal sends it to both.
                if number != Signals::INTERRUPT {
                    forward(number, pid)?;
                }
            }
        }
    }
}

async fn start_mongo() -> Result<Option<Mongo>> {
    if is_set(MONGODB_URL) {
        return Ok(None);
    }
    Mongo::start_private().await.map(Some)
}

async fn start_rabbit() -> Result<Option<Rabbit>> {
    if is_set(AMQP_URL) {
        return Ok(None);
    }
    Rabbit::start_private().await.map(Some)
}

fn is_set(variable: &str) -> bool {
    env::var_os(variable).is_some_and(|value| !value.is_empty())
}

/// What `cargo run` set for this program would make a cargo inside build crates again whose build scripts look at it.
fn forget_cargo(command: &mut Command) {
    for (key, _) in env::vars_os() {
        let name = key.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(key);
        }
    }
}

fn code_of(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|number| 128 + number));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

fn forward(number: u8, pid: u32) -> Result<()> {
    Command::new("sh")
        .args(["-c", r#"kill -"$1" "$2" 2>/dev/null"#, "kill", &number.to_string(), &pid.to_string()])
        .status()
        .context("cannot run sh")?;
    Ok(())
}

fn say(text: &str) {
    // A closed standard error leaves nobody to tell.
    writeln!(std::io::stderr(), "testbed: {text}").ok();
}

struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    const HANGUP: u8 = 1;
    const INTERRUPT: u8 = 2;
    const TERMINATE: u8 = 15;

    fn listen() -> Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// The number of the next signal.
    async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.hangup.recv() => Self::HANGUP,
            _ = self.interrupt.recv() => Self::INTERRUPT,
            _ = self.terminate.recv() => Self::TERMINATE,
        }
    }
}
