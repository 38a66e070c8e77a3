//! Leads as a workbook, row by row.

use std::{
    borrow::Cow,
    fmt,
    io::{self, Seek, Write},
    panic::{self, AssertUnwindSafe},
    path::Path,
};

use chrono_tz::Tz;
use rust_xlsxwriter::{
    DocProperties, ExcelDateTime, Format, FormatAlign, FormatBorder, IgnoreError, Workbook, Worksheet,
};

use crate::{
    Error,
    calendar::{local, serial, written_time},
    lead::{COLUMNS, Lead, join_tags},
    stage::palette,
};

/// The rows of a sheet, the header's among them.
const ROWS_OF_A_SHEET: u32 = 1_048_576;

/// The longest text of a cell, in UTF-16 units.
const LONGEST_TEXT: usize = 32_767;

/// More bytes than a row takes without its texts.
const MARKUP: u64 = 1_000;

/// No byte of a text takes more when it is escaped (`&quot;`).
const ESCAPED: u64 = 6;

/// What ends a text that was cut.
const CUT: &str = " … [cut]";

const WIDTHS: [f64; 14] =
    [38.0, 26.0, 30.0, 20.0, 26.0, 11.0, 12.0, 24.0, 20.0, 19.0, 19.0, 19.0, 19.0, 60.0];

/// Writes leads as XLSX, one row after the other; the rows go to a temporary file, memory stays flat. After 1,048,575
/// leads a sheet is full and the next one begins. Texts are texts: there is no formula and no link in it, whatever the
/// leads say. Times are the clock's readings in the zone, as real dates.
pub struct LeadsXlsx {
    workbook: Workbook,
    zone: Tz,
    date: Format,
    rows_of_a_sheet: u32,
    /// The sheet that is being written, and its next row.
    sheet: usize,
    row: u32,
    /// All sheets together take no more bytes than this.
    most: u64,
}

impl LeadsXlsx {
    /// Begins a workbook. `temp_dir` is where its rows wait (`None`: the system's folder), some 0.5 kB a lead; nothing
    /// is left there when it is dropped. `created_at`, milliseconds since the epoch, is said in the file's properties.
    ///
    /// # Errors
    /// The folder can't be written to.
    pub fn new(zone: Tz, created_at: i64, temp_dir: Option<&Path>) -> Result<Self, Error> {
        Self::with_rows(zone, created_at, temp_dir, ROWS_OF_A_SHEET)
    }

    fn with_rows(
        zone: Tz,
        created_at: i64,
        temp_dir: Option<&Path>,
        rows_of_a_sheet: u32,
    ) -> Result<Self, Error> {
        let mut workbook = Workbook::new();
        if let Some(dir) = temp_dir {
            workbook.set_tempdir(dir)?;
        }
        // The fastest: the file grows by a fifth, the time to write it halves.
        workbook.set_zip_compression_level(1);
        workbook.set_properties(&properties("Leads", &format!("Times in {zone}"), created_at));
        let date = Format::new().set_num_format("yyyy-mm-dd hh:mm:ss");
        let mut leads = Self { workbook, zone, date, rows_of_a_sheet, sheet: 0, row: 0, most: 0 };
        leads.begin_sheet()?;
        Ok(leads)
    }

    /// Writes a row.
    ///
    /// # Errors
    /// The folder of temporary files is full, or the workbook refused. No row may follow.
    pub fn row(&mut self, lead: &Lead<'_>) -> Result<(), Error> {
        guarded(|| self.write(lead))
    }

    fn write(&mut self, lead: &Lead<'_>) -> Result<(), Error> {
        if self.row == self.rows_of_a_sheet {
            self.end_sheet()?;
            self.sheet += 1;
            self.begin_sheet()?;
        }
        let (row, zone) = (self.row, self.zone);
        let tags = join_tags(lead.tags);
        let texts = [
            (0, lead.id),
            (1, lead.name),
            (2, lead.email),
            (3, lead.phone),
            (4, lead.company),
            (5, lead.source),
            (6, lead.status),
            (7, &tags),
            (8, lead.owner),
        ];
        let bytes: usize = texts.iter().map(|(_, text)| text.len()).sum();
        self.most += MARKUP + ESCAPED * (bytes + fitting(lead.notes).len()) as u64;
        let times = [
            (9, Some(lead.created_at)),
            (10, Some(lead.updated_at)),
            (11, Some(lead.status_changed_at)),
            (12, lead.next_follow_up),
        ];
        let date = self.date.clone();
        let sheet = self.worksheet()?;
        for (column, text) in texts {
            sheet.write_string(row, column, fitting(text))?;
        }
        for (column, at) in times {
            write_time(sheet, row, column, at, zone, &date)?;
        }
        sheet.write_string(row, 13, fitting(lead.notes))?;
        self.row += 1;
        Ok(())
    }

    /// Ends the workbook and writes it to `out`, without holding it in memory.
    ///
    /// # Errors
    /// `out` refused.
    pub fn finish<W: Write + Seek + Send>(mut self, out: W) -> Result<(), Error> {
        guarded(|| {
            self.end_sheet()?;
            // Only where it must be: LibreOffice 7.4 opens no workbook with the large form of entries.
            self.workbook.use_zip_large_file(self.most > u64::from(u32::MAX));
            self.workbook.save_to_writer(out)?;
            Ok(())
        })
    }

    fn worksheet(&mut self) -> Result<&mut Worksheet, Error> {
        Ok(self.workbook.worksheet_from_index(self.sheet)?)
    }

    fn begin_sheet(&mut self) -> Result<(), Error> {
        let number = self.sheet + 1;
        let sheet = self.workbook.add_worksheet_with_constant_memory()?;
        sheet.set_name(if number == 1 { "Leads".to_owned() } else { format!("Leads {number}") })?;
        for (column, width) in (0..).zip(WIDTHS) {
            sheet.set_column_width(column, width)?;
        }
        sheet.set_freeze_panes(1, 0)?;
        let header = header();
        for (column, name) in (0..).zip(COLUMNS) {
            sheet.write_string_with_format(0, column, name, &header)?;
        }
        self.row = 1;
        Ok(())
    }

    fn end_sheet(&mut self) -> Result<(), Error> {
        let last_row = self.row - 1;
        let last_column = COLUMNS.len() as u16 - 1;
        let sheet = self.worksheet()?;
        sheet.autofilter(0, 0, last_row, last_column)?;
        // Else a phone without a + gets a warning's green corner.
        sheet.ignore_error_range(0, 0, last_row, last_column, IgnoreError::NumberStoredAsText)?;
        Ok(())
    }
}

/// The workbook's writer panics when it can't write to its temporary file: a full disk is no fault of the program's.
fn guarded<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    panic::catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Error::Io(io::Error::other("the temporary file could not be written"))))
}

impl fmt::Debug for LeadsXlsx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeadsXlsx")
            .field("sheet", &self.sheet)
            .field("row", &self.row)
            .finish_non_exhaustive()
    }
}

/// The look of a header row.
pub(crate) fn header() -> Format {
    Format::new()
        .set_bold()
        .set_align(FormatAlign::VerticalCenter)
        .set_font_color(palette::BRAND.rgb())
        .set_background_color(palette::BRAND_SOFT.rgb())
        .set_border_bottom(FormatBorder::Thin)
        .set_border_bottom_color(palette::BRAND.rgb())
}

pub(crate) fn properties(title: &str, comment: &str, created_at: i64) -> DocProperties {
    let properties = DocProperties::new().set_title(title).set_author("Leadline").set_comment(comment);
    let created_at = ExcelDateTime::from_timestamp(created_at.div_euclid(1000));
    match created_at {
        Ok(at) => properties.set_creation_datetime(&at),
        Err(_) => properties,
    }
}

/// A time as a real date; as a text where a spreadsheet knows none.
pub(crate) fn write_time(
    sheet: &mut Worksheet,
    row: u32,
    column: u16,
    at: Option<i64>,
    zone: Tz,
    format: &Format,
) -> Result<(), Error> {
    let Some(at) = at else { return Ok(()) };
    match local(at, zone).and_then(|at| serial(at.naive_local())) {
        Some(days) => sheet.write_number_with_format(row, column, days, format)?,
        None => sheet.write_string(row, column, written_time(at, zone))?,
    };
    Ok(())
}

/// The text, cut to what a cell holds.
pub(crate) fn fitting(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST_TEXT || text.encode_utf16().count() <= LONGEST_TEXT {
        return Cow::Borrowed(text);
    }
    let mut left = LONGEST_TEXT - CUT.encode_utf16().count();
    let mut end = 0;
    for c in text.chars() {
        if c.len_utf16() > left {
            break;
        }
        left -= c.len_utf16();
        end += c.len_utf8();
    }
    Cow::Owned(format!("{}{CUT}", &text[..end]))
}

#[cfg(test)]
mod tests;
