//! The log, read from the beginning: who did what to which lead, and what the lead must look like since.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use crate::{
    journal::{Asked, Outcome, Write},
    recount::Faults,
    text,
};

/// A lead as its log has it.
#[derive(Debug, Default)]
pub struct Replayed {
    /// Its present stage.
    pub status: String,
    /// Every stage that it was ever in.
    pub stages: BTreeSet<String>,
    /// Its company.
    pub company: Value,
    /// Its tags, in order.
    pub tags: Vec<Value>,
    /// How many notes it has.
    pub notes: u64,
    /// Its version.
    pub version: u64,
    /// It is in the trash.
    pub deleted: bool,
    deletions: usize,
    restorations: usize,
}

/// Where a mark was found: which lead, which version.
type Found<'a> = HashMap<&'a str, Vec<(&'a str, u64)>>;

/// Replays the log, and compares it with what was asked for.
pub fn replay(log: &[Value], writes: &[Write], faults: &mut Faults) -> BTreeMap<String, Replayed> {
    let by_mark: HashMap<&str, &Write> = writes.iter().map(|write| (write.mark.as_str(), write)).collect();
    let mut ids = BTreeSet::new();
    let mut groups: BTreeMap<(&str, u64), Vec<&Value>> = BTreeMap::new();
    let is_erasure = |entry: &&Value| entry["type"] == "lead.deleted" && entry["data"]["permanent"] == true;
    let erased: BTreeSet<&str> =
        log.iter().filter(is_erasure).map(|entry| text(&entry["lead"], "id")).collect();
    // The log's newest entry comes first.
    for entry in log.iter().rev() {
        if !ids.insert(text(entry, "id")) {
            faults.add(format!("an entry is listed twice: {entry}"));
        }
        // Of an erased lead this is all that is left.
        if erased.contains(text(&entry["lead"], "id")) {
            if !is_erasure(&entry) || entry["lead"]["name"] != "" {
                faults.add(format!("an entry of an erased lead: {entry}"));
            }
            continue;
        }
        let version = entry["version"].as_u64().unwrap_or_default();
        groups.entry((text(&entry["lead"], "id"), version)).or_default().push(entry);
    }

    let mut leads: BTreeMap<String, Replayed> = BTreeMap::new();
    let mut found = Found::new();
    // What stage a lead had at which version: for moves that changed nothing.
    let mut stages: HashMap<(&str, u64), String> = HashMap::new();
    for ((id, version), entries) in &groups {
        let lead = leads.entry((*id).to_owned()).or_default();
        if *version != lead.version + 1 {
            faults.add(format!("lead {id}: version {version} follows {}", lead.version));
        }
        lead.version = *version;
        let before = lead.status.clone();
        let marks = lead.apply(id, entries, faults);
        stages.insert((id, *version), lead.status.clone());

        let kinds: Vec<&str> = entries.iter().map(|entry| text(entry, "type")).collect();
        let mut marks: Vec<&str> = marks.into_iter().collect();
        match marks.pop() {
            None if matches!(kinds[..], ["lead.deleted" | "lead.restored"]) => {}
            Some(mark) if marks.is_empty() && by_mark.contains_key(mark) => {
                found.entry(mark).or_default().push((id, *version));
                explain(by_mark[mark], id, *version, &kinds, (&before, &lead.status), faults);
            }
            _ => faults.add(format!("lead {id}, version {version}: nobody asked for this: {entries:?}")),
        }
    }
    for write in writes {
        look_for(write, &found, &stages, &leads, faults);
    }
    count_unmarked(writes, &leads, faults);
    leads
}

impl Replayed {
    /// Applies what one write did, and gives the marks that it carries.
    fn apply<'a>(&mut self, id: &str, entries: &[&'a Value], faults: &mut Faults) -> BTreeSet<&'a str> {
        let mut marks = BTreeSet::new();
        for entry in entries {
            let data = &entry["data"];
            match text(entry, "type") {
                "lead.created" => {
                    faults.same(format!("lead {id}: the version that created it"), &self.version, &1);
                    self.enter(text(data, "status"));
                    marks.insert(text(&entry["lead"], "name"));
                }
                "lead.updated" => {
                    for (field, change) in data["changes"].as_object().into_iter().flatten() {
                        let was = match field.as_str() {
                            "company" => std::mem::replace(&mut self.company, change["to"].clone()),
                            "tags" => {
                                let to = change["to"].as_array().cloned().unwrap_or_default();
                                marks.extend(added(&self.tags, &change["to"]));
                                Value::Array(std::mem::replace(&mut self.tags, to))
                            }
                            _ => {
                                faults.add(format!("lead {id}: nobody changes {field}"));
                                continue;
                            }
                        };
                        if field == "company" {
                            marks.extend(change["to"].as_str());
                        }
                        // Another value here is an update that was lost.
                        faults.same(
                            format!("lead {id}, version {}: {field} before", self.version),
                            &change["from"],
                            &was,
                        );
                    }
                }
                "lead.status_changed" => {
                    let from = text(data, "from").to_owned();
                    faults.same(
                        format!("lead {id}, version {}: the stage before", self.version),
                        &from,
                        &self.status,
                    );
                    self.enter(text(data, "to"));
                    marks.extend(data["reason"].as_str());
                }
                "lead.note_added" => {
                    self.notes += 1;
                    marks.insert(text(data, "text"));
                }
                "lead.deleted" => {
                    faults.same(
                        format!("lead {id}: it was in the trash when it was deleted"),
                        &self.deleted,
                        &false,
                    );
                    (self.deleted, self.deletions) = (true, self.deletions + 1);
                }
                "lead.restored" => {
                    faults.same(
                        format!("lead {id}: it was in the trash when it was restored"),
                        &self.deleted,
                        &true,
                    );
                    (self.deleted, self.restorations) = (false, self.restorations + 1);
                }
                other => faults.add(format!("lead {id}: nobody does {other}")),
            }
        }
        marks
    }

    fn enter(&mut self, stage: &str) {
        stage.clone_into(&mut self.status);
        self.stages.insert(stage.to_owned());
    }
}

/// The tags of a list that are not among those before.
fn added<'a>(before: &[Value], to: &'a Value) -> Vec<&'a str> {
    let new = to.as_array().into_iter().flatten().filter(|tag| !before.contains(tag));
    new.filter_map(Value::as_str).collect()
}

/// Whether the entries of one version are what its write asked for.
fn explain(write: &Write, id: &str, version: u64, kinds: &[&str], stage: (&str, &str), faults: &mut Faults) {
    let (mut lead, mut right): (Option<&str>, Vec<&str>) = (None, Vec::new());
    let mut to = None;
    match &write.asked {
        Asked::Create { status, note } => {
            right.push("lead.created");
            right.extend(note.then_some("lead.note_added"));
            to = Some(*status);
            if let Outcome::Ok { id, .. } = &write.outcome {
                lead = Some(id);
            }
        }
        Asked::Edit { lead: of, status } => {
            right.push("lead.updated");
            right.extend(status.filter(|to| *to != stage.0).map(|_| "lead.status_changed"));
            (lead, to) = (Some(of.as_str()), *status);
        }
        Asked::Move { lead: of, to: stage } => {
            right.push("lead.status_changed");
            (lead, to) = (Some(of.as_str()), Some(*stage));
        }
        Asked::Note { lead: of } => {
            right.push("lead.note_added");
            lead = Some(of);
        }
        Asked::Tag { leads } => {
            right.push("lead.updated");
            lead = leads.iter().map(String::as_str).find(|lead| *lead == id).or(Some("one of several"));
        }
        _ => {}
    }
    let mut sorted = kinds.to_vec();
    sorted.sort_unstable();
    right.sort_unstable();
    let there = sorted == right
        && write.may_be()
        && lead.is_none_or(|lead| lead == id)
        && to.is_none_or(|to| to == stage.1);
    let told = match &write.outcome {
        Outcome::Ok { version, .. } => *version,
        _ => None,
    };
    if !there || told.is_some_and(|told| told != version) {
        faults
            .add(format!("lead {id}, version {version}: {kinds:?}, {stage:?} does not come from {write:?}"));
    }
}

/// Whether a write is where it must be, and only once.
fn look_for(
    write: &Write,
    found: &Found<'_>,
    stages: &HashMap<(&str, u64), String>,
    leads: &BTreeMap<String, Replayed>,
    faults: &mut Faults,
) {
    let places = found.get(write.mark.as_str()).map_or(&[][..], Vec::as_slice);
    let distinct: BTreeSet<&str> = places.iter().map(|(lead, _)| *lead).collect();
    if distinct.len() < places.len() {
        faults.add(format!("it was done more than once: {write:?}: {places:?}"));
    }
    let Outcome::Ok { id, version, status, failed } = &write.outcome else { return };
    let there = match &write.asked {
        Asked::Create { .. } => leads.contains_key(id) && places.len() == 1,
        Asked::Edit { .. } | Asked::Note { .. } => places.len() == 1,
        // To the present stage: it changed nothing, then or at that version.
        Asked::Move { lead, to } if places.is_empty() => {
            let stood = version.and_then(|version| stages.get(&(lead.as_str(), version)));
            stood.is_some_and(|stood| stood == to) && status.as_deref() == Some(to)
        }
        Asked::Move { .. } => places.len() == 1,
        Asked::Tag { leads } => {
            let right: BTreeSet<&str> =
                leads.iter().filter(|lead| !failed.contains(lead)).map(String::as_str).collect();
            distinct == right
        }
        _ => true,
    };
    if !there {
        faults.add(format!("it was acknowledged and is not there: {write:?}: {places:?}"));
    }
}

/// Deletions and restorations leave no mark; there are as many as were acknowledged, or as may have been.
fn count_unmarked(writes: &[Write], leads: &BTreeMap<String, Replayed>, faults: &mut Faults) {
    #[derive(Default)]
    struct Asks {
        deleted: usize,
        maybe_deleted: usize,
        maybe_restored: usize,
    }
    let mut asks: HashMap<&str, Asks> = HashMap::new();
    for write in writes.iter().filter(|write| write.may_be()) {
        match &write.asked {
            Asked::Delete { lead } => {
                let asks = asks.entry(lead).or_default();
                asks.deleted += usize::from(write.is_ok());
                asks.maybe_deleted += 1;
            }
            // That of a lead that was not in the trash changes nothing.
            Asked::Restore { lead } => asks.entry(lead).or_default().maybe_restored += 1,
            _ => {}
        }
    }
    for (id, lead) in leads {
        let asks = asks.remove(id.as_str()).unwrap_or_default();
        if !(asks.deleted..=asks.maybe_deleted).contains(&lead.deletions)
            || lead.restorations > asks.maybe_restored
        {
            faults.add(format!(
                "lead {id}: deleted {} times, asked for {} to {} times; restored {} times, asked for at most {}",
                lead.deletions, asks.deleted, asks.maybe_deleted, lead.restorations, asks.maybe_restored
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn write(mark: &str, asked: Asked, outcome: Outcome) -> Write {
        Write { mark: mark.to_owned(), asked, outcome }
    }

    fn ok(id: &str, version: u64) -> Outcome {
        Outcome::Ok { id: id.to_owned(), version: Some(version), status: None, failed: Vec::new() }
    }

    fn entry(kind: &str, version: u64, data: Value) -> Value {
        let id = format!("{kind} {version} {data}");
        json!({ "id": id, "lead": { "id": "a", "name": "m1" }, "type": kind, "version": version, "data": data })
    }

    fn company(version: u64, from: Value, to: &str) -> Value {
        entry("lead.updated", version, json!({ "changes": { "company": { "from": from, "to": to } } }))
    }

    fn edit() -> Asked {
        Asked::Edit { lead: "a".to_owned(), status: None }
    }

    /// A lead that was made and edited twice: what was asked for, and the log, oldest first.
    fn history() -> (Vec<Write>, Vec<Value>) {
        let writes = vec![
            write("m1", Asked::Create { status: "New", note: false }, ok("a", 1)),
            write("m2", edit(), ok("a", 2)),
            write("m3", edit(), ok("a", 3)),
        ];
        let log = vec![
            entry("lead.created", 1, json!({ "source": "Ad", "status": "New" })),
            company(2, Value::Null, "m2"),
            company(3, json!("m2"), "m3"),
        ];
        (writes, log)
    }

    fn faults(writes: &[Write], log: &[Value]) -> Result<(), String> {
        let newest_first: Vec<Value> = log.iter().rev().cloned().collect();
        let mut faults = Faults::default();
        replay(&newest_first, writes, &mut faults);
        faults.none().map_err(|error| error.to_string())
    }

    #[test]
    fn a_log_that_is_what_was_asked_for_has_no_fault() {
        let (writes, log) = history();
        assert_eq!(faults(&writes, &log), Ok(()));
    }

    #[test]
    fn a_write_that_was_acknowledged_and_is_gone_is_a_fault() {
        let (writes, mut log) = history();
        log.pop();
        assert!(faults(&writes, &log).unwrap_err().contains("acknowledged and is not there"));
    }

    #[test]
    fn what_was_refused_or_never_asked_for_must_not_be_there() {
        let (mut writes, log) = history();
        writes[2].outcome = Outcome::Refused(412);
        assert!(faults(&writes, &log).unwrap_err().contains("does not come from"));
        writes.pop();
        assert!(faults(&writes, &log).unwrap_err().contains("nobody asked for this"));
    }

    #[test]
    fn what_is_unknown_may_be_there_or_not() {
        let (mut writes, mut log) = history();
        writes[2].outcome = Outcome::Unknown;
        assert_eq!(faults(&writes, &log), Ok(()));
        log.pop();
        assert_eq!(faults(&writes, &log), Ok(()));
    }

    #[test]
    fn a_write_that_was_done_twice_is_a_fault() {
        let (writes, mut log) = history();
        log.push(company(4, json!("m3"), "m3"));
        assert!(faults(&writes, &log).unwrap_err().contains("more than once"));
    }

    #[test]
    fn a_gap_between_versions_is_a_fault() {
        let (writes, mut log) = history();
        log.remove(1);
        assert!(faults(&writes, &log).unwrap_err().contains("version 3 follows 1"));
    }

    #[test]
    fn an_update_that_was_lost_is_a_fault() {
        let (writes, mut log) = history();
        log[2] = company(3, Value::Null, "m3");
        assert!(faults(&writes, &log).unwrap_err().contains("company before"));
    }

    #[test]
    fn a_version_that_was_told_must_be_the_one_in_the_log() {
        let (mut writes, log) = history();
        writes[1].outcome = ok("a", 3);
        assert!(faults(&writes, &log).unwrap_err().contains("does not come from"));
    }

    #[test]
    fn a_move_to_the_present_stage_leaves_nothing_behind() {
        let (mut writes, log) = history();
        let asked = Asked::Move { lead: "a".to_owned(), to: "New" };
        let outcome = Outcome::Ok {
            id: "a".to_owned(),
            version: Some(3),
            status: Some("New".to_owned()),
            failed: Vec::new(),
        };
        writes.push(write("m4", asked, outcome));
        assert_eq!(faults(&writes, &log), Ok(()));
        writes[3].asked = Asked::Move { lead: "a".to_owned(), to: "Lost" };
        assert!(faults(&writes, &log).unwrap_err().contains("not there"));
    }

    #[test]
    fn a_deletion_that_nobody_asked_for_is_a_fault() {
        let (mut writes, mut log) = history();
        log.push(entry("lead.deleted", 4, json!({ "permanent": false })));
        assert!(faults(&writes, &log).unwrap_err().contains("deleted 1 times"));
        writes.push(write("m4", Asked::Delete { lead: "a".to_owned() }, Outcome::Unknown));
        assert_eq!(faults(&writes, &log), Ok(()));
    }
}
