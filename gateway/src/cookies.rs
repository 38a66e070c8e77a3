//! The cookies: one carries the refresh token, with the check that our own page sent it; one binds a link to who made it.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::{HeaderMap, HeaderValue, header, request::Parts};
use leadline_runtime::refusal::Refusal;

use crate::{
    gateway::Gateway,
    limits::{Network, Peer, is_trusted},
    problem::Problem,
};

const NAME: &str = "leadline_refresh";
const PATH: &str = "/api/v1/auth";
/// The cookie that belongs to a link for a download.
const LINK: &str = "leadline_download";

/// How a request came, as far as cookies are concerned.
pub(crate) struct Way {
    pub(crate) headers: HeaderMap,
    pub(crate) over_tls: bool,
    pub(crate) host: Option<String>,
}

impl FromRequestParts<Arc<Gateway>> for Way {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &Arc<Gateway>) -> Result<Self, Problem> {
        let connection = parts.extensions.get::<std::net::SocketAddr>().map(|peer| Peer(peer.ip()));
        let named = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()).map(str::to_owned);
        Ok(Self {
            over_tls: came_over_tls(&parts.headers, connection, &gateway.trusted_proxies),
            // HTTP/2 names the host in the request's target.
            host: named.or_else(|| parts.uri.authority().map(|authority| authority.as_str().to_owned())),
            headers: parts.headers.clone(),
        })
    }
}

/// Whether cookies are sent over TLS only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecureCookies {
    /// Always.
    Always,
    /// Except where a browser talks plain HTTP to its own machine, by the name `localhost` or a loopback address.
    Auto,
}

impl SecureCookies {
    /// Parses the setting.
    ///
    /// # Errors
    /// A sentence for anything but `auto` and `always`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "auto" => Ok(Self::Auto),
            "always" => Ok(Self::Always),
            _ => Err("must be auto or always"),
        }
    }
}

/// Sets and reads the cookie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cookies {
    pub(crate) secure: SecureCookies,
}

impl Cookies {
    /// The refresh token that a request brings.
    pub(crate) fn read(headers: &HeaderMap) -> Option<String> {
        named(headers, NAME).next().map(str::to_owned)
    }

    /// What a request brings of the cookies of links: a browser sends the one of the link that it follows.
    pub(crate) fn of_links(headers: &HeaderMap) -> impl Iterator<Item = &str> {
        named(headers, LINK)
    }

    /// `Set-Cookie` for a new token, good for `seconds`.
    pub(crate) fn set(
        self,
        token: &str,
        seconds: u32,
        over_tls: bool,
        host: Option<&str>,
    ) -> Option<HeaderValue> {
        let secure = self.secure(over_tls, host);
        let cookie =
            format!("{NAME}={token}; HttpOnly{secure}; SameSite=Strict; Path={PATH}; Max-Age={seconds}");
        HeaderValue::try_from(cookie).ok()
    }

    /// `Set-Cookie` that binds the link at `path` to this browser. Each link has one of its own, by its path, so that
    /// downloads that begin at the same time don't take each other's away.
    pub(crate) fn bind(self, path: &str, value: &str, seconds: u64, way: &Way) -> Option<HeaderValue> {
        let secure = self.secure(way.over_tls, way.host.as_deref());
        let cookie =
            format!("{LINK}={value}; HttpOnly{secure}; SameSite=Strict; Path={path}; Max-Age={seconds}");
        HeaderValue::try_from(cookie).ok()
    }

    fn secure(self, over_tls: bool, host: Option<&str>) -> &'static str {
        let local = self.secure == SecureCookies::Auto && !over_tls && host.is_some_and(is_local);
        if local { "" } else { "; Secure" }
    }

    /// `Set-Cookie` that takes it away.
    pub(crate) fn clear(self, over_tls: bool, host: Option<&str>) -> Option<HeaderValue> {
        self.set("", 0, over_tls, host)
    }
}

/// The values of a cookie, those that have one.
fn named<'h>(headers: &'h HeaderMap, cookie: &'static str) -> impl Iterator<Item = &'h str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(move |(name, value)| *name == cookie && !value.is_empty())
        .map(|(_, value)| value)
}

/// Whether a `Host` is the browser's own machine.
fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.to_ascii_lowercase().ends_with(".localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether a trusted proxy says that the client came over TLS.
pub(crate) fn came_over_tls(headers: &HeaderMap, connection: Option<Peer>, trusted: &[Network]) -> bool {
    let by_proxy = connection.is_some_and(|Peer(address)| is_trusted(address, trusted));
    by_proxy
        && headers
            .get("x-forwarded-proto")
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"https"))
}

/// Demands that a request with the cookie comes from a page of ours. `SameSite=Strict` keeps other sites out already; this
/// also keeps out other hosts of the same site, and browsers that don't know `SameSite`.
///
/// # Errors
/// [`Refusal::Forbidden`] for a request of another origin's page.
pub(crate) fn check_origin(headers: &HeaderMap, host: Option<&str>) -> Result<(), Refusal> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let refuse =
        || Err(Refusal::Forbidden("the refresh cookie counts only from the dashboard's own page".to_owned()));
    if let Some(site) = text("sec-fetch-site") {
        return if matches!(site, "same-origin" | "none") { Ok(()) } else { refuse() };
    }
    let Some(origin) = text("origin") else { return Ok(()) };
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    match (authority, host) {
        (Some(authority), Some(host)) if authority.eq_ignore_ascii_case(host) => Ok(()),
        _ => refuse(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUTO: Cookies = Cookies { secure: SecureCookies::Auto };

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| ((*name).try_into().unwrap(), HeaderValue::from_static(value)))
            .collect()
    }

    fn secure(cookies: Cookies, tls: bool, host: &str) -> bool {
        cookies.set("t", 60, tls, Some(host)).unwrap().to_str().unwrap().contains("; Secure")
    }

    #[test]
    fn the_cookie_is_kept_from_scripts_and_other_sites() {
        assert_eq!(
            AUTO.set("abc", 2_592_000, true, Some("crm.example")).unwrap(),
            "leadline_refresh=abc; HttpOnly; Secure; SameSite=Strict; Path=/api/v1/auth; Max-Age=2592000"
        );
        assert!(AUTO.clear(false, None).unwrap().to_str().unwrap().starts_with("leadline_refresh=; "));
    }

    #[test]
    fn a_link_has_a_cookie_of_its_own() {
        let way =
            |host: &str| Way { headers: HeaderMap::new(), over_tls: false, host: Some(host.to_owned()) };
        let cookie = |host| AUTO.bind("/api/v1/downloads/a", "v", 60, &way(host)).unwrap();
        assert_eq!(
            cookie("crm.example"),
            "leadline_download=v; HttpOnly; Secure; SameSite=Strict; Path=/api/v1/downloads/a; Max-Age=60"
        );
        assert_eq!(
            cookie("localhost:8080"),
            "leadline_download=v; HttpOnly; SameSite=Strict; Path=/api/v1/downloads/a; Max-Age=60"
        );
        let headers = headers(&[("cookie", "leadline_refresh=r; leadline_download=a; leadline_download=b")]);
        assert_eq!(Cookies::of_links(&headers).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn secure_is_left_out_only_on_plain_http_to_the_own_machine() {
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "[::1]:8080", "app.localhost"] {
            assert!(!secure(AUTO, false, host), "{host}");
        }
        for host in ["crm.example", "192.168.1.5:8080", "localhost.evil.example", "127.0.0.1.evil.example"] {
            assert!(secure(AUTO, false, host), "{host}");
        }
        assert!(secure(AUTO, true, "localhost"));
        assert!(secure(Cookies { secure: SecureCookies::Always }, false, "localhost"));
    }

    #[test]
    fn the_token_is_found_among_other_cookies() {
        let read = |line| Cookies::read(&headers(&[("cookie", line)]));
        assert_eq!(read("a=b; leadline_refresh=t0k.en; c=d").as_deref(), Some("t0k.en"));
        assert_eq!(read("xleadline_refresh=1"), None);
        assert_eq!(read("leadline_refresh="), None);
    }

    #[test]
    fn a_page_of_another_origin_can_not_refresh() {
        let check = |pairs: &[_]| check_origin(&headers(pairs), Some("crm.example")).is_ok();
        assert!(check(&[]));
        assert!(check(&[("origin", "https://crm.example")]));
        assert!(check(&[("sec-fetch-site", "same-origin")]));
        assert!(!check(&[("origin", "https://evil.example")]));
        assert!(!check(&[("origin", "null")]));
        assert!(!check(&[("sec-fetch-site", "same-site")]));
        assert!(!check(&[("sec-fetch-site", "cross-site"), ("origin", "https://crm.example")]));
    }
}
