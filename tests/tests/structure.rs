//! The rules of the house: who may use whom, and how rooms are named.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use cargo_metadata::{DependencyKind, MetadataCommand, Package};

/// What each crate of ours may use of ours. Tests and all-in-one may use everything.
fn rules() -> BTreeMap<&'static str, &'static [&'static str]> {
    const SERVICE: &[&str] =
        &["leadline-proto", "leadline-runtime", "leadline-storage", "leadline-bus", "leadline-failpoints"];
    // Its imports read the cells that exports write.
    const LEADS: &[&str] = &[
        "leadline-proto",
        "leadline-runtime",
        "leadline-storage",
        "leadline-bus",
        "leadline-failpoints",
        "leadline-documents",
    ];
    BTreeMap::from([
        ("leadline-proto", [].as_slice()),
        ("leadline-storage", &["leadline-failpoints"]),
        ("leadline-failpoints", &[]),
        ("leadline-testbed", &["leadline-failpoints"]),
        ("leadline-documents", &[]),
        ("leadline-runtime", &["leadline-proto"]),
        ("leadline-bus", &["leadline-proto", "leadline-runtime", "leadline-failpoints"]),
        ("leadline-auth", SERVICE),
        ("leadline-leads", LEADS),
        ("leadline-reminders", SERVICE),
        ("leadline-analytics", SERVICE),
        ("leadline-gateway", &["leadline-proto", "leadline-runtime", "leadline-bus", "leadline-documents"]),
    ])
}

fn workspace() -> Vec<Package> {
    let metadata = MetadataCommand::new().no_deps().exec().expect("cargo tells about the workspace");
    metadata.packages
}

#[test]
fn a_crate_uses_only_what_it_may() {
    let rules = rules();
    for package in workspace() {
        let Some(allowed) = rules.get(package.name.as_str()) else { continue };
        for dependency in &package.dependencies {
            let ours = dependency.path.is_some();
            let test_only = dependency.kind == DependencyKind::Development;
            let testbed = test_only && dependency.name == "leadline-testbed";
            assert!(
                !ours || testbed || allowed.contains(&dependency.name.as_str()),
                "{} must not use {}",
                package.name,
                dependency.name
            );
        }
    }
}

/// The testbed alone switches them on, and whatever ships uses the testbed for its own tests at most. Cargo asks for the
/// features of those for tests only.
#[test]
fn no_program_that_ships_has_failpoints() {
    for package in workspace() {
        let defaults = package.features.get("default").map_or(&[][..], Vec::as_slice);
        assert!(package.name != "leadline-failpoints" || defaults.is_empty());
        for dependency in &package.dependencies {
            let on = dependency.name == "leadline-failpoints" && !dependency.features.is_empty();
            assert!(!on || package.name == "leadline-testbed", "{} switches failpoints on", package.name);
            let testbed = dependency.name == "leadline-testbed";
            let test_only = dependency.kind == DependencyKind::Development;
            assert!(
                !testbed
                    || test_only
                    || ["leadline-tests", "leadline-bench"].contains(&package.name.as_str()),
                "{} ships the testbed",
                package.name
            );
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let image = std::fs::read_to_string(root.join("deploy/Dockerfile")).expect("the image's file");
    assert!(
        image.contains("--exclude leadline-tests --exclude leadline-testbed --exclude leadline-bench"),
        "the image is built with the testbed"
    );
    let make = std::fs::read_to_string(root.join("Makefile")).expect("the Makefile");
    assert!(
        make.contains("cargo build --quiet --locked --package leadline\n"),
        "`make run` builds more than it runs"
    );
}

#[test]
fn versions_are_written_once_in_the_root() {
    for package in workspace() {
        let manifest = std::fs::read_to_string(&package.manifest_path).unwrap();
        for line in manifest.lines().filter(|line| line.contains('=') && !line.starts_with('[')) {
            assert!(!line.contains("version = \""), "{}: {line}", package.manifest_path);
        }
    }
}

#[test]
fn the_domain_knows_no_wire_and_no_store() {
    let services = Path::new(env!("CARGO_MANIFEST_DIR")).join("../services");
    for (service, file) in [
        ("auth", "account.rs"),
        ("auth", "session.rs"),
        ("leads", "lead.rs"),
        ("reminders", "reminder.rs"),
        ("analytics", "figures.rs"),
    ] {
        let path = services.join(service).join("src").join(file);
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for foreign in
            ["tonic", "prost", "mongodb", "bson", "rusqlite", "serde", "leadline_proto", "leadline_storage"]
        {
            assert!(!text.contains(&format!("use {foreign}")), "{} uses {foreign}", path.display());
        }
    }
}

#[test]
fn only_the_store_names_its_adapters() {
    let services = Path::new(env!("CARGO_MANIFEST_DIR")).join("../services");
    for service in ["auth", "leads", "reminders", "analytics"] {
        let path = services.join(service).join("src/grpc.rs");
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        for adapter in ["mongodb", "bson", "rusqlite", "SqliteStore", "MongoStore"] {
            assert!(!text.contains(adapter), "{} names {adapter}", path.display());
        }
    }
}

#[test]
fn no_room_has_a_name_without_a_meaning() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut folders: Vec<_> = ["proto", "crates", "services", "gateway/src", "deploy", "tests"]
        .iter()
        .map(|folder| root.join(folder))
        .collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            let path = entry.path();
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            for empty in ["common", "util", "utils", "helper", "helpers", "shared", "core", "misc", "manager"]
            {
                assert_ne!(stem, empty, "{}", path.display());
            }
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
}

/// The tests that a file of Rust has: functions that are marked as such, and those that are run in every mode.
fn tests_of(text: &str) -> BTreeSet<String> {
    let name_of = |line: &str| {
        let line = line.trim_start().trim_start_matches("async ");
        line.strip_prefix("fn ")?.split_once('(').map(|(name, _)| name.to_owned())
    };
    let lines: Vec<&str> = text.lines().collect();
    let functions: BTreeSet<String> = lines.iter().filter_map(|line| name_of(line)).collect();
    let mut tests = BTreeSet::new();
    for (nth, line) in lines.iter().enumerate() {
        let Some(name) = name_of(line) else { continue };
        let above =
            lines[..nth].iter().rev().map(|line| line.trim()).take_while(|line| line.starts_with("#["));
        let mut marks = above.map(|line| line.trim_start_matches("#[").trim_end_matches(']'));
        if marks.any(|mark| mark == "test" || mark == "tokio::test" || mark.starts_with("tokio::test(")) {
            tests.insert(name);
        }
    }
    for list in text.split("\nin_every_mode!(").skip(1) {
        let list = list.split_once(");").map_or(list, |(list, _)| list);
        let names = list.lines().map(|line| line.split("//").next().unwrap_or_default());
        let names: Vec<String> =
            names.flat_map(|line| line.split(',')).map(|name| name.trim().to_owned()).collect();
        tests.extend(names.into_iter().filter(|name| functions.contains(name)));
    }
    tests
}

#[test]
fn a_test_is_told_from_what_only_has_its_name() {
    let text = "
/// As `of_a_comment` does.
#[test]
fn marked() {}

#[tokio::test(flavor = \"multi_thread\")]
#[ignore]
async fn marked_and_more() { not_called(); }

in_every_mode!(of_modes, two_of_modes, gone,
    // left_out,
);

async fn of_modes(system: &'static System) -> Result<()> {}
async fn two_of_modes(system: &'static System) -> Result<()> {}
async fn left_out(system: &'static System) -> Result<()> {}
fn of_no_kind() {}
";
    let tests = tests_of(text);
    assert_eq!(tests.iter().collect::<Vec<_>>(), ["marked", "marked_and_more", "of_modes", "two_of_modes"]);
}

/// The guarantees name the tests that show them: each of those exists, and is a test.
#[test]
fn every_test_that_the_guarantees_name_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |path: &Path| std::fs::read_to_string(path).expect("a file of the project");
    let files = ["tests/tests", "tests/tests/faults", "crates/storage/tests"].map(|folder| {
        let entries = std::fs::read_dir(root.join(folder)).expect("the folder of the tests");
        entries.map(|entry| entry.expect("its entries").path())
    });
    let files = files.into_iter().flatten().filter(|path| path.extension().is_some_and(|end| end == "rs"));
    let tests: BTreeSet<String> = files.flat_map(|path| tests_of(&read(&path))).collect();
    let guarantees = read(&root.join("docs/GUARANTEES.md"));
    let is_name =
        |text: &&str| text.contains('_') && text.chars().all(|c| c == '_' || c.is_ascii_lowercase());
    let named: Vec<&str> = guarantees.split('`').skip(1).step_by(2).filter(is_name).collect();
    assert!(named.len() > 40, "only {} tests are named", named.len());
    let missing: Vec<&&str> = named.iter().filter(|name| !tests.contains(**name)).collect();
    assert!(missing.is_empty(), "docs/GUARANTEES.md names tests that are not there: {missing:?}");
}
