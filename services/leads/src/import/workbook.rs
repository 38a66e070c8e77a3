//! Rows of a workbook's first sheet.

use std::{
    fs::File,
    io::{BufReader, Seek},
};

use calamine::{DataRef, ExcelDateTime, Reader, Xlsx, XlsxCellReader};
use leadline_documents::undefuse;

use super::{
    LONGEST_CELL, MOST_COLUMNS,
    parts::unreadable,
    table::{Cells, LARGEST_ROW, NotATable, RawRow},
};

type Book = Xlsx<BufReader<File>>;

/// A workbook, open.
pub(super) struct Workbook {
    book: Book,
    sheet: String,
}

impl Workbook {
    /// Opens a file that was [measured](super::parts::measure).
    pub(super) fn open(mut file: File) -> Result<Self, NotATable> {
        file.rewind()?;
        let book = Book::new(BufReader::new(file)).map_err(unreadable)?;
        let sheet = book.sheet_names().first().cloned().ok_or(NotATable::Empty)?;
        Ok(Self { book, sheet })
    }

    /// Its rows from the first.
    pub(super) fn rows(&mut self) -> Result<SheetRows<'_>, NotATable> {
        let cells = self.book.worksheet_cells_reader(&self.sheet).map_err(unreadable)?;
        Ok(SheetRows { cells, ahead: None, ended: false })
    }
}

/// A cell with its row and its column; without a text, it is too long.
type Place = (u32, u32, Option<String>);

/// The rows of a sheet.
pub(super) struct SheetRows<'b> {
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

    /// The next row; those without any text are none.
    pub(super) fn next(&mut self) -> Result<Option<RawRow>, NotATable> {
        loop {
            let Some((row, column, first)) = self.cell()? else { return Ok(None) };
            let (mut cells, mut wide, mut filled) = (Vec::new(), false, false);
            let (mut size, mut long) = (0, false);
            let mut put = |column: u32, text: Option<String>| {
                let place = usize::try_from(column).unwrap_or(usize::MAX);
                size += text.as_ref().map_or(0, String::len);
                // A text of the file may stand in each cell: the row stops before they are too many.
                if text.is_none() || size > LARGEST_ROW {
                    (long, filled) = (true, true);
                    cells.clear();
                }
                let Some(text) = text.filter(|_| !long) else { return };
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
                    () if long => Cells::TooLong,
                    () if wide => Cells::TooMany,
                    () => Cells::of(cells),
                };
                return Ok(Some(RawRow { line: u64::from(row) + 1, cells }));
            }
        }
    }
}

/// A cell as text, unless that is too long: dates as `2026-11-23 09:30:00.000`, by the clock of whoever wrote them.
fn text(value: &DataRef<'_>) -> Option<String> {
    Some(match value {
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) if is_long(text) => {
            return None;
        }
        DataRef::SharedString(text) if is_long(text) => return None,
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
    text.len() > 4 * LONGEST_CELL || (text.len() > LONGEST_CELL && text.chars().nth(LONGEST_CELL).is_some())
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
        for (length, cells) in [(LONGEST_CELL + 1, 150), (90_000, 150)] {
            assert_eq!(shared(&"x".repeat(length), cells), [(3, Cells::TooLong), bob.clone()]);
        }
        let good = Cells::Good(vec!["x".repeat(90_000); 11]);
        assert_eq!(shared(&"x".repeat(90_000), 11), [(3, good), bob]);
    }
}
