//! Workspaces that are erased: their last member took them along.
//!
//! The event only leaves a mark, which stays for ever: news of the workspace that come late bring nothing back. The rows go
//! in parts, beside everybody's work, as often as it takes: a process that ends in between goes on where it was.
//!
//! A request that was admitted before the tokens were void may still write. Nothing asks writes about erased workspaces for
//! that: rows are looked for until every token of the workspace has run out ([`revoked::KEPT`]), and only then is it done.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use leadline_bus::{Consumer, HandleError};
use leadline_failpoints::{Fault, Moment, reached};
use leadline_proto::events::{Event, account_event::What, event::Body};
use leadline_runtime::{caller::Scope, revoked, stop::Stop, time::Millis};
use leadline_storage::StorageError;
use tokio::sync::Notify;

use crate::store::{Erasing, Store, StoreError};

/// How often rows are looked for that came late.
const POLL: Duration = Duration::from_secs(10);
/// So many rows go at once.
const STEP: usize = 100;
/// The rest between two steps, so that others get their turn.
const REST: Duration = Duration::from_millis(10);

/// Takes in which workspaces are erased.
pub struct Erasures {
    store: Arc<dyn Store>,
    marked: Arc<Notify>,
}

impl Erasures {
    /// Marks them in a store, and says so.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, marked: Arc<Notify>) -> Self {
        Self { store, marked }
    }
}

#[async_trait]
impl Consumer for Erasures {
    async fn handle(&self, events: &[Arc<Event>]) -> Result<(), HandleError> {
        for event in events {
            let Some(Body::Account(account)) = &event.body else { continue };
            let Some(What::WorkspaceErased(_)) = &account.what else { continue };
            let scope =
                Scope::of_event(event).ok_or_else(|| HandleError::poison(event, "names no workspace"))?;
            // By this clock, and not the event's, which may be late: it tells how long to look for rows.
            self.store.mark_erased(scope, Millis::now()).await.map_err(HandleError::transient)?;
        }
        self.marked.notify_one();
        Ok(())
    }
}

/// Takes rows of erased workspaces away until `stop`. Several replicas may do so at once.
pub async fn run(store: Arc<dyn Store>, marked: Arc<Notify>, stop: Stop) {
    loop {
        if let Err(error) = once(&store, Millis::now(), &stop).await {
            tracing::warn!(%error, "the rows of erased workspaces can't be taken away now");
        }
        tokio::select! {
            () = marked.notified() => {}
            slept = stop.sleep(POLL) => if !slept {
                return;
            }
        }
    }
}

/// Takes away what there is now.
///
/// # Errors
/// The store's; what is gone stays gone.
pub async fn once(store: &Arc<dyn Store>, now: Millis, stop: &Stop) -> Result<(), StoreError> {
    for (scope, since) in store.to_erase().await? {
        let mut some = false;
        let left = loop {
            reached(Moment::Erasing, "reminders").await.map_err(unavailable)?;
            match store.erase_some(scope, STEP).await {
                Ok(Erasing::More) => some = true,
                left => break left,
            }
            if !stop.sleep(REST).await {
                return Ok(());
            }
        };
        if some {
            store.empty_log().await;
        }
        let left = left?;
        if some && left == Erasing::Gone {
            tracing::info!(workspace = %scope.workspace(), "what was kept of an erased workspace is gone");
        }
        if left == Erasing::Gone && since <= now.before(revoked::KEPT) {
            store.done_erasing(scope).await?;
        }
    }
    Ok(())
}

fn unavailable(fault: Fault) -> StoreError {
    StorageError::Unavailable(fault.to_string()).into()
}
