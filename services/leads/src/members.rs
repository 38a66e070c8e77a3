//! Who is a member of the workspace: the auth service knows.

use leadline_proto::auth::{
    CheckMembersRequest, GetWorkspaceRequest, ListMembersRequest, ListPeopleRequest,
    auth_service_client::AuthServiceClient,
};
use leadline_runtime::{caller::Caller, ids::UserId, refusal::Refusal, route::Route, zone::Zone};

use crate::import::people::{People, add_address, add_name};

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

    /// The zone of the caller's workspace.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`] when the auth service does not answer.
    pub async fn zone(&self, caller: &Caller) -> Result<Zone, Refusal> {
        let workspace = self.auth.clone().get_workspace(caller.request(GetWorkspaceRequest {})).await?;
        Ok(Zone::parse(&workspace.into_inner().timezone).unwrap_or(Zone::UTC))
    }

    /// Whom a file may name: members by name and address, former members by name.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`] when the auth service does not answer.
    pub async fn people(&self, caller: &Caller) -> Result<People, Refusal> {
        let mut people = People::new();
        let all = self.auth.clone().list_people(caller.request(ListPeopleRequest {})).await?.into_inner();
        for person in all.people {
            // Those who have erased their account have no name any more.
            let user = UserId::parse(&person.id).ok().filter(|_| !person.erased && !person.name.is_empty());
            if let Some(user) = user {
                add_name(&mut people, &person.name, user, person.member);
            }
        }
        let mut cursor = String::new();
        loop {
            let page = caller.request(ListMembersRequest { limit: 200, cursor });
            let page = self.auth.clone().list_members(page).await?.into_inner();
            for user in page.members.into_iter().filter_map(|member| member.user) {
                if let Ok(id) = UserId::parse(&user.id) {
                    add_address(&mut people, &user.email, id);
                }
            }
            cursor = page.next_cursor;
            if cursor.is_empty() {
                return Ok(people);
            }
        }
    }
}
