//! The live events of a workspace, as a browser reads them.

use std::{collections::VecDeque, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use reqwest::{Method, Response};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::client::Client;

/// An event of the stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its id; empty if it has none.
    pub id: String,
    /// `activity`, `analytics` or `reminder.due`.
    pub kind: String,
    /// What it says.
    pub data: Value,
}

/// What came over the stream.
enum Piece {
    Event(Event),
    Comment,
}

/// An open stream of Server-Sent Events.
pub struct Stream {
    response: Response,
    unread: Vec<u8>,
    pieces: VecDeque<Piece>,
}

impl Stream {
    /// Opens the stream of a person's workspace, after an event or from now on.
    ///
    /// # Errors
    /// If it is not a stream that is answered.
    pub async fn open(client: &Client, last_event_id: Option<&str>) -> Result<Self> {
        let mut request = client.request(Method::GET, "/events").header("accept", "text/event-stream");
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let response = request.send().await.context("GET /events")?;
        let status = response.status();
        let kind =
            response.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        ensure!(
            status.as_u16() == 200 && kind.starts_with("text/event-stream"),
            "GET /events: {status} {kind}"
        );
        Ok(Self { response, unread: Vec::new(), pieces: VecDeque::new() })
    }

    /// The headers of the answer.
    #[must_use]
    pub fn headers(&self) -> &reqwest::header::HeaderMap {
        self.response.headers()
    }

    /// The next event; `None`: the stream has ended in good order.
    ///
    /// # Errors
    /// If none comes in time, or the stream breaks off.
    pub async fn next(&mut self, limit: Duration) -> Result<Option<Event>> {
        let deadline = Instant::now() + limit;
        loop {
            match self.piece(deadline).await? {
                Some(Piece::Event(event)) => return Ok(Some(event)),
                Some(Piece::Comment) => {}
                None => return Ok(None),
            }
        }
    }

    /// The next comment line; events before it are dropped.
    ///
    /// # Errors
    /// If none comes in time, or the stream ends.
    pub async fn comment(&mut self, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        loop {
            match self.piece(deadline).await? {
                Some(Piece::Comment) => return Ok(()),
                Some(Piece::Event(_)) => {}
                None => bail!("the stream ended before a comment came"),
            }
        }
    }

    /// The next event for which this holds; others before it are dropped.
    ///
    /// # Errors
    /// If none comes in time, or the stream ends.
    pub async fn find(&mut self, limit: Duration, what: &str, is: impl Fn(&Event) -> bool) -> Result<Event> {
        let deadline = Instant::now() + limit;
        let mut passed = Vec::new();
        loop {
            match self.piece(deadline).await.with_context(|| format!("awaiting {what}; came: {passed:?}"))? {
                Some(Piece::Event(event)) if is(&event) => return Ok(event),
                Some(Piece::Event(event)) => passed.push(event),
                Some(Piece::Comment) => {}
                None => bail!("the stream ended before {what}; came: {passed:?}"),
            }
        }
    }

    /// Reads on until the stream ends.
    ///
    /// # Errors
    /// If it does not end in time.
    pub async fn ended(&mut self, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        loop {
            match timeout_at(deadline, self.response.chunk()).await {
                Ok(Ok(Some(_))) => {}
                // Cut off or closed in good order: over is over.
                Ok(Ok(None) | Err(_)) => return Ok(()),
                Err(_) => bail!("the stream has not ended after {limit:?}"),
            }
        }
    }

    async fn piece(&mut self, deadline: Instant) -> Result<Option<Piece>> {
        loop {
            if let Some(piece) = self.pieces.pop_front() {
                return Ok(Some(piece));
            }
            let chunk =
                timeout_at(deadline, self.response.chunk()).await.context("nothing more came in time")?;
            match chunk.context("the stream broke off")? {
                Some(bytes) => self.read(&bytes)?,
                None => return Ok(None),
            }
        }
    }

    fn read(&mut self, bytes: &[u8]) -> Result<()> {
        self.unread.extend_from_slice(bytes);
        while let Some(end) = self.unread.windows(2).position(|pair| pair == b"\n\n") {
            let block: Vec<u8> = self.unread.drain(..end + 2).collect();
            let block = String::from_utf8(block).context("an event that is not UTF-8")?;
            let mut event = Event { id: String::new(), kind: "message".to_owned(), data: Value::Null };
            let (mut data, mut comments) = (Vec::new(), false);
            for line in block.lines() {
                let (name, value) = line.split_once(':').unwrap_or((line, ""));
                let value = value.strip_prefix(' ').unwrap_or(value);
                match name {
                    "" => comments |= line.starts_with(':'),
                    "id" => value.clone_into(&mut event.id),
                    "event" => value.clone_into(&mut event.kind),
                    "data" => data.push(value),
                    "retry" => {}
                    _ => bail!("a line that no reader knows: {line}"),
                }
            }
            if comments {
                self.pieces.push_back(Piece::Comment);
            }
            if !data.is_empty() {
                event.data = serde_json::from_str(&data.join("\n")).context("an event that is not JSON")?;
                self.pieces.push_back(Piece::Event(event));
            }
        }
        Ok(())
    }
}
