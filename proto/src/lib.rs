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

/// All contracts in the form that gRPC reflection serves.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
