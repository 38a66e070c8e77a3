//! Registering, signing in and out, refreshing, going on in another workspace.

use leadline_proto::auth::{
    LoginRequest, LogoutRequest, LogoutResponse, RefreshRequest, RegisterRequest, SignedIn,
    SwitchWorkspaceRequest,
};
use leadline_runtime::{
    caller::{Origin, Role},
    ids::{SessionId, UserId, WorkspaceId},
    refusal::Refusal,
    time::Millis,
    tokens::ACCESS_LIFE,
    version::Version,
    violations::Violations,
    zone::Zone,
};
use tonic::{Request, Response};

use super::{
    Answered, Auth,
    convert::{self, checked, optional, required},
    replay,
};
use crate::{
    account::{Act, Email, EmailKey, Name, Standing, User, Workspace},
    keys::Stamp,
    password::Password,
    session::{self, NewSession, RefreshToken},
    store::{Account, Begun, Refresh, Refreshed, Registration, SignIn, StoreError, Switch},
};

impl Auth {
    pub(super) async fn sign_up(&self, request: Request<RegisterRequest>) -> Answered<SignedIn> {
        let origin = Origin::of(request.metadata());
        let request = request.into_inner();
        let mut violations = Violations::from_edge(request.faults);
        let name = required(&mut violations, "name", request.name.as_deref(), Name::parse);
        let email = required(&mut violations, "email", request.email.as_deref(), Email::parse);
        let password = required(&mut violations, "password", request.password.as_deref(), |text| {
            Password::chosen(text, name.as_ref(), email.as_ref())
        });
        let workspace_name =
            optional(&mut violations, "workspaceName", request.workspace_name.as_deref(), Name::parse);
        let zone = optional(&mut violations, "timezone", request.timezone.as_deref(), Zone::parse);
        violations.check()?;
        let (name, email, password) = (checked(name)?, checked(email)?, checked(password)?);

        self.limits.register.take(email.key().as_str())?.spend();
        // A hash costs much; the store has the last word all the same.
        if self.store.account_by_email(&email.key()).await?.is_some() {
            return Err(StoreError::EmailTaken.into());
        }
        let stamp = Stamp::now();
        let act = Act::now(UserId::new(), origin);
        let workspace = Workspace {
            id: WorkspaceId::new(),
            name: workspace_name.unwrap_or_else(|| Name::of_workspace_of(&name)),
            zone: zone.unwrap_or(Zone::UTC),
            created_at: act.at,
            version: Version::FIRST,
        };
        let user = User { id: act.actor, name, email, created_at: act.at };
        let session = NewSession::new(convert::client(request.client.as_ref()), &self.refresh_tokens, act.at);
        let standing = Standing {
            user: user.clone(),
            workspace: workspace.clone(),
            role: Role::Owner,
            void_before: None,
        };
        let id = session.id;
        let account = Account { user, password: self.hasher.hash(password).await? };
        self.store.register(Registration { account, workspace, session: Some(session) }, act).await?;
        self.signed_in(&standing, id, 0, stamp)
    }

    pub(super) async fn log_in(&self, request: Request<LoginRequest>) -> Answered<SignedIn> {
        let origin = Origin::of(request.metadata());
        let request = request.into_inner();
        let mut violations = Violations::from_edge(request.faults);
        // What is no address is nobody's, and is answered as any other that is not known.
        let email = required(&mut violations, "email", request.email.as_deref(), |text| {
            if text.len() > 1024 { Err("is too long") } else { Ok(EmailKey::of(text)) }
        });
        let password = required(&mut violations, "password", request.password.as_deref(), Password::typed);
        let workspace =
            optional(&mut violations, "workspaceId", request.workspace_id.as_deref(), WorkspaceId::parse);
        violations.check()?;
        let account = self.verified(&checked(email)?, checked(password)?).await?;

        let stamp = Stamp::now();
        let session =
            NewSession::new(convert::client(request.client.as_ref()), &self.refresh_tokens, Millis::now());
        let sign_in =
            SignIn { user: account.user.id, verified: account.password, workspace, session, origin };
        let Begun { standing, session } = self.store.sign_in(sign_in).await?;
        self.signed_in(&standing, session.id, session.chain.place, stamp)
    }

    /// The account of an address, if the password is right. An address that nobody has and a password that is wrong give the
    /// same answer after the same work.
    pub(super) async fn verified(&self, email: &EmailKey, password: Password) -> Result<Account, Refusal> {
        let taken = self.limits.sign_in.take(email.as_str()).inspect_err(|_| count("limited"))?;
        let looked_up = self.store.account_by_email(email).await;
        let verified = match &looked_up {
            Ok(account) => {
                self.hasher.verify(password, account.as_ref().map(|account| &account.password)).await
            }
            Err(error) => Err(error.clone().into()),
        };
        let right = match verified {
            Ok(right) => right,
            Err(refusal) => {
                taken.give_back();
                return Err(refusal);
            }
        };
        match looked_up? {
            Some(account) if right => {
                taken.give_back();
                count("right");
                Ok(account)
            }
            _ => {
                taken.spend();
                count("wrong");
                Err(Refusal::Unauthenticated("the email address or the password is not right".to_owned()))
            }
        }
    }

    pub(super) async fn renew(&self, request: Request<RefreshRequest>) -> Answered<SignedIn> {
        let origin = Origin::of(request.metadata());
        let request = request.into_inner();
        let refuse = || Refusal::Unauthenticated("the refresh token is not valid: sign in again".to_owned());
        let token = RefreshToken::parse(&request.refresh_token).ok_or_else(refuse)?;
        // Only a genuine token counts against its account: else whoever knows a session's id could hold it up.
        if self.refresh_tokens.are_genuine(&token) {
            let user = self.store.user_of(token.session()).await?;
            let counted = user.map_or_else(|| token.session().to_string(), |user| user.to_string());
            self.limits.refresh.take(&counted)?.spend();
        }
        let entered = self.under_way.enter(token.hash()).await;
        let stamp = Stamp::now();
        let refresh = Refresh {
            token,
            client: convert::client(request.client.as_ref()),
            at_once: entered.at_once,
            at: Millis::now(),
            origin,
        };
        match self.store.refresh(refresh, self.refresh_tokens.clone()).await? {
            Refreshed::Done(begun) => {
                let Begun { standing, session } = *begun;
                self.signed_in(&standing, session.id, session.chain.place, stamp)
            }
            Refreshed::AtOnce => Err(Refusal::Unauthenticated(
                "this refresh token was used several times at once: use the newest".to_owned(),
            )),
            Refreshed::Reused(ended) => {
                metrics::counter!("leadline_auth_reused_refresh_tokens_total").increment(1);
                tracing::warn!("a spent refresh token was used again: its session was ended");
                self.void(&ended);
                Err(refuse())
            }
            Refreshed::Unknown => Err(refuse()),
        }
    }

    pub(super) async fn log_out(&self, request: Request<LogoutRequest>) -> Answered<LogoutResponse> {
        let caller = self.admit(request.metadata()).await?;
        let once = self.once(request.metadata(), &caller);
        let _flying = self.in_flight.begin(once.as_ref())?;
        // With a known key too it is carried out: what was asked before may have been about another session.
        self.replayed(once.as_ref()).await?;
        let act = Act::now(caller.user, caller.origin.clone());
        match (self.store.end_session(caller.session, act, once.clone()).await, once) {
            (Ok(ended), _) => self.void([&ended]),
            // Two tabs did it.
            (Err(StoreError::NotFound(_)), _) => {}
            (Err(StoreError::Answered(answer)), Some(once)) => {
                replay(&once, answer)?;
            }
            (Err(error), _) => return Err(error.into()),
        }
        Ok(Response::new(LogoutResponse {}))
    }

    pub(super) async fn switch(&self, request: Request<SwitchWorkspaceRequest>) -> Answered<SignedIn> {
        let caller = self.admit(request.metadata()).await?;
        let once = self.once(request.metadata(), &caller);
        let _flying = self.in_flight.begin(once.as_ref())?;
        // With a known key too it is carried out: tokens are not kept, and it leads to the same place.
        self.replayed(once.as_ref()).await?;
        let request = request.into_inner();
        let mut violations = Violations::from_edge(request.faults);
        let workspace =
            required(&mut violations, "workspaceId", request.workspace_id.as_deref(), WorkspaceId::parse);
        violations.check()?;
        let stamp = Stamp::now();
        let switch = Switch {
            user: caller.user,
            session: caller.session,
            workspace: checked(workspace)?,
            client: convert::client(request.client.as_ref()),
            at: Millis::now(),
            once: once.clone(),
        };
        let Begun { standing, session } =
            match (self.store.switch(switch, self.refresh_tokens.clone()).await, once) {
                (Err(StoreError::Answered(answer)), Some(once)) => {
                    replay(&once, answer)?;
                    return Err(Refusal::InFlight);
                }
                (switched, _) => switched?,
            };
        self.signed_in(&standing, session.id, session.chain.place, stamp)
    }

    /// The answer of every call that signs somebody in.
    pub(super) fn signed_in(
        &self,
        standing: &Standing,
        session: SessionId,
        place: u32,
        stamp: Stamp,
    ) -> Answered<SignedIn> {
        let seconds = |life: std::time::Duration| u32::try_from(life.as_secs()).unwrap_or(u32::MAX);
        Ok(Response::new(SignedIn {
            user: Some(convert::user(&standing.user)),
            workspace: Some(convert::workspace(&standing.workspace)),
            role: convert::role_to_proto(standing.role).into(),
            access_token: self.keys.access_token(standing, session, stamp)?,
            expires_in: seconds(ACCESS_LIFE),
            refresh_token: self.refresh_tokens.issue(session, place).reveal(),
            refresh_expires_in: seconds(session::LIFE),
        }))
    }
}

fn count(outcome: &'static str) {
    metrics::counter!("leadline_auth_sign_ins_total", "outcome" => outcome).increment(1);
}
