//! Imports in the words of the contract.

use leadline_proto::{
    events::{self, event::Body},
    leads as proto,
};
use leadline_runtime::{caller::Scope, ids::new_uuid, time::Millis};

use super::{Import, OnDuplicate, Outcome, PreviewRow, State, header::Field};

fn state(state: State) -> proto::ImportState {
    match state {
        State::Queued => proto::ImportState::Queued,
        State::Running => proto::ImportState::Running,
        State::Done => proto::ImportState::Done,
        State::Failed => proto::ImportState::Failed,
        State::Undoing => proto::ImportState::Undoing,
        State::Undone => proto::ImportState::Undone,
    }
}

fn outcome(outcome: Outcome) -> proto::RowOutcome {
    match outcome {
        Outcome::Created => proto::RowOutcome::Created,
        Outcome::Updated => proto::RowOutcome::Updated,
        Outcome::Skipped => proto::RowOutcome::Skipped,
        Outcome::Failed => proto::RowOutcome::Failed,
    }
}

/// What is done with duplicates.
#[must_use]
pub fn on_duplicate(choice: OnDuplicate) -> proto::OnDuplicate {
    match choice {
        OnDuplicate::Skip => proto::OnDuplicate::Skip,
        OnDuplicate::Update => proto::OnDuplicate::Update,
        OnDuplicate::Create => proto::OnDuplicate::Create,
    }
}

/// The same from the wire; unspecified is skip, `None` what nobody knows.
#[must_use]
pub fn on_duplicate_of(choice: i32) -> Option<OnDuplicate> {
    match proto::OnDuplicate::try_from(choice).ok()? {
        proto::OnDuplicate::Unspecified | proto::OnDuplicate::Skip => Some(OnDuplicate::Skip),
        proto::OnDuplicate::Update => Some(OnDuplicate::Update),
        proto::OnDuplicate::Create => Some(OnDuplicate::Create),
    }
}

/// An import, with these rows of a preview.
#[must_use]
pub fn import(import: &Import, preview: Vec<PreviewRow>) -> proto::Import {
    let columns = import.task.columns.iter().map(|column| proto::ColumnMapping {
        header: column.header.clone(),
        field: column.field.map(Field::name).unwrap_or_default().to_owned(),
    });
    let row = |row: PreviewRow| proto::PreviewRow {
        line: row.line,
        cells: row.cells,
        outcome: outcome(row.outcome).into(),
        reason: row.reason,
    };
    proto::Import {
        id: import.id.to_string(),
        state: state(import.state).into(),
        rows: import.counts.rows(),
        created: import.counts.created,
        updated: import.counts.updated,
        skipped: import.counts.skipped,
        failed: import.counts.failed,
        total_rows: import.total,
        file_name: import.task.file_name.clone(),
        created_by: import.created_by.to_string(),
        created_at_ms: import.created_at.0,
        finished_at_ms: import.finished_at.map(|at| at.0),
        reason: import.reason.clone(),
        dry_run: import.task.dry_run,
        columns: columns.collect(),
        preview: preview.into_iter().map(row).collect(),
        kept: import.kept,
        on_duplicate: on_duplicate(import.task.on_duplicate).into(),
        taken_back: import.taken_back,
    }
}

/// The signal that an import went on.
#[must_use]
pub fn progress(scope: Scope, of: &Import) -> events::Event {
    let told = proto::Import { columns: Vec::new(), ..import(of, Vec::new()) };
    events::Event {
        id: new_uuid().to_string(),
        workspace_id: scope.workspace().to_string(),
        at_ms: Millis::now().0,
        actor_id: of.created_by.to_string(),
        request_id: of.task.origin.request_id.clone(),
        traceparent: of.task.origin.traceparent.clone(),
        body: Some(Body::ImportProgress(events::ImportProgress { import: Some(told) })),
    }
}
