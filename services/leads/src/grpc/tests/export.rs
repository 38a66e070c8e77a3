//! Exports and likely duplicates, as clients call them.

use futures::TryStreamExt;
use leadline_proto::leads as proto;
use leadline_runtime::{
    caller::{Origin, Role, Scope},
    ids::{UserId, WorkspaceId},
    refusal::Refusal,
    time::Millis,
};

use super::house::{House, Person, answer, bad_fields, named, patch};
use crate::{
    fields::{Fields, Name, NoteText, Tags},
    lead::{By, Lead, LeadId, NewLead, Note, NoteId},
    stage::{Source, Status},
    store::History,
};

async fn export(
    person: &mut Person,
    request: proto::ExportLeadsRequest,
) -> Result<Vec<proto::ExportLeadsResponse>, Refusal> {
    let request = person.ask(request);
    let stream = answer(person.client.export_leads(request).await)?;
    stream.try_collect().await.map_err(Refusal::from)
}

fn history(n: usize, notes: usize) -> History {
    let fields = Fields {
        name: Name::parse(&format!("Lead {n:05}")).unwrap(),
        email: None,
        phone: None,
        company: None,
        source: Source::Ad,
        status: Status::New,
        tags: Tags::default(),
        owner: None,
    };
    let by = By { actor: None, at: Millis::now(), origin: Origin::default(), backdated: false };
    let new = NewLead { id: LeadId::new(), fields, created_by: UserId::new(), note: None };
    let mut lead = Lead::create(new, &by).lead;
    lead.note_count = u32::try_from(notes).unwrap();
    let notes = (0..notes).map(|nth| Note {
        id: NoteId::new(),
        text: NoteText::parse(&format!("{nth} {}", "🦊".repeat(9_000))).unwrap(),
        author: UserId::new(),
        created_at: Millis(0),
    });
    History { notes: notes.collect(), lead, events: Vec::new() }
}

#[tokio::test]
async fn an_export_has_every_lead_once_in_order_and_says_how_many() -> anyhow::Result<()> {
    let house = House::start().await?;
    let workspace = WorkspaceId::new();
    let mut anna = house.person(workspace, Role::Viewer).await?;
    let mut theirs = house.person(WorkspaceId::new(), Role::Viewer).await?;
    let leads: Vec<History> = (0..2_300).map(|n| history(n * 7 % 2_300, 0)).collect();
    for part in leads.chunks(500) {
        house.store.insert(Scope::of_own_row(workspace), part.to_vec()).await?;
    }
    for descending in [false, true] {
        let sort = proto::SortField::Name.into();
        let parts =
            export(&mut anna, proto::ExportLeadsRequest { sort, descending, ..Default::default() }).await?;
        assert!(parts.iter().all(|part| part.leads.len() <= 1_000));
        let told: Vec<_> = parts.iter().map(|part| part.rows_in_all).collect();
        assert_eq!(told, [None, None, Some(2_300)]);
        let names: Vec<String> =
            parts.into_iter().flat_map(|part| part.leads).map(|lead| lead.name).collect();
        let mut right: Vec<String> = (0..2_300).map(|n| format!("Lead {n:05}")).collect();
        if descending {
            right.reverse();
        }
        assert_eq!(names, right);
    }
    let none = export(&mut theirs, proto::ExportLeadsRequest::default()).await?;
    assert_eq!(none, [proto::ExportLeadsResponse { leads: Vec::new(), rows_in_all: Some(0) }]);
    let filter = Some(proto::LeadFilter { q: "x".repeat(201), ..Default::default() });
    let refused = export(&mut anna, proto::ExportLeadsRequest { filter, ..Default::default() }).await;
    assert_eq!(bad_fields(refused), ["q"]);
    house.end().await
}

/// What changes in the middle of an export: the first leads are moved to its end, and some of the last to its beginning.
async fn edited_meanwhile(sort: proto::SortField, descending: bool) -> anyhow::Result<()> {
    const LEADS: usize = 5_000;
    let house = House::start().await?;
    let workspace = WorkspaceId::new();
    let mut anna = house.person(workspace, Role::Member).await?;
    let leads: Vec<History> = (0..LEADS).map(|n| history(n, 0)).collect();
    for part in leads.chunks(500) {
        house.store.insert(Scope::of_own_row(workspace), part.to_vec()).await?;
    }
    let request = anna.ask(proto::ExportLeadsRequest { sort: sort.into(), descending, ..Default::default() });
    let mut stream = answer(anna.client.export_leads(request).await)?;
    let mut names = Vec::new();
    let mut told = None;
    while let Some(part) = stream.try_next().await? {
        told = part.rows_in_all;
        if names.is_empty() {
            let (first, last) = match descending {
                true => (LEADS - 50..LEADS, 0..50),
                false => (0..50, LEADS - 50..LEADS),
            };
            for (edited, name) in
                [(first, if descending { "A" } else { "Z" }), (last, if descending { "Z" } else { "A" })]
            {
                for nth in edited {
                    let id = leads[nth].lead.id.to_string();
                    let request = anna.ask(patch(&id, named(&format!("{name} {nth:05}")), &["name"]));
                    answer(anna.client.update_lead(request).await)?;
                }
            }
        }
        names.extend(part.leads.into_iter().map(|lead| lead.name));
    }
    let mut numbers: Vec<usize> =
        names.iter().map(|name| name.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    numbers.sort_unstable();
    let right: Vec<usize> = (0..LEADS).collect();
    assert_eq!(told, Some(names.len() as u64));
    assert!(numbers == right, "{sort:?}: {} rows: {:?}", names.len(), unlike(&numbers, &right));
    house.end().await
}

/// What is there twice, and what is missing.
fn unlike(found: &[usize], right: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let twice = found.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
    (twice, right.iter().copied().filter(|number| found.binary_search(number).is_err()).collect())
}

#[tokio::test]
async fn a_lead_that_is_edited_during_an_export_is_there_once() -> anyhow::Result<()> {
    for descending in [false, true] {
        for sort in [proto::SortField::Name, proto::SortField::UpdatedAt, proto::SortField::CreatedAt] {
            edited_meanwhile(sort, descending).await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn long_notes_are_divided_among_messages() -> anyhow::Result<()> {
    let house = House::start().await?;
    let workspace = WorkspaceId::new();
    let mut anna = house.person(workspace, Role::Member).await?;
    let leads: Vec<History> = (0..9).map(|n| history(n, if n == 4 { 0 } else { 60 })).collect();
    for lead in &leads {
        house.store.insert(Scope::of_own_row(workspace), vec![lead.clone()]).await?;
    }
    anna.client = anna.client.clone().max_decoding_message_size(16 * 1024 * 1024);
    let sort = proto::SortField::Name.into();
    let parts = export(&mut anna, proto::ExportLeadsRequest { sort, ..Default::default() }).await?;
    assert!(parts.len() > 1 && parts.last().is_some_and(|part| part.rows_in_all == Some(9)));
    let all: Vec<proto::Lead> = parts.into_iter().flat_map(|part| part.leads).collect();
    assert_eq!(all.len(), 9);
    for (lead, history) in all.iter().zip(&leads) {
        let newest: Vec<String> =
            history.notes.iter().rev().take(50).map(|note| note.id.to_string()).collect();
        let notes: Vec<String> = lead.notes.iter().map(|note| note.id.clone()).collect();
        assert_eq!(notes, newest, "{}", lead.name);
    }
    house.end().await
}

#[tokio::test]
async fn duplicates_are_of_one_s_own_workspace_and_not_of_the_trash() -> anyhow::Result<()> {
    let house = House::start().await?;
    let mut anna = house.person(WorkspaceId::new(), Role::Member).await?;
    let mut theirs = house.person(WorkspaceId::new(), Role::Member).await?;
    let with = |email: &str| proto::LeadFields { email: Some(email.to_owned()), ..named("Ada") };
    let one = anna.make(with("ada@engines.test")).await?;
    let two = anna.make(with("ADA@engines.test")).await?;
    let ask = |id: &str| proto::FindDuplicatesRequest { id: id.to_owned(), ..Default::default() };
    let request = anna.ask(ask(&one.id));
    let found = answer(anna.client.find_duplicates(request).await)?.items;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].lead.as_ref().map(|lead| lead.id.as_str()), Some(two.id.as_str()));
    let reasons: [i32; 2] = [proto::DuplicateReason::Email.into(), proto::DuplicateReason::Name.into()];
    assert_eq!(found[0].reasons, reasons);
    for id in [one.id.as_str(), "x", "019ab0a2-7c1e-7d31-9a4e-0b1c2d3e4f50"] {
        let request = theirs.ask(ask(id));
        assert_eq!(answer(theirs.client.find_duplicates(request).await), Err(Refusal::NotFound("lead")));
    }
    let request = anna.ask(proto::DeleteLeadRequest { id: two.id.clone(), ..Default::default() });
    answer(anna.client.delete_lead(request).await)?;
    let request = anna.ask(ask(&two.id));
    assert_eq!(answer(anna.client.find_duplicates(request).await), Err(Refusal::NotFound("lead")));
    let request = anna.ask(ask(&one.id));
    assert_eq!(answer(anna.client.find_duplicates(request).await)?.items, []);
    house.end().await
}
