//! The auth service: accounts, workspaces, members, sessions, tokens.
//!
//! [`start`] makes routes and tasks from a [`Config`]; [`run`] is the program that runs the service alone.

mod account;
mod at_once;
mod events;
mod grpc;
mod hashing;
mod invitation;
mod keys;
mod limits;
mod password;
mod sample;
mod session;
mod store;

use std::{sync::Arc, time::Duration};

use leadline_bus::{Bus, BusUrl, Heard};
use leadline_proto::auth::auth_service_server::AuthServiceServer;
use leadline_runtime::{
    caller::ServiceSecret,
    config::{self, Program, Setting, Settings, switch},
    health::HealthCheck,
    once::InFlight,
    program::{self, Failure},
    revoked::{self, Revocations},
    serve, settings,
    stop::Stop,
    time::Millis,
    tls::Tls,
    tokens::Verifier,
};
use leadline_storage::StoreUrl;
use tonic::service::Routes;

pub use keys::{BadKeys, SigningKeys};
pub use sample::{Sample, SampleColleague, SamplePeople};

use crate::{
    at_once::UnderWay,
    grpc::Auth,
    hashing::Hasher,
    invitation::InvitationTokens,
    limits::Limits,
    session::RefreshTokens,
    store::{Store, StoreError},
};

/// The service's full gRPC name.
pub const NAME: &str = "leadline.auth.v1.AuthService";

/// The keys that access tokens are signed with.
pub const SIGNING_KEYS: Setting = Setting::secret(
    "LEADLINE_SIGNING_KEYS",
    "Ed25519 private keys in PEM that access tokens are signed with: the first signs, all are published",
);

const GRPC_LISTEN: Setting = settings::grpc_listen("127.0.0.1:50051");

/// How often what became void is read from the store, in case a message of another process was lost.
const RELOAD: Duration = Duration::from_secs(20);
/// How often what has run out is deleted, and how much at once.
const SWEEP: Duration = Duration::from_secs(10 * 60);
const SWEPT_AT_ONCE: u32 = 500;

/// What the service is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where accounts are kept.
    pub store: StoreUrl,
    /// What access tokens are signed with. Refresh tokens and invitations are sealed with keys derived from it.
    pub keys: SigningKeys,
    /// Whether tries are limited for each account.
    pub rate_limits: bool,
}

/// What the service is given by the program that starts it.
#[derive(Clone)]
pub struct Parts {
    /// Where its events go.
    pub bus: Bus,
    /// What services show each other.
    pub secret: ServiceSecret,
}

/// The service, started.
pub struct Service {
    /// Its calls, without health and reflection.
    pub routes: Routes,
    /// Whether it can work.
    pub health: HealthCheck,
    /// Verifies tokens with the keys of this very service: for the other services of the process.
    pub verifier: Verifier,
    /// What the verifier knows to be void; renewed from store and bus.
    pub revocations: Revocations,
    auth: Auth,
}

impl Service {
    /// Ends the store. Call it when nothing calls the service any more.
    pub async fn close(&self) {
        self.auth.store.close().await;
    }

    /// Makes sure of the people of a sample workspace: see [`Sample`].
    ///
    /// # Errors
    /// [`Failure`] with what went wrong.
    pub async fn sample(&self, sample: &Sample) -> Result<SamplePeople, Failure> {
        sample::prepare(&self.auth, sample).await
    }
}

/// Opens the store, and starts the service's tasks.
///
/// # Errors
/// [`Failure`] if the store can't be opened.
pub async fn start(config: Config, parts: Parts, stop: &Stop) -> Result<Service, Failure> {
    // There from the start, so that a first one is seen to be one more.
    metrics::counter!("leadline_auth_reused_refresh_tokens_total").increment(0);
    let store = store::open(&config.store, stop).await?;
    let hasher = tokio::task::spawn_blocking(Hasher::new)
        .await?
        .map_err(|error| Failure::new(format!("passwords can't be hashed: {error}")))?;
    let revocations = Revocations::new();
    let verifier = Verifier::fixed(&config.keys.jwks(), revocations.clone());
    let auth = Auth {
        store: store.clone(),
        hasher: Arc::new(hasher),
        refresh_tokens: RefreshTokens::new(config.keys.derive("leadline refresh tokens")),
        invitation_tokens: InvitationTokens::new(config.keys.derive("leadline invitations")),
        keys: config.keys,
        limits: Arc::new(Limits::new(config.rate_limits)),
        under_way: Arc::new(UnderWay::default()),
        in_flight: InFlight::default(),
        verifier: verifier.clone(),
        revocations: revocations.clone(),
        secret: parts.secret,
    };
    load(&*store, &revocations).await?;
    revocations.set_loaded();
    parts.bus.relay("auth", store.outbox(), stop);
    stop.spawn(keep_revocations(store.clone(), revocations.clone(), parts.bus, stop.clone()));
    stop.spawn(sweep(store.clone(), stop.clone()));
    let health = HealthCheck::new(move || {
        let store = store.clone();
        async move { store.ping().await.map_err(|error| error.to_string()) }
    });
    let routes = Routes::new(AuthServiceServer::new(auth.clone()));
    Ok(Service { routes, health, verifier, revocations, auth })
}

async fn load(store: &dyn Store, revocations: &Revocations) -> Result<(), StoreError> {
    let voided = store.voided(Millis::now().before(revoked::KEPT)).await?;
    let voided: Vec<_> = voided.iter().map(events::revocation).collect();
    revocations.add(&voided);
    Ok(())
}

/// Hears what other processes of this service made void, and reads it from the store in case one was not heard.
async fn keep_revocations(store: Arc<dyn Store>, revocations: Revocations, bus: Bus, stop: Stop) {
    let mut listener = bus.listen(&["account.#"], 1024);
    let mut hears = true;
    loop {
        let heard = tokio::select! {
            heard = listener.recv(), if hears => heard,
            slept = stop.sleep(RELOAD) => {
                if !slept {
                    return;
                }
                Some(Heard::Missed)
            }
        };
        match heard {
            Some(Heard::Event(event)) => revocations.apply(&event),
            Some(Heard::Missed) => {
                if let Err(error) = load(&*store, &revocations).await {
                    tracing::warn!(%error, "can't read which tokens are void");
                }
            }
            None => hears = false,
        }
    }
}

/// Deletes what has run out. Several processes may do it at once: each deletes what it finds.
async fn sweep(store: Arc<dyn Store>, stop: Stop) {
    while stop.sleep(SWEEP).await {
        loop {
            match store.sweep(Millis::now(), SWEPT_AT_ONCE).await {
                Ok(swept) if swept >= u64::from(SWEPT_AT_ONCE) && !stop.is_stopping() => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(%error, "can't delete what has run out");
                    break;
                }
            }
        }
    }
}

/// What `leadline-auth --help` says.
#[must_use]
pub fn program() -> Program {
    let mut all = vec![
        settings::STORE,
        settings::BUS,
        settings::BUS_CA_FILE,
        SIGNING_KEYS,
        settings::SERVICE_SECRET,
        settings::RATE_LIMITS,
        GRPC_LISTEN,
    ];
    all.extend(settings::TLS);
    all.extend(program::SETTINGS);
    Program {
        name: "leadline-auth",
        about: "Leadline's auth service: accounts, workspaces, members, sessions, tokens",
        settings: all,
        commands: Vec::new(),
    }
}

/// Runs the service alone until `stop`.
///
/// # Errors
/// [`Failure`] with what is wrong, where, and what to do about it.
pub async fn run(mut settings: Settings, stop: Stop) -> Result<(), Failure> {
    let tls = Tls::read(&mut settings);
    let store = settings.require(&settings::STORE, StoreUrl::parse);
    let bus = BusUrl::read(&mut settings, &settings::BUS);
    let keys = settings.require(&SIGNING_KEYS, SigningKeys::parse);
    let secret = settings.require(&settings::SERVICE_SECRET, ServiceSecret::new);
    let rate_limits = settings.require(&settings::RATE_LIMITS, switch);
    let address = settings.require(&GRPC_LISTEN, config::address);
    settings.finish().map_err(|faults| Failure::unusable(&faults))?;
    let (Some(store), Some(bus), Some(keys), Some(secret), Some(rate_limits), Some(address)) =
        (store, bus, keys, secret, rate_limits, address)
    else {
        return Err(Failure::new("a setting is missing: see --help"));
    };

    let listener = serve::bind(&GRPC_LISTEN, address).await?;
    let address = listener.local_addr()?;
    let bus = Bus::open(&bus, "auth", &stop);
    let config = Config { store, keys, rate_limits };
    let service = match start(config, Parts { bus: bus.clone(), secret }, &stop).await {
        Ok(service) => service,
        // The store was still being waited for.
        Err(_) if stop.is_stopping() => return Ok(()),
        Err(failure) => return Err(failure),
    };
    bus.start();
    let routes =
        serve::with_health_and_reflection(service.routes.clone(), NAME, service.health.clone(), &stop)
            .await?;
    program::announce(&format!("leadline-auth listening on {address}"));
    let served = serve::grpc(listener, routes, tls, stop.clone()).await;
    stop.last_work().await;
    service.close().await;
    Ok(served?)
}
