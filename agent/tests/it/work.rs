//! Leases come over a real link, run in real workers, and their reports go back.

use crate::support::{FakeServer, Home, Link, inline, lease, linked, soon, until};
use medusa_agent::{Connection, Phase};
use medusa_protocol::{Blob, Cancel, FilePart, Lease, Message, Part, Yield};
use medusa_types::{Bundle, METER, Outcome, Sha256Hash};

pub(crate) const NOOP: &str = r#"(module (func (export "_start")))"#;
pub(crate) const SPIN: &str = r#"(module (func (export "_start") (loop br 0)))"#;
const EXIT: &str = r#"(module
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (func (export "_start") (call $exit (i32.const 3))))"#;
const FOREIGN: &str = r#"(module (import "env" "f" (func)) (func (export "_start")))"#;
/// Copies standard input to standard output, and writes "!" after it.
pub(crate) const ECHO: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 1024) "!")
    (func (export "_start")
        (loop $more
            (i32.store (i32.const 0) (i32.const 2048))
            (i32.store (i32.const 4) (i32.const 32768))
            (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
            (i32.store (i32.const 4) (i32.load (i32.const 8)))
            (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 12)))
            (br_if $more (i32.load (i32.const 8))))
        (i32.store (i32.const 0) (i32.const 1024))
        (i32.store (i32.const 4) (i32.const 1))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 12)))))"#;

pub(crate) fn wasm(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

#[tokio::test]
async fn a_lease_is_run_and_its_output_reported() {
    let home = Home::new();
    let (server, _agent, mut link) = linked(&home).await;
    assert_eq!((link.hello.meter.as_str(), link.hello.slots), (METER, 2));
    assert_eq!((link.hello.memory_bytes, link.hello.paused), (512 << 20, false));

    let mut echo = lease("lse_1", &server.blob(&wasm(ECHO)));
    echo.stdin = Some(inline(b"hello"));
    link.lease(&echo, "hello").await;
    let (report, output) = link.report().await;
    assert_eq!((report.lease.as_str(), report.outcome), ("lse_1", Outcome::Done));
    assert_eq!(Bundle::decode(&output).unwrap().stdout(), b"hello!");
    assert_eq!(report.output, Sha256Hash::of(&output).0);
    assert_eq!(usize::try_from(report.output_bytes), Ok(output.len()));
    assert!(report.fuel > 0 && !report.uploaded);

    let exit = lease("lse_2", &server.blob(&wasm(EXIT)));
    link.lease(&exit, "").await;
    assert_eq!(link.report().await.0.outcome, Outcome::Exit(3));
}

#[tokio::test]
async fn a_large_output_is_uploaded_before_it_is_reported() {
    let home = Home::new();
    let (server, _agent, mut link) = linked(&home).await;
    server.answer("/v1/agent/outputs/lse_1", 503, "");
    server.answer("/v1/agent/outputs/lse_1", 204, "");
    let input = vec![b'x'; 300 * 1024];
    let mut echo = lease("lse_1", &server.blob(&wasm(ECHO)));
    let input = server.blob(&input);
    echo.stdin = Some(Part::Range { len: input.size, offset: 0, blob: input });
    link.lease(&echo, "").await;
    let (report, inline) = link.report().await;
    assert_eq!((report.outcome, report.uploaded, inline.len()), (Outcome::Done, true, 0));
    let uploaded = server.body("/v1/agent/outputs/lse_1").unwrap();
    assert_eq!(report.output, Sha256Hash::of(&uploaded).0);
    assert_eq!(usize::try_from(report.output_bytes), Ok(uploaded.len()));
    assert_eq!(Bundle::decode(&uploaded).unwrap().stdout().len(), 300 * 1024 + 1);
    assert_eq!(server.asked("/v1/agent/outputs/lse_1"), 2, "the first try failed");
}

#[tokio::test]
async fn a_program_and_a_shared_input_are_loaded_once_and_ranges_as_ranges() {
    let home = Home::new();
    let (server, _agent, mut link) = linked(&home).await;
    let (program, text) = (server.blob(&wasm(ECHO)), server.blob(b"0123456789"));
    for n in 0..6_u64 {
        let mut echo = lease(&format!("lse_{n}"), &program);
        echo.stdin = Some(Part::Range { blob: text.clone(), offset: n, len: 2 });
        link.lease(&echo, "").await;
    }
    let mut outputs = Vec::new();
    for _ in 0..6 {
        let (report, output) = link.report().await;
        let stdout = Bundle::decode(&output).unwrap().stdout().to_vec();
        outputs.push((report.lease, String::from_utf8(stdout).unwrap()));
    }
    outputs.sort();
    let stdouts: Vec<_> = outputs.iter().map(|(_, stdout)| stdout.as_str()).collect();
    assert_eq!(stdouts, ["01!", "12!", "23!", "34!", "45!", "56!"]);
    assert_eq!(server.asked(&program.path), 1);

    let shared = server.blob(b"shared");
    for n in 6..9 {
        let mut noop = lease(&format!("lse_{n}"), &program);
        let part = Part::Range { blob: shared.clone(), offset: 0, len: 6 };
        noop.files = vec![FilePart { path: "data/shared".into(), part }];
        link.lease(&noop, "").await;
    }
    for _ in 6..9 {
        assert_eq!(link.report().await.0.outcome, Outcome::Done);
    }
    assert_eq!(server.asked(&shared.path), 1);
}

#[tokio::test]
async fn a_cancelled_lease_is_not_reported_and_frees_its_slot() {
    let home = Home::new();
    let (server, agent, mut link) = linked(&home).await;
    let (spin, noop) = (server.blob(&wasm(SPIN)), server.blob(&wasm(NOOP)));
    for name in ["lse_1", "lse_2", "lse_3"] {
        link.lease(&lease(name, &spin), "").await;
    }
    let is_running = |phase: &Phase| matches!(phase, Phase::Running(_));
    until(&agent, "two running chunks", |view| {
        view.chunks.values().filter(|chunk| is_running(&chunk.phase)).count() == 2
    })
    .await;
    for name in ["lse_1", "lse_2", "lse_3"] {
        link.send(Message::Cancel(Cancel { lease: name.into() }), "").await;
    }
    until(&agent, "an empty floor", |view| view.chunks.is_empty()).await;
    link.lease(&lease("lse_4", &noop), "").await;
    let (report, _) = link.report().await;
    assert_eq!((report.lease.as_str(), report.outcome), ("lse_4", Outcome::Done));
}

#[tokio::test]
async fn work_goes_on_during_a_cut_and_is_reported_after_it() {
    let home = Home::new();
    let (mut server, agent, mut link) = linked(&home).await;
    let mut echo = lease("lse_1", &server.blob(&wasm(ECHO)));
    let input = server.blob(b"late");
    echo.stdin = Some(Part::Range { len: 4, offset: 0, blob: input });
    server.open.send_replace(false);
    link.lease(&echo, "").await;
    until(&agent, "a chunk", |view| view.chunks.len() == 1).await;
    drop(link);
    let cut = |view: &medusa_agent::View| matches!(view.connection, Connection::Cut { .. });
    let view = until(&agent, "a cut", cut).await;
    assert!(view.in_words(tokio::time::Instant::now()).starts_with("not connected: "));
    server.open.send_replace(true);
    let mut link = server.link().await;
    let (report, output) = link.report().await;
    assert_eq!((report.lease.as_str(), report.outcome), ("lse_1", Outcome::Done));
    assert_eq!(Bundle::decode(&output).unwrap().stdout(), b"late!");
}

#[tokio::test]
async fn what_was_reported_right_before_a_cut_is_reported_again() {
    let home = Home::new();
    let (mut server, _agent, mut link) = linked(&home).await;
    link.lease(&lease("lse_1", &server.blob(&wasm(NOOP))), "").await;
    let first = link.report().await;
    drop(link);
    assert_eq!(server.link().await.report().await, first);
}

#[tokio::test]
async fn an_altered_program_is_this_machines_fault_and_is_loaded_again() {
    let home = Home::new();
    let (server, _agent, mut link) = linked(&home).await;
    let mut program = server.blob(&wasm(NOOP));
    program.path = "/v1/agent/blobs/altered".into();
    let altered = vec![7; usize::try_from(program.size).unwrap()];
    server.answer(&program.path, 200, altered);
    server.answer(&program.path, 200, wasm(NOOP));
    link.lease(&lease("lse_1", &program), "").await;
    let (report, _) = link.report().await;
    assert_eq!(report.outcome, Outcome::AgentFault);
    assert!(report.stderr.contains("altered"), "{}", report.stderr);
    link.lease(&lease("lse_2", &program), "").await;
    assert_eq!(link.report().await.0.outcome, Outcome::Done);
}

#[tokio::test]
async fn a_refused_program_is_said_and_what_needs_more_memory_than_is_lent_is_handed_back() {
    let home = Home::new();
    let (server, _agent, mut link) = linked(&home).await;
    link.lease(&lease("lse_1", &server.blob(&wasm(FOREIGN))), "").await;
    let (report, _) = link.report().await;
    assert_eq!(report.outcome, Outcome::AgentFault);
    assert!(report.stderr.contains("env"), "{}", report.stderr);

    let mut greedy = lease("lse_2", &server.blob(&wasm(NOOP)));
    greedy.limits.memory_bytes = 513 << 20;
    link.lease(&greedy, "").await;
    let back = handed_back(&mut link).await;
    assert_eq!((back.lease.as_str(), back.too_large), ("lse_2", true));
}

/// The next lease that is handed back.
async fn handed_back(link: &mut Link) -> Yield {
    let back = async {
        loop {
            match link.frame().await.message {
                Message::Yield(back) => return back,
                Message::Report(report) => panic!("it was not handed back: {report:?}"),
                _ => {}
            }
        }
    };
    soon("a lease back", back).await
}

#[tokio::test]
async fn inputs_that_do_not_fit_are_handed_back_and_no_other_machine_is_asked() {
    let home = Home::new();
    let (server, _agent, mut link) = linked(&home).await;
    let program = server.blob(&wasm(ECHO));
    let large = Blob { size: 1 << 40, ..server.blob(b"not so large") };
    let part = Part::Range { blob: large.clone(), offset: 0, len: 513 << 20 };
    let whole = Part::Range { blob: large.clone(), offset: 0, len: 1 << 40 };
    for (name, stdin) in [("lse_1", part), ("lse_2", whole)] {
        link.lease(&Lease { stdin: Some(stdin), ..lease(name, &program) }, "").await;
        let back = handed_back(&mut link).await;
        assert_eq!((back.lease.as_str(), back.too_large), (name, true));
    }
    assert_eq!(server.asked(&large.path), 0);

    let other = FakeServer::start().await;
    let secret = other.blob(b"secret");
    let host = other.url.strip_prefix("http://").unwrap();
    for (n, path) in [format!("@{host}{}", secret.path), format!("//{host}{}", secret.path)]
        .into_iter()
        .enumerate()
    {
        let blob = Blob { path, ..secret.clone() };
        let stdin = Some(Part::Range { blob, offset: 0, len: 3 });
        link.lease(&Lease { stdin, ..lease(&format!("lse_o{n}"), &program) }, "").await;
        let (report, _) = link.report().await;
        assert_eq!(report.outcome, Outcome::AgentFault);
        assert!(report.stderr.contains("not one of its own"), "{}", report.stderr);
    }
    assert_eq!(other.asked(&secret.path), 0);
}

#[tokio::test]
async fn a_lease_past_its_deadline_is_dropped() {
    let home = Home::new();
    let (server, agent, mut link) = linked(&home).await;
    let mut spin = lease("lse_1", &server.blob(&wasm(SPIN)));
    spin.deadline_ms = 300;
    link.lease(&spin, "").await;
    until(&agent, "a chunk", |view| view.chunks.len() == 1).await;
    until(&agent, "an empty floor", |view| view.chunks.is_empty()).await;
    link.lease(&lease("lse_2", &server.blob(&wasm(NOOP))), "").await;
    assert_eq!(link.report().await.0.lease, "lse_2");
}

#[tokio::test]
async fn a_frame_of_a_newer_version_is_ignored() {
    let home = Home::new();
    let (server, _agent, mut link) = linked(&home).await;
    let unknown = [1, 99, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    link.raw(unknown.to_vec()).await;
    link.lease(&lease("lse_1", &server.blob(&wasm(NOOP))), "").await;
    assert_eq!(link.report().await.0.outcome, Outcome::Done);
}

#[tokio::test]
async fn pulses_say_what_runs_and_whether_the_agent_is_paused() {
    let home = Home::new();
    let (server, agent, mut link) = linked(&home).await;
    assert_eq!(link.pulse().await, (false, Vec::new()));
    link.lease(&lease("lse_1", &server.blob(&wasm(SPIN))), "").await;
    soon("a pulse with the lease", async { while link.pulse().await.1 != ["lse_1"] {} }).await;
    agent.set_paused(true);
    soon("a pulse of a paused agent", async { while !link.pulse().await.0 {} }).await;
    let view = until(&agent, "the switch", |view| view.paused).await;
    assert_eq!(view.chunks.len(), 1, "what runs goes on");
}

#[tokio::test]
async fn an_agent_that_is_told_to_end_finishes_its_chunk_first() {
    let home = Home::new();
    let (server, agent, mut link) = linked(&home).await;
    server.open.send_replace(false);
    link.lease(&lease("lse_1", &server.blob(&wasm(NOOP))), "").await;
    until(&agent, "a chunk", |view| view.chunks.len() == 1).await;
    let farewell = agent.farewell();
    let mut finished = Box::pin(farewell.finished());
    let told = async { while !link.pulse().await.0 {} };
    tokio::select! {
        () = &mut finished => panic!("it left its chunk behind"),
        () = soon("a pulse that asks for nothing", told) => {}
    }
    // What the server had given before it heard of the end is done, too.
    link.lease(&lease("lse_2", &server.blob(&wasm(NOOP))), "").await;
    server.open.send_replace(true);
    let reports = async {
        let (first, second) = (link.report().await.0, link.report().await.0);
        let mut leases = [first.lease, second.lease];
        leases.sort();
        assert_eq!(leases, ["lse_1", "lse_2"]);
    };
    soon("both reports and the end", async { tokio::join!(finished, reports) }).await;
    assert!(!agent.watch().borrow().paused, "the next start is as before");
}

#[tokio::test]
async fn many_small_chunks_all_come_back() {
    const CHUNKS: usize = 2_000;
    let home = Home::new();
    let (server, agent, mut link) = linked(&home).await;
    let program = server.blob(&wasm(NOOP));
    for n in 0..4 {
        link.lease(&lease(&format!("lse_{n}"), &program), "").await;
    }
    let mut seen = std::collections::BTreeSet::new();
    let mut began = None;
    for n in 4..CHUNKS + 4 {
        let (report, _) = link.report().await;
        assert_eq!(report.outcome, Outcome::Done);
        assert!(seen.insert(report.lease));
        if n < CHUNKS {
            link.lease(&lease(&format!("lse_{n}"), &program), "").await;
        }
        // Compiling is over when the first one came.
        began.get_or_insert_with(std::time::Instant::now);
    }
    println!("{CHUNKS} chunks in {:?}", began.unwrap().elapsed());
    let view = until(&agent, "an empty floor", |view| view.chunks.is_empty()).await;
    assert_eq!((view.tally.done, view.tally.failed), (2_000, 0));
}

#[tokio::test]
async fn a_server_that_writes_before_it_reads_is_not_waited_for() {
    const CHUNKS: usize = 80;
    let home = Home::new();
    let (server, _agent, mut link) = linked(&home).await;
    let input = vec![b'x'; 250 * 1024];
    let program = server.blob(&wasm(ECHO));
    // More than the buffers of a connection hold, in both directions.
    for n in 0..CHUNKS {
        let mut echo = lease(&format!("lse_{n}"), &program);
        echo.stdin = Some(inline(&input));
        soon("room for a lease", link.lease(&echo, input.clone())).await;
    }
    for _ in 0..CHUNKS {
        let (report, output) = link.report().await;
        assert_eq!((report.outcome, report.uploaded), (Outcome::Done, false));
        assert!(output.len() > input.len());
    }
}

#[tokio::test]
async fn a_refused_key_is_said_and_the_identity_stays() {
    let home = Home::new();
    let server = FakeServer::start().await;
    server.accept_key("another");
    home.enrol(&server.url);
    let agent = medusa_agent::Agent::start(home.config(), medusa_agent::Logs::default()).unwrap();
    until(&agent, "a refusal", |view| view.connection == Connection::Revoked).await;
    assert!(home.path().join("identity.json").exists());
}

#[tokio::test]
async fn a_new_machine_is_enrolled_by_its_code() {
    let home = Home::new();
    let mut server = FakeServer::start().await;
    let code = |code: &str, user: &str| {
        format!(
            r#"{{"device_code":"{code}","user_code":"{user}","verification_uri":"http://a/device",
            "verification_uri_complete":"http://a/device?code={user}",
            "expires_in":600,"interval":0}}"#
        )
    };
    let problem = |code: &str| {
        format!(r#"{{"type":"x","title":"t","status":400,"detail":"d","code":"{code}"}}"#)
    };
    server.answer("/v1/device", 200, code("one", "AAAA-AAAA"));
    server.answer("/v1/device", 200, code("two", "WDJB-MJHT"));
    server.answer("/v1/device/token", 400, problem("accounts.device_pending"));
    server.answer("/v1/device/token", 400, problem("accounts.device_expired"));
    server.answer("/v1/device/token", 400, problem("accounts.device_pending"));
    let token = format!(
        r#"{{"agent":"{}","name":"desk","agent_key":"{}"}}"#,
        crate::support::agent_id(),
        crate::support::KEY
    );
    server.answer("/v1/device/token", 200, token);
    let mut config = home.config();
    config.server = Some(server.url.clone());
    let agent = medusa_agent::Agent::start(config, medusa_agent::Logs::default()).unwrap();
    let view = until(
        &agent,
        "the second code",
        |view| matches!(&view.connection, Connection::Code { code, .. } if code == "WDJB-MJHT"),
    )
    .await;
    let words = view.in_words(tokio::time::Instant::now());
    assert_eq!(words, "not enrolled: type WDJB-MJHT at http://a/device");
    server.link().await;
    let kept = medusa_agent::Identity::load(home.path()).unwrap().unwrap();
    assert_eq!((kept.server, kept.agent_key.as_str()), (server.url.clone(), crate::support::KEY));
}
