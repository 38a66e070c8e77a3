//! The replicas behind an address: who they are now, which of them answer, and a connection to each.
//!
//! Calls go to all replicas in turn that a connection stands to. The others are tried beside the calls, so that a replica that
//! is gone, or not yet there, costs nobody time. A call is made again elsewhere only if it never left this process, or only reads.

use std::{
    collections::HashSet,
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{FutureExt, future::select_ok};
use http::{Request, Response, Uri, uri::Authority};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::http2::{self, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tonic::{Status, body::Body};

use crate::tls::Tls;

/// How long connecting may take, TLS included.
const CONNECT_TIME: Duration = Duration::from_secs(2);
/// How long what a name stands for is held to be true.
const LOOK_UP: Duration = Duration::from_secs(5);
/// How long a replica that did not answer is left alone, as long as another one does.
const REST: Duration = Duration::from_millis(500);
/// So often a call that has not left is offered to a connection.
const OFFERS: usize = 6;
/// A replica that is stopped or cut off is noticed by its silence.
const SILENCE: Duration = Duration::from_secs(5);

/// A place of a list of addresses.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// For the URI of each call.
    pub(super) authority: Authority,
    pub(super) host: String,
    pub(super) port: u16,
    /// Set for `https`.
    pub(super) tls: Option<Arc<Tls>>,
}

/// The replicas that a list of addresses stands for.
pub(super) struct Peers {
    places: Vec<Place>,
    known: Mutex<Known>,
    turn: AtomicUsize,
}

#[derive(Default)]
struct Known {
    peers: Vec<Arc<Peer>>,
    looked_up: Option<Instant>,
}

/// A replica.
struct Peer {
    place: Place,
    address: SocketAddr,
    line: Mutex<Line>,
    /// Held by whoever connects.
    connecting: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Line {
    sender: Option<SendRequest<Body>>,
    failed: Option<Instant>,
}

/// A call that was not answered.
struct Unsent {
    /// Given back if it never left.
    request: Option<Request<Body>>,
    why: String,
}

impl Peers {
    pub(super) fn new(places: Vec<Place>) -> Arc<Self> {
        Arc::new(Self { places, known: Mutex::default(), turn: AtomicUsize::new(0) })
    }

    /// Makes a call. Whatever keeps it from an answer is told as UNAVAILABLE.
    pub(super) async fn call(self: Arc<Self>, request: Request<Body>) -> Response<Body> {
        let answer = if only_reads(request.uri().path()) {
            self.read(request).await
        } else {
            self.send(request).await.map_err(|unsent| unsent.why)
        };
        match answer {
            Ok(answer) => answer.map(Body::new),
            Err(why) => Status::unavailable(why).into_http(),
        }
    }

    /// A call that only reads is made once more if its connection broke under it.
    async fn read(self: &Arc<Self>, request: Request<Body>) -> Result<Response<Incoming>, String> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(|status| status.to_string())?.to_bytes();
        let make = |body: Bytes| Request::from_parts(parts.clone(), Body::new(Full::new(body)));
        match self.send(make(body.clone())).await {
            Ok(answer) => Ok(answer),
            Err(Unsent { request: None, why }) => {
                tracing::debug!(why, "a connection broke: asking once more");
                self.send(make(body)).await.map_err(|unsent| unsent.why)
            }
            Err(unsent) => Err(unsent.why),
        }
    }

    /// Sends a call on a connection that takes it.
    async fn send(self: &Arc<Self>, mut request: Request<Body>) -> Result<Response<Incoming>, Unsent> {
        let mut why = String::new();
        for _ in 0..OFFERS {
            let (peer, mut sender) = match self.standing().await {
                Ok(standing) => standing,
                Err(why) => return Err(Unsent { request: Some(request), why }),
            };
            *request.uri_mut() = peer.place.uri(request.uri());
            let mut failed = match sender.try_send_request(request).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            let given_back = failed.take_message();
            why = peer.said(&failed.into_error());
            if sender.is_closed() {
                peer.hang_up();
            }
            match given_back {
                Some(unsent) => request = unsent,
                None => return Err(Unsent { request: None, why }),
            }
        }
        Err(Unsent { request: Some(request), why })
    }

    /// A connection that stands, each in turn; if none does, the first that can be made.
    async fn standing(self: &Arc<Self>) -> Result<(Arc<Peer>, SendRequest<Body>), String> {
        let peers = self.peers().await?;
        let standing: Vec<_> = peers.iter().filter_map(|peer| Some((peer.clone(), peer.sender()?))).collect();
        if standing.is_empty() {
            let tries = peers
                .into_iter()
                .map(|peer| async move { Ok((peer.clone(), peer.connect().await?)) }.boxed());
            return select_ok(tries).await.map(|(first, _)| first);
        }
        if standing.len() < peers.len() {
            for peer in peers.into_iter().filter(|peer| peer.is_due()) {
                tokio::spawn(async move { peer.connect().await });
            }
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % standing.len();
        standing.into_iter().nth(turn).ok_or_else(|| "nobody is there".to_owned())
    }

    /// Who is behind the addresses. What a name stands for is looked up again every few seconds, beside the calls.
    async fn peers(self: &Arc<Self>) -> Result<Vec<Arc<Peer>>, String> {
        let (peers, is_old) = {
            let mut known = self.known();
            let is_old = known.looked_up.is_none_or(|at| at.elapsed() > LOOK_UP);
            if is_old && !known.peers.is_empty() {
                known.looked_up = Some(Instant::now());
            }
            (known.peers.clone(), is_old)
        };
        if peers.is_empty() {
            return self.look_up().await;
        }
        if is_old && self.places.iter().any(Place::is_name) {
            let peers = self.clone();
            tokio::spawn(async move { peers.look_up().await });
        }
        Ok(peers)
    }

    async fn look_up(&self) -> Result<Vec<Arc<Peer>>, String> {
        let before = self.known().peers.clone();
        let mut peers: Vec<Arc<Peer>> = Vec::new();
        let mut trouble = String::new();
        for place in &self.places {
            let of_place = |peer: &&Arc<Peer>| peer.place.authority == place.authority;
            match tokio::time::timeout(
                CONNECT_TIME,
                tokio::net::lookup_host((place.host.as_str(), place.port)),
            )
            .await
            {
                Ok(Ok(found)) => {
                    let found: HashSet<SocketAddr> = found.collect();
                    peers.extend(found.into_iter().map(|address| {
                        let known = before.iter().filter(of_place).find(|peer| peer.address == address);
                        known.cloned().unwrap_or_else(|| Arc::new(Peer::new(place.clone(), address)))
                    }));
                }
                // Whoever tells names is away: those who were there may still be.
                Ok(Err(error)) => {
                    trouble = format!("{}: {error}", place.host);
                    peers.extend(before.iter().filter(of_place).cloned());
                }
                Err(_elapsed) => {
                    trouble = format!("{}: no answer to what it stands for", place.host);
                    peers.extend(before.iter().filter(of_place).cloned());
                }
            }
        }
        if peers.is_empty() {
            return Err(trouble);
        }
        let mut known = self.known();
        known.looked_up = Some(Instant::now());
        known.peers.clone_from(&peers);
        Ok(peers)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn is_name(&self) -> bool {
        self.host.parse::<IpAddr>().is_err()
    }

    /// A call's URI, whole.
    fn uri(&self, uri: &Uri) -> Uri {
        let mut parts = uri.clone().into_parts();
        parts.scheme =
            Some(if self.tls.is_some() { http::uri::Scheme::HTTPS } else { http::uri::Scheme::HTTP });
        parts.authority = Some(self.authority.clone());
        Uri::from_parts(parts).unwrap_or_else(|_| uri.clone())
    }
}

impl Peer {
    fn new(place: Place, address: SocketAddr) -> Self {
        Self { place, address, line: Mutex::default(), connecting: tokio::sync::Mutex::default() }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection, if it stands.
    fn sender(&self) -> Option<SendRequest<Body>> {
        self.line().sender.clone().filter(|sender| !sender.is_closed())
    }

    fn hang_up(&self) {
        self.line().sender = None;
    }

    /// Whether it is to be tried again, beside others that stand.
    fn is_due(&self) -> bool {
        self.sender().is_none()
            && self.line().failed.is_none_or(|at| at.elapsed() > REST)
            && self.connecting.try_lock().is_ok()
    }

    fn said(&self, error: &dyn std::error::Error) -> String {
        let mut text = format!("{} ({})", self.place.authority, self.address);
        let mut cause = Some(error);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }

    /// Connects, unless somebody else just has.
    async fn connect(&self) -> Result<SendRequest<Body>, String> {
        let _connecting = self.connecting.lock().await;
        if let Some(sender) = self.sender() {
            return Ok(sender);
        }
        let connected = match tokio::time::timeout(CONNECT_TIME, self.handshake()).await {
            Ok(connected) => connected.map_err(|error| self.said(&*error)),
            Err(_elapsed) => Err(format!("{} ({}): can't be reached", self.place.authority, self.address)),
        };
        let mut line = self.line();
        match connected {
            Ok(sender) => {
                *line = Line { sender: Some(sender.clone()), failed: None };
                Ok(sender)
            }
            Err(why) => {
                *line = Line { sender: None, failed: Some(Instant::now()) };
                Err(why)
            }
        }
    }

    async fn handshake(&self) -> Result<SendRequest<Body>, Box<dyn std::error::Error + Send + Sync>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .keep_alive_interval(SILENCE)
            .keep_alive_timeout(SILENCE)
            .keep_alive_while_idle(true);
        match &self.place.tls {
            None => {
                let (sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
                tokio::spawn(connection);
                Ok(sender)
            }
            Some(tls) => {
                let stream = tls.connect(&self.place.host, stream).await?;
                if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
                    return Err(io::Error::other("the server does not speak HTTP/2").into());
                }
                let (sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
                tokio::spawn(connection);
                Ok(sender)
            }
        }
    }
}

/// Whether a call of this path changes nothing, so that it may be made twice.
fn only_reads(path: &str) -> bool {
    let method = path.rsplit('/').next().unwrap_or_default();
    // `grpc.health.v1`'s own answers.
    ["Get", "List", "Find", "Check"].iter().any(|verb| method.starts_with(verb))
}
