//! What a consumer does to a running job: pauses and resumes it, raises its budget, gives chunks
//! that failed another chance. And when a job pauses by itself.

use medusa_api::PauseWhy;
use medusa_events::Fact;
use medusa_types::{Credits, Fuel};

use super::chunk::Chunk;
use super::job::Job;
use super::kin::Fleet;

impl Job {
    /// Why it hands out nothing, if it is paused.
    #[must_use]
    pub const fn paused(&self) -> Option<PauseWhy> {
        self.paused
    }

    /// How often its failed chunks got another chance.
    #[must_use]
    pub const fn retries(&self) -> u32 {
        self.retries
    }

    /// Fuel that one run may use.
    #[must_use]
    pub const fn fuel_limit(&self) -> Fuel {
        self.fuel_limit
    }

    pub(super) const fn is_running(&self) -> bool {
        self.ended.is_none() && !self.merging && self.paused.is_none()
    }

    /// Chunks that failed, and those that were handed out as often as they may be.
    #[must_use]
    pub fn failures(&self) -> u32 {
        let exhausted = self.touched.values().filter(|chunk| chunk.is_exhausted(self)).count();
        u32::try_from(self.failed.len().saturating_add(exhausted)).unwrap_or(u32::MAX)
    }

    /// Stops handing out chunks; what is under way goes on and is paid. Changes nothing when it is
    /// paused, merging or over.
    pub fn pause(&mut self, why: PauseWhy) -> Vec<Fact> {
        let mut facts = Vec::new();
        if self.is_running() {
            let (job, why) = (self.submitted.id, why.word().to_owned());
            self.fold(&mut facts, Fact::JobPaused { job, why });
        }
        facts
    }

    /// Hands out chunks again. Changes nothing when it is not paused, or when that for which it
    /// paused is still so.
    pub fn resume(&mut self) -> Vec<Fact> {
        let mut facts = Vec::new();
        let free = match self.paused {
            None | Some(PauseWhy::ChunksFailed) => false,
            Some(PauseWhy::HoldSpent) => self.affordable().is_some(),
            Some(PauseWhy::Asked) => true,
        };
        if free && self.ended.is_none() {
            self.fold(&mut facts, Fact::JobResumed { job: self.submitted.id });
        }
        facts
    }

    /// Puts more into the hold, and goes on if that was missing. Changes nothing when it is over.
    pub fn raise(&mut self, amount: Credits) -> Vec<Fact> {
        let mut facts = Vec::new();
        if self.ended.is_some() || !amount.is_positive() {
            return facts;
        }
        let (job, owner) = (self.submitted.id, self.submitted.owner);
        self.fold(&mut facts, Fact::EscrowRaised { job, owner, amount });
        if self.paused == Some(PauseWhy::HoldSpent) {
            facts.extend(self.resume());
        }
        facts
    }

    /// Gives chunks that failed, and those that nobody could finish, another chance with this
    /// limit of fuel (never less than before), and goes on. Changes nothing when there are none,
    /// or when it is over.
    pub fn retry(&mut self, fuel_limit: Fuel) -> Vec<Fact> {
        let mut facts = Vec::new();
        let chunks = self.failures();
        if chunks == 0 || self.ended.is_some() {
            return facts;
        }
        let fuel_limit = fuel_limit.max(self.fuel_limit);
        let job = self.submitted.id;
        self.fold(&mut facts, Fact::ChunksRetried { job, chunks, fuel_limit });
        if self.paused == Some(PauseWhy::ChunksFailed) {
            self.fold(&mut facts, Fact::JobResumed { job });
        }
        facts
    }

    /// Why it should pause by itself, if it should.
    #[must_use]
    pub fn should_pause(&self, fleet: &Fleet) -> Option<PauseWhy> {
        if self.is_starved(fleet) {
            return Some(PauseWhy::HoldSpent);
        }
        (self.is_running() && self.is_left_with_failures()).then_some(PauseWhy::ChunksFailed)
    }

    fn is_left_with_failures(&self) -> bool {
        let given = self.fresh >= self.submitted.leaves() && self.wanting.is_empty();
        let stuck = || self.touched.values().all(|chunk| chunk.is_exhausted(self));
        given && self.failures() > 0 && stuck()
    }

    pub(super) fn pardon(&mut self, fuel_limit: Fuel) {
        self.fuel_limit = fuel_limit;
        self.retries = self.retries.saturating_add(1);
        let failed = std::mem::take(&mut self.failed);
        let again = failed.into_iter().map(|(index, (_, leases))| (index, leases));
        let exhausted = self.touched.iter().filter(|(_, chunk)| chunk.is_exhausted(self));
        let exhausted = exhausted.map(|(index, chunk)| (*index, chunk.leases));
        let again: Vec<(u32, u32)> = again.chain(exhausted).collect();
        for (index, leases) in again {
            self.unreserve(self.reserved_for(index));
            self.touched.insert(index, Chunk::pardoned(leases));
            self.refresh(index);
        }
    }
}

#[cfg(test)]
#[path = "pause_tests.rs"]
mod tests;
