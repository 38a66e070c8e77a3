//! Pages as lists of what is drawn on them, and what each part is to someone who hears them read.

use krilla::geom::{Path, PathBuilder, Rect as Bounds};

use super::text::Line;
use crate::stage::{Colour, palette};

/// A4 in points.
pub(super) const PAGE: (f32, f32) = (595.28, 841.89);
/// Left and right of what is printed.
pub(super) const MARGIN: f32 = 36.0;
/// What lies between.
pub(super) const WIDTH: f32 = PAGE.0 - 2.0 * MARGIN;
/// Below it is the page's foot.
pub(super) const BOTTOM: f32 = PAGE.1 - 46.0;

/// What a part of a page is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Role {
    /// Looks only: not read.
    Decoration,
    /// A heading of level 1 or 2.
    Heading(u16, String),
    Paragraph,
    /// A picture, with what it shows in words.
    Figure(String),
    Table,
    Row,
    ColumnHeader,
    Cell,
}

#[derive(Debug, Clone)]
pub(super) struct Part {
    pub role: Role,
    /// The part that it is in.
    pub within: Option<usize>,
}

#[derive(Debug, Clone)]
pub(super) enum Ink {
    Plain(Colour, f32),
    /// From one to another between two points.
    Gradient([(f32, f32); 2], [(Colour, f32); 2]),
}

impl From<Colour> for Ink {
    fn from(colour: Colour) -> Self {
        Self::Plain(colour, 1.0)
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Pen {
    pub colour: Colour,
    pub opacity: f32,
    pub width: f32,
    pub dash: Option<(f32, f32)>,
    pub round: bool,
}

impl Pen {
    pub(super) fn new(colour: Colour, width: f32) -> Self {
        Self { colour, opacity: 1.0, width, dash: None, round: true }
    }
    pub(super) fn dashed(self, on: f32, off: f32) -> Self {
        Self { dash: Some((on, off)), round: false, ..self }
    }
    pub(super) fn faint(self, opacity: f32) -> Self {
        Self { opacity, ..self }
    }
}

pub(super) enum Op {
    Fill(Path, Ink),
    Stroke(Path, Pen),
    /// From a point on the base line.
    Text {
        x: f32,
        y: f32,
        size: f32,
        colour: Colour,
        line: Line,
    },
    /// All that is drawn until `Unclip` shows only within.
    Clip(Path),
    Unclip,
}

#[derive(Default)]
pub(super) struct Page {
    /// What is drawn, each with its part.
    pub items: Vec<(usize, Op)>,
}

/// A heading that a reader can jump to.
#[derive(Debug)]
pub(super) struct Bookmark {
    pub text: String,
    pub page: usize,
    pub y: f32,
}

/// The pages in the making. Part 0 is the decoration.
pub(super) struct Canvas {
    pub pages: Vec<Page>,
    pub parts: Vec<Part>,
    pub bookmarks: Vec<Bookmark>,
    open: Vec<usize>,
    /// The page that is drawn on.
    current: usize,
}

impl Canvas {
    pub(super) fn new() -> Self {
        let mut canvas = Self {
            pages: Vec::new(),
            parts: vec![Part { role: Role::Decoration, within: None }],
            bookmarks: Vec::new(),
            open: vec![0],
            current: 0,
        };
        canvas.new_page();
        canvas
    }

    pub(super) fn new_page(&mut self) {
        self.pages.push(Page::default());
        self.current = self.pages.len() - 1;
        let paper = rect(0.0, 0.0, PAGE.0, PAGE.1, 0.0);
        self.decoration(|it| it.fill(paper, palette::PAPER));
    }

    /// Draws a part of the page.
    pub(super) fn part<T>(&mut self, role: Role, draw: impl FnOnce(&mut Self) -> T) -> T {
        let within = self.open.iter().rev().copied().find(|part| *part != 0);
        self.parts.push(Part { role, within });
        self.open.push(self.parts.len() - 1);
        let result = draw(self);
        self.open.pop();
        result
    }

    /// Draws what is not read.
    pub(super) fn decoration(&mut self, draw: impl FnOnce(&mut Self)) {
        self.open.push(0);
        draw(self);
        self.open.pop();
    }

    /// Opens a part that stays open over pages, until [`close`](Self::close).
    pub(super) fn open(&mut self, role: Role) {
        let within = self.open.iter().rev().copied().find(|part| *part != 0);
        self.parts.push(Part { role, within });
        self.open.push(self.parts.len() - 1);
    }

    pub(super) fn close(&mut self) {
        if self.open.len() > 1 {
            self.open.pop();
        }
    }

    pub(super) fn bookmark(&mut self, text: impl Into<String>, y: f32) {
        let page = self.pages.len() - 1;
        self.bookmarks.push(Bookmark { text: text.into(), page, y });
    }

    /// Where the next thing is drawn, to put something [beneath](Self::beneath) it later.
    pub(super) fn mark(&self) -> usize {
        self.pages.last().map_or(0, |page| page.items.len())
    }

    /// Draws under everything that was drawn on this page since `mark`.
    pub(super) fn beneath(&mut self, mark: usize, path: Option<Path>, ink: impl Into<Ink>) {
        if let (Some(page), Some(path)) = (self.pages.last_mut(), path) {
            let mark = mark.min(page.items.len());
            page.items.insert(mark, (0, Op::Fill(path, ink.into())));
        }
    }

    /// Draws what is not read on an earlier page.
    pub(super) fn on_page(&mut self, page: usize, draw: impl FnOnce(&mut Self)) {
        let current = std::mem::replace(&mut self.current, page);
        self.decoration(draw);
        self.current = current;
    }

    fn push(&mut self, op: Op) {
        let part = self.open.last().copied().unwrap_or(0);
        if let Some(page) = self.pages.get_mut(self.current) {
            page.items.push((part, op));
        }
    }

    pub(super) fn fill(&mut self, path: Option<Path>, ink: impl Into<Ink>) {
        if let Some(path) = path {
            self.push(Op::Fill(path, ink.into()));
        }
    }

    pub(super) fn stroke(&mut self, path: Option<Path>, pen: Pen) {
        if let Some(path) = path {
            self.push(Op::Stroke(path, pen));
        }
    }

    /// Draws within a shape only.
    pub(super) fn clipped(&mut self, path: Option<Path>, draw: impl FnOnce(&mut Self)) {
        if let Some(path) = path {
            self.push(Op::Clip(path));
            draw(self);
            self.push(Op::Unclip);
        }
    }

    pub(super) fn line(&mut self, from: (f32, f32), to: (f32, f32), pen: Pen) {
        self.stroke(polyline(&[from, to]), pen);
    }

    pub(super) fn text(&mut self, x: f32, y: f32, line: Line, size: f32, colour: Colour) {
        self.push(Op::Text { x, y, size, colour, line });
    }

    pub(super) fn text_right(&mut self, right: f32, y: f32, line: Line, size: f32, colour: Colour) {
        self.text(right - line.width * size, y, line, size, colour);
    }

    pub(super) fn text_centred(&mut self, centre: f32, y: f32, line: Line, size: f32, colour: Colour) {
        self.text(centre - line.width * size / 2.0, y, line, size, colour);
    }

    /// A white card on the paper.
    pub(super) fn card(&mut self, x: f32, y: f32, w: f32, h: f32) {
        self.decoration(|it| {
            it.fill(rect(x, y, w, h, 12.0), palette::SURFACE);
            it.stroke(rect(x, y, w, h, 12.0), Pen::new(palette::LINE, 0.6));
        });
    }
}

/// How far the handles of a curve lie from its ends for a quarter of a circle, in radii.
const QUARTER: f32 = 0.552_284_8;

/// A rectangle with round corners.
pub(super) fn rect(x: f32, y: f32, w: f32, h: f32, radius: f32) -> Option<Path> {
    let r = radius.min(w / 2.0).min(h / 2.0).max(0.0);
    let mut path = PathBuilder::new();
    if r <= 0.01 {
        path.push_rect(Bounds::from_xywh(x, y, w, h)?);
        return path.finish();
    }
    let k = r * (1.0 - QUARTER);
    path.move_to(x + r, y);
    path.line_to(x + w - r, y);
    path.cubic_to(x + w - k, y, x + w, y + k, x + w, y + r);
    path.line_to(x + w, y + h - r);
    path.cubic_to(x + w, y + h - k, x + w - k, y + h, x + w - r, y + h);
    path.line_to(x + r, y + h);
    path.cubic_to(x + k, y + h, x, y + h - k, x, y + h - r);
    path.line_to(x, y + r);
    path.cubic_to(x, y + k, x + k, y, x + r, y);
    path.close();
    path.finish()
}

pub(super) fn circle(x: f32, y: f32, r: f32) -> Option<Path> {
    rect(x - r, y - r, 2.0 * r, 2.0 * r, r)
}

pub(super) fn polyline(points: &[(f32, f32)]) -> Option<Path> {
    let mut path = PathBuilder::new();
    let ((x, y), rest) = points.split_first()?;
    path.move_to(*x, *y);
    rest.iter().for_each(|(x, y)| path.line_to(*x, *y));
    path.finish()
}

pub(super) fn polygon(points: &[(f32, f32)]) -> Option<Path> {
    let mut path = PathBuilder::new();
    let ((x, y), rest) = points.split_first()?;
    path.move_to(*x, *y);
    rest.iter().for_each(|(x, y)| path.line_to(*x, *y));
    path.close();
    path.finish()
}

/// A point on a circle; angles are in turns, clockwise from the top.
fn on_circle((x, y): (f32, f32), r: f32, turn: f32) -> (f32, f32) {
    let angle = turn * std::f32::consts::TAU;
    (x + r * angle.sin(), y - r * angle.cos())
}

/// Goes on along a circle from one angle to another, in turns.
fn along(path: &mut PathBuilder, centre: (f32, f32), r: f32, from: f32, to: f32) {
    let steps = ((to - from).abs() * 8.0).ceil().max(1.0);
    let step = (to - from) / steps;
    let handle = 4.0 / 3.0 * (step * std::f32::consts::TAU / 4.0).tan() * r;
    for i in 0..steps as u32 {
        let (a, b) = (from + step * i as f32, from + step * (i + 1) as f32);
        let (start, end) = (on_circle(centre, r, a), on_circle(centre, r, b));
        let (sa, ca) = (a * std::f32::consts::TAU).sin_cos();
        let (sb, cb) = (b * std::f32::consts::TAU).sin_cos();
        path.cubic_to(
            start.0 + handle * ca,
            start.1 + handle * sa,
            end.0 - handle * cb,
            end.1 - handle * sb,
            end.0,
            end.1,
        );
    }
}

/// A part of a ring; angles in turns, clockwise from the top.
pub(super) fn ring_part(centre: (f32, f32), inner: f32, outer: f32, from: f32, to: f32) -> Option<Path> {
    let mut path = PathBuilder::new();
    let start = on_circle(centre, outer, from);
    path.move_to(start.0, start.1);
    along(&mut path, centre, outer, from, to);
    let back = on_circle(centre, inner, to);
    path.line_to(back.0, back.1);
    along(&mut path, centre, inner, to, from);
    path.close();
    path.finish()
}

/// An arc to be stroked.
pub(super) fn arc(centre: (f32, f32), r: f32, from: f32, to: f32) -> Option<Path> {
    let mut path = PathBuilder::new();
    let start = on_circle(centre, r, from);
    path.move_to(start.0, start.1);
    along(&mut path, centre, r, from, to);
    path.finish()
}

/// A slice of a full circle.
pub(super) fn slice(centre: (f32, f32), r: f32, from: f32, to: f32) -> Option<Path> {
    let mut path = PathBuilder::new();
    path.move_to(centre.0, centre.1);
    let start = on_circle(centre, r, from);
    path.line_to(start.0, start.1);
    along(&mut path, centre, r, from, to);
    path.close();
    path.finish()
}

/// A smooth curve through points that goes nowhere above or below them; closed down to `floor`, if there is one.
pub(super) fn curve(points: &[(f32, f32)], floor: Option<f32>) -> Option<Path> {
    let (first, last) = (points.first()?, points.last()?);
    let mut path = PathBuilder::new();
    match floor {
        Some(floor) => {
            path.move_to(first.0, floor);
            path.line_to(first.0, first.1);
        }
        None => path.move_to(first.0, first.1),
    }
    let slopes = slopes(points);
    for (i, pair) in points.windows(2).enumerate() {
        let third = (pair[1].0 - pair[0].0) / 3.0;
        path.cubic_to(
            pair[0].0 + third,
            pair[0].1 + slopes[i] * third,
            pair[1].0 - third,
            pair[1].1 - slopes[i + 1] * third,
            pair[1].0,
            pair[1].1,
        );
    }
    if let Some(floor) = floor {
        path.line_to(last.0, floor);
        path.close();
    }
    path.finish()
}

/// The slopes of a monotone cubic curve (Fritsch and Carlson) at its points.
fn slopes(points: &[(f32, f32)]) -> Vec<f32> {
    let secants: Vec<f32> =
        points.windows(2).map(|pair| (pair[1].1 - pair[0].1) / (pair[1].0 - pair[0].0).max(0.001)).collect();
    (0..points.len())
        .map(|i| match (i.checked_sub(1).and_then(|i| secants.get(i)), secants.get(i)) {
            (Some(a), Some(b)) if a * b > 0.0 => {
                let mean = (a + b) / 2.0;
                mean.signum() * mean.abs().min(2.0 * a.abs().min(b.abs()))
            }
            (Some(_), Some(_)) => 0.0,
            (Some(a), None) => *a / 2.0,
            (None, Some(b)) => *b / 2.0,
            (None, None) => 0.0,
        })
        .collect()
}
