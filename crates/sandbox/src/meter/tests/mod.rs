//! The meter's promises: a frozen table, a count that is the engine's own to the last unit, and
//! traps that are not free.

mod equal;
mod examples;
mod random;
mod shapes;
mod traps;
mod tricky;

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
