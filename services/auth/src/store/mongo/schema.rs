//! Collections, what their documents must look like, and indexes.
//!
//! Indexes of members and invitations begin with the workspace. Those of people and sessions begin with the person or the
//! address: a person signs in before any workspace is known. Those by time alone are for background work across workspaces.

use bson::{Document, doc};
use leadline_storage::{
    MongoMigration, StorageError,
    mongo::{ensure_collection, ensure_index, index, unique_index},
    mongodb::{Database, IndexModel, options::IndexOptions},
};

pub(super) const MIGRATIONS: &[MongoMigration] = &[
    MongoMigration { name: "0001 accounts", run: |db| Box::pin(accounts(db)) },
    MongoMigration { name: "0002 erasure", run: |db| Box::pin(erasure(db)) },
    MongoMigration { name: "0003 erased workspaces", run: |db| Box::pin(erased(db)) },
];

/// Across workspaces: all invitations of a person who is erased, settled ones too.
async fn erasure(db: &Database) -> Result<(), StorageError> {
    ensure_index(db, "invitations", index("invitations_email", doc! { "emailKey": 1 })).await
}

/// All invitations of a workspace that is erased, settled ones too.
async fn erased(db: &Database) -> Result<(), StorageError> {
    ensure_index(db, "invitations", index("invitations_workspace", doc! { "workspaceId": 1 })).await
}

/// All fields must be there; those of a nullable type may be null.
fn schema(fields: &[(&str, &str)]) -> Document {
    let mut properties = doc! {};
    for (name, kind) in fields {
        let kinds: Vec<&str> = match kind.strip_suffix('?') {
            Some(kind) => vec![kind, "null"],
            None => vec![kind],
        };
        properties.insert(*name, doc! { "bsonType": kinds });
    }
    let required: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    doc! { "$jsonSchema": { "bsonType": "object", "required": required, "properties": properties } }
}

fn partial_index(name: &str, keys: Document, only: Document) -> IndexModel {
    let mut options = IndexOptions::builder().name(name.to_owned()).build();
    options.partial_filter_expression = Some(only);
    IndexModel::builder().keys(keys).options(options).build()
}

async fn accounts(db: &Database) -> Result<(), StorageError> {
    let collections: [(&str, &[(&str, &str)]); 8] = [
        (
            "users",
            &[
                ("_id", "string"),
                ("name", "string"),
                ("email", "string"),
                ("emailKey", "string"),
                ("passwordHash", "string"),
                ("lastWorkspaceId", "string"),
                ("createdAt", "long"),
                ("revision", "long"),
            ],
        ),
        (
            "workspaces",
            &[
                ("_id", "string"),
                ("name", "string"),
                ("timezone", "string"),
                ("createdAt", "long"),
                ("version", "long"),
                ("people", "long"),
            ],
        ),
        (
            "memberships",
            &[
                ("_id", "string"),
                ("workspaceId", "string"),
                ("userId", "string"),
                ("role", "string"),
                ("joinedAt", "long"),
                ("removedAt", "long?"),
                ("voidBefore", "long?"),
            ],
        ),
        (
            "sessions",
            &[
                ("_id", "string"),
                ("userId", "string"),
                ("workspaceId", "string"),
                ("address", "string"),
                ("agent", "string"),
                ("createdAt", "long"),
                ("lastUsedAt", "long"),
                ("expiresAt", "long"),
                ("place", "long"),
                ("currentHash", "binData"),
                ("previousHash", "binData?"),
                ("rotatedAt", "long"),
                ("againAt", "long?"),
                ("endedAt", "long?"),
            ],
        ),
        (
            "invitations",
            &[
                ("_id", "string"),
                ("workspaceId", "string"),
                ("email", "string"),
                ("emailKey", "string"),
                ("role", "string"),
                ("createdBy", "string"),
                ("createdAt", "long"),
                ("expiresAt", "long"),
                ("state", "string"),
            ],
        ),
        ("outbox", &[("_id", "string"), ("at", "long"), ("key", "string"), ("event", "binData")]),
        ("parked", &[("_id", "string"), ("consumer", "string"), ("reason", "string"), ("event", "binData")]),
        ("once", &[("_id", "string"), ("fingerprint", "string"), ("answer", "binData"), ("at", "long")]),
    ];
    for (name, fields) in collections {
        ensure_collection(db, name, schema(fields)).await?;
    }

    let active = doc! { "removedAt": null };
    let joined = doc! { "workspaceId": 1, "joinedAt": 1, "userId": 1 };
    let owners = doc! { "workspaceId": 1, "role": 1 };
    let open = || doc! { "state": "open" };
    let newest = doc! { "workspaceId": 1, "createdAt": -1, "_id": -1 };
    let is_set = |field: &str| doc! { field: { "$gt": 0_i64 } };
    let indexes = [
        ("users", unique_index("users_email_key", doc! { "emailKey": 1 }, None)),
        ("memberships", partial_index("memberships_joined", joined, active.clone())),
        ("memberships", partial_index("memberships_owners", owners, active)),
        ("memberships", index("memberships_left", doc! { "workspaceId": 1, "removedAt": -1 })),
        ("memberships", index("memberships_user", doc! { "userId": 1, "joinedAt": 1 })),
        ("memberships", partial_index("memberships_void", doc! { "voidBefore": 1 }, is_set("voidBefore"))),
        ("sessions", index("sessions_user", doc! { "userId": 1, "createdAt": -1, "_id": -1 })),
        ("sessions", partial_index("sessions_ended", doc! { "endedAt": 1 }, is_set("endedAt"))),
        ("sessions", index("sessions_expires", doc! { "expiresAt": 1 })),
        (
            "invitations",
            unique_index("invitations_open", doc! { "workspaceId": 1, "emailKey": 1 }, Some(open())),
        ),
        ("invitations", partial_index("invitations_newest", newest, open())),
        ("invitations", index("invitations_expires", doc! { "expiresAt": 1 })),
        ("once", index("once_at", doc! { "at": 1 })),
    ];
    for (collection, index) in indexes {
        ensure_index(db, collection, index).await?;
    }
    Ok(())
}
