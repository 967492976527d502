//! What the consumer agreed to: the first fact of a job, and nothing of it ever changes.

use medusa_events::Fact;
use medusa_types::{Credits, Fuel, JobId, METER, Sha256Hash, UserId};

use super::price::{Prices, Resources};
use super::tree::Tree;

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
    /// How the consumer's own program puts the results together.
    pub merge: Option<MergeTree>,
}

/// How a program of the consumer's own puts the results together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MergeTree {
    /// The module.
    pub program: Sha256Hash,
    /// Results that a node puts together at most.
    pub fan_in: u32,
    /// How many nodes there are.
    pub nodes: u32,
}

impl Submitted {
    /// The fact after the first one, if results are put together by a program.
    #[must_use]
    pub fn merge_fact(&self) -> Option<Fact> {
        let MergeTree { program, fan_in, nodes } = self.merge?;
        Some(Fact::MergeOrdered { job: self.id, program, fan_in, nodes })
    }

    /// The fact after that, if memory or transfer costs something.
    #[must_use]
    pub fn resources_fact(&self) -> Option<Fact> {
        let Resources { memory_bytes, per_gfuel_gib, per_gib, transfer_free, transfer_max } =
            self.prices.resources;
        self.prices.resources.is_priced().then_some(Fact::ResourcesPriced {
            job: self.id,
            memory_bytes,
            per_gfuel_gib,
            per_gib,
            transfer_free,
            transfer_max,
        })
    }

    /// Takes the prices of memory and transfer from that fact; changes nothing for another one.
    pub(super) const fn price_resources(&mut self, fact: &Fact) {
        if let Fact::ResourcesPriced {
            job: _,
            memory_bytes,
            per_gfuel_gib,
            per_gib,
            transfer_free,
            transfer_max,
        } = fact
        {
            self.prices.resources = Resources {
                memory_bytes: *memory_bytes,
                per_gfuel_gib: *per_gfuel_gib,
                per_gib: *per_gib,
                transfer_free: *transfer_free,
                transfer_max: *transfer_max,
            };
        }
    }

    /// Its tree of merges, if it has one: its leaves are the chunks of the plan.
    #[must_use]
    pub fn tree(&self) -> Option<Tree> {
        let merge = self.merge.as_ref()?;
        Some(Tree::new(self.leaves(), merge.fan_in))
    }

    /// Chunks of the plan.
    #[must_use]
    pub fn leaves(&self) -> u32 {
        let nodes = self.merge.as_ref().map_or(0, |merge| merge.nodes);
        self.chunks.saturating_sub(nodes)
    }

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

    /// Reads it back, without the facts after it; `None` when the fact is another one.
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
        let prices = Prices {
            per_gfuel: *per_gfuel,
            per_start: *per_start,
            fee_permille: *fee_permille,
            resources: Resources::default(),
        };
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
            merge: None,
        })
    }
}
