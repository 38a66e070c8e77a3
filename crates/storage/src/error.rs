//! The one error type of the stores.

use std::path::PathBuf;

use mongodb::error::{Error as MongoError, ErrorKind, WriteFailure};
use rusqlite::ErrorCode;

use crate::mongo::transaction;
use crate::sqlite::noted;

/// The server's code for a duplicate key.
const DUPLICATE_KEY: i32 = 11_000;
/// Codes of a node that is not (or no longer) the primary, is recovering or is shutting down, of lost connections between
/// nodes and of interrupted work: another attempt a moment later can succeed.
const PASSING_CODES: [i32; 17] =
    [6, 7, 64, 89, 91, 133, 134, 189, 262, 9001, 10_058, 10_107, 11_600, 11_601, 11_602, 13_435, 13_436];
/// The transaction met another one that wrote the same document, or could not get a lock in time.
const CONTENTION_CODES: [i32; 3] = [24, 112, 251];
/// The operation ran past its `maxTimeMS`.
const MAX_TIME_EXPIRED: i32 = 50;

/// What can go wrong with a store. Every message is one line, says what to do, and holds neither a password nor a stored value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The database cannot be reached or has no primary, or the store is closed. For a write the outcome may be unknown;
    /// trying again later is right.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// Too many calls wait already, or another program holds the file. Nothing was written; try again.
    #[error("the database is busy: try again in a moment")]
    Busy,
    /// The disk (or the database's quota) is full. Nothing was written; it recovers by itself when there is room again.
    #[error("the disk that holds the database is full: free some space, then try again")]
    Full,
    /// The work ran past its deadline and was stopped. A SQLite write left nothing behind; a MongoDB write may have happened.
    #[error("the database took too long and the work was stopped: ask for less, or try again")]
    TimedOut,
    /// Others kept changing the same data until the time for attempts ran out. Nothing was written; try again.
    #[error("others are changing the same data: try again in a moment")]
    Contended,
    /// A unique index says no.
    #[error("an entry with the same unique value exists already ({constraint})")]
    Conflict {
        /// MongoDB: the index's name. SQLite: `table.column, table.column` of the index, or `index 'name'` for an index over
        /// an expression. Empty if the database did not say.
        constraint: String,
    },
    /// The file was written by a newer release. It was not touched.
    #[error(
        "{} was written by a newer release (its schema is {found}, this program knows {known}): start that release, or restore a backup made before the upgrade", path.display()
    )]
    Newer {
        /// The schema version in the file.
        found: u32,
        /// The newest schema version that this program knows.
        known: u32,
        /// The file.
        path: PathBuf,
    },
    /// Another process holds the data folder.
    #[error("{0}")]
    Locked(String),
    /// The file is not a database of ours, is damaged, or may not be opened. It was not touched.
    #[error("{0}")]
    Unreadable(String),
    /// The address of the store cannot be used.
    #[error("{0}")]
    BadUrl(String),
    /// A fault of the program: a statement that does not compile, a row that does not decode, a panic.
    #[error("the database refused the work: {0}")]
    Internal(String),
}

impl StorageError {
    /// Whether the same call can succeed a moment later without anybody changing anything
    /// ([`Unavailable`](Self::Unavailable), [`Busy`](Self::Busy), [`Full`](Self::Full), [`TimedOut`](Self::TimedOut),
    /// [`Contended`](Self::Contended)).
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Busy | Self::Full | Self::TimedOut | Self::Contended)
    }
}

/// Folds an outside message into one line.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl From<rusqlite::Error> for StorageError {
    fn from(error: rusqlite::Error) -> Self {
        noted::note(&error);
        let Some(code) = error.sqlite_error() else {
            return Self::Internal(one_line(&error.to_string()));
        };
        match code.code {
            _ if noted::is_full(code) => Self::Full,
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Busy,
            ErrorCode::OperationInterrupted => Self::TimedOut,
            ErrorCode::SystemIoFailure | ErrorCode::CannotOpen => {
                Self::Unavailable(one_line(&error.to_string()))
            }
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Self::Unreadable(format!(
                "the database file is damaged ({}): restore a backup",
                one_line(&error.to_string())
            )),
            ErrorCode::ConstraintViolation if is_unique(code.extended_code) => {
                let text = error.to_string();
                let constraint = text.split_once("constraint failed: ").map_or("", |(_, rest)| rest);
                Self::Conflict { constraint: constraint.to_owned() }
            }
            _ => Self::Internal(one_line(&error.to_string())),
        }
    }
}

fn is_unique(extended: i32) -> bool {
    use rusqlite::ffi;
    [ffi::SQLITE_CONSTRAINT_UNIQUE, ffi::SQLITE_CONSTRAINT_PRIMARYKEY, ffi::SQLITE_CONSTRAINT_ROWID]
        .contains(&extended)
}

impl From<MongoError> for StorageError {
    fn from(error: MongoError) -> Self {
        let known = classify(&error);
        transaction::note(&error, &known);
        known
    }
}

fn classify(error: &MongoError) -> StorageError {
    match &*error.kind {
        ErrorKind::Command(command) => by_code(command.code, &command.code_name, &command.message),
        ErrorKind::Write(WriteFailure::WriteError(write)) => {
            by_code(write.code, write.code_name.as_deref().unwrap_or_default(), &write.message)
        }
        // Stored on some nodes, not known to be on a majority: the outcome is open.
        ErrorKind::Write(WriteFailure::WriteConcernError(concern)) => StorageError::Unavailable(format!(
            "the write did not reach a majority of nodes in time ({})",
            concern.code_name
        )),
        ErrorKind::InsertMany(many) => match many.write_errors.iter().flatten().next() {
            Some(write) => {
                by_code(write.code, write.code_name.as_deref().unwrap_or_default(), &write.message)
            }
            None => {
                StorageError::Unavailable("the write did not reach a majority of nodes in time".to_owned())
            }
        },
        ErrorKind::BulkWrite(bulk) => match bulk.write_errors.values().next() {
            Some(write) => {
                by_code(write.code, write.code_name.as_deref().unwrap_or_default(), &write.message)
            }
            None => StorageError::Unavailable("the writes did not all reach the database".to_owned()),
        },
        ErrorKind::Io(io) if io.kind() == std::io::ErrorKind::TimedOut => {
            StorageError::Unavailable("the connection to MongoDB timed out".to_owned())
        }
        ErrorKind::Io(io) => StorageError::Unavailable(format!("the connection to MongoDB failed: {io}")),
        ErrorKind::ServerSelection { message, .. } => {
            StorageError::Unavailable(crate::mongo::why_no_server(message))
        }
        ErrorKind::ConnectionPoolCleared { .. } => {
            StorageError::Unavailable("the connection to MongoDB was lost".to_owned())
        }
        ErrorKind::DnsResolve { message, .. } => StorageError::Unavailable(one_line(message)),
        ErrorKind::Authentication { .. } => StorageError::Unavailable(
            "MongoDB refused the user name or password of its address: check both, and authSource".to_owned(),
        ),
        ErrorKind::Shutdown => StorageError::Unavailable("the store is closed".to_owned()),
        other => StorageError::Internal(one_line(&other.to_string())),
    }
}

fn by_code(code: i32, name: &str, message: &str) -> StorageError {
    match code {
        DUPLICATE_KEY => {
            // "E11000 duplicate key error collection: acme_leads.leads index: email dup key: { … }": the values stay out.
            let constraint = message
                .split_once(" index: ")
                .and_then(|(_, rest)| rest.split_once(" dup key"))
                .map_or("", |(index, _)| index);
            StorageError::Conflict { constraint: constraint.to_owned() }
        }
        MAX_TIME_EXPIRED => StorageError::TimedOut,
        code if CONTENTION_CODES.contains(&code) => StorageError::Contended,
        code if PASSING_CODES.contains(&code) => {
            StorageError::Unavailable(format!("MongoDB answered {name} ({code})"))
        }
        // What a server without replica set says to a transaction or a retryable write.
        20 if message.contains("Transaction numbers") || message.contains("retryable writes") => {
            StorageError::BadUrl(crate::mongo::STANDALONE.to_owned())
        }
        code => StorageError::Internal(format!("MongoDB answered {name} ({code}): {}", one_line(message))),
    }
}
