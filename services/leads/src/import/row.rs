//! What a row says of a lead, by the rules of fields.

use std::time::Duration;

use chrono::NaiveDateTime;
use leadline_documents::{NoteRead, split_notes, split_tags, undefuse};
use leadline_runtime::{
    ids::UserId,
    time::Millis,
    zone::{Zone, parse_date},
};

use super::{
    LONGEST_CELL, LONGEST_NOTES, Task,
    header::Field,
    people,
    table::{Cells, RawRow},
};
use crate::{
    fields::{Company, Email, Name, NoteText, Phone, Tags},
    stage::{Source, Status},
};

/// The most notes of one row: an export writes no more.
const MOST_NOTES: usize = 50;
/// So much of the day is repeated where a clock is set back.
const REPEATED: [Duration; 2] = [Duration::from_secs(30 * 60), Duration::from_secs(60 * 60)];

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
    /// When it entered its stage; not before it was made.
    pub status_changed_at: Option<Millis>,
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

/// When a lead entered its stage: not before it was made. A workbook's clock does not tell which of the two hours it means that
/// a clock change repeats: what was before then may have been after.
fn entered(at: Millis, created_at: Option<Millis>, zone: Zone) -> Result<Millis, &'static str> {
    let Some(created_at) = created_at.filter(|created_at| at < *created_at) else { return Ok(at) };
    let reads_the_same = |later: &Millis| zone.local(*later).naive_local() == zone.local(at).naive_local();
    let later = REPEATED.map(|repeated| at.after(repeated));
    let found = later.into_iter().find(|later| *later >= created_at && reads_the_same(later));
    found.ok_or("must not lie before the lead was made")
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

/// The notes of a cell, newest first: as an export writes them, or the whole cell as one.
fn notes(cell: &str, task: &Task, now: Millis) -> Result<Vec<DraftNote>, String> {
    let text = |text: &str| NoteText::parse(text).map_err(|fault| fault.to_string());
    let whole = |cell: &str| -> Result<Vec<DraftNote>, String> {
        Ok(vec![DraftNote { text: text(cell)?, author: None, at: None }])
    };
    let Some(read) = split_notes(cell) else { return whole(cell) };
    // A clock shows no such time: no export has written this.
    let times: Option<Vec<Millis>> = read.iter().map(|note| time(&note.at, task.zone)).collect();
    let Some(times) = times else { return whole(cell) };
    let count = read.len();
    if count > MOST_NOTES {
        return Err(format!("must be at most {MOST_NOTES} notes"));
    }
    let one = |(nth, (note, at)): (usize, (NoteRead, Millis))| -> Result<DraftNote, String> {
        // Notes of one minute stay in their order, and none is from the future, wherever its clock stood.
        let place = |nth: usize| i64::try_from(nth).unwrap_or(0);
        let at = Some(Millis(at.0 + place(count - nth)).min(Millis(now.0 - place(nth))));
        let author = people::author(&note.author, &task.people);
        let signed = || format!("{}: {}", note.author, note.text);
        let text = match author {
            Some(_) => text(&note.text)?,
            // Who wrote it is told in it, if there is room.
            None => text(&signed()).or_else(|_| text(&note.text))?,
        };
        Ok(DraftNote { text, author, at })
    };
    read.into_iter().zip(times).enumerate().map(one).collect()
}

/// Reads a row.
#[must_use]
pub fn read(task: &Task, nth: u64, raw: RawRow, now: Millis) -> Row {
    let RawRow { line, cells } = raw;
    let bad = |cells, reason: &str| Row { nth, line, cells, draft: Err(vec![reason.to_owned()]) };
    match cells {
        Cells::TooLong(cells) => bad(
            cells,
            "a cell has more than 600,000 characters, or all have more than 1 MiB, of which only the beginning stands here: \
             is a quotation mark missing?",
        ),
        Cells::TooMany(cells) => bad(
            cells,
            "has more than 200 cells, of which only the first stand here: is a line break missing?",
        ),
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
    for (nth, cell) in cells.iter().enumerate() {
        let column = task.columns.get(nth);
        let (most, told) = match column.and_then(|column| column.field) {
            Some(Field::Note) => (LONGEST_NOTES, "600,000"),
            _ => (LONGEST_CELL, "100,000"),
        };
        if cell.len() > most && cell.chars().nth(most).is_some() {
            let header = column.map_or("a cell", |column| column.header.as_str());
            reasons.0.push(format!("{header} has more than {told} characters: is a quotation mark missing?"));
        }
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
            Field::Owner => draft.owner = reasons.take(name, people::owner(text, &task.people)).flatten(),
            Field::CreatedAt => draft.created_at = reasons.take(name, past(text, task.zone, now)),
            Field::StatusChangedAt => {
                draft.status_changed_at = reasons.take(name, past(text, task.zone, now));
            }
            Field::Note => draft.notes = reasons.take(name, notes(text, task, now)).unwrap_or_default(),
        }
    }
    if let Some(at) = draft.status_changed_at {
        let entered = entered(at, draft.created_at, task.zone);
        draft.status_changed_at = reasons.take(Field::StatusChangedAt.name(), entered);
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
    use crate::import::{Column, Named, OnDuplicate, People, header};

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

    fn raw(cells: &[&str]) -> RawRow {
        let cells = Cells::Good(cells.iter().map(|cell| (*cell).to_owned()).collect());
        RawRow { line: 2, cells }
    }

    fn row(task: &Task, cells: &[&str]) -> Result<Draft, Vec<String>> {
        read(task, 0, raw(cells), Millis::now()).draft
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
    fn a_lead_entered_its_stage_after_it_was_made_and_not_in_the_future() {
        let task = task(&["Name", "Created at", "Status changed at"]);
        let entered = |created: &str, entered: &str| {
            row(&task, &["Ada", created, entered])
                .map(|draft| draft.status_changed_at.map(|at| at.to_string()))
        };
        let is = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(entered("2020-05-01", "2020-05-02 12:00"), is("2020-05-02T10:00:00.000Z"));
        assert_eq!(entered("2020-05-01", "2020-05-01"), is("2020-04-30T22:00:00.000Z"));
        assert_eq!(entered("", "2020-05-01"), is("2020-04-30T22:00:00.000Z"));
        assert_eq!(entered("2020-05-01", ""), Ok(None));
        for (created, changed, why) in [
            ("2020-05-02", "2020-05-01", "statusChangedAt must not lie before"),
            ("2020-05-02", "2999-01-01", "statusChangedAt must not lie in the future"),
            ("2020-05-02", "soon", "statusChangedAt must be a time"),
        ] {
            let reasons = entered(created, changed).unwrap_err();
            assert!(reasons.len() == 1 && reasons[0].starts_with(why), "{reasons:?}");
        }
        // Made in the first of two hours that a workbook's clock shows alike, moved in the second.
        assert_eq!(entered("2025-10-26 02:40", "2025-10-26 02:10"), is("2025-10-26T01:10:00.000Z"));
        assert!(entered("2025-10-26 03:40", "2025-10-26 02:10").is_err());
    }

    #[test]
    fn a_cell_of_notes_may_be_as_long_as_an_export_writes_it_and_no_other() {
        let task = task(&["Name", "Notes", "Shoe size"]);
        let note = format!("2020-11-23 10:30 Una: {}", "x".repeat(9_000));
        let cell = vec![note.as_str(); 50].join("\n\n");
        assert!(cell.len() > LONGEST_CELL);
        assert_eq!(row(&task, &["Ada", &cell]).unwrap().notes.len(), 50);
        let read = read(&task, 0, raw(&["Ada", "", &"y".repeat(LONGEST_CELL + 1)]), Millis::now());
        assert!(read.draft.unwrap_err()[0].starts_with("Shoe size has more than 100,000"));
        assert_eq!(read.cells[0], "Ada");
    }

    #[test]
    fn a_row_that_is_too_long_keeps_what_of_it_was_read() {
        let task = task(&["Name", "Notes"]);
        let kept = vec!["Ada".to_owned(), "x".to_owned()];
        for cells in [Cells::TooLong(kept.clone()), Cells::TooMany(kept.clone())] {
            let read = read(&task, 0, RawRow { line: 2, cells }, Millis::now());
            assert_eq!(read.cells, kept);
            assert!(read.draft.unwrap_err()[0].contains("is a "));
        }
    }

    #[test]
    fn a_note_keeps_its_text_if_there_is_no_room_for_a_stranger_s_name() {
        let task = task(&["Name", "Notes"]);
        let full = "x".repeat(10_000);
        let note = |author: &str| {
            let cell = format!("2020-11-23 10:30 {author}: {full}\n\n2020-11-23 10:30 {author}: hi");
            row(&task, &["Ada", &cell])
                .unwrap()
                .notes
                .into_iter()
                .map(|note| note.text.as_str().to_owned())
                .collect()
        };
        let texts: Vec<String> = note("Former member");
        assert_eq!(texts, [full.as_str(), "Former member: hi"]);
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
        assert_eq!(row(&task, &["Ada", "Former member"]).unwrap().owner, None);
    }
}
