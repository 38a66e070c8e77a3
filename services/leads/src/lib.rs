//! The leads service: leads, notes, the log of what was done, search.
//!
//! [`lead`] has the rules and knows no database and no wire; [`store`] is the port to where leads are kept; [`grpc`] is the
//! contract's edge. The log is the outbox: what is done to a lead and the events that tell of it are stored in one transaction.

pub mod activity;
pub mod backfill;
pub mod erasure;
pub mod event;
pub mod fields;
pub mod filter;
pub mod follow_up;
pub mod grpc;
#[cfg(any(test, feature = "fuzzing"))]
pub mod hostile;
pub mod import;
pub mod lead;
pub mod likeness;
pub mod members;
pub mod merge;
pub mod search;
pub mod stage;
pub mod store;
pub mod sweep;

use std::sync::Arc;

use leadline_bus::{Bus, BusUrl, topology};
use leadline_proto::leads::{
    imports_service_server::ImportsServiceServer, leads_service_server::LeadsServiceServer,
};
use leadline_runtime::{
    caller::ServiceSecret,
    config::{self, Program, Setting, Settings},
    health::HealthCheck,
    program::{self, Failure},
    revoked::Revocations,
    route::Route,
    serve, settings,
    stop::Stop,
    tls::Tls,
    tokens::Verifier,
};
use leadline_storage::StoreUrl;
use tonic::service::Routes;

use crate::{
    erasure::Erasures,
    follow_up::FollowUps,
    grpc::{Leads, imports::Imports},
    import::worker::{self, Worker},
    members::Members,
    store::Store,
};

/// The service's full gRPC name.
pub const NAME: &str = "leadline.leads.v1.LeadsService";

/// The full gRPC name of its calls about imports.
pub const IMPORTS_NAME: &str = "leadline.leads.v1.ImportsService";

/// The address at which the service listens when it runs alone.
pub const GRPC_LISTEN: Setting = settings::grpc_listen("127.0.0.1:50052");

/// What the service is told by the program that starts it.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where leads are kept.
    pub store: StoreUrl,
}

/// What the service shares with the rest of its program.
#[derive(Clone)]
pub struct Parts {
    /// Where its events go and reminders' come from.
    pub bus: Bus,
    /// Checks access tokens.
    pub verifier: Verifier,
    /// What services show each other.
    pub secret: ServiceSecret,
    /// The way to the auth service: it knows who is a member.
    pub auth: Route,
}

/// The service, started.
pub struct Service {
    /// Its calls, without health and reflection.
    pub routes: Routes,
    /// Whether its store answers.
    pub health: HealthCheck,
    /// Its store: for [`backfill`](backfill::backfill), and to be closed at the end.
    pub store: Arc<dyn Store>,
}

/// Opens the store (waiting for MongoDB until `stop`), registers consumer and outbox on the bus, and spawns its tasks on `stop`.
///
/// # Errors
/// One line for the person who starts the program.
pub async fn start(config: Config, parts: Parts, stop: &Stop) -> Result<Service, Failure> {
    let store = store::open(&config.store, event::encode, stop)
        .await
        .map_err(|error| Failure::new(format!("the store of leads at {}: {error}", config.store)))?;
    parts.bus.consume(topology::LEADS, Arc::new(FollowUps::new(store.clone())), stop);
    let erased = Arc::new(tokio::sync::Notify::new());
    let erasures = Erasures::new(store.clone(), erased.clone());
    parts.bus.consume(topology::LEADS_ERASURE, Arc::new(erasures), stop);
    stop.spawn(erasure::run(store.clone(), erased, stop.clone()));
    parts.bus.relay("leads", store.outbox(), stop);
    stop.spawn(sweep::run(store.clone(), stop.clone()));
    let pinged = store.clone();
    let health = HealthCheck::new(move || {
        let store = pinged.clone();
        async move { store.ping().await.map_err(|error| error.to_string()) }
    });
    let leads = Leads::new(store.clone(), parts.verifier, parts.secret, Members::new(parts.auth));
    let worker = Worker::new(store.imports(), parts.bus, worker::LEASE);
    worker.spawn(stop);
    let imports = Imports::new(leads.clone(), worker);
    let routes = Routes::new(LeadsServiceServer::new(leads)).add_service(ImportsServiceServer::new(imports));
    Ok(Service { routes, health, store })
}

/// The service alone, until `stop`.
///
/// # Errors
/// One line for the person who starts the program.
pub async fn run(mut settings: Settings, stop: Stop) -> Result<(), Failure> {
    let tls = Tls::read(&mut settings);
    let address = settings.require(&GRPC_LISTEN, config::address);
    let store = settings.require(&settings::STORE, StoreUrl::parse);
    let bus = BusUrl::read(&mut settings, &settings::BUS);
    let secret = settings.require(&settings::SERVICE_SECRET, ServiceSecret::new);
    let auth = settings.require(&settings::AUTH, |address| Route::to(address, tls.as_ref()));
    settings.finish().map_err(|faults| Failure::unusable(&faults))?;
    let (Some(address), Some(store), Some(bus), Some(secret), Some(auth)) =
        (address, store, bus, secret, auth)
    else {
        return Err(Failure::new("settings without fault are missing"));
    };
    // First: a port that is taken is told at once, not after a database was waited for.
    let listener = serve::bind(&GRPC_LISTEN, address).await?;
    let address = listener.local_addr()?;
    let bus = Bus::open(&bus, "leads", &stop);
    let revoked = Revocations::new();
    stop.spawn(revoked.clone().keep_loaded(auth.clone(), secret.clone(), stop.clone()));
    bus.hear_revocations(&revoked, &stop);
    let verifier = Verifier::remote(auth.clone(), revoked);
    let service =
        match start(Config { store }, Parts { bus: bus.clone(), verifier, secret, auth }, &stop).await {
            Ok(service) => service,
            // Told to stop while it waited for its database: that is a clean end.
            Err(_) if stop.is_stopping() => return Ok(()),
            Err(failure) => return Err(failure),
        };
    bus.start();
    let checks = vec![(NAME, service.health.clone()), (IMPORTS_NAME, service.health)];
    let routes = serve::with_health_of_all(service.routes, checks, &stop).await?;
    program::announce(&format!("leadline-leads listening on {address}"));
    let served = serve::grpc(listener, routes, tls, stop.clone()).await;
    stop.last_work().await;
    service.store.close().await;
    Ok(served?)
}

/// What `leadline-leads --help` says.
#[must_use]
pub fn program() -> Program {
    let own = [GRPC_LISTEN, settings::STORE, settings::BUS, settings::BUS_CA_FILE];
    let others = [settings::SERVICE_SECRET, settings::AUTH];
    Program {
        name: "leadline-leads",
        about: "Leadline's leads service: leads, notes, the log of what was done, search",
        settings: own.into_iter().chain(others).chain(settings::TLS).chain(program::SETTINGS).collect(),
        commands: Vec::new(),
    }
}
