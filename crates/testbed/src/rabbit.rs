//! RabbitMQ: one server for a test run, or one that a test owns and may kill.

use std::env;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use lapin::{Connection, ConnectionProperties};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;

use crate::folder::Folder;
use crate::mongo::Certificates;
use crate::process::{Process, is_program, on_path};
use crate::wait::{eventually, free_port, fresh_prefix, wait_until};

/// Names a RabbitMQ that is there already; then tests use that and start none.
pub const AMQP_URL: &str = "TEST_AMQP_URL";

/// Where Debian's package has the programs themselves; those on `PATH` change the user.
const PROGRAMS: &str = "/usr/lib/rabbitmq/bin";
/// Starting takes three to nine seconds alone, and many times that when every core compiles.
const START_LIMIT: Duration = Duration::from_secs(120);
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// The RabbitMQ all tests use that do not kill theirs.
#[derive(Debug, Clone)]
pub struct SharedRabbit {
    uri: String,
}

impl SharedRabbit {
    /// Its URI: `amqp://user:password@host:port/vhost`.
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// A new prefix for the names of exchanges and queues: nobody else's tests see these.
    #[must_use]
    pub fn fresh_prefix(&self) -> String {
        fresh_prefix()
    }
}

/// The RabbitMQ this process's tests share: the one `TEST_AMQP_URL` names, else one started at the first call, which
/// ends with the process.
///
/// # Errors
/// When none is installed (the error names the command that does), or it does not start.
pub async fn rabbit() -> Result<SharedRabbit> {
    static OURS: OnceCell<Rabbit> = OnceCell::const_new();
    if let Some(uri) = env::var(AMQP_URL).ok().filter(|uri| !uri.is_empty()) {
        return Ok(SharedRabbit { uri });
    }
    let ours = OURS.get_or_try_init(Rabbit::start_private).await?;
    Ok(SharedRabbit { uri: ours.uri() })
}

/// A RabbitMQ server of the test's own. Dropping it kills it and removes its data.
#[derive(Debug)]
pub struct Rabbit {
    // In this order they end: the server, the port mapper it registers with, their files.
    server: Process,
    mapper: Process,
    folder: Folder,
    ports: Ports,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    amqp: u16,
    tls: u16,
    distribution: u16,
    mapper: u16,
}

impl Rabbit {
    /// Starts one and awaits that it serves clients.
    ///
    /// # Errors
    /// When none is installed (the error names the command that does), or it does not start.
    pub async fn start_private() -> Result<Self> {
        Self::start(None).await
    }

    /// Starts one that listens for TLS besides, at [`Rabbit::tls_uri`].
    ///
    /// # Errors
    /// As [`Rabbit::start_private`].
    pub async fn start_with(certificates: &Certificates) -> Result<Self> {
        Self::start(Some(certificates)).await
    }

    async fn start(certificates: Option<&Certificates>) -> Result<Self> {
        ensure!(
            is_program(&Path::new(PROGRAMS).join("rabbitmq-server")),
            "there is no RabbitMQ here; install it with scripts/install-test-servers, or name one in {AMQP_URL}"
        );
        let mut clashes = 0;
        loop {
            match Self::try_start(certificates).await {
                Ok(rabbit) => return Ok(rabbit),
                // Another process took a port between the asking and the binding.
                Err(error) if clashes < 3 && is_clash(&format!("{error:#}")) => clashes += 1,
                Err(error) => return Err(error),
            }
        }
    }

    async fn try_start(certificates: Option<&Certificates>) -> Result<Self> {
        let folder = Folder::new()?;
        let ports =
            Ports { amqp: free_port()?, tls: free_port()?, distribution: free_port()?, mapper: free_port()? };
        std::fs::write(folder.join("env.conf"), "")?;
        std::fs::write(folder.join("enabled_plugins"), "[].\n")?;
        // The log for its reader here; a small write-ahead log, since hundreds of megabytes would be the default.
        let mut settings = "log.file = false\nlog.console = true\nlog.console.level = info\n\
             disk_free_limit.absolute = 50MB\nraft.wal_max_size_bytes = 33554432\n"
            .to_owned();
        if let Some(certificates) = certificates {
            let shown = |path: &Path| path.display().to_string();
            settings.push_str(&format!(
                "listeners.ssl.1 = 127.0.0.1:{}\nssl_options.cacertfile = {}\nssl_options.certfile = {}\n\
                 ssl_options.keyfile = {}\nssl_options.verify = verify_none\n",
                ports.tls,
                shown(&certificates.ca),
                shown(&certificates.certificate),
                shown(&certificates.key),
            ));
        }
        std::fs::write(folder.join("rabbitmq.conf"), settings)?;
        // A port mapper of our own: the one the server would start outlives it.
        let mut command = Command::new(port_mapper()?);
        command.args(["-address", "127.0.0.1", "-port", &ports.mapper.to_string()]);
        let mut mapper = Process::start(&command, folder.join("epmd.log"))?;
        mapper.wait_for_port(ports.mapper, START_LIMIT).await?;

        let server = launch(&folder, ports).await?;
        let rabbit = Self { server, mapper, folder, ports };
        rabbit.wait_until_serving().await?;
        Ok(rabbit)
    }

    /// Its URI, as the user `guest` on the vhost `/`.
    #[must_use]
    pub fn uri(&self) -> String {
        self.uri_at(self.addr())
    }

    /// A URI that reaches it at `addr`, say through a [`Proxy`](crate::Proxy).
    #[must_use]
    pub fn uri_at(&self, addr: SocketAddr) -> String {
        format!("amqp://guest:guest@{addr}/%2f")
    }

    /// Its URI over TLS, if it was started with certificates.
    #[must_use]
    pub fn tls_uri(&self) -> String {
        format!("amqps://guest:guest@127.0.0.1:{}/%2f", self.ports.tls)
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.ports.amqp))
    }

    /// The server's process, to look at.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.server
    }

    /// The folder that holds its data and its logs.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Ends it by SIGKILL.
    ///
    /// RabbitMQ 3.10 notes the place of a new quorum queue up to half a second after it has confirmed messages in
    /// it; killed before that, it comes back with the queue but without a leader for it, for ever. So this awaits that
    /// the places are noted, two seconds at most (a frozen server notes nothing).
    ///
    /// # Errors
    /// When it does not die.
    pub async fn kill(&mut self) -> Result<()> {
        // Having waited in vain is no reason to let it live.
        wait_until(Duration::from_secs(2), "the places of queues are noted", async || {
            self.queues_are_noted()
        })
        .await
        .ok();
        self.server.kill().await?;
        wait_until(STOP_LIMIT, "the killed RabbitMQ's port is closed", async || {
            TcpStream::connect(self.addr()).await.is_err()
        })
        .await
    }

    /// Whether the file with the places of quorum queues is saved: its bytes 8 to 11 say that it is closed properly.
    fn queues_are_noted(&self) -> bool {
        let file = self.folder.join("data/test@localhost/quorum/test@localhost/names.dets");
        std::fs::read(file).is_ok_and(|bytes| bytes.get(8..12) == Some(&[0, 0, 0, 1]))
    }

    /// Ends it in good order.
    ///
    /// # Errors
    /// When it does not end within a minute, or has ended already.
    pub async fn stop(&mut self) -> Result<()> {
        let code = self.server.terminate(STOP_LIMIT).await?;
        ensure!(code == 0, "rabbitmq-server ended with {code}");
        Ok(())
    }

    /// Starts it on the same data and ports after [`kill`](Self::kill) or [`stop`](Self::stop), and awaits that it
    /// serves clients.
    ///
    /// # Errors
    /// When it still runs, or does not start.
    pub async fn start_again(&mut self) -> Result<()> {
        ensure!(self.server.exit_code().is_some(), "RabbitMQ still runs");
        // The mapper keeps the name of a killed node until it has seen its connection end.
        let mapper = self.mapper.pid();
        ensure!(self.mapper.exit_code().is_none(), "the port mapper {mapper} has ended");
        self.server = launch(&self.folder, self.ports).await?;
        self.wait_until_serving().await
    }

    /// Freezes it: the port stays open and nothing answers.
    ///
    /// # Errors
    /// When it has ended.
    pub fn pause(&self) -> Result<()> {
        self.server.pause()
    }

    /// Thaws it.
    ///
    /// # Errors
    /// When it has ended.
    pub fn resume(&self) -> Result<()> {
        self.server.resume()
    }

    /// Runs `rabbitmqctl` on it (a second or two a call) and gives what it wrote: `["list_queues", "name", "messages"]`,
    /// `["close_all_connections", "a test"]`.
    ///
    /// # Errors
    /// What `rabbitmqctl` complains of.
    pub async fn ctl(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(Path::new(PROGRAMS).join("rabbitmqctl"));
        set_environment(&mut command, &self.folder, self.ports);
        command.arg("-q").args(arguments);
        let mut run = Process::start(&command, self.folder.join("rabbitmqctl.log"))?;
        let code = run.wait(STOP_LIMIT).await?;
        let said = run.output();
        ensure!(code == 0, "rabbitmqctl {arguments:?} ended with {code}: {said}");
        Ok(said)
    }

    async fn wait_until_serving(&self) -> Result<()> {
        eventually(START_LIMIT, "RabbitMQ serves", async || {
            let connection = Connection::connect(&self.uri(), ConnectionProperties::default()).await?;
            let channel = connection.create_channel().await?;
            // A channel opened is the proof wanted; how the connection ends does not matter.
            connection.close(200, "it serves".into()).await.ok();
            drop(channel);
            Ok(())
        })
        .await
    }
}

async fn launch(folder: &Folder, ports: Ports) -> Result<Process> {
    let mut command = Command::new(Path::new(PROGRAMS).join("rabbitmq-server"));
    set_environment(&mut command, folder, ports);
    let mut server = Process::start(&command, folder.join("rabbitmq.log"))?;
    server.wait_for_port(ports.amqp, START_LIMIT).await?;
    Ok(server)
}

fn set_environment(command: &mut Command, folder: &Folder, ports: Ports) {
    // Of its own settings in the caller's environment none may reach this node.
    for (key, _) in env::vars_os() {
        if key.to_string_lossy().starts_with("RABBITMQ_") {
            command.env_remove(key);
        }
    }
    command
        .current_dir(folder.path())
        .env("HOME", folder.path())
        .env("RABBITMQ_CONF_ENV_FILE", folder.join("env.conf"))
        .env("RABBITMQ_NODENAME", "test@localhost")
        .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_NODE_PORT", ports.amqp.to_string())
        .env("RABBITMQ_DIST_PORT", ports.distribution.to_string())
        .env("RABBITMQ_MNESIA_BASE", folder.join("data"))
        .env("RABBITMQ_LOG_BASE", folder.join("logs"))
        .env("RABBITMQ_PID_FILE", folder.join("pid"))
        .env("RABBITMQ_CONFIG_FILE", folder.join("rabbitmq"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", folder.join("enabled_plugins"))
        .env("ERL_EPMD_PORT", ports.mapper.to_string())
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        .env(
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
            // Without busy waiting: idle schedulers leave the cores to the tests.
            "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none",
        );
}

fn is_clash(error: &str) -> bool {
    let error = error.to_ascii_lowercase();
    ["already in use", "eaddrinuse", "dist_port_already_used"].iter().any(|clash| error.contains(clash))
}

/// Erlang's port mapper, epmd.
fn port_mapper() -> Result<PathBuf> {
    if let Some(found) = on_path("epmd") {
        return Ok(found);
    }
    let erlang = Path::new("/usr/lib/erlang/bin/epmd");
    if is_program(erlang) {
        return erlang.canonicalize().context("cannot follow the link to epmd");
    }
    bail!("Erlang's epmd is not here; install it with scripts/install-test-servers")
}
