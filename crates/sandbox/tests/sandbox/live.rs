//! Live guests: programs that stay and talk in frames.

use std::time::{Duration, Instant};

use medusa_sandbox::{Live, Modules, Purpose, Slots, Task, Word, Worker};
use medusa_types::{Outcome, Sha256Hash};
use tokio::time::{sleep, timeout};

use crate::setup::{Folder, compiled, entries, modules, program, task};

/// Reads a length to 64 and the frame behind it; gives the length, or -1 at the end of input.
const FRAMES: &str = r#"
    (func $fill (param $at i32) (param $len i32) (result i32) (local $n i32)
        (loop $more (result i32)
            (if (i32.eqz (local.get $len)) (then (return (i32.const 1))))
            (i32.store (i32.const 0) (local.get $at))
            (i32.store (i32.const 4) (local.get $len))
            (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
            (local.set $n (i32.load (i32.const 8)))
            (if (i32.eqz (local.get $n)) (then (return (i32.const 0))))
            (local.set $at (i32.add (local.get $at) (local.get $n)))
            (local.set $len (i32.sub (local.get $len) (local.get $n)))
            (br $more)))
    (func $next (result i32)
        (if (i32.eqz (call $fill (i32.const 64) (i32.const 4))) (then (return (i32.const -1))))
        (drop (call $fill (i32.const 68) (i32.load (i32.const 64))))
        (i32.load (i32.const 64)))
    (func $say (param $len i32)
        (i32.store (i32.const 64) (local.get $len))
        (call $print (i32.const 64) (i32.add (local.get $len) (i32.const 4))))
"#;

const ECHO: &str = r#"(func (export "_start") (local $n i32)
    (drop (memory.grow (i32.const 400)))
    (loop $more
        (local.set $n (call $next))
        (if (i32.ge_s (local.get $n) (i32.const 0)) (then
            (call $say (local.get $n))
            (br $more)))))"#;

struct House {
    folder: Folder,
    modules: Modules,
}

impl House {
    fn new() -> Self {
        let folder = Folder::new();
        let modules = modules(&folder);
        Self { folder, modules }
    }

    async fn open(&self, body: &str, task: Task) -> Live<'static> {
        let program = compiled(&self.modules, &program(&format!("{FRAMES}{body}"))).await;
        assert!(self.folder.0.exists());
        Worker::open(&self.modules, &program, task).await.expect("a live guest")
    }
}

fn roomy() -> Task {
    let mut task = task();
    task.limits.memory_bytes = 64 << 20;
    task.limits.output_bytes = 32 << 20;
    task.limits.fuel = 1 << 40;
    task
}

async fn ended(live: &mut Live<'_>) -> (Outcome, bool) {
    let mut frame = Vec::new();
    match live.receive(&mut frame).await.expect("a word") {
        Word::Ended { report, unfinished } => (report.outcome, unfinished),
        Word::Frame { .. } => unreachable!("another frame: {} bytes", frame.len()),
    }
}

async fn answer(live: &mut Live<'_>, frame: &[u8]) -> (Vec<u8>, u64) {
    live.send(frame).await.expect("it takes it");
    let mut answer = Vec::new();
    match live.receive(&mut answer).await.expect("a word") {
        Word::Frame { fuel } => (answer, fuel),
        Word::Ended { report, .. } => unreachable!("{report:?}"),
    }
}

#[tokio::test]
async fn frames_of_all_sizes_come_back_and_cost_the_same_whenever_they_come() {
    let house = House::new();
    let sizes = [0, 1, 1_000, 8_191, 8_192, 8_193, 40_000, 65_536, 1 << 20, 17 << 20, 3, 100_000];
    let mut bills = Vec::new();
    for pause in [None, Some(Duration::from_millis(20))] {
        let mut live = house.open(ECHO, roomy()).await;
        let mut bill = Vec::new();
        for (round, size) in sizes.into_iter().enumerate() {
            let frame: Vec<u8> = (0..=255).cycle().skip(round).take(size).collect();
            if let Some(pause) = pause {
                sleep(pause).await;
            }
            let (back, fuel) = answer(&mut live, &frame).await;
            assert!(back == frame, "{size} bytes became {}", back.len());
            bill.push(fuel);
        }
        assert!(bill.is_sorted(), "{bill:?}");
        live.finish().await.expect("it hears that");
        let Word::Ended { report, unfinished } = live.receive(&mut Vec::new()).await.expect("one")
        else {
            panic!("a frame that nobody asked for")
        };
        assert_eq!((report.outcome, unfinished), (Outcome::Done, false));
        assert_eq!(entries(&report), [(String::new(), Vec::new())]);
        bill.push(report.fuel);
        bills.push(bill);
        live.receive(&mut Vec::new()).await.expect_err("that was the last word");
        live.send(&[]).await.expect_err("nobody listens");
    }
    assert_eq!(bills[0], bills[1]);
}

#[tokio::test]
async fn many_frames_on_the_way_wait_for_nobody() {
    let house = House::new();
    let mut live = house.open(ECHO, roomy()).await;
    let sizes = || (0..150).map(|round| if round % 3 == 0 { 70_000 } else { 900 });
    for (round, size) in (0..=255).zip(sizes()) {
        live.send(&vec![round; size]).await.expect("it takes it");
    }
    let mut frame = Vec::new();
    for (round, size) in (0..=255).zip(sizes()) {
        live.receive(&mut frame).await.expect("a word");
        assert!(frame == vec![round; size], "{round}");
    }
}

#[tokio::test]
async fn whoever_talks_out_of_turn_is_heard_as_it_is() {
    let house = House::new();
    let twice = r#"(func (export "_start") (drop (call $next)) (call $say (i32.const 1))
        (call $say (i32.const 2)) (call $proc_exit (i32.const 4)))"#;
    let mut live = house.open(twice, task()).await;
    assert_eq!(answer(&mut live, b"x").await.0, b"x");
    let mut frame = Vec::new();
    live.receive(&mut frame).await.expect("a second answer");
    assert_eq!(frame.len(), 2);
    assert_eq!(ended(&mut live).await, (Outcome::Exit(4), false));

    let early = r#"(func (export "_start") (call $say (i32.const 3)) unreachable)"#;
    let mut live = house.open(early, task()).await;
    live.receive(&mut frame).await.expect("a frame before any question");
    assert_eq!(ended(&mut live).await, (Outcome::Trap, false));

    let half = r#"(func (export "_start") (i32.store (i32.const 64) (i32.const 9))
        (call $print (i32.const 64) (i32.const 8)))"#;
    let mut live = house.open(half, task()).await;
    assert_eq!(ended(&mut live).await, (Outcome::Done, true));

    let long = r#"(func (export "_start") (i32.store (i32.const 64) (i32.const 2000000))
        (call $print (i32.const 64) (i32.const 8)))"#;
    let mut live = house.open(long, task()).await;
    assert_eq!(ended(&mut live).await, (Outcome::OutputOut, true));
}

/// The stream has no place to seek to, and never shows whether a frame has come.
#[tokio::test]
async fn standard_input_is_a_stream() {
    let house = House::new();
    let body = r#"(func (export "_start")
        (call $check (i32.const 1) (call $fd_seek (i32.const 0) (i64.const 0) (i32.const 0)
            (i32.const 8)) (i32.const 70))
        ;; A subscription to read from 0.
        (i32.store8 (i32.const 1008) (i32.const 1))
        (call $check (i32.const 2) (call $poll_oneoff (i32.const 1000) (i32.const 2000)
            (i32.const 1) (i32.const 8)) (i32.const 0))
        (call $check (i32.const 3) (i32.load (i32.const 2016)) (i32.const 0))
        (drop (call $next)) (call $say (i32.const 0))
        (call $check (i32.const 4) (call $next) (i32.const -1))
        (call $check (i32.const 5) (call $next) (i32.const -1)))"#;
    let mut live = house.open(body, task()).await;
    live.send(b"it came early").await.expect("it takes it");
    live.finish().await.expect("it hears that");
    assert!(matches!(live.receive(&mut Vec::new()).await, Ok(Word::Frame { .. })));
    assert_eq!(ended(&mut live).await, (Outcome::Done, false));
}

#[tokio::test]
async fn only_time_that_is_waited_for_counts() {
    let house = House::new();
    let mut short = roomy();
    short.limits.wall_ms = 600;
    let mut live = house.open(ECHO, short.clone()).await;
    for _ in 0..3 {
        sleep(Duration::from_millis(300)).await;
        assert_eq!(answer(&mut live, b"still there").await.0, b"still there");
    }
    // Nobody asked it anything, so it has nothing to say.
    let since = Instant::now();
    assert_eq!(ended(&mut live).await, (Outcome::WallOut, false));
    assert!(since.elapsed() > Duration::from_millis(200), "{:?}", since.elapsed());
    assert_eq!(live.id(), None, "it was killed");
}

#[tokio::test]
async fn fuel_ends_it_in_the_middle_of_a_round() {
    let house = House::new();
    let body = r#"(func (export "_start") (drop (call $next)) (call $say (i32.const 1))
        (loop (br 0)))"#;
    let mut live = house.open(body, task()).await;
    answer(&mut live, b"go").await;
    let Word::Ended { report, .. } = live.receive(&mut Vec::new()).await.expect("a word") else {
        panic!("it says nothing more")
    };
    assert_eq!((report.outcome, report.fuel), (Outcome::FuelOut, task().limits.fuel));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_slot_holds_it_and_a_pause_stops_it_while_nobody_waits() {
    let house = House::new();
    let (wasm, slots) = (program(&format!("{FRAMES}{ECHO}")), Slots::new(1));
    let program = compiled(&house.modules, &wasm).await;
    let purpose = Purpose { job: "a".into(), program: Sha256Hash::of(&wasm), strict: false };
    let slot = slots.take(&purpose).await.expect("a slot");
    let mut live = slot.open(&house.modules, &program, roomy()).await.expect("a live guest");
    let id = live.id().expect("it is alive");
    let state = || {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").and_then(|(_, about)| about.chars().next())
    };
    assert_eq!(answer(&mut live, b"1").await.0, b"1");
    slots.pause(true);
    sleep(Duration::from_millis(300)).await;
    assert_eq!(state(), Some('T'));
    let held = Duration::from_millis(200);
    timeout(held, answer(&mut live, b"2")).await.expect_err("it stands still");
    slots.pause(false);
    let mut frame = Vec::new();
    live.receive(&mut frame).await.expect("the answer to what was sent");
    assert_eq!(frame, b"2");
    timeout(held, slots.take(&purpose)).await.expect_err("the slot is its");
    drop(live);
    assert!(timeout(Duration::from_secs(5), slots.take(&purpose)).await.is_ok());
    sleep(held).await;
    assert_eq!(state().filter(|state| *state != 'Z'), None, "it ended with its handle");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_worker_that_dies_is_an_error_and_not_a_hang() {
    use nix::sys::signal::{Signal, kill};
    let house = House::new();
    let mut live = house.open(ECHO, roomy()).await;
    answer(&mut live, b"1").await;
    let id = live.id().and_then(|id| i32::try_from(id).ok()).expect("it is alive");
    kill(nix::unistd::Pid::from_raw(id), Signal::SIGKILL).expect("it is ours");
    let error = live.receive(&mut Vec::new()).await.expect_err("nobody is there");
    assert!(error.to_string().contains("signal"), "{error}");
}
