//! The server's own sandbox behind the port of jobs: inspection, quotes, referee. Each run is a
//! fresh worker process.

use bytes::Bytes;
use medusa_jobs::port::{Ran, Run, Runner};
use medusa_platform::auth::BoxFuture;
use medusa_platform::{ApiError, BlobStore};
use medusa_sandbox::{CompileError, Modules, Refusal, Task, Worker, WorkerError};
use medusa_types::Fuel;

/// The sandbox of this server.
pub(crate) struct ServerRunner {
    modules: Modules,
    blobs: BlobStore,
}

impl ServerRunner {
    /// With compiled programs in this cache.
    pub(crate) fn new(modules: Modules, blobs: BlobStore) -> Self {
        Self { modules, blobs }
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
        let mut worker = Worker::start(&self.modules, &compiled).await.map_err(broken)?;
        let report = worker.run(task).await.map_err(broken)?;
        worker.stop().await;
        Ok(Ran {
            outcome: report.outcome,
            output: report.output.into(),
            fuel: Fuel(report.fuel),
            stderr: report.stderr,
            cpu_ms: report.cpu_ms,
        })
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
