//! What was measured, kept in a file from run to run, and told as tables and plots.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use plotters::prelude::*;
use serde::{Deserialize, Serialize};

/// One figure of one system with so many leads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The table that it belongs to.
    pub table: String,
    /// What was measured: its row.
    pub what: String,
    /// The mode: its column.
    pub mode: String,
    /// With so many leads,
    pub leads: u64,
    /// over so many workspaces.
    pub workspaces: u64,
    /// Its values by name, in the units that the names tell.
    pub values: BTreeMap<String, f64>,
}

/// All that is known, of this run and those before it.
pub struct Figures {
    folder: PathBuf,
    all: Vec<Figure>,
}

impl Figures {
    /// Reads what earlier runs left in a folder.
    ///
    /// # Errors
    /// If the folder can't be made.
    pub fn open(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let known = fs::read_to_string(folder.join("figures.json")).ok();
        let all = known.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        Ok(Self { folder: folder.to_owned(), all })
    }

    /// Adds a figure, in place of one of the same kind, and writes all down: a run that is cut off loses nothing.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn add(&mut self, figure: Figure) -> Result<()> {
        let key =
            |one: &Figure| (one.table.clone(), one.what.clone(), one.mode.clone(), one.leads, one.workspaces);
        let new = key(&figure);
        match self.all.iter_mut().find(|one| key(one) == new) {
            Some(old) => *old = figure,
            None => self.all.push(figure),
        }
        fs::write(self.folder.join("figures.json"), serde_json::to_string_pretty(&self.all)?)?;
        Ok(())
    }

    /// Writes tables and plots.
    ///
    /// # Errors
    /// If a file can't be written.
    pub fn tell(&self) -> Result<PathBuf> {
        let report = self.folder.join("report.md");
        fs::write(&report, self.markdown()?)?;
        for (what, file) in [
            ("dashboard", "dashboard"),
            ("search: three letters", "search"),
            ("list, newest first", "list"),
            ("get a lead", "get"),
        ] {
            let curves = self.curves(what);
            if curves.values().any(|curve| curve.len() > 1) {
                plot(&self.folder.join(format!("{file}.svg")), what, &curves)?;
            }
        }
        Ok(report)
    }

    /// A table for each kind and size, with a column for each mode.
    fn markdown(&self) -> Result<String> {
        let mut text = String::new();
        let tables: BTreeSet<_> =
            self.all.iter().map(|one| (one.leads, one.workspaces, one.table.as_str())).collect();
        for (leads, workspaces, table) in tables {
            let here =
                |one: &&Figure| one.table == table && one.leads == leads && one.workspaces == workspaces;
            let of_table: Vec<&Figure> = self.all.iter().filter(here).collect();
            let mut modes: Vec<&str> = Vec::new();
            let mut rows: Vec<&str> = Vec::new();
            for one in &of_table {
                if !modes.contains(&one.mode.as_str()) {
                    modes.push(&one.mode);
                }
                if !rows.contains(&one.what.as_str()) {
                    rows.push(&one.what);
                }
            }
            let over = if workspaces > 1 { format!(" over {workspaces} workspaces") } else { String::new() };
            writeln!(text, "\n### {table}, {leads} leads{over}\n")?;
            writeln!(text, "| | {} |\n| --- |{}", modes.join(" | "), " --- |".repeat(modes.len()))?;
            for row in rows {
                let cells = modes.iter().map(|mode| {
                    let found = of_table.iter().find(|one| one.what == row && one.mode == *mode);
                    found.map_or_else(String::new, |one| cell(&one.values))
                });
                writeln!(text, "| {row} | {} |", cells.collect::<Vec<_>>().join(" | "))?;
            }
        }
        Ok(text)
    }

    /// The 99th percentile of a scenario over the number of leads, by mode.
    fn curves(&self, what: &str) -> BTreeMap<&str, Vec<(f64, f64)>> {
        let mut curves: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
        for one in &self.all {
            if one.what == what
                && one.workspaces == 1
                && let Some(p99) = one.values.get("p99 ms")
                && one.table.starts_with("Paced")
            {
                curves.entry(&one.mode).or_default().push((one.leads as f64, *p99));
            }
        }
        for curve in curves.values_mut() {
            curve.sort_by(|one, other| one.0.total_cmp(&other.0));
        }
        curves
    }
}

fn cell(values: &BTreeMap<String, f64>) -> String {
    let told = values.iter().map(|(name, value)| {
        let digits = if *value >= 100.0 || value.fract() == 0.0 {
            0
        } else if *value >= 10.0 {
            1
        } else {
            2
        };
        format!("{value:.digits$} {name}")
    });
    told.collect::<Vec<_>>().join(" · ")
}

/// Draws curves with logarithmic axes.
fn plot(path: &Path, title: &str, curves: &BTreeMap<&str, Vec<(f64, f64)>>) -> Result<()> {
    const COLOURS: [RGBColor; 3] = [RGBColor(3, 150, 216), RGBColor(213, 124, 16), RGBColor(0, 98, 62)];
    let points = || curves.values().flatten();
    let (least, most) =
        points().fold((f64::MAX, 1.0_f64), |(least, most), (leads, _)| (least.min(*leads), most.max(*leads)));
    let highest = points().map(|(_, millis)| *millis).fold(1.0_f64, f64::max);
    let area = SVGBackend::new(path, (720, 400)).into_drawing_area();
    let failed = |error: &dyn std::fmt::Display| anyhow::anyhow!("{}: {error}", path.display());
    area.fill(&WHITE).map_err(|error| failed(&error))?;
    let mut chart = ChartBuilder::on(&area)
        .caption(format!("{title}: 99th percentile"), ("sans-serif", 18))
        .margin(14)
        .x_label_area_size(40)
        .y_label_area_size(64)
        .build_cartesian_2d((least * 0.9..most * 1.1).log_scale(), (0.1..highest * 2.0).log_scale())
        .map_err(|error| failed(&error))?;
    chart
        .configure_mesh()
        .x_desc("leads in the workspace")
        .y_desc("milliseconds")
        .x_label_formatter(&|leads| format!("{leads:.0}"))
        .draw()
        .map_err(|error| failed(&error))?;
    for ((mode, curve), colour) in curves.iter().zip(COLOURS) {
        chart
            .draw_series(LineSeries::new(curve.iter().copied(), colour.stroke_width(2)).point_size(3))
            .map_err(|error| failed(&error))?
            .label(*mode)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.2))
        .draw()
        .map_err(|error| failed(&error))?;
    area.present().map_err(|error| failed(&error)).context("a plot")
}
