//! The meter `wt48-1`: what every piece of work costs, in fuel.
//!
//! Every number here is frozen. To change one is to start another meter with another name
//! ([`medusa_types::METER`]) and another price row, because copies of a chunk are compared by the
//! fuel they used. Fuel is counted from after instantiation, so that neither how the engine loads
//! a memory image nor a warm cache can change a bill.
//!
//! An instruction costs 1 (those that make no code cost 0), which is about a twentieth of a
//! nanosecond of a current core; the charges for the host's work are set by the same measure.
//!
//! The count is kept by the program itself: [`rewrite()`] puts it into the module before that is
//! compiled, which costs a run a fraction of what the engine's own metering does. Both count alike
//! what does not trap, and a test holds them together. A trap loses at most a few microseconds of
//! work here, and there whole loops (`docs/adr/0020-the-meter-is-in-the-module.md`).

mod body;
mod counter;
mod rewrite;
#[cfg(test)]
mod tests;

use wasmtime::{OperatorCost, VariableOperatorCost};

pub(crate) use counter::Counter;
pub(crate) use rewrite::{rewrite, unmetered};

/// Names how the count is put into a module. Compiled files of another name are not loaded, so it
/// has to change with whatever [`rewrite()`] gives.
pub(crate) const REWRITE: &str = "in the module, 3";

/// What a counter holds once its program was stopped at its limit. No count gets near: it is
/// looked at before anything is charged that is not small.
const OUT: i64 = i64::MAX;

/// For each call of a host function, whatever it does.
pub(crate) const HOST_CALL: u64 = 1_000;
/// For each begun KiB that a host function moves in or out of the guest's memory.
pub(crate) const HOST_KIB: u64 = 1_024;
/// For each begun KiB of randomness, on top of moving it.
pub(crate) const RANDOM_KIB: u64 = 16_000;
/// For each directory entry that a listing passes over, whether it is told or skipped.
pub(crate) const LISTED_ENTRY: u64 = 50;

/// What the engine counts for each instruction.
pub(crate) fn operator_cost() -> OperatorCost {
    let mut table = OperatorCost::new();
    table.variable = VariableOperatorCost {
        memory_copy_per_byte: 1,
        memory_fill_per_byte: 1,
        memory_init_per_byte: 1,
        // The most that the table can hold. A page costs more to touch, but touching it also
        // takes instructions; growth is bounded by the job's memory limit anyhow.
        memory_grow_per_page: u8::MAX,
        table_copy_per_element: 1,
        table_fill_per_element: 1,
        table_init_per_element: 1,
        table_grow_per_element: 1,
        ..VariableOperatorCost::new()
    };
    table
}

/// The charge for one host call that moved this many bytes.
pub(crate) const fn host_call(moved: u64) -> u64 {
    HOST_CALL.saturating_add(kib(moved).saturating_mul(HOST_KIB))
}

/// Begun KiB.
pub(crate) const fn kib(bytes: u64) -> u64 {
    bytes.div_ceil(1_024)
}
