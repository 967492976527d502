//! Programs that others built, as they are: a medical imaging pipeline, a renderer, a speaking
//! voice and an interpreter. Each runs twice, in processes of their own, and must agree in every
//! bit and in fuel.
//!
//! `modules.txt` names them and pins their digests; `fetch.py` beside it has pip and npm bring what
//! is missing, which `./dev test` does while it builds. What cannot be had fails the tests. The
//! modules are kept outside the source tree; what was compiled of them, until the worker changes.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "the shorthands that tests share are no tests by name"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use medusa_sandbox::{Modules, Report, Task, Worker};
use medusa_types::{Bundle, Limits, Outcome, Sha256Hash};

/// A line for each module: its SHA-256, the client and package that have it, its path there.
const MODULES: &str = include_str!("modules.txt");

const DRAWING: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" width="160" height="120">
    <rect width="160" height="120" fill="#246"/>
    <circle cx="60" cy="60" r="36" fill="none" stroke="#fff" stroke-width="5"/></svg>"##;

/// The folder of the fetched modules; what is missing there is fetched first.
fn fetched() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs/fetch.py");
    let output = Command::new("python3").arg(script).output().expect("python3 fetches programs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the programs could not be fetched: {said}");
    PathBuf::from(String::from_utf8(output.stdout).expect("a path").trim_end())
}

/// The pinned digest of the module with this file name.
fn digest(name: &str) -> Sha256Hash {
    let is_wanted = |line: &&str| line.rsplit('/').next() == Some(name);
    let line = MODULES.lines().find(is_wanted).expect("modules.txt names it");
    line.split(' ').next().expect("a digest").parse().expect("a digest")
}

/// Where this worker keeps what it compiled. Another one starts anew, so that no old code hides
/// what a change of it broke.
fn compiled_by(worker: &str) -> PathBuf {
    let digest = Sha256Hash::of(&std::fs::read(worker).expect("the worker")).to_string();
    let all = Path::new(env!("CARGO_TARGET_TMPDIR")).join("programs");
    for old in std::fs::read_dir(&all).into_iter().flatten().flatten() {
        if old.file_name().to_str() != Some(&digest) {
            std::fs::remove_dir_all(old.path()).ok();
        }
    }
    all.join(digest)
}

/// A program with what it is told and what it finds in `/job`.
struct Job<'a> {
    module: &'a str,
    args: &'a [&'a str],
    env: &'a [(&'a str, &'a str)],
    files: Vec<(&'a str, Vec<u8>)>,
}

/// Runs it twice, and compares.
async fn run(job: Job<'_>) -> Report {
    let (folder, program) = (fetched(), digest(job.module));
    let wasm = std::fs::read(folder.join(format!("{program}.wasm"))).expect("it was fetched");
    let exe = env!("CARGO_BIN_EXE_medusa-sandbox-worker");
    let modules = Modules::new(compiled_by(exe), exe.into(), Vec::new());
    let compiled = modules.compiled(program, false, wasm.into()).await.expect("it compiles");
    let text = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let task = Task {
        args: job.args.iter().map(|arg| (*arg).to_owned()).collect(),
        env: job.env.iter().map(text).collect(),
        stdin: Vec::new(),
        files: job.files.iter().map(|(path, body)| ((*path).to_owned(), body.clone())).collect(),
        seed: 7,
        clock_ms: 1_700_000_000_000,
        limits: Limits {
            fuel: 1_000_000_000_000,
            memory_bytes: 512 << 20,
            output_bytes: 64 << 20,
            stderr_bytes: 16 << 10,
            wall_ms: 120_000,
        },
    };
    let mut reports = Vec::new();
    for _ in 0..2 {
        let mut worker = Worker::start(&modules, &compiled).await.expect("a worker");
        reports.push(worker.run(task.clone()).await.expect("a report"));
        worker.stop().await;
    }
    let (first, second) = (reports.remove(0), reports.remove(0));
    assert_eq!(first.outcome, Outcome::Done, "{}: {}", job.module, first.stderr);
    assert_eq!(Sha256Hash::of(&first.output), Sha256Hash::of(&second.output), "{}", job.module);
    assert_eq!(first.fuel, second.fuel, "{}", job.module);
    let digest = Sha256Hash::of(&first.output).to_string();
    let mib = first.memory_bytes >> 20;
    println!("{}: fuel {}, {mib} MiB, output {digest}", job.module, first.fuel);
    first
}

fn file(report: &Report, name: &str) -> Vec<u8> {
    let bundle = Bundle::decode(&report.output).expect("a bundle");
    let found = bundle.iter().find(|(found, _)| *found == name);
    found.unwrap_or_else(|| panic!("{name} was not written")).1.to_vec()
}

/// Width and height of a PNG picture.
fn png_size(png: &[u8]) -> [u32; 2] {
    assert!(png.starts_with(b"\x89PNG"));
    [16, 20].map(|at| u32::from_be_bytes(png[at..at + 4].try_into().expect("four bytes")))
}

#[tokio::test]
async fn itk_reads_halves_and_writes_a_microscope_picture() {
    let cells = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/cells/cells.png");
    let read = run(Job {
        module: "png-read-image.wasi.wasm",
        args: &["/job/cells.png", "/job/ok.json", "/job/cells.iwi.cbor"],
        env: &[],
        files: vec![("in/cells.png", std::fs::read(cells).expect("the picture"))],
    });
    let read = read.await;
    assert_eq!(file(&read, "ok.json"), b"true\n");
    let halved = run(Job {
        module: "downsample.wasi.wasm",
        args: &["/job/cells.iwi.cbor", "/job/small.iwi.cbor", "--shrink-factors", "2", "2"],
        env: &[],
        files: vec![("in/cells.iwi.cbor", file(&read, "cells.iwi.cbor"))],
    });
    let halved = halved.await;
    let written = run(Job {
        module: "png-write-image.wasi.wasm",
        args: &["/job/small.iwi.cbor", "/job/ok.json", "/job/small.png"],
        env: &[],
        files: vec![("in/small.iwi.cbor", file(&halved, "small.iwi.cbor"))],
    });
    assert_eq!(png_size(&file(&written.await, "small.png")), [256, 256]);
}

#[tokio::test]
async fn resvg_draws() {
    let drawn = run(Job {
        module: "resvg.wasm",
        args: &["/job/shapes.svg", "/job/shapes.png"],
        env: &[],
        files: vec![("in/shapes.svg", DRAWING.into())],
    });
    assert_eq!(png_size(&file(&drawn.await, "shapes.png")), [160, 120]);
}

#[tokio::test]
async fn flite_speaks() {
    let spoken = run(Job {
        module: "flite.wasm",
        args: &["-f", "/job/said.txt", "-o", "/job/said.wav"],
        env: &[],
        files: vec![("in/said.txt", b"Every result is checked.".to_vec())],
    });
    let wav = file(&spoken.await, "said.wav");
    assert!(wav.starts_with(b"RIFF") && wav.len() > 20_000, "{} bytes", wav.len());
}

const PYTHON_ENV: &[(&str, &str)] =
    &[("PYTHONHASHSEED", "0"), ("PYTHONDONTWRITEBYTECODE", "1"), ("PYTHONUTF8", "1")];

/// The example in Python with a small picture: its fuel and output, which never change.
async fn example_in_python() -> (u64, String) {
    let script = "import io, runpy, sys\nsys.stdin = io.TextIOWrapper(open('/job/tile.pgm', 'rb'))\n\
                  runpy.run_path('/job/cells.py', run_name='__main__')\n";
    let cells = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/python-tiles/cells.py");
    let picture: Vec<u8> = (0..24 * 24_u32).map(|n| ((n * n) >> 3).to_le_bytes()[0]).collect();
    let ran = run(Job {
        module: "python-3.12.0.wasm",
        args: &["/job/main.py", "--threshold", "8", "--min-area", "4"],
        env: PYTHON_ENV,
        files: vec![
            ("job/main.py", script.into()),
            ("job/cells.py", std::fs::read(cells).expect("the example")),
            ("in/tile.pgm", [b"P5\n24 24\n255\n", picture.as_slice()].concat()),
        ],
    });
    let ran = ran.await;
    (ran.fuel, Sha256Hash::of(&ran.output).to_string())
}

#[tokio::test]
async fn python_computes() {
    let script = "import json, zlib\nprint(json.dumps({'crc': zlib.crc32(b'medusa'), 'sets': \
                  list(set('quick brown fox jumps'.split()))}))\n";
    let ran = run(Job {
        module: "python-3.12.0.wasm",
        args: &["/job/main.py"],
        env: PYTHON_ENV,
        files: vec![("job/main.py", script.into())],
    });
    let said = String::from_utf8(file(&ran.await, "")).expect("text");
    assert!(said.contains("\"crc\": 2359555086"), "{said}");

    let known = (982_155_394, "95d2983afc2d50d95af8ab222c9110984dd6079bdcba4cfd05ed706b911873db");
    let (fuel, output) = example_in_python().await;
    assert_eq!((fuel, output.as_str()), known);
}
