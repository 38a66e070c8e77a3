//! The collections of a database of leads.

use std::collections::BTreeMap;

use futures::TryStreamExt;
use leadline_proto::leads::{Activity, activity::What};
use leadline_storage::{
    MongoMigration, StorageError,
    bson::{Document, doc},
    mongo::{ensure_collection, ensure_index, index, replace_index, unique_index},
    mongodb::{Database, IndexModel, options::IndexOptions},
};

use super::document::{self, Hand, import_mark};
use crate::{activity::ImportId, event, stage::Status};

pub(super) const MIGRATIONS: &[MongoMigration] = &[
    MongoMigration { name: "0001 leads, notes, log", run: |db| Box::pin(first(db)) },
    MongoMigration { name: "0002 keys of likely duplicates", run: |db| Box::pin(second(db)) },
    MongoMigration { name: "0003 imports", run: |db| Box::pin(imports(db)) },
    MongoMigration { name: "0004 merges", run: |db| Box::pin(merges(db)) },
    MongoMigration { name: "0005 stages ever reached", run: |db| Box::pin(reached(db)) },
    MongoMigration { name: "0006 the log counted by keys alone", run: |db| Box::pin(counted(db)) },
    MongoMigration { name: "0007 erased workspaces", run: |db| Box::pin(erased(db)) },
    MongoMigration { name: "0008 what stays of an erased lead", run: |db| Box::pin(forgotten(db)) },
    MongoMigration { name: "0009 when stages were entered last", run: |db| Box::pin(entered(db)) },
    MongoMigration { name: "0010 what imports have made and changed", run: |db| Box::pin(imported(db)) },
];

async fn first(db: &Database) -> Result<(), StorageError> {
    ensure_collection(db, "leads", leads()).await?;
    for (name, behind) in [
        ("by_created", doc! { "createdAt": 1, "_id": 1 }),
        ("by_updated", doc! { "updatedAt": 1, "_id": 1 }),
        ("by_name", doc! { "nameKey": 1, "_id": 1 }),
        ("by_company", doc! { "companyKey": 1, "_id": 1 }),
        ("by_stage", doc! { "status": 1, "_id": 1 }),
        ("by_status", doc! { "status": 1, "createdAt": 1, "_id": 1 }),
        ("by_source", doc! { "source": 1, "createdAt": 1, "_id": 1 }),
        ("by_owner", doc! { "ownerId": 1, "createdAt": 1, "_id": 1 }),
        ("by_follow_up", doc! { "nextFollowUpAt": 1, "createdAt": 1, "_id": 1 }),
        ("by_activity", doc! { "lastActivityAt": 1 }),
        ("by_status_changed", doc! { "status": 1, "statusChangedAt": 1 }),
        ("by_tag", doc! { "tagKeys": 1, "createdAt": 1, "_id": 1 }),
        ("by_gram", doc! { "grams": 1 }),
    ] {
        let mut keys = doc! { "workspaceId": 1, "trashed": 1 };
        keys.extend(behind);
        ensure_index(db, "leads", index(name, keys)).await?;
    }
    // For the sweep of the trash, which works across workspaces.
    let in_trash = doc! { "trashed": true };
    ensure_index(db, "leads", partial("by_deleted", doc! { "deletedAt": 1 }, in_trash)).await?;

    ensure_collection(db, "notes", notes()).await?;
    ensure_index(db, "notes", index("by_lead", doc! { "workspaceId": 1, "leadId": 1, "_id": 1 })).await?;

    ensure_collection(db, "activity", activity()).await?;
    for (name, keys) in [
        ("by_workspace", doc! { "workspaceId": 1, "_id": 1 }),
        ("by_lead", doc! { "workspaceId": 1, "leadId": 1, "_id": 1 }),
        ("by_kind", doc! { "workspaceId": 1, "kind": 1, "_id": 1 }),
    ] {
        ensure_index(db, "activity", partial(name, keys, doc! { "hidden": false })).await?;
    }
    // For the relay, which works across workspaces.
    let waiting = partial("unpublished", doc! { "published": 1, "_id": 1 }, doc! { "published": false });
    ensure_index(db, "activity", waiting).await?;

    ensure_collection(db, "parked", object(&["consumer", "reason", "event"], doc! {})).await?;
    ensure_collection(db, "once", once()).await?;
    // For the sweep of keys, which works across workspaces.
    ensure_index(db, "once", index("by_time", doc! { "at": 1 })).await
}

/// The keys by which likely duplicates are found; a lead without an address has none of it.
async fn second(db: &Database) -> Result<(), StorageError> {
    let mut validator = leads();
    if let Ok(properties) =
        validator.get_document_mut("$jsonSchema").and_then(|schema| schema.get_document_mut("properties"))
    {
        properties
            .extend(doc! { "emailKey": { "bsonType": "string" }, "domainKey": { "bsonType": "string" } });
    }
    ensure_collection(db, "leads", validator).await?;
    let leads = db.collection::<Document>("leads");
    // The second line of what is searched is the address, normalised.
    let piece = |text: &str, by: &str| doc! { "$arrayElemAt": [{ "$split": [text, by] }, 1] };
    leads
        .update_many(
            doc! { "emailKey": { "$exists": false }, "email": { "$type": "string" } },
            vec![
                doc! { "$set": { "emailKey": piece("$search", "\n") } },
                doc! { "$set": { "domainKey": piece("$emailKey", "@") } },
            ],
        )
        .bypass_document_validation(true)
        .await?;
    let has = |key: &str, what: Document| doc! { "trashed": false, key: what };
    let there = || doc! { "$exists": true };
    let text = || doc! { "$gt": "" };
    for (name, keys, only) in [
        ("by_email", doc! { "workspaceId": 1, "emailKey": 1 }, has("emailKey", there())),
        ("by_digits", doc! { "workspaceId": 1, "digits": 1 }, has("digits", text())),
        (
            "by_company_name",
            doc! { "workspaceId": 1, "companyKey": 1, "nameKey": 1 },
            has("companyKey", text()),
        ),
        (
            "by_domain_name",
            doc! { "workspaceId": 1, "domainKey": 1, "nameKey": 1 },
            has("domainKey", there()),
        ),
    ] {
        ensure_index(db, "leads", partial(name, keys, only)).await?;
    }
    Ok(())
}

/// Imports, and what belongs to them.
async fn imports(db: &Database) -> Result<(), StorageError> {
    let (text, long, bytes) =
        (doc! { "bsonType": "string" }, doc! { "bsonType": "long" }, doc! { "bsonType": "binData" });
    let count = doc! { "bsonType": "long", "minimum": 0 };
    let (some_text, some_long) =
        (doc! { "bsonType": ["string", "null"] }, doc! { "bsonType": ["long", "null"] });
    let import = object(
        &["_id", "workspaceId", "state", "createdAt", "leasedUntil", "swept"],
        doc! {
            "_id": &text,
            "workspaceId": &text,
            // 0: its file is coming in.
            "state": { "bsonType": "int", "minimum": 0, "maximum": 6 },
            "createdAt": &long,
            "leasedUntil": &count,
            // 1: partly.
            "swept": { "bsonType": "int", "minimum": 0, "maximum": 2 },
            "holder": &text,
            "task": &bytes,
            "preview": { "bsonType": "array", "items": &bytes },
            "created": &count,
            "updated": &count,
            "skipped": &count,
            "failed": &count,
            "total": &some_long,
            "createdBy": &text,
            "finishedAt": &some_long,
            "reason": &some_text,
            "takenBack": &count,
            "kept": &count,
            "undoneBy": &some_text,
        },
    );
    ensure_collection(db, "imports", import).await?;
    for (name, keys) in [
        ("by_workspace", doc! { "workspaceId": 1, "_id": 1 }),
        ("by_state", doc! { "workspaceId": 1, "state": 1, "createdAt": 1 }),
        // For the worker, which works across workspaces.
        ("open", doc! { "state": 1, "leasedUntil": 1 }),
    ] {
        ensure_index(db, "imports", index(name, keys)).await?;
    }
    // Nobody carries on two imports of a workspace at once.
    let held = unique_index("held", doc! { "workspaceId": 1 }, Some(doc! { "holder": { "$exists": true } }));
    ensure_index(db, "imports", held).await?;
    // For the sweep, which works across workspaces.
    for (name, keys, only) in [
        ("coming", doc! { "createdAt": 1 }, doc! { "state": 0 }),
        ("ended", doc! { "finishedAt": 1 }, doc! { "swept": { "$lt": 2 } }),
    ] {
        ensure_index(db, "imports", partial(name, keys, only)).await?;
    }
    let owned = |more: &[&'static str], properties: Document| {
        let mut all = doc! { "_id": &text, "workspaceId": &text, "importId": &text };
        all.extend(properties);
        let required: Vec<&str> =
            ["_id", "workspaceId", "importId"].into_iter().chain(more.iter().copied()).collect();
        object(&required, all)
    };
    let some_bytes = doc! { "bsonType": ["binData", "null"] };
    for (name, rules) in [
        ("import_pieces", owned(&["piece"], doc! { "piece": &bytes })),
        (
            "import_failures",
            owned(
                &["nth", "line", "cells", "reason"],
                doc! { "nth": &count, "line": &count, "cells": &bytes, "reason": &text },
            ),
        ),
        (
            "import_traces",
            owned(
                &["leadId", "before", "after", "former", "notes"],
                doc! {
                    "leadId": &text, "before": &count, "after": &count, "former": &some_bytes, "notes": &bytes,
                },
            ),
        ),
        ("import_seen", owned(&[], doc! {})),
    ] {
        ensure_collection(db, name, rules).await?;
        ensure_index(db, name, index("by_import", doc! { "importId": 1 })).await?;
    }
    Ok(())
}

/// What is kept of merges until they can't be taken back any more, and the leads that they put aside.
async fn merges(db: &Database) -> Result<(), StorageError> {
    ensure_collection(db, "merges", object(&["_id", "workspaceId", "intoId", "at", "tags"], doc! {})).await?;
    ensure_collection(db, "merged", object(&["_id", "workspaceId", "mergeId", "intoId", "version"], doc! {}))
        .await?;
    for (collection, name, keys) in [
        ("merges", "by_lead", doc! { "workspaceId": 1, "intoId": 1, "_id": 1 }),
        // For the sweep, which works across workspaces.
        ("merges", "by_time", doc! { "at": 1 }),
        ("merged", "by_merge", doc! { "workspaceId": 1, "mergeId": 1, "nth": 1 }),
        ("merged", "by_lead", doc! { "workspaceId": 1, "intoId": 1, "_id": 1 }),
    ] {
        ensure_index(db, collection, index(name, keys)).await?;
    }
    Ok(())
}

/// The stages themselves are indexed, so that no writer can forget what was reached.
async fn reached(db: &Database) -> Result<(), StorageError> {
    let keys = doc! { "workspaceId": 1, "trashed": 1, "stages.status": 1, "createdAt": 1, "_id": 1 };
    ensure_index(db, "leads", index("by_reached", keys)).await
}

/// What is hidden becomes part of the keys: an entry need not be read to be counted. Under the old names, by which programs
/// ask that run already.
async fn counted(db: &Database) -> Result<(), StorageError> {
    for (name, keys) in [
        ("by_workspace", doc! { "workspaceId": 1, "hidden": 1, "_id": 1 }),
        ("by_kind", doc! { "workspaceId": 1, "hidden": 1, "kind": 1, "_id": 1 }),
    ] {
        replace_index(db, "activity", partial(name, keys, doc! { "hidden": false })).await?;
    }
    Ok(())
}

/// Workspaces that are erased: kept for ever, without a name.
async fn erased(db: &Database) -> Result<(), StorageError> {
    let rules = doc! { "_id": { "bsonType": "string" }, "at": { "bsonType": "long" }, "done": { "bsonType": "bool" } };
    ensure_collection(db, "erased", object(&["_id", "at", "done"], rules)).await?;
    ensure_index(db, "erased", partial("open", doc! { "at": 1 }, doc! { "done": false })).await
}

/// Answers and events that no one could handle are found by the leads that they tell of. That a lead was erased stays in the
/// log: nothing is hidden any more.
async fn forgotten(db: &Database) -> Result<(), StorageError> {
    let mut validator = once();
    if let Ok(properties) =
        validator.get_document_mut("$jsonSchema").and_then(|schema| schema.get_document_mut("properties"))
    {
        let texts = doc! { "bsonType": "array", "items": { "bsonType": "string" } };
        properties.extend(doc! { "leads": texts, "erased": { "bsonType": "bool" } });
    }
    ensure_collection(db, "once", validator).await?;
    let told = doc! { "leads": { "$exists": true } };
    ensure_index(db, "once", partial("by_lead", doc! { "leads": 1 }, told)).await?;
    let (parked, activity) = (db.collection::<Document>("parked"), db.collection::<Document>("activity"));
    let mut rows = parked.find(doc! { "leadId": { "$exists": false } }).await?;
    while let Some(row) = rows.try_next().await? {
        let id = row.get_str("_id").unwrap_or_default();
        let entry = id.split('/').next().unwrap_or_default();
        let Some(entry) = activity.find_one(doc! { "_id": entry }).await? else { continue };
        let set = doc! { "$set": { "leadId": entry.get_str("leadId").unwrap_or_default() } };
        parked.update_one(doc! { "_id": id }, set).await?;
    }
    ensure_index(db, "parked", index("by_lead", doc! { "leadId": 1 })).await?;
    activity.update_many(doc! { "hidden": true }, doc! { "$set": { "hidden": false } }).await?;
    Ok(())
}

/// The stages themselves are indexed, so that no writer can forget when they were entered. Leads that are new and nothing else
/// are left out: an import makes many.
async fn entered(db: &Database) -> Result<(), StorageError> {
    let keys = doc! { "workspaceId": 1, "trashed": 1, "stages.status": 1, "stages.last": 1 };
    let further = doc! { "stages.status": { "$gt": i32::from(Status::New.rank()) } };
    ensure_index(db, "leads", partial("by_entered", keys, further)).await
}

/// What imports did is kept on the leads. What earlier ones did is in the log, in the order in which it was done.
async fn imported(db: &Database) -> Result<(), StorageError> {
    /// So many entries are gone through at a time.
    const AT_ONCE: usize = 1_000;
    let mut validator = leads();
    if let Ok(properties) =
        validator.get_document_mut("$jsonSchema").and_then(|schema| schema.get_document_mut("properties"))
    {
        let marks = doc! { "bsonType": "array", "maxItems": 2, "items": { "bsonType": "string" } };
        let text = doc! { "bsonType": "string" };
        properties.extend(doc! { "imports": marks, "emailKey": &text, "domainKey": text });
    }
    ensure_collection(db, "leads", validator).await?;
    let told = db.collection::<Document>("activity");
    let mut told = told
        .find(doc! { "kind": "lead.imported" })
        .sort(doc! { "_id": 1 })
        .projection(doc! { "event": 1 })
        .await?;
    let mut marks = Marks::default();
    let mut read = 0;
    while let Some(entry) = told.try_next().await? {
        marks.note(&entry);
        read += 1;
        if read % AT_ONCE == 0 {
            std::mem::take(&mut marks).write(db).await?;
        }
    }
    marks.write(db).await?;
    let keys = doc! { "workspaceId": 1, "trashed": 1, "imports": 1 };
    ensure_index(db, "leads", partial("by_import", keys, doc! { "imports": { "$exists": true } })).await
}

/// What entries of the log say that imports did to leads.
#[derive(Default)]
struct Marks {
    made: BTreeMap<String, ImportId>,
    /// Of those that changed a lead, the last stays.
    changed: BTreeMap<String, ImportId>,
}

impl Marks {
    fn note(&mut self, entry: &Document) {
        let Ok(logged) = document::logged(entry) else { return };
        // The entry itself knows its lead, which may have gone into another since.
        let Some(Activity { lead_id, what: Some(What::Imported(did)), .. }) = event::logged(&logged) else {
            return;
        };
        let Ok(import) = ImportId::parse(&did.import_id) else { return };
        let marks = if did.created { &mut self.made } else { &mut self.changed };
        marks.insert(lead_id, import);
    }

    async fn write(self, db: &Database) -> Result<(), StorageError> {
        for (hand, leads) in [(Hand::Made, self.made), (Hand::Changed, self.changed)] {
            let mut of_import: BTreeMap<ImportId, Vec<String>> = BTreeMap::new();
            for (lead, import) in leads {
                of_import.entry(import).or_default().push(lead);
            }
            let letter = hand.letter();
            for (import, ids) in of_import {
                let others = doc! { "$filter": {
                    "input": { "$ifNull": ["$imports", []] },
                    "cond": { "$ne": [{ "$substrBytes": ["$$this", 0, 1] }, letter] },
                } };
                let marks = doc! { "$concatArrays": [others, [import_mark(hand, import)]] };
                for collection in ["leads", "merged"] {
                    db.collection::<Document>(collection)
                        .update_many(
                            doc! { "_id": { "$in": &ids } },
                            vec![doc! { "$set": { "imports": &marks } }],
                        )
                        .await?;
                }
            }
        }
        Ok(())
    }
}

fn partial(name: &str, keys: Document, only: Document) -> IndexModel {
    let options = IndexOptions::builder().name(name.to_owned()).partial_filter_expression(only).build();
    IndexModel::builder().keys(keys).options(options).build()
}

fn object(required: &[&str], properties: Document) -> Document {
    doc! { "$jsonSchema": { "bsonType": "object", "required": required, "properties": properties } }
}

fn leads() -> Document {
    let (text, time) = (doc! { "bsonType": "string" }, doc! { "bsonType": "long" });
    let (some_text, some_time) =
        (doc! { "bsonType": ["string", "null"] }, doc! { "bsonType": ["long", "null"] });
    let texts = doc! { "bsonType": "array", "items": { "bsonType": "string" } };
    let code = |most: i32| doc! { "bsonType": "int", "minimum": 1, "maximum": most };
    let required = [
        "_id",
        "workspaceId",
        "version",
        "trashed",
        "status",
        "source",
        "createdBy",
        "createdAt",
        "updatedAt",
        "statusChangedAt",
        "lastActivityAt",
        "nextFollowUpAt",
        "followUpRevision",
        "deletedAt",
        "noteCount",
        "stages",
        "name",
        "tags",
        "nameKey",
        "companyKey",
        "tagKeys",
        "search",
        "digits",
        "grams",
    ];
    object(
        &required,
        doc! {
            "_id": &text,
            "workspaceId": &text,
            "version": { "bsonType": "long", "minimum": 1 },
            "trashed": { "bsonType": "bool" },
            "status": code(5),
            "source": code(4),
            "ownerId": &some_text,
            "createdBy": &text,
            "createdAt": &time,
            "updatedAt": &time,
            "statusChangedAt": &time,
            "lastActivityAt": &time,
            "nextFollowUpAt": &some_time,
            "followUpRevision": { "bsonType": "long", "minimum": 0 },
            "deletedAt": &some_time,
            "noteCount": { "bsonType": "long", "minimum": 0 },
            "stages": { "bsonType": "array", "maxItems": 5, "items": {
                "bsonType": "object",
                "required": ["status", "first", "last"],
                "properties": { "status": code(5), "first": &time, "last": &time },
            } },
            "name": &text,
            "email": &some_text,
            "phone": &some_text,
            "company": &some_text,
            "tags": &texts,
            "nameKey": &text,
            "companyKey": &some_text,
            "tagKeys": &texts,
            "search": &text,
            "digits": &text,
            "grams": &texts,
        },
    )
}

fn notes() -> Document {
    let text = doc! { "bsonType": "string" };
    object(
        &["_id", "workspaceId", "leadId", "authorId", "createdAt", "text"],
        doc! {
            "_id": &text,
            "workspaceId": &text,
            "leadId": &text,
            "authorId": &text,
            "createdAt": { "bsonType": "long" },
            "text": &text,
        },
    )
}

fn activity() -> Document {
    let (text, yes) = (doc! { "bsonType": "string" }, doc! { "bsonType": "bool" });
    object(
        &["_id", "workspaceId", "leadId", "kind", "writtenAt", "published", "hidden", "event"],
        doc! {
            "_id": &text,
            "workspaceId": &text,
            "leadId": &text,
            "kind": &text,
            "writtenAt": { "bsonType": "long" },
            "published": &yes,
            "hidden": &yes,
            "event": { "bsonType": "binData" },
        },
    )
}

fn once() -> Document {
    object(
        &["_id", "fingerprint", "answer", "at"],
        doc! {
            "_id": { "bsonType": "string" },
            "fingerprint": { "bsonType": "string" },
            "answer": { "bsonType": "binData" },
            "at": { "bsonType": "long" },
        },
    )
}

#[cfg(test)]
mod tests {
    use leadline_runtime::{
        caller::{Origin, Scope},
        ids::{UserId, WorkspaceId},
        time::Millis,
    };
    use leadline_storage::Mongo;

    use super::*;
    use crate::{
        activity::{LeadEvent, Snapshot, What},
        lead::{By, Imported, Lead, LeadId, NewLead},
        store::contract::named,
    };

    /// The version before leads knew of imports.
    const BEFORE: usize = 8;

    #[tokio::test]
    async fn what_earlier_imports_did_is_read_out_of_the_log() -> anyhow::Result<()> {
        let uri = leadline_testbed::mongo().await?.fresh_uri();
        let db = Mongo::open(&uri, &Mongo::database_name(&uri, "leads")?, "leadline-leads-test").await?;
        db.migrate(&MIGRATIONS[..BEFORE]).await?;
        let (workspace, anna) = (WorkspaceId::new(), UserId::new());
        let scope = Scope::of_own_row(workspace);
        let by = By { actor: Some(anna), at: Millis::now(), origin: Origin::default(), backdated: false };
        let lead = |name: &str| {
            let new = NewLead { id: LeadId::new(), fields: named(name), created_by: anna, note: None };
            Lead::create(new, &by).lead
        };
        let [made, changed, both, neither, aside] = ["made", "changed", "both", "neither", "aside"].map(lead);
        let [first, second] = [ImportId::new(), ImportId::new()];
        let leads = db.collection::<Document>("leads");
        let all = [&made, &changed, &both, &neither];
        leads.insert_many(all.map(|lead| document::of_lead(scope, lead, 0))).await?;
        let mut gone = document::of_lead(scope, &aside, 0);
        gone.extend(doc! { "mergeId": "m", "intoId": neither.id.to_string() });
        let merged = db.collection::<Document>("merged");
        merged.insert_one(gone).await?;
        // In the order in which it was done, and with which lead it is listed: a merge has moved the last.
        for (lead, import, created, listed) in [
            (&made, first, true, &made),
            (&both, first, true, &both),
            (&changed, first, false, &changed),
            (&both, first, false, &both),
            (&both, second, false, &both),
            (&aside, second, true, &neither),
        ] {
            let activity = lead.entry(What::Imported { import, created }, &by);
            let snapshot = Snapshot::of(lead);
            let event = LeadEvent { workspace, activity, snapshot, origin: Origin::default() };
            let mut entry = document::of_event(&event, event::encode);
            entry.insert("leadId", listed.id.to_string());
            db.collection::<Document>("activity").insert_one(entry).await?;
        }
        // A second time too: what broke off is begun anew.
        db.migrate(MIGRATIONS).await?;
        imported(db.database()).await?;
        for (collection, lead, made_by, changed_by) in [
            (&leads, &made, Some(first), None),
            (&leads, &changed, None, Some(first)),
            (&leads, &both, Some(first), Some(second)),
            (&leads, &neither, None, None),
            (&merged, &aside, Some(second), None),
        ] {
            let row = collection.find_one(document::of_id(scope, lead.id)).await?.expect("it is there");
            let found = document::lead(&row)?.lead;
            assert_eq!(found.imported, Imported { made_by, changed_by }, "{:?}", found.fields.name);
        }
        db.close().await;
        Ok(())
    }
}
