//! The public keys by which tokens are checked, of every replica of the auth service.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
    time::Duration,
};

use futures::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use jsonwebtoken::DecodingKey;
use leadline_proto::auth::{GetJwksRequest, auth_service_client::AuthServiceClient};
use tokio::{sync::Semaphore, time::Instant};
use tonic::Status;

use super::{ACCESS_LIFE, Jwk, Jwks, LEEWAY};
use crate::{caller::Origin, refusal::Refusal, route::Route};

/// How long a key is good that no replica tells of any more: a token's life, and time to spare for clocks that differ.
const KEPT: Duration = Duration::from_secs(ACCESS_LIFE.as_secs() + 2 * LEEWAY);
/// The least time between two questions for keys.
const BETWEEN_ASKS: Duration = Duration::from_millis(200);
/// How long a replica may take to tell its keys.
const ANSWERS: Duration = Duration::from_secs(2);
/// So many may wait for keys at once.
const WAITING: usize = 64;

/// Asks every replica of the auth service for its public keys.
pub(super) type Ask = Box<dyn Fn() -> BoxFuture<'static, Vec<Result<Jwks, Refusal>>> + Send + Sync>;

/// The public keys that tokens may be signed with: all that any replica of the auth service has told of. One that none of them
/// tells of any more is kept for as long as a token may live that it signed.
pub(super) struct Keys {
    known: RwLock<HashMap<String, Known>>,
    source: Option<Source>,
}

struct Known {
    key: DecodingKey,
    /// Since when no replica tells of it, as far as was asked.
    missed: Option<Instant>,
}

impl Known {
    fn is_good(&self) -> bool {
        self.missed.is_none_or(|since| since.elapsed() < KEPT)
    }
}

/// Where to ask for keys that are not known.
struct Source {
    ask: Ask,
    /// Those who wait for an answer. More are turned away: anybody can make up names of keys.
    waiting: Semaphore,
    asked: tokio::sync::Mutex<Asked>,
}

/// When the replicas were asked.
#[derive(Default)]
struct Asked {
    /// For the last time, though whoever asked may have left before they answered.
    begun: Option<Instant>,
    /// For the last time that they answered, and whether all of them did.
    answered: Option<(Instant, bool)>,
}

impl Keys {
    pub(super) fn new(jwks: &Jwks, ask: Option<Ask>) -> Self {
        let source = ask.map(|ask| Source {
            ask,
            waiting: Semaphore::new(WAITING),
            asked: tokio::sync::Mutex::default(),
        });
        let keys = Self { known: RwLock::default(), source };
        keys.put(std::slice::from_ref(jwks));
        keys
    }

    fn get(&self, kid: &str) -> Option<DecodingKey> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(kid).filter(|known| known.is_good()).map(|known| known.key.clone())
    }

    /// Takes in what replicas have told at the same time.
    fn put(&self, told: &[Jwks]) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        for known in known.values_mut() {
            known.missed.get_or_insert_with(Instant::now);
        }
        let usable = |key: &&Jwk| key.kty == "OKP" && key.crv == "Ed25519";
        for told in told.iter().flat_map(|jwks| &jwks.keys).filter(usable) {
            if let Ok(key) = DecodingKey::from_ed_components(&told.x) {
                known.insert(told.kid.clone(), Known { key, missed: None });
            }
        }
        known.retain(|_, known| known.is_good());
    }

    /// The key of this name. Replicas are asked at once for one that is not known, though not again and again: all who wait for
    /// keys share an answer that was asked for after they came.
    pub(super) async fn find(&self, kid: &str) -> Result<Option<DecodingKey>, Refusal> {
        let came = Instant::now();
        if let Some(key) = self.get(kid) {
            return Ok(Some(key));
        }
        let Some(source) = &self.source else { return Ok(None) };
        let cant_tell =
            || Refusal::Unavailable("the keys of access tokens can't be had: try again".to_owned());
        let _waiting = source.waiting.try_acquire().map_err(|_| cant_tell())?;
        let mut asked = source.asked.lock().await;
        if let Some(key) = self.get(kid) {
            return Ok(Some(key));
        }
        let whole = match asked.answered {
            Some((began, whole)) if began >= came => whole,
            _ => {
                if let Some(before) = asked.begun {
                    tokio::time::sleep_until(before + BETWEEN_ASKS).await;
                }
                let began = Instant::now();
                asked.begun = Some(began);
                let (told, failed): (Vec<_>, Vec<_>) =
                    (source.ask)().await.into_iter().partition(Result::is_ok);
                let told: Vec<Jwks> = told.into_iter().flatten().collect();
                if !told.is_empty() {
                    self.put(&told);
                }
                for refusal in failed.iter().filter_map(|failed| failed.as_ref().err()) {
                    tracing::debug!(?refusal, "a replica of auth does not tell its keys");
                }
                let whole = failed.is_empty();
                asked.answered = Some((began, whole));
                whole
            }
        };
        match self.get(kid) {
            // One that did not answer may have signed with it.
            None if !whole => Err(cant_tell()),
            found => Ok(found),
        }
    }
}

/// What asks every replica behind a route.
pub(super) fn every_replica(auth: Route) -> Ask {
    Box::new(move || {
        let auth = auth.clone();
        async move {
            let replicas = auth.each().await;
            join_all(replicas.into_iter().map(|replica| async move {
                let mut client = AuthServiceClient::new(replica);
                let asking = client.get_jwks(Origin::new().request(GetJwksRequest {}));
                let answer = tokio::time::timeout(ANSWERS, asking).await;
                let answer = answer.unwrap_or_else(|_| Err(Status::deadline_exceeded("it does not answer")));
                serde_json::from_str(&answer?.into_inner().json).map_err(Refusal::internal)
            }))
            .await
        }
        .boxed()
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Replicas of auth, and how often they were asked. `None` is one that does not answer.
    #[derive(Clone, Default)]
    struct Replicas {
        keys: Arc<Mutex<Vec<Option<Vec<&'static str>>>>>,
        asked: Arc<Mutex<usize>>,
    }

    impl Replicas {
        fn set(&self, keys: &[Option<&[&'static str]>]) {
            *self.keys.lock().unwrap() = keys.iter().map(|one| one.map(<[_]>::to_vec)).collect();
        }

        fn asked(&self) -> usize {
            *self.asked.lock().unwrap()
        }

        fn keys(&self) -> Keys {
            let replicas = self.clone();
            let ask: Ask = Box::new(move || {
                *replicas.asked.lock().unwrap() += 1;
                let told = replicas.keys.lock().unwrap().clone().into_iter().map(|kids| {
                    let kids = kids.ok_or_else(|| Refusal::Unavailable("away".to_owned()))?;
                    Ok(Jwks { keys: kids.iter().map(|kid| Jwk::new(kid, &[1; 32])).collect() })
                });
                let told: Vec<_> = told.collect();
                async move {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    told
                }
                .boxed()
            });
            Keys::new(&Jwks::default(), Some(ask))
        }
    }

    async fn knows(keys: &Keys, kid: &str) -> bool {
        keys.find(kid).await.unwrap().is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_one_replica_has_is_good_however_soon_it_comes_after_another() {
        let replicas = Replicas::default();
        let keys = replicas.keys();
        replicas.set(&[Some(&["old"]), Some(&["old"])]);
        assert!(knows(&keys, "old").await);
        replicas.set(&[Some(&["new", "old"]), Some(&["old"])]);
        assert!(knows(&keys, "new").await, "one of two");
        replicas.set(&[Some(&["old"]), Some(&["newer"])]);
        assert!(knows(&keys, "newer").await, "the other");
        for kid in ["old", "new", "newer"] {
            assert!(knows(&keys, kid).await, "{kid}");
        }
        assert_eq!(replicas.asked(), 3, "known ones are not asked for");
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_is_good_for_as_long_as_its_last_token_after_it_was_taken_away() {
        let replicas = Replicas::default();
        let keys = replicas.keys();
        replicas.set(&[Some(&["old"])]);
        assert!(knows(&keys, "old").await);
        tokio::time::advance(10 * ACCESS_LIFE).await;
        replicas.set(&[Some(&["new"])]);
        assert!(knows(&keys, "new").await);
        tokio::time::advance(ACCESS_LIFE).await;
        assert!(knows(&keys, "old").await, "a token that it signed may still be good");
        tokio::time::advance(3 * Duration::from_secs(LEEWAY)).await;
        assert!(!knows(&keys, "old").await);
        assert!(knows(&keys, "new").await);
        replicas.set(&[Some(&["new", "old"])]);
        assert!(knows(&keys, "old").await, "it was put back");
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_names_that_are_made_up_is_no_flood_of_questions() {
        let replicas = Replicas::default();
        replicas.set(&[Some(&["k1"])]);
        let keys = Arc::new(replicas.keys());
        assert!(knows(&keys, "k1").await);
        let before = replicas.asked();
        let began = Instant::now();
        let mut refused = 0;
        while began.elapsed() < Duration::from_secs(4) {
            let flood = (0..200).map(|n| {
                let keys = keys.clone();
                async move { keys.find(&format!("made up {n}")).await.map(|key| key.is_none()) }
            });
            let answers = join_all(flood).await;
            refused += answers.iter().filter(|answer| matches!(answer, Ok(true))).count();
            let away = answers.iter().filter(|answer| matches!(answer, Err(Refusal::Unavailable(_)))).count();
            assert_eq!(away, 200 - WAITING, "only so many wait");
            assert!(knows(&keys, "k1").await, "whoever is known waits for nobody");
        }
        let asked = replicas.asked() - before;
        assert!((10..=22).contains(&asked), "{asked} questions in four seconds");
        assert_eq!(refused, asked * WAITING, "all who wait at once share a question");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_asks_and_leaves_at_once_makes_no_flood_either() {
        let replicas = Replicas::default();
        replicas.set(&[Some(&["k1"])]);
        let keys = replicas.keys();
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(2) {
            let left = tokio::time::timeout(Duration::from_millis(1), keys.find("made up")).await;
            assert!(left.is_err(), "it left before there was an answer");
        }
        let asked = replicas.asked();
        assert!((5..=11).contains(&asked), "{asked} questions in two seconds");
        assert!(!knows(&keys, "made up").await, "who stays is answered");
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_of_a_replica_that_does_not_answer_is_not_called_wrong() {
        let replicas = Replicas::default();
        let keys = replicas.keys();
        replicas.set(&[None]);
        assert!(matches!(keys.find("k1").await, Err(Refusal::Unavailable(_))), "nobody answers");
        replicas.set(&[Some(&["k1"]), None]);
        assert!(knows(&keys, "k1").await);
        assert!(matches!(keys.find("k2").await, Err(Refusal::Unavailable(_))), "the other may have it");
        replicas.set(&[None, None]);
        assert!(knows(&keys, "k1").await, "what is known stays");
        replicas.set(&[Some(&["k1"]), Some(&["k1"])]);
        assert!(!knows(&keys, "k2").await);
    }
}
