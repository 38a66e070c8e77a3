//! Where accounts, workspaces, sessions and invitations are kept: the port.
//!
//! Calls about a workspace take a [`Scope`]. Accounts and sessions belong to a person, not to a workspace (one person is in many, and
//! signs in before any is known), so their calls take the [`UserId`] of a verified token, an address, or a token; their tables
//! and collections are keyed by those too. Every write is one transaction, with its events.

#[cfg(test)]
mod contract;
mod mongo;
mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;
use leadline_bus::Outbox;
use leadline_runtime::{
    caller::{Origin, Role, Scope},
    ids::{SessionId, UserId, WorkspaceId},
    once::Once,
    stop::Stop,
    time::Millis,
    version::{Precondition, Version},
};
use leadline_storage::{StorageError, StoreUrl};
use uuid::Uuid;

use crate::{
    account::{
        Act, Denied, EmailKey, Happened, Member, Membership, Name, Person, Standing, User, Void, Workspace,
        WorkspaceChange,
    },
    invitation::{Invitation, InvitationId},
    password::PasswordHash,
    session::{Client, NewSession, RefreshToken, RefreshTokens, Session},
};

/// The most workspaces of one person that are told.
pub const MOST_WORKSPACES: u32 = 500;
/// The most sessions of one person that are live: one more ends the oldest.
pub const MOST_SESSIONS: u32 = 100;
/// The most sessions that one beginning ends, if there are more than that from before there was a limit.
const ENDED_AT_ONCE: u32 = 20;
/// The most people of one workspace whose names are told: members first.
pub const MOST_PEOPLE: u32 = 5_000;
/// How much of each kind of what became void is read at once: a message of it has a tenth of what a client takes.
pub const VOIDED_AT_ONCE: u32 = 2_000;
/// Where counting stops.
pub const MOST_COUNTED: u32 = 10_000;

/// Why a call did not do what it was asked for. Nothing was written then.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StoreError {
    /// Somebody has registered this address.
    #[error("the address is taken")]
    EmailTaken,
    /// There is no such thing, or it is not theirs.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// They are not a member of the workspace that they named.
    #[error("not a member of that workspace")]
    NotAMember,
    /// They are not a member of any workspace.
    #[error("not a member of any workspace")]
    NoWorkspace,
    /// The session has ended.
    #[error("the session is over")]
    SessionOver,
    /// The password was changed since it was verified.
    #[error("the password was changed meanwhile")]
    PasswordChanged,
    /// They are a member already.
    #[error("a member already")]
    AlreadyMember,
    /// The workspace would have no owner.
    #[error("the last owner")]
    LastOwner,
    /// This workspace, in which others are, would have no owner.
    #[error("the last owner of a workspace in which others are")]
    LastOwnerOf(Name),
    /// Nobody would be left in these workspaces, and they are not to be erased.
    #[error("the only member of a workspace")]
    OnlyMemberOf(Vec<Name>),
    /// The actor's role does not allow it.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The invitation is spent, withdrawn or out of date.
    #[error("the invitation is no longer open")]
    Gone,
    /// `If-Match` named other versions.
    #[error("another version")]
    VersionMismatch(Version),
    /// A request with this idempotency key was carried out already.
    #[error("the idempotency key was used")]
    Answered(Answer),
    /// The database.
    #[error(transparent)]
    Storage(StorageError),
}

impl From<StorageError> for StoreError {
    fn from(error: StorageError) -> Self {
        match error {
            // `users.email_key` in SQLite, `users_email_key` in MongoDB.
            StorageError::Conflict { ref constraint } if constraint.starts_with("users") => Self::EmailTaken,
            other => Self::Storage(other),
        }
    }
}

impl From<leadline_storage::rusqlite::Error> for StoreError {
    fn from(error: leadline_storage::rusqlite::Error) -> Self {
        StorageError::from(error).into()
    }
}

impl From<leadline_storage::mongodb::error::Error> for StoreError {
    fn from(error: leadline_storage::mongodb::error::Error) -> Self {
        StorageError::from(error).into()
    }
}

/// What stands in the place of an erased person's address in what addresses are compared by. Without an `@`: nobody can
/// register with it, and no two are the same.
fn erased_key(user: UserId) -> String {
    format!("erased/{user}")
}

/// Whether an answer that was kept tells of one of these addresses.
fn tells_of(answer: &[u8], addresses: &[String]) -> bool {
    let mut addresses = addresses.iter().filter(|address| !address.is_empty());
    addresses.any(|address| answer.windows(address.len()).any(|part| part == address.as_bytes()))
}

/// A row that can't be what this service wrote.
fn broken(what: &str) -> StoreError {
    StoreError::Storage(StorageError::Internal(format!("a stored {what} can't be read")))
}

/// What was answered under an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The key and the request's fingerprint.
    pub once: Once,
    /// The encoded answer. Holds no token and no password.
    pub bytes: Vec<u8>,
}

impl Answer {
    /// That of a call which can be carried out again and gives out what is not kept: the key counts for its request only.
    #[must_use]
    pub fn nothing(once: Once) -> Self {
        Self { once, bytes: Vec::new() }
    }
}

/// Takes it that the same request was carried out before under this key.
///
/// # Errors
/// All that `remembered` is but that; [`StoreError::Answered`] if it was another request.
fn again(once: &Once, remembered: Result<(), StoreError>) -> Result<(), StoreError> {
    match remembered {
        Err(StoreError::Answered(known)) if known.once.fingerprint == once.fingerprint => Ok(()),
        other => other,
    }
}

/// An account, as signing in needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Whose.
    pub user: User,
    /// What their password is verified by.
    pub password: PasswordHash,
}

/// Somebody new with a workspace of their own.
#[derive(Debug, Clone)]
pub struct Registration {
    /// The account.
    pub account: Account,
    /// The workspace that they own.
    pub workspace: Workspace,
    /// The session to begin, if they sign in with it.
    pub session: Option<NewSession>,
}

/// A sign-in with a password that was right.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// Who.
    pub user: UserId,
    /// The hash that the password was verified by: if it is another by now, the password was changed meanwhile.
    pub verified: PasswordHash,
    /// In which workspace; `None`: the one used last.
    pub workspace: Option<WorkspaceId>,
    /// The session to begin.
    pub session: NewSession,
    /// In which request.
    pub origin: Origin,
}

/// Where a session stands after it began or went on.
#[derive(Debug, Clone)]
pub struct Begun {
    /// Where its person stands.
    pub standing: Standing,
    /// The session.
    pub session: Session,
}

/// Somebody shows a refresh token.
#[derive(Debug, Clone)]
pub struct Refresh {
    /// The token.
    pub token: RefreshToken,
    /// From where.
    pub client: Client,
    /// Whether the same token was shown by several requests at the same time.
    pub at_once: bool,
    /// When.
    pub at: Millis,
    /// In which request.
    pub origin: Origin,
}

/// What became of it.
#[derive(Debug, Clone)]
pub enum Refreshed {
    /// The session goes on; its present place says which token is the next.
    Done(Box<Begun>),
    /// Refused, and nothing else.
    AtOnce,
    /// The token was spent before: the session was ended.
    Reused(Vec<Happened>),
    /// No good token.
    Unknown,
}

/// Who accepts an invitation.
#[derive(Debug, Clone)]
pub enum Invitee {
    /// Somebody with an account, whose password was verified by this hash.
    Known(UserId, PasswordHash),
    /// Somebody new.
    New(Account),
}

/// Somebody accepts an invitation.
#[derive(Debug, Clone)]
pub struct Acceptance {
    /// Which.
    pub invitation: InvitationId,
    /// Who.
    pub invitee: Invitee,
    /// The session to begin, if they sign in with it.
    pub session: Option<NewSession>,
}

/// Who a person is, where they stand, and where else they could.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Me {
    /// Here.
    pub standing: Standing,
    /// All workspaces of theirs, by the time they joined; at most [`MOST_WORKSPACES`].
    pub memberships: Vec<Membership>,
}

/// Where a page ended: the time that its rows are in order of, and the id that breaks ties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The time.
    pub at: Millis,
    /// The id.
    pub id: Uuid,
}

/// A page of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Whether there are more after them.
    pub more: bool,
    /// How many there are in all, or [`MOST_COUNTED`].
    pub total: u32,
}

impl<T> Page<T> {
    /// From one row more than the page may have.
    fn of(mut items: Vec<T>, limit: u32, total: u32) -> Self {
        let most = limit as usize;
        let more = items.len() > most;
        items.truncate(most);
        Self { items, more, total }
    }
}

/// People and what they sign in with.
#[async_trait]
pub trait Accounts {
    /// Makes an account, a workspace and a membership, and begins a session if one is asked for.
    ///
    /// # Errors
    /// [`StoreError::EmailTaken`].
    async fn register(&self, new: Registration, act: Act) -> Result<(), StoreError>;
    /// The account of an address.
    ///
    /// # Errors
    /// The database's.
    async fn account_by_email(&self, email: &EmailKey) -> Result<Option<Account>, StoreError>;
    /// A person's account.
    ///
    /// # Errors
    /// The database's.
    async fn account(&self, user: UserId) -> Result<Option<Account>, StoreError>;
    /// The first workspace that a person joined, of those that they are in.
    ///
    /// # Errors
    /// The database's.
    async fn first_workspace(&self, user: UserId) -> Result<Option<WorkspaceId>, StoreError>;
    /// Gives a person another name; every workspace that they are or were in is told.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    async fn rename(&self, user: UserId, name: Name, act: Act) -> Result<(), StoreError>;
    /// Sets a new password and ends all sessions of theirs but one.
    ///
    /// # Errors
    /// [`StoreError::PasswordChanged`] if the present hash is not `verified`, [`StoreError::Answered`].
    async fn change_password(&self, change: PasswordChange, act: Act) -> Result<Vec<Happened>, StoreError>;
    /// Erases a person: name, address, password, where they signed in from, invitations to their address, what was answered to
    /// them. All their sessions end, and they leave every workspace. What remains is their id, as what they did there bears it.
    /// With `workspaces`, those of which nobody else is a member are erased too: their names, invitations and answers here, and
    /// by the event that tells of it what other services keep of them. Of such a workspace id and time remain.
    ///
    /// # Errors
    /// [`StoreError::PasswordChanged`] if the present hash is not `verified`, [`StoreError::LastOwnerOf`],
    /// [`StoreError::OnlyMemberOf`].
    async fn erase(
        &self,
        user: UserId,
        verified: PasswordHash,
        workspaces: bool,
        act: Act,
    ) -> Result<Vec<Happened>, StoreError>;
    /// Where a person stands in a workspace; `None` if they are not a member.
    ///
    /// # Errors
    /// The database's.
    async fn me(&self, user: UserId, scope: Scope) -> Result<Option<Me>, StoreError>;
}

/// A change of password.
#[derive(Debug, Clone)]
pub struct PasswordChange {
    /// Whose.
    pub user: UserId,
    /// The hash that the present password was verified by.
    pub verified: PasswordHash,
    /// The new one.
    pub new: PasswordHash,
    /// The session that goes on.
    pub keep: Option<SessionId>,
    /// What to remember as the answer.
    pub answer: Option<Answer>,
}

/// Sessions.
#[async_trait]
pub trait Sessions: Sync {
    /// Begins a session.
    ///
    /// # Errors
    /// [`StoreError::PasswordChanged`], [`StoreError::NotAMember`], [`StoreError::NoWorkspace`].
    async fn sign_in(&self, sign_in: SignIn) -> Result<Begun, StoreError>;
    /// Shows a refresh token. A session whose workspace its person is no longer in goes on in another one of theirs.
    ///
    /// # Errors
    /// [`StoreError::NoWorkspace`]: the token is not spent then.
    async fn refresh(&self, refresh: Refresh, tokens: RefreshTokens) -> Result<Refreshed, StoreError>;
    /// Goes on in another workspace, with the session's next token.
    ///
    /// # Errors
    /// [`StoreError::NotAMember`], [`StoreError::SessionOver`]; [`StoreError::Answered`] if its key was used for another request.
    async fn switch(&self, switch: Switch, tokens: RefreshTokens) -> Result<Begun, StoreError>;
    /// Ends a session of a person's. The key is kept with it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for one that is not theirs or is over; [`StoreError::Answered`] if the key was used for another
    /// request.
    async fn end_session(
        &self,
        session: SessionId,
        act: Act,
        once: Option<Once>,
    ) -> Result<Happened, StoreError>;
    /// Whose session it is, over or not.
    ///
    /// # Errors
    /// The database's.
    async fn user_of(&self, session: SessionId) -> Result<Option<UserId>, StoreError>;
    /// A person's live sessions, newest first; at most [`MOST_SESSIONS`].
    ///
    /// # Errors
    /// The database's.
    async fn sessions(&self, user: UserId, now: Millis) -> Result<Vec<Session>, StoreError>;
    /// What became void at or after `since`: of ended sessions and of changed memberships the oldest `most` each, in the
    /// order of time.
    ///
    /// # Errors
    /// The database's.
    async fn oldest_voided(&self, since: Millis, most: u32) -> Result<[Vec<Void>; 2], StoreError>;

    /// A page of what became void at or after `since`, and since when to ask for the next, if there is one. A page has about
    /// `most` of each kind: times are never torn apart.
    ///
    /// # Errors
    /// The database's.
    async fn voided_page(&self, since: Millis, most: u32) -> Result<(Vec<Void>, Option<Millis>), StoreError> {
        let mut most = most;
        loop {
            let found = self.oldest_voided(since, most).await?;
            // A kind that fills its part may have more at its last time, and all after it.
            let full = found.iter().filter(|kind| kind.len() >= most as usize);
            let next = full.filter_map(|kind| kind.last()).map(|last| last.at()).min();
            match next {
                Some(next) if next <= since => most = most.saturating_mul(2),
                Some(next) => {
                    let before = found.into_iter().flatten().filter(|void| void.at() < next);
                    return Ok((before.collect(), Some(next)));
                }
                None => return Ok((found.into_iter().flatten().collect(), None)),
            }
        }
    }

    /// All that became void at or after `since`.
    ///
    /// # Errors
    /// The database's.
    async fn voided(&self, since: Millis) -> Result<Vec<Void>, StoreError> {
        let (mut voided, mut next) = self.voided_page(since, VOIDED_AT_ONCE).await?;
        while let Some(since) = next {
            let (page, after) = self.voided_page(since, VOIDED_AT_ONCE).await?;
            voided.extend(page);
            next = after;
        }
        Ok(voided)
    }
}

/// A move to another workspace.
#[derive(Debug, Clone)]
pub struct Switch {
    /// Whose session.
    pub user: UserId,
    /// Which.
    pub session: SessionId,
    /// Where to.
    pub workspace: WorkspaceId,
    /// From where.
    pub client: Client,
    /// When.
    pub at: Millis,
    /// The key that is kept with it.
    pub once: Option<Once>,
}

/// Workspaces and their members.
#[async_trait]
pub trait Workspaces {
    /// The workspace.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    async fn workspace(&self, scope: Scope) -> Result<Workspace, StoreError>;
    /// Changes it, and tells so, if that changes anything.
    ///
    /// # Errors
    /// [`StoreError::VersionMismatch`], [`StoreError::NotFound`].
    async fn update_workspace(
        &self,
        scope: Scope,
        change: WorkspaceChange,
        condition: Precondition,
        act: Act,
    ) -> Result<Workspace, StoreError>;
    /// Members in the order in which they joined.
    ///
    /// # Errors
    /// The database's.
    async fn members(
        &self,
        scope: Scope,
        after: Option<Position>,
        limit: u32,
    ) -> Result<Page<Member>, StoreError>;
    /// Gives a member another role. The actor's own role is read again.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Denied`], [`StoreError::LastOwner`].
    async fn change_role(
        &self,
        scope: Scope,
        target: UserId,
        role: Role,
        act: Act,
    ) -> Result<(Member, Option<Happened>), StoreError>;
    /// Removes a member, or lets the actor leave.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Denied`], [`StoreError::LastOwner`].
    async fn remove_member(&self, scope: Scope, target: UserId, act: Act) -> Result<Happened, StoreError>;
    /// Everybody who is or was a member; at most [`MOST_PEOPLE`].
    ///
    /// # Errors
    /// The database's.
    async fn people(&self, scope: Scope) -> Result<Vec<Person>, StoreError>;
    /// Those of these users that are members.
    ///
    /// # Errors
    /// The database's.
    async fn members_among(&self, scope: Scope, users: Vec<UserId>) -> Result<Vec<UserId>, StoreError>;
}

/// Invitations.
#[async_trait]
pub trait Invitations {
    /// Stores an invitation; an open one for the same address is withdrawn.
    ///
    /// # Errors
    /// [`StoreError::AlreadyMember`], [`StoreError::Denied`], [`StoreError::Answered`].
    async fn invite(
        &self,
        invitation: Invitation,
        answer: Option<Answer>,
        act: Act,
    ) -> Result<(), StoreError>;
    /// An invitation, whosever it is: its token, which names it, is what admits to it.
    ///
    /// # Errors
    /// The database's.
    async fn invitation(&self, id: InvitationId) -> Result<Option<Invitation>, StoreError>;
    /// Open invitations, newest first.
    ///
    /// # Errors
    /// The database's.
    async fn invitations(
        &self,
        scope: Scope,
        now: Millis,
        after: Option<Position>,
        limit: u32,
    ) -> Result<Page<Invitation>, StoreError>;
    /// Takes an open invitation back.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    async fn withdraw(&self, scope: Scope, id: InvitationId, now: Millis) -> Result<(), StoreError>;
    /// Makes the invitee a member, with an account if they had none, and begins a session if one is asked for.
    ///
    /// # Errors
    /// [`StoreError::Gone`], [`StoreError::AlreadyMember`], [`StoreError::EmailTaken`], [`StoreError::PasswordChanged`].
    async fn accept(&self, acceptance: Acceptance, act: Act) -> Result<Standing, StoreError>;
}

/// All that this service keeps.
#[async_trait]
pub trait Store: Accounts + Sessions + Workspaces + Invitations + Send + Sync {
    /// What was answered under an idempotency key since `since`.
    ///
    /// # Errors
    /// The database's.
    async fn answered(&self, once: &Once, since: Millis) -> Result<Option<Answer>, StoreError>;
    /// Deletes what has run out, at most `limit` rows of each kind; tells how many.
    ///
    /// # Errors
    /// The database's.
    async fn sweep(&self, now: Millis, limit: u32) -> Result<u64, StoreError>;
    /// The events that wait to be published.
    fn outbox(&self) -> Arc<dyn Outbox>;
    /// Whether it answers.
    ///
    /// # Errors
    /// Why not.
    async fn ping(&self) -> Result<(), StorageError>;
    /// Ends it.
    async fn close(&self);
}

/// How long an ended session is kept: longer than verifiers need to hear of it.
const ENDED_KEPT: std::time::Duration = std::time::Duration::from_secs(60 * 60);
/// How long an invitation that can no longer be accepted is kept.
const SETTLED_KEPT: std::time::Duration = std::time::Duration::from_secs(30 * 24 * 60 * 60);

/// Opens a store and brings it up to date; waits for a MongoDB that is not up yet until `stop`.
///
/// # Errors
/// [`StorageError`] with what to do about it.
pub async fn open(url: &StoreUrl, stop: &Stop) -> Result<Arc<dyn Store>, StorageError> {
    match url {
        StoreUrl::Sqlite(path) => {
            let path = path.clone();
            let opened = tokio::task::spawn_blocking(move || sqlite::Sqlite::open(&path)).await;
            Ok(Arc::new(opened.map_err(|error| StorageError::Internal(error.to_string()))??))
        }
        StoreUrl::Mongo(uri) => Ok(Arc::new(mongo::Mongo::open(uri, stop).await?)),
    }
}
