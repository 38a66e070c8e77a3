//! The signal to stop, and what waits for it.

use std::{
    future::Future,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Requests under way may finish until so long after the signal,
pub const LAST_REQUESTS: Duration = Duration::from_secs(7);
/// tasks what they have begun until then,
pub const LAST_WORK: Duration = Duration::from_secs(8);
/// and then the process ends, whatever still hangs: what was acknowledged is stored, the rest is repeated.
pub const LAST_MOMENT: Duration = Duration::from_secs(9);

/// Told to every task at its start; cancelled once, when the process is to end.
///
/// Clones are the same signal. Tasks that must finish what they have begun are spawned with [`Stop::spawn`].
#[derive(Debug, Clone, Default)]
pub struct Stop {
    token: CancellationToken,
    tasks: TaskTracker,
    /// When it was given: all that ends has what is left of one time.
    given: Arc<OnceLock<Instant>>,
}

impl Stop {
    /// A signal that nobody has given yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives it.
    pub fn now(&self) {
        self.given.get_or_init(Instant::now);
        self.token.cancel();
    }

    /// Waits until so long after the signal.
    pub async fn over(&self, after: Duration) {
        self.token.cancelled().await;
        if let Some(given) = self.given.get() {
            tokio::time::sleep_until(*given + after).await;
        }
    }

    /// Whether it was given.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Waits for it.
    pub async fn stopping(&self) {
        self.token.cancelled().await;
    }

    /// Runs a task that [`Stop::finished`] waits for. The task watches the signal itself.
    pub fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tasks.spawn(task);
    }

    /// Sleeps, but not past the signal. True: slept all the time.
    pub async fn sleep(&self, time: Duration) -> bool {
        tokio::select! {
            () = self.token.cancelled() => false,
            () = tokio::time::sleep(time) => true,
        }
    }

    /// Waits until all tasks have ended, for at most `limit`. False: some had not.
    pub async fn finished(&self, limit: Duration) -> bool {
        self.tasks.close();
        tokio::time::timeout(limit, self.tasks.wait()).await.is_ok()
    }

    /// Gives the signal if nobody has, and waits until all tasks have ended, until [`LAST_WORK`] after it. False: some had not.
    pub async fn last_work(&self) -> bool {
        self.now();
        self.tasks.close();
        tokio::select! {
            biased;
            () = self.tasks.wait() => true,
            () = self.over(LAST_WORK) => false,
        }
    }

    /// Gives the signal at SIGTERM or SIGINT.
    ///
    /// # Errors
    /// If the system gives no signal handler.
    pub fn at_signals(&self) -> std::io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let stop = self.clone();
        tokio::spawn(async move {
            let name = tokio::select! { _ = term.recv() => "SIGTERM", _ = int.recv() => "SIGINT" };
            tracing::info!(signal = name, "stopping");
            stop.now();
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_that_ends_has_what_is_left_of_one_time() {
        let stop = Stop::new();
        stop.spawn(std::future::pending());
        let began = Instant::now();
        stop.now();
        tokio::time::sleep(Duration::from_secs(1)).await;
        // Given again, it does not begin anew.
        stop.now();
        stop.over(LAST_REQUESTS).await;
        assert_eq!(began.elapsed().as_secs(), LAST_REQUESTS.as_secs(), "from the first signal on");
        assert!(!stop.last_work().await, "a task hangs");
        assert_eq!(began.elapsed().as_secs(), LAST_WORK.as_secs());
        assert!(!stop.last_work().await, "asked again, it is not waited for again");
        assert_eq!(began.elapsed().as_secs(), LAST_WORK.as_secs());
    }

    #[tokio::test]
    async fn tasks_that_end_are_not_waited_for_any_longer() {
        let stop = Stop::new();
        let told = stop.clone();
        stop.spawn(async move { told.stopping().await });
        let began = Instant::now();
        assert!(stop.last_work().await);
        assert!(began.elapsed() < Duration::from_secs(1));
    }
}
