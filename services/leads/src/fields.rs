//! The fields of a lead, parsed at the door: a value of one of these types is acceptable.

use std::collections::HashSet;

use leadline_runtime::ids::UserId;
use unicode_normalization::UnicodeNormalization;

use crate::stage::{Source, Status};

/// The most tags on a lead.
pub const MOST_TAGS: usize = 50;
/// The longest tag, in code points; every length here is counted so.
pub const LONGEST_TAG: usize = 50;
const LONGEST_NAME: usize = 200;
const LONGEST_EMAIL: usize = 254;
const LONGEST_PHONE: usize = 50;
const LONGEST_COMPANY: usize = 200;
const LONGEST_NOTE: usize = 10_000;
const LONGEST_REASON: usize = 500;

/// Why a value can't be accepted; the text is for the person who sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unacceptable {
    /// Nothing there.
    #[error("is required and must not be blank")]
    Blank,
    /// Too many code points.
    #[error("must be at most {0} characters long")]
    TooLong(usize),
    /// A character that is neither seen nor a line break where those are allowed.
    #[error("must not contain control characters such as NUL, tabs or line breaks")]
    Control,
    /// As [`Unacceptable::Control`], where tabs and line breaks are allowed.
    #[error("must not contain control characters such as NUL")]
    ControlInProse,
    /// Not `local@domain`.
    #[error("must be an email address such as ana@example.com")]
    NotAnEmail,
    /// Too many tags.
    #[error("must be at most {MOST_TAGS} tags")]
    TooManyTags,
}

/// The text without white space around it, if it fits on one line and is not too long; `None` if nothing is left.
fn line(text: &str, most: usize) -> Result<Option<String>, Unacceptable> {
    let text = text.trim();
    if text.chars().any(char::is_control) {
        return Err(Unacceptable::Control);
    }
    within(text, most)?;
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

fn prose(text: &str, most: usize) -> Result<Option<String>, Unacceptable> {
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err(Unacceptable::ControlInProse);
    }
    within(text, most)?;
    Ok((!text.trim().is_empty()).then(|| text.to_owned()))
}

fn within(text: &str, most: usize) -> Result<(), Unacceptable> {
    if text.chars().nth(most).is_some() { Err(Unacceptable::TooLong(most)) } else { Ok(()) }
}

macro_rules! text_type {
    ($name:ident, $doc:literal) => {
        #[doc = $doc]
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub struct $name(String);

        impl $name {
            /// Takes back what [`parse`](Self::parse) has accepted before: from our own store only.
            #[must_use]
            pub fn stored(text: String) -> Self {
                Self(text)
            }
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    };
}

text_type!(Name, "A lead's name: 1 to 200 characters on one line, trimmed.");
text_type!(Email, "An address, as typed but trimmed; at most 254 characters.");
text_type!(Phone, "A phone number, as typed but trimmed; at most 50 characters.");
text_type!(Company, "A company's name, as typed but trimmed; at most 200 characters.");
text_type!(Tag, "A tag: 1 to 50 characters on one line, trimmed.");
text_type!(NoteText, "What a note says: 1 to 10,000 characters, as typed.");
text_type!(Reason, "Why a lead was moved: at most 500 characters, as typed.");

impl Name {
    /// Parses a name.
    ///
    /// # Errors
    /// [`Unacceptable`] for one that is blank, too long or has control characters.
    pub fn parse(text: &str) -> Result<Self, Unacceptable> {
        line(text, LONGEST_NAME)?.map(Self).ok_or(Unacceptable::Blank)
    }
}

impl Email {
    /// Parses `local@domain`: syntax only, names in any script, at least two labels in the domain.
    ///
    /// # Errors
    /// [`Unacceptable`] for anything else, the empty text too.
    pub fn parse(text: &str) -> Result<Self, Unacceptable> {
        let text = line(text, LONGEST_EMAIL)?.ok_or(Unacceptable::NotAnEmail)?;
        let (local, domain) = text.rsplit_once('@').ok_or(Unacceptable::NotAnEmail)?;
        if is_local(local) && is_domain(domain) { Ok(Self(text)) } else { Err(Unacceptable::NotAnEmail) }
    }
}

/// Atoms of RFC 5322 with dots between them, and what RFC 6531 adds beyond ASCII.
fn is_local(local: &str) -> bool {
    let allowed = |c: char| match c {
        c if c.is_ascii() => c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c),
        c => !c.is_whitespace(),
    };
    local.chars().count() <= 64 && local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(allowed))
}

fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.chars().count() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || (!c.is_ascii() && !c.is_whitespace()))
    };
    domain.contains('.') && domain.split('.').all(is_label)
}

impl Phone {
    /// Parses a phone number; blank is none.
    ///
    /// # Errors
    /// [`Unacceptable`] for one that is too long or has control characters.
    pub fn parse(text: &str) -> Result<Option<Self>, Unacceptable> {
        Ok(line(text, LONGEST_PHONE)?.map(Self))
    }
}

impl Company {
    /// Parses a company's name; blank is none.
    ///
    /// # Errors
    /// [`Unacceptable`] for one that is too long or has control characters.
    pub fn parse(text: &str) -> Result<Option<Self>, Unacceptable> {
        Ok(line(text, LONGEST_COMPANY)?.map(Self))
    }
}

impl NoteText {
    /// Parses a note.
    ///
    /// # Errors
    /// [`Unacceptable`] for one that is blank, too long or has control characters other than tabs and line breaks.
    pub fn parse(text: &str) -> Result<Self, Unacceptable> {
        prose(text, LONGEST_NOTE)?.map(Self).ok_or(Unacceptable::Blank)
    }

    /// The first so many characters.
    #[must_use]
    pub fn cut(&self, most: usize) -> String {
        self.0.chars().take(most).collect()
    }
}

impl Reason {
    /// Parses a reason; blank is none.
    ///
    /// # Errors
    /// [`Unacceptable`] for one that is too long or has control characters other than tabs and line breaks.
    pub fn parse(text: &str) -> Result<Option<Self>, Unacceptable> {
        Ok(prose(text, LONGEST_REASON)?.map(Self))
    }
}

impl Tag {
    /// Parses a tag.
    ///
    /// # Errors
    /// [`Unacceptable`] for one that is blank, too long or has control characters.
    pub fn parse(text: &str) -> Result<Self, Unacceptable> {
        line(text, LONGEST_TAG)?.map(Self).ok_or(Unacceptable::Blank)
    }

    /// What two tags have in common that differ in case only.
    #[must_use]
    pub fn key(&self) -> String {
        tag_key(&self.0)
    }
}

/// The key of a tag that somebody looks for, acceptable or not.
#[must_use]
pub fn tag_key(text: &str) -> String {
    text.trim().to_lowercase().nfc().collect()
}

/// A lead's tags: at most 50, no two that differ in case only, in the order in which they were given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tags(Vec<Tag>);

impl Tags {
    /// Parses tags. Of those that differ in case only, the first stays.
    ///
    /// # Errors
    /// Everything that is wrong: with the tag at an index, or, without index, with all of them together.
    pub fn parse<S: AsRef<str>>(texts: &[S]) -> Result<Self, Vec<(Option<usize>, Unacceptable)>> {
        let mut tags = Self::default();
        let mut faults = Vec::new();
        let mut seen = HashSet::new();
        for (index, text) in texts.iter().enumerate() {
            match Tag::parse(text.as_ref()) {
                Ok(tag) if seen.insert(tag.key()) => tags.0.push(tag),
                Ok(_) => {}
                // A few examples say enough.
                Err(_) if faults.len() >= MOST_TAGS => {}
                Err(fault) => faults.push((Some(index), fault)),
            }
        }
        if tags.0.len() > MOST_TAGS {
            faults.push((None, Unacceptable::TooManyTags));
        }
        if faults.is_empty() { Ok(tags) } else { Err(faults) }
    }

    /// Takes back what was accepted before: from our own store only.
    #[must_use]
    pub fn stored(texts: Vec<String>) -> Self {
        Self(texts.into_iter().map(Tag::stored).collect())
    }

    /// These with others behind them.
    ///
    /// # Errors
    /// [`Unacceptable::TooManyTags`] if they are too many together.
    pub fn with(&self, others: &Self) -> Result<Self, Unacceptable> {
        let mut all = self.clone();
        let mut seen: HashSet<String> = self.0.iter().map(Tag::key).collect();
        all.0.extend(others.0.iter().filter(|tag| seen.insert(tag.key())).cloned());
        if all.0.len() > MOST_TAGS { Err(Unacceptable::TooManyTags) } else { Ok(all) }
    }

    /// These with others behind them, as far as there is room.
    #[must_use]
    pub fn with_as_many(&self, others: &Self, most: usize) -> Self {
        let mut all = self.clone();
        let mut seen: HashSet<String> = self.0.iter().map(Tag::key).collect();
        let new = others.0.iter().filter(|tag| seen.insert(tag.key())).cloned();
        all.0.extend(new.take(most.saturating_sub(self.0.len())));
        all
    }

    /// These without others.
    #[must_use]
    pub fn without(&self, others: &Self) -> Self {
        let gone: HashSet<String> = others.0.iter().map(Tag::key).collect();
        Self(self.0.iter().filter(|tag| !gone.contains(&tag.key())).cloned().collect())
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Tag> {
        self.0.iter()
    }

    /// As text.
    #[must_use]
    pub fn to_texts(&self) -> Vec<String> {
        self.0.iter().map(|tag| tag.0.clone()).collect()
    }
}

/// What people may set on a lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    /// Its name.
    pub name: Name,
    /// Its address.
    pub email: Option<Email>,
    /// Its phone.
    pub phone: Option<Phone>,
    /// Its company.
    pub company: Option<Company>,
    /// Where it came from.
    pub source: Source,
    /// Its stage.
    pub status: Status,
    /// Its tags.
    pub tags: Tags,
    /// Whose it is.
    pub owner: Option<UserId>,
}

/// New values for some fields; `None` leaves a field as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Patch {
    /// Its name.
    pub name: Option<Name>,
    /// Its address, or none.
    pub email: Option<Option<Email>>,
    /// Its phone, or none.
    pub phone: Option<Option<Phone>>,
    /// Its company, or none.
    pub company: Option<Option<Company>>,
    /// Where it came from.
    pub source: Option<Source>,
    /// Its stage.
    pub status: Option<Status>,
    /// Its tags.
    pub tags: Option<Tags>,
    /// Whose it is, or nobody's.
    pub owner: Option<Option<UserId>>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_are_counted_in_code_points_after_trimming() {
        let emoji = "🦊".repeat(200);
        assert_eq!(Name::parse(&format!("  {emoji}\n")).unwrap().as_str(), emoji);
        assert_eq!(Name::parse(&"🦊".repeat(201)), Err(Unacceptable::TooLong(200)));
        assert_eq!(Name::parse(" \u{a0}\t"), Err(Unacceptable::Blank));
        assert!(NoteText::parse(&"ü".repeat(10_000)).is_ok());
        assert_eq!(NoteText::parse(&"ü".repeat(10_001)), Err(Unacceptable::TooLong(10_000)));
        assert_eq!(Company::parse(&"c".repeat(201)), Err(Unacceptable::TooLong(200)));
        assert_eq!(Phone::parse(&"1".repeat(51)), Err(Unacceptable::TooLong(50)));
        assert_eq!(Reason::parse(&"r".repeat(501)), Err(Unacceptable::TooLong(500)));
    }

    #[test]
    fn control_characters_are_refused_and_everything_else_is_text() {
        for bad in ["a\0b", "a\nb", "a\u{7f}b", "a\u{85}b", "a\tb"] {
            assert_eq!(Name::parse(bad), Err(Unacceptable::Control), "{bad:?}");
            assert_eq!(Company::parse(bad), Err(Unacceptable::Control), "{bad:?}");
        }
        for good in ["<script>alert(1)</script>", "\u{202e}مرحبا", "=1+1", "Zoë 🦊", "'; DROP TABLE leads"]
        {
            assert_eq!(Name::parse(good).unwrap().as_str(), good);
        }
        assert!(NoteText::parse("one\r\n\ttwo").is_ok());
        assert_eq!(NoteText::parse("one\0two"), Err(Unacceptable::ControlInProse));
        assert_eq!(NoteText::parse(" \n "), Err(Unacceptable::Blank));
    }

    #[test]
    fn an_email_has_one_local_part_and_a_domain_of_labels() {
        for good in
            ["a@b.de", "Ana.Maria+x@Sub.Example.COM", "o'neil@example.org", "用户@例子.广告", " a@b.de "]
        {
            assert!(Email::parse(good).is_ok(), "{good}");
        }
        let long = format!("{}@example.com", "a".repeat(65));
        let endless = format!("a@{}.com", "b.".repeat(130));
        for bad in [
            "",
            "a",
            "a@",
            "@b.de",
            "a@b",
            "a b@c.de",
            "a@b c.de",
            "a@@b.de",
            "a@b@c.de",
            ".a@b.de",
            "a.@b.de",
            "a..b@c.de",
            "a@-b.de",
            "a@b-.de",
            "a@b..de",
            "a@b.de.",
            "<a@b.de>",
            "a@b.de\0",
            "javascript:alert(1)",
            &long,
            &endless,
        ] {
            assert!(Email::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_bad_tag_is_named_by_its_place() {
        let long = "t".repeat(51);
        let faults = Tags::parse(&["ok", " ", long.as_str()]).unwrap_err();
        assert_eq!(faults, [(Some(1), Unacceptable::Blank), (Some(2), Unacceptable::TooLong(50))]);
        let many: Vec<String> = (0..51).map(|n| n.to_string()).collect();
        assert_eq!(Tags::parse(&many).unwrap_err(), [(None, Unacceptable::TooManyTags)]);
    }

    fn tags() -> impl Strategy<Value = Vec<String>> {
        proptest::collection::vec("[ a-cA-CäÄßİ]{1,4}", 0..60)
    }

    proptest! {
        #[test]
        fn tags_are_trimmed_unique_and_in_their_first_order(texts in tags()) {
            let given: Vec<String> = texts.into_iter().filter(|text| !text.trim().is_empty()).take(MOST_TAGS).collect();
            let tags = Tags::parse(&given).unwrap();
            let keys: Vec<String> = tags.iter().map(Tag::key).collect();
            prop_assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len());
            let mut expected: Vec<String> = Vec::new();
            for text in &given {
                let key = tag_key(text);
                if !expected.contains(&key) {
                    expected.push(key);
                }
            }
            prop_assert_eq!(keys, expected);
            prop_assert!(tags.iter().all(|tag| tag.as_str() == tag.as_str().trim()));
            // Parsing what was parsed changes nothing.
            prop_assert_eq!(Tags::parse(&tags.to_texts()).unwrap(), tags);
        }

        #[test]
        fn adding_tags_twice_or_taking_them_away_again_is_as_once(first in tags(), second in tags()) {
            let parse = |texts: Vec<String>| {
                let some: Vec<String> = texts.into_iter().filter(|text| !text.trim().is_empty()).take(20).collect();
                Tags::parse(&some).unwrap()
            };
            let (first, second) = (parse(first), parse(second));
            let both = first.with(&second).unwrap();
            prop_assert_eq!(both.with(&second).unwrap(), both.clone());
            prop_assert_eq!(both.without(&second), first.without(&second));
            prop_assert!(first.without(&first).is_empty());
        }
    }
}
