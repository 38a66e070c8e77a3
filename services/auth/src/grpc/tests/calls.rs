//! Tokens and sessions.

use futures::future::join_all;
use leadline_runtime::{caller::Role as Known, once, tokens::Verifier};

use super::*;

#[tokio::test]
async fn calls_without_a_good_token_are_refused() {
    let running = running(false).await;
    let ada = running.register("ada@example.com").await;
    let without = answer(running.client().get_me(GetMeRequest {}).await);
    assert!(unauthenticated(&without));
    // A refresh token is no access token, and the other way round.
    assert!(unauthenticated(&running.me(&ada.refresh_token).await));
    assert!(unauthenticated(&running.refresh(&ada.access_token).await));
    for bad in ["", "x", &"A".repeat(70), &"é".repeat(35), &"A".repeat(10_000)] {
        assert!(unauthenticated(&running.refresh(bad).await), "{bad}");
    }
}

#[tokio::test]
async fn tokens_are_verified_with_the_published_keys() {
    let running = running(false).await;
    let ada = running.register("ada@example.com").await;
    let json = running.client().get_jwks(GetJwksRequest {}).await.unwrap().into_inner().json;
    assert!(!json.contains("\"d\""), "{json}");
    let verifier = Verifier::fixed(&serde_json::from_str(&json).unwrap(), running.revocations.clone());
    let header = format!("Bearer {}", ada.access_token);
    let caller = verifier.admit_header(Some(&header), Origin::new()).await.unwrap();
    assert_eq!((caller.user.to_string(), caller.workspace.to_string()), (id(&ada), workspace(&ada)));
    assert_eq!(caller.role, Known::Owner);
}

#[tokio::test]
async fn a_refresh_gives_new_tokens_and_a_spent_one_ends_the_session() {
    let running = running(false).await;
    let ada = running.register("ada@example.com").await;
    let second = running.refresh(&ada.refresh_token).await.unwrap();
    assert_eq!((&second.user, &second.workspace), (&ada.user, &ada.workspace));
    let again = running.refresh(&ada.refresh_token).await.unwrap();
    assert_eq!(again.refresh_token, second.refresh_token);
    let third = running.refresh(&second.refresh_token).await.unwrap();
    running.me(&third.access_token).await.unwrap();

    assert!(unauthenticated(&running.refresh(&ada.refresh_token).await));
    assert!(unauthenticated(&running.refresh(&third.refresh_token).await));
    assert!(unauthenticated(&running.me(&third.access_token).await));
}

#[tokio::test]
async fn a_third_use_in_a_row_ends_the_session_at_once() {
    let running = running(false).await;
    let ada = running.register("ada@example.com").await;
    let second = running.refresh(&ada.refresh_token).await.unwrap();
    running.refresh(&ada.refresh_token).await.unwrap();
    assert!(unauthenticated(&running.refresh(&ada.refresh_token).await));
    assert!(unauthenticated(&running.refresh(&second.refresh_token).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_refreshes_at_once_log_nobody_out() {
    let running = running(true).await;
    let ada = running.register("ada@example.com").await;
    let all = join_all((0..20).map(|_| running.refresh(&ada.refresh_token))).await;
    let good: Vec<&SignedIn> = all.iter().filter_map(|one| one.as_ref().ok()).collect();
    assert_eq!(good.len(), 2);
    assert!(all.iter().all(|one| one.is_ok() || unauthenticated(one)));
    assert_eq!(good[0].refresh_token, good[1].refresh_token);
    let next = running.refresh(&good[0].refresh_token).await.unwrap();
    running.me(&next.access_token).await.unwrap();
}

#[tokio::test]
async fn nothing_of_a_session_works_after_logout() {
    let running = running(false).await;
    let ada = running.register("ada@example.com").await;
    let other = running.login("ada@example.com", PASSWORD).await.unwrap();
    running.client().logout(with(&ada.access_token, LogoutRequest {})).await.unwrap();
    assert!(unauthenticated(&running.me(&ada.access_token).await));
    assert!(unauthenticated(&running.refresh(&ada.refresh_token).await));
    running.me(&other.access_token).await.unwrap();
}

#[tokio::test]
async fn sessions_are_listed_and_one_can_be_ended() {
    let running = running(false).await;
    let ada = running.register("ada@example.com").await;
    let client = Client { address: "192.0.2.7".into(), user_agent: "x".repeat(1000) };
    let request = LoginRequest { client: Some(client), ..login("ada@example.com", PASSWORD) };
    let other = running.client().login(request).await.unwrap().into_inner();
    let listed = running.client().list_sessions(with(&ada.access_token, ListSessionsRequest {})).await;
    let sessions = listed.unwrap().into_inner().sessions;
    assert_eq!(sessions.iter().map(|one| one.current).collect::<Vec<_>>(), [false, true]);
    let client = sessions[0].client.clone().unwrap();
    assert_eq!((client.address.as_str(), client.user_agent.len()), ("192.0.2.7", 300));

    let end = |token: &str, id: &str| {
        let request = with(token, EndSessionRequest { id: id.to_owned() });
        let mut client = running.client();
        async move { answer(client.end_session(request).await) }
    };
    let bob = running.register("bob@example.com").await;
    for unknown in [sessions[0].id.as_str(), "x", "0190a8c0-5b3e-7c3a-9d2f-3b1e8f6a7c55"] {
        let refused = end(&bob.access_token, unknown).await;
        assert_eq!(refused.unwrap_err(), Refusal::NotFound("session"));
    }
    end(&ada.access_token, &sessions[0].id).await.unwrap();
    assert!(unauthenticated(&running.me(&other.access_token).await));
    running.me(&ada.access_token).await.unwrap();
}

#[tokio::test]
async fn a_session_goes_on_in_another_workspace_of_its_own() {
    let running = running(false).await;
    let (ada, bob) = (running.register("ada@example.com").await, running.register("bob@example.com").await);
    running.join(&ada, "bob@example.com", Role::Viewer).await;
    let switch = |workspace: String| {
        let request =
            SwitchWorkspaceRequest { workspace_id: Some(workspace), ..SwitchWorkspaceRequest::default() };
        let (request, mut client) = (with(&bob.access_token, request), running.client());
        async move { answer(client.switch_workspace(request).await) }
    };
    let there = switch(workspace(&ada)).await.unwrap();
    assert_eq!((workspace(&there), there.role()), (workspace(&ada), Role::Viewer));
    assert_eq!(workspace(&running.refresh(&there.refresh_token).await.unwrap()), workspace(&ada));
    let carl = running.register("carl@example.com").await;
    assert_eq!(fields(switch(workspace(&carl)).await), ["workspaceId"]);
}

#[tokio::test]
async fn a_key_counts_for_the_switch_that_it_came_with() {
    let running = running(false).await;
    let (ada, bob) = (running.register("ada@example.com").await, running.register("bob@example.com").await);
    running.join(&ada, "bob@example.com", Role::Viewer).await;
    let switch = |to: String| {
        let body = to.clone();
        let request = SwitchWorkspaceRequest { workspace_id: Some(to), ..SwitchWorkspaceRequest::default() };
        let (mut request, mut client) = (with(&bob.access_token, request), running.client());
        once::attach(&mut request, "key", "/api/v1/auth/workspace", body.as_bytes());
        async move { answer(client.switch_workspace(request).await) }
    };
    let first = switch(workspace(&ada)).await.unwrap();
    let again = switch(workspace(&ada)).await.unwrap();
    assert_eq!((workspace(&first), workspace(&again)), (workspace(&ada), workspace(&ada)));
    assert_eq!(switch(workspace(&bob)).await.unwrap_err(), Refusal::KeyReused);
    assert_eq!(switch("x".into()).await.unwrap_err(), Refusal::KeyReused);

    let leave = |body: &'static [u8]| {
        let (mut request, mut client) = (with(&bob.access_token, LogoutRequest {}), running.client());
        once::attach(&mut request, "key", "/api/v1/auth/logout", body);
        async move { answer(client.logout(request).await) }
    };
    leave(b"").await.unwrap();
    assert!(unauthenticated(&leave(b"").await));
}

#[tokio::test]
async fn all_sessions_of_a_person_share_a_limit_of_refreshes() {
    let running = running(true).await;
    let ada = running.register("ada@example.com").await;
    let other = running.login("ada@example.com", PASSWORD).await.unwrap();
    let mut token = ada.refresh_token;
    let limited = loop {
        match running.refresh(&token).await {
            Ok(next) => token = next.refresh_token,
            Err(refusal) => break refusal,
        }
    };
    assert!(matches!(limited, Refusal::TooMany { .. }), "{limited:?}");
    // The next is due within a second: of two at once, one at least is too many.
    let first = running.refresh(&other.refresh_token).await;
    let second = running.refresh(&other.refresh_token).await;
    let limited = |one: &Result<SignedIn, Refusal>| matches!(one, Err(Refusal::TooMany { .. }));
    assert!(limited(&first) || limited(&second), "{first:?} {second:?}");
    let bob = running.register("bob@example.com").await;
    running.refresh(&bob.refresh_token).await.unwrap();
}

#[tokio::test]
async fn what_is_void_is_told_to_services_only() {
    let running = running(false).await;
    let ada = running.register("ada@example.com").await;
    let bob = running.join(&ada, "bob@example.com", Role::Member).await;
    running.client().logout(with(&bob.access_token, LogoutRequest {})).await.unwrap();
    running.remove(&ada, &bob).await.unwrap();
    let refused = answer(running.client().list_revocations(ListRevocationsRequest::default()).await);
    assert!(unauthenticated(&refused));
    let as_owner = with(&ada.access_token, ListRevocationsRequest::default());
    assert!(unauthenticated(&answer(running.client().list_revocations(as_owner).await)));
    let told =
        running.client().list_revocations(running.secret.request(ListRevocationsRequest::default())).await;
    let told = told.unwrap().into_inner().revocations;
    assert_eq!(told.len(), 2);
    assert!(!told[0].session_id.is_empty());
    assert_eq!((told[1].user_id.clone(), told[1].workspace_id.clone()), (id(&bob), workspace(&ada)));
}
