//! A batch of rows, looked up and written; and what is left of it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use futures::TryStreamExt;
use leadline_runtime::caller::Scope;
use leadline_storage::{
    bson::{Bson, Document, doc},
    mongodb::{ClientSession, Collection, options::Hint},
};

use super::{
    MongoImports,
    row::{COMING, broken, by_id, bytes, long, number, open},
};
use crate::{
    import::{
        ImportId, State, Trace,
        batch::{Batch, Found, Rows},
    },
    lead::{Lead, LeadId, Note},
    likeness::{address, email_keys},
    store::{
        StoreError,
        imports::{MOST_ALIKE, stored},
        mongo::{
            document::{self, Stored, binary},
            limit_of,
            list::SERVER_DEADLINE,
            of_workspace,
            write::Writer,
        },
    },
};

impl MongoImports {
    /// Who is there already, with the revisions of their follow-ups.
    pub(super) async fn lookup(
        &self,
        session: &mut ClientSession,
        writer: &Writer,
        scope: Scope,
        rows: &Rows,
    ) -> Result<(Vec<Found>, HashMap<LeadId, i64>), StoreError> {
        let keys = rows.keys();
        let emails: Vec<String> = keys.emails.keys().cloned().collect();
        let mut ids: Vec<String> = Vec::new();
        for (field, index, keys) in [("emailKey", "by_email", &emails), ("digits", "by_digits", &keys.digits)]
        {
            if keys.is_empty() {
                continue;
            }
            // Of all that share a key, one is enough.
            let mut cursor = writer
                .leads
                .aggregate(same(scope, field, keys))
                .hint(Hint::Name(index.to_owned()))
                .session(&mut *session)
                .await?;
            while let Some(row) = cursor.next(&mut *session).await.transpose()? {
                ids.extend(row.get_str("id").ok().map(str::to_owned));
            }
        }
        let (mut all, mut revisions) = (Vec::new(), HashMap::new());
        self.load(session, writer, scope, ids, &mut all, &mut revisions).await?;
        // But for addresses, which may differ in accents: then the first of a key need not be the one.
        let missing = missing(keys.emails, &all);
        if !missing.is_empty() {
            let ids = self.with_address(session, writer, scope, missing).await?;
            self.load(session, writer, scope, ids, &mut all, &mut revisions).await?;
        }
        if rows.has_notes() {
            for found in &mut all {
                if found.lead.note_count > 0 {
                    found.notes = writer.newest_notes(session, found.lead.id).await?;
                }
            }
        }
        Ok((all, revisions))
    }

    /// Leads, by their ids.
    async fn load(
        &self,
        session: &mut ClientSession,
        writer: &Writer,
        scope: Scope,
        ids: Vec<String>,
        all: &mut Vec<Found>,
        revisions: &mut HashMap<LeadId, i64>,
    ) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut filter = doc! { "_id": { "$in": ids } };
        filter.extend(of_workspace(scope));
        let mut cursor = writer
            .leads
            .find(filter)
            .projection(document::shown())
            .hint(document::by_id())
            .session(&mut *session)
            .await?;
        while let Some(row) = cursor.next(&mut *session).await.transpose()? {
            let Stored { lead, revision } = document::lead(&row)?;
            revisions.insert(lead.id, revision);
            all.push(Found { lead, notes: Vec::new() });
        }
        Ok(())
    }

    /// The first leads with these addresses, which are wanted under the keys that they share with others.
    async fn with_address(
        &self,
        session: &mut ClientSession,
        writer: &Writer,
        scope: Scope,
        wanted: BTreeMap<String, BTreeSet<String>>,
    ) -> Result<Vec<String>, StoreError> {
        let mut first: HashMap<String, String> = HashMap::new();
        for (key, wanted) in wanted {
            let mut filter = of_workspace(scope);
            filter.extend(doc! { "trashed": false, "emailKey": key });
            let mut cursor = writer
                .leads
                .find(filter)
                .projection(doc! { "_id": 1, "email": 1 })
                .limit(limit_of(MOST_ALIKE))
                .hint(Hint::Name("by_email".to_owned()))
                .session(&mut *session)
                .await?;
            while let Some(row) = cursor.next(&mut *session).await.transpose()? {
                let (Ok(id), Ok(email)) = (row.get_str("_id"), row.get_str("email")) else { continue };
                let address = address(email);
                if wanted.contains(&address) {
                    let known = first.entry(address).or_insert_with(|| id.to_owned());
                    if id < known.as_str() {
                        *known = id.to_owned();
                    }
                }
            }
        }
        Ok(first.into_values().collect())
    }

    /// Which of the keys a dry run has seen.
    pub(super) async fn seen(
        &self,
        session: &mut ClientSession,
        scope: Scope,
        rows: &Rows,
    ) -> Result<HashSet<String>, StoreError> {
        let id = rows.import.id;
        let keys: Vec<String> = rows.seen_keys().iter().map(|key| seen_id(id, key)).collect();
        let mut seen = HashSet::new();
        if keys.is_empty() {
            return Ok(seen);
        }
        let mut filter = doc! { "_id": { "$in": keys } };
        filter.extend(of_workspace(scope));
        let mut cursor = self.seen.find(filter).hint(by_id()).session(&mut *session).await?;
        while let Some(row) = cursor.next(&mut *session).await.transpose()? {
            let key = row.get_str("_id").ok().and_then(|key| key.get(ID..));
            seen.extend(key.map(str::to_owned));
        }
        Ok(seen)
    }

    pub(super) async fn write(
        &self,
        session: &mut ClientSession,
        writer: &Writer,
        scope: Scope,
        id: ImportId,
        batch: &Batch,
        revisions: &HashMap<LeadId, i64>,
    ) -> Result<(), StoreError> {
        // While the server writes some, the next ones are made: each of both takes about as long as the other work of a batch.
        let made = |part: &[(Lead, Vec<Note>)]| -> Vec<Document> {
            part.iter().map(|(lead, _)| document::of_lead(scope, lead, 0)).collect()
        };
        let mut parts = batch.inserts.chunks(INSERTED);
        let mut next = parts.next().map(made).unwrap_or_default();
        let mut log = None;
        while !next.is_empty() {
            let part = std::mem::take(&mut next);
            let meanwhile = async {
                match parts.next() {
                    Some(part) => next = made(part),
                    None => log = Some(writer.entries(&batch.events)),
                }
            };
            let (inserted, ()) = futures::join!(insert(session, &writer.leads, part), meanwhile);
            inserted?;
        }
        let log = log.unwrap_or_else(|| writer.entries(&batch.events));
        let revision = |lead: LeadId| revisions.get(&lead).copied().unwrap_or(0);
        let updates =
            batch.updates.iter().map(|(old, new, _)| writer.replacement(old, revision(old.id), new));
        writer.replace(session, updates.collect()).await?;
        let made = batch.inserts.iter().map(|(lead, notes)| (lead.id, notes));
        let changed = batch.updates.iter().map(|(_, lead, notes)| (lead.id, notes));
        let notes = made
            .chain(changed)
            .flat_map(|(lead, notes)| notes.iter().map(move |note| document::of_note(scope, lead, note)));
        insert(session, &writer.notes, notes.collect()).await?;
        insert(session, &writer.activity, log).await?;
        self.trace(session, scope, id, &batch.traces).await?;
        let failures = batch.failed.iter().map(|row| {
            doc! {
                "_id": row_id(id, row.nth),
                "workspaceId": scope.workspace().to_string(),
                "importId": id.to_string(),
                "nth": long(row.nth),
                "line": long(row.line),
                "cells": binary(stored::texts_bytes(&row.cells)),
                "reason": &row.reason,
            }
        });
        insert(session, &self.failures, failures.collect()).await?;
        let mut keys: Vec<&String> = batch.seen.iter().collect();
        keys.sort_unstable();
        keys.dedup();
        let seen = keys.into_iter().map(|key| {
            doc! { "_id": seen_id(id, key), "workspaceId": scope.workspace().to_string(), "importId": id.to_string() }
        });
        insert(session, &self.seen, seen.collect()).await
    }

    /// A lead that rows of two batches changed is taken back to what it was before the first, unless somebody came between.
    pub(super) async fn trace(
        &self,
        session: &mut ClientSession,
        scope: Scope,
        id: ImportId,
        traces: &[Trace],
    ) -> Result<(), StoreError> {
        let changed: Vec<String> =
            traces.iter().filter(|one| one.before > 0).map(|one| trace_id(id, one.lead)).collect();
        let mut known = HashMap::new();
        if !changed.is_empty() {
            let mut filter = doc! { "_id": { "$in": changed } };
            filter.extend(of_workspace(scope));
            let mut cursor = self.traces.find(filter).hint(by_id()).session(&mut *session).await?;
            while let Some(row) = cursor.next(&mut *session).await.transpose()? {
                let trace = trace(&row)?;
                known.insert(trace.lead, trace);
            }
        }
        let mut new = Vec::new();
        for one in traces {
            let Some(first) = known.remove(&one.lead) else {
                new.push(of_trace(scope, id, one));
                continue;
            };
            if first.after == one.before {
                let notes = first.notes.iter().chain(&one.notes).copied().collect();
                let both = Trace { after: one.after, notes, ..first };
                let mut filter = doc! { "_id": trace_id(id, one.lead) };
                filter.extend(of_workspace(scope));
                self.traces.replace_one(filter, of_trace(scope, id, &both)).session(&mut *session).await?;
            }
        }
        insert(session, &self.traces, new).await
    }

    /// Takes away what belongs to an import, at most so many documents of each kind; whether that was all.
    pub(super) async fn clear(&self, id: &str, limit: usize) -> Result<bool, StoreError> {
        let mut all = true;
        // A piece is as large as a thousand rows.
        let some = (limit / 100).max(1);
        for (rows, limit) in
            [(&self.pieces, some), (&self.failures, limit), (&self.traces, limit), (&self.seen, limit)]
        {
            let found = rows
                .find(doc! { "importId": id })
                .projection(doc! { "_id": 1 })
                .limit(limit_of(limit))
                .hint(Hint::Name("by_import".to_owned()))
                .max_time(SERVER_DEADLINE);
            let found: Vec<Document> = self.db.run(async { found.await?.try_collect().await }).await?;
            all &= found.len() < limit;
            let ids: Vec<&Bson> = found.iter().filter_map(|row| row.get("_id")).collect();
            if !ids.is_empty() {
                self.db.run(rows.delete_many(doc! { "_id": { "$in": ids } })).await?;
            }
        }
        Ok(all)
    }

    /// Takes a part of an import of an erased workspace away; whether there was one. Whoever carries it on has lost it; a file
    /// that is coming in is not waited for any more.
    pub(in crate::store::mongo) async fn erase_one(
        &self,
        scope: Scope,
        limit: usize,
    ) -> Result<bool, StoreError> {
        let one = self.imports.find_one(of_workspace(scope)).projection(doc! { "state": 1 });
        let one = self.db.run(one.hint(Hint::Name("by_workspace".to_owned()))).await?;
        let Some(one) = one else { return Ok(false) };
        let id = one.get_str("_id").unwrap_or_default();
        let stop = |from: Bson, to: i32| {
            let stopped = doc! {
                "$set": { "state": to, "createdAt": 0_i64, "leasedUntil": 0_i64 }, "$unset": { "holder": "" },
            };
            self.db.run(self.imports.update_one(doc! { "_id": id, "state": from }, stopped))
        };
        stop(Bson::Int32(COMING), COMING).await?;
        stop(Bson::Document(open()), State::Failed.code().into()).await?;
        if self.clear(id, limit).await? {
            self.db.run(self.imports.delete_one(doc! { "_id": id })).await?;
        }
        Ok(true)
    }
}

/// So many leads are inserted at once.
const INSERTED: usize = 100;

/// The length of an import's id in text, in front of what is its own.
const ID: usize = 37;

pub(super) fn seen_id(id: ImportId, key: &str) -> String {
    format!("{id}/{key}")
}

pub(super) fn row_id(id: ImportId, nth: u64) -> String {
    format!("{id}/{nth:08}")
}

pub(in crate::store::mongo) fn trace_id(id: ImportId, lead: LeadId) -> String {
    format!("{id}/{lead}")
}

/// The addresses that none of these leads has, though one of them has their key.
fn missing(
    wanted: BTreeMap<String, BTreeSet<String>>,
    found: &[Found],
) -> BTreeMap<String, BTreeSet<String>> {
    let emails = || found.iter().filter_map(|found| found.lead.fields.email.as_ref());
    let keys: HashSet<String> = emails().map(|email| email_keys(email.as_str()).0).collect();
    let known: HashSet<String> = emails().map(|email| address(email.as_str())).collect();
    let mut missing = wanted;
    missing.retain(|key, wanted| {
        wanted.retain(|address| !known.contains(address));
        keys.contains(key) && !wanted.is_empty()
    });
    missing
}

/// The first lead of each of some keys.
pub(super) fn same(scope: Scope, field: &str, keys: &[String]) -> Vec<Document> {
    let mut filter = of_workspace(scope);
    filter.extend(doc! { "trashed": false, field: { "$in": keys } });
    vec![
        doc! { "$match": filter },
        doc! { "$group": { "_id": format!("${field}"), "id": { "$min": "$_id" } } },
    ]
}

pub(super) async fn insert(
    session: &mut ClientSession,
    into: &Collection<Document>,
    rows: Vec<Document>,
) -> Result<(), StoreError> {
    if !rows.is_empty() {
        into.insert_many(rows).session(session).await?;
    }
    Ok(())
}

pub(super) fn of_trace(scope: Scope, id: ImportId, one: &Trace) -> Document {
    doc! {
        "_id": trace_id(id, one.lead),
        "workspaceId": scope.workspace().to_string(),
        "importId": id.to_string(),
        "leadId": one.lead.to_string(),
        "before": long(one.before),
        "after": long(one.after),
        "former": one.former.as_ref().map_or(Bson::Null, |fields| binary(stored::former_bytes(fields))),
        "notes": binary(stored::notes_bytes(&one.notes)),
    }
}

pub(super) fn trace(found: &Document) -> Result<Trace, StoreError> {
    let lead = found.get_str("leadId").ok().and_then(|id| LeadId::parse(id).ok());
    let former = match found.get_binary_generic("former") {
        Ok(bytes) => Some(stored::former(bytes)?),
        Err(_) => None,
    };
    Ok(Trace {
        lead: lead.ok_or_else(|| broken("leadId"))?,
        before: number(found, "before")?,
        after: number(found, "after")?,
        former,
        notes: stored::notes(bytes(found, "notes")?),
    })
}
