//! What a second machine is worth: 200 tiles of a picture on one single-core agent, and on two.
//!
//! Copies are one, and both agents have earned it: they did the whole job together first, two
//! copies of each tile, so that a single copy of theirs is believed but for the few per cent that
//! the draw has checked. While one works alone, the server itself makes these checks.

use std::time::Duration;

use anyhow::{Context as _, Result};
use medusa_api::{AgentState, JobLive, JobState, QuoteRequest, Split};

use super::submit_until;
use crate::figure;
use crate::house::{House, Person};

/// Of each kind; the middle one counts.
const RUNS: usize = 3;
const AIM: f64 = 1.8;
const TILE: u32 = 128;
const COLUMNS: u32 = 20;
const ROWS: u32 = 10;

pub(crate) async fn measure() -> Result<()> {
    let mut house = House::open().await?;
    let consumer = house.person("carla").await?;
    let (lena, luis) = (house.person("lena").await?, house.person("luis").await?);
    house.agent_of("lena", lena.client, Some(1)).await?;
    house.agent_of("luis", luis.client.clone(), Some(1)).await?;
    let mut request = job(&consumer).await?;
    request.spec.copies = 2;
    let warm = whole(&consumer, &request).await?;
    figure::say(&format!("two copies of each tile took {warm:?}"));
    request.spec.copies = 1;
    let two = timed(&consumer, &request, "two agents").await?;
    house.leave("luis");
    while luis.client.agents().await?.iter().any(|agent| agent.state != AgentState::Offline) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let one = timed(&consumer, &request, "one agent").await?;
    figure::speedup("two_agents_speedup", (one, two), AIM);
    Ok(())
}

async fn timed(consumer: &Person, request: &QuoteRequest, who: &str) -> Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let took = whole(consumer, request).await?;
        figure::say(&format!("{who}: {took:?}"));
        times.push(took);
    }
    Ok(figure::median(times))
}

async fn whole(consumer: &Person, request: &QuoteRequest) -> Result<Duration> {
    let done = |live: &JobLive| live.state == JobState::Done;
    Ok(submit_until(consumer, request, done).await?.1)
}

/// The example's program on a larger picture.
async fn job(consumer: &Person) -> Result<QuoteRequest> {
    let examples = consumer.client.examples().await?;
    let cells = examples.into_iter().find(|example| example.id == "cells");
    let mut cells = cells.context("there is no example cells")?;
    let picture = consumer.client.upload_bytes(picture().into()).await?;
    cells.spec.split = Split::Tiles { width: TILE, height: TILE, overlap: 72 };
    Ok(QuoteRequest { program: cells.program, input: Some(picture.sha256), spec: cells.spec })
}

/// Bright discs on a dark ground, as PGM.
fn picture() -> Vec<u8> {
    let (width, height) = (COLUMNS.saturating_mul(TILE), ROWS.saturating_mul(TILE));
    let mut bytes = format!("P5\n{width} {height}\n255\n").into_bytes();
    for y in 0..height {
        for x in 0..width {
            let (dx, dy) = (x.wrapping_rem(32).abs_diff(16), y.wrapping_rem(32).abs_diff(16));
            let inside = dx.saturating_mul(dx).saturating_add(dy.saturating_mul(dy)) < 81;
            bytes.push(if inside { 200 } else { 20 });
        }
    }
    bytes
}
