//! Whether a part of the system can do its work, told over `grpc.health.v1`.

use std::{future::Future, sync::Arc, time::Duration};

use futures::future::BoxFuture;

use crate::{caller::Origin, route::Route};

/// How often a part is asked.
pub const INTERVAL: Duration = Duration::from_secs(2);
/// How long it may take to answer.
const LIMIT: Duration = Duration::from_secs(2);

/// A question that a part answers with why it can't work, if it can't.
#[derive(Clone)]
pub struct HealthCheck(Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>);

impl HealthCheck {
    /// From a function that asks.
    pub fn new<F, Fut>(ask: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), String>> + Send + 'static,
    {
        Self(Arc::new(move || Box::pin(ask())))
    }

    /// Asks; no answer in two seconds is a no.
    ///
    /// # Errors
    /// Why the part can't work.
    pub async fn ask(&self) -> Result<(), String> {
        match tokio::time::timeout(LIMIT, (self.0)()).await {
            Ok(answer) => answer,
            Err(_) => Err("did not answer within two seconds".to_owned()),
        }
    }

    /// Asks a service through its gRPC health.
    #[must_use]
    pub fn of_service(route: Route, name: &'static str) -> Self {
        Self::new(move || {
            let route = route.clone();
            async move {
                use tonic_health::pb::{
                    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
                };
                let request = Origin::new().request(HealthCheckRequest { service: name.to_owned() });
                let answer = HealthClient::new(route).check(request).await;
                match answer.map(|answer| answer.into_inner().status()) {
                    Ok(ServingStatus::Serving) => Ok(()),
                    Ok(_) => Err("not ready".to_owned()),
                    Err(status) => {
                        tracing::debug!(service = name, error = %status, "a service does not tell its health");
                        Err("does not answer".to_owned())
                    }
                }
            }
        })
    }
}
