//! One answer for all who ask the same at the same time.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::OnceCell;

/// Lets those who ask the same question at once have one answer between them. An answer is only shared by those who asked
/// before the work on it began: it never misses a write that was acknowledged before the question. Who asks while the work is
/// under way waits for its end, and has the next answer with all others who came meanwhile.
///
/// It keeps no answers: it holds as many entries as there are different questions in flight.
pub struct Coalesce<K, V> {
    questions: Mutex<HashMap<K, Arc<Question<V>>>>,
}

struct Question<V> {
    /// Held while the answer is worked out.
    turn: tokio::sync::Mutex<()>,
    /// The answer on which no work has begun.
    next: Mutex<Arc<OnceCell<V>>>,
}

impl<V> Default for Question<V> {
    fn default() -> Self {
        Self { turn: tokio::sync::Mutex::default(), next: Mutex::default() }
    }
}

impl<K, V> Default for Coalesce<K, V> {
    fn default() -> Self {
        Self { questions: Mutex::default() }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<K: Hash + Eq + Clone, V: Clone> Coalesce<K, V> {
    /// The answer to a question. `work` must depend on nothing but the question and what is stored. When the one who works on
    /// it gives up, another who waits begins anew.
    pub async fn ask(&self, question: K, work: impl AsyncFnOnce() -> V) -> V {
        let entry = locked(&self.questions).entry(question.clone()).or_default().clone();
        let asking = Asking { of: self, question, entry };
        let entry = &asking.entry;
        let answer = locked(&entry.next).clone();
        let begin = async || {
            let _turn = entry.turn.lock().await;
            {
                let mut next = locked(&entry.next);
                if Arc::ptr_eq(&next, &answer) {
                    *next = Arc::default();
                }
            }
            work().await
        };
        answer.get_or_init(begin).await.clone()
    }
}

/// Takes a question away when the last who asked it leaves, also by giving up.
struct Asking<'c, K: Hash + Eq, V> {
    of: &'c Coalesce<K, V>,
    question: K,
    entry: Arc<Question<V>>,
}

impl<K: Hash + Eq, V> Drop for Asking<'_, K, V> {
    fn drop(&mut self) {
        let mut questions = locked(&self.of.questions);
        // Entries are handed out under this lock only. Two are left: this one and that of the map.
        if Arc::strong_count(&self.entry) <= 2 {
            questions.remove(&self.question);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU32, Ordering},
        time::Duration,
    };

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn who_asks_during_the_work_gets_an_answer_that_was_begun_later() {
        let asked: Arc<Coalesce<&str, u32>> = Arc::default();
        let (stored, go, runs) =
            (Arc::new(AtomicU32::new(1)), Arc::new(Notify::new()), Arc::new(AtomicU32::new(0)));
        let ask = |what: &'static str| {
            let (asked, stored, go, runs) = (asked.clone(), stored.clone(), go.clone(), runs.clone());
            tokio::spawn(async move {
                let work = async || {
                    runs.fetch_add(1, Ordering::SeqCst);
                    let read = stored.load(Ordering::SeqCst);
                    go.notified().await;
                    read
                };
                asked.ask(what, work).await
            })
        };
        let first = ask("a");
        while runs.load(Ordering::SeqCst) < 1 {
            tokio::task::yield_now().await;
        }
        stored.store(2, Ordering::SeqCst);
        let later = [ask("a"), ask("a"), ask("a")];
        while asked.questions.lock().unwrap().get("a").map(Arc::strong_count) < Some(5) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        go.notify_one();
        assert_eq!(first.await.unwrap(), 1);
        go.notify_one();
        for later in later {
            assert_eq!(later.await.unwrap(), 2);
        }
        assert_eq!(runs.load(Ordering::SeqCst), 2, "three were answered by one");
        assert!(asked.questions.lock().unwrap().is_empty(), "nothing is kept");
    }

    #[tokio::test]
    async fn when_the_one_at_work_gives_up_another_begins_anew() {
        let asked: Arc<Coalesce<u8, u32>> = Arc::default();
        let begun = Arc::new(Notify::new());
        let (mine, told) = (asked.clone(), begun.clone());
        let stuck = tokio::spawn(async move {
            let work = async || {
                told.notify_one();
                std::future::pending().await
            };
            mine.ask(1, work).await
        });
        begun.notified().await;
        let mine = asked.clone();
        let waiting = tokio::spawn(async move { mine.ask(1, async || 7).await });
        tokio::task::yield_now().await;
        stuck.abort();
        assert_eq!(waiting.await.unwrap(), 7);
        assert!(asked.questions.lock().unwrap().is_empty());
    }
}
