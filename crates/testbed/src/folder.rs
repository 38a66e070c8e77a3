//! Temporary folders that go with the process that made them.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

/// Makes the folder, names it, and removes it when its standard input ends. A line first means an orderly end.
/// Otherwise the owner died and a server of its may still be writing: it is being killed at the same moment.
const KEEPER: &str = r#"
folder=$(mktemp -d "${TMPDIR:-/tmp}/leadline-test-XXXXXX") || exit 1
echo "$folder"
exec >/dev/null 2>&1
if read -r _; then rm -rf -- "$folder"; exit; fi
rm -rf -- "$folder"
for _ in 1 2 3 4 5 6 7 8 9 10; do
  sleep 0.1
  rm -rf -- "$folder"
done
"#;

/// A temporary folder. It is removed when dropped, and also when the test process is killed outright.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    keeper: Child,
}

impl Folder {
    /// Makes an empty folder under `TMPDIR` (or `/tmp`).
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new() -> Result<Self> {
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Not in the test's process group: Ctrl-C and a runner's SIGKILL to the group must not reach it.
            .process_group(0)
            .spawn()
            .context("cannot run sh")?;
        let mut path = String::new();
        if let Some(said) = keeper.stdout.take() {
            BufReader::new(said).read_line(&mut path)?;
        }
        let path = PathBuf::from(path.trim_end());
        ensure!(path.is_dir(), "cannot make a temporary folder");
        Ok(Self { path, keeper })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of `name` in it; nothing is made.
    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Some(mut stdin) = self.keeper.stdin.take() {
            // If the keeper is gone there is nobody left to tell.
            stdin.write_all(b"remove\n").ok();
        }
        self.keeper.wait().ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_folder_is_gone_with_what_it_held() {
        let folder = Folder::new().unwrap();
        let path = folder.path().to_owned();
        std::fs::write(folder.join("note"), "x").unwrap();
        drop(folder);
        assert!(!path.exists());
    }
}
