//! The way to a service: its own routes in this process, or a connection to its address. Callers can't tell which.

mod peers;

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response, Uri};
use tonic::{Status, body::Body, service::Routes};
use tower::{Layer, Service, ServiceExt, util::BoxCloneSyncService};

use crate::{
    caller::{DEADLINE, NoDeadline},
    calls::Watch,
    route::peers::{Peer, Peers, Place},
    tls::Tls,
};

/// What a generated client is built over: `LeadsServiceClient::new(route)`.
#[derive(Clone)]
pub struct Route {
    inner: BoxCloneSyncService<Request<Body>, Response<Body>, Error>,
    target: String,
    /// Who is behind an address.
    peers: Option<Arc<Peers>>,
}

type Error = Box<dyn std::error::Error + Send + Sync>;

/// An address that is not one, or that TLS forbids or is missing for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadAddress(&'static str);

const NO_ADDRESS: BadAddress =
    BadAddress("must be an address such as http://127.0.0.1:50051, or several with commas between");
const NO_TLS: BadAddress = BadAddress(
    "an https:// address needs LEADLINE_TLS_CA_FILE, LEADLINE_TLS_CERT_FILE and LEADLINE_TLS_KEY_FILE",
);
const PLAIN: BadAddress =
    BadAddress("must be https:// where TLS is set up, unless it is this very machine's");

impl Route {
    /// To a service in this process: no socket, no copy of the bytes on a wire.
    #[must_use]
    pub fn in_process(name: &str, routes: Routes) -> Self {
        let routes = Watch.layer(routes.prepare());
        let service = tower::service_fn(move |request: Request<Body>| {
            let routes = routes.clone();
            async move { routes.oneshot(request).await.map_err(|never: Infallible| match never {}) }
        });
        Self { inner: BoxCloneSyncService::new(service), target: format!("{name} (in process)"), peers: None }
    }

    /// To a service at an address without TLS: see [`Route::to`].
    ///
    /// # Errors
    /// [`BadAddress`] for what is not an `http://host:port`.
    pub fn remote(address: &str) -> Result<Self, BadAddress> {
        Self::to(address, None)
    }

    /// To a service at an address, or at several with commas between. Calls go to all replicas in turn that a name stands for; it
    /// is looked up again every few seconds. Connections are made at the first call and again whenever they break, for ever.
    ///
    /// # Errors
    /// [`BadAddress`] for what is not an `http://host:port` or `https://host:port`, and for what TLS forbids: with it, plain
    /// addresses must be this machine's own.
    pub fn to(address: &str, tls: Option<&Arc<Tls>>) -> Result<Self, BadAddress> {
        let places: Result<Vec<Place>, BadAddress> =
            address.split(',').map(|address| place(address.trim(), tls)).collect();
        let peers = Peers::new(places?);
        let all = peers.clone();
        let service = tower::service_fn(move |request| {
            let peers = all.clone();
            async move { Ok(peers.call(request).await) }
        });
        let inner = BoxCloneSyncService::new(service);
        Ok(Self { inner, target: address.to_owned(), peers: Some(peers) })
    }

    /// Ways to each replica that is there now, for what only all of them together know. This one if nobody is there.
    pub async fn each(&self) -> Vec<Self> {
        let peers = match &self.peers {
            Some(peers) => peers.now().await.unwrap_or_default(),
            None => Vec::new(),
        };
        if peers.is_empty() {
            return vec![self.clone()];
        }
        let to = |peer: Arc<Peer>| {
            let target = peer.to_string();
            let service = tower::service_fn(move |request| {
                let peer = peer.clone();
                async move { Ok(peer.call(request).await) }
            });
            Self { inner: BoxCloneSyncService::new(service), target, peers: None }
        };
        peers.into_iter().map(to).collect()
    }
}

fn place(address: &str, tls: Option<&Arc<Tls>>) -> Result<Place, BadAddress> {
    let uri: Uri = address.parse().map_err(|_| NO_ADDRESS)?;
    let authority = uri.authority().cloned().ok_or(NO_ADDRESS)?;
    // Brackets are the URI's, not the address's.
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    if host.is_empty() || !matches!(uri.path(), "" | "/") || authority.as_str().contains('@') {
        return Err(NO_ADDRESS);
    }
    let is_own = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let (tls, port) = match (uri.scheme_str(), tls) {
        (Some("https"), Some(tls)) => (Some(tls.clone()), 443),
        (Some("https"), None) => return Err(NO_TLS),
        (Some("http"), Some(_)) if !is_own => return Err(PLAIN),
        (Some("http"), _) => (None, 80),
        _ => return Err(NO_ADDRESS),
    };
    let port = authority.port_u16().unwrap_or(port);
    Ok(Place { authority, host, port, tls })
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Route({})", self.target)
    }
}

impl Service<Request<Body>> for Route {
    type Response = Response<Body>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        // Readiness is awaited inside the call, under its deadline.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let service = self.inner.clone();
        if request.extensions().get::<NoDeadline>().is_some() {
            return Box::pin(service.oneshot(request));
        }
        Box::pin(async move {
            match tokio::time::timeout(DEADLINE, service.oneshot(request)).await {
                Ok(answer) => answer,
                Err(_) => Ok(Status::deadline_exceeded("the service did not answer in time").into_http()),
            }
        })
    }
}
