//! What an agent costs its lender while there is nothing to do: one that is connected, with its
//! workers, for a minute.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::megabytes;
use crate::figure;
use crate::house::House;

const RSS_AIM_MB: f64 = 40.0;
const CPU_AIM_PCT: f64 = 0.5;
/// What belongs to the start is over by then.
const SETTLE: Duration = Duration::from_secs(20);
const WATCHED: Duration = Duration::from_secs(60);
/// In `/proc`, Linux counts time in hundredths of a second on every machine.
const TICKS_A_SECOND: f64 = 100.0;

/// Memory and time of some processes.
#[derive(Default)]
pub(crate) struct Used {
    resident_bytes: u64,
    /// Hundredths of a second.
    pub(crate) ticks: u32,
}

#[expect(clippy::float_arithmetic, reason = "figures for people; there is no money here")]
pub(super) async fn measure() -> Result<()> {
    let mut house = House::open().await?;
    house.agent("idle", None).await?;
    let agent = house.agent_id("idle").context("the agent is gone")?;
    tokio::time::sleep(SETTLE).await;
    let (began, before) = (Instant::now(), used(agent)?);
    tokio::time::sleep(WATCHED).await;
    let (took, after) = (began.elapsed(), used(agent)?);
    let seconds = f64::from(after.ticks.saturating_sub(before.ticks)) / TICKS_A_SECOND;
    figure::aimed("idle_rss_mb", megabytes(after.resident_bytes), "MB", RSS_AIM_MB);
    figure::aimed("idle_cpu_pct", seconds / took.as_secs_f64() * 100.0, "%", CPU_AIM_PCT);
    Ok(())
}

/// What a process and its children use, and what those used that have ended.
pub(crate) fn used(process: u32) -> Result<Used> {
    let mut used = Used::default();
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // A process may end while it is looked at.
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{id}/{file}"));
        let (Ok(stat), Ok(status)) = (read("stat"), read("status")) else { continue };
        let fields = stat.rsplit_once(')').map(|(_, fields)| fields).unwrap_or_default();
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u32>().ok());
        if id != process && number(1) != Some(process) {
            continue;
        }
        // User and system time of its own, then of children that have ended.
        used.ticks = (11..15).filter_map(number).fold(used.ticks, u32::saturating_add);
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = kib.and_then(|kib| kib.trim().strip_suffix(" kB"));
        let kib: u64 = kib.unwrap_or("0").parse()?;
        used.resident_bytes = used.resident_bytes.saturating_add(kib.saturating_mul(1_024));
    }
    Ok(used)
}
