//! Counters that were read lately, kept in memory as long as nothing changed them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use leadline_runtime::ids::WorkspaceId;

use super::rows::State;
use crate::counts::{Need, Tally};

/// So many answers are kept. One about a year takes some 100 KiB.
const MOST: usize = 128;

/// What was read for a need of a workspace, and the state in which it was so. Who asks has read the state a moment ago:
/// another state, of whichever replica's making, and what is kept serves no more.
#[derive(Default)]
pub(super) struct Kept(Mutex<HashMap<(WorkspaceId, Need), Entry>>);

struct Entry {
    state: State,
    tally: Arc<Tally>,
    used: Instant,
}

impl Kept {
    fn entries(&self) -> MutexGuard<'_, HashMap<(WorkspaceId, Need), Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is kept, if it is of this state.
    pub(super) fn get(&self, key: &(WorkspaceId, Need), state: State) -> Option<Arc<Tally>> {
        let mut entries = self.entries();
        let entry = entries.get_mut(key).filter(|entry| entry.state == state)?;
        entry.used = Instant::now();
        Some(entry.tally.clone())
    }

    /// Keeps what was read, in the place of what was used longest ago.
    pub(super) fn put(&self, key: (WorkspaceId, Need), state: State, tally: Arc<Tally>) {
        let mut entries = self.entries();
        if entries.len() >= MOST
            && !entries.contains_key(&key)
            && let Some(oldest) =
                entries.iter().min_by_key(|(_, entry)| entry.used).map(|(key, _)| key.clone())
        {
            entries.remove(&oldest);
        }
        entries.insert(key, Entry { state, tally, used: Instant::now() });
    }
}

#[cfg(test)]
mod tests {
    use leadline_runtime::time::Millis;

    use super::*;

    fn state(revision: i64) -> State {
        State { live: 1, building: None, newest: 1, as_of: Some(Millis(5)), revision, erased: false }
    }

    #[test]
    fn another_state_is_another_answer_and_no_more_are_kept_than_there_is_room_for() {
        let kept = Kept::default();
        let need = |all| Need { all, ..Need::default() };
        let workspace = WorkspaceId::new();
        kept.put((workspace, need(true)), state(1), Arc::default());
        assert!(kept.get(&(workspace, need(true)), state(1)).is_some());
        assert!(kept.get(&(workspace, need(false)), state(1)).is_none());
        assert!(kept.get(&(workspace, need(true)), state(2)).is_none());
        for _ in 0..MOST {
            kept.put((WorkspaceId::new(), need(true)), state(1), Arc::default());
        }
        assert_eq!(kept.entries().len(), MOST);
        assert!(kept.get(&(workspace, need(true)), state(1)).is_none());
    }
}
