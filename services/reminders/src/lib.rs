//! The reminders service: who is to do what about which lead, and when; and the clock that tells when it is due.
//!
//! It knows leads by their events: their names, and which are deleted. It tells others of every change, with the next time
//! that the lead is to be followed up.

mod backfill;
mod clock;
mod consumer;
mod erasure;
mod event;
mod grpc;
pub mod reminder;
mod store;

use std::sync::Arc;

use leadline_bus::{Bus, BusUrl, Outbox, topology};
use leadline_proto::reminders::reminders_service_server::RemindersServiceServer;
use leadline_runtime::{
    caller::ServiceSecret,
    config::{self, Program, Setting, Settings},
    health::HealthCheck,
    program::{self, Failure, announce},
    revoked::Revocations,
    route::Route,
    serve, settings,
    stop::Stop,
    tls::Tls,
    tokens::Verifier,
};
use leadline_storage::StoreUrl;
use tonic::service::Routes;

pub use backfill::PastReminder;

/// The service's gRPC name.
pub const NAME: &str = "leadline.reminders.v1.RemindersService";
const GRPC_LISTEN: Setting = settings::grpc_listen("127.0.0.1:50053");

/// What it needs to be told.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where reminders are kept.
    pub store: StoreUrl,
}

/// What it needs of others.
pub struct Parts {
    /// How events travel.
    pub bus: Bus,
    /// Who admits callers.
    pub verifier: Verifier,
    /// Knows who is a member.
    pub auth: Route,
    /// Knows which leads there are.
    pub leads: Route,
}

/// The running service.
pub struct Service {
    /// Its RPCs, without health and reflection.
    pub routes: Routes,
    /// Whether it can work.
    pub health: HealthCheck,
    store: Arc<dyn store::Store>,
}

impl Service {
    /// What it has yet to publish.
    #[must_use]
    pub fn outbox(&self) -> Arc<dyn Outbox> {
        self.store.clone().outbox()
    }

    /// Closes its store. Call it when nothing asks any more.
    pub async fn close(&self) {
        self.store.close().await;
    }
}

/// Opens the store and starts what runs beside the requests: the consumer, the relay, the clock.
///
/// # Errors
/// If the store can't be used, with what to do about it.
pub async fn start(config: Config, parts: Parts, stop: &Stop) -> Result<Service, Failure> {
    let store = store::open(&config.store, stop).await?;
    parts.bus.consume(topology::REMINDERS, Arc::new(consumer::LeadNews::new(store.clone())), stop);
    let erased = Arc::new(tokio::sync::Notify::new());
    let erasures = erasure::Erasures::new(store.clone(), erased.clone());
    parts.bus.consume(topology::REMINDERS_ERASURE, Arc::new(erasures), stop);
    stop.spawn(erasure::run(store.clone(), erased, stop.clone()));
    parts.bus.relay("reminders", store.clone().outbox(), stop);
    stop.spawn(clock::run(store.clone(), stop.clone()));
    stop.spawn(clock::sweep(store.clone(), stop.clone()));
    let grpc = grpc::Grpc::new(store.clone(), parts.verifier, parts.auth, parts.leads);
    let asked = store.clone();
    let health = HealthCheck::new(move || {
        let store = asked.clone();
        async move { store.ping().await.map_err(|error| error.to_string()) }
    });
    Ok(Service { routes: Routes::new(RemindersServiceServer::new(grpc)), health, store })
}

/// What `leadline-reminders --help` says.
#[must_use]
pub fn program() -> Program {
    let mut all = vec![
        GRPC_LISTEN,
        settings::STORE,
        settings::BUS,
        settings::BUS_CA_FILE,
        settings::AUTH,
        settings::LEADS,
        settings::SERVICE_SECRET,
    ];
    all.extend(settings::TLS);
    all.extend(program::SETTINGS);
    Program {
        name: "leadline-reminders",
        about: "The reminders service of Leadline, alone: gRPC for the gateway and the other services",
        settings: all,
        commands: Vec::new(),
    }
}

/// Runs the service alone until `stop`.
///
/// # Errors
/// A line for whatever keeps it from starting.
pub async fn run(mut settings: Settings, stop: Stop) -> Result<(), Failure> {
    let tls = Tls::read(&mut settings);
    let listen = settings.require(&GRPC_LISTEN, config::address);
    let store = settings.require(&settings::STORE, StoreUrl::parse);
    let bus = BusUrl::read(&mut settings, &settings::BUS);
    let auth = settings.require(&settings::AUTH, |address| Route::to(address, tls.as_ref()));
    let leads = settings.require(&settings::LEADS, |address| Route::to(address, tls.as_ref()));
    let secret = settings.require(&settings::SERVICE_SECRET, ServiceSecret::new);
    settings.finish().map_err(|faults| Failure::unusable(&faults))?;
    let (Some(listen), Some(store), Some(bus), Some(auth), Some(leads), Some(secret)) =
        (listen, store, bus, auth, leads, secret)
    else {
        return Err(Failure::new("the settings can't be used"));
    };

    let listener = serve::bind(&GRPC_LISTEN, listen).await?;
    let bus = Bus::open(&bus, "leadline-reminders", &stop);
    let revocations = Revocations::new();
    stop.spawn(revocations.clone().keep_loaded(auth.clone(), secret, stop.clone()));
    bus.hear_revocations(&revocations, &stop);
    let verifier = Verifier::remote(auth.clone(), revocations);

    let parts = Parts { bus: bus.clone(), verifier, auth, leads };
    let service = match start(Config { store }, parts, &stop).await {
        Ok(service) => service,
        // The store was still being waited for.
        Err(_) if stop.is_stopping() => return Ok(()),
        Err(failure) => return Err(failure),
    };
    let routes =
        serve::with_health_and_reflection(service.routes.clone(), NAME, service.health.clone(), &stop)
            .await?;
    bus.start();
    announce(&format!("leadline-reminders listening on {}", listener.local_addr()?));
    let served = serve::grpc(listener, routes, tls, stop.clone()).await;
    stop.last_work().await;
    service.close().await;
    Ok(served?)
}
