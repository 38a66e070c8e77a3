//! Charts as vectors.

use super::{
    canvas::{Canvas, Ink, Pen, arc, circle, curve, polygon, polyline, rect, ring_part, slice},
    text::{Fonts, Weight},
};
use crate::{
    stage::{Colour, Stage, palette},
    words::{Way, compact, within},
};

const SMALL: f32 = 7.0;

/// A place on a page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub x: f32,
    pub y: f32,
    pub w: f32,
    pub h: f32,
}

impl Place {
    pub(super) fn right(self) -> f32 {
        self.x + self.w
    }
    pub(super) fn bottom(self) -> f32 {
        self.y + self.h
    }
}

/// The mark of a stage: told from the others without its colour.
pub(super) fn glyph(canvas: &mut Canvas, stage: Stage, x: f32, y: f32, r: f32) {
    let colour = stage.colour();
    let ring = Pen::new(colour, r * 0.28);
    let inner = r * 0.86;
    match stage {
        Stage::New => {
            for i in 0..8u8 {
                let from = f32::from(i) / 8.0;
                canvas.stroke(arc((x, y), inner, from, from + 0.07), Pen { round: false, ..ring });
            }
        }
        Stage::Contacted | Stage::Qualified => {
            let share = if stage == Stage::Contacted { 0.25 } else { 0.5 };
            canvas.stroke(circle(x, y, inner), ring);
            canvas.fill(slice((x, y), r * 0.58, 0.0, share), colour);
        }
        Stage::Converted => {
            canvas.fill(circle(x, y, r), colour);
            let check =
                [(x - r * 0.42, y + r * 0.02), (x - r * 0.1, y + r * 0.34), (x + r * 0.44, y - r * 0.32)];
            canvas.stroke(polyline(&check), Pen::new(palette::SURFACE, r * 0.26));
        }
        Stage::Lost => {
            canvas.fill(circle(x, y, r), colour);
            let (pen, d) = (Pen::new(palette::SURFACE, r * 0.24), r * 0.33);
            canvas.line((x - d, y - d), (x + d, y + d), pen);
            canvas.line((x - d, y + d), (x + d, y - d), pen);
        }
    }
}

/// Which way a figure went: a triangle, or a bar where it stayed.
pub(super) fn arrow(canvas: &mut Canvas, way: Way, x: f32, y: f32, colour: Colour) {
    let path = match way {
        Way::Up => polygon(&[(x, y), (x + 3.0, y - 5.2), (x + 6.0, y)]),
        Way::Down => polygon(&[(x, y - 5.2), (x + 6.0, y - 5.2), (x + 3.0, y)]),
        Way::Same => rect(x, y - 3.4, 6.0, 1.6, 0.8),
    };
    canvas.fill(path, colour);
}

/// Whole steps of an axis from zero: how high it goes and how far one is from the next.
fn steps(most: u64) -> (u64, u64) {
    let most = most.max(1);
    let raw = most.div_ceil(5).max(1);
    let power = 10u64.pow(raw.ilog10());
    let step =
        [1, 2, 5, 10].into_iter().map(|it| power.saturating_mul(it)).find(|it| *it >= raw).unwrap_or(raw);
    (most.div_ceil(step).saturating_mul(step), step)
}

/// The lines of an axis with their labels; gives what is left for the chart, and the height of one.
fn axis(
    canvas: &mut Canvas,
    fonts: &Fonts,
    place: Place,
    most: u64,
    label: impl Fn(u64) -> String,
) -> (Place, f32) {
    let (top, step) = steps(most);
    let count = top / step;
    let labels: Vec<String> = (0..=count).map(|i| label(i * step)).collect();
    let wide = labels.iter().map(|it| fonts.width(it, Weight::Regular, SMALL)).fold(0.0, f32::max);
    let plot =
        Place { x: place.x + wide + 7.0, y: place.y + 4.0, w: place.w - wide - 7.0, h: place.h - 20.0 };
    for (i, label) in labels.iter().enumerate() {
        let y = plot.bottom() - plot.h * i as f32 / count.max(1) as f32;
        let pen = if i == 0 {
            Pen::new(palette::LINE_STRONG, 0.6)
        } else {
            Pen::new(palette::LINE, 0.6).dashed(1.5, 2.0)
        };
        canvas.line((plot.x, y), (plot.right(), y), pen);
        let line = fonts.line(label, Weight::Regular);
        canvas.text_right(plot.x - 6.0, y + 2.4, line, SMALL, palette::INK_3);
    }
    (plot, plot.h / top as f32)
}

/// Says in the middle of a chart why it is empty.
fn nothing(canvas: &mut Canvas, fonts: &Fonts, plot: Place, words: &str) {
    let line = fonts.line(words, Weight::Regular);
    canvas.text_centred(plot.x + plot.w / 2.0, plot.y + plot.h / 2.0 + 3.0, line, 8.5, palette::INK_3);
}

/// Leads created on the days of a month, and dashed those of the month before.
pub(super) struct Days<'a> {
    pub counts: &'a [u64],
    pub before: &'a [u64],
    /// How many days the month has.
    pub days: usize,
    /// `Oct`.
    pub month: &'a str,
    /// The busiest day's place, and what is written at it.
    pub busiest: Option<(usize, String)>,
    /// Whether the last day is not over.
    pub unfinished: bool,
}

pub(super) fn days(canvas: &mut Canvas, fonts: &Fonts, place: Place, data: &Days<'_>) {
    let all = data.counts.iter().chain(data.before.iter().take(data.days));
    let (plot, unit) = axis(canvas, fonts, place, all.copied().max().unwrap_or(0), compact);
    let step = plot.w / (data.days.max(2) - 1) as f32;
    let at = |(i, count): (usize, &u64)| (plot.x + step * i as f32, plot.bottom() - unit * *count as f32);
    if data.counts.iter().chain(data.before).all(|count| *count == 0) {
        nothing(canvas, fonts, plot, "No leads were created");
    }
    let before: Vec<_> = data.before.iter().take(data.days).enumerate().map(at).collect();
    let now: Vec<_> = data.counts.iter().enumerate().map(at).collect();
    // A line on the ground would look like the axis.
    let now = if data.counts.iter().all(|count| *count == 0) { Vec::new() } else { now };
    let (whole, open) = if data.unfinished && now.len() > 1 {
        (&now[..now.len() - 1], &now[now.len() - 2..])
    } else {
        (&now[..], &now[..0])
    };
    if whole.len() > 1 {
        let fade = Ink::Gradient(
            [(plot.x, plot.y), (plot.x, plot.bottom())],
            [(palette::BRAND, 0.26), (palette::BRAND, 0.02)],
        );
        canvas.fill(curve(whole, Some(plot.bottom())), fade);
    }
    canvas.stroke(curve(&before, None), Pen::new(palette::LINE_STRONG, 0.9).dashed(3.0, 2.4));
    canvas.stroke(curve(whole, None), Pen::new(palette::BRAND, 1.7));
    canvas.stroke(polyline(open), Pen::new(palette::BRAND, 1.5).dashed(1.2, 2.2));
    if let [(x, y)] = now[..] {
        canvas.fill(circle(x, y, 2.2), palette::BRAND);
    }
    let numbers = [1, 5, 10, 15, 20, 25].into_iter().filter(|day| day + 3 <= data.days).chain([data.days]);
    for day in numbers {
        let x = plot.x + step * (day - 1) as f32;
        let line = fonts.line(&format!("{day} {}", data.month), Weight::Regular);
        let half = line.width * SMALL / 2.0;
        let x = x.min(plot.right() - half).max(plot.x + half - 4.0);
        canvas.text_centred(x, plot.bottom() + 12.0, line, SMALL, palette::INK_3);
    }
    if let Some((day, words)) = &data.busiest
        && let Some((x, y)) = now.get(*day).copied()
    {
        canvas.fill(circle(x, y, 3.4), palette::SURFACE);
        canvas.fill(circle(x, y, 2.4), palette::BRAND);
        let line = fonts.line(words, Weight::Bold);
        let wide = line.width * SMALL;
        let left = if x + 6.0 + wide < plot.right() { x + 6.0 } else { x - 6.0 - wide };
        canvas.fill(rect(left - 2.0, y - 6.0, wide + 4.0, 10.0, 2.0), Ink::Plain(palette::SURFACE, 0.85));
        canvas.text(left, y + 1.6, line, SMALL, palette::INK);
    }
}

/// A ring of the stages' shares, with their sum inside.
pub(super) fn donut(canvas: &mut Canvas, fonts: &Fonts, centre: (f32, f32), r: f32, counts: &[(Stage, u64)]) {
    let all: u64 = counts.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count));
    let inner = r * 0.66;
    if all == 0 {
        canvas.fill(ring_part(centre, inner, r, 0.0, 0.9999), palette::SUNKEN);
    }
    let drawn = counts.iter().filter(|(_, count)| *count > 0).count();
    let gap = if drawn > 1 { 0.006 } else { 0.0 };
    let mut from = 0.0;
    for (stage, count) in counts.iter().filter(|(_, count)| *count > 0) {
        let share = (*count as f64 / all.max(1) as f64) as f32;
        let to = (from + share - gap).max(from + 0.002).min(0.9999);
        canvas.fill(ring_part(centre, inner, r, from, to), stage.colour());
        from += share;
    }
    let (size, line) = fonts.largest(&within(all, 9), Weight::Bold, &[20.0, 16.0, 13.0, 10.0], inner * 1.7);
    canvas.text_centred(centre.0, centre.1 + size * 0.2, line, size, palette::INK);
    let words = if all == 1 { "lead" } else { "leads" };
    let line = fonts.line(words, Weight::Regular);
    canvas.text_centred(centre.0, centre.1 + size * 0.2 + 10.0, line, 7.5, palette::INK_3);
}

/// A bar, and within it the dark part; shares of the longest.
pub(super) fn bar(canvas: &mut Canvas, place: Place, share: f32, dark: f32, ink: Colour, pale: Colour) {
    canvas.fill(rect(place.x, place.y, place.w, place.h, place.h / 2.0), palette::SUNKEN);
    let wide = place.w * share.clamp(0.0, 1.0);
    if wide > 0.0 {
        let whole = wide.max(place.h);
        canvas.fill(rect(place.x, place.y, whole, place.h, place.h / 2.0), pale);
        let part = (place.w * dark.clamp(0.0, 1.0)).min(whole);
        if part > 0.0 {
            let shape = rect(place.x, place.y, whole, place.h, place.h / 2.0);
            canvas.clipped(shape, |it| it.fill(rect(place.x, place.y, part.max(1.5), place.h, 0.0), ink));
        }
    }
}

/// Rates of months in tenths of a per cent; where there is none, the line is broken.
pub(super) fn rates(canvas: &mut Canvas, fonts: &Fonts, place: Place, months: &[(&str, Option<u64>)]) {
    let most = months.iter().filter_map(|(_, rate)| *rate).max().unwrap_or(0).div_ceil(10);
    let (plot, unit) = axis(canvas, fonts, place, most.max(5), |rate| format!("{} %", compact(rate)));
    let step = plot.w / months.len().max(2) as f32;
    let x = |i: usize| plot.x + step * (i as f32 + 0.5);
    let mut piece: Vec<(f32, f32)> = Vec::new();
    let mut pieces = Vec::new();
    for (i, (name, rate)) in months.iter().enumerate() {
        let line = fonts.line(name, Weight::Regular);
        canvas.text_centred(x(i), plot.bottom() + 12.0, line, SMALL, palette::INK_3);
        match rate {
            Some(rate) => piece.push((x(i), plot.bottom() - unit * *rate as f32 / 10.0)),
            None => pieces.push(std::mem::take(&mut piece)),
        }
    }
    pieces.push(piece);
    if pieces.iter().all(Vec::is_empty) {
        nothing(canvas, fonts, plot, "No leads were created");
    }
    let fade = || {
        Ink::Gradient(
            [(plot.x, plot.y), (plot.x, plot.bottom())],
            [(palette::BRAND, 0.24), (palette::BRAND, 0.02)],
        )
    };
    for piece in &pieces {
        if let [(x, y)] = piece[..] {
            canvas.fill(circle(x, y, 1.8), palette::BRAND);
        } else {
            canvas.fill(curve(piece, Some(plot.bottom())), fade());
            canvas.stroke(curve(piece, None), Pen::new(palette::BRAND, 1.7));
        }
    }
    if let (Some((_, Some(rate))), Some((x, y))) = (months.last(), pieces.last().and_then(|it| it.last())) {
        canvas.fill(circle(*x, *y, 3.6), palette::SURFACE);
        canvas.fill(circle(*x, *y, 2.6), palette::BRAND);
        let line = fonts.line(&crate::words::percent(*rate), Weight::Bold);
        let right = (x + line.width * 8.0 / 2.0).min(place.right());
        canvas.text_right(right, y - 7.0, line, 8.0, palette::INK);
    }
}

/// A share of one as a ring: what is left of it pale.
pub(super) fn gauge(canvas: &mut Canvas, centre: (f32, f32), r: f32, share: f32, ink: Colour, track: Colour) {
    let wide = r * 0.2;
    canvas.stroke(circle(centre.0, centre.1, r), Pen::new(track, wide).faint(0.16));
    let share = share.clamp(0.0, 1.0);
    if share > 0.0 {
        canvas.stroke(arc(centre, r, 0.0, share.max(0.001)), Pen::new(ink, wide));
    }
}

#[cfg(test)]
mod tests {
    use super::steps;

    #[test]
    fn an_axis_has_few_and_whole_steps() {
        assert_eq!(steps(0), (1, 1));
        assert_eq!(steps(3), (3, 1));
        assert_eq!(steps(24), (25, 5));
        assert_eq!(steps(31), (40, 10));
        assert_eq!(steps(100), (100, 20));
        let (top, step) = steps(u64::MAX);
        assert!(top / step <= 6);
    }
}
