//! A body that is written piece by piece, and that ends only when it is said to be whole.

use std::{io, time::Duration};

use axum::body::Body;
use bytes::Bytes;
use tokio::sync::mpsc;

/// How many pieces wait for the client.
const WAITING: usize = 2;
/// How long a client may leave a piece unread.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why a file is broken off; there is nobody left to tell more, but for the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum Cut {
    /// The client left, or reads no more.
    #[error("the client left or stopped reading")]
    Client,
    /// The service broke off, was silent, or sent another number of rows than it says.
    #[error("{0}")]
    Service(String),
    /// The document could not be written.
    #[error(transparent)]
    Document(#[from] leadline_documents::Error),
    /// A temporary file could not be written or read.
    #[error("a temporary file: {0}")]
    File(#[from] io::Error),
}

enum Piece {
    Bytes(Bytes),
    End,
}

/// Where pieces go. Dropped without [`Out::end`], it breaks the body off.
pub(super) struct Out(mpsc::Sender<Piece>);

/// A body and where its pieces are given.
pub(super) fn channel() -> (Out, Body) {
    let (sender, receiver) = mpsc::channel(WAITING);
    let pieces = futures::stream::unfold(Some(receiver), |receiver| async move {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Piece::Bytes(bytes)) => Some((Ok(bytes), Some(receiver))),
            Some(Piece::End) => None,
            None => Some((Err(io::Error::other("the file could not be finished")), None)),
        }
    });
    (Out(sender), Body::from_stream(pieces))
}

impl Out {
    /// Gives a piece.
    ///
    /// # Errors
    /// [`Cut::Client`] when nobody takes it in time.
    pub(super) async fn send(&self, bytes: impl Into<Bytes>) -> Result<(), Cut> {
        self.give(Piece::Bytes(bytes.into())).await
    }

    /// Ends the body: it is whole.
    ///
    /// # Errors
    /// [`Cut::Client`] when nobody takes it in time.
    pub(super) async fn end(self) -> Result<(), Cut> {
        self.give(Piece::End).await
    }

    /// Whether anybody is still there.
    ///
    /// # Errors
    /// [`Cut::Client`] when nobody is.
    pub(super) fn check(&self) -> Result<(), Cut> {
        if self.0.is_closed() { Err(Cut::Client) } else { Ok(()) }
    }

    async fn give(&self, piece: Piece) -> Result<(), Cut> {
        self.0.send_timeout(piece, PATIENCE).await.map_err(|_| Cut::Client)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_body_ends_only_when_it_is_said_to_be_whole() {
        let (out, body) = channel();
        let given = async {
            out.send("one").await.unwrap();
            out.send("two").await.unwrap();
            out.end().await.unwrap();
        };
        let ((), read) = tokio::join!(given, body.collect());
        assert_eq!(read.unwrap().to_bytes(), "onetwo");

        let (out, body) = channel();
        out.send("one").await.unwrap();
        drop(out);
        assert!(body.collect().await.is_err());
    }

    #[tokio::test]
    async fn a_client_that_left_is_noticed() {
        let (out, body) = channel();
        assert!(out.check().is_ok());
        drop(body);
        assert!(matches!(out.check(), Err(Cut::Client)));
        assert!(matches!(out.send("x").await, Err(Cut::Client)));
    }
}
