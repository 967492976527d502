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

/// Of each kind, in turns, so that a slower hour of the machine falls on both; the middle ones
/// count.
const RUNS: usize = 5;
const AIM: f64 = 1.8;
/// Sides of a tile in pixels, and tiles of the picture: the workload that other systems were
/// measured with.
const TILE: u32 = 256;
const COLUMNS: u32 = 20;
const ROWS: u32 = 10;
/// Columns of the small picture with which an agent gets ready again.
const FEW: u32 = 2;

pub(crate) async fn measure() -> Result<()> {
    let mut house = House::open().await?;
    let consumer = house.person("carla").await?;
    let (lena, luis) = (house.person("lena").await?, house.person("luis").await?);
    house.agent_of("lena", lena.client, Some(1)).await?;
    house.agent_of("luis", luis.client.clone(), Some(1)).await?;
    let mut seasoning = job(&consumer, COLUMNS).await?;
    seasoning.spec.copies = 2;
    whole(&consumer, &seasoning, "two copies of each tile").await?;
    let mut ready = job(&consumer, FEW).await?;
    ready.spec.copies = 2;
    let request = job(&consumer, COLUMNS).await?;
    let (mut ones, mut twos) = (Vec::new(), Vec::new());
    for round in 1..=RUNS {
        figure::say(&format!("round {round} of {RUNS}"));
        twos.push(whole(&consumer, &request, "two agents").await?);
        house.leave("luis");
        while luis.client.agents().await?.iter().any(|agent| agent.state != AgentState::Offline) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        ones.push(whole(&consumer, &request, "one agent").await?);
        if round < RUNS {
            house.come("luis", &luis.client, Some(1)).await?;
            whole(&consumer, &ready, "the agent that came back").await?;
        }
    }
    let times = (figure::median(ones), figure::median(twos));
    figure::speedup("two_agents_speedup", times, AIM);
    Ok(())
}

/// From the submit to the end of the job; says how many copies that took.
async fn whole(consumer: &Person, request: &QuoteRequest, what: &str) -> Result<Duration> {
    let done = |live: &JobLive| live.state == JobState::Done;
    let (job, took) = submit_until(consumer, request, done).await?;
    let copies = consumer.client.timeline(job).await?.attempts;
    figure::say(&format!("{what}: {took:?}, {copies} copies"));
    Ok(took)
}

/// The example's program on a larger picture.
async fn job(consumer: &Person, columns: u32) -> Result<QuoteRequest> {
    let examples = consumer.client.examples().await?;
    let cells = examples.into_iter().find(|example| example.id == "cells");
    let mut cells = cells.context("there is no example cells")?;
    let picture = consumer.client.upload_bytes(picture(columns).into()).await?;
    cells.spec.split = Split::Tiles { width: TILE, height: TILE, overlap: 72 };
    cells.spec.copies = 1;
    Ok(QuoteRequest { program: cells.program, input: Some(picture.sha256), spec: cells.spec })
}

/// Bright discs on a dark ground, as PGM.
fn picture(columns: u32) -> Vec<u8> {
    let (width, height) = (columns.saturating_mul(TILE), ROWS.saturating_mul(TILE));
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
