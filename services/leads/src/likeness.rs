//! Which leads may be the same one: what they are looked up by, and why they are taken for it.
//!
//! A store looks up who shares a key, and of the names near this one those that [`Likeness::is_named`]; what it brings is then
//! judged by [`Likeness::reasons`].

use unicode_normalization::UnicodeNormalization;

use crate::{
    filter::sort_text,
    lead::{Lead, LeadId},
    search::{digits, normalise},
};

/// The most likely duplicates that are told.
pub const MOST: usize = 20;
/// A phone with fewer digits is an extension or a slip, and says nothing.
pub const LEAST_DIGITS: usize = 6;
/// So many names before and behind this one are compared, at its company and at its domain. Whoever has fewer leads there has
/// all of them compared; a slip of the pen seldom moves a name farther.
pub const NEIGHBOURS: usize = 500;

/// Why two leads may be the same; the best reason first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The same address.
    Email,
    /// The same phone.
    Phone,
    /// Nearly the same name, at the same company or domain.
    Name,
}

/// What of a lead its duplicates would have too, in the forms in which it is compared; what it does not have is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Likeness {
    /// The lead itself, which is no duplicate.
    pub except: Option<LeadId>,
    /// The address, normalised.
    pub email: Option<String>,
    /// What stands behind its `@`.
    pub domain: Option<String>,
    /// The phone's digits, at least [`LEAST_DIGITS`].
    pub digits: Option<String>,
    /// The name, as it is sorted by.
    pub name: Option<String>,
    /// The company, as it is sorted by.
    pub company: Option<String>,
}

/// An address and its domain in the forms in which they are stored, and in which those are looked for that may be the same:
/// two of one key need not be one [`address`].
#[must_use]
pub fn email_keys(email: &str) -> (String, Option<String>) {
    let email = normalise(email);
    let domain = email.split_once('@').map(|(_, domain)| domain.to_owned());
    (email, domain.filter(|domain| !domain.is_empty()))
}

/// An address as it is the same: without regard to case, and to how a character is written, but not to accents.
#[must_use]
pub fn address(email: &str) -> String {
    email.trim().to_lowercase().nfc().collect()
}

fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

impl Likeness {
    /// That of a lead.
    #[must_use]
    pub fn of(lead: &Lead) -> Self {
        let fields = &lead.fields;
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let likeness = Self::typed(
            &text(fields.email.as_ref().map(|email| email.as_str())),
            &text(fields.phone.as_ref().map(|phone| phone.as_str())),
            fields.name.as_str(),
            &text(fields.company.as_ref().map(|company| company.as_str())),
        );
        Self { except: Some(lead.id), ..likeness }
    }

    /// That of one that is being typed; empty texts are none, and whatever can't be accepted yet is like nothing.
    #[must_use]
    pub fn typed(email: &str, phone: &str, name: &str, company: &str) -> Self {
        let (email, domain) = email_keys(email);
        Self {
            except: None,
            email: some(email),
            domain,
            digits: some(digits(phone)).filter(|digits| digits.len() >= LEAST_DIGITS),
            name: some(sort_text(name)),
            company: some(sort_text(company)),
        }
    }

    /// Whether a name, in the form that it is sorted by, is nearly this one.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        self.name.as_deref().is_some_and(|own| is_similar(own, name))
    }

    /// The places in the order of names around which names like this one stand: its own, and where the family name comes first.
    #[must_use]
    pub fn places(&self) -> Vec<String> {
        let Some(name) = &self.name else { return Vec::new() };
        let mut places = vec![name.clone()];
        let words = words(name);
        for turned in [1, words.len().saturating_sub(1)] {
            let mut words = words.clone();
            let turned = turned.min(words.len());
            words.rotate_left(turned);
            let place = words.join(" ");
            if !place.is_empty() && !places.contains(&place) {
                places.push(place);
            }
        }
        places
    }

    /// Why another lead may be the same; nothing: it is not.
    #[must_use]
    pub fn reasons(&self, other: &Lead) -> Vec<Reason> {
        let other = Self::of(other);
        if self.except == other.except {
            return Vec::new();
        }
        let same = |own: &Option<String>, other: &Option<String>| own.is_some() && own == other;
        let place = same(&self.company, &other.company) || same(&self.domain, &other.domain);
        let named = place && other.name.as_deref().is_some_and(|name| self.is_named(name));
        let all = [
            (Reason::Email, same(&self.email, &other.email)),
            (Reason::Phone, same(&self.digits, &other.digits)),
            (Reason::Name, named),
        ];
        all.into_iter().filter_map(|(reason, holds)| holds.then_some(reason)).collect()
    }

    /// Those of some leads that may be the same, with why: the likeliest first, the newer of two alike, at most [`MOST`].
    #[must_use]
    pub fn judge(&self, leads: Vec<Lead>) -> Vec<(Lead, Vec<Reason>)> {
        let mut alike: Vec<(Lead, Vec<Reason>)> = leads
            .into_iter()
            .map(|lead| {
                let reasons = self.reasons(&lead);
                (lead, reasons)
            })
            .filter(|(_, reasons)| !reasons.is_empty())
            .collect();
        alike.sort_by(|(one, why), (other, because)| {
            let weight = |reasons: &[Reason]| reasons.iter().map(|reason| reason.weight()).sum::<u32>();
            let newer = || (other.created_at, other.id.uuid()).cmp(&(one.created_at, one.id.uuid()));
            weight(because).cmp(&weight(why)).then_with(newer)
        });
        alike.truncate(MOST);
        alike
    }
}

impl Reason {
    fn weight(self) -> u32 {
        match self {
            Self::Email => 4,
            Self::Phone => 3,
            Self::Name => 2,
        }
    }
}

fn words(name: &str) -> Vec<&str> {
    name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect()
}

fn is_similar(one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    // What is numbered is numbered to be told apart.
    let numbers = |name: &str| -> String { name.chars().filter(|c| c.is_numeric()).collect() };
    if numbers(one) != numbers(other) {
        return false;
    }
    let sorted = |name: &str| {
        let mut words = words(name);
        words.sort_unstable();
        words.join(" ")
    };
    let (one_sorted, other_sorted) = (sorted(one), sorted(other));
    if !one_sorted.is_empty() && one_sorted == other_sorted {
        return true;
    }
    is_slip(one, other) || is_slip(&one_sorted, &other_sorted)
}

/// Whether one text becomes another by a few letters typed too much, too little, wrongly or in the wrong order: one in a name
/// of four letters, two from eight on.
fn is_slip(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let most = match one.len().min(other.len()) {
        0..4 => return false,
        4..8 => 1,
        _ => 2,
    };
    if one.len().abs_diff(other.len()) > most {
        return false;
    }
    // Optimal string alignment: three rows of its table.
    let far = most + 1;
    let mut before: Vec<usize> = vec![far; other.len() + 1];
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (i, letter) in one.iter().enumerate() {
        let mut row = vec![far; other.len() + 1];
        row[0] = i + 1;
        let (from, to) = (i.saturating_sub(most), (i + most + 1).min(other.len()));
        for j in from..to {
            let same = usize::from(*letter != other[j]);
            row[j + 1] = (last[j] + same).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *letter == other[j - 1] && one[i - 1] == other[j] {
                row[j + 1] = row[j + 1].min(before[j - 1] + 1);
            }
        }
        if row.iter().all(|distance| *distance > most) {
            return false;
        }
        before = std::mem::replace(&mut last, row);
    }
    last[other.len()] <= most
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn alike(one: &str, other: &str) -> bool {
        Likeness::typed("", "", one, "").is_named(&sort_text(other))
    }

    #[test]
    fn names_are_alike_in_another_order_or_with_a_slip() {
        for (one, other) in [
            ("Ada Lovelace", "ada  LOVELACE"),
            ("Ada Lovelace", "Lovelace, Ada"),
            ("Ada Lovelace", "Ada Lovelase"),
            ("Ada Lovelace", "Ada Lovealce"),
            ("Ada Lovelace", "Lovelace Adaa"),
            ("Zoë Müller", "Zoe Muller"),
            ("Anna", "Anne"),
            ("李雷", "李雷"),
        ] {
            assert!(alike(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("Ada Lovelace", "Ada Byron"),
            ("Bob", "Rob"),
            ("李雷", "李云"),
            ("Lead 101", "Lead 102"),
            ("!!!", "???"),
            ("Anna", "Annabel"),
        ] {
            assert!(!alike(one, other), "{one} {other}");
        }
    }

    #[test]
    fn an_address_with_an_accent_is_another() {
        assert_eq!(address(" Jos\u{e9}@X.es"), address("jose\u{301}@x.ES"));
        assert_ne!(address("jos\u{e9}@x.es"), address("jose@x.es"));
        assert_eq!(email_keys("jos\u{e9}@x.es"), email_keys("Jose@x.es"));
    }

    #[test]
    fn half_of_what_is_typed_is_like_nothing() {
        let none = Likeness::typed("", "12345", " ", "");
        assert_eq!(none, Likeness::default());
        assert_eq!(Likeness::typed("ana@", "", "", "").domain, None);
        let likeness = Likeness::typed("Ana@Example.COM", "+1 (234) 56", "", "");
        assert_eq!(likeness.email.as_deref(), Some("ana@example.com"));
        assert_eq!(likeness.domain.as_deref(), Some("example.com"));
        assert_eq!(likeness.digits.as_deref(), Some("123456"));
    }

    #[test]
    fn names_are_looked_for_where_the_family_name_comes_first_too() {
        assert_eq!(
            Likeness::typed("", "", "Ada K. Lovelace", "").places(),
            ["ada k. lovelace", "k lovelace ada", "lovelace ada k"]
        );
        assert_eq!(Likeness::typed("", "", "Ada", "").places(), ["ada"]);
    }

    /// The textbook's table.
    fn distance(one: &[char], other: &[char]) -> usize {
        let mut table = vec![vec![0; other.len() + 1]; one.len() + 1];
        for i in 0..=one.len() {
            for j in 0..=other.len() {
                table[i][j] = match (i, j) {
                    (0, _) => j,
                    (_, 0) => i,
                    _ => {
                        let wrong = usize::from(one[i - 1] != other[j - 1]);
                        let mut least =
                            (table[i - 1][j - 1] + wrong).min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
                        if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                            least = least.min(table[i - 2][j - 2] + 1);
                        }
                        least
                    }
                };
            }
        }
        table[one.len()][other.len()]
    }

    proptest! {
        #[test]
        fn a_slip_is_what_the_textbook_counts(one in "[ab]{0,10}", other in "[ab]{0,10}") {
            let (a, b): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
            let most = match a.len().min(b.len()) { 0..4 => None, 4..8 => Some(1), _ => Some(2) };
            let right = most.is_some_and(|most| distance(&a, &b) <= most);
            prop_assert_eq!(is_slip(&one, &other), right);
        }

        #[test]
        fn to_be_alike_is_mutual(one in "\\PC{0,12}", other in "\\PC{0,12}") {
            prop_assert_eq!(is_similar(&one, &other), is_similar(&other, &one));
        }
    }
}
