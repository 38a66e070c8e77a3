//! What the machine gives without Leadline: a bare server, a prepared SELECT, the driver alone. All else is a share of these.

use std::{net::Ipv4Addr, process::Stdio, sync::Arc};

use anyhow::{Context, Result};
use axum::{Json, Router, routing::get};
use futures::TryStreamExt;
use http_body_util::Full;
use hyper::{Request, StatusCode, body::Bytes, client::conn::http1::SendRequest};
use leadline_proto::leads::{GetLeadRequest, leads_service_client::LeadsServiceClient};
use leadline_storage::{
    bson::{Document, doc},
    mongodb::{
        Client, Collection,
        options::{ClientOptions, ReadConcern, WriteConcern},
    },
    rusqlite::{Connection, OpenFlags},
};
use leadline_tests::{Mode, Part};
use rand::{SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpListener,
    process::{Child, Command},
    task::block_in_place,
};
use tonic::transport::Channel;
use uuid::Uuid;

use crate::{
    load::{self, AsyncWork, Run, closed},
    settings::Settings,
    site::Site,
};

/// What the argument of the bare server is: this program, run again.
pub const HELLO: &str = "hello";

/// Answers everything with what a lead looks like, until standard input ends.
///
/// # Errors
/// If there is no port.
#[allow(clippy::print_stdout, reason = "its address")]
pub async fn hello() -> Result<()> {
    let lead = json!({
        "id": Uuid::nil(), "name": "Ada Lovelace", "email": "ada@example.test", "phone": "+44 20 7946 0958",
        "company": "Engines & Sons", "source": "Website", "status": "New", "tags": ["fair"], "notes": [], "owner": null,
        "createdBy": { "id": Uuid::nil(), "name": "Una" }, "createdAt": "2026-11-23T09:30:00.000Z",
        "updatedAt": "2026-11-23T09:30:00.000Z", "statusChangedAt": "2026-11-23T09:30:00.000Z",
        "lastActivityAt": "2026-11-23T09:30:00.000Z", "nextFollowUpAt": null, "version": 1,
    });
    let routes = Router::new().route("/", get(async move || Json(lead)));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("{}", listener.local_addr()?);
    let mut stdin = BufReader::new(tokio::io::stdin()).lines();
    axum::serve(listener, routes)
        .with_graceful_shutdown(async move { while let Ok(Some(_)) = stdin.next_line().await {} })
        .await?;
    Ok(())
}

/// A bare axum server in a process of its own; ends with its value.
pub struct Hello {
    address: String,
    // Its standard input ends with it.
    _process: Child,
}

impl Hello {
    /// Starts it.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn start() -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(HELLO).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn()?;
        let mut lines = BufReader::new(process.stdout.take().context("no output")?).lines();
        let address = lines.next_line().await?.context("the bare server names no address")?;
        Ok(Self { address, _process: process })
    }

    /// How fast it answers.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn measure(&self, settings: &Settings) -> Result<Run> {
        let address = self.address.clone();
        closed(settings.connections, settings.time, |_| Greeting::new(address.clone())).await
    }
}

struct Greeting {
    sender: SendRequest<Full<Bytes>>,
    address: String,
}

impl Greeting {
    async fn new(address: String) -> Result<Self> {
        Ok(Self { sender: load::connect(&address).await?, address })
    }
}

impl AsyncWork for Greeting {
    async fn once(&mut self) -> Result<()> {
        let request = Request::get("/").header("host", &self.address).body(Full::new(Bytes::new()))?;
        load::ask(&mut self.sender, (request, StatusCode::OK)).await?;
        Ok(())
    }
}

/// The limits of a site's own store, by name.
///
/// # Errors
/// If the store can't be asked.
pub async fn of_store(site: &Site, settings: &Settings) -> Result<Vec<(&'static str, Run)>> {
    let ids = site.places.first().context("no workspace")?.leads.clone();
    if site.mode == Mode::AllInOne {
        let path = site.system.folder().join("data/leads.db");
        let run =
            closed(2, settings.time, |number| std::future::ready(Select::new(&path, ids.clone(), number)));
        return Ok(vec![("a prepared SELECT by id", run.await?)]);
    }
    let part = if site.mode == Mode::Distributed { Part::Leads } else { Part::Leadline };
    let uri = site.system.setting(part, "LEADLINE_STORE").context("no store is set")?;
    let database = leadline_storage::Mongo::database_name(&uri, "leads")?;
    let mut options = ClientOptions::parse(&uri).await?;
    options.read_concern = Some(ReadConcern::majority());
    let mut majority = WriteConcern::majority();
    majority.journal = Some(true);
    options.write_concern = Some(majority);
    let client = Client::with_options(options)?;
    let leads = client.database(&database).collection::<Document>("leads");
    let mut limits = Vec::new();
    let run = closed(settings.connections, settings.time, |number| {
        std::future::ready(Ok(Find { leads: leads.clone(), ids: ids.clone(), draw: draw(number) }))
    });
    limits.push(("the driver's find_one by id", run.await?));
    let samples: Vec<Document> = leads.find(doc! {}).limit(500).await?.try_collect().await?;
    let activity = client.database(&database).collection::<Document>("activity");
    let entry = activity.find_one(doc! {}).await?.context("no activity")?;
    let run = closed(settings.connections * 2, settings.time, |number| {
        std::future::ready(Ok(Transaction {
            client: client.clone(),
            leads: leads.clone(),
            activity: activity.clone(),
            samples: samples.clone(),
            entry: entry.clone(),
            draw: draw(number),
        }))
    });
    limits.push(("the driver's transaction of a create", run.await?));
    // What it made belongs to nobody.
    leads.delete_many(doc! { "workspaceId": OF_THE_BENCH }).await?;
    activity.delete_many(doc! { "workspaceId": OF_THE_BENCH }).await?;
    if site.mode == Mode::Distributed {
        let address = site.system.grpc(Part::Leads).to_owned();
        let token = site.places.first().and_then(|place| place.person.token.clone()).unwrap_or_default();
        let run = closed(settings.connections, settings.time, |number| {
            Grpc::connect(address.clone(), token.clone(), ids.clone(), number)
        });
        limits.push(("the leads service's GetLead over gRPC", run.await?));
    }
    client.shutdown().await;
    Ok(limits)
}

/// A workspace that nobody has.
const OF_THE_BENCH: &str = "bench";

fn draw(number: usize) -> StdRng {
    StdRng::seed_from_u64(number as u64)
}

struct Select {
    connection: Connection,
    ids: Arc<Vec<String>>,
    draw: StdRng,
}

impl Select {
    fn new(path: &std::path::Path, ids: Arc<Vec<String>>, number: usize) -> Result<Self> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        Ok(Self { connection, ids, draw: draw(number) })
    }
}

impl AsyncWork for Select {
    async fn once(&mut self) -> Result<()> {
        block_in_place(|| {
            let id = Uuid::parse_str(self.ids.choose(&mut self.draw).context("no lead")?)?;
            let mut select =
                self.connection.prepare_cached("SELECT name, email, version FROM leads WHERE id = ?1")?;
            select.query_row([id.as_bytes()], |row| row.get::<_, String>(0))?;
            Ok(())
        })
    }
}

struct Find {
    leads: Collection<Document>,
    ids: Arc<Vec<String>>,
    draw: StdRng,
}

impl AsyncWork for Find {
    async fn once(&mut self) -> Result<()> {
        let id = self.ids.choose(&mut self.draw).context("no lead")?;
        self.leads.find_one(doc! { "_id": id }).await?.context("a lead is gone")?;
        Ok(())
    }
}

/// The same two rows that a create writes, in one transaction, with the same indexes to keep.
struct Transaction {
    client: Client,
    leads: Collection<Document>,
    activity: Collection<Document>,
    samples: Vec<Document>,
    entry: Document,
    draw: StdRng,
}

impl AsyncWork for Transaction {
    async fn once(&mut self) -> Result<()> {
        let mut lead = self.samples.choose(&mut self.draw).context("no lead")?.clone();
        let id = Uuid::now_v7().to_string();
        lead.insert("_id", &id);
        lead.insert("workspaceId", OF_THE_BENCH);
        let mut entry = self.entry.clone();
        entry.insert("_id", Uuid::now_v7().to_string());
        entry.insert("workspaceId", OF_THE_BENCH);
        entry.insert("leadId", &id);
        entry.insert("published", true);
        let mut session = self.client.start_session().await?;
        session.start_transaction().await?;
        self.leads.insert_one(&lead).session(&mut session).await?;
        self.activity.insert_one(&entry).session(&mut session).await?;
        session.commit_transaction().await?;
        Ok(())
    }
}

/// A call of the service without the gateway.
struct Grpc {
    leads: LeadsServiceClient<Channel>,
    token: String,
    ids: Arc<Vec<String>>,
    draw: StdRng,
}

impl Grpc {
    async fn connect(address: String, token: String, ids: Arc<Vec<String>>, number: usize) -> Result<Self> {
        let channel = Channel::from_shared(address)?.tcp_nodelay(true).connect().await?;
        Ok(Self {
            leads: LeadsServiceClient::new(channel),
            token: format!("Bearer {token}"),
            ids,
            draw: draw(number),
        })
    }
}

impl AsyncWork for Grpc {
    async fn once(&mut self) -> Result<()> {
        let id = self.ids.choose(&mut self.draw).context("no lead")?.clone();
        let mut request = tonic::Request::new(GetLeadRequest { id });
        request.metadata_mut().insert("authorization", self.token.parse()?);
        self.leads.get_lead(request).await?;
        Ok(())
    }
}
