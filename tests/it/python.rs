//! The Python runtime as the registry has it, in a real house: the example in Python gives its
//! known result, a syntax error is found at upload, copies agree in every bit and in fuel, and a
//! later run says the same.
//!
//! The module is the one that the sandbox's tests run as well, in `crates/sandbox/tests/programs`,
//! and what they compiled is used again: 26 MB take minutes in a build without optimisation.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bytes::Bytes;
use medusa_api::{ProgramUpload, QuoteRequest, Verdict};
use medusa_types::ProgramId;

use crate::harness::{
    Folder, House, Person, RealAgent, checkout, chunks, example_file, program, range, run,
};

/// The module of the interpreter, fetched if it must be.
fn module() -> PathBuf {
    let programs = checkout().join("crates/sandbox/tests/programs");
    let script = programs.join("fetch.py");
    let output = Command::new("python3").arg(script).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the interpreter could not be fetched: {said}");
    let pinned = std::fs::read_to_string(programs.join("modules.txt")).unwrap();
    let line = pinned.lines().find(|line| line.contains("/python-")).unwrap();
    let digest = line.split(' ').next().unwrap();
    Path::new(String::from_utf8(output.stdout).unwrap().trim_end()).join(format!("{digest}.wasm"))
}

/// Copies what was compiled; an engine finds its own and leaves the rest.
fn copy_compiled(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// Where a house keeps what it compiled.
fn compiled(house: &House) -> PathBuf {
    house.data().join("compiled")
}

/// A house that offers Python.
async fn offering() -> House {
    let house = House::open().await;
    let target = program("medusa-server").parent().unwrap().parent().unwrap().to_owned();
    for folder in std::fs::read_dir(target.join("tmp/programs")).into_iter().flatten() {
        copy_compiled(&folder.unwrap().path(), &compiled(&house));
    }
    let mut command = house.command();
    command.args(["runtime", "add", "python", "--file"]).arg(module()).stdin(Stdio::null());
    let added = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    house
}

/// An agent that has what the house compiled.
async fn agent(house: &House, owner: &Person) -> RealAgent {
    let folder = Folder::new();
    copy_compiled(&compiled(house), &folder.path().join("code"));
    house.agent_in(owner, folder).await
}

async fn add(person: &Person, script: &str) -> Result<ProgramId, String> {
    let blob = person.client.upload_bytes(Bytes::copy_from_slice(script.as_bytes())).await.unwrap();
    let runtime = Some("python".to_owned());
    let upload = ProgramUpload { sha256: blob.sha256, name: "script".into(), runtime };
    let added = person.client.add_program(&upload).await;
    added.map(|program| program.id).map_err(|error| error.problem().unwrap().detail.clone())
}

/// Everything that could differ between two runs, on paper: the order of sets, hashes, listings,
/// what a sleep takes, and how long it all seems to take.
const CURIOUS: &str = r#"
import os, sys, time
sys.stdin.read()
words = "the quick brown fox jumps over the lazy dog".split()
began = time.monotonic_ns()
for name in "zyx":
    open(f"/out/{name}.txt", "w").write(name)
time.sleep(1)
listed = [name for name in os.listdir("/out")]
print(list(set(words)), hash("fox"), listed, time.monotonic_ns() - began, id(words) % 4096)
"#;

#[tokio::test]
async fn a_python_script_is_run_verified_and_replayed() {
    let house = offering().await;
    let consumer = house.person("carla").await;
    let lenders = [house.person("lena").await, house.person("luis").await];
    let _agents = [agent(&house, &lenders[0]).await, agent(&house, &lenders[1]).await];

    // The example is there since its runtime is.
    let examples = consumer.client.examples().await.unwrap();
    let tiles = examples.into_iter().find(|example| example.id == "python-tiles").unwrap();
    let request = QuoteRequest { program: tiles.program, input: tiles.input, spec: tiles.spec };
    let job = run(&consumer, &request).await;
    assert_eq!((job.counts.total, job.counts.verified), (16, 16));
    let table = consumer.client.result(&job, "cells.csv").await.unwrap().unwrap();
    assert_eq!(table, example_file("python-tiles/expected/cells.csv"));
    let count = consumer.client.result(&job, "count.csv").await.unwrap().unwrap();
    assert_eq!(String::from_utf8(count).unwrap().trim(), "cells,109");

    // Two agents agree on each chunk, and a later run on each with the one before.
    let curious = add(&consumer, CURIOUS).await.unwrap();
    let request = QuoteRequest { program: curious, input: None, spec: range(3, 2) };
    let (first, second) = (run(&consumer, &request).await, run(&consumer, &request).await);
    for job in [&first, &second] {
        for chunk in chunks(&consumer, job.id).await {
            assert_eq!(chunk.verdict, Some(Verdict::Agreed));
        }
    }
    let same = consumer.client.compare_jobs(first.id, second.id).await.unwrap();
    // Their fuel may differ: another job has another seed and another time of day.
    assert_eq!((same.chunks_equal, same.chunks_different), (3, 0), "{same:?}");
    let said = consumer.client.result(&first, "out.txt").await.unwrap().unwrap();
    let said = String::from_utf8(said).unwrap();
    let lines: std::collections::BTreeSet<_> = said.lines().collect();
    assert_eq!(lines.len(), 1, "all chunks say the same: {said}");
    assert!(said.contains("['x.txt', 'y.txt', 'z.txt']"), "{said}");
    replayed(&house, &consumer, &first.id.to_string());

    // Mistakes are found before anything is paid, where they can be.
    let wrong = add(&consumer, "import sys\n\ndef f(:\n    pass\n").await.unwrap_err();
    assert!(wrong.contains("line 3") && wrong.contains("SyntaxError"), "{wrong}");
    let absent = add(&consumer, "import numpy\n").await.unwrap();
    let request = QuoteRequest { program: absent, input: None, spec: range(1, 2) };
    let error = consumer.client.quote(&request).await.unwrap_err();
    let detail = &error.problem().unwrap().detail;
    assert!(detail.contains("No module named 'numpy'"), "{detail}");
}

/// A chunk gives the same on the consumer's own machine.
fn replayed(house: &House, consumer: &Person, job: &str) {
    let folder = Folder::new();
    copy_compiled(&compiled(house), &folder.path().join("cache/compiled"));
    let output = Command::new(program("medusa"))
        .args(["replay", job, "1", "--json"])
        .env("MEDUSA_URL", &house.url)
        .env("MEDUSA_TOKEN", &consumer.token)
        .env("MEDUSA_CONFIG", folder.path())
        .env("MEDUSA_CACHE", folder.path().join("cache"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && told.contains(r#""same":true"#), "{told}");
}
