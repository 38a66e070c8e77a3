//! The month's summary as PDF.

mod canvas;
mod chart;
mod flow;
mod month;
mod text;

use krilla::{
    Document, SerializeSettings,
    color::rgb,
    destination::XyzDestination,
    geom::Point,
    metadata::{DateTime, Metadata},
    num::NormalizedF32,
    outline::{Outline, OutlineNode},
    page::PageSettings,
    paint::{
        Fill, FillRule, LineCap, LineJoin, LinearGradient, Paint, SpreadMethod, Stop, Stroke, StrokeDash,
    },
    surface::Surface,
    tagging::{
        Artifact, ArtifactType, ContentTag, Node, SpanTag, TableHeaderScope, Tag, TagGroup, TagKind, TagTree,
    },
};

use crate::{Error, calendar::local, monthly::Month, stage::Colour};
use canvas::{Canvas, Ink, Op, PAGE, Pen, Role};
use chrono::{Datelike, Offset, Timelike};
use std::num::NonZeroU16;

pub(crate) fn month(month: &Month) -> Result<Vec<u8>, Error> {
    render(month, SerializeSettings::default())
}

fn render(month: &Month, settings: SerializeSettings) -> Result<Vec<u8>, Error> {
    let fonts = text::Fonts::load()?;
    let canvas = month::draw(month, &fonts);
    let mut document = Document::new_with(settings);
    let mut leaves = vec![Vec::new(); canvas.parts.len()];
    for page in &canvas.pages {
        let settings =
            PageSettings::from_wh(PAGE.0, PAGE.1).ok_or_else(|| Error::Pdf("no such page".into()))?;
        let mut sheet = document.start_page_with(settings);
        let mut surface = sheet.surface();
        let mut clips = 0;
        let mut items = page.items.iter().peekable();
        while let Some((part, _)) = items.peek() {
            let part = *part;
            let tag = match canvas.parts[part].role {
                Role::Decoration => ContentTag::Artifact(Artifact::with_kind(ArtifactType::Layout)),
                Role::Figure(_) => ContentTag::Other,
                _ => ContentTag::Span(SpanTag::empty()),
            };
            let leaf = surface.start_tagged(tag);
            while let Some((_, op)) = items.next_if(|(it, _)| *it == part) {
                draw(&mut surface, op, &mut clips);
            }
            surface.end_tagged();
            if part != 0 {
                leaves[part].push(leaf);
            }
        }
        surface.finish();
        sheet.finish();
    }
    document.set_tag_tree(tree(&canvas, &leaves));
    let mut outline = Outline::new();
    for bookmark in &canvas.bookmarks {
        let point = Point::from_xy(0.0, bookmark.y);
        outline
            .push_child(OutlineNode::new(bookmark.text.clone(), XyzDestination::new(bookmark.page, point)));
    }
    document.set_outline(outline);
    document.set_metadata(metadata(month));
    document.finish().map_err(|error| Error::Pdf(format!("{error:?}")))
}

fn metadata(month: &Month) -> Metadata {
    let title = format!("{}: {}", month.workspace, month.month.title());
    let metadata = Metadata::new()
        .title(title)
        .description(month.story())
        .creator("Leadline".into())
        .producer("Leadline".into())
        .language("en".into());
    match local(month.generated_at, month.zone) {
        Some(at) => {
            let offset = at.offset().fix().local_minus_utc() / 60;
            let date = DateTime::new(at.year() as u16)
                .month(at.month() as u8)
                .day(at.day() as u8)
                .hour(at.hour() as u8)
                .minute(at.minute() as u8)
                .second(at.second() as u8)
                .utc_offset_hour((offset / 60) as i8)
                .utc_offset_minute((offset % 60).unsigned_abs() as u8);
            metadata.creation_date(date)
        }
        None => metadata,
    }
}

/// What is read, in order: every part within its own.
fn tree(canvas: &Canvas, leaves: &[Vec<krilla::tagging::Identifier>]) -> TagTree {
    let mut groups: Vec<Option<TagGroup>> = canvas.parts.iter().map(|part| group(&part.role)).collect();
    for (group, leaves) in groups.iter_mut().zip(leaves) {
        if let Some(group) = group {
            leaves.iter().for_each(|leaf| group.push(*leaf));
        }
    }
    let mut tree = TagTree::new();
    let mut children: Vec<Vec<Node>> = canvas.parts.iter().map(|_| Vec::new()).collect();
    let mut top = Vec::new();
    // A part comes after the one that it is in: from the last to the first, each has its own parts when it is placed.
    for i in (1..groups.len()).rev() {
        let Some(mut group) = groups[i].take() else { continue };
        children[i].drain(..).rev().for_each(|child| group.push(child));
        match canvas.parts[i].within {
            Some(within) => children[within].push(group.into()),
            None => top.push(Node::from(group)),
        }
    }
    top.into_iter().rev().for_each(|node| tree.push(node));
    tree
}

fn group(role: &Role) -> Option<TagGroup> {
    let kind: TagKind = match role {
        Role::Decoration => return None,
        Role::Heading(level, text) => {
            Tag::Hn(NonZeroU16::new(*level).unwrap_or(NonZeroU16::MIN), Some(text.clone())).into()
        }
        Role::Paragraph => Tag::P.into(),
        Role::Figure(words) => Tag::Figure(Some(words.clone())).into(),
        Role::Table => Tag::Table.into(),
        Role::Row => Tag::TR.into(),
        Role::ColumnHeader => Tag::TH(TableHeaderScope::Column).into(),
        Role::Cell => Tag::TD.into(),
    };
    Some(TagGroup::new(kind))
}

fn draw(surface: &mut Surface<'_>, op: &Op, clips: &mut u32) {
    match op {
        Op::Fill(path, ink) => {
            surface.set_stroke(None);
            surface.set_fill(Some(fill(ink)));
            surface.draw_path(path);
        }
        Op::Stroke(path, pen) => {
            surface.set_fill(None);
            surface.set_stroke(Some(stroke(pen)));
            surface.draw_path(path);
        }
        Op::Text { x, y, size, colour, line } => {
            surface.set_stroke(None);
            surface.set_fill(Some(fill(&Ink::from(*colour))));
            let mut x = *x;
            for run in &line.runs {
                surface.draw_glyphs(
                    Point::from_xy(x, *y),
                    &run.glyphs,
                    run.font.clone(),
                    &run.text,
                    *size,
                    false,
                );
                x += run.width * size;
            }
        }
        Op::Clip(path) => {
            surface.push_clip_path(path, &FillRule::NonZero);
            *clips += 1;
        }
        Op::Unclip if *clips > 0 => {
            surface.pop();
            *clips -= 1;
        }
        Op::Unclip => {}
    }
}

fn paint(colour: Colour) -> rgb::Color {
    rgb::Color::new(colour.0, colour.1, colour.2)
}

fn opacity(of: f32) -> NormalizedF32 {
    NormalizedF32::new(of.clamp(0.0, 1.0)).unwrap_or(NormalizedF32::ONE)
}

fn fill(ink: &Ink) -> Fill {
    let (paint, opacity): (Paint, _) = match ink {
        Ink::Plain(colour, of) => (paint(*colour).into(), opacity(*of)),
        Ink::Gradient([from, to], colours) => {
            let stop = |at: f32, (colour, of): (Colour, f32)| Stop {
                offset: opacity(at),
                color: paint(colour).into(),
                opacity: opacity(of),
            };
            let gradient = LinearGradient {
                x1: from.0,
                y1: from.1,
                x2: to.0,
                y2: to.1,
                transform: Default::default(),
                spread_method: SpreadMethod::Pad,
                stops: vec![stop(0.0, colours[0]), stop(1.0, colours[1])],
                anti_alias: false,
            };
            (gradient.into(), NormalizedF32::ONE)
        }
    };
    Fill { paint, opacity, rule: FillRule::NonZero }
}

fn stroke(pen: &Pen) -> Stroke {
    Stroke {
        paint: paint(pen.colour).into(),
        width: pen.width,
        line_cap: if pen.round { LineCap::Round } else { LineCap::Butt },
        line_join: LineJoin::Round,
        opacity: opacity(pen.opacity),
        dash: pen.dash.map(|(on, off)| StrokeDash { array: vec![on, off], offset: 0.0 }),
        ..Stroke::default()
    }
}

#[cfg(test)]
mod tests;
