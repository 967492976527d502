//! What a run costs that ends in a trap: the work that it did, but for the last few thousand units.

use medusa_types::Outcome;

use super::equal::{Twins, task};

const DIVIDE: &str = "(drop (i32.div_u (i32.const 1) (i32.const 0)))";
/// A million rounds of seven instructions.
const ROUNDS: &str = "(loop (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1)))
    (i32.const 1000000))))";

/// The outcome and fuel of `_start` with this body and a local of 32 bits.
fn ran(body: &str) -> (Outcome, u64) {
    let text = format!(r#"(module (memory 16) (func (export "_start") (local i32) {body}))"#);
    let wasm = wat::parse_str(text).expect("a module");
    let report = Twins::of(&wasm).run(&task(100_000_000));
    (report.outcome, report.fuel)
}

#[test]
fn a_loop_before_a_trap_is_paid_for() {
    assert_eq!(ran(ROUNDS), (Outcome::Done, 7_000_001));
    // All but the last step, which has 8,192 units and the rest of a round.
    let steps = 7_000_000_u64.div_euclid(8_197);
    assert_eq!(ran(&format!("{ROUNDS} {DIVIDE}")), (Outcome::Trap, steps * 8_197 + 1));
}

#[test]
fn whatever_takes_long_before_a_trap_is_paid_for() {
    let trapping = [
        format!("(block (if (i32.const 1) (then {ROUNDS}))) {DIVIDE}"),
        // In the loop itself, a million rounds on.
        "(loop (drop (i32.div_u (i32.const 1) (i32.sub (i32.const 1000000) (local.get 0))))
            (local.set 0 (i32.add (local.get 0) (i32.const 1))) (br 0))"
            .to_owned(),
        // In the function that is called, and in the one that called it.
        format!("(call 1)) (func (local i32) {ROUNDS} {DIVIDE}"),
        format!("(call 1) {DIVIDE}) (func (local i32) {ROUNDS}"),
        // Straight on, with operators over long lengths, one of them only known at run time.
        format!(
            "{} {DIVIDE}",
            "(memory.fill (i32.const 0) (i32.const 1) (i32.const 1000000))
            (memory.copy (i32.const 0) (i32.const 1) (i32.sub (i32.const 1000000) (local.get 0)))"
                .repeat(4)
        ),
    ];
    for body in trapping {
        let (outcome, fuel) = ran(&body);
        assert_eq!(outcome, Outcome::Trap, "{body}");
        assert!(fuel >= 6_990_000, "{fuel}: {body}");
    }
}
