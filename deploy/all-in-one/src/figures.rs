//! `leadline rebuild` and `leadline verify`: the figures, counted anew from the leads or compared with a recount.
//!
//! On MongoDB both work while the system is live, as those of `leadline-analytics` do. The embedded stores belong to one process
//! at a time, so there they work while Leadline is stopped.

use leadline_leads::{event, grpc, store};
use leadline_runtime::{ids::WorkspaceId, program::Failure, stop::Stop};
use leadline_storage::DataDir;

use crate::{Config, SERVICES};

/// Counts all figures anew, or those of one workspace. No service is started: nothing is told, imported or swept meanwhile.
pub(crate) async fn rebuild(config: &Config, only: Option<WorkspaceId>, stop: &Stop) -> Result<(), Failure> {
    let _held = hold(config)?;
    let url = config.store("leads");
    let leads = store::open(&url, event::encode, stop)
        .await
        .map_err(|error| Failure::new(format!("the store of leads at {url}: {error}")))?;
    let told = leads.clone();
    let snapshots = move |only| grpc::snapshots(told.clone(), only);
    let counted = leadline_analytics::count_anew(&config.store("analytics"), &snapshots, only, stop).await;
    leads.close().await;
    counted
}

/// Compares the counters with a recount of the snapshots that they were made of.
pub(crate) async fn verify(config: &Config, only: Option<WorkspaceId>, stop: &Stop) -> Result<(), Failure> {
    let _held = hold(config)?;
    leadline_analytics::compare(&config.store("analytics"), only, "leadline rebuild", stop).await
}

/// The data folder, for files in it; it must be there.
fn hold(config: &Config) -> Result<Option<DataDir>, Failure> {
    if config.mongo.is_some() {
        return Ok(None);
    }
    if let Some(name) = SERVICES.iter().find(|name| !config.data.join(format!("{name}.db")).exists()) {
        return Err(Failure::new(format!(
            "{} is no data folder of Leadline's, as it has no {name}.db: set LEADLINE_DATA_DIR to the one that is meant",
            config.data.display()
        )));
    }
    Ok(Some(DataDir::lock(&config.data)?))
}
