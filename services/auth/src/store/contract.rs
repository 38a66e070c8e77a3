//! What every store must do, tried on all of them.

mod erasure;
mod people;
mod sessions;

use std::{sync::Arc, time::Duration};

use leadline_proto::events::Event;
use leadline_runtime::{
    caller::{Origin, Role, Scope},
    ids::{SessionId, UserId, WorkspaceId},
    stop::Stop,
    time::Millis,
    version::Version,
    zone::Zone,
};
use leadline_storage::StoreUrl;
use prost::Message;

use super::*;
use crate::{
    account::{Act, Email, Name, User, Workspace},
    invitation::{self, Invitation, InvitationId, State},
    password::PasswordHash,
    session::{Client, NewSession, RefreshTokens},
};

/// Runs each rule on SQLite and on MongoDB.
macro_rules! rules {
    ($($rule:ident,)*) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $rule() -> anyhow::Result<()> {
                let folder = tempfile::tempdir()?;
                let url = format!("file:{}", folder.path().join("auth.db").display());
                crate::store::contract::run(&url, super::$rule).await
            })*
        }
        mod on_mongodb {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $rule() -> anyhow::Result<()> {
                let url = leadline_testbed::mongo().await?.fresh_uri();
                crate::store::contract::run(&url, super::$rule).await
            })*
        }
    };
}
use rules;

async fn run<F>(url: &str, rule: fn(Arc<dyn Store>) -> F) -> anyhow::Result<()>
where
    F: Future<Output = Result<(), StoreError>>,
{
    let store = open(&StoreUrl::parse(url)?, &Stop::new()).await?;
    let ended = rule(store.clone()).await;
    store.close().await;
    Ok(ended?)
}

fn tokens() -> RefreshTokens {
    RefreshTokens::new(Arc::new([[7; 32]]))
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Somebody with a workspace of their own and a session in it.
#[derive(Clone)]
struct Owner {
    account: Account,
    workspace: Workspace,
    session: SessionId,
    at: Millis,
}

impl Owner {
    fn id(&self) -> UserId {
        self.account.user.id
    }

    fn scope(&self) -> Scope {
        Scope::of_own_row(self.workspace.id)
    }

    fn act(&self) -> Act {
        act(self.id(), self.at)
    }
}

fn act(actor: UserId, at: Millis) -> Act {
    Act { at, actor, origin: Origin { request_id: "a-request".into(), traceparent: String::new() } }
}

fn account(email: &str, at: Millis) -> Account {
    let user = User {
        id: UserId::new(),
        name: Name::parse(email).unwrap(),
        email: Email::parse(email).unwrap(),
        created_at: at,
    };
    Account { user, password: PasswordHash::new(format!("hash of {email}")) }
}

fn registration(email: &str) -> Registration {
    let at = Millis::now();
    let workspace = Workspace {
        id: WorkspaceId::new(),
        name: Name::parse(&format!("of {email}")).unwrap(),
        zone: Zone::UTC,
        created_at: at,
        version: Version::FIRST,
    };
    let session = NewSession::new(Client::new("::1", "test"), &tokens(), at);
    Registration { account: account(email, at), workspace, session: Some(session) }
}

async fn register(store: &Arc<dyn Store>, email: &str) -> Result<Owner, StoreError> {
    let new = registration(email);
    let owner = Owner {
        account: new.account.clone(),
        workspace: new.workspace.clone(),
        session: new.session.as_ref().map_or_else(SessionId::new, |session| session.id),
        at: new.workspace.created_at,
    };
    store.register(new, owner.act()).await?;
    Ok(owner)
}

fn invitation(owner: &Owner, email: &str, role: Role) -> Invitation {
    Invitation {
        id: InvitationId::new(),
        workspace: owner.workspace.id,
        email: Email::parse(email).unwrap(),
        role,
        created_by: owner.id(),
        created_at: owner.at,
        expires_at: owner.at.after(invitation::LIFE),
        state: State::Open,
    }
}

/// Somebody new in another's workspace.
async fn join(store: &Arc<dyn Store>, owner: &Owner, email: &str, role: Role) -> Result<Account, StoreError> {
    let invitation = invitation(owner, email, role);
    let id = invitation.id;
    store.invite(invitation, None, owner.act()).await?;
    let account = account(email, owner.at);
    let acceptance = Acceptance { invitation: id, invitee: Invitee::New(account.clone()), session: None };
    store.accept(acceptance, act(account.user.id, owner.at)).await?;
    Ok(account)
}

/// A known person in another's workspace.
async fn join_again(
    store: &Arc<dyn Store>,
    owner: &Owner,
    account: &Account,
    role: Role,
) -> Result<Standing, StoreError> {
    let invitation = invitation(owner, account.user.email.as_str(), role);
    let id = invitation.id;
    store.invite(invitation, None, owner.act()).await?;
    let invitee = Invitee::Known(account.user.id, account.password.clone());
    let acceptance = Acceptance { invitation: id, invitee, session: None };
    store.accept(acceptance, act(account.user.id, owner.at)).await
}

async fn sign_in(
    store: &Arc<dyn Store>,
    account: &Account,
    workspace: Option<WorkspaceId>,
    at: Millis,
) -> Result<Begun, StoreError> {
    let session = NewSession::new(Client::new("::1", "test"), &tokens(), at);
    let (user, verified) = (account.user.id, account.password.clone());
    let origin = Origin { request_id: "a-request".into(), traceparent: String::new() };
    store.sign_in(SignIn { user, verified, workspace, session, origin }).await
}

/// The routing keys of the events that wait.
async fn told(store: &Arc<dyn Store>) -> Vec<String> {
    pending(store).await.into_iter().map(|(key, _)| key).collect()
}

async fn pending(store: &Arc<dyn Store>) -> Vec<(String, Event)> {
    let rows = store.outbox().pending(None, 1000).await.unwrap();
    rows.into_iter().map(|row| (row.key, Event::decode(row.bytes.as_slice()).unwrap())).collect()
}

fn once(id: &str, fingerprint: &str) -> Answer {
    Answer {
        once: Once { id: id.to_owned(), fingerprint: fingerprint.to_owned() },
        bytes: b"the answer".to_vec(),
    }
}
