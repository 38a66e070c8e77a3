//! How long to wait before the next try.

use std::time::Duration;

/// Grows from the first pause to the longest one, with jitter so that replicas don't try in step.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    /// 0.2 to 2 s, for a broker or a store that is away.
    pub(crate) fn new() -> Self {
        Self { first: Duration::from_millis(200), longest: Duration::from_secs(2), failures: 0 }
    }

    /// The pause before the next try.
    pub(crate) fn next(&mut self) -> Duration {
        let pause = self.first.saturating_mul(1 << self.failures.min(16)).min(self.longest);
        self.failures = self.failures.saturating_add(1);
        jittered(pause)
    }

    /// It worked.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// Three to five quarters of a time.
pub(crate) fn jittered(time: Duration) -> Duration {
    time.mul_f64(rand::random_range(0.75..1.25))
}
