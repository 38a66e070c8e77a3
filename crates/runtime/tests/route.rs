//! The way to a service that has several replicas, some of which come and go.

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use leadline_runtime::{health::HealthCheck, route::Route, serve, stop::Stop};
use tokio::{io::AsyncReadExt, net::TcpListener, task::JoinHandle};
use tonic::{Code, Request, service::Routes};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

/// A service that tells its health under a name of its own, so that a caller can tell which replica answered.
async fn replica(name: &'static str, address: SocketAddr) -> (SocketAddr, Stop, JoinHandle<()>) {
    let stop = Stop::new();
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    let well = HealthCheck::new(|| std::future::ready(Ok(())));
    let routes = serve::with_health_and_reflection(Routes::default(), name, well, &stop).await.unwrap();
    let ended = stop.clone();
    let task = tokio::spawn(async move { serve::grpc(listener, routes, None, ended).await.unwrap() });
    (address, stop, task)
}

const ANYWHERE: SocketAddr = SocketAddr::V4(std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 0));

/// Whether it was the replica of that name that answered.
async fn asks(route: &Route, name: &str) -> Result<bool, Code> {
    let request = HealthCheckRequest { service: name.to_owned() };
    match HealthClient::new(route.clone()).check(Request::new(request)).await {
        Ok(_) => Ok(true),
        Err(status) if status.code() == Code::NotFound => Ok(false),
        Err(status) => Err(status.code()),
    }
}

async fn eventually_answered_by(route: &Route, name: &str, wanted: &HashSet<bool>) {
    let began = Instant::now();
    loop {
        let mut seen = HashSet::new();
        for _ in 0..8 {
            seen.insert(asks(route, name).await.expect("a replica is there"));
        }
        if seen == *wanted {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{seen:?} instead of {wanted:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn calls_go_to_all_replicas_and_never_to_one_that_is_gone() {
    let (first, first_stop, first_task) = replica("first", ANYWHERE).await;
    let (second, second_stop, second_task) = replica("second", ANYWHERE).await;
    let route = Route::remote(&format!("http://{first}, http://{second}")).unwrap();
    let (both, only_second) = (HashSet::from([true, false]), HashSet::from([false]));
    eventually_answered_by(&route, "first", &both).await;
    // Calls are under way while it ends: none of them fails.
    let calling = {
        let route = route.clone();
        tokio::spawn(async move {
            for _ in 0..300 {
                asks(&route, "first").await.expect("the other replica answers");
            }
        })
    };
    first_stop.now();
    first_task.await.unwrap();
    calling.await.unwrap();
    eventually_answered_by(&route, "first", &only_second).await;
    let (_, third_stop, third_task) = replica("first", first).await;
    eventually_answered_by(&route, "first", &both).await;
    for stop in [second_stop, third_stop] {
        stop.now();
    }
    second_task.await.unwrap();
    third_task.await.unwrap();
    assert_eq!(asks(&route, "first").await, Err(Code::Unavailable));
}

#[tokio::test]
async fn a_name_stands_for_whoever_listens_there() {
    let (address, stop, task) = replica("only", ANYWHERE).await;
    // It may stand for ::1 too, where nobody listens.
    let route = Route::remote(&format!("http://localhost:{}", address.port())).unwrap();
    for _ in 0..20 {
        assert_eq!(asks(&route, "only").await, Ok(true));
    }
    stop.now();
    task.await.unwrap();
}

/// Takes connections, reads what comes, and hangs up without an answer.
async fn rude(connections: Arc<AtomicUsize>) -> SocketAddr {
    let listener = TcpListener::bind(ANYWHERE).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            connections.fetch_add(1, Ordering::SeqCst);
            let mut bytes = [0; 4096];
            // Until nothing has come for a while: the request is out then.
            while let Ok(Ok(1..)) =
                tokio::time::timeout(Duration::from_millis(200), stream.read(&mut bytes)).await
            {}
        }
    });
    address
}

#[tokio::test]
async fn a_call_that_may_have_arrived_is_made_again_only_if_it_reads() {
    use leadline_proto::leads::{
        CreateLeadRequest, GetLeadRequest, leads_service_client::LeadsServiceClient,
    };
    let connections = Arc::new(AtomicUsize::new(0));
    let address = rude(connections.clone()).await;
    let mut client = LeadsServiceClient::new(Route::remote(&format!("http://{address}")).unwrap());
    let status = client.create_lead(CreateLeadRequest::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(connections.load(Ordering::SeqCst), 1, "a write was sent twice");
    let status = client.get_lead(GetLeadRequest::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(connections.load(Ordering::SeqCst), 3, "a read is tried once more");
}

#[test]
fn an_address_that_is_none_is_refused_with_what_is_missing() {
    for (wrong, hint) in [
        ("", "http://"),
        ("leads:50052", "http://"),
        ("http://a/path", "http://"),
        ("http://a:1,,http://b:1", "http://"),
        ("https://leads:50052", "LEADLINE_TLS_CA_FILE"),
    ] {
        let told = Route::remote(wrong).unwrap_err().to_string();
        assert!(told.contains(hint), "{wrong}: {told}");
    }
    assert!(Route::remote("http://[::1]:50052").is_ok());
}

#[tokio::test]
async fn every_replica_can_be_asked_for_itself_and_one_that_is_away_is_told() {
    let (first, first_stop, first_task) = replica("first", ANYWHERE).await;
    let (second, second_stop, second_task) = replica("second", ANYWHERE).await;
    let route = Route::remote(&format!("http://{first}, http://{second}")).unwrap();
    let mut known = Vec::new();
    for one in route.each().await {
        for _ in 0..3 {
            known.push((asks(&one, "first").await.unwrap(), asks(&one, "second").await.unwrap()));
        }
    }
    assert_eq!(known, [[(true, false); 3], [(false, true); 3]].concat(), "each call goes to the same one");
    first_stop.now();
    first_task.await.unwrap();
    let ways = route.each().await;
    assert_eq!(ways.len(), 2, "it is in the list, there or not");
    assert_eq!(asks(&ways[0], "first").await, Err(Code::Unavailable));
    assert_eq!(asks(&ways[1], "second").await, Ok(true));
    second_stop.now();
    second_task.await.unwrap();
}
