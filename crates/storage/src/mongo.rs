//! A MongoDB database: opening, single operations with a deadline, transactions with retries, migrations, plans.
//!
//! ```no_run
//! use leadline_storage::{Mongo, StorageError, bson::{Document, doc}};
//!
//! # async fn example(uri: &str) -> Result<(), StorageError> {
//! let mongo = Mongo::open(uri, &Mongo::database_name(uri, "leads")?, "leadline-leads").await?;
//! mongo.wait_ready(std::future::pending()).await?;
//!
//! let leads = mongo.collection::<Document>("leads");
//! let found = mongo.run(leads.find_one(doc! { "_id": "1" })).await?;
//! # drop(found);
//!
//! let log = mongo.collection::<Document>("log");
//! mongo
//!     .transact(async move |session| -> Result<(), StorageError> {
//!         leads.insert_one(doc! { "_id": "2" }).session(&mut *session).await?;
//!         log.insert_one(doc! { "lead": "2" }).session(&mut *session).await?;
//!         Ok(())
//!     })
//!     .await?;
//! mongo.close().await;
//! # Ok(())
//! # }
//! ```

mod count;
mod migrate;
mod plan;
mod pool;
mod schema;
pub(crate) mod transaction;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bson::{Document, doc};
use mongodb::options::{
    ClientOptions, ConnectionString, HostInfo, ReadConcern, ReadPreference, SelectionCriteria, WriteConcern,
};
use mongodb::{Client, ClientSession, Collection, Database};
use tokio::sync::watch;

use crate::error::one_line;
use crate::{Coalesce, StorageError};

pub use count::Count;
pub use migrate::MongoMigration;
pub use plan::plan_stages;
pub use schema::{ensure_collection, ensure_index, index, replace_index, unique_index};

/// The longest that one operation, or all attempts at one transaction, may take.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// How long the driver looks for a primary before an operation fails.
const SERVER_SELECTION: Duration = Duration::from_secs(5);
/// Connections to each node, unless the address says otherwise (the driver's own 10 are few for transactions).
const POOL: u32 = 50;
/// The prefix of the databases' names when the address has no path.
const PREFIX: &str = "leadline";
/// What to do about a server that cannot do transactions.
pub(crate) const STANDALONE: &str = "MongoDB runs without a replica set, and transactions need one (a single node will do): start mongod with --replSet rs0, then run rs.initiate() once in mongosh";

/// A service's MongoDB database. Clones share the client and its connections.
#[derive(Clone)]
pub struct Mongo {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    database: Database,
    /// Hosts, without user and password, for messages.
    at: String,
    committed: watch::Sender<u64>,
    /// Counts under way.
    counts: Coalesce<Vec<u8>, Result<u64, StorageError>>,
}

impl fmt::Debug for Mongo {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Mongo")
            .field("at", &self.inner.at)
            .field("database", &self.inner.database.name())
            .finish_non_exhaustive()
    }
}

impl Mongo {
    /// Prepares the client; connects in the background, so that it succeeds while the server is down
    /// (see [`wait_ready`](Self::wait_ready)).
    ///
    /// Whatever the address says: writes are acknowledged by a majority and journalled, reads are of majority-committed data
    /// on the primary, and a server is looked for during 5 s. `app_name` is what the server's log calls us.
    ///
    /// The address's path is a prefix for database names ([`database_name`](Self::database_name)); with a user name in the
    /// address, say `authSource=admin` too, since the driver otherwise looks for the user in a database of the path's name.
    ///
    /// # Errors
    /// [`StorageError::BadUrl`]; its line never repeats user name or password.
    pub async fn open(uri: &str, database: &str, app_name: &str) -> Result<Self, StorageError> {
        let parsed = parse(uri)?;
        check_database_name(database)?;
        let at = hosts(&parsed);
        let mut options = ClientOptions::parse(parsed).await.map_err(|_| bad_uri(uri, ""))?;
        options.app_name = Some(app_name.to_owned());
        options.server_selection_timeout = Some(SERVER_SELECTION);
        options.connect_timeout = Some(SERVER_SELECTION);
        options.read_concern = Some(ReadConcern::majority());
        options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
        let mut majority = WriteConcern::majority();
        majority.journal = Some(true);
        majority.w_timeout = Some(DEADLINE);
        options.write_concern = Some(majority);
        options.max_pool_size.get_or_insert(POOL);
        options.cmap_event_handler = Some(pool::watch(database));
        let client = Client::with_options(options).map_err(|_| bad_uri(uri, ""))?;
        let database = client.database(database);
        let (committed, counts) = (watch::channel(0).0, Coalesce::default());
        Ok(Self { inner: Arc::new(Inner { client, database, at, committed, counts }) })
    }

    /// The name of a service's database: `mongodb://h/acme` and `leads` give `acme_leads`; without a path `leadline_leads`.
    ///
    /// # Errors
    /// [`StorageError::BadUrl`] if the address cannot be read or the name would not do as a database's name.
    pub fn database_name(uri: &str, service: &str) -> Result<String, StorageError> {
        let prefix =
            parse(uri)?.default_database.filter(|name| !name.is_empty()).unwrap_or_else(|| PREFIX.to_owned());
        let name = format!("{prefix}_{service}");
        check_database_name(&name)?;
        Ok(name)
    }

    /// Waits until a primary of a replica set (or a router of a sharded cluster) answers, and says in the log every few
    /// seconds what it waits for. Gives up when `stop` resolves.
    ///
    /// # Errors
    /// [`StorageError::BadUrl`] at once for a server without replica set, with what to do about it;
    /// [`StorageError::Unavailable`] when stopped.
    pub async fn wait_ready(&self, stop: impl Future<Output = ()>) -> Result<(), StorageError> {
        let mut stop = std::pin::pin!(stop);
        let mut last = String::new();
        loop {
            let why = tokio::select! {
                () = &mut stop => {
                    return Err(StorageError::Unavailable(format!("stopped while waiting for MongoDB at {}{last}", self.inner.at)));
                }
                state = self.state() => match state {
                    Ok(None) => return Ok(()),
                    Ok(Some(why)) => why,
                    Err(error @ StorageError::BadUrl(_)) => return Err(error),
                    Err(StorageError::Unavailable(why)) => why,
                    Err(other) => other.to_string(),
                },
            };
            tracing::warn!("waiting for MongoDB at {}: {why}", self.inner.at);
            last = format!(": {why}");
            tokio::select! {
                () = &mut stop => {
                    return Err(StorageError::Unavailable(format!("stopped while waiting for MongoDB at {}{last}", self.inner.at)));
                }
                () = tokio::time::sleep(Duration::from_secs(2)) => {}
            }
        }
    }

    /// Whether a primary answers: for readiness.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] or [`StorageError::BadUrl`] as [`wait_ready`](Self::wait_ready).
    pub async fn ping(&self) -> Result<(), StorageError> {
        self.state().await?.map_or(Ok(()), |why| Err(StorageError::Unavailable(why)))
    }

    /// `None` if it can serve, else why not yet.
    pub(crate) async fn state(&self) -> Result<Option<String>, StorageError> {
        let hello = self.run(self.inner.client.database("admin").run_command(doc! { "hello": 1 })).await?;
        if matches!(hello.get_str("msg"), Ok("isdbgrid")) {
            return Ok(None);
        }
        if !hello.contains_key("setName") {
            return match hello.get_bool("isreplicaset") {
                Ok(true) => {
                    Ok(Some("the replica set is not initiated: run rs.initiate() once in mongosh".to_owned()))
                }
                _ => Err(StorageError::BadUrl(STANDALONE.to_owned())),
            };
        }
        if matches!(hello.get_bool("isWritablePrimary"), Ok(true)) {
            return Ok(None);
        }
        Ok(Some("the node is not the primary".to_owned()))
    }

    /// Runs one operation (or a future of several reads) with the deadline of [`DEADLINE`], and sorts its error.
    ///
    /// ```no_run
    /// # use leadline_storage::{Mongo, StorageError, bson::{Document, doc}};
    /// # use futures::TryStreamExt;
    /// # async fn example(mongo: Mongo) -> Result<(), StorageError> {
    /// let leads = mongo.collection::<Document>("leads");
    /// mongo.run(leads.update_one(doc! { "_id": 1 }, doc! { "$set": { "a": 2 } })).await?;
    /// let all: Vec<Document> = mongo.run(async { leads.find(doc! {}).await?.try_collect().await }).await?;
    /// # drop(all); Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The driver's error as a [`StorageError`]; [`StorageError::TimedOut`] at the deadline, after which a write may still
    /// have happened.
    pub async fn run<T, O>(&self, operation: O) -> Result<T, StorageError>
    where
        O: IntoFuture<Output = mongodb::error::Result<T>>,
    {
        let _span = tracing::debug_span!("store operation", db.system = "mongodb", otel.kind = "client");
        match tokio::time::timeout(DEADLINE, operation.into_future()).await {
            Ok(result) => result.map_err(StorageError::from),
            Err(_) => Err(StorageError::TimedOut),
        }
    }

    /// Runs several reads that see one and the same moment: that of the first. Unlike a transaction it has nothing to commit.
    /// **Pass `session(&mut *session)` to every operation**, find and aggregate only.
    ///
    /// # Errors
    /// What `work` returned; [`StorageError::TimedOut`] at the deadline.
    pub async fn at_one_moment<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: for<'s> AsyncFnOnce(&'s mut ClientSession) -> Result<T, E>,
        E: From<StorageError>,
    {
        let _span = tracing::debug_span!("store read", db.system = "mongodb", otel.kind = "client");
        let read = async {
            let session = self.inner.client.start_session().snapshot(true).await;
            work(&mut session.map_err(StorageError::from)?).await
        };
        tokio::time::timeout(DEADLINE, read).await.unwrap_or_else(|_| Err(StorageError::TimedOut.into()))
    }

    /// The service's database.
    pub fn database(&self) -> &Database {
        &self.inner.database
    }

    /// The driver's client, for what this type does not offer.
    pub fn client(&self) -> &Client {
        &self.inner.client
    }

    /// A collection of the service's database.
    pub fn collection<T: Send + Sync>(&self, name: &str) -> Collection<T> {
        self.inner.database.collection(name)
    }

    /// The number of transactions that this value and its clones committed, as a signal: it changes after each. A relay waits
    /// on `changed()` and then reads what is new; what other replicas commit, it finds by polling.
    pub fn committed(&self) -> watch::Receiver<u64> {
        self.inner.committed.subscribe()
    }

    /// The server's plan for a command, such as `doc! { "find": "leads", "filter": …, "sort": … }`: for tests that a query
    /// uses the index meant for it (see [`plan_stages`]).
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn explain(&self, command: Document) -> Result<Document, StorageError> {
        self.run(self.inner.database.run_command(doc! { "explain": command, "verbosity": "queryPlanner" }))
            .await
    }

    /// Ends the connections of every clone, after waiting up to 5 s for open sessions and cursors. Call it before the
    /// runtime ends.
    pub async fn close(&self) {
        let client = &self.inner.client;
        if tokio::time::timeout(Duration::from_secs(5), client.clone().shutdown()).await.is_err() {
            client.clone().shutdown().immediate(true).await;
        }
    }
}

/// Parses an address; the error never repeats a secret.
pub(crate) fn parse(uri: &str) -> Result<ConnectionString, StorageError> {
    let parsed = ConnectionString::parse(uri).map_err(|error| bad_uri(uri, &error.to_string()))?;
    if matches!(parsed.host_info, HostInfo::DnsRecord(_)) {
        return Err(bad_uri(uri, "mongodb+srv is not supported, write the hosts out"));
    }
    Ok(parsed)
}

fn bad_uri(uri: &str, why: &str) -> StorageError {
    let advice =
        "write mongodb://host:27017/prefix?replicaSet=rs0, and percent-encode user name and password";
    // Whatever stands before an @ can be a password, and then the driver's message may quote a part of it.
    if why.is_empty() || uri.contains('@') {
        return StorageError::BadUrl(format!("the MongoDB address {} cannot be used: {advice}", shown(uri)));
    }
    let why = why
        .split_once("message: \"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .map_or(why, |(inner, _)| inner);
    let why = why
        .split(", labels:")
        .next()
        .unwrap_or(why)
        .trim_start_matches("Kind: An invalid argument was provided: ");
    StorageError::BadUrl(format!("the MongoDB address cannot be used ({}): {advice}", one_line(why)))
}

/// An address without user name, password and options.
pub(crate) fn shown(uri: &str) -> String {
    let rest = uri.strip_prefix("mongodb://").unwrap_or(uri);
    let (secret, open) = match rest.rsplit_once('@') {
        Some((_, open)) => ("***@", open),
        None => ("", rest),
    };
    let open = open.split('?').next().unwrap_or_default();
    format!("mongodb://{secret}{open}")
}

fn hosts(parsed: &ConnectionString) -> String {
    match &parsed.host_info {
        HostInfo::HostIdentifiers(hosts) => {
            hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
        }
        _ => String::new(),
    }
}

/// MongoDB's own rules, and its limit of 63 bytes.
fn check_database_name(name: &str) -> Result<(), StorageError> {
    if name.is_empty()
        || name.len() > 63
        || name.contains(['/', '\\', '.', ' ', '"', '$', '*', '<', '>', ':', '|', '?', '\0'])
    {
        return Err(StorageError::BadUrl(format!(
            "{name:?} cannot be the name of a MongoDB database: use at most 63 letters, digits, - and _ in the address's path and the service's name"
        )));
    }
    Ok(())
}

/// The reason inside the driver's long message about the topology.
pub(crate) fn why_no_server(message: &str) -> String {
    let Some((_, error)) = message.split_once("Error: ") else {
        return "there is no primary (is the replica set initiated, and has it a majority of its nodes?)"
            .to_owned();
    };
    let error = error.strip_prefix("Kind: ").unwrap_or(error);
    let error = error.split(", labels:").next().unwrap_or(error);
    let error = error.strip_prefix("I/O error: ").unwrap_or(error);
    let error = error.split(" (os error").next().unwrap_or(error);
    let mut error = one_line(error);
    if let Some(first) = error.get(..1).map(str::to_lowercase) {
        error.replace_range(..1, &first);
    }
    error
}
