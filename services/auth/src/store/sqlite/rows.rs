//! Rows, read and written the same way everywhere.

use leadline_runtime::{
    caller::Role,
    ids::{UserId, WorkspaceId, parse_uuid},
    time::Millis,
    version::Version,
    zone::Zone,
};
use leadline_storage::rusqlite::{Connection, OptionalExtension, Row};
use uuid::Uuid;

use crate::{
    account::{Email, Name, Standing, User, Workspace},
    session::{Chain, Client, Session, TokenHash},
    store::{StoreError, broken},
};

pub(super) const ACTIVE: &str = "SELECT role, void_before FROM memberships WHERE workspace_id = ?1 AND user_id = ?2 AND removed_at IS NULL";
pub(super) const WORKSPACE: &str =
    "SELECT id, name, timezone, created_at, version FROM workspaces WHERE id = ?1";
pub(super) const USER: &str = "SELECT id, name, email, created_at, password_hash FROM users WHERE id = ?1";

pub(super) fn id(row: &Row<'_>, column: usize) -> Result<Uuid, StoreError> {
    parse_uuid(row.get_ref(column)?.as_str().map_err(|_| broken("id"))?).map_err(|_| broken("id"))
}

pub(super) fn name(row: &Row<'_>, column: usize) -> Result<Name, StoreError> {
    Ok(Name::stored(row.get(column)?))
}

pub(super) fn email(row: &Row<'_>, column: usize) -> Result<Email, StoreError> {
    Ok(Email::stored(row.get(column)?))
}

pub(super) fn role(row: &Row<'_>, column: usize) -> Result<Role, StoreError> {
    Role::parse(&row.get::<_, String>(column)?).ok_or_else(|| broken("role"))
}

pub(super) fn millis(row: &Row<'_>, column: usize) -> Result<Millis, StoreError> {
    Ok(Millis(row.get(column)?))
}

pub(super) fn optional_millis(row: &Row<'_>, column: usize) -> Result<Option<Millis>, StoreError> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Millis))
}

fn count(row: &Row<'_>, column: usize) -> Result<u64, StoreError> {
    u64::try_from(row.get::<_, i64>(column)?).map_err(|_| broken("number"))
}

/// The columns `id, name, email, created_at` from `at` on.
pub(super) fn user(row: &Row<'_>, at: usize) -> Result<User, StoreError> {
    Ok(User {
        id: id(row, at)?.into(),
        name: name(row, at + 1)?,
        email: email(row, at + 2)?,
        created_at: millis(row, at + 3)?,
    })
}

/// The columns of [`WORKSPACE`].
pub(super) fn workspace(row: &Row<'_>) -> Result<Workspace, StoreError> {
    Ok(Workspace {
        id: id(row, 0)?.into(),
        name: name(row, 1)?,
        zone: Zone::parse(&row.get::<_, String>(2)?).map_err(|_| broken("time zone"))?,
        created_at: millis(row, 3)?,
        version: Version(count(row, 4)?),
    })
}

/// The columns `id, user_id, workspace_id, address, agent, …`, as the queries of sessions have them.
pub(super) fn session(row: &Row<'_>) -> Result<Session, StoreError> {
    Ok(Session {
        id: id(row, 0)?.into(),
        user: id(row, 1)?.into(),
        workspace: id(row, 2)?.into(),
        client: Client { address: row.get(3)?, agent: row.get(4)? },
        created_at: millis(row, 5)?,
        last_used_at: millis(row, 6)?,
        expires_at: millis(row, 7)?,
        chain: Chain {
            place: u32::try_from(count(row, 8)?).map_err(|_| broken("number"))?,
            current: TokenHash(row.get(9)?),
            previous: row.get::<_, Option<[u8; 32]>>(10)?.map(TokenHash),
            rotated_at: millis(row, 11)?,
            again_at: optional_millis(row, 12)?,
        },
        ended_at: optional_millis(row, 13)?,
    })
}

/// One row, or none.
pub(super) fn one<T>(
    conn: &Connection,
    sql: &str,
    params: impl leadline_storage::rusqlite::Params,
    read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    conn.prepare_cached(sql)?.query_row(params, |row| Ok(read(row))).optional()?.transpose()
}

/// All rows.
pub(super) fn all<T>(
    conn: &Connection,
    sql: &str,
    params: impl leadline_storage::rusqlite::Params,
    read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

/// Somebody's role in a workspace, and before when their tokens for it are void; `None` if they are not a member.
pub(super) fn active(
    conn: &Connection,
    workspace: WorkspaceId,
    user: UserId,
) -> Result<Option<(Role, Option<Millis>)>, StoreError> {
    let key = (workspace.to_string(), user.to_string());
    one(conn, ACTIVE, key, |row| Ok((role(row, 0)?, optional_millis(row, 1)?)))
}

/// Where somebody stands in a workspace; `None` if they are not a member.
pub(super) fn standing(
    conn: &Connection,
    workspace: WorkspaceId,
    user: UserId,
) -> Result<Option<Standing>, StoreError> {
    let Some((role, void_before)) = active(conn, workspace, user)? else { return Ok(None) };
    let workspace = one(conn, WORKSPACE, [workspace.to_string()], self::workspace)?;
    let user = one(conn, USER, [user.to_string()], |row| self::user(row, 0))?;
    match (workspace, user) {
        (Some(workspace), Some(user)) => Ok(Some(Standing { user, workspace, role, void_before })),
        _ => Err(broken("membership")),
    }
}
