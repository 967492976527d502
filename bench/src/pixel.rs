//! How long a change takes from the log to the screen of somebody who watches a job.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::browser::Browser;
use crate::figure;
use crate::house::{House, range_job};
use crate::jobs::submit_until;

/// The aim.
const AIM: Duration = Duration::from_millis(250);
/// Chunks of the job that is watched.
const CHUNKS: u32 = 300;
/// Of so many hundredths of all changes.
const PERCENT: usize = 95;
/// Fewer changes than this say nothing about their slowest.
const PAINTS_MIN: usize = 50;
/// A program that counts for some hundredths of a second.
const BUSY: &str = r#"(module (func (export "_start") (local $i i64)
    (local.set $i (i64.const 20000000))
    (loop $spin
        (local.set $i (i64.sub (local.get $i) (i64.const 1)))
        (br_if $spin (i64.ne (local.get $i) (i64.const 0))))))"#;

/// What the page notes about each message that it has painted.
#[derive(Deserialize)]
struct Paint {
    /// Time of the newest event in it, in microseconds.
    at: i64,
    /// Time of the frame that shows it, in milliseconds.
    painted_ms: i64,
}

/// The slowest but a few of all changes that the map of a running job shows.
pub(crate) async fn measure() -> Result<()> {
    let mut house = House::open().await?;
    let consumer = house.person("carla").await?;
    house.agent("lena", Some(1)).await?;
    let browser = Browser::open(&house.url).await?;
    browser.log_in(&consumer).await?;
    let request = range_job(&consumer, BUSY, (CHUNKS, 1)).await?;
    let (job, _) = submit_until(&consumer, &request, |_| true).await?;
    browser.goto(&format!("/app/jobs/{job}")).await?;
    browser.until("document.querySelector('#job').dataset.state === 'done'").await?;
    let paints = browser.js("return document.querySelector('#map').paints").await?;
    let mut paints: Vec<Paint> = serde_json::from_value(paints)?;
    if paints.len() < PAINTS_MIN {
        bail!("the page painted only {} changes", paints.len());
    }
    // The first one is as old as the page.
    paints.remove(0);
    let mut waits = Vec::new();
    for paint in &paints {
        let micros = paint.painted_ms.saturating_mul(1_000).saturating_sub(paint.at).max(0);
        waits.push(Duration::from_micros(u64::try_from(micros)?));
    }
    waits.sort_unstable();
    let rank = waits.len().saturating_mul(PERCENT).div_euclid(100);
    let slow = waits.get(rank).copied().context("there is no change")?;
    figure::say(&format!(
        "{} changes, the middle one after {:?}",
        waits.len(),
        figure::median(waits)
    ));
    figure::millis("commit_to_pixel_p95_ms", slow, AIM);
    Ok(())
}
