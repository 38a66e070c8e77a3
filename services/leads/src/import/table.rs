//! A file as a table: a header and rows, whatever it was written as.

use std::{fs::File, io, io::Read, io::Seek};

use tokio::sync::SemaphorePermit;

use super::{
    LONGEST_HEADER, LONGEST_NOTES, MOST_ROWS,
    charset::charset_of,
    csv::{CsvRows, Dialect},
    parts,
    workbook::Workbook,
};

/// Why a file is no table. The text is for the person who sent it.
#[derive(Debug, thiserror::Error)]
pub enum NotATable {
    /// Nothing in it.
    #[error("holds no rows: the first row must name the columns, and at least one row must follow")]
    Empty,
    /// Not a workbook, though it looks like one.
    #[error("can't be read as an Excel workbook (.xlsx): save it again, or as CSV")]
    Workbook,
    /// A workbook of the old format, or one with a password.
    #[error(
        "is an Excel file of the old format, or has a password: save it as .xlsx without password, or as CSV"
    )]
    OldWorkbook,
    /// Some other file.
    #[error("must be a CSV file or an Excel workbook (.xlsx)")]
    Foreign,
    /// It unpacks to too much.
    #[error("is too large once unpacked: split it, or save it as CSV")]
    TooLarge,
    /// Too many rows.
    #[error("must be at most 2,000,000 rows")]
    TooManyRows,
    /// The first row can't be read.
    #[error("must have at most 200 columns, and names of columns of at most 200 characters")]
    Header,
    /// The copy of it can't be read.
    #[error("can't be read at the moment: {0}")]
    Io(#[from] io::Error),
}

/// The most bytes of a row. What is longer has lost a quotation mark.
pub(super) const LARGEST_ROW: usize = 1024 * 1024;
/// The most bytes of all cells: a few texts of a workbook may stand in all of them.
const LARGEST_TABLE: usize = 1024 * 1024 * 1024;

/// The cells of a row. Of what is too much, the beginning is kept: as much as any row may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cells {
    /// As they stand in the file.
    Good(Vec<String>),
    /// A cell is longer than any may be, [`LONGEST_NOTES`], or all are together longer than any row is.
    TooLong(Vec<String>),
    /// More than [`MOST_COLUMNS`](super::MOST_COLUMNS).
    TooMany(Vec<String>),
}

impl Cells {
    /// Cells, if none is too long.
    #[must_use]
    pub(super) fn of(cells: Vec<String>) -> Self {
        let long = |cell: &String| cell.len() > LONGEST_NOTES && cell.chars().nth(LONGEST_NOTES).is_some();
        let all: usize = cells.iter().map(String::len).sum();
        match all > LARGEST_ROW || cells.iter().any(long) {
            true => Self::too_long(cells),
            false => Self::Good(cells),
        }
    }

    /// What of cells that are too long is kept.
    pub(super) fn too_long(mut cells: Vec<String>) -> Self {
        let mut room = LARGEST_ROW;
        for cell in &mut cells {
            let mut end = cell.len().min(room);
            while !cell.is_char_boundary(end) {
                end -= 1;
            }
            cell.truncate(end);
            room -= end;
        }
        while cells.last().is_some_and(String::is_empty) {
            cells.pop();
        }
        Self::TooLong(cells)
    }

    /// What there is of them.
    fn texts(&self) -> &[String] {
        match self {
            Self::Good(cells) | Self::TooLong(cells) | Self::TooMany(cells) => cells,
        }
    }

    pub(super) fn are_blank(&self) -> bool {
        matches!(self, Self::Good(cells) if cells.iter().all(|cell| cell.trim().is_empty()))
    }
}

/// A row as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawRow {
    /// The line on which it begins; the first is 1.
    pub line: u64,
    /// Its cells.
    pub cells: Cells,
}

impl RawRow {
    /// The bytes of its texts.
    fn texts(&self) -> usize {
        self.cells.texts().iter().map(String::len).sum()
    }

    /// About so many bytes of memory.
    #[must_use]
    pub fn size(&self) -> usize {
        24 + self.cells.texts().iter().map(|cell| cell.len() + 24).sum::<usize>()
    }
}

enum Kind {
    Csv(Dialect),
    Workbook,
}

/// A file that is a table.
pub struct Table {
    file: File,
    kind: Kind,
    place: Option<SemaphorePermit<'static>>,
    /// The most bytes of all cells.
    most: usize,
}

impl Table {
    /// Looks what a file is.
    ///
    /// # Errors
    /// [`NotATable`]
    pub fn open(mut file: File) -> Result<Self, NotATable> {
        file.rewind()?;
        let mut head = Vec::new();
        (&mut file).take(512).read_to_end(&mut head)?;
        let kind = match head.as_slice() {
            [] => return Err(NotATable::Empty),
            [b'P', b'K', 3 | 5, ..] => {
                parts::measure(&mut file)?;
                Kind::Workbook
            }
            [0xD0, 0xCF, 0x11, 0xE0, ..] => return Err(NotATable::OldWorkbook),
            [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => Kind::Csv(Self::dialect(&mut file)?),
            head if head.contains(&0) || head.starts_with(b"%PDF") => return Err(NotATable::Foreign),
            _ => Kind::Csv(Self::dialect(&mut file)?),
        };
        Ok(Self { file, kind, place: None, most: LARGEST_TABLE })
    }

    /// Whether its texts are held in memory while it is walked over: who does that has to have a [place](Self::hold).
    #[must_use]
    pub fn is_workbook(&self) -> bool {
        matches!(self.kind, Kind::Workbook)
    }

    /// Holds a place among the workbooks that are open, until it is dropped.
    pub fn hold(&mut self, place: SemaphorePermit<'static>) {
        self.place = Some(place);
    }

    fn dialect(file: &mut File) -> Result<Dialect, NotATable> {
        let charset = charset_of(file)?;
        Ok(Dialect::of(file, charset)?)
    }

    /// The names of the columns.
    ///
    /// # Errors
    /// [`NotATable`], if there is no row behind them too.
    pub fn header(&mut self) -> Result<Vec<String>, NotATable> {
        let mut header = None;
        let mut rows = 0;
        self.walk(&mut |row| {
            rows += 1;
            header.get_or_insert(row.cells);
            rows < 2
        })?;
        match header {
            Some(Cells::Good(cells))
                if cells.iter().any(|cell| cell.chars().nth(LONGEST_HEADER).is_some()) =>
            {
                Err(NotATable::Header)
            }
            Some(Cells::Good(cells)) if rows > 1 => Ok(cells),
            None | Some(Cells::Good(_)) => Err(NotATable::Empty),
            Some(_) => Err(NotATable::Header),
        }
    }

    /// How many rows there are behind the header; `None`: `wanted` no more.
    ///
    /// # Errors
    /// [`NotATable`], if they are too many too.
    pub fn count(&mut self, wanted: &dyn Fn() -> bool) -> Result<Option<u64>, NotATable> {
        let (mut rows, mut heard) = (0, true);
        self.walk(&mut |_| {
            rows += 1;
            heard = wanted();
            heard && rows <= MOST_ROWS + 1
        })?;
        match rows {
            _ if !heard => Ok(None),
            0 => Err(NotATable::Empty),
            rows if rows > MOST_ROWS + 1 => Err(NotATable::TooManyRows),
            rows => Ok(Some(rows - 1)),
        }
    }

    /// Hands on each row, the header's first, until `more` says no.
    ///
    /// # Errors
    /// [`NotATable`]
    pub fn walk(&mut self, more: &mut dyn FnMut(RawRow) -> bool) -> Result<(), NotATable> {
        self.file.rewind()?;
        let (mut size, most) = (0, self.most);
        let mut hand_on = |row: RawRow| {
            size += row.texts();
            match size > most {
                true => Err(NotATable::TooLarge),
                // Spreadsheets leave rows of nothing but delimiters.
                false => Ok(row.cells.are_blank() || more(row)),
            }
        };
        match self.kind {
            Kind::Csv(dialect) => {
                let mut rows = CsvRows::new(self.file.try_clone()?, dialect)?;
                while let Some(row) = rows.next()? {
                    if !hand_on(row)? {
                        break;
                    }
                }
                Ok(())
            }
            Kind::Workbook => Workbook::open(self.file.try_clone()?)?.walk(&mut hand_on),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use rust_xlsxwriter::Workbook;

    use super::*;

    fn headed(name: &str) -> Result<Vec<String>, NotATable> {
        let mut file = tempfile::tempfile().unwrap();
        write!(file, "Name,{name}\nAda,x\n").unwrap();
        Table::open(file)?.header()
    }

    #[test]
    fn a_column_has_a_short_name() {
        assert_eq!(headed(&"\u{fc}".repeat(LONGEST_HEADER)).unwrap().len(), 2);
        assert!(matches!(headed(&"x".repeat(LONGEST_HEADER + 1)), Err(NotATable::Header)));
    }

    #[test]
    fn a_text_does_not_stand_in_cells_without_end() {
        let mut book = Workbook::new();
        let sheet = book.add_worksheet();
        let text = "x".repeat(32_000);
        for row in 0..40 {
            for column in 0..32 {
                sheet.write_string(row, column, &text).unwrap();
            }
        }
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&book.save_to_buffer().unwrap()).unwrap();
        let mut table = Table::open(file).unwrap();
        assert!(table.is_workbook());
        assert_eq!(table.count(&|| true).unwrap(), Some(39));
        table.most = 40 * 1024 * 1024 / 32;
        assert!(matches!(table.count(&|| true), Err(NotATable::TooLarge)));
    }
}
