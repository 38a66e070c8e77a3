//! Somebody as a text of a cell: by name, or, where a name does not tell who it is, as `Una <una@example.com>`.

/// What an export writes of somebody who has no name here any more; nobody is called so.
pub const NOBODY: [&str; 3] = ["Former member", "Deleted user", "Unknown"];

/// Whether a text of a cell says that it was somebody who has no name any more.
pub fn is_nobody(text: &str) -> bool {
    NOBODY.iter().any(|nobody| nobody.eq_ignore_ascii_case(text.trim()))
}

/// Whether a name, standing alone, can't be taken for an address, for [`NOBODY`], or for a name with its [`key`](write_person).
pub fn stands_alone(name: &str) -> bool {
    !name.contains(['<', '>', '@']) && !is_nobody(name)
}

/// A name; with what tells this person from others of that name, an address or an id, behind it.
pub fn write_person(name: &str, key: Option<&str>) -> String {
    match key {
        Some(key) => format!("{name} <{key}>"),
        None => name.to_owned(),
    }
}

/// A name and the key behind it, if there is one.
pub fn read_person(text: &str) -> (&str, Option<&str>) {
    let text = text.trim();
    let keyed = text.strip_suffix('>').and_then(|text| text.rsplit_once('<'));
    match keyed {
        Some((name, key)) if !key.trim().is_empty() => (name.trim_end(), Some(key.trim())),
        _ => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_that_could_be_something_else_does_not_stand_alone() {
        for name in ["Una", "O'Neil: Jr.", "李雷"] {
            assert!(stands_alone(name), "{name}");
        }
        for name in ["ben@x.test", "Ben <ben@x.test>", "former MEMBER", "Deleted user"] {
            assert!(!stands_alone(name), "{name}");
        }
        assert_eq!(read_person("<una@x.test>"), ("", Some("una@x.test")));
        assert_eq!(read_person("Una <>"), ("Una <>", None));
    }

    proptest! {
        #[test]
        fn a_person_comes_back(name in "[a<>@ é]{1,8}|\\PC{1,8}", key in "[a-z0-9-]{1,9}(@[a-z.]{1,9})?") {
            let name = name.trim();
            let told = write_person(name, Some(&key));
            prop_assert_eq!(read_person(&told), (name, Some(key.as_str())));
            if stands_alone(name) {
                let told = write_person(name, None);
                prop_assert_eq!(read_person(&told), (name, None));
            }
        }
    }
}
