//! Cells as an export writes them, read back.

/// What makes a spreadsheet take a cell for a formula: an export puts an apostrophe before it.
const TRIGGERS: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

fn is_armed(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(TRIGGERS)
}

/// Takes off the apostrophe that an export put before a cell, and no other: `'Tis` stays `'Tis`.
#[must_use]
pub fn undefuse(text: &str) -> &str {
    match text.strip_prefix('\'') {
        Some(rest) if is_armed(rest) => rest,
        _ => text,
    }
}

/// Makes a cell harmless for spreadsheets, once: [`undefuse`] gives the same for it as for what came in. What looks like a phone
/// number stays as it is.
#[must_use]
pub fn defuse_once(text: &str) -> String {
    let plain = undefuse(text);
    let is_phone =
        plain.chars().all(|c| c.is_ascii_digit() || matches!(c, ' ' | '(' | ')' | '-' | '.' | '+'));
    if is_armed(plain) && !is_phone { format!("'{plain}") } else { plain.to_owned() }
}

/// The tags of a cell: separated by `;`, trimmed, none empty. `\;` is a semicolon inside a tag, and backslashes before a
/// semicolon are doubled, as an export writes them.
#[must_use]
pub fn split_tags(cell: &str) -> Vec<String> {
    let (mut tags, mut tag, mut backslashes) = (Vec::new(), String::new(), 0);
    for c in cell.chars() {
        match c {
            '\\' => {
                backslashes += 1;
                continue;
            }
            ';' => {
                tag.extend(std::iter::repeat_n('\\', backslashes / 2));
                if backslashes % 2 == 1 {
                    tag.push(';');
                } else {
                    tags.push(std::mem::take(&mut tag));
                }
            }
            other => {
                tag.extend(std::iter::repeat_n('\\', backslashes));
                tag.push(other);
            }
        }
        backslashes = 0;
    }
    tag.extend(std::iter::repeat_n('\\', backslashes));
    tags.push(tag);
    tags.iter().map(|tag| tag.trim()).filter(|tag| !tag.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As an export writes a cell.
    fn defuse(text: &str) -> String {
        if is_armed(text) { format!("'{text}") } else { text.to_owned() }
    }

    /// As an export writes tags.
    fn join_tags(tags: &[String]) -> String {
        let mut out = String::new();
        for (i, tag) in tags.iter().enumerate() {
            let mut backslashes = 0;
            for c in tag.chars() {
                if c == ';' {
                    out.extend(std::iter::repeat_n('\\', backslashes + 1));
                }
                backslashes = if c == '\\' { backslashes + 1 } else { 0 };
                out.push(c);
            }
            if i + 1 < tags.len() {
                out.extend(std::iter::repeat_n('\\', backslashes));
                out.push_str("; ");
            }
        }
        out
    }

    #[test]
    fn a_foreign_apostrophe_is_left_alone() {
        assert_eq!(undefuse("'Tis"), "'Tis");
        assert_eq!(undefuse("'=1+1"), "=1+1");
        assert_eq!(undefuse("''=1+1"), "'=1+1");
        assert_eq!(split_tags("vip;  hot ;; "), ["vip", "hot"]);
        assert_eq!(defuse_once("+44 20 7946 0958"), "+44 20 7946 0958");
        assert_eq!(defuse_once("=1+1"), "'=1+1");
        assert_eq!(defuse_once("'=1+1"), "'=1+1");
    }

    proptest! {
        #[test]
        fn every_cell_of_an_export_comes_back(text in "['=+@\\-\t\r\n＝＋－＠a0 ]{0,6}|\\PC{0,12}") {
            let cell = defuse(&text);
            prop_assert_eq!(undefuse(&cell), &text);
            let (harmless, again) = (defuse_once(&text), defuse_once(&cell));
            prop_assert_eq!(undefuse(&harmless), undefuse(&text));
            prop_assert_eq!(undefuse(&again), &text);
        }

        #[test]
        fn tags_of_an_export_come_back(tags in prop::collection::vec(r"[a;\\ é]{1,6}|\PC{1,8}", 0..6)) {
            let tags: Vec<String> =
                tags.iter().map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty()).collect();
            prop_assert_eq!(split_tags(&join_tags(&tags)), tags);
        }
    }
}
