//! Accounts in a MongoDB database.
//!
//! Reads and writes that belong together run in one transaction. Where two transactions could each be right alone and wrong
//! together, both write a document that they have in common, so that one of them is run again: the workspace, for who is in it;
//! the user, for what their password is.

mod accounts;
mod erasure;
mod invitations;
mod outbox;
mod rows;
mod schema;
mod sessions;
mod workspaces;

use std::sync::Arc;

use async_trait::async_trait;
use bson::{Document, doc};
use futures::TryStreamExt;
use leadline_bus::Outbox;
use leadline_runtime::{
    ids::{UserId, WorkspaceId},
    once::{self, Once},
    stop::Stop,
    time::Millis,
};
use leadline_storage::{
    MongoUri, StorageError,
    mongodb::{ClientSession, Collection},
};

use super::{Answer, ENDED_KEPT, SETTLED_KEPT, Store, StoreError};
use crate::{
    account::{Happened, Standing},
    events,
};
use rows::{
    InvitationRow, MembershipRow, OnceRow, OutboxDocument, ParkedRow, SessionRow, UserRow, WorkspaceRow,
    binary, membership_id,
};

/// The adapter.
#[derive(Clone)]
pub(super) struct Mongo {
    db: leadline_storage::Mongo,
    all: Collections,
}

/// The collections: what transactions need of the adapter.
#[derive(Clone)]
struct Collections {
    users: Collection<UserRow>,
    workspaces: Collection<WorkspaceRow>,
    memberships: Collection<MembershipRow>,
    sessions: Collection<SessionRow>,
    invitations: Collection<InvitationRow>,
    outbox: Collection<OutboxDocument>,
    parked: Collection<ParkedRow>,
    once: Collection<OnceRow>,
}

impl Mongo {
    /// Connects, waits until the server can serve, and brings the database up to date.
    pub(super) async fn open(uri: &MongoUri, stop: &Stop) -> Result<Self, StorageError> {
        let name = leadline_storage::Mongo::database_name(uri.reveal(), "auth")?;
        let db = leadline_storage::Mongo::open(uri.reveal(), &name, "leadline-auth").await?;
        db.wait_ready(stop.stopping()).await?;
        db.migrate(schema::MIGRATIONS).await?;
        let all = Collections {
            users: db.collection("users"),
            workspaces: db.collection("workspaces"),
            memberships: db.collection("memberships"),
            sessions: db.collection("sessions"),
            invitations: db.collection("invitations"),
            outbox: db.collection("outbox"),
            parked: db.collection("parked"),
            once: db.collection("once"),
        };
        Ok(Self { db, all })
    }
}

impl Collections {
    /// Writes an event into the outbox, in the transaction of what it tells of.
    async fn tell(&self, session: &mut ClientSession, happened: &Happened) -> Result<(), StoreError> {
        let (key, bytes) = events::encode(happened);
        let row = OutboxDocument {
            id: happened.id.to_string(),
            at: happened.at.0,
            key: key.to_owned(),
            event: binary(bytes),
        };
        self.outbox.insert_one(row).session(&mut *session).await?;
        Ok(())
    }

    /// Remembers an answer.
    ///
    /// # Errors
    /// [`StoreError::Answered`] if there is one.
    async fn remember(
        &self,
        session: &mut ClientSession,
        answer: Option<&Answer>,
        now: Millis,
    ) -> Result<(), StoreError> {
        let Some(answer) = answer else { return Ok(()) };
        let id = doc! { "_id": &answer.once.id };
        let known = self.once.find_one(id.clone()).session(&mut *session).await?;
        if let Some(known) = known.filter(|known| known.at >= now.before(once::KEPT).0) {
            return Err(StoreError::Answered(known.into_answer()));
        }
        let row = OnceRow {
            id: answer.once.id.clone(),
            fingerprint: answer.once.fingerprint.clone(),
            answer: binary(answer.bytes.clone()),
            at: now.0,
        };
        self.once.replace_one(id, row).upsert(true).session(&mut *session).await?;
        Ok(())
    }

    /// Remembers a key for its request, which may be carried out again.
    ///
    /// # Errors
    /// [`StoreError::Answered`] if it was used for another one.
    async fn claim(
        &self,
        session: &mut ClientSession,
        once: Option<&Once>,
        now: Millis,
    ) -> Result<(), StoreError> {
        let Some(once) = once else { return Ok(()) };
        super::again(once, self.remember(session, Some(&Answer::nothing(once.clone())), now).await)
    }

    /// Somebody's membership; `None` if they are not a member now.
    async fn active(
        &self,
        session: &mut ClientSession,
        workspace: WorkspaceId,
        user: UserId,
    ) -> Result<Option<MembershipRow>, StoreError> {
        let found = self.memberships.find_one(doc! { "_id": membership_id(workspace, user) });
        Ok(found.session(&mut *session).await?.filter(|row| row.removed_at.is_none()))
    }

    /// Where somebody stands in a workspace; `None` if they are not a member.
    async fn standing(
        &self,
        session: &mut ClientSession,
        workspace: WorkspaceId,
        user: UserId,
    ) -> Result<Option<Standing>, StoreError> {
        let Some(membership) = self.active(session, workspace, user).await? else { return Ok(None) };
        let workspace =
            self.workspaces.find_one(doc! { "_id": workspace.to_string() }).session(&mut *session).await?;
        let user = self.users.find_one(doc! { "_id": user.to_string() }).session(&mut *session).await?;
        rows::standing(&membership, workspace, user).map(Some)
    }

    /// Makes transactions that change who is in a workspace run one after the other.
    async fn touch_people(
        &self,
        session: &mut ClientSession,
        workspace: WorkspaceId,
    ) -> Result<(), StoreError> {
        let touched = self
            .workspaces
            .update_one(doc! { "_id": workspace.to_string() }, doc! { "$inc": { "people": 1_i64 } })
            .session(&mut *session)
            .await?;
        if touched.matched_count == 0 { Err(StoreError::NotFound("workspace")) } else { Ok(()) }
    }
}

/// What [`Store::sweep`] deletes: each finds its rows by an index over all workspaces and people, as only a sweep may.
fn sweeps(now: Millis) -> [(&'static str, Document); 4] {
    let before = |at: Millis| doc! { "$gt": 0_i64, "$lt": at.0 };
    [
        ("sessions", doc! { "expiresAt": before(now) }),
        ("sessions", doc! { "endedAt": before(now.before(ENDED_KEPT)) }),
        ("invitations", doc! { "expiresAt": before(now.before(SETTLED_KEPT)) }),
        ("once", doc! { "at": before(now.before(once::KEPT)) }),
    ]
}

#[async_trait]
impl Store for Mongo {
    async fn answered(&self, once: &Once, since: Millis) -> Result<Option<Answer>, StoreError> {
        let found = self.db.run(self.all.once.find_one(doc! { "_id": &once.id })).await?;
        Ok(found.filter(|row| row.at >= since.0).map(OnceRow::into_answer))
    }

    async fn sweep(&self, now: Millis, limit: u32) -> Result<u64, StoreError> {
        let mut swept = 0;
        for (collection, filter) in sweeps(now) {
            let collection = self.db.collection::<Document>(collection);
            let found = collection.find(filter.clone()).projection(doc! { "_id": 1 }).limit(limit.into());
            let found: Vec<Document> = self.db.run(async { found.await?.try_collect().await }).await?;
            let ids: Vec<_> = found.iter().filter_map(|row| row.get("_id").cloned()).collect();
            if !ids.is_empty() {
                let mut these = filter;
                these.insert("_id", doc! { "$in": ids });
                swept += self.db.run(collection.delete_many(these)).await?.deleted_count;
            }
        }
        Ok(swept)
    }

    fn outbox(&self) -> Arc<dyn Outbox> {
        Arc::new(self.clone())
    }

    async fn ping(&self) -> Result<(), StorageError> {
        self.db.ping().await
    }

    async fn close(&self) {
        self.db.close().await;
    }
}

#[cfg(test)]
mod tests {
    use leadline_runtime::caller::Scope;
    use leadline_storage::{StoreUrl, mongo::plan_stages};

    use super::*;
    use crate::{account::EmailKey, store::Position};

    #[tokio::test(flavor = "multi_thread")]
    async fn every_query_of_a_request_finds_its_rows_by_an_index() -> anyhow::Result<()> {
        let server = leadline_testbed::mongo().await?;
        let StoreUrl::Mongo(uri) = StoreUrl::parse(&server.fresh_uri())? else { panic!("a MongoDB address") };
        let store = Mongo::open(&uri, &Stop::new()).await?;
        let (user, now) = (UserId::new(), Millis::now());
        let scope = Scope::of_own_row(WorkspaceId::new());
        let after = Some(Position { at: now, id: user.uuid() });
        let none = Document::new;
        let mut queries = vec![
            ("users", accounts::by_email(&EmailKey::of("a@b.c")), none()),
            ("memberships", accounts::memberships_of(user), doc! { "joinedAt": 1 }),
            ("memberships", accounts::every_membership_of(user), none()),
            ("sessions", sessions::live_of(user, now), sessions::newest()),
            ("sessions", sessions::ended_since(now), none()),
            ("memberships", sessions::void_since(now), none()),
            ("memberships", workspaces::members_after(scope, None), workspaces::by_joining()),
            ("memberships", workspaces::members_after(scope, after), workspaces::by_joining()),
            ("memberships", workspaces::owners(scope.workspace()), none()),
            ("memberships", workspaces::former(scope), doc! { "removedAt": -1 }),
            ("invitations", invitations::open_before(scope, now, None), invitations::newest()),
            ("invitations", invitations::open_before(scope, now, after), invitations::newest()),
            ("invitations", erasure::invited(&EmailKey::of("a@b.c")), none()),
            ("invitations", erasure::invited_by(scope.workspace()), none()),
            ("invitations", invitations::open_for(scope.workspace(), &EmailKey::of("a@b.c")), none()),
        ];
        queries.extend(sweeps(now).map(|(collection, filter)| (collection, filter, none())));
        for (collection, filter, sort) in queries {
            let plan = store.db.explain(doc! { "find": collection, "filter": &filter, "sort": sort }).await?;
            let stages = plan_stages(&plan);
            assert!(
                stages.iter().any(|stage| stage.starts_with("IXSCAN")),
                "{collection} {filter}\n{stages:?}"
            );
            assert!(
                !stages.iter().any(|stage| stage == "COLLSCAN" || stage == "SORT"),
                "{collection} {filter}\n{stages:?}"
            );
        }
        store.close().await;
        Ok(())
    }
}
