//! What every handler can reach.

use std::sync::Arc;

use leadline_bus::{Bus, BusHealth};
use leadline_proto::{
    analytics::analytics_service_client::AnalyticsServiceClient,
    auth::{GetWorkspaceRequest, auth_service_client::AuthServiceClient},
    leads::{imports_service_client::ImportsServiceClient, leads_service_client::LeadsServiceClient},
    reminders::reminders_service_client::RemindersServiceClient,
};
use leadline_runtime::{
    caller::Caller, health::HealthCheck, refusal::Refusal, route::Route, stop::Stop, tokens::Verifier,
    zone::Zone,
};
use tokio::sync::Semaphore;

use crate::{
    Config, Parts,
    cookies::Cookies,
    events::hub::Hub,
    exports::{Links, Places},
    frame::MOST_AT_ONCE,
    kept::Kept,
    limits::{Limits, Network},
    people::People,
    problem::Problem,
    turns::Turns,
};

/// The largest answer of a service: 200 notes of 10,000 characters of four bytes have room in it.
pub(crate) const LARGEST_ANSWER: usize = 32 * 1024 * 1024;

/// The state of the gateway.
pub(crate) struct Gateway {
    auth: AuthServiceClient<Route>,
    leads: LeadsServiceClient<Route>,
    imports: ImportsServiceClient<Route>,
    reminders: RemindersServiceClient<Route>,
    analytics: AnalyticsServiceClient<Route>,
    /// Who is who.
    pub(crate) people: People,
    zones: Kept<Zone>,
    /// Admits callers.
    pub(crate) verifier: Verifier,
    /// Absent: no limits by address.
    pub(crate) limits: Option<Limits>,
    /// Whose `X-Forwarded-…` headers count.
    pub(crate) trusted_proxies: Vec<Network>,
    /// How cookies are set.
    pub(crate) cookies: Cookies,
    /// Places for requests that are worked on.
    pub(crate) places: Semaphore,
    /// Turns of signed-in people's requests; absent: no limits.
    pub(crate) turns: Option<Arc<Turns>>,
    /// Places for files that are made and sent.
    pub(crate) exports: Places,
    /// Places for files that come in.
    pub(crate) uploads: Places,
    /// Links by which files are fetched.
    pub(crate) downloads: Links,
    /// Live events.
    pub(crate) hub: Arc<Hub>,
    /// What is asked whether it is ready.
    pub(crate) health: Vec<(&'static str, HealthCheck)>,
    /// When the process is to end.
    pub(crate) stop: Stop,
}

impl Gateway {
    pub(crate) fn new(config: &Config, parts: Parts, stop: &Stop) -> Self {
        let mut health = parts.health;
        let bus = parts.bus.clone();
        health.push(("bus", HealthCheck::new(move || std::future::ready(bus_health(&bus)))));
        Self {
            auth: AuthServiceClient::new(parts.auth.clone()).max_decoding_message_size(LARGEST_ANSWER),
            imports: ImportsServiceClient::new(parts.leads.clone()).max_decoding_message_size(LARGEST_ANSWER),
            leads: LeadsServiceClient::new(parts.leads).max_decoding_message_size(LARGEST_ANSWER),
            reminders: RemindersServiceClient::new(parts.reminders).max_decoding_message_size(LARGEST_ANSWER),
            analytics: AnalyticsServiceClient::new(parts.analytics).max_decoding_message_size(LARGEST_ANSWER),
            people: People::new(parts.auth),
            zones: Kept::default(),
            verifier: parts.verifier,
            limits: config.rate_limits.then(|| Limits::new(stop)),
            trusted_proxies: config.trusted_proxies.clone(),
            cookies: Cookies { secure: config.secure_cookies },
            places: Semaphore::new(MOST_AT_ONCE),
            turns: config
                .rate_limits
                .then(|| Turns::new(config.requests_at_once, config.workspace_requests_at_once)),
            exports: Places::new("too many files are being made at once: try again"),
            uploads: Places::new("too many files are being sent at once: try again"),
            downloads: Links::default(),
            hub: Arc::new(Hub::new(config.replicas)),
            health,
            stop: stop.clone(),
        }
    }

    /// Calls to the auth service.
    pub(crate) fn auth(&self) -> AuthServiceClient<Route> {
        self.auth.clone()
    }

    /// Calls to the leads service.
    pub(crate) fn leads(&self) -> LeadsServiceClient<Route> {
        self.leads.clone()
    }

    /// Calls to the leads service about files that come in.
    pub(crate) fn imports(&self) -> ImportsServiceClient<Route> {
        self.imports.clone()
    }

    /// Calls to the reminders service.
    pub(crate) fn reminders(&self) -> RemindersServiceClient<Route> {
        self.reminders.clone()
    }

    /// Calls to the analytics service.
    pub(crate) fn analytics(&self) -> AnalyticsServiceClient<Route> {
        self.analytics.clone()
    }

    /// The zone in which "today" is meant: the one asked for, or the workspace's.
    pub(crate) async fn zone(&self, caller: &Caller, asked: Option<Zone>) -> Result<Zone, Problem> {
        if let Some(zone) = asked {
            return Ok(zone);
        }
        let load = async || {
            let answer = self.auth().get_workspace(caller.request(GetWorkspaceRequest {})).await;
            let name = answer.map_err(Refusal::from)?.into_inner().timezone;
            Ok(Zone::parse(&name).unwrap_or(Zone::UTC))
        };
        Ok(*self.zones.get(caller.workspace, load).await?)
    }

    /// Says that names or the zone of a workspace may have changed.
    pub(crate) fn renew(&self, workspace: leadline_runtime::ids::WorkspaceId) {
        self.people.renew(workspace);
        self.zones.renew(workspace);
    }

    /// Says that events may have been missed.
    pub(crate) fn renew_all(&self) {
        self.people.renew_all();
        self.zones.renew_all();
    }
}

fn bus_health(bus: &Bus) -> Result<(), String> {
    match bus.health() {
        BusHealth::Up => Ok(()),
        // The broker's own words may name addresses: they are in the log.
        BusHealth::Down { .. } => Err("the broker does not answer: events wait".to_owned()),
    }
}
