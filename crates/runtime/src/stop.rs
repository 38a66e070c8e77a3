//! The signal to stop, and what waits for it.

use std::{future::Future, time::Duration};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Told to every task at its start; cancelled once, when the process is to end.
///
/// Clones are the same signal. Tasks that must finish what they have begun are spawned with [`Stop::spawn`].
#[derive(Debug, Clone, Default)]
pub struct Stop {
    token: CancellationToken,
    tasks: TaskTracker,
}

impl Stop {
    /// A signal that nobody has given yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives it.
    pub fn now(&self) {
        self.token.cancel();
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
