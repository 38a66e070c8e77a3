//! Leads as CSV, read back.

use chrono::DateTime;
use chrono_tz::{Europe::Berlin, Tz, UTC};
use leadline_documents::{COLUMNS, Lead, LeadsCsv, split_tags, undefuse};
use proptest::prelude::*;

fn written(leads: &[Lead<'_>], zone: Tz) -> Vec<u8> {
    let mut csv = LeadsCsv::new(Vec::new(), zone).unwrap();
    leads.iter().for_each(|lead| csv.row(lead).unwrap());
    csv.finish().unwrap()
}

fn read(bytes: &[u8]) -> Vec<csv::StringRecord> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").expect("a byte order mark");
    csv::ReaderBuilder::new().has_headers(false).from_reader(bytes).records().map(Result::unwrap).collect()
}

#[test]
fn a_file_has_a_byte_order_mark_a_header_and_lines_that_end_in_crlf() {
    let tags = ["vip".to_owned(), "a;b".to_owned()];
    let lead = Lead {
        id: "0199",
        name: "Ann, \"the\" Lee",
        email: "=cmd@example.test",
        phone: "+44 20 7946 0958",
        source: "Website",
        status: "New",
        tags: &tags,
        created_at: 1_792_000_800_123,
        updated_at: 1_795_426_200_000,
        notes: "two\nlines",
        ..Lead::default()
    };
    let expected = "\u{FEFF}Id,Name,Email,Phone,Company,Source,Status,Tags,Owner,Created at,Updated at,\
                    Status changed at,Next follow-up,Notes\r\n\
                    0199,\"Ann, \"\"the\"\" Lee\",'=cmd@example.test,+44 20 7946 0958,,Website,New,vip; a\\;b,,\
                    2026-10-14T20:00:00.123+02:00,2026-11-23T10:30:00.000+01:00,1970-01-01T01:00:00.000+01:00,,\
                    \"two\nlines\"\r\n";
    assert_eq!(String::from_utf8(written(&[lead], Berlin)).unwrap(), expected);
}

#[test]
fn a_file_without_leads_is_its_header() {
    let rows = read(&written(&[], UTC));
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].iter().collect::<Vec<_>>(), COLUMNS);
}

#[test]
fn pieces_taken_one_by_one_are_the_whole_file() {
    let lead = Lead { id: "1", name: "Ann", ..Lead::default() };
    let mut csv = LeadsCsv::new(Vec::new(), UTC).unwrap();
    let mut pieces = Vec::new();
    for _ in 0..3 {
        csv.row(&lead).unwrap();
        pieces.extend(csv.take().unwrap());
    }
    assert!(csv.take().unwrap().is_empty());
    pieces.extend(csv.finish().unwrap());
    assert_eq!(pieces, written(&[lead; 3], UTC));
}

#[test]
fn the_hour_that_comes_twice_is_told_apart() {
    let first = 1_792_888_200_000; // 02:30 in summer time, and again in winter time.
    let lead = Lead { created_at: first, updated_at: first + 3_600_000, ..Lead::default() };
    let rows = read(&written(&[lead], Berlin));
    assert_eq!(&rows[1][9], "2026-10-25T02:30:00.000+02:00");
    assert_eq!(&rows[1][10], "2026-10-25T02:30:00.000+01:00");
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["\\PC{0,16}", "['=+@\"\r\n\t,;\\-＝ a]{0,8}", "[+()0-9. -]{0,12}"]
}

proptest! {
    #[test]
    fn every_lead_comes_back_field_for_field(
        texts in prop::collection::vec(text(), 9),
        tags in prop::collection::vec("[a;=\\\\é-]{1,6}", 0..4),
        at in 0i64..4_000_000_000_000,
        due in prop::option::of(0i64..4_000_000_000_000),
        zone in prop::sample::select(vec![UTC, Berlin, chrono_tz::Asia::Kathmandu, chrono_tz::America::St_Johns]),
    ) {
        let lead = Lead {
            id: &texts[0], name: &texts[1], email: &texts[2], phone: &texts[3], company: &texts[4], source: &texts[5],
            status: &texts[6], tags: &tags, owner: &texts[7], created_at: at, updated_at: at + 1,
            status_changed_at: at + 2, next_follow_up: due, notes: &texts[8],
        };
        let rows = read(&written(&[lead], zone));
        prop_assert_eq!(rows.len(), 2);
        let row = &rows[1];
        let time = |i: usize| (!row[i].is_empty())
            .then(|| DateTime::parse_from_rfc3339(&row[i]).unwrap().timestamp_millis());
        for (column, text) in [0, 1, 2, 3, 4, 5, 6, 8, 13].into_iter().zip(&texts) {
            prop_assert_eq!(undefuse(&row[column]), text);
        }
        prop_assert_eq!(split_tags(undefuse(&row[7])), tags);
        prop_assert_eq!([time(9), time(10), time(11), time(12)], [Some(at), Some(at + 1), Some(at + 2), due]);
    }

    #[test]
    fn no_cell_but_a_phone_can_begin_a_formula(texts in prop::collection::vec(text(), 9)) {
        let lead = Lead {
            id: &texts[0], name: &texts[1], email: &texts[2], phone: &texts[3], company: &texts[4], source: &texts[5],
            status: &texts[6], owner: &texts[7], notes: &texts[8], ..Lead::default()
        };
        for (column, cell) in read(&written(&[lead], UTC))[1].iter().enumerate() {
            let harmless = column == 3 && cell.chars().all(|c| "0123456789 ()-.+".contains(c));
            prop_assert!(harmless || !cell.starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']));
        }
    }
}
