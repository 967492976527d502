//! Slots: how many tasks compute at once. Each slot has at most one worker process, which stays
//! between tasks of one job and one program, and never sees two jobs.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use medusa_types::Sha256Hash;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use crate::modules::{Compiled, Modules};
use crate::task::{Report, Task};
use crate::worker::{Worker, WorkerError};

/// A worker that had nothing to do for so long is ended.
const IDLE: Duration = Duration::from_secs(30);

/// What a worker is for. It is never used for anything else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purpose {
    /// The job.
    pub job: String,
    /// Its program.
    pub program: Sha256Hash,
    /// How that is compiled.
    pub strict: bool,
}

/// All slots of a process.
#[derive(Debug)]
pub struct Slots {
    free: Semaphore,
    /// One entry for each free slot, with the worker that stayed in it.
    parked: Mutex<Vec<Option<Parked>>>,
}

#[derive(Debug)]
struct Parked {
    purpose: Purpose,
    worker: Worker,
    since: Instant,
}

/// A slot in use. When it is dropped, the slot is free again.
#[derive(Debug)]
pub struct Slot<'a> {
    slots: &'a Slots,
    parked: Option<Parked>,
    /// Released after the slot is parked again: fields drop after `Drop::drop`.
    _permit: SemaphorePermit<'a>,
}

impl Slots {
    /// So many.
    #[must_use]
    pub fn new(count: u32) -> Self {
        let count = usize::try_from(count).unwrap_or(1);
        let parked = std::iter::repeat_with(|| None).take(count).collect();
        Self { free: Semaphore::new(count), parked: Mutex::new(parked) }
    }

    /// Waits for a free slot, in the order of asking. The one with a fitting worker is preferred,
    /// then an empty one. Nothing if the slots were closed.
    pub async fn take(&self, purpose: &Purpose) -> Option<Slot<'_>> {
        let permit = self.free.acquire().await.ok()?;
        let mut parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |p: &Option<Parked>| p.as_ref().is_some_and(|p| p.purpose == *purpose);
        let chosen =
            parked.iter().position(fits).or_else(|| parked.iter().position(Option::is_none));
        let index = chosen.unwrap_or_default();
        let parked = if index < parked.len() { parked.swap_remove(index) } else { None };
        Some(Slot { slots: self, parked, _permit: permit })
    }

    /// Ends workers that had nothing to do for a while, and those of these jobs.
    pub fn tidy(&self, gone: &[String]) {
        let mut parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        for slot in parked.iter_mut() {
            let is_over =
                |p: &mut Parked| p.since.elapsed() >= IDLE || gone.contains(&p.purpose.job);
            drop(slot.take_if(is_over));
        }
    }
}

impl Slot<'_> {
    /// Runs a task on the worker that stayed for this purpose, or on a new one.
    ///
    /// # Errors
    /// [`WorkerError`] when a worker could not be started, or could not run it.
    pub async fn run(
        &mut self,
        modules: &Modules,
        program: &Compiled,
        purpose: Purpose,
        task: Task,
    ) -> Result<Report, WorkerError> {
        // While it runs, the worker belongs to this future: dropping it kills the process.
        let mut worker = match self.parked.take() {
            Some(parked) if parked.purpose == purpose => parked.worker,
            other => {
                drop(other);
                Worker::start(modules, program).await?
            }
        };
        let report = worker.run(task).await?;
        // Past its wall limit the process was killed.
        if worker.is_alive() {
            self.parked = Some(Parked { purpose, worker, since: Instant::now() });
        }
        Ok(report)
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let mut parked = self.slots.parked.lock().unwrap_or_else(PoisonError::into_inner);
        parked.push(self.parked.take());
    }
}
