//! Imports: what becomes of a row, whatever the store.

use std::collections::BTreeMap;

use leadline_bus::Bus;
use leadline_runtime::{stop::Stop, time::Millis};

use super::{
    Team,
    imports::{rows, soon, task},
    named,
};
use crate::{
    fields::{Email, Fields},
    import::{
        OnDuplicate, State, Task,
        batch::{Room, Rows},
        worker,
    },
    stage::{StageTimes, Status},
};

fn with(name: &str, email: &str) -> Fields {
    Fields { email: Email::parse(email).ok(), ..named(name) }
}

impl Team {
    async fn leads_by_name(&self) -> anyhow::Result<BTreeMap<String, crate::lead::Lead>> {
        let all = self.store.walk(self.scope, None, 500).await?;
        Ok(all.into_iter().map(|lead| (lead.fields.name.as_str().to_owned(), lead)).collect())
    }
}

pub(super) async fn an_address_with_an_accent_is_another_lead_s(team: Team) -> anyhow::Result<()> {
    // Older leads stand in front of the one that is meant.
    let jose = team.make(with("Jose", "jose@x.es")).await?;
    let accented = team.make(with("Jos\u{e9}", "Jos\u{e9}@x.es")).await?;
    team.make(with("Again", "JOS\u{c9}@x.es")).await?;
    team.queue(task(&["Name", "Email", "Company"], OnDuplicate::Update), b"x").await?;
    let (lease, import) = team.claim().await?.unwrap();
    let batch =
        rows(&import, &team, &[",JOSE\u{301}@x.es,Accent", "New,jos\u{e8}@x.es,", ",JOSE@X.es,Plain"]);
    let taken = team.imports().take(lease, batch, soon()).await?.unwrap();
    assert_eq!((taken.counts.created, taken.counts.updated, taken.counts.failed), (1, 2, 0));
    let company = async |id| -> anyhow::Result<Option<String>> {
        let (lead, _) = team.lead(id).await?.unwrap();
        Ok(lead.fields.company.map(|company| company.as_str().to_owned()))
    };
    assert_eq!(company(accented.id).await?.as_deref(), Some("Accent"));
    assert_eq!(company(jose.id).await?.as_deref(), Some("Plain"));
    assert_eq!(team.live_names().await?, ["Again", "Jose", "Jos\u{e9}", "New"]);
    // A dry run tells the same of rows that it has only seen.
    let dry = Task { dry_run: true, ..task(&["Name", "Email"], OnDuplicate::Skip) };
    team.imports().finish(lease, State::Done, None, Millis::now()).await?;
    team.queue(dry, b"x").await?;
    let (lease, import) = team.claim().await?.unwrap();
    let taken = team.imports().take(lease, rows(&import, &team, &["Zoe,zoe@x.es"]), soon()).await?.unwrap();
    let batch = rows(&taken, &team, &["Zo\u{eb},zo\u{eb}@x.es", "Zoe,ZOE@x.es"]);
    let taken = team.imports().take(lease, batch, soon()).await?.unwrap();
    assert_eq!((taken.counts.created, taken.counts.skipped), (2, 1));
    Ok(())
}

pub(super) async fn a_lead_is_in_its_stage_since_the_row_says_so(team: Team) -> anyhow::Result<()> {
    let headers = ["Name", "Status", "Created at", "Status changed at"];
    team.queue(task(&headers, OnDuplicate::Skip), b"x").await?;
    let (lease, import) = team.claim().await?.unwrap();
    let batch = rows(
        &import,
        &team,
        &[
            "Ada,Converted,2025-01-01T00:00:00Z,2025-02-01T00:00:00Z",
            "Bob,Lost,2025-01-01T00:00:00Z,",
            "Cid,Qualified,,2025-02-01T00:00:00Z",
            "Dan,New,2025-02-01T00:00:00Z,2025-01-01T00:00:00Z",
            "Eve,New,,2999-01-01T00:00:00Z",
        ],
    );
    let taken = team.imports().take(lease, batch, soon()).await?.unwrap();
    assert_eq!((taken.counts.created, taken.counts.failed), (3, 2));
    let (january, february) = (Millis(1_735_689_600_000), Millis(1_738_368_000_000));
    let leads = team.leads_by_name().await?;
    for (name, status, made, entered) in [
        ("Ada", Status::Converted, january, february),
        ("Bob", Status::Lost, january, january),
        ("Cid", Status::Qualified, february, february),
    ] {
        let lead = &leads[name];
        assert_eq!((lead.created_at, lead.status_changed_at), (made, entered), "{name}");
        let stages: Vec<_> = lead.stages.iter().collect();
        assert_eq!(stages, [(status, StageTimes { first: entered, last: entered })], "{name}");
    }
    Ok(())
}

pub(super) async fn what_has_no_room_is_counted_and_stops_nothing(team: Team) -> anyhow::Result<()> {
    let mut file = "Name,Email\n".to_owned();
    (0..30).for_each(|nth| file.push_str(&format!("Bad {nth},nobody\n")));
    file.push_str("Ada,ada@x.test\n");
    let queued = team.queue(task(&["Name", "Email"], OnDuplicate::Skip), file.as_bytes()).await?;
    let (lease, import) = team.claim().await?.unwrap();
    let imports = team.imports();
    let lines: Vec<&str> = file.lines().skip(1).collect();
    let batch = rows(&import, &team, &lines[..10]);
    let room = Room { rows: 4, ..batch.room };
    let taken = imports.take(lease, Rows { room, ..batch }, soon()).await?.unwrap();
    assert_eq!(taken.counts.failed, 10);
    let batch = rows(&taken, &team, &lines[10..20]);
    let room = Room { bytes: 0, ..batch.room };
    let taken = imports.take(lease, Rows { room, ..batch }, soon()).await?.unwrap();
    assert_eq!(taken.counts.failed, 20);
    let kept = imports.failed(team.scope, queued.id, None, 1_000_000).await?;
    assert_eq!(kept.iter().map(|row| row.nth).collect::<Vec<_>>(), [0, 1, 2, 3]);
    // Whoever goes on comes to the end.
    imports.release(lease).await?;
    let worker = worker::Worker::new(team.imports(), Bus::memory(), worker::LEASE);
    assert!(worker.step(&Stop::new()).await?);
    let (done, _) = imports.import(team.scope, queued.id).await?.unwrap();
    assert_eq!((done.state, done.counts.created, done.counts.failed), (State::Done, 1, 30));
    Ok(())
}
