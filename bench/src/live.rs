//! From a write to the event in a browser.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use leadline_tests::{Stream, text};
use tokio::task::JoinSet;

use crate::{
    load::{Run, open},
    process::Memory,
    scenario::{self, Asking},
    settings::Settings,
    site::Site,
};

/// Writes a second, while one browser listens.
pub const WRITES: u32 = 500;
/// Browsers of a full house.
pub const LISTENERS: usize = 1_000;
/// Writes a second in a full house.
pub const WRITES_TO_ALL: u32 = 10;
/// One person may have so many streams.
const STREAMS_EACH: usize = 20;
/// How long after the last write the last event may come.
const PATIENCE: Duration = Duration::from_secs(5);

/// What was measured: the writes, and what passed from each event's time to its arrival.
pub struct Live {
    /// How the writes went.
    pub writes: Run,
    /// How late the events came.
    pub events: Run,
    /// What all listeners cost, in MiB.
    pub memory: f64,
}

/// One listener, `WRITES` writes a second.
///
/// # Errors
/// If a stream breaks off or a write fails.
pub async fn one(site: &mut Site, settings: &Settings) -> Result<Live> {
    hear(site, settings, 1, f64::from(WRITES)).await
}

/// A thousand listeners.
///
/// # Errors
/// If a stream breaks off or a write fails.
pub async fn many(site: &mut Site, settings: &Settings) -> Result<Live> {
    hear(site, settings, LISTENERS, f64::from(WRITES_TO_ALL)).await
}

async fn hear(site: &mut Site, settings: &Settings, listeners: usize, rate: f64) -> Result<Live> {
    site.sign_in().await?;
    let place = site.places.first().context("no workspace")?.clone();
    let memory = Memory::watch(site.pids()?);
    let mut people = vec![place.person.clone()];
    while people.len() * STREAMS_EACH < listeners {
        people.push(place.person.invite("Listener", "viewer").await?);
    }
    let mut streams = Vec::new();
    for number in 0..listeners {
        let person = people[number / STREAMS_EACH % people.len()].with_own_connections();
        streams.push(Stream::open(&person, None).await?);
    }
    let time = settings.time * 4;
    let end = Instant::now() + time + PATIENCE;
    let mut set = JoinSet::new();
    for mut stream in streams {
        set.spawn(async move {
            let mut late = Vec::new();
            while let Some(left) = end.checked_duration_since(Instant::now()) {
                let Ok(Some(event)) = stream.next(left).await else { break };
                let Ok(at) = DateTime::parse_from_rfc3339(text(&event.data, "at")) else { continue };
                if event.kind == "activity" {
                    let micros = (Utc::now() - at.to_utc()).num_microseconds().unwrap_or(i64::MAX);
                    late.push(u32::try_from(micros.max(0)).unwrap_or(u32::MAX));
                }
            }
            late
        });
    }
    let (address, places, seed) = (site.address(), vec![place], settings.seed);
    let moves = scenario::named("move a lead")?;
    let writes =
        open(64, rate, time, |number| Asking::new(moves, address.clone(), places.clone(), seed ^ 7, number));
    let writes = writes.await?;
    let mut late = Vec::new();
    while let Some(one) = set.join_next().await {
        late.extend(one?);
    }
    Ok(Live { writes, events: Run::of(late, time), memory: memory.above() })
}
