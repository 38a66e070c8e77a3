//! Makes the folder of the dashboard's files if it was not built, so that `cargo build` alone works: the program then shows
//! a page that says how to build it.

use std::{fs, io, path::Path};

fn main() -> io::Result<()> {
    let folder = Path::new("dashboard/dist");
    fs::create_dir_all(folder)?;
    println!("cargo:rerun-if-changed={}", folder.display());
    Ok(())
}
