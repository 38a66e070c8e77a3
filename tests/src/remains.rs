//! Looking for words in everything that a system keeps.

use std::path::Path;

use anyhow::{Context, Result};
use leadline_storage::{
    bson::{RawDocumentBuf, doc},
    mongodb,
};

use crate::system::System;

/// Whether these bytes are anywhere that a system keeps things: in its files, or in a document of its databases.
///
/// # Errors
/// If something can't be read.
pub async fn is_kept(system: &System, what: &str) -> Result<bool> {
    match system.mongodb() {
        None => Ok(stands_in(system.folder(), what)?),
        Some(uri) => stands_in_documents(uri, what).await,
    }
}

/// Whether these bytes are in a file below a folder.
fn stands_in(folder: &Path, what: &str) -> std::io::Result<bool> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let found = match path.is_dir() {
            true => stands_in(&path, what)?,
            // One that went meanwhile holds nothing.
            false => std::fs::read(&path)
                .is_ok_and(|bytes| bytes.windows(what.len()).any(|part| part == what.as_bytes())),
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether these bytes are in a document of a database whose name begins as the URI says.
async fn stands_in_documents(uri: &str, what: &str) -> Result<bool> {
    let client = mongodb::Client::with_uri_str(uri).await?;
    let prefix = client.default_database().context("a URI without a prefix for databases")?;
    let names = client.list_database_names().await?;
    for name in names.iter().filter(|name| name.starts_with(prefix.name())) {
        let database = client.database(name);
        for collection in database.list_collection_names().await? {
            let mut rows = database.collection::<RawDocumentBuf>(&collection).find(doc! {}).await?;
            while rows.advance().await? {
                if rows.current().as_bytes().windows(what.len()).any(|part| part == what.as_bytes()) {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}
