//! Which refresh tokens come from several places at the same time: many tabs that wake up together are not a thief.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, OwnedMutexGuard},
    time::{Instant, timeout},
};

use crate::session::{GRACE, TokenHash};

/// How long a third request in a row with one token waits for a fourth before it is taken for a thief's: of twenty that were
/// sent at once a busy machine may carry out the first few one after the other, and read the rest only then.
const LINGER: Duration = Duration::from_millis(300);

/// How many uses of a token are honoured: see [`crate::session::Session::show`].
const HONOURED: u32 = 2;

/// The refreshes under way in this process, and those of the last moments.
#[derive(Default)]
pub struct UnderWay(Mutex<HashMap<[u8; 32], Token>>);

struct Token {
    requests: u32,
    seen: u32,
    seen_at: Instant,
    overlapped_at: Option<Instant>,
    turn: Arc<tokio::sync::Mutex<()>>,
    overlap: Arc<Notify>,
}

impl Token {
    fn new(now: Instant) -> Self {
        Self {
            requests: 0,
            seen: 0,
            seen_at: now,
            overlapped_at: None,
            turn: Arc::default(),
            overlap: Arc::default(),
        }
    }

    /// One that comes a little after two which overlapped still counts as one of them.
    fn overlapped(&self, now: Instant) -> bool {
        self.overlapped_at.is_some_and(|at| now.saturating_duration_since(at) < GRACE)
    }
}

impl UnderWay {
    /// Enters a request until the guard is dropped. Those with one token are carried out in the order in which they came: one
    /// that came alone must not be overtaken by two that came after it, and then be taken for a thief.
    pub async fn enter(&self, token: TokenHash) -> Entered<'_> {
        let entry = Entry::new(self, token);
        let turn = entry.turn.clone().lock_owned().await;
        let at_once = {
            let another = entry.overlap.notified();
            entry.overlapped() || (entry.place > HONOURED && timeout(LINGER, another).await.is_ok())
        };
        Entered { at_once, _turn: turn, _entry: entry }
    }
}

/// A request that is under way.
pub struct Entered<'a> {
    /// Whether others with the same token are, or were a moment ago.
    pub at_once: bool,
    // In this order: whoever waits for the turn is still counted when it comes.
    _turn: OwnedMutexGuard<()>,
    _entry: Entry<'a>,
}

/// A place in the count, given back even by a request that was cut off while it waited.
struct Entry<'a> {
    under_way: &'a UnderWay,
    token: [u8; 32],
    place: u32,
    turn: Arc<tokio::sync::Mutex<()>>,
    overlap: Arc<Notify>,
}

impl<'a> Entry<'a> {
    fn new(under_way: &'a UnderWay, token: TokenHash) -> Self {
        let now = Instant::now();
        let mut tokens = under_way.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|_, token| token.requests > 0 || now.saturating_duration_since(token.seen_at) < GRACE);
        let known = tokens.entry(token.0).or_insert_with(|| Token::new(now));
        known.requests += 1;
        known.seen = known.seen.saturating_add(1);
        known.seen_at = now;
        if known.requests > 1 {
            known.overlapped_at = Some(now);
            known.overlap.notify_waiters();
        }
        let (turn, overlap) = (known.turn.clone(), known.overlap.clone());
        Self { under_way, token: token.0, place: known.seen, turn, overlap }
    }

    fn overlapped(&self) -> bool {
        let tokens = self.under_way.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.get(&self.token).is_some_and(|token| token.overlapped(Instant::now()))
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        let mut tokens = self.under_way.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = tokens.get_mut(&self.token) {
            token.requests = token.requests.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use tokio::time::{advance, pause, sleep};

    use super::*;

    #[tokio::test]
    async fn only_requests_that_overlap_are_at_once() {
        let under_way = UnderWay::default();
        let (one, other) = (TokenHash([1; 32]), TokenHash([2; 32]));
        drop(under_way.enter(one).await);
        let second = under_way.enter(one).await;
        assert!(!second.at_once);
        assert!(!under_way.enter(other).await.at_once);
        let mut third = Box::pin(under_way.enter(one));
        assert!((&mut third).now_or_never().is_none(), "overtaken");
        drop(second);
        assert!(third.await.at_once);
        assert!(under_way.enter(one).await.at_once, "a moment later");
    }

    #[tokio::test]
    async fn a_request_that_is_cut_off_while_it_waits_holds_nobody_up() {
        let under_way = UnderWay::default();
        let token = TokenHash([1; 32]);
        let first = under_way.enter(token).await;
        drop(Box::pin(under_way.enter(token)).now_or_never());
        drop(first);
        drop(under_way.enter(token).await);
        assert_eq!(under_way.0.lock().unwrap()[&token.0].requests, 0);
    }

    #[tokio::test]
    async fn a_third_in_a_row_waits_for_others_before_it_is_a_thief() {
        pause();
        let under_way = UnderWay::default();
        let (theft, tabs) = (TokenHash([1; 32]), TokenHash([2; 32]));
        for token in [theft, tabs] {
            for _ in 0..HONOURED {
                assert!(!under_way.enter(token).await.at_once);
            }
        }
        let before = Instant::now();
        assert!(!under_way.enter(theft).await.at_once);
        assert!(before.elapsed() >= LINGER);
        let later = async {
            sleep(LINGER / 2).await;
            under_way.enter(tabs).await.at_once
        };
        let (third, fourth) = tokio::join!(async { under_way.enter(tabs).await.at_once }, later);
        assert!(third && fourth);
    }

    #[tokio::test]
    async fn nothing_is_kept_of_requests_that_are_long_done() {
        pause();
        let under_way = UnderWay::default();
        for number in 0..100 {
            drop(under_way.enter(TokenHash([number; 32])).await);
        }
        advance(GRACE).await;
        drop(under_way.enter(TokenHash([200; 32])).await);
        assert!(under_way.0.lock().unwrap().len() <= 1);
    }
}
