//! A worker: one process with one loaded program, for the chunks of one job.

use std::time::Duration;

use medusa_types::{Limits, Outcome};

use crate::brake::Brake;
use crate::child::{ANSWER_MAX, Bounds, Child, ChildError, TEXT_BYTES_MAX};
use crate::modules::{Compiled, Modules, forget};
use crate::task::{Reply, Report, Request, Task};
use crate::walls::Walls;

/// What a worker needs beside its guest; a hundred tables of the largest size are 76 MiB of it.
const ENGINE_BYTES_MAX: u64 = 192 << 20;
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
    walls: Walls,
    /// The size of the compiled program: its code becomes memory of the process.
    code_bytes: u64,
}

impl Worker {
    /// Starts a process and loads the program.
    ///
    /// # Errors
    /// [`WorkerError`] when it cannot.
    pub async fn start(modules: &Modules, compiled: &Compiled) -> Result<Self, WorkerError> {
        let child = modules.launch().start().await?;
        Ok(Self::load(child, modules, compiled, None).await?.0)
    }

    /// Makes a process, which saw nothing of any job yet, the worker for this program. Whether it
    /// has the shared memory at this path now.
    pub(crate) async fn load(
        mut child: Child,
        modules: &Modules,
        compiled: &Compiled,
        area: Option<String>,
    ) -> Result<(Self, bool), WorkerError> {
        let path = compiled.path.to_str().ok_or_else(|| {
            WorkerError::Load("the path of the cache's folder is not text".into())
        })?;
        let request = Request::Load(compiled.strict, path.to_owned(), area);
        match child.ask(&request, TEXT_BYTES_MAX, ANSWER_MAX).await? {
            Reply::Loaded(walls, shares) => {
                modules.found(walls);
                let code_bytes = tokio::fs::metadata(&compiled.path).await.map_or(0, |m| m.len());
                Ok((Self { child, walls, code_bytes }, shares))
            }
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
        let bounds = Bounds {
            reply_bytes: reply_bytes_max(&limits),
            within: wall,
            resident_bytes: self.resident_bytes_max(&task),
        };
        let request = Request::Run(task);
        match self.child.ask_braked(&request, &bounds, brake).await {
            Ok(Reply::Report(report)) => Ok(report),
            Ok(Reply::Failed(why)) => Err(WorkerError::Task(why)),
            Ok(other) => Err(ChildError::unasked(&other).into()),
            Err(ChildError::Late { .. }) => Ok(killed(limits.wall_ms)),
            Err(error) => Err(error.into()),
        }
    }

    /// The most memory that its process may have during a task.
    pub(crate) fn resident_bytes_max(&self, task: &Task) -> u64 {
        let program = self.code_bytes.saturating_add(ENGINE_BYTES_MAX);
        bytes_of_guest(task).saturating_add(program)
    }

    pub(crate) fn into_child(self) -> Child {
        self.child
    }

    /// What stands around its process.
    #[must_use]
    pub const fn walls(&self) -> Walls {
        self.walls
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

/// The most memory that a worker can have because of a guest: the guest's own and a tenth, its
/// input as it came and as it is kept, its output as it grew, as a bundle and on its way.
fn bytes_of_guest(task: &Task) -> u64 {
    let limits = &task.limits;
    let files: usize = task.files.iter().map(|(_, content)| content.len()).sum();
    let input = u64::try_from(task.stdin.len().saturating_add(files)).unwrap_or(u64::MAX);
    let tenth = limits.memory_bytes.checked_div(10).unwrap_or_default();
    [
        limits.memory_bytes,
        tenth,
        input.saturating_mul(3),
        limits.output_bytes.saturating_add(limits.stderr_bytes).saturating_mul(6),
    ]
    .into_iter()
    .fold(0, u64::saturating_add)
}

/// The longest report. Text grows threefold at most when its bytes are not UTF-8.
pub(crate) fn reply_bytes_max(limits: &Limits) -> u64 {
    limits
        .output_bytes
        .saturating_add(limits.stderr_bytes.saturating_mul(3))
        .saturating_add(REPORT_BYTES_MAX)
}

/// The report on a process that was killed: all that is known is that it took too long.
pub(crate) fn killed(wall_ms: u64) -> Report {
    Report {
        outcome: Outcome::WallOut,
        output: Vec::new(),
        fuel: 0,
        stderr: format!("stopped after {wall_ms} ms\n"),
        memory_bytes: 0,
        cpu_ms: 0,
    }
}
