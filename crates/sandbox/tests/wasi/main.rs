//! The host as programs in C see it, function by function of WASI preview 1.
//!
//! The cases are our own, after the names and descriptions of the published test programs
//! (`wasi-testsuite`, preview 1, in C, Rust and AssemblyScript), which no package registry has.
//! What this host refuses on purpose is expected as a refusal, with its number (`refusals.c`). All
//! cases are one module, made by the compiler that makes the examples; the first argument chooses.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "the shorthands that tests share are no tests by name"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use medusa_sandbox::{Modules, Task, Worker};
use medusa_types::{Limits, Outcome, Sha256Hash};

const CASES: &str = include_str!("cases.def");
const SOURCES: [&str; 5] = ["main.c", "process.c", "files.c", "paths.c", "refusals.c"];

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).expect("the folder is ours");
    }
}

/// Names, and the status that each exits with.
fn cases() -> Vec<(&'static str, i32)> {
    let lines = CASES.lines().filter_map(|line| line.strip_prefix("CASE(")?.strip_suffix(')'));
    let parts = lines.map(|line| line.split(", ").collect::<Vec<_>>());
    parts.map(|parts| (parts[1].trim_matches('"'), parts[2].parse().expect("a status"))).collect()
}

/// The module. Nothing, said loudly, where there is no compiler: only in CI that is a failure.
fn built(folder: &Path) -> Option<Vec<u8>> {
    let wasm = folder.join("cases.wasm");
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wasi");
    let mut clang = Command::new("clang-14");
    clang.args(["--target=wasm32-wasi", "-O1", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&wasm);
    let built = clang.args(SOURCES).current_dir(sources).output();
    match built {
        Ok(built) => {
            assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
            Some(std::fs::read(&wasm).expect("it was built"))
        }
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "CI needs clang-14: {error}");
            eprintln!("LEFT OUT: there is no clang-14 on this machine ({error})");
            None
        }
    }
}

fn task(name: &str) -> Task {
    let is_about_arguments = name.starts_with("args");
    let mut args = vec![name.to_owned()];
    if is_about_arguments {
        args.extend(["first".to_owned(), "the \"second\" one".to_owned()]);
    }
    Task {
        args,
        env: vec![("a".into(), "text".into()), ("b".into(), "escap \" ing".into())],
        stdin: b"input".to_vec(),
        files: vec![
            ("in/file".into(), b"hello".to_vec()),
            ("in/dir/nested".into(), b"nested".to_vec()),
        ],
        seed: 7,
        clock_ms: 1_700_000_000_000,
        limits: Limits {
            fuel: 1_000_000_000,
            memory_bytes: 16 << 20,
            output_bytes: 1 << 20,
            stderr_bytes: 4 << 10,
            wall_ms: 60_000,
        },
    }
}

#[tokio::test]
async fn the_host_is_what_programs_expect_and_no_more() {
    let folder = Folder(std::env::temp_dir().join(format!("medusa-wasi-{}", std::process::id())));
    std::fs::create_dir_all(&folder.0).expect("a folder");
    let Some(wasm) = built(&folder.0) else { return };
    let exe = env!("CARGO_BIN_EXE_medusa-sandbox-worker");
    let modules = Modules::new(folder.0.join("code"), exe.into(), Vec::new());
    let program = Sha256Hash::of(&wasm);
    let compiled = modules.compiled(program, false, wasm.into()).await.expect("it compiles");
    let mut worker = Worker::start(&modules, &compiled).await.expect("a worker");
    let (cases, mut wrong) = (cases(), Vec::new());
    assert!(cases.len() >= 60, "{}", cases.len());
    for (name, status) in cases {
        let report = worker.run(task(name)).await.expect("a report");
        let wanted = if status == 0 { Outcome::Done } else { Outcome::Exit(status) };
        if report.outcome != wanted {
            wrong.push(format!("{name}: {:?}: {}", report.outcome, report.stderr.trim_end()));
        }
    }
    worker.stop().await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
