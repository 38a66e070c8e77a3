//! The analytics export and the month's tables, read back.

use std::io::{Cursor, Read};

use chrono::NaiveDate;
use chrono_tz::Europe::Berlin;
use leadline_documents::{
    Analytics, Bucket, ConversionMonth, Created, Figures, FunnelStep, Interval, Month, Outcome, Report,
    SourceCount, Stage, StageCount, Summary, YearMonth,
};
use zip::ZipArchive;

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn month() -> Month {
    let month = YearMonth::parse("2026-10").unwrap();
    let sources = |created| vec![SourceCount { source: "=Website".into(), created, converted: 2 }];
    Month {
        workspace: "Acme".into(),
        month,
        zone: Berlin,
        generated_at: 1_793_520_300_000,
        figures: Figures {
            created: 12,
            contacted: 6,
            qualified: 3,
            converted: 2,
            lost: 1,
            rate_tenths: Some(167),
        },
        previous: Figures { created: 10, ..Figures::default() },
        by_status: Stage::ALL.map(|stage| StageCount { stage, count: 3 }).into(),
        by_source: sources(12),
        by_source_before: sources(10),
        created_per_day: vec![1; 31],
        created_per_day_before: vec![2; 30],
        conversion: vec![ConversionMonth {
            month,
            created: 12,
            converted: 2,
            rate_tenths: Some(167),
            cohort_converted: 1,
            cohort_rate_tenths: Some(83),
        }],
        funnel: vec![FunnelStep {
            stage: Stage::New,
            reached: 12,
            rate_tenths: Some(1000),
            step_rate_tenths: None,
            median_tenths_of_hours: Some(35),
        }],
        won: vec![Outcome {
            name: "+Ann".into(),
            source: "Website".into(),
            at: 1_792_000_800_000,
            ..Outcome::default()
        }],
        won_total: 1235,
        lost: Vec::new(),
        lost_total: 0,
    }
}

fn analytics() -> Analytics {
    let month = month();
    Analytics {
        workspace: month.workspace,
        zone: Berlin,
        generated_at: month.generated_at,
        summary: Summary { total_leads: 4044, as_of: month.generated_at, ..Summary::default() },
        by_status: month.by_status.clone(),
        by_source: month.by_source.clone(),
        created: Created {
            interval: Interval::Day,
            buckets: vec![Bucket {
                start: day("2026-10-01"),
                count: 12,
                by_source: vec![("=Website".into(), 12)],
            }],
        },
        conversion: month.conversion,
        funnel: month.funnel,
        report: Report {
            period: Interval::Month,
            start: day("2026-10-01"),
            end: day("2026-10-31"),
            figures: month.figures,
            previous: month.previous,
            by_status: month.by_status,
            by_source: month.by_source,
        },
    }
}

/// The tables of a CSV: name, header, rows.
fn tables(bytes: Vec<u8>) -> Vec<(String, Vec<Vec<String>>)> {
    let text = String::from_utf8(bytes).unwrap();
    let text = text.strip_prefix('\u{FEFF}').expect("a byte order mark");
    assert!(!text.replace("\r\n", "").contains('\n'));
    text.split("\r\n\r\n")
        .map(|table| {
            let mut reader =
                csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(table.as_bytes());
            let mut rows =
                reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect::<Vec<_>>());
            let name = rows.next().expect("a name").remove(0);
            (name, rows.collect())
        })
        .collect()
}

fn parts(bytes: Vec<u8>) -> Vec<(String, String)> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut parts = Vec::new();
    for i in 0..archive.len() {
        let mut file = archive.by_index(i).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        parts.push((file.name().unwrap().into_owned(), text));
    }
    parts
}

fn check_workbook(parts: &[(String, String)], sheets: usize, charts: usize) {
    let count = |folder: &str| {
        parts.iter().filter(|(name, _)| name.starts_with(folder) && name.ends_with(".xml")).count()
    };
    assert_eq!(count("xl/worksheets/sheet"), sheets);
    assert_eq!(count("xl/charts/chart"), charts);
    for (name, xml) in parts.iter().filter(|(name, _)| name.starts_with("xl/worksheets/")) {
        assert!(!xml.contains("<f>") && !xml.contains("<hyperlink"), "{name}");
    }
    let charts: String = parts
        .iter()
        .filter(|(name, _)| name.starts_with("xl/charts/"))
        .map(|(_, xml)| xml.as_str())
        .collect();
    for colour in ["0396D8", "713DC4", "D57C10", "00623E", "96918E"] {
        assert!(charts.contains(colour), "no stage is drawn in {colour}");
    }
    assert!(charts.contains("doughnutChart") && charts.contains("areaChart") && charts.contains("lineChart"));
}

#[test]
fn the_analytics_csv_is_its_tables_one_under_the_other() {
    let tables = tables(analytics().to_csv().unwrap());
    let names: Vec<_> = tables.iter().map(|(name, _)| name.as_str()).collect();
    let expected = [
        "Summary",
        "By status",
        "By source",
        "Created",
        "Conversion",
        "Funnel",
        "Report",
        "Report by status",
        "Report by source",
    ];
    assert_eq!(names, expected);
    assert_eq!(tables[0].1[1], ["Total leads", "4044", ""]);
    assert_eq!(tables[1].1[0], ["Status", "Leads", "Share (%)"]);
    assert_eq!(tables[1].1[1], ["New", "3", "20.0"]);
    assert_eq!(tables[2].1[1], ["'=Website", "12", "2", "16.7", "100.0"]);
    assert_eq!(tables[3].1[1], ["2026-10-01", "12", "12"]);
    assert_eq!(tables[4].1[1], ["2026-10", "12", "2", "16.7", "1", "8.3"]);
    assert_eq!(tables[5].1[1], ["New", "12", "100.0", "", "3.5"]);
    assert_eq!(tables[6].1[1], ["Created", "12", "10", "2", "20.0"]);
}

#[test]
fn the_analytics_workbook_has_a_sheet_a_table_and_native_charts() {
    let parts = parts(analytics().to_xlsx().unwrap());
    check_workbook(&parts, 9, 8);
}

#[test]
fn the_months_csv_and_workbook_have_the_same_tables() {
    let tables = tables(month().to_csv().unwrap());
    let names: Vec<_> = tables.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["Summary", "Created per day", "By status", "By source", "Conversion", "Funnel", "Won", "Lost"]
    );
    assert_eq!(tables[1].1.len(), 32);
    assert_eq!(tables[3].1[0][5], "Leads in September 2026");
    assert_eq!(tables[6].1[1][..5], ["'+Ann", "", "Website", "", "2026-10-14T20:00:00.000+02:00"]);
    assert_eq!(tables[6].1[2], ["and 1,234 more: export the leads to see them"]);
    let parts = parts(month().to_xlsx().unwrap());
    check_workbook(&parts, 8, 6);
}

#[test]
fn the_same_figures_give_the_same_bytes() {
    assert_eq!(month().to_xlsx().unwrap(), month().to_xlsx().unwrap());
    assert_eq!(month().to_pdf().unwrap(), month().to_pdf().unwrap());
}
