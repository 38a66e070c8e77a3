//! The analytics service: figures that equal a recount of the leads.
//!
//! Events of leads come in through [`projection`]; [`store`] keeps the newest snapshot of each lead and, in the same transaction,
//! counters packed by UTC day ([`day`]); [`figures`] are sums of them over spans of a zone's [`calendar`], asked for through
//! [`counts`]. [`rebuild`] counts everything anew.

pub mod calendar;
pub mod counts;
pub mod day;
pub mod erasure;
pub mod figures;
mod grpc;
pub mod lead;
mod program;
pub mod projection;
pub mod rebuild;
pub mod signal;
pub mod store;

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod proof;

use std::{sync::Arc, time::Duration};

use leadline_bus::{Bus, topology};
use leadline_proto::analytics::analytics_service_server::AnalyticsServiceServer;
use leadline_runtime::{
    caller::ServiceSecret, health::HealthCheck, program::Failure, route::Route, stop::Stop, time::Millis,
    tokens::Verifier,
};
use leadline_storage::StoreUrl;
use tokio::sync::Notify;
use tonic::service::Routes;

pub use crate::program::{COUNTING, compare, count_anew, only_workspace, program, run};
use crate::{
    erasure::Erasures, projection::Projection, rebuild::LeadsService, signal::Signals, store::Store,
};

/// The full name of the gRPC service.
pub const NAME: &str = "leadline.analytics.v1.AnalyticsService";

/// How often leftovers of rebuilds are looked for.
const TIDYING: Duration = Duration::from_secs(60);
/// The rest between two steps of tidying up, so that events get their turn.
const REST: Duration = Duration::from_millis(20);

/// What the service is told by whoever starts it.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where figures are kept.
    pub store: StoreUrl,
}

/// What the service is given by whoever starts it.
#[derive(Clone)]
pub struct Parts {
    /// Brings events of leads, and takes signals.
    pub bus: Bus,
    /// Checks callers.
    pub verifier: Verifier,
    /// What other services show, and what this one shows.
    pub secret: ServiceSecret,
    /// The leads service, for rebuilds.
    pub leads: Route,
}

/// The running service.
pub struct Service {
    /// Its RPCs, without health and reflection.
    pub routes: Routes,
    /// Whether its store answers.
    pub health: HealthCheck,
    store: Arc<dyn Store>,
}

impl Service {
    /// Closes the store. Call it when the service's tasks have ended and nobody calls its routes any more.
    pub async fn close(&self) {
        self.store.close().await;
    }
}

/// Starts the service: opens its store, registers its consumer, and gives its routes. Its tasks end with `stop`.
///
/// # Errors
/// If the store can't be opened.
pub async fn start(config: Config, parts: Parts, stop: &Stop) -> Result<Service, Failure> {
    let store = store::open(&config.store, stop.stopping()).await?;
    let signals = Signals::new(parts.bus.clone(), stop.clone());
    let projection = Projection::new(store.clone(), signals);
    parts.bus.consume(topology::ANALYTICS, Arc::new(projection), stop);
    let discarded = Arc::new(Notify::new());
    let erasures = Erasures::new(store.clone(), discarded.clone());
    parts.bus.consume(topology::ANALYTICS_ERASURE, Arc::new(erasures), stop);
    stop.spawn(tidy(store.clone(), discarded, stop.clone()));
    let server = grpc::Server {
        store: store.clone(),
        leads: Arc::new(LeadsService { route: parts.leads, secret: parts.secret.clone() }),
        verifier: parts.verifier,
        secret: parts.secret,
        stop: stop.clone(),
        rebuilding: Arc::default(),
    };
    let asked = store.clone();
    let health = HealthCheck::new(move || {
        let store = asked.clone();
        async move { store.ping().await.map_err(|error| error.to_string()) }
    });
    let routes = Routes::new(AnalyticsServiceServer::new(server));
    Ok(Service { routes, health, store })
}

/// Sweeps up what rebuilds and erased workspaces have left behind.
async fn tidy(store: Arc<dyn Store>, discarded: Arc<Notify>, stop: Stop) {
    loop {
        tokio::select! {
            () = discarded.notified() => {}
            slept = stop.sleep(TIDYING) => if !slept {
                return;
            }
        }
        loop {
            match store.sweep(Millis::now().before(store::ABANDONED)).await {
                Ok(true) if stop.sleep(REST).await => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(%error, "leftovers can't be swept up now");
                    break;
                }
            }
        }
    }
}
