//! What every process of Leadline does at start and stop, and what every request carries.
//!
//! - [`config`], [`settings`]: settings from flags, environment and a file, checked whole at start.
//! - [`program`]: logs, metrics, signals, exit codes: the frame around a `main`.
//! - [`serve`]: a gRPC server with health and reflection, an HTTP server with limits; both stop gracefully.
//! - [`health`]: whether a part can do its work.
//! - [`route`]: the way to a service, in process or over the network: one type. [`tls`]: who may go it.
//! - [`caller`], [`tokens`], [`revoked`]: who is asking, and the [`Scope`](caller::Scope) that every store call needs.
//! - [`refusal`], [`violations`]: the one vocabulary for saying no, between services and gateway.
//! - [`once`], [`version`], [`cursor`], [`time`], [`zone`], [`ids`]: small words that all services speak.

pub mod caller;
mod calls;
pub mod config;
pub mod cursor;
mod greeting;
pub mod health;
pub mod ids;
pub mod once;
mod process;
pub mod program;
pub mod refusal;
pub mod revoked;
pub mod route;
pub mod serve;
pub mod settings;
pub mod stop;
pub mod telemetry;
pub mod time;
pub mod tls;
pub mod tokens;
pub mod trace;
pub mod version;
pub mod violations;
pub mod zone;
