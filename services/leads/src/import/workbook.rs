//! Rows of a workbook's sheets: the first, and those that carry it on.

use std::{
    fs::File,
    io::{BufReader, Seek},
};

use calamine::{DataRef, ExcelDateTime, Reader, SheetType, SheetVisible, Xlsx, XlsxCellReader};
use leadline_documents::undefuse;

use super::{
    LONGEST_NOTES, MOST_COLUMNS,
    parts::unreadable,
    table::{Cells, LARGEST_ROW, NotATable, RawRow},
};

type Book = Xlsx<BufReader<File>>;

/// So many characters are kept of a text that is too long: it may stand in each cell.
const KEPT: usize = 1_000;

/// The most sheets that one table may be in: a year has twelve months. Several sheets may be one and the same part.
const MOST_SHEETS: usize = 16;

/// A workbook, open.
pub(super) struct Workbook {
    book: Book,
    sheets: Vec<String>,
}

impl Workbook {
    /// Opens a file that was [measured](super::parts::measure).
    pub(super) fn open(mut file: File) -> Result<Self, NotATable> {
        file.rewind()?;
        let book = Book::new(BufReader::new(file)).map_err(unreadable)?;
        let mut sheets: Vec<String> = Vec::new();
        for sheet in book.sheets_metadata() {
            // A chart has no rows, and what is hidden was not meant.
            let shown = sheet.typ == SheetType::WorkSheet && sheet.visible == SheetVisible::Visible;
            let wanted = sheets.is_empty() || (shown && !sheets.contains(&sheet.name));
            if wanted && sheets.len() < MOST_SHEETS {
                sheets.push(sheet.name.clone());
            }
        }
        Ok(Self { book, sheets })
    }

    /// Hands on the rows of the first sheet, and of each behind it that begins with the same row, without that row: so long is
    /// a table that did not fit into one. Their lines go on where those of the sheet before end. Until `more` says no.
    pub(super) fn walk(
        &mut self,
        more: &mut dyn FnMut(RawRow) -> Result<bool, NotATable>,
    ) -> Result<(), NotATable> {
        if self.sheets.is_empty() {
            return Err(NotATable::Empty);
        }
        let (mut header, mut before) = (None, 0);
        for (nth, name) in self.sheets.iter().enumerate() {
            let mut rows = match self.book.worksheet_cells_reader(name) {
                Ok(cells) => SheetRows { cells, ahead: None, ended: false },
                // Nobody asked for it.
                Err(_) if nth > 0 => continue,
                Err(error) => return Err(unreadable(error)),
            };
            let mut last = 0;
            let first = match rows.next_with_text() {
                Ok(Some(row)) if nth == 0 => row,
                Ok(Some(row)) if Some(&row.cells) == header.as_ref() => row,
                Err(error) if nth == 0 => return Err(error),
                _ => continue,
            };
            if nth == 0 {
                header = Some(first.cells.clone());
                last = first.line;
                if !more(first)? {
                    return Ok(());
                }
            }
            while let Some(row) = rows.next()? {
                last = last.max(row.line);
                if !more(RawRow { line: before + row.line, ..row })? {
                    return Ok(());
                }
            }
            before += last;
        }
        Ok(())
    }
}

/// A cell with its row and its column, and what it says; or the beginning of that, if it is too long.
type Place = (u32, u32, Result<String, String>);

/// The rows of a sheet.
struct SheetRows<'b> {
    cells: XlsxCellReader<'b, BufReader<File>>,
    /// The first cell of the next row.
    ahead: Option<Place>,
    ended: bool,
}

impl SheetRows<'_> {
    fn cell(&mut self) -> Result<Option<Place>, NotATable> {
        if let Some(cell) = self.ahead.take() {
            return Ok(Some(cell));
        }
        if self.ended {
            return Ok(None);
        }
        match self.cells.next_cell().map_err(unreadable)? {
            Some(cell) => {
                let (row, column) = cell.get_position();
                Ok(Some((row, column, text(cell.get_value()))))
            }
            None => {
                self.ended = true;
                Ok(None)
            }
        }
    }

    /// The next row in which there is more than white space.
    fn next_with_text(&mut self) -> Result<Option<RawRow>, NotATable> {
        loop {
            match self.next()? {
                Some(row) if row.cells.are_blank() => {}
                row => return Ok(row),
            }
        }
    }

    /// The next row; those without any text are none.
    fn next(&mut self) -> Result<Option<RawRow>, NotATable> {
        loop {
            let Some((row, column, first)) = self.cell()? else { return Ok(None) };
            let (mut cells, mut wide, mut filled) = (Vec::new(), false, false);
            let (mut size, mut long) = (0, false);
            let mut put = |column: u32, text: Result<String, String>| {
                let place = usize::try_from(column).unwrap_or(usize::MAX);
                if long {
                    return;
                }
                let (text, cut) = match text {
                    Ok(text) => (text, false),
                    Err(beginning) => (beginning, true),
                };
                size += text.len();
                // A text of the file may stand in each cell: the row stops before they are too many.
                long = cut || size > LARGEST_ROW;
                if text.is_empty() {
                    return;
                }
                filled = true;
                if place >= MOST_COLUMNS {
                    wide = true;
                    return;
                }
                if cells.len() <= place {
                    cells.resize(place + 1, String::new());
                }
                cells[place] = text;
            };
            put(column, first);
            while let Some((next, column, text)) = self.cell()? {
                if next != row {
                    self.ahead = Some((next, column, text));
                    break;
                }
                put(column, text);
            }
            if filled {
                let cells = match () {
                    () if long => Cells::too_long(cells),
                    () if wide => Cells::TooMany(cells),
                    () => Cells::of(cells),
                };
                return Ok(Some(RawRow { line: u64::from(row) + 1, cells }));
            }
        }
    }
}

/// A cell as text, or the beginning of what is too long: dates as `2026-11-23 09:30:00.000`, by the clock of whoever wrote them.
fn text(value: &DataRef<'_>) -> Result<String, String> {
    Ok(match value {
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) if is_long(text) => {
            return Err(text.chars().take(KEPT).collect());
        }
        DataRef::SharedString(text) if is_long(text) => return Err(text.chars().take(KEPT).collect()),
        DataRef::Empty => String::new(),
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => number.to_string(),
        DataRef::Bool(yes) => if *yes { "TRUE" } else { "FALSE" }.to_owned(),
        DataRef::String(text) => own(text),
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.clone(),
        DataRef::SharedString(text) => own(text),
        DataRef::DateTime(at) => date(*at),
        DataRef::Error(error) => error.to_string(),
    })
}

/// Looked at before it is copied.
fn is_long(text: &str) -> bool {
    // No character has more than four bytes: those of a very long text need not be counted, in each cell anew.
    text.len() > 4 * LONGEST_NOTES
        || (text.len() > LONGEST_NOTES && text.chars().nth(LONGEST_NOTES).is_some())
}

/// A text as it stands there. No export defuses the cells of a workbook: an apostrophe is the text's own, and one more keeps it.
fn own(text: &str) -> String {
    if undefuse(text) == text { text.to_owned() } else { format!("'{text}") }
}

fn date(at: ExcelDateTime) -> String {
    if !at.is_datetime() {
        return at.as_f64().to_string();
    }
    let (year, month, day, hour, minute, second, milli) = at.to_ymd_hms_milli();
    let fraction = if milli == 0 { String::new() } else { format!(".{milli:03}") };
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}{fraction}")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};

    use super::super::table::Table;
    use super::*;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn good(row: RawRow) -> (u64, Vec<String>) {
        let Cells::Good(cells) = row.cells else { panic!("{:?}", row.cells) };
        (row.line, cells)
    }

    #[test]
    fn a_workbook_is_read_with_its_own_lines_and_dates() {
        let mut book = Workbook::new();
        let sheet = book.add_worksheet();
        let date = Format::new().set_num_format("yyyy-mm-dd hh:mm:ss");
        for (column, header) in ["Name", "Phone", "Created at", "Notes"].into_iter().enumerate() {
            sheet.write_string(1, u16::try_from(column).unwrap(), header).unwrap();
        }
        sheet.write_string(3, 0, "Zo\u{eb} & <b>").unwrap();
        sheet.write_number(3, 1, 442_079_460_958.0).unwrap();
        let at = ExcelDateTime::parse_from_str("2026-11-23 09:30:15.250").unwrap();
        sheet.write_datetime_with_format(3, 2, &at, &date).unwrap();
        sheet.write_string(5, 3, "=1+1\n\ntwo").unwrap();
        sheet.write_string(5, 0, "'=1").unwrap();
        sheet.write_blank(7, 0, &date).unwrap();
        book.add_worksheet().write_string(0, 0, "Another sheet").unwrap();
        let mut table = Table::open(file(&book.save_to_buffer().unwrap())).unwrap();
        assert_eq!(table.header().unwrap(), ["Name", "Phone", "Created at", "Notes"]);
        assert_eq!(table.count(&|| true).unwrap(), Some(2));
        let mut rows = Vec::new();
        table
            .walk(&mut |row| {
                rows.push(good(row));
                true
            })
            .unwrap();
        assert_eq!(rows[0].0, 2);
        let texts = ["Zo\u{eb} & <b>", "442079460958", "2026-11-23 09:30:15.250"].map(str::to_owned);
        assert_eq!(rows[1], (4, texts.to_vec()));
        // One apostrophe is taken off again where a row is read.
        assert_eq!(rows[2], (6, ["''=1", "", "", "=1+1\n\ntwo"].map(str::to_owned).to_vec()));
        assert_eq!(undefuse("''=1"), "'=1");
        assert_eq!(rows.len(), 3);
    }

    #[test]
    fn a_table_goes_on_in_further_sheets_of_the_same_header_and_in_no_other() {
        let mut book = Workbook::new();
        let mut add = |rows: &[&[&str]]| {
            let sheet = book.add_worksheet();
            for (row, cells) in (0..).zip(rows) {
                for (column, cell) in (0..).zip(*cells) {
                    sheet.write_string(row, column, *cell).unwrap();
                }
            }
        };
        add(&[&["Name", "Email"], &["Ada", "a@x.test"], &["Bob"]]);
        add(&[&["Name", "Email"], &["Cid"], &["Name", "Email"]]);
        add(&[&["Name", "Phone"], &["Dan", "1"]]);
        add(&[]);
        add(&[&["Name", "Email"], &["Eve"]]);
        let mut table = Table::open(file(&book.save_to_buffer().unwrap())).unwrap();
        assert_eq!(table.count(&|| true).unwrap(), Some(5));
        let mut rows = Vec::new();
        table
            .walk(&mut |row| {
                let (line, cells) = good(row);
                rows.push((line, cells[0].clone()));
                true
            })
            .unwrap();
        let told: Vec<(u64, &str)> = rows.iter().map(|(line, name)| (*line, name.as_str())).collect();
        assert_eq!(told, [(1, "Name"), (2, "Ada"), (3, "Bob"), (5, "Cid"), (6, "Name"), (8, "Eve")]);
    }

    #[test]
    fn what_is_no_workbook_is_told_apart() {
        assert!(matches!(Table::open(file(b"PK\x03\x04 and no more")), Err(NotATable::Workbook)));
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        zip.start_file("readme.txt", zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(b"hello").unwrap();
        let bytes = zip.finish().unwrap().into_inner();
        assert!(matches!(
            Table::open(file(&bytes)).and_then(|mut table| table.header()),
            Err(NotATable::Workbook)
        ));
    }

    fn shared(text: &str, cells: usize) -> Vec<(u64, Cells)> {
        let mut book = Workbook::new();
        let sheet = book.add_worksheet();
        for row in 0..2 {
            sheet.write_string(row, 0, "Name").unwrap();
        }
        for column in 0..cells {
            sheet.write_string(2, u16::try_from(column).unwrap(), "TEXT").unwrap();
        }
        sheet.write_string(3, 0, "Bob").unwrap();
        let bytes = book.save_to_buffer().unwrap();
        // No program writes cells this long.
        let mut from = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
        let mut to = zip::ZipWriter::new(tempfile::tempfile().unwrap());
        for nth in 0..from.len() {
            let mut part = from.by_index(nth).unwrap();
            let name = part.name().unwrap().to_string();
            let mut content = String::new();
            std::io::Read::read_to_string(&mut part, &mut content).unwrap();
            to.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            to.write_all(content.replace("TEXT", text).as_bytes()).unwrap();
        }
        let mut rows = Vec::new();
        Table::open(to.finish().unwrap())
            .unwrap()
            .walk(&mut |row| {
                rows.push((row.line, row.cells));
                true
            })
            .unwrap();
        rows.split_off(2)
    }

    #[test]
    fn a_row_that_repeats_a_long_text_is_told_and_the_next_is_read() {
        let bob = (4, Cells::Good(vec!["Bob".to_owned()]));
        // One cell is too long; all are together.
        let cut = Cells::TooLong(vec!["x".repeat(KEPT)]);
        assert_eq!(shared(&"x".repeat(LONGEST_NOTES + 1), 150), [(3, cut), bob.clone()]);
        let mut kept = vec!["x".repeat(90_000); 11];
        kept.push("x".repeat(LARGEST_ROW - 11 * 90_000));
        assert_eq!(shared(&"x".repeat(90_000), 150), [(3, Cells::TooLong(kept)), bob.clone()]);
        let good = Cells::Good(vec!["x".repeat(90_000); 11]);
        assert_eq!(shared(&"x".repeat(90_000), 11), [(3, good), bob]);
    }
}
