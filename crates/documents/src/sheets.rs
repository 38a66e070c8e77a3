//! Tables as a workbook: a sheet each, with a chart of the spreadsheet's own beside it.

use chrono::NaiveTime;
use chrono_tz::Tz;
use rust_xlsxwriter::{
    Chart, ChartDataLabel, ChartFont, ChartFormat, ChartLegendPosition, ChartLine, ChartLineDashType,
    ChartMarker, ChartMarkerType, ChartPoint, ChartSolidFill, ChartType, Color, Format, FormatAlign,
    Workbook, Worksheet,
};

use crate::{
    Error,
    calendar::serial,
    stage::{Colour, palette},
    table::{Cell, Kind, Picture, Shape, Table},
    xlsx::{fitting, header, properties, write_time},
};

/// Its number among the spreadsheet's paper sizes.
const A4: u8 = 9;

struct Formats {
    header: Format,
    header_of_numbers: Format,
    count: Format,
    percent: Format,
    hours: Format,
    date: Format,
    month: Format,
    time: Format,
}

/// The tables as XLSX. `title` and `comment` go into its properties, `made_at` too.
pub(crate) fn workbook(
    tables: &[Table],
    zone: Tz,
    title: &str,
    comment: &str,
    made_at: i64,
) -> Result<Vec<u8>, Error> {
    let formats = Formats {
        header: header(),
        header_of_numbers: header().set_align(FormatAlign::Right),
        count: Format::new().set_num_format("#,##0"),
        percent: Format::new().set_num_format("0.0%"),
        hours: Format::new().set_num_format("#,##0.0"),
        date: Format::new().set_num_format("yyyy-mm-dd"),
        month: Format::new().set_num_format("mmm yyyy"),
        time: Format::new().set_num_format("yyyy-mm-dd hh:mm"),
    };
    let mut workbook = Workbook::new();
    workbook.set_properties(&properties(title, comment, made_at));
    for table in tables {
        let sheet = workbook.add_worksheet();
        sheet.set_name(table.name)?;
        write(sheet, table, zone, &formats)?;
        if let Some(picture) = &table.picture
            && !table.rows.is_empty()
        {
            // Rows that are words run on to the right: the chart goes under them.
            let words = table.rows.iter().any(|row| row.len() < table.columns.len());
            let (row, column) =
                if words { (table.rows.len() as u32 + 2, 0) } else { (1, table.columns.len() as u16 + 1) };
            sheet.insert_chart(row, column, &chart(table, picture))?;
        }
    }
    Ok(workbook.save_to_buffer()?)
}

fn write(sheet: &mut Worksheet, table: &Table, zone: Tz, formats: &Formats) -> Result<(), Error> {
    sheet.set_freeze_panes(1, 0)?;
    sheet.set_screen_gridlines(false);
    sheet.set_landscape().set_paper_size(A4).set_print_fit_to_pages(1, 0).set_repeat_rows(0, 0)?;
    for (column, it) in (0..).zip(&table.columns) {
        let numbers = matches!(it.kind, Kind::Count | Kind::Percent | Kind::Hours);
        let format = if numbers { &formats.header_of_numbers } else { &formats.header };
        let name = if it.kind == Kind::Hours { it.with_unit() } else { it.name.clone() };
        sheet.write_string_with_format(0, column, name, format)?;
    }
    for (row, cells) in (1..).zip(&table.rows) {
        for ((column, cell), it) in (0..).zip(cells).zip(&table.columns) {
            match cell {
                Cell::Empty => {}
                Cell::Text(text) => {
                    sheet.write_string(row, column, fitting(text))?;
                }
                Cell::Count(count) => {
                    sheet.write_number_with_format(row, column, *count as f64, &formats.count)?;
                }
                Cell::Tenths(tenths) if it.kind == Kind::Hours => {
                    sheet.write_number_with_format(row, column, *tenths as f64 / 10.0, &formats.hours)?;
                }
                Cell::Tenths(tenths) => {
                    sheet.write_number_with_format(row, column, *tenths as f64 / 1000.0, &formats.percent)?;
                }
                Cell::Rate(tenths) => {
                    sheet.write_number_with_format(row, column, *tenths as f64 / 1000.0, &formats.percent)?;
                }
                Cell::Date(date) => {
                    let format = if it.kind == Kind::Month { &formats.month } else { &formats.date };
                    match serial(date.and_time(NaiveTime::MIN)) {
                        Some(days) => sheet.write_number_with_format(row, column, days, format)?,
                        None => sheet.write_string(row, column, date.to_string())?,
                    };
                }
                Cell::Time(at) => write_time(sheet, row, column, Some(*at), zone, &formats.time)?,
            }
        }
    }
    for (column, width) in (0..).zip(widths(table)) {
        sheet.set_column_width(column, width)?;
    }
    if !table.rows.is_empty() && !table.columns.is_empty() {
        sheet.autofilter(0, 0, table.rows.len() as u32, table.columns.len() as u16 - 1)?;
    }
    Ok(())
}

/// As wide as what the columns hold, within bounds.
fn widths(table: &Table) -> Vec<f64> {
    let length = |cell: &Cell| match cell {
        Cell::Text(text) => text.chars().take(60).map(|c| if c < '\u{2E80}' { 1 } else { 2 }).sum(),
        Cell::Time(_) => 16,
        Cell::Date(_) => 10,
        Cell::Count(count) => count.to_string().len() * 4 / 3,
        Cell::Tenths(_) | Cell::Rate(_) | Cell::Empty => 6,
    };
    let width = |(i, column): (usize, &crate::table::Column)| {
        // A sentence under numbers runs on to the right.
        let fits = |cell: &&Cell| column.kind != Kind::Count || !matches!(cell, Cell::Text(_));
        let cells =
            table.rows.iter().filter_map(|row| row.get(i)).filter(fits).map(length).max().unwrap_or(0);
        // The header has the filter's button beside it.
        (cells + 2).max(column.name.chars().count() + 5).clamp(10, 60) as f64
    };
    table.columns.iter().enumerate().map(width).collect()
}

fn colour(colour: Colour) -> Color {
    Color::RGB(colour.rgb())
}

fn filled(with: Colour) -> ChartFormat {
    let mut format = ChartFormat::new();
    format.set_solid_fill(ChartSolidFill::new().set_color(colour(with)));
    format
}

fn line(with: Colour, width: f64) -> ChartLine {
    let mut line = ChartLine::new();
    line.set_color(colour(with)).set_width(width);
    line
}

fn chart(table: &Table, picture: &Picture) -> Chart {
    let mut chart = Chart::new(match picture.shape {
        Shape::Donut => ChartType::Doughnut,
        Shape::Columns => ChartType::Column,
        Shape::Area => ChartType::Area,
        Shape::Line => ChartType::Line,
        Shape::Bars => ChartType::Bar,
    });
    let last = picture.rows.unwrap_or(table.rows.len()).min(table.rows.len()) as u32;
    for (i, (column, with)) in picture.series.iter().enumerate() {
        let dashed = picture.last_dashed && i + 1 == picture.series.len();
        if dashed && picture.shape == Shape::Area {
            // An area hides what lies behind it: what is compared is a line.
            let mut before = Chart::new(ChartType::Line);
            series(&mut before, table, *column, last, *with, picture, true);
            chart.combine(&before);
        } else {
            series(&mut chart, table, *column, last, *with, picture, dashed);
        }
    }
    let mut title = ChartFont::new();
    title.set_size(13).set_color(colour(palette::INK));
    chart.title().set_name(&picture.title).set_font(&title);
    let mut small = ChartFont::new();
    small.set_size(9).set_color(colour(palette::INK_3));
    if picture.shape == Shape::Donut {
        chart.set_hole_size(62);
        chart.legend().set_position(ChartLegendPosition::Right).set_font(&small);
    } else {
        let first = table.columns.first().map(|column| column.kind);
        let kind =
            picture.series.first().and_then(|(column, _)| table.columns.get(*column)).map(|it| it.kind);
        let bars = picture.shape == Shape::Bars;
        // Bars lie on their side: what runs along the rows is the upright axis.
        let rows = if bars { chart.y_axis() } else { chart.x_axis() };
        rows.set_font(&small).set_format(ChartFormat::new().set_line(&line(palette::LINE_STRONG, 0.75)));
        rows.set_major_gridlines(false);
        match first {
            Some(Kind::Date) if last > 10 => {
                let interval = (last / 7).min(200) as u16;
                rows.set_text_axis(true)
                    .set_num_format("d mmm")
                    .set_label_interval(interval)
                    .set_tick_interval(interval)
            }
            Some(Kind::Date) => rows.set_text_axis(true).set_num_format("d mmm"),
            Some(Kind::Month) => rows.set_text_axis(true).set_num_format("mmm yy"),
            // The first row on top.
            _ if bars => rows.set_reverse(),
            _ => rows,
        };
        let counts = if bars { chart.x_axis() } else { chart.y_axis() };
        counts.set_font(&small).set_min(0).set_format(ChartFormat::new().set_no_line());
        counts.set_major_gridlines(true).set_major_gridlines_line(&line(palette::LINE, 0.75));
        counts.set_num_format(if kind == Some(Kind::Percent) { "0%" } else { "#,##0" });
        if picture.series.len() > 1 {
            chart.legend().set_position(ChartLegendPosition::Bottom).set_font(&small);
        } else {
            chart.legend().set_hidden();
        }
    }
    chart.chart_area().set_format(ChartFormat::new().set_border(&line(palette::LINE, 0.75)));
    chart.set_width(620).set_height(340);
    chart.set_alt_text(format!("Chart: {}", picture.title));
    chart
}

fn series(
    chart: &mut Chart,
    table: &Table,
    column: usize,
    last: u32,
    with: Colour,
    picture: &Picture,
    dashed: bool,
) {
    let column = column as u16;
    let series = chart.add_series();
    series.set_name((table.name, 0, column));
    series.set_categories((table.name, 1, 0, last, 0));
    series.set_values((table.name, 1, column, last, column));
    match picture.shape {
        Shape::Donut => {
            let mut label = ChartDataLabel::new();
            label.show_value().set_font(ChartFont::new().set_color(Color::White).set_size(9).set_bold());
            series.set_data_label(&label);
        }
        Shape::Bars => {
            series.set_format(&mut filled(with)).set_gap(40);
            let mut label = ChartDataLabel::new();
            label.show_value().set_num_format("#,##0");
            series.set_data_label(&label);
        }
        Shape::Columns => {
            series.set_format(&mut filled(with)).set_gap(60).set_overlap(0);
        }
        Shape::Area if !dashed => {
            let mut fill = ChartSolidFill::new();
            fill.set_color(colour(with)).set_transparency(70);
            series.set_format(ChartFormat::new().set_solid_fill(&fill).set_border(&line(with, 1.75)));
        }
        Shape::Area | Shape::Line => {
            let mut stroke = line(with, if dashed { 1.25 } else { 2.25 });
            if dashed {
                stroke.set_dash_type(ChartLineDashType::Dash);
            }
            series.set_format(ChartFormat::new().set_line(&stroke));
            let mut marker = ChartMarker::new();
            if dashed {
                marker.set_none();
            } else {
                marker.set_type(ChartMarkerType::Circle).set_size(5).set_format(&mut filled(with));
            }
            series.set_marker(&marker);
        }
    }
    if !picture.points.is_empty() {
        let points: Vec<ChartPoint> =
            picture.points.iter().map(|with| ChartPoint::new().set_format(&mut filled(*with))).collect();
        series.set_points(&points);
    }
}
