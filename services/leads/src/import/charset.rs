//! The text of a file, whatever it was written in: UTF-8, UTF-16 with its mark, or Windows-1252.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

const BLOCK: usize = 64 * 1024;

/// What a file is written in. Reads all of it: one byte that is no UTF-8 decides.
pub(super) fn charset_of<R: Read + Seek>(file: &mut R) -> io::Result<&'static Encoding> {
    file.seek(SeekFrom::Start(0))?;
    let mut block = vec![0; BLOCK];
    // What the end of a block cut off: at most three bytes.
    let mut begun = 0;
    let mut first = true;
    let found = loop {
        let read = file.read(&mut block[begun..])?;
        if read == 0 {
            break if begun == 0 { UTF_8 } else { WINDOWS_1252 };
        }
        let there = &block[..begun + read];
        if std::mem::take(&mut first) {
            match there {
                [0xFF, 0xFE, ..] => break UTF_16LE,
                [0xFE, 0xFF, ..] => break UTF_16BE,
                _ => {}
            }
        }
        match std::str::from_utf8(there) {
            Ok(_) => begun = 0,
            Err(error) if error.error_len().is_none() => {
                let (good, all) = (error.valid_up_to(), there.len());
                block.copy_within(good..all, 0);
                begun = all - good;
            }
            Err(_) => break WINDOWS_1252,
        }
    };
    file.seek(SeekFrom::Start(0))?;
    Ok(found)
}

/// A file's text as UTF-8, without byte order mark.
pub(super) struct Utf8<R> {
    from: BufReader<R>,
    decoder: Decoder,
    text: Vec<u8>,
    given: usize,
    ended: bool,
}

impl<R: Read> Utf8<R> {
    pub(super) fn new(from: R, charset: &'static Encoding) -> Self {
        Self {
            from: BufReader::with_capacity(BLOCK, from),
            decoder: charset.new_decoder_with_bom_removal(),
            text: Vec::new(),
            given: 0,
            ended: false,
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        use io::BufRead;
        self.text.resize(BLOCK * 2, 0);
        self.given = 0;
        let mut written = 0;
        while written == 0 && !self.ended {
            let bytes = self.from.fill_buf()?;
            let last = bytes.is_empty();
            let (result, read, wrote, _) = self.decoder.decode_to_utf8(bytes, &mut self.text, last);
            self.from.consume(read);
            written = wrote;
            self.ended = last && result == CoderResult::InputEmpty;
        }
        self.text.truncate(written);
        Ok(())
    }
}

impl<R: Read> Read for Utf8<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.given == self.text.len() {
            self.fill()?;
        }
        let there = &self.text[self.given..];
        let count = there.len().min(into.len());
        into[..count].copy_from_slice(&there[..count]);
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn text_of(bytes: &[u8]) -> String {
        let mut file = Cursor::new(bytes);
        let charset = charset_of(&mut file).unwrap();
        let mut text = String::new();
        Utf8::new(file, charset).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn text_is_read_whatever_it_was_written_in() {
        assert_eq!(text_of("\u{feff}Zoë,1".as_bytes()), "Zoë,1");
        assert_eq!(text_of(b"Zo\xEB \x80,1"), "Zoë €,1");
        let wide: Vec<u8> = "\u{feff}Zoë 🦊".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(text_of(&wide), "Zoë 🦊");
        let wide: Vec<u8> = "\u{feff}Zoë 🦊".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(text_of(&wide), "Zoë 🦊");
        assert_eq!(text_of(b""), "");
    }

    #[test]
    fn a_character_that_lies_over_the_edge_of_a_block_is_one() {
        for shift in 0..4 {
            let text = format!("{}{}", "a".repeat(shift), "🦊".repeat(50_000));
            assert_eq!(text_of(text.as_bytes()), text);
        }
        // A character that the end of the file cuts off is none of UTF-8.
        assert_eq!(text_of(&"aé".as_bytes()[..2]), "aÃ");
        // What is no UTF-8 may stand at the very end.
        let mut long = "é".repeat(100_000).into_bytes();
        long.push(0xE9);
        assert!(text_of(&long).ends_with("é"));
    }
}
