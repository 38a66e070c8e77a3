//! The calls of the contract: who may make them, what they mean, and how they are answered.

mod accounts;
mod convert;
mod invitations;
mod sign_in;
#[cfg(test)]
mod tests;
mod workspaces;

use std::sync::Arc;

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use leadline_proto::auth::{auth_service_server::AuthService, *};
use leadline_runtime::{
    caller::{Caller, ServiceSecret},
    once::{self, InFlight, Once},
    refusal::Refusal,
    revoked::{self, Revocations},
    time::Millis,
    tokens::Verifier,
};
use tonic::{Request, Response, Status, metadata::MetadataMap};

use crate::{
    account::Happened,
    at_once::UnderWay,
    events,
    hashing::Hasher,
    invitation::InvitationTokens,
    keys::SigningKeys,
    limits::Limits,
    session::{RefreshTokens, seal},
    store::{Answer, Store, StoreError, VOIDED_AT_ONCE},
};

/// The service.
#[derive(Clone)]
pub(crate) struct Auth {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) hasher: Arc<Hasher>,
    pub(crate) keys: SigningKeys,
    pub(crate) refresh_tokens: RefreshTokens,
    pub(crate) invitation_tokens: InvitationTokens,
    pub(crate) limits: Arc<Limits>,
    pub(crate) under_way: Arc<UnderWay>,
    pub(crate) in_flight: InFlight,
    pub(crate) verifier: Verifier,
    pub(crate) revocations: Revocations,
    pub(crate) secret: ServiceSecret,
}

type Answered<T> = Result<Response<T>, Refusal>;

impl Auth {
    async fn admit(&self, metadata: &MetadataMap) -> Result<Caller, Refusal> {
        self.verifier.admit(metadata).await
    }

    /// The idempotency key of a call. What is kept of the body is sealed: where it holds passwords, a bare hash of it would be
    /// one of theirs that is quick to guess at.
    fn once(&self, metadata: &MetadataMap, caller: &Caller) -> Option<Once> {
        let once = Once::of(metadata, caller)?;
        let keys = self.keys.derive("leadline idempotency keys");
        let sealed = seal(keys.first()?, once.fingerprint.as_bytes());
        Some(Once { fingerprint: URL_SAFE_NO_PAD.encode(sealed), ..once })
    }

    /// Voids at once, in this process, what others learn of through the bus.
    pub(crate) fn void<'a>(&self, happened: impl IntoIterator<Item = &'a Happened>) {
        for happened in happened {
            self.revocations.apply(&events::to_proto(happened));
        }
    }

    /// The bytes that were answered under this key, if the same request was made before.
    async fn replayed(&self, once: Option<&Once>) -> Result<Option<Vec<u8>>, Refusal> {
        let Some(once) = once else { return Ok(None) };
        match self.store.answered(once, Millis::now().before(once::KEPT)).await? {
            Some(answer) => replay(once, answer).map(Some),
            None => Ok(None),
        }
    }
}

fn replay(once: &Once, answer: Answer) -> Result<Vec<u8>, Refusal> {
    once.check(&answer.once.fingerprint)?;
    Ok(answer.bytes)
}

/// One error, one answer.
impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::EmailTaken => {
                Self::conflict("EMAIL_TAKEN", "somebody has registered with this email address: sign in")
            }
            StoreError::NotFound(thing) => Self::NotFound(thing),
            StoreError::NotAMember => Self::invalid("workspaceId", "is not a workspace of yours"),
            StoreError::NoWorkspace => Self::Unauthenticated(
                "you are not a member of any workspace: ask for an invitation".to_owned(),
            ),
            StoreError::SessionOver => Self::Unauthenticated("the session is over: sign in again".to_owned()),
            StoreError::PasswordChanged => {
                Self::Unauthenticated("the password was changed a moment ago: sign in again".to_owned())
            }
            StoreError::AlreadyMember => {
                Self::conflict("ALREADY_MEMBER", "this person is a member of the workspace already")
            }
            StoreError::LastOwner => Self::conflict(
                "LAST_OWNER",
                "the workspace would have no owner: make somebody else an owner first",
            ),
            StoreError::LastOwnerOf(workspace) => Self::conflict(
                "LAST_OWNER",
                format!(
                    "“{}” would have no owner: make another member its owner first, or remove all others",
                    workspace.as_str()
                ),
            ),
            StoreError::OnlyMemberOf(workspaces) => {
                let names: Vec<_> = workspaces.iter().map(|name| format!("“{}”", name.as_str())).collect();
                let names = names.join(", ");
                Self::conflict(
                    "ONLY_MEMBER",
                    format!(
                        "nobody else is a member of {names}: make somebody else an owner first, or send deleteWorkspace: true to erase all leads, notes, reminders, imports and figures there too"
                    ),
                )
            }
            StoreError::Denied(denied) => Self::Forbidden(denied.to_string()),
            StoreError::Gone => Self::Gone(
                "the invitation was accepted or withdrawn, or has run out: ask for a new one".to_owned(),
            ),
            StoreError::VersionMismatch(present) => Self::VersionMismatch { present },
            // Only met where two processes carried out the same request at the same time.
            StoreError::Answered(_) => Self::InFlight,
            StoreError::Storage(error) if error.is_passing() => {
                tracing::warn!(%error, "the store does not answer");
                Self::Unavailable("accounts can't be reached at this moment: try again".to_owned())
            }
            StoreError::Storage(error) => Self::internal(error),
        }
    }
}

#[async_trait]
impl AuthService for Auth {
    async fn register(&self, request: Request<RegisterRequest>) -> Result<Response<SignedIn>, Status> {
        Ok(self.sign_up(request).await?)
    }

    async fn login(&self, request: Request<LoginRequest>) -> Result<Response<SignedIn>, Status> {
        Ok(self.log_in(request).await?)
    }

    async fn refresh(&self, request: Request<RefreshRequest>) -> Result<Response<SignedIn>, Status> {
        Ok(self.renew(request).await?)
    }

    async fn logout(&self, request: Request<LogoutRequest>) -> Result<Response<LogoutResponse>, Status> {
        Ok(self.log_out(request).await?)
    }

    async fn get_me(&self, request: Request<GetMeRequest>) -> Result<Response<Me>, Status> {
        Ok(self.who_am_i(request).await?)
    }

    async fn update_me(&self, request: Request<UpdateMeRequest>) -> Result<Response<Me>, Status> {
        Ok(self.rename_me(request).await?)
    }

    async fn switch_workspace(
        &self,
        request: Request<SwitchWorkspaceRequest>,
    ) -> Result<Response<SignedIn>, Status> {
        Ok(self.switch(request).await?)
    }

    async fn change_password(
        &self,
        request: Request<ChangePasswordRequest>,
    ) -> Result<Response<ChangePasswordResponse>, Status> {
        Ok(self.new_password(request).await?)
    }

    async fn delete_me(
        &self,
        request: Request<DeleteMeRequest>,
    ) -> Result<Response<DeleteMeResponse>, Status> {
        Ok(self.erase_me(request).await?)
    }

    async fn list_sessions(
        &self,
        request: Request<ListSessionsRequest>,
    ) -> Result<Response<ListSessionsResponse>, Status> {
        Ok(self.my_sessions(request).await?)
    }

    async fn end_session(
        &self,
        request: Request<EndSessionRequest>,
    ) -> Result<Response<EndSessionResponse>, Status> {
        Ok(self.end_my_session(request).await?)
    }

    async fn get_workspace(
        &self,
        request: Request<GetWorkspaceRequest>,
    ) -> Result<Response<Workspace>, Status> {
        Ok(self.my_workspace(request).await?)
    }

    async fn update_workspace(
        &self,
        request: Request<UpdateWorkspaceRequest>,
    ) -> Result<Response<Workspace>, Status> {
        Ok(self.change_workspace(request).await?)
    }

    async fn list_members(
        &self,
        request: Request<ListMembersRequest>,
    ) -> Result<Response<ListMembersResponse>, Status> {
        Ok(self.members(request).await?)
    }

    async fn change_role(&self, request: Request<ChangeRoleRequest>) -> Result<Response<Member>, Status> {
        Ok(self.give_role(request).await?)
    }

    async fn remove_member(
        &self,
        request: Request<RemoveMemberRequest>,
    ) -> Result<Response<RemoveMemberResponse>, Status> {
        Ok(self.take_out(request).await?)
    }

    async fn list_people(
        &self,
        request: Request<ListPeopleRequest>,
    ) -> Result<Response<ListPeopleResponse>, Status> {
        Ok(self.people(request).await?)
    }

    async fn check_members(
        &self,
        request: Request<CheckMembersRequest>,
    ) -> Result<Response<CheckMembersResponse>, Status> {
        Ok(self.which_are_members(request).await?)
    }

    async fn list_invitations(
        &self,
        request: Request<ListInvitationsRequest>,
    ) -> Result<Response<ListInvitationsResponse>, Status> {
        Ok(self.open_invitations(request).await?)
    }

    async fn create_invitation(
        &self,
        request: Request<CreateInvitationRequest>,
    ) -> Result<Response<Invitation>, Status> {
        Ok(self.invite(request).await?)
    }

    async fn withdraw_invitation(
        &self,
        request: Request<WithdrawInvitationRequest>,
    ) -> Result<Response<WithdrawInvitationResponse>, Status> {
        Ok(self.withdraw(request).await?)
    }

    async fn accept_invitation(
        &self,
        request: Request<AcceptInvitationRequest>,
    ) -> Result<Response<SignedIn>, Status> {
        Ok(self.accept(request).await?)
    }

    async fn get_jwks(&self, _: Request<GetJwksRequest>) -> Result<Response<GetJwksResponse>, Status> {
        let json = serde_json::to_string(&self.keys.jwks()).map_err(Refusal::internal)?;
        Ok(Response::new(GetJwksResponse { json }))
    }

    async fn list_revocations(
        &self,
        request: Request<ListRevocationsRequest>,
    ) -> Result<Response<ListRevocationsResponse>, Status> {
        self.secret.admit(request.metadata())?;
        let since = Millis(request.get_ref().since_ms).max(Millis::now().before(revoked::KEPT));
        let (voided, next) = self.store.voided_page(since, VOIDED_AT_ONCE).await.map_err(Refusal::from)?;
        let revocations = voided.iter().map(events::revocation).collect();
        Ok(Response::new(ListRevocationsResponse { revocations, next_ms: next.map_or(0, |next| next.0) }))
    }
}
