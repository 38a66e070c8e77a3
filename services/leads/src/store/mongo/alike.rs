//! Leads that may be the same as another, and the notes of many leads at once.

use std::collections::{BTreeMap, HashMap};

use futures::TryStreamExt;
use leadline_runtime::caller::Scope;
use leadline_storage::{
    Mongo,
    bson::{Document, doc},
    mongodb::{Collection, options::Hint},
};

use super::{document, limit_of, list, list::SERVER_DEADLINE, of_workspace};
use crate::{
    lead::{Lead, LeadId, NOTES_SHOWN, Note},
    likeness::{Likeness, MOST, NEIGHBOURS},
    store::StoreError,
};

/// What the server is asked: who shares a key, or whose names are near at a company or domain.
#[derive(Debug, Clone, PartialEq)]
struct Question {
    filter: Document,
    order: Document,
    index: &'static str,
    limit: usize,
    /// Only those with nearly the name are meant.
    by_name: bool,
}

fn questions(scope: Scope, likeness: &Likeness) -> Vec<Question> {
    let live = |key: Document| {
        let mut filter = of_workspace(scope);
        filter.insert("trashed", false);
        filter.extend(key);
        filter
    };
    let mut all = Vec::new();
    for (field, index, key) in
        [("emailKey", "by_email", &likeness.email), ("digits", "by_digits", &likeness.digits)]
    {
        let Some(key) = key else { continue };
        let filter = live(doc! { field: key });
        all.push(Question { filter, order: Document::new(), index, limit: MOST + 1, by_name: false });
    }
    for (field, index, key) in [
        ("companyKey", "by_company_name", &likeness.company),
        ("domainKey", "by_domain_name", &likeness.domain),
    ] {
        let Some(key) = key else { continue };
        for name in likeness.places() {
            for (beyond, direction) in [("$gte", 1), ("$lt", -1)] {
                let filter = live(doc! { field: key, "nameKey": { beyond: &name } });
                let order = doc! { "nameKey": direction };
                all.push(Question { filter, order, index, limit: NEIGHBOURS, by_name: true });
            }
        }
    }
    all
}

async fn ask(db: &Mongo, question: Question, projection: Document) -> Result<Vec<Document>, StoreError> {
    let leads: Collection<Document> = db.collection("leads");
    let mut found = leads
        .find(question.filter)
        .projection(projection)
        .hint(Hint::Name(question.index.to_owned()))
        .limit(limit_of(question.limit))
        .max_time(SERVER_DEADLINE);
    if !question.order.is_empty() {
        found = found.sort(question.order);
    }
    Ok(db.run(async { found.await?.try_collect().await }).await?)
}

/// Leads that share a key, or nearly the name at the same company or domain.
pub(super) async fn alike(db: &Mongo, scope: Scope, likeness: &Likeness) -> Result<Vec<Lead>, StoreError> {
    let asked = questions(scope, likeness).into_iter().map(|question| async move {
        let by_name = question.by_name;
        let found = ask(db, question, doc! { "_id": 1, "nameKey": 1 }).await?;
        let mut ids = Vec::new();
        for row in &found {
            let is_meant = !by_name || likeness.is_named(row.get_str("nameKey").unwrap_or_default());
            if is_meant && ids.len() <= MOST {
                ids.push(row.get_str("_id").unwrap_or_default().to_owned());
            }
        }
        Ok::<_, StoreError>(ids)
    });
    let mut ids: Vec<String> = futures::future::try_join_all(asked).await?.concat();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut filter = of_workspace(scope);
    filter.extend(doc! { "_id": { "$in": ids }, "trashed": false });
    let leads: Collection<Document> = db.collection("leads");
    let found =
        leads.find(filter).projection(document::shown()).hint(document::by_id()).max_time(SERVER_DEADLINE);
    let found: Vec<Document> = db.run(async { found.await?.try_collect().await }).await?;
    found.iter().map(|row| Ok(document::lead(row)?.lead)).collect()
}

/// Leads with up to so many notes are asked for together.
const TOGETHER: u32 = 50;

/// The newest notes of each of some leads, newest first. Of a lead with many, the server must not send them all.
pub(super) async fn newest_notes(
    db: &Mongo,
    scope: Scope,
    leads: &[(LeadId, u32)],
) -> Result<Vec<(LeadId, Vec<Note>)>, StoreError> {
    let few = leads.iter().filter(|(_, count)| *count <= TOGETHER).map(|(id, _)| id.to_string());
    let few: Vec<String> = few.collect();
    let mut found: BTreeMap<String, Vec<Note>> = BTreeMap::new();
    if !few.is_empty() {
        let mut filter = of_workspace(scope);
        filter.insert("leadId", doc! { "$in": few });
        let notes: Collection<Document> = db.collection("notes");
        let asked = notes
            .find(filter)
            .sort(doc! { "leadId": -1, "_id": -1 })
            // However many were added since they were counted.
            .limit(limit_of(leads.len().saturating_mul(NOTES_SHOWN)))
            .max_time(SERVER_DEADLINE);
        let rows: Vec<Document> = db.run(async { asked.await?.try_collect().await }).await?;
        for row in &rows {
            let of = found.entry(row.get_str("leadId").unwrap_or_default().to_owned()).or_default();
            if of.len() < NOTES_SHOWN {
                of.push(document::note(row)?);
            }
        }
    }
    let many = leads.iter().filter(|(_, count)| *count > TOGETHER).map(|(id, _)| async move {
        Ok::<_, StoreError>((*id, list::notes(db, scope, *id, None, NOTES_SHOWN).await?))
    });
    let mut many: HashMap<LeadId, Vec<Note>> =
        futures::future::try_join_all(many).await?.into_iter().collect();
    Ok(leads
        .iter()
        .map(|(id, _)| {
            let notes = many.remove(id).or_else(|| found.remove(&id.to_string()));
            (*id, notes.unwrap_or_default())
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use leadline_runtime::ids::WorkspaceId;
    use leadline_storage::mongo::plan_stages;

    use super::*;
    use crate::store::mongo::schema;

    async fn database() -> anyhow::Result<(Mongo, String)> {
        let uri = leadline_testbed::mongo().await?.fresh_uri();
        let db = Mongo::open(&uri, &Mongo::database_name(&uri, "leads")?, "leadline-leads-test").await?;
        Ok((db, uri))
    }

    #[tokio::test]
    async fn everything_that_may_be_alike_is_looked_up_by_an_index() -> anyhow::Result<()> {
        let (db, _) = database().await?;
        db.migrate(schema::MIGRATIONS).await?;
        let scope = Scope::of_own_row(WorkspaceId::new());
        let likeness = Likeness::typed("ana@example.test", "123456", "Ana Lopez", "Acme");
        let all = questions(scope, &likeness);
        assert_eq!(all.len(), 2 + 2 * 2 * 2);
        for Question { filter, order, index, limit, .. } in all {
            let command = doc! {
                "find": "leads", "filter": filter, "sort": order, "hint": index, "limit": limit_of(limit),
            };
            let explained = db.explain(command).await?;
            let stages = plan_stages(&explained);
            assert!(stages.contains(&format!("IXSCAN {index}")), "{index}: {stages:?}");
            assert!(!stages.iter().any(|stage| stage == "SORT"), "{index}: {stages:?}");
            assert!(!explained.to_string().contains("[MinKey, MaxKey]"), "{index}: {explained}");
        }
        let scope = scope.workspace().to_string();
        let command = doc! {
            "find": "notes", "filter": { "workspaceId": scope, "leadId": { "$in": ["x", "y"] } },
            "sort": { "leadId": -1, "_id": -1 },
        };
        let stages = plan_stages(&db.explain(command).await?);
        assert!(stages.contains(&"IXSCAN by_lead".to_owned()), "{stages:?}");
        assert!(!stages.iter().any(|stage| stage == "SORT"), "{stages:?}");
        db.close().await;
        Ok(())
    }

    #[tokio::test]
    async fn leads_from_before_the_keys_are_found_by_them() -> anyhow::Result<()> {
        let (db, _) = database().await?;
        db.migrate(&schema::MIGRATIONS[..1]).await?;
        let leads: Collection<Document> = db.collection("leads");
        let old = |id: &str, search: &str| {
            let mut lead = doc! { "_id": id, "workspaceId": "w", "search": search };
            if search.contains('@') {
                lead.insert("email", "Ada@X.test");
            }
            lead
        };
        let rows = [old("1", "ada\nada@x.test\n"), old("2", "bob\n\nacme")];
        db.run(leads.insert_many(rows).bypass_document_validation(true)).await?;
        db.migrate(schema::MIGRATIONS).await?;
        let ada = db.run(leads.find_one(doc! { "_id": "1" })).await?.unwrap_or_default();
        assert_eq!((ada.get_str("emailKey")?, ada.get_str("domainKey")?), ("ada@x.test", "x.test"));
        let bob = db.run(leads.find_one(doc! { "_id": "2" })).await?.unwrap_or_default();
        assert!(!bob.contains_key("emailKey") && !bob.contains_key("domainKey"), "{bob}");
        db.close().await;
        Ok(())
    }
}
