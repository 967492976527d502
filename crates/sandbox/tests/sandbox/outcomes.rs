//! Every way in which a run can end, and that it ends the same way each time.

use medusa_types::{Outcome, STDERR_CUT, Sha256Hash};

use crate::setup::{Folder, compiled, entries, modules, program, run, stdout, task, worker};

const ECHO: &str = r#"
    (func (export "_start") (local $n i32)
        (loop $more
            (local.set $n (call $read (i32.const 0)))
            (if (local.get $n) (then
                (call $print (i32.const 4096) (local.get $n))
                (br $more)))))
"#;

#[tokio::test]
async fn a_filter_gives_its_input_back() {
    let mut task = task();
    task.stdin = (0..=255).cycle().take(10_000).collect();
    let report = run(&program(ECHO), task.clone()).await;
    assert_eq!(report.outcome, Outcome::Done);
    assert_eq!(stdout(&report), task.stdin);
    assert!(report.fuel > 8_000 && report.fuel < 100_000, "{}", report.fuel);
    assert_eq!(report.memory_bytes, 65_536);
}

#[tokio::test]
async fn runs_are_equal_whatever_is_warm() {
    let mut task = task();
    task.stdin = vec![b'x'; 9_000];
    let wasm = program(ECHO);
    let (cold, warm) = (Folder::new(), Folder::new());
    let mut seen = Vec::new();
    for folder in [&cold, &warm] {
        let modules = modules(folder);
        for _ in 0..2 {
            let mut worker = worker(&modules, &wasm).await;
            for _ in 0..2 {
                let report = worker.run(task.clone()).await.expect("a report");
                seen.push((report.outcome, report.fuel, Sha256Hash::of(&report.output)));
            }
            worker.stop().await;
        }
    }
    assert_eq!(seen.len(), 8);
    assert!(seen.iter().all(|one| *one == seen[0]), "{seen:?}");
}

/// The bill is part of the meter's promise: the same for every build of this crate.
#[tokio::test]
async fn the_bill_of_a_known_program_never_changes() {
    let mut task = task();
    task.stdin = vec![b'x'; 5_000];
    let report = run(&program(ECHO), task).await;
    // Three reads and two writes, each byte in and out, 8 function entries and 92 instructions.
    assert_eq!(report.fuel, 5 * 1_000 + (4 + 1) * 2 * 1_024 + 8 + 92);
}

#[tokio::test]
async fn an_endless_loop_uses_exactly_its_fuel() {
    let report = run(&program(r#"(func (export "_start") (loop (br 0)))"#), task()).await;
    assert_eq!((report.outcome, report.fuel), (Outcome::FuelOut, task().limits.fuel));
    assert!(report.output.is_empty());
}

#[tokio::test]
async fn host_calls_use_fuel_too() {
    let body = r#"(func (export "_start")
        (loop (drop (call $random_get (i32.const 4096) (i32.const 32))) (br 0)))"#;
    let report = run(&program(body), task()).await;
    assert_eq!((report.outcome, report.fuel), (Outcome::FuelOut, task().limits.fuel));
}

#[tokio::test]
async fn exit_statuses_are_told() {
    let body = r#"(func (export "_start") (call $print (i32.const 0) (i32.const 4))
        (call $proc_exit (i32.const 3)))"#;
    let report = run(&program(body), task()).await;
    assert_eq!(report.outcome, Outcome::Exit(3));
    assert_eq!(stdout(&report).len(), 4, "what it wrote is kept");
    let body = r#"(func (export "_start") (call $proc_exit (i32.const 0)) unreachable)"#;
    assert_eq!(run(&program(body), task()).await.outcome, Outcome::Done);
    let body = r#"(func (export "_start") (call $proc_exit (i32.const -1)))"#;
    assert_eq!(run(&program(body), task()).await.outcome, Outcome::Exit(-1));
}

#[tokio::test]
async fn traps_are_told_with_their_reason() {
    let cases = [
        ("unreachable", "unreachable"),
        ("(drop (i32.div_s (i32.const 1) (i32.const 0)))", "divide by zero"),
        ("(drop (i32.load (i32.const 65534)))", "out of bounds memory"),
    ];
    for (code, reason) in cases {
        let body = format!(
            r#"(data (i32.const 100) "last words")
            (func (export "_start") (call $write (i32.const 2) (i32.const 100) (i32.const 10)) {code})"#
        );
        let report = run(&program(&body), task()).await;
        assert_eq!(report.outcome, Outcome::Trap);
        let (words, why) = report.stderr.split_once('\n').expect("two lines");
        assert_eq!(words, "last words");
        assert!(why.contains(reason), "{why:?}");
        assert!(report.output.is_empty());
    }
}

#[tokio::test]
async fn a_stack_overflow_is_no_verdict() {
    let body = r#"(func $deeper (export "_start") (call $deeper) (call $deeper))"#;
    let report = run(&program(body), task()).await;
    assert_eq!(report.outcome, Outcome::StackOut);
    assert!(!report.outcome.is_verdict());
}

#[tokio::test]
async fn a_refused_growth_is_told_only_when_the_program_gives_up() {
    let eater = |end: &str| {
        format!(
            r#"(func (export "_start")
                (loop (br_if 0 (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) {end})"#
        )
    };
    let gave_up = run(&program(&eater("unreachable")), task()).await;
    assert_eq!(gave_up.outcome, Outcome::MemoryOut);
    assert_eq!(gave_up.memory_bytes, 65_536 * (1 + 15 * 16));
    let gave_up = run(&program(&eater("(call $proc_exit (i32.const 1))")), task()).await;
    assert_eq!(gave_up.outcome, Outcome::MemoryOut);
    let coped = run(&program(&eater("")), task()).await;
    assert_eq!(coped.outcome, Outcome::Done);
    assert!(coped.fuel > 15 * 16 * 255, "growth is charged by the page");
}

#[tokio::test]
async fn a_refused_table_is_told_only_when_the_program_gives_up() {
    let eater = |table: &str, end: &str| {
        format!(
            r#"(table $t {table} funcref) (func (export "_start")
                (loop (br_if 0 (i32.ne (table.grow $t (ref.null func) (i32.const 25000))
                    (i32.const -1)))) {end})"#
        )
    };
    for end in ["unreachable", "(call $proc_exit (i32.const 1))"] {
        let report = run(&program(&eater("0", end)), task()).await;
        assert_eq!(report.outcome, Outcome::TableOut, "{end}: {}", report.stderr);
        assert!(report.outcome.is_verdict() && report.output.is_empty());
    }
    assert_eq!(run(&program(&eater("0", "")), task()).await.outcome, Outcome::Done);
    let own = run(&program(&eater("0 60000", "unreachable")), task()).await;
    assert_eq!(own.outcome, Outcome::Trap, "the limit was its own");
    let both = "(drop (memory.grow (i32.const 65535))) unreachable";
    let report = run(&program(&eater("0", both)), task()).await;
    assert_eq!(report.outcome, Outcome::MemoryOut, "of two, always the same one");
}

#[tokio::test]
async fn too_many_files_end_the_run_and_too_many_open_ones_are_told_first() {
    // "aaaa", "aaab" and so on in `/out`: so many, kept open or not.
    let files = |count: u32, close: &str, end: &str| {
        format!(
            r#"(func (export "_start") (local $i i32) (loop
                (i32.store (i32.const 64) (i32.add (i32.const 0x61616161)
                    (i32.add (i32.and (local.get $i) (i32.const 15))
                    (i32.add (i32.shl (i32.and (local.get $i) (i32.const 0xf0)) (i32.const 4))
                    (i32.shl (i32.and (local.get $i) (i32.const 0xff00)) (i32.const 8))))))
                (br_if 1 (call $path_open (i32.const 5) (i32.const 0) (i32.const 64) (i32.const 4)
                    (i32.const 1) (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 12)))
                {close}
                (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
                    (i32.const {count})))) {end})"#
        )
    };
    let mut rich = task();
    rich.limits.fuel = 1 << 40;
    let close = "(drop (call $fd_close (i32.load (i32.const 12))))";
    let report = run(&program(&files(4_096, close, "")), rich.clone()).await;
    assert_eq!((report.outcome, entries(&report).len()), (Outcome::Done, 4_097));
    let report = run(&program(&files(4_097, close, "")), rich.clone()).await;
    assert_eq!(report.outcome, Outcome::FilesOut, "{}", report.stderr);
    assert!(report.output.is_empty() && report.stderr.contains("limit of files"));

    let coped = run(&program(&files(1_000, "", "unreachable")), rich.clone()).await;
    assert_eq!((coped.outcome, entries(&coped).len()), (Outcome::Done, 512 - 7 + 1));
    let gives_up = files(1_000, "", "").replace("(br_if 1 ", "(call $exit ");
    let body = format!(
        "(func $exit (param i32) (if (local.get 0) (then (call $proc_exit (local.get 0))))) \
         {gives_up}"
    );
    let report = run(&program(&body), rich).await;
    assert_eq!(report.outcome, Outcome::FilesOut, "{}", report.stderr);
    assert!(report.stderr.contains("open file"));
}

#[tokio::test]
async fn a_program_larger_than_its_memory_does_not_start() {
    let wasm = wat::parse_str(r#"(module (memory 1000) (func (export "_start")))"#);
    let report = run(&wasm.expect("a module"), task()).await;
    assert_eq!((report.outcome, report.fuel), (Outcome::MemoryOut, 0));
}

#[tokio::test]
async fn a_flood_of_output_is_stopped() {
    let body = r#"(func (export "_start")
        (loop (call $print (i32.const 0) (i32.const 60000)) (br 0)))"#;
    let report = run(&program(body), task()).await;
    assert_eq!(report.outcome, Outcome::OutputOut);
    assert!(report.output.is_empty());
    assert!(report.fuel < task().limits.fuel);
}

#[tokio::test]
async fn exactly_the_limit_of_output_is_allowed() {
    let body = r#"(func (export "_start") (call $print (i32.const 0) (i32.const 60000)))"#;
    let mut exact = task();
    exact.limits.output_bytes = 60_000;
    let report = run(&program(body), exact.clone()).await;
    assert_eq!((report.outcome, stdout(&report).len()), (Outcome::Done, 60_000));
    exact.limits.output_bytes = 59_999;
    assert_eq!(run(&program(body), exact).await.outcome, Outcome::OutputOut);
}

#[tokio::test]
async fn standard_error_keeps_its_end_without_control_characters() {
    let body = r#"
        (data (i32.const 64) "first\nmiddle\n\1b[31mlast\r\n")
        (func (export "_start") (call $write (i32.const 2) (i32.const 64) (i32.const 24)))"#;
    let mut short = task();
    short.limits.stderr_bytes = 11;
    let report = run(&program(body), short).await;
    assert_eq!(report.stderr, format!("{STDERR_CUT}\u{fffd}[31mlast\n"));
    assert_eq!(entries(&report), [(String::new(), Vec::new())]);
}

#[tokio::test]
async fn past_the_wall_limit_the_worker_is_killed_and_the_next_one_works() {
    let folder = Folder::new();
    let modules = modules(&folder);
    let wasm = program(r#"(func (export "_start") (loop (br 0)))"#);
    let mut hanging = worker(&modules, &wasm).await;
    let mut endless = task();
    endless.limits.fuel = u64::MAX;
    endless.limits.wall_ms = 200;
    let report = hanging.run(endless).await.expect("a report");
    assert_eq!((report.outcome, report.fuel), (Outcome::WallOut, 0));
    assert!(!hanging.is_alive());
    hanging.run(task()).await.expect_err("its process is gone");
    let mut next = worker(&modules, &wasm).await;
    assert_eq!(next.run(task()).await.expect("a report").outcome, Outcome::FuelOut);
    assert!(next.is_alive());
}

#[tokio::test]
async fn a_run_that_was_given_up_spoils_its_worker() {
    let folder = Folder::new();
    let modules = modules(&folder);
    let mut worker = worker(&modules, &program(r#"(func (export "_start") (loop (br 0)))"#)).await;
    let mut endless = task();
    endless.limits.fuel = u64::MAX;
    {
        let run = worker.run(endless);
        tokio::time::timeout(std::time::Duration::from_millis(50), run)
            .await
            .expect_err("it runs for ever");
    }
    assert!(!worker.is_alive(), "its next answer would be the one that nobody waited for");
    worker.stop().await;
}

#[tokio::test]
async fn each_run_starts_afresh() {
    let folder = Folder::new();
    let modules = modules(&folder);
    let body = r#"
        (global $runs (mut i32) (i32.const 0))
        (func (export "_start")
            (global.set $runs (i32.add (global.get $runs) (i32.const 1)))
            (i32.store (i32.const 64) (i32.add (i32.load (i32.const 64)) (global.get $runs)))
            (drop (memory.grow (i32.const 1)))
            (call $print (i32.const 64) (i32.const 4)))"#;
    let mut worker = worker(&modules, &program(body)).await;
    for _ in 0..3 {
        let report = worker.run(task()).await.expect("a report");
        assert_eq!(stdout(&report), [1, 0, 0, 0]);
        assert_eq!(report.memory_bytes, 2 * 65_536);
    }
}

#[tokio::test]
async fn strict_runs_give_every_nan_the_same_bits() {
    // Zero by zero is a NaN with the sign bit on x86-64, and without it in strict runs.
    let body = r#"
        (func (export "_start")
            (f32.store (i32.const 64) (f32.div (f32.load (i32.const 68)) (f32.load (i32.const 68))))
            (call $print (i32.const 64) (i32.const 4)))"#;
    let wasm = program(body);
    let folder = Folder::new();
    let modules = modules(&folder);
    let lax = compiled(&modules, &wasm).await;
    let strict = modules
        .compiled(Sha256Hash::of(&wasm), true, wasm.clone().into())
        .await
        .expect("it compiles");
    assert_ne!(lax, strict);
    let mut worker = medusa_sandbox::Worker::start(&modules, &strict).await.expect("a worker");
    let report = worker.run(task()).await.expect("a report");
    assert_eq!(stdout(&report), 0x7fc0_0000_u32.to_le_bytes());
}
