//! How many files are made, or come in, at once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use leadline_runtime::{ids::UserId, refusal::Refusal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// For everybody together.
const MOST: usize = 32;
/// For one user.
const MOST_OF_ONE: usize = 4;

/// The places for files that are on their way.
pub(crate) struct Places {
    all: Arc<Semaphore>,
    of_users: Arc<Mutex<HashMap<UserId, usize>>>,
    full: &'static str,
}

/// A place, until it is dropped.
pub(crate) struct Place {
    user: UserId,
    of_users: Arc<Mutex<HashMap<UserId, usize>>>,
    _of_all: OwnedSemaphorePermit,
}

impl Places {
    /// All free. `full` is what is told when they are all taken.
    pub(crate) fn new(full: &'static str) -> Self {
        Self { all: Arc::new(Semaphore::new(MOST)), of_users: Arc::default(), full }
    }

    /// Takes a place.
    ///
    /// # Errors
    /// [`Refusal::TooMany`] when the user has enough, [`Refusal::Unavailable`] when there is none.
    pub(crate) fn enter(&self, user: UserId) -> Result<Place, Refusal> {
        let full = || Refusal::Unavailable(self.full.to_owned());
        let of_all = self.all.clone().try_acquire_owned().map_err(|_| full())?;
        let mut of_users = self.of_users.lock().unwrap_or_else(PoisonError::into_inner);
        let count = of_users.entry(user).or_default();
        if *count >= MOST_OF_ONE {
            return Err(Refusal::TooMany { retry_after: Duration::from_secs(5) });
        }
        *count += 1;
        Ok(Place { user, of_users: self.of_users.clone(), _of_all: of_all })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut of_users = self.of_users.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = of_users.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                of_users.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_leaves_places_for_others_and_gives_theirs_back() {
        let places = Places::new("full");
        let (one, other) = (UserId::new(), UserId::new());
        let taken: Vec<Place> = (0..MOST_OF_ONE).map(|_| places.enter(one).unwrap()).collect();
        assert!(matches!(places.enter(one), Err(Refusal::TooMany { .. })));
        assert!(places.enter(other).is_ok());
        drop(taken);
        assert!(places.enter(one).is_ok());
        assert!(places.of_users.lock().unwrap().is_empty());
    }

    #[test]
    fn all_users_together_have_so_many() {
        let places = Places::new("full");
        let _taken: Vec<Place> = (0..MOST).map(|_| places.enter(UserId::new()).unwrap()).collect();
        assert!(matches!(places.enter(UserId::new()), Err(Refusal::Unavailable(_))));
    }
}
