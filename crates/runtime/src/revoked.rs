//! Tokens that are void before they run out: ended sessions, removed members, changed roles.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use leadline_proto::{
    auth::{ListRevocationsRequest, Revocation, auth_service_client::AuthServiceClient},
    events::{Event, account_event::What, event::Body},
};
use tonic::Status;

use crate::{
    caller::ServiceSecret,
    ids::{SessionId, UserId, WorkspaceId, parse_uuid},
    route::Route,
    stop::Stop,
    time::Millis,
};

/// How long an entry is kept: an access token's life, and time to spare for clocks that differ.
pub const KEPT: Duration = Duration::from_secs(20 * 60);
/// How often the list is loaded anew, in case an event was lost: a revocation holds within a minute whatever happens.
const RELOAD: Duration = Duration::from_secs(20);

/// Every void session and membership that a verifier must know. Clones are the same list.
#[derive(Clone, Default)]
pub struct Revocations {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    loaded: AtomicBool,
    entries: RwLock<Entries>,
}

#[derive(Default)]
struct Entries {
    /// Session → when it ended.
    sessions: HashMap<SessionId, Millis>,
    /// Membership → tokens issued before this are void.
    members: HashMap<(UserId, WorkspaceId), Millis>,
}

impl Revocations {
    /// An empty list that counts as not loaded: verifiers refuse with "unavailable" until it is.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the list was loaded once.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.inner.loaded.load(Ordering::Acquire)
    }

    /// Whether a token is void. `issued` is the time inside its `jti`.
    #[must_use]
    pub fn void(&self, session: SessionId, user: UserId, workspace: WorkspaceId, issued: Millis) -> bool {
        let entries = self.inner.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.sessions.contains_key(&session)
            || entries.members.get(&(user, workspace)).is_some_and(|before| issued < *before)
    }

    /// Takes entries in; the newest of each stays.
    pub fn add(&self, revocations: &[Revocation]) {
        let mut entries = self.inner.entries.write().unwrap_or_else(PoisonError::into_inner);
        for revocation in revocations {
            let before = Millis(revocation.before_ms);
            if let Ok(session) = parse_uuid(&revocation.session_id) {
                entries.sessions.insert(session.into(), before);
            } else if let (Ok(user), Ok(workspace)) =
                (parse_uuid(&revocation.user_id), parse_uuid(&revocation.workspace_id))
            {
                let newest = entries.members.entry((user.into(), workspace.into())).or_insert(before);
                *newest = (*newest).max(before);
            }
        }
        let oldest = Millis::now().before(KEPT);
        entries.sessions.retain(|_, at| *at >= oldest);
        entries.members.retain(|_, at| *at >= oldest);
    }

    /// Takes in what an account event voids, if it voids anything.
    pub fn apply(&self, event: &Event) {
        let Some(Body::Account(account)) = &event.body else { return };
        let mut revocation = Revocation { before_ms: event.at_ms, ..Revocation::default() };
        match &account.what {
            Some(What::SessionEnded(ended)) => revocation.session_id.clone_from(&ended.session_id),
            Some(What::MemberRemoved(removed)) => {
                revocation.user_id.clone_from(&removed.user_id);
                revocation.workspace_id.clone_from(&event.workspace_id);
            }
            Some(What::RoleChanged(changed)) => {
                revocation.user_id.clone_from(&changed.user_id);
                revocation.workspace_id.clone_from(&event.workspace_id);
            }
            _ => return,
        }
        self.add(&[revocation]);
    }

    /// Loads the list from the auth service now and every 20 seconds until `stop`. Runs until then: spawn it.
    pub async fn keep_loaded(self, auth: Route, secret: ServiceSecret, stop: Stop) {
        let mut client = AuthServiceClient::new(auth.clone());
        let mut told = false;
        loop {
            let pause = match self.load(&mut client, &secret).await {
                Ok(()) => {
                    self.inner.loaded.store(true, Ordering::Release);
                    told = false;
                    RELOAD
                }
                Err(status) => {
                    if !told {
                        tracing::warn!(
                            ?auth,
                            error = status.message(),
                            "waiting for the auth service to tell which tokens are void"
                        );
                        told = true;
                    }
                    if self.is_loaded() { RELOAD / 10 } else { Duration::from_millis(300) }
                }
            };
            if !stop.sleep(pause).await {
                return;
            }
        }
    }

    /// Loads the list, page by page.
    async fn load(
        &self,
        client: &mut AuthServiceClient<Route>,
        secret: &ServiceSecret,
    ) -> Result<(), Status> {
        let mut since_ms = 0;
        loop {
            let request = secret.request(ListRevocationsRequest { since_ms });
            let page = client.list_revocations(request).await?.into_inner();
            self.add(&page.revocations);
            // Each page is later than the one before: a list has an end.
            if page.next_ms <= since_ms {
                return Ok(());
            }
            since_ms = page.next_ms;
        }
    }

    /// For the auth service itself and for tests, which fill the list by other means.
    pub fn set_loaded(&self) {
        self.inner.loaded.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_member_who_comes_back_gets_tokens_that_work() {
        let revoked = Revocations::new();
        let (session, user, workspace) = (SessionId::new(), UserId::new(), WorkspaceId::new());
        let now = Millis::now();
        revoked.add(&[Revocation {
            user_id: user.to_string(),
            workspace_id: workspace.to_string(),
            before_ms: now.0,
            ..Revocation::default()
        }]);
        assert!(revoked.void(session, user, workspace, Millis(now.0 - 1)));
        assert!(!revoked.void(session, user, workspace, now));
        assert!(!revoked.void(session, user, WorkspaceId::new(), Millis(now.0 - 1)));
    }

    #[test]
    fn an_ended_session_is_void_for_good_and_forgotten_when_its_tokens_have_run_out() {
        let revoked = Revocations::new();
        let (old, new) = (SessionId::new(), SessionId::new());
        let ended = |session: SessionId, at: Millis| Revocation {
            session_id: session.to_string(),
            before_ms: at.0,
            ..Revocation::default()
        };
        let now = Millis::now();
        revoked.add(&[ended(old, now.before(KEPT * 2)), ended(new, now)]);
        assert!(revoked.void(new, UserId::new(), WorkspaceId::new(), Millis(now.0 + 5)));
        assert!(!revoked.void(old, UserId::new(), WorkspaceId::new(), now));
    }
}
