//! Turns rows and figures into files that people open: leads as CSV and XLSX, the figures as tables with charts, and a
//! month's summary as PDF, XLSX and CSV. Plain structs in, bytes out: it counts nothing, asks nobody and knows no wire.
//!
//! Leads are written row by row ([`LeadsCsv`], [`LeadsXlsx`]) in memory that stays flat however many there are; figures
//! ([`Analytics`], [`Month`]) are small and come back as one [`Vec<u8>`]. The same input gives the same bytes.

mod analytics;
mod calendar;
mod csv;
mod defuse;
mod figures;
mod lead;
mod monthly;
mod names;
mod notes;
mod pdf;
mod people;
mod sheets;
mod stage;
mod table;
mod words;
mod xlsx;

pub use analytics::{Analytics, Created, Interval, Report, Summary, SummaryBefore};
pub use calendar::{YearMonth, written_time};
pub use csv::LeadsCsv;
pub use defuse::{defuse, defuse_phone, undefuse};
pub use figures::{Bucket, ConversionMonth, Figures, FunnelStep, SourceCount, StageCount};
pub use lead::{COLUMNS, Lead, join_tags, split_tags};
pub use monthly::{Month, Outcome};
pub use names::{FileName, Format};
pub use notes::{Note, NoteRead, join_notes, split_notes};
pub use people::{NOBODY, is_nobody, read_person, stands_alone, write_person};
pub use stage::Stage;
pub use xlsx::LeadsXlsx;

/// Why a document could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The place that it is written to, or the folder of temporary files, refused.
    #[error("the document could not be written: {0}")]
    Io(#[from] std::io::Error),
    /// The workbook was refused by its writer: a full disk, or more sheets than a workbook holds.
    #[error("the workbook could not be written: {0}")]
    Workbook(#[from] rust_xlsxwriter::XlsxError),
    /// The PDF writer refused, or a font that ships with the program is damaged.
    #[error("the PDF could not be written: {0}")]
    Pdf(String),
}

impl From<::csv::Error> for Error {
    fn from(error: ::csv::Error) -> Self {
        match error.into_kind() {
            ::csv::ErrorKind::Io(error) => Self::Io(error),
            other => Self::Io(std::io::Error::other(format!("{other:?}"))),
        }
    }
}
