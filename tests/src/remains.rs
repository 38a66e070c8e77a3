//! Looking for words in everything that a system keeps.

use std::path::Path;

use anyhow::Result;
use leadline_storage::{
    bson::{RawDocumentBuf, doc},
    mongodb,
};

use crate::system::{Mode, System};

/// Whether these bytes are anywhere that a system keeps things: in its files, or in a document of the shared server.
///
/// # Errors
/// If something can't be read.
pub async fn is_kept(system: &System, what: &str) -> Result<bool> {
    match system.mode {
        Mode::AllInOne => Ok(stands_in(system.folder(), what)?),
        Mode::OnServers | Mode::Distributed => stands_in_documents(what).await,
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

/// Whether these bytes are in a document of any database, but for the servers' own.
async fn stands_in_documents(what: &str) -> Result<bool> {
    let client = mongodb::Client::with_uri_str(leadline_testbed::mongo().await?.uri()).await?;
    for name in client.list_database_names().await? {
        if ["admin", "config", "local"].contains(&name.as_str()) {
            continue;
        }
        let database = client.database(&name);
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
