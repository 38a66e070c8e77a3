//! Who is asking: the extractor that admits a caller by their access token.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::{HeaderMap, header, request::Parts};
use leadline_proto::auth::Client;
use leadline_runtime::caller::{Caller, Origin};

use crate::{gateway::Gateway, limits::Peer, problem::Problem, turns};

/// The longest User-Agent that is kept, in characters.
const LONGEST_AGENT: usize = 300;

/// Somebody who is signed in.
pub(crate) struct SignedIn(pub(crate) Caller);

impl FromRequestParts<Arc<Gateway>> for SignedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &Arc<Gateway>) -> Result<Self, Problem> {
        let header = authorization(&parts.headers);
        let caller = gateway.verifier.admit_header(header, origin(parts)).await?;
        turns::admitted(&parts.extensions, &parts.method, caller.workspace).await?;
        Ok(Self(caller))
    }
}

/// Where a request comes from: for calls that nobody needs to be signed in for.
pub(crate) struct Sender {
    /// The request's id and trace.
    pub(crate) origin: Origin,
    /// Address and User-Agent.
    pub(crate) client: Client,
}

impl<S: Sync> FromRequestParts<S> for Sender {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.0.to_string()).unwrap_or_default();
        let agent =
            parts.headers.get(header::USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let user_agent = agent.unwrap_or_default().chars().take(LONGEST_AGENT).collect();
        Ok(Self { origin: origin(parts), client: Client { address: peer, user_agent } })
    }
}

/// The value of `Authorization`. Of two, nobody knows which one a proxy before us has looked at: there is none then.
pub(crate) fn authorization(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (Some(only), None) => only.to_str().ok(),
        _ => None,
    }
}

fn origin(parts: &Parts) -> Origin {
    parts.extensions.get::<Origin>().cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn of_two_tokens_none_counts() {
        let mut headers = HeaderMap::new();
        headers.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer a"));
        assert_eq!(authorization(&headers), Some("Bearer a"));
        headers.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer b"));
        assert_eq!(authorization(&headers), None);
    }
}
