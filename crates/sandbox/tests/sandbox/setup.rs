//! A cache folder of its own for each test, and shorthands to run a module once.

use bytes::Bytes;
use medusa_sandbox::{Compiled, Modules, Report, Task, Worker};
use medusa_types::{Bundle, Limits, Sha256Hash};

pub(crate) use crate::folder::Folder;

pub(crate) fn modules(folder: &Folder) -> Modules {
    folder.modules()
}

pub(crate) fn task() -> Task {
    let limits = Limits {
        fuel: 100_000_000,
        memory_bytes: 16 << 20,
        output_bytes: 1 << 20,
        stderr_bytes: 4 << 10,
        wall_ms: 60_000,
    };
    Task { seed: 7, clock_ms: 1_700_000_000_000, ..Task::empty(limits) }
}

/// A module with the whole host imported, one page of memory and this body.
///
/// `$print` writes memory to standard output, `$check` exits with the line of the first check
/// that fails.
pub(crate) fn program(body: &str) -> Vec<u8> {
    let text = format!("(module {IMPORTS} (memory (export \"memory\") 1) {TOOLS} {body})");
    wat::parse_str(text).expect("a module")
}

const IMPORTS: &str = r#"
    (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "args_sizes_get"
        (func $args_sizes_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_get"
        (func $environ_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "clock_time_get"
        (func $clock_time_get (param i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "poll_oneoff"
        (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
    (import "wasi_snapshot_preview1" "fd_read"
        (func $fd_read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write"
        (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_seek" (func $fd_seek (param i32 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_readdir"
        (func $fd_readdir (param i32 i32 i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_prestat_dir_name"
        (func $fd_prestat_dir_name (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_open"
        (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_unlink_file"
        (func $path_unlink_file (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_filestat_get"
        (func $path_filestat_get (param i32 i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "sock_shutdown"
        (func $sock_shutdown (param i32 i32) (result i32)))
"#;

const TOOLS: &str = r"
    ;; Writes memory to a descriptor; uses the bytes from 0 to 16.
    (func $write (param $fd i32) (param $at i32) (param $len i32)
        (i32.store (i32.const 0) (local.get $at))
        (i32.store (i32.const 4) (local.get $len))
        (drop (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))))
    (func $print (param $at i32) (param $len i32)
        (call $write (i32.const 1) (local.get $at) (local.get $len)))
    ;; Reads up to 4096 bytes to 4096 and gives their number; uses the bytes from 0 to 16.
    (func $read (param $fd i32) (result i32)
        (i32.store (i32.const 0) (i32.const 4096))
        (i32.store (i32.const 4) (i32.const 4096))
        (drop (call $fd_read (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)))
        (i32.load (i32.const 8)))
    ;; Opens the path in memory with these flags and rights; exits with the error number.
    (func $open (param $dir i32) (param $at i32) (param $len i32) (param $how i32)
        (param $rights i64) (result i32)
        (local $errno i32)
        (local.set $errno (call $path_open (local.get $dir) (i32.const 0) (local.get $at)
            (local.get $len) (local.get $how) (local.get $rights) (i64.const 0) (i32.const 0)
            (i32.const 12)))
        (if (local.get $errno) (then (call $proc_exit (local.get $errno))))
        (i32.load (i32.const 12)))
    ;; Exits with the first number unless the others are equal.
    (func $check (param $line i32) (param $found i32) (param $wanted i32)
        (if (i32.ne (local.get $found) (local.get $wanted))
            (then (call $proc_exit (local.get $line)))))
";

/// The module, compiled in a folder.
pub(crate) async fn compiled(modules: &Modules, wasm: &[u8]) -> Compiled {
    let (program, wasm) = (Sha256Hash::of(wasm), Bytes::copy_from_slice(wasm));
    modules.compiled(program, false, wasm).await.expect("it compiles")
}

/// A worker for this program.
pub(crate) async fn worker(modules: &Modules, wasm: &[u8]) -> Worker {
    Worker::start(modules, &compiled(modules, wasm).await).await.expect("a worker")
}

/// Runs a module once, in a folder and a process of its own.
pub(crate) async fn run(wasm: &[u8], task: Task) -> Report {
    let folder = Folder::new();
    let modules = modules(&folder);
    let mut worker = worker(&modules, wasm).await;
    let report = worker.run(task).await.expect("a report");
    worker.stop().await;
    report
}

/// What a run left, by name; standard output has the empty one.
pub(crate) fn entries(report: &Report) -> Vec<(String, Vec<u8>)> {
    let bundle = Bundle::decode(&report.output).expect("a bundle");
    bundle.iter().map(|(name, content)| (name.to_owned(), content.to_vec())).collect()
}

pub(crate) fn stdout(report: &Report) -> Vec<u8> {
    Bundle::decode(&report.output).expect("a bundle").stdout().to_vec()
}
