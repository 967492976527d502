//! An actor that panicked is gone, and actix does not bring it back: open jobs without an actor get
//! a new one, folded from the log. Without the scheduler nothing can go on, so its death ends the
//! process, and the next start finds everything in the log.

use std::time::Duration;

use medusa_platform::supervise::supervise;
use tokio_util::sync::CancellationToken;

use crate::command::Jobs;
use crate::error::JobsError;

const PAUSE: Duration = Duration::from_secs(5);

/// Looks every few seconds until `stop`.
pub fn revive_regularly(jobs: &Jobs, stop: CancellationToken) {
    let (jobs, end) = (jobs.clone(), stop.clone());
    supervise("jobs.revive", stop, move || revive_for_ever(jobs.clone(), end.clone()));
}

async fn revive_for_ever(jobs: Jobs, end: CancellationToken) -> Result<(), JobsError> {
    loop {
        tokio::time::sleep(PAUSE).await;
        if !jobs.scheduler.connected() {
            tracing::error!(
                "the scheduler has died; ending, so that a new start finds a sound state"
            );
            end.cancel();
            return Ok(());
        }
        jobs.revive_lost().await?;
    }
}
