//! Erasing a person in SQLite.

use leadline_runtime::{
    caller::Role,
    ids::{UserId, WorkspaceId},
    once::Once,
};
use leadline_storage::rusqlite::Connection;

use super::{
    accounts::LIVE,
    rows::{self, all, one},
    sessions, tell,
    workspaces::{keep_an_owner, load},
};
use crate::{
    account::{Act, Happened, What},
    password::PasswordHash,
    store::{StoreError, erased_key, tells_of},
};

const EVERY: &str =
    "SELECT workspace_id, role, removed_at IS NULL FROM memberships WHERE user_id = ?1 ORDER BY joined_at";
const OTHERS: &str =
    "SELECT 1 FROM memberships WHERE workspace_id = ?1 AND removed_at IS NULL AND user_id <> ?2 LIMIT 1";
const INVITED: &str = "SELECT workspace_id, email FROM invitations WHERE email_key = ?1";
const ANSWERS: &str = "SELECT id, answer FROM once WHERE id >= ?1 AND id < ?2";
const FORGET_ANSWERS: &str = "DELETE FROM once WHERE id >= ?1 AND id < ?2";
const FORGET_INVITED: &str = "DELETE FROM invitations WHERE email_key = ?1";
const FORGET_INVITATIONS: &str = "DELETE FROM invitations WHERE workspace_id = ?1";
/// What remains of a workspace is that it was.
const FORGET_WORKSPACE: &str =
    "UPDATE workspaces SET name = '', timezone = 'UTC', version = version + 1, erased_at = ?2 WHERE id = ?1";
const SCRUB_SESSIONS: &str = "UPDATE sessions SET address = '', agent = '', current_hash = zeroblob(32), previous_hash = NULL, \
     ended_at = coalesce(ended_at, ?2) WHERE user_id = ?1";

#[cfg(test)]
pub(super) const QUERIES: &[&str] = &[
    EVERY,
    OTHERS,
    INVITED,
    ANSWERS,
    FORGET_ANSWERS,
    FORGET_INVITED,
    FORGET_INVITATIONS,
    FORGET_WORKSPACE,
    SCRUB_SESSIONS,
];

/// A workspace that the person is or was in.
struct Place {
    workspace: WorkspaceId,
    role: Role,
    member: bool,
    /// Nobody else is.
    alone: bool,
}

/// Erases a person, in the transaction of the caller.
pub(super) fn erase(
    conn: &Connection,
    user: UserId,
    verified: &PasswordHash,
    workspaces: bool,
    act: &Act,
) -> Result<Vec<Happened>, StoreError> {
    let id = user.to_string();
    let found = one(conn, rows::USER, [&id], |row| Ok((rows::email(row, 2)?, row.get::<_, String>(4)?)))?;
    let (email, _) =
        found.filter(|(_, hash)| hash == verified.reveal()).ok_or(StoreError::PasswordChanged)?;
    let mut places = all(conn, EVERY, [&id], |row| {
        let (workspace, role) = (rows::id(row, 0)?.into(), rows::role(row, 1)?);
        Ok(Place { workspace, role, member: row.get(2)?, alone: false })
    })?;
    let mut left = Vec::new();
    for place in places.iter_mut().filter(|place| place.member) {
        place.alone = one(conn, OTHERS, (place.workspace.to_string(), &id), |_| Ok(()))?.is_none();
        if place.alone {
            left.push(load(conn, place.workspace)?.name);
        }
    }
    if !left.is_empty() && !workspaces {
        return Err(StoreError::OnlyMemberOf(left));
    }

    let mut happened = Vec::new();
    for live in all(conn, LIVE, (&id, i64::MIN, ""), |row| rows::id(row, 0))? {
        happened.push(sessions::end(conn, live.into(), user, act)?);
    }
    // Their ids are told for a while yet, as what is void.
    conn.prepare_cached(SCRUB_SESSIONS)?.execute((&id, act.at.0))?;

    for Place { workspace, role, member, alone } in places {
        let keys = Once::of_person(workspace, user);
        conn.prepare_cached(FORGET_ANSWERS)?.execute((keys.start, keys.end))?;
        // Where they were once, their name is another one now: none.
        let what = if member { What::MemberRemoved(user) } else { What::PersonRenamed(user) };
        if member {
            if !alone {
                match keep_an_owner(conn, workspace, role, None) {
                    Err(StoreError::LastOwner) => {
                        return Err(StoreError::LastOwnerOf(load(conn, workspace)?.name));
                    }
                    other => other?,
                }
            }
            conn.prepare_cached(
                "UPDATE memberships SET removed_at = ?3, void_before = ?4 WHERE workspace_id = ?1 AND user_id = ?2",
            )?
            .execute((workspace.to_string(), &id, act.at.0, act.void_before().0))?;
        }
        let told = act.did(Some(workspace), what);
        tell(conn, &told)?;
        happened.push(told);
        if alone {
            happened.push(erase_workspace(conn, workspace, act)?);
        }
    }

    let key = email.key();
    let invited = all(conn, INVITED, [key.as_str()], |row| {
        Ok((WorkspaceId::from(rows::id(row, 0)?), row.get::<_, String>(1)?))
    })?;
    for (workspace, address) in &invited {
        let keys = Once::of_workspace(*workspace);
        let answers = all(conn, ANSWERS, (&keys.start, &keys.end), |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?))
        })?;
        for (answer, bytes) in answers {
            if tells_of(&bytes, std::slice::from_ref(address)) {
                conn.prepare_cached("DELETE FROM once WHERE id = ?1")?.execute([answer])?;
            }
        }
    }
    conn.prepare_cached(FORGET_INVITED)?.execute([key.as_str()])?;
    conn.prepare_cached(
        "UPDATE users SET name = '', email = '', email_key = ?2, password_hash = '' WHERE id = ?1",
    )?
    .execute((&id, erased_key(user)))?;
    Ok(happened)
}

/// Erases a workspace of which nobody is a member any more. Their tokens for it are void: they have been taken out of it.
fn erase_workspace(conn: &Connection, workspace: WorkspaceId, act: &Act) -> Result<Happened, StoreError> {
    let keys = Once::of_workspace(workspace);
    conn.prepare_cached(FORGET_ANSWERS)?.execute((keys.start, keys.end))?;
    conn.prepare_cached(FORGET_INVITATIONS)?.execute([workspace.to_string()])?;
    conn.prepare_cached(FORGET_WORKSPACE)?.execute((workspace.to_string(), act.at.0))?;
    let told = act.did(Some(workspace), What::WorkspaceErased);
    tell(conn, &told)?;
    Ok(told)
}
