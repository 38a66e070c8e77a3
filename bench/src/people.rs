//! People who don't exist, drawn from a seed: the same seed and number make the same person.

use std::fmt::Write as _;

use chrono::{DateTime, Duration, SecondsFormat, Utc};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};

/// The stages, in the pipeline's order.
pub const STAGES: [&str; 5] = ["New", "Contacted", "Qualified", "Converted", "Lost"];
/// The sources.
pub const SOURCES: [&str; 4] = ["Website", "Referral", "Ad", "Other"];
/// Tags: the first is on half of all leads, the last on one of some two hundred.
pub const TAGS: [&str; 8] =
    ["newsletter", "fair", "partner", "trial", "renewal", "south", "priority", "board"];
/// Leads were created in so many days before now.
pub const DAYS: i64 = 730;
const FIRST: [&str; 40] = [
    "Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Tony", "Niklaus", "Radia", "Ken", "Frances",
    "Leslie", "Zoë", "José", "Søren", "Anaïs", "Mary", "John", "Linda", "Robert", "Susan", "David", "Karen",
    "Peter", "Maria", "Thomas", "Ingrid", "Pavel", "Olga", "Yuki", "Wei", "Fatima", "Omar", "Aisha", "Kofi",
    "Ama", "Diego", "Lucía", "Marco", "Chiara",
];
const SYLLABLES: [&str; 40] = [
    "ba", "ber", "cor", "dal", "den", "dor", "el", "fen", "gar", "gor", "hal", "han", "il", "jen", "kar",
    "kov", "lan", "lin", "lov", "mar", "mer", "mon", "nel", "nor", "ost", "pal", "per", "quin", "ram", "ros",
    "sal", "sen", "stra", "tal", "tor", "ul", "var", "wel", "yor", "zan",
];
const TRADES: [&str; 8] =
    ["Engines", "Foods", "Labs", "Logistics", "Partners", "Software", "Studio", "Works"];

/// A word of a few syllables, with a capital.
fn word(draw: &mut StdRng, syllables: usize) -> String {
    let mut word: String = (0..syllables).map(|_| pick(draw, &SYLLABLES)).collect();
    if let Some(first) = word.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    word
}

/// One of them.
pub fn pick<'a>(draw: &mut StdRng, of: &[&'a str]) -> &'a str {
    of.choose(draw).copied().unwrap_or_default()
}

/// A lead, as it is typed.
#[derive(Debug, Clone)]
pub struct Person {
    /// First name and last name.
    pub name: String,
    /// The last name alone.
    pub last: String,
    /// An address that nobody else has.
    pub email: String,
    /// A phone that nobody else has.
    pub phone: String,
    /// Where they work: twenty people a company.
    pub company: String,
    /// Where they were found.
    pub source: &'static str,
    /// Where they stand.
    pub stage: &'static str,
    /// Their tags.
    pub tags: Vec<&'static str>,
    /// How many minutes ago they were found.
    pub minutes: i64,
}

impl Person {
    /// The person of this number.
    #[must_use]
    pub fn new(seed: u64, number: u64) -> Self {
        let house = number / 20;
        let draw = &mut StdRng::seed_from_u64(seed ^ house.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let company = format!("{} {}", word(draw, 3), pick(draw, &TRADES));
        let draw = &mut StdRng::seed_from_u64(seed.rotate_left(32) ^ number);
        let (first, last) = (pick(draw, &FIRST), word(draw, 3));
        let domain: String =
            company.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
        let tags = TAGS.iter().enumerate().filter(|(at, _)| draw.random_range(0..(2u32 << at)) == 0);
        let tags = tags.map(|(_, tag)| *tag).collect();
        // More of them are young than old, as in a pipeline.
        let stage = *[0, 0, 0, 1, 1, 2, 2, 3, 4, 4].choose(draw).unwrap_or(&0);
        Self {
            name: format!("{first} {last}"),
            email: format!("{}.{number}@{domain}.example", last.to_lowercase()),
            phone: format!("+44 20 {:04} {:04}", number / 10_000 % 10_000, number % 10_000),
            company,
            source: pick(draw, &SOURCES),
            stage: STAGES[stage],
            tags,
            minutes: draw.random_range(0..DAYS * 24 * 60),
            last,
        }
    }

    /// As the API takes it.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "name": self.name, "email": self.email, "phone": self.phone, "company": self.company,
            "source": self.source, "status": self.stage, "tags": self.tags,
        })
    }
}

/// A file of so many people, from this number on; `now` is what their age is counted from.
#[must_use]
pub fn table(seed: u64, from: u64, rows: u64, now: DateTime<Utc>) -> String {
    let mut csv = String::from("Name,Email,Phone,Company,Source,Status,Tags,Created at\r\n");
    for number in from..from + rows {
        let one = Person::new(seed, number);
        let created = (now - Duration::minutes(one.minutes)).to_rfc3339_opts(SecondsFormat::Secs, true);
        let (tags, stage) = (one.tags.join("; "), one.stage);
        // Writing to a string can't fail.
        let _ = write!(
            csv,
            "{},{},{},{},{},{stage},{tags},{created}\r\n",
            one.name, one.email, one.phone, one.company, one.source
        );
    }
    csv
}
