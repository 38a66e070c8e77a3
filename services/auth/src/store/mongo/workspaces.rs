//! Workspaces and members in MongoDB.

use std::collections::HashMap;

use async_trait::async_trait;
use bson::{Document, doc};
use futures::TryStreamExt;
use leadline_runtime::{
    caller::{Role, Scope},
    ids::{UserId, WorkspaceId},
    version::Precondition,
};
use leadline_storage::mongodb::ClientSession;

use super::{
    Collections, Mongo,
    rows::{self, MembershipRow, UserRow, membership_id},
};
use crate::{
    account::{
        Act, Denied, Happened, Member, Name, Person, What, Workspace, WorkspaceChange, keeps_an_owner,
        may_change, may_remove,
    },
    store::{MOST_COUNTED, MOST_PEOPLE, Page, Position, StoreError, Workspaces, broken},
};

pub(super) fn members(scope: Scope) -> Document {
    doc! { "workspaceId": scope.workspace().to_string(), "removedAt": null }
}

pub(super) fn members_after(scope: Scope, after: Option<Position>) -> Document {
    let mut filter = members(scope);
    if let Some(Position { at, id }) = after {
        filter.insert("joinedAt", doc! { "$gte": at.0 });
        let later = doc! { "joinedAt": { "$gt": at.0 } };
        filter.insert("$or", vec![later, doc! { "joinedAt": at.0, "userId": { "$gt": id.to_string() } }]);
    }
    filter
}

pub(super) fn by_joining() -> Document {
    doc! { "joinedAt": 1, "userId": 1 }
}

pub(super) fn owners(workspace: WorkspaceId) -> Document {
    doc! { "workspaceId": workspace.to_string(), "role": Role::Owner.name(), "removedAt": null }
}

pub(super) fn former(scope: Scope) -> Document {
    doc! { "workspaceId": scope.workspace().to_string(), "removedAt": { "$gt": 0_i64 } }
}

impl Collections {
    /// The actor's present role and the membership that they act on; nobody else changes who is in the workspace meanwhile.
    async fn actor_and_target(
        &self,
        session: &mut ClientSession,
        workspace: WorkspaceId,
        actor: UserId,
        target: UserId,
    ) -> Result<(Role, MembershipRow), StoreError> {
        self.touch_people(session, workspace).await?;
        let actor = self.active(session, workspace, actor).await?.ok_or(Denied::NoLongerMember)?;
        let target = self.active(session, workspace, target).await?;
        Ok((actor.role()?, target.ok_or(StoreError::NotFound("member"))?))
    }

    pub(super) async fn keep_an_owner(
        &self,
        session: &mut ClientSession,
        workspace: WorkspaceId,
        from: Role,
        to: Option<Role>,
    ) -> Result<(), StoreError> {
        let count = self.memberships.count_documents(owners(workspace)).session(&mut *session).await?;
        if keeps_an_owner(count, from, to) { Ok(()) } else { Err(StoreError::LastOwner) }
    }
}

impl Mongo {
    async fn users_of(&self, rows: &[MembershipRow]) -> Result<HashMap<String, UserRow>, StoreError> {
        let ids: Vec<&str> = rows.iter().map(|row| row.user_id.as_str()).collect();
        let found = self.all.users.find(doc! { "_id": { "$in": ids } });
        let found: Vec<UserRow> = self.db.run(async { found.await?.try_collect().await }).await?;
        Ok(found.into_iter().map(|row| (row.id.clone(), row)).collect())
    }
}

#[async_trait]
impl Workspaces for Mongo {
    async fn workspace(&self, scope: Scope) -> Result<Workspace, StoreError> {
        let id = doc! { "_id": scope.workspace().to_string() };
        let found = self.db.run(self.all.workspaces.find_one(id)).await?;
        found.ok_or(StoreError::NotFound("workspace"))?.workspace()
    }

    async fn update_workspace(
        &self,
        scope: Scope,
        change: WorkspaceChange,
        condition: Precondition,
        act: Act,
    ) -> Result<Workspace, StoreError> {
        let all = self.all.clone();
        self.db
            .transact(async move |session| {
                let id = doc! { "_id": scope.workspace().to_string() };
                let found = all.workspaces.find_one(id.clone()).session(&mut *session).await?;
                let present = found.ok_or(StoreError::NotFound("workspace"))?.workspace()?;
                condition.check(present.version).map_err(|_| StoreError::VersionMismatch(present.version))?;
                let Some(changed) = present.changed(&change) else { return Ok(present) };
                let set = doc! { "$set": {
                    "name": changed.name.as_str(),
                    "timezone": changed.zone.name(),
                    "version": changed.version.0.cast_signed(),
                } };
                let mut this_version = id;
                this_version.insert("version", present.version.0.cast_signed());
                all.workspaces.update_one(this_version, set).session(&mut *session).await?;
                all.tell(session, &act.did(Some(changed.id), What::WorkspaceChanged)).await?;
                Ok(changed)
            })
            .await
    }

    async fn members(
        &self,
        scope: Scope,
        after: Option<Position>,
        limit: u32,
    ) -> Result<Page<Member>, StoreError> {
        let found = self
            .all
            .memberships
            .find(members_after(scope, after))
            .sort(by_joining())
            .limit(i64::from(limit) + 1);
        let found: Vec<MembershipRow> = self.db.run(async { found.await?.try_collect().await }).await?;
        let count = self.all.memberships.count_documents(members(scope)).limit(MOST_COUNTED.into());
        let total = u32::try_from(self.db.run(count).await?).map_err(|_| broken("number"))?;
        let users = self.users_of(&found).await?;
        let items = found
            .iter()
            .map(|row| row.member(users.get(&row.user_id).ok_or_else(|| broken("membership"))?))
            .collect::<Result<_, _>>()?;
        Ok(Page::of(items, limit, total))
    }

    async fn change_role(
        &self,
        scope: Scope,
        target: UserId,
        role: Role,
        act: Act,
    ) -> Result<(Member, Option<Happened>), StoreError> {
        let all = self.all.clone();
        self.db
            .transact(async move |session| {
                let workspace = scope.workspace();
                let (actor, row) = all.actor_and_target(session, workspace, act.actor, target).await?;
                let user =
                    all.users.find_one(doc! { "_id": target.to_string() }).session(&mut *session).await?;
                let mut member = row.member(&user.ok_or_else(|| broken("membership"))?)?;
                may_change(actor, member.role, role)?;
                if member.role == role {
                    return Ok((member, None));
                }
                all.keep_an_owner(session, workspace, member.role, Some(role)).await?;
                let set = doc! { "$set": { "role": role.name(), "voidBefore": act.void_before().0 } };
                all.memberships.update_one(doc! { "_id": &row.id }, set).session(&mut *session).await?;
                let happened = act.did(Some(workspace), What::RoleChanged(target));
                all.tell(session, &happened).await?;
                member.role = role;
                Ok((member, Some(happened)))
            })
            .await
    }

    async fn remove_member(&self, scope: Scope, target: UserId, act: Act) -> Result<Happened, StoreError> {
        let all = self.all.clone();
        self.db
            .transact(async move |session| {
                let workspace = scope.workspace();
                let (actor, row) = all.actor_and_target(session, workspace, act.actor, target).await?;
                may_remove(actor, row.role()?, target == act.actor)?;
                all.keep_an_owner(session, workspace, row.role()?, None).await?;
                let set = doc! { "$set": { "removedAt": act.at.0, "voidBefore": act.void_before().0 } };
                all.memberships.update_one(doc! { "_id": &row.id }, set).session(&mut *session).await?;
                let happened = act.did(Some(workspace), What::MemberRemoved(target));
                all.tell(session, &happened).await?;
                Ok(happened)
            })
            .await
    }

    async fn people(&self, scope: Scope) -> Result<Vec<Person>, StoreError> {
        let present = self.all.memberships.find(members(scope)).limit(MOST_PEOPLE.into());
        let mut found: Vec<MembershipRow> = self.db.run(async { present.await?.try_collect().await }).await?;
        let room = i64::from(MOST_PEOPLE) - i64::try_from(found.len()).unwrap_or(i64::MAX);
        // A limit of 0 would be none.
        if room > 0 {
            let former = self.all.memberships.find(former(scope)).sort(doc! { "removedAt": -1 }).limit(room);
            let former: Vec<MembershipRow> = self.db.run(async { former.await?.try_collect().await }).await?;
            found.extend(former);
        }
        let users = self.users_of(&found).await?;
        found
            .iter()
            .map(|row| {
                let user = users.get(&row.user_id).ok_or_else(|| broken("membership"))?;
                Ok(Person {
                    id: rows::id(&row.user_id)?.into(),
                    name: Name::stored(user.name.clone()),
                    member: row.removed_at.is_none(),
                })
            })
            .collect()
    }

    async fn members_among(&self, scope: Scope, users: Vec<UserId>) -> Result<Vec<UserId>, StoreError> {
        let ids: Vec<String> = users.iter().map(|user| membership_id(scope.workspace(), *user)).collect();
        let found = self.all.memberships.find(doc! { "_id": { "$in": ids }, "removedAt": null });
        let found: Vec<MembershipRow> = self.db.run(async { found.await?.try_collect().await }).await?;
        found.iter().map(|row| Ok(rows::id(&row.user_id)?.into())).collect()
    }
}
