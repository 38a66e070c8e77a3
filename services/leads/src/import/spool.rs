//! A file on its way out of the store.

use std::{fs::File, io::Write};

use leadline_runtime::caller::Scope;

use super::ImportId;
use crate::store::{StoreError, imports::Imports};

/// Why a file can't be had.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Pieces are missing.
    #[error("a file has {found} of its {size} bytes")]
    Incomplete {
        /// So many bytes are there.
        found: u64,
        /// So many came in.
        size: u64,
    },
    /// That of the copy.
    #[error("the copy of a file: {0}")]
    Io(#[from] std::io::Error),
}

/// A copy of an import's file that nobody else sees, and that is gone when it is closed. `size`: that of the file, if it is known.
///
/// # Errors
/// [`SpoolError`]
pub async fn copy(
    store: &dyn Imports,
    scope: Scope,
    id: ImportId,
    size: Option<u64>,
) -> Result<File, SpoolError> {
    let (mut file, mut found) = (tempfile::tempfile()?, 0);
    for nth in 0.. {
        let Some(piece) = store.piece(scope, id, nth).await? else { break };
        file.write_all(&piece)?;
        found += piece.len() as u64;
    }
    match size {
        Some(size) if size != found => Err(SpoolError::Incomplete { found, size }),
        _ => Ok(file),
    }
}
