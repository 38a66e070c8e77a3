//! Sessions in MongoDB.

use async_trait::async_trait;
use bson::{Document, doc};
use futures::TryStreamExt;
use leadline_runtime::{
    ids::{SessionId, UserId, WorkspaceId},
    once::Once,
    time::Millis,
};
use leadline_storage::mongodb::ClientSession;

use super::{
    Collections, Mongo, accounts,
    rows::{self, MembershipRow, SessionRow},
};
use crate::{
    account::{Act, Happened, Standing, Void, What},
    session::{RefreshTokens, Session, Shown},
    store::{Begun, ENDED_AT_ONCE, MOST_SESSIONS, Refresh, Refreshed, Sessions, SignIn, StoreError, Switch},
};

pub(super) fn live_of(user: UserId, now: Millis) -> Document {
    doc! { "userId": user.to_string(), "endedAt": null, "expiresAt": { "$gt": now.0 } }
}

pub(super) fn newest() -> Document {
    doc! { "createdAt": -1, "_id": -1 }
}

pub(super) fn ended_since(since: Millis) -> Document {
    doc! { "endedAt": { "$gte": since.0 } }
}

pub(super) fn void_since(since: Millis) -> Document {
    doc! { "voidBefore": { "$gte": since.0 } }
}

impl Collections {
    async fn session(
        &self,
        session: &mut ClientSession,
        id: SessionId,
    ) -> Result<Option<Session>, StoreError> {
        let found = self.sessions.find_one(doc! { "_id": id.to_string() }).session(&mut *session).await?;
        found.map(SessionRow::session).transpose()
    }

    async fn save(&self, session: &mut ClientSession, changed: &Session) -> Result<(), StoreError> {
        let row = SessionRow::new(changed);
        self.sessions.replace_one(doc! { "_id": &row.id }, &row).session(&mut *session).await?;
        Ok(())
    }

    /// Begins a session. If its person has too many then, the oldest end.
    pub(super) async fn begin(
        &self,
        session: &mut ClientSession,
        begun: &Session,
        act: &Act,
    ) -> Result<(), StoreError> {
        self.sessions.insert_one(SessionRow::new(begun)).session(&mut *session).await?;
        let live = self.sessions.find(live_of(begun.user, begun.created_at)).sort(newest());
        let found = live.skip(MOST_SESSIONS.into()).limit(ENDED_AT_ONCE.into()).session(&mut *session).await;
        let too_many: Vec<SessionRow> = found?.stream(session).try_collect().await?;
        for row in too_many {
            self.end(session, rows::id(&row.id)?.into(), begun.user, act).await?;
        }
        Ok(())
    }

    /// Ends a session and tells so.
    pub(super) async fn end(
        &self,
        session: &mut ClientSession,
        id: SessionId,
        user: UserId,
        act: &Act,
    ) -> Result<Happened, StoreError> {
        let live = doc! { "_id": id.to_string(), "endedAt": null };
        let ended = doc! { "$set": { "endedAt": act.at.0 } };
        self.sessions.update_one(live, ended).session(&mut *session).await?;
        let happened = act.did(None, What::SessionEnded { session: id, user });
        self.tell(session, &happened).await?;
        Ok(happened)
    }

    /// Where somebody stands in a workspace, or else in the first that they joined.
    async fn standing_or_other(
        &self,
        session: &mut ClientSession,
        workspace: WorkspaceId,
        user: UserId,
    ) -> Result<Standing, StoreError> {
        if let Some(standing) = self.standing(session, workspace, user).await? {
            return Ok(standing);
        }
        let first = self.memberships.find_one(accounts::memberships_of(user)).sort(doc! { "joinedAt": 1 });
        let other = first.session(&mut *session).await?.ok_or(StoreError::NoWorkspace)?;
        let other = rows::id(&other.workspace_id)?.into();
        self.standing(session, other, user).await?.ok_or(StoreError::NoWorkspace)
    }

    /// Notes the workspace used last. Also makes sign-ins and changes of password run one after the other.
    pub(super) async fn note_last_workspace(
        &self,
        session: &mut ClientSession,
        user: UserId,
        workspace: WorkspaceId,
    ) -> Result<(), StoreError> {
        let change =
            doc! { "$set": { "lastWorkspaceId": workspace.to_string() }, "$inc": { "revision": 1_i64 } };
        self.users.update_one(doc! { "_id": user.to_string() }, change).session(&mut *session).await?;
        Ok(())
    }
}

#[async_trait]
impl Sessions for Mongo {
    async fn sign_in(&self, sign_in: SignIn) -> Result<Begun, StoreError> {
        let all = self.all.clone();
        self.db
            .transact(async move |session| {
                let user = sign_in.user;
                let found =
                    all.users.find_one(doc! { "_id": user.to_string() }).session(&mut *session).await?;
                let found = found
                    .filter(|row| row.password_hash == sign_in.verified.reveal())
                    .ok_or(StoreError::PasswordChanged)?;
                let standing = match sign_in.workspace {
                    Some(workspace) => {
                        all.standing(session, workspace, user).await?.ok_or(StoreError::NotAMember)?
                    }
                    None => {
                        let last = rows::id(&found.last_workspace_id)?.into();
                        all.standing_or_other(session, last, user).await?
                    }
                };
                let begun = sign_in.session.clone().begin(user, standing.workspace.id);
                let act = Act { at: begun.created_at, actor: user, origin: sign_in.origin.clone() };
                all.begin(session, &begun, &act).await?;
                all.note_last_workspace(session, user, begun.workspace).await?;
                Ok(Begun { standing, session: begun })
            })
            .await
    }

    async fn refresh(&self, refresh: Refresh, tokens: RefreshTokens) -> Result<Refreshed, StoreError> {
        let all = self.all.clone();
        self.db
            .transact(async move |session| {
                let Some(mut shown) = all.session(session, refresh.token.session()).await? else {
                    return Ok(Refreshed::Unknown);
                };
                match shown.show(&refresh.token, &tokens, refresh.at_once, refresh.at) {
                    Shown::Spent | Shown::Again => {}
                    Shown::AtOnce => return Ok(Refreshed::AtOnce),
                    Shown::Unknown => return Ok(Refreshed::Unknown),
                    Shown::Reused => {
                        let act = Act { at: refresh.at, actor: shown.user, origin: refresh.origin.clone() };
                        let ended = all.end(session, shown.id, shown.user, &act).await?;
                        return Ok(Refreshed::Reused(vec![ended]));
                    }
                }
                let standing = all.standing_or_other(session, shown.workspace, shown.user).await?;
                shown.workspace = standing.workspace.id;
                shown.client = refresh.client.clone();
                all.save(session, &shown).await?;
                Ok(Refreshed::Done(Box::new(Begun { standing, session: shown })))
            })
            .await
    }

    async fn switch(&self, switch: Switch, tokens: RefreshTokens) -> Result<Begun, StoreError> {
        let all = self.all.clone();
        self.db
            .transact(async move |session| {
                let found = all.session(session, switch.session).await?;
                let mut found = found
                    .filter(|session| session.user == switch.user && session.is_live(switch.at))
                    .ok_or(StoreError::SessionOver)?;
                let standing = all.standing(session, switch.workspace, switch.user).await?;
                let standing = standing.ok_or(StoreError::NotAMember)?;
                found.rotate(&tokens, switch.at);
                found.workspace = switch.workspace;
                found.client = switch.client.clone();
                all.save(session, &found).await?;
                all.note_last_workspace(session, switch.user, switch.workspace).await?;
                all.claim(session, switch.once.as_ref(), switch.at).await?;
                Ok(Begun { standing, session: found })
            })
            .await
    }

    async fn user_of(&self, id: SessionId) -> Result<Option<UserId>, StoreError> {
        let found = self.db.run(self.all.sessions.find_one(doc! { "_id": id.to_string() })).await?;
        Ok(found.map(SessionRow::session).transpose()?.map(|session| session.user))
    }

    async fn end_session(&self, id: SessionId, act: Act, once: Option<Once>) -> Result<Happened, StoreError> {
        let all = self.all.clone();
        self.db
            .transact(async move |session| {
                all.session(session, id)
                    .await?
                    .filter(|session| session.user == act.actor && session.is_live(act.at))
                    .ok_or(StoreError::NotFound("session"))?;
                all.claim(session, once.as_ref(), act.at).await?;
                all.end(session, id, act.actor, &act).await
            })
            .await
    }

    async fn sessions(&self, user: UserId, now: Millis) -> Result<Vec<Session>, StoreError> {
        let found = self.all.sessions.find(live_of(user, now)).sort(newest()).limit(MOST_SESSIONS.into());
        let found: Vec<SessionRow> = self.db.run(async { found.await?.try_collect().await }).await?;
        found.into_iter().map(SessionRow::session).collect()
    }

    async fn oldest_voided(&self, since: Millis, most: u32) -> Result<[Vec<Void>; 2], StoreError> {
        let by = |time: &str| doc! { time: 1 };
        let ended = self.all.sessions.find(ended_since(since)).sort(by("endedAt")).limit(most.into());
        let ended: Vec<SessionRow> = self.db.run(async { ended.await?.try_collect().await }).await?;
        let void = self.all.memberships.find(void_since(since)).sort(by("voidBefore")).limit(most.into());
        let void: Vec<MembershipRow> = self.db.run(async { void.await?.try_collect().await }).await?;
        let session = |row: SessionRow| {
            Ok(Void::Session(rows::id(&row.id)?.into(), Millis(row.ended_at.unwrap_or(since.0))))
        };
        let member = |row: MembershipRow| {
            let (user, workspace) = (rows::id(&row.user_id)?.into(), rows::id(&row.workspace_id)?.into());
            Ok(Void::Member(user, workspace, Millis(row.void_before.unwrap_or(since.0))))
        };
        let ended = ended.into_iter().map(session).collect::<Result<_, StoreError>>()?;
        Ok([ended, void.into_iter().map(member).collect::<Result<_, StoreError>>()?])
    }
}
