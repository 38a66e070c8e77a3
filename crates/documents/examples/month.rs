//! Writes a month's summary as PDF, XLSX and CSV, and the analytics export, into a folder, from made-up figures:
//! `cargo run -p leadline-documents --example month -- FOLDER [usual|empty|huge|long|unfinished]`.

use std::{env, fs, path::PathBuf};

use anyhow::{Context, bail};
use chrono::{Days, TimeZone, Utc};
use chrono_tz::Europe::Berlin;
use leadline_documents::{
    Analytics, Bucket, ConversionMonth, Created, Figures, Format, FunnelStep, Interval, Month, Outcome,
    Report, SourceCount, Stage, StageCount, Summary, SummaryBefore, YearMonth,
};

const SOURCES: [&str; 4] = ["Website", "Referral", "Ad", "Other"];

fn main() -> anyhow::Result<()> {
    let mut args = env::args().skip(1);
    let folder = PathBuf::from(args.next().context("which folder?")?);
    let kind = args.next().unwrap_or_else(|| "usual".into());
    fs::create_dir_all(&folder)?;
    let mut month = usual()?;
    match kind.as_str() {
        "usual" => {}
        "empty" => empty(&mut month),
        "huge" => huge(&mut month),
        "long" => long(&mut month),
        "unfinished" => {
            let now = Utc.with_ymd_and_hms(2026, 10, 17, 14, 0, 0).single().context("a time")?;
            month.generated_at = now.timestamp_millis();
            month.created_per_day.truncate(17);
        }
        other => bail!("{other} is not known"),
    }
    let at = |format: Format| folder.join(format!("{kind}.{}", format.extension()));
    fs::write(at(Format::Pdf), month.to_pdf()?)?;
    fs::write(at(Format::Xlsx), month.to_xlsx()?)?;
    fs::write(at(Format::Csv), month.to_csv()?)?;
    let analytics = analytics(&month)?;
    fs::write(folder.join(format!("{kind}-analytics.xlsx")), analytics.to_xlsx()?)?;
    fs::write(folder.join(format!("{kind}-analytics.csv")), analytics.to_csv()?)?;
    Ok(())
}

fn source(name: &str, created: u64, converted: u64) -> SourceCount {
    SourceCount { source: name.into(), created, converted }
}

fn usual() -> anyhow::Result<Month> {
    let month = YearMonth::parse("2026-10").context("a month")?;
    let day = |i: u64, base: u64| {
        (base + (i * 7 + i * i * 3) % 9) * if i % 7 == 2 || i % 7 == 3 { 1 } else { 2 } / 2
    };
    let created_per_day: Vec<u64> = (0..31).map(|i| day(i, 9)).collect();
    let created_per_day_before: Vec<u64> = (0..30).map(|i| day(i + 4, 6)).collect();
    let (created, before) = (created_per_day.iter().sum(), created_per_day_before.iter().sum());
    let mut conversion = Vec::new();
    let mut at = YearMonth::new(2025, 11).context("a month")?;
    for rate in [147, 131, 166, 122, 139, 168, 183, 168, 190, 214, 204, 225] {
        let converted = created * rate / 1000;
        conversion.push(ConversionMonth {
            month: at,
            created,
            converted,
            rate_tenths: Some(rate),
            cohort_converted: converted,
            cohort_rate_tenths: Some(rate),
        });
        let next = at.last_day().checked_add_days(Days::new(1)).context("a day")?;
        at = YearMonth::parse(&next.format("%Y-%m").to_string()).context("a month")?;
    }
    let counts = [46, 83, 61, 58, 91];
    let by_status =
        Stage::ALL.into_iter().zip(counts).map(|(stage, count)| StageCount { stage, count }).collect();
    let funnel = [
        (Stage::New, 339, 0),
        (Stage::Contacted, 281, 45),
        (Stage::Qualified, 164, 932),
        (Stage::Converted, 58, 3100),
    ]
    .into_iter()
    .scan(339u64, |last, (stage, reached, median)| {
        let step = (reached * 1000) / *last;
        *last = reached;
        let first = stage == Stage::New;
        Some(FunnelStep {
            stage,
            reached,
            rate_tenths: Some(reached * 1000 / 339),
            step_rate_tenths: (!first).then_some(step),
            median_tenths_of_hours: Some(median),
        })
    })
    .collect();
    let generated_at =
        Utc.with_ymd_and_hms(2026, 11, 1, 7, 5, 0).single().context("a time")?.timestamp_millis();
    Ok(Month {
        workspace: "Beacon & Söhne".into(),
        month,
        zone: Berlin,
        generated_at,
        figures: Figures {
            created,
            contacted: 281,
            qualified: 164,
            converted: 81,
            lost: 101,
            rate_tenths: Some(225),
        },
        previous: Figures {
            created: before,
            contacted: 240,
            qualified: 170,
            converted: 69,
            lost: 88,
            rate_tenths: Some(204),
        },
        by_status,
        by_source: vec![
            source(SOURCES[0], 137, 19),
            source(SOURCES[1], 96, 22),
            source(SOURCES[2], 65, 11),
            source(SOURCES[3], 41, 6),
        ],
        by_source_before: vec![
            source(SOURCES[0], 86, 15),
            source(SOURCES[1], 79, 20),
            source(SOURCES[2], 65, 9),
            source(SOURCES[3], 30, 3),
        ],
        created_per_day,
        created_per_day_before,
        conversion,
        funnel,
        won: outcomes(81, generated_at),
        won_total: 81,
        lost: outcomes(23, generated_at - 3_600_000),
        lost_total: 101,
    })
}

fn outcomes(count: usize, before: i64) -> Vec<Outcome> {
    const NAMES: [(&str, &str); 12] = [
        ("Ines Álvarez", "Álvarez y Asociados S.L."),
        ("山田 太郎", "東京電機株式会社"),
        ("Ελένη Παπαδοπούλου", "Αιγαίο Ναυτιλιακή"),
        ("Юлия Кузнецова", "Северный ветер"),
        ("김민준", "한국물산 주식회사"),
        ("דוד לוי", "חברת הים התיכון"),
        ("محمد الحسن", "شركة النور"),
        ("Kwame Nwosu", ""),
        ("王小明", "上海贸易有限公司"),
        ("Łukasz Żółć", "Gęślą Jaźń sp. z o.o."),
        ("Nguyễn Thị Ánh", "Công ty Ánh Dương"),
        ("राम शर्मा", "भारत उद्योग"),
    ];
    const REASONS: [&str; 5] =
        ["", "Signed for two years", "Chose a competitor because of the price", "", "No budget this year"];
    (0..count)
        .map(|i| Outcome {
            name: NAMES[i % NAMES.len()].0.into(),
            company: NAMES[i % NAMES.len()].1.into(),
            source: SOURCES[i % 4].into(),
            owner: ["Amara Obi", "Jonas Weber", "Mei Tanaka", ""][i % 4].into(),
            at: before - 86_400_000 - i as i64 * 25_000_000,
            reason: REASONS[i % 5].into(),
        })
        .collect()
}

fn empty(month: &mut Month) {
    month.figures = Figures::default();
    month.previous = Figures::default();
    month.by_status.iter_mut().for_each(|item| item.count = 0);
    month.by_source = SOURCES.map(|name| source(name, 0, 0)).into();
    month.by_source_before = month.by_source.clone();
    month.created_per_day = vec![0; 31];
    month.created_per_day_before = vec![0; 30];
    for item in &mut month.conversion {
        (item.created, item.converted, item.rate_tenths) = (0, 0, None);
    }
    for step in &mut month.funnel {
        (step.reached, step.rate_tenths, step.step_rate_tenths) = (0, None, None);
        step.median_tenths_of_hours = None;
    }
    (month.won, month.lost, month.won_total, month.lost_total) = (Vec::new(), Vec::new(), 0, 0);
}

fn huge(month: &mut Month) {
    let n = 1_234_567_890_123;
    month.figures = Figures {
        created: n,
        contacted: u64::MAX,
        qualified: n,
        converted: n * 3,
        lost: 7,
        rate_tenths: Some(123_456),
    };
    month.previous =
        Figures { created: 3, contacted: 1, qualified: 0, converted: n, lost: n, rate_tenths: None };
    month.by_status.iter_mut().for_each(|item| item.count *= 98_765_432_100);
    month.by_source.iter_mut().for_each(|item| item.created *= 98_765_432_100);
    month.created_per_day.iter_mut().for_each(|count| *count *= 98_765_432);
    month.funnel.iter_mut().for_each(|step| step.reached *= 98_765_432_100);
    if let Some(last) = month.conversion.last_mut() {
        last.rate_tenths = Some(123_456);
    }
    month.won = outcomes(700, month.generated_at);
    month.won_total = 1734;
}

fn long(month: &mut Month) {
    month.workspace =
        "Gesellschaft für außerordentlich lange Firmennamen und deren Verwaltung mbH & Co. KG aA ".repeat(2);
    for (i, item) in month.won.iter_mut().enumerate() {
        item.name = [
            "Wolfeschlegelsteinhausenbergerdorff".repeat(3),
            "非常に長い名前の会社の担当者様".repeat(5),
            "Anna-Maria von und zu der Tann-Rathsamhausen-Freundlich".into(),
        ][i % 3]
            .clone();
        item.company = month.workspace.clone();
        item.reason =
            "=HYPERLINK(\"http://example.test\")\nsecond line 🎉 with an emoji and more words than fit"
                .into();
        item.owner = "Konstantinopolitanischer Dudelsackpfeifer".into();
    }
    if let Some(item) = month.by_source.first_mut() {
        item.source = "A source whose word is much longer than any".into();
    }
}

fn analytics(month: &Month) -> anyhow::Result<Analytics> {
    let bucket = |(i, count): (usize, &u64)| {
        let start = month.month.first_day().checked_add_days(Days::new(i as u64))?;
        let by_source = SOURCES.map(|name| (name.to_owned(), count / 4)).into();
        Some(Bucket { start, count: *count, by_source })
    };
    Ok(Analytics {
        workspace: month.workspace.clone(),
        zone: month.zone,
        generated_at: month.generated_at,
        summary: Summary {
            total_leads: 4044,
            new_today: 13,
            converted_this_week: 7,
            lost_this_month: 167,
            previous: SummaryBefore { new_today: 10, converted_this_week: 6, lost_this_month: 199 },
            as_of: month.generated_at,
        },
        by_status: month.by_status.clone(),
        by_source: month.by_source.clone(),
        created: Created {
            interval: Interval::Day,
            buckets: month.created_per_day.iter().enumerate().filter_map(bucket).collect(),
        },
        conversion: month.conversion.clone(),
        funnel: month.funnel.clone(),
        report: Report {
            period: Interval::Month,
            start: month.month.first_day(),
            end: month.month.last_day(),
            figures: month.figures,
            previous: month.previous,
            by_status: month.by_status.clone(),
            by_source: month.by_source.clone(),
        },
    })
}
