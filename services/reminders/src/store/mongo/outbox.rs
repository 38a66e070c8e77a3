//! The outbox in MongoDB: what is yet to be published.

use async_trait::async_trait;
use bson::{Document, doc};
use futures::TryStreamExt;
use leadline_bus::{Backlog, Outbox, OutboxError, OutboxRow, PendingEvent};
use tokio::sync::watch;

use super::MongoStore;

#[async_trait]
impl Outbox for MongoStore {
    async fn pending(
        &self,
        after: Option<&OutboxRow>,
        limit: usize,
    ) -> Result<Vec<PendingEvent>, OutboxError> {
        let mut filter = doc! { "published": false };
        if let Some(after) = after.and_then(OutboxRow::text) {
            filter.insert("_id", doc! { "$gt": after });
        }
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows: Vec<Document> = self
            .mongo
            .run(async {
                self.tables
                    .outbox
                    .find(filter)
                    .sort(doc! { "_id": 1 })
                    .limit(limit)
                    .await?
                    .try_collect()
                    .await
            })
            .await?;
        Ok(rows
            .iter()
            .filter_map(|row| {
                Some(PendingEvent::new(
                    row.get_str("_id").ok()?,
                    row.get_str("key").ok()?.to_owned(),
                    row.get_binary_generic("event").ok()?.clone(),
                ))
            })
            .collect())
    }

    async fn mark_published(&self, rows: &[OutboxRow]) -> Result<(), OutboxError> {
        let ids: Vec<&str> = rows.iter().filter_map(OutboxRow::text).collect();
        let erased = doc! { "_id": { "$in": &ids }, "erased": true };
        self.mongo.run(self.tables.outbox.delete_many(erased)).await?;
        let update = self
            .tables
            .outbox
            .update_many(doc! { "_id": { "$in": ids } }, doc! { "$set": { "published": true } });
        self.mongo.run(update).await?;
        Ok(())
    }

    async fn park(&self, row: &OutboxRow, consumer: &str, reason: &str) -> Result<(), OutboxError> {
        let row = row.text().unwrap_or_default();
        let id = format!("{row}/{consumer}");
        let park = self
            .tables
            .parked
            .update_one(
                doc! { "_id": id },
                doc! { "$setOnInsert": { "event": row, "consumer": consumer, "reason": reason } },
            )
            .upsert(true);
        self.mongo.run(park).await?;
        Ok(())
    }

    async fn backlog(&self) -> Result<Backlog, OutboxError> {
        let filter = doc! { "published": false };
        let depth = self.mongo.run(self.tables.outbox.count_documents(filter.clone())).await?;
        let oldest = self.mongo.run(self.tables.outbox.find_one(filter).sort(doc! { "_id": 1 })).await?;
        Ok(Backlog { depth, oldest_at_ms: oldest.and_then(|row| row.get_i64("at").ok()) })
    }

    fn committed(&self) -> watch::Receiver<u64> {
        self.mongo.committed()
    }
}
