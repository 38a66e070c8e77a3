//! Inviting people, and joining.

use leadline_proto::auth::{
    AcceptInvitationRequest, CreateInvitationRequest, Invitation as Proto, ListInvitationsRequest,
    ListInvitationsResponse, SignedIn, WithdrawInvitationRequest, WithdrawInvitationResponse,
};
use leadline_runtime::{
    caller::{Origin, Role},
    ids::UserId,
    once::mark_replayed,
    refusal::Refusal,
    time::Millis,
    violations::Violations,
};
use prost::Message;
use tonic::{Request, Response};

use super::{
    Answered, Auth,
    convert::{self, checked, required},
    replay,
};
use crate::{
    account::{Act, Email, Name, User, may_give},
    invitation::{self, Invitation, InvitationId, State},
    keys::Stamp,
    password::Password,
    session::NewSession,
    store::{Acceptance, Account, Answer, Invitee, Position, StoreError},
};

impl Auth {
    pub(super) async fn open_invitations(
        &self,
        request: Request<ListInvitationsRequest>,
    ) -> Answered<ListInvitationsResponse> {
        let caller = self.admit(request.metadata()).await?;
        caller.require(Role::Admin)?;
        let request = request.into_inner();
        let asked = convert::page_of("invitations", caller.scope(), request.limit, &request.cursor)?;
        let page = self.store.invitations(caller.scope(), Millis::now(), asked.after, asked.limit).await?;
        let next_cursor = convert::next("invitations", caller.scope(), &page, |invitation| Position {
            at: invitation.created_at,
            id: invitation.id.uuid(),
        });
        Ok(Response::new(ListInvitationsResponse {
            invitations: page.items.iter().map(convert::invitation).collect(),
            next_cursor,
            total: Some(convert::total(&page)),
        }))
    }

    pub(super) async fn invite(&self, request: Request<CreateInvitationRequest>) -> Answered<Proto> {
        let caller = self.admit(request.metadata()).await?;
        caller.require(Role::Admin)?;
        let once = self.once(request.metadata(), &caller);
        let _flying = self.in_flight.begin(once.as_ref())?;
        if let Some(bytes) = self.replayed(once.as_ref()).await? {
            return self.invited_before(&bytes);
        }
        let request = request.into_inner();
        let asked = request.role();
        let mut violations = Violations::from_edge(request.faults);
        let email = required(&mut violations, "email", request.email.as_deref(), Email::parse);
        let role = convert::role(&mut violations, "role", asked);
        if let Some(role) = role {
            may_give(caller.role, role).map_err(|denied| Refusal::Forbidden(denied.to_string()))?;
        }
        violations.check()?;
        let act = Act::now(caller.user, caller.origin.clone());
        let invitation = Invitation {
            id: InvitationId::new(),
            workspace: caller.workspace,
            email: checked(email)?,
            role: checked(role)?,
            created_by: caller.user,
            created_at: act.at,
            expires_at: act.at.after(invitation::LIFE),
            state: State::Open,
        };
        let proto = convert::invitation(&invitation);
        let answer = once.clone().map(|once| Answer { once, bytes: proto.encode_to_vec() });
        match (self.store.invite(invitation, answer, act).await, once) {
            (Ok(()), _) => Ok(Response::new(self.with_token(proto)?)),
            (Err(StoreError::Answered(answer)), Some(once)) => self.invited_before(&replay(&once, answer)?),
            (Err(error), _) => Err(error.into()),
        }
    }

    fn invited_before(&self, bytes: &[u8]) -> Answered<Proto> {
        let proto = Proto::decode(bytes).map_err(Refusal::internal)?;
        let mut response = Response::new(self.with_token(proto)?);
        mark_replayed(&mut response);
        Ok(response)
    }

    fn with_token(&self, proto: Proto) -> Result<Proto, Refusal> {
        let id = InvitationId::parse(&proto.id).map_err(Refusal::internal)?;
        Ok(Proto { token: Some(self.invitation_tokens.issue(id)), ..proto })
    }

    pub(super) async fn withdraw(
        &self,
        request: Request<WithdrawInvitationRequest>,
    ) -> Answered<WithdrawInvitationResponse> {
        let caller = self.admit(request.metadata()).await?;
        caller.require(Role::Admin)?;
        let id = InvitationId::parse(&request.get_ref().id).map_err(|_| Refusal::NotFound("invitation"))?;
        self.store.withdraw(caller.scope(), id, Millis::now()).await?;
        Ok(Response::new(WithdrawInvitationResponse {}))
    }

    pub(super) async fn accept(&self, request: Request<AcceptInvitationRequest>) -> Answered<SignedIn> {
        let origin = Origin::of(request.metadata());
        let request = request.into_inner();
        let mut violations = Violations::from_edge(request.faults);
        if request.token.is_none() {
            violations.add("token", "is required");
        }
        // Which other fields are needed, the invitation says. A token that stands for none is as good as one that is spent.
        let invitation = match request.token.as_deref() {
            Some(token) => Some(self.open_invitation(token).await?),
            None => None,
        };
        let account = match &invitation {
            Some(invitation) => self.store.account_by_email(&invitation.email.key()).await?,
            None => None,
        };
        let known = account.is_some();
        let (name, password) = if known {
            (None, required(&mut violations, "password", request.password.as_deref(), Password::typed))
        } else {
            let name = required(&mut violations, "name", request.name.as_deref(), Name::parse);
            let email = invitation.as_ref().map(|invitation| &invitation.email);
            let password = required(&mut violations, "password", request.password.as_deref(), |text| {
                Password::chosen(text, name.as_ref(), email)
            });
            (name, password)
        };
        violations.check()?;
        let (invitation, password) = (checked(invitation)?, checked(password)?);

        let invitee = if known {
            let account = self.verified(&invitation.email.key(), password).await?;
            Invitee::Known(account.user.id, account.password)
        } else {
            self.limits.register.take(invitation.email.key().as_str())?.spend();
            let user = User {
                id: UserId::new(),
                name: checked(name)?,
                email: invitation.email.clone(),
                created_at: Millis::now(),
            };
            Invitee::New(Account { user, password: self.hasher.hash(password).await? })
        };
        let user = match &invitee {
            Invitee::Known(user, _) => *user,
            Invitee::New(account) => account.user.id,
        };
        let (stamp, act) = (Stamp::now(), Act::now(user, origin));
        let session = NewSession::new(convert::client(request.client.as_ref()), &self.refresh_tokens, act.at);
        let id = session.id;
        let acceptance = Acceptance { invitation: invitation.id, invitee, session: Some(session) };
        let standing = self.store.accept(acceptance, act).await?;
        self.signed_in(&standing, id, 0, stamp)
    }

    async fn open_invitation(&self, token: &str) -> Result<Invitation, Refusal> {
        let id = self.invitation_tokens.open(token).ok_or(StoreError::Gone)?;
        let found = self.store.invitation(id).await?;
        Ok(found.filter(|found| found.is_open(Millis::now())).ok_or(StoreError::Gone)?)
    }
}
