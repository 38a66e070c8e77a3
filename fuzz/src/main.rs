//! libFuzzer on one of the targets: which, `LEADLINE_FUZZ` says.

#![no_main]

use std::sync::OnceLock;

use leadline_gateway::hostile as gateway;
use leadline_leads::hostile as leads;
use libfuzzer_sys::fuzz_target;

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 9] = [
    ("table", leads::table),
    ("sheet", leads::sheet),
    ("question", leads::question),
    ("place", leads::place),
    ("filter", leads::filter),
    ("event", leads::event),
    ("query", gateway::query),
    ("body", gateway::body),
    ("header", gateway::header),
];

fn target() -> Target {
    static CHOSEN: OnceLock<Target> = OnceLock::new();
    *CHOSEN.get_or_init(|| {
        let name = std::env::var("LEADLINE_FUZZ").unwrap_or_default();
        let found = TARGETS.iter().find(|(known, _)| *known == name);
        found.unwrap_or_else(|| panic!("LEADLINE_FUZZ must be one of {:?}", TARGETS.map(|(name, _)| name))).1
    })
}

fuzz_target!(|bytes: &[u8]| target()(bytes));
