//! Named moments at which a test lets a program die, fail or wait.
//!
//! `FAILPOINTS` of the program's environment says what is to happen, for example
//! `published/leads=abort@3; handled/analytics=error%5`: a moment and whose it is, what happens (`abort`: the process ends at
//! once, as by `kill -9`; `error`: the moment fails; `pause:250`: it takes so many milliseconds more), and when: the third
//! time (`@3`), every fifth time (`%5`), or the first.
//!
//! Only debug builds that are made together with the testbed have any of this; elsewhere [`reached`] is nothing, and the
//! variable means nothing. See "Failpoints" in `ARCHITECTURE.md`.

use std::fmt;

#[cfg(all(feature = "on", debug_assertions))]
mod plan;

/// A moment at which a promise is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// A write is committed, and not yet answered. Whose: the service's.
    Committed,
    /// Events are published, and not yet marked so. Whose: the outbox's.
    Published,
    /// A consumer has committed what it made of events, and has not yet acknowledged them. Whose: the consumer's.
    Handled,
    /// A batch of an import is committed, and the next one not yet begun. Whose: the service's.
    Imported,
    /// A part of an import is taken back, and the next one not yet begun. Whose: the service's.
    TakenBack,
    /// An erased workspace is marked, and rows of it are there: before each part that goes. Whose: the service's.
    Erasing,
    /// A step of a store's schema is committed, and the next one not yet begun. Whose: the service's.
    Migrated,
    /// The log of a SQLite file is about to be written back into the file. Whose: the service's.
    Checkpointing,
    /// The log of a SQLite file is written back, and nothing is written since. Whose: the service's.
    Checkpointed,
}

impl Moment {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Committed,
        Self::Published,
        Self::Handled,
        Self::Imported,
        Self::TakenBack,
        Self::Erasing,
        Self::Migrated,
        Self::Checkpointing,
        Self::Checkpointed,
    ];

    /// Its name in `FAILPOINTS`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Published => "published",
            Self::Handled => "handled",
            Self::Imported => "imported",
            Self::TakenBack => "taken-back",
            Self::Erasing => "erasing",
            Self::Migrated => "migrated",
            Self::Checkpointing => "checkpointing",
            Self::Checkpointed => "checkpointed",
        }
    }
}

/// A moment failed because a test wanted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault(Moment);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a test lets {:?} fail", self.0.name())
    }
}

impl std::error::Error for Fault {}

/// Passes a moment.
///
/// # Errors
/// If a test wants it to fail.
#[cfg(all(feature = "on", debug_assertions))]
pub async fn reached(moment: Moment, whose: &str) -> Result<(), Fault> {
    plan::follow(moment, whose).await
}

/// Passes a moment: nothing happens.
///
/// # Errors
/// Never, in this build.
#[cfg(not(all(feature = "on", debug_assertions)))]
#[inline]
#[allow(clippy::unused_async, reason = "as in builds for tests")]
pub async fn reached(_moment: Moment, _whose: &str) -> Result<(), Fault> {
    Ok(())
}

/// Passes a moment on a thread of its own, where nothing is awaited.
///
/// # Errors
/// If a test wants it to fail.
#[cfg(all(feature = "on", debug_assertions))]
pub fn reached_here(moment: Moment, whose: &str) -> Result<(), Fault> {
    plan::follow_here(moment, whose)
}

/// Passes a moment on a thread of its own: nothing happens.
///
/// # Errors
/// Never, in this build.
#[cfg(not(all(feature = "on", debug_assertions)))]
#[inline]
pub fn reached_here(_moment: Moment, _whose: &str) -> Result<(), Fault> {
    Ok(())
}
