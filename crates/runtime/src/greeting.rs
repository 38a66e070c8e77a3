//! The first bytes of a connection: whoever connects and says nothing, or breaks off within what opens HTTP/2, is not waited for.
//!
//! hyper's own limits begin behind them, with the first line of HTTP/1 and the first frame of HTTP/2.

use std::{
    future::Future,
    io::{self, ErrorKind, IoSlice},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::OwnedSemaphorePermit,
    time::{Sleep, sleep},
};
use tonic::transport::server::Connected;

/// What a client begins HTTP/2 with (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection that has its place among those that are served, and whose first bytes must come in time.
pub(crate) struct Greeted<IO> {
    io: IO,
    /// Until all of the preface is there, or what can't become one.
    due: Option<Pin<Box<Sleep>>>,
    /// So much of the preface has come.
    come: usize,
    _place: OwnedSemaphorePermit,
}

impl<IO> Greeted<IO> {
    pub(crate) fn new(io: IO, within: Duration, place: OwnedSemaphorePermit) -> Self {
        Self { io, due: Some(Box::pin(sleep(within))), come: 0, _place: place }
    }

    fn look_at(&mut self, bytes: &[u8]) {
        let due = &PREFACE[self.come..];
        let length = bytes.len().min(due.len());
        self.come += length;
        if bytes.is_empty() || bytes[..length] != due[..length] || self.come == PREFACE.len() {
            self.due = None;
        }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Greeted<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.io).poll_read(cx, buffer);
        let Some(due) = &mut this.due else { return read };
        match read {
            Poll::Pending => due.as_mut().poll(cx).map(|()| Err(ErrorKind::TimedOut.into())),
            Poll::Ready(read) => {
                this.look_at(&buffer.filled()[before..]);
                Poll::Ready(read)
            }
        }
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Greeted<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

impl<IO: Connected> Connected for Greeted<IO> {
    type ConnectInfo = IO::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.io.connect_info()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, duplex},
        sync::Semaphore,
        time::timeout,
    };

    use super::*;

    const SOON: Duration = Duration::from_millis(50);

    /// What is read after the client has sent these pieces and waits; `None` if it is waited for.
    async fn read(pieces: &[&[u8]]) -> Option<io::Result<usize>> {
        let (mut client, server) = duplex(1024);
        let place = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
        let mut greeted = Greeted::new(server, SOON, place);
        for piece in pieces {
            client.write_all(piece).await.unwrap();
            let mut into = vec![0; piece.len()];
            greeted.read_exact(&mut into).await.unwrap();
            assert_eq!(&into, piece, "what is looked at is handed on");
        }
        timeout(SOON * 6, greeted.read(&mut [0; 64])).await.ok()
    }

    #[tokio::test]
    async fn who_says_nothing_or_breaks_off_within_the_preface_is_not_waited_for() {
        for pieces in [vec![], vec![&b"P"[..]], vec![b"PRI * HT", b"TP/2.0\r\n\r\nSM\r\n\r"]] {
            let error = read(&pieces).await.expect("it is not waited for").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut, "{pieces:?}");
        }
    }

    #[tokio::test]
    async fn who_has_begun_is_waited_for_by_the_limits_of_the_protocol() {
        for pieces in [vec![PREFACE], vec![&PREFACE[..5], &PREFACE[5..]], vec![b"G"], vec![b"PR", b"OPFIND"]]
        {
            assert!(read(&pieces).await.is_none(), "{pieces:?}");
        }
    }
}
