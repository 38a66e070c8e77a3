//! Whom a file may name, and how: by name, by address, or by both as an export writes it where a name does not tell who it is.

use std::collections::HashMap;

use leadline_documents::{is_nobody, read_person};
use leadline_runtime::ids::UserId;

use crate::{likeness::address, search::normalise};

/// Somebody whom a file may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// A member: may own leads.
    Member(UserId),
    /// Was a member: wrote notes.
    Former(UserId),
    /// Several members are called so.
    Several,
}

/// The people of the workspace as a file may name them. Its keys: a name without regard to case and accents, and, behind a sign
/// that tells which, a name as it is, an address, an id, and the name of somebody who was a member.
pub type People = HashMap<String, Named>;

/// A name as it is: `Zoe` is not `Zoë`.
fn exact(name: &str) -> String {
    format!("={}", name.trim())
}

fn at(email: &str) -> String {
    format!("@{}", address(email))
}

fn former(name: &str) -> String {
    format!("~{}", name.trim())
}

fn id(text: &str) -> String {
    format!("#{}", text.to_ascii_lowercase())
}

/// A name is the one member's who has it, and nobody's if two have it; former members count only where no member has it.
fn put(people: &mut People, key: String, user: UserId, member: bool) {
    let named = match (people.get(&key).copied(), member) {
        (Some(Named::Member(known)), true) if known == user => Named::Member(user),
        (Some(Named::Member(_) | Named::Several), true) => Named::Several,
        (Some(known), false) => known,
        (_, true) => Named::Member(user),
        (None, false) => Named::Former(user),
    };
    people.insert(key, named);
}

/// Adds somebody by their name.
pub fn add_name(people: &mut People, name: &str, user: UserId, member: bool) {
    put(people, normalise(name), user, member);
    put(people, exact(name), user, member);
    if !member {
        people.insert(former(name), Named::Former(user));
        people.insert(id(&user.to_string()), Named::Former(user));
    }
}

/// Adds the address of a member.
pub fn add_address(people: &mut People, email: &str, user: UserId) {
    put(people, at(email), user, true);
}

/// Whom a text names: an address before a name as it is, and that before a name as it is mostly typed.
fn find(people: &People, text: &str) -> Option<Named> {
    let by = |key: String| people.get(&key).copied();
    by(at(text)).or_else(|| by(exact(text))).or_else(|| by(normalise(text)))
}

/// Whom a name with a key behind it names; the key alone tells.
fn keyed(people: &People, text: &str) -> Option<(Option<Named>, bool)> {
    let (name, key) = read_person(text);
    let key = key?;
    let found = people.get(&at(key)).or_else(|| people.get(&id(key))).copied();
    Some((found, people.contains_key(&former(name))))
}

/// Whom a cell names as an owner; `None`: somebody who is no member any more.
///
/// # Errors
/// A sentence, if it is nobody who ever was, or may be one or another.
pub fn owner(text: &str, people: &People) -> Result<Option<UserId>, &'static str> {
    if is_nobody(text) {
        return Ok(None);
    }
    let found = match keyed(people, text) {
        // Whoever had this name and another address is gone.
        Some((None, true)) => return Ok(None),
        Some((Some(named), _)) => Some(named),
        _ => find(people, text),
    };
    match found {
        Some(Named::Member(user)) => Ok(Some(user)),
        Some(Named::Former(_)) => Ok(None),
        Some(Named::Several) => Err("is the name of several members: write the address of one"),
        None => Err("must be the name or the address of a member of the workspace"),
    }
}

/// Who has written a note, if that is certain.
#[must_use]
pub fn author(text: &str, people: &People) -> Option<UserId> {
    if is_nobody(text) {
        return None;
    }
    let found = match keyed(people, text) {
        Some((found, _)) => found,
        None => find(people, text),
    };
    match found? {
        Named::Member(user) | Named::Former(user) => Some(user),
        Named::Several => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_named_by_name_or_address_and_those_who_left_own_nothing() {
        let [una, namesake, zoe, other, gone, ben] = std::array::from_fn(|_| UserId::new());
        let mut people = People::new();
        for (name, user, member) in [
            ("Una", una, true),
            ("Una", namesake, true),
            ("Una", gone, false),
            ("Zoe", zoe, true),
            ("Zoë", other, true),
            ("Ben", ben, false),
        ] {
            add_name(&mut people, name, user, member);
        }
        for (email, user) in [("una@x.test", una), ("Una@Y.test", namesake), ("ben@x.test", zoe)] {
            add_address(&mut people, email, user);
        }
        let is = |text: &str| owner(text, &people);
        assert_eq!(is(" Una <UNA@x.test> "), Ok(Some(una)));
        assert_eq!(is("una@y.test"), Ok(Some(namesake)));
        assert!(is("Una").unwrap_err().contains("several"));
        assert_eq!((is("Zoe"), is("Zoë")), (Ok(Some(zoe)), Ok(Some(other))));
        assert!(is("ZOE").unwrap_err().contains("several"));
        for nobody in ["Former member", "deleted user", "Unknown", "Ben", "BEN", "Una <gone@x.test>"] {
            assert_eq!(is(nobody), Ok(None), "{nobody}");
        }
        assert_eq!(is(&format!("Una <{gone}>")), Ok(None));
        for foreign in ["Cid", "Zoe <zoe@x.test>", "úna@x.test", ""] {
            assert!(is(foreign).unwrap_err().contains("member"), "{foreign}");
        }
        let wrote = |text: &str| author(text, &people);
        assert_eq!((wrote("Ben"), wrote("Una"), wrote("Cid")), (Some(ben), None, None));
        assert_eq!((wrote("Una <una@x.test>"), wrote(&format!("Una <{gone}>"))), (Some(una), Some(gone)));
        // Nobody is who they call themselves behind another's address.
        assert_eq!((wrote("Una <eve@x.test>"), wrote("Zoe <ben@x.test>")), (None, Some(zoe)));
    }
}
