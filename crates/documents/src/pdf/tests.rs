use std::io::Read;

use chrono_tz::Europe::Berlin;
use flate2::read::ZlibDecoder;
use krilla::configure::{Accessibility, ConfigurationBuilder};
use proptest::prelude::*;

use super::*;
use crate::{
    ConversionMonth, Figures, FunnelStep, Outcome, SourceCount, Stage, StageCount, YearMonth,
    pdf::text::{Fonts, Weight},
};

fn outcome(i: usize, name: &str) -> Outcome {
    Outcome {
        name: format!("{name} {i}"),
        company: "Αιγαίο 東京 한국 Żółć".into(),
        source: "Website".into(),
        owner: "דוד محمد".into(),
        at: 1_792_000_800_000,
        reason: String::new(),
    }
}

fn october(won: usize, won_total: u64) -> Month {
    let month = YearMonth::parse("2026-10").unwrap();
    let figures =
        Figures { created: 78, contacted: 6, qualified: 3, converted: 2, lost: 1, rate_tenths: Some(26) };
    Month {
        workspace: "Acme & Söhne".into(),
        month,
        zone: Berlin,
        generated_at: 1_793_520_300_000,
        figures,
        previous: Figures { created: 66, ..figures },
        by_status: Stage::ALL.map(|stage| StageCount { stage, count: 3 }).into(),
        by_source: vec![SourceCount { source: "Website".into(), created: 78, converted: 2 }],
        by_source_before: Vec::new(),
        created_per_day: (0..31).collect(),
        created_per_day_before: vec![2; 30],
        conversion: vec![ConversionMonth {
            month,
            created: 78,
            converted: 2,
            rate_tenths: Some(26),
            cohort_converted: 1,
            cohort_rate_tenths: Some(13),
        }],
        funnel: vec![FunnelStep {
            stage: Stage::New,
            reached: 78,
            rate_tenths: Some(1000),
            step_rate_tenths: None,
            median_tenths_of_hours: None,
        }],
        won: (0..won).map(|i| outcome(i, "Ann")).collect(),
        won_total,
        lost: Vec::new(),
        lost_total: 0,
    }
}

/// What is written on each page, a line a text.
fn pages(month: &Month) -> Vec<String> {
    let canvas = month::draw(month, &Fonts::load().unwrap());
    let text = |op: &Op| match op {
        Op::Text { line, .. } => line.runs.iter().map(|run| run.text.as_str()).collect::<String>() + "\n",
        _ => String::new(),
    };
    canvas.pages.iter().map(|page| page.items.iter().map(|(_, op)| text(op)).collect()).collect()
}

/// The streams of a PDF, inflated, and what lies between them.
fn inflated(pdf: &[u8]) -> String {
    let find = |from: usize, what: &[u8]| {
        pdf[from..].windows(what.len()).position(|it| it == what).map(|at| from + at)
    };
    let mut out = String::new();
    let mut from = 0;
    while let Some(start) = find(from, b"stream\n") {
        out.push_str(&String::from_utf8_lossy(&pdf[from..start]));
        let end = find(start, b"endstream").unwrap();
        let mut bytes = Vec::new();
        if ZlibDecoder::new(&pdf[start + 7..end]).read_to_end(&mut bytes).is_ok() {
            out.push_str(&String::from_utf8_lossy(&bytes));
        }
        from = end + 9;
    }
    out + &String::from_utf8_lossy(&pdf[from..])
}

#[test]
fn every_page_says_whose_it_is_which_it_is_and_when_it_was_made() {
    let pages = pages(&october(100, 100));
    let count = pages.len();
    assert!(count >= 3);
    for (i, page) in pages.iter().enumerate() {
        assert!(page.contains(&format!("Page {} of {count}\n", i + 1)));
        assert!(page.contains("Acme & Söhne · October 2026\n"));
        assert!(page.contains("Made 1 November 2026, 09:05 (Europe/Berlin)\n"));
    }
}

#[test]
fn the_first_page_says_the_month_in_plain_words() {
    let first = &pages(&october(2, 2))[0];
    assert!(first.contains("October 2026\n"));
    assert!(first.contains("12 more than in September (+18 %)\n"), "{first}");
    assert!(first.contains("October brought 78 new leads, 18 % more than September."), "{first}");
    for stage in Stage::ALL {
        assert!(first.contains(&format!("{}\n", stage.name())));
    }
}

#[test]
fn a_long_table_has_its_header_on_each_page_and_an_end() {
    let pages = pages(&october(700, 1734));
    let listed: usize = pages.iter().map(|page| page.matches("\nAnn ").count()).sum();
    assert_eq!(listed, 500);
    let with_rows: Vec<_> = pages.iter().filter(|page| page.contains("\nAnn ")).collect();
    assert!(with_rows.len() > 10);
    assert!(with_rows.iter().all(|page| page.contains("Name\nCompany\nSource\nOwner\nDate\nReason\n")));
    assert!(with_rows[1].contains("Leads won\ncontinued\n"));
    assert!(with_rows.last().unwrap().contains("and 1,234 more: export them as CSV\n"));
    assert!(pages.last().unwrap().contains("No lead was lost in October.\n"));
}

#[test]
fn a_month_in_progress_says_so() {
    let mut month = october(0, 0);
    month.generated_at = 1_792_224_000_000; // the 17th
    let first = pages(&month).remove(0);
    assert!(first.contains("Monthly summary so far · 1–17 October 2026\n"), "{first}");
    assert!(
        first.contains("12 more than in all of September (+18 %)")
            || first.contains("12 more than in all of September")
    );
}

#[test]
fn a_pdf_has_its_pages_and_only_subsets_of_fonts() {
    let month = october(100, 100);
    let pdf = month.to_pdf().unwrap();
    assert!(pdf.starts_with(b"%PDF-1.7"));
    let text = inflated(&pdf);
    assert!(text.contains(&format!("/Count {}", pages(&month).len())));
    assert!(
        text.contains("+NotoSans-Regular")
            && text.contains("+NotoSans-Bold")
            && text.contains("+DroidSansFallback")
    );
    for unwanted in ["/JavaScript", "/URI", "/Launch", "/EmbeddedFile"] {
        assert!(!text.contains(unwanted));
    }
    assert!(pdf.len() < 400_000, "{} bytes", pdf.len());
}

#[test]
fn a_screen_reader_can_read_it() {
    let configuration =
        ConfigurationBuilder::new().with_accessibility_validator(Accessibility::UA1).finish().unwrap();
    let settings = SerializeSettings { configuration, ..SerializeSettings::default() };
    render(&october(60, 60), settings).unwrap();
}

#[test]
fn an_empty_month_and_impossible_figures_are_drawn() {
    let mut month = october(0, 0);
    (month.figures, month.previous) = (Figures::default(), Figures::default());
    (month.by_status, month.by_source, month.conversion, month.funnel) = Default::default();
    (month.created_per_day, month.created_per_day_before) = Default::default();
    assert!(pages(&month)[0].contains("Nothing was created, won or lost in October.\n"));
    month.to_pdf().unwrap();
    let most = u64::MAX;
    let mut month = october(1, most);
    month.figures = Figures {
        created: most,
        contacted: most,
        qualified: most,
        converted: most,
        lost: most,
        rate_tenths: Some(most),
    };
    month.by_status.iter_mut().for_each(|item| item.count = most);
    month.by_source = vec![SourceCount { source: "x".repeat(500), created: most, converted: most }; 30];
    month.created_per_day = vec![most; 500];
    month.conversion[0].rate_tenths = Some(most);
    month.funnel[0].reached = most;
    month.generated_at = i64::MAX;
    month.to_pdf().unwrap();
    month.to_xlsx().unwrap();
    month.to_csv().unwrap();
}

#[test]
fn every_script_finds_its_font() {
    let fonts = Fonts::load().unwrap();
    for text in [
        "Łukasz Żółć",
        "Ελένη",
        "Юлия",
        "山田太郎",
        "王小明",
        "한국",
        "דוד",
        "محمد",
        "शर्मा",
        "สมชาย",
        "Nguyễn",
    ] {
        let line = fonts.line(text, Weight::Bold);
        let missing =
            line.runs.iter().flat_map(|run| &run.glyphs).filter(|glyph| glyph.glyph_id.to_u32() == 0).count();
        assert_eq!(missing, 0, "{text}");
        assert_eq!(line.runs.iter().map(|run| run.text.chars().count()).sum::<usize>(), text.chars().count());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_text_leaves_its_column(text in "(?s).{0,80}|[אבגد \u{202E}a%0-9]{0,40}|[漢字a ]{0,60}", width in 20.0f32..200.0) {
        let fonts = Fonts::load().unwrap();
        let lines = fonts.wrap(&text, Weight::Regular, 8.0, width, 2);
        prop_assert!(lines.len() <= 2);
        for line in lines.iter().chain([&fonts.fit(&text, Weight::Bold, 8.0, width)]) {
            // Shaping a part of a text may move it by a hair.
            prop_assert!(line.width * 8.0 <= width + 2.0, "{} in {width}", line.width * 8.0);
        }
    }
}
