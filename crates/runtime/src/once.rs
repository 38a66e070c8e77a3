//! Idempotency keys: a write that is asked for twice is done once and answered twice.
//!
//! The gateway puts key, path and a fingerprint of the body into the call's metadata. The service keeps them, with its encoded
//! answer, in the transaction of the write itself: a crash between commit and answer is settled by asking again.

use std::{
    collections::HashSet,
    fmt::Write as _,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use sha2::{Digest, Sha256};
use tonic::metadata::MetadataMap;

use crate::{
    caller::{Caller, put},
    ids::{UserId, WorkspaceId},
    refusal::Refusal,
};

/// How long a key is remembered.
pub const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest key, in characters.
pub const LONGEST_KEY: usize = 255;

const KEY: &str = "leadline-once-key";
const PATH: &str = "leadline-once-path";
const PRINT: &str = "leadline-once-print";
const REPLAYED: &str = "leadline-once-replayed";

/// A key as the service stores it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Once {
    /// Workspace, user, and a hash over path and key: what is unique. All of a workspace, and of a person there, is one range.
    pub id: String,
    /// A hash over the request: what must be the same when the key comes again.
    pub fingerprint: String,
}

impl Once {
    /// That of an incoming call, if it has one.
    #[must_use]
    pub fn of(metadata: &MetadataMap, caller: &Caller) -> Option<Self> {
        let text = |name: &str| metadata.get(name)?.to_str().ok();
        let (key, path, print) = (text(KEY)?, text(PATH)?, text(PRINT)?);
        let id =
            format!("{}{}/{}", Self::of_workspace(caller.workspace).start, caller.user, hash(&[path, key]));
        Some(Self { id, fingerprint: print.to_owned() })
    }

    /// The ids of all keys of a workspace, for those who erase it. The character after a slash is a zero.
    #[must_use]
    pub fn of_workspace(workspace: WorkspaceId) -> Range<String> {
        format!("{workspace}/")..format!("{workspace}0")
    }

    /// Those of one person there.
    #[must_use]
    pub fn of_person(workspace: WorkspaceId, user: UserId) -> Range<String> {
        format!("{workspace}/{user}/")..format!("{workspace}/{user}0")
    }

    /// Settles what to do when the store already has this key.
    ///
    /// # Errors
    /// [`Refusal::KeyReused`] if it was used for another request.
    pub fn check(&self, stored_fingerprint: &str) -> Result<(), Refusal> {
        if self.fingerprint == stored_fingerprint { Ok(()) } else { Err(Refusal::KeyReused) }
    }
}

/// Puts a key into an outgoing call. `body` is the request's body as it came in.
pub fn attach<T>(request: &mut tonic::Request<T>, key: &str, path: &str, body: &[u8]) {
    let metadata = request.metadata_mut();
    put(metadata, KEY, key);
    put(metadata, PATH, path);
    put(metadata, PRINT, &hex(&Sha256::digest(body)));
}

/// Marks an answer as one that was given before.
pub fn mark_replayed<T>(response: &mut tonic::Response<T>) {
    put(response.metadata_mut(), REPLAYED, "true");
}

/// Whether an answer was given before.
#[must_use]
pub fn is_replayed<T>(response: &tonic::Response<T>) -> bool {
    response.metadata().contains_key(REPLAYED)
}

/// The keys that this process is working on.
#[derive(Debug, Clone, Default)]
pub struct InFlight(Arc<Mutex<HashSet<String>>>);

impl InFlight {
    /// Takes a key until the guard is dropped. Without a key there is nothing to take.
    ///
    /// # Errors
    /// [`Refusal::InFlight`] if it is taken.
    pub fn begin(&self, once: Option<&Once>) -> Result<Option<InFlightGuard>, Refusal> {
        let Some(once) = once else { return Ok(None) };
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !keys.insert(once.id.clone()) {
            return Err(Refusal::InFlight);
        }
        Ok(Some(InFlightGuard { keys: self.0.clone(), id: once.id.clone() }))
    }
}

/// Holds a key; dropping it lets the key go.
#[derive(Debug)]
pub struct InFlightGuard {
    keys: Arc<Mutex<HashSet<String>>>,
    id: String,
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

fn hash(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex(&hash.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_flight_is_refused_until_it_lands() {
        let flight = InFlight::default();
        let once = Once { id: "a".into(), fingerprint: "f".into() };
        let guard = flight.begin(Some(&once)).unwrap();
        assert_eq!(flight.begin(Some(&once)).unwrap_err(), Refusal::InFlight);
        drop(guard);
        assert!(flight.begin(Some(&once)).is_ok());
    }

    #[test]
    fn the_same_key_for_another_request_is_refused() {
        let once = Once { id: "a".into(), fingerprint: "f".into() };
        assert_eq!(once.check("f"), Ok(()));
        assert_eq!(once.check("g"), Err(Refusal::KeyReused));
    }
}
