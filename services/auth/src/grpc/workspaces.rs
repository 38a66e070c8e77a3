//! The caller's workspace and its members.

use leadline_proto::auth::{
    ChangeRoleRequest, CheckMembersRequest, CheckMembersResponse, GetWorkspaceRequest, ListMembersRequest,
    ListMembersResponse, ListPeopleRequest, ListPeopleResponse, Member, RemoveMemberRequest,
    RemoveMemberResponse, UpdateWorkspaceRequest, Workspace, list_people_response::Person,
};
use leadline_runtime::{
    caller::Role, ids::UserId, refusal::Refusal, version::Precondition, violations::Violations, zone::Zone,
};
use tonic::{Request, Response};

use super::{
    Answered, Auth,
    convert::{self, checked, optional},
};
use crate::{
    account::{Act, Name, WorkspaceChange, may_give},
    store::Position,
};

/// How many users can be asked about at once.
const MOST_CHECKED: usize = 100;

impl Auth {
    pub(super) async fn my_workspace(&self, request: Request<GetWorkspaceRequest>) -> Answered<Workspace> {
        let caller = self.admit(request.metadata()).await?;
        let workspace = self.store.workspace(caller.scope()).await?;
        Ok(Response::new(convert::workspace(&workspace)))
    }

    pub(super) async fn change_workspace(
        &self,
        request: Request<UpdateWorkspaceRequest>,
    ) -> Answered<Workspace> {
        let caller = self.admit(request.metadata()).await?;
        caller.require(Role::Admin)?;
        let request = request.into_inner();
        let mut violations = Violations::from_edge(request.faults);
        let name = optional(&mut violations, "name", request.name.as_deref(), Name::parse);
        let zone = optional(&mut violations, "timezone", request.timezone.as_deref(), Zone::parse);
        violations.check()?;
        let condition = Precondition::from_proto(request.if_match);
        let act = Act::now(caller.user, caller.origin.clone());
        let change = WorkspaceChange { name, zone };
        let changed = self.store.update_workspace(caller.scope(), change, condition, act).await?;
        Ok(Response::new(convert::workspace(&changed)))
    }

    pub(super) async fn members(
        &self,
        request: Request<ListMembersRequest>,
    ) -> Answered<ListMembersResponse> {
        let caller = self.admit(request.metadata()).await?;
        let request = request.into_inner();
        let asked = convert::page_of("members", caller.scope(), request.limit, &request.cursor)?;
        let page = self.store.members(caller.scope(), asked.after, asked.limit).await?;
        let next_cursor = convert::next("members", caller.scope(), &page, |member| Position {
            at: member.joined_at,
            id: member.user.id.uuid(),
        });
        Ok(Response::new(ListMembersResponse {
            members: page.items.iter().map(convert::member).collect(),
            next_cursor,
            total: Some(convert::total(&page)),
        }))
    }

    pub(super) async fn give_role(&self, request: Request<ChangeRoleRequest>) -> Answered<Member> {
        let caller = self.admit(request.metadata()).await?;
        caller.require(Role::Admin)?;
        let request = request.into_inner();
        let asked = request.role();
        let mut violations = Violations::from_edge(request.faults);
        let role = convert::role(&mut violations, "role", asked);
        if let Some(role) = role {
            may_give(caller.role, role).map_err(|denied| Refusal::Forbidden(denied.to_string()))?;
        }
        let target = UserId::parse(&request.user_id).map_err(|_| Refusal::NotFound("member"))?;
        violations.check()?;
        let act = Act::now(caller.user, caller.origin.clone());
        let (member, happened) = self.store.change_role(caller.scope(), target, checked(role)?, act).await?;
        self.void(&happened);
        Ok(Response::new(convert::member(&member)))
    }

    pub(super) async fn take_out(
        &self,
        request: Request<RemoveMemberRequest>,
    ) -> Answered<RemoveMemberResponse> {
        let caller = self.admit(request.metadata()).await?;
        let target = UserId::parse(&request.get_ref().user_id);
        if target != Ok(caller.user) {
            caller.require(Role::Admin)?;
        }
        let target = target.map_err(|_| Refusal::NotFound("member"))?;
        let act = Act::now(caller.user, caller.origin.clone());
        let happened = self.store.remove_member(caller.scope(), target, act).await?;
        self.void([&happened]);
        Ok(Response::new(RemoveMemberResponse {}))
    }

    pub(super) async fn people(&self, request: Request<ListPeopleRequest>) -> Answered<ListPeopleResponse> {
        let caller = self.admit(request.metadata()).await?;
        let people = self.store.people(caller.scope()).await?;
        let people = people
            .into_iter()
            .map(|person| Person {
                id: person.id.to_string(),
                name: person.name.as_str().to_owned(),
                member: person.member,
                erased: person.is_erased(),
            })
            .collect();
        Ok(Response::new(ListPeopleResponse { people }))
    }

    pub(super) async fn which_are_members(
        &self,
        request: Request<CheckMembersRequest>,
    ) -> Answered<CheckMembersResponse> {
        let caller = self.admit(request.metadata()).await?;
        let asked = request.into_inner().user_ids;
        if asked.len() > MOST_CHECKED {
            return Err(Refusal::invalid("userIds", format!("must be at most {MOST_CHECKED}")));
        }
        // What is no id is nobody's.
        let mut users: Vec<UserId> = asked.iter().filter_map(|id| UserId::parse(id).ok()).collect();
        users.sort_unstable();
        users.dedup();
        let members = self.store.members_among(caller.scope(), users).await?;
        let member_ids = members.into_iter().map(|id| id.to_string()).collect();
        Ok(Response::new(CheckMembersResponse { member_ids }))
    }
}
