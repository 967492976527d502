//! Servers of other versions: an old one hears nothing that it does not know, and what a new one
//! says beyond this version is skipped. One that shares no version is told apart from a broken one.

use medusa_agent::{Agent, Connection, Logs};
use medusa_api::AgentKey;
use medusa_protocol::{
    FILES_OUT, Features, Frame, HEADER_BYTES, Message, Settings, TABLE_OUT, Welcome, signed_bytes,
    verify,
};
use medusa_types::{Fuel, LeaseId, Outcome, Sha256Hash, Uuid};

use crate::support::{FakeServer, Home, Link, agent_id, inline, lease, soon, until};
use crate::work::{ECHO, NOOP, wasm};

/// Kinds that an agent of the first version sends.
const FIRST: [u8; 3] = [1, 5, 6];
/// A key and its value that no version has: `{99: "later"}` without the map around it.
const LATER: &[u8] = b"\x18\x63\x65later";

/// A frame of the first version: header, and a body of these bytes.
fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_le_bytes();
    [&[1, kind, 0, 0][..], &length, &[0; 8], body].concat()
}

/// A text after its key.
fn text(key: u8, text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    [&[key, 0x78, length], text.as_bytes()].concat()
}

/// How the first version greets: id, name, a pulse every 400 ms, and not a word more.
fn first_welcome() -> Vec<u8> {
    let id = text(0, &agent_id().to_string());
    frame(2, &[&[0xa3][..], &id, &text(1, "desk"), &[2, 0x19, 0x01, 0x90]].concat())
}

/// The same frame with one more key in its body, as a later version writes it.
fn later(of: &Frame) -> Vec<u8> {
    let bytes = of.encode();
    let length = u32::from_le_bytes(bytes[4..8].try_into().unwrap());
    let (body, payload) = bytes[HEADER_BYTES..].split_at(length.try_into().unwrap());
    // A map of up to 23 keys has their number in its first byte.
    assert!((0xa0..0xb7).contains(&body[0]), "{:x}", body[0]);
    let mut more = frame(bytes[1], &[&[body[0] + 1], &body[1..], LATER].concat());
    more.extend_from_slice(payload);
    more
}

async fn linked_to(home: &Home, welcome: Vec<u8>) -> (FakeServer, Agent, Link) {
    let mut server = FakeServer::start().await;
    server.greet(welcome);
    home.enrol(&server.url);
    let agent = Agent::start(home.config(), Logs::default()).unwrap();
    let link = server.link().await;
    (server, agent, link)
}

#[tokio::test]
async fn an_old_server_hears_nothing_that_it_does_not_know() {
    let home = Home::new();
    let (server, agent, mut link) = linked_to(&home, first_welcome()).await;
    let program = server.blob(&wasm(ECHO));
    let mut given = lease("lse_1", &program);
    given.stdin = Some(inline(b"old"));
    given.fuel_estimate = None;
    link.lease(&given, "old").await;
    let refused = server.blob(b"no module");
    link.lease(&lease("lse_2", &refused), "").await;
    let (mut kinds, mut outcomes) = (Vec::new(), Vec::new());
    while outcomes.len() < 2 {
        let bytes = link.bytes().await.unwrap();
        kinds.push(bytes[1]);
        if let Message::Report(report) = Frame::decode(&bytes).unwrap().message {
            outcomes.push((report.lease, report.outcome));
        }
    }
    outcomes.sort_by(|one, other| one.0.cmp(&other.0));
    let wanted = [("lse_1".into(), Outcome::Done), ("lse_2".into(), Outcome::AgentFault)];
    assert_eq!(outcomes, wanted);
    agent.set_paused(true);
    let mut is_paused = false;
    while !is_paused {
        let bytes = link.bytes().await.unwrap();
        kinds.push(bytes[1]);
        if let Message::Pulse(pulse) = Frame::decode(&bytes).unwrap().message {
            is_paused = pulse.paused;
        }
    }
    assert!(kinds.iter().all(|kind| FIRST.contains(kind)), "{kinds:?}");
    // Routes that it does not have are asked for in vain, and nothing depends on them.
    let view = until(&agent, "the switch", |view| view.paused).await;
    assert_eq!(view.connection, Connection::Connected);
}

#[tokio::test]
async fn what_a_new_server_says_beyond_this_version_is_skipped() {
    let home = Home::new();
    let features = ["settings", "x-rays", "compile_out", ""].map(str::to_owned).to_vec();
    let (agent, name) = (agent_id().to_string(), "desk".into());
    let welcome = Welcome { agent, name, heartbeat_ms: 400, features };
    let welcome = later(&Frame::of(Message::Welcome(welcome)));
    let (server, agent, mut link) = linked_to(&home, welcome).await;
    // Kinds of the future, empty and with whatever bodies.
    for kind in [0, 99, 200, 255] {
        link.raw(frame(kind, b"")).await;
        link.raw(frame(kind, b"\xff not even a map")).await;
    }
    let settings = Settings { name: Some("attic".into()), ..Settings::default() };
    link.raw(later(&Frame::of(Message::Settings(settings)))).await;
    let program = server.blob(&wasm(ECHO));
    let mut given = lease("lse_1", &program);
    given.stdin = Some(inline(b"new"));
    let message = Message::Lease(Box::new(given));
    link.raw(later(&Frame { message, payload: "new".into() })).await;
    let (report, _) = link.report().await;
    assert_eq!((report.lease.as_str(), report.outcome), ("lse_1", Outcome::Done));
    until(&agent, "an idle floor", |view| view.chunks.is_empty()).await;
}

/// Is refused one more element of a table, or one more file, and gives up.
fn gives_up(code: &str) -> Vec<u8> {
    wasm(&format!(
        r#"(module
            (import "wasi_snapshot_preview1" "path_create_directory"
                (func $mkdir (param i32 i32 i32) (result i32)))
            (memory (export "memory") 1) (table $t 0 funcref)
            (func (export "_start") (local $i i32) {code}))"#
    ))
}

#[tokio::test]
async fn outcomes_of_this_version_are_told_in_words_that_the_server_knows_and_signed_so() {
    let table = gives_up("(drop (table.grow $t (ref.null func) (i32.const 100001))) unreachable");
    let files = gives_up(
        "(loop
            (i32.store (i32.const 0) (i32.add (i32.const 0x61616161) (i32.or
                (i32.and (local.get $i) (i32.const 15))
                (i32.or (i32.shl (i32.and (local.get $i) (i32.const 0xf0)) (i32.const 4))
                (i32.shl (i32.and (local.get $i) (i32.const 0xff00)) (i32.const 8))))))
            (drop (call $mkdir (i32.const 5) (i32.const 0) (i32.const 4)))
            (local.set $i (i32.add (local.get $i) (i32.const 1))) (br 0))",
    );
    let only = |words: &[&str]| {
        let features = words.iter().map(|word| (*word).to_owned()).collect();
        let (agent, name) = (agent_id().to_string(), "desk".into());
        Frame::of(Message::Welcome(Welcome { agent, name, heartbeat_ms: 400, features }))
            .encode()
            .to_vec()
    };
    let (first, all) = ([Outcome::Trap, Outcome::OutputOut], Features::own());
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    for (welcome, outcomes) in [
        (first_welcome(), first),
        (only(&[TABLE_OUT]), [Outcome::TableOut, Outcome::OutputOut]),
        (only(&[FILES_OUT]), [Outcome::Trap, Outcome::FilesOut]),
        (only(&all), [Outcome::TableOut, Outcome::FilesOut]),
    ] {
        let (home, mut server) = (Home::new(), FakeServer::start().await);
        server.greet(welcome);
        server.answer("/v1/agent/key", 204, "");
        home.enrol(&server.url);
        let _agent = Agent::start(home.config(), Logs::default()).unwrap();
        let mut link = server.link().await;
        let told: AgentKey =
            serde_json::from_slice(&server.body("/v1/agent/key").unwrap()).unwrap();
        let public: Sha256Hash = told.public_key.parse().unwrap();
        for (module, outcome) in [&table, &files].into_iter().zip(outcomes) {
            let id = LeaseId(Uuid::from_u128(5));
            link.lease(&lease(&id.to_string(), &server.blob(module)), "").await;
            let (report, output) = link.report().await;
            assert_eq!((report.outcome, output.len()), (outcome, 0), "{}", report.stderr);
            let fuel = Fuel(report.fuel);
            let bytes = signed_bytes(id, outcome, fuel, Sha256Hash(report.output));
            assert!(verify(&public.0, &bytes, &report.signature.unwrap()), "{outcome:?}");
        }
    }
}

/// A server of a version that this agent does not speak at all: it says so, and tries again, in
/// case the server is put back to the older version.
#[tokio::test]
async fn a_server_without_a_common_version_is_named_and_tried_again() {
    let home = Home::new();
    let mut server = FakeServer::start().await;
    let mut other = first_welcome();
    other[0] = 2;
    server.greet(other);
    home.enrol(&server.url);
    let agent = Agent::start(home.config(), Logs::default()).unwrap();
    let is_cut = |view: &medusa_agent::View| matches!(view.connection, Connection::Cut { .. });
    let view = until(&agent, "a cut", is_cut).await;
    let words = view.in_words(tokio::time::Instant::now());
    assert!(words.contains("another protocol"), "{words}");
    // Tries that failed so far have left a link each.
    server.greet(first_welcome());
    let report = soon("a report over a good link", async {
        loop {
            let mut link = server.link().await;
            let noop = server.blob(&wasm(NOOP));
            if !link.try_lease(&lease("lse_1", &noop)).await {
                continue;
            }
            while let Some(frame) = link.next().await {
                if let Message::Report(report) = frame.message {
                    return report;
                }
            }
        }
    })
    .await;
    assert_eq!(report.outcome, Outcome::Done);
}
