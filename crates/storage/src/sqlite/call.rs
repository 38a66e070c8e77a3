//! A closure on its way to a thread, and its answer on the way back.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::StorageError;

/// A call with its types erased.
pub(super) trait Job: Send {
    /// Runs the closure; a panic becomes its error.
    fn run(self: Box<Self>, connection: &Connection) -> Done;
    /// Answers without running.
    fn refuse(self: Box<Self>, error: StorageError);
    /// Whether nobody waits for the answer any more.
    fn is_abandoned(&self) -> bool;
    /// How long its statements may run.
    fn deadline(&self) -> Duration;
    /// Whether it takes long enough that no other write should wait for it in one transaction.
    fn is_long(&self) -> bool;
}

/// A closure that ran and is not yet answered.
pub(super) struct Done {
    /// Whether it returned `Ok`.
    pub(super) succeeded: bool,
    answer: Box<dyn FnOnce(Result<(), StorageError>)>,
}

impl Done {
    /// For a job that was answered already.
    pub(super) fn nothing() -> Self {
        Self { succeeded: false, answer: Box::new(|_| ()) }
    }

    /// Answers: with the closure's own result, or with `Err` where it succeeded and the transaction around it did not.
    pub(super) fn answer(self, around: Result<(), StorageError>) {
        (self.answer)(around);
    }
}

pub(super) struct Call<T, E, F> {
    pub(super) work: F,
    pub(super) deadline: Duration,
    pub(super) long: bool,
    pub(super) answer: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> Job for Call<T, E, F>
where
    F: FnOnce(&Connection) -> Result<T, E> + Send,
    T: Send + 'static,
    E: From<StorageError> + Send + 'static,
{
    fn run(self: Box<Self>, connection: &Connection) -> Done {
        let Self { work, answer, .. } = *self;
        // What the closure touched besides the connection is gone with it, and the connection is rolled back.
        let result = catch_unwind(AssertUnwindSafe(|| work(connection))).unwrap_or_else(|panic| {
            let what = message(&*panic);
            tracing::error!(panic = what, "work on the store panicked and was rolled back");
            Err(StorageError::Internal(format!("the work panicked: {}", crate::error::one_line(what))).into())
        });
        Done {
            succeeded: result.is_ok(),
            answer: Box::new(move |around| {
                let result = match around {
                    Err(error) if result.is_ok() => Err(error.into()),
                    _ => result,
                };
                // Nobody listens if the caller went away; the work stands all the same.
                let _ = answer.send(result);
            }),
        }
    }

    fn refuse(self: Box<Self>, error: StorageError) {
        let _ = self.answer.send(Err(error.into()));
    }

    fn is_abandoned(&self) -> bool {
        self.answer.is_closed()
    }

    fn deadline(&self) -> Duration {
        self.deadline
    }

    fn is_long(&self) -> bool {
        self.long
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
