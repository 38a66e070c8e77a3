//! The caller themselves: name, password, sessions.

use leadline_proto::auth::{
    ChangePasswordRequest, ChangePasswordResponse, DeleteMeRequest, DeleteMeResponse, EndSessionRequest,
    EndSessionResponse, GetMeRequest, ListSessionsRequest, ListSessionsResponse, Me, UpdateMeRequest,
};
use leadline_runtime::{
    caller::Caller, ids::SessionId, once::mark_replayed, refusal::Refusal, time::Millis,
    violations::Violations,
};
use tonic::{Request, Response};

use super::{
    Answered, Auth,
    convert::{self, checked, optional, required},
    replay,
};
use crate::{
    account::{Act, Name},
    password::Password,
    store::{Answer, PasswordChange, StoreError},
};

impl Auth {
    async fn me(&self, caller: &Caller) -> Answered<Me> {
        let me = self.store.me(caller.user, caller.scope()).await?;
        let me = me.ok_or_else(|| {
            Refusal::Unauthenticated("you are no longer a member of this workspace: sign in again".to_owned())
        })?;
        Ok(Response::new(Me {
            user: Some(convert::user(&me.standing.user)),
            workspace: Some(convert::workspace(&me.standing.workspace)),
            role: convert::role_to_proto(me.standing.role).into(),
            workspaces: me.memberships.iter().map(convert::membership).collect(),
        }))
    }

    pub(super) async fn who_am_i(&self, request: Request<GetMeRequest>) -> Answered<Me> {
        let caller = self.admit(request.metadata()).await?;
        self.me(&caller).await
    }

    pub(super) async fn rename_me(&self, request: Request<UpdateMeRequest>) -> Answered<Me> {
        let caller = self.admit(request.metadata()).await?;
        let request = request.into_inner();
        let mut violations = Violations::from_edge(request.faults);
        let name = optional(&mut violations, "name", request.name.as_deref(), Name::parse);
        violations.check()?;
        if let Some(name) = name {
            self.store.rename(caller.user, name, Act::now(caller.user, caller.origin.clone())).await?;
        }
        self.me(&caller).await
    }

    pub(super) async fn new_password(
        &self,
        request: Request<ChangePasswordRequest>,
    ) -> Answered<ChangePasswordResponse> {
        let caller = self.admit(request.metadata()).await?;
        let once = self.once(request.metadata(), &caller);
        let _flying = self.in_flight.begin(once.as_ref())?;
        // Asked for again, the present password is the new one: look before it is verified.
        if self.replayed(once.as_ref()).await?.is_some() {
            return Ok(replayed_change());
        }
        let account = self.store.account(caller.user).await?.ok_or(Refusal::NotFound("user"))?;
        let request = request.into_inner();
        let mut violations = Violations::from_edge(request.faults);
        let current = required(
            &mut violations,
            "currentPassword",
            request.current_password.as_deref(),
            Password::typed,
        );
        let new = required(&mut violations, "newPassword", request.new_password.as_deref(), |text| {
            Password::chosen(text, Some(&account.user.name), Some(&account.user.email))
        });
        // Even with other faults: all of them are named at once.
        if let Some(current) = current {
            let taken = self.limits.change_password.take(&caller.user.to_string())?;
            if self.hasher.verify(current, Some(&account.password)).await? {
                taken.give_back();
            } else {
                taken.spend();
                violations.add("currentPassword", "is not your password");
            }
        }
        violations.check()?;
        let change = PasswordChange {
            user: caller.user,
            verified: account.password,
            new: self.hasher.hash(checked(new)?).await?,
            keep: Some(caller.session),
            answer: once.clone().map(|once| Answer { once, bytes: Vec::new() }),
        };
        match (self.store.change_password(change, Act::now(caller.user, caller.origin.clone())).await, once) {
            (Ok(ended), _) => {
                self.void(&ended);
                Ok(Response::new(ChangePasswordResponse {}))
            }
            (Err(StoreError::Answered(answer)), Some(once)) => {
                replay(&once, answer)?;
                Ok(replayed_change())
            }
            (Err(StoreError::PasswordChanged), _) => {
                Err(Refusal::invalid("currentPassword", "is not your password"))
            }
            (Err(error), _) => Err(error.into()),
        }
    }

    pub(super) async fn erase_me(&self, request: Request<DeleteMeRequest>) -> Answered<DeleteMeResponse> {
        let caller = self.admit(request.metadata()).await?;
        let account = self.store.account(caller.user).await?.ok_or(Refusal::NotFound("user"))?;
        let request = request.into_inner();
        let mut violations = Violations::from_edge(request.faults);
        let wrong = "is not your password";
        let password = required(&mut violations, "password", request.password.as_deref(), Password::typed);
        if let Some(password) = password {
            // The same guesses as those of a change of password.
            let taken = self.limits.change_password.take(&caller.user.to_string())?;
            if self.hasher.verify(password, Some(&account.password)).await? {
                taken.give_back();
            } else {
                taken.spend();
                violations.add("password", wrong);
            }
        }
        violations.check()?;
        let act = Act::now(caller.user, caller.origin.clone());
        let erased = self.store.erase(caller.user, account.password, request.delete_workspace, act).await;
        match erased {
            Ok(happened) => {
                self.void(&happened);
                Ok(Response::new(DeleteMeResponse {}))
            }
            Err(StoreError::PasswordChanged) => Err(Refusal::invalid("password", wrong)),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn my_sessions(
        &self,
        request: Request<ListSessionsRequest>,
    ) -> Answered<ListSessionsResponse> {
        let caller = self.admit(request.metadata()).await?;
        let sessions = self.store.sessions(caller.user, Millis::now()).await?;
        let sessions =
            sessions.iter().map(|session| convert::session(session, session.id == caller.session)).collect();
        Ok(Response::new(ListSessionsResponse { sessions }))
    }

    pub(super) async fn end_my_session(
        &self,
        request: Request<EndSessionRequest>,
    ) -> Answered<EndSessionResponse> {
        let caller = self.admit(request.metadata()).await?;
        let id = SessionId::parse(&request.get_ref().id).map_err(|_| Refusal::NotFound("session"))?;
        let ended = self.store.end_session(id, Act::now(caller.user, caller.origin.clone()), None).await?;
        self.void([&ended]);
        Ok(Response::new(EndSessionResponse {}))
    }
}

fn replayed_change() -> Response<ChangePasswordResponse> {
    let mut response = Response::new(ChangePasswordResponse {});
    mark_replayed(&mut response);
    response
}
