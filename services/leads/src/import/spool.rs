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
    /// That of the copy.
    #[error("the copy of a file: {0}")]
    Io(#[from] std::io::Error),
}

/// A copy of an import's file that nobody else sees, and that is gone when it is closed.
///
/// # Errors
/// [`SpoolError`]
pub async fn copy(store: &dyn Imports, scope: Scope, id: ImportId) -> Result<File, SpoolError> {
    let mut file = tempfile::tempfile()?;
    for nth in 0.. {
        let Some(piece) = store.piece(scope, id, nth).await? else { break };
        file.write_all(&piece)?;
    }
    Ok(file)
}
