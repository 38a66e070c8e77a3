//! Random sequences of writes, by one client and by several at once, compared field by field with a model of what they do: the
//! answers, the leads, every list, count and history, and the figures.
//!
//! `LEADLINE_TEST_CASES` says how many sequences (8 to 24), `LEADLINE_TEST_SEED` which draws. A sequence that failed is made small
//! and its seed kept beside this file: it is tried first from then on. Merges and their undo are played by programs that die, too.

#![allow(clippy::print_stdout, reason = "a seed is shown with the failure that it leads to")]

mod ops;
mod player;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use futures::future::try_join_all;
use leadline_tests::{
    Client, Mode, Part, System,
    ground::{number, seed},
    imports::recounted,
    model::{FIELDS, Filter, Model},
    system, text,
};
use proptest::{
    collection::vec,
    strategy::{Strategy, ValueTree},
    test_runner::{Config, FileFailurePersistence, RngSeed, TestCaseError, TestError, TestRunner},
};
use serde_json::{Map, Value};

use self::{
    ops::{MARKS, Op, keyed_op, op},
    player::{Contended, Player, same_log},
};

/// Says how many sequences there are.
const CASES: &str = "LEADLINE_TEST_CASES";

/// Puts the writes to the shared lead in the order of their versions, and carries them out on a model.
fn explain(first: &Value, mut contended: Vec<Contended>) -> Result<Model> {
    let mut model = Model::default();
    model.create(text(first, "id"), &Map::from_iter([("name".to_owned(), first["name"].clone())]), None);
    contended.sort_by_key(|(_, version, _)| *version);
    let shows = |model: &Model, shown: &Value| {
        let lead = &model.leads()[0];
        let same = |name: &str| match name {
            "ownerId" => shown["owner"]["id"] == lead.fields["ownerId"],
            name => shown[name] == lead.fields[name],
        };
        shown["version"] == lead.version && FIELDS.iter().all(|name| same(name))
    };
    let mut rest = &contended[..];
    while let Some((_, version, _)) = rest.first() {
        let (group, later) = rest.split_at(rest.iter().take_while(|(_, other, _)| other == version).count());
        // One of them made the version, unless it was there from the start; the others found that they had nothing to do.
        let order = |makes: Option<usize>| {
            let mut tried = model.clone();
            if let Some(makes) = makes {
                tried.patch(0, &group[makes].0, None).ok()?;
            }
            let quiet = group.iter().all(|(asked, _, shown)| {
                let mut after = tried.clone();
                after.patch(0, asked, None) == Ok(false) && shows(&after, shown)
            });
            (quiet && tried.leads()[0].version == *version).then_some(tried)
        };
        let ordered = std::iter::once(None).chain((0..group.len()).map(Some)).find_map(order);
        model = ordered.with_context(|| format!("no order explains version {version}: {group:?}"))?;
        rest = later;
    }
    Ok(model)
}

/// Plays the sequences, each by a client of its own, all at once; then compares the whole.
async fn play(base: &str, sequences: &[Vec<Op>], patient: bool) -> Result<()> {
    let una = Client::register(base, "Una").await?;
    let alone = sequences.len() == 1;
    let first = if alone { Value::Null } else { una.lead("Shared").await? };
    let contended = Mutex::default();
    let players = sequences.iter().zip(MARKS).map(async |(ops, mark)| {
        let mut player = Player {
            client: &una.with_own_connections(),
            model: Model::default(),
            mark,
            patient,
            alone,
            seen: BTreeMap::new(),
            shared: text(&first, "id"),
            contended: &contended,
        };
        for (step, op) in ops.iter().enumerate() {
            player.play(op).await.with_context(|| format!("{mark}, step {step}: {op:?}"))?;
        }
        anyhow::Ok((player.model, player.seen))
    });
    let played = try_join_all(players).await?;
    let contended = contended.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut models = played;
    if !alone {
        models.push((explain(&first, contended)?, BTreeMap::new()));
    }

    let log = una.all("/activity").await?;
    let total = una.get("/activity?limit=1").await?.expect(200)?.body["total"]["value"].as_u64();
    ensure!(total.is_none_or(|total| total == log.len() as u64), "{total:?} of {} entries", log.len());
    let mut known = 0;
    let mut live = 0;
    for (model, seen) in models {
        let ids: BTreeSet<&str> = model.leads().iter().map(|lead| lead.id.as_str()).collect();
        let own: Vec<Value> =
            log.iter().filter(|entry| ids.contains(text(&entry["lead"], "id"))).cloned().collect();
        known += own.len();
        same_log("/activity", &own, &model.log(None))?;
        live += model.list(&Filter::default()).len();
        let mut player = Player {
            client: &una,
            model,
            mark: "",
            patient,
            alone: false,
            seen,
            shared: "",
            contended: &Mutex::default(),
        };
        for lead in 0..player.model.leads().len() {
            let id = player.model.leads()[lead].id.clone();
            player.look(lead, &id).await.with_context(|| format!("in the end, of {id}"))?;
        }
        for trashed in [false, true] {
            player.list(&Filter { trashed, ..Filter::default() }, "name", trashed, 200).await?;
        }
    }
    ensure!(known == log.len(), "{} entries of nobody's leads", log.len() - known);
    let counted = recounted(&una).await?;
    ensure!(counted == live, "{counted} leads are counted, and there are {live}");
    Ok(())
}

/// Tries so many cases of so many clients.
fn try_cases(system: &'static System, cases: u64, clients: usize, steps: usize) -> Result<()> {
    let name = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/model.proptest-regressions");
    let config = Config {
        cases: u32::try_from(cases)?,
        max_shrink_iters: 150,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(name))),
        rng_seed: RngSeed::Fixed(seed()),
        ..Config::default()
    };
    let mut runner = TestRunner::new(config);
    let run = runner.run(&vec(vec(op(), 1..steps), clients), |sequences| {
        let played = tokio::runtime::Handle::current().block_on(play(system.base(), &sequences, false));
        played.map_err(|error| TestCaseError::fail(format!("{error:#}")))
    });
    match run {
        Ok(()) => Ok(()),
        Err(TestError::Fail(reason, sequences)) => Err(anyhow!("{reason}\nby {sequences:#?}")),
        Err(TestError::Abort(reason)) => bail!("{reason}"),
    }
}

fn tried(mode: Mode, cases: u64, clients: usize, steps: usize) -> Result<()> {
    system::shared(mode, async |system| {
        tokio::task::block_in_place(|| try_cases(system, cases, clients, steps))
    })
}

#[test]
fn any_sequence_of_writes_does_what_the_model_says_on_sqlite() -> Result<()> {
    tried(Mode::AllInOne, number(CASES, 16), 1, 60)
}

#[test]
fn any_sequence_of_writes_does_what_the_model_says_on_mongodb() -> Result<()> {
    tried(Mode::OnServers, number(CASES, 8), 1, 60)
}

#[test]
fn clients_at_once_do_what_the_model_says_of_each() -> Result<()> {
    tried(Mode::AllInOne, number(CASES, 10), 3, 40)
}

#[test]
fn clients_at_once_do_what_the_model_says_of_each_on_mongodb() -> Result<()> {
    tried(Mode::OnServers, number(CASES, 16).div_ceil(4), 3, 40)
}

#[test]
fn clients_at_once_do_what_the_model_says_of_each_in_five_programs() -> Result<()> {
    tried(Mode::Distributed, number(CASES, 24).div_ceil(8), 3, 40)
}

/// Dies at every so many commits before it answers, and goes on with everything that comes after a commit only at the second try.
const DYING: &str =
    "committed/leads=abort@6; published/leads=error%2; handled/analytics=error%2; handled/reminders=error%2";

/// Plays sequences of merges and their undo on a program that dies again and again.
async fn play_dying(mode: Mode, sequences: u64) -> Result<()> {
    let config = Config { rng_seed: RngSeed::Fixed(seed()), ..Config::default() };
    let mut runner = TestRunner::new(config);
    let mut system = System::start(mode).await?;
    system.plan(Part::Leadline, DYING);
    system.kill(Part::Leadline).await?;
    system.launch(Part::Leadline)?;
    system.ready().await?;
    let base = system.base().to_owned();
    let mut deaths = 0;
    let mut keep = async || -> Result<()> {
        loop {
            system.ended(Part::Leadline, Duration::from_secs(600)).await?;
            deaths += 1;
            system.launch(Part::Leadline)?;
        }
    };
    let mut play = async || -> Result<()> {
        for _ in 0..sequences {
            let drawn = vec(keyed_op(), 30..60).new_tree(&mut runner).map_err(|why| anyhow!("{why}"))?;
            let drawn = [drawn.current()];
            play(&base, &drawn, true).await.with_context(|| format!("by {drawn:#?}"))?;
        }
        Ok(())
    };
    tokio::select! {
        kept = keep() => kept?,
        played = play() => played?,
    }
    ensure!(deaths > sequences, "it died {deaths} times only");
    println!("carried out through {deaths} deaths");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn any_sequence_of_merges_and_their_undo_does_what_the_model_says_though_its_program_dies() -> Result<()>
{
    play_dying(Mode::AllInOne, number(CASES, 16).div_ceil(2)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn any_sequence_of_merges_and_their_undo_does_what_the_model_says_though_one_on_servers_dies()
-> Result<()> {
    play_dying(Mode::OnServers, number(CASES, 18).div_ceil(6)).await
}
