//! Who is a member of the workspace: the auth service knows.

use leadline_proto::auth::{CheckMembersRequest, auth_service_client::AuthServiceClient};
use leadline_runtime::{caller::Caller, ids::UserId, refusal::Refusal, route::Route};

/// What is said of somebody who is none.
pub const NOT_A_MEMBER: &str = "must be a member of the workspace";

/// Asks the auth service.
#[derive(Clone)]
pub struct Members {
    auth: AuthServiceClient<Route>,
}

impl Members {
    /// Over the way to the auth service.
    #[must_use]
    pub fn new(auth: Route) -> Self {
        Self { auth: AuthServiceClient::new(auth) }
    }

    /// Whether a user is a member of the caller's workspace now. Of the caller themselves the token says so.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`] when the auth service does not answer.
    pub async fn has(&self, caller: &Caller, user: UserId) -> Result<bool, Refusal> {
        if user == caller.user {
            return Ok(true);
        }
        let id = user.to_string();
        let question = caller.request(CheckMembersRequest { user_ids: vec![id.clone()] });
        let answer = self.auth.clone().check_members(question).await?.into_inner();
        Ok(answer.member_ids.contains(&id))
    }
}
