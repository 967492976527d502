//! One lease, step by step: program and input, a slot, the run, the report.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use medusa_protocol::{Frame, INLINE_BYTES_MAX, Lease, Message, Part, Report, Yield, guest_env};
use medusa_sandbox::{Compiled, Purpose, Slots, Task, WorkerError};
use medusa_types::{Outcome, STDERR_CUT, Sha256Hash};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use super::memory::Memory;
use super::programs::Programs;
use crate::board::Board;
use crate::fetch::{Blobs, FetchError};
use crate::push;
use crate::server::Server;
use crate::state::Phase;

const MIB: u64 = 1024 * 1024;
/// Chunks whose inputs are loaded at the same time.
const FETCHES_MAX: usize = 16;
/// Standard error that a report carries; the end of it is kept.
const STDERR_BYTES_MAX: usize = 64 * 1024;
/// Larger outputs are hashed on the blocking pool.
const HASH_BYTES_MAX: usize = 256 * 1024;

/// Why this machine could not run a chunk; never the program's fault.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{words}")]
pub(crate) struct Fault {
    words: Arc<str>,
    pub(super) outcome: Outcome,
    /// The chunk is more than this machine lends: another one may have it.
    is_too_much: bool,
}

impl Fault {
    pub(crate) fn new(why: impl Into<Arc<str>>) -> Self {
        Self { words: why.into(), outcome: Outcome::AgentFault, is_too_much: false }
    }

    /// It needs more than this machine lends: nobody's fault.
    pub(crate) fn too_much(why: impl Into<Arc<str>>) -> Self {
        Self { is_too_much: true, ..Self::new(why) }
    }

    /// The same, which is not this machine's fault either.
    pub(crate) fn told_as(self, outcome: Outcome) -> Self {
        Self { outcome, ..self }
    }

    /// What failed, and all reasons behind it.
    pub(crate) fn because(what: &str, error: &dyn std::error::Error) -> Self {
        let mut why = format!("{what}: {error}");
        let mut inner = error.source();
        while let Some(source) = inner {
            why = format!("{why}: {source}");
            inner = source.source();
        }
        Self::new(why)
    }
}

impl From<FetchError> for Fault {
    fn from(error: FetchError) -> Self {
        let why = error.to_string();
        let is_too_much = matches!(error, FetchError::Large { .. });
        if is_too_much { Self::too_much(why) } else { Self::new(why) }
    }
}

/// Everything that chunks share.
pub(crate) struct Workshop {
    pub(crate) board: Arc<Board>,
    pub(crate) blobs: Blobs,
    pub(crate) programs: Programs,
    pub(crate) slots: Slots,
    pub(crate) memory: Memory,
    fetches: Semaphore,
    reports: mpsc::Sender<Frame>,
    /// How long a session's rounds are answered without pay.
    pub(super) unpaid_max: Duration,
}

/// How a run ended, before it is told.
pub(super) struct Ended {
    pub(super) outcome: Outcome,
    pub(super) output: Bytes,
    pub(super) fuel: u64,
    pub(super) stderr: String,
    pub(super) cpu_ms: u64,
}

impl Workshop {
    pub(crate) fn new(
        board: Arc<Board>,
        blobs: Blobs,
        programs: Programs,
        (slots, memory_bytes): (u32, u64),
        reports: mpsc::Sender<Frame>,
        unpaid_max: Duration,
    ) -> Self {
        programs.modules().lend(memory_bytes);
        let memory_mib = u32::try_from(mib_floor(memory_bytes)).unwrap_or(u32::MAX);
        Self {
            board,
            blobs,
            programs,
            slots: Slots::new(slots),
            memory: Memory::new(memory_mib),
            fetches: Semaphore::new(FETCHES_MAX),
            reports,
            unpaid_max,
        }
    }

    /// Runs a lease and hands in its report. Past the deadline nobody wants it, and there is none.
    /// What is more than this machine lends is handed back.
    pub(crate) async fn run(
        &self,
        server: &Server,
        lease: &Lease,
        payload: Bytes,
    ) -> Option<Outcome> {
        let deadline = Duration::from_millis(lease.deadline_ms);
        let work = async {
            let ended = match &lease.home {
                None => self.compute(server, lease, payload).await,
                // Most leases are none, and need no room for it.
                Some(home) => match Box::pin(self.sit(server, lease, home)).await.transpose() {
                    Some(ended) => ended,
                    None => {
                        self.give_back(lease.lease.clone()).await;
                        return None;
                    }
                },
            };
            self.tell(server, lease, ended).await
        };
        tokio::time::timeout(deadline, work).await.ok().flatten()
    }

    /// Tells the server how a lease ended, and the floor what was told.
    async fn tell(
        &self,
        server: &Server,
        lease: &Lease,
        ended: Result<Ended, Fault>,
    ) -> Option<Outcome> {
        let ended = match ended {
            Ok(ended) => ended,
            Err(fault) if fault.is_too_much => {
                tracing::warn!(
                    lease = lease.lease, %fault,
                    "a chunk is handed back without a mark; an agent that lends more may have it"
                );
                self.hand_back(Yield { lease: lease.lease.clone(), too_large: true }).await;
                return None;
            }
            Err(fault) => failed(lease, &fault),
        };
        self.board.phase(&lease.lease, Phase::Reporting);
        let outcome = ended.outcome;
        let frame = match report(server, lease, ended).await {
            Ok(frame) => frame,
            Err(fault) => report(server, lease, failed(lease, &fault)).await.ok()?,
        };
        self.hand_in(frame).await;
        Some(outcome)
    }

    /// Tells the server that this machine failed, when the task of the lease is no more.
    pub(crate) async fn hand_in_fault(&self, lease: &str, fault: &Fault) {
        let message = Message::Report(message(lease, &failed_ended(fault), Sha256Hash::of(&[])));
        self.hand_in(Frame::of(message)).await;
    }

    /// Tells the server that a lease is handed back, because nothing computes here for a while.
    pub(crate) async fn give_back(&self, lease: String) {
        self.hand_back(Yield { lease, too_large: false }).await;
    }

    async fn hand_back(&self, back: Yield) {
        self.board.phase(&back.lease, Phase::Reporting);
        self.hand_in(Frame::of(Message::Yield(back))).await;
    }

    /// Ends when the link has taken it; it is closed only when the agent stops.
    async fn hand_in(&self, frame: Frame) {
        if self.reports.send(frame).await.is_err() {
            tracing::debug!("a report came after the end of the link");
        }
    }

    async fn compute(
        &self,
        server: &Server,
        lease: &Lease,
        payload: Bytes,
    ) -> Result<Ended, Fault> {
        let closed = |_| Fault::new("the agent is stopping");
        let needed = self.memory_needed(lease)?;
        let program = self.programs.get(server, &self.blobs, &lease.program, lease.strict);
        let task = async {
            // What is loaded lies in memory too.
            let memory = self.memory.take(needed).await.map_err(closed)?;
            let _turn = self.fetches.acquire().await.map_err(closed)?;
            Ok((memory, self.task(server, lease, payload).await?))
        };
        let (program, (_memory, task)) = tokio::try_join!(program, task)?;
        self.board.phase(&lease.lease, Phase::Waiting);
        let purpose = Purpose {
            job: lease.job.clone(),
            program: Sha256Hash(lease.program.sha256),
            strict: lease.strict,
        };
        let slot = self.slots.take(&purpose).await;
        let mut slot = slot.ok_or_else(|| Fault::new("the agent is stopping"))?;
        self.board.phase(&lease.lease, Phase::Running(Instant::now()));
        let ran = slot.run(self.programs.modules(), &program, purpose, task).await;
        let report = ran.map_err(|error| self.worker_failed(&program, &error))?;
        Ok(Ended {
            outcome: report.outcome,
            output: report.output.into(),
            fuel: report.fuel,
            stderr: report.stderr,
            cpu_ms: report.cpu_ms,
        })
    }

    pub(super) fn worker_failed(&self, program: &Compiled, error: &WorkerError) -> Fault {
        if matches!(error, WorkerError::Load(_)) {
            self.programs.forget(program);
        }
        Fault::because("the worker failed", error)
    }

    /// MiB to set aside: the guest's memory and the inputs that are loaded for it. More than the
    /// machine lends would wait forever.
    pub(super) fn memory_needed(&self, lease: &Lease) -> Result<u32, Fault> {
        let needed = mib_floor(lease.limits.memory_bytes.saturating_add(MIB - 1));
        let lent = self.memory.lent();
        let fits = |mib: u64| u32::try_from(mib).ok().filter(|mib| *mib <= lent);
        let guest = fits(needed).ok_or_else(|| {
            Fault::too_much(format!(
                "the chunk may need {needed} MiB of memory, and this machine lends {lent}"
            ))
        })?;
        let inputs = loaded_bytes(lease).div_ceil(MIB);
        let inputs = fits(inputs).ok_or_else(|| {
            Fault::too_much(format!(
                "the inputs have {inputs} MiB, and this machine lends {lent} MiB of memory"
            ))
        })?;
        Ok(guest.saturating_add(inputs).min(lent))
    }

    /// The lease as the sandbox takes it, with all input in memory. Inline parts are taken from
    /// the payload in their order: standard input, then the files.
    pub(super) async fn task(
        &self,
        server: &Server,
        lease: &Lease,
        mut payload: Bytes,
    ) -> Result<Task, Fault> {
        // What came in the frame counts as well: it holds up what follows.
        server.pipes().down.pass(payload.len()).await;
        let stdin = match &lease.stdin {
            Some(part) => self.blobs.part(server, part, &mut payload).await?.into(),
            None => Vec::new(),
        };
        let mut files = Vec::with_capacity(lease.files.len());
        for file in &lease.files {
            let content = self.blobs.part(server, &file.part, &mut payload).await?;
            files.push((file.path.clone(), content.into()));
        }
        let mut env = guest_env(lease.chunk, lease.chunks, lease.seed);
        env.extend(lease.env.iter().cloned());
        Ok(Task {
            args: lease.args.clone(),
            env,
            stdin,
            files,
            seed: lease.seed,
            clock_ms: lease.clock_ms,
            limits: lease.limits,
        })
    }
}

/// Bytes of input that a lease names and does not bring along.
fn loaded_bytes(lease: &Lease) -> u64 {
    let files = lease.files.iter().map(|file| &file.part);
    let bytes = lease.stdin.iter().chain(files).map(|part| match part {
        Part::Inline(_) => 0,
        Part::Range { len, .. } | Part::Headed { len, .. } => *len,
    });
    bytes.fold(0, u64::saturating_add)
}

fn failed(lease: &Lease, fault: &Fault) -> Ended {
    tracing::warn!(lease = lease.lease, chunk = lease.chunk, %fault, "a chunk could not be run");
    failed_ended(fault)
}

fn failed_ended(fault: &Fault) -> Ended {
    let (outcome, stderr) = (fault.outcome, fault.to_string());
    Ended { outcome, output: Bytes::new(), fuel: 0, stderr, cpu_ms: 0 }
}

/// The report with its output, which is uploaded first when it is large.
async fn report(server: &Server, lease: &Lease, ended: Ended) -> Result<Frame, Fault> {
    let hash = digest(&ended.output).await?;
    let mut report = message(&lease.lease, &ended, hash);
    if ended.output.len() <= INLINE_BYTES_MAX {
        server.pipes().up.pass(ended.output.len()).await;
        return Ok(Frame { message: Message::Report(report), payload: ended.output });
    }
    push::output(server, &lease.upload_path, (&ended.output, hash))
        .await
        .map_err(|error| Fault::new(format!("could not upload the output: {error}")))?;
    report.uploaded = true;
    Ok(Frame::of(Message::Report(report)))
}

fn message(lease: &str, ended: &Ended, output: Sha256Hash) -> Report {
    Report {
        lease: lease.to_owned(),
        outcome: ended.outcome,
        fuel: ended.fuel,
        output: *output.as_bytes(),
        output_bytes: u64::try_from(ended.output.len()).unwrap_or(u64::MAX),
        uploaded: false,
        stderr: end_of(&ended.stderr, STDERR_BYTES_MAX),
        cpu_ms: ended.cpu_ms,
        signature: None,
    }
}

async fn digest(output: &Bytes) -> Result<Sha256Hash, Fault> {
    if output.len() <= HASH_BYTES_MAX {
        return Ok(Sha256Hash::of(output));
    }
    let output = output.clone();
    tokio::task::spawn_blocking(move || Sha256Hash::of(&output))
        .await
        .map_err(|panic| Fault::new(format!("hashing the output failed: {panic}")))
}

/// The last so many bytes, from a character's beginning on. What was dropped is told.
fn end_of(text: &str, bytes: usize) -> String {
    let from = text.ceil_char_boundary(text.len().saturating_sub(bytes));
    let note = if from > 0 { STDERR_CUT } else { "" };
    format!("{note}{}", text.get(from..).unwrap_or_default())
}

fn mib_floor(bytes: u64) -> u64 {
    bytes.checked_div(MIB).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_standard_error_is_kept_whole() {
        assert_eq!(end_of("abc", 5), "abc");
        assert_eq!(end_of("abc", 2), format!("{STDERR_CUT}bc"));
        assert_eq!(end_of("a\u{20ac}c", 3), format!("{STDERR_CUT}c"));
        assert_eq!(end_of("", 0), "");
    }
}
