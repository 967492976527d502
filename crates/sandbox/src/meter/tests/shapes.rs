//! Modules at the edge of what a module can be, and guests that reach for the counter.

use medusa_types::Outcome;
use wasmtime::Module;

use super::equal::{Twins, task};
use crate::engine;
use crate::gate::inspect;
use crate::meter::{Counter, rewrite};

fn wasm(text: &str) -> Vec<u8> {
    let wasm = wat::parse_str(text).expect("a module");
    inspect(&wasm).expect("the gate lets it in");
    wasm
}

#[test]
fn a_guests_own_exports_are_never_taken_for_the_counter() {
    let name = |wasm: &[u8]| {
        let engine = engine::engine(false).expect("an engine");
        Counter::name(&Module::new(&engine, wasm).expect("it compiles"))
    };
    let posing = wasm(
        r#"(module (global $g (mut i64) (i64.const -9000000000)) (func (export "_start")
            (loop (global.set $g (i64.const -9000000000)) (br 0)))
            (export "medusa fuel" (global $g)) (export "medusa fuel 1" (global $g)))"#,
    );
    let metered = rewrite(&posing).expect("it can be rewritten");
    assert_eq!(name(&metered).as_deref(), Some("medusa fuel 2"));
    let report = Twins::of(&posing).run(&task(10_000));
    assert_eq!((report.outcome, report.fuel), (Outcome::FuelOut, 10_000));
    let plain = wasm(r#"(module (func (export "_start")))"#);
    assert_eq!(name(&plain), None, "an unmetered module has none");
    assert_eq!(name(&rewrite(&plain).expect("rewritten")).as_deref(), Some("medusa fuel"));
}

/// The counter and the two locals have the first indices that are not the guest's own.
#[test]
fn what_a_guest_cannot_name_it_cannot_change() {
    for body in
        ["(global.set 1 (i64.const -9))", "(local.set 2 (i64.const -9))", "local.get 3 drop"]
    {
        let text = format!(
            r#"(module (global (mut i64) (i64.const 0)) (func (export "_start") (call 1 (i32.const 0)))
                (func (param i32) (local i64) {body}))"#
        );
        assert!(inspect(&wat::parse_str(&text).expect("bytes")).is_err(), "{body}");
    }
}

#[test]
fn modules_that_lack_sections_or_have_all_are_rewritten() {
    let shapes = [
        r#"(module (func (export "_start")))"#,
        r#"(module (func (export "")))"#,
        r#"(module (func (export "_start")) (data "passive"))"#,
        r#"(module (memory 1) (func (export "_start")) (data (i32.const 0) "active"))"#,
        r#"(module (type (func (result i32 i32))) (import "wasi_snapshot_preview1" "sched_yield"
            (func (result i32))) (func (export "_start") (call 2) drop drop)
            (func (result i32 i32) (i32.const 1) (call 0)) (table 3 funcref) (memory 1 2)
            (global i32 (i32.const 1)) (export "g" (global 0)) (elem (i32.const 0) 1)
            (elem declare func 2) (data (i32.const 0) "x") (data "y") (@custom "name" "\00\00"))"#,
        r#"(module (func (export "_start") (call 1) drop drop drop (call 2) drop drop drop)
            (func (result i32 i64 f32) (i32.const 1) (i64.const 1) (f32.const 1))
            (func (result i32 i64 f32) (call 1) return))"#,
    ];
    for text in shapes {
        let report = Twins::of(&wasm(text)).compare(&task(10_000));
        assert_eq!(report.outcome, Outcome::Done, "{text}");
    }
}

/// The gate's limits are about the module as it comes. One that only grows too large with the meter
/// is a program that cannot be compiled, everywhere alike; it is never run without.
#[test]
fn the_largest_functions_compile_with_the_meter_or_are_refused() {
    let engine = engine::engine(false).expect("an engine");
    let compiles = |text: &str| {
        let metered = rewrite(&wasm(text)).expect("it can be rewritten");
        Module::validate(&engine, &metered).is_ok()
    };
    let function = |locals: usize, code: &str| {
        let locals = "i32 ".repeat(locals);
        format!(r#"(module (func (export "_start") (local {locals}) {code}))"#)
    };
    assert!(compiles(&function(49_997, "")));
    assert!(!compiles(&function(49_998, "")), "three more locals are one too many");
    // 500 KB of the code that grows most: nothing but calls.
    assert!(compiles(&function(100, &"(call 0)".repeat(250_000))));
    assert!(compiles(&function(0, &"(loop (br_if 0 (i32.const 0)))".repeat(60_000))));
    assert!(compiles(&function(0, &"unreachable ".repeat(500_000))));
}
