//! A file on its way through: in pieces, counted and hashed, and never held.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::{HeaderMap, header};
use leadline_proto::leads::{self as proto, start_import_request::Part};
use multer::{Field, Multipart};
use sha2::{Digest, Sha256};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};

use super::options::Options;
use crate::problem::Problem;

/// The largest file, in bytes.
pub(super) const LARGEST: usize = 100 * 1024 * 1024;
/// How much a form may have around its file: options, headers, boundaries.
const AROUND: usize = 1024 * 1024;
/// The largest piece of a file that is given on at once, in bytes.
const PIECE: usize = 1024 * 1024;
/// How many pieces wait for the service.
pub(super) const WAITING: usize = 2;
/// How long the client may send nothing, and the service take nothing.
const IDLE: Duration = Duration::from_secs(30);
/// How long the whole file may take.
const WHOLE: Duration = Duration::from_secs(60 * 60);
/// The longest text of an option in a form, in bytes.
const LONGEST_OPTION: usize = 64 * 1024;
/// The most fields of a form.
const MOST_FIELDS: usize = 50;
/// How much of a form may be read without a field or a piece of one to show for it: the headers of a field.
const MOST_UNCLAIMED: usize = 512 * 1024;

/// Why no more of a body is read.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the body ended early")]
    Early,
    #[error("the client sends too slowly")]
    Slow,
    #[error("the body is too large")]
    TooLarge,
    #[error("the form can't be read")]
    Unreadable,
}

impl From<Broken> for Problem {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Early => Self::malformed("the body ended early: nothing is imported"),
            Broken::Slow => {
                Self::unavailable("the file came too slowly and was cut off: nothing is imported")
            }
            Broken::TooLarge => Self::file_too_large(LARGEST / 1024 / 1024),
            Broken::Unreadable => {
                Self::malformed("the form can't be read: send multipart/form-data as RFC 7578 has it")
            }
        }
    }
}

impl From<multer::Error> for Broken {
    fn from(error: multer::Error) -> Self {
        match error {
            multer::Error::StreamReadFailed(cause) => {
                cause.downcast::<Self>().map_or(Self::Early, |broken| *broken)
            }
            multer::Error::IncompleteStream
            | multer::Error::IncompleteHeaders
            | multer::Error::IncompleteFieldData { .. } => Self::Early,
            _ => Self::Unreadable,
        }
    }
}

/// Why a file is not given on to its end.
pub(super) enum Cut {
    /// Because of what the client sends.
    Client(Problem),
    /// The service takes no more: its answer says why.
    Service,
}

impl From<Broken> for Cut {
    fn from(broken: Broken) -> Self {
        Self::Client(broken.into())
    }
}

/// In which form a file comes.
pub(super) enum Form {
    /// The body is the file; the options stand in the query.
    Bare,
    /// A form with this boundary.
    Multipart(String),
}

impl Form {
    /// # Errors
    /// 415 for what is no file, 413 for one that says that it is too large.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        if let Some(coding) = headers.get(header::CONTENT_ENCODING)
            && !coding.as_bytes().eq_ignore_ascii_case(b"identity")
        {
            return Err(Problem::unsupported("compressed bodies are not taken: leave out Content-Encoding"));
        }
        let form = Self::of_type(headers)?;
        let most = form.most() as u64;
        let length =
            headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|length| length > most) { Err(Broken::TooLarge.into()) } else { Ok(form) }
    }

    fn of_type(headers: &HeaderMap) -> Result<Self, Problem> {
        let value =
            headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut parts = value.split(';').map(str::trim);
        match parts.next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "text/csv" if parts.all(is_known_charset) => Ok(Self::Bare),
            "text/csv" => {
                Err(Problem::unsupported("a CSV must be in UTF-8 or Windows-1252: save it as UTF-8"))
            }
            super::XLSX => Ok(Self::Bare),
            "multipart/form-data" => {
                let boundary =
                    multer::parse_boundary(value).ok().filter(|text| (1..=70).contains(&text.len()));
                boundary.map(Self::Multipart).ok_or_else(|| Broken::Unreadable.into())
            }
            _ => Err(Problem::unsupported(
                "send the file as text/csv, as application/vnd.openxmlformats-officedocument.spreadsheetml.sheet, \
                 or as `file` of multipart/form-data",
            )),
        }
    }

    fn most(&self) -> usize {
        match self {
            Self::Bare => LARGEST,
            Self::Multipart(_) => LARGEST + AROUND,
        }
    }
}

fn is_known_charset(parameter: &str) -> bool {
    match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            let value = value.trim().trim_matches('"').to_ascii_lowercase();
            matches!(value.as_str(), "utf-8" | "utf8" | "us-ascii" | "windows-1252" | "iso-8859-1")
        }
        _ => true,
    }
}

/// Gives a file on, and the options behind it.
pub(super) struct Upload {
    out: mpsc::Sender<proto::StartImportRequest>,
    hash: Sha256,
    size: usize,
    options: Options,
    /// How long the client may send nothing.
    pub(super) idle: Duration,
}

impl Upload {
    /// An upload to `out`, with the options that are known already.
    pub(super) fn new(out: mpsc::Sender<proto::StartImportRequest>, options: Options) -> Self {
        Self { out, hash: Sha256::new(), size: 0, options, idle: IDLE }
    }

    /// Gives all on. The options go last: whatever breaks off before is no import.
    ///
    /// # Errors
    /// [`Cut`] as soon as it can't go on.
    pub(super) async fn run(mut self, form: Form, body: Body) -> Result<(), Cut> {
        let pieces = pieces(body, form.most(), self.idle);
        match form {
            Form::Bare => {
                let mut pieces = Box::pin(pieces);
                while let Some(piece) = pieces.next().await {
                    self.file(piece?).await?;
                }
            }
            Form::Multipart(boundary) => self.form(&boundary, pieces).await?,
        }
        let options = self.options.finish(&self.hash.finalize());
        give(&self.out, Part::Options(options)).await
    }

    async fn file(&mut self, mut bytes: Bytes) -> Result<(), Cut> {
        self.size += bytes.len();
        if self.size > LARGEST {
            return Err(Broken::TooLarge.into());
        }
        self.hash.update(&bytes);
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(PIECE));
            give(&self.out, Part::Chunk(piece.to_vec())).await?;
        }
        Ok(())
    }

    async fn form(
        &mut self,
        boundary: &str,
        pieces: impl Stream<Item = Result<Bytes, Broken>> + Send,
    ) -> Result<(), Cut> {
        let unclaimed = Arc::new(AtomicUsize::new(0));
        let paced = Paced { pieces: Box::pin(pieces), gave: false, unclaimed: unclaimed.clone() };
        let mut form = Multipart::new(paced, boundary);
        let (mut fields, mut file) = (0, false);
        while let Some(mut field) = form.next_field().await.map_err(Broken::from)? {
            unclaimed.store(0, Ordering::Relaxed);
            fields += 1;
            if fields > MOST_FIELDS {
                return Err(Broken::Unreadable.into());
            }
            let name = field.name().unwrap_or_default().to_owned();
            if name == "file" && !file {
                file = true;
                self.options.name_file(field.file_name().unwrap_or_default());
                while let Some(bytes) = next(&mut field, &unclaimed).await? {
                    self.file(bytes).await?;
                }
                continue;
            }
            let text = text(&mut field, &unclaimed).await?;
            if name == "file" {
                self.options.fault("file", "can be given only once");
            } else {
                self.options.field(&name, text.as_deref());
            }
        }
        if !file {
            self.options.fault("file", "is required");
        }
        Ok(())
    }
}

async fn give(out: &mpsc::Sender<proto::StartImportRequest>, part: Part) -> Result<(), Cut> {
    let message = proto::StartImportRequest { part: Some(part) };
    out.send_timeout(message, IDLE).await.map_err(|error| match error {
        mpsc::error::SendTimeoutError::Closed(_) => Cut::Service,
        mpsc::error::SendTimeoutError::Timeout(_) => {
            Cut::Client(Problem::unavailable("the file could not be kept in time: try again"))
        }
    })
}

async fn next(field: &mut Field<'_>, unclaimed: &AtomicUsize) -> Result<Option<Bytes>, Broken> {
    let bytes = field.chunk().await?;
    unclaimed.store(0, Ordering::Relaxed);
    Ok(bytes)
}

/// The text of an option; `None`: it is too long, or not UTF-8.
async fn text(field: &mut Field<'_>, unclaimed: &AtomicUsize) -> Result<Option<String>, Broken> {
    let mut text = Vec::new();
    while let Some(bytes) = next(field, unclaimed).await? {
        // Of one that is too long, the rest is read and thrown away.
        if text.len() <= LONGEST_OPTION {
            text.extend_from_slice(&bytes);
        }
    }
    Ok(String::from_utf8(text).ok().filter(|text| text.len() <= LONGEST_OPTION))
}

/// A body within its bounds of size and time.
fn pieces(body: Body, most: usize, idle: Duration) -> impl Stream<Item = Result<Bytes, Broken>> + Send {
    struct State {
        body: BodyDataStream,
        left: usize,
        ends: Instant,
    }
    let state = State { body: body.into_data_stream(), left: most, ends: Instant::now() + WHOLE };
    futures::stream::unfold(Some(state), move |state| async move {
        let mut state = state?;
        let time = idle.min(state.ends.saturating_duration_since(Instant::now()));
        let piece = match timeout(time, state.body.next()).await {
            Ok(None) => return None,
            Ok(Some(Ok(bytes))) => match state.left.checked_sub(bytes.len()) {
                Some(left) => {
                    state.left = left;
                    return Some((Ok(bytes), Some(state)));
                }
                None => Broken::TooLarge,
            },
            Ok(Some(Err(_))) => Broken::Early,
            Err(_) => Broken::Slow,
        };
        Some((Err(piece), None))
    })
}

/// Pieces one at a time. The parser takes all that is there before it gives anything on: a fast client would fill the memory.
struct Paced<S> {
    pieces: Pin<Box<S>>,
    gave: bool,
    unclaimed: Arc<AtomicUsize>,
}

impl<S: Stream<Item = Result<Bytes, Broken>>> Stream for Paced<S> {
    type Item = Result<Bytes, Broken>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.gave) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let piece = ready!(self.pieces.as_mut().poll_next(context));
        if let Some(Ok(bytes)) = &piece {
            self.gave = true;
            let before = self.unclaimed.fetch_add(bytes.len(), Ordering::Relaxed);
            if before > MOST_UNCLAIMED {
                return Poll::Ready(Some(Err(Broken::Unreadable)));
            }
        }
        Poll::Ready(piece)
    }
}
