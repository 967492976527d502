//! Scripts: the operator offers a runtime, a consumer uploads a text for it, and server, agents and
//! the consumer's own machine run the two together, bit for bit the same.
//!
//! The runtime here is a few lines of WebAssembly that show all that they are given, so that
//! nothing takes a minute to compile; `python.rs` has the real one.

use std::process::{Output, Stdio};

use bytes::Bytes;
use medusa_api::{
    ChunkState, JobSpec, Problem, Program, ProgramUpload, QuoteRequest, Split, Verdict,
};
use medusa_client::ClientError;
use medusa_types::{ChunkIndex, Sha256Hash};
use serde_json::Value;

use crate::harness::{Folder, House, Person, chunks, echo, ended, medusa, range, run, submit};

const SCRIPT: &str = "say it\n";

/// A runtime that says everything: its script, standard input, arguments and environment. Asked to
/// check a script, it refuses those that begin with `!`.
fn shout() -> Vec<u8> {
    let text = r#"(module
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (import "wasi_snapshot_preview1" "fd_read"
            (func $fd_read (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write"
            (func $fd_write (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "path_open"
            (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "args_sizes_get"
            (func $args_sizes (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "environ_sizes_get"
            (func $environ_sizes (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "environ_get" (func $environ (param i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 1024) "main.txt")
        (func $write (param $fd i32) (param $at i32) (param $len i32)
            (i32.store (i32.const 0) (local.get $at))
            (i32.store (i32.const 4) (local.get $len))
            (drop (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))))
        (func $read (param $fd i32) (result i32)
            (i32.store (i32.const 0) (i32.const 4096))
            (i32.store (i32.const 4) (i32.const 8192))
            (drop (call $fd_read (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)))
            (i32.load (i32.const 8)))
        (func (export "_start") (local $n i32)
            (if (call $path_open (i32.const 6) (i32.const 0) (i32.const 1024) (i32.const 8)
                    (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 12))
                (then (call $exit (i32.const 99))))
            (local.set $n (call $read (i32.load (i32.const 12))))
            (drop (call $args_sizes (i32.const 16) (i32.const 20)))
            (drop (call $args (i32.const 1100) (i32.const 16384)))
            ;; "chec", the beginning of the first argument after the program's name.
            (if (i32.eq (i32.load (i32.load (i32.const 1104))) (i32.const 0x63656863)) (then
                (if (i32.eq (i32.load8_u (i32.const 4096)) (i32.const 33)) (then
                    (call $write (i32.const 2) (i32.const 4096) (local.get $n))
                    (call $exit (i32.const 1))))
                (return)))
            (call $write (i32.const 1) (i32.const 4096) (local.get $n))
            (call $write (i32.const 1) (i32.const 4096) (call $read (i32.const 0)))
            (call $write (i32.const 1) (i32.const 16384) (i32.load (i32.const 20)))
            (drop (call $environ_sizes (i32.const 24) (i32.const 28)))
            (drop (call $environ (i32.const 1200) (i32.const 20480)))
            (call $write (i32.const 1) (i32.const 20480) (i32.load (i32.const 28)))))"#;
    wat::parse_str(text).unwrap()
}

/// What the runtime says in a chunk of a job of so many.
fn said(chunk: u32, chunks: u32, seed: u64) -> String {
    format!(
        "{SCRIPT}{chunk} 1\nguest\0--loud\0x\0MEDUSA_CHUNK={chunk}\0MEDUSA_CHUNKS={chunks}\0\
         MEDUSA_SEED={seed}\0LOUD=1\0"
    )
}

/// A command of the operator about runtimes.
fn operate(house: &House, folder: &Folder, line: &str) -> Output {
    let mut command = house.command();
    command.arg("runtime").args(line.split_whitespace()).current_dir(folder.path());
    command.stdin(Stdio::null()).output().unwrap()
}

fn told(output: &Output) -> String {
    let both = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8(both).unwrap()
}

const ADD: &str = "add shout --file shout.wasm --version 1.0 --suffix .txt --about Says_everything \
                   --path job/main.txt --arg --loud --env LOUD=1 --check check";

/// Offers the runtime.
fn offer(house: &House, folder: &Folder) {
    std::fs::write(folder.path().join("shout.wasm"), shout()).unwrap();
    let added = operate(house, folder, ADD);
    assert!(added.status.success(), "{}", told(&added));
    let said = String::from_utf8_lossy(&added.stderr);
    assert!(said.contains("the server compiles and tries it"), "{said}");
}

async fn add(person: &Person, text: &[u8], runtime: Option<&str>) -> Result<Program, ClientError> {
    let blob = person.client.upload_bytes(Bytes::copy_from_slice(text)).await.unwrap();
    let runtime = runtime.map(str::to_owned);
    let upload = ProgramUpload { sha256: blob.sha256, name: "script".into(), runtime };
    person.client.add_program(&upload).await
}

fn problem<T>(result: Result<T, ClientError>) -> Problem {
    let error = result.err().expect("it was allowed");
    error.problem().unwrap_or_else(|| panic!("{error}")).clone()
}

fn spec(chunks: u64) -> JobSpec {
    JobSpec { args: vec!["x".into()], ..range(chunks, 2) }
}

#[tokio::test]
async fn a_script_runs_alike_on_the_server_on_agents_and_at_home() {
    let house = House::open().await;
    let (folder, consumer) = (Folder::new(), house.person("carla").await);
    offer(&house, &folder);
    let lenders = [house.person("lena").await, house.person("luis").await];
    let script = add(&consumer, SCRIPT.as_bytes(), Some("shout")).await.unwrap();
    let digest = Sha256Hash::of(SCRIPT.as_bytes());
    assert_eq!(script.sha256, Sha256Hash::of(&shout()), "agents run the runtime's module");
    assert_eq!(script.script.as_ref().unwrap().sha256, digest);
    let request = QuoteRequest { program: script.id, input: None, spec: spec(2) };

    // One owner's agents only: the server computes each chunk too, and they agree.
    let _lena = house.agent(&lenders[0]).await;
    let refereed = run(&consumer, &request).await;
    for chunk in chunks(&consumer, refereed.id).await {
        assert_eq!((chunk.state, chunk.verdict), (ChunkState::Verified, Some(Verdict::Refereed)));
    }

    // Two owners: their agents agree with each other.
    let _luis = house.agent(&lenders[1]).await;
    let job = run(&consumer, &request).await;
    let mut wanted = String::new();
    for index in 0..2 {
        let run = consumer.client.chunk_run(job.id, ChunkIndex(index)).await.unwrap();
        assert_eq!(run.args, ["--loud", "x"]);
        assert_eq!(run.env.last().unwrap(), &("LOUD".to_owned(), "1".to_owned()));
        assert_eq!(
            (run.inputs[1].path.as_str(), run.inputs[1].sha256),
            ("job/main.txt", Some(digest))
        );
        wanted += &said(index, 2, run.seed);
    }
    let result = consumer.client.result(&job, "out.txt").await.unwrap().unwrap();
    assert_eq!(String::from_utf8(result).unwrap(), wanted);

    // The log's first event of the job binds the script: its digest is in the specification.
    let events = consumer.client.job_events(job.id, 0, 1).await.unwrap().items;
    let entry = consumer.client.audit_event(events[0].position).await.unwrap();
    let event: Value = serde_json::from_str(&entry.body).unwrap();
    let submitted = serde_json::to_vec(&job.spec).unwrap();
    assert_eq!(event["data"]["spec"], Sha256Hash::of(&submitted).to_string());
    assert!(String::from_utf8(submitted).unwrap().contains(&digest.to_string()));
    assert_eq!(event["data"]["program"], script.sha256.to_string());

    let (status, replayed) =
        medusa(&house, &consumer, &folder, &format!("replay {} 1", job.id)).await;
    assert_eq!((status, &replayed["same"]), (0, &Value::Bool(true)), "{replayed}");
}

#[tokio::test]
async fn a_script_is_checked_when_it_is_uploaded() {
    let house = House::open().await;
    let (folder, consumer) = (Folder::new(), house.person("carla").await);
    let nothing = problem(add(&consumer, b"say it", Some("shout")).await);
    assert_eq!(nothing.code, "program.runtime_unknown");
    assert!(nothing.detail.contains("offers no runtime"), "{}", nothing.detail);
    offer(&house, &folder);
    let large = vec![b'x'; 1024 * 1024 + 1];
    let cases: [(&[u8], Option<&str>, &str, &str); 6] = [
        (b"!wrong in line 1\n", Some("shout"), "program.script_refused", "shout 1.0 says: !wrong"),
        (
            b"\xff\xfe",
            Some("shout"),
            "program.script_refused",
            "UTF-8, like a file that ends in .txt",
        ),
        (b"a\0b", Some("shout"), "program.script_refused", "UTF-8"),
        (&large, Some("shout"), "program.script_refused", "at most 1048576 bytes"),
        (b"say it", Some("whisper"), "program.runtime_unknown", "there are: shout"),
        (b"import sys\n", None, "program.not_wasm", "choose the platform runtime"),
    ];
    for (text, runtime, code, words) in cases {
        let problem = problem(add(&consumer, text, runtime).await);
        assert_eq!(problem.code, code);
        assert!(problem.detail.contains(words), "{}", problem.detail);
    }

    // The command line finds the runtime by the file's name.
    std::fs::write(folder.path().join("tell.txt"), SCRIPT).unwrap();
    let line = "submit tell.txt --split by=range,from=0,to=2,step=1 --arg x --dry-run";
    let (status, quote) = medusa(&house, &consumer, &folder, line).await;
    assert_eq!((status, &quote["split"]["chunks"]), (0, &Value::from(2)), "{quote}");
    let programs = consumer.client.programs().await.unwrap();
    let script = programs[0].script.as_ref().unwrap();
    assert_eq!((script.runtime.as_str(), script.version.as_str()), ("shout", "1.0"));
}

#[tokio::test]
async fn the_same_program_added_again_is_the_one_that_is_there() {
    let house = House::open().await;
    let (folder, consumer) = (Folder::new(), house.person("carla").await);
    offer(&house, &folder);
    let module = echo();
    let cases: [(&[u8], _); 2] = [(&module, None), (SCRIPT.as_bytes(), Some("shout"))];
    for (bytes, runtime) in cases {
        let first = add(&consumer, bytes, runtime).await.unwrap();
        let head = consumer.client.audit_head().await.unwrap().size;
        assert_eq!(add(&consumer, bytes, runtime).await.unwrap(), first);
        assert_eq!(consumer.client.audit_head().await.unwrap().size, head, "nothing happened");
    }
    assert_eq!(consumer.client.programs().await.unwrap().len(), 2);
    // Nor are they two when they come at the same moment.
    let nora = house.person("nora").await;
    let [a, b, c] = std::array::from_fn(|_| add(&nora, &module, None));
    let (a, b, c) = tokio::join!(a, b, c);
    let programs = nora.client.programs().await.unwrap();
    assert_eq!(programs.len(), 1);
    assert_eq!([a.unwrap(), b.unwrap(), c.unwrap()].map(|one| one.id), [programs[0].id; 3]);

    // Another name, another person and another version of the runtime are something else.
    let sha256 = Sha256Hash::of(&module);
    let upload = ProgramUpload { sha256, name: "another".into(), runtime: None };
    consumer.client.add_program(&upload).await.unwrap();
    add(&house.person("olaf").await, &module, None).await.unwrap();
    assert_eq!(consumer.client.programs().await.unwrap().len(), 3);
    let newer = operate(&house, &folder, &ADD.replace("1.0", "2.0"));
    assert!(newer.status.success(), "{}", told(&newer));
    let script = add(&consumer, SCRIPT.as_bytes(), Some("shout")).await.unwrap();
    assert_eq!(script.script.unwrap().version, "2.0");
    assert_eq!(consumer.client.programs().await.unwrap().len(), 4);
}

#[tokio::test]
async fn the_name_of_a_chunks_file_can_stand_in_arguments() {
    let house = House::open().await;
    let (folder, consumer) = (Folder::new(), house.person("carla").await);
    offer(&house, &folder);
    let _agent = house.agent(&house.person("lena").await).await;
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for name in ["a.txt", "b/c.d.txt"] {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut zip, name.as_bytes()).unwrap();
    }
    let zip = zip.finish().unwrap().into_inner();
    let input = consumer.client.upload_bytes(zip.into()).await.unwrap();
    let script = add(&consumer, SCRIPT.as_bytes(), Some("shout")).await.unwrap();
    let args = ["{file}", "--out=/job/{stem}.png"].map(str::to_owned).to_vec();
    let spec = JobSpec { args, split: Split::Files { group: 1 }, ..range(1, 1) };
    let request = QuoteRequest { program: script.id, input: Some(input.sha256), spec };
    let job = run(&consumer, &request).await;
    let result = consumer.client.result(&job, "out.txt").await.unwrap().unwrap();
    let result = String::from_utf8(result).unwrap();
    for (index, args) in
        [(0, ["/job/a.txt", "--out=/job/a.png"]), (1, ["/job/b/c.d.txt", "--out=/job/c.d.png"])]
    {
        let run = consumer.client.chunk_run(job.id, ChunkIndex(index)).await.unwrap();
        assert_eq!(run.args[1..], args);
        assert!(result.contains(&format!("guest\0--loud\0{}\0", args.join("\0"))), "{result}");
    }
    let (status, replayed) =
        medusa(&house, &consumer, &folder, &format!("replay {} 1", job.id)).await;
    assert_eq!((status, &replayed["same"]), (0, &Value::Bool(true)), "{replayed}");
}

#[tokio::test]
async fn a_runtime_is_offered_once_and_retired_without_stopping_anybody() {
    let house = House::open().await;
    let (folder, consumer) = (Folder::new(), house.person("carla").await);
    offer(&house, &folder);
    let head = consumer.client.audit_head().await.unwrap().size;
    offer(&house, &folder);
    assert_eq!(consumer.client.audit_head().await.unwrap().size, head, "it is there already");
    let listed = operate(&house, &folder, "list --data data");
    let (listed, digest) = (told(&listed), Sha256Hash::of(&shout()).to_string());
    assert!(listed.starts_with("shout 1.0") && listed.contains(&digest), "{listed}");

    // The same version is never something else, and a module has to be one for this place.
    let other = operate(&house, &folder, &format!("{ADD} --env LOUD=2"));
    assert!(
        !other.status.success() && told(&other).contains("another version"),
        "{}",
        told(&other)
    );
    let wrong = operate(&house, &folder, &format!("{ADD} --sha256 {}", "0".repeat(64)));
    assert!(!wrong.status.success() && told(&wrong).contains("SHA-256"), "{}", told(&wrong));
    std::fs::write(folder.path().join("shout.wasm"), b"#!/bin/sh\n").unwrap();
    let script = operate(&house, &folder, &ADD.replace("1.0", "2.0"));
    assert!(!script.status.success() && told(&script).contains("shell"), "{}", told(&script));
    assert_eq!(consumer.client.runtimes().await.unwrap().len(), 1);

    let script = add(&consumer, SCRIPT.as_bytes(), Some("shout")).await.unwrap();
    let request = QuoteRequest { program: script.id, input: None, spec: spec(1) };
    let waiting = submit(&consumer, &request).await.unwrap();
    let retired = operate(&house, &folder, "retire shout");
    assert!(retired.status.success(), "{}", told(&retired));
    assert_eq!(consumer.client.runtimes().await.unwrap(), []);
    let refused = problem(add(&consumer, SCRIPT.as_bytes(), Some("shout")).await);
    assert_eq!(refused.code, "program.runtime_unknown");
    let again = operate(&house, &folder, "retire shout");
    assert!(!again.status.success() && told(&again).contains("no runtime"), "{}", told(&again));
    let lenders = [house.person("lena").await, house.person("luis").await];
    let _agents = [house.agent(&lenders[0]).await, house.agent(&lenders[1]).await];
    assert_eq!(
        ended(&consumer, waiting.id).await.counts.verified,
        1,
        "a job that chose it goes on"
    );
    assert_eq!(run(&consumer, &request).await.counts.verified, 1, "and so does its program");
    offer(&house, &{
        std::fs::write(folder.path().join("shout.wasm"), shout()).unwrap();
        folder
    });
    assert_eq!(consumer.client.runtimes().await.unwrap().len(), 1, "it may come back");
}
