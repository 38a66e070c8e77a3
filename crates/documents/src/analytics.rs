//! The figures of the dashboard as tables.

use chrono::NaiveDate;
use chrono_tz::Tz;

use crate::{
    Error,
    calendar::spoken_time,
    csv,
    figures::{
        Bucket, ConversionMonth, Figures, FunnelStep, SourceCount, StageCount, by_source, by_status,
        conversion, funnel, report,
    },
    sheets,
    stage::palette,
    table::{Cell, Column, Kind, Picture, Shape, Table},
};

/// All that the analytics export says.
#[derive(Debug, Clone, PartialEq)]
pub struct Analytics {
    /// The workspace's name.
    pub workspace: String,
    /// The zone of its days.
    pub zone: Tz,
    /// When the export was made; milliseconds since the epoch.
    pub generated_at: i64,
    /// The cards.
    pub summary: Summary,
    /// Leads by stage, in pipeline order.
    pub by_status: Vec<StageCount>,
    /// Leads by source, in the contract's order.
    pub by_source: Vec<SourceCount>,
    /// Leads created over time.
    pub created: Created,
    /// Conversion by month, oldest first.
    pub conversion: Vec<ConversionMonth>,
    /// New to Converted.
    pub funnel: Vec<FunnelStep>,
    /// A period beside the one before.
    pub report: Report,
}

/// The cards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// All leads.
    pub total_leads: u64,
    /// Created today.
    pub new_today: u64,
    /// Converted this week.
    pub converted_this_week: u64,
    /// Lost this month.
    pub lost_this_month: u64,
    /// The same of the periods before.
    pub previous: SummaryBefore,
    /// All events up to this time are counted; milliseconds since the epoch.
    pub as_of: i64,
}

/// The cards of the periods before, up to the same point in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SummaryBefore {
    /// Created yesterday.
    pub new_today: u64,
    /// Converted last week.
    pub converted_this_week: u64,
    /// Lost last month.
    pub lost_this_month: u64,
}

/// The length of a bucket or a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interval {
    /// A civil day.
    Day,
    /// Monday to Sunday.
    Week,
    /// A calendar month.
    Month,
}

/// Leads created over time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// The length of a bucket.
    pub interval: Interval,
    /// Every bucket, zeros included, oldest first.
    pub buckets: Vec<Bucket>,
}

/// A period beside the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Its length.
    pub period: Interval,
    /// Its first day.
    pub start: NaiveDate,
    /// Its last day.
    pub end: NaiveDate,
    /// Its figures.
    pub figures: Figures,
    /// Those of the period before.
    pub previous: Figures,
    /// Leads created in it, by stage.
    pub by_status: Vec<StageCount>,
    /// Leads created in it, by source.
    pub by_source: Vec<SourceCount>,
}

impl Analytics {
    /// As a workbook: a sheet a table (Summary, By status, By source, Created, Conversion, Funnel, Report, Report by
    /// status, Report by source) with the spreadsheet's own charts.
    ///
    /// # Errors
    /// [`Error::Workbook`], if its writer refuses.
    pub fn to_xlsx(&self) -> Result<Vec<u8>, Error> {
        let title = format!("{}: figures", self.workspace);
        sheets::workbook(
            &self.tables(),
            self.zone,
            &title,
            &format!("Days in {}", self.zone),
            self.generated_at,
        )
    }

    /// As one CSV: for each table a line with its name, its header, its rows; an empty line between two tables. Rates
    /// are numbers in per cent (`18.3`), days `2026-11-23`, months `2026-11`.
    ///
    /// # Errors
    /// None that memory gives cause for.
    pub fn to_csv(&self) -> Result<Vec<u8>, Error> {
        csv::tables(&self.tables(), self.zone)
    }

    fn tables(&self) -> Vec<Table> {
        let (now, before) = match self.report.period {
            Interval::Day => ("This day", "The day before"),
            Interval::Week => ("This week", "The week before"),
            Interval::Month => ("This month", "The month before"),
        };
        let mut figures = report("Report", now, before, &self.report.figures, &self.report.previous);
        figures.rows.push(vec![Cell::text("First day"), Cell::Date(self.report.start)]);
        figures.rows.push(vec![Cell::text("Last day"), Cell::Date(self.report.end)]);
        vec![
            self.summary(),
            by_status("By status", &self.by_status),
            by_source("By source", &self.by_source, None),
            self.created(),
            conversion(&self.conversion),
            funnel(&self.funnel),
            figures,
            by_status("Report by status", &self.report.by_status),
            by_source("Report by source", &self.report.by_source, None),
        ]
    }

    fn summary(&self) -> Table {
        let Summary { total_leads, new_today, converted_this_week, lost_this_month, previous, as_of } =
            self.summary;
        let row = |name, now, before: Option<u64>| {
            vec![Cell::text(name), Cell::count(now), before.map_or(Cell::Empty, Cell::count)]
        };
        Table {
            name: "Summary",
            columns: vec![
                Column::new("Figure", Kind::Text),
                Column::new("Value", Kind::Text),
                Column::new("Period before", Kind::Text),
            ],
            rows: vec![
                row("Total leads", total_leads, None),
                row("New today", new_today, Some(previous.new_today)),
                row("Converted this week", converted_this_week, Some(previous.converted_this_week)),
                row("Lost this month", lost_this_month, Some(previous.lost_this_month)),
                vec![Cell::text("Workspace"), Cell::text(&self.workspace)],
                vec![Cell::text("Time zone"), Cell::text(self.zone.name())],
                vec![Cell::text("As of"), Cell::text(spoken_time(as_of, self.zone))],
                vec![Cell::text("Made"), Cell::text(spoken_time(self.generated_at, self.zone))],
            ],
            picture: None,
        }
    }

    fn created(&self) -> Table {
        let buckets = &self.created.buckets;
        let sources: Vec<&String> = buckets
            .first()
            .map(|it| it.by_source.iter().map(|(source, _)| source).collect())
            .unwrap_or_default();
        let (first, kind) = match self.created.interval {
            Interval::Day => ("Day", Kind::Date),
            Interval::Week => ("Week from", Kind::Date),
            Interval::Month => ("Month", Kind::Month),
        };
        let mut columns = vec![Column::new(first, kind), Column::new("Created", Kind::Count)];
        columns.extend(sources.iter().map(|source| Column::new(source.as_str(), Kind::Count)));
        let row = |bucket: &Bucket| {
            let mut row = vec![Cell::Date(bucket.start), Cell::count(bucket.count)];
            row.extend(sources.iter().map(|source| {
                let count =
                    bucket.by_source.iter().find(|(it, _)| it == *source).map_or(0, |(_, count)| *count);
                Cell::count(count)
            }));
            row
        };
        Table {
            name: "Created",
            columns,
            rows: buckets.iter().map(row).collect(),
            picture: Some(Picture::new("Leads created", Shape::Area, vec![(1, palette::BRAND)])),
        }
    }
}
