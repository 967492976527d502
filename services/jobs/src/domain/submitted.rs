//! What the consumer agreed to: the first fact of a job, and nothing of it ever changes.

use medusa_events::Fact;
use medusa_types::{Credits, Fuel, JobId, METER, Sha256Hash, UserId};

use super::price::Prices;

/// A job as it was submitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// The job.
    pub id: JobId,
    /// Who pays.
    pub owner: UserId,
    /// The module.
    pub program: Sha256Hash,
    /// The input.
    pub input: Option<Sha256Hash>,
    /// SHA-256 of the spec as JSON.
    pub spec: Sha256Hash,
    /// SHA-256 of the plan as JSON.
    pub plan: Sha256Hash,
    /// How many chunks.
    pub chunks: u32,
    /// Copies wanted of each.
    pub copies: u32,
    /// Fuel that one run may use.
    pub fuel_limit: Fuel,
    /// What is held.
    pub hold: Credits,
    /// What it is settled by.
    pub prices: Prices,
}

impl Submitted {
    /// The job's first fact.
    #[must_use]
    pub fn fact(&self) -> Fact {
        Fact::JobSubmitted {
            job: self.id,
            owner: self.owner,
            program: self.program,
            input: self.input,
            spec: self.spec,
            plan: self.plan,
            chunks: self.chunks,
            copies: self.copies,
            fuel_limit: self.fuel_limit,
            hold: self.hold,
            per_gfuel: self.prices.per_gfuel,
            per_start: self.prices.per_start,
            fee_permille: self.prices.fee_permille,
            meter: METER.to_owned(),
        }
    }

    /// Reads it back; `None` when the fact is another one.
    #[must_use]
    pub fn from_fact(fact: &Fact) -> Option<Self> {
        let Fact::JobSubmitted {
            job,
            owner,
            program,
            input,
            spec,
            plan,
            chunks,
            copies,
            fuel_limit,
            hold,
            per_gfuel,
            per_start,
            fee_permille,
            meter: _,
        } = fact
        else {
            return None;
        };
        let prices =
            Prices { per_gfuel: *per_gfuel, per_start: *per_start, fee_permille: *fee_permille };
        Some(Self {
            id: *job,
            owner: *owner,
            program: *program,
            input: *input,
            spec: *spec,
            plan: *plan,
            chunks: *chunks,
            copies: *copies,
            fuel_limit: *fuel_limit,
            hold: *hold,
            prices,
        })
    }
}
