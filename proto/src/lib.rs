//! Every gRPC contract and every published event, generated from `proto/leadline`.
//!
//! This crate knows nothing else of ours. What a message means stands in the `.proto` file beside it.

#[allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    unreachable_pub,
    reason = "generated code; its documentation is in the contracts"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/contracts.rs"));
}

pub use generated::leadline::{
    analytics::v1 as analytics, auth::v1 as auth, events::v1 as events, leads::v1 as leads,
    reminders::v1 as reminders, types::v1 as types,
};

impl leads::Activity {
    /// The import that did it, or that was being taken back. Such entries are very many and all alike, so whoever only
    /// watches is told of a few.
    #[must_use]
    pub fn of_import(&self) -> Option<&str> {
        match &self.what {
            Some(leads::activity::What::Imported(import)) => Some(&import.import_id),
            _ => Some(self.undone_import_id.as_str()).filter(|id| !id.is_empty()),
        }
    }
}

/// All contracts in the form that gRPC reflection serves.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
