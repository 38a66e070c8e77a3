//! A lead as a row, and its tags as one cell.

/// The columns of every export of leads, in order.
pub const COLUMNS: [&str; 14] = [
    "Id",
    "Name",
    "Email",
    "Phone",
    "Company",
    "Source",
    "Status",
    "Tags",
    "Owner",
    "Created at",
    "Updated at",
    "Status changed at",
    "Next follow-up",
    "Notes",
];

/// A lead, as its row in an export. What is not set is empty; times are milliseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lead<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its address, or empty.
    pub email: &'a str,
    /// Its phone as typed, or empty.
    pub phone: &'a str,
    /// Its company, or empty.
    pub company: &'a str,
    /// The source's word.
    pub source: &'a str,
    /// The stage's word.
    pub status: &'a str,
    /// Its tags, in order.
    pub tags: &'a [String],
    /// The owner's name, or empty.
    pub owner: &'a str,
    /// When it was created.
    pub created_at: i64,
    /// When it was last changed.
    pub updated_at: i64,
    /// When it entered its stage.
    pub status_changed_at: i64,
    /// When its next open reminder is due.
    pub next_follow_up: Option<i64>,
    /// Its notes as one text.
    pub notes: &'a str,
}

/// Tags as one cell: joined by `; `. A `;` inside a tag is written `\;`, and backslashes that stand before a `;` are
/// doubled, so [`split_tags`] gives back the same tags; all other tags are written as they are.
pub fn join_tags<S: AsRef<str>>(tags: &[S]) -> String {
    let mut out = String::new();
    for (i, tag) in tags.iter().enumerate() {
        let mut backslashes = 0;
        for c in tag.as_ref().chars() {
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

/// The tags of a cell that [`join_tags`] wrote, or a person: separated by `;`, trimmed, none empty.
pub fn split_tags(cell: &str) -> Vec<String> {
    let mut tags = Vec::new();
    let mut tag = String::new();
    let mut backslashes = 0;
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
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tags_are_joined_by_a_semicolon_and_a_space() {
        assert_eq!(join_tags(&["a", "b c", r"C:\x"]), r"a; b c; C:\x");
        assert_eq!(join_tags(&["a;b"]), r"a\;b");
        assert_eq!(split_tags("vip;  hot ;; "), ["vip", "hot"]);
        assert!(split_tags("").is_empty());
    }

    proptest! {
        #[test]
        fn tags_come_back(tags in prop::collection::vec(r"[a;\\ é]{1,6}|\PC{1,8}", 0..6)) {
            let tags: Vec<String> =
                tags.iter().map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty()).collect();
            prop_assert_eq!(split_tags(&join_tags(&tags)), tags);
        }
    }
}
