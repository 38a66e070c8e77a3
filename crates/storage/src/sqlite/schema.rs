//! Opening a file: whose it is, how it is set, and which migrations it needs.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use leadline_failpoints::{Moment, reached_here};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::{Migration, SqliteOptions, remains};
use crate::{StorageError, data_dir};

/// "Ldln": marks a file as Leadline's, for `file(1)` and for us.
pub(super) const APPLICATION_ID: i32 = 0x4c64_6c6e;
/// Statements kept prepared on each connection.
const STATEMENTS: usize = 128;
/// How long a statement waits for another program's lock.
pub(super) const BUSY: Duration = Duration::from_secs(5);
/// The log is cut back to this many bytes once it has been written into the file.
const LOG_LIMIT: u32 = 8 * 1024 * 1024;

/// Opens the writer's connection.
pub(super) fn open(
    path: &Path,
    migrations: &[Migration],
    options: &SqliteOptions,
) -> Result<Connection, StorageError> {
    let known = newest(migrations)?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        data_dir::create(folder)?;
    }
    examine(path, known)?;
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection =
        Connection::open_with_flags(path, flags).map_err(|error| unreadable(path, &error))?;
    connection.busy_timeout(BUSY)?;
    // Again through SQLite: what the file's header said may be older than its log.
    let (owner, found) = identity(&connection).map_err(|error| match StorageError::from(error) {
        passing @ (StorageError::Busy | StorageError::Full) => passing,
        other => StorageError::Unreadable(format!(
            "{} cannot be opened ({other}): check the file, or restore a backup",
            path.display()
        )),
    })?;
    admit(path, owner, found, known)?;
    if found == 0 && owner == 0 && has_tables(&connection)? {
        return Err(foreign(path));
    }
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(StorageError::Unreadable(format!(
            "{} cannot use a write-ahead log (the mode stays {mode}): keep it on a local disk, not on a network share",
            path.display()
        )));
    }
    settle(&connection, options.writer_cache_kib)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_size_limit", LOG_LIMIT)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    // What is deleted is overwritten: a person's data that is erased can't be read from the file's free pages. What else is
    // left of it goes when the file is rewritten.
    connection.pragma_update(None, "secure_delete", true)?;
    migrate(&mut connection, path, migrations, found)?;
    remains::prepare(&mut connection, found == 0)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

/// What every connection has in common.
pub(super) fn settle(connection: &Connection, cache_kib: u32) -> Result<(), StorageError> {
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cache_size", -i64::from(cache_kib))?;
    connection.pragma_update(None, "mmap_size", 0)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(())
}

/// The newest version, once the list is found to be 1, 2, 3, ….
fn newest(migrations: &[Migration]) -> Result<u32, StorageError> {
    let mut known = 0;
    for migration in migrations {
        if migration.version != known + 1 {
            return Err(StorageError::Internal(format!(
                "migration {} ({}) is out of order",
                migration.version, migration.name
            )));
        }
        known = migration.version;
    }
    Ok(known)
}

/// Looks at an existing file's header without opening it as a database, so that a refused file is not touched at all.
fn examine(path: &Path, known: u32) -> Result<(), StorageError> {
    let mut header = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(100).read_to_end(&mut header).map_err(|error| unreadable(path, &error))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unreadable(path, &error)),
    };
    if header.is_empty() {
        return Ok(());
    }
    let number = |at: usize| {
        let bytes = header.get(at..at + 4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
        bytes.map(u32::from_be_bytes)
    };
    let (true, Some(found), Some(owner)) = (header.starts_with(b"SQLite format 3\0"), number(60), number(68))
    else {
        return Err(StorageError::Unreadable(format!(
            "{} is not a SQLite database: move it away, name another file, or restore a backup",
            path.display()
        )));
    };
    admit(path, owner.cast_signed(), found, known)
}

fn admit(path: &Path, owner: i32, found: u32, known: u32) -> Result<(), StorageError> {
    if owner != 0 && owner != APPLICATION_ID {
        return Err(foreign(path));
    }
    if found > known {
        return Err(StorageError::Newer { found, known, path: path.to_owned() });
    }
    Ok(())
}

fn identity(connection: &Connection) -> rusqlite::Result<(i32, u32)> {
    let owner = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let version: i32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    Ok((owner, version.cast_unsigned()))
}

fn has_tables(connection: &Connection) -> Result<bool, StorageError> {
    Ok(connection.query_row("SELECT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))?)
}

fn foreign(path: &Path) -> StorageError {
    StorageError::Unreadable(format!("{} belongs to another program: name another file", path.display()))
}

fn unreadable(path: &Path, error: &dyn std::error::Error) -> StorageError {
    StorageError::Unreadable(format!("{} cannot be opened ({error}): check who owns it", path.display()))
}

fn migrate(
    connection: &mut Connection,
    path: &Path,
    migrations: &[Migration],
    found: u32,
) -> Result<(), StorageError> {
    // SQLite's own recipe for rebuilding tables: no enforcement meanwhile, a check at the end.
    connection.pragma_update(None, "foreign_keys", false)?;
    for migration in migrations.iter().filter(|migration| migration.version > found) {
        apply(connection, migration).map_err(|error| match error {
            StorageError::Busy
            | StorageError::Full
            | StorageError::Unavailable(_)
            | StorageError::Unreadable(_) => error,
            other => StorageError::Internal(format!(
                "migration {} ({}) of {} failed and was rolled back: {other}",
                migration.version,
                migration.name,
                path.display()
            )),
        })?;
        tracing::info!(file = %path.display(), version = migration.version, name = migration.name, "migrated");
        reached_here(Moment::Migrated, &super::stem(path))
            .map_err(|fault| StorageError::Internal(fault.to_string()))?;
    }
    Ok(())
}

fn apply(connection: &mut Connection, migration: &Migration) -> Result<(), StorageError> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    transaction.execute_batch(migration.sql)?;
    if transaction.is_autocommit() {
        return Err(StorageError::Internal("it ends its transaction by itself".to_owned()));
    }
    let orphan = transaction.prepare("PRAGMA foreign_key_check")?.exists([])?;
    if orphan {
        return Err(StorageError::Internal("it leaves rows without their parents".to_owned()));
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", migration.version)?;
    transaction.commit()?;
    Ok(())
}
