//! Finding leads: every filter, every order and every search, against a reference that is computed here.

use std::{cmp::Ordering, collections::BTreeSet, time::Duration};

use anyhow::{Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use leadline_testbed::wait_until;
use leadline_tests::{Client, System, in_every_mode, query, text};
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};

in_every_mode!(
    every_filter_and_combination_finds_what_it_means,
    every_order_is_kept_both_ways,
    a_search_finds_words_without_regard_to_case_and_accents,
    a_search_finds_any_part_of_a_word,
    a_phone_is_found_by_its_digits_however_it_is_typed,
    everything_in_a_search_is_literal_and_fast,
    days_are_those_of_the_zone,
    a_follow_up_is_none_overdue_today_or_later,
    long_inactivity_is_found,
    a_changed_lead_is_found_by_what_it_is_now,
);

const STAGES: [&str; 5] = ["New", "Contacted", "Qualified", "Converted", "Lost"];
const SOURCES: [&str; 4] = ["Website", "Referral", "Ad", "Other"];
const TAGS: [&str; 5] = ["vip", "Zürich", "cold", "50% off", "a b"];

/// A workspace with leads that differ in everything, as lists show them.
async fn seeded(system: &System, count: usize, seed: u64) -> Result<(Client, Client, Vec<Value>)> {
    let una = system.register("Una").await?;
    let mel = una.invite("Mel", "member").await?;
    let mut random = StdRng::seed_from_u64(seed);
    let bodies: Vec<Value> = (0..count).map(|_| random_lead(&mut random, &una, &mel)).collect();
    let made = stream::iter(&bodies)
        .map(|body| una.lead_of(body))
        .buffer_unordered(8)
        .try_collect::<Vec<_>>()
        .await?;
    for lead in &made {
        if random.random_bool(0.7) {
            continue;
        }
        let path = format!("/leads/{}", text(lead, "id"));
        match random.random_range(0..3) {
            0 => una.patch(&path, &json!({ "status": STAGES.choose(&mut random) })).await?.expect(200)?,
            1 => una.patch(&path, &json!({ "company": "Moved Ltd" })).await?.expect(200)?,
            _ => una.delete(&path).await?.expect(204)?,
        };
    }
    let mut rows = una.all("/leads").await?;
    for mut row in una.all("/leads?trashed=true").await? {
        row["trashed"] = true.into();
        rows.push(row);
    }
    ensure!(rows.len() == count, "{} of {count}", rows.len());
    Ok((una, mel, rows))
}

fn random_lead(random: &mut StdRng, una: &Client, mel: &Client) -> Value {
    const FIRST: [&str; 8] = ["Ada", "Zoë", "José", "Øyvind", "anna", "ANNA", "Łukasz", "王"];
    const LAST: [&str; 7] = ["Müller", "O'Brien", "de la Cruz", "Strauß", "Smith-Jones", "Ångström", "100%"];
    const COMPANIES: [&str; 6] = ["Acme", "acme north", "Étoile SA", "50% off Ltd", "a_b\\c", "Zürich Re"];
    let name = format!("{} {}", pick(random, &FIRST), pick(random, &LAST));
    let mut body = json!({ "name": name, "source": pick(random, &SOURCES), "status": pick(random, &STAGES) });
    if random.random_bool(0.7) {
        body["company"] = pick(random, &COMPANIES).into();
    }
    if random.random_bool(0.6) {
        body["email"] =
            format!("lead{}@{}.example.test", random.random_range(0..40), pick(random, &["north", "SOUTH"]))
                .into();
    }
    if random.random_bool(0.6) {
        let number: u32 = random.random_range(100_000..999_999);
        let (area, rest) = (number / 1000, number % 1000);
        let phones =
            [format!("+49 (0){area} / {rest:03}"), format!("0{area}-{rest:03}"), format!("{area}.{rest:03}")];
        body["phone"] = phones[random.random_range(0..3)].clone().into();
    }
    let tags: Vec<&str> = TAGS.into_iter().filter(|_| random.random_bool(0.3)).collect();
    body["tags"] = json!(tags);
    body["ownerId"] = match random.random_range(0..3) {
        0 => Value::Null,
        1 => una.user.as_str().into(),
        _ => mel.user.as_str().into(),
    };
    body
}

fn pick<'a>(random: &mut impl Rng, of: &[&'a str]) -> &'a str {
    of.choose(random).copied().unwrap_or_default()
}

/// Text as it is compared: what the reference knows of case and accents, for the letters that occur here.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for c in text.to_lowercase().chars() {
        match c {
            'ë' | 'é' | 'è' => plain.push('e'),
            'ü' => plain.push('u'),
            'ø' => plain.push('o'),
            'å' => plain.push('a'),
            'ö' => plain.push('o'),
            'ł' => plain.push('l'),
            'ß' => plain.push_str("ss"),
            c => plain.push(c),
        }
    }
    plain
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

fn is_found(lead: &Value, question: &str) -> bool {
    let texts: Vec<String> =
        ["name", "email", "company"].iter().map(|name| plain(text(lead, name))).collect();
    plain(question).split_whitespace().all(|word| {
        let phone_like =
            word.chars().all(|c| c.is_ascii_digit() || "+()-.".contains(c)) && !digits(word).is_empty();
        texts.iter().any(|text| text.contains(word))
            || (phone_like && digits(text(lead, "phone")).contains(&digits(word)))
    })
}

/// A condition: as it is asked for, and what it means.
type Condition = (String, String, Box<dyn Fn(&Value) -> bool>);

fn condition(random: &mut StdRng, kind: usize, una: &Client, mel: &Client, rows: &[Value]) -> Condition {
    let some = |random: &mut StdRng, of: &[&str]| -> BTreeSet<String> {
        (0..random.random_range(1..=2)).map(|_| pick(random, of).to_owned()).collect()
    };
    let joined = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(",");
    let time =
        |random: &mut StdRng, name: &str| text(&rows[random.random_range(0..rows.len())], name).to_owned();
    match kind {
        0 => {
            let stages = some(random, &STAGES);
            ("status".into(), joined(&stages), Box::new(move |lead| stages.contains(text(lead, "status"))))
        }
        1 => {
            let sources = some(random, &SOURCES);
            ("source".into(), joined(&sources), Box::new(move |lead| sources.contains(text(lead, "source"))))
        }
        2 => {
            let tags = some(random, &TAGS);
            let asked = joined(&tags).to_uppercase();
            let wanted: BTreeSet<String> = tags.iter().map(|tag| tag.to_lowercase()).collect();
            let has = move |lead: &Value| {
                let tags = lead["tags"].as_array().cloned().unwrap_or_default();
                tags.iter().any(|tag| wanted.contains(&tag.as_str().unwrap_or_default().to_lowercase()))
            };
            ("tag".into(), asked, Box::new(has))
        }
        3 => {
            let (asked, id) = match random.random_range(0..3) {
                0 => ("me".to_owned(), Value::from(una.user.as_str())),
                1 => (mel.user.clone(), Value::from(mel.user.as_str())),
                _ => ("none".to_owned(), Value::Null),
            };
            ("owner".into(), asked, Box::new(move |lead| lead["owner"]["id"] == id))
        }
        4 => {
            const WORDS: [&str; 16] = [
                "ada",
                "ZOE",
                "muller",
                "a",
                "an",
                "o'b",
                "%",
                "50% OFF",
                "strauss",
                "north",
                "_b",
                "jose cruz",
                "王",
                "49",
                "(0)",
                "e s",
            ];
            let asked = pick(random, &WORDS).to_owned();
            ("q".into(), asked.clone(), Box::new(move |lead| is_found(lead, &asked)))
        }
        5 | 6 => {
            let (from, name) = (kind == 5, ["created", "updated"][random.random_range(0..2)]);
            let member = format!("{name}At");
            let at = time(random, &member);
            let asked = format!("{name}{}", if from { "From" } else { "To" });
            let bound = at.clone();
            // All times are written alike: they compare as text.
            let within = move |lead: &Value| {
                if from {
                    text(lead, &member) >= bound.as_str()
                } else {
                    text(lead, &member) < bound.as_str()
                }
            };
            (asked, at, Box::new(within))
        }
        _ => ("trashed".into(), "true".into(), Box::new(|lead| lead["trashed"] == true)),
    }
}

async fn every_filter_and_combination_finds_what_it_means(system: &'static System) -> Result<()> {
    let (una, mel, rows) = seeded(system, 150, 1).await?;
    let mut random = StdRng::seed_from_u64(2);
    for round in 0..80 {
        let mut conditions: Vec<Condition> = Vec::new();
        // First each kind alone, then several at once.
        let kinds: BTreeSet<usize> = match round {
            ..16 => BTreeSet::from([round % 8]),
            _ => (0..random.random_range(2..5)).map(|_| random.random_range(0..8)).collect(),
        };
        for kind in kinds {
            let next = condition(&mut random, kind, &una, &mel, &rows);
            if conditions.iter().all(|(name, _, _)| *name != next.0) {
                conditions.push(next);
            }
        }
        let trashed = conditions.iter().any(|(name, _, _)| name == "trashed");
        let right: BTreeSet<&str> = rows
            .iter()
            .filter(|lead| {
                (lead["trashed"] == true) == trashed && conditions.iter().all(|(_, _, holds)| holds(lead))
            })
            .map(|lead| text(lead, "id"))
            .collect();
        // An encoded comma would be part of a tag.
        let parts = |name: &str, value: &str| -> Vec<String> {
            match name {
                "tag" => value.split(',').map(str::to_owned).collect(),
                _ => vec![value.to_owned()],
            }
        };
        let pairs: Vec<(&str, String)> = conditions
            .iter()
            .flat_map(|(name, value, _)| parts(name, value).into_iter().map(|part| (name.as_str(), part)))
            .collect();
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, part)| (*name, part.as_str())).collect();
        let mut asked = pairs.clone();
        asked.push(("limit", "200"));
        let page = una.get(&format!("/leads{}", query(&asked))).await?.expect(200)?;
        let found: BTreeSet<&str> = page.ids().into_iter().collect();
        ensure!(found == right, "{pairs:?}: {} found, {} right", found.len(), right.len());
        ensure!(
            page.body["total"] == json!({ "value": right.len(), "relation": "eq" }),
            "{pairs:?}: {}",
            page.body["total"]
        );
    }
    Ok(())
}

/// What a lead is sorted by.
fn compare(field: &str, one: &Value, other: &Value) -> Ordering {
    match field {
        "status" => {
            let rank = |lead: &Value| STAGES.iter().position(|stage| lead["status"] == *stage);
            rank(one).cmp(&rank(other))
        }
        "name" | "company" => plain(text(one, field)).cmp(&plain(text(other, field))),
        _ => text(one, field).cmp(text(other, field)),
    }
}

async fn every_order_is_kept_both_ways(system: &'static System) -> Result<()> {
    let (una, _, rows) = seeded(system, 150, 3).await?;
    let live: Vec<&Value> = rows.iter().filter(|lead| lead["trashed"] != true).collect();
    for field in ["createdAt", "updatedAt", "name", "company", "status"] {
        for descending in [false, true] {
            let mut right = live.clone();
            right.sort_by(|one, other| {
                // Those without a company come last both ways; ties go by id in the same direction.
                let missing = if field == "company" {
                    one["company"].is_null().cmp(&other["company"].is_null())
                } else {
                    Ordering::Equal
                };
                let order = compare(field, one, other).then_with(|| text(one, "id").cmp(text(other, "id")));
                missing.then(if descending { order.reverse() } else { order })
            });
            let sort = if descending { format!("-{field}") } else { field.to_owned() };
            let found = una.all(&format!("/leads?sort={sort}")).await?;
            let ids: Vec<&str> = found.iter().map(|lead| text(lead, "id")).collect();
            let right: Vec<&str> = right.iter().map(|lead| text(lead, "id")).collect();
            ensure!(ids == right, "by {sort}:\n{ids:?}\n{right:?}");
        }
    }
    let usual = una.get("/leads").await?.expect(200)?;
    let explicit = una.get("/leads?sort=-createdAt&limit=50").await?.expect(200)?;
    ensure!(usual.ids() == explicit.ids() && usual.items().len() == 50);
    Ok(())
}

async fn names(client: &Client, question: &str) -> Result<Vec<String>> {
    let page = client
        .get(&format!("/leads{}", query(&[("q", question), ("sort", "createdAt")])))
        .await?
        .expect(200)?;
    Ok(page.items().iter().map(|lead| text(lead, "name").to_owned()).collect())
}

async fn a_search_finds_words_without_regard_to_case_and_accents(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    una.lead_of(
        &json!({ "name": "Zoë Müller", "company": "Straße & Söhne", "email": "Z.Mueller@Example.TEST" }),
    )
    .await?;
    una.lead_of(&json!({ "name": "Øyvind Ångström", "company": "İstanbul Ltd" })).await?;
    una.lead_of(&json!({ "name": "Σίσυφος Nguyễn" })).await?;
    for (question, found) in [
        ("zoe", "Zoë Müller"),
        ("ZOË", "Zoë Müller"),
        ("Zoe\u{308}", "Zoë Müller"),
        ("muller ZOE", "Zoë Müller"),
        ("strasse", "Zoë Müller"),
        ("STRASSE sohne", "Zoë Müller"),
        ("z.mueller@example", "Zoë Müller"),
        ("oyvind", "Øyvind Ångström"),
        ("ANGSTROM", "Øyvind Ångström"),
        ("istanbul", "Øyvind Ångström"),
        ("ISTANBUL", "Øyvind Ångström"),
        ("ΣΊΣΥΦΟΣ", "Σίσυφος Nguyễn"),
        ("nguyen", "Σίσυφος Nguyễn"),
        ("zoe  \u{a0} müller", "Zoë Müller"),
        ("zoe zoe", "Zoë Müller"),
    ] {
        let names = names(&una, question).await?;
        ensure!(names == [found], "{question}: {names:?}");
    }
    // Each word must be found; none spans two fields.
    for question in ["zoe oyvind", "müllerstraße", "zoex", "müller straße söhne øyvind"] {
        let names = names(&una, question).await?;
        ensure!(names.is_empty(), "{question}: {names:?}");
    }
    ensure!(names(&una, "").await?.len() == 3 && names(&una, "   ").await?.len() == 3);
    Ok(())
}

async fn a_search_finds_any_part_of_a_word(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    una.lead_of(&json!({ "name": "Bartholomew", "company": "Qx", "email": "bart@wxyz.example" })).await?;
    una.lead_of(&json!({ "name": "王小明" })).await?;
    una.lead("Q").await?;
    let whole = "bartholomew";
    for start in 0..whole.len() {
        for end in start + 1..=whole.len() {
            let names = names(&una, &whole[start..end]).await?;
            ensure!(names.contains(&"Bartholomew".to_owned()), "{}: {names:?}", &whole[start..end]);
        }
    }
    for (question, found) in [
        ("q", vec!["Bartholomew", "Q"]),
        ("qx", vec!["Bartholomew"]),
        ("x", vec!["Bartholomew"]),
        ("wxyz", vec!["Bartholomew"]),
        ("王", vec!["王小明"]),
        ("小明", vec!["王小明"]),
        ("王小明", vec!["王小明"]),
        ("t@w", vec!["Bartholomew"]),
        ("明王", vec![]),
        ("xq", vec![]),
    ] {
        let names = names(&una, question).await?;
        ensure!(names == found, "{question}: {names:?}");
    }
    Ok(())
}

async fn a_phone_is_found_by_its_digits_however_it_is_typed(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    una.lead_of(&json!({ "name": "German", "phone": "+49 (0)30 / 123-456" })).await?;
    una.lead_of(&json!({ "name": "British", "phone": "+44 20 7946 0958" })).await?;
    una.lead_of(&json!({ "name": "Room 123" })).await?;
    for (question, found) in [
        ("30123456", vec!["German"]),
        ("+49(0)30", vec!["German"]),
        ("123-456", vec!["German"]),
        ("(0)30", vec!["German"]),
        ("123", vec!["German", "Room 123"]),
        ("+442079460958", vec!["British"]),
        ("7946 0958", vec!["British"]),
        ("0958", vec!["British"]),
        ("9.4.6", vec!["British"]),
        ("4", vec!["German", "British"]),
        ("999", vec![]),
        ("30a123", vec![]),
        ("british 20", vec!["British"]),
        ("german 20", vec![]),
        ("+", vec![]),
        ("()", vec![]),
    ] {
        let names = names(&una, question).await?;
        ensure!(names == found, "{question}: {names:?}");
    }
    Ok(())
}

async fn everything_in_a_search_is_literal_and_fast(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    una.lead_of(&json!({ "name": "100% \"sure\" (a.b)*[c]", "company": "under_score\\ Ltd" })).await?;
    una.lead("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!").await?;
    for found in ["100%", "\"sure\"", "(a.b)*[c]", "%", "r_s", "\\", "[c]", "sure\" (a"] {
        ensure!(names(&una, found).await?.len() == 1, "{found}");
    }
    let nested = "(".repeat(60) + &"a+".repeat(20) + &")+".repeat(40);
    let started = std::time::Instant::now();
    for missing in [
        "s.re",
        "s%e",
        "un_er",
        "^100",
        ".*",
        "$where",
        "'; DROP TABLE leads; --",
        "\" OR 1=1",
        "NEAR(a b)",
        "name:ada",
        "a AND NOT b",
        "*",
        "(a+)+$",
        "{\"$gt\":\"\"}",
        nested.as_str(),
        "\u{202e}zzz",
        "'\"`",
    ] {
        let page = una.get(&format!("/leads{}", query(&[("q", missing)]))).await?;
        let found = page.expect(200)?;
        ensure!(found.items().is_empty() || missing == "*", "{missing}: {}", found.body);
    }
    ensure!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    let longest = "x".repeat(200);
    una.get(&format!("/leads{}", query(&[("q", &longest)]))).await?.expect(200)?;
    let longer = "x".repeat(201);
    una.get(&format!("/leads{}", query(&[("q", &longer)]))).await?.refused(400, &["q"])?;
    let bulk = json!({ "filter": { "q": longer }, "delete": true });
    una.post("/leads/bulk", &bulk).await?.refused(422, &["filter.q"])?;
    // No filter reaches into the query's own language.
    for (name, value) in [("status[$ne]", "New"), ("$where", "1"), ("tag[$regex]", ".*"), ("owner[]", "me")] {
        una.get(&format!("/leads{}", query(&[(name, value)]))).await?.refused(400, &[name])?;
    }
    ensure!(
        una.get(&format!("/leads{}", query(&[("tag", "' OR 1=1")]))).await?.expect(200)?.items().is_empty()
    );
    Ok(())
}

async fn days_are_those_of_the_zone(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let lead = una.lead("Ada").await?;
    let created = chrono::DateTime::parse_from_rfc3339(text(&lead, "createdAt"))?;
    for name in ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Kathmandu", "America/St_Johns"] {
        let zone: chrono_tz::Tz = name.parse()?;
        let today = created.with_timezone(&zone).date_naive();
        let (before, after) = (today - chrono::Days::new(1), today + chrono::Days::new(1));
        for (from, to, found) in [
            (Some(today), Some(today), true),
            (Some(before), Some(today), true),
            (Some(today), None, true),
            (None, Some(today), true),
            (Some(after), None, false),
            (None, Some(before), false),
            (Some(before), Some(before), false),
        ] {
            for field in ["created", "updated"] {
                let (from_name, to_name) = (format!("{field}From"), format!("{field}To"));
                let (from, to) = (from.map(|day| day.to_string()), to.map(|day| day.to_string()));
                let mut pairs = vec![("tz", name)];
                pairs.extend(from.as_deref().map(|day| (from_name.as_str(), day)));
                pairs.extend(to.as_deref().map(|day| (to_name.as_str(), day)));
                let page = una.get(&format!("/leads{}", query(&pairs))).await?.expect(200)?;
                ensure!(page.items().len() == usize::from(found), "{pairs:?}: {}", page.body);
            }
        }
        // Without `tz`, the workspace's zone decides.
        una.patch("/workspace", &json!({ "timezone": name })).await?.expect(200)?;
        let path = format!("/leads?createdFrom={today}&createdTo={today}");
        wait_until(Duration::from_secs(60), "the workspace's zone counts", async || {
            una.get(&path).await.is_ok_and(|page| page.items().len() == 1)
        })
        .await?;
    }
    Ok(())
}

async fn a_follow_up_is_none_overdue_today_or_later(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let zone: chrono_tz::Tz = "Pacific/Kiritimati".parse()?;
    let now = chrono::Utc::now();
    let today = now.with_timezone(&zone).date_naive();
    let noon = |days: i64| (today + chrono::Duration::days(days)).and_hms_opt(12, 0, 0).unwrap_or_default();
    let at = |days: i64| {
        noon(days).and_local_timezone(zone).earliest().map(|at| at.to_utc().to_rfc3339()).unwrap_or_default()
    };
    for (name, days) in
        [("none", None), ("past", Some(-2)), ("today", Some(0)), ("soon", Some(1)), ("late", Some(40))]
    {
        let lead = una.lead(name).await?;
        if let Some(days) = days {
            let due = json!({ "leadId": lead["id"], "dueAt": at(days), "message": "Call" });
            una.post("/reminders", &due).await?.expect(201)?;
        }
    }
    let noon_is_over = noon(0).and_local_timezone(zone).earliest().is_some_and(|noon| noon.to_utc() < now);
    for (state, mut right) in [
        ("none", vec!["none"]),
        ("overdue", vec!["past"]),
        ("today", vec!["today"]),
        ("later", vec!["soon", "late"]),
    ] {
        if state == "overdue" && noon_is_over {
            right.push("today");
        }
        let path = format!("/leads?sort=createdAt&tz=Pacific/Kiritimati&followUp={state}");
        wait_until(Duration::from_secs(10), &format!("{right:?} are {state}"), async || {
            una.get(&path).await.is_ok_and(|page| {
                page.items().iter().map(|lead| text(lead, "name")).eq(right.iter().copied())
            })
        })
        .await?;
    }
    let late = una.get("/leads?q=late").await?.expect(200)?.items()[0].clone();
    let due = chrono::DateTime::parse_from_rfc3339(text(&late, "nextFollowUpAt"))?;
    ensure!(due.to_utc().to_rfc3339() == at(40) && late["version"] == 1, "{late}");
    Ok(())
}

async fn long_inactivity_is_found(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    una.lead("Ada").await?;
    for span in ["1h", "1d", "2w", "3650d"] {
        ensure!(
            una.get(&format!("/leads?inactiveFor={span}")).await?.expect(200)?.items().is_empty(),
            "{span}"
        );
    }
    for bad in ["", "d", "14", "-1d", "0d", "1.5d", "14 days", "1y", "99999w"] {
        una.get(&format!("/leads{}", query(&[("inactiveFor", bad)])))
            .await?
            .refused(400, &["inactiveFor"])?;
    }
    Ok(())
}

async fn a_changed_lead_is_found_by_what_it_is_now(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    let lead = una
        .lead_of(
            &json!({ "name": "Before", "email": "before@example.test", "phone": "111222", "tags": ["old"] }),
        )
        .await?;
    let path = format!("/leads/{}", text(&lead, "id"));
    una.patch(&path, &json!({ "name": "After", "email": null, "phone": "333444", "tags": ["new"] }))
        .await?
        .expect(200)?;
    for gone in ["q=before", "q=111222", "q=example", "tag=old"] {
        ensure!(una.get(&format!("/leads?{gone}")).await?.expect(200)?.items().is_empty(), "{gone}");
    }
    for found in ["q=after", "q=333444", "tag=NEW", "q=aft+333"] {
        ensure!(una.get(&format!("/leads?{found}")).await?.expect(200)?.items().len() == 1, "{found}");
    }
    una.delete(&path).await?.expect(204)?;
    ensure!(una.get("/leads?q=after").await?.expect(200)?.items().is_empty());
    ensure!(una.get("/leads?q=after&trashed=true").await?.expect(200)?.items().len() == 1);
    una.act(&format!("{path}/restore")).await?.expect(200)?;
    ensure!(una.get("/leads?q=after").await?.expect(200)?.items().len() == 1);
    Ok(())
}
