//! Handing over: a writer that is told to end gives no more leases, takes the reports of the chunks
//! that run, sends its agents away to whoever writes next, and lets go of the log. What is not done
//! by then goes on there: leases outlive their writer.

use std::time::Duration;

use medusa_jobs::Jobs;
use tokio::time::{sleep, timeout};

use crate::ends::Ends;

/// Between two looks whether anything is under way.
const LOOK: Duration = Duration::from_millis(50);

/// Waits until no chunk is under way, at most so long, and not at all after another word.
pub(crate) async fn drain(jobs: &Jobs, ends: &mut Ends, most: Duration) {
    tracing::info!("handing over: no new leases");
    let done = async {
        while jobs.drain().await > 0 {
            sleep(LOOK).await;
        }
    };
    tokio::select! {
        done = timeout(most, done) => match done {
            Ok(()) => tracing::info!("no chunk is under way"),
            Err(_late) => tracing::info!("chunks are still under way; they go on elsewhere"),
        },
        _ = ends.next() => tracing::info!("not waiting for chunks under way"),
    }
    jobs.send_away();
}
