//! `leadline-reminders`: the reminders service alone.

use std::process::ExitCode;

fn main() -> ExitCode {
    leadline_runtime::program::run(leadline_reminders::program(), leadline_reminders::run)
}
