//! Which facts count for or against which agent. The read model and whoever else keeps records
//! folds them by this one rule.

use medusa_events::Fact;
use medusa_types::{AgentId, LeaseId, Outcome};

use super::trust::Mark;

/// The leases whose agents must be known for [`marks`] of this fact.
#[must_use]
pub fn leases_told(fact: &Fact) -> Vec<LeaseId> {
    match fact {
        Fact::LeaseEnded { lease, why, .. } if matches!(why.as_str(), "expired" | "lost") => {
            vec![*lease]
        }
        Fact::AttemptReported { lease, outcome: Outcome::AgentFault, .. } => vec![*lease],
        Fact::CopiesOutdone { leases, .. } => leases.clone(),
        Fact::ChunkVerified { right, wrong, .. } => right.iter().chain(wrong).copied().collect(),
        _ => Vec::new(),
    }
}

/// What a fact means for the records of agents.
pub fn marks(fact: &Fact, agent: impl Fn(LeaseId) -> Option<AgentId>) -> Vec<(AgentId, Mark)> {
    let one = |lease: LeaseId, mark| agent(lease).map(|agent| (agent, mark)).into_iter().collect();
    match fact {
        Fact::LeaseEnded { lease, why, .. } => match why.as_str() {
            "expired" => one(*lease, Mark::Late),
            "lost" => one(*lease, Mark::Lost),
            // Withdrawn, or our own input could not be read.
            _ => Vec::new(),
        },
        Fact::AttemptReported { lease, outcome: Outcome::AgentFault, .. } => {
            one(*lease, Mark::Crashed)
        }
        Fact::CopiesOutdone { leases, .. } => {
            leases.iter().filter_map(|lease| Some((agent(*lease)?, Mark::Outdone))).collect()
        }
        Fact::ChunkVerified { verdict, right, wrong, .. } => {
            let (good, bad) = match verdict.as_str() {
                "agreed" => (Mark::Right, Mark::Outvoted),
                "refereed" => (Mark::Right, Mark::Wrong),
                _ => (Mark::Trusted, Mark::Outvoted),
            };
            let right = right.iter().filter_map(|lease| Some((agent(*lease)?, good)));
            let wrong = wrong.iter().filter_map(|lease| Some((agent(*lease)?, bad)));
            right.chain(wrong).collect()
        }
        Fact::ChunkSettled { shares, .. } => {
            shares.iter().map(|share| (share.agent, Mark::Earned(share.amount))).collect()
        }
        Fact::RoundsSettled { shares, .. } => {
            shares.iter().map(|share| (share.agent, Mark::Earned(share.amount))).collect()
        }
        Fact::EarningsForfeited { agent, amount, .. } => {
            vec![(*agent, Mark::Forfeited(*amount))]
        }
        Fact::AgentReinstated { agent } => vec![(*agent, Mark::Reinstated)],
        _ => Vec::new(),
    }
}
