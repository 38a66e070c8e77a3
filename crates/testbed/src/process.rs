//! Programs run by tests.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::net::TcpStream;

use crate::wait::wait_until;

/// Runs the program in a session of its own, names its pid, and gives its exit code. Standard input is a pipe from
/// the test process: when it ends, whether by a drop or because that process was killed, the program and all it
/// started are killed. Its code is given when none of those is left, but within a second: where
/// nobody reaps orphans, the dead stay listed. (Dash knows `--` only after `-s`.)
const KEEPER: &str = r#"
output=$1
shift
exec 3<&0
setsid "$@" </dev/null >>"$output" 2>&1 3<&- &
program=$!
echo "$program"
exec >/dev/null 2>&1
{ read -r _ <&3; kill -s KILL -- "-$program"; kill -s KILL "$program"; } &
watch=$!
wait "$program"
code=$?
kill -s KILL "$watch"
for _ in $(seq 50); do
  kill -s KILL -- "-$program" || break
  sleep 0.01
done
exit "$code"
"#;

/// A running (or ended) program. Dropping it kills it with all it started; so does the end of the test process, even
/// by SIGKILL.
#[derive(Debug)]
pub struct Process {
    name: String,
    pid: u32,
    keeper: Child,
    output: PathBuf,
    /// Where this run's lines begin in a file that may hold those of runs before.
    output_start: u64,
    code: Option<i32>,
}

impl Process {
    /// Starts the program `command` describes (program, arguments, environment, folder; its own settings for standard
    /// input, output and error don't count, nor does `env_clear`). What it writes is appended to the file `output`.
    ///
    /// # Errors
    /// When the program or the file cannot be opened.
    pub fn start(command: &Command, output: impl AsRef<Path>) -> Result<Self> {
        let output = output.as_ref().to_owned();
        let program = command.get_program();
        let name = Path::new(program).file_name().unwrap_or(program).to_string_lossy().into_owned();
        let output_start = File::options()
            .append(true)
            .create(true)
            .open(&output)
            .and_then(|file| file.metadata())
            .with_context(|| format!("cannot open {}", output.display()))?
            .len();

        let mut keeper = Command::new("sh");
        keeper
            .args(["-c", KEEPER, "keeper"])
            .arg(&output)
            .arg(program)
            .args(command.get_args())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Not in the test's process group: Ctrl-C and a runner's SIGKILL to the group must not reach it.
            .process_group(0);
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => keeper.env(key, value),
                None => keeper.env_remove(key),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            keeper.current_dir(folder);
        }
        let mut keeper = keeper.spawn().context("cannot run sh")?;
        let mut pid = String::new();
        if let Some(said) = keeper.stdout.take() {
            BufReader::new(said).read_line(&mut pid)?;
        }
        let pid = pid.trim_end().parse().with_context(|| format!("{name} did not start"))?;
        Ok(Self { name, pid, keeper, output, output_start, code: None })
    }

    /// The program's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The file that has what it wrote to standard output and error.
    #[must_use]
    pub fn output_file(&self) -> &Path {
        &self.output
    }

    /// What it has written since it started.
    #[must_use]
    pub fn output(&self) -> String {
        let read = || -> std::io::Result<String> {
            let mut file = File::open(&self.output)?;
            file.seek(SeekFrom::Start(self.output_start))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        // The folder may be gone already; then nothing is left to show.
        read().unwrap_or_default()
    }

    /// Awaits a whole line that contains `text`, and gives it without its line end.
    ///
    /// # Errors
    /// After `limit`, or as soon as the program has ended without writing it; with the end of its output.
    pub async fn wait_for_line(&mut self, text: &str, limit: Duration) -> Result<String> {
        let mut found = None;
        let mut ended = None;
        let waited = wait_until(limit, &format!("{} says {text:?}", self.name), async || {
            // First the state, then the output: what an ended program wrote last is seen.
            ended = self.exit_code();
            found = complete_lines(&self.output()).find(|line| line.contains(text)).map(str::to_owned);
            found.is_some() || ended.is_some()
        })
        .await;
        match found {
            Some(line) => Ok(line),
            None => {
                if let Some(code) = ended {
                    bail!("{} ended with {code} before it said {text:?}\n{}", self.name, self.tail());
                }
                waited.with_context(|| self.tail())?;
                bail!("{} did not say {text:?}", self.name)
            }
        }
    }

    /// Awaits that 127.0.0.1:`port` accepts connections.
    ///
    /// # Errors
    /// After `limit`, or as soon as the program has ended; with the end of its output.
    pub async fn wait_for_port(&mut self, port: u16, limit: Duration) -> Result<()> {
        let mut ended = None;
        wait_until(limit, &format!("{} listens on port {port}", self.name), async || {
            ended = self.exit_code();
            ended.is_some() || TcpStream::connect(("127.0.0.1", port)).await.is_ok()
        })
        .await
        .with_context(|| self.tail())?;
        if let Some(code) = ended {
            bail!("{} ended with {code} before it listened on port {port}\n{}", self.name, self.tail());
        }
        Ok(())
    }

    /// The exit code if it has ended: as shells have it, 128 + n after signal n (137 after SIGKILL), 127 when there
    /// is no such program.
    pub fn exit_code(&mut self) -> Option<i32> {
        if self.code.is_none() {
            let status = self.keeper.try_wait().ok().flatten()?;
            self.code = Some(status.code().unwrap_or(-1));
        }
        self.code
    }

    /// Awaits its end and gives its [`exit_code`](Self::exit_code).
    ///
    /// # Errors
    /// After `limit`, with the end of its output.
    pub async fn wait(&mut self, limit: Duration) -> Result<i32> {
        let mut code = None;
        wait_until(limit, &format!("{} ends", self.name), async || {
            code = self.exit_code();
            code.is_some()
        })
        .await
        .with_context(|| self.tail())?;
        code.context("ended without a code")
    }

    /// Sends SIGKILL to it and all it started, and awaits its end.
    ///
    /// # Errors
    /// When it does not end within ten seconds.
    pub async fn kill(&mut self) -> Result<()> {
        if self.exit_code().is_none() {
            // Its end is the order to kill.
            drop(self.keeper.stdin.take());
            self.wait(Duration::from_secs(10)).await?;
        }
        Ok(())
    }

    /// Sends SIGTERM to it and awaits its end; gives its exit code.
    ///
    /// # Errors
    /// When it does not end within `limit`.
    pub async fn terminate(&mut self, limit: Duration) -> Result<i32> {
        self.signal("TERM")?;
        self.wait(limit).await
    }

    /// Freezes it and all it started: ports stay open, nothing answers. [`resume`](Self::resume) thaws them.
    ///
    /// # Errors
    /// When it has ended.
    pub fn pause(&self) -> Result<()> {
        self.signal_all("STOP")
    }

    /// Thaws what [`pause`](Self::pause) froze.
    ///
    /// # Errors
    /// When it has ended.
    pub fn resume(&self) -> Result<()> {
        self.signal_all("CONT")
    }

    /// Sends the signal (`"HUP"`, `"INT"`, …) to the program alone.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&self, name: &str) -> Result<()> {
        send_signal(name, &self.pid.to_string())
    }

    fn signal_all(&self, name: &str) -> Result<()> {
        send_signal(name, &format!("-{}", self.pid))
    }

    /// The last lines it wrote, for error messages.
    fn tail(&self) -> String {
        let output = self.output();
        let lines: Vec<&str> = output.lines().collect();
        let last = lines[lines.len().saturating_sub(30)..].join("\n");
        format!("{} wrote last ({}):\n{last}", self.name, self.output.display())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Its end is the order to kill.
        drop(self.keeper.stdin.take());
        self.keeper.wait().ok();
    }
}

/// Sends a signal to a process (`"123"`) or a group (`"-123"`). The shell's own `kill` is on every machine.
pub(crate) fn send_signal(name: &str, target: &str) -> Result<()> {
    let sent = Command::new("sh")
        .args(["-c", r#"kill -s "$1" -- "$2""#, "kill", name, target])
        .stdin(Stdio::null())
        .output()
        .context("cannot run sh")?;
    ensure!(
        sent.status.success(),
        "SIG{name} did not reach {target}: {}",
        String::from_utf8_lossy(&sent.stderr).trim_end()
    );
    Ok(())
}

fn complete_lines(output: &str) -> impl Iterator<Item = &str> {
    output.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'))
}

/// The program `name` on `PATH`.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(name))
        .find(|file| is_program(file))
}

pub(crate) fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
