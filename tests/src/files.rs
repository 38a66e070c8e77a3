//! The SQLite files that all-in-one leaves behind.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use leadline_storage::rusqlite::{Connection, OpenFlags};

/// Checks every SQLite file of a data folder that no process uses: it is sound, every event of it is published and none is
/// parked. Gives how many files there are.
///
/// # Errors
/// With what is wrong, and in which file.
pub fn check(folder: &Path) -> Result<usize> {
    each(folder, OpenFlags::SQLITE_OPEN_READ_WRITE, |file| {
        check_file(file)?;
        check_outbox(file)
    })
}

/// Checks only that every event is published and none is parked, in files that a program may use.
///
/// # Errors
/// With what is wrong, and in which file.
pub fn check_outboxes(folder: &Path) -> Result<usize> {
    each(folder, OpenFlags::SQLITE_OPEN_READ_ONLY, check_outbox)
}

/// Checks only that every file is sound: events may wait in it.
///
/// # Errors
/// With what is wrong, and in which file.
pub fn check_sound(folder: &Path) -> Result<usize> {
    each(folder, OpenFlags::SQLITE_OPEN_READ_WRITE, check_file)
}

fn each(folder: &Path, flags: OpenFlags, check: impl Fn(&Connection) -> Result<()>) -> Result<usize> {
    let mut files = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "db") {
            let file = Connection::open_with_flags(&path, flags)?;
            check(&file).with_context(|| path.display().to_string())?;
            files += 1;
        }
    }
    ensure!(files > 0, "no SQLite file in {}", folder.display());
    Ok(files)
}

fn texts(file: &Connection, sql: &str) -> Result<Vec<String>> {
    let mut statement = file.prepare(sql)?;
    let rows = statement.query_map((), |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn check_file(file: &Connection) -> Result<()> {
    let said = texts(file, "PRAGMA integrity_check")?;
    ensure!(said == ["ok"], "integrity_check: {said:?}");
    let broken = texts(file, "SELECT \"table\" FROM pragma_foreign_key_check")?;
    ensure!(broken.is_empty(), "foreign keys that point nowhere: {broken:?}");
    Ok(())
}

fn check_outbox(file: &Connection) -> Result<()> {
    // An outbox marks what is published, or deletes it.
    let outboxes = "SELECT DISTINCT t.name || CASE WHEN t.name IN (SELECT m.name FROM sqlite_schema m, pragma_table_info(m.name) c
                        WHERE c.name = 'published') THEN ' WHERE NOT published' ELSE '' END
                    FROM sqlite_schema t, pragma_table_info(t.name) c
                    WHERE t.type = 'table' AND (t.name = 'outbox' OR c.name = 'published')";
    for outbox in texts(file, outboxes)? {
        let left = format!("SELECT count(*) FROM {outbox}");
        let left: i64 = file.query_row(&left, (), |row| row.get(0))?;
        ensure!(left == 0, "{left} events of {outbox} are not published");
    }
    for parked in texts(file, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name = 'parked'")? {
        let reasons = texts(file, &format!("SELECT consumer || ': ' || reason FROM {parked}"))?;
        ensure!(reasons.is_empty(), "parked events: {reasons:?}");
    }
    Ok(())
}
