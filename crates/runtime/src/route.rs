//! The way to a service: its own routes in this process, or a connection to its address. Callers can't tell which.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response, Uri};
use tonic::{
    Status,
    body::Body,
    service::Routes,
    transport::{Channel, Endpoint},
};
use tower::{Service, ServiceExt, util::BoxCloneSyncService};

use crate::caller::{DEADLINE, NoDeadline};

/// What a generated client is built over: `LeadsServiceClient::new(route)`.
#[derive(Clone)]
pub struct Route {
    inner: BoxCloneSyncService<Request<Body>, Response<Body>, Error>,
    target: String,
}

type Error = Box<dyn std::error::Error + Send + Sync>;

/// An address that is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be an address such as http://127.0.0.1:50051")]
pub struct BadAddress;

impl Route {
    /// To a service in this process: no socket, no copy of the bytes on a wire.
    #[must_use]
    pub fn in_process(name: &str, routes: Routes) -> Self {
        let routes = routes.prepare();
        let service = tower::service_fn(move |request: Request<Body>| {
            let routes = routes.clone();
            async move { routes.oneshot(request).await.map_err(|never: Infallible| match never {}) }
        });
        Self { inner: BoxCloneSyncService::new(service), target: format!("{name} (in process)") }
    }

    /// To a service at an address. The connection is made at the first call and again whenever it breaks, for ever.
    ///
    /// # Errors
    /// [`BadAddress`] for what is not an `http://host:port`.
    pub fn remote(address: &str) -> Result<Self, BadAddress> {
        let uri: Uri = address.parse().map_err(|_| BadAddress)?;
        if uri.scheme_str() != Some("http") || uri.host().is_none() || !matches!(uri.path(), "" | "/") {
            return Err(BadAddress);
        }
        let channel: Channel = Endpoint::from(uri)
            .connect_timeout(Duration::from_secs(2))
            // A peer that is stopped or cut off is noticed by its silence.
            .http2_keep_alive_interval(Duration::from_secs(5))
            .keep_alive_timeout(Duration::from_secs(5))
            .keep_alive_while_idle(true)
            .tcp_nodelay(true)
            .connect_lazy();
        let service = channel.map_err(Error::from);
        Ok(Self { inner: BoxCloneSyncService::new(service), target: address.to_owned() })
    }
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
