//! A month's summary: what it says, and its tables.

use chrono::{Days, NaiveDate};
use chrono_tz::Tz;

use crate::{
    Error,
    calendar::{YearMonth, day_and_month, local, spoken_time, weekday},
    csv,
    figures::{
        ConversionMonth, Figures, FunnelStep, SourceCount, StageCount, by_source, by_status, conversion,
        funnel, report, share_tenths,
    },
    pdf, sheets,
    stage::palette,
    table::{Cell, Column, Kind, Picture, Shape, Table},
    words::{self, about, grouped, leads, relative},
};

/// All that a month's summary says.
#[derive(Debug, Clone, PartialEq)]
pub struct Month {
    /// The workspace's name.
    pub workspace: String,
    /// The month.
    pub month: YearMonth,
    /// The zone of its days.
    pub zone: Tz,
    /// When the summary was made; milliseconds since the epoch. In the month itself, the summary says 'so far'.
    pub generated_at: i64,
    /// Its figures.
    pub figures: Figures,
    /// Those of the month before.
    pub previous: Figures,
    /// Leads created in it by their stage now, in pipeline order.
    pub by_status: Vec<StageCount>,
    /// Leads created in it by source, with how many of them are Converted now.
    pub by_source: Vec<SourceCount>,
    /// The same of the month before; empty: not known, nothing is said of it.
    pub by_source_before: Vec<SourceCount>,
    /// Leads created on each of its days, from the first.
    pub created_per_day: Vec<u64>,
    /// The same of the month before.
    pub created_per_day_before: Vec<u64>,
    /// Conversion of up to twelve months, oldest first, this month last.
    pub conversion: Vec<ConversionMonth>,
    /// How far the leads created in it got: New to Converted.
    pub funnel: Vec<FunnelStep>,
    /// Leads won in it, latest first. The PDF prints the first 500; the workbook and the CSV all that are here.
    pub won: Vec<Outcome>,
    /// How many were won, were there more than in `won`.
    pub won_total: u64,
    /// Leads lost in it, likewise.
    pub lost: Vec<Outcome>,
    /// How many were lost.
    pub lost_total: u64,
}

/// A lead that was won or lost.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// Its name.
    pub name: String,
    /// Its company, or empty.
    pub company: String,
    /// The source's word.
    pub source: String,
    /// The owner's name, or empty.
    pub owner: String,
    /// When it was won or lost; milliseconds since the epoch.
    pub at: i64,
    /// The reason that was given, or empty.
    pub reason: String,
}

impl Month {
    /// As PDF: A4, tagged for screen readers, to be forwarded as it is. It takes processor time, more the more leads
    /// are listed: not a thing to do on a thread that serves others.
    ///
    /// # Errors
    /// [`Error::Pdf`], if its writer refuses.
    pub fn to_pdf(&self) -> Result<Vec<u8>, Error> {
        pdf::month(self)
    }

    /// As a workbook with the same tables, and the spreadsheet's own charts.
    ///
    /// # Errors
    /// [`Error::Workbook`], if its writer refuses.
    pub fn to_xlsx(&self) -> Result<Vec<u8>, Error> {
        let title = format!("{}: {}", self.workspace, self.month.title());
        sheets::workbook(
            &self.tables(),
            self.zone,
            &title,
            &format!("Times in {}", self.zone),
            self.generated_at,
        )
    }

    /// As one CSV, in the form that [`Analytics::to_csv`](crate::Analytics::to_csv) has.
    ///
    /// # Errors
    /// None that memory gives cause for.
    pub fn to_csv(&self) -> Result<Vec<u8>, Error> {
        csv::tables(&self.tables(), self.zone)
    }

    /// How many of its days had begun when the summary was made.
    pub(crate) fn days_begun(&self) -> usize {
        let today = local(self.generated_at, self.zone).map(|at| at.date_naive());
        today.map_or(self.month.days(), |today| self.month.days_begun(today)) as usize
    }

    /// Whether it goes on.
    pub(crate) fn is_unfinished(&self) -> bool {
        self.days_begun() < self.month.days() as usize
            || local(self.generated_at, self.zone).is_some_and(|at| at.date_naive() <= self.month.last_day())
    }

    /// The busiest day and how many leads were created on it.
    pub(crate) fn busiest_day(&self) -> Option<(NaiveDate, u64)> {
        let (day, count) = self.created_per_day.iter().enumerate().rev().max_by_key(|(_, count)| **count)?;
        let day = self.month.first_day().checked_add_days(Days::new(day as u64))?;
        (*count > 0).then_some((day, *count))
    }

    /// What stood out, in one to three sentences.
    pub(crate) fn story(&self) -> String {
        let (month, before) = (self.month.name(), self.month.previous().name());
        let Figures { created, converted, lost, .. } = self.figures;
        let so_far = if self.is_unfinished() { " so far" } else { "" };
        if self.figures.are_nothing() {
            return match self.previous.created {
                0 => format!("Nothing was created, won or lost in {month}{so_far}."),
                count => format!(
                    "Nothing was created, won or lost in {month}{so_far}; {before} had {}.",
                    new(count)
                ),
            };
        }
        let mut story = format!("{month} brought {}{so_far}", new(created));
        match (words::way(created, self.previous.created), relative(created, self.previous.created)) {
            (words::Way::Same, _) => story.push_str(&format!(", as many as {before}")),
            (_, None) if self.previous.created == 0 => story.push_str(&format!(", after none in {before}")),
            (_, None) => story.push_str(&format!(", after {} in {before}", grouped(self.previous.created))),
            (words::Way::Up, Some(by)) => {
                story.push_str(&format!(", {} more than {before}", by.trim_start_matches('+')));
            }
            (words::Way::Down, Some(by)) => {
                story.push_str(&format!(", {} fewer than {before}", by.trim_start_matches('–')));
            }
        }
        story.push_str(&match (converted, lost) {
            (0, 0) => ". None was won or lost".to_owned(),
            (0, lost) => format!(". None was won, {} lost", were(lost)),
            (won, 0) => format!(". {} won, none lost", capital(&were(won))),
            (won, lost) => format!(". {} won and {} lost", capital(&were(won)), grouped(lost)),
        });
        if let Some((source, rate)) = self.best_source() {
            story.push_str(&format!("; {source} converted best, at {}", about(rate)));
        }
        story.push('.');
        if !self.is_unfinished() && self.has_best_rate() {
            story.push_str(" The conversion rate is the best of twelve months.");
        } else if let Some((day, count)) = self.busiest_day().filter(|(_, count)| *count > 1) {
            story.push_str(&format!(
                " The busiest day was {} {}, with {}.",
                weekday(day),
                day_and_month(day),
                leads(count)
            ));
        }
        story
    }

    /// The source whose leads converted best, of those that brought at least five.
    fn best_source(&self) -> Option<(&str, u64)> {
        let able = self.by_source.iter().rev().filter(|item| item.created >= 5 && item.converted > 0);
        let rates =
            able.filter_map(|item| Some((item.source.as_str(), share_tenths(item.converted, item.created)?)));
        // Under one per cent is nothing to speak of.
        rates.filter(|(_, rate)| *rate >= 10).max_by_key(|(_, rate)| *rate)
    }

    fn has_best_rate(&self) -> bool {
        let Some((this, earlier)) = self.conversion.split_last() else { return false };
        let of = |item: &ConversionMonth| item.rate_tenths;
        earlier.len() == 11 && of(this).is_some_and(|rate| earlier.iter().filter_map(of).all(|it| it < rate))
    }

    pub(crate) fn made(&self) -> String {
        format!("Made {} ({})", spoken_time(self.generated_at, self.zone), self.zone.name())
    }

    fn tables(&self) -> Vec<Table> {
        let (now, before) = (self.month.title(), self.month.previous().title());
        let mut summary = report("Summary", &now, &before, &self.figures, &self.previous);
        for (name, value) in [
            ("Workspace", self.workspace.clone()),
            ("What stood out", self.story()),
            ("Time zone", self.zone.name().to_owned()),
            ("Made", spoken_time(self.generated_at, self.zone)),
        ] {
            summary.rows.push(vec![Cell::text(name), Cell::Text(value)]);
        }
        let sources_before = (!self.by_source_before.is_empty())
            .then_some((before.as_str(), self.by_source_before.as_slice()));
        vec![
            summary,
            self.per_day(),
            by_status("By status", &self.by_status),
            by_source("By source", &self.by_source, sources_before),
            conversion(&self.conversion),
            funnel(&self.funnel),
            outcomes("Won", &self.won, self.won_total),
            outcomes("Lost", &self.lost, self.lost_total),
        ]
    }

    fn per_day(&self) -> Table {
        let (now, before) = (self.month.title(), self.month.previous().title());
        let begun = self.days_begun();
        let row = |day: u32| {
            let i = day as usize;
            let count = |days: &[u64]| days.get(i).map_or(Cell::Empty, |count| Cell::count(*count));
            let date = self
                .month
                .first_day()
                .checked_add_days(Days::new(day.into()))
                .map_or(Cell::Empty, Cell::Date);
            let now = if i < begun { count(&self.created_per_day) } else { Cell::Empty };
            vec![date, now, count(&self.created_per_day_before)]
        };
        let days = self.month.days().max(self.month.previous().days());
        let mut picture = Picture::new(
            "Leads created per day",
            Shape::Area,
            vec![(1, palette::BRAND), (2, palette::LINE_STRONG)],
        );
        picture.last_dashed = true;
        picture.rows = Some(self.month.days() as usize);
        Table {
            name: "Created per day",
            columns: vec![
                Column::new("Day", Kind::Date),
                Column::new(format!("Created in {now}"), Kind::Count),
                Column::new(format!("Same day of {before}"), Kind::Count),
            ],
            rows: (0..days.min(self.month.days())).map(row).collect(),
            picture: Some(picture),
        }
    }
}

fn new(count: u64) -> String {
    match count {
        0 => "no new leads".to_owned(),
        1 => "1 new lead".to_owned(),
        count => format!("{} new leads", grouped(count)),
    }
}

fn were(count: u64) -> String {
    if count == 1 { "one was".to_owned() } else { format!("{} were", grouped(count)) }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn outcomes(name: &'static str, items: &[Outcome], total: u64) -> Table {
    let row = |item: &Outcome| {
        vec![
            Cell::text(&item.name),
            Cell::text(&item.company),
            Cell::text(&item.source),
            Cell::text(&item.owner),
            Cell::Time(item.at),
            Cell::text(&item.reason),
        ]
    };
    let mut rows: Vec<_> = items.iter().map(row).collect();
    if let Some(more) = total.checked_sub(items.len() as u64).filter(|more| *more > 0) {
        rows.push(vec![Cell::text(format!("and {} more: export the leads to see them", grouped(more)))]);
    }
    Table {
        name,
        columns: [
            "Name",
            "Company",
            "Source",
            "Owner",
            if name == "Won" { "Won at" } else { "Lost at" },
            "Reason",
        ]
        .map(|it| Column::new(it, Kind::Text))
        .into(),
        rows,
        picture: None,
    }
}
