//! Invitations in SQLite.

use async_trait::async_trait;
use leadline_runtime::{caller::Scope, time::Millis};
use leadline_storage::rusqlite::{Connection, Row};

use super::{
    Sqlite,
    accounts::{insert_membership, insert_user},
    remember,
    rows::{self, all, one},
    sessions, tell,
};
use crate::{
    account::{Act, Denied, Standing, What, may_give},
    invitation::{Invitation, InvitationId, State},
    store::{Acceptance, Answer, Invitations, Invitee, MOST_COUNTED, Page, Position, StoreError, broken},
};

macro_rules! select_invitation {
    ($condition:literal) => {
        concat!(
            "SELECT id, workspace_id, email, role, created_by, created_at, expires_at, state FROM invitations WHERE ",
            $condition
        )
    };
}
const BY_ID: &str = select_invitation!("id = ?1");
const OPEN: &str = select_invitation!(
    "workspace_id = ?1 AND state = 'open' AND expires_at > ?2 AND (created_at, id) < (?3, ?4) \
     ORDER BY created_at DESC, id DESC LIMIT ?5"
);
const COUNT: &str = "SELECT count(*) FROM (SELECT 1 FROM invitations WHERE workspace_id = ?1 AND state = 'open' AND expires_at > ?2 LIMIT ?3)";
const MEMBER_BY_EMAIL: &str = "SELECT 1 FROM users u JOIN memberships m ON m.workspace_id = ?1 AND m.user_id = u.id \
     WHERE u.email_key = ?2 AND m.removed_at IS NULL";

#[cfg(test)]
pub(super) const QUERIES: &[&str] = &[BY_ID, OPEN, COUNT, MEMBER_BY_EMAIL];

fn invitation(row: &Row<'_>) -> Result<Invitation, StoreError> {
    Ok(Invitation {
        id: rows::id(row, 0)?.into(),
        workspace: rows::id(row, 1)?.into(),
        email: rows::email(row, 2)?,
        role: rows::role(row, 3)?,
        created_by: rows::id(row, 4)?.into(),
        created_at: rows::millis(row, 5)?,
        expires_at: rows::millis(row, 6)?,
        state: State::parse(&row.get::<_, String>(7)?).ok_or_else(|| broken("invitation"))?,
    })
}

fn load(conn: &Connection, id: InvitationId) -> Result<Option<Invitation>, StoreError> {
    one(conn, BY_ID, [id.to_string()], invitation)
}

fn settle(conn: &Connection, id: InvitationId, state: State) -> Result<(), StoreError> {
    conn.prepare_cached("UPDATE invitations SET state = ?2 WHERE id = ?1")?
        .execute((id.to_string(), state.name()))?;
    Ok(())
}

#[async_trait]
impl Invitations for Sqlite {
    async fn invite(&self, new: Invitation, answer: Option<Answer>, act: Act) -> Result<(), StoreError> {
        self.db
            .write(move |conn| {
                remember(conn, answer.as_ref(), act.at)?;
                let (actor, _) =
                    rows::active(conn, new.workspace, act.actor)?.ok_or(Denied::NoLongerMember)?;
                may_give(actor, new.role)?;
                let (workspace, key) = (new.workspace.to_string(), new.email.key());
                let member = one(conn, MEMBER_BY_EMAIL, (&workspace, key.as_str()), |_| Ok(()))?;
                if member.is_some() {
                    return Err(StoreError::AlreadyMember);
                }
                conn.prepare_cached(
                    "UPDATE invitations SET state = 'withdrawn' WHERE workspace_id = ?1 AND email_key = ?2 AND state = 'open'",
                )?
                .execute((&workspace, key.as_str()))?;
                conn.prepare_cached(
                    "INSERT INTO invitations (id, workspace_id, email, email_key, role, created_by, created_at, expires_at, state) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                )?
                .execute((
                    new.id.to_string(),
                    &workspace,
                    new.email.as_str(),
                    key.as_str(),
                    new.role.name(),
                    new.created_by.to_string(),
                    new.created_at.0,
                    new.expires_at.0,
                    new.state.name(),
                ))?;
                Ok(())
            })
            .await
    }

    async fn invitation(&self, id: InvitationId) -> Result<Option<Invitation>, StoreError> {
        self.db.read(move |conn| load(conn, id)).await
    }

    async fn invitations(
        &self,
        scope: Scope,
        now: Millis,
        after: Option<Position>,
        limit: u32,
    ) -> Result<Page<Invitation>, StoreError> {
        self.db
            .read(move |conn| {
                let workspace = scope.workspace().to_string();
                let (at, id) = after.map_or((i64::MAX, String::new()), |at| (at.at.0, at.id.to_string()));
                let items = all(conn, OPEN, (&workspace, now.0, at, id, limit + 1), invitation)?;
                let total = conn
                    .prepare_cached(COUNT)?
                    .query_row((&workspace, now.0, MOST_COUNTED), |row| row.get(0))?;
                Ok(Page::of(items, limit, total))
            })
            .await
    }

    async fn withdraw(&self, scope: Scope, id: InvitationId, now: Millis) -> Result<(), StoreError> {
        self.db
            .write(move |conn| {
                load(conn, id)?
                    .filter(|found| found.workspace == scope.workspace() && found.is_open(now))
                    .ok_or(StoreError::NotFound("invitation"))?;
                settle(conn, id, State::Withdrawn)
            })
            .await
    }

    async fn accept(&self, acceptance: Acceptance, act: Act) -> Result<Standing, StoreError> {
        self.db
            .write(move |conn| {
                let found = load(conn, acceptance.invitation)?;
                let invitation = found.filter(|found| found.is_open(act.at)).ok_or(StoreError::Gone)?;
                let workspace = invitation.workspace;
                let user = match &acceptance.invitee {
                    Invitee::New(account) => {
                        insert_user(conn, account, workspace)?;
                        account.user.id
                    }
                    Invitee::Known(user, verified) => {
                        let present =
                            one(conn, rows::USER, [user.to_string()], |row| Ok(row.get::<_, String>(4)?))?;
                        if present.as_deref() != Some(verified.reveal()) {
                            return Err(StoreError::PasswordChanged);
                        }
                        if rows::active(conn, workspace, *user)?.is_some() {
                            return Err(StoreError::AlreadyMember);
                        }
                        sessions::note_last_workspace(conn, *user, workspace)?;
                        *user
                    }
                };
                insert_membership(conn, workspace, user, invitation.role, act.at)?;
                settle(conn, invitation.id, State::Accepted)?;
                if let Some(session) = acceptance.session {
                    sessions::begin(conn, &session.begin(user, workspace), &act)?;
                }
                tell(conn, &act.did(Some(workspace), What::MemberJoined(user)))?;
                rows::standing(conn, workspace, user)?.ok_or_else(|| broken("membership"))
            })
            .await
    }
}
