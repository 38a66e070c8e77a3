//! What reads cost does not grow with the leads: the server tells how many keys and documents it has looked at.

use futures::TryStreamExt;
use leadline_runtime::{
    caller::{Origin, Scope},
    ids::{UserId, WorkspaceId},
    time::Millis,
};
use leadline_storage::{
    Mongo,
    bson::{Bson, Document, doc},
};

use super::{document, list, log, schema};
use crate::{
    activity::Kind,
    event,
    fields::{Company, Email, Fields, Name, Phone, Tags},
    filter::{COUNTED, Entered, Filter, FollowUp, Owner, Query, Range, Sort, SortBy, Totals},
    lead::{By, Lead, LeadId, NewLead},
    search::words,
    stage::{Source, Status},
    store::{LogQuery, plan::FEW},
};

/// More than twice of what is counted.
const LEADS: usize = 24_000;
/// A page, and the row that tells whether there are more.
const PAGE: u64 = 51;
/// What the server looks at to count up to the bound of totals.
const TOTAL: u64 = COUNTED + 2;

struct Cost {
    commands: usize,
    keys: u64,
    documents: u64,
}

struct Costs {
    db: Mongo,
    scope: Scope,
}

impl Costs {
    /// A workspace with many leads, put there without the rest of the service.
    async fn of_many() -> anyhow::Result<Self> {
        let uri = leadline_testbed::mongo().await?.fresh_uri();
        let db = Mongo::open(&uri, &Mongo::database_name(&uri, "leads")?, "leadline-leads-test").await?;
        db.migrate(schema::MIGRATIONS).await?;
        let scope = Scope::of_own_row(WorkspaceId::new());
        let (leads, activity) = (db.collection::<Document>("leads"), db.collection::<Document>("activity"));
        let actor = UserId::new();
        for thousand in 0..LEADS / 1_000 {
            let (mut rows, mut entries) = (Vec::new(), Vec::new());
            for number in thousand * 1_000..(thousand + 1) * 1_000 {
                let at = Millis(1_700_000_000_000 + number as i64 * 1_000);
                let by = By { actor: Some(actor), at, origin: Origin::default(), backdated: true };
                let change = Lead::create(lead(number, actor), &by);
                rows.push(document::of_lead(scope, &change.lead, 0));
                for event in change.events(scope.workspace(), &by) {
                    entries.push(document::of_event(&event, event::encode));
                }
            }
            leads.insert_many(rows).ordered(false).await?;
            activity.insert_many(entries).ordered(false).await?;
        }
        Ok(Self { db, scope })
    }

    async fn profile(&self, level: i32) -> anyhow::Result<()> {
        self.db.database().run_command(doc! { "profile": level }).await?;
        Ok(())
    }

    /// What the server did meanwhile.
    async fn of<T>(&self, read: impl Future<Output = T>) -> anyhow::Result<(T, Cost)> {
        let profile = self.db.collection::<Document>("system.profile");
        self.profile(0).await?;
        profile.drop().await?;
        self.profile(2).await?;
        let read = read.await;
        self.profile(0).await?;
        let seen: Vec<Document> =
            profile.find(doc! { "command.profile": Bson::Null }).await?.try_collect().await?;
        let sum = |name: &str| {
            seen.iter().map(|one| u64::try_from(one.get_i32(name).unwrap_or(0)).unwrap_or(0)).sum()
        };
        Ok((read, Cost { commands: seen.len(), keys: sum("keysExamined"), documents: sum("docsExamined") }))
    }
}

fn lead(number: usize, actor: UserId) -> NewLead {
    // Common parts, and a number that is rare.
    let name = format!("{} Miller{number:05}", ["Anna", "Annabel", "Susanna", "Hannah"][number % 4]);
    NewLead {
        id: LeadId::new(),
        created_by: actor,
        note: None,
        fields: Fields {
            name: Name::parse(&name).unwrap(),
            email: Some(Email::parse(&format!("m{number}@example.test")).unwrap()),
            phone: Phone::parse(&format!("+44 20 {number:08}")).unwrap(),
            company: Company::parse(&format!("Miller {}", number % 700)).unwrap(),
            source: Source::ALL[number % 4],
            status: Status::ALL[number % 5],
            tags: Tags::parse(&["expo"]).unwrap(),
            owner: number.is_multiple_of(3).then_some(actor),
        },
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_looks_at_more_however_many_leads_there_are() -> anyhow::Result<()> {
    let costs = Costs::of_many().await?;
    let newest = Sort { by: SortBy::CreatedAt, descending: true };
    let by_name = Sort { by: SortBy::Name, descending: false };
    let of = |text: &str| Filter { words: words(text), ..Filter::default() };
    let all = Filter::default;
    let range = Range { from: Some(Millis(1_700_000_000_000)), to: Some(Millis(1_790_000_000_000)) };
    let probed = 2 * FEW + 10;
    // What is asked, and the most keys and documents that may be looked at.
    for (name, filter, sort, keys, documents) in [
        ("all", all(), newest, TOTAL + PAGE, PAGE),
        ("all by name", all(), by_name, TOTAL + PAGE, PAGE),
        ("one stage", Filter { statuses: [Status::New].into(), ..all() }, newest, TOTAL + PAGE, PAGE),
        ("a source", Filter { sources: [Source::Ad].into(), ..all() }, newest, TOTAL + PAGE, PAGE),
        ("a tag", Filter { tags: ["expo".to_owned()].into(), ..all() }, newest, TOTAL + PAGE, PAGE),
        ("nobody's", Filter { owner: Some(Owner::Nobody), ..all() }, newest, TOTAL + PAGE, TOTAL + PAGE),
        (
            "no follow-up",
            Filter { follow_up: Some(FollowUp::None), ..all() },
            newest,
            TOTAL + PAGE,
            TOTAL + PAGE,
        ),
        ("a time", Filter { created: range, ..all() }, by_name, TOTAL + probed + 2_500, 2_500),
        // Of an array no key alone tells enough.
        (
            "a stage entered",
            Filter { entered: Some(Entered { status: Status::Contacted, last: range }), ..all() },
            by_name,
            TOTAL + probed + 2_500,
            TOTAL + probed + 2_500,
        ),
        ("a common piece", of("ann"), newest, TOTAL + probed + 2_500, 2_500),
        ("a common piece by name", of("ann"), by_name, TOTAL + probed + 2_500, 2_500),
        ("a beginning", of("an"), newest, TOTAL + probed + 2_500, 2_500),
        ("a letter by name", of("a"), by_name, TOTAL + probed + 2_500, 2_500),
        ("a rare name", of("anna miller12345"), newest, 8 * FEW, FEW),
        ("a phone", of("2000012345"), newest, 8 * FEW, FEW),
        ("nothing", of("qqq"), newest, 10, 0),
    ] {
        let query = Query { filter, sort, after: None, limit: 50, totals: Totals::Counted };
        let (page, cost) = costs.of(list::page(&costs.db, costs.scope, &query)).await?;
        page?;
        let told =
            format!("{name}: {} keys, {} documents, {} commands", cost.keys, cost.documents, cost.commands);
        assert!(cost.keys <= keys && cost.documents <= documents, "{told}");
        assert!((1..=12).contains(&cost.commands), "{told}");
        // Were the profile empty, all of this would hold.
        assert!(name != "all" || cost.keys > COUNTED, "{told}");
    }
    // A file has a page after the other, and counts none of them.
    let one_stage = Filter { statuses: [Status::New].into(), ..all() };
    for (name, filter, sort, keys) in [
        ("all", all(), newest, PAGE),
        ("all by name", all(), by_name, PAGE),
        ("one stage", one_stage.clone(), newest, PAGE),
        ("one stage by name", one_stage, by_name, COUNTED + 2_500),
    ] {
        let query = Query { filter, sort, after: None, limit: 50, totals: Totals::Left };
        let (page, cost) = costs.of(list::page(&costs.db, costs.scope, &query)).await?;
        assert_eq!(page?.items.len(), 50, "{name}");
        let told = format!("{name}, uncounted: {} keys, {} documents", cost.keys, cost.documents);
        assert!((PAGE - 1..=keys).contains(&cost.keys) && cost.documents <= 2_500, "{told}");
    }
    let (found, cost) = costs
        .of(list::page(
            &costs.db,
            costs.scope,
            &Query {
                filter: of("miller12345"),
                sort: newest,
                after: None,
                limit: 50,
                totals: Totals::Counted,
            },
        ))
        .await?;
    assert_eq!((found?.items.len(), cost.documents <= 300), (1, true), "{} documents", cost.documents);
    for kinds in [vec![], vec![Kind::Created]] {
        let query = LogQuery { lead: None, gone: false, kinds, before: None, limit: 20 };
        let (page, cost) = costs.of(log::page(&costs.db, costs.scope, &query)).await?;
        assert_eq!(page?.items.len(), 20);
        assert!(
            cost.keys <= TOTAL + 21 && cost.documents <= 21,
            "{} keys, {} documents",
            cost.keys,
            cost.documents
        );
    }
    costs.db.close().await;
    Ok(())
}
