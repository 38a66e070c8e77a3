//! People in MongoDB.

use std::collections::HashMap;

use async_trait::async_trait;
use bson::{Document, doc};
use futures::TryStreamExt;
use leadline_runtime::{
    caller::{Role, Scope},
    ids::{UserId, WorkspaceId},
};

use super::{
    Mongo,
    rows::{self, MembershipRow, SessionRow, UserRow, WorkspaceRow, membership_id},
    sessions,
};
use crate::{
    account::{Act, EmailKey, Happened, Name, What},
    password::PasswordHash,
    store::{Account, Accounts, MOST_WORKSPACES, Me, PasswordChange, Registration, StoreError, broken},
};

pub(super) fn by_email(email: &EmailKey) -> Document {
    doc! { "emailKey": email.as_str() }
}

pub(super) fn memberships_of(user: UserId) -> Document {
    doc! { "userId": user.to_string(), "removedAt": null }
}

pub(super) fn every_membership_of(user: UserId) -> Document {
    doc! { "userId": user.to_string() }
}

#[async_trait]
impl Accounts for Mongo {
    async fn register(&self, new: Registration, act: Act) -> Result<(), StoreError> {
        let all = self.all.clone();
        self.db
            .transact(async move |session| {
                let (user, workspace) = (new.account.user.id, new.workspace.id);
                all.users.insert_one(UserRow::new(&new.account, workspace)).session(&mut *session).await?;
                all.workspaces.insert_one(WorkspaceRow::new(&new.workspace)).session(&mut *session).await?;
                let membership = MembershipRow::new(workspace, user, Role::Owner, act.at);
                all.memberships.insert_one(membership).session(&mut *session).await?;
                if let Some(begun) = new.session.clone() {
                    let row = SessionRow::new(&begun.begin(user, workspace));
                    all.sessions.insert_one(row).session(&mut *session).await?;
                }
                all.tell(session, &act.did(Some(workspace), What::MemberJoined(user))).await
            })
            .await
    }

    async fn account_by_email(&self, email: &EmailKey) -> Result<Option<Account>, StoreError> {
        let found = self.db.run(self.all.users.find_one(by_email(email))).await?;
        found.map(UserRow::into_account).transpose()
    }

    async fn account(&self, user: UserId) -> Result<Option<Account>, StoreError> {
        let found = self.db.run(self.all.users.find_one(doc! { "_id": user.to_string() })).await?;
        found.map(UserRow::into_account).transpose()
    }

    async fn first_workspace(&self, user: UserId) -> Result<Option<WorkspaceId>, StoreError> {
        let first = self.all.memberships.find_one(memberships_of(user)).sort(doc! { "joinedAt": 1 });
        let found = self.db.run(first).await?;
        found.map(|row| Ok(rows::id(&row.workspace_id)?.into())).transpose()
    }

    async fn rename(&self, user: UserId, name: Name, act: Act) -> Result<(), StoreError> {
        let all = self.all.clone();
        self.db
            .transact(async move |session| {
                let id = doc! { "_id": user.to_string() };
                let found = all.users.find_one(id.clone()).session(&mut *session).await?;
                let present = found.ok_or(StoreError::NotFound("user"))?;
                if present.name == name.as_str() {
                    return Ok(());
                }
                let change = doc! { "$set": { "name": name.as_str() } };
                all.users.update_one(id, change).session(&mut *session).await?;
                let mut memberships =
                    all.memberships.find(every_membership_of(user)).session(&mut *session).await?;
                let memberships: Vec<MembershipRow> = memberships.stream(session).try_collect().await?;
                for membership in memberships {
                    let workspace = rows::id(&membership.workspace_id)?.into();
                    all.tell(session, &act.did(Some(workspace), What::PersonRenamed(user))).await?;
                }
                Ok(())
            })
            .await
    }

    async fn change_password(&self, change: PasswordChange, act: Act) -> Result<Vec<Happened>, StoreError> {
        let all = self.all.clone();
        self.db
            .transact(async move |session| {
                all.remember(session, change.answer.as_ref(), act.at).await?;
                let user = change.user;
                let verified = doc! { "_id": user.to_string(), "passwordHash": change.verified.reveal() };
                let new =
                    doc! { "$set": { "passwordHash": change.new.reveal() }, "$inc": { "revision": 1_i64 } };
                if all.users.update_one(verified, new).session(&mut *session).await?.matched_count == 0 {
                    return Err(StoreError::PasswordChanged);
                }
                let live = sessions::live_of(user, act.at);
                let mut found = all.sessions.find(live).session(&mut *session).await?;
                let found: Vec<SessionRow> = found.stream(session).try_collect().await?;
                let mut happened = Vec::new();
                for row in found {
                    let id = rows::id(&row.id)?.into();
                    if Some(id) != change.keep {
                        happened.push(all.end(session, id, user, &act).await?);
                    }
                }
                Ok(happened)
            })
            .await
    }

    async fn erase(
        &self,
        user: UserId,
        verified: PasswordHash,
        workspaces: bool,
        act: Act,
    ) -> Result<Vec<Happened>, StoreError> {
        let all = self.all.clone();
        self.db
            .transact(async move |session| all.erase(session, user, &verified, workspaces, &act).await)
            .await
    }

    async fn me(&self, user: UserId, scope: Scope) -> Result<Option<Me>, StoreError> {
        let (db, all) = (&self.db, &self.all);
        let here = doc! { "_id": membership_id(scope.workspace(), user) };
        let here = db.run(all.memberships.find_one(here)).await?;
        let Some(here) = here.filter(|row| row.removed_at.is_none()) else { return Ok(None) };
        let found = db.run(all.users.find_one(doc! { "_id": user.to_string() })).await?;
        let memberships = all
            .memberships
            .find(memberships_of(user))
            .sort(doc! { "joinedAt": 1 })
            .limit(MOST_WORKSPACES.into());
        let memberships: Vec<MembershipRow> =
            db.run(async { memberships.await?.try_collect().await }).await?;
        let mut ids: Vec<&str> = memberships.iter().map(|row| row.workspace_id.as_str()).collect();
        ids.push(&here.workspace_id);
        let workspaces = all.workspaces.find(doc! { "_id": { "$in": ids } });
        let workspaces: Vec<WorkspaceRow> = db.run(async { workspaces.await?.try_collect().await }).await?;
        let workspaces: HashMap<String, WorkspaceRow> =
            workspaces.into_iter().map(|row| (row.id.clone(), row)).collect();
        let standing = rows::standing(&here, workspaces.get(&here.workspace_id).cloned(), found)?;
        let memberships = memberships
            .iter()
            .map(|row| row.membership(workspaces.get(&row.workspace_id).ok_or_else(|| broken("membership"))?))
            .collect::<Result<_, _>>()?;
        Ok(Some(Me { standing, memberships }))
    }
}
