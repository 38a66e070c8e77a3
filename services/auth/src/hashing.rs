//! Argon2id on a bounded pool: a burst of sign-ins costs time, never more memory than there are cores for.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version, password_hash::Error};
use leadline_runtime::refusal::Refusal;
use tokio::sync::{Semaphore, oneshot};

use crate::password::{Password, PasswordHash};

/// Memory of one hash, in KiB; with two passes and one lane, the least that OWASP recommends.
const MEMORY: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// How many may wait. At some 50 hashes a second and core, the last of them still gets its answer.
const MOST_WAITING: usize = 256;
/// How long one waits: less than a call's deadline, so that the caller is told.
const PATIENCE: Duration = Duration::from_secs(7);

/// Hashes and verifies passwords.
pub struct Hasher {
    argon2: Argon2<'static>,
    workers: Workers,
    /// One for each core.
    places: Arc<Semaphore>,
    /// One for each call that runs or waits.
    waiting: Arc<Semaphore>,
    /// Of a password that nobody knows: verified where there is no account, so that this takes as long.
    dummy: PasswordHash,
    /// The pool's use, for whoever watches.
    used: metrics::Gauge,
    queued: metrics::Gauge,
    refused: metrics::Counter,
    #[cfg(test)]
    pub(crate) verified: std::sync::atomic::AtomicU64,
}

type Job = Box<dyn FnOnce() + Send>;

/// Threads that do nothing else, and end with their value. The allocator keeps what a thread has freed for that thread: on a pool
/// that others use too, every one of its threads would hold the memory of a hash in the end.
struct Workers(mpsc::Sender<Job>);

impl Workers {
    fn new(count: usize) -> Self {
        let (jobs, next) = mpsc::channel::<Job>();
        let next = Arc::new(Mutex::new(next));
        for _ in 0..count {
            let next = next.clone();
            thread::spawn(move || {
                loop {
                    let job = next.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(job) = job else { return };
                    // Whoever waits for it is told by what it drops.
                    let _ = catch_unwind(AssertUnwindSafe(job));
                }
            });
        }
        Self(jobs)
    }

    /// Does something on one of them.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refusal> {
        let (answer, done) = oneshot::channel();
        let job = Box::new(move || {
            // Nobody may wait for it any more.
            let _ = answer.send(work());
        });
        self.0.send(job).map_err(Refusal::internal)?;
        done.await.map_err(Refusal::internal)
    }
}

/// One more in a gauge, until it is dropped.
struct Counted(metrics::Gauge);

impl Counted {
    fn new(gauge: &metrics::Gauge) -> Self {
        gauge.increment(1);
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

impl Hasher {
    /// One with as many places as there are cores.
    ///
    /// # Errors
    /// If the system has no randomness.
    #[allow(clippy::cast_precision_loss, reason = "a gauge")]
    pub fn new() -> Result<Self, Error> {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let params = Params::new(MEMORY, PASSES, LANES, None).map_err(|_| Error::ParamsInvalid)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let dummy = hash(&argon2, Password::generated().reveal())?;
        metrics::gauge!("leadline_auth_hash_places").set(cores as f64);
        let (used, queued) = (
            metrics::gauge!("leadline_auth_hashes_running"),
            metrics::gauge!("leadline_auth_hashes_waiting"),
        );
        used.set(0);
        queued.set(0);
        let refused = metrics::counter!("leadline_auth_hashes_refused_total");
        refused.increment(0);
        Ok(Self {
            argon2,
            workers: Workers::new(cores),
            places: Arc::new(Semaphore::new(cores)),
            waiting: Arc::new(Semaphore::new(MOST_WAITING)),
            dummy,
            used,
            queued,
            refused,
            #[cfg(test)]
            verified: std::sync::atomic::AtomicU64::new(0),
        })
    }

    /// Hashes a new password.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`] when too many wait.
    pub async fn hash(&self, password: Password) -> Result<PasswordHash, Refusal> {
        let argon2 = self.argon2.clone();
        self.run(move || hash(&argon2, password.reveal())).await?.map_err(Refusal::internal)
    }

    /// Whether a password is the one of this hash; without a hash it takes as long, and is not.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`] when too many wait.
    pub async fn verify(&self, password: Password, hash: Option<&PasswordHash>) -> Result<bool, Refusal> {
        let known = hash.is_some();
        let hash = hash.unwrap_or(&self.dummy).clone();
        let argon2 = self.argon2.clone();
        #[cfg(test)]
        self.verified.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        match self.run(move || argon2.verify_password(password.reveal().as_bytes(), hash.reveal())).await? {
            Ok(()) => Ok(known),
            Err(Error::PasswordInvalid) => Ok(false),
            Err(error) => Err(Refusal::internal(error)),
        }
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refusal> {
        let busy = || {
            self.refused.increment(1);
            Refusal::Unavailable("too many people sign in at this moment: try again".to_owned())
        };
        let waiting = self.waiting.clone().try_acquire_owned().map_err(|_| busy())?;
        let queued = Counted::new(&self.queued);
        let place = match tokio::time::timeout(PATIENCE, self.places.clone().acquire_owned()).await {
            Ok(Ok(place)) => place,
            Ok(Err(_)) | Err(_) => return Err(busy()),
        };
        drop(queued);
        let used = Counted::new(&self.used);
        let work = move || {
            let done = work();
            // Held to here even if nobody waits for the answer any more: the memory is in use until now.
            drop((place, waiting, used));
            done
        };
        self.workers.run(work).await
    }
}

fn hash(argon2: &Argon2<'_>, password: &str) -> Result<PasswordHash, Error> {
    Ok(PasswordHash::new(argon2.hash_password(password.as_bytes())?.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::typed(text).unwrap()
    }

    #[tokio::test]
    async fn a_password_is_verified_by_its_hash_only() {
        let hasher = Hasher::new().unwrap();
        let hash = hasher.hash(password("a quiet heron")).await.unwrap();
        assert!(hash.reveal().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(hasher.verify(password("a quiet heron"), Some(&hash)).await.unwrap());
        assert!(!hasher.verify(password("a quiet Heron"), Some(&hash)).await.unwrap());
        assert!(!hasher.verify(password("a quiet heron"), None).await.unwrap());
    }

    #[tokio::test]
    async fn two_hashes_of_one_password_differ() {
        let hasher = Hasher::new().unwrap();
        let (one, two) = tokio::join!(hasher.hash(password("same")), hasher.hash(password("same")));
        assert_ne!(one.unwrap(), two.unwrap());
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once_and_empties_again() {
        let hasher = Hasher::new().unwrap();
        let all = hasher.waiting.clone().acquire_many_owned(MOST_WAITING as u32).await.unwrap();
        let refused = hasher.verify(password("x"), None).await;
        assert!(matches!(refused, Err(Refusal::Unavailable(_))));
        drop(all);
        assert_eq!(hasher.verify(password("x"), None).await, Ok(false));
    }
}
