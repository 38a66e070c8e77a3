//! People in SQLite.

use async_trait::async_trait;
use leadline_runtime::{
    caller::{Role, Scope},
    ids::{UserId, WorkspaceId},
    time::Millis,
};
use leadline_storage::{
    rusqlite::{Connection, Row},
    sqlite::leave_no_remains,
};

use super::{
    Sqlite, erasure, remember,
    rows::{self, all, one},
    sessions, tell,
};
use crate::{
    account::{Act, EmailKey, Happened, Membership, Name, User, What, Workspace},
    password::PasswordHash,
    store::{Account, Accounts, MOST_WORKSPACES, Me, PasswordChange, Registration, StoreError},
};

const BY_EMAIL: &str = "SELECT id, name, email, created_at, password_hash FROM users WHERE email_key = ?1";
const EVERY_MEMBERSHIP: &str = "SELECT workspace_id FROM memberships WHERE user_id = ?1";
const MEMBERSHIPS: &str = "SELECT m.workspace_id, w.name, m.role FROM memberships m JOIN workspaces w ON w.id = m.workspace_id \
     WHERE m.user_id = ?1 AND m.removed_at IS NULL ORDER BY m.joined_at LIMIT ?2";
pub(super) const LIVE: &str =
    "SELECT id FROM sessions WHERE user_id = ?1 AND ended_at IS NULL AND expires_at > ?2 AND id <> ?3";

#[cfg(test)]
pub(super) const QUERIES: &[&str] =
    &[BY_EMAIL, EVERY_MEMBERSHIP, MEMBERSHIPS, LIVE, rows::ACTIVE, rows::WORKSPACE, rows::USER];

fn account(row: &Row<'_>) -> Result<Account, StoreError> {
    Ok(Account { user: rows::user(row, 0)?, password: PasswordHash::new(row.get(4)?) })
}

pub(super) fn insert_user(
    conn: &Connection,
    account: &Account,
    workspace: WorkspaceId,
) -> Result<(), StoreError> {
    let User { id, name, email, created_at } = &account.user;
    conn.prepare_cached(
        "INSERT INTO users (id, name, email, email_key, password_hash, last_workspace_id, created_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute((
        id.to_string(),
        name.as_str(),
        email.as_str(),
        email.key().as_str(),
        account.password.reveal(),
        workspace.to_string(),
        created_at.0,
    ))?;
    Ok(())
}

pub(super) fn insert_membership(
    conn: &Connection,
    workspace: WorkspaceId,
    user: UserId,
    role: Role,
    at: Millis,
) -> Result<(), StoreError> {
    // Somebody who comes back: what was void stays void.
    conn.prepare_cached(
        "INSERT INTO memberships (workspace_id, user_id, role, joined_at) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (workspace_id, user_id) DO UPDATE SET role = excluded.role, joined_at = excluded.joined_at, removed_at = NULL",
    )?
    .execute((workspace.to_string(), user.to_string(), role.name(), at.0))?;
    Ok(())
}

fn insert_workspace(conn: &Connection, workspace: &Workspace) -> Result<(), StoreError> {
    conn.prepare_cached(
        "INSERT INTO workspaces (id, name, timezone, created_at, version) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute((
        workspace.id.to_string(),
        workspace.name.as_str(),
        workspace.zone.name(),
        workspace.created_at.0,
        workspace.version.0.cast_signed(),
    ))?;
    Ok(())
}

#[async_trait]
impl Accounts for Sqlite {
    async fn register(&self, new: Registration, act: Act) -> Result<(), StoreError> {
        self.db
            .write(move |conn| {
                let (user, workspace) = (new.account.user.id, new.workspace.id);
                insert_user(conn, &new.account, workspace)?;
                insert_workspace(conn, &new.workspace)?;
                insert_membership(conn, workspace, user, Role::Owner, act.at)?;
                if let Some(session) = new.session {
                    sessions::insert(conn, &session.begin(user, workspace))?;
                }
                tell(conn, &act.did(Some(workspace), What::MemberJoined(user)))
            })
            .await
    }

    async fn account_by_email(&self, email: &EmailKey) -> Result<Option<Account>, StoreError> {
        let email = email.clone();
        self.db.read(move |conn| one(conn, BY_EMAIL, [email.as_str()], account)).await
    }

    async fn account(&self, user: UserId) -> Result<Option<Account>, StoreError> {
        self.db.read(move |conn| one(conn, rows::USER, [user.to_string()], account)).await
    }

    async fn first_workspace(&self, user: UserId) -> Result<Option<WorkspaceId>, StoreError> {
        self.db
            .read(move |conn| {
                one(conn, sessions::FIRST_JOINED, [user.to_string()], |row| Ok(rows::id(row, 0)?.into()))
            })
            .await
    }

    async fn rename(&self, user: UserId, name: Name, act: Act) -> Result<(), StoreError> {
        self.db
            .write(move |conn| {
                let found = one(conn, rows::USER, [user.to_string()], |row| rows::user(row, 0))?;
                let present = found.ok_or(StoreError::NotFound("user"))?;
                if present.name == name {
                    return Ok(());
                }
                conn.prepare_cached("UPDATE users SET name = ?2 WHERE id = ?1")?
                    .execute((user.to_string(), name.as_str()))?;
                for workspace in all(conn, EVERY_MEMBERSHIP, [user.to_string()], |row| rows::id(row, 0))? {
                    tell(conn, &act.did(Some(workspace.into()), What::PersonRenamed(user)))?;
                }
                Ok(())
            })
            .await
    }

    async fn change_password(&self, change: PasswordChange, act: Act) -> Result<Vec<Happened>, StoreError> {
        self.db
            .write(move |conn| {
                remember(conn, change.answer.as_ref(), act.at)?;
                let user = change.user;
                let changed = conn
                    .prepare_cached(
                        "UPDATE users SET password_hash = ?3 WHERE id = ?1 AND password_hash = ?2",
                    )?
                    .execute((user.to_string(), change.verified.reveal(), change.new.reveal()))?;
                if changed == 0 {
                    return Err(StoreError::PasswordChanged);
                }
                let kept = change.keep.map(|id| id.to_string()).unwrap_or_default();
                let ended = all(conn, LIVE, (user.to_string(), act.at.0, kept), |row| rows::id(row, 0))?;
                ended.into_iter().map(|id| sessions::end(conn, id.into(), user, &act)).collect()
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
        let db = self.db.clone();
        self.db
            .write(move |conn| {
                let happened = erasure::erase(conn, user, &verified, workspaces, &act)?;
                leave_no_remains(conn)?;
                db.empty_log();
                Ok(happened)
            })
            .await
    }

    async fn me(&self, user: UserId, scope: Scope) -> Result<Option<Me>, StoreError> {
        self.db
            .read(move |conn| {
                let Some(standing) = rows::standing(conn, scope.workspace(), user)? else { return Ok(None) };
                let memberships = all(conn, MEMBERSHIPS, (user.to_string(), MOST_WORKSPACES), |row| {
                    Ok(Membership {
                        workspace: rows::id(row, 0)?.into(),
                        name: rows::name(row, 1)?,
                        role: rows::role(row, 2)?,
                    })
                })?;
                Ok(Some(Me { standing, memberships }))
            })
            .await
    }
}
