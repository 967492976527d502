//! How soon the first chunk of a job is there, and how many chunks a second go through one agent.

pub(crate) mod accept;
pub(crate) mod idle;
pub(crate) mod leases;
pub(crate) mod million;
pub(crate) mod speedup;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use futures_util::StreamExt as _;
use medusa_api::{JobLive, JobState, JobSubmit, LiveEvent, QuoteRequest};
use medusa_client::{Topic, operation_id};
use medusa_types::JobId;

use crate::figure;
use crate::house::{House, Person, range_job};

/// Runs of which the middle one counts; one more before them warms everything up.
const RUNS: usize = 5;
/// The aim for the first chunk.
const FIRST_AIM: Duration = Duration::from_secs(2);
/// Chunks of the job that does nothing; before it, enough for the agents to earn a record.
const NOOPS: u32 = 10_000;
const WARM: u32 = 500;
/// The scheduler looks at the records of agents twice a second.
const KNOWN: Duration = Duration::from_secs(2);
/// A program that does nothing.
const NOOP: &str = r#"(module (func (export "_start")))"#;
/// How long a job may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// Submits and follows the stream until `seen`; the time from before the submit.
pub(crate) async fn submit_until(
    consumer: &Person,
    request: &QuoteRequest,
    seen: impl Fn(&JobLive) -> bool,
) -> Result<(JobId, Duration)> {
    let client = &consumer.client;
    let quote = client.quote(request).await?;
    let began = Instant::now();
    let job = client.submit_job(&JobSubmit::of(quote.id), operation_id()).await?.id;
    let mut events = Box::pin(client.stream(&[Topic::Job(job)]));
    let watch = async {
        loop {
            let event = events.next().await.context("the stream ended")??;
            let (LiveEvent::Snapshot(live) | LiveEvent::Delta(live)) = event else { continue };
            if seen(&live) {
                return Ok(began.elapsed());
            }
            if live.state.is_final() {
                bail!("the job is {}: {:?}", live.state.as_str(), live.note);
            }
        }
    };
    let took = tokio::time::timeout(PATIENCE, watch).await.context("the job takes too long")??;
    Ok((job, took))
}

/// The example's first verified chunk, with two agents of two owners.
pub(crate) async fn first_chunk() -> Result<()> {
    let mut house = House::open().await?;
    let consumer = house.person("carla").await?;
    house.agent("lena", Some(1)).await?;
    house.agent("luis", Some(1)).await?;
    let examples = consumer.client.examples().await?;
    let cells = examples.into_iter().find(|example| example.id == "cells");
    let cells = cells.context("there is no example cells")?;
    let request = QuoteRequest { program: cells.program, input: cells.input, spec: cells.spec };
    let mut times = Vec::new();
    for run in 0..=RUNS {
        let (job, took) =
            submit_until(&consumer, &request, |live| live.counts.verified > 0).await?;
        consumer.client.cancel_job(job, operation_id()).await?;
        figure::say(&format!("the first chunk was there after {took:?}"));
        if run > 0 {
            times.push(took);
        }
        // The agents give up what they were doing.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    figure::millis("submit_to_first_chunk_ms", figure::median(times), FIRST_AIM);
    Ok(())
}

/// Chunks that do nothing through two agents of two owners, from submit to the end of the job: as
/// their records allow, and with two copies of each in any case.
pub(crate) async fn noop_chunks() -> Result<()> {
    let mut house = House::open().await?;
    let consumer = house.person("carla").await?;
    house.agent("lena", None).await?;
    house.agent("luis", None).await?;
    let warm = range_job(&consumer, NOOP, (WARM, 1)).await?;
    let done = |live: &JobLive| live.state == JobState::Done;
    submit_until(&consumer, &warm, done).await?;
    tokio::time::sleep(KNOWN).await;
    for (name, copies) in [("noop_chunks_per_s", 1), ("noop_chunks_twice_per_s", 2)] {
        let request = range_job(&consumer, NOOP, (NOOPS, copies)).await?;
        let (_, took) = submit_until(&consumer, &request, done).await?;
        figure::rate(name, NOOPS, took, "chunks/s");
    }
    Ok(())
}
