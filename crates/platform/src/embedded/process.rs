//! One server process: started by us or found alive, watched until it is ready, and stopped.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::error::{EmbeddedError, on};
use super::place::Account;

/// Pause between two looks at a process that starts or stops.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// What is read of a log to show its last lines.
const TAIL_BYTES: u64 = 4096;
/// Lines of a log that are shown.
const TAIL_LINES: usize = 12;

/// A server process.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) program: &'static str,
    pub(super) pid: Pid,
    log: PathBuf,
    /// `None` for a process that was adopted.
    child: Option<Child>,
}

impl Process {
    /// Starts a server whose output goes to the log.
    pub(super) fn spawn(
        program: &'static str,
        mut command: Command,
        account: Account,
        log: &Path,
    ) -> Result<Self, EmbeddedError> {
        let child = detached(&mut command, Stdio::null(), account, log)?;
        let pid = Pid::from_raw(child.id().try_into().unwrap_or(i32::MAX));
        Ok(Self { program, pid, log: log.to_owned(), child: Some(child) })
    }

    /// Takes over a server that lives already, going by the file in which it keeps its process id.
    pub(super) fn adopt(program: &'static str, pid_file: &Path, log: &Path) -> Option<Self> {
        let pid = living(pid_file)?;
        Some(Self { program, pid, log: log.to_owned(), child: None })
    }

    /// Whether we did not start it.
    pub(super) fn adopted(&self) -> bool {
        self.child.is_none()
    }

    /// Waits until `ready` says so.
    pub(super) fn wait_ready(
        &mut self,
        limit: Duration,
        mut ready: impl FnMut() -> bool,
    ) -> Result<(), EmbeddedError> {
        let began = Instant::now();
        while !ready() {
            if self.ended() {
                return Err(died(self.program, &self.log));
            }
            if began.elapsed() > limit {
                return Err(self.slow("ready", limit));
            }
            sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// Asks it to end and waits; asks more firmly with the second signal when the time is up.
    pub(super) fn stop(
        &mut self,
        ask: Signal,
        insist: Signal,
        limit: Duration,
    ) -> Result<(), EmbeddedError> {
        for signal in [ask, insist] {
            match kill(self.pid, signal) {
                Ok(()) => {}
                Err(Errno::ESRCH) => return Ok(()),
                Err(e) => return Err(on("stop", Path::new(self.program))(e)),
            }
            let began = Instant::now();
            while began.elapsed() < limit {
                if self.ended() {
                    return Ok(());
                }
                sleep(LOOK_EVERY);
            }
        }
        Err(self.slow("stopped", limit.saturating_mul(2)))
    }

    fn ended(&mut self) -> bool {
        match &mut self.child {
            Some(child) => !matches!(child.try_wait(), Ok(None)),
            None => !lives(self.pid),
        }
    }

    fn slow(&self, what: &'static str, limit: Duration) -> EmbeddedError {
        let (program, log) = (self.program, self.log.clone());
        EmbeddedError::Slow { program, what, seconds: limit.as_secs(), log }
    }
}

/// Runs a tool to its end; its output goes to the log.
pub(super) fn run(
    program: &'static str,
    mut command: Command,
    stdin: Stdio,
    account: Account,
    log: &Path,
) -> Result<(), EmbeddedError> {
    let mut child = detached(&mut command, stdin, account, log)?;
    let status = child.wait().map_err(on("wait for", Path::new(program)))?;
    if status.success() { Ok(()) } else { Err(died(program, log)) }
}

/// The last lines of a log.
#[must_use]
pub fn tail(log: &Path) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(log)?;
        let start = file.metadata()?.len().saturating_sub(TAIL_BYTES);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let shown = lines.iter().skip(lines.len().saturating_sub(TAIL_LINES));
    shown.map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

fn detached(
    command: &mut Command,
    stdin: Stdio,
    account: Account,
    log: &Path,
) -> Result<Child, EmbeddedError> {
    if let Some(parent) = log.parent() {
        fs::create_dir_all(parent).map_err(on("make", parent))?;
    }
    let out = OpenOptions::new().create(true).append(true).open(log).map_err(on("open", log))?;
    let err = out.try_clone().map_err(on("open", log))?;
    account.apply(command);
    command.stdin(stdin).stdout(out).stderr(err);
    command.spawn().map_err(on("run", Path::new(command.get_program())))
}

fn died(program: &'static str, log: &Path) -> EmbeddedError {
    EmbeddedError::Died { program, log: log.to_owned(), tail: tail(log) }
}

/// The living process that a pid or lock file names. The file of a dead one is removed: a zombie
/// would look alive to the server's next start.
pub(super) fn living(file: &Path) -> Option<Pid> {
    let pid = fs::read_to_string(file).ok()?.lines().next()?.trim().parse().ok()?;
    let pid = Pid::from_raw(pid);
    if pid.as_raw() > 1 && lives(pid) {
        return Some(pid);
    }
    fs::remove_file(file).ok()?;
    None
}

/// Whether a process runs. One that has ended but was not collected by its parent does not.
fn lives(pid: Pid) -> bool {
    if matches!(kill(pid, None), Err(Errno::ESRCH)) {
        return false;
    }
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    !matches!(state, Some('Z' | 'X'))
}
