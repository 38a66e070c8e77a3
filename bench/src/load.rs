//! Clients: in a closed loop, where each asks again when it is answered, and in an open one, where time alone says when to ask.

use std::{
    future::Future,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, StatusCode,
    body::Bytes,
    client::conn::http1::{SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    sync::{Mutex, mpsc},
    task::JoinSet,
};

/// A request, and the status that it must be answered with.
pub type Question = (Request<Full<Bytes>>, StatusCode);

/// A connection of its own.
///
/// # Errors
/// If there is none to be had.
pub async fn connect(address: &str) -> Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// Asks, and reads the answer to its end.
///
/// # Errors
/// If it is another one than it must be.
pub async fn ask(sender: &mut SendRequest<Full<Bytes>>, (request, right): Question) -> Result<Bytes> {
    sender.ready().await?;
    let path = request.uri().path().to_owned();
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    let body = answer.into_body().collect().await?.to_bytes();
    ensure!(status == right, "{path}: {status} instead of {right}: {}", String::from_utf8_lossy(&body));
    Ok(body)
}

/// What many answers took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Run {
    /// How many.
    pub answers: usize,
    /// How many a second.
    pub per_second: f64,
    /// The median, the 95th and the 99th percentile, in milliseconds.
    pub millis: [f64; 3],
}

impl Run {
    /// Of what each answer took, in microseconds.
    #[must_use]
    pub fn of(mut micros: Vec<u32>, time: Duration) -> Self {
        micros.sort_unstable();
        let at = |share: usize| {
            micros.get(micros.len() * share / 100).map_or(0.0, |micros| f64::from(*micros) / 1e3)
        };
        let per_second = micros.len() as f64 / time.as_secs_f64();
        Self { answers: micros.len(), per_second, millis: [at(50), at(95), at(99)] }
    }
}

/// The median.
#[must_use]
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn micros(since: Instant) -> u32 {
    u32::try_from(since.elapsed().as_micros()).unwrap_or(u32::MAX)
}

/// Lets workers do the same again and again for a time. Each is given its number, and makes what does one piece of work.
///
/// # Errors
/// The first that any of them met.
pub async fn closed<M, W>(workers: usize, time: Duration, make: impl Fn(usize) -> M) -> Result<Run>
where
    M: Future<Output = Result<W>> + Send + 'static,
    W: AsyncWork,
{
    let mut set = JoinSet::new();
    let mut ready = Vec::new();
    for number in 0..workers {
        ready.push(make(number).await?);
    }
    let began = Instant::now();
    for mut work in ready {
        set.spawn(async move {
            let mut took = Vec::with_capacity(4_096);
            while began.elapsed() < time {
                let one = Instant::now();
                work.once().await?;
                took.push(micros(one));
            }
            anyhow::Ok(took)
        });
    }
    gather(set, began).await
}

/// One piece of work, again and again.
pub trait AsyncWork: Send + 'static {
    /// Does it once.
    fn once(&mut self) -> impl Future<Output = Result<()>> + Send;
}

/// Sends `rate` pieces of work a second, whatever became of those before, to workers that take the next one when they are
/// free. What one takes is counted from when it was due, so that whoever waits for a worker is counted as waiting for an answer:
/// a slow answer does not hide the questions that were held back by it (coordinated omission).
///
/// # Errors
/// The first that any of the workers met.
pub async fn open<M, W>(workers: usize, rate: f64, time: Duration, make: impl Fn(usize) -> M) -> Result<Run>
where
    M: Future<Output = Result<W>> + Send + 'static,
    W: AsyncWork,
{
    let (due, next) = mpsc::unbounded_channel::<Instant>();
    let next = Arc::new(Mutex::new(next));
    let mut ready = Vec::new();
    for number in 0..workers {
        ready.push(make(number).await?);
    }
    let began = Instant::now();
    // A thread: the runtime's clock has steps of a millisecond.
    thread::spawn(move || {
        for nth in 0.. {
            let at = Duration::from_secs_f64(f64::from(nth) / rate);
            if at >= time {
                break;
            }
            thread::sleep((began + at).saturating_duration_since(Instant::now()));
            if due.send(began + at).is_err() {
                break;
            }
        }
    });
    let mut set = JoinSet::new();
    for mut work in ready {
        let next = next.clone();
        set.spawn(async move {
            let mut took = Vec::new();
            loop {
                let due = next.lock().await.recv().await;
                let Some(due) = due else { return anyhow::Ok(took) };
                work.once().await?;
                took.push(micros(due));
            }
        });
    }
    gather(set, began).await
}

async fn gather(mut set: JoinSet<Result<Vec<u32>>>, began: Instant) -> Result<Run> {
    let mut all = Vec::new();
    while let Some(took) = set.join_next().await {
        all.extend(took??);
    }
    Ok(Run::of(all, began.elapsed()))
}
