//! One change to many leads.

use leadline_proto::leads::{self as proto, change_leads_request::Change};
use leadline_runtime::{
    caller::{Role, Scope},
    ids::{UserId, WorkspaceId, new_uuid},
    once::{attach, is_replayed},
    refusal::Refusal,
    time::Millis,
};

use super::house::{House, Person, answer, bad_fields, named};
use crate::{
    backfill::{Past, backfill},
    fields::{Fields, Name, Tags},
    lead::LeadId,
    stage::{Source, Status},
};

async fn change(
    person: &mut Person,
    ids: Vec<String>,
    filter: Option<proto::LeadFilter>,
    change: Option<Change>,
) -> Result<proto::ChangeLeadsResponse, Refusal> {
    let request = person.ask(proto::ChangeLeadsRequest { ids, filter, change, ..Default::default() });
    answer(person.client.change_leads(request).await)
}

fn tags(texts: &[&str]) -> proto::change_leads_request::Tags {
    proto::change_leads_request::Tags { tags: texts.iter().map(|text| (*text).to_owned()).collect() }
}

#[tokio::test]
async fn ids_are_counted_once_and_unknown_ones_are_told_as_they_were_given() -> anyhow::Result<()> {
    let house = House::start().await?;
    let mut anna = house.person(WorkspaceId::new(), Role::Member).await?;
    let mut theirs = house.person(WorkspaceId::new(), Role::Member).await?;
    let (a, b) = (anna.make(named("a")).await?.id, anna.make(named("b")).await?.id);
    let foreign = theirs.make(named("theirs")).await?.id;
    let unknown = new_uuid().to_string();
    let ids = vec![
        a.clone(),
        b.to_uppercase(),
        a.clone(),
        foreign.clone(),
        unknown.clone(),
        "x".into(),
        "x".into(),
    ];
    let done = change(&mut anna, ids, None, Some(Change::AddTags(tags(&["vip"])))).await?;
    assert_eq!((done.matched, done.changed), (2, 2));
    let mut failed: Vec<(String, String)> =
        done.failed.into_iter().map(|failure| (failure.id, failure.reason)).collect();
    failed.sort();
    let mut expected: Vec<(String, String)> = [foreign, unknown, "x".into()]
        .into_iter()
        .map(|id| (id, "there is no such lead".to_owned()))
        .collect();
    expected.sort();
    assert_eq!(failed, expected);
    let again = change(&mut anna, vec![a, b], None, Some(Change::AddTags(tags(&["VIP"])))).await?;
    assert_eq!((again.matched, again.changed, again.failed.len()), (2, 0, 0));
    house.end().await
}

#[tokio::test]
async fn a_bulk_request_that_makes_no_sense_is_refused_whole() -> anyhow::Result<()> {
    let house = House::start().await?;
    let mut anna = house.person(WorkspaceId::new(), Role::Member).await?;
    let lead = anna.make(named("a")).await?;
    let one = || vec![lead.id.clone()];
    let many: Vec<String> = (0..1_001).map(|_| new_uuid().to_string()).collect();
    assert_eq!(bad_fields(change(&mut anna, many.clone(), None, Some(Change::Delete(true))).await), ["ids"]);
    let thousand = change(&mut anna, many[..1_000].to_vec(), None, Some(Change::Delete(true))).await?;
    assert_eq!((thousand.matched, thousand.failed.len()), (0, 1_000));
    for (sent, field) in [
        (None, "setStatus"),
        (Some(Change::SetStatus(0)), "setStatus"),
        (Some(Change::AddTags(tags(&[]))), "addTags"),
        (Some(Change::RemoveTags(tags(&[" "]))), "removeTags[0]"),
        (Some(Change::AssignTo("nobody".into())), "assignTo"),
        (Some(Change::AssignTo(UserId::new().to_string())), "assignTo"),
        (Some(Change::Delete(false)), "delete"),
    ] {
        assert_eq!(bad_fields(change(&mut anna, one(), None, sent).await), [field]);
    }
    for (sent, reason) in [(Change::Delete(true), "why".to_owned()), (Change::SetStatus(5), "r".repeat(501))]
    {
        let request = proto::ChangeLeadsRequest {
            ids: one(),
            change: Some(sent),
            reason: Some(reason),
            ..Default::default()
        };
        let request = anna.ask(request);
        assert_eq!(bad_fields(answer(anna.client.change_leads(request).await)), ["reason"]);
    }
    assert_eq!(bad_fields(change(&mut anna, vec![], None, Some(Change::Delete(true))).await), ["ids"]);
    let filter = proto::LeadFilter {
        q: "x".repeat(201),
        tz: "Nowhere".into(),
        follow_up: 3,
        trashed: true,
        ..Default::default()
    };
    let refused = change(&mut anna, vec![], Some(filter), Some(Change::Delete(true))).await;
    assert_eq!(bad_fields(refused), ["filter.q", "filter.trashed", "filter.tz"]);
    assert_eq!(anna.get(&lead.id).await?, lead);
    house.end().await
}

#[tokio::test]
async fn a_filter_changes_all_that_it_means_part_by_part() -> anyhow::Result<()> {
    let house = House::start().await?;
    let mut anna = house.person(WorkspaceId::new(), Role::Member).await?;
    let mut theirs = house.person(WorkspaceId::new(), Role::Member).await?;
    let foreign = theirs.make(named("lead")).await?;
    for nth in 0..620 {
        let fields =
            proto::LeadFields { status: 1 + i32::from(nth % 20 == 0), ..named(&format!("lead {nth}")) };
        anna.make(fields).await?;
    }
    let filter = proto::LeadFilter { statuses: vec![1], q: "lead".into(), ..Default::default() };
    let send = |person: &Person| {
        let mut request = person.ask(proto::ChangeLeadsRequest {
            filter: Some(filter.clone()),
            change: Some(Change::SetStatus(5)),
            ..Default::default()
        });
        attach(&mut request, "key", "/bulk", b"body");
        request
    };
    let done = anna.client.change_leads(send(&anna)).await?;
    let again = anna.client.change_leads(send(&anna)).await?;
    assert!(!is_replayed(&done) && is_replayed(&again));
    let done = done.into_inner();
    assert_eq!((done.matched, done.changed, done.failed.len()), (589, 589, 0));
    assert_eq!(again.into_inner(), done);
    let lost = proto::LeadFilter { statuses: vec![5], ..Default::default() };
    assert_eq!(anna.list(lost).await?.total.unwrap().value, 589);
    let nothing = change(&mut anna, vec![], Some(filter), Some(Change::SetStatus(5))).await?;
    assert_eq!((nothing.matched, nothing.changed), (0, 0));
    let everything =
        change(&mut anna, vec![], Some(proto::LeadFilter::default()), Some(Change::Delete(true))).await?;
    assert_eq!((everything.matched, everything.changed), (620, 620));
    assert_eq!(theirs.get(&foreign.id).await?, foreign);
    house.end().await
}

#[tokio::test]
async fn a_filter_that_means_too_many_is_refused_whole_and_a_total_stops_at_ten_thousand()
-> anyhow::Result<()> {
    let house = House::start().await?;
    let workspace = WorkspaceId::new();
    let mut anna = house.person(workspace, Role::Member).await?;
    let fields = Fields {
        name: Name::parse("one of many")?,
        email: None,
        phone: None,
        company: None,
        source: Source::Other,
        status: Status::New,
        tags: Tags::default(),
        owner: None,
    };
    let past = |_| Past {
        id: LeadId::new(),
        fields: fields.clone(),
        created_by: UserId::new(),
        created_at: Millis(Millis::now().0 - 60_000),
        steps: vec![],
    };
    let made = backfill(house.store.as_ref(), Scope::of_own_row(workspace), (0..20_001).map(past)).await?;
    let all = proto::LeadFilter::default;
    let total = anna.list(all()).await?.total.unwrap();
    assert_eq!((total.value, total.exact), (10_000, false));

    let lose = || Some(Change::SetStatus(5));
    assert_eq!(bad_fields(change(&mut anna, vec![], Some(all()), lose()).await), ["filter"]);
    let lost = proto::LeadFilter { statuses: vec![5], ..Default::default() };
    assert_eq!(anna.list(lost).await?.total.unwrap().value, 0);
    // One less is not too many. They are where they are to go already, which is quick.
    change(&mut anna, vec![made[0].id.to_string()], None, Some(Change::Delete(true))).await?;
    let done = change(&mut anna, vec![], Some(all()), Some(Change::SetStatus(1))).await?;
    assert_eq!((done.matched, done.changed), (20_000, 0));
    house.end().await
}
