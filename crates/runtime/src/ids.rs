//! Identifiers: UUIDv7 in text, a type of its own for each kind of thing.

use std::{
    sync::{Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use uuid::{ContextV7, Timestamp, Uuid};

use crate::time::Millis;

/// What is not a UUID in its hyphenated form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a UUID such as 0190a8c0-5b3e-7c3a-9d2f-3b1e8f6a7c55")]
pub struct NotAnId;

/// A new UUIDv7. Later ones of one process sort after earlier ones, even within a millisecond and when the clock steps back.
#[must_use]
pub fn new_uuid() -> Uuid {
    static CONTEXT: Mutex<ContextV7> = Mutex::new(ContextV7::new());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let context = CONTEXT.lock().unwrap_or_else(PoisonError::into_inner);
    Uuid::new_v7(Timestamp::from_unix(&*context, now.as_secs(), now.subsec_nanos()))
}

/// A UUIDv7 that carries `at` as its time, with random bits behind it: for rows of the past (sample data, imports).
#[must_use]
pub fn uuid_at(at: Millis) -> Uuid {
    let millis = u64::try_from(at.0).unwrap_or(0);
    let nanos = u32::try_from(millis % 1000).unwrap_or(0) * 1_000_000;
    Uuid::new_v7(Timestamp::from_unix(uuid::NoContext, millis / 1000, nanos))
}

/// The time inside a UUIDv7, in milliseconds; `None` for another kind of UUID.
#[must_use]
pub fn time_of(id: Uuid) -> Option<Millis> {
    let (secs, nanos) = id.get_timestamp()?.to_unix();
    let millis = secs.checked_mul(1000)?.checked_add(u64::from(nanos / 1_000_000))?;
    i64::try_from(millis).ok().map(Millis)
}

/// Parses the 36-character hyphenated form, in either case.
///
/// # Errors
/// [`NotAnId`] for anything else (braces, URNs and the form without hyphens too).
pub fn parse_uuid(text: &str) -> Result<Uuid, NotAnId> {
    if text.len() != 36 {
        return Err(NotAnId);
    }
    Uuid::try_parse(text).map_err(|_| NotAnId)
}

/// Declares a newtype over a UUID: `id_type!(LeadId, "A lead.");`
#[macro_export]
macro_rules! id_type {
    ($name:ident, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(::uuid::Uuid);

        impl $name {
            /// A new one, later than all before it.
            #[must_use]
            #[allow(clippy::new_without_default, reason = "an id is never a default")]
            pub fn new() -> Self {
                Self($crate::ids::new_uuid())
            }
            /// Parses the hyphenated form.
            ///
            /// # Errors
            /// [`NotAnId`]($crate::ids::NotAnId) for anything else.
            pub fn parse(text: &str) -> Result<Self, $crate::ids::NotAnId> {
                $crate::ids::parse_uuid(text).map(Self)
            }
            /// The UUID inside.
            #[must_use]
            pub fn uuid(self) -> ::uuid::Uuid {
                self.0
            }
        }
        impl From<::uuid::Uuid> for $name {
            fn from(id: ::uuid::Uuid) -> Self {
                Self(id)
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(&self.0, f)
            }
        }
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

id_type!(UserId, "A person with an account.");
id_type!(WorkspaceId, "A workspace: what every row belongs to.");
id_type!(SessionId, "A sign-in and its chain of refresh tokens.");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_one_process_sort_in_the_order_in_which_they_were_made() {
        let ids: Vec<Uuid> = (0..10_000).map(|_| new_uuid()).collect();
        assert!(ids.is_sorted());
    }

    #[test]
    fn an_id_carries_its_time() {
        let at = Millis(1_795_426_200_123);
        assert_eq!(time_of(uuid_at(at)), Some(at));
    }

    #[test]
    fn only_the_hyphenated_form_is_an_id() {
        let id = new_uuid();
        assert_eq!(parse_uuid(&id.to_string()), Ok(id));
        assert_eq!(parse_uuid(&id.to_string().to_uppercase()), Ok(id));
        assert_eq!(parse_uuid(&id.simple().to_string()), Err(NotAnId));
        assert_eq!(parse_uuid(&id.braced().to_string()), Err(NotAnId));
        assert_eq!(parse_uuid(""), Err(NotAnId));
    }
}
