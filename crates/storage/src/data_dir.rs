//! The folder that one process owns.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use crate::StorageError;

/// A data folder that this process holds alone, until the value is dropped (or the process ends, however it ends).
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Holds the operating system's lock; closing it gives the folder free.
    _lock: File,
}

impl DataDir {
    /// Creates the folder if it is missing (readable by its owner only) and takes an exclusive lock on `<folder>/lock`.
    ///
    /// # Errors
    /// [`StorageError::Locked`] if another process holds it; [`StorageError::Unreadable`] if it cannot be made or written.
    pub fn lock(path: &Path) -> Result<Self, StorageError> {
        create(path)?;
        let file = path.join("lock");
        let unreadable = |error: std::io::Error| {
            StorageError::Unreadable(format!(
                "the data folder {} cannot be written ({error}): check who owns it",
                path.display()
            ))
        };
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&file)
            .map_err(unreadable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Only to name the other process; the lock itself has said no already.
                let _ = lock.read_to_string(&mut holder);
                let holder = match holder.trim().parse::<u32>() {
                    Ok(pid) => format!("process {pid}"),
                    Err(_) => "another process".to_owned(),
                };
                return Err(StorageError::Locked(format!(
                    "the data folder {} is in use by {holder}: stop it, or start this one with another data folder",
                    path.display()
                )));
            }
            Err(TryLockError::Error(error)) => return Err(unreadable(error)),
        }
        match lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id())) {
            // Only for the other process's message: no reason not to start, and to refuse writes until there is room.
            Err(error) if error.kind() == ErrorKind::StorageFull => {}
            noted => noted.map_err(unreadable)?,
        }
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// Creates a folder and its parents, for its owner only. An existing folder is left as it is.
pub(crate) fn create(path: &Path) -> Result<(), StorageError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| {
        StorageError::Unreadable(format!(
            "the folder {} cannot be created ({error}): create it, or choose another",
            path.display()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_is_refused_until_the_first_is_dropped() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("data");
        let first = DataDir::lock(&path).expect("the folder is free");
        let refused = DataDir::lock(&path).expect_err("the folder is held");
        assert!(matches!(refused, StorageError::Locked(_)));
        assert!(refused.to_string().contains(&format!("process {}", std::process::id())), "{refused}");
        drop(first);
        DataDir::lock(&path).expect("the folder is free again");
    }

    #[cfg(unix)]
    #[test]
    fn the_folder_is_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/data");
        let held = DataDir::lock(&path).expect("the folder is free");
        let mode = std::fs::metadata(held.path()).expect("the folder").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn a_full_disk_keeps_nobody_from_its_folder() {
        let disk = leadline_testbed::SmallDisk::new(1).expect("a disk");
        let path = disk.path().join("data");
        create(&path).expect("there is room");
        std::fs::write(disk.path().join("ballast"), vec![0; 2 << 20]).expect_err("the disk is full");
        let held = DataDir::lock(&path).expect("a lock needs no room");
        DataDir::lock(&path).expect_err("the folder is held");
        drop(held);
    }

    #[test]
    fn a_file_in_the_way_is_told_in_one_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("data");
        std::fs::write(&path, "not a folder").expect("a file");
        let refused = DataDir::lock(&path).expect_err("a file is in the way");
        assert!(matches!(refused, StorageError::Unreadable(_)), "{refused:?}");
    }
}
