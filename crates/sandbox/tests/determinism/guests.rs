//! Guests that use what could differ: floats, memory, clocks, randomness, listings, traps, limits.
//!
//! Each is the code of `_start` with whatever else it needs behind it. `$p32`, `$p64` and `$print`
//! write results to standard output, `$hash` the whole of the first page.

/// Name and code. The bits of NaNs in a `nan-…` may depend on strictness; nothing else does.
pub(crate) const GUESTS: &[(&str, &str)] = &[
    (
        "nan-made-by-f32",
        "(call $p32 (i32.reinterpret_f32 (f32.div (call $f (i32.const 0)) (call $f (i32.const 0)))))
        (call $p32 (i32.reinterpret_f32 (f32.sqrt (call $f (i32.const -1082130432)))))
        (call $p32 (i32.reinterpret_f32 (f32.sub (f32.const inf) (f32.const inf))))
        (call $p32 (i32.reinterpret_f32 (f32.mul (f32.const inf) (call $f (i32.const 0))))))
        (func $f (param i32) (result f32) (f32.reinterpret_i32 (local.get 0))",
    ),
    (
        "nan-payload-of-f64",
        "(call $p64 (i64.reinterpret_f64 (f64.add (call $n) (f64.const 1))))
        (call $p64 (i64.reinterpret_f64 (f64.add (f64.const 1) (call $n))))
        (call $p64 (i64.reinterpret_f64 (f64.mul (call $n) (f64.neg (call $n)))))
        (call $p64 (i64.reinterpret_f64 (f64.min (call $n) (f64.const 1))))
        (call $p64 (i64.reinterpret_f64 (f64.max (f64.const 1) (call $n))))
        (call $p64 (i64.reinterpret_f64 (f64.ceil (call $n))))
        (call $p64 (i64.reinterpret_f64 (f64.sqrt (call $n)))))
        (func $n (result f64) (f64.reinterpret_i64 (i64.const 0x7ff4000000000123))",
    ),
    (
        "nan-promoted-and-demoted",
        "(call $p64 (i64.reinterpret_f64 (f64.promote_f32
            (f32.reinterpret_i32 (call $v (i32.const 0x7fa00001))))))
        (call $p32 (i32.reinterpret_f32 (f32.demote_f64 (f64.reinterpret_i64
            (i64.extend_i32_u (call $v (i32.const 1)))))))
        (call $p32 (i32.reinterpret_f32 (f32.demote_f64 (f64.reinterpret_i64
            (i64.shl (i64.extend_i32_u (call $v (i32.const 0xfff40012))) (i64.const 32)))))))
        (func $v (param i32) (result i32) (local.get 0)",
    ),
    (
        "nan-in-lanes",
        "(local v128) (v128.store (i32.const 128) (v128.const f32x4 nan -1 inf 0))
        (local.set 0 (v128.load (i32.const 128)))
        (v128.store (i32.const 144) (f32x4.sqrt (local.get 0)))
        (v128.store (i32.const 160) (f32x4.min (local.get 0) (f32x4.splat (f32.const 1))))
        (v128.store (i32.const 176) (f32x4.pmax (local.get 0) (f32x4.splat (f32.const 1))))
        (v128.store (i32.const 192) (f32x4.div (local.get 0) (local.get 0)))
        (v128.store (i32.const 208) (f64x2.promote_low_f32x4 (local.get 0)))
        (call $print (i32.const 128) (i32.const 96))",
    ),
    (
        "floats-too-small-for-a-normal-one",
        "(local f64 f32 i32) (local.set 0 (f64.const 1e-300)) (local.set 1 (f32.const 1e-36))
        (loop (local.set 0 (f64.mul (local.get 0) (f64.const 0.125)))
            (local.set 1 (f32.mul (local.get 1) (f32.const 0.3)))
            (call $p64 (i64.reinterpret_f64 (local.get 0)))
            (call $p32 (i32.reinterpret_f32 (local.get 1)))
            (br_if 0 (i32.lt_u (local.tee 2 (i32.add (local.get 2) (i32.const 1)))
                (i32.const 30))))",
    ),
    (
        "floats-rounded-at-ties",
        "(local i32 f32) (local.set 0 (i32.const -9)) (loop
            (local.set 1 (f32.div (f32.convert_i32_s (local.get 0)) (f32.const 2)))
            (call $p32 (i32.reinterpret_f32 (f32.nearest (local.get 1))))
            (call $p32 (i32.reinterpret_f32 (f32.floor (local.get 1))))
            (call $p32 (i32.reinterpret_f32 (f32.trunc (local.get 1))))
            (call $p32 (i32.reinterpret_f32 (f32.copysign (f32.const 0) (local.get 1))))
            (br_if 0 (i32.lt_s (local.tee 0 (i32.add (local.get 0) (i32.const 1)))
                (i32.const 9))))
        (call $p32 (i32.reinterpret_f32 (f32.convert_i64_u (i64.const 0xfffffffffffffbff))))
        (call $p64 (i64.reinterpret_f64 (f64.convert_i64_u (i64.const 0xfffffffffffffbff))))
        (call $p32 (i32.reinterpret_f32 (f32.convert_i64_s (i64.const -16777217))))",
    ),
    (
        "floats-cut-to-whole-numbers",
        "(local f64) (local.set 0 (f64.const 1e30))
        (call $p32 (i32.trunc_sat_f64_s (local.get 0)))
        (call $p32 (i32.trunc_sat_f64_u (f64.neg (local.get 0))))
        (call $p64 (i64.trunc_sat_f64_s (f64.const nan)))
        (call $p64 (i64.trunc_sat_f64_u (f64.const 18446744073709549568)))
        (v128.store (i32.const 128) (i32x4.trunc_sat_f32x4_u (v128.const f32x4 nan -1 5e9 7.9)))
        (call $print (i32.const 128) (i32.const 16))",
    ),
    (
        "floats-summed-in-order",
        "(local i32 f32) (loop
            (local.set 1 (f32.add (local.get 1)
                (f32.div (f32.const 1) (f32.convert_i32_u (i32.add (local.get 0) (i32.const 1))))))
            (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1)))
                (i32.const 100000))))
        (call $p32 (i32.reinterpret_f32 (local.get 1)))",
    ),
    (
        "lanes-of-whole-numbers",
        "(local v128) (local.set 0 (v128.const i8x16 -128 127 1 -1 0 99 -99 5 6 7 8 9 10 11 12 13))
        (v128.store (i32.const 128) (i8x16.add_sat_s (local.get 0) (local.get 0)))
        (v128.store (i32.const 144) (i8x16.avgr_u (local.get 0) (i8x16.splat (i32.const 7))))
        (v128.store (i32.const 160) (i8x16.swizzle (local.get 0) (local.get 0)))
        (v128.store (i32.const 176) (i8x16.popcnt (local.get 0)))
        (v128.store (i32.const 192) (i16x8.q15mulr_sat_s (local.get 0) (local.get 0)))
        (v128.store (i32.const 208) (i8x16.shuffle 0 31 2 29 4 27 6 25 8 23 10 21 12 19 14 17
            (local.get 0) (i8x16.neg (local.get 0))))
        (v128.store (i32.const 224) (i32x4.dot_i16x8_s (local.get 0) (local.get 0)))
        (call $print (i32.const 128) (i32.const 112))
        (call $p32 (i8x16.bitmask (local.get 0)))",
    ),
    (
        "bits-turned-and-counted",
        "(local i64) (local.set 0 (i64.const 0x8000000000000001))
        (call $p64 (i64.rotl (local.get 0) (i64.const 67)))
        (call $p64 (i64.shr_s (local.get 0) (i64.const 65)))
        (call $p64 (i64.clz (i64.shr_u (local.get 0) (i64.const 9))))
        (call $p64 (i64.ctz (i64.const 0)))
        (call $p64 (i64.popcnt (local.get 0)))
        (call $p64 (i64.rem_s (i64.const 0x8000000000000000) (i64.const -1)))
        (call $p64 (i64.extend8_s (i64.const 0x80)))
        (call $p32 (i32.extend16_s (i32.const 0x8000)))
        (call $p64 (i64.mul (local.get 0) (local.get 0)))",
    ),
    (
        "memory-grows",
        "(local i32) (loop (call $p32 (memory.grow (i32.const 3))) (call $p32 (memory.size))
            (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1)))
                (i32.const 5))))
        (i32.store (i32.const 1000000) (i32.const 77))
        (call $p32 (i32.load (i32.const 1000000))) (call $p32 (i32.load (i32.const 999996)))",
    ),
    (
        "memory-cannot-grow",
        "(call $p32 (memory.grow (i32.const 65535))) (call $p32 (memory.grow (i32.const 65536)))
        (call $p32 (memory.grow (i32.const 255))) (call $p32 (memory.grow (i32.const 256))) (call $p32 (memory.size))",
    ),
    ("memory-is-needed", "(loop (br_if 0 (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
        unreachable"),
    ("memory-begins-empty", "(call $hash) (call $p32 (i32.load (i32.const 65532)))"),
    (
        "memory-in-bulk",
        "(memory.fill (i32.const 4096) (i32.const 7) (i32.const 3000))
        (memory.init $d (i32.const 5000) (i32.const 2) (i32.const 9))
        (memory.copy (i32.const 4999) (i32.const 4990) (i32.const 2000))
        (memory.copy (i32.const 6000) (i32.const 6003) (i32.const 2000))
        (data.drop $d) (memory.init $d (i32.const 0) (i32.const 0) (i32.const 0))
        (call $hash)) (data $d \"0123456789abcdef\") (func",
    ),
    (
        "memory-in-bulk-past-its-end",
        "(memory.fill (i32.const 4096) (i32.const 7) (i32.const 61441))",
    ),
    (
        "tables-grow",
        "(call $p32 (table.grow $t (ref.func $one) (i32.const 900)))
        (call $p32 (table.grow $t (ref.null func) (i32.const 999999)))
        (call $p32 (table.size $t))
        (call $p32 (call_indirect $t (result i32) (i32.const 899)))
        (table.set $t (i32.const 3) (ref.func $two))
        (table.copy $t $t (i32.const 800) (i32.const 0) (i32.const 100))
        (call $p32 (call_indirect $t (result i32) (i32.const 803))))
        (table $t 1 funcref) (elem declare func $one $two)
        (func $one (result i32) (i32.const 1)) (func $two (result i32) (i32.const 2)",
    ),
    (
        "tables-as-large-as-they-may-be",
        "(table.fill $t (i32.const 0) (ref.func $one) (i32.const 99998))
        (call $p32 (call_indirect $t (result i32) (i32.const 99997)))
        (call $p32 (ref.is_null (table.get $t (i32.const 99998)))))
        (table $t 99999 100000 funcref) (elem declare func $one)
        (func $one (result i32) (i32.const 1)",
    ),
    (
        "clocks-are-read",
        "(local i32) (loop
            (drop (call $clock (i32.and (local.get 0) (i32.const 3)) (i64.const 0)
                (i32.const 64)))
            (call $p64 (i64.load (i32.const 64)))
            (drop (call $clock_res (i32.and (local.get 0) (i32.const 3)) (i32.const 64)))
            (call $p64 (i64.load (i32.const 64)))
            (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1)))
                (i32.const 20))))",
    ),
    (
        "sleeps",
        "(local i32) (i32.store (i32.const 116) (i32.const 1))
        (i64.store (i32.const 124) (i64.const 86400000000000))
        (loop (call $p32 (call $poll (i32.const 100) (i32.const 200) (i32.const 1)
                (i32.const 300)))
            (drop (call $clock (i32.const 0) (i64.const 0) (i32.const 64)))
            (call $p64 (i64.load (i32.const 64)))
            (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1)))
                (i32.const 5))))",
    ),
    (
        "randomness",
        "(local i32) (loop
            (drop (call $random (i32.add (i32.const 4096) (local.get 0)) (local.get 0)))
            (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1)))
                (i32.const 200))))
        (call $hash)",
    ),
    (
        "listings",
        "(local i64) (loop
            (drop (call $readdir (i32.const 3) (i32.const 4096) (i32.const 60) (local.get 0)
                (i32.const 64)))
            (call $print (i32.const 4096) (i32.load (i32.const 64)))
            (if (i32.eq (i32.load (i32.const 64)) (i32.const 60)) (then
                (local.set 0 (i64.load (i32.const 4096))) (br 1))))",
    ),
    (
        "numbers-and-times-of-files",
        "(local i32) (loop
            (call $p32 (call $stat (i32.add (i32.const 3) (local.get 0)) (i32.const 0)
                (i32.const 50) (i32.const 1) (i32.const 200)))
            (call $print (i32.const 200) (i32.const 64))
            (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1)))
                (i32.const 4))))) (data (i32.const 50) \"b\") (func",
    ),
    (
        "arguments",
        "(drop (call $args_sizes (i32.const 64) (i32.const 68)))
        (call $print (i32.const 64) (i32.const 8))
        (drop (call $args (i32.const 1000) (i32.const 2000)))
        (call $print (i32.const 1000) (i32.const 12))
        (call $print (i32.const 2000) (i32.load (i32.const 68)))",
    ),
    (
        "environment",
        "(drop (call $environ (i32.const 1000) (i32.const 2000))) (call $hash)",
    ),
    (
        "input-given-back",
        "(local i32) (loop (local.set 0 (call $read (i32.const 0)))
            (if (local.get 0) (then (call $print (i32.const 4096) (local.get 0)) (br 1))))",
    ),
    (
        "files-written-and-removed",
        "(local i32) (local.set 0 (call $open (i32.const 50) (i32.const 1)))
        (call $write (local.get 0) (i32.const 0) (i32.const 4000))
        (drop (call $seek (local.get 0) (i64.const 9000) (i32.const 0) (i32.const 64)))
        (call $write (local.get 0) (i32.const 50) (i32.const 2))
        (drop (call $open (i32.const 51) (i32.const 1)))
        (call $p32 (call $unlink (i32.const 5) (i32.const 51) (i32.const 1)))
        (call $p32 (call $unlink (i32.const 5) (i32.const 51) (i32.const 1))))
        (data (i32.const 50) \"fg\") (func",
    ),
    (
        "errors-written-without-end",
        "(local i32) (loop (call $write (i32.const 2) (i32.const 50) (i32.const 64))
            (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1)))
                (i32.const 500))))) (data (i32.const 50) \"a line of errors\\n\") (func",
    ),
    (
        "deep-recursion",
        "(call $p32 (call $f (i32.const 4000)))) (func $f (param i32) (result i32)
        (if (result i32) (local.get 0)
            (then (i32.add (i32.const 1) (call $f (i32.sub (local.get 0) (i32.const 1)))))
            (else (i32.const 0)))",
    ),
    (
        "recursion-of-two",
        "(call $p64 (call $fib (i64.const 20)))) (func $fib (param i64) (result i64)
        (if (result i64) (i64.lt_u (local.get 0) (i64.const 2)) (then (local.get 0)) (else
            (i64.add (call $fib (i64.sub (local.get 0) (i64.const 1)))
                (call $fib (i64.sub (local.get 0) (i64.const 2))))))",
    ),
    (
        "many-values-and-branches",
        "(local i32) (loop
            (block (block (block (block (br_table 0 1 2 3 (i32.and (local.get 0) (i32.const 7))))
                (call $p32 (i32.const 10)) (br 2)) (call $p32 (i32.const 11)))
                (call $p32 (i32.const 12)))
            (call $three (local.get 0)) (call $p32) (call $p64) (call $p32)
            (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1)))
                (i32.const 9))))) (func $three (param i32) (result i32 i64 i32)
        (local.get 0) (i64.const 5) (i32.const 6)",
    ),
    (
        "globals",
        "(local i32) (loop (global.set $g (i64.add (i64.mul (global.get $g)
            (i64.const 6364136223846793005)) (i64.const 1442695040888963407)))
            (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1)))
                (i32.const 10000)))) (call $p64 (global.get $g)))
        (global $g (mut i64) (i64.const 1)) (func",
    ),
    ("trap-unreachable", "(call $p32 (i32.const 1)) (call $yield) unreachable"),
    ("trap-division", "(call $p32 (i32.div_s (i32.load (i32.const 9)) (i32.load (i32.const 9))))"),
    (
        "trap-division-overflow",
        "(call $p32 (i32.div_s (i32.const 0x80000000) (i32.sub (i32.load (i32.const 9))
            (i32.const 1))))",
    ),
    (
        "trap-after-a-loop",
        "(local i32) (loop (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1)))
            (i32.const 10000)))) (drop (i32.div_u (local.get 0) (i32.load (i32.const 9))))",
    ),
    (
        "trap-in-a-loop",
        "(local i32) (loop (drop (i32.load (local.tee 0 (i32.add (local.get 0) (i32.const 1)))))
            (br 0))",
    ),
    ("trap-memory", "(call $p32 (i32.load (i32.const 65533)))"),
    ("trap-far-memory", "(i32.store offset=4294967295 (i32.const -1) (i32.const 1))"),
    ("trap-table", "(call_indirect (i32.const 1))) (table 1 funcref) (func"),
    ("trap-type", "(call_indirect (i32.const 0))) (table funcref (elem $f)) (func $f (param i32)"),
    ("trap-conversion", "(call $p32 (i32.trunc_f32_s (f32.load (i32.const 50)))))
        (data (i32.const 50) \"\\00\\00\\c0\\7f\") (func"),
    ("exit-status", "(call $print (i32.const 0) (i32.const 4)) (call $exit (i32.const 42))"),
    ("exit-in-the-middle", "(call $p32 (i32.const 1)) (call $exit (i32.const 0)) unreachable"),
    ("limit-of-fuel", "(loop (br 0))"),
    ("limit-of-fuel-in-the-host", "(loop (drop (call $random (i32.const 4096) (i32.const 999)))
        (br 0))"),
    ("limit-of-output", "(loop (call $print (i32.const 0) (i32.const 60000)) (br 0))"),
    (
        "limit-of-tables",
        "(loop (br_if 0 (i32.ne (table.grow $t (ref.null func) (i32.const 30000)) (i32.const -1))))
        (call $exit (i32.const 7))) (table $t 1 funcref) (func",
    ),
    (
        "limit-of-files",
        "(local i32) (loop
            (i32.store (i32.const 64) (i32.add (i32.const 0x61616161) (i32.or
                (i32.and (local.get 0) (i32.const 15))
                (i32.or (i32.shl (i32.and (local.get 0) (i32.const 0xf0)) (i32.const 4))
                (i32.shl (i32.and (local.get 0) (i32.const 0xff00)) (i32.const 8))))))
            (drop (call $mkdir (i32.const 5) (i32.const 64) (i32.const 4)))
            (local.set 0 (i32.add (local.get 0) (i32.const 1))) (br 0))",
    ),
    (
        "limit-of-open-files",
        "(local i32) (loop
            (local.set 0 (call $path_open (i32.const 5) (i32.const 0) (i32.const 50)
                (i32.const 1) (i32.const 1) (i64.const 66) (i64.const 0) (i32.const 0)
                (i32.const 12)))
            (br_if 0 (i32.eqz (local.get 0))))
        (call $exit (local.get 0))) (data (i32.const 50) \"f\") (func",
    ),
    ("limit-of-stack", "(call $f)) (func $f (call $f) (call $f)"),
];

/// The module of a guest.
pub(crate) fn module(code: &str) -> Vec<u8> {
    let text = format!(
        r#"(module {HOST} (memory (export "memory") 1) {TOOLS} (func (export "_start") {code}))"#
    );
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}: {code}"))
}

const HOST: &str = r#"
    (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "args_sizes_get"
        (func $args_sizes (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_get" (func $environ (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "clock_time_get"
        (func $clock (param i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "clock_res_get" (func $clock_res (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "poll_oneoff"
        (func $poll (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "sched_yield" (func $sched_yield (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write"
        (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_seek" (func $seek (param i32 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_readdir"
        (func $readdir (param i32 i32 i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_open"
        (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_create_directory"
        (func $mkdir (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_unlink_file"
        (func $unlink (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_filestat_get"
        (func $stat (param i32 i32 i32 i32 i32) (result i32)))
"#;

const TOOLS: &str = r"
    (func $write (param $fd i32) (param $at i32) (param $len i32)
        (i32.store (i32.const 0) (local.get $at)) (i32.store (i32.const 4) (local.get $len))
        (drop (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))))
    (func $print (param $at i32) (param $len i32)
        (call $write (i32.const 1) (local.get $at) (local.get $len)))
    (func $p64 (param i64)
        (i64.store (i32.const 16) (local.get 0)) (call $print (i32.const 16) (i32.const 8)))
    (func $p32 (param i32)
        (i32.store (i32.const 16) (local.get 0)) (call $print (i32.const 16) (i32.const 4)))
    (func $yield (drop (call $sched_yield)))
    (func $read (param $fd i32) (result i32)
        (i32.store (i32.const 0) (i32.const 4096)) (i32.store (i32.const 4) (i32.const 4096))
        (drop (call $fd_read (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)))
        (i32.load (i32.const 8)))
    ;; Makes a file in /out.
    (func $open (param $at i32) (param $len i32) (result i32)
        (drop (call $path_open (i32.const 5) (i32.const 0) (local.get $at) (local.get $len)
            (i32.const 1) (i64.const 66) (i64.const 0) (i32.const 0) (i32.const 12)))
        (i32.load (i32.const 12)))
    (func $hash (local $at i32) (local $sum i64)
        (loop $more
            (local.set $sum (i64.mul (i64.xor (local.get $sum) (i64.load (local.get $at)))
                (i64.const 0x100000001b3)))
            (local.set $at (i32.add (local.get $at) (i32.const 8)))
            (br_if $more (i32.lt_u (local.get $at) (i32.const 65536))))
        (call $p64 (local.get $sum)))
";
