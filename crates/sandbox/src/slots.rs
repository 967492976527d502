//! Slots: how many tasks compute at once. Each slot has at most one worker process, which stays
//! between tasks of one job and one program, and never sees two jobs.
//!
//! Their number may change at any time. Tasks that run beyond a lower one, and all of them during
//! a pause, stand still: they use no processor, their wall clocks stop, and they go on later.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use medusa_types::Sha256Hash;
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::Instant;

use crate::blank::Blanks;
use crate::brake::{Brake, Lever};
use crate::child::Child;
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
    state: Mutex<State>,
    blanks: Blanks,
}

#[derive(Debug, Default)]
struct State {
    /// How many tasks may compute.
    limit: usize,
    /// Slots in use that are free for nobody afterwards, because the limit was lowered.
    excess: usize,
    is_paused: bool,
    /// Those in use, in the order in which they were taken.
    busy: Vec<(u64, Lever)>,
    /// Names the next one.
    next: u64,
    /// Workers that stayed, in the order in which they came back. Together with those in use they
    /// are no more than the limit.
    parked: Vec<Parked>,
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
    id: u64,
    brake: Brake,
    parked: Option<Parked>,
    /// Released after the slot is parked again: fields drop after `Drop::drop`.
    permit: Option<SemaphorePermit<'a>>,
}

impl Slots {
    /// So many.
    #[must_use]
    pub fn new(count: u32) -> Self {
        let (state, blanks) = (Mutex::default(), Blanks::new());
        let slots = Self { free: Semaphore::new(0), state, blanks };
        slots.limit(count);
        slots
    }

    /// From now on so many tasks may compute at once. Where more do, the last to begin stand still
    /// until others end; none is lost.
    pub fn limit(&self, count: u32) {
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let mut state = self.state();
        let fewer = state.limit.saturating_sub(count);
        let more = count.saturating_sub(state.limit);
        state.limit = count;
        let taken_back = self.free.forget_permits(fewer);
        let paid = more.min(state.excess);
        state.excess = state.excess.saturating_add(fewer).saturating_sub(taken_back + paid);
        self.free.add_permits(more.saturating_sub(paid));
        self.settle(state);
    }

    /// Stops all tasks where they are, within a tenth of a second, or lets them go on. Nothing new
    /// begins meanwhile. Workers without a task are ended, because they take memory.
    pub fn pause(&self, is_paused: bool) {
        let mut state = self.state();
        state.is_paused = is_paused;
        self.settle(state);
    }

    /// Waits for a free slot, in the order of asking. The one with a fitting worker is preferred,
    /// then an empty one. Nothing if the slots were closed.
    pub async fn take(&self, purpose: &Purpose) -> Option<Slot<'_>> {
        let permit = self.free.acquire().await.ok()?;
        let mut state = self.state();
        let fits = state.parked.iter().position(|parked| parked.purpose == *purpose);
        let parked = fits.map(|index| state.parked.remove(index));
        let id = state.next;
        state.next = id.wrapping_add(1);
        let lever = Lever::new(state.is_paused);
        let brake = lever.brake();
        state.busy.push((id, lever));
        state.settle();
        Some(Slot { slots: self, id, brake, parked, permit: Some(permit) })
    }

    /// Ends workers that had nothing to do for a while, and those of these jobs.
    pub fn tidy(&self, gone: &[String]) {
        let is_over = |p: &Parked| p.since.elapsed() >= IDLE || gone.contains(&p.purpose.job);
        self.state().parked.retain(|parked| !is_over(parked));
        self.blanks.tidy();
    }

    /// A worker for one program and one job, whatever slots are free: a blank one, which others
    /// replace in the background, or else a new one. Whoever asks sees to it that it is used for
    /// nothing else.
    ///
    /// # Errors
    /// [`WorkerError`] when it could not be started.
    pub async fn worker(
        &self,
        modules: &Modules,
        program: &Compiled,
    ) -> Result<Worker, WorkerError> {
        if let Some(blank) = self.blanks.give(modules.launch()) {
            match Worker::load(blank, modules, program, None).await {
                Err(WorkerError::Child(error)) => {
                    tracing::debug!(%error, "a blank worker was lost");
                }
                loaded => return loaded.map(|(worker, _)| worker),
            }
        }
        Worker::start(modules, program).await
    }

    fn settle(&self, mut state: MutexGuard<'_, State>) {
        state.settle();
        self.blanks.want(if state.is_paused { 0 } else { state.limit });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Stops those that must not compute, lets the others go on, and ends workers that have no
    /// slot to stay in.
    fn settle(&mut self) {
        for (place, (_, lever)) in self.busy.iter().enumerate() {
            lever.pull(self.is_paused || place >= self.limit);
        }
        let places = if self.is_paused { 0 } else { self.limit };
        let kept = places.saturating_sub(self.busy.len()).min(self.parked.len());
        self.parked.drain(..self.parked.len().saturating_sub(kept));
    }
}

impl Slot<'_> {
    pub(crate) fn brake(&self) -> Brake {
        self.brake.clone()
    }

    /// Whether what has this slot stands still, because of a pause or of a lower number of slots.
    #[must_use]
    pub fn stillness(&self) -> Option<watch::Receiver<bool>> {
        self.brake.watch()
    }

    /// A process that saw nothing of any job yet, in place of the worker that stayed.
    pub(crate) async fn blank(&mut self, modules: &Modules) -> Result<Child, WorkerError> {
        self.brake.released().await;
        self.parked = None;
        match self.slots.blanks.give(modules.launch()) {
            Some(blank) => Ok(blank),
            None => Ok(modules.launch().start().await?),
        }
    }

    /// Runs a task on the worker that stayed for this purpose, or on a blank or new one.
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
        self.brake.released().await;
        // While it runs, the worker belongs to this future: dropping it kills the process.
        let mut worker = match self.parked.take() {
            Some(parked) if parked.purpose == purpose => parked.worker,
            other => {
                drop(other);
                self.slots.worker(modules, program).await?
            }
        };
        let report = worker.run_braked(task, &mut self.brake).await?;
        // Past its wall limit the process was killed.
        if worker.is_alive() {
            self.parked = Some(Parked { purpose, worker, since: Instant::now() });
        }
        Ok(report)
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let mut state = self.slots.state();
        state.busy.retain(|(id, _)| *id != self.id);
        if let Some(excess) = state.excess.checked_sub(1) {
            state.excess = excess;
            if let Some(permit) = self.permit.take() {
                permit.forget();
            }
        }
        state.parked.extend(self.parked.take());
        state.settle();
    }
}
