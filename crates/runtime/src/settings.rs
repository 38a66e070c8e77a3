//! The settings that more than one program has, each written once. Those of a single program stand in that program.

use crate::config::Setting;

/// Where rows are kept.
pub const STORE: Setting = Setting::optional(
    "LEADLINE_STORE",
    "Where rows are kept: mongodb://host/prefix (?tls=true&tlsCAFile=PATH for TLS), or file:PATH for a SQLite file of this service's own",
);
/// How events travel.
pub const BUS: Setting = Setting::optional(
    "LEADLINE_BUS",
    "How events travel: amqp://user:password@host/vhost (amqps:// over TLS), or memory:",
);
/// Whose certificate the broker must have.
pub const BUS_CA_FILE: Setting = Setting::optional(
    "LEADLINE_BUS_CA_FILE",
    "For amqps:// addresses: the authority (PEM) that the broker's certificate must be of",
);
/// What services show each other.
pub const SERVICE_SECRET: Setting = Setting::secret(
    "LEADLINE_SERVICE_SECRET",
    "What the services of one deployment show each other, at least 32 characters, the same for all",
);
/// Where the auth service is.
pub const AUTH: Setting = Setting::new(
    "LEADLINE_AUTH",
    "http://127.0.0.1:50051",
    "Address of the auth service, or several with commas between; calls go to all that a name stands for",
);
/// Where the leads service is.
pub const LEADS: Setting = Setting::new(
    "LEADLINE_LEADS",
    "http://127.0.0.1:50052",
    "Address of the leads service, or several with commas between; calls go to all that a name stands for",
);
/// Where the reminders service is.
pub const REMINDERS: Setting = Setting::new(
    "LEADLINE_REMINDERS",
    "http://127.0.0.1:50053",
    "Address of the reminders service, or several with commas between; calls go to all that a name stands for",
);
/// Where the analytics service is.
pub const ANALYTICS: Setting = Setting::new(
    "LEADLINE_ANALYTICS",
    "http://127.0.0.1:50054",
    "Address of the analytics service, or several with commas between; calls go to all that a name stands for",
);
/// Whose certificates count.
pub const TLS_CA_FILE: Setting = Setting::optional(
    "LEADLINE_TLS_CA_FILE",
    "TLS between the services: the authority (PEM) that every other part's certificate must be of",
);
/// What a part shows of itself.
pub const TLS_CERT_FILE: Setting = Setting::optional(
    "LEADLINE_TLS_CERT_FILE",
    "TLS between the services: this part's certificate with its chain (PEM), for servers and clients; read again when it changes",
);
/// The key to it.
pub const TLS_KEY_FILE: Setting =
    Setting::optional("LEADLINE_TLS_KEY_FILE", "TLS between the services: the key (PEM) of that certificate");
/// What the others are called.
pub const TLS_SERVER_NAME: Setting = Setting::optional(
    "LEADLINE_TLS_SERVER_NAME",
    "TLS between the services: the name that every service's certificate must have, instead of its address's host",
);
/// TLS between the services: all of them, or none.
pub const TLS: [Setting; 4] = [TLS_CA_FILE, TLS_CERT_FILE, TLS_KEY_FILE, TLS_SERVER_NAME];
/// Whether tries are limited.
pub const RATE_LIMITS: Setting = Setting::new(
    "LEADLINE_RATE_LIMITS",
    "on",
    "Limits on sign-ins and requests: on, or off for tests and benchmarks",
);

/// Where a service listens for gRPC when it runs alone: each has a port of its own.
#[must_use]
pub const fn grpc_listen(default: &'static str) -> Setting {
    Setting::new("LEADLINE_GRPC_LISTEN", default, "Address of this service's gRPC (port 0: any)")
}
