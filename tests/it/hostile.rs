//! Programs that are none, and programs that mean harm or have a fault: they are refused, or end
//! with words that say what happened. Nothing of the house suffers.

use medusa_api::{Job, JobState};
use medusa_client::ClientError;
use medusa_types::Credits;

use crate::harness::{
    House, Person, add_program, add_up, ended, guest, in_first_chunk, range, request, run, submit,
};

fn refused<T: std::fmt::Debug>(result: Result<T, ClientError>, code: &str) -> String {
    let error = result.expect_err("it was accepted");
    assert_eq!(error.code(), Some(code), "{error}");
    error.to_string()
}

#[tokio::test]
async fn what_is_no_program_is_refused_with_the_reason() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let wat = |text: &str| wat::parse_str(text).unwrap();
    let foreign =
        wat(r#"(module (import "env" "launch_missiles" (func)) (func (export "_start")))"#);
    let unknown = wat(
        r#"(module (import "wasi_snapshot_preview1" "path_wish" (func)) (func (export "_start")))"#,
    );
    let half = wat("(module (func (export \"_start\")))")[..20].to_vec();
    for (wasm, code, words) in [
        (b"#!/bin/sh\nexit 0\n".to_vec(), "program.not_wasm", "this is a shell script"),
        (Vec::new(), "program.not_wasm", "the file is empty"),
        (half, "program.invalid", "the module is not valid"),
        (foreign, "program.import_refused", r#""env"."launch_missiles""#),
        (unknown, "program.import_refused", r#""wasi_snapshot_preview1"."path_wish""#),
        (wat("(module (func (export \"main\")))"), "program.no_entry", "_start"),
        (
            wat("(module (func $f) (start $f) (func (export \"_start\")))"),
            "program.start_section",
            "start section",
        ),
        (
            wat(r#"(module (memory 1) (data (i32.const 65536) "x") (func (export "_start")))"#),
            "program.not_started",
            "out of bounds",
        ),
    ] {
        let said = refused(add_program(&consumer, wasm).await, code);
        assert!(said.contains(words), "{said}");
    }
    assert!(consumer.client.programs().await.unwrap().is_empty());
}

/// What a chunk does that should not, how the job then ends, in words.
const HABITS: &[(&str, &str, &str)] = &[
    ("loops", "(loop (br 0))", "used all the computing its chunk may use"),
    (
        "eats memory",
        "(loop (br_if 0 (i32.ne (memory.grow (i32.const 64)) (i32.const -1)))) unreachable",
        "asked for more memory than the job allows",
    ),
    (
        "floods its output",
        "(loop (call $write (i32.const 1) (i32.const 0) (i32.const 65536)) (br 0))",
        "wrote more output than the job allows",
    ),
    ("traps", "unreachable", "crashed (trap)"),
    (
        "exits",
        "(call $write (i32.const 2) (i32.const 1024) (i32.const 11)) (call $exit (i32.const 7))",
        "exit status 7:\n/etc/passwd",
    ),
    (
        // An error number is what it should get; with the file open it would end well.
        "opens a file of the machine",
        "(call $exit (call $open (i32.const 1024) (i32.const 11)))",
        "ended with exit status",
    ),
    (
        "climbs out of its folder",
        "(call $exit (call $open (i32.const 1040) (i32.const 22)))",
        "ended with exit status",
    ),
];

async fn fails_with(consumer: &Person, name: &str, code: &str, words: &str) -> Job {
    let request = request(consumer, in_first_chunk(code), range(3, 1)).await;
    let job = submit(consumer, &request).await.unwrap();
    let job = ended(consumer, job.id).await;
    assert_eq!(job.state, JobState::Failed, "a program that {name}");
    let reason = crate::harness::until("a reason", async || {
        consumer.client.job(job.id).await.unwrap().reason
    })
    .await;
    assert!(reason.contains(words), "a program that {name}: {reason}");
    job
}

#[tokio::test]
async fn a_chunk_that_misbehaves_fails_its_job_with_words_and_only_the_work_done_is_paid() {
    let house = House::open().await;
    let (consumer, lena) = (house.person("carla").await, house.person("lena").await);
    let _agent = house.agent(&lena).await;
    let mut jobs = Vec::new();
    for (name, code, words) in HABITS {
        jobs.push(fails_with(&consumer, name, code, words).await.id);
    }
    // The same agent goes on, and a sleep does not keep it.
    let asleep = "(i64.store (i32.const 512) (i64.const 0))
        (i64.store (i32.const 536) (i64.const 3600000000000))
        (i32.store8 (i32.const 520) (i32.const 0))
        (drop (call $poll (i32.const 512) (i32.const 600) (i32.const 1) (i32.const 700)))";
    let began = std::time::Instant::now();
    let request = request(&consumer, in_first_chunk(asleep), range(3, 1)).await;
    let job = run(&consumer, &request).await;
    assert!(began.elapsed().as_secs() < 60, "it slept for {:?}", began.elapsed());
    let result = consumer.client.result(&job, "out.txt").await.unwrap().unwrap();
    assert_eq!(result, b"0 1\n1 1\n2 1\n");
    jobs.push(job.id);
    add_up(&house, &consumer, &[&lena], &jobs).await;
}

#[tokio::test]
async fn a_program_that_fails_on_the_sample_gets_no_quote_and_costs_nothing() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    for (name, code, words) in HABITS.iter().filter(|(name, ..)| *name != "loops") {
        let wasm = guest(&format!(r#"(func (export "_start") {code})"#));
        let request = request(&consumer, wasm, range(3, 1)).await;
        let said = refused(consumer.client.quote(&request).await, "jobs.sample_failed");
        let words = words.split(':').next().unwrap();
        assert!(said.contains(words), "a program that {name}: {said}");
        assert!(said.contains("nothing was charged"), "{said}");
    }
    let wallet = consumer.client.wallet().await.unwrap();
    assert_eq!((wallet.available, wallet.held), (Credits::from_micros(100_000_000), Credits::ZERO));
}

#[tokio::test]
async fn an_endless_sample_is_stopped_at_its_limit() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let wasm = guest(r#"(func (export "_start") (loop (br 0)))"#);
    let request = request(&consumer, wasm, range(3, 1)).await;
    let said = refused(consumer.client.quote(&request).await, "jobs.sample_failed");
    assert!(said.contains("the program used all") || said.contains("ran longer"), "{said}");
}
