//! gRPC by hand: what is another's is as unknown there as it is over REST. The contracts say which calls take ids: one without a
//! case here fails.

use anyhow::{Result, ensure};
use leadline_proto::{
    auth::{ChangeRoleRequest, LoginRequest, Role},
    leads::{
        self, AddNoteRequest, ChangeLeadsRequest, CreateLeadRequest, DeleteNoteRequest, LeadFields,
        ListActivityRequest, ListLeadsRequest, ListNotesRequest, MergeLeadsRequest, MoveLeadRequest,
        UnmergeLeadsRequest, UpdateLeadRequest, change_leads_request::Change,
    },
    reminders::{CreateReminderRequest, ListRemindersRequest, SnoozeReminderRequest, UpdateReminderRequest},
};
use leadline_tests::{
    PASSWORD, System,
    grpc::{SERVICES, call, channel, holding, methods},
    in_every_mode,
    tenants::World,
    unknown_id,
};
use prost::Message;
use prost_types::FieldMask;
use tonic::Status;

in_every_mode!(every_call_answers_another_s_id_as_an_unknown_one);

const LATER: i64 = 4_000_000_000_000;

fn takes_an_id(field: &str) -> bool {
    ["id", "ids", "assign_to"].contains(&field) || field.ends_with("_id") || field.ends_with("_ids")
}

/// What an id of a request is an id of, and the rest of a request that is good but for it.
fn case(world: &World, method: &str, field: &str) -> Option<(Vec<&'static str>, Vec<u8>)> {
    let lead = vec!["lead", "trashed", "merged"];
    let (reminder, person) = (vec!["reminder", "done"], vec!["user", "member"]);
    let his = |kind: &str| world.his[kind].clone();
    let none = Vec::new();
    let named = LeadFields { name: Some("Eve".to_owned()), ..LeadFields::default() };
    let due = CreateReminderRequest {
        due_at_ms: Some(LATER),
        message: Some("Call".to_owned()),
        ..CreateReminderRequest::default()
    };
    Some(match (method, field) {
        ("GetLead" | "DeleteLead" | "RestoreLead" | "UnmergeLeads" | "FindDuplicates", "id") => (lead, none),
        ("CreateLead", "owner_id") => (
            person,
            CreateLeadRequest { fields: Some(named), ..CreateLeadRequest::default() }.encode_to_vec(),
        ),
        ("UpdateLead", "id") => {
            let mask = Some(FieldMask { paths: vec!["name".to_owned()] });
            (lead, UpdateLeadRequest { fields: Some(named), mask, ..Default::default() }.encode_to_vec())
        }
        ("UpdateLead", "owner_id") => {
            let mask = Some(FieldMask { paths: vec!["owner_id".to_owned()] });
            (person, UpdateLeadRequest { id: his("lead"), mask, ..Default::default() }.encode_to_vec())
        }
        ("MoveLead", "id") => {
            let status = leads::Status::Lost.into();
            (lead, MoveLeadRequest { status, ..MoveLeadRequest::default() }.encode_to_vec())
        }
        ("MergeLeads", "id") => (
            lead,
            MergeLeadsRequest { from_ids: vec![unknown_id()], ..MergeLeadsRequest::default() }
                .encode_to_vec(),
        ),
        ("MergeLeads", "from_ids") => {
            (lead, MergeLeadsRequest { id: his("lead"), ..MergeLeadsRequest::default() }.encode_to_vec())
        }
        ("UnmergeLeads", "merge_id") => {
            let rest = UnmergeLeadsRequest { id: his("lead"), ..UnmergeLeadsRequest::default() };
            (vec!["merge"], rest.encode_to_vec())
        }
        ("ListLeads" | "ExportLeads", "owner_id") => {
            (person, ListLeadsRequest { limit: 10, ..ListLeadsRequest::default() }.encode_to_vec())
        }
        ("ListLeads" | "ExportLeads", "import_id") => {
            (vec!["import"], ListLeadsRequest { limit: 10, ..ListLeadsRequest::default() }.encode_to_vec())
        }
        ("ChangeLeads", "import_id") => {
            let change = Some(Change::SetStatus(leads::Status::Lost.into()));
            (vec!["import"], ChangeLeadsRequest { change, ..ChangeLeadsRequest::default() }.encode_to_vec())
        }
        ("ChangeLeads", "ids") => {
            let change = Some(Change::SetStatus(leads::Status::Lost.into()));
            (lead, ChangeLeadsRequest { change, ..ChangeLeadsRequest::default() }.encode_to_vec())
        }
        ("ChangeLeads", "owner_id") => {
            let change = Some(Change::SetStatus(leads::Status::Lost.into()));
            (person, ChangeLeadsRequest { change, ..ChangeLeadsRequest::default() }.encode_to_vec())
        }
        ("ChangeLeads", "assign_to") => {
            let rest = ChangeLeadsRequest { ids: vec![his("lead")], ..ChangeLeadsRequest::default() };
            (person, rest.encode_to_vec())
        }
        ("ListNotes", "lead_id") => {
            (lead, ListNotesRequest { limit: 10, ..ListNotesRequest::default() }.encode_to_vec())
        }
        ("AddNote", "lead_id") => {
            let rest = AddNoteRequest { text: Some("Hi".to_owned()), ..AddNoteRequest::default() };
            (lead, rest.encode_to_vec())
        }
        ("DeleteNote", "lead_id") => {
            let rest =
                DeleteNoteRequest { note_id: world.hers["note"].clone(), ..DeleteNoteRequest::default() };
            (lead, rest.encode_to_vec())
        }
        ("DeleteNote", "note_id") => {
            let rest = DeleteNoteRequest { lead_id: his("lead"), ..DeleteNoteRequest::default() };
            (vec!["note"], rest.encode_to_vec())
        }
        ("ListActivity", "lead_id") => {
            (lead, ListActivityRequest { limit: 10, ..ListActivityRequest::default() }.encode_to_vec())
        }
        ("GetImport" | "UndoImport" | "StreamImportErrors", "id") => (vec!["import"], none),
        ("CreateReminder", "lead_id") => (lead, due.encode_to_vec()),
        ("CreateReminder", "assignee_id") => {
            (person, CreateReminderRequest { lead_id: Some(his("lead")), ..due }.encode_to_vec())
        }
        ("GetReminder" | "DeleteReminder" | "CompleteReminder" | "ReopenReminder", "id") => (reminder, none),
        ("UpdateReminder", "id") => {
            let rest =
                UpdateReminderRequest { message: Some("x".to_owned()), ..UpdateReminderRequest::default() };
            (reminder, rest.encode_to_vec())
        }
        ("UpdateReminder", "assignee_id") => {
            let rest = UpdateReminderRequest { id: his("reminder"), ..UpdateReminderRequest::default() };
            (person, rest.encode_to_vec())
        }
        ("SnoozeReminder", "id") => {
            let rest = SnoozeReminderRequest { until_ms: Some(LATER), ..SnoozeReminderRequest::default() };
            (reminder, rest.encode_to_vec())
        }
        ("ListReminders", "lead_id" | "assignee_id") => {
            let rest =
                ListRemindersRequest { limit: 10, tz: "UTC".to_owned(), ..ListRemindersRequest::default() };
            (if field == "lead_id" { lead } else { person }, rest.encode_to_vec())
        }
        ("Login", "workspace_id") => {
            let rest = LoginRequest {
                email: Some(world.otto.email.clone()),
                password: Some(PASSWORD.to_owned()),
                ..LoginRequest::default()
            };
            (vec!["workspace"], rest.encode_to_vec())
        }
        ("SwitchWorkspace", "workspace_id") => (vec!["workspace"], none),
        ("EndSession", "id") => (vec!["session"], none),
        ("ChangeRole", "user_id") => {
            let role = Role::Viewer.into();
            (person, ChangeRoleRequest { role, ..ChangeRoleRequest::default() }.encode_to_vec())
        }
        ("RemoveMember", "user_id") => (person, none),
        ("CheckMembers", "user_ids") => (person, none),
        ("WithdrawInvitation", "id") => (vec!["invitation"], none),
        _ => return None,
    })
}

/// Those that take an id of no thing of a workspace's: an event's, from which on a reader is told what came; and those that only
/// services may call (`what_services_ask_each_other_is_not_for_people`).
const OTHERS: [(&str, &str); 4] = [
    ("ListActivityAfter", "after_id"),
    ("ListDueAfter", "after_id"),
    ("StreamSnapshots", "workspace_id"),
    ("Rebuild", "workspace_id"),
];

/// All that an answer tells, but for the id that was asked for.
fn told(answer: Result<Vec<u8>, Status>, id: &str) -> (String, bool) {
    match answer {
        Ok(bytes) => (String::from_utf8_lossy(&bytes).replace(id, "ID"), true),
        Err(status) => {
            let details = String::from_utf8_lossy(status.details()).into_owned();
            (format!("{:?} {} {details}", status.code(), status.message()).replace(id, "ID"), false)
        }
    }
}

async fn every_call_answers_another_s_id_as_an_unknown_one(system: &'static System) -> Result<()> {
    let world = World::make(system).await?;
    let before = world.state().await?;
    let token = world.otto.token.as_deref();
    let (mut tried, mut calls) = (0, 0);
    for method in methods()? {
        let Some((part, service)) = SERVICES.iter().find(|(_, service)| *service == method.service) else {
            continue;
        };
        calls += 1;
        let channel = channel(system, *part).await?;
        for (path, field) in method.texts.iter().filter(|(_, field)| takes_an_id(field)) {
            if OTHERS.contains(&(method.name.as_str(), field.as_str())) {
                continue;
            }
            let Some((kinds, rest)) = case(&world, &method.name, field) else {
                anyhow::bail!("{field} of {service}/{} has no case: add one", method.name);
            };
            for kind in kinds {
                let ask = async |id: &str| -> Result<(String, bool)> {
                    let mut message = rest.clone();
                    message.extend(holding(path, id));
                    let answer = call(&channel, service, &method.name, token, &message).await?;
                    Ok(told(answer, id))
                };
                let hers = ask(&world.hers[kind]).await?;
                let nobodys = ask(&unknown_id()).await?;
                let what = format!("{kind} as {field} of {service}/{}", method.name);
                ensure!(hers == nobodys, "{what}: {hers:?} and {nobodys:?}");
                ensure!(!hers.0.contains(&world.mark), "{what}: {hers:?}");
                // Lists are empty, and a change of many says of each that it is unknown; all else is refused.
                let is_list = ["ListLeads", "ExportLeads", "ListReminders", "ChangeLeads", "CheckMembers"]
                    .contains(&method.name.as_str());
                // A merge that is not one of this lead's is none that could be taken back.
                let refused = ["NotFound ", "InvalidArgument ", "AlreadyExists no lead was merged"]
                    .iter()
                    .any(|begin| hers.0.starts_with(begin));
                ensure!(if hers.1 { is_list } else { refused }, "{what}: {hers:?}");
                tried += 1;
            }
        }
    }
    ensure!(calls > 50 && tried > 60, "{tried} ids of {calls} calls");
    let after = world.state().await?;
    ensure!(before == after, "{before}\nand\n{after}");
    Ok(())
}
