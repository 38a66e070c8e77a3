//! Leads that may be the same as another, and the notes of many leads at once.

use std::collections::BTreeSet;

use leadline_runtime::caller::Scope;
use leadline_storage::rusqlite::{Connection, OptionalExtension, params};

use super::{
    Number,
    row::{self, COLUMNS, Place, sql_limit},
};
use crate::{
    lead::{Lead, LeadId, NOTES_SHOWN, Note},
    likeness::{Likeness, MOST, NEIGHBOURS},
    store::StoreError,
};

const BY_EMAIL: &str = "SELECT l.row FROM leads l INDEXED BY leads_by_email
    WHERE l.workspace = ?1 AND l.trashed = 0 AND l.email_key = ?2 LIMIT ?3";
const BY_DIGITS: &str = "SELECT l.row FROM leads l INDEXED BY leads_by_digits
    WHERE l.workspace = ?1 AND l.trashed = 0 AND l.digits = ?2 AND length(l.digits) >= 6 LIMIT ?3";

/// Whose names stand together.
#[derive(Debug, Clone, Copy)]
enum Group {
    Company,
    Domain,
}

/// The names from a place on, or before it, nearest first.
fn near(group: Group, onwards: bool) -> String {
    let (index, key) = match group {
        Group::Company => ("leads_by_company_name", "company_key"),
        Group::Domain => ("leads_by_domain_name", "domain_key"),
    };
    let (beyond, direction) = if onwards { (">=", "ASC") } else { ("<", "DESC") };
    format!(
        "SELECT l.row, l.name_key FROM leads l INDEXED BY {index}
         WHERE l.workspace = ?1 AND l.trashed = 0 AND l.{key} = ?2 AND l.name_key {beyond} ?3
         ORDER BY l.name_key {direction} LIMIT ?4"
    )
}

fn of_row() -> String {
    format!("SELECT {COLUMNS} FROM leads l WHERE l.row = ?1")
}

/// Leads that share a key, or nearly the name at the same company or domain.
pub(super) fn alike(conn: &Connection, number: Number, likeness: &Likeness) -> Result<Vec<Lead>, StoreError> {
    let mut places: BTreeSet<Place> = BTreeSet::new();
    let most = sql_limit(MOST + 1);
    for (sql, key) in [(BY_EMAIL, &likeness.email), (BY_DIGITS, &likeness.digits)] {
        let Some(key) = key else { continue };
        let mut found = conn.prepare_cached(sql)?;
        let rows = found.query_map(params![number, key, most], |row| row.get(0))?;
        for place in rows {
            places.insert(place?);
        }
    }
    for (group, key) in [(Group::Company, &likeness.company), (Group::Domain, &likeness.domain)] {
        let Some(key) = key else { continue };
        let mut named: BTreeSet<Place> = BTreeSet::new();
        for (name, onwards) in likeness.places().iter().flat_map(|name| [(name, true), (name, false)]) {
            let mut found = conn.prepare_cached(&near(group, onwards))?;
            let mut rows = found.query(params![number, key, name, sql_limit(NEIGHBOURS)])?;
            while let Some(row) = rows.next()? {
                let name: String = row.get(1)?;
                if named.len() <= MOST && likeness.is_named(&name) {
                    named.insert(row.get(0)?);
                }
            }
        }
        places.extend(named);
    }
    let mut of_row = conn.prepare_cached(&of_row())?;
    let mut leads = Vec::new();
    for place in places {
        let (_, lead) = of_row.query_row([place], row::lead)?;
        leads.push(lead);
    }
    Ok(leads)
}

/// The newest notes of each of some leads, newest first.
pub(super) fn newest_notes(
    conn: &Connection,
    scope: Scope,
    leads: &[(LeadId, u32)],
) -> Result<Vec<(LeadId, Vec<Note>)>, StoreError> {
    let mut place = conn.prepare_cached(PLACE)?;
    leads
        .iter()
        .map(|(id, _)| {
            let key = (id.uuid().into_bytes(), scope.workspace().uuid().into_bytes());
            let place: Option<Place> = place.query_row(key, |row| row.get(0)).optional()?;
            let notes = match place {
                Some(place) => row::notes(conn, place, None, NOTES_SHOWN)?,
                None => Vec::new(),
            };
            Ok((*id, notes))
        })
        .collect()
}

const PLACE: &str =
    "SELECT row FROM leads WHERE id = ?1 AND workspace = (SELECT number FROM workspaces WHERE id = ?2)";

#[cfg(test)]
mod tests {
    use leadline_storage::{Sqlite, SqliteOptions, rusqlite::types::Value};

    use super::*;
    use crate::store::sqlite::schema;

    #[tokio::test]
    async fn everything_that_may_be_alike_is_looked_up_by_an_index() -> anyhow::Result<()> {
        let folder = leadline_testbed::Folder::new()?;
        let file = Sqlite::open(&folder.join("leads.db"), schema::MIGRATIONS, SqliteOptions::default())?;
        let number = || Value::Integer(1);
        let text = || Value::Text("x".to_owned());
        let mut questions = vec![
            (BY_EMAIL.to_owned(), vec![number(), text(), number()], "email_key=?)"),
            (BY_DIGITS.to_owned(), vec![number(), text(), number()], "digits=?)"),
            (of_row(), vec![number()], "rowid=?"),
            (PLACE.to_owned(), vec![Value::Blob(vec![0; 16]), Value::Blob(vec![0; 16])], "id=?)"),
        ];
        for (group, key) in [(Group::Company, "company_key=?"), (Group::Domain, "domain_key=?")] {
            for onwards in [true, false] {
                questions.push((near(group, onwards), vec![number(), text(), text(), number()], key));
            }
        }
        for (sql, values, bound) in questions {
            let lines = file.explain(&sql, values).await?;
            assert!(lines[0].starts_with("SEARCH") && lines[0].contains(bound), "{sql}\n{lines:#?}");
            assert!(!lines.iter().any(|line| line.contains("SCAN") || line.contains("B-TREE")), "{lines:#?}");
        }
        Ok(())
    }

    #[tokio::test]
    async fn leads_from_before_the_keys_are_found_by_them() -> anyhow::Result<()> {
        let folder = leadline_testbed::Folder::new()?;
        let path = folder.join("leads.db");
        let old = Sqlite::open(&path, &schema::MIGRATIONS[..1], SqliteOptions::default())?;
        old.write(|conn| {
            conn.execute_batch(
                "INSERT INTO workspaces (id) VALUES (x'00');
                 INSERT INTO leads (workspace, id, version, trashed, status, source, created_by, created_at, updated_at,
                    status_changed_at, last_activity_at, note_count, stages, name, email, tags, name_key, search, digits)
                 VALUES (1, x'01', 1, 0, 1, 1, x'00', 0, 0, 0, 0, 0, x'', 'Ada', 'Ada@X.test', '', 'ada',
                    'ada' || char(10) || 'ada@x.test' || char(10), '123456'),
                    (1, x'02', 1, 0, 1, 1, x'00', 0, 0, 0, 0, 0, x'', 'Bob', NULL, '', 'bob',
                    'bob' || char(10) || char(10) || 'acme', '')",
            )?;
            Ok::<_, StoreError>(())
        })
        .await?;
        old.close().await;
        let new = Sqlite::open(&path, schema::MIGRATIONS, SqliteOptions::default())?;
        let keys: Vec<(Option<String>, Option<String>)> = new
            .read(|conn| {
                let mut keys = conn.prepare("SELECT email_key, domain_key FROM leads ORDER BY row")?;
                let rows = keys.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
                Ok::<_, StoreError>(rows.collect::<Result<_, _>>()?)
            })
            .await?;
        assert_eq!(keys, [(Some("ada@x.test".to_owned()), Some("x.test".to_owned())), (None, None)]);
        assert!(new.integrity_check().await?.is_empty());
        new.close().await;
        Ok(())
    }
}
