//! A gateway in front of services that can't be reached, and tokens that it admits.

use std::{net::SocketAddr, time::Duration};

use axum::{Router, body::Body};
use ed25519_dalek::{SigningKey, pkcs8::EncodePrivateKey};
use http::{Request, Response};
use http_body_util::BodyExt;
use leadline_bus::Bus;
use leadline_gateway::{Config, Parts, SecureCookies};
use leadline_runtime::{
    health::HealthCheck,
    ids::{SessionId, UserId, WorkspaceId, new_uuid},
    revoked::Revocations,
    route::Route,
    stop::Stop,
    time::Millis,
    tokens::{AUDIENCE, Claims, ISSUER, Jwk, Jwks, Verifier, sign},
};
use serde_json::Value;
use tower::ServiceExt;

/// A gateway of its own for a test.
pub(crate) struct Gateway {
    pub(crate) service: Router,
    pub(crate) bus: Bus,
    pub(crate) stop: Stop,
    key: SigningKey,
}

/// Somebody who is signed in.
#[derive(Clone, Copy)]
pub(crate) struct Person {
    pub(crate) user: UserId,
    pub(crate) workspace: WorkspaceId,
    pub(crate) session: SessionId,
}

impl Person {
    pub(crate) fn new() -> Self {
        Self { user: UserId::new(), workspace: WorkspaceId::new(), session: SessionId::new() }
    }
}

impl Gateway {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// With a service of leads that can be reached.
    pub(crate) async fn in_front_of(leads: Route) -> Self {
        Self::made(|_| {}, Some(leads)).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::made(change, None).await
    }

    async fn made(change: impl FnOnce(&mut Config), leads: Option<Route>) -> Self {
        let key = SigningKey::from_bytes(&[7; 32]);
        let revoked = Revocations::new();
        revoked.set_loaded();
        let jwks = Jwks { keys: vec![Jwk::new("k1", &key.verifying_key().to_bytes())] };
        // Nothing listens on port 1.
        let nowhere = || Route::remote("http://127.0.0.1:1").unwrap();
        let bus = Bus::memory();
        let parts = Parts {
            auth: nowhere(),
            leads: leads.unwrap_or_else(nowhere),
            reminders: nowhere(),
            analytics: nowhere(),
            bus: bus.clone(),
            verifier: Verifier::fixed(&jwks, revoked),
            health: vec![("leads", HealthCheck::new(async || Err("does not answer".to_owned())))],
        };
        let mut config = Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            rate_limits: false,
            requests_at_once: 128,
            workspace_requests_at_once: 32,
            trusted_proxies: Vec::new(),
            secure_cookies: SecureCookies::Auto,
            replicas: false,
        };
        change(&mut config);
        let stop = Stop::new();
        let service = leadline_gateway::start(config, parts, &stop).await.unwrap();
        bus.start();
        Self { service, bus, stop, key }
    }

    /// `Bearer …`, good for so long.
    pub(crate) fn token(&self, person: Person, life: Duration) -> String {
        let now = Millis::now();
        let claims = Claims {
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            sub: person.user.to_string(),
            wid: person.workspace.to_string(),
            role: "owner".into(),
            sid: person.session.to_string(),
            iat: now.0 / 1000,
            exp: now.after(life).0 / 1000,
            jti: new_uuid().to_string(),
        };
        let pkcs8 = self.key.to_pkcs8_der().unwrap();
        format!("Bearer {}", sign(&claims, "k1", pkcs8.as_bytes()).unwrap())
    }

    /// A token of somebody's.
    pub(crate) fn somebody(&self) -> String {
        self.token(Person::new(), Duration::from_secs(900))
    }

    pub(crate) async fn send(&self, mut request: Request<Body>) -> Response<Body> {
        request.extensions_mut().insert(SocketAddr::from(([198, 51, 100, 7], 4711)));
        self.service.clone().oneshot(request).await.unwrap()
    }
}

/// Nothing of a test runs on after it.
impl Drop for Gateway {
    fn drop(&mut self) {
        self.stop.now();
    }
}

/// A request to a path, with a token or none.
pub(crate) fn request(method: &str, path: &str, token: Option<&str>) -> http::request::Builder {
    let builder = Request::builder().method(method).uri(path);
    match token {
        Some(token) => builder.header("authorization", token),
        None => builder,
    }
}

/// The answer's body as JSON.
pub(crate) async fn json(response: Response<Body>) -> Value {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{error}: {body:?}"))
}
