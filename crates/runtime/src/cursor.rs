//! Where a page ended: opaque text that only the query which made it accepts.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

/// A cursor that is broken, or another query's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a cursor of this query: leave it out to start from the first page")]
pub struct BadCursor;

const SEAL: usize = 8;

/// Wraps a position. `query` is everything that decides which rows there are and in what order (workspace, filter, sort),
/// but not the limit.
#[must_use]
pub fn seal(query: &[u8], position: &[u8]) -> String {
    let mut bytes = seal_of(query, position).to_vec();
    bytes.extend_from_slice(position);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Unwraps a position.
///
/// # Errors
/// [`BadCursor`] if it was changed, cut, or made by another query.
pub fn open(query: &[u8], cursor: &str) -> Result<Vec<u8>, BadCursor> {
    if cursor.len() > 4096 {
        return Err(BadCursor);
    }
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| BadCursor)?;
    let (seal, position) = bytes.split_at_checked(SEAL).ok_or(BadCursor)?;
    if seal == seal_of(query, position) { Ok(position.to_vec()) } else { Err(BadCursor) }
}

/// A checksum, not a secret: a forged cursor can only name a place in rows that its maker may read anyway.
fn seal_of(query: &[u8], position: &[u8]) -> [u8; SEAL] {
    let mut hash = Sha256::new();
    hash.update((query.len() as u64).to_be_bytes());
    hash.update(query);
    hash.update(position);
    let mut seal = [0; SEAL];
    seal.copy_from_slice(&hash.finalize()[..SEAL]);
    seal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_opens_for_its_own_query_only() {
        let cursor = seal(b"status=New", b"position");
        assert_eq!(open(b"status=New", &cursor), Ok(b"position".to_vec()));
        assert_eq!(open(b"status=Lost", &cursor), Err(BadCursor));
        assert_eq!(open(b"status=New", &cursor[1..]), Err(BadCursor));
        assert_eq!(open(b"status=New", "%%%"), Err(BadCursor));
        assert_eq!(open(b"status=New", ""), Err(BadCursor));
    }
}
