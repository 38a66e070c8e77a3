//! Live events.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use futures::StreamExt;
use http::{Response, StatusCode};
use leadline_proto::{
    events::{AccountEvent, AnalyticsChanged, Event, LeadEvent, account_event, event},
    leads::{Activity, activity},
};
use leadline_runtime::{
    ids::{WorkspaceId, new_uuid, uuid_at},
    time::Millis,
};

use crate::setup::{Gateway, Person, request};

/// A stream that is being read.
struct Reader {
    body: BodyDataStream,
    rest: String,
}

/// What a stream told.
#[derive(Debug)]
struct Told {
    id: String,
    name: String,
    data: serde_json::Value,
}

impl Reader {
    async fn open(gateway: &Gateway, token: &str, last: Option<&str>) -> Self {
        let response = connect(gateway, token, last).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        Self { body: response.into_body().into_data_stream(), rest: String::new() }
    }

    /// The next event; none when the stream has ended.
    async fn next(&mut self) -> Option<Told> {
        loop {
            while let Some((frame, rest)) = self.rest.split_once("\n\n") {
                let (frame, rest) = (frame.to_owned(), rest.to_owned());
                self.rest = rest;
                let field = |name: &str| {
                    frame
                        .lines()
                        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                        .map(str::to_owned)
                };
                if let Some(data) = field("data") {
                    return Some(Told {
                        id: field("id").unwrap_or_default(),
                        name: field("event").unwrap_or_default(),
                        data: serde_json::from_str(&data).unwrap(),
                    });
                }
            }
            let chunk = tokio::time::timeout(Duration::from_secs(20), self.body.next()).await.unwrap();
            self.rest.push_str(std::str::from_utf8(&chunk?.unwrap()).unwrap());
        }
    }
}

async fn connect(gateway: &Gateway, token: &str, last: Option<&str>) -> Response<Body> {
    let mut request = request("GET", "/api/v1/events", Some(token));
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    gateway.send(request.body(Body::empty()).unwrap()).await
}

fn event(workspace: Option<WorkspaceId>, body: event::Body) -> Event {
    Event {
        id: new_uuid().to_string(),
        workspace_id: workspace.map(|id| id.to_string()).unwrap_or_default(),
        at_ms: Millis::now().0,
        body: Some(body),
        ..Event::default()
    }
}

fn deleted(workspace: WorkspaceId) -> Event {
    let mut event = event(Some(workspace), event::Body::Lead(LeadEvent::default()));
    let activity = Activity {
        id: event.id.clone(),
        lead_name: "Ada".into(),
        what: Some(activity::What::Deleted(activity::Deleted { permanent: false })),
        ..Activity::default()
    };
    event.body = Some(event::Body::Lead(LeadEvent { activity: Some(activity), snapshot: None }));
    event
}

fn account(workspace: Option<WorkspaceId>, what: account_event::What) -> Event {
    event(workspace, event::Body::Account(AccountEvent { what: Some(what) }))
}

const LONG: Duration = Duration::from_secs(900);

fn imported(workspace: WorkspaceId) -> Event {
    let mut event = deleted(workspace);
    let import = activity::Imported { import_id: "i".into(), created: true };
    if let Some(event::Body::Lead(LeadEvent { activity: Some(entry), .. })) = &mut event.body {
        entry.what = Some(activity::What::Imported(import));
    }
    event
}

#[tokio::test]
async fn an_import_does_not_flood_a_stream() {
    let gateway = Gateway::start().await;
    let person = Person::new();
    let token = gateway.token(person, LONG);
    let mut stream = Reader::open(&gateway, &token, None).await;
    assert_eq!(stream.next().await.unwrap().name, "analytics");
    let began = std::time::Instant::now();
    // Told well after the gateway began, so that it is not looked up in the log, of which there is none here.
    let id = uuid_at(Millis::now().after(Duration::from_secs(60))).to_string();
    let before = Event { id, ..deleted(person.workspace) };
    gateway.bus.signal(before.clone());
    assert_eq!(stream.next().await.unwrap().id, before.id);
    for _ in 0..300 {
        gateway.bus.signal(imported(person.workspace));
    }
    let last = deleted(person.workspace);
    gateway.bus.signal(last.clone());
    let mut told = Vec::new();
    while told.last() != Some(&last.id) {
        told.push(stream.next().await.unwrap().id);
    }
    let most = 2 + usize::try_from(began.elapsed().as_millis() / 500).unwrap();
    assert!(told.len() >= 2 && told.len() <= most, "{} told", told.len());

    // Who resumes gets the same, and what else happened.
    let mut again = Reader::open(&gateway, &token, Some(&before.id)).await;
    for id in &told {
        assert_eq!(&again.next().await.unwrap().id, id);
    }
    assert_eq!(again.next().await.unwrap().name, "analytics");
}

#[tokio::test]
async fn a_stream_tells_what_happens_in_its_workspace_and_nothing_of_another() {
    let gateway = Gateway::start().await;
    let person = Person::new();
    let mut stream = Reader::open(&gateway, &gateway.token(person, LONG), None).await;
    assert_eq!(stream.next().await.unwrap().name, "analytics", "each connection begins with one");

    gateway.bus.signal(deleted(WorkspaceId::new()));
    let own = deleted(person.workspace);
    gateway.bus.signal(own.clone());
    let told = stream.next().await.unwrap();
    assert_eq!((told.name.as_str(), &told.id), ("activity", &own.id));
    assert_eq!(told.data["type"], "lead.deleted");
    assert_eq!(told.data["lead"]["name"], "Ada");

    let changed = AnalyticsChanged { as_of_ms: 1_795_426_200_000 };
    gateway.bus.signal(event(Some(person.workspace), event::Body::AnalyticsChanged(changed)));
    let told = stream.next().await.unwrap();
    assert_eq!((told.name.as_str(), &told.data["asOf"]), ("analytics", &"2026-11-23T09:30:00.000Z".into()));
}

#[tokio::test]
async fn a_stream_that_resumes_is_told_what_it_missed_once_and_in_order() {
    let gateway = Gateway::start().await;
    let person = Person::new();
    let token = gateway.token(person, LONG);
    let mut stream = Reader::open(&gateway, &token, None).await;
    stream.next().await.unwrap();
    // Told well after the gateway began: what is older it looks up in the log, and there is none here.
    let later = |n: u64| uuid_at(Millis::now().after(Duration::from_secs(60 + n))).to_string();
    let events: Vec<Event> = (0..5).map(|n| Event { id: later(n), ..deleted(person.workspace) }).collect();
    for event in &events {
        gateway.bus.signal(event.clone());
    }
    let mut last = String::new();
    for _ in 0..5 {
        last = stream.next().await.unwrap().id;
    }
    assert_eq!(last, events[4].id);
    drop(stream);

    let mut again = Reader::open(&gateway, &token, Some(&events[1].id)).await;
    for event in &events[2..] {
        assert_eq!(again.next().await.unwrap().id, event.id);
    }
    let told = again.next().await.unwrap();
    assert_eq!(
        (told.name.as_str(), &told.id),
        ("analytics", &events[4].id),
        "at the place where the stream is"
    );
}

#[tokio::test]
async fn a_stream_ends_with_its_session_and_others_go_on() {
    let gateway = Gateway::start().await;
    let (gone, other) = (Person::new(), Person::new());
    let mut ended = Reader::open(&gateway, &gateway.token(gone, LONG), None).await;
    let mut open = Reader::open(&gateway, &gateway.token(other, LONG), None).await;
    ended.next().await.unwrap();
    open.next().await.unwrap();

    let what =
        account_event::SessionEnded { session_id: gone.session.to_string(), user_id: gone.user.to_string() };
    gateway.bus.signal(account(None, account_event::What::SessionEnded(what)));
    assert!(ended.next().await.is_none());

    gateway.bus.signal(deleted(other.workspace));
    assert_eq!(open.next().await.unwrap().name, "activity");
    let what = account_event::MemberRemoved { user_id: other.user.to_string() };
    gateway.bus.signal(account(Some(other.workspace), account_event::What::MemberRemoved(what)));
    assert!(open.next().await.is_none());
}

#[tokio::test]
async fn a_stream_ends_when_its_token_does() {
    let gateway = Gateway::start().await;
    let token = gateway.token(Person::new(), Duration::from_secs(2));
    let mut stream = Reader::open(&gateway, &token, None).await;
    stream.next().await.unwrap();
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_stop_ends_every_stream() {
    let gateway = Gateway::start().await;
    let mut stream = Reader::open(&gateway, &gateway.somebody(), None).await;
    stream.next().await.unwrap();
    gateway.stop.now();
    assert!(stream.next().await.is_none());
    assert!(gateway.stop.finished(Duration::from_secs(5)).await, "a task ran on");
}

#[tokio::test]
async fn a_user_has_twenty_streams_at_most_and_leaves_make_room() {
    let gateway = Gateway::start().await;
    let token = gateway.somebody();
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(Reader::open(&gateway, &token, None).await);
    }
    let refused = connect(&gateway, &token, None).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(connect(&gateway, &gateway.somebody(), None).await.status(), StatusCode::OK, "another user");

    streams.clear();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while connect(&gateway, &token, None).await.status() != StatusCode::OK {
        assert!(tokio::time::Instant::now() < deadline, "no room was made");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_place_to_resume_at_must_be_the_id_of_an_event() {
    let gateway = Gateway::start().await;
    let refused = connect(&gateway, &gateway.somebody(), Some("../../etc")).await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
}
