//! Registering, passwords, limits.

use futures::future::join_all;
use leadline_runtime::once;

use super::*;

#[tokio::test]
async fn whoever_registers_owns_a_workspace_and_can_sign_in() {
    let running = running(false).await;
    let ada = running.register("Ada@Example.com").await;
    let workspace = ada.workspace.clone().unwrap();
    assert_eq!((workspace.name.as_str(), workspace.timezone.as_str()), ("Ada's workspace", "UTC"));
    assert_eq!((ada.role(), ada.expires_in, workspace.version), (Role::Owner, 900, 1));
    let me = running.me(&ada.access_token).await.unwrap();
    assert_eq!((me.user.clone(), me.role(), me.workspaces.len()), (ada.user.clone(), Role::Owner, 1));
    let again = running.login("ADA@example.COM", PASSWORD).await.unwrap();
    assert_eq!((again.user, again.workspace), (ada.user, ada.workspace));
    assert_ne!(again.refresh_token, ada.refresh_token);
}

#[tokio::test]
async fn every_bad_field_of_a_registration_is_named_at_once() {
    let running = running(false).await;
    let request = RegisterRequest {
        email: Some("no address".into()),
        password: Some("short".into()),
        workspace_name: Some(" ".into()),
        timezone: Some("Mars/Olympus".into()),
        faults: vec![leadline_proto::types::FieldViolation {
            field: "admin".into(),
            message: "is not known".into(),
        }],
        ..RegisterRequest::default()
    };
    let refused = answer(running.client().register(request).await);
    assert_eq!(fields(refused), ["admin", "name", "email", "password", "workspaceName", "timezone"]);
}

#[tokio::test]
async fn a_taken_address_is_a_conflict_in_any_case() {
    let running = running(false).await;
    running.register("ada@example.com").await;
    let request = RegisterRequest {
        name: Some("Eve".into()),
        email: Some("ADA@example.com".into()),
        password: Some(PASSWORD.into()),
        ..RegisterRequest::default()
    };
    assert_eq!(reason(answer(running.client().register(request).await)), "EMAIL_TAKEN");
}

#[tokio::test]
async fn an_unknown_address_and_a_wrong_password_get_the_same_answer_after_the_same_work() {
    let running = running(false).await;
    running.register("ada@example.com").await;
    let before = running.verified();
    let wrong = running.login("ada@example.com", "another password").await.unwrap_err();
    assert_eq!(running.verified(), before + 1);
    let unknown = running.login("eve@example.com", "another password").await.unwrap_err();
    assert_eq!(running.verified(), before + 2);
    let no_address = running.login("{\"$ne\": \"\"}", "another password").await.unwrap_err();
    assert_eq!(running.verified(), before + 3);
    assert_eq!((&wrong, &wrong), (&unknown, &no_address));
    assert!(matches!(wrong, Refusal::Unauthenticated(_)));
}

#[tokio::test]
async fn a_sign_in_without_fields_or_with_an_absurd_password_is_invalid() {
    let running = running(false).await;
    let refused = answer(running.client().login(LoginRequest::default()).await);
    assert_eq!(fields(refused), ["email", "password"]);
    let before = running.verified();
    assert_eq!(fields(running.login("ada@example.com", &"x".repeat(1 << 20)).await), ["password"]);
    assert_eq!(running.verified(), before);
}

#[tokio::test]
async fn a_sign_in_into_a_workspace_of_others_is_invalid_once_the_password_was_right() {
    let running = running(false).await;
    let (ada, bob) = (running.register("ada@example.com").await, running.register("bob@example.com").await);
    let into = |workspace: String, password: &str| {
        let request = LoginRequest { workspace_id: Some(workspace), ..login("ada@example.com", password) };
        let mut client = running.client();
        async move { answer(client.login(request).await) }
    };
    assert_eq!(into(workspace(&ada), PASSWORD).await.unwrap().workspace, ada.workspace);
    let foreign = into(workspace(&bob), PASSWORD).await;
    assert_eq!(into(leadline_runtime::ids::new_uuid().to_string(), PASSWORD).await, foreign);
    assert_eq!(fields(foreign), ["workspaceId"]);
    assert!(unauthenticated(&into(workspace(&bob), "another password").await));
    assert_eq!(fields(into("x".into(), PASSWORD).await), ["workspaceId"]);
}

#[tokio::test]
async fn a_hundred_guesses_are_limited_and_other_people_are_not() {
    let running = running(true).await;
    running.register("ada@example.com").await;
    running.register("bob@example.com").await;
    let before = running.verified();
    for email in ["ada@example.com", "eve@example.com"] {
        let guesses: Vec<String> = (0..100).map(|number| format!("guess {number}")).collect();
        let guesses = join_all(guesses.iter().map(|guess| running.login(email, guess))).await;
        let limited = guesses.iter().filter(|guess| matches!(guess, Err(Refusal::TooMany { .. })));
        let wrong = guesses.iter().filter(|guess| unauthenticated(guess));
        assert_eq!((limited.count(), wrong.count()), (90, 10));
    }
    assert_eq!(running.verified(), before + 20);
    // Not even the right one, for now; case makes no other account of it.
    assert!(matches!(running.login("ADA@example.com", PASSWORD).await, Err(Refusal::TooMany { .. })));
    running.login("bob@example.com", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn right_passwords_are_not_limited() {
    let running = running(true).await;
    running.register("ada@example.com").await;
    for _ in 0..12 {
        running.login("ada@example.com", PASSWORD).await.unwrap();
    }
}

#[tokio::test]
async fn a_storm_of_sign_ins_is_answered_or_refused_and_passes() {
    let running = running(false).await;
    running.register("ada@example.com").await;
    let storm = join_all((0..40).map(|_| running.login("ada@example.com", PASSWORD))).await;
    assert!(storm.iter().all(|one| matches!(one, Ok(_) | Err(Refusal::Unavailable(_)))));
    running.login("ada@example.com", PASSWORD).await.unwrap();
}

fn change(current: &str, new: &str) -> ChangePasswordRequest {
    ChangePasswordRequest {
        current_password: Some(current.to_owned()),
        new_password: Some(new.to_owned()),
        ..ChangePasswordRequest::default()
    }
}

#[tokio::test]
async fn a_new_password_ends_every_other_session() {
    let running = running(false).await;
    let ada = running.register("ada@example.com").await;
    let other = running.login("ada@example.com", PASSWORD).await.unwrap();
    let new = "another quiet heron";
    running.client().change_password(with(&ada.access_token, change(PASSWORD, new))).await.unwrap();
    assert!(unauthenticated(&running.me(&other.access_token).await));
    assert!(unauthenticated(&running.refresh(&other.refresh_token).await));
    running.me(&ada.access_token).await.unwrap();
    running.refresh(&ada.refresh_token).await.unwrap();
    assert!(unauthenticated(&running.login("ada@example.com", PASSWORD).await));
    running.login("ada@example.com", new).await.unwrap();
}

#[tokio::test]
async fn a_wrong_present_password_is_named_together_with_an_unfit_new_one() {
    let running = running(false).await;
    let ada = running.register("ada@example.com").await;
    let ask = |request: ChangePasswordRequest| {
        let (request, mut client) = (with(&ada.access_token, request), running.client());
        async move { answer(client.change_password(request).await) }
    };
    assert_eq!(fields(ask(change("wrong", "short")).await), ["newPassword", "currentPassword"]);
    let missing = ask(ChangePasswordRequest::default()).await;
    assert_eq!(fields(missing), ["currentPassword", "newPassword"]);
    assert_eq!(fields(ask(change(PASSWORD, "Ada@Example.com")).await), ["newPassword"]);
    running.login("ada@example.com", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn a_new_password_asked_for_again_with_its_key_is_answered_again() {
    let running = running(false).await;
    let ada = running.register("ada@example.com").await;
    let asked = |new: &str| {
        let mut request = with(&ada.access_token, change(PASSWORD, new));
        once::attach(&mut request, "key", "/api/v1/auth/me/password", new.as_bytes());
        request
    };
    let first = running.client().change_password(asked("another quiet heron")).await.unwrap();
    assert!(!once::is_replayed(&first));
    let again = running.client().change_password(asked("another quiet heron")).await.unwrap();
    assert!(once::is_replayed(&again));
    let other = answer(running.client().change_password(asked("a third quiet heron")).await);
    assert_eq!(other.unwrap_err(), Refusal::KeyReused);
    running.login("ada@example.com", "another quiet heron").await.unwrap();
}
