//! Guests that try every way through a function, and every way around the count.

use medusa_types::Outcome;

use super::equal::{Twins, task};

/// The bodies of `_start`, with whatever else they need behind them. All of them end by themselves.
const GUESTS: &[&str] = &[
    // Straight on.
    "",
    "nop nop (drop (i32.const 1))",
    "(drop (i32.add (i32.const 1) (i32.mul (i32.const 2) (i32.const 3))))",
    "(local i32 i64 f32 f64 v128) (local.set 0 (i32.const 1)) (drop (local.tee 1 (i64.const 2)))",
    // Ways out of a function.
    "return",
    "return (drop (i32.const 1)) unreachable",
    "(drop (i32.const 1)) (br 0) (drop (i32.const 2))",
    "(br_if 0 (i32.const 1)) (drop (i32.const 2))",
    "(br_if 0 (i32.const 0)) (drop (i32.const 2))",
    "(block (br 1)) (drop (i32.const 2))",
    "(block (block (br_table 0 1 2 (i32.const 2)))) (drop (i32.const 2))",
    "(block (block (br_table 0 1 2 (i32.const 1)) (drop (i32.const 7)))) (drop (i32.const 2))",
    "(block (block (br_table 2 2 0 (i32.const 9)) (drop (i32.const 7))) (drop (i32.const 2)))",
    "(if (i32.const 1) (then return)) (drop (i32.const 2))",
    "(if (i32.const 0) (then return) (else (br 1))) (drop (i32.const 2))",
    "(drop (call $two (i32.const 1))) drop) (func $two (param i32) (result i32 i64)
        (i32.const 4) (i64.const 5)",
    "(drop (call $two (i32.const 1))) drop) (func $two (param i32) (result i32 i64)
        (br_if 0 (i32.const 4) (i64.const 5) (local.get 0)) (br 0)",
    "(drop (call $two (i32.const 1))) drop) (func $two (param i32) (result i32 i64)
        (i32.const 4) (i64.const 5) return unreachable",
    "(drop (call $f)) drop drop) (func $f (result i32 f64 v128 )
        (block (result i32 f64 v128) (i32.const 1) (f64.const 2) (v128.const i64x2 1 2) (br 1))",
    // Ifs and their ends.
    "(if (i32.const 1) (then (drop (i32.const 1))) (else (drop (i32.const 2)) (nop)))",
    "(if (i32.const 0) (then (drop (i32.const 1))))",
    "(drop (if (result i32) (i32.const 0) (then (i32.const 1)) (else (i32.clz (i32.const 2)))))",
    "(if (i32.const 1) (then (block (br 1)) unreachable) (else unreachable)) (drop (i32.const 3))",
    "(drop (select (i32.const 1) (i32.const 2) (i32.const 0)))",
    // Code behind its end.
    "(block (br 0) (drop (i32.const 1)) (loop (br 0)))",
    "(block (block (br 1) (drop (memory.grow (i32.const 1))) (if (i32.const 1) (then (br 0))))
        (call $f)) ) (func $f (drop (i32.const 1))",
    "(block return (memory.fill (i32.const 0) (i32.const 0) (i32.const 0)) drop (memory.fill))",
    // Loops.
    "(local i32) (loop (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1)))
        (i32.const 20))))",
    "(local i32) (loop (local.set 0 (i32.add (local.get 0) (i32.const 1)))
        (br_if 1 (i32.gt_u (local.get 0) (i32.const 9))) (br 0))",
    "(local i32 i32) (loop $a (local.set 1 (i32.const 0)) (loop $b
        (local.set 1 (i32.add (local.get 1) (i32.const 1))) (br_if $b (i32.lt_u (local.get 1)
        (i32.const 3)))) (local.set 0 (i32.add (local.get 0) (i32.const 1)))
        (br_if $a (i32.lt_u (local.get 0) (i32.const 4))))",
    "(local i32) (loop $a (block $b (block $c (br_table $a $b $c 3 (local.tee 0 (i32.add
        (local.get 0) (i32.const 1)))) ) (br $a)) (br_if $a (i32.lt_u (local.get 0)
        (i32.const 5))))",
    "(local i32) (i32.const 5) (loop (param i32) (result i32) (i32.sub (i32.const 1)) local.tee 0
        local.get 0 (br_if 0)) drop",
    "(local i64 i32) (i32.const 5) (i64.const 7) (loop (param i32 i64) (result i32 i64)
        local.set 0 (i32.sub (i32.const 1)) local.tee 1 (local.get 0) (local.get 1) (br_if 0))
        drop drop",
    "(loop) (loop (loop (loop)))",
    // Calls.
    "(call $f (i32.const 9))) (func $f (param i32) (if (local.get 0) (then
        (call $f (i32.sub (local.get 0) (i32.const 1)))))",
    "(drop (call $f (i32.const 7)))) (func $f (param i32) (result i32)
        (if (result i32) (i32.lt_u (local.get 0) (i32.const 2)) (then (local.get 0)) (else (i32.add
        (call $f (i32.sub (local.get 0) (i32.const 1)))
        (call $f (i32.sub (local.get 0) (i32.const 2))))))",
    "(call_indirect (i32.const 1)) (call_indirect (i32.const 0)))
        (table funcref (elem $f $g)) (func $f) (func $g (drop (i32.const 1))",
    "(local funcref) (local.set 0 (ref.func $f)) (table.set (i32.const 0) (local.get 0))
        (call_indirect (i32.const 0))) (table 2 funcref) (elem declare func $f) (func $f nop",
    "(call $e (i32.const 3))) (func $e (param i32) (if (local.get 0) (then (call $o (i32.sub
        (local.get 0) (i32.const 1)))))) (func $o (param i32) (call $e (local.get 0))",
    // The host.
    "(drop (call $yield)) (drop (call $yield))",
    "(local i32) (loop (drop (call $random (i32.const 0) (local.get 0)))
        (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 200)))
        (i32.const 2100))))",
    "(drop (call $random (i32.const 65530) (i32.const 100)))",
    "(drop (i32.const 1)) (call $exit (i32.const 3)) (drop (i32.const 2))",
    "(loop (call $exit (i32.const 0)) (br 0))",
    "(call $f) (call $f)) (func $f (drop (call $yield)) (drop (call $yield))",
    // Operators over a length.
    "(memory.fill (i32.const 0) (i32.const 1) (i32.const 0))",
    "(memory.fill (i32.const 0) (i32.const 1) (i32.const 128))",
    "(memory.fill (i32.const 0) (i32.const 1) (i32.const 129))",
    "(memory.fill (i32.const 9) (i32.const 1) (i32.const 4000)) (drop (i32.const 1))",
    "(memory.copy (i32.const 0) (i32.const 7) (i32.const 90))
        (memory.copy (i32.const 0) (i32.const 7) (i32.const 900))",
    "(local i32) (local.set 0 (call $n)) (memory.fill (i32.const 0) (i32.const 1) (local.get 0))
        (memory.copy (i32.const 5) (i32.const 1) (local.get 0))) (func $n (result i32) i32.const 99",
    "(memory.init 0 (i32.const 4) (i32.const 1) (i32.const 3)) (data.drop 0)
        (memory.init 0 (i32.const 4) (i32.const 0) (call $n))) (data \"12345\")
        (func $n (result i32) i32.const 0",
    "(memory.init 0 (i32.const 4) (i32.const 1) (i32.load8_u (i32.const 0)))) (data \"12345\"",
    "(drop (memory.grow (i32.const 0))) (drop (memory.grow (i32.const 1)))
        (drop (memory.grow (call $n)))) (func $n (result i32) i32.const 2",
    "(drop (memory.grow (i32.const -1))) (drop (memory.grow (memory.size)))",
    "(drop (memory.grow (i32.const 65535))) (drop (memory.grow (call $n)))) (func $n (result i32)
        i32.const 100000",
    "(drop (table.grow 0 (ref.null func) (i32.const 3))) (drop (table.grow 0 (ref.func $f)
        (i32.const 300))) (drop (table.grow 0 (ref.null func) (call $n)))
        (drop (table.grow 0 (ref.null func) (i32.const 99999999)))
        (drop (table.grow 0 (ref.null func) (i32.sub (i32.const 0) (call $n)))))
        (table 1 funcref) (elem declare func $f) (func $f) (func $n (result i32) i32.const 5",
    "(table.fill 0 (i32.const 0) (ref.func $f) (i32.const 3))
        (table.fill 0 (i32.const 0) (ref.func $f) (i32.const 300))
        (table.fill 0 (i32.const 0) (ref.null func) (table.size 0))
        (table.copy 0 0 (i32.const 0) (i32.const 10) (i32.const 130))
        (table.copy 0 1 (i32.const 0) (i32.const 0) (call $n))
        (table.init 0 0 (i32.const 4) (i32.const 0) (i32.const 2))
        (table.init 0 0 (i32.const 4) (i32.const 1) (call $n)) (elem.drop 0)
        (drop (table.get 0 (i32.const 4)))) (table 400 funcref) (table 9 funcref)
        (elem $e func $f $f $f) (func $f) (func $n (result i32) i32.const 1",
    // Lengths that only a compiler knows to be constant.
    "(local i32) (local.set 0 (i32.const 60)) (memory.fill (i32.const 0) (i32.const 1)
        (local.get 0)) (drop (i32.const 1))",
    "(local i32) (memory.fill (i32.const 0) (i32.const 1) (local.get 0)) (drop (i32.const 1))",
    "(memory.fill (i32.const 0) (i32.const 1) (global.get $n)) (drop (i32.const 1)))
        (global $n i32 (i32.const 33)",
    "(memory.fill (i32.const 0) (i32.const 1) (i32.const 70) nop) (drop (i32.const 1))",
    "(memory.fill (i32.const 0) (i32.const 1) (block (result i32) (i32.const 70)))",
    // Traps, where the count was last saved.
    "(drop (i32.const 1)) unreachable",
    "(drop (i32.const 1)) (drop (i32.div_u (i32.const 1) (i32.const 0)))",
    "(drop (call $yield)) (drop (i32.const 1)) (drop (i32.load (i32.const 65533)))",
    "(block (drop (i32.trunc_f32_s (f32.const nan))))",
    "(drop (call $f)) (drop (i32.const 1)) unreachable) (func $f (result i32)
        (i32.rem_s (i32.const 1) (i32.const 0))",
    "(drop (i32.const 1)) (call_indirect (i32.const 0))) (table 1 funcref",
    "(drop (i32.const 1)) (call_indirect (i32.const 0))) (table funcref (elem $f)) (func $f (param
        i32)",
    "(drop (i32.const 1)) (call_indirect (i32.const 7))) (table 1 funcref",
    "(drop (i32.const 1)) (memory.fill (i32.const 65500) (i32.const 1) (i32.const 100))",
    "(drop (i32.const 1)) (memory.copy (i32.const 65500) (i32.const 1) (memory.size))
        (memory.copy (i32.const 65500) (i32.const 1) (i32.const 999))",
    "(drop (i32.const 1)) (drop (table.get (i32.const 3)))) (table 2 funcref",
    "(loop (drop (i32.const 1)) (i32.store offset=9 (i32.const -1) (i32.const 1)))",
    // An access that can never succeed is known before it runs.
    "(drop (i32.const 1)) (drop (i32.load offset=4294967295 (i32.const 0)))",
    "(drop (i32.const 1)) (if (i32.const 1) (then (drop (f64.load offset=4294967289 (i32.const 0)))
        (drop (i32.const 1)))) (drop (i32.const 1))",
    "(drop (i32.const 1)) (drop (f64.load offset=4294967288 (i32.const 0)))",
    "(drop (i32.const 1)) (drop (v128.load8_splat offset=4294967295 (i32.const 0)))",
    "(drop (i32.const 1)) (v128.store32_lane offset=4294967293 3 (i32.const 0)
        (v128.const i64x2 0 0))",
];

fn module(body: &str, memory: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
            (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
            (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") {memory})
            (func (export "_start") {body}))"#
    );
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}: {body}"))
}

#[test]
fn every_way_through_a_function_is_counted_as_the_engine_does() {
    let mut different = Vec::new();
    for body in GUESTS {
        let compare = || Twins::of(&module(body, "1")).compare(&task(2_000_000_000_000));
        match std::panic::catch_unwind(compare) {
            Ok(report) => assert_ne!(report.outcome, Outcome::FuelOut, "{body}"),
            Err(_) => different.push(body),
        }
    }
    assert!(different.is_empty(), "counted differently: {different:#?}");
}

#[test]
fn an_access_outside_the_largest_memory_is_known_before_it_runs() {
    for (memory, offset) in [("0 0", 0), ("1 1", 65_532), ("1 1", 65_533), ("1 2", 131_069)] {
        let body =
            format!("nop (drop (i32.const 1)) (drop (i32.load offset={offset} (i32.const 0)))");
        Twins::of(&module(&body, memory)).compare(&task(1_000));
    }
}

#[test]
fn no_way_of_going_on_for_ever_gets_past_the_limit() {
    let endless = [
        "(loop (br 0))",
        "(loop (br_if 0 (i32.const 1)))",
        "(loop (br_table 0 0 0 (i32.const 1)))",
        "(loop (if (i32.const 1) (then (br 1))))",
        "(loop (block (block (br 2))))",
        "(loop $a (loop $b (br $a)))",
        "(loop (loop (br 1)) unreachable)",
        "(loop (call $f) (br 0))) (func $f",
        "(loop (call_indirect (i32.const 0)) (br 0))) (table funcref (elem $f)) (func $f",
        "(loop (drop (call $yield)) (br 0))",
        "(loop (memory.fill (i32.const 0) (i32.const 0) (i32.const 1)) (br 0))",
        "(loop (drop (memory.grow (i32.const 0))) (br 0))",
        "(loop (drop (memory.grow (i32.const -1))) (br 0))",
        "(loop (nop) (i32.const 1) (drop) (br 0))",
        "(i32.const 1) (loop (param i32) (result i32) (br 0)) drop",
    ];
    for body in endless {
        let twins = Twins::of(&module(body, "1"));
        for fuel in [0, 1, 1_000, 1_001, 77_777] {
            let report = twins.run(&task(fuel));
            assert_eq!((report.outcome, report.fuel), (Outcome::FuelOut, fuel), "{body}");
        }
    }
}
