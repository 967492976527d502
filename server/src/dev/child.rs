//! A child process that ends with the launcher: it holds the other end of the child's standard
//! input, which closes however the launcher ends.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use medusa_platform::embedded::tail;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child as Process, ChildStdin, Command};

/// How long a child may take to end by itself.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// A running child.
pub(super) struct Child {
    name: String,
    log: PathBuf,
    process: Process,
    /// Held outside of `process`, which closes what it has before it waits.
    stdin: Option<ChildStdin>,
}

impl Child {
    /// Starts it with its output in the log. Ctrl-C does not reach it: its process group is its
    /// own.
    pub(super) fn start(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let out = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("could not open {}", log.display()))?;
        command.env("NO_COLOR", "1").stdin(Stdio::piped()).stdout(out.try_clone()?).stderr(out);
        let mut process = command
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("could not start {name}"))?;
        let stdin = process.stdin.take();
        Ok(Self { name: name.to_owned(), log: log.to_owned(), process, stdin })
    }

    /// Waits for its end, which nobody asked for.
    pub(super) async fn fails(&mut self) -> anyhow::Error {
        let status = match self.process.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        let (name, log) = (&self.name, self.log.display());
        anyhow!("{name} ended ({status}); the end of {log}:\n{}", tail(&self.log))
    }

    /// Asks it to end, waits, and ends it when it takes too long.
    pub(super) async fn stop(mut self) -> Result<()> {
        drop(self.stdin.take());
        if let Some(id) = self.process.id().and_then(|id| i32::try_from(id).ok()) {
            // It may have ended in this moment.
            kill(Pid::from_raw(id), Signal::SIGTERM).ok();
        }
        if tokio::time::timeout(STOP_LIMIT, self.process.wait()).await.is_err() {
            self.process.kill().await.with_context(|| format!("could not end {}", self.name))?;
        }
        Ok(())
    }
}
