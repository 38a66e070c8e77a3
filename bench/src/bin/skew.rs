//! A simulation: how unevenly workspaces of different sizes load shards and queues, and what helps. `docs/SCALING.md` tells
//! what follows from it.
//!
//!     cargo run --release --package leadline-bench --bin skew
//!
//! Nothing here is measured on Leadline; what one node carries comes from `docs/PERFORMANCE.md`. Sizes follow Zipf's law: the
//! workspace of rank r has a share proportional to r^-s. Companies' sizes are close to s = 1 (Axtell, Science 293, 2001).

#![allow(clippy::print_stdout, reason = "a program for a terminal")]

use rand::{RngExt, SeedableRng, rngs::StdRng};

/// Workspaces of the large installation.
const WORKSPACES: usize = 100_000;
/// How often everything is drawn; medians and worst cases are of these.
const TRIALS: u64 = 20;
/// A consumer of events handles so many a second: half of what a projection on MongoDB was measured at.
const HANDLED: f64 = 1_500.0;
/// What all people together cause on average, in events a second.
const EVENTS: f64 = 2_000.0;
/// An import tells of so many rows a second for a minute and more.
const IMPORTED: f64 = 1_500.0;
/// So long an import takes, in seconds: a hundred thousand rows.
const IMPORT: usize = 67;
/// Seconds that are simulated.
const TIME: usize = 4 * 3_600;

/// Shares of workspaces by rank, which sum up to 1.
fn zipf(count: usize, exponent: f64) -> Vec<f64> {
    let weights: Vec<f64> = (1..=count).map(|rank| (rank as f64).powf(-exponent)).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

/// How much more than the mean the fullest of `places` has, if each share goes whole to a place drawn by its hash. Shares above
/// `split` of a place's fair part are spread evenly over all of them, as ranges within a workspace are.
fn fullest(shares: &[f64], places: usize, split: Option<f64>, draw: &mut StdRng) -> f64 {
    let fair = 1.0 / places as f64;
    let mut load = vec![0.0; places];
    let mut even = 0.0;
    for share in shares {
        if split.is_some_and(|split| *share > split * fair) {
            even += share * fair;
        } else {
            load[draw.random_range(0..places)] += share;
        }
    }
    load.into_iter().fold(0.0, f64::max) / fair + even / fair
}

/// Middle and worst of what was drawn again and again.
fn trials(mut one: impl FnMut(&mut StdRng) -> f64) -> (f64, f64) {
    let mut all: Vec<f64> = (0..TRIALS).map(|seed| one(&mut StdRng::seed_from_u64(seed))).collect();
    all.sort_by(f64::total_cmp);
    (all[all.len() / 2], all.last().copied().unwrap_or_default())
}

/// How queues fill: events of each second go to the queue of their workspace, and each queue has one consumer.
struct Queues {
    /// How many.
    count: usize,
    /// Imports that begin in an hour, each in a workspace drawn by its share.
    imports_an_hour: f64,
    /// Whether rows of imports wait in a queue of their own instead of in front of what people do.
    apart: bool,
}

impl Queues {
    /// How long an event of a person waits, in seconds: the 99th percentile over all of them, and the longest.
    fn wait(&self, shares: &[f64], draw: &mut StdRng) -> (f64, f64) {
        let home: Vec<usize> = shares.iter().map(|_| draw.random_range(0..self.count)).collect();
        let mut steady = vec![0.0; self.count];
        for (share, home) in shares.iter().zip(&home) {
            steady[*home] += share * EVENTS;
        }
        let mut importing: Vec<(usize, usize)> = Vec::new();
        let (mut people, mut files) = (vec![0.0; self.count], vec![0.0; self.count]);
        let mut waits: Vec<(f64, f64)> = Vec::with_capacity(TIME * self.count);
        for second in 0..TIME {
            importing.retain(|(_, end)| *end > second);
            if draw.random::<f64>() < self.imports_an_hour / 3_600.0 {
                importing.push((home[draw_of(shares, draw)], second + IMPORT));
            }
            for (queue, _) in &importing {
                files[*queue] += IMPORTED;
            }
            for queue in 0..self.count {
                people[queue] += steady[queue];
                let ahead = if self.apart { people[queue] } else { people[queue] + files[queue] };
                waits.push((ahead / HANDLED, steady[queue]));
                // People first, if their events are apart; in proportion, if they are mixed.
                let all = people[queue] + files[queue];
                let handled = HANDLED.min(all);
                let of_people = if self.apart {
                    handled.min(people[queue])
                } else if all > 0.0 {
                    handled * people[queue] / all
                } else {
                    0.0
                };
                people[queue] -= of_people;
                files[queue] -= handled - of_people;
            }
        }
        waits.sort_by(|one, other| one.0.total_cmp(&other.0));
        let all: f64 = waits.iter().map(|(_, events)| events).sum();
        let mut seen = 0.0;
        let p99 = waits.iter().find(|(_, events)| {
            seen += events;
            seen >= all * 0.99
        });
        (p99.map_or(0.0, |(wait, _)| *wait), waits.last().map_or(0.0, |(wait, _)| *wait))
    }
}

/// A workspace, drawn by its share.
fn draw_of(shares: &[f64], draw: &mut StdRng) -> usize {
    let mut left: f64 = draw.random();
    for (at, share) in shares.iter().enumerate() {
        left -= share;
        if left <= 0.0 {
            return at;
        }
    }
    shares.len() - 1
}

fn main() {
    println!(
        "## Shards: how much fuller than the mean the fullest is ({WORKSPACES} workspaces, middle / worst of {TRIALS})\n"
    );
    println!(
        "| skew s | largest workspace | shards | hashed workspace | those above half a shard split | above a tenth split |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for exponent in [0.0, 0.8, 1.0, 1.1] {
        let shares = zipf(WORKSPACES, exponent);
        for shards in [4, 8, 16, 32, 64] {
            let told = [None, Some(0.5), Some(0.1)].map(|split| {
                let (middle, worst) = trials(|draw| fullest(&shares, shards, split, draw));
                format!("{middle:.2} / {worst:.2}")
            });
            println!(
                "| {exponent} | {:.2} % | {shards} | {} |",
                shares.first().copied().unwrap_or_default() * 100.0,
                told.join(" | ")
            );
        }
    }
    println!(
        "\n## Queues: how long an event of a person waits, in seconds (99th percentile / longest, middle of 5)\n"
    );
    println!(
        "{EVENTS} events a second in all, {HANDLED} handled by a consumer, imports of {IMPORT} s at {IMPORTED} rows a second.\n"
    );
    println!("| queues | imports an hour | in one line | rows of imports apart |");
    println!("| --- | --- | --- | --- |");
    let shares = zipf(WORKSPACES, 1.0);
    for count in [2, 4, 8, 16] {
        for imports_an_hour in [0.0, 10.0, 60.0] {
            let told = [false, true].map(|apart| {
                let queues = Queues { count, imports_an_hour, apart };
                let mut waits: Vec<(f64, f64)> =
                    (0..5).map(|seed| queues.wait(&shares, &mut StdRng::seed_from_u64(seed))).collect();
                waits.sort_by(|one, other| one.0.total_cmp(&other.0));
                let (p99, longest) = waits[waits.len() / 2];
                format!("{p99:.1} / {longest:.0}")
            });
            println!("| {count} | {imports_an_hour} | {} |", told.join(" | "));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_sum_up_to_all_and_the_first_is_the_largest() {
        for exponent in [0.0, 0.7, 1.0, 1.3] {
            let shares = zipf(1_000, exponent);
            assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            assert!(shares.is_sorted_by(|one, other| one >= other));
        }
    }

    #[test]
    fn many_equal_workspaces_load_shards_evenly() {
        let (_, worst) = trials(|draw| fullest(&zipf(WORKSPACES, 0.0), 8, None, draw));
        assert!(worst < 1.05, "{worst}");
    }

    #[test]
    fn a_workspace_larger_than_a_shard_is_carried_only_if_it_is_split() {
        let shares = [0.5, 0.1, 0.1, 0.1, 0.1, 0.1];
        let (whole, _) = trials(|draw| fullest(&shares, 8, None, draw));
        let (split, _) = trials(|draw| fullest(&shares, 8, Some(0.9), draw));
        assert!(whole >= 4.0 && split < 2.5, "{whole} and {split}");
    }

    #[test]
    fn a_queue_that_carries_its_events_lets_nobody_wait_and_an_import_in_front_does() {
        let shares = zipf(1_000, 0.5);
        let draw = || StdRng::seed_from_u64(1);
        let quiet = Queues { count: 4, imports_an_hour: 0.0, apart: false };
        assert!(quiet.wait(&shares, &mut draw()).0 < 1.0);
        let busy = Queues { imports_an_hour: 120.0, ..quiet };
        let apart = Queues { count: 4, imports_an_hour: 120.0, apart: true };
        assert!(busy.wait(&shares, &mut draw()).0 > 5.0);
        assert!(apart.wait(&shares, &mut draw()).0 < 1.0);
    }
}
