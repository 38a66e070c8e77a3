//! What flows over pages: sections, and tables whose header comes back on each page.

use super::{
    canvas::{BOTTOM, Canvas, MARGIN, Pen, Role, WIDTH, rect},
    chart::glyph,
    text::{Fonts, Line, Weight},
};
use crate::stage::{Colour, Stage, palette};

const INSET: f32 = 14.0;
const TEXT: f32 = 8.0;
const LEADING: f32 = 10.6;
const HEADER: f32 = 20.0;

/// Where the next thing goes.
pub(super) struct Flow<'a> {
    pub canvas: Canvas,
    pub fonts: &'a Fonts,
    pub y: f32,
    /// Whether a line parts the next row from what is above.
    ruled: bool,
}

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column<'a> {
    pub name: &'a str,
    pub width: f32,
    pub right: bool,
    /// On how many lines a cell may stand.
    pub lines: usize,
}

impl<'a> Column<'a> {
    pub(super) const fn left(name: &'a str, width: f32, lines: usize) -> Self {
        Self { name, width, right: false, lines }
    }
    pub(super) const fn number(name: &'a str, width: f32) -> Self {
        Self { name, width, right: true, lines: 1 }
    }
}

/// The heading above a table.
pub(super) struct Heading<'a> {
    pub title: &'a str,
    pub note: &'a str,
    pub stage: Option<Stage>,
}

/// A row: its cells, and whether it stands out.
pub(super) struct Row {
    pub cells: Vec<String>,
    pub bold: bool,
}

impl<'a> Flow<'a> {
    pub(super) fn new(fonts: &'a Fonts) -> Self {
        Self { canvas: Canvas::new(), fonts, y: MARGIN, ruled: false }
    }

    /// Goes to the next page unless `height` is left on this one.
    pub(super) fn ensure(&mut self, height: f32) {
        if self.y + height > BOTTOM {
            self.next_page();
        }
    }

    fn next_page(&mut self) {
        self.canvas.new_page();
        self.y = MARGIN;
    }

    /// A table in a card, on as many pages as it takes; `foot` stands under it. Without rows, `foot` alone.
    pub(super) fn table(
        &mut self,
        heading: &Heading<'_>,
        columns: &[Column<'_>],
        rows: &[Row],
        foot: Option<&str>,
    ) {
        let needed = 34.0 + HEADER + 3.0 * (LEADING + 8.0);
        self.ensure(if rows.is_empty() { 64.0 } else { needed });
        self.canvas.bookmark(heading.title, self.y);
        let (mut mark, mut top) = self.begin_card(heading, false);
        if !rows.is_empty() {
            self.canvas.open(Role::Table);
            self.header(columns, true);
            for (i, row) in rows.iter().enumerate() {
                let cells = self.set(columns, row);
                let lines = cells.iter().map(Vec::len).max().unwrap_or(1).max(1);
                let height = lines as f32 * LEADING + 7.4;
                // The last row takes the foot along.
                let below = if i + 1 == rows.len() && foot.is_some() { 22.0 } else { 0.0 };
                if self.y + height + below + 6.0 > BOTTOM {
                    self.end_card(mark, top);
                    self.next_page();
                    (mark, top) = self.begin_card(heading, true);
                    self.header(columns, false);
                }
                self.row(columns, row, cells, height);
            }
            self.canvas.close();
        }
        if let Some(foot) = foot {
            let line = self.fonts.fit(foot, Weight::Regular, TEXT, WIDTH - 2.0 * INSET);
            let y = self.y + 13.0;
            self.canvas.part(Role::Paragraph, |it| it.text(MARGIN + INSET, y, line, TEXT, palette::INK_2));
            self.y += 18.0;
        }
        self.end_card(mark, top);
        self.y += 12.0;
    }

    fn begin_card(&mut self, heading: &Heading<'_>, again: bool) -> (usize, f32) {
        let (mark, top) = (self.canvas.mark(), self.y);
        let mut x = MARGIN + INSET;
        let y = top + 22.0;
        if let Some(stage) = heading.stage {
            self.canvas.decoration(|it| glyph(it, stage, x + 4.5, y - 4.0, 4.8));
            x += 15.0;
        }
        let title = self.fonts.line(heading.title, Weight::Bold);
        let after = x + title.width * 11.0 + 7.0;
        let note = if again { "continued" } else { heading.note };
        let note = self.fonts.fit(note, Weight::Regular, TEXT, WIDTH - INSET - (after - MARGIN));
        let role = Role::Heading(2, heading.title.to_owned());
        let draw = |it: &mut Canvas| it.text(x, y, title, 11.0, palette::INK);
        if again {
            self.canvas.decoration(draw);
            self.canvas.decoration(|it| it.text(after, y, note, TEXT, palette::INK_3));
        } else {
            self.canvas.part(role, draw);
            self.canvas.part(Role::Paragraph, |it| it.text(after, y, note, TEXT, palette::INK_3));
        }
        self.y = top + 30.0;
        (mark, top)
    }

    fn end_card(&mut self, mark: usize, top: f32) {
        let height = self.y - top + 6.0;
        self.canvas.beneath(mark, rect(MARGIN, top, WIDTH, height, 12.0), palette::SURFACE);
        self.canvas.beneath(
            mark,
            rect(MARGIN - 0.5, top - 0.5, WIDTH + 1.0, height + 1.0, 12.5),
            palette::LINE,
        );
        self.y += 6.0;
    }

    fn header(&mut self, columns: &[Column<'_>], first: bool) {
        let y = self.y + 12.0;
        let fonts = self.fonts;
        let names = |it: &mut Canvas| {
            for (x, column) in places(columns) {
                let line = fonts.fit(column.name, Weight::Bold, 7.0, column.width - 8.0);
                let draw = |it: &mut Canvas| put(it, x, y, column, line, 7.0, palette::INK_3);
                if first {
                    it.part(Role::ColumnHeader, draw);
                } else {
                    it.decoration(draw);
                }
            }
        };
        if first {
            self.canvas.part(Role::Row, names);
        } else {
            self.canvas.decoration(names);
        }
        let rule = self.y + HEADER - 2.0;
        let pen = Pen::new(palette::BRAND, 0.8);
        self.canvas.decoration(|it| it.line((MARGIN + INSET, rule), (MARGIN + WIDTH - INSET, rule), pen));
        self.y += HEADER;
        self.ruled = false;
    }

    fn set(&self, columns: &[Column<'_>], row: &Row) -> Vec<Vec<Line>> {
        let weight = if row.bold { Weight::Bold } else { Weight::Regular };
        let set = |(column, text): (&Column<'_>, &String)| {
            // The name is what is looked for.
            let weight = if column.lines > 1 && column.name == "Name" { Weight::Bold } else { weight };
            self.fonts.wrap(text, weight, TEXT, column.width - 8.0, column.lines)
        };
        columns.iter().zip(&row.cells).map(set).collect()
    }

    fn row(&mut self, columns: &[Column<'_>], row: &Row, cells: Vec<Vec<Line>>, height: f32) {
        if std::mem::replace(&mut self.ruled, true) {
            let (rule, pen) = (self.y, Pen::new(palette::LINE, 0.5));
            self.canvas.decoration(|it| it.line((MARGIN + INSET, rule), (MARGIN + WIDTH - INSET, rule), pen));
        }
        let y = self.y + 11.4;
        let colour = if row.bold { palette::INK } else { palette::INK_2 };
        self.canvas.part(Role::Row, |it| {
            for ((x, column), lines) in places(columns).zip(cells) {
                it.part(Role::Cell, |it| {
                    let mut y = y;
                    let strong = row.bold || column.name == "Name" || column.name == "Source";
                    for line in lines {
                        put(it, x, y, column, line, TEXT, if strong { palette::INK } else { colour });
                        y += LEADING;
                    }
                });
            }
        });
        self.y += height;
    }
}

fn places<'a>(columns: &'a [Column<'a>]) -> impl Iterator<Item = (f32, &'a Column<'a>)> {
    columns.iter().scan(MARGIN + INSET, |x, column| {
        let at = *x;
        *x += column.width;
        Some((at, column))
    })
}

fn put(canvas: &mut Canvas, x: f32, y: f32, column: &Column<'_>, line: Line, size: f32, colour: Colour) {
    if column.right {
        canvas.text_right(x + column.width - 4.0, y, line, size, colour);
    } else {
        canvas.text(x, y, line, size, colour);
    }
}

/// What a table's columns have to share.
pub(super) const ROOM: f32 = WIDTH - 2.0 * INSET;
