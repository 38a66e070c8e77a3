//! Parts of imports as both stores keep them: bytes that nobody looks into.

use leadline_runtime::{
    caller::Origin,
    ids::{UserId, parse_uuid},
    time::Millis,
    zone::Zone,
};
use leadline_storage::StorageError;
use prost::Message;

use crate::{
    fields::{Company, Email, Fields, Name, Phone, Tags},
    import::{Column, Former, Named, OnDuplicate, Outcome, Past, People, PreviewRow, Task, header::Field},
    lead::NoteId,
    stage::{Source, StageTimes, Stages, Status},
    store::StoreError,
};

#[derive(Clone, PartialEq, Message)]
struct StoredTask {
    #[prost(string, tag = "1")]
    file_name: String,
    #[prost(uint32, tag = "2")]
    on_duplicate: u32,
    #[prost(bool, tag = "3")]
    dry_run: bool,
    #[prost(string, tag = "4")]
    zone: String,
    #[prost(message, repeated, tag = "5")]
    columns: Vec<StoredColumn>,
    #[prost(message, repeated, tag = "6")]
    people: Vec<StoredPerson>,
    #[prost(string, tag = "7")]
    request_id: String,
    #[prost(string, tag = "8")]
    traceparent: String,
}

#[derive(Clone, PartialEq, Message)]
struct StoredColumn {
    #[prost(string, tag = "1")]
    header: String,
    #[prost(string, tag = "2")]
    field: String,
}

#[derive(Clone, PartialEq, Message)]
struct StoredPerson {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    user: String,
    #[prost(bool, tag = "3")]
    member: bool,
}

#[derive(Clone, PartialEq, Message)]
struct StoredTexts {
    #[prost(string, repeated, tag = "1")]
    texts: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
struct StoredPreview {
    #[prost(message, repeated, tag = "1")]
    rows: Vec<StoredPreviewRow>,
}

#[derive(Clone, PartialEq, Message)]
struct StoredPreviewRow {
    #[prost(uint64, tag = "1")]
    line: u64,
    #[prost(string, repeated, tag = "2")]
    cells: Vec<String>,
    #[prost(uint32, tag = "3")]
    outcome: u32,
    #[prost(string, tag = "4")]
    reason: String,
}

#[derive(Clone, PartialEq, Message)]
struct StoredFields {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, optional, tag = "2")]
    email: Option<String>,
    #[prost(string, optional, tag = "3")]
    phone: Option<String>,
    #[prost(string, optional, tag = "4")]
    company: Option<String>,
    #[prost(uint32, tag = "5")]
    source: u32,
    #[prost(uint32, tag = "6")]
    status: u32,
    #[prost(string, repeated, tag = "7")]
    tags: Vec<String>,
    #[prost(string, optional, tag = "8")]
    owner: Option<String>,
    #[prost(int64, optional, tag = "9")]
    status_changed_at: Option<i64>,
    #[prost(message, repeated, tag = "10")]
    stages: Vec<StoredStage>,
}

#[derive(Clone, PartialEq, Message)]
struct StoredStage {
    #[prost(uint32, tag = "1")]
    status: u32,
    #[prost(int64, tag = "2")]
    first: i64,
    #[prost(int64, tag = "3")]
    last: i64,
}

fn broken(what: &str) -> StoreError {
    StorageError::Internal(format!("an import holds no good {what}")).into()
}

fn read<M: Message + Default>(bytes: &[u8], what: &str) -> Result<M, StoreError> {
    M::decode(bytes).map_err(|_| broken(what))
}

fn user(text: &str) -> Result<UserId, StoreError> {
    parse_uuid(text).map(UserId::from).map_err(|_| broken("user"))
}

/// A task as bytes.
pub(in crate::store) fn task_bytes(task: &Task) -> Vec<u8> {
    let person = |(name, named): (&String, &Named)| {
        let (user, member) = match named {
            Named::Member(user) => (user.to_string(), true),
            Named::Former(user) => (user.to_string(), false),
            Named::Several => (String::new(), true),
        };
        StoredPerson { name: name.clone(), user, member }
    };
    let column = |column: &Column| StoredColumn {
        header: column.header.clone(),
        field: column.field.map(Field::name).unwrap_or_default().to_owned(),
    };
    StoredTask {
        file_name: task.file_name.clone(),
        on_duplicate: match task.on_duplicate {
            OnDuplicate::Skip => 1,
            OnDuplicate::Update => 2,
            OnDuplicate::Create => 3,
        },
        dry_run: task.dry_run,
        zone: task.zone.name().to_owned(),
        columns: task.columns.iter().map(column).collect(),
        people: task.people.iter().map(person).collect(),
        request_id: task.origin.request_id.clone(),
        traceparent: task.origin.traceparent.clone(),
    }
    .encode_to_vec()
}

/// A task of its bytes.
pub(in crate::store) fn task(bytes: &[u8]) -> Result<Task, StoreError> {
    let stored: StoredTask = read(bytes, "task")?;
    let mut people = People::new();
    for person in stored.people {
        let named = match (person.user.as_str(), person.member) {
            ("", _) => Named::Several,
            (id, true) => Named::Member(user(id)?),
            (id, false) => Named::Former(user(id)?),
        };
        people.insert(person.name, named);
    }
    let column = |column: StoredColumn| Column { field: Field::parse(&column.field), header: column.header };
    Ok(Task {
        file_name: stored.file_name,
        on_duplicate: match stored.on_duplicate {
            1 => OnDuplicate::Skip,
            2 => OnDuplicate::Update,
            3 => OnDuplicate::Create,
            _ => return Err(broken("choice")),
        },
        dry_run: stored.dry_run,
        zone: Zone::parse(&stored.zone).map_err(|_| broken("zone"))?,
        columns: stored.columns.into_iter().map(column).collect(),
        people,
        origin: Origin { request_id: stored.request_id, traceparent: stored.traceparent },
    })
}

/// A task of which nobody's name is known any more.
pub(in crate::store) fn nameless(bytes: &[u8]) -> Result<Vec<u8>, StoreError> {
    let mut stored: StoredTask = read(bytes, "task")?;
    stored.people.clear();
    Ok(stored.encode_to_vec())
}

/// Texts as bytes.
pub(in crate::store) fn texts_bytes(texts: &[String]) -> Vec<u8> {
    StoredTexts { texts: texts.to_vec() }.encode_to_vec()
}

/// Texts of their bytes.
pub(in crate::store) fn texts(bytes: &[u8]) -> Result<Vec<String>, StoreError> {
    read::<StoredTexts>(bytes, "cells").map(|stored| stored.texts)
}

/// Ids of notes as bytes.
pub(in crate::store) fn notes_bytes(notes: &[NoteId]) -> Vec<u8> {
    notes.iter().flat_map(|id| id.uuid().into_bytes()).collect()
}

/// Ids of notes of their bytes.
pub(in crate::store) fn notes(bytes: &[u8]) -> Vec<NoteId> {
    bytes.chunks_exact(16).filter_map(|id| uuid::Uuid::from_slice(id).ok()).map(NoteId::from).collect()
}

/// A preview as bytes.
pub(in crate::store) fn preview_bytes(rows: &[PreviewRow]) -> Vec<u8> {
    let row = |row: &PreviewRow| StoredPreviewRow {
        line: row.line,
        cells: row.cells.clone(),
        outcome: row.outcome.code().into(),
        reason: row.reason.clone(),
    };
    StoredPreview { rows: rows.iter().map(row).collect() }.encode_to_vec()
}

/// A preview of its bytes. Those of two previews, one behind the other, are those of both together.
pub(in crate::store) fn preview(bytes: &[u8]) -> Result<Vec<PreviewRow>, StoreError> {
    let row = |row: StoredPreviewRow| {
        let outcome = Outcome::of_code(row.outcome).ok_or_else(|| broken("preview"))?;
        Ok(PreviewRow { line: row.line, cells: row.cells, outcome, reason: row.reason })
    };
    read::<StoredPreview>(bytes, "preview")?.rows.into_iter().map(row).collect()
}

/// What a lead was, as bytes.
pub(in crate::store) fn former_bytes(former: &Former) -> Vec<u8> {
    let Former { fields, past } = former;
    let stage = |(status, times): (Status, StageTimes)| StoredStage {
        status: status.rank().into(),
        first: times.first.0,
        last: times.last.0,
    };
    StoredFields {
        status_changed_at: past.map(|past| past.status_changed_at.0),
        stages: past.iter().flat_map(|past| past.stages.iter()).map(stage).collect(),
        name: fields.name.as_str().to_owned(),
        email: fields.email.as_ref().map(|email| email.as_str().to_owned()),
        phone: fields.phone.as_ref().map(|phone| phone.as_str().to_owned()),
        company: fields.company.as_ref().map(|company| company.as_str().to_owned()),
        source: fields.source.code().into(),
        status: fields.status.rank().into(),
        tags: fields.tags.to_texts(),
        owner: fields.owner.map(|owner| owner.to_string()),
    }
    .encode_to_vec()
}

/// What a lead was, of its bytes.
pub(in crate::store) fn former(bytes: &[u8]) -> Result<Former, StoreError> {
    let stored: StoredFields = read(bytes, "fields")?;
    let status = |rank: u32| Status::of_rank(rank.into()).ok_or_else(|| broken("stage"));
    let mut stages = Stages::default();
    for stage in &stored.stages {
        let times = StageTimes { first: Millis(stage.first), last: Millis(stage.last) };
        stages.set(status(stage.status)?, times);
    }
    let past = stored.status_changed_at.map(|at| Past { stages, status_changed_at: Millis(at) });
    let fields = Fields {
        name: Name::stored(stored.name),
        email: stored.email.map(Email::stored),
        phone: stored.phone.map(Phone::stored),
        company: stored.company.map(Company::stored),
        source: Source::of_code(stored.source.into()).ok_or_else(|| broken("source"))?,
        status: status(stored.status)?,
        tags: Tags::stored(stored.tags),
        owner: stored.owner.as_deref().map(user).transpose()?,
    };
    Ok(Former { fields, past })
}
