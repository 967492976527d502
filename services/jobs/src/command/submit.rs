//! From a quote to a running job, and its early end.

use medusa_api::{
    Job as JobView, JobSpec, JobSubmit, MergePreview, Quote, QuoteRequest, TimeRange,
};
use medusa_eventlog::{Append, AppendError, Expect, NewEvent, Operation};
use medusa_events::Fact;
use medusa_types::{Credits, Fuel, JobId, Sha256Hash, UserId, Uuid};
use sqlx::PgConnection;

use crate::actor::{FleetSummary, Summary};
use crate::domain::{MergeTree, Prices, Submitted, Work, quote_price};
use crate::error::JobsError;
use crate::order::{BUNDLE_BYTES_MAX, FUEL_MARGIN, OUTPUT_BYTES_MAX};
use crate::split::Planned;
use crate::store::quote::{PlanFigures, StoredQuote};
use crate::{split, start, store};

use super::Jobs;
use super::sizing::Sample;

/// A run may use so many times the fuel of the sample (scaled by input size), and be paid for a
/// result so many times as large;
const MARGIN: u64 = FUEL_MARGIN;
/// and at least this much fuel,
const FUEL_MIN: u64 = 200_000_000;
/// and so many bytes.
const OUTPUT_MIN: u64 = 1 << 20;
/// The last run of a merge may have so many times as much to do as the first.
const MERGE_GROWTH_MAX: u64 = 100;
/// Everything, in millionths.
const WHOLE_PPM: u32 = 1_000_000;
/// Copies of each chunk at most, as far as can be seen before.
const COPIES_MAX: u32 = 2;
/// Lent machines may be so many times slower than the server.
const SLOWER: u64 = 2;

impl Jobs {
    /// Splits the input and runs one sample chunk; the price that comes of it holds for an hour.
    ///
    /// # Errors
    /// What is wrong with spec, input or program, in words. Nothing is charged.
    pub async fn quote(&self, user: UserId, mut request: QuoteRequest) -> Result<Quote, JobsError> {
        request.spec.check().map_err(JobsError::Spec)?;
        let parts = &self.parts;
        let mut db = parts.log.pool().acquire().await?;
        let program = store::program::usable(&mut db, request.program, user)
            .await?
            .ok_or(JobsError::Missing("program"))?;
        request.spec.script.clone_from(&program.script);
        if let Some(input) = request.input {
            self.check_input(&mut db, user, input).await?;
        }
        self.take_splitter(&mut db, user, &mut request).await?;
        self.take_merger(&mut db, user, &mut request).await?;
        drop(db);
        let _turn = self.take_sample_turn(user)?;
        let pace = self.size(&program, &mut request).await?;
        let planned = self.planned(&request.spec, request.input).await?;
        let whole = pace.is_none();
        let sample = match pace {
            Some(pace) => pace.sample(&mut request.spec.split, &planned.plan),
            None => self.sample(&program, &request, &planned.plan).await?,
        };
        let merged = (&sample.result, whole);
        let merging = self.try_merges(&program, &request, &planned.plan, merged).await?;
        let quote = self.price(user, &request, &planned, (sample, merging)).await?;
        let mut db = parts.log.pool().begin().await?;
        let stored = StoredQuote {
            id: parse_quote(&quote.id).ok_or(JobsError::QuoteEnded)?,
            owner: user,
            program: request.program,
            input: request.input,
            spec: request.spec,
            quote: quote.clone(),
            job: None,
        };
        store::quote::insert(&mut db, &stored, &planned).await?;
        db.commit().await?;
        Ok(quote)
    }

    /// An input is the person's own, or an example's.
    pub(super) async fn check_input(
        &self,
        db: &mut PgConnection,
        user: UserId,
        input: Sha256Hash,
    ) -> Result<(), JobsError> {
        let is_known = store::blob::owned_size(db, input, user).await?.is_some()
            || store::blob::is_example_input(db, input).await?;
        if is_known { Ok(()) } else { Err(JobsError::Missing("input")) }
    }

    async fn price(
        &self,
        user: UserId,
        request: &QuoteRequest,
        planned: &Planned,
        (sample, merging): (Sample, Option<MergePreview>),
    ) -> Result<Quote, JobsError> {
        let parts = &self.parts;
        let chunks = u32::try_from(planned.plan.count()).unwrap_or(u32::MAX);
        let id = parts.random.id();
        let tariff = parts.escrows.tariff().times(request.spec.priority.price_permille());
        let (bytes, largest) = (planned.measure.bytes, planned.measure.largest);
        let limits = Limits::of((sample.fuel, sample.output), largest, (bytes, chunks), merging);
        let prices = Prices::of(&tariff, request.spec.memory_bytes(), limits.transfer);
        let summary = Summary { without: Some(user), price: prices.copy_max(limits.fuel) };
        let fleet = self.scheduler.send(summary).await?;
        let twice_ppm = match request.spec.copies {
            // As far as those who are online have earned it; nobody is: all twice.
            1 => fleet.twice_ppm.unwrap_or(WHOLE_PPM),
            _ => WHOLE_PPM,
        };
        let work = Work {
            sample: sample.fuel,
            sample_bytes: sample.bytes,
            bytes,
            chunks,
            merges: merging.map_or((0, Fuel(0)), |merging| (merging.nodes, merging.sample_fuel)),
            transfer: transfer(&prices, (&planned.plan, largest), &sample, merging),
            twice_ppm,
            limit: limits.fuel,
        };
        let priced = quote_price(&prices, &work);
        Ok(Quote {
            id: format!("quo_{}", id.simple()),
            split: medusa_api::SplitPreview {
                chunks,
                bytes,
                largest,
                in_words: preview(&planned.plan, request, &sample),
            },
            low: priced.low,
            likely: priced.likely,
            hold: priced.hold,
            verification: priced.verification,
            fee: priced.breakdown.fee,
            breakdown: priced.breakdown,
            twice_ppm,
            merging,
            tariff,
            sample_fuel: sample.fuel,
            sample_output: sample.output,
            sample_stderr: sample.stderr,
            time: time(sample.cpu_ms, chunks, &request.spec, &fleet),
            agents: fleet.connected.saturating_sub(fleet.paused),
            expires_at: parts
                .clock
                .now()
                .plus_ms(i64::try_from(parts.config.quote_ttl.as_millis()).unwrap_or(i64::MAX)),
        })
    }

    /// Accepts a quote: holds its price, or the budget, and starts the job. The same quote gives
    /// the same job.
    ///
    /// # Errors
    /// `billing.credits_short` when the wallet does not cover the hold, [`JobsError::Budget`] when
    /// the budget does not allow one run.
    pub async fn submit(
        &self,
        user: UserId,
        key: &str,
        accept: &JobSubmit,
    ) -> Result<JobView, JobsError> {
        let parts = &self.parts;
        let id = parse_quote(&accept.quote).ok_or(JobsError::Missing("quote"))?;
        let mut db = parts.log.pool().acquire().await?;
        let stored =
            store::quote::find(&mut db, id, user).await?.ok_or(JobsError::Missing("quote"))?;
        if stored.job.is_none() && stored.quote.expires_at < parts.clock.now() {
            return Err(JobsError::QuoteEnded);
        }
        let program = store::program::usable(&mut db, stored.program, user)
            .await?
            .ok_or(JobsError::Missing("program"))?;
        let figures = store::quote::plan(&mut db, id).await?;
        drop(db);
        let figures = match figures {
            Some(figures) => figures,
            None => self.plan_again(&stored).await?,
        };
        // Its id is drawn once for each quote, below; a budget that is too small is no job.
        let mut submitted = self.submitted(JobId(id), user, program.sha256, &stored, figures)?;
        submitted.hold = within(&submitted, accept.budget)?;
        let mut db = parts.log.pool().begin().await?;
        let job = store::quote::accept(&mut db, id, JobId(parts.random.id())).await?;
        store::submission::insert(&mut db, job, &program.name, id).await?;
        db.commit().await?;
        submitted.id = job;
        let position = self.hold(&submitted, key, accept).await?;
        if self.lock_registry().get(&job).is_none_or(|addr| !addr.connected()) {
            self.begin(job, program.size).await?;
        }
        parts.progress.reached(position).await;
        match self.job(user, job).await {
            // The read model is behind; the same key answers with the job once it is there.
            Err(JobsError::Missing(_)) => Err(JobsError::Busy),
            answer => answer,
        }
    }

    /// The plan of a quote from before plans were kept.
    async fn plan_again(&self, stored: &StoredQuote) -> Result<PlanFigures, JobsError> {
        let parts = &self.parts;
        let planned = self.planned(&stored.spec, stored.input).await?;
        let mut db = parts.log.pool().acquire().await?;
        store::quote::insert_plan(&mut db, stored.id, &planned).await?;
        Ok(PlanFigures { sha256: planned.sha256, largest: planned.measure.largest })
    }

    /// Starts the actor of a job that is in the log, unless it has ended.
    async fn begin(&self, job: JobId, program_bytes: u64) -> Result<(), JobsError> {
        let Some(folded) = start::fold(&self.parts.log, job).await? else { return Ok(()) };
        if folded.job.ended().is_some() {
            return Ok(());
        }
        let mut db = self.parts.log.pool().acquire().await?;
        let submission = store::submission::find(&mut db, job).await?;
        drop(db);
        let submission = submission.ok_or(JobsError::Missing("job"))?;
        self.start_actor(folded, submission, program_bytes);
        Ok(())
    }

    fn submitted(
        &self,
        id: JobId,
        owner: UserId,
        program: Sha256Hash,
        stored: &StoredQuote,
        plan: PlanFigures,
    ) -> Result<Submitted, JobsError> {
        let quote = &stored.quote;
        let whole = (quote.split.bytes, quote.split.chunks);
        let sample = (quote.sample_fuel, quote.sample_output);
        let limits = Limits::of(sample, plan.largest, whole, quote.merging);
        let nodes = quote.merging.map_or(0, |merging| merging.nodes);
        let module = stored.spec.merge_by.as_ref();
        let module = module.and_then(|by| Some((by.fan_in, by.module.as_ref()?.sha256)));
        Ok(Submitted {
            id,
            owner,
            program,
            input: stored.input,
            spec: start::json_hash(&stored.spec)?,
            plan: plan.sha256,
            chunks: quote.split.chunks.saturating_add(nodes),
            copies: stored.spec.copies,
            fuel_limit: limits.fuel,
            hold: quote.hold,
            prices: Prices::of(&quote.tariff, stored.spec.memory_bytes(), limits.transfer),
            merge: module.map(|(fan_in, program)| MergeTree { program, fan_in, nodes }),
        })
    }

    /// Begins the job and holds its price. Under another key too the same quote begins one job
    /// only:
    /// its stream must not exist.
    async fn hold(
        &self,
        submitted: &Submitted,
        key: &str,
        accept: &JobSubmit,
    ) -> Result<i64, JobsError> {
        let (job, owner, amount) = (submitted.id, submitted.owner, submitted.hold);
        let stream = format!("job-{job}");
        let held = Fact::EscrowHeld { job, owner, amount };
        let moves = self.parts.escrows.moves(&held);
        let begin = NewEvent::new(stream.clone(), submitted.fact()).by(owner);
        let mut events = vec![NewEvent { expect: Expect::Version(0), ..begin }];
        let more = submitted.merge_fact().into_iter().chain(submitted.resources_fact());
        events.extend(more.map(|fact| NewEvent::new(stream.clone(), fact).by(owner)));
        events.push(NewEvent::new(stream, held).by(owner).moving(moves));
        let JobSubmit { quote, budget } = accept;
        let within = budget.map(|budget| format!(" within {budget}")).unwrap_or_default();
        let request = Sha256Hash::of(format!("submit {quote}{within}").as_bytes());
        let operation = Operation::client(owner, key, request);
        let append = Append { operation: Some(operation), events };
        match self.parts.log.append(append).await {
            Ok(appended) => Ok(appended.position),
            Err(AppendError::Version { .. }) => Ok(self.parts.log.head()),
            Err(error) => Err(error.into()),
        }
    }
}

/// What is held: the quote's hold, or less where the consumer said so and one run fits.
fn within(submitted: &Submitted, budget: Option<Credits>) -> Result<Credits, JobsError> {
    let least = submitted.prices.copy_max(submitted.fuel_limit);
    match budget {
        Some(budget) if budget < least => Err(JobsError::Budget(least)),
        Some(budget) => Ok(submitted.hold.min(budget)),
        None => Ok(submitted.hold),
    }
}

fn parse_quote(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text.strip_prefix("quo_")?).ok()
}

/// The split in words, with the time that a chunk was sized for.
fn preview(plan: &split::Plan, request: &QuoteRequest, sample: &Sample) -> String {
    let words = plan.in_words(&request.spec.split);
    match sample.seconds {
        None => words,
        Some(1) => format!("{words}, of about a second each"),
        Some(seconds) => format!("{words}, of about {seconds} seconds each"),
    }
}

/// What one run may use, and is paid for at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Limits {
    fuel: Fuel,
    /// Bytes of input and output.
    transfer: u64,
}

impl Limits {
    /// Some times what the sample took and gave, more where chunks are larger or where results are
    /// put together; inputs are known.
    fn of(
        (fuel, output): (Fuel, u64),
        largest: u64,
        (bytes, chunks): (u64, u32),
        merging: Option<MergePreview>,
    ) -> Self {
        let average = bytes.checked_div(u64::from(chunks)).unwrap_or(1);
        let scale = largest.div_ceil(average.max(1)).clamp(1, 1_000);
        let times = |sample: u64, scale: u64| sample.saturating_mul(MARGIN).saturating_mul(scale);
        let output = times(output, scale).clamp(OUTPUT_MIN, OUTPUT_BYTES_MAX + BUNDLE_BYTES_MAX);
        // Towards the root there is more to put together.
        let more = merging.map_or(1, |merging| u64::from(merging.nodes));
        let more = more.clamp(1, MERGE_GROWTH_MAX);
        let (merge_fuel, merge_bytes) =
            merging.map_or((0, 0), |merging| (merging.sample_fuel.0, merging.sample_bytes));
        Self {
            fuel: Fuel(times(fuel.0, scale).max(FUEL_MIN).max(times(merge_fuel, more))),
            transfer: largest.saturating_add(output).max(times(merge_bytes, more)),
        }
    }
}

/// What moving input and output of one copy of every run costs. Results are taken to grow with the
/// input, as fuel is.
fn transfer(
    prices: &Prices,
    (plan, largest): (&split::Plan, u64),
    sample: &Sample,
    merging: Option<MergePreview>,
) -> Credits {
    let nodes = merging.map_or(Some(Credits::ZERO), |merging| {
        prices.transfer(merging.sample_bytes).checked_mul(merging.nodes.into())
    });
    let output = |input: u64| {
        let scaled = u128::from(sample.output).saturating_mul(input.into());
        let scaled = scaled.div_ceil(sample.bytes.max(1).into());
        u64::try_from(scaled).unwrap_or(u64::MAX).max(sample.output)
    };
    let price = |input: u64| prices.transfer(input.saturating_add(output(input)));
    // Where the largest costs nothing, a million others need not be looked at.
    let dear = price(largest).is_positive();
    let chunks = dear.then(|| plan.sizes().map(price).fold(Credits::ZERO, Credits::saturating_add));
    nodes.unwrap_or_default().saturating_add(chunks.unwrap_or_default())
}

/// How long the job takes with who is online, from the processor time of one chunk. At best all
/// slots compute for it alone, as many copies as it asks for; at worst it has its share beside the
/// others, two copies of each, on slower machines.
fn time(sample_ms: u64, chunks: u32, spec: &JobSpec, fleet: &FleetSummary) -> Option<TimeRange> {
    let (weight, slots) = (spec.priority.weight(), u64::from(fleet.slots));
    let all = u64::from(weight).saturating_add(fleet.rivals.weight.into());
    let share = slots.saturating_mul(weight.into()).checked_div(all)?;
    let share = share.checked_div(u64::from(fleet.rivals.own).saturating_add(1))?.max(1);
    let took = |copies: u32, slots: u64, slower: u64| {
        let runs = u64::from(chunks).saturating_mul(copies.into());
        let turns = runs.checked_next_multiple_of(slots)?.checked_div(slots)?;
        let ms = sample_ms.max(1).saturating_mul(slower).saturating_mul(turns);
        Some(ms.div_ceil(1000))
    };
    Some(TimeRange { low: took(spec.copies, slots, 1)?, high: took(COPIES_MAX, share, SLOWER)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Resources, Rivals};

    #[test]
    fn the_time_depends_on_who_is_there_and_who_else_wants_them() {
        let fleet = |slots, weight| FleetSummary {
            slots,
            rivals: Rivals { consumers: 1, weight, own: 0 },
            ..FleetSummary::default()
        };
        let own = FleetSummary { rivals: Rivals { own: 1, ..Rivals::default() }, ..fleet(4, 0) };
        let text = r#"{"name":"x","split":{"by":"bytes","bytes":1},"copies":1}"#;
        let once: JobSpec = serde_json::from_str(text).unwrap();
        let twice = JobSpec { copies: 2, ..once.clone() };
        for (chunks, spec, fleet, expected) in [
            (10, &once, fleet(0, 0), None),
            // Half a second each: 10 on 2 slots; 20 of twice the time on 2 slots.
            (10, &once, fleet(2, 0), Some((3, 10))),
            (10, &twice, fleet(2, 0), Some((5, 10))),
            // Beside one of the same weight: 20 of twice the time on 1 slot.
            (10, &once, fleet(2, 3), Some((3, 20))),
            // Beside another job of one's own: 20 of twice the time on 2 slots of 4.
            (10, &once, own, Some((2, 10))),
            // A chunk is not cut: 100 slots do not make it shorter.
            (1, &once, fleet(100, 0), Some((1, 1))),
            // Next to nothing is one slot still.
            (2, &once, fleet(1, 900), Some((1, 4))),
        ] {
            let found = time(500, chunks, spec, &fleet).map(|time| (time.low, time.high));
            assert_eq!(found, expected, "{chunks} chunks, {fleet:?}");
        }
    }

    #[test]
    fn larger_chunks_may_use_and_move_more_than_the_sample() {
        let sample = (Fuel(1_000_000_000), 500_000);
        let of = |largest| Limits::of(sample, largest, (100, 10), None);
        assert_eq!((of(10).fuel, of(30).fuel), (Fuel(4_000_000_000), Fuel(12_000_000_000)));
        assert_eq!((of(10).transfer, of(30).transfer), (10 + 2_000_000, 30 + 6_000_000));
        let idle = Limits::of((Fuel(5), 0), 0, (0, 4), None);
        assert_eq!(idle, Limits { fuel: Fuel(FUEL_MIN), transfer: OUTPUT_MIN });
        let most = Limits::of((Fuel(5), u64::MAX), 7, (7, 1), None).transfer;
        assert_eq!(most, 7 + (80 << 20), "no run gives more");
        let merging =
            MergePreview { nodes: 3, sample_fuel: Fuel(1 << 40), sample_bytes: 1_000_000 };
        let merging = Limits::of(sample, 10, (100, 10), Some(merging));
        assert_eq!(merging, Limits { fuel: Fuel(12 << 40), transfer: 12_000_000 });
    }

    #[test]
    fn what_is_moved_is_reckoned_chunk_by_chunk() {
        const MIB: u64 = 1 << 20;
        let micros = Credits::from_micros;
        let resources = Resources {
            per_gib: micros(1024),
            transfer_free: MIB,
            transfer_max: 20 * MIB,
            ..Resources::default()
        };
        let prices = Prices { resources, ..Prices::default() };
        let chunk = |size| {
            let (name, sha256) = ("a".to_owned(), Sha256Hash([1; 32]));
            split::ChunkInput::File { name, sha256, size }
        };
        let sizes = [0, MIB, 2 * MIB, 6 * MIB, 60 * MIB];
        let plan = split::Plan::of(sizes.map(chunk).to_vec());
        let sample = Sample {
            fuel: Fuel(1),
            bytes: 2 * MIB,
            output: MIB,
            cpu_ms: 1,
            stderr: String::new(),
            seconds: None,
            result: bytes::Bytes::new(),
        };
        let of = |largest, merging| transfer(&prices, (&plan, largest), &sample, merging);
        // 1, 2, 3, 9 and 90 MiB with their results, of which one is free and 20 are charged.
        assert_eq!(of(60 * MIB, None), micros(1 + 2 + 8 + 19));
        let merging = MergePreview { nodes: 4, sample_fuel: Fuel(1), sample_bytes: 3 * MIB };
        assert_eq!(of(60 * MIB, Some(merging)), micros(30 + 4 * 2));
        assert_eq!(of(0, None), micros(0), "nothing is looked at where the largest is free");
    }
}
