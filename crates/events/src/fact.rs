//! What can happen. Each fact has the type that the log knows it by: service, dot, what happened.
//!
//! A fact is a promise for ever: ids, digests, amounts, counts and fixed words, and nothing about a
//! person that must be forgotten some day. `docs/events/README.md` says what may change and how.

use medusa_ledger::{Account, Amount};
use medusa_types::{
    AdjustmentId, AgentId, CampaignId, ChunkIndex, Credits, Fuel, JobId, LeaseId, Outcome,
    PendingId, ProgramId, Role, Sha256Hash, Timestamp, UserId, WatchId,
};
use serde::{Deserialize, Serialize};

facts! {
    /// Somebody signed up.
    UserRegistered "accounts.user_registered" {
        /// The person; name and address are in the vault.
        user: UserId,
        /// What the person may do from the start.
        roles: Vec<Role>,
    }
    /// Somebody may do more.
    RoleGranted "accounts.role_granted" {
        /// The person.
        user: UserId,
        /// The new role.
        role: Role,
    }
    /// A machine was confirmed by its owner.
    AgentEnrolled "accounts.agent_enrolled" {
        /// The machine.
        agent: AgentId,
        /// Who lends it and is paid.
        owner: UserId,
    }
    /// A machine has a key of its own, which it signs its results with.
    AgentKeySet "accounts.agent_key_set" {
        /// The machine.
        agent: AgentId,
        /// The Ed25519 public key, 64 hexadecimal digits.
        public_key: String,
    }
    /// An owner gave a machine another name, which is in the vault.
    AgentRenamed "accounts.agent_renamed" {
        /// The machine.
        agent: AgentId,
    }
    /// An owner said from afar what a machine may do; it may do less.
    AgentLimited "accounts.agent_limited" {
        /// The machine.
        agent: AgentId,
        /// What: `run` or `pause`.
        wish: String,
        /// Chunks at the same time, at most.
        slots: Option<u32>,
        /// Memory for chunks, at most, in bytes.
        memory_bytes: Option<u64>,
    }
    /// An owner removed a machine: its key is worth nothing any more.
    AgentRevoked "accounts.agent_revoked" {
        /// The machine.
        agent: AgentId,
        /// Whose it was.
        owner: UserId,
    }
    /// A gift of the house.
    CreditsGranted "billing.credits_granted" {
        /// Who got it.
        user: UserId,
        /// How much.
        amount: Credits,
        /// Why: `welcome`.
        why: String,
    }
    /// The prices that new quotes are made of.
    TariffSet "billing.tariff_set" {
        /// The meter that the fuel price is for.
        meter: String,
        /// For 1,000,000,000 units of fuel.
        per_gfuel: Credits,
        /// For starting one copy of one chunk.
        per_start: Credits,
        /// The platform's part, in thousandths.
        fee_permille: u32,
    }
    /// The prices that new quotes are made of, every one of them. In their stream the last event
    /// holds, of whatever kind; after `billing.tariff_set` memory and transfer cost nothing.
    PricesListed "billing.prices_listed" {
        /// The meter that the fuel prices are for.
        meter: String,
        /// For 1,000,000,000 units of fuel.
        per_gfuel: Credits,
        /// For each GiB of memory beyond what is free, in addition to `per_gfuel`.
        per_gfuel_gib: Credits,
        /// Memory that is free, in bytes.
        memory_free: u64,
        /// For 1 GiB of input and output of a copy beyond what is free.
        per_gib: Credits,
        /// Bytes of input and output of each copy that are free.
        transfer_free: u64,
        /// For starting one copy of one chunk.
        per_start: Credits,
        /// The platform's part, in thousandths.
        fee_permille: u32,
    }
    /// The upper bound of a job's price moved from the wallet to its escrow.
    EscrowHeld "billing.escrow_held" {
        /// The job.
        job: JobId,
        /// Who pays.
        owner: UserId,
        /// How much.
        amount: Credits,
    }
    /// The consumer put more into the escrow of a job that has not ended.
    EscrowRaised "billing.escrow_raised" {
        /// The job.
        job: JobId,
        /// Who pays.
        owner: UserId,
        /// How much more.
        amount: Credits,
    }
    /// One chunk was paid out of the escrow.
    ChunkSettled "billing.chunk_settled" {
        /// The job.
        job: JobId,
        /// The chunk.
        chunk: ChunkIndex,
        /// Agreed fuel of one copy.
        fuel: Fuel,
        /// What the consumer paid, fee included.
        price: Credits,
        /// The platform's part of it.
        fee: Credits,
        /// Who got the rest.
        shares: Vec<AttemptShare>,
    }
    /// What a job did not spend went back to where it came from.
    EscrowReleased "billing.escrow_released" {
        /// The job.
        job: JobId,
        /// Who had paid.
        owner: UserId,
    }
    /// A lender lost what an agent had earned and could still lose: it was quarantined for wrong
    /// results.
    EarningsForfeited "billing.earnings_forfeited" {
        /// The agent.
        agent: AgentId,
        /// Its owner, who was paid.
        lender: UserId,
        /// How much.
        amount: Credits,
    }
    /// A reservation was freed because its time was over.
    ReservationExpired "billing.reservation_expired" {
        /// The reservation.
        pending: PendingId,
    }
    /// Two admins moved credits between an account and the suspense account.
    BooksAdjusted "billing.books_adjusted" {
        /// The adjustment.
        adjustment: AdjustmentId,
        /// The account.
        account: Account,
        /// What it gained, in units of its currency; negative when it lost.
        amount: Amount,
        /// Why: `correction`, `goodwill`, `test` and so on.
        reason: String,
        /// Who asked for it.
        proposed_by: UserId,
        /// Who agreed: somebody else.
        approved_by: UserId,
    }
    /// What two admins read before an adjustment, in one chain with it: the words are no event.
    AdjustmentExplained "billing.adjustment_explained" {
        /// The adjustment.
        adjustment: AdjustmentId,
        /// The digest of the JSON text `["explanation","ticket"]`, written as canonical bytes are.
        text_sha256: Sha256Hash,
    }
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
        /// Why: `lost`, `expired`, `refused`, `not_needed`, `yielded` by the agent, or `revoked`
        /// with it.
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
    /// An ad campaign got its budget.
    CampaignFunded "ads.campaign_funded" {
        /// The campaign.
        campaign: CampaignId,
        /// How much.
        budget: Credits,
    }
    /// A view of an ad was proven, and the campaign paid for it.
    WatchRewarded "ads.watch_rewarded" {
        /// The view.
        watch: WatchId,
        /// Who watched.
        user: UserId,
        /// The campaign.
        campaign: CampaignId,
        /// What the campaign paid.
        price: Credits,
        /// The viewer's part of it, in ad credits.
        reward: Credits,
    }
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndState {
    /// The results are there.
    Done,
    /// A chunk or the merge failed.
    Failed,
    /// The consumer stopped it.
    Cancelled,
}

record! {
    /// What one lender got for one copy of a chunk.
    AttemptShare {
        /// The lease.
        lease: LeaseId,
        /// The agent.
        agent: AgentId,
        /// Its owner.
        lender: UserId,
        /// How much.
        amount: Credits,
    }
}

record! {
    /// A result file.
    FileRef {
        /// Its name, from the spec.
        name: String,
        /// Its content.
        sha256: Sha256Hash,
        /// Its length in bytes.
        size: u64,
    }
}
