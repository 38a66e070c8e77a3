//! Calls that write.

use leadline_proto::{
    leads as proto,
    types::{FieldViolation, Precondition},
};
use leadline_runtime::{
    caller::Role,
    ids::{UserId, WorkspaceId, new_uuid},
    once::{attach, is_replayed},
    refusal::Refusal,
    version::Version,
};
use tonic::Request;

use super::house::{House, Person, answer, bad_fields, named, patch};

fn note(lead: &str, text: &str) -> proto::AddNoteRequest {
    proto::AddNoteRequest {
        lead_id: lead.to_owned(),
        text: Some(text.to_owned()),
        ..proto::AddNoteRequest::default()
    }
}

/// Every call that writes to a lead, as this person.
async fn all_writes(person: &mut Person, id: &str) -> Vec<(&'static str, Result<(), Refusal>)> {
    let id = id.to_owned();
    let mut done = Vec::new();
    macro_rules! call {
        ($call:ident, $request:expr) => {{
            let request = person.ask($request);
            done.push((stringify!($call), answer(person.client.$call(request).await).map(|_| ())));
        }};
    }
    call!(update_lead, patch(&id, named("taken"), &["name"]));
    call!(move_lead, proto::MoveLeadRequest { id: id.clone(), status: 5, ..Default::default() });
    call!(add_note, note(&id, "n"));
    call!(
        delete_note,
        proto::DeleteNoteRequest { lead_id: id.clone(), note_id: new_uuid().to_string(), if_match: None }
    );
    call!(delete_lead, proto::DeleteLeadRequest { id: id.clone(), permanent: false, if_match: None });
    call!(delete_lead, proto::DeleteLeadRequest { id: id.clone(), permanent: true, if_match: None });
    call!(restore_lead, proto::RestoreLeadRequest { id, if_match: None });
    done
}

#[tokio::test]
async fn a_viewer_reads_and_a_member_writes_and_an_admin_erases() -> anyhow::Result<()> {
    let house = House::start().await?;
    let workspace = WorkspaceId::new();
    let mut viewer = house.person(workspace, Role::Viewer).await?;
    let mut member = house.person(workspace, Role::Member).await?;
    let mut admin = house.person(workspace, Role::Admin).await?;
    let lead = member.make(named("x")).await?;
    assert_eq!(viewer.get(&lead.id).await?, lead);
    for (call, refused) in all_writes(&mut viewer, &lead.id).await {
        assert!(matches!(refused, Err(Refusal::Forbidden(_))), "{call}: {refused:?}");
    }
    // Who may not is told so, rather than what is wrong with the request.
    assert!(matches!(viewer.make(named("")).await, Err(Refusal::Forbidden(_))));
    let bulk = viewer.ask(proto::ChangeLeadsRequest::default());
    assert!(matches!(answer(viewer.client.change_leads(bulk).await), Err(Refusal::Forbidden(_))));

    let erase = proto::DeleteLeadRequest { id: lead.id.clone(), permanent: true, if_match: None };
    let request = member.ask(erase.clone());
    assert!(matches!(answer(member.client.delete_lead(request).await), Err(Refusal::Forbidden(_))));
    let request = admin.ask(erase);
    answer(admin.client.delete_lead(request).await)?;
    assert_eq!(member.get(&lead.id).await, Err(Refusal::NotFound("lead")));

    let anybody = Request::new(proto::GetLeadRequest { id: lead.id });
    assert!(matches!(answer(viewer.client.get_lead(anybody).await), Err(Refusal::Unauthenticated(_))));
    house.end().await
}

#[tokio::test]
async fn a_lead_of_another_workspace_answers_as_one_that_never_was() -> anyhow::Result<()> {
    let house = House::start().await?;
    let mut ours = house.person(WorkspaceId::new(), Role::Owner).await?;
    let mut theirs = house.person(WorkspaceId::new(), Role::Owner).await?;
    let lead = ours.make(named("ours")).await?;
    theirs.make(named("theirs")).await?;
    let foreign = all_writes(&mut theirs, &lead.id).await;
    let unknown = all_writes(&mut theirs, &new_uuid().to_string()).await;
    let malformed = all_writes(&mut theirs, "../../etc").await;
    assert!(foreign.iter().all(|(_, refused)| *refused == Err(Refusal::NotFound("lead"))), "{foreign:?}");
    assert_eq!(foreign, unknown);
    assert_eq!(foreign, malformed);
    assert_eq!(theirs.get(&lead.id).await, theirs.get(&new_uuid().to_string()).await);
    assert_eq!(ours.get(&lead.id).await?, lead);
    house.end().await
}

#[tokio::test]
async fn every_bad_field_is_named_at_once_those_of_the_edge_too() -> anyhow::Result<()> {
    let house = House::start().await?;
    let mut anna = house.person(WorkspaceId::new(), Role::Member).await?;
    let fault =
        |field: &str, message: &str| FieldViolation { field: field.to_owned(), message: message.to_owned() };
    let request = proto::CreateLeadRequest {
        fields: Some(proto::LeadFields {
            name: Some("a\0b".to_owned()),
            email: Some("nobody".to_owned()),
            phone: Some("1".repeat(51)),
            company: Some("c".repeat(201)),
            source: 99,
            status: -1,
            tags: vec!["ok".to_owned(), String::new()],
            owner_id: Some(UserId::new().to_string()),
        }),
        note: Some(" ".to_owned()),
        faults: vec![fault("colour", "is not a field"), fault("phone", "must be text")],
    };
    let request = anna.ask(request);
    let refused = answer(anna.client.create_lead(request).await);
    let Err(Refusal::Invalid(violations)) = &refused else { panic!("{refused:?}") };
    let of =
        |field: &str| violations.iter().find(|violation| violation.field == field).unwrap().message.clone();
    assert_eq!(of("phone"), "must be text");
    assert_eq!(of("status"), "must be one of New, Contacted, Qualified, Converted, Lost");
    assert_eq!(of("source"), "must be one of Website, Referral, Ad, Other");
    assert!(of("name").contains("control characters"));
    let expected =
        ["colour", "company", "email", "name", "note", "ownerId", "phone", "source", "status", "tags[1]"];
    assert_eq!(bad_fields(refused), expected);
    assert_eq!(bad_fields(anna.make(proto::LeadFields::default()).await), ["name"]);
    assert_eq!(anna.list(proto::LeadFilter::default()).await?.leads.len(), 0);

    let lead = anna.make(named("x")).await?;
    let cleared = anna.ask(patch(&lead.id, proto::LeadFields::default(), &["name", "email"]));
    assert_eq!(bad_fields(answer(anna.client.update_lead(cleared).await)), ["name"]);
    let nowhere = anna.ask(proto::MoveLeadRequest {
        id: lead.id.clone(),
        reason: Some("r".repeat(501)),
        ..Default::default()
    });
    assert_eq!(bad_fields(answer(anna.client.move_lead(nowhere).await)), ["reason", "status"]);
    let empty = anna.ask(proto::AddNoteRequest { lead_id: lead.id, ..Default::default() });
    assert_eq!(bad_fields(answer(anna.client.add_note(empty).await)), ["text"]);
    house.end().await
}

#[tokio::test]
async fn an_owner_must_be_a_member_unless_the_lead_is_theirs_already() -> anyhow::Result<()> {
    let house = House::start().await?;
    let mut anna = house.person(WorkspaceId::new(), Role::Member).await?;
    let ben = UserId::new();
    let owned = |user: UserId| proto::LeadFields { owner_id: Some(user.to_string()), ..named("x") };
    assert_eq!(bad_fields(anna.make(owned(ben)).await), ["ownerId"]);
    assert_eq!(anna.make(owned(anna.user)).await?.owner_id, Some(anna.user.to_string()));
    house.members.add(ben);
    let lead = anna.make(owned(ben)).await?;
    house.members.remove(ben);
    let all = ["name", "email", "phone", "company", "source", "status", "tags", "owner_id"];
    let kept = anna.ask(patch(&lead.id, proto::LeadFields { phone: Some("1".into()), ..owned(ben) }, &all));
    assert_eq!(answer(anna.client.update_lead(kept).await)?.owner_id, Some(ben.to_string()));
    let other = anna.make(named("y")).await?;
    let given = anna.ask(patch(&other.id, owned(ben), &["owner_id"]));
    assert_eq!(bad_fields(answer(anna.client.update_lead(given).await)), ["ownerId"]);
    house.end().await
}

#[tokio::test]
async fn a_patch_sets_what_its_mask_names_and_answers_the_whole_lead() -> anyhow::Result<()> {
    let house = House::start().await?;
    let mut anna = house.person(WorkspaceId::new(), Role::Member).await?;
    let full = proto::LeadFields {
        name: Some(" Zoë ".into()),
        email: Some("Zoe@Example.com".into()),
        company: Some("Acme".into()),
        tags: vec!["VIP".into(), "vip".into()],
        ..Default::default()
    };
    let request =
        anna.ask(proto::CreateLeadRequest { fields: Some(full), note: Some("first".into()), faults: vec![] });
    let lead = answer(anna.client.create_lead(request).await)?;
    assert_eq!(
        (lead.name.as_str(), lead.email.as_deref(), lead.version),
        ("Zoë", Some("Zoe@Example.com"), 1)
    );
    assert_eq!(
        (lead.tags.as_slice(), lead.source(), lead.status()),
        (["VIP".to_owned()].as_slice(), proto::Source::Other, proto::Status::New)
    );
    assert_eq!((lead.notes.len(), lead.note_count), (1, 1));
    let fields = proto::LeadFields { company: Some("Globex".into()), status: 2, ..Default::default() };
    let request = anna.ask(patch(&lead.id, fields, &["company", "status", "email"]));
    let changed = answer(anna.client.update_lead(request).await)?;
    assert_eq!((changed.company.as_deref(), changed.email, changed.version), (Some("Globex"), None, 2));
    assert_eq!((changed.status, changed.name.as_str(), changed.notes.len()), (2, "Zoë", 1));
    let nothing = anna.ask(patch(&lead.id, named("Zoë"), &["name"]));
    assert_eq!(answer(anna.client.update_lead(nothing).await)?.version, 2);

    let request = anna.ask(proto::ListActivityRequest { lead_id: lead.id.clone(), ..Default::default() });
    let log = answer(anna.client.list_activity(request).await)?;
    let versions: Vec<u64> = log.activities.iter().map(|entry| entry.version).collect();
    assert_eq!(versions, [2, 2, 1, 1]);

    let mut stale = patch(&lead.id, named("y"), &["name"]);
    stale.if_match = Some(Precondition { any: false, versions: vec![1] });
    let request = anna.ask(stale.clone());
    let refused = answer(anna.client.update_lead(request).await);
    assert_eq!(refused, Err(Refusal::VersionMismatch { present: Version(2) }));
    stale.if_match = Some(Precondition { any: true, versions: vec![] });
    let request = anna.ask(stale);
    assert_eq!(answer(anna.client.update_lead(request).await)?.version, 3);
    house.end().await
}

#[tokio::test]
async fn a_note_is_deleted_by_its_author_or_an_admin() -> anyhow::Result<()> {
    let house = House::start().await?;
    let workspace = WorkspaceId::new();
    let mut anna = house.person(workspace, Role::Member).await?;
    let mut ben = house.person(workspace, Role::Member).await?;
    let mut admin = house.person(workspace, Role::Admin).await?;
    let lead = anna.make(named("x")).await?;
    let mut ids = Vec::new();
    for text in ["one", "two"] {
        let request = anna.ask(note(&lead.id, text));
        let added = answer(anna.client.add_note(request).await)?;
        ids.push(added.note.unwrap().id);
    }
    let delete = |id: &str| proto::DeleteNoteRequest {
        lead_id: lead.id.clone(),
        note_id: id.to_owned(),
        if_match: None,
    };
    let request = ben.ask(delete(&ids[0]));
    assert!(matches!(answer(ben.client.delete_note(request).await), Err(Refusal::Forbidden(_))));
    let request = anna.ask(delete(&ids[0]));
    assert_eq!(answer(anna.client.delete_note(request).await)?.note_count, 1);
    let request = admin.ask(delete(&ids[1]));
    assert_eq!(answer(admin.client.delete_note(request).await)?.version, 5);
    let request = admin.ask(delete(&ids[1]));
    assert_eq!(answer(admin.client.delete_note(request).await), Err(Refusal::NotFound("note")));
    house.end().await
}

#[tokio::test]
async fn a_key_makes_every_post_happen_once() -> anyhow::Result<()> {
    let house = House::start().await?;
    let mut anna = house.person(WorkspaceId::new(), Role::Owner).await?;
    let create = |person: &Person, body: &str| {
        let message = proto::CreateLeadRequest { fields: Some(named(body)), ..Default::default() };
        let mut request = person.ask(message);
        attach(&mut request, "key", "/api/v1/leads", body.as_bytes());
        request
    };
    let first = anna.client.create_lead(create(&anna, "x")).await?;
    assert!(!is_replayed(&first));
    let again = anna.client.create_lead(create(&anna, "x")).await?;
    assert!(is_replayed(&again));
    let lead = first.into_inner();
    assert_eq!(again.into_inner(), lead);
    assert_eq!(answer(anna.client.create_lead(create(&anna, "other")).await), Err(Refusal::KeyReused));
    // A key is one person's own.
    let mut ben = house.person(WorkspaceId::new(), Role::Owner).await?;
    assert!(!is_replayed(&ben.client.create_lead(create(&ben, "x")).await?));

    let once = |request: &mut Request<proto::AddNoteRequest>| attach(request, "key", "/notes", b"n");
    let mut request = anna.ask(note(&lead.id, "n"));
    once(&mut request);
    let added = answer(anna.client.add_note(request).await)?;
    let mut request = anna.ask(note(&lead.id, "n"));
    once(&mut request);
    assert_eq!(answer(anna.client.add_note(request).await)?, added);
    assert_eq!(anna.get(&lead.id).await?.note_count, 1);

    let request = anna.ask(proto::DeleteLeadRequest { id: lead.id.clone(), ..Default::default() });
    answer(anna.client.delete_lead(request).await)?;
    let restore = |person: &Person| {
        let mut request = person.ask(proto::RestoreLeadRequest { id: lead.id.clone(), if_match: None });
        attach(&mut request, "key", "/restore", b"");
        request
    };
    let restored = answer(anna.client.restore_lead(restore(&anna)).await)?;
    let request = anna.ask(proto::DeleteLeadRequest { id: lead.id.clone(), ..Default::default() });
    answer(anna.client.delete_lead(request).await)?;
    // It was asked for once, so it is done once.
    assert_eq!(answer(anna.client.restore_lead(restore(&anna)).await)?, restored);
    assert_eq!(anna.get(&lead.id).await, Err(Refusal::NotFound("lead")));
    house.end().await
}

#[tokio::test]
async fn fifty_requests_with_one_key_make_one_lead() -> anyhow::Result<()> {
    let house = House::start().await?;
    let mut anna = house.person(WorkspaceId::new(), Role::Member).await?;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let mut anna = anna.clone();
        calls.spawn(async move {
            let message = proto::CreateLeadRequest { fields: Some(named("x")), ..Default::default() };
            let mut request = anna.ask(message);
            attach(&mut request, "key", "/api/v1/leads", b"x");
            answer(anna.client.create_lead(request).await)
        });
    }
    let mut ids = std::collections::HashSet::new();
    while let Some(called) = calls.join_next().await {
        match called? {
            Ok(lead) => _ = ids.insert(lead.id),
            Err(refusal) => assert_eq!(refusal, Refusal::InFlight),
        }
    }
    assert_eq!(ids.len(), 1);
    assert_eq!(anna.list(proto::LeadFilter::default()).await?.total.unwrap().value, 1);
    house.end().await
}
