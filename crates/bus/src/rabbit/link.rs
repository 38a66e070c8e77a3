//! Connections to the broker, and whether they stand.

use std::{
    collections::HashMap,
    net::{Shutdown, TcpStream},
    os::fd::AsFd,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use lapin::{
    Channel, Connection, ConnectionProperties,
    tcp::{AMQPUriTcpExt, AsyncTcpStream, TLSConfig},
    uri::AMQPScheme,
};

use crate::{BusHealth, url::RabbitUrl};

/// The longest that connecting with all declarations, a publish or an answer may take.
pub(super) const LIMIT: Duration = Duration::from_secs(5);
/// A broker that stays away is spoken of this often.
const REMIND: Duration = Duration::from_secs(10);

/// Why a connection is given up.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(super) struct LinkError(pub(super) String);

impl From<lapin::Error> for LinkError {
    fn from(error: lapin::Error) -> Self {
        Self(error.to_string())
    }
}

/// What is awaited of the broker, within the limit.
pub(super) async fn within<T>(
    what: &str,
    answer: impl Future<Output = lapin::Result<T>>,
) -> Result<T, LinkError> {
    match tokio::time::timeout(LIMIT, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_elapsed) => Err(LinkError(format!("no answer to {what} within {} s", LIMIT.as_secs()))),
    }
}

/// A broker and how the connections to it stand.
pub(super) struct Broker {
    pub(super) url: RabbitUrl,
    process: String,
    next: AtomicU64,
    down: Mutex<Trouble>,
}

struct Trouble {
    links: HashMap<u64, Down>,
    /// How many links there are, up or down.
    all: usize,
    said: Instant,
}

struct Down {
    since: SystemTime,
    /// None: not tried yet.
    why: Option<String>,
}

impl Broker {
    pub(super) fn new(url: RabbitUrl, process: String) -> Self {
        let down = Mutex::new(Trouble { links: HashMap::new(), all: 0, said: Instant::now() });
        Self { url, process, next: AtomicU64::new(0), down }
    }

    pub(super) fn process(&self) -> &str {
        &self.process
    }

    pub(super) fn health(&self) -> BusHealth {
        let down = self.down();
        let worst = down.links.values().min_by_key(|link| (link.why.is_none(), link.since));
        worst.map_or(BusHealth::Up, |link| BusHealth::Down {
            since: link.since,
            why: link.why.clone().unwrap_or_else(|| "not connected yet".to_owned()),
        })
    }

    fn down(&self) -> MutexGuard<'_, Trouble> {
        self.down.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One task's way to the broker. Counts as down until it says otherwise.
pub(super) struct Link {
    broker: Arc<Broker>,
    purpose: &'static str,
    id: u64,
}

impl Link {
    pub(super) fn new(broker: &Arc<Broker>, purpose: &'static str) -> Self {
        let id = broker.next.fetch_add(1, Ordering::Relaxed);
        let mut down = broker.down();
        down.links.insert(id, Down { since: SystemTime::now(), why: None });
        down.all += 1;
        down.tell();
        drop(down);
        Self { broker: broker.clone(), purpose, id }
    }

    pub(super) fn broker(&self) -> &Broker {
        &self.broker
    }

    /// Connects and opens a channel.
    pub(super) async fn connect(&self) -> Result<Session, LinkError> {
        let name = format!("{} {}", self.broker.process, self.purpose);
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let socket = Arc::new(Socket::default());
        let ours = socket.clone();
        // Read for each connection: it may have been renewed.
        let authority = match (&self.broker.url.uri.scheme, &self.broker.url.ca) {
            (AMQPScheme::AMQPS, Some(file)) => Some(
                std::fs::read_to_string(file)
                    .map_err(|error| LinkError(format!("{}: {error}", file.display())))?,
            ),
            (AMQPScheme::AMQPS, None) => Some(String::new()),
            (AMQPScheme::AMQP, _) => None,
        };
        let connecting = async {
            let connection = Connection::connector(
                self.broker.url.uri.clone(),
                lapin::runtime::default_runtime()?,
                async move |mut uri, runtime| {
                    // TLS comes after the socket is known.
                    uri.scheme = AMQPScheme::AMQP;
                    let stream = tokio::time::timeout(LIMIT, uri.connect_async(&runtime))
                        .await
                        .unwrap_or_else(|_elapsed| Err(std::io::ErrorKind::TimedOut.into()))?;
                    if let AsyncTcpStream::Plain(stream) = &stream {
                        stream.get_ref().set_nodelay(true)?;
                        ours.keep(stream.get_ref().as_fd().try_clone_to_owned()?.into());
                    }
                    let Some(authority) = &authority else { return Ok(stream) };
                    let trusted = TLSConfig { identity: None, cert_chain: Some(authority) };
                    Ok(stream.into_tls(&uri.authority.host, trusted).await?)
                },
                properties,
            )
            .await?;
            let channel = connection.create_channel().await?;
            Ok((connection, channel))
        };
        let (connection, channel) = match within("connecting", connecting).await {
            Ok(both) => both,
            Err(error) => {
                socket.shut();
                return Err(error);
            }
        };
        Ok(Session { connection, channel, socket })
    }

    /// It stands.
    pub(super) fn up(&self) {
        let mut down = self.broker.down();
        let was_down = down.links.remove(&self.id);
        down.tell();
        if was_down.is_some_and(|link| link.why.is_some()) && down.links.is_empty() {
            tracing::info!(broker = self.broker.url.address(), "RabbitMQ is reached again");
        }
    }

    /// It doesn't. Says so when that is news, or has been for long.
    pub(super) fn down(&self, error: &LinkError) {
        let mut down = self.broker.down();
        let known = down.links.values().any(|link| link.why.as_ref() == Some(&error.0));
        let link = down.links.entry(self.id).or_insert(Down { since: SystemTime::now(), why: None });
        link.why = Some(error.0.clone());
        down.tell();
        if !known || down.said.elapsed() > REMIND {
            down.said = Instant::now();
            drop(down);
            let broker = self.broker.url.address();
            tracing::warn!(
                broker,
                purpose = self.purpose,
                reason = error.0,
                "RabbitMQ is not reached; trying again"
            );
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let mut down = self.broker.down();
        down.links.remove(&self.id);
        down.all = down.all.saturating_sub(1);
        down.tell();
    }
}

impl Trouble {
    /// Sets the gauges.
    #[allow(clippy::cast_precision_loss, reason = "gauges")]
    fn tell(&self) {
        let down = self.links.len();
        metrics::gauge!("leadline_bus_links", "state" => "down").set(down as f64);
        metrics::gauge!("leadline_bus_links", "state" => "up").set(self.all.saturating_sub(down) as f64);
    }
}

/// A connection with its channel. Dropping it cuts the connection.
pub(super) struct Session {
    connection: Connection,
    pub(super) channel: Channel,
    socket: Arc<Socket>,
}

impl Session {
    /// An error if it has broken.
    pub(super) fn check(&self) -> Result<(), LinkError> {
        if self.connection.status().connected() && self.channel.status().connected() {
            return Ok(());
        }
        Err(LinkError("the connection was lost".to_owned()))
    }

    /// Ends it in good order.
    pub(super) async fn close(self) {
        let _ = tokio::time::timeout(Duration::from_secs(1), self.connection.close(200, "OK".into())).await;
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.socket.shut();
    }
}

/// The connection's socket. The client's own thread would wait on it for ever if the broker hung in the handshake.
#[derive(Default)]
struct Socket(Mutex<Ours>);

#[derive(Default)]
struct Ours {
    socket: Option<TcpStream>,
    shut: bool,
}

impl Socket {
    fn keep(&self, socket: TcpStream) {
        let mut ours = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ours.shut {
            let _ = socket.shutdown(Shutdown::Both);
        }
        ours.socket = Some(socket);
    }

    fn shut(&self) {
        let mut ours = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ours.shut = true;
        if let Some(socket) = ours.socket.take() {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}
