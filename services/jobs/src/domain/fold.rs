//! Folding facts into a job. Cannot fail: a fact that was decided is so.

use medusa_events::Fact;
use medusa_types::{Fuel, LeaseId, Outcome, Sha256Hash};

use super::job::{ChunkStatus, Job, LEASE_MS};
use super::lease::{Attempt, Lease};
use super::trust::Copies;

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
                if why != "not_needed" {
                    self.mark_faulted(chunk.0, *lease);
                }
                self.drop_lease(chunk.0, *lease);
                self.refresh(chunk.0);
            }
            Fact::AttemptReported { chunk, lease, outcome, output, fuel, .. } => {
                let Some(found) = self.leases.get(lease).cloned() else { return };
                // Running out of less fuel than usual says nothing about the program.
                let short =
                    *outcome == Outcome::FuelOut && found.fuel_limit < self.submitted.fuel_limit;
                if !outcome.is_verdict() {
                    self.mark_faulted(chunk.0, *lease);
                }
                if let (Outcome::AgentFault, Some(chunk)) = (outcome, self.chunk_mut(chunk.0)) {
                    chunk.broken.insert(found.lender);
                }
                self.drop_lease(chunk.0, *lease);
                let attempt = Attempt {
                    lease: found.id,
                    agent: found.agent,
                    lender: found.lender,
                    outcome: *outcome,
                    output: *output,
                    fuel: *fuel,
                };
                if outcome.is_verdict() && !short {
                    self.reserve(attempt.fuel);
                    if let Some(chunk) = self.chunk_mut(chunk.0) {
                        chunk.attempts.push(attempt);
                    }
                }
                self.refresh(chunk.0);
            }
            Fact::ChunkVerified { chunk, outcome, output, .. } => {
                self.close(chunk.0, *outcome, *output);
            }
            Fact::ChunkSettled { price, .. } => self.spent = self.spent.saturating_add(*price),
            Fact::MergeStarted { .. } => self.merging = true,
            Fact::JobEnded { state, .. } => self.ended = Some(*state),
            _ => {}
        }
    }

    fn grant(&mut self, lease: Lease) {
        let index = lease.chunk;
        if let Some(chunk) = self.chunk_mut(index) {
            if chunk.live.is_empty() && chunk.attempts.is_empty() {
                // What was drawn for an earlier agent says nothing about this one.
                chunk.copies = Copies::Double;
            }
            chunk.live.push(lease.id);
            chunk.leases = chunk.leases.saturating_add(1);
        }
        self.reserve(lease.fuel_limit);
        self.leases.insert(lease.id, lease);
        self.refresh(index);
    }

    fn close(&mut self, index: u32, outcome: Outcome, output: Sha256Hash) {
        self.open.remove(&index);
        let reported: Vec<Fuel> = self.attempts(index).iter().map(|a| a.fuel).collect();
        reported.into_iter().for_each(|fuel| self.unreserve(fuel));
        if let Some(chunk) = self.chunk_mut(index) {
            chunk.status = match outcome {
                Outcome::Done => ChunkStatus::Done { output },
                outcome => ChunkStatus::Failed { outcome },
            };
        }
        self.refresh(index);
    }

    fn mark_faulted(&mut self, chunk: u32, lease: LeaseId) {
        let Some(lender) = self.leases.get(&lease).map(|l| l.lender) else { return };
        if let Some(chunk) = self.chunk_mut(chunk) {
            chunk.faulted.insert(lender);
        }
    }

    fn reserve(&mut self, fuel: Fuel) {
        self.reserved = self.reserved.saturating_add(self.submitted.prices.copy(fuel));
    }

    fn unreserve(&mut self, fuel: Fuel) {
        self.reserved = self.reserved.saturating_sub(self.submitted.prices.copy(fuel));
    }

    fn drop_lease(&mut self, chunk: u32, lease: LeaseId) {
        if let Some(lease) = self.leases.remove(&lease) {
            self.unreserve(lease.fuel_limit);
        }
        if let Some(chunk) = self.chunk_mut(chunk) {
            chunk.live.retain(|id| *id != lease);
        }
    }
}
