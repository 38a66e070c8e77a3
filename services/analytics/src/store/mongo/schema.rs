//! Collections, validators and indexes.

use bson::{Document, doc};
use leadline_storage::{MongoMigration, StorageError, mongo as schema};
use mongodb::{Database, IndexModel, options::IndexOptions};

use crate::lead::Moment;

/// All migrations.
pub(super) const MIGRATIONS: &[MongoMigration] = &[
    MongoMigration { name: "0001 figures", run: |db| Box::pin(figures(db)) },
    MongoMigration { name: "0002 erased workspaces", run: |db| Box::pin(erased(db)) },
];

/// Of an erased workspace the document stays, so that late events bring nothing back.
async fn erased(db: &Database) -> Result<(), StorageError> {
    schema::ensure_collection(db, "workspaces", workspaces(doc! { "erasedAt": { "bsonType": "long" } })).await
}

fn workspaces(more: Document) -> Document {
    let long = doc! { "bsonType": "long" };
    let mut properties = doc! {
        "_id": { "bsonType": "string" },
        "live": &long,
        "building": &long,
        "newest": &long,
        "touchedAt": &long,
        "asOf": &long,
        "revision": &long,
    };
    properties.extend(more);
    doc! { "$jsonSchema": {
        "bsonType": "object",
        "required": ["_id", "live", "newest", "revision"],
        "additionalProperties": false,
        "properties": properties,
    } }
}

async fn figures(db: &Database) -> Result<(), StorageError> {
    let long = doc! { "bsonType": "long" };
    schema::ensure_collection(db, "workspaces", workspaces(doc! {})).await?;
    schema::ensure_collection(
        db,
        "leads",
        doc! { "$jsonSchema": {
            "bsonType": "object",
            "required": ["_id", "workspaceId", "generation", "version"],
            "additionalProperties": false,
            "properties": {
                "_id": { "bsonType": "string" },
                "workspaceId": { "bsonType": "string" },
                "generation": &long,
                "version": &long,
                "status": { "bsonType": "int", "minimum": 1, "maximum": 5 },
                "source": { "bsonType": "int", "minimum": 1, "maximum": 4 },
                "createdAt": &long,
                "reached": {
                    "bsonType": "array", "minItems": 4, "maxItems": 4,
                    "items": { "bsonType": ["long", "null"] },
                },
                "contactedAt": &long,
                "qualifiedAt": &long,
                "convertedAt": &long,
                "lostAt": &long,
            },
            // A deleted lead keeps its version only.
            "dependencies": { "status": ["source", "createdAt", "reached"], "createdAt": ["status"] },
        } },
    )
    .await?;
    schema::ensure_collection(
        db,
        "pages",
        doc! { "$jsonSchema": {
            "bsonType": "object",
            "required": ["_id", "workspaceId", "sum", "counts", "times"],
            "additionalProperties": false,
            "properties": {
                "_id": { "bsonType": "string" },
                "workspaceId": { "bsonType": "string" },
                "sum": { "bsonType": "binData" },
                "counts": { "bsonType": "binData" },
                "times": { "bsonType": "binData" },
            },
        } },
    )
    .await?;
    schema::ensure_collection(
        db,
        "discarded",
        doc! { "$jsonSchema": {
            "bsonType": "object",
            "required": ["_id"],
            "additionalProperties": false,
            "properties": { "_id": { "bsonType": "string" } },
        } },
    )
    .await?;
    for moment in [Moment::Created].into_iter().chain(Moment::ENTERED) {
        let (name, field) = (index_of(moment), field_of(moment));
        let options = IndexOptions::builder()
            .name(name.to_owned())
            .partial_filter_expression(doc! { field: { "$exists": true } })
            .build();
        let keys = doc! { "workspaceId": 1, "generation": 1, field: 1 };
        let index = IndexModel::builder().keys(keys).options(options).build();
        schema::ensure_index(db, "leads", index).await?;
    }
    // Asked by the task that gives up dead rebuilds, which works across workspaces.
    let touched = IndexOptions::builder()
        .name("by_touch".to_owned())
        .partial_filter_expression(doc! { "touchedAt": { "$exists": true } })
        .build();
    let index = IndexModel::builder().keys(doc! { "touchedAt": 1 }).options(touched).build();
    schema::ensure_index(db, "workspaces", index).await
}

/// The field that holds when a moment happened.
pub(super) fn field_of(moment: Moment) -> &'static str {
    match moment {
        Moment::Created => "createdAt",
        Moment::Contacted => "contactedAt",
        Moment::Qualified => "qualifiedAt",
        Moment::Converted => "convertedAt",
        Moment::Lost => "lostAt",
    }
}

/// The index over that field.
pub(super) fn index_of(moment: Moment) -> &'static str {
    match moment {
        Moment::Created => "by_created",
        Moment::Contacted => "by_contacted",
        Moment::Qualified => "by_qualified",
        Moment::Converted => "by_converted",
        Moment::Lost => "by_lost",
    }
}
