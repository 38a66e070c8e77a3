//! The cookie that carries the refresh token, and the check that our own page sent it.

use http::{HeaderMap, HeaderValue, header};
use leadline_runtime::refusal::Refusal;

use crate::limits::{Network, Peer, is_trusted};

const NAME: &str = "leadline_refresh";
const PATH: &str = "/api/v1/auth";

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
        headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(name, value)| *name == NAME && !value.is_empty())
            .map(|(_, value)| value.to_owned())
    }

    /// `Set-Cookie` for a new token, good for `seconds`.
    pub(crate) fn set(
        self,
        token: &str,
        seconds: u32,
        over_tls: bool,
        host: Option<&str>,
    ) -> Option<HeaderValue> {
        let local = self.secure == SecureCookies::Auto && !over_tls && host.is_some_and(is_local);
        let secure = if local { "" } else { "; Secure" };
        let cookie =
            format!("{NAME}={token}; HttpOnly{secure}; SameSite=Strict; Path={PATH}; Max-Age={seconds}");
        HeaderValue::try_from(cookie).ok()
    }

    /// `Set-Cookie` that takes it away.
    pub(crate) fn clear(self, over_tls: bool, host: Option<&str>) -> Option<HeaderValue> {
        self.set("", 0, over_tls, host)
    }
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
