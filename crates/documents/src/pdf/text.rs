//! Text set in the fonts that ship with the program: shaped, measured, wrapped, cut.

use std::{
    cell::{OnceCell, RefCell},
    collections::HashMap,
    io::Read,
    ops::Range,
    rc::Rc,
    sync::OnceLock,
};

use flate2::read::GzDecoder;
use krilla::text::{Font, GlyphId, KrillaGlyph};
use rustybuzz::{Direction, Script, ShapePlan, UnicodeBuffer};
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
    /// Where its text begins in the line's.
    start: usize,
    pub text: String,
    pub glyphs: Vec<KrillaGlyph>,
    pub width: f32,
}

pub(super) struct Fonts {
    /// Each is opened when the first character needs it; `None` if its file is damaged.
    faces: [OnceCell<Option<Face>>; FILES.len()],
}

struct Face {
    shaper: rustybuzz::Face<'static>,
    font: Font,
    per_em: f32,
    /// How a script is shaped, worked out once: it takes longer than the shaping.
    plans: RefCell<HashMap<(Script, bool), Rc<ShapePlan>>>,
}

const REGULAR: usize = 0;
const BOLD: usize = 1;

/// The first two are the weights; the others stand in, in this order, for characters that these don't have. Chinese and
/// Japanese come last: the fonts before them have better punctuation.
static FILES: [File; 8] = [
    File::packed(include_bytes!("../../fonts/NotoSans-Regular.ttf.gz")),
    File::packed(include_bytes!("../../fonts/NotoSans-Bold.ttf.gz")),
    File::packed(include_bytes!("../../fonts/NotoSansHebrew-Regular.ttf.gz")),
    File::packed(include_bytes!("../../fonts/NotoSansArabic-Regular.ttf.gz")),
    File::packed(include_bytes!("../../fonts/NotoSansDevanagari-Regular.ttf.gz")),
    File::packed(include_bytes!("../../fonts/NotoSansThai-Regular.ttf.gz")),
    File::packed(include_bytes!("../../fonts/DroidSansFallbackFull.ttf.gz")),
    File::packed(include_bytes!("../../fonts/NanumSquareR.ttf.gz")),
];

/// A font's file: it lies packed in the program, is unpacked when it is first needed, and is then kept.
struct File {
    packed: &'static [u8],
    bytes: OnceLock<Vec<u8>>,
}

impl File {
    const fn packed(packed: &'static [u8]) -> Self {
        Self { packed, bytes: OnceLock::new() }
    }

    fn open(&'static self) -> Option<Face> {
        let bytes = self.bytes.get_or_init(|| {
            let mut bytes = Vec::new();
            // What is damaged is no font, and is found to be none below.
            match GzDecoder::new(self.packed).read_to_end(&mut bytes) {
                Ok(_) => bytes,
                Err(_) => Vec::new(),
            }
        });
        let shaper = rustybuzz::Face::from_slice(bytes, 0)?;
        let font = Font::new(bytes.as_slice().into(), 0)?;
        let per_em = font.units_per_em();
        Some(Face { shaper, font, per_em, plans: RefCell::default() })
    }
}

impl Fonts {
    pub(super) fn load() -> Result<Self, Error> {
        let fonts = Self { faces: Default::default() };
        for own in [REGULAR, BOLD] {
            fonts.face(own).ok_or_else(|| Error::Pdf("a font is damaged".into()))?;
        }
        Ok(fonts)
    }

    fn face(&self, index: usize) -> Option<&Face> {
        self.faces.get(index)?.get_or_init(|| FILES.get(index)?.open()).as_ref()
    }

    /// The text on one line, however long. Line breaks and other control characters become spaces, marks without a
    /// width vanish.
    pub(super) fn line(&self, text: &str, weight: Weight) -> Line {
        self.set(&clean(text), weight)
    }

    /// How wide the text is at a size.
    pub(super) fn width(&self, text: &str, weight: Weight, size: f32) -> f32 {
        self.line(text, weight).width * size
    }

    /// The text on one line, cut with an ellipsis if it is wider than `width`.
    pub(super) fn fit(&self, text: &str, weight: Weight, size: f32, width: f32) -> Line {
        self.fit_clean(&clean(text), weight, size, width)
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
        let text = clean(text);
        let mut lines = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            if lines.len() + 1 >= most {
                lines.push(self.fit_clean(rest, weight, size, width));
                break;
            }
            let line = self.set(rest, weight);
            if line.width * size <= width {
                lines.push(line);
                break;
            }
            let end = break_at(rest, fitting_prefix(rest, &line, width / size));
            lines.push(self.set(rest[..end].trim_end(), weight));
            rest = rest[end..].trim_start();
        }
        lines
    }

    fn fit_clean(&self, text: &str, weight: Weight, size: f32, width: f32) -> Line {
        let line = self.set(text, weight);
        if line.width * size <= width {
            return line;
        }
        let room = width / size - self.set(ELLIPSIS, weight).width;
        let kept = &text[..fitting_prefix(text, &line, room)];
        self.set(&format!("{}{ELLIPSIS}", kept.trim_end()), weight)
    }

    fn set(&self, text: &str, weight: Weight) -> Line {
        let mut runs = Vec::new();
        for (range, rtl) in directions(text) {
            let mut pieces = self.by_face(&text[range.clone()], weight);
            if rtl {
                pieces.reverse();
            }
            for (piece, face) in pieces {
                let piece = range.start + piece.start..range.start + piece.end;
                if let Some(face) = self.face(face) {
                    runs.push(face.shape(&text[piece.clone()], piece.start, rtl));
                }
            }
        }
        let width = runs.iter().map(|run| run.width).sum();
        Line { runs, width }
    }

    /// Pieces of the text, each in a face that has its characters.
    fn by_face(&self, text: &str, weight: Weight) -> Vec<(Range<usize>, usize)> {
        let first = if weight == Weight::Bold { BOLD } else { REGULAR };
        let mut pieces: Vec<(Range<usize>, usize)> = Vec::new();
        for (at, c) in text.char_indices() {
            let end = at + c.len_utf8();
            let last = pieces.last_mut();
            let has = |face: usize| self.face(face).is_some_and(|face| face.shaper.glyph_index(c).is_some());
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
    fn shape(&self, text: &str, start: usize, rtl: bool) -> Run {
        let mut buffer = UnicodeBuffer::new();
        buffer.push_str(text);
        buffer.guess_segment_properties();
        let direction = if rtl { Direction::RightToLeft } else { Direction::LeftToRight };
        buffer.set_direction(direction);
        let script = buffer.script();
        let plan = Rc::clone(self.plans.borrow_mut().entry((script, rtl)).or_insert_with(|| {
            Rc::new(ShapePlan::new(&self.shaper, direction, Some(script), buffer.language().as_ref(), &[]))
        }));
        let shaped = rustybuzz::shape_with_plan(&self.shaper, &plan, buffer);
        let infos = shaped.glyph_infos();
        let mut starts: Vec<usize> = infos.iter().map(|info| info.cluster as usize).collect();
        starts.sort_unstable();
        starts.dedup();
        let mut width = 0.0;
        let glyphs = infos.iter().zip(shaped.glyph_positions()).map(|(info, at)| {
            let first = info.cluster as usize;
            let next = starts.partition_point(|it| *it <= first);
            let end = starts.get(next).copied().unwrap_or(text.len());
            let em = |units: i32| units as f32 / self.per_em;
            width += em(at.x_advance);
            KrillaGlyph::new(
                GlyphId::new(info.glyph_id),
                em(at.x_advance),
                em(at.x_offset),
                em(at.y_offset),
                em(at.y_advance),
                first..end,
                None,
            )
        });
        let glyphs = glyphs.collect();
        Run { font: self.font.clone(), start, text: text.to_owned(), glyphs, width }
    }
}

/// What of a text is printed, without line breaks.
fn clean(text: &str) -> String {
    text.chars().filter(|c| !is_mark_of_nothing(*c)).take(LONGEST).map(printable).collect()
}

/// How many bytes of the text that is set in `line` are no wider than `width`, in ems.
fn fitting_prefix(text: &str, line: &Line, width: f32) -> usize {
    let mut clusters: Vec<(usize, f32)> = line
        .runs
        .iter()
        .flat_map(|run| run.glyphs.iter().map(|glyph| (run.start + glyph.text_range.start, glyph.x_advance)))
        .collect();
    // Right-to-left runs are set from their end.
    clusters.sort_by_key(|(start, _)| *start);
    let mut left = width;
    for (start, advance) in clusters {
        left -= advance;
        if left < 0.0 {
            return start;
        }
    }
    text.len()
}

/// Where a line ends of which `fits` bytes fit: before a word, or within one that is wider than the line. A number and
/// its % stay together.
fn break_at(text: &str, fits: usize) -> usize {
    let may_end =
        |at: usize| text[at..].starts_with(char::is_whitespace) && !text[at..].trim_start().starts_with('%');
    if fits > 0 && may_end(fits) {
        return fits;
    }
    let mut ends = text[..fits].char_indices().rev().map(|(at, _)| at).filter(|at| *at > 0 && may_end(*at));
    match ends.next() {
        Some(end) => end,
        None if fits > 0 => fits,
        None => text.chars().next().map_or(text.len(), char::len_utf8),
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
