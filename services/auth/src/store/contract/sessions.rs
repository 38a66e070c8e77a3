//! Accounts and sessions.

use futures::future::join_all;

use super::*;
use crate::{account::Void, session::LIFE};

rules! {
    a_registered_person_is_found_by_address_in_any_case,
    of_two_who_want_one_address_one_gets_it,
    of_many_who_want_one_address_at_once_one_gets_it,
    a_sign_in_goes_to_the_workspace_named_or_the_last_one_used,
    a_sign_in_into_a_foreign_workspace_is_refused,
    a_sign_in_with_a_password_that_was_changed_meanwhile_is_refused,
    a_refresh_rotates_the_token,
    a_lost_answer_is_given_once_more,
    a_spent_token_ends_its_session_and_says_so,
    twenty_refreshes_at_once_leave_one_chain_alive,
    a_forged_token_does_nothing,
    an_expired_session_is_over,
    a_refresh_moves_on_when_the_workspace_is_lost,
    a_refresh_without_any_workspace_is_refused_and_spends_nothing,
    a_switch_goes_on_in_another_workspace_with_the_next_token,
    a_key_counts_for_one_switch_or_sign_out_and_may_come_again,
    only_ones_own_live_session_can_be_ended,
    a_new_password_ends_all_other_sessions_in_one_go,
    a_new_password_is_set_once_for_each_key,
    of_two_new_passwords_at_once_one_wins,
    a_sign_in_and_a_new_password_at_once_leave_no_session_of_the_old_one,
    sessions_are_listed_newest_first_and_only_the_live_ones,
    what_became_void_is_told_whole_in_pages_of_any_size,
    one_session_too_many_ends_the_oldest_and_says_so,
    what_has_run_out_is_swept_and_nothing_else,
}

async fn a_registered_person_is_found_by_address_in_any_case(
    store: Arc<dyn Store>,
) -> Result<(), StoreError> {
    let ada = register(&store, "Ada@Example.com").await?;
    let found = store.account_by_email(&EmailKey::of("aDA@eXAMPLE.COM")).await?;
    assert_eq!(found.as_ref(), Some(&ada.account));
    assert_eq!(store.account(ada.id()).await?, found);
    assert_eq!(store.account_by_email(&EmailKey::of("bob@example.com")).await?, None);
    assert_eq!(store.workspace(ada.scope()).await?, ada.workspace);
    let me = store.me(ada.id(), ada.scope()).await?.unwrap();
    assert_eq!((me.standing.role, me.memberships.len()), (Role::Owner, 1));
    let (key, event) = pending(&store).await.remove(0);
    assert_eq!(key, "account.member_joined");
    assert_eq!((event.workspace_id, event.actor_id), (ada.workspace.id.to_string(), ada.id().to_string()));
    assert_eq!(event.request_id, "a-request");
    Ok(())
}

async fn of_two_who_want_one_address_one_gets_it(store: Arc<dyn Store>) -> Result<(), StoreError> {
    register(&store, "ada@example.com").await?;
    let second = register(&store, "ADA@example.com").await;
    assert!(matches!(second, Err(StoreError::EmailTaken)));
    assert_eq!(told(&store).await.len(), 1);
    Ok(())
}

async fn of_many_who_want_one_address_at_once_one_gets_it(store: Arc<dyn Store>) -> Result<(), StoreError> {
    let all = join_all((0..10).map(|_| register(&store, "ada@example.com"))).await;
    assert_eq!(all.iter().filter(|one| one.is_ok()).count(), 1);
    assert!(all.iter().all(|one| matches!(one, Ok(_) | Err(StoreError::EmailTaken))));
    assert_eq!(told(&store).await.len(), 1);
    Ok(())
}

async fn a_sign_in_goes_to_the_workspace_named_or_the_last_one_used(
    store: Arc<dyn Store>,
) -> Result<(), StoreError> {
    let (ada, bob) = (register(&store, "ada@example.com").await?, register(&store, "bob@example.com").await?);
    join_again(&store, &ada, &bob.account, Role::Viewer).await?;
    // He joined there last.
    let begun = sign_in(&store, &bob.account, None, ada.at).await?;
    assert_eq!((begun.standing.workspace.id, begun.standing.role), (ada.workspace.id, Role::Viewer));
    let begun = sign_in(&store, &bob.account, Some(bob.workspace.id), ada.at).await?;
    assert_eq!((begun.standing.workspace.id, begun.standing.role), (bob.workspace.id, Role::Owner));
    let begun = sign_in(&store, &bob.account, None, ada.at).await?;
    assert_eq!(begun.session.workspace, bob.workspace.id);
    Ok(())
}

async fn a_sign_in_into_a_foreign_workspace_is_refused(store: Arc<dyn Store>) -> Result<(), StoreError> {
    let (ada, bob) = (register(&store, "ada@example.com").await?, register(&store, "bob@example.com").await?);
    for foreign in [ada.workspace.id, WorkspaceId::new()] {
        let refused = sign_in(&store, &bob.account, Some(foreign), bob.at).await;
        assert!(matches!(refused, Err(StoreError::NotAMember)));
    }
    assert_eq!(store.sessions(bob.id(), bob.at).await?.len(), 1);
    Ok(())
}

async fn a_sign_in_with_a_password_that_was_changed_meanwhile_is_refused(
    store: Arc<dyn Store>,
) -> Result<(), StoreError> {
    let ada = register(&store, "ada@example.com").await?;
    store.change_password(change(&ada, "a new hash"), ada.act()).await?;
    let refused = sign_in(&store, &ada.account, None, ada.at).await;
    assert!(matches!(refused, Err(StoreError::PasswordChanged)));
    Ok(())
}

fn change(owner: &Owner, new: &str) -> PasswordChange {
    PasswordChange {
        user: owner.id(),
        verified: owner.account.password.clone(),
        new: PasswordHash::new(new.to_owned()),
        keep: Some(owner.session),
        answer: None,
    }
}

async fn show(
    store: &Arc<dyn Store>,
    session: SessionId,
    place: u32,
    at_once: bool,
    at: Millis,
) -> Result<Refreshed, StoreError> {
    let (token, client) = (tokens().issue(session, place), Client::new("10.0.0.1", "another tab"));
    let refresh = Refresh { token, client, at_once, at, origin: Origin::default() };
    store.refresh(refresh, tokens()).await
}

fn place(refreshed: &Refreshed) -> Option<u32> {
    match refreshed {
        Refreshed::Done(begun) => Some(begun.session.chain.place),
        _ => None,
    }
}

async fn a_refresh_rotates_the_token(store: Arc<dyn Store>) -> Result<(), StoreError> {
    let ada = register(&store, "ada@example.com").await?;
    let later = ada.at.after(seconds(600));
    assert_eq!(place(&show(&store, ada.session, 0, false, later).await?), Some(1));
    assert_eq!(place(&show(&store, ada.session, 1, false, later).await?), Some(2));
    let session = store.sessions(ada.id(), later).await?.remove(0);
    assert_eq!((session.last_used_at, session.expires_at), (later, later.after(LIFE)));
    assert_eq!(session.client.agent, "another tab");
    assert_eq!(session.created_at, ada.at);
    Ok(())
}

async fn a_lost_answer_is_given_once_more(store: Arc<dyn Store>) -> Result<(), StoreError> {
    let ada = register(&store, "ada@example.com").await?;
    assert_eq!(place(&show(&store, ada.session, 0, false, ada.at).await?), Some(1));
    assert_eq!(place(&show(&store, ada.session, 0, false, ada.at.after(seconds(9))).await?), Some(1));
    assert_eq!(place(&show(&store, ada.session, 1, false, ada.at.after(seconds(9))).await?), Some(2));
    Ok(())
}

async fn a_spent_token_ends_its_session_and_says_so(store: Arc<dyn Store>) -> Result<(), StoreError> {
    let ada = register(&store, "ada@example.com").await?;
    for place in 0..3 {
        show(&store, ada.session, place, false, ada.at).await?;
    }
    let later = ada.at.after(seconds(1));
    assert!(
        matches!(show(&store, ada.session, 0, false, later).await?, Refreshed::Reused(ended) if ended.len() == 1)
    );
    assert!(matches!(show(&store, ada.session, 3, false, later).await?, Refreshed::Unknown));
    assert_eq!(store.sessions(ada.id(), later).await?, []);
    assert_eq!(store.voided(later).await?, [Void::Session(ada.session, later)]);
    assert_eq!(told(&store).await, ["account.member_joined", "account.session_ended"]);
    Ok(())
}

async fn twenty_refreshes_at_once_leave_one_chain_alive(store: Arc<dyn Store>) -> Result<(), StoreError> {
    let ada = register(&store, "ada@example.com").await?;
    let all = join_all((0..20).map(|_| show(&store, ada.session, 0, true, ada.at))).await;
    let all: Vec<Refreshed> = all.into_iter().collect::<Result<_, _>>()?;
    assert_eq!(all.iter().filter_map(place).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(all.iter().filter(|one| matches!(one, Refreshed::AtOnce)).count(), 18);
    assert_eq!(place(&show(&store, ada.session, 1, false, ada.at).await?), Some(2));
    assert_eq!(store.sessions(ada.id(), ada.at).await?.len(), 1);
    Ok(())
}

async fn a_forged_token_does_nothing(store: Arc<dyn Store>) -> Result<(), StoreError> {
    let ada = register(&store, "ada@example.com").await?;
    show(&store, ada.session, 0, false, ada.at).await?;
    let forger = RefreshTokens::new(Arc::new([[8; 32]]));
    for session in [ada.session, SessionId::new()] {
        for place in 0..3 {
            let (token, client) = (forger.issue(session, place), Client::default());
            let refresh = Refresh {
                token,
                client,
                at_once: false,
                at: ada.at.after(seconds(60)),
                origin: Origin::default(),
            };
            assert!(matches!(store.refresh(refresh, tokens()).await?, Refreshed::Unknown));
        }
    }
    assert_eq!(place(&show(&store, ada.session, 1, false, ada.at).await?), Some(2));
    Ok(())
}

async fn an_expired_session_is_over(store: Arc<dyn Store>) -> Result<(), StoreError> {
    let ada = register(&store, "ada@example.com").await?;
    let end = ada.at.after(LIFE);
    assert!(matches!(show(&store, ada.session, 0, false, end).await?, Refreshed::Unknown));
    assert_eq!(store.sessions(ada.id(), end).await?, []);
    let ended = store.end_session(ada.session, act(ada.id(), end), None).await;
    assert!(matches!(ended, Err(StoreError::NotFound("session"))));
    Ok(())
}

async fn a_refresh_moves_on_when_the_workspace_is_lost(store: Arc<dyn Store>) -> Result<(), StoreError> {
    let (ada, bob) = (register(&store, "ada@example.com").await?, register(&store, "bob@example.com").await?);
    join_again(&store, &ada, &bob.account, Role::Member).await?;
    let begun = sign_in(&store, &bob.account, Some(ada.workspace.id), ada.at).await?;
    store.remove_member(ada.scope(), bob.id(), ada.act()).await?;
    let Refreshed::Done(moved) = show(&store, begun.session.id, 0, false, ada.at).await? else {
        panic!("the session goes on")
    };
    assert_eq!((moved.standing.workspace.id, moved.standing.role), (bob.workspace.id, Role::Owner));
    assert_eq!(moved.session.workspace, bob.workspace.id);
    Ok(())
}

async fn a_refresh_without_any_workspace_is_refused_and_spends_nothing(
    store: Arc<dyn Store>,
) -> Result<(), StoreError> {
    let ada = register(&store, "ada@example.com").await?;
    let bob = join(&store, &ada, "bob@example.com", Role::Member).await?;
    let begun = sign_in(&store, &bob, None, ada.at).await?;
    store.remove_member(ada.scope(), bob.user.id, ada.act()).await?;
    let refused = show(&store, begun.session.id, 0, false, ada.at).await;
    assert!(matches!(refused, Err(StoreError::NoWorkspace)));
    let refused = sign_in(&store, &bob, None, ada.at).await;
    assert!(matches!(refused, Err(StoreError::NoWorkspace)));
    // Invited again, the session goes on where it was.
    let back = join_again(&store, &ada, &bob, Role::Viewer).await?;
    assert_eq!(back.void_before, Some(ada.act().void_before()));
    assert_eq!(place(&show(&store, begun.session.id, 0, false, ada.at).await?), Some(1));
    Ok(())
}

async fn a_switch_goes_on_in_another_workspace_with_the_next_token(
    store: Arc<dyn Store>,
) -> Result<(), StoreError> {
    let (ada, bob) = (register(&store, "ada@example.com").await?, register(&store, "bob@example.com").await?);
    join_again(&store, &ada, &bob.account, Role::Admin).await?;
    let switch = |workspace, at| Switch {
        user: bob.id(),
        session: bob.session,
        workspace,
        client: Client::default(),
        at,
        once: None,
    };
    let begun = store.switch(switch(ada.workspace.id, bob.at), tokens()).await?;
    assert_eq!((begun.standing.role, begun.session.chain.place), (Role::Admin, 1));
    // The answer was lost: the token before it still leads there.
    let Refreshed::Done(again) = show(&store, bob.session, 0, false, bob.at).await? else {
        panic!("honoured once more")
    };
    assert_eq!((again.session.workspace, again.session.chain.place), (ada.workspace.id, 1));
    assert_eq!(sign_in(&store, &bob.account, None, bob.at).await?.session.workspace, ada.workspace.id);
    let refused = store.switch(switch(WorkspaceId::new(), bob.at), tokens()).await;
    assert!(matches!(refused, Err(StoreError::NotAMember)));
    let foreign = Switch { user: ada.id(), ..switch(ada.workspace.id, bob.at) };
    assert!(matches!(store.switch(foreign, tokens()).await, Err(StoreError::SessionOver)));
    store.end_session(bob.session, bob.act(), None).await?;
    let refused = store.switch(switch(bob.workspace.id, bob.at), tokens()).await;
    assert!(matches!(refused, Err(StoreError::SessionOver)));
    Ok(())
}

async fn a_key_counts_for_one_switch_or_sign_out_and_may_come_again(
    store: Arc<dyn Store>,
) -> Result<(), StoreError> {
    let (ada, bob) = (register(&store, "ada@example.com").await?, register(&store, "bob@example.com").await?);
    join_again(&store, &ada, &bob.account, Role::Admin).await?;
    assert_eq!(store.user_of(bob.session).await?, Some(bob.id()));
    assert_eq!(store.user_of(SessionId::new()).await?, None);
    let key = |print: &str| once("key", print).once;
    let switch = |workspace, print: &str| Switch {
        user: bob.id(),
        session: bob.session,
        workspace,
        client: Client::default(),
        at: bob.at,
        once: Some(key(print)),
    };
    // One that is refused leaves no key behind.
    let refused = store.switch(switch(WorkspaceId::new(), "other"), tokens()).await;
    assert!(matches!(refused, Err(StoreError::NotAMember)));
    for place in 1..3 {
        let begun = store.switch(switch(ada.workspace.id, "print"), tokens()).await?;
        assert_eq!(begun.session.chain.place, place);
    }
    let reused = store.switch(switch(bob.workspace.id, "other"), tokens()).await;
    assert!(matches!(reused, Err(StoreError::Answered(_))));
    assert!(matches!(
        store.end_session(bob.session, bob.act(), Some(key("other"))).await,
        Err(StoreError::Answered(_))
    ));
    let known = store
        .answered(&key("print"), bob.at.before(leadline_runtime::once::KEPT))
        .await?
        .map(|answer| answer.bytes);
    assert_eq!(known, Some(Vec::new()), "no token is kept");
    store.end_session(bob.session, bob.act(), Some(key("print"))).await?;
    Ok(())
}

async fn only_ones_own_live_session_can_be_ended(store: Arc<dyn Store>) -> Result<(), StoreError> {
    let (ada, bob) = (register(&store, "ada@example.com").await?, register(&store, "bob@example.com").await?);
    for (session, actor) in [(ada.session, &bob), (SessionId::new(), &ada)] {
        let refused = store.end_session(session, actor.act(), None).await;
        assert!(matches!(refused, Err(StoreError::NotFound("session"))));
    }
    store.end_session(ada.session, ada.act(), None).await?;
    let again = store.end_session(ada.session, ada.act(), None).await;
    assert!(matches!(again, Err(StoreError::NotFound("session"))));
    assert!(matches!(show(&store, ada.session, 0, false, ada.at).await?, Refreshed::Unknown));
    assert_eq!(told(&store).await.iter().filter(|key| *key == "account.session_ended").count(), 1);
    Ok(())
}

async fn a_new_password_ends_all_other_sessions_in_one_go(store: Arc<dyn Store>) -> Result<(), StoreError> {
    let ada = register(&store, "ada@example.com").await?;
    let bob = register(&store, "bob@example.com").await?;
    for _ in 0..3 {
        sign_in(&store, &ada.account, None, ada.at).await?;
    }
    let ended = store.change_password(change(&ada, "a new hash"), ada.act()).await?;
    assert_eq!(ended.len(), 3);
    let left: Vec<SessionId> = store.sessions(ada.id(), ada.at).await?.iter().map(|one| one.id).collect();
    assert_eq!(left, [ada.session]);
    assert_eq!(store.sessions(bob.id(), bob.at).await?.len(), 1);
    assert_eq!(store.voided(ada.at).await?.len(), 3);
    let present = store.account(ada.id()).await?.unwrap().password;
    assert_eq!(present, PasswordHash::new("a new hash".into()));
    Ok(())
}

async fn a_new_password_is_set_once_for_each_key(store: Arc<dyn Store>) -> Result<(), StoreError> {
    let ada = register(&store, "ada@example.com").await?;
    let asked = PasswordChange { answer: Some(once("key", "print")), ..change(&ada, "a new hash") };
    store.change_password(asked.clone(), ada.act()).await?;
    let again = store.change_password(asked.clone(), ada.act()).await;
    assert_eq!(again.unwrap_err(), StoreError::Answered(once("key", "print")));
    let known = store.answered(&once("key", "another print").once, ada.at).await?;
    assert_eq!(known, Some(once("key", "print")));
    assert_eq!(store.answered(&once("key", "").once, ada.at.after(seconds(1))).await?, None);
    // A day later the key means nothing any more.
    let verified = PasswordHash::new("a new hash".into());
    let next_day = act(ada.id(), ada.at.after(seconds(24 * 60 * 60 + 1)));
    store.change_password(PasswordChange { verified, ..asked }, next_day).await?;
    Ok(())
}

async fn of_two_new_passwords_at_once_one_wins(store: Arc<dyn Store>) -> Result<(), StoreError> {
    let ada = register(&store, "ada@example.com").await?;
    let (one, two) = tokio::join!(
        store.change_password(change(&ada, "one"), ada.act()),
        store.change_password(change(&ada, "two"), ada.act()),
    );
    assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
    assert!(matches!(one.and(two), Err(StoreError::PasswordChanged)));
    Ok(())
}

async fn a_sign_in_and_a_new_password_at_once_leave_no_session_of_the_old_one(
    store: Arc<dyn Store>,
) -> Result<(), StoreError> {
    for round in 0..10 {
        let ada = register(&store, &format!("ada{round}@example.com")).await?;
        let (signed_in, changed) = tokio::join!(
            sign_in(&store, &ada.account, None, ada.at),
            store.change_password(change(&ada, "a new hash"), ada.act()),
        );
        changed?;
        assert!(matches!(signed_in, Ok(_) | Err(StoreError::PasswordChanged)), "{signed_in:?}");
        let left: Vec<SessionId> = store.sessions(ada.id(), ada.at).await?.iter().map(|one| one.id).collect();
        assert_eq!(left, [ada.session]);
    }
    Ok(())
}

async fn sessions_are_listed_newest_first_and_only_the_live_ones(
    store: Arc<dyn Store>,
) -> Result<(), StoreError> {
    let ada = register(&store, "ada@example.com").await?;
    let mut begun = vec![ada.session];
    for number in 1..=4 {
        begun.push(sign_in(&store, &ada.account, None, ada.at.after(seconds(number))).await?.session.id);
    }
    store.end_session(begun.remove(2), ada.act(), None).await?;
    begun.reverse();
    let listed: Vec<SessionId> = store.sessions(ada.id(), ada.at).await?.iter().map(|one| one.id).collect();
    assert_eq!(listed, begun);
    Ok(())
}

async fn what_has_run_out_is_swept_and_nothing_else(store: Arc<dyn Store>) -> Result<(), StoreError> {
    let ada = register(&store, "ada@example.com").await?;
    let asked = PasswordChange { answer: Some(once("key", "print")), ..change(&ada, "a new hash") };
    let other = sign_in(&store, &ada.account, None, ada.at).await?;
    store.change_password(asked, ada.act()).await?;
    let asked = invitation(&ada, "bob@example.com", Role::Member);
    store.invite(asked.clone(), None, ada.act()).await?;
    assert_eq!(store.sweep(ada.at.after(seconds(30 * 60)), 100).await?, 0);
    // What was ended an hour ago.
    assert_eq!(store.sweep(ada.at.after(seconds(61 * 60)), 100).await?, 1);
    assert_eq!(store.voided(ada.at).await?, []);
    assert!(matches!(show(&store, other.session.id, 0, false, ada.at).await?, Refreshed::Unknown));
    // The key of yesterday.
    assert_eq!(store.sweep(ada.at.after(seconds(25 * 60 * 60)), 100).await?, 1);
    assert_eq!(place(&show(&store, ada.session, 0, false, ada.at).await?), Some(1));
    // The session after thirty days, the invitation after thirty more than its seven.
    assert_eq!(store.sweep(ada.at.after(LIFE).after(seconds(1)), 100).await?, 1);
    assert_eq!(store.sweep(ada.at.after(seconds(38 * 24 * 60 * 60)), 100).await?, 1);
    assert_eq!(store.invitation(asked.id).await?, None);
    Ok(())
}

async fn what_became_void_is_told_whole_in_pages_of_any_size(
    store: Arc<dyn Store>,
) -> Result<(), StoreError> {
    let ada = register(&store, "ada@example.com").await?;
    let mut ended = Vec::new();
    for second in 0..7 {
        let begun = sign_in(&store, &ada.account, None, ada.at).await?;
        // Two at a time: a page must not end between them.
        let at = ada.at.after(seconds(second / 2));
        store.end_session(begun.session.id, act(ada.id(), at), None).await?;
        ended.push(Void::Session(begun.session.id, at));
    }
    let bob = join(&store, &ada, "bob@example.com", Role::Member).await?;
    let removed = act(ada.id(), ada.at.after(seconds(2)));
    store.remove_member(ada.scope(), bob.user.id, removed).await?;
    let all = store.voided(ada.at).await?;
    assert!(ended.iter().all(|void| all.contains(void)), "{all:?}");
    assert_eq!(all.len(), 8, "{all:?}");
    for most in 1..10 {
        let (mut told, mut next, mut pages) = (Vec::new(), Some(ada.at), 0);
        while let Some(since) = next {
            let (page, after) = store.voided_page(since, most).await?;
            assert!(page.len() <= 2 * most as usize + 4, "{most}: {page:?}");
            assert!(after.is_none_or(|after| after > since), "{most}: it goes on");
            told.extend(page);
            (next, pages) = (after, pages + 1);
        }
        assert_eq!(told.len(), 8, "{most} in {pages}: {told:?}");
        assert!(all.iter().all(|void| told.contains(void)), "{most}: {told:?}");
        assert!(most > 3 || pages > 1, "{most}: one page");
    }
    Ok(())
}

async fn one_session_too_many_ends_the_oldest_and_says_so(store: Arc<dyn Store>) -> Result<(), StoreError> {
    let ada = register(&store, "ada@example.com").await?;
    let most = u64::from(MOST_SESSIONS);
    let mut newest = ada.session;
    for second in 1..most {
        newest = sign_in(&store, &ada.account, None, ada.at.after(seconds(second))).await?.session.id;
    }
    let now = ada.at.after(seconds(most));
    assert_eq!(store.voided(ada.at).await?, [], "as many as there may be");
    sign_in(&store, &ada.account, None, now).await?;
    assert_eq!(store.voided(ada.at).await?, [Void::Session(ada.session, now)]);
    let live: Vec<SessionId> =
        store.sessions(ada.id(), now).await?.iter().map(|session| session.id).collect();
    assert_eq!((live.len(), live[1]), (MOST_SESSIONS as usize, newest));
    assert!(!live.contains(&ada.session));
    assert!(told(&store).await.contains(&"account.session_ended".to_owned()));
    Ok(())
}
