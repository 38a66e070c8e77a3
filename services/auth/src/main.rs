//! The auth service, alone.

use std::process::ExitCode;

use leadline_runtime::program;

fn main() -> ExitCode {
    program::run(leadline_auth::program(), leadline_auth::run)
}
