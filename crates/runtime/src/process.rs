//! What the process itself uses, under the names that Prometheus' own client libraries have for it: read from `/proc` whenever
//! the metrics are asked for. Elsewhere than on Linux there is none of it.

use std::fs;

/// The kernel tells times in hundredths of a second, whatever its own clock is (`USER_HZ`).
const TICKS_A_SECOND: u64 = 100;

/// Reads it anew.
#[allow(clippy::cast_precision_loss, reason = "gauges")]
pub(crate) fn measure() {
    if let Some(ticks) = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(ticks) {
        metrics::counter!("process_cpu_seconds_total").absolute(ticks / TICKS_A_SECOND);
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(kibibytes) = number_behind(&status, "VmRSS:") {
        metrics::gauge!("process_resident_memory_bytes").set((kibibytes * 1024) as f64);
    }
    if let Some(threads) = number_behind(&status, "Threads:") {
        metrics::gauge!("process_threads").set(threads as f64);
    }
    if let Ok(files) = fs::read_dir("/proc/self/fd") {
        // One of them is the folder that is being read.
        metrics::gauge!("process_open_fds").set(files.count().saturating_sub(1) as f64);
    }
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    if let Some(most) = number_behind(&limits, "Max open files") {
        metrics::gauge!("process_max_fds").set(most as f64);
    }
}

/// The time that all threads have had, user's and system's: the 14th and 15th field. The second is the program's name in
/// brackets, which may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let (_, behind) = stat.rsplit_once(')')?;
    let mut fields = behind.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(user + system)
}

/// The number that follows a word at the beginning of a line.
fn number_behind(text: &str, word: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(word))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_blanks_moves_no_field() {
        let stat = "42 (a ) b) S 1 42 42 0 -1 4194560 100 0 0 0 250 70 0 0 20 0 8 0 100 1000 200";
        assert_eq!(ticks(stat), Some(320));
        assert_eq!(ticks("42 (leadline) S 1"), None);
    }

    #[test]
    fn a_number_is_found_behind_its_word_only() {
        let status = "Name:\tThreads: 9\nVmRSS:\t   20480 kB\nThreads:\t12\n";
        assert_eq!(number_behind(status, "Threads:"), Some(12));
        assert_eq!(number_behind(status, "VmRSS:"), Some(20_480));
        assert_eq!(
            number_behind("Max open files            unlimited            unlimited", "Max open files"),
            None
        );
        assert_eq!(
            number_behind("Max open files            1024                 4096", "Max open files"),
            Some(1024)
        );
    }
}
