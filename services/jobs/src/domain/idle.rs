//! Agents with room, by lender: lenders have turns, whatever the number of their agents.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use medusa_types::{AgentId, UserId};

/// Agents by lender.
#[derive(Clone, Debug, Default)]
pub(super) struct Idle(pub(super) BTreeMap<UserId, BTreeSet<AgentId>>);

impl Idle {
    pub(super) fn insert(&mut self, lender: UserId, agent: AgentId) {
        self.0.entry(lender).or_default().insert(agent);
    }

    pub(super) fn remove(&mut self, lender: UserId, agent: AgentId) {
        if let Some(agents) = self.0.get_mut(&lender) {
            agents.remove(&agent);
            if agents.is_empty() {
                self.0.remove(&lender);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// An agent that fits, of the first lender after `last` who is not refused.
    pub(super) fn next(
        &self,
        last: Option<UserId>,
        refused: &BTreeSet<UserId>,
        fits: impl Fn(&AgentId) -> bool,
    ) -> Option<AgentId> {
        let after = last.map_or(Bound::Unbounded, Bound::Excluded);
        let turn = self.0.range((after, Bound::Unbounded)).chain(&self.0);
        let mut lenders = turn.filter(|(lender, _)| !refused.contains(lender));
        lenders.find_map(|(_, agents)| agents.iter().copied().find(|agent| fits(agent)))
    }
}
