//! Loops, recursion, memory, tables and traps.

use crate::corpus::{
    DONE, Dice, FUEL, Guest, Listed, MEMORY, REFUSED, STACK, TABLE, TRAP, bare, body, whole,
};

pub(crate) const FAMILIES: &[Listed] = &[
    ("endless loop", FUEL, |d| body(d, "(loop (br 0))")),
    ("endless loops in each other", FUEL, |d| {
        body(d, "(loop (loop (br_if 0 (i32.const 0))) (br 0))")
    }),
    ("endless switch", FUEL, |d| {
        body(d, "(loop (block (block (br_table 0 1 2 (local.get $i)))) (br 0))")
    }),
    ("endless divisions", FUEL, |d| {
        body(d, "(loop (drop (i64.div_s (i64.const 7) (i64.const 3))) (br 0))")
    }),
    ("endless numbers that are none", FUEL, |d| {
        body(d, "(loop (drop (f64.sqrt (f64.div (f64.const 0) (f64.const -1)))) (br 0))")
    }),
    ("endless indirect calls", FUEL, |d| {
        whole(
            d,
            r#"(type $t (func)) (table 1 1 funcref) (elem (i32.const 0) $nothing)
            (func $nothing)
            (func (export "_start") (loop (call_indirect (type $t) (i32.const 0)) (br 0)))"#,
        )
    }),
    ("past its real time", &["wall_out"], |d| {
        let mut guest = body(d, "(loop (br 0))");
        guest.task.limits.fuel = u64::MAX;
        guest.task.limits.wall_ms = 50 + d.below(50);
        guest
    }),
    ("children without end", FUEL, |d| {
        whole(
            d,
            r#"(func $two (param $n i32) (if (local.get $n) (then
                (call $two (i32.sub (local.get $n) (i32.const 1)))
                (call $two (i32.sub (local.get $n) (i32.const 1))))))
            (func (export "_start") (call $two (i32.const 60)))"#,
        )
    }),
    ("recursion", STACK, |d| deep(d, r#"(func $f (export "_start") (call $f) (call $f))"#)),
    ("recursion of two", STACK, |d| {
        deep(d, r#"(func $f (export "_start") (call $g) (call $g)) (func $g (call $f) (call $f))"#)
    }),
    ("recursion through a table", STACK, |d| {
        deep(
            d,
            r#"(type $t (func)) (table 1 1 funcref) (elem (i32.const 0) $f)
            (func $f (export "_start") (call_indirect (type $t) (i32.const 0))
                (call_indirect (type $t) (i32.const 0)))"#,
        )
    }),
    ("recursion with much to keep", STACK, |d| {
        let count = 500 + d.below(3) * 500;
        let locals = "i64 ".repeat(usize::try_from(count).expect("a size"));
        deep(
            d,
            &format!(
                r#"(func $f (local {locals}) (local.set 0 (i64.const 1)) (call $f)
            (call $f)) (func (export "_start") (call $f))"#
            ),
        )
    }),
    ("growing until refused", MEMORY, |d| {
        body(d, "(loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable")
    }),
    ("growing by all there is", MEMORY, |d| {
        let pages = d.one_of(&[65_535_u32, 65_536, 32_768, u32::MAX, 200]);
        body(
            d,
            &format!("(drop (memory.grow (i32.const {pages}))) (call $proc_exit (i32.const 1))"),
        )
        .rich()
    }),
    ("larger than allowed from the start", MEMORY, |d| {
        let pages = 129 + d.below(10) * 1_000;
        bare(d, &format!(r#"(module (memory {pages}) (func (export "_start")))"#))
    }),
    ("all memory that is allowed", &["done", "fuel_out"], |d| {
        let mut guest = body(
            d,
            "(drop (memory.grow (i32.const 127)))
            (memory.fill (i32.const 0) (i32.const 85) (i32.const 8388608))",
        );
        guest.task.limits.fuel = 20_000_000;
        guest
    }),
    ("filling 4 GiB", TRAP, |d| {
        body(d, "(memory.fill (i32.const 1) (i32.const 2) (i32.const -1))").rich()
    }),
    ("filling for ever", FUEL, |d| {
        body(d, "(loop (memory.fill (i32.const 0) (i32.const 2) (i32.const 65536)) (br 0))")
    }),
    ("copying onto itself for ever", FUEL, |d| {
        body(d, "(loop (memory.copy (i32.const 1) (i32.const 0) (i32.const 65535)) (br 0))")
    }),
    ("reading at the end of everything", TRAP, |d| {
        let at = d.one_of(&[u32::MAX, u32::MAX - 7, 1 << 31, 65_533, 65_536]);
        let offset = d.one_of(&[u32::MAX, 1 << 31, 65_536]);
        body(d, &format!("(drop (i64.load offset={offset} (i32.const {at})))"))
    }),
    ("vectors across the end", TRAP, |d| {
        let at = 65_521 + d.below(15);
        body(d, &format!("(v128.store align=1 (i32.const {at}) (v128.const i64x2 1 2))"))
    }),
    ("looking for what others left", DONE, |d| {
        body(
            d,
            "(drop (memory.grow (i32.const 100)))
            (loop
                (if (i64.ne (i64.load (local.get $i)) (i64.const 0))
                    (then (call $proc_exit (i32.const 9))))
                (local.set $i (i32.add (local.get $i) (i32.const 64)))
                (br_if 0 (i32.lt_u (local.get $i) (i32.const 6619136))))",
        )
    }),
    ("data outside of memory", TRAP, |d| {
        whole(d, r#"(data (i32.const 65530) "0123456789") (func (export "_start"))"#)
    }),
    ("data that was dropped", TRAP, |d| {
        whole(
            d,
            r#"(data $d "0123") (func (export "_start") (data.drop $d)
            (memory.init $d (i32.const 0) (i32.const 0) (i32.const 1)))"#,
        )
    }),
    ("a table that grows", &["done", "fuel_out"], |d| {
        let step = 1 + d.below(3) * 9_000;
        whole(
            d,
            &format!(
                r#"(table $t 0 funcref) (func (export "_start")
            (loop (br_if 0 (i32.ne (table.grow $t (ref.null func) (i32.const {step}))
                (i32.const -1)))))"#
            ),
        )
    }),
    ("a table that grows until refused", TABLE, |d| {
        let step = 9_000 + d.below(20_000);
        let end = d.one_of(&["unreachable", "(call $proc_exit (i32.const 1))"]);
        whole(
            d,
            &format!(
                r#"(table $t 0 funcref) (func (export "_start")
            (loop (br_if 0 (i32.ne (table.grow $t (ref.null func) (i32.const {step}))
                (i32.const -1)))) {end})"#
            ),
        )
    }),
    ("a table of all there is", TABLE, |d| {
        let count = d.one_of(&[100_001_u32, 1 << 20, i32::MAX.cast_unsigned(), u32::MAX]);
        whole(
            d,
            &format!(
                r#"(table $t 0 funcref) (func (export "_start")
            (drop (table.grow $t (ref.null func) (i32.const {count}))) unreachable)"#
            ),
        )
        .rich()
    }),
    ("more tables than allowed", REFUSED, |d| {
        let tables = "(table 0 funcref)".repeat(101);
        bare(d, &format!(r#"(module {tables} (func (export "_start")))"#))
    }),
    ("a hundred large tables", &["done", "fuel_out", "refused"], |d| {
        let tables = "(table 0 funcref)".repeat(100);
        let grow: String = (0..100)
            .map(|n| format!("(drop (table.grow {n} (ref.null func) (i32.const 30000)))"))
            .collect();
        let mut guest = whole(d, &format!(r#"{tables} (func (export "_start") {grow})"#));
        guest.task.limits.fuel = 100_000_000;
        guest
    }),
    ("calling nothing", TRAP, |d| {
        whole(
            d,
            r#"(type $t (func)) (table 4 4 funcref)
            (func (export "_start") (call_indirect (type $t) (i32.const 2)))"#,
        )
    }),
    ("calling something else", TRAP, |d| {
        whole(
            d,
            r#"(type $t (func (param i64))) (table 1 1 funcref) (elem (i32.const 0) $f) (func $f)
            (func (export "_start") (call_indirect (type $t) (i64.const 0) (i32.const 0)))"#,
        )
    }),
    ("beyond a table", TRAP, |d| {
        let at = d.one_of(&[4_u32, 5, u32::MAX, 1 << 31]);
        whole(
            d,
            &format!(
                r#"(table $t 4 4 funcref)
            (func (export "_start") (drop (table.get $t (i32.const {at}))))"#
            ),
        )
    }),
    ("filling beyond a table", TRAP, |d| {
        whole(
            d,
            r#"(table $t 4 4 funcref) (func (export "_start")
            (table.fill $t (i32.const 1) (ref.null func) (i32.const -1)))"#,
        )
        .rich()
    }),
    ("giving up", TRAP, |d| body(d, "unreachable")),
    ("division by zero", TRAP, |d| body(d, "(drop (i64.rem_u (i64.const 1) (i64.const 0)))")),
    ("a quotient too large", TRAP, |d| {
        body(d, "(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))")
    }),
    ("a number that is none", TRAP, |d| body(d, "(drop (i32.trunc_f64_s (f64.const nan)))")),
    ("giving up after words", TRAP, |d| {
        body(d, "(drop (call $text (i32.const 1) (i32.const 64) (i32.const 999))) unreachable")
    }),
];

/// Recursion ends at the stack's end before it runs out of fuel.
fn deep(dice: &mut Dice, rest: &str) -> Guest {
    whole(dice, rest).rich()
}
