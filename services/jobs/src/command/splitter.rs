//! The consumer's own program that says what the chunks are: found, and run once for the quote.
//!
//! It runs like a sample: in the server's own sandbox, one at a time for a person, within the same
//! fuel and real time. Seed and clock stand still, so the same module, arguments and input give the
//! same plan. The plan is kept; nobody runs the splitter again for a job.

use bytes::Bytes;
use medusa_api::{BlobInfo, JobSpec, QuoteRequest, SpecError, Split};
use medusa_types::{Fuel, Limits, Outcome, Sha256Hash, UserId};
use sqlx::PgConnection;

use super::Jobs;
use crate::error::JobsError;
use crate::order::{OUTPUT_BYTES_MAX, limits, turn};
use crate::port::{Ran, Run};
use crate::split::{self, Planned, SplitError};
use crate::store;

/// The most bytes of an input that a splitter reads: they are in memory twice while it runs.
const INPUT_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Where the input stands for a splitter that wants to jump about in it.
const INPUT_PATH: &str = "in/input";

impl Jobs {
    /// Finds the program that splits, if one is named, and notes its module.
    pub(super) async fn take_splitter(
        &self,
        db: &mut PgConnection,
        user: UserId,
        request: &mut QuoteRequest,
    ) -> Result<(), JobsError> {
        let Split::Program { program, module, .. } = &mut request.spec.split else { return Ok(()) };
        let found = store::program::usable(db, *program, user).await?;
        let found = found.ok_or(JobsError::Missing("program"))?;
        if found.script.is_some() {
            return Err(JobsError::Spec(vec![SpecError {
                pointer: "/split/program",
                message: "an input is split by a module, not by a script; compile it to \
                          wasm32-wasi, or use another splitter",
            }]));
        }
        *module = Some(BlobInfo { sha256: found.sha256, size: found.size });
        Ok(())
    }

    /// The plan of a job: by one of the house's splitters, or by what the consumer's own writes.
    pub(super) async fn planned(
        &self,
        spec: &JobSpec,
        input: Option<Sha256Hash>,
    ) -> Result<Planned, JobsError> {
        let blobs = &self.parts.blobs;
        let Split::Program { args, module, .. } = &spec.split else {
            return Ok(split::plan(blobs, &spec.split, input).await?);
        };
        let module = module.as_ref().ok_or(JobsError::Missing("program"))?.sha256;
        let size = match input {
            None => None,
            Some(hash) => Some(blobs.size(hash).await.map_err(SplitError::of_blob(hash))?),
        };
        if size.is_some_and(|size| size > INPUT_BYTES_MAX) {
            return Err(too_large());
        }
        let Ran { output, stderr, .. } = self.split_by(spec, (module, args), input).await?;
        let planned = split::plan_written(output.clone(), size).await;
        let planned = planned.map_err(|error| with_stderr(error, &stderr))?;
        if planned.plan.pieces.is_some() {
            let stored = blobs.put(output).await?;
            // A quote that nobody accepts keeps it no longer than it holds.
            let ttl = i64::try_from(self.parts.config.quote_ttl.as_millis()).unwrap_or(i64::MAX);
            let ends = self.parts.clock.now().plus_ms(ttl);
            let mut db = self.parts.log.pool().acquire().await?;
            store::retention::set_aside(&mut db, &[stored], ends).await?;
        }
        Ok(planned)
    }

    /// One run of a splitter that came to a good end.
    async fn split_by(
        &self,
        spec: &JobSpec,
        (module, args): (Sha256Hash, &[String]),
        input: Option<Sha256Hash>,
    ) -> Result<Ran, JobsError> {
        let parts = &self.parts;
        let _turn = turn().await?;
        let (mut stdin, mut files) = (Bytes::new(), Vec::new());
        if let Some(hash) = input {
            stdin = parts.blobs.get(hash).await.map_err(SplitError::of_blob(hash))?;
            files.push((INPUT_PATH.to_owned(), stdin.clone()));
        }
        let all = limits(spec, Fuel(parts.config.sample_fuel_max));
        let run = Run {
            job: None,
            program: module,
            args: args.to_vec(),
            env: Vec::new(),
            stdin,
            files,
            seed: 0,
            clock_ms: 0,
            limits: Limits { wall_ms: parts.config.sample_wall_ms.min(all.wall_ms), ..all },
            strict: spec.strict,
        };
        let wall_ms = run.limits.wall_ms;
        let ran = parts.runner.run(run).await?;
        if ran.outcome == Outcome::Done {
            return Ok(ran);
        }
        let words = in_words(ran.outcome, wall_ms);
        let failed = SplitError::SplitterFailed(format!("{words}\n{}", ran.stderr.trim_end()));
        Err(failed.into())
    }
}

/// Why a splitter came to no good end. Its time is the server's to give, not the job's.
fn in_words(outcome: Outcome, wall_ms: u64) -> String {
    match outcome {
        Outcome::WallOut => format!(
            "it ran longer than the server gives a splitter ({} s): let it only look for the \
             places where chunks begin, and leave the work to the chunks",
            wall_ms.div_ceil(1_000)
        ),
        Outcome::OutputOut => format!(
            "it wrote more than {} MiB: write ranges to standard output instead of files",
            OUTPUT_BYTES_MAX >> 20
        ),
        Outcome::FilesOut => "it made more than 4,096 files and folders, or had more than 512 of \
                              them open: write ranges to standard output instead of files, or \
                              put more into each file"
            .into(),
        outcome => outcome.in_words(),
    }
}

fn too_large() -> JobsError {
    let why = "a splitter of your own reads 256 MiB of input at most: use another splitter, or \
               make several jobs of the input";
    SplitError::Splitter(why.into()).into()
}

/// What a splitter said may explain what it wrote.
fn with_stderr(error: SplitError, stderr: &str) -> SplitError {
    match (error, stderr.trim_end()) {
        (SplitError::Splitter(why), said) if !said.is_empty() => {
            SplitError::Splitter(format!("{why}\n{said}"))
        }
        (error, _) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_splitter_that_writes_too_much_is_told_of_the_limit() {
        let told = |outcome, limit| in_words(outcome, 1).contains(limit);
        assert!(told(Outcome::OutputOut, "more than 64 MiB"));
        assert!(told(Outcome::FilesOut, "more than 4,096 files"));
    }
}
