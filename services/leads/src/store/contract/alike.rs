//! Likely duplicates, and the notes of many leads.

use std::collections::BTreeSet;

use super::{Team, full, named};
use crate::{
    fields::{Company, Email, Fields, NoteText, Patch, Phone},
    lead::{Command, Lead, LeadId, NOTES_SHOWN, NoteId},
    likeness::{Likeness, Reason},
};

fn with(name: &str, email: &str, phone: &str, company: &str) -> Fields {
    Fields {
        email: Email::parse(email).ok(),
        phone: Phone::parse(phone).unwrap(),
        company: Company::parse(company).unwrap(),
        ..named(name)
    }
}

async fn found(team: &Team, likeness: &Likeness) -> anyhow::Result<Vec<(LeadId, Vec<Reason>)>> {
    let judged = likeness.judge(team.store.alike(team.scope, likeness.clone()).await?);
    Ok(judged.into_iter().map(|(lead, reasons)| (lead.id, reasons)).collect())
}

pub(super) async fn leads_that_may_be_the_same_are_found_with_why(team: Team) -> anyhow::Result<()> {
    let ada = team.make(with("Ada Lovelace", "Ada@Engines.test", "+44 20 7946-0958", "Engines")).await?;
    let email = team.make(with("A. L.", "ÀDA@engines.TEST", "12345", "")).await?;
    let phone = team.make(with("Reception", "", "(44) 2079460958", "")).await?;
    let company = team.make(with("Lovelace, Ada", "", "", "ENGINES")).await?;
    let domain = team.make(with("Ada Lovelase", "al@engines.test", "", "")).await?;
    let all = team.make(with("ada lovelace", "ada@engines.test", "442079460958", "engines")).await?;
    // Neither of these: another name, another place, too few digits, the trash, another workspace.
    team.make(with("Bob Byron", "bob@engines.test", "", "Engines")).await?;
    team.make(with("Ada Lovelace", "ada@other.test", "", "Other")).await?;
    team.make(with("Somebody", "", "12345", "")).await?;
    let gone = team.make(with("Ada Lovelace", "ada@engines.test", "", "")).await?;
    team.change(gone.id, Command::Trash).await?;
    team.others().make(with("Ada Lovelace", "ada@engines.test", "442079460958", "Engines")).await?;

    let right = [
        (all.id, vec![Reason::Email, Reason::Phone, Reason::Name]),
        (email.id, vec![Reason::Email]),
        (phone.id, vec![Reason::Phone]),
        (domain.id, vec![Reason::Name]),
        (company.id, vec![Reason::Name]),
    ];
    assert_eq!(found(&team, &Likeness::of(&ada)).await?, right);
    // While it is being typed, there is no lead to leave out.
    let typed = Likeness::typed("ada@engines.test", "", "", "");
    let ids: BTreeSet<_> = found(&team, &typed).await?.into_iter().map(|(id, _)| id.uuid()).collect();
    assert_eq!(ids, [ada.id, email.id, all.id].map(LeadId::uuid).into());
    assert_eq!(found(&team, &Likeness::default()).await?, []);
    assert_eq!(found(&team.others(), &Likeness::of(&ada)).await?, []);
    Ok(())
}

pub(super) async fn an_edited_lead_is_alike_by_what_it_is_now(team: Team) -> anyhow::Result<()> {
    let ada = team.make(with("Ada", "ada@engines.test", "442079460958", "")).await?;
    let bob = team.make(with("Bob", "", "", "")).await?;
    assert_eq!(found(&team, &Likeness::of(&bob)).await?, []);
    let patch = Patch {
        email: Some(Email::parse("ADA@engines.test").ok()),
        phone: Some(Phone::parse("44 20 7946 0958").unwrap()),
        ..Patch::default()
    };
    let bob = team.change(bob.id, Command::Edit(patch)).await?.lead;
    assert_eq!(found(&team, &Likeness::of(&bob)).await?, [(ada.id, vec![Reason::Email, Reason::Phone])]);
    let patch = Patch { email: Some(None), phone: Some(None), ..Patch::default() };
    team.change(bob.id, Command::Edit(patch)).await?;
    assert_eq!(found(&team, &Likeness::of(&ada)).await?, []);
    Ok(())
}

/// Far more than are compared; the same name is still found, and one with a slip near its end.
pub(super) async fn in_a_crowd_the_nearest_names_are_compared(team: Team) -> anyhow::Result<()> {
    let crowd = |n: usize| {
        let letters: String =
            format!("{n:05}").bytes().map(|digit| char::from(digit - b'0' + b'a')).collect();
        with(&format!("M{letters} Somebody"), "", "", "Crowd")
    };
    let histories = (0..1_300)
        .map(|n| {
            let fields = crowd(n);
            let new = crate::lead::NewLead { id: LeadId::new(), fields, created_by: team.anna, note: None };
            let lead = Lead::create(new, &team.by()).lead;
            crate::store::History { lead, notes: Vec::new(), events: Vec::new() }
        })
        .collect();
    team.store.insert(team.scope, histories).await?;
    let same = team.make(with("Zora Quist", "", "", "crowd")).await?;
    let turned = team.make(with("Quist Zora", "", "", "crowd")).await?;
    let slip = team.make(with("Zora Quitsz", "", "", "crowd")).await?;
    let found = found(&team, &Likeness::typed("", "", "Zora Quist", "Crowd")).await?;
    let ids: BTreeSet<_> = found.into_iter().map(|(id, _)| id.uuid()).collect();
    assert_eq!(ids, [same.id, turned.id, slip.id].map(LeadId::uuid).into());
    Ok(())
}

pub(super) async fn the_newest_notes_of_many_leads_come_with_their_lead(team: Team) -> anyhow::Result<()> {
    let (none, some, many) =
        (team.make(full(team.anna)).await?, team.make(named("Some")).await?, team.make(named("Many")).await?);
    let note = async |lead: &Lead, n: usize| {
        let text = NoteText::parse(&format!("{} {n}", lead.fields.name.as_str())).unwrap();
        team.change(lead.id, Command::AddNote { id: NoteId::new(), text }).await
    };
    for n in 0..3 {
        note(&some, n).await?;
    }
    for n in 0..NOTES_SHOWN + 5 {
        note(&many, n).await?;
    }
    let foreign = team.others();
    let asked = vec![(many.id, 55), (LeadId::new(), 1), (none.id, 0), (some.id, 3)];
    let notes = team.store.newest_notes(team.scope, asked.clone()).await?;
    let texts =
        |place: usize| -> Vec<&str> { notes[place].1.iter().map(|note| note.text.as_str()).collect() };
    assert_eq!(
        notes.iter().map(|(id, _)| *id).collect::<Vec<_>>(),
        asked.iter().map(|(id, _)| *id).collect::<Vec<_>>()
    );
    assert_eq!(texts(0).len(), NOTES_SHOWN);
    assert_eq!((texts(0)[0], texts(0)[49]), ("Many 54", "Many 5"));
    assert_eq!((texts(1).len(), texts(2).len()), (0, 0));
    assert_eq!(texts(3), ["Some 2", "Some 1", "Some 0"]);
    let unseen = foreign.store.newest_notes(foreign.scope, asked).await?;
    assert!(unseen.iter().all(|(_, notes)| notes.is_empty()));
    Ok(())
}
