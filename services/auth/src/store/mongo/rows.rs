//! Documents as they are stored.

use bson::{Binary, spec::BinarySubtype};
use leadline_runtime::{
    caller::Role,
    ids::{UserId, WorkspaceId, parse_uuid},
    once::Once,
    time::Millis,
    version::Version,
    zone::Zone,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    account::{Email, Member, Membership, Name, Standing, User, Workspace},
    invitation::{Invitation, State},
    password::PasswordHash,
    session::{Chain, Client, Session, TokenHash},
    store::{Account, Answer, StoreError, broken},
};

pub(super) fn binary(bytes: Vec<u8>) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes }
}

/// One membership a workspace and user, whatever becomes of it.
pub(super) fn membership_id(workspace: WorkspaceId, user: UserId) -> String {
    format!("{workspace}/{user}")
}

pub(super) fn id(text: &str) -> Result<Uuid, StoreError> {
    parse_uuid(text).map_err(|_| broken("id"))
}

fn role(text: &str) -> Result<Role, StoreError> {
    Role::parse(text).ok_or_else(|| broken("role"))
}

fn hash(binary: &Binary) -> Result<TokenHash, StoreError> {
    binary.bytes.as_slice().try_into().map(TokenHash).map_err(|_| broken("hash"))
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserRow {
    #[serde(rename = "_id")]
    pub(super) id: String,
    pub(super) name: String,
    pub(super) email: String,
    pub(super) email_key: String,
    pub(super) password_hash: String,
    pub(super) last_workspace_id: String,
    pub(super) created_at: i64,
    /// Raised by every sign-in and change of password: they must not run side by side.
    pub(super) revision: i64,
}

impl UserRow {
    pub(super) fn new(account: &Account, workspace: WorkspaceId) -> Self {
        let User { id, name, email, created_at } = &account.user;
        Self {
            id: id.to_string(),
            name: name.as_str().to_owned(),
            email: email.as_str().to_owned(),
            email_key: email.key().as_str().to_owned(),
            password_hash: account.password.reveal().to_owned(),
            last_workspace_id: workspace.to_string(),
            created_at: created_at.0,
            revision: 0,
        }
    }

    pub(super) fn user(&self) -> Result<User, StoreError> {
        Ok(User {
            id: id(&self.id)?.into(),
            name: Name::stored(self.name.clone()),
            email: Email::stored(self.email.clone()),
            created_at: Millis(self.created_at),
        })
    }

    pub(super) fn into_account(self) -> Result<Account, StoreError> {
        Ok(Account { user: self.user()?, password: PasswordHash::new(self.password_hash) })
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WorkspaceRow {
    #[serde(rename = "_id")]
    pub(super) id: String,
    pub(super) name: String,
    pub(super) timezone: String,
    pub(super) created_at: i64,
    pub(super) version: i64,
    /// Raised by every change of who is in it: they must not run side by side.
    pub(super) people: i64,
}

impl WorkspaceRow {
    pub(super) fn new(workspace: &Workspace) -> Self {
        Self {
            id: workspace.id.to_string(),
            name: workspace.name.as_str().to_owned(),
            timezone: workspace.zone.name().to_owned(),
            created_at: workspace.created_at.0,
            version: workspace.version.0.cast_signed(),
            people: 0,
        }
    }

    pub(super) fn workspace(&self) -> Result<Workspace, StoreError> {
        Ok(Workspace {
            id: id(&self.id)?.into(),
            name: Name::stored(self.name.clone()),
            zone: Zone::parse(&self.timezone).map_err(|_| broken("time zone"))?,
            created_at: Millis(self.created_at),
            version: Version(u64::try_from(self.version).map_err(|_| broken("version"))?),
        })
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MembershipRow {
    #[serde(rename = "_id")]
    pub(super) id: String,
    pub(super) workspace_id: String,
    pub(super) user_id: String,
    pub(super) role: String,
    pub(super) joined_at: i64,
    pub(super) removed_at: Option<i64>,
    pub(super) void_before: Option<i64>,
}

impl MembershipRow {
    pub(super) fn new(workspace: WorkspaceId, user: UserId, role: Role, at: Millis) -> Self {
        Self {
            id: membership_id(workspace, user),
            workspace_id: workspace.to_string(),
            user_id: user.to_string(),
            role: role.name().to_owned(),
            joined_at: at.0,
            removed_at: None,
            void_before: None,
        }
    }

    pub(super) fn role(&self) -> Result<Role, StoreError> {
        role(&self.role)
    }

    pub(super) fn member(&self, user: &UserRow) -> Result<Member, StoreError> {
        Ok(Member { user: user.user()?, role: self.role()?, joined_at: Millis(self.joined_at) })
    }

    pub(super) fn membership(&self, workspace: &WorkspaceRow) -> Result<Membership, StoreError> {
        Ok(Membership {
            workspace: id(&workspace.id)?.into(),
            name: Name::stored(workspace.name.clone()),
            role: self.role()?,
        })
    }
}

pub(super) fn standing(
    membership: &MembershipRow,
    workspace: Option<WorkspaceRow>,
    user: Option<UserRow>,
) -> Result<Standing, StoreError> {
    let (Some(workspace), Some(user)) = (workspace, user) else { return Err(broken("membership")) };
    Ok(Standing {
        user: user.user()?,
        workspace: workspace.workspace()?,
        role: membership.role()?,
        void_before: membership.void_before.map(Millis),
    })
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionRow {
    #[serde(rename = "_id")]
    pub(super) id: String,
    pub(super) user_id: String,
    pub(super) workspace_id: String,
    pub(super) address: String,
    pub(super) agent: String,
    pub(super) created_at: i64,
    pub(super) last_used_at: i64,
    pub(super) expires_at: i64,
    pub(super) place: i64,
    pub(super) current_hash: Binary,
    pub(super) previous_hash: Option<Binary>,
    pub(super) rotated_at: i64,
    pub(super) again_at: Option<i64>,
    pub(super) ended_at: Option<i64>,
}

impl SessionRow {
    pub(super) fn new(session: &Session) -> Self {
        let hash = |hash: TokenHash| binary(hash.0.to_vec());
        Self {
            id: session.id.to_string(),
            user_id: session.user.to_string(),
            workspace_id: session.workspace.to_string(),
            address: session.client.address.clone(),
            agent: session.client.agent.clone(),
            created_at: session.created_at.0,
            last_used_at: session.last_used_at.0,
            expires_at: session.expires_at.0,
            place: session.chain.place.into(),
            current_hash: hash(session.chain.current),
            previous_hash: session.chain.previous.map(hash),
            rotated_at: session.chain.rotated_at.0,
            again_at: session.chain.again_at.map(|at| at.0),
            ended_at: session.ended_at.map(|at| at.0),
        }
    }

    pub(super) fn session(self) -> Result<Session, StoreError> {
        Ok(Session {
            id: id(&self.id)?.into(),
            user: id(&self.user_id)?.into(),
            workspace: id(&self.workspace_id)?.into(),
            chain: Chain {
                place: u32::try_from(self.place).map_err(|_| broken("number"))?,
                current: hash(&self.current_hash)?,
                previous: self.previous_hash.as_ref().map(hash).transpose()?,
                rotated_at: Millis(self.rotated_at),
                again_at: self.again_at.map(Millis),
            },
            client: Client { address: self.address, agent: self.agent },
            created_at: Millis(self.created_at),
            last_used_at: Millis(self.last_used_at),
            expires_at: Millis(self.expires_at),
            ended_at: self.ended_at.map(Millis),
        })
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InvitationRow {
    #[serde(rename = "_id")]
    pub(super) id: String,
    pub(super) workspace_id: String,
    pub(super) email: String,
    pub(super) email_key: String,
    pub(super) role: String,
    pub(super) created_by: String,
    pub(super) created_at: i64,
    pub(super) expires_at: i64,
    pub(super) state: String,
}

impl InvitationRow {
    pub(super) fn new(invitation: &Invitation) -> Self {
        Self {
            id: invitation.id.to_string(),
            workspace_id: invitation.workspace.to_string(),
            email: invitation.email.as_str().to_owned(),
            email_key: invitation.email.key().as_str().to_owned(),
            role: invitation.role.name().to_owned(),
            created_by: invitation.created_by.to_string(),
            created_at: invitation.created_at.0,
            expires_at: invitation.expires_at.0,
            state: invitation.state.name().to_owned(),
        }
    }

    pub(super) fn invitation(&self) -> Result<Invitation, StoreError> {
        Ok(Invitation {
            id: id(&self.id)?.into(),
            workspace: id(&self.workspace_id)?.into(),
            email: Email::stored(self.email.clone()),
            role: role(&self.role)?,
            created_by: id(&self.created_by)?.into(),
            created_at: Millis(self.created_at),
            expires_at: Millis(self.expires_at),
            state: State::parse(&self.state).ok_or_else(|| broken("invitation"))?,
        })
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct OutboxDocument {
    /// The event's id: a UUIDv7, so that the order of ids is about the order of time.
    #[serde(rename = "_id")]
    pub(super) id: String,
    pub(super) at: i64,
    pub(super) key: String,
    pub(super) event: Binary,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ParkedRow {
    #[serde(rename = "_id")]
    pub(super) id: String,
    pub(super) consumer: String,
    pub(super) reason: String,
    pub(super) event: Binary,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct OnceRow {
    #[serde(rename = "_id")]
    pub(super) id: String,
    pub(super) fingerprint: String,
    pub(super) answer: Binary,
    pub(super) at: i64,
}

impl OnceRow {
    pub(super) fn into_answer(self) -> Answer {
        Answer { once: Once { id: self.id, fingerprint: self.fingerprint }, bytes: self.answer.bytes }
    }
}
