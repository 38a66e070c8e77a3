//! What people and programs ask Leadline for.

use anyhow::{Context, Result};
use http_body_util::Full;
use hyper::{Method, Request, StatusCode, body::Bytes, client::conn::http1::SendRequest};
use leadline_tests::{PASSWORD, query};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};

use crate::{
    load::{self, AsyncWork, Question},
    people::{Person, SOURCES, STAGES, TAGS, pick},
    site::Place,
};

/// A kind of request, by the name that tables show.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// Whether it writes.
    pub writes: bool,
    ask: fn(&mut StdRng, &Place) -> Asked,
}

/// Method, path, body, and the status of a good answer.
struct Asked(Method, String, Option<Value>, StatusCode);

const fn reads(name: &'static str, ask: fn(&mut StdRng, &Place) -> Asked) -> Scenario {
    Scenario { name, writes: false, ask }
}

const fn writes(name: &'static str, ask: fn(&mut StdRng, &Place) -> Asked) -> Scenario {
    Scenario { name, writes: true, ask }
}

/// All of them, reads before writes.
pub const ALL: &[Scenario] = &[
    reads("get a lead", |draw, place| get(format!("/leads/{}", lead(draw, place)))),
    reads("list, newest first", |_, _| get("/leads".into())),
    reads("list by name", |_, _| leads(&[("sort", "name")])),
    reads("list by company, descending", |_, _| leads(&[("sort", "-company")])),
    reads("list by stage", |_, _| leads(&[("sort", "status")])),
    reads("list, last changed first", |_, _| leads(&[("sort", "-updatedAt")])),
    reads("page deep in the list", |draw, place| match place.cursors.choose(draw) {
        Some(cursor) => leads(&[("limit", "200"), ("cursor", cursor)]),
        None => leads(&[("limit", "200")]),
    }),
    reads("filter: stage", |draw, _| leads(&[("status", pick(draw, &STAGES))])),
    reads("filter: two stages, by name", |draw, _| {
        leads(&[("status", pick(draw, &STAGES)), ("status", "Lost"), ("sort", "name")])
    }),
    reads("filter: source", |draw, _| leads(&[("source", pick(draw, &SOURCES))])),
    reads("filter: common tag", |_, _| leads(&[("tag", TAGS[0])])),
    reads("filter: rare tag", |_, _| leads(&[("tag", TAGS[7])])),
    reads("filter: nobody's", |_, _| leads(&[("owner", "none")])),
    reads("filter: mine", |_, _| leads(&[("owner", "me")])),
    reads("filter: overdue", |_, _| leads(&[("followUp", "overdue")])),
    reads("filter: inactive for 14 days", |_, _| leads(&[("inactiveFor", "14d")])),
    reads("filter: created in a month", |draw, _| {
        let from = chrono::Utc::now().date_naive() - chrono::Duration::days(draw.random_range(30..700));
        let to = from + chrono::Duration::days(30);
        leads(&[("createdFrom", &from.to_string()), ("createdTo", &to.to_string())])
    }),
    reads("filter: stage, source and tag", |draw, _| {
        leads(&[("status", pick(draw, &STAGES)), ("source", pick(draw, &SOURCES)), ("tag", TAGS[3])])
    }),
    reads("filter: rare tag, stage, by name", |draw, _| {
        leads(&[("tag", TAGS[7]), ("status", pick(draw, &STAGES)), ("sort", "name")])
    }),
    reads("search: one letter", |draw, _| leads(&[("q", pick(draw, &["a", "e", "s", "z", "q"]))])),
    reads("search: two letters", |draw, _| leads(&[("q", pick(draw, &["lo", "an", "qu", "yo", "zo"]))])),
    reads("search: three letters", |draw, place| {
        let last = somebody(draw, place).last;
        let from = draw.random_range(0..last.len().saturating_sub(3).max(1));
        leads(&[("q", last.get(from..from + 3).unwrap_or("lov"))])
    }),
    reads("search: first and last name", |draw, place| leads(&[("q", &somebody(draw, place).name)])),
    reads("search: phone digits", |draw, place| {
        let phone = somebody(draw, place).phone;
        leads(&[("q", phone.get(7..).unwrap_or_default().trim())])
    }),
    reads("search: no match", |_, _| leads(&[("q", "xyzzyplugh")])),
    reads("search: in everybody", |_, _| leads(&[("q", "example")])),
    reads("search: name within a stage", |draw, place| {
        leads(&[("q", &somebody(draw, place).last), ("status", pick(draw, &STAGES))])
    }),
    reads("today's reminders", |_, _| get("/reminders/today".into())),
    reads("activity feed", |_, _| get("/activity".into())),
    reads("dashboard", |_, _| get("/analytics/dashboard".into())),
    reads("summary", |_, _| get("/analytics/summary".into())),
    reads("by stage", |_, _| get("/analytics/by-status".into())),
    reads("by source", |_, _| get("/analytics/by-source".into())),
    reads("created by day", |_, _| get("/analytics/created?interval=day".into())),
    reads("conversion", |_, _| get("/analytics/conversion?months=12".into())),
    reads("funnel", |_, _| get("/analytics/funnel".into())),
    reads("report of a month", |_, _| get("/analytics/report?period=month".into())),
    writes("create a lead", |draw, _| {
        let number = draw.random_range(1_u64 << 40..1 << 50);
        Asked(Method::POST, "/leads".into(), Some(Person::new(number, number).json()), StatusCode::CREATED)
    }),
    writes("change a lead", |draw, place| {
        let company = Person::new(draw.random(), 0).company;
        let path = format!("/leads/{}", lead(draw, place));
        Asked(Method::PATCH, path, Some(json!({ "company": company })), StatusCode::OK)
    }),
    writes("move a lead", |draw, place| {
        let path = format!("/leads/{}/status", lead(draw, place));
        Asked(Method::PATCH, path, Some(json!({ "status": pick(draw, &STAGES) })), StatusCode::OK)
    }),
    writes("note", |draw, place| {
        let path = format!("/leads/{}/notes", lead(draw, place));
        Asked(Method::POST, path, Some(json!({ "text": "Called; will call back." })), StatusCode::CREATED)
    }),
    writes("sign in", |_, place| {
        let body = json!({ "email": place.visitor, "password": PASSWORD, "session": "token" });
        Asked(Method::POST, "/auth/login".into(), Some(body), StatusCode::OK)
    }),
    // Not drawn: nobody registers twice.
    writes("register", |_, _| {
        let email = format!("{}@example.test", uuid::Uuid::new_v4().simple());
        let body = json!({ "name": "Bench", "email": email, "password": PASSWORD, "session": "token" });
        Asked(Method::POST, "/auth/register".into(), Some(body), StatusCode::CREATED)
    }),
];

/// A scenario of this name.
///
/// # Errors
/// If there is none.
pub fn named(name: &str) -> Result<Scenario> {
    ALL.iter().find(|one| one.name == name).copied().with_context(|| format!("no scenario is called {name}"))
}

fn get(path: String) -> Asked {
    Asked(Method::GET, path, None, StatusCode::OK)
}

fn leads(filters: &[(&str, &str)]) -> Asked {
    get(format!("/leads{}", query(filters)))
}

fn lead<'p>(draw: &mut StdRng, place: &'p Place) -> &'p str {
    place.leads.choose(draw).map(String::as_str).unwrap_or_default()
}

/// One of the people who are in the workspace.
fn somebody(draw: &mut StdRng, place: &Place) -> Person {
    Person::new(place.seed, place.first + draw.random_range(0..place.count.max(1)))
}

/// A connection over which one client asks for the same kind of thing again and again, of one workspace after the other.
pub struct Asking {
    sender: SendRequest<Full<Bytes>>,
    scenario: Scenario,
    address: String,
    places: Vec<Place>,
    nth: usize,
    draw: StdRng,
}

impl Asking {
    /// The client of this number; what it asks for is drawn from the seed and the number.
    ///
    /// # Errors
    /// If there is no connection.
    pub async fn new(
        scenario: Scenario,
        address: String,
        places: Vec<Place>,
        seed: u64,
        number: usize,
    ) -> Result<Self> {
        let sender = load::connect(&address).await?;
        let draw = StdRng::seed_from_u64(seed.wrapping_mul(31).wrapping_add(number as u64));
        Ok(Self { sender, scenario, address, places, nth: number, draw })
    }

    fn question(&mut self) -> Result<Question> {
        self.nth += 1;
        let place = self.places.get(self.nth % self.places.len().max(1)).context("no workspace to ask")?;
        let Asked(method, path, body, right) = (self.scenario.ask)(&mut self.draw, place);
        let token = place.person.token.as_deref().unwrap_or_default();
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"))
            .header("host", &self.address)
            .header("authorization", format!("Bearer {token}"));
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
        Ok((request.body(Full::new(body))?, right))
    }
}

impl AsyncWork for Asking {
    async fn once(&mut self) -> Result<()> {
        let question = self.question()?;
        load::ask(&mut self.sender, question).await?;
        Ok(())
    }
}
