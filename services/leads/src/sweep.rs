//! What time takes away: leads that were in the trash for long, and idempotency keys.

use std::{sync::Arc, time::Duration};

use leadline_runtime::{once, stop::Stop, time::Millis, version::Precondition};

use crate::{
    lead::{By, Command, Denied, TRASH_KEPT},
    merge::MERGE_KEPT,
    store::{Store, StoreError},
};

const INTERVAL: Duration = Duration::from_secs(10 * 60);
/// So many go at once.
const BATCH: usize = 200;

/// Sweeps now and every ten minutes until `stop`. Several replicas may do so at once.
pub async fn run(store: Arc<dyn Store>, stop: Stop) {
    loop {
        if let Err(error) = once(&store, Millis::now(), &stop).await {
            tracing::warn!(%error, "the sweep is put off");
        }
        if !stop.sleep(INTERVAL).await {
            return;
        }
    }
}

/// Sweeps once, as of `now`.
///
/// # Errors
/// The store's; what was swept before stays swept.
pub async fn once(store: &Arc<dyn Store>, now: Millis, stop: &Stop) -> Result<(), StoreError> {
    while store.forget_keys(now.before(once::KEPT), BATCH).await? >= BATCH as u64 {
        if !stop.sleep(Duration::from_millis(50)).await {
            return Ok(());
        }
    }
    while store.forget_merges(now.before(MERGE_KEPT), BATCH).await? >= BATCH as u64 {
        if !stop.sleep(Duration::from_millis(50)).await {
            return Ok(());
        }
    }
    loop {
        let due = store.trashed_before(now.before(TRASH_KEPT), BATCH).await?;
        for (scope, id) in &due {
            let by = By { at: now, ..By::the_clock() };
            match store.change(*scope, *id, Command::Purge, Precondition::None, by, None).await {
                // Restored, or erased by somebody else, in the meantime.
                Ok(_) | Err(StoreError::Denied(Denied::NoLead)) => {}
                Err(error) => return Err(error),
            }
        }
        if due.len() < BATCH || !stop.sleep(Duration::from_millis(50)).await {
            return Ok(());
        }
    }
}
