//! How often an account may be tried: by sign-ins that fail, registrations, refreshes.
//!
//! Each process counts for itself; limits by address are the gateway's. A try is taken before the password is looked at (a
//! hundred guesses at once are a hundred guesses) and given back when it was right, which is why this is not one of the
//! rate limiters that know no giving back.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use leadline_runtime::refusal::Refusal;

/// How many accounts one limit knows at once; it forgets those first that nobody tried for longest.
const MOST_KNOWN: usize = 100_000;

/// The limits of this service.
pub struct Limits {
    /// Failed sign-ins of an address: 10 at once, one more every 90 s.
    pub sign_in: Limit,
    /// Wrong present passwords of a user who wants to change it: the same.
    pub change_password: Limit,
    /// Registrations of an address: the same.
    pub register: Limit,
    /// Refreshes of a user: 60 at once, one more every second.
    pub refresh: Limit,
}

impl Limits {
    /// All of them; if not `on`, none ever says no.
    #[must_use]
    pub fn new(on: bool) -> Self {
        let guesses = || Limit::new(on, 10, Duration::from_secs(90));
        Self {
            sign_in: guesses(),
            change_password: guesses(),
            register: guesses(),
            refresh: Limit::new(on, 60, Duration::from_secs(1)),
        }
    }
}

/// So many tries at once, and one more each `every` (the generic cell rate algorithm).
pub struct Limit {
    on: bool,
    burst: u32,
    every: Duration,
    hash: RandomState,
    /// When the bucket of a key is full again. Keys are hashed: their size is not up to whoever sends them.
    full_at: Mutex<HashMap<u64, Instant>>,
}

impl Limit {
    fn new(on: bool, burst: u32, every: Duration) -> Self {
        Self { on, burst, every, hash: RandomState::new(), full_at: Mutex::default() }
    }

    /// Takes a try.
    ///
    /// # Errors
    /// [`Refusal::TooMany`] with when there is the next one.
    pub fn take(&self, key: &str) -> Result<Try<'_>, Refusal> {
        self.take_at(key, Instant::now())
    }

    fn take_at(&self, key: &str, now: Instant) -> Result<Try<'_>, Refusal> {
        let key = self.hash.hash_one(key);
        if self.on {
            let mut known = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= MOST_KNOWN && !known.contains_key(&key) {
                forget_half(&mut known, now);
            }
            let full_at = known.get(&key).copied().unwrap_or(now).max(now) + self.every;
            let wait = full_at.saturating_duration_since(now).saturating_sub(self.every * self.burst);
            if !wait.is_zero() {
                return Err(Refusal::TooMany { retry_after: wait });
            }
            known.insert(key, full_at);
        }
        Ok(Try { limit: self, key })
    }

    fn give_back(&self, key: u64) {
        let mut known = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(full_at) = known.get_mut(&key) {
            *full_at = full_at.checked_sub(self.every).unwrap_or(*full_at);
        }
    }
}

/// Those whose bucket is full have nothing to be remembered for; if that is too few, the fullest go.
fn forget_half(known: &mut HashMap<u64, Instant>, now: Instant) {
    known.retain(|_, full_at| *full_at > now);
    if known.len() > MOST_KNOWN / 2 {
        let mut times: Vec<Instant> = known.values().copied().collect();
        let half = times.len() / 2;
        let (_, middle, _) = times.select_nth_unstable(half);
        let middle = *middle;
        known.retain(|_, full_at| *full_at > middle);
    }
}

/// A try that was taken. It is spent, unless it is given back.
#[must_use = "a try that was right is given back"]
pub struct Try<'a> {
    limit: &'a Limit,
    key: u64,
}

impl Try<'_> {
    /// Gives it back: it was right, or it was not their fault that it failed.
    pub fn give_back(self) {
        self.limit.give_back(self.key);
    }

    /// Leaves it spent.
    pub fn spend(self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn ten_wrong_tries_are_allowed_and_then_one_every_ninety_seconds() {
        let limit = Limits::new(true).sign_in;
        let start = Instant::now();
        for _ in 0..10 {
            limit.take_at("ada", start).unwrap().spend();
        }
        let Err(Refusal::TooMany { retry_after }) = limit.take_at("ada", start).map(Try::spend) else {
            panic!("the eleventh try")
        };
        assert_eq!(retry_after, seconds(90));
        assert!(limit.take_at("ada", start + seconds(89)).is_err());
        limit.take_at("ada", start + seconds(90)).unwrap().spend();
        assert!(limit.take_at("ada", start + seconds(90)).is_err());
        assert!(limit.take_at("bob", start).is_ok());
    }

    #[test]
    fn right_tries_cost_nothing() {
        let limit = Limits::new(true).sign_in;
        let start = Instant::now();
        for _ in 0..1000 {
            limit.take_at("ada", start).unwrap().give_back();
        }
        assert!(limit.take_at("ada", start).is_ok());
    }

    #[test]
    fn a_hundred_guesses_at_once_are_ten() {
        let limit = Limits::new(true).sign_in;
        let start = Instant::now();
        let tries: Vec<_> = (0..100).map(|_| limit.take_at("ada", start)).collect();
        assert_eq!(tries.iter().filter(|tried| tried.is_ok()).count(), 10);
    }

    #[test]
    fn a_million_accounts_do_not_fill_the_memory() {
        let limit = Limits::new(true).sign_in;
        let start = Instant::now();
        for number in 0..1_000_000u32 {
            limit.take_at(&number.to_string(), start + Duration::from_millis(number.into())).unwrap().spend();
        }
        assert!(limit.full_at.lock().unwrap().len() <= MOST_KNOWN);
    }

    #[test]
    fn switched_off_it_never_says_no() {
        let limit = Limits::new(false).sign_in;
        for _ in 0..100 {
            limit.take("ada").unwrap().spend();
        }
    }
}
