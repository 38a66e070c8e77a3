//! Workspaces that are erased: their last member took them along.
//!
//! One transaction marks the workspace's row, for ever, and gives its generations away, which are swept in parts as those of
//! rebuilds are, whatever ends in between. Every change takes hold of that row first, so late news find the mark, and a
//! rebuild that is under way ends.

use std::sync::Arc;

use async_trait::async_trait;
use leadline_bus::{Consumer, HandleError};
use leadline_proto::events::{Event, account_event::What, event::Body};
use leadline_runtime::{caller::Scope, time::Millis};
use tokio::sync::Notify;

use crate::store::Store;

/// Takes in which workspaces are erased.
pub struct Erasures {
    store: Arc<dyn Store>,
    discarded: Arc<Notify>,
}

impl Erasures {
    /// Marks them in a store, and says that there is something to sweep.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, discarded: Arc<Notify>) -> Self {
        Self { store, discarded }
    }
}

#[async_trait]
impl Consumer for Erasures {
    async fn handle(&self, events: &[Arc<Event>]) -> Result<(), HandleError> {
        for event in events {
            let Some(Body::Account(account)) = &event.body else { continue };
            let Some(What::WorkspaceErased(_)) = &account.what else { continue };
            let scope =
                Scope::of_event(event).ok_or_else(|| HandleError::poison(event, "it names no workspace"))?;
            self.store.erase(scope, Millis::now()).await.map_err(HandleError::transient)?;
        }
        self.discarded.notify_one();
        Ok(())
    }
}
