//! Names, companies, notes: what the stories are told with. Nobody in them exists: addresses are under reserved names
//! (RFC 2606), phone numbers in ranges kept for fiction.

use rand::{RngExt, rngs::StdRng};

/// Somebody's name and what their address is made of.
pub(super) struct Person {
    pub full: String,
    first: String,
    last: String,
}

const FIRST: &[&str] = &[
    "Ada",
    "Amara",
    "Aisha",
    "Akira",
    "Alejandro",
    "Anja",
    "Anna",
    "Arjun",
    "Asel",
    "Beatriz",
    "Ben",
    "Bjørn",
    "Camille",
    "Carlos",
    "Chiara",
    "Chloé",
    "Daniel",
    "Deepa",
    "Diego",
    "Dmitri",
    "Elena",
    "Eleni",
    "Emeka",
    "Emma",
    "Erik",
    "Fatima",
    "Felix",
    "Freya",
    "Gabriel",
    "Grace",
    "Hana",
    "Hassan",
    "Hiro",
    "Ines",
    "Ingrid",
    "Isabel",
    "Ivan",
    "Jana",
    "Jonas",
    "José",
    "Julia",
    "Kaito",
    "Karim",
    "Katarzyna",
    "Kwame",
    "Lars",
    "Laura",
    "Leila",
    "Léa",
    "Liam",
    "Lucía",
    "Łukasz",
    "Maja",
    "Marco",
    "Maria",
    "Mateo",
    "Mei",
    "Mia",
    "Milan",
    "Mohammed",
    "Nadia",
    "Naomi",
    "Nikos",
    "Noah",
    "Nour",
    "Olga",
    "Oliver",
    "Omar",
    "Paula",
    "Pedro",
    "Priya",
    "Rania",
    "Ravi",
    "Robert",
    "Rosa",
    "Ruth",
    "Samuel",
    "Sara",
    "Sofia",
    "Stefan",
    "Tariq",
    "Tomasz",
    "Tunde",
    "Valentina",
    "Victor",
    "Wei",
    "Yara",
    "Yuki",
    "Zoë",
    "Željko",
];

const LAST: &[&str] = &[
    "Abebe",
    "Adeyemi",
    "Almeida",
    "Andersen",
    "Bauer",
    "Becker",
    "Bianchi",
    "Böhm",
    "Brown",
    "Castillo",
    "Chen",
    "Costa",
    "Cruz",
    "Dąbrowski",
    "Diallo",
    "Dubois",
    "Eriksson",
    "Fernández",
    "Ferrari",
    "Fischer",
    "Fontaine",
    "Garcia",
    "Gupta",
    "Haddad",
    "Hansen",
    "Hoffmann",
    "Horvat",
    "Ito",
    "Ivanova",
    "Jansen",
    "Johnson",
    "Kaya",
    "Keller",
    "Khan",
    "Kimura",
    "Kowalska",
    "Larsen",
    "Lefèvre",
    "Lindqvist",
    "López",
    "Martin",
    "Mensah",
    "Moreau",
    "Müller",
    "Nakamura",
    "Nguyen",
    "Novák",
    "Nwosu",
    "O'Brien",
    "Okafor",
    "Oliveira",
    "Öztürk",
    "Papadopoulos",
    "Park",
    "Patel",
    "Pereira",
    "Petrov",
    "Quinn",
    "Rahman",
    "Ricci",
    "Rossi",
    "Sánchez",
    "Santos",
    "Schmidt",
    "Schneider",
    "Sharma",
    "Silva",
    "Singh",
    "Smith",
    "Sørensen",
    "Suzuki",
    "Takahashi",
    "Tanaka",
    "Torres",
    "Vargas",
    "Virtanen",
    "Wagner",
    "Walker",
    "Weber",
    "Williams",
    "Wójcik",
    "Yilmaz",
    "Zhang",
    "Zimmermann",
];

const FIRM_FIRST: &[&str] = &[
    "Alder",
    "Amber",
    "Arbor",
    "Atlas",
    "Aurora",
    "Beacon",
    "Birch",
    "Blue Harbour",
    "Bright",
    "Cedar",
    "Clover",
    "Cobalt",
    "Copper",
    "Coral",
    "Delta",
    "Elm",
    "Ember",
    "Evergreen",
    "Falcon",
    "Fjord",
    "Granite",
    "Harbour",
    "Hazel",
    "Helio",
    "Iris",
    "Juniper",
    "Kestrel",
    "Lark",
    "Linden",
    "Lumen",
    "Maple",
    "Meridian",
    "Mosaic",
    "Nimbus",
    "Nordic",
    "North",
    "Oak",
    "Ochre",
    "Olive",
    "Orchard",
    "Pebble",
    "Pine",
    "Polar",
    "Quarry",
    "Quill",
    "River",
    "Rowan",
    "Saffron",
    "Sage",
    "Silver",
    "Sparrow",
    "Summit",
    "Sycamore",
    "Tandem",
    "Terra",
    "Tidal",
    "Umber",
    "Vale",
    "Vector",
    "Willow",
    "Zephyr",
];

const FIRM_LAST: &[&str] = &[
    "Analytics",
    "Architects",
    "Bakery",
    "Clinics",
    "Consulting",
    "Design",
    "Dental",
    "Energy",
    "Engineering",
    "Events",
    "Farms",
    "Fitness",
    "Foods",
    "Garden Centre",
    "Hotels",
    "Interiors",
    "Kitchens",
    "Labs",
    "Legal",
    "Logistics",
    "Machines",
    "Media",
    "Mobility",
    "Optics",
    "Outdoor",
    "Packaging",
    "Partners",
    "Pharma",
    "Print",
    "Properties",
    "Robotics",
    "School",
    "Security",
    "Software",
    "Solar",
    "Studio",
    "Supply",
    "Systems",
    "Tools",
    "Travel",
    "Works",
];

const TAGS: &[&str] = &[
    "newsletter",
    "trade fair",
    "demo asked",
    "price asked",
    "urgent",
    "partner",
    "enterprise",
    "retail",
    "returning",
];

/// Why leads were lost.
pub(super) const REASONS: &[&str] = &[
    "Chose a competitor",
    "No budget this year",
    "No answer after three tries",
    "Too expensive",
    "Bad timing",
    "Not a fit",
    "Solved it in-house",
];

/// Notes of a first contact.
pub(super) const CONTACTED: &[&str] = &[
    "Called, left a voicemail. Will try again tomorrow morning.",
    "Good first call. They want to see it with their own data.",
    "Answered by mail with the overview and two dates for a call.",
    "Spoke to the assistant; the decision is made by the managing director.",
    "Interested, but {company} is in the middle of a move. Call again in two weeks.",
    "Asked how we compare to what they use now. Sent the comparison.",
    "Short call. Eight people in the team, all on spreadsheets.",
    "Wants prices for five and for twenty seats.",
];

/// Notes of a qualification.
pub(super) const QUALIFIED: &[&str] = &[
    "Budget is there, decision by the end of the month.",
    "Demo went well. Open question: can they import their old list?",
    "{company} has three locations; they start with one.",
    "Needs a data processing agreement before the trial. Sent ours.",
    "Two more people join the next call, one of them from IT.",
    "They compare us with one other offer. Price is not the problem, time to start is.",
];

/// Notes of a deal that was won.
pub(super) const CONVERTED: &[&str] = &[
    "Signed! Kick-off is on Tuesday.",
    "Won. They start with ten seats and add the rest in spring.",
    "Order is in. Introduced them to support.",
    "Signed for a year. Asked for a case study, {company} said maybe later.",
];

/// What reminders say.
pub(super) const PROMISES: &[&str] = &[
    "Call back about pricing",
    "Send the revised proposal",
    "Ask whether the demo dates work",
    "Follow up after the trade fair",
    "Check in: decision was due this week",
    "Send the data processing agreement",
    "Share the case study",
    "Confirm who joins the call",
    "Ask for the missing numbers",
];

/// One of them.
pub(super) fn pick(random: &mut StdRng, from: &[&'static str]) -> &'static str {
    from[random.random_range(0..from.len())]
}

pub(super) fn person(random: &mut StdRng) -> Person {
    let (first, last) = (pick(random, FIRST), pick(random, LAST));
    Person { full: format!("{first} {last}"), first: first.to_owned(), last: last.to_owned() }
}

pub(super) fn company(random: &mut StdRng) -> String {
    format!("{} {}", pick(random, FIRM_FIRST), pick(random, FIRM_LAST))
}

pub(super) fn email(person: &Person, company: Option<&str>, random: &mut StdRng) -> String {
    let (first, last) = (plain(&person.first), plain(&person.last));
    let host = company.map_or_else(|| "mail".to_owned(), plain);
    let name = match random.random_range(0..3) {
        0 => format!("{first}.{last}"),
        1 => format!("{}{last}", &first[..1]),
        _ => first,
    };
    format!("{name}@{host}.example")
}

pub(super) fn phone(random: &mut StdRng) -> String {
    let line = random.random_range(0..100);
    match random.random_range(0..4) {
        0 => format!("+44 20 7946 {:04}", random.random_range(0..1000)),
        1 => format!("+1 (202) 555-01{line:02}"),
        2 => format!("+49 30 23125 {:03}", random.random_range(0..1000)),
        _ => format!("+33 1 99 00 {line:02} {:02}", random.random_range(0..100)),
    }
}

pub(super) fn tags(random: &mut StdRng) -> Vec<&'static str> {
    let mut tags: Vec<&str> = (0..random.random_range(0..3)).map(|_| pick(random, TAGS)).collect();
    tags.dedup();
    tags
}

/// Puts the company into a note that names one.
pub(super) fn fill(text: &str, company: Option<&str>) -> String {
    text.replace("{company}", company.unwrap_or("the customer"))
}

/// Only letters that an address may have without quotes.
fn plain(text: &str) -> String {
    let known = |c: char| match c {
        'á' | 'à' | 'ą' | 'ä' => 'a',
        'é' | 'è' | 'ë' | 'ê' => 'e',
        'í' | 'ï' => 'i',
        'ó' | 'ö' | 'ø' => 'o',
        'ú' | 'ü' => 'u',
        'ł' => 'l',
        'ž' => 'z',
        other => other,
    };
    let letters: String =
        text.to_lowercase().chars().map(known).filter(|c| c.is_ascii_alphanumeric()).collect();
    if letters.is_empty() { "someone".to_owned() } else { letters }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn every_name_makes_an_address_of_plain_letters_under_a_reserved_name() {
        let mut random = StdRng::seed_from_u64(1);
        for _ in 0..2000 {
            let (person, firm) = (person(&mut random), company(&mut random));
            let address = email(&person, Some(&firm), &mut random);
            assert!(address.is_ascii() && address.ends_with(".example"), "{address}");
        }
    }
}
