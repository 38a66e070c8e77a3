//! How Leadline opens, migrates, reads and writes its stores: one SQLite file a service, or one MongoDB database a service.
//!
//! Nothing here knows a lead, a user or a workspace. A service's `store/sqlite.rs` holds a [`Sqlite`] and hands closures to
//! [`Sqlite::write`] and [`Sqlite::read`]; its `store/mongo.rs` holds a [`Mongo`] and uses [`Mongo::run`] for single
//! operations and [`Mongo::transact`] for several that belong together. [`StoreUrl`] says which of the two an address means.
//!
//! Both give back the error type of the caller: it needs `From<StorageError>`, and, so that `?` works on the drivers'
//! own errors inside closures, one or two lines more:
//!
//! ```
//! use leadline_storage::{StorageError, rusqlite, mongodb};
//!
//! #[derive(Debug)]
//! enum StoreError { EmailTaken, Storage(StorageError) }
//!
//! impl From<StorageError> for StoreError {
//!     fn from(error: StorageError) -> Self {
//!         match error {
//!             StorageError::Conflict { ref constraint } if constraint.contains("email") => Self::EmailTaken,
//!             other => Self::Storage(other),
//!         }
//!     }
//! }
//! impl From<rusqlite::Error> for StoreError {
//!     fn from(error: rusqlite::Error) -> Self { StorageError::from(error).into() }
//! }
//! impl From<mongodb::error::Error> for StoreError {
//!     fn from(error: mongodb::error::Error) -> Self { StorageError::from(error).into() }
//! }
//! ```
//!
//! **Always convert the drivers' errors through [`StorageError`]**, as above: the conversion is also how the writer learns
//! that the disk failed, and how a MongoDB transaction learns that it is worth another attempt.

mod coalesce;
mod data_dir;
mod error;
pub mod mongo;
pub mod sqlite;
mod url;

pub use coalesce::Coalesce;
pub use data_dir::DataDir;
pub use error::StorageError;
pub use mongo::{Mongo, MongoMigration};
pub use sqlite::{Migration, Sqlite, SqliteOptions};
pub use url::{MongoUri, StoreUrl};

pub use bson;
pub use mongodb;
pub use rusqlite;
