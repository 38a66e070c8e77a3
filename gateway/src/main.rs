//! `leadline-gateway`: the gateway alone, in front of services elsewhere.

use std::process::ExitCode;

fn main() -> ExitCode {
    leadline_runtime::program::run(leadline_gateway::program(), leadline_gateway::run)
}
