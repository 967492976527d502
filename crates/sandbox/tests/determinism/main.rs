//! The same program with the same task gives the same outcome, output and fuel: whoever meters it,
//! whatever is cached or warm, alone or beside others. And the same as ever: `golden.txt` has what
//! each program cost and gave when it was written (`UPDATE=1` writes it anew, for a new guest; a
//! line that is there may only change with the meter's name).
#![expect(clippy::expect_used, reason = "the shorthands that tests share are no tests by name")]
#![expect(clippy::panic, reason = "the shorthands that tests share are no tests by name")]

#[path = "../folder/mod.rs"]
mod folder;
mod guests;

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use futures_util::future::join_all;
use medusa_sandbox::{Compiled, Modules, Purpose, Report, Slots, Task, Worker};
use medusa_types::{Limits, Outcome, Sha256Hash};

use folder::Folder;
use guests::{GUESTS, module};

const GOLDEN: &str = include_str!("golden.txt");
/// The tricky guests are run by two tests at the same time.
const HALF: usize = 23;

/// A program with a task for it.
struct Case {
    name: String,
    wasm: Vec<u8>,
    task: Task,
}

/// What must not differ.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    outcome: Outcome,
    fuel: u64,
    output: Sha256Hash,
    stderr: String,
    memory_bytes: u64,
}

impl From<Report> for Seen {
    fn from(report: Report) -> Self {
        let Report { outcome, fuel, output, stderr, memory_bytes, .. } = report;
        Self { outcome, fuel, output: Sha256Hash::of(&output), stderr, memory_bytes }
    }
}

fn task(stdin: Vec<u8>) -> Task {
    Task {
        args: vec!["--n".into(), "2".into()],
        env: vec![("MEDUSA_CHUNK".into(), "7".into()), ("LANG".into(), "é".into())],
        stdin,
        files: ["z", "b", "a-long-name-of-a-file", "d/e", "B", "é"]
            .map(|name| (format!("in/{name}"), name.as_bytes().to_vec()))
            .into(),
        seed: 7,
        clock_ms: 1_700_000_000_000,
        limits: Limits {
            fuel: 40_000_000,
            memory_bytes: 16 << 20,
            output_bytes: 1 << 20,
            stderr_bytes: 4 << 10,
            wall_ms: 60_000,
        },
    }
}

fn tricky() -> Vec<Case> {
    let stdin: Vec<u8> = (0..=255).cycle().take(9_000).collect();
    let case = |(name, code): &(&str, &str)| {
        let (name, wasm) = ((*name).to_owned(), module(code));
        Case { name, wasm, task: task(stdin.clone()) }
    };
    GUESTS.iter().map(case).collect()
}

fn examples() -> Vec<Case> {
    let picture: Vec<u8> = (0..24 * 24_u32).map(|n| ((n * n) >> 3).to_le_bytes()[0]).collect();
    let mut tile = b"P5\n24 24\n255\n".to_vec();
    tile.extend(picture);
    let text = "It is a truth universally acknowledged, that a single man in possession of a good \
                fortune, must be in want of a wife.\nCHAPTER I\nHowever little known.\n";
    let text = text.repeat(8).into_bytes();
    let case = |name: &str, args: &[&str], stdin: &[u8]| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name);
        let wasm = std::fs::read(path.join(format!("{name}.wasm"))).expect("an example");
        let mut task = task(stdin.to_vec());
        task.args = args.iter().map(|arg| (*arg).to_owned()).collect();
        Case { name: format!("example-{name}"), wasm, task }
    };
    vec![
        case("cells", &["--threshold", "6", "--min-area", "4", "--brighten"], &tile),
        case("chapters", &[], &text),
        case("pi", &["--points", "1000"], b"3 4\n"),
        case("words", &["--n", "2"], &text),
    ]
}

async fn compiled(modules: &Modules, case: &Case, strict: bool) -> Compiled {
    let (program, wasm) = (Sha256Hash::of(&case.wasm), Bytes::copy_from_slice(&case.wasm));
    modules.compiled(program, strict, wasm).await.expect("it compiles")
}

/// As an agent and the server run chunks of a job: the worker stays in its slot.
async fn in_slot(slots: &Slots, modules: &Modules, case: &Case, compiled: &Compiled) -> Seen {
    let purpose =
        Purpose { job: case.name.clone(), program: compiled.program, strict: compiled.strict };
    let mut slot = slots.take(&purpose).await.expect("a slot");
    let ran = slot.run(modules, compiled, purpose, case.task.clone()).await;
    ran.expect("a report").into()
}

/// Every way to run it, by name.
async fn ways(case: &Case, strict: bool) -> Vec<(&'static str, Seen)> {
    let (one, other) = (Folder::new(), Folder::new());
    let modules = one.modules();
    let code = compiled(&modules, case, strict).await;
    let mut seen = Vec::new();

    // As `medusa replay` does.
    let mut worker = Worker::start(&modules, &code).await.expect("a worker");
    for name in ["a new worker", "the same again"] {
        seen.push((name, worker.run(case.task.clone()).await.expect("a report").into()));
    }
    worker.stop().await;

    // As the server runs a sample: on a blank worker where there is one.
    let slots = Slots::new(4);
    for name in ["the server's first", "the server's second"] {
        let mut worker = slots.worker(&modules, &code).await.expect("a worker");
        seen.push((name, worker.run(case.task.clone()).await.expect("a report").into()));
        worker.stop().await;
    }

    for name in ["a slot", "a parked worker"] {
        seen.push((name, in_slot(&slots, &modules, case, &code).await));
    }
    let four = (0..4).map(|_| in_slot(&slots, &modules, case, &code));
    seen.extend(join_all(four).await.into_iter().map(|seen| ("four at once", seen)));

    // Another process with the same cache, and one with none, which is tried once, because
    // compiling takes long.
    let warm = one.modules();
    let code = warm.find(Sha256Hash::of(&case.wasm), strict).await.expect("a cache");
    let mut worker = Worker::start(&warm, &code.expect("it is kept")).await.expect("a worker");
    seen.push(("a warm cache", worker.run(case.task.clone()).await.expect("a report").into()));
    worker.stop().await;
    if !strict {
        return seen;
    }
    let cold = other.modules();
    let code = compiled(&cold, case, strict).await;
    seen.push(("a cold cache", in_slot(&Slots::new(1), &cold, case, &code).await));
    seen
}

/// The golden lines by name: outcome, fuel and output of the strict program.
fn golden() -> BTreeMap<String, String> {
    let lines = GOLDEN.lines().filter_map(|line| line.split_once(' '));
    lines.map(|(name, rest)| (name.to_owned(), rest.to_owned())).collect()
}

fn line(seen: &Seen) -> String {
    let outcome = format!("{:?}", seen.outcome).to_lowercase();
    format!("{outcome} {} {}", seen.fuel, seen.output)
}

/// Runs each in every way; the lines for the golden file.
async fn check(cases: Vec<Case>) {
    let (known, mut lines) = (golden(), String::new());
    let mut wrong = Vec::new();
    for case in &cases {
        let (strict, lax) = (ways(case, true).await, ways(case, false).await);
        let (_, first) = strict.first().expect("a way").clone();
        let (_, mut first_lax) = lax.first().expect("a way").clone();
        for (ways, first) in [(&strict, &first), (&lax, &first_lax)] {
            for (way, seen) in ways.iter().filter(|(_, seen)| seen != first) {
                wrong.push(format!("{} on {way}: {seen:?}, not {first:?}", case.name));
            }
        }
        if case.name.starts_with("nan-") {
            first_lax.output = first.output;
        }
        if first_lax != first {
            wrong.push(format!("{}: {first_lax:?} unless it is strict, {first:?}", case.name));
        }
        // How deep a stack goes is a matter of the processor.
        if first.outcome != Outcome::StackOut {
            let found = line(&first);
            lines.push_str(&format!("{} {found}\n", case.name));
            if known.get(&case.name) != Some(&found) {
                let known = known.get(&case.name);
                wrong.push(format!("{} was {known:?} and is {found}", case.name));
            }
        }
    }
    if std::env::var_os("UPDATE").is_some() {
        update(&lines);
    } else {
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

/// Writes these lines anew and keeps the others.
fn update(lines: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/determinism/golden.txt");
    let file = std::fs::File::options().read(true).write(true).open(&path).expect("a file");
    file.lock().expect("a turn");
    let old = std::fs::read_to_string(&path).expect("the file");
    let mut all: BTreeMap<&str, &str> = old.lines().filter_map(|l| l.split_once(' ')).collect();
    all.extend(lines.lines().filter_map(|line| line.split_once(' ')));
    let text: String = all.iter().map(|(name, rest)| format!("{name} {rest}\n")).collect();
    std::fs::write(&path, text).expect("it is written");
}

#[tokio::test]
async fn every_example_is_the_same_in_every_way() {
    check(examples()).await;
}

#[tokio::test]
async fn tricky_guests_are_the_same_in_every_way() {
    let mut cases = tricky();
    assert!(cases.len() >= 40, "{}", cases.len());
    cases.truncate(HALF);
    check(cases).await;
}

#[tokio::test]
async fn more_tricky_guests_are_the_same_in_every_way() {
    check(tricky().split_off(HALF)).await;
}

#[test]
fn every_golden_line_has_its_program() {
    let cases: Vec<String> = tricky().into_iter().chain(examples()).map(|case| case.name).collect();
    for name in golden().keys() {
        assert!(cases.contains(name), "{name} is not run any more");
    }
}
