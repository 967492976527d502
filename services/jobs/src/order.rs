//! What an agent is told to run. The same chunk is the same run everywhere: module, arguments,
//! environment, seed, clock, input and limits come from the job alone.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use medusa_api::{BlobInfo, JobSpec};
use medusa_platform::BlobStore;
use medusa_platform::ticket::Tickets;
use medusa_protocol::{Blob, FilePart, Frame, INLINE_BYTES_MAX, Lease, Message, Part, guest_env};
use medusa_types::{AgentId, Fuel, JobId, LeaseId, Limits, Sha256Hash, Timestamp};

use crate::error::JobsError;
use crate::merge;
use crate::port::{Ran, Run, Runner};
use crate::split::{Inputs, Resolved, Source, SplitError};

/// Output of one run: standard output and files together.
pub(crate) const OUTPUT_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Names and frame of a bundle come on top of what the guest may write.
pub(crate) const BUNDLE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Standard error that is kept of one run.
const STDERR_BYTES_MAX: u64 = 16 * 1024;
/// Real time of one run.
const WALL_MS_MAX: u64 = 30 * 60 * 1000;
/// Real time of a seat of a session.
const SESSION_MS_MAX: u64 = 24 * 60 * 60 * 1000;
/// A run may use so many times the fuel of the sample.
pub(crate) const FUEL_MARGIN: u64 = 4;
/// A ticket outlives its lease by renewals of it.
pub(crate) const TICKET_MS: i64 = 60 * 60 * 1000;

/// Runs in the server's own sandbox at the same time: of samples and the like, and of chunks that
/// are checked here. So nobody's samples keep the results of others waiting.
static TURNS: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(2);
static CHECKS: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(2);

/// The orders of one job.
pub(crate) struct Orders {
    pub(crate) job: JobId,
    pub(crate) spec: JobSpec,
    /// Chunks of the plan.
    pub(crate) chunks: u32,
    pub(crate) program: BlobInfo,
    pub(crate) submitted_at: Timestamp,
    pub(crate) inputs: Inputs,
    pub(crate) blobs: BlobStore,
    pub(crate) tickets: Arc<Tickets>,
}

/// What every run of a job may use.
pub(crate) fn limits(spec: &JobSpec, fuel: Fuel) -> Limits {
    Limits {
        fuel: fuel.0,
        memory_bytes: spec.memory_bytes(),
        output_bytes: OUTPUT_BYTES_MAX,
        stderr_bytes: STDERR_BYTES_MAX,
        wall_ms: WALL_MS_MAX,
    }
}

/// The seed of a chunk: the first eight bytes of SHA-256 over job and index.
pub(crate) fn seed(job: JobId, chunk: u32) -> u64 {
    let hash = Sha256Hash::of(format!("{job}/{chunk}").as_bytes());
    let [a, b, c, d, e, f, g, h, ..] = hash.0;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// Where a guest's clock stands, in milliseconds since 1970: when its job was submitted.
pub(crate) fn clock_ms(submitted_at: Timestamp) -> u64 {
    u64::try_from(submitted_at.ms_since(Timestamp::from_micros(0))).unwrap_or_default()
}

/// Arguments of a chunk's run: how the job's script is called, where it is one, and the job's own.
/// Where the chunk is one file, `{file}` in these is its path and `{stem}` its bare name, so that
/// programs that want the names of files run as they are.
fn args(spec: &JobSpec, read: &Resolved) -> Vec<String> {
    let calling = spec.script.iter().flat_map(|script| script.calling.args.clone());
    let mut files = read.files.iter().filter_map(|(path, _)| path.strip_prefix("in/"));
    let (first, second) = (files.next(), files.next());
    let only = first.filter(|_| second.is_none());
    let own = spec.args.iter().map(|arg| only.map_or_else(|| arg.clone(), |file| named(arg, file)));
    calling.chain(own).collect()
}

/// An argument with the names of the chunk's file in their places.
fn named(arg: &str, file: &str) -> String {
    let name = file.rsplit('/').next().unwrap_or(file);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let stem = if stem.is_empty() { name } else { stem };
    // Taken apart before anything is put in: a file may be called `{stem}`.
    let parts = arg.split("{file}").map(|part| part.replace("{stem}", stem));
    parts.collect::<Vec<_>>().join(&format!("/job/{file}"))
}

/// Environment of every run of a job, beside that of its chunk.
fn more_env(spec: &JobSpec) -> Vec<(String, String)> {
    spec.script.iter().flat_map(|script| script.calling.env.clone()).collect()
}

/// What a chunk's run reads: its part of the input, and the job's script.
async fn resolve(inputs: &Inputs, spec: &JobSpec, chunk: u32) -> Result<Resolved, SplitError> {
    let mut resolved = inputs.resolve(chunk).await?;
    if let Some(script) = &spec.script {
        let (sha256, size) = (script.sha256, script.size);
        let text = Source::Blob { sha256, size, offset: 0, len: size };
        resolved.files.push((script.calling.path.clone(), text));
    }
    Ok(resolved)
}

/// What the run of one chunk is made of.
pub(crate) struct Asked {
    /// Its module.
    pub(crate) program: BlobInfo,
    /// Arguments.
    pub(crate) args: Vec<String>,
    /// Environment beside that of every guest.
    more_env: Vec<(String, String)>,
    /// What it reads.
    pub(crate) resolved: Resolved,
}

impl Asked {
    /// The whole environment of the run.
    pub(crate) fn env(&self, chunk: u32, chunks: u32, seed: u64) -> Vec<(String, String)> {
        let mut env = guest_env(chunk, chunks, seed);
        env.extend(self.more_env.iter().cloned());
        env
    }
}

/// What the run of a chunk is made of: of the job's program, or, where there are results `below`,
/// of the one that merges them.
pub(crate) async fn asked(
    (spec, program): (&JobSpec, &BlobInfo),
    (inputs, blobs): (&Inputs, &BlobStore),
    (chunk, below): (u32, &[Sha256Hash]),
) -> Result<Asked, JobsError> {
    if let (Some(by), false) = (&spec.merge_by, below.is_empty()) {
        let module = by.module.clone().ok_or(JobsError::Missing("program"))?;
        let resolved = merge::node::inputs(blobs, below).await?;
        return Ok(Asked {
            program: module,
            args: by.args.clone(),
            more_env: Vec::new(),
            resolved,
        });
    }
    let resolved = resolve(inputs, spec, chunk).await?;
    let (args, more_env) = (args(spec, &resolved), more_env(spec));
    Ok(Asked { program: program.clone(), args, more_env, resolved })
}

/// A turn to run something in the server's own sandbox. It comes before input is loaded: inputs of
/// all who wait would fill the memory.
pub(crate) async fn turn() -> Result<tokio::sync::SemaphorePermit<'static>, JobsError> {
    TURNS.acquire().await.map_err(|_| JobsError::Busy)
}

/// A run that is not of a job's chunk, in the server's own sandbox.
pub(crate) async fn try_out(runner: &dyn Runner, run: Run) -> Result<Ran, JobsError> {
    let _turn = turn().await?;
    Ok(runner.run(run).await?)
}

/// A blob with a ticket that lets this agent read it until then.
pub(crate) fn ticketed(
    tickets: &Tickets,
    (sha256, size): (Sha256Hash, u64),
    agent: AgentId,
    until: Timestamp,
) -> Blob {
    let ticket = tickets.issue("get", &sha256.to_string(), agent, until);
    Blob { sha256: sha256.0, size, path: format!("/v1/agent/blobs/{sha256}?{ticket}") }
}

impl Orders {
    /// Runs a chunk in the server's own sandbox: as a sample with a shorter limit of real time, or
    /// as a check of what agents reported.
    pub(crate) async fn run(
        &self,
        runner: &dyn Runner,
        (chunk, below): (u32, &[Sha256Hash]),
        fuel: Fuel,
        wall_ms: Option<u64>,
    ) -> Result<Ran, JobsError> {
        let _turn = match wall_ms {
            Some(_) => turn().await?,
            None => CHECKS.acquire().await.map_err(|_| JobsError::Busy)?,
        };
        let asked = self.asked(chunk, below).await?;
        let seed = seed(self.job, chunk);
        let env = asked.env(chunk, self.chunks, seed);
        let mut files = Vec::with_capacity(asked.resolved.files.len());
        for (path, source) in asked.resolved.files {
            files.push((path, self.bytes(source).await?));
        }
        let mut limits = limits(&self.spec, fuel);
        limits.wall_ms = wall_ms.map_or(limits.wall_ms, |ms| ms.min(limits.wall_ms));
        let run = Run {
            // A sample is of no job yet, and there are not many of one.
            job: wall_ms.is_none().then_some(self.job),
            program: asked.program.sha256,
            args: asked.args,
            env,
            stdin: self.bytes(asked.resolved.stdin).await?,
            files,
            seed,
            clock_ms: clock_ms(self.submitted_at),
            limits,
            strict: self.spec.strict,
        };
        Ok(runner.run(run).await?)
    }

    async fn asked(&self, chunk: u32, below: &[Sha256Hash]) -> Result<Asked, JobsError> {
        asked((&self.spec, &self.program), (&self.inputs, &self.blobs), (chunk, below)).await
    }

    async fn bytes(&self, source: Source) -> Result<Bytes, JobsError> {
        match source {
            Source::Bytes(bytes) => Ok(bytes),
            Source::Blob { sha256, offset, len, .. } => {
                Ok(self.blobs.get_range(sha256, offset..offset.saturating_add(len)).await?)
            }
            Source::Headed { head, sha256, offset, len, .. } => {
                let rest = self.blobs.get_range(sha256, offset..offset.saturating_add(len)).await?;
                Ok([head, rest].concat().into())
            }
        }
    }

    /// The frame that gives a chunk to an agent. Small inputs travel in it; large ones are blobs
    /// that the agent fetches with a ticket.
    pub(crate) async fn lease(
        &self,
        lease: LeaseId,
        (chunk, below): (u32, &[Sha256Hash]),
        (fuel, estimate): (Fuel, Fuel),
        agent: AgentId,
        now: Timestamp,
    ) -> Result<Frame, JobsError> {
        let asked = self.asked(chunk, below).await?;
        let until = now.plus_ms(TICKET_MS);
        let mut payload = BytesMut::new();
        let stdin = self.part(asked.resolved.stdin, agent, until, &mut payload).await?;
        let mut files = Vec::with_capacity(asked.resolved.files.len());
        for (path, source) in asked.resolved.files {
            let part = self.part(source, agent, until, &mut payload).await?;
            files.push(FilePart { path, part });
        }
        let lease = Lease {
            chunk,
            program: self.blob(asked.program.sha256, asked.program.size, agent, until),
            args: asked.args,
            env: asked.more_env,
            seed: seed(self.job, chunk),
            stdin: Some(stdin),
            files,
            fuel_estimate: Some(estimate.0),
            ..self.bare(lease, fuel, agent, now)
        };
        Ok(Frame { message: Message::Lease(Box::new(lease)), payload: payload.freeze() })
    }

    /// The lease of a seat of a session: no chunk yet, the program stays, and what it reads comes
    /// from its home.
    pub(crate) fn seat(
        &self,
        lease: LeaseId,
        fuel: Fuel,
        (agent, home): (AgentId, String),
        now: Timestamp,
    ) -> Frame {
        let mut lease = Lease { home: Some(home), ..self.bare(lease, fuel, agent, now) };
        lease.deadline_ms = SESSION_MS_MAX;
        lease.limits.wall_ms = SESSION_MS_MAX;
        Frame::of(Message::Lease(Box::new(lease)))
    }

    /// What all leases of a job have in common, without a chunk.
    fn bare(&self, lease: LeaseId, fuel: Fuel, agent: AgentId, now: Timestamp) -> Lease {
        let until = now.plus_ms(TICKET_MS);
        Lease {
            lease: lease.to_string(),
            job: self.job.to_string(),
            job_name: self.spec.name.clone(),
            chunk: 0,
            chunks: self.chunks,
            program: self.blob(self.program.sha256, self.program.size, agent, until),
            args: Vec::new(),
            env: Vec::new(),
            seed: 0,
            clock_ms: clock_ms(self.submitted_at),
            limits: limits(&self.spec, fuel),
            stdin: None,
            files: Vec::new(),
            strict: self.spec.strict,
            // Queueing and transfers come on top of the run itself.
            deadline_ms: WALL_MS_MAX.saturating_mul(2),
            upload_path: self.upload_path(lease, agent, until),
            fuel_estimate: None,
            home: None,
        }
    }

    async fn part(
        &self,
        source: Source,
        agent: AgentId,
        until: Timestamp,
        payload: &mut BytesMut,
    ) -> Result<Part, JobsError> {
        let len = match &source {
            Source::Bytes(bytes) => bytes.len(),
            Source::Blob { len, .. } => usize::try_from(*len).unwrap_or(usize::MAX),
            Source::Headed { head, len, .. } => {
                usize::try_from(*len).unwrap_or(usize::MAX).saturating_add(head.len())
            }
        };
        if payload.len().saturating_add(len) <= INLINE_BYTES_MAX {
            let bytes = self.bytes(source).await?;
            payload.extend_from_slice(&bytes);
            return Ok(Part::Inline(u64::try_from(bytes.len()).unwrap_or(u64::MAX)));
        }
        let (sha256, size, offset, len) = match source {
            Source::Blob { sha256, size, offset, len } => (sha256, size, offset, len),
            Source::Headed { head, sha256, size, offset, len } => {
                // A header is short, and standard input is the first part: there is room.
                payload.extend_from_slice(&head);
                let head = u64::try_from(head.len()).unwrap_or(u64::MAX);
                let blob = self.blob(sha256, size, agent, until);
                return Ok(Part::Headed { head, blob, offset, len });
            }
            Source::Bytes(bytes) => {
                let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                (self.blobs.put(bytes).await?, size, 0, size)
            }
        };
        Ok(Part::Range { blob: self.blob(sha256, size, agent, until), offset, len })
    }

    fn blob(&self, sha256: Sha256Hash, size: u64, agent: AgentId, until: Timestamp) -> Blob {
        ticketed(&self.tickets, (sha256, size), agent, until)
    }

    fn upload_path(&self, lease: LeaseId, agent: AgentId, until: Timestamp) -> String {
        let ticket = self.tickets.issue("put", &lease.to_string(), agent, until);
        format!("/v1/agent/outputs/{lease}?{ticket}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_chunks_file_are_put_into_arguments() {
        for (arg, file, wanted) in [
            ("-t", "a.svg", "-t"),
            ("{file}", "a.svg", "/job/a.svg"),
            ("/job/{stem}.png", "b/a.x.svg", "/job/a.x.png"),
            ("{file}:{file}", "b/a", "/job/b/a:/job/b/a"),
            ("{file}-{stem}", "{stem}.{file}", "/job/{stem}.{file}-{stem}"),
            ("{stem}", ".hidden", ".hidden"),
            ("{files}", "a", "{files}"),
        ] {
            assert_eq!(named(arg, file), wanted, "{arg} for {file}");
        }
    }
}
