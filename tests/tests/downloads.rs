//! Links by which a browser fetches a file: good once, for a minute, for who made them.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use leadline_testbed::wait_until;
use leadline_tests::{Answer, Client, System, in_every_mode, text};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

in_every_mode!(
    a_link_gives_the_file_once_on_behalf_of_who_made_it,
    a_link_is_of_no_use_to_anybody_else,
    a_link_leads_to_files_only,
);

/// A link, and the cookie that came with it.
struct Link {
    url: String,
    cookie: String,
}

impl Link {
    async fn to(client: &Client, path: &str) -> Result<Self> {
        Self::of(&client.post("/downloads", &json!({ "path": path })).await?.expect(201)?)
    }

    fn of(answer: &Answer) -> Result<Self> {
        let cookie = answer.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
        ensure!(cookie.starts_with("leadline_download="), "{:?}", answer.headers);
        Ok(Self { url: answer.text("url").to_owned(), cookie })
    }

    /// A request for the file, without anything that says who asks.
    fn ask(&self, client: &Client, method: Method) -> Result<RequestBuilder> {
        let path = self.url.strip_prefix("/api/v1").context("not a path of the API")?;
        Ok(client.signed_out().request(method, path))
    }

    /// Follows it as a browser does: without a token, and with the cookie.
    async fn follow(&self, client: &Client, method: Method) -> Result<Answer> {
        client.send(self.ask(client, method)?.header("cookie", &self.cookie)).await
    }
}

async fn a_link_gives_the_file_once_on_behalf_of_who_made_it(system: &'static System) -> Result<()> {
    let (una, other) = (system.register("Una").await?, system.register("Other").await?);
    let lead = una.lead("Ada").await?;
    other.lead("Foreign").await?;
    let vera = una.invite("Vera", "viewer").await?;
    let body = json!({ "path": "/api/v1/leads/export?format=csv&sort=name" });
    let made = vera.post("/downloads", &body).await?.expect(201)?;
    let link = Link::of(&made)?;
    ensure!(
        made.header("location") == link.url && link.url.starts_with("/api/v1/downloads/"),
        "{}",
        made.body
    );
    // Kept from scripts and other sites, for this link, for as long as it lives.
    let cookie = made.header("set-cookie");
    let bound = format!("; HttpOnly; SameSite=Strict; Path={}; Max-Age=60", link.url);
    ensure!(cookie.ends_with(&bound), "{cookie}");
    let life = chrono::DateTime::parse_from_rfc3339(made.text("expiresAt"))?.to_utc() - chrono::Utc::now();
    ensure!(life <= chrono::Duration::seconds(62) && life > chrono::Duration::seconds(40), "{life}");
    // To look is not to take.
    link.follow(&una, Method::HEAD).await?.expect(200)?;
    let given = link.follow(&una, Method::GET).await?.expect(200)?;
    ensure!(
        given.header("content-disposition").starts_with("attachment; filename=\"leads-"),
        "{:?}",
        given.headers
    );
    let csv = given.body.as_str().unwrap_or_default();
    ensure!(csv.contains(text(&lead, "id")) && !csv.contains("Foreign"), "{csv}");
    for method in [Method::GET, Method::HEAD] {
        link.follow(&una, method).await?.expect(410)?;
    }
    let unknown = Link { url: format!("{}x", link.url), cookie: link.cookie };
    unknown.follow(&una, Method::GET).await?.problem(410, "gone")?;

    // Two at once: one of them has it.
    let link = Link::of(&vera.post("/downloads", &body).await?.expect(201)?)?;
    let both = futures::future::join_all((0..8).map(|_| link.follow(&una, Method::GET))).await;
    let mut statuses: Vec<u16> =
        both.into_iter().map(|answer| Ok(answer?.status.as_u16())).collect::<Result<_>>()?;
    statuses.sort_unstable();
    ensure!(statuses == [200, 410, 410, 410, 410, 410, 410, 410], "{statuses:?}");

    // The same key: the same link, and the same cookie.
    let with_key = |body: &Value| {
        let (una, body) = (una.clone(), body.clone());
        async move { una.with(("Idempotency-Key", "k-1"), Method::POST, "/downloads", &body).await }
    };
    let (one, again) = (with_key(&body).await?.expect(201)?, with_key(&body).await?.expect(201)?);
    ensure!(one.body == again.body && again.header("idempotency-replayed") == "true", "{}", again.body);
    ensure!(Link::of(&one)?.cookie == Link::of(&again)?.cookie);
    Link::of(&again)?.follow(&una, Method::GET).await?.expect(200)?;
    with_key(&json!({ "path": "/api/v1/reports/monthly" })).await?.problem(422, "key-reused")?;

    // With the session, its links are void.
    let link = Link::of(&vera.post("/downloads", &body).await?.expect(201)?)?;
    vera.act("/auth/logout").await?.expect(204)?;
    wait_until(Duration::from_secs(60), "the token is void", async || {
        vera.get("/leads").await.is_ok_and(|answer| answer.status == 401)
    })
    .await?;
    link.follow(&una, Method::GET).await?.problem(401, "unauthenticated")?;
    Ok(())
}

async fn a_link_is_of_no_use_to_anybody_else(system: &'static System) -> Result<()> {
    let (una, other) = (system.register("Una").await?, system.register("Other").await?);
    una.lead("Ada").await?;
    let vera = una.invite("Vera", "viewer").await?;
    let path = "/api/v1/leads/export";
    let (link, second) = (Link::to(&una, path).await?, Link::to(&una, path).await?);
    let of_vera = Link::to(&vera, path).await?;
    let unknown = Link { url: "/api/v1/downloads/x".to_owned(), cookie: link.cookie.clone() };
    let unknown = unknown.follow(&una, Method::GET).await?.problem(410, "gone")?;
    let with = |name: &str, value: &str| Ok(link.ask(&una, Method::GET)?.header(name, value));
    let bearer = |client: &Client| format!("Bearer {}", client.token.clone().unwrap_or_default());
    let asked: [(&str, Result<RequestBuilder>); 6] = [
        ("nothing", link.ask(&una, Method::GET)),
        ("another link's cookie", with("cookie", &second.cookie)),
        ("a colleague's cookie", with("cookie", &of_vera.cookie)),
        ("a colleague's token", with("authorization", &bearer(&vera))),
        ("a stranger's token", with("authorization", &bearer(&other))),
        ("a token that is none", with("authorization", "Bearer x")),
    ];
    for (what, asked) in asked {
        let answer = una.send(asked?).await?.problem(410, "gone").context(what)?;
        ensure!(answer.body["detail"] == unknown.body["detail"], "{what}: {}", answer.body);
    }
    una.send(link.ask(&una, Method::HEAD)?).await?.expect(410)?;
    // None of them has used it up.
    let given = link.follow(&una, Method::GET).await?.expect(200)?;
    ensure!(given.body.as_str().is_some_and(|csv| csv.contains("Ada")), "{}", given.body);
    // A program that has no cookies shows its token.
    let asked = second.ask(&una, Method::GET)?.header("authorization", bearer(&una));
    una.send(asked).await?.expect(200)?;
    // Both links of one browser are good at once, each by its own cookie.
    let (one, two) = (Link::to(&una, path).await?, Link::to(&una, path).await?);
    let all = format!("{}; {}", one.cookie, two.cookie);
    for link in [one, two] {
        una.send(link.ask(&una, Method::GET)?.header("cookie", &all)).await?.expect(200)?;
    }
    Ok(())
}

async fn a_link_leads_to_files_only(system: &'static System) -> Result<()> {
    let una = system.register("Una").await?;
    for path in [
        "/api/v1/leads",
        "/api/v1/auth/me",
        "https://evil.test/api/v1/leads/export",
        "//evil.test",
        "",
        "leads/export",
        "/api/v1/leads/export/../../auth/me",
        "/api/v1/leads/export?format=doc",
        "/api/v1/leads/export?nobody=1",
        "/api/v1/reports/monthly?month=x",
        "/api/v1/downloads/x",
    ] {
        una.post("/downloads", &json!({ "path": path })).await?.refused(422, &["path"])?;
    }
    una.post("/downloads", &json!({})).await?.refused(422, &["path"])?;
    una.post("/downloads", &json!({ "path": null, "x": 1 })).await?.refused(422, &["path", "x"])?;
    una.post("/downloads", &json!({ "path": 7 })).await?.refused(422, &["path"])?;
    una.signed_out()
        .post("/downloads", &json!({ "path": "/api/v1/reports/monthly" }))
        .await?
        .problem(401, "unauthenticated")?;
    for path in ["/api/v1/reports/monthly?format=pdf", "/api/v1/analytics/export?format=xlsx&interval=week"] {
        Link::to(&una, path).await?.follow(&una, Method::GET).await?.expect(200)?;
    }
    Ok(())
}
