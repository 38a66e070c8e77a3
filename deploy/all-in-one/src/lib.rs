//! All of Leadline in one process: the four services and the gateway, joined without a socket.
//!
//! By default rows are kept in SQLite files and events travel in memory; two settings put the same program on MongoDB and
//! RabbitMQ. This crate only joins what the others are: it has no rule of its own, but for `leadline demo`, `leadline backup`,
//! `leadline restore` and `leadline rewrite`.

mod backup;
mod demo;
mod figures;
mod rewrite;

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use leadline_auth::SigningKeys;
use leadline_bus::{Bus, BusUrl};
use leadline_runtime::{
    caller::ServiceSecret,
    config::{Program, Setting, Settings, Subcommand, address, switch},
    health::HealthCheck,
    program::{self, Failure, announce},
    route::Route,
    serve,
    settings::{BUS_CA_FILE, RATE_LIMITS, TLS},
    stop::Stop,
    tls::Tls,
};
use leadline_storage::{DataDir, StoreUrl};
use tonic::service::Routes;

const DATA_DIR: Setting = Setting::new(
    "LEADLINE_DATA_DIR",
    "./data",
    "Folder for the SQLite files and the signing key; one process at a time",
);
const STORE: Setting = Setting::new(
    "LEADLINE_STORE",
    "sqlite",
    "Where rows are kept: sqlite, or mongodb://host/prefix (?tls=true&tlsCAFile=PATH for TLS)",
);
const BUS: Setting = Setting::new(
    "LEADLINE_BUS",
    "memory",
    "How events travel: memory, or amqp://user:password@host/vhost (amqps:// over TLS)",
);
const GRPC_LISTEN: Setting = Setting::new(
    "LEADLINE_GRPC_LISTEN",
    "off",
    "Address at which all four services answer gRPC, with health and reflection; or off",
);

const SIGNING_KEYS: Setting = Setting::secret(
    "LEADLINE_SIGNING_KEYS",
    "Ed25519 private keys in PEM that access tokens are signed with, the same for all processes on one database: the first \
     signs, all are published. Else a key is made in the data folder",
);
const SERVICE_SECRET: Setting = Setting::secret(
    "LEADLINE_SERVICE_SECRET",
    "What services show each other over gRPC, at least 32 characters, the same for all processes on one database. Else \
     nobody outside this process knows it",
);

/// What `leadline --help` says.
#[must_use]
pub fn program() -> Program {
    let mut settings =
        vec![DATA_DIR, STORE, BUS, BUS_CA_FILE, SIGNING_KEYS, SERVICE_SECRET, RATE_LIMITS, GRPC_LISTEN];
    settings.extend(TLS);
    settings.extend(leadline_gateway::SETTINGS);
    settings.extend(program::SETTINGS);
    Program {
        name: "leadline",
        about: "Leadline, a lead management system: all of it in one program. Without settings it keeps its data in \
                ./data and answers on http://127.0.0.1:8080",
        settings,
        commands: vec![
            Subcommand {
                name: "demo",
                about: "Fills a workspace with two years of sample data and prints how to sign in",
                settings: demo::SETTINGS,
            },
            Subcommand {
                name: "backup",
                about: "Copies the SQLite files and the signing key as they stand at one moment; Leadline may run meanwhile",
                settings: backup::BACKUP_SETTINGS,
            },
            Subcommand {
                name: "restore",
                about: "Checks a backup and puts it into a data folder that has no data yet",
                settings: backup::RESTORE_SETTINGS,
            },
            Subcommand {
                name: "rewrite",
                about: "Builds the SQLite files anew, so that nothing is left in them of what was erased; only while Leadline is stopped",
                settings: &[],
            },
            Subcommand {
                name: "rebuild",
                about: "Counts all figures anew from the leads: on MongoDB while Leadline runs, with SQLite while it is stopped",
                settings: leadline_analytics::COUNTING,
            },
            Subcommand {
                name: "verify",
                about: "Compares the figures' counters with a recount: on MongoDB while Leadline runs, with SQLite while it is stopped",
                settings: leadline_analytics::COUNTING,
            },
        ],
    }
}

/// Each keeps a file `<name>.db` in the data folder.
const SERVICES: [&str; 4] = ["auth", "leads", "reminders", "analytics"];
/// The file of the key that tokens are signed with, in the data folder.
const SIGNING_KEY: &str = "signing-key.pem";

/// The settings of all-in-one, read and checked.
struct Config {
    data: PathBuf,
    /// `None`: SQLite files in the data folder.
    mongo: Option<StoreUrl>,
    bus: BusUrl,
    /// `None`: a key in the data folder.
    keys: Option<SigningKeys>,
    /// `None`: this process's own.
    secret: Option<ServiceSecret>,
    rate_limits: bool,
    grpc_listen: Option<SocketAddr>,
    gateway: leadline_gateway::Config,
    /// For gRPC.
    tls: Option<Arc<Tls>>,
}

impl Config {
    fn read(settings: &mut Settings) -> Option<Self> {
        let data = settings.require(&DATA_DIR, |text| Ok::<_, String>(PathBuf::from(text)));
        let mongo = settings.parse(&STORE, |text| match text {
            "sqlite" => Ok(None),
            url => match StoreUrl::parse(url) {
                Ok(StoreUrl::Sqlite(_)) => {
                    Err("must be sqlite (its files are in LEADLINE_DATA_DIR) or a mongodb:// address"
                        .to_owned())
                }
                Ok(mongo) => Ok(Some(mongo)),
                Err(error) => Err(error.to_string()),
            },
        });
        let bus = BusUrl::read(settings, &BUS);
        let keys = settings.parse(&SIGNING_KEYS, SigningKeys::parse);
        let secret = settings.parse(&SERVICE_SECRET, ServiceSecret::new);
        let rate_limits = settings.require(&RATE_LIMITS, switch);
        let grpc_listen = settings.parse_or_off(&GRPC_LISTEN, address);
        let gateway = leadline_gateway::Config::read(settings);
        let tls = Tls::read(settings);
        Some(Self {
            data: data?,
            mongo: mongo?,
            bus: bus?,
            keys,
            secret,
            rate_limits: rate_limits?,
            grpc_listen,
            gateway: gateway?,
            tls,
        })
    }

    /// Whether other processes may work on the same rows: then others' events are heard, too.
    fn has_replicas(&self) -> bool {
        self.mongo.is_some() && !self.bus.is_memory()
    }

    /// Where a service keeps its rows: a file of its own, or a database of its own.
    fn store(&self, service: &str) -> StoreUrl {
        match &self.mongo {
            Some(url) => url.clone(),
            None => StoreUrl::Sqlite(self.data.join(format!("{service}.db"))),
        }
    }
}

/// The four services, started, and the ways to them.
struct Services {
    auth: leadline_auth::Service,
    leads: leadline_leads::Service,
    reminders: leadline_reminders::Service,
    analytics: leadline_analytics::Service,
    bus: Bus,
    /// Held so that no second process uses the folder.
    _data: DataDir,
}

/// Runs the program, or a command of it, until `stop`.
///
/// # Errors
/// A line for whatever keeps it from starting.
pub async fn run(mut settings: Settings, stop: Stop) -> Result<(), Failure> {
    let config = Config::read(&mut settings);
    let demo = (settings.command == Some("demo")).then(|| demo::Config::read(&mut settings));
    let backup =
        (settings.command == Some("backup")).then(|| backup::Config::backup(&mut settings)).flatten();
    let restore =
        (settings.command == Some("restore")).then(|| backup::Config::restore(&mut settings)).flatten();
    let rewrites = settings.command == Some("rewrite");
    if (backup.is_some() || restore.is_some() || rewrites)
        && config.as_ref().is_some_and(|config| config.mongo.is_some())
    {
        settings.fault(
            STORE.name,
            "backup, restore and rewrite are for the SQLite files; a MongoDB is backed up with its own tools (docs/OPERATING.md)",
        );
    }
    let command = settings.command;
    let counts = matches!(command, Some("rebuild" | "verify"));
    let only = counts.then(|| leadline_analytics::only_workspace(&mut settings)).flatten();
    settings.finish().map_err(|faults| Failure::unusable(&faults))?;
    let Some(config) = config else { return Err(Failure::new("the settings can't be used")) };
    if let Some(backup) = backup {
        return backup::back_up(&config.data, &backup);
    }
    if let Some(restore) = restore {
        return backup::restore(&config.data, &restore);
    }
    match command {
        Some("rewrite") => return rewrite::rewrite(&config.data),
        Some("rebuild") => return figures::rebuild(&config, only, &stop).await,
        Some("verify") => return figures::verify(&config, only, &stop).await,
        _ => {}
    }
    if let Some(demo) = demo {
        let Some(services) = Services::start_or_stop(&config, &stop).await? else { return Ok(()) };
        services.bus.start();
        let Some(demo) = demo else { return Err(Failure::new("the settings can't be used")) };
        demo::fill(&services, demo).await?;
        stop.now();
        return services.close(&stop).await;
    }

    if config.mongo.is_some() && config.bus.is_memory() {
        tracing::warn!(
            "events travel in memory: only one process may use this MongoDB; for several, set LEADLINE_BUS to a RabbitMQ"
        );
    }
    // The ports first: a busy one is told before anything else is touched.
    let listener = serve::bind(&leadline_gateway::LISTEN, config.gateway.listen).await?;
    let grpc_listener = match config.grpc_listen {
        Some(address) => Some(serve::bind(&GRPC_LISTEN, address).await?),
        None => None,
    };
    let Some(services) = Services::start_or_stop(&config, &stop).await? else { return Ok(()) };
    let gateway = leadline_gateway::Config { replicas: config.has_replicas(), ..config.gateway };
    let gateway = leadline_gateway::start(gateway, services.parts(), &stop).await?;
    services.bus.start();
    if let Some(grpc) = grpc_listener {
        announce(&format!("gRPC listening on {}", grpc.local_addr()?));
        let (routes, tls, ended) = (services.together(&stop).await?, config.tls, stop.clone());
        stop.spawn(async move {
            if let Err(error) = serve::grpc(grpc, routes, tls, ended).await {
                tracing::error!(%error, "the gRPC server ended");
            }
        });
    }
    announce(&format!("listening on http://{}", listener.local_addr()?));
    serve::http(listener, gateway, stop.clone()).await;
    services.close(&stop).await
}

impl Services {
    /// `None`: told to stop while a database was still being waited for.
    async fn start_or_stop(config: &Config, stop: &Stop) -> Result<Option<Self>, Failure> {
        match Self::start(config, stop).await {
            Ok(services) => Ok(Some(services)),
            Err(_) if stop.is_stopping() => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    async fn start(config: &Config, stop: &Stop) -> Result<Self, Failure> {
        let data = DataDir::lock(&config.data)?;
        let bus = Bus::open(&config.bus, "leadline", stop);
        // If nobody gave one: nobody outside this process ever shows or sees it.
        let secret = config.secret.clone().unwrap_or_else(ServiceSecret::random);
        let keys = match &config.keys {
            Some(keys) => keys.clone(),
            None => {
                backup::refuse_half_restored(&config.data)?;
                SigningKeys::load_or_create(&config.data.join(SIGNING_KEY))?
            }
        };
        let auth = leadline_auth::start(
            leadline_auth::Config { store: config.store("auth"), keys, rate_limits: config.rate_limits },
            leadline_auth::Parts { bus: bus.clone(), secret: secret.clone() },
            stop,
        )
        .await?;
        let auth_route = Route::in_process("auth", auth.routes.clone());
        let leads = leadline_leads::start(
            leadline_leads::Config { store: config.store("leads") },
            leadline_leads::Parts {
                bus: bus.clone(),
                verifier: auth.verifier.clone(),
                secret: secret.clone(),
                auth: auth_route.clone(),
            },
            stop,
        )
        .await?;
        let leads_route = Route::in_process("leads", leads.routes.clone());
        let reminders = leadline_reminders::start(
            leadline_reminders::Config { store: config.store("reminders") },
            leadline_reminders::Parts {
                bus: bus.clone(),
                verifier: auth.verifier.clone(),
                auth: auth_route,
                leads: leads_route.clone(),
            },
            stop,
        )
        .await?;
        let analytics = leadline_analytics::start(
            leadline_analytics::Config { store: config.store("analytics") },
            leadline_analytics::Parts {
                bus: bus.clone(),
                verifier: auth.verifier.clone(),
                secret,
                leads: leads_route,
            },
            stop,
        )
        .await?;
        Ok(Self { auth, leads, reminders, analytics, bus, _data: data })
    }

    /// What the gateway needs.
    fn parts(&self) -> leadline_gateway::Parts {
        leadline_gateway::Parts {
            auth: Route::in_process("auth", self.auth.routes.clone()),
            leads: Route::in_process("leads", self.leads.routes.clone()),
            reminders: Route::in_process("reminders", self.reminders.routes.clone()),
            analytics: Route::in_process("analytics", self.analytics.routes.clone()),
            bus: self.bus.clone(),
            verifier: self.auth.verifier.clone(),
            health: self.health(),
        }
    }

    fn health(&self) -> Vec<(&'static str, HealthCheck)> {
        vec![
            ("auth", discreet("auth", &self.auth.health)),
            ("leads", discreet("leads", &self.leads.health)),
            ("reminders", discreet("reminders", &self.reminders.health)),
            ("analytics", discreet("analytics", &self.analytics.health)),
        ]
    }

    /// All four services behind one address, with their health and reflection.
    async fn together(&self, stop: &Stop) -> Result<Routes, Failure> {
        let routes = self
            .auth
            .routes
            .clone()
            .into_axum_router()
            // Each answers UNIMPLEMENTED to what it does not know; one of them is enough.
            .merge(self.leads.routes.clone().into_axum_router().reset_fallback())
            .merge(self.reminders.routes.clone().into_axum_router().reset_fallback())
            .merge(self.analytics.routes.clone().into_axum_router().reset_fallback());
        let checks = vec![
            (leadline_auth::NAME, self.auth.health.clone()),
            (leadline_leads::NAME, self.leads.health.clone()),
            (leadline_leads::IMPORTS_NAME, self.leads.health.clone()),
            (leadline_reminders::NAME, self.reminders.health.clone()),
            (leadline_analytics::NAME, self.analytics.health.clone()),
        ];
        Ok(serve::with_health_of_all(Routes::from(routes), checks, stop).await?)
    }

    /// Waits for what is under way, then closes the stores.
    async fn close(self, stop: &Stop) -> Result<(), Failure> {
        stop.last_work().await;
        self.leads.store.close().await;
        self.reminders.close().await;
        self.analytics.close().await;
        self.auth.close().await;
        Ok(())
    }
}

/// A store's own words may name hosts and files: they go to the log, and what anybody may read is that it does not answer.
fn discreet(service: &'static str, check: &HealthCheck) -> HealthCheck {
    let check = check.clone();
    HealthCheck::new(move || {
        let check = check.clone();
        async move {
            check.ask().await.map_err(|why| {
                tracing::warn!(service, why, "not ready");
                "its database does not answer".to_owned()
            })
        }
    })
}
