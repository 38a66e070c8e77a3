//! Idempotency keys, and what was answered for them.

use leadline_runtime::{
    once::{KEPT, Once},
    refusal::Refusal,
    time::Millis,
};
use prost::Message as _;
use rusqlite::{Connection, OptionalExtension, params};

use super::{Answer, Named, StoreError};
use crate::event;

/// The answer that was given before under this key, if there was one. One that is past its time may still wait for the sweep.
pub(super) fn replay(
    conn: &Connection,
    once: Option<&Once>,
    now: Millis,
) -> Result<Option<Answer>, StoreError> {
    let Some(once) = once else { return Ok(None) };
    let stored = conn
        .prepare_cached("SELECT fingerprint, answer, erased FROM once WHERE id = ?1 AND at > ?2")?
        .query_row(params![once.id, now.before(KEPT).0], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?, row.get(2)?))
        })
        .optional()?;
    let Some((fingerprint, answer, erased)) = stored else { return Ok(None) };
    if erased {
        return Err(Refusal::answer_erased().into());
    }
    once.check(&fingerprint)?;
    Ok(Some(Answer::Replayed(answer)))
}

/// Keeps the answer to a key.
pub(super) fn answered(
    conn: &Connection,
    named: Named,
    once: Option<Once>,
    at: Millis,
) -> Result<Answer, StoreError> {
    if let Some(once) = once {
        let answer = event::message(&named.reminder, &named.lead_name).encode_to_vec();
        // One that is past its time.
        conn.prepare_cached("DELETE FROM once WHERE id = ?1")?.execute([&once.id])?;
        conn.prepare_cached("INSERT INTO once (id, fingerprint, answer, at) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![once.id, once.fingerprint, answer, at.0])?;
        // It tells of the lead that shows the reminder, and of its own.
        conn.prepare_cached(
            "INSERT INTO once_leads (once, workspace, lead)
             SELECT ?1, workspace, lead FROM reminders WHERE id = ?2
             UNION SELECT ?1, workspace, origin FROM reminders WHERE id = ?2",
        )?
        .execute([&once.id, &named.reminder.id.to_string()])?;
    }
    Ok(Answer::Fresh(named))
}
