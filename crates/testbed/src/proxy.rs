//! A TCP proxy that fails as networks do.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::wait::eventually;

/// Forwards connections to a target, and holds up, cuts or refuses them on demand. It lives in the runtime it was
/// started in; dropping it cuts every connection.
#[derive(Debug)]
pub struct Proxy {
    addr: SocketAddr,
    target: SocketAddr,
    flow: watch::Sender<Flow>,
    /// Each value is one more cut; connections end when it changes, or when the proxy is dropped.
    cuts: watch::Sender<u64>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug, Clone, Copy)]
enum Flow {
    Pass,
    Delay(Duration),
    Stall,
}

impl Proxy {
    /// Listens on a port of 127.0.0.1 and forwards to `target`.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", crate::free_port()?)).await?;
        let mut proxy = Self {
            addr: listener.local_addr()?,
            target,
            flow: watch::Sender::new(Flow::Pass),
            cuts: watch::Sender::new(0),
            accepting: None,
        };
        proxy.accept_from(listener);
        Ok(proxy)
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Forwards at once, what was held back first.
    pub fn pass(&self) {
        self.flow.send_replace(Flow::Pass);
    }

    /// Holds every piece of data back for `delay`, both ways; new connections are accepted at once.
    pub fn delay(&self, delay: Duration) {
        self.flow.send_replace(Flow::Delay(delay));
    }

    /// Lets nothing through and tells nobody, like a lost route; [`pass`](Self::pass) lets it flow again.
    pub fn stall(&self) {
        self.flow.send_replace(Flow::Stall);
    }

    /// Resets every connection there is; new ones are served.
    pub fn reset(&self) {
        self.cuts.send_modify(|cut| *cut += 1);
    }

    /// Resets every connection there is and refuses new ones, like a dead server on a living machine.
    pub async fn refuse(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
            // Only when the task is gone has the listener been closed. That it was aborted is no news.
            accepting.await.ok();
        }
        self.reset();
    }

    /// Accepts connections again, on the same port, after [`refuse`](Self::refuse).
    ///
    /// # Errors
    /// When another program has taken the port.
    pub async fn accept_again(&mut self) -> Result<()> {
        if self.accepting.is_none() {
            let listener = eventually(Duration::from_secs(5), "the proxy's port is free", async || {
                TcpListener::bind(self.addr).await.context("cannot listen")
            })
            .await?;
            self.accept_from(listener);
        }
        Ok(())
    }

    fn accept_from(&mut self, listener: TcpListener) {
        let (flow, cuts, target) = (self.flow.subscribe(), self.cuts.subscribe(), self.target);
        self.accepting = Some(tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let mut cuts = cuts.clone();
                cuts.mark_unchanged();
                tokio::spawn(serve(client, target, flow.clone(), cuts));
            }
        }));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
        }
    }
}

async fn serve(
    mut client: TcpStream,
    target: SocketAddr,
    flow: watch::Receiver<Flow>,
    mut cuts: watch::Receiver<u64>,
) {
    let Ok(mut server) = TcpStream::connect(target).await else {
        client.set_zero_linger().ok();
        return;
    };
    let ended_well = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let both = async {
            tokio::try_join!(pump(from_client, to_server, flow.clone()), pump(from_server, to_client, flow))
        };
        tokio::select! {
            ended = both => ended.is_ok(),
            _ = cuts.changed() => false,
        }
    };
    if !ended_well {
        // Closing then sends a reset instead of an orderly end.
        client.set_zero_linger().ok();
        server.set_zero_linger().ok();
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut flow: watch::Receiver<Flow>,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        hold(&mut flow).await;
        if length == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..length]).await?;
    }
}

/// Waits as long as data is to be held back now.
async fn hold(flow: &mut watch::Receiver<Flow>) {
    loop {
        let now = *flow.borrow_and_update();
        match now {
            Flow::Pass => return,
            Flow::Delay(delay) => return tokio::time::sleep(delay).await,
            Flow::Stall => {
                if flow.changed().await.is_err() {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn echo() -> Result<SocketAddr> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await.ok();
                });
            }
        });
        Ok(addr)
    }

    async fn says(stream: &mut TcpStream, text: &str) -> Result<()> {
        stream.write_all(text.as_bytes()).await?;
        let mut back = vec![0; text.len()];
        stream.read_exact(&mut back).await?;
        assert_eq!(back, text.as_bytes());
        Ok(())
    }

    #[tokio::test]
    async fn a_stalled_connection_goes_on_where_it_stopped() -> Result<()> {
        let proxy = Proxy::start(echo().await?).await?;
        let mut stream = TcpStream::connect(proxy.addr()).await?;
        says(&mut stream, "one").await?;
        proxy.stall();
        let stalled = tokio::time::timeout(Duration::from_millis(100), says(&mut stream, "two")).await;
        assert!(stalled.is_err(), "something came through");
        proxy.pass();
        let mut back = [0; 3];
        stream.read_exact(&mut back).await?;
        assert_eq!(&back, b"two");
        Ok(())
    }

    #[tokio::test]
    async fn a_reset_ends_old_connections_and_a_refusal_new_ones_too() -> Result<()> {
        let mut proxy = Proxy::start(echo().await?).await?;
        let mut stream = TcpStream::connect(proxy.addr()).await?;
        says(&mut stream, "one").await?;
        proxy.reset();
        let error = stream.read(&mut [0; 1]).await.expect_err("it was reset");
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);

        let mut next = TcpStream::connect(proxy.addr()).await?;
        says(&mut next, "two").await?;
        proxy.refuse().await;
        let refused = TcpStream::connect(proxy.addr()).await.expect_err("it was refused");
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);

        proxy.accept_again().await?;
        let mut last = TcpStream::connect(proxy.addr()).await?;
        says(&mut last, "three").await
    }

    #[tokio::test]
    async fn a_delay_holds_both_ways() -> Result<()> {
        let proxy = Proxy::start(echo().await?).await?;
        proxy.delay(Duration::from_millis(50));
        let mut stream = TcpStream::connect(proxy.addr()).await?;
        let began = std::time::Instant::now();
        says(&mut stream, "late").await?;
        assert!(began.elapsed() >= Duration::from_millis(100));
        Ok(())
    }
}
