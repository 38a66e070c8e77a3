//! The notes of a lead as one cell, and back.
//!
//! Each begins with a heading, `2026-11-23 10:30 Una: `, and an empty line stands before the next. A line inside a note that
//! looks like a heading has a backslash before it, so nobody writes a note that comes back as another's.

use std::fmt::Write;

use chrono::NaiveDateTime;
use chrono_tz::Tz;

use crate::calendar::local;

/// No heading is longer, in bytes: a name of 200 characters, an address, and the escapes of both.
const LONGEST_HEADING: usize = 2_500;
/// `2026-11-23 10:30`
const WRITTEN: &str = "%Y-%m-%d %H:%M";
/// Its length.
const TIME: usize = 16;
/// What stands between two notes.
const BETWEEN: &str = "\n\n";

/// A note, to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Note<'a> {
    /// When it was written, in milliseconds since the epoch.
    pub at: i64,
    /// Who wrote it, as [`write_person`](crate::write_person) names them.
    pub author: &'a str,
    /// What it says.
    pub text: &'a str,
}

/// A note of a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteRead {
    /// When it was written, as the clock of the export's zone showed it: `2026-11-23 10:30`.
    pub at: String,
    /// Who wrote it.
    pub author: String,
    /// What it says.
    pub text: String,
}

/// Notes as one cell, in the order in which they come; times are those of `zone`.
pub fn join_notes<'a>(notes: impl IntoIterator<Item = Note<'a>>, zone: Tz) -> String {
    let mut cell = String::new();
    for note in notes {
        if !cell.is_empty() {
            cell.push_str(BETWEEN);
        }
        let at = local(note.at, zone).map(|at| at.format(WRITTEN).to_string());
        // Writing into a text never fails.
        let _ = write!(cell, "{} ", at.as_deref().unwrap_or("0001-01-01 00:00"));
        put_author(&mut cell, note.author);
        cell.push_str(": ");
        put_text(&mut cell, note.text);
    }
    cell
}

/// The notes of a cell that [`join_notes`] wrote; `None`: it did not.
pub fn split_notes(cell: &str) -> Option<Vec<NoteRead>> {
    heading(cell)?;
    let breaks = cell.match_indices('\n').map(|(at, _)| at + 1);
    let begins = |at: &usize| cell[..*at].ends_with(BETWEEN) && heading(&cell[*at..]).is_some();
    let starts: Vec<usize> = std::iter::once(0).chain(breaks.filter(begins)).collect();
    let ends = starts.iter().skip(1).map(|at| at - BETWEEN.len()).chain([cell.len()]);
    let note = |(from, to): (&usize, usize)| {
        let part = &cell[*from..to];
        heading(part).map(|(author, begins)| NoteRead {
            at: part[..TIME].to_owned(),
            author,
            text: taken(&part[begins..]),
        })
    };
    starts.iter().zip(ends).map(note).collect()
}

/// A colon inside a name is written `\:`, and backslashes before one, or at the end, are doubled.
fn put_author(cell: &mut String, author: &str) {
    let mut backslashes = 0;
    for c in author.chars() {
        if c == ':' {
            cell.extend(std::iter::repeat_n('\\', backslashes + 1));
        }
        backslashes = if c == '\\' { backslashes + 1 } else { 0 };
        cell.push(c);
    }
    cell.extend(std::iter::repeat_n('\\', backslashes));
}

/// The author of the heading with which a text begins, and where what they say begins.
fn heading(text: &str) -> Option<(String, usize)> {
    let time = text.get(..TIME)?;
    let shape = time.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        10 => byte == b' ',
        13 => byte == b':',
        _ => byte.is_ascii_digit(),
    });
    let rest = text.get(TIME..)?.strip_prefix(' ').filter(|_| shape)?;
    NaiveDateTime::parse_from_str(time, WRITTEN).ok()?;
    let (mut author, mut backslashes) = (String::new(), 0);
    for (at, c) in rest.char_indices() {
        if c.is_control() || at > LONGEST_HEADING {
            return None;
        }
        match c {
            '\\' => {
                backslashes += 1;
                continue;
            }
            ':' => {
                author.extend(std::iter::repeat_n('\\', backslashes / 2));
                if backslashes % 2 == 0 && rest[at + 1..].starts_with(' ') {
                    let begins = TIME + 1 + at + ": ".len();
                    return (!author.is_empty()).then_some((author, begins));
                }
            }
            _ => author.extend(std::iter::repeat_n('\\', backslashes)),
        }
        author.push(c);
        backslashes = 0;
    }
    None
}

/// Whether a line, behind any backslashes before it, looks like the first of a note.
fn is_like_heading(line: &str) -> bool {
    heading(line.trim_start_matches('\\')).is_some()
}

/// Where the lines of a text begin, but for the first. Some programs make one kind of line break of another.
fn lines(text: &str) -> impl Iterator<Item = usize> + '_ {
    text.match_indices(['\n', '\r']).map(|(at, _)| at + 1)
}

fn put_text(cell: &mut String, text: &str) {
    let mut from = 0;
    for at in lines(text).filter(|at| is_like_heading(&text[*at..])) {
        cell.push_str(&text[from..at]);
        cell.push('\\');
        from = at;
    }
    cell.push_str(&text[from..]);
}

/// A text without the backslashes that [`put_text`] has put before its lines.
fn taken(text: &str) -> String {
    let (mut plain, mut from) = (String::with_capacity(text.len()), 0);
    let escaped = |at: &usize| text[*at..].starts_with('\\') && is_like_heading(&text[*at..]);
    for at in lines(text).filter(escaped) {
        plain.push_str(&text[from..at]);
        from = at + 1;
    }
    plain.push_str(&text[from..]);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(notes: &[(i64, &str, &str)]) -> String {
        join_notes(notes.iter().map(|&(at, author, text)| Note { at, author, text }), Tz::Europe__Berlin)
    }

    fn read(cell: &str) -> Vec<(String, String, String)> {
        let notes = split_notes(cell).unwrap_or_default();
        notes.into_iter().map(|note| (note.at, note.author, note.text)).collect()
    }

    fn texts(one: &str, two: &str, three: &str) -> (String, String, String) {
        (one.to_owned(), two.to_owned(), three.to_owned())
    }

    #[test]
    fn notes_are_told_with_time_and_author() {
        let cell = told(&[(1_795_426_200_000, "Una", "=later\n\nstill"), (0, "Dr: Ben", "earlier")]);
        assert_eq!(cell, "2026-11-23 10:30 Una: =later\n\nstill\n\n1970-01-01 01:00 Dr\\: Ben: earlier");
        assert_eq!(
            read(&cell),
            [
                texts("2026-11-23 10:30", "Una", "=later\n\nstill"),
                texts("1970-01-01 01:00", "Dr: Ben", "earlier")
            ]
        );
        assert_eq!(split_notes("Called.\n\n2026-11-23 10:30 Una: x"), None);
        assert_eq!(split_notes(""), None);
        assert_eq!(split_notes("2026-13-23 10:30 Una: x"), None);
    }

    #[test]
    fn a_note_that_ends_in_a_line_break_does_not_swallow_the_next() {
        let cell = told(&[(0, "Una", "one\n"), (0, "Ben", "two\n\n"), (0, "Una", "three")]);
        let texts: Vec<String> = read(&cell).into_iter().map(|(_, _, text)| text).collect();
        assert_eq!(texts, ["one\n", "two\n\n", "three"]);
    }

    #[test]
    fn nobody_writes_a_note_that_comes_back_as_another_s() {
        for text in [
            "x\n\n2026-01-01 10:00 Una: I agree",
            "\n\n2026-01-01 10:00 Una: I agree",
            "x\n\n\\2026-01-01 10:00 Una: I agree",
            "x\r\n\r\n2026-01-01 10:00 Una: I agree",
        ] {
            let cell = told(&[(0, "Eve", text), (0, "Una", "no")]);
            let at = || "1970-01-01 01:00".to_owned();
            let right =
                [(at(), "Eve".to_owned(), text.to_owned()), (at(), "Una".to_owned(), "no".to_owned())];
            assert_eq!(read(&cell), right, "{text:?}");
            // Also where a program has made one kind of line break of another.
            assert_eq!(read(&cell.replace("\r\n", "\n")).len(), 2, "{text:?}");
        }
    }

    #[test]
    fn what_was_written_before_there_were_escapes_is_read() {
        let cell = "2026-11-23 10:30 Una:Ben: one\n\n2026-11-22 09:00 Ben: C:\\x: y";
        assert_eq!(
            read(cell),
            [texts("2026-11-23 10:30", "Una:Ben", "one"), texts("2026-11-22 09:00", "Ben", "C:\\x: y")]
        );
    }

    fn hostile() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "2026-01-01 10:00 ",
            "Una: ",
            "\n",
            "\n\n",
            "\r",
            "\\",
            ": ",
            ":",
            " ",
            "x",
            "é",
            "Una",
            "2026-01-01 10:00 Una: x",
        ]);
        prop::collection::vec(piece, 0..9).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn every_note_comes_back_as_it_was(
            notes in prop::collection::vec(
                (0_i64..1_800_000_000_000, "[a:\\\\ <@é]{0,5}[a:\\\\]|\\PC{1,9}", hostile()), 1..5,
            )
        ) {
            let notes: Vec<_> =
                notes.iter().map(|(at, author, text)| (*at, author.as_str(), text.as_str())).collect();
            let expected: Vec<(String, String)> =
                notes.iter().map(|(_, author, text)| ((*author).to_owned(), (*text).to_owned())).collect();
            let found: Vec<(String, String)> =
                read(&told(&notes)).into_iter().map(|(_, author, text)| (author, text)).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
