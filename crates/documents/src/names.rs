//! What a download is called, and how a header says so.

use std::fmt::{self, Write as _};

use chrono::NaiveDate;

use crate::calendar::YearMonth;

/// The form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Comma-separated values.
    Csv,
    /// A workbook.
    Xlsx,
    /// Pages.
    Pdf,
}

impl Format {
    /// What a file's name ends with, and what the query parameter says: `csv`, `xlsx`, `pdf`.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
            Self::Pdf => "pdf",
        }
    }

    /// The media type, as a `Content-Type` has it.
    pub const fn mime(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Pdf => "application/pdf",
        }
    }
}

/// A file's name that every system takes: no separators, no control characters, no leading dot, at most 200 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileName(String);

impl FileName {
    /// `leads-2026-11-23.csv`.
    pub fn leads(on: NaiveDate, format: Format) -> Self {
        Self(format!("leads-{on}.{}", format.extension()))
    }

    /// `leadline-analytics-2026-11-23.xlsx`.
    pub fn analytics(on: NaiveDate, format: Format) -> Self {
        Self(format!("leadline-analytics-{on}.{}", format.extension()))
    }

    /// `leadline-report-2026-10.pdf`.
    pub fn report(month: YearMonth, format: Format) -> Self {
        Self(format!("leadline-report-{month}.{}", format.extension()))
    }

    /// `import-errors-2026-11-23.csv`.
    pub fn import_errors(on: NaiveDate) -> Self {
        Self(format!("import-errors-{on}.csv"))
    }

    /// A name made of anything; what can't be in a name becomes `-`, and nothing at all becomes `file`.
    pub fn safe(text: &str) -> Self {
        let mut name = String::new();
        for c in text.trim().chars() {
            let c = if c.is_control() || is_invisible(c) || "/\\:*?\"<>|%".contains(c) { '-' } else { c };
            if name.len() + c.len_utf8() > 200 {
                break;
            }
            name.push(c);
        }
        let name = name.trim_start_matches(['.', ' ']).trim_end_matches(['.', ' ']);
        Self(if name.is_empty() { "file".to_owned() } else { name.to_owned() })
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The value of `Content-Disposition` (RFC 6266): ASCII, one line; a name with other characters is given in
    /// RFC 8187's form too, for which old programs read `_`.
    pub fn content_disposition(&self) -> String {
        let ascii: String = self
            .0
            .chars()
            .map(|c| if (c.is_ascii_graphic() || c == ' ') && c != '"' && c != '\\' { c } else { '_' })
            .collect();
        let mut value = format!("attachment; filename=\"{ascii}\"");
        if ascii != self.0 {
            value.push_str("; filename*=UTF-8''");
            for byte in self.0.bytes() {
                if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
                    value.push(byte.into());
                } else {
                    // Writing to a String can't fail.
                    let _ = write!(value, "%{byte:02X}");
                }
            }
        }
        value
    }
}

/// Marks that turn the direction of text or have no width: a name could pretend to end otherwise than it does.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_dated() {
        let on = NaiveDate::from_ymd_opt(2026, 11, 23).unwrap();
        assert_eq!(FileName::leads(on, Format::Csv).as_str(), "leads-2026-11-23.csv");
        let month = YearMonth::parse("2026-10").unwrap();
        let report = FileName::report(month, Format::Pdf);
        assert_eq!(report.content_disposition(), "attachment; filename=\"leadline-report-2026-10.pdf\"");
    }

    #[test]
    fn a_foreign_name_is_given_twice() {
        assert_eq!(
            FileName::safe("Übersicht €.pdf").content_disposition(),
            "attachment; filename=\"_bersicht _.pdf\"; filename*=UTF-8''%C3%9Cbersicht%20%E2%82%AC.pdf"
        );
        assert_eq!(FileName::safe("../../etc/passwd").as_str(), "-..-etc-passwd");
        assert_eq!(FileName::safe(" .. ").as_str(), "file");
    }

    proptest! {
        #[test]
        fn no_name_breaks_out_of_its_header(text in "(?s).{0,300}") {
            let value = FileName::safe(&text).content_disposition();
            prop_assert!(value.bytes().all(|b| (0x20..0x7F).contains(&b)));
            prop_assert_eq!(value.matches('"').count(), 2);
            prop_assert!(!value.contains('\\'));
        }
    }
}
