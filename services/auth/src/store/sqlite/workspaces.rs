//! Workspaces and members in SQLite.

use async_trait::async_trait;
use leadline_runtime::{
    caller::{Role, Scope},
    ids::{UserId, WorkspaceId},
    version::Precondition,
};
use leadline_storage::rusqlite::Connection;

use super::{
    Sqlite,
    rows::{self, all, one},
    tell,
};
use crate::{
    account::{
        Act, Denied, Happened, Member, Person, What, Workspace, WorkspaceChange, keeps_an_owner, may_change,
        may_remove,
    },
    store::{MOST_COUNTED, MOST_PEOPLE, Page, Position, StoreError, Workspaces, broken},
};

const MEMBERS: &str = "SELECT u.id, u.name, u.email, u.created_at, m.role, m.joined_at FROM memberships m JOIN users u ON u.id = m.user_id \
     WHERE m.workspace_id = ?1 AND m.removed_at IS NULL AND (m.joined_at, m.user_id) > (?2, ?3) ORDER BY m.joined_at, m.user_id LIMIT ?4";
const COUNT: &str = "SELECT count(*) FROM (SELECT 1 FROM memberships WHERE workspace_id = ?1 AND removed_at IS NULL LIMIT ?2)";
const MEMBER: &str = "SELECT u.id, u.name, u.email, u.created_at, m.role, m.joined_at FROM memberships m JOIN users u ON u.id = m.user_id \
     WHERE m.workspace_id = ?1 AND m.user_id = ?2 AND m.removed_at IS NULL";
const OWNERS: &str =
    "SELECT count(*) FROM memberships WHERE workspace_id = ?1 AND role = 'owner' AND removed_at IS NULL";
// Members first: they have no `removed_at`; then those who left last.
const PEOPLE: &str = "SELECT u.id, u.name, m.removed_at IS NULL FROM memberships m JOIN users u ON u.id = m.user_id \
     WHERE m.workspace_id = ?1 AND m.removed_at IS NULL \
     UNION ALL SELECT * FROM (SELECT u.id, u.name, 0 FROM memberships m JOIN users u ON u.id = m.user_id \
     WHERE m.workspace_id = ?1 AND m.removed_at > 0 ORDER BY m.removed_at DESC LIMIT ?2) LIMIT ?2";

#[cfg(test)]
pub(super) const QUERIES: &[&str] = &[MEMBERS, COUNT, MEMBER, OWNERS, PEOPLE];

fn member(row: &leadline_storage::rusqlite::Row<'_>) -> Result<Member, StoreError> {
    Ok(Member { user: rows::user(row, 0)?, role: rows::role(row, 4)?, joined_at: rows::millis(row, 5)? })
}

pub(super) fn load(conn: &Connection, workspace: WorkspaceId) -> Result<Workspace, StoreError> {
    one(conn, rows::WORKSPACE, [workspace.to_string()], rows::workspace)?
        .ok_or(StoreError::NotFound("workspace"))
}

/// The actor's present role and the member that they act on.
fn actor_and_target(
    conn: &Connection,
    workspace: WorkspaceId,
    actor: UserId,
    target: UserId,
) -> Result<(Role, Member), StoreError> {
    let (role, _) = rows::active(conn, workspace, actor)?.ok_or(Denied::NoLongerMember)?;
    let target = one(conn, MEMBER, (workspace.to_string(), target.to_string()), member)?;
    Ok((role, target.ok_or(StoreError::NotFound("member"))?))
}

pub(super) fn keep_an_owner(
    conn: &Connection,
    workspace: WorkspaceId,
    from: Role,
    to: Option<Role>,
) -> Result<(), StoreError> {
    let owners: i64 = conn.prepare_cached(OWNERS)?.query_row([workspace.to_string()], |row| row.get(0))?;
    let owners = u64::try_from(owners).map_err(|_| broken("number"))?;
    if keeps_an_owner(owners, from, to) { Ok(()) } else { Err(StoreError::LastOwner) }
}

#[async_trait]
impl Workspaces for Sqlite {
    async fn workspace(&self, scope: Scope) -> Result<Workspace, StoreError> {
        self.db.read(move |conn| load(conn, scope.workspace())).await
    }

    async fn update_workspace(
        &self,
        scope: Scope,
        change: WorkspaceChange,
        condition: Precondition,
        act: Act,
    ) -> Result<Workspace, StoreError> {
        self.db
            .write(move |conn| {
                let present = load(conn, scope.workspace())?;
                condition.check(present.version).map_err(|_| StoreError::VersionMismatch(present.version))?;
                let Some(changed) = present.changed(&change) else { return Ok(present) };
                conn.prepare_cached(
                    "UPDATE workspaces SET name = ?2, timezone = ?3, version = ?4 WHERE id = ?1",
                )?
                .execute((
                    changed.id.to_string(),
                    changed.name.as_str(),
                    changed.zone.name(),
                    changed.version.0.cast_signed(),
                ))?;
                tell(conn, &act.did(Some(changed.id), What::WorkspaceChanged))?;
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
        self.db
            .read(move |conn| {
                let workspace = scope.workspace().to_string();
                let (at, id) = after.map_or((i64::MIN, String::new()), |at| (at.at.0, at.id.to_string()));
                let items = all(conn, MEMBERS, (&workspace, at, id, limit + 1), member)?;
                let total =
                    conn.prepare_cached(COUNT)?.query_row((&workspace, MOST_COUNTED), |row| row.get(0))?;
                Ok(Page::of(items, limit, total))
            })
            .await
    }

    async fn change_role(
        &self,
        scope: Scope,
        target: UserId,
        role: Role,
        act: Act,
    ) -> Result<(Member, Option<Happened>), StoreError> {
        self.db
            .write(move |conn| {
                let workspace = scope.workspace();
                let (actor, mut member) = actor_and_target(conn, workspace, act.actor, target)?;
                may_change(actor, member.role, role)?;
                if member.role == role {
                    return Ok((member, None));
                }
                keep_an_owner(conn, workspace, member.role, Some(role))?;
                conn.prepare_cached(
                    "UPDATE memberships SET role = ?3, void_before = ?4 WHERE workspace_id = ?1 AND user_id = ?2",
                )?
                .execute((workspace.to_string(), target.to_string(), role.name(), act.void_before().0))?;
                let happened = act.did(Some(workspace), What::RoleChanged(target));
                tell(conn, &happened)?;
                member.role = role;
                Ok((member, Some(happened)))
            })
            .await
    }

    async fn remove_member(&self, scope: Scope, target: UserId, act: Act) -> Result<Happened, StoreError> {
        self.db
            .write(move |conn| {
                let workspace = scope.workspace();
                let (actor, member) = actor_and_target(conn, workspace, act.actor, target)?;
                may_remove(actor, member.role, target == act.actor)?;
                keep_an_owner(conn, workspace, member.role, None)?;
                conn.prepare_cached(
                    "UPDATE memberships SET removed_at = ?3, void_before = ?4 WHERE workspace_id = ?1 AND user_id = ?2",
                )?
                .execute((workspace.to_string(), target.to_string(), act.at.0, act.void_before().0))?;
                let happened = act.did(Some(workspace), What::MemberRemoved(target));
                tell(conn, &happened)?;
                Ok(happened)
            })
            .await
    }

    async fn people(&self, scope: Scope) -> Result<Vec<Person>, StoreError> {
        self.db
            .read(move |conn| {
                all(conn, PEOPLE, (scope.workspace().to_string(), MOST_PEOPLE), |row| {
                    Ok(Person {
                        id: rows::id(row, 0)?.into(),
                        name: rows::name(row, 1)?,
                        member: row.get(2)?,
                    })
                })
            })
            .await
    }

    async fn members_among(&self, scope: Scope, users: Vec<UserId>) -> Result<Vec<UserId>, StoreError> {
        self.db
            .read(move |conn| {
                let mut members = Vec::new();
                for user in users {
                    if rows::active(conn, scope.workspace(), user)?.is_some() {
                        members.push(user);
                    }
                }
                Ok(members)
            })
            .await
    }
}
