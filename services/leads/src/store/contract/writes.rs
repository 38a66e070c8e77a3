//! One lead at a time.

use std::time::Duration;

use leadline_proto::leads::activity::What;
use leadline_runtime::{
    ids::uuid_at,
    version::{Precondition, Version},
};

use super::*;
use crate::{
    activity::ActivityId,
    fields::{Patch, Reason},
    lead::{Denied, TRASH_KEPT},
    merge::MergeId,
    store::{MergePart, NextFollowUp, UnmergePart},
};

fn rename(name: &str) -> Command {
    Command::Edit(Patch { name: Some(Name::parse(name).unwrap()), ..Patch::default() })
}

fn note(text: &str) -> Command {
    Command::AddNote { id: NoteId::new(), text: NoteText::parse(text).unwrap() }
}

pub(super) async fn a_lead_is_read_as_it_was_made(team: Team) -> anyhow::Result<()> {
    let made = team.make_with(full(team.anna), Some("first\nnote"), &team.by()).await?;
    let (read, notes) = team.lead(made.id).await?.unwrap();
    assert_eq!(read, made);
    assert_eq!((read.version, read.note_count), (Version(1), 1));
    assert_eq!(notes[0].text.as_str(), "first\nnote");
    assert_eq!(notes[0].author, team.anna);
    let bare = team.make(named("x")).await?;
    assert_eq!(team.lead(bare.id).await?.unwrap(), (bare, vec![]));
    Ok(())
}

pub(super) async fn a_lead_of_another_workspace_is_not_there(team: Team) -> anyhow::Result<()> {
    let (lead, others) = (team.make(named("ours")).await?, team.others());
    assert_eq!(others.lead(lead.id).await?, None);
    others.make(named("theirs")).await?;
    assert_eq!(others.lead(lead.id).await?, None);
    for command in [rename("taken"), note("n"), Command::Trash, Command::Restore, Command::Erase] {
        assert_eq!(others.change(lead.id, command).await, Err(StoreError::Denied(Denied::NoLead)));
    }
    assert_eq!(others.store.notes(others.scope, lead.id, None, 9).await?, None);
    let query = LogQuery { lead: Some(lead.id), limit: 9, ..LogQuery::default() };
    assert_eq!(others.store.log(others.scope, query).await?, None);
    let told = NextFollowUp { scope: others.scope, lead: lead.id, at: Some(Millis(1)), revision: 9 };
    others.store.set_follow_ups(vec![told]).await?;
    assert_eq!(team.lead(lead.id).await?.unwrap().0, lead);
    Ok(())
}

pub(super) async fn a_write_raises_the_version_by_one_and_a_patch_of_nothing_by_none(
    team: Team,
) -> anyhow::Result<()> {
    let made = team.make(full(team.anna)).await?;
    let same = Patch {
        name: Some(made.fields.name.clone()),
        tags: Some(made.fields.tags.clone()),
        status: Some(made.fields.status),
        owner: Some(made.fields.owner),
        ..Patch::default()
    };
    for nothing in [
        Command::Edit(same),
        Command::Edit(Patch::default()),
        Command::Move { to: Status::Qualified, reason: Reason::parse("again").unwrap() },
        Command::AddTags(tags(&["vip"])),
        Command::RemoveTags(tags(&["c"])),
        Command::Restore,
    ] {
        let written = team.change(made.id, nothing).await?;
        assert!(!written.changed);
        assert_eq!(written.lead, made);
    }
    assert_eq!(team.log(Some(made.id)).await?.len(), 1);

    let commands = [
        rename("Other"),
        Command::Move { to: Status::Lost, reason: None },
        Command::AddTags(tags(&["new"])),
        Command::RemoveTags(tags(&["VIP"])),
        note("n"),
        Command::Trash,
        Command::Restore,
    ];
    for (nth, command) in commands.into_iter().enumerate() {
        let written = team.change(made.id, command).await?;
        assert_eq!(written.lead.version, Version(nth as u64 + 2));
        assert_eq!(team.lead(made.id).await?.unwrap().0, written.lead);
    }
    Ok(())
}

pub(super) async fn a_version_that_is_not_welcome_is_told_with_the_present_one(
    team: Team,
) -> anyhow::Result<()> {
    let made = team.make(named("x")).await?;
    let write = |condition| team.store.change(team.scope, made.id, rename("y"), condition, team.by(), None);
    let stale = write(Precondition::OneOf(vec![Version(2), Version(9)])).await;
    assert_eq!(stale.unwrap_err(), StoreError::VersionMismatch { present: Version(1) });
    assert!(fresh(write(Precondition::OneOf(vec![Version(9), Version(1)])).await?).changed);
    let spent = write(Precondition::OneOf(vec![Version(1)])).await;
    assert_eq!(spent.unwrap_err(), StoreError::VersionMismatch { present: Version(2) });
    Ok(())
}

pub(super) async fn concurrent_patches_of_different_fields_both_survive(team: Team) -> anyhow::Result<()> {
    let made = team.make(named("x")).await?;
    let company = Company::parse("Acme").unwrap();
    let patch = Command::Edit(Patch { company: Some(company.clone()), ..Patch::default() });
    let (a, b, c) = tokio::join!(
        team.change(made.id, rename("y")),
        team.change(made.id, patch),
        team.change(made.id, Command::Move { to: Status::Lost, reason: None }),
    );
    for written in [a, b, c] {
        assert!(written?.changed);
    }
    let (lead, _) = team.lead(made.id).await?.unwrap();
    assert_eq!((lead.fields.name.as_str(), &lead.fields.company), ("y", &company));
    assert_eq!((lead.fields.status, lead.version), (Status::Lost, Version(4)));
    Ok(())
}

pub(super) async fn a_hundred_writers_leave_versions_without_gaps(team: Team) -> anyhow::Result<()> {
    let made = team.make(named("x")).await?;
    let mut writers = tokio::task::JoinSet::new();
    for nth in 0..100 {
        let team = team.clone();
        writers.spawn(async move { team.change(made.id, note(&format!("note {nth}"))).await });
    }
    let mut versions: Vec<u64> = Vec::new();
    while let Some(written) = writers.join_next().await {
        versions.push(written??.lead.version.0);
    }
    versions.sort_unstable();
    assert_eq!(versions, (2..=101).collect::<Vec<_>>());
    let (lead, notes) = team.lead(made.id).await?.unwrap();
    assert_eq!((lead.version, lead.note_count, notes.len()), (Version(101), 100, 50));
    let logged: Vec<u64> =
        team.log(Some(made.id)).await?.iter().map(|event| event.activity.as_ref().unwrap().version).collect();
    assert_eq!(logged.len(), 101);
    Ok(())
}

pub(super) async fn notes_are_kept_newest_first_and_counted(team: Team) -> anyhow::Result<()> {
    let made = team.make_with(named("x"), Some("note 0"), &team.by()).await?;
    for nth in 1..=60 {
        let written = team.change(made.id, note(&format!("note {nth}"))).await?;
        assert_eq!(written.note.unwrap().text.as_str(), format!("note {nth}"));
    }
    let (_, shown) = team.lead(made.id).await?.unwrap();
    let texts: Vec<&str> = shown.iter().map(|note| note.text.as_str()).collect();
    assert_eq!(texts, (11..=60).rev().map(|nth| format!("note {nth}")).collect::<Vec<_>>());
    let (mut before, mut all) = (None, Vec::new());
    loop {
        let page = team.store.notes(team.scope, made.id, before, 25).await?.unwrap();
        assert_eq!(page.total, crate::filter::Total { value: 61, exact: true });
        all.extend(page.items.iter().map(|note| note.text.as_str().to_owned()));
        before = page.items.last().map(|note| note.id);
        if !page.more {
            break;
        }
    }
    assert_eq!(all, (0..=60).rev().map(|nth| format!("note {nth}")).collect::<Vec<_>>());
    Ok(())
}

pub(super) async fn a_note_is_deleted_by_its_author_or_by_who_may_delete_anybodys(
    team: Team,
) -> anyhow::Result<()> {
    let made = team.make_with(named("x"), Some("one"), &team.by()).await?;
    team.change(made.id, note("two")).await?;
    let (_, notes) = team.lead(made.id).await?.unwrap();
    let delete = |note: &Note, anybodys| Command::DeleteNote { id: note.id, anybodys };
    let ben = By::now(UserId::new(), Origin::new());
    let denied = |denied| Err(StoreError::Denied(denied));
    assert_eq!(team.change_by(made.id, delete(&notes[0], false), &ben).await, denied(Denied::NotTheAuthor));
    let left = team.change_by(made.id, delete(&notes[0], true), &ben).await?;
    assert_eq!((left.lead.note_count, left.notes.len()), (1, 1));
    assert_eq!(team.change(made.id, delete(&notes[0], true)).await, denied(Denied::NoNote));
    assert_eq!(team.change(made.id, delete(&notes[1], false)).await?.lead.note_count, 0);

    let other = team.make_with(named("y"), Some("theirs"), &team.by()).await?;
    let (_, notes) = team.lead(other.id).await?.unwrap();
    assert_eq!(team.change(made.id, delete(&notes[0], true)).await, denied(Denied::NoNote));
    Ok(())
}

pub(super) async fn a_lead_in_the_trash_is_changed_by_nothing_but_its_return(
    team: Team,
) -> anyhow::Result<()> {
    let made = team.make_with(full(team.anna), Some("kept"), &team.by()).await?;
    let gone = team.change(made.id, Command::Trash).await?.lead;
    assert!(gone.deleted_at.is_some());
    for command in [rename("y"), note("n"), Command::Trash, Command::Move { to: Status::New, reason: None }] {
        assert_eq!(team.change(made.id, command).await, Err(StoreError::Denied(Denied::NoLead)));
    }
    assert_eq!(team.store.notes(team.scope, made.id, None, 9).await?, None);
    let back = team.change(made.id, Command::Restore).await?;
    assert_eq!((back.lead.version, back.lead.deleted_at, back.notes.len()), (Version(3), None, 1));
    assert_eq!(back.lead.fields, made.fields);
    Ok(())
}

pub(super) async fn a_lead_comes_back_within_thirty_days_only(team: Team) -> anyhow::Result<()> {
    let made = team.make(named("x")).await?;
    team.change(made.id, Command::Trash).await?;
    let deleted = team.lead(made.id).await?.unwrap().0.deleted_at.unwrap();
    let at = |at: Millis| By { at, ..team.by() };
    let late = team.change_by(made.id, Command::Restore, &at(deleted.after(TRASH_KEPT))).await;
    assert_eq!(late, Err(StoreError::Denied(Denied::NoLead)));
    let early = team.change_by(made.id, Command::Purge, &at(deleted.after(TRASH_KEPT / 2))).await;
    assert_eq!(early, Err(StoreError::Denied(Denied::NoLead)));
    let last = deleted.after(TRASH_KEPT - Duration::from_millis(1));
    assert!(team.change_by(made.id, Command::Restore, &at(last)).await?.changed);
    Ok(())
}

pub(super) async fn an_erased_lead_leaves_nothing_but_the_entry_that_says_so(
    team: Team,
) -> anyhow::Result<()> {
    let made = team.make_with(full(team.anna), Some("secret"), &team.by()).await?;
    let other = team.make(named("other")).await?;
    team.change(made.id, Command::Erase).await?;
    assert_eq!(team.lead(made.id).await?, None);
    assert_eq!(team.change(made.id, Command::Restore).await, Err(StoreError::Denied(Denied::NoLead)));
    assert_eq!(team.log(None).await?.len(), 2);

    let outbox = team.store.outbox();
    let pending = outbox.pending(None, 10).await.unwrap();
    assert_eq!(pending.len(), 2);
    let told = pending.iter().find(|event| event.key == "lead.deleted").unwrap();
    let Some(Body::Lead(LeadEvent { activity: Some(activity), snapshot: Some(snapshot) })) =
        event_of(&told.bytes).body
    else {
        panic!("no lead's event")
    };
    assert_eq!((snapshot.lead_id, snapshot.version), (made.id.to_string(), 2));
    assert!(snapshot.deleted && snapshot.erased);
    assert_eq!((snapshot.name.as_str(), activity.lead_name.as_str()), ("", ""));
    assert!(matches!(activity.what, Some(What::Deleted(deleted)) if deleted.permanent));
    let text = String::from_utf8_lossy(&told.bytes).into_owned();
    assert!(!text.contains("Zoë") && !text.contains("Example") && !text.contains("secret"));

    // Once told, it stays: by whom and when, and no name.
    let rows: Vec<_> = pending.iter().map(|event| event.row.clone()).collect();
    outbox.mark_published(&rows).await.unwrap();
    assert_eq!(outbox.backlog().await.unwrap().depth, 0);
    let log = team.log(None).await?;
    let leads: Vec<_> = log.iter().map(|event| event.snapshot.as_ref().unwrap().lead_id.clone()).collect();
    assert_eq!(leads, [other.id.to_string(), made.id.to_string()]);
    let entry = log[1].activity.as_ref().unwrap();
    assert_eq!((&entry.actor_id, &entry.lead_name), (&team.anna.to_string(), &String::new()));
    let of_lead = LogQuery { lead: Some(made.id), limit: 9, ..LogQuery::default() };
    assert_eq!(team.store.log(team.scope, of_lead.clone()).await?, None);
    let listed = team.store.log(team.scope, LogQuery { gone: true, ..of_lead }).await?.unwrap();
    assert_eq!((listed.items.len(), listed.total.value), (1, 1));
    let behind = ActivityId::from(uuid_at(Millis(Millis::now().0 - 60_000)));
    let resumed = team.store.log_after(team.scope, behind, 9).await?;
    assert!(resumed.contains(&listed.items[0]), "a stream that resumes is not told");

    // From the trash too.
    team.change(other.id, Command::Trash).await?;
    team.change(other.id, Command::Erase).await?;
    assert_eq!(team.lead(other.id).await?, None);
    Ok(())
}

pub(super) async fn the_trash_is_found_when_its_time_is_over(team: Team) -> anyhow::Result<()> {
    let old = By { at: ago(31 * 86_400_000), ..team.by() };
    let lead = team.make_with(named("old"), Some("n"), &old).await?;
    let young = team.make(named("young")).await?;
    let live = team.make_with(named("live"), None, &old).await?;
    team.change_by(lead.id, Command::Trash, &old).await?;
    team.change(young.id, Command::Trash).await?;
    let due = team.store.trashed_before(Millis::now().before(TRASH_KEPT), 10).await?;
    assert_eq!(due, [(team.scope, lead.id)]);
    crate::sweep::once(&team.store, Millis::now(), &Stop::new()).await?;
    assert_eq!(team.lead(lead.id).await?, None);
    assert!(team.lead(young.id).await?.is_some() && team.lead(live.id).await?.is_some());
    assert_eq!(team.store.trashed_before(Millis::now().before(TRASH_KEPT), 10).await?, []);
    Ok(())
}

pub(super) async fn a_key_gives_the_first_answer_again_and_refuses_another_body(
    team: Team,
) -> anyhow::Result<()> {
    let create = |key: Keyed<Written>| {
        let new = NewLead { id: LeadId::new(), fields: named("x"), created_by: team.anna, note: None };
        team.store.create(team.scope, new, team.by(), Some(key))
    };
    let first = fresh(create(keyed("key", "body")).await?).lead;
    let answer = first.id.to_string().into_bytes();
    assert_eq!(create(keyed("key", "body")).await?, Reply::Replayed(answer.clone()));
    assert_eq!(team.store.answered(&keyed("key", "body").once, Millis::now()).await?, Some(answer));
    assert_eq!(create(keyed("key", "other body")).await, Err(StoreError::KeyReused));
    assert_eq!(
        team.store.answered(&keyed("key", "other body").once, Millis::now()).await,
        Err(StoreError::KeyReused)
    );
    assert_eq!(team.store.answered(&keyed("new", "body").once, Millis::now()).await?, None);

    let change = |key, command| {
        team.store.change(team.scope, first.id, command, Precondition::None, team.by(), Some(key))
    };
    assert!(fresh(change(keyed("note", "n"), note("n")).await?).changed);
    assert!(matches!(change(keyed("note", "n"), note("n")).await?, Reply::Replayed(_)));
    assert_eq!(team.lead(first.id).await?.unwrap().0.note_count, 1);
    assert_eq!(team.log(None).await?.len(), 2);
    Ok(())
}

pub(super) async fn fifty_writes_with_one_key_make_one_lead(team: Team) -> anyhow::Result<()> {
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let team = team.clone();
        writers.spawn(async move {
            let new = NewLead { id: LeadId::new(), fields: named("x"), created_by: team.anna, note: None };
            team.store.create(team.scope, new, team.by(), Some(keyed("key", "body"))).await
        });
    }
    let (mut made, mut answers) = (0, Vec::new());
    while let Some(reply) = writers.join_next().await {
        match reply?? {
            Reply::Fresh(written) => {
                made += 1;
                answers.push(written.lead.id.to_string().into_bytes());
            }
            Reply::Replayed(answer) => answers.push(answer),
        }
    }
    assert_eq!(made, 1);
    answers.dedup();
    assert_eq!(answers.len(), 1);
    assert_eq!(team.log(None).await?.len(), 1);
    Ok(())
}

pub(super) async fn a_refused_write_leaves_nothing_behind(team: Team) -> anyhow::Result<()> {
    let made = team.make(named("x")).await?;
    let refused = team
        .store
        .change(
            team.scope,
            made.id,
            rename("y"),
            Precondition::OneOf(vec![Version(7)]),
            team.by(),
            Some(keyed("key", "body")),
        )
        .await;
    assert!(refused.is_err());
    assert_eq!(team.store.answered(&keyed("key", "body").once, Millis::now()).await?, None);
    assert_eq!(team.lead(made.id).await?.unwrap().0, made);
    assert_eq!(team.store.outbox().backlog().await.unwrap().depth, 1);
    Ok(())
}

pub(super) async fn the_highest_revision_of_a_follow_up_stays_and_raises_no_version(
    team: Team,
) -> anyhow::Result<()> {
    let made = team.make(named("x")).await?;
    let told = |at: Option<i64>, revision| NextFollowUp {
        scope: team.scope,
        lead: made.id,
        at: at.map(Millis),
        revision,
    };
    let unknown = NextFollowUp { lead: LeadId::new(), ..told(Some(9), 9) };
    team.store.set_follow_ups(vec![unknown, told(Some(20), 2)]).await?;
    team.store.set_follow_ups(vec![told(Some(10), 1)]).await?;
    let (lead, _) = team.lead(made.id).await?.unwrap();
    assert_eq!((lead.next_follow_up_at, lead.version), (Some(Millis(20)), Version(1)));
    // Also while it is in the trash, and kept by every write.
    team.change(made.id, Command::Trash).await?;
    team.store.set_follow_ups(vec![told(Some(30), 3), told(Some(30), 3)]).await?;
    team.change(made.id, Command::Restore).await?;
    assert_eq!(team.change(made.id, rename("y")).await?.lead.next_follow_up_at, Some(Millis(30)));
    team.store.set_follow_ups(vec![told(None, 4)]).await?;
    assert_eq!(team.lead(made.id).await?.unwrap().0.next_follow_up_at, None);
    Ok(())
}

pub(super) async fn keys_are_forgotten_after_their_time(team: Team) -> anyhow::Result<()> {
    let create = |key, at| {
        let new = NewLead { id: LeadId::new(), fields: named("x"), created_by: team.anna, note: None };
        team.store.create(team.scope, new, By { at, ..team.by() }, Some(keyed(key, "body")))
    };
    create("old", ago(25 * 3_600_000)).await?;
    create("new", ago(23 * 3_600_000)).await?;
    // Whether the sweep has come by or not.
    assert_eq!(team.store.answered(&keyed("old", "body").once, Millis::now()).await?, None);
    assert!(matches!(create("new", Millis::now()).await?, Reply::Replayed(_)));
    create("again", ago(25 * 3_600_000)).await?;
    let again = fresh(create("again", Millis::now()).await?).lead;
    assert_eq!(create("again", Millis::now()).await?, Reply::Replayed(again.id.to_string().into_bytes()));
    crate::sweep::once(&team.store, Millis::now(), &Stop::new()).await?;
    assert_eq!(team.store.answered(&keyed("old", "body").once, Millis::now()).await?, None);
    assert!(team.store.answered(&keyed("new", "body").once, Millis::now()).await?.is_some());
    Ok(())
}

pub(super) async fn an_erased_lead_takes_what_was_answered_of_it_along(team: Team) -> anyhow::Result<()> {
    let create = |key: &str| {
        let new = NewLead { id: LeadId::new(), fields: named(key), created_by: team.anna, note: None };
        team.store.create(team.scope, new, team.by(), Some(keyed(key, "body")))
    };
    let (made, other) = (fresh(create("made").await?).lead, fresh(create("other").await?).lead);
    let noted = |id| {
        let key = Some(keyed(&format!("note {id}"), "body"));
        team.store.change(team.scope, id, note("n"), Precondition::None, team.by(), key)
    };
    noted(made.id).await?;
    noted(other.id).await?;
    // While it was part of another, answers of that one told of it.
    let (id, condition) = (MergeId::new(), Precondition::None);
    let (into, from) = (other.id, vec![made.id]);
    let part = MergePart { into, id, from, condition: condition.clone(), by: team.by() };
    fresh(team.store.merge(team.scope, part, Some(keyed("merge", "body"))).await?);
    let part = UnmergePart { into, id: Some(id), condition, by: team.by() };
    fresh(team.store.unmerge(team.scope, part, Some(keyed("unmerge", "body"))).await?);

    team.change(made.id, Command::Erase).await?;
    for (key, is_erased) in [
        ("made".to_owned(), true),
        (format!("note {}", made.id), true),
        ("merge".to_owned(), true),
        ("unmerge".to_owned(), false),
    ] {
        for body in ["body", "another body"] {
            let answered = team.store.answered(&keyed(&key, body).once, Millis::now()).await;
            match is_erased {
                true => assert_eq!(answered, Err(StoreError::AnswerErased), "{key}"),
                false if body == "body" => assert!(answered?.is_some(), "{key}"),
                false => assert_eq!(answered, Err(StoreError::KeyReused), "{key}"),
            }
        }
    }
    // The key makes no second lead while it is remembered.
    assert_eq!(create("made").await, Err(StoreError::AnswerErased));
    let walked = team.store.walk(team.scope, None, 9).await?;
    assert_eq!(walked.iter().map(|lead| lead.id).collect::<Vec<_>>(), [other.id]);

    team.change(other.id, Command::Trash).await?;
    let late = By { at: Millis::now().after(TRASH_KEPT), ..team.by() };
    team.change_by(other.id, Command::Purge, &late).await?;
    assert_eq!(create("other").await, Err(StoreError::AnswerErased));
    Ok(())
}
