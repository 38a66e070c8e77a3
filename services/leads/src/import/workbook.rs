//! Rows of a workbook's first sheet.

use std::{
    fs::File,
    io::{BufReader, Read, Seek},
};

use calamine::{DataRef, ExcelDateTime, Reader, Xlsx, XlsxCellReader};

use super::{
    MOST_COLUMNS,
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
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::DateTime(at) => date(*at),
        DataRef::Error(error) => error.to_string(),
    }
}

fn date(at: ExcelDateTime) -> String {
    if !at.is_datetime() {
        return at.as_f64().to_string();
    }
    let (year, month, day, hour, minute, second, milli) = at.to_ymd_hms_milli();
    let fraction = if milli == 0 { String::new() } else { format!(".{milli:03}") };
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}{fraction}")
}
