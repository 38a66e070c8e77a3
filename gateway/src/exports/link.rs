//! One-time links: a browser that follows one sends no access token, so the link stands for it, once and for a minute. It is
//! of use to its maker only: to the browser that was given the link's cookie with it, or to who shows an access token of the
//! maker's.
//!
//! Links are kept in this process only. Where several gateways stand behind one address, the request that makes a link and
//! the one that follows it must reach the same: the address needs sticky sessions.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use leadline_runtime::{
    caller::{Caller, Origin},
    ids::{UserId, WorkspaceId},
    refusal::Refusal,
    time::Millis,
};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::Wanted;
use crate::{
    body,
    caller::{Sender, SignedIn, authorization},
    cookies::{Cookies, Way},
    gateway::Gateway,
    leads::lead::at,
    once::Key,
    problem::Problem,
    query::NoQuery,
};

/// How long a link is good.
const LIFE: Duration = Duration::from_secs(60);
/// How many links there are at once.
const MOST: usize = 10_000;
/// How many one user has at once.
const MOST_OF_ONE: usize = 30;
/// The longest path with its query, in bytes.
const LONGEST: usize = 8 * 1024;

/// What to download.
#[derive(ToSchema)]
#[schema(example = json!({"path": "/api/v1/leads/export?format=csv&status=New"}))]
#[allow(dead_code, reason = "describes a body in the OpenAPI document; bodies are read by hand")]
pub(crate) struct NewDownload {
    /// `/api/v1/leads/export`, `/api/v1/analytics/export` or `/api/v1/reports/monthly`, with its query, or
    /// `/api/v1/leads/imports/{id}/errors`.
    #[schema(max_length = 8192)]
    path: String,
}

/// A link.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Download {
    /// Where the file is: a path on this server, to be opened once, by who made it.
    #[schema(format = "uri-reference", example = "/api/v1/downloads/kq0Yd2…")]
    url: String,
    /// Until when: a minute from now, or the end of the access token if that is earlier.
    #[schema(format = "date-time")]
    expires_at: String,
}

/// Make a link for a download
///
/// For browsers: a link that is opened in place of a request sends no access token. It is good once, for a minute, and gives what
/// the path would give its maker; it is void with the maker's session. It is bound to its maker: the cookie
/// `leadline_download`, which comes with the answer, opens it and nothing else, and so does an access token of the maker's, in
/// the same workspace. An `Idempotency-Key` gives the same link again as long as it lives. A user may have 30 links at once: more
/// are 429. Where several gateways serve one address, it needs sticky sessions.
#[utoipa::path(post, path = "/api/v1/downloads", tag = "Downloads", request_body = NewDownload,
    operation_id = "create_download", responses((status = 201, description = "The link", body = Download)))]
pub(crate) async fn create_download(
    State(gateway): State<Arc<Gateway>>,
    SignedIn(caller): SignedIn,
    _: NoQuery,
    way: Way,
    key: Key,
    mut body: body::Json,
) -> Result<Response, Problem> {
    let path = match body.fields.any("path") {
        Some(Value::String(path)) if path.len() > LONGEST => {
            Err(format!("must be at most {LONGEST} bytes long"))
        }
        Some(Value::String(path)) => Wanted::read(&path, &caller).map(|_| path),
        None | Some(Value::Null) => Err("is required".to_owned()),
        Some(_) => Err("must be text".to_owned()),
    };
    let path = path.unwrap_or_else(|message| {
        body.fields.fault("path", message);
        String::new()
    });
    body.fields.check()?;
    let maker = Maker::of(&caller);
    let until = caller.expires;
    let key = key.text().map(|key| (key.to_owned(), body.raw));
    let to = Target { authorization: authorization(&way.headers).unwrap_or_default().to_owned(), path };
    let made = gateway.downloads.make(maker, until, to, key, Instant::now())?;
    let url = format!("/api/v1/downloads/{}", made.token);
    let location = HeaderValue::try_from(&url).map(|value| (header::LOCATION, value));
    let left = u64::try_from(made.expires.0 - Millis::now().0).unwrap_or(0).div_ceil(1_000);
    let cookie = gateway.cookies.bind(&url, &made.bond, left.max(1), &way);
    let mut response =
        (StatusCode::CREATED, Json(Download { url, expires_at: at(made.expires.0) })).into_response();
    response.headers_mut().extend(location);
    response.headers_mut().extend(cookie.map(|cookie| (header::SET_COOKIE, cookie)));
    if made.replayed {
        let name = HeaderName::from_static("idempotency-replayed");
        response.headers_mut().insert(name, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// Follow a link
///
/// Gives the file, once, to who made the link: to the browser that has the link's cookie, or to an access token of the maker's.
/// `HEAD` does not use the link up, and neither does an answer of 429 or 503. A link that was used, has expired, was never made or
/// was made by somebody else is 410.
#[utoipa::path(get, path = "/api/v1/downloads/{token}", tag = "Downloads", security(()), operation_id = "get_download",
    responses((status = 200, description = "The file")))]
pub(crate) async fn get_download(
    State(gateway): State<Arc<Gateway>>,
    Path(token): Path<String>,
    method: Method,
    _: NoQuery,
    headers: HeaderMap,
    sender: Sender,
) -> Result<Response, Problem> {
    let shown = Shown::of(&gateway, &headers, &sender.origin).await;
    if method == Method::HEAD {
        gateway.downloads.look(&token, &shown, Instant::now())?;
        return Ok(StatusCode::OK.into_response());
    }
    let target = gateway.downloads.take(&token, &shown, Instant::now())?;
    let answer = give(&gateway, &target, sender.origin).await;
    if let Err(problem) = &answer
        && matches!(problem.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
    {
        gateway.downloads.give_back(&token);
    }
    answer
}

/// Gives the file to whoever made the link, if their token still counts.
async fn give(gateway: &Arc<Gateway>, target: &Target, origin: Origin) -> Result<Response, Problem> {
    let caller = gateway.verifier.admit_header(Some(&target.authorization), origin).await?;
    // What was read once is read again.
    let wanted = Wanted::read(&target.path, &caller).map_err(Refusal::internal)?;
    wanted.answer(gateway, &caller).await
}

/// Where a link leads, and with which token. Never shown and never logged.
#[derive(Clone)]
pub(crate) struct Target {
    authorization: String,
    path: String,
}

/// Whose links are counted and told apart by key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Maker {
    user: UserId,
    workspace: WorkspaceId,
}

impl Maker {
    fn of(caller: &Caller) -> Self {
        Self { user: caller.user, workspace: caller.workspace }
    }
}

/// What a request shows of who sends it.
#[derive(Default)]
struct Shown {
    /// The cookies of links.
    bonds: Vec<String>,
    /// Whose access token it has.
    signed_in: Option<Maker>,
}

impl Shown {
    /// A token that is not good shows nothing: the link is asked for as by anybody.
    async fn of(gateway: &Gateway, headers: &HeaderMap, origin: &Origin) -> Self {
        let signed_in = match authorization(headers) {
            Some(token) => gateway.verifier.admit_header(Some(token), origin.clone()).await.ok(),
            None => None,
        };
        let bonds = Cookies::of_links(headers).take(MOST_OF_ONE).map(str::to_owned).collect();
        Self { bonds, signed_in: signed_in.as_ref().map(Maker::of) }
    }
}

struct Link<T> {
    maker: Maker,
    /// What the link's cookie says. It is given again with the link, when the request that made it is repeated.
    bond: String,
    /// The key that it was made with, and the body.
    key: Option<(String, Bytes)>,
    to: T,
    ends: Instant,
    expires: Millis,
    used: bool,
}

impl<T> Link<T> {
    fn is_good(&self, now: Instant) -> bool {
        !self.used && self.ends > now
    }

    /// Whether it was made by who asks for it. Digests are compared: how long that takes says nothing of the cookie.
    fn is_of(&self, shown: &Shown) -> bool {
        let digest = |bond: &str| Sha256::digest(bond.as_bytes());
        shown.signed_in == Some(self.maker)
            || shown.bonds.iter().any(|bond| digest(bond) == digest(&self.bond))
    }
}

/// The links of the last minute.
pub(crate) struct Links<T = Target> {
    links: Mutex<HashMap<String, Link<T>>>,
}

impl<T> Default for Links<T> {
    fn default() -> Self {
        Self { links: Mutex::default() }
    }
}

/// A link that was made.
#[derive(Debug, PartialEq, Eq)]
struct Made {
    token: String,
    bond: String,
    expires: Millis,
    replayed: bool,
}

fn gone() -> Refusal {
    Refusal::Gone("the link was used, or its minute is over: make another one".to_owned())
}

impl<T: Clone> Links<T> {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Link<T>>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make(
        &self,
        maker: Maker,
        until: Millis,
        to: T,
        key: Option<(String, Bytes)>,
        now: Instant,
    ) -> Result<Made, Refusal> {
        let mut links = self.lock();
        links.retain(|_, link| link.ends > now);
        if let Some((text, body)) = &key {
            let of_key = |link: &Link<T>| {
                link.maker == maker && link.key.as_ref().is_some_and(|(known, _)| known == text)
            };
            if let Some((token, link)) = links.iter().find(|(_, link)| of_key(link)) {
                let same = link.key.as_ref().is_some_and(|(_, known)| known == body);
                let (token, bond) = (token.clone(), link.bond.clone());
                let made = Made { token, bond, expires: link.expires, replayed: true };
                return if same { Ok(made) } else { Err(Refusal::KeyReused) };
            }
        }
        if links.len() >= MOST {
            return Err(Refusal::Unavailable("too many links at once: try again".to_owned()));
        }
        if links.values().filter(|link| link.maker.user == maker.user).count() >= MOST_OF_ONE {
            return Err(Refusal::TooMany { retry_after: LIFE });
        }
        let clock = Millis::now();
        let expires = clock.after(LIFE).min(until);
        let life = Duration::from_millis(u64::try_from(expires.0 - clock.0).unwrap_or(0));
        let secret = || URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        let (token, bond) = (secret(), secret());
        let link = Link { maker, bond: bond.clone(), key, to, ends: now + life, expires, used: false };
        links.insert(token.clone(), link);
        Ok(Made { token, bond, expires, replayed: false })
    }

    /// Whether a link is good for who asks.
    fn look(&self, token: &str, shown: &Shown, now: Instant) -> Result<(), Refusal> {
        let links = self.lock();
        links.get(token).filter(|link| link.is_good(now) && link.is_of(shown)).map(|_| ()).ok_or_else(gone)
    }

    /// Uses a link up. Who did not make it leaves it as it is.
    fn take(&self, token: &str, shown: &Shown, now: Instant) -> Result<T, Refusal> {
        let mut links = self.lock();
        let good = |link: &&mut Link<T>| link.is_good(now) && link.is_of(shown);
        let link = links.get_mut(token).filter(good).ok_or_else(gone)?;
        link.used = true;
        Ok(link.to.clone())
    }

    /// The link was of no use.
    fn give_back(&self, token: &str) {
        if let Some(link) = self.lock().get_mut(token) {
            link.used = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn somebody() -> Maker {
        Maker { user: UserId::new(), workspace: WorkspaceId::new() }
    }

    fn key(body: &'static str) -> Option<(String, Bytes)> {
        Some(("k".to_owned(), Bytes::from_static(body.as_bytes())))
    }

    /// Who has the link's cookie.
    fn with(made: &Made) -> Shown {
        Shown { bonds: vec!["x".to_owned(), made.bond.clone()], signed_in: None }
    }

    #[test]
    fn a_link_is_as_unknown_to_all_but_its_maker() {
        let links = Links::default();
        let (one, now) = (somebody(), Instant::now());
        let made = links.make(one, Millis::MAX, "here", None, now).unwrap();
        let others = links.make(one, Millis::MAX, "there", None, now).unwrap();
        let signed_in = |maker| Shown { signed_in: Some(maker), ..Shown::default() };
        let elsewhere = Maker { workspace: WorkspaceId::new(), ..one };
        for shown in [Shown::default(), with(&others), signed_in(somebody()), signed_in(elsewhere)] {
            assert_eq!(links.look(&made.token, &shown, now), Err(gone()));
            assert_eq!(links.take(&made.token, &shown, now), Err(gone()));
        }
        assert_eq!(links.take(&made.token, &with(&made), now), Ok("here"), "nobody else has used it up");
        assert_eq!(links.take(&others.token, &signed_in(one), now), Ok("there"));
    }

    #[test]
    fn a_link_is_good_once_and_for_a_minute() {
        let links = Links::default();
        let now = Instant::now();
        let made = links.make(somebody(), Millis::MAX, "here", None, now).unwrap();
        assert_eq!(made.token.len(), 43);
        let life = made.expires.0 - Millis::now().0;
        assert!((59_000..=60_000).contains(&life), "{life}");
        assert_eq!(links.look(&made.token, &with(&made), now), Ok(()));
        assert_eq!(links.take(&made.token, &with(&made), now), Ok("here"));
        assert_eq!(links.take(&made.token, &with(&made), now), Err(gone()));
        links.give_back(&made.token);
        assert_eq!(links.take(&made.token, &with(&made), now + Duration::from_secs(60)), Err(gone()));
        assert_eq!(links.take(&made.token, &with(&made), now + Duration::from_secs(59)), Ok("here"));
        assert_eq!(links.take("another", &with(&made), now), Err(gone()));
    }

    #[test]
    fn a_link_ends_with_the_token_that_it_was_made_with() {
        let links = Links::default();
        let now = Instant::now();
        let until = Millis::now().after(Duration::from_secs(5));
        let made = links.make(somebody(), until, "here", None, now).unwrap();
        assert_eq!(made.expires, until);
        assert_eq!(links.take(&made.token, &with(&made), now + Duration::from_secs(5)), Err(gone()));
        let made = links.make(somebody(), Millis(0), "here", None, now).unwrap();
        assert_eq!(links.take(&made.token, &with(&made), now), Err(gone()));
    }

    #[test]
    fn a_key_gives_the_same_link_again_to_the_same_person() {
        let links = Links::default();
        let (one, now) = (somebody(), Instant::now());
        let made = links.make(one, Millis::MAX, "here", key("a"), now).unwrap();
        let again = links.make(one, Millis::MAX, "here", key("a"), now).unwrap();
        assert_eq!((&again.token, &again.bond, again.replayed), (&made.token, &made.bond, true));
        assert_eq!(links.make(one, Millis::MAX, "there", key("b"), now), Err(Refusal::KeyReused));
        let other = links.make(somebody(), Millis::MAX, "here", key("a"), now).unwrap();
        assert!(other.token != made.token && !other.replayed);
        let later = links.make(one, Millis::MAX, "there", key("b"), now + LIFE).unwrap();
        assert!(!later.replayed);
    }

    #[test]
    fn links_are_bounded_and_room_is_made_by_those_that_ended() {
        let links = Links::default();
        let (one, now) = (somebody(), Instant::now());
        for _ in 0..MOST_OF_ONE {
            links.make(one, Millis::MAX, "here", None, now).unwrap();
        }
        let refused = links.make(one, Millis::MAX, "here", None, now);
        assert!(matches!(refused, Err(Refusal::TooMany { .. })), "{refused:?}");
        assert!(links.make(somebody(), Millis::MAX, "here", None, now).is_ok());
        assert!(links.make(one, Millis::MAX, "here", None, now + LIFE).is_ok());
        assert_eq!(links.lock().len(), 1);
    }
}
