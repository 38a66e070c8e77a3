//! Cells that a spreadsheet would run as formulas, made harmless; and back.

/// What makes a spreadsheet take a cell for a formula when the cell begins with it. The wide forms are there because
/// spreadsheets set up for Chinese, Japanese or Korean read them as the narrow ones.
const TRIGGERS: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// Whether `text` is a trigger behind no, one or many apostrophes.
fn armed(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(TRIGGERS)
}

/// `text` with an apostrophe before it if a spreadsheet could take it for a formula, or if it looks as if this had been
/// done to it already: so [`undefuse`] gives back every text exactly, also one that begins with an apostrophe.
pub fn defuse(text: &str) -> String {
    if armed(text) { format!("'{text}") } else { text.to_owned() }
}

/// As [`defuse`], but a phone number of digits, spaces and `()-.`, with a `+` before it or none, stays as typed: it can do no
/// harm.
pub fn defuse_phone(text: &str) -> String {
    let number = text.strip_prefix('+').unwrap_or(text);
    let plain = number.chars().all(|c| c.is_ascii_digit() || matches!(c, ' ' | '(' | ')' | '-' | '.'));
    if plain { text.to_owned() } else { defuse(text) }
}

/// Takes off the apostrophe that [`defuse`] or [`defuse_phone`] put before `text`, and no other: `'Tis` stays `'Tis`.
pub fn undefuse(text: &str) -> &str {
    match text.strip_prefix('\'') {
        Some(rest) if armed(rest) => rest,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_could_be_a_formula_is_defused() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠a"] {
            assert_eq!(defuse(text), format!("'{text}"));
        }
        for text in ["", "Ann", "'Tis", "1=1", "O'Neil", "a@b.example", "'"] {
            assert_eq!(defuse(text), text);
        }
    }

    #[test]
    fn a_phone_stays_as_typed_and_a_formula_in_its_column_does_not() {
        assert_eq!(defuse_phone("+44 20 7946 0958"), "+44 20 7946 0958");
        assert_eq!(defuse_phone("(020) 7946-0958"), "(020) 7946-0958");
        assert_eq!(defuse_phone("+1;DDE"), "'+1;DDE");
        assert_eq!(defuse_phone("+1+1"), "'+1+1");
        assert_eq!(defuse_phone("1+1"), "1+1");
        assert_eq!(defuse_phone("=1+1"), "'=1+1");
    }

    #[test]
    fn a_foreign_apostrophe_is_left_alone() {
        assert_eq!(undefuse("'Tis"), "'Tis");
        assert_eq!(undefuse("'=1+1"), "=1+1");
        assert_eq!(undefuse("''=1+1"), "'=1+1");
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text in "['=+@\\-\t\r\n＝＋－＠a0 ]{0,6}|\\PC{0,12}") {
            let (any, phone) = (defuse(&text), defuse_phone(&text));
            prop_assert_eq!(undefuse(&any), &text);
            prop_assert_eq!(undefuse(&phone), &text);
            // A cell that comes in is made harmless once, however it came.
            let harmless = defuse_phone(undefuse(&any));
            prop_assert_eq!(undefuse(&harmless), &text);
        }

        #[test]
        fn nothing_defused_begins_like_a_formula(text in "['=+@\\-\t\r\n＝＋－＠a]{0,6}|\\PC{0,12}") {
            prop_assert!(!defuse(&text).starts_with(TRIGGERS));
        }
    }
}
