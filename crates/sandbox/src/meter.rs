//! The meter `wt48-1`: what every piece of work costs, in fuel.
//!
//! Every number here is frozen. To change one is to start another meter with another name
//! ([`medusa_types::METER`]) and another price row, because copies of a chunk are compared by the
//! fuel they used. Fuel is counted from after instantiation, so that neither how the engine loads
//! a memory image nor a warm cache can change a bill.
//!
//! An instruction costs 1 (those that make no code cost 0), which is about a twentieth of a
//! nanosecond of a current core; the charges for the host's work are set by the same measure.

use wasmtime::{OperatorCost, VariableOperatorCost};

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

#[cfg(test)]
mod tests {
    use medusa_types::Sha256Hash;

    use super::*;

    /// A new patch of the engine may bring other default costs. Then this fails, and the table
    /// must be put back or the meter renamed.
    #[test]
    fn the_cost_table_is_frozen() {
        let table = Sha256Hash::of(format!("{:?}", operator_cost()).as_bytes());
        assert_eq!(
            table.to_string(),
            "26a07c2bd5244931a6a81cf25e8498a04ab4492d264bbc8ae378ff950b1374c1"
        );
        assert_eq!(medusa_types::METER, "wt48-1");
    }

    #[test]
    fn begun_kib_are_charged() {
        assert_eq!(host_call(0), 1_000);
        assert_eq!(host_call(1), 2_024);
        assert_eq!(host_call(1_024), 2_024);
        assert_eq!(host_call(1_025), 3_048);
    }
}
