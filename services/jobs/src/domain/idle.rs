//! Agents with room, by lender: lenders have turns or are drawn, whatever the number of their
//! agents.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use medusa_types::{AgentId, Sha256Hash, UserId};

/// Lenders that are drawn before all are looked at who may be.
const TRIES: usize = 8;

/// Agents by lender.
#[derive(Clone, Debug, Default)]
pub(super) struct Idle {
    pub(super) agents: BTreeMap<UserId, BTreeSet<AgentId>>,
    /// The same lenders in any order, and where each of them stands in it.
    lenders: Vec<UserId>,
    places: BTreeMap<UserId, usize>,
}

impl Idle {
    pub(super) fn insert(&mut self, lender: UserId, agent: AgentId) {
        let agents = self.agents.entry(lender).or_default();
        if agents.is_empty() {
            self.places.insert(lender, self.lenders.len());
            self.lenders.push(lender);
        }
        agents.insert(agent);
    }

    pub(super) fn remove(&mut self, lender: UserId, agent: AgentId) {
        let Some(agents) = self.agents.get_mut(&lender) else { return };
        agents.remove(&agent);
        if agents.is_empty() {
            self.agents.remove(&lender);
            let Some(place) = self.places.remove(&lender) else { return };
            self.lenders.swap_remove(place);
            if let Some(moved) = self.lenders.get(place) {
                self.places.insert(*moved, place);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.agents.is_empty()
    }

    /// An agent of this lender that fits.
    pub(super) fn of(&self, lender: UserId, fits: impl Fn(&AgentId) -> bool) -> Option<AgentId> {
        self.agents.get(&lender)?.iter().copied().find(|agent| fits(agent))
    }

    /// An agent that fits, of the first lender after `last` who is not refused.
    pub(super) fn next(
        &self,
        last: Option<UserId>,
        refused: &BTreeSet<UserId>,
        fits: impl Fn(&AgentId) -> bool,
    ) -> Option<AgentId> {
        let after = last.map_or(Bound::Unbounded, Bound::Excluded);
        let turn = self.agents.range((after, Bound::Unbounded)).chain(&self.agents);
        let mut lenders = turn.filter(|(lender, _)| !refused.contains(lender));
        lenders.find_map(|(_, agents)| agents.iter().copied().find(|agent| fits(agent)))
    }

    /// What `pick` takes of one lender: each of whom it takes anything is as likely.
    pub(super) fn draw(
        &self,
        lots: &mut Lots,
        pick: impl Fn(UserId) -> Option<AgentId>,
    ) -> Option<AgentId> {
        for _ in 0..TRIES {
            let lender = self.lenders.get(lots.below(self.lenders.len()));
            if let Some(agent) = lender.and_then(|lender| pick(*lender)) {
                return Some(agent);
            }
        }
        let all: Vec<AgentId> = self.lenders.iter().filter_map(|lender| pick(*lender)).collect();
        all.get(lots.below(all.len())).copied()
    }
}

/// Numbers that nobody can foresee who does not know their seed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lots {
    seed: Sha256Hash,
    drawn: u64,
}

impl Lots {
    /// Those of one round.
    pub(super) fn of(seed: [u8; 32], round: u64) -> Self {
        let seed = Sha256Hash::of(&[&seed[..], &round.to_le_bytes()].concat());
        Self { seed, drawn: 0 }
    }

    /// One of the numbers below `end`; 0 if there is none.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.drawn = self.drawn.saturating_add(1);
        let bytes = [&self.seed.0[..], &self.drawn.to_le_bytes()].concat();
        let [a, b, c, d, e, f, g, h, ..] = Sha256Hash::of(&bytes).0;
        let number = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        let end = u64::try_from(end).unwrap_or(u64::MAX);
        usize::try_from(number.checked_rem(end).unwrap_or_default()).unwrap_or_default()
    }
}
