//! Programs that die, fail or wait at the very moments at which a promise is decided: between commit and answer, between
//! publishing and its mark, between a consumer's commit and its acknowledgement, between two parts of an import, of its undo,
//! and of the erasure of a workspace, between two migrations, before and after a checkpoint. See "Failpoints" in `ARCHITECTURE.md`.

#![allow(clippy::print_stdout, reason = "a seed is shown with the failure that it leads to")]

use std::{collections::BTreeSet, path::Path, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use leadline_storage::rusqlite::{Connection, params};
use leadline_testbed::{eventually, wait_until};
use leadline_tests::{
    Answer, Client, Mode, PASSWORD, Part, System, files,
    ground::{Ground, seed},
    imports::{counts, import, over, recounted, send},
    journal::{Asked, Outcome},
    outboxes::{self, home},
    remains::is_kept,
    system::shared_servers,
    text,
};
use reqwest::Method;
use serde_json::{Value, json};

/// For so long a moment may let itself be awaited, on a busy machine.
const AWAITED: Duration = Duration::from_secs(60);
/// What a shell tells of a program that ended itself by SIGABRT: nothing of it ran any more.
const ABORTED: i32 = 134;

/// Awaits that a program dies as it was planned.
async fn died(system: &mut System, part: Part) -> Result<()> {
    let code = system.ended(part, AWAITED).await.context(
        "the moment is not reached, or the program has none: `cargo build --bins` builds it together with the testbed",
    )?;
    ensure!(code == ABORTED, "{} ended with {code}", part.program());
    Ok(())
}

/// Starts a program again, with a plan.
async fn restart(system: &mut System, part: Part, plan: &str) -> Result<()> {
    system.plan(part, plan);
    if system.process(part).is_ok() {
        system.terminate(part).await?;
    }
    system.launch(part)?;
    system.ready().await
}

/// Nothing is on its way any more. Ends all in one to look into its files.
async fn outboxes_are_empty(mut system: System) -> Result<()> {
    outboxes::are_empty(&system, 0).await?;
    if system.mode == Mode::AllInOne {
        let code = system.terminate(Part::Leadline).await?;
        ensure!(code == 0, "it ended with {code}");
        files::check(&system.folder().join("data"))?;
    }
    Ok(())
}

async fn post(client: &Client, key: &str, path: &str, body: &Value) -> Result<Answer> {
    client.with(("idempotency-key", key), Method::POST, path, body).await
}

async fn dies_between_commit_and_answer(mode: Mode) -> Result<()> {
    let mut system = System::start(mode).await?;
    let ground = Ground::new(&system).await?;
    let (person, journal) = (&ground.person, &ground.journal);
    let mut lead = String::new();
    for (owner, path) in [(Part::Leads, "/leads"), (Part::Reminders, "/reminders")] {
        let part = home(&system, owner);
        let due = chrono::Utc::now().timestamp_millis() + 3_600_000;
        let asked = match owner {
            Part::Leads => Asked::Create { status: "New", note: false },
            _ => Asked::Remind { lead: lead.clone(), due },
        };
        let (number, mark) = journal.note(asked);
        let due = chrono::DateTime::from_timestamp_millis(due).unwrap_or_default().to_rfc3339();
        let body = match owner {
            Part::Leads => json!({ "name": mark }),
            _ => json!({ "leadId": lead, "dueAt": due, "message": mark }),
        };
        restart(&mut system, part, &format!("committed{path}=abort")).await?;
        if let Ok(answer) = post(person, &mark, path, &body).await {
            ensure!(answer.status == 503, "{}: {}", answer.status, answer.body);
        }
        died(&mut system, part).await?;
        restart(&mut system, part, "").await?;
        let first = post(person, &mark, path, &body).await?.expect(201)?;
        ensure!(first.header("idempotency-replayed") == "true", "it was done only when it was asked again");
        let again = post(person, &mark, path, &body).await?.expect(201)?;
        ensure!(again.body == first.body, "{} and {}", first.body, again.body);
        let other = json!({ "name": "another", "leadId": lead, "dueAt": due, "message": "another" });
        ensure!(post(person, &mark, path, &other).await?.status.is_client_error(), "the key was forgotten");
        first.text("id").clone_into(&mut lead);
        let (id, version) = (lead.clone(), first.body["version"].as_u64());
        journal.settle(number, Outcome::Ok { id, version, status: None, failed: Vec::new() });
    }
    ground.check(&system).await?;
    outboxes_are_empty(system).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_dies_between_commit_and_answer_answers_the_retry_with_the_same_key_once() -> Result<()>
{
    dies_between_commit_and_answer(Mode::AllInOne).await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_on_servers_that_dies_between_commit_and_answer_answers_the_retry_once() -> Result<()> {
    dies_between_commit_and_answer(Mode::OnServers).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_dies_between_commit_and_answer_answers_the_retry_once() -> Result<()> {
    dies_between_commit_and_answer(Mode::Distributed).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_that_comes_between_commit_and_answer_is_told_to_wait() -> Result<()> {
    let mut system = System::start(Mode::AllInOne).await?;
    let una = system.register("Una").await?;
    restart(&mut system, Part::Leadline, "committed/leads=pause:3000").await?;
    let (body, elsewhere) = (json!({ "name": "Ada" }), una.with_own_connections());
    let (first, early) = tokio::join!(post(&una, "k", "/leads", &body), async {
        wait_until(AWAITED, "the first try is committed", async || {
            una.get("/leads").await.is_ok_and(|page| page.items().len() == 1)
        })
        .await?;
        post(&elsewhere, "k", "/leads", &body).await
    });
    early?.problem(409, "in-flight")?;
    let (first, again) = (first?.expect(201)?, post(&una, "k", "/leads", &body).await?.expect(201)?);
    ensure!(again.body == first.body && again.header("idempotency-replayed") == "true", "{}", again.body);
    ensure!(recounted(&una).await? == 1);
    Ok(())
}

/// Lets programs die at moments under load, one after the other.
async fn die_under_load(mode: Mode, moments: &[(Part, &str)]) -> Result<()> {
    let seed = seed();
    let mut system = System::start(mode).await?;
    let mut ground = Ground::new(&system).await?;
    for (nth, (owner, moment)) in (0..).zip(moments) {
        let part = home(&system, *owner);
        restart(&mut system, part, &format!("{moment}=abort@2")).await?;
        ground.begin(4, seed.wrapping_add(nth));
        died(&mut system, part).await.with_context(|| (*moment).to_owned())?;
        let before = ground.journal.tally().ok;
        restart(&mut system, part, "").await?;
        wait_until(AWAITED, "writes are acknowledged again", async || {
            ground.journal.tally().ok > before + 20
        })
        .await?;
        ground.rest().await?;
    }
    ground.was_busy(20)?;
    ground.check(&system).await?;
    outboxes_are_empty(system).await
}

/// Between publishing and its mark.
const RELAYS: [(Part, &str); 2] =
    [(Part::Leads, "published/leads"), (Part::Reminders, "published/reminders")];
/// Between a consumer's commit and its acknowledgement.
const CONSUMERS: [(Part, &str); 3] = [
    (Part::Analytics, "handled/analytics"),
    (Part::Reminders, "handled/reminders"),
    (Part::Leads, "handled/leads"),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_and_not_marked_when_all_in_one_dies_is_done_once() -> Result<()> {
    die_under_load(Mode::AllInOne, &RELAYS).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_and_not_marked_when_a_service_dies_is_done_once() -> Result<()> {
    die_under_load(Mode::Distributed, &RELAYS).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_all_in_one_has_handled_and_not_acknowledged_when_it_dies_is_done_once() -> Result<()> {
    die_under_load(Mode::AllInOne, &CONSUMERS).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_service_has_handled_and_not_acknowledged_when_it_dies_is_done_once() -> Result<()> {
    die_under_load(Mode::Distributed, &CONSUMERS).await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_on_servers_that_dies_before_its_marks_does_everything_once() -> Result<()> {
    die_under_load(Mode::OnServers, &[RELAYS[0], CONSUMERS[0]]).await
}

/// What fails after its commit is done again, and again, in the same process.
async fn fail_under_load(mode: Mode) -> Result<()> {
    let mut system = System::start(mode).await?;
    let mut ground = Ground::new(&system).await?;
    let moments = RELAYS.iter().chain(&CONSUMERS).map(|(_, moment)| *moment);
    let moments: Vec<&str> = moments.chain(["committed/leads", "committed/reminders"]).collect();
    let plan: Vec<String> = moments.iter().map(|moment| format!("{moment}=error%3")).collect();
    restart(&mut system, Part::Leadline, &plan.join(";")).await?;
    let traffic = ground.begin(4, seed());
    eventually(AWAITED, "every moment fails", async || {
        let said = system.output();
        for moment in &moments {
            ensure!(said.contains(&format!("failpoint {moment}: Error")), "{moment} has not failed yet");
        }
        ensure!(traffic.failed() > 30, "{} writes were answered as if they had failed", traffic.failed());
        Ok(())
    })
    .await?;
    ground.rest().await?;
    ground.check(&system).await?;
    restart(&mut system, Part::Leadline, "").await?;
    ground.check(&system).await?;
    outboxes_are_empty(system).await
}

#[tokio::test(flavor = "multi_thread")]
async fn moments_of_all_in_one_that_fail_again_and_again_lose_nothing_and_do_nothing_twice() -> Result<()> {
    fail_under_load(Mode::AllInOne).await
}

#[tokio::test(flavor = "multi_thread")]
async fn moments_that_fail_again_and_again_on_servers_lose_nothing_and_do_nothing_twice() -> Result<()> {
    fail_under_load(Mode::OnServers).await
}

fn rows(mark: &str, count: u64) -> String {
    let rows: String = (0..count).map(|n| format!("{mark} {n},{mark}{n}@example.test,Lost\n")).collect();
    format!("Name,Email,Status\n{rows}")
}

/// An import through each of these plans, and its undo through others. All but the last end its program.
async fn import_through(mode: Mode, plans: &[&str], undoing: &[&str]) -> Result<()> {
    const ROWS: u64 = 1_500;
    let mut system = System::start(mode).await?;
    let part = home(&system, Part::Leads);
    let una = system.register("Una").await?;
    restart(&mut system, part, plans[0]).await?;
    let sent = send(&una, rows("lead", ROWS), &[]).await?.expect(202)?;
    for next in &plans[1..] {
        died(&mut system, part).await?;
        system.plan(part, next);
        system.launch(part)?;
    }
    system.ready().await?;
    let done = over(&una, sent.text("id"), "done").await?;
    ensure!(counts(&done) == [ROWS, 0, 0, 0] && done["totalRows"] == ROWS, "{done}");
    let leads = una.all("/leads").await?;
    let names: BTreeSet<&str> = leads.iter().map(|lead| text(lead, "name")).collect();
    ensure!(leads.len() as u64 == ROWS && names.len() == leads.len(), "{} of {}", names.len(), leads.len());
    ensure!(recounted(&una).await? as u64 == ROWS);

    if let Some((first, others)) = undoing.split_first() {
        restart(&mut system, part, first).await?;
        una.act(&format!("/leads/imports/{}/undo", sent.text("id"))).await?.expect(202)?;
        for next in others {
            died(&mut system, part).await?;
            system.plan(part, next);
            system.launch(part)?;
        }
        system.ready().await?;
        let undone = over(&una, sent.text("id"), "undone").await?;
        ensure!(undone["kept"] == 0 && undone["takenBack"] == ROWS, "{undone}");
        ensure!(recounted(&una).await? == 0);
    }
    outboxes_are_empty(system).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_goes_on_behind_the_batch_after_which_all_in_one_died_and_so_does_its_undo() -> Result<()> {
    let plans = ["imported/leads=abort@3", "imported/leads=abort@2", "imported/leads=error%2"];
    let undoing = ["taken-back/leads=abort@2", "taken-back/leads=abort@2", "taken-back/leads=error%2"];
    import_through(Mode::AllInOne, &plans, &undoing).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_goes_on_behind_the_batch_after_which_the_leads_service_died() -> Result<()> {
    // Somebody else may have it: it is left alone until its lease has run out.
    import_through(Mode::Distributed, &["imported/leads=abort@2", ""], &[]).await
}

/// A workspace is erased by programs that die: each plan is one start.
async fn erase_through(mode: Mode, starts: &[&[(Part, &str)]]) -> Result<()> {
    let mark = &format!("numbat{mode:?}");
    let mut system = System::start(mode).await?;
    let (una, eve) = (system.register("Una").await?, system.register("Eve").await?);
    import(&una, rows(mark, 300), &[]).await?;
    let lead = una.lead(mark).await?;
    let due =
        json!({ "leadId": lead["id"], "dueAt": "2099-01-01T10:00:00Z", "message": format!("{mark} call") });
    una.post("/reminders", &due).await?.expect(201)?;
    let kept = eve.lead("Somebody").await?;
    ensure!(recounted(&una).await? == 301 && is_kept(&system, mark).await?, "there is nothing to erase");
    for (part, plan) in starts[0] {
        restart(&mut system, *part, &format!("{plan}=abort")).await?;
    }
    let body = json!({ "password": PASSWORD, "deleteWorkspace": true });
    let erased = una.send(una.request(Method::DELETE, "/auth/me").json(&body)).await;
    if let Ok(answer) = erased {
        ensure!(answer.status == 204, "{}", answer.status);
    }
    for (nth, start) in starts.iter().enumerate() {
        for (part, plan) in *start {
            let code =
                system.ended(*part, AWAITED).await.with_context(|| format!("{plan} is not reached"))?;
            ensure!(code == ABORTED, "{plan}: it ended with {code}");
            system.plan(*part, "");
        }
        for (part, plan) in starts.get(nth + 1).copied().unwrap_or_default() {
            system.plan(*part, &format!("{plan}=abort"));
        }
        for (part, _) in *start {
            system.launch(*part)?;
        }
    }
    system.ready().await?;
    // Files are rewritten in a quiet moment.
    wait_until(2 * AWAITED, "nothing that is kept holds anything of an erased workspace", async || {
        matches!(is_kept(&system, mark).await, Ok(false))
    })
    .await?;
    eve.get(&format!("/leads/{}", text(&kept, "id"))).await?.expect(200)?;
    ensure!(recounted(&eve).await? == 1);
    outboxes_are_empty(system).await
}

#[tokio::test(flavor = "multi_thread")]
async fn all_in_one_that_dies_when_a_workspace_is_marked_and_before_its_rows_go_erases_it() -> Result<()> {
    let part = Part::Leadline;
    let starts: [&[(Part, &str)]; 5] = [
        &[(part, "handled/leads-erasure")],
        &[(part, "handled/reminders-erasure")],
        &[(part, "handled/analytics-erasure")],
        &[(part, "erasing/leads")],
        &[(part, "erasing/reminders")],
    ];
    erase_through(Mode::AllInOne, &starts).await
}

#[tokio::test(flavor = "multi_thread")]
async fn services_that_die_when_a_workspace_is_marked_and_before_its_rows_go_erase_it() -> Result<()> {
    let starts: [&[(Part, &str)]; 2] = [
        &[
            (Part::Leads, "handled/leads-erasure"),
            (Part::Reminders, "handled/reminders-erasure"),
            (Part::Analytics, "handled/analytics-erasure"),
        ],
        &[(Part::Leads, "erasing/leads"), (Part::Reminders, "erasing/reminders")],
    ];
    erase_through(Mode::Distributed, &starts).await
}

/// Starts a program again and again until it no longer dies as it was planned; gives how often it died.
async fn start_through(system: &mut System, part: Part) -> Result<u32> {
    for deaths in 0..50 {
        system.launch(part)?;
        let base = Client::stranger(system.base());
        let process = system.process(part)?;
        wait_until(AWAITED, "it dies or is ready", async || {
            process.exit_code().is_some()
                || base.get("//readyz").await.is_ok_and(|answer| answer.status == 200)
        })
        .await?;
        match process.exit_code() {
            None => return Ok(deaths),
            Some(code) => ensure!(code == ABORTED, "it ended with {code}:\n{}", process.output()),
        }
    }
    bail!("it dies and dies")
}

#[tokio::test(flavor = "multi_thread")]
async fn all_in_one_that_dies_between_two_migrations_goes_on_with_the_next_and_keeps_what_was_there()
-> Result<()> {
    const DYING: &str = "migrated/leads=abort;migrated/reminders=abort;migrated/analytics=abort";
    let mut system = System::start(Mode::AllInOne).await?;
    let data = system.folder().join("data");
    let una = system.register("Una").await?;
    ensure!(system.terminate(Part::Leadline).await? == 0);
    let newest = user_version(&data.join("leads.db"))?;
    ensure!(newest >= 7, "the newest schema is {newest}");
    for service in ["leads", "reminders", "analytics"] {
        std::fs::remove_file(data.join(format!("{service}.db")))?;
    }
    system.plan(Part::Leadline, DYING);
    system.launch(Part::Leadline)?;
    died(&mut system, Part::Leadline).await?;
    ensure!(user_version(&data.join("leads.db"))? == 1, "it dies after the first migration");
    // Made by the first release.
    let old = uuid::Uuid::now_v7();
    insert_old_lead(&data.join("leads.db"), &una, old)?;
    let deaths = start_through(&mut system, Part::Leadline).await?;
    ensure!(deaths >= newest - 1, "it died {deaths} times");
    ensure!(user_version(&data.join("leads.db"))? == newest);
    let lead = una.get(&format!("/leads/{old}")).await?.expect(200)?.body;
    ensure!(lead["name"] == "Ada" && lead["status"] == "New" && lead["version"] == 1, "{lead}");
    let patched =
        una.patch(&format!("/leads/{old}"), &json!({ "status": "Qualified" })).await?.expect(200)?;
    ensure!(patched.body["version"] == 2, "{}", patched.body);
    ensure!(recounted(&una).await? == 1);
    outboxes_are_empty(system).await
}

/// The number of a file's newest migration.
fn user_version(file: &Path) -> Result<u32> {
    Ok(Connection::open(file)?.query_row("PRAGMA user_version", (), |row| row.get(0))?)
}

/// Puts a lead into a file that has the first migration only.
fn insert_old_lead(file: &Path, of: &Client, id: uuid::Uuid) -> Result<()> {
    let file = Connection::open(file)?;
    let (workspace, user) = (uuid::Uuid::parse_str(&of.workspace)?, uuid::Uuid::parse_str(&of.user)?);
    file.execute("INSERT INTO workspaces (id) VALUES (?1)", [workspace.as_bytes()])?;
    let at = chrono::Utc::now().timestamp_millis();
    let stages = [&[1][..], &at.to_be_bytes(), &at.to_be_bytes()].concat();
    file.execute(
        "INSERT INTO leads (workspace, id, version, trashed, status, source, created_by, created_at, updated_at,
            status_changed_at, last_activity_at, note_count, stages, name, tags, name_key, search, digits)
         SELECT number, ?1, 1, 0, 1, 4, ?2, ?3, ?3, ?3, ?3, 0, ?4, 'Ada', '', 'ada', 'ada' || char(10) || char(10), ''
         FROM workspaces",
        params![id.as_bytes(), user.as_bytes(), at, stages],
    )?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_on_servers_that_dies_between_two_migrations_goes_on_with_the_next() -> Result<()> {
    let servers = shared_servers().await?;
    let mut system = System::prepare(Mode::OnServers, Some(servers), &[])?;
    system.plan(Part::Leadline, "migrated/leads=abort@2");
    system.launch(Part::Leadline)?;
    died(&mut system, Part::Leadline).await?;
    // The dead one's lock is left alone until its lease has run out.
    system.plan(Part::Leadline, "");
    let deaths = start_through(&mut system, Part::Leadline).await?;
    ensure!(deaths == 0, "it died {deaths} times more");
    let una = system.register("Una").await?;
    una.lead("Ada").await?;
    ensure!(recounted(&una).await? == 1);
    outboxes_are_empty(system).await
}

#[tokio::test(flavor = "multi_thread")]
async fn all_in_one_that_dies_before_and_after_a_checkpoint_keeps_what_it_acknowledged() -> Result<()> {
    let moments = ["checkpointing/leads", "checkpointed/leads", "checkpointed/analytics"];
    die_under_load(Mode::AllInOne, &moments.map(|moment| (Part::Leads, moment))).await
}
