//! Workspaces, members, invitations, and their events.

use futures::future::join_all;
use leadline_bus::OutboxRow;
use leadline_proto::events::{account_event::What as Told, event::Body};
use leadline_runtime::version::Precondition;

use super::*;
use crate::account::{Denied, Void};

rules! {
    a_workspace_is_changed_only_in_the_version_that_was_named,
    a_change_that_changes_nothing_raises_no_version,
    concurrent_changes_of_a_workspace_both_survive,
    members_are_paged_in_the_order_in_which_they_joined,
    nothing_of_another_workspace_is_seen,
    a_role_is_changed_and_told_and_older_tokens_are_void,
    an_admin_can_not_touch_an_owner,
    somebody_who_was_demoted_meanwhile_can_do_nothing_any_more,
    the_last_owner_can_neither_leave_nor_step_down,
    of_two_owners_who_leave_at_once_one_stays,
    of_two_owners_who_demote_each_other_at_once_one_stays,
    a_removed_member_is_still_known_by_name,
    everybody_may_leave,
    another_name_is_told_to_every_workspace,
    an_invitation_is_accepted_once,
    an_invitation_accepted_by_many_at_once_makes_one_account,
    an_invitation_that_ran_out_is_gone,
    a_withdrawn_invitation_is_gone,
    a_second_invitation_replaces_the_first,
    a_member_is_not_invited_again,
    an_invitation_is_made_once_for_each_key,
    open_invitations_are_paged_newest_first,
    events_wait_until_they_are_published,
}

async fn a_workspace_is_changed_only_in_the_version_that_was_named(
    store: Arc<dyn Store>,
) -> Result<(), StoreError> {
    let ada = register(&store, "ada@example.com").await?;
    let renamed = WorkspaceChange { name: Some(Name::parse("Analytical").unwrap()), zone: None };
    let first = Precondition::OneOf(vec![Version::FIRST]);
    let changed = store.update_workspace(ada.scope(), renamed.clone(), first.clone(), ada.act()).await?;
    assert_eq!((changed.name.as_str(), changed.version), ("Analytical", Version(2)));
    let zone = WorkspaceChange { name: None, zone: Zone::parse("Europe/London").ok() };
    let late = store.update_workspace(ada.scope(), zone.clone(), first, ada.act()).await;
    assert_eq!(late.unwrap_err(), StoreError::VersionMismatch(Version(2)));
    let changed = store.update_workspace(ada.scope(), zone, Precondition::None, ada.act()).await?;
    assert_eq!((changed.name.as_str(), changed.zone.name()), ("Analytical", "Europe/London"));
    assert_eq!(store.workspace(ada.scope()).await?, changed);
    assert_eq!(told(&store).await[1..], ["account.workspace_changed", "account.workspace_changed"]);
    Ok(())
}

async fn a_change_that_changes_nothing_raises_no_version(store: Arc<dyn Store>) -> Result<(), StoreError> {
    let ada = register(&store, "ada@example.com").await?;
    let same = WorkspaceChange { name: Some(ada.workspace.name.clone()), zone: Some(Zone::UTC) };
    for change in [same, WorkspaceChange::default()] {
        let present = store.update_workspace(ada.scope(), change, Precondition::None, ada.act()).await?;
        assert_eq!(present, ada.workspace);
    }
    assert_eq!(told(&store).await.len(), 1);
    Ok(())
}

async fn concurrent_changes_of_a_workspace_both_survive(store: Arc<dyn Store>) -> Result<(), StoreError> {
    let ada = register(&store, "ada@example.com").await?;
    let name = WorkspaceChange { name: Some(Name::parse("Analytical").unwrap()), zone: None };
    let zone = WorkspaceChange { name: None, zone: Zone::parse("Asia/Tokyo").ok() };
    let (one, two) = tokio::join!(
        store.update_workspace(ada.scope(), name, Precondition::None, ada.act()),
        store.update_workspace(ada.scope(), zone, Precondition::None, ada.act()),
    );
    let (one, two) = (one?, two?);
    assert_eq!(one.version.0.max(two.version.0), 3);
    let present = store.workspace(ada.scope()).await?;
    assert_eq!((present.name.as_str(), present.zone.name()), ("Analytical", "Asia/Tokyo"));
    Ok(())
}

async fn members_are_paged_in_the_order_in_which_they_joined(
    store: Arc<dyn Store>,
) -> Result<(), StoreError> {
    let mut ada = register(&store, "ada@example.com").await?;
    let mut joined = vec![ada.id()];
    for number in 0..6 {
        // Two at the same instant: the id breaks the tie.
        ada.at = ada.at.after(seconds(number % 2));
        joined.push(join(&store, &ada, &format!("m{number}@example.com"), Role::Member).await?.user.id);
    }
    store.remove_member(ada.scope(), joined.remove(3), ada.act()).await?;
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = store.members(ada.scope(), after, 2).await?;
        assert_eq!(page.total, 6);
        assert!(page.items.len() <= 2);
        after = page.items.last().map(|last| Position { at: last.joined_at, id: last.user.id.uuid() });
        seen.extend(page.items.iter().map(|member| member.user.id));
        if !page.more {
            break;
        }
    }
    assert_eq!(seen, joined);
    Ok(())
}

async fn nothing_of_another_workspace_is_seen(store: Arc<dyn Store>) -> Result<(), StoreError> {
    let (ada, bob) = (register(&store, "ada@example.com").await?, register(&store, "bob@example.com").await?);
    let asked = invitation(&bob, "carl@example.com", Role::Member);
    store.invite(asked.clone(), None, bob.act()).await?;
    let nobody = UserId::new();
    for foreign in [bob.id(), nobody] {
        let refused = store.change_role(ada.scope(), foreign, Role::Viewer, ada.act()).await;
        assert_eq!(refused.unwrap_err(), StoreError::NotFound("member"));
        let refused = store.remove_member(ada.scope(), foreign, ada.act()).await;
        assert_eq!(refused.unwrap_err(), StoreError::NotFound("member"));
        assert_eq!(store.me(foreign, ada.scope()).await?, None);
    }
    let among = store.members_among(ada.scope(), vec![ada.id(), bob.id(), nobody]).await?;
    assert_eq!(among, [ada.id()]);
    assert_eq!(store.people(ada.scope()).await?.len(), 1);
    for id in [asked.id, InvitationId::new()] {
        let refused = store.withdraw(ada.scope(), id, ada.at).await;
        assert_eq!(refused.unwrap_err(), StoreError::NotFound("invitation"));
    }
    assert_eq!(store.invitations(ada.scope(), ada.at, None, 10).await?.total, 0);
    let nowhere = Scope::of_own_row(WorkspaceId::new());
    assert_eq!(store.workspace(nowhere).await.unwrap_err(), StoreError::NotFound("workspace"));
    Ok(())
}

async fn a_role_is_changed_and_told_and_older_tokens_are_void(
    store: Arc<dyn Store>,
) -> Result<(), StoreError> {
    let ada = register(&store, "ada@example.com").await?;
    let bob = join(&store, &ada, "bob@example.com", Role::Member).await?.user.id;
    let (member, happened) = store.change_role(ada.scope(), bob, Role::Admin, ada.act()).await?;
    assert_eq!(member.role, Role::Admin);
    let void_before = ada.act().void_before();
    assert!(void_before > ada.at);
    assert_eq!(happened.unwrap().at, void_before);
    assert_eq!(store.voided(ada.at).await?, [Void::Member(bob, ada.workspace.id, void_before)]);
    let me = store.me(bob, ada.scope()).await?.unwrap();
    assert_eq!((me.standing.role, me.standing.void_before), (Role::Admin, Some(void_before)));
    // The same again is nothing new.
    let (_, happened) = store.change_role(ada.scope(), bob, Role::Admin, ada.act()).await?;
    assert!(happened.is_none());
    let waiting = pending(&store).await;
    let (key, event) = waiting.last().unwrap();
    assert_eq!((key.as_str(), event.at_ms), ("account.role_changed", void_before.0));
    let Some(Body::Account(account)) = &event.body else { panic!("an account's event") };
    assert!(matches!(&account.what, Some(Told::RoleChanged(told)) if told.user_id == bob.to_string()));
    Ok(())
}

async fn an_admin_can_not_touch_an_owner(store: Arc<dyn Store>) -> Result<(), StoreError> {
    let ada = register(&store, "ada@example.com").await?;
    let admin = join(&store, &ada, "bob@example.com", Role::Admin).await?.user.id;
    let member = join(&store, &ada, "carl@example.com", Role::Member).await?.user.id;
    let owners_only = StoreError::Denied(Denied::OwnersOnly);
    let by = act(admin, ada.at);
    let refused = store.change_role(ada.scope(), ada.id(), Role::Viewer, by.clone()).await;
    assert_eq!(refused.unwrap_err(), owners_only);
    let refused = store.change_role(ada.scope(), member, Role::Owner, by.clone()).await;
    assert_eq!(refused.unwrap_err(), owners_only);
    assert_eq!(store.remove_member(ada.scope(), ada.id(), by.clone()).await.unwrap_err(), owners_only);
    let asked = invitation(&ada, "dora@example.com", Role::Owner);
    assert_eq!(store.invite(asked, None, by.clone()).await.unwrap_err(), owners_only);
    store.change_role(ada.scope(), member, Role::Viewer, by.clone()).await?;
    store.remove_member(ada.scope(), member, by).await?;
    Ok(())
}

async fn somebody_who_was_demoted_meanwhile_can_do_nothing_any_more(
    store: Arc<dyn Store>,
) -> Result<(), StoreError> {
    let ada = register(&store, "ada@example.com").await?;
    let bob = join(&store, &ada, "bob@example.com", Role::Admin).await?.user.id;
    let carl = join(&store, &ada, "carl@example.com", Role::Member).await?.user.id;
    store.change_role(ada.scope(), bob, Role::Member, ada.act()).await?;
    let by = act(bob, ada.at);
    let too_low = StoreError::Denied(Denied::RoleTooLow);
    assert_eq!(store.remove_member(ada.scope(), carl, by.clone()).await.unwrap_err(), too_low);
    store.remove_member(ada.scope(), bob, ada.act()).await?;
    let gone = StoreError::Denied(Denied::NoLongerMember);
    let refused = store.change_role(ada.scope(), carl, Role::Viewer, by.clone()).await;
    assert_eq!(refused.unwrap_err(), gone);
    let asked = invitation(&ada, "dora@example.com", Role::Member);
    assert_eq!(store.invite(asked, None, by).await.unwrap_err(), gone);
    Ok(())
}

async fn the_last_owner_can_neither_leave_nor_step_down(store: Arc<dyn Store>) -> Result<(), StoreError> {
    let ada = register(&store, "ada@example.com").await?;
    let bob = join(&store, &ada, "bob@example.com", Role::Admin).await?.user.id;
    let refused = store.remove_member(ada.scope(), ada.id(), ada.act()).await;
    assert_eq!(refused.unwrap_err(), StoreError::LastOwner);
    let refused = store.change_role(ada.scope(), ada.id(), Role::Admin, ada.act()).await;
    assert_eq!(refused.unwrap_err(), StoreError::LastOwner);
    store.change_role(ada.scope(), ada.id(), Role::Owner, ada.act()).await?;
    store.change_role(ada.scope(), bob, Role::Owner, ada.act()).await?;
    store.remove_member(ada.scope(), ada.id(), ada.act()).await?;
    let refused = store.remove_member(ada.scope(), bob, act(bob, ada.at)).await;
    assert_eq!(refused.unwrap_err(), StoreError::LastOwner);
    Ok(())
}

async fn of_two_owners_who_leave_at_once_one_stays(store: Arc<dyn Store>) -> Result<(), StoreError> {
    for round in 0..10 {
        let ada = register(&store, &format!("ada{round}@example.com")).await?;
        let bob = join(&store, &ada, &format!("bob{round}@example.com"), Role::Owner).await?.user.id;
        let (one, two) = tokio::join!(
            store.remove_member(ada.scope(), ada.id(), ada.act()),
            store.remove_member(ada.scope(), bob, act(bob, ada.at)),
        );
        assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
        assert_eq!(one.and(two).unwrap_err(), StoreError::LastOwner);
        assert_eq!(store.members(ada.scope(), None, 10).await?.items.len(), 1);
    }
    Ok(())
}

async fn of_two_owners_who_demote_each_other_at_once_one_stays(
    store: Arc<dyn Store>,
) -> Result<(), StoreError> {
    for round in 0..10 {
        let ada = register(&store, &format!("ada{round}@example.com")).await?;
        let bob = join(&store, &ada, &format!("bob{round}@example.com"), Role::Owner).await?.user.id;
        let (one, two) = tokio::join!(
            store.change_role(ada.scope(), bob, Role::Member, ada.act()),
            store.change_role(ada.scope(), ada.id(), Role::Member, act(bob, ada.at)),
        );
        assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
        let members = store.members(ada.scope(), None, 10).await?.items;
        assert_eq!(members.iter().filter(|member| member.role == Role::Owner).count(), 1);
    }
    Ok(())
}

async fn a_removed_member_is_still_known_by_name(store: Arc<dyn Store>) -> Result<(), StoreError> {
    let ada = register(&store, "ada@example.com").await?;
    let bob = join(&store, &ada, "bob@example.com", Role::Member).await?;
    let carl = join(&store, &ada, "carl@example.com", Role::Member).await?;
    let happened = store.remove_member(ada.scope(), bob.user.id, ada.act()).await?;
    assert_eq!(happened.at, ada.act().void_before());
    assert_eq!(store.voided(ada.at).await?, [Void::Member(bob.user.id, ada.workspace.id, happened.at)]);
    let mut people: Vec<(UserId, bool)> =
        store.people(ada.scope()).await?.iter().map(|person| (person.id, person.member)).collect();
    people.sort_unstable();
    assert_eq!(people, [(ada.id(), true), (bob.user.id, false), (carl.user.id, true)]);
    assert_eq!(store.members_among(ada.scope(), vec![bob.user.id]).await?, []);
    let again = store.remove_member(ada.scope(), bob.user.id, ada.act()).await;
    assert_eq!(again.unwrap_err(), StoreError::NotFound("member"));
    join_again(&store, &ada, &bob, Role::Viewer).await?;
    assert_eq!(store.people(ada.scope()).await?.iter().filter(|person| person.member).count(), 3);
    Ok(())
}

async fn everybody_may_leave(store: Arc<dyn Store>) -> Result<(), StoreError> {
    let ada = register(&store, "ada@example.com").await?;
    for role in [Role::Viewer, Role::Member, Role::Admin, Role::Owner] {
        let user = join(&store, &ada, &format!("{}@example.com", role.name()), role).await?.user.id;
        store.remove_member(ada.scope(), user, act(user, ada.at)).await?;
    }
    assert_eq!(store.members(ada.scope(), None, 10).await?.total, 1);
    Ok(())
}

async fn another_name_is_told_to_every_workspace(store: Arc<dyn Store>) -> Result<(), StoreError> {
    let (ada, bob) = (register(&store, "ada@example.com").await?, register(&store, "bob@example.com").await?);
    join_again(&store, &ada, &bob.account, Role::Member).await?;
    store.remove_member(ada.scope(), bob.id(), ada.act()).await?;
    let before = told(&store).await.len();
    store.rename(bob.id(), Name::parse("Robert").unwrap(), bob.act()).await?;
    store.rename(bob.id(), Name::parse("Robert").unwrap(), bob.act()).await?;
    let told = pending(&store).await.split_off(before);
    let mut workspaces: Vec<String> = told.iter().map(|(_, event)| event.workspace_id.clone()).collect();
    workspaces.sort();
    let mut expected = [ada.workspace.id.to_string(), bob.workspace.id.to_string()];
    expected.sort();
    assert_eq!(workspaces, expected);
    assert!(told.iter().all(|(key, _)| key == "account.person_renamed"));
    let people = store.people(ada.scope()).await?;
    assert!(people.iter().any(|person| person.id == bob.id() && person.name.as_str() == "Robert"));
    Ok(())
}

async fn an_invitation_is_accepted_once(store: Arc<dyn Store>) -> Result<(), StoreError> {
    let ada = register(&store, "ada@example.com").await?;
    let asked = invitation(&ada, "Bob@Example.com", Role::Viewer);
    store.invite(asked.clone(), None, ada.act()).await?;
    assert_eq!(store.invitation(asked.id).await?, Some(asked.clone()));
    let bob = account("Bob@Example.com", ada.at);
    let session = NewSession::new(Client::default(), &tokens(), ada.at);
    let acceptance = Acceptance {
        invitation: asked.id,
        invitee: Invitee::New(bob.clone()),
        session: Some(session.clone()),
    };
    let standing = store.accept(acceptance.clone(), act(bob.user.id, ada.at)).await?;
    assert_eq!((standing.workspace.id, standing.role), (ada.workspace.id, Role::Viewer));
    assert_eq!(store.sessions(bob.user.id, ada.at).await?[0].id, session.id);
    assert_eq!(store.first_workspace(bob.user.id).await?, Some(ada.workspace.id));
    let again = store.accept(acceptance, act(bob.user.id, ada.at)).await;
    assert_eq!(again.unwrap_err(), StoreError::Gone);
    assert_eq!(store.invitation(asked.id).await?.unwrap().state, State::Accepted);
    assert_eq!(store.invitations(ada.scope(), ada.at, None, 10).await?.total, 0);
    Ok(())
}

async fn an_invitation_accepted_by_many_at_once_makes_one_account(
    store: Arc<dyn Store>,
) -> Result<(), StoreError> {
    let ada = register(&store, "ada@example.com").await?;
    let asked = invitation(&ada, "bob@example.com", Role::Member);
    store.invite(asked.clone(), None, ada.act()).await?;
    let all = join_all((0..8).map(|_| {
        let account = account("bob@example.com", ada.at);
        let by = act(account.user.id, ada.at);
        store.accept(Acceptance { invitation: asked.id, invitee: Invitee::New(account), session: None }, by)
    }));
    let all = all.await;
    assert_eq!(all.iter().filter(|one| one.is_ok()).count(), 1, "{all:?}");
    assert!(all.iter().all(|one| matches!(one, Ok(_) | Err(StoreError::Gone | StoreError::EmailTaken))));
    assert_eq!(store.members(ada.scope(), None, 10).await?.total, 2);
    Ok(())
}

async fn an_invitation_that_ran_out_is_gone(store: Arc<dyn Store>) -> Result<(), StoreError> {
    let ada = register(&store, "ada@example.com").await?;
    let asked = invitation(&ada, "bob@example.com", Role::Member);
    store.invite(asked.clone(), None, ada.act()).await?;
    let bob = account("bob@example.com", ada.at);
    let acceptance = Acceptance { invitation: asked.id, invitee: Invitee::New(bob.clone()), session: None };
    let late = store.accept(acceptance, act(bob.user.id, asked.expires_at)).await;
    assert_eq!(late.unwrap_err(), StoreError::Gone);
    assert_eq!(store.account_by_email(&bob.user.email.key()).await?, None);
    assert_eq!(store.invitations(ada.scope(), asked.expires_at, None, 10).await?.total, 0);
    let refused = store.withdraw(ada.scope(), asked.id, asked.expires_at).await;
    assert_eq!(refused.unwrap_err(), StoreError::NotFound("invitation"));
    // And makes room for a new one.
    store.invite(invitation(&ada, "bob@example.com", Role::Member), None, ada.act()).await?;
    Ok(())
}

async fn a_withdrawn_invitation_is_gone(store: Arc<dyn Store>) -> Result<(), StoreError> {
    let ada = register(&store, "ada@example.com").await?;
    let asked = invitation(&ada, "bob@example.com", Role::Member);
    store.invite(asked.clone(), None, ada.act()).await?;
    store.withdraw(ada.scope(), asked.id, ada.at).await?;
    let refused = store.withdraw(ada.scope(), asked.id, ada.at).await;
    assert_eq!(refused.unwrap_err(), StoreError::NotFound("invitation"));
    let bob = account("bob@example.com", ada.at);
    let acceptance = Acceptance { invitation: asked.id, invitee: Invitee::New(bob.clone()), session: None };
    assert_eq!(store.accept(acceptance, act(bob.user.id, ada.at)).await.unwrap_err(), StoreError::Gone);
    Ok(())
}

async fn a_second_invitation_replaces_the_first(store: Arc<dyn Store>) -> Result<(), StoreError> {
    let ada = register(&store, "ada@example.com").await?;
    let first = invitation(&ada, "bob@example.com", Role::Member);
    let second = invitation(&ada, "BOB@example.com", Role::Admin);
    store.invite(first.clone(), None, ada.act()).await?;
    store.invite(second.clone(), None, ada.act()).await?;
    let open = store.invitations(ada.scope(), ada.at, None, 10).await?;
    assert_eq!((open.total, &open.items[0]), (1, &second));
    assert_eq!(store.invitation(first.id).await?.unwrap().state, State::Withdrawn);
    let many =
        (0..5).map(|_| store.invite(invitation(&ada, "bob@example.com", Role::Viewer), None, ada.act()));
    join_all(many).await.into_iter().collect::<Result<Vec<()>, _>>()?;
    assert_eq!(store.invitations(ada.scope(), ada.at, None, 10).await?.total, 1);
    Ok(())
}

async fn a_member_is_not_invited_again(store: Arc<dyn Store>) -> Result<(), StoreError> {
    let ada = register(&store, "ada@example.com").await?;
    let bob = join(&store, &ada, "bob@example.com", Role::Member).await?;
    let again = invitation(&ada, "BOB@example.com", Role::Admin);
    let refused = store.invite(again.clone(), None, ada.act()).await;
    assert_eq!(refused.unwrap_err(), StoreError::AlreadyMember);
    store.remove_member(ada.scope(), bob.user.id, ada.act()).await?;
    store.invite(again, None, ada.act()).await?;
    Ok(())
}

async fn an_invitation_is_made_once_for_each_key(store: Arc<dyn Store>) -> Result<(), StoreError> {
    let ada = register(&store, "ada@example.com").await?;
    let all = join_all((0..8).map(|_| {
        let asked = invitation(&ada, "bob@example.com", Role::Member);
        store.invite(asked, Some(once("key", "print")), ada.act())
    }));
    let all = all.await;
    assert_eq!(all.iter().filter(|one| one.is_ok()).count(), 1, "{all:?}");
    assert!(all.iter().all(|one| matches!(one, Ok(()) | Err(StoreError::Answered(_)))), "{all:?}");
    // A refusal is not remembered: the key is free for another try.
    let refused = invitation(&ada, "ada@example.com", Role::Member);
    let refused = store.invite(refused, Some(once("other", "print")), ada.act()).await;
    assert_eq!(refused.unwrap_err(), StoreError::AlreadyMember);
    assert_eq!(store.answered(&once("other", "print").once, ada.at).await?, None);
    Ok(())
}

async fn open_invitations_are_paged_newest_first(store: Arc<dyn Store>) -> Result<(), StoreError> {
    let mut ada = register(&store, "ada@example.com").await?;
    let mut made = Vec::new();
    for number in 0..5 {
        ada.at = ada.at.after(seconds(number % 2));
        let asked = invitation(&ada, &format!("i{number}@example.com"), Role::Member);
        made.insert(0, asked.id);
        store.invite(asked, None, ada.act()).await?;
    }
    store.withdraw(ada.scope(), made.remove(2), ada.at).await?;
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = store.invitations(ada.scope(), ada.at, after, 2).await?;
        assert_eq!(page.total, 4);
        after = page.items.last().map(|last| Position { at: last.created_at, id: last.id.uuid() });
        seen.extend(page.items.iter().map(|one| one.id));
        if !page.more {
            break;
        }
    }
    assert_eq!(seen, made);
    Ok(())
}

async fn events_wait_until_they_are_published(store: Arc<dyn Store>) -> Result<(), StoreError> {
    let outbox = store.outbox();
    let committed = outbox.committed();
    register(&store, "ada@example.com").await?;
    register(&store, "bob@example.com").await?;
    assert!(committed.has_changed().unwrap());
    let rows = outbox.pending(None, 10).await.unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(outbox.pending(None, 1).await.unwrap().len(), 1);
    assert_eq!(outbox.pending(Some(&rows[0].row), 10).await.unwrap().len(), 1);
    let backlog = outbox.backlog().await.unwrap();
    assert!(backlog.depth == 2 && backlog.oldest_at_ms.is_some());
    for _ in 0..2 {
        outbox.park(&rows[0].row, "a consumer", "it can't").await.unwrap();
    }
    let all: Vec<OutboxRow> = rows.into_iter().map(|row| row.row).collect();
    for _ in 0..2 {
        outbox.mark_published(&all).await.unwrap();
    }
    assert_eq!(outbox.pending(None, 10).await.unwrap().len(), 0);
    assert_eq!(outbox.backlog().await.unwrap().depth, 0);
    Ok(())
}
