//! Erased workspaces.

use leadline_bus::OutboxRow;
use leadline_runtime::{once::Once, stop::Stop};

use super::*;
use crate::{
    erasure,
    filter::{Filter, Query, Sort, SortBy, Totals},
    merge::MergeId,
    store::{Erasing, MergePart, NextFollowUp},
};

/// A key of somebody in a workspace, and whether its answer is known.
fn key(team: &Team) -> Once {
    Once {
        id: format!("{}x", Once::of_person(team.scope.workspace(), team.anna).start),
        fingerprint: "f".into(),
    }
}

/// Leads with all that hangs on them: notes, tags, trash, merges, an answer.
async fn fill(team: &Team) -> anyhow::Result<Lead> {
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(team.make_with(full(team.anna), Some("a note"), &team.by()).await?);
    }
    team.change(made[0].id, Command::Trash).await?;
    let (id, condition) = (MergeId::new(), Precondition::None);
    let part = MergePart { into: made[1].id, id, from: vec![made[2].id], condition, by: team.by() };
    fresh(team.store.merge(team.scope, part, None).await?);
    let once = Keyed { once: key(team), answer: Arc::new(|_: &Written| b"an answer".to_vec()) };
    let new = NewLead { id: LeadId::new(), fields: named("Keyed"), created_by: team.anna, note: None };
    fresh(team.store.create(team.scope, new, team.by(), Some(once)).await?);
    Ok(made[3].clone())
}

async fn publish(team: &Team) -> anyhow::Result<()> {
    let outbox = team.store.outbox();
    let rows: Vec<OutboxRow> =
        outbox.pending(None, 1000).await.unwrap().into_iter().map(|pending| pending.row).collect();
    outbox.mark_published(&rows).await.unwrap();
    Ok(())
}

async fn counts(team: &Team) -> anyhow::Result<[usize; 3]> {
    let sort = Sort { by: SortBy::Name, descending: false };
    let query = Query { filter: Filter::default(), sort, after: None, limit: 50, totals: Totals::Counted };
    let walked = team.store.walk(team.scope, None, 100).await?.len();
    let live = team.store.leads(team.scope, query).await?.items.len();
    Ok([walked, live, team.log(None).await?.len()])
}

pub(super) async fn all_rows_of_an_erased_workspace_go_and_no_others(team: Team) -> anyhow::Result<()> {
    let (store, others, stop) = (team.store.clone(), team.others(), Stop::new());
    let lead = fill(&team).await?;
    fill(&others).await?;
    let before = counts(&others).await?;
    assert!(before.iter().all(|count| *count > 0));
    let now = Millis::now();
    store.mark_erased(team.scope, now).await?;
    store.mark_erased(team.scope, Millis(now.0 + 5)).await?;
    assert_eq!(store.to_erase().await?, [(team.scope, now)]);

    // What waits to be published stays until it is.
    let left = loop {
        match store.erase_some(team.scope, 2).await? {
            Erasing::More => {}
            left => break left,
        }
    };
    assert_eq!(left, Erasing::Waiting);
    assert!(store.walk(team.scope, None, 10).await?.is_empty());
    publish(&team).await?;
    erasure::once(&store, now, &stop).await?;
    assert_eq!(store.erase_some(team.scope, 2).await?, Erasing::Gone);
    assert_eq!(counts(&team).await?, [0, 0, 0]);
    assert_eq!(store.lead(team.scope, lead.id).await?, None);
    assert_eq!(store.answered(&key(&team), now).await?, None);
    assert_eq!(counts(&others).await?, before);
    assert_eq!(store.answered(&key(&others), now).await?.as_deref(), Some(&b"an answer"[..]));
    let noted = store.walk(others.scope, None, 9).await?.remove(0).id;
    assert!(!store.notes(others.scope, noted, None, 9).await?.unwrap().items.is_empty());
    Ok(())
}

pub(super) async fn what_comes_late_into_an_erased_workspace_goes_too(team: Team) -> anyhow::Result<()> {
    let (store, stop) = (team.store.clone(), Stop::new());
    let lead = fill(&team).await?;
    publish(&team).await?;
    let now = Millis::now();
    store.mark_erased(team.scope, now).await?;
    erasure::once(&store, now, &stop).await?;
    // News of a reminder.
    let told = NextFollowUp { scope: team.scope, lead: lead.id, at: Some(now), revision: 9 };
    store.set_follow_ups(vec![told]).await?;
    assert_eq!(counts(&team).await?, [0, 0, 0]);
    // A request that was admitted before the tokens were void.
    fill(&team).await?;
    publish(&team).await?;
    erasure::once(&store, now, &stop).await?;
    assert_eq!(counts(&team).await?, [0, 0, 0]);
    // Rows are looked for as long as tokens live, and then no more.
    assert_eq!(store.to_erase().await?.len(), 1);
    erasure::once(&store, now.after(leadline_runtime::revoked::KEPT), &stop).await?;
    assert_eq!(store.to_erase().await?, []);
    // The event comes again.
    store.mark_erased(team.scope, now).await?;
    assert_eq!(store.to_erase().await?, []);
    Ok(())
}
