//! Agents with room, and which of them have a program compiled already.
//!
//! Agents with room are looked up by program only for programs of jobs that are in the hall: an
//! agent may have many more, and it comes and goes with each lease.

use std::collections::btree_map::Entry;

use medusa_types::{AgentId, Sha256Hash, Timestamp};

use super::{Hall, Idle, Offer};

/// Programs that an agent is taken to have compiled.
const WARM_MAX: usize = 64;
/// Programs that an agent is told of before it is given one of their chunks.
const AHEAD_MAX: usize = 4;
/// Jobs that are looked at for them.
const LOOKED_AT_MAX: usize = 64;

impl Hall {
    /// An agent says what it has compiled, the last used first; what it was given since it last
    /// said so is among it, or is being compiled.
    pub fn cached(&mut self, agent: AgentId, programs: &[Sha256Hash], now: Timestamp) {
        self.unplace(agent);
        let Some(entry) = self.entries.get_mut(&agent) else { return };
        let given = entry.leases.values().filter_map(|held| self.stalls.get(&held.job));
        let given: Vec<Sha256Hash> = given.map(|stall| stall.offer.program).collect();
        entry.warm = programs.iter().take(WARM_MAX).rev().copied().collect();
        for program in given {
            if !entry.warm.contains(&program) {
                entry.warm.push_back(program);
            }
        }
        while entry.warm.len() > WARM_MAX {
            entry.warm.pop_front();
        }
        self.place(agent, now);
    }

    /// Jobs with programs that an agent has not compiled and may be asked for next, each program
    /// once; none while it takes no work.
    #[must_use]
    pub fn ahead(&self, agent: AgentId) -> Vec<Offer> {
        let mut named: Vec<Offer> = Vec::new();
        let Some(entry) = self.entries.get(&agent).filter(|entry| !entry.paused) else {
            return named;
        };
        let shares = self.order.iter().filter_map(|(_, _, consumer)| self.shares.get(consumer));
        let jobs =
            shares.flat_map(|share| share.open.iter()).filter_map(|job| self.stalls.get(job));
        let new = |offer: &Offer| {
            offer.memory_bytes <= entry.worker.memory_bytes
                && offer.consumer != entry.worker.lender
                && !entry.warm.contains(&offer.program)
        };
        for offer in jobs.map(|stall| stall.offer).filter(new).take(LOOKED_AT_MAX) {
            if named.len() < AHEAD_MAX && named.iter().all(|one| one.program != offer.program) {
                named.push(offer);
            }
        }
        named
    }

    /// An agent is given a program, and will have it compiled.
    pub(super) fn warm_up(&mut self, agent: AgentId, program: Sha256Hash) {
        if self.entries.get(&agent).is_none_or(|entry| entry.warm.contains(&program)) {
            return;
        }
        self.unplace(agent);
        if let Some(entry) = self.entries.get_mut(&agent) {
            entry.warm.push_back(program);
            if entry.warm.len() > WARM_MAX {
                entry.warm.pop_front();
            }
        }
    }

    /// A job with this program is here: who has it, and room?
    pub(super) fn look_for(&mut self, program: Sha256Hash) {
        let Entry::Vacant(vacant) = self.warm.entry(program) else { return };
        let mut idle = Idle::default();
        let placed = self.entries.iter().filter(|(_, entry)| entry.placed);
        for (agent, entry) in placed.filter(|(_, entry)| entry.warm.contains(&program)) {
            idle.insert(entry.worker.lender, *agent);
        }
        vacant.insert(idle);
    }

    /// A job with this program has gone.
    pub(super) fn look_no_more(&mut self, program: Sha256Hash) {
        if !self.stalls.values().any(|stall| stall.offer.program == program) {
            self.warm.remove(&program);
        }
    }

    /// Keeps an agent among the idle ones while it has room.
    pub(super) fn place(&mut self, agent: AgentId, now: Timestamp) {
        let Some(entry) = self.entries.get_mut(&agent) else { return };
        if !entry.room(&self.rules, now) {
            self.unplace(agent);
        } else if !std::mem::replace(&mut entry.placed, true) {
            let lender = entry.worker.lender;
            self.idle.insert(lender, agent);
            for program in &entry.warm {
                if let Some(idle) = self.warm.get_mut(program) {
                    idle.insert(lender, agent);
                }
            }
        }
    }

    pub(super) fn unplace(&mut self, agent: AgentId) {
        let Some(entry) = self.entries.get_mut(&agent) else { return };
        if !std::mem::replace(&mut entry.placed, false) {
            return;
        }
        let lender = entry.worker.lender;
        self.idle.remove(lender, agent);
        for program in &entry.warm {
            if let Some(idle) = self.warm.get_mut(program) {
                idle.remove(lender, agent);
            }
        }
    }
}
