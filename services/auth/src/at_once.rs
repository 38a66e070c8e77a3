//! Which refresh tokens come from several places at the same time: many tabs that wake up together are not a thief.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use tokio::sync::OwnedMutexGuard;

use crate::session::{GRACE, TokenHash};

/// The refreshes under way in this process.
#[derive(Default)]
pub struct UnderWay(Mutex<HashMap<[u8; 32], Token>>);

#[derive(Default)]
struct Token {
    requests: u32,
    overlapped_at: Option<Instant>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Token {
    /// A third that comes a little after two which overlapped still counts as one of them.
    fn overlapped(&self, now: Instant) -> bool {
        self.overlapped_at.is_some_and(|at| now.saturating_duration_since(at) < GRACE)
    }
}

impl UnderWay {
    /// Enters a request until the guard is dropped. Those with one token are carried out in the order in which they came: one
    /// that came alone must not be overtaken by two that came after it, and then be taken for a thief.
    pub async fn enter(&self, token: TokenHash) -> Entered<'_> {
        let entry = Entry::new(self, token);
        let turn = entry.turn().lock_owned().await;
        let at_once = entry.overlapped();
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
}

impl<'a> Entry<'a> {
    fn new(under_way: &'a UnderWay, token: TokenHash) -> Self {
        let now = Instant::now();
        let mut tokens = under_way.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|_, token| token.requests > 0 || token.overlapped(now));
        let known = tokens.entry(token.0).or_default();
        known.requests += 1;
        if known.requests > 1 {
            known.overlapped_at = Some(now);
        }
        Self { under_way, token: token.0 }
    }

    fn turn(&self) -> Arc<tokio::sync::Mutex<()>> {
        let mut tokens = self.under_way.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.entry(self.token).or_default().turn.clone()
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
    async fn nothing_is_kept_of_requests_that_are_done() {
        let under_way = UnderWay::default();
        for number in 0..100 {
            drop(under_way.enter(TokenHash([number; 32])).await);
        }
        drop(under_way.enter(TokenHash([200; 32])).await);
        assert!(under_way.0.lock().unwrap().len() <= 1);
    }
}
