//! Awaiting conditions, and names and ports nobody else has.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::net::TcpListener;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use tokio::time::{Instant, sleep, timeout};

const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// Asks `check` again and again until it answers `true`.
///
/// # Errors
/// After `limit`, naming `what` was awaited. A check that hangs counts as `false`.
pub async fn wait_until(limit: Duration, what: &str, mut check: impl AsyncFnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + limit;
    let mut pause = SHORTEST_PAUSE;
    loop {
        if timeout_at(deadline, check()).await == Some(true) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            bail!("waited {limit:?} in vain: {what}");
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Tries `attempt` again and again until it succeeds, and gives back what it gave.
///
/// # Errors
/// After `limit`, naming `what` was awaited, with the last attempt's error as the cause.
pub async fn eventually<T>(
    limit: Duration,
    what: &str,
    mut attempt: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let deadline = Instant::now() + limit;
    let mut pause = SHORTEST_PAUSE;
    let mut last = anyhow!("the first attempt did not end");
    loop {
        match timeout_at(deadline, attempt()).await {
            Some(Ok(value)) => return Ok(value),
            Some(Err(error)) => last = error,
            None => {}
        }
        if Instant::now() >= deadline {
            return Err(last.context(format!("waited {limit:?} in vain: {what}")));
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn timeout_at<T>(deadline: Instant, work: impl Future<Output = T>) -> Option<T> {
    // Even past the deadline a check gets a moment, so that the last word is a true one.
    let left = deadline.saturating_duration_since(Instant::now()).max(LONGEST_PAUSE);
    timeout(left, work).await.ok()
}

/// A port on 127.0.0.1 that is free now and that this process has not been given before.
///
/// It lies below the range from which the kernel serves outgoing connections, so a server that is
/// killed finds its port free when it starts again.
///
/// # Errors
/// When no port of many tried is free.
pub fn free_port() -> Result<u16> {
    static GIVEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);
    const LOWEST: u64 = 15_000;
    const HIGHEST: u64 = 32_000;

    let mut given = GIVEN.lock().map_err(|_| anyhow!("a test panicked in free_port"))?;
    let given = given.get_or_insert_with(HashSet::new);
    for _ in 0..500 {
        let port = u16::try_from(LOWEST + random() % (HIGHEST - LOWEST)).context("no port")?;
        if !given.contains(&port) && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            given.insert(port);
            return Ok(port);
        }
    }
    bail!("found no free port on 127.0.0.1")
}

/// A short name no other test has (`t` and twelve hexadecimal digits): for databases, queues and exchanges.
#[must_use]
pub fn fresh_prefix() -> String {
    format!("t{:012x}", random() & 0xffff_ffff_ffff)
}

fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_condition_that_never_holds_is_named_in_the_error() {
        let error = wait_until(Duration::from_millis(30), "pigs fly", async || false).await.unwrap_err();
        assert!(error.to_string().contains("pigs fly"), "{error}");
    }

    #[tokio::test]
    async fn a_check_that_hangs_does_not_outlive_the_limit() {
        let limit = Duration::from_millis(30);
        let waiting = wait_until(limit, "an answer", async || std::future::pending().await);
        let ended = timeout(Duration::from_secs(5), waiting).await;
        assert!(ended.expect("the wait ends").is_err());
    }

    #[tokio::test]
    async fn an_attempt_is_repeated_and_its_last_error_told() {
        let mut tries = 0;
        let third = eventually(Duration::from_secs(5), "a third try", async || {
            tries += 1;
            if tries < 3 { bail!("too early") } else { Ok(tries) }
        });
        assert_eq!(third.await.unwrap(), 3);

        let never = eventually(Duration::from_millis(30), "success", async || {
            Err::<(), _>(anyhow!("the disk is full"))
        });
        let told = format!("{:#}", never.await.unwrap_err());
        assert!(told.contains("success") && told.contains("the disk is full"), "{told}");
    }

    #[test]
    fn a_port_is_given_once() {
        let ports: HashSet<u16> = (0..50).map(|_| free_port().unwrap()).collect();
        assert_eq!(ports.len(), 50);
    }
}
