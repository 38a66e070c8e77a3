//! The figures, counted anew from the leads.

use std::collections::BTreeMap;

use anyhow::Result;
use chrono::{DateTime, Datelike, Days, NaiveDate, Utc};
use serde_json::{Value, json};

use crate::{
    client::Client,
    recount::{Faults, Ledger, time},
    replay::Replayed,
    text,
    traffic::STAGES,
};

/// The sources, in the contract's order.
const SOURCES: [&str; 4] = ["Website", "Referral", "Ad", "Other"];

/// Compares what `/analytics` says of a workspace in UTC with a recount of its leads.
///
/// # Errors
/// If a figure can't be had.
pub async fn compare(
    person: &Client,
    ledger: &Ledger,
    replayed: &BTreeMap<String, Replayed>,
    faults: &mut Faults,
) -> Result<()> {
    let get =
        async |path: &str| anyhow::Ok(person.get(&format!("/analytics/{path}")).await?.expect(200)?.body);
    let summary = get("summary?tz=UTC").await?;
    // By the program's own clock, which a test may have set back: the newest event is of tomorrow then, and so is the header.
    let today: NaiveDate = text(&get("report?period=day&tz=UTC").await?, "start").parse()?;
    let live: Vec<(&String, &Value)> = ledger.live().collect();
    let count = |is: &dyn Fn(&Value) -> bool| live.iter().filter(|(_, lead)| is(lead)).count();
    let stands = |stage: &'static str, since: &dyn Fn(NaiveDate) -> bool| {
        count(&|lead| lead["status"] == stage && since(day(&lead["statusChangedAt"])))
    };
    let month = |day: NaiveDate| (day.year(), day.month());

    faults.same("totalLeads", &summary["totalLeads"], &live.len().into());
    faults.same("newToday", &summary["newToday"], &count(&|lead| day(&lead["createdAt"]) == today).into());
    let won = stands("Converted", &|day| day.iso_week() == today.iso_week());
    faults.same("convertedThisWeek", &summary["convertedThisWeek"], &won.into());
    let lost = stands("Lost", &|day| month(day) == month(today));
    faults.same("lostThisMonth", &summary["lostThisMonth"], &lost.into());

    let by_status: Vec<Value> = STAGES
        .iter()
        .map(|stage| json!({ "status": stage, "count": count(&|lead| lead["status"] == *stage) }))
        .collect();
    faults.same("by-status", &get("by-status?tz=UTC").await?["items"], &by_status.into());
    let by_source: Vec<Value> = SOURCES
        .iter()
        .map(|source| {
            let of = |lead: &Value| lead["source"] == *source;
            let converted = count(&|lead| of(lead) && lead["status"] == "Converted");
            json!({ "source": source, "count": count(&of), "converted": converted })
        })
        .collect();
    faults.same("by-source", &get("by-source?tz=UTC").await?["items"], &by_source.into());

    let yesterday = today - Days::new(1);
    let created: Vec<Value> = [yesterday, today]
        .iter()
        .map(|on| {
            let of = |source: &str| count(&|lead| day(&lead["createdAt"]) == *on && lead["source"] == source);
            let by_source: serde_json::Map<String, Value> =
                SOURCES.iter().map(|source| ((*source).to_owned(), of(source).into())).collect();
            json!({ "start": on.to_string(), "count": count(&|lead| day(&lead["createdAt"]) == *on), "bySource": by_source })
        })
        .collect();
    let asked = format!("created?interval=day&from={yesterday}&to={today}&tz=UTC");
    faults.same("created", &get(&asked).await?["items"], &created.into());

    let conversion = get("conversion?months=1&tz=UTC").await?;
    let shown = &conversion["items"][0];
    let made = count(&|lead| month(day(&lead["createdAt"])) == month(today));
    let converted = stands("Converted", &|day| month(day) == month(today));
    let cohort =
        count(&|lead| lead["status"] == "Converted" && month(day(&lead["createdAt"])) == month(today));
    for (name, right) in [("created", made), ("converted", converted), ("cohortConverted", cohort)] {
        faults.same(format!("conversion: {name}"), &shown[name], &right.into());
    }

    let funnel = get("funnel?tz=UTC").await?;
    for (place, stage) in STAGES[..4].iter().enumerate() {
        let reached = live.iter().filter(|(id, _)| {
            replayed
                .get(*id)
                .is_some_and(|lead| STAGES[place..4].iter().any(|later| lead.stages.contains(*later)))
        });
        let item =
            funnel["items"].as_array().into_iter().flatten().find(|item| text(item, "status") == *stage);
        let shown = item.map(|item| item["reached"].clone()).unwrap_or_default();
        faults.same(format!("funnel: {stage}"), &shown, &reached.count().into());
    }
    Ok(())
}

/// The civil day in UTC of a time in an answer.
fn day(value: &Value) -> NaiveDate {
    time(value).and_then(DateTime::<Utc>::from_timestamp_millis).unwrap_or_default().date_naive()
}
