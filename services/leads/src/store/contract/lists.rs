//! Lists: whatever the plan, they show what the meaning of their filter says.

use std::{collections::BTreeSet, time::Duration};

use rand::{Rng, RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use super::*;
use crate::{
    activity::ImportId,
    backfill::{Past, Step, StepKind, backfill},
    fields::Patch,
    filter::{
        ByImport, Entered, Filter, FollowUp, Owner, Position, Query, Range, Sort, SortBy, SortKey, Total,
        Totals,
    },
    import::OnDuplicate,
    search::words,
    store::{NextFollowUp, WalkMark},
};

const SORTS: [SortBy; 5] =
    [SortBy::CreatedAt, SortBy::UpdatedAt, SortBy::Name, SortBy::Company, SortBy::Status];

/// What a list must show.
fn expected(leads: &[Lead], filter: &Filter, sort: Sort) -> Vec<LeadId> {
    let mut found: Vec<&Lead> = leads.iter().filter(|lead| filter.matches(lead)).collect();
    found.sort_by(|a, b| {
        let order = |lead: &Lead| match sort.key(lead) {
            SortKey::Number(number) => (number, String::new()),
            SortKey::Text(text) => (0, text),
            SortKey::Missing => (0, String::new()),
        };
        let missing = |lead: &Lead| sort.key(lead) == SortKey::Missing;
        let by_key = (order(a), a.id).cmp(&(order(b), b.id));
        missing(a).cmp(&missing(b)).then(if sort.descending { by_key.reverse() } else { by_key })
    });
    found.iter().map(|lead| lead.id).collect()
}

/// All pages of a list.
async fn list(
    team: &Team,
    filter: &Filter,
    sort: Sort,
    limit: usize,
) -> anyhow::Result<(Vec<LeadId>, Total)> {
    let (mut after, mut ids) = (None, Vec::new());
    loop {
        let query = Query { filter: filter.clone(), sort, after, limit, totals: Totals::Counted };
        let page = team.store.leads(team.scope, query).await?;
        assert!(page.items.len() <= limit && (!page.more || page.items.len() == limit));
        ids.extend(page.items.iter().map(|lead| lead.id));
        after = page.items.last().map(|lead| {
            Position::of_bytes(&sort.position(lead).to_bytes(), sort.by).expect("a place of this order")
        });
        if !page.more {
            return Ok((ids, page.total));
        }
    }
}

fn newest() -> Sort {
    Sort { by: SortBy::CreatedAt, descending: true }
}

struct Crowd {
    leads: Vec<Lead>,
    imports: Vec<ImportId>,
    people: Vec<UserId>,
}

/// Leads of every kind, with ties in everything that is sorted.
async fn crowd(team: &Team, size: usize, random: &mut StdRng) -> anyhow::Result<Crowd> {
    let people: Vec<UserId> = (0..3).map(|_| UserId::new()).collect();
    let names =
        ["Zoë Müller", "zoe muller", "Émile", "Emma O'Neil", "أحمد", "Ægir Ørsted", "emil", "ANNA 42"];
    let companies = ["Acme", "acme", "Straße AG", "Ünal & Sons", "42 GmbH"];
    let tag_names = ["vip", "VIP", "cold", "expo 2026", "ß"];
    let start = ago(90 * 86_400_000);
    let mut pasts = Vec::new();
    for _ in 0..size {
        let name = format!("{} {}", names.choose(random).unwrap(), random.random_range(0..4));
        let tags: BTreeSet<&str> =
            (0..random.random_range(0..3)).filter_map(|_| tag_names.choose(random).copied()).collect();
        let fields = Fields {
            email: random.random_bool(0.7).then(|| {
                Email::parse(&format!(
                    "p{}@example.{}",
                    random.random_range(0..50),
                    ["com", "org"].choose(random).unwrap()
                ))
                .unwrap()
            }),
            phone: random
                .random_bool(0.5)
                .then(|| Phone::parse(&format!("+49 (0)30 {}", random.random_range(100..999))).unwrap())
                .flatten(),
            company: companies
                .choose(random)
                .filter(|_| random.random_bool(0.6))
                .and_then(|text| Company::parse(text).unwrap()),
            source: *Source::ALL.choose(random).unwrap(),
            status: *Status::ALL.choose(random).unwrap(),
            tags: tags_of(&tags),
            owner: people.choose(random).copied().filter(|_| random.random_bool(0.8)),
            ..named(&name)
        };
        // Few different times: many ties.
        let created_at = Millis(start.0 + i64::from(random.random_range(0..20_u8)) * 86_400_000);
        // Some came a way, back too.
        let steps = (0..random.random_range(0..3))
            .map(|day| Step {
                at: created_at.after(Duration::from_secs(day * 86_400)),
                actor: team.anna,
                what: StepKind::Move { to: *Status::ALL.choose(random).unwrap(), reason: None },
            })
            .collect();
        pasts.push(Past { id: LeadId::new(), fields, created_by: team.anna, created_at, steps });
    }
    let mut leads = backfill(team.store.as_ref(), team.scope, pasts).await?;
    let mut told = Vec::new();
    for lead in &mut leads {
        if random.random_bool(0.1) {
            *lead = team.change(lead.id, Command::Trash).await?.lead;
        } else if random.random_bool(0.1) {
            *lead = team.change(lead.id, Command::AddTags(tags(&["touched"]))).await?.lead;
        }
        if random.random_bool(0.4) {
            let at = Millis(Millis::now().0 + random.random_range(-3..3_i64) * 86_400_000);
            lead.next_follow_up_at = Some(at);
            told.push(NextFollowUp { scope: team.scope, lead: lead.id, at: Some(at), revision: 1 });
        }
    }
    team.store.set_follow_ups(told).await?;
    // Some came by files, one of which names some of the other's leads and leads that were there.
    let mut imports = Vec::new();
    for (on_duplicate, least) in [(OnDuplicate::Create, 0), (OnDuplicate::Update, 10)] {
        let lines: Vec<String> = (least..least + 20)
            .map(|nth| format!("Zoë {nth},p{nth}@example.org,{}", Status::ALL[nth % 5].name()))
            .collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        imports.push(team.take_in(&["Name", "Email", "Status"], on_duplicate, &lines).await?.id);
    }
    let mut leads = Vec::new();
    while let Some(more) = Some(team.store.walk(team.scope, leads.last().map(WalkMark::of), 500).await?)
        .filter(|more| !more.is_empty())
    {
        leads.extend(more);
    }
    Ok(Crowd { leads, imports, people })
}

fn tags_of(texts: &BTreeSet<&str>) -> Tags {
    Tags::parse(&texts.iter().copied().collect::<Vec<_>>()).unwrap()
}

fn any_filter(crowd: &Crowd, random: &mut StdRng) -> Filter {
    fn some<T: Ord + Copy>(all: &[T], random: &mut StdRng) -> BTreeSet<T> {
        (0..random.random_range(1..3)).filter_map(|_| all.choose(random).copied()).collect()
    }
    let range = |random: &mut StdRng| {
        let from = ago(random.random_range(0..100) * 86_400_000);
        Range {
            from: random.random_bool(0.7).then_some(from),
            to: random.random_bool(0.5).then(|| Millis(from.0 + random.random_range(0..50) * 86_400_000)),
        }
    };
    let mut filter = Filter { trashed: random.random_bool(0.1), ..Filter::default() };
    for _ in 0..random.random_range(0..3) {
        match random.random_range(0..13) {
            12 => {
                let id = *crowd.imports.choose(random).unwrap();
                let (created, updated) =
                    *[(true, false), (false, true), (true, true)].choose(random).unwrap();
                filter.import = Some(ByImport { id, created, updated });
            }
            11 => {
                let status = *Status::ENTERED.choose(random).unwrap();
                filter.entered = Some(Entered { status, last: range(random) });
            }
            10 => filter.reached = Status::FUNNEL.choose(random).copied(),
            0 => filter.statuses = some(&Status::ALL, random),
            1 => filter.sources = some(&Source::ALL, random),
            2 => {
                filter.tags = some(&["vip", "cold", "touched", "none"], random)
                    .into_iter()
                    .map(str::to_owned)
                    .collect();
            }
            3 => {
                filter.owner =
                    Some(if random.random_bool(0.3) { Owner::Nobody } else { Owner::User(crowd.people[0]) });
            }
            4 => {
                filter.follow_up = Some(match random.random_bool(0.3) {
                    true => FollowUp::None,
                    false => FollowUp::Within(range(random)),
                });
            }
            5 => filter.inactive_since = Some(ago(random.random_range(0..90) * 86_400_000)),
            6 => filter.created = range(random),
            7 => filter.updated = range(random),
            8 => filter.status_changed = range(random),
            _ => {
                let question = [
                    "zoe",
                    "mull",
                    "é",
                    "em o'n",
                    "030",
                    "+49(0)30 1",
                    "ag",
                    "strasse 4",
                    "@example.com",
                    "42",
                    "zz",
                    "æg",
                    "m",
                    "o'",
                    "(0",
                    "a|",
                ];
                filter.words = words(question.choose(random).unwrap());
            }
        }
    }
    filter
}

pub(super) async fn every_list_is_what_the_meaning_of_its_filter_says(team: Team) -> anyhow::Result<()> {
    let seed = rand::rng().next_u64();
    let mut random = StdRng::seed_from_u64(seed);
    let others = team.others();
    crowd(&others, 40, &mut random).await?;
    let crowd = crowd(&team, 200, &mut random).await?;
    for _ in 0..150 {
        let filter = any_filter(&crowd, &mut random);
        let sort = Sort { by: *SORTS.choose(&mut random).unwrap(), descending: random.random_bool(0.5) };
        let limit = random.random_range(1..60);
        let expected = expected(&crowd.leads, &filter, sort);
        let (found, total) = list(&team, &filter, sort, limit).await?;
        assert_eq!(found, expected, "seed {seed}: {filter:?} {sort:?} by {limit}");
        assert_eq!(total, Total { value: expected.len() as u64, exact: true }, "seed {seed}: {filter:?}");
        let mut matching = team.store.matching(team.scope, filter.clone(), 1000).await?;
        matching.sort();
        let mut all = expected;
        all.sort();
        assert_eq!(matching, all, "seed {seed}: {filter:?}");
    }
    Ok(())
}

pub(super) async fn pages_neither_repeat_nor_skip(team: Team) -> anyhow::Result<()> {
    let mut random = StdRng::seed_from_u64(7);
    let crowd = crowd(&team, 60, &mut random).await?;
    for by in SORTS {
        for descending in [false, true] {
            let (filter, sort) = (Filter::default(), Sort { by, descending });
            let expected = expected(&crowd.leads, &filter, sort);
            for limit in [1, 7, 60, 200] {
                assert_eq!(
                    list(&team, &filter, sort, limit).await?.0,
                    expected,
                    "{by:?} {descending} by {limit}"
                );
            }
        }
    }
    Ok(())
}

pub(super) async fn words_are_found_however_they_are_typed(team: Team) -> anyhow::Result<()> {
    let lead = team.make(full(team.anna)).await?;
    let decoy =
        team.make(Fields { company: Company::parse("zoo ne il").unwrap(), ..named("zo e 2079") }).await?;
    team.others().make(full(team.anna)).await?;
    let find = |question: &str| {
        let (team, filter) = (team.clone(), Filter { words: words(question), ..Filter::default() });
        async move { list(&team, &filter, newest(), 10).await.unwrap().0 }
    };
    for found in [
        "zoe",
        "ZOË",
        "o'n",
        "zoe strasse",
        "SÖHNE",
        "sohne",
        "🦊",
        "<b>",
        "example.com",
        "@ex",
        "7946",
        "+44(20)79",
        "44207946",
        "&",
        "e",
    ] {
        assert!(find(found).await.contains(&lead.id), "{found}");
    }
    for missing in
        ["zoe acme", "\"zoe\"", "zo*", "zoe OR x", "z_e", ".*", "%", "9999", "zoe\u{0}", "4420794609580"]
    {
        assert!(!find(missing).await.contains(&lead.id), "{missing}");
    }
    assert_eq!(find("2079").await.len(), 2);
    assert_eq!(find("20 79").await, [decoy.id, lead.id]);
    assert_eq!(find("nothing like it").await, []);
    Ok(())
}

/// More than few: the plan changes, the answer does not.
pub(super) async fn a_long_list_is_found_by_a_walk_as_by_its_index(team: Team) -> anyhow::Result<()> {
    let start = ago(50 * 86_400_000);
    let past = |nth: i64| Past {
        id: LeadId::new(),
        fields: Fields {
            name: Name::parse(&format!("Person {nth:05} {}", if nth % 1000 == 7 { "rare" } else { "usual" }))
                .unwrap(),
            status: if nth % 2 == 0 { Status::New } else { Status::Lost },
            tags: tags(if nth % 3 == 0 { &["third"] } else { &["all"] }),
            ..named("x")
        },
        created_by: team.anna,
        created_at: Millis(start.0 + nth * 1000),
        steps: vec![],
    };
    let leads = backfill(team.store.as_ref(), team.scope, (0..6_500).map(past)).await?;
    let filters = [
        Filter { words: words("person"), ..Filter::default() },
        Filter { words: words("usual"), statuses: [Status::Lost].into(), ..Filter::default() },
        Filter { words: words("rare"), ..Filter::default() },
        Filter { words: words("e"), ..Filter::default() },
        Filter { words: words("00"), ..Filter::default() },
        Filter { statuses: [Status::New].into(), ..Filter::default() },
        Filter { reached: Some(Status::New), ..Filter::default() },
        Filter { reached: Some(Status::New), words: words("rare"), ..Filter::default() },
        Filter { statuses: [Status::New, Status::Lost].into(), ..Filter::default() },
        Filter { tags: ["third".to_owned()].into(), ..Filter::default() },
        Filter { tags: ["third".to_owned(), "all".to_owned()].into(), ..Filter::default() },
        Filter { owner: Some(Owner::Nobody), ..Filter::default() },
        Filter { follow_up: Some(FollowUp::None), sources: [Source::Other].into(), ..Filter::default() },
    ];
    for filter in filters {
        for by in [SortBy::CreatedAt, SortBy::Name, SortBy::Status] {
            let sort = Sort { by, descending: true };
            let expected = expected(&leads, &filter, sort);
            let query =
                Query { filter: filter.clone(), sort, after: None, limit: 40, totals: Totals::Counted };
            let first = team.store.leads(team.scope, query).await?;
            let ids: Vec<LeadId> = first.items.iter().map(|lead| lead.id).collect();
            assert_eq!(ids, expected[..expected.len().min(40)], "{filter:?} {by:?}");
            assert_eq!(first.total, Total { value: expected.len() as u64, exact: true }, "{filter:?}");
            let query = Query { filter: filter.clone(), sort, after: None, limit: 40, totals: Totals::Left };
            let uncounted = team.store.leads(team.scope, query).await?;
            assert_eq!((&uncounted.items, uncounted.more), (&first.items, first.more), "{filter:?} {by:?}");
            assert_eq!(uncounted.total, Total { value: first.items.len() as u64, exact: false });
            if first.more {
                let after = first.items.last().map(|lead| sort.position(lead));
                let query = Query { filter: filter.clone(), sort, after, limit: 40, totals: Totals::Counted };
                let uncounted = Query { totals: Totals::Left, ..query.clone() };
                let second = team.store.leads(team.scope, query).await?;
                let ids: Vec<LeadId> = second.items.iter().map(|lead| lead.id).collect();
                assert_eq!(ids, expected[40..80], "{filter:?} {by:?}");
                let uncounted = team.store.leads(team.scope, uncounted).await?;
                assert_eq!(
                    (uncounted.items, uncounted.more),
                    (second.items, second.more),
                    "{filter:?} {by:?}"
                );
            }
        }
    }
    Ok(())
}

pub(super) async fn edited_and_erased_leads_are_found_by_what_they_are_now(team: Team) -> anyhow::Result<()> {
    let lead = team.make(full(team.anna)).await?;
    let find = |filter: Filter| {
        let team = team.clone();
        async move { list(&team, &filter, newest(), 10).await.unwrap().0.len() }
    };
    let word = |question: &str| Filter { words: words(question), ..Filter::default() };
    let tag = |key: &str| Filter { tags: [key.to_owned()].into(), ..Filter::default() };
    let patch = Patch {
        name: Some(Name::parse("Bertha").unwrap()),
        phone: Some(None),
        tags: Some(tags(&["kept"])),
        ..Patch::default()
    };
    team.change(lead.id, Command::Edit(patch)).await?;
    assert_eq!((find(word("bertha")).await, find(word("o'neil")).await, find(word("7946")).await), (1, 0, 0));
    assert_eq!((find(tag("kept")).await, find(tag("vip")).await), (1, 0));
    team.change(lead.id, Command::Trash).await?;
    assert_eq!((find(word("bertha")).await, find(tag("kept")).await), (0, 0));
    assert_eq!(find(Filter { trashed: true, ..word("bertha") }).await, 1);
    assert_eq!(find(Filter { trashed: true, ..tag("kept") }).await, 1);
    team.change(lead.id, Command::Restore).await?;
    assert_eq!((find(word("bertha")).await, find(tag("kept")).await), (1, 1));
    team.change(lead.id, Command::Erase).await?;
    let next = team.make(named("next in the same place")).await?;
    assert_eq!((find(word("bertha")).await, find(tag("kept")).await), (0, 0));
    assert_eq!(list(&team, &Filter::default(), newest(), 10).await?.0, [next.id]);
    Ok(())
}

/// A lead counts as having reached a stage for ever, and only through stages on the way.
pub(super) async fn what_a_lead_has_reached_stays_reached(team: Team) -> anyhow::Result<()> {
    let lead = team.make(named("came far")).await?;
    team.make(Fields { status: Status::Lost, ..named("never began") }).await?;
    team.others().make(Fields { status: Status::Converted, ..named("theirs") }).await?;
    let found = || async {
        let mut found = Vec::new();
        for least in Status::FUNNEL {
            let filter = Filter { reached: Some(least), ..Filter::default() };
            found.push(list(&team, &filter, newest(), 10).await?.0.len());
        }
        anyhow::Ok(found)
    };
    assert_eq!(found().await?, [1, 0, 0, 0]);
    let to = |to| Command::Move { to, reason: None };
    team.change(lead.id, to(Status::Qualified)).await?;
    assert_eq!(found().await?, [1, 1, 1, 0]);
    team.change(lead.id, to(Status::Lost)).await?;
    team.change(lead.id, to(Status::New)).await?;
    assert_eq!(found().await?, [1, 1, 1, 0]);
    team.change(lead.id, to(Status::Converted)).await?;
    team.change(lead.id, to(Status::Contacted)).await?;
    assert_eq!(found().await?, [1, 1, 1, 1]);
    team.change(lead.id, Command::Trash).await?;
    assert_eq!(found().await?, [0, 0, 0, 0]);
    Ok(())
}

/// Whatever came after: what a report counts. Times may lie before 1970, as files have them.
pub(super) async fn a_lead_is_found_by_when_it_entered_a_stage_last(team: Team) -> anyhow::Result<()> {
    let moved = |name: &str, moves: &[(i64, Status)]| Past {
        id: LeadId::new(),
        fields: named(name),
        created_by: team.anna,
        created_at: Millis(-10_000),
        steps: moves
            .iter()
            .map(|(at, to)| Step {
                at: Millis(*at),
                actor: team.anna,
                what: StepKind::Move { to: *to, reason: None },
            })
            .collect(),
    };
    let (contacted, qualified, lost) = (Status::Contacted, Status::Qualified, Status::Lost);
    let pasts = vec![
        moved("once", &[(-500, contacted)]),
        moved("on", &[(100, contacted), (200, qualified), (300, lost)]),
        moved("twice", &[(-400, contacted), (50, Status::New), (700, contacted)]),
    ];
    backfill(team.store.as_ref(), team.scope, pasts).await?;
    backfill(team.store.as_ref(), team.others().scope, vec![moved("theirs", &[(100, contacted)])]).await?;
    for (status, from, to, names) in [
        (contacted, None, None, vec!["once", "on", "twice"]),
        (contacted, Some(-500), Some(0), vec!["once"]),
        (contacted, Some(-499), None, vec!["on", "twice"]),
        (contacted, None, Some(101), vec!["once", "on"]),
        (contacted, Some(700), Some(700), vec![]),
        (qualified, Some(0), None, vec!["on"]),
        (qualified, None, Some(200), vec![]),
        (lost, Some(300), Some(301), vec!["on"]),
        (Status::Converted, None, None, vec![]),
    ] {
        let last = Range { from: from.map(Millis), to: to.map(Millis) };
        let filter = Filter { entered: Some(Entered { status, last }), ..Filter::default() };
        let query =
            Query { filter: filter.clone(), sort: newest(), after: None, limit: 9, totals: Totals::Counted };
        let page = team.store.leads(team.scope, query).await?;
        let mut found: Vec<&str> = page.items.iter().map(|lead| lead.fields.name.as_str()).collect();
        found.sort_unstable();
        let mut expected = names;
        expected.sort_unstable();
        assert_eq!(found, expected, "{status:?} {from:?} {to:?}");
        assert_eq!(team.store.matching(team.scope, filter, 9).await?.len(), expected.len());
    }
    Ok(())
}

pub(super) async fn a_walk_over_a_workspace_sees_every_lead_once(team: Team) -> anyhow::Result<()> {
    let mut random = StdRng::seed_from_u64(11);
    let mut leads = crowd(&team, 70, &mut random).await?.leads;
    let others = team.others();
    let theirs = others.make(named("theirs")).await?;
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let part = team.store.walk(team.scope, after, 16).await?;
        let Some(last) = part.last() else { break };
        after = Some(WalkMark::of(last));
        seen.extend(part);
    }
    seen.sort_by_key(|lead| lead.id);
    leads.sort_by_key(|lead| lead.id);
    assert_eq!(seen, leads);
    let mut workspaces = Vec::new();
    while let Some(next) = team.store.next_workspace(workspaces.last().copied()).await? {
        workspaces.push(next);
    }
    assert_eq!(workspaces, [team.scope.workspace(), others.scope.workspace()]);
    assert_eq!(others.store.walk(others.scope, None, 16).await?, [theirs]);
    Ok(())
}
