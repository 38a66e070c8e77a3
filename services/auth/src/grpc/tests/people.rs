//! Members, invitations, roles, the sample.

use std::time::Duration;

use leadline_runtime::{caller::Role as Known, once, time::Millis};

use super::*;
use crate::{Sample, SampleColleague};

/// An id that is nobody's.
const NOBODY: &str = "0190a8c0-5b3e-7c3a-9d2f-3b1e8f6a7c55";

#[tokio::test]
async fn a_removed_member_gets_nowhere_with_the_old_token_and_elsewhere_with_the_next() {
    let running = running(false).await;
    let ada = running.register("ada@example.com").await;
    let bob = running.register("bob@example.com").await;
    let there = running.join(&ada, "bob@example.com", Role::Member).await;
    assert_eq!((workspace(&there), id(&there)), (workspace(&ada), id(&bob)));
    running.remove(&ada, &bob).await.unwrap();
    assert!(unauthenticated(&running.me(&there.access_token).await));
    let next = running.refresh(&there.refresh_token).await.unwrap();
    assert_eq!(workspace(&next), workspace(&bob));
    running.me(&next.access_token).await.unwrap();
    running.me(&bob.access_token).await.unwrap();
}

#[tokio::test]
async fn somebody_without_any_workspace_is_told_so_and_can_come_back() {
    let running = running(false).await;
    let ada = running.register("ada@example.com").await;
    let bob = running.join(&ada, "bob@example.com", Role::Member).await;
    running.remove(&ada, &bob).await.unwrap();
    let refused =
        [running.refresh(&bob.refresh_token).await, running.login("bob@example.com", PASSWORD).await];
    for refused in refused {
        let Err(Refusal::Unauthenticated(why)) = refused else { panic!("{refused:?}") };
        assert!(why.contains("not a member of any workspace"), "{why}");
    }
    let back = running.join(&ada, "bob@example.com", Role::Viewer).await;
    // A token of the new membership is good at once, though what was before is void.
    assert_eq!(running.me(&back.access_token).await.unwrap().role(), Role::Viewer);
    assert!(unauthenticated(&running.me(&bob.access_token).await));
}

#[tokio::test]
async fn a_new_role_holds_at_once() {
    let running = running(false).await;
    let ada = running.register("ada@example.com").await;
    let bob = running.join(&ada, "bob@example.com", Role::Admin).await;
    running.invite(&bob, "carl@example.com", Role::Member).await.unwrap();
    assert_eq!(running.change_role(&ada, &bob, Role::Member).await.unwrap().role(), Role::Member);
    assert!(unauthenticated(&running.invite(&bob, "dora@example.com", Role::Member).await));
    let bob = running.refresh(&bob.refresh_token).await.unwrap();
    assert_eq!(running.me(&bob.access_token).await.unwrap().role(), Role::Member);
    let refused = running.invite(&bob, "dora@example.com", Role::Member).await;
    assert!(matches!(refused, Err(Refusal::Forbidden(_))));
}

#[tokio::test]
async fn roles_are_held_before_anything_else_is_looked_at() {
    let running = running(false).await;
    let ada = running.register("ada@example.com").await;
    let admin = running.join(&ada, "admin@example.com", Role::Admin).await;
    let member = running.join(&ada, "member@example.com", Role::Member).await;
    let viewer = running.join(&ada, "viewer@example.com", Role::Viewer).await;
    let forbidden = |refused: &Result<(), Refusal>| matches!(refused, Err(Refusal::Forbidden(_)));
    for low in [&member, &viewer] {
        let (token, mut client) = (&low.access_token, running.client());
        let empty_name =
            UpdateWorkspaceRequest { name: Some(String::new()), ..UpdateWorkspaceRequest::default() };
        let list = ListInvitationsRequest { limit: 1000, cursor: "x".into() };
        let refusals = [
            running.invite(low, "no address", Role::Unspecified).await.map(drop),
            running.change_role(low, &ada, Role::Unspecified).await.map(drop),
            running.remove(low, &ada).await.map(drop),
            answer(client.update_workspace(with(token, empty_name)).await).map(drop),
            answer(client.list_invitations(with(token, list)).await).map(drop),
            answer(client.withdraw_invitation(with(token, WithdrawInvitationRequest::default())).await)
                .map(drop),
        ];
        assert!(refusals.iter().all(forbidden), "{refusals:?}");
    }
    let refusals = [
        running.invite(&admin, "x@example.com", Role::Owner).await.map(drop),
        running.change_role(&admin, &member, Role::Owner).await.map(drop),
        running.change_role(&admin, &ada, Role::Member).await.map(drop),
        running.remove(&admin, &ada).await.map(drop),
    ];
    assert!(refusals.iter().all(forbidden), "{refusals:?}");
    running.remove(&viewer, &viewer).await.unwrap();
    assert_eq!(reason(running.remove(&ada, &ada).await), "LAST_OWNER");
    assert_eq!(reason(running.change_role(&ada, &ada, Role::Admin).await), "LAST_OWNER");
}

#[tokio::test]
async fn ids_of_others_and_ids_of_nothing_are_answered_alike() {
    let running = running(false).await;
    let (ada, bob) = (running.register("ada@example.com").await, running.register("bob@example.com").await);
    let of_bob = running.invite(&bob, "carl@example.com", Role::Member).await.unwrap().id;
    for user in [id(&bob), NOBODY.into(), "x".into()] {
        let request = ChangeRoleRequest {
            user_id: user.clone(),
            role: Role::Viewer.into(),
            ..ChangeRoleRequest::default()
        };
        let refused = answer(running.client().change_role(with(&ada.access_token, request)).await);
        assert_eq!(refused.unwrap_err(), Refusal::NotFound("member"));
        let request = with(&ada.access_token, RemoveMemberRequest { user_id: user });
        let refused = answer(running.client().remove_member(request).await);
        assert_eq!(refused.unwrap_err(), Refusal::NotFound("member"));
    }
    for id in [of_bob, NOBODY.into(), "x".into()] {
        let request = with(&ada.access_token, WithdrawInvitationRequest { id });
        let refused = answer(running.client().withdraw_invitation(request).await);
        assert_eq!(refused.unwrap_err(), Refusal::NotFound("invitation"));
    }
    let request = CheckMembersRequest { user_ids: vec![id(&ada), id(&bob), "x".into()] };
    let members = running.client().check_members(with(&ada.access_token, request)).await.unwrap();
    assert_eq!(members.into_inner().member_ids, [id(&ada)]);
    let many = CheckMembersRequest { user_ids: vec![id(&ada); 101] };
    let refused = answer(running.client().check_members(with(&ada.access_token, many)).await);
    assert_eq!(fields(refused), ["userIds"]);
}

#[tokio::test]
async fn an_invitation_brings_somebody_new_or_known_in_once() {
    let running = running(false).await;
    let ada = running.register("ada@example.com").await;
    let made = running.invite(&ada, "Bob@example.com", Role::Member).await.unwrap();
    let token = made.token.clone().unwrap();
    let bob = running.accept(&token).await.unwrap();
    assert_eq!((bob.role(), workspace(&bob)), (Role::Member, workspace(&ada)));
    assert_eq!(bob.user.as_ref().unwrap().email, "Bob@example.com");
    for gone in [token.as_str(), "x", "", &"A".repeat(64)] {
        assert!(matches!(running.accept(gone).await, Err(Refusal::Gone(_))), "{gone}");
    }
    assert_eq!(reason(running.invite(&ada, "bob@EXAMPLE.com", Role::Admin).await), "ALREADY_MEMBER");

    let carl = running.register("carl@example.com").await;
    let token = running.invite(&ada, "carl@example.com", Role::Viewer).await.unwrap().token.unwrap();
    let wrong = AcceptInvitationRequest {
        token: Some(token.clone()),
        password: Some("another password".into()),
        ..AcceptInvitationRequest::default()
    };
    let before = running.verified();
    assert!(unauthenticated(&answer(running.client().accept_invitation(wrong).await)));
    assert_eq!(running.verified(), before + 1);
    let joined = running.accept(&token).await.unwrap();
    assert_eq!((id(&joined), joined.role()), (id(&carl), Role::Viewer));
    assert_eq!(running.me(&joined.access_token).await.unwrap().workspaces.len(), 2);
}

#[tokio::test]
async fn whoever_is_new_needs_a_name_and_a_fit_password() {
    let running = running(false).await;
    let ada = running.register("ada@example.com").await;
    let token = running.invite(&ada, "bob@example.com", Role::Member).await.unwrap().token;
    let accept = AcceptInvitationRequest {
        token,
        password: Some("BOB@example.com".into()),
        ..AcceptInvitationRequest::default()
    };
    let refused = answer(running.client().accept_invitation(accept).await);
    assert_eq!(fields(refused), ["name", "password"]);
    let nothing = answer(running.client().accept_invitation(AcceptInvitationRequest::default()).await);
    assert_eq!(fields(nothing), ["token", "name", "password"]);
}

#[tokio::test]
async fn an_invitation_asked_for_again_with_its_key_is_the_same_with_its_token() {
    let running = running(false).await;
    let ada = running.register("ada@example.com").await;
    let asked = |email: &str| {
        let mut request = with(&ada.access_token, invitation(email, Role::Member));
        once::attach(&mut request, "key", "/api/v1/workspace/invitations", email.as_bytes());
        request
    };
    let first = running.client().create_invitation(asked("bob@example.com")).await.unwrap();
    let again = running.client().create_invitation(asked("bob@example.com")).await.unwrap();
    assert!(!once::is_replayed(&first) && once::is_replayed(&again));
    assert_eq!(first.get_ref(), again.get_ref());
    let other = answer(running.client().create_invitation(asked("carl@example.com")).await);
    assert_eq!(other.unwrap_err(), Refusal::KeyReused);

    let list = with(&ada.access_token, ListInvitationsRequest::default());
    let listed = running.client().list_invitations(list).await.unwrap().into_inner();
    assert_eq!((listed.invitations.len(), listed.invitations[0].token.as_ref()), (1, None));
    let request = with(&ada.access_token, WithdrawInvitationRequest { id: first.get_ref().id.clone() });
    running.client().withdraw_invitation(request).await.unwrap();
    let token = first.into_inner().token.unwrap();
    assert!(matches!(running.accept(&token).await, Err(Refusal::Gone(_))));
}

#[tokio::test]
async fn members_are_paged_and_a_cursor_is_good_for_its_own_list_only() {
    let running = running(false).await;
    let ada = running.register("ada@example.com").await;
    for number in 0..3 {
        running.join(&ada, &format!("m{number}@example.com"), Role::Member).await;
    }
    let page = |token: &str, limit: u32, cursor: &str| {
        let request = with(token, ListMembersRequest { limit, cursor: cursor.to_owned() });
        let mut client = running.client();
        async move { answer(client.list_members(request).await) }
    };
    let first = page(&ada.access_token, 3, "").await.unwrap();
    let second = page(&ada.access_token, 3, &first.next_cursor).await.unwrap();
    assert_eq!((first.members.len(), second.members.len()), (3, 1));
    assert!(second.next_cursor.is_empty());
    assert_eq!(first.total.map(|total| (total.value, total.exact)), Some((4, true)));
    let bob = running.register("bob@example.com").await;
    assert_eq!(fields(page(&bob.access_token, 3, &first.next_cursor).await), ["cursor"]);
    assert_eq!(fields(page(&ada.access_token, 3, "x").await), ["cursor"]);
    let request = ListInvitationsRequest { limit: 500, cursor: first.next_cursor };
    let refused = answer(running.client().list_invitations(with(&ada.access_token, request)).await);
    assert_eq!(fields(refused), ["limit", "cursor"]);
}

#[tokio::test]
async fn a_workspace_is_changed_in_the_version_that_was_read() {
    let running = running(false).await;
    let ada = running.register("ada@example.com").await;
    let change = |zone: &str, version: u64| {
        let request = UpdateWorkspaceRequest {
            timezone: Some(zone.into()),
            if_match: Some(leadline_proto::types::Precondition { any: false, versions: vec![version] }),
            ..UpdateWorkspaceRequest::default()
        };
        let (request, mut client) = (with(&ada.access_token, request), running.client());
        async move { answer(client.update_workspace(request).await) }
    };
    assert_eq!(change("Europe/Berlin", 1).await.unwrap().version, 2);
    let late = change("Asia/Tokyo", 1).await;
    assert!(matches!(late, Err(Refusal::VersionMismatch { present }) if present.0 == 2));
    assert_eq!(fields(change("Berlin", 2).await), ["timezone"]);
    let present = running.client().get_workspace(with(&ada.access_token, GetWorkspaceRequest {})).await;
    assert_eq!(present.unwrap().into_inner().timezone, "Europe/Berlin");
}

#[tokio::test]
async fn another_name_is_shown_everywhere() {
    let running = running(false).await;
    let ada = running.register("ada@example.com").await;
    let rename = |name: Option<&str>| {
        let request = UpdateMeRequest { name: name.map(str::to_owned), ..UpdateMeRequest::default() };
        let (request, mut client) = (with(&ada.access_token, request), running.client());
        async move { answer(client.update_me(request).await) }
    };
    assert_eq!(rename(Some(" Augusta ")).await.unwrap().user.unwrap().name, "Augusta");
    assert_eq!(rename(None).await.unwrap().user.unwrap().name, "Augusta");
    assert_eq!(fields(rename(Some("a\0b")).await), ["name"]);
    let people = running.client().list_people(with(&ada.access_token, ListPeopleRequest {})).await.unwrap();
    assert_eq!(people.into_inner().people[0].name, "Augusta");
}

#[tokio::test]
async fn a_sample_is_made_once_and_its_owner_gets_a_new_password_each_time() {
    let running = running(false).await;
    let two_years_ago = Millis::now().before(Duration::from_secs(2 * 365 * 24 * 60 * 60));
    let colleague = |name: &str, role| SampleColleague {
        name: name.to_owned(),
        email: format!("{}@leadline.test", name.to_lowercase()),
        role,
        joined_at: two_years_ago.after(Duration::from_secs(60)),
    };
    let mut sample = Sample {
        name: "Demo".into(),
        email: "demo@leadline.test".into(),
        workspace: "Northwind".into(),
        timezone: "Europe/Berlin".into(),
        created_at: two_years_ago,
        colleagues: vec![colleague("Mara", Known::Admin), colleague("Jonas", Known::Viewer)],
    };
    let first = running.sample(&sample).await.unwrap();
    let signed_in = running.login("demo@leadline.test", &first.password).await.unwrap();
    assert!(first.is_new);
    assert_eq!(id(&signed_in), first.owner.to_string());
    assert_eq!(workspace(&signed_in), first.workspace.to_string());
    assert_eq!(signed_in.user.as_ref().unwrap().created_at_ms, two_years_ago.0);

    sample.colleagues.push(colleague("Zoe", Known::Member));
    let again = running.sample(&sample).await.unwrap();
    assert!(!again.is_new);
    assert_eq!((again.owner, again.workspace), (first.owner, first.workspace));
    assert_eq!(again.colleagues[..2], first.colleagues[..]);
    assert!(unauthenticated(&running.me(&signed_in.access_token).await));
    assert!(unauthenticated(&running.login("demo@leadline.test", &first.password).await));
    let signed_in = running.login("demo@leadline.test", &again.password).await.unwrap();
    let list = with(&signed_in.access_token, ListMembersRequest::default());
    let members = running.client().list_members(list).await.unwrap().into_inner().members;
    assert_eq!(members[0].user.as_ref().unwrap().name, "Demo");
    assert_eq!(members.len(), 4);
}
