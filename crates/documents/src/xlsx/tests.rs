use std::io::{Cursor, Read};

use chrono_tz::Europe::Berlin;
use zip::ZipArchive;

use super::*;

fn parts(bytes: Vec<u8>) -> Vec<(String, String)> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
    (0..archive.len())
        .map(|i| {
            let mut file = archive.by_index(i).unwrap();
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            (file.name().unwrap().into_owned(), text)
        })
        .collect()
}

fn part<'a>(parts: &'a [(String, String)], name: &str) -> &'a str {
    &parts.iter().find(|(it, _)| it == name).unwrap_or_else(|| panic!("no {name}")).1
}

fn written(leads: &[Lead<'_>], rows_of_a_sheet: u32) -> Vec<(String, String)> {
    let mut xlsx = LeadsXlsx::with_rows(Berlin, 1_792_000_800_000, None, rows_of_a_sheet).unwrap();
    leads.iter().for_each(|lead| xlsx.row(lead).unwrap());
    let mut out = Cursor::new(Vec::new());
    xlsx.finish(&mut out).unwrap();
    parts(out.into_inner())
}

#[test]
fn texts_that_look_like_formulas_links_or_markup_are_texts() {
    let lead = Lead {
        name: "=HYPERLINK(\"http://example.test\")",
        email: "mailto:a@example.test",
        company: "https://example.test",
        phone: "+44 20 7946 0958",
        notes: "<b>&\u{1}\u{B} _x0041_ \u{FFFE}",
        ..Lead::default()
    };
    let parts = written(&[lead], 100);
    let sheet = part(&parts, "xl/worksheets/sheet1.xml");
    assert!(!sheet.contains("<f>") && !sheet.contains("<hyperlink"));
    assert!(sheet.contains("<t>=HYPERLINK(\"http://example.test\")</t>"));
    assert!(sheet.contains("<t>+44 20 7946 0958</t>"));
    assert!(sheet.contains("&lt;b&gt;&amp;_x0001__x000B_ _x005F_x0041_ _xFFFE_"));
    assert!(!parts.iter().any(|(name, _)| name.contains("worksheets/_rels")));
}

#[test]
fn times_are_dates_by_the_clock_of_the_zone() {
    // 2026-10-14 20:00:00 in Berlin.
    let lead = Lead { created_at: 1_792_000_800_000, next_follow_up: None, ..Lead::default() };
    let parts = written(&[lead], 100);
    let sheet = part(&parts, "xl/worksheets/sheet1.xml");
    let cell = sheet.split("<c r=\"J2\"").nth(1).unwrap();
    assert!(cell.contains("<v>46309.8333333"), "{}", &cell[..60]);
    assert!(cell.starts_with(" s=\""));
    assert!(!sheet.contains("<c r=\"M2\""));
    assert!(
        part(&parts, "xl/styles.xml").contains("yyyy\\-mm\\-dd\\ hh:mm:ss")
            || part(&parts, "xl/styles.xml").contains("yyyy-mm-dd hh:mm:ss")
    );
}

#[test]
fn a_full_sheet_is_followed_by_another_with_the_same_header() {
    let lead = Lead { id: "1", name: "Ann", ..Lead::default() };
    let parts = written(&[lead; 5], 3);
    for (sheet, rows) in [(1, 3), (2, 3), (3, 2)] {
        let xml = part(&parts, &format!("xl/worksheets/sheet{sheet}.xml"));
        assert_eq!(xml.matches("<row ").count(), rows, "sheet {sheet}");
        assert!(xml.contains("<t>Id</t>") && xml.contains("<t>Notes</t>"));
        assert!(xml.contains("state=\"frozen\""));
        assert!(xml.contains(&format!("<autoFilter ref=\"A1:N{rows}\"/>")));
        assert!(xml.contains("<col min=\"1\" max=\"1\" width=\"38"));
    }
    let workbook = part(&parts, "xl/workbook.xml");
    assert!(workbook.contains("name=\"Leads\"") && workbook.contains("name=\"Leads 3\""));
}

#[test]
fn a_workbook_without_leads_has_its_header() {
    let parts = written(&[], 100);
    assert_eq!(part(&parts, "xl/worksheets/sheet1.xml").matches("<row ").count(), 1);
}

#[test]
fn a_text_longer_than_a_cell_is_cut_with_a_mark() {
    let long = "é🎉".repeat(20_000);
    let cut = fitting(&long);
    assert_eq!(cut.encode_utf16().count(), LONGEST_TEXT - 1);
    assert!(cut.ends_with(CUT));
    let just = "a".repeat(LONGEST_TEXT);
    assert_eq!(fitting(&just), just);
    written(&[Lead { notes: &long, ..Lead::default() }], 100);
}

#[test]
fn the_same_leads_give_the_same_bytes() {
    let lead = Lead { id: "1", name: "Ann", created_at: 1_792_000_800_000, ..Lead::default() };
    assert_eq!(written(&[lead], 100), written(&[lead], 100));
}

struct Full;

impl io::Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl io::Seek for Full {
    fn seek(&mut self, _: io::SeekFrom) -> io::Result<u64> {
        Ok(0)
    }
}

#[test]
fn a_full_disk_is_an_error() {
    let mut xlsx = LeadsXlsx::new(Berlin, 0, None).unwrap();
    xlsx.row(&Lead::default()).unwrap();
    assert!(xlsx.finish(Full).is_err());
    let failed = guarded::<()>(|| panic!("as the workbook's writer does"));
    assert!(matches!(failed, Err(Error::Io(_))));
}

#[test]
fn nothing_is_left_in_the_folder_of_temporary_files() {
    let folder = tempfile::tempdir().unwrap();
    let mut xlsx = LeadsXlsx::new(Berlin, 0, Some(folder.path())).unwrap();
    xlsx.row(&Lead::default()).unwrap();
    xlsx.finish(Cursor::new(Vec::new())).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn entries_have_the_large_form_only_where_they_may_need_it() {
    // The version that a reader must know, in the header of the first entry: 4.5 brought the large form (APPNOTE 4.4.3).
    let version = |most: u64| {
        let mut xlsx = LeadsXlsx::with_rows(Berlin, 1_792_000_800_000, None, 100).unwrap();
        xlsx.row(&Lead::default()).unwrap();
        xlsx.most += most;
        let mut out = Cursor::new(Vec::new());
        xlsx.finish(&mut out).unwrap();
        out.into_inner()[4]
    };
    assert_eq!(version(0), 20);
    assert_eq!(version(u64::from(u32::MAX)), 45);
}
