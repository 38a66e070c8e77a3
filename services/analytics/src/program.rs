//! The program `leadline-analytics`: settings and commands.

use std::sync::Arc;

use leadline_bus::{Bus, BusUrl};
use leadline_runtime::{
    caller::{Scope, ServiceSecret},
    config::{self, Program, Setting, Settings, Subcommand},
    ids::WorkspaceId,
    program::{self, Failure, announce},
    revoked::Revocations,
    route::Route,
    serve, settings,
    stop::Stop,
    tls::Tls,
    tokens::Verifier,
};
use leadline_storage::StoreUrl;

use crate::{
    Config, NAME, Parts,
    rebuild::{Leads, LeadsService, rebuild},
    store::{self, Store},
};

const LISTEN: Setting = settings::grpc_listen("127.0.0.1:50054");
const WORKSPACE: Setting =
    Setting::optional("LEADLINE_WORKSPACE", "Only the workspace with this id, instead of all");
/// The settings that only the commands `rebuild` and `verify` have.
pub const COUNTING: &[Setting] = &[WORKSPACE];

/// What the program is called, its settings and its commands.
#[must_use]
pub fn program() -> Program {
    let mut all =
        vec![LISTEN, settings::STORE, settings::BUS, settings::BUS_CA_FILE, settings::SERVICE_SECRET];
    all.extend([settings::AUTH, settings::LEADS]);
    all.extend(settings::TLS);
    all.extend(program::SETTINGS);
    Program {
        name: "leadline-analytics",
        about: "The analytics service of Leadline: figures that equal a recount of the leads",
        settings: all,
        commands: vec![
            Subcommand {
                name: "rebuild",
                about: "Counts all figures anew from the leads service, while the system is live",
                settings: COUNTING,
            },
            Subcommand {
                name: "verify",
                about: "Compares the counters with a recount of the stored snapshots",
                settings: COUNTING,
            },
        ],
    }
}

/// Runs the service alone, or a command of it, until `stop`.
///
/// # Errors
/// One line that says what is wrong and what to do.
pub async fn run(settings: Settings, stop: Stop) -> Result<(), Failure> {
    match settings.command {
        Some("rebuild") => run_rebuild(settings, stop).await,
        Some("verify") => run_verify(settings, stop).await,
        _ => run_service(settings, stop).await,
    }
}

async fn run_service(mut settings: Settings, stop: Stop) -> Result<(), Failure> {
    let tls = Tls::read(&mut settings);
    let address = settings.require(&LISTEN, config::address);
    let url = settings.require(&settings::STORE, StoreUrl::parse);
    let bus = BusUrl::read(&mut settings, &settings::BUS);
    let secret = settings.require(&settings::SERVICE_SECRET, ServiceSecret::new);
    let auth = settings.require(&settings::AUTH, |address| Route::to(address, tls.as_ref()));
    let leads = settings.require(&settings::LEADS, |address| Route::to(address, tls.as_ref()));
    settings.finish().map_err(|faults| Failure::unusable(&faults))?;
    let (Some(address), Some(url), Some(bus), Some(secret), Some(auth), Some(leads)) =
        (address, url, bus, secret, auth, leads)
    else {
        return Err(Failure::new("the settings can't be used"));
    };

    let listener = serve::bind(&LISTEN, address).await?;
    let bound = listener.local_addr()?;
    let bus = Bus::open(&bus, "analytics", &stop);
    let revocations = Revocations::new();
    stop.spawn(revocations.clone().keep_loaded(auth.clone(), secret.clone(), stop.clone()));
    bus.hear_revocations(&revocations, &stop);
    let parts = Parts { bus: bus.clone(), verifier: Verifier::remote(auth, revocations), secret, leads };
    let service = match crate::start(Config { store: url }, parts, &stop).await {
        Ok(service) => service,
        // The store was still being waited for.
        Err(_) if stop.is_stopping() => return Ok(()),
        Err(failure) => return Err(failure),
    };
    bus.start();
    let routes =
        serve::with_health_and_reflection(service.routes.clone(), NAME, service.health.clone(), &stop)
            .await?;
    announce(&format!("leadline-analytics listening on {bound}"));
    let served = serve::grpc(listener, routes, tls, stop.clone()).await;
    stop.last_work().await;
    service.close().await;
    Ok(served?)
}

/// The only workspace that `rebuild` or `verify` is to look at, if one is set.
pub fn only_workspace(settings: &mut Settings) -> Option<WorkspaceId> {
    settings.parse(&WORKSPACE, WorkspaceId::parse)
}

async fn run_rebuild(mut settings: Settings, stop: Stop) -> Result<(), Failure> {
    let tls = Tls::read(&mut settings);
    let url = settings.require(&settings::STORE, StoreUrl::parse);
    let secret = settings.require(&settings::SERVICE_SECRET, ServiceSecret::new);
    let route = settings.require(&settings::LEADS, |address| Route::to(address, tls.as_ref()));
    let only = only_workspace(&mut settings);
    settings.finish().map_err(|faults| Failure::unusable(&faults))?;
    let (Some(url), Some(secret), Some(route)) = (url, secret, route) else {
        return Err(Failure::new("the settings can't be used"));
    };
    count_anew(&url, &LeadsService { route, secret }, only, &stop).await
}

async fn run_verify(mut settings: Settings, stop: Stop) -> Result<(), Failure> {
    let url = settings.require(&settings::STORE, StoreUrl::parse);
    let only = only_workspace(&mut settings);
    settings.finish().map_err(|faults| Failure::unusable(&faults))?;
    let Some(url) = url else { return Err(Failure::new("the settings can't be used")) };
    compare(&url, only, "leadline-analytics rebuild", &stop).await
}

/// The command `rebuild`: counts all figures of a store anew, and announces how many.
///
/// # Errors
/// A line for whatever keeps it from its end, and if it is told to stop.
pub async fn count_anew(
    url: &StoreUrl,
    leads: &dyn Leads,
    only: Option<WorkspaceId>,
    stop: &Stop,
) -> Result<(), Failure> {
    let store = store::open(url, stop.stopping()).await?;
    let rebuilt = tokio::select! {
        rebuilt = rebuild(&store, leads, only) => rebuilt.map_err(Failure::from),
        () = stop.stopping() => Err(Failure::new("stopped before the end: the figures are those of before")),
    };
    store.close().await;
    let rebuilt = rebuilt?;
    announce(&format!("{} leads of {} workspaces were counted anew", rebuilt.leads, rebuilt.workspaces));
    Ok(())
}

/// The command `verify`: compares a store's counters with a recount. `mend` is the command that mends them.
///
/// # Errors
/// If they differ, or the store can't be read.
pub async fn compare(
    url: &StoreUrl,
    only: Option<WorkspaceId>,
    mend: &str,
    stop: &Stop,
) -> Result<(), Failure> {
    let store = store::open(url, stop.stopping()).await?;
    let verified = tokio::select! {
        verified = verify(&store, only) => verified.map_err(Failure::from),
        () = stop.stopping() => Err(Failure::new("stopped before the end")),
    };
    store.close().await;
    let verified = verified?;
    if verified.wrong == 0 {
        announce(&format!("the counters of {} workspaces equal a recount", verified.workspaces));
        return Ok(());
    }
    Err(Failure::new(format!(
        "the counters of {} of {} workspaces differ from a recount: run {mend}",
        verified.wrong, verified.workspaces
    )))
}

/// How many workspaces were looked at, and in how many the counters are wrong.
struct Verified {
    workspaces: u64,
    wrong: u64,
}

async fn verify(store: &Arc<dyn Store>, only: Option<WorkspaceId>) -> Result<Verified, store::StoreError> {
    let mut verified = Verified { workspaces: 0, wrong: 0 };
    let mut after = None;
    loop {
        let workspaces = match only {
            Some(workspace) => vec![workspace],
            None => store.workspaces(after).await?,
        };
        after = workspaces.last().copied();
        for workspace in &workspaces {
            let wrong = store.verify(Scope::of_own_row(*workspace)).await?;
            verified.workspaces += 1;
            if !wrong.is_empty() {
                verified.wrong += 1;
                tracing::error!(%workspace, slots = ?wrong, "counters differ from a recount");
            }
        }
        if only.is_some() || workspaces.is_empty() {
            return Ok(verified);
        }
    }
}
