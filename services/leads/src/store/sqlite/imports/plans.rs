//! Every question about imports is answered through the index that is meant for it.

use leadline_storage::{SqliteOptions, rusqlite::types::Value};

use super::{
    batch::{TRACES, by_digits, by_email},
    *,
};
use crate::store::sqlite::schema;

#[tokio::test]
async fn everything_about_imports_is_looked_up_by_an_index() -> anyhow::Result<()> {
    let folder = leadline_testbed::Folder::new()?;
    let file = Sqlite::open(&folder.join("leads.db"), schema::MIGRATIONS, SqliteOptions::default())?;
    let id = || Value::Blob(vec![0; 16]);
    let number = || Value::Integer(1);
    let text = || Value::Text("x".to_owned());
    for (sql, values, bound) in [
        (by_email(), vec![number(), text()], "email_key=?)"),
        (by_digits(), vec![number(), text()], "digits=?)"),
        (format!("SELECT {IMPORT} FROM imports i WHERE i.id = ?1 AND i.{HERE}"), vec![id(), id()], "id=?)"),
        (WAITING.to_owned(), vec![number()], "workspace=?)"),
        (UPLOADING.to_owned(), vec![number(), number()], "created_at>?)"),
        (
            format!("SELECT {IMPORT} {LIST} ORDER BY i.id DESC LIMIT ?3"),
            vec![number(), id(), number()],
            "id<?)",
        ),
        (PIECE.to_owned(), vec![number(), number()], "nth=?)"),
        (FAILED.to_owned(), vec![number(), number(), number()], "nth>?)"),
        (TRACES.to_owned(), vec![number(), number()], "import=?)"),
        (BROKEN_OFF.to_owned(), vec![number()], "created_at<?)"),
        (OLD.to_owned(), vec![number()], "finished_at<?)"),
    ] {
        let lines = file.explain(&sql, values).await?;
        assert!(lines[0].starts_with("SEARCH") && lines[0].contains(bound), "{sql}\n{lines:#?}");
        assert!(!lines.iter().any(|line| line.contains("SCAN") || line.contains("B-TREE")), "{lines:#?}");
    }
    // Those that are open are few, and walked in order.
    let lines = file.explain(CLAIMABLE, vec![number()]).await?;
    assert!(
        lines[0].contains("imports_open") && !lines.iter().any(|line| line.contains("B-TREE")),
        "{lines:#?}"
    );
    Ok(())
}
