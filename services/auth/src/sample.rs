//! The people of a sample workspace, made by the rules that hold for everybody.

use leadline_runtime::{
    caller::{Origin, Role, Scope},
    ids::{UserId, WorkspaceId, uuid_at},
    program::Failure,
    time::Millis,
    version::Version,
    zone::Zone,
};

use crate::{
    account::{Act, Email, Name, User, Workspace},
    grpc::Auth,
    invitation::{self, Invitation, InvitationId, State},
    password::Password,
    store::{Acceptance, Account, Invitee, PasswordChange, Registration, StoreError},
};

/// A sample workspace and who is in it. Made once; asked for again, its owner gets a new password and whoever is missing joins.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The owner's name.
    pub name: String,
    /// The owner's address: `demo@leadline.test`.
    pub email: String,
    /// The workspace's name.
    pub workspace: String,
    /// Its IANA time zone.
    pub timezone: String,
    /// When owner and workspace were made; may lie in the past.
    pub created_at: Millis,
    /// The others.
    pub colleagues: Vec<SampleColleague>,
}

/// Somebody who was invited into the sample workspace. Nobody knows their password.
#[derive(Debug, Clone)]
pub struct SampleColleague {
    /// Their name.
    pub name: String,
    /// Their address.
    pub email: String,
    /// What they are there.
    pub role: Role,
    /// When they joined.
    pub joined_at: Millis,
}

/// Who was made.
#[derive(Clone)]
pub struct SamplePeople {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// Its owner.
    pub owner: UserId,
    /// The colleagues, in the order in which they were asked for.
    pub colleagues: Vec<UserId>,
    /// The owner's new password: to be shown once.
    pub password: String,
    /// Whether the workspace is new, and so still empty.
    pub is_new: bool,
}

pub(crate) async fn prepare(auth: &Auth, sample: &Sample) -> Result<SamplePeople, Failure> {
    let email = Email::parse(&sample.email)?;
    let password = Password::generated();
    let hash = hash(auth, password.clone()).await?;
    let (owner, workspace, is_new) = match auth.store.account_by_email(&email.key()).await? {
        Some(Account { user, password: verified }) => {
            let change = PasswordChange { user: user.id, verified, new: hash, keep: None, answer: None };
            let ended = auth.store.change_password(change, Act::now(user.id, Origin::new())).await?;
            auth.void(&ended);
            (user.id, own_workspace(auth, user.id).await?, false)
        }
        None => {
            let at = sample.created_at;
            let user =
                User { id: uuid_at(at).into(), name: Name::parse(&sample.name)?, email, created_at: at };
            let workspace = Workspace {
                id: uuid_at(at).into(),
                name: Name::parse(&sample.workspace)?,
                zone: Zone::parse(&sample.timezone)?,
                created_at: at,
                version: Version::FIRST,
            };
            let (owner, id) = (user.id, workspace.id);
            let account = Account { user, password: hash };
            let act = Act { at, actor: owner, origin: Origin::new() };
            auth.store.register(Registration { account, workspace, session: None }, act).await?;
            (owner, id, true)
        }
    };
    let mut colleagues = Vec::with_capacity(sample.colleagues.len());
    for colleague in &sample.colleagues {
        colleagues.push(join(auth, owner, workspace, colleague).await?);
    }
    Ok(SamplePeople { workspace, owner, colleagues, password: password.reveal().to_owned(), is_new })
}

/// The workspace that was made with the account: the first that its owner joined.
async fn own_workspace(auth: &Auth, owner: UserId) -> Result<WorkspaceId, Failure> {
    auth.store
        .first_workspace(owner)
        .await?
        .ok_or_else(|| Failure::new("the sample's owner is in no workspace: use another data folder"))
}

async fn join(
    auth: &Auth,
    owner: UserId,
    workspace: WorkspaceId,
    colleague: &SampleColleague,
) -> Result<UserId, Failure> {
    let email = Email::parse(&colleague.email)?;
    let known = auth.store.account_by_email(&email.key()).await?;
    let at = colleague.joined_at;
    if let Some(account) = &known {
        let scope = Scope::of_own_row(workspace);
        if !auth.store.members_among(scope, vec![account.user.id]).await?.is_empty() {
            return Ok(account.user.id);
        }
    }
    let invitee = match known {
        Some(account) => Invitee::Known(account.user.id, account.password),
        None => {
            let user = User {
                id: uuid_at(at).into(),
                name: Name::parse(&colleague.name)?,
                email: email.clone(),
                created_at: at,
            };
            Invitee::New(Account { user, password: hash(auth, Password::generated()).await? })
        }
    };
    let user = match &invitee {
        Invitee::Known(user, _) => *user,
        Invitee::New(account) => account.user.id,
    };
    let id = InvitationId::new();
    let invitation = Invitation {
        id,
        workspace,
        email,
        role: colleague.role,
        created_by: owner,
        created_at: at,
        expires_at: at.after(invitation::LIFE),
        state: State::Open,
    };
    let act = |actor| Act { at, actor, origin: Origin::new() };
    auth.store.invite(invitation, None, act(owner)).await?;
    let acceptance = Acceptance { invitation: id, invitee, session: None };
    match auth.store.accept(acceptance, act(user)).await {
        Ok(_) | Err(StoreError::AlreadyMember) => Ok(user),
        Err(error) => Err(error.into()),
    }
}

async fn hash(auth: &Auth, password: Password) -> Result<crate::password::PasswordHash, Failure> {
    auth.hasher.hash(password).await.map_err(Failure::new)
}
