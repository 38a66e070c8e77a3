//! Numbers and changes in plain words.

use crate::csv::tenths_as_decimal;

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(count: impl Into<u128>) -> String {
    let digits = count.into().to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// As short as an axis needs it: `950`, `12k`, `3.4M`, `2bn`.
pub(crate) fn compact(count: u64) -> String {
    const UNITS: [(u64, &str); 4] =
        [(1_000_000_000_000, "tn"), (1_000_000_000, "bn"), (1_000_000, "M"), (1_000, "k")];
    if count < 10_000 {
        return grouped(count);
    }
    match UNITS.into_iter().find(|(unit, _)| count >= *unit) {
        Some((unit, name)) => {
            let tenths = count / (unit / 10);
            let rest = if tenths.is_multiple_of(10) { String::new() } else { format!(".{}", tenths % 10) };
            format!("{}{rest}{name}", grouped(tenths / 10))
        }
        None => grouped(count),
    }
}

/// In full, unless that is longer than `most` characters.
pub(crate) fn within(count: u64, most: usize) -> String {
    let full = grouped(count);
    if full.len() > most { compact(count) } else { full }
}

/// `1 lead`, `2 leads`.
pub(crate) fn leads(count: u64) -> String {
    if count == 1 { "1 lead".to_owned() } else { format!("{} leads", grouped(count)) }
}

/// Tenths of a per cent: `18.3 %`.
pub(crate) fn percent(tenths: u64) -> String {
    format!("{}.{} %", grouped(tenths / 10), tenths % 10)
}

/// Tenths of a per cent without needless digits: `18 %`, `0.4 %`.
pub(crate) fn about(tenths: u64) -> String {
    if tenths < 10 && tenths > 0 {
        percent(tenths)
    } else {
        format!("{} %", grouped((u128::from(tenths) + 5) / 10))
    }
}

/// Which way a figure went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Up,
    Down,
    Same,
}

pub(crate) fn way(now: u64, before: u64) -> Way {
    match now.cmp(&before) {
        std::cmp::Ordering::Greater => Way::Up,
        std::cmp::Ordering::Less => Way::Down,
        std::cmp::Ordering::Equal => Way::Same,
    }
}

/// The relative change, signed: `+18 %`, `–4 %`, `under 1 %`; `None`: from nothing,
/// or so large that it says nothing.
pub(crate) fn relative(now: u64, before: u64) -> Option<String> {
    if before == 0 {
        return None;
    }
    let (difference, whole) = (u128::from(now.abs_diff(before)), u128::from(before));
    let rounded = (difference * 200 + whole) / (2 * whole);
    if rounded > 9_999 {
        return None;
    }
    Some(match (rounded, now >= before) {
        (0, _) => "under 1 %".to_owned(),
        (rounded, true) => format!("+{} %", grouped(rounded)),
        (rounded, false) => format!("–{} %", grouped(rounded)),
    })
}

/// A count against that of a month: `12 more than in September (+18 %)`.
pub(crate) fn change(now: u64, before: u64, month: &str) -> String {
    let difference = grouped(now.abs_diff(before));
    match (way(now, before), relative(now, before)) {
        (Way::Same, _) => format!("the same as in {month}"),
        (Way::Up, None) => format!("{difference} more than in {month}"),
        (Way::Up, Some(relative)) => format!("{difference} more than in {month} ({relative})"),
        (Way::Down, relative) => {
            let relative = relative.unwrap_or_default();
            format!("{difference} fewer than in {month} ({relative})")
        }
    }
}

/// The difference of two rates in tenths of a per cent: `2.1 points more`.
pub(crate) fn points(now: u64, before: u64) -> String {
    let difference = tenths_as_decimal(now.abs_diff(before).into());
    let unit = if difference == "1.0" { "point" } else { "points" };
    match way(now, before) {
        Way::Same => "the same".to_owned(),
        Way::Up => format!("{difference} {unit} more"),
        Way::Down => format!("{difference} {unit} less"),
    }
}

/// A rate against that of a month: `2.1 points above September's 20.4 %`.
pub(crate) fn rate_change(now: Option<u64>, before: Option<u64>, month: &str) -> String {
    let (Some(now), Some(before)) = (now, before) else {
        return match (now, before) {
            (None, Some(before)) => format!("nothing was created; {month} had {}", percent(before)),
            (Some(_), _) => format!("none in {month}: nothing was created"),
            (None, None) => "nothing was created".to_owned(),
        };
    };
    let difference = tenths_as_decimal(now.abs_diff(before).into());
    let unit = if difference == "1.0" { "point" } else { "points" };
    match way(now, before) {
        Way::Same => format!("the same as in {month}"),
        Way::Up => format!("{difference} {unit} above {month}'s {}", percent(before)),
        Way::Down => format!("{difference} {unit} below {month}'s {}", percent(before)),
    }
}

/// Tenths of an hour as a person says it: `40 min`, `3.5 h`, `12 days`.
pub(crate) fn duration(tenths_of_hours: u64) -> String {
    match tenths_of_hours {
        0..10 => format!("{} min", tenths_of_hours * 6),
        10..480 => format!("{} h", tenths_as_decimal(tenths_of_hours.into())),
        _ => format!("{} days", tenths_as_decimal((u128::from(tenths_of_hours) * 10 / 240) as i128)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_said_in_plain_words() {
        assert_eq!(change(78, 66, "September"), "12 more than in September (+18 %)");
        assert_eq!(change(66, 78, "September"), "12 fewer than in September (–15 %)");
        assert_eq!(change(5, 5, "September"), "the same as in September");
        assert_eq!(change(5, 0, "September"), "5 more than in September");
        assert_eq!(change(0, 1234, "May"), "1,234 fewer than in May (–100 %)");
        assert_eq!(change(100_001, 100_000, "May"), "1 more than in May (under 1 %)");
        assert_eq!(change(u64::MAX, 1, "May").matches("18,446,744,073,709,551,614").count(), 1);
    }

    #[test]
    fn rates_differ_by_points() {
        assert_eq!(rate_change(Some(225), Some(204), "September"), "2.1 points above September's 20.4 %");
        assert_eq!(rate_change(Some(194), Some(204), "May"), "1.0 point below May's 20.4 %");
        assert_eq!(rate_change(None, None, "May"), "nothing was created");
    }

    #[test]
    fn numbers_are_grouped_and_shortened() {
        assert_eq!(grouped(0u64), "0");
        assert_eq!(grouped(1234u64), "1,234");
        assert_eq!(grouped(123_456u64), "123,456");
        assert_eq!(compact(9_999), "9,999");
        assert_eq!(compact(12_000), "12k");
        assert_eq!(compact(3_450_000), "3.4M");
        assert_eq!(compact(u64::MAX), "18,446,744tn");
        assert_eq!(duration(4), "24 min");
        assert_eq!(duration(35), "3.5 h");
        assert_eq!(duration(480), "2.0 days");
    }
}
