//! Seats of sessions: a real guest answers rounds that a home sends over a line of its own.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use medusa_agent::{Agent, Config, Logs};
use medusa_api::{SeatOrder, SeatWord};
use medusa_protocol::{
    Cancel, Frame, Lease, Message, PART_BYTES, Part, Parts, Report, SESSION_SUBPROTOCOL,
    SessionHead, SessionKind, Yield,
};
use medusa_types::Outcome;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message as WsMessage;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use crate::support::{FakeServer, Home, Link, inline, lease, soon, until};
use crate::work::{SPIN, wasm};

/// Answers each frame with the same bytes and one more, which counts from '1'. A frame that begins
/// with `m` has metrics before its answer, `2` has two answers, `t` traps, `q` never ends, `e` is
/// the last. Its state is what it counts.
const GUEST: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 16)
    (data (i32.const 32) "\10\00\00\00\89medusamloss 0.5")
    (global $n (mut i32) (i32.const 48))
    (func $fill (param $at i32) (param $len i32) (result i32) (local $n i32)
        (loop $more (result i32)
            (if (i32.eqz (local.get $len)) (then (return (i32.const 1))))
            (i32.store (i32.const 0) (local.get $at))
            (i32.store (i32.const 4) (local.get $len))
            (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
            (local.set $n (i32.load (i32.const 8)))
            (if (i32.eqz (local.get $n)) (then (return (i32.const 0))))
            (local.set $at (i32.add (local.get $at) (local.get $n)))
            (local.set $len (i32.sub (local.get $len) (local.get $n)))
            (br $more)))
    (func $next (result i32)
        (if (i32.eqz (call $fill (i32.const 64) (i32.const 4))) (then (return (i32.const -1))))
        (drop (call $fill (i32.const 68) (i32.load (i32.const 64))))
        (i32.load (i32.const 64)))
    (func $print (param $at i32) (param $len i32)
        (i32.store (i32.const 0) (local.get $at))
        (i32.store (i32.const 4) (local.get $len))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
    (func $say (param $len i32)
        (i32.store (i32.const 64) (local.get $len))
        (call $print (i32.const 64) (i32.add (local.get $len) (i32.const 4))))
    (func (export "_start") (local $len i32) (local $first i32)
        (drop (call $next))
        (loop $more
            (local.set $len (call $next))
            (if (i32.lt_s (local.get $len) (i32.const 0)) (then (return)))
            (local.set $first (i32.load8_u (i32.const 68)))
            (if (i32.eq (local.get $first) (i32.const 0x74)) (then unreachable))
            (if (i32.eq (local.get $first) (i32.const 0x71)) (then (loop $ever (br $ever))))
            (if (i32.eq (local.get $first) (i32.const 0x89)) (then
                (if (i32.eq (i32.load8_u (i32.const 75)) (i32.const 0x73)) (then
                    (i32.store8 (i32.const 68) (global.get $n))
                    (call $say (i32.const 1))))
                (if (i32.eq (i32.load8_u (i32.const 75)) (i32.const 0x6c)) (then
                    (global.set $n (i32.load8_u (i32.const 76)))))
                (br $more)))
            (if (i32.eq (local.get $first) (i32.const 0x6d)) (then
                (call $print (i32.const 32) (i32.const 20))))
            (global.set $n (i32.add (global.get $n) (i32.const 1)))
            (i32.store8 (i32.add (i32.const 68) (local.get $len)) (global.get $n))
            (call $say (i32.add (local.get $len) (i32.const 1)))
            (if (i32.eq (local.get $first) (i32.const 0x32)) (then (call $say (i32.const 1))))
            (if (i32.eq (local.get $first) (i32.const 0x65)) (then (return)))
            (br $more))))"#;

/// An agent with a seat, and everything around it.
struct Scene {
    _dir: Home,
    server: FakeServer,
    agent: Agent,
    link: Link,
    door: TcpListener,
    seat: Lease,
}

/// The home's end of a line.
struct Line(WebSocketStream<TcpStream>);

impl Scene {
    async fn open(set: impl FnOnce(&mut Config)) -> Self {
        let dir = Home::new();
        let mut server = FakeServer::start().await;
        dir.enrol(&server.url);
        let mut config = dir.config();
        set(&mut config);
        let agent = Agent::start(config, Logs::default()).unwrap();
        let link = server.link().await;
        let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut seat = lease("lse_1", &server.blob(&wasm(GUEST)));
        seat.home = Some(format!("ws://{}/s?ticket=1", door.local_addr().unwrap()));
        Self { _dir: dir, server, agent, link, door, seat }
    }

    /// The seat is given, and its line comes.
    async fn sit(&mut self) -> Line {
        self.link.lease(&self.seat, "").await;
        let mut line = self.line().await;
        let here = SeatWord::Here { shard: None, round: 0, fuel: 0 };
        assert_eq!(line.word().await, here);
        line
    }

    /// The same, with a shard in it.
    async fn seated() -> (Self, Line) {
        Self::seated_with(|_| {}).await
    }

    async fn seated_with(set: impl FnOnce(&mut Config)) -> (Self, Line) {
        let mut scene = Self::open(set).await;
        let mut line = scene.sit().await;
        line.take(&scene.shard(1)).await;
        assert_eq!(line.word().await, SeatWord::Ready { shard: 1 });
        (scene, line)
    }

    fn shard(&self, chunk: u32) -> Lease {
        Lease { chunk, home: None, stdin: Some(inline(b"shard")), ..self.seat.clone() }
    }

    #[expect(clippy::result_large_err, reason = "the library's type")]
    async fn line(&self) -> Line {
        let check = |request: &Request, mut response: Response| {
            assert_eq!(request.uri().to_string(), "/s?ticket=1");
            let protocol = request.headers().get("sec-websocket-protocol").unwrap().clone();
            assert_eq!(protocol, SESSION_SUBPROTOCOL);
            assert!(request.headers().get("authorization").is_none(), "it is no server's");
            response.headers_mut().insert("sec-websocket-protocol", protocol);
            Ok::<_, ErrorResponse>(response)
        };
        let (stream, _) = soon("line", self.door.accept()).await.unwrap();
        Line(accept_hdr_async(stream, check).await.unwrap())
    }

    /// The report of the seat.
    async fn report(&mut self) -> Report {
        match self.last().await {
            Message::Report(report) => report,
            other => panic!("{other:?}"),
        }
    }

    async fn is_handed_back(&mut self) {
        let back = Yield { lease: "lse_1".into(), too_large: false };
        assert_eq!(self.last().await, Message::Yield(back));
    }

    async fn last(&mut self) -> Message {
        loop {
            let message = self.link.frame().await.message;
            if matches!(message, Message::Report(_) | Message::Yield(_)) {
                return message;
            }
        }
    }
}

impl Line {
    async fn send(&mut self, kind: SessionKind, round: u64, payload: &[u8]) {
        let head = SessionHead::new(kind, round, payload.len().try_into().unwrap());
        for message in head.messages(payload) {
            self.0.send(WsMessage::Binary(message.into())).await.unwrap();
        }
    }

    async fn round(&mut self, round: u64, payload: &[u8]) {
        self.send(SessionKind::Round, round, payload).await;
    }

    async fn take(&mut self, shard: &Lease) {
        let message = Message::Lease(Box::new(shard.clone()));
        let payload = if shard.stdin == Some(inline(b"shard")) { "shard" } else { "" };
        let frame = Frame { message, payload: payload.into() };
        self.send(SessionKind::Take, 0, &frame.encode()).await;
    }

    async fn order(&mut self, order: &SeatOrder) {
        let text = serde_json::to_string(order).unwrap();
        self.0.send(WsMessage::text(text)).await.unwrap();
    }

    async fn next(&mut self) -> Option<WsMessage> {
        loop {
            match soon("message", self.0.next()).await? {
                Ok(WsMessage::Ping(_) | WsMessage::Pong(_)) => {}
                Ok(WsMessage::Close(_)) | Err(_) => return None,
                Ok(message) => return Some(message),
            }
        }
    }

    async fn word(&mut self) -> SeatWord {
        let message = self.next().await.expect("a word");
        serde_json::from_str(message.to_text().expect("a text")).unwrap()
    }

    /// A whole payload.
    async fn payload(&mut self) -> (SessionHead, Vec<u8>) {
        let mut parts = Parts::default();
        loop {
            let message = self.next().await.expect("a payload");
            assert!(message.is_binary(), "{message:?}");
            let message = message.into_data();
            let (head, part) = SessionHead::decode(&message).unwrap();
            if parts.add(&head, part).unwrap() {
                return (SessionHead { offset: 0, ..head }, parts.payload);
            }
        }
    }

    /// The answer of this round, as text.
    async fn answer(&mut self, round: u64) -> String {
        let (head, payload) = self.payload().await;
        assert_eq!((head.kind, head.round, head.shard), (SessionKind::Answer, round, 1));
        String::from_utf8(payload).unwrap()
    }

    async fn is_over(&mut self) {
        assert_eq!(self.next().await, None);
    }
}

#[tokio::test]
async fn a_seat_answers_rounds_in_order_and_its_session_is_finished() {
    let (mut scene, mut line) = Scene::seated().await;
    for (round, text) in [(1, "a"), (2, "mb"), (3, "c")] {
        line.round(round, text.as_bytes()).await;
    }
    line.send(SessionKind::Save, 9, b"").await;
    line.send(SessionKind::Call, 4, b"d").await;
    assert_eq!(line.answer(1).await, "a1");
    let (head, metrics) = line.payload().await;
    assert_eq!((head.kind, head.round, head.shard), (SessionKind::Metrics, 2, 1));
    assert_eq!(metrics, b"loss 0.5");
    assert_eq!(line.answer(2).await, "mb2");
    let (third, _) = line.payload().await;
    let (state, content) = line.payload().await;
    assert_eq!((state.kind, state.round, &*content), (SessionKind::State, 9, &b"3"[..]));
    assert_eq!(line.answer(4).await, "d4");
    line.send(SessionKind::Load, 0, b"7").await;
    line.round(1, b"e0").await;
    let (head, answer) = line.payload().await;
    assert_eq!(answer, b"e08", "it went on from what was loaded, and ended");
    assert!(third.fuel > 0 && head.fuel > third.fuel);
    let failed = line.word().await;
    let SeatWord::Failed { outcome, unfinished, round, .. } = failed else { panic!("{failed:?}") };
    assert_eq!((outcome, unfinished, round), (Outcome::Done, false, 0), "between two rounds");
    line.is_over().await;
    assert_eq!(scene.report().await.outcome, Outcome::Done);
    until(&scene.agent, "an empty floor", |view| view.chunks.is_empty()).await;
}

#[tokio::test]
async fn a_finished_seat_reports_the_fuel_of_all_its_guests() {
    let (mut scene, mut line) = Scene::seated().await;
    line.round(1, b"a").await;
    let (first, _) = line.payload().await;
    line.take(&scene.shard(2)).await;
    assert_eq!(line.word().await, SeatWord::Ready { shard: 2 });
    line.round(1, b"a").await;
    let (second, answer) = line.payload().await;
    assert_eq!((second.shard, &*answer), (2, &b"a1"[..]), "another guest counts from the start");
    assert_eq!(first.fuel, second.fuel, "and its fuel too");
    let view = until(&scene.agent, "a line on the page", |view| {
        view.chunks.values().any(|c| c.seat.is_some_and(|s| s.shard == Some(2) && s.round == 1))
    })
    .await;
    assert_eq!(view.in_words(Instant::now()), "computing 1 shard of Cell picture");
    line.order(&SeatOrder::Finish).await;
    line.is_over().await;
    let report = scene.report().await;
    assert_eq!((report.outcome, report.output_bytes, report.uploaded), (Outcome::Done, 0, false));
    assert!(report.fuel >= first.fuel * 2 && report.fuel < first.fuel * 2 + first.fuel);
}

#[tokio::test]
async fn long_payloads_travel_in_parts() {
    let mut scene = Scene::open(|_| {}).await;
    let mut line = scene.sit().await;
    let blob = scene.server.blob(&vec![b's'; 300_000]);
    let mut shard = scene.shard(1);
    shard.stdin = Some(Part::Range { len: 200_000, offset: 50_000, blob });
    line.take(&shard).await;
    assert_eq!(line.word().await, SeatWord::Ready { shard: 1 });
    let long: Vec<u8> = (b'A'..=b'Z').cycle().take(300 << 10).collect();
    for round in 1..=4_u8 {
        line.round(round.into(), &long).await;
    }
    for round in 1..=4_u8 {
        let (head, answer) = line.payload().await;
        assert_eq!((head.round, head.total), (round.into(), (300 << 10) + 1));
        assert!(answer == [&long[..], &[b'0' + round]].concat(), "round {round}");
    }
    let head = SessionHead::new(SessionKind::Round, 5, (300 << 10).try_into().unwrap());
    let mut parts = head.messages(&long);
    line.0.send(WsMessage::Binary(parts.next().unwrap().into())).await.unwrap();
    line.round(6, b"short").await;
    let (head, answer) = line.payload().await;
    assert_eq!((head.round, &*answer), (6, &b"short5"[..]), "it passes between parts");
    assert_eq!(long.len().div_ceil(PART_BYTES), 3);
    line.order(&SeatOrder::Finish).await;
    assert_eq!(scene.report().await.outcome, Outcome::Done);
}

#[tokio::test]
async fn a_cut_line_is_made_again_and_nothing_is_computed_twice() {
    let (mut scene, mut line) = Scene::seated().await;
    line.round(1, b"a").await;
    assert_eq!(line.answer(1).await, "a1");
    line.round(2, b"mb").await;
    line.payload().await;
    let (second, _) = line.payload().await;
    drop(line);
    let mut line = scene.line().await;
    let here = SeatWord::Here { shard: Some(1), round: 2, fuel: second.fuel };
    assert_eq!(line.word().await, here);
    for (round, text) in [(1, "a"), (2, "mb"), (3, "c")] {
        line.round(round, text.as_bytes()).await;
    }
    assert_eq!(line.payload().await.1, b"loss 0.5");
    assert_eq!(line.payload().await, (second, b"mb2".to_vec()), "the last one, again");
    assert_eq!(line.answer(3).await, "c3");
    line.order(&SeatOrder::Finish).await;
    assert_eq!(scene.report().await.outcome, Outcome::Done);
}

#[tokio::test]
async fn a_guest_that_fails_is_told_to_the_home_and_the_server() {
    for (frame, round, outcome) in
        [(&b"t"[..], 2, Outcome::Trap), (b"e", 0, Outcome::Done), (b"2", 0, Outcome::Trap)]
    {
        let (mut scene, mut line) = Scene::seated().await;
        line.round(1, b"a").await;
        assert_eq!(line.answer(1).await, "a1");
        line.round(2, frame).await;
        if round == 0 {
            line.answer(2).await;
        }
        let word = line.word().await;
        let SeatWord::Failed { outcome: told, round: during, detail, .. } = &word else {
            panic!("{word:?}")
        };
        assert_eq!((*told, *during), (outcome, round), "{detail}");
        line.is_over().await;
        let report = scene.report().await;
        assert_eq!(report.outcome, outcome);
        assert!(report.fuel > 0);
    }
}

#[tokio::test]
async fn a_home_that_talks_nonsense_is_left() {
    for nonsense in [WsMessage::text("hello"), WsMessage::Binary(vec![9; 40].into())] {
        let (mut scene, mut line) = Scene::seated().await;
        line.0.send(nonsense).await.unwrap();
        let report = scene.report().await;
        assert_eq!(report.outcome, Outcome::AgentFault);
        assert!(report.stderr.contains("cannot be understood"), "{}", report.stderr);
    }
}

#[tokio::test]
async fn an_agent_does_not_go_on_unpaid() {
    let patience = Duration::from_secs(1);
    let (mut scene, mut line) = Scene::seated_with(|config| config.unpaid_max = patience).await;
    let began = Instant::now();
    for round in 1..=8 {
        line.round(round, b"a").await;
        line.answer(round).await;
        line.order(&SeatOrder::Paid { round }).await;
        tokio::time::sleep(patience / 4).await;
    }
    assert!(began.elapsed() >= patience * 2, "who pays is answered");
    line.round(9, b"a").await;
    line.answer(9).await;
    let unpaid = Instant::now();
    scene.is_handed_back().await;
    assert!(unpaid.elapsed() >= patience * 3 / 4, "{:?}", unpaid.elapsed());
    line.is_over().await;
}

#[tokio::test]
async fn a_machine_that_stops_computing_hands_its_seat_back() {
    let (mut scene, mut line) = Scene::seated().await;
    line.round(1, b"q").await;
    scene.agent.set_paused(true);
    scene.is_handed_back().await;
    line.is_over().await;

    let (mut scene, mut line) = Scene::seated().await;
    let began = Instant::now();
    scene.agent.finish();
    scene.is_handed_back().await;
    assert!(began.elapsed() < Duration::from_secs(30), "no chunk that never ends is waited for");
    line.is_over().await;
}

#[tokio::test]
async fn a_seat_waits_for_no_chunk() {
    let mut scene = Scene::open(|_| {}).await;
    let spin = scene.server.blob(&wasm(SPIN));
    for name in ["lse_2", "lse_3"] {
        scene.link.lease(&lease(name, &spin), "").await;
    }
    until(&scene.agent, "two chunks", |view| {
        let is_running = |phase| matches!(phase, medusa_agent::Phase::Running(_));
        view.chunks.values().filter(|chunk| is_running(chunk.phase)).count() == 2
    })
    .await;
    scene.link.lease(&scene.seat, "").await;
    scene.is_handed_back().await;
}

#[tokio::test]
async fn a_cancelled_seat_is_left_without_a_word() {
    let (mut scene, mut line) = Scene::seated().await;
    line.round(1, b"q").await;
    scene.link.send(Message::Cancel(Cancel { lease: "lse_1".into() }), "").await;
    line.is_over().await;
    until(&scene.agent, "an empty floor", |view| view.chunks.is_empty()).await;
    // A home that refuses it is nobody's fault.
    let path = "/no/such/session";
    scene.server.answer(path, 404, "");
    scene.seat.home = Some(path.into());
    scene.link.lease(&scene.seat, "").await;
    scene.is_handed_back().await;
}
