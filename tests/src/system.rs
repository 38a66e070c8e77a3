//! The programs, running.

use std::{
    collections::BTreeMap,
    future::Future,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use leadline_testbed::{Folder, Process, free_port, wait_until};
use tokio::runtime::Runtime;

use crate::client::Client;

/// How long a program may take to be ready: a debug build on a busy machine.
const START: Duration = Duration::from_secs(60);

/// The ways to run Leadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// One program, SQLite, events in memory.
    AllInOne,
    /// One program, MongoDB, RabbitMQ.
    OnServers,
    /// Five programs, MongoDB, RabbitMQ.
    Distributed,
}

/// A program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// All in one.
    Leadline,
    /// The auth service.
    Auth,
    /// The leads service.
    Leads,
    /// The reminders service.
    Reminders,
    /// The analytics service.
    Analytics,
    /// The gateway.
    Gateway,
}

impl Part {
    /// The programs of the distributed mode.
    pub const DISTRIBUTED: [Self; 5] =
        [Self::Auth, Self::Leads, Self::Reminders, Self::Analytics, Self::Gateway];

    /// Its file's name.
    #[must_use]
    pub fn program(self) -> &'static str {
        match self {
            Self::Leadline => "leadline",
            Self::Auth => "leadline-auth",
            Self::Leads => "leadline-leads",
            Self::Reminders => "leadline-reminders",
            Self::Analytics => "leadline-analytics",
            Self::Gateway => "leadline-gateway",
        }
    }
}

/// Where rows and events go, if not into files and memory.
#[derive(Debug, Clone)]
pub struct Servers {
    /// A `mongodb://` URI with a prefix for the names of databases.
    pub mongodb: String,
    /// An `amqp://` URI with a prefix for the names of queues.
    pub amqp: String,
}

/// Leadline, running. Ends with its value, and with the test process.
pub struct System {
    /// How it runs.
    pub mode: Mode,
    base: String,
    grpc: BTreeMap<Part, String>,
    /// The prefix of its databases, with the server that has them.
    mongodb: Option<String>,
    commands: BTreeMap<Part, Command>,
    /// What starts a program in its place: see [`System::start_by`].
    starters: BTreeMap<Part, Vec<String>>,
    // Before the folder: a program ends before its files go.
    running: BTreeMap<Part, Process>,
    folder: Folder,
}

impl System {
    /// The URI of its MongoDB, with the prefix of its databases' names, if it has one.
    #[must_use]
    pub fn mongodb(&self) -> Option<&str> {
        self.mongodb.as_deref()
    }

    /// Starts it with empty stores; on the shared test servers, where it needs any.
    ///
    /// # Errors
    /// If a program does not start, with the end of its output.
    pub async fn start(mode: Mode) -> Result<Self> {
        let servers = match mode {
            Mode::AllInOne => None,
            Mode::OnServers | Mode::Distributed => Some(shared_servers().await?),
        };
        Self::start_on(mode, servers, &[]).await
    }

    /// Starts it on servers of the test's own, with further settings for every program.
    ///
    /// # Errors
    /// If a program does not start, with the end of its output.
    pub async fn start_on(mode: Mode, servers: Option<Servers>, settings: &[(&str, &str)]) -> Result<Self> {
        let mut system = Self::prepare(mode, servers, settings)?;
        for part in system.parts() {
            system.launch(part)?;
        }
        system.ready().await?;
        Ok(system)
    }

    /// One of which nothing runs yet: see [`System::launch`].
    ///
    /// # Errors
    /// If its folder or its ports can't be had, or a program is not built.
    pub fn prepare(mode: Mode, servers: Option<Servers>, settings: &[(&str, &str)]) -> Result<Self> {
        let folder = Folder::new()?;
        let listen = free_port()?;
        let mut system = Self {
            mode,
            base: format!("http://127.0.0.1:{listen}"),
            grpc: BTreeMap::new(),
            mongodb: servers.as_ref().map(|servers| servers.mongodb.clone()),
            commands: BTreeMap::new(),
            starters: BTreeMap::new(),
            running: BTreeMap::new(),
            folder,
        };
        let mut common: Vec<(String, String)> = vec![
            ("LEADLINE_LISTEN".into(), format!("127.0.0.1:{listen}")),
            ("LEADLINE_RATE_LIMITS".into(), "off".into()),
            ("LEADLINE_METRICS_LISTEN".into(), "off".into()),
        ];
        if let Some(servers) = servers {
            common.push(("LEADLINE_STORE".into(), servers.mongodb));
            common.push(("LEADLINE_BUS".into(), servers.amqp));
        }
        common.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));

        if mode == Mode::Distributed {
            let key = system.folder.join("signing-key.pem");
            leadline_auth::SigningKeys::load_or_create(&key).map_err(|error| anyhow::anyhow!("{error}"))?;
            common.push(("LEADLINE_SIGNING_KEYS_FILE".into(), key.display().to_string()));
            common.push(("LEADLINE_SERVICE_SECRET".into(), uuid::Uuid::new_v4().to_string()));
            let mut ports = BTreeMap::new();
            for (part, name) in [
                (Part::Auth, "LEADLINE_AUTH"),
                (Part::Leads, "LEADLINE_LEADS"),
                (Part::Reminders, "LEADLINE_REMINDERS"),
                (Part::Analytics, "LEADLINE_ANALYTICS"),
            ] {
                let port = free_port()?;
                let address = format!("http://127.0.0.1:{port}");
                common.push((name.into(), address.clone()));
                ports.insert(part, port);
                system.grpc.insert(part, address);
            }
            for part in Part::DISTRIBUTED {
                let mut command = program(part)?;
                command.envs(common.iter().map(|(name, value)| (name, value)));
                if let Some(port) = ports.get(&part) {
                    command.env("LEADLINE_GRPC_LISTEN", format!("127.0.0.1:{port}"));
                }
                system.commands.insert(part, command);
            }
        } else {
            let port = free_port()?;
            for part in Part::DISTRIBUTED {
                system.grpc.insert(part, format!("http://127.0.0.1:{port}"));
            }
            let mut command = program(Part::Leadline)?;
            command.env("LEADLINE_DATA_DIR", system.folder.join("data"));
            command.env("LEADLINE_GRPC_LISTEN", format!("127.0.0.1:{port}"));
            command.envs(common.iter().map(|(name, value)| (name, value)));
            system.commands.insert(Part::Leadline, command);
        }
        Ok(system)
    }

    /// The programs that it consists of.
    #[must_use]
    pub fn parts(&self) -> Vec<Part> {
        self.commands.keys().copied().collect()
    }

    /// The gateway's address.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Where a service answers gRPC; all services of all-in-one answer at one address.
    #[must_use]
    pub fn grpc(&self, part: Part) -> &str {
        self.grpc.get(&part).map_or("", String::as_str)
    }

    /// The folder that it owns.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Sets a setting of one program, from its next start on.
    pub fn set(&mut self, part: Part, name: &str, value: &str) {
        if let Some(command) = self.commands.get_mut(&part) {
            command.env(name, value);
        }
    }

    /// What is to happen at which moment of a program, from its next start on: see `leadline_failpoints`.
    pub fn plan(&mut self, part: Part, failpoints: &str) {
        self.set(part, "FAILPOINTS", failpoints);
    }

    /// Lets another program start this one, from its next start on: `strace` with its options, say. Without words it is
    /// started by itself again.
    pub fn start_by(&mut self, part: Part, words: &[&str]) {
        self.starters.insert(part, words.iter().map(|word| (*word).to_owned()).collect());
    }

    /// Awaits that a program ends by itself, and gives its exit code.
    ///
    /// # Errors
    /// If it does not end in time, with the end of its output.
    pub async fn ended(&mut self, part: Part, limit: Duration) -> Result<i32> {
        let code = self.process(part)?.wait(limit).await?;
        self.running.remove(&part);
        Ok(code)
    }

    /// The command `health` of a program, with all its settings.
    ///
    /// # Errors
    /// If it is not one of this mode's.
    pub fn health(&self, part: Part) -> Result<Command> {
        let command = self.commands.get(&part).context("not a program of this mode")?;
        let mut health = Command::new(command.get_program());
        health.arg("health").current_dir("/");
        health.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Ok(health)
    }

    /// A setting that the system was started with.
    #[must_use]
    pub fn setting(&self, part: Part, name: &str) -> Option<String> {
        let mut settings = self.commands.get(&part)?.get_envs();
        settings.find(|(known, _)| *known == name)?.1?.to_str().map(str::to_owned)
    }

    /// A new person with a workspace of their own.
    ///
    /// # Errors
    /// If registering does not work.
    pub async fn register(&self, name: &str) -> Result<Client> {
        Client::register(&self.base, name).await
    }

    /// A running program.
    ///
    /// # Errors
    /// If it is not one of this mode's, or was killed.
    pub fn process(&mut self, part: Part) -> Result<&mut Process> {
        self.running.get_mut(&part).with_context(|| format!("{} is not running", part.program()))
    }

    /// Starts a program without waiting until it is ready.
    ///
    /// # Errors
    /// If it can't be started.
    pub fn launch(&mut self, part: Part) -> Result<()> {
        let own = self.commands.get(&part).context("not a program of this mode")?;
        let mut other = None;
        if let Some((starter, words)) = self.starters.get(&part).and_then(|words| words.split_first()) {
            let command = other.insert(Command::new(starter));
            command.args(words).arg(own.get_program()).current_dir("/");
            command.envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
        }
        let command = other.as_ref().unwrap_or(own);
        let process = Process::start(command, self.folder.join(&format!("{}.log", part.program())))?;
        self.running.insert(part, process);
        Ok(())
    }

    /// Starts one more of a program, on the same stores and queues but at an address of its own, which it gives. Who is to
    /// call it there is told by `settings` of another one.
    ///
    /// # Errors
    /// If it can't be started.
    pub fn replica(&self, part: Part, settings: &[(&str, &str)]) -> Result<(String, Process)> {
        let command = self.commands.get(&part).context("not a program of this mode")?;
        let port = free_port()?;
        let mut replica = Command::new(command.get_program());
        replica.current_dir("/");
        replica.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let listen = if part == Part::Gateway { "LEADLINE_LISTEN" } else { "LEADLINE_GRPC_LISTEN" };
        replica.env(listen, format!("127.0.0.1:{port}"));
        replica.envs(settings.iter().copied());
        let process = Process::start(&replica, self.folder.join(&format!("{}-{port}.log", part.program())))?;
        Ok((format!("http://127.0.0.1:{port}"), process))
    }

    /// SIGKILL.
    ///
    /// # Errors
    /// If it is not running.
    pub async fn kill(&mut self, part: Part) -> Result<()> {
        self.process(part)?.kill().await?;
        self.running.remove(&part);
        Ok(())
    }

    /// SIGTERM; gives the exit code.
    ///
    /// # Errors
    /// If it does not end within 15 seconds.
    pub async fn terminate(&mut self, part: Part) -> Result<i32> {
        let code = self.process(part)?.terminate(Duration::from_secs(15)).await?;
        self.running.remove(&part);
        Ok(code)
    }

    /// Waits until every part says that it is ready.
    ///
    /// # Errors
    /// If that takes more than a minute, with the end of every program's output.
    pub async fn ready(&mut self) -> Result<()> {
        let http = reqwest::Client::new();
        let url = format!("{}/readyz", self.base);
        let ready = wait_until(START, "every part is ready", async || {
            matches!(http.get(&url).send().await, Ok(answer) if answer.status().is_success())
                || self.running.values_mut().any(|process| process.exit_code().is_some())
        })
        .await;
        for (part, process) in &mut self.running {
            let output = process.output();
            let end = output.char_indices().rev().nth(3000).map_or(0, |(start, _)| start);
            let code = process.exit_code();
            ensure!(code.is_none(), "{} ended with {code:?}:\n{}", part.program(), &output[end..]);
            ensure!(ready.is_ok(), "{} and others are not ready:\n{}", part.program(), &output[end..]);
        }
        Ok(())
    }

    /// The last lines that every program has written, for messages.
    #[must_use]
    pub fn last_words(&self, lines: usize) -> String {
        let mut words = String::new();
        for (part, process) in &self.running {
            let output = process.output();
            let all: Vec<&str> = output.lines().collect();
            let last = all[all.len().saturating_sub(lines)..].join("\n");
            words.push_str(&format!("== {} wrote last:\n{last}\n", part.program()));
        }
        words
    }

    /// What every program has written.
    #[must_use]
    pub fn output(&self) -> String {
        self.running
            .iter()
            .map(|(part, process)| format!("== {}\n{}", part.program(), process.output()))
            .collect()
    }
}

/// Names of their own on the servers that all tests share.
///
/// # Errors
/// If a server can't be had.
pub async fn shared_servers() -> Result<Servers> {
    let mongo = leadline_testbed::mongo().await?;
    let rabbit = leadline_testbed::rabbit().await?;
    Ok(Servers {
        mongodb: mongo.fresh_uri(),
        amqp: format!("{}?prefix={}", rabbit.uri(), rabbit.fresh_prefix()),
    })
}

/// A program beside this test's: `cargo build --bins` puts it there.
///
/// # Errors
/// If it is not built.
pub fn program(part: Part) -> Result<Command> {
    let test = std::env::current_exe()?;
    let beside = test.ancestors().skip(1).map(|folder| folder.join(part.program()));
    let path: Option<PathBuf> = beside.take(3).find(|path| path.is_file());
    let path =
        path.with_context(|| format!("{} is not built: run `cargo build --bins` first", part.program()))?;
    let mut command = Command::new(path);
    command.current_dir("/");
    Ok(command)
}

/// Runs a test on the one system of its mode, in one runtime for all tests of the process.
///
/// # Errors
/// What the test says.
pub fn shared<F>(mode: Mode, test: impl FnOnce(&'static System) -> F) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    static SYSTEMS: Mutex<BTreeMap<Mode, &'static System>> = Mutex::new(BTreeMap::new());
    let runtime = RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads can be started")
    });
    let system = {
        // Held while it starts: the tests that need it wait here.
        let mut systems = SYSTEMS.lock().unwrap_or_else(PoisonError::into_inner);
        match systems.get(&mode) {
            Some(system) => *system,
            None => {
                // Leaked on purpose: it lives as long as the process, and its programs end with that.
                let system: &'static System = Box::leak(Box::new(runtime.block_on(System::start(mode))?));
                systems.insert(mode, system);
                system
            }
        }
    };
    runtime.block_on(test(system))
}
