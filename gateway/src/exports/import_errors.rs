//! The rows of an import that could not be taken, as a file that can be mended and sent again.

use std::{sync::Arc, time::Duration};

use axum::response::Response;
use leadline_documents::{FileName, Format};
use leadline_proto::leads as proto;
use leadline_runtime::{caller::Caller, time::Millis};
use tokio::time::timeout;
use tonic::Streaming;

use super::{
    file,
    pieces::{Cut, Out, channel},
    places::Place,
};
use crate::{gateway::Gateway, problem::Problem};

/// How long the service may be silent.
const PATIENCE: Duration = Duration::from_secs(30);

/// Of which import.
pub(super) struct ImportErrors(String);

impl ImportErrors {
    pub(super) fn of(id: String) -> Self {
        Self(id)
    }

    /// From a path and its query, which is empty.
    pub(super) fn read(path: &str) -> Option<Self> {
        let id = path.strip_prefix("/api/v1/leads/imports/")?.strip_suffix("/errors")?;
        (!id.is_empty() && !id.contains('/')).then(|| Self(id.to_owned()))
    }

    pub(super) async fn answer(self, gateway: &Arc<Gateway>, caller: &Caller) -> Result<Response, Problem> {
        let place = gateway.exports.enter(caller.user)?;
        let zone = gateway.zone(caller, None).await?;
        let request = proto::StreamImportErrorsRequest { id: self.0 };
        let mut stream = gateway.imports().stream_import_errors(caller.request(request)).await?.into_inner();
        // What can be refused is refused before the answer begins.
        let first = stream.message().await?.map(|part| part.csv).unwrap_or_default();
        let (out, body) = channel();
        tokio::spawn(run(stream, first, out, place, caller.origin.request_id.clone()));
        Ok(file(&FileName::import_errors(zone.date(Millis::now())), Format::Csv, body))
    }
}

async fn run(
    mut stream: Streaming<proto::StreamImportErrorsResponse>,
    first: Vec<u8>,
    out: Out,
    place: Place,
    request_id: String,
) {
    let given = async {
        let mut piece = first;
        loop {
            if !piece.is_empty() {
                out.send(piece).await?;
            }
            let silent = |_| Cut::Service("the service of leads is silent".to_owned());
            let part = timeout(PATIENCE, stream.message()).await.map_err(silent)?;
            let part =
                part.map_err(|status| Cut::Service(format!("the service of leads broke off: {status}")))?;
            match part {
                Some(part) => piece = part.csv,
                None => return out.end().await,
            }
        }
    };
    match given.await {
        Ok(()) => {}
        Err(cut @ Cut::Client) => tracing::debug!(%cut, request_id, "an export was broken off"),
        Err(cut) => tracing::warn!(%cut, request_id, "an export was broken off"),
    }
    drop(place);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_names_one_import() {
        let id = |path: &str| ImportErrors::read(path).map(|errors| errors.0);
        assert_eq!(id("/api/v1/leads/imports/a-1/errors").as_deref(), Some("a-1"));
        for bad in [
            "/api/v1/leads/imports//errors",
            "/api/v1/leads/imports/a/b/errors",
            "/api/v1/leads/imports/a",
            "/errors",
        ] {
            assert_eq!(id(bad), None, "{bad}");
        }
    }
}
