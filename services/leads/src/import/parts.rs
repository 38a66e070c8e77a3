//! The parts of a workbook, measured before anybody opens it: what it says of its own size is not to be believed, and what
//! reads it holds a text, a tag, or a list of texts as long as the file makes it.

use std::{
    fs::File,
    io::{BufReader, Read, Seek},
};

use super::table::NotATable;

/// The most bytes of all parts together, unpacked.
const LARGEST_BOOK: u64 = 1024 * 1024 * 1024;
/// The most bytes of a part that may be held in memory, unpacked: any but a sheet.
const LARGEST_HELD: u64 = 48 * 1024 * 1024;
/// The most parts of a workbook.
const MOST_PARTS: usize = 10_000;
/// The most bytes of one text, one tag, one comment.
const LONGEST_RUN: u64 = 1024 * 1024;
/// The most bytes of one value, however many texts and tags it is made of.
const LONGEST_VALUE: u64 = 4 * 1024 * 1024;
/// The longest name of an element.
const LONGEST_NAME: usize = 64;
/// The most formats, names of sheets, and relationships: each is held.
const MOST_HELD: u64 = 300_000;
/// No shared text takes fewer bytes than `<si/>`.
const LEAST_TEXT: u64 = 5;
const BLOCK: usize = 64 * 1024;

/// Elements whose value is read as a whole.
const VALUES: [&[u8]; 5] = [b"is", b"v", b"f", b"t", b"si"];
/// Elements that are held each.
const HELD: [&[u8]; 8] =
    [b"xf", b"font", b"fill", b"border", b"numFmt", b"sheet", b"definedName", b"Relationship"];

pub(super) fn unreadable(error: impl std::fmt::Display) -> NotATable {
    // What it says may hold cells.
    tracing::debug!(%error, "a workbook can't be read");
    NotATable::Workbook
}

/// Unpacks every part and drops it.
pub(super) fn measure(file: &mut File) -> Result<(), NotATable> {
    few(file)?;
    file.rewind()?;
    let mut parts = zip::ZipArchive::new(BufReader::new(&mut *file)).map_err(unreadable)?;
    if parts.len() > MOST_PARTS {
        return Err(NotATable::TooLarge);
    }
    let mut all = 0;
    for nth in 0..parts.len() {
        let part = parts.by_index(nth).map_err(unreadable)?;
        let name = part.name().map_err(unreadable)?.replace('\\', "/").to_ascii_lowercase();
        all += measure_part(&name, part)?;
        if all > LARGEST_BOOK {
            return Err(NotATable::TooLarge);
        }
    }
    Ok(())
}

/// Counts the entries of the directory as they stand in the file: to read it is to hold it.
fn few(file: &mut File) -> Result<(), NotATable> {
    const ENTRY: [u8; 4] = *b"PK\x01\x02";
    file.rewind()?;
    let (mut entries, mut matched) = (0, 0);
    let mut block = vec![0; BLOCK];
    loop {
        let filled = file.read(&mut block)?;
        if filled == 0 {
            return Ok(());
        }
        for byte in &block[..filled] {
            matched = match () {
                () if *byte == ENTRY[matched] => matched + 1,
                () => usize::from(*byte == ENTRY[0]),
            };
            if matched == ENTRY.len() {
                (entries, matched) = (entries + 1, 0);
            }
        }
        if entries > MOST_PARTS {
            return Err(NotATable::TooLarge);
        }
    }
}

/// The size of a part, if there is nothing in it that is too much.
fn measure_part(name: &str, mut part: impl Read) -> Result<u64, NotATable> {
    let base = name.rsplit('/').next().unwrap_or_default();
    let is_texts = base == "sharedstrings.xml";
    let is_sheet = name.contains("worksheets/") && !is_texts && base != "styles.xml";
    let (mut scan, mut root, mut size) = (None, Root::new(name), 0_u64);
    let mut block = vec![0; BLOCK];
    loop {
        let filled = part.read(&mut block).map_err(unreadable)?;
        let bytes = &block[..filled];
        if filled == 0 {
            break;
        }
        if size == 0 {
            // What does not begin as XML is read as one text at most.
            let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
            let begins = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
            scan = begins.is_none_or(|byte| *byte == b'<').then(Scan::default);
        }
        size += filled as u64;
        let most = if is_sheet && scan.is_some() { LARGEST_BOOK } else { LARGEST_HELD };
        if size > most {
            return Err(NotATable::TooLarge);
        }
        root.look(bytes)?;
        if let Some(scan) = &mut scan {
            scan.feed(bytes)?;
            if !is_sheet && scan.held > MOST_HELD {
                return Err(NotATable::TooLarge);
            }
        }
    }
    let claimed = scan.map_or(0, |scan| scan.claimed);
    // Room is made for as many texts as the part says it has.
    if is_texts && claimed > size / LEAST_TEXT {
        return Err(NotATable::Workbook);
    }
    Ok(size)
}

/// The relationships of the whole file. They tell where the workbook is: as it is held, it is not among the sheets.
struct Root(Option<Vec<u8>>);

impl Root {
    fn new(name: &str) -> Self {
        Self(name.ends_with("_rels/.rels").then(Vec::new))
    }

    fn look(&mut self, bytes: &[u8]) -> Result<(), NotATable> {
        let Some(all) = &mut self.0 else { return Ok(()) };
        all.extend(bytes.iter().map(u8::to_ascii_lowercase));
        let has = |word: &[u8]| all.windows(word.len()).any(|window| window == word);
        if all.len() > 4 * BLOCK || has(b"worksheets") || has(b"&") {
            return Err(NotATable::Workbook);
        }
        Ok(())
    }
}

/// Where in XML a byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    #[default]
    Text,
    /// Behind `<`, in the name.
    Name,
    /// In a tag, behind its name, and in which quotation marks.
    Tag(Option<u8>),
    /// In `<!`, before it is clear what it is.
    Bang,
    /// Up to `?>`, `-->`, `]]>`.
    Until(&'static [u8]),
}

/// A value that has begun.
#[derive(Debug)]
struct Value {
    name: Vec<u8>,
    size: u64,
}

/// Walks over XML as a reader does that does not look whether tags fit together.
#[derive(Debug, Default)]
struct Scan {
    place: Place,
    /// The bytes of the text, tag or comment so far.
    run: u64,
    /// The name of the tag with its slash, or what is behind `<!`.
    name: Vec<u8>,
    /// The bytes before this one, at most so many as any end is long.
    tail: [u8; 2],
    values: [Option<Value>; VALUES.len()],
    held: u64,
    /// The number that follows `uniqueCount` in a tag, the largest of all.
    claimed: u64,
    attributes: Vec<u8>,
}

impl Scan {
    fn feed(&mut self, bytes: &[u8]) -> Result<(), NotATable> {
        let mut rest = bytes;
        while let Some(byte) = rest.first().copied() {
            // Most bytes are text.
            if self.place == Place::Text {
                let length = rest.iter().position(|byte| *byte == b'<').unwrap_or(rest.len());
                if length > 0 {
                    self.grow(length as u64)?;
                    rest = &rest[length..];
                    continue;
                }
                (self.place, self.run) = (Place::Name, 0);
                self.name.clear();
                self.attributes.clear();
                self.tail = [0; 2];
                self.grow(1)?;
                rest = &rest[1..];
                continue;
            }
            self.grow(1)?;
            self.step(byte)?;
            self.tail = [self.tail[1], byte];
            rest = &rest[1..];
        }
        Ok(())
    }

    fn grow(&mut self, bytes: u64) -> Result<(), NotATable> {
        self.run += bytes;
        let mut longest = 0;
        for value in self.values.iter_mut().flatten() {
            value.size += bytes;
            longest = longest.max(value.size);
        }
        if self.run > LONGEST_RUN || longest > LONGEST_VALUE {
            return Err(NotATable::TooLarge);
        }
        Ok(())
    }

    fn step(&mut self, byte: u8) -> Result<(), NotATable> {
        match self.place {
            Place::Text => {}
            Place::Name => match byte {
                b'!' if self.name.is_empty() => self.place = Place::Bang,
                b'?' if self.name.is_empty() => self.until(b"?>"),
                b'>' => return self.close(),
                b'/' if self.name.is_empty() => self.name.push(byte),
                b'\'' | b'"' => self.place = Place::Tag(Some(byte)),
                byte if byte.is_ascii_whitespace() || byte == b'/' => self.place = Place::Tag(None),
                _ if self.name.len() > LONGEST_NAME => return Err(NotATable::Workbook),
                byte => self.name.push(byte),
            },
            Place::Tag(quoted) => {
                if self.name.ends_with(b"sst") {
                    self.attributes.push(byte);
                }
                match (quoted, byte) {
                    (None, b'>') => return self.close(),
                    (None, b'\'' | b'"') => self.place = Place::Tag(Some(byte)),
                    (Some(mark), byte) if mark == byte => self.place = Place::Tag(None),
                    _ => {}
                }
            }
            Place::Bang => {
                self.name.push(byte);
                match self.name.as_slice() {
                    b"--" => self.until(b"-->"),
                    b"[CDATA[" => self.until(b"]]>"),
                    // No workbook has a document type.
                    begun if !b"--".starts_with(begun) && !b"[CDATA[".starts_with(begun) => {
                        return Err(NotATable::Workbook);
                    }
                    _ => {}
                }
            }
            Place::Until(end) => {
                let before = &end[..end.len() - 1];
                if byte == b'>' && self.tail.ends_with(before) {
                    (self.place, self.run) = (Place::Text, 0);
                }
            }
        }
        Ok(())
    }

    fn until(&mut self, end: &'static [u8]) {
        self.place = Place::Until(end);
    }

    /// A tag has ended.
    fn close(&mut self) -> Result<(), NotATable> {
        let is_empty = self.tail[1] == b'/' && self.name != b"/";
        (self.place, self.run) = (Place::Text, 0);
        let (is_end, name) = match self.name.strip_prefix(b"/") {
            Some(name) => (true, name),
            None => (false, self.name.as_slice()),
        };
        let local = name.rsplit(|byte| *byte == b':').next().unwrap_or_default();
        if let Some(nth) = VALUES.iter().position(|value| *value == local) {
            match &self.values[nth] {
                Some(value) if is_end && value.name == name => self.values[nth] = None,
                Some(value) if !is_end && value.name != name => return Err(NotATable::Workbook),
                None if !is_end && !is_empty => {
                    self.values[nth] = Some(Value { name: name.to_vec(), size: 0 });
                }
                _ => {}
            }
        }
        if !is_end {
            self.held += u64::from(HELD.contains(&local));
            if local == b"sst" {
                self.claimed = self.claimed.max(claimed(&self.attributes));
            }
        }
        Ok(())
    }
}

/// How many texts a tag says that there are.
fn claimed(attributes: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(attributes);
    let number = |rest: &str| {
        let rest = rest.trim_start().strip_prefix('=')?.trim_start();
        let digits: String = rest
            .trim_start_matches(['"', '\''])
            .trim_start()
            .trim_start_matches('+')
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        // What has no number is no number to its reader either; one that is too long is too large.
        (!digits.is_empty()).then(|| digits.parse().unwrap_or(u64::MAX))
    };
    text.split("uniqueCount").skip(1).filter_map(number).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::import::table::Table;

    /// A workbook of one sheet with these parts, each told by a writer.
    fn book(sheet: &str, parts: &[(&str, &[&[u8]])]) -> File {
        const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
        let mut zip = zip::ZipWriter::new(tempfile::tempfile().unwrap());
        let mut write = |name: &str, pieces: &[&[u8]]| {
            zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            pieces.iter().for_each(|piece| zip.write_all(piece).unwrap());
        };
        let root = format!(
            "<Relationships><Relationship Id=\"r\" Type=\"{OFFICE}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"
        );
        let sheets = format!(
            "<Relationships><Relationship Id=\"r\" Type=\"{OFFICE}/worksheet\" Target=\"{sheet}\"/></Relationships>"
        );
        write("_rels/.rels", &[root.as_bytes()]);
        write("xl/_rels/workbook.xml.rels", &[sheets.as_bytes()]);
        write(
            "xl/workbook.xml",
            &[format!("<workbook xmlns:r=\"{OFFICE}\"><sheets><sheet name=\"a\" sheetId=\"1\" r:id=\"r\"/></sheets></workbook>").as_bytes()],
        );
        for (name, pieces) in parts {
            write(name, pieces);
        }
        zip.finish().unwrap()
    }

    const SHEET: &[u8] = b"<worksheet><sheetData><row r=\"1\"><c r=\"A1\" t=\"s\"><v>0</v></c></row>\
        <row r=\"2\"><c r=\"A2\" t=\"s\"><v>1</v></c></row></sheetData></worksheet>";

    fn texts(head: &str) -> Vec<u8> {
        format!("<sst {head}><si><t>Name</t></si><si><t>Ada</t></si></sst>").into_bytes()
    }

    fn opened(parts: &[(&str, &[&[u8]])]) -> Result<Vec<String>, NotATable> {
        Table::open(book("worksheets/sheet1.xml", parts))?.header()
    }

    #[test]
    fn a_workbook_that_claims_more_texts_than_it_has_room_for_is_refused() {
        let name = "xl/sharedStrings.xml";
        let sheet = ("xl/worksheets/sheet1.xml", [SHEET].as_slice());
        assert_eq!(opened(&[(name, &[&texts("uniqueCount=\"2\"")]), sheet]).unwrap(), ["Name"]);
        for head in [
            "uniqueCount=\"10000000000000\"",
            "uniqueCount = '99999999999999999999999'",
            "a=\">\" uniqueCount=\"99\"",
        ] {
            for name in [
                name,
                "xl/SHAREDSTRINGS.XML",
                "elsewhere/sharedStrings.xml",
                "xl/worksheets/sharedStrings.xml",
            ] {
                let refused = opened(&[(name, &[&texts(head)]), sheet]);
                assert!(matches!(refused, Err(NotATable::Workbook)), "{head} {name} {refused:?}");
            }
        }
    }

    #[test]
    fn a_part_is_measured_whatever_it_is_called() {
        let mebibyte = vec![b' '; 1024 * 1024];
        let blanks: Vec<&[u8]> = vec![&mebibyte; 49];
        let mut sheet: Vec<&[u8]> = vec![b"<worksheet>"];
        sheet.extend(&blanks[..2]);
        for (name, pieces) in [
            ("xl/worksheets/sheet1.txt", &sheet),
            ("xl/worksheets/sheet1.xml", &sheet),
            ("xl/media/picture.png", &blanks),
        ] {
            let refused = Table::open(book("worksheets/sheet1.txt", &[(name, pieces)]));
            assert!(matches!(refused, Err(NotATable::TooLarge)), "{name}");
        }
    }

    fn scanned(text: &[u8]) -> Result<Scan, NotATable> {
        let mut scan = Scan::default();
        // A byte at a time, as blocks end anywhere.
        text.chunks(1).try_for_each(|byte| scan.feed(byte))?;
        Ok(scan)
    }

    #[test]
    fn one_text_tag_or_comment_is_short_however_it_is_written() {
        let filler = "<x>".repeat(400_000);
        for (before, after) in
            [("<!--", "-->"), ("<c a=\"", "\">"), ("<c a='", "'>"), ("<?x ", "?>"), ("<![CDATA[", "]]>")]
        {
            let long = format!("<a>{before}{filler}{after}</a>");
            assert!(matches!(scanned(long.as_bytes()), Err(NotATable::TooLarge)), "{before}");
            let short = format!("<a>{before}<x>{after}</a>");
            assert_eq!(scanned(short.as_bytes()).unwrap().place, Place::Text, "{before}");
        }
        assert!(scanned(filler.as_bytes()).is_ok());
        assert!(matches!(scanned(b"<!DOCTYPE a>"), Err(NotATable::Workbook)));
    }

    #[test]
    fn one_value_is_short_of_however_many_pieces_it_is() {
        let piece = format!("<r><t>{}</t></r></v></c>", "x".repeat(900_000));
        let value = format!("<c><is>{}</is></c>", piece.repeat(5));
        assert!(matches!(scanned(value.as_bytes()), Err(NotATable::TooLarge)));
        let values = format!("<c><is>{piece}</is></c><c><v/></c>").repeat(5);
        assert!(scanned(values.as_bytes()).is_ok());
        assert!(matches!(scanned(b"<is><x:is></x:is>"), Err(NotATable::Workbook)));
    }

    #[test]
    fn a_file_whose_directory_is_long_is_not_read() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&b"PK\x01\x02".repeat(MOST_PARTS + 1)).unwrap();
        assert!(matches!(few(&mut file), Err(NotATable::TooLarge)));
        file.set_len(4 * 100).unwrap();
        assert!(few(&mut file).is_ok());
    }
}
