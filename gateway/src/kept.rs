//! Small answers of other services that are kept for a while, one a workspace.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use leadline_runtime::{ids::WorkspaceId, refusal::Refusal};
use tokio::sync::OnceCell;

/// How long an answer is kept if no event says otherwise.
const LIFE: Duration = Duration::from_secs(60);
/// How long it takes until it is tried again after it failed.
const PAUSE: Duration = Duration::from_secs(2);
/// How long an answer is waited for: a request has more to do than this.
const LIMIT: Duration = Duration::from_secs(2);
/// For how many workspaces answers are kept.
const MOST: usize = 4096;

/// Answers by workspace. Many who ask at once share one call; while a service is down, the old answer is good enough.
pub(crate) struct Kept<T> {
    slots: Mutex<HashMap<WorkspaceId, Slot<T>>>,
}

struct Slot<T> {
    answer: Arc<OnceCell<Answer<T>>>,
    born: Instant,
    stale: bool,
    /// What was known before.
    old: Option<Arc<T>>,
}

struct Answer<T> {
    value: Result<Arc<T>, Refusal>,
    life: Duration,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { slots: Mutex::default() }
    }
}

impl<T> Kept<T> {
    /// The answer for a workspace, loaded if it is not known or too old.
    ///
    /// # Errors
    /// What `load` says, if nothing older is known.
    pub(crate) async fn get<F, Fut>(&self, workspace: WorkspaceId, load: F) -> Result<Arc<T>, Refusal>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, Refusal>>,
    {
        let (cell, old) = self.slot(workspace);
        let answer = cell
            .get_or_try_init(async || {
                let late =
                    || Refusal::Unavailable("a part of the system does not answer: try again".to_owned());
                let loaded = tokio::time::timeout(LIMIT, load()).await.unwrap_or_else(|_| Err(late()));
                match (loaded, old) {
                    (Ok(value), _) => Ok(Answer { value: Ok(Arc::new(value)), life: LIFE }),
                    (Err(Refusal::Unavailable(_)), Some(old)) => Ok(Answer { value: Ok(old), life: PAUSE }),
                    (Err(refusal @ Refusal::Unavailable(_)), None) => {
                        Ok(Answer { value: Err(refusal), life: PAUSE })
                    }
                    // It is about who asked, such as a token that was voided this moment: the next may ask.
                    (Err(refusal), _) => Err(refusal),
                }
            })
            .await?;
        answer.value.clone()
    }

    fn slot(&self, workspace: WorkspaceId) -> (Arc<OnceCell<Answer<T>>>, Option<Arc<T>>) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let mut old = None;
        if let Some(slot) = slots.get(&workspace) {
            let life = slot.answer.get().map_or(LIFE, |answer| answer.life);
            if !slot.stale && slot.born.elapsed() < life {
                return (slot.answer.clone(), slot.old.clone());
            }
            let known = slot.answer.get().and_then(|answer| answer.value.as_ref().ok());
            old = known.or(slot.old.as_ref()).cloned();
        } else if slots.len() >= MOST {
            slots.retain(|_, slot| slot.born.elapsed() < LIFE);
            if slots.len() >= MOST {
                slots.clear();
            }
        }
        let answer = Arc::new(OnceCell::new());
        let slot = Slot { answer: answer.clone(), born: Instant::now(), stale: false, old: old.clone() };
        slots.insert(workspace, slot);
        (answer, old)
    }

    /// Says that the answer for a workspace is no longer the truth.
    pub(crate) fn renew(&self, workspace: WorkspaceId) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get_mut(&workspace) {
            slot.stale = true;
        }
    }

    /// Says that all answers may no longer be the truth.
    pub(crate) fn renew_all(&self) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.values_mut().for_each(|slot| slot.stale = true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn down() -> Refusal {
        Refusal::Unavailable("down".to_owned())
    }

    #[tokio::test]
    async fn an_answer_is_asked_for_once_and_again_when_it_is_renewed() {
        let kept = Kept::default();
        let workspace = WorkspaceId::new();
        assert_eq!(*kept.get(workspace, async || Ok(1)).await.unwrap(), 1);
        assert_eq!(*kept.get(workspace, async || Ok(2)).await.unwrap(), 1);
        kept.renew(workspace);
        assert_eq!(*kept.get(workspace, async || Ok(3)).await.unwrap(), 3);
        assert_eq!(*kept.get(WorkspaceId::new(), async || Ok(4)).await.unwrap(), 4);
    }

    #[tokio::test]
    async fn what_one_caller_is_refused_is_not_kept_for_the_others() {
        let kept = Kept::default();
        let workspace = WorkspaceId::new();
        let refused = Refusal::Unauthenticated("void".to_owned());
        assert_eq!(kept.get(workspace, async || Err::<u8, _>(refused.clone())).await.unwrap_err(), refused);
        assert_eq!(*kept.get(workspace, async || Ok(1)).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn the_old_answer_serves_while_the_service_is_down() {
        let kept = Kept::default();
        let workspace = WorkspaceId::new();
        assert_eq!(kept.get(workspace, async || Err::<u8, _>(down())).await.unwrap_err(), down());
        kept.renew(workspace);
        assert_eq!(*kept.get(workspace, async || Ok(1)).await.unwrap(), 1);
        kept.renew_all();
        assert_eq!(*kept.get(workspace, async || Err(down())).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn the_answers_of_a_flood_of_workspaces_are_bounded() {
        let kept = Kept::default();
        for _ in 0..MOST + 10 {
            kept.get(WorkspaceId::new(), async || Ok(0)).await.unwrap();
        }
        assert!(kept.slots.lock().unwrap().len() <= MOST);
    }
}
