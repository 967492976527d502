//! Workers whose parent ends without a word.
#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader, Write};
use std::mem::ManuallyDrop;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use medusa_types::Outcome;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::setup::{Folder, compiled, modules, program, task};

/// How long a guest may go on without an agent.
const SOON: Duration = Duration::from_secs(2);
const TEST: &str = "orphans::a_guest_ends_with_its_parent_whatever_it_does";
const FOLDER: &str = "MEDUSA_TEST_FOLDER";
const TELLS: &str = "the worker is ";

/// Whether the process exists, and what it does.
fn state(id: i32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, about) = stat.rsplit_once(") ")?;
    about.chars().next().filter(|state| *state != 'Z')
}

fn wait_for(id: i32, wanted: Option<char>, within: Duration) {
    let since = Instant::now();
    while state(id) != wanted {
        assert!(since.elapsed() < within, "{wanted:?}, not {:?}", state(id));
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_guest_ends_with_its_parent_whatever_it_does() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        // This is the process that the lines below start.
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        return runtime.block_on(parent(&ManuallyDrop::new(Folder(folder.into()))));
    }
    for stands_still in [false, true] {
        let folder = Folder::new();
        let mut parent = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", TEST, "--nocapture"])
            .env(FOLDER, &folder.0)
            .stdout(Stdio::piped())
            .spawn()
            .expect("a parent");
        let words = BufReader::new(parent.stdout.take().expect("a pipe"));
        let mut told = words.lines().map(|line| line.expect("text"));
        let worker = told.find_map(|line| line.split_once(TELLS)?.1.parse().ok());
        let worker: i32 = worker.expect("a number");
        wait_for(worker, Some('R'), Duration::from_secs(20));
        if stands_still {
            kill(Pid::from_raw(worker), Signal::SIGSTOP).expect("it is there");
            wait_for(worker, Some('T'), SOON);
        }
        // Not the slightest chance to clean up.
        parent.kill().expect("it is there");
        wait_for(worker, None, SOON);
        parent.wait().expect("it ended");
    }
}

/// Has a guest that never ends, says which process it is in, and waits to be killed.
async fn parent(folder: &Folder) {
    let modules = modules(folder);
    let wasm = program(r#"(func (export "_start") (loop (br 0)))"#);
    let compiled = compiled(&modules, &wasm).await;
    let mut worker = medusa_sandbox::Worker::start(&modules, &compiled).await.expect("a worker");
    let id = worker.id().expect("it is alive");
    writeln!(std::io::stdout(), "\n{TELLS}{id}").expect("somebody reads");
    let mut endless = task();
    endless.limits.fuel = u64::MAX;
    endless.limits.wall_ms = 20_000;
    let report = worker.run(endless).await.expect("a report");
    assert_eq!(report.outcome, Outcome::WallOut);
}
