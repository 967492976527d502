//! What can happen. The tag is the event's type in the log: service, dot, what happened.

use medusa_types::{
    AgentId, ChunkIndex, Credits, Fuel, JobId, LeaseId, Outcome, ProgramId, Role, Sha256Hash,
    Timestamp, UserId,
};
use serde::{Deserialize, Serialize};

/// One fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", deny_unknown_fields)]
pub enum Fact {
    /// Somebody signed up.
    #[serde(rename = "accounts.user_registered")]
    UserRegistered {
        /// The person; name and address are in the vault.
        user: UserId,
        /// What the person may do from the start.
        roles: Vec<Role>,
    },
    /// Somebody may do more.
    #[serde(rename = "accounts.role_granted")]
    RoleGranted {
        /// The person.
        user: UserId,
        /// The new role.
        role: Role,
    },
    /// A machine was confirmed by its owner.
    #[serde(rename = "accounts.agent_enrolled")]
    AgentEnrolled {
        /// The machine.
        agent: AgentId,
        /// Who lends it and is paid.
        owner: UserId,
    },
    /// A gift of the house.
    #[serde(rename = "billing.credits_granted")]
    CreditsGranted {
        /// Who got it.
        user: UserId,
        /// How much.
        amount: Credits,
        /// Why: `welcome`.
        why: String,
    },
    /// The prices that new quotes are made of.
    #[serde(rename = "billing.tariff_set")]
    TariffSet {
        /// The meter that the fuel price is for.
        meter: String,
        /// For 1,000,000,000 units of fuel.
        per_gfuel: Credits,
        /// For starting one copy of one chunk.
        per_start: Credits,
        /// The platform's part, in thousandths.
        fee_permille: u32,
    },
    /// The upper bound of a job's price moved from the wallet to its escrow.
    #[serde(rename = "billing.escrow_held")]
    EscrowHeld {
        /// The job.
        job: JobId,
        /// Who pays.
        owner: UserId,
        /// How much.
        amount: Credits,
    },
    /// One chunk was paid out of the escrow.
    #[serde(rename = "billing.chunk_settled")]
    ChunkSettled {
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
    },
    /// What a job did not spend went back to where it came from.
    #[serde(rename = "billing.escrow_released")]
    EscrowReleased {
        /// The job.
        job: JobId,
        /// Who had paid.
        owner: UserId,
    },
    /// A guest program passed inspection.
    #[serde(rename = "jobs.program_added")]
    ProgramAdded {
        /// Its id.
        program: ProgramId,
        /// Who uploaded it.
        owner: UserId,
        /// The module.
        sha256: Sha256Hash,
        /// Its length in bytes.
        size: u64,
    },
    /// A job was submitted and will run.
    #[serde(rename = "jobs.job_submitted")]
    JobSubmitted {
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
    },
    /// One agent got the right to run one copy of a chunk.
    #[serde(rename = "jobs.chunk_leased")]
    ChunkLeased {
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
    },
    /// A lease ended without a report.
    #[serde(rename = "jobs.lease_ended")]
    LeaseEnded {
        /// The job.
        job: JobId,
        /// The chunk.
        chunk: ChunkIndex,
        /// The lease.
        lease: LeaseId,
        /// Why: `lost`, `expired`, `refused`, `not_needed`.
        why: String,
    },
    /// An agent reported how its lease ended.
    #[serde(rename = "jobs.attempt_reported")]
    AttemptReported {
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
    },
    /// The result of a chunk is believed.
    #[serde(rename = "jobs.chunk_verified")]
    ChunkVerified {
        /// The job.
        job: JobId,
        /// The chunk.
        chunk: ChunkIndex,
        /// Why: `agreed`, `refereed` or `unverified`.
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
    },
    /// A job ended.
    #[serde(rename = "jobs.job_ended")]
    JobEnded {
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
    },
    /// All chunks are verified and the results are being put together.
    #[serde(rename = "jobs.merge_started")]
    MergeStarted {
        /// The job.
        job: JobId,
    },
    /// An ad campaign got its budget.
    #[serde(rename = "ads.campaign_funded")]
    CampaignFunded {
        /// The campaign: `cmp_` and 32 hexadecimal digits.
        campaign: String,
        /// How much.
        budget: Credits,
    },
    /// A view of an ad was proven, and the campaign paid for it.
    #[serde(rename = "ads.watch_rewarded")]
    WatchRewarded {
        /// The view: `wat_` and 32 hexadecimal digits.
        watch: String,
        /// Who watched.
        user: UserId,
        /// The campaign.
        campaign: String,
        /// What the campaign paid.
        price: Credits,
        /// The viewer's part of it, in ad credits.
        reward: Credits,
    },
}

impl Fact {
    /// The fact's type, like `jobs.chunk_leased`: the same text as in the stored bytes.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::UserRegistered { .. } => "accounts.user_registered",
            Self::RoleGranted { .. } => "accounts.role_granted",
            Self::AgentEnrolled { .. } => "accounts.agent_enrolled",
            Self::CreditsGranted { .. } => "billing.credits_granted",
            Self::TariffSet { .. } => "billing.tariff_set",
            Self::EscrowHeld { .. } => "billing.escrow_held",
            Self::ChunkSettled { .. } => "billing.chunk_settled",
            Self::EscrowReleased { .. } => "billing.escrow_released",
            Self::ProgramAdded { .. } => "jobs.program_added",
            Self::JobSubmitted { .. } => "jobs.job_submitted",
            Self::ChunkLeased { .. } => "jobs.chunk_leased",
            Self::LeaseEnded { .. } => "jobs.lease_ended",
            Self::AttemptReported { .. } => "jobs.attempt_reported",
            Self::ChunkVerified { .. } => "jobs.chunk_verified",
            Self::JobEnded { .. } => "jobs.job_ended",
            Self::MergeStarted { .. } => "jobs.merge_started",
            Self::CampaignFunded { .. } => "ads.campaign_funded",
            Self::WatchRewarded { .. } => "ads.watch_rewarded",
        }
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

/// What one lender got for one copy of a chunk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttemptShare {
    /// The lease.
    pub lease: LeaseId,
    /// The agent.
    pub agent: AgentId,
    /// Its owner.
    pub lender: UserId,
    /// How much.
    pub amount: Credits,
}

/// A result file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRef {
    /// Its name, from the spec.
    pub name: String,
    /// Its content.
    pub sha256: Sha256Hash,
    /// Its length in bytes.
    pub size: u64,
}
