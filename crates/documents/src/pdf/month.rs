//! The pages of a month's summary.

use super::{
    canvas::{Canvas, Ink, MARGIN, PAGE, Pen, Role, WIDTH, circle, polyline, rect},
    chart::{Days, Place, arrow, bar, days, donut, gauge, glyph, rates},
    flow::{Column, Flow, Heading, ROOM, Row},
    text::{Fonts, Weight},
};
use crate::{
    calendar::{YearMonth, local},
    figures::{created_by, share_tenths},
    monthly::{Month, Outcome},
    stage::{Colour, Stage, palette},
    words::{Way, about, change, duration, grouped, percent, rate_change, way, within},
};
use chrono::Datelike;

/// How many leads won, and how many lost, are printed.
const MOST_ROWS: usize = 500;
const GAP: f32 = 12.0;

pub(super) fn draw(month: &Month, fonts: &Fonts) -> Canvas {
    let mut flow = Flow::new(fonts);
    flow.canvas.bookmark("Summary", 0.0);
    hero(&mut flow, month);
    cards(&mut flow, month);
    created(&mut flow, month);
    two(
        &mut flow,
        206.0,
        |it, fonts, place| by_status(it, fonts, place, month),
        |it, fonts, place| {
            by_source(it, fonts, place, month);
        },
    );
    two(
        &mut flow,
        190.0,
        |it, fonts, place| conversion(it, fonts, place, month),
        |it, fonts, place| {
            funnel(it, fonts, place, month);
        },
    );
    sources(&mut flow, month);
    outcomes(&mut flow, month, Stage::Converted, &month.won, month.won_total);
    outcomes(&mut flow, month, Stage::Lost, &month.lost, month.lost_total);
    feet(&mut flow, month);
    flow.canvas
}

/// The dark panel on top: whose month, and what stood out.
fn hero(flow: &mut Flow<'_>, month: &Month) {
    let fonts = flow.fonts;
    let it = &mut flow.canvas;
    let (x, y, w, h) = (MARGIN, flow.y, WIDTH, 146.0);
    let panel = || rect(x, y, w, h, 18.0);
    let centre = (x + w - 76.0, y + 66.0);
    it.decoration(|it| {
        let ink =
            Ink::Gradient([(x, y), (x + w, y + h)], [(palette::HERO_FROM, 1.0), (palette::HERO_TO, 1.0)]);
        it.fill(panel(), ink);
        it.clipped(panel(), |it| {
            for i in 1..=9u8 {
                let pen = Pen::new(palette::CITRON, 0.5).faint(0.07);
                it.stroke(circle(centre.0, centre.1, 34.0 + 19.0 * f32::from(i)), pen);
            }
        });
        logo(it, x + 20.0, y + 18.0, 15.0);
    });
    let left = x + 20.0;
    let room = w - 20.0 - 152.0 - 12.0;
    let name = fonts.fit(&month.workspace, Weight::Bold, 9.5, room - 24.0);
    it.part(Role::Paragraph, |it| it.text(left + 22.0, y + 29.0, name, 9.5, palette::HERO_INK));
    let title = fonts.line(&month.month.title(), Weight::Bold);
    it.part(Role::Heading(1, month.month.title()), |it| {
        it.text(left, y + 66.0, title, 25.0, palette::SURFACE);
    });
    let (first, last) = (month.month.first_day(), month.month.last_day());
    let title = month.month.title();
    let span = match month.days_begun() {
        0 => format!("Monthly summary · {title} has not begun"),
        begun if month.is_unfinished() => format!("Monthly summary so far · {}–{begun} {title}", first.day()),
        _ => format!("Monthly summary · {}–{} {title}", first.day(), last.day()),
    };
    let span = fonts.fit(&span, Weight::Regular, 8.5, room);
    it.part(Role::Paragraph, |it| it.text(left, y + 82.0, span, 8.5, palette::HERO_INK_2));
    let story = fonts.wrap(&month.story(), Weight::Regular, 9.5, room, 3);
    it.part(Role::Paragraph, |it| {
        for (i, line) in story.into_iter().enumerate() {
            it.text(left, y + 102.0 + 13.5 * i as f32, line, 9.5, palette::HERO_INK);
        }
    });
    let rate = month.figures.rate_tenths;
    let words = match rate {
        Some(rate) => format!("Conversion rate: {}", percent(rate)),
        None => "No conversion rate: nothing was created".to_owned(),
    };
    it.part(Role::Figure(words), |it| {
        gauge(it, centre, 40.0, rate.unwrap_or(0) as f32 / 1000.0, palette::CITRON, palette::SURFACE);
        let text = rate.map_or("–".to_owned(), percent);
        let (size, line) = fonts.largest(&text, Weight::Bold, &[16.0, 13.0, 10.0, 8.0, 6.0], 60.0);
        it.text_centred(centre.0, centre.1 + size * 0.36, line, size, palette::SURFACE);
        let line = fonts.line("conversion rate", Weight::Regular);
        it.text_centred(centre.0, centre.1 + 61.0, line, 8.0, palette::HERO_INK_2);
    });
    flow.y += h + GAP;
}

/// The program's mark.
fn logo(it: &mut Canvas, x: f32, y: f32, size: f32) {
    let s = size / 32.0;
    let at = |px: f32, py: f32| (x + px * s, y + py * s);
    it.fill(rect(x, y, size, size, 9.0 * s), Ink::Plain(palette::SURFACE, 0.12));
    let stem = [at(9.5, 7.5), at(9.5, 20.0), at(10.6, 22.4), at(13.0, 23.5), at(17.7, 23.5)];
    it.stroke(polyline(&stem), Pen::new(palette::CITRON, 3.2 * s));
    let second = [at(15.5, 8.0), at(15.5, 15.6), at(16.4, 17.0), at(17.8, 17.5), at(19.2, 17.5)];
    it.stroke(polyline(&second), Pen::new(palette::SURFACE, 3.2 * s).faint(0.72));
    let (px, py) = at(23.2, 23.5);
    it.fill(circle(px, py, 2.5 * s), palette::CITRON);
}

/// A figure with its change.
struct Card {
    name: &'static str,
    stage: Option<Stage>,
    figure: String,
    words: String,
    way: Way,
    more_is_good: bool,
}

/// The six figures with their changes.
fn cards(flow: &mut Flow<'_>, month: &Month) {
    let (now, then) = (month.figures, month.previous);
    let before = month.month.previous();
    let than =
        if month.is_unfinished() { format!("all of {}", before.name()) } else { before.name().to_owned() };
    let count = |name, stage, now, then| Card {
        name,
        stage: Some(stage),
        figure: grouped(now),
        words: change(now, then, &than),
        way: way(now, then),
        more_is_good: stage != Stage::Lost,
    };
    let rates = now.rate_tenths.zip(then.rate_tenths);
    let all = [
        count("Created", Stage::New, now.created, then.created),
        count("Contacted", Stage::Contacted, now.contacted, then.contacted),
        count("Qualified", Stage::Qualified, now.qualified, then.qualified),
        count("Converted", Stage::Converted, now.converted, then.converted),
        count("Lost", Stage::Lost, now.lost, then.lost),
        Card {
            name: "Conversion rate",
            stage: None,
            figure: now.rate_tenths.map_or("–".to_owned(), percent),
            words: rate_change(now.rate_tenths, then.rate_tenths, before.name()),
            way: rates.map_or(Way::Same, |(now, then)| way(now, then)),
            more_is_good: true,
        },
    ];
    let (w, h, gap) = ((WIDTH - 2.0 * 10.0) / 3.0, 72.0, 10.0);
    let fonts = flow.fonts;
    for (i, Card { name, stage, figure, words, way, more_is_good }) in all.into_iter().enumerate() {
        let x = MARGIN + (w + gap) * (i % 3) as f32;
        let y = flow.y + (h + gap) * (i / 3) as f32;
        flow.canvas.card(x, y, w, h);
        let mut label = x + 13.0;
        if let Some(stage) = stage {
            flow.canvas.decoration(|it| glyph(it, stage, label + 4.2, y + 15.6, 4.4));
            label += 13.0;
        }
        let ink = match (way, more_is_good) {
            (Way::Same, _) => palette::INK_3,
            (Way::Up, true) | (Way::Down, false) => palette::GOOD,
            (Way::Up, false) | (Way::Down, true) => palette::BAD,
        };
        let lines = fonts.wrap(&words, Weight::Regular, 7.6, w - 36.0, 2);
        let two = lines.len() > 1;
        let (size, line) = fonts.largest(&figure, Weight::Bold, &[22.0, 18.0, 15.0, 12.0, 10.0], w - 26.0);
        flow.canvas.decoration(|it| arrow(it, way, x + 13.0, y + if two { 57.0 } else { 60.0 }, ink));
        flow.canvas.part(Role::Paragraph, |it| {
            it.text(label, y + 18.6, fonts.line(name, Weight::Regular), 8.5, palette::INK_2);
            it.text(x + 13.0, y + if two { 42.5 } else { 44.0 }, line, size, palette::INK);
            for (i, line) in lines.into_iter().enumerate() {
                let y = y + if two { 56.6 } else { 60.2 } + 9.2 * i as f32;
                it.text(x + 23.0, y, line, 7.6, palette::INK_2);
            }
        });
    }
    flow.y += 2.0 * h + gap + GAP;
}

/// The title of a card with a chart, and a quieter line under it.
fn title(it: &mut Canvas, fonts: &Fonts, place: Place, name: &str, note: &str) {
    let line = fonts.fit(name, Weight::Bold, 11.0, place.w - 28.0);
    it.part(Role::Heading(2, name.to_owned()), |it| {
        it.text(place.x + 14.0, place.y + 21.0, line, 11.0, palette::INK);
    });
    let line = fonts.fit(note, Weight::Regular, 8.0, place.w - 28.0);
    it.part(Role::Paragraph, |it| it.text(place.x + 14.0, place.y + 33.0, line, 8.0, palette::INK_3));
}

fn created(flow: &mut Flow<'_>, month: &Month) {
    let place = Place { x: MARGIN, y: flow.y, w: WIDTH, h: 216.0 };
    let (fonts, it) = (flow.fonts, &mut flow.canvas);
    it.card(place.x, place.y, place.w, place.h);
    let before = month.month.previous().name();
    let now = month.month.name();
    let note = format!(
        "{} in {now}, {} in {before}",
        grouped(month.figures.created),
        grouped(month.previous.created)
    );
    title(it, fonts, place, "Leads created per day", &note);
    let begun = month.days_begun();
    let counts = &month.created_per_day[..month.created_per_day.len().min(begun)];
    let first = month.month.first_day();
    let busiest = month.busiest_day().filter(|(_, count)| *count > 1).map(|(day, count)| {
        let place = (day - first).num_days() as usize;
        (place, format!("{} on {} {}", grouped(count), &crate::calendar::weekday(day)[..3], day.day()))
    });
    let words = match &busiest {
        Some((_, busiest)) => format!("Line chart. {note}. Most: {busiest}."),
        None => format!("Line chart. {note}."),
    };
    it.part(Role::Figure(words), |it| {
        // The legend, from the right.
        let (a, b) = (fonts.line(now, Weight::Regular), fonts.line(before, Weight::Regular));
        let y = place.y + 20.0;
        let mut x = place.right() - 14.0 - b.width * 8.0;
        it.text(x, y, b, 8.0, palette::INK_2);
        it.line(
            (x - 20.0, y - 2.8),
            (x - 5.0, y - 2.8),
            Pen::new(palette::LINE_STRONG, 0.9).dashed(3.0, 2.4),
        );
        x -= 34.0 + a.width * 8.0;
        it.text(x, y, a, 8.0, palette::INK_2);
        it.line((x - 20.0, y - 2.8), (x - 5.0, y - 2.8), Pen::new(palette::BRAND, 1.7));
        let plot = Place { x: place.x + 14.0, y: place.y + 42.0, w: place.w - 28.0, h: place.h - 50.0 };
        let data = Days {
            counts,
            before: &month.created_per_day_before,
            days: month.month.days() as usize,
            month: month.month.short(),
            busiest,
            unfinished: month.is_unfinished(),
        };
        days(it, fonts, plot, &data);
    });
    flow.y += place.h + GAP;
}

/// Two cards side by side.
fn two(
    flow: &mut Flow<'_>,
    height: f32,
    left: impl FnOnce(&mut Canvas, &Fonts, Place),
    right: impl FnOnce(&mut Canvas, &Fonts, Place),
) {
    flow.ensure(height);
    let w = (WIDTH - 10.0) / 2.0;
    let place = Place { x: MARGIN, y: flow.y, w, h: height };
    flow.canvas.card(place.x, place.y, place.w, place.h);
    left(&mut flow.canvas, flow.fonts, place);
    let place = Place { x: MARGIN + w + 10.0, ..place };
    flow.canvas.card(place.x, place.y, place.w, place.h);
    right(&mut flow.canvas, flow.fonts, place);
    flow.y += height + GAP;
}

fn by_status(it: &mut Canvas, fonts: &Fonts, place: Place, month: &Month) {
    title(it, fonts, place, "Leads by status", &format!("Of those created in {}, now", month.month.name()));
    let counts: Vec<_> = month.by_status.iter().map(|item| (item.stage, item.count)).collect();
    let all = counts.iter().fold(0u64, |sum, (_, count)| sum.saturating_add(*count));
    let spoken: Vec<String> =
        counts.iter().map(|(stage, count)| format!("{} {}", stage.name(), grouped(*count))).collect();
    it.part(Role::Figure(format!("Ring chart. {}.", spoken.join(", "))), |it| {
        let centre = (place.x + 62.0, place.y + 43.0 + (place.h - 56.0) / 2.0);
        donut(it, fonts, centre, 48.0, &counts);
        let (left, right) = (place.x + 122.0, place.right() - 14.0);
        let top = centre.1 - 10.0 * counts.len() as f32;
        for (i, (stage, count)) in counts.iter().enumerate() {
            let y = top + 20.0 * i as f32 + 12.5;
            glyph(it, *stage, left + 4.5, y - 2.9, 4.4);
            it.text(left + 14.0, y, fonts.line(stage.name(), Weight::Regular), 8.5, palette::INK_2);
            let share = share_tenths(*count, all).map_or(String::new(), about);
            it.text_right(right, y, fonts.line(&share, Weight::Regular), 7.5, palette::INK_3);
            it.text_right(right - 27.0, y, fonts.line(&within(*count, 6), Weight::Bold), 8.5, palette::INK);
        }
    });
}

fn by_source(it: &mut Canvas, fonts: &Fonts, place: Place, month: &Month) {
    title(it, fonts, place, "Leads by source", "The dark part is Converted now");
    let most = month.by_source.iter().map(|item| item.created).max().unwrap_or(0).max(1);
    let say = |item: &crate::SourceCount| {
        format!("{} {}, {} converted", item.source, grouped(item.created), grouped(item.converted))
    };
    let spoken: Vec<String> = month.by_source.iter().map(say).collect();
    it.part(Role::Figure(format!("Bar chart. {}.", spoken.join("; "))), |it| {
        let shown = month.by_source.iter().take(6);
        let step = ((place.h - 54.0) / shown.len().max(1) as f32).min(36.0);
        for (i, item) in shown.enumerate() {
            let y = place.y + 52.0 + step * i as f32;
            let (left, right) = (place.x + 14.0, place.right() - 14.0);
            it.text(left, y, fonts.fit(&item.source, Weight::Regular, 8.5, 90.0), 8.5, palette::INK_2);
            let won = share_tenths(item.converted, item.created).map(|won| format!("{} won", about(won)));
            let won = fonts.line(&won.unwrap_or_default(), Weight::Regular);
            it.text_right(right, y, won, 7.5, palette::INK_3);
            let count = fonts.fit(&grouped(item.created), Weight::Bold, 8.5, 90.0);
            it.text_right(right - 48.0, y, count, 8.5, palette::INK);
            let share = |count: u64| (count as f64 / most as f64) as f32;
            let at = Place { x: left, y: y + 5.0, w: right - left, h: 7.0 };
            bar(
                it,
                at,
                share(item.created),
                share(item.converted),
                Stage::Converted.colour(),
                palette::BRAND_PALE,
            );
        }
    });
}

fn conversion(it: &mut Canvas, fonts: &Fonts, place: Place, month: &Month) {
    title(it, fonts, place, "Conversion rate", "Leads converted per lead created, by month");
    let months: Vec<_> = month.conversion.iter().map(|item| (item.month.short(), item.rate_tenths)).collect();
    let spoken: Vec<String> = months
        .iter()
        .map(|(name, rate)| format!("{name} {}", rate.map_or("none".to_owned(), percent)))
        .collect();
    it.part(Role::Figure(format!("Line chart. {}.", spoken.join(", "))), |it| {
        let plot = Place { x: place.x + 14.0, y: place.y + 44.0, w: place.w - 28.0, h: place.h - 52.0 };
        rates(it, fonts, plot, &months);
    });
}

fn funnel(it: &mut Canvas, fonts: &Fonts, place: Place, month: &Month) {
    title(it, fonts, place, "How far leads got", &format!("Of those created in {}", month.month.name()));
    let most = month.funnel.iter().map(|step| step.reached).max().unwrap_or(0).max(1);
    let spoken: Vec<String> =
        month.funnel.iter().map(|step| format!("{} {}", step.stage.name(), grouped(step.reached))).collect();
    it.part(Role::Figure(format!("Funnel. {}.", spoken.join(", "))), |it| {
        let step_height = (place.h - 52.0) / month.funnel.len().max(1) as f32;
        for (i, step) in month.funnel.iter().enumerate() {
            let y = place.y + 54.0 + step_height * i as f32;
            let (left, right) = (place.x + 14.0, place.right() - 14.0);
            glyph(it, step.stage, left + 4.5, y - 2.9, 4.4);
            it.text(left + 14.0, y, fonts.line(step.stage.name(), Weight::Regular), 8.5, palette::INK_2);
            let mut words = Vec::new();
            if i > 0
                && let Some(rate) = step.step_rate_tenths
            {
                words.push(format!("{} went on", about(rate)));
            }
            if i > 0
                && let Some(median) = step.median_tenths_of_hours
            {
                words.push(format!("median {}", duration(median)));
            }
            let count = fonts.line(&within(step.reached, 9), Weight::Bold);
            let wide = count.width * 8.5;
            it.text_right(right, y, count, 8.5, palette::INK);
            let line = fonts.fit(&words.join(" · "), Weight::Regular, 7.5, right - left - 78.0 - wide);
            it.text_right(right - wide - 8.0, y, line, 7.5, palette::INK_3);
            let share = (step.reached as f64 / most as f64) as f32;
            let at = Place { x: left, y: y + 5.5, w: right - left, h: 9.0 };
            bar(it, at, share, 0.0, step.stage.colour(), step.stage.colour());
        }
    });
}

fn sources(flow: &mut Flow<'_>, month: &Month) {
    let known = !month.by_source_before.is_empty();
    let before = month.month.previous().name();
    let of = |count: u64, all: u64| share_tenths(count, all).map_or("–".to_owned(), percent);
    let sum =
        |of: fn(&crate::SourceCount) -> u64| month.by_source.iter().map(of).fold(0u64, u64::saturating_add);
    let (all, won) = (sum(|item| item.created), sum(|item| item.converted));
    let before_all = month.by_source_before.iter().fold(0u64, |sum, item| sum.saturating_add(item.created));
    let row = |name: &str, created: u64, converted: u64, then: u64, bold: bool| {
        let mut cells = vec![name.to_owned(), within(created, 11), of(created, all)];
        if known {
            cells.push(within(then, 11));
            let words = crate::words::relative(created, then);
            cells.push(if created == then { "same".to_owned() } else { words.unwrap_or("–".to_owned()) });
        }
        cells.extend([within(converted, 11), of(converted, created)]);
        Row { cells, bold }
    };
    let mut rows: Vec<Row> = month
        .by_source
        .iter()
        .map(|item| {
            let then = created_by(&month.by_source_before, &item.source);
            row(&item.source, item.created, item.converted, then, false)
        })
        .collect();
    rows.push(row("All sources", all, won, before_all, true));
    let columns = if known {
        vec![
            Column::left("Source", ROOM - 6.0 * 66.0, 1),
            Column::number("Leads", 66.0),
            Column::number("Share", 66.0),
            Column::number(before, 66.0),
            Column::number("Change", 66.0),
            Column::number("Converted", 66.0),
            Column::number("Converted share", 66.0),
        ]
    } else {
        vec![
            Column::left("Source", ROOM - 4.0 * 88.0, 1),
            Column::number("Leads", 88.0),
            Column::number("Share", 88.0),
            Column::number("Converted", 88.0),
            Column::number("Converted share", 88.0),
        ]
    };
    let note = if known { format!("Beside {before}") } else { String::new() };
    flow.table(&Heading { title: "Sources' performance", note: &note, stage: None }, &columns, &rows, None);
}

fn outcomes(flow: &mut Flow<'_>, month: &Month, stage: Stage, items: &[Outcome], total: u64) {
    let won = stage == Stage::Converted;
    let (title, word) = if won { ("Leads won", "won") } else { ("Leads lost", "lost") };
    let columns = [
        Column::left("Name", 116.0, 2),
        Column::left("Company", 108.0, 2),
        Column::left("Source", 52.0, 1),
        Column::left("Owner", 80.0, 2),
        Column::left("Date", 42.0, 1),
        Column::left("Reason", ROOM - 398.0, 2),
    ];
    let or_dash = |text: &str| if text.trim().is_empty() { "–".to_owned() } else { text.to_owned() };
    let row = |item: &Outcome| {
        let date = local(item.at, month.zone)
            .map(|at| format!("{} {}", at.day(), YearMonth::short_of(at.month())))
            .unwrap_or_default();
        let cells = vec![
            or_dash(&item.name),
            or_dash(&item.company),
            or_dash(&item.source),
            or_dash(&item.owner),
            date,
            or_dash(&item.reason),
        ];
        Row { cells, bold: false }
    };
    let rows: Vec<Row> = items.iter().take(MOST_ROWS).map(row).collect();
    let more = total.saturating_sub(rows.len() as u64);
    let foot = if rows.is_empty() && total == 0 {
        Some(format!("No lead was {word} in {}.", month.month.name()))
    } else if more > 0 {
        Some(format!("and {} more: export them as CSV", grouped(more)))
    } else {
        None
    };
    let note = if total == 0 {
        String::new()
    } else {
        format!("{} in {}", grouped(total.max(rows.len() as u64)), month.month.name())
    };
    let heading = Heading { title, note: &note, stage: Some(stage) };
    flow.table(&heading, &columns, &rows, foot.as_deref());
}

/// The foot of every page.
fn feet(flow: &mut Flow<'_>, month: &Month) {
    let count = flow.canvas.pages.len();
    let fonts = flow.fonts;
    let y = PAGE.1 - 24.0;
    let ink: Colour = palette::INK_3;
    for i in 0..count {
        let right = fonts.line(&format!("Page {} of {count}", i + 1), Weight::Regular);
        let made = fonts.line(&month.made(), Weight::Regular);
        let room = WIDTH - made.width * 7.5 - right.width * 7.5 - 40.0;
        let title = format!("{} · {}", month.workspace, month.month.title());
        let left = fonts.fit(&title, Weight::Bold, 7.5, room);
        flow.canvas.on_page(i, |it| {
            let middle = MARGIN + left.width * 7.5 + 14.0;
            it.text(MARGIN, y, left, 7.5, ink);
            it.text(middle, y, made, 7.5, ink);
            it.text_right(MARGIN + WIDTH, y, right, 7.5, ink);
        });
    }
}
