//! Which refresh tokens come from several places at the same time: many tabs that wake up together are not a thief.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::session::TokenHash;

/// How long after two requests overlapped a third still counts as one of them.
const BURST: Duration = Duration::from_secs(1);

/// The refreshes under way in this process.
#[derive(Default)]
pub struct UnderWay(Mutex<HashMap<[u8; 32], Token>>);

#[derive(Default)]
struct Token {
    requests: u32,
    overlapped_at: Option<Instant>,
}

impl Token {
    fn overlapped(&self, now: Instant) -> bool {
        self.overlapped_at.is_some_and(|at| now.saturating_duration_since(at) < BURST)
    }
}

impl UnderWay {
    /// Enters a request until the guard is dropped.
    pub fn enter(&self, token: TokenHash) -> Entered<'_> {
        let now = Instant::now();
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|_, token| token.requests > 0 || token.overlapped(now));
        let known = tokens.entry(token.0).or_default();
        known.requests += 1;
        if known.requests > 1 {
            known.overlapped_at = Some(now);
        }
        let at_once = known.overlapped(now);
        Entered { under_way: self, token: token.0, at_once }
    }
}

/// A request that is under way.
pub struct Entered<'a> {
    under_way: &'a UnderWay,
    token: [u8; 32],
    /// Whether others with the same token are, or were a moment ago.
    pub at_once: bool,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let mut tokens = self.under_way.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = tokens.get_mut(&self.token) {
            token.requests = token.requests.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_requests_that_overlap_are_at_once() {
        let under_way = UnderWay::default();
        let (one, other) = (TokenHash([1; 32]), TokenHash([2; 32]));
        drop(under_way.enter(one));
        let second = under_way.enter(one);
        assert!(!second.at_once);
        assert!(!under_way.enter(other).at_once);
        assert!(under_way.enter(one).at_once);
        drop(second);
        assert!(under_way.enter(one).at_once);
    }

    #[test]
    fn nothing_is_kept_of_requests_that_are_done() {
        let under_way = UnderWay::default();
        for number in 0..100 {
            drop(under_way.enter(TokenHash([number; 32])));
        }
        drop(under_way.enter(TokenHash([200; 32])));
        assert!(under_way.0.lock().unwrap().len() <= 1);
    }
}
