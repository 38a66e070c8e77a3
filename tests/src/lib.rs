//! The whole of Leadline, started as people start it and spoken to as they speak to it.
//!
//! [`System`] runs the real programs in one of three [`Mode`]s, on ports and folders of their own; [`Client`] is a person with a
//! token. What they must do stands in `tests/`.

pub mod census;
pub mod client;
pub mod figures;
pub mod files;
pub mod ground;
pub mod grpc;
pub mod imports;
pub mod journal;
pub mod model;
pub mod outboxes;
pub mod recount;
pub mod remains;
pub mod replay;
pub mod stream;
pub mod system;
pub mod tenants;
pub mod traffic;
pub mod watcher;

pub use client::{Answer, Client, PASSWORD, encode, query, unknown_id};
pub use stream::Stream;
pub use system::{Mode, Part, System};

/// A member of JSON that is text; empty if it is not.
#[must_use]
pub fn text<'a>(value: &'a serde_json::Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

/// Runs each test once in every mode. The tests of a mode share one system; each registers a workspace of its own.
///
/// `in_every_mode!(a_lead_can_be_made, …)` takes functions `async fn(&'static System) -> anyhow::Result<()>`.
#[macro_export]
macro_rules! in_every_mode {
    ($($test:ident),* $(,)?) => {
        $crate::in_every_mode!(@mode all_in_one AllInOne $($test)*);
        $crate::in_every_mode!(@mode on_servers OnServers $($test)*);
        $crate::in_every_mode!(@mode distributed Distributed $($test)*);
    };
    (@mode $module:ident $mode:ident $($test:ident)*) => {
        mod $module {
            $(#[test]
            fn $test() -> anyhow::Result<()> {
                $crate::system::shared($crate::Mode::$mode, super::$test)
            })*
        }
    };
}
