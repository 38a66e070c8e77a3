//! Rows of leads and notes, read.

use leadline_runtime::{caller::Scope, time::Millis, version::Version};
use leadline_storage::{
    StorageError,
    rusqlite::{Connection, OptionalExtension, Row, types::Type},
};
use uuid::Uuid;

use crate::{
    fields::{Company, Email, Fields, Name, NoteText, Phone, Tags},
    lead::{Imported, Lead, LeadId, Note, NoteId},
    stage::{Source, StageTimes, Stages, Status},
    store::StoreError,
};

/// The columns that [`lead`] reads, of a table called `l`.
pub(super) const COLUMNS: &str = "l.row, l.id, l.version, l.status, l.source, l.owner, l.created_by, l.created_at, \
    l.updated_at, l.status_changed_at, l.last_activity_at, l.next_follow_up_at, l.deleted_at, l.note_count, l.stages, \
    l.name, l.email, l.phone, l.company, l.tags, l.made_by_import, l.changed_by_import";

/// A lead by its id and its workspace's.
pub(super) const OF_ID: &str = "SELECT l.row, l.id, l.version, l.status, l.source, l.owner, l.created_by, l.created_at, \
    l.updated_at, l.status_changed_at, l.last_activity_at, l.next_follow_up_at, l.deleted_at, l.note_count, l.stages, \
    l.name, l.email, l.phone, l.company, l.tags, l.made_by_import, l.changed_by_import \
    FROM leads l WHERE l.id = ?1 AND l.workspace = (SELECT number FROM workspaces WHERE id = ?2)";

/// Notes of a lead older than one of them, newest first.
pub(super) const NOTES: &str =
    "SELECT id, author, created_at, text FROM notes WHERE lead = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3";

/// Where a lead stands in its table.
pub(super) type Place = i64;

/// A lead by its id, in the trash or not.
pub(super) fn find(conn: &Connection, scope: Scope, id: LeadId) -> Result<Option<(Place, Lead)>, StoreError> {
    Ok(conn
        .prepare_cached(OF_ID)?
        .query_row((id.uuid().as_bytes(), scope.workspace().uuid().as_bytes()), lead)
        .optional()?)
}

/// A lead of [`COLUMNS`].
pub(super) fn lead(row: &Row<'_>) -> leadline_storage::rusqlite::Result<(Place, Lead)> {
    let text = |index| row.get::<_, Option<String>>(index);
    let time = |index| Ok::<_, leadline_storage::rusqlite::Error>(Millis(row.get(index)?));
    let some_time =
        |index| Ok::<_, leadline_storage::rusqlite::Error>(row.get::<_, Option<i64>>(index)?.map(Millis));
    let import = |index| {
        let id = row.get::<_, Option<[u8; 16]>>(index)?;
        Ok::<_, leadline_storage::rusqlite::Error>(id.map(|id| Uuid::from_bytes(id).into()))
    };
    let tags: String = row.get(19)?;
    let fields = Fields {
        name: Name::stored(row.get(15)?),
        email: text(16)?.map(Email::stored),
        phone: text(17)?.map(Phone::stored),
        company: text(18)?.map(Company::stored),
        source: Source::of_code(row.get(4)?).ok_or_else(|| broken(4, "a source"))?,
        status: Status::of_rank(row.get(3)?).ok_or_else(|| broken(3, "a stage"))?,
        tags: Tags::stored(tags.lines().map(str::to_owned).collect()),
        owner: row.get::<_, Option<[u8; 16]>>(5)?.map(|id| Uuid::from_bytes(id).into()),
    };
    let lead = Lead {
        id: Uuid::from_bytes(row.get(1)?).into(),
        fields,
        created_by: Uuid::from_bytes(row.get(6)?).into(),
        created_at: time(7)?,
        updated_at: time(8)?,
        status_changed_at: time(9)?,
        last_activity_at: time(10)?,
        next_follow_up_at: some_time(11)?,
        version: Version(row.get::<_, i64>(2)?.cast_unsigned()),
        note_count: row.get(13)?,
        deleted_at: some_time(12)?,
        stages: stages(row.get_ref(14)?.as_blob()?).ok_or_else(|| broken(14, "stages"))?,
        imported: Imported { made_by: import(20)?, changed_by: import(21)? },
    };
    Ok((row.get(0)?, lead))
}

fn broken(column: usize, what: &str) -> leadline_storage::rusqlite::Error {
    leadline_storage::rusqlite::Error::FromSqlConversionFailure(
        column,
        Type::Blob,
        Box::new(StorageError::Internal(format!("a row holds what is not {what}"))),
    )
}

/// Stages as they are stored.
pub(super) fn stages_bytes(stages: &Stages) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(17 * 5);
    for (status, times) in stages.iter() {
        bytes.push(status.rank());
        bytes.extend(times.first.0.to_be_bytes());
        bytes.extend(times.last.0.to_be_bytes());
    }
    bytes
}

fn stages(bytes: &[u8]) -> Option<Stages> {
    let mut stages = Stages::default();
    for chunk in bytes.chunks(17) {
        let (rank, times) = chunk.split_first()?;
        let (first, last) = times.split_at_checked(8)?;
        let time = |bytes: &[u8]| Some(Millis(i64::from_be_bytes(bytes.try_into().ok()?)));
        stages.set(Status::of_rank(i64::from(*rank))?, StageTimes { first: time(first)?, last: time(last)? });
    }
    Some(stages)
}

/// The newest notes of a lead, newest first.
pub(super) fn newest_notes(
    conn: &Connection,
    place: Place,
    lead: &Lead,
    limit: usize,
) -> Result<Vec<Note>, StoreError> {
    if lead.note_count == 0 { Ok(Vec::new()) } else { notes(conn, place, None, limit) }
}

/// Notes of a lead older than `before`, newest first.
pub(super) fn notes(
    conn: &Connection,
    place: Place,
    before: Option<NoteId>,
    limit: usize,
) -> Result<Vec<Note>, StoreError> {
    let before = before.map_or([0xff; 16], |id| id.uuid().into_bytes());
    let mut notes = conn.prepare_cached(NOTES)?;
    let rows = notes.query_map((place, before, sql_limit(limit)), |row| {
        Ok(Note {
            id: Uuid::from_bytes(row.get(0)?).into(),
            author: Uuid::from_bytes(row.get(1)?).into(),
            created_at: Millis(row.get(2)?),
            text: NoteText::stored(row.get(3)?),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A limit as SQLite takes it.
pub(super) fn sql_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// The one number of a `SELECT count(*)`.
pub(super) fn count(row: &Row<'_>) -> leadline_storage::rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(0)?.cast_unsigned())
}
