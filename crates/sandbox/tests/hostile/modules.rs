//! Modules that are no good as modules: forbidden features, bombs for the compiler, broken bytes.

use crate::corpus::{Dice, Guest, Listed, REFUSED, bare, body, task};

/// Whatever happens, it is told. A fault of the agent it is not.
const ANY: &[&str] = &[
    "refused",
    "done",
    "exit",
    "trap",
    "fuel_out",
    "memory_out",
    "output_out",
    "stack_out",
    "table_out",
    "files_out",
];

pub(crate) const FAMILIES: &[Listed] = &[
    ("threads", REFUSED, |d| {
        bare(
            d,
            r#"(module (import "wasi" "thread-spawn" (func (param i32) (result i32)))
            (func (export "_start")))"#,
        )
    }),
    ("shared memory", REFUSED, |d| {
        bare(d, r#"(module (memory 1 2 shared) (func (export "_start")))"#)
    }),
    ("atomics", REFUSED, |d| {
        bare(
            d,
            r#"(module (memory 1) (func (export "_start")
            (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))))"#,
        )
    }),
    ("functions that nobody has", REFUSED, |d| {
        let (module, name) = d.one_of(&[
            ("env", "system"),
            ("wasi_snapshot_preview1", "fd_dup"),
            ("wasi_unstable", "fd_read"),
            ("wasi_snapshot_preview1", "sock_open"),
            ("", ""),
            ("go", "debug"),
        ]);
        bare(
            d,
            &format!(
                r#"(module (import "{module}" "{name}" (func))
            (func (export "_start")))"#
            ),
        )
    }),
    ("functions of another type", REFUSED, |d| {
        bare(
            d,
            r#"(module (import "wasi_snapshot_preview1" "fd_read" (func (param i64)))
            (func (export "_start")))"#,
        )
    }),
    ("memory of somebody else", REFUSED, |d| {
        let what = d.one_of(&["memory 1", "table 1 funcref", "global i32", "global (mut i32)"]);
        bare(d, &format!(r#"(module (import "env" "it" ({what})) (func (export "_start")))"#))
    }),
    ("long addresses", REFUSED, |d| bare(d, r#"(module (memory i64 1) (func (export "_start")))"#)),
    ("two memories", REFUSED, |d| {
        bare(d, r#"(module (memory 1) (memory 1) (func (export "_start")))"#)
    }),
    ("exceptions", REFUSED, |d| {
        bare(d, r#"(module (tag $t) (func (export "_start") (throw $t)))"#)
    }),
    ("collected memory", REFUSED, |d| {
        bare(
            d,
            r#"(module (type $s (struct (field i32)))
            (func (export "_start") (drop (struct.new $s (i32.const 1)))))"#,
        )
    }),
    ("calls in place of returns", REFUSED, |d| {
        bare(d, r#"(module (func $f (export "_start") (return_call $f)))"#)
    }),
    ("calls by reference", REFUSED, |d| {
        bare(
            d,
            r#"(module (type $t (func)) (func $f (type $t)) (elem declare func $f)
            (func (export "_start") (call_ref $t (ref.func $f))))"#,
        )
    }),
    ("vectors that differ", REFUSED, |d| {
        bare(
            d,
            r#"(module (func (export "_start") (drop (f32x4.relaxed_min
            (v128.const i64x2 0 0) (v128.const i64x2 0 0)))))"#,
        )
    }),
    ("no beginning", REFUSED, |d| {
        let export = d.one_of(&["_begin", "main", "start", "_Start"]);
        bare(d, &format!(r#"(module (func (export "{export}")))"#))
    }),
    ("a beginning that asks", REFUSED, |d| {
        let kind = d.one_of(&["(param i32)", "(result i32)", "(param i64) (result f32)"]);
        bare(d, &format!(r#"(module (func (export "_start") {kind} unreachable))"#))
    }),
    ("a beginning before the beginning", &["refused", "fuel_out"], |d| {
        bare(d, r#"(module (func $s (loop (br 0))) (start $s) (func (export "_start")))"#)
    }),
    ("a table of millions", &["refused", "trap"], |d| {
        let size = d.one_of(&[100_001_u32, 10_000_000, u32::MAX]);
        bare(d, &format!(r#"(module (table {size} funcref) (func (export "_start")))"#))
    }),
    ("gigabytes from the start", REFUSED, |d| {
        bare(d, r#"(module (memory 65536) (func (export "_start")))"#)
    }),
    ("fifty thousand locals", &["refused", "done"], |d| {
        let count = d.one_of(&[40_000_usize, 50_000, 50_001]);
        let locals = "i32 ".repeat(count);
        bare(d, &format!(r#"(module (func (export "_start") (local {locals})))"#))
    }),
    ("more functions than allowed", REFUSED, |d| {
        let functions = "(func)".repeat(100_001);
        bare(d, &format!(r#"(module (func (export "_start")) {functions})"#))
    }),
    ("a function longer than allowed", REFUSED, |d| {
        let steps = "nop ".repeat(530_000);
        bare(d, &format!(r#"(module (func (export "_start") {steps}))"#))
    }),
    ("a switch of thousands", &["done"], |d| {
        let places = "0 ".repeat(20_000);
        body(d, &format!("(block (br_table {places} 0 (i32.const 5)))"))
    }),
    ("blocks in blocks", &["refused", "done"], |d| {
        let depth = d.one_of(&[1_000_usize, 4_000]);
        let (open, close) = ("(block ".repeat(depth), ")".repeat(depth));
        body(d, &format!("{open} (br 0) {close}"))
    }),
    ("values upon values", &["refused", "done"], |d| {
        let (push, pop) = ("i64.const 1 ".repeat(5_000), "i64.add ".repeat(4_999));
        bare(d, &format!(r#"(module (func (export "_start") {push} {pop} drop))"#))
    }),
    ("types upon types", &["refused", "done"], |d| {
        let types = "(type (func (param i64 i64) (result i64 i32)))".repeat(5_000);
        bare(d, &format!(r#"(module {types} (func (export "_start")))"#))
    }),
    ("names without end", &["refused", "done"], |d| {
        let name = "x".repeat(200_000);
        bare(d, &format!(r#"(module (func (export "_start")) (func (export "{name}")))"#))
    }),
    ("cut short", REFUSED, |d| {
        let mut guest = sound(d);
        let length = u64::try_from(guest.module.len()).expect("a length");
        guest.module.truncate(usize::try_from(d.below(length)).expect("a place"));
        guest
    }),
    ("a bit turned", ANY, |d| {
        let mut guest = sound(d);
        let length = u64::try_from(guest.module.len()).expect("a length");
        let at = usize::try_from(d.below(length)).expect("a place");
        guest.module[at] ^= 1 << d.below(8);
        guest
    }),
    ("noise", REFUSED, |d| {
        let count = d.below(2_000);
        let module = (0..count).map(|_| d.roll().to_le_bytes()[0]).collect();
        Guest { module, task: task(d) }
    }),
    ("noise behind the right beginning", REFUSED, |d| {
        let count = 1 + d.below(500);
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        module.extend((0..count).map(|_| d.roll().to_le_bytes()[0]));
        Guest { module, task: task(d) }
    }),
    ("nothing", REFUSED, |d| Guest { module: Vec::new(), task: task(d) }),
    ("another version", REFUSED, |d| {
        let mut guest = sound(d);
        guest.module[4] = 2 + d.roll().to_le_bytes()[0] % 200;
        guest
    }),
    ("lengths that lie", REFUSED, |d| {
        let section = d.roll().to_le_bytes()[0] % 14;
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        module.extend([section, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2, 3]);
        Guest { module, task: task(d) }
    }),
];

/// A guest that nothing is wrong with yet.
fn sound(dice: &mut Dice) -> Guest {
    body(
        dice,
        "(drop (memory.grow (i32.const 3))) (loop
        (drop (call $text (i32.const 1) (i32.const 64) (i32.const 5)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if 0 (i32.lt_u (local.get $i) (i32.const 9))))",
    )
}
