//! Which jobs this machine has a part in, for one line in the log when a job comes and one when it
//! has gone. The server never says that a job is over: it is when no chunk came for a while.

use std::collections::BTreeMap;
use std::time::Duration;

use medusa_protocol::Lease;
use medusa_types::Outcome;
use tokio::time::Instant;

/// A job without a chunk for this long has gone.
const GONE: Duration = Duration::from_secs(10);

/// The jobs by id.
#[derive(Debug, Default)]
pub(crate) struct Diary(BTreeMap<String, Part>);

#[derive(Debug)]
struct Part {
    name: String,
    in_work: u64,
    done: u64,
    failed: u64,
    last: Instant,
}

impl Diary {
    /// A chunk came; says so if it is the first of its job.
    pub(crate) fn came(&mut self, lease: &Lease) {
        let part = self.0.entry(lease.job.clone()).or_insert_with(|| {
            tracing::info!(job = lease.job, "job started: {}", lease.job_name);
            let (name, last) = (lease.job_name.clone(), Instant::now());
            Part { name, in_work: 0, done: 0, failed: 0, last }
        });
        part.in_work = part.in_work.saturating_add(1);
    }

    /// A chunk went, with an outcome unless it was cancelled.
    pub(crate) fn went(&mut self, job: &str, outcome: Option<Outcome>) {
        let Some(part) = self.0.get_mut(job) else { return };
        part.in_work = part.in_work.saturating_sub(1);
        part.last = Instant::now();
        match outcome {
            Some(Outcome::Done) => part.done = part.done.saturating_add(1),
            Some(_) => part.failed = part.failed.saturating_add(1),
            None => {}
        }
    }

    /// Closes the entries of jobs that have gone, and returns those jobs.
    pub(crate) fn close(&mut self) -> Vec<String> {
        let has_gone = |part: &Part| part.in_work == 0 && part.last.elapsed() >= GONE;
        let gone = self.0.extract_if(.., |_, part| has_gone(part));
        gone.map(|(job, part)| {
            let Part { name, done, failed, .. } = part;
            tracing::info!(job, "job done here: {name}, {done} chunks finished, {failed} failed");
            job
        })
        .collect()
    }
}
