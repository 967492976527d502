//! How much memory and how many table elements a run may have, and which limit it was held to.
//!
//! A growth beyond a limit fails as it does on any machine: `memory.grow` and `table.grow` give -1,
//! as one more open file gives an error number. The gauge remembers it, so that a program that then
//! gives up is reported by the name of the limit. A growth that the job allows and this machine
//! cannot serve ends the run as the agent's fault, because the guest must not see how much its
//! lender has.

use medusa_types::Outcome;
use wasmtime::{ResourceLimiter, Result};

use crate::gate::{TABLE_ELEMENTS_MAX, TABLES_MAX};
use crate::stop::Ending;

/// What a guest was told that it cannot have. Of several, the first in this order is why it gave
/// up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Denied {
    Memory,
    Table,
    OpenFile,
}

impl Denied {
    /// How a program ends that gave up over it.
    pub(crate) const fn outcome(self) -> Outcome {
        match self {
            Self::Memory => Outcome::MemoryOut,
            Self::Table => Outcome::TableOut,
            Self::OpenFile => Outcome::FilesOut,
        }
    }

    /// The same in words, where the program itself said nothing.
    pub(crate) const fn in_words(self) -> &'static str {
        match self {
            Self::Memory => "a growth of memory was refused",
            Self::Table => "a growth of a table was refused",
            Self::OpenFile => "one more open file was refused",
        }
    }
}

#[derive(Debug)]
pub(crate) struct Gauge {
    limit: usize,
    /// What was refused because of a limit.
    pub(crate) denied: Option<Denied>,
    /// The growth under way is within the limit.
    granted: bool,
}

impl Gauge {
    pub(crate) fn new(limit: u64) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Self { limit, denied: None, granted: false }
    }

    /// Notes that the guest is told it cannot have this.
    pub(crate) fn deny(&mut self, what: Denied) {
        self.denied = Some(self.denied.map_or(what, |before| before.min(what)));
    }
}

impl ResourceLimiter for Gauge {
    fn memory_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        let within_limit = desired <= self.limit;
        if !within_limit {
            self.deny(Denied::Memory);
        }
        self.granted = within_limit && maximum.is_none_or(|maximum| desired <= maximum);
        Ok(self.granted)
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> Result<()> {
        if self.granted { Err(wasmtime::Error::new(Ending::HostMemory)) } else { Ok(()) }
    }

    fn table_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        let desired_elements = u64::try_from(desired).unwrap_or(u64::MAX);
        let is_allowed = desired_elements <= TABLE_ELEMENTS_MAX;
        if !is_allowed {
            self.deny(Denied::Table);
        }
        Ok(is_allowed && maximum.is_none_or(|maximum| desired <= maximum))
    }

    fn instances(&self) -> usize {
        1
    }

    fn memories(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        TABLES_MAX
    }
}
