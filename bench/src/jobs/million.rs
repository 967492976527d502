//! A job of a million chunks: how long its submit takes, and what a chunk that waits costs the
//! server's memory.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use medusa_api::JobSubmit;
use medusa_client::operation_id;

use crate::figure;
use crate::house::{House, range_job};

const CHUNKS: u32 = 1_000_000;
const RUNS: usize = 3;
const NOOP: &str = r#"(module (func (export "_start")))"#;
/// Until what the submit itself needed is given back.
const SETTLE: Duration = Duration::from_secs(5);

/// Prints `submit_million_s` and `bytes_per_waiting_chunk`.
pub(crate) async fn measure() -> Result<()> {
    let house = House::open().await?;
    let consumer = house.person("carla").await?;
    let client = &consumer.client;
    let small = range_job(&consumer, NOOP, (10, 2)).await?;
    client.submit_job(&JobSubmit::of(client.quote(&small).await?.id), operation_id()).await?;
    let request = range_job(&consumer, NOOP, (CHUNKS, 2)).await?;
    tokio::time::sleep(SETTLE).await;
    let before = house.server_bytes()?;
    let (mut quotes, mut submits) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let began = Instant::now();
        let quote = client.quote(&request).await?;
        quotes.push(began.elapsed());
        let began = Instant::now();
        let job = client.submit_job(&JobSubmit::of(quote.id), operation_id()).await?;
        submits.push(began.elapsed());
        ensure!(job.counts.waiting == CHUNKS, "{:?}", job.counts);
    }
    tokio::time::sleep(SETTLE).await;
    let more = house.server_bytes()?.saturating_sub(before);
    figure::say(&format!("{RUNS} such jobs wait in {more} bytes of the server's memory"));
    figure::seconds("quote_million_s", figure::median(quotes));
    figure::seconds("submit_million_s", figure::median(submits));
    let chunks = u64::from(CHUNKS).saturating_mul(u64::try_from(RUNS)?);
    let each = more.div_ceil(chunks.max(1));
    figure::bytes("bytes_per_waiting_chunk", f64::from(u32::try_from(each)?));
    Ok(())
}
