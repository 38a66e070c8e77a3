//! Finding leads by words: what text becomes before it is compared, and the pieces of it that stores index.
//!
//! A store looks up the [`grams`](Word::grams) of a word to have few candidates, and then asks [`Word::is_in`] (or does
//! exactly the same) of each: grams decide nothing, they only narrow.

use std::{borrow::Cow, collections::BTreeSet};

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use crate::fields::Fields;

/// Text without regard to case, accents and other adornments, and with white space as single blanks.
/// Normalising twice is as once.
#[must_use]
pub fn normalise(text: &str) -> String {
    if text.is_ascii() {
        return squeeze(&text.to_ascii_lowercase());
    }
    // Lower case may bring new marks (İ), and decomposition new capitals (ℌ).
    let lower: String =
        text.nfkd().flat_map(char::to_lowercase).nfkd().flat_map(char::to_lowercase).collect();
    let mut plain = String::with_capacity(lower.len());
    for c in lower.chars() {
        match c {
            c if is_combining_mark(c) || is_invisible(c) => {}
            'ß' => plain.push_str("ss"),
            'ø' | 'ǿ' => plain.push('o'),
            'æ' | 'ǽ' => plain.push_str("ae"),
            'œ' => plain.push_str("oe"),
            'đ' | 'ð' | 'ɖ' => plain.push('d'),
            'ł' => plain.push('l'),
            'þ' => plain.push_str("th"),
            'ħ' => plain.push('h'),
            'ŧ' => plain.push('t'),
            'ı' => plain.push('i'),
            'ŋ' => plain.push('n'),
            'ς' => plain.push('σ'),
            c => plain.push(c),
        }
    }
    squeeze(&plain)
}

/// Characters that are there for layout only: soft hyphens, joiners, marks of direction.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn squeeze(text: &str) -> String {
    let mut squeezed = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !squeezed.is_empty() {
            squeezed.push(' ');
        }
        squeezed.push_str(word);
    }
    squeezed
}

/// The digits of a phone number.
#[must_use]
pub fn digits(text: &str) -> String {
    normalise(text).chars().filter(char::is_ascii_digit).collect()
}

/// What of a lead can be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Haystack {
    /// Name, email and company, normalised, a line each. No word spans two of them.
    pub text: String,
    /// The phone's digits.
    pub digits: String,
}

impl Haystack {
    /// That of a lead.
    #[must_use]
    pub fn of(fields: &Fields) -> Self {
        let name = normalise(fields.name.as_str());
        let email = fields.email.as_ref().map(|email| normalise(email.as_str())).unwrap_or_default();
        let company = fields.company.as_ref().map(|company| normalise(company.as_str())).unwrap_or_default();
        Self {
            text: format!("{name}\n{email}\n{company}"),
            digits: fields.phone.as_ref().map(|phone| digits(phone.as_str())).unwrap_or_default(),
        }
    }

    /// Every gram that a word found in it can have: pieces of one to three characters, none over white space.
    #[must_use]
    pub fn grams(&self) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        self.each_gram(|gram| {
            all.insert(gram.to_owned());
        });
        all
    }

    /// Hands on every [gram](Self::grams) once, in order.
    pub fn each_gram(&self, mut hand_on: impl FnMut(&str)) {
        let words = self.words();
        let mut all = Vec::with_capacity(256);
        for word in &words {
            for (at, _) in word.char_indices() {
                let ends = word[at..].char_indices().map(|(end, c)| at + end + c.len_utf8());
                all.extend(ends.take(LONGEST_GRAM).map(|end| &word[at..end]));
            }
        }
        all.sort_unstable();
        all.dedup();
        all.into_iter().for_each(&mut hand_on);
    }

    /// For a store that finds grams by how they begin: the longest gram that begins at each character, and no end of a word with
    /// which a longer one begins, less than a third of [`grams`](Self::grams). Every gram is the beginning of one of them, and every
    /// beginning of one of them is a gram.
    #[must_use]
    pub fn longest_grams(&self) -> BTreeSet<String> {
        let words = self.words();
        let mut all = BTreeSet::new();
        for word in &words {
            for (at, _) in word.char_indices() {
                let end = word[at..].char_indices().nth(LONGEST_GRAM).map_or(word.len(), |(end, _)| at + end);
                all.insert(&word[at..end]);
            }
        }
        // What begins with a gram comes right behind it.
        let longer = all.iter().skip(1).map(Some).chain([None]);
        let needed =
            all.iter().zip(longer).filter(|(gram, next)| next.is_none_or(|next| !next.starts_with(*gram)));
        needed.map(|(gram, _)| (*gram).to_owned()).collect()
    }

    /// Whatever a word may be found in: nothing that is found reaches over the end of one.
    fn words(&self) -> Vec<Cow<'_, str>> {
        let mut all = Vec::with_capacity(16);
        for word in self.text.split_whitespace() {
            all.push(Cow::Borrowed(word));
            // So that `+49(0)30`, written in a name, is found by its digits, like a phone.
            for run in word.split(|c| !is_phone_like(c)) {
                if run.bytes().any(|c| !c.is_ascii_digit()) {
                    all.push(Cow::Owned(run.chars().filter(char::is_ascii_digit).collect()));
                }
            }
        }
        all.push(Cow::Borrowed(&self.digits));
        all
    }
}

fn is_phone_like(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, '+' | '(' | ')' | '-' | '.')
}

/// Pieces are so long at most, in characters.
pub const LONGEST_GRAM: usize = 3;

fn pieces_of(text: &str, size: usize, into: &mut BTreeSet<String>) {
    let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    for window in starts.windows(size + 1) {
        into.insert(text[window[0]..window[size]].to_owned());
    }
}

/// A word that somebody looks for; everything in it is literal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Normalised.
    pub text: String,
    /// Its digits, if it could be a piece of a phone number.
    pub digits: Option<String>,
}

/// The words of a question, each once.
#[must_use]
pub fn words(question: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    for text in normalise(question).split(' ').filter(|text| !text.is_empty()) {
        if words.iter().any(|word| word.text == text) {
            continue;
        }
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        let is_phone = !digits.is_empty() && text.chars().all(is_phone_like);
        words.push(Word { text: text.to_owned(), digits: is_phone.then_some(digits) });
    }
    words
}

impl Word {
    /// Whether it is found.
    #[must_use]
    pub fn is_in(&self, haystack: &Haystack) -> bool {
        haystack.text.contains(&self.text)
            || self.digits.as_ref().is_some_and(|digits| haystack.digits.contains(digits))
    }

    /// Whether it is a gram itself: then it is found in whatever has that gram, and there is nothing left to compare. Digits
    /// are not: those of a phone are pieces of its number, whatever stands between them.
    #[must_use]
    pub fn is_gram(&self) -> bool {
        self.digits.is_none() && self.text.chars().count() <= LONGEST_GRAM
    }

    /// Grams that everything in which it is found has: at least one, the longest ones that there are.
    #[must_use]
    pub fn grams(&self) -> BTreeSet<String> {
        let text = self.digits.as_deref().unwrap_or(&self.text);
        let mut all = BTreeSet::new();
        for size in (1..=LONGEST_GRAM).rev() {
            pieces_of(text, size, &mut all);
            if !all.is_empty() {
                break;
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn haystack(name: &str, phone: &str) -> Haystack {
        Haystack { text: format!("{}\n\n", normalise(name)), digits: digits(phone) }
    }

    #[test]
    fn case_accents_and_other_adornments_do_not_matter() {
        for (text, plain) in [
            ("Zoë MÜLLER", "zoe muller"),
            ("Straße", "strasse"),
            ("STRAẞE", "strasse"),
            ("Øyvind Æsir", "oyvind aesir"),
            ("Đorđe Łukasz", "dorde lukasz"),
            ("İstanbul ısı", "istanbul isi"),
            ("ﬁne Ａｎｎａ", "fine anna"),
            ("ΣΊΣΥΦΟΣ", "σισυφοσ"),
            ("Þór", "thor"),
            ("co\u{ad}op \u{202e}x", "coop x"),
            ("a\u{a0}\u{3000} b", "a b"),
            ("Nguyễn Thị", "nguyen thi"),
        ] {
            assert_eq!(normalise(text), plain, "{text}");
        }
    }

    #[test]
    fn a_word_of_digits_is_found_in_the_phone_however_that_is_typed() {
        let lead = haystack("Expo 2024", "+49 (0)30 / 123-456");
        for found in ["30123", "+49(0)30", "123-456", "(0)30", "4", "2024", "(4"] {
            assert!(words(found).iter().all(|word| word.is_in(&lead)), "{found}");
        }
        for missing in ["49301", "999", "12a", "+", "---"] {
            assert!(!words(missing).iter().all(|word| word.is_in(&lead)), "{missing}");
        }
    }

    #[test]
    fn everything_is_literal() {
        let lead = haystack("100% \"sure\" (a.b)*[c]", "");
        for found in ["%", "\"sure\"", "(a.b)*[c]", "00%"] {
            assert!(words(found).iter().all(|word| word.is_in(&lead)), "{found}");
        }
        for missing in [".*", "s_re", "^100", "$where"] {
            assert!(!words(missing).iter().all(|word| word.is_in(&lead)), "{missing}");
        }
    }

    proptest! {
        #[test]
        fn normalising_twice_is_as_once(text in "\\PC{0,40}") {
            let once = normalise(&text);
            prop_assert_eq!(normalise(&once), once);
        }

        #[test]
        fn whatever_part_of_a_lead_is_asked_for_is_found_and_its_grams_are_indexed(
            name in "[a-zA-Z0-9äßøŁ🦊 .+()@-]{0,30}",
            phone in "[0-9 +()./-]{0,20}",
            from in 0usize..30,
            length in 1usize..12,
            of_phone in any::<bool>(),
        ) {
            let lead = haystack(&name, &phone);
            let source = if of_phone { &phone } else { &name };
            let part: String = source.chars().skip(from).take(length).collect();
            let grams = lead.grams();
            for word in words(&part) {
                // A piece of a phone with a slash in it is no word of digits.
                if of_phone && word.digits.is_none() {
                    continue;
                }
                prop_assert!(word.is_in(&lead), "{:?} in {:?}", word, lead);
                prop_assert!(!word.grams().is_empty());
                prop_assert!(word.grams().is_subset(&grams), "{:?} of {:?}", word.grams(), grams);
            }
        }

        #[test]
        fn grams_are_what_the_longest_ones_begin_with(text in "[0-9a-cäß🦊 .+()-]{0,16}", phone in "[0-9+()]{0,9}") {
            let lead = haystack(&text, &phone);
            let begun: BTreeSet<String> = lead
                .longest_grams()
                .iter()
                .flat_map(|gram| gram.char_indices().map(|(at, c)| gram[..at + c.len_utf8()].to_owned()).collect::<Vec<_>>())
                .collect();
            prop_assert_eq!(begun, lead.grams());
            let longest = lead.longest_grams();
            for gram in &longest {
                prop_assert_eq!(longest.iter().filter(|other| other.starts_with(gram.as_str())).count(), 1, "{}", gram);
            }
        }

        #[test]
        fn a_word_that_is_found_has_its_grams_indexed(text in "[0-9a-c.+()-]{0,16}", phone in "[0-9]{0,8}", question in "[0-9a-c.+()-]{1,5}") {
            let lead = haystack(&text, &phone);
            for word in words(&question) {
                if word.is_in(&lead) {
                    prop_assert!(word.grams().is_subset(&lead.grams()));
                }
                if word.is_gram() {
                    prop_assert_eq!(word.is_in(&lead), lead.grams().contains(&word.text), "{:?}", word);
                }
            }
        }
    }
}
