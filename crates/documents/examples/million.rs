//! Writes 1,000,000 leads as CSV and as XLSX and says how long it took and how much memory at most:
//! `cargo run --release -p leadline-documents --example million -- FOLDER [csv|xlsx] [ROWS]`.
#![allow(clippy::print_stdout, reason = "it is there to say something")]

use std::{env, fs::File, io::BufWriter, path::PathBuf, time::Instant};

use anyhow::Context;
use chrono_tz::Europe::Berlin;
use leadline_documents::{Lead, LeadsCsv, LeadsXlsx};

fn main() -> anyhow::Result<()> {
    let mut args = env::args().skip(1);
    let folder = PathBuf::from(args.next().context("which folder?")?);
    let only = args.next();
    let rows: i64 = args.next().map_or(Ok(1_000_000), |rows| rows.parse())?;
    let wanted = |form: &str| only.as_deref().is_none_or(|only| only == form);
    if wanted("csv") {
        let (path, started) = (folder.join("million.csv"), Instant::now());
        let mut csv = LeadsCsv::new(BufWriter::new(File::create(&path)?), Berlin)?;
        each(rows, |lead| Ok(csv.row(lead)?))?;
        csv.finish()?;
        say("csv", rows, started, &path)?;
    }
    if wanted("xlsx") {
        let (path, started) = (folder.join("million.xlsx"), Instant::now());
        let mut xlsx = LeadsXlsx::new(Berlin, 1_793_520_300_000, Some(&folder))?;
        each(rows, |lead| Ok(xlsx.row(lead)?))?;
        xlsx.finish(BufWriter::new(File::create(&path)?))?;
        say("xlsx", rows, started, &path)?;
    }
    Ok(())
}

fn each(rows: i64, mut write: impl FnMut(&Lead<'_>) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let tags = ["vip".to_owned(), "autumn campaign".to_owned()];
    for i in 0..rows {
        let (id, name) = (format!("019a0000-0000-7000-8000-{i:012}"), format!("Ann Example {i}"));
        let (email, phone) = (format!("ann{i}@example.test"), format!("+44 20 7946 {:04}", i % 10_000));
        write(&Lead {
            id: &id,
            name: &name,
            email: &email,
            phone: &phone,
            company: "Example and Sons",
            source: "Website",
            status: "Contacted",
            tags: &tags,
            owner: "Amara Obi",
            created_at: 1_700_000_000_000 + i * 60_000,
            updated_at: 1_700_000_000_000 + i * 61_000,
            status_changed_at: 1_700_000_000_000 + i * 61_000,
            next_follow_up: (i % 3 == 0).then_some(1_800_000_000_000),
            notes: "Asked for a quote, =and a demo.",
        })?;
    }
    Ok(())
}

fn say(form: &str, rows: i64, started: Instant, path: &std::path::Path) -> anyhow::Result<()> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("VmHWM: unknown");
    let size = path.metadata()?.len() / 1_000_000;
    println!("{form}: {rows} rows, {:.1} s, {size} MB, {peak}", started.elapsed().as_secs_f32());
    Ok(())
}
