//! Figures, as the analytics service counts them.

use chrono::NaiveDate;

use crate::{
    calendar::YearMonth,
    stage::{Stage, palette},
    table::{Cell, Column, Kind, Picture, Shape, Table},
    words,
};

/// How many leads stand in a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageCount {
    /// The stage.
    pub stage: Stage,
    /// How many.
    pub count: u64,
}

/// How many leads came from a source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceCount {
    /// The source's word.
    pub source: String,
    /// How many were created.
    pub created: u64,
    /// How many of them are Converted now.
    pub converted: u64,
}

/// Leads created in a day, week or month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Its first day.
    pub start: NaiveDate,
    /// How many.
    pub count: u64,
    /// The same by source, every source in the contract's order.
    pub by_source: Vec<(String, u64)>,
}

/// Conversion of a month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversionMonth {
    /// The month.
    pub month: YearMonth,
    /// Leads created in it.
    pub created: u64,
    /// Leads that reached Converted in it.
    pub converted: u64,
    /// converted ÷ created in tenths of a per cent; `None`: none were created.
    pub rate_tenths: Option<u64>,
    /// Of the leads created in it, those that are Converted now.
    pub cohort_converted: u64,
    /// Their share, in tenths of a per cent.
    pub cohort_rate_tenths: Option<u64>,
}

/// How many leads got as far as a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunnelStep {
    /// The stage.
    pub stage: Stage,
    /// How many reached it or a later one.
    pub reached: u64,
    /// Their share of all, in tenths of a per cent.
    pub rate_tenths: Option<u64>,
    /// Their share of the stage before, in tenths of a per cent.
    pub step_rate_tenths: Option<u64>,
    /// The median time to it, in tenths of an hour.
    pub median_tenths_of_hours: Option<u64>,
}

/// The figures of a period: moves by the time the stage was entered last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Leads created.
    pub created: u64,
    /// Leads that entered Contacted.
    pub contacted: u64,
    /// Leads that entered Qualified.
    pub qualified: u64,
    /// Leads that entered Converted.
    pub converted: u64,
    /// Leads that entered Lost.
    pub lost: u64,
    /// converted ÷ created in tenths of a per cent; `None`: none were created.
    pub rate_tenths: Option<u64>,
}

impl Figures {
    /// The counts with their names; the conversion rate is not among them.
    pub(crate) fn counts(&self) -> [(&'static str, u64); 5] {
        [
            ("Created", self.created),
            ("Contacted", self.contacted),
            ("Qualified", self.qualified),
            ("Converted", self.converted),
            ("Lost", self.lost),
        ]
    }

    /// Whether nothing happened.
    pub(crate) fn are_nothing(&self) -> bool {
        self.counts().iter().all(|(_, count)| *count == 0)
    }
}

/// `part` of `all` in tenths of a per cent, rounded half up; `None`: of nothing.
pub(crate) fn share_tenths(part: u64, all: u64) -> Option<u64> {
    let (part, all) = (u128::from(part), u128::from(all));
    (all > 0).then(|| u64::try_from((part * 2000 + all) / (2 * all)).unwrap_or(u64::MAX))
}

pub(crate) fn by_status(name: &'static str, items: &[StageCount]) -> Table {
    let all = items.iter().fold(0u64, |sum, item| sum.saturating_add(item.count));
    Table {
        name,
        columns: vec![
            Column::new("Status", Kind::Text),
            Column::new("Leads", Kind::Count),
            Column::new("Share", Kind::Percent),
        ],
        rows: items
            .iter()
            .map(|item| {
                let share = Cell::tenths(share_tenths(item.count, all));
                vec![Cell::text(item.stage.name()), Cell::count(item.count), share]
            })
            .collect(),
        picture: Some(
            Picture::new("Leads by status", Shape::Donut, vec![(1, palette::BRAND)])
                .of_stages(items.iter().map(|item| item.stage)),
        ),
    }
}

/// The sources; with what they brought the month before, if that is known.
pub(crate) fn by_source(
    name: &'static str,
    items: &[SourceCount],
    before: Option<(&str, &[SourceCount])>,
) -> Table {
    let all = items.iter().fold(0u64, |sum, item| sum.saturating_add(item.created));
    let mut columns = vec![
        Column::new("Source", Kind::Text),
        Column::new("Leads", Kind::Count),
        Column::new("Converted", Kind::Count),
        Column::new("Converted share", Kind::Percent),
        Column::new("Share of all leads", Kind::Percent),
    ];
    if let Some((month, _)) = before {
        columns.push(Column::new(format!("Leads in {month}"), Kind::Count));
    }
    let row = |item: &SourceCount| {
        let mut row = vec![
            Cell::text(&item.source),
            Cell::count(item.created),
            Cell::count(item.converted),
            Cell::tenths(share_tenths(item.converted, item.created)),
            Cell::tenths(share_tenths(item.created, all)),
        ];
        if let Some((_, before)) = before {
            row.push(Cell::count(created_by(before, &item.source)));
        }
        row
    };
    Table {
        name,
        columns,
        rows: items.iter().map(row).collect(),
        picture: Some(Picture::new(
            "Leads by source",
            Shape::Columns,
            vec![(1, palette::BRAND_PALE), (2, Stage::Converted.colour())],
        )),
    }
}

pub(crate) fn created_by(items: &[SourceCount], source: &str) -> u64 {
    items.iter().find(|item| item.source == source).map_or(0, |item| item.created)
}

pub(crate) fn conversion(items: &[ConversionMonth]) -> Table {
    Table {
        name: "Conversion",
        columns: vec![
            Column::new("Month", Kind::Month),
            Column::new("Created", Kind::Count),
            Column::new("Converted", Kind::Count),
            Column::new("Conversion rate", Kind::Percent),
            Column::new("Cohort converted", Kind::Count),
            Column::new("Cohort rate", Kind::Percent),
        ],
        rows: items
            .iter()
            .map(|item| {
                vec![
                    Cell::Date(item.month.first_day()),
                    Cell::count(item.created),
                    Cell::count(item.converted),
                    Cell::tenths(item.rate_tenths),
                    Cell::count(item.cohort_converted),
                    Cell::tenths(item.cohort_rate_tenths),
                ]
            })
            .collect(),
        picture: Some(Picture::new("Conversion rate by month", Shape::Line, vec![(3, palette::BRAND)])),
    }
}

pub(crate) fn funnel(items: &[FunnelStep]) -> Table {
    Table {
        name: "Funnel",
        columns: vec![
            Column::new("Stage", Kind::Text),
            Column::new("Reached", Kind::Count),
            Column::new("Share of all", Kind::Percent),
            Column::new("Share of the stage before", Kind::Percent),
            Column::new("Median time to it", Kind::Hours),
        ],
        rows: items
            .iter()
            .map(|item| {
                vec![
                    Cell::text(item.stage.name()),
                    Cell::count(item.reached),
                    Cell::tenths(item.rate_tenths),
                    Cell::tenths(item.step_rate_tenths),
                    Cell::tenths(item.median_tenths_of_hours),
                ]
            })
            .collect(),
        picture: Some(
            Picture::new("How far leads got", Shape::Bars, vec![(1, palette::BRAND)])
                .of_stages(items.iter().map(|item| item.stage)),
        ),
    }
}

/// The figures beside those of the period before.
pub(crate) fn report(
    name: &'static str,
    now: &str,
    before: &str,
    figures: &Figures,
    previous: &Figures,
) -> Table {
    let mut rows: Vec<Vec<Cell>> = figures
        .counts()
        .into_iter()
        .zip(previous.counts())
        .map(|((name, now), (_, before))| {
            let difference = i128::from(now) - i128::from(before);
            let change = (before > 0).then(|| difference * 1000 / i128::from(before));
            vec![
                Cell::text(name),
                Cell::count(now),
                Cell::count(before),
                Cell::Count(difference),
                change.map_or(Cell::Empty, Cell::Tenths),
            ]
        })
        .collect();
    let points =
        figures.rate_tenths.zip(previous.rate_tenths).map(|(now, before)| words::points(now, before));
    rows.push(vec![
        Cell::text("Conversion rate (%)"),
        figures.rate_tenths.map_or(Cell::Empty, Cell::Rate),
        previous.rate_tenths.map_or(Cell::Empty, Cell::Rate),
        points.map_or(Cell::Empty, Cell::Text),
        Cell::Empty,
    ]);
    let mut picture = Picture::new(
        "Beside the period before",
        Shape::Columns,
        vec![(1, palette::BRAND), (2, palette::BRAND_PALE)],
    );
    picture.rows = Some(5);
    Table {
        name,
        columns: vec![
            Column::new("Figure", Kind::Text),
            Column::new(now, Kind::Count),
            Column::new(before, Kind::Count),
            Column::new("Change", Kind::Count),
            Column::new("Relative change", Kind::Percent),
        ],
        rows,
        picture: Some(picture),
    }
}
