//! The store in a SQLite file.

use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use leadline_bus::Outbox;
use leadline_runtime::{
    caller::Scope,
    ids::{WorkspaceId, parse_uuid},
    once::{KEPT, Once},
    time::Millis,
    version::{Precondition, Version},
};
use leadline_storage::{Sqlite, SqliteOptions, StorageError};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params, types::Value};

use super::{Answer, COUNTED, Erasing, Named, Page, Query, Store, StoreError};
use crate::{
    event::{self, Due, Encoded, FollowUp},
    reminder::{By, Change, Kind, KnownLead, LeadId, Message, Reminder, ReminderId, Status},
};

mod erase;
mod leads;
mod migrations;
mod once;
mod outbox;

use leads::{know, known};
use migrations::MIGRATIONS;
use once::{answered, replay};

/// How long published events stay, for event streams that resume.
pub(super) const PUBLISHED_KEPT: Duration = Duration::from_secs(60 * 60);
/// How many rows a sweep takes at once, so that it never holds the writer for long.
pub(super) const SWEPT: usize = 500;

/// Reminders in a SQLite file.
#[derive(Clone)]
pub(super) struct SqliteStore {
    db: Sqlite,
}

impl SqliteStore {
    pub(super) fn open(path: &Path) -> Result<Self, StorageError> {
        Ok(Self { db: Sqlite::open(path, MIGRATIONS, SqliteOptions::default())? })
    }
}

const COLUMNS: &str = "r.id, r.lead, r.due_at, r.message, r.done_at, r.assignee, r.created_by, r.created_at, r.version, r.armed, r.told_due_at, l.name";

#[async_trait]
impl Store for SqliteStore {
    async fn create(
        &self,
        scope: Scope,
        reminder: Reminder,
        lead: KnownLead,
        by: By,
        once: Option<Once>,
    ) -> Result<Answer, StoreError> {
        self.db
            .write(move |conn| {
                if let Some(answer) = replay(conn, once.as_ref(), by.at)? {
                    return Ok(answer);
                }
                know(conn, scope, &lead)?;
                let known =
                    known(conn, scope, lead.id)?.filter(|known| !known.deleted).ok_or(StoreError::NoLead)?;
                insert(conn, scope, &reminder)?;
                tell(conn, scope, Kind::Created, &reminder, &known.name, &by)?;
                answered(conn, Named { reminder, lead_name: known.name }, once, by.at)
            })
            .await
    }

    async fn change(
        &self,
        scope: Scope,
        id: ReminderId,
        condition: Precondition,
        change: Change,
        by: By,
        once: Option<Once>,
    ) -> Result<Answer, StoreError> {
        self.db
            .write(move |conn| {
                if let Some(answer) = replay(conn, once.as_ref(), by.at)? {
                    return Ok(answer);
                }
                let mut named = find(conn, scope, id)?.ok_or(StoreError::NotFound)?;
                condition.check(named.reminder.version)?;
                if let Some(kind) = named.reminder.apply(&change, by.at) {
                    update(conn, &named.reminder)?;
                    tell(conn, scope, kind, &named.reminder, &named.lead_name, &by)?;
                }
                answered(conn, named, once, by.at)
            })
            .await
    }

    async fn delete(
        &self,
        scope: Scope,
        id: ReminderId,
        condition: Precondition,
        by: By,
    ) -> Result<(), StoreError> {
        self.db
            .write(move |conn| {
                let named = find(conn, scope, id)?.ok_or(StoreError::NotFound)?;
                condition.check(named.reminder.version)?;
                conn.prepare_cached("DELETE FROM reminders WHERE id = ?1")?.execute([id.to_string()])?;
                tell(conn, scope, Kind::Deleted, &named.reminder, &named.lead_name, &by)
            })
            .await
    }

    async fn answered(&self, once: &Once, now: Millis) -> Result<Option<Answer>, StoreError> {
        let once = once.clone();
        self.db.read(move |conn| replay(conn, Some(&once), now)).await
    }

    async fn get(&self, scope: Scope, id: ReminderId) -> Result<Option<Named>, StoreError> {
        self.db.read(move |conn| find(conn, scope, id)).await
    }

    async fn list(&self, scope: Scope, query: Query) -> Result<Page, StoreError> {
        self.db
            .read(move |conn| {
                let (select, count) = (Statement::page(scope, &query), Statement::count(scope, &query));
                let mut items = conn
                    .prepare_cached(&select.sql)?
                    .query_map(select.binds().as_slice(), named)?
                    .collect::<Result<Vec<_>, _>>()?;
                let more = items.len() > query.limit;
                items.truncate(query.limit);
                let counted = conn
                    .prepare_cached(&count.sql)?
                    .query_row(count.binds().as_slice(), |row| count_of(row, 0))?;
                Ok(Page { items, total: counted.min(COUNTED), exact: counted <= COUNTED, more })
            })
            .await
    }

    async fn due_after(
        &self,
        scope: Scope,
        event_id: uuid::Uuid,
        limit: usize,
    ) -> Result<Vec<Due>, StoreError> {
        self.db
            .read(move |conn| {
                // Ids are made by the one writer inside its transactions: their order is the order of commits.
                let mut statement = conn.prepare_cached(
                    "SELECT event FROM outbox
                     WHERE key = 'reminder.due' AND workspace = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
                )?;
                let rows = statement.query_map(
                    params![scope.workspace().to_string(), event_id.to_string(), whole(limit)],
                    |row| row.get::<_, Vec<u8>>(0),
                )?;
                rows.filter_map(|row| row.map(|bytes| event::decode_due(&bytes)).transpose())
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(StoreError::from)
            })
            .await
    }

    async fn learn(&self, news: Vec<(Scope, KnownLead)>) -> Result<(), StoreError> {
        let erases = news.iter().any(|(_, lead)| lead.erased);
        let learnt = self
            .db
            .write(move |conn| {
                for (scope, lead) in &news {
                    know(conn, *scope, lead)?;
                }
                Ok(())
            })
            .await;
        if erases {
            // It still holds what was known of them.
            self.db.empty_log();
        }
        learnt
    }

    async fn fire(&self, now: Millis, limit: usize) -> Result<usize, StoreError> {
        // Looked up by a reader first: most of the time nothing is due, and the writer is left alone.
        let waiting = self
            .db
            .read(move |conn| conn.prepare_cached(FIRE_CHECK)?.exists([now.0]).map_err(StoreError::from))
            .await?;
        if !waiting {
            return Ok(0);
        }
        self.db
            .write(move |conn| {
                let due = conn
                    .prepare_cached(&format!("{FIRE} LIMIT ?2"))?
                    .query_map(params![now.0, whole(limit)], |row| {
                        Ok((row.get::<_, String>(12)?, named(row)?))
                    })?
                    .collect::<Result<Vec<_>, _>>()?;
                for (workspace, named) in &due {
                    let scope = Scope::of_own_row(workspace_id(workspace)?);
                    conn.prepare_cached(
                        "UPDATE reminders SET armed = 0, told_due_at = due_at WHERE id = ?1",
                    )?
                    .execute([named.reminder.id.to_string()])?;
                    let follow_up = FollowUp {
                        next_due_at: next_due(conn, scope, named.reminder.lead)?,
                        revision: revision(conn, scope, named.reminder.lead)?,
                    };
                    let by =
                        By { actor: None, at: now, request_id: String::new(), traceparent: String::new() };
                    let event =
                        event::encode(scope, Kind::Due, &named.reminder, &named.lead_name, follow_up, &by);
                    put_event(conn, scope, named.reminder.lead, now, &event)?;
                }
                Ok(due.len())
            })
            .await
    }

    async fn backfill(
        &self,
        scope: Scope,
        items: Vec<(Reminder, KnownLead)>,
        by: By,
    ) -> Result<(), StoreError> {
        self.db
            .write(move |conn| {
                for (reminder, lead) in &items {
                    know(conn, scope, lead)?;
                    insert(conn, scope, reminder)?;
                    tell(conn, scope, Kind::Created, reminder, &lead.name, &by)?;
                }
                Ok(())
            })
            .await
    }

    async fn mark_erased(&self, scope: Scope, at: Millis) -> Result<(), StoreError> {
        self.db.write(move |conn| erase::mark(conn, scope, at)).await
    }

    async fn to_erase(&self) -> Result<Vec<(Scope, Millis)>, StoreError> {
        self.db.read(erase::to_erase).await
    }

    async fn erase_some(&self, scope: Scope, limit: usize) -> Result<Erasing, StoreError> {
        self.db.write(move |conn| erase::some(conn, scope, limit)).await
    }

    async fn done_erasing(&self, scope: Scope) -> Result<(), StoreError> {
        self.db.write(move |conn| erase::done(conn, scope)).await
    }

    async fn empty_log(&self) {
        self.db.empty_log();
    }

    async fn sweep(&self, now: Millis) -> Result<(), StoreError> {
        loop {
            let swept: usize = self
                .db
                .write(move |conn| {
                    let keys = conn
                        .prepare_cached(
                            "DELETE FROM once WHERE id IN (SELECT id FROM once WHERE at < ?1 LIMIT ?2)",
                        )?
                        .execute(params![now.before(KEPT).0, whole(SWEPT)])?;
                    let events = conn
                        .prepare_cached(
                            "DELETE FROM outbox WHERE row IN
                             (SELECT row FROM outbox WHERE published = 1 AND at < ?1 LIMIT ?2)",
                        )?
                        .execute(params![now.before(PUBLISHED_KEPT).0, whole(SWEPT)])?;
                    Ok::<_, StoreError>(keys.max(events))
                })
                .await?;
            if swept < SWEPT {
                return Ok(());
            }
        }
    }

    async fn ping(&self) -> Result<(), StorageError> {
        self.db.ping().await
    }

    async fn close(&self) {
        self.db.close().await;
    }

    fn outbox(self: Arc<Self>) -> Arc<dyn Outbox> {
        self
    }
}

const FIRE_CHECK: &str = "SELECT 1 FROM reminders WHERE armed = 1 AND hidden = 0 AND due_at <= ?1";
const FIRE: &str =
    "SELECT r.id, r.lead, r.due_at, r.message, r.done_at, r.assignee, r.created_by, r.created_at, r.version,
    r.armed, r.told_due_at, l.name, r.workspace
    FROM reminders r JOIN leads l ON l.workspace = r.workspace AND l.id = r.lead
    WHERE r.armed = 1 AND r.hidden = 0 AND r.due_at <= ?1 ORDER BY r.due_at";

/// A statement and what it is bound to.
struct Statement {
    sql: String,
    values: Vec<Value>,
}

impl Statement {
    fn page(scope: Scope, query: &Query) -> Self {
        let (mut conditions, mut values) = conditions(scope, query);
        if let Some(after) = query.after {
            values.push(Value::Integer(after.due_at.0));
            values.push(Value::Text(after.id.to_string()));
            conditions.push_str(&format!(
                " AND (r.due_at, r.id) > (?{}, ?{})",
                values.len() - 1,
                values.len()
            ));
        }
        // One more than asked for tells whether another page follows.
        let limit = query.limit + 1;
        let sql = format!(
            "SELECT {COLUMNS} FROM reminders r JOIN leads l ON l.workspace = r.workspace AND l.id = r.lead
             WHERE {conditions} ORDER BY r.due_at, r.id LIMIT {limit}"
        );
        Self { sql, values }
    }

    fn count(scope: Scope, query: &Query) -> Self {
        let (conditions, values) = conditions(scope, query);
        let limit = COUNTED + 1;
        let sql =
            format!("SELECT count(*) FROM (SELECT 1 FROM reminders r WHERE {conditions} LIMIT {limit})");
        Self { sql, values }
    }

    fn binds(&self) -> Vec<&dyn ToSql> {
        self.values.iter().map(|value| value as &dyn ToSql).collect()
    }
}

fn conditions(scope: Scope, query: &Query) -> (String, Vec<Value>) {
    let mut sql = "r.workspace = ?1 AND r.hidden = 0".to_owned();
    let mut values = vec![Value::Text(scope.workspace().to_string())];
    let mut add = |condition: &str, value: Value| {
        values.push(value);
        sql.push_str(&format!(" AND {condition} ?{}", values.len()));
    };
    if let Some(lead) = query.lead {
        add("r.lead =", Value::Text(lead.to_string()));
    }
    if let Some(assignee) = query.assignee {
        add("r.assignee =", Value::Text(assignee.to_string()));
    }
    if let Some(pending) = query.pending {
        add("r.done =", Value::Integer(i64::from(!pending)));
    }
    if let Some(from) = query.due_from {
        add("r.due_at >=", Value::Integer(from.0));
    }
    if let Some(to) = query.due_to {
        add("r.due_at <", Value::Integer(to.0));
    }
    (sql, values)
}

fn insert(conn: &Connection, scope: Scope, reminder: &Reminder) -> Result<(), rusqlite::Error> {
    conn.prepare_cached(
        "INSERT INTO reminders
         (id, workspace, lead, origin, due_at, message, done_at, assignee, created_by, created_at, version, armed,
          told_due_at, hidden)
         VALUES (?1, ?2, ?3, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 0)",
    )?
    .execute(params![
        reminder.id.to_string(),
        scope.workspace().to_string(),
        reminder.lead.to_string(),
        reminder.due_at.0,
        reminder.message.as_str(),
        done_at(reminder),
        reminder.assignee.to_string(),
        reminder.created_by.to_string(),
        reminder.created_at.0,
        reminder.version.0.cast_signed(),
        reminder.armed,
        reminder.told.map(|at| at.0),
    ])?;
    Ok(())
}

fn update(conn: &Connection, reminder: &Reminder) -> Result<(), rusqlite::Error> {
    conn.prepare_cached(
        "UPDATE reminders SET due_at = ?2, message = ?3, done_at = ?4, assignee = ?5, version = ?6, armed = ?7, told_due_at = ?8
         WHERE id = ?1",
    )?
    .execute(params![
        reminder.id.to_string(),
        reminder.due_at.0,
        reminder.message.as_str(),
        done_at(reminder),
        reminder.assignee.to_string(),
        reminder.version.0.cast_signed(),
        reminder.armed,
        reminder.told.map(|at| at.0),
    ])?;
    Ok(())
}

fn done_at(reminder: &Reminder) -> Option<i64> {
    match reminder.status {
        Status::Pending => None,
        Status::Done(at) => Some(at.0),
    }
}

fn find(conn: &Connection, scope: Scope, id: ReminderId) -> Result<Option<Named>, StoreError> {
    conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM reminders r JOIN leads l ON l.workspace = r.workspace AND l.id = r.lead
         WHERE r.id = ?1 AND r.workspace = ?2 AND r.hidden = 0"
    ))?
    .query_row([id.to_string(), scope.workspace().to_string()], named)
    .optional()
    .map_err(StoreError::from)
}

fn named(row: &Row<'_>) -> Result<Named, rusqlite::Error> {
    Ok(Named {
        reminder: Reminder {
            id: id_of(row, 0)?,
            lead: id_of(row, 1)?,
            due_at: Millis(row.get(2)?),
            message: Message::stored(row.get(3)?),
            status: row.get::<_, Option<i64>>(4)?.map_or(Status::Pending, |at| Status::Done(Millis(at))),
            assignee: id_of(row, 5)?,
            created_by: id_of(row, 6)?,
            created_at: Millis(row.get(7)?),
            version: Version(row.get::<_, i64>(8)?.cast_unsigned()),
            armed: row.get(9)?,
            told: row.get::<_, Option<i64>>(10)?.map(Millis),
        },
        lead_name: row.get(11)?,
    })
}

/// A bound as SQLite has numbers.
pub(super) fn whole(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn count_of(row: &Row<'_>, column: usize) -> Result<u64, rusqlite::Error> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

fn id_of<T: From<uuid::Uuid>>(row: &Row<'_>, column: usize) -> Result<T, rusqlite::Error> {
    let text: String = row.get(column)?;
    parse_uuid(&text).map(T::from).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    })
}

fn workspace_id(text: &str) -> Result<WorkspaceId, StoreError> {
    WorkspaceId::parse(text)
        .map_err(|_| StorageError::Internal("a reminder's workspace is not an id".to_owned()).into())
}

fn next_due(conn: &Connection, scope: Scope, lead: LeadId) -> Result<Option<Millis>, rusqlite::Error> {
    conn.prepare_cached("SELECT min(due_at) FROM reminders WHERE workspace = ?1 AND lead = ?2 AND done = 0")?
        .query_row([scope.workspace().to_string(), lead.to_string()], |row| row.get::<_, Option<i64>>(0))
        .map(|at| at.map(Millis))
}

fn revision(conn: &Connection, scope: Scope, lead: LeadId) -> Result<u64, rusqlite::Error> {
    conn.prepare_cached("SELECT revision FROM leads WHERE workspace = ?1 AND id = ?2")?
        .query_row([scope.workspace().to_string(), lead.to_string()], |row| row.get::<_, i64>(0))
        .map(i64::cast_unsigned)
}

/// Puts the event of a change into the outbox, with what it makes of the lead's next follow-up.
fn tell(
    conn: &Connection,
    scope: Scope,
    kind: Kind,
    reminder: &Reminder,
    lead_name: &str,
    by: &By,
) -> Result<(), StoreError> {
    conn.prepare_cached("UPDATE leads SET revision = revision + 1 WHERE workspace = ?1 AND id = ?2")?
        .execute([scope.workspace().to_string(), reminder.lead.to_string()])?;
    let follow_up = FollowUp {
        next_due_at: next_due(conn, scope, reminder.lead)?,
        revision: revision(conn, scope, reminder.lead)?,
    };
    let event = event::encode(scope, kind, reminder, lead_name, follow_up, by);
    put_event(conn, scope, reminder.lead, by.at, &event)
}

fn put_event(
    conn: &Connection,
    scope: Scope,
    lead: LeadId,
    at: Millis,
    event: &Encoded,
) -> Result<(), StoreError> {
    conn.prepare_cached(
        "INSERT INTO outbox (id, workspace, lead, key, at, event) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        event.id,
        scope.workspace().to_string(),
        lead.to_string(),
        event.key,
        at.0,
        event.bytes
    ])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use leadline_runtime::ids::UserId;

    use super::*;
    use crate::store::Position;

    #[tokio::test]
    async fn no_query_scans_the_table() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("reminders.db")).unwrap();
        let scope = Scope::of_own_row(WorkspaceId::new());
        let after = Some(Position { due_at: Millis(1), id: ReminderId::new() });
        let mut statements = Vec::new();
        for lead in [None, Some(LeadId::new())] {
            for assignee in [None, Some(UserId::new())] {
                for pending in [None, Some(true)] {
                    for (due_from, after) in [(None, None), (Some(Millis(1)), after)] {
                        let due_to = due_from;
                        let query = Query { due_from, due_to, pending, lead, assignee, after, limit: 50 };
                        statements.push(Statement::page(scope, &query));
                        statements.push(Statement::count(scope, &query));
                    }
                }
            }
        }
        statements.push(Statement { sql: FIRE.to_owned(), values: vec![Value::Integer(1)] });
        statements.push(Statement { sql: FIRE_CHECK.to_owned(), values: vec![Value::Integer(1)] });
        let text = || Value::Text("x".to_owned());
        let told = leads::FORGET.into_iter().chain(erase::ROWS);
        for sql in [leads::UNDER, leads::OWN, erase::KEYS].into_iter().chain(told) {
            statements.push(Statement { sql: sql.to_owned(), values: vec![text(), text()] });
        }
        statements.push(Statement { sql: erase::WAITING.to_owned(), values: vec![text()] });
        for statement in statements {
            let plan = store.db.explain(&statement.sql, statement.values.clone()).await.unwrap();
            for line in &plan {
                assert!(
                    !(line.contains("SCAN r") || line.contains("SCAN l")) || line.contains("reminders_armed"),
                    "{line}: {}",
                    statement.sql
                );
            }
        }
    }
}
