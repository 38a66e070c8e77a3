//! The leads service, alone.

use std::process::ExitCode;

fn main() -> ExitCode {
    leadline_runtime::program::run(leadline_leads::program(), leadline_leads::run)
}
