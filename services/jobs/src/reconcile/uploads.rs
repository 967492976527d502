//! Joins uploads that have all their parts, and drops those that were given up.

use std::time::Duration;

use medusa_platform::supervise::supervise;
use tokio_util::sync::CancellationToken;

use crate::command::Jobs;
use crate::error::JobsError;

const PAUSE: Duration = Duration::from_millis(200);
/// An upload that nothing happens to for so long is dropped.
const IDLE_MS: i64 = 7 * 24 * 3_600_000;
/// So is an output, which nobody can go on with an hour after its lease was given.
const OUTPUTS_IDLE_MS: i64 = 24 * 3_600_000;

/// Joins and drops until `stop`. Outputs do not wait for the large files of people.
pub(super) fn join_regularly(jobs: &Jobs, stop: CancellationToken) {
    let (jobs, of_agents) = (jobs.clone(), jobs.clone());
    supervise("jobs.outputs", stop.clone(), move || join_outputs_for_ever(of_agents.clone()));
    supervise("jobs.uploads", stop, move || join_for_ever(jobs.clone()));
}

async fn join_outputs_for_ever(jobs: Jobs) -> Result<(), JobsError> {
    loop {
        jobs.join_uploads(true).await?;
        tokio::time::sleep(PAUSE).await;
    }
}

async fn join_for_ever(jobs: Jobs) -> Result<(), JobsError> {
    loop {
        jobs.join_uploads(false).await?;
        jobs.drop_forgotten_uploads((IDLE_MS, OUTPUTS_IDLE_MS)).await?;
        tokio::time::sleep(PAUSE).await;
    }
}
