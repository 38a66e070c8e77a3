//! A file of an earlier version knows afterwards what imports have made and changed.

use leadline_runtime::{
    caller::{Origin, Scope},
    ids::{UserId, WorkspaceId},
    time::Millis,
};
use leadline_storage::{Sqlite, SqliteOptions, StorageError, rusqlite::params};

use super::{log, row, schema::MIGRATIONS};
use crate::{
    activity::{ImportId, LeadEvent, Snapshot, What},
    event,
    lead::{By, Imported, Lead, LeadId, NewLead},
    store::contract::named,
};

/// The version before leads knew of imports.
const BEFORE: usize = 8;

#[tokio::test]
async fn what_earlier_imports_did_is_read_out_of_the_log() -> anyhow::Result<()> {
    let folder = leadline_testbed::Folder::new()?;
    let path = folder.join("leads.db");
    let (workspace, anna) = (WorkspaceId::new(), UserId::new());
    let by = By { actor: Some(anna), at: Millis(-1), origin: Origin::default(), backdated: false };
    let lead = |name: &str| {
        let new = NewLead { id: LeadId::new(), fields: named(name), created_by: anna, note: None };
        Lead::create(new, &by).lead
    };
    let [made, changed, both, neither] = ["made", "changed", "both", "neither"].map(lead);
    let [first, second] = [ImportId::new(), ImportId::new()];
    // In the order in which it was done, and with which lead it is listed: a merge has moved the last.
    let told = [
        (&made, first, true, made.id),
        (&both, first, true, both.id),
        (&changed, first, false, changed.id),
        (&both, first, false, both.id),
        (&both, second, false, both.id),
        (&lead("gone"), second, true, neither.id),
    ];
    let entry = |(lead, import, created, listed): (&Lead, ImportId, bool, LeadId)| {
        let what = What::Imported { import, created };
        let activity = lead.entry(what, &by);
        let snapshot = Snapshot::of(lead);
        let event = LeadEvent { workspace, activity, snapshot, origin: Origin::default() };
        (event.activity.id, listed, event::encode(&event))
    };
    let told = told.map(entry);
    let leads = [made.clone(), changed.clone(), both.clone(), neither.clone()];
    let db = Sqlite::open(&path, &MIGRATIONS[..BEFORE], SqliteOptions::default())?;
    db.write(move |conn| -> Result<(), StorageError> {
        conn.execute("INSERT INTO workspaces (number, id) VALUES (1, ?1)", [workspace.uuid().as_bytes()])?;
        for lead in &leads {
            conn.execute(
                "INSERT INTO leads (workspace, id, version, trashed, status, source, created_by, created_at, updated_at,
                    status_changed_at, last_activity_at, note_count, stages, name, tags, name_key, search, digits)
                 VALUES (1, ?1, 1, 0, 1, 4, ?2, 0, 0, 0, 0, 0, ?3, ?4, '', 'x', 'x', '')",
                params![
                    lead.id.uuid().as_bytes(),
                    anna.uuid().as_bytes(),
                    row::stages_bytes(&lead.stages),
                    lead.fields.name.as_str()
                ],
            )?;
        }
        for (id, lead, event) in &told {
            conn.execute(
                "INSERT INTO activity (id, workspace, lead, kind, written_at, event) VALUES (?1, 1, ?2, ?3, 0, ?4)",
                params![
                    id.uuid().as_bytes(),
                    lead.uuid().as_bytes(),
                    log::code(crate::activity::Kind::Imported),
                    event
                ],
            )?;
        }
        Ok(())
    })
    .await?;
    db.close().await;

    let db = Sqlite::open(&path, MIGRATIONS, SqliteOptions::default())?;
    let scope = Scope::of_own_row(workspace);
    for (lead, made_by, changed_by) in [
        (made.id, Some(first), None),
        (changed.id, None, Some(first)),
        (both.id, Some(first), Some(second)),
        (neither.id, None, None),
    ] {
        let found = db.read(move |conn| row::find(conn, scope, lead)).await?.expect("the lead is there").1;
        assert_eq!(found.imported, Imported { made_by, changed_by }, "{:?}", found.fields.name);
    }
    db.close().await;
    Ok(())
}
