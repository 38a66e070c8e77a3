//! No statement of a request or an event looks at more rows than it needs.

use leadline_storage::{Sqlite, SqliteOptions, rusqlite::types::Value};
use leadline_testbed::Folder;

use super::{
    rows::{FIND_PAGE, FIND_STATE, cohort_sql, count_sql, find_lead, pages_sql},
    schema::MIGRATIONS,
};
use crate::lead::Moment;

#[tokio::test]
async fn every_statement_of_a_request_or_an_event_goes_through_an_index() -> anyhow::Result<()> {
    let folder = Folder::new()?;
    let db = Sqlite::open(&folder.join("analytics.db"), MIGRATIONS, SqliteOptions::default())?;
    let mut statements = vec![
        (FIND_STATE.to_owned(), 1, "PRIMARY KEY (id=?)"),
        (FIND_PAGE.to_owned(), 3, "(workspace=? AND generation=? AND day=?)"),
        (find_lead(), 3, "(workspace=? AND generation=? AND lead=?)"),
        (
            cohort_sql(),
            4,
            "leads_by_created (workspace=? AND generation=? AND created_at>? AND created_at<?)",
        ),
    ];
    for column in ["sum", "counts", "times"] {
        statements.push((pages_sql(column), 4, "(workspace=? AND generation=? AND day>? AND day<?)"));
    }
    for (moment, index) in [
        (
            Moment::Created,
            "COVERING INDEX leads_by_created (workspace=? AND generation=? AND created_at>? AND created_at<?)",
        ),
        (
            Moment::Contacted,
            "COVERING INDEX leads_by_contacted (workspace=? AND generation=? AND contacted_at>? AND contacted_at<?)",
        ),
        (
            Moment::Qualified,
            "COVERING INDEX leads_by_qualified (workspace=? AND generation=? AND qualified_at>? AND qualified_at<?)",
        ),
        (
            Moment::Converted,
            "COVERING INDEX leads_by_converted (workspace=? AND generation=? AND converted_at>? AND converted_at<?)",
        ),
        (
            Moment::Lost,
            "COVERING INDEX leads_by_lost (workspace=? AND generation=? AND lost_at>? AND lost_at<?)",
        ),
    ] {
        statements.push((count_sql(moment), 4, index));
    }
    for (sql, parameters, index) in statements {
        let plan = db.explain(&sql, vec![Value::Integer(1); parameters]).await?;
        assert_eq!(plan.len(), 1, "{sql}: {plan:?}");
        assert!(plan[0].starts_with("SEARCH") && plan[0].contains(index), "{sql}: {plan:?}");
    }
    db.close().await;
    Ok(())
}
