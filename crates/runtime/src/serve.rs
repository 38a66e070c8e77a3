//! Servers: gRPC with health and reflection, HTTP with limits on headers, time and connections. Both stop gracefully.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use futures::{Stream, StreamExt};
use http::{HeaderValue, Request, Response, Version, header::CONNECTION};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket},
    sync::Semaphore,
};
use tonic::{service::Routes, transport::server::Connected};
use tonic_health::ServingStatus;
use tower::{Service, ServiceExt};

use crate::{
    calls::Watch,
    config::Setting,
    greeting::Greeted,
    health::HealthCheck,
    program::Failure,
    stop::{LAST_REQUESTS, Stop},
    tls::Tls,
};

/// Connections that one HTTP server holds at once; more wait to be accepted.
pub const MOST_CONNECTIONS: usize = 4096;
/// Connections that may wait to be accepted: a burst of more, and the kernel makes clients wait for a second or resets them. Tokio and the
/// standard library ask for 128; the kernel grants what `net.core.somaxconn` allows.
const WAITING: u32 = 1024;
/// The time in which a client must have sent its headers; and before them, what tells which HTTP it speaks.
const HEADER_TIME: Duration = Duration::from_secs(10);
/// Requests that may be under way on one HTTP/2 connection: RFC 9113, section 6.5.2, asks for 100 at least.
const STREAMS: u32 = 256;
/// The same between services, where one connection carries what all clients of a gateway ask.
const GRPC_STREAMS: u32 = 1024;
/// Requests taken back before they were looked at (CVE-2023-44487): with more at once, the connection is closed. As in h2.
const MOST_TAKEN_BACK: usize = 20;
/// Requests that had to be reset for what the client did (CVE-2024-2758, RUSTSEC-2024-0003): with more, the connection is closed. As
/// in hyper: behind a proxy one connection is that of many people.
const MOST_RESET: usize = 1024;
/// The largest headers of a request, all together.
const MOST_HEADER: u32 = 32 * 1024;
/// The largest frame of HTTP/2: the smallest that RFC 9113 allows (section 4.2). Headers may be in a fourth more frames than they
/// need, at least five (h2), and the connection is closed behind those.
const MOST_FRAME: u32 = 16 * 1024;
/// How often a client is asked whether it is there.
const ASK_AGAIN: Duration = Duration::from_secs(20);
/// The time that it has to answer.
const ANSWER_TIME: Duration = Duration::from_secs(20);
/// The same between services.
const GRPC_ANSWER_TIME: Duration = Duration::from_secs(10);
/// Connections that clients keep are not cut as soon as the signal is given: a request might be on its way. For so long the
/// next answer on each of them says that it is the last one (RFC 9112, section 9.6).
const FAREWELL: Duration = Duration::from_secs(2);

/// Takes an address to serve at, before anything else is touched: one that is taken is told at once.
///
/// # Errors
/// A line that says which, and what to do.
pub async fn bind(setting: &Setting, address: SocketAddr) -> Result<TcpListener, Failure> {
    listen(address).map_err(|error| {
        let name = setting.name;
        Failure::new(format!(
            "can't listen on {address}: {error}: stop what uses it, or set {name} to another address"
        ))
    })
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // As tokio's own `bind` does: a port is free again as soon as its process has ended.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING)
}

/// Adds health (`grpc.health.v1`) and reflection (v1 and v1alpha: older tools ask for that one only) to a service's routes.
///
/// `name` is the service's full gRPC name; it is told as serving while `check` says so, asked every two seconds until `stop`.
/// The empty name, which stands for the process, is always serving: it is alive.
///
/// # Errors
/// If the contracts can't be decoded, which a test would have shown.
pub async fn with_health_and_reflection(
    routes: Routes,
    name: &'static str,
    check: HealthCheck,
    stop: &Stop,
) -> Result<Routes, tonic_reflection::server::Error> {
    with_health_of_all(routes, vec![(name, check)], stop).await
}

/// The same for several services behind one address.
///
/// # Errors
/// As [`with_health_and_reflection`].
pub async fn with_health_of_all(
    routes: Routes,
    checks: Vec<(&'static str, HealthCheck)>,
    stop: &Stop,
) -> Result<Routes, tonic_reflection::server::Error> {
    let (reporter, health) = tonic_health::server::health_reporter();
    for (name, check) in checks {
        let reporter = reporter.clone();
        reporter.set_service_status(name, status(name, check.ask().await)).await;
        let ended = stop.clone();
        stop.spawn(async move {
            while ended.sleep(crate::health::INTERVAL).await {
                reporter.set_service_status(name, status(name, check.ask().await)).await;
            }
        });
    }
    let describe = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(leadline_proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    Ok(routes
        .add_service(health)
        .add_service(describe().build_v1()?)
        .add_service(describe().build_v1alpha()?))
}

fn status(service: &str, healthy: Result<(), String>) -> ServingStatus {
    match healthy {
        Ok(()) => ServingStatus::Serving,
        Err(why) => {
            tracing::warn!(service, why, "not ready");
            ServingStatus::NotServing
        }
    }
}

/// Serves gRPC until `stop`, then lets calls under way finish. With `tls` only to clients who show a certificate.
///
/// # Errors
/// If the listener breaks.
pub async fn grpc(
    listener: TcpListener,
    routes: Routes,
    tls: Option<Arc<Tls>>,
    stop: Stop,
) -> Result<(), tonic::transport::Error> {
    match tls {
        None => {
            let incoming = tonic::transport::server::TcpIncoming::from(listener).with_nodelay(Some(true));
            grpc_to(incoming, routes, stop).await
        }
        Some(tls) => grpc_to(tls.incoming(listener), routes, stop).await,
    }
}

async fn grpc_to<I, IO>(incoming: I, routes: Routes, stop: Stop) -> Result<(), tonic::transport::Error>
where
    I: Stream<Item = std::io::Result<IO>>,
    IO: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
{
    let ended = stop.clone();
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let incoming = incoming.then(move |accepted| {
        let places = places.clone();
        async move {
            let (io, place) = (accepted?, places.acquire_owned().await.map_err(std::io::Error::other)?);
            Ok::<_, std::io::Error>(Greeted::new(io, HEADER_TIME, place))
        }
    });
    let server = tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(ASK_AGAIN))
        .http2_keepalive_timeout(Some(GRPC_ANSWER_TIME))
        .max_concurrent_streams(Some(GRPC_STREAMS))
        .http2_max_pending_accept_reset_streams(Some(MOST_TAKEN_BACK))
        .http2_max_local_error_reset_streams(Some(MOST_RESET))
        .http2_max_header_list_size(MOST_HEADER)
        .max_frame_size(MOST_FRAME)
        .layer(Watch)
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming, async move { ended.stopping().await });
    tokio::select! {
        served = server => served,
        () = stop.over(LAST_REQUESTS) => Ok(()),
    }
}

/// Serves HTTP/1.1 and HTTP/2 (prior knowledge) until `stop`, then lets requests under way finish, until [`LAST_REQUESTS`].
/// A client that keeps its connection and has asked within two seconds is told to close it, and loses no request.
/// The peer's address is in each request's extensions, as a [`SocketAddr`].
pub async fn http<S, B>(listener: TcpListener, service: S, stop: Stop)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: hyper::body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_headers(100)
        .max_buf_size(64 * 1024);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_pending_accept_reset_streams(MOST_TAKEN_BACK)
        .max_local_error_reset_streams(MOST_RESET)
        .max_header_list_size(MOST_HEADER)
        .max_frame_size(MOST_FRAME)
        .keep_alive_interval(ASK_AGAIN)
        .keep_alive_timeout(ANSWER_TIME);
    let builder = Arc::new(builder);
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let graceful = GracefulShutdown::new();

    loop {
        let place = tokio::select! {
            place = places.clone().acquire_owned() => place,
            () = stop.stopping() => break,
        };
        let Ok(place) = place else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.stopping() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Mostly "too many open files": connections that end make room again.
                tracing::warn!(%error, "can't accept a connection");
                stop.sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let (service, ending) = (service.clone(), stop.clone());
        let service = tower::service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert::<SocketAddr>(peer);
            // HTTP/2 has no such header, and says its farewell in a frame of its own.
            let (is_kept, ending) = (request.version() < Version::HTTP_2, ending.clone());
            let answer = service.clone().oneshot(request);
            async move {
                let mut answer = answer.await?;
                if is_kept && ending.is_stopping() {
                    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(answer)
            }
        });
        let watcher = graceful.watcher();
        let builder = builder.clone();
        let stream = TokioIo::new(Greeted::new(stream, HEADER_TIME, place));
        tokio::spawn(async move {
            let connection = builder
                .serve_connection_with_upgrades(stream, TowerToHyperService::new(service))
                .into_owned();
            if let Err(error) = watcher.watch(connection).await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    drop(listener);
    let all_places = u32::try_from(MOST_CONNECTIONS).unwrap_or(u32::MAX);
    tokio::select! {
        _ = places.acquire_many(all_places) => return,
        () = stop.over(FAREWELL) => {}
    }
    tokio::select! {
        () = graceful.shutdown() => {}
        () = stop.over(LAST_REQUESTS) => {
            tracing::warn!("requests were still under way when the time to stop was over");
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Empty;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
        time::Instant,
    };

    use super::*;

    #[tokio::test]
    async fn a_client_that_keeps_its_connection_is_told_to_close_it_before_it_is_cut() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer =
            |_: Request<Incoming>| std::future::ready(Ok(Response::new(Empty::<bytes::Bytes>::new())));
        let stop = Stop::new();
        let served = tokio::spawn(http(listener, tower::service_fn(answer), stop.clone()));
        let mut kept = TcpStream::connect(address).await.unwrap();
        let mut head = [0; 1024];
        let mut ask = async |kept: &mut TcpStream| {
            kept.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
            let length = kept.read(&mut head).await.unwrap();
            String::from_utf8_lossy(&head[..length]).to_lowercase()
        };
        let before = ask(&mut kept).await;
        assert!(before.starts_with("http/1.1 200") && !before.contains("connection: close"), "{before}");
        stop.now();
        let told = Instant::now();
        tokio::task::yield_now().await;
        let after = ask(&mut kept).await;
        assert!(after.starts_with("http/1.1 200") && after.contains("connection: close"), "{after}");
        assert_eq!(kept.read(&mut [0; 8]).await.unwrap(), 0, "and it is closed");
        served.await.unwrap();
        assert!(told.elapsed() < FAREWELL, "nobody is waited for who has gone: {:?}", told.elapsed());
    }

    #[tokio::test]
    async fn a_client_that_keeps_its_connection_and_asks_nothing_is_cut() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer =
            |_: Request<Incoming>| std::future::ready(Ok(Response::new(Empty::<bytes::Bytes>::new())));
        let stop = Stop::new();
        let served = tokio::spawn(http(listener, tower::service_fn(answer), stop.clone()));
        let mut kept = TcpStream::connect(address).await.unwrap();
        kept.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        assert!(kept.read(&mut [0; 1024]).await.unwrap() > 0);
        stop.now();
        assert_eq!(kept.read(&mut [0; 8]).await.unwrap(), 0);
        served.await.unwrap();
    }
}
