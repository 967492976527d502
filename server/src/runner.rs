//! The server's own sandbox behind the port of jobs: inspection, quotes, referee. A run is in a
//! worker process of its own, or in one that stayed from another run of the same job.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use medusa_jobs::port::{Ran, Run, Runner};
use medusa_platform::auth::BoxFuture;
use medusa_platform::supervise::supervise;
use medusa_platform::{ApiError, BlobStore};
use medusa_sandbox::{
    CompileError, Compiled, Modules, Purpose, Refusal, Report, Slots, Task, WorkerError,
};
use medusa_types::{Fuel, JobId, Sha256Hash};
use tokio_util::sync::CancellationToken;

/// Worker processes that may stay for more chunks of their jobs.
const SLOTS: u32 = 2;
/// Between two looks for those that nobody needed for a while.
const TIDY: Duration = Duration::from_secs(10);

/// The sandbox of this server.
pub(crate) struct ServerRunner {
    modules: Modules,
    blobs: BlobStore,
    slots: Arc<Slots>,
}

impl ServerRunner {
    /// With compiled programs in this cache.
    pub(crate) fn new(modules: Modules, blobs: BlobStore, stop: CancellationToken) -> Self {
        let slots = Arc::new(Slots::new(SLOTS));
        let tidied = Arc::clone(&slots);
        supervise("jobs.runner", stop, move || tidy(Arc::clone(&tidied)));
        Self { modules, blobs, slots }
    }

    async fn run_once(&self, run: Run) -> Result<Ran, ApiError> {
        let compiled = match self.modules.find(run.program, run.strict).await {
            Ok(Some(compiled)) => compiled,
            Ok(None) => {
                let wasm = self.blobs.get(run.program).await.map_err(|e| ApiError::internal(&e))?;
                let compiled = self.modules.compiled(run.program, run.strict, wasm).await;
                compiled.map_err(|error| compile_problem(&error))?
            }
            Err(error) => return Err(compile_problem(&error)),
        };
        let task = Task {
            args: run.args,
            env: run.env,
            stdin: run.stdin.to_vec(),
            files: run.files.into_iter().map(|(path, bytes)| (path, bytes.to_vec())).collect(),
            seed: run.seed,
            clock_ms: run.clock_ms,
            limits: run.limits,
        };
        let report = match run.job {
            Some(job) => self.run_of_job(job, (run.program, run.strict), &compiled, task).await,
            None => self.run_alone(&compiled, task).await,
        };
        let report = report.map_err(broken)?;
        Ok(Ran {
            outcome: report.outcome,
            output: report.output.into(),
            fuel: Fuel(report.fuel),
            stderr: report.stderr,
            cpu_ms: report.cpu_ms,
        })
    }

    async fn run_alone(&self, compiled: &Compiled, task: Task) -> Result<Report, WorkerError> {
        let mut worker = self.slots.worker(&self.modules, compiled).await?;
        let report = worker.run(task).await?;
        worker.stop().await;
        Ok(report)
    }

    async fn run_of_job(
        &self,
        job: JobId,
        (program, strict): (Sha256Hash, bool),
        compiled: &Compiled,
        task: Task,
    ) -> Result<Report, WorkerError> {
        let purpose = Purpose { job: job.to_string(), program, strict };
        match self.slots.take(&purpose).await {
            Some(mut slot) => slot.run(&self.modules, compiled, purpose, task).await,
            None => self.run_alone(compiled, task).await,
        }
    }
}

/// Ends workers that nobody needs any more, for ever.
async fn tidy(slots: Arc<Slots>) -> Result<(), Infallible> {
    let mut times = tokio::time::interval(TIDY);
    loop {
        times.tick().await;
        slots.tidy(&[]);
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of map_err")]
fn broken(error: WorkerError) -> ApiError {
    match &error {
        WorkerError::Task(why) => ApiError::new(
            422,
            "jobs.run_refused",
            "the run was refused",
            format!("the program cannot be run like this: {why}"),
        ),
        _ => ApiError::internal(&error),
    }
}

fn refusal_problem(refusal: &Refusal) -> ApiError {
    ApiError::new(422, refusal.code(), "the program was refused", refusal.to_string())
}

fn compile_problem(error: &CompileError) -> ApiError {
    match error {
        CompileError::Refused(refusal) => refusal_problem(refusal),
        refused if refused.is_refusal() => ApiError::new(
            422,
            "program.not_compiled",
            "the program was refused",
            refused.to_string(),
        ),
        other => ApiError::internal(other),
    }
}

impl Runner for ServerRunner {
    fn inspect(&self, wasm: Bytes) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move {
            let inspected = tokio::task::spawn_blocking(move || medusa_sandbox::inspect(&wasm));
            let inspected = inspected.await.map_err(|error| ApiError::internal(&error))?;
            inspected.map(|_| ()).map_err(|refusal| refusal_problem(&refusal))
        })
    }

    fn run(&self, run: Run) -> BoxFuture<'_, Result<Ran, ApiError>> {
        Box::pin(self.run_once(run))
    }
}
