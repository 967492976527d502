//! A worker: one process with one loaded program, for the chunks of one job.

use std::time::Duration;

use medusa_types::Outcome;

use crate::brake::Brake;
use crate::child::{ANSWER_MAX, Child, ChildError, TEXT_BYTES_MAX};
use crate::modules::{Compiled, Modules, forget};
use crate::task::{Reply, Report, Request, Task};

/// Room for the names of the most files that a guest may make, and for the report around them.
const REPORT_BYTES_MAX: u64 = 64 << 20;

/// Why a worker did not run a task. It is never the program's fault.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The process failed; start another one.
    #[error(transparent)]
    Child(#[from] ChildError),
    /// The compiled file does not load. It was removed: compile again.
    #[error("the compiled module could not be loaded: {0}")]
    Load(String),
    /// The task cannot be shown to a guest.
    #[error("the task cannot be run: {0}")]
    Task(String),
}

/// One worker process, killed when this is dropped.
#[derive(Debug)]
pub struct Worker {
    child: Child,
}

impl Worker {
    /// Starts a process and loads the program.
    ///
    /// # Errors
    /// [`WorkerError`] when it cannot.
    pub async fn start(modules: &Modules, compiled: &Compiled) -> Result<Self, WorkerError> {
        Self::load(modules.launch().start().await?, compiled).await
    }

    /// Makes a process, which saw nothing of any job yet, the worker for this program.
    pub(crate) async fn load(mut child: Child, compiled: &Compiled) -> Result<Self, WorkerError> {
        let path = compiled.path.to_str().ok_or_else(|| {
            WorkerError::Load("the path of the cache's folder is not text".into())
        })?;
        let request = Request::Load(compiled.strict, path.to_owned());
        match child.ask(&request, TEXT_BYTES_MAX, ANSWER_MAX).await? {
            Reply::Text(_) => Ok(Self { child }),
            Reply::Failed(why) => {
                forget(&compiled.path).await;
                Err(WorkerError::Load(why))
            }
            other => Err(ChildError::unasked(&other).into()),
        }
    }

    /// Runs the program once. Past the wall limit the process is killed, and this worker can run
    /// nothing more; the same holds when the returned future is dropped half-way.
    ///
    /// # Errors
    /// [`WorkerError`] when the worker could not run it. Whatever the program did wrong is in the
    /// report.
    pub async fn run(&mut self, task: Task) -> Result<Report, WorkerError> {
        self.run_braked(task, &mut Brake::none()).await
    }

    /// Like [`Worker::run`]; while the brake is pulled, the run stands still and no time passes.
    pub(crate) async fn run_braked(
        &mut self,
        task: Task,
        brake: &mut Brake,
    ) -> Result<Report, WorkerError> {
        let limits = task.limits;
        let wall = Duration::from_millis(limits.wall_ms);
        // Text grows threefold at most when its bytes are not UTF-8.
        let reply_bytes_max = limits
            .output_bytes
            .saturating_add(limits.stderr_bytes.saturating_mul(3))
            .saturating_add(REPORT_BYTES_MAX);
        let request = Request::Run(task);
        match self.child.ask_braked(&request, reply_bytes_max, wall, brake).await {
            Ok(Reply::Report(report)) => Ok(report),
            Ok(Reply::Failed(why)) => Err(WorkerError::Task(why)),
            Ok(other) => Err(ChildError::unasked(&other).into()),
            Err(ChildError::Late { .. }) => Ok(killed(limits.wall_ms)),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether it can run another task.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.child.is_ready()
    }

    /// The number of its process, while it is alive.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Ends the process.
    pub async fn stop(mut self) {
        self.child.kill().await;
    }
}

/// The report on a process that was killed: all that is known is that it took too long.
fn killed(wall_ms: u64) -> Report {
    Report {
        outcome: Outcome::WallOut,
        output: Vec::new(),
        fuel: 0,
        stderr: format!("stopped after {wall_ms} ms\n"),
        memory_bytes: 0,
        cpu_ms: 0,
    }
}
