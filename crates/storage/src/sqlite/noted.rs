//! What SQLite said on this thread while somebody else's closure ran.
//!
//! A closure gives back its own error type, from which the cause cannot be read. The conversion into `StorageError` leaves
//! a note of the causes that concern the whole file, and the thread looks at it when the closure has returned.

use std::cell::RefCell;

use rusqlite::{Error, ErrorCode, ffi};

/// A cause that concerns more than the one statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Noted {
    /// Another program holds the file.
    Busy,
    /// A deadline passed.
    Interrupted,
    /// No room on the disk.
    Full,
    /// The file cannot be trusted any more; what SQLite said.
    Broken(String),
}

/// Whether there is no room on the disk. The index of a log that can't grow is told as an I/O error, though it is the same: nothing
/// was written, and all that was is sound.
pub(crate) fn is_full(code: &ffi::Error) -> bool {
    code.code == ErrorCode::DiskFull || code.extended_code == ffi::SQLITE_IOERR_SHMSIZE
}

thread_local! {
    static NOTED: RefCell<Option<Noted>> = const { RefCell::new(None) };
}

impl Noted {
    /// What an error says about the file.
    pub(crate) fn of(error: &Error) -> Option<Self> {
        let code = error.sqlite_error()?;
        match code.code {
            _ if is_full(code) => Some(Self::Full),
            ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
                Some(Self::Broken(format!(
                    "{}, code {}",
                    crate::error::one_line(&error.to_string()),
                    code.extended_code
                )))
            }
            ErrorCode::OperationInterrupted => Some(Self::Interrupted),
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Some(Self::Busy),
            _ => None,
        }
    }

    fn weight(&self) -> u8 {
        match self {
            Self::Busy => 0,
            Self::Interrupted => 1,
            Self::Full => 2,
            Self::Broken(_) => 3,
        }
    }
}

/// Leaves a note; the gravest stays.
pub(crate) fn note(error: &Error) {
    let Some(new) = Noted::of(error) else { return };
    NOTED.with_borrow_mut(|noted| {
        if noted.as_ref().is_none_or(|old| old.weight() < new.weight()) {
            *noted = Some(new);
        }
    });
}

/// Takes the note away.
pub(crate) fn take() -> Option<Noted> {
    NOTED.take()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StorageError;

    #[test]
    fn an_index_of_a_log_that_can_t_grow_is_a_full_disk_and_no_broken_file() {
        let error = |code| Error::SqliteFailure(ffi::Error::new(code), None);
        for code in [ffi::SQLITE_FULL, ffi::SQLITE_IOERR_SHMSIZE] {
            assert_eq!(Noted::of(&error(code)), Some(Noted::Full));
            assert_eq!(StorageError::from(error(code)), StorageError::Full);
        }
        assert!(matches!(Noted::of(&error(ffi::SQLITE_IOERR_FSYNC)), Some(Noted::Broken(_))));
    }
}
