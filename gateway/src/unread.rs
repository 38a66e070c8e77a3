//! What a client is still sending when it has been refused.
//!
//! Over HTTP/1, a connection that is closed under unread data is reset, and the client loses the answer that says why. So a
//! bounded part of the rest is read and thrown away first, as other servers linger before they close.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, BodyDataStream, HttpBody},
    extract::Request,
};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::{Version, header};

/// How much is thrown away at most, in bytes.
const MOST: usize = 8 * 1024 * 1024;
/// For how long.
const TIME: Duration = Duration::from_secs(5);
/// The same of a file: many a client looks for an answer only when it has sent all.
const MOST_OF_FILE: usize = 256 * 1024 * 1024;
const TIME_OF_FILE: Duration = Duration::from_secs(20);

/// A body that two hands hold: the handler that may read it, and whoever reads the rest.
struct Held(Arc<Mutex<BodyDataStream>>);

/// What the handler leaves of a request's body.
pub(crate) struct Rest(Held);

impl Stream for Held {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).poll_next_unpin(context)
    }
}

/// Keeps a hand on the body of a request that has one. Not for HTTP/2, which ends one stream without the others, nor for a
/// client that asks before it sends.
pub(crate) fn keep(request: Request) -> (Request, Option<Rest>) {
    let asks = request.headers().contains_key(header::EXPECT);
    if request.version() >= Version::HTTP_2 || asks || request.body().is_end_stream() {
        return (request, None);
    }
    let (parts, body) = request.into_parts();
    let body = Arc::new(Mutex::new(body.into_data_stream()));
    let request = Request::from_parts(parts, Body::from_stream(Held(body.clone())));
    (request, Some(Rest(Held(body))))
}

impl Rest {
    /// Reads it and throws it away, up to a bound.
    pub(crate) async fn discard(self, is_file: bool) {
        let mut body = self.0;
        let (mut left, time) = if is_file { (MOST_OF_FILE, TIME_OF_FILE) } else { (MOST, TIME) };
        let read = async {
            while let Some(Ok(piece)) = body.next().await {
                match left.checked_sub(piece.len()) {
                    Some(less) => left = less,
                    None => return,
                }
            }
        };
        // Whoever has not ended by then sees the connection close.
        let _ = tokio::time::timeout(time, read).await;
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    fn request(body: Body) -> Request {
        Request::post("/").body(body).unwrap()
    }

    fn pieces(count: usize) -> Body {
        Body::from_stream(stream::iter(
            (0..count).map(|_| Ok::<_, axum::Error>(Bytes::from_static(&[0; 1024]))),
        ))
    }

    async fn is_left(body: BodyDataStream, read: usize) -> bool {
        let (request, rest) = keep(request(Body::from_stream(body)));
        let read: Vec<_> = request.into_body().into_data_stream().take(read).collect().await;
        assert!(read.iter().all(Result::is_ok));
        let rest = rest.unwrap();
        let mut held = Held(rest.0.0.clone());
        rest.discard(false).await;
        held.next().await.is_some()
    }

    #[tokio::test]
    async fn what_the_handler_leaves_is_thrown_away_up_to_a_bound() {
        assert!(!is_left(pieces(3).into_data_stream(), 0).await);
        assert!(!is_left(pieces(3).into_data_stream(), 1).await);
        assert!(!is_left(pieces(3).into_data_stream(), 3).await);
        assert!(is_left(pieces(MOST / 1024 + 10).into_data_stream(), 1).await);
    }

    #[test]
    fn there_is_no_rest_of_nothing_nor_where_the_client_asks_first() {
        assert!(keep(request(Body::empty())).1.is_none());
        let mut asking = request(pieces(1));
        asking.headers_mut().insert(header::EXPECT, http::HeaderValue::from_static("100-continue"));
        assert!(keep(asking).1.is_none());
        let mut newer = request(pieces(1));
        *newer.version_mut() = Version::HTTP_2;
        assert!(keep(newer).1.is_none());
    }
}
