//! Versions of things and the conditions that writes put on them.

use leadline_proto::types;

use crate::refusal::Refusal;

/// The version of a lead, reminder or workspace. The first is 1; each write that changes something adds exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

impl Version {
    /// That of a thing just made.
    pub const FIRST: Self = Self(1);

    /// The one after it.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// `If-Match` of RFC 9110, section 13.1.1.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Precondition {
    /// No condition, or `*` (a missing thing is NOT_FOUND before this is asked).
    #[default]
    None,
    /// One of these.
    OneOf(Vec<Version>),
}

impl Precondition {
    /// From the wire.
    #[must_use]
    pub fn from_proto(condition: Option<types::Precondition>) -> Self {
        match condition {
            Some(condition) if !condition.any => {
                Self::OneOf(condition.versions.into_iter().map(Version).collect())
            }
            _ => Self::None,
        }
    }

    /// Whether a thing of this version may be written.
    ///
    /// # Errors
    /// [`Refusal::VersionMismatch`] if not.
    pub fn check(&self, present: Version) -> Result<(), Refusal> {
        match self {
            Self::OneOf(welcome) if !welcome.contains(&present) => Err(Refusal::VersionMismatch { present }),
            _ => Ok(()),
        }
    }
}
