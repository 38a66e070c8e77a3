//! The replicas behind an address: who they are now, which of them answer, and a connection to each.
//!
//! Calls go to all replicas in turn that a connection stands to. The others are tried beside the calls, so that a replica that
//! is gone, or not yet there, costs nobody time. A call is made again elsewhere only if it never left this process, or only reads.

use std::{
    collections::HashSet,
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{
    FutureExt,
    future::{BoxFuture, select_ok},
};
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
/// How long it is held to be true that nobody is behind a name: for those who ask at the same time.
const NOBODY: Duration = Duration::from_millis(50);
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

/// Tells what a name and a port stand for.
type Names = Box<dyn Fn(String, u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// The replicas that a list of addresses stands for.
pub(super) struct Peers {
    places: Vec<Place>,
    names: Names,
    known: Mutex<Known>,
    /// Held by whoever looks up names.
    looking: tokio::sync::Mutex<()>,
    turn: AtomicUsize,
}

#[derive(Default)]
struct Known {
    peers: Vec<Arc<Peer>>,
    looked_up: Option<Instant>,
    /// Why there are none.
    trouble: String,
}

/// A replica.
pub(super) struct Peer {
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
        let names: Names = Box::new(|host, port| {
            async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) }.boxed()
        });
        Self::with_names(places, names)
    }

    fn with_names(places: Vec<Place>, names: Names) -> Arc<Self> {
        let (known, looking) = (Mutex::default(), tokio::sync::Mutex::default());
        Arc::new(Self { places, names, known, looking, turn: AtomicUsize::new(0) })
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

    /// Who is behind the addresses at this moment, or was one ago.
    pub(super) async fn now(&self) -> Result<Vec<Arc<Peer>>, String> {
        self.looked_up_within(REST).await
    }

    /// A connection that stands, each in turn; if none does, the first that can be made.
    async fn standing(self: &Arc<Self>) -> Result<(Arc<Peer>, SendRequest<Body>), String> {
        let mut peers = self.peers().await?;
        let mut standing = standing(&peers);
        if standing.is_empty() {
            // Who was there when somebody last asked may have been replaced since: that costs no call.
            peers = self.looked_up_within(REST).await?;
            standing = self::standing(&peers);
        }
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
            let known = self.known();
            (known.peers.clone(), known.looked_up.is_none_or(|at| at.elapsed() > LOOK_UP))
        };
        if peers.is_empty() {
            return self.looked_up_within(REST).await;
        }
        if is_old && self.places.iter().any(Place::is_name) && self.looking.try_lock().is_ok() {
            let peers = self.clone();
            tokio::spawn(async move { peers.looked_up_within(LOOK_UP).await });
        }
        Ok(peers)
    }

    /// Who is behind the addresses, looked up no longer ago than this: by one for all who ask at the same time.
    async fn looked_up_within(&self, age: Duration) -> Result<Vec<Arc<Peer>>, String> {
        let _looking = self.looking.lock().await;
        let known = {
            let known = self.known();
            let age = if known.peers.is_empty() { NOBODY } else { age };
            let is_new = known.looked_up.is_some_and(|at| at.elapsed() < age);
            is_new.then(|| (known.peers.clone(), known.trouble.clone()))
        };
        match known {
            Some((peers, trouble)) if peers.is_empty() => Err(trouble),
            Some((peers, _)) => Ok(peers),
            None => self.look_up().await,
        }
    }

    async fn look_up(&self) -> Result<Vec<Arc<Peer>>, String> {
        let before = self.known().peers.clone();
        let mut peers: Vec<Arc<Peer>> = Vec::new();
        let mut trouble = String::new();
        for place in &self.places {
            let of_place = |peer: &&Arc<Peer>| peer.place.authority == place.authority;
            let asking = (self.names)(place.host.clone(), place.port);
            match tokio::time::timeout(CONNECT_TIME, asking).await {
                Ok(Ok(found)) => {
                    let found: HashSet<SocketAddr> = found.into_iter().collect();
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
        let mut known = self.known();
        *known = Known { peers: peers.clone(), looked_up: Some(Instant::now()), trouble: trouble.clone() };
        if peers.is_empty() { Err(trouble) } else { Ok(peers) }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Those of them to whom a connection stands.
fn standing(peers: &[Arc<Peer>]) -> Vec<(Arc<Peer>, SendRequest<Body>)> {
    peers.iter().filter_map(|peer| Some((peer.clone(), peer.sender()?))).collect()
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

    /// A call to this one and no other.
    pub(super) async fn call(&self, mut request: Request<Body>) -> Response<Body> {
        let answer = async {
            let mut sender = self.connect().await?;
            *request.uri_mut() = self.place.uri(request.uri());
            sender.send_request(request).await.map_err(|error| self.said(&error))
        };
        match answer.await {
            Ok(answer) => answer.map(Body::new),
            Err(why) => Status::unavailable(why).into_http(),
        }
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
        let mut text = self.to_string();
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
            Err(_elapsed) => Err(format!("{self}: can't be reached")),
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

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.place.authority, self.address)
    }
}

/// Whether a call of this path changes nothing, so that it may be made twice.
fn only_reads(path: &str) -> bool {
    let method = path.rsplit('/').next().unwrap_or_default();
    // `grpc.health.v1`'s own answers.
    ["Get", "List", "Find", "Check"].iter().any(|verb| method.starts_with(verb))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::{net::TcpListener, task::JoinHandle};
    use tonic::service::Routes;
    use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

    use super::*;
    use crate::{health::HealthCheck, serve, stop::Stop};

    async fn replica() -> (SocketAddr, Stop, JoinHandle<()>) {
        let stop = Stop::new();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let well = HealthCheck::new(|| std::future::ready(Ok(())));
        let routes = Routes::default();
        let routes = serve::with_health_and_reflection(routes, "replica", well, &stop).await.unwrap();
        let ended = stop.clone();
        let task = tokio::spawn(async move { serve::grpc(listener, routes, None, ended).await.unwrap() });
        (address, stop, task)
    }

    /// The way to a name that stands for what the test says, and how often it was looked up.
    fn peers(stands_for: &Arc<Mutex<Vec<SocketAddr>>>) -> (Arc<Peers>, Arc<AtomicUsize>) {
        let authority = Authority::from_static("replicas:1");
        let place = Place { authority, host: "replicas".to_owned(), port: 1, tls: None };
        let (stands_for, times) = (stands_for.clone(), Arc::new(AtomicUsize::new(0)));
        let counted = times.clone();
        let names: Names = Box::new(move |_, _| {
            counted.fetch_add(1, Ordering::SeqCst);
            let found = stands_for.lock().unwrap().clone();
            std::future::ready(Ok(found)).boxed()
        });
        (Peers::with_names(vec![place], names), times)
    }

    async fn ask(peers: &Arc<Peers>) -> Result<(), Status> {
        let peers = peers.clone();
        let service = tower::service_fn(move |request| {
            let peers = peers.clone();
            async move { Ok::<_, std::convert::Infallible>(peers.call(request).await) }
        });
        let request = HealthCheckRequest { service: "replica".to_owned() };
        HealthClient::new(service).check(request).await.map(|_| ())
    }

    #[tokio::test]
    async fn replicas_that_were_all_replaced_while_nobody_called_cost_no_call() {
        let (first, first_stop, first_task) = replica().await;
        let stands_for = Arc::new(Mutex::new(vec![first]));
        let (peers, _) = peers(&stands_for);
        ask(&peers).await.unwrap();
        let (second, second_stop, second_task) = replica().await;
        *stands_for.lock().unwrap() = vec![second];
        first_stop.now();
        first_task.await.unwrap();
        tokio::time::sleep(REST).await;
        for _ in 0..20 {
            ask(&peers).await.unwrap();
        }
        second_stop.now();
        second_task.await.unwrap();
    }

    #[tokio::test]
    async fn a_name_that_nobody_is_behind_is_looked_up_once_for_all_who_ask() {
        let stands_for = Arc::default();
        let (peers, times) = peers(&stands_for);
        let asked = futures::future::join_all((0..50).map(|_| ask(&peers))).await;
        assert!(
            asked.iter().all(|answer| answer.as_ref().is_err_and(|s| s.code() == tonic::Code::Unavailable))
        );
        assert_eq!(times.load(Ordering::SeqCst), 1);
        let (address, stop, task) = replica().await;
        stands_for.lock().unwrap().push(address);
        tokio::time::sleep(NOBODY).await;
        ask(&peers).await.unwrap();
        stop.now();
        task.await.unwrap();
    }
}
