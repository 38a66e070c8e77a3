//! `leadline rewrite`: SQLite files, built anew without what has remained in them of what was erased.

use std::path::Path;

use leadline_runtime::program::{Failure, announce};
use leadline_storage::{DataDir, sqlite};

use crate::SERVICES;

/// Rewrites the files of a data folder that no process uses, whatever their size.
pub(crate) fn rewrite(data: &Path) -> Result<(), Failure> {
    let files: Vec<_> = SERVICES
        .iter()
        .map(|service| data.join(format!("{service}.db")))
        .filter(|file| file.exists())
        .collect();
    if files.is_empty() {
        return Err(Failure::new(format!(
            "{} is no data folder of Leadline's: set LEADLINE_DATA_DIR to the one to rewrite",
            data.display()
        )));
    }
    let _held = DataDir::lock(data)?;
    for file in files {
        sqlite::rewrite(&file)?;
        announce(&format!("Rewrote {}: nothing is left in it of what was erased.", file.display()));
    }
    Ok(())
}
