//! Imports as documents.

use leadline_runtime::{
    caller::Scope,
    ids::{UserId, parse_uuid},
    time::Millis,
};
use leadline_storage::{
    StorageError,
    bson::{Bson, Document, doc},
    mongodb::options::Hint,
};

use crate::{
    import::{Counts, Import, ImportId, State},
    store::{
        StoreError,
        imports::{Lease, stored},
        mongo::of_workspace,
    },
};

/// An import whose file is coming in.
pub(super) const COMING: i32 = 0;

/// The states in which a worker has something to do.
pub(super) fn open() -> Document {
    doc! { "$in": [1, 2, 5] }
}

pub(super) fn broken(what: &str) -> StoreError {
    StorageError::Internal(format!("an import holds no good {what}")).into()
}

pub(super) fn of_id(scope: Scope, id: ImportId) -> Document {
    let mut filter = doc! { "_id": id.to_string() };
    filter.extend(of_workspace(scope));
    filter
}

/// An import whose file is coming in, and that nobody has given up.
pub(super) fn coming(scope: Scope, id: ImportId) -> Document {
    let mut filter = of_id(scope, id);
    filter.extend(doc! { "state": COMING, "createdAt": { "$gt": 0_i64 } });
    filter
}

pub(super) fn leased(lease: Lease) -> Document {
    let mut filter = of_id(lease.scope, lease.id);
    filter.extend(doc! { "holder": lease.holder.to_string(), "state": open() });
    filter
}

/// What [`import`] reads.
pub(super) fn shown() -> Document {
    doc! { "preview": 0 }
}

pub(super) fn long(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn some(value: Option<impl Into<Bson>>) -> Bson {
    value.map_or(Bson::Null, Into::into)
}

pub(super) fn number(document: &Document, key: &str) -> Result<u64, StoreError> {
    document.get_i64(key).map(i64::cast_unsigned).map_err(|_| broken(key))
}

pub(super) fn bytes<'d>(document: &'d Document, key: &str) -> Result<&'d Vec<u8>, StoreError> {
    document.get_binary_generic(key).map_err(|_| broken(key))
}

pub(super) fn user(document: &Document, key: &str) -> Result<Option<UserId>, StoreError> {
    match document.get_str(key) {
        Ok(id) => parse_uuid(id).map(|id| Some(id.into())).map_err(|_| broken(key)),
        Err(_) => Ok(None),
    }
}

pub(super) fn import(found: &Document) -> Result<Import, StoreError> {
    let state = found.get_i32("state").ok().and_then(|code| State::of_code(code.into()));
    let id = found.get_str("_id").ok().and_then(|id| ImportId::parse(id).ok());
    Ok(Import {
        id: id.ok_or_else(|| broken("_id"))?,
        task: stored::task(bytes(found, "task")?)?,
        state: state.ok_or_else(|| broken("state"))?,
        counts: Counts {
            created: number(found, "created")?,
            updated: number(found, "updated")?,
            skipped: number(found, "skipped")?,
            failed: number(found, "failed")?,
        },
        total: found.get_i64("total").ok().map(i64::cast_unsigned),
        created_by: user(found, "createdBy")?.ok_or_else(|| broken("createdBy"))?,
        created_at: Millis(found.get_i64("createdAt").map_err(|_| broken("createdAt"))?),
        finished_at: found.get_i64("finishedAt").ok().map(Millis),
        reason: found.get_str("reason").ok().map(str::to_owned),
        taken_back: number(found, "takenBack")?,
        kept: number(found, "kept")?,
        undone_by: user(found, "undoneBy")?,
        size: found.get_i64("size").ok().map(i64::cast_unsigned),
        attempts: found.get_i32("attempts").ok().and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
    })
}

/// How an import stands; with `until`, under its lease.
pub(super) fn saved(import: &Import, until: Option<Millis>) -> Document {
    let mut change = doc! { "$set": {
        "state": i32::from(import.state.code()),
        "created": long(import.counts.created),
        "updated": long(import.counts.updated),
        "skipped": long(import.counts.skipped),
        "failed": long(import.counts.failed),
        "total": some(import.total.map(long)),
        "finishedAt": some(import.finished_at.map(|at| at.0)),
        "reason": some(import.reason.clone()),
        "takenBack": long(import.taken_back),
        "kept": long(import.kept),
        "undoneBy": some(import.undone_by.map(|id| id.to_string())),
        "size": some(import.size.map(long)),
        "attempts": i32::try_from(import.attempts).unwrap_or(i32::MAX),
        "leasedUntil": until.map_or(0, |at| at.0),
    } };
    if until.is_none() {
        change.insert("$unset", doc! { "holder": "" });
    }
    change
}

pub(super) fn by_id() -> Hint {
    Hint::Name("_id_".to_owned())
}
