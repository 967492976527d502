//! How long the server is away after SIGKILL.

use anyhow::Result;

use crate::figure;
use crate::house::{House, range_job};
use crate::jobs::submit_until;

/// Restarts of which the middle one counts.
const RUNS: usize = 5;
/// A program that does nothing.
const NOOP: &str = r#"(module (func (export "_start")))"#;

/// From the start of the new process until it can do everything again, with a job under way.
pub(crate) async fn measure() -> Result<()> {
    let mut house = House::open().await?;
    let consumer = house.person("carla").await?;
    // Nobody computes it, so it is open at every start.
    let request = range_job(&consumer, NOOP, (1_000, 2)).await?;
    submit_until(&consumer, &request, |_| true).await?;
    let mut times = Vec::new();
    for _ in 0..RUNS {
        house.kill9();
        times.push(house.start().await?);
    }
    figure::seconds("restart_s", figure::median(times));
    Ok(())
}
