//! A person who calls the REST API.

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
        ensure!(self.status.as_u16() == status, "{}: {} instead of {status}: {}", self.asked, self.status, self.body);
        Ok(self)
    }

    /// A header as text; empty if it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
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

/// The password of everybody in tests.
pub const PASSWORD: &str = "a long enough passphrase 7";

impl Client {
    /// Nobody in particular.
    #[must_use]
    pub fn stranger(base: &str) -> Self {
        Self {
            http: reqwest::Client::new(),
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
        let invited = self.post("/workspace/invitations", &json!({ "email": email, "role": role })).await?.expect(201)?;
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
        self.workspace = text(&answer.body["workspace"]["id"]).unwrap_or_else(|| std::mem::take(&mut self.workspace));
    }

    /// The same person with another token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
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
    #[must_use]
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
            serde_json::from_slice(&bytes).unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into_owned().into())
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
