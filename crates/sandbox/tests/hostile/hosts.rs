//! What the host is asked: bad pointers, time, randomness, sockets, signals and arguments.

use crate::corpus::{DONE, EXIT, FUEL, Listed, TRAP, bare, body, whole};

/// The values at which arithmetic goes wrong.
const EDGES: [u32; 10] = [0, 1, 3, 65_528, 65_532, 65_535, 65_536, 1 << 31, u32::MAX - 3, u32::MAX];

pub(crate) const FAMILIES: &[Listed] = &[
    ("statuses", &["exit", "done"], |d| {
        let status = d.one_of(&[0_u32, 1, 77, 126, 128, 134, 137, 139, 255, 256, u32::MAX]);
        body(d, &format!("(call $proc_exit (i32.const {status}))"))
    }),
    ("leaving from deep inside", EXIT, |d| {
        whole(
            d,
            r#"(func $f (param $n i32) (if (i32.eqz (local.get $n))
                (then (call $proc_exit (i32.const 3))))
            (call $f (i32.sub (local.get $n) (i32.const 1))))
            (func (export "_start") (call $f (i32.const 500)))"#,
        )
    }),
    ("sockets", EXIT, |d| {
        let call = d.one_of(&[
            "(call $sock_accept (i32.const 3) (i32.const 0) (i32.const 8))",
            "(call $sock_recv (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 8)
                (i32.const 12))",
            "(call $sock_send (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 0)
                (i32.const 8))",
            "(call $sock_shutdown (i32.const 1) (i32.const 3))",
        ]);
        body(d, &format!("(call $exit {call})"))
    }),
    ("signals", EXIT, |d| {
        let signal = d.below(35);
        body(d, &format!("(call $exit (call $proc_raise (i32.const {signal})))"))
    }),
    ("a sleep of centuries", DONE, |d| {
        let ns = d.one_of(&[u64::MAX, 1 << 63, 1 << 62, 1]);
        body(
            d,
            &format!(
                "(i64.store (i32.const 88) (i64.const {ns}))
            (call $exit (call $poll_oneoff (i32.const 64) (i32.const 200) (i32.const 1)
                (i32.const 8)))"
            ),
        )
    }),
    ("sleeping for ever", FUEL, |d| {
        body(
            d,
            "(i64.store (i32.const 88) (i64.const 1000000000))
            (loop (drop (call $poll_oneoff (i32.const 64) (i32.const 200) (i32.const 1)
                (i32.const 8))) (br 0))",
        )
    }),
    ("waiting for a thousand things", &["exit", "done"], |d| {
        let count = d.one_of(&[0_u32, 1_000, 1_024, 1_025, 1 << 26, u32::MAX]);
        body(
            d,
            &format!(
                "(drop (memory.grow (i32.const 20)))
            (call $exit (call $poll_oneoff (i32.const 64) (i32.const 500000) (i32.const {count})
                (i32.const 8)))"
            ),
        )
    }),
    ("measuring time", FUEL, |d| {
        body(
            d,
            "(loop (drop (call $clock_time_get (i32.const 1) (i64.const 1) (i32.const 8)))
            (br 0))",
        )
    }),
    ("clocks that are none", EXIT, |d| {
        let clock = d.one_of(&[4_u32, 99, u32::MAX]);
        body(
            d,
            &format!(
                "(call $exit (call $clock_time_get (i32.const {clock}) (i64.const 1)
            (i32.const 8)))"
            ),
        )
    }),
    ("a gigabyte of chance", EXIT, |d| {
        body(d, "(call $exit (call $random_get (i32.const 0) (i32.const 0x40000000)))")
    }),
    ("chance for ever", FUEL, |d| {
        body(d, "(loop (drop (call $random_get (i32.const 0) (i32.const 65536))) (br 0))")
    }),
    ("yielding for ever", FUEL, |d| body(d, "(loop (drop (call $sched_yield)) (br 0))")),
    ("pieces at every edge", DONE, |d| {
        let at: Vec<u32> = (0..6).map(|_| d.one_of(&EDGES)).collect();
        let call = d.one_of(&["fd_read", "fd_write"]);
        let fd = d.below(7);
        body(
            d,
            &format!(
                "(i32.store (i32.const 64) (i32.const {}))
            (i32.store (i32.const 68) (i32.const {}))
            (drop (call ${call} (i32.const {fd}) (i32.const 64) (i32.const 1) (i32.const {})))
            (drop (call ${call} (i32.const {fd}) (i32.const {}) (i32.const {}) (i32.const {})))",
                at[0],
                at[1],
                at[2],
                at[3],
                at[4] % 2_000,
                at[5]
            ),
        )
    }),
    ("places at every edge", DONE, |d| {
        let at: Vec<u32> = (0..4).map(|_| d.one_of(&EDGES)).collect();
        let fd = d.below(8);
        body(
            d,
            &format!(
                "(drop (call $args_get (i32.const {0}) (i32.const {1})))
            (drop (call $environ_sizes_get (i32.const {1}) (i32.const {2})))
            (drop (call $fd_prestat_get (i32.const {fd}) (i32.const {2})))
            (drop (call $fd_prestat_dir_name (i32.const {fd}) (i32.const {3}) (i32.const {0})))
            (drop (call $fd_filestat_get (i32.const {fd}) (i32.const {1})))
            (drop (call $fd_fdstat_get (i32.const {fd}) (i32.const {3})))
            (drop (call $fd_tell (i32.const {fd}) (i32.const {0})))
            (drop (call $path_filestat_get (i32.const {fd}) (i32.const 1) (i32.const {1})
                (i32.const {2}) (i32.const {3})))
            (drop (call $path_readlink (i32.const {fd}) (i32.const {1}) (i32.const 4)
                (i32.const {2}) (i32.const 9) (i32.const {3})))
            (drop (call $clock_res_get (i32.const 0) (i32.const {0})))",
                at[0], at[1], at[2], at[3]
            ),
        )
        .rich()
    }),
    ("a list that is read into itself", DONE, |d| {
        body(
            d,
            "(i32.store (i32.const 64) (i32.const 60)) (i32.store (i32.const 68) (i32.const 40))
            (drop (call $fd_read (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 66)))",
        )
    }),
    ("too many pieces", EXIT, |d| {
        let count = d.one_of(&[1_025_u32, 1 << 31, u32::MAX]);
        body(
            d,
            &format!(
                "(call $exit (call $fd_write (i32.const 1) (i32.const 0)
            (i32.const {count}) (i32.const 8)))"
            ),
        )
    }),
    ("pieces of more than all memory", EXIT, |d| {
        body(
            d,
            "(loop
            (i32.store (i32.add (i32.const 64) (local.get $i)) (i32.const 0))
            (i32.store (i32.add (i32.const 68) (local.get $i)) (i32.const 65536))
            (local.set $i (i32.add (local.get $i) (i32.const 8)))
            (br_if 0 (i32.lt_u (local.get $i) (i32.const 8192))))
            (call $exit (call $fd_write (i32.const 1) (i32.const 64) (i32.const 2000)
                (i32.const 8)))",
        )
    }),
    ("descriptors that are none", EXIT, |d| {
        let fd = d.one_of(&[7_u32, 100, 511, 512, 1 << 31, u32::MAX]);
        body(
            d,
            &format!(
                "(call $exit (call $text (i32.const {fd}) (i32.const 64)
            (i32.const 9)))"
            ),
        )
    }),
    ("places before the beginning", EXIT, |d| {
        let whence = d.below(5);
        body(
            d,
            &format!(
                "(call $exit (call $fd_seek (i32.const 0) (i64.const -9223372036854775808)
            (i32.const {whence}) (i32.const 8)))"
            ),
        )
    }),
    ("input without end", FUEL, |d| {
        body(
            d,
            "(i32.store (i32.const 64) (i32.const 100)) (i32.store (i32.const 68) (i32.const 9))
            (loop (drop (call $fd_read (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 8)))
                (br 0))",
        )
    }),
    ("arguments without end", &["exit", "done"], |d| {
        let count = 1 + d.below(3) * 4_000;
        let mut guest = body(
            d,
            "(drop (memory.grow (i32.const 60)))
            (call $exit (call $args_get (i32.const 64) (i32.const 100000)))",
        );
        let long = "x".repeat(if count == 1 { 1_000_000 } else { 120 });
        guest.task.args = (0..count).map(|_| long.clone()).collect();
        guest.task.limits.fuel = 100_000_000;
        guest
    }),
    ("arguments at the end of memory", EXIT, |d| {
        let at = d.one_of(&[65_530_u32, 65_536, u32::MAX]);
        let mut guest = body(
            d,
            &format!(
                "(call $exit (call $args_get (i32.const {at})
            (i32.const {at})))"
            ),
        );
        guest.task.args = vec!["a".into(), "b".into()];
        guest
    }),
    ("arguments that end early", &["refused"], |d| {
        let mut guest = body(d, "");
        guest.task.args = vec!["a\0b".into()];
        guest
    }),
    ("files in places that do not exist", &["refused"], |d| {
        let path = d.one_of(&["etc/passwd", "in/../x", "in//x", "in/", "out/x", "in/a\0b", ""]);
        let mut guest = body(d, "");
        guest.task.files.push((path.into(), vec![1]));
        guest
    }),
    ("no memory to speak of", &["exit", "done"], |d| {
        bare(
            d,
            r#"(module (import "wasi_snapshot_preview1" "fd_write"
            (func $w (param i32 i32 i32 i32) (result i32)))
            (func (export "_start") (drop (call $w (i32.const 1) (i32.const 0) (i32.const 1)
                (i32.const 8)))))"#,
        )
    }),
    ("an end in the middle of a call", TRAP, |d| {
        whole(
            d,
            r#"(func (export "_start") (drop (call $text (i32.const 1) (i32.const 64)
            (i32.const 5))) (drop (i32.load (i32.const -1))))"#,
        )
    }),
];
