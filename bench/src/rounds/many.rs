//! Sixty-four agents in one session, on the cores of this machine: what a round takes, and what it
//! costs the server for each agent; against eight of them, to see that it grows no faster.

use anyhow::{Context as _, Result};
use medusa_client::Rounds;

use super::{guest, on_a_thread_of_its_own, open, ours, percentiles};
use crate::agent::used;
use crate::figure;
use crate::house::House;

/// Bytes of a round.
const BYTES: usize = 1 << 10;
const FEW: u64 = 8;
const MANY: u64 = 64;
const WARM: usize = 50;
const ROUNDS: usize = 1_000;
/// In `/proc`, Linux counts time in hundredths of a second on every machine.
const TICK_US: f64 = 10_000.0;

#[expect(clippy::float_arithmetic, reason = "figures for people; there is no money here")]
pub(super) async fn measure() -> Result<()> {
    let mut house = House::open().await?;
    let consumer = house.person("carla").await?;
    for number in 0..MANY {
        house.agent(&format!("lender{number}"), Some(1)).await?;
    }
    let guest = guest()?;
    let server = house.server_id().context("the server runs")?;
    let mut costs = Vec::new();
    for shards in [FEW, MANY] {
        let session = open(&consumer, &guest, (BYTES, shards)).await?;
        let url = session.home.context("the session is open")?.url;
        let (p50, ticks) = on_a_thread_of_its_own(move || async move {
            let mut rounds = Rounds::connect(&url).await?;
            drop(ours(&mut rounds, BYTES, WARM).await?);
            let before = used(server)?.ticks;
            let (p50, _) = percentiles(ours(&mut rounds, BYTES, ROUNDS).await?);
            let ticks = used(server)?.ticks.saturating_sub(before);
            rounds.finish().await?;
            Ok((p50, ticks))
        })
        .await?;
        let answers = f64::from(u32::try_from(shards)?) * f64::from(u32::try_from(ROUNDS)?);
        let cost = f64::from(ticks) * TICK_US / answers;
        figure::say(&format!("{shards} agents: {p50:.3} ms, {cost:.1} us of the server for each"));
        costs.push(cost);
        if shards == MANY {
            figure::ms("round_64_agents_ms", p50);
            figure::us("cpu_us_per_agent_round", cost);
        }
    }
    if let [few, many] = costs[..] {
        figure::ratio("cpu_64_over_8_agents", many / few);
    }
    Ok(())
}
