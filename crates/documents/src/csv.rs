//! CSV: RFC 4180, UTF-8 behind a byte order mark, CRLF.

use std::io::{self, Write};

use chrono_tz::Tz;
use csv::{Terminator, Writer, WriterBuilder};

use crate::{
    Error,
    calendar::written_time,
    defuse::{defuse, defuse_phone},
    lead::{COLUMNS, Lead, join_tags},
    table::{Cell, Column, Kind, Table},
};

/// Spreadsheets take a file for UTF-8 only with it.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

fn writer<W: Write>(out: W) -> Writer<W> {
    WriterBuilder::new().terminator(Terminator::CRLF).flexible(true).from_writer(out)
}

/// Writes leads as CSV, one row after the other; holds no more than a buffer's worth.
///
/// Times are written as [`written_time`](crate::written_time) has them. Every cell is [defused](crate::defuse) (the
/// phone's by [`defuse_phone`]), tags are [joined](crate::join_tags): read back with
/// [`undefuse`](crate::undefuse) and [`split_tags`](crate::split_tags), each row is field for field what went in.
#[derive(Debug)]
pub struct LeadsCsv<W: Write> {
    csv: Writer<W>,
    zone: Tz,
}

impl<W: Write> LeadsCsv<W> {
    /// Begins a file: byte order mark and header.
    ///
    /// # Errors
    /// `out` refused.
    pub fn new(mut out: W, zone: Tz) -> Result<Self, Error> {
        out.write_all(BYTE_ORDER_MARK)?;
        let mut csv = writer(out);
        csv.write_record(COLUMNS)?;
        Ok(Self { csv, zone })
    }

    /// Writes a row.
    ///
    /// # Errors
    /// `out` refused.
    pub fn row(&mut self, lead: &Lead<'_>) -> Result<(), Error> {
        let time = |at| written_time(at, self.zone);
        self.csv.write_record([
            defuse(lead.id),
            defuse(lead.name),
            defuse(lead.email),
            defuse_phone(lead.phone),
            defuse(lead.company),
            defuse(lead.source),
            defuse(lead.status),
            defuse(&join_tags(lead.tags)),
            defuse(lead.owner),
            time(lead.created_at),
            time(lead.updated_at),
            time(lead.status_changed_at),
            lead.next_follow_up.map(time).unwrap_or_default(),
            defuse(lead.notes),
        ])?;
        Ok(())
    }

    /// Hands on what is still in the buffer, and gives back `out`.
    ///
    /// # Errors
    /// `out` refused.
    pub fn finish(self) -> Result<W, Error> {
        Ok(self.csv.into_inner().map_err(|error| io::Error::other(error.to_string()))?)
    }
}

impl LeadsCsv<Vec<u8>> {
    /// Takes out what was written so far, to send it on; the next rows follow in the next piece. All pieces and, at the
    /// end, what [`finish`](Self::finish) gives are the file.
    ///
    /// # Errors
    /// None that a `Vec` gives cause for.
    pub fn take(&mut self) -> Result<Vec<u8>, Error> {
        let csv = std::mem::replace(&mut self.csv, writer(Vec::new()));
        Ok(csv.into_inner().map_err(|error| io::Error::other(error.to_string()))?)
    }
}

/// Tables one under the other: a line with the table's name, the header row, the rows, an empty line before the next.
/// Rates are numbers in per cent (`18.3`), times RFC 3339.
pub(crate) fn tables(tables: &[Table], zone: Tz) -> Result<Vec<u8>, Error> {
    let mut out = BYTE_ORDER_MARK.to_vec();
    for (i, table) in tables.iter().enumerate() {
        if i > 0 {
            out.extend_from_slice(b"\r\n");
        }
        let mut csv = writer(out);
        csv.write_record([table.name])?;
        csv.write_record(table.columns.iter().map(Column::with_unit))?;
        for row in &table.rows {
            csv.write_record(
                row.iter().zip(&table.columns).map(|(cell, column)| written(cell, column.kind, zone)),
            )?;
        }
        out = csv.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
    }
    Ok(out)
}

fn written(cell: &Cell, kind: Kind, zone: Tz) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Text(text) => defuse(text),
        Cell::Count(count) => count.to_string(),
        Cell::Rate(tenths) => tenths_as_decimal(i128::from(*tenths)),
        Cell::Tenths(tenths) => tenths_as_decimal(*tenths),
        Cell::Date(date) if kind == Kind::Month => date.format("%Y-%m").to_string(),
        Cell::Date(date) => date.to_string(),
        Cell::Time(at) => written_time(*at, zone),
    }
}

/// `183` as `18.3`.
pub(crate) fn tenths_as_decimal(tenths: i128) -> String {
    let sign = if tenths < 0 { "-" } else { "" };
    let tenths = tenths.unsigned_abs();
    format!("{sign}{}.{}", tenths / 10, tenths % 10)
}
