//! Counting everything anew from the leads service, while the system is live.
//!
//! A workspace at a time: a new generation begins, to which events go from then on too; then the leads service is asked for
//! all its snapshots, which are entered in it (an event that was quicker stays, by its version); then the new generation takes
//! the place of the old one. What an event brought before the new generation began, the snapshots contain, because they are
//! asked for later.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use futures::{StreamExt, stream::BoxStream};
use leadline_proto::leads::{
    StreamSnapshotsRequest, StreamSnapshotsResponse, leads_service_client::LeadsServiceClient,
};
use leadline_runtime::{
    caller::{Scope, ServiceSecret},
    ids::WorkspaceId,
    route::Route,
};
use tonic::Status;

use crate::{
    day::Delta,
    lead::newest,
    projection::{Malformed, snapshot_of},
    store::{Building, Store, StoreError},
};

/// So many counters are gathered in memory before they are written.
const MOST_UNCOUNTED: usize = 1_000_000;
/// So many days are written in one transaction, so that events get their turn between two.
const SLOTS_AT_ONCE: usize = 100;

/// Why a rebuild did not come to its end. The figures are those of before, kept up to date.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The leads service does not tell.
    #[error("the leads service does not give its snapshots: {}", .0.message())]
    Leads(#[from] Status),
    /// It tells what can't be understood.
    #[error("the leads service gives a snapshot that can't be used: {0}")]
    Malformed(#[from] Malformed),
    /// It tells of another workspace than it was asked for.
    #[error("the leads service gives snapshots of another workspace than was asked for")]
    Foreign,
    /// The store does not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a rebuild counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rebuilt {
    /// Leads that count.
    pub leads: u64,
    /// Workspaces.
    pub workspaces: u64,
}

/// Batches of snapshots.
pub type Snapshots = BoxStream<'static, Result<StreamSnapshotsResponse, Status>>;

/// Where snapshots come from.
#[async_trait]
pub trait Leads: Send + Sync {
    /// The newest snapshot of every lead of a workspace, or of all.
    async fn snapshots(&self, workspace: Option<WorkspaceId>) -> Result<Snapshots, Status>;
}

/// A store of leads that the same program has opened.
#[async_trait]
impl<F> Leads for F
where
    F: Fn(Option<WorkspaceId>) -> Snapshots + Send + Sync,
{
    async fn snapshots(&self, workspace: Option<WorkspaceId>) -> Result<Snapshots, Status> {
        Ok(self(workspace))
    }
}

/// The leads service.
pub struct LeadsService {
    /// The way to it.
    pub route: Route,
    /// What it wants to be shown.
    pub secret: ServiceSecret,
}

#[async_trait]
impl Leads for LeadsService {
    async fn snapshots(&self, workspace: Option<WorkspaceId>) -> Result<Snapshots, Status> {
        let workspace_id = workspace.map_or_else(String::new, |id| id.to_string());
        let mut request = self.secret.request(StreamSnapshotsRequest { workspace_id });
        // The stream takes as long as it takes; the route limits the time to its beginning.
        request.metadata_mut().remove("grpc-timeout");
        let answer = LeadsServiceClient::new(self.route.clone()).stream_snapshots(request).await?;
        Ok(answer.into_inner().boxed())
    }
}

/// Rebuilds a workspace, or all that either the leads service or the store knows.
///
/// # Errors
/// At the first failure; workspaces that were done before stay done.
pub async fn rebuild(
    store: &Arc<dyn Store>,
    leads: &dyn Leads,
    only: Option<WorkspaceId>,
) -> Result<Rebuilt, RebuildError> {
    let workspaces = match only {
        Some(workspace) => BTreeSet::from([workspace]),
        None => all_workspaces(store, leads).await?,
    };
    let mut rebuilt = Rebuilt::default();
    for workspace in workspaces {
        let counted = rebuild_one(store, leads, workspace).await?;
        rebuilt.leads += counted;
        rebuilt.workspaces += u64::from(counted > 0);
        tracing::info!(%workspace, leads = counted, "figures were counted anew");
    }
    while store.sweep(leadline_runtime::time::Millis::MIN).await? {}
    Ok(rebuilt)
}

/// The leads service has no list of workspaces, so its snapshots are passed over once: those read before a generation begins
/// must not be counted in it.
async fn all_workspaces(
    store: &Arc<dyn Store>,
    leads: &dyn Leads,
) -> Result<BTreeSet<WorkspaceId>, RebuildError> {
    let mut workspaces = BTreeSet::new();
    let mut snapshots = leads.snapshots(None).await?;
    while let Some(batch) = snapshots.next().await.transpose()? {
        workspaces.insert(WorkspaceId::parse(&batch.workspace_id).map_err(|_| RebuildError::Foreign)?);
    }
    let mut after = None;
    loop {
        let known = store.workspaces(after).await?;
        after = known.last().copied();
        if after.is_none() {
            return Ok(workspaces);
        }
        workspaces.extend(known);
    }
}

async fn rebuild_one(
    store: &Arc<dyn Store>,
    leads: &dyn Leads,
    workspace: WorkspaceId,
) -> Result<u64, RebuildError> {
    let building = match store.begin(Scope::of_own_row(workspace)).await {
        // Its last leads are on their way out.
        Err(StoreError::Erased) => return Ok(0),
        begun => begun?,
    };
    let rebuilt = fill(store, leads, building).await;
    if rebuilt.is_err()
        && let Err(error) = store.give_up(building).await
    {
        tracing::warn!(%workspace, %error, "a rebuild that failed is given up later");
    }
    rebuilt
}

async fn fill(store: &Arc<dyn Store>, leads: &dyn Leads, building: Building) -> Result<u64, RebuildError> {
    let workspace = building.scope.workspace();
    let mut snapshots = leads.snapshots(Some(workspace)).await?;
    let mut uncounted = Delta::default();
    while let Some(batch) = snapshots.next().await.transpose()? {
        if WorkspaceId::parse(&batch.workspace_id) != Ok(workspace) {
            return Err(RebuildError::Foreign);
        }
        let batch: Result<Vec<_>, Malformed> = batch.snapshots.iter().map(snapshot_of).collect();
        uncounted.merge(store.load(building, newest(batch?)).await?);
        if uncounted.size() > MOST_UNCOUNTED {
            count(store, building, std::mem::take(&mut uncounted)).await?;
        }
    }
    count(store, building, uncounted).await?;
    Ok(store.finish(building).await?)
}

async fn count(store: &Arc<dyn Store>, building: Building, delta: Delta) -> Result<(), StoreError> {
    let mut changes = delta.into_changes();
    while let Some(next) = changes.keys().nth(SLOTS_AT_ONCE).copied() {
        let rest = changes.split_off(&next);
        store.count(building, std::mem::replace(&mut changes, rest)).await?;
    }
    store.count(building, changes).await
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        task::{Context, Poll},
    };

    use leadline_proto::leads::{LeadSnapshot, leads_service_server};
    use leadline_testbed::Folder;
    use tonic::{
        Request, Response,
        body::Body,
        codegen::{BoxFuture, Service, http},
        server::{Grpc, NamedService, ServerStreamingService},
        service::Routes,
    };
    use tonic_prost::ProstCodec;

    use super::*;
    use crate::{
        counts::{Counts, Need, Span},
        lead::LeadId,
    };

    /// As much of a leads service as a rebuild asks for, on the wire.
    #[derive(Clone)]
    struct Teller {
        secret: ServiceSecret,
        workspaces: Vec<WorkspaceId>,
        leads_each: usize,
    }

    impl NamedService for Teller {
        const NAME: &'static str = leads_service_server::SERVICE_NAME;
    }

    impl ServerStreamingService<StreamSnapshotsRequest> for Teller {
        type Response = StreamSnapshotsResponse;
        type ResponseStream = Snapshots;
        type Future = BoxFuture<Response<Snapshots>, Status>;

        fn call(&mut self, request: Request<StreamSnapshotsRequest>) -> Self::Future {
            let this = self.clone();
            Box::pin(async move {
                this.secret.admit(request.metadata())?;
                let only = request.into_inner().workspace_id;
                let asked =
                    this.workspaces.into_iter().filter(move |id| only.is_empty() || id.to_string() == only);
                let parts = asked.flat_map(move |workspace| {
                    (0..this.leads_each.div_ceil(100)).map(move |_| {
                        let snapshots = (0..100).map(|_| lead()).collect();
                        Ok(StreamSnapshotsResponse { workspace_id: workspace.to_string(), snapshots })
                    })
                });
                Ok(Response::new(futures::stream::iter(parts).boxed()))
            })
        }
    }

    impl Service<http::Request<Body>> for Teller {
        type Response = http::Response<Body>;
        type Error = Infallible;
        type Future = BoxFuture<Self::Response, Infallible>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: http::Request<Body>) -> Self::Future {
            let this = self.clone();
            let codec: ProstCodec<StreamSnapshotsResponse, StreamSnapshotsRequest> = ProstCodec::default();
            Box::pin(async move { Ok(Grpc::new(codec).server_streaming(this, request).await) })
        }
    }

    fn lead() -> LeadSnapshot {
        LeadSnapshot {
            lead_id: LeadId::new().to_string(),
            version: 1,
            status: 1,
            source: 1,
            created_at_ms: 1_790_000_000_000,
            ..LeadSnapshot::default()
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn snapshots_are_streamed_from_the_leads_service_with_the_secret_of_the_deployment()
    -> anyhow::Result<()> {
        let folder = Folder::new()?;
        let url = leadline_storage::StoreUrl::Sqlite(folder.join("analytics.db"));
        let store = crate::store::open(&url, std::future::pending()).await?;
        let (secret, workspaces) = (ServiceSecret::random(), vec![WorkspaceId::new(), WorkspaceId::new()]);
        let teller = Teller { secret: secret.clone(), workspaces: workspaces.clone(), leads_each: 2500 };
        let route = Route::in_process("leads", Routes::new(teller));

        let leads = LeadsService { route: route.clone(), secret };
        assert_eq!(rebuild(&store, &leads, None).await?, Rebuilt { leads: 5000, workspaces: 2 });
        let mut need = Need::default();
        need.cohort(Span::always());
        let scope = Scope::of_own_row(workspaces[0]);
        assert_eq!(store.read(scope, need).await?.cohort(Span::always()).total(), 2500);
        assert_eq!(store.verify(scope).await?, []);

        let stranger = LeadsService { route, secret: ServiceSecret::random() };
        let refused = rebuild(&store, &stranger, None).await;
        assert!(
            matches!(refused, Err(RebuildError::Leads(status)) if status.code() == tonic::Code::Unauthenticated)
        );
        store.close().await;
        Ok(())
    }
}
