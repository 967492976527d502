//! Folding facts into a job. Cannot fail: a fact that was decided is so.

use medusa_api::PauseWhy;
use medusa_events::Fact;
use medusa_types::{Credits, LeaseId, Outcome, Sha256Hash};

use super::chunk::Chunk;
use super::job::{Job, LEASE_MS};
use super::lease::{Attempt, Lease};
use super::submitted::MergeTree;
use super::trust::Copies;

/// How often an owner may hand a chunk back before it counts as a try that was lost.
const PARDONS_MAX: u32 = 3;

impl Job {
    /// Folds a fact. Facts of other streams are ignored.
    pub fn apply(&mut self, fact: &Fact) {
        match fact {
            Fact::ChunkLeased { chunk, lease, agent, lender, fuel_limit, expires_at, .. } => {
                let granted_at = expires_at.plus_ms(LEASE_MS.saturating_neg());
                let lease = Lease {
                    id: *lease,
                    chunk: chunk.0,
                    agent: *agent,
                    lender: *lender,
                    fuel_limit: *fuel_limit,
                    expires_at: *expires_at,
                    granted_at,
                };
                self.grant(lease);
            }
            Fact::CopiesDrawn { chunk, copies, .. } => {
                if let Some(chunk) = self.chunk_mut(chunk.0) {
                    chunk.copies = Copies::of_word(copies);
                }
                self.refresh(chunk.0);
            }
            Fact::LeaseEnded { chunk, lease, why, .. } => {
                match why.as_str() {
                    "not_needed" => {}
                    "yielded" | "too_large" | "revoked" => self.handed_back(chunk.0, *lease),
                    _ => self.mark_faulted(chunk.0, *lease),
                }
                self.drop_lease(chunk.0, *lease);
                self.refresh(chunk.0);
            }
            Fact::AttemptReported { chunk, lease, outcome, output, output_bytes, fuel, .. } => {
                let Some(found) = self.leases.get(lease).cloned() else { return };
                let attempt = Attempt {
                    lease: found.id,
                    agent: found.agent,
                    lender: found.lender,
                    outcome: *outcome,
                    output: *output,
                    output_bytes: *output_bytes,
                    fuel: *fuel,
                    reserved: self.price_of(chunk.0, *output_bytes, *fuel),
                };
                self.attempted(chunk.0, &found, attempt);
            }
            Fact::ChunkVerified { chunk, outcome, output, .. } => {
                self.close(chunk.0, *outcome, *output);
            }
            Fact::ChunkSettled { price, .. } => self.spent = self.spent.saturating_add(*price),
            Fact::MergeOrdered { program, fan_in, nodes, .. } => {
                let (program, fan_in, nodes) = (*program, *fan_in, *nodes);
                self.submitted.merge = Some(MergeTree { program, fan_in, nodes });
                self.tree = self.submitted.tree();
            }
            Fact::ResourcesPriced { .. } => self.submitted.price_resources(fact),
            Fact::TransferCounted { chunk, output_bytes, .. } if self.tree.is_some() => {
                self.output_bytes.insert(chunk.0, *output_bytes);
            }
            Fact::EscrowRaised { amount, .. } => self.raised = self.raised.saturating_add(*amount),
            Fact::JobPaused { why, .. } => self.paused = Some(PauseWhy::of_word(why)),
            Fact::JobResumed { .. } => self.paused = None,
            Fact::ChunksRetried { fuel_limit, .. } => self.pardon(*fuel_limit),
            Fact::MergeStarted { .. } => (self.merging, self.paused) = (true, None),
            Fact::JobEnded { state, .. } => self.ended = Some(*state),
            _ => {}
        }
    }

    fn attempted(&mut self, index: u32, lease: &Lease, attempt: Attempt) {
        let outcome = attempt.outcome;
        // Running out of less fuel than usual says nothing about the program.
        let short = outcome == Outcome::FuelOut && lease.fuel_limit < self.fuel_limit;
        if !outcome.is_verdict() {
            self.mark_faulted(index, lease.id);
        }
        if let (false, Some(chunk)) = (outcome.is_verdict(), self.chunk_mut(index)) {
            if outcome == Outcome::AgentFault {
                chunk.broken.insert(lease.lender);
            } else {
                chunk.gave_up.push((lease.id, lease.lender));
            }
        }
        self.drop_lease(index, lease.id);
        if outcome.is_verdict() && !short {
            self.reserve(attempt.reserved);
            if let Some(chunk) = self.chunk_mut(index) {
                chunk.attempts.push(attempt);
            }
        }
        self.refresh(index);
    }

    fn grant(&mut self, lease: Lease) {
        let index = lease.chunk;
        if let Some(chunk) = self.chunk_mut(index) {
            if chunk.is_fresh() {
                // What was drawn for an earlier agent says nothing about this one.
                chunk.copies = Copies::Double;
            }
            chunk.live.push(lease.id);
            chunk.leases = chunk.leases.saturating_add(1);
        }
        self.reserve(self.submitted.prices.copy_max(lease.fuel_limit));
        self.leases.insert(lease.id, lease);
        self.refresh(index);
    }

    fn close(&mut self, index: u32, outcome: Outcome, output: Sha256Hash) {
        self.unreserve(self.reserved_for(index));
        // It may be one that nobody had touched here.
        self.chunk_mut(index);
        let chunk = self.touched.remove(&index).unwrap_or(Chunk::PRISTINE);
        if outcome == Outcome::Done {
            self.done.insert(index, output);
            self.tell_parent(index);
        } else {
            self.failed.insert(index, (outcome, chunk.leases));
        }
        self.refresh(index);
    }

    /// A node of the tree of merges can be run when all its children are done.
    fn tell_parent(&mut self, index: u32) {
        let Some(tree) = self.tree else { return };
        let Some(parent) = tree.parent(index) else { return };
        let children = u32::try_from(tree.children(parent).len()).unwrap_or(u32::MAX);
        let lacking = self.lacking.entry(parent).or_insert(children);
        *lacking = lacking.saturating_sub(1);
        if *lacking == 0 {
            self.lacking.remove(&parent);
            self.touched.insert(parent, Chunk::PRISTINE);
            self.refresh(parent);
        }
    }

    fn mark_faulted(&mut self, chunk: u32, lease: LeaseId) {
        let Some(lender) = self.leases.get(&lease).map(|l| l.lender) else { return };
        if let Some(chunk) = self.touched.get_mut(&chunk) {
            chunk.faulted.insert(lender);
        }
    }

    /// Nobody failed: the chunk has as many tries left as before, and the owner may have it again,
    /// a few times.
    fn handed_back(&mut self, index: u32, lease: LeaseId) {
        let Some(lender) = self.leases.get(&lease).map(|l| l.lender) else { return };
        let Some(chunk) = self.touched.get_mut(&index) else { return };
        let backs = chunk.backs.entry(lender).or_default();
        *backs = backs.saturating_add(1);
        if *backs <= PARDONS_MAX {
            chunk.pardoned = chunk.pardoned.saturating_add(1);
        } else {
            chunk.faulted.insert(lender);
        }
    }

    pub(super) fn reserve(&mut self, amount: Credits) {
        self.reserved = self.reserved.saturating_add(amount);
    }

    pub(super) fn unreserve(&mut self, amount: Credits) {
        self.reserved = self.reserved.saturating_sub(amount);
    }

    /// What is set aside for the reports of a chunk.
    pub(super) fn reserved_for(&self, index: u32) -> Credits {
        let each = self.attempts(index).iter().map(|attempt| attempt.reserved);
        each.fold(Credits::ZERO, Credits::saturating_add)
    }

    fn drop_lease(&mut self, chunk: u32, lease: LeaseId) {
        if let Some(lease) = self.leases.remove(&lease) {
            self.unreserve(self.submitted.prices.copy_max(lease.fuel_limit));
        }
        if let Some(chunk) = self.touched.get_mut(&chunk) {
            chunk.live.retain(|id| *id != lease);
        }
    }
}

#[cfg(test)]
#[path = "back_tests.rs"]
mod tests;
