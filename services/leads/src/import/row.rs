//! What a row says of a lead, by the rules of fields.

use chrono::NaiveDateTime;
use leadline_documents::{split_tags, undefuse};
use leadline_runtime::{
    ids::UserId,
    time::Millis,
    zone::{Zone, parse_date},
};

use super::{
    Named, People, Task,
    header::Field,
    table::{Cells, RawRow},
};
use crate::{
    fields::{Company, Email, Name, NoteText, Phone, Tags},
    search::normalise,
    stage::{Source, Status},
};

/// The most notes of one row: an export writes no more.
const MOST_NOTES: usize = 50;

/// What a row says; what it says nothing of is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Draft {
    /// The name.
    pub name: Option<Name>,
    /// The address.
    pub email: Option<Email>,
    /// The phone.
    pub phone: Option<Phone>,
    /// The company.
    pub company: Option<Company>,
    /// Where it came from.
    pub source: Option<Source>,
    /// The stage.
    pub status: Option<Status>,
    /// The tags.
    pub tags: Option<Tags>,
    /// Whose it is.
    pub owner: Option<UserId>,
    /// When it was made.
    pub created_at: Option<Millis>,
    /// The notes, newest first.
    pub notes: Vec<DraftNote>,
}

/// A note of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftNote {
    /// What it says.
    pub text: NoteText,
    /// Who wrote it, if the row says so.
    pub author: Option<UserId>,
    /// When, if the row says so.
    pub at: Option<Millis>,
}

/// A row, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its number; the first behind the header is 0.
    pub nth: u64,
    /// The line on which it begins; the header's is 1 in most files.
    pub line: u64,
    /// Its cells, as they stand in the file.
    pub cells: Vec<String>,
    /// What it says, or every reason why it can't be taken.
    pub draft: Result<Draft, Vec<String>>,
}

/// Notes what is wrong, and takes what is not.
#[derive(Default)]
struct Reasons(Vec<String>);

impl Reasons {
    fn take<T, E: std::fmt::Display>(&mut self, field: &str, parsed: Result<T, E>) -> Option<T> {
        parsed.map_err(|error| self.0.push(format!("{field} {error}"))).ok()
    }
}

fn one_of<T: Copy>(text: &str, all: &[T], name: fn(T) -> &'static str) -> Result<T, String> {
    let found = all.iter().find(|one| name(**one).eq_ignore_ascii_case(text.trim()));
    found.copied().ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|one| name(*one)).collect();
        format!("must be one of {}", names.join(", "))
    })
}

fn owner(text: &str, people: &People) -> Result<UserId, &'static str> {
    match people.get(&normalise(text)) {
        Some(Named::Member(user)) => Ok(*user),
        Some(Named::Several) => Err("is the name of several members: write the address of one"),
        Some(Named::Former(_)) | None => Err("must be the name or the address of a member of the workspace"),
    }
}

/// A time: RFC 3339, or a date, with a time or without, by the clock of the zone.
fn time(text: &str, zone: Zone) -> Option<Millis> {
    let text = text.trim();
    if let Ok(at) = Millis::parse(text) {
        return Some(at);
    }
    if let Ok(date) = parse_date(text) {
        return Some(zone.start_of_day(date));
    }
    let text = text.replacen('T', " ", 1);
    let formats = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"];
    let local = formats.iter().find_map(|format| NaiveDateTime::parse_from_str(&text, format).ok())?;
    let at = zone.instant(local);
    (Millis::MIN..=Millis::MAX).contains(&at).then_some(at)
}

fn past(text: &str, zone: Zone, now: Millis) -> Result<Millis, &'static str> {
    match time(text, zone) {
        Some(at) if at > now => Err("must not lie in the future"),
        Some(at) => Ok(at),
        None => Err("must be a time such as 2026-11-23, 2026-11-23 09:30 or 2026-11-23T09:30:00Z"),
    }
}

fn tags(text: &str) -> Result<Tags, String> {
    Tags::parse(&split_tags(text)).map_err(|faults| {
        let mut told: Vec<String> = Vec::new();
        for (_, fault) in faults {
            let fault = fault.to_string();
            if !told.contains(&fault) {
                told.push(fault);
            }
        }
        told.join(", ")
    })
}

/// The time and the author with which an export begins a note, and where its text begins: `2026-11-23 10:30 Una: Called.`
fn heading(text: &str) -> Option<(&str, &str, usize)> {
    let time = text.get(..16)?;
    let shape = time.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        10 => byte == b' ',
        13 => byte == b':',
        _ => byte.is_ascii_digit(),
    });
    let rest = text.get(16..)?.strip_prefix(' ')?;
    let (author, _) = rest.split_once(": ")?;
    let good = shape && !author.is_empty() && author.len() <= 400 && !author.contains('\n');
    good.then_some((time, author, 17 + author.len() + 2))
}

/// The notes of a cell, newest first: as an export writes them, or the whole cell as one.
fn notes(cell: &str, task: &Task, now: Millis) -> Result<Vec<DraftNote>, String> {
    let mut starts = vec![0];
    if heading(cell).is_some() {
        let breaks = cell.match_indices("\n\n").map(|(at, _)| at + 2);
        starts.extend(breaks.filter(|at| heading(&cell[*at..]).is_some()));
    }
    if starts.len() > MOST_NOTES {
        return Err(format!("must be at most {MOST_NOTES} notes"));
    }
    let ends = starts.iter().skip(1).map(|at| at - 2).chain([cell.len()]);
    let mut notes = Vec::new();
    for (nth, (from, to)) in starts.iter().zip(ends).enumerate() {
        let part = &cell[*from..to];
        let (mut text, mut author, mut at) = (part.to_owned(), None, None);
        if let Some((when, who, begins)) = heading(part) {
            // Notes of one minute stay in their order.
            let later = i64::try_from(starts.len() - nth).unwrap_or(0);
            at = time(when, task.zone).map(|at| Millis(at.0 + later)).filter(|at| *at <= now);
            if at.is_some() {
                author = match task.people.get(&normalise(who)) {
                    Some(Named::Member(user) | Named::Former(user)) => Some(*user),
                    Some(Named::Several) | None => None,
                };
                text = match author {
                    Some(_) => part[begins..].to_owned(),
                    None => format!("{who}: {}", &part[begins..]),
                };
            }
        }
        let text = NoteText::parse(&text).map_err(|fault| fault.to_string())?;
        notes.push(DraftNote { text, author, at });
    }
    Ok(notes)
}

/// Reads a row.
#[must_use]
pub fn read(task: &Task, nth: u64, raw: RawRow, now: Millis) -> Row {
    let RawRow { line, cells } = raw;
    let bad = |reason: &str| Row { nth, line, cells: Vec::new(), draft: Err(vec![reason.to_owned()]) };
    match cells {
        Cells::TooLong => bad(
            "a cell has more than 100,000 characters, or all have more than 1 MiB: is a quotation mark missing?",
        ),
        Cells::TooMany => bad("has more than 200 cells: is a line break missing?"),
        Cells::Good(cells) => {
            let draft = draft(task, &cells, now);
            Row { nth, line, cells, draft }
        }
    }
}

fn draft(task: &Task, cells: &[String], now: Millis) -> Result<Draft, Vec<String>> {
    let mut reasons = Reasons::default();
    if cells.iter().skip(task.columns.len()).any(|cell| !cell.trim().is_empty()) {
        reasons.0.push(format!(
            "has {} cells, but the header has {}: is a quotation mark missing?",
            cells.len(),
            task.columns.len()
        ));
    }
    let mut draft = Draft::default();
    let (mut first, mut last) = (None, None);
    for (column, cell) in task.columns.iter().zip(cells) {
        let Some(field) = column.field else { continue };
        let text = undefuse(cell);
        if text.trim().is_empty() {
            continue;
        }
        let name = field.name();
        match field {
            Field::Name => draft.name = reasons.take(name, Name::parse(text)),
            Field::FirstName => first = Some(text.trim()),
            Field::LastName => last = Some(text.trim()),
            Field::Email => draft.email = reasons.take(name, Email::parse(text)),
            Field::Phone => draft.phone = reasons.take(name, Phone::parse(text)).flatten(),
            Field::Company => draft.company = reasons.take(name, Company::parse(text)).flatten(),
            Field::Source => draft.source = reasons.take(name, one_of(text, &Source::ALL, Source::name)),
            Field::Status => draft.status = reasons.take(name, one_of(text, &Status::ALL, Status::name)),
            Field::Tags => draft.tags = reasons.take(name, tags(text)).filter(|tags| !tags.is_empty()),
            Field::Owner => draft.owner = reasons.take(name, owner(text, &task.people)),
            Field::CreatedAt => draft.created_at = reasons.take(name, past(text, task.zone, now)),
            Field::Note => draft.notes = reasons.take(name, notes(text, task, now)).unwrap_or_default(),
        }
    }
    let both: Vec<&str> = [first, last].into_iter().flatten().collect();
    let named = task
        .columns
        .iter()
        .zip(cells)
        .any(|(column, cell)| column.field == Some(Field::Name) && !cell.trim().is_empty());
    if !named && !both.is_empty() {
        draft.name = reasons.take("name", Name::parse(&both.join(" ")));
    }
    // With an address or a phone it may be a lead that is there, and has a name.
    if !named && both.is_empty() && draft.email.is_none() && draft.phone.is_none() {
        reasons.0.push(NO_NAME.to_owned());
    }
    if reasons.0.is_empty() { Ok(draft) } else { Err(reasons.0) }
}

/// Why no lead can be made of a row without a name.
pub const NO_NAME: &str = "name is required and must not be blank";

#[cfg(test)]
mod tests {
    use leadline_runtime::caller::Origin;

    use super::*;
    use crate::import::{Column, OnDuplicate, header};

    fn task(headers: &[&str]) -> Task {
        let headers: Vec<String> = headers.iter().map(|header| (*header).to_owned()).collect();
        let columns: Vec<Column> = header::columns(&headers, &[]).unwrap();
        Task {
            file_name: "leads.csv".to_owned(),
            on_duplicate: OnDuplicate::Skip,
            dry_run: false,
            zone: Zone::parse("Europe/Berlin").unwrap(),
            columns,
            people: People::new(),
            origin: Origin::default(),
        }
    }

    fn row(task: &Task, cells: &[&str]) -> Result<Draft, Vec<String>> {
        let cells = Cells::Good(cells.iter().map(|cell| (*cell).to_owned()).collect());
        read(task, 0, RawRow { line: 2, cells }, Millis::now()).draft
    }

    #[test]
    fn every_reason_against_a_row_is_told() {
        let task = task(&["Name", "Email", "Source", "Status", "Owner", "Created at"]);
        let reasons =
            row(&task, &["a\tb", "nobody", "Fax", "Sold", "Zoë", "2999-01-01", "extra"]).unwrap_err();
        assert_eq!(reasons.len(), 7, "{reasons:#?}");
        for (reason, part) in reasons.iter().zip([
            "7 cells",
            "name must not contain",
            "email must be",
            "Website, Referral",
            "New, Contacted",
            "member",
            "future",
        ]) {
            assert!(reason.contains(part), "{reason} {part}");
        }
    }

    #[test]
    fn words_are_taken_without_case_and_empty_cells_say_nothing() {
        let task = task(&["Name", "Source", "Status", "Tags", "Email"]);
        let draft = row(&task, &[" Ada ", "AD", " lost", "vip; Vip;hot", " "]).unwrap();
        assert_eq!(draft.name, Name::parse("Ada").ok());
        assert_eq!((draft.source, draft.status), (Some(Source::Ad), Some(Status::Lost)));
        assert_eq!(draft.tags.unwrap().to_texts(), ["vip", "hot"]);
        assert_eq!(draft.email, None);
        assert_eq!(row(&task, &["", "ad"]), Err(vec![NO_NAME.to_owned()]));
        assert!(row(&task, &["", "", "", "", "a@b.de"]).is_ok());
    }

    #[test]
    fn first_and_last_names_make_a_name_where_there_is_none() {
        let task = task(&["First name", "Last name", "Name"]);
        assert_eq!(row(&task, &["Ada", "Lovelace", ""]).unwrap().name, Name::parse("Ada Lovelace").ok());
        assert_eq!(row(&task, &["", "Lovelace"]).unwrap().name, Name::parse("Lovelace").ok());
        assert_eq!(row(&task, &["Ada", "Lovelace", "Countess"]).unwrap().name, Name::parse("Countess").ok());
    }

    #[test]
    fn times_are_read_by_the_clock_of_the_zone() {
        let zone = Zone::parse("Europe/Berlin").unwrap();
        for (text, expected) in [
            ("2026-11-23", "2026-11-22T23:00:00.000Z"),
            ("2026-11-23 09:30", "2026-11-23T08:30:00.000Z"),
            ("2026-11-23 09:30:15", "2026-11-23T08:30:15.000Z"),
            ("2026-11-23T09:30:15.250", "2026-11-23T08:30:15.250Z"),
            ("2026-11-23T09:30:00.000+00:00", "2026-11-23T09:30:00.000Z"),
        ] {
            assert_eq!(time(text, zone).map(|at| at.to_string()).as_deref(), Some(expected), "{text}");
        }
        for bad in ["23.11.2026", "now", "2026-13-01", "2026-11-23 25:00"] {
            assert_eq!(time(bad, zone), None, "{bad}");
        }
    }

    #[test]
    fn notes_of_an_export_come_back_with_author_and_time() {
        let mut task = task(&["Name", "Notes"]);
        let una = UserId::new();
        task.people.insert("una".to_owned(), Named::Former(una));
        let cell = "2020-11-23 10:30 Una: =later\n\nstill\n\n2020-11-23 10:30 Una: earlier\n\n2019-01-01 00:00 Ben: hi";
        let notes = row(&task, &["Ada", cell]).unwrap().notes;
        let texts: Vec<&str> = notes.iter().map(|note| note.text.as_str()).collect();
        assert_eq!(texts, ["=later\n\nstill", "earlier", "Ben: hi"]);
        assert_eq!((notes[0].author, notes[2].author), (Some(una), None));
        assert!(notes[0].at > notes[1].at && notes[1].at > notes[2].at);
        let plain = row(&task, &["Ada", "'=called\n\ntwice"]).unwrap().notes;
        assert_eq!((plain.len(), plain[0].text.as_str()), (1, "=called\n\ntwice"));
    }

    #[test]
    fn owners_are_members_by_name_or_address() {
        let mut task = task(&["Name", "Owner"]);
        let una = UserId::new();
        task.people.insert("una".to_owned(), Named::Member(una));
        task.people.insert("ben".to_owned(), Named::Several);
        assert_eq!(row(&task, &["Ada", " UNA "]).unwrap().owner, Some(una));
        assert!(row(&task, &["Ada", "Ben"]).unwrap_err()[0].contains("several"));
        assert!(row(&task, &["Ada", "Cid"]).unwrap_err()[0].contains("member"));
    }
}
