//! A table of figures, as both CSV and XLSX write it.

use chrono::NaiveDate;

use crate::stage::{Colour, Stage};

/// A table with its name, and the picture that goes with it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Table {
    /// The sheet's name and the title in CSV; no more than 31 characters, none of `[]:*?/\`.
    pub name: &'static str,
    pub columns: Vec<Column>,
    pub rows: Vec<Vec<Cell>>,
    pub picture: Option<Picture>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Column {
    pub name: String,
    pub kind: Kind,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    /// Whole numbers.
    Count,
    /// Tenths of a per cent.
    Percent,
    /// Tenths of an hour.
    Hours,
    Date,
    /// The first day of a month.
    Month,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    Empty,
    Text(String),
    Count(i128),
    /// Tenths of what the column counts.
    Tenths(i128),
    /// Tenths of a per cent, whatever the column counts.
    Rate(u64),
    Date(NaiveDate),
    /// Milliseconds since the epoch.
    Time(i64),
}

impl Cell {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }
    pub(crate) fn count(count: u64) -> Self {
        Self::Count(count.into())
    }
    pub(crate) fn tenths(tenths: Option<u64>) -> Self {
        tenths.map_or(Self::Empty, |tenths| Self::Tenths(tenths.into()))
    }
}

impl Column {
    pub(crate) fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self { name: name.into(), kind }
    }

    /// The name with the unit, where the cells are bare numbers.
    pub(crate) fn with_unit(&self) -> String {
        match self.kind {
            Kind::Percent => format!("{} (%)", self.name),
            Kind::Hours => format!("{} (hours)", self.name),
            Kind::Text | Kind::Count | Kind::Date | Kind::Month => self.name.clone(),
        }
    }
}

/// A chart over the first column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Picture {
    pub title: String,
    pub shape: Shape,
    /// The columns that are drawn, each with its colour.
    pub series: Vec<(usize, Colour)>,
    /// A colour for each row, where rows are stages.
    pub points: Vec<Colour>,
    /// How many rows are drawn, from the first; `None`: all.
    pub rows: Option<usize>,
    /// Draws the last series dashed.
    pub last_dashed: bool,
}

/// The kind of a chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Donut,
    Columns,
    Area,
    Line,
    Bars,
}

impl Picture {
    pub(crate) fn new(title: impl Into<String>, shape: Shape, series: Vec<(usize, Colour)>) -> Self {
        Self { title: title.into(), shape, series, points: Vec::new(), rows: None, last_dashed: false }
    }

    pub(crate) fn of_stages(mut self, stages: impl Iterator<Item = Stage>) -> Self {
        self.points = stages.map(Stage::colour).collect();
        self
    }
}
