//! Erasing a person in MongoDB.

use std::ops::Range;

use bson::{Document, doc};
use futures::TryStreamExt;
use leadline_runtime::{
    caller::Scope,
    ids::{UserId, WorkspaceId},
    once::Once,
};
use leadline_storage::mongodb::ClientSession;

use super::{
    Collections, accounts,
    rows::{self, InvitationRow, MembershipRow, OnceRow, SessionRow, binary},
    workspaces,
};
use crate::{
    account::{Act, EmailKey, Happened, Name, What},
    password::PasswordHash,
    store::{StoreError, erased_key, tells_of},
};

/// Invitations to an address, whatever became of them.
pub(super) fn invited(email: &EmailKey) -> Document {
    doc! { "emailKey": email.as_str() }
}

/// Invitations into a workspace, whatever became of them.
pub(super) fn invited_by(workspace: WorkspaceId) -> Document {
    doc! { "workspaceId": workspace.to_string() }
}

fn keys(range: &Range<String>) -> Document {
    doc! { "_id": { "$gte": &range.start, "$lt": &range.end } }
}

impl Collections {
    /// Erases a person, in the transaction of the caller.
    pub(super) async fn erase(
        &self,
        session: &mut ClientSession,
        user: UserId,
        verified: &PasswordHash,
        workspaces: bool,
        act: &Act,
    ) -> Result<Vec<Happened>, StoreError> {
        let id = doc! { "_id": user.to_string() };
        let found = self.users.find_one(id.clone()).session(&mut *session).await?;
        let found =
            found.filter(|row| row.password_hash == verified.reveal()).ok_or(StoreError::PasswordChanged)?;
        let email = found.into_account()?.user.email.key();
        // Also makes sign-ins wait, and acceptances of invitations: they write the same document.
        let nobody = doc! {
            "$set": { "name": "", "email": "", "emailKey": erased_key(user), "passwordHash": "" },
            "$inc": { "revision": 1_i64 },
        };
        self.users.update_one(id, nobody).session(&mut *session).await?;

        let mut happened = Vec::new();
        let of_user = doc! { "userId": user.to_string() };
        let mut live = of_user.clone();
        live.insert("endedAt", bson::Bson::Null);
        let mut found = self.sessions.find(live).session(&mut *session).await?;
        let found: Vec<SessionRow> = found.stream(session).try_collect().await?;
        for row in found {
            happened.push(self.end(session, rows::id(&row.id)?.into(), user, act).await?);
        }
        // Their ids are told for a while yet, as what is void.
        let scrubbed = doc! { "$set": {
            "address": "", "agent": "", "currentHash": binary(vec![0; 32]), "previousHash": null,
        } };
        self.sessions.update_many(of_user, scrubbed).session(&mut *session).await?;

        let mut found =
            self.memberships.find(accounts::every_membership_of(user)).session(&mut *session).await?;
        let places: Vec<MembershipRow> = found.stream(session).try_collect().await?;
        let (mut alone, mut left) = (Vec::new(), Vec::new());
        for place in places.iter().filter(|place| place.removed_at.is_none()) {
            if self.leaves_nobody(session, place).await? {
                left.push(self.name_of(session, place).await?);
                alone.push(place.id.clone());
            }
        }
        if !left.is_empty() && !workspaces {
            return Err(StoreError::OnlyMemberOf(left));
        }
        for place in places {
            let alone = alone.contains(&place.id);
            happened.push(self.leave_for_good(session, user, &place, alone, act).await?);
            if alone {
                happened.push(self.erase_workspace(session, &place, act).await?);
            }
        }
        self.forget_invited(session, &email).await?;
        Ok(happened)
    }

    /// Takes a person out of a workspace that they are or were in.
    async fn leave_for_good(
        &self,
        session: &mut ClientSession,
        user: UserId,
        place: &MembershipRow,
        alone: bool,
        act: &Act,
    ) -> Result<Happened, StoreError> {
        let workspace: WorkspaceId = rows::id(&place.workspace_id)?.into();
        // Where they were once, their name is another one now: none.
        let mut what = What::PersonRenamed(user);
        if place.removed_at.is_none() {
            if !alone {
                match self.keep_an_owner(session, workspace, place.role()?, None).await {
                    Err(StoreError::LastOwner) => {
                        return Err(StoreError::LastOwnerOf(self.name_of(session, place).await?));
                    }
                    other => other?,
                }
            }
            what = What::MemberRemoved(user);
            let set = doc! { "$set": { "removedAt": act.at.0, "voidBefore": act.void_before().0 } };
            self.memberships.update_one(doc! { "_id": &place.id }, set).session(&mut *session).await?;
        }
        let own = keys(&Once::of_person(workspace, user));
        self.once.delete_many(own).session(&mut *session).await?;
        let told = act.did(Some(workspace), what);
        self.tell(session, &told).await?;
        Ok(told)
    }

    /// Whether a member is the only one; nobody else changes who is in the workspace meanwhile.
    async fn leaves_nobody(
        &self,
        session: &mut ClientSession,
        place: &MembershipRow,
    ) -> Result<bool, StoreError> {
        let workspace = rows::id(&place.workspace_id)?.into();
        self.touch_people(session, workspace).await?;
        let members = workspaces::members(Scope::of_own_row(workspace));
        Ok(self.memberships.count_documents(members).limit(2).session(&mut *session).await? < 2)
    }

    async fn name_of(&self, session: &mut ClientSession, place: &MembershipRow) -> Result<Name, StoreError> {
        let found = self.workspaces.find_one(doc! { "_id": &place.workspace_id });
        let found = found.session(&mut *session).await?;
        Ok(Name::stored(found.map(|row| row.name).unwrap_or_default()))
    }

    /// Erases a workspace of which nobody is a member any more. Their tokens for it are void: they have been taken out of it.
    /// What remains is that it was.
    async fn erase_workspace(
        &self,
        session: &mut ClientSession,
        place: &MembershipRow,
        act: &Act,
    ) -> Result<Happened, StoreError> {
        let workspace: WorkspaceId = rows::id(&place.workspace_id)?.into();
        self.once.delete_many(keys(&Once::of_workspace(workspace))).session(&mut *session).await?;
        self.invitations.delete_many(invited_by(workspace)).session(&mut *session).await?;
        let nothing = doc! {
            "$set": { "name": "", "timezone": "UTC", "erasedAt": act.at.0 }, "$inc": { "version": 1_i64 },
        };
        let id = doc! { "_id": &place.workspace_id };
        self.workspaces.update_one(id, nothing).session(&mut *session).await?;
        let told = act.did(Some(workspace), What::WorkspaceErased);
        self.tell(session, &told).await?;
        Ok(told)
    }

    /// Takes away invitations to an address, and what was answered to those who invited it.
    async fn forget_invited(&self, session: &mut ClientSession, email: &EmailKey) -> Result<(), StoreError> {
        let mut found = self.invitations.find(invited(email)).session(&mut *session).await?;
        let found: Vec<InvitationRow> = found.stream(session).try_collect().await?;
        for invitation in found {
            let workspace = rows::id(&invitation.workspace_id)?.into();
            let of_workspace = keys(&Once::of_workspace(workspace));
            let mut answers = self.once.find(of_workspace).session(&mut *session).await?;
            let answers: Vec<OnceRow> = answers.stream(session).try_collect().await?;
            let addresses = [invitation.email];
            let told: Vec<String> = answers
                .into_iter()
                .filter(|row| tells_of(&row.answer.bytes, &addresses))
                .map(|row| row.id)
                .collect();
            self.once.delete_many(doc! { "_id": { "$in": told } }).session(&mut *session).await?;
        }
        self.invitations.delete_many(invited(email)).session(&mut *session).await?;
        Ok(())
    }
}
