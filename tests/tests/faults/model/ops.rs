//! What is done in a sequence, and how it is drawn.

use leadline_tests::model::{FIELDS, Filter};
use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::{select, subsequence},
};
use serde_json::{Map, Value, json};

pub const STAGES: [&str; 5] = ["New", "Contacted", "Qualified", "Converted", "Lost"];
const SOURCES: [&str; 4] = ["Website", "Referral", "Ad", "Other"];
const TAGS: [&str; 4] = ["vip", "VIP", "cold", "Expo fair"];
const NAMES: [&str; 4] = ["Ada", "Zoë Ölm", "bo ada", "Émile"];
const EMAILS: [&str; 2] = ["ada@acme.example", "Bo@Example.test"];
const PHONES: [&str; 2] = ["+49 30 1234", "(555) 12-34"];
const COMPANIES: [&str; 3] = ["Acme", "acme ölm", "Zeta"];
const WORDS: [&str; 9] = ["ad", "zoe", "ÖLM", "bo ada", "acme", "1234", "55", "example", "nobody"];
/// What the names of each client's leads end with, so that a filter can mean those alone.
pub const MARKS: [&str; 3] = ["kx", "ky", "kz"];
pub const SORTS: [&str; 5] = ["createdAt", "updatedAt", "name", "company", "status"];

pub type Fields = Map<String, Value>;

/// The `If-Match` of a write.
#[derive(Debug, Clone, Copy)]
pub enum Tag {
    None,
    Any,
    Right,
    Stale,
}

/// A write or a look; numbers choose among the leads that were made so far, gone ones too.
#[derive(Debug, Clone)]
pub enum Op {
    Create(Fields, Option<&'static str>),
    Patch(u8, Fields, Tag),
    Put(u8, Fields, Tag),
    Move(u8, &'static str, Option<&'static str>, Tag),
    AddNote(u8, &'static str, Tag),
    DeleteNote(u8, u8, Tag),
    Trash(u8, Tag),
    Erase(u8),
    Restore(u8, Tag),
    Bulk(Vec<u8>, Change),
    BulkBy(Filter, Change),
    Merge(u8, Vec<u8>, Tag),
    Unmerge(u8, Option<u8>, Tag),
    List(Filter, usize, bool, usize),
    Look(u8),
    /// On the lead that all clients write to.
    Contend(Fields, Tag),
}

#[derive(Debug, Clone)]
pub enum Change {
    Status(&'static str),
    Add(Vec<&'static str>),
    Remove(Vec<&'static str>),
    Assign(bool),
    Trash,
}

fn tag() -> impl Strategy<Value = Tag> {
    prop_oneof![6 => Just(Tag::None), 1 => Just(Tag::Any), 2 => Just(Tag::Right), 1 => Just(Tag::Stale)]
}

fn tags() -> impl Strategy<Value = Vec<&'static str>> {
    vec(select(&TAGS[..]), 0..4)
}

/// Some of the fields; `me` stands for the owner.
fn fields() -> impl Strategy<Value = Fields> {
    let text = |texts: &'static [&'static str]| {
        option::of(option::of(select(texts))).prop_map(|value| value.map(|value| json!(value)))
    };
    (
        option::of(select(&NAMES[..])),
        (text(&EMAILS), text(&PHONES), text(&COMPANIES), text(&["me"])),
        option::weighted(0.3, select(&SOURCES[..])),
        option::weighted(0.3, select(&STAGES[..])),
        option::weighted(0.3, tags()),
    )
        .prop_map(|(name, (email, phone, company, owner), source, status, tags)| {
            let values = [
                name.map(Value::from),
                email,
                phone,
                company,
                source.map(Value::from),
                status.map(Value::from),
                tags.map(Value::from),
                owner,
            ];
            let given =
                FIELDS.iter().zip(values).filter_map(|(name, value)| Some(((*name).to_owned(), value?)));
            given.collect()
        })
}

fn filter() -> impl Strategy<Value = Filter> {
    (
        option::weighted(0.4, select(&WORDS[..])),
        prop_oneof![2 => Just(Vec::new()), 1 => subsequence(&STAGES[..], 1..3)],
        prop_oneof![3 => Just(Vec::new()), 1 => subsequence(&SOURCES[..], 1..3)],
        prop_oneof![3 => Just(Vec::new()), 1 => subsequence(&["Vip", "cold"][..], 1..2)],
        option::weighted(0.3, any::<bool>()),
        prop::bool::weighted(0.2),
    )
        .prop_map(|(words, statuses, sources, tags, owned, trashed)| Filter {
            words,
            statuses,
            sources,
            tags,
            owned,
            trashed,
        })
}

fn change() -> impl Strategy<Value = Change> {
    let some = || vec(select(&TAGS[..]), 1..3);
    prop_oneof![
        select(&STAGES[..]).prop_map(Change::Status),
        some().prop_map(Change::Add),
        some().prop_map(Change::Remove),
        any::<bool>().prop_map(Change::Assign),
        Just(Change::Trash),
    ]
}

pub fn op() -> impl Strategy<Value = Op> {
    let lead = any::<u8>;
    prop_oneof![
        10 => (fields(), option::weighted(0.4, Just("first"))).prop_map(|(fields, note)| Op::Create(fields, note)),
        10 => (lead(), fields(), tag()).prop_map(|(lead, fields, tag)| Op::Patch(lead, fields, tag)),
        2 => (lead(), fields(), tag()).prop_map(|(lead, fields, tag)| Op::Put(lead, fields, tag)),
        5 => (lead(), select(&STAGES[..]), option::of(Just("as they said")), tag())
            .prop_map(|(lead, to, reason, tag)| Op::Move(lead, to, reason, tag)),
        4 => (lead(), tag()).prop_map(|(lead, tag)| Op::AddNote(lead, "a note", tag)),
        2 => (lead(), lead(), tag()).prop_map(|(lead, note, tag)| Op::DeleteNote(lead, note, tag)),
        4 => (lead(), tag()).prop_map(|(lead, tag)| Op::Trash(lead, tag)),
        1 => lead().prop_map(Op::Erase),
        4 => (lead(), tag()).prop_map(|(lead, tag)| Op::Restore(lead, tag)),
        2 => (vec(lead(), 1..5), change()).prop_map(|(leads, change)| Op::Bulk(leads, change)),
        2 => (filter(), change()).prop_map(|(filter, change)| Op::BulkBy(filter, change)),
        5 => (lead(), vec(lead(), 1..3), tag()).prop_map(|(into, from, tag)| Op::Merge(into, from, tag)),
        4 => (lead(), option::of(lead()), tag()).prop_map(|(into, merge, tag)| Op::Unmerge(into, merge, tag)),
        4 => (filter(), 0..SORTS.len(), any::<bool>(), 1usize..6)
            .prop_map(|(filter, sort, down, limit)| Op::List(filter, sort, down, limit)),
        3 => lead().prop_map(Op::Look),
        4 => (fields(), tag()).prop_map(|(fields, tag)| Op::Contend(fields, tag)),
    ]
}

/// Those that can be sent again when nobody knows what became of them, merges and their undo above all; and looks.
pub fn keyed_op() -> impl Strategy<Value = Op> {
    let lead = any::<u8>;
    prop_oneof![
        9 => (fields(), option::weighted(0.4, Just("first"))).prop_map(|(fields, note)| Op::Create(fields, note)),
        4 => (lead(), tag()).prop_map(|(lead, tag)| Op::AddNote(lead, "a note", tag)),
        2 => (lead(), tag()).prop_map(|(lead, tag)| Op::Restore(lead, tag)),
        3 => (vec(lead(), 1..5), change()).prop_map(|(leads, change)| Op::Bulk(leads, change)),
        1 => (filter(), change()).prop_map(|(filter, change)| Op::BulkBy(filter, change)),
        9 => (lead(), vec(lead(), 1..3), tag()).prop_map(|(into, from, tag)| Op::Merge(into, from, tag)),
        7 => (lead(), option::of(lead()), tag()).prop_map(|(into, merge, tag)| Op::Unmerge(into, merge, tag)),
        1 => (filter(), 0..SORTS.len(), any::<bool>(), 1usize..6)
            .prop_map(|(filter, sort, down, limit)| Op::List(filter, sort, down, limit)),
        2 => lead().prop_map(Op::Look),
    ]
}
