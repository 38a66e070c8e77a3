//! The settings that more than one program has, each written once. Those of a single program stand in that program.

use crate::config::Setting;

/// Where rows are kept.
pub const STORE: Setting = Setting::optional(
    "LEADLINE_STORE",
    "Where rows are kept: mongodb://host/prefix, or file:PATH for a SQLite file of this service's own",
);
/// How events travel.
pub const BUS: Setting =
    Setting::optional("LEADLINE_BUS", "How events travel: amqp://user:password@host/vhost, or memory:");
/// What services show each other.
pub const SERVICE_SECRET: Setting = Setting::secret(
    "LEADLINE_SERVICE_SECRET",
    "What the services of one deployment show each other, at least 32 characters, the same for all",
);
/// Where the auth service is.
pub const AUTH: Setting =
    Setting::new("LEADLINE_AUTH", "http://127.0.0.1:50051", "Address of the auth service");
/// Where the leads service is.
pub const LEADS: Setting =
    Setting::new("LEADLINE_LEADS", "http://127.0.0.1:50052", "Address of the leads service");
/// Where the reminders service is.
pub const REMINDERS: Setting =
    Setting::new("LEADLINE_REMINDERS", "http://127.0.0.1:50053", "Address of the reminders service");
/// Where the analytics service is.
pub const ANALYTICS: Setting =
    Setting::new("LEADLINE_ANALYTICS", "http://127.0.0.1:50054", "Address of the analytics service");
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
