//! Text set in the fonts that ship with the program: shaped, measured, wrapped, cut.

use std::ops::Range;

use krilla::text::{Font, GlyphId, KrillaGlyph};
use rustybuzz::{Direction, UnicodeBuffer};
use unicode_bidi::{BidiInfo, Level};

use crate::Error;

/// No text of a document is longer than this many characters: what is beyond would not fit anywhere.
const LONGEST: usize = 600;

const ELLIPSIS: &str = "…";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    Regular,
    Bold,
}

/// A line of text, ready to be drawn; at size 1.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub runs: Vec<Run>,
    pub width: f32,
}

/// A piece of a line in one font and one direction.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub font: Font,
    pub text: String,
    pub glyphs: Vec<KrillaGlyph>,
    pub width: f32,
}

pub(super) struct Fonts {
    faces: Vec<Face>,
}

struct Face {
    shaper: rustybuzz::Face<'static>,
    font: Font,
    per_em: f32,
}

const REGULAR: usize = 0;
const BOLD: usize = 1;

/// The first two are the weights; the others stand in, in this order, for characters that these don't have. Chinese and
/// Japanese come last: the fonts before them have better punctuation.
const FILES: [&[u8]; 8] = [
    include_bytes!("../../fonts/NotoSans-Regular.ttf"),
    include_bytes!("../../fonts/NotoSans-Bold.ttf"),
    include_bytes!("../../fonts/NotoSansHebrew-Regular.ttf"),
    include_bytes!("../../fonts/NotoSansArabic-Regular.ttf"),
    include_bytes!("../../fonts/NotoSansDevanagari-Regular.ttf"),
    include_bytes!("../../fonts/NotoSansThai-Regular.ttf"),
    include_bytes!("../../fonts/DroidSansFallbackFull.ttf"),
    include_bytes!("../../fonts/NanumSquareR.ttf"),
];

impl Fonts {
    pub(super) fn load() -> Result<Self, Error> {
        let face = |bytes: &'static [u8]| {
            let shaper = rustybuzz::Face::from_slice(bytes, 0)?;
            let font = Font::new(bytes.into(), 0)?;
            let per_em = font.units_per_em();
            Some(Face { shaper, font, per_em })
        };
        let faces: Option<Vec<_>> = FILES.into_iter().map(face).collect();
        Ok(Self { faces: faces.ok_or_else(|| Error::Pdf("a font is damaged".into()))? })
    }

    /// The text on one line, however long. Line breaks and other control characters become spaces, marks without a
    /// width vanish.
    pub(super) fn line(&self, text: &str, weight: Weight) -> Line {
        let text: String = text.chars().filter(|c| !is_mark_of_nothing(*c)).take(LONGEST).map(printable).collect();
        let mut runs = Vec::new();
        for (range, rtl) in directions(&text) {
            let mut pieces = self.by_face(&text[range.clone()], weight);
            if rtl {
                pieces.reverse();
            }
            for (piece, face) in pieces {
                let piece = &text[range.start + piece.start..range.start + piece.end];
                runs.push(self.faces[face].shape(piece, rtl));
            }
        }
        let width = runs.iter().map(|run| run.width).sum();
        Line { runs, width }
    }

    /// How wide the text is at a size.
    pub(super) fn width(&self, text: &str, weight: Weight, size: f32) -> f32 {
        self.line(text, weight).width * size
    }

    /// The text on one line, cut with an ellipsis if it is wider than `width`.
    pub(super) fn fit(&self, text: &str, weight: Weight, size: f32, width: f32) -> Line {
        let line = self.line(text, weight);
        if line.width * size <= width {
            return line;
        }
        let room = width - self.width(ELLIPSIS, weight, size);
        let kept = &text[..self.fitting_prefix(text, weight, size, room)];
        self.line(&format!("{}{ELLIPSIS}", kept.trim_end()), weight)
    }

    /// The largest size of `sizes`, largest first, at which the text is no wider than `width`; the last, if at none.
    pub(super) fn largest(&self, text: &str, weight: Weight, sizes: &[f32], width: f32) -> (f32, Line) {
        let last = sizes.last().copied().unwrap_or(8.0);
        let line = self.line(text, weight);
        match sizes.iter().find(|size| line.width * **size <= width) {
            Some(size) => (*size, line),
            None => (last, self.fit(text, weight, last, width)),
        }
    }

    /// The text on no more than `most` lines, broken between words (within one only if it is wider than a line); the
    /// last one is cut with an ellipsis if there is more.
    pub(super) fn wrap(&self, text: &str, weight: Weight, size: f32, width: f32, most: usize) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            if lines.len() + 1 >= most {
                lines.push(self.fit(rest, weight, size, width));
                break;
            }
            let end = self.break_at(rest, weight, size, width);
            lines.push(self.line(rest[..end].trim_end(), weight));
            rest = rest[end..].trim_start();
        }
        lines
    }

    /// Where the first line of the text ends.
    fn break_at(&self, text: &str, weight: Weight, size: f32, width: f32) -> usize {
        if self.width(text, weight, size) <= width && text.chars().count() <= LONGEST {
            return text.len();
        }
        let fits = self.fitting_prefix(text, weight, size, width);
        if text[fits..].starts_with(char::is_whitespace) && !text[fits..].trim_start().starts_with('%') {
            return fits;
        }
        // A number and its % stay together.
        let words = text[..fits].char_indices().rev().filter(|(_, c)| c.is_whitespace()).map(|(i, _)| i);
        let mut breaks = words.filter(|i| *i > 0 && !text[*i..].trim_start().starts_with('%'));
        match breaks.next() {
            Some(word) => word,
            None if fits > 0 => fits,
            None => text.chars().next().map_or(text.len(), char::len_utf8),
        }
    }

    /// How many bytes of the text fit into `width`.
    fn fitting_prefix(&self, text: &str, weight: Weight, size: f32, width: f32) -> usize {
        let ends: Vec<usize> = text.char_indices().map(|(i, c)| i + c.len_utf8()).take(LONGEST).collect();
        let count = ends.partition_point(|end| self.width(&text[..*end], weight, size) <= width);
        if count == 0 { 0 } else { ends[count - 1] }
    }

    /// Pieces of the text, each in a face that has its characters.
    fn by_face(&self, text: &str, weight: Weight) -> Vec<(Range<usize>, usize)> {
        let first = if weight == Weight::Bold { BOLD } else { REGULAR };
        let mut pieces: Vec<(Range<usize>, usize)> = Vec::new();
        for (at, c) in text.char_indices() {
            let end = at + c.len_utf8();
            let last = pieces.last_mut();
            let has = |face: usize| self.faces[face].shaper.glyph_index(c).is_some();
            let face = match &last {
                Some((_, face)) if joins(c) || (c == ' ' && has(*face)) => *face,
                // Punctuation within a foreign word stays in its font, unless the text's own font was in use.
                _ if has(first) => first,
                _ => (BOLD + 1..self.faces.len()).find(|face| has(*face)).unwrap_or(first),
            };
            match last {
                Some((range, its)) if *its == face => range.end = end,
                _ => pieces.push((at..end, face)),
            }
        }
        pieces
    }
}

impl Face {
    fn shape(&self, text: &str, rtl: bool) -> Run {
        let mut buffer = UnicodeBuffer::new();
        buffer.push_str(text);
        buffer.guess_segment_properties();
        buffer.set_direction(if rtl { Direction::RightToLeft } else { Direction::LeftToRight });
        let shaped = rustybuzz::shape(&self.shaper, &[], buffer);
        let infos = shaped.glyph_infos();
        let mut starts: Vec<usize> = infos.iter().map(|info| info.cluster as usize).collect();
        starts.sort_unstable();
        starts.dedup();
        let mut width = 0.0;
        let glyphs = infos.iter().zip(shaped.glyph_positions()).map(|(info, at)| {
            let start = info.cluster as usize;
            let next = starts.partition_point(|it| *it <= start);
            let end = starts.get(next).copied().unwrap_or(text.len());
            let em = |units: i32| units as f32 / self.per_em;
            width += em(at.x_advance);
            KrillaGlyph::new(
                GlyphId::new(info.glyph_id),
                em(at.x_advance),
                em(at.x_offset),
                em(at.y_offset),
                em(at.y_advance),
                start..end,
                None,
            )
        });
        let glyphs = glyphs.collect();
        Run { font: self.font.clone(), text: text.to_owned(), glyphs, width }
    }
}

/// The pieces of the text from left to right, and whether each reads from right to left.
fn directions(text: &str) -> Vec<(Range<usize>, bool)> {
    if text.chars().all(|c| c < '\u{0590}') {
        return if text.is_empty() { Vec::new() } else { vec![(0..text.len(), false)] };
    }
    let bidi = BidiInfo::new(text, Some(Level::ltr()));
    let mut pieces = Vec::new();
    for paragraph in &bidi.paragraphs {
        let (levels, runs) = bidi.visual_runs(paragraph, paragraph.range.clone());
        pieces.extend(runs.into_iter().map(|run| {
            let rtl = levels.get(run.start).is_some_and(Level::is_rtl);
            (run, rtl)
        }));
    }
    pieces
}

/// Characters that are set in the font of what stands before them.
fn joins(c: char) -> bool {
    matches!(c, '\u{0300}'..='\u{036F}' | '\u{1AB0}'..='\u{1AFF}' | '\u{1DC0}'..='\u{1DFF}' | '\u{200C}' | '\u{200D}'
        | '\u{20D0}'..='\u{20FF}' | '\u{3099}' | '\u{309A}')
}

/// Variation selectors, direction marks and the like.
fn is_mark_of_nothing(c: char) -> bool {
    matches!(c, '\u{00AD}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}')
}

fn printable(c: char) -> char {
    if c.is_control() || c.is_whitespace() { ' ' } else { c }
}
