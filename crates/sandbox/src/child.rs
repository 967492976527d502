//! The parent's end of a worker process: start it, ask it, kill it.
//!
//! A child is trusted with nothing: its answers have a size limit and are checked like any input.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child as Process, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, sleep};

use crate::brake::{Brake, hold};
use crate::os;
use crate::task::{Reply, Request, frame, message};

/// How much of a dying worker's last words is kept.
const LAST_WORDS_BYTES_MAX: u64 = 4_096;

/// The longest answer in words.
pub(crate) const TEXT_BYTES_MAX: u64 = 64 << 10;
/// How often a worker is weighed.
pub(crate) const WEIGHED_EVERY: Duration = Duration::from_millis(200);
/// How long an answer may take that needs no work; a busy machine is slow to start processes.
pub(crate) const ANSWER_MAX: Duration = Duration::from_secs(60);

/// How to start a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Launch {
    pub(crate) exe: PathBuf,
    pub(crate) args: Vec<String>,
    /// An empty folder.
    pub(crate) folder: PathBuf,
    /// It computes only when nothing else on the machine wants to.
    pub(crate) last: bool,
}

impl Launch {
    /// Starts one.
    pub(crate) async fn start(&self) -> Result<Child, ChildError> {
        let failed = |source| ChildError::Start { exe: self.exe.clone(), source };
        tokio::fs::create_dir_all(&self.folder).await.map_err(failed)?;
        let child = Child::start(self).map_err(failed)?;
        if self.last {
            child.put_last();
        }
        Ok(child)
    }
}

/// Why a worker process gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// It did not start.
    #[error("could not start the worker {path:?}", path = exe.display())]
    Start {
        /// The program.
        exe: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// It ended unasked.
    #[error("the worker ended unexpectedly ({status}): {last_words}")]
    Died {
        /// How it ended.
        status: String,
        /// What it printed at last.
        last_words: String,
    },
    /// It answered something else than was asked.
    #[error("the worker gave a wrong answer: {0}")]
    Confused(String),
    /// It took too long, and was killed.
    #[error("the worker took longer than {ms} ms")]
    Late {
        /// How long it was given.
        ms: u128,
    },
    /// It had more memory than a guest can be the reason of, and was killed.
    #[error("the worker had {mib} MiB of memory, where {mib_max} are the most that it may need")]
    Swollen {
        /// What it had.
        mib: u64,
        /// What it may have.
        mib_max: u64,
    },
    /// It was stopped before, or an earlier question was given up.
    #[error("the worker is stopped")]
    Stopped,
}

impl ChildError {
    /// The reply to another question.
    pub(crate) fn unasked(reply: &Reply) -> Self {
        Self::Confused(match reply {
            Reply::Text(text) | Reply::Failed(text) => text.clone(),
            Reply::Compiled(_) => "a compiled module".into(),
            Reply::Report(_) => "a report".into(),
            Reply::Loaded(..) => "a loaded program".into(),
        })
    }
}

/// What answering one question may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// The longest answer.
    pub(crate) reply_bytes: u64,
    /// Real time, without what the brake takes.
    pub(crate) within: Duration,
    /// Memory of its own.
    pub(crate) resident_bytes: u64,
}

/// A worker process, with one question at a time. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Child {
    process: Process,
    /// None once it cannot be asked any more.
    pipes: Option<(ChildStdin, ChildStdout)>,
    last_words: Option<ChildStderr>,
}

impl Child {
    fn start(launch: &Launch) -> std::io::Result<Self> {
        let mut command = Command::new(&launch.exe);
        command
            .args(&launch.args)
            .env_clear()
            .current_dir(&launch.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut process = command.spawn()?;
        let pipes = process.stdin.take().zip(process.stdout.take());
        let last_words = process.stderr.take();
        Ok(Self { process, pipes, last_words })
    }

    /// Asks one thing, and kills the child when it takes too long. When this is given up
    /// half-way, the child cannot be asked again.
    pub(crate) async fn ask(
        &mut self,
        request: &Request,
        reply_bytes_max: u64,
        within: Duration,
    ) -> Result<Reply, ChildError> {
        let bounds = Bounds { reply_bytes: reply_bytes_max, within, resident_bytes: u64::MAX };
        self.ask_braked(request, &bounds, &mut Brake::none()).await
    }

    /// Like [`Child::ask`]; while the brake is pulled, the child stands still and no time passes.
    pub(crate) async fn ask_braked(
        &mut self,
        request: &Request,
        bounds: &Bounds,
        brake: &mut Brake,
    ) -> Result<Reply, ChildError> {
        brake.released().await;
        let answer = self.attend(request, bounds, brake).await;
        if matches!(answer, Err(ChildError::Late { .. } | ChildError::Swollen { .. })) {
            self.kill().await;
        }
        answer
    }

    async fn attend(
        &mut self,
        request: &Request,
        bounds: &Bounds,
        brake: &mut Brake,
    ) -> Result<Reply, ChildError> {
        let child = self.id().ok_or(ChildError::Stopped)?;
        let mut exchange = pin!(self.exchange(request, bounds.reply_bytes));
        let mut swollen = pin!(swollen(child, bounds.resident_bytes));
        let mut left = bounds.within;
        loop {
            let since = Instant::now();
            tokio::select! {
                biased;
                answer = &mut exchange => return answer,
                () = brake.pulled() => {}
                error = &mut swollen => return Err(error),
                () = sleep(left) => return Err(ChildError::Late { ms: bounds.within.as_millis() }),
            }
            left = left.saturating_sub(since.elapsed());
            hold(child, true);
            let answer = tokio::select! {
                biased;
                answer = &mut exchange => Some(answer),
                () = brake.released() => None,
            };
            // After an error the process may be gone, and its number another's.
            if !matches!(answer, Some(Err(_))) {
                hold(child, false);
            }
            if let Some(answer) = answer {
                return answer;
            }
        }
    }

    async fn exchange(
        &mut self,
        request: &Request,
        reply_bytes_max: u64,
    ) -> Result<Reply, ChildError> {
        let (mut stdin, mut stdout) = self.pipes.take().ok_or(ChildError::Stopped)?;
        let bytes = frame(request).map_err(ChildError::Confused)?;
        let exchanged = async {
            stdin.write_all(&bytes).await?;
            drop(bytes);
            let length = u64::from(stdout.read_u32_le().await?);
            if length > reply_bytes_max {
                return Ok(Err(format!("{length} bytes, where {reply_bytes_max} are the most")));
            }
            let mut content = Vec::new();
            (&mut stdout).take(length).read_to_end(&mut content).await?;
            Ok::<_, std::io::Error>(Ok(content))
        };
        let Ok(content) = exchanged.await else { return Err(self.bury().await) };
        let content = content.map_err(ChildError::Confused)?;
        let reply = message(&content).map_err(ChildError::Confused)?;
        self.pipes = Some((stdin, stdout));
        Ok(reply)
    }

    fn put_last(&self) {
        if let Some(Err(error)) = self.id().map(os::put_last) {
            tracing::warn!(%error, "a worker keeps its priority");
        }
    }

    pub(crate) fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// For whoever talks to it in another way.
    pub(crate) const fn take_pipes(&mut self) -> Option<(ChildStdin, ChildStdout)> {
        self.pipes.take()
    }

    pub(crate) const fn is_ready(&self) -> bool {
        self.pipes.is_some()
    }

    /// Whether the process can be asked and did not end by itself.
    pub(crate) fn is_running(&mut self) -> bool {
        self.is_ready() && matches!(self.process.try_wait(), Ok(None))
    }

    /// Kills the process and waits until it is gone.
    pub(crate) async fn kill(&mut self) {
        self.pipes = None;
        if let Err(error) = self.process.kill().await {
            tracing::warn!(%error, "could not kill a worker");
        }
    }

    /// What became of a process that hung up.
    pub(crate) async fn bury(&mut self) -> ChildError {
        let mut words = Vec::new();
        if let Some(stderr) = self.last_words.take() {
            // What cannot be read is not needed.
            stderr.take(LAST_WORDS_BYTES_MAX).read_to_end(&mut words).await.unwrap_or_default();
        }
        let status = self.process.wait().await;
        let status = status.map_or_else(|error| error.to_string(), |s: ExitStatus| s.to_string());
        let last_words = String::from_utf8_lossy(&words).trim().to_owned();
        ChildError::Died { status, last_words }
    }
}

/// Ends when the process has more memory of its own than it may; never where that is not known.
async fn swollen(process: u32, bytes_max: u64) -> ChildError {
    loop {
        sleep(WEIGHED_EVERY).await;
        if let Some(error) = weigh(process, bytes_max) {
            return error;
        }
    }
}

/// Says so if the process has more memory of its own than it may.
pub(crate) fn weigh(process: u32, bytes_max: u64) -> Option<ChildError> {
    let bytes = os::resident_bytes(process).unwrap_or_default();
    let is_over = bytes > bytes_max;
    is_over.then_some(ChildError::Swollen { mib: bytes >> 20, mib_max: bytes_max >> 20 })
}

/// The path as a worker with another current folder needs it.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_worker_that_has_too_much_memory_is_ended_and_named() {
        let script = r#"x=$(head -c 60000000 /dev/zero | tr "\0" x); read -r line; read -r line"#;
        let launch = Launch {
            exe: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            folder: std::env::temp_dir(),
            last: false,
        };
        let within = Duration::from_secs(60);
        for (mib, is_swollen) in [(20, true), (500, false)] {
            let mut child = launch.start().await.expect("a process");
            let bounds = Bounds { reply_bytes: 9, within, resident_bytes: mib << 20 };
            let mut brake = Brake::none();
            let asked = child.ask_braked(&Request::Walls, &bounds, &mut brake);
            match tokio::time::timeout(Duration::from_secs(3), asked).await {
                Ok(Err(ChildError::Swollen { mib, mib_max: 20 })) => {
                    assert!(is_swollen && mib > 20, "{mib}");
                    assert!(!child.is_ready(), "it was ended");
                }
                other => assert!(!is_swollen && other.is_err(), "{other:?}"),
            }
        }
    }
}
