//! The analytics service alone.

use std::process::ExitCode;

fn main() -> ExitCode {
    leadline_runtime::program::run(leadline_analytics::program(), leadline_analytics::run)
}
