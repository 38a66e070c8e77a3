//! Erasing a person.

use leadline_runtime::ids::new_uuid;

use super::*;
use crate::account::{EmailKey, Void, What};

rules! {
    an_erased_person_is_gone_but_for_their_id,
    nobody_is_erased_who_would_leave_a_workspace_to_nobody,
    nobody_is_erased_with_a_password_that_was_changed_meanwhile,
    a_workspace_goes_with_its_last_member_if_they_say_so,
}

/// A key of this person in this workspace.
fn key(workspace: WorkspaceId, user: UserId) -> String {
    format!("{}{}", Once::of_person(workspace, user).start, new_uuid())
}

async fn an_erased_person_is_gone_but_for_their_id(store: Arc<dyn Store>) -> Result<(), StoreError> {
    let (ada, eve) = (register(&store, "ada@example.com").await?, register(&store, "eve@example.com").await?);
    let (ada_id, eve_id) = (ada.workspace.id, eve.workspace.id);
    let bob = join(&store, &ada, "bob@example.com", Role::Member).await?;
    join_again(&store, &eve, &bob, Role::Admin).await?;
    // Once a member, not any more.
    store.remove_member(eve.scope(), bob.user.id, eve.act()).await?;
    let (one, two) = (
        sign_in(&store, &bob, Some(ada_id), ada.at).await?.session.id,
        sign_in(&store, &bob, Some(ada_id), ada.at).await?.session.id,
    );
    // What is kept of answers: one to them, one to somebody who invited them, one that has nothing to do with them.
    let kept = |id: String, bytes: &str| Answer { bytes: bytes.into(), ..once(&id, "f") };
    let to_bob = kept(key(ada_id, bob.user.id), "a password was changed");
    let of_bob = kept(key(eve_id, eve.id()), "an invitation of BOB@example.com");
    let other = kept(key(eve_id, eve.id()), "an invitation of carl@example.com");
    store.invite(invitation(&ada, "dora@example.com", Role::Member), Some(to_bob.clone()), ada.act()).await?;
    store.invite(invitation(&eve, "BOB@example.com", Role::Member), Some(of_bob.clone()), eve.act()).await?;
    store.invite(invitation(&eve, "carl@example.com", Role::Member), Some(other.clone()), eve.act()).await?;
    let before = told(&store).await.len();

    let at = Millis::now();
    let happened = store.erase(bob.user.id, bob.password.clone(), false, act(bob.user.id, at)).await?;
    let mut news = told(&store).await.split_off(before);
    news.sort();
    let ended = "account.session_ended";
    assert_eq!(news, ["account.member_removed", "account.person_renamed", ended, ended]);
    assert_eq!(happened.len(), 4);

    assert_eq!(store.account_by_email(&EmailKey::of("bob@example.com")).await?, None);
    assert_eq!(store.sessions(bob.user.id, at).await?, []);
    assert_eq!(store.me(bob.user.id, ada.scope()).await?, None);
    assert!(sign_in(&store, &bob, None, at).await.is_err());
    let voided = store.voided(at.before(seconds(60))).await?;
    for session in [one, two] {
        assert!(
            voided.iter().any(|void| matches!(void, crate::account::Void::Session(id, _) if *id == session))
        );
    }
    for scope in [ada.scope(), eve.scope()] {
        let people = store.people(scope).await?;
        let them = people.iter().find(|person| person.id == bob.user.id).expect("their id stays");
        assert!(them.is_erased() && !them.member);
        assert!(people.iter().filter(|person| person.is_erased()).count() == 1);
    }
    let since = at.before(seconds(3600));
    assert_eq!(store.answered(&to_bob.once, since).await?, None);
    assert_eq!(store.answered(&of_bob.once, since).await?, None);
    assert_eq!(store.answered(&other.once, since).await?, Some(other));
    assert_eq!(store.invitations(eve.scope(), at, None, 10).await?.total, 1);
    // Their address is anybody's again.
    register(&store, "bob@example.com").await?;
    // And a second time there is nobody to be erased.
    let again = store.erase(bob.user.id, bob.password, false, act(bob.user.id, at)).await;
    assert_eq!(again.unwrap_err(), StoreError::PasswordChanged);
    Ok(())
}

async fn nobody_is_erased_who_would_leave_a_workspace_to_nobody(
    store: Arc<dyn Store>,
) -> Result<(), StoreError> {
    let ada = register(&store, "ada@example.com").await?;
    let name = ada.workspace.name.clone();
    let before = told(&store).await.len();
    let erase = || store.erase(ada.id(), ada.account.password.clone(), false, ada.act());
    assert_eq!(erase().await.unwrap_err(), StoreError::OnlyMemberOf(vec![name.clone()]));
    assert_eq!(told(&store).await.len(), before);
    let bob = join(&store, &ada, "bob@example.com", Role::Member).await?;
    assert_eq!(erase().await.unwrap_err(), StoreError::LastOwnerOf(name));
    // Nothing of it was done.
    assert_eq!(store.sessions(ada.id(), ada.at).await?.len(), 1);
    assert_eq!(store.account(ada.id()).await?, Some(ada.account.clone()));
    store.change_role(ada.scope(), bob.user.id, Role::Owner, ada.act()).await?;
    erase().await?;
    assert_eq!(store.members(ada.scope(), None, 10).await?.total, 1);
    Ok(())
}

async fn nobody_is_erased_with_a_password_that_was_changed_meanwhile(
    store: Arc<dyn Store>,
) -> Result<(), StoreError> {
    let ada = register(&store, "ada@example.com").await?;
    let bob = join(&store, &ada, "bob@example.com", Role::Member).await?;
    let old = PasswordHash::new("another hash".to_owned());
    let refused = store.erase(bob.user.id, old, true, act(bob.user.id, ada.at)).await;
    assert_eq!(refused.unwrap_err(), StoreError::PasswordChanged);
    assert_eq!(store.account(bob.user.id).await?, Some(bob));
    Ok(())
}

async fn a_workspace_goes_with_its_last_member_if_they_say_so(
    store: Arc<dyn Store>,
) -> Result<(), StoreError> {
    let (ada, eve) = (register(&store, "ada@example.com").await?, register(&store, "eve@example.com").await?);
    let bob = join(&store, &ada, "bob@example.com", Role::Member).await?;
    store.remove_member(ada.scope(), bob.user.id, ada.act()).await?;
    // In a workspace of others they are one of many.
    join_again(&store, &eve, &ada.account, Role::Member).await?;
    let kept = once(&key(ada.workspace.id, bob.user.id), "f");
    let open = invitation(&ada, "carl@example.com", Role::Member);
    let open_id = open.id;
    store.invite(open, Some(kept.clone()), ada.act()).await?;
    let before = told(&store).await.len();

    let erase = |workspaces| store.erase(ada.id(), ada.account.password.clone(), workspaces, ada.act());
    let name = ada.workspace.name.clone();
    assert_eq!(erase(false).await.unwrap_err(), StoreError::OnlyMemberOf(vec![name]));
    assert_eq!(told(&store).await.len(), before);
    let happened = erase(true).await?;

    let erased: Vec<_> = happened.iter().filter(|one| one.what == What::WorkspaceErased).collect();
    assert_eq!(erased.iter().map(|one| one.workspace).collect::<Vec<_>>(), [Some(ada.workspace.id)]);
    let news = pending(&store).await.split_off(before);
    let news: Vec<_> = news.iter().filter(|(key, _)| key == "account.workspace_erased").collect();
    assert_eq!(news.len(), 1);
    assert_eq!(news[0].1.workspace_id, ada.workspace.id.to_string());
    // Tokens for it are void, and nobody comes back in.
    let voided = store.voided(ada.at.before(seconds(60))).await?;
    let of_member = |void: &Void| matches!(void, Void::Member(user, at, _) if *user == ada.id() && *at == ada.workspace.id);
    assert!(voided.iter().any(of_member));
    assert_eq!(store.invitation(open_id).await?, None);
    assert!(matches!(join_again_by(&store, open_id, &bob, ada.at).await, Err(StoreError::Gone)));
    assert_eq!(store.answered(&kept.once, ada.at.before(seconds(3600))).await?, None);
    // Its name is gone; that of others is not, nor are they.
    assert_eq!(store.workspace(ada.scope()).await?.name.as_str(), "");
    assert_eq!(store.workspace(eve.scope()).await?, eve.workspace);
    assert_eq!(store.members(eve.scope(), None, 10).await?.total, 1);
    Ok(())
}

/// A known person shows an invitation.
async fn join_again_by(
    store: &Arc<dyn Store>,
    invitation: InvitationId,
    account: &Account,
    at: Millis,
) -> Result<Standing, StoreError> {
    let invitee = Invitee::Known(account.user.id, account.password.clone());
    let acceptance = Acceptance { invitation, invitee, session: None };
    store.accept(acceptance, act(account.user.id, at)).await
}
