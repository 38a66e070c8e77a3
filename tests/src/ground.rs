//! A workspace under load, for tests of faults.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};

use crate::{client::Client, journal::Journal, recount, system::System, traffic::Traffic};

/// The time that what lags may take, on a busy machine. What a killed process had begun in MongoDB holds its locks for up to
/// 23 seconds: `transactionLifetimeLimitSeconds` and half of it.
pub const SETTLE: Duration = Duration::from_secs(45);

/// A number that the environment may set.
#[must_use]
pub fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// What draws in this run: `LEADLINE_TEST_SEED`, or something new. It is printed: a failure shows it.
#[must_use]
#[allow(clippy::print_stdout, reason = "it is shown with the failure that it leads to")]
pub fn seed() -> u64 {
    let seed = number("LEADLINE_TEST_SEED", rand::random::<u32>().into());
    println!("LEADLINE_TEST_SEED={seed}");
    seed
}

/// A workspace with clients at work in it.
pub struct Ground {
    /// Its owner.
    pub person: Client,
    /// What was asked for in it.
    pub journal: Arc<Journal>,
    traffic: Option<Traffic>,
}

impl Ground {
    /// A new workspace, in which nobody works yet.
    ///
    /// # Errors
    /// If its owner can't register.
    pub async fn new(system: &System) -> Result<Self> {
        Ok(Self { person: system.register("Somebody").await?, journal: Arc::default(), traffic: None })
    }

    /// Lets clients begin to write.
    pub fn begin(&mut self, workers: u64, seed: u64) -> &Traffic {
        self.traffic.insert(Traffic::start(&self.person, &self.journal, workers, seed))
    }

    /// Those clients, if there are any.
    #[must_use]
    pub fn traffic(&self) -> Option<&Traffic> {
        self.traffic.as_ref()
    }

    /// Lets every client finish what it is at.
    ///
    /// # Errors
    /// If any of them got an answer that should never come.
    pub async fn rest(&mut self) -> Result<()> {
        match self.traffic.take() {
            Some(traffic) => traffic.stop().await,
            None => Ok(()),
        }
    }

    /// Compares what was asked for with what is there.
    ///
    /// # Errors
    /// With the differences.
    #[allow(clippy::print_stdout, reason = "it is shown with a failure, or to who asks for it")]
    pub async fn check(&self, system: &System) -> Result<()> {
        // In a long run the first token's time is over.
        let person = Client::login(system.base(), &self.person.email).await?;
        let checked = recount::check(&person, &self.journal, SETTLE).await;
        let compared = checked.with_context(|| system.last_words(40))?;
        recount::check_accounts(system.base(), &self.journal).await?;
        println!("{}: {compared}", self.journal.tally());
        Ok(())
    }
}
