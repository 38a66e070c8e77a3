//! The collections, their validators and indexes.

use bson::{Document, doc};
use leadline_storage::{MongoMigration, StorageError, mongo};
use mongodb::{Database, IndexModel, options::IndexOptions};

pub(super) const MIGRATIONS: &[MongoMigration] = &[
    MongoMigration { name: "0001 reminders", run: |db| Box::pin(reminders(db)) },
    MongoMigration { name: "0002 merged leads", run: |db| Box::pin(merged(db)) },
    MongoMigration { name: "0003 erased workspaces", run: |db| Box::pin(erased(db)) },
    MongoMigration { name: "0004 what is told of whom", run: |db| Box::pin(told(db)) },
];

/// Answers and events go with the leads that they tell of.
async fn told(db: &Database) -> Result<(), StorageError> {
    for (collection, key) in [("once", "leads"), ("outbox", "leadId")] {
        let of_lead = IndexOptions::builder()
            .name("by_lead".to_owned())
            .partial_filter_expression(doc! { key: { "$exists": true } })
            .build();
        let keys = doc! { "workspaceId": 1, key: 1 };
        mongo::ensure_index(db, collection, IndexModel::builder().keys(keys).options(of_lead).build())
            .await?;
    }
    Ok(())
}

/// Workspaces that are erased: kept for ever, without a name.
async fn erased(db: &Database) -> Result<(), StorageError> {
    let rules = doc! {
        "_id": { "bsonType": "string" }, "at": { "bsonType": "long" }, "done": { "bsonType": "bool" },
    };
    let rules = doc! { "$jsonSchema": { "required": ["at", "done"], "properties": rules } };
    mongo::ensure_collection(db, "erased", rules).await?;
    let open = IndexOptions::builder()
        .name("open".to_owned())
        .partial_filter_expression(doc! { "done": false })
        .build();
    mongo::ensure_index(db, "erased", IndexModel::builder().keys(doc! { "at": 1 }).options(open).build())
        .await
}

/// A reminder's own lead is `originId`; `leadId` is the one that shows it, where its own went.
async fn merged(db: &Database) -> Result<(), StorageError> {
    db.collection::<Document>("reminders")
        .update_many(
            doc! { "originId": { "$exists": false } },
            vec![doc! { "$set": { "originId": "$leadId" } }],
        )
        .await?;
    mongo::ensure_index(db, "reminders", mongo::index("by_origin", doc! { "workspaceId": 1, "originId": 1 }))
        .await?;
    let went = IndexOptions::builder()
        .name("by_merged".to_owned())
        .partial_filter_expression(doc! { "mergedInto": { "$gt": "" } })
        .build();
    let keys = doc! { "workspaceId": 1, "mergedInto": 1 };
    mongo::ensure_index(db, "leads", IndexModel::builder().keys(keys).options(went).build()).await
}

async fn reminders(db: &Database) -> Result<(), StorageError> {
    let text = doc! { "bsonType": "string" };
    let long = doc! { "bsonType": "long" };
    let flag = doc! { "bsonType": "bool" };
    let bytes = doc! { "bsonType": "binData" };

    mongo::ensure_collection(
        db,
        "reminders",
        doc! { "$jsonSchema": {
            "required": [
                "workspaceId", "leadId", "dueAt", "message", "done", "assigneeId", "createdBy", "createdAt", "version",
                "armed", "hidden",
            ],
            "properties": {
                "_id": &text, "workspaceId": &text, "leadId": &text, "dueAt": &long,
                "message": { "bsonType": "string", "minLength": 1 },
                "doneAt": { "bsonType": ["long", "null"] }, "done": &flag, "assigneeId": &text, "createdBy": &text,
                "createdAt": &long, "version": { "bsonType": "long", "minimum": 1 }, "armed": &flag, "hidden": &flag,
            },
        } },
    )
    .await?;
    for (name, keys) in [
        ("by_due", doc! { "workspaceId": 1, "hidden": 1, "dueAt": 1, "_id": 1 }),
        ("by_status", doc! { "workspaceId": 1, "hidden": 1, "done": 1, "dueAt": 1, "_id": 1 }),
        (
            "by_assignee",
            doc! { "workspaceId": 1, "hidden": 1, "assigneeId": 1, "done": 1, "dueAt": 1, "_id": 1 },
        ),
        ("by_lead", doc! { "workspaceId": 1, "leadId": 1, "done": 1, "dueAt": 1, "_id": 1 }),
    ] {
        mongo::ensure_index(db, "reminders", mongo::index(name, keys)).await?;
    }
    // The clock works across workspaces; the index holds only what is yet to fall due.
    let armed = IndexOptions::builder()
        .name("armed".to_owned())
        .partial_filter_expression(doc! { "armed": true, "hidden": false })
        .build();
    mongo::ensure_index(
        db,
        "reminders",
        IndexModel::builder().keys(doc! { "dueAt": 1 }).options(armed).build(),
    )
    .await?;

    mongo::ensure_collection(
        db,
        "leads",
        doc! { "$jsonSchema": {
            "required": ["workspaceId", "version", "name", "deleted", "revision"],
            "properties": {
                "_id": &text, "workspaceId": &text, "version": &long, "name": &text, "deleted": &flag, "revision": &long,
            },
        } },
    )
    .await?;

    mongo::ensure_collection(
        db,
        "outbox",
        doc! { "$jsonSchema": {
            "required": ["workspaceId", "key", "at", "event", "published"],
            "properties": {
                "_id": &text, "workspaceId": &text, "key": &text, "at": &long, "event": &bytes, "published": &flag,
            },
        } },
    )
    .await?;
    mongo::ensure_index(db, "outbox", mongo::index("by_key", doc! { "workspaceId": 1, "key": 1, "_id": 1 }))
        .await?;
    // The relay and the sweep work across workspaces.
    let pending = IndexOptions::builder()
        .name("pending".to_owned())
        .partial_filter_expression(doc! { "published": false })
        .build();
    mongo::ensure_index(
        db,
        "outbox",
        IndexModel::builder().keys(doc! { "published": 1, "_id": 1 }).options(pending).build(),
    )
    .await?;
    mongo::ensure_index(db, "outbox", mongo::index("by_time", doc! { "published": 1, "at": 1 })).await?;

    mongo::ensure_collection(
        db,
        "parked",
        doc! { "$jsonSchema": {
            "required": ["event", "consumer", "reason"],
            "properties": { "_id": &text, "event": &text, "consumer": &text, "reason": &text },
        } },
    )
    .await?;

    mongo::ensure_collection(
        db,
        "once",
        doc! { "$jsonSchema": {
            "required": ["fingerprint", "answer", "at"],
            "properties": { "_id": &text, "fingerprint": &text, "answer": &bytes, "at": &long },
        } },
    )
    .await?;
    // The sweep works across workspaces; a key's hash already holds its workspace.
    mongo::ensure_index(db, "once", mongo::index("by_time", doc! { "at": 1 })).await
}
