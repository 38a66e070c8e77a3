//! Imports: nothing is lost, nothing is doubled, whoever carries them on.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};

use leadline_bus::Bus;
use leadline_runtime::{caller::Origin, once::Once, stop::Stop, time::Millis, zone::Zone};
use uuid::Uuid;

use super::{Team, ago, fresh, named};
use crate::{
    activity::Kind,
    erasure,
    fields::{Company, Email, Patch},
    filter::{ByImport, Filter},
    import::{
        Import, ImportId, MOST_ATTEMPTS, MOST_WAITING, Named, OnDuplicate, State, Task,
        batch::{Room, Rows},
        header,
        row::{self, Row},
        table::{Cells, RawRow},
        worker::Worker,
    },
    lead::Command,
    store::{
        Keyed, MergePart, Reply, StoreError, UnmergePart,
        imports::{Imports, Lease},
    },
};

const MINUTE: i64 = 60_000;

pub(super) fn soon() -> Millis {
    ago(-MINUTE)
}

pub(super) fn task(headers: &[&str], on_duplicate: OnDuplicate) -> Task {
    let headers: Vec<String> = headers.iter().map(|header| (*header).to_owned()).collect();
    Task {
        file_name: "fair 2026.csv".to_owned(),
        on_duplicate,
        dry_run: false,
        zone: Zone::parse("Europe/Berlin").unwrap(),
        columns: header::columns(&headers, &[]).unwrap(),
        people: [].into(),
        origin: Origin::new(),
    }
}

impl Team {
    pub(super) fn imports(&self) -> Arc<dyn Imports> {
        self.store.imports()
    }

    async fn begin(&self) -> anyhow::Result<ImportId> {
        let id = ImportId::new();
        anyhow::ensure!(self.imports().begin(self.scope, id, Millis::now(), ago(MINUTE)).await?);
        Ok(id)
    }

    pub(super) async fn queue(&self, task: Task, file: &[u8]) -> anyhow::Result<Import> {
        let id = self.begin().await?;
        for (nth, piece) in (0..).zip(file.chunks(1_000)) {
            anyhow::ensure!(self.imports().keep(self.scope, id, nth, piece.to_vec()).await?);
        }
        let import = Import { size: Some(file.len() as u64), ..Import::new(id, task, self.anna) };
        Ok(fresh(self.imports().queue(self.scope, import, None).await?))
    }

    pub(super) async fn claim(&self) -> anyhow::Result<Option<(Lease, Import)>> {
        self.claim_at(Millis::now()).await
    }

    async fn claim_at(&self, now: Millis) -> anyhow::Result<Option<(Lease, Import)>> {
        let holder = Uuid::new_v4();
        let claimed = self.imports().claim(holder, now, Millis(now.0 + MINUTE)).await?;
        Ok(claimed.map(|(scope, import)| (Lease { scope, id: import.id, holder }, import)))
    }

    async fn known(&self, id: ImportId) -> anyhow::Result<Import> {
        Ok(self.imports().import(self.scope, id).await?.expect("the import is there").0)
    }

    /// Takes lines in as one import, with all that belongs to it.
    pub(super) async fn take_in(
        &self,
        headers: &[&str],
        on_duplicate: OnDuplicate,
        lines: &[&str],
    ) -> anyhow::Result<Import> {
        self.queue(task(headers, on_duplicate), b"x").await?;
        let (lease, import) = self.claim().await?.expect("one waits");
        let taken = self.imports().take(lease, rows(&import, self, lines), soon()).await?;
        anyhow::ensure!(taken.is_some(), "the batch was refused");
        let done = self.imports().finish(lease, State::Done, None, Millis::now()).await?;
        Ok(done.expect("it is held"))
    }

    pub(super) async fn live_names(&self) -> anyhow::Result<Vec<String>> {
        let mut names = Vec::new();
        let mut after = None;
        loop {
            let leads = self.store.walk(self.scope, after, 500).await?;
            let live = leads.iter().filter(|lead| lead.deleted_at.is_none());
            names.extend(live.map(|lead| lead.fields.name.as_str().to_owned()));
            match leads.last() {
                Some(last) => after = Some(crate::store::WalkMark::of(last)),
                None => break,
            }
        }
        names.sort();
        Ok(names)
    }
}

pub(super) fn rows(import: &Import, team: &Team, lines: &[&str]) -> Rows {
    let by = crate::lead::By::now(team.anna, Origin::new());
    let from = import.counts.rows();
    let row = |(nth, line): (u64, &&str)| -> Row {
        let cells = Cells::Good(line.split(',').map(str::to_owned).collect());
        row::read(&import.task, nth, RawRow { line: nth + 2, cells }, Millis::now())
    };
    let rows = (from..).zip(lines).map(row).collect();
    Rows { import: import.clone(), rows, by, room: Room::of(import, 0) }
}

pub(super) async fn an_import_of_an_erased_workspace_stops(team: Team) -> anyhow::Result<()> {
    let others = team.others();
    let task = task(&["Name"], OnDuplicate::Create);
    let import = team.queue(task.clone(), &[7; 2_500]).await?;
    let (lease, claimed) = team.claim().await?.expect("one waits");
    assert_eq!(claimed.id, import.id);
    let coming = team.begin().await?;
    assert!(team.imports().keep(team.scope, coming, 0, vec![1; 10]).await?);
    let kept = others.queue(task, &[7; 2_500]).await?;

    team.store.mark_erased(team.scope, Millis::now()).await?;
    // The first step is enough to stop it.
    team.store.erase_some(team.scope, 1).await?;
    erasure::once(&team.store, Millis::now(), &Stop::new()).await?;
    assert!(!team.imports().renew(lease, None, soon()).await?);
    assert_eq!(team.imports().import(team.scope, import.id).await?, None);
    assert_eq!(team.imports().piece(team.scope, import.id, 0).await?, None);
    assert!(!team.imports().keep(team.scope, coming, 1, vec![1; 10]).await?);
    assert_eq!(team.imports().imports(team.scope, None, 10).await?.items, []);
    assert_eq!(others.imports().import(others.scope, kept.id).await?, Some((kept.clone(), Vec::new())));
    assert!(others.imports().piece(others.scope, kept.id, 2).await?.is_some());
    Ok(())
}

pub(super) async fn an_import_is_read_as_it_was_queued(team: Team) -> anyhow::Result<()> {
    let mut task = task(&["Name", "Owner", "Shoe size"], OnDuplicate::Update);
    task.people.insert("una".to_owned(), Named::Member(team.anna));
    task.people.insert("ben".to_owned(), Named::Former(team.anna));
    task.people.insert("cid".to_owned(), Named::Several);
    let import = team.queue(task, &[7; 2_500]).await?;
    assert_eq!(team.imports().import(team.scope, import.id).await?, Some((import.clone(), Vec::new())));
    let mut file = Vec::new();
    for nth in 0.. {
        match team.imports().piece(team.scope, import.id, nth).await? {
            Some(piece) => file.extend(piece),
            None => break,
        }
    }
    assert_eq!(file, [7; 2_500]);
    let others = team.others();
    assert_eq!(others.imports().import(others.scope, import.id).await?, None);
    assert_eq!(others.imports().piece(others.scope, import.id, 0).await?, None);
    assert_eq!(others.imports().undo(others.scope, import.id, others.anna, None).await?, None);
    let second = team.queue(self::task(&["Name"], OnDuplicate::Skip), b"x").await?;
    let page = team.imports().imports(team.scope, None, 1).await?;
    assert_eq!((page.items, page.more, page.total.value), (vec![second.clone()], true, 2));
    let page = team.imports().imports(team.scope, Some(second.id), 1).await?;
    assert_eq!((page.items, page.more), (vec![import], false));
    Ok(())
}

pub(super) async fn a_key_queues_one_import(team: Team) -> anyhow::Result<()> {
    let keyed = |print: &str| {
        let once = Once { id: "k".to_owned(), fingerprint: print.to_owned() };
        Some(Keyed { once, answer: Arc::new(|import: &Import| import.id.to_string().into_bytes()) })
    };
    let (one, two) = (team.begin().await?, team.begin().await?);
    let import = |id| Import::new(id, task(&["Name"], OnDuplicate::Skip), team.anna);
    team.imports().queue(team.scope, import(one), keyed("a")).await?;
    let again = team.imports().queue(team.scope, import(two), keyed("a")).await?;
    assert_eq!(again, Reply::Replayed(one.to_string().into_bytes()));
    let other = team.imports().queue(team.scope, import(two), keyed("b")).await;
    assert_eq!(other, Err(StoreError::KeyReused));
    assert_eq!(team.imports().imports(team.scope, None, 9).await?.items.len(), 1);
    Ok(())
}

pub(super) async fn a_workspace_has_only_so_many_imports_waiting(team: Team) -> anyhow::Result<()> {
    for _ in 0..MOST_WAITING {
        team.begin().await?;
    }
    let imports = team.imports();
    assert!(!imports.begin(team.scope, ImportId::new(), Millis::now(), ago(MINUTE)).await?);
    // Uploads that began long ago have broken off.
    assert!(imports.begin(team.scope, ImportId::new(), Millis::now(), soon()).await?);
    let others = team.others();
    others.begin().await?;
    Ok(())
}

pub(super) async fn an_upload_that_breaks_off_leaves_nothing(team: Team) -> anyhow::Result<()> {
    let imports = team.imports();
    let (broken, coming) = (team.begin().await?, team.begin().await?);
    for id in [broken, coming] {
        for nth in 0..3 {
            assert!(imports.keep(team.scope, id, nth, vec![1; 1_000]).await?);
        }
    }
    imports.forget(team.scope, broken).await?;
    // From now on, and not only once it is gone.
    let late = |id| {
        let late = Import::new(id, task(&["Name"], OnDuplicate::Skip), team.anna);
        imports.queue(team.scope, late, None)
    };
    assert!(!imports.keep(team.scope, broken, 3, vec![1]).await? && late(broken).await.is_err());
    // As well while the sweep is at it, which gives up what came too slowly.
    let slow = ImportId::new();
    assert!(imports.begin(team.scope, slow, ago(3 * MINUTE), ago(MINUTE)).await?);
    for nth in 0..3 {
        assert!(imports.keep(team.scope, slow, nth, vec![1; 1_000]).await?);
    }
    let whole = async |id| -> anyhow::Result<bool> {
        for nth in 0..3 {
            if imports.piece(team.scope, id, nth).await?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    };
    for id in [broken, slow] {
        while whole(id).await? {
            assert!(imports.sweep(ago(2 * MINUTE), ago(2 * MINUTE), 1).await?);
        }
        assert!(!imports.keep(team.scope, id, 3, vec![1]).await? && late(id).await.is_err());
    }
    while imports.sweep(ago(MINUTE), ago(MINUTE), 2).await? {}
    assert_eq!(imports.piece(team.scope, broken, 0).await?, None);
    assert!(!imports.keep(team.scope, broken, 3, vec![1]).await?);
    assert!(imports.piece(team.scope, coming, 2).await?.is_some());
    assert!(late(broken).await.is_err());
    assert!(imports.imports(team.scope, None, 9).await?.items.is_empty());
    Ok(())
}

pub(super) async fn one_import_of_a_workspace_is_carried_on_at_a_time(team: Team) -> anyhow::Result<()> {
    let first = team.queue(task(&["Name"], OnDuplicate::Skip), b"x").await?;
    team.queue(task(&["Name"], OnDuplicate::Skip), b"x").await?;
    let others = team.others();
    let third = others.queue(task(&["Name"], OnDuplicate::Skip), b"x").await?;
    let (lease, claimed) = team.claim().await?.unwrap();
    assert_eq!((claimed.id, claimed.state), (first.id, State::Running));
    let (_, claimed) = team.claim().await?.unwrap();
    assert_eq!(claimed.id, third.id);
    assert!(team.claim().await?.is_none());
    // A lease that is over is taken by somebody else, who goes on where it stands.
    let later = ago(-2 * MINUTE);
    let (theirs, claimed) = team.claim_at(later).await?.unwrap();
    assert_eq!(claimed.id, first.id);
    let imports = team.imports();
    assert!(!imports.renew(lease, None, soon()).await?);
    assert!(imports.finish(lease, State::Done, None, later).await?.is_none());
    assert!(imports.renew(theirs, Some(5), soon()).await?);
    assert_eq!(team.known(first.id).await?.total, Some(5));
    imports.release(theirs).await?;
    assert_eq!(team.claim_at(later).await?.unwrap().1.id, first.id);
    Ok(())
}

pub(super) async fn a_batch_is_taken_in_once_whoever_tries(team: Team) -> anyhow::Result<()> {
    let import = team.queue(task(&["Name", "Email"], OnDuplicate::Skip), b"x").await?;
    let imports = team.imports();
    let (lease, claimed) = team.claim().await?.unwrap();
    let batch = rows(&claimed, &team, &["Ada,ada@x.test", "Bad,nobody", "Ada,ADA@x.test"]);
    let taken = imports.take(lease, batch.clone(), soon()).await?.unwrap();
    assert_eq!(taken.counts.rows(), 3);
    assert_eq!((taken.counts.created, taken.counts.skipped, taken.counts.failed), (1, 1, 1));
    // The same batch again: the import has come further.
    assert_eq!(imports.take(lease, batch.clone(), soon()).await?, None);
    let stranger = Lease { holder: Uuid::new_v4(), ..lease };
    let next = rows(&taken, &team, &["Bob,bob@x.test"]);
    assert_eq!(imports.take(stranger, next.clone(), soon()).await?, None);
    assert_eq!(team.live_names().await?, ["Ada"]);
    let taken = imports.take(lease, next, soon()).await?.unwrap();
    let done = imports.finish(lease, State::Done, None, Millis::now()).await?.unwrap();
    assert_eq!((done.state, done.counts), (State::Done, taken.counts));
    assert_eq!(team.known(import.id).await?, done);
    assert!(team.claim().await?.is_none());
    let failed = imports.failed(team.scope, import.id, None, 9).await?;
    assert_eq!((failed.len(), failed[0].nth, failed[0].line), (1, 1, 3));
    assert_eq!(failed[0].cells, ["Bad", "nobody"]);
    assert!(failed[0].reason.contains("email must be"));
    assert!(imports.failed(team.scope, import.id, Some(1), 9).await?.is_empty());
    assert!(imports.failed(team.scope, import.id, None, 0).await?.is_empty());
    let log = team.log(None).await?;
    let kinds: Vec<_> =
        log.iter().map(|event| event.snapshot.as_ref().map(|snapshot| snapshot.version)).collect();
    assert_eq!(kinds, [Some(1), Some(1)]);
    let query = crate::store::LogQuery { kinds: vec![Kind::Imported], limit: 9, ..Default::default() };
    assert_eq!(team.store.log(team.scope, query).await?.unwrap().items.len(), 2);
    Ok(())
}

pub(super) async fn failed_rows_are_read_by_their_bytes(team: Team) -> anyhow::Result<()> {
    let queued = team.queue(task(&["Name", "Email"], OnDuplicate::Skip), b"x").await?;
    let (imports, (lease, import)) = (team.imports(), team.claim().await?.unwrap());
    let lines: Vec<String> = (0..10).map(|nth| format!("Bad,{nth}{}", "x".repeat(10_000))).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    imports.take(lease, rows(&import, &team, &lines), soon()).await?.unwrap();
    let (mut after, mut read) = (None, Vec::new());
    loop {
        let page = imports.failed(team.scope, queued.id, after, 25_000).await?;
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 3, "{}", page.len());
        after = Some(last.nth);
        read.extend(page.into_iter().map(|row| row.nth));
    }
    assert_eq!(read, (0..10).collect::<Vec<_>>());
    Ok(())
}

pub(super) async fn rows_find_leads_by_address_and_phone(team: Team) -> anyhow::Result<()> {
    let mut fields = named("Ada");
    fields.email = Email::parse("Ada@X.test").ok();
    let ada = team.make(fields).await?;
    let mut fields = named("Bob");
    fields.phone = crate::fields::Phone::parse("+44 (20) 7946 0958").unwrap();
    let bob = team.make(fields).await?;
    let gone =
        team.make(crate::fields::Fields { email: Email::parse("gone@x.test").ok(), ..named("Gone") }).await?;
    team.change(gone.id, Command::Trash).await?;
    let others = team.others();
    others.make(crate::fields::Fields { email: Email::parse("cid@x.test").ok(), ..named("Cid") }).await?;
    team.queue(task(&["Name", "Email", "Phone", "Company", "Note"], OnDuplicate::Update), b"x").await?;
    let (lease, import) = team.claim().await?.unwrap();
    let batch = rows(
        &import,
        &team,
        &[
            ",ada@x.TEST,,Acme,met",
            ",,442079460958,,",
            "Bobby,,44 2079460958,,",
            "New,gone@x.test,,,",
            "Cid,cid@x.test,,,",
            ",ada@x.TEST,,Acme,met",
        ],
    );
    let taken = team.imports().take(lease, batch, soon()).await?.unwrap();
    assert_eq!((taken.counts.created, taken.counts.updated, taken.counts.skipped), (2, 3, 1));
    let (ada, notes) = team.lead(ada.id).await?.unwrap();
    assert_eq!((ada.version.0, ada.note_count, ada.fields.name.as_str()), (2, 1, "Ada"));
    assert_eq!((notes.len(), notes[0].text.as_str()), (1, "met"));
    assert_eq!(ada.fields.company, Company::parse("Acme").unwrap());
    let (bob, _) = team.lead(bob.id).await?.unwrap();
    assert_eq!((bob.version.0, bob.fields.name.as_str()), (3, "Bobby"));
    // A batch later the same holds.
    let again =
        team.imports().take(lease, rows(&taken, &team, &[",ada@x.TEST,,Acme,met"]), soon()).await?.unwrap();
    assert_eq!(again.counts.skipped, 2);
    Ok(())
}

pub(super) async fn what_an_import_did_is_taken_back(team: Team) -> anyhow::Result<()> {
    let mut fields = named("Ada");
    fields.email = Email::parse("ada@x.test").ok();
    let ada = team.make(fields.clone()).await?;
    let before = ada.clone();
    team.queue(task(&["Name", "Email", "Status", "Note"], OnDuplicate::Update), b"x").await?;
    let (lease, import) = team.claim().await?.unwrap();
    let imports = team.imports();
    let batch = rows(
        &import,
        &team,
        &["Ada L,ada@x.test,Lost,met", "Bob,bob@x.test,,", "Cid,cid@x.test,,", "Dan,,,"],
    );
    let import = imports.take(lease, batch, soon()).await?.unwrap();
    // Two leads are changed again, by a batch later.
    let import = imports
        .take(lease, rows(&import, &team, &["Ada M,ada@x.test,,", "Bob B,bob@x.test,,"]), soon())
        .await?;
    let import = import.unwrap();
    assert_eq!((import.counts.created, import.counts.updated), (3, 3));
    assert!(imports.undo(team.scope, import.id, team.anna, None).await?.unwrap().is_err());
    imports.finish(lease, State::Done, None, Millis::now()).await?;
    let page = team.store.leads(team.scope, query()).await?;
    let cid = page.items.iter().find(|lead| lead.fields.name.as_str() == "Cid").unwrap();
    let edit = Patch { name: Some(crate::fields::Name::parse("Cid!").unwrap()), ..Patch::default() };
    team.change(cid.id, Command::Edit(edit)).await?;
    let once = |id: &str, print: &str| {
        let once = Once { id: id.to_owned(), fingerprint: print.to_owned() };
        Some(Keyed { once, answer: Arc::new(|import: &Import| vec![import.state.code()]) })
    };
    let undo = async |id: &str, print: &str| {
        imports.undo(team.scope, import.id, team.anna, once(id, print)).await.map(Option::unwrap)
    };
    let undoing = fresh(undo("k", "a").await?.unwrap());
    assert_eq!((undoing.state, undoing.undone_by), (State::Undoing, Some(team.anna)));
    // Who asks again hears it again; anybody else is too late.
    assert_eq!(undo("k", "a").await?, Ok(Reply::Replayed(vec![State::Undoing.code()])));
    assert_eq!(undo("k", "b").await, Err(StoreError::KeyReused));
    assert!(undo("l", "a").await?.is_err());
    let (lease, claimed) = team.claim().await?.unwrap();
    assert_eq!(claimed.state, State::Undoing);
    let mut steps = 0;
    let import = loop {
        let step = imports.take_back(lease, team.by(), 2, soon()).await?.unwrap();
        steps += 1;
        if !step.more {
            break step.import;
        }
    };
    assert!(steps > 1);
    assert_eq!((import.taken_back, import.kept), (3, 1));
    // Who only watches is told of a few of these: each names its import.
    let log = team.log(None).await?;
    let undone = log.iter().filter_map(|event| event.activity.as_ref());
    let undone: Vec<_> = undone.filter(|entry| !entry.undone_import_id.is_empty()).collect();
    let leads: BTreeSet<_> = undone.iter().map(|entry| &entry.lead_id).collect();
    assert_eq!(leads.len(), 3);
    assert!(undone.iter().all(|entry| entry.of_import() == Some(import.id.to_string().as_str())));
    let stranger = Lease { holder: Uuid::new_v4(), ..lease };
    assert_eq!(imports.take_back(stranger, team.by(), 2, soon()).await?, None);
    imports.finish(lease, State::Undone, None, Millis::now()).await?;
    assert_eq!(team.live_names().await?, ["Ada", "Cid!"]);
    let (ada, notes) = team.lead(ada.id).await?.unwrap();
    assert_eq!((&ada.fields, ada.note_count, notes.len()), (&fields, 0, 0));
    assert_eq!(ada.version.0, 4);
    assert_eq!((ada.stages, ada.status_changed_at), (before.stages, before.status_changed_at));
    Ok(())
}

/// What an import has made and changed is found by it, until another changes it, it is merged, or the import is taken back.
pub(super) async fn leads_are_found_by_what_an_import_did_to_them(team: Team) -> anyhow::Result<()> {
    team.make(crate::fields::Fields { email: Email::parse("ada@x.test").ok(), ..named("Ada") }).await?;
    team.make(named("Nobody's")).await?;
    let found = async |import: &Import, created: bool, updated: bool, trashed: bool| {
        let import = Some(ByImport { id: import.id, created, updated });
        let filter = Filter { import, trashed, ..Filter::default() };
        let query = crate::filter::Query { filter, ..query() };
        let page = team.store.leads(team.scope, query).await?;
        assert_eq!(page.total.value, page.items.len() as u64);
        let mut names: Vec<String> =
            page.items.iter().map(|lead| lead.fields.name.as_str().to_owned()).collect();
        names.sort();
        anyhow::Ok(names)
    };
    let headers = ["Name", "Email", "Company"];
    let lines = ["Ada,ada@x.test,Acme", "Bob,bob@x.test,", "Cid,cid@x.test,", "Bob,bob@x.test,Acme"];
    let first = team.take_in(&headers, OnDuplicate::Update, &lines).await?;
    assert_eq!((first.counts.created, first.counts.updated), (2, 2));
    assert_eq!(found(&first, true, false, false).await?, ["Bob", "Cid"]);
    // A row may have changed what a row before it made: it is both.
    assert_eq!(found(&first, false, true, false).await?, ["Ada", "Bob"]);
    assert_eq!(found(&first, true, true, false).await?, ["Ada", "Bob", "Cid"]);
    // An edit takes nothing away, and an import from another workspace is none of this one.
    let page = team.store.leads(team.scope, query()).await?;
    let of = |name: &str| page.items.iter().find(|lead| lead.fields.name.as_str() == name).unwrap().id;
    let (bob, cid) = (of("Bob"), of("Cid"));
    team.change(cid, Command::AddTags(super::tags(&["called"]))).await?;
    assert_eq!(found(&first, true, false, false).await?, ["Bob", "Cid"]);
    let others = team.others();
    let filter =
        Filter { import: Some(ByImport { id: first.id, created: true, updated: true }), ..Filter::default() };
    let theirs = others.store.leads(others.scope, crate::filter::Query { filter, ..query() }).await?;
    assert_eq!(theirs.items, []);
    // Of those that changed a lead, the last is it; who made it stays.
    let second = team.take_in(&headers, OnDuplicate::Update, &["Bob,bob@x.test,Best"]).await?;
    assert_eq!(found(&second, true, true, false).await?, ["Bob"]);
    assert_eq!(found(&first, false, true, false).await?, ["Ada"]);
    assert_eq!(found(&first, true, false, false).await?, ["Bob", "Cid"]);
    // A lead that went into another is gone, and is as it was when it comes back.
    let merge = crate::merge::MergeId::new();
    let (into, condition) = (cid, leadline_runtime::version::Precondition::None);
    let part = MergePart { into, id: merge, from: vec![bob], condition: condition.clone(), by: team.by() };
    fresh(team.store.merge(team.scope, part, None).await?);
    assert_eq!(found(&first, true, true, false).await?, ["Ada", "Cid"]);
    let part = UnmergePart { into, id: Some(merge), condition, by: team.by() };
    fresh(team.store.unmerge(team.scope, part, None).await?);
    assert_eq!(found(&first, true, true, false).await?, ["Ada", "Bob", "Cid"]);
    assert_eq!(found(&second, false, true, false).await?, ["Bob"]);
    // What is taken back was made by it still, and is in the trash; what it had changed is as it was.
    let third = team.take_in(&headers, OnDuplicate::Update, &["Dan,,", "Ada,ada@x.test,Best"]).await?;
    fresh(team.imports().undo(team.scope, third.id, team.anna, None).await?.unwrap().unwrap());
    let (lease, _) = team.claim().await?.unwrap();
    let step = team.imports().take_back(lease, team.by(), 9, soon()).await?.unwrap();
    assert_eq!((step.import.taken_back, step.import.kept), (2, 0));
    assert_eq!(found(&third, true, true, false).await?, Vec::<String>::new());
    assert_eq!(found(&third, true, true, true).await?, ["Dan"]);
    Ok(())
}

pub(super) async fn a_lead_that_is_taken_back_has_been_nowhere_else(team: Team) -> anyhow::Result<()> {
    let was =
        team.make(crate::fields::Fields { email: Email::parse("ada@x.test").ok(), ..named("Ada") }).await?;
    team.queue(task(&["Name", "Email", "Status"], OnDuplicate::Update), b"x").await?;
    let (lease, import) = team.claim().await?.unwrap();
    let imports = team.imports();
    // There and back, in two batches: no field is different in the end.
    let import =
        imports.take(lease, rows(&import, &team, &[",ada@x.test,Converted"]), soon()).await?.unwrap();
    imports.take(lease, rows(&import, &team, &[",ada@x.test,New"]), soon()).await?.unwrap();
    let (now, _) = team.lead(was.id).await?.unwrap();
    assert!(now.fields == was.fields && now.stages != was.stages);
    imports.finish(lease, State::Done, None, Millis::now()).await?;
    fresh(imports.undo(team.scope, import.id, team.anna, None).await?.unwrap().unwrap());
    let (lease, _) = team.claim().await?.unwrap();
    let step = imports.take_back(lease, team.by(), 9, soon()).await?.unwrap();
    assert_eq!((step.import.taken_back, step.import.kept), (1, 0));
    let (now, _) = team.lead(was.id).await?.unwrap();
    assert_eq!(
        (now.version.0, now.stages, now.status_changed_at, now.fields),
        (4, was.stages, was.status_changed_at, was.fields)
    );
    // What others are told is the same.
    let told = team.log(Some(was.id)).await?.pop().and_then(|event| event.snapshot).unwrap();
    assert_eq!((told.version, told.status_changed_at_ms), (4, was.status_changed_at.0));
    let stages: Vec<_> = told.stages.iter().map(|stage| (stage.status(), stage.last_entered_at_ms)).collect();
    assert_eq!(stages, [(leadline_proto::leads::Status::New, was.status_changed_at.0)]);
    Ok(())
}

pub(super) async fn an_import_that_ends_its_worker_again_and_again_fails(team: Team) -> anyhow::Result<()> {
    let import = team.queue(task(&["Name"], OnDuplicate::Skip), b"Name\nAda\n").await?;
    let imports = team.imports();
    let mut later = Millis::now();
    // Workers that end without a word.
    let mut die = async || {
        later = Millis(later.0 + 2 * MINUTE);
        Ok::<_, anyhow::Error>(team.claim_at(later).await?.unwrap())
    };
    for attempt in 1..=3 {
        assert_eq!(die().await?.1.attempts, attempt);
    }
    // Whoever comes further, or lets go of it, begins anew.
    let (lease, claimed) = die().await?;
    imports.release(lease).await?;
    let (lease, again) = die().await?;
    assert_eq!((claimed.attempts, again.attempts), (4, 4));
    let taken = imports.take(lease, rows(&again, &team, &["Ada"]), soon()).await?.unwrap();
    assert_eq!(taken.attempts, 0);
    for _ in 0..MOST_ATTEMPTS {
        assert_eq!(die().await?.1.given_up(), None);
    }
    let (lease, last) = die().await?;
    assert!(last.given_up().is_some_and(|why| why.contains("5 times")), "{last:?}");
    // Nobody has it now; the worker that claims it next ends it.
    assert!(imports.renew(lease, None, ago(MINUTE)).await?);
    assert!(Worker::new(imports.clone(), Bus::memory(), Duration::from_secs(9)).step(&Stop::new()).await?);
    let failed = team.known(import.id).await?;
    assert_eq!((failed.state, failed.counts.created), (State::Failed, 1));
    assert!(failed.reason.is_some_and(|why| why.contains("5 times")));
    // What it did can be taken back all the same.
    fresh(imports.undo(team.scope, import.id, team.anna, None).await?.unwrap().unwrap());
    assert!(Worker::new(imports, Bus::memory(), Duration::from_secs(9)).step(&Stop::new()).await?);
    assert_eq!((team.known(import.id).await?.state, team.live_names().await?), (State::Undone, Vec::new()));
    Ok(())
}

pub(super) async fn a_file_that_is_not_whole_is_not_taken_for_whole(team: Team) -> anyhow::Result<()> {
    let id = team.begin().await?;
    let imports = team.imports();
    assert!(imports.keep(team.scope, id, 0, b"Name\nAda\n".to_vec()).await?);
    let import = Import { size: Some(20), ..Import::new(id, task(&["Name"], OnDuplicate::Skip), team.anna) };
    imports.queue(team.scope, import, None).await?;
    assert!(Worker::new(imports, Bus::memory(), Duration::from_secs(9)).step(&Stop::new()).await?);
    let import = team.known(id).await?;
    assert_eq!((import.state, import.counts.rows()), (State::Failed, 0));
    assert!(import.reason.is_some_and(|why| why.contains("run the file again")));
    Ok(())
}

fn query() -> crate::filter::Query {
    crate::filter::Query {
        filter: crate::filter::Filter::default(),
        sort: crate::filter::Sort { by: crate::filter::SortBy::Name, descending: false },
        after: None,
        limit: 50,
        totals: crate::filter::Totals::Counted,
    }
}

pub(super) async fn what_belongs_to_an_old_import_is_swept(team: Team) -> anyhow::Result<()> {
    let import = team.queue(task(&["Name", "Email"], OnDuplicate::Skip), &[1; 3_000]).await?;
    let imports = team.imports();
    let (lease, claimed) = team.claim().await?.unwrap();
    let taken =
        imports.take(lease, rows(&claimed, &team, &["Ada,", "Bad,x", "Bob,", "Bad,y"]), soon()).await?;
    assert!(taken.is_some());
    imports.finish(lease, State::Done, None, ago(10 * MINUTE)).await?;
    while imports.sweep(ago(20 * MINUTE), ago(20 * MINUTE), 2).await? {}
    assert!(imports.piece(team.scope, import.id, 0).await?.is_some());
    while imports.sweep(ago(5 * MINUTE), ago(5 * MINUTE), 2).await? {}
    assert_eq!(imports.piece(team.scope, import.id, 0).await?, None);
    assert!(imports.failed(team.scope, import.id, None, 9).await?.is_empty());
    assert_eq!(team.known(import.id).await?.counts.rows(), 4);
    let undo = imports.undo(team.scope, import.id, team.anna, None).await?.unwrap();
    assert!(undo.is_err_and(|why| why.contains("7 days")));
    assert_eq!(team.live_names().await?, ["Ada", "Bob"]);
    Ok(())
}

pub(super) async fn what_an_import_knew_of_people_goes_with_its_file(team: Team) -> anyhow::Result<()> {
    let mut task = Task { dry_run: true, ..task(&["Name", "Owner"], OnDuplicate::Skip) };
    task.people.insert("una".to_owned(), Named::Former(team.anna));
    let import = team.queue(task.clone(), b"x").await?;
    let imports = team.imports();
    let (lease, claimed) = team.claim().await?.unwrap();
    imports.take(lease, rows(&claimed, &team, &["Ada,", "Bob,"]), soon()).await?.unwrap();
    imports.finish(lease, State::Done, None, ago(10 * MINUTE)).await?;
    let known = async || anyhow::Ok(imports.import(team.scope, import.id).await?.unwrap());
    let (kept, preview) = known().await?;
    assert_eq!((kept.task, preview.len()), (task.clone(), 2));
    while imports.sweep(ago(5 * MINUTE), ago(5 * MINUTE), 2).await? {}
    let (swept, preview) = known().await?;
    assert_eq!((swept.task, preview), (Task { people: [].into(), ..task }, Vec::new()));
    assert_eq!(swept.counts.created, 2);
    Ok(())
}

pub(super) async fn a_worker_that_dies_is_followed_by_one_that_goes_on(team: Team) -> anyhow::Result<()> {
    const ROWS: usize = 1_500;
    let mut file = "Name,Email\n".to_owned();
    for nth in 0..ROWS {
        file.push_str(&format!("Lead {nth},lead{nth}@x.test\n"));
    }
    // Every row is new: one that came twice would be made twice.
    let import = team.queue(task(&["Name", "Email"], OnDuplicate::Create), file.as_bytes()).await?;
    let lease = Duration::from_millis(400);
    let stop = Stop::new();
    let mut deaths = 0;
    for _ in 0..200 {
        let worker = Worker::new(team.imports(), Bus::memory(), lease);
        let dying = stop.clone();
        let work = tokio::spawn(async move { worker.step(&dying).await });
        let before = team.known(import.id).await?.counts.rows();
        // Dies in the middle of whatever it does, once it has come further.
        loop {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let now = team.known(import.id).await?;
            if work.is_finished() || now.counts.rows() > before {
                break;
            }
        }
        if deaths < 3 && !work.is_finished() {
            work.abort();
            deaths += 1;
        } else {
            work.await??;
        }
        if team.known(import.id).await?.state == State::Done {
            break;
        }
    }
    let import = team.known(import.id).await?;
    assert_eq!(
        (import.state, import.counts.created, import.total),
        (State::Done, ROWS as u64, Some(ROWS as u64))
    );
    assert!(deaths > 0);
    let names = team.live_names().await?;
    assert_eq!((names.len(), names.iter().collect::<HashSet<_>>().len()), (ROWS, ROWS));
    Ok(())
}
