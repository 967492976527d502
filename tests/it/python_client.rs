//! The Python client: its own tests, and its stories against a real server with agents. The
//! stories themselves are in `clients/python/tests/real.py`.
//!
//! Numpy comes through pip where it is not installed; without it the stories about its arrays are
//! left out, and the rest is told all the same.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::harness::{Folder, House, checkout, step};

/// A Python in the client's folder that leaves nothing behind in the source tree.
fn python(folder: &Path) -> Command {
    let mut python = Command::new("python3");
    python.current_dir(folder).env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::null());
    if let Some(numpy) = numpy(folder) {
        python.env("PYTHONPATH", numpy);
    }
    python
}

/// Where numpy is, unless it is installed or cannot be had.
fn numpy(folder: &Path) -> Option<PathBuf> {
    let fetched = Command::new("python3").arg(folder.join("tests/fetch.py")).output().unwrap();
    if !fetched.status.success() {
        let why = String::from_utf8_lossy(&fetched.stderr);
        eprintln!("NOT TESTED: arrays of numpy: {why}");
        return None;
    }
    let found = String::from_utf8(fetched.stdout).unwrap();
    let found = found.trim_end();
    (!found.is_empty()).then(|| PathBuf::from(found))
}

/// Runs it to its end, and shows what it said where that is not a good one.
async fn passes(mut command: Command) {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("Ran 0 tests"), "{said}");
    eprintln!("{said}");
}

#[tokio::test]
async fn its_own_tests_pass() {
    let mut tests = python(&checkout().join("clients/python"));
    tests.args(["-W", "error::ResourceWarning", "-m", "unittest", "discover", "-s", "tests"]);
    tests.args(["-t", "."]);
    passes(tests).await;
}

#[tokio::test]
async fn it_drives_real_sessions() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    // Three of them try a program that crashes; a session of two shards has two.
    let _agents = house.agents_of(&["lena", "luis", "lars"]).await;
    let programs = Folder::new();
    let crash = "(if (f64.gt (f64.load (local.get $at)) (f64.const 1000)) (then unreachable))";
    for (name, habit) in [("step.wasm", ""), ("crash.wasm", crash)] {
        std::fs::write(programs.path().join(name), step(habit)).unwrap();
    }
    let mut stories = python(&checkout().join("clients/python"));
    stories
        .arg("tests/real.py")
        .env("MEDUSA_URL", &house.url)
        .env("MEDUSA_TOKEN", &consumer.token)
        .env("EMAIL", &consumer.email)
        .env("PASSWORD", &consumer.password)
        .env("STEP", programs.path().join("step.wasm"))
        .env("CRASH", programs.path().join("crash.wasm"));
    passes(stories).await;
}
