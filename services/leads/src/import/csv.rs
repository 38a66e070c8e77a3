//! Rows of a CSV file, with the lines on which they begin as an editor counts them.

use std::{
    fs::File,
    io::{self, Read},
};

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use encoding_rs::Encoding;

use super::{
    MOST_COLUMNS,
    charset::Utf8,
    table::{Cells, LARGEST_ROW, RawRow},
};

const BLOCK: usize = 64 * 1024;
/// So much of a file tells its delimiter.
const HEAD: u64 = 64 * 1024;
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// What the beginning of a file tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    charset: &'static Encoding,
    delimiter: u8,
    /// Its first line says `sep=;` and is no row.
    told: bool,
}

impl Dialect {
    /// That of a file, by its first row that is not blank: the delimiter stands there most often, outside of quotation marks.
    pub(super) fn of(file: &File, charset: &'static Encoding) -> io::Result<Self> {
        let mut head = Vec::new();
        Utf8::new(file, charset).take(HEAD).read_to_end(&mut head)?;
        let first = head.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
        let told = match first {
            [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', delimiter] if delimiter.is_ascii() => {
                Some(*delimiter)
            }
            _ => None,
        };
        if let Some(delimiter) = told {
            return Ok(Self { charset, delimiter, told: true });
        }
        let (mut counts, mut quoted, mut begun) = ([0_usize; DELIMITERS.len()], false, false);
        for byte in head {
            match byte {
                b'"' => quoted = !quoted,
                b'\n' | b'\r' if !quoted && begun => break,
                b'\n' | b'\r' if !quoted => continue,
                byte if !quoted => {
                    if let Some(nth) = DELIMITERS.iter().position(|delimiter| *delimiter == byte) {
                        counts[nth] += 1;
                    }
                }
                _ => {}
            }
            begun = true;
        }
        let mut best = 0;
        for (nth, count) in counts.iter().enumerate() {
            if *count > counts[best] {
                best = nth;
            }
        }
        Ok(Self { charset, delimiter: DELIMITERS[best], told: false })
    }
}

/// Reads a file from where it stands.
pub(super) struct CsvRows {
    from: Utf8<File>,
    reader: Reader,
    block: Vec<u8>,
    given: usize,
    filled: usize,
    /// The line of the next byte.
    line: u64,
    /// The byte before was a carriage return: a line feed now belongs to it.
    returned: bool,
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl CsvRows {
    pub(super) fn new(file: File, dialect: Dialect) -> io::Result<Self> {
        let mut rows = Self {
            from: Utf8::new(file, dialect.charset),
            reader: ReaderBuilder::new().delimiter(dialect.delimiter).build(),
            block: vec![0; BLOCK],
            given: 0,
            filled: 0,
            line: 1,
            returned: false,
            text: vec![0; BLOCK],
            ends: vec![0; MOST_COLUMNS + 1],
        };
        if dialect.told {
            // `sep=;` with its end.
            while let Some(byte) = rows.peek()? {
                if matches!(byte, b'\n' | b'\r') {
                    break;
                }
                rows.step(byte);
            }
        }
        Ok(rows)
    }

    fn peek(&mut self) -> io::Result<Option<u8>> {
        if self.given == self.filled {
            self.given = 0;
            self.filled = self.from.read(&mut self.block)?;
        }
        Ok((self.given < self.filled).then(|| self.block[self.given]))
    }

    fn step(&mut self, byte: u8) {
        self.count(byte);
        self.given += 1;
    }

    fn count(&mut self, byte: u8) {
        match byte {
            b'\n' if self.returned => {}
            b'\n' | b'\r' => self.line += 1,
            _ => {}
        }
        self.returned = byte == b'\r';
    }

    /// The next row; blank lines are none.
    pub(super) fn next(&mut self) -> io::Result<Option<RawRow>> {
        while let Some(byte @ (b'\n' | b'\r')) = self.peek()? {
            self.step(byte);
        }
        let line = self.line;
        let (mut written, mut ended) = (0, 0);
        // What is kept of a row that is too much.
        let mut much: Option<Cells> = None;
        loop {
            // An empty block tells the reader that this is the end.
            self.peek()?;
            let input = &self.block[self.given..self.filled];
            let (result, read, wrote, ends) =
                self.reader.read_record(input, &mut self.text[written..], &mut self.ends[ended..]);
            for at in self.given..self.given + read {
                self.count(self.block[at]);
            }
            self.given += read;
            written += wrote;
            ended += ends;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull if self.text.len() >= LARGEST_ROW => {
                    // What is too long is read past.
                    much.get_or_insert_with(|| {
                        Cells::too_long(texts(&self.text[..written], &self.ends[..ended]))
                    });
                    written = 0;
                }
                ReadRecordResult::OutputFull => self.text.resize(self.text.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => {
                    let kept = self.ends[ended - 1];
                    much.get_or_insert_with(|| {
                        Cells::TooMany(texts(&self.text[..kept], &self.ends[..ended]))
                    });
                    ended = 0;
                }
                ReadRecordResult::Record => break,
                ReadRecordResult::End => return Ok(None),
            }
        }
        let cells = match much {
            Some(much) => much,
            None => {
                let cells = texts(&self.text[..written], &self.ends[..ended]);
                if ended > MOST_COLUMNS { Cells::TooMany(cells) } else { Cells::of(cells) }
            }
        };
        if self.text.len() > BLOCK {
            self.text = vec![0; BLOCK];
        }
        Ok(Some(RawRow { line, cells }))
    }
}

/// The texts of the cells that end there, and of one that has begun behind them.
fn texts(bytes: &[u8], ends: &[usize]) -> Vec<String> {
    let mut from = 0;
    let mut cells = Vec::with_capacity(ends.len() + 1);
    for end in ends {
        cells.push(String::from_utf8_lossy(&bytes[from..*end]).into_owned());
        from = *end;
    }
    if from < bytes.len() {
        // A character may have been cut in two.
        let whole = bytes[from..].utf8_chunks().next().map(|chunk| chunk.valid().to_owned());
        cells.extend(whole);
    }
    cells
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use proptest::prelude::*;

    use super::*;
    use crate::import::charset::charset_of;

    fn rows_of(bytes: &[u8]) -> Vec<(u64, Vec<String>)> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let charset = charset_of(&mut file).unwrap();
        let dialect = Dialect::of(&file, charset).unwrap();
        file.rewind().unwrap();
        let mut rows = CsvRows::new(file, dialect).unwrap();
        let mut all = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            let Cells::Good(cells) = row.cells else { panic!("{:?}", row.cells) };
            all.push((row.line, cells));
        }
        all
    }

    fn cells(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn delimiters_are_recognised_outside_of_quotation_marks() {
        for (text, second) in [
            ("a,b\n1,2", "2"),
            ("a;b\n1;2", "2"),
            ("a\tb\n1\t2", "2"),
            ("\"a;;;\",b\n1,2", "2"),
            ("sep=;\r\na;b\r\n1;\"2,3\"", "2,3"),
            ("\n\na;b\n1;2", "2"),
        ] {
            let rows = rows_of(text.as_bytes());
            assert_eq!(rows.len(), 2, "{text:?}");
            assert_eq!(rows[1].1[1], second, "{text:?}");
        }
    }

    #[test]
    fn lines_are_counted_as_an_editor_counts_them() {
        let rows = rows_of(b"sep=,\r\nn\r\n\"a\r\nb\"\r\n\r\nc\rd\n\n\"e\n\n\"\nf");
        assert_eq!(rows.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3, 6, 7, 9, 12]);
        assert_eq!(rows[1].1, cells(&["a\r\nb"]));
    }

    #[test]
    fn a_row_that_lost_a_quotation_mark_does_not_swallow_the_memory() {
        let text = format!("a\n\"{}", "x,\n".repeat(3_000_000));
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let dialect = Dialect { charset: encoding_rs::UTF_8, delimiter: b',', told: false };
        file.rewind().unwrap();
        let mut rows = CsvRows::new(file, dialect).unwrap();
        assert_eq!(rows.next().unwrap().unwrap().line, 1);
        let bad = rows.next().unwrap().unwrap();
        let Cells::TooLong(kept) = bad.cells else { panic!("{:?}", bad.cells) };
        // Its beginning is kept.
        assert_eq!((bad.line, kept.len(), kept[0].len()), (2, 1, LARGEST_ROW));
        assert!(kept[0].starts_with("x,\nx,\n"));
        assert!(rows.next().unwrap().is_none());
    }

    #[test]
    fn a_row_of_too_many_columns_is_told_and_the_next_is_read() {
        let text = format!("{}\nb", "a,".repeat(1_000));
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.rewind().unwrap();
        let dialect = Dialect { charset: encoding_rs::UTF_8, delimiter: b',', told: false };
        let mut rows = CsvRows::new(file, dialect).unwrap();
        let bad = rows.next().unwrap().unwrap().cells;
        assert_eq!(bad, Cells::TooMany(vec!["a".to_owned(); MOST_COLUMNS + 1]));
        assert_eq!(rows.next().unwrap().unwrap().cells, Cells::Good(cells(&["b"])));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_with_its_lines(
            table in prop::collection::vec(prop::collection::vec("[a,;\"\r\n é]{0,4}", 2..4), 1..8),
            blank in prop::collection::vec(0_usize..3, 8),
            feed in prop::sample::select(vec!["\n", "\r\n", "\r"]),
        ) {
            let (mut text, mut expected) = (String::new(), Vec::new());
            let lines = |text: &str| 1 + text.replace("\r\n", "\n").matches(['\n', '\r']).count() as u64;
            for (row, blank) in table.iter().zip(blank) {
                text.push_str(&feed.repeat(blank));
                expected.push((lines(&text), row.clone()));
                let quoted: Vec<String> =
                    row.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect();
                text.push_str(&quoted.join(","));
                text.push_str(feed);
            }
            prop_assert_eq!(rows_of(text.as_bytes()), expected);
        }
    }
}
