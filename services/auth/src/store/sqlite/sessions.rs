//! Sessions in SQLite.

use async_trait::async_trait;
use leadline_runtime::{
    ids::{SessionId, UserId, WorkspaceId},
    once::Once,
    time::Millis,
};
use leadline_storage::rusqlite::Connection;

use super::{
    Sqlite, claim,
    rows::{self, all, one},
    tell,
};
use crate::{
    account::{Act, Happened, Standing, Void, What},
    session::{RefreshTokens, Session, Shown},
    store::{Begun, ENDED_AT_ONCE, MOST_SESSIONS, Refresh, Refreshed, Sessions, SignIn, StoreError, Switch},
};

const LAST_WORKSPACE: &str = "SELECT last_workspace_id FROM users WHERE id = ?1";
pub(super) const FIRST_JOINED: &str = "SELECT workspace_id FROM memberships WHERE user_id = ?1 AND removed_at IS NULL ORDER BY joined_at LIMIT 1";
const ENDED: &str = "SELECT id, ended_at FROM sessions WHERE ended_at >= ?1 ORDER BY ended_at LIMIT ?2";
const VOID: &str = "SELECT user_id, workspace_id, void_before FROM memberships WHERE void_before >= ?1 ORDER BY void_before LIMIT ?2";
macro_rules! select_session {
    ($condition:literal) => {
        concat!(
            "SELECT id, user_id, workspace_id, address, agent, created_at, last_used_at, expires_at, place, current_hash, \
             previous_hash, rotated_at, again_at, ended_at FROM sessions WHERE ",
            $condition
        )
    };
}
const BY_ID: &str = select_session!("id = ?1");
const NEWEST: &str = select_session!(
    "user_id = ?1 AND ended_at IS NULL AND expires_at > ?2 ORDER BY created_at DESC, id DESC LIMIT ?3"
);

const TOO_MANY: &str = "SELECT id FROM sessions WHERE user_id = ?1 AND ended_at IS NULL AND expires_at > ?2 \
                        ORDER BY created_at DESC, id DESC LIMIT ?4 OFFSET ?3";

#[cfg(test)]
pub(super) const QUERIES: &[&str] = &[LAST_WORKSPACE, FIRST_JOINED, ENDED, VOID, BY_ID, NEWEST, TOO_MANY];

pub(super) fn insert(conn: &Connection, session: &Session) -> Result<(), StoreError> {
    conn.prepare_cached(
        "INSERT INTO sessions (id, user_id, created_at, workspace_id, address, agent, last_used_at, expires_at, place, current_hash, previous_hash, rotated_at, again_at, ended_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    )?
    .execute((
        session.id.to_string(),
        session.user.to_string(),
        session.created_at.0,
        session.workspace.to_string(),
        &session.client.address,
        &session.client.agent,
        session.last_used_at.0,
        session.expires_at.0,
        session.chain.place,
        session.chain.current.0,
        session.chain.previous.map(|hash| hash.0),
        session.chain.rotated_at.0,
        session.chain.again_at.map(|at| at.0),
        session.ended_at.map(|at| at.0),
    ))?;
    Ok(())
}

fn update(conn: &Connection, session: &Session) -> Result<(), StoreError> {
    conn.prepare_cached(
        "UPDATE sessions SET workspace_id = ?2, address = ?3, agent = ?4, last_used_at = ?5, expires_at = ?6, place = ?7, \
         current_hash = ?8, previous_hash = ?9, rotated_at = ?10, again_at = ?11, ended_at = ?12 WHERE id = ?1",
    )?
    .execute((
        session.id.to_string(),
        session.workspace.to_string(),
        &session.client.address,
        &session.client.agent,
        session.last_used_at.0,
        session.expires_at.0,
        session.chain.place,
        session.chain.current.0,
        session.chain.previous.map(|hash| hash.0),
        session.chain.rotated_at.0,
        session.chain.again_at.map(|at| at.0),
        session.ended_at.map(|at| at.0),
    ))?;
    Ok(())
}

/// Ends a session and tells so.
pub(super) fn end(
    conn: &Connection,
    session: SessionId,
    user: UserId,
    act: &Act,
) -> Result<Happened, StoreError> {
    conn.prepare_cached("UPDATE sessions SET ended_at = ?2 WHERE id = ?1 AND ended_at IS NULL")?
        .execute((session.to_string(), act.at.0))?;
    let happened = act.did(None, What::SessionEnded { session, user });
    tell(conn, &happened)?;
    Ok(happened)
}

/// Begins a session. If its person has too many then, the oldest end.
pub(super) fn begin(conn: &Connection, session: &Session, act: &Act) -> Result<(), StoreError> {
    insert(conn, session)?;
    let (user, now) = (session.user.to_string(), session.created_at.0);
    let too_many = all(conn, TOO_MANY, (user, now, MOST_SESSIONS, ENDED_AT_ONCE), |row| rows::id(row, 0))?;
    for id in too_many {
        end(conn, id.into(), session.user, act)?;
    }
    Ok(())
}

fn load(conn: &Connection, id: SessionId) -> Result<Option<Session>, StoreError> {
    one(conn, BY_ID, [id.to_string()], rows::session)
}

/// Where somebody stands in a workspace, or else in the first that they joined.
fn standing_or_other(
    conn: &Connection,
    workspace: WorkspaceId,
    user: UserId,
) -> Result<Standing, StoreError> {
    if let Some(standing) = rows::standing(conn, workspace, user)? {
        return Ok(standing);
    }
    let other = one(conn, FIRST_JOINED, [user.to_string()], |row| rows::id(row, 0))?;
    let other = other.ok_or(StoreError::NoWorkspace)?;
    rows::standing(conn, other.into(), user)?.ok_or(StoreError::NoWorkspace)
}

pub(super) fn note_last_workspace(
    conn: &Connection,
    user: UserId,
    workspace: WorkspaceId,
) -> Result<(), StoreError> {
    conn.prepare_cached("UPDATE users SET last_workspace_id = ?2 WHERE id = ?1 AND last_workspace_id <> ?2")?
        .execute((user.to_string(), workspace.to_string()))?;
    Ok(())
}

#[async_trait]
impl Sessions for Sqlite {
    async fn sign_in(&self, sign_in: SignIn) -> Result<Begun, StoreError> {
        self.db
            .write(move |conn| {
                let user = sign_in.user;
                let present = one(conn, rows::USER, [user.to_string()], |row| Ok(row.get::<_, String>(4)?))?;
                if present.as_deref() != Some(sign_in.verified.reveal()) {
                    return Err(StoreError::PasswordChanged);
                }
                let standing = match sign_in.workspace {
                    Some(workspace) => {
                        rows::standing(conn, workspace, user)?.ok_or(StoreError::NotAMember)?
                    }
                    None => {
                        let last = one(conn, LAST_WORKSPACE, [user.to_string()], |row| rows::id(row, 0))?;
                        standing_or_other(conn, last.unwrap_or_default().into(), user)?
                    }
                };
                let session = sign_in.session.begin(user, standing.workspace.id);
                begin(conn, &session, &Act { at: session.created_at, actor: user, origin: sign_in.origin })?;
                note_last_workspace(conn, user, session.workspace)?;
                Ok(Begun { standing, session })
            })
            .await
    }

    async fn refresh(&self, refresh: Refresh, tokens: RefreshTokens) -> Result<Refreshed, StoreError> {
        self.db
            .write(move |conn| {
                let Some(mut session) = load(conn, refresh.token.session())? else {
                    return Ok(Refreshed::Unknown);
                };
                match session.show(&refresh.token, &tokens, refresh.at_once, refresh.at) {
                    Shown::Spent | Shown::Again => {}
                    Shown::AtOnce => return Ok(Refreshed::AtOnce),
                    Shown::Unknown => return Ok(Refreshed::Unknown),
                    Shown::Reused => {
                        let act = Act { at: refresh.at, actor: session.user, origin: refresh.origin };
                        return Ok(Refreshed::Reused(vec![end(conn, session.id, session.user, &act)?]));
                    }
                }
                let standing = standing_or_other(conn, session.workspace, session.user)?;
                session.workspace = standing.workspace.id;
                session.client = refresh.client;
                update(conn, &session)?;
                Ok(Refreshed::Done(Box::new(Begun { standing, session })))
            })
            .await
    }

    async fn switch(&self, switch: Switch, tokens: RefreshTokens) -> Result<Begun, StoreError> {
        self.db
            .write(move |conn| {
                let session = load(conn, switch.session)?;
                let mut session = session
                    .filter(|session| session.user == switch.user && session.is_live(switch.at))
                    .ok_or(StoreError::SessionOver)?;
                let standing =
                    rows::standing(conn, switch.workspace, switch.user)?.ok_or(StoreError::NotAMember)?;
                session.rotate(&tokens, switch.at);
                session.workspace = switch.workspace;
                session.client = switch.client;
                update(conn, &session)?;
                note_last_workspace(conn, switch.user, switch.workspace)?;
                claim(conn, switch.once.as_ref(), switch.at)?;
                Ok(Begun { standing, session })
            })
            .await
    }

    async fn user_of(&self, session: SessionId) -> Result<Option<UserId>, StoreError> {
        self.db.read(move |conn| Ok(load(conn, session)?.map(|session| session.user))).await
    }

    async fn end_session(
        &self,
        session: SessionId,
        act: Act,
        once: Option<Once>,
    ) -> Result<Happened, StoreError> {
        self.db
            .write(move |conn| {
                load(conn, session)?
                    .filter(|session| session.user == act.actor && session.is_live(act.at))
                    .ok_or(StoreError::NotFound("session"))?;
                claim(conn, once.as_ref(), act.at)?;
                end(conn, session, act.actor, &act)
            })
            .await
    }

    async fn sessions(&self, user: UserId, now: Millis) -> Result<Vec<Session>, StoreError> {
        self.db
            .read(move |conn| all(conn, NEWEST, (user.to_string(), now.0, MOST_SESSIONS), rows::session))
            .await
    }

    async fn oldest_voided(&self, since: Millis, most: u32) -> Result<[Vec<Void>; 2], StoreError> {
        self.db
            .read(move |conn| {
                let ended = all(conn, ENDED, (since.0, most), |row| {
                    Ok(Void::Session(rows::id(row, 0)?.into(), rows::millis(row, 1)?))
                })?;
                let void = all(conn, VOID, (since.0, most), |row| {
                    let (user, workspace) = (rows::id(row, 0)?.into(), rows::id(row, 1)?.into());
                    Ok(Void::Member(user, workspace, rows::millis(row, 2)?))
                })?;
                Ok([ended, void])
            })
            .await
    }
}
