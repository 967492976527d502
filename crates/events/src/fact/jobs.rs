//! What can happen to programs, jobs and their chunks.
//!
//! A listing, which the next one goes on with: one enum of all of them stands at the end.

macro_rules! jobs {
    ({ $($before:tt)* } $next:ident $($rest:ident)*) => { $next! { { $($before)*
    /// A guest program passed inspection.
    ProgramAdded "jobs.program_added" {
        /// Its id.
        program: ProgramId,
        /// Who uploaded it.
        owner: UserId,
        /// The module or the script.
        sha256: Sha256Hash,
        /// Its length in bytes.
        size: u64,
    }
    /// The operator registered an interpreter that scripts may be run by.
    RuntimeAdded "jobs.runtime_added" {
        /// What it is called, like `python`.
        name: String,
        /// Its version.
        version: String,
        /// The module.
        sha256: Sha256Hash,
        /// Its length in bytes.
        size: u64,
        /// Where a script stands, without the leading slash.
        path: String,
        /// Arguments before those of a job.
        args: Vec<String>,
        /// Environment beside that of every guest, each as `NAME=value`.
        env: Vec<String>,
        /// Arguments that make it check a script without running it.
        check: Vec<String>,
    }
    /// A runtime is not offered any more; jobs and programs that chose it go on.
    RuntimeRetired "jobs.runtime_retired" {
        /// What it is called.
        name: String,
        /// Its version.
        version: String,
    }
    /// A job was submitted and will run.
    JobSubmitted "jobs.job_submitted" {
        /// The job.
        job: JobId,
        /// Who pays.
        owner: UserId,
        /// The module.
        program: Sha256Hash,
        /// The input.
        input: Option<Sha256Hash>,
        /// SHA-256 of the spec as JSON.
        spec: Sha256Hash,
        /// SHA-256 of the plan of chunks as JSON.
        plan: Sha256Hash,
        /// How many chunks.
        chunks: u32,
        /// Copies wanted of each.
        copies: u32,
        /// Fuel that one run may use.
        fuel_limit: Fuel,
        /// What is held.
        hold: Credits,
        /// Prices that the whole job is settled by.
        per_gfuel: Credits,
        /// For starting one copy of one chunk.
        per_start: Credits,
        /// The platform's part, in thousandths.
        fee_permille: u32,
        /// The meter.
        meter: String,
    }
    /// A program of the consumer's own puts the results together, as a tree over the chunks: the
    /// last of the chunks are its nodes. In one chain with the submission.
    MergeOrdered "jobs.merge_ordered" {
        /// The job.
        job: JobId,
        /// The module.
        program: Sha256Hash,
        /// Results that a node puts together at most.
        fan_in: u32,
        /// How many nodes there are.
        nodes: u32,
    }
    /// Memory or transfer costs something in this job too. In one chain with the submission, and
    /// as little changed afterwards.
    ResourcesPriced "jobs.resources_priced" {
        /// The job.
        job: JobId,
        /// Memory that is charged for, in bytes: what a run may use beyond what is free.
        memory_bytes: u64,
        /// For 1,000,000,000 units of fuel and each GiB of that.
        per_gfuel_gib: Credits,
        /// For 1 GiB of input and output of a copy beyond what is free.
        per_gib: Credits,
        /// Bytes of input and output of each copy that are free.
        transfer_free: u64,
        /// Bytes of input and output of a copy that are charged at most, the free ones among them.
        transfer_max: u64,
    }
    /// One agent got the right to run one copy of a chunk.
    ChunkLeased "jobs.chunk_leased" {
        /// The job.
        job: JobId,
        /// The chunk.
        chunk: ChunkIndex,
        /// The lease.
        lease: LeaseId,
        /// The agent.
        agent: AgentId,
        /// Its owner.
        lender: UserId,
        /// Fencing token: grows with each lease of the chunk.
        epoch: u64,
        /// The most fuel that this run may use and be paid for.
        fuel_limit: Fuel,
        /// Until when a report counts, unless renewed.
        expires_at: Timestamp,
    }
    /// For an agent with a record it was drawn how many copies of a chunk are needed.
    CopiesDrawn "jobs.copies_drawn" {
        /// The job.
        job: JobId,
        /// The chunk.
        chunk: ChunkIndex,
        /// The lease that it was drawn for.
        lease: LeaseId,
        /// Right replicated results in a row of its agent, as they were counted then.
        streak: u32,
        /// The agent's unsettled earnings, less what its other single copies put at risk.
        stake: Credits,
        /// The chance of a second copy, in millionths.
        check_ppm: u32,
        /// The number drawn, below 1,000,000: a second copy if it is below the chance.
        draw: u32,
        /// What follows: `single`, `rerun` by the server, or `double`.
        copies: String,
    }
    /// An admin lifted the quarantine of an agent.
    AgentReinstated "jobs.agent_reinstated" {
        /// The agent.
        agent: AgentId,
    }
    /// A lease ended without a report.
    LeaseEnded "jobs.lease_ended" {
        /// The job.
        job: JobId,
        /// The chunk.
        chunk: ChunkIndex,
        /// The lease.
        lease: LeaseId,
        /// Why: `lost`, `expired`, `refused`, `not_needed`, `yielded` by the agent, `too_large` for
        /// the memory that it lends, or `revoked` with it.
        why: String,
    }
    /// An agent reported how its lease ended.
    AttemptReported "jobs.attempt_reported" {
        /// The job.
        job: JobId,
        /// The chunk.
        chunk: ChunkIndex,
        /// The lease.
        lease: LeaseId,
        /// How the run ended.
        outcome: Outcome,
        /// The result, a bundle.
        output: Sha256Hash,
        /// Its length in bytes.
        output_bytes: u64,
        /// Fuel used.
        fuel: Fuel,
    }
    /// The result of a chunk is believed.
    ChunkVerified "jobs.chunk_verified" {
        /// The job.
        job: JobId,
        /// The chunk.
        chunk: ChunkIndex,
        /// Why: `agreed`, `refereed`, `trusted` (a single copy of an agent with a record) or, in
        /// old events, `unverified`.
        verdict: String,
        /// How the runs ended: an agreed failure is a verdict too.
        outcome: Outcome,
        /// The result.
        output: Sha256Hash,
        /// Agreed fuel.
        fuel: Fuel,
        /// Leases that agreed with it, which are paid.
        right: Vec<LeaseId>,
        /// Leases that did not.
        wrong: Vec<LeaseId>,
    }
    /// Copies of a chunk ended without a verdict that another owner's agent finished. In one chain
    /// with the verdict.
    CopiesOutdone "jobs.copies_outdone" {
        /// The job.
        job: JobId,
        /// The chunk.
        chunk: ChunkIndex,
        /// Leases of the copies that gave up.
        leases: Vec<LeaseId>,
    }
    /// What a copy of a chunk moves was counted, because it is charged for. In one chain with the
    /// verdict.
    TransferCounted "jobs.transfer_counted" {
        /// The job.
        job: JobId,
        /// The chunk.
        chunk: ChunkIndex,
        /// Bytes of its input.
        input_bytes: u64,
        /// Bytes of the result that is believed.
        output_bytes: u64,
    }
    /// A job hands out no chunks until it is resumed; what is under way goes on.
    JobPaused "jobs.job_paused" {
        /// The job.
        job: JobId,
        /// Why: `asked` by the consumer, `hold_spent` or `chunks_failed`.
        why: String,
    }
    /// A paused job hands out chunks again.
    JobResumed "jobs.job_resumed" {
        /// The job.
        job: JobId,
    }
    /// The chunks that had failed, and those that nobody could finish, get another chance.
    ChunksRetried "jobs.chunks_retried" {
        /// The job.
        job: JobId,
        /// How many these are.
        chunks: u32,
        /// Fuel that a run may use from now on.
        fuel_limit: Fuel,
    }
    /// A job ended.
    JobEnded "jobs.job_ended" {
        /// The job.
        job: JobId,
        /// Who had submitted it.
        owner: UserId,
        /// How.
        state: EndState,
        /// Why it failed: a stable code.
        code: Option<String>,
        /// The results.
        results: Vec<FileRef>,
    }
    /// Input and results of a job that has ended were deleted.
    FilesDeleted "jobs.files_deleted" {
        /// The job.
        job: JobId,
        /// Who had submitted it.
        owner: UserId,
        /// What: `input` and `results`.
        what: Vec<String>,
        /// Why: `asked` by its owner, or `retention` when their time was over.
        why: String,
    }
    /// All chunks are verified and the results are being put together.
    MergeStarted "jobs.merge_started" {
        /// The job.
        job: JobId,
    }
    } $($rest)* } };
}
