//! From a quote to a running job, and its early end.

use medusa_api::{Job as JobView, JobState, Quote, QuoteRequest};
use medusa_eventlog::{Append, AppendError, Expect, NewEvent, Operation};
use medusa_events::Fact;
use medusa_types::{Fuel, JobId, Sha256Hash, UserId, Uuid};

use crate::actor::{CancelJob, Summary};
use crate::domain::{Prices, Submitted, quote_price};
use crate::error::JobsError;
use crate::split::Plan;
use crate::store::quote::StoredQuote;
use crate::store::submission::Submission;
use crate::{split, start, store};

use super::Jobs;
use super::sizing::Sample;

/// A run may use so many times the fuel of the sample (scaled by input size).
const FUEL_MARGIN: u64 = 4;
/// And at least this much.
const FUEL_MIN: u64 = 200_000_000;

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
        if let Some(input) = request.input
            && store::blob::owned_size(&mut db, input, user).await?.is_none()
            && !store::blob::is_example_input(&mut db, input).await?
        {
            return Err(JobsError::Missing("input"));
        }
        drop(db);
        let _turn = self.take_sample_turn(user)?;
        let pace = self.size(&program, &mut request).await?;
        let plan = split::plan(&parts.blobs, &request.spec.split, request.input).await?;
        let sample = match pace {
            Some(pace) => pace.sample(&mut request.spec.split, &plan),
            None => self.sample(&program, &request, &plan).await?,
        };
        let quote = self.price(user, &request, &plan, sample).await?;
        let mut db = parts.log.pool().acquire().await?;
        let stored = StoredQuote {
            id: parse_quote(&quote.id).ok_or(JobsError::QuoteEnded)?,
            owner: user,
            program: request.program,
            input: request.input,
            spec: request.spec,
            quote: quote.clone(),
            job: None,
        };
        store::quote::insert(&mut db, &stored).await?;
        Ok(quote)
    }

    async fn price(
        &self,
        user: UserId,
        request: &QuoteRequest,
        plan: &Plan,
        sample: Sample,
    ) -> Result<Quote, JobsError> {
        let parts = &self.parts;
        let chunks = u32::try_from(plan.chunks.len()).unwrap_or(u32::MAX);
        let id = parts.random.id();
        let tariff = parts.escrows.tariff();
        let prices = Prices::from(&tariff);
        let bytes = plan.bytes();
        let copies = request.spec.copies;
        let (low, likely, hold) =
            quote_price(&prices, sample.fuel, (sample.bytes, bytes), (chunks, copies));
        let fleet = self.scheduler.send(Summary { without: Some(user) }).await?;
        let once = likely.share_floor(1, u64::from(copies.max(1))).unwrap_or(likely);
        Ok(Quote {
            id: format!("quo_{}", id.simple()),
            split: medusa_api::SplitPreview {
                chunks,
                bytes,
                in_words: preview(plan, request, &sample),
            },
            low,
            likely,
            hold,
            verification: likely.saturating_sub(once),
            fee: prices.fee(likely),
            tariff,
            sample_fuel: sample.fuel,
            sample_stderr: sample.stderr,
            seconds: seconds(sample.cpu_ms, chunks, copies, fleet.slots),
            agents: fleet.connected.saturating_sub(fleet.paused),
            expires_at: parts
                .clock
                .now()
                .plus_ms(i64::try_from(parts.config.quote_ttl.as_millis()).unwrap_or(i64::MAX)),
        })
    }

    /// Accepts a quote: holds its price and starts the job. The same quote gives the same job.
    ///
    /// # Errors
    /// `billing.credits_short` when the wallet does not cover the hold.
    pub async fn submit(&self, user: UserId, key: &str, quote: &str) -> Result<JobView, JobsError> {
        let parts = &self.parts;
        let id = parse_quote(quote).ok_or(JobsError::Missing("quote"))?;
        let mut db = parts.log.pool().acquire().await?;
        let stored =
            store::quote::find(&mut db, id, user).await?.ok_or(JobsError::Missing("quote"))?;
        if stored.job.is_none() && stored.quote.expires_at < parts.clock.now() {
            return Err(JobsError::QuoteEnded);
        }
        let program = store::program::usable(&mut db, stored.program, user)
            .await?
            .ok_or(JobsError::Missing("program"))?;
        drop(db);
        let plan = split::plan(&parts.blobs, &stored.spec.split, stored.input).await?;
        let mut db = parts.log.pool().acquire().await?;
        let job = store::quote::accept(&mut db, id, JobId(parts.random.id())).await?;
        let submission = Submission { program_name: program.name, spec: stored.spec.clone(), plan };
        store::submission::insert(&mut db, job, &submission).await?;
        drop(db);
        let submitted = self.submitted(job, user, program.sha256, &stored, &submission.plan)?;
        let position = self.hold(&submitted, key, quote).await?;
        if self.lock_registry().get(&job).is_none_or(|addr| !addr.connected())
            && let Some(folded) = start::fold(&parts.log, job).await?
            && folded.job.ended().is_none()
        {
            self.start_actor(folded, submission, program.size);
        }
        parts.progress.reached(position).await;
        self.job(user, job).await
    }

    fn submitted(
        &self,
        id: JobId,
        owner: UserId,
        program: Sha256Hash,
        stored: &StoredQuote,
        plan: &Plan,
    ) -> Result<Submitted, JobsError> {
        let quote = &stored.quote;
        let largest = plan.largest();
        let average = quote.split.bytes.checked_div(u64::from(quote.split.chunks)).unwrap_or(1);
        let scale = largest.div_ceil(average.max(1)).clamp(1, 1_000);
        let limit = quote.sample_fuel.0.saturating_mul(FUEL_MARGIN).saturating_mul(scale);
        Ok(Submitted {
            id,
            owner,
            program,
            input: stored.input,
            spec: start::json_hash(&stored.spec)?,
            plan: start::json_hash(plan)?,
            chunks: quote.split.chunks,
            copies: stored.spec.copies,
            fuel_limit: Fuel(limit.max(FUEL_MIN)),
            hold: quote.hold,
            prices: Prices::from(&quote.tariff),
        })
    }

    /// Begins the job and holds its price. Under another key too the same quote begins one job
    /// only:
    /// its stream must not exist.
    async fn hold(&self, submitted: &Submitted, key: &str, quote: &str) -> Result<i64, JobsError> {
        let (job, owner, amount) = (submitted.id, submitted.owner, submitted.hold);
        let stream = format!("job-{job}");
        let held = Fact::EscrowHeld { job, owner, amount };
        let moves = self.parts.escrows.moves(&held);
        let begin = NewEvent::new(stream.clone(), submitted.fact()).by(owner);
        let events = vec![
            NewEvent { expect: Expect::Version(0), ..begin },
            NewEvent::new(stream, held).by(owner).moving(moves),
        ];
        let request = Sha256Hash::of(format!("submit {quote}").as_bytes());
        let operation = Operation::client(owner, key, request);
        let append = Append { operation: Some(operation), events };
        match self.parts.log.append(append).await {
            Ok(appended) => Ok(appended.position),
            Err(AppendError::Version { .. }) => Ok(self.parts.log.head()),
            Err(error) => Err(error.into()),
        }
    }

    /// Stops a job; what was not spent goes back.
    ///
    /// # Errors
    /// [`JobsError::Ended`] when it is done or has failed.
    pub async fn cancel(&self, user: UserId, id: JobId) -> Result<JobView, JobsError> {
        let view = self.job(user, id).await?;
        match view.state {
            // Asked twice: it is as it was wished.
            JobState::Cancelled => return Ok(view),
            state if state.is_final() => return Err(JobsError::Ended),
            _ => {}
        }
        let position = self.actor(id).await?.send(CancelJob { actor: user }).await??;
        self.parts.progress.reached(position).await;
        self.job(user, id).await
    }
}

fn parse_quote(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text.strip_prefix("quo_")?).ok()
}

/// The split in words, with the time that a chunk was sized for.
fn preview(plan: &Plan, request: &QuoteRequest, sample: &Sample) -> String {
    let words = plan.in_words(&request.spec.split);
    match sample.seconds {
        None => words,
        Some(1) => format!("{words}, of about a second each"),
        Some(seconds) => format!("{words}, of about {seconds} seconds each"),
    }
}

/// How long all copies take on so many slots, from the processor time of one.
fn seconds(sample_ms: u64, chunks: u32, copies: u32, slots: u32) -> Option<u64> {
    let runs = u64::from(chunks).saturating_mul(u64::from(copies));
    let total = sample_ms.max(1).saturating_mul(runs);
    total.checked_div(u64::from(slots)).map(|ms| ms.div_ceil(1000))
}
