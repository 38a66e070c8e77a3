//! Events that wait, in MongoDB: in the order of their ids, which is about the order of time.

use async_trait::async_trait;
use bson::doc;
use futures::TryStreamExt;
use leadline_bus::{Backlog, Outbox, OutboxError, OutboxRow, PendingEvent};
use tokio::sync::watch;

use super::{
    Mongo,
    rows::{OutboxDocument, ParkedRow},
};

#[async_trait]
impl Outbox for Mongo {
    async fn pending(
        &self,
        after: Option<&OutboxRow>,
        limit: usize,
    ) -> Result<Vec<PendingEvent>, OutboxError> {
        let after = after.and_then(OutboxRow::text).unwrap_or_default();
        let found = self
            .all
            .outbox
            .find(doc! { "_id": { "$gt": after } })
            .sort(doc! { "_id": 1 })
            .limit(i64::try_from(limit)?);
        let found: Vec<OutboxDocument> = self.db.run(async { found.await?.try_collect().await }).await?;
        Ok(found.into_iter().map(|row| PendingEvent::new(row.id, row.key, row.event.bytes)).collect())
    }

    async fn mark_published(&self, rows: &[OutboxRow]) -> Result<(), OutboxError> {
        let ids: Vec<&str> = rows.iter().filter_map(OutboxRow::text).collect();
        self.db.run(self.all.outbox.delete_many(doc! { "_id": { "$in": ids } })).await?;
        Ok(())
    }

    async fn park(&self, row: &OutboxRow, consumer: &str, reason: &str) -> Result<(), OutboxError> {
        let id = row.text().unwrap_or_default();
        let Some(found) = self.db.run(self.all.outbox.find_one(doc! { "_id": id })).await? else {
            return Ok(());
        };
        let parked = ParkedRow {
            id: format!("{id}/{consumer}"),
            consumer: consumer.to_owned(),
            reason: reason.to_owned(),
            event: found.event,
        };
        let this = doc! { "_id": &parked.id };
        self.db.run(self.all.parked.replace_one(this, &parked).upsert(true)).await?;
        Ok(())
    }

    async fn backlog(&self) -> Result<Backlog, OutboxError> {
        let depth = self.db.run(self.all.outbox.count_documents(doc! {})).await?;
        let oldest = self.db.run(self.all.outbox.find_one(doc! {}).sort(doc! { "_id": 1 })).await?;
        Ok(Backlog { depth, oldest_at_ms: oldest.map(|row| row.at) })
    }

    fn committed(&self) -> watch::Receiver<u64> {
        self.db.committed()
    }
}
