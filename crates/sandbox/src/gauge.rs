//! How much memory and how many table elements a run may have.
//!
//! A growth beyond the job's limit fails as it does on any machine: `memory.grow` gives -1. The
//! gauge remembers it, so that a program that then gives up is reported as out of memory. A growth
//! that the job allows and this machine cannot serve ends the run as the agent's fault, because
//! the guest must not see how much its lender has.

use wasmtime::{ResourceLimiter, Result};

use crate::gate::TABLE_ELEMENTS_MAX;
use crate::stop::Ending;

#[derive(Debug)]
pub(crate) struct Gauge {
    limit: usize,
    /// A growth was refused because of the job's limit.
    pub(crate) denied: bool,
    /// The growth under way is within the limit.
    granted: bool,
}

impl Gauge {
    pub(crate) fn new(limit: u64) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Self { limit, denied: false, granted: false }
    }
}

impl ResourceLimiter for Gauge {
    fn memory_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        let within_limit = desired <= self.limit;
        self.denied |= !within_limit;
        self.granted = within_limit && maximum.is_none_or(|maximum| desired <= maximum);
        Ok(self.granted)
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> Result<()> {
        if self.granted { Err(wasmtime::Error::new(Ending::HostMemory)) } else { Ok(()) }
    }

    fn table_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        let desired_elements = u64::try_from(desired).unwrap_or(u64::MAX);
        let is_allowed = desired_elements <= TABLE_ELEMENTS_MAX;
        Ok(is_allowed && maximum.is_none_or(|maximum| desired <= maximum))
    }

    fn instances(&self) -> usize {
        1
    }

    fn memories(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        100
    }
}
