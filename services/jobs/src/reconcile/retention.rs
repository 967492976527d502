//! Deletes the files of jobs when their time is over, and blobs that nobody needs.

use medusa_platform::supervise::supervise;
use tokio_util::sync::CancellationToken;

use crate::command::Jobs;
use crate::error::JobsError;

/// Looks now and then until `stop`.
pub(super) fn sweep_regularly(jobs: &Jobs, stop: CancellationToken) {
    let jobs = jobs.clone();
    supervise("jobs.retention", stop, move || sweep_for_ever(jobs.clone()));
}

async fn sweep_for_ever(jobs: Jobs) -> Result<(), JobsError> {
    loop {
        tokio::time::sleep(jobs.parts.config.files_sweep).await;
        while jobs.sweep_files().await? {}
    }
}
