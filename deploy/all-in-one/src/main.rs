//! `leadline`: everything in one program.

use std::process::ExitCode;

fn main() -> ExitCode {
    leadline_runtime::program::run(leadline::program(), leadline::run)
}
