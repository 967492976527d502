//! The sample run behind a quote, and chunks of so many seconds.
//!
//! Where a consumer asks for seconds, a few trial runs, each larger than the one before, say what
//! an item costs; the splitter then gets a count. The quote builds on those runs: a whole chunk,
//! which may take minutes, is not run here.

use std::sync::Arc;

use bytes::Bytes;
use medusa_api::{BlobInfo, Program, QuoteRequest, Size, Split};
use medusa_types::{Fuel, JobId, Outcome, Sha256Hash};

use super::Jobs;
use crate::error::JobsError;
use crate::order::Orders;
use crate::port::Ran;
use crate::split::{self, CHUNKS_MAX, Inputs, Plan, Trial};

/// A trial run of so much processor time is long enough to judge by.
const ENOUGH_MS: u64 = 500;
/// Chunks that are sized by time have no more input than this, on average.
const AIM_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What is known of a typical chunk, by running it or by reckoning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) fuel: Fuel,
    /// Bytes of its input.
    pub(super) bytes: u64,
    /// Bytes of its result.
    pub(super) output: u64,
    /// Processor time in milliseconds.
    pub(super) cpu_ms: u64,
    pub(super) stderr: String,
    /// Seconds that a chunk was sized for.
    pub(super) seconds: Option<u64>,
    /// What it wrote; what the last trial run did, where it was reckoned.
    pub(super) result: Bytes,
}

impl Jobs {
    /// Runs the middle chunk of a plan: ends are often smaller.
    pub(super) async fn sample(
        &self,
        program: &Program,
        request: &QuoteRequest,
        plan: &Arc<Plan>,
    ) -> Result<Sample, JobsError> {
        let middle = middle(plan);
        let ran = self.try_plan(program, request, plan, (middle, &[])).await?;
        let Ran { fuel, cpu_ms, stderr, output, .. } = done(ran)?;
        let bytes = plan.bytes_of_chunk(middle);
        let (len, result) = (len(&output), output);
        Ok(Sample { fuel, bytes, output: len, cpu_ms, stderr, seconds: None, result })
    }

    /// Finds out what an item costs, where the chunks' size is given in seconds, and puts the count
    /// in its place.
    pub(super) async fn size(
        &self,
        program: &Program,
        request: &mut QuoteRequest,
    ) -> Result<Option<Pace>, JobsError> {
        let Some(seconds) = size_of(&mut request.spec.split).and_then(|size| in_seconds(*size))
        else {
            return Ok(None);
        };
        let trial = split::trial(&self.parts.blobs, &request.spec.split, request.input).await?;
        let mut points: Vec<Point> = Vec::new();
        let (mut stderr, mut result) = (String::new(), Bytes::new());
        for pilot in &trial.pilots {
            let plan = Arc::new(pilot.plan.clone());
            let ran = self.try_plan(program, request, &plan, (middle(&plan), &[])).await?;
            if !points.is_empty() && matches!(ran.outcome, Outcome::WallOut | Outcome::FuelOut) {
                break;
            }
            let ran = done(ran)?;
            let (fuel, output) = (ran.fuel.0, len(&ran.output));
            points.push(Point { items: pilot.items, fuel, ms: ran.cpu_ms, output });
            (stderr, result) = (ran.stderr, ran.output);
            if ran.cpu_ms >= ENOUGH_MS {
                break;
            }
        }
        let Some(pace) = Pace::of(&points, seconds, (stderr, result)) else { return Ok(None) };
        if let Some(size) = size_of(&mut request.spec.split) {
            *size = Size::Count(pace.count(&trial));
        }
        Ok(Some(pace))
    }

    /// One run of a plan's chunk in the server's own sandbox, or of what puts the results `below`
    /// together.
    pub(super) async fn try_plan(
        &self,
        program: &Program,
        request: &QuoteRequest,
        plan: &Arc<Plan>,
        (chunk, below): (u32, &[Sha256Hash]),
    ) -> Result<Ran, JobsError> {
        let parts = &self.parts;
        let chunks = u32::try_from(plan.count()).unwrap_or(u32::MAX);
        let orders = Orders {
            job: JobId(parts.random.id()),
            spec: request.spec.clone(),
            chunks,
            program: BlobInfo { sha256: program.sha256, size: program.size },
            submitted_at: parts.clock.now(),
            inputs: Inputs::new(parts.blobs.clone(), Arc::clone(plan), request.input),
            blobs: parts.blobs.clone(),
            tickets: Arc::clone(&parts.tickets),
        };
        let (fuel, wall) = (Fuel(parts.config.sample_fuel_max), Some(parts.config.sample_wall_ms));
        orders.run(parts.runner.as_ref(), (chunk, below), fuel, wall).await
    }
}

/// The chunk that is the sample of a plan.
pub(super) fn middle(plan: &Plan) -> u32 {
    u32::try_from(plan.count()).unwrap_or(u32::MAX) >> 1
}

/// The run, if it came to a good end.
pub(super) fn done(ran: Ran) -> Result<Ran, JobsError> {
    if ran.outcome == Outcome::Done {
        return Ok(ran);
    }
    let words = ran.outcome.in_words();
    Err(JobsError::Sample(format!("{words}\n{}", ran.stderr.trim_end())))
}

/// The size of a chunk, of splitters that have one.
const fn size_of(split: &mut Split) -> Option<&mut Size> {
    match split {
        Split::Lines { lines: size }
        | Split::CsvRows { size }
        | Split::Jsonl { size }
        | Split::Range { step: size, .. } => Some(size),
        Split::Bytes { .. }
        | Split::Files { .. }
        | Split::Tiles { .. }
        | Split::Grid { .. }
        | Split::Program { .. } => None,
    }
}

const fn in_seconds(size: Size) -> Option<u64> {
    match size {
        Size::Seconds(seconds) => Some(seconds),
        Size::Count(_) | Size::Bytes(_) => None,
    }
}

/// One trial run.
#[derive(Clone, Copy, Debug)]
struct Point {
    items: u64,
    fuel: u64,
    ms: u64,
    /// Bytes of its result.
    output: u64,
}

/// What items cost: so much to begin with, and so much for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    seconds: u64,
    /// Fuel of a run without items.
    start: u64,
    /// So much fuel for so many items.
    fuel: u64,
    items: u64,
    /// So much fuel in a second of processor time.
    per_second: u64,
    /// So many bytes of result of so many items.
    output: (u64, u64),
    stderr: String,
    /// What the last run wrote.
    result: Bytes,
}

impl Pace {
    /// From the last two runs: their difference is what items cost without the start.
    fn of(points: &[Point], seconds: u64, (stderr, result): (String, Bytes)) -> Option<Self> {
        let last = points.last()?;
        let before = points.len().checked_sub(2).and_then(|at| points.get(at));
        let difference = before.and_then(|before| {
            let fuel = last.fuel.checked_sub(before.fuel).filter(|fuel| *fuel > 0)?;
            Some((fuel, last.items.checked_sub(before.items)?))
        });
        let (fuel, items) = difference.unwrap_or((last.fuel, last.items));
        let start = last.fuel.saturating_sub(share(fuel, last.items, items));
        let per_second = share(last.fuel, 1000, last.ms.max(1));
        let output = (last.output, last.items);
        Some(Self { seconds, start, fuel, items, per_second, output, stderr, result })
    }

    /// Items that a chunk gets.
    fn count(&self, trial: &Trial) -> u64 {
        let budget = self.seconds.saturating_mul(self.per_second).saturating_sub(self.start);
        let by_time = share(budget, self.items, self.fuel.max(1));
        let by_bytes = share(AIM_BYTES_MAX, trial.items, trial.bytes.max(1));
        // Not more chunks than a job may have; and for this a chunk may become longer.
        let least = trial.items.div_ceil(u64::from(CHUNKS_MAX)).max(1);
        by_time.min(by_bytes).min(trial.items).max(least)
    }

    /// What a chunk of the plan comes to.
    pub(super) fn sample(&self, split: &mut Split, plan: &Plan) -> Sample {
        let chunks = u32::try_from(plan.count()).unwrap_or(u32::MAX);
        let items = match size_of(split) {
            Some(Size::Count(items)) => *items,
            _ => 1,
        };
        let fuel = self.start.saturating_add(share(self.fuel, items, self.items));
        let (output, of) = self.output;
        Sample {
            fuel: Fuel(fuel),
            bytes: plan.bytes_of_chunk(chunks >> 1),
            output: share(output, items, of),
            cpu_ms: share(fuel, 1000, self.per_second.max(1)),
            stderr: self.stderr.clone(),
            // One chunk of everything may be much shorter than was asked for.
            seconds: (chunks > 1).then_some(self.seconds),
            result: self.result.clone(),
        }
    }
}

pub(super) fn len(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// `whole * part / of`, rounded down.
fn share(whole: u64, part: u64, of: u64) -> u64 {
    let product = u128::from(whole).saturating_mul(u128::from(part));
    let share = product.checked_div(u128::from(of)).unwrap_or(u128::MAX);
    u64::try_from(share).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn trial(items: u64, bytes: u64) -> Trial {
        Trial { items, bytes, pilots: Vec::new() }
    }

    fn pace(points: &[(u64, u64, u64)], seconds: u64) -> Pace {
        let points: Vec<Point> = points
            .iter()
            .map(|(items, fuel, ms)| Point {
                items: *items,
                fuel: *fuel,
                ms: *ms,
                output: 10 * *items,
            })
            .collect();
        Pace::of(&points, seconds, Default::default()).unwrap()
    }

    #[test]
    fn seconds_become_the_items_that_take_them() {
        // 1,000 fuel to begin with, 100 for an item, 10,000 in a second.
        let pace = pace(&[(1, 1_100, 110), (64, 7_400, 740)], 5);
        assert_eq!(
            (pace.start, pace.fuel, pace.items, pace.per_second),
            (1_000, 6_300, 63, 10_000)
        );
        assert_eq!(pace.count(&trial(1_000_000, 1_000_000)), 490);
        assert_eq!(pace.count(&trial(300, 300)), 300, "there are no more");
    }

    #[test]
    fn one_run_is_enough_to_judge_by() {
        let pace = pace(&[(1, 4_000, 2_000)], 10);
        assert_eq!((pace.start, pace.per_second), (0, 2_000));
        assert_eq!(pace.count(&trial(1_000, 1_000)), 5);
        assert_eq!(Pace::of(&[], 1, Default::default()), None);
    }

    #[test]
    fn the_count_is_kept_in_bounds() {
        let slow = pace(&[(1, 4_000, 60_000)], 1);
        assert_eq!(slow.count(&trial(10, 10)), 1, "an item at least");
        assert_eq!(slow.count(&trial(10_000_000, 1)), 10, "no more chunks than a job may have");
        let idle = pace(&[(1, 500, 0), (8, 500, 0)], 600);
        assert_eq!(idle.count(&trial(100, 100 * AIM_BYTES_MAX)), 1, "chunks that agents can hold");
        assert_eq!(idle.count(&trial(1_000, 1_000)), 1_000);
    }

    #[test]
    fn a_chunk_is_reckoned_from_the_pace() {
        let pace = pace(&[(1, 1_100, 110), (64, 7_400, 740)], 5);
        let mut split = Split::Range { from: 0, to: 1_000, step: Size::Count(490) };
        let chunk = split::ChunkInput::Seeds { first: 0, count: 490 };
        let plan = Plan::of(vec![chunk.clone(), chunk]);
        let sample = pace.sample(&mut split, &plan);
        assert_eq!((sample.fuel, sample.cpu_ms, sample.bytes), (Fuel(50_000), 5_000, 6));
        assert_eq!(sample.output, 4_900, "ten bytes of each item");
        assert_eq!(sample.seconds, Some(5));
    }
}
