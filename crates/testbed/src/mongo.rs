//! MongoDB: one server for a test run, or one that a test owns and may kill.

use std::env;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use mongodb::Client;
use mongodb::bson::{Document, doc};
use tokio::sync::OnceCell;

use crate::folder::Folder;
use crate::process::{Process, is_program, on_path};
use crate::wait::{eventually, free_port, fresh_prefix};

/// Names a MongoDB that is there already; then tests use that and start none.
pub const MONGODB_URL: &str = "TEST_MONGODB_URL";

/// How large the cache of a server that is started here is, in GB: little, since tests have several at once.
const CACHE_GB: &str = "TEST_MONGODB_CACHE_GB";
const LITTLE_CACHE: &str = "0.5";
const REPLICA_SET: &str = "rs0";
/// How much of its cache may wait to be written, in percent.
const EVICTION: &str = "eviction_dirty_target=20,eviction_dirty_trigger=40,eviction_updates_target=10,eviction_updates_trigger=30";
/// Starting takes about a second alone, and many times that when every core compiles.
const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// The MongoDB all tests use that do not kill theirs.
#[derive(Debug, Clone)]
pub struct SharedMongo {
    uri: String,
}

impl SharedMongo {
    /// Its URI, without a database.
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// Its URI with a new prefix for database names as its path, as `LEADLINE_STORE` takes it: nobody else's tests
    /// see these databases.
    #[must_use]
    pub fn fresh_uri(&self) -> String {
        with_path(&self.uri, &fresh_prefix())
    }
}

/// The MongoDB this process's tests share: the one `TEST_MONGODB_URL` names, else one started at the first call, which
/// ends with the process. It is a replica set of one, so transactions and change streams work.
///
/// # Errors
/// When none is installed (the error names the command that does), or it does not start.
pub async fn mongo() -> Result<SharedMongo> {
    static OURS: OnceCell<Mongo> = OnceCell::const_new();
    if let Some(uri) = env::var(MONGODB_URL).ok().filter(|uri| !uri.is_empty()) {
        return Ok(SharedMongo { uri });
    }
    let ours = OURS.get_or_try_init(Mongo::start_private).await?;
    Ok(SharedMongo { uri: ours.uri() })
}

/// A MongoDB server of the test's own: a replica set of one, or a member of a [`ReplicaSet`](crate::ReplicaSet).
/// Dropping it kills it and removes its data.
#[derive(Debug)]
pub struct Mongo {
    // Before the folder: a server is ended before its files are removed.
    process: Process,
    folder: Folder,
    binary: PathBuf,
    port: u16,
    certificates: Option<Certificates>,
}

/// What a server shows over TLS: files in PEM.
#[derive(Debug, Clone)]
pub struct Certificates {
    /// The authority that its certificate is of.
    pub ca: PathBuf,
    /// Its certificate; for MongoDB with the key in the same file.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl Mongo {
    /// Starts one that speaks to others over TLS only.
    ///
    /// # Errors
    /// As [`Mongo::start_private`].
    pub async fn start_with(certificates: Certificates) -> Result<Self> {
        Self::start(Some(certificates)).await
    }

    /// Starts one and awaits that it takes writes.
    ///
    /// # Errors
    /// When none is installed (the error names the command that does), or it does not start.
    pub async fn start_private() -> Result<Self> {
        Self::start(None).await
    }

    async fn start(certificates: Option<Certificates>) -> Result<Self> {
        let mongo = Self::start_bare(certificates).await?;
        mongo
            .initiate(doc! {
                "_id": REPLICA_SET,
                "members": [{ "_id": 0, "host": mongo.addr().to_string() }],
            })
            .await?;
        mongo.wait_until_serving().await?;
        Ok(mongo)
    }

    /// Starts a server that is no member of a replica set yet.
    pub(crate) async fn start_uninitiated() -> Result<Self> {
        Self::start_bare(None).await
    }

    async fn start_bare(certificates: Option<Certificates>) -> Result<Self> {
        let binary = mongod()?;
        let mut clashes = 0;
        loop {
            let folder = Folder::new()?;
            let port = free_port()?;
            match launch(&binary, &folder, port, certificates.as_ref()).await {
                Ok(process) => {
                    return Ok(Self { process, folder, binary, port, certificates });
                }
                // Another process took the port between the asking and the binding.
                Err(error) if clashes < 3 && format!("{error:#}").contains("already in use") => {
                    clashes += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Makes it the first member of a replica set.
    pub(crate) async fn initiate(&self, config: Document) -> Result<()> {
        self.run(doc! { "replSetInitiate": config }).await?;
        Ok(())
    }

    /// Its URI, without a database; the driver finds the primary by itself, also after a restart.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("mongodb://{}/?replicaSet={REPLICA_SET}{}", self.addr(), self.over_tls())
    }

    /// For an address's options.
    fn over_tls(&self) -> String {
        let ca = self.certificates.as_ref().map(|certificates| certificates.ca.display());
        ca.map(|ca| format!("&tls=true&tlsCAFile={ca}")).unwrap_or_default()
    }

    /// Its URI with a new prefix for database names as its path, as `LEADLINE_STORE` takes it.
    #[must_use]
    pub fn fresh_uri(&self) -> String {
        with_path(&self.uri(), &fresh_prefix())
    }

    /// A URI that reaches it at `addr` only, say through a [`Proxy`](crate::Proxy), with a new prefix for database
    /// names as its path.
    #[must_use]
    pub fn fresh_uri_at(&self, addr: SocketAddr) -> String {
        format!("mongodb://{addr}/{}?directConnection=true", fresh_prefix())
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// The process, to look at.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// The folder that holds its data and its log.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Ends it by SIGKILL.
    ///
    /// # Errors
    /// When it does not die.
    pub async fn kill(&mut self) -> Result<()> {
        self.process.kill().await
    }

    /// Ends it in good order.
    ///
    /// # Errors
    /// When it does not end within half a minute, or has ended already.
    pub async fn stop(&mut self) -> Result<()> {
        let code = self.process.terminate(STOP_LIMIT).await?;
        ensure!(code == 0, "mongod ended with {code}");
        Ok(())
    }

    /// Starts it on the same data and port after [`kill`](Self::kill) or [`stop`](Self::stop), and awaits that it
    /// takes writes (as a member of a larger set: that it is primary or secondary).
    ///
    /// # Errors
    /// When it still runs, or does not start.
    pub async fn start_again(&mut self) -> Result<()> {
        ensure!(self.process.exit_code().is_some(), "mongod still runs");
        self.process = launch(&self.binary, &self.folder, self.port, self.certificates.as_ref()).await?;
        self.wait_until_serving().await
    }

    /// Freezes it: the port stays open and nothing answers.
    ///
    /// # Errors
    /// When it has ended.
    pub fn pause(&self) -> Result<()> {
        self.process.pause()
    }

    /// Thaws it.
    ///
    /// # Errors
    /// When it has ended.
    pub fn resume(&self) -> Result<()> {
        self.process.resume()
    }

    /// Makes the primary step down for `seconds`. Connected clients see a change of primary; alone in its set, it
    /// becomes primary again after that time.
    ///
    /// # Errors
    /// When it is not the primary, or `seconds` is 0.
    pub async fn step_down(&self, seconds: u32) -> Result<()> {
        self.run(
            doc! { "replSetStepDown": seconds, "secondaryCatchUpPeriodSecs": seconds.saturating_sub(1).min(5), "force": true },
        )
        .await?;
        Ok(())
    }

    /// Runs an admin command on this very server.
    ///
    /// # Errors
    /// What the server answers, or that it does not answer within five seconds.
    pub async fn run(&self, command: Document) -> Result<Document> {
        let uri = format!(
            "mongodb://{}/?directConnection=true&serverSelectionTimeoutMS=5000&connectTimeoutMS=5000{}",
            self.addr(),
            self.over_tls()
        );
        // A client of its own for every call: it must not outlive the runtime of the test that calls.
        let client = Client::with_uri_str(uri).await?;
        let answer = client.database("admin").run_command(command).await;
        client.shutdown().await;
        Ok(answer?)
    }

    pub(crate) async fn is_primary(&self) -> bool {
        let hello = self.run(doc! { "hello": 1 }).await;
        hello.is_ok_and(|hello| hello.get_bool("isWritablePrimary").unwrap_or(false))
    }

    pub(crate) async fn wait_until_serving(&self) -> Result<()> {
        eventually(START_LIMIT, "MongoDB serves", async || {
            let hello = self.run(doc! { "hello": 1 }).await?;
            let alone = hello.get_array("hosts").map_or(0, Vec::len) == 1;
            let primary = hello.get_bool("isWritablePrimary").unwrap_or(false);
            let secondary = hello.get_bool("secondary").unwrap_or(false);
            ensure!(primary || (secondary && !alone), "it says {hello}");
            Ok(())
        })
        .await
    }
}

fn cache_gb() -> String {
    env::var(CACHE_GB).ok().filter(|size| !size.is_empty()).unwrap_or_else(|| LITTLE_CACHE.to_owned())
}

async fn launch(
    binary: &Path,
    folder: &Folder,
    port: u16,
    certificates: Option<&Certificates>,
) -> Result<Process> {
    let data = folder.join("data");
    std::fs::create_dir_all(&data)?;
    let mut command = Command::new(binary);
    command
        .arg("--dbpath")
        .arg(&data)
        .args(["--port", &port.to_string(), "--bind_ip", "127.0.0.1", "--nounixsocket"])
        .args(["--replSet", REPLICA_SET, "--oplogSize", "128"])
        .args(["--wiredTigerCacheSizeGB", &cache_gb()])
        // As the deployment sets it: see `deploy/mongodb/start.sh`.
        .args(["--wiredTigerEngineConfigString", EVICTION])
        .args(["--setParameter", "diagnosticDataCollectionEnabled=false"])
        // What a killed process had begun holds its locks for this long. As the deployments set it: a little more than
        // the ten seconds that a transaction of ours may take.
        .args(["--setParameter", "transactionLifetimeLimitSeconds=15"])
        // In good order, but without the fifteen seconds in which clients could look for another primary.
        .args(["--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100"]);
    if let Some(certificates) = certificates {
        command.args(["--tlsMode", "requireTLS", "--tlsCertificateKeyFile"]).arg(&certificates.certificate);
        command.arg("--tlsCAFile").arg(&certificates.ca).arg("--tlsAllowConnectionsWithoutCertificates");
    }
    let mut process = Process::start(&command, folder.join("mongod.log"))?;
    process.wait_for_port(port, START_LIMIT).await?;
    Ok(process)
}

/// The server's program: `LEADLINE_TEST_MONGOD`, what `scripts/install-test-servers` installed, or `mongod` on `PATH`.
fn mongod() -> Result<PathBuf> {
    if let Some(named) = env::var_os("LEADLINE_TEST_MONGOD").map(PathBuf::from) {
        ensure!(is_program(&named), "LEADLINE_TEST_MONGOD names {}, which is no program", named.display());
        return Ok(named);
    }
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/mongod/path");
    if is_program(&installed) {
        return installed.canonicalize().context("cannot follow .tools/mongod/path");
    }
    match on_path("mongod") {
        Some(found) => Ok(found),
        None => bail!(
            "there is no mongod here; install it with scripts/install-test-servers, or name one in {MONGODB_URL}"
        ),
    }
}

/// The URI with `path` in place of its own, keeping the database it signs in against.
pub(crate) fn with_path(uri: &str, path: &str) -> String {
    let (scheme, rest) = uri.split_once("://").unwrap_or(("mongodb", uri));
    let (before, options) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, old_path) = before.split_once('/').unwrap_or((before, ""));
    let mut options = options.to_owned();
    if authority.contains('@') && !options.to_ascii_lowercase().contains("authsource=") {
        let source = if old_path.is_empty() { "admin" } else { old_path };
        if !options.is_empty() {
            options.push('&');
        }
        options.push_str("authSource=");
        options.push_str(source);
    }
    let mark = if options.is_empty() { "" } else { "?" };
    format!("{scheme}://{authority}/{path}{mark}{options}")
}

#[cfg(test)]
mod tests {
    use super::with_path;

    #[test]
    fn a_path_replaces_the_old_one_and_keeps_hosts_options_and_sign_in() {
        assert_eq!(with_path("mongodb://h:1", "p"), "mongodb://h:1/p");
        assert_eq!(with_path("mongodb://h:1,i:2/?replicaSet=rs0", "p"), "mongodb://h:1,i:2/p?replicaSet=rs0");
        assert_eq!(with_path("mongodb://u:w@h/db", "p"), "mongodb://u:w@h/p?authSource=db");
        assert_eq!(
            with_path("mongodb://u:w@h/?tls=true", "p"),
            "mongodb://u:w@h/p?tls=true&authSource=admin"
        );
        assert_eq!(with_path("mongodb://u:w@h/x?authSource=y", "p"), "mongodb://u:w@h/p?authSource=y");
    }
}
