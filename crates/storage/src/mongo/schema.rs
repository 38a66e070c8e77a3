//! What migrations are made of: each can be run again without harm.

use bson::{Document, doc};
use futures::TryStreamExt;
use mongodb::error::ErrorKind;
use mongodb::options::IndexOptions;
use mongodb::{Database, IndexModel};

use crate::StorageError;

/// The server's code for a collection that exists already.
const NAMESPACE_EXISTS: i32 = 48;

/// Creates a collection with a validator (`doc! { "$jsonSchema": { … } }`), or gives an existing one this validator.
/// Documents that are there already are not looked at until they are written again.
///
/// # Errors
/// The driver's, as [`StorageError`].
pub async fn ensure_collection(
    database: &Database,
    name: &str,
    validator: Document,
) -> Result<(), StorageError> {
    let rules = doc! { "validator": validator, "validationLevel": "strict", "validationAction": "error" };
    let mut create = doc! { "create": name };
    create.extend(rules.clone());
    match database.run_command(create).await {
        Ok(_) => Ok(()),
        Err(error) if matches!(&*error.kind, ErrorKind::Command(command) if command.code == NAMESPACE_EXISTS) =>
        {
            let mut modify = doc! { "collMod": name };
            modify.extend(rules);
            database.run_command(modify).await?;
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Creates an index unless it is there. Give every index a name: a [`StorageError::Conflict`] tells it.
///
/// # Errors
/// [`StorageError::Internal`] if an index of that name or those keys exists with other options; [`StorageError::Conflict`] if the data
/// breaks a unique one.
pub async fn ensure_index(
    database: &Database,
    collection: &str,
    index: IndexModel,
) -> Result<(), StorageError> {
    database.collection::<Document>(collection).create_index(index).await?;
    Ok(())
}

/// Creates an index, in place of one of the same name that has other keys. While it is built, there is none of that name.
///
/// # Errors
/// As [`ensure_index`].
pub async fn replace_index(
    database: &Database,
    collection: &str,
    index: IndexModel,
) -> Result<(), StorageError> {
    let name = index.options.as_ref().and_then(|options| options.name.clone()).unwrap_or_default();
    let indexes = database.collection::<Document>(collection);
    let known: Vec<IndexModel> = indexes.list_indexes().await?.try_collect().await?;
    let old = known
        .iter()
        .find(|known| known.options.as_ref().and_then(|options| options.name.as_ref()) == Some(&name));
    if old.is_some_and(|old| old.keys != index.keys) {
        indexes.drop_index(name).await?;
    }
    ensure_index(database, collection, index).await
}

/// An index with a name.
pub fn index(name: &str, keys: Document) -> IndexModel {
    IndexModel::builder().keys(keys).options(IndexOptions::builder().name(name.to_owned()).build()).build()
}

/// A unique index with a name; over the documents that match `only`, if given (`partialFilterExpression`).
pub fn unique_index(name: &str, keys: Document, only: Option<Document>) -> IndexModel {
    let mut options = IndexOptions::builder().name(name.to_owned()).unique(true).build();
    options.partial_filter_expression = only;
    IndexModel::builder().keys(keys).options(options).build()
}
