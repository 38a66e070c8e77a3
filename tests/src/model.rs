//! What leads are after a sequence of writes: the contract's rules, written anew and without any of the service's code.
//!
//! The model knows no ids before the system has given them, and no times; what a write leaves alone it says exactly.

use std::collections::BTreeSet;

use reqwest::StatusCode;
use serde_json::{Map, Value, json};

use crate::text;

/// The fields that people set, in the order of the contract.
pub const FIELDS: [&str; 8] = ["name", "email", "phone", "company", "source", "status", "tags", "ownerId"];
/// Those that a merge fills if they are empty.
const FILLED: [&str; 4] = ["email", "phone", "company", "ownerId"];

/// Where a lead is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In lists.
    Live,
    /// In the trash.
    Trash,
    /// In another lead.
    Merged(usize),
    /// Nowhere.
    Erased,
}

/// A lead.
#[derive(Debug, Clone)]
pub struct Lead {
    /// As the system named it.
    pub id: String,
    /// [`FIELDS`], `ownerId` for the owner.
    pub fields: Map<String, Value>,
    /// Raised with every write that changes anything.
    pub version: u64,
    /// Where it is.
    pub place: Place,
    /// Those that went into it and can be taken out again, oldest first.
    pub merges: Vec<Merge>,
}

/// Leads that went into another.
#[derive(Debug, Clone)]
pub struct Merge {
    /// As the system named it.
    pub id: String,
    from: Vec<usize>,
    filled: Map<String, Value>,
    tags: Vec<String>,
    /// What each of them brought along.
    notes: Vec<Vec<usize>>,
    entries: Vec<Vec<usize>>,
}

#[derive(Debug, Clone)]
struct Note {
    id: String,
    text: String,
    /// The lead that it is shown with.
    on: usize,
    gone: bool,
}

#[derive(Debug, Clone)]
struct Entry {
    /// Entries of one write come in any order.
    write: usize,
    /// The lead that it tells of.
    lead: usize,
    /// The lead in whose history it is shown.
    on: usize,
    gone: bool,
    shown: Value,
}

/// The entries of one write, as they are compared: `{lead, name, type, version, data}`.
pub type Group = Vec<Value>;

/// A workspace, or a part of one in which nobody else writes.
#[derive(Debug, Clone, Default)]
pub struct Model {
    leads: Vec<Lead>,
    notes: Vec<Note>,
    log: Vec<Entry>,
    writes: usize,
}

/// Which leads a list is to show.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Words to be found, with blanks between.
    pub words: Option<&'static str>,
    /// One of these stages.
    pub statuses: Vec<&'static str>,
    /// One of these sources.
    pub sources: Vec<&'static str>,
    /// One of these tags.
    pub tags: Vec<&'static str>,
    /// Of somebody (true) or of nobody.
    pub owned: Option<bool>,
    /// In the trash.
    pub trashed: bool,
}

/// Text as it is searched and sorted, as far as the words of the tests go.
#[must_use]
pub fn plain(text: &str) -> String {
    let plain = |c: char| match c {
        'ë' | 'Ë' | 'é' | 'É' => 'e',
        'ö' | 'Ö' => 'o',
        c => c,
    };
    text.chars().map(plain).collect::<String>().to_lowercase()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|tag| tag.as_str().map(str::to_owned)).collect()
}

fn has(tags: &[String], tag: &str) -> bool {
    tags.iter().any(|known| known.to_lowercase() == tag.to_lowercase())
}

/// Tags behind others, each once whatever its case.
fn with(mut tags: Vec<String>, more: &[String]) -> Vec<String> {
    for tag in more {
        if !has(&tags, tag) {
            tags.push(tag.clone());
        }
    }
    tags
}

fn without(tags: &[String], less: &[String]) -> Vec<String> {
    tags.iter().filter(|tag| !has(less, tag)).cloned().collect()
}

impl Filter {
    fn means(&self, lead: &Lead) -> bool {
        let of = |name: &str| text_of(&lead.fields, name);
        let phone: String = of("phone").chars().filter(char::is_ascii_digit).collect();
        let found = |word: &str| {
            ["name", "email", "company"].iter().any(|name| plain(of(name)).contains(&plain(word)))
                || (word.chars().all(|c| c.is_ascii_digit()) && phone.contains(word))
        };
        let one_of = |list: &[&str], name: &str| list.is_empty() || list.contains(&of(name));
        lead.place == if self.trashed { Place::Trash } else { Place::Live }
            && self.words.is_none_or(|words| words.split(' ').all(found))
            && one_of(&self.statuses, "status")
            && one_of(&self.sources, "source")
            && (self.tags.is_empty()
                || texts(&lead.fields["tags"])
                    .iter()
                    .any(|tag| self.tags.iter().any(|one| plain(one) == plain(tag))))
            && self.owned.is_none_or(|owned| lead.fields["ownerId"].is_string() == owned)
    }

    /// As the parameters of a list, `me` for somebody's.
    #[must_use]
    pub fn query(&self) -> Vec<(&'static str, String)> {
        let mut pairs = Vec::new();
        pairs.extend(self.words.map(|words| ("q", words.to_owned())));
        pairs.extend(self.tags.iter().map(|tag| ("tag", (*tag).to_owned())));
        for (name, list) in [("status", &self.statuses), ("source", &self.sources)] {
            pairs.extend((!list.is_empty()).then(|| (name, list.join(","))));
        }
        pairs.extend(self.owned.map(|owned| ("owner", if owned { "me" } else { "none" }.to_owned())));
        if self.trashed {
            pairs.push(("trashed", "true".to_owned()));
        }
        pairs
    }
}

fn text_of<'a>(fields: &'a Map<String, Value>, name: &str) -> &'a str {
    fields[name].as_str().unwrap_or_default()
}

/// What a field is if nobody says.
fn usual(name: &str) -> Value {
    match name {
        "source" => json!("Other"),
        "status" => json!("New"),
        "tags" => json!([]),
        _ => Value::Null,
    }
}

/// All fields, those that are not given as nobody said them.
#[must_use]
pub fn whole(given: &Map<String, Value>) -> Map<String, Value> {
    FIELDS
        .iter()
        .map(|name| ((*name).to_owned(), given.get(*name).cloned().unwrap_or_else(|| usual(name))))
        .collect()
}

/// Why a write is refused: the status that is answered.
pub type Refused = StatusCode;

impl Model {
    /// The leads, in the order in which they were made.
    #[must_use]
    pub fn leads(&self) -> &[Lead] {
        &self.leads
    }

    /// The ids of the leads that a list shows, in no order.
    #[must_use]
    pub fn list(&self, filter: &Filter) -> BTreeSet<&str> {
        self.leads.iter().filter(|lead| filter.means(lead)).map(|lead| lead.id.as_str()).collect()
    }

    /// The notes of a lead, newest first: id and text.
    #[must_use]
    pub fn notes(&self, lead: usize) -> Vec<(&str, &str)> {
        let shown = self.notes.iter().rev().filter(|note| note.on == lead && !note.gone);
        shown.map(|note| (note.id.as_str(), note.text.as_str())).collect()
    }

    /// The history of a lead, or the log of everything, oldest first, the entries of one write together.
    #[must_use]
    pub fn log(&self, lead: Option<usize>) -> Vec<Group> {
        let mut groups: Vec<(usize, Group)> = Vec::new();
        for entry in self.log.iter().filter(|entry| !entry.gone && lead.is_none_or(|lead| entry.on == lead)) {
            let mut shown = entry.shown.clone();
            shown["lead"] = json!(self.leads[entry.lead].id);
            match groups.last_mut() {
                Some((write, group)) if *write == entry.write => group.push(shown),
                _ => groups.push((entry.write, vec![shown])),
            }
        }
        groups.into_iter().map(|(_, group)| group).collect()
    }

    /// The lead, if it can be written.
    fn live(&self, lead: usize) -> Result<&Lead, Refused> {
        self.leads.get(lead).filter(|lead| lead.place == Place::Live).ok_or(StatusCode::NOT_FOUND)
    }

    /// The lead, if it can be written and has the version that is asked for.
    fn at(&self, lead: usize, condition: Option<u64>) -> Result<&Lead, Refused> {
        let found = self.live(lead)?;
        match condition {
            Some(version) if version != found.version => Err(StatusCode::PRECONDITION_FAILED),
            _ => Ok(found),
        }
    }

    fn entry(&mut self, lead: usize, kind: &str, data: Value) {
        let of = &self.leads[lead];
        let shown = json!({ "name": of.fields["name"], "type": kind, "version": of.version, "data": data });
        self.log.push(Entry { write: self.writes, lead, on: lead, gone: false, shown });
    }

    fn note(&mut self, lead: usize, text: &str) {
        self.entry(lead, "lead.note_added", json!({ "noteId": null, "text": text }));
        self.notes.push(Note { id: String::new(), text: text.to_owned(), on: lead, gone: false });
    }

    /// Says how the system named the newest note.
    pub fn name_note(&mut self, id: &str) {
        if let Some(note) = self.notes.last_mut() {
            id.clone_into(&mut note.id);
        }
        let entry = self.log.iter_mut().rev().find(|entry| entry.shown["type"] == "lead.note_added");
        if let Some(entry) = entry {
            entry.shown["data"]["noteId"] = json!(id);
        }
    }

    /// Says how the system named the newest merge into a lead.
    pub fn name_merge(&mut self, into: usize, id: &str) {
        if let Some(merge) = self.leads[into].merges.last_mut() {
            id.clone_into(&mut merge.id);
        }
    }

    /// A new lead, under the id that the system gave it.
    pub fn create(&mut self, id: &str, given: &Map<String, Value>, note: Option<&str>) -> usize {
        self.writes += 1;
        let mut fields = whole(given);
        fields["tags"] = json!(with(Vec::new(), &texts(&fields["tags"])));
        let data = json!({ "source": fields["source"], "status": fields["status"] });
        let lead = Lead { id: id.to_owned(), fields, version: 1, place: Place::Live, merges: Vec::new() };
        self.leads.push(lead);
        let lead = self.leads.len() - 1;
        self.entry(lead, "lead.created", data);
        if let Some(text) = note {
            self.note(lead, text);
        }
        lead
    }

    /// Sets fields; whether any of them was another.
    ///
    /// # Errors
    /// The status of a refusal.
    pub fn patch(
        &mut self,
        lead: usize,
        patch: &Map<String, Value>,
        condition: Option<u64>,
    ) -> Result<bool, Refused> {
        self.at(lead, condition)?;
        self.writes += 1;
        Ok(self.set(lead, patch, &Value::Null))
    }

    /// Moves a lead to a stage; whether it was in another.
    ///
    /// # Errors
    /// The status of a refusal.
    pub fn move_to(
        &mut self,
        lead: usize,
        to: &str,
        reason: Option<&str>,
        condition: Option<u64>,
    ) -> Result<bool, Refused> {
        self.at(lead, condition)?;
        self.writes += 1;
        let patch = Map::from_iter([("status".to_owned(), json!(to))]);
        Ok(self.set(lead, &patch, &json!(reason)))
    }

    fn set(&mut self, lead: usize, patch: &Map<String, Value>, reason: &Value) -> bool {
        let before = self.leads[lead].fields.clone();
        let fields = &mut self.leads[lead].fields;
        for (name, value) in patch {
            fields[name] =
                if name == "tags" { json!(with(Vec::new(), &texts(value))) } else { value.clone() };
        }
        let after = fields.clone();
        if before == after {
            return false;
        }
        self.leads[lead].version += 1;
        let changes: Map<String, Value> = FIELDS
            .iter()
            .filter(|name| **name != "status" && before[**name] != after[**name])
            .map(|name| ((*name).to_owned(), json!({ "from": before[*name], "to": after[*name] })))
            .collect();
        if !changes.is_empty() {
            self.entry(lead, "lead.updated", json!({ "changes": changes }));
        }
        if before["status"] != after["status"] {
            let data = json!({ "from": before["status"], "to": after["status"], "reason": reason });
            self.entry(lead, "lead.status_changed", data);
        }
        true
    }

    /// Writes a note, to be named by [`Model::name_note`].
    ///
    /// # Errors
    /// The status of a refusal.
    pub fn add_note(&mut self, lead: usize, text: &str, condition: Option<u64>) -> Result<(), Refused> {
        self.at(lead, condition)?;
        self.writes += 1;
        self.leads[lead].version += 1;
        self.note(lead, text);
        Ok(())
    }

    /// Takes a note away.
    ///
    /// # Errors
    /// The status of a refusal.
    pub fn delete_note(&mut self, lead: usize, id: &str, condition: Option<u64>) -> Result<(), Refused> {
        self.at(lead, condition)?;
        let note = self.notes.iter_mut().find(|note| note.id == id && note.on == lead && !note.gone);
        note.ok_or(StatusCode::NOT_FOUND)?.gone = true;
        self.writes += 1;
        self.leads[lead].version += 1;
        self.entry(lead, "lead.note_deleted", json!({ "noteId": id }));
        Ok(())
    }

    /// Puts a lead into the trash.
    ///
    /// # Errors
    /// The status of a refusal.
    pub fn trash(&mut self, lead: usize, condition: Option<u64>) -> Result<(), Refused> {
        self.at(lead, condition)?;
        self.writes += 1;
        self.throw_away(lead);
        Ok(())
    }

    fn throw_away(&mut self, lead: usize) {
        self.leads[lead].version += 1;
        self.leads[lead].place = Place::Trash;
        self.entry(lead, "lead.deleted", json!({ "permanent": false }));
    }

    /// Brings a lead back; whether it was in the trash.
    ///
    /// # Errors
    /// The status of a refusal.
    pub fn restore(&mut self, lead: usize, condition: Option<u64>) -> Result<bool, Refused> {
        let found = self.leads.get(lead).ok_or(StatusCode::NOT_FOUND)?;
        match found.place {
            Place::Erased => return Err(StatusCode::NOT_FOUND),
            Place::Merged(_) => return Err(StatusCode::CONFLICT),
            _ if condition.is_some_and(|version| version != found.version) => {
                return Err(StatusCode::PRECONDITION_FAILED);
            }
            Place::Live => return Ok(false),
            Place::Trash => {}
        }
        self.writes += 1;
        self.leads[lead].version += 1;
        self.leads[lead].place = Place::Live;
        self.entry(lead, "lead.restored", json!({}));
        Ok(true)
    }

    /// Erases a lead with all that went into it: that it was erased is all that stays.
    ///
    /// # Errors
    /// The status of a refusal.
    pub fn erase(&mut self, lead: usize) -> Result<(), Refused> {
        match self.leads.get(lead).map(|lead| lead.place) {
            Some(Place::Live | Place::Trash) => {}
            _ => return Err(StatusCode::NOT_FOUND),
        }
        self.writes += 1;
        let mut all = vec![lead];
        while let Some(lead) = all.pop() {
            let gone = &mut self.leads[lead];
            (gone.place, gone.version, gone.fields["name"]) = (Place::Erased, gone.version + 1, "".into());
            all.extend((0..self.leads.len()).filter(|other| self.leads[*other].place == Place::Merged(lead)));
            self.notes.iter_mut().filter(|note| note.on == lead).for_each(|note| note.gone = true);
            self.log.iter_mut().filter(|entry| entry.on == lead).for_each(|entry| entry.gone = true);
            self.entry(lead, "lead.deleted", json!({ "permanent": true }));
        }
        Ok(())
    }

    /// Does the same to many leads; how many were found and changed, and which were not found.
    pub fn bulk(&mut self, leads: &[usize], change: &Value) -> (usize, usize, BTreeSet<usize>) {
        self.writes += 1;
        let (mut matched, mut changed, mut failed) = (0, 0, BTreeSet::new());
        for lead in leads.iter().copied().collect::<BTreeSet<usize>>() {
            if self.live(lead).is_err() {
                failed.insert(lead);
                continue;
            }
            matched += 1;
            changed += usize::from(self.change(lead, change));
        }
        (matched, changed, failed)
    }

    /// The change of a bulk request, on one lead.
    fn change(&mut self, lead: usize, change: &Value) -> bool {
        let Some((name, value)) = change.as_object().and_then(|change| change.iter().next()) else {
            return false;
        };
        let tags = texts(&self.leads[lead].fields["tags"]);
        let (field, value) = match name.as_str() {
            "setStatus" => ("status", value.clone()),
            "assignTo" => ("ownerId", value.clone()),
            "addTags" => ("tags", json!(with(tags, &texts(value)))),
            "removeTags" => ("tags", json!(without(&tags, &texts(value)))),
            _ => {
                self.throw_away(lead);
                return true;
            }
        };
        self.set(lead, &Map::from_iter([(field.to_owned(), value)]), &Value::Null)
    }

    /// Lets leads go into another, as a merge to be named by [`Model::name_merge`].
    ///
    /// # Errors
    /// The status of a refusal.
    pub fn merge(&mut self, into: usize, from: &[usize], condition: Option<u64>) -> Result<(), Refused> {
        self.live(into)?;
        let mut others: Vec<usize> = Vec::new();
        for other in from {
            if *other == into || self.live(*other).is_err() {
                return Err(StatusCode::UNPROCESSABLE_ENTITY);
            }
            if !others.contains(other) {
                others.push(*other);
            }
        }
        self.at(into, condition)?;
        self.writes += 1;
        let before = self.leads[into].fields.clone();
        let mut fields = before.clone();
        let mut filled = Map::new();
        let (mut notes, mut entries) = (Vec::new(), Vec::new());
        for other in &others {
            let theirs = self.leads[*other].fields.clone();
            for name in FILLED {
                if fields[name].is_null() && !theirs[name].is_null() {
                    fields[name] = theirs[name].clone();
                    filled.insert(name.to_owned(), theirs[name].clone());
                }
            }
            fields["tags"] = json!(with(texts(&fields["tags"]), &texts(&theirs["tags"])));
            notes.push(self.notes_on(*other, into));
            entries.push(self.entries_on(*other, into));
        }
        let tags = without(&texts(&fields["tags"]), &texts(&before["tags"]));
        let lead = &mut self.leads[into];
        lead.fields = fields;
        lead.version += 1;
        let merge = Merge { id: String::new(), from: others.clone(), filled, tags, notes, entries };
        lead.merges.push(merge);
        self.tell(into, &others, "lead.merged");
        for other in others {
            self.leads[other].place = Place::Merged(into);
        }
        Ok(())
    }

    /// Takes a merge back: the newest, or the one named.
    ///
    /// # Errors
    /// The status of a refusal.
    pub fn unmerge(
        &mut self,
        into: usize,
        merge: Option<&str>,
        condition: Option<u64>,
    ) -> Result<(), Refused> {
        self.at(into, condition)?;
        let lead = &mut self.leads[into];
        let found = match merge {
            None => lead.merges.len().checked_sub(1),
            Some(id) => lead.merges.iter().position(|merge| merge.id == id),
        };
        let merge = lead.merges.remove(found.ok_or(StatusCode::CONFLICT)?);
        self.writes += 1;
        for (name, value) in &merge.filled {
            if lead.fields[name] == *value {
                lead.fields[name] = Value::Null;
            }
        }
        lead.fields["tags"] = json!(without(&texts(&lead.fields["tags"]), &merge.tags));
        lead.version += 1;
        for ((other, notes), entries) in merge.from.iter().zip(&merge.notes).zip(&merge.entries) {
            self.leads[*other].place = Place::Live;
            notes.iter().for_each(|note| self.notes[*note].on = *other);
            entries.iter().for_each(|entry| self.log[*entry].on = *other);
        }
        self.tell(into, &merge.from, "lead.unmerged");
        Ok(())
    }

    /// Raises the others' versions, and tells each of the leads what was done.
    fn tell(&mut self, into: usize, others: &[usize], kind: &str) {
        let ids: Vec<String> = others.iter().map(|other| self.leads[*other].id.clone()).collect();
        self.entry(into, kind, json!({ "fromIds": ids, "intoId": null }));
        let id = self.leads[into].id.clone();
        for other in others {
            self.leads[*other].version += 1;
            self.entry(*other, kind, json!({ "fromIds": [], "intoId": id }));
        }
    }

    fn notes_on(&mut self, lead: usize, to: usize) -> Vec<usize> {
        let mut moved = Vec::new();
        for (place, note) in self.notes.iter_mut().enumerate().filter(|(_, note)| note.on == lead) {
            note.on = to;
            moved.push(place);
        }
        moved
    }

    fn entries_on(&mut self, lead: usize, to: usize) -> Vec<usize> {
        let mut moved = Vec::new();
        for (place, entry) in self.log.iter_mut().enumerate().filter(|(_, entry)| entry.on == lead) {
            entry.on = to;
            moved.push(place);
        }
        moved
    }
}

/// An entry of the log as the model has it.
#[must_use]
pub fn entry(shown: &Value) -> Value {
    let mut data = shown["data"].clone();
    if let Some(data) = data.as_object_mut() {
        data.remove("mergeId");
    }
    json!({
        "lead": text(&shown["lead"], "id"), "name": shown["lead"]["name"], "type": shown["type"],
        "version": shown["version"], "data": data,
    })
}
