//! The gateway: REST in front of the services' gRPC, live events, the API's description, the dashboard's files.
//!
//! It keeps no state of its own that can't be made again: names and zones for a minute, live events for ten.

mod activity;
mod analytics;
mod auth;
mod body;
mod caller;
mod cookies;
mod dashboard;
mod etag;
mod events;
mod exports;
mod frame;
mod gateway;
#[cfg(any(test, feature = "fuzzing"))]
pub mod hostile;
mod imports;
mod kept;
mod leads;
mod limits;
mod once;
mod openapi;
mod people;
mod problem;
mod query;
mod reminders;
mod routes;
mod turns;
mod unread;
mod words;
mod workspace;

mod operations;

use std::{net::SocketAddr, sync::Arc};

use axum::Router;
use leadline_bus::{Bus, BusUrl};
use leadline_runtime::{
    caller::ServiceSecret,
    config::{Program, Setting, Settings, address, switch},
    health::HealthCheck,
    program::{self, Failure, announce},
    revoked::Revocations,
    route::Route,
    serve,
    settings::{ANALYTICS, AUTH, BUS, BUS_CA_FILE, LEADS, RATE_LIMITS, REMINDERS, SERVICE_SECRET, TLS},
    stop::Stop,
    tls::Tls,
    tokens::Verifier,
};

use crate::gateway::Gateway;
pub use crate::{cookies::SecureCookies, limits::Network};

/// Where the gateway listens.
pub const LISTEN: Setting = Setting::new(
    "LEADLINE_LISTEN",
    "127.0.0.1:8080",
    "Address of the REST API and the dashboard (port 0: any; the line `listening on http://…` names it)",
);
/// Whose `X-Forwarded-For` and `X-Forwarded-Proto` count.
pub const TRUSTED_PROXIES: Setting = Setting::optional(
    "LEADLINE_TRUSTED_PROXIES",
    "Proxies whose X-Forwarded-For and -Proto count: addresses and networks such as 10.0.0.0/8, with commas between",
);
/// Whether the cookie is sent over TLS only.
pub const SECURE_COOKIES: Setting = Setting::new(
    "LEADLINE_SECURE_COOKIES",
    "auto",
    "Secure on the refresh cookie: always, or auto (except on plain HTTP to localhost)",
);

/// How many requests of signed-in people are worked on at once.
pub const REQUESTS_AT_ONCE: Setting = Setting::new(
    "LEADLINE_REQUESTS_AT_ONCE",
    "256",
    "Requests of signed-in people that are worked on at once: 1 to 1024. Others wait half a second for their turn and are then \
     answered 503",
);
/// How many of those may be one workspace's.
pub const WORKSPACE_REQUESTS_AT_ONCE: Setting = Setting::new(
    "LEADLINE_WORKSPACE_REQUESTS_AT_ONCE",
    "128",
    "How many of those may be one workspace's: 1 to 1024. Others of it wait as long and are then answered 429",
);

/// The settings that only the gateway has; it reads `LEADLINE_RATE_LIMITS` too.
pub const SETTINGS: [Setting; 5] =
    [LISTEN, TRUSTED_PROXIES, SECURE_COOKIES, REQUESTS_AT_ONCE, WORKSPACE_REQUESTS_AT_ONCE];

/// How the gateway is set up.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen; used by whoever binds the listener.
    pub listen: SocketAddr,
    /// Whether sign-ins, registrations and refreshes are limited by address, and requests in number at once.
    pub rate_limits: bool,
    /// How many requests of signed-in people are worked on at once.
    pub requests_at_once: usize,
    /// How many of those may be one workspace's.
    pub workspace_requests_at_once: usize,
    /// Whose `X-Forwarded-…` headers count.
    pub trusted_proxies: Vec<Network>,
    /// How the refresh cookie is set.
    pub secure_cookies: SecureCookies,
    /// Whether other gateways may serve the same clients. A live stream that resumes here is then told the last seconds before
    /// its place again, because the others may have heard events in another order.
    pub replicas: bool,
}

impl Config {
    /// Reads the settings; faults are noted there, and then there is none. `replicas` is false.
    pub fn read(settings: &mut Settings) -> Option<Self> {
        let listen = settings.require(&LISTEN, address);
        let rate_limits = settings.require(&RATE_LIMITS, switch);
        let requests_at_once = settings.require(&REQUESTS_AT_ONCE, at_once);
        let workspace_requests_at_once = settings.require(&WORKSPACE_REQUESTS_AT_ONCE, at_once);
        let faultless = settings.text(&TRUSTED_PROXIES).is_none();
        let trusted = settings.parse(&TRUSTED_PROXIES, Network::parse_list);
        let secure_cookies = settings.require(&SECURE_COOKIES, SecureCookies::parse);
        Some(Self {
            listen: listen?,
            rate_limits: rate_limits?,
            requests_at_once: requests_at_once?,
            workspace_requests_at_once: workspace_requests_at_once?,
            trusted_proxies: if faultless { Vec::new() } else { trusted? },
            secure_cookies: secure_cookies?,
            replicas: false,
        })
    }
}

fn at_once(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=frame::MOST_AT_ONCE).contains(number));
    number.ok_or_else(|| format!("must be a number from 1 to {}", frame::MOST_AT_ONCE))
}

/// What the gateway stands on.
pub struct Parts {
    /// The way to the auth service.
    pub auth: Route,
    /// The way to the leads service.
    pub leads: Route,
    /// The way to the reminders service.
    pub reminders: Route,
    /// The way to the analytics service.
    pub analytics: Route,
    /// Where live events come from.
    pub bus: Bus,
    /// Admits callers.
    pub verifier: Verifier,
    /// What `/readyz` asks, by name; the bus is asked besides.
    pub health: Vec<(&'static str, HealthCheck)>,
}

/// Starts the gateway: its tasks run until `stop`, and what is returned answers requests. The peer's address is expected in
/// each request's extensions, as [`serve::http`] puts it there.
///
/// # Errors
/// None today; a part that can't start would say so here.
#[allow(clippy::unused_async, reason = "the same shape as every service's")]
pub async fn start(config: Config, parts: Parts, stop: &Stop) -> Result<Router, Failure> {
    let heard = parts.bus.listen(events::hub::KEYS, events::hub::CAPACITY);
    let gateway = Arc::new(Gateway::new(&config, parts, stop));
    stop.spawn(events::hub::run(gateway.clone(), heard));
    Ok(routes::service(gateway))
}

/// What `leadline-gateway --help` says.
#[must_use]
pub fn program() -> Program {
    let mut settings = SETTINGS.to_vec();
    settings.extend([RATE_LIMITS, AUTH, LEADS, REMINDERS, ANALYTICS, BUS, BUS_CA_FILE, SERVICE_SECRET]);
    settings.extend(TLS);
    settings.extend(program::SETTINGS);
    Program {
        name: "leadline-gateway",
        about: "Leadline's REST API, live events and dashboard, in front of the services",
        settings,
        commands: Vec::new(),
    }
}

/// Runs the gateway alone until `stop`.
///
/// # Errors
/// A line for whatever keeps it from starting.
pub async fn run(mut settings: Settings, stop: Stop) -> Result<(), Failure> {
    let tls = Tls::read(&mut settings);
    let config = Config::read(&mut settings);
    let routes = [AUTH, LEADS, REMINDERS, ANALYTICS]
        .map(|setting| settings.require(&setting, |address| Route::to(address, tls.as_ref())));
    let bus = BusUrl::read(&mut settings, &BUS);
    let secret = settings.require(&SERVICE_SECRET, ServiceSecret::new);
    settings.finish().map_err(|faults| Failure::unusable(&faults))?;
    let ([Some(auth), Some(leads), Some(reminders), Some(analytics)], Some(config), Some(bus), Some(secret)) =
        (routes, config, bus, secret)
    else {
        return Err(Failure::new("the settings can't be used"));
    };

    let listener = serve::bind(&LISTEN, config.listen).await?;
    let bus = Bus::open(&bus, "leadline-gateway", &stop);
    let revoked = Revocations::new();
    stop.spawn(revoked.clone().keep_loaded(auth.clone(), secret, stop.clone()));
    bus.hear_revocations(&revoked, &stop);
    let ask = |route: &Route, name| HealthCheck::of_service(route.clone(), name);
    let parts = Parts {
        health: vec![
            ("auth", ask(&auth, "leadline.auth.v1.AuthService")),
            ("leads", ask(&leads, "leadline.leads.v1.LeadsService")),
            ("reminders", ask(&reminders, "leadline.reminders.v1.RemindersService")),
            ("analytics", ask(&analytics, "leadline.analytics.v1.AnalyticsService")),
        ],
        verifier: Verifier::remote(auth.clone(), revoked),
        auth,
        leads,
        reminders,
        analytics,
        bus: bus.clone(),
    };
    let service = start(Config { replicas: true, ..config }, parts, &stop).await?;
    bus.start();
    announce(&format!("listening on http://{}", listener.local_addr()?));
    serve::http(listener, service, stop).await;
    Ok(())
}
