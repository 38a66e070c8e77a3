//! Passwords: which are accepted, and what is kept of them.

use std::{collections::HashSet, sync::LazyLock};

use crate::account::{Email, Name};

/// The shortest, in code points.
pub const SHORTEST: usize = 12;
/// The longest, in code points.
pub const LONGEST: usize = 128;
/// What is longer, in bytes, is not even looked at: four bytes a code point, and as much again to spare.
const LONGEST_IN_BYTES: usize = 1024;

/// The most common passwords of at least [`SHORTEST`] characters, in lower case.
static COMMON: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| include_str!("common-passwords.txt").lines().collect());

/// A password as somebody typed it. Never shown, never stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

/// What is too long to be anybody's password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is too long")]
pub struct TooLong;

/// Why a password is not accepted as a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Too short or too long.
    #[error("must be 12 to 128 characters")]
    Length,
    /// Others would try it first.
    #[error("is one of the most common passwords: choose another")]
    Common,
    /// Whoever knows its owner would try it first.
    #[error("must not be your name or email address: choose another")]
    Personal,
}

impl Password {
    /// One that somebody signs in with: whatever it is, unless it is absurdly long.
    ///
    /// # Errors
    /// [`TooLong`] from 1 KiB on.
    pub fn typed(text: &str) -> Result<Self, TooLong> {
        if text.len() > LONGEST_IN_BYTES { Err(TooLong) } else { Ok(Self(text.to_owned())) }
    }

    /// One that somebody wants to have from now on. It is kept as typed: nothing is trimmed or normalised.
    ///
    /// # Errors
    /// [`Unfit`] with the reason.
    pub fn chosen(text: &str, name: Option<&Name>, email: Option<&Email>) -> Result<Self, Unfit> {
        if text.len() > LONGEST_IN_BYTES || !(SHORTEST..=LONGEST).contains(&text.chars().count()) {
            return Err(Unfit::Length);
        }
        let lower = text.to_lowercase();
        if COMMON.contains(lower.as_str()) {
            return Err(Unfit::Common);
        }
        let own = |word: &str| {
            let word = word.to_lowercase();
            lower == word || lower == word.split_whitespace().collect::<String>()
        };
        let is_name = name.is_some_and(|name| own(name.as_str()));
        let is_email = email.is_some_and(|email| {
            own(email.as_str()) || email.as_str().rsplit_once('@').is_some_and(|(local, _)| own(local))
        });
        if is_name || is_email { Err(Unfit::Personal) } else { Ok(Self(text.to_owned())) }
    }

    /// One that nobody can guess: 120 random bits in letters and digits that are hard to confuse.
    #[must_use]
    pub fn generated() -> Self {
        const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
        let letters = rand::random::<[u8; 24]>().map(|byte| char::from(LETTERS[usize::from(byte % 32)]));
        let groups: Vec<String> = letters.chunks(6).map(|group| group.iter().collect()).collect();
        Self(groups.join("-"))
    }

    /// The password itself, for its owner and for the hash.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// What is kept of a password: an Argon2id hash in PHC form.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

impl PasswordHash {
    /// From the store, or fresh from the hash function.
    #[must_use]
    pub fn new(phc: String) -> Self {
        Self(phc)
    }

    /// For the store and the hash function only.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chosen(text: &str) -> Result<(), Unfit> {
        let (name, email) =
            (Name::parse("Ada B. Lovelace").unwrap(), Email::parse("ada.lovelace@example.com").unwrap());
        Password::chosen(text, Some(&name), Some(&email)).map(drop)
    }

    #[test]
    fn length_is_counted_in_code_points() {
        assert_eq!(chosen("elf zeichen"), Err(Unfit::Length));
        assert_eq!(chosen("zwölf zeichn"), Ok(()));
        assert_eq!(chosen(&"🦀é".repeat(64)), Ok(()));
        assert_eq!(chosen(&"🦀é".repeat(65)), Err(Unfit::Length));
        // Nothing is trimmed.
        assert_eq!(chosen("            "), Ok(()));
        assert_eq!(chosen(&"x".repeat(1 << 20)), Err(Unfit::Length));
    }

    #[test]
    fn common_ones_are_refused_in_any_case() {
        for common in ["password1234", "PassWord1234", "123456789012", "qwertyuiop123", "aaaaaaaaaaaa"] {
            assert_eq!(chosen(common), Err(Unfit::Common), "{common}");
        }
        assert_eq!(chosen("a quiet heron at noon"), Ok(()));
    }

    #[test]
    fn the_owners_name_and_address_are_refused() {
        for own in ["Ada.Lovelace@example.com", "ada.lovelace", "ada b. lovelace", "AdaB.Lovelace"] {
            assert_eq!(chosen(own), Err(Unfit::Personal), "{own}");
        }
        assert_eq!(chosen("ada.lovelace wrote this"), Ok(()));
    }

    #[test]
    fn the_list_holds_only_what_length_lets_through_and_nothing_twice() {
        let lines: Vec<&str> = include_str!("common-passwords.txt").lines().collect();
        assert!(lines.len() > 1000, "{}", lines.len());
        assert_eq!(COMMON.len(), lines.len());
        for line in lines {
            assert_eq!(line, line.to_lowercase());
            assert!((SHORTEST..=LONGEST).contains(&line.chars().count()), "{line}");
        }
    }

    #[test]
    fn a_generated_one_is_fit_and_new_each_time() {
        let (one, two) = (Password::generated(), Password::generated());
        assert_eq!(chosen(one.reveal()), Ok(()));
        assert_ne!(one, two);
    }

    #[test]
    fn passwords_and_hashes_do_not_show_themselves() {
        let password = Password::typed("hunter2hunter2").unwrap();
        assert_eq!(format!("{password:?}{:?}", PasswordHash::new("$x".into())), "Password(…)PasswordHash(…)");
    }

    proptest! {
        #[test]
        fn what_is_accepted_has_the_right_length_and_stays_as_typed(text in any::<String>()) {
            match Password::chosen(&text, None, None) {
                Ok(password) => {
                    prop_assert!((SHORTEST..=LONGEST).contains(&text.chars().count()));
                    prop_assert_eq!(password.reveal(), text);
                }
                Err(Unfit::Length) => prop_assert!(!(SHORTEST..=LONGEST).contains(&text.chars().count())),
                Err(_) => {}
            }
        }

        #[test]
        fn every_length_between_the_bounds_is_accepted(count in SHORTEST..=LONGEST) {
            let text: String = "крокодил🐊é".chars().cycle().take(count).collect();
            prop_assert!(Password::chosen(&text, None, None).is_ok());
        }
    }
}
