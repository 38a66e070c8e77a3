//! A program that was killed goes on at once when it is started again.

use std::time::Duration;

use leadline_runtime::{caller::Origin, ids::WorkspaceId, stop::Stop, zone::Zone};

use super::*;
use crate::{
    event,
    import::{OnDuplicate, Task, header},
    store,
};

#[tokio::test]
async fn an_import_that_a_process_held_when_it_ended_is_carried_on_at_the_next_start() -> anyhow::Result<()> {
    let folder = leadline_testbed::Folder::new()?;
    let url = leadline_storage::StoreUrl::Sqlite(folder.join("leads.db"));
    let open = async || store::open(&url, event::encode, &Stop::new()).await;
    let task = Task {
        file_name: "fair.csv".to_owned(),
        on_duplicate: OnDuplicate::Skip,
        dry_run: false,
        zone: Zone::UTC,
        columns: header::columns(&["Name".to_owned()], &[]).unwrap(),
        people: [].into(),
        origin: Origin::new(),
    };
    let (scope, id) = (Scope::of_own_row(WorkspaceId::new()), ImportId::new());
    let now = Millis::now();
    let until = now.after(Duration::from_secs(3_600));

    let first = open().await?;
    assert!(first.imports().begin(scope, id, now, now).await?);
    first.imports().queue(scope, Import::new(id, task, UserId::new()), None).await?;
    assert!(first.imports().claim(Uuid::new_v4(), now, until).await?.is_some());
    assert!(first.imports().claim(Uuid::new_v4(), now, until).await?.is_none());
    first.close().await;

    let second = open().await?;
    let (_, import) = second.imports().claim(Uuid::new_v4(), now, until).await?.unwrap();
    // Its end counts: an import that ends every process is given up some time.
    assert_eq!((import.id, import.state, import.attempts), (id, State::Running, 2));
    second.close().await;
    Ok(())
}
