//! What copies move, where that has a price. Every copy of a chunk moves the same bytes: the input
//! that the plan gives it, or the results below a node, and the result that is believed. What is
//! counted is a fact, so that a payment can be reckoned again from the log alone.

use std::fmt::Debug;
use std::sync::Arc;

use medusa_events::Fact;
use medusa_types::{ChunkIndex, Credits, Fuel, JobId};

use super::job::Job;

/// What the inputs of a job's chunks come to. The log has the hash of the plan only.
pub trait InputBytes: Debug + Send + Sync {
    /// Bytes of the input of a chunk of the plan.
    fn bytes_of_chunk(&self, chunk: u32) -> u64;
}

/// Bytes that one copy of a chunk moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moved {
    input: u64,
    output: u64,
}

impl Moved {
    pub(super) const fn bytes(self) -> u64 {
        self.input.saturating_add(self.output)
    }

    pub(super) const fn fact(self, job: JobId, chunk: u32) -> Fact {
        let Self { input: input_bytes, output: output_bytes } = self;
        Fact::TransferCounted { job, chunk: ChunkIndex(chunk), input_bytes, output_bytes }
    }
}

impl Job {
    /// What its chunks read, for the price of that. A job that is folded without it sets too
    /// little aside for reports until then.
    pub fn measure_by(&mut self, inputs: Arc<dyn InputBytes>) {
        self.inputs = Some(inputs);
        if !self.submitted.prices.resources.charges_transfer() {
            return;
        }
        let reported: Vec<u32> = self.reported.iter().copied().collect();
        for index in reported {
            self.unreserve(self.reserved_for(index));
            let told = self.attempts(index).iter().map(|a| (a.output_bytes, a.fuel));
            let prices: Vec<Credits> =
                told.map(|(bytes, fuel)| self.price_of(index, bytes, fuel)).collect();
            if let Some(chunk) = self.touched.get_mut(&index) {
                for (attempt, price) in chunk.attempts.iter_mut().zip(prices) {
                    attempt.reserved = price;
                }
            }
            self.reserve(self.reserved_for(index));
        }
    }

    /// What a copy costs if its report is right.
    pub(super) fn price_of(&self, chunk: u32, output_bytes: u64, fuel: Fuel) -> Credits {
        let moved = self.charged_transfer(chunk, output_bytes, true);
        self.submitted.prices.copy(fuel, moved.map_or(0, Moved::bytes))
    }

    /// What a copy of a chunk moves, if that is charged for: here, or with the node above it.
    pub(super) fn charged_transfer(&self, chunk: u32, output: u64, paid: bool) -> Option<Moved> {
        let resources = &self.submitted.prices.resources;
        if !resources.charges_transfer() {
            return None;
        }
        let moved = Moved { input: self.input_bytes(chunk), output };
        let charged = paid && moved.bytes() > resources.transfer_free;
        (charged || self.tree.is_some()).then_some(moved)
    }

    fn input_bytes(&self, chunk: u32) -> u64 {
        if chunk < self.submitted.leaves() {
            return self.inputs.as_ref().map_or(0, |inputs| inputs.bytes_of_chunk(chunk));
        }
        let children = self.tree.map(|tree| tree.children(chunk)).unwrap_or_default();
        self.output_bytes.range(children).map(|(_, bytes)| *bytes).fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
#[path = "transfer_tests.rs"]
mod tests;
