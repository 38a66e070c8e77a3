//! A person who calls the REST API.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::{Value, json};

/// What the system answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; `null` for none, a string for what is not JSON.
    pub body: Value,
    /// What was asked, for messages.
    pub asked: String,
}

impl Answer {
    /// The answer, if it has this status.
    ///
    /// # Errors
    /// With all that it says instead.
    pub fn expect(self, status: u16) -> Result<Self> {
        ensure!(
            self.status.as_u16() == status,
            "{}: {} instead of {status}: {}",
            self.asked,
            self.status,
            self.body
        );
        Ok(self)
    }

    /// A header as text; empty if it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The answer, if it is a complete problem (RFC 9457) of this status and kind: `validation` for `/problems/validation`.
    ///
    /// # Errors
    /// With what is wrong with it.
    pub fn problem(self, status: u16, kind: &str) -> Result<Self> {
        let answer = self.expect(status)?;
        let (asked, body) = (&answer.asked, &answer.body);
        let path = asked.split_once(' ').map_or("", |(_, path)| path);
        ensure!(
            answer.header("content-type").starts_with("application/problem+json"),
            "{asked}: no problem: {body}"
        );
        ensure!(body["type"] == format!("/problems/{kind}"), "{asked}: not {kind}: {body}");
        ensure!(body["status"] == status && body["instance"] == path, "{asked}: {body}");
        ensure!(body["requestId"] == answer.header("x-request-id"), "{asked}: {body}");
        for name in ["title", "detail", "requestId"] {
            ensure!(body[name].as_str().is_some_and(|text| !text.is_empty()), "{asked}: no {name}: {body}");
        }
        let told = |error: &Value| error["message"].as_str().is_some_and(|text| !text.is_empty());
        ensure!(body["errors"].as_array().is_none_or(|errors| errors.iter().all(told)), "{asked}: {body}");
        Ok(answer)
    }

    /// The answer, if it refuses exactly these fields (422) or parameters and headers (400).
    ///
    /// # Errors
    /// With what it says instead.
    pub fn refused(self, status: u16, fields: &[&str]) -> Result<Self> {
        let answer = self.problem(status, if status == 400 { "bad-request" } else { "validation" })?;
        let mut fields = fields.to_vec();
        fields.sort_unstable();
        ensure!(answer.bad_fields() == fields, "{}: not exactly {fields:?}: {}", answer.asked, answer.body);
        Ok(answer)
    }

    /// A member that is text; empty if it is not.
    #[must_use]
    pub fn text(&self, member: &str) -> &str {
        self.body[member].as_str().unwrap_or_default()
    }

    /// The items of a list; none if it is not one.
    #[must_use]
    pub fn items(&self) -> &[Value] {
        self.body["items"].as_array().map_or(&[], Vec::as_slice)
    }

    /// The ids of the items of a list, in its order.
    #[must_use]
    pub fn ids(&self) -> Vec<&str> {
        self.items().iter().filter_map(|item| item["id"].as_str()).collect()
    }

    /// The fields that a problem names, in order of the alphabet.
    #[must_use]
    pub fn bad_fields(&self) -> Vec<String> {
        let errors = self.body["errors"].as_array().cloned().unwrap_or_default();
        let mut fields: Vec<String> =
            errors.iter().filter_map(|error| error["field"].as_str().map(str::to_owned)).collect();
        fields.sort();
        fields
    }
}

/// A caller: an address, perhaps a token, a connection pool of its own.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    /// The access token, if somebody is signed in.
    pub token: Option<String>,
    /// The refresh token, if somebody signed in with `session: token`.
    pub refresh_token: Option<String>,
    /// The user's id.
    pub user: String,
    /// The workspace's id.
    pub workspace: String,
    /// The address that was registered.
    pub email: String,
}

/// Waits a minute for the next piece of an answer, not for ever: live events have a comment every 15 seconds.
fn patient() -> reqwest::Client {
    let built = reqwest::Client::builder().read_timeout(Duration::from_secs(60)).build();
    // What can fail here is the set-up of TLS, which nothing here uses.
    built.unwrap_or_default()
}

/// Pairs as a query string, percent-encoded: `?a=b&c=d`.
#[must_use]
pub fn query(pairs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        text.push(if text.is_empty() { '?' } else { '&' });
        text.push_str(&encode(name));
        text.push('=');
        text.push_str(&encode(value));
    }
    text
}

/// Text, percent-encoded for any place of an address.
#[must_use]
pub fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// An id that nothing has.
#[must_use]
pub fn unknown_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// The password of everybody in tests.
pub const PASSWORD: &str = "a long enough passphrase 7";

impl Client {
    /// Nobody in particular.
    #[must_use]
    pub fn stranger(base: &str) -> Self {
        Self {
            http: patient(),
            base: base.to_owned(),
            token: None,
            refresh_token: None,
            user: String::new(),
            workspace: String::new(),
            email: String::new(),
        }
    }

    /// Somebody new, the owner of a workspace of their own.
    ///
    /// # Errors
    /// If registering does not work.
    pub async fn register(base: &str, name: &str) -> Result<Self> {
        let mut client = Self::stranger(base);
        let email = format!("{}@example.test", uuid::Uuid::new_v4().simple());
        let body = json!({ "name": name, "email": email, "password": PASSWORD, "session": "token" });
        let answer = client.post("/auth/register", &body).await?.expect(201)?;
        client.email = email;
        client.signed_in(&answer);
        Ok(client)
    }

    /// Somebody who joins this person's workspace in a role.
    ///
    /// # Errors
    /// If inviting or accepting does not work.
    pub async fn invite(&self, name: &str, role: &str) -> Result<Self> {
        let email = format!("{}@example.test", uuid::Uuid::new_v4().simple());
        let invited = self
            .post("/workspace/invitations", &json!({ "email": email, "role": role }))
            .await?
            .expect(201)?;
        let mut client = Self::stranger(&self.base);
        let token = &invited.body["token"];
        let body = json!({ "token": token, "name": name, "password": PASSWORD, "session": "token" });
        let answer = client.post("/auth/invitations/accept", &body).await?.expect(201)?;
        client.email = email;
        client.signed_in(&answer);
        Ok(client)
    }

    /// Takes token, user and workspace out of an answer that signed somebody in.
    pub fn signed_in(&mut self, answer: &Answer) {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        self.token = text(&answer.body["accessToken"]).or_else(|| self.token.take());
        self.refresh_token = text(&answer.body["refreshToken"]).or_else(|| self.refresh_token.take());
        self.user = text(&answer.body["user"]["id"]).unwrap_or_else(|| std::mem::take(&mut self.user));
        self.workspace =
            text(&answer.body["workspace"]["id"]).unwrap_or_else(|| std::mem::take(&mut self.workspace));
    }

    /// Somebody who signs in with an address and the password of everybody, with a session of their own.
    ///
    /// # Errors
    /// If signing in does not work.
    pub async fn login(base: &str, email: &str) -> Result<Self> {
        let mut client = Self::stranger(base);
        let body = json!({ "email": email, "password": PASSWORD, "session": "token" });
        let answer = client.post("/auth/login", &body).await?.expect(200)?;
        client.email = email.to_owned();
        client.signed_in(&answer);
        Ok(client)
    }

    /// The same person with connections that nobody else uses.
    #[must_use]
    pub fn with_own_connections(&self) -> Self {
        Self { http: reqwest::Client::new(), ..self.clone() }
    }

    /// The same person with another token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// The same person at another gateway.
    #[must_use]
    pub fn at(&self, base: &str) -> Self {
        Self { base: base.to_owned(), ..self.clone() }
    }

    /// The same person without a token.
    #[must_use]
    pub fn signed_out(&self) -> Self {
        Self { token: None, ..self.clone() }
    }

    /// The address of a path under `/api/v1`, or of the root for one that begins with `//`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        match path.strip_prefix("//") {
            Some(root) => format!("{}/{root}", self.base),
            None => format!("{}/api/v1{path}", self.base),
        }
    }

    /// A request with the person's token, to be sent with [`Client::send`].
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, self.url(path));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request.
    ///
    /// # Errors
    /// If no answer comes, or only a part of one.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Result<Answer> {
        let request = request.build()?;
        let asked = format!("{} {}", request.method(), request.url().path());
        let response = self.http.execute(request).await.with_context(|| asked.clone())?;
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await.with_context(|| asked.clone())?;
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes)
                .unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into_owned().into())
        };
        Ok(Answer { status, headers, body, asked })
    }

    /// GET.
    ///
    /// # Errors
    /// If no answer comes.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.send(self.request(Method::GET, path)).await
    }

    /// POST of JSON.
    ///
    /// # Errors
    /// If no answer comes.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// PATCH of JSON.
    ///
    /// # Errors
    /// If no answer comes.
    pub async fn patch(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send(self.request(Method::PATCH, path).json(body)).await
    }

    /// PUT of JSON.
    ///
    /// # Errors
    /// If no answer comes.
    pub async fn put(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send(self.request(Method::PUT, path).json(body)).await
    }

    /// DELETE.
    ///
    /// # Errors
    /// If no answer comes.
    pub async fn delete(&self, path: &str) -> Result<Answer> {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// A request of JSON with one more header, such as `If-Match` or `Idempotency-Key`.
    ///
    /// # Errors
    /// If no answer comes.
    pub async fn with(
        &self,
        header: (&str, &str),
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Answer> {
        let request = self.request(method, path).header(header.0, header.1);
        let request = if body.is_null() { request } else { request.json(body) };
        self.send(request).await
    }

    /// POST without a body.
    ///
    /// # Errors
    /// If no answer comes.
    pub async fn act(&self, path: &str) -> Result<Answer> {
        self.send(self.request(Method::POST, path)).await
    }

    /// Makes a lead of these fields and gives it.
    ///
    /// # Errors
    /// If that does not work.
    pub async fn lead_of(&self, fields: &Value) -> Result<Value> {
        Ok(self.post("/leads", fields).await?.expect(201)?.body)
    }

    /// Makes a lead of this name and gives it.
    ///
    /// # Errors
    /// If that does not work.
    pub async fn lead(&self, name: &str) -> Result<Value> {
        Ok(self.post("/leads", &json!({ "name": name })).await?.expect(201)?.body)
    }

    /// Every item of a list, page by page.
    ///
    /// # Errors
    /// If a page can't be had.
    pub async fn all(&self, path: &str) -> Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let join = if path.contains('?') { '&' } else { '?' };
            let page = self.get(&format!("{path}{join}limit=200{cursor}")).await?.expect(200)?;
            items.extend(page.body["items"].as_array().cloned().unwrap_or_default());
            match page.body["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(items),
            }
        }
    }
}
