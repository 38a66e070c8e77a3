//! Counting documents, up to a bound.

use bson::{Document, doc};

use super::{DEADLINE, Mongo};
use crate::StorageError;

/// Which documents to count.
#[derive(Debug, Clone, PartialEq)]
pub struct Count {
    /// The collection.
    pub collection: &'static str,
    /// What they match. Where the bounds of the index say all of it in one interval, the server counts keys and nothing else,
    /// in a third of the time that the driver's `count_documents` takes, which is an aggregation.
    pub filter: Document,
    /// The name of the index that leads to them.
    pub index: &'static str,
    /// Where counting stops.
    pub limit: u64,
}

impl Count {
    /// What the server is asked; also for [`Mongo::explain`].
    pub fn command(&self) -> Document {
        doc! {
            "count": self.collection,
            "query": self.filter.clone(),
            "hint": self.index,
            "limit": i64::try_from(self.limit).unwrap_or(i64::MAX),
        }
    }
}

impl Mongo {
    /// Counts documents of majority-committed data, outside of transactions. Who asks for the same count at the same time has
    /// it together ([`Coalesce`](crate::Coalesce)).
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn count(&self, count: &Count) -> Result<u64, StorageError> {
        let mut command = count.command();
        // The driver gives commands neither the client's read concern nor the second try that its own reads have.
        command.insert("readConcern", doc! { "level": "majority" });
        command.insert("maxTimeMS", i64::try_from(DEADLINE.as_millis()).unwrap_or(i64::MAX) - 1_000);
        let question = command.to_vec().map_err(|error| StorageError::Internal(error.to_string()))?;
        let work = async || match self.run(self.inner.database.run_command(command.clone())).await {
            Err(StorageError::Unavailable(_)) => {
                self.run(self.inner.database.run_command(command)).await.and_then(|counted| number(&counted))
            }
            counted => counted.and_then(|counted| number(&counted)),
        };
        self.inner.counts.ask(question, work).await
    }
}

fn number(counted: &Document) -> Result<u64, StorageError> {
    let number = counted.get_i32("n").map(i64::from).or_else(|_| counted.get_i64("n"));
    number
        .map(i64::cast_unsigned)
        .map_err(|_| StorageError::Internal("the server's count is no number".to_owned()))
}
