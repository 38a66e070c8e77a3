//! What reads strangers' bytes, given any bytes at all: for tests and fuzzers. Each of these may refuse, and must neither panic
//! nor take for good what it would not give back the same.

use std::{
    fs::File,
    io::{Cursor, Write},
};

use leadline_bus::HandleError;
use leadline_proto::{events::Event, leads as proto};
use leadline_runtime::{
    caller::{Origin, Scope},
    cursor,
    time::Millis,
    violations::Violations,
    zone::Zone,
};
use prost::Message;
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::{
    fields::{Company, Fields, Name, Phone, Tags},
    filter::{Position, SortBy},
    follow_up, grpc,
    import::{
        LONGEST_CELL, LONGEST_NOTES, MOST_COLUMNS, OnDuplicate, People, Task,
        header::{self, Field},
        row::read,
        table::{Cells, RawRow, Table},
    },
    search::{Haystack, normalise, words},
    stage::{Source, Status},
};

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a file can be made");
    file.write_all(bytes).expect("a file can be written");
    file
}

/// An imported file: looked at, counted, and read row by row.
pub fn table(bytes: &[u8]) {
    let Ok(mut table) = Table::open(file(bytes)) else { return };
    let Ok(headers) = table.header() else { return };
    let counted = table.count(&|| true);
    let Ok(columns) = header::columns(&headers, &[]) else { return };
    let task = Task {
        file_name: "leads.csv".to_owned(),
        on_duplicate: OnDuplicate::Skip,
        dry_run: false,
        zone: Zone::UTC,
        columns,
        people: People::new(),
        origin: Origin::default(),
    };
    let (mut rows, mut line) = (0_u64, 0);
    let now = Millis(1_800_000_000_000);
    let walked = table.walk(&mut |row: RawRow| {
        assert!(row.line > line, "line {} follows {line}", row.line);
        line = row.line;
        if let Cells::Good(cells) = &row.cells {
            assert!(cells.len() <= MOST_COLUMNS, "{} cells", cells.len());
        }
        let read = read(&task, rows, row, now);
        match read.draft {
            Ok(_) => {
                let fields = task.columns.iter().map(|column| column.field).chain(std::iter::repeat(None));
                for (cell, field) in read.cells.iter().zip(fields) {
                    let most = if field == Some(Field::Note) { LONGEST_NOTES } else { LONGEST_CELL };
                    assert!(cell.chars().count() <= most, "a cell of {} bytes", cell.len());
                }
            }
            Err(reasons) => assert!(!reasons.is_empty(), "a row was refused for nothing"),
        }
        rows += 1;
        true
    });
    match counted {
        Ok(counted) => assert_eq!(counted.map(|behind| behind + 1), walked.is_ok().then_some(rows)),
        Err(_) => assert!(walked.is_err() || rows == 0, "counting it failed and reading it did not"),
    }
}

const TYPES: &str = r#"<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/></Types>"#;
const RELATIONS: &str = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings" Target="sharedStrings.xml"/></Relationships>"#;
const BOOK: &str = r#"<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="a" sheetId="1" r:id="rId1"/></sheets></workbook>"#;

/// A workbook that is whole as a file: its sheet, and, behind the first NUL, the texts that the sheet names.
pub fn sheet(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let (sheet, texts) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in [
        ("[Content_Types].xml", TYPES.as_bytes()),
        ("xl/workbook.xml", BOOK.as_bytes()),
        ("xl/_rels/workbook.xml.rels", RELATIONS.as_bytes()),
        ("xl/worksheets/sheet1.xml", sheet),
        ("xl/sharedStrings.xml", texts),
    ] {
        zip.start_file(name, SimpleFileOptions::default()).expect("a part begins");
        zip.write_all(text).expect("a part is written");
    }
    table(zip.finish().expect("a file ends").get_ref());
}

/// A question, and on the next lines the name, the company and the phone of a lead that it is asked of.
pub fn question(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    let words = words(lines.next().unwrap_or_default());
    for word in &words {
        assert_eq!(normalise(&word.text), word.text, "normalising twice is not as once");
    }
    let fields = Fields {
        name: Name::parse(lines.next().unwrap_or_default())
            .unwrap_or_else(|_| Name::stored("Ada".to_owned())),
        email: None,
        company: Company::parse(lines.next().unwrap_or_default()).ok().flatten(),
        phone: Phone::parse(lines.next().unwrap_or_default()).ok().flatten(),
        source: Source::Other,
        status: Status::New,
        tags: Tags::default(),
        owner: None,
    };
    let haystack = Haystack::of(&fields);
    let grams = haystack.grams();
    for word in words {
        let candidate = word.grams().iter().all(|gram| grams.contains(gram.as_str()));
        assert!(
            candidate || !word.is_in(&haystack),
            "{word:?} is in {haystack:?}, and an index would not find it"
        );
    }
}

/// A cursor, and the place that is inside it.
pub fn place(bytes: &[u8]) {
    for by in [SortBy::CreatedAt, SortBy::UpdatedAt, SortBy::Name, SortBy::Company, SortBy::Status] {
        if let Some(position) = Position::of_bytes(bytes, by) {
            assert_eq!(position.to_bytes(), bytes);
        }
    }
    let sealed = cursor::seal(b"query", bytes);
    if sealed.len() <= 4096 {
        assert_eq!(cursor::open(b"query", &sealed).as_deref(), Ok(bytes));
        assert!(cursor::open(b"another", &sealed).is_err());
    }
    let text = String::from_utf8_lossy(bytes);
    if let Ok(opened) = cursor::open(b"query", &text) {
        assert_eq!(cursor::seal(b"query", &opened), text);
    }
}

/// A filter as it comes over the wire.
pub fn filter(bytes: &[u8]) {
    let Ok(given) = proto::LeadFilter::decode(bytes) else { return };
    let mut violations = Violations::default();
    grpc::filter_of(&mut violations, &given, Millis(1_800_000_000_000));
}

/// An event as it comes from the broker, and what this service takes from it.
pub fn event(bytes: &[u8]) {
    let Ok(event) = Event::decode(bytes) else { return };
    let again = Event::decode(event.encode_to_vec().as_slice());
    assert_eq!(again.as_ref(), Ok(&event), "an event that is handed on is another");
    match follow_up::read(&event) {
        Ok(Some(told)) => {
            assert_eq!(Some(told.scope), Scope::of_event(&event), "it goes to another workspace");
            assert!(told.at.is_none_or(|at| (Millis::MIN..=Millis::MAX).contains(&at)), "{:?}", told.at);
            assert!(i64::try_from(told.revision).is_ok(), "{}", told.revision);
        }
        Ok(None) => {}
        Err(error) => {
            assert!(matches!(error, HandleError::Poison { .. }), "it comes again for ever: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use leadline_testbed::throw;

    const ROUNDS: u64 = 3_000;

    fn corpus(name: &str) -> String {
        format!("{}/../../fuzz/corpus/{name}", env!("CARGO_MANIFEST_DIR"))
    }

    #[test]
    fn no_file_breaks_the_reading_of_tables() {
        throw(&corpus("table"), ROUNDS / 8, super::table);
    }

    #[test]
    fn no_sheet_breaks_the_reading_of_workbooks() {
        throw(&corpus("sheet"), ROUNDS / 8, super::sheet);
    }

    #[test]
    fn no_question_breaks_the_search() {
        throw(&corpus("question"), ROUNDS, super::question);
    }

    #[test]
    fn no_cursor_breaks_a_list() {
        throw(&corpus("place"), ROUNDS, super::place);
    }

    #[test]
    fn no_filter_breaks_a_list() {
        throw(&corpus("filter"), ROUNDS, super::filter);
    }

    #[test]
    fn no_event_breaks_its_consumer() {
        throw(&corpus("event"), ROUNDS, super::event);
    }
}
