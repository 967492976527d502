//! What a guest sees of the host: arguments, clock, randomness, streams; and pointers at the edge.

use medusa_types::Outcome;

use crate::setup::{program, run, stdout, task};

/// Runs code that exits with the number of the first check that fails.
async fn check(data: &str, code: &str) {
    let body = format!(r#"{data} (func (export "_start") (local $a i32) (local $b i32) {code})"#);
    let report = run(&program(&body), task()).await;
    assert_eq!(report.outcome, Outcome::Done, "{}", report.stderr);
}

#[tokio::test]
async fn arguments_and_environment_are_the_tasks_alone() {
    let body = r#"(func (export "_start")
        (drop (call $args_get (i32.const 1000) (i32.const 2000)))
        (drop (call $environ_get (i32.const 1100) (i32.const 2016)))
        (call $print (i32.const 2000) (i32.const 32)))"#;
    let mut task = task();
    task.args = vec!["--n".into(), "2".into()];
    task.env = vec![("MEDUSA_CHUNK".into(), "7".into())];
    let report = run(&program(body), task).await;
    assert_eq!(stdout(&report), b"guest\0--n\x002\0\0\0\0\0MEDUSA_CHUNK=7\0\0");
}

#[tokio::test]
async fn the_clock_starts_as_told_and_steps() {
    let body = r#"(func (export "_start")
        (drop (call $clock_time_get (i32.const 0) (i64.const 1) (i32.const 64)))
        (drop (call $clock_time_get (i32.const 0) (i64.const 1) (i32.const 72)))
        (drop (call $clock_time_get (i32.const 1) (i64.const 1) (i32.const 80)))
        (call $check (i32.const 9) (i32.const 28)
            (call $clock_time_get (i32.const 4) (i64.const 1) (i32.const 80)))
        (call $print (i32.const 64) (i32.const 24)))"#;
    let report = run(&program(body), task()).await;
    let out = stdout(&report);
    let times: Vec<u64> =
        out.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
    let start = 1_700_000_000_000_000_000;
    assert_eq!(times, [start + 1_000_000, start + 2_000_000, 3_000_000]);
}

#[tokio::test]
async fn a_sleep_of_a_day_returns_at_once_and_moves_the_clock() {
    // One subscription to the monotonic clock, relative, 86,400 s.
    let body = r#"(func (export "_start")
        (i64.store (i32.const 100) (i64.const 77))
        (i32.store (i32.const 116) (i32.const 1))
        (i64.store (i32.const 124) (i64.const 86400000000000))
        (call $check (i32.const 1) (i32.const 0)
            (call $poll_oneoff (i32.const 100) (i32.const 200) (i32.const 1) (i32.const 300)))
        (call $check (i32.const 2) (i32.load (i32.const 300)) (i32.const 1))
        (call $check (i32.const 3) (i32.load (i32.const 200)) (i32.const 77))
        (drop (call $clock_time_get (i32.const 1) (i64.const 1) (i32.const 64)))
        (call $print (i32.const 64) (i32.const 8)))"#;
    let mut quick = task();
    quick.limits.wall_ms = 20_000;
    let report = run(&program(body), quick).await;
    assert_eq!(report.outcome, Outcome::Done, "{}", report.stderr);
    assert_eq!(stdout(&report), 86_400_002_000_000_u64.to_le_bytes());
}

#[tokio::test]
async fn randomness_depends_on_the_seed_alone() {
    let body = r#"(func (export "_start")
        (drop (call $random_get (i32.const 64) (i32.const 5)))
        (drop (call $random_get (i32.const 69) (i32.const 59)))
        (call $print (i32.const 64) (i32.const 64)))"#;
    let whole = r#"(func (export "_start")
        (drop (call $random_get (i32.const 64) (i32.const 64)))
        (call $print (i32.const 64) (i32.const 64)))"#;
    let first = stdout(&run(&program(body), task()).await);
    assert_eq!(first, stdout(&run(&program(body), task()).await));
    assert_eq!(first, stdout(&run(&program(whole), task()).await), "calls do not matter");
    let mut other = task();
    other.seed = 8;
    assert_ne!(first, stdout(&run(&program(body), other).await));
    check(
        "",
        "(call $check (i32.const 1) (i32.const 28)
        (call $random_get (i32.const 0) (i32.const 65537)))",
    )
    .await;
}

#[tokio::test]
async fn standard_input_can_be_read_in_any_order() {
    let body = r#"(func (export "_start")
        (call $check (i32.const 1) (i32.const 0)
            (call $fd_seek (i32.const 0) (i64.const -3) (i32.const 2) (i32.const 64)))
        (call $check (i32.const 2) (call $read (i32.const 0)) (i32.const 3))
        (call $check (i32.const 3) (call $read (i32.const 0)) (i32.const 0))
        (call $print (i32.const 4096) (i32.const 3))
        (call $check (i32.const 4) (i32.const 70)
            (call $fd_seek (i32.const 1) (i64.const 0) (i32.const 1) (i32.const 64)))
        (call $check (i32.const 5) (i32.const 28)
            (call $fd_seek (i32.const 0) (i64.const -1) (i32.const 0) (i32.const 64))))"#;
    let mut task = task();
    task.stdin = b"a chunk".to_vec();
    let report = run(&program(body), task).await;
    assert_eq!((report.outcome, stdout(&report)), (Outcome::Done, b"unk".to_vec()));
}

#[tokio::test]
async fn pointers_outside_memory_are_the_guests_fault() {
    // Memory ends at 65536. A piece or a target may touch its end and not pass it.
    check("", r#"
        (call $check (i32.const 1) (i32.const 21) (call $random_get (i32.const 65530) (i32.const 7)))
        (call $check (i32.const 2) (i32.const 0) (call $random_get (i32.const 65530) (i32.const 6)))
        (call $check (i32.const 3) (i32.const 21) (call $random_get (i32.const -1) (i32.const 1)))
        (call $check (i32.const 4) (i32.const 21) (call $random_get (i32.const -4) (i32.const 8)))
        ;; The list of pieces itself is outside.
        (call $check (i32.const 5) (i32.const 21)
            (call $fd_write (i32.const 1) (i32.const 65532) (i32.const 1) (i32.const 64)))
        (call $check (i32.const 6) (i32.const 21)
            (call $fd_write (i32.const 1) (i32.const -8) (i32.const 1) (i32.const 64)))
        ;; A piece is outside, by its place, its length, and both.
        (i32.store (i32.const 0) (i32.const 65535)) (i32.store (i32.const 4) (i32.const 2))
        (call $check (i32.const 7) (i32.const 21)
            (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 64)))
        (i32.store (i32.const 0) (i32.const -1)) (i32.store (i32.const 4) (i32.const -1))
        (call $check (i32.const 8) (i32.const 21)
            (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 64)))
        ;; The place for the count is outside.
        (i32.store (i32.const 0) (i32.const 100)) (i32.store (i32.const 4) (i32.const 4))
        (call $check (i32.const 9) (i32.const 21)
            (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 65533)))
        (call $check (i32.const 10) (i32.const 21)
            (call $path_open (i32.const 3) (i32.const 0) (i32.const 65530) (i32.const 10)
                (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 64)))
        (call $check (i32.const 11) (i32.const 21)
            (call $fd_readdir (i32.const 3) (i32.const 65000) (i32.const 1000) (i64.const 0)
                (i32.const 64)))
        (call $check (i32.const 12) (i32.const 21)
            (call $clock_time_get (i32.const 0) (i64.const 0) (i32.const 65529)))
        (call $check (i32.const 13) (i32.const 21)
            (call $poll_oneoff (i32.const 0) (i32.const 65520) (i32.const 1) (i32.const 64)))
        (call $check (i32.const 14) (i32.const 28)
            (call $poll_oneoff (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 64)))
        (call $check (i32.const 15) (i32.const 28)
            (call $fd_write (i32.const 1) (i32.const 0) (i32.const -1) (i32.const 64)))
        (call $check (i32.const 16) (i32.const 21)
            (call $args_sizes_get (i32.const 65533) (i32.const 64)))"#)
    .await;
}

#[tokio::test]
async fn nothing_of_no_length_faults() {
    check(
        "",
        r#"
        (call $check (i32.const 1) (i32.const 0) (call $random_get (i32.const -1) (i32.const 0)))
        (call $check (i32.const 2) (i32.const 0)
            (call $fd_write (i32.const 1) (i32.const -1) (i32.const 0) (i32.const 64)))
        (call $check (i32.const 3) (i32.const 0)
            (call $fd_read (i32.const 0) (i32.const 65536) (i32.const 0) (i32.const 64)))
        (i32.store (i32.const 0) (i32.const -1)) (i32.store (i32.const 4) (i32.const 0))
        (call $check (i32.const 4) (i32.const 0)
            (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 64)))
        (call $check (i32.const 5) (i32.const 28)
            (call $poll_oneoff (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64)))
        (call $check (i32.const 6) (i32.const 44)
            (call $path_unlink_file (i32.const 5) (i32.const 0) (i32.const 0)))"#,
    )
    .await;
}

#[tokio::test]
async fn descriptors_that_are_not_open_are_told() {
    check("", r#"
        (call $check (i32.const 1) (i32.const 8)
            (call $fd_read (i32.const 99) (i32.const 0) (i32.const 0) (i32.const 64)))
        (call $check (i32.const 2) (i32.const 8) (call $fd_close (i32.const -1)))
        (call $check (i32.const 3) (i32.const 0) (call $fd_close (i32.const 1)))
        (call $check (i32.const 4) (i32.const 8)
            (call $fd_write (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 64)))
        (call $check (i32.const 5) (i32.const 8)
            (call $fd_write (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64)))
        (call $check (i32.const 6) (i32.const 8)
            (call $fd_prestat_dir_name (i32.const 7) (i32.const 0) (i32.const 9)))
        (call $check (i32.const 7) (i32.const 58) (call $sock_shutdown (i32.const 3) (i32.const 0)))"#)
    .await;
}

#[tokio::test]
async fn a_program_without_memory_cannot_be_harmed_by_the_host() {
    let wasm = wat::parse_str(
        r#"(module
            (import "wasi_snapshot_preview1" "random_get"
                (func $random_get (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (func (export "_start") (call $exit (call $random_get (i32.const 0) (i32.const 1)))))"#,
    );
    assert_eq!(run(&wasm.expect("a module"), task()).await.outcome, Outcome::Exit(21));
}
