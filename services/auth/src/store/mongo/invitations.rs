//! Invitations in MongoDB.

use async_trait::async_trait;
use bson::{Document, doc};
use futures::TryStreamExt;
use leadline_runtime::{caller::Scope, ids::WorkspaceId, time::Millis};
use leadline_storage::mongodb::ClientSession;

use super::{
    Collections, Mongo,
    accounts::by_email,
    rows::{self, InvitationRow, MembershipRow, UserRow, membership_id},
};
use crate::{
    account::{Act, Denied, EmailKey, Standing, What, may_give},
    invitation::{Invitation, InvitationId, State},
    store::{Acceptance, Answer, Invitations, Invitee, MOST_COUNTED, Page, Position, StoreError, broken},
};

fn open(scope: Scope, now: Millis) -> Document {
    doc! {
        "workspaceId": scope.workspace().to_string(),
        "state": State::Open.name(),
        "expiresAt": { "$gt": now.0 },
    }
}

pub(super) fn open_before(scope: Scope, now: Millis, after: Option<Position>) -> Document {
    let mut filter = open(scope, now);
    if let Some(Position { at, id }) = after {
        filter.insert("createdAt", doc! { "$lte": at.0 });
        let earlier = doc! { "createdAt": { "$lt": at.0 } };
        filter.insert("$or", vec![earlier, doc! { "createdAt": at.0, "_id": { "$lt": id.to_string() } }]);
    }
    filter
}

pub(super) fn newest() -> Document {
    doc! { "createdAt": -1, "_id": -1 }
}

pub(super) fn open_for(workspace: WorkspaceId, email: &EmailKey) -> Document {
    doc! { "workspaceId": workspace.to_string(), "emailKey": email.as_str(), "state": State::Open.name() }
}

impl Collections {
    async fn invitation(
        &self,
        session: &mut ClientSession,
        id: InvitationId,
    ) -> Result<Option<Invitation>, StoreError> {
        let found = self.invitations.find_one(doc! { "_id": id.to_string() }).session(&mut *session).await?;
        found.as_ref().map(InvitationRow::invitation).transpose()
    }

    async fn settle(
        &self,
        session: &mut ClientSession,
        which: Document,
        state: State,
    ) -> Result<(), StoreError> {
        let set = doc! { "$set": { "state": state.name() } };
        self.invitations.update_one(which, set).session(&mut *session).await?;
        Ok(())
    }
}

#[async_trait]
impl Invitations for Mongo {
    async fn invite(&self, new: Invitation, answer: Option<Answer>, act: Act) -> Result<(), StoreError> {
        let all = self.all.clone();
        self.db
            .transact(async move |session| {
                all.remember(session, answer.as_ref(), act.at).await?;
                all.touch_people(session, new.workspace).await?;
                let actor = all.active(session, new.workspace, act.actor).await?;
                may_give(actor.ok_or(Denied::NoLongerMember)?.role()?, new.role)?;
                let key = new.email.key();
                if let Some(user) = all.users.find_one(by_email(&key)).session(&mut *session).await? {
                    let user = rows::id(&user.id)?.into();
                    if all.active(session, new.workspace, user).await?.is_some() {
                        return Err(StoreError::AlreadyMember);
                    }
                }
                all.settle(session, open_for(new.workspace, &key), State::Withdrawn).await?;
                all.invitations.insert_one(InvitationRow::new(&new)).session(&mut *session).await?;
                Ok(())
            })
            .await
    }

    async fn invitation(&self, id: InvitationId) -> Result<Option<Invitation>, StoreError> {
        let found = self.db.run(self.all.invitations.find_one(doc! { "_id": id.to_string() })).await?;
        found.as_ref().map(InvitationRow::invitation).transpose()
    }

    async fn invitations(
        &self,
        scope: Scope,
        now: Millis,
        after: Option<Position>,
        limit: u32,
    ) -> Result<Page<Invitation>, StoreError> {
        let found = self
            .all
            .invitations
            .find(open_before(scope, now, after))
            .sort(newest())
            .limit(i64::from(limit) + 1);
        let found: Vec<InvitationRow> = self.db.run(async { found.await?.try_collect().await }).await?;
        let count = self.all.invitations.count_documents(open(scope, now)).limit(MOST_COUNTED.into());
        let total = u32::try_from(self.db.run(count).await?).map_err(|_| broken("number"))?;
        let items = found.iter().map(InvitationRow::invitation).collect::<Result<_, _>>()?;
        Ok(Page::of(items, limit, total))
    }

    async fn withdraw(&self, scope: Scope, id: InvitationId, now: Millis) -> Result<(), StoreError> {
        let mut this = open(scope, now);
        this.insert("_id", id.to_string());
        let set = doc! { "$set": { "state": State::Withdrawn.name() } };
        let withdrawn = self.db.run(self.all.invitations.update_one(this, set)).await?;
        if withdrawn.matched_count == 0 { Err(StoreError::NotFound("invitation")) } else { Ok(()) }
    }

    async fn accept(&self, acceptance: Acceptance, act: Act) -> Result<Standing, StoreError> {
        let all = self.all.clone();
        self.db
            .transact(async move |session| {
                let found = all.invitation(session, acceptance.invitation).await?;
                let invitation = found.filter(|found| found.is_open(act.at)).ok_or(StoreError::Gone)?;
                let workspace = invitation.workspace;
                all.touch_people(session, workspace).await?;
                let user = match &acceptance.invitee {
                    Invitee::New(account) => {
                        all.users.insert_one(UserRow::new(account, workspace)).session(&mut *session).await?;
                        account.user.id
                    }
                    Invitee::Known(user, verified) => {
                        let id = doc! { "_id": user.to_string() };
                        let present = all.users.find_one(id).session(&mut *session).await?;
                        if present.is_none_or(|row| row.password_hash != verified.reveal()) {
                            return Err(StoreError::PasswordChanged);
                        }
                        if all.active(session, workspace, *user).await?.is_some() {
                            return Err(StoreError::AlreadyMember);
                        }
                        all.note_last_workspace(session, *user, workspace).await?;
                        *user
                    }
                };
                // Somebody who comes back: what was void stays void.
                let id = doc! { "_id": membership_id(workspace, user) };
                let before = all.memberships.find_one(id.clone()).session(&mut *session).await?;
                let void_before = before.and_then(|row| row.void_before);
                let row = MembershipRow {
                    void_before,
                    ..MembershipRow::new(workspace, user, invitation.role, act.at)
                };
                all.memberships.replace_one(id, row).upsert(true).session(&mut *session).await?;
                all.settle(session, doc! { "_id": invitation.id.to_string() }, State::Accepted).await?;
                if let Some(begun) = acceptance.session.clone() {
                    all.begin(session, &begun.begin(user, workspace), &act).await?;
                }
                all.tell(session, &act.did(Some(workspace), What::MemberJoined(user))).await?;
                all.standing(session, workspace, user).await?.ok_or_else(|| broken("membership"))
            })
            .await
    }
}
