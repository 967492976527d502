//! An actor that panicked is gone, and actix does not bring it back: open jobs without an actor get
//! a new one, folded from the log. Without the scheduler nothing can go on, so its death ends the
//! process, and the next start finds everything in the log.

use std::time::Duration;

use medusa_platform::supervise::supervise;
use tokio_util::sync::CancellationToken;

use super::retention::sweep_regularly;
use super::uploads::join_regularly;
use crate::command::Jobs;
use crate::error::JobsError;

const PAUSE: Duration = Duration::from_secs(5);
/// Between two looks at the records of agents.
const STANDINGS_PAUSE: Duration = Duration::from_millis(500);

/// Looks every few seconds until `stop`.
pub fn revive_regularly(jobs: &Jobs, stop: CancellationToken) {
    let told = jobs.clone();
    supervise("jobs.standings", stop.clone(), move || tell_standings(told.clone()));
    join_regularly(jobs, stop.clone());
    sweep_regularly(jobs, stop.clone());
    let (jobs, end) = (jobs.clone(), stop.clone());
    supervise("jobs.revive", stop, move || revive_for_ever(jobs.clone(), end.clone()));
}

/// Records of agents change with the log; the scheduler decides by them. The read model has them
/// for every process alike.
async fn tell_standings(jobs: Jobs) -> Result<(), JobsError> {
    let mut known = -1;
    loop {
        known = jobs.announce_standings(known).await?;
        tokio::time::sleep(STANDINGS_PAUSE).await;
    }
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
