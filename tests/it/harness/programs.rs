//! Guest programs in the text form of WebAssembly: small, and each with one habit.

/// A module with the parts of the host that tests use, and this body.
///
/// `$read` gives the number of bytes of standard input that it put at 4096, `$write` writes memory
/// to a descriptor; both use the bytes from 0 to 16.
pub(crate) fn guest(body: &str) -> Vec<u8> {
    let text = format!("(module {HOST} (memory (export \"memory\") 1) {TOOLS} {body})");
    wat::parse_str(text).expect("a module")
}

/// Its standard input is its standard output.
pub(crate) fn echo() -> Vec<u8> {
    slow_echo(0)
}

/// The same after counting so many millions.
pub(crate) fn slow_echo(millions: u64) -> Vec<u8> {
    let rounds = millions * 1_000_000 + 1;
    guest(&format!(
        r#"(func (export "_start") (local $n i32) (local $i i64)
            (local.set $n (call $read))
            (local.set $i (i64.const {rounds}))
            (loop $spin
                (local.set $i (i64.sub (local.get $i) (i64.const 1)))
                (br_if $spin (i64.ne (local.get $i) (i64.const 0))))
            (call $write (i32.const 1) (i32.const 4096) (local.get $n)))"#
    ))
}

/// An echo that does something else in the chunk whose input begins with `0`. The sample of a quote
/// is another chunk, so the price says nothing about it.
pub(crate) fn in_first_chunk(code: &str) -> Vec<u8> {
    guest(&format!(
        r#"(func (export "_start") (local $n i32)
            (local.set $n (call $read))
            (if (i32.eq (i32.load8_u (i32.const 4096)) (i32.const 48)) (then {code}))
            (call $write (i32.const 1) (i32.const 4096) (local.get $n)))"#
    ))
}

/// Puts together what the folders of its standard input hold: the files `stdout`, in order.
pub(crate) fn joiner() -> Vec<u8> {
    guest(
        r#"(data (i32.const 1100) "0/stdout")
        (func (export "_start") (local $n i32) (local $i i32) (local $k i32)
            (local.set $n (call $read))
            (loop $next (if (i32.lt_u (local.get $i) (local.get $n)) (then
                (if (i32.eq (i32.load8_u offset=4096 (local.get $i)) (i32.const 10)) (then
                    (i32.store8 (i32.const 1100) (i32.add (i32.const 48) (local.get $k)))
                    (if (call $open (i32.const 1100) (i32.const 8))
                        (then (call $exit (i32.const 7))))
                    (i32.store (i32.const 0) (i32.const 12288))
                    (i32.store (i32.const 4) (i32.const 8192))
                    (drop (call $fd_read (i32.load (i32.const 12)) (i32.const 0) (i32.const 1)
                        (i32.const 8)))
                    (call $write (i32.const 1) (i32.const 12288) (i32.load (i32.const 8)))
                    (local.set $k (i32.add (local.get $k) (i32.const 1)))))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br $next)))))"#,
    )
}

/// A live guest for sessions. Its shard is 64-bit numbers; each round is as many, and it answers
/// with half of each and its own added. `$habit` is run before every answer, with the number of the
/// round in `$round` and the address of the answer in `$at`.
pub(crate) fn step(habit: &str) -> Vec<u8> {
    let text = format!(
        r#"(module {HOST} (memory (export "memory") 96) {TOOLS}
        (func $all (param $to i32) (param $n i32)
            (block $done (loop $more
                (br_if $done (i32.eqz (local.get $n)))
                (i32.store (i32.const 0) (local.get $to))
                (i32.store (i32.const 4) (local.get $n))
                (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
                (if (i32.eqz (i32.load (i32.const 8))) (then (call $exit (i32.const 0))))
                (local.set $to (i32.add (local.get $to) (i32.load (i32.const 8))))
                (local.set $n (i32.sub (local.get $n) (i32.load (i32.const 8))))
                (br $more))))
        (func (export "_start") (local $n i32) (local $i i32) (local $round i32) (local $at i32)
            (local.set $at (i32.const 0x200000))
            (call $all (i32.const 16) (i32.const 4))
            (call $all (i32.const 0x100000) (i32.load (i32.const 16)))
            (loop $rounds
                (local.set $round (i32.add (local.get $round) (i32.const 1)))
                (call $all (i32.const 0x1ffffc) (i32.const 4))
                (local.set $n (i32.load (i32.const 0x1ffffc)))
                (call $all (local.get $at) (local.get $n))
                (local.set $i (i32.const 0))
                (block $done (loop $next
                    (br_if $done (i32.ge_u (local.get $i) (local.get $n)))
                    (f64.store (i32.add (local.get $at) (local.get $i))
                        (f64.add (f64.mul (f64.const 0.5)
                            (f64.load (i32.add (local.get $at) (local.get $i))))
                            (f64.load (i32.add (i32.const 0x100000) (local.get $i)))))
                    (local.set $i (i32.add (local.get $i) (i32.const 8)))
                    (br $next)))
                {habit}
                (call $write (i32.const 1) (i32.const 0x1ffffc)
                    (i32.add (i32.load (i32.const 0x1ffffc)) (i32.const 4)))
                (br $rounds))))"#
    );
    wat::parse_str(text).expect("a module")
}

const HOST: &str = r#"
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (import "wasi_snapshot_preview1" "fd_read"
        (func $fd_read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write"
        (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "poll_oneoff"
        (func $poll (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_open"
        (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
"#;

const TOOLS: &str = r#"
    (data (i32.const 1024) "/etc/passwd")
    (data (i32.const 1040) "../../../../etc/passwd")
    (func $write (param $fd i32) (param $at i32) (param $len i32)
        (i32.store (i32.const 0) (local.get $at))
        (i32.store (i32.const 4) (local.get $len))
        (drop (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))))
    (func $read (result i32)
        (i32.store (i32.const 0) (i32.const 4096))
        (i32.store (i32.const 4) (i32.const 4096))
        (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
        (i32.load (i32.const 8)))
    ;; Tries to open a path for reading from each of the first folders; the last error number.
    (func $open (param $at i32) (param $len i32) (result i32) (local $fd i32) (local $errno i32)
        (local.set $fd (i32.const 3))
        (loop $next
            (local.set $errno (call $path_open (local.get $fd) (i32.const 1) (local.get $at)
                (local.get $len) (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0)
                (i32.const 12)))
            (if (i32.eqz (local.get $errno)) (then (return (i32.const 0))))
            (local.set $fd (i32.add (local.get $fd) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $fd) (i32.const 8))))
        (local.get $errno))
"#;
