//! The orders that this service accepts, behind one cheap handle.

use std::sync::Arc;

use actix::Addr;
use medusa_api::{
    Agent, AgentState, BlobInfo, ChunkPage, Example, InputPreview, Job as JobView, JobPage, Program, ProgramUpload, Quote,
    QuoteRequest,
};
use medusa_eventlog::{Append, EventLog, NewEvent, Operation, Progress};
use medusa_events::Fact;
use medusa_platform::blob::BlobError;
use medusa_platform::ticket::Tickets;
use medusa_platform::{BlobStore, Clock, Random};
use medusa_types::{
    ChunkIndex, Fuel, JobId, ProgramId, Sha256Hash, Timestamp, UserId, Uuid,
};

use crate::actor::{CancelJob, JobActor, JobContext, Scheduler, SchedulerHandle, Summary};
use crate::config::JobsConfig;
use crate::domain::{Job, Prices, Submitted, quote_price};
use crate::error::JobsError;
use crate::order::Orders;
use crate::port::{Agents, Escrows, Runner};
use crate::split::{Inputs, Plan};
use crate::store::quote::StoredQuote;
use crate::store::submission::Submission;
use crate::{split, start, store};

/// Rows of one page.
const PAGE_MAX: i64 = 200;
/// A program larger than this is refused before it is read.
const PROGRAM_BYTES_MAX: u64 = 128 * 1024 * 1024;
/// A run may use so many times the fuel of the sample (scaled by input size).
const FUEL_MARGIN: u64 = 4;
/// And at least this much.
const FUEL_MIN: u64 = 200_000_000;

/// What the service is made of.
pub struct JobsParts {
    /// Settings.
    pub config: JobsConfig,
    /// The log.
    pub log: EventLog,
    /// The object store.
    pub blobs: BlobStore,
    /// Billing.
    pub escrows: Arc<dyn Escrows>,
    /// The server's own sandbox.
    pub runner: Arc<dyn Runner>,
    /// Accounts' machines.
    pub agents: Arc<dyn Agents>,
    /// Tickets for agents.
    pub tickets: Arc<Tickets>,
    /// Time.
    pub clock: Clock,
    /// Ids.
    pub random: Random,
    /// How far the read model is.
    pub progress: Progress,
}

/// The jobs service. Cheap to clone.
#[derive(Clone)]
pub struct Jobs {
    pub(crate) parts: Arc<JobsParts>,
    pub(crate) scheduler: SchedulerHandle,
    registry: Arc<std::sync::Mutex<std::collections::HashMap<JobId, Addr<JobActor>>>>,
    arbiter: actix::ArbiterHandle,
}

impl Jobs {
    /// Starts the scheduler and the actors of all jobs that have not ended. Call it where an actix
    /// system runs.
    ///
    /// # Errors
    /// When the log or the read model cannot be read.
    pub async fn start(parts: JobsParts) -> Result<Self, JobsError> {
        let parts = Arc::new(parts);
        let arbiter = actix::Arbiter::new().handle();
        let (clock, grace) = (parts.clock.clone(), parts.config.agent_grace);
        let scheduler = actix::Actor::start_in_arbiter(&arbiter, move |_| Scheduler::new(clock, grace));
        let jobs = Self { parts, scheduler, registry: Arc::default(), arbiter };
        // The read model must know every job that the log knows.
        jobs.parts.progress.reached(jobs.parts.log.head()).await;
        let mut db = jobs.parts.log.pool().acquire().await?;
        let open = store::job::open(&mut db).await?;
        drop(db);
        for id in open {
            jobs.revive(id).await?;
        }
        Ok(jobs)
    }

    async fn revive(&self, id: JobId) -> Result<(), JobsError> {
        let Some((mut job, submitted_at)) = start::fold(&self.parts.log, id).await? else {
            return Ok(());
        };
        if job.ended().is_some() {
            return Ok(());
        }
        let mut db = self.parts.log.pool().acquire().await?;
        let Some(submission) = store::submission::find(&mut db, id).await? else {
            tracing::error!(job = %id, "a job without its submission cannot go on");
            return Ok(());
        };
        start::revive(&mut job, self.parts.clock.now());
        let program_bytes = self.parts.blobs.size(job.submitted().program).await?;
        tracing::info!(job = %id, "a job goes on");
        self.start_actor(job, submission, program_bytes, submitted_at);
        Ok(())
    }

    fn start_actor(&self, job: Job, submission: Submission, program_bytes: u64, at: Timestamp) {
        let id = job.submitted().id;
        let parts = &self.parts;
        let plan = Arc::new(submission.plan);
        let orders = Orders {
            job: id,
            spec: submission.spec.clone(),
            chunks: job.submitted().chunks,
            program: job.submitted().program,
            program_bytes,
            submitted_at: at,
            inputs: Inputs::new(parts.blobs.clone(), Arc::clone(&plan), job.submitted().input),
            blobs: parts.blobs.clone(),
            tickets: Arc::clone(&parts.tickets),
        };
        let context = JobContext {
            log: parts.log.clone(),
            blobs: parts.blobs.clone(),
            escrows: Arc::clone(&parts.escrows),
            runner: Arc::clone(&parts.runner),
            scheduler: self.scheduler.clone(),
            clock: parts.clock.clone(),
            random: parts.random.clone(),
        };
        let spec = submission.spec;
        let addr = actix::Actor::start_in_arbiter(&self.arbiter, move |_| {
            JobActor::new(context, orders, plan, spec, job)
        });
        let mut registry = self.lock_registry();
        registry.retain(|_, addr| addr.connected());
        registry.insert(id, addr);
    }

    fn lock_registry(
        &self,
    ) -> std::sync::MutexGuard<'_, std::collections::HashMap<JobId, Addr<JobActor>>> {
        // A map of addresses is whole even when a holder panicked.
        self.registry.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A job's actor, started again from the log when it died of a panic.
    async fn actor(&self, id: JobId) -> Result<Addr<JobActor>, JobsError> {
        for _ in 0..2 {
            let found = self.lock_registry().get(&id).cloned();
            if let Some(addr) = found.filter(Addr::connected) {
                return Ok(addr);
            }
            self.revive(id).await?;
        }
        Err(JobsError::Ended)
    }

    /// Starts actors of open jobs that have none: after a panic.
    ///
    /// # Errors
    /// When the read model cannot be read.
    pub async fn revive_lost(&self) -> Result<(), JobsError> {
        let mut db = self.parts.log.pool().acquire().await?;
        for id in store::job::open(&mut db).await? {
            let alive = self.lock_registry().get(&id).is_some_and(Addr::connected);
            if !alive {
                self.revive(id).await?;
            }
        }
        store::quote::sweep(&mut db, self.parts.clock.now().plus_ms(-86_400_000)).await?;
        Ok(())
    }

    /// Where the actors run.
    pub(crate) fn arbiter(&self) -> actix::ArbiterHandle {
        self.arbiter.clone()
    }

    /// Stores an upload and notes whose it is.
    ///
    /// # Errors
    /// [`JobsError::Blob`]; nothing is kept then.
    pub(crate) async fn upload<S, E>(
        &self,
        user: UserId,
        body: S,
        announced: Option<Sha256Hash>,
        length: Option<u64>,
    ) -> Result<BlobInfo, JobsError>
    where
        S: futures_util::Stream<Item = Result<bytes::Bytes, E>> + Unpin,
    {
        let parts = &self.parts;
        let limit = parts.config.blob_bytes_max;
        if length.is_some_and(|length| length > limit) {
            return Err(JobsError::Blob(BlobError::TooLarge(limit)));
        }
        let (sha256, size) =
            parts.blobs.put_stream(&parts.random, body, limit, announced).await?;
        if length.is_some_and(|length| length != size) {
            return Err(JobsError::Blob(BlobError::Cut));
        }
        let mut db = parts.log.pool().acquire().await?;
        store::blob::own(&mut db, sha256, user, size, parts.clock.now()).await?;
        Ok(BlobInfo { sha256, size })
    }

    /// The length of a blob that this person may read.
    ///
    /// # Errors
    /// [`JobsError::Missing`] also when it is somebody else's.
    pub(crate) async fn owned_size(&self, user: UserId, hash: Sha256Hash) -> Result<u64, JobsError> {
        let mut db = self.parts.log.pool().acquire().await?;
        match store::blob::owned_size(&mut db, hash, user).await? {
            Some(size) => Ok(size),
            None if store::blob::is_example_input(&mut db, hash).await? => {
                Ok(self.parts.blobs.size(hash).await?)
            }
            None => Err(JobsError::Missing("blob")),
        }
    }

    /// What a blob looks like.
    ///
    /// # Errors
    /// [`JobsError::Missing`] also when it is somebody else's.
    pub(crate) async fn preview(
        &self,
        user: UserId,
        hash: Sha256Hash,
    ) -> Result<InputPreview, JobsError> {
        let size = self.owned_size(user, hash).await?;
        let in_words = split::describe(&self.parts.blobs, hash).await?;
        Ok(InputPreview { blob: BlobInfo { sha256: hash, size }, in_words })
    }

    /// A result file: hash, length, media type.
    ///
    /// # Errors
    /// [`JobsError::Missing`] also when the job is somebody else's.
    pub(crate) async fn result(
        &self,
        user: UserId,
        job: JobId,
        name: &str,
    ) -> Result<(Sha256Hash, u64, String), JobsError> {
        let mut db = self.parts.log.pool().acquire().await?;
        let found = store::job::result(&mut db, user, job, name).await?;
        found.ok_or(JobsError::Missing("result"))
    }

    /// Makes an uploaded blob a program, after inspection.
    ///
    /// # Errors
    /// [`JobsError::Elsewhere`] names what is wrong with the module.
    pub async fn add_program(
        &self,
        user: UserId,
        key: &str,
        upload: ProgramUpload,
        public: bool,
    ) -> Result<Program, JobsError> {
        let name_ok = (1..=100).contains(&upload.name.chars().count());
        if !name_ok || upload.name.chars().any(char::is_control) {
            let spec = medusa_api::SpecError {
                pointer: "/name",
                message: "a name has 1 to 100 characters without control characters",
            };
            return Err(JobsError::Spec(vec![spec]));
        }
        let parts = &self.parts;
        let mut db = parts.log.pool().acquire().await?;
        let size = store::blob::owned_size(&mut db, upload.sha256, user).await?;
        drop(db);
        let size = size.ok_or(JobsError::Missing("blob"))?;
        if size > PROGRAM_BYTES_MAX {
            return Err(JobsError::Blob(BlobError::TooLarge(
                PROGRAM_BYTES_MAX,
            )));
        }
        parts.runner.inspect(parts.blobs.get(upload.sha256).await?).await?;
        let id = ProgramId(derive(user, "program", key));
        let program = Program {
            id,
            name: upload.name,
            sha256: upload.sha256,
            size,
            created_at: parts.clock.now(),
        };
        let mut db = parts.log.pool().acquire().await?;
        store::program::insert(&mut db, user, &program, public).await?;
        let fact = Fact::ProgramAdded { program: id, owner: user, sha256: upload.sha256, size };
        let operation = Operation {
            key: format!("program:{id}"),
            request: start::json_hash(&fact)?,
        };
        let event = NewEvent::new(format!("program-{id}"), fact).by(user);
        parts.log.append_one(Some(operation), event).await?;
        Ok(program)
    }

    /// Splits the input and runs one sample chunk; the price that comes of it holds for an hour.
    ///
    /// # Errors
    /// What is wrong with spec, input or program, in words. Nothing is charged.
    pub async fn quote(&self, user: UserId, request: QuoteRequest) -> Result<Quote, JobsError> {
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
        let plan = split::plan(&parts.blobs, &request.spec.split, request.input).await?;
        let quote = self.price(user, &program, &request, &plan).await?;
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
        program: &Program,
        request: &QuoteRequest,
        plan: &Plan,
    ) -> Result<Quote, JobsError> {
        let parts = &self.parts;
        let chunks = u32::try_from(plan.chunks.len()).unwrap_or(u32::MAX);
        let id = parts.random.id();
        let orders = Orders {
            job: JobId(id),
            spec: request.spec.clone(),
            chunks,
            program: program.sha256,
            program_bytes: program.size,
            submitted_at: parts.clock.now(),
            inputs: Inputs::new(parts.blobs.clone(), Arc::new(plan.clone()), request.input),
            blobs: parts.blobs.clone(),
            tickets: Arc::clone(&parts.tickets),
        };
        // The middle chunk: ends are often smaller.
        let sample = chunks >> 1;
        let run = orders.run(sample, Fuel(parts.config.sample_fuel_max)).await?;
        let sample_bytes = run_bytes(&run);
        let ran = parts.runner.run(run).await?;
        if ran.outcome != medusa_types::Outcome::Done {
            let words = ran.outcome.in_words();
            return Err(JobsError::Sample(format!("{words}\n{}", ran.stderr.trim_end())));
        }
        let tariff = parts.escrows.tariff();
        let prices = Prices::from(&tariff);
        let bytes = plan.bytes();
        let copies = request.spec.copies;
        let (low, likely, hold) =
            quote_price(&prices, ran.fuel, (sample_bytes, bytes), (chunks, copies));
        let fleet = self.scheduler.send(Summary { without: Some(user) }).await?;
        let once = likely.share_floor(1, u64::from(copies.max(1))).unwrap_or(likely);
        Ok(Quote {
            id: format!("quo_{}", id.simple()),
            split: medusa_api::SplitPreview {
                chunks,
                bytes,
                in_words: plan.in_words(&request.spec.split),
            },
            low,
            likely,
            hold,
            verification: likely.saturating_sub(once),
            fee: prices.fee(likely),
            sample_fuel: ran.fuel,
            sample_stderr: ran.stderr,
            seconds: seconds(ran.cpu_ms, chunks, copies, fleet.slots),
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
    pub async fn submit(&self, user: UserId, quote: &str) -> Result<JobView, JobsError> {
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
        let submission =
            Submission { program_name: program.name, spec: stored.spec.clone(), plan };
        store::submission::insert(&mut db, job, &submission).await?;
        drop(db);
        let submitted = self.submitted(job, user, program.sha256, &stored, &submission.plan)?;
        let position = self.hold(&submitted, quote).await?;
        if self.lock_registry().get(&job).is_none_or(|addr| !addr.connected())
            && let Some((folded, at)) = start::fold(&parts.log, job).await?
            && folded.ended().is_none()
        {
            self.start_actor(folded, submission, program.size, at);
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
            prices: Prices::from(&self.parts.escrows.tariff()),
        })
    }

    async fn hold(&self, submitted: &Submitted, quote: &str) -> Result<i64, JobsError> {
        let (job, owner, amount) = (submitted.id, submitted.owner, submitted.hold);
        let stream = format!("job-{job}");
        let held = Fact::EscrowHeld { job, owner, amount };
        let moves = self.parts.escrows.moves(&held);
        let events = vec![
            NewEvent::new(stream.clone(), submitted.fact()).by(owner),
            NewEvent::new(stream, held).by(owner).moving(moves),
        ];
        let operation = Operation {
            key: format!("submit:{quote}"),
            request: Sha256Hash::of(quote.as_bytes()),
        };
        let append = Append { operation: Some(operation), events };
        Ok(self.parts.log.append(append).await?.position)
    }

    /// Stops a job; what was not spent goes back.
    ///
    /// # Errors
    /// [`JobsError::Ended`] when it has ended already.
    pub async fn cancel(&self, user: UserId, id: JobId) -> Result<JobView, JobsError> {
        let view = self.job(user, id).await?;
        if view.state.is_final() {
            return Err(JobsError::Ended);
        }
        let position = self.actor(id).await?.send(CancelJob { actor: user }).await??;
        self.parts.progress.reached(position).await;
        self.job(user, id).await
    }

    /// A person's job.
    ///
    /// # Errors
    /// [`JobsError::Missing`] also when it is somebody else's.
    pub async fn job(&self, user: UserId, id: JobId) -> Result<JobView, JobsError> {
        let mut db = self.parts.log.pool().acquire().await?;
        let mut found = store::job::list(&mut db, user, (Some(id), None), 1).await?;
        drop(db);
        let mut job = found.pop().ok_or(JobsError::Missing("job"))?;
        if job.state == medusa_api::JobState::Running && job.counts.leased == 0 {
            let fleet = self.scheduler.send(Summary { without: Some(user) }).await?;
            job.waiting = Some(fleet.in_words());
        }
        Ok(job)
    }

    /// A person's jobs, newest first.
    ///
    /// # Errors
    /// When the read model cannot be read.
    pub async fn list(
        &self,
        user: UserId,
        limit: i64,
        after: Option<JobId>,
    ) -> Result<JobPage, JobsError> {
        let limit = limit.clamp(1, PAGE_MAX);
        let mut db = self.parts.log.pool().acquire().await?;
        let items = store::job::list(&mut db, user, (None, after), limit).await?;
        let full = i64::try_from(items.len()).unwrap_or_default() == limit;
        let next = items.last().filter(|_| full).map(|job| job.id.to_string());
        Ok(JobPage { items, next })
    }

    /// Chunks of a person's job.
    ///
    /// # Errors
    /// [`JobsError::Missing`] also when it is somebody else's.
    pub async fn chunks(
        &self,
        user: UserId,
        id: JobId,
        limit: i64,
        from: ChunkIndex,
    ) -> Result<ChunkPage, JobsError> {
        self.job(user, id).await?;
        let limit = limit.clamp(1, PAGE_MAX);
        let mut db = self.parts.log.pool().acquire().await?;
        let from = i32::try_from(from.0).unwrap_or(i32::MAX);
        let items = store::job::chunks(&mut db, id, from, limit).await?;
        let full = i64::try_from(items.len()).unwrap_or_default() == limit;
        let next = items.last().filter(|_| full).map(|c| c.index.0.saturating_add(1).to_string());
        Ok(ChunkPage { items, next })
    }

    /// A person's machines.
    ///
    /// # Errors
    /// When accounts or the read model cannot be read.
    pub async fn agents(&self, user: UserId) -> Result<Vec<Agent>, JobsError> {
        let machines = self.parts.agents.of_owner(user).await?;
        let mut db = self.parts.log.pool().acquire().await?;
        let mut agents = store::job::agents(&mut db, machines).await?;
        let fleet = self.scheduler.send(Summary { without: None }).await?;
        for agent in &mut agents {
            agent.state = fleet.states.get(&agent.id).copied().unwrap_or(AgentState::Offline);
        }
        Ok(agents)
    }

    /// A person's programs, newest first.
    ///
    /// # Errors
    /// When the tables cannot be read.
    pub async fn programs(&self, user: UserId) -> Result<Vec<Program>, JobsError> {
        let mut db = self.parts.log.pool().acquire().await?;
        Ok(store::program::of_owner(&mut db, user).await?)
    }

    /// The gallery.
    ///
    /// # Errors
    /// When the tables cannot be read.
    pub async fn examples(&self) -> Result<Vec<Example>, JobsError> {
        let mut db = self.parts.log.pool().acquire().await?;
        store::program::examples(&mut db).await
    }

    /// Puts a ready-made job into the gallery: its files become blobs, its program is inspected.
    ///
    /// # Errors
    /// What is wrong with its files.
    pub async fn put_example(&self, house: UserId, new: NewExample) -> Result<(), JobsError> {
        let parts = &self.parts;
        let mut input = None;
        let program = self.keep(house, new.program).await?;
        if let Some(bytes) = new.input {
            input = Some(self.keep(house, bytes).await?);
        }
        let upload = ProgramUpload { sha256: program, name: new.spec.name.clone() };
        let key = format!("{}:{program}", new.id);
        let added = self.add_program(house, &key, upload, true).await?;
        let example = Example {
            id: new.id,
            about: new.about,
            program: added.id,
            input,
            spec: new.spec,
        };
        let mut db = parts.log.pool().acquire().await?;
        store::program::put_example(&mut db, &example).await
    }

    async fn keep(&self, owner: UserId, bytes: bytes::Bytes) -> Result<Sha256Hash, JobsError> {
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let hash = self.parts.blobs.put(bytes).await?;
        let mut db = self.parts.log.pool().acquire().await?;
        store::blob::own(&mut db, hash, owner, size, self.parts.clock.now()).await?;
        Ok(hash)
    }
}

/// A ready-made job with its files.
pub struct NewExample {
    /// Its folder in `examples/`.
    pub id: String,
    /// What it does, one sentence.
    pub about: String,
    /// The module.
    pub program: bytes::Bytes,
    /// The input.
    pub input: Option<bytes::Bytes>,
    /// Everything else.
    pub spec: medusa_api::JobSpec,
}

/// An id that is always the same for a person, a purpose and a key: a repeated request finds what
/// the first one made.
fn derive(user: UserId, purpose: &str, key: &str) -> Uuid {
    Uuid::new_v5(&user.0, format!("{purpose}:{key}").as_bytes())
}

fn parse_quote(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text.strip_prefix("quo_")?).ok()
}

fn run_bytes(run: &crate::port::Run) -> u64 {
    let files: usize = run.files.iter().map(|(_, bytes)| bytes.len()).sum();
    u64::try_from(run.stdin.len().max(files)).unwrap_or(u64::MAX)
}

/// How long all copies take on so many slots, from the processor time of one.
fn seconds(sample_ms: u64, chunks: u32, copies: u32, slots: u32) -> Option<u64> {
    let runs = u64::from(chunks).saturating_mul(u64::from(copies));
    let total = sample_ms.max(1).saturating_mul(runs);
    total.checked_div(u64::from(slots)).map(|ms| ms.div_ceil(1000))
}
