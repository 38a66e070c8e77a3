//! A disk that is soon full.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

/// Mounts a file system in memory, names its folder, gives it as many mebibytes as each line of its standard input says, and
/// takes it away when that ends. Mounting is root's: who is not root needs a `sudo` that asks nothing.
const KEEPER: &str = r#"
exec 2>&1
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }
folder=$(mktemp -d "${TMPDIR:-/tmp}/leadline-test-XXXXXX") || exit 1
as_root mount -t tmpfs -o "size=$1m,mode=0700,uid=$(id -u),gid=$(id -g)" leadline-test "$folder" || { rmdir "$folder"; exit 1; }
echo "$folder"
while read -r size; do
  as_root mount -o "remount,size=${size}m" "$folder" && echo grown
done
as_root umount -l "$folder" && rmdir "$folder"
"#;

/// A folder on a disk of its own. It goes when dropped, and also when the test process is killed outright.
#[derive(Debug)]
pub struct SmallDisk {
    path: PathBuf,
    keeper: Child,
    said: BufReader<ChildStdout>,
}

impl SmallDisk {
    /// Makes one of so many mebibytes.
    ///
    /// # Errors
    /// When it can't be mounted: it takes root, or a `sudo` that asks nothing.
    pub fn new(mebibytes: u32) -> Result<Self> {
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper", &mebibytes.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Not in the test's process group: Ctrl-C and a runner's SIGKILL to the group must not reach it.
            .process_group(0)
            .spawn()
            .context("cannot run sh")?;
        let said = keeper.stdout.take().context("the keeper says nothing")?;
        let mut disk = Self { path: PathBuf::new(), keeper, said: BufReader::new(said) };
        let path = disk.line()?;
        ensure!(
            path.starts_with('/'),
            "cannot mount a disk for the test, which takes root or a sudo that asks nothing: {path}"
        );
        disk.path = path.into();
        Ok(disk)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it another size.
    ///
    /// # Errors
    /// When there is more in it.
    pub fn resize(&mut self, mebibytes: u32) -> Result<()> {
        let stdin = self.keeper.stdin.as_mut().context("the keeper has ended")?;
        stdin.write_all(format!("{mebibytes}\n").as_bytes())?;
        match self.line()?.as_str() {
            "grown" => Ok(()),
            said => bail!("cannot make the disk {mebibytes} MiB large: {said}"),
        }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.said.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        self.keeper.wait().ok();
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    #[test]
    fn a_small_disk_is_full_soon_can_grow_and_goes() {
        let mut disk = SmallDisk::new(1).unwrap();
        let file = disk.path().join("much");
        let full = std::fs::write(&file, vec![0; 2 * 1024 * 1024]).unwrap_err();
        assert_eq!(full.kind(), ErrorKind::StorageFull);
        disk.resize(4).unwrap();
        std::fs::write(&file, vec![0; 2 * 1024 * 1024]).unwrap();
        let path = disk.path().to_owned();
        drop(disk);
        assert!(!path.exists());
    }
}
