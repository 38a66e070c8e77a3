//! Compiles the contracts with protox, so that nobody needs a `protoc`.

use std::{env, error::Error, fs, path::PathBuf};

const FILES: [&str; 9] = [
    "leadline/types/v1/types.proto",
    "leadline/auth/v1/auth.proto",
    "leadline/leads/v1/lead.proto",
    "leadline/leads/v1/leads.proto",
    "leadline/leads/v1/imports.proto",
    "leadline/reminders/v1/reminder.proto",
    "leadline/reminders/v1/reminders.proto",
    "leadline/analytics/v1/analytics.proto",
    "leadline/events/v1/events.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=leadline");
    let mut compiler = protox::Compiler::new(["."])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(FILES)?;

    // Reflection reads this set; `compile_fds` does not write it by itself.
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;
    tonic_prost_build::configure()
        .include_file("contracts.rs")
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
