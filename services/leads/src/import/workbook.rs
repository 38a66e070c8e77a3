//! Rows of a workbook's first sheet.

use std::{
    fs::File,
    io::{BufReader, Read, Seek},
};

use calamine::{DataRef, ExcelDateTime, Reader, Xlsx, XlsxCellReader};

use super::{
    MOST_COLUMNS,
    cell::undefuse,
    table::{Cells, NotATable, RawRow},
};

/// The most bytes of a part of a workbook, unpacked.
const LARGEST_PART: u64 = 1024 * 1024 * 1024;
/// The most bytes of a part that is held in memory: its texts and formats.
const LARGEST_TEXTS: u64 = 256 * 1024 * 1024;
/// The most parts of a workbook.
const MOST_PARTS: usize = 10_000;

type Book = Xlsx<BufReader<File>>;

fn unreadable(error: impl std::fmt::Display) -> NotATable {
    // What it says may hold cells.
    tracing::debug!(%error, "a workbook can't be read");
    NotATable::Workbook
}

/// Unpacks every part and drops it: what a workbook says of its own size is not to be believed.
pub(super) fn measure(file: &mut File) -> Result<(), NotATable> {
    file.rewind().map_err(NotATable::from)?;
    let mut parts = zip::ZipArchive::new(BufReader::new(&mut *file)).map_err(unreadable)?;
    if parts.len() > MOST_PARTS {
        return Err(NotATable::TooLarge);
    }
    let mut all = 0;
    for nth in 0..parts.len() {
        let part = parts.by_index(nth).map_err(unreadable)?;
        let name = part.name().map_err(unreadable)?.to_ascii_lowercase();
        let most = if name.contains("worksheets/") { LARGEST_PART } else { LARGEST_TEXTS };
        // Pictures, and whatever else nobody unpacks.
        if !name.ends_with(".xml") && !name.ends_with(".rels") {
            continue;
        }
        let size = std::io::copy(&mut part.take(most + 1), &mut std::io::sink()).map_err(unreadable)?;
        all += size;
        if size > most || all > LARGEST_PART {
            return Err(NotATable::TooLarge);
        }
    }
    Ok(())
}

/// A workbook, open.
pub(super) struct Workbook {
    book: Book,
    sheet: String,
}

impl Workbook {
    /// Opens a file that was [measured](measure).
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

/// The rows of a sheet.
pub(super) struct SheetRows<'b> {
    cells: XlsxCellReader<'b, BufReader<File>>,
    /// The first cell of the next row.
    ahead: Option<(u32, u32, String)>,
    ended: bool,
}

impl SheetRows<'_> {
    fn cell(&mut self) -> Result<Option<(u32, u32, String)>, NotATable> {
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
            let mut put = |column: u32, text: String| {
                let place = usize::try_from(column).unwrap_or(usize::MAX);
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
                let cells = if wide { Cells::TooMany } else { Cells::of(cells) };
                return Ok(Some(RawRow { line: u64::from(row) + 1, cells }));
            }
        }
    }
}

/// A cell as text: dates as `2026-11-23 09:30:00.000`, by the clock of whoever wrote them.
fn text(value: &DataRef<'_>) -> String {
    match value {
        DataRef::Empty => String::new(),
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => number.to_string(),
        DataRef::Bool(yes) => if *yes { "TRUE" } else { "FALSE" }.to_owned(),
        DataRef::String(text) => own(text),
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.clone(),
        DataRef::SharedString(text) => own(text),
        DataRef::DateTime(at) => date(*at),
        DataRef::Error(error) => error.to_string(),
    }
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

    #[test]
    fn a_workbook_that_unpacks_to_too_much_is_refused() {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        zip.start_file("xl/sharedStrings.xml", zip::write::SimpleFileOptions::default()).unwrap();
        let block = vec![b' '; 1024 * 1024];
        for _ in 0..=LARGEST_TEXTS / (1024 * 1024) {
            zip.write_all(&block).unwrap();
        }
        let bytes = zip.finish().unwrap().into_inner();
        assert!(bytes.len() < 1024 * 1024);
        assert!(matches!(Table::open(file(&bytes)), Err(NotATable::TooLarge)));
    }
}
