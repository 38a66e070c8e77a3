//! Bytes that somebody hostile might send: those of a corpus, and those with something done to them.

use std::{
    fs,
    hash::{BuildHasher, Hasher, RandomState},
};

/// What formats are sensitive to.
const PIECES: [&[u8]; 24] = [
    b"\"",
    b",",
    b";",
    b"\t",
    b"\r\n",
    b"\n",
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xf0\x9f\xa6\x8a",
    b"'",
    b"=",
    b"&",
    b"%",
    b"%00",
    b"[",
    b"{",
    b"}",
    b"<",
    b">",
    b"]]>",
    b"\xff\xff\xff\xff",
    b"-1",
    b"99999999999999999999",
];

/// Shows the bytes that a panic came of.
struct Shown<'a>(&'a [u8]);

impl Drop for Shown<'_> {
    #[allow(clippy::print_stderr, reason = "it is shown with the failure that it leads to")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("by the bytes b\"{}\"", self.0.escape_ascii());
        }
    }
}

/// Numbers that look random (xorshift64*); the same seed gives the same.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32;
        usize::try_from(number).unwrap_or_default() % bound.max(1)
    }
}

/// Gives a target every file of a corpus, and so many changed ones. `LEADLINE_TEST_SEED` says how they are drawn; it is shown
/// with a failure, as are the bytes.
///
/// # Panics
/// If the target does, or the corpus can't be read or is empty.
#[allow(clippy::print_stdout, reason = "a seed is shown with the failure that it leads to")]
pub fn throw(corpus: &str, rounds: u64, target: impl Fn(&[u8])) {
    let seed = std::env::var("LEADLINE_TEST_SEED").ok().and_then(|text| text.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| RandomState::new().build_hasher().finish() >> 16);
    println!("LEADLINE_TEST_SEED={seed}");
    let mut names: Vec<_> = fs::read_dir(corpus)
        .unwrap_or_else(|error| panic!("{corpus}: {error}"))
        .map(|entry| entry.expect("a folder can be read").path())
        .collect();
    // The same seed means the same files everywhere.
    names.sort();
    let files: Vec<Vec<u8>> = names.iter().map(|name| fs::read(name).expect("a file can be read")).collect();
    assert!(!files.is_empty(), "{corpus} is empty");
    let tried = |bytes: &[u8]| {
        let shown = Shown(bytes);
        target(bytes);
        drop(shown);
    };
    files.iter().for_each(|file| tried(file));
    let mut draw = Draw(seed | 1);
    for _ in 0..rounds {
        let mut bytes = files[draw.below(files.len())].clone();
        for _ in 0..=draw.below(4) {
            change(&mut bytes, &files, &mut draw);
        }
        tried(&bytes);
    }
}

fn change(bytes: &mut Vec<u8>, files: &[Vec<u8>], draw: &mut Draw) {
    let at = draw.below(bytes.len() + 1);
    let end = at + draw.below((bytes.len() - at).min(64) + 1);
    match draw.below(7) {
        0 if at < bytes.len() => bytes[at] ^= 1 << draw.below(8),
        1 if at < bytes.len() => bytes[at] = draw.below(256).to_le_bytes()[0],
        2 => drop(bytes.drain(at..end)),
        3 => {
            let piece = bytes[at..end].to_vec();
            let times = 1 + draw.below(20);
            bytes.splice(at..at, piece.repeat(times));
        }
        4 => bytes.truncate(at),
        5 => {
            let other = &files[draw.below(files.len())];
            bytes.truncate(at);
            bytes.extend_from_slice(&other[draw.below(other.len() + 1)..]);
        }
        _ => drop(bytes.splice(at..at, PIECES[draw.below(PIECES.len())].iter().copied())),
    }
}
