//! Bringing jobs back after a start: every job that has not ended is folded from its stream and
//! gets its actor again.

use medusa_eventlog::{EventLog, read_stream};
use medusa_types::{JobId, Sha256Hash, Timestamp};

use crate::domain::Job;
use crate::error::JobsError;

/// Events of one read.
const PAGE: i64 = 2_000;
/// Leases from before a restart get this long to be heard of again.
const REVIVE_MS: i64 = 20_000;

/// A job as its stream tells it.
pub(crate) struct Folded {
    pub(crate) job: Job,
    /// When it was submitted.
    pub(crate) at: Timestamp,
    /// Version of its stream.
    pub(crate) version: i64,
}

/// Folds a job's stream; `None` when there is no such job.
pub(crate) async fn fold(log: &EventLog, id: JobId) -> Result<Option<Folded>, JobsError> {
    let stream = format!("job-{id}");
    let mut folded: Option<Folded> = None;
    let mut version = 0;
    loop {
        let page = read_stream(log.pool(), &stream, version, PAGE).await?;
        for event in &page {
            version = event.envelope.version;
            match &mut folded {
                Some(folded) => {
                    folded.job.apply(&event.envelope.fact);
                    folded.version = version;
                }
                None => {
                    let begun = Job::begin(&event.envelope.fact);
                    folded = begun.map(|job| Folded { job, at: event.envelope.at, version });
                }
            }
        }
        if i64::try_from(page.len()).unwrap_or_default() < PAGE {
            return Ok(folded);
        }
    }
}

/// Gives the leases of a folded job a little time to be heard of.
pub(crate) fn revive(job: &mut Job, now: Timestamp) {
    job.extend_leases(now.plus_ms(REVIVE_MS));
}

/// The hash of a thing as JSON, as the log keeps it.
pub(crate) fn json_hash(value: &impl serde::Serialize) -> Result<Sha256Hash, JobsError> {
    Ok(Sha256Hash::of(&serde_json::to_vec(value)?))
}
