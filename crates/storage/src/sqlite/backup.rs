//! Copying SQLite files as of one moment, while the program that writes them runs.

use std::{
    fs::File,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rusqlite::{Connection, OpenFlags, backup::Backup};

use super::schema::APPLICATION_ID;
use crate::StorageError;

/// How long all files together may take to stand still. Whoever writes them waits meanwhile, and gives up after five seconds.
const STILL: Duration = Duration::from_secs(2);
/// How often it is tried before the copy is given up.
const ATTEMPTS: u32 = 15;
/// Between two tries for one lock. A writer under load leaves it free for moments only.
const BETWEEN: Duration = Duration::from_millis(1);
/// Copied in one step; between steps, nothing is held but the snapshot.
const PAGES: i32 = 4096;

/// A file to be copied.
#[derive(Debug, Clone)]
pub struct FileCopy {
    /// One of ours.
    pub from: PathBuf,
    /// What it is copied to. There must be no such file.
    pub to: PathBuf,
}

/// Copies files as they all stood at one moment: what one of them holds because of another is in both copies, or in neither.
///
/// Nothing needs to be stopped. For that moment (milliseconds) all writers wait; then each file is copied from a snapshot that
/// later writes don't touch. Each copy is checked (`PRAGMA quick_check`) and is on the disk before this returns.
///
/// # Errors
/// [`StorageError::Unreadable`] names a file that is not there, not ours, damaged, or can't be written; [`StorageError::Busy`]
/// if the writers never stood still. A copy that was begun may be left over: throw the target folder away.
pub fn copy_as_of_one_moment(files: &[FileCopy]) -> Result<(), StorageError> {
    let snapshots = snapshots(files)?;
    for (file, snapshot) in files.iter().zip(snapshots) {
        copy(&snapshot, &file.to)?;
    }
    Ok(())
}

/// Whether a file is one of ours and whole.
///
/// # Errors
/// [`StorageError::Unreadable`], with what is wrong.
pub fn check(path: &Path) -> Result<(), StorageError> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let found: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|error| damaged(path, &error.to_string()))?;
    if found != "ok" {
        return Err(damaged(path, &found));
    }
    Ok(())
}

fn damaged(path: &Path, what: &str) -> StorageError {
    StorageError::Unreadable(format!("{} is damaged ({what}): use another backup", path.display()))
}

/// A read snapshot of each file, all of the moment in which no writer was in any of them.
fn snapshots(files: &[FileCopy]) -> Result<Vec<Connection>, StorageError> {
    for _ in 0..ATTEMPTS {
        let deadline = Instant::now() + STILL;
        let mut held = Vec::with_capacity(files.len());
        for file in files {
            let connection = open(&file.from, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
            if !lock_until(&connection, deadline)? {
                break;
            }
            held.push(connection);
        }
        if held.len() < files.len() {
            // Let the writers go on before the next try.
            drop(held);
            std::thread::sleep(STILL / 4);
            continue;
        }
        let snapshots = files
            .iter()
            .map(|file| {
                let reader = open(&file.from, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
                // A read transaction begins with the first thing that is read.
                reader.execute_batch("BEGIN")?;
                reader.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
                Ok(reader)
            })
            .collect::<Result<Vec<_>, StorageError>>()?;
        for connection in held {
            connection.execute_batch("ROLLBACK")?;
        }
        return Ok(snapshots);
    }
    Err(StorageError::Busy)
}

fn lock_until(connection: &Connection, deadline: Instant) -> Result<bool, StorageError> {
    loop {
        match connection.execute_batch("BEGIN IMMEDIATE").map_err(StorageError::from) {
            Ok(()) => return Ok(true),
            Err(StorageError::Busy) if Instant::now() < deadline => std::thread::sleep(BETWEEN),
            Err(StorageError::Busy) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}

/// Opens one of our files, and no other.
pub(super) fn open(path: &Path, access: OpenFlags) -> Result<Connection, StorageError> {
    let unreadable = |error: &dyn std::fmt::Display| {
        StorageError::Unreadable(format!("{} cannot be read ({error})", path.display()))
    };
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(|error| unreadable(&error))?;
    let owner: i32 = connection
        .query_row("PRAGMA application_id", [], |row| row.get(0))
        .map_err(|error| unreadable(&error))?;
    if owner != APPLICATION_ID {
        return Err(StorageError::Unreadable(format!("{} is not a file of Leadline's", path.display())));
    }
    Ok(connection)
}

fn copy(snapshot: &Connection, to: &Path) -> Result<(), StorageError> {
    let unwritable = |error: std::io::Error| {
        StorageError::Unreadable(format!("{} cannot be written ({error})", to.display()))
    };
    let file = File::create_new(to).map_err(unwritable)?;
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600)).map_err(unwritable)?;
    let mut target = Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    Backup::new(snapshot, &mut target)?.run_to_completion(PAGES, Duration::ZERO, None)?;
    drop(target);
    check(to)?;
    file.sync_all().map_err(unwritable)
}
