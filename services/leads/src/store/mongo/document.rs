//! Leads, notes and entries of the log as documents.

use leadline_runtime::{
    caller::Scope,
    ids::{UserId, parse_uuid},
    time::Millis,
    version::Version,
};
use leadline_storage::{
    StorageError,
    bson::{Binary, Bson, Document, doc, spec::BinarySubtype},
    mongodb::options::Hint,
};

use super::of_workspace;
use crate::{
    activity::{Encode, ImportId, LeadEvent},
    fields::{Company, Email, Fields, Name, NoteText, Phone, Tag, Tags},
    filter::{Position, SortKey, sort_text},
    lead::{Imported, Lead, LeadId, Note},
    likeness::email_keys,
    merge::{Filled, Merge},
    search::Haystack,
    stage::{Source, StageTimes, Stages, Status},
    store::{Logged, StoreError},
};

/// A lead, with what a document says beyond it.
pub(super) struct Stored {
    pub(super) lead: Lead,
    /// The revision of the follow-up that was told last.
    pub(super) revision: i64,
}

/// The one document of a lead.
pub(super) fn of_id(scope: Scope, id: LeadId) -> Document {
    let mut filter = doc! { "_id": id.to_string() };
    filter.extend(of_workspace(scope));
    filter
}

/// The index for [`of_id`]: the others begin with the workspace too, and the server should not have to try them.
pub(super) fn by_id() -> Hint {
    Hint::Name("_id_".to_owned())
}

/// The index for the notes and the log of a lead: the planner might walk all that the workspace has.
pub(super) fn by_lead() -> Hint {
    Hint::Name("by_lead".to_owned())
}

/// What [`lead`] reads: all but what is there for searching and sorting.
pub(super) fn shown() -> Document {
    doc! {
        "grams": 0, "search": 0, "digits": 0, "nameKey": 0, "companyKey": 0, "tagKeys": 0, "emailKey": 0, "domainKey": 0,
    }
}

/// Bytes.
pub(super) fn binary(bytes: Vec<u8>) -> Bson {
    Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes })
}

fn text(text: Option<&str>) -> Bson {
    text.map_or(Bson::Null, |text| Bson::String(text.to_owned()))
}

fn time(at: Option<Millis>) -> Bson {
    at.map_or(Bson::Null, |at| Bson::Int64(at.0))
}

/// What an import did to a lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hand {
    Made,
    Changed,
}

impl Hand {
    /// What its marks begin with.
    pub(super) fn letter(self) -> &'static str {
        match self {
            Self::Made => "m",
            Self::Changed => "c",
        }
    }
}

/// What a lead's document says of an import, under one index for both.
pub(super) fn import_mark(hand: Hand, import: ImportId) -> Bson {
    Bson::String(format!("{}{import}", hand.letter()))
}

fn import_marks(imported: &Imported) -> Vec<Bson> {
    let hands = [(Hand::Made, imported.made_by), (Hand::Changed, imported.changed_by)];
    hands.into_iter().filter_map(|(hand, import)| import.map(|id| import_mark(hand, id))).collect()
}

fn imported(document: &Document) -> Imported {
    let marks = document.get_array("imports").map(Vec::as_slice).unwrap_or_default();
    let of = |hand: Hand| {
        let id = marks.iter().filter_map(Bson::as_str).find_map(|mark| mark.strip_prefix(hand.letter()))?;
        ImportId::parse(id).ok()
    };
    Imported { made_by: of(Hand::Made), changed_by: of(Hand::Changed) }
}

/// A lead as a document.
pub(super) fn of_lead(scope: Scope, lead: &Lead, revision: i64) -> Document {
    let fields = &lead.fields;
    let haystack = Haystack::of(fields);
    let stages: Vec<Document> = lead
        .stages
        .iter()
        .map(|(status, times)| {
            doc! { "status": i32::from(status.rank()), "first": times.first.0, "last": times.last.0 }
        })
        .collect();
    let mut document = doc! {
        "_id": lead.id.to_string(),
        "workspaceId": scope.workspace().to_string(),
        "version": lead.version.0.cast_signed(),
        "trashed": lead.deleted_at.is_some(),
        "status": i32::from(fields.status.rank()),
        "source": i32::from(fields.source.code()),
        "ownerId": text(fields.owner.map(|id| id.to_string()).as_deref()),
        "createdBy": lead.created_by.to_string(),
        "createdAt": lead.created_at.0,
        "updatedAt": lead.updated_at.0,
        "statusChangedAt": lead.status_changed_at.0,
        "lastActivityAt": lead.last_activity_at.0,
        "nextFollowUpAt": time(lead.next_follow_up_at),
        "followUpRevision": revision,
        "deletedAt": time(lead.deleted_at),
        "noteCount": i64::from(lead.note_count),
        "stages": stages,
        "name": fields.name.as_str(),
        "email": text(fields.email.as_ref().map(Email::as_str)),
        "phone": text(fields.phone.as_ref().map(Phone::as_str)),
        "company": text(fields.company.as_ref().map(Company::as_str)),
        "tags": fields.tags.to_texts(),
        "nameKey": sort_text(fields.name.as_str()),
        "companyKey": text(fields.company.as_ref().map(|company| sort_text(company.as_str())).as_deref()),
        "tagKeys": fields.tags.iter().map(Tag::key).collect::<Vec<_>>(),
        "grams": haystack.longest_grams().into_iter().collect::<Vec<_>>(),
        "search": haystack.text,
        "digits": haystack.digits,
    };
    let imports = import_marks(&lead.imported);
    if !imports.is_empty() {
        document.insert("imports", imports);
    }
    if let Some(email) = &fields.email {
        let (email, domain) = email_keys(email.as_str());
        document.insert("emailKey", email);
        document.extend(domain.map(|domain| ("domainKey".to_owned(), Bson::String(domain))));
    }
    document
}

/// Reads one document, field by field.
struct Reader<'d>(&'d Document);

impl<'d> Reader<'d> {
    fn broken(&self, key: &str) -> StoreError {
        StorageError::Internal(format!("a document holds no good {key}")).into()
    }

    fn text(&self, key: &str) -> Result<&'d str, StoreError> {
        self.0.get_str(key).map_err(|_| self.broken(key))
    }

    fn some_text(&self, key: &str) -> Result<Option<String>, StoreError> {
        match self.0.get(key) {
            None | Some(Bson::Null) => Ok(None),
            Some(_) => self.text(key).map(|text| Some(text.to_owned())),
        }
    }

    fn long(&self, key: &str) -> Result<i64, StoreError> {
        self.0.get_i64(key).map_err(|_| self.broken(key))
    }

    fn time(&self, key: &str) -> Result<Millis, StoreError> {
        self.long(key).map(Millis)
    }

    fn some_time(&self, key: &str) -> Result<Option<Millis>, StoreError> {
        match self.0.get(key) {
            None | Some(Bson::Null) => Ok(None),
            Some(_) => self.time(key).map(Some),
        }
    }

    fn code(&self, key: &str) -> Result<i64, StoreError> {
        self.0.get_i32(key).map(i64::from).map_err(|_| self.broken(key))
    }

    fn id<T: From<uuid::Uuid>>(&self, key: &str) -> Result<T, StoreError> {
        parse_uuid(self.text(key)?).map(T::from).map_err(|_| self.broken(key))
    }

    fn bytes(&self, key: &str) -> Result<Vec<u8>, StoreError> {
        self.0.get_binary_generic(key).cloned().map_err(|_| self.broken(key))
    }
}

/// A lead from its document.
pub(super) fn lead(document: &Document) -> Result<Stored, StoreError> {
    let read = Reader(document);
    let tags = document.get_array("tags").map_err(|_| read.broken("tags"))?;
    let tags = tags.iter().filter_map(Bson::as_str).map(str::to_owned).collect();
    let status =
        |read: &Reader<'_>| Status::of_rank(read.code("status")?).ok_or_else(|| read.broken("status"));
    let mut stages = Stages::default();
    for stage in document.get_array("stages").map_err(|_| read.broken("stages"))? {
        let stage = Reader(stage.as_document().ok_or_else(|| read.broken("stages"))?);
        stages.set(status(&stage)?, StageTimes { first: stage.time("first")?, last: stage.time("last")? });
    }
    let owner = match document.get("ownerId") {
        None | Some(Bson::Null) => None,
        Some(_) => Some(read.id::<UserId>("ownerId")?),
    };
    let fields = Fields {
        name: Name::stored(read.text("name")?.to_owned()),
        email: read.some_text("email")?.map(Email::stored),
        phone: read.some_text("phone")?.map(Phone::stored),
        company: read.some_text("company")?.map(Company::stored),
        source: Source::of_code(read.code("source")?).ok_or_else(|| read.broken("source"))?,
        status: status(&read)?,
        tags: Tags::stored(tags),
        owner,
    };
    let lead = Lead {
        id: read.id("_id")?,
        fields,
        created_by: read.id("createdBy")?,
        created_at: read.time("createdAt")?,
        updated_at: read.time("updatedAt")?,
        status_changed_at: read.time("statusChangedAt")?,
        last_activity_at: read.time("lastActivityAt")?,
        next_follow_up_at: read.some_time("nextFollowUpAt")?,
        version: Version(read.long("version")?.cast_unsigned()),
        note_count: u32::try_from(read.long("noteCount")?).map_err(|_| read.broken("noteCount"))?,
        deleted_at: read.some_time("deletedAt")?,
        stages,
        imported: imported(document),
    };
    Ok(Stored { lead, revision: read.long("followUpRevision")? })
}

/// A merge as a document.
pub(super) fn of_merge(scope: Scope, merge: &Merge) -> Document {
    let filled = &merge.filled;
    doc! {
        "_id": merge.id.to_string(),
        "workspaceId": scope.workspace().to_string(),
        "intoId": merge.into.to_string(),
        "at": merge.at.0,
        "email": text(filled.email.as_ref().map(Email::as_str)),
        "phone": text(filled.phone.as_ref().map(Phone::as_str)),
        "company": text(filled.company.as_ref().map(Company::as_str)),
        "ownerId": text(filled.owner.map(|id| id.to_string()).as_deref()),
        "tags": filled.tags.to_texts(),
    }
}

/// A merge from its document.
pub(super) fn merge(document: &Document) -> Result<Merge, StoreError> {
    let read = Reader(document);
    let tags = document.get_array("tags").map_err(|_| read.broken("tags"))?;
    let owner = match document.get("ownerId") {
        None | Some(Bson::Null) => None,
        Some(_) => Some(read.id::<UserId>("ownerId")?),
    };
    let filled = Filled {
        email: read.some_text("email")?.map(Email::stored),
        phone: read.some_text("phone")?.map(Phone::stored),
        company: read.some_text("company")?.map(Company::stored),
        owner,
        tags: Tags::stored(tags.iter().filter_map(Bson::as_str).map(str::to_owned).collect()),
    };
    Ok(Merge { id: read.id("_id")?, into: read.id("intoId")?, at: read.time("at")?, filled })
}

/// A note as a document.
pub(super) fn of_note(scope: Scope, lead: LeadId, note: &Note) -> Document {
    doc! {
        "_id": note.id.to_string(),
        "workspaceId": scope.workspace().to_string(),
        "leadId": lead.to_string(),
        "authorId": note.author.to_string(),
        "createdAt": note.created_at.0,
        "text": note.text.as_str(),
    }
}

/// A note from its document.
pub(super) fn note(document: &Document) -> Result<Note, StoreError> {
    let read = Reader(document);
    Ok(Note {
        id: read.id("_id")?,
        text: NoteText::stored(read.text("text")?.to_owned()),
        author: read.id("authorId")?,
        created_at: read.time("createdAt")?,
    })
}

/// An entry of the log as a document.
pub(super) fn of_event(event: &LeadEvent, encode: Encode) -> Document {
    let activity = &event.activity;
    doc! {
        "_id": activity.id.to_string(),
        "workspaceId": event.workspace.to_string(),
        "leadId": activity.lead.to_string(),
        "kind": activity.what.kind().name(),
        "writtenAt": Millis::now().0,
        "published": false,
        "hidden": false,
        "event": binary(encode(event)),
    }
}

/// An entry of the log from its document.
pub(super) fn logged(document: &Document) -> Result<Logged, StoreError> {
    let read = Reader(document);
    Ok(Logged { id: read.id("_id")?, event: read.bytes("event")? })
}

/// An id and its workspace from a document.
pub(super) fn place(document: &Document) -> Result<(Scope, LeadId), StoreError> {
    let read = Reader(document);
    Ok((Scope::of_own_row(read.id("workspaceId")?), read.id("_id")?))
}

/// A place in a list that is sorted by a field.
pub(super) fn position(document: &Document, field: &str) -> Result<Position, StoreError> {
    let read = Reader(document);
    let key = match document.get(field) {
        None | Some(Bson::Null) => SortKey::Missing,
        Some(Bson::String(text)) => SortKey::Text(text.clone()),
        Some(Bson::Int32(rank)) => SortKey::Number(i64::from(*rank)),
        Some(_) => SortKey::Number(read.long(field)?),
    };
    Ok(Position { key, id: read.id("_id")? })
}
