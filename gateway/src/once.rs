//! `Idempotency-Key`: taken on every POST, given on to the service that keeps it with its write.

use axum::extract::FromRequestParts;
use http::{HeaderName, HeaderValue, request::Parts};
use leadline_runtime::{
    caller::Caller,
    once::{self, LONGEST_KEY},
};

use crate::problem::Problem;

const HEADER: &str = "idempotency-key";

/// The key of a POST, if it has one, and the path that it is for.
pub(crate) struct Key {
    key: Option<String>,
    path: String,
}

impl<S: Sync> FromRequestParts<S> for Key {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let refuse = || {
            let message = format!("must be given once, with 1 to {LONGEST_KEY} visible ASCII characters");
            Problem::bad_header("Idempotency-Key", message)
        };
        let path = parts.uri.path().to_owned();
        let mut values = parts.headers.get_all(HEADER).iter();
        let Some(value) = values.next() else { return Ok(Self { key: None, path }) };
        let key = value.to_str().map_err(|_| refuse())?;
        let sane = (1..=LONGEST_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
        if !sane || values.next().is_some() {
            return Err(refuse());
        }
        Ok(Self { key: Some(key.to_owned()), path })
    }
}

impl Key {
    /// The key itself: for what is kept in this process.
    pub(crate) fn text(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// A call on the caller's behalf that carries the key. `body` is the request's body as it came in.
    pub(crate) fn request<T>(&self, caller: &Caller, message: T, body: &[u8]) -> tonic::Request<T> {
        let mut request = caller.request(message);
        if let Some(key) = &self.key {
            once::attach(&mut request, key, &self.path, body);
        }
        request
    }

    /// A call that streams a file: what the key is compared by is hashed on the way, and told in the last message.
    pub(crate) fn upload<T>(&self, caller: &Caller, messages: T) -> tonic::Request<T> {
        let mut request = caller.upload(messages);
        if let Some(key) = &self.key {
            once::attach(&mut request, key, &self.path, b"");
        }
        request
    }
}

/// The header that tells that an answer was given before.
pub(crate) fn replayed<T>(answer: &tonic::Response<T>) -> Option<(HeaderName, HeaderValue)> {
    once::is_replayed(answer)
        .then(|| (HeaderName::from_static("idempotency-replayed"), HeaderValue::from_static("true")))
}

#[cfg(test)]
mod tests {
    use axum::extract::Request;

    use super::*;

    async fn read(values: &[&[u8]]) -> Result<Option<String>, u16> {
        let mut request = Request::post("/api/v1/leads");
        for value in values {
            request = request.header(HEADER, HeaderValue::from_bytes(value).unwrap());
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        Key::from_request_parts(&mut parts, &()).await.map(|key| key.key).map_err(|p| p.status().as_u16())
    }

    #[tokio::test]
    async fn a_key_is_visible_ascii_of_sane_length_and_given_once() {
        assert_eq!(read(&[]).await, Ok(None));
        assert_eq!(read(&[b"a-1"]).await, Ok(Some("a-1".into())));
        assert!(read(&[&[b'k'; 255]]).await.is_ok());
        for bad in [&[&b""[..]][..], &[b"a b"], &[&[b'k'; 256]], &[b"\xc3\xa9"], &[b"a", b"a"]] {
            assert_eq!(read(bad).await, Err(400), "{bad:?}");
        }
    }
}
