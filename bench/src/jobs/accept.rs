//! How soon work begins after a quote was accepted. Nobody outside sees the moment in which a chunk
//! starts to run, so what is measured is later: its first verified result, of two copies. Neither
//! agent has ever seen the module.

use std::time::Duration;

use anyhow::Result;
use medusa_client::operation_id;

use super::submit_until;
use crate::figure;
use crate::house::{House, range_job};

/// Runs of which the middle one counts.
const RUNS: u32 = 20;
const AIM: Duration = Duration::from_millis(300);
/// Chunks of a job, of which only the first matters.
const CHUNKS: u32 = 4;

pub(crate) async fn measure() -> Result<()> {
    let mut house = House::open().await?;
    let consumer = house.person("carla").await?;
    house.agent("lena", Some(1)).await?;
    house.agent("luis", Some(1)).await?;
    let mut times = Vec::new();
    // The first one warms up what is the same for every job.
    for run in 0..=RUNS {
        let module = format!(
            r#"(module (memory (export "memory") 1) (func (export "_start")
                 (i32.store (i32.const 0) (i32.const {run}))))"#
        );
        let request = range_job(&consumer, &module, (CHUNKS, 2)).await?;
        let (job, took) =
            submit_until(&consumer, &request, |live| live.counts.verified > 0).await?;
        // It may have ended by itself.
        consumer.client.cancel_job(job, operation_id()).await.ok();
        if run > 0 {
            times.push(took);
        }
    }
    figure::millis("accept_to_run_ms", figure::median(times), AIM);
    Ok(())
}
