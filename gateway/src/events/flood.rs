//! An import does the same to very many leads, and so does taking it back: streams are told of a few of them.
//!
//! The log has an entry for each, and who follows an import sees how far it is, and that figures have changed. So nobody needs
//! the others at once, and they would push what else happens out of what is kept, and past slow clients.

use std::collections::HashMap;

use leadline_proto::leads::Activity;
use leadline_runtime::ids::WorkspaceId;

/// How far apart two leads of one import are told, in milliseconds.
const APART_MS: i64 = 500;

/// Which imports were told of lately.
#[derive(Default)]
pub(super) struct Flood(HashMap<(WorkspaceId, String), i64>);

impl Flood {
    /// Whether an entry is told, at this time in milliseconds. Whatever is not of an import always is.
    pub(super) fn passes(&mut self, workspace: WorkspaceId, entry: &Activity, at_ms: i64) -> bool {
        let Some(import) = entry.of_import() else { return true };
        // Either way: clocks may be set back.
        let near = |told: i64| told.abs_diff(at_ms) < APART_MS.unsigned_abs();
        self.0.retain(|_, told| near(*told));
        let key = (workspace, import.to_owned());
        if self.0.contains_key(&key) {
            return false;
        }
        self.0.insert(key, at_ms);
        true
    }
}

#[cfg(test)]
mod tests {
    use leadline_proto::leads::activity::{Deleted, Imported, What};

    use super::*;

    fn of(import: &str) -> Activity {
        let import = Imported { import_id: import.to_owned(), created: true };
        Activity { what: Some(What::Imported(import)), ..Activity::default() }
    }

    #[test]
    fn of_an_import_one_lead_is_told_in_half_a_second_and_of_everything_else_each() {
        let mut flood = Flood::default();
        let (one, other) = (WorkspaceId::new(), WorkspaceId::new());
        let told: Vec<i64> =
            (0..2_000).step_by(10).filter(|at| flood.passes(one, &of("a"), 1_000_000 + at)).collect();
        assert_eq!(told, [0, 500, 1_000, 1_500]);
        assert!(flood.passes(one, &of("b"), 1_001_501), "another import");
        assert!(flood.passes(other, &of("a"), 1_001_501), "another workspace");
        let deleted = What::Deleted(Deleted { permanent: false });
        let deleted = Activity { what: Some(deleted), ..Activity::default() };
        assert!((0..9).all(|_| flood.passes(one, &deleted, 1_001_501)));
        let undone = Activity { undone_import_id: "c".to_owned(), ..deleted };
        let told = (0..9).filter(|_| flood.passes(one, &undone, 1_001_501)).count();
        assert_eq!(told, 1, "but for those of an import that is taken back");
        assert_eq!(flood.0.len(), 4);
        assert!(flood.passes(one, &of("a"), 5), "the clock was set back");
        assert_eq!(flood.0.len(), 1, "what is long ago is forgotten");
    }
}
