//! Transactions that are tried again when MongoDB says that it is worth it.

use std::cell::RefCell;
use std::time::Duration;

use mongodb::ClientSession;
use mongodb::error::{Error, TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT};
use mongodb::options::{ReadConcern, TransactionOptions};
use tokio::time::{Instant, timeout_at};

use super::{DEADLINE, Mongo};
use crate::StorageError;

/// Back-off before the second attempt, doubled for each next.
const FIRST_PAUSE: Duration = Duration::from_millis(4);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// What a commit has at least, however late it begins: to give up on it leaves its outcome open.
const COMMIT_TIME: Duration = Duration::from_secs(5);

tokio::task_local! {
    /// The passing failure that a driver's error told of while a closure ran: its own error type does not show it.
    static TRANSIENT: RefCell<Option<StorageError>>;
}

/// Leaves a note of an error that aborts the transaction and is worth another attempt.
pub(crate) fn note(error: &Error, known: &StorageError) {
    if error.contains_label(TRANSIENT_TRANSACTION_ERROR) {
        let known = match known {
            StorageError::Unavailable(_) => known.clone(),
            _ => StorageError::Contended,
        };
        // Outside of a transaction there is nobody to tell.
        let _ = TRANSIENT.try_with(|note| note.replace(Some(known)));
    }
}

impl Mongo {
    /// Runs operations in one transaction (snapshot reads, majority commit) and commits it; all of it happens, or nothing.
    ///
    /// The closure is run again, from the start, when MongoDB says that another attempt can succeed (a write conflict, a new
    /// primary), with a growing jittered pause, for at most [`DEADLINE`] in all. So it must be repeatable: it clones what it
    /// uses up, and does nothing but operations of this session. **Pass `session(&mut *session)` to every operation**, and
    /// give every driver's error back (through [`StorageError`]): after one the transaction is dead.
    ///
    /// ```no_run
    /// # use leadline_storage::{Mongo, StorageError, bson::{Document, doc}};
    /// # #[derive(Debug)] enum LeadError { Gone, Storage(StorageError) }
    /// # impl From<StorageError> for LeadError { fn from(e: StorageError) -> Self { Self::Storage(e) } }
    /// # impl From<mongodb::error::Error> for LeadError { fn from(e: mongodb::error::Error) -> Self { Self::Storage(e.into()) } }
    /// # async fn example(mongo: &Mongo, id: String) -> Result<i64, LeadError> {
    /// let leads = mongo.collection::<Document>("leads");
    /// mongo
    ///     .transact(async move |session| {
    ///         let lead = leads.find_one(doc! { "_id": &id }).session(&mut *session).await?.ok_or(LeadError::Gone)?;
    ///         let version = lead.get_i64("version").unwrap_or_default() + 1;
    ///         leads.update_one(doc! { "_id": &id }, doc! { "$set": { "version": version } }).session(&mut *session).await?;
    ///         Ok(version)
    ///     })
    ///     .await
    /// # }
    /// ```
    ///
    /// Let the closure own what it uses (`async move`, clones of collections and ids). One that borrows from its surroundings,
    /// `self` included, compiles only where the future need not be `Send`: elsewhere the compiler says that "`Send` is not
    /// general enough".
    ///
    /// If the returned future is dropped before the commit began, nothing was written.
    ///
    /// # Errors
    /// What the closure returned, after the transaction was aborted; [`StorageError::Contended`] or
    /// [`StorageError::Unavailable`] when the time for attempts ran out; [`StorageError::TimedOut`] when the closure took too
    /// long. Nothing was written then, except that after an `Unavailable` which says so the commit's outcome is not known.
    pub async fn transact<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: for<'s> AsyncFnMut(&'s mut ClientSession) -> Result<T, E>,
        E: From<StorageError>,
    {
        let _span = tracing::debug_span!("store write", db.system = "mongodb", otel.kind = "client");
        let retries = metrics::counter!("leadline_store_transaction_retries_total", "database" => self.database().name().to_owned());
        // There from the start, so that a first one is seen to be one more.
        retries.increment(0);
        let mut work = work;
        let deadline = Instant::now() + DEADLINE;
        let mut session = match timeout_at(deadline, self.client().start_session()).await {
            Ok(session) => session.map_err(StorageError::from)?,
            Err(_) => return Err(StorageError::TimedOut.into()),
        };
        let mut attempt = 0;
        let mut last = None;
        loop {
            let why = match self.attempt(&mut session, &mut work, deadline).await? {
                Attempt::Committed(value) => {
                    self.inner.committed.send_modify(|count| *count += 1);
                    return Ok(value);
                }
                Attempt::Again(why) => why,
                // What earlier attempts met tells more than that the time is up.
                Attempt::OutOfTime => return Err(last.unwrap_or(StorageError::TimedOut).into()),
            };
            let pause = pause(attempt);
            attempt += 1;
            if Instant::now() + pause >= deadline {
                return Err(why.into());
            }
            last = Some(why);
            retries.increment(1);
            tokio::time::sleep(pause).await;
        }
    }

    async fn attempt<T, E, F>(
        &self,
        session: &mut ClientSession,
        work: &mut F,
        deadline: Instant,
    ) -> Result<Attempt<T>, E>
    where
        F: for<'s> AsyncFnMut(&'s mut ClientSession) -> Result<T, E>,
        E: From<StorageError>,
    {
        let options = TransactionOptions::builder()
            .read_concern(ReadConcern::snapshot())
            .max_commit_time(COMMIT_TIME)
            .build();
        match timeout_at(deadline, session.start_transaction().with_options(options)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                return match StorageError::from(error) {
                    why @ StorageError::Unavailable(_) => Ok(Attempt::Again(why)),
                    // The driver says so of a server without replica set, but also of one that it has just lost.
                    StorageError::Internal(text) if text.contains("not supported by this deployment") => {
                        match self.state().await {
                            Ok(why) => Ok(Attempt::Again(StorageError::Unavailable(
                                why.unwrap_or_else(|| "MongoDB has just come back".to_owned()),
                            ))),
                            Err(why @ StorageError::Unavailable(_)) => Ok(Attempt::Again(why)),
                            Err(other) => Err(other.into()),
                        }
                    }
                    other => Err(other.into()),
                };
            }
            Err(_) => return Ok(Attempt::OutOfTime),
        }
        let run = TRANSIENT.scope(RefCell::new(None), async {
            let result = timeout_at(deadline, work(session)).await;
            (result, TRANSIENT.with(RefCell::take))
        });
        let (result, transient) = run.await;
        let value = match (result, transient) {
            (Ok(Ok(value)), None) => value,
            // An operation failed in a way that ended the transaction on the server, whatever the closure made of it.
            (Ok(_), Some(why)) => {
                abort(session).await;
                return Ok(Attempt::Again(why));
            }
            (Ok(Err(error)), None) => {
                abort(session).await;
                return Err(error);
            }
            (Err(_), transient) => {
                abort(session).await;
                return transient.map_or(Ok(Attempt::OutOfTime), |why| Err(why.into()));
            }
        };
        self.commit(session, value, deadline).await
    }

    async fn commit<T, E: From<StorageError>>(
        &self,
        session: &mut ClientSession,
        value: T,
        deadline: Instant,
    ) -> Result<Attempt<T>, E> {
        let deadline = deadline.max(Instant::now() + COMMIT_TIME);
        let unknown = |why: &str| {
            StorageError::Unavailable(format!(
                "it is not known whether the last write was committed ({why}): look, or try again"
            ))
        };
        let mut attempt = 0;
        loop {
            match timeout_at(deadline, session.commit_transaction()).await {
                Ok(Ok(())) => return Ok(Attempt::Committed(value)),
                // To commit again is safe, and the only way to learn what became of it.
                Ok(Err(error)) if error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT) => {
                    let pause = pause(attempt);
                    attempt += 1;
                    if Instant::now() + pause >= deadline {
                        return Err(unknown(&StorageError::from(error).to_string()).into());
                    }
                    tokio::time::sleep(pause).await;
                }
                Ok(Err(error)) => {
                    let transient = error.contains_label(TRANSIENT_TRANSACTION_ERROR);
                    return match StorageError::from(error) {
                        why @ StorageError::Unavailable(_) if transient => Ok(Attempt::Again(why)),
                        _ if transient => Ok(Attempt::Again(StorageError::Contended)),
                        other => Err(other.into()),
                    };
                }
                Err(_) => return Err(unknown("it took too long").into()),
            }
        }
    }
}

enum Attempt<T> {
    Committed(T),
    /// Nothing was written; another attempt can succeed.
    Again(StorageError),
    /// Nothing was written and there is no time for another attempt.
    OutOfTime,
}

/// Aborts; if that fails the server ends the transaction by itself.
async fn abort(session: &mut ClientSession) {
    let _ = tokio::time::timeout(Duration::from_secs(2), session.abort_transaction()).await;
}

/// Full jitter: anything between nothing and the doubled bound.
fn pause(attempt: u32) -> Duration {
    let bound = FIRST_PAUSE.saturating_mul(1 << attempt.min(10)).min(LONGEST_PAUSE);
    bound.mul_f64(rand::random_range(0.1..1.0))
}
