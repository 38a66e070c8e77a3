//! The service as others see it: over its routes, with real tokens, fed by a bus.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use async_trait::async_trait;
use futures::StreamExt;
use leadline_bus::{
    Backlog, Bus, Consumer, HandleError, Heard, Outbox, OutboxError, OutboxRow, PendingEvent,
};
use leadline_proto::{
    analytics::analytics_service_client::AnalyticsServiceClient,
    events::{Event, LeadEvent, event::Body},
    leads::{Activity, LeadSnapshot, StageTimes, StreamSnapshotsResponse, activity},
};
use leadline_runtime::{
    caller::Role,
    ids::{SessionId, UserId, new_uuid},
    revoked::Revocations,
    route::Route,
    tokens::{AUDIENCE, Claims, ISSUER, Jwk, Jwks, sign},
};
use leadline_storage::StoreUrl;
use leadline_testbed::{Folder, eventually};
use tokio::sync::watch;
use tonic::{Code, service::Routes};

use super::*;
use crate::{
    Config, Parts, Service, lead::LeadId, projection::Projection, rebuild::Snapshots, signal::Signals,
};

/// Ed25519 in PKCS #8 before the seed, and the first key pair of RFC 8032, section 7.1.
const PKCS8: &str = "302e020100300506032b657004220420";
const SEED: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
const PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).unwrap()).collect()
}

fn verifier() -> Verifier {
    let revoked = Revocations::new();
    revoked.set_loaded();
    let public: [u8; 32] = bytes(PUBLIC).try_into().unwrap();
    Verifier::fixed(&Jwks { keys: vec![Jwk::new("k1", &public)] }, revoked)
}

fn token(workspace: WorkspaceId, role: Role) -> String {
    let now = Millis::now().0 / 1000;
    let claims = Claims {
        iss: ISSUER.into(),
        aud: AUDIENCE.into(),
        sub: UserId::new().to_string(),
        wid: workspace.to_string(),
        role: role.name().into(),
        sid: SessionId::new().to_string(),
        iat: now,
        exp: now + 900,
        jti: new_uuid().to_string(),
    };
    sign(&claims, "k1", &bytes(&format!("{PKCS8}{SEED}"))).unwrap()
}

fn with_token<T>(message: T, workspace: WorkspaceId, role: Role) -> Request<T> {
    let mut request = Request::new(message);
    let bearer = format!("Bearer {}", token(workspace, role));
    request.metadata_mut().insert("authorization", bearer.parse().unwrap());
    request
}

/// An outbox in memory: what the leads service would have.
#[derive(Default)]
struct Letters {
    waiting: Mutex<BTreeMap<i64, Event>>,
    parked: Mutex<Vec<i64>>,
    committed: watch::Sender<u64>,
}

impl Letters {
    fn send(&self, event: Event) {
        let mut waiting = self.waiting.lock().unwrap();
        let row = waiting.last_key_value().map_or(1, |(row, _)| row + 1);
        waiting.insert(row, event);
        drop(waiting);
        self.committed.send_modify(|count| *count += 1);
    }
}

#[async_trait]
impl Outbox for Letters {
    async fn pending(
        &self,
        after: Option<&OutboxRow>,
        limit: usize,
    ) -> Result<Vec<PendingEvent>, OutboxError> {
        let after = after.and_then(OutboxRow::number).unwrap_or(0);
        let waiting = self.waiting.lock().unwrap();
        let pending = waiting.range(after + 1..).take(limit);
        Ok(pending.map(|(row, event)| PendingEvent::of(OutboxRow::from(*row), event)).collect())
    }

    async fn mark_published(&self, rows: &[OutboxRow]) -> Result<(), OutboxError> {
        let mut waiting = self.waiting.lock().unwrap();
        rows.iter().filter_map(OutboxRow::number).for_each(|row| drop(waiting.remove(&row)));
        Ok(())
    }

    async fn park(&self, row: &OutboxRow, _: &str, _: &str) -> Result<(), OutboxError> {
        self.parked.lock().unwrap().extend(row.number());
        Ok(())
    }

    async fn backlog(&self) -> Result<Backlog, OutboxError> {
        Ok(Backlog { depth: self.waiting.lock().unwrap().len() as u64, oldest_at_ms: None })
    }

    fn committed(&self) -> watch::Receiver<u64> {
        self.committed.subscribe()
    }
}

/// A running service with a bus, and what feeds it.
struct Running {
    client: AnalyticsServiceClient<Route>,
    letters: Arc<Letters>,
    bus: Bus,
    secret: ServiceSecret,
    stop: Stop,
    service: Service,
    _folder: Folder,
}

impl Running {
    async fn start() -> anyhow::Result<Self> {
        let folder = Folder::new()?;
        let (stop, bus, secret) = (Stop::new(), Bus::memory(), ServiceSecret::random());
        let letters = Arc::new(Letters::default());
        let parts = Parts {
            bus: bus.clone(),
            verifier: verifier(),
            secret: secret.clone(),
            leads: Route::in_process("leads", Routes::default()),
        };
        let config = Config { store: StoreUrl::Sqlite(folder.join("analytics.db")) };
        let service =
            crate::start(config, parts, &stop).await.map_err(|error| anyhow::anyhow!("{error:?}"))?;
        bus.relay("leads", letters.clone(), &stop);
        bus.start();
        let client = AnalyticsServiceClient::new(Route::in_process("analytics", service.routes.clone()));
        Ok(Self { client, letters, bus, secret, stop, service, _folder: folder })
    }

    async fn end(self) {
        self.stop.now();
        assert!(self.stop.finished(Duration::from_secs(10)).await);
        self.service.close().await;
    }
}

fn snapshot(status: leads::Status, at: i64) -> LeadSnapshot {
    LeadSnapshot {
        lead_id: LeadId::new().to_string(),
        version: 1,
        name: "Ada".into(),
        status: status.into(),
        source: leads::Source::Website.into(),
        created_at_ms: at,
        status_changed_at_ms: at,
        stages: vec![StageTimes { status: status.into(), first_entered_at_ms: at, last_entered_at_ms: at }],
        deleted: false,
        erased: false,
        merged_into: None,
    }
}

fn event(workspace: WorkspaceId, at: i64, snapshot: Option<LeadSnapshot>) -> Event {
    let what = activity::What::Created(activity::Created::default());
    let activity = Activity { what: Some(what), ..Activity::default() };
    Event {
        id: new_uuid().to_string(),
        workspace_id: workspace.to_string(),
        at_ms: at,
        body: Some(Body::Lead(LeadEvent { activity: Some(activity), snapshot })),
        ..Event::default()
    }
}

fn utc() -> String {
    "UTC".to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_changes_the_figures_of_its_workspace_only_and_listeners_are_told() -> anyhow::Result<()> {
    let mut running = Running::start().await?;
    let mut told = running.bus.listen(&["analytics.changed"], 16);
    let (workspace, neighbour) = (WorkspaceId::new(), WorkspaceId::new());
    let at = Millis::now().0;
    running.letters.send(event(workspace, at, Some(snapshot(leads::Status::Converted, at))));

    match tokio::time::timeout(Duration::from_secs(10), told.recv()).await? {
        Some(Heard::Event(event)) => {
            assert_eq!(event.workspace_id, workspace.to_string());
            assert!(matches!(&event.body, Some(Body::AnalyticsChanged(changed)) if changed.as_of_ms == at));
        }
        other => panic!("{other:?}"),
    }
    // Once listeners are told, the figures are there; for every role.
    for role in Role::ALL {
        let request = proto::GetSummaryRequest { tz: utc() };
        let summary = running.client.get_summary(with_token(request, workspace, role)).await?.into_inner();
        assert_eq!((summary.total_leads, summary.converted_this_week), (1, 1));
        assert_eq!(summary.as_of_ms, at);
    }
    let request = proto::GetDashboardRequest { tz: utc(), interval: proto::Interval::Week.into() };
    let request = with_token(request, neighbour, Role::Owner);
    let dashboard = running.client.get_dashboard(request).await?.into_inner();
    assert_eq!(dashboard.summary.unwrap().total_leads, 0);
    assert_eq!(dashboard.created.unwrap().items.len(), 16);
    assert_eq!(dashboard.conversion.unwrap().items.len(), 12);
    assert!(dashboard.funnel.unwrap().items.iter().all(|step| step.rate_tenths.is_none()));
    running.end().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_means_nothing_is_parked_and_later_ones_are_counted() -> anyhow::Result<()> {
    let running = Running::start().await?;
    let workspace = WorkspaceId::new();
    let at = Millis::now().0;
    let mut no_workspace = event(workspace, at, Some(snapshot(leads::Status::New, at)));
    no_workspace.workspace_id = "x".into();
    let of_the_future = LeadSnapshot { status: 99, ..snapshot(leads::Status::New, at) };
    let out_of_time = LeadSnapshot { created_at_ms: i64::MAX, ..snapshot(leads::Status::New, at) };
    running.letters.send(event(workspace, at, None));
    running.letters.send(no_workspace);
    running.letters.send(event(workspace, at, Some(of_the_future)));
    running.letters.send(event(workspace, at, Some(out_of_time)));
    running.letters.send(event(workspace, at, Some(snapshot(leads::Status::New, at))));
    let client = running.client.clone();
    eventually(Duration::from_secs(20), "the good event is counted", async || {
        let request = with_token(proto::GetSummaryRequest { tz: utc() }, workspace, Role::Viewer);
        let summary = client.clone().get_summary(request).await?.into_inner();
        anyhow::ensure!(summary.total_leads == 1, "{summary:?}");
        Ok(())
    })
    .await?;
    let mut parked = running.letters.parked.lock().unwrap().clone();
    parked.sort_unstable();
    assert_eq!(parked, [1, 2, 3, 4]);
    running.end().await;
    Ok(())
}

fn fields(status: Status) -> Vec<String> {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    match Refusal::from(status) {
        Refusal::Invalid(violations) => violations.into_iter().map(|violation| violation.field).collect(),
        other => panic!("{other:?}"),
    }
}

fn range(from: &str, to: &str) -> Option<proto::DateRange> {
    Some(proto::DateRange { from: from.into(), to: to.into() })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_field_is_named_at_once() -> anyhow::Result<()> {
    let mut running = Running::start().await?;
    let workspace = WorkspaceId::new();
    let client = &mut running.client;

    for (tz, interval, days, expected) in [
        ("Mars/Olympus", 9, range("2026-02-30", "yesterday"), vec!["tz", "interval", "from", "to"]),
        ("", 1, range("2026-11-23", "2026-11-22"), vec!["tz", "from"]),
        ("UTC", 1, range("2023-01-01", "2026-11-22"), vec!["from"]),
        ("UTC", 1, range("1900-01-01", "today"), vec!["to"]),
        ("UTC", 1, range("", "0001-01-01"), vec![]),
        ("UTC", 1, range("9999-12-31", ""), vec!["from"]),
        ("UTC", 3, range("1970-01-01", "2026-11-22"), vec![]),
        ("UTC", 0, None, vec![]),
    ] {
        let request = proto::GetCreatedRequest { tz: tz.into(), interval, range: days.clone() };
        let answer = client.get_created(with_token(request, workspace, Role::Viewer)).await;
        let found = answer.map_or_else(fields, |_| Vec::new());
        assert_eq!(found, expected, "{tz} {interval} {days:?}");
    }
    for months in [0, 61, u32::MAX] {
        let request = proto::GetConversionRequest { tz: "Berlin".into(), months };
        let refused = client.get_conversion(with_token(request, workspace, Role::Viewer)).await.unwrap_err();
        assert_eq!(fields(refused), ["tz", "months"]);
    }
    let request = proto::GetReportRequest { tz: utc(), period: 4, date: "2026-13-01".into() };
    let refused = client.get_report(with_token(request, workspace, Role::Viewer)).await.unwrap_err();
    assert_eq!(fields(refused), ["period", "date"]);
    let request = proto::GetFunnelRequest { tz: "x".into(), created: range("2026-11-23", "2026-11-01") };
    let refused = client.get_funnel(with_token(request, workspace, Role::Viewer)).await.unwrap_err();
    assert_eq!(fields(refused), ["tz", "from"]);
    let request = proto::GetByStatusRequest { tz: "x".into(), created: range("20261123", "") };
    let refused = client.get_by_status(with_token(request, workspace, Role::Viewer)).await.unwrap_err();
    assert_eq!(fields(refused), ["tz", "from"]);
    running.end().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_edges_of_the_calendar_are_answered() -> anyhow::Result<()> {
    let mut running = Running::start().await?;
    let workspace = WorkspaceId::new();
    for tz in ["UTC", "Pacific/Apia", "America/Santiago"] {
        for date in ["0001-01-01", "9999-12-31"] {
            for period in 1..=3 {
                let request = proto::GetReportRequest { tz: tz.into(), period, date: date.into() };
                let report = running.client.get_report(with_token(request, workspace, Role::Viewer)).await?;
                assert_eq!(report.into_inner().figures.unwrap().created, 0);
            }
            let request = proto::GetFunnelRequest { tz: tz.into(), created: range(date, date) };
            let funnel = running.client.get_funnel(with_token(request, workspace, Role::Viewer)).await?;
            assert_eq!(funnel.into_inner().items.len(), 4);
        }
    }
    running.end().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reads_without_a_token_and_nobody_rebuilds_without_the_secret() -> anyhow::Result<()> {
    let mut running = Running::start().await?;
    let workspace = WorkspaceId::new();
    let summary = running.client.get_summary(Request::new(proto::GetSummaryRequest { tz: utc() })).await;
    assert_eq!(summary.unwrap_err().code(), Code::Unauthenticated);
    // An owner's token is not the secret, and bad fields are not told to strangers.
    let request = proto::RebuildRequest { workspace_id: "x".into() };
    let refused = running.client.rebuild(with_token(request, workspace, Role::Owner)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let summary = running.client.get_summary(Request::new(proto::GetSummaryRequest { tz: "x".into() })).await;
    assert_eq!(summary.unwrap_err().code(), Code::Unauthenticated);
    // With the secret it is tried; the leads service of this test knows no such call.
    let request = proto::RebuildRequest { workspace_id: workspace.to_string() };
    let refused = running.client.rebuild(running.secret.request(request)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Internal);
    let request = proto::RebuildRequest { workspace_id: "x".into() };
    let refused = running.client.rebuild(running.secret.request(request)).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    running.end().await;
    Ok(())
}

/// A leads service that answers when it is let.
struct Slow {
    workspace: WorkspaceId,
    let_go: Arc<tokio::sync::Semaphore>,
}

#[async_trait]
impl Leads for Slow {
    async fn snapshots(&self, _: Option<WorkspaceId>) -> Result<Snapshots, Status> {
        let (workspace, let_go) = (self.workspace, self.let_go.clone());
        let batch = async move {
            let _permit = let_go.acquire().await.map_err(|_| Status::internal("closed"))?;
            Ok(StreamSnapshotsResponse {
                workspace_id: workspace.to_string(),
                snapshots: vec![snapshot(leads::Status::Lost, 5), snapshot(leads::Status::New, 6)],
            })
        };
        Ok(futures::stream::once(batch).boxed())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_rebuild_runs_at_a_time_and_goes_on_when_its_caller_has_left() -> anyhow::Result<()> {
    let folder = Folder::new()?;
    let url = StoreUrl::Sqlite(folder.join("analytics.db"));
    let store = crate::store::open(&url, std::future::pending()).await?;
    let (workspace, secret, stop) = (WorkspaceId::new(), ServiceSecret::random(), Stop::new());
    let let_go = Arc::new(tokio::sync::Semaphore::new(0));
    let server = Arc::new(Server {
        store: store.clone(),
        leads: Arc::new(Slow { workspace, let_go: let_go.clone() }),
        verifier: verifier(),
        secret: secret.clone(),
        stop: stop.clone(),
        rebuilding: Arc::default(),
    });
    let ask = || {
        let (server, secret) = (server.clone(), secret.clone());
        let request = proto::RebuildRequest { workspace_id: workspace.to_string() };
        async move { server.rebuild(secret.request(request)).await }
    };
    let left = tokio::time::timeout(Duration::from_millis(50), ask()).await;
    assert!(left.is_err(), "it should still be under way");
    assert_eq!(ask().await.unwrap_err().code(), Code::AlreadyExists);
    let_go.add_permits(8);
    let rebuilt =
        eventually(Duration::from_secs(10), "the first one ends", async || Ok(ask().await?)).await?;
    assert_eq!(rebuilt.into_inner(), proto::RebuildResponse { leads: 2, workspaces: 1 });
    stop.now();
    assert!(stop.finished(Duration::from_secs(10)).await);
    store.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_gone_is_a_failure_that_may_pass() -> anyhow::Result<()> {
    let folder = Folder::new()?;
    let url = StoreUrl::Sqlite(folder.join("analytics.db"));
    let store = crate::store::open(&url, std::future::pending()).await?;
    let stop = Stop::new();
    let projection = Projection::new(store.clone(), Signals::new(Bus::memory(), stop.clone()));
    store.close().await;
    let handled = projection
        .handle(&[Arc::new(event(WorkspaceId::new(), 1, Some(snapshot(leads::Status::New, 1))))])
        .await;
    assert!(matches!(handled, Err(HandleError::Transient(_))), "{handled:?}");
    Ok(())
}
