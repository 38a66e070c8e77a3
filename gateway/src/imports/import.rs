//! An import, as the API shows it.

use leadline_proto::leads as proto;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    leads::lead::{at, page},
    people::{Names, Person},
    words::words,
};

words! {
    /// How an import stands.
    ImportState = proto::ImportState {
        /// It waits.
        Queued "queued",
        /// It is under way.
        Running "running",
        /// Every row was looked at.
        Done "done",
        /// It could not go on; `reason` says why. The rows counted were taken.
        Failed "failed",
        /// It is being taken back.
        Undoing "undoing",
        /// It was taken back.
        Undone "undone",
    }
}

words! {
    /// What is done with a row that is the same, by address or phone, as a lead that is there or a row before it.
    OnDuplicate = proto::OnDuplicate {
        /// The row is passed over.
        Skip "skip",
        /// The lead takes the row's values; empty cells change nothing.
        Update "update",
        /// A new lead is made all the same.
        Create "create",
    }
}

words! {
    /// What would become of a row.
    RowOutcome = proto::RowOutcome {
        /// A new lead.
        Created "created",
        /// A lead takes its values.
        Updated "updated",
        /// Nothing: its lead is there.
        Skipped "skipped",
        /// It can't be taken.
        Failed "failed",
    }
}

/// An import. `rows` is the sum of `created`, `updated`, `skipped` and `failed`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Import {
    /// UUIDv7.
    #[schema(format = "uuid")]
    id: String,
    state: ImportState,
    /// How many rows were looked at.
    rows: u64,
    /// How many leads were made, or would be.
    created: u64,
    /// How many leads were changed, or would be.
    updated: u64,
    /// How many rows were passed over, as their lead is there or has the same values already.
    skipped: u64,
    /// How many rows could not be taken: `/errors` has them.
    failed: u64,
    /// How many rows the file has; `null`: that is not known yet.
    #[schema(required)]
    total_rows: Option<u64>,
    /// What the file is called.
    file_name: String,
    created_by: Person,
    #[schema(format = "date-time")]
    created_at: String,
    #[schema(required, format = "date-time")]
    finished_at: Option<String>,
    /// Why it failed, in one sentence.
    #[schema(required)]
    reason: Option<String>,
    /// It only tells what would happen.
    dry_run: bool,
    on_duplicate: OnDuplicate,
    /// What was made of the columns, in the file's order. Empty in lists and in live events.
    columns: Vec<ImportColumn>,
    /// The first 20 rows of a dry run that is done, and what would become of them. Empty in lists and in live events.
    #[schema(max_items = 20)]
    preview: Vec<PreviewRow>,
    /// How many leads an undo has left as they are, as they were edited since.
    kept: u64,
    /// How many leads an undo has taken back.
    taken_back: u64,
}

/// A column of a file.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ImportColumn {
    /// As the file has it.
    header: String,
    /// `name`, `firstName`, `lastName`, `email`, `phone`, `company`, `source`, `status`, `tags`, `owner`, `createdAt`,
    /// `statusChangedAt` or `note`;
    /// `null`: it is passed over.
    #[schema(required)]
    field: Option<String>,
}

/// A row and what would become of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PreviewRow {
    /// Its line in the file; the header's is 1.
    #[schema(minimum = 2)]
    line: u64,
    /// Its cells, in the order of `columns`, each cut at 200 characters.
    cells: Vec<String>,
    outcome: RowOutcome,
    /// Why not, or what is the same.
    #[schema(required)]
    reason: Option<String>,
}

impl Import {
    /// From the contracts.
    pub(crate) fn of(import: proto::Import, names: &Names) -> Self {
        Self {
            state: ImportState::of(import.state),
            rows: import.rows,
            created: import.created,
            updated: import.updated,
            skipped: import.skipped,
            failed: import.failed,
            total_rows: import.total_rows,
            file_name: import.file_name,
            created_by: names.person(&import.created_by),
            created_at: at(import.created_at_ms),
            finished_at: import.finished_at_ms.map(at),
            reason: import.reason,
            dry_run: import.dry_run,
            on_duplicate: OnDuplicate::of(import.on_duplicate),
            columns: import
                .columns
                .into_iter()
                .map(|column| ImportColumn { header: column.header, field: some(column.field) })
                .collect(),
            preview: import.preview.into_iter().map(PreviewRow::of).collect(),
            kept: import.kept,
            taken_back: import.taken_back,
            id: import.id,
        }
    }
}

impl PreviewRow {
    fn of(row: proto::PreviewRow) -> Self {
        let outcome = RowOutcome::of(row.outcome);
        Self { line: row.line, cells: row.cells, outcome, reason: some(row.reason) }
    }
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

page! {
    /// A page of imports, newest first.
    ImportPage of Import
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_import_is_shown_with_nulls_for_what_is_not_known() {
        let column =
            |header: &str, field: &str| proto::ColumnMapping { header: header.into(), field: field.into() };
        let import = proto::Import {
            id: "i".into(),
            state: proto::ImportState::Running.into(),
            rows: 3,
            created: 1,
            skipped: 1,
            failed: 1,
            file_name: "a.csv".into(),
            created_by: "u".into(),
            on_duplicate: proto::OnDuplicate::Update.into(),
            columns: vec![column("Kunde", "name"), column("Intern", "")],
            preview: vec![proto::PreviewRow {
                line: 2,
                cells: vec!["Ada".into(), "x".into()],
                outcome: proto::RowOutcome::Failed.into(),
                reason: "no".into(),
            }],
            ..proto::Import::default()
        };
        let shown = serde_json::to_value(Import::of(import, &Names::of_test([("u", "Una")]))).unwrap();
        assert_eq!(
            shown,
            json!({
                "id": "i", "state": "running", "rows": 3, "created": 1, "updated": 0, "skipped": 1, "failed": 1,
                "totalRows": null, "fileName": "a.csv", "createdBy": {"id": "u", "name": "Una"},
                "createdAt": "1970-01-01T00:00:00.000Z", "finishedAt": null, "reason": null, "dryRun": false,
                "onDuplicate": "update", "kept": 0, "takenBack": 0,
                "columns": [{"header": "Kunde", "field": "name"}, {"header": "Intern", "field": null}],
                "preview": [{"line": 2, "cells": ["Ada", "x"], "outcome": "failed", "reason": "no"}]
            })
        );
    }
}
