//! Rows and counters as documents.

use std::ops::Range;

use bson::{Bson, Document, doc, spec::BinarySubtype};
use leadline_runtime::{caller::Scope, time::Millis};

use super::schema::field_of;
use crate::{
    counts::Span,
    day::{Day, Page, Slot, Sparse, Unreadable},
    lead::{Facts, LeadId, Moment, Snapshot, Source, Status},
    store::StoreError,
};

/// One workspace's figures of one generation.
#[derive(Clone, Copy)]
pub(super) struct Generation {
    pub(super) scope: Scope,
    pub(super) number: i64,
}

impl Generation {
    /// What every `_id` of it begins with.
    pub(super) fn prefix(self) -> String {
        format!("{}/{}/", self.scope.workspace(), self.number)
    }

    pub(super) fn lead_id(self, lead: LeadId) -> String {
        format!("{}{lead}", self.prefix())
    }

    /// Days sort as text: `0719162…` counted from the first day of the calendar.
    pub(super) fn page_id(self, slot: Slot) -> String {
        match slot {
            Slot::All => format!("{}all", self.prefix()),
            Slot::Day(day) => format!("{}{:07}", self.prefix(), day.number() - Day::FIRST.number()),
        }
    }

    /// All ids of it.
    pub(super) fn ids(self) -> Document {
        ids_with(&self.prefix())
    }

    /// The documents with these ids, on the shard of the workspace.
    pub(super) fn those(self, ids: impl Into<Bson>) -> Document {
        doc! { "_id": ids, "workspaceId": self.scope.workspace().to_string() }
    }
}

/// All ids that begin with `prefix`, which ends in a slash: the character after it is a zero.
pub(super) fn ids_with(prefix: &str) -> Document {
    doc! { "$gte": prefix, "$lt": format!("{}0", prefix.trim_end_matches('/')) }
}

pub(super) fn slot_of(id: &str) -> Option<Slot> {
    match id.rsplit_once('/')?.1 {
        "all" => Some(Slot::All),
        number => {
            let number: i32 = number.parse().ok()?;
            Day::from_number(number + Day::FIRST.number()).map(Slot::Day)
        }
    }
}

pub(super) fn page_ids(generation: Generation, days: &Range<Day>) -> Document {
    doc! { "$gte": generation.page_id(Slot::Day(days.start)), "$lt": generation.page_id(Slot::Day(days.end)) }
}

/// The leads of a generation that had a moment in a span.
pub(super) fn within(generation: Generation, moment: Moment, span: Span) -> Document {
    doc! {
        "workspaceId": generation.scope.workspace().to_string(),
        "generation": generation.number,
        field_of(moment): { "$gte": span.from.0, "$lt": span.to.0 },
    }
}

pub(super) fn binary(counts: &Sparse) -> Bson {
    Bson::Binary(bson::Binary { subtype: BinarySubtype::Generic, bytes: counts.encode() })
}

pub(super) fn sparse(row: &Document, field: &str) -> Result<Sparse, StoreError> {
    let bytes = row.get_binary_generic(field).map_err(|_| Unreadable)?;
    Ok(Sparse::decode(bytes)?)
}

pub(super) fn page(row: &Document) -> Result<Page, StoreError> {
    Ok(Page { sum: sparse(row, "sum")?, counts: sparse(row, "counts")?, times: sparse(row, "times")? })
}

pub(super) fn version(row: &Document) -> u64 {
    row.get_i64("version").unwrap_or(0).cast_unsigned()
}

pub(super) fn row(id: String, generation: Generation, snapshot: &Snapshot) -> Document {
    let mut row = doc! {
        "_id": id,
        "workspaceId": generation.scope.workspace().to_string(),
        "generation": generation.number,
        "version": snapshot.version.cast_signed(),
    };
    if let Some(facts) = &snapshot.facts {
        let number = |place: usize| i32::try_from(place + 1).unwrap_or(0);
        row.insert("status", number(facts.status.index()));
        row.insert("source", number(facts.source.index()));
        row.insert("reached", facts.reached.map(|at| at.map_or(Bson::Null, |at| Bson::Int64(at.0))).to_vec());
        for moment in [Moment::Created].into_iter().chain(Moment::ENTERED) {
            if let Some(at) = facts.at(moment) {
                row.insert(field_of(moment), at.0);
            }
        }
    }
    row
}

/// What counts of a row; `None` if the lead is deleted.
pub(super) fn facts(row: &Document) -> Option<Facts> {
    let at = |name: &str| row.get_i64(name).ok().map(Millis);
    let place = |name: &str| row.get_i32(name).ok().and_then(|number| usize::try_from(number - 1).ok());
    let reached = row.get_array("reached").ok()?;
    let reached = |stage: usize| reached.get(stage).and_then(Bson::as_i64).map(Millis);
    Some(Facts {
        status: *Status::ALL.get(place("status")?)?,
        source: *Source::ALL.get(place("source")?)?,
        created: at("createdAt")?,
        reached: [reached(0), reached(1), reached(2), reached(3)],
        entered: Moment::ENTERED.map(|moment| at(field_of(moment))),
    })
}
